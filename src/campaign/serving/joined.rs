//! What runs of joins come to: a row for each suite or pattern at each size, as data and as tables.
//!
//! Pure. Times are of one histogram of all rounds, bytes are what came, and processor time is the median
//! over rounds with the least and the most. Called by `joins`, and by the summary and the page.

use serde::{Deserialize, Serialize};

use super::question::{Contender, Question};
use super::record::LastMember;
use super::rows::{each_once, unsteady};
use super::summary::{ends, kilo, micros, time};
use crate::campaign::TrialError;
use crate::campaign::record::Spread;
use crate::limits::STATED_OFF_MAX;
use crate::report::build::series;
use crate::report::chart::Table;
use crate::report::joins::WelcomedRecord;
use crate::report::record::Record;
use crate::report::summary::{decimal, grouped};
use crate::report::verdict::Status;

/// What a join costs with one suite, or with a pattern, in a group of one size. Figures are of valid
/// runs; if there are none, of all, and `status` says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinRow {
    /// The suite, or the pattern with its post-quantum suite.
    pub name: String,
    /// Whether it is a pattern of two suites, whose bytes are modelled.
    pub pattern: bool,
    /// Members of the group before anybody joins.
    pub members: u32,
    /// The worst verdict of its runs; `failed` if one has no result. Of a run that was made again the
    /// last one counts.
    pub status: String,
    /// Why it is not `valid`, each once.
    pub reasons: Vec<String>,
    /// How many runs were valid.
    pub valid: u32,
    /// Why its figures are not those of a steady load of what is stated, whatever its verdicts; empty if
    /// they are.
    #[serde(default)]
    pub spoiled: Vec<String>,
    /// How many were made again, since the first time said nothing of the service.
    pub again: u32,
    /// Devices that were to join, a second: the same for all at one size.
    pub offered_joins_per_s: f64,
    /// Joins that were due in the windows of the runs that count.
    pub joins: u64,
    /// Bytes of the KeyPackages that were claimed, on average.
    pub key_package_bytes: Option<f64>,
    /// Bytes of a commit as each member got it, on average.
    pub add_commit_bytes: Option<f64>,
    /// Bytes of the Welcomes that devices got, on average.
    pub welcome_bytes: Option<f64>,
    /// Processor time of the service for each join: all that it spent in the window.
    pub cpu_us_per_join: Option<Spread>,
    /// From when the commit was due until its last member had it.
    pub commit_last: LastMember,
    /// From when the commit was due to when the Welcome was with the device.
    pub welcome: LastMember,
    /// From when the commit was due to when the device was attached and had its first message.
    pub join: LastMember,
}

/// One run, or why there is none.
#[derive(Debug)]
pub(super) struct Joined {
    /// How many before it said nothing of the service.
    pub(super) again: u32,
    pub(super) result: Result<Record, TrialError>,
}

impl JoinRow {
    /// Whether its figures describe the service under the load that is stated.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.status == Status::Valid.name() && self.spoiled.is_empty()
    }

    /// What speaks against its figures, the worst first.
    pub fn against(&self) -> impl Iterator<Item = &String> {
        self.reasons.iter().chain(&self.spoiled)
    }
}

/// The row that `joined` are the runs of.
pub(super) fn row(
    question: &Question,
    contender: &Contender,
    members: u32,
    joined: &[Joined],
) -> JoinRow {
    let records = || joined.iter().filter_map(|one| one.result.as_ref().ok());
    let is_valid = |record: &&Record| record.verdict.status == Status::Valid;
    let valid = records().filter(is_valid).count();
    let counted: Vec<&Record> = records().filter(|record| valid == 0 || is_valid(record)).collect();
    let welcomed = || counted.iter().filter_map(|record| record.joins.as_ref()?.welcomed.first());
    let commits = || counted.iter().filter_map(|record| record.classes.first());
    let sum = |of: fn(&WelcomedRecord) -> u64| welcomed().map(of).sum::<u64>();
    let delivered: u64 = commits().map(|class| class.commit_delivered_bytes).sum();
    let deliveries: u64 = commits().map(|class| class.commit_deliveries).sum();
    let key_package_bytes = mean(sum(|of| of.key_package_bytes), sum(|of| of.key_packages));
    let welcome_bytes = mean(sum(|of| of.welcome_bytes), sum(|of| of.welcomes));
    let objects = question.objects(contender, members);
    let stated = [
        ("KeyPackage", key_package_bytes, objects.key_package),
        ("Welcome", welcome_bytes, objects.welcome),
    ];
    let per_s = question.joins_per_s(members);
    JoinRow {
        name: contender.name(),
        pattern: contender.deployment().is_some(),
        members,
        status: worst(joined),
        reasons: each_once(joined.iter().flat_map(Joined::reasons)),
        spoiled: each_once(counted.iter().flat_map(|record| unsteady(record, per_s)).chain(
            stated.into_iter().filter_map(|(what, came, model)| misstated(what, came?, model)),
        )),
        valid: u32::try_from(valid).unwrap_or(u32::MAX),
        again: joined.iter().map(|one| one.again).sum(),
        offered_joins_per_s: per_s,
        joins: counted.iter().map(|record| due(record)).sum(),
        key_package_bytes,
        add_commit_bytes: mean(delivered, deliveries),
        welcome_bytes,
        cpu_us_per_join: Spread::of(counted.iter().filter_map(|record| cpu_us(record))),
        commit_last: LastMember::of(
            commits().filter_map(|class| series(&class.commit_fanout_last)),
        ),
        welcome: LastMember::of(welcomed().filter_map(|of| series(&of.welcome))),
        join: LastMember::of(welcomed().filter_map(|of| series(&of.join))),
    }
}

impl Joined {
    fn reasons(&self) -> Vec<String> {
        match &self.result {
            Ok(record) => record.verdict.reasons.clone(),
            Err(error) => vec![error.0.clone()],
        }
    }
}

/// Whether objects had other lengths than the model has for them.
fn misstated(what: &str, came: f64, model: usize) -> Option<String> {
    ((came / model as f64 - 1.0).abs() > STATED_OFF_MAX)
        .then(|| format!("not as stated: {what}s had {} bytes, {model} are stated", decimal(came)))
}

fn worst(joined: &[Joined]) -> String {
    let has = |status: Status| {
        joined.iter().any(|one| one.result.as_ref().is_ok_and(|of| of.verdict.status == status))
    };
    let failed = joined.is_empty() || joined.iter().any(|one| one.result.is_err());
    let of = [Status::Violated, Status::Invalid].into_iter().find(|status| has(*status));
    match of.unwrap_or(Status::Valid) {
        Status::Violated => Status::Violated.name().to_owned(),
        _ if failed => "failed".to_owned(),
        other => other.name().to_owned(),
    }
}

/// Joins that were due in the window and whose commit was accepted.
fn due(record: &Record) -> u64 {
    record.classes.first().map_or(0, |class| class.commit_response.count)
}

fn cpu_us(record: &Record) -> Option<f64> {
    let joins = due(record);
    (joins > 0).then_some(record.server.as_ref()?.cpu_us as f64 / joins as f64)
}

fn mean(bytes: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| bytes as f64 / count as f64)
}

/// What stands over a table of joins.
#[must_use]
pub(in crate::campaign) fn title(row: &JoinRow, rounds: u32) -> String {
    format!(
        "joins at {} members, {} a minute; {}",
        grouped(row.members.into()),
        decimal(row.offered_joins_per_s * 60.0),
        if rounds == 1 { "one round".to_owned() } else { format!("medians of {rounds} rounds") },
    )
}

/// Bytes and processor time of one size's rows, and then their times, each under a head.
#[must_use]
pub(in crate::campaign) fn cells(rows: &[&JoinRow]) -> [Vec<Vec<String>>; 2] {
    let mut costs = vec![COSTS.map(str::to_owned).to_vec()];
    let bytes = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), kilo);
    costs.extend(rows.iter().map(|row| {
        vec![
            marked(row),
            grouped(row.joins),
            bytes(row.key_package_bytes),
            bytes(row.add_commit_bytes),
            bytes(row.welcome_bytes),
            micros(row.cpu_us_per_join),
            row.cpu_us_per_join.map_or_else(|| "-".to_owned(), ends),
        ]
    }));
    let mut all = vec![TIMES.map(str::to_owned).to_vec()];
    all.extend(rows.iter().map(|row| {
        let [last, welcome, join] =
            [row.commit_last, row.welcome, row.join].map(|of| (time(of, |of| of.p50), of));
        let longest = |of: LastMember| time(of, |of| of.max);
        let row = [marked(row), last.0, longest(last.1), welcome.0, longest(welcome.1)];
        row.into_iter().chain([join.0, longest(join.1)]).collect()
    }));
    [costs, all]
}

/// A pattern without its post-quantum suite, which the summary says, and as one that is modelled.
fn marked(row: &JoinRow) -> String {
    let name = row.name.rsplit_once(':').map_or(row.name.as_str(), |(short, _)| short);
    let name = if row.pattern { format!("{name} (modelled)") } else { name.to_owned() };
    if row.is_sound() { name } else { format!("! {name}") }
}

/// The same for a page.
#[must_use]
pub(in crate::campaign) fn drawn(rows: &[&JoinRow]) -> [Table; 2] {
    let [costs, times] = cells(rows);
    let filled = |mut table: Table, rows: Vec<Vec<String>>| {
        rows.into_iter().skip(1).for_each(|row| table.push(row));
        table
    };
    [filled(Table::headed(COSTS), costs), filled(Table::headed(TIMES), times)]
}

/// Of one size each, the smallest first.
pub(in crate::campaign) fn by_size(rows: &[JoinRow]) -> Vec<Vec<&JoinRow>> {
    rows.chunk_by(|one, other| one.members == other.members).map(|of| of.iter().collect()).collect()
}

/// What a table of joins does not say by itself.
#[must_use]
pub(in crate::campaign) fn reading(rows: &[JoinRow]) -> Option<String> {
    let mut lines = vec![
        "CPU of one join is all that the service did meanwhile, whose only load joins were: the claim of".to_owned(),
        "a KeyPackage, the commit to everybody, the Welcome, the new member's first message. Bytes are"
            .to_owned(),
        "those that came. No stack here runs a pattern: its objects are as long as the model says.".to_owned(),
    ];
    for row in rows.iter().filter(|row| !row.is_sound()) {
        let members = grouped(row.members.into());
        let verdict = match row.status.as_str() {
            "valid" => "NOT STEADY OR NOT AS STATED".to_owned(),
            other => other.to_uppercase(),
        };
        lines.push(format!("! joins of {} at {members}: {verdict}", row.name));
        lines.extend(row.against().take(REASONS).map(|reason| format!("  {reason}")));
    }
    (!rows.is_empty()).then(|| lines.join("\n"))
}

const COSTS: [&str; 7] =
    ["joins to", "n", "KeyPackage", "add commit", "Welcome", "CPU of one", "least..most"];
const TIMES: [&str; 7] =
    ["joins to", "commit last p50", "longest", "Welcome p50", "longest", "joined p50", "longest"];
/// Of what speaks against a row, as many are told.
const REASONS: usize = 3;
