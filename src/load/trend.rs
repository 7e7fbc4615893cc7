//! The slope of a series, how sure it is, and the chance of one as steep where there is none.
//!
//! The slope is the median of those between any two points (Theil 1950, Sen 1968): a tenth of wild
//! values moves it little. Its interval is Sen's, from the variance of Kendall's S with ties, widened
//! for autocorrelation as Hamed and Rao have it ("A modified Mann-Kendall trend test for
//! autocorrelated data", Journal of Hydrology 204, 1998): neighbouring seconds are alike, and without
//! that a slow wave would be a trend. Pure. Called by `drift` and `steady`; its error function by `sizes`.

/// The normal quantile of a two-sided interval of 95 %.
pub(super) const Z_95: f64 = 1.959_963_985;

/// The normal quantile of a two-sided interval of 90 %: of 95 % to each side alone.
pub(super) const Z_90: f64 = 1.644_853_627;

/// How a series moves over its points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// Its change from one unit of place to the next.
    pub(super) slope: f64,
    /// The lower end of the slope's interval.
    pub(super) low: f64,
    /// The upper end.
    pub(super) high: f64,
    /// How likely points without a trend are to rise or fall as consistently (Mann and Kendall).
    pub(super) chance: f64,
}

impl Trend {
    /// Of points of place and value, in the order of their places, with an interval that reaches
    /// `quantile` deviations to either side. `None` for fewer than three points.
    pub(super) fn of(points: &[(f64, f64)], quantile: f64) -> Option<Self> {
        if points.len() < 3 {
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
        let deviation = (variance_of_s(&values) * widening(&rest)).sqrt();
        let (pairs, reach) = (slopes.len() as f64, quantile * deviation);
        let rank = |place: f64| slopes[index_within(place, slopes.len())];
        Some(Self {
            slope,
            low: rank((pairs - reach) / 2.0 - 1.0),
            high: rank((pairs + reach) / 2.0),
            chance: chance(&slopes, deviation),
        })
    }

    /// Whether its interval excludes that there is none.
    pub(super) fn is_told(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Two-sided, with the correction for S being whole: it moves in steps of two.
fn chance(slopes: &[f64], deviation: f64) -> f64 {
    let sign = |slope: &f64| if *slope == 0.0 { 0.0 } else { slope.signum() };
    let s: f64 = slopes.iter().map(sign).sum();
    let beyond = (s.abs() - 1.0).max(0.0);
    if beyond == 0.0 || deviation == 0.0 {
        return 1.0;
    }
    erfc(beyond / deviation / std::f64::consts::SQRT_2)
}

/// The complementary error function of something not negative, to 1.2e-7 of itself: the fit of
/// Press and others, "Numerical Recipes in C", 2nd edition, section 6.2.
pub(super) fn erfc(x: f64) -> f64 {
    const FIT: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let t = 1.0 / (1.0 + 0.5 * x);
    t * (FIT.iter().fold(0.0, |sum, term| sum * t + term) - x * x).exp()
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (upper, lower) = (sorted.len() / 2, sorted.len().checked_sub(1)? / 2);
    Some((sorted[lower] + sorted[upper]) / 2.0)
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
    use super::*;

    #[test]
    fn the_middle_is_a_value_or_between_two() {
        assert_eq!(
            (median(&[]), median(&[3.0, 1.0]), median(&[3.0, 9.0, 1.0])),
            (None, Some(2.0), Some(3.0))
        );
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    /// Four values that rise: S is 6, its variance 4 x 3 x 13 / 18, so Z is 5 / 2.944 (Mann 1945, Kendall).
    #[test]
    fn a_chance_is_two_sided_and_corrected_for_whole_steps() {
        let deviation = (26.0_f64 / 3.0).sqrt();
        assert!((chance(&[1.0; 6], deviation) - 0.0894).abs() < 1e-3);
        assert!((chance(&[-1.0; 6], deviation) - 0.0894).abs() < 1e-3);
        assert_eq!(chance(&[1.0, -1.0], deviation).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        for (x, expected) in
            [(0.0, 1.0), (0.5, 0.479_500_122), (1.0, 0.157_299_207), (2.0, 0.004_677_735)]
        {
            let found = erfc(x);
            assert!((found / expected - 1.0).abs() < 3e-7, "erfc({x}) = {found}, not {expected}");
        }
    }

    #[test]
    fn a_chance_is_that_of_kendall_s_and_one_where_nothing_moves() {
        // Ten points that only rise: S = 45, its variance 125.
        let rising: Vec<_> = (0..10).map(|at| (f64::from(at), f64::from(at * at))).collect();
        let found = Trend::of(&rising, Z_95).unwrap().chance;
        let expected = erfc(44.0 / 125_f64.sqrt() / std::f64::consts::SQRT_2);
        assert!(found >= expected && found < 0.05, "{found} {expected}");
        let flat: Vec<_> = (0..10).map(|at| (f64::from(at), 7.0)).collect();
        assert_eq!(Trend::of(&flat, Z_95).unwrap().chance, 1.0);
    }

    #[test]
    fn two_points_have_no_trend() {
        assert_eq!(Trend::of(&[(0.0, 1.0), (1.0, 2.0)], Z_95), None);
    }
}
