//! The operation mix of a class: how much of what its members do changes the group.
//!
//! Shares of the operations, spread evenly; what is left is application messages. Who does each is
//! drawn, and what cannot be done is found out, before the run: see `roster`. Called by the
//! scenario and the schedule.

use serde::Deserialize;

use super::roster::Roster;
use super::scenario::Class;
use super::schedule::OperationKind;
use crate::units::Share;

/// Shares of a class's operations beside its update commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Commits that add somebody, who joins by the Welcome.
    pub adds: Share,
    /// Commits that remove a member.
    pub removes: Share,
    /// Proposals, which the group's next commit takes in.
    pub proposals: Share,
    /// Members that propose their own removal.
    pub leaves: Share,
    /// Commits by which somebody comes in without being added.
    pub external_joins: Share,
}

impl Mix {
    /// Whether the groups stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anybody can come in.
    #[must_use]
    pub fn lets_in(&self) -> bool {
        !self.adds.is_zero() || !self.external_joins.is_zero()
    }

    /// Whether anybody has to go.
    #[must_use]
    pub fn lets_go(&self) -> bool {
        !self.removes.is_zero() || !self.leaves.is_zero()
    }
}

/// What an operation is to be, before anybody knows whether it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    ExternalJoin,
    Add,
    Remove,
    Leave,
    Propose,
    Commit,
}

const WANTED: [Wanted; 6] = [
    Wanted::ExternalJoin,
    Wanted::Add,
    Wanted::Remove,
    Wanted::Leave,
    Wanted::Propose,
    Wanted::Commit,
];

/// Decides what each operation of a class is.
#[derive(Debug)]
pub(super) struct Mixer<'a> {
    class: &'a Class,
    /// By [`WANTED`], how many have been called for so far.
    done: [u64; WANTED.len()],
}

impl<'a> Mixer<'a> {
    pub(super) fn new(class: &'a Class) -> Self {
        Self { class, done: [0; WANTED.len()] }
    }

    /// What the operation is that follows `before` others of the class, in the group of `roster`, and
    /// which member does it; `None` for an application message. `draw` is uniform below its argument.
    pub(super) fn next(
        &mut self,
        before: u64,
        roster: &mut Roster,
        draw: &mut dyn FnMut(u32) -> u32,
    ) -> Option<(OperationKind, u32)> {
        for (place, wanted) in WANTED.into_iter().enumerate() {
            if self.share(wanted).of_first(before + 1) <= self.done[place] {
                continue;
            }
            // RFC 9420 §12.4: who has seen a proposal commits before anything else.
            let waits =
                roster.has_proposals() && !matches!(wanted, Wanted::Leave | Wanted::Propose);
            if waits {
                continue;
            }
            // What cannot be done is not made up for later: there may never be anybody for it.
            self.done[place] += 1;
            if let Some(found) = find(wanted, roster, draw) {
                return Some(found);
            }
        }
        if roster.has_proposals() {
            // It takes the place of one that is still to come.
            self.done[WANTED.len() - 1] += 1;
            return Some(roster.commit());
        }
        None
    }

    fn share(&self, wanted: Wanted) -> Share {
        let mix = &self.class.mix;
        match wanted {
            Wanted::ExternalJoin => mix.external_joins,
            Wanted::Add => mix.adds,
            Wanted::Remove => mix.removes,
            Wanted::Leave => mix.leaves,
            Wanted::Propose => mix.proposals,
            Wanted::Commit => self.class.commits,
        }
    }
}

/// Who does it, if anybody can.
fn find(
    wanted: Wanted,
    roster: &mut Roster,
    draw: &mut dyn FnMut(u32) -> u32,
) -> Option<(OperationKind, u32)> {
    match wanted {
        Wanted::ExternalJoin => roster.join(draw),
        Wanted::Add => roster.add(draw),
        Wanted::Remove => roster.remove(draw),
        Wanted::Leave => roster.leave(draw),
        Wanted::Propose => roster.propose(draw),
        Wanted::Commit => Some(roster.commit()),
    }
}
