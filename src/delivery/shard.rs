//! A shard: the groups it owns, one input at a time.
//!
//! The whole of what a delivery service decides passes through [`Shard::handle`]. It cannot fail,
//! block or read a clock; what it decided waits in [`Shard::poll`]. Called by `engine`, which
//! holds every output back until the entry it rests on is durable.

use std::collections::VecDeque;
use std::time::Duration;

use super::group::Group;
use super::ids::{DeviceId, Epoch, GroupId, MessageId, Seq};
use super::joining::{Allowances, Ask, Devices, Enclosures, Told};
use super::message::{Enclosed, Entry, Founding, Submission};
use super::policy::Policy;
use super::rates::DeviceRates;
use super::reject::Reject;
use super::retries::{Answer, Retries};
use super::slots::{SlotRef, Slots};
use crate::limits::{
    ALLOWANCES_MAX, FETCHES_BURST, FETCHES_PER_SECOND, RETRIES_REMEMBERED_MAX, RETRY_AGE_MAX,
};

/// Where an answer goes: opaque here, the server's name for a session on a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The shard that the session sits on.
    pub shard: u16,
    /// The session's slot there.
    pub session: u32,
    /// Distinguishes the sessions that used the slot one after another.
    pub generation: u32,
}

/// The shards that drain a group: bit i for shard i.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watchers(pub u64);

impl Watchers {
    /// Whether shard `shard` drains the group.
    #[must_use]
    pub fn contains(self, shard: u16) -> bool {
        self.0 >> shard & 1 == 1
    }
}

/// What a shard is asked.
#[derive(Clone, Debug)]
pub enum Input {
    /// Make a group; the asking device must be on its roster.
    Create {
        /// Who asks.
        from: Link,
        /// As which device.
        device: DeviceId,
        /// Named in the answer.
        request: MessageId,
        /// The new group.
        founding: Box<Founding>,
    },
    /// Forget a group. Whether the asker may is settled before.
    Delete {
        /// Who asks.
        from: Link,
        /// Named in the answer.
        request: MessageId,
        /// The group.
        group: GroupId,
    },
    /// Order a message.
    Submit {
        /// Who asks.
        from: Link,
        /// As which device.
        device: DeviceId,
        /// What.
        submission: Submission,
    },
    /// Deliver a group's messages to a session from now on.
    Attach {
        /// The session.
        from: Link,
        /// Its device.
        device: DeviceId,
        /// The group.
        group: GroupId,
        /// The last message the device has; 0 for none, [`Seq::CURSOR`] for the last that it has
        /// acknowledged.
        after: Seq,
    },
    /// A device has dealt with a group's messages up to one, for good.
    Acknowledge {
        /// The device.
        device: DeviceId,
        /// The group.
        group: GroupId,
        /// The last message that it needs no more.
        seq: Seq,
    },
    /// Something about how devices come into groups.
    Joining(Ask),
    /// A shard has no session left that drains the group.
    Unwatch {
        /// The shard.
        shard: u16,
        /// The group.
        group: GroupId,
    },
}

/// What a shard decided. Order matters: an output may rest on every one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A group exists from here on. To be logged.
    Created(Box<Founding>),
    /// A group is gone. To be logged; its watchers drop it.
    Deleted {
        /// The group.
        group: GroupId,
        /// Who drained it.
        watchers: Watchers,
    },
    /// A message has its place. To be logged, then fanned out.
    Appended {
        /// The group.
        group: GroupId,
        /// Who drains it.
        watchers: Watchers,
        /// The message.
        entry: Entry,
        /// What came with it.
        enclosed: Enclosed,
    },
    /// A device needs nothing up to a message again. To be logged, some time.
    Acknowledged {
        /// The group.
        group: GroupId,
        /// The device.
        device: DeviceId,
        /// The message.
        seq: Seq,
    },
    /// The answer to a create or delete.
    Done {
        /// Who asked.
        to: Link,
        /// What was asked.
        request: MessageId,
    },
    /// The answer to an accepted submission, also when it is asked again.
    Accepted {
        /// Who asked.
        to: Link,
        /// The message.
        id: MessageId,
        /// Its place.
        seq: Seq,
        /// The group's epoch right after it.
        epoch: Epoch,
    },
    /// A create, delete or submission was refused.
    Rejected {
        /// Who asked.
        to: Link,
        /// The message or request.
        id: MessageId,
        /// Why.
        reason: Reject,
    },
    /// Something about how devices come into groups. Records are to be logged.
    Joining(Told),
    /// A session drains the group from here on.
    Attached(Box<Attachment>),
    /// A session may not.
    AttachRefused {
        /// Who asked.
        to: Link,
        /// For which group.
        group: GroupId,
        /// Why.
        reason: Reject,
    },
}

/// Where a session starts in a group's order, and what it missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The session.
    pub to: Link,
    /// Its device.
    pub device: DeviceId,
    /// The group.
    pub group: GroupId,
    /// The group's epoch now.
    pub epoch: Epoch,
    /// The last accepted message.
    pub head: Seq,
    /// The first message that the session gets.
    pub next: Seq,
    /// The last message that it gets, if it has left the group.
    pub last: Option<Seq>,
    /// Whether messages it should have had are no longer kept, so that it starts after them.
    pub resync: bool,
    /// The messages from `next` to `head`, oldest first; those after `last` are not for it.
    pub backlog: Vec<Entry>,
}

/// A message kept for catching up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) place: SlotRef,
    pub(super) seq: Seq,
    /// When it was accepted, in seconds.
    pub(super) since: u64,
}

/// The groups of one shard and the decisions not yet taken away.
#[derive(Debug)]
pub struct Shard {
    pub(super) policy: Policy,
    pub(super) slots: Slots,
    pub(super) retries: Retries,
    pub(super) device_rates: DeviceRates,
    /// Every message kept for catching up, oldest first, whichever group it is of.
    pub(super) kept: VecDeque<Kept>,
    pub(super) kept_bytes: usize,
    pub(super) devices: Devices,
    pub(super) fetches: Allowances,
    /// Bytes that groups keep for those who join them.
    pub(super) joining_bytes: usize,
    pub(super) outputs: VecDeque<Output>,
}

impl Shard {
    /// A shard without groups.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            slots: Slots::default(),
            retries: Retries::new(RETRIES_REMEMBERED_MAX, RETRY_AGE_MAX),
            device_rates: DeviceRates::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            devices: Devices::default(),
            fetches: Allowances::new(FETCHES_BURST, FETCHES_PER_SECOND, ALLOWANCES_MAX),
            joining_bytes: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input; `now` is the time since the Unix epoch, and never goes back.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.retries.expire(now);
        match input {
            Input::Submit { from, device, submission } => {
                self.submit(now, from, device, submission);
            }
            Input::Create { from, device, request, founding } => {
                let outcome = self.create(device, founding);
                self.answer(from, request, outcome);
            }
            Input::Delete { from, request, group } => {
                let outcome = self.delete(&group);
                self.answer(from, request, outcome);
            }
            Input::Attach { from, device, group, after } => {
                self.attach(now, from, device, group, after);
            }
            Input::Acknowledge { device, group, seq } => self.acknowledge(device, group, seq),
            Input::Joining(ask) => self.join(now, ask),
            Input::Unwatch { shard, group } => {
                if let Some((_, slot)) = self.slots.by_group_mut(&group) {
                    slot.watchers.0 &= !(1 << shard);
                }
            }
        }
    }

    /// Whether a submission could be accepted, before anything is known of its roster change: it
    /// is new, its epoch is right, its sender is a member or joins by it, and nobody has to wait.
    #[must_use]
    pub fn might_accept(&self, now: Duration, sender: DeviceId, submission: &Submission) -> bool {
        let Policy { rates, past_epochs, .. } = self.policy;
        let Some(slot) = self.slots.by_group(&submission.group) else { return false };
        let known = self.retries.answer(self.retries.key(slot.serial, submission.id)).is_some();
        !known
            && self.device_rates.check(now, sender, rates.device).is_ok()
            && slot.group.check_rate(now, sender, submission, rates.group).is_ok()
            && slot.group.might_accept(now, sender, submission, past_epochs)
    }

    /// The next decision, which stays.
    #[must_use]
    pub fn peek(&self) -> Option<&Output> {
        self.outputs.front()
    }

    /// The next decision, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.retries.deadline()
    }

    /// Does what time alone calls for: forgets old retries and old messages.
    pub fn tick(&mut self, now: Duration) {
        self.retries.expire(now);
        self.trim_kept(now);
    }

    /// Groups that exist.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.slots.len()
    }

    /// Whether a group of this id exists.
    #[must_use]
    pub fn contains(&self, group: &GroupId) -> bool {
        self.slots.contains(group)
    }

    /// A group's state.
    #[must_use]
    pub fn group(&self, group: &GroupId) -> Option<&Group> {
        self.slots.by_group(group).map(|slot| &slot.group)
    }

    /// The devices it owns.
    #[must_use]
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    fn answer(&mut self, to: Link, request: MessageId, outcome: Result<(), Reject>) {
        self.outputs.push_back(match outcome {
            Ok(()) => Output::Done { to, request },
            Err(reason) => Output::Rejected { to, id: request, reason },
        });
    }

    fn create(&mut self, device: DeviceId, founding: Box<Founding>) -> Result<(), Reject> {
        if self.slots.contains(&founding.group) {
            return Err(Reject::GroupExists);
        }
        if self.slots.len() >= self.policy.groups_max || self.slots.is_used_up() {
            return Err(Reject::TooManyGroups);
        }
        let state = Group::new(&founding, self.policy.reservation_max)?;
        if !state.roster().contains(device) {
            return Err(Reject::NotMember);
        }
        Enclosures::check_room(self.joining_bytes, state.enclosures().bytes())?;
        self.joining_bytes += state.enclosures().bytes();
        self.slots.insert(founding.group, state);
        self.outputs.push_back(Output::Created(founding));
        Ok(())
    }

    fn delete(&mut self, group: &GroupId) -> Result<(), Reject> {
        let slot = self.slots.remove(group).ok_or(Reject::UnknownGroup)?;
        self.kept_bytes -= slot.group.recent().bytes();
        self.joining_bytes -= slot.group.enclosures().bytes();
        self.outputs.push_back(Output::Deleted { group: *group, watchers: slot.watchers });
        Ok(())
    }

    fn submit(&mut self, now: Duration, to: Link, device: DeviceId, submission: Submission) {
        let id = submission.id;
        if let Err(reason) = self.decide(now, to, device, submission) {
            self.outputs.push_back(Output::Rejected { to, id, reason });
        }
    }

    fn decide(
        &mut self,
        now: Duration,
        to: Link,
        sender: DeviceId,
        submission: Submission,
    ) -> Result<(), Reject> {
        let (group, id) = (submission.group, submission.id);
        let Policy { past_epochs, ring, rates, .. } = self.policy;
        let (place, slot) = self.slots.by_group_mut(&group).ok_or(Reject::UnknownGroup)?;
        let key = self.retries.key(slot.serial, id);
        if let Some(Answer { sender: first, seq, epoch }) = self.retries.answer(key) {
            if first == sender {
                self.outputs.push_back(Output::Accepted { to, id, seq, epoch });
                return Ok(());
            }
            // Which ids a group has used is its members' business.
            let is_member = slot.group.roster().contains(sender);
            return Err(if is_member { Reject::IdTaken } else { Reject::NotMember });
        }
        let before = slot.group.recent().bytes();
        self.device_rates.check(now, sender, rates.device)?;
        slot.group.check_rate(now, sender, &submission, rates.group)?;
        let enclosed = submission.enclosed.clone();
        // What is refused for itself is refused for that below, after its sender's turn is noted.
        if !enclosed.is_empty() && slot.group.check(sender, &submission, past_epochs).is_ok() {
            slot.group.enclosures().check(self.joining_bytes, &enclosed)?;
        }
        let joining = slot.group.enclosures().bytes();
        let entry = slot.group.decide(now, sender, submission, past_epochs, ring)?.clone();
        slot.group.spend(now, rates.group);
        self.device_rates.take(now, sender, rates.device);
        let (seq, epoch) = (entry.seq, slot.group.epoch());
        self.joining_bytes = self.joining_bytes + slot.group.enclosures().bytes() - joining;
        let forward = slot.group.enclosures().forward(group, seq);
        self.kept_bytes = self.kept_bytes + slot.group.recent().bytes() - before;
        self.kept.push_back(Kept { place, seq, since: now.as_secs() });
        self.outputs.push_back(Output::Appended {
            group,
            watchers: slot.watchers,
            entry,
            enclosed,
        });
        self.outputs.push_back(Output::Accepted { to, id, seq, epoch });
        self.outputs.extend(forward.map(Output::Joining));
        self.retries.remember(now, key, Answer { sender, seq, epoch });
        self.trim_kept(now);
        Ok(())
    }

    /// Forgets the shard's oldest messages until all of them together fit and none is too old, and
    /// the notes about those that their own groups have already forgotten.
    pub(super) fn trim_kept(&mut self, now: Duration) {
        while let Some(Kept { place, seq, since }) = self.kept.front().copied() {
            let fits = self.kept_bytes <= self.policy.kept_bytes_max
                && self.kept.len() <= self.policy.kept_entries_max
                && now.as_secs().saturating_sub(since) <= self.policy.kept_age_max.as_secs();
            let slot = self.slots.get_mut(place);
            if fits && slot.as_ref().is_some_and(|slot| slot.group.recent().first() <= seq) {
                break;
            }
            self.kept.pop_front();
            if let Some(slot) = slot {
                let before = slot.group.recent().bytes();
                slot.group.forget(seq);
                self.kept_bytes -= before - slot.group.recent().bytes();
            }
        }
    }

    /// Moves a member's cursor; what everybody has acknowledged is forgotten.
    fn acknowledge(&mut self, device: DeviceId, group: GroupId, seq: Seq) {
        let Some((_, slot)) = self.slots.by_group_mut(&group) else { return };
        let before = slot.group.recent().bytes();
        if slot.group.acknowledge(device, seq) {
            self.outputs.push_back(Output::Acknowledged { group, device, seq });
        }
        self.kept_bytes -= before - slot.group.recent().bytes();
    }

    fn attach(&mut self, now: Duration, to: Link, device: DeviceId, group: GroupId, after: Seq) {
        let rate = self.policy.rates.device;
        let allowed = self.device_rates.check(now, device, rate);
        let output = match allowed.and_then(|()| self.attachment(to, device, group, after)) {
            Ok(attachment) => {
                self.device_rates.take(now, device, rate);
                Output::Attached(Box::new(attachment))
            }
            Err(reason) => Output::AttachRefused { to, group, reason },
        };
        self.outputs.push_back(output);
    }

    fn attachment(
        &mut self,
        to: Link,
        device: DeviceId,
        group: GroupId,
        after: Seq,
    ) -> Result<Attachment, Reject> {
        let (_, slot) = self.slots.by_group_mut(&group).ok_or(Reject::UnknownGroup)?;
        let state = &slot.group;
        let window = state.roster().window(device).ok_or(Reject::NotMember)?;
        let head = state.head();
        let after = if after == Seq::CURSOR { window.acknowledged } else { after.min(head) };
        let wanted = window.first.max(after.next());
        if window.last.is_some_and(|last| last < wanted) {
            return Err(Reject::NotMember);
        }
        let resync = wanted < state.recent().first();
        let next = if resync { head.next() } else { wanted };
        if resync && window.last.is_some() {
            return Err(Reject::NotMember);
        }
        let backlog = state.recent().range(next, head).cloned().collect();
        let epoch = state.epoch();
        slot.watchers.0 |= 1 << to.shard;
        let last = window.last;
        Ok(Attachment { to, device, group, epoch, head, next, last, resync, backlog })
    }
}
