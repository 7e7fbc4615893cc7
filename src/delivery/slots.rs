//! Where a shard keeps its groups: by id for requests, by number for everything that refers back.
//!
//! Never decides anything. Called by [`super::shard`].

use std::collections::HashMap;

use ahash::RandomState;

use super::group::Group;
use super::ids::GroupId;
use super::shard::Watchers;

/// A group in its slot, with who drains it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) group: Group,
    pub(super) watchers: Watchers,
    /// Tells the groups apart that used the slot one after another; never used twice.
    pub(super) serial: u32,
}

/// A group that may be gone by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotRef {
    index: u32,
    serial: u32,
}

/// The groups of a shard.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Keyed, since clients choose group ids.
    by_group: HashMap<GroupId, u32, RandomState>,
    slots: Vec<Option<Slot>>,
    vacant: Vec<u32>,
    serial_next: u32,
}

impl Slots {
    /// Groups that exist.
    pub(super) fn len(&self) -> usize {
        self.by_group.len()
    }

    /// Whether a group of this id exists.
    pub(super) fn contains(&self, group: &GroupId) -> bool {
        self.by_group.contains_key(group)
    }

    /// Whether every serial number has been used.
    pub(super) fn is_used_up(&self) -> bool {
        self.serial_next == u32::MAX
    }

    /// Every group.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupId, &Slot)> {
        let slot = |(id, index): (_, &u32)| Some((id, self.slots[*index as usize].as_ref()?));
        self.by_group.iter().filter_map(slot)
    }

    /// The group of an id.
    pub(super) fn by_group(&self, group: &GroupId) -> Option<&Slot> {
        self.slots[*self.by_group.get(group)? as usize].as_ref()
    }

    /// The group of an id, and how to refer to it later.
    pub(super) fn by_group_mut(&mut self, group: &GroupId) -> Option<(SlotRef, &mut Slot)> {
        let index = *self.by_group.get(group)?;
        let slot = self.slots[index as usize].as_mut().expect("a named slot is filled");
        Some((SlotRef { index, serial: slot.serial }, slot))
    }

    /// The group referred to, unless it is gone.
    pub(super) fn get_mut(&mut self, slot: SlotRef) -> Option<&mut Slot> {
        let found = self.slots.get_mut(slot.index as usize)?.as_mut()?;
        (found.serial == slot.serial).then_some(found)
    }

    /// Fills a slot with a group of an id that none has yet.
    pub(super) fn insert(&mut self, id: GroupId, group: Group) {
        let serial = self.serial_next;
        self.serial_next += 1;
        let slot = Some(Slot { group, watchers: Watchers::default(), serial });
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("no more slots than serials")
        });
        self.slots[index as usize] = slot;
        let before = self.by_group.insert(id, index);
        assert!(before.is_none(), "a group id is used by one group");
    }

    /// Empties the slot of a group.
    pub(super) fn remove(&mut self, id: &GroupId) -> Option<Slot> {
        let index = self.by_group.remove(id)?;
        self.vacant.push(index);
        self.slots[index as usize].take()
    }
}
