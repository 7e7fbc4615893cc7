//! Quantities as people write them: `200ms`, `150/s`, `2%`, `4KiB`, parsed exactly.
//!
//! Every quantity is kept as an integer, so a schedule drifts by nothing over hours. Never
//! clamps: what is out of range is refused, and the message says what is allowed. Called by
//! `load` for scenarios, through serde, and by `server` for settings.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};

use crate::limits::{PAYLOAD_BYTES_MAX, PHASE_SECONDS_MAX, RATE_PER_SECOND_MAX};

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

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.millionths == 0
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
mod tests {
    use std::hint::black_box;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_read_in_every_unit() {
        let read = |text| Phase::<0>::parse(text).map(Phase::get);
        assert_eq!(read("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(read("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(read("2 min"), Some(Duration::from_secs(120)));
        assert_eq!(read("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(read("250us"), Some(Duration::from_micros(250)));
    }

    #[test]
    fn a_duration_out_of_range_or_without_a_unit_is_refused() {
        for text in ["", "2", "s", "-1s", "1e3s", "25h", "1.s", ".5s", "1..2s", "99999999999999h"] {
            assert_eq!(Phase::<0>::parse(text), None, "{text}");
        }
        assert_eq!(Phase::<100>::parse("99ms"), None);
        assert!(Phase::<100>::parse("100ms").is_some());
    }

    #[test]
    fn a_rate_of_zero_or_above_the_bound_is_refused() {
        assert_eq!(Rate::parse("0/s"), None);
        assert_eq!(Rate::parse("1000001/s"), None);
        assert_eq!(Rate::parse("200"), None);
        assert_eq!(Rate::parse("60/min").unwrap().as_per_second(), 1.0);
    }

    #[test]
    fn a_rate_is_scaled_within_its_range_or_not_at_all() {
        let rate = Rate::parse("90/min").unwrap();
        assert_eq!(rate.scaled(2.0), Rate::parse("180/min"));
        assert_eq!(rate.scaled(1.0), Some(rate));
        for wrong in [0.0, -2.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(rate.scaled(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_k_th_even_instant_has_no_drift_after_a_day() {
        let third = Rate::parse("3/s").unwrap();
        assert_eq!(third.instant(3 * 86_400), Duration::from_secs(86_400));
        let odd = Rate::parse("700/min").unwrap();
        assert_eq!(odd.instant(700 * 60 * 24), Duration::from_secs(86_400));
    }

    #[test]
    fn a_share_of_the_first_k_is_never_a_whole_one_off() {
        let share = Share::parse("2.5%").unwrap();
        for k in 0..1000 {
            let exact = k as f64 * 0.025;
            let off = exact - share.of_first(k) as f64;
            assert!((-1e-9..1.0).contains(&off), "{k}: {off}");
        }
        assert_eq!(Share::parse("100.1%"), None);
        assert_eq!(Share::parse("0.00001%"), None);
    }

    #[test]
    fn a_quantity_is_written_in_its_largest_whole_unit() {
        let lengths =
            [0, 1, 90_000, 1_500_000, 60_000_000, 7_200_000_000].map(Duration::from_micros);
        let written = ["0s", "1us", "90ms", "1500ms", "1min", "2h"];
        assert_eq!(lengths.map(written_duration), written);
        let sizes = [0, 1, 1536, 4096, 64 << 20, 1 << 40].map(written_bytes);
        assert_eq!(sizes, ["0B", "1B", "1536B", "4KiB", "64MiB", "1TiB"]);
    }

    #[test]
    fn a_payload_is_a_whole_number_of_bytes() {
        assert_eq!(Payload::parse("200B").map(Payload::bytes), Some(200));
        assert_eq!(Payload::parse("1.5KiB").map(Payload::bytes), Some(1536));
        assert_eq!(Payload::parse("0.5B"), None);
        assert_eq!(Payload::parse("5MiB"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in 0_u64..1 << 44, size in 0_u64..1 << 44) {
            let length = Duration::from_micros(micros);
            prop_assert_eq!(duration(&written_duration(length)), Some(length));
            prop_assert_eq!(bytes(&written_bytes(size)), Some(size));
            let round = size >> 20 << 20;
            prop_assert_eq!(bytes(&written_bytes(round)), Some(round));
        }

        #[test]
        fn no_text_makes_a_unit_panic(text in "[0-9./%a-zA-Zµ -]{0,24}") {
            black_box(Phase::<0>::parse(&text));
            black_box(Rate::parse(&text));
            black_box(Share::parse(&text));
            black_box(Payload::parse(&text));
        }

        #[test]
        fn the_count_within_a_window_agrees_with_the_instants(
            millionths in 1_u64..5_000_000_000, nanos in 1_u64..20_000_000_000,
        ) {
            let rate = Rate::checked(millionths, 1).unwrap();
            let window = Duration::from_nanos(nanos);
            let count = rate.count_in(window);
            prop_assert!(rate.instant(count) >= window);
            prop_assert!(count == 0 || rate.instant(count - 1) < window);
        }
    }
}
