//! What contention curves are, as data: the `contention` part of a `campaign.json`.
//!
//! Only data, read by whoever draws it. A field is never renamed or given another meaning within
//! a version. Times are microseconds. Every field is explained in `results/README.md`.

use serde::{Deserialize, Serialize};

use crate::campaign::record::Spread;
use crate::report::contention::ContentionRecord;

/// All curves of one campaign, and how they were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentionResult {
    /// `think`: each racer wants its next change so long after the one before has come through;
    /// `rounds`: all racers of a group want one at the same instants.
    pub wants: String,
    /// How long after, or how often in each group, as a scenario writes it.
    pub pace: String,
    /// Groups that raced side by side in each run.
    pub groups: u32,
    /// The MLS suite of all of them.
    pub suite: String,
    /// For how long the server reserved epochs at most, in milliseconds; 0: never.
    pub reservation_ms: u64,
    /// Length of each run's measured window in seconds.
    pub window_s: f64,
    /// How often each point was measured.
    pub rounds: u32,
    /// What the order was drawn from.
    pub seed: u64,
    /// By policy as asked, then by size of the group.
    pub curves: Vec<ContentionCurve>,
}

/// One policy in groups of one size, over the number of racers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentionCurve {
    /// `retry`, `backoff`, `proposals` or `lease`.
    pub policy: String,
    /// Members of each group.
    pub members: u32,
    /// By number of racers, fewest first; those that could not be run at all are among them.
    pub points: Vec<ContentionPoint>,
}

/// One number of racers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentionPoint {
    /// Members of each group that race.
    pub racers: u32,
    /// Runs that the figures are of, one in each round.
    pub runs: u32,
    /// The worst verdict of its runs: `valid`, `invalid`, `violated`; `failed` if one had no
    /// result at all. Only the figures of a valid point describe the service.
    pub status: String,
    /// Why it is not valid, each reason once.
    pub reasons: Vec<String>,
    /// Commits, or proposals, submitted for each change that came through: 1 is no contention.
    pub attempts_per_success: Option<Spread>,
    /// Bytes of commits that were submitted and refused, for each change that came through.
    pub wasted_bytes_per_success: Option<Spread>,
    /// Bytes of proposals and claims of leases, for each change that came through.
    pub overhead_bytes_per_success: Option<Spread>,
    /// Processor time of members on commits that lost or were never sent, for each change that
    /// came through.
    pub wasted_cpu_us_per_success: Option<Spread>,
    /// Processor time of members on all that they built, for each change that came through.
    pub cpu_us_per_success: Option<Spread>,
    /// From when a racer wanted a change until it had come through, over all runs together.
    pub time_to_commit: TimeToCommit,
    /// Epochs that a second opened, in each group.
    pub epochs_per_s: Option<Spread>,
    /// Changes that came through in a second, in each group: more than epochs where one commit
    /// serves several racers.
    pub successes_per_s: Option<Spread>,
    /// Jain's index over the racers' successes: 1 if all had as many, 1/racers if one had all.
    pub jain: Option<Spread>,
    /// What `jain` would be if each success had been drawn by lot, with equal chances: few successes are
    /// uneven by chance alone. `None` in older records.
    #[serde(default)]
    pub jain_by_lot: Option<Spread>,
    /// Jain's index over the racers' mean waiting.
    pub jain_waiting: Option<Spread>,
    /// Changes that a racer gave up, or had not brought through by the end, over all runs.
    pub give_ups: u64,
    /// p99 of the time from wanting, or having lost, to sending, the longest of its runs. All
    /// racers share the engine's cores, so much of it is the generator's.
    pub preparation_p99_us: u64,
    /// Share of the engine's cores that was busy, the highest of its runs; `None` if unknown.
    pub engine_busy: Option<f64>,
    /// Whether that is so much that epochs and changes per second are what the engine can build,
    /// and no more than a lower bound of what the service takes.
    pub engine_limited: bool,
    /// Every run, in the order of rounds.
    pub trials: Vec<ContentionTrial>,
}

/// One run of a point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentionTrial {
    /// Which of all runs it was, from 1.
    pub number: u32,
    /// In which round, from 1.
    pub round: u32,
    /// As of the point.
    pub status: String,
    /// Why it is not valid; the error of one without a result.
    pub reasons: Vec<String>,
    /// p99 of the generator's lateness.
    pub lateness_p99_us: u64,
    /// p99 of the time from wanting, or having lost, to sending.
    pub preparation_p99_us: u64,
    /// Share of the engine's cores that was busy.
    pub engine_busy: Option<f64>,
    /// What racing cost; `None` in a run without a result.
    pub contention: Option<ContentionRecord>,
}

/// How long changes took to come through, over all runs of a point: one histogram, not a mean of
/// quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeToCommit {
    /// How many came through.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// 99 % do not exceed it.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}
