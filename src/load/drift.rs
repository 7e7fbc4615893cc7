//! Whether a figure drifts over a run: memory that grows, answers that slow down.
//!
//! The slope is the median of those between any two points (Theil 1950, Sen 1968): a tenth of wild
//! values moves it little. Its interval is Sen's, from the variance of Kendall's S with ties, widened
//! for autocorrelation as Hamed and Rao have it ("A modified Mann-Kendall trend test for
//! autocorrelated data", Journal of Hydrology 204, 1998): neighbouring seconds are alike, and without
//! that a slow wave would be a trend. A drift is told if its interval excludes no change *and* it
//! changes the figure by more than a minimum over the time seen. Pure. Called by the report.

use super::steady::median;
use crate::limits::{DRIFT_EFFECT_MIN, DRIFT_POINTS_MAX, DRIFT_POINTS_MIN};

/// The normal quantile of a two-sided interval of 95 %.
const Z_95: f64 = 1.959_963_985;

/// How a figure moves over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Its change in a second.
    pub slope: f64,
    /// The lower end of the slope's interval of 95 %.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Its median.
    pub level: f64,
    /// From the first point to the last, in seconds.
    pub seconds: f64,
}

impl Drift {
    /// Of points of time in seconds, in order, and value. `None` for fewer than
    /// [`DRIFT_POINTS_MIN`] of them.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let points = thinned(points);
        if points.len() < DRIFT_POINTS_MIN {
            return None;
        }
        let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
        for (index, (from, before)) in points.iter().enumerate() {
            for (to, after) in &points[index + 1..] {
                slopes.push((after - before) / (to - from));
            }
        }
        slopes.sort_by(f64::total_cmp);
        let slope = median(&slopes)?;
        let rest: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let reach = Z_95 * (variance_of_s(&values) * widening(&rest)).sqrt();
        let pairs = slopes.len() as f64;
        let rank = |place: f64| slopes[index_within(place, slopes.len())];
        Some(Self {
            slope,
            low: rank((pairs - reach) / 2.0 - 1.0),
            high: rank((pairs + reach) / 2.0),
            level: median(&values)?,
            seconds: points.last()?.0 - points.first()?.0,
        })
    }

    /// What it changes over the time seen, as a share of its level; 0 for a level of 0.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.level == 0.0 { 0.0 } else { self.slope * self.seconds / self.level }
    }

    /// Whether it is a drift: told from none, and large enough to matter.
    #[must_use]
    pub fn is_real(&self) -> bool {
        (self.low > 0.0 || self.high < 0.0) && self.share().abs() > DRIFT_EFFECT_MIN
    }
}

/// At most [`DRIFT_POINTS_MAX`] points: medians of as many neighbours as that takes.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(DRIFT_POINTS_MAX).max(1);
    let of = |neighbours: &[(f64, f64)]| {
        let (at, values): (Vec<f64>, Vec<f64>) = neighbours.iter().copied().unzip();
        Some((median(&at)?, median(&values)?))
    };
    points.chunks(each).filter_map(of).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the list")]
fn index_within(place: f64, length: usize) -> usize {
    place.round().clamp(0.0, (length - 1) as f64) as usize
}

/// The variance of Kendall's S where there is no trend, with the correction for ties.
fn variance_of_s(values: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties = sorted.chunk_by(|a, b| a == b).map(|tied| term(tied.len() as f64)).sum::<f64>();
    ((term(values.len() as f64) - ties) / 18.0).max(0.0)
}

/// By how much autocorrelation widens that variance: at least 1. Counts the first lags up to the
/// first whose correlation noise could have made: beyond it there is little but noise.
fn widening(rest: &[f64]) -> f64 {
    let ranks = ranks(rest);
    let n = ranks.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let power: f64 = ranks.iter().map(|rank| (rank - mean).powi(2)).sum();
    if power == 0.0 {
        return 1.0;
    }
    let mut sum = 0.0;
    for lag in 1..ranks.len() - 2 {
        let both = ranks.iter().zip(&ranks[lag..]);
        let correlation = both.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / power;
        if correlation < Z_95 / n.sqrt() {
            break;
        }
        let left = n - lag as f64;
        sum += left * (left - 1.0) * (left - 2.0) * correlation;
    }
    1.0 + 2.0 * sum / (n * (n - 1.0) * (n - 2.0))
}

/// The rank of each value, from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|index| ranks[*index] = shared);
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// About normal: of mean 0 and deviation 1.
    fn noise(from: &mut ChaCha8Rng) -> f64 {
        let uniform = |from: &mut ChaCha8Rng| (from.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (0..12).map(|_| uniform(from)).sum::<f64>() - 6.0
    }

    /// Values around 1,000 that follow each other as closely as `alike` says, with a trend.
    fn points(seed: u64, count: usize, slope: f64, alike: f64) -> Vec<(f64, f64)> {
        let mut from = ChaCha8Rng::seed_from_u64(seed);
        let mut wave = 0.0;
        let mut point = |index: usize| {
            wave = alike * wave + noise(&mut from);
            (index as f64, 1_000.0 + slope * index as f64 + 5.0 * wave)
        };
        (0..count).map(&mut point).collect()
    }

    /// In how many of a hundred series a slope of `slope` is told from none.
    fn told(slope: f64, alike: f64) -> usize {
        let told = |seed| {
            let drift = Drift::of(&points(seed, 120, slope, alike)).unwrap();
            drift.low > 0.0 || drift.high < 0.0
        };
        (0..100).filter(|seed| told(*seed)).count()
    }

    #[test]
    fn noise_without_a_trend_is_told_from_none_as_rarely_as_the_interval_says() {
        let found = told(0.0, 0.0);
        assert!(found <= 10, "{found} of 100");
    }

    #[test]
    fn values_that_follow_each_other_closely_are_not_taken_for_a_trend() {
        let found = told(0.0, 0.7);
        assert!(found <= 20, "{found} of 100");
    }

    #[test]
    fn a_trend_is_found_and_lies_in_its_interval() {
        assert_eq!(told(0.5, 0.0), 100);
        let held = (0..100).filter(|seed| {
            let drift = Drift::of(&points(*seed, 120, 0.5, 0.0)).unwrap();
            (drift.low..=drift.high).contains(&0.5)
        });
        let held = held.count();
        assert!(held >= 88, "{held} of 100");
    }

    #[test]
    fn wild_values_do_not_move_the_slope() {
        let mut wild = points(7, 200, 0.5, 0.0);
        let calm = Drift::of(&wild).unwrap();
        for (index, point) in wild.iter_mut().enumerate() {
            if index % 10 == 9 {
                point.1 += 1e6;
            }
        }
        let drift = Drift::of(&wild).unwrap();
        assert!((drift.slope - calm.slope).abs() < 0.1, "{drift:?} {calm:?}");
    }

    #[test]
    fn a_real_drift_is_both_told_from_none_and_large_enough_to_matter() {
        let exactly = |slope: f64| {
            let points: Vec<_> =
                (0..100).map(|at| (f64::from(at), 1_000.0 + slope * f64::from(at))).collect();
            Drift::of(&points).unwrap()
        };
        let small = exactly(0.001);
        assert!(small.low > 0.0 && !small.is_real(), "{small:?}");
        let large = exactly(-2.0);
        assert!(large.is_real() && (large.slope + 2.0).abs() < 1e-9, "{large:?}");
        assert!((large.share() + 198.0 / 901.0).abs() < 1e-6, "{large:?}");
        assert!(!exactly(0.0).is_real());
    }

    #[test]
    fn a_level_that_only_steps_now_and_then_is_tied_and_no_drift() {
        let stairs: Vec<_> =
            (0..100).map(|at| (f64::from(at), f64::from(100 + (at / 5) % 2))).collect();
        assert!(!Drift::of(&stairs).unwrap().is_real());
        let flat: Vec<_> = (0..100).map(|at| (f64::from(at), 0.0)).collect();
        let flat = Drift::of(&flat).unwrap();
        assert_eq!((flat.slope, flat.share(), flat.is_real()), (0.0, 0.0, false));
    }

    #[test]
    fn a_long_run_is_thinned_and_a_short_one_says_nothing() {
        assert_eq!(Drift::of(&points(1, DRIFT_POINTS_MIN - 1, 0.5, 0.0)), None);
        let long = points(1, 10 * DRIFT_POINTS_MAX, 0.5, 0.0);
        assert_eq!(thinned(&long).len(), DRIFT_POINTS_MAX);
        let drift = Drift::of(&long).unwrap();
        assert!((drift.slope - 0.5).abs() < 0.01, "{drift:?}");
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
    }
}
