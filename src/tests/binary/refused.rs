//! `stentor run` that cannot be: one clear message, exit code 1, nothing left behind.

use std::net::UdpSocket;
use std::path::Path;

use super::child::{Desk, Ended};

/// Seconds of a small group: enough to run, if anything let it.
const GOOD: &str = r#"why = "to test"
expect = "it is refused before it starts"
seed = 7
durations = { warm_up = "0s", measure = "1s", drain = "2s" }

[[groups]]
name = "small"
count = 1
members = 4
source = "synthetic"
rate = "20/s"
"#;

#[test]
fn a_malformed_scenario_is_shown_by_file_line_and_field_and_nothing_starts() {
    let desk = Desk::new();
    let text = GOOD.replace("rate = \"20/s\"", "rate = \"20\"");
    let scenario = desk.write("wrong.toml", &text);
    let ended = desk.run(&scenario, &[]).end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    let place = format!("stentor run: {}:11:8: groups[0].rate: ", scenario.display());
    assert!(ended.err.starts_with(&place), "{}", ended.err);
    assert_eq!(ended.err.matches("stentor run: ").count(), 1, "{}", ended.err);
    // The line itself and a caret below it are all that follows.
    assert_eq!(ended.err.lines().count(), 4, "{}", ended.err);
    nothing_started(&desk);
}

#[test]
fn a_scenario_that_contradicts_itself_is_refused_like_a_malformed_one() {
    let desk = Desk::new();
    let scenario = desk.write("wrong.toml", &format!("{GOOD}senders = 9\n"));
    let ended = desk.run(&scenario, &[]).end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(":12:"), "{}", ended.err);
    assert!(ended.err.contains("groups[0].senders: 9 senders; the group has 4"), "{}", ended.err);
    nothing_started(&desk);
}

#[test]
fn a_scenario_that_cannot_be_read_is_one_line() {
    let desk = Desk::new();
    for absent in [desk.path("absent.toml"), desk.path("tmp")] {
        let ended = desk.run(&absent, &[]).end();
        let refusal = alone(&ended);
        assert!(refusal.contains("cannot read the scenario"), "{refusal}");
        assert!(refusal.contains(absent.to_str().unwrap()), "{refusal}");
        nothing_started(&desk);
    }
}

#[test]
fn a_scenario_without_end_is_one_line() {
    let desk = Desk::new();
    let ended = desk.run(Path::new("/dev/zero"), &[]).end();
    let refusal = alone(&ended);
    assert!(refusal.contains("/dev/zero: longer than "), "{refusal}");
    nothing_started(&desk);
}

#[test]
fn a_results_folder_that_cannot_be_made_is_one_line_before_anything_starts() {
    let desk = Desk::new();
    let scenario = desk.write("good.toml", GOOD);
    let below_a_file = desk.write("file", "").join("results");
    let ended = desk.run_into(&below_a_file, &scenario, &[]).end();
    let refusal = alone(&ended);
    assert!(refusal.contains("cannot write results to"), "{refusal}");
    assert_eq!(refusal.matches("Not a directory").count(), 1, "{refusal}");
    assert!(refusal.contains(below_a_file.to_str().unwrap()), "{refusal}");
    nothing_started(&desk);
}

#[test]
fn a_target_without_a_state_folder_is_one_line_that_says_how_to_start_a_server() {
    let desk = Desk::new();
    let scenario = desk.write("good.toml", GOOD);
    let ended = desk.run(&scenario, &["--target", "127.0.0.1:1"]).end();
    let refusal = alone(&ended);
    assert!(
        refusal.contains("no server runs on") && refusal.contains("stentor serve"),
        "{refusal}"
    );
    nothing_started(&desk);
}

#[test]
fn a_server_that_is_not_the_pinned_one_is_one_line() {
    let desk = Desk::new();
    let (_served, address) = desk.served(1);
    let refusal = refused_at(&desk, &address, &["--fingerprint", &"0f".repeat(32)]);
    assert!(refusal.contains("does not have the pinned fingerprint"), "{refusal}");
}

#[test]
fn a_token_key_that_is_not_the_servers_is_one_line() {
    let desk = Desk::new();
    let (_served, address) = desk.served(1);
    let key = desk.write("other.key", &"0f".repeat(32));
    let refusal = refused_at(&desk, &address, &["--token-key", key.to_str().unwrap()]);
    assert!(refusal.contains("token"), "{refusal}");
}

#[test]
fn a_target_that_is_no_place_is_one_line() {
    let desk = Desk::new();
    let scenario = desk.write("good.toml", GOOD);
    let ended = desk.run(&scenario, &["--target", "localhost"]).end();
    let refusal = alone(&ended);
    assert!(refusal.contains("cannot find the server localhost: "), "{refusal}");
    nothing_started(&desk);
}

#[test]
fn a_target_where_nobody_listens_is_one_line() {
    let desk = Desk::new();
    let (_served, _) = desk.served(1);
    // Nothing else of these tests is ever at this address.
    let free = UdpSocket::bind("127.0.0.2:0").unwrap().local_addr().unwrap().to_string();
    let refusal = refused_at(&desk, &free, &[]);
    assert!(refusal.contains("does not answer") && refusal.contains(&free), "{refusal}");
}

/// The line with which a run against `address` ends, with the state folder of the desk.
fn refused_at(desk: &Desk, address: &str, arguments: &[&str]) -> String {
    let scenario = desk.write("good.toml", GOOD);
    let ended = desk.run_at(address, &scenario, arguments).end();
    let refusal = ended.refusal().to_owned();
    for result in desk.results() {
        assert!(!result.join("run.json").exists(), "a run that never was has no record");
    }
    refusal
}

/// The one line that is all it printed.
fn alone(ended: &Ended) -> &str {
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    ended.refusal()
}

/// No folder for results, and no trace of a server: one keeps its state in the temporary folder.
fn nothing_started(desk: &Desk) {
    assert_eq!(desk.results(), Vec::<&Path>::new());
    assert!(!desk.path("results").exists());
    assert_eq!(desk.temporary(), Vec::<&Path>::new());
    assert!(!desk.path("cache").exists());
}
