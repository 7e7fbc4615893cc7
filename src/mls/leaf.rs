//! One leaf of a group with its private state: what every kind of member is made of.
//!
//! It never decides when to commit and never sees the network. Called by `form`, `mint`, and the
//! real and the live members.

use bytes::Bytes;
use openmls::prelude::BasicCredential;
use openmls::prelude::Capabilities;
use openmls::prelude::CredentialType;
use openmls::prelude::CredentialWithKey;
use openmls::prelude::KeyPackage;
use openmls::prelude::LeafNodeIndex;
use openmls::prelude::LeafNodeParameters;
use openmls::prelude::MlsGroup;
use openmls::prelude::MlsGroupJoinConfig;
use openmls::prelude::MlsMessageBodyIn;
use openmls::prelude::MlsMessageIn;
use openmls::prelude::MlsMessageOut;
use openmls::prelude::PURE_CIPHERTEXT_WIRE_FORMAT_POLICY;
use openmls::prelude::PURE_PLAINTEXT_WIRE_FORMAT_POLICY;
use openmls::prelude::ProcessedMessageContent;
use openmls::prelude::RatchetTreeIn;
use openmls::prelude::SenderRatchetConfiguration;
use openmls::prelude::StagedWelcome;
use openmls::prelude::WireFormatPolicy;
use openmls_basic_credential::SignatureKeyPair;
use openmls_memory_storage::MemoryStorage;
use openmls_traits::OpenMlsProvider;
use thiserror::Error;
use tls_codec::DeserializeBytes;
use tls_codec::Serialize;

use super::provider::Provider;
use super::size::IDENTITY_BYTES;
use super::storage::Pair;
use super::suite::Suite;
use super::tape::Handshake;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::limits::PAST_EPOCHS_MAX;
use crate::limits::RATCHET_OVERTAKEN_MAX;
use crate::limits::RATCHET_SKIPPED_MAX;

/// Why a member could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    /// OpenMLS refused: a message that is malformed, forged, of another epoch, or undecryptable.
    #[error("cannot {action}: {reason}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// OpenMLS's own words.
        reason: String,
    },
    /// The message is the member's own: it cannot be decrypted by whoever encrypted it.
    #[error("the message is this member's own")]
    Own,
    /// A commit of this member is said to have won, but it has none waiting.
    #[error("no commit of this member is waiting")]
    NothingPending,
}

/// What a delivered message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// An application message, decrypted and verified.
    Application {
        /// Length of its plaintext in bytes.
        bytes: usize,
    },
    /// A commit, verified and merged.
    Commit {
        /// The epoch it opened.
        epoch: Epoch,
    },
    /// A proposal, verified and stored until the next commit.
    Proposal,
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) provider: Provider,
    pub(super) signer: SignatureKeyPair,
    pub(super) group: MlsGroup,
}

/// A commit and what comes with it. MLSMessages.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) body: Bytes,
    /// For those whom it adds, if it adds anybody.
    pub(super) welcome: Option<Bytes>,
}

impl Leaf {
    /// Joins by an MLSMessage with a Welcome and an exported ratchet tree (RFC 9420 §12.4.3.1),
    /// with the private keys that [`pairs`](super::newcomer::Newcomer::pairs) gave. Leaf lifetimes are not checked, so
    /// that a tape can be played again years later. Cost: 70 ms at 1,000 members.
    pub(super) fn join(
        suite: Suite,
        pairs: &[Pair],
        welcome: &[u8],
        tree: &[u8],
        handshake: Handshake,
    ) -> Result<Self, MemberError> {
        let doing = "join by the Welcome";
        let provider =
            Provider::holding(suite.facts().implementation, pairs).map_err(refused(doing))?;
        let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).map_err(refused(doing))?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
            return Err(refused(doing)("not a Welcome"));
        };
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(tree).map_err(refused(doing))?;
        let config = join_config(handshake);
        let group = StagedWelcome::build_from_welcome(&provider, &config, welcome)
            .map_err(refused(doing))?
            .with_ratchet_tree(tree)
            .skip_lifetime_validation()
            .build()
            .map_err(refused(doing))?
            .into_group(&provider)
            .map_err(refused(doing))?;
        let signer = signer_of(&provider, &group, suite).ok_or_else(|| refused(doing)("no key"))?;
        Ok(Self { provider, signer, group })
    }

    /// Takes up again where a member was that came in by an external commit, with what
    /// [`Newcomer::join_externally_for_good`](super::newcomer::Newcomer) gave.
    pub(super) fn take_up(
        suite: Suite,
        group: &GroupId,
        pairs: &[Pair],
    ) -> Result<Self, MemberError> {
        let doing = "take up an external join";
        let whole = MemoryStorage::default();
        let mut values = whole.values.write().expect("no holder of this lock panics");
        values.extend(pairs.iter().cloned());
        drop(values);
        let id = openmls::prelude::GroupId::from_slice(group.as_bytes());
        let group = MlsGroup::load(&whole, &id)
            .map_err(refused(doing))?
            .ok_or_else(|| refused(doing)("no group"))?;
        let provider =
            Provider::holding(suite.facts().implementation, pairs).map_err(refused(doing))?;
        let signer = signer_of(&provider, &group, suite).ok_or_else(|| refused(doing)("no key"))?;
        Ok(Self { provider, signer, group })
    }

    /// Commits to removing `leaves`, adding `packages` and a new path of its own, merges it, and
    /// returns the Welcome as an MLSMessage. Cost: quadratic in the adds.
    pub(super) fn reseat(
        &mut self,
        leaves: &[u32],
        packages: Vec<KeyPackage>,
    ) -> Result<Bytes, MemberError> {
        let welcome = self.commit(leaves, packages)?.welcome;
        welcome.ok_or_else(|| refused("add the members")("no Welcome"))
    }

    /// Commits to whatever is proposed, to removing `leaves`, to adding `packages` and to a new path
    /// of its own, and merges it. Cost: quadratic in the adds.
    pub(super) fn commit(
        &mut self,
        leaves: &[u32],
        packages: Vec<KeyPackage>,
    ) -> Result<Committed, MemberError> {
        let made = self.prepare(leaves, packages)?;
        self.merge_pending()?;
        Ok(made)
    }

    /// As [`Self::commit`], and does not merge it: the group is as it was until that is done.
    pub(super) fn prepare(
        &mut self,
        leaves: &[u32],
        packages: Vec<KeyPackage>,
    ) -> Result<Committed, MemberError> {
        let doing = "commit";
        let (body, welcome, _) = self
            .group
            .commit_builder()
            .propose_removals(leaves.iter().map(|leaf| LeafNodeIndex::new(*leaf)))
            .propose_adds(packages)
            .force_self_update(true)
            .load_psks(self.provider.storage())
            .map_err(refused(doing))?
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .map_err(refused(doing))?
            .stage_commit(&self.provider)
            .map_err(refused(doing))?
            .into_messages();
        let welcome = welcome.map(|welcome| encoded(&welcome, doing)).transpose()?;
        Ok(Committed { body: encoded(&body, doing)?, welcome })
    }

    /// Proposes a new leaf node of its own, for others to commit: no committer takes up its own
    /// (RFC 9420 §12.2). A commit that it has prepared is forgotten.
    pub(super) fn propose_update(&mut self) -> Result<Bytes, MemberError> {
        let doing = "propose an update";
        self.group.clear_pending_commit(self.provider.storage()).map_err(refused(doing))?;
        let parameters = LeafNodeParameters::default();
        let proposed = self.group.propose_self_update(&self.provider, &self.signer, parameters);
        encoded(&proposed.map_err(refused(doing))?.0, doing)
    }

    /// Proposes to add who published `package`.
    pub(super) fn propose_add(&mut self, package: &KeyPackage) -> Result<Bytes, MemberError> {
        let doing = "propose an add";
        let proposed = self.group.propose_add_member(&self.provider, &self.signer, package);
        encoded(&proposed.map_err(refused(doing))?.0, doing)
    }

    /// Proposes to remove the member at `leaf`, which may be its own.
    pub(super) fn propose_remove(&mut self, leaf: u32) -> Result<Bytes, MemberError> {
        let doing = "propose a removal";
        let leaf = LeafNodeIndex::new(leaf);
        let proposed = self.group.propose_remove_member(&self.provider, &self.signer, leaf);
        encoded(&proposed.map_err(refused(doing))?.0, doing)
    }

    /// The ratchet tree as joiners need it (RFC 9420 §12.4.3.3).
    pub(super) fn tree(&self) -> Result<Bytes, MemberError> {
        let tree = self.group.export_ratchet_tree();
        tree.tls_serialize_detached().map(Bytes::from).map_err(refused("export the tree"))
    }

    /// The GroupInfo of the current epoch, without the tree (RFC 9420 §12.4.3).
    pub(super) fn group_info(&self) -> Result<Bytes, MemberError> {
        let doing = "export the GroupInfo";
        let info = self.group.export_group_info(self.provider.crypto(), &self.signer, false);
        encoded(&info.map_err(refused(doing))?, doing)
    }

    /// An update commit for the current epoch, with every proposal of others that it has processed,
    /// by reference; to be merged once it is known to have won (RFC 9420 §14). One made before and
    /// not merged is forgotten.
    pub(super) fn prepare_commit(&mut self) -> Result<Bytes, MemberError> {
        let doing = "commit";
        self.group.clear_pending_commit(self.provider.storage()).map_err(refused(doing))?;
        let bundle = self
            .group
            .self_update(&self.provider, &self.signer, LeafNodeParameters::default())
            .map_err(refused(doing))?;
        encoded(bundle.commit(), doing)
    }

    /// The public encryption key of its own leaf: another one for every renewal.
    pub(super) fn leaf_key(&self) -> Option<Vec<u8>> {
        self.group.own_leaf_node()?.encryption_key().tls_serialize_detached().ok()
    }

    /// Whether a commit of its own waits for its fate.
    pub(super) fn is_pending(&self) -> bool {
        self.group.pending_commit().is_some()
    }

    /// Enters the epoch that its own waiting commit opens.
    pub(super) fn merge_pending(&mut self) -> Result<(), MemberError> {
        self.group.merge_pending_commit(&self.provider).map_err(refused("merge the commit"))
    }

    /// Verifies and applies a message of another member. A commit replaces this member's own
    /// waiting one; a refused message changes nothing.
    pub(super) fn process(&mut self, message: &[u8]) -> Result<Processed, MemberError> {
        let doing = "process the message";
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
            .map_err(refused(doing))?
            .try_into_protocol_message()
            .map_err(refused(doing))?;
        let processed =
            self.group.process_message(&self.provider, message).map_err(refused(doing))?;
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                Ok(Processed::Application { bytes: message.into_bytes().len() })
            }
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                self.group
                    .merge_staged_commit(&self.provider, *commit)
                    .map_err(refused("merge the commit"))?;
                Ok(Processed::Commit { epoch: self.epoch() })
            }
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                self.group
                    .store_pending_proposal(self.provider.storage(), *proposal)
                    .map_err(refused("store the proposal"))?;
                Ok(Processed::Proposal)
            }
            ProcessedMessageContent::OwnPendingCommit
            | ProcessedMessageContent::OwnPrivateMessage => Err(MemberError::Own),
        }
    }

    /// Encrypts an application message for the current epoch.
    pub(super) fn encrypt(&mut self, plaintext: &[u8]) -> Result<Bytes, MemberError> {
        let doing = "encrypt";
        let message = self
            .group
            .create_message(&self.provider, &self.signer, plaintext)
            .map_err(refused(doing))?;
        encoded(&message, doing)
    }

    /// The current epoch.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.group.epoch().as_u64())
    }

    /// The epoch authenticator (RFC 9420 §8.7): equal for members that agree on everything.
    pub(super) fn authenticator(&self) -> Vec<u8> {
        self.group.epoch_authenticator().as_slice().to_vec()
    }
}

/// Turns any of OpenMLS's many errors into this module's one.
pub(super) fn refused<E: ToString>(action: &'static str) -> impl Fn(E) -> MemberError {
    move |error| MemberError::Refused { action, reason: error.to_string() }
}

pub(super) fn encoded(message: &MlsMessageOut, doing: &'static str) -> Result<Bytes, MemberError> {
    message.to_bytes().map(Bytes::from).map_err(refused(doing))
}

/// The name of a member that is no device's.
pub(super) fn identity(member: u32) -> Vec<u8> {
    format!("stentor-member-{member:0width$}", width = IDENTITY_BYTES - 15).into_bytes()
}

/// The signature key of a group's own member, among what its provider holds.
fn signer_of(provider: &Provider, group: &MlsGroup, suite: Suite) -> Option<SignatureKeyPair> {
    let own = group.own_leaf_node()?.signature_key();
    let scheme = suite.ciphersuite().into();
    SignatureKeyPair::read(provider.storage(), own.as_slice(), scheme)
}

/// How a member plays its part in a group that others have created.
pub(super) fn join_config(handshake: Handshake) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(wire_format(handshake))
        .sender_ratchet_configuration(ratchet())
        .max_past_epochs(past_epochs())
        .build()
}

pub(super) fn credential(signer: &SignatureKeyPair, identity: Vec<u8>) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(identity).into(),
        signature_key: signer.public().into(),
    }
}

pub(super) fn capabilities(suite: Suite) -> Capabilities {
    let suites = [suite.ciphersuite()];
    Capabilities::new(None, Some(&suites), Some(&[]), Some(&[]), Some(&[CredentialType::Basic]))
}

pub(super) fn wire_format(handshake: Handshake) -> WireFormatPolicy {
    match handshake {
        Handshake::Public => PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
        Handshake::Private => PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    }
}

pub(super) fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(RATCHET_OVERTAKEN_MAX, RATCHET_SKIPPED_MAX)
}

pub(super) fn past_epochs() -> usize {
    usize::try_from(PAST_EPOCHS_MAX).expect("a handful fits an address")
}
