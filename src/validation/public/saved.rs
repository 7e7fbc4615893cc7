//! A group's public state as bytes, for the log, and back.
//!
//! What is saved is as large as the exported tree and a tenth more, and the pending proposals: about
//! 0.3 KiB for each member with 32-byte keys. Nothing is verified on the way back, so no clock or
//! lifetime matters; the log's own integrity is trusted. Called by [`crate::validation::State`].

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{GroupId, PublicGroup};
use serde::{Deserialize, Serialize};

use super::crypto::Crypto;
use super::list::Pending;
use super::observer::Observer;
use super::shape::Shape;
use super::storage::{NotSaved, Parts, part};

/// Raised when what follows it is written another way.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u8,
    suite: u16,
    group: Vec<u8>,
    frozen: bool,
    parts: Parts,
    pending: Vec<Pending>,
}

impl Observer {
    /// Everything, as bytes. O(members).
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let group = &self.group;
        let context = group.group_context();
        let tag = group.confirmation_tag();
        // RFC 9420 §8.2: interim = Hash(confirmed || confirmation_tag<V>).
        let mut input = context.confirmed_transcript_hash().to_vec();
        tag.tls_serialize(&mut input).expect("memory takes whatever is written");
        let interim = self.crypto.hash(group.ciphersuite(), &input);
        let proposals = self
            .pending
            .iter()
            .map(|(_, proposal)| (part(proposal.proposal_reference_ref()), part(proposal)));
        part(&Saved {
            version: VERSION,
            suite: group.ciphersuite().into(),
            group: group.group_id().as_slice().to_vec(),
            frozen: self.frozen,
            parts: Parts {
                tree: part(group.treesync()),
                context: part(context),
                confirmation_tag: part(tag),
                interim_transcript_hash: part(&interim.expect("the suite's own hash")),
                proposals: proposals.collect(),
            },
            pending: self.pending.iter().map(|(pending, _)| pending.clone()).collect(),
        })
    }

    /// The group that was saved. O(members).
    ///
    /// # Errors
    /// When `bytes` are not what [`Self::save`] made.
    pub fn restore(bytes: &[u8]) -> Result<Self, NotSaved> {
        let saved: Saved = postcard::from_bytes(bytes).ok().ok_or(NotSaved)?;
        if saved.version != VERSION || saved.pending.len() != saved.parts.proposals.len() {
            return Err(NotSaved);
        }
        let crypto = Crypto::of(saved.suite).ok_or(NotSaved)?;
        let group = PublicGroup::load(&saved.parts, &GroupId::from_slice(&saved.group))?;
        let group = group.ok_or(NotSaved)?;
        let tree = group.export_ratchet_tree().tls_serialize_detached().ok().ok_or(NotSaved)?;
        let shape = Shape::of(&tree).ok_or(NotSaved)?;
        let mut made = Self::of(group, crypto, shape).ok().ok_or(NotSaved)?;
        made.frozen = saved.frozen;
        for (pending, (_, proposal)) in saved.pending.into_iter().zip(&saved.parts.proposals) {
            let proposal = postcard::from_bytes(proposal).ok().ok_or(NotSaved)?;
            made.pending.push((pending, proposal));
        }
        Ok(made)
    }
}
