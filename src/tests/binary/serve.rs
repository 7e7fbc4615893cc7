//! `stentor serve`: its one line, what it refuses, what a signal does.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use stentor::clock;

use super::child::{PATIENCE, Served, parse_ready};

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
fn a_file_of_settings_is_obeyed_and_arguments_override_it() {
    let parent = tempfile::tempdir().unwrap();
    let (file, state) = (parent.path().join("s.toml"), parent.path().join("kept"));
    let text = format!(
        "[service]\nlisten = \"127.0.0.1:0\"\nshards = 3\nstate = {:?}\n",
        parent.path().join("overridden")
    );
    std::fs::write(&file, text).unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--shards", "2"];
    let mut served = Served::start(&state, &arguments);
    assert_eq!(parse_ready(&served.line()).1, "2 shards");
    assert!(state.join("address").exists());
    served.signal(Signal::SIGTERM);
    let (status, _, err) = served.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(!parent.path().join("overridden").exists());
}

#[test]
fn printed_settings_say_what_was_given_and_can_be_given_again() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let print = |arguments: &[&str]| {
        let served = Served::start(&state, &[&["--print-config"], arguments].concat());
        let (status, out, err) = served.end();
        assert_eq!((status.code(), err.as_str()), (Some(0), ""));
        out
    };
    let printed = print(&["--shards", "5", "--metrics", "127.0.0.1:9464"]);
    assert!(
        printed.contains("\nshards = 5\n") && printed.contains("\nlisten = \"127.0.0.1:9464\"\n")
    );
    let file = parent.path().join("s.toml");
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(print(&["--config", file.to_str().unwrap()]), printed);
    assert!(!state.exists(), "nothing has started");
}

#[test]
fn a_mistake_in_the_settings_is_one_line_before_anything_starts() {
    let parent = tempfile::tempdir().unwrap();
    let (file, state) = (parent.path().join("s.toml"), parent.path().join("state"));
    let refusal = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        let refusal = Served::start(&state, &["--config", file.to_str().unwrap()]).refusal();
        assert!(refusal.contains("s.toml"), "{refusal}");
        assert!(!state.exists());
        refusal
    };
    let refused = refusal(b"[service]\ndrain = \"1h\"\n");
    let place = format!("{}:2:9: service.drain: \"1h\" is not a time from", file.display());
    assert!(refused.contains(&place), "{refused}");
    assert!(refusal(b"\xff").contains("cannot read the settings"));
    assert!(refusal(&[b' '; 300 << 10]).contains("longer than 262144 bytes"));
    std::fs::remove_file(&file).unwrap();
    let absent = Served::start(&state, &["--config", file.to_str().unwrap()]).refusal();
    assert!(absent.contains("cannot read the settings"), "{absent}");
}

#[test]
fn a_certificate_without_its_key_in_the_settings_is_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("s.toml");
    std::fs::write(&file, "[service]\ncertificate = \"some.pem\"\n").unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let refusal = Served::start(&parent.path().join("state"), &arguments).refusal();
    assert!(refusal.contains("service.certificate_key is set; set both"), "{refusal}");
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
    assert_eq!(refusal.matches("in use").count(), 1, "{refusal}");
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
fn a_client_authority_that_is_none_is_one_line() {
    let state = tempfile::tempdir().unwrap();
    let wrong = state.path().join("wrong.pem");
    std::fs::write(&wrong, "not PEM").unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--client-ca", wrong.to_str().unwrap()];
    let refusal = Served::start(state.path(), &arguments).refusal();
    assert!(refusal.contains("wrong.pem") && refusal.contains("client authority"), "{refusal}");
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
