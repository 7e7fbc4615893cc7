//! The one error of parsing: where the bytes stopped making sense, and what was expected.

use thiserror::Error;

use super::peek::SENDER_CONTENT;

/// The sender's fault: the bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {what}")]
pub struct Malformed {
    /// Bytes from the start of what was parsed (the MLSMessage, or the frame after its length
    /// field) to the field that is wrong.
    pub offset: usize,
    /// What is wrong with that field: a short phrase, the same for every such mistake.
    pub what: &'static str,
}

impl Malformed {
    /// Whether all that is wrong is who sends it: a well-formed header of a kind of message that
    /// its sender may not send (RFC 9420 §6.1, §12.1.8).
    #[must_use]
    pub fn is_sender_content(&self) -> bool {
        self.what == SENDER_CONTENT
    }
}
