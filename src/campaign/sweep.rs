//! Latency at load: the same scenario at several rates, in rounds.
//!
//! Each round offers every load once, in an order of its own: a machine that gets slower over the
//! minutes then slows all loads alike. No threshold cuts a run short: a curve is of whole windows. Pure but for the trait that makes the runs. Called by `cli`.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::record::{LoadCurve, LoadPoint, TrialRecord};
use super::trials::unless_closed;
use super::{TrialError, Trials};
use crate::load::scenario::Scenario;

/// In which order the loads of a round come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By chance, in each round anew.
    Shuffled,
    /// Up in one round, down in the next: what drifts evenly cancels out.
    Mirrored,
}

/// What is swept.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Multiples of the scenario's rates, each different.
    pub factors: Vec<f64>,
    /// How often each is offered.
    pub rounds: u32,
    /// In which order.
    pub order: Order,
    /// What a shuffled order is drawn from.
    pub seed: u64,
}

impl Order {
    /// Its name in records and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Mirrored => "mirrored",
        }
    }

    /// The order of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Shuffled, Self::Mirrored].into_iter().find(|order| order.name() == name)
    }
}

impl Sweep {
    /// Which load comes when: indexes of `factors`, sorted from the lowest, round by round.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let round = |round: u32| {
            let mut order: Vec<usize> = (0..self.factors.len()).collect();
            match self.order {
                Order::Shuffled => shuffle(&mut order, &mut random),
                Order::Mirrored if round % 2 == 1 => order.reverse(),
                Order::Mirrored => {}
            }
            order
        };
        (0..self.rounds).flat_map(round).collect()
    }

    /// Makes all runs.
    ///
    /// # Errors
    /// When a class has no rate or a load cannot be offered at all, before anything runs, or a run has
    /// no result.
    pub fn run(
        &self,
        scenario: &Scenario,
        trials: &mut dyn Trials,
    ) -> Result<LoadCurve, TrialError> {
        unless_closed(scenario)?;
        let mut factors = self.factors.clone();
        factors.sort_by(f64::total_cmp);
        let mut scenario = scenario.clone();
        scenario.thresholds.iter_mut().for_each(|threshold| threshold.abort = false);
        let at = |factor: &f64| {
            scenario.with_rate_factor(*factor).map_err(|fault| {
                TrialError(format!(
                    "at {factor} times the rates: {}: {}",
                    fault.field, fault.message
                ))
            })
        };
        let scenarios = factors.iter().map(at).collect::<Result<Vec<_>, _>>()?;
        let mut by_load: Vec<Vec<TrialRecord>> = vec![Vec::new(); factors.len()];
        let order = self.order();
        for (number, &index) in (1_u32..).zip(&order) {
            trials.say(&progress(
                number,
                order.len(),
                factors[index],
                trials.elapsed().as_secs_f64(),
            ));
            let record = trials.run(scenarios[index].clone())?;
            let trial = TrialRecord::of(number, factors[index], &record);
            trials.say(&super::text::trial(&trial));
            by_load[index].push(trial);
        }
        let points = factors.into_iter().zip(by_load);
        Ok(LoadCurve {
            order: self.order.name().to_owned(),
            seed: self.seed,
            rounds: self.rounds,
            points: points.filter_map(|(factor, trials)| LoadPoint::of(factor, trials)).collect(),
        })
    }
}

/// Which run it is, and how long the rest takes if it goes on like this.
fn progress(number: u32, of: usize, factor: f64, elapsed_s: f64) -> String {
    let done = f64::from(number - 1);
    let rest = if number == 1 {
        String::new()
    } else {
        format!(", {:.0} s to go", elapsed_s / done * (of as f64 - done))
    };
    format!("run {number} of {of}: {factor} times the rates{rest}")
}

/// Fisher and Yates, from the end.
pub(super) fn shuffle(order: &mut [usize], random: &mut ChaCha8Rng) {
    for end in (1..order.len()).rev() {
        let product = u128::from(random.next_u64()) * (end as u128 + 1);
        order.swap(end, usize::try_from(product >> 64).unwrap_or(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(order: Order, rounds: u32, seed: u64) -> Sweep {
        Sweep { factors: vec![0.25, 0.5, 1.0, 2.0], rounds, order, seed }
    }

    #[test]
    fn a_mirrored_order_goes_up_and_down() {
        assert_eq!(sweep(Order::Mirrored, 3, 0).order(), [0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn a_shuffled_order_has_every_load_once_in_each_round_and_follows_from_its_seed() {
        let order = sweep(Order::Shuffled, 50, 7).order();
        for round in order.chunks(4) {
            let mut sorted = round.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert_eq!(order, sweep(Order::Shuffled, 50, 7).order());
        assert_ne!(order, sweep(Order::Shuffled, 50, 8).order());
        for place in 0..4 {
            let first = order.chunks(4).filter(|round| round[place] == 0).count();
            assert!((3..=25).contains(&first), "each load comes at each place: {first} of 50");
        }
    }

    #[test]
    fn the_rest_is_estimated_from_what_there_was() {
        assert_eq!(progress(1, 12, 0.5, 0.0), "run 1 of 12: 0.5 times the rates");
        assert_eq!(progress(4, 12, 2.0, 30.0), "run 4 of 12: 2 times the rates, 90 s to go");
    }
}
