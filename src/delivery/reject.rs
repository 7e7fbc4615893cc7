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
    /// The handshake breaks a rule of its group's level. `check` is its number in `validation`.
    Invalid {
        /// 1 to 16.
        check: u8,
    },
    /// The requester asks too often, or has won so often that others come first.
    SlowDown {
        /// Milliseconds after which asking again may help.
        retry_ms: u32,
    },
    /// The group is to be durable, and the service keeps no log.
    NotDurable,
    /// The group's level needs what did not come, or what this service does not implement.
    LevelUnavailable,
    /// The device has no KeyPackage of this suite to give.
    NoKeyPackage,
    /// A KeyPackage does not parse, has expired, or is there already.
    BadKeyPackage,
    /// The service holds as many KeyPackages of the device as it may.
    TooManyKeyPackages,
    /// There is no GroupInfo of the group's current epoch.
    NoGroupInfo,
}
