//! The record of several runs: what `campaign.json` holds, version 1.
//!
//! Only data, and how a run's record becomes one row of it. A field is never renamed or given
//! another meaning within a version. Every field is explained in `results/README.md`, which a
//! test holds to this format. Times are microseconds, rates are per second.

use serde::{Deserialize, Serialize};

use super::contention::record::ContentionResult;
use super::serving::record::ServingResult;
pub use crate::floor::Spread;
use crate::report::provenance::Provenance;
use crate::report::record::{Record, RecordError};
use crate::report::verdict::Status;

/// The version that [`CampaignRecord::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// The name of its file.
pub const FILE: &str = "campaign.json";

/// Several runs and what they come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignRecord {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Where it comes from.
    pub provenance: Provenance,
    /// `kind` says which, `result` holds it.
    #[serde(flatten)]
    pub outcome: CampaignOutcome,
}

/// What several runs come to, by what was asked of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "result", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a campaign")]
pub enum CampaignOutcome {
    /// Of `stentor sweep`.
    Sweep(LoadCurve),
    /// Of `stentor contend`.
    Contend(ContentionResult),
    /// Of `stentor find-max`.
    FindMax(Capacity),
    /// Of `stentor suites serve-cost`.
    ServeCost(ServingResult),
}

/// Latency at load: one point for each load that was offered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadCurve {
    /// `shuffled` or `mirrored`.
    pub order: String,
    /// What a shuffled order is drawn from.
    pub seed: u64,
    /// How often each load was offered.
    pub rounds: u32,
    /// By load, the lowest first.
    pub points: Vec<LoadPoint>,
}

/// What one load came to, over the rounds. Figures are of its valid runs that were not given up; if
/// it has none, of its valid ones; if it has none of them either, of all, and `status` says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// The scenario's rates times this.
    pub factor: f64,
    /// `valid` if every run was; else the worst of them.
    pub status: Status,
    /// How many runs were valid.
    pub valid: u32,
    /// Operations that were due.
    pub offered_per_s: Spread,
    /// Operations that were accepted.
    pub achieved_per_s: Spread,
    /// Deliveries that came.
    pub deliveries_per_s: Spread,
    /// The median response.
    pub response_p50_us: Spread,
    /// Of the response.
    pub response_p99_us: Spread,
    /// The median time to the last member.
    pub fanout_last_p50_us: Spread,
    /// Of the time to the last member.
    pub fanout_last_p99_us: Spread,
    /// Of the server; `None` when it could not be observed.
    pub cpu_us_per_delivery: Option<Spread>,
    /// Every run at this load, in the order they were made.
    pub trials: Vec<TrialRecord>,
}

/// The highest load that keeps a goal, between its bounds (RFC 9971).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// What was asked of every trial.
    pub slo: Vec<String>,
    /// How closely it was searched.
    pub goal: CapacityGoal,
    /// `bounded`, `above_range`, `below_range`, `generator_limited`, `contradictory` or `out_of_time`.
    pub conclusion: String,
    /// The highest load that met the goal in every long trial, below any that missed it.
    pub lower: Option<Bound>,
    /// The lowest load that missed it in every long trial, above any that met it.
    pub upper: Option<Bound>,
    /// The lowest load that the generator could not offer: no bound of the service.
    pub limited: Option<Bound>,
    /// How far apart the bounds are, as a share of the upper one.
    pub width: Option<f64>,
    /// Every trial, in the order they were made.
    pub trials: Vec<TrialRecord>,
}

/// How closely capacity was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapacityGoal {
    /// How far apart the bounds were to be, as a share of the upper one.
    pub width: f64,
    /// Share of a load's time that may miss the goal and the search goes on above it.
    pub exceed_ratio: f64,
    /// Trials whose length together a load was judged by.
    pub trials: u32,
    /// Length of a short trial in seconds.
    pub short_s: f64,
    /// Length of a long one.
    pub long_s: f64,
    /// Longest that the search was to take.
    pub budget_s: f64,
}

/// A load at one end of what is known. Figures are of its longest trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The scenario's rates times this.
    pub factor: f64,
    /// Whether its trials were enough to judge it.
    pub decided: bool,
    /// Operations that were due.
    pub offered_per_s: Spread,
    /// Operations that were accepted: the conditional throughput.
    pub achieved_per_s: Spread,
    /// Deliveries that came.
    pub deliveries_per_s: Spread,
    /// Of its trials, how many met the goal.
    pub met: u32,
    /// How many missed it.
    pub missed: u32,
    /// How many say nothing of the service.
    pub generator_limited: u32,
}

/// One run of several, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Its place among all runs of the campaign, from 1.
    pub number: u32,
    /// The scenario's rates times this.
    pub factor: f64,
    /// Its verdict's word.
    pub status: Status,
    /// What spoke against it, the worst first.
    pub reasons: Vec<String>,
    /// Whether it was given up, because a threshold could not hold any more: its figures are of a
    /// window that was cut short. `false` in older records.
    #[serde(default)]
    pub aborted: bool,
    /// Length of its measured window in seconds.
    pub window_s: f64,
    /// Operations that were due.
    pub offered_per_s: f64,
    /// Operations that were accepted.
    pub achieved_per_s: f64,
    /// Deliveries that came.
    pub deliveries_per_s: f64,
    /// The median response.
    pub response_p50_us: u64,
    /// Of the response.
    pub response_p99_us: u64,
    /// The median time to the last member.
    pub fanout_last_p50_us: u64,
    /// Of the time to the last member.
    pub fanout_last_p99_us: u64,
    /// Of the generator.
    pub lateness_p99_us: u64,
    /// Of the server; `None` when it could not be observed.
    pub cpu_us_per_delivery: Option<f64>,
    /// Bytes of each delivery with its frame, on average; `None` when it could not be observed.
    #[serde(default)]
    pub frame_bytes: Option<f64>,
    /// Operations in flight, averaged over the measured window.
    #[serde(default)]
    pub in_flight_mean: Option<f64>,
    /// Of the server, in bytes; `None` when it could not be observed.
    pub server_rss_peak_bytes: Option<u64>,
    /// In a search: `short` or `long`.
    #[serde(default)]
    pub length: Option<String>,
    /// In a search, what it says of its load: `met`, `missed` or `generator_limited`.
    #[serde(default)]
    pub said: Option<String>,
    /// In a search, what was missed, in words.
    #[serde(default)]
    pub missed: Vec<String>,
}

impl CampaignRecord {
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

impl TrialRecord {
    /// A run's record in short.
    #[must_use]
    pub fn of(number: u32, factor: f64, record: &Record) -> Self {
        let (latency, speed) = (&record.latency_us, &record.throughput);
        let server = record.server.as_ref();
        Self {
            number,
            factor,
            status: record.verdict.status,
            reasons: record.verdict.reasons.clone(),
            aborted: record.aborted.is_some(),
            window_s: speed.window_s,
            offered_per_s: speed.offered_per_s,
            achieved_per_s: speed.achieved_per_s(),
            deliveries_per_s: speed.deliveries_per_s,
            response_p50_us: latency.response.p50,
            response_p99_us: latency.response.p99,
            fanout_last_p50_us: latency.fanout_last.p50,
            fanout_last_p99_us: latency.fanout_last.p99,
            lateness_p99_us: latency.lateness.p99,
            cpu_us_per_delivery: server.and_then(|server| server.cpu_us_per_delivery),
            frame_bytes: server
                .filter(|server| server.deliveries > 0)
                .map(|server| server.delivery_bytes as f64 / server.deliveries as f64),
            in_flight_mean: Some(record.engine.in_flight_mean),
            server_rss_peak_bytes: server.map(|server| server.rss_peak_bytes),
            length: None,
            said: None,
            missed: Vec::new(),
        }
    }
}

impl LoadPoint {
    /// What the runs at one load come to; `None` of no run.
    #[must_use]
    pub fn of(factor: f64, trials: Vec<TrialRecord>) -> Option<Self> {
        let is_valid = |trial: &&TrialRecord| trial.status == Status::Valid;
        let valid = u32::try_from(trials.iter().filter(is_valid).count()).unwrap_or(u32::MAX);
        let whole = trials.iter().any(|trial| is_valid(&trial) && !trial.aborted);
        let counts = |trial: &&TrialRecord| is_valid(trial) && !(whole && trial.aborted);
        let counted: Vec<&TrialRecord> =
            trials.iter().filter(|trial| valid == 0 || counts(trial)).collect();
        let spread =
            |figure: fn(&TrialRecord) -> f64| Spread::of(counted.iter().map(|trial| figure(trial)));
        let status = [Status::Violated, Status::Invalid]
            .into_iter()
            .find(|bad| trials.iter().any(|trial| trial.status == *bad))
            .unwrap_or(Status::Valid);
        Some(Self {
            factor,
            status,
            valid,
            offered_per_s: spread(|trial| trial.offered_per_s)?,
            achieved_per_s: spread(|trial| trial.achieved_per_s)?,
            deliveries_per_s: spread(|trial| trial.deliveries_per_s)?,
            response_p50_us: spread(|trial| trial.response_p50_us as f64)?,
            response_p99_us: spread(|trial| trial.response_p99_us as f64)?,
            fanout_last_p50_us: spread(|trial| trial.fanout_last_p50_us as f64)?,
            fanout_last_p99_us: spread(|trial| trial.fanout_last_p99_us as f64)?,
            cpu_us_per_delivery: Spread::of(
                counted.iter().filter_map(|trial| trial.cpu_us_per_delivery),
            ),
            trials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(status: Status, p99: u64) -> TrialRecord {
        TrialRecord {
            number: 1,
            factor: 2.0,
            status,
            reasons: Vec::new(),
            aborted: false,
            window_s: 5.0,
            offered_per_s: 100.0,
            achieved_per_s: 99.5,
            deliveries_per_s: 990.0,
            response_p50_us: 400,
            response_p99_us: p99,
            fanout_last_p50_us: 700,
            fanout_last_p99_us: p99 * 2,
            lateness_p99_us: 20,
            cpu_us_per_delivery: (status == Status::Valid).then_some(3.25),
            frame_bytes: None,
            in_flight_mean: None,
            server_rss_peak_bytes: None,
            length: None,
            said: None,
            missed: Vec::new(),
        }
    }

    #[test]
    fn an_invalid_run_is_kept_and_named_and_has_no_part_in_the_figures_of_valid_ones() {
        let trials =
            vec![trial(Status::Valid, 10), trial(Status::Invalid, 900), trial(Status::Valid, 30)];
        let point = LoadPoint::of(2.0, trials).unwrap();
        assert_eq!((point.status, point.valid, point.trials.len()), (Status::Invalid, 2, 3));
        let p99 = point.response_p99_us;
        assert_eq!((p99.median, p99.min, p99.max), (20.0, 10.0, 30.0));
        let only = vec![trial(Status::Invalid, 900), trial(Status::Violated, 100)];
        let point = LoadPoint::of(2.0, only).unwrap();
        assert_eq!((point.status, point.valid), (Status::Violated, 0));
        assert_eq!((point.response_p99_us.median, point.cpu_us_per_delivery), (500.0, None));
        assert_eq!(LoadPoint::of(2.0, Vec::new()), None);
    }

    #[test]
    fn a_run_that_was_given_up_is_kept_and_has_no_part_in_the_figures_of_whole_ones() {
        let given_up = |p99| TrialRecord { aborted: true, ..trial(Status::Valid, p99) };
        let point = LoadPoint::of(2.0, vec![given_up(900), trial(Status::Valid, 10)]).unwrap();
        assert_eq!((point.status, point.valid, point.trials.len()), (Status::Valid, 2, 2));
        assert_eq!((point.response_p99_us.max, point.fanout_last_p99_us.max), (10.0, 20.0));
        let only = vec![given_up(900), trial(Status::Invalid, 10)];
        assert_eq!(LoadPoint::of(2.0, only).unwrap().response_p99_us.max, 900.0);
    }

    #[test]
    fn a_record_reads_back_as_it_was_written_and_another_version_is_refused() {
        let point = LoadPoint::of(2.0, vec![trial(Status::Valid, 10)]).unwrap();
        let curve = LoadCurve {
            order: "shuffled".to_owned(),
            seed: u64::MAX,
            rounds: 1,
            points: vec![point],
        };
        let record = CampaignRecord {
            schema_version: SCHEMA_VERSION,
            provenance: Provenance::default(),
            outcome: CampaignOutcome::Sweep(curve),
        };
        let json = record.to_json();
        assert!(json.contains("\"kind\": \"sweep\""), "{json}");
        assert_eq!(CampaignRecord::from_json(&json).unwrap(), record);
        let other = json.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
        assert!(CampaignRecord::from_json(&other).unwrap_err().to_string().contains("version 2"));
    }
}
