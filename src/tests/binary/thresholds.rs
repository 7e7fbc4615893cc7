//! `stentor run` with thresholds: exit code 99, a run that is given up, what a build server reads.

use std::fs;

use serde_json::Value;

use super::child::{Desk, LONG};

/// A second of load that no machine is too slow for.
const SHORT: &str = r#"why = "to test"
expect = "a threshold fails and another one holds"
seed = 3
thresholds = ["violations == 0", { that = "deliveries_per_s > 1000000/s", abort = false }]
durations = { warm_up = "100ms", measure = "1s", drain = "10s" }

[[groups]]
name = "small"
count = 1
members = 6
source = "synthetic"
rate = "50/s"
"#;

#[test]
fn a_threshold_that_does_not_hold_ends_a_valid_run_with_99() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let more = ["--no-floor", "--threshold", "fanout_last{group=small}.count > 3"];
    let ended = desk.run(&scenario, &more).end();
    let record = desk.record();
    let valid = record["verdict"]["status"] == "valid";
    // A machine that is too busy makes the run invalid, and then that is what counts.
    assert_eq!(ended.code, Some(if valid { 99 } else { 2 }), "{ended:?}");
    let thresholds = record["thresholds"].as_array().expect("there are thresholds");
    let found: Vec<&Value> = thresholds.iter().map(|of| &of["status"]).collect();
    assert_eq!(found, ["pass", "fail", "pass"], "{thresholds:?}");
    assert_eq!(record["aborted"], Value::Null);
    assert!(ended.out.contains("FAIL  deliveries_per_s > 1000000/s"), "{}", ended.out);
    let xml = fs::read_to_string(desk.results()[0].join("junit.xml")).expect("it is there");
    assert_eq!(xml.matches("<testcase").count(), 4, "{xml}");
}

#[test]
fn a_run_that_cannot_hold_a_threshold_is_given_up_in_order() {
    let desk = Desk::new();
    let scenario = desk.write("long.toml", LONG);
    // Nothing is faster than light.
    let ended = desk.run(&scenario, &["--no-floor", "--threshold", "response.max < 1us"]).end();
    let record = desk.record();
    let valid = record["verdict"]["status"] == "valid";
    assert_eq!(ended.code, Some(if valid { 99 } else { 2 }), "{ended:?}");
    let aborted = &record["aborted"];
    assert_eq!(aborted["threshold"], "response.max < 1us", "{aborted}");
    assert_eq!(record["thresholds"][0]["aborted"], true);
    let window = record["throughput"]["window_s"].as_f64().expect("a window has a length");
    assert!(window > 0.0 && window < 60.0, "it did not wait for two minutes: {window}");
    let counts = &record["counts"];
    assert!(counts["issued"].as_u64().expect("it is a number") < 120 * 50, "{counts}");
    let violated: u64 = record["violations"]
        .as_object()
        .expect("kinds have names")
        .iter()
        .filter(|(kind, _)| !["missing", "winner_not_told"].contains(&kind.as_str()))
        .map(|(_, count)| count.as_u64().expect("it is a number"))
        .sum();
    assert_eq!(violated, 0, "{}", record["violations"]);
    assert!(desk.temporary().is_empty(), "its server is gone");
}

#[test]
fn a_threshold_that_is_none_is_refused_with_its_place() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let ended = desk.run(&scenario, &["--threshold", "respnse.p99 < 1ms"]).end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("did you mean response"), "{}", ended.err);
    assert!(ended.err.contains("  ^^^^^^^\n"), "{}", ended.err);
    let ended = desk.run(&scenario, &["--threshold", "response{group=x}.p99 < 1ms"]).end();
    assert!(ended.refusal().ends_with("there are small"), "{ended:?}");
}
