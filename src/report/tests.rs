//! A record from its parts: what it says, how it is kept, what is printed of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::build::{EngineTotals, Finished, ServerTotals, record};
use super::folder::RunFolder;
use super::provenance::Provenance;
use super::record::{Record, RecordError};
use super::summary::{Look, render};
use super::verdict::Status;
use crate::load::Verified;
use crate::load::noted::Noted;
use crate::load::oracle::{Delivered, Judgement, Oracle};
use crate::load::recorder::{Due, Recorder};
use crate::load::scenario::{Scenario, hash};

const SCENARIO: &str = include_str!("../../scenarios/quickstart.toml");

/// A run of 2,000 operations of 2 ms each, with two deliveries each, at 200 a second.
fn finished(judgement: &Judgement, gone: bool) -> Record {
    let scenario = Scenario::parse(SCENARIO, "quickstart.toml").unwrap();
    let mut recorder = Recorder::new(scenario.groups.len(), Duration::ZERO..scenario.measure);
    for operation in 0..2000 {
        let intended = Duration::from_millis(operation * 5);
        let due = Due { class: 0, intended, measured: true };
        let at = intended + Duration::from_millis(2);
        recorder.reached(due, intended + Duration::from_micros(3));
        recorder.accepted(due, intended + Duration::from_micros(4), at);
        for last in [false, true] {
            let attempt = operation;
            let delivered = Delivered {
                attempt,
                intended,
                measured: true,
                first: !last,
                reached_p99: last,
                last,
            };
            recorder.delivered(0, &delivered, 250, at);
        }
    }
    let implied = 2000.0 / scenario.measure.as_secs_f64() * 0.002;
    record(Finished {
        scenario: &scenario,
        recorder: &recorder,
        judgement,
        called_for: 2000,
        in_flight_mean: implied,
        refusals: &BTreeMap::new(),
        held: 3,
        verified: &Verified::default(),
        sessions_lost: &Noted::default(),
        server: Some(ServerTotals {
            cpu: Duration::from_micros(12_000),
            deliveries: 4000,
            packets_sent: 5000,
            ..ServerTotals::default()
        }),
        server_lost: gone.then(|| "exit status 101".to_owned()),
        engine: EngineTotals::default(),
        provenance: Provenance::of_scenario(&scenario, "quickstart", &hash(SCENARIO)),
    })
}

#[test]
fn a_record_survives_being_written_and_read() {
    let record = finished(&Judgement::default(), false);
    assert_eq!(record.verdict.status, Status::Valid, "{:?}", record.verdict);
    assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
    assert_eq!(record.server.unwrap().cpu_us_per_delivery, Some(3.0));
    assert_eq!(record.server.unwrap().packets_per_delivery, Some(1.25));
}

#[test]
fn the_histogram_in_a_record_is_the_whole_histogram() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let record = finished(&Judgement::default(), false);
    let bytes = STANDARD.decode(&record.latency_us.response.histogram).unwrap();
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
    assert_eq!(histogram.len(), 2000);
    assert_eq!(histogram.value_at_quantile(0.5), record.latency_us.response.p50);
}

#[test]
fn a_record_of_another_version_or_of_nothing_is_refused() {
    let json = finished(&Judgement::default(), false).to_json();
    let newer = json.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    assert!(matches!(Record::from_json(&newer), Err(RecordError::Version { found: 2 })));
    assert!(matches!(Record::from_json("{}"), Err(RecordError::Malformed(_))));
}

#[test]
fn a_violation_is_the_first_thing_a_summary_says() {
    let mut oracle = Oracle::new();
    oracle.timed_out(0);
    let record = finished(&oracle.finish(0), true);
    assert_eq!(record.verdict.status, Status::Violated);
    let text = render(&record, Path::new("results/x"), Look::default());
    assert!(
        text.starts_with("VIOLATED  quickstart\n  - 1 x conservation\n  - the server was lost"),
        "{text}"
    );
    assert!(text.contains("conservation: an outcome that cannot follow (attempt 0)"), "{text}");
}

#[test]
fn a_summary_keeps_to_its_width_and_to_plain_text_unless_asked() {
    let record = finished(&Judgement::default(), false);
    let plain = render(&record, Path::new("results/x"), Look { width: 90, colour: false });
    assert!(!plain.contains('\u{1b}'));
    assert!(plain.ends_with("result: results/x\n"), "{plain}");
    for row in plain.lines().filter(|line| line.contains("fan-out") || line.contains('─')) {
        assert!(row.chars().count() <= 90, "{row}");
    }
    let coloured = render(&record, Path::new("results/x"), Look { width: 90, colour: true });
    assert!(coloured.starts_with("\u{1b}[1;32mVALID\u{1b}[0m"));
}

#[test]
fn a_folder_is_named_by_moment_scenario_and_hash_and_completed_by_the_record() {
    let results = tempfile::tempdir().unwrap();
    let started = Duration::from_secs(1_769_903_999);
    let within = results.path().join("new");
    let folder = RunFolder::create(&within, "a b/c", "0123456789abcdef", started).unwrap();
    assert!(folder.path().ends_with("20260131T235959Z-a-b-c-01234567"));
    assert!(!folder.path().join("run.json").exists());
    let record = finished(&Judgement::default(), false);
    let path = folder.complete(&record, "fine\n").unwrap();
    assert_eq!(Record::from_json(&fs::read_to_string(path).unwrap()).unwrap(), record);
    assert_eq!(fs::read_to_string(folder.path().join("summary.txt")).unwrap(), "fine\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
}

#[test]
fn nothing_is_ever_overwritten() {
    let results = tempfile::tempdir().unwrap();
    let create = || RunFolder::create(results.path(), "s", "h", Duration::ZERO);
    let folder = create().unwrap();
    let second = create().unwrap();
    assert!(second.path().to_string_lossy().ends_with("-s-h-2"), "{second:?}");
    let record = finished(&Judgement::default(), false);
    folder.complete(&record, "").unwrap();
    assert!(folder.complete(&record, "").is_err());
}

#[test]
fn a_place_that_cannot_hold_results_is_one_clear_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = RunFolder::create(file.path(), "s", "h", Duration::ZERO).unwrap_err();
    assert!(error.to_string().starts_with("cannot write results to "), "{error}");
}

#[test]
fn every_field_of_a_record_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("results/README.md")).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&finished(&Judgement::default(), false).to_json()).unwrap();
    let mut fields = Vec::new();
    collect(&json, &mut fields);
    fields.sort_unstable();
    fields.dedup();
    let missing: Vec<_> =
        fields.into_iter().filter(|field| !readme.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "not in results/README.md: {missing:?}");
}

fn collect(value: &serde_json::Value, fields: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                fields.push(name.clone());
                collect(value, fields);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, fields)),
        _ => {}
    }
}
