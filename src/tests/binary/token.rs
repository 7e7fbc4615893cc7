//! `stentor token`: what it issues opens sessions until it expires or its key is dropped.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use stentor::clock;
use stentor::delivery::DeviceId;
use stentor::load::{Client, Heard};
use stentor::net::{Driver, Fingerprint, KeyExchange, Lost, Trust};
use stentor::wire::{Refusal, Reply, Token};

use super::child::{Desk, PATIENCE, Served};

const DEVICE: DeviceId = DeviceId([7; 16]);

/// What `stentor token` prints, or its one line of complaint.
fn token(state: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    let ended = command
        .arg("token")
        .args(arguments)
        .arg("--state")
        .arg(state)
        .output()
        .expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text").trim().to_owned();
    if ended.status.success() { Ok(text(ended.stdout)) } else { Err(text(ended.stderr)) }
}

fn issue(state: &Path) -> Token {
    let digits = token(state, &["issue", "--device", &hex::encode(DEVICE.0)]).expect("a token");
    let mut bytes = [0; Token::BYTES];
    hex::decode_to_slice(digits, &mut bytes).expect("82 digits");
    Token::from_bytes(bytes)
}

/// Says hello at the server of a state folder; the code of the close if that is refused.
fn greet(state: &Path, token: Token) -> Result<(), u64> {
    let read = |name| std::fs::read_to_string(state.join(name)).expect("the server wrote it");
    let fingerprint = Fingerprint::parse(&read("fingerprint")).expect("a fingerprint");
    let trust = Trust { fingerprint, key_exchange: KeyExchange::X25519, resumption: false };
    let local = IpAddr::from([127, 0, 0, 1]);
    let mut client = Client::new(Driver::client(local, 1, trust).expect("a socket"));
    let address: SocketAddr = read("address").trim().parse().expect("an address");
    let connection = client.connect(clock::now(), address).expect("a connection");
    client.open(connection, DEVICE, token);
    let deadline = clock::now() + PATIENCE;
    loop {
        let now = clock::now();
        assert!(now < deadline, "a hello is answered");
        client.turn(now).expect("the socket works");
        match client.poll() {
            Some((_, Heard::Reply(Reply::Ready { .. }))) => return Ok(()),
            Some((_, Heard::Over(Lost::Closed { code, .. }))) => return Err(code),
            Some((_, other)) => panic!("{other:?}"),
            None => client.wait(now, Some(deadline), None),
        }
    }
}

#[test]
fn a_key_is_changed_without_a_restart_and_cuts_off_nobody_until_it_is_dropped() {
    let desk = Desk::new();
    let state = desk.path("state");
    assert!(token(&state, &["rotate"]).unwrap_err().contains("holds no token.key"));
    let (served, _) = desk.served(1);
    let bad = Err(u64::from(Refusal::BadToken.code()));
    let first = issue(&state);
    assert_eq!(greet(&state, first), Ok(()));

    token(&state, &["rotate"]).unwrap();
    let second = issue(&state);
    assert_eq!(greet(&state, second), bad, "the server has not read it yet");
    served.signal(Signal::SIGHUP);
    let deadline = clock::now() + PATIENCE;
    while greet(&state, second).is_err() {
        assert!(clock::now() < deadline, "a server reads its keys on SIGHUP");
    }
    assert_eq!(greet(&state, first), Ok(()));

    token(&state, &["rotate", "--keep", "0"]).unwrap();
    served.signal(Signal::SIGHUP);
    while greet(&state, issue(&state)).is_err() {
        assert!(clock::now() < deadline, "a server reads its keys on SIGHUP");
    }
    assert_eq!(greet(&state, first), bad);
    assert_eq!(greet(&state, second), bad);
    served.signal(Signal::SIGTERM);
    assert_eq!(served.end().0.code(), Some(0));
}

#[test]
fn a_quiet_server_says_why_something_failed_and_nothing_that_went_well() {
    for quiet in [false, true] {
        let desk = Desk::new();
        let state = desk.path("state");
        let listen = ["--listen", "127.0.0.1:0", "--shards", "1", "--quiet"];
        let mut served = Served::start(&state, &listen[..if quiet { 5 } else { 4 }]);
        served.line();
        token(&state, &["rotate"]).unwrap();
        served.signal(Signal::SIGHUP);
        let deadline = clock::now() + PATIENCE;
        while greet(&state, issue(&state)).is_err() {
            assert!(clock::now() < deadline, "a server reads its keys on SIGHUP");
        }
        std::fs::write(state.join("token.key"), "no key").expect("it can be written");
        served.signal(Signal::SIGHUP);
        clock::wait_until(clock::now() + Duration::from_millis(300));
        served.signal(Signal::SIGTERM);
        let (status, _, err) = served.end();
        assert_eq!(status.code(), Some(0), "{err}");
        assert_eq!(err.contains("token keys are read again"), !quiet, "{err}");
        assert!(err.lines().last().is_some_and(|line| line.contains("token.key")), "{err}");
        assert!(!quiet || err.lines().count() == 1, "{err}");
    }
}

#[test]
fn a_device_that_is_none_is_refused_before_anything_is_read() {
    let desk = Desk::new();
    let complaint = token(&desk.path("state"), &["issue", "--device", "12"]).unwrap_err();
    assert!(complaint.contains("32 hexadecimal digits"), "{complaint}");
}
