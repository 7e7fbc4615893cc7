//! How late this side wakes when nothing else is to be done: what its lateness can be at best.
//!
//! Waits for instants that are evenly spaced, at a few rates, as the worker does for operations, and
//! sends nothing. Pure: the caller brings the clock and the wait. Called before each run, by whoever
//! then runs it and on its thread, and by `doctor`.

use std::time::Duration;

use super::recorder::Series;
use crate::limits::{PACER_RATES, PACER_STEP};

/// What was found at one rate.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Instants in a second.
    pub per_second: u32,
    /// From each instant to when it was reached.
    pub lateness: Series,
}

/// Tries each rate of [`PACER_RATES`] for [`PACER_STEP`]. `now` is the time since any instant that
/// does not move, and `wait` returns at about the one it is given, or earlier.
pub fn test(mut now: impl FnMut() -> Duration, mut wait: impl FnMut(Duration)) -> Vec<Pace> {
    let mut pace = |per_second: u32| {
        let mut lateness = Series::default();
        let (start, period) = (now(), Duration::from_secs(1) / per_second);
        let mut due = start + period;
        while due <= start + PACER_STEP {
            let at = now();
            while due <= at && due <= start + PACER_STEP {
                lateness.record(due, at);
                due += period;
            }
            if due <= start + PACER_STEP {
                wait(due);
            }
        }
        Pace { per_second, lateness }
    };
    PACER_RATES.into_iter().map(&mut pace).collect()
}

/// The worst p99 of all rates, in microseconds.
#[must_use]
pub fn worst_p99_us(paces: &[Pace]) -> u64 {
    paces.iter().map(|pace| pace.lateness.quantile_us(0.99)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Against a clock that wakes up so late.
    fn tested(late: Duration) -> Vec<Pace> {
        let clock = Cell::new(Duration::from_secs(5));
        test(|| clock.get(), |until| clock.set(until.max(clock.get()) + late))
    }

    #[test]
    fn every_instant_is_reached_and_charged_from_when_it_was_due() {
        for pace in tested(Duration::from_micros(50)) {
            let instants = u128::from(pace.per_second) * PACER_STEP.as_micros() / 1_000_000;
            assert_eq!(u128::from(pace.lateness.count()), instants, "{}", pace.per_second);
            // Instants that pass while it oversleeps wait for less than it overslept.
            assert_eq!(pace.lateness.max_us(), 50, "{}", pace.per_second);
        }
    }

    #[test]
    fn a_clock_of_a_millisecond_shows_at_every_rate() {
        let paces = tested(Duration::from_millis(1));
        assert!(paces.iter().all(|pace| pace.lateness.max_us() >= 1_000));
        assert!((990..=1_001).contains(&worst_p99_us(&paces)), "{}", worst_p99_us(&paces));
        assert_eq!(worst_p99_us(&tested(Duration::ZERO)), 0);
    }
}
