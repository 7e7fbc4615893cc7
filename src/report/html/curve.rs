//! A saved histogram, read again, and the points of the curves that are drawn of it.
//!
//! Never averages quantiles: every point is of one whole histogram. Called by `quantiles` and
//! `completion`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::report::chart::Point;
use crate::report::record::Distribution;

/// Points for each further nine of a quantile curve.
const POINTS_PER_NINE: u32 = 16;

/// Every this share of the values there is a point of a completion curve.
const COMPLETION_STEP: f64 = 0.005;

/// The histogram of `distribution`; `None` if it has no values, or is none.
pub(super) fn histogram(distribution: &Distribution) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(&distribution.histogram).ok()?;
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
    (!histogram.is_empty()).then_some(histogram)
}

/// From 0% to the last value, in equal steps of nines: (1 / (1 - quantile), value).
pub(super) fn tail(histogram: &Histogram<u64>) -> Vec<Point> {
    let count = histogram.len() as f64;
    let step = |index: u32| 10_f64.powf(f64::from(index) / f64::from(POINTS_PER_NINE));
    let tails = (0..).map(step).take_while(|tail| *tail < count);
    let mut points: Vec<Point> =
        tails.map(|tail| (tail, value_at(histogram, 1.0 - 1.0 / tail))).collect();
    points.push((count.max(1.0), histogram.max() as f64));
    points
}

/// From the first value to the last: (value, share of the values that do not exceed it).
pub(super) fn completion(histogram: &Histogram<u64>) -> Vec<Point> {
    let shares = (1_u32..).map(|step| f64::from(step) * COMPLETION_STEP);
    let shares = shares.take_while(|share| *share < 1.0 - 1e-9);
    let mut points = vec![(histogram.min() as f64, 0.0)];
    points.extend(shares.map(|share| (value_at(histogram, share), share)));
    points.extend([0.999, 0.9999].map(|share| (value_at(histogram, share), share)));
    points.push((histogram.max() as f64, 1.0));
    points
}

/// The smallest value that `quantile` of the values do not exceed, as records have it.
pub(super) fn value_at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile).min(histogram.max()) as f64
}

/// The share of the values that do not exceed `value`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of microseconds, of at most a day"
)]
pub(super) fn reached(histogram: &Histogram<u64>, value: f64) -> f64 {
    histogram.count_between(0, value as u64) as f64 / histogram.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::load::recorder::Series;
    use crate::report::build::distribution;

    fn saved(values: &[u64]) -> Distribution {
        let mut series = Series::default();
        for value in values {
            series.record(Duration::ZERO, Duration::from_micros(*value));
        }
        distribution(&series)
    }

    #[test]
    fn what_is_no_histogram_or_an_empty_one_has_no_curve() {
        let mut none = saved(&[]);
        assert_eq!(histogram(&none), None);
        for text in ["", "not base64", "AAAA"] {
            none.histogram = text.to_owned();
            assert_eq!(histogram(&none), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn curves_agree_with_the_sorted_values(
            mut values in prop::collection::vec(1_u64..5_000_000, 1..300),
        ) {
            let histogram = histogram(&saved(&values)).unwrap();
            values.sort_unstable();
            let nearest = |share: f64| {
                let reaches = |rank: &usize| *rank as f64 >= share * values.len() as f64;
                let rank = (1..=values.len()).find(reaches).unwrap_or(values.len());
                values[rank - 1] as f64
            };
            let close = |value: f64, exact: f64| (value - exact).abs() <= exact * 0.001 + 1.0;
            let tail = tail(&histogram);
            for (x, value) in &tail[..tail.len() - 1] {
                prop_assert!(close(*value, nearest(1.0 - 1.0 / x)), "{x} {value}");
            }
            let completion = completion(&histogram);
            for (value, share) in &completion[1..] {
                prop_assert!(close(*value, nearest(*share)), "{share} {value}");
            }
            for value in [1_u64, 1_000, 1_000_000] {
                let exact = values.iter().filter(|one| **one <= value).count() as f64;
                // Values that the histogram cannot tell from it count too.
                let near = values.iter().filter(|one| **one as f64 <= value as f64 * 1.002).count();
                let found = reached(&histogram, value as f64) * values.len() as f64;
                prop_assert!((exact - 0.5..near as f64 + 0.5).contains(&found), "{value} {found}");
            }
            for points in [&tail, &completion] {
                prop_assert!(points.is_sorted_by(|one, next| one.0 <= next.0 && one.1 <= next.1));
                let last = points[points.len() - 1];
                prop_assert!(close(last.0.max(last.1), nearest(1.0)) || last.0 >= values.len() as f64);
            }
        }
    }
}
