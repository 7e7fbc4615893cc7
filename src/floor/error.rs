//! Why there is no figure.

use crate::limits::{CONNECTIONS_MAX, FLOOR_RECEIVERS_MAX, MESSAGE_BYTES_MAX, PACKETS_PER_ACK_MAX};
use crate::net;

/// The request or the environment is at fault: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// So many members cannot be served.
    #[error("{0} members cannot be measured; choose 1 to {CONNECTIONS_MAX}")]
    Members(u32),
    /// No message is that large.
    #[error("a message of {0} bytes cannot be measured; choose 1 to {MESSAGE_BYTES_MAX}")]
    Bytes(u32),
    /// Nothing would ever be acknowledged.
    #[error("an acknowledgement answers 1 to {PACKETS_PER_ACK_MAX} packets, not {0}")]
    PacketsPerAck(u32),
    /// A socket could not be opened, or failed.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// So many sockets are not tried.
    #[error("{0} receiving sockets cannot be measured; choose 1 to {FLOOR_RECEIVERS_MAX}")]
    Receivers(u32),
    /// Not one socket more may be opened.
    #[error("this process may open no more descriptors; raise `ulimit -n`")]
    Descriptors,
    /// A socket of the loopback measurement could not be opened, or failed.
    #[error("a UDP socket on 127.0.0.1 failed: {0}; see `ulimit -n` and what else runs")]
    Socket(#[source] std::io::Error),
    /// The system gave no thread.
    #[error("cannot start a thread to measure with: {0}")]
    Thread(#[source] std::io::Error),
    /// The system gave no random bytes to make keys of.
    #[error("the system gives no random bytes for keys")]
    Random,
    /// Packets were lost.
    #[error(
        "a round was abandoned: {received} of {sent} packets had arrived and no more came; the \
         kernel granted socket buffers of {buffer_bytes} bytes, allow more or stop what else runs"
    )]
    Incomplete {
        /// Packets that the round had sent.
        sent: u64,
        /// Packets of them that arrived.
        received: u64,
        /// The smallest buffer of the sockets.
        buffer_bytes: usize,
    },
}
