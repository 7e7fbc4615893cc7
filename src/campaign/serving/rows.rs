//! What the runs of one suite at one size come to.
//!
//! Pure. Times are of one histogram of all runs, never a mean of quantiles; every other figure is the
//! median over rounds, with the least and the most. A load that was not steady, or was not what is
//! stated, is said in the row. Called by `measure`.

use std::time::Duration;

use super::question::{Contender, Question, Traffic};
use super::record::{LastMember, ServingRow, ServingTrial};
use crate::campaign::TrialError;
use crate::campaign::record::{Spread, TrialRecord};
use crate::limits::{ACHIEVED_SHARE_MIN, STATED_OFF_MAX, STEADY_INTERVALS, SUSTAINED_LAST_MIN};
use crate::load::recorder::Series;
use crate::report::build::series;
use crate::report::record::{ClassRecord, Record};
use crate::report::summary::{decimal, duration, grouped};
use crate::report::verdict::Status;

/// Verdicts, the worst last.
const WORST: [&str; 4] = ["valid", "invalid", "violated", "failed"];

/// One run at a row's rate, or why there is none.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) place: u32,
    pub(super) round: u32,
    pub(super) traffic: Traffic,
    pub(super) again: bool,
    pub(super) replaced: bool,
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
            again: self.again,
            replaced: self.replaced,
            error: self.result.as_ref().err().map(|error| error.0.clone()),
            commits: record.map_or(0, commits),
            run: record.map(|record| TrialRecord::of(self.place, 1.0, record)),
        }
    }

    /// Whether it says nothing of the service, since the generator was the limit.
    pub(super) fn is_of_the_generator(&self) -> bool {
        let verdict = self.result.as_ref().map(|record| &record.verdict);
        verdict.is_ok_and(|of| of.status == Status::Invalid && of.generator_limited)
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
    let counted: Vec<&Ran> = ran.iter().filter(|one| !one.replaced).collect();
    let place = |one: &&Ran| WORST.iter().position(|known| *known == one.status());
    let worst = counted.iter().filter_map(place).max().unwrap_or(WORST.len() - 1);
    let (alone, both) =
        (Counted::of(&counted, Traffic::Messages), Counted::of(&counted, Traffic::Both));
    let objects = question.objects(contender, members);
    let per_s = question.commits_per_s(contender, members);
    let fanned_out = objects.commit_mean * f64::from(members);
    let delivered = both.delivered_per_commit();
    let per_commit = Spread::of(both.records.iter().filter_map(|(round, record)| {
        // That of the same round, when the machine was as it was then.
        let message = alone.cpu_of(*round)?;
        cpu_per_commit(record, members, message)
    }));
    let part = |index: usize| {
        let of = |record: &Record| record.classes.get(index).and_then(commit_times);
        contender.full_every().map(|_| both.last_of(of))
    };
    let each =
        |of: Spread, by: f64| Spread { median: of.median / by, min: of.min / by, max: of.max / by };
    ServingRow {
        name: contender.name(),
        pattern: contender.deployment().is_some(),
        members,
        status: WORST[worst].to_owned(),
        reasons: each_once(counted.iter().flat_map(|one| one.reasons())),
        valid: u32::try_from(counted.iter().filter(|one| one.status() == WORST[0]).count())
            .unwrap_or(u32::MAX),
        spoiled: each_once(
            both.records
                .iter()
                .flat_map(|(_, record)| unsteady(record, per_s))
                .chain(delivered.and_then(|delivered| misstated(delivered, fanned_out))),
        ),
        offered_commits_per_s: per_s,
        offered_messages_per_s: question.messages_per_s(members),
        commit_bytes: objects.commit_mean,
        fanout_bytes_per_commit: fanned_out,
        delivered_bytes_per_commit: delivered,
        message_bytes: objects.application,
        cpu_us_per_commit: per_commit,
        cpu_us_per_commit_delivery: per_commit.map(|of| each(of, f64::from(members))),
        cpu_us_per_message_delivery: alone.cpu(),
        cpu_us_per_delivery: both.cpu(),
        commit_last: both.last(commit_times),
        classical_last: part(0),
        post_quantum_last: part(1),
        message_last_alone: alone.last(messages),
        message_last_beside: both.last(messages),
        egress_bytes_per_s: Spread::of(
            both.records.iter().map(|(_, record)| record.throughput.delivered_bytes_per_s),
        ),
        saturation: None,
        trials: ran.iter().map(Ran::trial).collect(),
    }
}

/// Why a run at `per_s` commits a second was no steady load, or what it cost is not all in its window.
pub(super) fn unsteady(record: &Record, per_s: f64) -> Vec<String> {
    let mut why = Vec::new();
    let (offered, achieved) = (record.throughput.offered_per_s, record.throughput.operations_per_s);
    if achieved < ACHIEVED_SHARE_MIN * offered {
        why.push(format!(
            "not steady: {} of {} operations/s achieved, {}% asked for",
            decimal(achieved),
            decimal(offered),
            ACHIEVED_SHARE_MIN * 100.0
        ));
    }
    let most = Duration::from_secs_f64(STEADY_INTERVALS / per_s).max(SUSTAINED_LAST_MIN);
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    let last = record.classes.iter().map(|class| class.commit_fanout_last.max).max().unwrap_or(0);
    if last > most {
        why.push(format!(
            "not steady: a commit had its last member after {}, {} allowed",
            duration(last),
            duration(most)
        ));
    }
    why
}

/// Whether commits had other bytes than are stated of them.
fn misstated(delivered: f64, stated: f64) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes")]
    let whole = |bytes: f64| grouped(bytes.round() as u64);
    ((delivered / stated - 1.0).abs() > STATED_OFF_MAX).then(|| {
        let (delivered, stated) = (whole(delivered), whole(stated));
        format!("not as stated: {delivered} bytes of a commit were delivered, {stated} are stated")
    })
}

pub(super) fn each_once(reasons: impl Iterator<Item = String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for reason in reasons {
        if !once.contains(&reason) {
            once.push(reason);
        }
    }
    once
}

/// The runs of one traffic whose figures count, by round: the valid ones, or all if none is.
struct Counted<'a> {
    records: Vec<(u32, &'a Record)>,
}

impl<'a> Counted<'a> {
    fn of(ran: &[&'a Ran], traffic: Traffic) -> Self {
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

    /// Bytes that members got of a commit of the room, all together: of a combiner with what its second
    /// group had of it.
    fn delivered_per_commit(&self) -> Option<f64> {
        let commits: u64 = self.records.iter().map(|(_, record)| commits(record)).sum();
        let classes = self.records.iter().flat_map(|(_, record)| &record.classes);
        let bytes: u64 = classes.map(|class| class.commit_delivered_bytes).sum();
        (commits > 0 && bytes > 0).then(|| bytes as f64 / commits as f64)
    }

    /// Some times of all classes and runs, as one histogram.
    fn last(&self, of: impl Fn(&ClassRecord) -> Option<Series>) -> LastMember {
        self.last_of(|record| record.classes.iter().filter_map(&of))
    }

    /// Some times of all runs, as one histogram.
    fn last_of<I: IntoIterator<Item = Series>>(&self, of: impl Fn(&'a Record) -> I) -> LastMember {
        LastMember::of(self.records.iter().flat_map(|(_, record)| of(record)))
    }
}

/// The times of a class to the last member of a commit.
fn commit_times(class: &ClassRecord) -> Option<Series> {
    series(&class.commit_fanout_last)
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

/// What the service spent for each of the room's commits where nothing but commits was sent, by what its
/// deliveries cost, so that those which the window's ends cut off are of no weight; `None` without any.
pub(super) fn cpu_per_commit_alone(record: &Record, members: u32) -> Option<f64> {
    let all: u64 = record.classes.iter().map(|class| class.commit_response.count).sum();
    let parts = all as f64 / commits(record) as f64;
    let cpu = cpu_us_per_delivery(record)? * f64::from(members) * parts;
    (cpu.is_finite() && cpu > 0.0).then_some(cpu)
}

/// What the service spent in the window beside what messages cost it, for each of the room's commits;
/// `None` when it had none, or did not deliver them all within, or messages cost as much as everything.
pub(super) fn cpu_per_commit(record: &Record, members: u32, message_us: f64) -> Option<f64> {
    let server = record.server.as_ref()?;
    let all: u64 = record.classes.iter().map(|class| class.commit_response.count).sum();
    let deliveries = server.deliveries.checked_sub(all.saturating_mul(members.into()))?;
    let spent = server.cpu_us as f64 - deliveries as f64 * message_us;
    let commits = commits(record);
    (commits > 0 && spent > 0.0).then(|| spent / commits as f64)
}
