//! A Welcome, taken apart by joiner and put together for one of them.
//!
//! A Welcome for many has each one's secrets and what all share (RFC 9420 §12.4.3.1). A joiner
//! needs its own secrets only, and the result is a Welcome still. Nothing is decrypted. Called by
//! `server` on a Welcome's way from its commit to its devices.

use bytes::{BufMut, Bytes, BytesMut};

use super::key_package::vector_length;
use super::malformed::Malformed;
use super::peek;
use super::reader::Reader;
use crate::delivery::joining::{JoinerSecrets, Reference, Welcome};
use crate::limits::ROSTER_MAX;

/// Another wire format than `mls_welcome`.
const NOT_WELCOME: &str = "not a Welcome";
/// More joiners than a roster takes.
const TOO_MANY: &str = "more joiners than a roster takes";
/// A reference is a hash: neither nothing nor longer than 64 bytes.
const REFERENCE: &str = "not the length of a hash";

/// Takes an MLSMessage with a Welcome apart. Parts are slices of it.
///
/// # Errors
/// The first field that is not as the RFC or the bound on rosters wants it.
pub fn welcome(message: &Bytes) -> Result<Welcome, Malformed> {
    let mut reader = Reader::new(message);
    let start = reader;
    if peek::wire_format(&mut reader)? != peek::WELCOME {
        return Err(start.malformed(NOT_WELCOME));
    }
    let suite = reader.u16()?;
    let mut secrets = reader.nested()?;
    let mut joiners = Vec::new();
    while secrets.left() > 0 {
        let first = secrets;
        let reference = Reference::new(secrets.vector()?); // new_member
        secrets.vector()?; // kem_output
        secrets.vector()?; // ciphertext
        let reference = reference.ok_or_else(|| first.malformed(REFERENCE))?;
        if joiners.len() == ROSTER_MAX {
            return Err(first.malformed(TOO_MANY));
        }
        let secrets = message.slice(first.offset()..secrets.offset());
        joiners.push(JoinerSecrets { reference, secrets });
    }
    let group_info = message.slice_ref(reader.vector()?);
    reader.finish()?;
    Ok(Welcome { suite, joiners, group_info })
}

/// The Welcome of one joiner, an MLSMessage.
#[must_use]
pub fn welcome_of_one(suite: u16, secrets: &[u8], group_info: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(6 + 4 + secrets.len() + 4 + group_info.len());
    out.put_u16(peek::MLS10);
    out.put_u16(peek::WELCOME);
    out.put_u16(suite);
    for part in [secrets, group_info] {
        let (length, bytes) = vector_length(part.len());
        out.put_slice(&length[..bytes]);
        out.put_slice(part);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Peek, peek};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn secrets(reference: &[u8], kem_output: &[u8], ciphertext: &[u8]) -> Vec<u8> {
        let parts = [reference, kem_output, ciphertext].map(|part| {
            let (length, bytes) = vector_length(part.len());
            [&length[..bytes], part].concat()
        });
        parts.concat()
    }

    #[test]
    fn who_is_in_a_welcome_is_a_hash() {
        let check = |reference: &[u8], expected| {
            let message = welcome_of_one(1, &secrets(reference, b"k", b"c"), b"info");
            assert_eq!(welcome(&message).map(|it| it.joiners.len()), expected);
        };
        check(&[7; 32], Ok(1));
        check(&[7; 64], Ok(1));
        check(&[7; 65], Err(Malformed { offset: 8, what: REFERENCE }));
        check(&[], Err(Malformed { offset: 7, what: REFERENCE }));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_joiner_gets_a_welcome_of_its_own_secrets_and_what_all_share(
            joiners in vec((vec(any::<u8>(), 1..=64), vec(any::<u8>(), 0..200)), 1..9),
            group_info in vec(any::<u8>(), 0..20_000),
            cut in any::<prop::sample::Index>(),
        ) {
            let each: Vec<Vec<u8>> =
                joiners.iter().map(|(reference, rest)| secrets(reference, rest, b"c")).collect();
            let whole = welcome_of_one(0x4d, &each.concat(), &group_info);
            let parts = welcome(&whole).unwrap();
            prop_assert_eq!(parts.suite, 0x4d);
            prop_assert_eq!(&parts.group_info, &group_info);
            prop_assert_eq!(parts.joiners.len(), joiners.len());
            for ((part, (reference, _)), secrets) in parts.joiners.iter().zip(&joiners).zip(&each) {
                prop_assert_eq!(part.reference.as_bytes(), &reference[..]);
                prop_assert_eq!(&part.secrets, secrets);
                let one = welcome_of_one(parts.suite, &part.secrets, &parts.group_info);
                let peeked = Ok(Peek::Welcome { cipher_suite: 0x4d, recipients: 1 });
                prop_assert_eq!(peek(&one), peeked);
            }
            let cut = whole.slice(..cut.index(whole.len()));
            prop_assert!(welcome(&cut).is_err());
        }
    }
}
