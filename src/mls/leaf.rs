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
use openmls::prelude::MlsGroupCreateConfig;
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

/// A device that has published a KeyPackage and joined nothing yet.
#[derive(Debug)]
pub(super) struct Newcomer {
    provider: Provider,
    signer: SignatureKeyPair,
    key_package: KeyPackage,
}

impl Newcomer {
    /// Makes keys and a KeyPackage for whom `identity` names. Cost: 70 µs to 2 ms, by suite.
    pub(super) fn new(suite: Suite, identity: Vec<u8>) -> Result<Self, MemberError> {
        let doing = "make a KeyPackage";
        let provider = Provider::new(suite.facts().implementation).map_err(refused(doing))?;
        let signer = SignatureKeyPair::new(suite.ciphersuite().into()).map_err(refused(doing))?;
        signer.store(provider.storage()).map_err(refused(doing))?;
        let key_package = KeyPackage::builder()
            .leaf_node_capabilities(capabilities(suite))
            .build(suite.ciphersuite(), &provider, &signer, credential(&signer, identity))
            .map_err(refused(doing))?
            .into_key_package();
        Ok(Self { provider, signer, key_package })
    }

    /// What others add to a group.
    pub(super) fn key_package(&self) -> &KeyPackage {
        &self.key_package
    }

    /// Its private keys, all that [`Leaf::join`] needs to do the join again.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        self.provider.pairs()
    }

    /// Creates `group` with itself as leaf 0.
    pub(super) fn create(
        self,
        suite: Suite,
        group: &GroupId,
        handshake: Handshake,
    ) -> Result<Leaf, MemberError> {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(suite.ciphersuite())
            .capabilities(capabilities(suite))
            .wire_format_policy(wire_format(handshake))
            .sender_ratchet_configuration(ratchet())
            .max_past_epochs(past_epochs())
            .build();
        let group = MlsGroup::new_with_group_id(
            &self.provider,
            &self.signer,
            &config,
            openmls::prelude::GroupId::from_slice(group.as_bytes()),
            self.key_package_credential(),
        )
        .map_err(refused("create the group"))?;
        Ok(Leaf { provider: self.provider, signer: self.signer, group })
    }

    fn key_package_credential(&self) -> CredentialWithKey {
        let leaf = self.key_package.leaf_node();
        CredentialWithKey {
            credential: leaf.credential().clone(),
            signature_key: leaf.signature_key().clone(),
        }
    }
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Leaf {
    provider: Provider,
    signer: SignatureKeyPair,
    group: MlsGroup,
}

impl Leaf {
    /// Joins by an MLSMessage with a Welcome and an exported ratchet tree (RFC 9420 §12.4.3.1),
    /// with the private keys that [`Newcomer::pairs`] gave. Leaf lifetimes are not checked, so
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
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(wire_format(handshake))
            .sender_ratchet_configuration(ratchet())
            .max_past_epochs(past_epochs())
            .build();
        let group = StagedWelcome::build_from_welcome(&provider, &config, welcome)
            .map_err(refused(doing))?
            .with_ratchet_tree(tree)
            .skip_lifetime_validation()
            .build()
            .map_err(refused(doing))?
            .into_group(&provider)
            .map_err(refused(doing))?;
        let own = group.own_leaf_node().ok_or_else(|| refused(doing)("no leaf"))?;
        let signer = SignatureKeyPair::read(
            provider.storage(),
            own.signature_key().as_slice(),
            suite.ciphersuite().into(),
        )
        .ok_or_else(|| refused(doing)("no signature key"))?;
        Ok(Self { provider, signer, group })
    }

    /// Commits to removing `leaves`, adding `packages` and a new path of its own, merges it, and
    /// returns the Welcome as an MLSMessage. Cost: quadratic in the adds.
    pub(super) fn reseat(
        &mut self,
        leaves: &[u32],
        packages: Vec<KeyPackage>,
    ) -> Result<Bytes, MemberError> {
        let doing = "add the members";
        let welcome = self
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
            .into_welcome_msg()
            .ok_or_else(|| refused(doing)("no Welcome"))?;
        self.merge_pending()?;
        encoded(&welcome, doing)
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

    /// An update commit for the current epoch, to be merged once it is known to have won
    /// (RFC 9420 §14). One made before and not merged is forgotten.
    pub(super) fn prepare_commit(&mut self) -> Result<Bytes, MemberError> {
        let doing = "commit";
        self.group.clear_pending_commit(self.provider.storage()).map_err(refused(doing))?;
        let bundle = self
            .group
            .self_update(&self.provider, &self.signer, LeafNodeParameters::default())
            .map_err(refused(doing))?;
        encoded(bundle.commit(), doing)
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

fn encoded(message: &MlsMessageOut, doing: &'static str) -> Result<Bytes, MemberError> {
    message.to_bytes().map(Bytes::from).map_err(refused(doing))
}

/// The name of a member that is no device's.
pub(super) fn identity(member: u32) -> Vec<u8> {
    format!("stentor-member-{member:0width$}", width = IDENTITY_BYTES - 15).into_bytes()
}

fn credential(signer: &SignatureKeyPair, identity: Vec<u8>) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(identity).into(),
        signature_key: signer.public().into(),
    }
}

fn capabilities(suite: Suite) -> Capabilities {
    let suites = [suite.ciphersuite()];
    Capabilities::new(None, Some(&suites), Some(&[]), Some(&[]), Some(&[CredentialType::Basic]))
}

fn wire_format(handshake: Handshake) -> WireFormatPolicy {
    match handshake {
        Handshake::Public => PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
        Handshake::Private => PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    }
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(RATCHET_OVERTAKEN_MAX, RATCHET_SKIPPED_MAX)
}

fn past_epochs() -> usize {
    usize::try_from(PAST_EPOCHS_MAX).expect("a handful fits an address")
}
