//! What racing cost the members of a class, counted as it happens.
//!
//! Counts are of what happened within the measured window, whenever it was due; how often a change
//! was tried and how long it took are of the changes that were wanted within it. Takes instants
//! as arguments and reads no clock. Called by the worker; read by the report.

use std::ops::Range;
use std::time::Duration;

use super::jain;
use crate::load::recorder::Series;

/// What a racer builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An update commit, with all proposals that it has seen.
    Commit,
    /// A proposal to update its leaf.
    Proposal,
    /// An application message that claims the epoch, by this generation of its lease.
    Claim {
        /// See [`Claim`](super::lease::Claim).
        generation: u32,
    },
}

/// Something that happened to a racer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its member has built something, in so much processor time.
    Built(What, Duration),
    /// It has submitted so many bytes.
    Sent(What, u64),
    /// A commit of so many bytes was ordered: it opened an epoch.
    Won(u64),
    /// A commit of so many bytes, built in that time, came too late for its epoch.
    Lost(u64, Duration),
    /// A commit of so many bytes was told to come again, because others come first.
    PutOff(u64),
    /// A commit of so many bytes, built in that time, was refused for another reason.
    Refused(u64, Duration),
    /// A commit that was built in that time was overtaken before it was sent.
    Overtaken(Duration),
    /// A change was given up: too many tries, no answer, or a refusal.
    GaveUp,
}

/// How often something happened, and its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// One racer's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Changes of it that came through within the window.
    pub successes: u64,
    /// Changes that it wanted within the window and that came through.
    pub waits: u64,
    /// How long it waited for those, together.
    pub waited: Duration,
}

/// What racing cost the members of one class.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Commits that were submitted.
    pub commits: Counted,
    /// Of them, those that opened an epoch.
    pub won: Counted,
    /// Of them, those that came too late for it.
    pub lost: Counted,
    /// Of them, those that were to come again.
    pub put_off: Counted,
    /// Of them, those that were refused for another reason.
    pub refused: Counted,
    /// Commits that were built and overtaken before they were sent.
    pub overtaken: u64,
    /// Proposals that were submitted.
    pub proposals: Counted,
    /// Claims of leases that were submitted.
    pub claims: Counted,
    /// Processor time of members on all that they built.
    pub built_cpu: Duration,
    /// Of it, on commits that lost, were refused, or were overtaken.
    pub wasted_cpu: Duration,
    /// Of it, on proposals and claims.
    pub overhead_cpu: Duration,
    /// Changes that were given up.
    pub gave_up: u64,
    /// Changes that were still wanted when the run ended, whenever they were due.
    pub unserved: u64,
    /// Of the changes that were wanted within the window and came through: how many took so many
    /// tries, from one up.
    pub tries: Vec<u64>,
    /// How long those took, from when they were wanted.
    pub time_to_commit: Series,
    /// The racers of each group.
    pub groups: Vec<Vec<Share>>,
}

impl Tally {
    /// Nothing has happened yet to so many racers in each of so many groups.
    #[must_use]
    pub fn new(groups: usize, racers: usize) -> Self {
        Self {
            commits: Counted::default(),
            won: Counted::default(),
            lost: Counted::default(),
            put_off: Counted::default(),
            refused: Counted::default(),
            overtaken: 0,
            proposals: Counted::default(),
            claims: Counted::default(),
            built_cpu: Duration::ZERO,
            wasted_cpu: Duration::ZERO,
            overhead_cpu: Duration::ZERO,
            gave_up: 0,
            unserved: 0,
            tries: Vec::new(),
            time_to_commit: Series::default(),
            groups: vec![vec![Share::default(); racers]; groups],
        }
    }

    /// Something happened at `at`; what is measured is `window`.
    pub fn note(&mut self, window: &Range<Duration>, at: Duration, event: Event) {
        if !window.contains(&at) {
            return;
        }
        match event {
            Event::Built(what, cpu) => {
                self.built_cpu += cpu;
                if what != What::Commit {
                    self.overhead_cpu += cpu;
                }
            }
            Event::Sent(What::Commit, bytes) => self.commits.add(bytes),
            Event::Sent(What::Proposal, bytes) => self.proposals.add(bytes),
            Event::Sent(What::Claim { .. }, bytes) => self.claims.add(bytes),
            Event::Won(bytes) => self.won.add(bytes),
            Event::PutOff(bytes) => self.put_off.add(bytes),
            Event::Lost(bytes, cpu) => {
                self.lost.add(bytes);
                self.wasted_cpu += cpu;
            }
            Event::Refused(bytes, cpu) => {
                self.refused.add(bytes);
                self.wasted_cpu += cpu;
            }
            Event::Overtaken(cpu) => {
                self.overtaken += 1;
                self.wasted_cpu += cpu;
            }
            Event::GaveUp => self.gave_up += 1,
        }
    }

    /// A change of the `racer` of the class's group `group`, wanted since `due`, came through at
    /// `at`, in so many tries; what is measured is `window`.
    pub fn served(
        &mut self,
        window: &Range<Duration>,
        (group, racer): (usize, usize),
        (due, at): (Duration, Duration),
        tries: u32,
    ) {
        let Some(share) = self.groups.get_mut(group).and_then(|racers| racers.get_mut(racer))
        else {
            return;
        };
        share.successes += u64::from(window.contains(&at));
        if !window.contains(&due) {
            return;
        }
        share.waits += 1;
        share.waited += at.saturating_sub(due);
        self.time_to_commit.record(due, at);
        let place = tries.saturating_sub(1) as usize;
        if self.tries.len() <= place {
            self.tries.resize(place + 1, 0);
        }
        self.tries[place] += 1;
    }

    /// Changes that came through within the window.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.groups.iter().flatten().map(|share| share.successes).sum()
    }

    /// Bytes of commits that were submitted and refused, for whatever reason.
    #[must_use]
    pub fn wasted_bytes(&self) -> u64 {
        self.lost.bytes + self.put_off.bytes + self.refused.bytes
    }

    /// Bytes of what was submitted beside commits.
    #[must_use]
    pub fn overhead_bytes(&self) -> u64 {
        self.proposals.bytes + self.claims.bytes
    }

    /// Mean tries of the changes that were wanted within the window and came through.
    #[must_use]
    pub fn tries_mean(&self) -> Option<f64> {
        let served: u64 = self.tries.iter().sum();
        let all: u64 = (1_u64..).zip(&self.tries).map(|(tries, count)| tries * count).sum();
        (served > 0).then(|| all as f64 / served as f64)
    }

    /// Jain's index over the successes of each group's racers: its mean over groups, and the lowest.
    #[must_use]
    pub fn fairness(&self) -> Option<(f64, f64)> {
        let index = |racers: &Vec<Share>| jain::index(racers.iter().map(|of| of.successes as f64));
        mean_and_lowest(self.groups.iter().filter_map(index))
    }

    /// What [`Self::fairness`] would have as its mean if each success had been drawn by lot.
    #[must_use]
    pub fn fairness_by_lot(&self) -> Option<f64> {
        let index = |racers: &Vec<Share>| {
            let successes = racers.iter().map(|of| of.successes).sum();
            jain::by_lot(racers.len(), successes)
        };
        mean_and_lowest(self.groups.iter().filter_map(index)).map(|(mean, _)| mean)
    }

    /// Jain's index over the mean waiting of each group's racers, those without a success left out:
    /// its mean over groups, and the lowest.
    #[must_use]
    pub fn fairness_of_waiting(&self) -> Option<(f64, f64)> {
        let wait = |of: &Share| (of.waits > 0).then(|| of.waited.as_secs_f64() / of.waits as f64);
        let index = |racers: &Vec<Share>| jain::index(racers.iter().filter_map(wait));
        mean_and_lowest(self.groups.iter().filter_map(index))
    }

    /// Adds what happened in other groups, over the same window.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.commits, other.commits),
            (&mut self.won, other.won),
            (&mut self.lost, other.lost),
            (&mut self.put_off, other.put_off),
            (&mut self.refused, other.refused),
            (&mut self.proposals, other.proposals),
            (&mut self.claims, other.claims),
        ] {
            mine.count += theirs.count;
            mine.bytes += theirs.bytes;
        }
        self.overtaken += other.overtaken;
        self.built_cpu += other.built_cpu;
        self.wasted_cpu += other.wasted_cpu;
        self.overhead_cpu += other.overhead_cpu;
        self.gave_up += other.gave_up;
        self.unserved += other.unserved;
        self.tries.resize(self.tries.len().max(other.tries.len()), 0);
        for (mine, theirs) in self.tries.iter_mut().zip(&other.tries) {
            *mine += theirs;
        }
        self.time_to_commit.merge(&other.time_to_commit);
        self.groups.extend(other.groups.iter().cloned());
    }
}

impl Counted {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

fn mean_and_lowest(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (mut count, mut sum, mut lowest) = (0_u32, 0.0, f64::INFINITY);
    for value in values {
        count += 1;
        sum += value;
        lowest = value.min(lowest);
    }
    (count > 0).then(|| (sum / f64::from(count), lowest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    const WINDOW: Range<Duration> = Duration::from_millis(100)..Duration::from_millis(200);

    fn tally() -> Tally {
        Tally::new(2, 3)
    }

    fn events() -> impl Strategy<Value = (Duration, Event)> {
        let cpu = || (0..50_u64).prop_map(Duration::from_micros);
        let what = prop_oneof![
            Just(What::Commit),
            Just(What::Proposal),
            (0..3_u32).prop_map(|generation| What::Claim { generation }),
        ];
        let bytes = 0..5_000_u64;
        let event = prop_oneof![
            (what.clone(), cpu()).prop_map(|(what, cpu)| Event::Built(what, cpu)),
            (what, bytes.clone()).prop_map(|(what, bytes)| Event::Sent(what, bytes)),
            bytes.clone().prop_map(Event::Won),
            (bytes.clone(), cpu()).prop_map(|(bytes, cpu)| Event::Lost(bytes, cpu)),
            bytes.clone().prop_map(Event::PutOff),
            (bytes, cpu()).prop_map(|(bytes, cpu)| Event::Refused(bytes, cpu)),
            cpu().prop_map(Event::Overtaken),
            Just(Event::GaveUp),
        ];
        ((50..250_u64).prop_map(MS), event)
    }

    proptest! {
        #[test]
        fn counters_are_those_of_a_naive_replay_of_what_happened_within_the_window(
            happened in prop::collection::vec(events(), 0..200),
        ) {
            let (mut whole, mut first, mut second) = (tally(), tally(), tally());
            for (number, (at, event)) in happened.iter().enumerate() {
                whole.note(&WINDOW, *at, *event);
                if number % 2 == 0 { &mut first } else { &mut second }.note(&WINDOW, *at, *event);
            }
            let within: Vec<Event> = happened
                .iter()
                .filter(|(at, _)| *at >= MS(100) && *at < MS(200))
                .map(|(_, event)| *event)
                .collect();
            let refused_bytes: u64 = within.iter().map(|event| match event {
                Event::Lost(bytes, _) | Event::Refused(bytes, _) | Event::PutOff(bytes) => *bytes,
                _ => 0,
            }).sum();
            let wasted: Duration = within.iter().map(|event| match event {
                Event::Lost(_, cpu) | Event::Refused(_, cpu) | Event::Overtaken(cpu) => *cpu,
                _ => Duration::ZERO,
            }).sum();
            let beside: u64 = within.iter().map(|event| match event {
                Event::Sent(What::Proposal | What::Claim { .. }, bytes) => *bytes,
                _ => 0,
            }).sum();
            let built: Duration = within.iter().map(|event| match event {
                Event::Built(_, cpu) => *cpu,
                _ => Duration::ZERO,
            }).sum();
            let count = |wanted: fn(&Event) -> bool| {
                within.iter().filter(|event| wanted(event)).count() as u64
            };
            first.merge(&second);
            for found in [&whole, &first] {
                prop_assert_eq!(found.wasted_bytes(), refused_bytes);
                prop_assert_eq!(found.wasted_cpu, wasted);
                prop_assert_eq!(found.overhead_bytes(), beside);
                prop_assert_eq!(found.built_cpu, built);
                prop_assert_eq!(found.won.count, count(|event| matches!(event, Event::Won(_))));
                prop_assert_eq!(found.lost.count, count(|event| matches!(event, Event::Lost(..))));
                prop_assert_eq!(
                    found.commits.count,
                    count(|event| matches!(event, Event::Sent(What::Commit, _)))
                );
                prop_assert_eq!(found.gave_up, count(|event| matches!(event, Event::GaveUp)));
            }
        }

        #[test]
        fn tries_and_waiting_are_of_what_was_wanted_within_the_window_whenever_it_came_through(
            served in prop::collection::vec((0..2_usize, 0..3_usize, 0..250_u64, 0..300_u64, 1..9_u32), 0..100),
        ) {
            let mut found = tally();
            for (group, racer, due, took, tries) in &served {
                found.served(&WINDOW, (*group, *racer), (MS(*due), MS(due + took)), *tries);
            }
            let wanted: Vec<_> =
                served.iter().filter(|(_, _, due, ..)| (100..200).contains(due)).collect();
            let tries: u32 = wanted.iter().map(|(.., tries)| tries).sum();
            let mean = (!wanted.is_empty()).then(|| f64::from(tries) / wanted.len() as f64);
            prop_assert_eq!(found.tries_mean(), mean);
            prop_assert_eq!(found.time_to_commit.count(), wanted.len() as u64);
            let came = served.iter().filter(|(_, _, due, took, _)| (100..200).contains(&(due + took)));
            prop_assert_eq!(found.successes(), came.count() as u64);
            let waited: u64 = wanted.iter().map(|(_, _, _, took, _)| took).sum();
            let counted: Duration = found.groups.iter().flatten().map(|of| of.waited).sum();
            prop_assert_eq!(counted, MS(waited));
        }
    }

    #[test]
    fn fairness_is_within_each_group_and_then_over_groups() {
        let mut found = tally();
        for racer in [0, 1, 2] {
            found.served(&WINDOW, (0, racer), (MS(100), MS(150)), 1);
        }
        found.served(&WINDOW, (1, 0), (MS(100), MS(150)), 1);
        let (mean, lowest) = found.fairness().unwrap();
        assert!((lowest - 1.0 / 3.0).abs() < 1e-12 && (mean - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.fairness_of_waiting(), Some((1.0, 1.0)));
        assert_eq!(tally().fairness(), None);
    }
}
