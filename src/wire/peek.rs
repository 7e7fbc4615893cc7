//! What an MLSMessage says about itself in the clear, without an MLS stack.
//!
//! Reads the header of each wire format (RFC 9420 §6) and walks no further than ordering and
//! routing need. It never allocates, never verifies, never decrypts. Called for every submission
//! by `server`, for every delivery by the client side, and by `inspect`.

use super::malformed::Malformed;
use super::reader::Reader;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Kind;

/// Not MLS 1.0 (RFC 9420 §6: `ProtocolVersion version = mls10`).
pub(super) const VERSION: &str = "protocol version is not mls10";
/// Not one of the five wire formats of RFC 9420 §17.2.
pub(super) const WIRE_FORMAT: &str = "unknown wire format";
/// A wire format that names no group, where one is needed.
pub(super) const NOT_GROUP: &str = "neither a PublicMessage nor a PrivateMessage";
/// [`GroupId`] takes neither none nor more than its bound.
pub(super) const GROUP_ID: &str = "group id is empty or too long";
/// Not a sender type of RFC 9420 §6.
pub(super) const SENDER_TYPE: &str = "unknown sender type";
/// Not a content type of RFC 9420 §6.
pub(super) const CONTENT_TYPE: &str = "unknown content type";
/// RFC 9420 §6: application messages are never sent as PublicMessage.
pub(super) const PUBLIC_APPLICATION: &str = "application content in a PublicMessage";
/// RFC 9420 §6.1 and §12.1.8: who is no member may send only one kind of handshake message.
pub(super) const SENDER_CONTENT: &str = "content type that this sender may not send";
/// A message without a handshake that lies open.
pub(super) const HANDSHAKE: &str = "not a PublicMessage";
/// A PublicMessage that ends after its content type.
pub(super) const NO_CONTENT: &str = "PublicMessage without content";

pub(super) const MLS10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
pub(super) const WELCOME: u16 = 3;
const GROUP_INFO: u16 = 4;
pub(super) const KEY_PACKAGE: u16 = 5;

/// Where the wire format stands: after the version.
const WIRE_FORMAT_OFFSET: usize = 2;

/// Who a PublicMessage says sent it (RFC 9420 §6). Nothing is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A member of the group.
    Member {
        /// Index of its leaf, counted from 0 at the left.
        leaf: u32,
    },
    /// A sender that the group's `external_senders` extension lists; proposals only.
    External {
        /// Index in that list, from 0.
        index: u32,
    },
    /// Somebody who proposes its own addition.
    NewMemberProposal,
    /// Somebody who joins by an external commit.
    NewMemberCommit,
}

/// The header of a message that belongs to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupHeader {
    /// The group it is for.
    pub group: GroupId,
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// Its content type.
    pub kind: Kind,
}

/// What an MLSMessage says about itself, by wire format (RFC 9420 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peek {
    /// A PublicMessage (§6.2). Its content is there, but not looked at.
    Public {
        /// The group it is for.
        group: GroupId,
        /// The epoch it was made in.
        epoch: Epoch,
        /// Proposal or commit, never application.
        kind: Kind,
        /// Who it says sent it; may send this `kind`.
        sender: Sender,
    },
    /// A PrivateMessage (§6.3), whole: it ends where its ciphertext does.
    Private {
        /// The group it is for.
        group: GroupId,
        /// The epoch it was made in.
        epoch: Epoch,
        /// Its content type.
        kind: Kind,
    },
    /// A Welcome (§12.4.3.1), whole. It names neither group nor epoch.
    Welcome {
        /// The group's cipher suite (§17.1).
        cipher_suite: u16,
        /// How many joiners it has secrets for.
        recipients: u32,
    },
    /// A GroupInfo (§12.4.3); read up to the epoch.
    GroupInfo {
        /// The group's cipher suite (§17.1).
        cipher_suite: u16,
        /// The group it describes.
        group: GroupId,
        /// The epoch it describes.
        epoch: Epoch,
    },
    /// A KeyPackage (§10); read up to the cipher suite.
    KeyPackage {
        /// The cipher suite it is good for (§17.1).
        cipher_suite: u16,
    },
}

/// Reads the header of an MLSMessage of any wire format of RFC 9420.
///
/// # Errors
/// The first field that is not as the RFC (or the bound on group ids) wants it.
pub fn peek(bytes: &[u8]) -> Result<Peek, Malformed> {
    let mut reader = Reader::new(bytes);
    match wire_format(&mut reader)? {
        PUBLIC_MESSAGE => {
            let (GroupHeader { group, epoch, kind }, sender) = public(&mut reader)?;
            Ok(Peek::Public { group, epoch, kind, sender })
        }
        PRIVATE_MESSAGE => {
            let GroupHeader { group, epoch, kind } = private(&mut reader)?;
            Ok(Peek::Private { group, epoch, kind })
        }
        WELCOME => welcome(&mut reader),
        GROUP_INFO => group_info(&mut reader),
        KEY_PACKAGE => {
            version(&mut reader)?;
            Ok(Peek::KeyPackage { cipher_suite: reader.u16()? })
        }
        _ => Err(Malformed { offset: WIRE_FORMAT_OFFSET, what: WIRE_FORMAT }),
    }
}

/// Reads the header of a PublicMessage or PrivateMessage: the hot path of both sides.
///
/// # Errors
/// As [`peek`]; any other wire format is malformed at byte 2.
#[inline]
pub fn peek_group(bytes: &[u8]) -> Result<GroupHeader, Malformed> {
    let mut reader = Reader::new(bytes);
    match wire_format(&mut reader)? {
        PRIVATE_MESSAGE => private(&mut reader),
        PUBLIC_MESSAGE => public(&mut reader).map(|(header, _)| header),
        _ => Err(Malformed { offset: WIRE_FORMAT_OFFSET, what: NOT_GROUP }),
    }
}

/// The group id of a PublicMessage or PrivateMessage, as it stands in the message: what a client
/// needs to route a delivery. Everything after it is unread; `None` for anything else.
#[inline]
#[must_use]
pub fn group_bytes(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    if !matches!(wire_format(&mut reader).ok()?, PUBLIC_MESSAGE | PRIVATE_MESSAGE) {
        return None;
    }
    reader.vector().ok().filter(|id| GroupId::new(id).is_some())
}

/// The content type of a PublicMessage, and a reader at its content.
#[inline]
pub(super) fn handshake_content(bytes: &[u8]) -> Result<(Kind, Reader<'_>), Malformed> {
    let mut reader = Reader::new(bytes);
    if wire_format(&mut reader)? != PUBLIC_MESSAGE {
        return Err(Malformed { offset: WIRE_FORMAT_OFFSET, what: HANDSHAKE });
    }
    let (header, _) = public(&mut reader)?;
    Ok((header.kind, reader))
}

/// The wire formats of what comes with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    Welcome,
    GroupInfo,
    Other,
}

/// The wire format of a message, and a reader at what follows it.
pub(super) fn framed(bytes: &[u8]) -> Result<(Framed, Reader<'_>), Malformed> {
    let mut reader = Reader::new(bytes);
    let format = match wire_format(&mut reader)? {
        WELCOME => Framed::Welcome,
        GROUP_INFO => Framed::GroupInfo,
        _ => Framed::Other,
    };
    Ok((format, reader))
}

/// Whether the message is of a wire format that a group's members submit; nothing after the wire
/// format is read.
pub(super) fn is_group_message(bytes: &[u8]) -> Result<bool, Malformed> {
    Ok(matches!(wire_format(&mut Reader::new(bytes))?, PUBLIC_MESSAGE | PRIVATE_MESSAGE))
}

#[inline]
pub(super) fn wire_format(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    version(reader)?;
    reader.u16()
}

#[inline]
pub(super) fn version(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let start = *reader;
    if reader.u16()? == MLS10 { Ok(()) } else { Err(start.malformed(VERSION)) }
}

#[inline]
fn group_id(reader: &mut Reader<'_>) -> Result<GroupId, Malformed> {
    let start = *reader;
    GroupId::new(reader.vector()?).ok_or_else(|| start.malformed(GROUP_ID))
}

#[inline]
fn kind(reader: &mut Reader<'_>) -> Result<Kind, Malformed> {
    let start = *reader;
    match reader.u8()? {
        1 => Ok(Kind::Application),
        2 => Ok(Kind::Proposal),
        3 => Ok(Kind::Commit),
        _ => Err(start.malformed(CONTENT_TYPE)),
    }
}

/// RFC 9420 §6.2, up to the content.
#[inline]
fn public(reader: &mut Reader<'_>) -> Result<(GroupHeader, Sender), Malformed> {
    let group = group_id(reader)?;
    let epoch = Epoch(reader.u64()?);
    let sender = sender(reader)?;
    reader.vector()?; // authenticated_data
    let content_type = *reader;
    let kind = kind(reader)?;
    let may_send = match (sender, kind) {
        (_, Kind::Application) => return Err(content_type.malformed(PUBLIC_APPLICATION)),
        (Sender::Member { .. }, _) => true,
        (Sender::External { .. } | Sender::NewMemberProposal, kind) => kind == Kind::Proposal,
        (Sender::NewMemberCommit, kind) => kind == Kind::Commit,
    };
    if !may_send {
        return Err(content_type.malformed(SENDER_CONTENT));
    }
    if reader.left() == 0 {
        return Err(reader.malformed(NO_CONTENT));
    }
    Ok((GroupHeader { group, epoch, kind }, sender))
}

#[inline]
fn sender(reader: &mut Reader<'_>) -> Result<Sender, Malformed> {
    let start = *reader;
    match reader.u8()? {
        1 => Ok(Sender::Member { leaf: reader.u32()? }),
        2 => Ok(Sender::External { index: reader.u32()? }),
        3 => Ok(Sender::NewMemberProposal),
        4 => Ok(Sender::NewMemberCommit),
        _ => Err(start.malformed(SENDER_TYPE)),
    }
}

/// RFC 9420 §6.3, to the end of the message.
#[inline]
fn private(reader: &mut Reader<'_>) -> Result<GroupHeader, Malformed> {
    let group = group_id(reader)?;
    let epoch = Epoch(reader.u64()?);
    let kind = kind(reader)?;
    reader.vector()?; // authenticated_data
    reader.vector()?; // encrypted_sender_data
    reader.vector()?; // ciphertext
    reader.finish()?;
    Ok(GroupHeader { group, epoch, kind })
}

/// RFC 9420 §12.4.3.1, to the end of the message.
fn welcome(reader: &mut Reader<'_>) -> Result<Peek, Malformed> {
    let cipher_suite = reader.u16()?;
    let mut secrets = reader.nested()?;
    let mut recipients: u32 = 0;
    while secrets.left() > 0 {
        secrets.vector()?; // new_member, a KeyPackageRef
        secrets.vector()?; // kem_output
        secrets.vector()?; // ciphertext
        recipients = recipients.saturating_add(1);
    }
    reader.vector()?; // encrypted_group_info
    reader.finish()?;
    Ok(Peek::Welcome { cipher_suite, recipients })
}

/// RFC 9420 §8.1, up to the epoch of the GroupContext.
fn group_info(reader: &mut Reader<'_>) -> Result<Peek, Malformed> {
    version(reader)?;
    let cipher_suite = reader.u16()?;
    let group = group_id(reader)?;
    let epoch = Epoch(reader.u64()?);
    Ok(Peek::GroupInfo { cipher_suite, group, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: [u8; 2] = [1, 0xaa];
    const EPOCH: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 5];

    fn check(fields: &[&[u8]], expected: Result<Peek, (usize, &'static str)>) {
        let message = [&[&[0, 1][..]], fields].concat().concat();
        let got = peek(&message).map_err(|error| (error.offset, error.what));
        assert_eq!(got, expected, "{message:02x?}");
    }

    fn group() -> GroupId {
        GroupId::new(&[0xaa]).unwrap()
    }

    #[test]
    fn a_public_message_names_its_sender() {
        let epoch = Epoch(5);
        let public = |kind, sender| Ok(Peek::Public { group: group(), epoch, kind, sender });
        let of = |rest: &[u8], expected| check(&[&[0, 1], &GROUP, &EPOCH, rest], expected);
        of(&[1, 0, 0, 1, 2, 0, 3, 9], public(Kind::Commit, Sender::Member { leaf: 258 }));
        of(&[1, 0, 0, 0, 7, 1, 8, 2, 9], public(Kind::Proposal, Sender::Member { leaf: 7 }));
        of(&[2, 0, 0, 0, 6, 0, 2, 9], public(Kind::Proposal, Sender::External { index: 6 }));
        of(&[3, 0, 2, 9], public(Kind::Proposal, Sender::NewMemberProposal));
        of(&[4, 0, 3, 9], public(Kind::Commit, Sender::NewMemberCommit));
    }

    #[test]
    fn a_public_message_that_its_sender_may_not_send_is_refused() {
        let of = |rest: &[u8], at, what| check(&[&[0, 1], &GROUP, &EPOCH, rest], Err((at, what)));
        of(&[1, 0, 0, 0, 0, 0, 1, 9], 20, PUBLIC_APPLICATION);
        of(&[4, 0, 1, 9], 16, PUBLIC_APPLICATION);
        of(&[2, 0, 0, 0, 0, 0, 3, 9], 20, SENDER_CONTENT);
        of(&[3, 0, 3, 9], 16, SENDER_CONTENT);
        of(&[4, 0, 2, 9], 16, SENDER_CONTENT);
        of(&[0, 0, 2, 9], 14, SENDER_TYPE);
        of(&[5, 0, 2, 9], 14, SENDER_TYPE);
        of(&[4, 0, 0, 9], 16, CONTENT_TYPE);
        of(&[4, 0, 4, 9], 16, CONTENT_TYPE);
        of(&[4, 0, 3], 17, NO_CONTENT);
    }

    #[test]
    fn a_private_message_ends_with_its_ciphertext() {
        let of = |rest: &[u8], expected| check(&[&[0, 2], &GROUP, &EPOCH, rest], expected);
        let private = |kind| Ok(Peek::Private { group: group(), epoch: Epoch(5), kind });
        of(&[1, 0, 1, 7, 2, 8, 8], private(Kind::Application));
        of(&[2, 0, 0, 0], private(Kind::Proposal));
        of(&[3, 2, 9, 9, 0, 0], private(Kind::Commit));
        of(&[4, 0, 0, 0], Err((14, CONTENT_TYPE)));
        of(&[1, 0, 1, 7, 2, 8, 8, 0], Err((21, super::super::reader::TRAILING)));
        of(&[1, 0, 1, 7, 3, 8, 8], Err((18, super::super::reader::VECTOR_TOO_LONG)));
    }

    #[test]
    fn a_welcome_is_counted_and_ends_with_its_group_info() {
        let welcome = |recipients| Ok(Peek::Welcome { cipher_suite: 0x4d, recipients });
        let of = |rest: &[u8], expected| check(&[&[0, 3, 0, 0x4d], rest], expected);
        of(&[0, 1, 9], welcome(0));
        of(&[3, 0, 0, 0, 1, 9], welcome(1));
        of(&[8, 1, 7, 1, 7, 1, 7, 0, 0, 0], Err((15, super::super::reader::TRUNCATED)));
        of(&[9, 1, 7, 1, 7, 1, 7, 0, 0, 0, 0], welcome(2));
        of(&[3, 0, 0, 1, 1, 9], Err((9, super::super::reader::VECTOR_TOO_LONG)));
        of(&[3, 0, 0, 0, 1, 9, 9], Err((12, super::super::reader::TRAILING)));
    }

    #[test]
    fn a_group_info_and_a_key_package_are_read_as_far_as_they_matter() {
        let (cipher_suite, epoch) = (0x4d, Epoch(5));
        let info = Ok(Peek::GroupInfo { cipher_suite, group: group(), epoch });
        check(&[&[0, 4, 0, 1, 0, 0x4d], &GROUP, &EPOCH], info);
        check(&[&[0, 4, 0, 2, 0, 0x4d], &GROUP, &EPOCH], Err((4, VERSION)));
        check(&[&[0, 5, 0, 1, 0, 0x4d]], Ok(Peek::KeyPackage { cipher_suite }));
        check(&[&[0, 5, 0, 0, 0, 0x4d]], Err((4, VERSION)));
    }

    #[test]
    fn a_group_id_has_a_bound_on_both_ends() {
        check(&[&[0, 2, 0], &EPOCH, &[1, 0, 0, 0]], Err((4, GROUP_ID)));
        check(&[&[0, 2, 0x40, 65], &[1; 65], &EPOCH, &[1, 0, 0, 0]], Err((4, GROUP_ID)));
        let group = GroupId::new(&[1; 64]).unwrap();
        let private = Peek::Private { group, epoch: Epoch(5), kind: Kind::Application };
        check(&[&[0, 2, 0x40, 64], &[1; 64], &EPOCH, &[1, 0, 0, 0]], Ok(private));
    }

    #[test]
    fn what_is_not_an_mls_message_is_refused_at_its_first_fields() {
        assert_eq!(peek(&[0, 0, 0, 1]), Err(Malformed { offset: 0, what: VERSION }));
        check(&[&[0, 0]], Err((2, WIRE_FORMAT)));
        check(&[&[0, 6]], Err((2, WIRE_FORMAT)));
        let welcome = [0, 1, 0, 3, 0, 1, 0, 0];
        assert_eq!(peek_group(&welcome), Err(Malformed { offset: 2, what: NOT_GROUP }));
        assert_eq!(group_bytes(&welcome), None);
    }
}
