//! Giving a run up: when one of its thresholds cannot hold any more, whatever still comes.
//!
//! Asked once a second, away from what is due. The run then ends in order: nothing more is called
//! for, what is in flight has a moment to come, and everything is judged as far as it got.

use std::time::Duration;

use super::Worker;
use crate::limits::ABORT_DRAIN;
use crate::load::threshold::{Aborted, Facts, Most, Tally, refused};
use crate::load::traffic::Plan;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);

/// What a run may still come to, and whether it was given up.
#[derive(Debug)]
pub(super) struct Vigil {
    most: Most,
    next: Duration,
    pub(super) aborted: Option<Aborted>,
}

impl Vigil {
    pub(super) fn over(plan: &Plan) -> Self {
        let most = Most::of(&plan.scenario, &plan.population, &plan.schedule);
        Self { most, next: EVERY, aborted: None }
    }
}

impl Worker<'_> {
    /// Ends the run at `elapsed` if a threshold is out of reach that asks for it.
    pub(super) fn give_up_if_hopeless(&mut self, elapsed: Duration) {
        if elapsed < self.vigil.next || elapsed >= self.offered {
            return;
        }
        self.vigil.next = elapsed + EVERY;
        let facts = self.facts();
        let thresholds = &self.plan.scenario.thresholds;
        let lost = thresholds.iter().position(|threshold| {
            threshold.abort && threshold.is_hopeless(&facts, &self.vigil.most)
        });
        let Some(threshold) = lost else { return };
        self.vigil.aborted = Some(Aborted { threshold, at: elapsed, in_flight: 0, waiting: 0 });
        self.offered = elapsed;
        // Given up in its warm-up, it has a window without any length.
        self.window.end = self.window.end.min(elapsed).max(self.window.start);
        self.recorder.end_window(elapsed);
        self.occupancy.end(elapsed);
    }

    /// How long what is outstanding has, after the last operation.
    pub(super) fn drain(&self) -> Duration {
        let most = self.plan.scenario.drain;
        if self.vigil.aborted.is_some() { most.min(ABORT_DRAIN) } else { most }
    }

    fn facts(&self) -> Facts<'_> {
        let counts = self.oracle.counts();
        let tally = Tally {
            called_for: self.called_for,
            accepted: counts.accepted,
            deliveries: counts.deliveries,
            violations: self.oracle.progress().1,
            member_faults: self.live_faults.count,
            not_issued: counts.not_issued,
            timed_out: counts.timed_out,
            rejected: counts.rejected,
            refused: refused(&self.refusals),
        };
        Facts {
            scenario: &self.plan.scenario,
            recorder: &self.recorder,
            joins: Some(&self.comers.joins),
            tally,
            window: self.window.end - self.window.start,
            server: None,
        }
    }
}
