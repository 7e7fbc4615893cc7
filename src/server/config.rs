//! What a server is started with.

use std::sync::Arc;

use super::settings::Settings;
use crate::net::Identity;
use crate::wire::TokenKeys;

/// The settings of a server, and its secrets.
#[derive(Debug)]
pub struct Config {
    /// What may be written in a file or given as arguments. What names a file or folder has been
    /// followed by the caller; nothing below looks at it.
    pub settings: Settings,
    /// The certificate that clients pin.
    pub identity: Arc<Identity>,
    /// The keys under which devices hold tokens.
    pub token_keys: TokenKeys,
}
