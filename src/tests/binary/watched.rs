//! A run that is watched: its metrics, its silence, its slices of time; and the doctor.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use stentor::clock;

use super::child::{Desk, LONG, RUN_PATIENCE};

const SHORT: &str = r#"why = "to test"
expect = "it says nothing"
seed = 3
durations = { warm_up = "200ms", measure = "1s", drain = "5s" }

[[groups]]
name = "even"
count = 1
members = 4
source = "synthetic"
rate = "50/s"
arrivals = "even"
"#;

#[test]
fn a_quiet_run_prints_nothing_but_its_result() {
    let desk = Desk::new();
    let ended = desk.run(&desk.write("short.toml", SHORT), &["--quiet", "--no-floor"]).end();
    assert_eq!(ended.err, "", "not of the server that it starts, either");
    assert!(ended.out.contains("result: "), "{}", ended.out);
}

#[test]
fn the_slices_of_a_run_lie_beside_its_record_and_add_up_to_it() {
    let desk = Desk::new();
    desk.run(&desk.write("short.toml", SHORT), &["--no-floor"]).end();
    let (record, folder) = (desk.record(), desk.results().remove(0));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let rows = read("intervals.ndjson");
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows, *record["intervals"].as_array().unwrap());
    let accepted: u64 = rows.iter().map(|row| row["accepted"].as_u64().unwrap()).sum();
    assert_eq!(accepted, record["counts"]["accepted"].as_u64().unwrap());
    assert_eq!(read("intervals.csv").lines().count(), rows.len() + 1);
    let log = read("run.hlog");
    assert!(log.contains("#[StartTime: ") && log.contains("\nTag=fanout_last,"), "{log}");
    assert_eq!(record["engine"]["pacer"].as_array().unwrap().len(), 3);
    assert!(record["engine"]["worker_busy_share"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_run_shows_its_metrics_while_it_goes_on() {
    let desk = Desk::new();
    let scenario = desk.write("long.toml", LONG);
    let mut running = desk.run(&scenario, &["--metrics", "127.0.0.1:0", "--no-floor"]);
    running.loading_for(Duration::ZERO);
    let said = fs::read_to_string(desk.path("err.txt")).unwrap();
    let address = said.lines().find_map(|line| line.strip_prefix("metrics on ")).expect(&said);
    let deadline = clock::now() + RUN_PATIENCE;
    loop {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: stentor\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let value = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name)).expect(&page);
            line.trim().parse::<f64>().unwrap()
        };
        assert_eq!(value("stentor_run_violations_total"), 0.0);
        if value("stentor_run_operations_accepted_total") > 0.0 {
            assert!(value("stentor_run_fanout_last_seconds_count") > 0.0, "{page}");
            return;
        }
        assert!(clock::now() < deadline && !running.is_over(), "nothing was accepted: {page}");
        clock::wait_until(clock::now() + Duration::from_millis(50));
    }
}

#[test]
fn a_doctor_says_how_every_thing_is_and_what_to_change_about_what_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |arguments: &[&str]| {
        let results = folder.path().join("results");
        let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
        command.arg("doctor").arg("--results").arg(results).args(arguments).output().unwrap()
    };
    let output = doctor(&["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema_version"], 1);
    let findings = report["findings"].as_array().unwrap();
    for name in ["timer", "UDP buffers", "GSO", "GRO", "descriptors", "governor", "steal", "floor"]
    {
        assert!(findings.iter().any(|one| one["name"] == name), "{name}: {report:#}");
    }
    for one in findings {
        assert_eq!(one["verdict"] == "ok", one["change"].is_null(), "{one}");
    }
    let bad = findings.iter().any(|one| one["verdict"] == "bad");
    assert_eq!(output.status.code(), Some(i32::from(bad)), "{report:#}");
    let floor = findings.iter().find(|one| one["name"] == "floor").unwrap();
    assert_eq!(floor["change"], "stentor floor", "none is in a folder that is not there");
    let text = String::from_utf8(doctor(&[]).stdout).unwrap();
    assert!(text.contains("timer         wakes "), "{text}");
}
