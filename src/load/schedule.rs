//! The intended instants: what is submitted when, by whom, fixed before the run.
//!
//! Latency is measured from these, so nothing that happens inside a run can move them. A pure
//! function of the scenario: the same seed gives the same schedule, on every machine whose `ln`
//! agrees to the nanosecond. Never reads a clock. Called by the worker, which only walks it.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::arrivals::{self, Arrival};
use super::draws::{Zipf, below, stream};
use super::mix::Mixer;
use super::phases::Course;
use super::population::Population;
use super::roster::Roster;
use super::scenario::{Class, Scenario, Source};
use crate::delivery::Kind;

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
    /// An update commit by the sender, which takes in what was proposed.
    Commit,
    /// A commit by the sender that adds somebody.
    Add {
        /// Who: a number of the group's devices.
        member: u32,
    },
    /// A commit by the sender that removes a member.
    Remove {
        /// Who.
        member: u32,
    },
    /// A proposal of the sender to update itself.
    ProposeUpdate,
    /// A proposal of the sender to add somebody.
    ProposeAdd {
        /// Who.
        member: u32,
    },
    /// A proposal of the sender to remove a member.
    ProposeRemove {
        /// Who.
        member: u32,
    },
    /// The sender, any member, proposes its own removal.
    Leave,
    /// The sender, no member yet, comes in by a commit of its own.
    ExternalJoin,
    /// A commit by every racer of the group, all due at this instant.
    Race,
}

impl OperationKind {
    /// What is submitted.
    #[must_use]
    pub fn message(self) -> Kind {
        match self {
            Self::Application { .. } => Kind::Application,
            Self::ProposeUpdate
            | Self::ProposeAdd { .. }
            | Self::ProposeRemove { .. }
            | Self::Leave => Kind::Proposal,
            Self::Commit
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::ExternalJoin
            | Self::Race => Kind::Commit,
        }
    }
}

impl Schedule {
    /// Plans `scenario`. Costs 40 bytes for each operation, and a sort.
    #[must_use]
    pub fn plan(scenario: &Scenario) -> Self {
        let mut operations = Vec::new();
        let course = scenario.course();
        let population = Population::of(scenario);
        let mut first_group = 0;
        for (class_index, class) in (0_u32..).zip(&scenario.groups) {
            let mut planner = Planner::new(
                scenario.seed,
                &course,
                (class_index, class),
                (&population, first_group),
            );
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

/// Walks one class.
struct Planner<'a> {
    class: &'a Class,
    population: &'a Population,
    first_group: u32,
    arrivals: Box<dyn Iterator<Item = Arrival> + 'a>,
    groups: (ChaCha8Rng, Zipf),
    senders: (ChaCha8Rng, Zipf),
    sizes: ChaCha8Rng,
    who: ChaCha8Rng,
    mixer: Mixer<'a>,
    rosters: Vec<Roster>,
    planned: u64,
}

impl<'a> Planner<'a> {
    fn new(
        seed: u64,
        course: &'a Course,
        (index, class): (u32, &'a Class),
        (population, first_group): (&'a Population, u32),
    ) -> Self {
        let stream = |purpose| stream(seed, index, purpose);
        let groups = first_group..first_group + class.count;
        Self {
            class,
            population,
            first_group,
            arrivals: arrivals::of_class(seed, index, class, course),
            groups: (stream(b"groups  "), class.hot_groups()),
            senders: (stream(b"senders "), class.hot_senders()),
            sizes: stream(b"payloads"),
            who: stream(b"who     "),
            mixer: Mixer::new(class),
            rosters: groups.map(|group| Roster::of(population.class(group as usize))).collect(),
            planned: 0,
        }
    }

    fn next_operation(&mut self) -> Option<Operation> {
        let Arrival { at, group, bytes } = self.arrivals.next()?;
        let (from, hot) = &mut self.groups;
        let group = group.unwrap_or_else(|| hot.draw(from, self.class.count));
        let (kind, sender) = self.next_kind(group, bytes);
        self.planned += 1;
        let group = self.first_group + group;
        Some(Operation { intended: at, group, index_in_group: 0, kind, sender })
    }

    fn senders_of(&self, group: u32) -> u32 {
        self.population.class((self.first_group + group) as usize).senders
    }

    /// Shares are spread evenly, so that even a short run has those asked for.
    fn next_kind(&mut self, group: u32, bytes: Option<u32>) -> (OperationKind, u32) {
        if self.class.source == Source::Live {
            return (OperationKind::Race, 0);
        }
        let who = &mut self.who;
        let roster = usize::try_from(group).ok().and_then(|group| self.rosters.get_mut(group));
        let roster = roster.expect("a group is drawn below their count");
        let changes = self.mixer.next(self.planned, roster, &mut |bound| below(who, bound));
        changes.unwrap_or_else(|| {
            let drawn = self.class.payload.draw(&mut self.sizes);
            let senders = self.senders_of(group);
            let (from, hot) = &mut self.senders;
            let bytes = bytes.unwrap_or(drawn);
            (OperationKind::Application { bytes }, hot.draw(from, senders))
        })
    }
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
