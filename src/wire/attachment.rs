//! What lies open in what comes with a commit: for whom a Welcome is, what a GroupInfo says.
//!
//! A walk over borrowed bytes; never allocates, never verifies. Called by `validation`.

use super::malformed::Malformed;
use super::peek::{Framed, framed};
use super::reader::Reader;

/// A wire format other than the one that is attached here.
pub(super) const ATTACHMENT: &str = "not what belongs here";
/// The `external_pub` extension (RFC 9420 §12.4.3.2).
const EXTERNAL_PUB: u16 = 4;

/// A Welcome (RFC 9420 §12.4.3.1), its recipients not yet looked at.
#[derive(Clone, Copy, Debug)]
pub struct Welcome<'a> {
    /// The group's cipher suite (RFC 9420 §17.1).
    pub cipher_suite: u16,
    secrets: Reader<'a>,
}

/// A GroupInfo (RFC 9420 §12.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo<'a> {
    /// The group's cipher suite (RFC 9420 §17.1).
    pub cipher_suite: u16,
    /// The GroupContext, as it stands.
    pub context: &'a [u8],
    /// Whether there is an external public key, by which anybody may join.
    pub external_pub: bool,
    /// The confirmation tag of the epoch.
    pub confirmation_tag: &'a [u8],
    /// The leaf of who signed it.
    pub signer: u32,
    /// What is signed (`GroupInfoTBS`).
    pub signed: &'a [u8],
    /// The signature over it.
    pub signature: &'a [u8],
}

/// Reads an MLSMessage with a Welcome, to its end.
///
/// # Errors
/// The first field that is not as the RFC wants it.
pub fn welcome(bytes: &[u8]) -> Result<Welcome<'_>, Malformed> {
    let mut reader = body(bytes, Framed::Welcome)?;
    let cipher_suite = reader.u16()?;
    let secrets = reader.nested()?;
    reader.vector()?; // encrypted_group_info
    reader.finish()?;
    Ok(Welcome { cipher_suite, secrets })
}

impl<'a> Welcome<'a> {
    /// The KeyPackageRef of each recipient (RFC 9420 §5.2), until a mistake.
    pub fn recipients(&self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a> {
        let mut secrets = self.secrets;
        std::iter::from_fn(move || {
            if secrets.left() == 0 {
                return None;
            }
            let read = recipient(&mut secrets);
            if read.is_err() {
                secrets = Reader::new(&[]);
            }
            Some(read)
        })
    }
}

fn recipient<'a>(secrets: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let reference = secrets.vector()?;
    secrets.vector()?; // kem_output
    secrets.vector()?; // ciphertext
    Ok(reference)
}

/// Reads an MLSMessage with a GroupInfo, to its end.
///
/// # Errors
/// The first field that is not as the RFC wants it.
pub fn group_info(bytes: &[u8]) -> Result<GroupInfo<'_>, Malformed> {
    let mut reader = body(bytes, Framed::GroupInfo)?;
    let start = reader;
    reader.u16()?; // version
    let cipher_suite = reader.u16()?;
    reader.vector()?; // group id
    reader.u64()?; // epoch
    reader.vector()?; // tree hash
    reader.vector()?; // confirmed transcript hash
    reader.vector()?; // extensions
    let context = start.upto(&reader);
    let mut extensions = reader.nested()?;
    let mut external_pub = false;
    while extensions.left() > 0 {
        external_pub |= extensions.u16()? == EXTERNAL_PUB;
        extensions.vector()?;
    }
    let confirmation_tag = reader.vector()?;
    let signer = reader.u32()?;
    let signed = start.upto(&reader);
    let signature = reader.vector()?;
    reader.finish()?;
    Ok(GroupInfo {
        cipher_suite,
        context,
        external_pub,
        confirmation_tag,
        signer,
        signed,
        signature,
    })
}

fn body(bytes: &[u8], expected: Framed) -> Result<Reader<'_>, Malformed> {
    match framed(bytes)? {
        (format, reader) if format == expected => Ok(reader),
        (_, reader) => Err(reader.malformed(ATTACHMENT)),
    }
}

/// Appends `content` as an `opaque<V>` (RFC 9420 §2.1.2).
///
/// # Panics
/// When it has 2^30 bytes or more: nothing here is.
pub fn write_vector(out: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("shorter than 2^30 bytes");
    assert!(length < 1 << 30, "shorter than 2^30 bytes");
    match length {
        0..64 => out.push(length.to_be_bytes()[3]),
        64..16_384 => out.extend((length | 1 << 14).to_be_bytes()[2..].iter()),
        _ => out.extend((length | 2 << 30).to_be_bytes()),
    }
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::handshake;

    #[test]
    fn a_written_vector_is_read_back_at_every_width() {
        for length in [0, 1, 63, 64, 16_383, 16_384, 70_000] {
            let mut bytes = Vec::new();
            write_vector(&mut bytes, &vec![7; length]);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.vector().map(<[u8]>::len), Ok(length));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            format in 0_u8..8,
            bytes in prop::collection::vec(any::<u8>(), 0..160),
        ) {
            let message = [&[0, 1, 0, format][..], &bytes].concat();
            prop_assert!(group_info(&message).is_err() || format == 4);
            if let Ok(welcome) = welcome(&message) {
                prop_assert!(format == 3 && welcome.recipients().count() <= bytes.len());
            }
            if let Ok(handshake::Handshake::Commit(commit)) = handshake::handshake(&message) {
                prop_assert!(commit.proposals().count() <= bytes.len());
                let path = commit.path().ok().flatten();
                prop_assert!(path.is_none_or(|path| path.nodes().count() <= bytes.len()));
            }
            if let Ok(nodes) = handshake::tree_nodes(&bytes) {
                prop_assert!(nodes.count() <= bytes.len());
            }
        }
    }
}
