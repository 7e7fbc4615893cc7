//! What a commit lists, by value and by reference, and whether it may be committed together.
//!
//! Checks 7, 8, 9 and 10, but for what needs the capabilities of every member, and the parts of
//! check 12 that OpenMLS leaves to the application: whose device a leaf is, and the time. Pure.
//! Called by `observer`, before any cryptography.

use std::collections::HashSet;

use openmls::prelude::QueuedProposal;
use serde::{Deserialize, Serialize};

use super::shape::trace;
use crate::delivery::{Check, DeviceId, RosterChange};
use crate::limits::PROPOSALS_LISTED_MAX;
use crate::wire::handshake::{Commit, LeafNode, LeafSource, Listed, Proposal};

/// What a proposal does, as far as lists and trees care.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Add { device: [u8; 16], key: u64, package: Vec<u8> },
    Update { key: u64 },
    Remove { leaf: u32 },
    PreSharedKey { id: Vec<u8> },
    ReInit,
    ExternalInit,
    GroupContextExtensions,
    SelfRemove,
    Other(u16),
}

/// A proposal that was sent in this epoch and can be referred to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Its ProposalRef (RFC 9420 §5.2).
    pub(super) reference: Vec<u8>,
    /// The leaf of the member that sent it.
    pub(super) by: Option<u32>,
    pub(super) what: What,
}

/// A proposal in a commit's list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) by: Option<u32>,
    pub(super) referred: bool,
    pub(super) what: What,
}

/// Who holds which leaf in the epoch of the commit.
pub(super) trait Members {
    fn device(&self, leaf: u32) -> Option<DeviceId>;
    fn leaf(&self, device: DeviceId) -> Option<u32>;
}

/// The device of a leaf node: its basic credential holds the 16 bytes of the id.
pub(super) fn device(leaf: &LeafNode<'_>) -> Result<DeviceId, Check> {
    let identity = leaf.identity.and_then(|identity| identity.try_into().ok());
    identity.map(DeviceId).ok_or(Check::LeafNode)
}

/// Reads one proposal of `by`. `now` is in Unix seconds.
pub(super) fn what(proposal: Proposal<'_>, by: Option<DeviceId>, now: u64) -> Result<What, Check> {
    Ok(match proposal {
        Proposal::Add { package, init_key, leaf } => {
            let LeafSource::KeyPackage { not_before, not_after } = leaf.source else {
                return Err(Check::LeafNode);
            };
            if !(not_before..=not_after).contains(&now) || init_key == leaf.encryption_key {
                return Err(Check::LeafNode);
            }
            let key = trace(leaf.encryption_key);
            What::Add { device: device(&leaf)?.0, key, package: package.to_vec() }
        }
        Proposal::Update { leaf } => {
            if leaf.source != LeafSource::Update || Some(device(&leaf)?) != by {
                return Err(Check::LeafNode);
            }
            What::Update { key: trace(leaf.encryption_key) }
        }
        Proposal::Remove { leaf } => What::Remove { leaf },
        Proposal::PreSharedKey { id } => What::PreSharedKey { id: id.to_vec() },
        Proposal::ReInit => What::ReInit,
        Proposal::ExternalInit => What::ExternalInit,
        Proposal::GroupContextExtensions => What::GroupContextExtensions,
        Proposal::SelfRemove => What::SelfRemove,
        Proposal::Other(kind) => What::Other(kind),
    })
}

/// Reads the whole list of a commit by the member at `by`, or by a joiner.
///
/// # Errors
/// 3 for a list that is none, 7 for an unknown reference, 12 for a leaf that is no device's or out
/// of its time, 8 for a list that is too long or refers to a proposal twice.
pub(super) fn gather(
    commit: &Commit<'_>,
    by: Option<u32>,
    pending: &[(Pending, QueuedProposal)],
    members: &dyn Members,
    now: u64,
) -> Result<Vec<Item>, Check> {
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    for listed in commit.proposals() {
        if items.len() == PROPOSALS_LISTED_MAX {
            return Err(Check::ProposalList);
        }
        items.push(match listed.ok().ok_or(Check::WireFormat)? {
            Listed::Value(Proposal::Update { .. }) if by.is_some() => {
                return Err(Check::ProposalList);
            }
            Listed::Value(proposal) => {
                let device = by.and_then(|leaf| members.device(leaf));
                Item { by, referred: false, what: what(proposal, device, now)? }
            }
            Listed::Reference(reference) => {
                let known = pending.iter().find(|(known, _)| known.reference == reference);
                let (known, _) = known.ok_or(Check::UnknownProposal)?;
                if !seen.insert(reference) {
                    return Err(Check::ProposalList);
                }
                Item { by: known.by, referred: true, what: known.what.clone() }
            }
        });
    }
    Ok(items)
}

/// Check 8, for a commit of the member at `committer` (RFC 9420 §12.2).
pub(super) fn check_by_member(
    items: &[Item],
    committer: u32,
    members: &dyn Members,
) -> Result<(), Check> {
    let mut leaves = HashSet::new();
    let mut keys = HashSet::new();
    let mut extensions = 0;
    for item in items {
        let good = match &item.what {
            // By value these are the committer's own.
            What::Update { .. } | What::SelfRemove => {
                item.by.is_some_and(|by| by != committer && leaves.insert(by))
            }
            What::Remove { leaf } => {
                *leaf != committer && members.device(*leaf).is_some() && leaves.insert(*leaf)
            }
            What::PreSharedKey { id } => keys.insert(id),
            What::GroupContextExtensions => {
                extensions += 1;
                extensions == 1
            }
            What::ReInit => items.len() == 1,
            What::ExternalInit => false,
            What::Add { .. } | What::Other(_) => true,
        };
        if !good {
            return Err(Check::ProposalList);
        }
    }
    check_adds(items, members)
}

/// The adds of check 8: nobody twice, and no member unless the same list removes it.
fn check_adds(items: &[Item], members: &dyn Members) -> Result<(), Check> {
    let removed: HashSet<u32> = items.iter().filter_map(removes).collect();
    let mut added = HashSet::new();
    for item in items {
        let What::Add { device, .. } = &item.what else { continue };
        let leaf = members.leaf(DeviceId(*device));
        if !added.insert(device) || leaf.is_some_and(|leaf| !removed.contains(&leaf)) {
            return Err(Check::ProposalList);
        }
    }
    Ok(())
}

/// Check 9, for an external commit of `joiner` (RFC 9420 §12.2, §12.4.3.2;
/// draft-ietf-mls-extensions §4.7, §4.8, §6.3).
pub(super) fn check_by_joiner(
    items: &[Item],
    joiner: DeviceId,
    members: &dyn Members,
) -> Result<(), Check> {
    const APP_DATA: [u16; 2] = [8, 9];
    let (mut inits, mut removes) = (0, 0);
    let mut keys = HashSet::new();
    let mut left = HashSet::new();
    for item in items {
        let good = match &item.what {
            What::ExternalInit => {
                inits += 1;
                inits == 1 && !item.referred
            }
            What::Remove { leaf } => {
                removes += 1;
                let own = members.device(*leaf) == Some(joiner);
                removes == 1 && !item.referred && own && left.insert(*leaf)
            }
            What::PreSharedKey { id } => !item.referred && keys.insert(id),
            What::SelfRemove => {
                // Who has announced that it leaves is not removed by value besides.
                let member = |by: u32| members.device(by).is_some();
                item.referred && item.by.is_some_and(|by| member(by) && left.insert(by))
            }
            What::Other(kind) => !item.referred && APP_DATA.contains(kind),
            _ => false,
        };
        if !good {
            return Err(Check::ExternalCommit);
        }
    }
    if inits == 1 && members.leaf(joiner).is_none_or(|leaf| left.contains(&leaf)) {
        return Ok(());
    }
    Err(Check::ExternalCommit)
}

/// Check 10: whether the list needs a path (RFC 9420 §12.4).
pub(super) fn needs_path(items: &[Item]) -> bool {
    let needs = |item: &Item| {
        matches!(
            item.what,
            What::Update { .. }
                | What::Remove { .. }
                | What::ExternalInit
                | What::GroupContextExtensions
                | What::SelfRemove
        )
    };
    items.is_empty() || items.iter().any(needs)
}

/// The leaf that an item blanks.
pub(super) fn removes(item: &Item) -> Option<u32> {
    match item.what {
        What::Remove { leaf } => Some(leaf),
        What::SelfRemove => item.by,
        _ => None,
    }
}

/// The roster change that the list makes, adds in the order of the list.
pub(super) fn change(items: &[Item], members: &dyn Members) -> RosterChange {
    let added = items.iter().filter_map(|item| match &item.what {
        What::Add { device, .. } => Some(DeviceId(*device)),
        _ => None,
    });
    let removed = items.iter().filter_map(removes).filter_map(|leaf| members.device(leaf));
    RosterChange { added: added.collect(), removed: removed.collect() }
}
