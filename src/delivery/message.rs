//! A message on its way through the service: what was submitted, and what became of it.

use std::ops::Deref;

use bytes::Bytes;

use super::ids::{DeviceId, Epoch, GroupId, MessageId, Seq};
use super::settings::Settings;

/// What a message is, as far as ordering cares (the content types of RFC 9420 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Changes nothing; accepted in the current and a few past epochs.
    Application,
    /// Bound to its epoch, cleared by the commit that closes it.
    Proposal,
    /// Closes its epoch: exactly one per epoch wins.
    Commit,
}

/// A group as it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// Its id.
    pub group: GroupId,
    /// The epoch that its members are in.
    pub epoch: Epoch,
    /// How it is kept and looked at.
    pub settings: Settings,
    /// Its members, by leaf where the level looks at leaves.
    pub roster: Vec<DeviceId>,
    /// Its GroupInfo, an MLSMessage, if it came.
    pub group_info: Option<Bytes>,
    /// Its ratchet tree, if it came by itself.
    pub tree: Option<Bytes>,
}

/// The roster change that a commit makes, as its submitter declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterChange {
    /// Devices that become members at the commit's sequence number.
    pub added: Vec<DeviceId>,
    /// Devices whose last message is this commit.
    pub removed: Vec<DeviceId>,
}

impl RosterChange {
    /// Whether the roster stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// The roster change of an accepted message: one word for the many that make none, since entries
/// are kept by the million and copied on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change(Option<Box<RosterChange>>);

impl From<RosterChange> for Change {
    fn from(change: RosterChange) -> Self {
        Self((!change.is_empty()).then(|| Box::new(change)))
    }
}

impl Deref for Change {
    type Target = RosterChange;

    fn deref(&self) -> &RosterChange {
        static NONE: RosterChange = RosterChange { added: Vec::new(), removed: Vec::new() };
        self.0.as_deref().unwrap_or(&NONE)
    }
}

/// One message that a member asks the service to order and fan out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Chosen by the client; the same id again is the same submission again.
    pub id: MessageId,
    /// The group, as the MLSMessage header names it.
    pub group: GroupId,
    /// The epoch, as the MLSMessage header names it.
    pub epoch: Epoch,
    /// The content type, as the MLSMessage header names it.
    pub kind: Kind,
    /// Whether it is an external commit (RFC 9420 §12.4.3.2): its sender joins by it.
    pub joins: bool,
    /// Empty unless `kind` is [`Kind::Commit`].
    pub change: RosterChange,
    /// What a commit brings with it; empty for every other message.
    pub enclosed: Enclosed,
    /// The MLSMessage itself, never looked into.
    pub body: Bytes,
}

/// What a commit brings with it: accepted with the commit, or lost with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enclosed {
    /// The Welcome for whom the commit adds, an MLSMessage (RFC 9420 §12.4.3.1).
    pub welcome: Option<Bytes>,
    /// The GroupInfo of the epoch that the commit opens, an MLSMessage (RFC 9420 §12.4.3), for
    /// external joins.
    pub group_info: Option<Bytes>,
}

impl Founding {
    /// A group in memory, in its first epoch, of which the service knows the roster alone.
    #[must_use]
    pub fn plain(group: GroupId, roster: Vec<DeviceId>) -> Self {
        let settings = Settings::default();
        Self { group, epoch: Epoch(0), settings, roster, group_info: None, tree: None }
    }
}

impl Enclosed {
    /// Whether the message comes alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.welcome.is_none() && self.group_info.is_none()
    }
}

/// An accepted message: its place in the group's order is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: one more than the entry before it.
    pub seq: Seq,
    /// The epoch it was sent in.
    pub epoch: Epoch,
    /// The submitter's id for it.
    pub id: MessageId,
    /// What it is.
    pub kind: Kind,
    /// Who submitted it.
    pub sender: DeviceId,
    /// What it does to the roster, from this very `seq` on.
    pub change: Change,
    /// The MLSMessage, shared by every recipient.
    pub body: Bytes,
}

impl Entry {
    /// Bytes that keeping it takes: the body, 16 for each device of its change, and 100 for what is
    /// remembered of each that it removes.
    #[must_use]
    pub fn cost(&self) -> usize {
        let (added, removed) = (self.change.added.len(), self.change.removed.len());
        self.body.len() + 16 * added + (16 + DEPARTED_BYTES) * removed
    }
}

/// What a roster remembers of a device that left, for as long as its last message is kept.
const DEPARTED_BYTES: usize = 100;
