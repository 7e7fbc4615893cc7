//! How a setting is written: what is read, what is refused, how it is written back.
//!
//! A kind knows units and ranges and no setting. Pure. Called by the table of settings and by what
//! reads and writes a file of them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::delivery::Durability;
use crate::units::{Rate, bytes, duration, written_bytes, written_duration};

/// What may be written for a setting. Ranges are inclusive.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A whole number.
    Count(RangeInclusive<u64>),
    /// A size: `"64KiB"`. Kept in bytes.
    Bytes(RangeInclusive<u64>),
    /// A length of time: `"30s"`.
    Time(RangeInclusive<Duration>),
    /// A rate: `"2000/s"`. Kept in whole operations a second.
    PerSecond(RangeInclusive<u64>),
    /// `true` or `false`.
    Flag,
    /// An IP address with a port.
    Address,
    /// A file or folder; from the working folder unless it is absolute.
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any of this kind, or `""` for none.
    Optional(&'static Self),
}

/// What a setting holds, as its [`Kind`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Count`], [`Kind::Bytes`] and [`Kind::PerSecond`].
    Number(u64),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Time`].
    Time(Duration),
    /// Of [`Kind::Address`].
    Address(SocketAddr),
    /// Of [`Kind::Path`] and [`Kind::OneOf`].
    Text(String),
    /// An [`Kind::Optional`] that is not set.
    None,
}

impl Kind {
    /// What `written` says; `None` for what this kind does not allow.
    #[must_use]
    pub fn read(&self, written: &DeValue<'_>) -> Option<Value> {
        match self {
            Self::Count(range) => {
                let number = written.as_integer().filter(|number| number.radix() == 10)?;
                within(range, number.as_str().parse().ok()?)
            }
            Self::Flag => written.as_bool().map(Value::Flag),
            Self::Optional(_) if written.as_str() == Some("") => Some(Value::None),
            Self::Optional(kind) => kind.read(written),
            _ => self.read_text(written.as_str()?),
        }
    }

    fn read_text(&self, text: &str) -> Option<Value> {
        match self {
            Self::Bytes(range) => within(range, bytes(text)?),
            Self::Time(range) => {
                let length = duration(text)?;
                range.contains(&length).then_some(Value::Time(length))
            }
            Self::PerSecond(range) => {
                let rate = Rate::parse(text)?.as_per_second();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rate is above 0 and bounded far below 2^53; a fraction is refused"
                )]
                let whole = rate as u64;
                if whole as f64 == rate { within(range, whole) } else { None }
            }
            Self::Address => text.parse().ok().map(Value::Address),
            Self::Path => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::OneOf(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Self::Count(_) | Self::Flag | Self::Optional(_) => None,
        }
    }

    /// `value` as [`Self::read`] takes it, in TOML.
    ///
    /// # Panics
    /// When the value is not of this kind.
    #[must_use]
    pub fn write(&self, value: &Value) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match (self, value) {
            (Self::Count(_), Value::Number(number)) => number.to_string(),
            (Self::Flag, Value::Flag(set)) => set.to_string(),
            (Self::Bytes(_), Value::Number(number)) => quoted(&written_bytes(*number)),
            (Self::PerSecond(_), Value::Number(number)) => quoted(&format!("{number}/s")),
            (Self::Time(_), Value::Time(length)) => quoted(&written_duration(*length)),
            (Self::Address, Value::Address(address)) => quoted(&address.to_string()),
            (Self::Path | Self::OneOf(_), Value::Text(text)) => quoted(text),
            (Self::Optional(_), Value::None) => quoted(""),
            (Self::Optional(kind), value) => kind.write(value),
            _ => panic!("{value:?} is not of {self:?}"),
        }
    }

    /// What is allowed, to follow "not" or to stand alone.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::Count(range) => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Bytes(range) => {
                let (least, most) = (written_bytes(*range.start()), written_bytes(*range.end()));
                format!("a size from \"{least}\" to \"{most}\", such as \"64KiB\" or \"1.5GiB\"")
            }
            Self::Time(range) => {
                let (least, most) =
                    (written_duration(*range.start()), written_duration(*range.end()));
                format!("a time from \"{least}\" to \"{most}\", such as \"250ms\" or \"1.5s\"")
            }
            Self::PerSecond(range) => {
                format!("a rate from \"{}/s\" to \"{}/s\"", range.start(), range.end())
            }
            Self::Flag => "true or false".to_owned(),
            Self::Address => "an IP address with a port, such as \"127.0.0.1:4433\"".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::OneOf(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Optional(kind) => format!("{}, or \"\" for none", kind.allowed()),
        }
    }
}

fn within(range: &RangeInclusive<u64>, number: u64) -> Option<Value> {
    range.contains(&number).then_some(Value::Number(number))
}

/// A type that a setting has in the program. Each kind's values fit the type that the table gives
/// it, which a test of the table holds.
pub trait Held {
    /// What the setting holds.
    fn value(&self) -> Value;

    /// The setting that holds `value`.
    ///
    /// # Panics
    /// When no such setting does.
    fn of(value: Value) -> Self;
}

macro_rules! held_number {
    ($($number:ty),+) => {
        $(impl Held for $number {
            fn value(&self) -> Value {
                Value::Number(u64::try_from(*self).expect("a setting is a u64"))
            }

            fn of(value: Value) -> Self {
                let Value::Number(number) = value else { panic!("{value:?} is no number") };
                Self::try_from(number).expect("the range of a setting fits its type")
            }
        })+
    };
}

held_number!(u16, u32, u64, usize);

impl Held for bool {
    fn value(&self) -> Value {
        Value::Flag(*self)
    }

    fn of(value: Value) -> Self {
        let Value::Flag(set) = value else { panic!("{value:?} is no flag") };
        set
    }
}

impl Held for Duration {
    fn value(&self) -> Value {
        Value::Time(*self)
    }

    fn of(value: Value) -> Self {
        let Value::Time(length) = value else { panic!("{value:?} is no time") };
        length
    }
}

impl Held for SocketAddr {
    fn value(&self) -> Value {
        Value::Address(*self)
    }

    fn of(value: Value) -> Self {
        let Value::Address(address) = value else { panic!("{value:?} is no address") };
        address
    }
}

impl Held for Durability {
    fn value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn of(value: Value) -> Self {
        let Value::Text(name) = value else { panic!("{value:?} is no name") };
        Self::of_name(&name).expect("the table lists the names")
    }
}

impl Held for PathBuf {
    fn value(&self) -> Value {
        Value::Text(self.to_string_lossy().into_owned())
    }

    fn of(value: Value) -> Self {
        let Value::Text(path) = value else { panic!("{value:?} is no path") };
        path.into()
    }
}

impl<T: Held> Held for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::None, Held::value)
    }

    fn of(value: Value) -> Self {
        if value == Value::None { None } else { Some(T::of(value)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kind` reads of `written`, a TOML value.
    fn read(kind: &Kind, written: &str) -> Option<Value> {
        kind.read(DeValue::parse(written).unwrap().get_ref())
    }

    #[test]
    fn each_kind_reads_what_it_allows_and_writes_it_back() {
        let check = |kind: &Kind, written: &str, value: Value| {
            assert_eq!(read(kind, written), Some(value.clone()), "{written}");
            assert_eq!(kind.write(&value), written);
        };
        check(&Kind::Count(1..=9), "9", Value::Number(9));
        check(&Kind::Bytes(0..=1 << 20), "\"64KiB\"", Value::Number(65_536));
        check(&Kind::PerSecond(1..=1_000_000), "\"2000/s\"", Value::Number(2_000));
        let second = Duration::from_secs(1);
        check(&Kind::Time(Duration::ZERO..=second), "\"1s\"", Value::Time(second));
        let address = Value::Address("[::1]:9".parse().unwrap());
        check(&Kind::Address, "\"[::1]:9\"", address);
        check(&Kind::Flag, "true", Value::Flag(true));
        check(&Kind::Path, "'a\"b'", Value::Text("a\"b".to_owned()));
        check(&Kind::OneOf(&["none", "wal"]), "\"wal\"", Value::Text("wal".to_owned()));
        check(&Kind::Optional(&Kind::Address), "\"\"", Value::None);
        check(&Kind::Optional(&Kind::Count(0..=1)), "0", Value::Number(0));
    }

    #[test]
    fn what_is_out_of_range_or_of_another_kind_is_refused() {
        let refused = |kind: Kind, written: &[&str]| {
            for written in written {
                assert_eq!(read(&kind, written), None, "{written}");
            }
        };
        refused(Kind::Count(1..=9), &["0", "10", "-1", "0x5", "5.0", "\"5\"", "true", "[5]"]);
        refused(Kind::Bytes(1..=1_024), &["1", "\"0B\"", "\"2KiB\"", "\"1\"", "\"0.5B\""]);
        refused(Kind::PerSecond(1..=10), &["\"0/s\"", "\"11/s\"", "\"0.5/s\"", "\"90/min\"", "5"]);
        let second = Duration::from_secs(1);
        refused(Kind::Time(second..=second), &["\"999ms\"", "\"2s\"", "1", "\"1\""]);
        refused(Kind::Flag, &["\"true\"", "1", "\"\""]);
        refused(Kind::Address, &["\"\"", "\"localhost:1\"", "\"127.0.0.1\""]);
        refused(Kind::Path, &["\"\"", "1"]);
        refused(Kind::OneOf(&["none", "wal"]), &["\"\"", "\"WAL\""]);
        refused(Kind::Optional(&Kind::Address), &["\"x\"", "0"]);
    }
}
