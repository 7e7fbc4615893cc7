//! One group: the epoch rule, the sequence, the roster, the recent order.
//!
//! Decides one submission at a time; never addresses anybody ([`super::shard`] does).

use std::collections::VecDeque;
use std::time::Duration;

use super::fairness::Fairness;
use super::ids::{DeviceId, Epoch, Seq};
use super::message::{Entry, Founding, Kind, Submission};
use super::rates::{Bucket, Rate};
use super::reject::Reject;
use super::ring::{Ring, RingLimits};
use super::roster::Roster;
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
        if let Some(everybody) = self.roster.acknowledged_by_all() {
            while self.recent.first() <= everybody && self.recent.drop_oldest() {}
            self.roster.forget_departed_before(self.recent.first());
        }
        moved
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
        // Whoever joins by an external commit is a stranger until it is accepted. What it proves
        // is in the message, so a group whose handshakes are not looked at takes none.
        let may_join = submission.joins && self.settings.level != Level::Opaque;
        if !self.roster.contains(sender) && !may_join {
            return Err(Reject::NotMember);
        }
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

    /// Whether it is the turn of a commit that could be accepted; one that comes too late is
    /// remembered, for its sender's next.
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
            Err(Reject::WrongEpoch { .. }) if epoch.next() == self.epoch => {
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

    /// Whether the group's rate allows a message of a member.
    ///
    /// # Errors
    /// [`Reject::SlowDown`]; [`Reject::NotMember`] for who is not to know even that.
    #[inline]
    pub fn check_rate(&self, now: Duration, sender: DeviceId, rate: Rate) -> Result<(), Reject> {
        self.bucket.check(now, rate).map_err(|slow_down| {
            if self.roster.contains(sender) { slow_down } else { Reject::NotMember }
        })
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
        let Submission { id, epoch, kind, change, body, .. } = submission;
        let seq = self.recent.next();
        match kind {
            Kind::Commit => {
                self.epoch = self.epoch.next();
                self.proposals_pending = 0;
                self.roster.apply(seq, &change);
                if self.winners.len() == EPOCHS_REMEMBERED_MAX {
                    self.winners.pop_front();
                }
                self.winners.push_back(seq);
            }
            Kind::Proposal => self.proposals_pending += 1,
            Kind::Application => {}
        }
        let bytes = body.len();
        let entry = Entry { seq, epoch, id, kind, sender, change: change.into(), body };
        self.recent.push(entry, bytes, limits);
        self.roster.forget_departed_before(self.recent.first());
        self.recent.get(seq).expect("the newest is kept")
    }
}
