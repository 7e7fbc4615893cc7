//! The service under load: where it is, how it is recognised, how its devices prove themselves.

use std::net::SocketAddr;

use crate::net::Fingerprint;
use crate::wire::TokenKey;

/// A service that is up.
#[derive(Clone, Debug)]
pub struct Target {
    /// A UDP address of each shard, at least one.
    pub addresses: Vec<SocketAddr>,
    /// The one certificate that is accepted.
    pub fingerprint: Fingerprint,
    /// The key that tokens are issued under: the run speaks for every device, and as operator.
    pub token_key: TokenKey,
}
