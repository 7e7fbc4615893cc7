//! The public state of one group, and every handshake held against it.
//!
//! A check changes nothing; what it found is merged by [`Observer::accept`] once the message has
//! its place. Called by [`crate::validation::State`].

use std::collections::HashSet;

use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    Credential, CredentialType, LeafNodeIndex, MlsMessageBodyIn, MlsMessageIn,
    ProcessedMessageContent, ProposalStore, PublicGroup, QueuedProposal, RatchetTreeIn,
    StagedCommit,
};
use openmls_traits::types::Ciphersuite;

use super::attachments::{Expected, check_group_info, check_welcome};
use super::crypto::{Crypto, with};
use super::list::{self, Item, Members, Pending, What};
use super::refusal;
use super::shape::{Shape, trace};
use super::storage::Parts;
use crate::delivery::{Check, DeviceId, RosterChange};
use crate::limits::FOUNDED_MEMBERS_MAX;
use crate::validation::header::read;
use crate::validation::leaves::Leaves;
use crate::validation::policy::Policy;
use crate::validation::state::{Failed, Founding, FoundingError, Submitted};
use crate::wire::Sender;
use crate::wire::attachment::group_info;
use crate::wire::handshake::{Commit, Handshake, LeafSource, Path, Proposal, TreeNode, tree_nodes};

/// Everything public about one group.
#[derive(Debug)]
pub struct Observer {
    pub(super) group: PublicGroup,
    pub(super) crypto: Crypto,
    pub(super) leaves: Leaves,
    pub(super) shape: Shape,
    pub(super) pending: Vec<(Pending, QueuedProposal)>,
    /// A ReInit was committed (RFC 9420 §12.4.2).
    pub(super) frozen: bool,
}

/// What is merged once a message has its place in the order.
#[derive(Debug)]
pub struct Stage(Staged);

#[derive(Debug)]
enum Staged {
    Proposal(Box<(Pending, QueuedProposal)>),
    Commit(Box<Next>),
}

/// The group after a commit.
#[derive(Debug)]
struct Next {
    commit: StagedCommit,
    shape: Shape,
    frozen: bool,
}

impl Observer {
    /// Tracks a group from its GroupInfo and tree on. Cost: a signature for each leaf, once the
    /// leaves are known to be those of the roster, and not too many.
    ///
    /// # Errors
    /// As [`FoundingError`] says.
    pub fn found(founding: &Founding<'_>) -> Result<Self, FoundingError> {
        let failed = |check| FoundingError::Check(Failed(check));
        let (Some(info), Some(tree)) = (founding.group_info, founding.tree) else {
            return Err(FoundingError::Missing);
        };
        if founding.roster.len() > FOUNDED_MEMBERS_MAX {
            return Err(FoundingError::TooLarge);
        }
        let suite = group_info(info).ok().ok_or_else(|| failed(Check::GroupInfo))?.cipher_suite;
        let crypto = Crypto::of(suite).ok_or(FoundingError::Suite(suite))?;
        let message = MlsMessageIn::tls_deserialize_exact_bytes(info);
        let Ok(MlsMessageBodyIn::GroupInfo(info)) = message.map(MlsMessageIn::extract) else {
            return Err(failed(Check::GroupInfo));
        };
        if info.group_id().as_slice() != founding.group.as_bytes()
            || info.epoch().as_u64() != founding.epoch.0
        {
            return Err(failed(Check::GroupInfo));
        }
        let shape = Shape::of(tree).ok_or_else(|| failed(Check::Tree))?;
        check_roster(tree, founding.roster)?;
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(tree)
            .ok()
            .ok_or_else(|| failed(Check::Tree))?;
        let (store, nothing) = (ProposalStore::new(), Parts::default());
        let (group, _) = with!(&crypto, |crypto| {
            PublicGroup::from_external(crypto, &nothing, tree, info, store)
        })
        .map_err(|error| failed(refusal::of_founding(&error)))?;
        Self::of(group, crypto, shape)
    }

    /// A group with nothing pending.
    pub(super) fn of(
        group: PublicGroup,
        crypto: Crypto,
        shape: Shape,
    ) -> Result<Self, FoundingError> {
        let mut devices = Vec::new();
        for leaf in group.treesync().leaves() {
            devices.push(match leaf {
                Some(leaf) => {
                    let named = named(leaf.credential());
                    Some(named.ok_or(FoundingError::Check(Failed(Check::LeafNode)))?)
                }
                None => None,
            });
        }
        let leaves = Leaves::at(devices).ok_or(FoundingError::Roster)?;
        Ok(Self { group, crypto, leaves, shape, pending: Vec::new(), frozen: false })
    }

    /// Makes every check; the roster change is read from the message, not from what is declared.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn check(
        &self,
        submitted: &Submitted<'_>,
        policy: &dyn Policy,
        now: u64,
    ) -> Result<(RosterChange, Stage), Check> {
        if self.frozen {
            return Err(Check::Frozen);
        }
        let open = read(submitted.body)?;
        if open.group.as_bytes() != self.group.group_id().as_slice() {
            return Err(Check::Frozen);
        }
        if open.epoch.0 != self.group.group_context().epoch().as_u64() {
            return Err(Check::Epoch);
        }
        let by = match open.sender {
            Sender::Member { leaf } if self.leaves.of(submitted.sender) != Some(leaf) => {
                return Err(Check::SenderLeaf);
            }
            Sender::Member { leaf } => Some(leaf),
            _ => None,
        };
        match open.content {
            Handshake::Proposal(proposal) => {
                let own = matches!(open.sender, Sender::NewMemberProposal);
                let stage = self.check_proposal(submitted, proposal, (by, own), policy, now)?;
                Ok((RosterChange::default(), stage))
            }
            Handshake::Commit(commit) => self.check_commit(submitted, &commit, by, policy, now),
        }
    }

    /// Merges what was checked. Never fails.
    pub fn accept(&mut self, change: &RosterChange, Stage(staged): Stage) {
        const NOTHING_FAILS: &str = "storage that stores nothing never fails";
        let nothing = Parts::default();
        match staged {
            Staged::Proposal(pending) => {
                self.group.add_proposal(&nothing, pending.1.clone()).expect(NOTHING_FAILS);
                self.pending.push(*pending);
            }
            Staged::Commit(next) => {
                let opened = next.commit.group_context().epoch().as_u64();
                let current = self.group.group_context().epoch().as_u64();
                assert_eq!(current + 1, opened, "accepted before the next check");
                self.group.merge_commit(&nothing, next.commit).expect(NOTHING_FAILS);
                self.shape = next.shape;
                self.frozen = next.frozen;
                self.leaves.apply(change);
                self.pending.clear();
            }
        }
    }

    /// The ratchet tree of the current epoch (RFC 9420 §12.4.3.3). O(members).
    #[must_use]
    pub fn tree(&self) -> Vec<u8> {
        let tree = self.group.export_ratchet_tree();
        tree.tls_serialize_detached().expect("a tree that was parsed can be written")
    }

    /// The GroupContext of the current epoch, as it stands in a GroupInfo (RFC 9420 §8.1).
    #[must_use]
    pub fn context(&self) -> Vec<u8> {
        let context = self.group.group_context();
        context.tls_serialize_detached().expect("a context that was parsed can be written")
    }

    /// The leaf of a member.
    #[must_use]
    pub fn leaf_of(&self, device: DeviceId) -> Option<u32> {
        self.leaves.of(device)
    }

    /// Whether a ReInit was committed: the group takes no more messages (RFC 9420 §12.4.2).
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The pending SelfRemoves, as the order's own messages name them: what an external joiner must
    /// refer to (draft-ietf-mls-extensions §6.3).
    pub fn departures(&self) -> impl Iterator<Item = &[u8]> {
        let leaving = self.pending.iter().filter(|(pending, _)| pending.what == What::SelfRemove);
        leaving.map(|(pending, _)| pending.reference.as_slice())
    }

    /// The ProposalRefs that a commit of this epoch may use, in the order of acceptance.
    pub fn pending_references(&self) -> impl Iterator<Item = &[u8]> {
        self.pending.iter().map(|(pending, _)| pending.reference.as_slice())
    }

    /// Whether the shape kept from commit to commit is that of the tree.
    #[cfg(test)]
    pub(in crate::validation) fn is_in_shape(&self) -> bool {
        Shape::of(&self.tree()).as_ref() == Some(&self.shape)
    }

    /// Memory in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const LEAF_BYTES: usize = 1_024;
        const PENDING_BYTES: usize = 2_048;
        self.leaves.bytes()
            + self.shape.bytes()
            + self.leaves.len() * LEAF_BYTES
            + self.pending.len() * PENDING_BYTES
    }

    fn suite(&self) -> Ciphersuite {
        self.group.ciphersuite()
    }

    fn check_proposal(
        &self,
        submitted: &Submitted<'_>,
        proposal: Proposal<'_>,
        (by, own): (Option<u32>, bool),
        policy: &dyn Policy,
        now: u64,
    ) -> Result<Stage, Check> {
        let what = list::what(proposal, by.map(|_| submitted.sender), now)?;
        match &what {
            What::Add { device, .. } if own && *device != submitted.sender.0 => {
                return Err(Check::SenderLeaf);
            }
            What::Remove { leaf } if self.device(*leaf).is_none() => {
                return Err(Check::ProposalList);
            }
            What::SelfRemove if self.leaving(by) => return Err(Check::ProposalList),
            What::ExternalInit => return Err(Check::ProposalList),
            _ => {}
        }
        let item = [Item { by, referred: true, what }];
        if !policy.may(submitted.sender, &list::change(&item, self)) {
            return Err(Check::Policy);
        }
        let [Item { what, .. }] = item;
        let (ProcessedMessageContent::ProposalMessage(queued)
        | ProcessedMessageContent::ExternalJoinProposalMessage(queued)) =
            self.process(submitted.body)?
        else {
            return Err(Check::WireFormat);
        };
        let reference = queued.proposal_reference_ref().as_slice().to_vec();
        let pending = Pending { reference, by, what };
        Ok(Stage(Staged::Proposal(Box::new((pending, *queued)))))
    }

    fn leaving(&self, leaf: Option<u32>) -> bool {
        let same =
            |(pending, _): &(Pending, _)| pending.by == leaf && pending.what == What::SelfRemove;
        self.pending.iter().any(same)
    }

    fn check_commit(
        &self,
        submitted: &Submitted<'_>,
        commit: &Commit<'_>,
        by: Option<u32>,
        policy: &dyn Policy,
        now: u64,
    ) -> Result<(RosterChange, Stage), Check> {
        let items = list::gather(commit, by, &self.pending, self, now)?;
        let path = commit.path().ok().ok_or(Check::WireFormat)?;
        let mut change = list::change(&items, self);
        match by {
            Some(leaf) => list::check_by_member(&items, leaf, self)?,
            None => {
                list::check_by_joiner(&items, submitted.sender, self)?;
                change.added.push(submitted.sender);
            }
        }
        match (&path, by) {
            (None, None) => return Err(Check::ExternalCommit),
            (None, Some(_)) if list::needs_path(&items) => return Err(Check::PathMissing),
            (None, Some(_)) => {}
            (Some(path), by) => check_path_leaf(path, submitted.sender, by)?,
        }
        let (shape, leaf) = self.next_shape(&items, path.as_ref(), by)?;
        self.check_policy(submitted.sender, by, &items, &change, policy)?;
        check_welcome(submitted.welcome, self.packages(&items)?, self.suite())?;
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.process(submitted.body)?
        else {
            return Err(Check::WireFormat);
        };
        if let Some(bytes) = submitted.group_info {
            let current = self.group.leaf(LeafNodeIndex::new(leaf));
            let key = match (&path, current) {
                (Some(path), _) => path.leaf.signature_key,
                (None, Some(current)) => current.signature_key().as_slice(),
                (None, None) => return Err(Check::GroupInfo),
            };
            let context = staged.group_context().tls_serialize_detached();
            let expected = Expected {
                context: &context.ok().ok_or(Check::GroupInfo)?,
                confirmation_tag: commit.confirmation_tag().ok().ok_or(Check::WireFormat)?,
                signer: (leaf, key),
            };
            check_group_info(bytes, &expected, self.suite(), &self.crypto)?;
        }
        let frozen = items.iter().any(|item| item.what == What::ReInit);
        Ok((change, Stage(Staged::Commit(Box::new(Next { commit: *staged, shape, frozen })))))
    }

    /// The tree after the commit, with the committer's leaf in it. Checks 11, 12 and 13 as far as
    /// they concern the keys and numbers of the path.
    fn next_shape(
        &self,
        items: &[Item],
        path: Option<&Path<'_>>,
        by: Option<u32>,
    ) -> Result<(Shape, u32), Check> {
        let mut shape = self.shape.clone();
        for item in items {
            if let (What::Update { key }, Some(by)) = (&item.what, item.by) {
                shape.update(by, *key);
            }
        }
        for leaf in items.iter().filter_map(list::removes) {
            shape.remove(leaf);
        }
        let (mut new, mut from) = (HashSet::new(), 0);
        for item in items {
            if let What::Add { key, .. } = item.what {
                from = shape.add(from, key) + 1;
                new.insert(from - 1);
            }
        }
        let Some(path) = path else {
            return Ok((shape, by.ok_or(Check::ExternalCommit)?));
        };
        let own = trace(path.leaf.encryption_key);
        if shape.has_any(&HashSet::from([own])) {
            return Err(Check::LeafNode);
        }
        let leaf = by.unwrap_or_else(|| shape.add(0, own));
        let expected = shape.ciphertexts(leaf, &new);
        let (mut ciphertexts, mut path_keys) = (Vec::new(), Vec::new());
        for node in path.nodes() {
            let node = node.ok().ok_or(Check::WireFormat)?;
            if ciphertexts.len() == expected.len() {
                return Err(Check::PathShape);
            }
            ciphertexts.push(node.ciphertexts);
            path_keys.push(trace(node.encryption_key));
        }
        if ciphertexts != expected {
            return Err(Check::PathShape);
        }
        let distinct: HashSet<u64> = path_keys.iter().copied().collect();
        if distinct.len() != path_keys.len() || distinct.contains(&own) || shape.has_any(&distinct)
        {
            return Err(Check::Tree);
        }
        shape.path(leaf, own, &path_keys);
        Ok((shape, leaf))
    }

    fn check_policy(
        &self,
        actor: DeviceId,
        by: Option<u32>,
        items: &[Item],
        change: &RosterChange,
        policy: &dyn Policy,
    ) -> Result<(), Check> {
        let left = |leaf: u32| items.iter().filter_map(list::removes).any(|gone| gone == leaf);
        let waits = self.pending.iter().any(|(pending, _)| {
            let leaving = pending.what == What::SelfRemove && pending.by != by;
            leaving && pending.by.is_some_and(|leaf| !left(leaf))
        });
        if policy.may(actor, change) && !(policy.departures_first() && waits) {
            return Ok(());
        }
        Err(Check::Policy)
    }

    /// The KeyPackageRefs of the adds (RFC 9420 §5.2).
    fn packages(&self, items: &[Item]) -> Result<Vec<Vec<u8>>, Check> {
        const LABEL: &str = "MLS 1.0 KeyPackage Reference";
        let mut references = Vec::new();
        for item in items {
            if let What::Add { package, .. } = &item.what {
                let reference = self.crypto.reference(self.suite(), LABEL, package);
                references.push(reference.ok_or(Check::Welcome)?);
            }
        }
        Ok(references)
    }

    fn process(&self, body: &[u8]) -> Result<ProcessedMessageContent, Check> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(body)
            .ok()
            .and_then(|message| message.try_into_protocol_message().ok())
            .ok_or(Check::WireFormat)?;
        let processed = with!(&self.crypto, |crypto| self.group.process_message(crypto, message));
        processed
            .map(openmls::prelude::ProcessedMessage::into_content)
            .map_err(|error| refusal::of_message(&error))
    }
}

impl Members for Observer {
    fn device(&self, leaf: u32) -> Option<DeviceId> {
        if self.shape.is_blank(leaf) {
            return None;
        }
        named(self.group.leaf(LeafNodeIndex::new(leaf))?.credential())
    }

    fn leaf(&self, device: DeviceId) -> Option<u32> {
        self.leaves.of(device)
    }
}

/// The leaves of a tree are those of the founding members, in their order. No cryptography.
fn check_roster(tree: &[u8], roster: &[DeviceId]) -> Result<(), FoundingError> {
    let failed = |check| FoundingError::Check(Failed(check));
    let mut expected = roster.iter().copied();
    for node in tree_nodes(tree).ok().ok_or_else(|| failed(Check::Tree))? {
        if let TreeNode::Leaf(leaf) = node.ok().ok_or_else(|| failed(Check::Tree))?
            && expected.next() != Some(list::device(&leaf).map_err(failed)?)
        {
            return Err(FoundingError::Roster);
        }
    }
    expected.next().map_or(Ok(()), |_| Err(FoundingError::Roster))
}

/// The committer's new leaf is the submitter's, and made for a commit.
fn check_path_leaf(path: &Path<'_>, submitter: DeviceId, by: Option<u32>) -> Result<(), Check> {
    let device = list::device(&path.leaf)?;
    if by.is_none() && device != submitter {
        return Err(Check::ExternalCommit);
    }
    if device != submitter || path.leaf.source != LeafSource::Commit {
        return Err(Check::LeafNode);
    }
    Ok(())
}

/// The device of a basic credential: its identity is the id's 16 bytes.
fn named(credential: &Credential) -> Option<DeviceId> {
    let basic = credential.credential_type() == CredentialType::Basic;
    let identity = credential.serialized_content();
    identity.try_into().ok().filter(|_| basic).map(DeviceId)
}
