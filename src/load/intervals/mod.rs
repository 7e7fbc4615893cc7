//! A run in slices of time: what came about in each, from the first operation to the end of the drain.
//!
//! Everything is in the interval in which it was told, warm-up and drain included, so that the sum of
//! the intervals is the run. Recording costs what one histogram costs: the turn of an interval swaps
//! two sets of histograms, and those of the interval that is over are packed one at a time, whenever
//! the worker looks around. Pure, and reads no clock. Called by the recorder and the worker; read by
//! the report and by whoever judges a run while it runs.

mod interval;
mod packed;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use interval::{Interval, Metric};
pub use packed::Packed;

use super::recorder::Series;
use crate::limits::{INTERVAL, INTERVALS_MAX};

/// What the server had used when it was asked, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerReading {
    /// Processor time in microseconds.
    pub cpu_us: u64,
    /// Resident bytes now.
    pub rss_bytes: u64,
    /// Messages handed to recipients.
    pub deliveries: u64,
}

/// What this side had used, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineReading {
    /// Processor time of the process in microseconds.
    pub cpu_us: u64,
    /// Processor time of the worker's thread in microseconds.
    pub worker_cpu_us: u64,
    /// Receives that the kernel dropped because a socket's buffer was full.
    pub receive_drops: u64,
    /// Violations that the oracle has seen.
    pub violations: u64,
}

/// All intervals of one worker.
#[derive(Clone, Debug)]
pub struct Intervals {
    length: Duration,
    /// When each phase ends.
    phases: Vec<Duration>,
    open: Interval,
    series: [Series; Metric::COUNT],
    /// Of the interval that ended last, until they are packed.
    ended: [Series; Metric::COUNT],
    /// How many of them are.
    packed: usize,
    closed: Vec<Interval>,
    server: Option<ServerReading>,
    engine: EngineReading,
}

impl Intervals {
    /// For a run whose phases end at `phases`, in order, and which lasts until `end` at most.
    /// Intervals are as short as [`INTERVAL`], and twice as long as often as it takes for at most
    /// [`INTERVALS_MAX`] to reach the end: decided here, because to merge those of an hour would stop
    /// the worker while it measures.
    #[must_use]
    pub fn new(phases: Vec<Duration>, end: Duration) -> Self {
        let mut length = INTERVAL;
        while end.div_duration_f64(length) > INTERVALS_MAX as f64 {
            length *= 2;
        }
        let series = || std::array::from_fn(|_| Series::default());
        let mut new = Self {
            length,
            phases,
            open: Interval::default(),
            series: series(),
            ended: series(),
            packed: Metric::COUNT,
            closed: Vec::new(),
            server: None,
            engine: EngineReading::default(),
        };
        new.open_at(Duration::ZERO);
        new
    }

    /// Every phase ends so much earlier than it was to.
    pub fn bring_forward(&mut self, early: Duration) {
        for end in &mut self.phases {
            *end = end.saturating_sub(early);
        }
    }

    /// How long each is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// When the one under way ends.
    #[must_use]
    pub fn next_turn(&self) -> Duration {
        self.open.to
    }

    /// Those that are over and whole, oldest first.
    #[must_use]
    pub fn finished(&self) -> &[Interval] {
        let whole = self.closed.len() - usize::from(self.packed < Metric::COUNT);
        &self.closed[..whole]
    }

    /// An operation that was due at `intended` was reached at `at`.
    pub fn reached(&mut self, intended: Duration, at: Duration) {
        self.turn(at);
        self.open.due += 1;
        self.open.in_flight += 1;
        self.record(Metric::Lateness, intended, at);
    }

    /// What was due, and sent at `sent`, was accepted at `at`.
    pub fn accepted(&mut self, intended: Duration, sent: Duration, at: Duration) {
        self.turn(at);
        self.open.accepted += 1;
        self.landed();
        self.record(Metric::Response, intended, at);
        self.record(Metric::Service, sent, at);
    }

    /// What was due was refused at `at`, for good.
    pub fn rejected(&mut self, at: Duration) {
        self.turn(at);
        self.open.rejected += 1;
        self.landed();
    }

    /// What was due was given up at `at`.
    pub fn timed_out(&mut self, at: Duration) {
        self.turn(at);
        self.open.timed_out += 1;
        self.landed();
    }

    /// What was called for is never sent. It may not even have been reached.
    pub fn not_issued(&mut self, reached: bool, at: Duration) {
        self.turn(at);
        self.open.not_issued += 1;
        if reached {
            self.landed();
        } else {
            self.open.due += 1;
        }
    }

    /// A delivery of `bytes` came at `at`.
    pub fn delivered(&mut self, bytes: u64, at: Duration) {
        self.turn(at);
        self.open.deliveries += 1;
        self.open.bytes += bytes;
    }

    /// It is of fan-out, and of these metrics.
    pub fn fanned_out(&mut self, metric: Metric, intended: Duration, at: Duration) {
        self.record(metric, intended, at);
    }

    /// What the server said when it was asked at `asked`: it belongs to the interval that was over
    /// then. What comes before the run is where counting starts.
    pub fn server(&mut self, asked: Duration, reading: ServerReading) {
        let before = self.server.replace(reading);
        let Some(before) = before.filter(|_| !asked.is_zero()) else { return };
        let Some(interval) = self.ended_by(asked) else { return };
        let more = |kept: &mut Option<u64>, now: u64, before: u64| {
            *kept = Some(kept.unwrap_or(0) + now.saturating_sub(before));
        };
        more(&mut interval.server_cpu_us, reading.cpu_us, before.cpu_us);
        more(&mut interval.server_deliveries, reading.deliveries, before.deliveries);
        interval.server_rss_bytes = Some(reading.rss_bytes);
    }

    /// What this side had used before the run: where counting starts.
    pub fn start(&mut self, reading: EngineReading) {
        self.engine = reading;
    }

    /// The worker looks around at `at`. If an interval has ended since it did, what was used belongs
    /// to that; and one histogram of it is packed.
    pub fn look(&mut self, at: Duration, reading: EngineReading) {
        self.turn(at);
        let unread = self.closed.last_mut().filter(|interval| !interval.read);
        if let Some(interval) = unread {
            interval.charge(reading, std::mem::replace(&mut self.engine, reading));
        }
        self.pack_one();
    }

    /// The run ended at `at`.
    #[must_use]
    pub fn finish(mut self, at: Duration, reading: EngineReading) -> Vec<Interval> {
        self.turn(at);
        let at = at.max(self.open.from);
        self.close(at);
        while self.packed < Metric::COUNT {
            self.pack_one();
        }
        if let Some(last) = self.closed.last_mut() {
            last.charge(reading, self.engine);
        }
        // An end on a boundary leaves one of no length: it is none, unless something was told in it.
        if self.closed.last().is_some_and(|last| last.from == last.to && last.is_empty()) {
            self.closed.pop();
        }
        self.closed
    }

    fn record(&mut self, metric: Metric, from: Duration, to: Duration) {
        self.series[metric as usize].record(from, to);
    }

    fn landed(&mut self) {
        self.open.in_flight = self.open.in_flight.saturating_sub(1);
    }

    /// Turns to the interval of `at`. What is told late stays in the present one.
    fn turn(&mut self, at: Duration) {
        while at >= self.open.to && self.closed.len() < INTERVALS_MAX {
            let to = self.open.to;
            self.close(to);
            self.open_at(to);
        }
    }

    fn close(&mut self, to: Duration) {
        while self.packed < Metric::COUNT {
            self.pack_one();
        }
        std::mem::swap(&mut self.series, &mut self.ended);
        self.packed = 0;
        let in_flight = self.open.in_flight;
        let mut over =
            std::mem::replace(&mut self.open, Interval { in_flight, ..Interval::default() });
        over.to = to;
        self.closed.push(over);
    }

    fn open_at(&mut self, from: Duration) {
        let phase = self.phases.iter().filter(|end| **end <= from).count();
        self.open.phase = u32::try_from(phase).unwrap_or(u32::MAX);
        (self.open.from, self.open.to) = (from, from + self.length);
    }

    fn pack_one(&mut self) {
        let Some(interval) = self.closed.last_mut() else { return };
        if let Some(series) = self.ended.get_mut(self.packed) {
            interval.series[self.packed] = Packed::of(series);
            series.clear();
            self.packed += 1;
        }
    }

    /// The interval that was the last to be over at `at`.
    fn ended_by(&mut self, at: Duration) -> Option<&mut Interval> {
        let (at, length) = (at.as_nanos().saturating_sub(1), self.length.as_nanos());
        let index = usize::try_from(at / length).ok()?;
        if index == self.closed.len() { Some(&mut self.open) } else { self.closed.get_mut(index) }
    }
}
