//! The client protocol, version 1: its frames, byte by byte.
//!
//! A session is one authenticated device on one QUIC connection. The client opens one
//! bidirectional stream per session: [`Request`]s go up, [`Reply`]s come down. The service opens
//! one unidirectional stream per session for what is ordered: [`Delivery`]s. These types decide
//! nothing and never hold a lock, a stream or a time; `encode` and `decode` move them, `server`
//! and the client side mean something by them.
//!
//! Every frame is
//!
//! ```text
//! length u32 | type u8 | fields           length = bytes after itself; integers big-endian
//!
//! group   = size u8 (1..=64) | size bytes
//! devices = count u32 | count * 16
//! body    = what is left of the frame: one MLSMessage (RFC 9420 §6)
//! blob    = size u32 | size bytes                                                  0 for none
//! ref     = size u8 (1..=64) | size bytes                                   RFC 9420 §5.2
//! reason  = code u8 | first u64 | second u64                             see wire::Reason
//! token   = key id u8 | not after u64 | tag 32                            see wire::TokenKeys
//! ```
//!
//! Client to service, on the bidirectional stream:
//!
//! ```text
//!   1 Hello         version u8 | device 16 | token 41
//!   2 Create        request 16 | epoch u64 | group | durability u8 | level u8 | devices
//!                   | GroupInfo blob | ratchet tree blob
//!   3 Submit        id 16 | added devices | removed devices | body
//!   4 Attach        group | after u64
//!   5 Detach        group
//!   6 Stats         request 16
//!   7 Delete        request 16 | group
//!   8 SubmitWith    id 16 | added devices | removed devices | Welcome blob | GroupInfo blob | body
//!   9 Acknowledge   group | seq u64
//!  10 Publish       request 16 | last resort u8 (0 or 1) | count u16 | count * KeyPackage blob
//!  11 Claim         request 16 | device 16 | suite u16
//!  12 Fetch         request 16 | group
//!  13 Collect
//!  14 Collected     number u64
//! ```
//!
//! Service to client, on the same stream:
//!
//! ```text
//!  65 Ready         version u8 | shard u16 | count u16 | count * port u16
//!  66 Refused       code u8                        see wire::Refusal; no session came of the hello
//!  67 Done          request 16
//!  68 Accepted      id 16 | seq u64 | epoch u64
//!  69 Rejected      id 16 | reason
//!  70 Attached      group | next u64 | head u64 | epoch u64 | resync u8 (0 or 1)
//!  71 Stats         request 16 | count u16 | count * u64            see wire::Counter for the order
//!  72 AttachRefused group | reason
//!  73 Published     request 16 | left u32
//!  74 KeyPackage    request 16 | last resort u8 (0 or 1) | KeyPackage blob
//!  75 GroupInfo     request 16 | epoch u64 | GroupInfo blob | ratchet tree blob
//! ```
//!
//! Service to client, on its unidirectional stream:
//!
//! ```text
//! 128 For           device 16                             the first frame of every such stream
//! 129 Deliver       seq u64 | id 16 | body
//! 130 Resync        group | next u64 | epoch u64
//! 131 Welcome       number u64 | ref | Welcome blob
//! 132 LowKeyPackages suite u16 | left u32
//! ```
//!
//! Durability: 0 as the service is set, 1 none, 2 wal. Level: 0 opaque, 1 header, 2 public.
//!
//! A frame longer than `limits::FRAME_BYTES_MAX` (`FRAME_BYTES_UNAUTHENTICATED_MAX` before the
//! hello is accepted), of an unknown type, too short or too long for its fields, ends the session.

use std::fmt;
use std::hint::black_box;

use bytes::Bytes;

use super::counter::Counters;
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
use crate::limits::TOKEN_BYTES;

/// The version that a hello and its answer name.
pub const PROTOCOL_VERSION: u8 = 1;

pub(super) const HELLO: u8 = 1;
pub(super) const CREATE: u8 = 2;
pub(super) const SUBMIT: u8 = 3;
pub(super) const ATTACH: u8 = 4;
pub(super) const DETACH: u8 = 5;
pub(super) const STATS: u8 = 6;
pub(super) const DELETE: u8 = 7;
pub(super) const SUBMIT_WITH: u8 = 8;
pub(super) const ACKNOWLEDGE: u8 = 9;
pub(super) const PUBLISH: u8 = 10;
pub(super) const CLAIM: u8 = 11;
pub(super) const FETCH: u8 = 12;
pub(super) const COLLECT: u8 = 13;
pub(super) const COLLECTED: u8 = 14;

pub(super) const READY: u8 = 65;
pub(super) const REFUSED: u8 = 66;
pub(super) const DONE: u8 = 67;
pub(super) const ACCEPTED: u8 = 68;
pub(super) const REJECTED: u8 = 69;
pub(super) const ATTACHED: u8 = 70;
pub(super) const STATS_REPLY: u8 = 71;
pub(super) const ATTACH_REFUSED: u8 = 72;
pub(super) const PUBLISHED: u8 = 73;
pub(super) const KEY_PACKAGE: u8 = 74;
pub(super) const GROUP_INFO: u8 = 75;

pub(super) const FOR: u8 = 128;
pub(super) const DELIVER: u8 = 129;
pub(super) const RESYNC: u8 = 130;
pub(super) const WELCOME: u8 = 131;
pub(super) const LOW_KEY_PACKAGES: u8 = 132;

/// What proves who a device is, until it expires: see `wire::token`. Never printed; compared in
/// constant time.
#[derive(Clone, Copy)]
pub struct Token {
    /// The key that signed it.
    pub key_id: u8,
    /// The last second since 1970 at which it is good.
    pub not_after: u64,
    /// HMAC-SHA-256.
    pub tag: [u8; 32],
}

impl Token {
    /// Bytes of a token on the wire.
    pub const BYTES: usize = TOKEN_BYTES;

    /// As it stands in a hello.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.key_id;
        bytes[1..9].copy_from_slice(&self.not_after.to_be_bytes());
        bytes[9..].copy_from_slice(&self.tag);
        bytes
    }

    /// From what stands in a hello; any bytes are some token.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let (mut not_after, mut tag) = ([0; 8], [0; 32]);
        not_after.copy_from_slice(&bytes[1..9]);
        tag.copy_from_slice(&bytes[9..]);
        Self { key_id: bytes[0], not_after: u64::from_be_bytes(not_after), tag }
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.to_bytes(), other.to_bytes());
        own.iter().zip(&other).fold(0, |all, (a, b)| black_box(all | (a ^ b))) == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Says who this is; the first frame of a session and the only one of its kind.
    Hello {
        /// [`PROTOCOL_VERSION`].
        version: u8,
        /// The device.
        device: DeviceId,
        /// Its secret.
        token: Token,
    },
    /// Makes a group known: members submit from here on. Answered by [`Reply::Done`] or
    /// [`Reply::Rejected`].
    Create {
        /// Names this request in its answer.
        request: MessageId,
        /// The epoch the group is in.
        epoch: Epoch,
        /// Its id.
        group: GroupId,
        /// What its messages survive; `None` for what the service is set to.
        durability: Option<Durability>,
        /// How closely its handshakes are looked at.
        level: Level,
        /// Its members, by leaf where the level looks at leaves; at most `limits::ROSTER_MAX`.
        roster: Vec<DeviceId>,
        /// Its GroupInfo, an MLSMessage: wanted at [`Level::Public`], and for external joins.
        group_info: Option<Bytes>,
        /// Its ratchet tree (RFC 9420 §12.4.3.3), if the GroupInfo does not hold it.
        tree: Option<Bytes>,
    },
    /// Asks to order and fan out a message. Answered by [`Reply::Accepted`] or
    /// [`Reply::Rejected`]; the same id again gets the same answer again.
    Submit {
        /// Chosen by the client.
        id: MessageId,
        /// The roster change of a commit; at most `limits::ROSTER_MAX` devices in all.
        change: RosterChange,
        /// What a commit brings with it. With any of it the frame is a `SubmitWith`.
        enclosed: Enclosed,
        /// The MLSMessage; at most `limits::MESSAGE_BYTES_MAX` bytes.
        body: Bytes,
    },
    /// Asks for a group's deliveries. Answered by [`Reply::Attached`] or
    /// [`Reply::AttachRefused`].
    Attach {
        /// The group.
        group: GroupId,
        /// The last sequence number the device has; 0 for none.
        after: Seq,
    },
    /// Says how far the device has come, for good: it needs nothing up to there again. Not
    /// answered.
    Acknowledge {
        /// The group.
        group: GroupId,
        /// The last sequence number that the device has dealt with.
        seq: Seq,
    },
    /// Wants no more deliveries of a group. Not answered.
    Detach {
        /// The group.
        group: GroupId,
    },
    /// Asks for the service's counters. Answered by [`Reply::Stats`].
    Stats {
        /// Names this request in its answer.
        request: MessageId,
    },
    /// Forgets a group. Answered by [`Reply::Done`] or [`Reply::Rejected`].
    Delete {
        /// Names this request in its answer.
        request: MessageId,
        /// The group.
        group: GroupId,
    },
    /// Leaves KeyPackages for those who add the device to a group, all or none. Answered by
    /// [`Reply::Published`] or [`Reply::Rejected`].
    Publish {
        /// Names this request in its answer.
        request: MessageId,
        /// Whether they are marked as of last resort; each takes the place of its suite's before.
        last_resort: bool,
        /// MLSMessages; at most `limits::KEY_PACKAGES_PER_PUBLICATION_MAX`.
        packages: Vec<Bytes>,
    },
    /// Asks for a KeyPackage of a device, to add it to a group. Answered by
    /// [`Reply::KeyPackage`] or [`Reply::Rejected`].
    Claim {
        /// Names this request in its answer.
        request: MessageId,
        /// Whose.
        device: DeviceId,
        /// Of which suite.
        suite: u16,
    },
    /// Asks for what an external join needs. Answered by [`Reply::GroupInfo`] or
    /// [`Reply::Rejected`].
    Fetch {
        /// Names this request in its answer.
        request: MessageId,
        /// The group.
        group: GroupId,
    },
    /// Asks for the device's Welcomes, those that wait and those to come, as
    /// [`Delivery::Welcome`], and to be told when KeyPackages run low. Asked again, it starts
    /// again. Not answered.
    Collect,
    /// Says that the device has a Welcome, for good. Not answered.
    Collected {
        /// Its number.
        number: u64,
    },
}

impl Request {
    /// A creation that leaves everything to the service that it may.
    #[must_use]
    pub fn plain_group(
        request: MessageId,
        group: GroupId,
        epoch: Epoch,
        roster: Vec<DeviceId>,
    ) -> Self {
        let (durability, level) = (None, Level::default());
        let (group_info, tree) = (None, None);
        Self::Create { request, epoch, group, durability, level, roster, group_info, tree }
    }
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The hello is accepted.
    Ready {
        /// The version spoken from here on.
        version: u8,
        /// The shard at the other end, an index in `ports`.
        shard: u16,
        /// The UDP port of each shard, by index.
        ports: Vec<u16>,
    },
    /// No session came of the hello. The connection and its other sessions go on, and the same
    /// stream may say hello again. With [`Refusal::ExpiredToken`] later: the session is over, and its
    /// stream with it.
    Refused {
        /// Why.
        code: Refusal,
    },
    /// A creation or deletion is done.
    Done {
        /// Names the request.
        request: MessageId,
    },
    /// A submission has its place in the group's order, as durable as the service promises.
    Accepted {
        /// Names the submission.
        id: MessageId,
        /// Its place.
        seq: Seq,
        /// The group's epoch afterwards.
        epoch: Epoch,
    },
    /// A submission, creation or deletion is refused; nothing changed.
    Rejected {
        /// Names the submission or request.
        id: MessageId,
        /// Why.
        reason: Reason,
    },
    /// Deliveries of a group follow.
    Attached {
        /// The group.
        group: GroupId,
        /// The sequence number of the first delivery to come.
        next: Seq,
        /// The group's latest sequence number.
        head: Seq,
        /// The group's epoch.
        epoch: Epoch,
        /// Whether messages after the client's last one are gone: `next` is not the one it
        /// asked for, and it has to join again from outside the service.
        resync: bool,
    },
    /// The service's counters.
    Stats {
        /// Names the request.
        request: MessageId,
        /// One reading. What the other end does not count is zero.
        counters: Box<Counters>,
    },
    /// No deliveries of this group.
    AttachRefused {
        /// The group.
        group: GroupId,
        /// Why.
        reason: Reason,
    },
    /// KeyPackages are published.
    Published {
        /// Names the request.
        request: MessageId,
        /// How many of the first one's suite wait now, the one of last resort not counted.
        left: u32,
    },
    /// A KeyPackage, which nobody else gets unless it is of last resort.
    KeyPackage {
        /// Names the request.
        request: MessageId,
        /// Whether it is of last resort.
        last_resort: bool,
        /// The MLSMessage.
        body: Bytes,
    },
    /// What an external join needs.
    GroupInfo {
        /// Names the request.
        request: MessageId,
        /// The epoch it is good for.
        epoch: Epoch,
        /// The MLSMessage.
        group_info: Bytes,
        /// The ratchet tree, if the service has it by itself.
        tree: Option<Bytes>,
    },
}

/// What the service sends in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Whose stream this is; the first frame of every unidirectional stream.
    For {
        /// The device.
        device: DeviceId,
    },
    /// An accepted message. Its group is in its body ([`super::group_bytes`]).
    Deliver {
        /// Its place in the group's order.
        seq: Seq,
        /// The submitter's id for it.
        id: MessageId,
        /// The MLSMessage.
        body: Bytes,
    },
    /// The device is too far behind: messages are gone that it has not seen.
    Resync {
        /// The group.
        group: GroupId,
        /// The sequence number of the next delivery.
        next: Seq,
        /// The group's epoch.
        epoch: Epoch,
    },
    /// A commit that has won adds the device to a group.
    Welcome {
        /// By which it is collected.
        number: u64,
        /// The KeyPackage that was used.
        reference: Reference,
        /// An MLSMessage with the device's own secrets alone.
        body: Bytes,
    },
    /// The device should publish KeyPackages.
    LowKeyPackages {
        /// Of which suite.
        suite: u16,
        /// How many are left, the one of last resort not counted.
        left: u32,
    },
}
