//! From what a run counted to its record.
//!
//! Pure: the caller brings every number. Called by `cli` when a run is over.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::contention;
use super::doubt::{self, HostUse, PacerRecord};
use super::intervals::IntervalRecord;
use super::joins::JoinsRecord;
use super::provenance::{Provenance, source_name};
use super::record::{
    ClassRecord, Distribution, EngineUse, Floor, Idle, Latency, PeriodRecord, PhaseRecord,
    RealMembers, Record, RunCounts, SCHEMA_VERSION, ServerUse, Throughput,
};
use super::returns::ReturnsRecord;
use super::slow::SlowRecord;
use super::thresholds::{aborted, thresholds};
use super::verdict::{Evidence, judge};
use crate::floor::F3;
use crate::limits::REASONS_MAX;
use crate::load::Outcome;
use crate::load::Verified;
use crate::load::contention::Tally;
use crate::load::intervals::Interval;
use crate::load::joins::Joins;
use crate::load::noted::Noted;
use crate::load::oracle::{Counts, Judgement, ViolationKind, Violations};
use crate::load::pacer::Pace;
use crate::load::periods::Period;
use crate::load::phases::Phase;
use crate::load::recorder::{ClassSeries, PhaseSeries, Recorder, Series};
use crate::load::returns::Returns;
use crate::load::scenario::Scenario;
use crate::load::slow::Lag;
use crate::load::strain::Strain;
use crate::load::threshold::{Aborted, OF_RACES, ServerFacts};

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Finished<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What was recorded, of all workers.
    pub recorder: &'a Recorder,
    /// The window that was measured, since the start of the run.
    pub measured: Range<Duration>,
    /// Why and when it was given up, if it was.
    pub aborted: Option<Aborted>,
    /// The same in slices of time.
    pub intervals: &'a [Interval],
    /// By class: what racing cost its members, for live ones.
    pub tallies: &'a [Option<Tally>],
    /// How hard the engine had it in the window, if that ended.
    pub strain: Option<Strain>,
    /// How late it woke before there was any load.
    pub pacer: &'a [Pace],
    /// What the oracles say, of all workers.
    pub judgement: &'a Judgement,
    /// Everything that the schedule and the retry rule called for.
    pub called_for: u64,
    /// Mean number of measured operations in flight, over all workers, from `Occupancy`.
    pub in_flight_mean: f64,
    /// The same if each had stayed within the window for all of its time: what Little's law is asked of.
    pub in_flight_stayed: f64,
    /// Refusals by reason.
    pub refusals: &'a BTreeMap<&'static str, u64>,
    /// Operations that waited until their sender had reached their epoch.
    pub held: u64,
    /// By class: what came of its slow members, if it has any.
    pub lags: &'a [Option<Lag>],
    /// What came of members that went away.
    pub returns: Option<&'a Returns>,
    /// What came of those who joined in the run, and of those who went.
    pub joins: Option<&'a Joins>,
    /// What real members found.
    pub verified: &'a Verified,
    /// Sessions that ended inside the run.
    pub sessions_lost: &'a Noted,
    /// What the server spent on the measured window.
    pub server: Option<ServerTotals>,
    /// The least that the server's deliveries could have cost, or why that is not known.
    pub floor: Result<F3, String>,
    /// How the server was lost, if it was.
    pub server_lost: Option<String>,
    /// What the engine spent on the measured window.
    pub engine: EngineTotals,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl<'a> Finished<'a> {
    /// What a run found out, with what both sides spent on its measured window.
    #[must_use]
    pub fn of(
        scenario: &'a Scenario,
        outcome: &'a Outcome,
        (server, engine): (Option<ServerTotals>, EngineTotals),
        floor: Result<F3, String>,
        provenance: Provenance,
    ) -> Self {
        Self {
            scenario,
            recorder: &outcome.recorder,
            tallies: &outcome.tallies,
            measured: outcome.measured.clone(),
            aborted: outcome.aborted,
            intervals: &outcome.intervals,
            strain: outcome.strain,
            pacer: &outcome.pacer,
            judgement: &outcome.judgement,
            called_for: outcome.called_for,
            in_flight_mean: outcome.in_flight_mean,
            in_flight_stayed: outcome.in_flight_stayed,
            refusals: &outcome.refusals,
            held: outcome.held,
            lags: &outcome.lags,
            returns: outcome.returns.as_ref(),
            joins: outcome.joins.as_ref(),
            verified: &outcome.verified,
            sessions_lost: &outcome.sessions_lost,
            server,
            floor,
            server_lost: outcome.server_lost.clone(),
            engine,
            provenance,
        }
    }
}

/// What the server spent on the measured window, and did meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTotals {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// Its highest.
    pub rss_peak_bytes: u64,
    /// Deliveries it counted.
    pub deliveries: u64,
    /// Datagrams it sent.
    pub packets_sent: u64,
    /// Calls to send and receive.
    pub syscalls: u64,
    /// Handshakes, and those of them that were resumed.
    pub handshakes: (u64, u64),
    /// Bytes of the frames it handed to recipients.
    pub delivery_bytes: u64,
    /// Receives that the kernel dropped because its buffers were full.
    pub receive_drops: u64,
    /// What the kernel granted each of its sockets, in or out: the least.
    pub socket_buffer_bytes: u64,
    /// When all members were attached and nothing had been sent.
    pub idle: Option<IdleTotals>,
}

/// The server with members that are only there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleTotals {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Members that were attached.
    pub members: u64,
    /// The connections that carried them.
    pub connections: u64,
}

/// What the engine spent on the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineTotals {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// Its highest.
    pub rss_peak_bytes: u64,
}

/// The record of `finished`, its verdict included.
#[must_use]
pub fn record(finished: Finished<'_>) -> Record {
    let Finished { recorder, judgement, .. } = finished;
    let server = finished.server.map(|totals| server_use(totals, &finished.floor));
    let server_facts = server.as_ref().map(|server| ServerFacts {
        cpu_us_per_delivery: server.cpu_us_per_delivery,
        rss_peak_bytes: server.rss_peak_bytes,
    });
    Record {
        schema_version: SCHEMA_VERSION,
        verdict: judge(&evidence(&finished)),
        warnings: doubt::warnings(&finished),
        thresholds: thresholds(&finished, server_facts),
        aborted: aborted(&finished),
        counts: run_counts(&finished),
        violations: by_name(&judgement.violations).into_iter().collect(),
        violation_examples: examples(&judgement.violations),
        refusals: finished
            .refusals
            .iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect(),
        real_members: real_members(finished.verified),
        latency_us: latency(recorder),
        phases: phases(&finished),
        classes: classes(&finished),
        contention: contention::rows(finished.scenario, finished.tallies, window_s(&finished)),
        returns: finished.returns.map(ReturnsRecord::from),
        joins: finished.joins.map(|joins| JoinsRecord::of(joins, finished.scenario)),
        throughput: throughput(&finished),
        server,
        engine: EngineUse {
            cpu_us: micros(finished.engine.cpu),
            rss_bytes: finished.engine.rss_bytes,
            rss_peak_bytes: finished.engine.rss_peak_bytes,
            in_flight_mean: finished.in_flight_mean,
            lateness_p99_us: recorder.lateness.quantile_us(0.99),
            worker_busy_share: finished.strain.map(|strain| strain.busy_share),
            receive_drops: finished.strain.map_or(0, |strain| strain.receive_drops),
            pacer: finished.pacer.iter().map(PacerRecord::from).collect(),
        },
        host: finished.strain.as_ref().map(HostUse::from),
        drift: doubt::drifts(&finished),
        intervals: finished.intervals.iter().map(IntervalRecord::from).collect(),
        provenance: finished.provenance,
    }
}

/// What the verdict on `finished` rests on.
#[must_use]
pub fn evidence(finished: &Finished<'_>) -> Evidence {
    let recorder = finished.recorder;
    let (outcomes, mean_us) = recorder.outcomes();
    let per_second = per_second(outcomes, window_s(finished));
    // Neither had the time that it should have had.
    let lost = finished.server_lost.is_some() || finished.aborted.is_some();
    let cut_off = finished.aborted.map_or((0, 0), |aborted| (aborted.waiting, aborted.in_flight));
    let counts = &finished.judgement.counts;
    Evidence {
        violations: by_name(&finished.judgement.violations)
            .into_iter()
            .filter(|(name, _)| !(lost && left_open(name)))
            .collect(),
        member_faults: finished.verified.faults.len() as u64,
        members_overflowed: finished.verified.overflowed,
        sessions_lost: finished.sessions_lost.clone(),
        refused: finished
            .refusals
            .iter()
            .filter(|(reason, _)| !OF_RACES.contains(reason))
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect(),
        called_for: finished.called_for,
        joins_failed: finished.joins.map_or_else(Noted::default, |joins| joins.failed.clone()),
        not_in: finished
            .joins
            .filter(|_| finished.aborted.is_none())
            .map_or(0, |joins| joins.let_in - joins.joined),
        not_back: finished
            .returns
            .filter(|_| finished.aborted.is_none())
            .map_or(0, |returns| returns.away - returns.back),
        not_issued: counts.not_issued - cut_off.0,
        timed_out: counts.timed_out - cut_off.1,
        undelivered: counts.undelivered,
        accepted_measured: recorder.response.count(),
        lateness_p99_us: recorder.lateness.quantile_us(0.99),
        response_p99_us: recorder.response.quantile_us(0.99),
        // Little's law is of a window; where a run was given up, there may be none.
        outcomes: if finished.aborted.is_some() { 0 } else { outcomes },
        busy_share: finished.strain.map_or(0.0, |strain| strain.busy_share),
        receive_drops: finished.strain.map_or(0, |strain| strain.receive_drops),
        in_flight_counted: finished.in_flight_stayed,
        in_flight_implied: per_second * mean_us / 1e6,
        server_lost: finished.server_lost.clone(),
    }
}

/// What cannot be held against a server that vanished: it had no time to do it.
fn left_open(name: &str) -> bool {
    [ViolationKind::Missing, ViolationKind::WinnerNotTold].iter().any(|kind| kind.name() == name)
}

fn real_members(verified: &Verified) -> RealMembers {
    RealMembers {
        members: verified.members,
        messages: verified.messages,
        faults: verified.faults.iter().take(REASONS_MAX).cloned().collect(),
    }
}

/// A series as a record holds it.
#[must_use]
pub fn distribution(series: &Series) -> Distribution {
    Distribution {
        count: series.count(),
        mean: series.mean_us(),
        p50: series.quantile_us(0.5),
        p90: series.quantile_us(0.9),
        p99: series.quantile_us(0.99),
        p999: series.quantile_us(0.999),
        p9999: series.quantile_us(0.9999),
        max: series.max_us(),
        negatives: series.negatives(),
        saturated: series.saturated(),
        histogram: STANDARD.encode(series.to_bytes()),
    }
}

/// The series of which [`distribution`] is; `None` if it has no histogram.
#[must_use]
pub fn series(of: &Distribution) -> Option<Series> {
    let bytes = STANDARD.decode(&of.histogram).ok()?;
    Series::of_bytes(&bytes, of.negatives, of.saturated)
}

fn by_name(violations: &Violations) -> Vec<(String, u64)> {
    ViolationKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), violations.count(kind)))
        .collect()
}

fn examples(violations: &Violations) -> Vec<String> {
    violations.examples().iter().map(ToString::to_string).collect()
}

fn run_counts(finished: &Finished<'_>) -> RunCounts {
    let counts: &Counts = &finished.judgement.counts;
    RunCounts {
        issued: finished.called_for,
        held: finished.held,
        accepted: counts.accepted,
        rejected: counts.rejected,
        rejected_wrong_epoch: counts.rejected_wrong_epoch,
        timed_out: counts.timed_out,
        late_replies: counts.late_replies,
        not_issued: counts.not_issued,
        deliveries_expected: counts.deliveries_expected,
        deliveries: counts.deliveries,
        excused: counts.excused,
        cut_off: counts.cut_off,
        undelivered: counts.undelivered,
    }
}

fn latency(recorder: &Recorder) -> Latency {
    Latency {
        response: distribution(&recorder.response),
        service: distribution(&recorder.service),
        lateness: distribution(&recorder.lateness),
        preparation: distribution(&recorder.preparation),
        rejected: distribution(&recorder.rejected),
        timed_out: distribution(&recorder.timed_out),
        fanout_first: distribution(&recorder.fanout_first),
        fanout_member: distribution(&recorder.fanout_member),
        fanout_p99: distribution(&recorder.fanout_p99),
        fanout_last: distribution(&recorder.fanout_last),
    }
}

/// The phases as far as the run got.
fn phases(finished: &Finished<'_>) -> Vec<PhaseRecord> {
    let end = finished.aborted.map_or(Duration::MAX, |aborted| aborted.at);
    // A warm-up that ended early brought forward its own end and everything after it.
    let early = finished.scenario.window().start.saturating_sub(finished.measured.start);
    let both = finished.scenario.phases.iter().zip(finished.recorder.phases());
    let row = |(phase, series): (&Phase, &PhaseSeries)| {
        let from = phase.from.saturating_sub(early);
        let to = phase.to().saturating_sub(early).min(end);
        let seconds = to.saturating_sub(from).as_secs_f64();
        PhaseRecord {
            name: phase.name.clone(),
            kind: phase.kind.name().to_owned(),
            from_s: from.as_secs_f64(),
            to_s: to.as_secs_f64(),
            offered_per_s: per_second(series.due, seconds),
            accepted_per_s: per_second(series.accepted, seconds),
            deliveries_per_s: per_second(series.deliveries, seconds),
            not_issued: series.not_issued,
            response: distribution(&series.response),
            lateness: distribution(&series.lateness),
            fanout_last: distribution(&series.fanout_last),
        }
    };
    both.filter(|(phase, _)| phase.from.saturating_sub(early) < end).map(row).collect()
}

fn classes(finished: &Finished<'_>) -> Vec<ClassRecord> {
    let Finished { scenario, recorder, lags, .. } = *finished;
    let both = (0..).zip(scenario.groups.iter().zip(&recorder.classes));
    both.map(|(index, (class, series))| ClassRecord {
        name: class.name.clone(),
        groups: class.count,
        members: class.members,
        memberships: class.group_sizes(scenario.seed, index).map(u64::from).sum(),
        suite: class.suite.name().to_owned(),
        welcome_suite: class.welcome.map(|suite| suite.name().to_owned()),
        source: source_name(class.source).to_owned(),
        durability: class.durability.name().to_owned(),
        validation: class.validation.name().to_owned(),
        acknowledge: class.acknowledge,
        response: distribution(&series.response),
        commit_response: distribution(&series.commit_response),
        fanout_member: distribution(&series.fanout_member),
        fanout_last: distribution(&series.fanout_last),
        commit_fanout_last: distribution(&series.commit_fanout_last),
        commit_deliveries: series.commit_deliveries.0,
        commit_delivered_bytes: series.commit_deliveries.1,
        periods: periods(series),
        slow: lags.get(index as usize).and_then(Option::as_ref).map(SlowRecord::from),
    })
    .collect()
}

fn periods(series: &ClassSeries) -> Vec<PeriodRecord> {
    let both = Period::ALL.iter().zip(&series.periods);
    both.map(|(period, series)| PeriodRecord {
        period: period.name().to_owned(),
        response: distribution(&series.response),
        fanout_last: distribution(&series.fanout_last),
    })
    .collect()
}

/// The length of the measured window in seconds.
fn window_s(finished: &Finished<'_>) -> f64 {
    finished.measured.end.saturating_sub(finished.measured.start).as_secs_f64()
}

/// Nothing happens in no time.
fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn throughput(finished: &Finished<'_>) -> Throughput {
    let window_s = window_s(finished);
    let achieved = finished.recorder.achieved;
    Throughput {
        window_s,
        // Whatever was due in it has been reached, late or not, and is one value of lateness.
        offered_per_s: per_second(finished.recorder.lateness.count(), window_s),
        operations_per_s: per_second(achieved.ordered, window_s),
        came_through_per_s: Some(per_second(achieved.accepted, window_s)),
        deliveries_per_s: per_second(achieved.deliveries, window_s),
        delivered_bytes_per_s: per_second(achieved.bytes, window_s),
    }
}

fn server_use(totals: ServerTotals, floor: &Result<F3, String>) -> ServerUse {
    let deliveries = totals.deliveries as f64;
    let each = |what: f64| (totals.deliveries > 0).then_some(what / deliveries);
    let cpu_us_per_delivery = each(totals.cpu.as_secs_f64() * 1e6);
    ServerUse {
        cpu_us: micros(totals.cpu),
        rss_bytes: totals.rss_bytes,
        rss_peak_bytes: totals.rss_peak_bytes,
        deliveries: totals.deliveries,
        packets_sent: totals.packets_sent,
        syscalls: totals.syscalls,
        delivery_bytes: totals.delivery_bytes,
        receive_drops: totals.receive_drops,
        socket_buffer_bytes: totals.socket_buffer_bytes,
        handshakes: totals.handshakes.0,
        handshakes_resumed: totals.handshakes.1,
        idle: totals.idle.filter(|idle| idle.members > 0).map(|idle| Idle {
            rss_bytes: idle.rss_bytes,
            members: idle.members,
            connections: Some(idle.connections),
            bytes_per_member: idle.rss_bytes / idle.members,
        }),
        cpu_us_per_delivery,
        packets_per_delivery: each(totals.packets_sent as f64),
        syscalls_per_delivery: each(totals.syscalls as f64),
        floor: floor.as_ref().ok().zip(cpu_us_per_delivery).map(|(f3, server)| share(f3, server)),
        floor_missing: floor.as_ref().err().cloned(),
    }
}

/// How much of the `server`'s microseconds for each delivery no service could have saved.
fn share(f3: &F3, server: f64) -> Floor {
    let least = f3.cpu_us_per_delivery.median;
    Floor {
        members: f3.work.members,
        bytes: f3.work.bytes.into(),
        cpu_us_per_delivery: least,
        share: if server > 0.0 { least / server } else { 0.0 },
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
