//! The storage that OpenMLS asks of a public group: nothing on the way in, the saved state on the
//! way out.
//!
//! A group lives in memory and is saved as a whole, so what OpenMLS writes after every commit is
//! dropped, at no cost. Called by OpenMLS on behalf of `observer`.

use openmls_traits::public_storage::PublicStorageProvider;
use openmls_traits::storage::{CURRENT_VERSION, traits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What was saved is not what this version saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a saved group")]
pub struct NotSaved;

/// The parts of a public group, each as postcard writes it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Parts {
    pub(super) tree: Vec<u8>,
    pub(super) context: Vec<u8>,
    pub(super) confirmation_tag: Vec<u8>,
    pub(super) interim_transcript_hash: Vec<u8>,
    /// A ProposalRef and its proposal each.
    pub(super) proposals: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Writes one part.
pub(super) fn part<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("memory takes whatever is written")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotSaved> {
    postcard::from_bytes(bytes).ok().ok_or(NotSaved)
}

fn present<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, NotSaved> {
    read(bytes).map(Some)
}

#[rustfmt::skip]
impl PublicStorageProvider<CURRENT_VERSION> for Parts {
    type PublicError = NotSaved;

    fn write_tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(&self, _: &G, _: &T) -> Result<(), NotSaved> { Ok(()) }
    fn write_interim_transcript_hash<G: traits::GroupId<CURRENT_VERSION>, H: traits::InterimTranscriptHash<CURRENT_VERSION>>(&self, _: &G, _: &H) -> Result<(), NotSaved> { Ok(()) }
    fn write_context<G: traits::GroupId<CURRENT_VERSION>, C: traits::GroupContext<CURRENT_VERSION>>(&self, _: &G, _: &C) -> Result<(), NotSaved> { Ok(()) }
    fn write_confirmation_tag<G: traits::GroupId<CURRENT_VERSION>, T: traits::ConfirmationTag<CURRENT_VERSION>>(&self, _: &G, _: &T) -> Result<(), NotSaved> { Ok(()) }
    fn queue_proposal<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>, Q: traits::QueuedProposal<CURRENT_VERSION>>(&self, _: &G, _: &R, _: &Q) -> Result<(), NotSaved> { Ok(()) }
    fn delete_tree<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Result<(), NotSaved> { Ok(()) }
    fn delete_confirmation_tag<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Result<(), NotSaved> { Ok(()) }
    fn delete_context<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Result<(), NotSaved> { Ok(()) }
    fn delete_interim_transcript_hash<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Result<(), NotSaved> { Ok(()) }
    fn remove_proposal<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(&self, _: &G, _: &R) -> Result<(), NotSaved> { Ok(()) }
    fn clear_proposal_queue<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>>(&self, _: &G) -> Result<(), NotSaved> { Ok(()) }

    fn tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(&self, _: &G) -> Result<Option<T>, NotSaved> { present(&self.tree) }
    fn group_context<G: traits::GroupId<CURRENT_VERSION>, C: traits::GroupContext<CURRENT_VERSION>>(&self, _: &G) -> Result<Option<C>, NotSaved> { present(&self.context) }
    fn interim_transcript_hash<G: traits::GroupId<CURRENT_VERSION>, H: traits::InterimTranscriptHash<CURRENT_VERSION>>(&self, _: &G) -> Result<Option<H>, NotSaved> { present(&self.interim_transcript_hash) }
    fn confirmation_tag<G: traits::GroupId<CURRENT_VERSION>, T: traits::ConfirmationTag<CURRENT_VERSION>>(&self, _: &G) -> Result<Option<T>, NotSaved> { present(&self.confirmation_tag) }

    fn queued_proposals<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>, Q: traits::QueuedProposal<CURRENT_VERSION>>(&self, _: &G) -> Result<Vec<(R, Q)>, NotSaved> {
        self.proposals.iter().map(|(reference, proposal)| Ok((read(reference)?, read(proposal)?))).collect()
    }
}
