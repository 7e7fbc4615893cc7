//! A `stentor run` that is interrupted: its server ends with it, and with the server its keys.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use stentor::clock;

use super::child::{Desk, LONG, is_running};

/// More than a server takes to let go of clients that are dead.
const LEAVING: Duration = Duration::from_secs(15);

#[test]
fn an_interrupted_run_leaves_neither_its_server_nor_the_keys_of_it() {
    // Not SIGINT: a shell makes its background jobs ignore that, and what they start inherits it.
    check(Signal::SIGTERM);
}

#[test]
fn a_killed_run_leaves_neither_its_server_nor_the_keys_of_it() {
    check(Signal::SIGKILL);
}

fn check(signal: Signal) {
    let desk = Desk::new();
    let mut running = desk.run(&desk.write("long.toml", LONG), &[]);
    running.loading_for(Duration::from_millis(500));
    let server = running.server();
    assert_eq!(desk.temporary().len(), 1, "the state of the server is here while it serves");
    running.signal(signal);
    assert_eq!(running.end().code, None, "a signal ended it");
    let deadline = clock::now() + LEAVING;
    while is_running(server) {
        assert!(clock::now() < deadline, "it outlives the run");
        clock::wait_until(clock::now() + Duration::from_millis(10));
    }
    assert_eq!(desk.temporary(), Vec::<&Path>::new(), "the keys outlive the server");
}
