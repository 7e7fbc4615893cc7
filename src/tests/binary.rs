//! The built `stentor` as a user meets it: its lines, its exit codes, what a signal does.
//!
//! A test target of its own, for only such a one is told where the binary is.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stentor::clock;

/// Far more than a drain without clients takes, far less than a hanging test costs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A `stentor serve` that does not outlive its test.
struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Served {
    fn start(state: &Path, arguments: &[&str]) -> Self {
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

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("standard output is text");
        line
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id is an i32");
        kill(Pid::from_raw(id), signal).expect("it can be signalled");
    }

    /// The end of it, with what it still printed and what it complained of.
    fn end(mut self) -> (ExitStatus, String, String) {
        let deadline = clock::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(clock::now() < deadline, "it did not end");
            clock::wait_until(clock::now() + Duration::from_millis(5));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).expect("standard output is text");
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut err).expect("standard error is text");
        (status, out, err)
    }

    /// The one line with which it refused to start.
    fn refusal(self) -> String {
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
fn parse_ready(line: &str) -> (&str, &str, &str) {
    let rest = line.strip_prefix("listening on ").expect(line);
    let (address, rest) = rest.split_once(" (").expect(line);
    let (shards, fingerprint) = rest.split_once("), fingerprint ").expect(line);
    (address, shards, fingerprint.strip_suffix('\n').expect(line))
}

#[test]
fn a_server_says_where_it_is_and_drains_on_either_signal() {
    let state = tempfile::tempdir().unwrap();
    let mut fingerprints = Vec::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut served = Served::start(state.path(), &["--listen", "127.0.0.1:0", "--shards", "2"]);
        let line = served.line();
        let (address, shards, fingerprint) = parse_ready(&line);
        let read = |name| std::fs::read_to_string(state.path().join(name)).unwrap();
        assert_eq!(shards, "2 shards");
        assert_eq!(read("fingerprint").trim(), fingerprint);
        let addresses = read("address");
        assert_eq!(addresses.lines().next(), Some(address));
        assert_eq!(addresses.lines().count(), 2);
        fingerprints.push(fingerprint.to_owned());
        served.signal(signal);
        let (status, out, err) = served.end();
        assert_eq!((status.code(), out.as_str()), (Some(0), ""), "{err}");
        assert!(!state.path().join("address").exists());
    }
    assert_eq!(fingerprints[0], fingerprints[1], "the pin outlives a restart");
}

#[test]
fn a_taken_port_is_one_line() {
    let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Served::start(state.path(), &["--listen", "127.0.0.1:0"]);
    let line = first.line();
    let (address, shards, _) = parse_ready(&line);
    assert_eq!(shards, "1 shard");
    let refusal = Served::start(other.path(), &["--listen", address]).refusal();
    assert!(refusal.contains("cannot listen on UDP") && refusal.contains(address), "{refusal}");
    assert!(!other.path().join("address").exists());
}

#[test]
fn an_unusable_state_folder_is_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refusal = Served::start(&file.join("state"), &["--listen", "127.0.0.1:0"]).refusal();
    assert!(refusal.contains("cannot keep state in"), "{refusal}");
}

#[test]
fn a_certificate_that_is_none_is_one_line() {
    let state = tempfile::tempdir().unwrap();
    let wrong = state.path().join("wrong.pem");
    std::fs::write(&wrong, "not PEM").unwrap();
    let wrong = wrong.to_str().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--cert", wrong, "--key", wrong];
    let refusal = Served::start(state.path(), &arguments).refusal();
    assert!(refusal.contains("wrong.pem") && refusal.contains("no certificate"), "{refusal}");
}

#[test]
fn a_server_whose_parent_is_another_does_not_start() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--exit-with-parent", "1"];
    let refusal = Served::start(state.path(), &arguments).refusal();
    assert!(refusal.contains("is gone"), "{refusal}");
}

#[test]
fn a_server_drains_when_its_parent_ends() {
    let state = tempfile::tempdir().unwrap();
    // The shell is the parent, and ends with its standard input.
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" serve --listen 127.0.0.1:0 --exit-with-parent $$ \"$@\" & read end"])
        .arg(env!("CARGO_BIN_EXE_stentor"))
        .arg("--state")
        .arg(state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    parse_ready(&line);
    drop(shell.stdin.take());
    shell.wait().unwrap();
    let deadline = clock::now() + PATIENCE;
    while state.path().join("address").exists() {
        assert!(clock::now() < deadline, "it outlives its parent");
        clock::wait_until(clock::now() + Duration::from_millis(5));
    }
}
