//! A live group's race: which racers want a change, how their policy brings it through, and what
//! is on its way.
//!
//! A racer does one thing at a time: its member builds something, or it waits for the answer to
//! what it has submitted. What it knows of the group is what it has been delivered. Pure: it is
//! told what happens and asked what each racer does next, at an instant. Called by `racing`.

pub(super) mod alarms;
mod racer;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use racer::{Racer, Sent};

use crate::delivery::{Epoch, Reject};
use crate::limits::RACE_ATTEMPTS_MAX;
use crate::load::contention::lease::{Claim, Standing};
use crate::load::contention::policy::jitter;
use crate::load::contention::{Contention, Policy, What};
use crate::load::racers::Built;
use crate::load::recorder::Due;

/// A change that a racer has to bring through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) due: Due,
    /// When it was due, or was last found not to have come through.
    pub(super) since: Duration,
    /// When it was last submitted.
    pub(super) sent: Duration,
    /// How often it has been submitted.
    pub(super) tries: u32,
}

/// What a racer does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Its member is to build this.
    Build(What),
    /// It submits this, for the change named, if for one of its own; it is then on its way.
    Send(Built, Option<Want>),
    /// It throws away what was built: its epoch, or its lease, is over.
    Overtaken(Built),
}

/// What an answer, or its absence, means.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    /// What had been submitted.
    pub(super) built: Option<Built>,
    /// The change that has come through.
    pub(super) served: Option<Want>,
    /// The change that is given up.
    pub(super) gave_up: Option<Want>,
}

/// The racers of one group.
#[derive(Debug)]
pub(super) struct Race {
    contention: Contention,
    racers: Vec<Racer>,
}

impl Race {
    /// Racers of a group that is in `epoch`; their waits are drawn from `seed`.
    pub(super) fn new(
        contention: Contention,
        racers: u32,
        epoch: Epoch,
        (seed, group): (u64, u32),
    ) -> Self {
        let length = match contention.policy {
            Policy::Lease { length } => length,
            _ => Duration::ZERO,
        };
        let racer = |number| Racer::new(epoch, length, jitter(seed, group, number));
        Self { contention, racers: (0..racers).map(racer).collect() }
    }

    pub(super) fn racers(&self) -> u32 {
        u32::try_from(self.racers.len()).unwrap_or(u32::MAX)
    }

    /// How long after a change has come through its racer wants the next.
    pub(super) fn think(&self) -> Option<Duration> {
        self.contention.think
    }

    /// A racer wants one more change.
    pub(super) fn want(&mut self, racer: u32, due: Due) {
        let racer = &mut self.racers[racer as usize];
        let (since, sent) = (due.intended, due.intended);
        racer.wants.push_back(Want { due, since, sent, tries: 0 });
    }

    /// A racer wants its next change at `at`.
    pub(super) fn want_at(&mut self, racer: u32, at: Duration) {
        self.racers[racer as usize].wants_next = Some(at);
    }

    /// When a racer has come to want its next change, if it has by `now`: told once.
    pub(super) fn comes_to_want(&mut self, racer: u32, now: Duration) -> Option<Duration> {
        self.racers[racer as usize].wants_next.take_if(|at| *at <= now)
    }

    /// A racer's member has built what it was asked for.
    pub(super) fn built(&mut self, racer: u32, built: Built) {
        let racer = &mut self.racers[racer as usize];
        racer.building = false;
        racer.built = Some(built);
    }

    /// A racer was delivered, at `now`, what somebody sent in `epoch`; a claim says by whom.
    pub(super) fn delivered(&mut self, to: u32, by: u32, what: What, epoch: Epoch, now: Duration) {
        let racer = &mut self.racers[to as usize];
        match what {
            What::Commit => {
                if to == by {
                    racer.is_ordered(epoch);
                }
                racer.enter(epoch.next());
            }
            What::Proposal if epoch == racer.epoch => {
                racer.window_from.get_or_insert(now);
            }
            What::Proposal => {}
            What::Claim { generation } => {
                racer.lease.claimed(Claim { epoch, generation, racer: by }, now);
            }
        }
    }

    /// What a racer does next, if anything; asked again until it is nothing.
    pub(super) fn next(&mut self, number: u32, now: Duration) -> Option<Step> {
        let turn = self.turn(number);
        let leases = matches!(self.contention.policy, Policy::Lease { .. });
        let racer = &mut self.racers[number as usize];
        if racer.sent.is_some() || racer.building {
            return None;
        }
        if let Some(built) = racer.built.take() {
            let over = built.epoch < racer.epoch.max(racer.floor);
            let mine = matches!(racer.lease.standing(number, now), Standing::Mine { .. });
            // What may have been ordered already needs no lease any more.
            let leases = leases && built.what == What::Commit && !racer.is_unanswered(&built);
            if over || (leases && !mine) {
                return Some(Step::Overtaken(built));
            }
            if now < racer.not_before || (racer.is_unanswered(&built) && racer.wants.is_empty()) {
                racer.built = Some(built);
                return None;
            }
            return Some(racer.send(built, now));
        }
        if now < racer.not_before || racer.epoch < racer.floor || racer.awaits_fate() {
            return None;
        }
        let what = racer.builds(self.contention.policy, number, turn, now)?;
        racer.building = true;
        Some(Step::Build(what))
    }

    /// When, after `now`, a racer may have something to do without anything else happening.
    pub(super) fn deadline(&self, number: u32, now: Duration) -> Option<Duration> {
        let racer = &self.racers[number as usize];
        racer.deadline(self.contention.policy, number, self.turn(number), now)
    }

    /// What a racer submitted was ordered; its group's epoch after that is `epoch`.
    pub(super) fn accepted(&mut self, racer: u32, epoch: Epoch) -> Answered {
        let racer = &mut self.racers[racer as usize];
        let Some(Sent { built, serves }) = racer.sent.take() else { return Answered::default() };
        let mut served = None;
        match built.what {
            What::Commit => {
                racer.floor = racer.floor.max(epoch);
                racer.proposed = None;
                served = if serves { racer.wants.pop_front() } else { None };
            }
            // Its fate may have been heard of before its answer.
            What::Proposal if serves && racer.entered <= built.epoch => {
                racer.proposed = Some(built.epoch);
            }
            What::Proposal | What::Claim { .. } => {}
        }
        Answered { built: Some(built), served, gave_up: None }
    }

    /// A commit of another has opened `epoch`; a racer had a proposal in the one before.
    pub(super) fn fate(
        &mut self,
        racer: u32,
        epoch: Epoch,
        taken_up: bool,
        now: Duration,
    ) -> Option<Want> {
        let racer = &mut self.racers[racer as usize];
        racer.entered = racer.entered.max(epoch);
        let ordered = racer.proposed.take_if(|proposed| *proposed < epoch).is_some();
        let on_its_way = racer.sent.as_mut().filter(|sent| sent.serves && sent.built.epoch < epoch);
        let unanswered = on_its_way.as_ref().is_some_and(|sent| sent.built.what == What::Proposal);
        if taken_up && (ordered || unanswered) {
            // Whatever of it is still unanswered serves nothing any more.
            if let Some(sent) = on_its_way {
                sent.serves = false;
            }
            return racer.wants.pop_front();
        }
        if ordered && let Some(want) = racer.wants.front_mut() {
            want.since = now;
        }
        None
    }

    /// What a racer submitted was refused at `now`.
    pub(super) fn refused(&mut self, racer: u32, reject: Reject, now: Duration) -> Answered {
        let policy = self.contention.policy;
        let racer = &mut self.racers[racer as usize];
        let Some(Sent { built, serves }) = racer.sent.take() else { return Answered::default() };
        let mut gave_up = None;
        match reject {
            Reject::WrongEpoch { current, .. } => {
                racer.floor = racer.floor.max(current);
                if serves {
                    gave_up = racer.lose(policy, now);
                }
            }
            Reject::SlowDown { retry_ms } => {
                racer.not_before = now + Duration::from_millis(u64::from(retry_ms));
                if serves {
                    gave_up = racer.try_again(now);
                }
                if gave_up.is_none() {
                    racer.built = Some(built.clone());
                }
            }
            // Without a claim no change comes through either.
            _ if serves || matches!(built.what, What::Claim { .. }) => {
                gave_up = racer.wants.pop_front();
            }
            // Nobody's change depended on it; whoever is next in line takes over.
            _ => racer.give_way(),
        }
        Answered { built: Some(built), served: None, gave_up }
    }

    /// What a racer submitted was not answered in time: it may have been ordered all the same, or lost.
    /// A commit is the only one that its member can merge in this epoch, so the next change of the racer
    /// is submitted with the same: the service takes it once, whichever of the two it has. A claim or a
    /// proposal ends no epoch, and is made anew.
    pub(super) fn timed_out(&mut self, racer: u32) -> Answered {
        let racer = &mut self.racers[racer as usize];
        let Some(Sent { built, serves }) = racer.sent.take() else { return Answered::default() };
        match built.what {
            What::Commit => racer.keep_unanswered(built.clone()),
            What::Claim { .. } => racer.may_claim_again(),
            What::Proposal => {}
        }
        // A claim serves no change by itself, but without an answer to it none comes through.
        let stuck = serves || matches!(built.what, What::Claim { .. });
        let gave_up = if stuck { racer.wants.pop_front() } else { None };
        Answered { built: Some(built), served: None, gave_up }
    }

    pub(super) fn wants_anything(&self) -> bool {
        self.racers.iter().any(|racer| !racer.wants.is_empty())
    }

    /// Everything still wanted, by racer; the first of each may have been submitted, and is so now
    /// if it says so.
    pub(super) fn left(&mut self) -> Vec<(u32, Want, bool)> {
        let mut left = Vec::new();
        for (number, racer) in (0_u32..).zip(&mut self.racers) {
            let pending = racer.sent.as_ref().is_some_and(|sent| sent.serves);
            let pending = pending || racer.proposed.is_some();
            let wants = std::mem::take::<VecDeque<Want>>(&mut racer.wants);
            let wants = wants.into_iter().enumerate();
            left.extend(wants.map(|(place, want)| (number, want, place == 0 && pending)));
        }
        left
    }

    /// How many racers come before this one to commit the proposals of the epoch that it is in:
    /// another is the first in each.
    fn turn(&self, number: u32) -> u32 {
        let racers = u64::from(self.racers().max(1));
        let first = self.racers[number as usize].epoch.0 % racers;
        u32::try_from((u64::from(number) + racers - first) % racers).unwrap_or_default()
    }
}
