//! A derived number with everything that is needed to check it: its formula and its records.
//!
//! Only data and how it is written for people. Used by the plan and by what is said before a run.

use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use crate::report::summary::whole;

/// One derived number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is a number of.
    pub name: String,
    /// What it is counted in.
    pub unit: Unit,
    /// The number.
    pub value: Estimate,
    /// The formula with its numbers, or what was counted.
    pub how: String,
    /// Which records it rests on, by index among the sources; none if it follows from what was
    /// asked alone.
    pub from: Vec<usize>,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Whole things.
    Count,
    /// Things per second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Microseconds.
    Microseconds,
    /// Cores kept busy.
    Cores,
    /// A share of a whole, 1 being all of it.
    Share,
}

impl Figure {
    /// A number that follows from what was asked alone.
    #[must_use]
    pub fn of(name: &str, unit: Unit, value: Estimate, how: impl Into<String>) -> Self {
        Self { name: name.to_owned(), unit, value, how: how.into(), from: Vec::new() }
    }

    /// The same, resting on records.
    #[must_use]
    pub fn resting_on(mut self, from: &[usize]) -> Self {
        self.from = from.to_vec();
        self.from.sort_unstable();
        self.from.dedup();
        self
    }
}

impl Unit {
    /// A number of this unit as people read it: three digits that count, or whole things.
    #[must_use]
    pub fn written(self, value: f64) -> String {
        match self {
            Self::Count => whole(value),
            Self::PerSecond => format!("{}/s", rounded(value)),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Seconds => seconds(value),
            Self::Microseconds => format!("{} us", rounded(value)),
            Self::Cores => rounded(value),
            Self::Share => format!("{} %", rounded(value * 100.0)),
        }
    }
}

/// With three digits that count; whole and grouped from 1,000 on.
#[must_use]
pub fn rounded(value: f64) -> String {
    if value >= 999.5 {
        return whole(value);
    }
    let digits = match value {
        value if value >= 99.95 || value == 0.0 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.9995 => 2,
        value if value >= 0.0995 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = value;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", rounded(value), UNITS[unit])
}

fn seconds(value: f64) -> String {
    match value {
        value if value >= 7_200.0 => format!("{} h", rounded(value / 3_600.0)),
        value if value >= 120.0 => format!("{} min", rounded(value / 60.0)),
        value if value >= 1.0 || value == 0.0 => format!("{} s", rounded(value)),
        value => format!("{} ms", rounded(value * 1_000.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_with_three_digits_that_count() {
        let check = |unit: Unit, value, text| assert_eq!(unit.written(value), text);
        check(Unit::Count, 0.0, "0");
        check(Unit::Count, 1_234_567.4, "1,234,567");
        check(Unit::Count, 999.0, "999");
        check(Unit::PerSecond, 12.345, "12.3/s");
        check(Unit::PerSecond, 0.012_34, "0.0123/s");
        check(Unit::PerSecond, 999.6, "1,000/s");
        check(Unit::Bytes, 1023.0, "1,023 B");
        check(Unit::Bytes, 1536.0, "1.50 KiB");
        check(Unit::BytesPerSecond, 3.0 * 1024.0 * 1024.0, "3.00 MiB/s");
        check(Unit::Seconds, 0.25, "250 ms");
        check(Unit::Seconds, 90.0, "90.0 s");
        check(Unit::Seconds, 600.0, "10.0 min");
        check(Unit::Seconds, 7_200.0, "2.00 h");
        check(Unit::Microseconds, 1.891, "1.89 us");
        check(Unit::Share, 0.75, "75.0 %");
    }
}
