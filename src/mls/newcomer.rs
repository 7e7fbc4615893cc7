//! A device that has published a KeyPackage, and the ways in which it gets into a group.
//!
//! It creates one, is added to one by others, or comes in by itself. It never sends. Called by
//! `form` and `press`.

use bytes::Bytes;
use openmls::prelude::CredentialWithKey;
use openmls::prelude::KeyPackage;
use openmls::prelude::LeafNodeParameters;
use openmls::prelude::MlsGroup;
use openmls::prelude::MlsGroupCreateConfig;
use openmls::prelude::MlsMessageBodyIn;
use openmls::prelude::MlsMessageIn;
use openmls::prelude::MlsMessageOut;
use openmls::prelude::RatchetTreeIn;
use openmls_basic_credential::SignatureKeyPair;
use openmls_memory_storage::MemoryStorage;
use openmls_traits::OpenMlsProvider;
use tls_codec::DeserializeBytes;

use super::leaf::Leaf;
use super::leaf::MemberError;
use super::leaf::capabilities;
use super::leaf::credential;
use super::leaf::encoded;
use super::leaf::join_config;
use super::leaf::past_epochs;
use super::leaf::ratchet;
use super::leaf::refused;
use super::leaf::wire_format;
use super::provider::Crypto;
use super::provider::Provider;
use super::storage::Pair;
use super::suite::Suite;
use super::tape::Handshake;
use crate::delivery::GroupId;

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

    /// Its KeyPackage as it is published: an MLSMessage.
    pub(super) fn published(&self) -> Result<Bytes, MemberError> {
        encoded(&MlsMessageOut::from(self.key_package.clone()), "publish a KeyPackage")
    }

    /// Comes in by an external commit, on a GroupInfo and the tree of its epoch. The commit.
    /// Lifetimes of leaves are not checked. Cost: every leaf is verified.
    pub(super) fn join_externally(
        self,
        suite: Suite,
        (group_info, tree): (&[u8], &[u8]),
        handshake: Handshake,
    ) -> Result<(Leaf, Bytes), MemberError> {
        let (group, body) = self.commit(&self.provider, suite, (group_info, tree), handshake)?;
        Ok((Leaf { provider: self.provider, signer: self.signer, group }, body))
    }

    /// As [`Self::join_externally`], with everything that it takes to go on from there again and
    /// again: see [`Leaf::take_up`]. Cost: the whole tree in JSON.
    pub(super) fn join_externally_for_good(
        self,
        suite: Suite,
        (group_info, tree): (&[u8], &[u8]),
        handshake: Handshake,
    ) -> Result<(Vec<Pair>, Bytes), MemberError> {
        let whole = Whole::holding(&self.provider);
        let (_, body) = self.commit(&whole, suite, (group_info, tree), handshake)?;
        Ok((whole.pairs(), body))
    }

    fn commit<P: OpenMlsProvider>(
        &self,
        provider: &P,
        suite: Suite,
        (group_info, tree): (&[u8], &[u8]),
        handshake: Handshake,
    ) -> Result<(MlsGroup, Bytes), MemberError> {
        let doing = "join by an external commit";
        let message =
            MlsMessageIn::tls_deserialize_exact_bytes(group_info).map_err(refused(doing))?;
        let MlsMessageBodyIn::GroupInfo(info) = message.extract() else {
            return Err(refused(doing)("not a GroupInfo"));
        };
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(tree).map_err(refused(doing))?;
        let parameters =
            LeafNodeParameters::builder().with_capabilities(capabilities(suite)).build();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(join_config(handshake))
            .skip_lifetime_validation()
            .build_group(provider, info, self.key_package_credential())
            .map_err(refused(doing))?
            .leaf_node_parameters(parameters)
            .load_psks(provider.storage())
            .map_err(refused(doing))?
            .build(provider.rand(), provider.crypto(), &self.signer, |_| true)
            .map_err(refused(doing))?
            .finalize(provider)
            .map_err(refused(doing))?;
        Ok((group, encoded(bundle.commit(), doing)?))
    }

    fn key_package_credential(&self) -> CredentialWithKey {
        let leaf = self.key_package.leaf_node();
        CredentialWithKey {
            credential: leaf.credential().clone(),
            signature_key: leaf.signature_key().clone(),
        }
    }
}

/// A provider that keeps everything that OpenMLS hands it, the group's state too.
#[derive(Debug)]
struct Whole<'a> {
    keys: &'a Provider,
    storage: MemoryStorage,
}

impl<'a> Whole<'a> {
    fn holding(keys: &'a Provider) -> Self {
        let storage = MemoryStorage::default();
        let mut values = storage.values.write().expect("no holder of this lock panics");
        values.extend(keys.pairs());
        drop(values);
        Self { keys, storage }
    }

    /// Everything, in ascending order of storage key.
    fn pairs(&self) -> Vec<Pair> {
        let values = self.storage.values.read().expect("no holder of this lock panics");
        let mut pairs: Vec<Pair> = values.clone().into_iter().collect();
        pairs.sort();
        pairs
    }
}

impl OpenMlsProvider for Whole<'_> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        self.keys.crypto()
    }

    fn rand(&self) -> &Crypto {
        self.keys.rand()
    }
}
