//! Whether figures drift over a run: memory that grows, answers that slow down.
//!
//! A drift is told if the slope's interval excludes no change, if it changes the figure by more than a
//! minimum over the time seen, *and* if that is not what chance makes of one of so many figures: five
//! tests at 5 % each would find a drift in every fifth good run. So the chances of a family are
//! adjusted as Holm has it ("A simple sequentially rejective multiple test procedure", Scandinavian
//! Journal of Statistics 6, 1979), and a run without any drift is said to have one in at most 5 %.
//! Pure. Called by the report.

use super::trend::{Trend, Z_95, median};
use crate::limits::{DRIFT_CHANCE_MAX, DRIFT_EFFECT_MIN, DRIFT_POINTS_MAX, DRIFT_POINTS_MIN};

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
    /// How likely a figure without a drift is to move as consistently, of this figure alone.
    pub chance: f64,
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
        let Trend { slope, low, high, chance } = Trend::of(&points, Z_95)?;
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        Some(Self {
            slope,
            low,
            high,
            level: median(&values)?,
            seconds: points.last()?.0 - points.first()?.0,
            chance,
        })
    }

    /// What it changes over the time seen, as a share of its level; 0 for a level of 0.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.level == 0.0 { 0.0 } else { self.slope * self.seconds / self.level }
    }

    /// Whether it is a drift, when its chance among everything that was looked at is `adjusted`: told
    /// from none, and large enough to matter.
    #[must_use]
    pub fn is_real(&self, adjusted: f64) -> bool {
        let told = self.low > 0.0 || self.high < 0.0;
        told && adjusted <= DRIFT_CHANCE_MAX && self.share().abs() > DRIFT_EFFECT_MIN
    }
}

/// The chances of a family, each as Holm adjusts it: that at least one of those that are not larger
/// comes about where nothing drifts. In the order that they came in.
#[must_use]
pub fn adjusted(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]));
    let (mut adjusted, mut most) = (vec![0.0; chances.len()], 0.0_f64);
    for (before, index) in order.into_iter().enumerate() {
        most = most.max((chances.len() - before) as f64 * chances[index]).min(1.0);
        adjusted[index] = most;
    }
    adjusted
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
        assert!(small.low > 0.0 && !small.is_real(small.chance), "{small:?}");
        let large = exactly(-2.0);
        assert!(large.is_real(large.chance) && (large.slope + 2.0).abs() < 1e-9, "{large:?}");
        assert!((large.share() + 198.0 / 901.0).abs() < 1e-6, "{large:?}");
        assert!(!exactly(0.0).is_real(0.0));
    }

    #[test]
    fn a_level_that_only_steps_now_and_then_is_tied_and_no_drift() {
        let stairs: Vec<_> =
            (0..100).map(|at| (f64::from(at), f64::from(100 + (at / 5) % 2))).collect();
        assert!(!Drift::of(&stairs).unwrap().is_real(0.0));
        let flat: Vec<_> = (0..100).map(|at| (f64::from(at), 0.0)).collect();
        let flat = Drift::of(&flat).unwrap();
        assert_eq!((flat.slope, flat.share(), flat.is_real(0.0)), (0.0, 0.0, false));
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
    fn chances_are_adjusted_for_their_number_and_keep_their_order() {
        let found = adjusted(&[0.04, 0.01, 0.5, 0.02]);
        let expected = [0.08, 0.04, 0.5, 0.06];
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-12, "{found:?}");
        // What is less likely is never adjusted beyond what is more likely.
        assert_eq!(adjusted(&[0.03, 0.031]), [0.06, 0.06]);
        assert_eq!((adjusted(&[0.9, 0.8]), adjusted(&[])), (vec![1.0, 1.0], Vec::new()));
    }

    /// Five figures of which none drifts, a hundred and fifty times: each alone is told from none in
    /// about every twentieth, some one of five in about every fifth.
    #[test]
    fn a_run_of_several_figures_that_do_not_drift_is_told_to_drift_as_rarely_as_one_figure() {
        let mut runs = [0, 0];
        for run in 0..150 {
            let figures: Vec<Drift> = (0..5)
                .map(|figure| Drift::of(&points(run * 5 + figure, 60, 0.0, 0.0)).unwrap())
                .collect();
            let chances: Vec<f64> = figures.iter().map(|of| of.chance).collect();
            let told = |chances: &[f64]| chances.iter().any(|chance| *chance <= DRIFT_CHANCE_MAX);
            runs[0] += u32::from(told(&chances));
            runs[1] += u32::from(told(&adjusted(&chances)));
        }
        let [each, together] = runs;
        assert!(each >= 22, "{each} of 150, each figure on its own");
        assert!(together <= 15, "{together} of 150, together");
    }
}
