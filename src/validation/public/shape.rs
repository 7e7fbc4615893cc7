//! Which nodes of a group's tree are blank, who is unmerged below the others, and a trace of every
//! public key: enough to say how long a path must be, for how many each node of it is encrypted,
//! and whether a key was there before.
//!
//! Pure. Nodes are numbered as in RFC 9420 Appendix C: leaf `i` is node `2i`, and a tree of `n`
//! leaves (a power of two) has `2n - 1`. It follows RFC 9420 §7.7 to §7.9 for adds, updates,
//! removes and paths. Called by `observer`.

use std::collections::{BTreeMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::limits::ROSTER_MAX;
use crate::wire::handshake::{TreeNode, tree_nodes};

/// A trace of a public key, 0 for none. Traces that are equal by chance, or on purpose, refuse the
/// commit of whoever made the later key, and nobody else's.
type Trace = u64;

const BLANK: Trace = 0;

/// 8 bytes for each node, so 16 for each member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    keys: Vec<Trace>,
    /// By parent, ascending; parents without unmerged leaves are not there.
    unmerged: BTreeMap<u32, Vec<u32>>,
}

pub(super) fn trace(key: &[u8]) -> Trace {
    xxh3_64(key).max(1)
}

impl Shape {
    /// The shape of an exported ratchet tree (RFC 9420 §12.4.3.3). `None` when it is none, or has
    /// more leaves than a group may.
    pub(super) fn of(tree: &[u8]) -> Option<Self> {
        let mut shape = Self { keys: Vec::new(), unmerged: BTreeMap::new() };
        for node in tree_nodes(tree).ok()? {
            let index = u32::try_from(shape.keys.len()).ok()?;
            if shape.keys.len() >= 4 * ROSTER_MAX {
                return None;
            }
            shape.keys.push(match node.ok()? {
                TreeNode::Blank => BLANK,
                TreeNode::Leaf(leaf) => trace(leaf.encryption_key),
                TreeNode::Parent { encryption_key, unmerged } => {
                    let leaves = unmerged
                        .chunks_exact(4)
                        .map(|leaf| u32::from_be_bytes(leaf.try_into().expect("chunks of four")));
                    let leaves: Vec<u32> = leaves.collect();
                    if !leaves.is_empty() {
                        shape.unmerged.insert(index, leaves);
                    }
                    trace(encryption_key)
                }
            });
        }
        let leaves = shape.keys.len().div_ceil(2).next_power_of_two();
        shape.keys.resize(2 * leaves - 1, BLANK);
        Some(shape)
    }

    /// Whether `key` belongs to a node. O(nodes).
    pub(super) fn has_any(&self, keys: &HashSet<Trace>) -> bool {
        self.keys.iter().any(|key| keys.contains(key))
    }

    pub(super) fn is_blank(&self, leaf: u32) -> bool {
        self.key(leaf.saturating_mul(2)) == BLANK
    }

    /// RFC 9420 §12.1.2: the new leaf, and a blank path above it. Nothing where the tree has no
    /// such leaf.
    pub(super) fn update(&mut self, leaf: u32, key: Trace) {
        if leaf < self.leaves() {
            self.set(2 * leaf, key);
            self.blank_path(leaf);
        }
    }

    /// RFC 9420 §12.1.3: a blank leaf, a blank path above it, and no empty right half. Nothing more
    /// where the leaf is blank, or is not there.
    pub(super) fn remove(&mut self, leaf: u32) {
        self.update(leaf, BLANK);
        while self.leaves() > 1 && self.blank_from(self.leaves() / 2) {
            let half = self.leaves() / 2;
            self.keys.truncate(usize_of(2 * half - 1));
            self.unmerged.retain(|node, _| *node < 2 * half - 1);
        }
    }

    /// RFC 9420 §12.1.1: the leftmost blank leaf, at or after `from`; unmerged in every parent
    /// above it.
    pub(super) fn add(&mut self, from: u32, key: Trace) -> u32 {
        let leaf = (from..self.leaves()).find(|leaf| self.is_blank(*leaf));
        let leaf = leaf.unwrap_or_else(|| {
            let leaf = self.leaves();
            self.keys.resize(usize_of(4 * leaf - 1), BLANK);
            leaf
        });
        self.set(2 * leaf, key);
        for node in self.direct_path(leaf) {
            if self.key(node) != BLANK {
                let unmerged = self.unmerged.entry(node).or_default();
                if let Err(place) = unmerged.binary_search(&leaf) {
                    unmerged.insert(place, leaf);
                }
            }
        }
        leaf
    }

    /// For how many each node of the path of `leaf` is encrypted, from the leaf upwards, not
    /// counting the leaves that are `new` (RFC 9420 §7.6): one number for each node of the filtered
    /// direct path (§4.1.2).
    pub(super) fn ciphertexts(&self, leaf: u32, new: &HashSet<u32>) -> Vec<u32> {
        self.filtered(leaf).map(|(_, copath)| self.resolution(copath, new)).collect()
    }

    /// RFC 9420 §7.9, §12.4.1: the leaf and the filtered direct path get new keys, everything else
    /// above the leaf is blank. As many keys as [`Self::ciphertexts`] gave numbers.
    pub(super) fn path(&mut self, leaf: u32, own: Trace, keys: &[Trace]) {
        let filtered: Vec<u32> = self.filtered(leaf).map(|(node, _)| node).collect();
        assert_eq!(filtered.len(), keys.len(), "the shape of the path was checked");
        self.update(leaf, own);
        for (node, key) in filtered.into_iter().zip(keys) {
            self.set(node, *key);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let unmerged = self.unmerged.values().map(|leaves| 48 + 4 * leaves.capacity());
        8 * self.keys.capacity() + unmerged.sum::<usize>()
    }

    /// The nodes of the filtered direct path, each with its child on the copath.
    fn filtered(&self, leaf: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let none = HashSet::new();
        let mut below = leaf.saturating_mul(2);
        self.direct_path(leaf).filter_map(move |node| {
            let copath = if left(node) == below { right(node) } else { left(node) };
            below = node;
            (self.resolution(copath, &none) > 0).then_some((node, copath))
        })
    }

    /// Size of the resolution of a node without the `new` leaves (RFC 9420 §4.1.1).
    fn resolution(&self, node: u32, new: &HashSet<u32>) -> u32 {
        if node.is_multiple_of(2) {
            return u32::from(self.key(node) != BLANK && !new.contains(&(node / 2)));
        }
        if self.key(node) == BLANK {
            return self.resolution(left(node), new) + self.resolution(right(node), new);
        }
        let unmerged = self.unmerged.get(&node).map_or(&[][..], Vec::as_slice);
        let old = unmerged.iter().filter(|leaf| !new.contains(leaf)).count();
        1 + u32::try_from(old).expect("leaves are numbered by u32")
    }

    fn blank_path(&mut self, leaf: u32) {
        for node in self.direct_path(leaf) {
            self.set(node, BLANK);
        }
    }

    /// Parents of a leaf, from below to the root; none of a leaf that is not there.
    fn direct_path(&self, leaf: u32) -> impl Iterator<Item = u32> + use<> {
        let root = self.leaves() - 1;
        let mut node = if leaf < self.leaves() { 2 * leaf } else { root };
        std::iter::from_fn(move || {
            (node != root).then(|| {
                node = parent(node);
                node
            })
        })
    }

    fn leaves(&self) -> u32 {
        u32::try_from(self.keys.len().div_ceil(2)).expect("bounded by the roster")
    }

    fn blank_from(&self, leaf: u32) -> bool {
        self.keys.iter().skip(usize_of(2 * leaf)).step_by(2).all(|key| *key == BLANK)
    }

    fn key(&self, node: u32) -> Trace {
        self.keys.get(usize_of(node)).copied().unwrap_or(BLANK)
    }

    fn set(&mut self, node: u32, key: Trace) {
        if let Some(kept) = self.keys.get_mut(usize_of(node)) {
            *kept = key;
            self.unmerged.remove(&node);
        }
    }
}

fn usize_of(node: u32) -> usize {
    usize::try_from(node).expect("a node fits an address")
}

fn left(parent: u32) -> u32 {
    parent ^ (1 << (parent.trailing_ones() - 1))
}

fn right(parent: u32) -> u32 {
    parent ^ (3 << (parent.trailing_ones() - 1))
}

fn parent(node: u32) -> u32 {
    let level = node.trailing_ones();
    (node | (1 << level)) & !(1 << (level + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_that_is_blank_or_not_there_is_removed_and_updated_without_effect() {
        let mut shape = Shape { keys: vec![BLANK], unmerged: BTreeMap::new() };
        for key in 1..=3 {
            shape.add(0, key);
        }
        shape.remove(2);
        let halved = shape.clone();
        for leaf in [2, 3, 4, 1 << 20, u32::MAX] {
            shape.remove(leaf);
            shape.update(leaf, 9);
            assert_eq!(shape, halved);
            assert!(shape.ciphertexts(leaf, &HashSet::new()).is_empty());
            assert!(shape.is_blank(leaf));
        }
    }
}
