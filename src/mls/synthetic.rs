//! Traffic without MLS: real headers, exact sizes, random bodies.
//!
//! It never makes a key, so it costs a copy per message where a tape costs a commit; nobody can
//! verify what it makes, and no real member can join. Called by the load engine where only bytes
//! matter.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::form;
use super::membership::Done;
use super::membership::Membership;
use super::size;
use super::size::Change;
use super::size::Dimensions;
use super::size::ProposalKind;
use super::size::TreeState;
use super::suite::Suite;
use super::tape::Effect;
use super::tape::Handshake;
use super::tape::Tape;
use super::tape::TapeJoin;
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
/// When MLS would refuse an operation, or it is an external join: that cannot be verified, and is
/// taken by nobody unverified.
#[must_use]
pub fn synthesize(spec: &TapeSpec, tree: TreeState, seed: u64) -> Tape {
    let first = form::epoch(spec.members);
    let mut forger = Forger {
        spec,
        tree,
        random: ChaCha8Rng::seed_from_u64(seed),
        membership: Membership::of(spec),
        epoch: first,
        asked: BTreeMap::new(),
        joins: Vec::new(),
    };
    let messages = (0..).zip(&spec.operations).map(|(place, operation)| {
        let (epoch, kind, sender) = (forger.epoch, operation.kind(), operation.sender());
        let (body, effect) = forger.forge(place, *operation);
        if kind == Kind::Commit {
            forger.epoch = epoch.next();
        }
        TapeMessage { kind, epoch, sender, body, effect }
    });
    let messages = messages.collect();
    Tape {
        spec: spec.clone(),
        epoch: first,
        messages,
        welcome: Bytes::new(),
        tree: Bytes::new(),
        group_info: Bytes::new(),
        minted: 0,
        real: Vec::new(),
        joins: forger.joins,
        authenticator: Vec::new(),
    }
}

/// Makes up one message after the other.
struct Forger<'a> {
    spec: &'a TapeSpec,
    tree: TreeState,
    random: ChaCha8Rng,
    membership: Membership,
    epoch: Epoch,
    /// KeyPackages of those who are asked in and not in yet, and the operation that asked.
    asked: BTreeMap<u32, (u32, Bytes)>,
    joins: Vec<TapeJoin>,
}

impl Forger<'_> {
    fn forge(&mut self, place: u32, operation: TapeOperation) -> (Bytes, Option<Box<Effect>>) {
        let dimensions = self.spec.dimensions(self.membership.width(), self.tree);
        let leaf = self.membership.leaf(operation.sender()).unwrap_or_default();
        let asks = match operation {
            TapeOperation::Add { member, .. } | TapeOperation::ProposeAdd { member, .. } => {
                Some(member)
            }
            _ => None,
        };
        if let Some(member) = asks {
            let package = key_package(self.spec.suite, &dimensions, &mut self.random);
            self.asked.insert(member, (place, package));
        }
        let proposal = self.proposal(&dimensions, operation);
        let done = self.membership.apply(operation).expect("a specification is checked");
        if let TapeOperation::Application { bytes, .. } = operation {
            let plaintext = usize::try_from(bytes).expect("a length fits an address");
            let group_id = dimensions.group_id;
            let size = size::application_message(&self.spec.suite.lengths(), group_id, plaintext);
            let group = &self.spec.group;
            let body = private_message(group, self.epoch, APPLICATION, size, &mut self.random);
            return (body, None);
        }
        let Some(done) = done else {
            let size = match operation {
                TapeOperation::ProposeAdd { .. } => dimensions.proposal(ProposalKind::Add),
                TapeOperation::ProposeUpdate { .. } => dimensions.proposal(ProposalKind::Update),
                _ => dimensions.proposal(ProposalKind::Remove),
            };
            return (self.handshake(leaf, PROPOSAL, &proposal, size), None);
        };
        assert!(
            !matches!(operation, TapeOperation::ExternalJoin { .. }),
            "an external join is not made up"
        );
        self.commit(place, &dimensions, (leaf, &proposal), done)
    }

    fn commit(
        &mut self,
        place: u32,
        dimensions: &Dimensions,
        (leaf, own): (u32, &[u8]),
        done: Done,
    ) -> (Bytes, Option<Box<Effect>>) {
        let removed: Vec<u32> = done.removed.iter().map(|(_, leaf)| *leaf).collect();
        let added = u32::try_from(done.added.len()).expect("a member count fits");
        let change = Change {
            added,
            removed: &removed,
            updated: &done.updated,
            referred: done.referred > 0,
        };
        let size = dimensions.commit(leaf, &change);
        let hash = self.spec.suite.lengths().hash;
        let mut list = Vec::new();
        for _ in 0..done.referred {
            list.push(BY_REFERENCE);
            let mut reference = vec![0; hash];
            self.random.fill_bytes(&mut reference);
            push_vector(&mut list, &reference);
        }
        if !own.is_empty() {
            list.push(BY_VALUE);
            list.extend_from_slice(own);
        }
        let mut proposals = Vec::new();
        push_vector(&mut proposals, &list);
        let body = self.handshake(leaf, COMMIT, &proposals, size);
        let mut packages = Vec::new();
        for member in &done.added {
            let (asked, package) = self.asked.remove(member).expect("who comes in was asked");
            packages.push(package.clone());
            let (member, commit, key_package) = (*member, place, package);
            self.joins.push(TapeJoin { member, asked, commit, key_package, real: None });
        }
        let welcome = if packages.is_empty() {
            Bytes::new()
        } else {
            welcome((self.spec.suite, dimensions), &packages, &mut self.random)
        };
        let (added, refers_to) = (done.added, done.referred);
        let removed = done.removed.into_iter().map(|(member, _)| member).collect();
        let effect = Effect { added, removed, refers_to, welcome, group_info: Bytes::new() };
        (body, (effect != Effect::default()).then(|| Box::new(effect)))
    }

    /// The proposal that an operation makes or commits to by value; nothing if none.
    fn proposal(&mut self, dimensions: &Dimensions, operation: TapeOperation) -> Vec<u8> {
        let mut proposal = Vec::new();
        match operation {
            TapeOperation::Add { member, .. } | TapeOperation::ProposeAdd { member, .. } => {
                proposal.extend_from_slice(&ADD.to_be_bytes());
                // The KeyPackage itself, without the header of its MLSMessage.
                proposal.extend_from_slice(&self.asked[&member].1[4..]);
            }
            TapeOperation::Remove { member, .. }
            | TapeOperation::ProposeRemove { member, .. }
            | TapeOperation::Leave { member } => {
                let leaf = self.membership.leaf(member).unwrap_or_default();
                proposal.extend_from_slice(&REMOVE.to_be_bytes());
                proposal.extend_from_slice(&leaf.to_be_bytes());
            }
            TapeOperation::ProposeUpdate { .. } => {
                proposal.extend_from_slice(&UPDATE.to_be_bytes());
                let group = (self.spec.suite, dimensions);
                push_leaf_node(&mut proposal, group, &[SOURCE_UPDATE], &mut self.random);
            }
            _ => {}
        }
        proposal
    }

    /// A proposal or commit whose content begins with `content`, in `size` bytes.
    fn handshake(&mut self, leaf: u32, content_type: u8, content: &[u8], size: usize) -> Bytes {
        let (group, epoch, random) = (&self.spec.group, self.epoch, &mut self.random);
        match self.spec.handshake {
            Handshake::Private => private_message(group, epoch, content_type, size, random),
            Handshake::Public => {
                public_message((group, epoch), leaf, (content_type, content), size, random)
            }
        }
    }
}

/// A KeyPackage of no keys: every length is right, nothing is signed, and it never expires.
fn key_package(suite: Suite, dimensions: &Dimensions, random: &mut ChaCha8Rng) -> Bytes {
    let lengths = &dimensions.lengths;
    let size = size::key_package(lengths, dimensions.identity);
    let mut message = Vec::with_capacity(size);
    for field in [MLS10, KEY_PACKAGE, MLS10, suite.facts().code_point] {
        message.extend_from_slice(&field.to_be_bytes());
    }
    push_random(&mut message, lengths.init_public_key, random);
    let lifetime = [&[SOURCE_KEY_PACKAGE][..], &u64::MIN.to_be_bytes(), &u64::MAX.to_be_bytes()];
    push_leaf_node(&mut message, (suite, dimensions), &lifetime.concat(), random);
    push_vector(&mut message, &[]);
    push_random(&mut message, lengths.signature_max, random);
    debug_assert_eq!(message.len(), size, "a KeyPackage is as long as foretold");
    Bytes::from(message)
}

/// A LeafNode (RFC 9420 §7.2) of no keys, which comes from `source`.
fn push_leaf_node(
    message: &mut Vec<u8>,
    (suite, dimensions): (Suite, &Dimensions),
    source: &[u8],
    random: &mut ChaCha8Rng,
) {
    let lengths = &dimensions.lengths;
    push_random(message, lengths.kem_public_key, random);
    push_random(message, lengths.signature_public_key, random);
    message.extend_from_slice(&BASIC_CREDENTIAL.to_be_bytes());
    push_random(message, dimensions.identity, random);
    let (version, suite) = (MLS10.to_be_bytes(), suite.facts().code_point.to_be_bytes());
    let credential = BASIC_CREDENTIAL.to_be_bytes();
    for capabilities in [&version[..], &suite, &[], &[], &credential] {
        push_vector(message, capabilities);
    }
    message.extend_from_slice(source);
    push_vector(message, &[]);
    push_random(message, lengths.signature_max, random);
}

/// A Welcome for who published `packages`, of nothing that anybody could open.
fn welcome(
    (suite, dimensions): (Suite, &Dimensions),
    packages: &[Bytes],
    random: &mut ChaCha8Rng,
) -> Bytes {
    let lengths = &dimensions.lengths;
    let joiners = u32::try_from(packages.len()).expect("a member count fits");
    let size = dimensions.welcome(joiners);
    let mut secrets = Vec::new();
    for package in packages {
        let parsed = crate::wire::key_package(package).expect("it is well-formed");
        push_vector(&mut secrets, parsed.reference.as_bytes());
        push_random(&mut secrets, lengths.init_kem_output, random);
        push_random(&mut secrets, size::joiner_secrets(lengths), random);
    }
    let mut message = Vec::with_capacity(size);
    for field in [MLS10, WELCOME, suite.facts().code_point] {
        message.extend_from_slice(&field.to_be_bytes());
    }
    push_vector(&mut message, &secrets);
    let group_info = size::vector_content(size - message.len());
    push_length(&mut message, group_info);
    fill(message, size, random)
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

/// A member's PublicMessage with a handshake (RFC 9420 §6.2), framed as far as a service reads it.
fn public_message(
    (group, epoch): (&GroupId, Epoch),
    leaf: u32,
    (content_type, content): (u8, &[u8]),
    size: usize,
    random: &mut ChaCha8Rng,
) -> Bytes {
    let mut message = header(PUBLIC_MESSAGE, group, epoch, size);
    message.push(SENDER_MEMBER);
    message.extend_from_slice(&leaf.to_be_bytes());
    push_vector(&mut message, &[]);
    message.push(content_type);
    message.extend_from_slice(content);
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

/// A vector of so many random bytes.
fn push_random(message: &mut Vec<u8>, length: usize, random: &mut ChaCha8Rng) {
    push_length(message, length);
    let start = message.len();
    message.resize(start + length, 0);
    random.fill_bytes(&mut message[start..]);
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
const WELCOME: u16 = 3;
const KEY_PACKAGE: u16 = 5;
const BASIC_CREDENTIAL: u16 = 1;
const SOURCE_KEY_PACKAGE: u8 = 1;
const SOURCE_UPDATE: u8 = 2;
const SENDER_MEMBER: u8 = 1;
const ADD: u16 = 1;
const UPDATE: u16 = 2;
const REMOVE: u16 = 3;
const BY_VALUE: u8 = 1;
const BY_REFERENCE: u8 = 2;
const APPLICATION: u8 = 1;
const PROPOSAL: u8 = 2;
const COMMIT: u8 = 3;

#[cfg(test)]
mod tests;
