//! Whether a run has become steady, and from when on.
//!
//! MSER: of everything seen so far, the best start is where the standard error of what follows is
//! least (K. P. White, "An effective truncation heuristic for bias reduction in simulation output",
//! Simulation 69, 1997; White, Cobb and Spratt, "A comparison of five steady-state truncation
//! heuristics", WSC 2000). Its batches are the intervals of a run, each of which is a mean or a median
//! of many operations already. If that start lies in the first half, and the second half has no
//! trend, the second half is steady; otherwise what there is cannot tell, which is what a trend looks
//! like. No trend is more than none that is found: noise hides any. The slope's interval of 90 % must
//! exclude a change that would matter, too: one of a few percent of the figure, or of a few deviations
//! of its noise. A series that hardly moves at all is steady whatever its shape. Pure. Called by the
//! worker while it warms up, and by the report.

use super::intervals::{Interval, Metric};
use super::trend::{Trend, Z_90, median};
use crate::limits::{
    STEADY_HEAD_MIN, STEADY_INTERVALS_MIN, STEADY_LOOK_GROWTH, STEADY_NOISY_MIN, STEADY_TOLERANCE,
    STEADY_TREND_DEVIATIONS,
};

/// Watches a run, interval by interval, until it is steady.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    /// Deliveries for each second, and medians of the response where there are any.
    seen: [Vec<f64>; 2],
    /// How many intervals there must be for the next look.
    look_at: usize,
    steady: bool,
}

impl Detector {
    /// Takes in the next interval.
    pub fn see(&mut self, interval: &Interval) {
        let [throughput, response] = &mut self.seen;
        throughput.push(throughput_of(interval));
        let of = interval.of(Metric::Response);
        if of.count > 0 {
            response.push(of.p50_us as f64);
        }
        if self.intervals() >= self.look_at.max(STEADY_INTERVALS_MIN) {
            self.look_at = next_look(self.intervals());
            self.steady = self.seen.iter().all(|series| is_steady(series));
        }
    }

    /// How many intervals it has taken in.
    #[must_use]
    pub fn intervals(&self) -> usize {
        self.seen[0].len()
    }

    /// Whether both the throughput and the median response were steady at its last look.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.steady
    }
}

/// How many intervals there are at the look after one at `intervals`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a count")]
fn next_look(intervals: usize) -> usize {
    intervals + ((intervals as f64 * STEADY_LOOK_GROWTH).ceil() as usize).max(1)
}

/// Deliveries for each second of an interval.
#[must_use]
pub fn throughput_of(interval: &Interval) -> f64 {
    let seconds = interval.seconds();
    if seconds > 0.0 { interval.deliveries as f64 / seconds } else { 0.0 }
}

/// Whether the second half of a series is steady. Too few values are never.
#[must_use]
pub fn is_steady(series: &[f64]) -> bool {
    if series.len() < STEADY_INTERVALS_MIN {
        return false;
    }
    let half = series.len() / 2;
    let second = &series[half..];
    hardly_moves(second) || (truncation(series) < half && has_no_trend(second))
}

/// Where the steady part of a series starts by MSER: the index for which the standard error of what
/// follows is least; the earliest of equals. Never beyond half of it, since the few values of an end
/// may be alike by chance: half itself means that it is steady nowhere.
#[must_use]
pub fn truncation(series: &[f64]) -> usize {
    // From the back, so that each start costs one step (Welford).
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let (mut best, mut least) = (0, f64::INFINITY);
    for (index, value) in series.iter().enumerate().rev() {
        count += 1.0;
        let before = value - mean;
        mean += before / count;
        squares += before * (value - mean);
        let error = squares / (count * count);
        if index <= series.len() / 2 && error <= least {
            (best, least) = (index, error);
        }
    }
    best
}

/// Whether a trend that would matter is neither there nor possible, as far as so many values can tell.
fn has_no_trend(series: &[f64]) -> bool {
    if series.len() < STEADY_NOISY_MIN {
        return false;
    }
    let points: Vec<(f64, f64)> =
        series.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
    let Some((trend, level)) = Trend::of(&points, Z_90).zip(median(series)) else { return false };
    let rest: Vec<f64> = points.iter().map(|(at, value)| value - trend.slope * at).collect();
    let length = series.len() as f64;
    // As far as what hardly moves may move: from one edge to the other.
    let hardly = 2.0 * STEADY_TOLERANCE * level.abs();
    if trend.is_told() && trend.slope.abs() * length > hardly {
        return false;
    }
    // A step that has just come is no trend yet, and moves a mean at once.
    let (first, second) = series.split_at(series.len() / 2);
    let error = deviation(&rest) * (2.0 / first.len() as f64).sqrt();
    if (mean(first) - mean(second)).abs() > (hardly / 2.0).max(3.0 * error) {
        return false;
    }
    let possible = trend.low.abs().max(trend.high.abs()) * length;
    possible <= hardly.max(STEADY_TREND_DEVIATIONS * deviation(&rest))
}

/// How the beginning of a series differs from the rest, if it does: where the rest starts, and how
/// far the beginning's mean is from the median of the rest, as a share of that. Beyond both
/// [`STEADY_HEAD_MIN`] and three standard errors, so that noise is not taken for a beginning.
#[must_use]
pub fn unsteady_head(series: &[f64]) -> Option<(usize, f64)> {
    if series.len() < STEADY_INTERVALS_MIN {
        return None;
    }
    let start = truncation(series);
    let (head, tail) = series.split_at(start);
    if head.is_empty() {
        return None;
    }
    // A mean, for a beginning that wears off is short within the head; but not of a tail that may
    // hold a pause.
    let (before, level) = (mean(head), median(tail)?);
    let error = deviation(tail) / (head.len() as f64).sqrt();
    let apart = (before - level).abs();
    let share = if level > 0.0 { apart / level } else { f64::INFINITY };
    (share > STEADY_HEAD_MIN && apart > 3.0 * error).then_some((start, share))
}

/// Whether all values are within [`STEADY_TOLERANCE`] of their median.
fn hardly_moves(series: &[f64]) -> bool {
    let Some(level) = median(series) else { return false };
    series.iter().all(|value| (value - level).abs() <= level.abs() * STEADY_TOLERANCE)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of most values, whatever the others are: 1.4826 times the median of the
/// distances from the median, which is the same for normal noise.
fn deviation(values: &[f64]) -> f64 {
    let level = median(values).unwrap_or(0.0);
    let apart: Vec<f64> = values.iter().map(|value| (value - level).abs()).collect();
    1.4826 * median(&apart).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// About normal: of mean 0 and deviation 1.
    fn noise(from: &mut ChaCha8Rng) -> f64 {
        let uniform = |from: &mut ChaCha8Rng| (from.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (0..12).map(|_| uniform(from)).sum::<f64>() - 6.0
    }

    fn series(seed: u64, count: usize, at: impl Fn(f64) -> f64, deviation: f64) -> Vec<f64> {
        let mut from = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|index| at(index as f64) + deviation * noise(&mut from)).collect()
    }

    /// After how many values it is first called steady, by looks as the detector has them.
    fn found(series: &[f64]) -> Option<usize> {
        let looks =
            std::iter::successors(Some(STEADY_INTERVALS_MIN), |seen| Some(next_look(*seen)));
        looks.take_while(|seen| *seen <= series.len()).find(|seen| is_steady(&series[..*seen]))
    }

    /// In how many of two hundred series of sixty values that is.
    fn found_of(at: impl Fn(f64) -> f64, deviation: f64) -> usize {
        (0..200).filter(|seed| found(&series(*seed, 60, &at, deviation)).is_some()).count()
    }

    /// Noise whose values follow each other closely: each has half of the one before.
    fn waves(seed: u64, count: usize, deviation: f64) -> Vec<f64> {
        let mut wave = 0.0;
        let noise = series(seed, count, |_| 0.0, deviation * 0.75_f64.sqrt());
        let mut next = |noise: f64| {
            wave = 0.5 * wave + noise;
            100.0 + wave
        };
        noise.into_iter().map(&mut next).collect()
    }

    /// The same by its definition, each start on its own.
    fn truncation_naively(series: &[f64]) -> usize {
        let error = |tail: &[f64]| {
            let mean = tail.iter().sum::<f64>() / tail.len() as f64;
            let squares: f64 = tail.iter().map(|value| (value - mean).powi(2)).sum();
            squares / (tail.len() as f64).powi(2)
        };
        let starts = 0..=series.len() / 2;
        starts.min_by(|a, b| error(&series[*a..]).total_cmp(&error(&series[*b..]))).unwrap()
    }

    proptest! {
        #[test]
        fn the_start_is_where_the_error_of_the_rest_is_least(seed in any::<u64>(), count in 10_usize..80) {
            let series = series(seed, count, |at| if at < 9.0 { 100.0 - 8.0 * at } else { 28.0 }, 5.0);
            prop_assert_eq!(truncation(&series), truncation_naively(&series));
        }

        #[test]
        fn a_trend_is_not_steady(seed in any::<u64>(), slope in 2.0_f64..20.0) {
            for slope in [slope, -slope] {
                let rising = series(seed, 60, |at| 1_000.0 + slope * 10.0 * at, slope);
                prop_assert_eq!(found(&rising), None);
            }
        }

        #[test]
        fn a_step_is_found_after_the_step(seed in any::<u64>(), step in 12_usize..30) {
            let height = |at: f64| if at < step as f64 { 500.0 } else { 100.0 };
            let stepped = series(seed, 120, height, 3.0);
            // Its first level is steady, too; what counts is what is said once it is left.
            let told: Vec<usize> =
                (step + 2..=120).filter(|seen| is_steady(&stepped[..*seen])).collect();
            prop_assert!(told[0] >= 2 * step - 2, "{} after {step}", told[0]);
            prop_assert!(told[0] <= 2 * step + 30, "{} after {step}", told[0]);
        }

        #[test]
        fn a_beginning_that_differs_is_told_and_noise_is_not(seed in any::<u64>()) {
            let plain = series(seed, 60, |_| 100.0, 2.0);
            prop_assert_eq!(unsteady_head(&plain), None);
            let warming = series(seed, 60, |at| 100.0 + 200.0 * (-at / 3.0).exp(), 2.0);
            let (start, share) = unsteady_head(&warming).unwrap();
            prop_assert!((3..=30).contains(&start) && share > 0.1, "{start} {share}");
        }
    }

    #[test]
    fn noise_around_one_level_is_found_steady_within_a_minute_however_loud_it_is() {
        for deviation in [0.5, 2.0, 5.0, 15.0, 30.0] {
            let steady = found_of(|_| 100.0, deviation);
            assert!(steady >= 190, "{steady} of 200 with a deviation of {deviation}");
            let steady =
                (0..200).filter(|seed| found(&waves(*seed, 60, deviation)).is_some()).count();
            assert!(steady >= 180, "{steady} of 200 waves with a deviation of {deviation}");
        }
    }

    /// All looks of a minute together: what is refused once may pass at the next.
    #[test]
    fn a_figure_that_doubles_or_all_but_vanishes_within_a_minute_is_refused_at_every_look() {
        for deviation in [1.0, 2.0, 5.0] {
            for (level, slope) in [(100.0, 100.0 / 60.0), (120.0, -100.0 / 60.0)] {
                let steady = found_of(|at| level + slope * at, deviation);
                assert!(steady <= 10, "{steady} of 200, {slope} a second, noise {deviation}");
            }
        }
    }

    #[test]
    fn a_weak_trend_is_refused_more_often_than_not() {
        let steady = found_of(|at| 100.0 + at * 50.0 / 60.0, 5.0);
        assert!(steady <= 60, "{steady} of 200");
    }

    /// Nine times in ten: where noise is a tenth of the level, a tenth of the way is all that is seen.
    #[test]
    fn what_is_left_of_a_decay_when_it_is_called_steady_is_less_than_its_noise() {
        for deviation in [2.0, 5.0, 10.0] {
            for tau in [5.0, 10.0, 15.0] {
                let left = |seed| {
                    let decaying =
                        series(seed, 120, |at| 100.0 + 100.0 * (-at / tau).exp(), deviation);
                    found(&decaying).map_or(0.0, |found| 100.0 * (-(found as f64) / tau).exp())
                };
                let early = (0..200).filter(|seed| left(*seed) > deviation).count();
                assert!(early <= 20, "{early} of 200: noise {deviation}, over {tau} intervals");
            }
        }
    }

    #[test]
    fn looks_become_rarer_as_a_run_goes_on() {
        let looks: Vec<usize> =
            std::iter::successors(Some(10), |seen| Some(next_look(*seen))).take(6).collect();
        assert_eq!(looks, [10, 12, 15, 18, 22, 27]);
    }

    #[test]
    fn what_hardly_moves_is_steady_however_it_moves() {
        let slow = series(1, 60, |at| 1_000.0 + at * 0.1, 0.0);
        assert_eq!(found(&slow), Some(STEADY_INTERVALS_MIN));
    }

    #[test]
    fn few_values_say_nothing() {
        assert!(!is_steady(&[1.0; STEADY_INTERVALS_MIN - 1]));
        assert!(is_steady(&[1.0; STEADY_INTERVALS_MIN]));
        assert_eq!(unsteady_head(&[1.0, 9.0]), None);
    }

    #[test]
    fn a_detector_wants_both_the_throughput_and_the_response() {
        use crate::load::intervals::{EngineReading, Intervals};
        use std::time::Duration;
        let ms = Duration::from_millis;
        let intervals = |took: fn(u64) -> u64| {
            let mut all = Intervals::new(Vec::new(), ms(60_000));
            for second in 0..30 {
                for one in 0..10 {
                    let at = ms(second * 1_000 + one * 90);
                    all.delivered(1, at);
                    all.accepted(at.saturating_sub(ms(took(second))), at, at);
                }
            }
            all.finish(ms(30_000), EngineReading::default())
        };
        let watch = |intervals: &[Interval]| {
            let mut detector = Detector::default();
            intervals.iter().for_each(|one| detector.see(one));
            (detector.intervals(), detector.is_steady())
        };
        assert_eq!(watch(&intervals(|_| 20)), (30, true));
        assert_eq!(watch(&intervals(|second| 20 + 20 * second)), (30, false));
    }
}
