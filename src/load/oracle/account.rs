//! What goes into the oracle and what comes out of it.

use std::time::Duration;

use super::violations::Violations;
use crate::delivery::{Epoch, Kind};

/// One submission, as it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its number, unique in the run and below [`ATTEMPTS_MAX`](crate::limits::ATTEMPTS_MAX).
    pub attempt: u64,
    /// Index of the group in the population.
    pub group: u32,
    /// What it is.
    pub kind: Kind,
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// A hash of its bytes, by the function that deliveries are hashed with.
    pub digest: u64,
    /// When it was due, since the start of the run.
    pub intended: Duration,
    /// Whether it counts in headlines.
    pub measured: bool,
}

/// What a good delivery means for the message it delivers: what to record of fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The attempt that it delivers.
    pub attempt: u64,
    /// When that was due, since the start of the run.
    pub intended: Duration,
    /// Whether it counts in headlines.
    pub measured: bool,
    /// No member that was present had it before.
    pub first: bool,
    /// With this one, 99 % of the members that were present have it; true once, and for small
    /// groups with `last`.
    pub reached_p99: bool,
    /// With this one, every member that was present has it; true once. Never, if the last one that
    /// lacked it went away without it.
    pub last: bool,
    /// The member was away when it was ordered, or went away before it came: how long it took says
    /// nothing of fan-out.
    pub missed: bool,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Submissions that were ordered.
    pub accepted: u64,
    /// Submissions that were refused.
    pub rejected: u64,
    /// Of the rejected, those for their epoch: lost races and stale commits.
    pub rejected_wrong_epoch: u64,
    /// Submissions without a reply in time.
    pub timed_out: u64,
    /// Of the timed out, those whose reply came late.
    pub late_replies: u64,
    /// What was called for and never sent.
    pub not_issued: u64,
    /// Deliveries that came, each once.
    pub deliveries: u64,
    /// Deliveries that nobody expects: their members were away for longer than messages are kept.
    pub excused: u64,
    /// Deliveries that could not come: the service had ended their member's session. Set at the end.
    pub cut_off: u64,
    /// Deliveries that had not come when the run was cut short, and that nothing later has overtaken:
    /// late or lost, nobody can say. Set at the end.
    pub undelivered: u64,
    /// Deliveries that should have come; set at the end.
    pub deliveries_expected: u64,
}

/// What the oracle has to say at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// How often what happened.
    pub counts: Counts,
    /// What was wrong.
    pub violations: Violations,
}

impl Judgement {
    /// Adds what another worker's oracle has to say.
    pub fn merge(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.counts, &other.counts);
        mine.accepted += theirs.accepted;
        mine.rejected += theirs.rejected;
        mine.rejected_wrong_epoch += theirs.rejected_wrong_epoch;
        mine.timed_out += theirs.timed_out;
        mine.late_replies += theirs.late_replies;
        mine.not_issued += theirs.not_issued;
        mine.deliveries += theirs.deliveries;
        mine.excused += theirs.excused;
        mine.cut_off += theirs.cut_off;
        mine.undelivered += theirs.undelivered;
        mine.deliveries_expected += theirs.deliveries_expected;
        self.violations.merge(&other.violations);
    }
}
