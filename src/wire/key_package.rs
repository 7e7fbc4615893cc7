//! A KeyPackage becomes delivery's noun: what the directory has to know of it.
//!
//! Reads every length of it (RFC 9420 §10, §7.2) and computes its reference; verifies no
//! signature. Called by `server` for every published KeyPackage.

use aws_lc_rs::digest;
use bytes::Bytes;

use super::malformed::Malformed;
use super::peek;
use super::reader::Reader;
use crate::delivery::DeviceId;
use crate::delivery::joining::{KeyPackage, Reference};
use crate::limits::KEY_PACKAGE_BYTES_MAX;

/// Another wire format than `mls_key_package`.
const NOT_KEY_PACKAGE: &str = "not a KeyPackage";
/// Over [`KEY_PACKAGE_BYTES_MAX`].
const TOO_LONG: &str = "KeyPackage is over its bound";
/// A suite whose hash is not known here.
const SUITE: &str = "unknown cipher suite";
/// Neither basic nor X.509 (RFC 9420 §5.3): its end cannot be found.
const CREDENTIAL: &str = "unknown credential type";
/// RFC 9420 §10.1: the leaf of a KeyPackage says that it is one.
const SOURCE: &str = "leaf node source is not key_package";
/// RFC 9420 §10.1: they must differ.
const SAME_KEYS: &str = "init key and encryption key are the same";
/// A list of u16 with half an entry.
const ODD: &str = "list ends within an entry";

const BASIC: u16 = 1;
const X509: u16 = 2;
const SOURCE_KEY_PACKAGE: u8 = 1;
/// `app_data_dictionary`, whose component 4 is `last_resort_key_package`
/// (draft-ietf-mls-extensions §4.6, §6.4).
const APP_DATA_DICTIONARY: u16 = 6;
const LAST_RESORT_COMPONENT: u16 = 4;
/// `last_resort` as an extension of its own (draft-ietf-mls-extensions-04), which OpenMLS has.
const LAST_RESORT: u16 = 10;

/// RFC 9420 §5.2.
const REFERENCE_LABEL: &[u8] = b"MLS 1.0 KeyPackage Reference";

/// Reads an MLSMessage with a KeyPackage. The body is copied, so that it does not hold the frame
/// it came in. About a microsecond for 300 bytes, of which most is the hash.
///
/// # Errors
/// The first field that is not as the RFC, the bound or what is known here wants it.
pub fn key_package(message: &[u8]) -> Result<KeyPackage, Malformed> {
    let mut reader = Reader::new(message);
    let start = reader;
    if message.len() > KEY_PACKAGE_BYTES_MAX {
        return Err(start.malformed(TOO_LONG));
    }
    if peek::wire_format(&mut reader)? != peek::KEY_PACKAGE {
        return Err(start.malformed(NOT_KEY_PACKAGE));
    }
    let package = &message[reader.offset()..];
    peek::version(&mut reader)?;
    let suite_field = reader;
    let suite = reader.u16()?;
    let hash = hash_of(suite).ok_or_else(|| suite_field.malformed(SUITE))?;
    let init_key = reader.vector()?;
    let leaf_start = reader;
    let leaf = leaf_node(&mut reader)?;
    if leaf.encryption_key == init_key {
        return Err(leaf_start.malformed(SAME_KEYS));
    }
    let last_resort = extensions(&mut reader)?;
    reader.vector()?; // signature
    reader.finish()?;
    Ok(KeyPackage {
        suite,
        reference: reference(hash, REFERENCE_LABEL, package),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        last_resort,
        identity: leaf.identity,
        body: Bytes::copy_from_slice(message),
    })
}

/// The hash of a cipher suite: RFC 9420 §17.1, and the provisional code points of
/// draft-ietf-mls-pq-ciphersuites as OpenMLS puts them on the wire.
pub(super) fn hash_of(suite: u16) -> Option<&'static digest::Algorithm> {
    match suite {
        0x0001..=0x0003 | 0x004d | 0x004f => Some(&digest::SHA256),
        0x0007 | 0x0042 | 0x004e | 0x0050..=0x0052 | 0x0907 | 0xf042 => Some(&digest::SHA384),
        0x0004..=0x0006 | 0x0906 => Some(&digest::SHA512),
        _ => None,
    }
}

/// `RefHash` of RFC 9420 §5.2: the hash of label and value, each with its length before it.
pub(super) fn reference(hash: &'static digest::Algorithm, label: &[u8], value: &[u8]) -> Reference {
    let mut context = digest::Context::new(hash);
    for part in [label, value] {
        let (length, bytes) = vector_length(part.len());
        context.update(&length[..bytes]);
        context.update(part);
    }
    Reference::new(context.finish().as_ref()).expect("no hash is longer than 64 bytes")
}

/// The length field of a vector (RFC 9420 §2.1.2), and how many bytes of it there are.
pub(super) fn vector_length(length: usize) -> ([u8; 4], usize) {
    let long = u32::try_from(length).ok().filter(|length| *length < 1 << 30);
    let long = long.expect("a vector is within a message's bound");
    let [_, _, high, low] = long.to_be_bytes();
    match length {
        0..64 => ([low, 0, 0, 0], 1),
        64..0x4000 => ([high | 0x40, low, 0, 0], 2),
        _ => ((long | 0x8000_0000).to_be_bytes(), 4),
    }
}

/// What matters of the LeafNode of a KeyPackage.
struct Leaf<'a> {
    encryption_key: &'a [u8],
    identity: Option<DeviceId>,
    not_before: u64,
    not_after: u64,
}

/// RFC 9420 §7.2.
fn leaf_node<'a>(reader: &mut Reader<'a>) -> Result<Leaf<'a>, Malformed> {
    let encryption_key = reader.vector()?;
    reader.vector()?; // signature_key
    let credential = *reader;
    let identity = match reader.u16()? {
        BASIC => reader.vector()?.try_into().ok().map(DeviceId),
        X509 => {
            let mut chain = reader.nested()?;
            while chain.left() > 0 {
                chain.vector()?;
            }
            None
        }
        _ => return Err(credential.malformed(CREDENTIAL)),
    };
    // Capabilities: versions, cipher suites, extensions, proposals, credentials.
    for _ in 0..5 {
        let list = *reader;
        if reader.vector()?.len() % 2 != 0 {
            return Err(list.malformed(ODD));
        }
    }
    let source = *reader;
    if reader.u8()? != SOURCE_KEY_PACKAGE {
        return Err(source.malformed(SOURCE));
    }
    let (not_before, not_after) = (reader.u64()?, reader.u64()?);
    extensions(reader)?;
    reader.vector()?; // signature
    Ok(Leaf { encryption_key, identity, not_before, not_after })
}

/// Whether the extensions mark a KeyPackage as of last resort.
fn extensions(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let mut list = reader.nested()?;
    let mut last_resort = false;
    while list.left() > 0 {
        match list.u16()? {
            LAST_RESORT => {
                list.vector()?;
                last_resort = true;
            }
            APP_DATA_DICTIONARY => last_resort |= names_last_resort(list.nested()?)?,
            _ => {
                list.vector()?;
            }
        }
    }
    Ok(last_resort)
}

/// Whether an `app_data_dictionary` has the component of last resort.
fn names_last_resort(mut extension: Reader<'_>) -> Result<bool, Malformed> {
    let mut components = extension.nested()?;
    extension.finish()?;
    let mut found = false;
    while components.left() > 0 {
        found |= components.u16()? == LAST_RESORT_COMPONENT;
        components.vector()?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A KeyPackage of suite 1 by its fields; `credential` and `extensions` are bytes.
    fn built(init: u8, credential: &[u8], source: u8, extensions: &[u8]) -> Vec<u8> {
        let lifetime = [[0, 0, 0, 0, 0, 0, 0, 5], [0, 0, 0, 0, 0, 0, 0, 9]].concat();
        [
            &[0, 1, 0, 5, 0, 1, 0, 1][..],
            &[1, init],
            &[1, 0xee, 1, 0xff],
            credential,
            &[2, 0, 1, 2, 0, 1, 0, 0, 2, 0, 1],
            &[source],
            &lifetime,
            &[0, 1, 7],
            &[u8::try_from(extensions.len()).unwrap()],
            extensions,
            &[1, 7],
        ]
        .concat()
    }

    fn basic(identity: &[u8]) -> Vec<u8> {
        [&[0, 1, u8::try_from(identity.len()).unwrap()], identity].concat()
    }

    fn check(message: &[u8], expected: Result<(Option<DeviceId>, bool), &'static str>) {
        let got = key_package(message);
        if let Ok(package) = &got {
            assert_eq!((package.not_before, package.not_after, package.suite), (5, 9, 1));
            assert_eq!(package.body, message);
        }
        let got = got.map(|it| (it.identity, it.last_resort)).map_err(|error| error.what);
        assert_eq!(got, expected, "{message:02x?}");
    }

    #[test]
    fn a_key_package_says_whose_it_is_and_how_long_it_lives() {
        let device = DeviceId([9; 16]);
        check(&built(1, &basic(&[9; 16]), 1, &[]), Ok((Some(device), false)));
        check(&built(1, &basic(&[9; 15]), 1, &[]), Ok((None, false)));
        check(&built(1, &[0, 2, 4, 1, 5, 1, 6], 1, &[]), Ok((None, false)));
    }

    #[test]
    fn last_resort_is_marked_by_its_extension_or_its_component() {
        let of = |extensions: &[u8], last_resort| {
            check(&built(1, &basic(b"a"), 1, extensions), Ok((None, last_resort)));
        };
        of(&[0, 10, 0], true);
        of(&[0, 6, 4, 3, 0, 4, 0], true);
        of(&[0, 6, 4, 3, 0, 5, 0], false);
        of(&[0x0a, 0x0a, 1, 7, 0, 6, 1, 0], false);
        let bad = [0, 6, 5, 3, 0, 4, 0, 9];
        check(&built(1, &basic(b"a"), 1, &bad), Err(super::super::reader::TRAILING));
    }

    #[test]
    fn what_is_no_key_package_is_refused() {
        check(&built(0xee, &basic(b"a"), 1, &[]), Err(SAME_KEYS));
        check(&built(1, &basic(b"a"), 2, &[]), Err(SOURCE));
        check(&built(1, &[0, 3, 0], 1, &[]), Err(CREDENTIAL));
        let mut other = built(1, &basic(b"a"), 1, &[]);
        other[7] = 99;
        check(&other, Err(SUITE));
        other[3] = 3;
        check(&other, Err(NOT_KEY_PACKAGE));
        check(&vec![0; KEY_PACKAGE_BYTES_MAX + 1], Err(TOO_LONG));
        let whole = built(1, &basic(b"a"), 1, &[0, 10, 0]);
        for length in 0..whole.len() {
            assert!(key_package(&whole[..length]).is_err(), "{length}");
        }
        check(&[&whole[..], &[0]].concat(), Err(super::super::reader::TRAILING));
    }

    #[test]
    fn every_suite_that_openmls_names_has_the_hash_that_openmls_gives_it() {
        use openmls_traits::types::{Ciphersuite, HashType};
        for suite in 0..=u16::MAX {
            let expected = Ciphersuite::try_from(suite).ok().map(|it| match it.hash_algorithm() {
                HashType::Sha2_256 => &digest::SHA256,
                HashType::Sha2_384 => &digest::SHA384,
                HashType::Sha2_512 => &digest::SHA512,
            });
            assert_eq!(hash_of(suite), expected, "{suite:#06x}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_key_packages_never_panic(
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut message = built(1, &basic(&[9; 16]), 1, &[0, 6, 4, 3, 0, 4, 0]);
            let place = at.index(message.len());
            message[place] = byte;
            drop(key_package(&message));
            message.truncate(place);
            message.extend(rest);
            drop(key_package(&message));
        }
    }
}
