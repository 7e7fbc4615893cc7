//! What the byte model says of a cell's objects.
//!
//! Its tree goes through what the cell's group goes through, so that it knows every state. Pure.
//! Called by `measure`.

use super::cell::{Cell, Object};
use super::group::{self, GROUP, SEATED_AT_ONCE, State};
use super::measure::PLAINTEXT_BYTES;
use crate::limits::BULK_ADD_MAX;
use crate::mls::size::{Change, IDENTITY_BYTES, Shape, application_message, key_package};
use crate::mls::tape::Handshake;
use crate::mls::{Dimensions, TreeState};

/// A cell's group, as far as sizes go.
#[derive(Clone, Debug)]
pub struct Model {
    group: Dimensions,
    tree: Shape,
    committer: u32,
}

impl Model {
    /// Of a cell's group when it is made. Cost: that of its commits, a few hundred nanoseconds for
    /// each node of their paths.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        let (tree, committer) = made(cell.members, cell.state);
        let group = Dimensions {
            lengths: cell.entry.lengths(),
            group_id: GROUP.len(),
            identity: IDENTITY_BYTES,
            members: cell.members,
            // Of no account: the tree is at hand.
            tree: TreeState::Fresh,
            handshake: Handshake::Public,
        };
        Self { group, tree, committer }
    }

    /// The leaf of who commits.
    #[must_use]
    pub fn committer(&self) -> u32 {
        self.committer
    }

    /// The committer's update has been merged.
    pub fn has_committed(&mut self) {
        self.tree.commit(self.committer, &[], 0);
    }

    /// The leaf that a commit here removes: on the other side of the tree.
    #[must_use]
    pub fn removed(&self) -> u32 {
        group::removed(self.committer, self.group.members)
    }

    /// Bytes of an object: exactly, or at most where signatures vary in length.
    #[must_use]
    pub fn bytes(&self, object: Object) -> usize {
        let group = &self.group;
        let lengths = &group.lengths;
        let change = Change::default();
        match object {
            Object::KeyPackage => key_package(lengths, IDENTITY_BYTES),
            Object::WelcomeOne => group.welcome(1),
            Object::WelcomeTen => group.welcome(10),
            Object::WelcomeHundred => group.welcome(100),
            Object::GroupInfo => group.group_info(),
            Object::Application => application_message(lengths, group.group_id, PLAINTEXT_BYTES),
            Object::CommitAddOne => self.commit(&Change { added: 1, ..change }),
            Object::CommitAddTen => self.commit(&Change { added: 10, ..change }),
            Object::CommitAddHundred => self.commit(&Change { added: 100, ..change }),
            Object::CommitUpdate => self.commit(&change),
            Object::CommitRemove => self.commit(&Change { removed: &[self.removed()], ..change }),
            Object::CommitExternal => {
                let (_, path) = self.tree.clone().join_externally();
                group.external_commit_along(&path)
            }
            Object::Tree => self.tree.bytes(lengths),
        }
    }

    fn commit(&self, change: &Change<'_>) -> usize {
        let path = self.tree.clone().commit(self.committer, change.removed, change.added);
        self.group.commit_along(&path, change)
    }
}

/// The tree of a group that is made by the same commits, and the leaf of who commits next.
fn made(members: u32, state: State) -> (Shape, u32) {
    match state {
        State::Fresh => (fresh(members), 0),
        State::Settled => (settled(members), 0),
        State::Merged => merged(members),
        State::Churned => {
            let (mut tree, committer) = merged(members);
            for (by, leaf) in group::replaced(members, committer) {
                tree.commit(by, &[leaf], 1);
            }
            (tree, committer)
        }
    }
}

fn fresh(members: u32) -> Shape {
    let step = u32::try_from(BULK_ADD_MAX).expect("the bound is small");
    let mut tree = Shape::of_one();
    let mut inside = 1;
    while inside < members {
        let more = step.min(members - inside);
        tree.commit(0, &[], more);
        inside += more;
    }
    tree
}

fn settled(members: u32) -> Shape {
    let mut tree = fresh(members);
    tree.commit(members - 1, &[], 0);
    for some in group::seats(members).chunks(SEATED_AT_ONCE) {
        tree.commit(0, some, u32::try_from(some.len()).expect("there are few"));
        for seat in some {
            tree.commit(*seat, &[], 0);
        }
    }
    tree
}

fn merged(members: u32) -> (Shape, u32) {
    let (mut tree, mut committer) = (fresh(2), 0);
    while tree.members() < members {
        (committer, _) = tree.join_externally();
        if tree.members() < members {
            tree.commit(committer, &[], 1);
        }
    }
    (tree, committer)
}
