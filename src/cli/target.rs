//! The server that a command loads: one that is up, or one of its own.
//!
//! Called by every command that makes runs.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::state;
use crate::load::Target;
use crate::net::Fingerprint;
use crate::wire::TokenKey;

/// A server that is up, if one is to be loaded that is.
#[derive(Args, Clone, Debug)]
pub(crate) struct At {
    /// Load a server that is up, at this UDP address, instead of starting one. Of the addresses
    /// of a name the first counts, an IPv4 one before any other.
    #[arg(long, value_name = "HOST:PORT")]
    target: Option<String>,
    /// The state folder of that server, for its fingerprint and token key.
    #[arg(long, value_name = "DIR", requires = "target")]
    state: Option<PathBuf>,
    /// The SHA-256 of that server's certificate, in hexadecimal, instead of the state folder's.
    #[arg(long, value_name = "HEX", requires = "target")]
    fingerprint: Option<String>,
    /// The file with that server's token key, instead of the state folder's.
    #[arg(long, value_name = "FILE", requires = "target")]
    token_key: Option<PathBuf>,
    /// First delete this scenario's groups from that server, if a run that crashed left them.
    #[arg(long, requires = "target")]
    pub(super) replace: bool,
}

impl At {
    /// Where the server is and how it is recognised; `None` if one is to be started.
    ///
    /// # Errors
    /// When it cannot be found, or what it is recognised by cannot be read.
    pub(super) fn target(&self) -> anyhow::Result<Option<Target>> {
        self.target.as_ref().map(|at| find(self, at)).transpose()
    }
}

fn find(arguments: &At, at: &str) -> anyhow::Result<Target> {
    let at = resolve(at)?;
    let flags = (&arguments.fingerprint, &arguments.token_key);
    let (fingerprint, token_key) = match flags {
        (Some(fingerprint), Some(key)) => (parse_fingerprint(fingerprint)?, read_key(key)?),
        (fingerprint, key) => {
            let folder = arguments.state.clone().map_or_else(state::default_folder, Ok)?;
            let beside = state::read_target(&folder)?;
            let fingerprint = fingerprint.as_deref().map(parse_fingerprint).transpose()?;
            let key = key.as_deref().map(read_key).transpose()?;
            (fingerprint.unwrap_or(beside.fingerprint), key.unwrap_or(beside.token_key))
        }
    };
    Ok(Target { addresses: vec![at], fingerprint, token_key })
}

fn parse_fingerprint(text: &str) -> anyhow::Result<Fingerprint> {
    Fingerprint::parse(text)
        .ok_or_else(|| anyhow!("--fingerprint takes 64 hexadecimal digits, not {text:?}"))
}

fn read_key(path: &Path) -> anyhow::Result<TokenKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token key {}", path.display()))?;
    Ok(state::parse_token_keys(path, &text)?.signing().clone())
}

/// The address of a server, or the one that its name stands for.
fn resolve(at: &str) -> anyhow::Result<SocketAddr> {
    let found = at.to_socket_addrs().with_context(|| format!("cannot find the server {at}"))?;
    // Many systems name ::1 first for localhost, where no `serve` listens unless told to.
    found
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| anyhow!("cannot find the server {at}: it has no address"))
}

#[cfg(test)]
mod tests {
    use super::super::with_causes;
    use super::*;

    #[test]
    fn a_server_is_found_by_address_or_name_or_refused_in_one_line() {
        assert_eq!(resolve("[::1]:9").unwrap(), "[::1]:9".parse().unwrap());
        let named = resolve("localhost:4433").unwrap();
        assert!(named.ip().is_loopback() && named.port() == 4433, "{named}");
        for wrong in ["", "localhost", "127.0.0.1", "127.0.0.1:70000"] {
            let line = with_causes(&resolve(wrong).unwrap_err());
            assert!(line.starts_with(&format!("cannot find the server {wrong}: ")), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
