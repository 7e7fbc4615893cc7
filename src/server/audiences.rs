//! The audiences of one shard: for each group that a session here drains, its cursors.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::mesh::Attached;
use super::session::SessionKey;
use crate::delivery::{Audience, DeviceId, Epoch, GroupId, RingLimits, Seq, Start};
use crate::limits::{AUDIENCE_BYTES_MAX, AUDIENCE_ENTRIES_MAX};
use crate::wire::deliver;

/// A group that sessions of this shard drain, or are about to.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) group: GroupId,
    /// The group's epoch as of the last frame.
    pub(super) epoch: Epoch,
    /// `None` until the owner has answered the first attachment.
    pub(super) audience: Option<Audience<SessionKey, Bytes>>,
    /// Attachments asked of the owner and not answered. While any is, the owner must not be told
    /// that nobody is left: it would stop sending to a session it is just answering.
    attaching: u32,
    /// In the queue of places to sweep.
    queued: bool,
}

/// All places of a shard.
#[derive(Debug, Default)]
pub(super) struct Audiences {
    by_group: HashMap<GroupId, u32>,
    places: Vec<Option<Place>>,
    free: Vec<u32>,
    sweeping: VecDeque<u32>,
}

const LIMITS: RingLimits =
    RingLimits { entries_max: AUDIENCE_ENTRIES_MAX, bytes_max: AUDIENCE_BYTES_MAX };

impl Audiences {
    /// An attachment has been asked of the group's owner.
    pub(super) fn attaching(&mut self, group: GroupId) {
        let slot = match self.by_group.get(&group) {
            Some(slot) => *slot,
            None => self.insert(group),
        };
        let place = self.places[slot as usize].as_mut().expect("a named place exists");
        place.attaching += 1;
    }

    /// The owner has refused an attachment.
    pub(super) fn attach_refused(&mut self, group: &GroupId) {
        if let Some(place) =
            self.by_group.get(group).and_then(|slot| self.places[*slot as usize].as_mut())
        {
            place.attaching = place.attaching.saturating_sub(1);
        }
    }

    /// The owner has answered an attachment: the session's cursor is set and, if it is behind,
    /// a sweep begins. `None` if the session has left meanwhile.
    pub(super) fn attached(
        &mut self,
        attached: &mut Attached,
        key: Option<SessionKey>,
    ) -> Option<u32> {
        let slot = match self.by_group.get(&attached.group) {
            Some(slot) => *slot,
            // The group was deleted and made again while the owner answered.
            None => self.insert(attached.group),
        };
        let place = self.places[slot as usize].as_mut()?;
        place.attaching = place.attaching.saturating_sub(1);
        place.epoch = attached.epoch;
        let key = key?;
        let head = attached.head;
        let audience = place.audience.get_or_insert_with(|| Audience::new(head.next(), LIMITS));
        assert_eq!(audience.next(), head.next(), "the owner's order is this shard's order");
        let oldest_seq = head.0 + 1 - attached.backlog.len() as u64;
        assert!(attached.backlog.first().is_none_or(|entry| entry.seq.0 == oldest_seq));
        for entry in attached.backlog.drain(..).rev() {
            if entry.seq < audience.first() {
                let frame = deliver(entry.seq, entry.id, &entry.body);
                let bytes = frame.len();
                audience.push_older(frame, bytes);
            }
        }
        let (device, next, last) = (attached.device, attached.next, attached.last);
        audience.join(key, Start { device, next, last });
        self.queue(slot);
        Some(slot)
    }

    /// Message `seq` of a group, removing devices from it; nothing if nobody here drains it.
    pub(super) fn push(
        &mut self,
        group: &GroupId,
        (seq, epoch): (Seq, Epoch),
        frame: Bytes,
        removed: &[DeviceId],
    ) {
        let Some(slot) = self.by_group.get(group).copied() else { return };
        let Some(place) = self.places[slot as usize].as_mut() else { return };
        place.epoch = epoch;
        let Some(audience) = place.audience.as_mut() else { return };
        assert_eq!(audience.next(), seq, "the owner's order is this shard's order");
        for device in removed {
            audience.end(*device, seq);
        }
        let bytes = frame.len();
        audience.push(frame, bytes);
        self.queue(slot);
    }

    /// A session no longer drains a place; the group if the owner may now be told that nobody
    /// here does.
    pub(super) fn leave(&mut self, slot: u32, key: SessionKey) -> Option<GroupId> {
        let place = self.places[slot as usize].as_mut()?;
        place.audience.as_mut()?.leave(key);
        let group = place.group;
        self.release(&group)
    }

    /// Forgets a place that nobody drains; its group if so.
    pub(super) fn release(&mut self, group: &GroupId) -> Option<GroupId> {
        let slot = *self.by_group.get(group)?;
        let place = self.places[slot as usize].as_ref()?;
        let drained = place.audience.as_ref().is_none_or(Audience::is_empty);
        if place.attaching > 0 || !drained {
            return None;
        }
        self.remove(group);
        Some(*group)
    }

    /// Forgets a place whatever its state: the group is gone. Its former recipients.
    pub(super) fn remove(&mut self, group: &GroupId) -> Vec<(u32, SessionKey)> {
        let Some(slot) = self.by_group.remove(group) else { return Vec::new() };
        let place = self.places[slot as usize].take();
        self.free.push(slot);
        let audience = place.and_then(|place| place.audience);
        audience.map_or_else(Vec::new, |audience| audience.keys().map(|key| (slot, key)).collect())
    }

    /// The slot of a group's place.
    pub(super) fn slot(&self, group: &GroupId) -> Option<u32> {
        self.by_group.get(group).copied()
    }

    /// A place by its slot.
    pub(super) fn place(&mut self, slot: u32) -> Option<&mut Place> {
        self.places.get_mut(slot as usize)?.as_mut()
    }

    /// The next place with a sweep under way, taken out of the queue.
    pub(super) fn next_sweep(&mut self) -> Option<u32> {
        while let Some(slot) = self.sweeping.pop_front() {
            if let Some(place) = self.places[slot as usize].as_mut()
                && std::mem::take(&mut place.queued)
            {
                return Some(slot);
            }
        }
        None
    }

    /// The slot of a group whose recipients have to be visited before the next push.
    pub(super) fn pressed(&self, group: &GroupId) -> Option<u32> {
        let slot = self.slot(group)?;
        let place = self.places[slot as usize].as_ref()?;
        place.audience.as_ref().is_some_and(Audience::is_pressed).then_some(slot)
    }

    /// Puts a place at the end of the queue if its sweep is not over.
    pub(super) fn queue(&mut self, slot: u32) {
        let Some(place) = self.places[slot as usize].as_mut() else { return };
        let sweeping = place.audience.as_ref().is_some_and(Audience::is_sweeping);
        if sweeping && !place.queued {
            place.queued = true;
            self.sweeping.push_back(slot);
        }
    }

    /// Whether any sweep is under way.
    pub(super) fn is_sweeping(&self) -> bool {
        !self.sweeping.is_empty()
    }

    /// Every slot in use.
    pub(super) fn slots(&self) -> Vec<u32> {
        self.by_group.values().copied().collect()
    }

    fn insert(&mut self, group: GroupId) -> u32 {
        let place = Place { group, epoch: Epoch(0), audience: None, attaching: 0, queued: false };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("places are bounded by sessions")
        });
        self.places[slot as usize] = Some(place);
        self.by_group.insert(group, slot);
        slot
    }
}
