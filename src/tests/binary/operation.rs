//! A server that is watched: what `/healthz` and `/metrics` say from its start to its end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use stentor::clock;

use super::child::{PATIENCE, Served, parse_ready};

/// Starts a server that is watched: itself, and where its pages are.
pub(super) fn watched(state: &std::path::Path) -> (Served, String) {
    let arguments = ["--listen", "127.0.0.1:0", "--shards", "2", "--metrics", "127.0.0.1:0"];
    let mut served = Served::start(state, &arguments);
    let line = served.line();
    let address = line.strip_prefix("metrics on ").expect(&line).trim().to_owned();
    (served, address)
}

/// The code and the body of a page; `None` when nobody answers.
pub(super) fn get(address: &str, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: stentor\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()))
}

#[test]
fn a_server_is_healthy_from_its_ready_line_until_it_is_told_to_stop() {
    let state = tempfile::tempdir().unwrap();
    let (mut served, address) = watched(state.path());
    parse_ready(&served.line());
    let said = |code: &str, word: &str| Some((code.to_owned(), format!("{word}\n")));
    assert_eq!(get(&address, "/healthz"), said("200", "ready"));
    let (code, page) = get(&address, "/metrics").unwrap();
    assert_eq!(code, "200");
    for line in [
        "stentor_health{state=\"ready\"} 1",
        "stentor_sessions{shard=\"0\"} 0",
        "stentor_sessions{shard=\"1\"} 0",
        "stentor_turn_seconds_bucket{shard=\"1\",le=\"+Inf\"} ",
    ] {
        assert!(page.contains(line), "{line}:\n{page}");
    }
    served.signal(Signal::SIGTERM);
    let deadline = clock::now() + PATIENCE;
    // Packets still on their way are waited for even if nobody is connected.
    loop {
        assert!(clock::now() < deadline, "it does not say that it drains");
        let now = get(&address, "/healthz").expect("it answers until it has drained");
        if Some(&now) == said("503", "draining").as_ref() {
            break;
        }
        assert_eq!(Some(now), said("200", "ready"));
        clock::wait_until(clock::now() + Duration::from_millis(1));
    }
    let (status, out, err) = served.end();
    assert_eq!((status.code(), out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(get(&address, "/healthz"), None);
}

#[test]
fn a_server_that_cannot_be_watched_does_not_start() {
    let state = tempfile::tempdir().unwrap();
    let (_served, address) = watched(state.path());
    let other = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--metrics", &address];
    let refusal = Served::start(other.path(), &arguments).refusal();
    assert!(refusal.contains("cannot listen on TCP") && refusal.contains(&address), "{refusal}");
    assert_eq!(refusal.matches("in use").count(), 1, "{refusal}");
}
