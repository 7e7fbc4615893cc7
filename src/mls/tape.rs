//! A tape: a group's whole traffic in the order it is sent, and what is needed to check it.
//!
//! It holds and describes; minting, synthesising, storing and playing it are elsewhere.
//! Called by all of those, and by the load engine, which sends `messages` as they are.

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::form;
use super::size;
use super::size::TreeState;
use super::storage::Pair;
use super::suite::Suite;
use crate::delivery::DeviceId;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Kind;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::limits::ROSTER_MAX;
use crate::limits::TAPE_AGE_MAX;

/// What a tape shall contain. Members are numbered from 0: first the senders, then the real
/// members, then those that only receive. A member's number is not its leaf: senders are spread
/// over the tree, because neighbours would leave most of it blank and every commit of full size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeSpec {
    /// The suite of the whole group.
    pub suite: Suite,
    /// The group's id, in every message.
    pub group: GroupId,
    /// Members of the group, 2 to [`ROSTER_MAX`]. Each costs a KeyPackage, once.
    pub members: u32,
    /// Members that send and commit, 1 to `members`. Each processes every other's commits while
    /// minting. Member 0 creates the group.
    pub senders: u32,
    /// Members that are to process everything delivered, 0 to `members - senders`.
    pub real: u32,
    /// How commits travel.
    pub handshake: Handshake,
    /// The device of each member, by its number: all that its credential then says, as a service
    /// that validates wants it. Or none: then credentials have
    /// [`IDENTITY_BYTES`](super::size::IDENTITY_BYTES), and nobody can found the group elsewhere.
    pub devices: Vec<DeviceId>,
    /// The traffic, in order.
    pub operations: Vec<TapeOperation>,
}

/// How handshake messages travel (RFC 9420 §6). Serialised in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handshake {
    /// As PublicMessages: signed, so that the service may look.
    #[default]
    Public,
    /// As PrivateMessages: encrypted, so that it may not.
    Private,
}

/// One thing that a sender does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeOperation {
    /// Sends an application message.
    Application {
        /// Who: 0 to `senders - 1`.
        sender: u32,
        /// Length of the plaintext in bytes.
        bytes: u32,
    },
    /// Sends an update commit: a new path, no proposals (RFC 9420 §12.4).
    Commit {
        /// Who: 0 to `senders - 1`.
        sender: u32,
    },
}

/// A group's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tape {
    /// What it was made from.
    pub spec: TapeSpec,
    /// The epoch of the first message: the one after everybody was added.
    pub epoch: Epoch,
    /// One message for each operation, in order.
    pub messages: Vec<TapeMessage>,
    /// The Welcome by which every real member joins, as an MLSMessage.
    pub welcome: Bytes,
    /// The ratchet tree for that Welcome (RFC 9420 §12.4.3.3).
    pub tree: Bytes,
    /// The GroupInfo of the first epoch, an MLSMessage without the tree, with which a service that
    /// validates founds the group. Empty when the members are not named by device.
    pub group_info: Bytes,
    /// When it was minted, in Unix seconds: leaves that have not committed are valid for
    /// [`TAPE_AGE_MAX`] from then. 0 when synthetic.
    pub minted: u64,
    /// One for each real member, in order.
    pub real: Vec<MemberSeed>,
    /// The epoch authenticator after the last commit (RFC 9420 §8.7), which every member that has
    /// processed the whole tape must reach. Empty when synthetic.
    pub authenticator: Vec<u8>,
}

/// One message of a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeMessage {
    /// What the header says it is.
    pub kind: Kind,
    /// The epoch it is sent in.
    pub epoch: Epoch,
    /// The member that sends it.
    pub sender: u32,
    /// The MLSMessage.
    pub body: Bytes,
}

/// The private keys with which a real member joins, again and again, from the tape's Welcome.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberSeed {
    /// The member's number.
    pub member: u32,
    pub(super) pairs: Vec<Pair>,
}

impl std::fmt::Debug for MemberSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemberSeed").field("member", &self.member).finish_non_exhaustive()
    }
}

impl TapeSpec {
    /// The number of the member at each leaf in the first epoch: the order of a roster that is by
    /// leaf. Cost: linear in the members.
    #[must_use]
    pub fn by_leaf(&self) -> Vec<u32> {
        form::by_leaf(self.members, self.senders, self.senders + self.real)
    }

    /// Says what is wrong with it, if anything: a count out of range, a sender that is none, a
    /// message that no service would take.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let members = usize::try_from(self.members).expect("a member count fits an address");
        if !(2..=ROSTER_MAX).contains(&members) {
            return Err("members must be 2 to ROSTER_MAX");
        }
        if self.senders == 0 || self.senders > self.members {
            return Err("senders must be 1 to members");
        }
        if self.real > self.members - self.senders {
            return Err("senders and real members together are more than members");
        }
        if !self.devices.is_empty() && self.devices.len() != members {
            return Err("there must be a device for each member, or none");
        }
        for operation in &self.operations {
            if operation.sender() >= self.senders {
                return Err("an operation's sender is not one of the senders");
            }
            if self.bytes(*operation) > MESSAGE_BYTES_MAX {
                return Err("a message would be larger than MESSAGE_BYTES_MAX");
            }
        }
        Ok(())
    }

    /// Upper bound of an operation's MLSMessage in bytes.
    fn bytes(&self, operation: TapeOperation) -> usize {
        let group_id = self.group.as_bytes().len();
        match operation {
            TapeOperation::Application { bytes, .. } => {
                let plaintext = usize::try_from(bytes).expect("a message length fits an address");
                size::application_message(self.suite, group_id, plaintext)
            }
            TapeOperation::Commit { .. } => {
                let (members, tree) = (self.members, TreeState::Fresh);
                size::update_commit(self.suite, group_id, members, 0, tree, self.handshake)
            }
        }
    }
}

impl Tape {
    /// Whether a service that looks at lifetimes would still found the group at `now`, in Unix
    /// seconds. One that is not founded so never expires.
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        let valid = self.minted..self.minted.saturating_add(TAPE_AGE_MAX.as_secs());
        self.group_info.is_empty() || valid.contains(&now)
    }
}

impl TapeOperation {
    /// Who does it.
    #[must_use]
    pub fn sender(self) -> u32 {
        match self {
            Self::Application { sender, .. } | Self::Commit { sender } => sender,
        }
    }
}
