//! A server of our own as a child process that is killed, and started again where it was.
//!
//! Its keys, its log and its ports stay from one start to the next. Called by `survive`.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::state::read_target;
use crate::clock;
use crate::limits::SURVIVAL_PATIENCE;
use crate::survival::{Failure, Service, Started};

/// The smallest log that there is, so that segments roll and checkpoints are written.
const SETTINGS: &str = "[log]\ntarget = \"64MiB\"\nsegment = \"1MiB\"\n";

/// The address that all shards are at, one port after another.
const LISTEN: &str = "127.0.0.1";

/// A server that is killed. Ends with this value, or with this process.
#[derive(Debug)]
pub(super) struct Victim {
    program: PathBuf,
    folder: PathBuf,
    shards: u16,
    port: u16,
    running: Option<Running>,
    /// Whether what it leaves behind stays.
    kept: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// What it says on standard output. A reader of its own, so that waiting can end.
    lines: Receiver<String>,
}

impl Victim {
    /// A server in a new folder below that of temporary files; not yet started.
    pub(super) fn new(shards: u16) -> anyhow::Result<Self> {
        let name = format!("stentor-{}-{}", std::process::id(), clock::unix().as_nanos());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("settings.toml"), SETTINGS)?;
        let program = std::env::current_exe()?;
        Ok(Self { program, folder, shards, port: free_ports(shards)?, running: None, kept: false })
    }

    /// Leaves keys, log and standard error for whoever wants to look; where.
    pub(super) fn keep(&mut self) -> &Path {
        self.kept = true;
        &self.folder
    }

    /// Starts it; returns when it is about to recover.
    fn spawn(&mut self) -> Result<(), Failure> {
        assert!(self.running.is_none(), "one at a time");
        let stderr = OpenOptions::new().create(true).append(true).open(self.path("stderr.txt"));
        let mut child = Command::new(&self.program)
            .args(["serve", "--durability", "wal", "--metrics", "127.0.0.1:0"])
            .args(["--listen", &format!("{LISTEN}:{}", self.port)])
            .args(["--shards", &self.shards.to_string()])
            .args(["--exit-with-parent", &std::process::id().to_string()])
            .arg("--config")
            .arg(self.path("settings.toml"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--log")
            .arg(self.path("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr.map_err(Failure::environment)?)
            .spawn()
            .map_err(Failure::environment)?;
        let stdout = child.stdout.take().expect("it was asked for");
        // It says three lines; one that said more would wait, and be found dumb.
        let (sender, lines) = sync_channel(8);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        self.running = Some(Running { child, lines });
        let first = self.line(SURVIVAL_PATIENCE)?;
        match first {
            Some(line) if line.starts_with("metrics on ") => Ok(()),
            said => Err(self.fallen(&format!("it says {said:?} first"))),
        }
    }

    /// The next line that it says; `None` when it says nothing for so long.
    fn line(&self, patience: Duration) -> Result<Option<String>, Failure> {
        let running = self.running.as_ref().expect("it was started");
        match running.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.fallen("it ended by itself")),
        }
    }

    /// Kills it; whether it had said that it serves and nobody has read it.
    fn end(&mut self) -> Result<bool, Failure> {
        let Some(mut running) = self.running.take() else { return Ok(false) };
        let before = running.child.try_wait().map_err(Failure::environment)?;
        running.child.kill().map_err(Failure::environment)?;
        running.child.wait().map_err(Failure::environment)?;
        if let Some(status) = before {
            return Err(self.fallen(&format!("it ended by itself: {status}")));
        }
        Ok(running.lines.iter().any(|line| serves(&line)))
    }

    fn fallen(&self, what: &str) -> Failure {
        let complaints = fs::read_to_string(self.path("stderr.txt")).unwrap_or_default();
        let last = complaints.lines().last().unwrap_or("it complains of nothing");
        Failure::Fallen(format!("{what} ({last})"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Service for Victim {
    fn start(&mut self) -> Result<Started, Failure> {
        self.spawn()?;
        let begun = clock::now();
        let (mut records, mut torn_bytes) = (0, 0);
        loop {
            let left = SURVIVAL_PATIENCE.saturating_sub(clock::now() - begun);
            let Some(line) = self.line(left)? else {
                return Err(self.fallen(&format!("it does not serve after {SURVIVAL_PATIENCE:?}")));
            };
            if let Some(recovered) = recovered(&line) {
                (records, torn_bytes) = recovered;
            }
            if serves(&line) {
                let recovery = clock::now() - begun;
                let target = read_target(&self.path("state")).map_err(Failure::environment)?;
                return Ok(Started { target, recovery, records, torn_bytes });
            }
        }
    }

    fn start_and_kill(&mut self, after: Duration) -> Result<bool, Failure> {
        self.spawn()?;
        clock::wait_until(clock::now() + after);
        Ok(!self.end()?)
    }

    fn kill(&mut self) -> Result<(), Failure> {
        self.end().map(drop)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Whatever is wrong was said before.
        self.end().ok();
        if !self.kept {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Whether a line says that it serves.
fn serves(line: &str) -> bool {
    line.starts_with("listening on ")
}

/// Log entries and torn bytes, if a line says what was recovered.
fn recovered(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.strip_prefix("recovered ")?.split_once(" groups from ")?;
    let (records, rest) = rest.split_once(" entries, ")?;
    let (_, rest) = rest.split_once("; ")?;
    let (torn, _) = rest.split_once(" torn bytes")?;
    Some((records.parse().ok()?, torn.parse().ok()?))
}

/// The first of as many ports in a row that nobody has now.
fn free_ports(count: u16) -> anyhow::Result<u16> {
    for _ in 0..100 {
        let first = UdpSocket::bind((LISTEN, 0))?;
        let port = first.local_addr()?.port();
        let others = (1..count).map(|place| {
            port.checked_add(place).and_then(|port| UdpSocket::bind((LISTEN, port)).ok())
        });
        if others.collect::<Option<Vec<UdpSocket>>>().is_some() {
            return Ok(port);
        }
    }
    anyhow::bail!("no {count} UDP ports in a row are free on {LISTEN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_its_recovery_is_understood() {
        let line = "recovered 8 groups from 12345 entries, 3.2MiB; 17 torn bytes cut off";
        assert_eq!(recovered(line), Some((12_345, 17)));
        assert_eq!(recovered("listening on 127.0.0.1:1 (1 shard), fingerprint 00"), None);
    }

    #[test]
    fn free_ports_are_free_in_a_row() {
        let port = free_ports(3).unwrap();
        let bound: Vec<_> =
            (port..port + 3).map(|port| UdpSocket::bind((LISTEN, port)).unwrap()).collect();
        assert_eq!(bound.len(), 3);
    }
}
