//! What was measured: records of runs and campaigns, reduced to what a forecast can rest on.
//!
//! Each measurement names its record, and each record its commit and machine, so that whoever reads
//! a forecast can audit it. A record that proves nothing (an invalid run, one that was given up, a
//! debug build) stays in the list with the reason why nothing rests on it. Reads no file: the caller brings text. Used by
//! the plan and by what is said before a run.

use serde::{Deserialize, Serialize};

use super::cost::machine;
use super::record::{CampaignOutcome, CampaignRecord, LoadPoint, TrialRecord};
use crate::delivery::Level;
use crate::limits::{EXTRAPOLATION_MAX, HANDSHAKES_PER_DELIVERY_MAX};
use crate::report::provenance::Provenance;
use crate::report::record::{ClassRecord, Record, RecordError, ServerUse};
use crate::report::verdict::Status;

/// Records, and what they measured.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The records, in the order in which they were added.
    pub sources: Vec<Source>,
    /// What rests on those that prove something.
    pub runs: Vec<Measured>,
}

/// One record, and whether anything rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub path: String,
    /// `run`, or the kind of a campaign.
    pub kind: String,
    /// What it ran.
    pub scenario: String,
    /// The commit that was built.
    pub git_commit: Option<String>,
    /// Whether the tree had changes beyond it.
    pub git_dirty: Option<bool>,
    /// `release` or `debug`.
    pub build_profile: String,
    /// The machine's processor.
    pub cpu_model: Option<String>,
    /// The machine's cores.
    pub cores: Option<u32>,
    /// The machine's kernel.
    pub kernel: Option<String>,
    /// When it started, in UTC.
    pub started_utc: String,
    /// Why nothing rests on it; `None` if something may.
    pub left_out: Option<String>,
}

/// What one run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Index of its record.
    pub source: usize,
    /// Shards of the server; records that do not say had one.
    pub shards: u32,
    /// Its groups and messages, if they were alike.
    pub shape: Option<Shape>,
    /// Its groups and messages on average, if what the service did was passing them on: hardly
    /// anybody came back, nobody was slow, and it did not read the handshakes of every group.
    pub mix: Option<Shape>,
    /// The floor that was measured right after it.
    pub floor: Option<Floor>,
    /// Whether its messages were logged; `None` if some were, or if its record does not say.
    pub durable: Option<bool>,
    /// Accepted operations.
    pub operations_per_s: f64,
    /// Deliveries.
    pub deliveries_per_s: f64,
    /// Operations in flight, averaged.
    pub in_flight: Option<f64>,
    /// The server's processor time for each.
    pub cpu_us_per_delivery: Option<f64>,
    /// The engine's processor time for each.
    pub engine_us_per_delivery: Option<f64>,
    /// The server's packets for each.
    pub packets_per_delivery: Option<f64>,
    /// From the intended instant to the last member.
    pub last_member_p99_us: u64,
    /// What it took in memory.
    pub memory: Option<Memory>,
    /// Members that came back, and how fast; `None` if nobody had gone.
    pub reconnects_per_s: Option<f64>,
}

/// Groups and messages that are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Members that got each message, on average.
    pub members: f64,
    /// Bytes of each delivery with its frame, on average.
    pub frame_bytes: f64,
}

/// What a packet of its own to each member costs a machine at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Members that each had theirs.
    pub members: f64,
    /// Bytes of the message.
    pub bytes: f64,
    /// Microseconds of processor time for one member.
    pub cpu_us: f64,
}

/// What a run took in memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Connections at the server; in records that do not say each member had one.
    pub connections: f64,
    /// Members.
    pub members: f64,
    /// The server's when all were attached and nothing had been sent.
    pub idle: f64,
    /// The server's highest.
    pub peak: f64,
    /// The engine's at the end.
    pub engine: f64,
}

macro_rules! reference {
    ($name:literal) => {
        reference!($name, "run.json")
    };
    ($name:literal, $file:literal) => {
        (
            concat!("results/reference/", $name, "/", $file),
            include_str!(concat!("../../results/reference/", $name, "/", $file)),
        )
    };
}

/// The reference records that forecasts rest on, as they were when this program was built. Not among
/// them: `validation-levels`, in which a service that reads everything is a third of the cost, and
/// what has no figures of a service under a load of messages (`contention`, `serve-cost`, `suites`,
/// the peers).
const REFERENCE: [(&str, &str); 14] = [
    reference!("broadcast-100k"),
    reference!("bulk-classic"),
    reference!("bulk-pq-neighbours"),
    reference!("bulk-xwing"),
    reference!("capacity-fanout-1k", "campaign.json"),
    reference!("capacity-validated-commits", "campaign.json"),
    reference!("durability"),
    reference!("fanout-10k"),
    reference!("fanout-1k"),
    reference!("fanout-1k-wal"),
    reference!("incident-like"),
    reference!("offline-return"),
    reference!("pairs"),
    reference!("reconnect-storm"),
];

/// Scenarios of the repository whose service reads all that it orders, which is in its processor
/// time; a trial's row in a campaign does not say so.
const READ: [&str; 1] = ["validated-commits"];

impl Evidence {
    /// What the reference records of the repository measured; they are in the program.
    ///
    /// # Panics
    /// When one of them cannot be read, which a test would have found.
    #[must_use]
    pub fn reference() -> Self {
        let mut evidence = Self::default();
        for (path, text) in REFERENCE {
            evidence.add(path, text).expect("the reference records are read by a test");
        }
        evidence
    }

    /// Adds the record in `text`, of a run or of a campaign; `path` names it.
    ///
    /// # Errors
    /// When it is neither, or of another version.
    pub fn add(&mut self, path: &str, text: &str) -> Result<(), RecordError> {
        #[derive(Deserialize)]
        struct Kind {
            kind: Option<String>,
        }
        let source = self.sources.len();
        if serde_json::from_str::<Kind>(text)?.kind.is_some() {
            let campaign = CampaignRecord::from_json(text)?;
            self.add_campaign(path, source, &campaign);
        } else {
            let record = Record::from_json(text)?;
            let given_up = record.aborted.is_some().then_some(RUN_GIVEN_UP);
            let left_out = worthless(&record.provenance, record.verdict.status, given_up);
            self.runs.extend(left_out.is_none().then(|| Measured::of_run(source, &record)));
            self.sources.push(Source::of(path, "run", &record.provenance, left_out));
        }
        Ok(())
    }

    fn add_campaign(&mut self, path: &str, source: usize, campaign: &CampaignRecord) {
        let provenance = &campaign.provenance;
        let trials = trials(&campaign.outcome);
        let is_valid = |trial: &&&TrialRecord| trial.status == Status::Valid;
        let valid = trials.iter().filter(is_valid);
        let status = valid.clone().next().map_or(Status::Invalid, |trial| trial.status);
        let whole: Vec<&TrialRecord> = valid.copied().filter(|trial| !trial.aborted).collect();
        let given_up = whole.is_empty().then_some(TRIALS_GIVEN_UP);
        let empty = trials.is_empty().then(|| "it holds no runs at a load".to_owned());
        let left_out = empty.or_else(|| worthless(provenance, status, given_up));
        if left_out.is_none() {
            let measured = |trial: &&TrialRecord| Measured::of_trial(source, provenance, trial);
            self.runs.extend(whole.iter().map(measured));
        }
        self.sources.push(Source::of(path, kind(&campaign.outcome), provenance, left_out));
    }

    /// The processor and kernel of a run's record, in words.
    #[must_use]
    pub fn machine_of(&self, run: &Measured) -> String {
        let source = self.sources.get(run.source);
        let of = |field: fn(&Source) -> &Option<String>| source.and_then(|of| field(of).as_deref());
        machine(of(|source| &source.cpu_model), of(|source| &source.kernel))
    }

    /// The different machines that something rests on, in words.
    #[must_use]
    pub fn machines(&self) -> Vec<String> {
        let used = self.sources.iter().filter(|source| source.left_out.is_none());
        let mut machines: Vec<String> = used.map(Source::machine).collect();
        machines.sort_unstable();
        machines.dedup();
        machines
    }
}

fn kind(outcome: &CampaignOutcome) -> &'static str {
    match outcome {
        CampaignOutcome::Sweep(_) => "sweep",
        CampaignOutcome::Contend(_) => "contend",
        CampaignOutcome::FindMax(_) => "find_max",
        CampaignOutcome::ServeCost(_) => "serve_cost",
    }
}

fn trials(outcome: &CampaignOutcome) -> Vec<&TrialRecord> {
    match outcome {
        CampaignOutcome::Sweep(curve) => of_points(&curve.points),
        // Racers on this side's cores say nothing of what a service needs, and deliveries of mixed
        // lengths nothing of what one of their mean length costs.
        CampaignOutcome::Contend(_) | CampaignOutcome::ServeCost(_) => Vec::new(),
        CampaignOutcome::FindMax(capacity) => capacity.trials.iter().collect(),
    }
}

fn of_points(points: &[LoadPoint]) -> Vec<&TrialRecord> {
    points.iter().flat_map(|point| &point.trials).collect()
}

/// A window that was cut short is no steady load: what it was given up for is where it ends.
const RUN_GIVEN_UP: &str = "it was given up for a threshold";
const TRIALS_GIVEN_UP: &str = "all of its valid runs were given up for a threshold";

/// Why a result proves nothing of the service; `given_up` if its window, or every one, was cut short.
fn worthless(
    provenance: &Provenance,
    status: Status,
    given_up: Option<&'static str>,
) -> Option<String> {
    if status != Status::Valid {
        return Some(format!("its verdict is {}", status.name()));
    }
    if let Some(given_up) = given_up {
        return Some(given_up.to_owned());
    }
    let profile = &provenance.build_profile;
    (profile != "release").then(|| format!("it is of a {profile} build"))
}

impl Source {
    fn of(path: &str, kind: &str, of: &Provenance, left_out: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            kind: kind.to_owned(),
            scenario: of.scenario.clone(),
            git_commit: of.git_commit.clone(),
            git_dirty: of.git_dirty,
            build_profile: of.build_profile.clone(),
            cpu_model: of.cpu_model.clone(),
            cores: of.cores,
            kernel: of.kernel.clone(),
            started_utc: of.started_utc.clone(),
            left_out,
        }
    }

    /// Its machine in words.
    #[must_use]
    pub fn machine(&self) -> String {
        let unknown = || "unknown".to_owned();
        let cores = self.cores.map_or_else(unknown, |cores| cores.to_string());
        let model = self.cpu_model.clone().unwrap_or_else(unknown);
        let kernel = self.kernel.clone().unwrap_or_else(unknown);
        format!("{cores} x {model}, {kernel}")
    }
}

impl Measured {
    fn of_run(source: usize, record: &Record) -> Self {
        let server = record.server.as_ref();
        let speed = &record.throughput;
        let is_slow = record.classes.iter().any(|class| class.slow.is_some());
        let public = Level::Public.name();
        let reads = record.classes.iter().all(|class| class.validation == public);
        let few = |server: &&ServerUse| {
            server.handshakes as f64 <= server.deliveries as f64 * HANDSHAKES_PER_DELIVERY_MAX
        };
        let average = server.filter(few).filter(|_| !is_slow).and_then(|server| {
            shape(speed.operations_per_s, speed.deliveries_per_s, frame_bytes(server))
        });
        let floor = server.and_then(|server| server.floor).map(|floor| Floor {
            members: floor.members.into(),
            bytes: floor.bytes as f64,
            cpu_us: floor.cpu_us_per_delivery,
        });
        let memory = server.and_then(|server| {
            let idle = server.idle?;
            let connections = idle.connections.unwrap_or(idle.members);
            Some(Memory {
                connections: connections as f64,
                members: idle.members as f64,
                idle: idle.rss_bytes as f64,
                peak: server.rss_peak_bytes as f64,
                engine: record.engine.rss_bytes as f64,
            })
        });
        Self {
            source,
            shards: record.provenance.shards.unwrap_or(1),
            shape: average.filter(|_| record.returns.is_none() && are_alike(&record.classes)),
            mix: average.filter(|_| !reads),
            floor,
            durable: durability(&record.classes),
            operations_per_s: speed.operations_per_s,
            deliveries_per_s: speed.deliveries_per_s,
            in_flight: Some(record.engine.in_flight_mean),
            cpu_us_per_delivery: server.and_then(|server| server.cpu_us_per_delivery),
            engine_us_per_delivery: server
                .filter(|server| server.deliveries > 0)
                .map(|server| record.engine.cpu_us as f64 / server.deliveries as f64),
            packets_per_delivery: server.and_then(|server| server.packets_per_delivery),
            last_member_p99_us: record.latency_us.fanout_last.p99,
            memory,
            reconnects_per_s: record.returns.as_ref().map(|returns| returns.reconnects_per_s),
        }
    }

    fn of_trial(source: usize, provenance: &Provenance, trial: &TrialRecord) -> Self {
        let shape = shape(trial.achieved_per_s, trial.deliveries_per_s, trial.frame_bytes);
        Self {
            source,
            shards: provenance.shards.unwrap_or(1),
            shape,
            mix: shape.filter(|_| !READ.contains(&provenance.scenario.as_str())),
            floor: None,
            durable: None,
            operations_per_s: trial.achieved_per_s,
            deliveries_per_s: trial.deliveries_per_s,
            in_flight: trial.in_flight_mean,
            cpu_us_per_delivery: trial.cpu_us_per_delivery,
            engine_us_per_delivery: None,
            packets_per_delivery: None,
            last_member_p99_us: trial.fanout_last_p99_us,
            memory: None,
            reconnects_per_s: None,
        }
    }

    /// Cores that the server kept busy, for each shard.
    #[must_use]
    pub fn busy(&self) -> Option<f64> {
        Some(self.cpu_us_per_delivery? * self.deliveries_per_s / 1e6 / f64::from(self.shards))
    }
}

fn frame_bytes(server: &ServerUse) -> Option<f64> {
    (server.deliveries > 0).then(|| server.delivery_bytes as f64 / server.deliveries as f64)
}

fn shape(operations: f64, deliveries: f64, frame_bytes: Option<f64>) -> Option<Shape> {
    let members = deliveries / operations;
    let frame_bytes = frame_bytes?;
    (members.is_finite() && members > 0.0).then_some(Shape { members, frame_bytes })
}

/// Whether groups are of one size, as far as a cost that is interpolated over sizes can tell: a mean
/// of others is the cost of neither.
fn are_alike(classes: &[ClassRecord]) -> bool {
    let members = classes.iter().map(|class| f64::from(class.members));
    let least = members.clone().fold(f64::INFINITY, f64::min);
    members.fold(0.0, f64::max) <= least * EXTRAPOLATION_MAX
}

fn durability(classes: &[ClassRecord]) -> Option<bool> {
    let logged = classes.iter().filter(|class| class.durability == "wal").count();
    match logged {
        0 => Some(false),
        all if all == classes.len() => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
