//! `stentor suites`: what it lists, what it leaves behind, what it refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn suites(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.arg("suites").args(arguments).output().expect("the binary starts")
}

fn run(results: &Path, arguments: &[&str]) -> Output {
    let results = results.to_str().expect("a temporary folder is text");
    let fixed = ["run", "--budget", "1ms", "--results", results];
    suites(&[&fixed[..], arguments].concat())
}

fn folder_of(record: &str) -> &str {
    Path::new(record).parent().and_then(Path::to_str).expect("a record lies in a folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

#[test]
fn one_suite_in_two_stacks_is_measured_kept_and_not_measured_again() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let asked =
        ["x25519-aes128-ed25519", "--stacks", "openmls/rust_crypto,mls-rs/awslc", "--sizes", "2,5"];
    let first = run(desk.path(), &asked);
    let (out, err) = (text(&first.stdout), text(&first.stderr));
    assert_eq!(first.status.code(), Some(0), "{err}");
    // Fresh at both sizes, merged and churned at five; what takes long tells how far it is as well.
    assert!(err.starts_with("measuring 8 of 8 cells, "), "{err}");
    assert_eq!(err.lines().filter(|line| !line.starts_with(' ')).count(), 1 + 2 * 4, "{err}");
    let path = out.trim_end().rsplit("result: ").next().expect("the record is named");
    let json = fs::read_to_string(path).expect("the record is kept");
    let record: Value = serde_json::from_str(&json).expect("a record is JSON");
    let cells = record["cells"].as_array().expect("cells are a list");
    assert_eq!(cells.len(), 8);
    for cell in cells {
        assert_eq!(cell["error"], Value::Null);
        assert_eq!(cell["times"].as_array().map(Vec::len), Some(12));
        assert!(cell["times"][0]["n"].as_u64() >= Some(7), "{cell}");
    }
    // The stacks put the same bytes on the wire.
    for pair in cells.chunks(2).take(1) {
        assert_eq!(pair[0]["sizes"], pair[1]["sizes"]);
    }
    let again = run(desk.path(), &asked);
    assert_eq!(text(&again.stderr), "8 of 8 cells were there already\n");
    // What is missing is measured, by itself, and the record is the same in everything else.
    let cells_of = desk.path().join(folder_of(path)).join("cells");
    fs::remove_file(cells_of.join("x25519-aes128-ed25519.mls-rs-awslc.5.merged.json"))
        .expect("every cell is kept by its name");
    let mended = run(desk.path(), &asked);
    let told = text(&mended.stderr);
    assert!(told.ends_with("7 of 8 cells were there already\n"), "{told}");
    assert!(told.contains("8/8 x25519-aes128-ed25519.mls-rs-awslc.5.merged: "), "{told}");
    let json = fs::read_to_string(path).expect("the record is kept");
    let again: Value = serde_json::from_str(&json).expect("a record is JSON");
    let at = |place: usize| (&again["cells"][place], &cells[place]);
    assert!((0..8).all(|place| at(place).0["state"] == at(place).1["state"]), "in the same order");
    assert_eq!((0..8).filter(|place| at(*place).0 != at(*place).1).count(), 1);
    let quiet = run(desk.path(), &[&asked[..], &["--quiet"]].concat());
    assert_eq!(text(&quiet.stderr), "");
    assert_eq!(text(&quiet.stdout).lines().count(), out.lines().count());
}

#[test]
fn a_group_is_settled_by_few_and_the_table_of_the_readme_is_made_of_the_record() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let asked = ["x25519-aes128-ed25519", "--states", "fresh,settled", "--sizes", "20"];
    let output = run(desk.path(), &asked);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    for told in ["settled tree", "at 20 members in several stacks", "why stacks differ"] {
        assert!(out.contains(told), "{told}: {out}");
    }
    assert!(!out.contains("seed"), "nothing here has one: {out}");
    let record = out.trim_end().rsplit("result: ").next().expect("the record is named");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/suites.py");
    let made = Command::new("python3").arg("-B").arg(script).args([record, "20"]).output();
    let Ok(made) = made else {
        println!("skipped the README's table: no python3");
        return;
    };
    let table = text(&made.stdout);
    assert!(made.status.success(), "{}", text(&made.stderr));
    for told in ["Fresh:", "Settled:", "`x25519-aes128-ed25519`, mls-rs/awslc | "] {
        assert!(table.contains(told), "{told}: {table}");
    }
}

#[test]
fn an_unknown_suite_is_one_line_with_the_nearest_and_who_has_them() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    for arguments in [vec!["list", "xwing-aes128"], vec!["run", "xwing-aes128"]] {
        let output = suites(&arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains("xwing-aes128-ed25519 (openmls/rust_crypto)"), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    for (arguments, says) in [
        (["x448-aes256-ed448", "--sizes", "2"], "no stack here has x448-aes256-ed448; the nearest"),
        (["x25519-aes128-ed25519", "--sizes", "1"], "a group of 1 cannot be measured"),
        (["x25519-aes128-ed25519", "--sizes", "60000"], "choose 2 to 50000"),
    ] {
        let output = run(desk.path(), &arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(says), "{err}");
    }
    let left = fs::read_dir(desk.path()).expect("the folder is there").count();
    assert_eq!(left, 0, "refused before anything is made");
}

#[test]
fn a_suite_at_the_service_is_printed_and_kept_with_its_page() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let results = desk.path().to_str().expect("a temporary folder is text");
    let asked = "x25519-aes128-ed25519 --sizes 8 --patterns combiner:2,welcome --no-saturation \
                 --rounds 1 --for 300ms --results";
    let arguments: Vec<&str> = ["serve-cost"].into_iter().chain(asked.split_whitespace()).collect();
    let output = suites(&[&arguments[..], &[results]].concat());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    // On a busy machine a point may be late, and says so; nothing else may be wrong.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{out}\n{err}");
    assert!(err.contains("run 4 of 4: "), "{err}");
    let kept: Vec<_> = fs::read_dir(desk.path()).expect("a folder").flatten().collect();
    let folder = kept.first().expect("one result").path();
    assert!(out.ends_with(&format!("result: {}\n", folder.display())), "{out}");
    let record = fs::read_to_string(folder.join("campaign.json")).expect("the record is kept");
    let record: Value = serde_json::from_str(&record).expect("a record is JSON");
    assert_eq!(record["kind"], "serve_cost");
    let rows = record["result"]["rows"].as_array().expect("rows are a list");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["x25519-aes128-ed25519", "combiner:2:mlkem768-aes256-ed25519"]);
    for row in rows {
        assert_ne!(row["status"], "violated", "{row}");
        assert!(row["commit_last"]["count"].as_u64() >= Some(2), "{row}");
        assert!(row["message_last_alone"]["count"].as_u64() > Some(0), "{row}");
        assert!(row["egress_bytes_per_s"]["median"].as_f64() > Some(0.0), "{row}");
        assert!(row["saturation"].is_null(), "{row}");
    }
    assert!(rows[0]["commit_bytes"].as_f64() < rows[1]["commit_bytes"].as_f64());
    let modelled = record["result"]["modelled"].as_array().map(Vec::len);
    assert_eq!(modelled, Some(3), "a pattern that is not loaded is modelled");
    let joins = record["result"]["joins"].as_array().expect("joins are a list");
    let names: Vec<&str> = joins.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["x25519-aes128-ed25519", "welcome:xwing-aes128-ed25519"]);
    for row in joins {
        assert_ne!(row["status"], "violated", "{row}");
        assert!(row["joins"].as_u64() >= Some(8) && row["join"]["count"] == row["joins"], "{row}");
        assert!(row["cpu_us_per_join"]["median"].as_f64() > Some(0.0), "{row}");
    }
    let welcome = |row: &Value| row["welcome_bytes"].as_f64().expect("Welcomes came");
    assert_eq!(welcome(&joins[1]) - welcome(&joins[0]), f64::from(1_120 + 2 - 32 - 1));
    let csv = fs::read_to_string(folder.join("serve-cost.csv")).expect("the table is kept");
    assert_eq!(csv.lines().count(), 1 + 2, "{csv}");
    let joins =
        fs::read_to_string(folder.join("serve-cost-joins.csv")).expect("so is that of joins");
    assert_eq!(joins.lines().count(), 1 + 2, "{joins}");
    assert_eq!(joins.lines().map(|line| line.split(',').count()).max(), Some(22), "{joins}");
    assert_eq!(joins.lines().map(|line| line.split(',').count()).min(), Some(22), "{joins}");
    let page = fs::read_to_string(folder.join("report.html")).expect("the page is kept");
    assert!(page.contains("(pattern, modelled)") && page.contains("x25519-aes128-ed25519"));
}

#[test]
fn what_cannot_be_compared_at_a_service_is_one_line_and_leaves_nothing() {
    let desk = tempfile::tempdir().expect("a temporary folder");
    let results = desk.path().join("new");
    let results = results.to_str().expect("a temporary folder is text");
    for (asked, says) in [
        ("xwing-aes128", "xwing-aes128-ed25519 (openmls/rust_crypto)"),
        ("p384-aes256-p384", "no stack that is asked for has p384-aes256-p384: mls-rs/awslc"),
        ("--sizes 1", "choose 2 to 10000"),
        ("--patterns hybrid", "write welcome or combiner:10"),
    ] {
        let words: Vec<&str> = asked.split_whitespace().collect();
        let output = suites(&[&["serve-cost", "--results", results][..], &words].concat());
        let err = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{err}");
        assert!(err.starts_with("stentor suites serve-cost: ") && err.contains(says), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    assert!(!Path::new(results).exists());
}

#[test]
fn the_list_is_a_table_or_json() {
    let table = text(&suites(&["list"]).stdout);
    assert!(table.contains("mlkem1024-aes256-mldsa87"), "{table}");
    let json: Value = serde_json::from_slice(&suites(&["list", "--json"]).stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(21));
    assert!(table.contains("suites serve-cost --patterns welcome,combiner:10"), "{table}");
    let made = json[14]["patterns"].as_array().map(Vec::len);
    assert_eq!((json[14]["name"].as_str(), made), (Some("mlkem768-aes256-mldsa65"), Some(2)));
    let help = text(&suites(&["run", "--help"]).stdout);
    let said = "patterns of two suites (welcome, combiner:N) are not measured";
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{help}");
}
