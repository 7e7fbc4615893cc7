//! A server that is lost while it is loaded: the run ends soon, says so, and is never valid.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::child::{Desk, Ended, LONG, signal_to};

/// Well inside the measured window.
const MEANWHILE: Duration = Duration::from_millis(800);

#[test]
fn a_server_that_is_killed_ends_the_run_as_invalid() {
    let desk = Desk::new();
    let (served, address) = desk.served(2);
    let mut running = desk.run_at(&address, &desk.write("long.toml", LONG), &[]);
    running.loading_for(MEANWHILE);
    served.signal(Signal::SIGKILL);
    check(&desk, &running.end(), "no answer from it");
}

#[test]
fn a_server_that_drains_ends_the_run_as_invalid() {
    let desk = Desk::new();
    let (served, address) = desk.served(2);
    let mut running = desk.run_at(&address, &desk.write("long.toml", LONG), &[]);
    running.loading_for(MEANWHILE);
    served.signal(Signal::SIGTERM);
    check(&desk, &running.end(), "closed by the peer");
    let (status, _, err) = served.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

#[test]
fn a_server_of_ones_own_that_is_killed_ends_the_run_as_invalid() {
    let desk = Desk::new();
    let scenario = desk.write("long.toml", LONG);
    let mut running = desk.run(&scenario, &[]);
    running.loading_for(MEANWHILE);
    signal_to(running.server(), Signal::SIGKILL);
    check(&desk, &running.end(), "SIGKILL");
    assert_eq!(desk.temporary(), Vec::<&Path>::new(), "the server's state is gone with it");
}

/// The run ended long before it was over, with all that it had seen, and says how it lost whom.
fn check(desk: &Desk, ended: &Ended, how: &str) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.out.contains("the server was lost"), "{}", ended.out);
    let record = desk.record();
    let verdict = &record["verdict"];
    assert_eq!(verdict["status"], "invalid", "{verdict}");
    let first = verdict["reasons"][0].as_str().expect("a reason is text");
    assert!(first.starts_with("the server was lost: ") && first.contains(how), "{first}");
    assert!(record["counts"]["deliveries"].as_u64() > Some(0), "{}", ended.out);
    assert!(record["counts"]["not_issued"].as_u64() > Some(0), "{}", ended.out);
    assert_eq!(record["real_members"]["faults"], json!([]), "{record}");
}
