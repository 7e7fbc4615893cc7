//! What the environment refused the driver.

use std::net::SocketAddr;

/// The environment is at fault: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("cannot listen on UDP {address}: {source}; choose another port or stop what uses it")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The socket stopped working.
    #[error("the UDP socket failed: {0}")]
    Socket(std::io::Error),
    /// A certificate or key cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// A connection cannot even be started.
    #[error("cannot connect to {remote}: {reason}")]
    Connect {
        /// Whereto.
        remote: SocketAddr,
        /// Why not.
        reason: String,
    },
}
