//! How many bytes MLS traffic takes, from lengths alone.
//!
//! It never runs cryptography. The formulas are the structures of RFC 9420 written as sums, for
//! the leaves and groups that this module's members make: a basic credential of
//! [`IDENTITY_BYTES`], capabilities of one suite, no extension, no padding, no authenticated data.
//! Exact where signatures have one length; an upper bound, a few bytes high, for ECDSA.
//! Called by synthetic tapes, by the check of a tape's specification, and by whoever predicts load.

use super::suite::Facts;
use super::suite::Suite;
use super::tape::Handshake;

/// Bytes of a member's identity in its basic credential: as long as a UUID in text. A tape whose
/// members are named by device has 16 instead, and commits that are so much shorter.
pub const IDENTITY_BYTES: usize = 36;

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

/// Bytes of a KeyPackage as an MLSMessage (RFC 9420 §10).
#[must_use]
pub fn key_package(suite: Suite) -> usize {
    let facts = suite.facts();
    let lifetime = 16;
    MESSAGE_HEADER
        + 4
        + vector(facts.kem_public_key)
        + leaf_node(facts, lifetime)
        + NO_EXTENSIONS
        + vector(facts.signature_max)
}

/// Bytes of an application message of `plaintext` bytes in a group whose id has `group_id` bytes:
/// an MLSMessage with a PrivateMessage (RFC 9420 §6.3).
#[must_use]
pub fn application_message(suite: Suite, group_id: usize, plaintext: usize) -> usize {
    let facts = suite.facts();
    private_message(group_id, vector(plaintext) + vector(facts.signature_max))
}

/// Bytes of an update commit, one without proposals, made by `leaf` of a group of `members`
/// leaves without a gap: an MLSMessage with a PublicMessage or a PrivateMessage (RFC 9420 §12.4).
/// Cost: log N.
#[must_use]
pub fn update_commit(
    suite: Suite,
    group_id: usize,
    members: u32,
    leaf: u32,
    tree: TreeState,
    handshake: Handshake,
) -> usize {
    let facts = suite.facts();
    let no_proposals = 1;
    let path_is_present = 1;
    let path = leaf_node(facts, vector(facts.hash)) + path_nodes(facts, members, leaf, tree);
    let commit = no_proposals + path_is_present + path;
    let signature_and_tag = vector(facts.signature_max) + vector(facts.hash);
    match handshake {
        Handshake::Private => private_message(group_id, commit + signature_and_tag),
        Handshake::Public => {
            let sender = 5;
            let membership_tag = vector(facts.hash);
            MESSAGE_HEADER
                + vector(group_id)
                + EPOCH
                + sender
                + NO_DATA
                + CONTENT_TYPE
                + commit
                + signature_and_tag
                + membership_tag
        }
    }
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

/// A LeafNode (RFC 9420 §7.2) whose source carries `source` bytes.
fn leaf_node(facts: &Facts, source: usize) -> usize {
    let credential = 2 + vector(IDENTITY_BYTES);
    let (versions, suites, credentials) = (vector(2), vector(2), vector(2));
    let (extensions, proposals) = (vector(0), vector(0));
    let source_tag = 1;
    vector(facts.kem_public_key)
        + vector(facts.signature_public_key)
        + credential
        + (versions + suites + extensions + proposals + credentials)
        + source_tag
        + source
        + NO_EXTENSIONS
        + vector(facts.signature_max)
}

/// The nodes of an UpdatePath (RFC 9420 §7.6): one for each parent whose other child has members,
/// with one ciphertext for each node of that child's resolution.
fn path_nodes(facts: &Facts, members: u32, leaf: u32, tree: TreeState) -> usize {
    let ciphertext = vector(facts.kem_output) + vector(facts.hash + AEAD_TAG);
    let mut bytes = 0;
    let mut level = 0;
    while members > 1 << level {
        let first = ((leaf >> level) ^ 1) << level;
        let others = members.saturating_sub(first).min(1 << level);
        // The creator's path was set by its bulk add, so a subtree with leaf 0 resolves to a node.
        let resolution =
            if tree == TreeState::Merged || first == 0 { others.min(1) } else { others };
        if resolution > 0 {
            let resolution = usize::try_from(resolution).expect("a member count fits an address");
            bytes += vector(facts.kem_public_key) + vector(resolution * ciphertext);
        }
        level += 1;
    }
    vector(bytes)
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
mod tests {
    use tls_codec::Serialize;

    use super::*;
    use crate::delivery::GroupId;
    use crate::mls::leaf;
    use crate::mls::leaf::Newcomer;
    use crate::mls::mint::mint;
    use crate::mls::tape::TapeOperation;
    use crate::mls::tape::TapeSpec;

    const EXACT: [&str; 4] = [
        "x25519-aes128-ed25519",
        "xwing-aes128-ed25519",
        "xwing-chacha-ed25519",
        "mlkem768-aes256-mldsa65",
    ];

    #[test]
    fn a_key_package_is_as_long_as_foretold() {
        for suite in EXACT.map(|name| Suite::named(name).unwrap()) {
            let newcomer = Newcomer::new(suite, leaf::identity(7)).unwrap();
            let message = openmls::prelude::MlsMessageOut::from(newcomer.key_package().clone());
            let real = message.tls_serialize_detached().unwrap().len();
            assert_eq!(real, key_package(suite), "{suite}");
        }
    }

    #[test]
    fn an_application_message_is_as_long_as_foretold() {
        let operations = [0, 1, 62, 200, 5_000, 20_000]
            .map(|bytes| TapeOperation::Application { sender: 1, bytes });
        for name in EXACT {
            let tape = mint(&spec(name, 3, 2, Handshake::Public, &operations), &|_| ()).unwrap();
            for (message, operation) in tape.messages.iter().zip(operations) {
                let TapeOperation::Application { bytes, .. } = operation else { unreachable!() };
                let plaintext = usize::try_from(bytes).unwrap();
                let foretold = application_message(tape.spec.suite, 16, plaintext);
                assert_eq!(message.body.len(), foretold, "{name} {bytes}");
            }
        }
    }

    #[test]
    fn the_first_commit_after_the_bulk_add_is_as_long_as_foretold() {
        for (name, members) in [(EXACT[0], 3), (EXACT[0], 33), (EXACT[0], 70), (EXACT[1], 13)] {
            for handshake in [Handshake::Public, Handshake::Private] {
                let operations = [TapeOperation::Commit { sender: 1 }];
                let tape = mint(&spec(name, members, 2, handshake, &operations), &|_| ()).unwrap();
                let suite = tape.spec.suite;
                let leaf = members / 2;
                let foretold = update_commit(suite, 16, members, leaf, TreeState::Fresh, handshake);
                assert_eq!(tape.messages[0].body.len(), foretold, "{name} {members}");
            }
        }
    }

    #[test]
    fn a_commit_after_everybody_has_committed_is_as_long_as_foretold() {
        for (name, members) in [(EXACT[0], 11), (EXACT[1], 8)] {
            for handshake in [Handshake::Public, Handshake::Private] {
                let operations: Vec<TapeOperation> = (0..members)
                    .chain([4])
                    .map(|sender| TapeOperation::Commit { sender })
                    .collect();
                let spec = spec(name, members, members, handshake, &operations);
                let tape = mint(&spec, &|_| ()).unwrap();
                let suite = spec.suite;
                let foretold = update_commit(suite, 16, members, 4, TreeState::Merged, handshake);
                assert_eq!(tape.messages.last().unwrap().body.len(), foretold, "{name} {members}");
            }
        }
    }

    #[test]
    fn an_ecdsa_message_is_at_most_as_long_as_foretold() {
        let operations = [TapeOperation::Commit { sender: 0 }];
        let spec = spec("p256-aes128-p256", 5, 1, Handshake::Public, &operations);
        let tape = mint(&spec, &|_| ()).unwrap();
        let bound = update_commit(spec.suite, 16, 5, 0, TreeState::Fresh, Handshake::Public);
        let real = tape.messages[0].body.len();
        assert!(real <= bound && real + 8 >= bound, "{real} {bound}");
    }

    fn spec(
        suite: &str,
        members: u32,
        senders: u32,
        handshake: Handshake,
        operations: &[TapeOperation],
    ) -> TapeSpec {
        let suite = Suite::named(suite).unwrap();
        let group = GroupId::new(&[9; 16]).unwrap();
        let operations = operations.to_vec();
        let (real, devices) = (0, Vec::new());
        TapeSpec { suite, group, members, senders, real, handshake, devices, operations }
    }
}
