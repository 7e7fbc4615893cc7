//! Fields that may be a name, a quantity, or a table that says more.
//!
//! Each form is read into its type and checked by itself; a mistake says what else is allowed.
//! Called by `written`, through serde.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};

use super::written::ROSTER;
use super::{Arrivals, Hot};
use crate::limits::{HOT_EXPONENT_MAX, PAYLOAD_BYTES_MAX};
use crate::load::arrivals::{Bursts, Lengths, Together};
use crate::load::late::Late;
use crate::load::sizes::{LogNormal, Sizes};
use crate::load::trace::Trace;
use crate::units::{Payload, Phase as Length};

/// The members of a class's groups: all alike, or by a law.
pub(super) struct Members {
    pub(super) members: u32,
    pub(super) spread: Option<LogNormal>,
}

/// Reads a word, a number or a table, each into a `T`.
struct Forms<T, V, W, N> {
    expected: &'static str,
    word: W,
    number: N,
    table: fn(V) -> Result<T, String>,
    of: PhantomData<fn() -> (T, V)>,
}

impl<'de, T, V, W, N> Visitor<'de> for Forms<T, V, W, N>
where
    V: DeserializeOwned,
    W: FnOnce(&str) -> Option<T>,
    N: FnOnce(i64) -> Option<T>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        let expected = self.expected;
        let wrong = || E::custom(format!("{word:?} is not {expected}"));
        (self.word)(word).ok_or_else(wrong)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let expected = self.expected;
        (self.number)(number).ok_or_else(|| E::custom(format!("{number} is not {expected}")))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
        let written = V::deserialize(MapAccessDeserializer::new(map))?;
        (self.table)(written).map_err(de::Error::custom)
    }
}

/// A law as it is written, its quantities still of any unit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLaw<Q> {
    lognormal: WrittenLogNormal<Q>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLogNormal<Q> {
    median: Q,
    p99: Q,
    max: Q,
}

impl<Q> WrittenLaw<Q> {
    fn resolve(self, number: impl Fn(Q) -> u32, least: u32) -> Result<LogNormal, String> {
        let WrittenLogNormal { median, p99, max } = self.lognormal;
        let [median, p99, max] = [median, p99, max].map(number);
        if median >= least && median <= p99 && p99 <= max {
            Ok(LogNormal { median, p99, max })
        } else {
            Err(format!("the median is at least {least}, the p99 the median, the max the p99"))
        }
    }
}

/// `8`, or `{ lognormal = { median = 8, p99 = 300, max = 1000 } }`.
pub(super) fn members<'de, D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
    from.deserialize_any(Forms {
        expected: "a number from 2 to 100000, or { lognormal = { median, p99, max } } of them",
        word: |_: &str| None,
        number: |number| {
            let members = u32::try_from(number).ok()?;
            let fits = (2..=ROSTER).contains(&members);
            fits.then_some(Members { members, spread: None })
        },
        table: |law: WrittenLaw<Count>| {
            let law = law.resolve(|Count(members)| members, 2)?;
            Ok(Members { members: law.max, spread: Some(law) })
        },
        of: PhantomData,
    })
}

/// `{ lognormal = { median = 8, p99 = 300, max = 1000 } }`, for formats beside the scenario's.
pub(super) fn law_of_members<'de, D: Deserializer<'de>>(from: D) -> Result<LogNormal, D::Error> {
    let law = WrittenLaw::<Count>::deserialize(from)?;
    law.resolve(|Count(members)| members, 2).map_err(de::Error::custom)
}

/// Members of a group, within a law.
struct Count(u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::units::Bounded::<2, ROSTER>::deserialize(from).map(|members| Self(members.get()))
    }
}

/// `"200B"`, `"mimi"`, or `{ lognormal = { median = "120B", p99 = "4KiB", max = "64KiB" } }`.
pub(super) fn sizes<'de, D: Deserializer<'de>>(from: D) -> Result<Sizes, D::Error> {
    from.deserialize_any(Forms {
        expected: "a whole number of bytes up to 4194304, such as \"200B\" or \"4KiB\", \
                   \"mimi\", or { lognormal = { median, p99, max } } of them",
        word: |word: &str| match word {
            "mimi" => Some(Sizes::Mimi),
            size => Payload::parse(size).map(Sizes::Fixed),
        },
        number: |_| None,
        table: |law: WrittenLaw<Payload>| law.resolve(Payload::bytes, 1).map(Sizes::LogNormal),
        of: PhantomData,
    })
}

/// Arrivals that need more than a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenArrivals {
    on: Option<Length<1>>,
    off: Option<Length<1>>,
    lengths: Option<Lengths>,
    of: Option<Together>,
    trace: Option<String>,
}

impl WrittenArrivals {
    fn resolve(self) -> Result<Arrivals, String> {
        let bursts = self.on.zip(self.off);
        match (self.trace, bursts) {
            (Some(_), _) if self.on.is_some() || self.off.is_some() => {
                Err("a trace has its own bursts; leave `on` and `off` out".to_owned())
            }
            (Some(_), _) if self.lengths.is_some() || self.of.is_some() => {
                Err("a trace has its own bursts; leave `lengths` and `of` out".to_owned())
            }
            (Some(file), _) => Ok(Arrivals::Trace(Trace::named(file))),
            (None, Some((on, off))) => Ok(Arrivals::Bursts(Bursts {
                on: on.get(),
                off: off.get(),
                lengths: self.lengths.unwrap_or_default(),
                of: self.of.unwrap_or_default(),
            })),
            (None, None) => {
                Err("bursts are `on` for a while and `off` for a while; or a `trace` is \
                                 replayed"
                    .to_owned())
            }
        }
    }
}

/// `"poisson"`, `"even"`, `{ on = "2s", off = "8s" }` or `{ trace = "file.csv" }`.
pub(super) fn arrivals<'de, D: Deserializer<'de>>(from: D) -> Result<Arrivals, D::Error> {
    from.deserialize_any(Forms {
        expected: "\"poisson\", \"even\", { on, off } for bursts or { trace } for a file",
        word: |word: &str| match word {
            "poisson" => Some(Arrivals::Poisson),
            "even" => Some(Arrivals::Even),
            _ => None,
        },
        number: |_| None,
        table: WrittenArrivals::resolve,
        of: PhantomData,
    })
}

/// A policy for what is late, with its bound.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLate {
    catch_up: Option<Length<0>>,
    shed: Option<Length<0>>,
}

/// `"catch_up"`, `"shed"`, `{ catch_up = "2s" }` or `{ shed = "20ms" }`.
pub(super) fn late<'de, D: Deserializer<'de>>(from: D) -> Result<Late, D::Error> {
    from.deserialize_any(Forms {
        expected: "\"catch_up\", \"shed\", or one of them with how late it may be: { shed }",
        word: |word: &str| match word {
            "catch_up" => Some(Late::default()),
            "shed" => Some(Late::shed()),
            _ => None,
        },
        number: |_| None,
        table: |written: WrittenLate| match (written.catch_up, written.shed) {
            (Some(within), None) => Ok(Late::CatchUp { within: within.get() }),
            (None, Some(beyond)) => Ok(Late::Shed { beyond: beyond.get() }),
            _ => {
                Err("what is late is sent, `catch_up`, or left out, `shed`: one of them".to_owned())
            }
        },
        of: PhantomData,
    })
}

/// Which groups and senders are chosen more often.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenHot {
    zipf: Exponent,
    #[serde(default)]
    senders: Exponent,
}

impl WrittenHot {
    pub(super) fn resolve(self) -> Hot {
        Hot { groups: self.zipf.0, senders: self.senders.0 }
    }
}

/// How much more often: 0 to [`HOT_EXPONENT_MAX`].
#[derive(Default)]
struct Exponent(f64);

impl<'de> Deserialize<'de> for Exponent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if (0.0..=HOT_EXPONENT_MAX).contains(&number) {
            return Ok(Self(number));
        }
        let allowed = format!("{number} is not an exponent from 0 to {HOT_EXPONENT_MAX}");
        Err(de::Error::custom(allowed))
    }
}

const _: () = assert!(PAYLOAD_BYTES_MAX == 4_194_304 && ROSTER == 100_000);
