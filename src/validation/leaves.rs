//! Which device holds which leaf, kept from roster changes alone.
//!
//! The founding members hold the leaves from the left, in their order. A commit blanks the leaves
//! it removes, then each device it adds, in the order of its proposals, takes the leftmost blank
//! leaf (RFC 9420 §7.7, §12.3). It knows no message and verifies nothing: it is as true as the
//! changes that it is told of. Called by `header` for every handshake.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use ahash::RandomState;

use crate::delivery::{DeviceId, RosterChange};

/// The leaf of every member. About 40 bytes for each, and 4 for each leaf that is blank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leaves {
    of: Held,
    blank: Blank,
    /// One more than the highest leaf that was ever held.
    width: u32,
}

type Held = HashMap<DeviceId, u32, RandomState>;

/// The blank leaves below the width, the leftmost first.
#[derive(Clone, Debug, Default)]
struct Blank(BinaryHeap<Reverse<u32>>);

impl PartialEq for Blank {
    fn eq(&self, other: &Self) -> bool {
        self.0.clone().into_sorted_vec() == other.0.clone().into_sorted_vec()
    }
}

impl Leaves {
    /// The founding members, leaf 0 first. `None` when a device is there twice, or nobody is.
    #[must_use]
    pub fn founded_by(roster: &[DeviceId]) -> Option<Self> {
        Self::at(roster.iter().copied().map(Some))
    }

    /// The devices of leaves 0, 1, and so on, where some are blank. `None` as above.
    #[must_use]
    pub fn at(leaves: impl IntoIterator<Item = Option<DeviceId>>) -> Option<Self> {
        let mut made = Self::default();
        for device in leaves {
            match device {
                Some(device) if made.of.insert(device, made.width).is_some() => return None,
                Some(_) => {}
                None => made.blank.0.push(Reverse(made.width)),
            }
            made.width = made.width.checked_add(1)?;
        }
        (!made.of.is_empty()).then_some(made)
    }

    /// The leaf that `device` holds. O(1).
    #[inline]
    #[must_use]
    pub fn of(&self, device: DeviceId) -> Option<u32> {
        self.of.get(&device).copied()
    }

    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whether the change can be made: only members are removed, nobody is named twice, and a
    /// member is added only if it is removed by the same change. O(devices named).
    #[must_use]
    pub fn allow(&self, change: &RosterChange) -> bool {
        if change.is_empty() {
            return true;
        }
        let removed: HashSet<_, RandomState> = change.removed.iter().collect();
        let added: HashSet<_, RandomState> = change.added.iter().collect();
        let gone = |device: &DeviceId| removed.contains(device);
        removed.len() == change.removed.len()
            && added.len() == change.added.len()
            && change.removed.iter().all(|device| self.of.contains_key(device))
            && change.added.iter().all(|device| !self.of.contains_key(device) || gone(device))
            && self.of.len() - removed.len() + added.len() > 0
            && u32::try_from(self.of.len() + added.len()).is_ok()
    }

    /// Makes a change that [`Self::allow`] allowed. O(log leaves) for each device named.
    pub fn apply(&mut self, change: &RosterChange) {
        for device in &change.removed {
            let leaf = self.of.remove(device).expect("allowed: only members are removed");
            self.blank.0.push(Reverse(leaf));
        }
        for device in &change.added {
            let leaf = match self.blank.0.pop() {
                Some(Reverse(leaf)) => leaf,
                None => {
                    self.width += 1;
                    self.width - 1
                }
            };
            let before = self.of.insert(*device, leaf);
            assert!(before.is_none(), "allowed: no member is added twice");
        }
    }

    /// The device of every leaf from the left, blank ones between them.
    #[must_use]
    pub fn devices(&self) -> Vec<Option<DeviceId>> {
        let mut devices = vec![None; usize::try_from(self.width).expect("a leaf fits an address")];
        for (device, leaf) in &self.of {
            devices[usize::try_from(*leaf).expect("a leaf fits an address")] = Some(*device);
        }
        devices
    }

    /// Memory in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let held = size_of::<(DeviceId, u32)>() + 1;
        size_of::<Self>() + self.of.capacity() * held + self.blank.0.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device(number: u8) -> DeviceId {
        DeviceId([number; 16])
    }

    /// What RFC 9420 §7.7 and §12.3 say, word by word.
    #[derive(Debug)]
    struct Naive(Vec<Option<DeviceId>>);

    impl Naive {
        fn allows(&self, change: &RosterChange) -> bool {
            let mut left = self.0.iter().flatten().copied().collect::<Vec<_>>();
            for device in &change.removed {
                let Some(at) = left.iter().position(|member| member == device) else {
                    return false;
                };
                left.remove(at);
            }
            for device in &change.added {
                if left.contains(device) {
                    return false;
                }
                left.push(*device);
            }
            !left.is_empty()
        }

        fn apply(&mut self, change: &RosterChange) {
            for leaf in &mut self.0 {
                if leaf.is_some_and(|device| change.removed.contains(&device)) {
                    *leaf = None;
                }
            }
            for device in &change.added {
                match self.0.iter_mut().find(|leaf| leaf.is_none()) {
                    Some(leaf) => *leaf = Some(*device),
                    None => self.0.push(Some(*device)),
                }
            }
        }
    }

    fn change() -> impl Strategy<Value = RosterChange> {
        let some = || prop::collection::vec((0_u8..24).prop_map(device), 0..6);
        (some(), some()).prop_map(|(added, removed)| RosterChange { added, removed })
    }

    proptest! {
        #[test]
        fn leaves_are_where_a_naive_tree_has_them(
            founders in prop::collection::btree_set(0_u8..24, 1..12),
            changes in prop::collection::vec(change(), 0..40),
        ) {
            let founders: Vec<_> = founders.into_iter().map(device).collect();
            let mut leaves = Leaves::founded_by(&founders).unwrap();
            let mut naive = Naive(founders.iter().copied().map(Some).collect());
            for change in changes {
                prop_assert_eq!(leaves.allow(&change), naive.allows(&change), "{:?}", change);
                if leaves.allow(&change) {
                    leaves.apply(&change);
                    naive.apply(&change);
                }
                prop_assert_eq!(leaves.devices(), naive.0.clone());
                for (at, held) in (0..).zip(&naive.0) {
                    prop_assert!(held.is_none_or(|device| leaves.of(device) == Some(at)));
                }
                prop_assert_eq!(&Leaves::at(naive.0.clone()).unwrap(), &leaves);
            }
        }
    }

    #[test]
    fn a_roster_with_nobody_or_somebody_twice_has_no_leaves() {
        assert_eq!(Leaves::founded_by(&[]), None);
        assert_eq!(Leaves::founded_by(&[device(1), device(2), device(1)]), None);
        assert_eq!(Leaves::at([None, None]), None);
    }
}
