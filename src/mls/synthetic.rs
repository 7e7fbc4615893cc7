//! Traffic without MLS: real headers, exact sizes, random bodies.
//!
//! It never makes a key, so it costs a copy per message where a tape costs a commit; nobody can
//! verify what it makes, and no real member can join. Called by the load engine where only bytes
//! matter.

use bytes::Bytes;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::form;
use super::size;
use super::size::TreeState;
use super::tape::Handshake;
use super::tape::Tape;
use super::tape::TapeMessage;
use super::tape::TapeOperation;
use super::tape::TapeSpec;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Kind;

/// A tape with the headers, epochs and sizes that minting would give, with every commit as large
/// as `tree` makes it, and `seed` deciding every byte that MLS would encrypt or sign. The same
/// arguments give the same bytes on every machine.
///
/// # Panics
///
/// When an operation's sender is not one of the senders.
#[must_use]
pub fn synthesize(spec: &TapeSpec, tree: TreeState, seed: u64) -> Tape {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let seats = form::seats(spec.members, spec.senders, spec.senders);
    let first = form::epoch(spec.members);
    let mut epoch = first;
    let mut messages = Vec::with_capacity(spec.operations.len());
    for operation in &spec.operations {
        let sender = operation.sender();
        let leaf = seats[usize::try_from(sender).expect("a member number fits an address")];
        let (kind, body) = match *operation {
            TapeOperation::Application { bytes, .. } => {
                let plaintext = usize::try_from(bytes).expect("a length fits an address");
                let group_id = spec.group.as_bytes().len();
                let size = size::application_message(spec.suite, group_id, plaintext);
                (
                    Kind::Application,
                    private_message(&spec.group, epoch, APPLICATION, size, &mut random),
                )
            }
            TapeOperation::Commit { .. } => {
                (Kind::Commit, commit(spec, epoch, leaf, tree, &mut random))
            }
        };
        messages.push(TapeMessage { kind, epoch, sender, body });
        if kind == Kind::Commit {
            epoch = epoch.next();
        }
    }
    Tape {
        spec: spec.clone(),
        epoch: first,
        messages,
        welcome: Bytes::new(),
        tree: Bytes::new(),
        group_info: Bytes::new(),
        minted: 0,
        real: Vec::new(),
        authenticator: Vec::new(),
    }
}

/// A PrivateMessage of any group, epoch and kind, whose ciphertext has so many bytes.
pub fn message(
    group: &GroupId,
    epoch: Epoch,
    kind: Kind,
    ciphertext: usize,
    random: &mut ChaCha8Rng,
) -> Bytes {
    let content_type = match kind {
        Kind::Application => APPLICATION,
        Kind::Proposal => PROPOSAL,
        Kind::Commit => COMMIT,
    };
    let mut message = private_head(group, epoch, content_type, 0, random);
    push_length(&mut message, ciphertext);
    let size = message.len() + ciphertext;
    fill(message, size, random)
}

fn commit(
    spec: &TapeSpec,
    epoch: Epoch,
    leaf: u32,
    tree: TreeState,
    random: &mut ChaCha8Rng,
) -> Bytes {
    let group_id = spec.group.as_bytes().len();
    let size = size::update_commit(spec.suite, group_id, spec.members, leaf, tree, spec.handshake);
    match spec.handshake {
        Handshake::Private => private_message(&spec.group, epoch, COMMIT, size, random),
        Handshake::Public => public_message(spec, epoch, leaf, size, random),
    }
}

/// A PrivateMessage (RFC 9420 §6.3) of `size` bytes in all, its vectors exact to the end.
fn private_message(
    group: &GroupId,
    epoch: Epoch,
    content_type: u8,
    size: usize,
    random: &mut ChaCha8Rng,
) -> Bytes {
    let mut message = private_head(group, epoch, content_type, size, random);
    let ciphertext = size::vector_content(size - message.len());
    push_length(&mut message, ciphertext);
    fill(message, size, random)
}

/// All of a PrivateMessage before its ciphertext, with room for `size` bytes.
fn private_head(
    group: &GroupId,
    epoch: Epoch,
    content_type: u8,
    size: usize,
    random: &mut ChaCha8Rng,
) -> Vec<u8> {
    let mut message = header(PRIVATE_MESSAGE, group, epoch, size);
    message.push(content_type);
    push_vector(&mut message, &[]);
    let mut sender_data = [0; size::SENDER_DATA];
    random.fill_bytes(&mut sender_data);
    push_vector(&mut message, &sender_data);
    message
}

/// A PublicMessage with a commit (RFC 9420 §6.2), framed as far as a service reads it.
fn public_message(
    spec: &TapeSpec,
    epoch: Epoch,
    leaf: u32,
    size: usize,
    random: &mut ChaCha8Rng,
) -> Bytes {
    let mut message = header(PUBLIC_MESSAGE, &spec.group, epoch, size);
    message.push(SENDER_MEMBER);
    message.extend_from_slice(&leaf.to_be_bytes());
    push_vector(&mut message, &[]);
    message.push(COMMIT);
    fill(message, size, random)
}

fn header(wire_format: u16, group: &GroupId, epoch: Epoch, size: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(size);
    message.extend_from_slice(&MLS10.to_be_bytes());
    message.extend_from_slice(&wire_format.to_be_bytes());
    push_vector(&mut message, group.as_bytes());
    message.extend_from_slice(&epoch.0.to_be_bytes());
    message
}

/// The message with random bytes up to `size`.
fn fill(mut message: Vec<u8>, size: usize, random: &mut ChaCha8Rng) -> Bytes {
    let framed = message.len();
    message.resize(size, 0);
    random.fill_bytes(&mut message[framed..]);
    Bytes::from(message)
}

fn push_vector(message: &mut Vec<u8>, content: &[u8]) {
    push_length(message, content.len());
    message.extend_from_slice(content);
}

/// A vector's length header (RFC 9420 §2.1.2), in the shortest form.
fn push_length(message: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a message is smaller than a vector may be");
    let bytes = length.to_be_bytes();
    match size::vector_header(usize::try_from(length).expect("a length fits an address")) {
        1 => message.push(bytes[3]),
        2 => message.extend_from_slice(&[0x40 | bytes[2], bytes[3]]),
        _ => message.extend_from_slice(&[0x80 | bytes[0], bytes[1], bytes[2], bytes[3]]),
    }
}

const MLS10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const SENDER_MEMBER: u8 = 1;
const APPLICATION: u8 = 1;
const PROPOSAL: u8 = 2;
const COMMIT: u8 = 3;

#[cfg(test)]
mod tests {
    use openmls::prelude::MlsMessageIn;
    use openmls::prelude::ProtocolMessage;
    use tls_codec::DeserializeBytes;

    use super::*;
    use crate::mls::mint::mint;
    use crate::mls::suite::Suite;

    fn spec(suite: &str, handshake: Handshake) -> TapeSpec {
        TapeSpec {
            suite: Suite::named(suite).unwrap(),
            group: GroupId::new(b"synthetic").unwrap(),
            members: 20,
            senders: 3,
            real: 0,
            handshake,
            devices: Vec::new(),
            operations: vec![
                TapeOperation::Application { sender: 0, bytes: 10 },
                TapeOperation::Commit { sender: 2 },
                TapeOperation::Application { sender: 1, bytes: 20_000 },
            ],
        }
    }

    #[test]
    fn synthetic_messages_have_the_header_and_the_size_of_real_ones() {
        for suite in ["x25519-aes128-ed25519", "xwing-aes128-ed25519"] {
            for handshake in [Handshake::Public, Handshake::Private] {
                let spec = spec(suite, handshake);
                let minted = mint(&spec, &|_| ()).unwrap();
                let synthetic = synthesize(&spec, TreeState::Fresh, 1);
                assert_eq!(synthetic.epoch, minted.epoch);
                for (fake, real) in synthetic.messages.iter().zip(&minted.messages) {
                    assert_eq!(fake.body.len(), real.body.len());
                    assert_eq!((fake.kind, fake.epoch), (real.kind, real.epoch));
                    let is_public = real.kind == Kind::Commit && handshake == Handshake::Public;
                    let header = 4 + 10 + 8 + if is_public { 7 } else { 3 };
                    assert_eq!(fake.body[..header], real.body[..header]);
                }
            }
        }
    }

    #[test]
    fn a_synthetic_private_message_is_well_formed_to_its_last_byte() {
        for message in
            synthesize(&spec("p256-aes128-p256", Handshake::Private), TreeState::Merged, 1).messages
        {
            let parsed = MlsMessageIn::tls_deserialize_exact_bytes(&message.body).unwrap();
            let protocol: ProtocolMessage = parsed.try_into_protocol_message().unwrap();
            assert_eq!(protocol.epoch().as_u64(), message.epoch.0);
            assert_eq!(protocol.group_id().as_slice(), b"synthetic");
        }
    }

    #[test]
    fn a_message_of_any_kind_says_what_it_is_and_is_well_formed_to_its_last_byte() {
        let group = GroupId::new(&[9; 64]).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for kind in [Kind::Application, Kind::Proposal, Kind::Commit] {
            for ciphertext in (0..70).chain([16_383, 16_384, 20_000]) {
                let body = message(&group, Epoch(7), kind, ciphertext, &mut random);
                let header = crate::wire::peek_group(&body).unwrap();
                assert_eq!((header.group, header.epoch, header.kind), (group, Epoch(7), kind));
                assert!(body.len() > ciphertext);
                MlsMessageIn::tls_deserialize_exact_bytes(&body).unwrap();
            }
        }
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let spec = spec("x25519-aes128-ed25519", Handshake::Public);
        let tape = |seed| synthesize(&spec, TreeState::Merged, seed);
        assert_eq!(tape(1), tape(1));
        assert_ne!(tape(1).messages, tape(2).messages);
    }
}
