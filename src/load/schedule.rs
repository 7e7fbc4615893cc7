//! The intended instants: what is submitted when, by whom, fixed before the run.
//!
//! Latency is measured from these, so nothing that happens inside a run can move them. A pure
//! function of the scenario: the same seed gives the same schedule, on every machine whose `ln`
//! agrees to the nanosecond. Never reads a clock. Called by the worker, which only walks it.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::phases::Course;
use super::scenario::{Arrivals, Class, Scenario, Source};

/// Every operation of a run, by intended instant.
#[derive(Clone, Debug)]
pub struct Schedule {
    operations: Vec<Operation>,
}

/// One thing to do at one instant. Its place in the schedule is its attempt number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When, since the start of the run.
    pub intended: Duration,
    /// Index into `Population::groups`.
    pub group: u32,
    /// How many operations of this group come before it: which item of a tape it is.
    pub index_in_group: u32,
    /// What.
    pub kind: OperationKind,
    /// The member that submits; 0, and of no meaning, for a race.
    pub sender: u32,
}

/// What an operation submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// An application message.
    Application {
        /// Plaintext bytes.
        bytes: u32,
    },
    /// A commit by the sender.
    Commit,
    /// A commit by every racer of the group, all due at this instant.
    Race,
}

impl Schedule {
    /// Plans `scenario`. Costs 40 bytes for each operation, and a sort.
    #[must_use]
    pub fn plan(scenario: &Scenario) -> Self {
        let mut operations = Vec::new();
        let course = scenario.course();
        let mut first_group = 0;
        for (class_index, class) in (0_u32..).zip(&scenario.groups) {
            let mut planner =
                Planner::new(scenario.seed, &course, (class_index, class), first_group);
            operations.extend(std::iter::from_fn(|| planner.next_operation()));
            first_group += class.count;
        }
        // Stable: within a class, and among classes at one instant, the order is the file's.
        operations.sort_by_key(|operation| operation.intended);
        let groups = usize::try_from(first_group).unwrap_or_default();
        number_within_groups(&mut operations, groups);
        Self { operations }
    }

    /// The operations, by intended instant.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations of one group, in order: what has to be minted for it.
    pub fn of_group(&self, group: u32) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(move |operation| operation.group == group)
    }
}

fn number_within_groups(operations: &mut [Operation], groups: usize) {
    let mut before = vec![0_u32; groups];
    for operation in operations {
        if let Some(count) =
            usize::try_from(operation.group).ok().and_then(|group| before.get_mut(group))
        {
            operation.index_in_group = *count;
            *count += 1;
        }
    }
}

/// Walks one class. Each kind of choice draws from its own stream, so that changing one field of
/// a scenario leaves the other choices as they were.
struct Planner<'a> {
    class: &'a Class,
    first_group: u32,
    course: &'a Course,
    arrivals: ChaCha8Rng,
    groups: ChaCha8Rng,
    senders: ChaCha8Rng,
    committers: Vec<u32>,
    planned: u64,
    /// Poisson arrivals: how long it would have taken so far at the full rate.
    worked: Duration,
}

impl<'a> Planner<'a> {
    fn new(
        seed: u64,
        course: &'a Course,
        (index, class): (u32, &'a Class),
        first_group: u32,
    ) -> Self {
        let stream = |purpose| stream(seed, index, purpose);
        Self {
            class,
            first_group,
            course,
            arrivals: stream(b"arrivals"),
            groups: stream(b"groups  "),
            senders: stream(b"senders "),
            committers: vec![0; usize::try_from(class.count).unwrap_or_default()],
            planned: 0,
            worked: Duration::ZERO,
        }
    }

    fn next_operation(&mut self) -> Option<Operation> {
        if self.class.is_closed() {
            return self.next_first_round();
        }
        let intended = self.next_instant()?;
        let group = below(&mut self.groups, self.class.count);
        let kind = self.next_kind();
        let sender = match kind {
            OperationKind::Application { .. } => below(&mut self.senders, self.class.senders),
            OperationKind::Commit => self.next_committer(group),
            OperationKind::Race => 0,
        };
        self.planned += 1;
        Some(Operation {
            intended,
            group: self.first_group + group,
            index_in_group: 0,
            kind,
            sender,
        })
    }

    /// Racers that want the next change when the one before has come through are called once, at
    /// the start, in every group.
    fn next_first_round(&mut self) -> Option<Operation> {
        let group = u32::try_from(self.planned).ok().filter(|group| *group < self.class.count)?;
        self.planned += 1;
        Some(Operation {
            intended: Duration::ZERO,
            group: self.first_group + group,
            index_in_group: 0,
            kind: OperationKind::Race,
            sender: 0,
        })
    }

    /// `None` when the next one would be after the last phase.
    fn next_instant(&mut self) -> Option<Duration> {
        match self.class.arrivals {
            Arrivals::Even => self.course.instant(self.class.rate, self.planned),
            Arrivals::Poisson => {
                let gap = exponential(&mut self.arrivals) * self.class.rate.period_seconds();
                self.worked += Duration::from_secs_f64(gap);
                // At a rate that changes, a Poisson process is one of rate 1 in another time.
                self.course.after(self.worked)
            }
        }
    }

    /// Commits are spread evenly, so that even a short run has the share asked for.
    fn next_kind(&self) -> OperationKind {
        if self.class.source == Source::Live {
            return OperationKind::Race;
        }
        let (before, after) = (
            self.class.commits.of_first(self.planned),
            self.class.commits.of_first(self.planned + 1),
        );
        if after > before {
            OperationKind::Commit
        } else {
            OperationKind::Application { bytes: self.class.payload.bytes() }
        }
    }

    fn next_committer(&mut self, group: u32) -> u32 {
        let Some(turn) =
            usize::try_from(group).ok().and_then(|group| self.committers.get_mut(group))
        else {
            return 0;
        };
        let committer = *turn;
        *turn = (committer + 1) % self.class.senders;
        committer
    }
}

fn stream(seed: u64, class: u32, purpose: &[u8; 8]) -> ChaCha8Rng {
    let mut key = *b"stentor schedule................";
    key[16..24].copy_from_slice(&seed.to_be_bytes());
    key[24..28].copy_from_slice(&class.to_be_bytes());
    key[28..].copy_from_slice(&purpose[..4]);
    ChaCha8Rng::from_seed(key)
}

/// Uniform in `0..bound`, 0 for a bound of 0. The high half of a product: biased by less than
/// one part in 2^32.
fn below(from: &mut ChaCha8Rng, bound: u32) -> u32 {
    let product = u128::from(from.next_u64()) * u128::from(bound);
    u32::try_from(product >> 64).unwrap_or_default()
}

/// An exponentially distributed number of mean 1; at most 37.
fn exponential(from: &mut ChaCha8Rng) -> f64 {
    let uniform = ((from.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -uniform.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(class: &str, measure: &str) -> Schedule {
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = 11\n\
             durations = {{ warm_up = \"1s\", measure = \"{measure}\", drain = \"1s\" }}\n\
             [[groups]]\nname = \"a\"\n{class}\n"
        );
        Schedule::plan(&Scenario::parse(&text, "t").unwrap())
    }

    const POISSON: &str = "count = 10\nmembers = 8\nrate = \"1000/s\"\ncommits = \"2%\"";

    #[test]
    fn even_operations_do_not_drift_over_hours() {
        let schedule = plan("count = 1\nmembers = 2\nrate = \"3/s\"\narrivals = \"even\"", "4h");
        let operations = schedule.operations();
        assert_eq!(operations.len(), 3 * (4 * 3600 + 1));
        for (second, operation) in operations.iter().step_by(3).enumerate() {
            assert_eq!(operation.intended, Duration::from_secs(second.try_into().unwrap()));
        }
    }

    #[test]
    fn operations_are_in_order_and_end_with_the_last_phase() {
        let schedule = plan(POISSON, "2s");
        let operations = schedule.operations();
        assert!(operations.is_sorted_by_key(|operation| operation.intended));
        for operation in operations {
            assert!(operation.intended < Duration::from_secs(3));
        }
    }

    fn phased(arrivals: &str) -> (Scenario, Schedule) {
        let phase = |rest: &str| format!("[[phases]]\nfor = \"10s\"\n{rest}\n");
        let phases = [
            "kind = \"ramp\"\nto = \"200%\"",
            "kind = \"spike\"\nrate = \"300%\"",
            "kind = \"step\"\nrate = \"0%\"",
            "kind = \"measure\"\nrate = \"50%\"",
            "kind = \"ramp\"\nto = \"150%\"",
        ];
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = 11\ndrain = \"1s\"\n{}\
             [[groups]]\nname = \"a\"\ncount = 4\nmembers = 8\nrate = \"1000/s\"\n\
             arrivals = \"{arrivals}\"\n",
            phases.map(phase).concat()
        );
        let scenario = Scenario::parse(&text, "t").unwrap();
        let schedule = Schedule::plan(&scenario);
        (scenario, schedule)
    }

    #[test]
    fn each_phase_offers_its_share_of_the_rate() {
        let expected = [10_000, 30_000, 0, 5_000, 10_000];
        for arrivals in ["even", "poisson"] {
            let (scenario, schedule) = phased(arrivals);
            for (phase, expected) in scenario.phases.iter().zip(expected) {
                let due = |op: &&Operation| (phase.from..phase.to()).contains(&op.intended);
                let count = schedule.operations().iter().filter(due).count() as f64;
                let off = (count - f64::from(expected)).abs();
                let allowed =
                    if arrivals == "even" { 0.0 } else { 4.0 * f64::from(expected).sqrt() };
                assert!(off <= allowed, "{arrivals} {}: {count}", phase.name);
            }
        }
    }

    #[test]
    fn poisson_arrivals_are_exponential_in_the_time_that_the_rate_makes() {
        let (scenario, schedule) = phased("poisson");
        let course = scenario.course();
        let worked: Vec<f64> = schedule
            .operations()
            .iter()
            .map(|op| course.work(op.intended).as_secs_f64() * 1000.0)
            .collect();
        let gaps = worked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_exponential(gaps);
    }

    #[test]
    fn an_operation_takes_the_40_bytes_that_the_limits_count_on() {
        assert_eq!(size_of::<Operation>(), 40);
    }

    #[test]
    fn one_seed_gives_one_schedule() {
        assert_eq!(plan(POISSON, "2s").operations(), plan(POISSON, "2s").operations());
    }

    #[test]
    fn changing_the_commit_share_moves_no_instant_and_no_group() {
        let key = |schedule: &Schedule| -> Vec<_> {
            schedule.operations().iter().map(|op| (op.intended, op.group)).collect()
        };
        let other = plan(&POISSON.replace("2%", "50%"), "2s");
        assert_eq!(key(&plan(POISSON, "2s")), key(&other));
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_shape_of_an_exponential() {
        let schedule = plan(POISSON, "99s");
        let seconds: Vec<f64> =
            schedule.operations().iter().map(|op| op.intended.as_secs_f64()).collect();
        let count = seconds.len() as f64;
        assert!((count - 100_000.0).abs() < 4.0 * 100_000_f64.sqrt(), "{count}");
        assert_exponential(seconds.windows(2).map(|pair| (pair[1] - pair[0]) * 1000.0).collect());
    }

    /// Kolmogorov-Smirnov against 1 - e^-x; 1.95 / sqrt(n) is passed by 99.9 % of seeds.
    fn assert_exponential(mut gaps: Vec<f64>) {
        gaps.sort_by(f64::total_cmp);
        let count = gaps.len() as f64;
        let distance = gaps
            .iter()
            .enumerate()
            .map(|(rank, gap)| ((1.0 - (-gap).exp()) - rank as f64 / count).abs())
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / count.sqrt(), "{distance}");
    }

    #[test]
    fn poisson_counts_are_as_dispersed_as_their_mean() {
        let schedule = plan(POISSON, "99s");
        let mut counts = vec![0_u32; 1000];
        for operation in schedule.operations() {
            counts[usize::try_from(operation.intended.as_millis() / 100).unwrap()] += 1;
        }
        let mean = f64::from(counts.iter().sum::<u32>()) / 1000.0;
        let variance =
            counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / 999.0;
        assert!((0.82..1.18).contains(&(variance / mean)), "{}", variance / mean);
    }

    #[test]
    fn groups_are_chosen_alike() {
        let schedule = plan(POISSON, "99s");
        let expected = schedule.operations().len() as f64 / 10.0;
        let chi_square: f64 = (0..10)
            .map(|group| (schedule.of_group(group).count() as f64 - expected).powi(2) / expected)
            .sum();
        assert!(chi_square < 27.9, "99.9 % of seeds stay below, 9 degrees: {chi_square}");
    }

    #[test]
    fn the_commit_share_is_met_to_the_operation() {
        let schedule = plan(POISSON, "9s");
        let operations = schedule.operations();
        let commits = operations.iter().filter(|op| op.kind == OperationKind::Commit).count();
        assert_eq!(commits, operations.len() * 2 / 100);
    }

    #[test]
    fn committers_of_a_group_take_turns() {
        let schedule = plan(&POISSON.replace("2%", "100%"), "2s");
        for (turn, operation) in (0..).zip(schedule.of_group(3)) {
            assert_eq!((operation.sender, operation.index_in_group), (turn % 6, turn));
        }
    }

    #[test]
    fn a_live_class_only_races() {
        let schedule = plan("count = 2\nmembers = 8\nrate = \"50/s\"\nsource = \"live\"", "1s");
        assert!(schedule.operations().iter().all(|op| op.kind == OperationKind::Race));
    }

    #[test]
    fn the_groups_of_a_later_class_follow_those_of_an_earlier() {
        let schedule = plan(
            &format!("{POISSON}\n[[groups]]\nname = \"b\"\n{}", POISSON.replace("1000", "10")),
            "1s",
        );
        let groups: Vec<u32> = schedule.operations().iter().map(|op| op.group).collect();
        assert_eq!((groups.iter().min(), groups.iter().max()), (Some(&0), Some(&19)));
        let late = groups.iter().filter(|group| **group >= 10).count();
        assert!((5..50).contains(&late), "{late}");
    }
}
