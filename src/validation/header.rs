//! Level `header`: what a handshake says about itself, held against who sent it.
//!
//! It reads the header and, of a commit, the proposals that lie open in it; it verifies no
//! signature and keeps no tree. Of the sixteen checks it makes 3, 4, 5 and the parts of 8 and 9
//! that need no key: whom a commit removes by value must be whom its submitter declares, and as
//! many declared as the list adds. What is referred to is not known here, so a commit with
//! references may declare more than lies open in it.
//!
//! A submitter that declares adds in another order than its commit, or leaves out what it refers
//! to, makes leaves wrong for those it named: their handshakes are refused by check 5 from then on.
//! Only `public` prevents it. Called by [`super::State`] for every handshake of such a group.

use std::collections::HashSet;

use ahash::RandomState;

use super::leaves::Leaves;
use super::state::Submitted;
use crate::delivery::{Check, DeviceId, Epoch, GroupId, RosterChange};
use crate::wire::handshake::{Commit, Handshake, Listed, Proposal, handshake};
use crate::wire::{Malformed, Peek, Sender, peek};

/// Which of the proposal types of RFC 9420 §12.1.8.1 an external sender may propose.
fn external_may_propose(proposal: Proposal<'_>) -> bool {
    match proposal {
        Proposal::Add { .. }
        | Proposal::Remove { .. }
        | Proposal::PreSharedKey { .. }
        | Proposal::ReInit
        | Proposal::GroupContextExtensions
        | Proposal::Other(_) => true,
        Proposal::Update { .. } | Proposal::ExternalInit | Proposal::SelfRemove => false,
    }
}

/// A handshake that lies open.
#[derive(Debug)]
pub(super) struct Open<'a> {
    pub(super) group: GroupId,
    pub(super) epoch: Epoch,
    pub(super) sender: Sender,
    pub(super) content: Handshake<'a>,
}

/// Reads a handshake as far as it lies open.
///
/// # Errors
/// [`Check::SenderContent`] when only its sender may not send it, [`Check::WireFormat`] for
/// everything else that is no handshake in a PublicMessage.
pub(super) fn read(body: &[u8]) -> Result<Open<'_>, Check> {
    let malformed = |error: Malformed| {
        if error.is_sender_content() { Check::SenderContent } else { Check::WireFormat }
    };
    let Peek::Public { group, epoch, sender, .. } = peek(body).map_err(malformed)? else {
        return Err(Check::WireFormat);
    };
    let content = handshake(body).map_err(malformed)?;
    may_send(sender, content)?;
    Ok(Open { group, epoch, sender, content })
}

/// RFC 9420 §6.1 and §12.1.8, behind what the header tells.
fn may_send(sender: Sender, content: Handshake<'_>) -> Result<(), Check> {
    let may = match (sender, content) {
        (Sender::Member { .. }, _) | (Sender::NewMemberCommit, Handshake::Commit(_)) => true,
        (Sender::External { .. }, Handshake::Proposal(proposal)) => external_may_propose(proposal),
        (Sender::NewMemberProposal, Handshake::Proposal(proposal)) => {
            matches!(proposal, Proposal::Add { .. })
        }
        _ => false,
    };
    if may { Ok(()) } else { Err(Check::SenderContent) }
}

/// Makes the checks of this level. No allocation unless a roster change is declared. O(1), and
/// O(proposals + devices declared) for a commit.
///
/// # Errors
/// The first check that fails.
pub(super) fn check(leaves: &Leaves, submitted: &Submitted<'_>) -> Result<(), Check> {
    let open = read(submitted.body)?;
    let device = submitted.sender;
    match (open.sender, open.content) {
        (Sender::Member { leaf }, _) if leaves.of(device) != Some(leaf) => Err(Check::SenderLeaf),
        (Sender::Member { .. }, Handshake::Commit(commit)) => {
            by_member(leaves, device, &commit, &submitted.declared)
        }
        (_, Handshake::Commit(commit)) => by_joiner(leaves, device, &commit, &submitted.declared),
        (_, Handshake::Proposal(_)) => Ok(()),
    }
}

fn by_member(
    leaves: &Leaves,
    device: DeviceId,
    commit: &Commit<'_>,
    declared: &RosterChange,
) -> Result<(), Check> {
    let open = Listing::of(leaves, commit, declared).ok_or(Check::WireFormat)?;
    let own = declared.removed.contains(&device);
    if open.external_init || own || !open.agrees_with(declared) || !leaves.allow(declared) {
        return Err(Check::ProposalList);
    }
    Ok(())
}

/// RFC 9420 §12.4.3.2: the joiner is who is added, and may remove nothing by value but itself.
fn by_joiner(
    leaves: &Leaves,
    device: DeviceId,
    commit: &Commit<'_>,
    declared: &RosterChange,
) -> Result<(), Check> {
    let open = Listing::of(leaves, commit, declared).ok_or(Check::WireFormat)?;
    let own = leaves.of(device).is_none() || declared.removed.contains(&device);
    let itself = declared.added == [device] && own;
    let only_itself = open.references || declared.removed.iter().all(|other| *other == device);
    if open.external_init
        && open.added == 0
        && open.removed <= 1
        && open.removes_declared
        && itself
        && only_itself
        && (open.references || open.removed == declared.removed.len())
        && leaves.allow(declared)
    {
        return Ok(());
    }
    Err(Check::ExternalCommit)
}

/// What lies open in a commit, beside what is declared.
#[derive(Debug)]
struct Listing {
    added: usize,
    removed: usize,
    /// Every leaf it removes by value is of a declared device, each of another.
    removes_declared: bool,
    references: bool,
    external_init: bool,
}

impl Listing {
    /// `None` when the list is malformed.
    fn of(leaves: &Leaves, commit: &Commit<'_>, declared: &RosterChange) -> Option<Self> {
        let mut open = Self {
            added: 0,
            removed: 0,
            removes_declared: true,
            references: false,
            external_init: false,
        };
        let mut declared: HashSet<u32, RandomState> =
            declared.removed.iter().filter_map(|device| leaves.of(*device)).collect();
        for listed in commit.proposals() {
            match listed.ok()? {
                Listed::Reference(_) => open.references = true,
                Listed::Value(Proposal::Add { .. }) => open.added += 1,
                Listed::Value(Proposal::ExternalInit) => open.external_init = true,
                Listed::Value(Proposal::Remove { leaf }) => {
                    open.removed += 1;
                    open.removes_declared &= declared.remove(&leaf);
                }
                Listed::Value(_) => {}
            }
        }
        Some(open)
    }

    fn agrees_with(&self, declared: &RosterChange) -> bool {
        let (added, removed) = (declared.added.len(), declared.removed.len());
        self.removes_declared
            && if self.references {
                self.added <= added && self.removed <= removed
            } else {
                self.added == added && self.removed == removed
            }
    }
}
