//! `stentor sweep` and `stentor find-max`: many short runs, one result.

use std::fs;

use serde_json::Value;

use super::child::{Desk, Ended};

/// Half a second of next to nothing.
const SHORT: &str = r#"why = "to test"
expect = "it is offered at several rates"
seed = 3
thresholds = ["violations == 0", "fanout_last.p99 < 1min"]
durations = { warm_up = "100ms", measure = "500ms", drain = "10s" }

[[groups]]
name = "small"
count = 1
members = 4
source = "synthetic"
rate = "40/s"
"#;

/// The one result that is on the desk, and the other files beside it.
fn campaign(desk: &Desk, ended: &Ended) -> (Value, Vec<String>) {
    let results = desk.results();
    assert_eq!(results.len(), 1, "{ended:?}");
    let json = fs::read_to_string(results[0].join("campaign.json"))
        .unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let name = results[0].file_name().expect("a folder has a name").to_string_lossy();
    assert!(ended.out.ends_with(&format!("result: results/{name}\n")), "{}", ended.out);
    let names = fs::read_dir(&results[0]).expect("it is a folder");
    let names = names.map(|entry| entry.expect("it is read").file_name());
    let names = names.map(|name| name.into_string().expect("its name is text")).collect();
    (serde_json::from_str(&json).expect("a record is JSON"), names)
}

#[test]
fn a_sweep_runs_every_load_in_every_round_and_leaves_a_curve() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let scenario = scenario.to_str().expect("a temporary path is text");
    let ended = desk
        .stentor(
            &["sweep", scenario, "--rates", "20/s,80/s", "--rounds", "2", "--order", "mirrored"],
            &[],
        )
        .end();
    let (record, files) = campaign(&desk, &ended);
    assert_eq!((&record["kind"], &record["schema_version"]), (&"sweep".into(), &1.into()));
    let points = record["result"]["points"].as_array().expect("there are points");
    let factors: Vec<f64> = points.iter().map(|point| number(&point["factor"])).collect();
    assert_eq!(factors, [0.5, 2.0]);
    for point in points {
        assert_eq!(point["trials"].as_array().map(Vec::len), Some(2), "{point}");
        assert!(number(&point["deliveries_per_s"]["median"]) > 0.0, "{point}");
    }
    let valid = points.iter().all(|point| point["status"] == "valid");
    assert_eq!(ended.code, Some(if valid { 0 } else { 2 }), "{ended:?}");
    assert!(ended.err.contains("run 4 of 4: 0.5 times the rates, "), "{}", ended.err);
    let csv = fs::read_to_string(desk.results()[0].join("load.csv")).expect("it is there");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(files.contains(&"summary.txt".to_owned()), "{files:?}");
    assert!(desk.temporary().is_empty(), "no server is left");
}

#[test]
fn a_search_ends_with_what_it_knows_and_never_with_one_number() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let scenario = scenario.to_str().expect("a temporary path is text");
    let quick = ["--trial", "300ms", "--final", "400ms", "--trials", "1", "--width", "50%"];
    let within = ["--min-factor", "0.5", "--max-factor", "2", "--budget", "20s"];
    let ended = desk.stentor(&[&["find-max", scenario][..], &quick, &within].concat(), &[]).end();
    let (record, _) = campaign(&desk, &ended);
    assert_eq!(record["kind"], "find_max");
    let result = &record["result"];
    let trials = result["trials"].as_array().expect("there are trials");
    assert!(trials.len() >= 2, "{trials:?}");
    let slo: Vec<&str> =
        result["slo"].as_array().expect("it has lines").iter().filter_map(Value::as_str).collect();
    assert!(slo.contains(&"fanout_last.p99 < 1min") && slo.contains(&"bounded backlog"), "{slo:?}");
    // A machine that is too busy is the generator's limit, and that is a result too.
    let known = ["lower", "upper", "limited"].iter().any(|bound| !result[bound].is_null());
    let without = ["out_of_time", "contradictory"];
    assert!(known || without.iter().any(|why| result["conclusion"] == *why), "{result}");
    if result["conclusion"] == "above_range" {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(number(&result["lower"]["factor"]), 2.0);
    }
    for line in ["relevant lower bound  ", "relevant upper bound  ", "width  ", "SLO  "] {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    assert!(desk.temporary().is_empty(), "no server is left");
}

/// Every command that makes runs: nothing but the result, on the way where results go.
#[test]
fn a_quiet_sweep_and_a_quiet_search_print_their_results_alone() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let scenario = scenario.to_str().expect("a temporary path is text");
    let sweep = ["sweep", scenario, "--rates", "20/s", "--rounds", "1", "--quiet"];
    let search = ["find-max", scenario, "--trial", "300ms", "--final", "300ms", "--trials", "1"];
    let within = ["--min-factor", "0.9", "--max-factor", "1", "--budget", "5s", "--quiet"];
    for arguments in [sweep.to_vec(), [&search[..], &within].concat()] {
        let ended = desk.stentor(&arguments, &[]).end();
        assert_eq!(ended.err, "", "{ended:?}");
        assert!(ended.out.contains("\nresult: "), "{ended:?}");
    }
}

#[test]
fn a_search_that_cannot_be_made_is_refused_in_a_line() {
    let desk = Desk::new();
    let scenario = desk.write("short.toml", SHORT);
    let scenario = scenario.to_str().expect("a temporary path is text");
    let refused = |arguments: &[&str], hint: &str| {
        let ended = desk.stentor(&[&["find-max", scenario], arguments].concat(), &[]).end();
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.err.contains(hint), "{hint}: {}", ended.err);
        assert!(desk.results().is_empty(), "nothing is left of it");
    };
    refused(&["--slo", "response{group=x}.p99 < 1ms"], "there are small");
    refused(&["--min-factor", "2", "--max-factor", "1"], "is not below");
    refused(&["--width", "0%"], "a share from 0.1% to 50%");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
