//! The median of repetitions, with an interval that assumes nothing of how they are distributed.
//!
//! Between two order statistics lies the median with a probability that the binomial distribution
//! gives, whatever the distribution of the times. Pure. Called by `measure`.

use serde::{Deserialize, Serialize};

/// How sure the interval is to be where the repetitions allow it.
const COVERAGE: f64 = 0.95;

/// What repetitions of one operation took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Repetitions.
    pub n: usize,
    /// Their median, in microseconds.
    pub median_us: f64,
    /// The lower end of its interval.
    pub low_us: f64,
    /// The upper end.
    pub high_us: f64,
    /// How sure it is: at least 0.95 from six repetitions on, less with fewer.
    pub coverage: f64,
}

impl Timing {
    /// Of at least one time, in microseconds.
    ///
    /// # Panics
    ///
    /// Without any.
    #[must_use]
    pub fn of(mut times_us: Vec<f64>) -> Self {
        times_us.sort_by(f64::total_cmp);
        let n = times_us.len();
        assert!(n > 0, "there is no median of nothing");
        let (rank, coverage) = rank(n);
        let middle = f64::midpoint(times_us[(n - 1) / 2], times_us[n / 2]);
        let (low_us, high_us) = (times_us[rank - 1], times_us[n - rank]);
        Self { n, median_us: middle, low_us, high_us, coverage }
    }
}

/// The largest rank from either end whose order statistics enclose the median surely enough, and
/// how surely; the outermost if none does.
fn rank(n: usize) -> (usize, f64) {
    // P(exactly k of n lie below the median), summed from either end.
    let count = n as f64;
    let mut exactly = 0.5_f64.powf(count);
    let mut below = exactly;
    let mut found = (1, 1.0 - 2.0 * below);
    for rank in 2..=n.div_ceil(2) {
        let done = (rank - 1) as f64;
        exactly *= (count - done + 1.0) / done;
        below += exactly;
        let coverage = 1.0 - 2.0 * below;
        if coverage < COVERAGE {
            break;
        }
        found = (rank, coverage);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranks_are_those_of_the_tables_of_the_sign_test() {
        // Two-sided 5%: Conover, Practical Nonparametric Statistics, table of the binomial.
        for (n, expected, coverage) in
            [(5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609), (20, 6, 0.9586)]
        {
            let (found, sure) = rank(n);
            assert_eq!(found, expected, "{n}");
            assert!((sure - coverage).abs() < 1e-3, "{n}: {sure}");
        }
    }

    proptest! {
        #[test]
        fn the_median_lies_in_its_interval_and_that_among_the_times(
            times in prop::collection::vec(0.1_f64..1e7, 1..200),
        ) {
            let timing = Timing::of(times.clone());
            let least = times.iter().copied().fold(f64::MAX, f64::min);
            let most = times.iter().copied().fold(0.0, f64::max);
            prop_assert!(least <= timing.low_us && timing.low_us <= timing.median_us);
            prop_assert!(timing.median_us <= timing.high_us && timing.high_us <= most);
            prop_assert!(timing.coverage >= COVERAGE || times.len() < 6);
        }
    }
}
