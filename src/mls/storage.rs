//! A member's storage: its keys are kept, its group's state is not.
//!
//! OpenMLS hands its storage the whole group after every message: the tree and every sender's
//! ratchet, which a memory storage turns into JSON, megabytes at a thousand members. That would
//! measure a JSON encoder, so a member here keeps its group in memory only, as a client that
//! batches its writes would. Keys are kept because OpenMLS reads them back on every commit.
//! It never touches a disk. Called by OpenMLS, through [`Provider`](super::provider::Provider).

use openmls_memory_storage::MemoryStorage;
use openmls_memory_storage::MemoryStorageError;
use openmls_traits::storage::CURRENT_VERSION as CURRENT;
use openmls_traits::storage::StorageProvider;
use openmls_traits::storage::traits;

/// One key or secret as OpenMLS stores it: its storage key, then its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Keys in memory; group state discarded.
#[derive(Debug, Default)]
pub(super) struct KeyStorage {
    kept: MemoryStorage,
}

impl KeyStorage {
    /// A storage that holds what [`KeyStorage::pairs`] gave.
    pub(super) fn of(pairs: &[Pair]) -> Self {
        let storage = Self::default();
        let mut values = storage.kept.values.write().expect("no holder of this lock panics");
        values.extend(pairs.iter().cloned());
        drop(values);
        storage
    }

    /// Everything it holds, in ascending order of storage key.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let values = self.kept.values.read().expect("no holder of this lock panics");
        let mut pairs: Vec<Pair> =
            values.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        pairs.sort();
        pairs
    }
}

impl StorageProvider<CURRENT> for KeyStorage {
    type Error = MemoryStorageError;

    fn write_signature_key_pair<
        K: traits::SignaturePublicKey<CURRENT>,
        T: traits::SignatureKeyPair<CURRENT>,
    >(
        &self,
        key: &K,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.kept.write_signature_key_pair(key, value)
    }

    fn signature_key_pair<
        K: traits::SignaturePublicKey<CURRENT>,
        T: traits::SignatureKeyPair<CURRENT>,
    >(
        &self,
        key: &K,
    ) -> Result<Option<T>, Self::Error> {
        self.kept.signature_key_pair(key)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<(), Self::Error> {
        self.kept.delete_signature_key_pair(key)
    }

    fn write_encryption_key_pair<
        K: traits::EncryptionKey<CURRENT>,
        T: traits::HpkeKeyPair<CURRENT>,
    >(
        &self,
        key: &K,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.kept.write_encryption_key_pair(key, value)
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<CURRENT>, K: traits::EncryptionKey<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<Option<T>, Self::Error> {
        self.kept.encryption_key_pair(key)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<(), Self::Error> {
        self.kept.delete_encryption_key_pair(key)
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT>,
        E: traits::EpochKey<CURRENT>,
        T: traits::HpkeKeyPair<CURRENT>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Result<(), Self::Error> {
        self.kept.write_encryption_epoch_key_pairs(group, epoch, leaf, pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT>,
        E: traits::EpochKey<CURRENT>,
        T: traits::HpkeKeyPair<CURRENT>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<T>, Self::Error> {
        self.kept.encryption_epoch_key_pairs(group, epoch, leaf)
    }

    fn delete_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT>,
        E: traits::EpochKey<CURRENT>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), Self::Error> {
        self.kept.delete_encryption_epoch_key_pairs(group, epoch, leaf)
    }

    fn write_key_package<K: traits::HashReference<CURRENT>, T: traits::KeyPackage<CURRENT>>(
        &self,
        key: &K,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.kept.write_key_package(key, value)
    }

    fn key_package<K: traits::HashReference<CURRENT>, T: traits::KeyPackage<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<Option<T>, Self::Error> {
        self.kept.key_package(key)
    }

    fn delete_key_package<K: traits::HashReference<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<(), Self::Error> {
        self.kept.delete_key_package(key)
    }

    fn write_psk<K: traits::PskId<CURRENT>, T: traits::PskBundle<CURRENT>>(
        &self,
        key: &K,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.kept.write_psk(key, value)
    }

    fn psk<T: traits::PskBundle<CURRENT>, K: traits::PskId<CURRENT>>(
        &self,
        key: &K,
    ) -> Result<Option<T>, Self::Error> {
        self.kept.psk(key)
    }

    fn delete_psk<K: traits::PskId<CURRENT>>(&self, key: &K) -> Result<(), Self::Error> {
        self.kept.delete_psk(key)
    }

    // What follows is a group's state: held by the group itself, never written, never asked for.

    fn write_mls_join_config<
        G: traits::GroupId<CURRENT>,
        T: traits::MlsGroupJoinConfig<CURRENT>,
    >(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn append_own_leaf_node<G: traits::GroupId<CURRENT>, T: traits::LeafNode<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT>,
        R: traits::ProposalRef<CURRENT>,
        T: traits::QueuedProposal<CURRENT>,
    >(
        &self,
        _: &G,
        _: &R,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_tree<G: traits::GroupId<CURRENT>, T: traits::TreeSync<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_interim_transcript_hash<
        G: traits::GroupId<CURRENT>,
        T: traits::InterimTranscriptHash<CURRENT>,
    >(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_context<G: traits::GroupId<CURRENT>, T: traits::GroupContext<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_confirmation_tag<G: traits::GroupId<CURRENT>, T: traits::ConfirmationTag<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_group_state<T: traits::GroupState<CURRENT>, G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_message_secrets<G: traits::GroupId<CURRENT>, T: traits::MessageSecrets<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_resumption_psk_store<
        G: traits::GroupId<CURRENT>,
        T: traits::ResumptionPskStore<CURRENT>,
    >(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_own_leaf_index<G: traits::GroupId<CURRENT>, T: traits::LeafNodeIndex<CURRENT>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_group_epoch_secrets<
        G: traits::GroupId<CURRENT>,
        T: traits::GroupEpochSecrets<CURRENT>,
    >(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn mls_group_join_config<
        G: traits::GroupId<CURRENT>,
        T: traits::MlsGroupJoinConfig<CURRENT>,
    >(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn own_leaf_nodes<G: traits::GroupId<CURRENT>, T: traits::LeafNode<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Vec<T>, Self::Error> {
        Ok(Vec::new())
    }

    fn queued_proposal_refs<G: traits::GroupId<CURRENT>, R: traits::ProposalRef<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Vec<R>, Self::Error> {
        Ok(Vec::new())
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT>,
        R: traits::ProposalRef<CURRENT>,
        T: traits::QueuedProposal<CURRENT>,
    >(
        &self,
        _: &G,
    ) -> Result<Vec<(R, T)>, Self::Error> {
        Ok(Vec::new())
    }

    fn tree<G: traits::GroupId<CURRENT>, T: traits::TreeSync<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn group_context<G: traits::GroupId<CURRENT>, T: traits::GroupContext<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn interim_transcript_hash<
        G: traits::GroupId<CURRENT>,
        T: traits::InterimTranscriptHash<CURRENT>,
    >(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn confirmation_tag<G: traits::GroupId<CURRENT>, T: traits::ConfirmationTag<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn group_state<T: traits::GroupState<CURRENT>, G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn message_secrets<G: traits::GroupId<CURRENT>, T: traits::MessageSecrets<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn resumption_psk_store<G: traits::GroupId<CURRENT>, T: traits::ResumptionPskStore<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn own_leaf_index<G: traits::GroupId<CURRENT>, T: traits::LeafNodeIndex<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn group_epoch_secrets<G: traits::GroupId<CURRENT>, T: traits::GroupEpochSecrets<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::Error> {
        Ok(None)
    }

    fn remove_proposal<G: traits::GroupId<CURRENT>, R: traits::ProposalRef<CURRENT>>(
        &self,
        _: &G,
        _: &R,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_group_config<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_tree<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_confirmation_tag<G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_group_state<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_context<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_message_secrets<G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_all_resumption_psk_secrets<G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_own_leaf_index<G: traits::GroupId<CURRENT>>(&self, _: &G) -> Result<(), Self::Error> {
        Ok(())
    }

    fn delete_group_epoch_secrets<G: traits::GroupId<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<CURRENT>, R: traits::ProposalRef<CURRENT>>(
        &self,
        _: &G,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
