//! What each phase of a run came to, its warm-up too.
//!
//! A time belongs to the phase in which its operation was due, whatever came of it later; a count
//! of what came about, to the phase in which it did. Called by the recorder alone.

use std::time::Duration;

use super::Series;
use crate::load::oracle::Delivered;
use crate::load::phases::Phase;

/// What one phase came to.
#[derive(Clone, Debug, Default)]
pub struct PhaseSeries {
    /// Operations that were due in it.
    pub due: u64,
    /// Of them, those that were never sent.
    pub not_issued: u64,
    /// Submissions that were accepted within it, whenever they were due.
    pub accepted: u64,
    /// Deliveries that came within it.
    pub deliveries: u64,
    /// Of what was due in it, from the intended instant to the acceptance.
    pub response: Series,
    /// Of what was due in it, from the intended instant to when the generator reached it.
    pub lateness: Series,
    /// Of what was due in it, from the intended instant to the last member.
    pub fanout_last: Series,
}

/// Every phase's.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseLog {
    /// When each phase ends, since the start of the run.
    ends: Vec<Duration>,
    series: Vec<PhaseSeries>,
}

impl PhaseLog {
    pub(super) fn of(phases: &[Phase]) -> Self {
        let series = phases.iter().map(|_| PhaseSeries::default()).collect();
        Self { ends: phases.iter().map(Phase::to).collect(), series }
    }

    /// Every phase ends so much earlier.
    pub(super) fn bring_forward(&mut self, early: Duration) {
        for end in &mut self.ends {
            *end = end.saturating_sub(early);
        }
    }

    pub(super) fn series(&self) -> &[PhaseSeries] {
        &self.series
    }

    pub(super) fn reached(&mut self, intended: Duration, reached: Duration) {
        if let Some(phase) = self.at(intended) {
            phase.due += 1;
            phase.lateness.record(intended, reached);
        }
    }

    pub(super) fn not_issued(&mut self, intended: Duration) {
        if let Some(phase) = self.at(intended) {
            phase.not_issued += 1;
        }
    }

    pub(super) fn accepted(&mut self, intended: Duration, at: Duration) {
        if let Some(phase) = self.at(at) {
            phase.accepted += 1;
        }
        if let Some(phase) = self.at(intended) {
            phase.response.record(intended, at);
        }
    }

    pub(super) fn delivered(&mut self, delivered: &Delivered, at: Duration) {
        if let Some(phase) = self.at(at) {
            phase.deliveries += 1;
        }
        if delivered.last
            && !delivered.missed
            && let Some(phase) = self.at(delivered.intended)
        {
            phase.fanout_last.record(delivered.intended, at);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.series.iter_mut().zip(&other.series) {
            mine.due += theirs.due;
            mine.not_issued += theirs.not_issued;
            mine.accepted += theirs.accepted;
            mine.deliveries += theirs.deliveries;
            mine.response.merge(&theirs.response);
            mine.lateness.merge(&theirs.lateness);
            mine.fanout_last.merge(&theirs.fanout_last);
        }
    }

    /// The phase of an instant; `None` after the last. Few phases: a search costs less than what is
    /// recorded then.
    fn at(&mut self, at: Duration) -> Option<&mut PhaseSeries> {
        let index = self.ends.partition_point(|end| *end <= at);
        self.series.get_mut(index)
    }
}
