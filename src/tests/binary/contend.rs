//! `stentor contend`: curves of a few points, what it leaves behind, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use stentor::clock;

use super::child::{PATIENCE, parse_ready};
use super::operation::{get, watched};

fn contend(out: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.arg("contend").arg("--out").arg(out).args(arguments);
    command.output().expect("the binary starts")
}

#[test]
fn small_curves_are_printed_and_kept_with_every_run() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let asks = "--policies retry,lease --racers 2,3 --members 4 --for 500ms --warm-up 100ms \
                --rounds 2 --reservation 0s --lease 20s --seed 4";
    let output = contend(desk.path(), &asks.split_whitespace().collect::<Vec<_>>());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    // On a busy machine a point may be late, and says so; nothing else may be wrong.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{out}\n{err}");
    assert!(err.contains("4 points, 8 runs"), "{err}");
    let kept: Vec<_> = fs::read_dir(desk.path()).expect("a folder").flatten().collect();
    let folder = kept.first().expect("one result").path();
    assert!(out.ends_with(&format!("result: {}\n", folder.display())), "{out}");
    let record = fs::read_to_string(folder.join("campaign.json")).expect("the record is kept");
    let record: Value = serde_json::from_str(&record).expect("a record is JSON");
    assert_eq!(record["kind"], "contend");
    let curves = record["result"]["curves"].as_array().expect("curves are a list");
    let shape: Vec<(&str, usize)> = curves
        .iter()
        .map(|curve| {
            let points = curve["points"].as_array().expect("points are a list");
            (curve["policy"].as_str().expect("a name"), points.len())
        })
        .collect();
    assert_eq!(shape, [("retry", 2), ("lease", 2)]);
    for point in curves.iter().flat_map(|curve| curve["points"].as_array().expect("a list")) {
        assert_eq!(point["runs"], 2, "{point}");
        assert_ne!(point["status"], "violated", "{point}");
        assert!(point["time_to_commit"]["count"].as_u64() > Some(0), "{point}");
        assert!(point["successes_per_s"]["median"].as_f64() > Some(0.0), "{point}");
    }
    let lease = &curves[1]["points"][0];
    assert_eq!(lease["wasted_bytes_per_success"]["max"], 0.0, "{lease}");
    assert!(lease["overhead_bytes_per_success"]["min"].as_f64() > Some(0.0), "{lease}");
    let csv = fs::read_to_string(folder.join("contention.csv")).expect("the table is kept");
    assert_eq!(csv.lines().count(), 1 + 4, "{csv}");
}

/// One counter of a watched server, of all its shards.
fn counted(metrics: &str, name: &str) -> f64 {
    let (_, page) = get(metrics, "/metrics").expect("the server is up");
    let of_shards = page.lines().filter_map(|line| line.strip_prefix(&format!("{name}{{")));
    of_shards.map(|line| line.rsplit(' ').next().expect(line).parse::<f64>().expect(line)).sum()
}

#[test]
fn a_server_that_is_up_is_raced_on_for_every_point_and_outlives_it() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let (state, results) = (desk.path().join("state"), desk.path().join("results"));
    let (mut served, metrics) = watched(&state);
    let line = served.line();
    let (address, ..) = parse_ready(&line);
    let asks = "--policies retry,lease --racers 2 --members 3,4 --for 500ms --warm-up 100ms \
                --rounds 1 --lease 20s --target";
    let state = state.to_str().expect("a temporary path is text");
    let at = [address, "--state", state];
    let asks: Vec<&str> = asks.split_whitespace().chain(at).collect();
    let mut ordered = 0.0;
    // Once more on what the first left, which is nothing.
    for times in 1..=2 {
        let output = contend(&results, &asks);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 2)), "{out}\n{err}");
        let folders: Vec<_> = fs::read_dir(&results).expect("a folder").flatten().collect();
        assert_eq!(folders.len(), times);
        for folder in folders {
            let record = fs::read_to_string(folder.path().join("campaign.json")).expect("it is");
            let record: Value = serde_json::from_str(&record).expect("a record is JSON");
            let curves = record["result"]["curves"].as_array().expect("curves are a list");
            assert_eq!(curves.len(), 4, "two policies in groups of two sizes");
            for curve in curves {
                let points = curve["points"].as_array().expect("points are a list");
                assert_eq!(points.len(), 1, "{curve}");
                assert_eq!((&points[0]["runs"], &points[0]["racers"]), (&1.into(), &2.into()));
                assert_ne!(points[0]["status"], "violated", "{curve}");
                assert_ne!(points[0]["status"], "failed", "{curve}");
                assert!(points[0]["time_to_commit"]["count"].as_u64() > Some(0), "{curve}");
            }
        }
        // It is this server that has served them all, and everybody has left it.
        let now = counted(&metrics, "stentor_accepted_commit_total");
        assert!(now > ordered, "{now} after {ordered}");
        ordered = now;
        let deadline = clock::now() + PATIENCE;
        while counted(&metrics, "stentor_sessions") + counted(&metrics, "stentor_groups") > 0.0 {
            assert!(clock::now() < deadline, "something is left of it");
            clock::wait_until(clock::now() + Duration::from_millis(20));
        }
    }
    served.signal(Signal::SIGTERM);
    let (status, _, err) = served.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

#[test]
fn what_cannot_be_raced_is_one_line_and_leaves_nothing() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let results = desk.path().join("new");
    for (asks, says) in [
        ("--racers 8 --members 4", "no point has as many members as racers"),
        ("--rate often", "--rate takes a rate such as 2/s"),
        ("--groups 0", "groups[0].count"),
        ("--base 3s", "longer than `max`"),
    ] {
        let output = contend(&results, &asks.split_whitespace().collect::<Vec<_>>());
        let err = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{err}");
        assert!(err.starts_with("stentor contend: ") && err.contains(says), "{asks}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    assert!(!results.exists());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
