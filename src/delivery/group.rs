//! One group: the epoch rule, the sequence, the roster, the recent order.
//!
//! Decides one submission at a time; never addresses anybody ([`super::shard`] does).

use std::collections::VecDeque;
use std::time::Duration;

use super::fairness::Fairness;
use super::ids::{DeviceId, Epoch, MessageId, Seq};
use super::joining::{Enclosures, SavedEnclosures};
use super::message::{Enclosed, Entry, Founding, Kind, Submission};
use super::rates::{Bucket, Rate};
use super::reject::Reject;
use super::replay::Inconsistent;
use super::retries::Answer;
use super::ring::{Ring, RingLimits};
use super::roster::{Cursor, Roster, Window};
use super::settings::{Level, Settings};
use crate::limits::{EPOCH_MAX, EPOCHS_REMEMBERED_MAX, PROPOSALS_PENDING_MAX};

/// The state behind every decision about a group.
#[derive(Debug)]
pub struct Group {
    epoch: Epoch,
    settings: Settings,
    roster: Roster,
    recent: Ring<Entry>,
    /// The commits that closed the latest epochs, oldest first, contiguous up to `epoch - 1`.
    winners: VecDeque<Seq>,
    proposals_pending: usize,
    enclosures: Enclosures,
    /// Who has lost commits, if anybody.
    fairness: Option<Box<Fairness>>,
    reservation_max: Duration,
    bucket: Bucket,
}

impl Group {
    /// A group at `epoch` whose first accepted message will be number 1, and whose epochs are
    /// reserved for those who lost for so long at most.
    ///
    /// # Errors
    /// As [`Roster::new`], and [`Reject::WrongEpoch`] for an epoch above [`EPOCH_MAX`].
    pub fn new(founding: &Founding, reservation_max: Duration) -> Result<Self, Reject> {
        let epoch = founding.epoch;
        if epoch > Epoch(EPOCH_MAX) {
            return Err(Reject::WrongEpoch { current: Epoch(EPOCH_MAX), winner: Seq(0) });
        }
        Ok(Self {
            epoch,
            settings: founding.settings,
            roster: Roster::new(&founding.roster)?,
            recent: Ring::starting_at(Seq(1)),
            winners: VecDeque::new(),
            proposals_pending: 0,
            enclosures: Enclosures::new(founding.group_info.as_ref(), founding.tree.as_ref()),
            fairness: None,
            reservation_max,
            bucket: Bucket::default(),
        })
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How it is kept and looked at.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The number of the last accepted message, 0 for none.
    #[must_use]
    pub fn head(&self) -> Seq {
        Seq(self.recent.next().0 - 1)
    }

    /// The members.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The recent order.
    #[must_use]
    pub fn recent(&self) -> &Ring<Entry> {
        &self.recent
    }

    /// What it keeps for those who join it.
    #[must_use]
    pub fn enclosures(&self) -> &Enclosures {
        &self.enclosures
    }

    pub(super) fn enclosures_mut(&mut self) -> &mut Enclosures {
        &mut self.enclosures
    }

    /// Drops the oldest remembered message if it is still `seq`; true if so.
    pub fn forget(&mut self, seq: Seq) -> bool {
        let forgotten = self.recent.first() == seq && self.recent.drop_oldest();
        if forgotten {
            self.roster.forget_departed_before(self.recent.first());
        }
        forgotten
    }

    /// Moves a member's cursor forward, up to the head; true if it moved. What every member has
    /// acknowledged is then forgotten, now and then: O(1), amortised.
    pub fn acknowledge(&mut self, device: DeviceId, seq: Seq) -> bool {
        let moved = self.roster.acknowledge(device, seq.min(self.head()));
        if self.roster.is_worth_looking_at() {
            self.forget_acknowledged();
        }
        moved
    }

    /// Forgets what every member has acknowledged. O(members).
    pub fn forget_acknowledged(&mut self) {
        let everybody = self.roster.acknowledged_by_all();
        while self.recent.first() <= everybody && self.recent.drop_oldest() {}
        self.roster.forget_departed_before(self.recent.first());
    }

    /// Accepts the submission as the next message of the order, or says why not. O(1) but for
    /// the devices that a commit names.
    ///
    /// # Errors
    /// Every [`Reject`] that concerns an existing group; nothing changed then.
    pub fn decide(
        &mut self,
        now: Duration,
        sender: DeviceId,
        submission: Submission,
        past_epochs: u64,
        limits: RingLimits,
    ) -> Result<&Entry, Reject> {
        let checked = self.check(sender, &submission, past_epochs);
        if submission.kind == Kind::Commit {
            self.take_turn(now, sender, submission.epoch, checked)?;
            self.won(now, sender);
        }
        checked?;
        Ok(self.accept(sender, submission, limits))
    }

    /// Whether the submission would be accepted now, unless others come first.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn check(
        &self,
        sender: DeviceId,
        submission: &Submission,
        past_epochs: u64,
    ) -> Result<(), Reject> {
        self.check_sender(sender, submission)?;
        self.check_epoch(submission.kind, submission.epoch, past_epochs)?;
        match submission.kind {
            Kind::Commit if submission.joins => {
                self.roster.check_join(sender, &submission.change)?;
            }
            Kind::Commit => self.roster.check(sender, &submission.change)?,
            _ if !submission.change.is_empty() => return Err(Reject::BadRosterChange),
            Kind::Proposal if self.proposals_pending >= PROPOSALS_PENDING_MAX => {
                return Err(Reject::TooManyProposals);
            }
            Kind::Proposal | Kind::Application => {}
        }
        Ok(())
    }

    /// Whether its sender may send it, its epoch is right, and nobody is before it.
    #[must_use]
    pub fn might_accept(
        &self,
        now: Duration,
        sender: DeviceId,
        what: &Submission,
        past_epochs: u64,
    ) -> bool {
        let is_turn = |fairness: &Fairness| fairness.check_turn(now, sender).is_ok();
        self.check_sender(sender, what).is_ok()
            && self.check_epoch(what.kind, what.epoch, past_epochs).is_ok()
            && (what.kind != Kind::Commit || self.fairness.as_deref().is_none_or(is_turn))
    }

    /// Whoever joins by an external commit is a stranger until it is accepted. What it proves is in
    /// the message, so only a group whose messages are verified takes one.
    fn check_sender(&self, sender: DeviceId, submission: &Submission) -> Result<(), Reject> {
        let may_join = submission.joins && self.settings.level == Level::Public;
        let may = self.roster.contains(sender) || may_join;
        may.then_some(()).ok_or(Reject::NotMember)
    }

    /// Whether it is the turn of a commit that could be accepted; one of a member that comes too
    /// late is remembered, for its sender's next. Who is to join by one has not been looked at
    /// when it is late, so that strangers could make members wait.
    fn take_turn(
        &mut self,
        now: Duration,
        sender: DeviceId,
        epoch: Epoch,
        checked: Result<(), Reject>,
    ) -> Result<(), Reject> {
        match checked {
            Ok(()) => {
                let fairness = self.fairness.as_mut();
                fairness.map_or(Ok(()), |fairness| fairness.may_commit(now, sender))
            }
            Err(Reject::WrongEpoch { .. })
                if epoch.next() == self.epoch && self.roster.contains(sender) =>
            {
                let reservation_max = self.reservation_max;
                let new = || Box::new(Fairness::new(reservation_max));
                self.fairness.get_or_insert_with(new).lost(now, sender, epoch);
                checked
            }
            Err(_) => checked,
        }
    }

    fn won(&mut self, now: Duration, sender: DeviceId) {
        if let Some(fairness) = &mut self.fairness {
            fairness.won(now, sender);
            if fairness.is_empty() {
                self.fairness = None;
            }
        }
    }

    /// Whether the group's rate allows one more message.
    ///
    /// # Errors
    /// [`Reject::SlowDown`]; [`Reject::NotMember`] for who is not to know even that.
    #[inline]
    pub fn check_rate(
        &self,
        now: Duration,
        sender: DeviceId,
        submission: &Submission,
        rate: Rate,
    ) -> Result<(), Reject> {
        let allowed = self.bucket.check(now, rate);
        allowed.or_else(|slow_down| self.check_sender(sender, submission).and(Err(slow_down)))
    }

    /// Counts an accepted message against the group's rate.
    #[inline]
    pub fn spend(&mut self, now: Duration, rate: Rate) {
        self.bucket.take(now, rate);
    }

    fn check_epoch(&self, kind: Kind, epoch: Epoch, past_epochs: u64) -> Result<(), Reject> {
        let age = self.epoch.0.checked_sub(epoch.0);
        let accepted = match kind {
            // RFC 9750 §5.2: exactly one commit closes each epoch, so equality, never "not above".
            Kind::Commit | Kind::Proposal => age == Some(0),
            Kind::Application => age.is_some_and(|age| age <= past_epochs),
        };
        if accepted {
            return Ok(());
        }
        let winner = age
            .and_then(|age| usize::try_from(age).ok())
            .and_then(|age| self.winners.len().checked_sub(age))
            .and_then(|index| self.winners.get(index))
            .copied()
            .unwrap_or_default();
        Err(Reject::WrongEpoch { current: self.epoch, winner })
    }

    fn accept(&mut self, sender: DeviceId, submission: Submission, limits: RingLimits) -> &Entry {
        let Submission { id, epoch, kind, change, enclosed, body, .. } = submission;
        let seq = self.recent.next();
        if kind == Kind::Commit {
            self.enclosures.commit(seq, &change.added, &enclosed);
        }
        self.append(Entry { seq, epoch, id, kind, sender, change: change.into(), body }, limits);
        self.recent.get(seq).expect("the newest is kept")
    }

    /// Makes a checked message the newest one.
    fn append(&mut self, entry: Entry, limits: RingLimits) {
        match entry.kind {
            Kind::Commit => {
                self.epoch = self.epoch.next();
                self.proposals_pending = 0;
                self.roster.apply(entry.seq, &entry.change);
                if self.winners.len() == EPOCHS_REMEMBERED_MAX {
                    self.winners.pop_front();
                }
                self.winners.push_back(entry.seq);
            }
            Kind::Proposal => self.proposals_pending += 1,
            Kind::Application => {}
        }
        let bytes = entry.cost();
        self.recent.push(entry, bytes, limits);
        self.roster.forget_departed_before(self.recent.first());
    }

    /// Takes a message that was accepted before.
    ///
    /// # Errors
    /// [`Inconsistent`] when it cannot have been the next one; nothing changed then.
    pub fn replay(
        &mut self,
        entry: Entry,
        enclosed: &Enclosed,
        limits: RingLimits,
    ) -> Result<(), Inconsistent> {
        if entry.seq != self.recent.next() {
            return Err(Inconsistent("a message is not the next of its group"));
        }
        let fits = match entry.kind {
            Kind::Commit => entry.epoch == self.epoch && self.roster.can_apply(&entry.change),
            Kind::Proposal => entry.epoch == self.epoch && entry.change.is_empty(),
            Kind::Application => entry.epoch <= self.epoch && entry.change.is_empty(),
        };
        if !fits {
            return Err(Inconsistent("a message of another epoch, or a change that cannot be"));
        }
        if entry.kind == Kind::Commit {
            self.enclosures.commit(entry.seq, &entry.change.added, enclosed);
        }
        self.append(entry, limits);
        Ok(())
    }

    /// The messages kept, and what their submitters were answered: the number, and the group's
    /// epoch right after it.
    pub fn answers(&self) -> Vec<(MessageId, Answer)> {
        let entries = self.recent.range(self.recent.first(), self.head());
        let mut epoch = self.epoch;
        let mut answers: Vec<_> = entries
            .rev()
            .map(|entry| {
                let answer = Answer { sender: entry.sender, seq: entry.seq, epoch };
                if entry.kind == Kind::Commit {
                    epoch = entry.epoch;
                }
                (entry.id, answer)
            })
            .collect();
        answers.reverse();
        answers
    }

    /// Everything, to be kept elsewhere. Bodies are shared.
    #[must_use]
    pub fn save(&self) -> Saved {
        let (members, departed) = self.roster.save();
        Saved {
            epoch: self.epoch,
            settings: self.settings,
            members,
            departed,
            winners: self.winners.iter().copied().collect(),
            proposals_pending: self.proposals_pending,
            enclosures: self.enclosures.save(),
            first: self.recent.first(),
            entries: self.recent.range(self.recent.first(), self.head()).cloned().collect(),
        }
    }

    /// As it was saved. Nobody has lost or sent anything as far as turns and rates go.
    ///
    /// # Errors
    /// [`Inconsistent`] when no group can be so.
    pub fn restore(saved: Saved, reservation_max: Duration) -> Result<Self, Inconsistent> {
        let contiguous =
            (saved.first.0..).zip(&saved.entries).all(|(seq, entry)| entry.seq.0 == seq);
        let bounded = saved.winners.len() <= EPOCHS_REMEMBERED_MAX && saved.first > Seq(0);
        if !contiguous || !bounded {
            return Err(Inconsistent("a group's checkpoint has a gap"));
        }
        let mut recent = Ring::starting_at(saved.first);
        for entry in saved.entries {
            let bytes = entry.cost();
            let all = RingLimits { entries_max: usize::MAX, bytes_max: usize::MAX };
            recent.push(entry, bytes, all);
        }
        Ok(Self {
            epoch: saved.epoch,
            settings: saved.settings,
            roster: Roster::restore(saved.members, saved.departed)?,
            recent,
            winners: saved.winners.into(),
            proposals_pending: saved.proposals_pending,
            enclosures: Enclosures::restore(saved.enclosures),
            fairness: None,
            reservation_max,
            bucket: Bucket::default(),
        })
    }
}

/// A group's whole state, as plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The current epoch.
    pub epoch: Epoch,
    /// How it is kept and looked at.
    pub settings: Settings,
    /// The members, with their cursors, in the order of their ids.
    pub members: Vec<(DeviceId, Cursor)>,
    /// Those that left and can still catch up, in the order in which they did.
    pub departed: Vec<(DeviceId, Window)>,
    /// The commits that closed the latest epochs, oldest first.
    pub winners: Vec<Seq>,
    /// Proposals of the current epoch.
    pub proposals_pending: usize,
    /// What it keeps for those who join it.
    pub enclosures: SavedEnclosures,
    /// The first number of `entries`, or the next to come.
    pub first: Seq,
    /// The messages kept, without a gap.
    pub entries: Vec<Entry>,
}

impl Saved {
    /// The number of the last accepted message, 0 for none.
    #[must_use]
    pub fn head(&self) -> Seq {
        Seq(self.first.0 + self.entries.len() as u64 - 1)
    }
}
