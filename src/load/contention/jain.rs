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

/// What the index of `successes` comes to if each is one of `racers`' by lot, with equal chances: never
/// 1, however fair that is, and far from it where there are few. By the expected sum of squares, which
/// puts it below the mean of lots by less than 0.05, and the closer the more there are. `None` without
/// successes.
#[must_use]
pub fn by_lot(racers: usize, successes: u64) -> Option<f64> {
    let others = racers.checked_sub(1)? as f64;
    (successes > 0).then(|| 1.0 / (1.0 + others / successes as f64))
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

    /// Held against lots that are drawn.
    #[test]
    fn the_index_of_a_lottery_is_that_of_lots_with_equal_chances() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for (racers, successes) in [(2_usize, 3_u64), (4, 20), (16, 40), (16, 2_000)] {
            let draws = 4_000;
            let mut sum = 0.0;
            for _ in 0..draws {
                let mut of = vec![0.0; racers];
                (0..successes).for_each(|_| of[random.random_range(0..racers)] += 1.0);
                sum += index(of).unwrap();
            }
            let (drawn, said) = (sum / f64::from(draws), by_lot(racers, successes).unwrap());
            let below = drawn - said;
            assert!((-0.005..0.05).contains(&below), "{racers}, {successes}: {drawn}, {said}");
        }
        assert_eq!((by_lot(1, 5), by_lot(3, 0), by_lot(0, 3)), (Some(1.0), None, None));
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
