//! A shard's state from what was logged: the same decisions again, without deciding.
//!
//! What is replayed was accepted once, so nothing here refuses: an entry that does not fit what
//! came before it means that the log is not one of ours. Never queues an output. Called by
//! `engine` before it takes its first input.

use std::time::Duration;

use super::group::{Group, Saved};
use super::ids::{DeviceId, GroupId, MessageId, Seq};
use super::message::{Enclosed, Entry, Founding};
use super::retries::Answer;
use super::shard::{Kept, Shard};

/// An entry that does not fit those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Inconsistent(pub &'static str);

impl Shard {
    /// A group was created.
    ///
    /// # Errors
    /// [`Inconsistent`] when it exists, or could not have been.
    pub fn replay_created(&mut self, founding: &Founding) -> Result<(), Inconsistent> {
        if self.slots.contains(&founding.group) {
            return Err(Inconsistent("a group is created twice"));
        }
        let group = Group::new(founding, self.policy.reservation_max)
            .map_err(|_reject| Inconsistent("a group that cannot be"))?;
        self.joining_bytes += group.enclosures().bytes();
        self.slots.insert(founding.group, group);
        Ok(())
    }

    /// A group was deleted. One that is not known has left nothing else.
    pub fn replay_deleted(&mut self, group: &GroupId) {
        if let Some(slot) = self.slots.remove(group) {
            self.kept_bytes -= slot.group.recent().bytes();
            self.joining_bytes -= slot.group.enclosures().bytes();
        }
    }

    /// A message was accepted with what came with it, at `at`, the time since the Unix epoch. False if its group is not
    /// known: then a later checkpoint has it.
    ///
    /// # Errors
    /// [`Inconsistent`] when it is not the next of its group.
    pub fn replay_appended(
        &mut self,
        at: Duration,
        group: &GroupId,
        entry: Entry,
        enclosed: &Enclosed,
    ) -> Result<bool, Inconsistent> {
        let Some((place, slot)) = self.slots.by_group_mut(group) else { return Ok(false) };
        let (id, seq, sender) = (entry.id, entry.seq, entry.sender);
        let before = slot.group.recent().bytes();
        let joining = slot.group.enclosures().bytes();
        slot.group.replay(entry, enclosed, self.policy.ring)?;
        self.joining_bytes = self.joining_bytes + slot.group.enclosures().bytes() - joining;
        let (epoch, serial) = (slot.group.epoch(), slot.serial);
        self.kept_bytes = self.kept_bytes + slot.group.recent().bytes() - before;
        self.kept.push_back(Kept { place, seq, since: at.as_secs() });
        self.remember(at, serial, id, Answer { sender, seq, epoch });
        self.trim_kept(at);
        Ok(true)
    }

    /// A device moved its cursor.
    pub fn replay_acknowledged(&mut self, group: &GroupId, device: DeviceId, seq: Seq) {
        let Some((_, slot)) = self.slots.by_group_mut(group) else { return };
        let before = slot.group.recent().bytes();
        slot.group.acknowledge(device, seq);
        self.kept_bytes -= before - slot.group.recent().bytes();
    }

    /// A group's whole state, as it was at `at`. Says nothing new of a group that has been
    /// replayed from its creation or an earlier checkpoint.
    ///
    /// # Errors
    /// [`Inconsistent`] when it contradicts what was replayed, or itself.
    pub fn replay_checkpoint(
        &mut self,
        at: Duration,
        group: GroupId,
        saved: Saved,
    ) -> Result<(), Inconsistent> {
        if let Some(known) = self.save(&group) {
            let agrees = known.epoch == saved.epoch && known.head() == saved.head();
            return agrees.then_some(()).ok_or(Inconsistent("a checkpoint of another history"));
        }
        let restored = Group::restore(saved, self.policy.reservation_max)?;
        self.kept_bytes += restored.recent().bytes();
        self.joining_bytes += restored.enclosures().bytes();
        self.slots.insert(group, restored);
        let (place, slot) = self.slots.by_group_mut(&group).expect("it was just inserted");
        let serial = slot.serial;
        let answers = slot.group.answers();
        for (id, answer) in answers {
            self.kept.push_back(Kept { place, seq: answer.seq, since: at.as_secs() });
            self.remember(at, serial, id, answer);
        }
        self.trim_kept(at);
        Ok(())
    }

    /// A group's whole state now, without what every member has acknowledged: that is forgotten
    /// first, here as in whoever replays it.
    pub fn save(&mut self, group: &GroupId) -> Option<Saved> {
        let (_, slot) = self.slots.by_group_mut(group)?;
        let before = slot.group.recent().bytes();
        slot.group.forget_acknowledged();
        self.kept_bytes -= before - slot.group.recent().bytes();
        Some(slot.group.save())
    }

    fn remember(&mut self, at: Duration, serial: u32, id: MessageId, answer: Answer) {
        self.retries.expire(at);
        let key = self.retries.key(serial, id);
        if self.retries.answer(key).is_none() {
            self.retries.remember(at, key, answer);
        }
    }
}
