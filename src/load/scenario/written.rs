//! A scenario's file as it is written, before defaults.
//!
//! Fills in defaults that never contradict what is written, and checks no field against another:
//! that is `check`'s. Called by `Scenario::parse`.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Spanned;

use super::class;
use super::forms::{self, Members, WrittenHot};
use super::thresholds::WrittenThreshold;
use super::timing::{self, WrittenPhase};
use super::{Arrivals, Class, Connections, Hot, Scenario, Source};
use crate::delivery::{Durability, Level};
use crate::limits::{ACKNOWLEDGE_EVERY_MAX, GROUPS_MAX, REAL_MEMBERS_MAX, ROSTER_MAX, SHARDS_MAX};
use crate::load::away::{self, Away};
use crate::load::check::Fault;
use crate::load::contention::Contention;
use crate::load::late::Late;
use crate::load::mix::Mix;
use crate::load::phases::Phase;
use crate::load::sizes::Sizes;
use crate::load::slow::Slow;
use crate::mls::{Handshake, Suite, TreeState};
use crate::net::KeyExchange;
use crate::units::{Bounded, Phase as Length, Rate, Share};

#[expect(clippy::cast_possible_truncation, reason = "asserted below")]
pub(super) const ROSTER: u32 = ROSTER_MAX as u32;
#[expect(clippy::cast_possible_truncation, reason = "asserted below")]
const SHARDS: u32 = SHARDS_MAX as u32;
const _: () = assert!(ROSTER as usize == ROSTER_MAX && SHARDS as usize == SHARDS_MAX);

/// The file as written, before defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    why: String,
    expect: String,
    seed: u64,
    durations: Option<WrittenDurations>,
    phases: Option<Vec<WrittenPhase>>,
    drain: Option<Length<1>>,
    #[serde(default)]
    key_exchange: KeyExchange,
    #[serde(default)]
    server: WrittenServer,
    groups: Vec<WrittenClass>,
    #[serde(default)]
    thresholds: Vec<Spanned<WrittenThreshold>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDurations {
    warm_up: Length<0>,
    measure: Length<100>,
    drain: Length<1>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenServer {
    shards: Option<Bounded<1, SHARDS>>,
    reservation: Option<Length<0>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClass {
    name: String,
    count: Bounded<1, GROUPS_MAX>,
    #[serde(deserialize_with = "forms::members")]
    members: Members,
    #[serde(default = "default_suite")]
    suite: Suite,
    welcome: Option<Suite>,
    #[serde(default)]
    source: Source,
    rate: Option<Rate>,
    #[serde(default, deserialize_with = "forms::arrivals")]
    arrivals: Arrivals,
    #[serde(default, deserialize_with = "forms::late")]
    late: Late,
    commits: Option<Share>,
    #[serde(default)]
    mix: Mix,
    joiners: Option<Bounded<0, ROSTER>>,
    #[serde(default, deserialize_with = "forms::sizes")]
    payload: Sizes,
    hot: Option<WrittenHot>,
    senders: Option<Bounded<1, ROSTER>>,
    real: Option<Bounded<0, REAL_MEMBERS_MAX>>,
    #[serde(default)]
    handshake: Handshake,
    #[serde(default)]
    tree: TreeState,
    #[serde(default)]
    connections: Connections,
    racers: Option<Bounded<2, ROSTER>>,
    contention: Option<Contention>,
    #[serde(default, deserialize_with = "away::one_or_several")]
    away: Vec<Away>,
    slow: Option<Slow>,
    #[serde(default, deserialize_with = "durability")]
    durability: Durability,
    #[serde(default, deserialize_with = "level")]
    validation: Level,
    acknowledge: Option<Bounded<1, ACKNOWLEDGE_EVERY_MAX>>,
}

impl Written {
    /// The thresholds, which know where they stand; there are none afterwards.
    pub(super) fn take_thresholds(&mut self) -> Vec<Spanned<WrittenThreshold>> {
        std::mem::take(&mut self.thresholds)
    }

    /// The rate of each class, where it says one.
    pub(super) fn rates(&self) -> Vec<Option<Rate>> {
        self.groups.iter().map(|class| class.rate).collect()
    }

    pub(super) fn resolve(self) -> Result<Scenario, Fault> {
        let (phases, drain) = self.timing()?;
        Ok(Scenario {
            why: self.why,
            expect: self.expect,
            seed: self.seed,
            phases,
            drain,
            key_exchange: self.key_exchange,
            shards: self.server.shards.map_or(1, Bounded::get),
            reservation: self.server.reservation.map(Length::get),
            groups: self.groups.into_iter().map(WrittenClass::resolve).collect(),
            thresholds: Vec::new(),
        })
    }

    /// The phases, in whichever of the two ways they are written, and the drain.
    fn timing(&self) -> Result<(Vec<Phase>, Duration), Fault> {
        let fault = |field: &str, message: &str| {
            Err(Fault { field: field.to_owned(), message: message.to_owned() })
        };
        match (&self.durations, &self.phases, self.drain) {
            (Some(_), Some(_), _) => {
                fault("durations", "a scenario has `durations` or `phases`, not both")
            }
            (Some(_), None, Some(_)) => {
                fault("drain", "the drain of `durations` is written there; leave it out")
            }
            (Some(durations), None, None) => {
                let phases = Phase::classic(durations.warm_up.get(), durations.measure.get());
                Ok((phases, durations.drain.get()))
            }
            (None, Some(phases), Some(drain)) => Ok((timing::resolve(phases)?, drain.get())),
            (None, Some(_), None) => fault("drain", "missing field `drain`, beside `phases`"),
            (None, None, _) => {
                fault("durations", "missing field `durations`, or `phases` and `drain`")
            }
        }
    }
}

impl WrittenClass {
    /// Fills in defaults that never contradict what is written.
    fn resolve(self) -> Class {
        let Members { members, spread } = self.members;
        let asked_senders = self.senders.map(Bounded::get);
        let real = match (self.real, self.source) {
            (Some(real), _) => real.get(),
            (None, Source::Tape) => members.saturating_sub(asked_senders.unwrap_or(1)).min(2),
            (None, Source::Live) => members,
            (None, Source::Synthetic) => 0,
        };
        let free = if self.source == Source::Tape { members.saturating_sub(real) } else { members };
        let stay = class::staying(members, &self.away, self.slow);
        let racers = match (self.racers, self.source) {
            (Some(racers), _) => racers.get(),
            (None, Source::Live) => members.min(4),
            (None, _) => 0,
        };
        let live = self.source == Source::Live;
        Class {
            name: self.name,
            count: self.count.get(),
            members,
            spread,
            suite: self.suite,
            welcome: self.welcome,
            source: self.source,
            // Another than the default is filled in when every trace has been read.
            rate: self.rate.unwrap_or_default(),
            arrivals: self.arrivals,
            late: self.late,
            commits: self.commits.unwrap_or_default(),
            mix: self.mix,
            joiners: self.joiners.map_or(0, Bounded::get),
            payload: self.payload,
            hot: self.hot.map_or_else(Hot::default, WrittenHot::resolve),
            senders: asked_senders.unwrap_or_else(|| free.min(stay).clamp(1, 8)),
            real,
            handshake: self.handshake,
            tree: self.tree,
            connections: self.connections,
            racers,
            contention: self.contention.or_else(|| live.then(Contention::default)),
            away: self.away,
            slow: self.slow,
            durability: self.durability,
            validation: self.validation,
            acknowledge: self.acknowledge.map(Bounded::get),
        }
    }
}

/// The mandatory suite of RFC 9420 §17.1.
fn default_suite() -> Suite {
    Suite::named("x25519-aes128-ed25519").expect("the mandatory suite is in the registry")
}

fn durability<'de, D: Deserializer<'de>>(from: D) -> Result<Durability, D::Error> {
    let name = String::deserialize(from)?;
    Durability::of_name(&name)
        .ok_or_else(|| de::Error::custom(format!("{name:?} is neither \"none\" nor \"wal\"")))
}

fn level<'de, D: Deserializer<'de>>(from: D) -> Result<Level, D::Error> {
    let name = String::deserialize(from)?;
    let wrong = || format!("{name:?} is none of \"opaque\", \"header\" and \"public\"");
    Level::of_name(&name).ok_or_else(|| de::Error::custom(wrong()))
}
