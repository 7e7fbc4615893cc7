//! A tape as bytes in a file, and back.
//!
//! It never opens a file and never trusts one: what is truncated, changed, of another format or
//! of another specification is `None`, and every length is checked against what is left before
//! anything is allocated. Called by the cache.
//!
//! Layout, integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `STNTTAPE` |
//! | 4 | [`FORMAT`] |
//! | 16 | the key: XXH3-128 of the canonical specification, [`FORMAT`] and [`OPENMLS`] |
//! | 8 | length of the payload |
//! | 8 | XXH3-64 of the payload |
//! | … | payload |
//!
//! The payload is: epoch u64; when it was minted u64, in Unix seconds; authenticator, Welcome, tree,
//! GroupInfo, each a *blob* (length u32, bytes);
//! count of real members u32, for each its number u32, count of pairs u32, and two blobs a pair;
//! count of joins u32, for each member u32, asked u32, commit u32, KeyPackage blob, and u8: 0, or 1 and
//! what a real joiner has: a tree blob, count of pairs u32, and two blobs a pair;
//! count of messages u32, for each its kind u8 (0 application, 1 proposal, 2 commit), epoch u64, sender
//! u32, a blob, and u8: 0, or 1 and its effect: added and removed, each count u32 and so many u32;
//! how many proposals it refers to u32; Welcome blob, GroupInfo blob. Then it ends.

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_128;

use super::storage::Pair;
use super::tape::Effect;
use super::tape::Handshake;
use super::tape::MemberSeed;
use super::tape::Reentry;
use super::tape::Tape;
use super::tape::TapeJoin;
use super::tape::TapeMessage;
use super::tape::TapeOperation;
use super::tape::TapeSpec;
use crate::delivery::Epoch;
use crate::delivery::Kind;

/// Raised by every change of the layout, or of what minting makes of a specification.
pub(super) const FORMAT: u32 = 3;

/// The OpenMLS that mints: another one's keys may be stored in another way.
pub(super) const OPENMLS: &str = "0.9.2";

const MAGIC: &[u8; 8] = b"STNTTAPE";
const HEADER_BYTES: usize = 8 + 4 + 16 + 8 + 8;

/// What a tape of `spec` is filed under. Cost: a hash of 9 bytes for each operation, and 16 for each
/// device.
pub(super) fn key(spec: &TapeSpec) -> u128 {
    let mut canonical = Vec::with_capacity(128 + 9 * spec.operations.len());
    canonical.put_u32_le(FORMAT);
    put_blob(&mut canonical, OPENMLS.as_bytes());
    put_blob(&mut canonical, spec.suite.name().as_bytes());
    put_blob(&mut canonical, spec.group.as_bytes());
    canonical.put_u32_le(spec.members);
    canonical.put_u32_le(spec.senders);
    canonical.put_u32_le(spec.real);
    canonical.put_u32_le(spec.joiners);
    canonical.put_u32_le(spec.real_joiners);
    canonical.put_u8(u8::from(spec.group_infos));
    canonical.put_u8(match spec.handshake {
        Handshake::Public => 0,
        Handshake::Private => 1,
    });
    put_count(&mut canonical, spec.devices.len());
    for device in &spec.devices {
        canonical.put_slice(&device.0);
    }
    for operation in &spec.operations {
        put_operation(&mut canonical, *operation);
    }
    // Marked as no operation is, so that specifications without one keep the keys they had.
    if let Some(init) = spec.init_suite {
        canonical.put_u8(INIT_SUITE);
        put_blob(&mut canonical, init.name().as_bytes());
    }
    xxh3_128(&canonical)
}

/// An operation, so that no two are alike; none begins with [`INIT_SUITE`].
fn put_operation(to: &mut Vec<u8>, operation: TapeOperation) {
    let (tag, first, second) = match operation {
        TapeOperation::Application { sender, bytes } => (0, sender, bytes),
        TapeOperation::Commit { sender } => (2, sender, 0),
        TapeOperation::Add { sender, member } => (3, sender, member),
        TapeOperation::Remove { sender, member } => (4, sender, member),
        TapeOperation::ProposeUpdate { sender } => (5, sender, 0),
        TapeOperation::ProposeAdd { sender, member } => (6, sender, member),
        TapeOperation::ProposeRemove { sender, member } => (7, sender, member),
        TapeOperation::Leave { member } => (8, member, 0),
        TapeOperation::ExternalJoin { member } => (9, member, 0),
    };
    to.put_u8(tag);
    to.put_u32_le(first);
    to.put_u32_le(second);
}

/// The header and the payload of `tape`, to be written one after the other.
pub(super) fn encode(tape: &Tape) -> (Vec<u8>, Vec<u8>) {
    let bodies: usize = tape.messages.iter().map(|message| message.body.len() + 17).sum();
    let mut payload = Vec::with_capacity(bodies + tape.welcome.len() + tape.tree.len() + 2_048);
    payload.put_u64_le(tape.epoch.0);
    payload.put_u64_le(tape.minted);
    put_blob(&mut payload, &tape.authenticator);
    put_blob(&mut payload, &tape.welcome);
    put_blob(&mut payload, &tape.tree);
    put_blob(&mut payload, &tape.group_info);
    put_count(&mut payload, tape.real.len());
    for seed in &tape.real {
        payload.put_u32_le(seed.member);
        put_pairs(&mut payload, &seed.pairs);
    }
    put_count(&mut payload, tape.joins.len());
    for join in &tape.joins {
        put_join(&mut payload, join);
    }
    put_count(&mut payload, tape.messages.len());
    for message in &tape.messages {
        payload.put_u8(match message.kind {
            Kind::Application => APPLICATION,
            Kind::Proposal => PROPOSAL,
            Kind::Commit => COMMIT,
        });
        payload.put_u64_le(message.epoch.0);
        payload.put_u32_le(message.sender);
        put_blob(&mut payload, &message.body);
        put_effect(&mut payload, message.effect.as_deref());
    }
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.put_slice(MAGIC);
    header.put_u32_le(FORMAT);
    header.put_u128_le(key(&tape.spec));
    header.put_u64_le(u64::try_from(payload.len()).expect("a length fits"));
    header.put_u64_le(xxh3_64(&payload));
    (header, payload)
}

/// The tape of `spec` in a file's `content`; `None` when that is anything else. Messages share
/// the content's memory.
pub(super) fn decode(content: Bytes, spec: &TapeSpec) -> Option<Tape> {
    let mut reader = Reader(content);
    let magic = reader.take(MAGIC.len())?;
    let format = reader.0.try_get_u32_le().ok()?;
    let filed = reader.0.try_get_u128_le().ok()?;
    let length = reader.0.try_get_u64_le().ok()?;
    let checksum = reader.0.try_get_u64_le().ok()?;
    let intact = &magic[..] == MAGIC
        && format == FORMAT
        && filed == key(spec)
        && usize::try_from(length).ok()? == reader.0.len()
        && checksum == xxh3_64(&reader.0);
    if !intact {
        return None;
    }
    let tape = reader.tape(spec)?;
    reader.0.is_empty().then_some(tape)
}

/// What is left to read.
struct Reader(Bytes);

impl Reader {
    fn tape(&mut self, spec: &TapeSpec) -> Option<Tape> {
        let epoch = Epoch(self.0.try_get_u64_le().ok()?);
        let minted = self.0.try_get_u64_le().ok()?;
        let authenticator = self.blob()?.to_vec();
        let (welcome, tree, group_info) = (self.blob()?, self.blob()?, self.blob()?);
        let real = self.list(SEED_BYTES_MIN, Self::seed)?;
        let joins = self.list(JOIN_BYTES_MIN, Self::join)?;
        let messages = self.list(MESSAGE_BYTES_MIN, Self::message)?;
        let as_specified = messages.len() == spec.operations.len()
            && u32::try_from(real.len()).is_ok_and(|real| real == spec.real);
        let spec = spec.clone();
        as_specified.then_some(Tape {
            spec,
            epoch,
            messages,
            welcome,
            tree,
            group_info,
            minted,
            real,
            joins,
            authenticator,
        })
    }

    fn join(&mut self) -> Option<TapeJoin> {
        let member = self.0.try_get_u32_le().ok()?;
        let asked = self.0.try_get_u32_le().ok()?;
        let commit = self.0.try_get_u32_le().ok()?;
        let key_package = self.blob()?;
        let real = self.optional(|reader| {
            let tree = reader.blob()?;
            Some(Box::new(Reentry { tree, pairs: reader.pairs()? }))
        })?;
        Some(TapeJoin { member, asked, commit, key_package, real })
    }

    fn effect(&mut self) -> Option<Box<Effect>> {
        let members = |reader: &mut Self| reader.list(4, |reader| reader.0.try_get_u32_le().ok());
        let (added, removed) = (members(self)?, members(self)?);
        let refers_to = self.0.try_get_u32_le().ok()?;
        let (welcome, group_info) = (self.blob()?, self.blob()?);
        Some(Box::new(Effect { added, removed, refers_to, welcome, group_info }))
    }

    fn pairs(&mut self) -> Option<Vec<Pair>> {
        let pair = |reader: &mut Self| Some((reader.blob()?.to_vec(), reader.blob()?.to_vec()));
        self.list(PAIR_BYTES_MIN, pair)
    }

    /// Something, nothing (`Some(None)`), or neither.
    fn optional<T>(&mut self, some: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.0.try_get_u8().ok()? {
            0 => Some(None),
            1 => some(self).map(Some),
            _ => None,
        }
    }

    fn seed(&mut self) -> Option<MemberSeed> {
        let member = self.0.try_get_u32_le().ok()?;
        Some(MemberSeed { member, pairs: self.pairs()? })
    }

    fn message(&mut self) -> Option<TapeMessage> {
        let kind = match self.0.try_get_u8().ok()? {
            APPLICATION => Kind::Application,
            PROPOSAL => Kind::Proposal,
            COMMIT => Kind::Commit,
            _ => return None,
        };
        let epoch = Epoch(self.0.try_get_u64_le().ok()?);
        let sender = self.0.try_get_u32_le().ok()?;
        let body = self.blob()?;
        let effect = self.optional(Self::effect)?;
        Some(TapeMessage { kind, epoch, sender, body, effect })
    }

    /// As many items as the next u32 says, which must leave room for each to have `bytes_min`.
    fn list<T>(
        &mut self,
        bytes_min: usize,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.length()?;
        if count > self.0.len() / bytes_min {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn blob(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        self.take(length)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.0.try_get_u32_le().ok()?).ok()
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }
}

fn put_join(to: &mut Vec<u8>, join: &TapeJoin) {
    to.put_u32_le(join.member);
    to.put_u32_le(join.asked);
    to.put_u32_le(join.commit);
    put_blob(to, &join.key_package);
    to.put_u8(u8::from(join.real.is_some()));
    if let Some(Reentry { pairs, tree }) = join.real.as_deref() {
        put_blob(to, tree);
        put_pairs(to, pairs);
    }
}

fn put_effect(to: &mut Vec<u8>, effect: Option<&Effect>) {
    to.put_u8(u8::from(effect.is_some()));
    let Some(Effect { added, removed, refers_to, welcome, group_info }) = effect else { return };
    for members in [added, removed] {
        put_count(to, members.len());
        members.iter().for_each(|member| to.put_u32_le(*member));
    }
    to.put_u32_le(*refers_to);
    put_blob(to, welcome);
    put_blob(to, group_info);
}

fn put_pairs(to: &mut Vec<u8>, pairs: &[Pair]) {
    put_count(to, pairs.len());
    for (key, value) in pairs {
        put_blob(to, key);
        put_blob(to, value);
    }
}

fn put_blob(to: &mut Vec<u8>, blob: &[u8]) {
    put_count(to, blob.len());
    to.put_slice(blob);
}

fn put_count(to: &mut Vec<u8>, count: usize) {
    to.put_u32_le(u32::try_from(count).expect("no tape has 2^32 of anything"));
}

/// Before the name of another suite of init keys, in a key.
const INIT_SUITE: u8 = 0xff;
const APPLICATION: u8 = 0;
const PROPOSAL: u8 = 1;
const COMMIT: u8 = 2;
const PAIR_BYTES_MIN: usize = 8;
const SEED_BYTES_MIN: usize = 8;
const MESSAGE_BYTES_MIN: usize = 18;
const JOIN_BYTES_MIN: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_the_key_is_the_version_in_use() {
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"openmls\"\nversion = \"{OPENMLS}\"")));
    }
}
