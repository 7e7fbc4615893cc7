//! The records of a segment: entries, then a seal.
//!
//! ```text
//!  0  length of the payload; its highest bit is set on a seal         4
//!  4  CRC-32 of everything else but the padding                       4
//!  8  position: of the entry; on a seal, of the last entry            8
//! 16  durable: the watermark when the record was written              8
//! 24  payload
//!     zeros up to the next multiple of 8
//!
//! payload of a seal: entries in the segment 8, offset of the seal 8,
//!                    seconds since the Unix epoch at the last append 8
//! ```
//!
//! CRC-32 (IEEE) and not CRC-32C: both find what a torn write leaves, and `crc32fast` has the first
//! at several GB/s on processors with a carry-less multiplication. It starts from the header's own
//! checksum. The watermark in each record tells damage from a torn tail: if a later record says that
//! an unreadable one was durable, no power loss explains it. Records start at multiples of 8, so
//! that a reader behind a damaged one finds the next. Pure; used by `wal`, `recovery` and `walk`.

use super::Position;
use super::segment::{u32_at, u64_at};
use crate::limits::{LOG_RECORD_BYTES_MAX, LOG_RECORD_HEAD_BYTES};

/// Bytes of a record before its payload.
pub(super) const HEAD_BYTES: usize = LOG_RECORD_HEAD_BYTES;

/// What a record's start and end are multiples of.
pub(super) const ALIGNMENT: usize = 8;

/// Bytes of a whole seal.
pub(super) const SEAL_BYTES: u64 = (HEAD_BYTES + SEAL_PAYLOAD_BYTES) as u64;

const SEAL_PAYLOAD_BYTES: usize = 24;
const SEALING: u32 = 1 << 31;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) is_seal: bool,
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) position: Position,
    pub(super) durable: Position,
    crc: u32,
}

/// What a segment says of itself when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Entries in the segment.
    pub records: u64,
    /// Offset of the seal: where the last entry ends.
    pub offset: u64,
    /// When the last entry was appended, in seconds since the Unix epoch.
    pub unix_seconds: u64,
}

impl Head {
    /// Reads the fixed part; `None` for one that no writer makes, as zeros are.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let length = u32_at(bytes, 0);
        let head = Self {
            is_seal: length & SEALING != 0,
            length: usize::try_from(length & !SEALING).ok()?,
            position: Position(u64_at(bytes, 8)),
            durable: Position(u64_at(bytes, 16)),
            crc: u32_at(bytes, 4),
        };
        let shaped = if head.is_seal {
            head.length == SEAL_PAYLOAD_BYTES && head.durable <= head.position
        } else {
            head.length <= LOG_RECORD_BYTES_MAX && head.durable < head.position
        };
        shaped.then_some(head)
    }

    /// Bytes of the whole record, with its padding.
    pub(super) fn record_bytes(&self) -> usize {
        record_bytes(self.length)
    }

    /// Whether the record, without its padding, is as it was written.
    pub(super) fn matches(&self, seed: u32, record: &[u8]) -> bool {
        checksum(seed, &record[..HEAD_BYTES], &[&record[HEAD_BYTES..]]) == self.crc
    }
}

impl Seal {
    /// Reads the payload of a seal.
    pub(super) fn parse(payload: &[u8]) -> Self {
        Self {
            records: u64_at(payload, 0),
            offset: u64_at(payload, 8),
            unix_seconds: u64_at(payload, 16),
        }
    }
}

/// Bytes of a record with a payload of `length` bytes.
pub(super) fn record_bytes(length: usize) -> usize {
    (HEAD_BYTES + length).next_multiple_of(ALIGNMENT)
}

/// Adds an entry to `buffer`.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    seed: u32,
    position: Position,
    durable: Position,
    parts: &[&[u8]],
) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).expect("an entry is bounded");
    put(buffer, seed, length, position, durable, parts);
}

/// Adds a seal to `buffer`.
pub(super) fn encode_seal(
    buffer: &mut Vec<u8>,
    seed: u32,
    last: Position,
    durable: Position,
    seal: &Seal,
) {
    let fields = [seal.records, seal.offset, seal.unix_seconds].map(u64::to_be_bytes);
    let length = u32::try_from(SEAL_PAYLOAD_BYTES).expect("it is short") | SEALING;
    put(buffer, seed, length, last, durable, &[fields.as_flattened()]);
}

fn put(
    buffer: &mut Vec<u8>,
    seed: u32,
    length: u32,
    position: Position,
    durable: Position,
    parts: &[&[u8]],
) {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[8..16].copy_from_slice(&position.0.to_be_bytes());
    head[16..].copy_from_slice(&durable.0.to_be_bytes());
    let crc = checksum(seed, &head, parts);
    head[4..8].copy_from_slice(&crc.to_be_bytes());
    buffer.extend_from_slice(&head);
    for part in parts {
        buffer.extend_from_slice(part);
    }
    // The buffer begins where a record does.
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
}

fn checksum(seed: u32, head: &[u8], parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&head[..4]);
    hasher.update(&head[8..]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u32 = 0x1234_5678;

    fn one(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, SEED, Position(9), Position(4), &[payload, b"!"]);
        bytes
    }

    #[test]
    fn a_record_reads_back_and_ends_where_the_next_can_start() {
        for length in 0..40 {
            let bytes = one(&vec![0xab; length]);
            let head = Head::parse(&bytes).unwrap();
            assert_eq!((head.position, head.durable), (Position(9), Position(4)));
            assert_eq!((head.is_seal, head.length), (false, length + 1));
            assert_eq!(bytes.len(), head.record_bytes());
            assert_eq!(bytes.len() % ALIGNMENT, 0);
            assert!(head.matches(SEED, &bytes[..HEAD_BYTES + head.length]));
            assert!(!head.matches(SEED + 1, &bytes[..HEAD_BYTES + head.length]), "another segment");
        }
    }

    #[test]
    fn a_record_with_any_bit_flipped_is_none() {
        let whole = one(b"a payload");
        for bit in 0..8 * (HEAD_BYTES + b"a payload!".len()) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Some(head) = Head::parse(&bytes) else { continue };
            let end = HEAD_BYTES + head.length;
            assert!(end > bytes.len() || !head.matches(SEED, &bytes[..end]), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Head::parse(&[0; HEAD_BYTES]), None);
    }

    #[test]
    fn a_seal_reads_back_and_is_no_entry() {
        let mut bytes = Vec::new();
        let seal = Seal { records: 3, offset: 4_096, unix_seconds: 5 };
        encode_seal(&mut bytes, SEED, Position(9), Position(9), &seal);
        let head = Head::parse(&bytes).unwrap();
        assert!(head.is_seal && head.matches(SEED, &bytes));
        assert_eq!(bytes.len() as u64, SEAL_BYTES);
        assert_eq!(Seal::parse(&bytes[HEAD_BYTES..]), seal);
    }
}
