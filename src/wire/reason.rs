//! Why the service refuses a request, and why it ends a session, as stable codes.
//!
//! A code never changes its meaning and is never used again. Called by `encode` and `decode`, by
//! `server` to refuse and by the client side to act on it.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use super::malformed::Malformed;
use super::reader::Reader;
use crate::delivery::Epoch;
use crate::delivery::Reject;
use crate::delivery::Seq;

/// Why one request was refused. The session goes on.
///
/// On the wire: code u8, first u64, second u64; a number that the code does not use is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// What delivery decided. Codes: 1 `WrongEpoch` (first = current epoch, second = the winner's
    /// sequence number), 2 `UnknownGroup`, 3 `GroupExists`, 4 `NotMember`, 5 `IdTaken`,
    /// 6 `BadRosterChange`, 7 `RosterFull`, 8 `TooManyProposals`, 9 `TooManyGroups`,
    /// 10 `NotSubmittable`, 11 `Invalid` (first = the check's number), 12 `SlowDown` (first =
    /// milliseconds), 13 `NotDurable`, 14 `LevelUnavailable`, 15 `NoKeyPackage`,
    /// 16 `BadKeyPackage`, 17 `TooManyKeyPackages`, 18 `NoGroupInfo`.
    Rejected(Reject),
    /// Code 64: the body is not an MLSMessage. Sending it again will not help.
    Malformed {
        /// Bytes from the start of the body to what is wrong (first number).
        offset: u32,
    },
    /// Code 65: a bound was reached. The same request may succeed later.
    Busy,
}

const MALFORMED: u8 = 64;
const BUSY: u8 = 65;

impl Reason {
    pub(super) fn put(self, out: &mut BytesMut) {
        let (code, first, second) = match self {
            Self::Rejected(Reject::WrongEpoch { current, winner }) => (1, current.0, winner.0),
            Self::Rejected(Reject::UnknownGroup) => (2, 0, 0),
            Self::Rejected(Reject::GroupExists) => (3, 0, 0),
            Self::Rejected(Reject::NotMember) => (4, 0, 0),
            Self::Rejected(Reject::IdTaken) => (5, 0, 0),
            Self::Rejected(Reject::BadRosterChange) => (6, 0, 0),
            Self::Rejected(Reject::RosterFull) => (7, 0, 0),
            Self::Rejected(Reject::TooManyProposals) => (8, 0, 0),
            Self::Rejected(Reject::TooManyGroups) => (9, 0, 0),
            Self::Rejected(Reject::NotSubmittable) => (10, 0, 0),
            Self::Rejected(Reject::Invalid { check }) => (11, u64::from(check), 0),
            Self::Rejected(Reject::SlowDown { retry_ms }) => (12, u64::from(retry_ms), 0),
            Self::Rejected(Reject::NotDurable) => (13, 0, 0),
            Self::Rejected(Reject::LevelUnavailable) => (14, 0, 0),
            Self::Rejected(Reject::NoKeyPackage) => (15, 0, 0),
            Self::Rejected(Reject::BadKeyPackage) => (16, 0, 0),
            Self::Rejected(Reject::TooManyKeyPackages) => (17, 0, 0),
            Self::Rejected(Reject::NoGroupInfo) => (18, 0, 0),
            Self::Malformed { offset } => (MALFORMED, u64::from(offset), 0),
            Self::Busy => (BUSY, 0, 0),
        };
        out.put_u8(code);
        out.put_u64(first);
        out.put_u64(second);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let start = *reader;
        let (code, first, second) = (reader.u8()?, reader.u64()?, reader.u64()?);
        let reason = match code {
            1 => {
                let (current, winner) = (Epoch(first), Seq(second));
                return Ok(Self::Rejected(Reject::WrongEpoch { current, winner }));
            }
            MALFORMED if second == 0 => {
                return match u32::try_from(first) {
                    Ok(offset) => Ok(Self::Malformed { offset }),
                    Err(_) => Err(start.malformed("offset of a malformed body beyond u32")),
                };
            }
            11 if second == 0 => {
                return match u8::try_from(first) {
                    Ok(check) => Ok(Self::Rejected(Reject::Invalid { check })),
                    Err(_) => Err(start.malformed("number of a check beyond u8")),
                };
            }
            12 if second == 0 => {
                return match u32::try_from(first) {
                    Ok(retry_ms) => Ok(Self::Rejected(Reject::SlowDown { retry_ms })),
                    Err(_) => Err(start.malformed("milliseconds beyond u32")),
                };
            }
            2 => Self::Rejected(Reject::UnknownGroup),
            3 => Self::Rejected(Reject::GroupExists),
            4 => Self::Rejected(Reject::NotMember),
            5 => Self::Rejected(Reject::IdTaken),
            6 => Self::Rejected(Reject::BadRosterChange),
            7 => Self::Rejected(Reject::RosterFull),
            8 => Self::Rejected(Reject::TooManyProposals),
            9 => Self::Rejected(Reject::TooManyGroups),
            10 => Self::Rejected(Reject::NotSubmittable),
            13 => Self::Rejected(Reject::NotDurable),
            14 => Self::Rejected(Reject::LevelUnavailable),
            15 => Self::Rejected(Reject::NoKeyPackage),
            16 => Self::Rejected(Reject::BadKeyPackage),
            17 => Self::Rejected(Reject::TooManyKeyPackages),
            18 => Self::Rejected(Reject::NoGroupInfo),
            BUSY => Self::Busy,
            _ => return Err(start.malformed("unknown reason code")),
        };
        if (first, second) != (0, 0) {
            return Err(start.malformed("a number that the reason does not use is not zero"));
        }
        Ok(reason)
    }
}

/// Why the service ends a session. The code is a u8 in [`super::Reply::Refused`], and also the
/// application error code of the QUIC connection's close (RFC 9000 §19.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[repr(u8)]
pub enum Refusal {
    /// 1: the hello names a protocol version that is not spoken here.
    #[error("protocol version is not spoken here")]
    BadVersion = 1,
    /// 2: the token is not this device's.
    #[error("token is not this device's")]
    BadToken = 2,
    /// 3: a request before the hello, or no hello in time.
    #[error("not authenticated")]
    NotAuthenticated = 3,
    /// 4: a frame that does not parse.
    #[error("malformed frame")]
    MalformedFrame = 4,
    /// 5: a frame longer than the session may send.
    #[error("frame too large")]
    FrameTooLarge = 5,
    /// 6: as many sessions as the service, or as this device may have.
    #[error("too many sessions")]
    TooManySessions = 6,
    /// 7: the service is shutting down; come back later.
    #[error("draining")]
    Draining = 7,
    /// 8: the device did not take its deliveries, or did not end a long frame in time; attach
    /// again from where it is.
    #[error("too slow")]
    TooSlow = 8,
    /// 9: a second hello.
    #[error("already authenticated")]
    AlreadyAuthenticated = 9,
    /// 10: a request that only the operator's device may make.
    #[error("not the operator")]
    NotOperator = 10,
    /// 11: the token was the device's, and has expired.
    #[error("token has expired")]
    ExpiredToken = 11,
}

impl Refusal {
    /// Every refusal, in order of its code.
    pub const ALL: &[Self] = &[
        Self::BadVersion,
        Self::BadToken,
        Self::NotAuthenticated,
        Self::MalformedFrame,
        Self::FrameTooLarge,
        Self::TooManySessions,
        Self::Draining,
        Self::TooSlow,
        Self::AlreadyAuthenticated,
        Self::NotOperator,
        Self::ExpiredToken,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The refusal of this code, from a frame or from a connection's close; `None` if there is
    /// none (0 is a close without a complaint).
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.iter().copied().find(|refusal| u64::from(refusal.code()) == code)
    }
}
