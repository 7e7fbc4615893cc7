//! `stentor peers`: its record and its exit codes. What it measures is not judged here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::child::{Desk, Ended};

const FEW: &str = r#"why = "to test"
expect = "everybody completes"
seed = 3
durations = { warm_up = "0s", measure = "1s", drain = "1s" }

[[groups]]
name = "few"
count = 1
members = 8
source = "synthetic"
rate = "10/s"
commits = "20%"
"#;

const SHORT: [&str; 6] = ["--in-flight", "1,2", "--rounds", "2", "--messages", "12"];

/// Two rounds on eight members, with a NATS server of our making.
fn compare(desk: &Desk, only: &str, nats: &str) -> Ended {
    let programs = desk.path("programs");
    fs::create_dir_all(&programs).expect("it can be written");
    let program = programs.join("nats-server");
    fs::write(&program, nats).expect("it can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be written");
    let scenario = desk.write("few.toml", FEW);
    desk.peers(&scenario, &programs, &[&SHORT[..], &["--only", only]].concat()).end()
}

fn record(desk: &Desk) -> Value {
    let results = desk.results();
    assert_eq!(results.len(), 1, "{results:?}");
    let name = results[0].file_name().and_then(|name| name.to_str()).expect("it has a name");
    assert!(name.contains("-peers-few-"), "{name}");
    serde_json::from_str(
        &fs::read_to_string(results[0].join("peers.json")).expect("it is recorded"),
    )
    .expect("a record is JSON")
}

/// Says its version and does not start.
const BROKEN: &str =
    "#!/bin/sh\n[ \"$1\" = --version ] && { echo nats v0; exit; }\necho no room\nexit 7\n";

#[test]
fn ours_and_the_baseline_are_compared_and_nothing_is_left_but_the_result() {
    let desk = Desk::new();
    let ended = compare(&desk, "quinn,stentor,floor", BROKEN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let record = record(&desk);
    let names: Vec<&Value> =
        record["contestants"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["stentor", "quinn", "floor"]);
    for set in record["sets"].as_array().unwrap() {
        for result in set["results"].as_array().unwrap() {
            let rounds = result["rounds"].as_array().unwrap();
            assert_eq!(rounds.len(), 2);
            // The floor takes its time, not a number of messages.
            let right = |round: &Value| match result["name"] == "floor" {
                true => round["deliveries"].as_u64() > Some(0),
                false => round["deliveries"] == 96,
            };
            assert!(rounds.iter().all(right), "{rounds:?}");
        }
    }
    let summary = fs::read_to_string(desk.results()[0].join("summary.txt")).unwrap();
    assert_eq!(summary, ended.out);
    assert_eq!(desk.temporary(), Vec::<&std::path::Path>::new());
}

#[test]
fn a_contestant_that_fails_is_named_and_the_exit_code_says_so() {
    let desk = Desk::new();
    let ended = compare(&desk, "stentor,nats", BROKEN);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let why = "nats      FAILED: the server is gone: exit status: 7; its log ends with: no room";
    assert!(ended.out.contains(why), "{}", ended.out);
    let record = record(&desk);
    assert_eq!(record["contestants"][0]["status"], "completed");
    assert_eq!(record["contestants"][1]["status"], "failed");
    assert_eq!(record["sets"][0]["results"].as_array().unwrap().len(), 1);
}

#[test]
fn a_comparison_of_nobody_is_one_line_and_so_is_a_wrong_scenario() {
    let desk = Desk::new();
    let ended = compare(&desk, "nats", BROKEN);
    let line = ended.err.lines().last().unwrap();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(line.starts_with("stentor peers: nothing was measured: nats: "), "{line}");
    let wrong = desk
        .write("live.toml", &FEW.replace("synthetic", "live").replace("commits = \"20%\"\n", ""));
    let ended = desk.peers(&wrong, &desk.path("programs"), &[]).end();
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{ended:?}");
    assert!(ended.err.starts_with("stentor peers: "), "{}", ended.err);
}
