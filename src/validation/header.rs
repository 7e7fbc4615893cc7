//! Level `header`: what a handshake says about itself, held against who sent it.
//!
//! It reads the header and, of a commit, the proposals that lie open in it; it verifies no
//! signature and keeps no tree. Of the sixteen checks it makes 3, 4, 5 and the parts of 8 and 9
//! that need no key: whom a commit removes by value must be whom its submitter declares, in that
//! order, and as many declared as the list adds. What is referred to is not known here, so a commit
//! with references may declare more than lies open in it.
//!
//! A submitter that declares adds in another order than its commit, or leaves out what it refers
//! to, makes leaves wrong for those it named: their handshakes are refused by check 5 from then on.
//! Only `public` prevents it. Called by [`super::State`] for every handshake of such a group.

use super::leaves::Leaves;
use super::state::Submitted;
use crate::delivery::{Check, DeviceId, Kind, RosterChange};
use crate::wire::handshake::{Commit, Handshake, Listed, Proposal, handshake};
use crate::wire::{Peek, Sender, peek};

/// Which of the proposal types of RFC 9420 §12.1.8.1 an external sender may propose.
pub(super) fn external_may_propose(proposal: Proposal<'_>) -> bool {
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

/// Reads the header of a handshake.
///
/// # Errors
/// [`Check::SenderContent`] when only its sender may not send it, [`Check::WireFormat`] for
/// everything else that is no handshake in a PublicMessage.
pub(super) fn read(body: &[u8]) -> Result<(Sender, Kind, Handshake<'_>), Check> {
    let malformed = |error: crate::wire::Malformed| {
        if error.is_sender_content() { Check::SenderContent } else { Check::WireFormat }
    };
    let Peek::Public { kind, sender, .. } = peek(body).map_err(malformed)? else {
        return Err(Check::WireFormat);
    };
    Ok((sender, kind, handshake(body).map_err(malformed)?))
}

/// Makes the checks of this level. No allocation unless a roster change is declared. O(1), and
/// O(proposals + devices declared) for a commit.
///
/// # Errors
/// The first check that fails.
pub(super) fn check(leaves: &Leaves, submitted: &Submitted<'_>) -> Result<(), Check> {
    let (sender, _, content) = read(submitted.body)?;
    let device = submitted.sender;
    match (sender, content) {
        (Sender::Member { leaf }, _) if leaves.of(device) != Some(leaf) => Err(Check::SenderLeaf),
        (Sender::Member { .. }, Handshake::Commit(commit)) => {
            by_member(leaves, device, &commit, &submitted.declared)
        }
        (Sender::NewMemberCommit, Handshake::Commit(commit)) => {
            by_joiner(leaves, device, &commit, &submitted.declared)
        }
        (Sender::External { .. }, Handshake::Proposal(proposal)) => {
            if external_may_propose(proposal) { Ok(()) } else { Err(Check::SenderContent) }
        }
        (Sender::NewMemberProposal, Handshake::Proposal(Proposal::Add { .. })) => Ok(()),
        (Sender::NewMemberProposal, _) => Err(Check::SenderContent),
        (Sender::Member { .. }, Handshake::Proposal(_)) => Ok(()),
        (Sender::NewMemberCommit | Sender::External { .. }, _) => Err(Check::SenderContent),
    }
}

fn by_member(
    leaves: &Leaves,
    device: DeviceId,
    commit: &Commit<'_>,
    declared: &RosterChange,
) -> Result<(), Check> {
    let open = Open::of(leaves, commit, declared).ok_or(Check::WireFormat)?;
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
    let open = Open::of(leaves, commit, declared).ok_or(Check::WireFormat)?;
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
struct Open {
    added: usize,
    removed: usize,
    /// Every leaf it removes by value is of a declared device, in the order of declaration.
    removes_declared: bool,
    references: bool,
    external_init: bool,
}

impl Open {
    /// `None` when the list is malformed.
    fn of(leaves: &Leaves, commit: &Commit<'_>, declared: &RosterChange) -> Option<Self> {
        let mut open = Self {
            added: 0,
            removed: 0,
            removes_declared: true,
            references: false,
            external_init: false,
        };
        let mut declared = declared.removed.iter();
        for listed in commit.proposals() {
            match listed.ok()? {
                Listed::Reference(_) => open.references = true,
                Listed::Value(Proposal::Add { .. }) => open.added += 1,
                Listed::Value(Proposal::ExternalInit) => open.external_init = true,
                Listed::Value(Proposal::Remove { leaf }) => {
                    open.removed += 1;
                    open.removes_declared &=
                        declared.any(|device| leaves.of(*device) == Some(leaf));
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
