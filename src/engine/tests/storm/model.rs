//! What an engine decided and what it let out, remembered apart from it.
//!
//! Decisions are held by the position of their log entry, as whole states of one group; what left
//! the engine is held as what it told its receivers.

use std::collections::{BTreeMap, VecDeque};

use crate::delivery::group::Saved;
use crate::delivery::{Attachment, DeviceId, Entry, Epoch, GroupId, Kind, MessageId, Output, Seq};

/// A group, by the position of its creation: the same id may be used again.
pub(super) type Life = (GroupId, u64);

/// A group's state right after the entry at a position.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) position: u64,
    pub(super) group: GroupId,
    /// Its life; none once it is deleted.
    pub(super) life: Option<u64>,
    pub(super) saved: Option<Saved>,
}

/// An accepted message, as somebody heard of it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) life: Life,
    pub(super) entry: Entry,
    /// The group's epoch right after it, once an answer has said so.
    pub(super) epoch: Option<Epoch>,
}

/// Everything remembered.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// By position.
    pub(super) moments: Vec<Moment>,
    /// Decisions that were logged and have not left, oldest first: place in the log and the life.
    pending: VecDeque<(u64, Option<u64>)>,
    /// The highest position that anything rests on that has left.
    pub(super) promised: u64,
    pub(super) told: BTreeMap<MessageId, Told>,
    winners: BTreeMap<(Life, Epoch), MessageId>,
}

impl Model {
    /// The group's life now, as far as decided.
    pub(super) fn life(&self, group: &GroupId) -> Option<u64> {
        self.moments.iter().rev().find(|moment| moment.group == *group)?.life
    }

    /// A decision went into the log.
    pub(super) fn logged(&mut self, moment: Moment) {
        self.pending.push_back((moment.position, moment.life));
        self.moments.push(moment);
    }

    /// An output about a durable group has left.
    pub(super) fn released(&mut self, output: &Output) -> Result<(), String> {
        match output {
            Output::Created(_) | Output::Deleted { .. } | Output::Acknowledged { .. } => {
                self.next().map(drop)
            }
            Output::Appended { group, entry, .. } => {
                let (position, life) = self.next()?;
                let life = (*group, life.ok_or("a message of a group that is gone")?);
                let decided = self.moments.iter().find(|moment| moment.position == position);
                let newest = decided.and_then(|moment| moment.saved.as_ref()?.entries.last());
                if newest.is_some_and(|newest| newest != entry) {
                    return Err(format!("{entry:?} left, decided was {newest:?}"));
                }
                self.tell(life, entry)
            }
            Output::Accepted { id, seq, epoch, .. } => {
                let told = self.told.get_mut(id).ok_or("accepted before it was fanned out")?;
                let before = *told.epoch.get_or_insert(*epoch);
                if told.entry.seq != *seq || before != *epoch {
                    return Err(format!("{id:?} is answered {seq:?} {epoch:?}, before {told:?}"));
                }
                Ok(())
            }
            Output::Attached(attachment) => self.attached(attachment),
            Output::Done { .. }
            | Output::Rejected { .. }
            | Output::AttachRefused { .. }
            | Output::Joining(_) => Ok(()),
        }
    }

    /// An engine was opened again, whose log ends at `last`: whether it is what was promised. Then
    /// the model goes on from it.
    pub(super) fn recovered(
        &mut self,
        last: u64,
        mut save: impl FnMut(&GroupId) -> Option<Saved>,
        groups: &[GroupId],
    ) -> Result<(), String> {
        if last < self.promised {
            return Err(format!("lost: promised up to {}, found up to {last}", self.promised));
        }
        self.pending.clear();
        self.moments.retain(|moment| moment.position <= last);
        for group in groups {
            let decided = self.moments.iter().rev().find(|moment| moment.group == *group);
            let (life, decided) =
                decided.map_or((None, None), |moment| (moment.life, moment.saved.clone()));
            let found = save(group);
            if found != decided {
                return Err(format!("{group:?} is {found:?}, decided was {decided:?}"));
            }
            self.told.retain(|_, told| told.life.0 != *group || Some(told.life.1) == life);
            let (Some(found), Some(life)) = (found, life) else { continue };
            self.keeps_its_word((*group, life), &found)?;
        }
        // From here on it is true, whoever was told.
        self.promised = last;
        Ok(())
    }

    /// What was told of a group against what it is; messages that nobody was told of are from now
    /// on as good as told.
    fn keeps_its_word(&mut self, life: Life, found: &Saved) -> Result<(), String> {
        for told in self.told.values().filter(|told| told.life == life) {
            let seq = told.entry.seq;
            let kept = seq.0.checked_sub(found.first.0);
            let entry = kept.and_then(|place| found.entries.get(usize::try_from(place).ok()?));
            if seq > found.head() || entry.is_some_and(|entry| *entry != told.entry) {
                return Err(format!("{:?} was told, found is {entry:?}", told.entry));
            }
        }
        found.entries.iter().try_for_each(|entry| self.tell(life, entry))
    }

    fn tell(&mut self, life: Life, entry: &Entry) -> Result<(), String> {
        if entry.kind == Kind::Commit {
            let winner = *self.winners.entry((life, entry.epoch)).or_insert(entry.id);
            if winner != entry.id {
                return Err(format!("{:?} of {life:?} has two winners", entry.epoch));
            }
        }
        let new = Told { life, entry: entry.clone(), epoch: None };
        let told = self.told.entry(entry.id).or_insert(new);
        if told.life != life || told.entry != *entry {
            return Err(format!("{entry:?} was told otherwise: {told:?}"));
        }
        Ok(())
    }

    fn attached(&self, attachment: &Attachment) -> Result<(), String> {
        for (entry, seq) in attachment.backlog.iter().zip(attachment.next.0..) {
            let told = self.told.get(&entry.id);
            if entry.seq != Seq(seq) || told.is_none_or(|told| told.entry != *entry) {
                return Err(format!("the backlog has {entry:?}, told was {told:?}"));
            }
        }
        let count = attachment.backlog.len() as u64;
        if attachment.next.0 + count != attachment.head.0 + 1 {
            return Err(format!("a backlog with a gap: {attachment:?}"));
        }
        Ok(())
    }

    /// The next logged decision leaves.
    fn next(&mut self) -> Result<(u64, Option<u64>), String> {
        let (position, life) = self.pending.pop_front().ok_or("it was never logged")?;
        self.promised = self.promised.max(position);
        Ok((position, life))
    }

    /// Messages of which an answer is known, and who sent them.
    pub(super) fn answered(&self) -> Vec<(GroupId, DeviceId, MessageId, Seq)> {
        let told = self.told.values().filter(|told| told.epoch.is_some());
        told.map(|Told { life, entry, .. }| (life.0, entry.sender, entry.id, entry.seq)).collect()
    }
}
