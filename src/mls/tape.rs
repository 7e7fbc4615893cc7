//! A tape: a group's whole traffic in the order it is sent, and what is needed to check it.
//!
//! It holds and describes; minting, synthesising, storing and playing it are elsewhere.
//! Called by all of those, and by the load engine, which sends `messages` as they are.

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::form;
use super::membership::Membership;
use super::size;
use super::size::Dimensions;
use super::size::ProposalKind;
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
/// members, then those that only receive, then those who are no members at the start. A member's
/// number is not its leaf: senders are spread over the tree, because neighbours would leave most of
/// it blank and every commit of full size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeSpec {
    /// The suite of the whole group.
    pub suite: Suite,
    /// The suite of the init keys by which devices join it, where that is another: a deployment that no
    /// stack here runs, so such a tape is never minted.
    pub init_suite: Option<Suite>,
    /// The group's id, in every message.
    pub group: GroupId,
    /// Members of the group, 2 to [`ROSTER_MAX`]. Each costs a KeyPackage, once.
    pub members: u32,
    /// Members that send and commit, 1 to `members`. Each processes every other's commits while
    /// minting. Member 0 creates the group.
    pub senders: u32,
    /// Members that are to process everything delivered, 0 to `members - senders`.
    pub real: u32,
    /// Who is no member at the start and may come in, numbered after the members.
    pub joiners: u32,
    /// Of the joiners, the first ones: they are to process everything delivered since they joined.
    pub real_joiners: u32,
    /// Whether every commit brings the GroupInfo of the epoch it opens, as external joins need it.
    pub group_infos: bool,
    /// How commits and proposals travel.
    pub handshake: Handshake,
    /// The device of each member and joiner, by its number: all that its credential then says, as a
    /// service that validates wants it. Or none: then credentials have
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

/// One thing that somebody does. Of members, `sender` is below `senders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeOperation {
    /// Sends an application message. Not while a proposal waits for its commit (RFC 9420 §12.4).
    Application {
        /// Who.
        sender: u32,
        /// Length of the plaintext in bytes.
        bytes: u32,
    },
    /// Sends a commit with a new path and no proposals of its own (RFC 9420 §12.4). Like the next
    /// two it takes in, by reference, whatever was proposed in its epoch.
    Commit {
        /// Who.
        sender: u32,
    },
    /// Commits to adding somebody, who joins by the Welcome.
    Add {
        /// Who commits.
        sender: u32,
        /// Who comes in: nobody who is a member.
        member: u32,
    },
    /// Commits to removing a member.
    Remove {
        /// Who commits.
        sender: u32,
        /// Who goes.
        member: u32,
    },
    /// Proposes a new leaf node of its own, for somebody else's commit.
    ProposeUpdate {
        /// Who.
        sender: u32,
    },
    /// Proposes to add somebody.
    ProposeAdd {
        /// Who proposes.
        sender: u32,
        /// Who is to come in.
        member: u32,
    },
    /// Proposes to remove a member.
    ProposeRemove {
        /// Who proposes.
        sender: u32,
        /// Who is to go.
        member: u32,
    },
    /// Any member proposes its own removal: it cannot commit to that itself (RFC 9420 §12.1.3).
    Leave {
        /// Who.
        member: u32,
    },
    /// Comes in by an external commit, which nobody proposes to lose (RFC 9420 §12.4.3.2).
    ExternalJoin {
        /// Who: nobody who is a member.
        member: u32,
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
    /// Everybody who comes in, in the order in which they do.
    pub joins: Vec<TapeJoin>,
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
    /// What a commit does besides opening an epoch; `None` if nothing.
    pub effect: Option<Box<Effect>>,
}

/// What a commit of a tape does, and what it brings with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The members that come in, by number.
    pub added: Vec<u32>,
    /// The members that go.
    pub removed: Vec<u32>,
    /// Proposals of its epoch that it refers to: all of them, and its sender has to have them.
    pub refers_to: u32,
    /// The Welcome for those who are added, an MLSMessage; empty without.
    pub welcome: Bytes,
    /// The GroupInfo of the epoch that it opens, an MLSMessage; empty without.
    pub group_info: Bytes,
}

/// Somebody comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeJoin {
    /// Who.
    pub member: u32,
    /// The operation for which its KeyPackage is claimed: an add, or the proposal of one. For an
    /// external join, that join.
    pub asked: u32,
    /// The commit by which it is in, by place in the tape.
    pub commit: u32,
    /// The KeyPackage that is used, an MLSMessage; empty for an external join.
    pub key_package: Bytes,
    /// With what a real joiner joins, again and again; `None` for all others.
    pub real: Option<Box<Reentry>>,
}

/// What a real joiner has right after it has joined, or joins with.
#[derive(Clone, PartialEq, Eq)]
pub struct Reentry {
    pub(super) pairs: Vec<Pair>,
    /// The ratchet tree of the epoch it joins in; empty for an external join, whose whole state is
    /// in the pairs.
    pub(super) tree: Bytes,
}

impl std::fmt::Debug for Reentry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reentry").finish_non_exhaustive()
    }
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
        if self.init_suite.is_some() {
            return Err("no stack here makes a KeyPackage whose init key is of another suite");
        }
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
        let joiners = usize::try_from(self.joiners).expect("a member count fits an address");
        if members + joiners > ROSTER_MAX {
            return Err("members and joiners together are more than ROSTER_MAX");
        }
        if self.real_joiners > self.joiners {
            return Err("more joiners are real than there are");
        }
        if !self.devices.is_empty() && self.devices.len() != members + joiners {
            return Err("there must be a device for each member and joiner, or none");
        }
        self.check_operations()
    }

    fn check_operations(&self) -> Result<(), &'static str> {
        let mut membership = Membership::of(self);
        for operation in &self.operations {
            membership.apply(*operation)?;
            let external = matches!(operation, TapeOperation::ExternalJoin { .. });
            if external && !(self.group_infos && self.handshake == Handshake::Public) {
                return Err("external joins need GroupInfos and handshakes in the open");
            }
            if self.bytes(*operation) > MESSAGE_BYTES_MAX {
                return Err("a message would be larger than MESSAGE_BYTES_MAX");
            }
        }
        Ok(())
    }

    /// Whether `member` is a joiner that is to process everything delivered since it joined.
    #[must_use]
    pub fn is_real_joiner(&self, member: u32) -> bool {
        member.checked_sub(self.members).is_some_and(|joiner| joiner < self.real_joiners)
    }

    /// The group as far as sizes go, with so many leaves, whose commits find such a tree.
    pub(super) fn dimensions(&self, leaves: u32, tree: TreeState) -> Dimensions {
        let named = !self.devices.is_empty();
        Dimensions {
            lengths: self.suite.lengths_joined_by(self.init_suite),
            group_id: self.group.as_bytes().len(),
            identity: if named { size::DEVICE_BYTES } else { size::IDENTITY_BYTES },
            members: leaves,
            tree,
            handshake: self.handshake,
        }
    }

    /// About the most bytes that an operation's MLSMessage may have: in the tree that makes it so.
    fn bytes(&self, operation: TapeOperation) -> usize {
        let dimensions = self.dimensions(self.members + self.joiners, TreeState::Fresh);
        match operation {
            TapeOperation::Application { bytes, .. } => {
                let plaintext = usize::try_from(bytes).expect("a message length fits an address");
                size::application_message(&self.suite.lengths(), dimensions.group_id, plaintext)
            }
            TapeOperation::Add { .. } => dimensions.add_commit(0),
            TapeOperation::ProposeUpdate { .. } => dimensions.proposal(ProposalKind::Update),
            TapeOperation::ProposeAdd { .. } => dimensions.proposal(ProposalKind::Add),
            TapeOperation::ProposeRemove { .. } | TapeOperation::Leave { .. } => {
                dimensions.proposal(ProposalKind::Remove)
            }
            TapeOperation::Commit { .. } | TapeOperation::Remove { .. } => {
                dimensions.update_commit(0)
            }
            TapeOperation::ExternalJoin { .. } => dimensions.external_commit(),
        }
    }
}

impl Tape {
    /// Whether a service that looks at lifetimes would still found the group at `now`, in Unix
    /// seconds, and take the KeyPackages of those who join. One without either never expires.
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        let valid = self.minted..self.minted.saturating_add(TAPE_AGE_MAX.as_secs());
        let published = self.joins.iter().any(|join| !join.key_package.is_empty());
        (self.group_info.is_empty() && !published) || valid.contains(&now)
    }
}

impl TapeOperation {
    /// Who does it.
    #[must_use]
    pub fn sender(self) -> u32 {
        match self {
            Self::Application { sender, .. }
            | Self::Commit { sender }
            | Self::Add { sender, .. }
            | Self::Remove { sender, .. }
            | Self::ProposeUpdate { sender }
            | Self::ProposeAdd { sender, .. }
            | Self::ProposeRemove { sender, .. } => sender,
            Self::Leave { member } | Self::ExternalJoin { member } => member,
        }
    }

    /// What its message is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Application { .. } => Kind::Application,
            Self::ProposeUpdate { .. }
            | Self::ProposeAdd { .. }
            | Self::ProposeRemove { .. }
            | Self::Leave { .. } => Kind::Proposal,
            Self::Commit { .. }
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::ExternalJoin { .. } => Kind::Commit,
        }
    }
}
