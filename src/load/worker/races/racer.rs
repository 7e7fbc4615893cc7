//! One racer: what it wants, what it knows, and what its policy makes of that.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::{RACE_ATTEMPTS_MAX, Step, Want};
use crate::delivery::Epoch;
use crate::load::contention::lease::{Lease, Standing};
use crate::load::contention::{Policy, What};
use crate::load::racers::Built;

/// What is on its way.
#[derive(Debug)]
pub(super) struct Sent {
    /// As good as before if it is put off, unless the epoch is over.
    pub(super) built: Built,
    /// Whether its racer's first change comes through with it.
    pub(super) serves: bool,
}

#[derive(Debug)]
pub(super) struct Racer {
    pub(super) wants: VecDeque<Want>,
    /// When it wants the next change, if that depends on the one before.
    pub(super) wants_next: Option<Duration>,
    /// The epoch that its deliveries have brought it to.
    pub(super) epoch: Epoch,
    /// The epoch of which its member has said what became of proposals in the one before.
    pub(super) entered: Epoch,
    /// It builds for no earlier epoch: those before are known to be over.
    pub(super) floor: Epoch,
    pub(super) building: bool,
    pub(super) built: Option<Built>,
    /// The epoch of a commit that was submitted and not answered in time; it is what is built.
    unanswered: Option<Epoch>,
    pub(super) sent: Option<Sent>,
    /// It has been told to wait until then, or has drawn that it does.
    pub(super) not_before: Duration,
    /// The epoch of its proposal that was ordered and whose fate it has not heard of.
    pub(super) proposed: Option<Epoch>,
    /// Since when its epoch has a proposal that somebody should commit.
    pub(super) window_from: Option<Duration>,
    pub(super) lease: Lease,
    /// The epoch and generation that it has claimed last.
    claimed: Option<(Epoch, u32)>,
    /// The epoch whose proposals it no longer tries to commit.
    gave_way: Option<Epoch>,
    jitter: ChaCha8Rng,
}

impl Racer {
    pub(super) fn new(epoch: Epoch, lease: Duration, jitter: ChaCha8Rng) -> Self {
        Self {
            wants: VecDeque::new(),
            wants_next: None,
            epoch,
            entered: epoch,
            floor: epoch,
            building: false,
            built: None,
            unanswered: None,
            sent: None,
            not_before: Duration::ZERO,
            proposed: None,
            window_from: None,
            lease: Lease::new(lease, epoch),
            claimed: None,
            gave_way: None,
            jitter,
        }
    }

    /// A commit has opened `epoch`.
    pub(super) fn enter(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.window_from = None;
            self.lease.entered(epoch);
        }
    }

    /// Its own commit of `epoch` is ordered, whether that was answered or not: there is nothing of it to
    /// be submitted again.
    pub(super) fn is_ordered(&mut self, epoch: Epoch) {
        if self.unanswered == Some(epoch) {
            self.unanswered = None;
            self.built = None;
        }
    }

    /// A commit has had no answer in time.
    pub(super) fn keep_unanswered(&mut self, built: Built) {
        // If its delivery has come, only the answer is lost.
        if built.epoch >= self.epoch {
            self.unanswered = Some(built.epoch);
            self.built = Some(built);
        }
    }

    /// A claim has had no answer in time, and may never have come.
    pub(super) fn may_claim_again(&mut self) {
        self.claimed = None;
    }

    /// Whether this has been submitted before, and not been answered.
    pub(super) fn is_unanswered(&self, built: &Built) -> bool {
        built.what == What::Commit && self.unanswered == Some(built.epoch)
    }

    /// Whether its member has not said yet what became of its proposal in an epoch that is over.
    pub(super) fn awaits_fate(&self) -> bool {
        self.proposed.is_some_and(|proposed| proposed < self.epoch)
    }

    /// What it should have its member build at `now`, if anything.
    pub(super) fn builds(
        &mut self,
        policy: Policy,
        number: u32,
        turn: u32,
        now: Duration,
    ) -> Option<What> {
        let wants = !self.wants.is_empty();
        match policy {
            Policy::Retry | Policy::Backoff(_) => wants.then_some(What::Commit),
            Policy::Proposals { window, takeover } => {
                if wants && turn == 0 {
                    self.window_from.get_or_insert(now);
                }
                if self.commits_at(window, takeover, turn).is_some_and(|at| now >= at) {
                    return Some(What::Commit);
                }
                let proposes = wants && turn > 0 && self.proposed.is_none();
                proposes.then_some(What::Proposal)
            }
            Policy::Lease { .. } if !wants => None,
            Policy::Lease { .. } => match self.lease.standing(number, now) {
                Standing::Mine { .. } => Some(What::Commit),
                Standing::Theirs { .. } => None,
                Standing::Free { generation } => {
                    let claim = Some((self.epoch, generation));
                    let new = self.claimed != claim;
                    self.claimed = claim;
                    new.then_some(What::Claim { generation })
                }
            },
        }
    }

    /// When, after `now`, it may have something to do without anything else happening.
    pub(super) fn deadline(
        &self,
        policy: Policy,
        number: u32,
        turn: u32,
        now: Duration,
    ) -> Option<Duration> {
        let busy = self.sent.is_some() || self.building;
        let held = !self.wants.is_empty() || self.built.is_some();
        let of_policy = match policy {
            Policy::Proposals { window, takeover } => self.commits_at(window, takeover, turn),
            Policy::Lease { .. } if held => match self.lease.standing(number, now) {
                Standing::Mine { until } | Standing::Theirs { until } => Some(until),
                Standing::Free { .. } => None,
            },
            _ => None,
        };
        let of_policy = of_policy.map(|at| at.max(self.not_before)).filter(|_| !busy);
        let put_off = (!busy && held).then_some(self.not_before);
        let all = [put_off, of_policy, self.wants_next];
        all.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// It submits what was built.
    pub(super) fn send(&mut self, built: Built, now: Duration) -> Step {
        let claims = matches!(built.what, What::Claim { .. });
        let want = self.wants.front_mut().filter(|_| !claims);
        let serves = want.is_some();
        let before = want.map(|want| {
            let before = *want;
            want.tries += 1;
            want.sent = now;
            before
        });
        self.unanswered = None;
        self.sent = Some(Sent { built: built.clone(), serves });
        Step::Send(built, before)
    }

    /// Its first change has lost at `now`; given back if that was once too often.
    pub(super) fn lose(&mut self, policy: Policy, now: Duration) -> Option<Want> {
        if let (Policy::Backoff(backoff), Some(want)) = (policy, self.wants.front()) {
            self.not_before = now + backoff.wait(want.tries.saturating_sub(1), &mut self.jitter);
        }
        self.try_again(now)
    }

    /// Its first change has to be submitted again, if it has not been too often.
    pub(super) fn try_again(&mut self, now: Duration) -> Option<Want> {
        let want = self.wants.front_mut()?;
        want.since = now;
        if want.tries < RACE_ATTEMPTS_MAX { None } else { self.wants.pop_front() }
    }

    /// Its commit of others' proposals was refused for what it is: others do it in this epoch.
    pub(super) fn give_way(&mut self) {
        self.gave_way = Some(self.epoch);
    }

    /// When it commits the proposals of its epoch, unless somebody has by then.
    fn commits_at(&self, window: Duration, takeover: Duration, turn: u32) -> Option<Duration> {
        let from = self.window_from.filter(|_| self.gave_way != Some(self.epoch))?;
        Some(from + window + takeover * turn)
    }
}
