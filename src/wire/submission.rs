//! A submitted MLSMessage becomes delivery's noun; or a reason its sender can act on.
//!
//! The only place where the header of a message and the words of its submitter meet. It does not
//! look at rosters or epochs: `delivery` decides. Called by `server` for every submission.

use bytes::Bytes;

use super::malformed::Malformed;
use super::peek::{Peek, Sender, is_group_message, peek};
use super::reason::Reason;
use super::welcome::welcome;
use crate::delivery::Check;
use crate::delivery::Enclosed;
use crate::delivery::Kind;
use crate::delivery::MessageId;
use crate::delivery::Reject;
use crate::delivery::RosterChange;
use crate::delivery::Submission;

/// Reads the header of `body` and puts the submission together. `body` is shared, not copied,
/// unless something comes with it: a message that is kept must not hold that as long.
///
/// # Errors
/// [`Reject::NotSubmittable`] when something comes with a message that is not a commit;
/// [`Reject::Invalid`] when it is not a Welcome, or not a GroupInfo of the group and of the epoch
/// that the commit opens; [`Reject::NotSubmittable`] when `body` is neither a PublicMessage of a member, nor an
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
    let header = peek(&body).map_err(malformed)?;
    check_enclosed(header, &enclosed)?;
    let body = if enclosed.is_empty() { body } else { Bytes::copy_from_slice(&body) };
    match header {
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

/// What comes with a commit has to be what it is said to be, as far as that shows.
fn check_enclosed(header: Peek, enclosed: &Enclosed) -> Result<(), Reason> {
    if enclosed.is_empty() {
        return Ok(());
    }
    let (Peek::Public { group, epoch, kind: Kind::Commit, .. }
    | Peek::Private { group, epoch, kind: Kind::Commit }) = header
    else {
        return Err(Reason::Rejected(Reject::NotSubmittable));
    };
    let invalid = |check: Check| Reason::Rejected(Reject::Invalid { check: check.number() });
    if let Some(group_info) = &enclosed.group_info {
        match peek(group_info) {
            Ok(Peek::GroupInfo { group: of, epoch: describes, .. })
                if of == group && describes == epoch.next() => {}
            _ => return Err(invalid(Check::GroupInfo)),
        }
    }
    if enclosed.welcome.as_ref().is_some_and(|message| welcome(message).is_err()) {
        return Err(invalid(Check::Welcome));
    }
    Ok(())
}

fn malformed(error: Malformed) -> Reason {
    // A message is shorter than 2^30 bytes (RFC 9420 §2.1.2, and our own bound).
    Reason::Malformed { offset: u32::try_from(error.offset).unwrap_or(u32::MAX) }
}
