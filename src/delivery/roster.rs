//! Who is a member of a group, and since which message.
//!
//! Never decides about epochs; [`super::group`] asks it before and tells it after a commit.

use std::collections::{HashMap, HashSet, VecDeque};

use ahash::RandomState;

use super::ids::{DeviceId, Seq};
use super::message::RosterChange;
use super::reject::Reject;
use super::replay::Inconsistent;
use crate::limits::ROSTER_MAX;

/// The part of a group's order that one device may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first message it gets: the commit that added it, or 1 for a founding member.
    pub first: Seq,
    /// The last message it gets: the commit that removed it.
    pub last: Option<Seq>,
    /// The last message that it has acknowledged: one before `first` if none.
    pub acknowledged: Seq,
}

/// A member's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The first message it gets.
    pub first: Seq,
    /// The last message that it has acknowledged: one before `first` if none.
    pub acknowledged: Seq,
}

impl Cursor {
    fn at(first: Seq) -> Self {
        Self { first, acknowledged: Seq(first.0 - 1) }
    }
}

/// A group's members, and those that left while their last messages can still be caught up.
#[derive(Debug)]
pub struct Roster {
    members: HashMap<DeviceId, Cursor, RandomState>,
    /// Acknowledgements since the slowest member was last looked for.
    acknowledgements: usize,
    /// None for the many groups that nobody has left lately.
    departed: Option<Box<Departed>>,
}

/// What is known of each of several devices.
pub type Places<T> = Vec<(DeviceId, T)>;

/// Those that left, and in which order.
#[derive(Debug, Default)]
struct Departed {
    windows: HashMap<DeviceId, Window, RandomState>,
    order: VecDeque<(Seq, DeviceId)>,
}

impl Roster {
    /// The founding members, each seeing everything from the first message on.
    ///
    /// # Errors
    /// [`Reject::BadRosterChange`] when empty or naming a device twice, [`Reject::RosterFull`].
    pub fn new(devices: &[DeviceId]) -> Result<Self, Reject> {
        if devices.len() > ROSTER_MAX {
            return Err(Reject::RosterFull);
        }
        let members: HashMap<_, _, _> =
            devices.iter().map(|device| (*device, Cursor::at(Seq(1)))).collect();
        if members.is_empty() || members.len() != devices.len() {
            return Err(Reject::BadRosterChange);
        }
        Ok(Self { members, acknowledgements: 0, departed: None })
    }

    /// Whether `device` is a member now.
    #[must_use]
    pub fn contains(&self, device: DeviceId) -> bool {
        self.members.contains_key(&device)
    }

    /// Members now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never true: a group keeps at least its last committer (RFC 9420 §12.2).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What `device` may see, as a member or as one that left.
    #[must_use]
    pub fn window(&self, device: DeviceId) -> Option<Window> {
        match self.members.get(&device) {
            Some(Cursor { first, acknowledged }) => {
                Some(Window { first: *first, last: None, acknowledged: *acknowledged })
            }
            None => self.departed.as_ref()?.windows.get(&device).copied(),
        }
    }

    /// Whether a commit of `committer` may make this change. O(devices named).
    ///
    /// # Errors
    /// [`Reject::BadRosterChange`] or [`Reject::RosterFull`]; the rules are RFC 9420 §12.2's:
    /// no device twice, nobody removes the committer, only members are removed, and a member is
    /// added only if the same commit removes it.
    pub fn check(&self, committer: DeviceId, change: &RosterChange) -> Result<(), Reject> {
        if change.is_empty() {
            return Ok(());
        }
        let removed: HashSet<_, RandomState> = change.removed.iter().collect();
        let added: HashSet<_, RandomState> = change.added.iter().collect();
        let twice = removed.len() != change.removed.len() || added.len() != change.added.len();
        let strangers = change.removed.iter().any(|device| !self.contains(*device));
        let present = |device: &&DeviceId| self.contains(**device) && !removed.contains(*device);
        if twice
            || strangers
            || removed.contains(&committer)
            || change.added.iter().any(|device| present(&device))
        {
            return Err(Reject::BadRosterChange);
        }
        if self.members.len() - removed.len() + added.len() > ROSTER_MAX {
            return Err(Reject::RosterFull);
        }
        Ok(())
    }

    /// Whether `joiner` may make this change by an external commit: it adds itself alone, and
    /// removes at most its own old leaf (RFC 9420 §12.4.3.2).
    ///
    /// # Errors
    /// [`Reject::BadRosterChange`] or [`Reject::RosterFull`].
    pub fn check_join(&self, joiner: DeviceId, change: &RosterChange) -> Result<(), Reject> {
        let returns = self.contains(joiner);
        let removed: &[DeviceId] = if returns { &[joiner] } else { &[] };
        if change.added != [joiner] || change.removed != removed {
            return Err(Reject::BadRosterChange);
        }
        if !returns && self.members.len() >= ROSTER_MAX {
            return Err(Reject::RosterFull);
        }
        Ok(())
    }

    /// Whether the change can be made at all, whoever makes it.
    #[must_use]
    pub fn can_apply(&self, change: &RosterChange) -> bool {
        let mut removed: HashSet<DeviceId, RandomState> = HashSet::default();
        let leaves = |device: &DeviceId| self.contains(*device) && removed.insert(*device);
        change.removed.iter().all(leaves) && {
            let mut added: HashSet<DeviceId, RandomState> = HashSet::default();
            change.added.iter().all(|device| {
                added.insert(*device) && (!self.contains(*device) || removed.contains(device))
            })
        }
    }

    /// The members and those that left, as plain values.
    #[must_use]
    pub fn save(&self) -> (Places<Cursor>, Places<Window>) {
        let mut members: Vec<_> = self.members.iter().map(|(id, cursor)| (*id, *cursor)).collect();
        members.sort_unstable_by_key(|(id, _)| *id);
        let departed = self.departed.iter().flat_map(|departed| {
            let window = |(last, device): &(Seq, DeviceId)| {
                let window = departed.windows.get(device)?;
                (window.last == Some(*last)).then_some((*device, *window))
            };
            departed.order.iter().filter_map(window)
        });
        (members, departed.collect())
    }

    /// As it was saved.
    ///
    /// # Errors
    /// [`Inconsistent`] when nobody is a member, somebody is twice, or is over the bound.
    pub fn restore(
        members: Places<Cursor>,
        departed: Places<Window>,
    ) -> Result<Self, Inconsistent> {
        let count = members.len();
        let members: HashMap<_, _, _> = members.into_iter().collect();
        if members.is_empty() || members.len() != count || count > ROSTER_MAX {
            return Err(Inconsistent("a roster that cannot be"));
        }
        let mut left = Departed::default();
        for (device, window) in departed {
            let last = window.last.ok_or(Inconsistent("a member among those that left"))?;
            left.order.push_back((last, device));
            left.windows.insert(device, window);
        }
        let departed = (!left.order.is_empty()).then(|| Box::new(left));
        Ok(Self { members, acknowledgements: 0, departed })
    }

    /// Makes a checked change that takes effect at `seq`.
    pub fn apply(&mut self, seq: Seq, change: &RosterChange) {
        for device in &change.removed {
            let Cursor { first, acknowledged } =
                self.members.remove(device).expect("checked: only members are removed");
            let departed = self.departed.get_or_insert_default();
            departed.windows.insert(*device, Window { first, last: Some(seq), acknowledged });
            departed.order.push_back((seq, *device));
        }
        for device in &change.added {
            if let Some(departed) = &mut self.departed {
                departed.windows.remove(device);
            }
            let before = self.members.insert(*device, Cursor::at(seq));
            assert!(before.is_none(), "checked: no member is added twice");
        }
    }

    /// Moves a member's cursor forward; true if it moved.
    pub fn acknowledge(&mut self, device: DeviceId, seq: Seq) -> bool {
        let Some(cursor) = self.members.get_mut(&device) else { return false };
        let moves = seq > cursor.acknowledged;
        if moves {
            cursor.acknowledged = seq;
            self.acknowledgements += 1;
        }
        moves
    }

    /// Whether there have been as many acknowledgements as members since
    /// [`Self::acknowledged_by_all`].
    #[must_use]
    pub fn is_worth_looking_at(&self) -> bool {
        self.acknowledgements >= self.members.len()
    }

    /// The last message that every member has acknowledged. O(members).
    pub fn acknowledged_by_all(&mut self) -> Seq {
        self.acknowledgements = 0;
        let slowest = self.members.values().map(|cursor| cursor.acknowledged).min();
        slowest.expect("a group has members")
    }

    /// Forgets those that left before `seq`: nothing of theirs can be caught up any more.
    pub fn forget_departed_before(&mut self, seq: Seq) {
        let Some(departed) = &mut self.departed else { return };
        while let Some((last, device)) = departed.order.pop_front_if(|(last, _)| *last < seq) {
            if departed.windows.get(&device).is_some_and(|window| window.last == Some(last)) {
                departed.windows.remove(&device);
            }
        }
        if departed.order.is_empty() {
            self.departed = None;
        }
    }
}
