//! A number that is not known exactly: what it is expected to be, and between what it lies.
//!
//! Interval arithmetic of numbers that are never negative; it assumes nothing about how errors hang
//! together, so an interval only ever gets wider. Pure. Used by the plan and by what is said before
//! a run.

use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

/// A number and its bounds: `low <= expected <= high`, none negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// It is no smaller, as far as the inputs go.
    pub low: f64,
    /// The likeliest.
    pub expected: f64,
    /// It is no larger, as far as the inputs go.
    pub high: f64,
}

impl Estimate {
    /// A number that is known.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self { low: value, expected: value, high: value }
    }

    /// Between two numbers in any order, with their geometric mean as the likeliest: the two are
    /// models of which either may be right. The arithmetic mean when one is 0.
    #[must_use]
    pub fn between(one: f64, other: f64) -> Self {
        let (low, high) = (one.min(other), one.max(other));
        let mean = if low > 0.0 { (low * high).sqrt() } else { f64::midpoint(low, high) };
        Self { low, expected: mean.clamp(low, high), high }
    }

    /// Each of the three numbers changed alike, by a function that does not fall.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self { low: rising(self.low), expected: rising(self.expected), high: rising(self.high) }
    }

    /// This divided by another: the least by its most.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            low: self.low / other.high,
            expected: self.expected / other.expected,
            high: self.high / other.low,
        }
    }

    /// The larger of two, bound by bound.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            low: self.low.max(other.low),
            expected: self.expected.max(other.expected),
            high: self.high.max(other.high),
        }
    }

    /// Whether nothing about it is uncertain.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.low.total_cmp(&self.high).is_eq()
    }

    /// Whether a number lies within it.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            expected: self.expected + other.expected,
            high: self.high + other.high,
        }
    }
}

impl Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Mul for Estimate {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            low: self.low * other.low,
            expected: self.expected * other.expected,
            high: self.high * other.high,
        }
    }
}

impl Mul<f64> for Estimate {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.map(|value| value * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn estimate() -> impl Strategy<Value = (Estimate, f64)> {
        (0.01_f64..1e6, 1.0_f64..9.0, 0.0_f64..1.0, 0.0_f64..1.0).prop_map(|(low, wide, at, of)| {
            let high = low * wide;
            let within = |share: f64| low + (high - low) * share;
            (Estimate { low, expected: within(at), high }, within(of))
        })
    }

    proptest! {
        #[test]
        fn what_lies_within_two_estimates_lies_within_what_is_made_of_them(
            (one, a) in estimate(), (other, b) in estimate(),
        ) {
            let near = |estimate: Estimate, value: f64| {
                let slack = 1e-9 * value;
                estimate.low <= value + slack && value <= estimate.high + slack
            };
            prop_assert!(near(one + other, a + b));
            prop_assert!(near(one * other, a * b));
            prop_assert!(near(one.over(other), a / b));
            prop_assert!(near(one.max(other), a.max(b)));
            prop_assert!(near(one * 3.0, a * 3.0));
            for made in [one + other, one * other, one.over(other), one.max(other)] {
                prop_assert!(made.low <= made.expected && made.expected <= made.high, "{made:?}");
            }
        }
    }

    #[test]
    fn between_two_numbers_is_their_geometric_mean() {
        let between = Estimate::between(9.0, 4.0);
        assert_eq!((between.low, between.expected, between.high), (4.0, 6.0, 9.0));
        assert_eq!(Estimate::between(0.0, 4.0).expected, 2.0);
        assert!(Estimate::exactly(5.0).is_exact() && !between.is_exact());
        assert!(between.holds(4.0) && !between.holds(9.5));
    }
}
