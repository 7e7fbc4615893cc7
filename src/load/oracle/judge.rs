//! The oracle's day: what a worker tells it, and what it answers at once.

use std::collections::HashMap;

use super::account::{Counts, Delivered, Submitted};
use super::group::{Arrival, Group, Slot, link};
use super::violations::{Example, ViolationKind, Violations};
use crate::delivery::{Epoch, Kind, Reject, Seq};
use crate::limits::{ATTEMPTS_MAX, EPOCHS_REMEMBERED_MAX};

/// Watches the groups of one worker. See the module.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub(super) groups: Vec<Option<Group>>,
    /// What is still to be resolved, by attempt.
    pub(super) open: HashMap<u64, Open>,
    pub(super) states: Vec<State>,
    pub(super) counts: Counts,
    pub(super) violations: Violations,
    pub(super) cut_short: bool,
}

/// A submission that is not yet replied to, or not yet everywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) submitted: Submitted,
    /// Its place, once known.
    pub(super) seq: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Unknown,
    Pending,
    Accepted,
    Rejected,
    TimedOut,
    NotIssued,
}

impl Oracle {
    /// An oracle that knows no group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `group` has members `0..members`, and its next message will be `first`: 1 for a new one.
    pub fn group_created(&mut self, group: u32, members: u32, first: Seq) {
        let index = usize::try_from(group).unwrap_or_default();
        if self.groups.len() <= index {
            self.groups.resize(index + 1, None);
        }
        self.groups[index] = Some(Group::new(members, first.0));
    }

    /// `member`, a new index or one that left, gets every message from `first` on. Tell it
    /// before its deliveries.
    pub fn joined(&mut self, group: u32, member: u32, first: Seq) {
        if let Some(found) = group_mut(&mut self.groups, group) {
            found.join(member, first.0);
        }
    }

    /// `member` gets nothing after `last`, the commit that removed it. What it already got
    /// beyond that is counted as foreign.
    pub fn left(&mut self, group: u32, member: u32, last: Seq) {
        if let Some(found) = group_mut(&mut self.groups, group) {
            let beyond = found.leave(member, last.0);
            let example = Example::new(ViolationKind::Foreign, "delivered after removal");
            self.violations.add_many(beyond, example.group(group).member(member));
            self.forget(group);
        }
    }

    /// A submission leaves. Must come before everything that is heard of it.
    ///
    /// # Panics
    /// When the attempt was used before, is [`ATTEMPTS_MAX`] or more, or the group was not
    /// created: faults of the caller, not of the service.
    pub fn submitted(&mut self, submitted: Submitted) {
        let state = self.state_mut(submitted.attempt);
        assert_eq!(*state, State::Unknown, "an attempt is submitted once");
        *state = State::Pending;
        let group = group_mut(&mut self.groups, submitted.group);
        group.expect("a group is created before it is used").reachable += 1;
        self.open.insert(submitted.attempt, Open { submitted, seq: None });
    }

    /// The service ordered `attempt` at `seq`; the group's epoch afterwards is `epoch`.
    pub fn accepted(&mut self, attempt: u64, seq: Seq, epoch: Epoch) {
        match *self.state_mut(attempt) {
            State::Pending => self.counts.accepted += 1,
            State::TimedOut => self.counts.late_replies += 1,
            // The same answer again, to a retry.
            State::Accepted => {}
            _ => return self.contradicted(attempt),
        }
        if *self.state_mut(attempt) == State::Pending {
            *self.state_mut(attempt) = State::Accepted;
        }
        let Some(open) = self.open.get(&attempt).copied() else { return };
        let of = open.submitted;
        let about = |example: Example| example.group(of.group).seq(seq.0).attempt(Some(attempt));
        let disagreement = |what| about(Example::new(ViolationKind::Disagreement, what));
        let plausible = match of.kind {
            Kind::Commit => epoch == of.epoch.next(),
            Kind::Application | Kind::Proposal => epoch >= of.epoch,
        };
        if !plausible {
            self.violations.add(disagreement("accepted into an epoch that cannot be"));
        }
        match open.seq {
            Some(known) if known != seq.0 => {
                self.violations.add(disagreement("the reply and a member name different places"));
            }
            Some(_) => {}
            None if self.is_beyond(of.group, seq.0) => {
                let what = "accepted at a place beyond all that was submitted";
                self.violations.add(about(Example::new(ViolationKind::Gap, what)));
            }
            None => {
                if !self.bind(attempt, seq.0) {
                    self.violations.add(disagreement("the place in the reply is another's"));
                    if of.kind == Kind::Commit {
                        // Its epoch may be another's too, however the members are divided.
                        self.won(of, seq.0);
                    }
                }
            }
        }
        self.forget(of.group);
        self.close_if_done(attempt);
    }

    /// The service refused `attempt`.
    pub fn rejected(&mut self, attempt: u64, reason: Reject) {
        match *self.state_mut(attempt) {
            State::Pending => self.counts.rejected += 1,
            State::TimedOut => self.counts.late_replies += 1,
            State::Rejected => return,
            _ => return self.contradicted(attempt),
        }
        let was_pending = *self.state_mut(attempt) == State::Pending;
        *self.state_mut(attempt) = if was_pending { State::Rejected } else { State::TimedOut };
        let Some(open) = self.open.remove(&attempt) else { return };
        let of = open.submitted;
        if let Some(seq) = open.seq {
            let example = Example::new(ViolationKind::Disagreement, "refused, and yet ordered");
            self.violations.add(example.group(of.group).seq(seq).attempt(Some(attempt)));
        }
        if let Reject::WrongEpoch { current, winner } = reason {
            self.counts.rejected_wrong_epoch += u64::from(was_pending);
            if of.kind == Kind::Commit {
                self.told(of, current.0, winner.0);
            }
        }
    }

    /// Nothing was heard of `attempt` in time. It may still turn out to be ordered.
    pub fn timed_out(&mut self, attempt: u64) {
        match self.state_mut(attempt) {
            state @ State::Pending => {
                *state = State::TimedOut;
                self.counts.timed_out += 1;
            }
            _ => self.contradicted(attempt),
        }
    }

    /// `attempt` was called for and not sent.
    pub fn not_issued(&mut self, attempt: u64) {
        match self.state_mut(attempt) {
            state @ State::Unknown => {
                *state = State::NotIssued;
                self.counts.not_issued += 1;
            }
            _ => self.contradicted(attempt),
        }
    }

    /// `member` of `group` got `attempt` (`None`: an id of no run of ours) as `seq`, with these
    /// bytes. `None` when there is nothing to record: a violation, or a message everybody had
    /// before a new member got it. O(1), without allocation unless something is wrong.
    pub fn delivered(
        &mut self,
        group: u32,
        member: u32,
        seq: Seq,
        attempt: Option<u64>,
        digest: u64,
    ) -> Option<Delivered> {
        let about =
            |example: Example| example.group(group).member(member).seq(seq.0).attempt(attempt);
        let Some(found) = group_mut(&mut self.groups, group) else {
            let example = Example::new(ViolationKind::Foreign, "delivered from a strange group");
            self.violations.add(about(example));
            return None;
        };
        let (arrival, wrong) = found.arrive(member, seq.0);
        let present = found.is_present(member, seq.0);
        if let Some(example) = wrong {
            self.violations.add(about(example));
        }
        if arrival == Arrival::Refused {
            return None;
        }
        self.counts.deliveries += 1;
        let slot = found.slot(seq.0)?;
        slot.delivered += 1;
        slot.came += u32::from(present);
        let bound = slot.attempt;
        let verdict = match (attempt, bound) {
            (Some(attempt), Some(bound)) if attempt == bound => Ok(attempt),
            (Some(attempt), None) => self.bind_delivered(group, attempt, seq.0),
            (Some(attempt), Some(_)) if self.was_submitted(attempt) => Err(Example::new(
                ViolationKind::Disagreement,
                "two members, or a member and the reply, have different messages here",
            )),
            _ => Err(Example::new(ViolationKind::Foreign, "an id nobody submitted")),
        };
        let result =
            verdict.and_then(|attempt| self.compare(group, member, seq.0, attempt, digest));
        if let Err(example) = result {
            self.violations.add(about(example));
            self.restart_chain(group, member);
        }
        self.forget(group);
        result.ok()
    }

    /// `member` was told to go on at `next` without what lies between: a gap, by admission.
    pub fn resynced(&mut self, group: u32, member: u32, next: Seq) {
        if let Some(found) = group_mut(&mut self.groups, group) {
            let next = next.0.min(found.reachable.saturating_add(1));
            if let Some(example) = found.skip_to(member, next) {
                self.violations.add(example.group(group).member(member).seq(next));
            }
        }
    }

    /// Deliveries and violations so far.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.counts.deliveries, self.violations.total())
    }

    /// How often what has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many submissions have no outcome yet.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let waiting = |open: &&Open| self.state(open.submitted.attempt) == State::Pending;
        u64::try_from(self.open.values().filter(waiting).count()).unwrap_or(u64::MAX)
    }

    /// Whether every accepted message reached every member, as far as is known now: when a
    /// drain may end early. Costs a pass over the groups.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.groups.iter().flatten().all(|group| group.entries.is_empty())
    }

    /// The checks of a delivery whose place is agreed: bytes, then history.
    fn compare(
        &mut self,
        group: u32,
        member: u32,
        seq: u64,
        attempt: u64,
        digest: u64,
    ) -> Result<Delivered, Example> {
        let lost = Example::new(ViolationKind::Disagreement, "a place that does not exist");
        let found = group_mut(&mut self.groups, group).ok_or(lost)?;
        let in_order = found.members[member as usize].next == seq + 1;
        let before = found.members[member as usize].chain.filter(|_| in_order);
        let present = found.is_present(member, seq);
        let slot = found.slot(seq).ok_or(lost)?;
        if slot.digest != digest {
            return Err(Example::new(ViolationKind::Corrupted, "not the bytes submitted"));
        }
        let chain = before.map(|before| link(before, attempt, digest));
        if let (Some(mine), Some(theirs)) = (chain, slot.chain)
            && mine != theirs
        {
            return Err(Example::new(ViolationKind::Disagreement, "histories differ before this"));
        }
        slot.chain = slot.chain.or(chain);
        let delivered = progress(slot, attempt, present);
        let chain = slot.chain;
        if in_order {
            found.members[member as usize].chain = chain;
        }
        Ok(delivered)
    }

    fn bind_delivered(&mut self, group: u32, attempt: u64, seq: u64) -> Result<u64, Example> {
        let wrong = |kind, what| Err(Example::new(kind, what));
        let Some(open) = self.open.get(&attempt) else {
            return match self.state(attempt) {
                State::Rejected => wrong(ViolationKind::Disagreement, "refused, and yet delivered"),
                State::Accepted | State::TimedOut => {
                    wrong(ViolationKind::Disagreement, "one message at two places")
                }
                _ => wrong(ViolationKind::Foreign, "an id nobody submitted"),
            };
        };
        if open.submitted.group != group {
            return wrong(ViolationKind::Foreign, "a message of another group");
        }
        if open.seq.is_some() {
            return wrong(ViolationKind::Disagreement, "one message at two places");
        }
        if self.bind(attempt, seq) {
            Ok(attempt)
        } else {
            wrong(ViolationKind::Disagreement, "the place is another's")
        }
    }

    /// Gives `attempt` its place; false when the place is taken or gone.
    fn bind(&mut self, attempt: u64, seq: u64) -> bool {
        let Some(open) = self.open.get_mut(&attempt) else { return false };
        let of = open.submitted;
        let Some(found) = group_mut(&mut self.groups, of.group) else { return false };
        let Some(slot) = found.slot(seq).filter(|slot| slot.attempt.is_none()) else {
            return false;
        };
        slot.attempt = Some(attempt);
        slot.digest = of.digest;
        slot.intended = of.intended;
        slot.measured = of.measured;
        open.seq = Some(seq);
        found.head = found.head.max(seq);
        if of.kind == Kind::Commit {
            self.won(of, seq);
        }
        true
    }

    /// A commit is ordered at `seq`: it must be the only one of its epoch, and what losers were
    /// told.
    fn won(&mut self, of: Submitted, seq: u64) {
        let Some(found) = group_mut(&mut self.groups, of.group) else { return };
        let about = |kind, what| {
            Example::new(kind, what).group(of.group).seq(seq).attempt(Some(of.attempt))
        };
        let fact = found.epochs.entry(of.epoch.0).or_default();
        if fact.winner.is_some() {
            let what = "a second commit was ordered in its epoch";
            return self.violations.add(about(ViolationKind::DoubleWinner, what));
        }
        fact.winner = Some(seq);
        if fact.told.is_some_and(|told| told != seq) {
            let what = "losers were told another winner than this";
            self.violations.add_many(fact.losers, about(ViolationKind::WinnerNotTold, what));
        }
    }

    /// Whether no correct service can have reached `seq`.
    fn is_beyond(&self, group: u32, seq: u64) -> bool {
        let found = self.groups.get(group as usize).and_then(Option::as_ref);
        found.is_some_and(|found| seq > found.reachable)
    }

    /// A commit lost and was told why. What it was told is compared with the winner, who may
    /// turn up later.
    fn told(&mut self, of: Submitted, current: u64, winner: u64) {
        let Some(found) = group_mut(&mut self.groups, of.group) else { return };
        let mut lie = |what| {
            let example = Example::new(ViolationKind::WinnerNotTold, what);
            self.violations.add(example.group(of.group).seq(winner).attempt(Some(of.attempt)));
        };
        if current <= of.epoch.0 {
            if current == of.epoch.0 {
                lie("refused for an epoch that is said to be the current one");
            }
            return;
        }
        found.told_current = found.told_current.max(Some(current));
        if winner == 0 {
            // A service may have forgotten who closed an epoch that is long past.
            if current - of.epoch.0 <= EPOCHS_REMEMBERED_MAX as u64 {
                lie("the loser was told no winner");
            }
            return;
        }
        let fact = found.epochs.entry(of.epoch.0).or_default();
        match (fact.winner, fact.told) {
            (Some(known), _) if known != winner => lie("the loser was told another winner"),
            (None, Some(told)) if told != winner => lie("two losers were told different winners"),
            (None, _) => {
                fact.told = Some(winner);
                fact.losers += 1;
            }
            _ => {}
        }
    }

    fn contradicted(&mut self, attempt: u64) {
        let example = Example::new(ViolationKind::Conservation, "an outcome that cannot follow");
        self.violations.add(example.attempt(Some(attempt)));
    }

    fn restart_chain(&mut self, group: u32, member: u32) {
        let found = group_mut(&mut self.groups, group);
        if let Some(member) = found.and_then(|found| found.members.get_mut(member as usize)) {
            member.chain = None;
        }
    }

    pub(super) fn forget(&mut self, group: u32) {
        let Some(found) = group_mut(&mut self.groups, group) else { return };
        let (open, states) = (&mut self.open, &self.states);
        found.forget_complete(|attempt| {
            let state = usize::try_from(attempt).ok().and_then(|index| states.get(index));
            if state == Some(&State::Accepted) {
                open.remove(&attempt);
            }
        });
    }

    /// Forgets an accepted attempt whose message was everywhere before its reply.
    fn close_if_done(&mut self, attempt: u64) {
        let Some(open) = self.open.get(&attempt) else { return };
        let found = group_mut(&mut self.groups, open.submitted.group);
        let everywhere = found.is_some_and(|found| open.seq.is_some_and(|seq| seq < found.base));
        if everywhere && self.state(attempt) == State::Accepted {
            self.open.remove(&attempt);
        }
    }

    pub(super) fn state(&self, attempt: u64) -> State {
        let index = usize::try_from(attempt).ok();
        index.and_then(|index| self.states.get(index)).copied().unwrap_or_default()
    }

    fn was_submitted(&self, attempt: u64) -> bool {
        !matches!(self.state(attempt), State::Unknown | State::NotIssued)
    }

    fn state_mut(&mut self, attempt: u64) -> &mut State {
        assert!(attempt < ATTEMPTS_MAX, "attempts are numbered from 0, below the bound");
        let index = usize::try_from(attempt).expect("the bound fits into memory");
        if self.states.len() <= index {
            self.states.resize(index + 1, State::Unknown);
        }
        &mut self.states[index]
    }
}

pub(super) fn group_mut(groups: &mut [Option<Group>], group: u32) -> Option<&mut Group> {
    groups.get_mut(usize::try_from(group).ok()?)?.as_mut()
}

/// What the delivery just counted in `slot`, to a member that was present or not, means for its
/// message.
fn progress(slot: &mut Slot, attempt: u64, present: bool) -> Delivered {
    let p99 = (u64::from(slot.awaited) * 99).div_ceil(100);
    let (told_p99, told_last) = slot.told;
    let reached_p99 = present && !told_p99 && u64::from(slot.came) >= p99;
    let last = present && !told_last && slot.came >= slot.awaited;
    slot.told = (told_p99 || reached_p99, told_last || last);
    Delivered {
        attempt,
        intended: slot.intended,
        measured: slot.measured,
        first: present && slot.came == 1,
        reached_p99,
        last,
        missed: !present,
    }
}
