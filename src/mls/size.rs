//! How many bytes MLS traffic takes, from lengths alone.
//!
//! It never runs cryptography. The formulas are the structures of RFC 9420 written as sums, for
//! the leaves and groups that this module's members make: a basic credential of
//! [`IDENTITY_BYTES`] or of a device, capabilities of one suite, no extension, no padding, no
//! authenticated data. Exact where signatures have one length; an upper bound, a few bytes high, for
//! ECDSA. What the members of one group send is in [`Dimensions`].
//! Called by synthetic tapes, by the check of a tape's specification, and by whoever predicts load.

mod handshake;
pub mod pattern;
mod shape;

pub use handshake::Change;
pub use handshake::Dimensions;
pub use handshake::ProposalKind;
pub(super) use handshake::joiner_secrets;
pub use shape::Shape;

use super::primitive::Lengths;

/// Bytes of a member's identity in its basic credential: as long as a UUID in text. A tape whose
/// members are named by device has [`DEVICE_BYTES`] instead, and commits that are so much shorter.
pub const IDENTITY_BYTES: usize = 36;

/// Bytes of a member's identity where it is the id of its device.
pub const DEVICE_BYTES: usize = 16;

/// What a commit finds in the ratchet tree: the difference is a factor of N / log N in its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TreeState {
    /// Right after leaf 0 added everybody else: no other member has committed.
    Fresh,
    /// Enough members have committed that every parent node is set and has no unmerged leaf.
    #[default]
    Merged,
}

/// Bytes of a vector of `length` bytes with its length header (RFC 9420 §2.1.2).
#[must_use]
pub fn vector(length: usize) -> usize {
    length + vector_header(length)
}

/// Bytes of a vector's length header: 1, 2 or 4.
pub(super) fn vector_header(length: usize) -> usize {
    match length {
        0..64 => 1,
        64..16_384 => 2,
        _ => 4,
    }
}

/// Bytes of content in a vector that takes `encoded` bytes with its header.
pub(super) fn vector_content(encoded: usize) -> usize {
    let header = [1, 2, 4].into_iter().find(|header| vector(encoded - header) == encoded);
    encoded - header.expect("the size is that of a vector")
}

/// Bytes of a KeyPackage as an MLSMessage (RFC 9420 §10), for an identity of `identity` bytes.
#[must_use]
pub fn key_package(lengths: &Lengths, identity: usize) -> usize {
    MESSAGE_HEADER + bare_key_package(lengths, identity)
}

/// A KeyPackage as an Add proposal holds it.
fn bare_key_package(lengths: &Lengths, identity: usize) -> usize {
    let (version, suite, lifetime) = (2, 2, 16);
    version
        + suite
        + vector(lengths.init_public_key)
        + leaf_node(lengths, identity, lifetime)
        + NO_EXTENSIONS
        + vector(lengths.signature_max)
}

/// Bytes of an application message of `plaintext` bytes in a group whose id has `group_id` bytes:
/// an MLSMessage with a PrivateMessage (RFC 9420 §6.3).
#[must_use]
pub fn application_message(lengths: &Lengths, group_id: usize, plaintext: usize) -> usize {
    private_message(group_id, vector(plaintext) + vector(lengths.signature_max))
}

/// Bytes of an MLSMessage with a PrivateMessage whose plaintext, with its authentication data,
/// has `content` bytes.
fn private_message(group_id: usize, content: usize) -> usize {
    MESSAGE_HEADER
        + vector(group_id)
        + EPOCH
        + CONTENT_TYPE
        + NO_DATA
        + vector(SENDER_DATA)
        + vector(content + AEAD_TAG)
}

/// A LeafNode (RFC 9420 §7.2) for an identity of `identity` bytes, whose source carries `source`.
fn leaf_node(lengths: &Lengths, identity: usize, source: usize) -> usize {
    let credential = 2 + vector(identity);
    let (versions, suites, credentials) = (vector(2), vector(2), vector(2));
    let (extensions, proposals) = (vector(0), vector(0));
    let source_tag = 1;
    vector(lengths.kem_public_key)
        + vector(lengths.signature_public_key)
        + credential
        + (versions + suites + extensions + proposals + credentials)
        + source_tag
        + source
        + NO_EXTENSIONS
        + vector(lengths.signature_max)
}

const MESSAGE_HEADER: usize = 4;
const EPOCH: usize = 8;
const CONTENT_TYPE: usize = 1;
const NO_DATA: usize = 1;
const NO_EXTENSIONS: usize = 1;
const AEAD_TAG: usize = 16;
/// A PrivateMessage's encrypted sender data: 12 bytes and a tag (RFC 9420 §6.3.2).
pub(super) const SENDER_DATA: usize = 12 + AEAD_TAG;

#[cfg(test)]
mod tests;
