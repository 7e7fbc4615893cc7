//! Looking around: what both sides use, whether the server is there, whether everything is done.
//!
//! The slow questions, asked a few times a second and at the turn of each interval. The server's
//! counters are asked for at both ends of the measured window, and once a second as a sign of life.

use std::ops::Range;
use std::time::Duration;

use super::{Observer, Progress, Sample, Worker};
use crate::delivery::MessageId;
use crate::limits::{SERVER_SILENCE_MAX, STILL_DELIVERING};
use crate::load::intervals::{EngineReading, ServerReading};
use crate::load::occupancy::Occupancy;
use crate::load::strain::Edge;
use crate::process::{self, Machine, Usage};
use crate::wire::{Counter, Counters, Request};

/// How often slow questions are asked: is the server there, is everything delivered, progress.
const LOOKING_ROUND: Duration = Duration::from_millis(100);

/// How often the server's counters are asked for, which also shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Requests for the server's counters, told apart in their answers.
const AT_START: MessageId = MessageId([1; 16]);
const AT_END: MessageId = MessageId([2; 16]);
pub(super) const IDLE: MessageId = MessageId([4; 16]);

/// When the counters are asked for, and which ends of the measured window they have been asked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    start: Option<Edge>,
    end: Option<Edge>,
    heartbeat_next: Duration,
    /// When it was last answered.
    pub(super) answered: Duration,
}

impl Asked {
    /// What this side had come to at both ends of the window, if both were reached.
    pub(super) fn edges(&self) -> Option<(Edge, Edge)> {
        self.start.zip(self.end)
    }
}

/// The request of the heartbeat at `asked`: its answer says when it was asked for.
fn heartbeat(asked: Duration) -> MessageId {
    let mut id = [3; 16];
    id[8..].copy_from_slice(&nanos(asked).to_be_bytes());
    MessageId(id)
}

/// When a heartbeat was asked for, if `id` is one.
fn asked_at(id: MessageId) -> Option<Duration> {
    let nanos = id.0.strip_prefix(&[3; 8])?;
    Some(Duration::from_nanos(u64::from_be_bytes(nanos.try_into().ok()?)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Worker<'_> {
    /// The slow questions.
    pub(super) fn look_around(&mut self, elapsed: Duration, observer: &mut dyn Observer) {
        self.ask_for_counters(elapsed);
        if elapsed < self.look_next {
            return;
        }
        let reading = self.reading();
        self.recorder.intervals.look(elapsed, reading);
        self.begin_if_steady(elapsed);
        self.look_next = (elapsed + LOOKING_ROUND).min(self.recorder.intervals.next_turn());
        let finished = self.recorder.intervals.finished();
        finished[self.shown..].iter().for_each(|one| observer.interval(one));
        self.shown = finished.len();
        self.give_up_if_hopeless(elapsed);
        let offered = self.offered;
        let counts = self.oracle.progress();
        observer.progress(Progress {
            elapsed,
            offered,
            due: self.next as u64,
            in_flight: self.flights.len() as u64,
            deliveries: counts.0,
            violations: counts.1,
        });
        if let Some(how) = observer.server_ended() {
            self.server_lost = Some(how);
        } else if elapsed.saturating_sub(self.asked.answered) > SERVER_SILENCE_MAX {
            let seconds = SERVER_SILENCE_MAX.as_secs();
            self.server_lost = Some(format!("no answer from it for {seconds} s"));
        }
        self.quiet = elapsed >= offered && !self.owes() && self.oracle.is_quiet();
    }

    /// What this side has used so far. Only the worker's own thread may ask.
    pub(super) fn reading(&self) -> EngineReading {
        EngineReading {
            cpu_us: micros(process::process_cpu()),
            worker_cpu_us: micros(process::thread_cpu()),
            receive_drops: self.client.driver().counters().socket.receive_drops,
            violations: self.oracle.progress().1,
        }
    }

    /// What this side has come to at an end of the window.
    fn edge(&self, at: Duration) -> Edge {
        let machine = Machine::here();
        Edge {
            at,
            worker_cpu: process::thread_cpu(),
            receive_drops: self.client.driver().counters().socket.receive_drops,
            machine_receive_drops: machine.udp_receive_drops(),
            machine_cpu: machine.cpu_times(),
        }
    }

    /// Ends a warm-up that was to last until the service is steady, if it is: what is due from now on
    /// is measured, for as long as the scenario says. Phases before it there are none, so everything
    /// comes forward by the same time.
    fn begin_if_steady(&mut self, elapsed: Duration) {
        let Some(detector) = &mut self.warming else { return };
        if elapsed >= self.window.start {
            self.warming = None;
            return;
        }
        let finished = self.recorder.intervals.finished();
        finished.iter().skip(detector.intervals()).for_each(|one| detector.see(one));
        if detector.is_steady() {
            self.warming = None;
            // What was due until now has been reached, or is late: it is no part of the window.
            let start = elapsed + Duration::from_nanos(1);
            let early = self.window.start.saturating_sub(start);
            self.window = start..self.window.end.saturating_sub(early);
            self.offered = self.offered.saturating_sub(early);
            self.occupancy = Occupancy::over(self.window.start, self.window.end);
            self.recorder.bring_forward(self.window.clone(), early);
        }
    }

    /// The drain is over before everything is done: tells the oracle whether the service was still at
    /// work, or this side was. A run that was given up, and a server that vanished, have rules of
    /// their own.
    pub(super) fn look_whether_cut_short(&mut self) {
        if self.quiet || self.server_lost.is_some() || self.vigil.aborted.is_some() {
            return;
        }
        let delivers = self.since_origin().saturating_sub(self.heard) <= STILL_DELIVERING;
        if delivers || self.flights.len() > 0 || self.next_operation().is_some() {
            self.oracle.cut_short();
        }
    }

    fn ask_for_counters(&mut self, elapsed: Duration) {
        let Range { start, end } = self.window;
        if elapsed >= start && self.asked.start.is_none() {
            self.asked.start = Some(self.edge(elapsed));
            self.client.request(self.operator, &Request::Stats { request: AT_START });
        }
        if elapsed >= end && self.asked.end.is_none() {
            self.asked.end = Some(self.edge(elapsed));
            self.client.request(self.operator, &Request::Stats { request: AT_END });
        }
        if elapsed >= self.asked.heartbeat_next {
            let request = heartbeat(elapsed);
            self.client.request(self.operator, &Request::Stats { request });
            // On whole seconds, which every interval ends on.
            let seconds = elapsed.as_secs() / HEARTBEAT.as_secs() + 1;
            self.asked.heartbeat_next =
                HEARTBEAT.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn on_counters(&mut self, request: MessageId, server: Counters) {
        self.asked.answered = self.since_origin();
        let reading = ServerReading {
            cpu_us: server.get(Counter::CpuUserUs) + server.get(Counter::CpuSystemUs),
            rss_bytes: server.get(Counter::RssBytes),
            deliveries: server.get(Counter::Deliveries),
        };
        if request == IDLE {
            self.idle = Some(server);
            self.recorder.intervals.server(Duration::ZERO, reading);
        } else if let Some(asked) = asked_at(request) {
            self.recorder.intervals.server(asked, reading);
        } else {
            let sample = Some(Sample { server, engine: Usage::own() });
            if request == AT_START {
                self.first = sample;
            } else if request == AT_END {
                self.last = sample;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_a_heartbeat_says_when_it_was_asked_for_and_no_other_does() {
        for at in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(86_400)] {
            assert_eq!(asked_at(heartbeat(at)), Some(at));
        }
        for other in [AT_START, AT_END, IDLE] {
            assert_eq!(asked_at(other), None);
        }
    }
}
