//! The header of a segment file.
//!
//! ```text
//!  0  magic "STENTLOG"                              8
//!  8  version, 2                                    4
//! 12  CRC-32 of all other bytes of the header       4
//! 16  identity: which log it belongs to             8
//! 24  number of the segment, from 1                 8
//! 32  base: the position before its first record    8
//! 40  seconds since the Unix epoch, when it began   8
//! 48  salt: random, chosen when the log is opened       8
//! 56  records, see `record`
//! ```
//!
//! All numbers are big-endian. The file is called by its number, `%016x.log`. Its header's CRC is
//! the seed of every record's, so a record is one only in the segment that it was written to. With
//! the salt, who sends a message cannot make its body hold what looks like a later record.
//! Pure; used by `wal`, `recovery` and `walk`.

use super::Position;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 56;

const MAGIC: &[u8; 8] = b"STENTLOG";
const VERSION: u32 = 2;
const CRC: std::ops::Range<usize> = 12..16;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which log it belongs to.
    pub identity: u64,
    /// The segment's number, from 1.
    pub number: u64,
    /// The position before its first record.
    pub base: Position,
    /// When it began, in seconds since the Unix epoch.
    pub unix_seconds: u64,
    /// Random: what nobody who sends messages knows.
    pub salt: u64,
}

impl Header {
    /// The header's bytes.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.identity.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.base.0.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.unix_seconds.to_be_bytes());
        bytes[48..56].copy_from_slice(&self.salt.to_be_bytes());
        let crc = crc(&bytes);
        bytes[CRC].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a header; says what is wrong with bytes that are none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.try_into().map_err(|_cut| "it ends inside its header")?;
        if &bytes[..8] != MAGIC {
            return Err("it does not start as a segment does");
        }
        if u32_at(bytes, CRC.start) != crc(bytes) {
            return Err("its header does not match the header's checksum");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("it was written by another version");
        }
        Ok(Self {
            identity: u64_at(bytes, 16),
            number: u64_at(bytes, 24),
            base: Position(u64_at(bytes, 32)),
            unix_seconds: u64_at(bytes, 40),
            salt: u64_at(bytes, 48),
        })
    }

    /// What the checksums of this segment's records start from.
    pub(super) fn seed(&self) -> u32 {
        crc(&self.encode())
    }
}

/// The name of a segment's file.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:016x}.log")
}

/// The number in a segment's file name; `None` for any other file.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(".log")?, 16).ok()?;
    (file_name(number) == name).then_some(number)
}

fn crc(header: &[u8; HEADER_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..CRC.start]);
    hasher.update(&header[CRC.end..]);
    hasher.finalize()
}

/// The number at an offset.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

/// The number at an offset.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        identity: 7,
        number: 3,
        base: Position(1 << 40),
        unix_seconds: 1_700_000_000,
        salt: 5,
    };

    #[test]
    fn a_header_reads_back() {
        assert_eq!(Header::parse(&HEADER.encode()), Ok(HEADER));
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_none() {
        for bit in 0..8 * HEADER_BYTES {
            let mut bytes = HEADER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Header::parse(&bytes).unwrap_err();
        }
    }

    #[test]
    fn records_of_two_salts_have_different_checksums() {
        assert_ne!(Header { salt: 6, ..HEADER }.seed(), HEADER.seed());
    }

    #[test]
    fn a_file_name_is_sixteen_digits_and_nothing_else() {
        assert_eq!(file_name(0x2a), "000000000000002a.log");
        assert_eq!(parse_file_name("000000000000002a.log"), Some(0x2a));
        for name in
            ["2a.log", "000000000000002A.log", "000000000000002a", "lock", "+00000000000002a.log"]
        {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
