//! Bytes to frames.
//!
//! Takes what [`super::Inbox`] yields: a frame without its length field. A body is a slice of it,
//! never a copy; a list is allocated only after its count was held against its bound and against
//! the bytes there are. Called by `server` for requests, by the client side for the rest.

use bytes::Bytes;

use super::counter::{Counter, Counters};
use super::frame;
use super::frame::{Delivery, Reply, Request, Token};
use super::malformed::Malformed;
use super::reader::Reader;
use super::reason::{Reason, Refusal};
use crate::delivery::DeviceId;
use crate::delivery::Durability;
use crate::delivery::Enclosed;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Level;
use crate::delivery::MessageId;
use crate::delivery::RosterChange;
use crate::delivery::Seq;
use crate::delivery::joining::Reference;
use crate::limits::KEY_PACKAGES_PER_PUBLICATION_MAX;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::limits::ROSTER_MAX;

const FRAME_TYPE: &str = "unknown frame type";
const COUNT: &str = "count is more than the frame holds";

impl Request {
    /// Reads the frame that a client sent, without its length field.
    ///
    /// # Errors
    /// The first field that does not fit; offsets count from the type.
    pub fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&frame);
        let request = match reader.u8()? {
            frame::HELLO => Self::Hello {
                version: reader.u8()?,
                device: DeviceId(reader.array()?),
                token: Token::from_bytes(reader.array()?),
            },
            frame::CREATE => Self::Create {
                request: message_id(&mut reader)?,
                epoch: epoch(&mut reader)?,
                group: group(&mut reader)?,
                durability: durability(&mut reader)?,
                level: level(&mut reader)?,
                roster: devices(&mut reader, ROSTER_MAX)?,
                group_info: blob(&frame, &mut reader)?,
                tree: blob(&frame, &mut reader)?,
            },
            frame::SUBMIT => {
                let (id, change) = (message_id(&mut reader)?, change(&mut reader)?);
                let (enclosed, body) = (Enclosed::default(), body(&frame, &mut reader)?);
                Self::Submit { id, change, enclosed, body }
            }
            frame::SUBMIT_WITH => {
                let (id, change) = (message_id(&mut reader)?, change(&mut reader)?);
                let start = reader;
                let welcome = blob(&frame, &mut reader)?;
                let group_info = blob(&frame, &mut reader)?;
                let enclosed = Enclosed { welcome, group_info };
                if enclosed.is_empty() {
                    return Err(start.malformed("nothing is enclosed"));
                }
                Self::Submit { id, change, enclosed, body: body(&frame, &mut reader)? }
            }
            frame::ACKNOWLEDGE => {
                Self::Acknowledge { group: group(&mut reader)?, seq: seq(&mut reader)? }
            }
            frame::ATTACH => Self::Attach { group: group(&mut reader)?, after: seq(&mut reader)? },
            frame::DETACH => Self::Detach { group: group(&mut reader)? },
            frame::PUBLISH => Self::Publish {
                request: message_id(&mut reader)?,
                last_resort: boolean(&mut reader)?,
                packages: packages(&frame, &mut reader)?,
            },
            frame::CLAIM => Self::Claim {
                request: message_id(&mut reader)?,
                device: DeviceId(reader.array()?),
                suite: reader.u16()?,
            },
            frame::FETCH => {
                Self::Fetch { request: message_id(&mut reader)?, group: group(&mut reader)? }
            }
            frame::COLLECT => Self::Collect,
            frame::COLLECTED => Self::Collected { number: reader.u64()? },
            frame::STATS => Self::Stats { request: message_id(&mut reader)? },
            frame::DELETE => {
                Self::Delete { request: message_id(&mut reader)?, group: group(&mut reader)? }
            }
            _ => return Err(Malformed { offset: 0, what: FRAME_TYPE }),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl Reply {
    /// Reads the frame that the service sent on the session's stream, without its length field.
    ///
    /// # Errors
    /// The first field that does not fit; offsets count from the type.
    pub fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&frame);
        let reply = match reader.u8()? {
            frame::READY => Self::Ready {
                version: reader.u8()?,
                shard: reader.u16()?,
                ports: ports(&mut reader)?,
            },
            frame::REFUSED => Self::Refused { code: refusal(&mut reader)? },
            frame::DONE => Self::Done { request: message_id(&mut reader)? },
            frame::ACCEPTED => Self::Accepted {
                id: message_id(&mut reader)?,
                seq: seq(&mut reader)?,
                epoch: epoch(&mut reader)?,
            },
            frame::REJECTED => {
                Self::Rejected { id: message_id(&mut reader)?, reason: Reason::read(&mut reader)? }
            }
            frame::ATTACHED => Self::Attached {
                group: group(&mut reader)?,
                next: seq(&mut reader)?,
                head: seq(&mut reader)?,
                epoch: epoch(&mut reader)?,
                resync: boolean(&mut reader)?,
            },
            frame::STATS_REPLY => Self::Stats {
                request: message_id(&mut reader)?,
                counters: Box::new(counters(&mut reader)?),
            },
            frame::ATTACH_REFUSED => Self::AttachRefused {
                group: group(&mut reader)?,
                reason: Reason::read(&mut reader)?,
            },
            frame::PUBLISHED => {
                Self::Published { request: message_id(&mut reader)?, left: reader.u32()? }
            }
            frame::KEY_PACKAGE => Self::KeyPackage {
                request: message_id(&mut reader)?,
                last_resort: boolean(&mut reader)?,
                body: some_blob(&frame, &mut reader)?,
            },
            frame::GROUP_INFO => Self::GroupInfo {
                request: message_id(&mut reader)?,
                epoch: epoch(&mut reader)?,
                group_info: some_blob(&frame, &mut reader)?,
                tree: blob(&frame, &mut reader)?,
            },
            _ => return Err(Malformed { offset: 0, what: FRAME_TYPE }),
        };
        reader.finish()?;
        Ok(reply)
    }
}

impl Delivery {
    /// Reads the frame that the service sent on a stream of its own, without its length field.
    ///
    /// # Errors
    /// The first field that does not fit; offsets count from the type.
    pub fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&frame);
        let delivery = match reader.u8()? {
            frame::FOR => Self::For { device: DeviceId(reader.array()?) },
            frame::DELIVER => Self::Deliver {
                seq: seq(&mut reader)?,
                id: message_id(&mut reader)?,
                body: body(&frame, &mut reader)?,
            },
            frame::RESYNC => Self::Resync {
                group: group(&mut reader)?,
                next: seq(&mut reader)?,
                epoch: epoch(&mut reader)?,
            },
            frame::WELCOME => Self::Welcome {
                number: reader.u64()?,
                reference: reference(&mut reader)?,
                body: some_blob(&frame, &mut reader)?,
            },
            frame::LOW_KEY_PACKAGES => {
                Self::LowKeyPackages { suite: reader.u16()?, left: reader.u32()? }
            }
            _ => return Err(Malformed { offset: 0, what: FRAME_TYPE }),
        };
        reader.finish()?;
        Ok(delivery)
    }
}

fn message_id(reader: &mut Reader<'_>) -> Result<MessageId, Malformed> {
    Ok(MessageId(reader.array()?))
}

fn epoch(reader: &mut Reader<'_>) -> Result<Epoch, Malformed> {
    Ok(Epoch(reader.u64()?))
}

fn seq(reader: &mut Reader<'_>) -> Result<Seq, Malformed> {
    Ok(Seq(reader.u64()?))
}

fn group(reader: &mut Reader<'_>) -> Result<GroupId, Malformed> {
    let start = *reader;
    let length = usize::from(reader.u8()?);
    let bytes = reader.slice(length)?;
    GroupId::new(bytes).ok_or_else(|| start.malformed("group id is empty or too long"))
}

fn boolean(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let start = *reader;
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(start.malformed("neither 0 nor 1")),
    }
}

fn refusal(reader: &mut Reader<'_>) -> Result<Refusal, Malformed> {
    let start = *reader;
    Refusal::from_code(u64::from(reader.u8()?)).ok_or_else(|| start.malformed("unknown refusal"))
}

/// The rest of the frame, shared.
fn body(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    let start = reader.offset();
    let bytes = reader.slice(reader.left())?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed { offset: start, what: "message is over its bound" });
    }
    Ok(frame.slice(start..))
}

/// A roster change of at most [`ROSTER_MAX`] devices.
fn change(reader: &mut Reader<'_>) -> Result<RosterChange, Malformed> {
    let added = devices(reader, ROSTER_MAX)?;
    let removed = devices(reader, ROSTER_MAX - added.len())?;
    Ok(RosterChange { added, removed })
}

/// Bytes of their own length, shared; none for an empty one.
fn blob(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Option<Bytes>, Malformed> {
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    let start = reader.offset();
    if length > MESSAGE_BYTES_MAX {
        return Err(Malformed { offset: start, what: "message is over its bound" });
    }
    reader.slice(length)?;
    Ok((length > 0).then(|| frame.slice(start..start + length)))
}

/// Bytes of their own length, which may not be none.
fn some_blob(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    let start = *reader;
    blob(frame, reader)?.ok_or_else(|| start.malformed("nothing where something has to be"))
}

/// At most [`KEY_PACKAGES_PER_PUBLICATION_MAX`] of them.
fn packages(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Vec<Bytes>, Malformed> {
    let start = *reader;
    let count = usize::from(reader.u16()?);
    if count > KEY_PACKAGES_PER_PUBLICATION_MAX {
        return Err(start.malformed("more KeyPackages than one publication takes"));
    }
    if count > reader.left() / 4 {
        return Err(start.malformed(COUNT));
    }
    (0..count).map(|_| some_blob(frame, reader)).collect()
}

fn reference(reader: &mut Reader<'_>) -> Result<Reference, Malformed> {
    let start = *reader;
    let length = usize::from(reader.u8()?);
    let bytes = reader.slice(length)?;
    Reference::new(bytes).ok_or_else(|| start.malformed("reference is empty or too long"))
}

fn durability(reader: &mut Reader<'_>) -> Result<Option<Durability>, Malformed> {
    let start = *reader;
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(Durability::None)),
        2 => Ok(Some(Durability::Wal)),
        _ => Err(start.malformed("unknown durability")),
    }
}

fn level(reader: &mut Reader<'_>) -> Result<Level, Malformed> {
    let start = *reader;
    Level::from_number(reader.u8()?).ok_or_else(|| start.malformed("unknown level"))
}

/// A list of at most `most` devices.
fn devices(reader: &mut Reader<'_>, most: usize) -> Result<Vec<DeviceId>, Malformed> {
    let start = *reader;
    let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if count > most {
        return Err(start.malformed("more devices than a roster takes"));
    }
    if count > reader.left() / 16 {
        return Err(start.malformed(COUNT));
    }
    let mut devices = Vec::with_capacity(count);
    for _ in 0..count {
        devices.push(DeviceId(reader.array()?));
    }
    Ok(devices)
}

fn ports(reader: &mut Reader<'_>) -> Result<Vec<u16>, Malformed> {
    let start = *reader;
    let count = usize::from(reader.u16()?);
    if count > reader.left() / 2 {
        return Err(start.malformed(COUNT));
    }
    let mut ports = Vec::with_capacity(count);
    for _ in 0..count {
        ports.push(reader.u16()?);
    }
    Ok(ports)
}

/// As many values as the other end counts: those we do not know are skipped, those it does not
/// know stay zero.
fn counters(reader: &mut Reader<'_>) -> Result<Counters, Malformed> {
    let count = usize::from(reader.u16()?);
    let mut counters = Counters::default();
    for index in 0..count {
        let value = reader.u64()?;
        if let Some(counter) = Counter::ALL.get(index) {
            counters.set(*counter, value);
        }
    }
    Ok(counters)
}
