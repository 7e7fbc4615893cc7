//! What is kept of one group so that its handshakes can be checked, at the group's level.
//!
//! Check, then accept or drop: the owner of the group asks [`State::check`] before it decides, and
//! hands what it got to [`State::accept`] once the message has its place in the order, before the
//! next check. It knows no clock, file or thread. Called by `engine`, on the shard of the group.

use thiserror::Error;

use super::header;
use super::leaves::Leaves;
use super::policy::Policy;
use super::public::{NotSaved, Observer, Stage};
use crate::delivery::{Check, DeviceId, Epoch, GroupId, Kind, Level, RosterChange};

/// A message that is about to be decided, with what came with it.
#[derive(Clone, Debug)]
pub struct Submitted<'a> {
    /// The authenticated submitter.
    pub sender: DeviceId,
    /// The content type, as the header names it.
    pub kind: Kind,
    /// The MLSMessage, its header known to parse.
    pub body: &'a [u8],
    /// The roster change that the submitter declares; empty unless `kind` is a commit.
    pub declared: RosterChange,
    /// The MLSMessage with the Welcome that came with a commit.
    pub welcome: Option<&'a [u8]>,
    /// The MLSMessage with the GroupInfo, without a tree, that came with a commit.
    pub group_info: Option<&'a [u8]>,
}

/// What a group is created from, beside its level.
#[derive(Clone, Copy, Debug)]
pub struct Founding<'a> {
    /// The group.
    pub group: GroupId,
    /// Its epoch when the service first hears of it.
    pub epoch: Epoch,
    /// The founding members, in the order of their leaves.
    pub roster: &'a [DeviceId],
    /// The MLSMessage with the GroupInfo of the founding epoch; `public` needs it.
    pub group_info: Option<&'a [u8]>,
    /// The ratchet tree of that epoch (RFC 9420 §12.4.3.3); `public` needs it.
    pub tree: Option<&'a [u8]>,
}

/// Why no group of this level can be kept from what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum FoundingError {
    /// The roster is empty, names a device twice, or is not the tree's.
    #[error("the roster is not one, or not the tree's")]
    Roster,
    /// Level `public` needs a GroupInfo and a ratchet tree.
    #[error("level public needs a GroupInfo and a ratchet tree")]
    Missing,
    /// Level `public` has no implementation of this cipher suite.
    #[error("cipher suite {0:#06x} cannot be validated here")]
    Suite(u16),
    /// More members than level `public` begins with.
    #[error("level public begins with fewer members")]
    TooLarge,
    /// The GroupInfo or the tree is not valid.
    #[error(transparent)]
    Check(Failed),
}

/// A failed check, as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{0}")]
pub struct Failed(pub Check);

/// A message that passed every check of its group's level.
#[derive(Debug)]
#[must_use = "the state only follows what it is told was accepted"]
pub struct Checked {
    /// The roster change to apply: read from the commit at `public`, else the declared one.
    pub change: RosterChange,
    /// What `public` merges.
    stage: Option<Stage>,
}

/// The state of one group.
#[derive(Debug)]
pub enum State {
    /// Level `opaque`: nothing is kept.
    Opaque,
    /// Level `header`: who holds which leaf.
    Header(Leaves),
    /// Level `public`: everything public about the group.
    Public(Box<Observer>),
}

impl State {
    /// What must be kept of a group that is created.
    ///
    /// # Errors
    /// As [`FoundingError`] says; always its submitter's fault.
    pub fn found(level: Level, founding: &Founding<'_>) -> Result<Self, FoundingError> {
        match level {
            Level::Opaque => Ok(Self::Opaque),
            Level::Header => {
                Leaves::founded_by(founding.roster).map(Self::Header).ok_or(FoundingError::Roster)
            }
            Level::Public => Observer::found(founding).map(Box::new).map(Self::Public),
        }
    }

    /// The group's level.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Opaque => Level::Opaque,
            Self::Header(_) => Level::Header,
            Self::Public(_) => Level::Public,
        }
    }

    /// Makes every check of the level. Application messages pass, unless the group is frozen: only
    /// members can read them. `now` is in Unix seconds, for lifetimes.
    ///
    /// # Errors
    /// The first check that failed; always the submitter's fault. Nothing has changed.
    #[inline]
    pub fn check(
        &self,
        submitted: Submitted<'_>,
        policy: &dyn Policy,
        now: u64,
    ) -> Result<Checked, Check> {
        let declares = submitted.kind != Kind::Commit && !submitted.declared.is_empty();
        match (self, submitted.kind) {
            (Self::Opaque, _) => {}
            (Self::Header(_) | Self::Public(_), _) if declares => return Err(Check::ProposalList),
            (Self::Public(observer), Kind::Application) if observer.is_frozen() => {
                return Err(Check::Frozen);
            }
            (_, Kind::Application) => {}
            (Self::Header(leaves), _) => header::check(leaves, &submitted)?,
            (Self::Public(observer), _) => {
                let (change, stage) = observer.check(&submitted, policy, now)?;
                return Ok(Checked { change, stage: Some(stage) });
            }
        }
        Ok(Checked { change: submitted.declared, stage: None })
    }

    /// Follows a message that was accepted after it was checked, before anything else is checked.
    /// Never fails.
    pub fn accept(&mut self, checked: Checked) {
        match (self, checked.stage) {
            (Self::Opaque, _) => {}
            (Self::Header(leaves), _) => leaves.apply(&checked.change),
            (Self::Public(observer), Some(stage)) => observer.accept(&checked.change, stage),
            (Self::Public(_), None) => {}
        }
    }

    /// The ratchet tree of the current epoch, for those who join (RFC 9420 §12.4.3.3); only
    /// `public` has it. O(members).
    #[must_use]
    pub fn tree(&self) -> Option<Vec<u8>> {
        match self {
            Self::Opaque | Self::Header(_) => None,
            Self::Public(observer) => Some(observer.tree()),
        }
    }

    /// Everything, as bytes that start with the level's number; O(members). One byte at `opaque`,
    /// 17 bytes for each leaf at `header`; at `public` as much as the exported tree and a tenth
    /// more, 0.3 KiB for each member with 32-byte keys.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut saved = vec![self.level().number()];
        match self {
            Self::Opaque => {}
            Self::Header(leaves) => {
                for device in leaves.devices() {
                    saved.push(u8::from(device.is_some()));
                    saved.extend(device.unwrap_or(DeviceId([0; 16])).0);
                }
            }
            Self::Public(observer) => saved.extend(observer.save()),
        }
        saved
    }

    /// The state that was saved.
    ///
    /// # Errors
    /// When `bytes` are not what [`Self::save`] made.
    pub fn restore(bytes: &[u8]) -> Result<Self, NotSaved> {
        let (number, saved) = bytes.split_first().ok_or(NotSaved)?;
        match Level::from_number(*number).ok_or(NotSaved)? {
            Level::Opaque if saved.is_empty() => Ok(Self::Opaque),
            Level::Opaque => Err(NotSaved),
            Level::Header => {
                let (leaves, rest) = saved.as_chunks::<17>();
                let device = |leaf: &[u8; 17]| {
                    let id = leaf[1..].try_into().expect("16 of 17 bytes");
                    (leaf[0] == 1).then_some(DeviceId(id))
                };
                let leaves = Leaves::at(leaves.iter().map(device)).filter(|_| rest.is_empty());
                leaves.map(Self::Header).ok_or(NotSaved)
            }
            Level::Public => Observer::restore(saved).map(Box::new).map(Self::Public),
        }
    }

    /// Memory in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Opaque => 0,
            Self::Header(leaves) => leaves.bytes(),
            Self::Public(observer) => observer.bytes(),
        }
    }
}
