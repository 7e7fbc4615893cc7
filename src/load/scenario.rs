//! The scenario: which groups, how fast, for how long, as a TOML file says it.
//!
//! Parsed into types once, here; a `Scenario` that exists is in range and agrees with itself.
//! Reads no file: the caller brings text and the name to put into messages. Called by `cli`, and
//! read by `population`, `schedule` and the worker. Every field is explained in
//! `scenarios/README.md`, which a test holds to this format.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use xxhash_rust::xxh3::xxh3_128;

use super::away::Away;
use super::check;
use crate::delivery::{Durability, Level};
use crate::limits::{
    ACKNOWLEDGE_EVERY_MAX, GROUPS_MAX, REAL_MEMBERS_MAX, ROSTER_MAX, SCENARIO_BYTES_MAX,
    SESSIONS_PER_CONNECTION_MAX, SHARDS_MAX,
};
use crate::mls::{Handshake, Suite, TreeState};
use crate::net::KeyExchange;
use crate::place::Mistake;
use crate::units::{Bounded, Payload, Phase, Rate, Share};

#[expect(clippy::cast_possible_truncation, reason = "asserted below")]
const ROSTER: u32 = ROSTER_MAX as u32;
#[expect(clippy::cast_possible_truncation, reason = "asserted below")]
const SHARDS: u32 = SHARDS_MAX as u32;
const _: () = assert!(ROSTER as usize == ROSTER_MAX && SHARDS as usize == SHARDS_MAX);

/// A whole run, fixed before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Why the scenario exists, for whoever reads its result.
    pub why: String,
    /// What must hold afterwards, for whoever judges its result.
    pub expect: String,
    /// All randomness of the run comes from it.
    pub seed: u64,
    /// Load that is offered but not measured, first.
    pub warm_up: Duration,
    /// Load that is measured.
    pub measure: Duration,
    /// Longest wait for outstanding deliveries after the last operation.
    pub drain: Duration,
    /// The key exchange of every connection.
    pub key_exchange: KeyExchange,
    /// Shards of the server that the run starts, 1 to [`SHARDS_MAX`].
    pub shards: u32,
    /// The group classes, at least one.
    pub groups: Vec<Class>,
}

/// Groups that are alike: a `[[groups]]` table, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name in reports, unique in the scenario.
    pub name: String,
    /// How many groups, 1 to [`GROUPS_MAX`].
    pub count: u32,
    /// Members of each group, 2 to [`ROSTER_MAX`].
    pub members: u32,
    /// The MLS suite of every group of the class.
    pub suite: Suite,
    /// Where the bytes come from.
    pub source: Source,
    /// Operations over all groups of the class; rounds of a race when `source` is live.
    pub rate: Rate,
    /// How the operations are spaced.
    pub arrivals: Arrivals,
    /// Share of the operations that are commits.
    pub commits: Share,
    /// Plaintext of an application message.
    pub payload: Payload,
    /// Members of each group that send or commit: the first ones.
    pub senders: u32,
    /// Members of each group that process everything with OpenMLS.
    pub real: u32,
    /// How commits and proposals are framed.
    pub handshake: Handshake,
    /// What every commit finds in the ratchet tree, when `source` is synthetic.
    pub tree: TreeState,
    /// How members are spread over connections.
    pub connections: Connections,
    /// Members that race for each epoch: 0 unless `source` is live.
    pub racers: u32,
    /// Members that go away and come back, if any do.
    pub away: Option<Away>,
    /// What the messages of its groups survive.
    pub durability: Durability,
    /// How closely the service looks at the handshakes of its groups.
    pub validation: Level,
    /// After how many messages of its group each member says how far it has come; `None` if it
    /// never does.
    pub acknowledge: Option<u32>,
}

/// Where a class's MLS messages come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Minted with OpenMLS before the run; a few real members verify them inside it.
    #[default]
    Tape,
    /// Made by OpenMLS inside the run: members race for each epoch.
    Live,
    /// Valid framing around bytes of the modelled size: nobody can decrypt them.
    Synthetic,
}

/// How operations are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Independent of each other, as many users are: bursts happen.
    #[default]
    Poisson,
    /// One every period, exactly.
    Even,
}

/// How members are spread over connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connections {
    /// One connection for every member of every group.
    #[default]
    Own,
    /// This many consecutive members of the class on one, 1 to [`SESSIONS_PER_CONNECTION_MAX`].
    Shared(u32),
}

impl Scenario {
    /// Reads a scenario. `file` only names it in messages.
    ///
    /// # Errors
    /// The first mistake, with its line, its field and what is allowed there.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        if text.len() > SCENARIO_BYTES_MAX {
            let message = format!("{} bytes; at most {SCENARIO_BYTES_MAX}", text.len());
            return Err(Mistake::in_field(file, "", "", message));
        }
        let written: Written =
            toml::from_str(text).map_err(|error| Mistake::from_toml(file, text, &error))?;
        let scenario = written.resolve();
        match check::first_fault(&scenario) {
            Some(fault) => Err(Mistake::in_field(file, text, &fault.field, fault.message)),
            None => Ok(scenario),
        }
    }

    /// Whether the service needs a log.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.groups.iter().any(|class| class.durability == Durability::Wal)
    }

    /// How long operations are offered: warm-up and measured.
    #[must_use]
    pub fn offered(&self) -> Duration {
        self.warm_up + self.measure
    }

    /// A small version of the same shape, for tests: at most 4 groups of 20 members and 5 to 50
    /// operations a second in each class, 200 ms of warm-up, 1 s measured, at most 5 s of drain.
    #[must_use]
    pub fn scaled_down(&self) -> Self {
        let mut small = self.clone();
        small.warm_up = Duration::from_millis(200);
        small.measure = Duration::from_secs(1);
        small.drain = self.drain.min(Duration::from_secs(5));
        for class in &mut small.groups {
            class.scale_down();
            if let Some(away) = &mut class.away {
                away.scale(self.measure, small.measure);
            }
        }
        small
    }
}

impl Class {
    /// The members that send or commit: the first ones, or the racers.
    #[must_use]
    pub fn sending_members(&self) -> Range<u32> {
        0..if self.source == Source::Live { self.racers } else { self.senders }
    }

    /// The members that run OpenMLS: right after the senders of a tape, from the first of a
    /// live group, whose racers are among them.
    #[must_use]
    pub fn real_members(&self) -> Range<u32> {
        match self.source {
            Source::Tape => self.senders..self.senders.saturating_add(self.real),
            Source::Live | Source::Synthetic => 0..self.real,
        }
    }

    /// The members that go away: the last ones.
    #[must_use]
    pub fn away_members(&self) -> Range<u32> {
        let away = self.away.map_or(0, |away| away.members.of_first(self.members.into()));
        self.members.saturating_sub(u32::try_from(away).unwrap_or(u32::MAX))..self.members
    }

    /// Most operations the class can be expected to offer within `window`: exact for even
    /// arrivals, and what Poisson arrivals exceed once in a million runs.
    #[must_use]
    pub fn operations_bound(&self, window: Duration) -> u64 {
        let mean = self.rate.count_in(window);
        match self.arrivals {
            Arrivals::Even => mean,
            Arrivals::Poisson => mean.saturating_add(mean.isqrt().saturating_mul(5) + 10),
        }
    }

    fn scale_down(&mut self) {
        self.count = self.count.min(4);
        self.members = self.members.min(20);
        // Slower, and Poisson arrivals could leave the one second without any.
        if let (Some(least), Some(most)) = (Rate::per_second(5), Rate::per_second(50)) {
            self.rate = self.rate.clamp(least, most);
        }
        self.racers = self.racers.min(self.members);
        match self.source {
            Source::Tape => {
                self.real = self.real.min(self.members / 2);
                self.senders = self.senders.min(self.members - self.real);
            }
            Source::Live | Source::Synthetic => {
                self.real = self.real.min(self.members);
                self.senders = self.senders.min(self.members);
            }
        }
        if self.away_members().is_empty() {
            self.away = None;
        }
        self.senders = self.senders.min(self.away_members().start);
        if let Connections::Shared(members) = self.connections {
            self.connections = Connections::Shared(members.min(self.count * self.members));
        }
    }
}

/// The hash of a scenario's text, in hexadecimal: line ends and trailing spaces do not count,
/// everything else does, comments included.
#[must_use]
pub fn hash(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    for line in text.trim_end().lines() {
        canonical.push_str(line.trim_end());
        canonical.push('\n');
    }
    format!("{:032x}", xxh3_128(canonical.as_bytes()))
}

/// The file as written, before defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    why: String,
    expect: String,
    seed: u64,
    durations: WrittenDurations,
    #[serde(default)]
    key_exchange: KeyExchange,
    #[serde(default)]
    server: WrittenServer,
    groups: Vec<WrittenClass>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDurations {
    warm_up: Phase<0>,
    measure: Phase<100>,
    drain: Phase<1>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenServer {
    shards: Option<Bounded<1, SHARDS>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClass {
    name: String,
    count: Bounded<1, GROUPS_MAX>,
    members: Bounded<2, ROSTER>,
    #[serde(default = "default_suite")]
    suite: Suite,
    #[serde(default)]
    source: Source,
    rate: Rate,
    #[serde(default)]
    arrivals: Arrivals,
    commits: Option<Share>,
    payload: Option<Payload>,
    senders: Option<Bounded<1, ROSTER>>,
    real: Option<Bounded<0, REAL_MEMBERS_MAX>>,
    #[serde(default)]
    handshake: Handshake,
    #[serde(default)]
    tree: TreeState,
    #[serde(default)]
    connections: Connections,
    racers: Option<Bounded<2, ROSTER>>,
    away: Option<Away>,
    #[serde(default, deserialize_with = "durability")]
    durability: Durability,
    #[serde(default, deserialize_with = "level")]
    validation: Level,
    acknowledge: Option<Bounded<1, ACKNOWLEDGE_EVERY_MAX>>,
}

impl Written {
    fn resolve(self) -> Scenario {
        Scenario {
            why: self.why,
            expect: self.expect,
            seed: self.seed,
            warm_up: self.durations.warm_up.get(),
            measure: self.durations.measure.get(),
            drain: self.durations.drain.get(),
            key_exchange: self.key_exchange,
            shards: self.server.shards.map_or(1, Bounded::get),
            groups: self.groups.into_iter().map(WrittenClass::resolve).collect(),
        }
    }
}

impl WrittenClass {
    /// Fills in defaults that never contradict what is written.
    fn resolve(self) -> Class {
        let members = self.members.get();
        let asked_senders = self.senders.map(Bounded::get);
        let real = match (self.real, self.source) {
            (Some(real), _) => real.get(),
            (None, Source::Tape) => members.saturating_sub(asked_senders.unwrap_or(1)).min(2),
            (None, Source::Live) => members,
            (None, Source::Synthetic) => 0,
        };
        let free = if self.source == Source::Tape { members.saturating_sub(real) } else { members };
        let gone = self.away.map_or(0, |away| away.members.of_first(members.into()));
        let stay = members.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
        let racers = match (self.racers, self.source) {
            (Some(racers), _) => racers.get(),
            (None, Source::Live) => members.min(4),
            (None, _) => 0,
        };
        Class {
            name: self.name,
            count: self.count.get(),
            members,
            suite: self.suite,
            source: self.source,
            rate: self.rate,
            arrivals: self.arrivals,
            commits: self.commits.unwrap_or_default(),
            payload: self.payload.unwrap_or_default(),
            senders: asked_senders.unwrap_or_else(|| free.min(stay).clamp(1, 8)),
            real,
            handshake: self.handshake,
            tree: self.tree,
            connections: self.connections,
            racers,
            away: self.away,
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

impl<'de> Deserialize<'de> for Connections {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "own" {
            return Ok(Self::Own);
        }
        let shared = text.strip_prefix("shared:").and_then(|members| members.parse().ok());
        match shared {
            Some(members @ 1..=SESSIONS_PER_CONNECTION_MAX) => Ok(Self::Shared(members)),
            _ => Err(de::Error::custom(format!(
                "{text:?} is neither \"own\" nor \"shared:\" and a number of members \
                 from 1 to {SESSIONS_PER_CONNECTION_MAX}"
            ))),
        }
    }
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

#[cfg(test)]
mod tests;
