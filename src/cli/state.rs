//! The state folder: what a server keeps between starts, and what it tells who is beside it.
//!
//! | File | What | Kept |
//! |---|---|---|
//! | `certificate.pem`, `certificate.key` | the self-signed identity | always, so the pin stays |
//! | `token.key` | the keys under which devices hold tokens: 64 hexadecimal digits, or a line for each, oldest first: id, blank, digits | always |
//! | `fingerprint` | SHA-256 of the certificate served, in hexadecimal | until the next start |
//! | `address` | `host:port` of each shard, one a line | while it serves |
//!
//! The keys have mode 0600: who reads them can be the service, or any device. One server at a time
//! holds the folder's lock. Every file appears whole or not at all. `serve` writes through
//! [`Folder`]; whoever drives a server on this machine reads a [`Target`].

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use anyhow::anyhow;
use anyhow::bail;

use crate::limits::TOKEN_KEYS_MAX;
use crate::load::Target;
use crate::net::{Fingerprint, Identity, IdentityPem};
use crate::wire::{TokenKey, TokenKeys};

const CERTIFICATE: &str = "certificate.pem";
const CERTIFICATE_KEY: &str = "certificate.key";
const TOKEN_KEY: &str = "token.key";
const FINGERPRINT: &str = "fingerprint";
const ADDRESS: &str = "address";

const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Where state is kept if nobody says: `$XDG_STATE_HOME/stentor`, else `~/.local/state/stentor`.
pub(super) fn default_folder() -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let base =
        base.ok_or_else(|| anyhow!("no HOME to keep state under; name a folder: --state"))?;
    Ok(base.join("stentor"))
}

/// Reads what a running server has written: what it takes to speak to it, as any device.
///
/// # Errors
/// When a file is absent, most likely because no server runs there, or says something else.
pub(super) fn read_target(folder: &Path) -> anyhow::Result<Target> {
    let addresses = folder.join(ADDRESS);
    let text = read(&addresses)?.ok_or_else(|| {
        let folder = folder.display();
        anyhow!("no server runs on {folder}; start one with `stentor serve --state {folder}`")
    })?;
    let addresses = text
        .lines()
        .map(str::parse)
        .collect::<Result<Vec<SocketAddr>, _>>()
        .with_context(|| format!("{}", addresses.display()))?;
    if addresses.is_empty() {
        bail!("{} names no address", folder.join(ADDRESS).display());
    }
    let path = folder.join(FINGERPRINT);
    let fingerprint = read(&path)?
        .and_then(|text| Fingerprint::parse(&text))
        .ok_or_else(|| anyhow!("{} is not a fingerprint", path.display()))?;
    let token_key = read_token_keys(folder)?.signing().clone();
    Ok(Target { addresses, fingerprint, token_key })
}

/// The token keys that a folder keeps.
///
/// # Errors
/// When it keeps none, or they cannot be read.
pub(super) fn read_token_keys(folder: &Path) -> anyhow::Result<TokenKeys> {
    kept_token_keys(folder)?.ok_or_else(|| anyhow!("{} holds no {TOKEN_KEY}", folder.display()))
}

/// Replaces the token keys that a folder keeps; a server that runs on it reads them when told to.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write_token_keys(folder: &Path, keys: &TokenKeys) -> anyhow::Result<()> {
    write(folder, TOKEN_KEY, &keys.to_text(), SECRET)
}

/// 32 bytes that nobody can guess.
///
/// # Errors
/// When the system gives none.
pub(super) fn new_secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .context("the system gives no random bytes for a token key")?;
    Ok(secret)
}

/// A state folder in the hands of the one server that runs on it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held for as long as this is; the kernel releases it whatever becomes of the process.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there and takes its lock.
    ///
    /// # Errors
    /// When it cannot be made or opened, or another server runs on it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = || format!("cannot keep state in {}", path.display());
        DirBuilder::new().recursive(true).mode(FOLDER).create(path).with_context(name)?;
        let lock = File::open(path).with_context(name)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another server runs on {}; name another folder: --state", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(name),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        // Left by a server that was killed; and the first proof that the folder can be written.
        folder.retire().with_context(name)?;
        Ok(folder)
    }

    /// The identity kept here, made on first use.
    ///
    /// # Errors
    /// When it cannot be read or written, or is half there.
    pub(super) fn identity(&self) -> anyhow::Result<Identity> {
        let (certificate, key) = (self.path.join(CERTIFICATE), self.path.join(CERTIFICATE_KEY));
        if !certificate.try_exists().with_context(|| certificate.display().to_string())? {
            let made = IdentityPem::self_signed()?;
            // The key first: a certificate that is there has its key.
            self.write(CERTIFICATE_KEY, &made.key, SECRET)?;
            self.write(CERTIFICATE, &made.certificate, PUBLIC)?;
        }
        read_identity(&certificate, &key)
    }

    /// The token keys kept here: made on first use, or those in the file `given`, which must go
    /// on from the ones kept: have one of them.
    ///
    /// # Errors
    /// When they are malformed, cannot be read or written, or the folder keeps others than `given`.
    pub(super) fn token_keys(&self, given: Option<&Path>) -> anyhow::Result<TokenKeys> {
        let kept = kept_token_keys(&self.path)?;
        let Some(given) = given else {
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let keys = TokenKeys::from(TokenKey::new(&new_secret()?));
            write_token_keys(&self.path, &keys)?;
            return Ok(keys);
        };
        let text = std::fs::read_to_string(given)
            .with_context(|| format!("cannot read the token key {}", given.display()))?;
        let keys = parse_token_keys(given, &text)?;
        match kept {
            Some(kept) if !kept.shares_a_key_with(&keys) => bail!(
                "{} is another key than {}; remove it or name another folder: --state",
                self.path.join(TOKEN_KEY).display(),
                given.display()
            ),
            Some(kept) if kept == keys => {}
            _ => write_token_keys(&self.path, &keys)?,
        }
        Ok(keys)
    }

    /// Tells who reads the folder where the server is and whom to trust.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn announce(
        &self,
        fingerprint: Fingerprint,
        addresses: &[SocketAddr],
    ) -> anyhow::Result<()> {
        let lines: String = addresses.iter().map(|one| format!("{}\n", reachable(*one))).collect();
        self.write(FINGERPRINT, &format!("{fingerprint}\n"), PUBLIC)?;
        // Last: who finds an address finds everything else.
        self.write(ADDRESS, &lines, PUBLIC)
    }

    /// Takes back the addresses: nobody is there any more.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn retire(&self) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(ADDRESS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the folder with the keys in it: nobody is to be this server again.
    ///
    /// # Errors
    /// When something of it stays.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        write(&self.path, name, text, mode)
    }
}

/// Writes a file beside its name, then renames: a reader sees all of it or what was before.
fn write(folder: &Path, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
    let path = folder.join(name);
    let beside = folder.join(format!(".{name}.new"));
    let written = || {
        // One left by a server that was killed may have any mode.
        std::fs::remove_file(&beside).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// An identity from two PEM files.
///
/// # Errors
/// When either cannot be read or holds something else.
pub(super) fn read_identity(certificate: &Path, key: &Path) -> anyhow::Result<Identity> {
    let bytes = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Identity::from_pem(&bytes(certificate)?, &bytes(key)?)
        .with_context(|| format!("{} with {}", certificate.display(), key.display()))
}

fn kept_token_keys(folder: &Path) -> anyhow::Result<Option<TokenKeys>> {
    let path = folder.join(TOKEN_KEY);
    read(&path)?.map(|text| parse_token_keys(&path, &text)).transpose()
}

pub(super) fn parse_token_keys(path: &Path, text: &str) -> anyhow::Result<TokenKeys> {
    let wrong = || {
        let path = path.display();
        anyhow!(
            "{path} is not a token key: 64 hexadecimal digits, or {TOKEN_KEYS_MAX} such lines at most, each after its id"
        )
    };
    TokenKeys::parse(text).ok_or_else(wrong)
}

/// The text of a file; `None` when there is none.
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Where a neighbour reaches a socket that is bound to every address of the machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/state");
        (parent, path)
    }

    fn line<T: std::fmt::Debug>(outcome: anyhow::Result<T>) -> String {
        let line = format!("{:#}", outcome.unwrap_err());
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    }

    #[test]
    fn what_a_server_announces_reads_back_until_it_retires() {
        let (_parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        let (identity, key) = (folder.identity().unwrap(), folder.token_keys(None).unwrap());
        assert!(line(read_target(&path)).contains("no server runs on"));
        let bound = ["0.0.0.0:4433", "[::]:4434", "192.0.2.1:9"].map(|text| text.parse().unwrap());
        folder.announce(identity.fingerprint(), &bound).unwrap();
        let target = read_target(&path).unwrap();
        assert_eq!(target.fingerprint, identity.fingerprint());
        assert_eq!(target.token_key, *key.signing());
        let reached = ["127.0.0.1:4433", "[::1]:4434", "192.0.2.1:9"];
        assert_eq!(target.addresses, reached.map(|text| text.parse().unwrap()));
        folder.retire().unwrap();
        assert!(line(read_target(&path)).contains("no server runs on"));
    }

    #[test]
    fn both_keys_stay_over_a_restart() {
        let (_parent, path) = place();
        let start = || {
            let folder = Folder::open(&path).unwrap();
            let key = folder.token_keys(None).unwrap();
            (folder.identity().unwrap().fingerprint(), key)
        };
        assert_eq!(start(), start());
    }

    #[test]
    fn secrets_are_for_their_owner_alone() {
        let (_parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        folder.identity().unwrap();
        folder.token_keys(None).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), FOLDER);
        assert_eq!(mode(&path.join(TOKEN_KEY)), SECRET);
        assert_eq!(mode(&path.join(CERTIFICATE_KEY)), SECRET);
    }

    #[test]
    fn a_malformed_token_key_is_refused_and_not_replaced() {
        let (_parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        for text in ["", "12", &"g".repeat(64), &"ab".repeat(33)] {
            std::fs::write(path.join(TOKEN_KEY), text).unwrap();
            let line = line(folder.token_keys(None));
            assert!(line.contains("token.key is not a token key: 64 hexadecimal digits"));
            assert_eq!(std::fs::read_to_string(path.join(TOKEN_KEY)).unwrap(), text);
        }
    }

    #[test]
    fn a_given_token_key_is_told_to_readers_but_never_replaces_another() {
        let (parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        let given = parent.path().join("given");
        assert!(line(folder.token_keys(Some(&given))).contains("cannot read the token key"));
        std::fs::write(&given, "07".repeat(32)).unwrap();
        let expected = TokenKeys::from(TokenKey::new(&[7; 32]));
        for _ in 0..2 {
            assert_eq!(folder.token_keys(Some(&given)).unwrap(), expected);
        }
        assert_eq!(folder.token_keys(None).unwrap(), expected);
        std::fs::write(&given, "08".repeat(32)).unwrap();
        assert!(line(folder.token_keys(Some(&given))).contains("is another key than"));
        assert_eq!(folder.token_keys(None).unwrap(), expected);
    }

    #[test]
    fn a_given_key_that_goes_on_from_the_kept_one_takes_its_place() {
        let (parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        let mut keys = folder.token_keys(None).unwrap();
        keys.rotate(&[1; 32], 1);
        let given = parent.path().join("given");
        std::fs::write(&given, keys.to_text()).unwrap();
        assert_eq!(folder.token_keys(Some(&given)).unwrap(), keys);
        assert_eq!(read_token_keys(&path).unwrap(), keys);
    }

    #[test]
    fn a_certificate_that_lost_its_key_is_refused_and_not_replaced() {
        let (_parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        let before = folder.identity().unwrap().fingerprint();
        let key = std::fs::read(path.join(CERTIFICATE_KEY)).unwrap();
        std::fs::remove_file(path.join(CERTIFICATE_KEY)).unwrap();
        assert!(line(folder.identity()).contains("certificate.key"));
        std::fs::write(path.join(CERTIFICATE_KEY), key).unwrap();
        assert_eq!(folder.identity().unwrap().fingerprint(), before);
    }

    #[test]
    fn a_folder_serves_one_server_at_a_time() {
        let (_parent, path) = place();
        let folder = Folder::open(&path).unwrap();
        assert!(line(Folder::open(&path)).contains("another server runs on"));
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_stale_address_is_gone_before_anything_else_can_fail() {
        let (_parent, path) = place();
        let bound = ["127.0.0.1:1".parse().unwrap()];
        let folder = Folder::open(&path).unwrap();
        folder.announce(folder.identity().unwrap().fingerprint(), &bound).unwrap();
        drop(folder);
        drop(Folder::open(&path).unwrap());
        assert!(!path.join(ADDRESS).exists());
    }
}
