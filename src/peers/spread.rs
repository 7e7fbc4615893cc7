//! Ratios over rounds: taken within a round, where both sides met the same machine, and only then
//! summed up.
//!
//! Pure. Called by `record`.

use crate::floor::Spread;

/// Of a figure of one contestant over that of another, round by round; each is given with its
/// round. Rounds that only one of them has do not count, nor does a figure of zero below.
pub(super) fn of_ratios(above: &[(u32, f64)], below: &[(u32, f64)]) -> Option<Spread> {
    Spread::of(above.iter().filter_map(|(round, value)| {
        let same = below.iter().find(|(other, _)| other == round);
        same.filter(|(_, base)| *base > 0.0).map(|(_, base)| value / base)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: Option<(f64, f64, f64)>) {
        let expected = expected.map(|(median, min, max)| Spread { median, min, max });
        assert_eq!(Spread::of(values.iter().copied()), expected, "{values:?}");
    }

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_the_two() {
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[9.0, 1.0], Some((5.0, 1.0, 9.0)));
        check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
        check(&[4.0, 9.0, 1.0, 2.0], Some((3.0, 1.0, 9.0)));
        check(&[1.0, f64::NAN], None);
        check(&[f64::INFINITY], None);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round_and_only_then_over_rounds() {
        // Every round was twice as slow as the one before, for both: the ratio is still 3.
        let above = [(0, 3.0), (1, 6.0), (2, 12.0)];
        let below = [(2, 4.0), (0, 1.0), (1, 2.0)];
        let three = Spread { median: 3.0, min: 3.0, max: 3.0 };
        assert_eq!(of_ratios(&above, &below), Some(three));
    }

    #[test]
    fn rounds_that_one_side_lacks_and_figures_of_zero_do_not_count() {
        let above = [(0, 8.0), (1, 6.0), (2, 5.0)];
        let below = [(1, 2.0), (2, 0.0), (3, 1.0)];
        let one = Spread { median: 3.0, min: 3.0, max: 3.0 };
        assert_eq!(of_ratios(&above, &below), Some(one));
        assert_eq!(of_ratios(&above, &[]), None);
    }
}
