//! A series against the sorted vector of its values: to p99.99, at any size, merged and stored.
//!
//! A series keeps three digits of each value, so that every quantile is the exact one to a
//! thousandth; this is what says so for distributions that latencies have.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use proptest::prelude::*;

use crate::load::recorder::Series;

/// In ten thousandths: the median to p99.99, and both ends.
const QUANTILES: [u64; 9] = [0, 1, 5_000, 7_500, 9_000, 9_900, 9_990, 9_999, 10_000];

/// How latencies may be distributed. Each is given by its inverse: from a uniform number in (0, 1]
/// to microseconds.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Constant,
    Uniform,
    LogNormal,
    /// Most are near a millisecond, one in 2,000 is a pause of seconds.
    FarTail,
    /// Infinite variance: index 1.1.
    Pareto,
    /// Every value twice as long as the one before, over the whole range that is held.
    Octaves,
}

const SHAPES: [Shape; 6] = [
    Shape::Constant,
    Shape::Uniform,
    Shape::LogNormal,
    Shape::FarTail,
    Shape::Pareto,
    Shape::Octaves,
];

impl Shape {
    fn micros(self, uniform: f64, other: f64) -> f64 {
        match self {
            Self::Constant => 1_234.0,
            Self::Uniform => uniform * 50_000.0,
            Self::LogNormal => {
                let normal = (-2.0 * uniform.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
                (6.0 + 1.5 * normal).exp()
            }
            Self::FarTail if other < 1.0 / 2_000.0 => 2_000_000.0 + 3_000_000.0 * uniform,
            Self::FarTail => 800.0 + 400.0 * uniform,
            Self::Pareto => 100.0 * uniform.powf(-1.0 / 1.1),
            Self::Octaves => (uniform * 36.0).exp2(),
        }
    }
}

/// A sequence of uniform numbers in (0, 1]: splitmix64, which is quick in an unoptimised build.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

fn values(shape: Shape, count: usize, seed: u64) -> Vec<u64> {
    let mut uniform = Uniform(seed);
    let mut next = || {
        let nanos = shape.micros(uniform.next(), uniform.next()) * 1_000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and below a day in nanoseconds"
        )]
        let nanos = nanos.min(8e13) as u64;
        nanos
    };
    (0..count).map(|_| next()).collect()
}

fn series(nanos: &[u64]) -> Series {
    let mut series = Series::default();
    for nanos in nanos {
        series
            .record(Duration::from_secs(1), Duration::from_secs(1) + Duration::from_nanos(*nanos));
    }
    series
}

/// The value of which a share of so many ten thousandths is no longer, from all of them.
fn exact(sorted: &[u64], parts: u64) -> f64 {
    let count = sorted.len() as u64;
    let rank = (count * parts).div_ceil(10_000).max(1);
    sorted[usize::try_from(rank).unwrap() - 1].div_ceil(1_000) as f64
}

/// Asserts that `found` is `exact` to three digits.
fn close(found: u64, exact: f64, about: &str) {
    let error = (found as f64 - exact).abs();
    assert!(error <= exact / 1_000.0, "{about}: {found} for {exact}");
}

fn check(series: &Series, mut nanos: Vec<u64>, about: &str) {
    nanos.sort_unstable();
    assert_eq!(series.count(), nanos.len() as u64, "{about}");
    for parts in QUANTILES {
        let found = series.quantile_us(parts as f64 / 10_000.0);
        close(found, exact(&nanos, parts), &format!("{about}, {parts} of 10,000"));
    }
    close(series.max_us(), exact(&nanos, 10_000), &format!("{about}, the longest"));
    let mean = nanos.iter().map(|nanos| nanos.div_ceil(1_000) as f64).sum::<f64>();
    let mean = mean / nanos.len() as f64;
    let error = (series.mean_us() - mean).abs();
    assert!(error <= mean / 1_000.0, "{about}, the mean: {} for {mean}", series.mean_us());
    assert_eq!((series.negatives(), series.saturated()), (0, 0), "{about}");
}

#[test]
fn quantiles_of_any_shape_are_those_of_the_sorted_values_to_a_thousandth() {
    for shape in SHAPES {
        for count in [1, 2, 99, 1_000, 10_007, 100_000] {
            let nanos = values(shape, count, count as u64);
            check(&series(&nanos), nanos, &format!("{count} of {shape:?}"));
        }
    }
}

#[test]
fn a_million_values_keep_their_p9999() {
    for shape in [Shape::FarTail, Shape::Pareto] {
        let nanos = values(shape, 1_000_000, 3);
        check(&series(&nanos), nanos, &format!("a million of {shape:?}"));
    }
}

#[test]
fn what_several_recorded_and_was_merged_is_what_one_would_have_recorded() {
    for shape in SHAPES {
        let nanos = values(shape, 30_000, 9);
        let mut merged = Series::default();
        // Of sizes as unlike as those of workers may be, one of them without a value.
        for part in [&nanos[..1], &nanos[1..20_000], &[], &nanos[20_000..]] {
            merged.merge(&series(part));
        }
        check(&merged, nanos, &format!("{shape:?}, merged"));
    }
}

#[test]
fn what_is_stored_has_every_quantile_of_what_was_recorded() {
    for shape in SHAPES {
        let nanos = values(shape, 20_000, 17);
        let series = series(&nanos);
        let bytes = series.to_bytes();
        let stored: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!((stored.len(), stored.sigfig()), (20_000, 3), "{shape:?}");
        assert_eq!(stored.max(), series.max_us(), "{shape:?}");
        let mut sorted = nanos;
        sorted.sort_unstable();
        for parts in QUANTILES {
            let quantile = parts as f64 / 10_000.0;
            let found = stored.value_at_quantile(quantile);
            assert_eq!(found.min(stored.max()), series.quantile_us(quantile), "{shape:?}");
            close(found.min(stored.max()), exact(&sorted, parts), &format!("{shape:?}, stored"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_size_and_any_split_of_any_shape_has_the_quantiles_of_its_sorted_values(
        shape in prop::sample::select(SHAPES.to_vec()), seed: u64,
        sizes in prop::collection::vec(0_usize..1_500, 1..5),
    ) {
        let parts: Vec<Vec<u64>> = (0_u64..)
            .zip(&sizes)
            .map(|(part, size)| values(shape, *size, seed.wrapping_add(part)))
            .collect();
        let mut merged = Series::default();
        parts.iter().for_each(|part| merged.merge(&series(part)));
        let all = parts.concat();
        if all.is_empty() {
            prop_assert_eq!((merged.count(), merged.quantile_us(0.5), merged.max_us()), (0, 0, 0));
        } else {
            check(&merged, all, "split");
        }
    }
}
