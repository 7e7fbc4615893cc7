//! What a server is started with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::Policy;
use crate::limits::{FRAME_MAX, INBOX_BYTES_MAX, SESSIONS_MAX, STALL_MAX};
use crate::net::{Admission, Identity};
use crate::wire::TokenKeys;

/// The settings of a server.
#[derive(Debug)]
pub struct Config {
    /// The UDP address of shard 0; shard i listens i ports higher, or on any port if this is 0.
    pub listen: SocketAddr,
    /// Shards, each a thread. 1 to [`crate::limits::SHARDS_MAX`]; more than cores gain nothing.
    pub shards: u16,
    /// The certificate that clients pin.
    pub identity: Arc<Identity>,
    /// The keys under which devices hold tokens.
    pub token_keys: TokenKeys,
    /// What each shard lets strangers and devices take of it.
    pub defence: Defence,
    /// What each shard accepts and keeps.
    pub policy: Policy,
    /// The core of shard 0, the others following; `None` leaves threads to the kernel.
    pub first_core: Option<usize>,
}

/// What one shard lets strangers and devices take of it.
#[derive(Clone, Copy, Debug)]
pub struct Defence {
    /// Connections and handshakes.
    pub admission: Admission,
    /// Sessions. From 1. Default [`SESSIONS_MAX`]; beyond it a hello is answered with
    /// `TooManySessions`.
    pub sessions_max: usize,
    /// Bytes of unfinished long frames of all sessions together. From
    /// [`crate::limits::FRAME_BYTES_MAX`]. Default [`INBOX_BYTES_MAX`]; a session that needs more
    /// than is left is not read until there is.
    pub inbox_bytes_max: usize,
    /// How long a long frame may take from when there is room for it until it is whole. Default
    /// [`FRAME_MAX`].
    pub frame_max: Duration,
    /// How long a session may take nothing of what is due to it, whatever it attaches to meanwhile.
    /// At most the default, [`STALL_MAX`], has an effect.
    pub stall_max: Duration,
}

impl Default for Defence {
    fn default() -> Self {
        Self {
            admission: Admission::default(),
            sessions_max: SESSIONS_MAX,
            inbox_bytes_max: INBOX_BYTES_MAX,
            frame_max: FRAME_MAX,
            stall_max: STALL_MAX,
        }
    }
}
