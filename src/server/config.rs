//! What a server is started with.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::delivery::Policy;
use crate::net::Identity;
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
    /// What each shard accepts and keeps.
    pub policy: Policy,
    /// The core of shard 0, the others following; `None` leaves threads to the kernel.
    pub first_core: Option<usize>,
}
