//! NATS and Redis as processes of our own: found, started with TLS, observed, ended.
//!
//! What is installed where and which options a server takes is in `scripts/peers.sh`, which is part
//! of the program and becomes the server, so that its process is the one we started. Called by
//! `entrant`.

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::entrant::Server;
use super::fault::Fault;
use crate::clock;
use crate::limits::SETUP_SILENCE_MAX;
use crate::net::IdentityPem;

const SCRIPT: &str = include_str!("../../scripts/peers.sh");

/// The script's exit code for a server that is not installed.
const NOT_INSTALLED: i32 = 69;

/// Of a log, what its last line is looked for in.
const LAST_WORDS_BYTES: u64 = 4 << 10;

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub(super) struct Broker {
    child: Child,
    log: File,
    pub(super) address: SocketAddr,
    pub(super) certificate: CertificateDer<'static>,
}

/// What the server of that name says of its version; `Ok(Err)` is a line that says how to install
/// it, where it is not.
pub(super) fn version(name: &str) -> Result<Result<String, String>, Fault> {
    let folder = Folder::create()?;
    let Output { status, stdout, stderr } = script(&folder.path)?
        .args(["version", name])
        .output()
        .map_err(failed("cannot run bash"))?;
    let line = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().replace('\n', " ");
    if status.success() {
        Ok(Ok(line(&stdout)))
    } else if status.code() == Some(NOT_INSTALLED) {
        Ok(Err(line(&stderr).trim_start_matches("peers.sh: ").to_owned()))
    } else {
        Err(Fault::Environment(line(&stderr)))
    }
}

impl Broker {
    /// Starts the server of that name, on the cores of the calling thread, and waits until it
    /// listens.
    pub(super) fn start(name: &str) -> Result<Self, Fault> {
        let folder = Folder::create()?;
        let identity =
            IdentityPem::self_signed().map_err(|error| Fault::Environment(error.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())
            .expect("a certificate that was just written");
        let kept = |file: &str, text: &str| {
            fs::write(folder.path.join(file), text).map_err(failed("cannot write a certificate"))
        };
        kept("cert.pem", &identity.certificate)?;
        kept("key.pem", &identity.key)?;
        let address = free_address().map_err(failed("no port is free"))?;
        let path = folder.path.join("log");
        let log = File::create(&path).map_err(failed("cannot write a log"))?;
        let reading = File::open(&path).map_err(failed("cannot read a log"))?;
        let errors = log.try_clone().map_err(failed("cannot write a log"))?;
        let child = script(&folder.path)?
            .args(["start", name])
            .arg(&folder.path)
            .arg(address.port().to_string())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(failed("cannot run bash"))?;
        let mut broker = Self { child, log: reading, address, certificate };
        broker.wait_until_it_listens()?;
        // It has read its files, and its log stays open: nothing is left if this process is killed.
        drop(folder);
        Ok(broker)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Fault> {
        let deadline = clock::now() + SETUP_SILENCE_MAX;
        while TcpStream::connect(self.address).is_err() {
            if let Some(how) = self.ended() {
                return Err(Fault::Ended(how));
            }
            let now = clock::now();
            if now > deadline {
                return Err(Fault::Unanswered { stage: "starting", done: 0, total: 1 });
            }
            clock::wait_until(now + Duration::from_millis(20));
        }
        Ok(())
    }

    /// The last line of its log.
    fn last_words(&mut self) -> String {
        let mut log = Vec::new();
        let length = self.log.seek(SeekFrom::End(0)).unwrap_or(0);
        let from = SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES));
        // What cannot be read was not said.
        self.log.seek(from).and_then(|_| self.log.read_to_end(&mut log)).ok();
        String::from_utf8_lossy(&log).lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Server for Broker {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("{status}; its log ends with: {}", self.last_words())),
            Err(error) => Some(format!("it cannot be observed: {error}")),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It keeps nothing that an orderly end would save.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A folder for one server, for this user alone; gone with this value.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Result<Self, Fault> {
        let name = format!("stentor-peers-{}-{}", std::process::id(), clock::unix().as_nanos());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed("cannot make a temporary folder"))?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).ok();
    }
}

/// The script, to be run from a file: its standard input is the server's.
fn script(folder: &Path) -> Result<Command, Fault> {
    let path = folder.join("peers.sh");
    fs::write(&path, SCRIPT).map_err(failed("cannot write a script"))?;
    let mut command = Command::new("bash");
    command.arg(path);
    Ok(command)
}

/// An address that nobody listens on; the server takes it a moment later.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Fault {
    move |error| Fault::Environment(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_unknown_is_refused_in_one_line() {
        let Fault::Environment(line) = version("kafka").unwrap_err() else { panic!("another") };
        assert_eq!(line, "peers.sh: no peer is called kafka; there are nats and redis");
    }

    #[test]
    fn nothing_of_a_server_outlives_it() {
        let folder = Folder::create().unwrap();
        let path = folder.path.clone();
        fs::write(path.join("key.pem"), "secret").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
