//! What takes a contestant out of the comparison: a broken delivery, or a server that is gone.
//!
//! Faults of the contestant, never of the comparison: the others go on. Called by everything that
//! hears a contestant.

use std::time::Duration;

/// Why a contestant's round does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A later message came first.
    #[error(
        "member {member} got message {got} where message {expected} was next: lost or out of order"
    )]
    Skipped {
        /// Who, from 0.
        member: usize,
        /// The message that was next for it.
        expected: u32,
        /// The one that came.
        got: u32,
    },
    /// An earlier message came again.
    #[error("member {member} got message {got} again where message {expected} was next")]
    Repeated {
        /// Who.
        member: usize,
        /// The message that was next for it.
        expected: u32,
        /// The one that came.
        got: u32,
    },
    /// What came is no message that was published around that time.
    #[error("member {member} got {bytes} bytes that are not message {expected}, which was next")]
    Altered {
        /// Who.
        member: usize,
        /// The message that was next for it.
        expected: u32,
        /// The length of what came.
        bytes: usize,
    },
    /// A delivery when everything published had been delivered.
    #[error("member {member} got {bytes} bytes when it had everything already")]
    Unasked {
        /// Who.
        member: usize,
        /// The length of what came.
        bytes: usize,
    },
    /// Nothing came for too long.
    #[error(
        "nothing came for {} s: message {message} is still missing at {members} members",
        silence.as_secs()
    )]
    Silent {
        /// For how long.
        silence: Duration,
        /// The oldest message that is not at every member.
        message: u32,
        /// At how many it is not.
        members: u32,
    },
    /// It did not answer before anything was published.
    #[error("it does not answer while {stage} ({done} of {total} done)")]
    Unanswered {
        /// Doing what.
        stage: &'static str,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A member's connection is gone.
    #[error("the connection of member {member} is gone: {why}")]
    Closed {
        /// Who; the number of members stands for the publisher.
        member: usize,
        /// How.
        why: String,
    },
    /// The server process is gone.
    #[error("the server is gone: {0}")]
    Ended(String),
    /// It refuses what the work needs.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// It does not speak its protocol.
    #[error("the server spoke nonsense: {0}")]
    Malformed(String),
    /// This system does not let us.
    #[error("{0}")]
    Environment(String),
}
