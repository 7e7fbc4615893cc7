//! Sizes that vary: of messages, and of groups.
//!
//! A law is what people can state: a median, a 99th percentile, a largest. Never reads text; the
//! numbers come from the scenario and the draws from its seed. Called by the schedule and the
//! population.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::draws::{below, normal};
use super::trend::erfc;
use crate::limits::LAW_SLICES;
use crate::units::Payload;

/// How many standard deviations 99 % of a normal distribution lie below.
const Z_P99: f64 = 2.326_347_874_040_841;

/// Sizes whose logarithm is normally distributed, as those of files, messages and groups are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogNormal {
    /// Half are at most so large.
    pub median: u32,
    /// 99 % are at most so large; at least the median.
    pub p99: u32,
    /// None is larger: what would be counts as so large. At least the 99th percentile.
    pub max: u32,
}

/// Some of what a law draws, by size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Of all that is drawn.
    pub share: f64,
    /// The mean of it, to a hundredth.
    pub mean: f64,
}

/// How large the plaintexts of application messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All alike.
    Fixed(Payload),
    /// Log-normal.
    LogNormal(LogNormal),
    /// As a chat over MIMI has them; see [`MIMI`].
    Mimi,
}

/// One kind of content in the mix of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is.
    pub what: &'static str,
    /// Of a thousand messages, how many are it.
    pub per_mille: u32,
    /// Its smallest in bytes.
    pub least: u32,
    /// Its largest: every size between the two is as likely.
    pub most: u32,
}

/// Sizes of `application/mimi-content` in CBOR, as MLS plaintext: those of the example files of
/// draft-ietf-mimi-content-08, where a text of 57 characters takes 193 bytes and thus 136 without
/// it. How often each occurs is a choice of ours, as nobody has published it: 60 % texts of 20 to
/// 200 characters, 12 % replies, 18 % reactions, 4 % edits and deletions, 4 % references to an
/// attachment, 2 % of several parts.
pub const MIMI: [Content; 9] = [
    Content { what: "text", per_mille: 600, least: 136 + 20, most: 136 + 200 },
    Content { what: "reply", per_mille: 120, least: 200, most: 200 },
    Content { what: "reaction", per_mille: 180, least: 170, most: 170 },
    Content { what: "edit", per_mille: 20, least: 234, most: 234 },
    Content { what: "deletion", per_mille: 20, least: 166, most: 166 },
    Content { what: "attachment", per_mille: 40, least: 272, most: 272 },
    Content { what: "two parts", per_mille: 7, least: 219, most: 219 },
    Content { what: "a choice of parts", per_mille: 7, least: 208, most: 208 },
    Content { what: "many parts", per_mille: 6, least: 716, most: 716 },
];

impl LogNormal {
    /// One size, at least `least`.
    pub(super) fn draw(&self, from: &mut ChaCha8Rng, least: u32) -> u32 {
        let size = f64::from(self.median) * (self.sigma() * normal(from)).exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let size = size.round() as u32;
        size.clamp(least.min(self.max), self.max)
    }

    /// The standard deviation of the logarithm.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        (f64::from(self.p99) / f64::from(self.median.max(1))).ln().max(0.0) / Z_P99
    }

    /// The mean, but for what [`Self::max`] cuts off.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let mean = f64::from(self.median) * (self.sigma().powi(2) / 2.0).exp();
        mean.min(f64::from(self.max))
    }

    /// The law in slices of a standard deviation each, ascending, with the shares of them all adding
    /// up to 1 and the mean of them all that of the law. What is smaller than `least` counts as
    /// so large, as what is larger than [`Self::max`] does; slices of one size are one.
    #[must_use]
    pub fn slices(&self, least: f64) -> Vec<Slice> {
        let ends =
            LAW_SLICES.into_iter().map(|end| (normal_below(end), self.sum_below(end, least)));
        let mut slices: Vec<Slice> = Vec::new();
        let (mut share_before, mut sum_before) = (0.0, 0.0);
        for (share, sum) in ends.chain([(1.0, self.sum_below(f64::INFINITY, least))]) {
            let mean = (sum - sum_before) / (share - share_before);
            let slice = Slice {
                share: share - share_before,
                mean: ((mean * 1e2).round() / 1e2)
                    .clamp(least.min(self.max.into()), self.max.into()),
            };
            match slices.last_mut().filter(|last| last.mean >= slice.mean) {
                Some(last) => last.share += slice.share,
                None => slices.push(slice),
            }
            (share_before, sum_before) = (share, sum);
        }
        slices
    }

    /// What everything drawn up to `end` standard deviations from the median adds up to, of draws
    /// that are one together: the partial expectation of a log-normal law, held between two ends.
    fn sum_below(&self, end: f64, least: f64) -> f64 {
        let (median, max, sigma) = (f64::from(self.median), f64::from(self.max), self.sigma());
        let least = least.min(max);
        if sigma == 0.0 {
            return median.clamp(least, max) * normal_below(end);
        }
        let place = |size: f64| (size / median).ln() / sigma;
        let (low, high) = (place(least.max(f64::MIN_POSITIVE)), place(max));
        let between = |from: f64, to: f64| (normal_below(to) - normal_below(from)).max(0.0);
        let mean = median * (sigma.powi(2) / 2.0).exp();
        least * normal_below(end.min(low))
            + mean * between(low - sigma, end.min(high) - sigma)
            + max * between(high, end)
    }

    /// The same law with nothing larger than `most`.
    #[must_use]
    pub fn at_most(self, most: u32) -> Self {
        let max = self.max.min(most);
        let p99 = self.p99.min(max);
        Self { median: self.median.min(p99), p99, max }
    }
}

impl Sizes {
    /// One plaintext's size in bytes.
    pub(super) fn draw(&self, from: &mut ChaCha8Rng) -> u32 {
        match self {
            Self::Fixed(payload) => payload.bytes(),
            Self::LogNormal(law) => law.draw(from, 0),
            Self::Mimi => {
                let mut drawn = below(from, 1_000);
                for content in MIMI {
                    if drawn < content.per_mille {
                        return content.least + below(from, content.most - content.least + 1);
                    }
                    drawn -= content.per_mille;
                }
                0
            }
        }
    }

    /// The mean size in bytes.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(payload) => payload.bytes().into(),
            Self::LogNormal(law) => law.mean(),
            Self::Mimi => MIMI
                .iter()
                .map(|content| f64::from(content.least + content.most) / 2.0 * share(content))
                .sum(),
        }
    }

    /// The largest size in bytes.
    #[must_use]
    pub fn max(&self) -> u32 {
        match self {
            Self::Fixed(payload) => payload.bytes(),
            Self::LogNormal(law) => law.max,
            Self::Mimi => MIMI.iter().map(|content| content.most).max().unwrap_or(0),
        }
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Fixed(Payload::default())
    }
}

/// The share of a normal distribution that lies below so many standard deviations.
fn normal_below(deviations: f64) -> f64 {
    let beyond = erfc(deviations.abs() / std::f64::consts::SQRT_2) / 2.0;
    if deviations < 0.0 { beyond } else { 1.0 - beyond }
}

fn share(content: &Content) -> f64 {
    f64::from(content.per_mille) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draws::stream;

    fn sorted(count: u32, mut draw: impl FnMut(&mut ChaCha8Rng) -> u32) -> Vec<u32> {
        let mut from = stream(3, 0, b"testing ");
        let mut sizes: Vec<u32> = (0..count).map(|_| draw(&mut from)).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn log_normal_sizes_have_the_median_and_the_p99_that_were_asked_for() {
        let law = LogNormal { median: 120, p99: 4096, max: 65_536 };
        let sizes = sorted(100_000, |from| law.draw(from, 0));
        // 4 standard deviations of a share of 100,000 draws.
        for (wanted, share) in [(law.median, 0.5), (law.p99, 0.99)] {
            let below = sizes.partition_point(|size| *size <= wanted) as f64 / 1e5;
            let allowed = 4.0 * (share * (1.0_f64 - share) / 1e5).sqrt() + 0.002;
            assert!((below - share).abs() < allowed, "{below} of {wanted}");
        }
        assert!(sizes.iter().all(|size| *size <= law.max));
        let mean = sizes.iter().map(|size| f64::from(*size)).sum::<f64>() / 1e5;
        assert!((mean / law.mean() - 1.0).abs() < 0.05, "{mean} {}", law.mean());
    }

    #[test]
    fn slices_of_a_law_are_what_is_drawn_from_it() {
        for (median, p99, max, least) in [
            (8, 500, 2_000, 2),
            (8, 500, 100_000, 2),
            (2, 900, 50_000, 5),
            (120, 4_096, 4_096, 1),
            (300, 310, 1_000, 2),
        ] {
            let law = LogNormal { median, p99, max };
            let drawn = sorted(400_000, |from| law.draw(from, least));
            let mut rest = &drawn[..];
            for slice in law.slices(least.into()) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count"
                )]
                let count = ((slice.share * 4e5).round() as usize).min(rest.len());
                let (of, others) = rest.split_at(count);
                let mean = of.iter().map(|size| f64::from(*size)).sum::<f64>() / count as f64;
                // Draws are whole, and the largest slice has 540 of them, which vary.
                let allowed = 0.35 + slice.mean * if others.is_empty() { 0.1 } else { 0.02 };
                assert!((mean - slice.mean).abs() < allowed, "{law:?}: {slice:?} {mean}");
                rest = others;
            }
            assert!(rest.len() < 5, "{law:?}: {} are in none", rest.len());
        }
        let alike = LogNormal { median: 7, p99: 7, max: 9 };
        assert_eq!(alike.slices(2.0), [Slice { share: 1.0, mean: 7.0 }]);
    }

    #[test]
    fn a_law_may_be_cut_at_both_ends_and_be_no_law_at_all() {
        let law = LogNormal { median: 8, p99: 300, max: 400 };
        let sizes = sorted(10_000, |from| law.draw(from, 2));
        assert_eq!((sizes[0], sizes[9_999]), (2, 400));
        let same = LogNormal { median: 7, p99: 7, max: 7 };
        assert!(sorted(100, |from| same.draw(from, 2)).iter().all(|size| *size == 7));
        assert_eq!(law.at_most(20), LogNormal { median: 8, p99: 20, max: 20 });
        assert_eq!(law.at_most(5), LogNormal { median: 5, p99: 5, max: 5 });
    }

    #[test]
    fn the_mix_of_a_chat_adds_up_and_has_the_mean_that_it_says() {
        assert_eq!(MIMI.iter().map(|content| content.per_mille).sum::<u32>(), 1_000);
        let sizes = sorted(100_000, |from| Sizes::Mimi.draw(from));
        assert_eq!((sizes[0], sizes[99_999]), (156, Sizes::Mimi.max()));
        let mean = sizes.iter().map(|size| f64::from(*size)).sum::<f64>() / 1e5;
        assert!((mean - Sizes::Mimi.mean()).abs() < 1.0, "{mean} {}", Sizes::Mimi.mean());
        let reactions = sizes.iter().filter(|size| **size == 170).count();
        // 18 %, and one text in 181 has that size too.
        assert!((18_000..18_700).contains(&reactions), "{reactions}");
    }
}
