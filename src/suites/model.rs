//! What the byte model says of a cell's objects.
//!
//! It knows trees that are fresh and that are merged; of one that is settled, everything but the tree
//! itself; of one that is churned, only what does not depend on it. Pure. Called by `measure`.

use super::cell::{Cell, Object};
use super::group::{self, GROUP, State};
use super::measure::PLAINTEXT_BYTES;
use crate::mls::size::{Change, IDENTITY_BYTES, application_message, key_package};
use crate::mls::tape::Handshake;
use crate::mls::{Dimensions, TreeState};

/// A cell's group, as far as sizes go.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    group: Dimensions,
    state: State,
    committer: u32,
}

impl Model {
    /// Of a cell whose committer sits at a leaf.
    #[must_use]
    pub fn of(cell: &Cell, committer: u32) -> Self {
        let tree = if cell.state == State::Fresh { TreeState::Fresh } else { TreeState::Merged };
        let group = Dimensions {
            lengths: cell.entry.lengths(),
            group_id: GROUP.len(),
            identity: IDENTITY_BYTES,
            members: cell.members,
            tree,
            handshake: Handshake::Public,
        };
        Self { group, state: cell.state, committer }
    }

    /// The leaf that a commit here removes: on the other side of the tree.
    #[must_use]
    pub fn removed(&self) -> u32 {
        group::removed(self.committer, self.group.members)
    }

    /// Bytes of an object: exactly, or at most where signatures vary in length; of a merged tree at
    /// most too, for its leaves may be from KeyPackages. `None` where the model has no such tree.
    #[must_use]
    pub fn bytes(&self, object: Object) -> Option<usize> {
        let (group, leaf) = (&self.group, self.committer);
        let lengths = &group.lengths;
        let add = |added| group.commit(leaf, &Change { added, ..Change::default() });
        let of_any_tree = match object {
            Object::KeyPackage => key_package(lengths, IDENTITY_BYTES),
            Object::WelcomeOne => group.welcome(1),
            Object::WelcomeTen => group.welcome(10),
            Object::WelcomeHundred => group.welcome(100),
            Object::GroupInfo => group.group_info(),
            Object::Application => application_message(lengths, group.group_id, PLAINTEXT_BYTES),
            _ if self.state == State::Churned => return None,
            Object::CommitAddOne => add(1),
            Object::CommitAddTen => add(10),
            Object::CommitAddHundred => add(100),
            Object::CommitUpdate => group.update_commit(leaf),
            Object::CommitRemove => group.remove_commit(leaf, self.removed()),
            Object::CommitExternal => group.external_commit(),
            Object::Tree if self.state == State::Settled => return None,
            Object::Tree => group.ratchet_tree(),
        };
        Some(of_any_tree)
    }
}
