//! `stentor run`: what it leaves behind, and that its numbers tell of a server that paused.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::child::{Desk, Ended};

/// A tape, a race and synthetic bytes, in little more than a second.
const MIXED: &str = r#"why = "to test"
expect = "verdict valid"
seed = 3
durations = { warm_up = "200ms", measure = "1s", drain = "5s" }

[[groups]]
name = "tape"
count = 2
members = 6
source = "tape"
rate = "20/s"
commits = "10%"

[[groups]]
name = "live"
count = 1
members = 4
source = "live"
rate = "4/s"
arrivals = "even"
racers = 2

[[groups]]
name = "synthetic"
count = 2
members = 8
source = "synthetic"
rate = "30/s"
commits = "5%"
connections = "shared:4"
"#;

/// A steady beat of which every fifth is a commit, which all senders have to see.
const STEADY: &str = r#"why = "to test"
expect = "a pause of the server is seen in the response"
seed = 3
durations = { warm_up = "500ms", measure = "4s", drain = "5s" }

[[groups]]
name = "steady"
count = 1
members = 8
source = "synthetic"
rate = "100/s"
arrivals = "even"
commits = "20%"
"#;

/// Many members, so that what is delivered comes well after what is answered.
const CROWD: &str = r#"why = "to test"
expect = "a run ends when everything has been delivered"
seed = 3
durations = { warm_up = "200ms", measure = "1s", drain = "10s" }

[[groups]]
name = "crowd"
count = 1
members = 200
source = "synthetic"
rate = "100/s"
arrivals = "even"
"#;

#[test]
fn a_run_against_a_server_that_is_up_leaves_a_complete_record() {
    let desk = Desk::new();
    let (served, address) = desk.served(2);
    let by_name = address.replace("127.0.0.1", "localhost");
    let ended = desk.run_at(&by_name, &desk.write("mixed.toml", MIXED), &[]).end();
    believable(&desk, &ended);
    complete(&desk.record());
    let results = desk.results();
    let summary = fs::read_to_string(results[0].join("summary.txt")).unwrap();
    assert!(summary.contains("response"), "{summary}");
    assert!(ended.out.contains(results[0].to_str().unwrap()), "{}", ended.out);
    let server = &desk.record()["server"];
    assert_eq!(server["floor"], Value::Null, "{server}");
    assert_eq!(server["floor_missing"], "the server is not this run's own");
    served.signal(Signal::SIGTERM);
    let (status, _, err) = served.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

#[test]
fn a_run_with_a_server_of_its_own_leaves_a_complete_record_and_nothing_else() {
    let desk = Desk::new();
    let scenario = desk.write("mixed.toml", MIXED);
    let ended = desk.run(&scenario, &[]).end();
    believable(&desk, &ended);
    let record = desk.record();
    complete(&record);
    how_far_from_the_floor(&record, &ended);
    assert_eq!(record["provenance"]["log_file_system"], Value::Null);
    assert_eq!(desk.temporary(), Vec::<&Path>::new(), "the server's state is gone with it");
    assert!(desk.path("cache").exists(), "tapes are kept for the next run");
}

#[test]
fn every_class_is_durable_if_the_command_line_says_so_and_its_log_is_gone_with_the_server() {
    let desk = Desk::new();
    let scenario = desk.write("mixed.toml", MIXED);
    let ended = desk.run(&scenario, &["--durability", "wal", "--no-floor"]).end();
    believable(&desk, &ended);
    let record = desk.record();
    assert!(record["provenance"]["log_file_system"].is_string(), "{}", record["provenance"]);
    for class in record["classes"].as_array().expect("classes are a list") {
        assert_eq!(class["durability"], "wal", "{class}");
    }
    assert!(ended.out.contains("live: durability wal, validation opaque"), "{}", ended.out);
    assert_eq!(desk.temporary(), Vec::<&Path>::new());
}

#[test]
fn a_durable_run_on_a_server_without_a_log_is_told_what_to_do() {
    let desk = Desk::new();
    let (_served, address) = desk.served(1);
    let scenario = desk.write("mixed.toml", MIXED);
    let ended = desk.run_at(&address, &scenario, &["--durability", "wal"]).end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.refusal().contains("start it with --log FOLDER"), "{}", ended.refusal());
}

#[test]
fn a_pause_of_the_server_is_charged_to_everything_that_was_due_in_it() {
    let desk = Desk::new();
    let (served, address) = desk.served(1);
    let scenario = desk.write("steady.toml", STEADY);
    let mut running = desk.run_at(&address, &scenario, &[]);
    running.loading_for(Duration::from_millis(1_500));
    served.signal(Signal::SIGSTOP);
    running.loading_for(Duration::from_secs(1));
    served.signal(Signal::SIGCONT);
    let ended = running.end();
    believable(&desk, &ended);
    let record = desk.record();
    let latency = |series: &str, what: &str| number(&record["latency_us"][series][what]);
    // One operation at least was due in the first tenth of the pause.
    assert!(latency("response", "max") >= 900_000.0, "{}", ended.out);
    // A quarter of all operations were due in it, and waited for its end on average half of it.
    assert!(latency("response", "p90") >= 400_000.0, "{}", ended.out);
    // Those behind a commit could only be sent after it, so the sends alone look far better.
    assert!(latency("service", "p90") < latency("response", "p90"), "{}", ended.out);
    assert!(latency("service", "mean") < latency("response", "mean") / 2.0, "{}", ended.out);
    assert_eq!(number(&record["counts"]["timed_out"]), 0.0, "{}", ended.out);
}

#[test]
fn a_pause_over_the_end_of_the_load_costs_no_delivery() {
    let desk = Desk::new();
    let (served, address) = desk.served(1);
    let scenario = desk.write("crowd.toml", CROWD);
    let mut running = desk.run_at(&address, &scenario, &[]);
    // The last operations are on their way when the load ends, and for a while after it.
    running.loading_for(Duration::from_millis(600));
    served.signal(Signal::SIGSTOP);
    running.loading_for(Duration::from_millis(1_500));
    served.signal(Signal::SIGCONT);
    let ended = running.end();
    believable(&desk, &ended);
    assert!(number(&desk.record()["latency_us"]["response"]["max"]) >= 900_000.0, "{}", ended.out);
}

/// Measured for what this run delivered, and stated.
fn how_far_from_the_floor(record: &Value, ended: &Ended) {
    let (server, floor) = (&record["server"], &record["server"]["floor"]);
    assert_eq!(server["floor_missing"], Value::Null, "{server}");
    assert_eq!(floor["members"], 2 * 6 + 4 + 2 * 8, "{floor}");
    let frame = number(&server["delivery_bytes"]) / number(&server["deliveries"]);
    assert_eq!(number(&floor["bytes"]), frame.ceil(), "{floor}");
    let share = number(&floor["cpu_us_per_delivery"]) / number(&server["cpu_us_per_delivery"]);
    assert!((number(&floor["share"]) / share - 1.0).abs() < 1e-9, "{server}");
    assert!(ended.out.contains("distance to the floor (F3)  "), "{}", ended.out);
}

/// Valid; on a noisy machine perhaps not, but then for its timing alone. Never violated.
pub(super) fn believable(desk: &Desk, ended: &Ended) {
    assert!(matches!(ended.code, Some(0 | 2)), "{ended:?}");
    let record = desk.record();
    let verdict = &record["verdict"];
    let status = if ended.code == Some(0) { "valid" } else { "invalid" };
    assert_eq!(verdict["status"], status, "{verdict}");
    for reason in verdict["reasons"].as_array().expect("reasons are a list") {
        let reason = reason.as_str().expect("a reason is text");
        let of_the_machine = ["the generator was late", "Little's law"];
        assert!(of_the_machine.iter().any(|start| reason.starts_with(start)), "{verdict}");
    }
    let violations = record["violations"].as_object().expect("violations have names");
    assert_eq!(violations.len(), 10, "{violations:?}");
    assert!(violations.values().all(|count| count == 0), "{violations:?}");
    let count = |name: &str| number(&record["counts"][name]);
    assert!(count("accepted") > 0.0, "{}", ended.out);
    assert!(count("deliveries") > 0.0, "{}", ended.out);
    assert_eq!(count("deliveries"), count("deliveries_expected"));
    let accounted =
        count("accepted") + count("rejected") + count("timed_out") + count("not_issued");
    assert_eq!(count("issued"), accounted);
}

/// Every field of version 1 that readers of results rely on is there and filled in.
fn complete(record: &Value) {
    assert_eq!(record["schema_version"], 1);
    let latency = &record["latency_us"];
    for series in ["response", "service", "lateness", "fanout_first", "fanout_member"] {
        distribution(series, &latency[series]);
    }
    for series in ["fanout_p99", "fanout_last"] {
        distribution(series, &latency[series]);
    }
    let server = &record["server"];
    for cost in ["cpu_us_per_delivery", "packets_per_delivery", "syscalls_per_delivery"] {
        assert!(number(&server[cost]) > 0.0, "{cost}: {server}");
    }
    let members = &record["real_members"];
    // Two of each tape, and all of the live group.
    assert_eq!(members["members"], 8, "{members}");
    assert_eq!(members["faults"], json!([]), "{members}");
    let provenance = record["provenance"].as_object().expect("provenance has names");
    for absent_outside_a_repository in ["git_commit", "git_dirty"] {
        assert!(provenance.contains_key(absent_outside_a_repository), "{provenance:?}");
    }
    let filled = |name: &str| provenance.get(name).is_some_and(|value| !value.is_null());
    for name in ["stentor_version", "build_profile", "cpu_model", "cores", "kernel", "scenario"] {
        assert!(filled(name), "{name}: {provenance:?}");
    }
    for name in ["scenario_hash", "seed", "suites", "key_exchange", "sources", "started_utc"] {
        assert!(filled(name), "{name}: {provenance:?}");
    }
    for name in ["socket_buffer_bytes", "command"] {
        assert!(filled(name), "{name}: {provenance:?}");
    }
    assert_eq!(record["provenance"]["scenario"], "mixed");
    assert_eq!(record["classes"].as_array().map(Vec::len), Some(3));
}

fn distribution(name: &str, series: &Value) {
    assert!(number(&series["count"]) > 0.0, "{name}: {series}");
    let quantiles = ["p50", "p90", "p99", "p999", "max"].map(|what| number(&series[what]));
    assert!(quantiles.is_sorted(), "{name}: {series}");
    assert!(series["histogram"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {series}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
