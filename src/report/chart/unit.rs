//! Units of axes: where their ticks may stand, and how a value of theirs is written.
//!
//! Two forms: a tick is as short as it can be, a value has three digits. Called by `scale`, `draw`
//! and the tables.

use crate::report::summary::{decimal, whole};

/// What the numbers of an axis or a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds of latency.
    Micros,
    /// Seconds of a run.
    Seconds,
    /// Bytes, in powers of 1,024.
    Bytes,
    /// Things, whole or not; by the second if the axis says so.
    Count,
    /// A share of one, as a percentage.
    Share,
    /// 1 / (1 - quantile), as the quantile: 100 is 99%.
    Tail,
}

/// Multiples of a power of ten that a linear tick may stand at.
const DECIMAL_STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// Seconds between ticks of a run that is longer than some of them.
const SECOND_STEPS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0,
    14_400.0, 43_200.0,
];

impl Unit {
    /// The smallest step between linear ticks that is not below `least`, which is positive.
    #[must_use]
    pub fn step(self, least: f64) -> f64 {
        match self {
            Self::Seconds if (1.0..=43_200.0).contains(&least) => {
                SECOND_STEPS.into_iter().find(|step| *step >= least).unwrap_or(least)
            }
            Self::Bytes if least > 1.0 => {
                // 1, 2, 4 ... of each power of 1,024.
                2_f64.powf(least.log2().ceil())
            }
            _ => decimal_step(least),
        }
    }

    /// A value as short as it can be, for an axis.
    #[must_use]
    pub fn tick(self, value: f64) -> String {
        match self {
            Self::Micros => micros(value, short),
            Self::Seconds => clock(value),
            Self::Bytes => bytes(value, short),
            Self::Count => count(value),
            Self::Share => format!("{}%", short(value * 100.0)),
            Self::Tail => quantile(value),
        }
    }

    /// A value with three digits, for a table.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Micros => micros(value, three),
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value, three),
            // What is whole is written whole: three things are not 3.00.
            Self::Count if value.fract() == 0.0 => short(value),
            Self::Count => three(value),
            Self::Share => format!("{}%", three(value * 100.0)),
            Self::Tail => quantile(value),
        }
    }
}

/// The smallest of 1, 2, 5, 10, 20 ... and their decimal fractions that is not below `least`.
fn decimal_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let close = 1.0 - 1e-9;
    DECIMAL_STEPS
        .into_iter()
        .chain([10.0])
        .map(|step| step * power)
        .find(|step| *step >= least * close)
        .unwrap_or(10.0 * power)
}

/// Without a fraction if it is whole, else with as much of one as three digits allow.
fn short(value: f64) -> String {
    let text = three(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Three digits; more only before the point.
fn three(value: f64) -> String {
    if value.fract() == 0.0 && (1_000.0..9e15).contains(&value) {
        return whole(value);
    }
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.01 => format!("{value:.4}"),
        small if small < 0.9995 => format!("{value:.3}"),
        large if large >= 999.5 => whole(value),
        _ => decimal(value),
    }
}

fn micros(value: f64, write: fn(f64) -> String) -> String {
    match value.abs() {
        below if below < 999.5 => format!("{} µs", write(value)),
        below if below < 999_500.0 => format!("{} ms", write(value / 1e3)),
        _ => format!("{} s", write(value / 1e6)),
    }
}

/// With one unit, which the steps of an axis leave few digits to.
fn clock(value: f64) -> String {
    match value.abs() {
        below if below <= 120.0 => format!("{} s", short(value)),
        below if below < 14_400.0 => format!("{} min", short(value / 60.0)),
        _ => format!("{} h", short(value / 3_600.0)),
    }
}

/// As a clock would: `45 s`, `2 min`, `1 h 30 min`.
fn seconds(value: f64) -> String {
    if value.abs() < 60.0 || value.fract() != 0.0 {
        return format!("{} s", short(value));
    }
    let (hours, rest) = ((value / 3_600.0).trunc(), value % 3_600.0);
    let (minutes, seconds) = ((rest / 60.0).trunc(), rest % 60.0);
    let parts = [(hours, "h"), (minutes, "min"), (seconds, "s")];
    let parts = parts.iter().filter(|(of, _)| *of > 0.0).map(|(of, unit)| format!("{of} {unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

fn bytes(value: f64, write: fn(f64) -> String) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    for unit in &units[..units.len() - 1] {
        if scaled.abs() < 1_024.0 {
            return format!("{} {unit}", write(scaled));
        }
        scaled /= 1_024.0;
    }
    format!("{} TiB", write(scaled))
}

fn count(value: f64) -> String {
    match value.abs() {
        below if below < 10_000.0 => short(value),
        below if below < 1e6 => format!("{}k", short(value / 1e3)),
        below if below < 1e9 => format!("{}M", short(value / 1e6)),
        _ => format!("{}G", short(value / 1e9)),
    }
}

/// With as many nines as there are: never rounded up to 100%.
fn quantile(tail: f64) -> String {
    if tail <= 1.0 {
        return "0%".to_owned();
    }
    let percent = 100.0 - 100.0 / tail;
    let digits = (0..12).find(|digits| {
        let shown = format!("{percent:.digits$}").parse::<f64>().unwrap_or(percent);
        (shown - percent).abs() < 5.0 / tail
    });
    format!("{percent:.0$}%", digits.unwrap_or(12))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_short_and_values_have_three_digits() {
        let check = |unit: Unit, value, tick: &str, written: &str| {
            assert_eq!((unit.tick(value).as_str(), unit.value(value).as_str()), (tick, written));
        };
        check(Unit::Micros, 0.0, "0 µs", "0 µs");
        check(Unit::Micros, 500.0, "500 µs", "500 µs");
        check(Unit::Micros, 0.5, "0.5 µs", "0.500 µs");
        check(Unit::Micros, 2_000.0, "2 ms", "2.00 ms");
        check(Unit::Micros, 12_340.0, "12.3 ms", "12.3 ms");
        check(Unit::Micros, 999_700.0, "1 s", "1.00 s");
        check(Unit::Micros, 60e6, "60 s", "60.0 s");
        check(Unit::Seconds, 0.0, "0 s", "0 s");
        check(Unit::Seconds, 45.0, "45 s", "45 s");
        check(Unit::Seconds, 150.0, "2.5 min", "2 min 30 s");
        check(Unit::Seconds, 5_400.0, "90 min", "1 h 30 min");
        check(Unit::Bytes, 65_536.0, "64 KiB", "64.0 KiB");
        check(Unit::Bytes, 1_023.0, "1,023 B", "1,023 B");
        check(Unit::Bytes, 3e14, "273 TiB", "273 TiB");
        check(Unit::Count, 9_999.0, "9,999", "9,999");
        check(Unit::Count, 3.0, "3", "3");
        check(Unit::Count, 3.5, "3.5", "3.50");
        check(Unit::Count, 20_000.0, "20k", "20,000");
        check(Unit::Count, 1_500_000.0, "1.5M", "1,500,000");
        check(Unit::Share, 0.25, "25%", "25.0%");
        check(Unit::Share, 1.0, "100%", "100%");
    }

    #[test]
    fn a_quantile_is_written_with_its_nines_and_never_as_all() {
        let check = |tail, expected: &str| assert_eq!(Unit::Tail.tick(tail), expected);
        check(1.0, "0%");
        check(2.0, "50%");
        check(10.0, "90%");
        check(20.0, "95%");
        check(100.0, "99%");
        check(1_000.0, "99.9%");
        check(10_000.0, "99.99%");
        check(1e7, "99.99999%");
    }

    #[test]
    fn steps_are_those_that_people_count_in() {
        let check = |unit: Unit, least, expected: f64| {
            assert!((unit.step(least) - expected).abs() < expected * 1e-9, "{}", unit.step(least));
        };
        check(Unit::Count, 0.11, 0.2);
        check(Unit::Count, 2.0, 2.0);
        check(Unit::Count, 3.0, 5.0);
        check(Unit::Micros, 601.0, 1_000.0);
        check(Unit::Seconds, 11.0, 15.0);
        check(Unit::Seconds, 16.0, 30.0);
        check(Unit::Seconds, 61.0, 120.0);
        check(Unit::Seconds, 0.3, 0.5);
        check(Unit::Bytes, 5_000.0, 8_192.0);
    }

    proptest! {
        #[test]
        fn a_step_is_never_below_what_is_asked_nor_far_above(least in 1e-6_f64..1e12) {
            for unit in [Unit::Micros, Unit::Bytes, Unit::Count, Unit::Share] {
                let step = unit.step(least);
                prop_assert!(step >= least * (1.0 - 1e-8) && step <= least * 10.0, "{step}");
            }
        }

        #[test]
        fn a_value_that_is_written_can_be_read_back(value in 1.0_f64..1e11) {
            let text = Unit::Micros.value(value);
            let (number, unit) = text.split_once(' ').unwrap();
            let times = match unit { "µs" => 1.0, "ms" => 1e3, _ => 1e6 };
            let read: f64 = number.replace(',', "").parse().unwrap();
            prop_assert!((read * times / value - 1.0).abs() < 0.006, "{text}");
        }
    }
}
