//! Bytes to the nouns of `delivery`, and back.
//!
//! Two languages: the MLSMessage, of which the header is read ([`peek()`]) and, for those who
//! validate, what lies open behind it ([`handshake`], [`attachment`]), and the frames
//! that a client and the service exchange ([`frame`]). Pure: it knows no time, thread, socket or file, never panics on bytes from
//! outside, and never allocates by a length it has not checked. It decides nothing. Called by
//! `validation`, `server` and the client side (`mls`, `load`), which meet here, and by `cli`.

pub mod attachment;
mod counter;
mod decode;
mod encode;
pub mod frame;
pub mod handshake;
mod inbox;
mod key_package;
mod malformed;
mod peek;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod reason;
mod reader;
mod submission;
mod token;
mod welcome;

#[cfg(test)]
mod tests;

pub use counter::{Counter, Counters};
pub use encode::{deliver, submit_header};
pub use frame::{Delivery, PROTOCOL_VERSION, Reply, Request, Token};
pub use inbox::{Inbox, InboxError};
pub use key_package::key_package;
pub use malformed::Malformed;
pub use peek::{GroupHeader, Peek, Sender, group_bytes, peek, peek_group};
pub use reason::{Reason, Refusal};
pub use submission::submission;
pub use token::{OPERATOR, TokenError, TokenKey, TokenKeys};
pub use welcome::{welcome, welcome_of_one};
