//! Everything a plan draws by chance: streams of numbers from the scenario's seed, and their laws.
//!
//! Each kind of choice has a stream of its own, so that changing one field of a scenario leaves the
//! other choices as they were. The same seed gives the same draws on every machine whose `ln`, `exp`
//! and `cos` agree. Called by the schedule, the arrivals and the population.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of numbers of one class, for one purpose; only the purpose's first four letters count.
pub(super) fn stream(seed: u64, class: u32, purpose: &[u8; 8]) -> ChaCha8Rng {
    let mut key = *b"stentor schedule................";
    key[16..24].copy_from_slice(&seed.to_be_bytes());
    key[24..28].copy_from_slice(&class.to_be_bytes());
    key[28..].copy_from_slice(&purpose[..4]);
    ChaCha8Rng::from_seed(key)
}

/// Uniform in `0..bound`, 0 for a bound of 0. The high half of a product: biased by less than
/// one part in 2^32.
pub(super) fn below(from: &mut ChaCha8Rng, bound: u32) -> u32 {
    let product = u128::from(from.next_u64()) * u128::from(bound);
    u32::try_from(product >> 64).unwrap_or_default()
}

/// Puts things in an order in which each is as likely as any other (Fisher and Yates).
pub(super) fn shuffle<T>(things: &mut [T], from: &mut ChaCha8Rng) {
    for last in (1..things.len()).rev() {
        let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
        things.swap(last, below(from, bound) as usize);
    }
}

/// Uniform above 0, up to 1.
pub(super) fn uniform(from: &mut ChaCha8Rng) -> f64 {
    ((from.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// An exponentially distributed number of mean 1; at most 37.
pub(super) fn exponential(from: &mut ChaCha8Rng) -> f64 {
    -uniform(from).ln()
}

/// A normally distributed number of mean 0 and variance 1 (Box and Muller); at most 8.6 from 0.
pub(super) fn normal(from: &mut ChaCha8Rng) -> f64 {
    let radius = (2.0 * exponential(from)).sqrt();
    radius * (std::f64::consts::TAU * uniform(from)).cos()
}

/// How often each of some things is drawn: the n-th, from 1, in proportion to n^-exponent, the
/// first most often. 0 is all alike.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    exponent: f64,
    /// Of the first so many things together, growing.
    cumulated: Vec<f64>,
}

impl Zipf {
    /// Of `count` things. Costs 8 bytes for each, unless they are alike.
    pub(super) fn new(count: u32, exponent: f64) -> Self {
        let count = if exponent == 0.0 { 0 } else { count };
        let mut total = 0.0;
        let cumulated = (1..=count).map(|place| {
            total += f64::from(place).powf(-exponent);
            total
        });
        Self { exponent, cumulated: cumulated.collect() }
    }

    /// One of the first `bound` things, by its place from 0; 0 for a bound of 0.
    pub(super) fn draw(&self, from: &mut ChaCha8Rng, bound: u32) -> u32 {
        let bounded = usize::try_from(bound).unwrap_or(usize::MAX).min(self.cumulated.len());
        let Some(total) = self.cumulated[..bounded].last() else { return below(from, bound) };
        let drawn = uniform(from) * total;
        let place = self.cumulated[..bounded].partition_point(|cumulated| *cumulated < drawn);
        u32::try_from(place.min(bounded - 1)).unwrap_or(u32::MAX)
    }

    /// The share of the draws among `count` that fall on the thing at `place`.
    pub(super) fn share(&self, place: u32, count: u32) -> f64 {
        let last = usize::try_from(count).unwrap_or(usize::MAX).min(self.cumulated.len());
        match self.cumulated[..last].last() {
            Some(total) => f64::from(place + 1).powf(-self.exponent) / total,
            None => 1.0 / f64::from(count.max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rng() -> ChaCha8Rng {
        stream(7, 0, b"testing ")
    }

    #[test]
    fn normal_draws_have_the_quantiles_of_a_normal() {
        let mut from = rng();
        let mut drawn: Vec<f64> = (0..100_000).map(|_| normal(&mut from)).collect();
        drawn.sort_by(f64::total_cmp);
        for (share, z) in [(0.5, 0.0), (0.841_345, 1.0), (0.977_250, 2.0), (0.99, 2.326_348)] {
            let below = drawn.partition_point(|value| *value < z) as f64 / 1e5;
            let allowed = 4.0 * (share * (1.0_f64 - share) / 1e5).sqrt();
            assert!((below - share).abs() < allowed, "{below} below {z}");
        }
    }

    #[test]
    fn things_are_drawn_as_often_as_zipf_says() {
        for exponent in [0.0, 0.7, 1.1, 2.0] {
            let (zipf, mut from) = (Zipf::new(1_000, exponent), rng());
            let mut counts = vec![0_u32; 20];
            for _ in 0..100_000 {
                counts[zipf.draw(&mut from, 20) as usize] += 1;
            }
            let chi_square: f64 = (0..)
                .zip(&counts)
                .map(|(place, count)| {
                    let expected = zipf.share(place, 20) * 1e5;
                    (f64::from(*count) - expected).powi(2) / expected
                })
                .sum();
            assert!(chi_square < 43.8, "99.9 % of seeds stay below, 19 degrees: {chi_square}");
            let all: f64 = (0..20).map(|place| zipf.share(place, 20)).sum();
            assert!((all - 1.0).abs() < 1e-9);
        }
    }

    proptest! {
        /// Of `count` things, each is at each place about equally often.
        #[test]
        fn a_shuffle_favours_no_thing_and_no_place(seed: u64, count in 1..9_usize) {
            let mut from = stream(seed, 0, b"testing ");
            let mut times = vec![vec![0_u32; count]; count];
            let rounds = 2_000 * u32::try_from(count).unwrap();
            for _ in 0..rounds {
                let mut things: Vec<usize> = (0..count).collect();
                shuffle(&mut things, &mut from);
                for (place, thing) in things.iter().enumerate() {
                    times[*thing][place] += 1;
                }
                things.sort_unstable();
                prop_assert!(things.into_iter().eq(0..count), "none is lost");
            }
            // Seven standard deviations from 2,000: less than one in 10^11.
            for often in times.into_iter().flatten().filter(|_| count > 1) {
                prop_assert!((1_690..=2_310).contains(&often), "{often} of 2,000");
            }
        }
    }

    #[test]
    fn of_nothing_the_first_is_drawn() {
        let zipf = Zipf::new(5, 1.0);
        assert_eq!((zipf.draw(&mut rng(), 0), Zipf::new(5, 0.0).draw(&mut rng(), 0)), (0, 0));
        assert_eq!(zipf.draw(&mut rng(), 1), 0);
    }
}
