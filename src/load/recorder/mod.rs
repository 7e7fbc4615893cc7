//! Latency, recorded by one thread and merged off the hot path.
//!
//! Three questions, three histograms, never one: `response` runs from the intended instant,
//! `service` from the actual send, `lateness` is the generator's own. Fan-out runs from the
//! intended instant too, and is of members that are there: who is away has no part in it. Takes
//! instants as arguments and reads no clock. Called by the worker; read by the report.

mod phases;
mod series;

use std::ops::Range;
use std::time::Duration;

use phases::PhaseLog;
pub use phases::PhaseSeries;
pub use series::Series;

use super::intervals::{Intervals, Metric};
use super::oracle::Delivered;
use super::periods::{Period, PeriodSeries, Periods};
use super::phases::Phase;
use super::scenario::Scenario;

/// The series of one group class.
#[derive(Clone, Debug, Default)]
pub struct ClassSeries {
    /// See [`Recorder::response`].
    pub response: Series,
    /// Of the response, that of the commits which the schedule calls for.
    pub commit_response: Series,
    /// See [`Recorder::fanout_member`].
    pub fanout_member: Series,
    /// See [`Recorder::fanout_last`].
    pub fanout_last: Series,
    /// Of it, that of the commits which the schedule calls for.
    pub commit_fanout_last: Series,
    /// Deliveries of those commits, whenever they came, and their bytes of MLS messages.
    pub commit_deliveries: (u64, u64),
    /// By [`Period`], in the order of [`Period::ALL`]; empty when nobody goes away.
    pub periods: Vec<PeriodSeries>,
}

/// An operation, as far as latency is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Index of its group's class.
    pub class: u32,
    /// When it was due, since the start of the run.
    pub intended: Duration,
    /// Whether it is recorded at all.
    pub measured: bool,
}

/// What came about inside the measured window, whenever it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Achieved {
    /// Operations that came through: messages that were accepted, and changes of racers, by whichever
    /// commit.
    pub accepted: u64,
    /// Submissions that were accepted, with what racers submit beside their changes.
    pub ordered: u64,
    /// Deliveries that came.
    pub deliveries: u64,
    /// Their bytes of MLS messages.
    pub bytes: u64,
}

/// Everything that one worker records. Only what is measured enters the series; what passes through
/// in warm-up and drain is in the intervals alone.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// From the intended instant to the acceptance.
    pub response: Series,
    /// From the actual send to the acceptance.
    pub service: Series,
    /// From the intended instant to when the generator reached it.
    pub lateness: Series,
    /// Live racers: from when a commit was due, or had lost, to its submission. The members of a
    /// run share the engine's cores, so part of it is the generator's.
    pub preparation: Series,
    /// From the intended instant to the first member that has the message.
    pub fanout_first: Series,
    /// From the intended instant to each member that has it: one value for every delivery.
    pub fanout_member: Series,
    /// From the intended instant to when 99 % of the members have it.
    pub fanout_p99: Series,
    /// From the intended instant to the last member that has it.
    pub fanout_last: Series,
    /// From the intended instant to a refusal.
    pub rejected: Series,
    /// From the intended instant to when it was given up.
    pub timed_out: Series,
    /// By class index.
    pub classes: Vec<ClassSeries>,
    /// What came about inside the measured window.
    pub achieved: Achieved,
    phases: PhaseLog,
    /// The run in slices of time, warm-up and drain included.
    pub intervals: Intervals,
    periods: Option<Periods>,
    window: Range<Duration>,
}

impl Recorder {
    /// An empty recorder for a scenario of `classes` classes that is measured during `window`.
    #[must_use]
    pub fn new(classes: usize, window: Range<Duration>) -> Self {
        Self {
            response: Series::default(),
            service: Series::default(),
            lateness: Series::default(),
            preparation: Series::default(),
            fanout_first: Series::default(),
            fanout_member: Series::default(),
            fanout_p99: Series::default(),
            fanout_last: Series::default(),
            rejected: Series::default(),
            timed_out: Series::default(),
            classes: vec![ClassSeries::default(); classes],
            achieved: Achieved::default(),
            phases: PhaseLog::default(),
            intervals: Intervals::new(vec![window.start, window.end], window.end),
            periods: None,
            window,
        }
    }

    /// An empty recorder of a run of `scenario`, with its phases, its intervals and, if members go away,
    /// their periods.
    #[must_use]
    pub fn over(scenario: &Scenario) -> Self {
        let mut recorder = Self::new(scenario.groups.len(), scenario.window());
        recorder.keep_phases(&scenario.phases);
        let phases = scenario.phases.iter().map(Phase::to).collect();
        recorder.intervals = Intervals::new(phases, scenario.offered() + scenario.drain);
        if let Some(periods) = Periods::of(scenario) {
            recorder.keep_periods(periods);
        }
        recorder
    }

    /// Keeps phases apart from now on, whether they are measured or not. Costs 50 KiB and more for
    /// each.
    pub fn keep_phases(&mut self, phases: &[Phase]) {
        self.phases = PhaseLog::of(phases);
    }

    /// What each phase came to, in the order of the scenario; empty unless they are kept.
    #[must_use]
    pub fn phases(&self) -> &[PhaseSeries] {
        self.phases.series()
    }

    /// The measured window ends at `at`, if that is earlier than it was to.
    pub fn end_window(&mut self, at: Duration) {
        self.window.end = self.window.end.min(at);
    }

    /// Keeps each class's periods apart from now on. Costs 16 KiB and more for each of their series.
    pub fn keep_periods(&mut self, periods: Periods) {
        self.periods = Some(periods);
        for class in &mut self.classes {
            class.periods.resize_with(Period::ALL.len(), PeriodSeries::default);
        }
    }

    /// Everybody who was away is back and has everything, as of `at`.
    pub fn everybody_is_back(&mut self, at: Duration) {
        if let Some(periods) = &mut self.periods {
            periods.completed(at);
        }
    }

    /// What is measured begins earlier than it was to, and ends as much earlier: `window` is what it
    /// is now. Nothing may have been measured yet.
    pub fn bring_forward(&mut self, window: Range<Duration>, early: Duration) {
        self.window = window;
        self.phases.bring_forward(early);
        self.intervals.bring_forward(early);
    }

    /// The generator reached `due` at `reached`.
    pub fn reached(&mut self, due: Due, reached: Duration) {
        self.phases.reached(due.intended, reached);
        self.intervals.reached(due.intended, reached);
        if due.measured {
            self.lateness.record(due.intended, reached);
        }
    }

    /// What was due will never be sent.
    pub fn not_issued(&mut self, due: Due) {
        self.phases.not_issued(due.intended);
    }

    /// What was due, and sent at `sent`, was accepted at `at`.
    pub fn accepted(&mut self, due: Due, sent: Duration, at: Duration) {
        self.ordered(at);
        self.served(due, sent, at);
    }

    /// A submission was accepted at `at`, whether an operation comes through with it or not.
    pub fn ordered(&mut self, at: Duration) {
        self.achieved.ordered += u64::from(self.window.contains(&at));
    }

    /// What was due, and last sent at `sent`, came through at `at`, with whatever was accepted.
    pub fn served(&mut self, due: Due, sent: Duration, at: Duration) {
        self.achieved.accepted += u64::from(self.window.contains(&at));
        self.phases.accepted(due.intended, at);
        self.intervals.accepted(due.intended, sent, at);
        if due.measured {
            self.response.record(due.intended, at);
            self.service.record(sent, at);
            let period = self.periods.map(|periods| periods.at(due.intended));
            if let Some(class) = class_mut(&mut self.classes, due.class) {
                class.response.record(due.intended, at);
                if let Some(series) = of_period(class, period) {
                    series.response.record(due.intended, at);
                }
            }
        }
    }

    /// What was accepted at `at` is a commit that the schedule called for.
    pub fn committed(&mut self, due: Due, at: Duration) {
        let class = class_mut(&mut self.classes, due.class).filter(|_| due.measured);
        if let Some(class) = class {
            class.commit_response.record(due.intended, at);
        }
    }

    /// What was due or had lost at `since` was ready, and sent, at `sent`.
    pub fn prepared(&mut self, due: Due, since: Duration, sent: Duration) {
        if due.measured {
            self.preparation.record(since, sent);
        }
    }

    /// What was due was refused at `at`.
    pub fn rejected(&mut self, due: Due, at: Duration) {
        self.intervals.rejected(at);
        if due.measured {
            self.rejected.record(due.intended, at);
        }
    }

    /// What was due was given up at `at`.
    pub fn timed_out(&mut self, due: Due, at: Duration) {
        self.intervals.timed_out(at);
        if due.measured {
            self.timed_out.record(due.intended, at);
        }
    }

    /// The oracle let a delivery of `bytes` pass that came at `at`, in a group of class `class`.
    pub fn delivered(&mut self, class: u32, delivered: &Delivered, bytes: usize, at: Duration) {
        if self.window.contains(&at) {
            self.achieved.deliveries += 1;
            self.achieved.bytes += bytes as u64;
        }
        self.phases.delivered(delivered, at);
        self.intervals.delivered(bytes as u64, at);
        if delivered.missed {
            return;
        }
        let from = delivered.intended;
        let fanned_out = [
            (Metric::FanoutFirst, delivered.first),
            (Metric::FanoutMember, true),
            (Metric::FanoutLast, delivered.last),
        ];
        for (metric, _) in fanned_out.into_iter().filter(|(_, told)| *told) {
            self.intervals.fanned_out(metric, from, at);
        }
        if !delivered.measured {
            return;
        }
        self.fanout_member.record(from, at);
        if delivered.first {
            self.fanout_first.record(from, at);
        }
        if delivered.reached_p99 {
            self.fanout_p99.record(from, at);
        }
        if delivered.last {
            self.fanout_last.record(from, at);
        }
        if let Some(class) = class_mut(&mut self.classes, class) {
            class.fanout_member.record(from, at);
            if delivered.last {
                class.fanout_last.record(from, at);
                let period = self.periods.map(|periods| periods.at(from));
                if let Some(series) = of_period(class, period) {
                    series.fanout_last.record(from, at);
                }
            }
        }
    }

    /// The `bytes` that were delivered at `at`, in a group of class `class`, are a commit that the
    /// schedule called for.
    pub fn commit_delivered(
        &mut self,
        class: u32,
        delivered: &Delivered,
        bytes: usize,
        at: Duration,
    ) {
        let class = class_mut(&mut self.classes, class).filter(|_| delivered.measured);
        let Some(class) = class else { return };
        class.commit_deliveries.0 += 1;
        class.commit_deliveries.1 += bytes as u64;
        if delivered.last && !delivered.missed {
            class.commit_fanout_last.record(delivered.intended, at);
        }
    }

    /// How many operations had an outcome, and how long they were in flight on average, in
    /// microseconds: the right side of Little's law.
    #[must_use]
    pub fn outcomes(&self) -> (u64, f64) {
        let all = [&self.response, &self.rejected, &self.timed_out];
        let count: u64 = all.iter().map(|series| series.count()).sum();
        let total: f64 = all.iter().map(|series| series.mean_us() * series.count() as f64).sum();
        (count, if count == 0 { 0.0 } else { total / count as f64 })
    }

    /// Adds what another worker recorded of the same scenario. Intervals stay each worker's own.
    pub fn merge(&mut self, other: &Self) {
        let Self { response, service, lateness, .. } = other;
        self.response.merge(response);
        self.service.merge(service);
        self.lateness.merge(lateness);
        self.preparation.merge(&other.preparation);
        self.achieved.accepted += other.achieved.accepted;
        self.achieved.ordered += other.achieved.ordered;
        self.achieved.deliveries += other.achieved.deliveries;
        self.achieved.bytes += other.achieved.bytes;
        self.fanout_first.merge(&other.fanout_first);
        self.fanout_member.merge(&other.fanout_member);
        self.fanout_p99.merge(&other.fanout_p99);
        self.fanout_last.merge(&other.fanout_last);
        self.rejected.merge(&other.rejected);
        self.timed_out.merge(&other.timed_out);
        self.phases.merge(&other.phases);
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.response.merge(&theirs.response);
            mine.commit_response.merge(&theirs.commit_response);
            mine.fanout_member.merge(&theirs.fanout_member);
            mine.fanout_last.merge(&theirs.fanout_last);
            mine.commit_fanout_last.merge(&theirs.commit_fanout_last);
            mine.commit_deliveries.0 += theirs.commit_deliveries.0;
            mine.commit_deliveries.1 += theirs.commit_deliveries.1;
            for (mine, theirs) in mine.periods.iter_mut().zip(&theirs.periods) {
                mine.response.merge(&theirs.response);
                mine.fanout_last.merge(&theirs.fanout_last);
            }
        }
    }
}

fn of_period(class: &mut ClassSeries, period: Option<Period>) -> Option<&mut PeriodSeries> {
    class.periods.get_mut(period? as usize)
}

fn class_mut(classes: &mut [ClassSeries], class: u32) -> Option<&mut ClassSeries> {
    classes.get_mut(usize::try_from(class).ok()?)
}

#[cfg(test)]
mod tests;
