//! Children of the tests: `stentor serve`, `run` and `peers`, none of which outlives its test.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stentor::clock;
use tempfile::TempDir;

/// Longer than any test waits: who sees it through to the end has not noticed.
pub(super) const LONG: &str = r#"why = "to test"
expect = "it is cut short"
seed = 7
durations = { warm_up = "200ms", measure = "120s", drain = "5s" }

[[groups]]
name = "small"
count = 2
members = 6
source = "synthetic"
rate = "50/s"
commits = "10%"

[[groups]]
name = "live"
count = 1
members = 3
source = "live"
rate = "5/s"
racers = 2
"#;

/// Far more than a drain without clients takes, far less than a hanging test costs.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Far more than any run of these tests takes, far less than the longest of their scenarios.
pub(super) const RUN_PATIENCE: Duration = Duration::from_secs(60);

/// A `stentor serve` that does not outlive its test.
pub(super) struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Served {
    pub(super) fn start(state: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stentor"))
            .arg("serve")
            .arg("--state")
            .arg(state)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, out }
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("standard output is text");
        line
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        signal_to(self.child.id(), signal);
    }

    /// The end of it, with what it still printed and what it complained of.
    pub(super) fn end(mut self) -> (ExitStatus, String, String) {
        let status = end_of(&mut self.child, PATIENCE).expect("it ends");
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).expect("standard output is text");
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut err).expect("standard error is text");
        (status, out, err)
    }

    /// The one line with which it refused to start.
    pub(super) fn refusal(self) -> String {
        let (status, out, err) = self.end();
        assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with("stentor serve: "), "{err}");
        err
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already, in most tests.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Address, shards and fingerprint of a ready line.
pub(super) fn parse_ready(line: &str) -> (&str, &str, &str) {
    let rest = line.strip_prefix("listening on ").expect(line);
    let (address, rest) = rest.split_once(" (").expect(line);
    let (shards, fingerprint) = rest.split_once("), fingerprint ").expect(line);
    (address, shards, fingerprint.strip_suffix('\n').expect(line))
}

/// Where a user is who runs `stentor run`: scenarios, results, caches, all of it temporary.
pub(super) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        fs::create_dir(folder.path().join("tmp")).expect("it can be written");
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("it can be written");
        path
    }

    /// A server of so many shards whose state folder is on this desk, and its address.
    pub(super) fn served(&self, shards: u16) -> (Served, String) {
        let shards = shards.to_string();
        let listen = ["--listen", "127.0.0.1:0", "--shards", &shards];
        let mut served = Served::start(&self.path("state"), &listen);
        let line = served.line();
        let address = parse_ready(&line).0.to_owned();
        (served, address)
    }

    /// Starts `stentor run` with the results folder of this desk.
    pub(super) fn run(&self, scenario: &Path, arguments: &[&str]) -> Running<'_> {
        self.run_into(&self.path("results"), scenario, arguments)
    }

    /// Starts it against a server whose state folder is on this desk.
    pub(super) fn run_at(&self, address: &str, scenario: &Path, arguments: &[&str]) -> Running<'_> {
        let all = [&["--target", address, "--state", "state"], arguments].concat();
        self.run(scenario, &all)
    }

    pub(super) fn run_into(
        &self,
        results: &Path,
        scenario: &Path,
        arguments: &[&str],
    ) -> Running<'_> {
        let results = results.to_str().expect("a temporary path is text");
        let scenario = scenario.to_str().expect("a temporary path is text");
        self.stentor(&[&["run", scenario, "--out", results], arguments].concat(), &[])
    }

    /// Starts `stentor peers` with the results folder of this desk. Programs in `programs` are
    /// found before any others.
    pub(super) fn peers(
        &self,
        scenario: &Path,
        programs: &Path,
        arguments: &[&str],
    ) -> Running<'_> {
        let scenario = scenario.to_str().expect("a temporary path is text");
        let path = std::env::var("PATH").expect("a path is set");
        let path = format!("{}:{path}", programs.display());
        let command = ["peers", scenario, "--results", "results"];
        self.stentor(&[&command, arguments].concat(), &[("PATH", &path)])
    }

    /// Starts `stentor survive`.
    pub(super) fn survive(&self, arguments: &[&str]) -> Running<'_> {
        self.stentor(&[&["survive"], arguments].concat(), &[])
    }

    /// Starts any command of it on this desk.
    pub(super) fn stentor(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running<'_> {
        let (out, err) = (self.path("out.txt"), self.path("err.txt"));
        let child = Command::new(env!("CARGO_BIN_EXE_stentor"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state-home"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("it can be written"))
            .stderr(File::create(&err).expect("it can be written"))
            .spawn()
            .expect("the binary starts");
        Running { desk: self, child }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is text")
    }

    /// The folders of the runs so far.
    pub(super) fn results(&self) -> Vec<PathBuf> {
        entries(&self.path("results"))
    }

    /// What the one run so far has recorded.
    pub(super) fn record(&self) -> Value {
        let results = self.results();
        assert_eq!(results.len(), 1, "{results:?}");
        let json = fs::read_to_string(results[0].join("run.json")).expect("the run is recorded");
        serde_json::from_str(&json).expect("a record is JSON")
    }

    /// What is in the folder for temporary files: nothing, unless a server is up.
    pub(super) fn temporary(&self) -> Vec<PathBuf> {
        entries(&self.path("tmp"))
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.expect("it can be read").path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// A `stentor run` or `stentor peers` that does not outlive its test.
pub(super) struct Running<'a> {
    desk: &'a Desk,
    child: Child,
}

/// One that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Running<'_> {
    /// Waits until the load has been on for so long.
    pub(super) fn loading_for(&mut self, time: Duration) {
        let deadline = clock::now() + RUN_PATIENCE;
        while !self.desk.read("err.txt").contains("loading for") {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "it ended: {}", self.desk.read("err.txt"));
            assert!(clock::now() < deadline, "no load: {}", self.desk.read("err.txt"));
            clock::wait_until(clock::now() + Duration::from_millis(10));
        }
        clock::wait_until(clock::now() + time);
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// The server that it has started for itself.
    pub(super) fn server(&self) -> u32 {
        let parent = format!("PPid:\t{}\n", self.child.id());
        let children: Vec<u32> = entries(Path::new("/proc"))
            .iter()
            .filter_map(|path| {
                let status = fs::read_to_string(path.join("status")).ok()?;
                let number = path.file_name()?.to_str()?.parse().ok()?;
                status.contains(&parent).then_some(number)
            })
            .collect();
        assert_eq!(children.len(), 1, "one child is the server");
        children[0]
    }

    pub(super) fn signal(&self, signal: Signal) {
        signal_to(self.child.id(), signal);
    }

    pub(super) fn end(mut self) -> Ended {
        let status = end_of(&mut self.child, RUN_PATIENCE);
        let (out, err) = (self.desk.read("out.txt"), self.desk.read("err.txt"));
        let status = status.unwrap_or_else(|| panic!("it does not end: {out}{err}"));
        Ended { code: status.code(), out, err }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Ended already, in most tests; a server of its own ends with it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// The one line that it failed with.
    pub(super) fn refusal(&self) -> &str {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let said: Vec<&str> =
            self.err.lines().filter(|line| line.starts_with("stentor run: ")).collect();
        assert_eq!(said.len(), 1, "{}", self.err);
        assert_eq!(self.err.lines().last(), Some(said[0]), "{}", self.err);
        said[0]
    }
}

pub(super) fn signal_to(process: u32, signal: Signal) {
    let id = i32::try_from(process).expect("a process id is an i32");
    kill(Pid::from_raw(id), signal).expect("it can be signalled");
}

/// Whether a process runs that is no child of this one. A dead one may wait long for its parent.
pub(super) fn is_running(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// How a child ended; `None` if it has not within `patience`.
pub(super) fn end_of(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = clock::now() + patience;
    while clock::now() < deadline {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return Some(status);
        }
        clock::wait_until(clock::now() + Duration::from_millis(5));
    }
    None
}
