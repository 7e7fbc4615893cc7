//! Frames to bytes.
//!
//! Encoding cannot fail: what does not fit its frame is our own mistake and an assertion. The two
//! large frames have their own functions, so that a body is copied once (a delivery, then shared
//! by every recipient) or not at all (a submission). Called by `server` and the client side.

use bytes::{BufMut, Bytes, BytesMut};

use super::counter::Counter;
use super::frame;
use super::frame::{Delivery, Reply, Request};
use crate::delivery::DeviceId;
use crate::delivery::Durability;
use crate::delivery::GroupId;
use crate::delivery::MessageId;
use crate::delivery::RosterChange;
use crate::delivery::Seq;
use crate::limits::FRAME_BYTES_MAX;
use crate::limits::KEY_PACKAGES_PER_PUBLICATION_MAX;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::limits::ROSTER_MAX;

/// Bytes of the length field of a frame.
const LENGTH_BYTES: usize = 4;
/// Type, sequence number and message id of a delivery.
const DELIVER_HEADER_BYTES: usize = 1 + 8 + 16;
/// Type, message id and the two counts of a submission.
const SUBMIT_HEADER_BYTES: usize = 1 + 16 + 4 + 4;

impl Request {
    /// Appends this frame to `out`, length field and all.
    ///
    /// # Panics
    /// When a roster, a roster change or a body is over its bound in `limits`.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Hello { version, device, token } => framed(out, frame::HELLO, |out| {
                out.put_u8(*version);
                out.put_slice(&device.0);
                out.put_slice(&token.to_bytes());
            }),
            Self::Create { request, epoch, group, durability, level, roster, group_info, tree } => {
                framed(out, frame::CREATE, |out| {
                    assert!(roster.len() <= ROSTER_MAX, "a roster is within its bound");
                    out.put_slice(&request.0);
                    out.put_u64(epoch.0);
                    put_group(out, group);
                    out.put_u8(durability_code(*durability));
                    out.put_u8(level.number());
                    put_devices(out, roster);
                    put_blob(out, group_info.as_ref());
                    put_blob(out, tree.as_ref());
                });
            }
            Self::Submit { id, change, enclosed, body } if enclosed.is_empty() => {
                put_submit_header(out, *id, change, body.len());
                out.put_slice(body);
            }
            Self::Submit { id, change, enclosed, body } => {
                framed(out, frame::SUBMIT_WITH, |out| {
                    assert!(body.len() <= MESSAGE_BYTES_MAX, "a message is within its bound");
                    out.put_slice(&id.0);
                    put_devices(out, &change.added);
                    put_devices(out, &change.removed);
                    put_blob(out, enclosed.welcome.as_ref());
                    put_blob(out, enclosed.group_info.as_ref());
                    out.put_slice(body);
                });
            }
            Self::Acknowledge { group, seq } => framed(out, frame::ACKNOWLEDGE, |out| {
                put_group(out, group);
                out.put_u64(seq.0);
            }),
            Self::Attach { group, after } => framed(out, frame::ATTACH, |out| {
                put_group(out, group);
                out.put_u64(after.0);
            }),
            Self::Publish { request, last_resort, packages } => {
                put_publication(out, *request, *last_resort, packages);
            }
            Self::Claim { request, device, suite } => framed(out, frame::CLAIM, |out| {
                out.put_slice(&request.0);
                out.put_slice(&device.0);
                out.put_u16(*suite);
            }),
            Self::Fetch { request, group } => framed(out, frame::FETCH, |out| {
                out.put_slice(&request.0);
                put_group(out, group);
            }),
            Self::Collect => framed(out, frame::COLLECT, |_| ()),
            Self::Collected { number } => {
                framed(out, frame::COLLECTED, |out| out.put_u64(*number));
            }
            Self::Detach { group } => framed(out, frame::DETACH, |out| put_group(out, group)),
            Self::Stats { request } => framed(out, frame::STATS, |out| out.put_slice(&request.0)),
            Self::Delete { request, group } => framed(out, frame::DELETE, |out| {
                out.put_slice(&request.0);
                put_group(out, group);
            }),
        }
    }
}

impl Reply {
    /// Appends this frame to `out`, length field and all.
    ///
    /// # Panics
    /// When there are more than 65,535 ports.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Ready { version, shard, ports } => framed(out, frame::READY, |out| {
                out.put_u8(*version);
                out.put_u16(*shard);
                out.put_u16(u16::try_from(ports.len()).expect("a shard's index is a u16"));
                ports.iter().for_each(|port| out.put_u16(*port));
            }),
            Self::Refused { code } => framed(out, frame::REFUSED, |out| out.put_u8(code.code())),
            Self::Done { request } => framed(out, frame::DONE, |out| out.put_slice(&request.0)),
            Self::Accepted { id, seq, epoch } => framed(out, frame::ACCEPTED, |out| {
                out.put_slice(&id.0);
                out.put_u64(seq.0);
                out.put_u64(epoch.0);
            }),
            Self::Rejected { id, reason } => framed(out, frame::REJECTED, |out| {
                out.put_slice(&id.0);
                reason.put(out);
            }),
            Self::Attached { group, next, head, epoch, resync } => {
                framed(out, frame::ATTACHED, |out| {
                    put_group(out, group);
                    out.put_u64(next.0);
                    out.put_u64(head.0);
                    out.put_u64(epoch.0);
                    out.put_u8(u8::from(*resync));
                });
            }
            Self::Stats { request, counters } => framed(out, frame::STATS_REPLY, |out| {
                out.put_slice(&request.0);
                out.put_u16(u16::try_from(Counter::COUNT).expect("few counters"));
                counters.iter().for_each(|(_, value)| out.put_u64(value));
            }),
            Self::AttachRefused { group, reason } => framed(out, frame::ATTACH_REFUSED, |out| {
                put_group(out, group);
                reason.put(out);
            }),
            Self::Published { request, left } => framed(out, frame::PUBLISHED, |out| {
                out.put_slice(&request.0);
                out.put_u32(*left);
            }),
            Self::KeyPackage { request, last_resort, body } => {
                framed(out, frame::KEY_PACKAGE, |out| {
                    out.put_slice(&request.0);
                    out.put_u8(u8::from(*last_resort));
                    put_blob(out, Some(body));
                });
            }
            Self::GroupInfo { request, epoch, group_info, tree } => {
                framed(out, frame::GROUP_INFO, |out| {
                    out.put_slice(&request.0);
                    out.put_u64(epoch.0);
                    put_blob(out, Some(group_info));
                    put_blob(out, tree.as_ref());
                });
            }
        }
    }
}

impl Delivery {
    /// Appends this frame to `out`, length field and all. For a message to many recipients use
    /// [`deliver`].
    ///
    /// # Panics
    /// When the body is over `limits::MESSAGE_BYTES_MAX`.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::For { device } => framed(out, frame::FOR, |out| out.put_slice(&device.0)),
            Self::Deliver { seq, id, body } => put_deliver(out, *seq, *id, body),
            Self::Resync { group, next, epoch } => framed(out, frame::RESYNC, |out| {
                put_group(out, group);
                out.put_u64(next.0);
                out.put_u64(epoch.0);
            }),
            Self::Welcome { number, reference, body } => framed(out, frame::WELCOME, |out| {
                out.put_u64(*number);
                let bytes = reference.as_bytes();
                out.put_u8(u8::try_from(bytes.len()).expect("a reference is short"));
                out.put_slice(bytes);
                put_blob(out, Some(body));
            }),
            Self::LowKeyPackages { suite, left } => framed(out, frame::LOW_KEY_PACKAGES, |out| {
                out.put_u16(*suite);
                out.put_u32(*left);
            }),
        }
    }
}

/// A whole [`Delivery::Deliver`] frame in one allocation of its exact size (29 bytes and the
/// body): encode once, then clone for every recipient.
///
/// # Panics
/// When the body is over `limits::MESSAGE_BYTES_MAX`.
#[must_use]
pub fn deliver(seq: Seq, id: MessageId, body: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(LENGTH_BYTES + DELIVER_HEADER_BYTES + body.len());
    put_deliver(&mut out, seq, id, body);
    out.freeze()
}

/// A [`Request::Submit`] frame up to its body of `body_bytes` bytes, which the caller writes next
/// to the same stream: the two together are the frame.
///
/// # Panics
/// When the change or the body is over its bound in `limits`.
#[must_use]
pub fn submit_header(id: MessageId, change: &RosterChange, body_bytes: usize) -> Bytes {
    let devices = (change.added.len() + change.removed.len()) * 16;
    let mut out = BytesMut::with_capacity(LENGTH_BYTES + SUBMIT_HEADER_BYTES + devices);
    put_submit_header(&mut out, id, change, body_bytes);
    out.freeze()
}

fn put_deliver(out: &mut BytesMut, seq: Seq, id: MessageId, body: &Bytes) {
    assert!(body.len() <= MESSAGE_BYTES_MAX, "a message is within its bound");
    put_length(out, DELIVER_HEADER_BYTES + body.len());
    out.put_u8(frame::DELIVER);
    out.put_u64(seq.0);
    out.put_slice(&id.0);
    out.put_slice(body);
}

fn put_submit_header(out: &mut BytesMut, id: MessageId, change: &RosterChange, body_bytes: usize) {
    let devices = change.added.len() + change.removed.len();
    assert!(devices <= ROSTER_MAX, "a roster change is within its bound");
    assert!(body_bytes <= MESSAGE_BYTES_MAX, "a message is within its bound");
    put_length(out, SUBMIT_HEADER_BYTES + devices * 16 + body_bytes);
    out.put_u8(frame::SUBMIT);
    out.put_slice(&id.0);
    put_devices(out, &change.added);
    put_devices(out, &change.removed);
}

fn put_publication(out: &mut BytesMut, request: MessageId, last_resort: bool, packages: &[Bytes]) {
    framed(out, frame::PUBLISH, |out| {
        let count = packages.len();
        assert!(count <= KEY_PACKAGES_PER_PUBLICATION_MAX, "a publication is within its bound");
        out.put_slice(&request.0);
        out.put_u8(u8::from(last_resort));
        out.put_u16(u16::try_from(count).expect("the bound is a u16"));
        packages.iter().for_each(|package| put_blob(out, Some(package)));
    });
}

/// A frame whose length is known when its fields are written.
fn framed(out: &mut BytesMut, code: u8, fields: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    put_length(out, 0);
    out.put_u8(code);
    fields(out);
    let length = frame_length(out.len() - start - LENGTH_BYTES);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

fn put_length(out: &mut BytesMut, length: usize) {
    out.put_u32(frame_length(length));
}

fn frame_length(length: usize) -> u32 {
    assert!(length <= FRAME_BYTES_MAX, "a frame is within its bound");
    u32::try_from(length).expect("the bound is a u32")
}

fn put_group(out: &mut BytesMut, group: &GroupId) {
    let bytes = group.as_bytes();
    out.put_u8(u8::try_from(bytes.len()).expect("the bound on group ids is a u8"));
    out.put_slice(bytes);
}

/// Nothing and no bytes are the same: no blob here is empty and means something.
fn put_blob(out: &mut BytesMut, blob: Option<&Bytes>) {
    let bytes = blob.map_or(&[][..], |blob| blob);
    out.put_u32(frame_length(bytes.len()));
    out.put_slice(bytes);
}

fn durability_code(durability: Option<Durability>) -> u8 {
    match durability {
        None => 0,
        Some(Durability::None) => 1,
        Some(Durability::Wal) => 2,
    }
}

fn put_devices(out: &mut BytesMut, devices: &[DeviceId]) {
    out.put_u32(u32::try_from(devices.len()).expect("the bound on rosters is a u32"));
    devices.iter().for_each(|device| out.put_slice(&device.0));
}
