//! Why a request was refused, in terms its sender can act on.

use super::ids::{Epoch, Seq};

/// An expected refusal. Nothing changed; nobody else noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// The epoch of a commit or proposal is not the current one, or that of an application
    /// message is in the future or too far in the past. Rebase on `current` and retry.
    WrongEpoch {
        /// The group's epoch now.
        current: Epoch,
        /// The commit that closed the submitted epoch; 0 when not (or no longer) known.
        winner: Seq,
    },
    /// The group does not exist here.
    UnknownGroup,
    /// A group of this id exists already.
    GroupExists,
    /// The device is not on the group's roster.
    NotMember,
    /// Another device has used this message id in the group.
    IdTaken,
    /// The declared roster change contradicts the roster: adds a member, removes a stranger,
    /// names a device twice, leaves nobody, or comes with something that is not a commit.
    BadRosterChange,
    /// The roster would be, or is, larger than the service takes.
    RosterFull,
    /// The epoch holds as many proposals as it may; commit them first.
    TooManyProposals,
    /// The service holds as many groups as it may.
    TooManyGroups,
    /// Only handshake and application messages of a group can be submitted.
    NotSubmittable,
}
