//! A record from its parts: what it says, how it is kept, what is printed of it.

mod host;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::build::{EngineTotals, Finished, ServerTotals, record};
use super::folder::RunFolder;
use super::html;
use super::provenance::Provenance;
use super::record::{Floor, Record, RecordError};
use super::summary::{Look, render};
use super::verdict::Status;
use crate::floor::Spread;
use crate::floor::{F3, Work};
use crate::load::Verified;
use crate::load::away::Away;
use crate::load::contention::{Event, Tally, What};
use crate::load::intervals::EngineReading;
use crate::load::joins::Joins;
use crate::load::noted::Noted;
use crate::load::oracle::{Delivered, Judgement, Oracle};
use crate::load::pacer::Pace;
use crate::load::periods::Periods;
use crate::load::recorder::{Due, Recorder};
use crate::load::returns::Returns;
use crate::load::scenario::{Scenario, hash};
use crate::load::strain::Strain;

const SCENARIO: &str = include_str!("../../scenarios/quickstart.toml");

/// A run of 2,000 operations of 2 ms each, with two deliveries each, at 200 a second.
pub(super) fn finished(judgement: &Judgement, gone: bool) -> Record {
    finished_after(judgement, gone, &returns())
}

fn finished_after(judgement: &Judgement, gone: bool, returns: &Returns) -> Record {
    let mut scenario = Scenario::parse(SCENARIO, "quickstart.toml").unwrap();
    scenario.groups[0].away = vec![away()];
    let window = scenario.window();
    let measured = Duration::ZERO..window.end - window.start;
    let mut recorder = Recorder::new(scenario.groups.len(), measured.clone());
    recorder.keep_phases(&scenario.phases);
    recorder.keep_periods(Periods::of(&scenario).unwrap());
    recorder.everybody_is_back(Duration::from_secs(8));
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
                missed: false,
            };
            recorder.delivered(0, &delivered, 250, at);
        }
    }
    let tallies = [Some(tally(&measured)), None, None, Some(tally(&measured))];
    let implied = 2000.0 / measured.end.as_secs_f64() * 0.002;
    let reading = EngineReading::default();
    let intervals = recorder.intervals.clone().finish(Duration::from_secs(11), reading);
    record(Finished {
        scenario: &scenario,
        recorder: &recorder,
        measured,
        intervals: &intervals,
        tallies: &tallies,
        strain: Some(Strain { busy_share: 0.25, steal_share: Some(0.002), ..Strain::default() }),
        pacer: &[Pace { per_second: 1_000, lateness: recorder.lateness.clone() }],
        aborted: None,
        judgement,
        called_for: 2000,
        in_flight_mean: implied,
        in_flight_stayed: implied,
        refusals: &BTreeMap::new(),
        held: 3,
        returns: Some(returns),
        lags: &[],
        joins: Some(&joins()),
        verified: &Verified::default(),
        sessions_lost: &Noted::default(),
        server: Some(ServerTotals {
            cpu: Duration::from_micros(12_000),
            deliveries: 4000,
            packets_sent: 5000,
            handshakes: (7, 3),
            ..ServerTotals::default()
        }),
        floor: Ok(f3()),
        server_lost: gone.then(|| "exit status 101".to_owned()),
        engine: EngineTotals::default(),
        provenance: Provenance::of_scenario(&scenario, "quickstart", &hash(SCENARIO)),
    })
}

/// Two racers: one has a success at its second try, and the other has lost and given up.
fn tally(window: &Range<Duration>) -> Tally {
    let mut tally = Tally::new(1, 2);
    let (at, cpu) = (window.start + Duration::from_millis(40), Duration::from_micros(300));
    for event in [
        Event::Built(What::Commit, cpu),
        Event::Sent(What::Commit, 1_000),
        Event::Lost(1_000, cpu),
        Event::Sent(What::Commit, 1_000),
        Event::Won(1_000),
        Event::Sent(What::Claim { generation: 0 }, 200),
        Event::GaveUp,
    ] {
        tally.note(window, at, event);
    }
    tally.served(window, (0, 0), (window.start, at), 2);
    tally
}

/// From 5 s, after 2 s of warm-up, to 7 s.
fn away() -> Away {
    toml::from_str("members = \"10%\"\nfrom = \"3s\"\nfor = \"2s\"").unwrap()
}

/// Two members that were back within 20 ms and had everything after 50.
fn joins() -> Joins {
    let ms = Duration::from_millis;
    let mut joins = Joins { let_in: 3, gone: 1, ..Joins::default() };
    joins.claimed(0, 1_489, ms(1_000), ms(1_004));
    joins.fetch.record(ms(1_000), ms(1_002));
    joins.welcomed(0, 1_817, Some(ms(1_000)), ms(1_020));
    for by_itself in [true, false, false] {
        joins.joined(0, Some(ms(1_000)), by_itself, ms(1_030));
    }
    joins
}

fn returns() -> Returns {
    let mut returns = Returns::default();
    let ms = Duration::from_millis;
    (returns.away, returns.back, returns.caught_up) = (2, 2, 2);
    returns.span = Some((ms(5_010), ms(5_030)));
    for _ in 0..2 {
        returns.lateness.record(ms(5_000), ms(5_010));
        returns.reconnect.record(ms(5_010), ms(5_030));
        returns.catch_up.record(ms(5_010), ms(5_060));
    }
    returns.resumed = 2;
    returns
}

#[test]
fn a_summary_says_what_came_of_members_that_went_away_and_what_the_others_felt() {
    let mut record = finished(&Judgement::default(), false);
    record.returns.as_mut().unwrap().skipped = 7;
    let text = render(&record, Path::new("results/x"), Look::default());
    for says in [
        "away        2 members went, 2 came back, 2 got what they missed; 7 turns skipped on the way\n",
        "returns     100 reconnects/s, 2 of the handshakes resumed\n",
        "reconnect (from start)   20.0 ms",
        "caught up (from start)   50.0 ms",
        "start (from intended)    10.0 ms",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let periods = &record.classes[0].periods;
    let counts: Vec<(&str, u64, u64)> = periods
        .iter()
        .map(|of| (of.period.as_str(), of.response.count, of.fanout_last.count))
        .collect();
    let expected =
        [("before", 1000, 1000), ("away", 400, 400), ("returning", 200, 200), ("after", 400, 400)];
    assert_eq!(counts, expected);
    assert!(text.contains("town returning last member"), "{text}");
    let server = record.server.as_ref().unwrap();
    assert_eq!((server.handshakes, server.handshakes_resumed), (7, 3));
    (record.returns.as_mut().unwrap().resyncs, record.counts.excused) = (1, 40);
    let text = render(&record, Path::new("results/x"), Look::default());
    assert!(
        text.contains("skipped on the way; 1 resyncs, which let members off 40 deliveries\n"),
        "{text}"
    );
}

#[test]
fn a_summary_and_a_page_say_that_a_class_was_loaded_as_a_pattern_that_is_only_modelled() {
    let mut record = finished(&Judgement::default(), false);
    let told = "joins by init keys of xwing-aes128-ed25519 (modelled; no stack runs it)";
    let both = |record: &Record| {
        [render(record, Path::new("results/x"), Look::default()), html::render(record)]
    };
    assert!(both(&record).iter().all(|text| !text.contains("modelled")));
    record.classes[0].welcome_suite = Some("xwing-aes128-ed25519".to_owned());
    let [text, page] = both(&record);
    assert!(text.contains(told) && page.contains(told), "{text}");
    let bytes = "town: 1 Welcomes of 1,817 bytes, for KeyPackages of 1,489; x25519";
    assert!(text.contains(bytes), "{text}");
    // It is read back, and an older record that does not say has none.
    let json = record.to_json();
    assert_eq!(Record::from_json(&json).unwrap(), record);
    let older: String = json.lines().filter(|line| !line.contains("\"welcome_suite\"")).collect();
    assert_eq!(Record::from_json(&older).unwrap().classes[0].welcome_suite, None);
}

#[test]
fn a_run_is_invalid_if_somebody_never_came_back_unless_the_server_was_lost() {
    let mut returns = returns();
    returns.away += 1;
    for gone in [false, true] {
        let verdict = finished_after(&Judgement::default(), gone, &returns).verdict;
        assert_eq!(verdict.status, Status::Invalid);
        let says = verdict.reasons.iter().any(|reason| reason.starts_with("1 members that went"));
        assert_eq!(says, !gone, "{verdict:?}");
    }
}

#[test]
fn a_record_from_before_absences_is_read_and_says_nothing_of_them() {
    let record = finished(&Judgement::default(), false);
    let mut json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
    assert!(json.as_object_mut().unwrap().remove("returns").is_some());
    assert!(json.as_object_mut().unwrap().remove("joins").is_some());
    assert!(json["counts"].as_object_mut().unwrap().remove("excused").is_some());
    for class in json["classes"].as_array_mut().unwrap() {
        assert!(class.as_object_mut().unwrap().remove("periods").is_some());
        assert!(class.as_object_mut().unwrap().remove("slow").is_some());
    }
    let older = Record::from_json(&json.to_string()).unwrap();
    let text = render(&older, Path::new("x"), Look::default());
    assert!(!text.contains("away") && !text.contains("slow") && !text.contains("period"), "{text}");
}

#[test]
fn a_record_survives_being_written_and_read() {
    let record = finished(&Judgement::default(), false);
    assert_eq!(record.verdict.status, Status::Valid, "{:?}", record.verdict);
    assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
    let server = record.server.unwrap();
    assert_eq!(server.cpu_us_per_delivery, Some(3.0));
    assert_eq!(server.packets_per_delivery, Some(1.25));
    let floor = Floor { members: 900, bytes: 250, cpu_us_per_delivery: 2.25, share: 0.75 };
    assert_eq!((server.floor, server.floor_missing), (Some(floor), None));
}

/// A floor of 2.25 microseconds.
fn f3() -> F3 {
    let spread = |median| Spread { median, min: 2.0, max: 3.0 };
    F3 {
        work: Work { members: 900, bytes: 250, packets_per_ack: 2 },
        cpu_us_per_delivery: spread(2.25),
        wall_us_per_delivery: spread(4.5),
        deliveries: 9_000,
        packets: 9_000,
        acks: 4_500,
        rounds: 5,
        losses: 1,
        state_bytes: 500_000,
        apart: false,
    }
}

#[test]
fn a_summary_says_how_far_from_the_floor_a_delivery_is_or_why_it_does_not() {
    let mut record = finished(&Judgement::default(), false);
    let text = |record: &Record| render(record, Path::new("results/x"), Look::default());
    let says = "distance to the floor (F3)  0.75 of it (F3 2.25 us CPU: 250 B to 900 members)";
    assert!(text(&record).contains(says), "{}", text(&record));
    let server = record.server.as_mut().unwrap();
    (server.floor, server.floor_missing) = (None, Some("--no-floor".to_owned()));
    let says = "distance to the floor (F3)  not measured: --no-floor\n";
    assert!(text(&record).contains(says), "{}", text(&record));
}

#[test]
fn a_record_from_before_the_floor_is_read_and_says_nothing_of_it() {
    let record = finished(&Judgement::default(), false);
    let mut json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
    let server = json["server"].as_object_mut().unwrap();
    assert!(server.remove("floor").is_some() && server.remove("floor_missing").is_some());
    let older = Record::from_json(&json.to_string()).unwrap();
    assert_eq!(older.server.as_ref().unwrap().floor, None);
    assert!(!render(&older, Path::new("x"), Look::default()).contains("floor"));
}

#[test]
fn a_summary_says_which_groups_were_durable_or_looked_at_and_what_their_commits_felt() {
    let mut record = finished(&Judgement::default(), false);
    let text = |record: &Record| render(record, Path::new("results/x"), Look::default());
    let plain = text(&record);
    assert!(!plain.contains("durability") && !plain.contains("commits"), "{plain}");
    let class = &mut record.classes[0];
    class.durability = "wal".to_owned();
    class.validation = "public".to_owned();
    class.commit_response.count = 5;
    let told = text(&record);
    assert!(told.contains("\ngroups      town: durability wal, validation public\n"), "{told}");
    assert!(told.contains("town (1 x 1000) commits"), "{told}");
    // Where everything is a commit its figures are those of the response.
    record.classes[0].commit_response.count = record.classes[0].response.count;
    assert!(!text(&record).contains("commits"));
}

#[test]
fn a_record_from_before_levels_was_of_neither() {
    let record = finished(&Judgement::default(), false);
    let mut json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
    for class in json["classes"].as_array_mut().unwrap() {
        let class = class.as_object_mut().unwrap();
        let newer = [
            "durability",
            "validation",
            "acknowledge",
            "commit_response",
            "commit_fanout_last",
            "commit_deliveries",
            "commit_delivered_bytes",
        ];
        assert!(newer.iter().all(|field| class.remove(*field).is_some()));
    }
    let provenance = json["provenance"].as_object_mut().unwrap();
    assert!(provenance.remove("log_file_system").is_some());
    let class = Record::from_json(&json.to_string()).unwrap().classes.remove(0);
    assert_eq!((class.durability.as_str(), class.validation.as_str()), ("none", "opaque"));
    assert_eq!(class.commit_response.count + class.commit_fanout_last.count, 0);
    assert_eq!((class.commit_deliveries, class.commit_delivered_bytes), (0, 0));
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
    assert!(matches!(Record::from_json(&newer), Err(RecordError::Version { found: 2, known: 1 })));
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
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!(page, html::render(&record));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left behind");
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
fn what_racing_cost_stands_in_a_row_for_each_class_and_one_for_all() {
    let record = finished(&Judgement::default(), false);
    let names: Vec<&str> = record.contention.iter().map(|row| row.class.as_str()).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[2], "*");
    let (one, all) = (&record.contention[0], &record.contention[2]);
    assert_eq!((one.successes, one.epochs, one.commits, one.commits_lost), (1, 1, 2, 1));
    assert_eq!((one.tries.as_slice(), one.attempts_per_success), ([0, 1].as_slice(), Some(2.0)));
    assert_eq!((one.wasted_bytes, one.overhead_bytes), (1_000, 200));
    assert_eq!((one.wasted_cpu_us_per_success, one.jain), (Some(300.0), Some(0.5)));
    assert_eq!((one.gave_up, one.groups, all.groups), (1, 1, 2));
    assert_eq!((all.successes, all.wasted_bytes), (2, 2_000));
    assert!((all.successes_per_s - one.successes_per_s).abs() < 1e-12, "in each group");
    assert_eq!(all.wasted_bytes_per_success, one.wasted_bytes_per_success);
    let text = render(&record, Path::new("results/x"), Look { width: 200, colour: false });
    for says in ["contention", "changes/s", "CPU us", "40.0 ms", "0.50"] {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn every_field_of_a_run_and_of_a_host_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("results/README.md")).unwrap();
    let mut fields = Vec::new();
    for json in [finished(&Judgement::default(), false).to_json(), host::host().to_json()] {
        collect(&serde_json::from_str(&json).unwrap(), &[], &mut fields);
    }
    fields.sort_unstable();
    fields.dedup();
    let missing: Vec<_> =
        fields.into_iter().filter(|field| !readme.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "not in results/README.md: {missing:?}");
}

/// The names of all fields in `value`, but for those that lie under one of `explained_elsewhere`.
pub(crate) fn collect(
    value: &serde_json::Value,
    explained_elsewhere: &[&str],
    fields: &mut Vec<String>,
) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                fields.push(name.clone());
                if !explained_elsewhere.contains(&name.as_str()) {
                    collect(value, explained_elsewhere, fields);
                }
            }
        }
        serde_json::Value::Array(values) => {
            values.iter().for_each(|value| collect(value, explained_elsewhere, fields));
        }
        _ => {}
    }
}
