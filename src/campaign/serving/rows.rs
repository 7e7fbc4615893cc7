//! What the runs of one suite at one size come to.
//!
//! Pure. Times are of one histogram of all runs, never a mean of quantiles; every other figure is the
//! median over rounds, with the least and the most. Called by `measure`.

use super::question::{Contender, Question, Traffic};
use super::record::{LastMember, ServingRow, ServingTrial};
use crate::campaign::TrialError;
use crate::campaign::record::{Spread, TrialRecord};
use crate::load::recorder::Series;
use crate::report::build::series;
use crate::report::record::{ClassRecord, Record};
use crate::report::verdict::Status;

/// Verdicts, the worst last.
const WORST: [&str; 4] = ["valid", "invalid", "violated", "failed"];

/// One run at the common rate, or why there is none.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) place: u32,
    pub(super) round: u32,
    pub(super) traffic: Traffic,
    pub(super) result: Result<Record, TrialError>,
}

impl Ran {
    /// In short.
    pub(super) fn trial(&self) -> ServingTrial {
        let record = self.result.as_ref().ok();
        ServingTrial {
            place: self.place,
            round: self.round,
            traffic: self.traffic.name().to_owned(),
            error: self.result.as_ref().err().map(|error| error.0.clone()),
            commits: record.map_or(0, commits),
            run: record.map(|record| TrialRecord::of(self.place, 1.0, record)),
        }
    }

    fn status(&self) -> &'static str {
        let status = self.result.as_ref().map(|record| record.verdict.status.name());
        status.unwrap_or(WORST[WORST.len() - 1])
    }

    fn reasons(&self) -> Vec<String> {
        match &self.result {
            Ok(record) => record.verdict.reasons.clone(),
            Err(error) => vec![error.0.clone()],
        }
    }
}

/// The row that `ran` are the runs of.
pub(super) fn row(
    question: &Question,
    contender: &Contender,
    members: u32,
    ran: Vec<Ran>,
) -> ServingRow {
    let place = |one: &Ran| WORST.iter().position(|known| *known == one.status());
    let worst = ran.iter().filter_map(place).max().unwrap_or(WORST.len() - 1);
    let mut reasons: Vec<String> = Vec::new();
    for reason in ran.iter().flat_map(Ran::reasons) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let counted = |traffic| Counted::of(&ran, traffic);
    let (alone, both) = (counted(Traffic::Messages), counted(Traffic::Both));
    let objects = question.objects(contender, members);
    let per_s = question.commits_per_s(members);
    let per_commit = Spread::of(both.records.iter().filter_map(|(round, record)| {
        // That of the same round, when the machine was as it was then.
        let message = alone.cpu_of(*round)?;
        cpu_per_commit(record, members, message)
    }));
    let each =
        |of: Spread, by: f64| Spread { median: of.median / by, min: of.min / by, max: of.max / by };
    ServingRow {
        name: contender.name(),
        pattern: contender.deployment().is_some(),
        members,
        status: WORST[worst].to_owned(),
        reasons,
        valid: u32::try_from(ran.iter().filter(|one| one.status() == WORST[0]).count())
            .unwrap_or(u32::MAX),
        offered_commits_per_s: per_s,
        offered_messages_per_s: per_s * f64::from(question.messages_per_commit(members)),
        commit_bytes: objects.commit_mean,
        fanout_bytes_per_commit: objects.commit_mean * f64::from(members),
        message_bytes: objects.application,
        cpu_us_per_commit: per_commit,
        cpu_us_per_commit_delivery: per_commit.map(|of| each(of, f64::from(members))),
        cpu_us_per_message_delivery: alone.cpu(),
        cpu_us_per_delivery: both.cpu(),
        commit_last: both.last(|class| series(&class.commit_fanout_last)),
        message_last_alone: alone.last(messages),
        message_last_beside: both.last(messages),
        egress_bytes_per_s: Spread::of(
            both.records.iter().map(|(_, record)| record.throughput.delivered_bytes_per_s),
        ),
        saturation: None,
        trials: ran.iter().map(Ran::trial).collect(),
    }
}

/// The runs of one traffic whose figures count, by round: the valid ones, or all if none is.
struct Counted<'a> {
    records: Vec<(u32, &'a Record)>,
}

impl<'a> Counted<'a> {
    fn of(ran: &'a [Ran], traffic: Traffic) -> Self {
        let of_kind = ran.iter().filter(|one| one.traffic == traffic);
        let all: Vec<(u32, &Record)> =
            of_kind.filter_map(|one| Some((one.round, one.result.as_ref().ok()?))).collect();
        let valid = |(_, record): &&(u32, &Record)| record.verdict.status == Status::Valid;
        let some = all.iter().any(|one| valid(&one));
        let records = all.iter().filter(|one| !some || valid(one)).copied().collect();
        Self { records }
    }

    /// Processor time of a delivery over the rounds.
    fn cpu(&self) -> Option<Spread> {
        Spread::of(self.records.iter().filter_map(|(_, record)| cpu_us_per_delivery(record)))
    }

    /// The same in one round; where that has none, the median of the others.
    fn cpu_of(&self, round: u32) -> Option<f64> {
        let here = self.records.iter().find(|(other, _)| *other == round);
        let here = here.and_then(|(_, record)| cpu_us_per_delivery(record));
        here.or_else(|| self.cpu().map(|of| of.median))
    }

    /// Some times of all classes and runs, as one histogram.
    fn last(&self, of: impl Fn(&ClassRecord) -> Option<Series>) -> LastMember {
        let mut all = Series::default();
        let classes = self.records.iter().flat_map(|(_, record)| &record.classes);
        for of in classes.filter_map(of) {
            all.merge(&of);
        }
        LastMember {
            count: all.count(),
            p50: all.quantile_us(0.5),
            p99: all.quantile_us(0.99),
            max: all.max_us(),
        }
    }
}

/// The times of a class to the last member of a message that is no commit.
fn messages(class: &ClassRecord) -> Option<Series> {
    let all = series(&class.fanout_last)?;
    match series(&class.commit_fanout_last) {
        Some(commits) => all.without(&commits),
        None => Some(all),
    }
}

fn cpu_us_per_delivery(record: &Record) -> Option<f64> {
    record.server.as_ref().and_then(|server| server.cpu_us_per_delivery)
}

/// Commits of the first group that were due in the window and accepted: the room's, whatever a second
/// group commits beside them.
pub(super) fn commits(record: &Record) -> u64 {
    record.classes.first().map_or(0, |class| class.commit_response.count)
}

/// What the service spent in the window beside what messages cost it, for each of the room's commits;
/// `None` when it had none, or messages cost as much as everything.
pub(super) fn cpu_per_commit(record: &Record, members: u32, message_us: f64) -> Option<f64> {
    let server = record.server.as_ref()?;
    let all: u64 = record.classes.iter().map(|class| class.commit_response.count).sum();
    let deliveries = server.deliveries.saturating_sub(all.saturating_mul(members.into()));
    let spent = server.cpu_us as f64 - deliveries as f64 * message_us;
    let commits = commits(record);
    (commits > 0 && spent > 0.0).then(|| spent / commits as f64)
}
