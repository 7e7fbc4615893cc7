//! The record of suites compared at a service, within a campaign's.
//!
//! Only data. A field is never renamed or given another meaning within a version. Every field is
//! explained in `results/README.md`, which a test holds to this format. Times are microseconds.

use serde::{Deserialize, Serialize};

use super::joined::JoinRow;
use crate::campaign::record::{Spread, TrialRecord};
use crate::load::recorder::Series;
use crate::report::verdict::Status;

/// The conclusion of a search in which a run had no result.
pub(super) const FAILED: &str = "failed";

/// Suites at a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServingResult {
    /// `fresh` or `merged`: what every commit finds in the tree.
    pub tree: String,
    /// The TLS key exchange of every connection, the same for all.
    pub key_exchange: String,
    /// Whether the server was one that was up, whose processor time is that of all it did; `false` in
    /// older records.
    #[serde(default)]
    pub elsewhere: bool,
    /// How often each point was measured.
    pub rounds: u32,
    /// What the order and all traffic was drawn from.
    pub seed: u64,
    /// What a rate of commits has to keep to be called sustained; empty when none was searched.
    pub sustained_means: Vec<String>,
    /// One for each suite or pattern at each size that was loaded.
    pub rows: Vec<ServingRow>,
    /// What the model says of every suite and pattern at each size.
    pub modelled: Vec<ModelledRow>,
    /// What a join costs with each post-quantum Welcome that was loaded, and with its classical suite;
    /// empty without one, and in older records.
    #[serde(default)]
    pub joins: Vec<JoinRow>,
}

/// What one suite, or a pattern that was loaded, costs in a group of one size. Figures are of valid
/// runs; if there are none, of all, and `status` says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServingRow {
    /// The suite, or the pattern with its post-quantum suite.
    pub name: String,
    /// Whether it is a pattern of two suites, whose bytes are modelled.
    pub pattern: bool,
    /// Members of the group.
    pub members: u32,
    /// The worst verdict of its runs; `failed` if one has no result. Of a run that was made again the
    /// last one counts.
    pub status: String,
    /// Why it is not `valid`, each once.
    pub reasons: Vec<String>,
    /// How many runs were valid.
    pub valid: u32,
    /// Why its figures are not those of a steady load of what is stated, whatever its verdicts; empty
    /// if they are, and in older records.
    #[serde(default)]
    pub spoiled: Vec<String>,
    /// Commits that were due, a second: as many as each suite's bytes leave room for, and in older
    /// records, or where it was asked for, the same for all at one size.
    pub offered_commits_per_s: f64,
    /// Messages that were due beside them, a second: the same for all at one size.
    pub offered_messages_per_s: f64,
    /// Bytes of an update commit, on average over full and partial ones.
    pub commit_bytes: f64,
    /// The same to every member.
    pub fanout_bytes_per_commit: f64,
    /// Bytes of MLS messages that members got of each commit, all together, on average; `None` when
    /// nobody got one, and in older records.
    #[serde(default)]
    pub delivered_bytes_per_commit: Option<f64>,
    /// Bytes of an application message of mean size.
    pub message_bytes: usize,
    /// Processor time of the service for everything it did beside messages, for each commit.
    pub cpu_us_per_commit: Option<Spread>,
    /// The same for each member.
    pub cpu_us_per_commit_delivery: Option<Spread>,
    /// Of the runs without commits, for each delivery of a message.
    pub cpu_us_per_message_delivery: Option<Spread>,
    /// Of the runs with both, over all deliveries.
    pub cpu_us_per_delivery: Option<Spread>,
    /// From when a commit was due until the last member had it; of a combiner of both parts.
    pub commit_last: LastMember,
    /// Of a combiner, the same of its classical group, in which every commit is made; `None` of a suite,
    /// and in older records.
    #[serde(default)]
    pub classical_last: Option<LastMember>,
    /// Of a combiner, the same of its post-quantum group, in which full commits have their second part.
    #[serde(default)]
    pub post_quantum_last: Option<LastMember>,
    /// The same of messages, in the runs without commits.
    pub message_last_alone: LastMember,
    /// The same of messages, in the runs with both.
    pub message_last_beside: LastMember,
    /// Bytes of MLS messages that members got a second, in the runs with both.
    pub egress_bytes_per_s: Option<Spread>,
    /// The rate of commits alone that is sustained; `None` when it was not searched.
    pub saturation: Option<Saturation>,
    /// Every run at its rate, in the order they were made.
    pub trials: Vec<ServingTrial>,
}

impl ServingResult {
    /// Violated if the service broke its contract in any run, valid if every figure describes the service
    /// under the load that is stated, and else invalid.
    #[must_use]
    pub fn verdict(&self) -> Status {
        let joined = |row: &JoinRow| row.status == Status::Violated.name();
        if self.rows.iter().any(ServingRow::is_violated) || self.joins.iter().any(joined) {
            return Status::Violated;
        }
        let (sound, all) = self.sound();
        if sound == all && !self.rows.iter().any(ServingRow::search_failed) {
            Status::Valid
        } else {
            Status::Invalid
        }
    }

    /// How many rows, of commits and of joins, have figures that describe the service, and of how many.
    #[must_use]
    pub fn sound(&self) -> (usize, usize) {
        let rows = self.rows.iter().filter(|row| row.is_sound()).count();
        let joins = self.joins.iter().filter(|row| row.is_sound()).count();
        (rows + joins, self.rows.len() + self.joins.len())
    }
}

impl ServingRow {
    /// Whether its figures describe the service under the load that is stated.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.status == Status::Valid.name() && self.spoiled.is_empty()
    }

    /// Whether the service broke its contract in a run, whatever became of the others.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        let broke = |run: &TrialRecord| run.status == Status::Violated;
        self.status == Status::Violated.name()
            || self.trials.iter().filter_map(|trial| trial.run.as_ref()).any(broke)
    }

    /// Whether its search had a trial without a result.
    #[must_use]
    pub fn search_failed(&self) -> bool {
        self.saturation.as_ref().is_some_and(|found| found.conclusion == FAILED)
    }

    /// Commits that were due and had a last member: of a combiner those of the classical group.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.classical_last.unwrap_or(self.commit_last).count
    }

    /// Commits a second that the processor time of one leaves room for on one core, from what one took
    /// in the runs at its rate: no measured saturation.
    #[must_use]
    pub fn one_core_per_s(&self) -> Option<Spread> {
        let cpu = self.cpu_us_per_commit.filter(|cpu| cpu.min > 0.0)?;
        let per_s = |us: f64| 1e6 / us;
        Some(Spread { median: per_s(cpu.median), min: per_s(cpu.max), max: per_s(cpu.min) })
    }

    /// How long a commit takes to its last member, typically, in microseconds; of a combiner with one
    /// full commit in so many, with its share of the second part of one. 0 if that is not known.
    #[must_use]
    pub fn typical_last_us(&self, full_every: Option<u32>) -> u64 {
        match (self.classical_last, self.post_quantum_last, full_every) {
            (Some(classical), Some(second), Some(every)) => {
                classical.p50 + second.p50 / u64::from(every.max(1))
            }
            _ => self.commit_last.p50,
        }
    }

    /// What speaks against its figures, the worst first.
    pub fn against(&self) -> impl Iterator<Item = &String> {
        self.reasons.iter().chain(&self.spoiled)
    }

    /// The runs whose verdicts count: all but those that were made again.
    pub fn counted(&self) -> impl Iterator<Item = &ServingTrial> {
        self.trials.iter().filter(|trial| !trial.replaced)
    }

    /// Whether figures of runs with this traffic are of invalid ones, because none is valid.
    #[must_use]
    pub fn none_is_valid(&self, traffic: &str) -> bool {
        let valid = |trial: &ServingTrial| {
            trial.run.as_ref().is_some_and(|run| run.status == Status::Valid)
        };
        !self.counted().any(|trial| trial.traffic == traffic && valid(trial))
    }
}

/// Times to the last member, of one histogram of all runs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMember {
    /// How many messages reached all members.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 % of them; of fewer than a hundred the longest.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Saturation {
    /// Commits a second that the processor time of one at the sustained rate leaves room for on one
    /// core; `None` where few commits told it.
    #[must_use]
    pub fn one_core_per_s(&self) -> Option<f64> {
        self.cpu_us_per_commit.filter(|cpu| *cpu > 0.0).map(|cpu| 1e6 / cpu)
    }

    /// The lowest rate that was not sustained, if it says so of the service: below any that the
    /// generator could not offer.
    #[must_use]
    pub fn upper_per_s(&self) -> Option<f64> {
        let limited = self.engine_limited_per_s.unwrap_or(f64::INFINITY);
        self.not_sustained_per_s.filter(|upper| *upper <= limited)
    }
}

impl LastMember {
    /// Of some times, as one histogram.
    pub(super) fn of(times: impl Iterator<Item = Series>) -> Self {
        let mut all = Series::default();
        times.for_each(|one| all.merge(&one));
        Self {
            count: all.count(),
            p50: all.quantile_us(0.5),
            p99: all.quantile_us(0.99),
            max: all.max_us(),
        }
    }

    /// Whether a p99 of so few is the longest, and has to be called so.
    #[must_use]
    pub fn is_few(&self) -> bool {
        self.count < 100
    }
}

/// Between which rates of commits a service is saturated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// `bounded`, `above_range`, `below_range`, `generator_limited`, `out_of_time`, or `failed`.
    pub conclusion: String,
    /// The highest rate that was sustained, commits a second; `None` if none was.
    pub sustained_per_s: Option<f64>,
    /// The lowest rate that was not; `None` if every rate that was tried was.
    pub not_sustained_per_s: Option<f64>,
    /// Why it was not.
    pub because: Vec<String>,
    /// The lowest rate that the generator could not offer: no bound of the service.
    pub engine_limited_per_s: Option<f64>,
    /// How far apart the bounds are, as a share of the upper one.
    pub width: Option<f64>,
    /// Processor time of the service for each commit at the sustained rate; `None` of a trial with few
    /// commits.
    pub cpu_us_per_commit: Option<f64>,
    /// Every trial, in the order they were made; `factor` is of the row's `offered_commits_per_s`.
    pub searched: Vec<TrialRecord>,
}

/// One run at the row's rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServingTrial {
    /// Its place among all runs but those of searches, from 1.
    pub place: u32,
    /// In which round.
    pub round: u32,
    /// `messages` or `commits_and_messages`.
    pub traffic: String,
    /// Whether the run before it was the same, and said nothing of the service; `false` in older
    /// records.
    #[serde(default)]
    pub again: bool,
    /// Whether it was made again, so that it has no part in any figure; `false` in older records.
    #[serde(default)]
    pub replaced: bool,
    /// Why there is no result; `None` if there is one.
    pub error: Option<String>,
    /// Commits that were accepted and due in its window: of a combiner, those of the classical group.
    pub commits: u64,
    /// The run in short; its `factor` is 1.
    pub run: Option<TrialRecord>,
}

/// What the model says of one suite or pattern in a group of one size, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelledRow {
    /// The suite, or the pattern with its post-quantum suite.
    pub name: String,
    /// Whether it is a pattern of two suites.
    pub pattern: bool,
    /// Members of the group.
    pub members: u32,
    /// What a device publishes to be added once.
    pub key_package_bytes: usize,
    /// An update commit, on average over full and partial ones.
    pub commit_mean_bytes: f64,
    /// The longest, both parts of a full one together.
    pub commit_max_bytes: usize,
    /// A commit that adds one member, both parts together.
    pub add_commit_bytes: usize,
    /// What one joiner gets, without the tree.
    pub welcome_bytes: usize,
    /// An application message of mean size.
    pub message_bytes: usize,
}
