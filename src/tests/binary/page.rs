//! `report.html` in a real browser: drawn at four widths, light and dark, with nothing loaded.
//!
//! The page of a run, of each kind of campaign and of a comparison of suites, from real records with words in them that no run
//! has.
//!
//! The browser is the Chromium of this system, or the one that `STENTOR_CHROMIUM` names; without
//! one the test says that it is skipped. With `STENTOR_SCREENSHOTS` set to a folder its pictures
//! stay there, to be looked at.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use stentor::campaign::page as campaign;
use stentor::campaign::record::{CampaignOutcome, CampaignRecord, LoadCurve, LoadPoint};
use stentor::report::html::render;
use stentor::report::record::Record;
use stentor::report::verdict::Status;
use stentor::suites::record::SuitesRecord;

use super::child::{Desk, end_of};

/// A browser on a busy machine may take its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where browsers are found, and the variable that names another one.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const NAMED: &str = "STENTOR_CHROMIUM";

/// The variable that names the folder in which pictures stay.
const KEPT: &str = "STENTOR_SCREENSHOTS";

/// Measures the page in frames of several widths and leaves what it found in its own document.
const HARNESS: &str = include_str!("page.js");

/// From a telephone to a desk.
const WIDTHS: [u32; 4] = [400, 700, 1_100, 1_600];

fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(NAMED) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path);
    places.flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|place| place.is_file())
}

/// What it printed, and what it complained of.
fn browse(program: &Path, desk: &Desk, arguments: &[&str], page: &Path) -> (String, String) {
    let (out, err) = (desk.path("browser.out"), desk.path("browser.err"));
    let profile = desk.path("profile");
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("it can be written"))
        .stderr(File::create(&err).expect("it can be written"))
        .spawn()
        .expect("the browser starts");
    let ended = end_of(&mut child, PATIENCE);
    if ended.is_none() {
        child.kill().ok();
        child.wait().ok();
    }
    let read = |path| String::from_utf8_lossy(&fs::read(path).expect("it is there")).into_owned();
    let (out, err) = (read(&out), read(&err));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {err}");
    (out, err)
}

/// Neither markup nor a word that breaks.
const HOSTILE: &str = "<script>alert(1)</script>";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn reference(name: &str) -> String {
    let path = root().join("results/reference").join(name);
    fs::read_to_string(path).expect("the reference is in the repository")
}

fn endless() -> String {
    "a-reason-without-a-space-".repeat(12)
}

/// Everything that a record can have, and a name that is none.
fn record() -> Record {
    let json = reference("offline-return/run.json");
    let mut record = Record::from_json(&json).expect("it is a record");
    record.provenance.scenario = HOSTILE.to_owned();
    record.verdict.reasons = vec![endless()];
    record.violation_examples = vec!["gap: a member's next delivery (group 3)".to_owned()];
    record
}

/// A search as it was made, but that one of its trials gives a reason without an end.
fn search() -> CampaignRecord {
    let json = reference("capacity-fanout-1k/campaign.json");
    let mut record = CampaignRecord::from_json(&json).expect("it is a record");
    record.provenance.scenario = HOSTILE.to_owned();
    let CampaignOutcome::FindMax(capacity) = &mut record.outcome else {
        panic!("it is of a search");
    };
    capacity.slo.push(format!("{HOSTILE} {}", endless()));
    let trial = capacity.trials.last_mut().expect("there were trials");
    trial.missed = vec![endless(), HOSTILE.to_owned()];
    record
}

/// The trials of a search as the loads of a sweep, one of which does not count.
fn sweep() -> CampaignRecord {
    let mut record = search();
    let CampaignOutcome::FindMax(capacity) = &record.outcome else { panic!("it is of a search") };
    let mut trials = capacity.trials.clone();
    trials.sort_by(|one, next| one.factor.total_cmp(&next.factor));
    let last = trials.last_mut().expect("there were trials");
    (last.status, last.reasons) = (Status::Invalid, vec![endless()]);
    let loads = trials.chunk_by(|one, next| one.factor.total_cmp(&next.factor).is_eq());
    let points = loads.filter_map(|of| LoadPoint::of(of[0].factor, of.to_vec())).collect();
    record.outcome = CampaignOutcome::Sweep(LoadCurve {
        order: "shuffled".to_owned(),
        seed: 1,
        rounds: 1,
        points,
    });
    record
}

/// Curves as they were made, but that one point gives a reason and a policy has a name.
fn contention() -> CampaignRecord {
    let json = reference("contention/campaign.json");
    let mut record = CampaignRecord::from_json(&json).expect("it is a record");
    let CampaignOutcome::Contend(result) = &mut record.outcome else {
        panic!("it is of contention");
    };
    let curve = result.curves.last_mut().expect("there are curves");
    let point = curve.points.last_mut().expect("there are points");
    (point.status, point.reasons) = ("invalid".to_owned(), vec![endless(), HOSTILE.to_owned()]);
    record
}

/// A comparison as it was made, but that one of its cells failed with words that have no end.
fn suites() -> SuitesRecord {
    let json = reference("suites/suites.json");
    let mut record = SuitesRecord::from_json(&json).expect("it is a record");
    let cell = record.cells.last_mut().expect("there are cells");
    cell.error = Some(format!("{HOSTILE} {}", endless()));
    record
}

/// What suites cost at the service, but that one of its runs gives reasons.
fn serving() -> CampaignRecord {
    let json = reference("serve-cost/campaign.json");
    let mut record = CampaignRecord::from_json(&json).expect("it is a record");
    let CampaignOutcome::ServeCost(result) = &mut record.outcome else {
        panic!("it is of suites at the service");
    };
    let row = result.rows.last_mut().expect("there are rows");
    row.reasons = vec![endless(), HOSTILE.to_owned()];
    record
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

fn harness(desk: &Desk, page: &str) -> PathBuf {
    let frames = WIDTHS.map(|width| {
        let page = escape(page);
        format!("<iframe width={width} height=900 style=\"border:0\" srcdoc=\"{page}\"></iframe>")
    });
    let frames = frames.concat();
    let text = format!(
        "<!doctype html><meta charset=utf-8><pre id=measured></pre>{frames}<script>{HARNESS}</script>"
    );
    desk.write("harness.html", &text)
}

/// What the harness found in each of its frames.
fn measured(out: &str) -> Vec<Value> {
    let (_, rest) = out.split_once("<pre id=\"measured\">").expect(out);
    let (json, _) = rest.split_once("</pre>").expect("it is closed");
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn no_complaint(err: &str) {
    let complaints: Vec<&str> = err.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The page at every width, light and dark, with these sections and no fault.
fn drawn(program: &Path, desk: &Desk, page: &str, sections: &[&str]) {
    let harness = harness(desk, page);
    let mut grounds = Vec::new();
    for scheme in ["1", "0"] {
        let colours = format!("--blink-settings=preferredColorScheme={scheme}");
        let (out, err) = browse(program, desk, &["--dump-dom", &colours], &harness);
        no_complaint(&err);
        let frames = measured(&out);
        assert_eq!(frames.len(), WIDTHS.len());
        for (frame, width) in frames.iter().zip(WIDTHS) {
            assert_eq!(frame["width"], width);
            assert_eq!(frame["faults"], Value::Array(Vec::new()), "{width}: {frame:#}");
            assert!(frame["charts"].as_u64() >= Some(3), "{width}: {frame:#}");
            assert!(frame["hovered"].as_u64() >= Some(2), "{width}: {frame:#}");
            assert_eq!(frame["loads"], 0, "{frame:#}");
            assert_eq!(frame["sections"], Value::from(sections), "{width}");
        }
        grounds.push(frames[0]["ground"].clone());
    }
    assert_ne!(grounds[0], grounds[1], "there is a dark page too");
}

#[test]
fn a_page_is_drawn_by_a_real_chromium_or_this_is_skipped_for_want_of_one() {
    let Some(program) = chromium() else { return skipped() };
    let desk = Desk::new();
    let sample = fs::read_to_string(root().join("results/sample/quickstart.html"));
    let sample = sample.expect("the sample is in the repository");
    let (first, last) = (["quantiles", "completion", "cost", "latency"], ["provenance", "reading"]);
    let of_record = [&["figures"], &first[..], &["away", "oracle"], &last].concat();
    let of_sample =
        [&["figures", "time"], &first[..], &["contention", "oracle", "doubt"], &last].concat();
    drawn(&program, &desk, &render(&record()), &of_record);
    drawn(&program, &desk, &sample, &of_sample);
    pictures(&program, &desk, "run", &render(&record()));
}

#[test]
fn pages_of_campaigns_are_drawn_by_a_real_chromium_or_this_is_skipped_for_want_of_one() {
    let (load, last) = (["load", "runs"], ["provenance", "reading"]);
    for (name, record, sections) in [
        ("sweep", sweep(), [&load[..], &last].concat()),
        ("find-max", search(), [&load[..], &["said", "goal"], &last].concat()),
        ("contend", contention(), [&["racers", "sizes", "points"][..], &last].concat()),
        (
            "serve-cost",
            serving(),
            [&["suites", "points", "searched", "modelled"][..], &last].concat(),
        ),
    ] {
        looked_at(name, &campaign::render(&record), &sections);
    }
}

#[test]
fn the_page_of_suites_is_drawn_by_a_real_chromium_or_this_is_skipped_for_want_of_one() {
    let sections = ["failures", "time", "bytes", "alone", "beside", "states", "every", "published"];
    let sections = [&sections[..], &["provenance"]].concat();
    looked_at("suites", &stentor::suites::page::render(&suites()), &sections);
}

/// A page without a fault, and pictures of it where somebody wants to see them.
fn looked_at(name: &str, page: &str, sections: &[&str]) {
    let Some(program) = chromium() else { return skipped() };
    let desk = Desk::new();
    drawn(&program, &desk, page, sections);
    if std::env::var_os(KEPT).is_some() {
        pictures(&program, &desk, name, page);
    }
}

#[expect(clippy::print_stdout, reason = "whoever reads the tests is to know what was skipped")]
fn skipped() {
    println!("skipped: no Chromium; scripts/chromium.sh install, or set {NAMED}");
}

/// Two pictures, each of the size that was asked for.
fn pictures(program: &Path, desk: &Desk, of: &str, page: &str) {
    let file = desk.write("report.html", page);
    let kept = std::env::var_os(KEPT).map(PathBuf::from);
    for width in [600_u32, 1_400] {
        let name = format!("{of}-{width}.png");
        let picture = kept.as_ref().map_or_else(|| desk.path(&name), |folder| folder.join(&name));
        let to = format!("--screenshot={}", picture.display());
        let size = format!("--window-size={width},1200");
        let (_, err) = browse(program, desk, &[&to, &size], &file);
        no_complaint(&err);
        let bytes = fs::read(&picture).expect("there is a picture");
        // The header of a PNG: its width and height are at 16 and 20.
        let number =
            |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("it has a header"));
        assert_eq!((&bytes[1..4], number(16), number(20)), (&b"PNG"[..], width, 1_200));
        assert!(bytes.len() > 20_000, "an empty picture is {} bytes", bytes.len());
    }
}
