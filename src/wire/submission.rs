//! A submitted MLSMessage becomes delivery's noun; or a reason its sender can act on.
//!
//! The only place where the header of a message and the words of its submitter meet. It does not
//! look at rosters or epochs: `delivery` decides. Called by `server` for every submission.

use bytes::Bytes;

use super::malformed::Malformed;
use super::peek::{Peek, Sender, is_group_message, peek};
use super::reason::Reason;
use crate::delivery::Enclosed;
use crate::delivery::Kind;
use crate::delivery::MessageId;
use crate::delivery::Reject;
use crate::delivery::RosterChange;
use crate::delivery::Submission;

/// Reads the header of `body` and puts the submission together. `body` is shared, not copied.
///
/// # Errors
/// [`Reject::NotSubmittable`] when `body` is neither a PublicMessage of a member, nor an
/// external commit, nor a PrivateMessage; [`Reason::Malformed`] when it is one of these, or no MLSMessage at all, and
/// does not parse.
pub fn submission(
    id: MessageId,
    change: RosterChange,
    enclosed: Enclosed,
    body: Bytes,
) -> Result<Submission, Reason> {
    const NOT_SUBMITTABLE: Reason = Reason::Rejected(Reject::NotSubmittable);
    if !is_group_message(&body).map_err(malformed)? {
        return Err(NOT_SUBMITTABLE);
    }
    match peek(&body).map_err(malformed)? {
        Peek::Public { group, epoch, kind, sender: Sender::Member { .. } }
        | Peek::Private { group, epoch, kind } => {
            Ok(Submission { id, group, epoch, kind, joins: false, change, enclosed, body })
        }
        Peek::Public { group, epoch, kind: Kind::Commit, sender: Sender::NewMemberCommit } => {
            let (kind, joins) = (Kind::Commit, true);
            Ok(Submission { id, group, epoch, kind, joins, change, enclosed, body })
        }
        _ => Err(NOT_SUBMITTABLE),
    }
}

fn malformed(error: Malformed) -> Reason {
    // A message is shorter than 2^30 bytes (RFC 9420 §2.1.2, and our own bound).
    Reason::Malformed { offset: u32::try_from(error.offset).unwrap_or(u32::MAX) }
}
