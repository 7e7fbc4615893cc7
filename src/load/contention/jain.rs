//! Jain's fairness index.
//!
//! 1 when all have the same, 1/n when one of n has everything (Jain, Chiu, Hawe 1984). Pure.
//! Called by the tally of a race.

/// The index of `values`, none below 0; `None` without values, or when all of them are 0.
#[must_use]
pub fn index(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    (squares > 0.0).then(|| sum * sum / (count * squares))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_index_is_one_for_equal_shares_and_one_in_n_for_a_monopoly() {
        let check = |values: &[f64], expected: Option<f64>| {
            let found = index(values.iter().copied());
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                (found, expected) => found == expected,
            };
            assert!(same, "{values:?}: {found:?}");
        };
        check(&[], None);
        check(&[0.0, 0.0], None);
        check(&[7.0], Some(1.0));
        check(&[3.0, 3.0, 3.0], Some(1.0));
        check(&[5.0, 0.0, 0.0, 0.0], Some(0.25));
        // Half of them share everything: half.
        check(&[2.0, 2.0, 0.0, 0.0], Some(0.5));
        // (1 + 2 + 3)² / (3 x 14)
        check(&[1.0, 2.0, 3.0], Some(36.0 / 42.0));
    }

    proptest! {
        #[test]
        fn the_index_is_from_one_in_n_to_one_and_knows_no_unit(
            values in prop::collection::vec(0.0..1e6_f64, 1..100), scale in 0.001..1e3_f64,
        ) {
            prop_assume!(values.iter().any(|value| *value > 1e-3));
            let found = index(values.iter().copied()).unwrap();
            let least = 1.0 / values.len() as f64;
            prop_assert!((least - 1e-9..=1.0 + 1e-9).contains(&found), "{found}");
            let scaled = index(values.iter().map(|value| value * scale)).unwrap();
            prop_assert!((found - scaled).abs() < 1e-9);
        }
    }
}
