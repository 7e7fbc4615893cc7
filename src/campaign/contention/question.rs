//! Which runs contention curves are made of, and in which order.
//!
//! Each is a whole scenario, written as its file would be, so that any of them can be run again by
//! itself. Pure. Called by `curves` and `cli`.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::load::contention::Policy;
use crate::load::scenario::Scenario;
use crate::mls::Suite;
use crate::place::Mistake;
use crate::units::written_duration;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The policies, each once.
    pub policies: Vec<Policy>,
    /// Members of each group that race, ascending.
    pub racers: Vec<u32>,
    /// Members of each group, ascending.
    pub members: Vec<u32>,
    /// When racers want a change.
    pub wants: Wants,
    /// How many groups race side by side in each run.
    pub groups: u32,
    /// The suite of all groups.
    pub suite: Suite,
    /// Load that is not measured, first.
    pub warm_up: Duration,
    /// Load that is measured.
    pub measure: Duration,
    /// For how long the server reserves epochs; `None`: as long as it does by itself.
    pub reservation: Option<Duration>,
    /// How often each point is measured.
    pub rounds: u32,
    /// What the order, and everything in a run, is drawn from.
    pub seed: u64,
}

/// When racers want a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// So long after the one before has come through. At once, it asks what a group can do at most
    /// and who gets it; later, what people who wait for an answer feel.
    Thinking(Duration),
    /// All racers of a group at one instant, so many times, such as `2/s`, in each group: it asks
    /// how long changes take at a load that does not give way.
    Rounds(String),
}

/// One point of the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How racers go about it.
    pub policy: Policy,
    /// Members of each group.
    pub members: u32,
    /// How many of them race.
    pub racers: u32,
}

impl Question {
    /// The points: policies as they were named, then by size and racers. A group cannot have more
    /// racers than members; such points are none.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for policy in &self.policies {
            for members in &self.members {
                let fitting = self.racers.iter().filter(|racers| *racers <= members);
                cells.extend(fitting.map(|racers| Cell {
                    policy: *policy,
                    members: *members,
                    racers: *racers,
                }));
            }
        }
        cells
    }

    /// The runs, as (round, index into the points): every point once in each round. The first
    /// round is shuffled, the second its mirror image, the third shuffled anew, and so on.
    #[must_use]
    pub fn order(&self) -> Vec<(u32, usize)> {
        let mut key = *b"stentor contend.................";
        key[16..24].copy_from_slice(&self.seed.to_be_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        let mut order: Vec<usize> = (0..self.cells().len()).collect();
        let mut runs = Vec::new();
        for round in 0..self.rounds {
            if round % 2 == 0 {
                shuffle(&mut order, &mut stream);
            } else {
                order.reverse();
            }
            runs.extend(order.iter().map(|cell| (round, *cell)));
        }
        runs
    }

    /// The scenario of one run, as its file would say it.
    #[must_use]
    pub fn text(&self, cell: &Cell, round: u32) -> String {
        let (rate, think) = match &self.wants {
            // Of no meaning, and yet every class has one.
            Wants::Thinking(think) => {
                ("1/s".to_owned(), format!(", think = \"{}\"", written_duration(*think)))
            }
            Wants::Rounds(rate) => (rate.clone(), String::new()),
        };
        let reservation = self.reservation.map_or_else(String::new, |longest| {
            format!("server = {{ reservation = \"{}\" }}\n", written_duration(longest))
        });
        let Cell { policy, members, racers } = *cell;
        format!(
            "# One run of contention curves.\n\n\
             why = \"What {racers} racers of {members} members cost each other by {name}.\"\n\
             expect = \"Verdict valid: one winner in each epoch, all members in agreement.\"\n\
             seed = {seed}\n\
             durations = {{ warm_up = \"{warm_up}\", measure = \"{measure}\", drain = \"60s\" }}\n\
             {reservation}\n\
             [[groups]]\n\
             name = \"racing\"\n\
             count = {groups}\n\
             members = {members}\n\
             source = \"live\"\n\
             suite = \"{suite}\"\n\
             rate = \"{rate}\"\n\
             arrivals = \"even\"\n\
             racers = {racers}\n\
             contention = {{ {policy}{think} }}\n",
            name = policy.name(),
            seed = (self.seed >> 1).wrapping_add(round.into()) & (u64::MAX >> 1),
            warm_up = written_duration(self.warm_up),
            measure = written_duration(self.measure),
            groups = self.groups,
            suite = self.suite.name(),
            policy = written(policy),
        )
    }

    /// The same, read.
    ///
    /// # Errors
    /// When it asks for what no scenario may: the mistake names the line of [`Self::text`].
    pub fn scenario(&self, cell: &Cell, round: u32) -> Result<Scenario, Mistake> {
        Scenario::parse(&self.text(cell, round), "contend")
    }

    /// About how long all of it takes, setting up left out.
    #[must_use]
    pub fn length(&self) -> Duration {
        let runs = u32::try_from(self.order().len()).unwrap_or(u32::MAX);
        (self.warm_up + self.measure).saturating_mul(runs)
    }
}

/// A policy as a scenario says it, without what encloses it.
fn written(policy: Policy) -> String {
    let of = written_duration;
    let settings = match policy {
        Policy::Retry => String::new(),
        Policy::Backoff(backoff) => {
            format!(", base = \"{}\", max = \"{}\"", of(backoff.base), of(backoff.max))
        }
        Policy::Proposals { window, takeover } => {
            format!(", window = \"{}\", takeover = \"{}\"", of(window), of(takeover))
        }
        Policy::Lease { length } => format!(", for = \"{}\"", of(length)),
    };
    format!("policy = \"{}\"{settings}", policy.name())
}

/// Fisher and Yates. The high half of a product is biased by less than one part in 2^32.
fn shuffle(order: &mut [usize], stream: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        let product = u128::from(stream.next_u64()) * (last as u128 + 1);
        order.swap(last, usize::try_from(product >> 64).unwrap_or_default());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::campaign::contention) fn question() -> Question {
        let named = |name| Policy::named(name).unwrap();
        Question {
            policies: ["retry", "backoff", "proposals", "lease"].map(named).to_vec(),
            racers: vec![2, 4, 16],
            members: vec![8, 32],
            wants: Wants::Thinking(Duration::ZERO),
            groups: 1,
            suite: Suite::named("x25519-aes128-ed25519").unwrap(),
            warm_up: Duration::from_millis(500),
            measure: Duration::from_secs(2),
            reservation: None,
            rounds: 3,
            seed: 9,
        }
    }

    #[test]
    fn a_group_has_no_more_racers_than_members() {
        let cells = question().cells();
        assert_eq!(cells.len(), 4 * (2 + 3));
        assert!(cells.iter().all(|cell| cell.racers <= cell.members));
    }

    #[test]
    fn every_run_is_a_scenario_that_says_what_was_asked() {
        let mut question = question();
        for (wants, closed) in [
            (Wants::Thinking(Duration::from_millis(250)), true),
            (Wants::Rounds("2/s".to_owned()), false),
        ] {
            question.wants = wants;
            question.reservation = Some(Duration::ZERO);
            for cell in question.cells() {
                let scenario = question.scenario(&cell, 1).unwrap();
                let class = &scenario.groups[0];
                assert_eq!(class.contention.unwrap().policy, cell.policy);
                assert_eq!((class.members, class.racers), (cell.members, cell.racers));
                assert_eq!(class.is_closed(), closed);
                assert_eq!(scenario.reservation, Some(Duration::ZERO));
                assert_eq!(scenario.window().end, Duration::from_millis(2_500));
            }
        }
        question.wants = Wants::Rounds("often".to_owned());
        assert_eq!(question.scenario(&question.cells()[0], 0).unwrap_err().field, "groups[0].rate");
    }

    proptest! {
        #[test]
        fn each_round_has_every_point_once_and_every_second_one_is_the_mirror_of_the_first(
            seed: u64, rounds in 1..6_u32,
        ) {
            let question = Question { seed, rounds, ..question() };
            let runs = question.order();
            let count = question.cells().len();
            prop_assert_eq!(runs.len(), count * rounds as usize);
            let rounds: Vec<Vec<usize>> = runs
                .chunks(count)
                .map(|round| round.iter().map(|(_, cell)| *cell).collect())
                .collect();
            for (number, round) in rounds.iter().enumerate() {
                let mut sorted = round.clone();
                sorted.sort_unstable();
                prop_assert!(sorted.into_iter().eq(0..count));
                if number % 2 == 1 {
                    prop_assert!(round.iter().rev().eq(&rounds[number - 1]));
                }
            }
            prop_assert_eq!(&runs, &question.order(), "one seed, one order");
        }
    }
}
