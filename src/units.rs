//! Quantities as people write them: `200ms`, `150/s`, `2%`, `4KiB`, parsed exactly.
//!
//! Every quantity is kept as an integer, so a schedule drifts by nothing over hours. Never
//! clamps: what is out of range is refused, and the message says what is allowed. Called by
//! `load` for scenarios, through serde, and by `server` for settings.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};

use crate::limits::{
    FACTOR_PERCENT_MAX, PAYLOAD_BYTES_MAX, PHASE_SECONDS_MAX, RATE_PER_SECOND_MAX,
};

const MILLION: u64 = 1_000_000;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(from)?;
        match u32::try_from(number) {
            Ok(fits) if (MIN..=MAX).contains(&fits) => Ok(Self(fits)),
            _ => Err(de::Error::custom(format!("{number} is not a number from {MIN} to {MAX}"))),
        }
    }
}

/// A length of time, `MIN_MS` milliseconds to [`PHASE_SECONDS_MAX`] seconds: `250us`, `200ms`,
/// `1.5s`, `5min`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase<const MIN_MS: u64>(Duration);

impl<const MIN_MS: u64> Phase<MIN_MS> {
    /// The length.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let length = duration(text)?;
        let least = Duration::from_millis(MIN_MS);
        let most = Duration::from_secs(u64::from(PHASE_SECONDS_MAX));
        (least..=most).contains(&length).then_some(Self(length))
    }
}

impl<'de, const MIN_MS: u64> Deserialize<'de> for Phase<MIN_MS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a duration from {MIN_MS}ms to {PHASE_SECONDS_MAX}s, \
                 such as \"200ms\", \"1.5s\", \"5min\" or \"1h\""
            ))
        })
    }
}

/// Operations per time: `200/s`, `0.5/s`, `90/min`. More than 0, at most
/// [`RATE_PER_SECOND_MAX`] a second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    millionths: u64,
    per_seconds: u64,
}

impl Default for Rate {
    /// One a second.
    fn default() -> Self {
        Self { millionths: MILLION, per_seconds: 1 }
    }
}

impl Rate {
    /// `count` operations per second; `None` when out of range.
    #[must_use]
    pub fn per_second(count: u64) -> Option<Self> {
        Self::checked(count.checked_mul(MILLION)?, 1)
    }

    /// Reads `200/s` or `90/min`; `None` when it is neither, or out of range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (millionths, unit) = number_and_unit(text)?;
        match unit {
            "/s" => Self::checked(millionths, 1),
            "/min" => Self::checked(millionths, 60),
            _ => None,
        }
    }

    fn checked(millionths: u64, per_seconds: u64) -> Option<Self> {
        let most = RATE_PER_SECOND_MAX * MILLION * per_seconds;
        (1..=most).contains(&millionths).then_some(Self { millionths, per_seconds })
    }

    /// `factor` times this rate, to the millionth of its unit; `None` when out of range.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Option<Self> {
        let millionths = (self.millionths as f64 * factor).round();
        let most = (RATE_PER_SECOND_MAX * MILLION * self.per_seconds) as f64;
        if !(1.0..=most).contains(&millionths) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        Self::checked(millionths as u64, self.per_seconds)
    }

    /// Millionths of an operation, and the seconds in which so many are due: the rate as a ratio of
    /// two integers.
    #[must_use]
    pub fn parts(self) -> (u64, u64) {
        (self.millionths, self.per_seconds)
    }

    /// When the `k`-th of evenly spaced operations is due, counted from the first: exact to the
    /// nanosecond for every `k`, since nothing is added up. Saturates after 584 years.
    #[must_use]
    pub fn instant(self, k: u64) -> Duration {
        let period = u128::from(self.per_seconds) * 1_000_000_000 * u128::from(MILLION);
        let nanos = u128::from(k) * period / u128::from(self.millionths);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many evenly spaced operations are due within `window`, the first at its start.
    #[must_use]
    pub fn count_in(self, window: Duration) -> u64 {
        let period = u128::from(self.per_seconds) * 1_000_000_000 * u128::from(MILLION);
        let due = (window.as_nanos() * u128::from(self.millionths)).div_ceil(period);
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// The mean time between two operations, in seconds.
    #[must_use]
    pub fn period_seconds(self) -> f64 {
        1.0 / self.as_per_second()
    }

    /// Operations per second.
    #[must_use]
    pub fn as_per_second(self) -> f64 {
        self.millionths as f64 / (MILLION * self.per_seconds) as f64
    }

    /// This rate, or the bound that it is beyond.
    #[must_use]
    pub fn clamp(self, least: Self, most: Self) -> Self {
        if self.as_per_second() < least.as_per_second() {
            least
        } else if self.as_per_second() > most.as_per_second() {
            most
        } else {
            self
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({}/s)", self.as_per_second())
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a rate above 0 and up to {RATE_PER_SECOND_MAX}/s, \
                 such as \"200/s\" or \"90/min\""
            ))
        })
    }
}

/// A share of a whole: `2%`, `0.5%`. From 0% to 100%, kept in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    millionths: u64,
}

impl Share {
    /// Reads `2%`; `None` when it is something else, or over 100%.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (percent_millionths, unit) = number_and_unit(text)?;
        let millionths = percent_millionths / 100;
        (unit == "%" && millionths <= MILLION && percent_millionths % 100 == 0)
            .then_some(Self { millionths })
    }

    /// The whole.
    pub const ALL: Self = Self { millionths: MILLION };

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.millionths == 0
    }

    /// In millionths, exactly.
    #[must_use]
    pub fn millionths(self) -> u64 {
        self.millionths
    }

    /// As a part of 1.
    #[must_use]
    pub fn as_fraction(self) -> f64 {
        self.millionths as f64 / MILLION as f64
    }

    /// How many of the first `count` things are in the share, when they are spread as evenly as
    /// can be: exact, and never off by one or more from `count` x share.
    #[must_use]
    pub fn of_first(self, count: u64) -> u64 {
        let part = u128::from(count) * u128::from(self.millionths) / u128::from(MILLION);
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a share from \"0%\" to \"100%\" with at most 4 decimals, \
                 such as \"2%\" or \"0.5%\""
            ))
        })
    }
}

/// A multiple of a rate: `50%`, `250%`. From 0% to [`FACTOR_PERCENT_MAX`] percent, kept in
/// millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    millionths: u64,
}

impl Factor {
    /// The rate itself.
    pub const ONE: Self = Self { millionths: MILLION };
    /// Nothing of it.
    pub const NONE: Self = Self { millionths: 0 };

    /// Reads `250%`; `None` when it is something else, or too much.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (percent_millionths, unit) = number_and_unit(text)?;
        let millionths = percent_millionths / 100;
        let fits = millionths <= FACTOR_PERCENT_MAX * (MILLION / 100);
        (unit == "%" && fits && percent_millionths % 100 == 0).then_some(Self { millionths })
    }

    /// A whole number of percent; `None` when it is too much.
    #[must_use]
    pub fn of_percent(percent: u64) -> Option<Self> {
        (percent <= FACTOR_PERCENT_MAX).then(|| Self { millionths: percent * (MILLION / 100) })
    }

    /// In millionths.
    #[must_use]
    pub fn millionths(self) -> u64 {
        self.millionths
    }

    /// As a number: 1 for the rate itself.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.millionths as f64 / MILLION as f64
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not from \"0%\" to \"{FACTOR_PERCENT_MAX}%\" of the rate with at most \
                 4 decimals, such as \"50%\" or \"250%\""
            ))
        })
    }
}

/// A size in bytes from 0 to [`PAYLOAD_BYTES_MAX`]: `200B`, `4KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload(u32);

impl Payload {
    /// Reads `200B`; `None` when it is something else, or too large.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = bytes(text).filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)?;
        Some(Self(u32::try_from(bytes).ok()?))
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }
}

impl Default for Payload {
    /// 200 bytes: a chat message of a few sentences.
    fn default() -> Self {
        Self(200)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a whole number of bytes up to {PAYLOAD_BYTES_MAX}, \
                 such as \"200B\" or \"4KiB\""
            ))
        })
    }
}

/// Bytes over time: `16KiB/s`, `1MiB/s`. From `MIN` to [`PAYLOAD_BYTES_MAX`] bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed<const MIN: u64>(u32);

impl<const MIN: u64> Speed<MIN> {
    /// Reads `16KiB/s`; `None` when it is something else, or out of range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = bytes(text.trim().strip_suffix("/s")?)?;
        let fits = (MIN..=PAYLOAD_BYTES_MAX).contains(&bytes);
        fits.then_some(Self(u32::try_from(bytes).ok()?))
    }

    /// Bytes a second.
    #[must_use]
    pub fn per_second(self) -> u32 {
        self.0
    }
}

impl<'de, const MIN: u64> Deserialize<'de> for Speed<MIN> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a speed from {MIN} to {PAYLOAD_BYTES_MAX} bytes a second, \
                 such as \"16KiB/s\""
            ))
        })
    }
}

/// Units of time and their nanoseconds, smallest first.
const TIMES: [(&str, u64); 5] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Units of size and their bytes, smallest first.
const SIZES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads `250us`, `1.5s` or `5min`; `None` when it is something else, or 2^44 of its unit or more.
/// What is finer than a nanosecond is cut off.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (millionths, unit) = number_and_unit(text)?;
    let (_, nanos_per_unit) = TIMES.into_iter().find(|(name, _)| *name == unit)?;
    let nanos = u128::from(millionths) * u128::from(nanos_per_unit) / u128::from(MILLION);
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// Reads `200B` or `1.5KiB`; `None` when it is something else, no whole number of bytes, or 2^44 of
/// its unit or more.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (millionths, unit) = number_and_unit(text)?;
    let (_, bytes_per_unit) = SIZES.into_iter().find(|(name, _)| *name == unit)?;
    let scaled = u128::from(millionths) * u128::from(bytes_per_unit);
    let bytes = u64::try_from(scaled / u128::from(MILLION)).ok()?;
    (scaled % u128::from(MILLION) == 0).then_some(bytes)
}

/// Reads `2000/s` or `90/min` as a number a second, without the bounds of a [`Rate`]; `None` when it
/// is something else, or 2^44 or more.
#[must_use]
pub fn per_second(text: &str) -> Option<f64> {
    let (millionths, unit) = number_and_unit(text)?;
    let per_seconds = match unit {
        "/s" => 1,
        "/min" => 60,
        _ => return None,
    };
    Some(millionths as f64 / (MILLION * per_seconds) as f64)
}

/// A length of time as [`duration`] reads it, in the largest unit of which it is a whole number;
/// parts of a microsecond are cut off.
#[must_use]
pub fn written_duration(length: Duration) -> String {
    let nanos = length.as_nanos() / 1_000 * 1_000;
    written(nanos, "s", &TIMES)
}

/// A size as [`bytes()`] reads it, in the largest unit of which it is a whole number.
#[must_use]
pub fn written_bytes(bytes: u64) -> String {
    written(u128::from(bytes), "B", &SIZES)
}

fn written(amount: u128, unit_of_nothing: &str, units: &[(&str, u64)]) -> String {
    let whole = |(_, size): &&(&str, u64)| amount.is_multiple_of(u128::from(*size));
    match units.iter().rev().find(whole) {
        Some((unit, size)) if amount > 0 => format!("{}{unit}", amount / u128::from(*size)),
        _ => format!("{amount}{unit_of_nothing}"),
    }
}

/// Splits `1.5s` into 1,500,000 millionths and `s`. Decimal digits with at most six after the
/// point; no sign, no exponent, spaces allowed before the unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let scale = 10_u64.pow(6 - u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = fraction.parse().ok()?;
    let millionths = whole.parse::<u64>().ok()?.checked_mul(MILLION)?;
    Some((millionths.checked_add(fraction * scale)?, unit.trim_start()))
}

#[cfg(test)]
mod tests;
