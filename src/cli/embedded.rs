//! A server of our own as a child process, so that CPU and memory are apart.
//!
//! What a run and a comparison start for themselves; it ends with them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::state::read_target;
use crate::clock;
use crate::load::Target;
use crate::units::written_duration;

/// How long the child has to drain and leave before it is killed.
const LEAVING_MAX: Duration = Duration::from_secs(8);

/// What kind of server is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Its shards.
    pub(super) shards: u32,
    /// The core of the first, if they are to be pinned.
    pub(super) first_core: Option<usize>,
    /// Whether it has a log: in its state folder, and removed with it.
    pub(super) log: bool,
    /// For how long it reserves epochs, if not as long as it does by itself.
    pub(super) reservation: Option<Duration>,
    /// Whether it says nothing but why it fails.
    pub(super) quiet: bool,
}

/// A server of our own. Ends with this value, or with this process.
#[derive(Debug)]
pub(super) struct Embedded {
    child: Child,
    /// Kept open: a server that cannot print is a server that fails.
    stdout: BufReader<ChildStdout>,
    state: PathBuf,
    settings: Option<PathBuf>,
}

impl Embedded {
    /// Starts a server on any free ports of the loopback address and waits until it serves.
    pub(super) fn start(wanted: &Wanted) -> anyhow::Result<(Self, Target)> {
        let program = std::env::current_exe().context("cannot find this program to start it")?;
        let name = format!("stentor-{}-{}", std::process::id(), clock::unix().as_nanos());
        let state = std::env::temp_dir().join(name);
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--shards"])
            .arg(wanted.shards.to_string())
            .arg("--exit-with-parent")
            .arg(std::process::id().to_string())
            .arg("--state")
            .arg(&state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if wanted.log {
            command.arg("--log").arg(state.join("log"));
        }
        if let Some(core) = wanted.first_core {
            command.arg("--first-core").arg(core.to_string());
        }
        let settings =
            wanted.reservation.map(|longest| settings_file(&state, longest)).transpose()?;
        if wanted.quiet {
            command.arg("--quiet");
        }
        if let Some(settings) = &settings {
            command.arg("--config").arg(settings);
        }
        let mut child = command.spawn().context("cannot start the server")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut embedded = Self { child, stdout: BufReader::new(stdout), state, settings };
        let mut ready = String::new();
        embedded.stdout.read_line(&mut ready).context("cannot hear the server")?;
        if !ready.starts_with("listening on") {
            let how =
                embedded.child.wait().map_or_else(|error| error.to_string(), |how| how.to_string());
            bail!("the server did not start ({how})");
        }
        let target = read_target(&embedded.state)?;
        Ok((embedded, target))
    }

    /// The child's process.
    pub(super) fn child_id(&self) -> u32 {
        self.child.id()
    }

    /// How the child has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("it ended with {status}")),
            Err(error) => Some(format!("it cannot be observed: {error}")),
        }
    }

    fn leave(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Gone already is what is wanted.
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        let deadline: Instant = clock::now() + LEAVING_MAX;
        while self.ended().is_none() {
            if clock::now() >= deadline {
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            clock::wait_until(clock::now() + Duration::from_millis(10));
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.leave();
        // The child removes it as it stops, even if this process is killed; what a child leaves that
        // was killed itself is removed here.
        std::fs::remove_dir_all(&self.state).ok();
        if let Some(settings) = &self.settings {
            std::fs::remove_file(settings).ok();
        }
    }
}

/// A file of settings beside the state folder, which the child makes itself.
fn settings_file(state: &Path, reservation: Duration) -> anyhow::Result<PathBuf> {
    let path = state.with_extension("toml");
    let text = format!("[defence]\nreservation = \"{}\"\n", written_duration(reservation));
    std::fs::write(&path, text)
        .with_context(|| format!("cannot write the server's settings to {}", path.display()))?;
    Ok(path)
}
