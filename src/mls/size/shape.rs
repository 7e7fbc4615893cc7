//! A ratchet tree as far as lengths go: which nodes have keys, and who is unmerged below them.
//!
//! It goes through what a group goes through, one commit after the other (RFC 9420 §7.7 to §7.9),
//! so it knows trees of any history; `Dimensions` knows two, without a tree. It never holds a key.
//! Pure. Called by who compares suites, and by the tests of `Dimensions`.

use std::collections::BTreeSet;

use super::{IDENTITY_BYTES, leaf_node, vector};
use crate::mls::primitive::Lengths;

/// A tree with at least one member. Cost: a few dozen bytes for each leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The last of them is not blank.
    leaves: Vec<Leaf>,
    /// Those that are, before it.
    blank: BTreeSet<usize>,
    /// Parents from the level above the leaves to the root: half as many on each level, of a tree
    /// that is as wide as a power of two.
    parents: Vec<Vec<Option<Parent>>>,
}

/// Where a leaf's node is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    Blank,
    /// Its member's KeyPackage.
    Published,
    /// A commit of its member; whether there was a parent to hash.
    Committed(bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    /// Whether it had a parent with a key when it got its own.
    hashed: bool,
    unmerged: Vec<u32>,
}

impl Shape {
    /// A group of one, who has just created it.
    #[must_use]
    pub fn of_one() -> Self {
        Self { leaves: vec![Leaf::Published], blank: BTreeSet::new(), parents: Vec::new() }
    }

    /// A commit of the member at leaf `by` that removes leaves and then adds members, each at the
    /// first blank leaf, with a path: the ciphertexts of each of its nodes. Cost: log N for each
    /// leaf named, and the size of the resolutions.
    ///
    /// # Panics
    ///
    /// When there is no member at `by`.
    pub fn commit(&mut self, by: u32, removed: &[u32], added: u32) -> Vec<u32> {
        for leaf in removed {
            self.remove(index(*leaf));
        }
        let new: Vec<u32> = (0..added).map(|_| self.add()).collect();
        assert!(self.leaves[index(by)] != Leaf::Blank, "a committer is a member");
        self.set_path(by, &new)
    }

    /// An external commit of a new member: its leaf, and the ciphertexts of each node of its path.
    pub fn join_externally(&mut self) -> (u32, Vec<u32>) {
        let leaf = self.add();
        (leaf, self.set_path(leaf, &[]))
    }

    /// Members.
    #[must_use]
    pub fn members(&self) -> u32 {
        let members = self.leaves.len() - self.blank.len();
        u32::try_from(members).expect("leaves are counted in 32 bits")
    }

    /// Bytes of the tree as joiners get it (RFC 9420 §12.4.3.3), for identities of
    /// [`IDENTITY_BYTES`]: at most, where signatures vary in length.
    #[must_use]
    pub fn bytes(&self, lengths: &Lengths) -> usize {
        let (present, node_type, lifetime) = (1, 1, 16);
        let hash = |is_there| vector(if is_there { lengths.hash } else { 0 });
        let leaf = |leaf: &Leaf| match leaf {
            Leaf::Blank => 0,
            Leaf::Published => node_type + leaf_node(lengths, IDENTITY_BYTES, lifetime),
            Leaf::Committed(hashed) => {
                node_type + leaf_node(lengths, IDENTITY_BYTES, hash(*hashed))
            }
        };
        let parent = |parent: &Parent| {
            let unmerged = vector(4 * parent.unmerged.len());
            node_type + vector(lengths.kem_public_key) + hash(parent.hashed) + unmerged
        };
        let leaves: usize = self.leaves.iter().map(leaf).sum();
        let parents: usize = self.parents.iter().flatten().flatten().map(parent).sum();
        // Nodes after the last leaf are blank, and left out.
        vector((2 * self.leaves.len() - 1) * present + leaves + parents)
    }

    fn width(&self) -> usize {
        1 << self.parents.len()
    }

    fn remove(&mut self, leaf: usize) {
        self.leaves[leaf] = Leaf::Blank;
        self.blank.insert(leaf);
        for (level, parents) in (1..).zip(&mut self.parents) {
            parents[leaf >> level] = None;
        }
        while self.leaves.last() == Some(&Leaf::Blank) {
            self.leaves.pop();
            self.blank.remove(&self.leaves.len());
        }
        while self.leaves.len() * 2 <= self.width() && self.width() > 1 {
            self.parents.pop();
            for parents in &mut self.parents {
                parents.truncate(parents.len() / 2);
            }
        }
    }

    /// A leaf from a KeyPackage at the first place that is blank.
    fn add(&mut self) -> u32 {
        let leaf = self.blank.pop_first().unwrap_or(self.leaves.len());
        match self.leaves.get_mut(leaf) {
            Some(blank) => *blank = Leaf::Published,
            None => self.leaves.push(Leaf::Published),
        }
        if leaf == self.width() {
            for parents in &mut self.parents {
                parents.resize(parents.len() * 2, None);
            }
            self.parents.push(vec![None]);
        }
        let number = u32::try_from(leaf).expect("leaves are counted in 32 bits");
        for (level, parents) in (1..).zip(&mut self.parents) {
            if let Some(parent) = &mut parents[leaf >> level] {
                parent.unmerged.push(number);
            }
        }
        number
    }

    /// Gives a key to every parent of `leaf` whose other child has members, and blanks the others.
    fn set_path(&mut self, leaf: u32, new: &[u32]) -> Vec<u32> {
        let leaf = index(leaf);
        let (mut path, mut parents) = (Vec::new(), Vec::new());
        for level in 0..self.parents.len() {
            let (members, joiners) = self.resolution(level, (leaf >> level) ^ 1, new);
            if members + joiners > 0 {
                path.push(members);
                parents.push(level);
            } else {
                self.parents[level][leaf >> (level + 1)] = None;
            }
        }
        for level in &parents {
            let hashed = Some(level) != parents.last();
            let parent = Parent { hashed, unmerged: Vec::new() };
            self.parents[*level][leaf >> (level + 1)] = Some(parent);
        }
        self.leaves[leaf] = Leaf::Committed(!parents.is_empty());
        path
    }

    /// The nodes that reach everybody below a node (RFC 9420 §4.1.2): those of old members, and
    /// the leaves of `new` ones, who are in order.
    fn resolution(&self, level: usize, place: usize, new: &[u32]) -> (u32, u32) {
        let apart = |leaves: &mut dyn Iterator<Item = u32>| {
            leaves.fold((0, 0), |(old, joined), leaf| {
                if new.binary_search(&leaf).is_ok() { (old, joined + 1) } else { (old + 1, joined) }
            })
        };
        let Some(above) = level.checked_sub(1) else {
            let leaf = self.leaves.get(place).filter(|leaf| **leaf != Leaf::Blank);
            let number = u32::try_from(place).expect("leaves are counted in 32 bits");
            return apart(&mut leaf.map(|_| number).into_iter());
        };
        if let Some(parent) = &self.parents[above][place] {
            let (old, joined) = apart(&mut parent.unmerged.iter().copied());
            return (old + 1, joined);
        }
        let children = [2 * place, 2 * place + 1].map(|child| self.resolution(above, child, new));
        (children[0].0 + children[1].0, children[0].1 + children[1].1)
    }
}

fn index(leaf: u32) -> usize {
    usize::try_from(leaf).expect("a leaf fits an address")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mls::Suite;
    use crate::mls::size::{Change, Dimensions, TreeState};
    use crate::mls::tape::Handshake;

    fn dimensions(members: u32, tree: TreeState) -> Dimensions {
        let lengths = Suite::named("x25519-aes128-ed25519").unwrap().lengths();
        let (group_id, handshake) = (16, Handshake::Public);
        Dimensions { lengths, group_id, identity: IDENTITY_BYTES, members, tree, handshake }
    }

    fn fresh(members: u32) -> Shape {
        let mut shape = Shape::of_one();
        shape.commit(0, &[], members - 1);
        shape
    }

    /// A tree in which everybody has committed, one after the other.
    fn merged(members: u32) -> Shape {
        let mut shape = fresh(members);
        for leaf in 0..members {
            shape.commit(leaf, &[], 0);
        }
        shape
    }

    proptest! {
        /// Two models that have nothing in common but the RFC.
        #[test]
        fn a_tree_that_was_gone_through_says_the_same_of_a_commit_as_one_that_is_known(
            members in 2_u32..70,
            leaf in any::<prop::sample::Index>(),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            added in 0_u32..12,
        ) {
            let size = index(members);
            let at = |index: prop::sample::Index| u32::try_from(index.index(size)).unwrap();
            let mut removed: Vec<u32> = removed.into_iter().map(at).collect();
            removed.sort_unstable();
            removed.dedup();
            for (state, shape) in [
                (TreeState::Fresh, fresh(members)),
                (TreeState::Merged, merged(members)),
            ] {
                let leaf = if state == TreeState::Fresh { 0 } else { at(leaf) };
                let removed: Vec<u32> =
                    removed.iter().copied().filter(|gone| *gone != leaf).collect();
                let change = Change { added, removed: &removed, ..Change::default() };
                let known = dimensions(members, state);
                let path = shape.clone().commit(leaf, &removed, added);
                let (told, foretold) =
                    (known.commit_along(&path, &change), known.commit(leaf, &change));
                prop_assert_eq!(told, foretold, "{:?} {:?}", state, path);
                let (_, path) = shape.clone().join_externally();
                prop_assert_eq!(known.external_commit_along(&path), known.external_commit());
            }
        }

        #[test]
        fn a_fresh_tree_is_as_long_either_way_and_a_merged_one_at_most_as_foretold(
            members in 2_u32..200,
        ) {
            let known = dimensions(members, TreeState::Fresh);
            prop_assert_eq!(fresh(members).bytes(&known.lengths), known.ratchet_tree());
            let known = dimensions(members, TreeState::Merged);
            prop_assert!(merged(members).bytes(&known.lengths) <= known.ratchet_tree());
        }
    }

    #[test]
    fn who_leaves_at_the_end_takes_the_width_of_the_tree_along() {
        let mut shape = fresh(9);
        let wide = shape.clone();
        shape.commit(0, &[8], 0);
        assert_eq!(shape.parents.len(), 3);
        assert_eq!(shape.commit(0, &[], 1), [1, 2, 4, 0], "who joins is not encrypted to");
        assert_eq!(shape.parents.len(), wide.parents.len());
        shape.commit(0, &[1, 2, 3, 4, 5, 6, 7, 8], 0);
        assert_eq!(shape.leaves, [Leaf::Committed(false)], "alone, with no parent");
        assert_eq!((shape.blank.len(), shape.parents.len()), (0, 0));
    }

    #[test]
    fn a_seat_is_taken_again_through_blank_nodes_until_its_new_member_commits() {
        let mut shape = merged(8);
        shape.commit(0, &[5], 1);
        assert_eq!(shape.clone().commit(0, &[], 0), [1, 1, 3], "6 and 7 share a node yet");
        shape.commit(4, &[], 1);
        assert_eq!(shape.clone().commit(0, &[], 0), [1, 1, 1, 1]);
        let mut grown = shape.clone();
        grown.commit(0, &[], 1);
        assert_eq!(grown.commit(8, &[], 0), [1, 1]);
    }

    #[test]
    fn who_joins_below_a_node_is_unmerged_until_it_commits() {
        let lengths = dimensions(8, TreeState::Merged).lengths;
        let mut shape = merged(8);
        shape.commit(0, &[5], 0);
        shape.commit(6, &[], 0);
        let before = shape.clone();
        assert_eq!(shape.commit(0, &[], 1), [1, 1, 1], "who joins is not encrypted to");
        let unmerged = shape.bytes(&lengths) - before.bytes(&lengths);
        assert_eq!(unmerged - 4, leaf(&lengths), "its place among the unmerged, and its leaf");
        assert_eq!(shape.clone().commit(0, &[], 0), [1, 1, 2], "the node's key, and its own");
        shape.commit(5, &[], 0);
        assert_eq!(shape.commit(0, &[], 0), [1, 1, 1]);
    }

    /// Bytes of a leaf that was blank, from a KeyPackage.
    fn leaf(lengths: &Lengths) -> usize {
        let (node_type, lifetime) = (1, 16);
        node_type + leaf_node(lengths, IDENTITY_BYTES, lifetime)
    }
}
