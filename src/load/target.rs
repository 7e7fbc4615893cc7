//! The service under load: where it is, how it is recognised, how its devices prove themselves.

use std::net::SocketAddr;

use crate::clock;
use crate::delivery::DeviceId;
use crate::limits::TOKEN_LIFETIME;
use crate::net::Fingerprint;
use crate::wire::{Token, TokenKey};

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

impl Target {
    /// A token for a device, good for [`TOKEN_LIFETIME`].
    #[must_use]
    pub fn token(&self, device: DeviceId) -> Token {
        self.token_key.issue(device, (clock::unix() + TOKEN_LIFETIME).as_secs())
    }
}
