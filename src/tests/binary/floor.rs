//! `stentor floor`: what it leaves behind, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn floor(results: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.arg("floor").arg("--results").arg(results).args(arguments);
    command.output().expect("the binary starts")
}

#[test]
fn a_small_floor_is_printed_and_kept() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let results = desk.path().join("new");
    let output = floor(&results, &["--members", "8", "--bytes", "350,3000", "--sockets", "8"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    let path = results.join("host.json");
    assert!(out.ends_with(&format!("result: {}\n", path.display())), "{out}");
    let record = fs::read_to_string(path).expect("the record is kept");
    let record: Value = serde_json::from_str(&record).expect("a record is JSON");
    assert_eq!(record["schema_version"], 1);
    assert_eq!(record["seal"].as_array().map(Vec::len), Some(6));
    assert_eq!(record["udp_send"].as_array().map(Vec::len), Some(3));
    let bytes: Vec<&Value> = (0..2).map(|index| &record["f3"][index]["bytes"]).collect();
    assert_eq!(bytes, [350, 3_000]);
    for work in record["f3"].as_array().expect("works are a list") {
        assert!(work["cpu_us_per_delivery"]["median"].as_f64() > Some(0.0), "{work}");
        assert_eq!(work["losses"], 0, "{work}");
    }
}

#[test]
fn a_floor_that_cannot_be_measured_is_one_line_and_leaves_nothing() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let results = desk.path().join("new");
    for (arguments, says) in [
        (["--members", "0"], "stentor floor: 0 members cannot be measured; choose 1 to 200000\n"),
        (["--bytes", "350,0"], "stentor floor: a message of 0 bytes cannot be measured; "),
        (["--packets-per-ack", "0"], "stentor floor: an acknowledgement answers 1 to "),
        (["--sockets", "0"], "stentor floor: 0 receiving sockets cannot be measured; "),
    ] {
        let output = floor(&results, &arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{err}");
        assert!(err.starts_with(says), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    assert!(!results.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_one_line_before_anything_is_measured() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let results = file.path().join("below");
    let output = floor(&results, &[]);
    let err = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{err}");
    let says = format!("stentor floor: cannot write results to {}: ", results.display());
    assert!(err.starts_with(&says), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
