//! The record: what `run.json` holds, version 1.
//!
//! Only data; `build` fills it in. A field is never renamed or given another meaning within a
//! version: readers of old results depend on it. Every field is explained in
//! `results/README.md`, which a test holds to this format. Times are microseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contention::ContentionRecord;
use super::doubt::{DriftRecord, HostUse, PacerRecord};
use super::intervals::IntervalRecord;
use super::joins::JoinsRecord;
use super::provenance::Provenance;
use super::returns::ReturnsRecord;
use super::slow::SlowRecord;
use super::verdict::Verdict;
use crate::delivery::{Durability, Level};
use crate::load::threshold::Standing;

/// The version that [`Record::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether the rest may be believed.
    pub verdict: Verdict,
    /// What whoever reads the numbers should know, and what makes none of them wrong; empty in older
    /// records.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What the scenario asks of the result; empty in older records.
    #[serde(default)]
    pub thresholds: Vec<ThresholdRecord>,
    /// Why and when the run was given up; `None` if it was not, and in older records.
    #[serde(default)]
    pub aborted: Option<AbortedRecord>,
    /// How often what happened, warm-up included.
    pub counts: RunCounts,
    /// Violations by kind; every kind is listed, nearly always with 0.
    pub violations: BTreeMap<String, u64>,
    /// The first violations of each kind, in words.
    pub violation_examples: Vec<String>,
    /// Refusals by reason; `wrong_epoch` is what a good service answers to losers, `put_off` to
    /// racers that others come before.
    pub refusals: BTreeMap<String, u64>,
    /// What members that run OpenMLS made of their deliveries.
    pub real_members: RealMembers,
    /// Latency by what it measures.
    pub latency_us: Latency,
    /// The same for each phase, warm-up included; empty in older records.
    #[serde(default)]
    pub phases: Vec<PhaseRecord>,
    /// The same for each group class.
    pub classes: Vec<ClassRecord>,
    /// What racing for epochs cost, for each class whose members did, and for all of them together
    /// if there are several; empty when nobody raced, and in older records.
    #[serde(default)]
    pub contention: Vec<ContentionRecord>,
    /// What came of members that went away; `None` when nobody did, and in older records.
    #[serde(default)]
    pub returns: Option<ReturnsRecord>,
    /// What came of those who joined in the run and of those who went; `None` when the groups stayed as
    /// they were, and in older records.
    #[serde(default)]
    pub joins: Option<JoinsRecord>,
    /// What the measured window achieved.
    pub throughput: Throughput,
    /// What the server spent on it; `None` when it could not be observed.
    pub server: Option<ServerUse>,
    /// What the engine spent on it.
    pub engine: EngineUse,
    /// What else the machine did meanwhile; `None` in older records.
    #[serde(default)]
    pub host: Option<HostUse>,
    /// Figures that moved over the measured window, or did not; empty where it had too few intervals
    /// to tell, and in older records.
    #[serde(default)]
    pub drift: Vec<DriftRecord>,
    /// The run in slices of time, from its start to the end of the drain; empty in older records.
    #[serde(default)]
    pub intervals: Vec<IntervalRecord>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// One line of what the scenario asks, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRecord {
    /// The line.
    pub text: String,
    /// What it was compared with; `None` when nothing was measured.
    pub value: Option<f64>,
    /// Of the value: `us`, `number`, `share`, `per_s` or `bytes`.
    pub unit: String,
    /// What came of it.
    pub status: Standing,
    /// Whether the run was given up for it.
    pub aborted: bool,
}

/// A run that was given up because a threshold could not hold any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbortedRecord {
    /// The threshold's line.
    pub threshold: String,
    /// When that was seen, in seconds since the start of the run.
    pub at_s: f64,
    /// Operations that had no outcome then, and are judged by no rule.
    pub cut_off: u64,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Everything that the schedule and the retry rule called for.
    pub issued: u64,
    /// Of it, what was ordered.
    pub accepted: u64,
    /// Of it, what was refused.
    pub rejected: u64,
    /// Of the refused, what lost a race or came with a stale epoch.
    pub rejected_wrong_epoch: u64,
    /// Of it, what got no reply in time.
    pub timed_out: u64,
    /// Of the timed out, what got its reply later.
    pub late_replies: u64,
    /// Of it, what was never sent.
    pub not_issued: u64,
    /// Of it, what waited, and was charged for it, until its sender had seen its epoch.
    pub held: u64,
    /// Ordered messages x members.
    pub deliveries_expected: u64,
    /// What members got of that.
    pub deliveries: u64,
    /// Not among the expected: what members were let off that had been away for too long.
    #[serde(default)]
    pub excused: u64,
    /// Not among the expected either: what could not come to members whose sessions the service had
    /// ended.
    #[serde(default)]
    pub cut_off: u64,
    /// Of the expected, what had not come when the drain was over, while the service was still at work:
    /// late or lost, nobody can say.
    #[serde(default)]
    pub undelivered: u64,
}

/// What members that run OpenMLS made of their deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealMembers {
    /// Members that processed everything they were delivered.
    pub members: u64,
    /// Deliveries that members of tapes processed.
    pub messages: u64,
    /// What a member could not process, and members whose epoch authenticators differ.
    pub faults: Vec<String>,
}

/// Latency by what it measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// From the intended instant to the acceptance.
    pub response: Distribution,
    /// From the actual send to the acceptance.
    pub service: Distribution,
    /// From the intended instant to when the generator reached it.
    pub lateness: Distribution,
    /// Live racers: from when a commit was due, or had lost, to its submission.
    pub preparation: Distribution,
    /// From the intended instant to a refusal.
    pub rejected: Distribution,
    /// From the intended instant to giving up.
    pub timed_out: Distribution,
    /// From the intended instant to the first member.
    pub fanout_first: Distribution,
    /// From the intended instant to each member.
    pub fanout_member: Distribution,
    /// From the intended instant to 99 % of the members.
    pub fanout_p99: Distribution,
    /// From the intended instant to the last member.
    pub fanout_last: Distribution,
}

/// A distribution of durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The median.
    pub p50: u64,
    /// 90 % of the values do not exceed it.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// 99.99 %.
    pub p9999: u64,
    /// The longest.
    pub max: u64,
    /// Values that would have been negative, recorded as 0.
    pub negatives: u64,
    /// Values beyond the histogram, recorded as its end.
    pub saturated: u64,
    /// The whole histogram: HdrHistogram V2, base64.
    pub histogram: String,
}

/// One phase of the run. Times are of what was due in it, counts of what came about in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its name.
    pub name: String,
    /// `warm_up`, `measure`, `step`, `ramp`, `spike` or `soak`.
    pub kind: String,
    /// When it began, in seconds since the start of the run.
    pub from_s: f64,
    /// When it ended.
    pub to_s: f64,
    /// Operations that were due, per second.
    pub offered_per_s: f64,
    /// Submissions that were accepted, per second.
    pub accepted_per_s: f64,
    /// Deliveries that came, per second.
    pub deliveries_per_s: f64,
    /// Of what was due, what was never sent.
    pub not_issued: u64,
    /// As in [`Latency`].
    pub response: Distribution,
    /// As in [`Latency`].
    pub lateness: Distribution,
    /// As in [`Latency`].
    pub fanout_last: Distribution,
}

/// One group class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRecord {
    /// Its name.
    pub name: String,
    /// How many groups.
    pub groups: u32,
    /// Members of each; where they vary, the most that one may have.
    pub members: u32,
    /// Members of all of them together; 0 in older records.
    #[serde(default)]
    pub memberships: u64,
    /// The MLS suite.
    pub suite: String,
    /// The suite of the init keys by which devices joined, where it was another: a modelled pattern
    /// that no stack here runs. `None` in all else, and in older records.
    #[serde(default)]
    pub welcome_suite: Option<String>,
    /// `tape`, `live` or `synthetic`.
    pub source: String,
    /// What its messages survived: `none` or `wal`. Older records knew only `none`.
    #[serde(default = "no_durability")]
    pub durability: String,
    /// How closely its handshakes were looked at: `opaque`, `header` or `public`. Older records
    /// knew only `opaque`.
    #[serde(default = "no_validation")]
    pub validation: String,
    /// After how many messages its members acknowledged; `None` if never, and in older records.
    #[serde(default)]
    pub acknowledge: Option<u32>,
    /// As in [`Latency`].
    pub response: Distribution,
    /// Of the response, that of the commits which the schedule called for; empty in older records.
    #[serde(default)]
    pub commit_response: Distribution,
    /// As in [`Latency`].
    pub fanout_member: Distribution,
    /// As in [`Latency`].
    pub fanout_last: Distribution,
    /// Of it, that of the commits which the schedule called for; empty in older records.
    #[serde(default)]
    pub commit_fanout_last: Distribution,
    /// Deliveries of those commits, whenever they came; 0 in older records.
    #[serde(default)]
    pub commit_deliveries: u64,
    /// Bytes of MLS messages in those; 0 in older records.
    #[serde(default)]
    pub commit_delivered_bytes: u64,
    /// The same by period; empty when nobody went away, and in older records.
    #[serde(default)]
    pub periods: Vec<PeriodRecord>,
    /// What came of its slow members; `None` when it had none, and in older records.
    #[serde(default)]
    pub slow: Option<SlowRecord>,
}

fn no_durability() -> String {
    Durability::None.name().to_owned()
}

fn no_validation() -> String {
    Level::Opaque.name().to_owned()
}

/// What a class felt while others were away, came back, or neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeriodRecord {
    /// `before`, `away`, `returning` or `after`.
    pub period: String,
    /// As in [`Latency`].
    pub response: Distribution,
    /// As in [`Latency`].
    pub fanout_last: Distribution,
}

/// What the measured window achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Length of the window in seconds.
    pub window_s: f64,
    /// Operations that were due within it, per second of it; 0 in older records.
    #[serde(default)]
    pub offered_per_s: f64,
    /// Submissions that were accepted within it, per second of it; what racers submit beside their
    /// changes is among them.
    pub operations_per_s: f64,
    /// Operations that came through within it, per second of it: what is held against
    /// `offered_per_s`. `None` in older records, in which it is `operations_per_s` unless members race.
    #[serde(default)]
    pub came_through_per_s: Option<f64>,
    /// Deliveries that came within it, per second of it.
    pub deliveries_per_s: f64,
    /// Bytes of MLS messages in those deliveries, per second of it.
    pub delivered_bytes_per_s: f64,
}

impl Throughput {
    /// Operations that came through, per second; of an older record its submissions.
    #[must_use]
    pub fn achieved_per_s(&self) -> f64 {
        self.came_through_per_s.unwrap_or(self.operations_per_s)
    }
}

/// What the server spent on the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Processor time, user and system.
    pub cpu_us: u64,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// Its highest.
    pub rss_peak_bytes: u64,
    /// Deliveries the server counted.
    pub deliveries: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Calls to send and receive.
    pub syscalls: u64,
    /// Bytes of the frames handed to recipients.
    pub delivery_bytes: u64,
    /// Receives that the kernel dropped because its buffers were full.
    #[serde(default)]
    pub receive_drops: u64,
    /// What members cost that are only there; `None` in a record that is older than it.
    #[serde(default)]
    pub idle: Option<Idle>,
    /// What the kernel granted each of its sockets, in or out: the least.
    pub socket_buffer_bytes: u64,
    /// TLS handshakes completed.
    #[serde(default)]
    pub handshakes: u64,
    /// Of them, those that a session ticket made cheaper.
    #[serde(default)]
    pub handshakes_resumed: u64,
    /// `None` without a delivery.
    pub cpu_us_per_delivery: Option<f64>,
    /// `None` without a delivery.
    pub packets_per_delivery: Option<f64>,
    /// `None` without a delivery.
    pub syscalls_per_delivery: Option<f64>,
    /// The least that its deliveries could have cost; `None` if it was not measured.
    #[serde(default)]
    pub floor: Option<Floor>,
    /// Why it was not measured.
    #[serde(default)]
    pub floor_missing: Option<String>,
}

/// The least that a delivery could have cost (F3), measured right after the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Members that it was measured with: the run's memberships.
    pub members: u32,
    /// Bytes of its message: the server's mean frame.
    pub bytes: u64,
    /// Processor time for one message to one member.
    pub cpu_us_per_delivery: f64,
    /// Of the server's processor time for each delivery: 1 is the floor itself.
    pub share: f64,
}

/// The server's memory when all members were attached and nothing had been sent yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Resident memory, all of it.
    pub rss_bytes: u64,
    /// Members.
    pub members: u64,
    /// The connections that carried them; older records do not say, each member had its own.
    #[serde(default)]
    pub connections: Option<u64>,
    /// Of the memory, for each member.
    pub bytes_per_member: u64,
}

/// What the engine spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineUse {
    /// Processor time in the measured window, user and system.
    pub cpu_us: u64,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// Its highest.
    pub rss_peak_bytes: u64,
    /// Operations in flight, averaged over the measured window.
    pub in_flight_mean: f64,
    /// p99 of its lateness: what the verdict is about.
    pub lateness_p99_us: u64,
    /// Share of the measured window in which the thread that sends and receives was on a core;
    /// `None` where the window did not end, and in older records.
    #[serde(default)]
    pub worker_busy_share: Option<f64>,
    /// Receives that the kernel dropped in it because the engine's buffers were full.
    #[serde(default)]
    pub receive_drops: u64,
    /// How late it woke before the load, when it had nothing else to do.
    #[serde(default)]
    pub pacer: Vec<PacerRecord>,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no record.
    #[error("not a record: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is of a version that this program does not know.
    #[error("schema version {found}; this program reads {known}")]
    Version {
        /// The version it says.
        found: u32,
        /// The one that this program reads.
        known: u32,
    },
}

impl Record {
    /// The record as indented JSON, ended by a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a record is plain data");
        json.push('\n');
        json
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        RecordError::unless_version(json, SCHEMA_VERSION)?;
        Ok(serde_json::from_str(json)?)
    }
}

impl RecordError {
    /// Looks at the version alone: a record of another one may have any other form.
    ///
    /// # Errors
    /// When it is not `known`, or there is none.
    pub fn unless_version(json: &str, known: u32) -> Result<(), Self> {
        #[derive(Deserialize)]
        struct Versioned {
            schema_version: u32,
        }
        let Versioned { schema_version: found } = serde_json::from_str(json)?;
        if found == known { Ok(()) } else { Err(Self::Version { found, known }) }
    }
}
