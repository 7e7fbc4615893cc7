//! The record of a comparison: what `peers.json` holds, version 1.
//!
//! Data, and how it comes from what a contest found. A field is never renamed or given another
//! meaning within a version. Every field is explained in `results/README.md`, which a test holds to
//! this format. Called by `cli`.

use serde::{Deserialize, Serialize};

use super::contest::{Found, Options, Set};
use super::entrant::{Name, Status};
use super::round::Round;
use super::spread::of_ratios;
use super::work::Work;
use crate::floor::Spread;
use crate::report::build::distribution;
use crate::report::provenance::Provenance;
use crate::report::record::{Distribution, RecordError};

/// The version that [`PeersRecord::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// The file of this record in a result's folder.
pub const FILE: &str = "peers.json";

/// A whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeersRecord {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What everybody had to do.
    pub work: WorkRecord,
    /// Who was asked to, present or not.
    pub contestants: Vec<ContestantRecord>,
    /// What they did, for each number of messages in flight.
    pub sets: Vec<SetRecord>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What everybody had to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkRecord {
    /// Members that got every message.
    pub members: u64,
    /// Connections of the members over QUIC; over TCP each member has its own.
    pub connections: u64,
    /// Different messages; a longer round repeats them.
    pub bodies: u64,
    /// Bytes of the shortest.
    pub body_bytes_min: u64,
    /// Of all, on average.
    pub body_bytes_mean: f64,
    /// Of the longest.
    pub body_bytes_max: u64,
    /// Whether there are commits among them.
    pub commits: bool,
    /// Rounds of each set.
    pub rounds: u32,
    /// Whether servers had one core and clients another.
    pub pinned: bool,
    /// Whether members over TCP connected for each round anew.
    pub reconnected: bool,
}

/// A contestant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContestantRecord {
    /// Which.
    pub name: Name,
    /// What it is.
    pub label: String,
    /// Whether its rounds count.
    pub status: Status,
    /// Why not.
    pub why: Option<String>,
    /// What its program says of its version.
    pub version: Option<String>,
    /// The cipher suite that was negotiated; `None` where that cannot be told.
    pub cipher_suite: Option<String>,
    /// The key exchange.
    pub key_exchange: Option<String>,
}

/// The rounds with one number of messages in flight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetRecord {
    /// How many.
    pub in_flight: u32,
    /// Messages of each round.
    pub messages: u32,
    /// One for each contestant that has a round.
    pub results: Vec<ResultRecord>,
}

/// A contestant's rounds, and what they come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// Which.
    pub name: Name,
    /// Over the rounds.
    pub over_rounds: Figures<Option<Spread>>,
    /// The same, each divided by Stentor's of the same round first; absent without Stentor.
    pub over_stentor: Option<Figures<Option<Spread>>>,
    /// Each round.
    pub rounds: Vec<RoundRecord>,
}

/// What rounds are compared by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures<T> {
    /// Processor time of the server for each delivery.
    pub server_cpu_us_per_delivery: T,
    /// Processor time of the clients for each delivery.
    pub client_cpu_us_per_delivery: T,
    /// Deliveries in a second.
    pub deliveries_per_s: T,
    /// Median time from the publication to the last member.
    pub last_member_p50_us: T,
    /// Its 99th percentile.
    pub last_member_p99_us: T,
    /// The 99th percentile of the time to each member over its median: how fair it is.
    pub member_p99_over_p50: T,
    /// Bytes over the loopback interface for each delivery, headers and both directions.
    pub loopback_bytes_per_delivery: T,
    /// Resident memory of the server.
    pub server_rss_bytes: T,
}

/// One round of one contestant. What was not measured is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// From 0; rounds of one number were measured in the same minutes.
    pub round: u32,
    /// Messages x members.
    pub deliveries: u64,
    /// Bytes of the messages in them.
    pub delivered_bytes: u64,
    /// How long it took.
    pub wall_us: u64,
    /// What the server spent, in ticks of the kernel's clock.
    pub server_cpu_us: u64,
    /// What the client process spent.
    pub client_cpu_us: u64,
    /// What a delivery comes to.
    pub figures: Figures<Option<f64>>,
    /// From the publication to each member.
    pub member: Distribution,
    /// From the publication to the last member.
    pub last_member: Distribution,
}

impl PeersRecord {
    /// Everything that was found, and where it comes from.
    #[must_use]
    pub fn of(work: &Work, options: &Options, found: &Found, provenance: Provenance) -> Self {
        let lengths = || work.bodies.iter().map(|body| body.len() as u64);
        let contestant = |presence: &super::contest::Presence| ContestantRecord {
            name: presence.name,
            label: presence.name.label().to_owned(),
            status: presence.status,
            why: presence.why.clone(),
            version: presence.version.clone(),
            cipher_suite: presence.cipher_suite.clone(),
            key_exchange: presence.key_exchange.clone(),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            work: WorkRecord {
                members: work.members.len() as u64,
                connections: work.connections() as u64,
                bodies: work.bodies.len() as u64,
                body_bytes_min: lengths().min().unwrap_or(0),
                body_bytes_mean: lengths().sum::<u64>() as f64 / work.bodies.len() as f64,
                body_bytes_max: lengths().max().unwrap_or(0),
                commits: work.commits,
                rounds: options.rounds,
                pinned: options.apart,
                reconnected: found.reconnected,
            },
            contestants: found.contestants.iter().map(contestant).collect(),
            sets: found.sets.iter().map(set_record).collect(),
            provenance,
        }
    }

    /// Whether nobody who was there failed.
    #[must_use]
    pub fn all_completed(&self) -> bool {
        self.contestants.iter().all(|contestant| contestant.status != Status::Failed)
    }

    /// As text, for people too.
    ///
    /// # Panics
    /// Never: every key is a string.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("every key is a string");
        json.push('\n');
        json
    }

    /// Reads one back.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        RecordError::unless_version(json, SCHEMA_VERSION)?;
        Ok(serde_json::from_str(json)?)
    }
}

fn set_record(set: &Set) -> SetRecord {
    let of = |name: Name| -> Vec<RoundRecord> {
        let own = set.rounds.iter().filter(|(whose, _)| *whose == name);
        own.map(|(_, round)| round_record(round)).collect()
    };
    let stentor = of(Name::Stentor);
    let result = |name| {
        let rounds = of(name);
        (!rounds.is_empty()).then(|| ResultRecord {
            name,
            over_rounds: Figures::over_rounds(&rounds),
            over_stentor: (!stentor.is_empty()).then(|| Figures::over(&rounds, &stentor)),
            rounds,
        })
    };
    SetRecord {
        in_flight: set.in_flight,
        messages: set.messages,
        results: Name::ALL.into_iter().filter_map(result).collect(),
    }
}

fn round_record(round: &Round) -> RoundRecord {
    let micros =
        |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    RoundRecord {
        round: round.number,
        deliveries: round.deliveries,
        delivered_bytes: round.body_bytes,
        wall_us: micros(round.wall),
        server_cpu_us: micros(round.server_cpu),
        client_cpu_us: micros(round.client_cpu),
        figures: Figures::of(round),
        member: distribution(&round.member),
        last_member: distribution(&round.last),
    }
}

impl Figures<Option<f64>> {
    /// Of one round. What is zero was not measured.
    fn of(round: &Round) -> Self {
        let deliveries = round.deliveries as f64;
        let each = |total: f64| (total > 0.0 && deliveries > 0.0).then(|| total / deliveries);
        let wall = round.wall.as_secs_f64();
        let micros = |series: &crate::load::recorder::Series, quantile| {
            (series.count() > 0).then(|| series.quantile_us(quantile) as f64)
        };
        let member = |quantile| micros(&round.member, quantile);
        let rss = round.server_rss_bytes;
        Self {
            server_cpu_us_per_delivery: each(round.server_cpu.as_secs_f64() * 1e6),
            client_cpu_us_per_delivery: each(round.client_cpu.as_secs_f64() * 1e6),
            deliveries_per_s: (wall > 0.0).then(|| deliveries / wall),
            last_member_p50_us: micros(&round.last, 0.5),
            last_member_p99_us: micros(&round.last, 0.99),
            member_p99_over_p50: member(0.99).zip(member(0.5)).map(|(p99, p50)| p99 / p50.max(1.0)),
            loopback_bytes_per_delivery: each(round.loopback_bytes as f64),
            server_rss_bytes: (rss > 0).then_some(rss as f64),
        }
    }
}

type Read<T> = fn(&Figures<Option<f64>>) -> T;

impl Figures<Option<Spread>> {
    fn over_rounds(rounds: &[RoundRecord]) -> Self {
        Self::each(|read| Spread::of(values(rounds, read).into_iter().map(|(_, value)| value)))
    }

    fn over(rounds: &[RoundRecord], base: &[RoundRecord]) -> Self {
        Self::each(|read| of_ratios(&values(rounds, read), &values(base, read)))
    }

    fn each(spread: impl Fn(Read<Option<f64>>) -> Option<Spread>) -> Self {
        Self {
            server_cpu_us_per_delivery: spread(|of| of.server_cpu_us_per_delivery),
            client_cpu_us_per_delivery: spread(|of| of.client_cpu_us_per_delivery),
            deliveries_per_s: spread(|of| of.deliveries_per_s),
            last_member_p50_us: spread(|of| of.last_member_p50_us),
            last_member_p99_us: spread(|of| of.last_member_p99_us),
            member_p99_over_p50: spread(|of| of.member_p99_over_p50),
            loopback_bytes_per_delivery: spread(|of| of.loopback_bytes_per_delivery),
            server_rss_bytes: spread(|of| of.server_rss_bytes),
        }
    }
}

/// A figure of each round that has it, with the round.
fn values(rounds: &[RoundRecord], read: Read<Option<f64>>) -> Vec<(u32, f64)> {
    rounds.iter().filter_map(|round| Some((round.round, read(&round.figures)?))).collect()
}
