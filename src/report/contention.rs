//! What racing for epochs cost, as a record holds it and a summary prints it.
//!
//! Only what `load` has counted; nothing is estimated. Called by `build` and `summary`.

use serde::{Deserialize, Serialize};

use super::build::distribution;
use super::record::Distribution;
use super::summary::{decimal, duration};
use crate::limits::P99_VALUES_MIN;
use crate::load::contention::Tally;
use crate::load::scenario::{Class, Scenario};

/// The name of the row that is of all classes: no class can have it.
pub const ALL: &str = "*";

/// What racing cost the members of a class, or of all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentionRecord {
    /// The class's name; [`ALL`] for all of them together.
    pub class: String,
    /// `retry`, `backoff`, `proposals` or `lease`; [`ALL`] where classes differ.
    pub policy: String,
    /// Members of each group that raced; 0 where classes differ.
    pub racers: u32,
    /// How many groups.
    pub groups: u32,
    /// After how many seconds a racer wanted its next change; `None` where the schedule said when.
    pub think_s: Option<f64>,
    /// Changes that came through within the window.
    pub successes: u64,
    /// The same in each group, per second.
    pub successes_per_s: f64,
    /// Epochs that were opened within the window.
    pub epochs: u64,
    /// The same in each group, per second.
    pub epochs_per_s: f64,
    /// How many changes came through at the first try, the second, and so on.
    pub tries: Vec<u64>,
    /// Mean tries of a change that came through.
    pub attempts_per_success: Option<f64>,
    /// Commits that were submitted.
    pub commits: u64,
    /// Of them, those that came too late for their epoch.
    pub commits_lost: u64,
    /// Of them, those that were told to come again, because others come first.
    pub commits_put_off: u64,
    /// Of them, those that were refused for another reason.
    pub commits_refused: u64,
    /// Commits that were built and overtaken before they were sent.
    pub commits_overtaken: u64,
    /// Bytes of commits that opened an epoch.
    pub won_bytes: u64,
    /// Bytes of commits that were submitted and refused.
    pub wasted_bytes: u64,
    /// The same, for each change that came through.
    pub wasted_bytes_per_success: Option<f64>,
    /// Proposals that were submitted.
    pub proposals: u64,
    /// Claims of leases that were submitted.
    pub claims: u64,
    /// Bytes of both.
    pub overhead_bytes: u64,
    /// The same, for each change that came through.
    pub overhead_bytes_per_success: Option<f64>,
    /// Processor time of members on all that they built.
    pub built_cpu_us: u64,
    /// Of it, on commits that lost, were refused, or were overtaken.
    pub wasted_cpu_us: u64,
    /// Of it, on proposals and claims.
    pub overhead_cpu_us: u64,
    /// Of the wasted, for each change that came through.
    pub wasted_cpu_us_per_success: Option<f64>,
    /// Of all of it, for each change that came through.
    pub built_cpu_us_per_success: Option<f64>,
    /// From when a change was wanted until it had come through.
    pub time_to_commit: Distribution,
    /// Jain's index over the successes of a group's racers, the mean over groups.
    pub jain: Option<f64>,
    /// Of the least fair group.
    pub jain_lowest: Option<f64>,
    /// What `jain` would be if each success had been drawn by lot; `None` in older records.
    #[serde(default)]
    pub jain_by_lot: Option<f64>,
    /// Jain's index over the mean waiting of a group's racers, the mean over groups.
    pub jain_waiting: Option<f64>,
    /// Changes that were given up within the window.
    pub gave_up: u64,
    /// Changes that were still wanted when the run ended.
    pub unserved: u64,
}

/// A row for each class whose members raced, and one for all of them if there are several.
/// `window_s` is how long the measured window was.
#[must_use]
pub fn rows(
    scenario: &Scenario,
    tallies: &[Option<Tally>],
    window_s: f64,
) -> Vec<ContentionRecord> {
    let raced: Vec<(&Class, &Tally)> = scenario
        .groups
        .iter()
        .zip(tallies)
        .filter_map(|(class, tally)| Some((class, tally.as_ref()?)))
        .collect();
    let mut rows: Vec<ContentionRecord> =
        raced.iter().map(|(class, tally)| of_class(class, tally, window_s)).collect();
    if let [first, rest @ ..] = raced.as_slice()
        && !rest.is_empty()
    {
        let mut whole = first.1.clone();
        rest.iter().for_each(|(_, tally)| whole.merge(tally));
        let same = |differs: fn(&Class, &Class) -> bool| {
            rest.iter().all(|(class, _)| !differs(first.0, class))
        };
        let policy = first.0.contention.map_or(ALL, |contention| contention.policy.name());
        let one = same(|a, b| {
            a.contention.map(|of| of.policy.name()) != b.contention.map(|of| of.policy.name())
        });
        rows.push(ContentionRecord {
            class: ALL.to_owned(),
            policy: if one { policy } else { ALL }.to_owned(),
            racers: if same(|a, b| a.racers != b.racers) { first.0.racers } else { 0 },
            ..of(&whole, window_s)
        });
    }
    rows
}

fn of_class(class: &Class, tally: &Tally, window_s: f64) -> ContentionRecord {
    let contention = class.contention.unwrap_or_default();
    ContentionRecord {
        class: class.name.clone(),
        policy: contention.policy.name().to_owned(),
        racers: class.racers,
        think_s: contention.think.map(|think| think.as_secs_f64()),
        ..of(tally, window_s)
    }
}

fn of(tally: &Tally, window_s: f64) -> ContentionRecord {
    let groups = tally.groups.len();
    let successes = tally.successes();
    let each = |what: f64| (successes > 0).then(|| what / successes as f64);
    let rate = |count: u64| {
        let seconds = window_s * groups as f64;
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    };
    let micros = |cpu: std::time::Duration| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
    let fairness = tally.fairness();
    ContentionRecord {
        groups: u32::try_from(groups).unwrap_or(u32::MAX),
        successes,
        successes_per_s: rate(successes),
        epochs: tally.won.count,
        epochs_per_s: rate(tally.won.count),
        tries: tally.tries.clone(),
        attempts_per_success: tally.tries_mean(),
        commits: tally.commits.count,
        commits_lost: tally.lost.count,
        commits_put_off: tally.put_off.count,
        commits_refused: tally.refused.count,
        commits_overtaken: tally.overtaken,
        won_bytes: tally.won.bytes,
        wasted_bytes: tally.wasted_bytes(),
        wasted_bytes_per_success: each(tally.wasted_bytes() as f64),
        proposals: tally.proposals.count,
        claims: tally.claims.count,
        overhead_bytes: tally.overhead_bytes(),
        overhead_bytes_per_success: each(tally.overhead_bytes() as f64),
        built_cpu_us: micros(tally.built_cpu),
        wasted_cpu_us: micros(tally.wasted_cpu),
        overhead_cpu_us: micros(tally.overhead_cpu),
        wasted_cpu_us_per_success: each(tally.wasted_cpu.as_secs_f64() * 1e6),
        built_cpu_us_per_success: each(tally.built_cpu.as_secs_f64() * 1e6),
        time_to_commit: distribution(&tally.time_to_commit),
        jain: fairness.map(|(mean, _)| mean),
        jain_lowest: fairness.map(|(_, lowest)| lowest),
        jain_by_lot: tally.fairness_by_lot(),
        jain_waiting: tally.fairness_of_waiting().map(|(mean, _)| mean),
        gave_up: tally.gave_up,
        unserved: tally.unserved,
        ..ContentionRecord::default()
    }
}

/// A p99 of so many values, or `-` of fewer than it takes: it would be the largest of them, or the next.
#[must_use]
pub fn p99(values: u64, micros: u64) -> String {
    if values < P99_VALUES_MIN { "-".to_owned() } else { duration(micros) }
}

/// The rows of the summary's table, header first; the header alone if nobody raced. What was given
/// up is among the operations without success, and not told again.
#[must_use]
pub fn table_rows(rows: &[ContentionRecord]) -> Vec<Vec<String>> {
    let header = [
        "contention",
        "changes/s",
        "epochs/s",
        "tries",
        "wasted B",
        "beside B",
        "CPU us",
        "p50",
        "p99",
        "Jain",
        "by lot",
    ];
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), decimal);
    let row = |of: &ContentionRecord| {
        let who = if of.class == ALL {
            "all".to_owned()
        } else {
            format!("{} ({}, {})", of.class, of.policy, of.racers)
        };
        let time =
            |micros| if of.time_to_commit.count == 0 { "-".into() } else { duration(micros) };
        vec![
            who,
            decimal(of.successes_per_s),
            decimal(of.epochs_per_s),
            known(of.attempts_per_success),
            known(of.wasted_bytes_per_success),
            known(of.overhead_bytes_per_success),
            known(of.wasted_cpu_us_per_success),
            time(of.time_to_commit.p50),
            p99(of.time_to_commit.count, of.time_to_commit.p99),
            known(of.jain),
            known(of.jain_by_lot),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec()).chain(rows.iter().map(row)).collect()
}
