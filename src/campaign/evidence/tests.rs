//! What rests on the records of the repository, and on ones that prove nothing.

use super::*;
use crate::report::record::AbortedRecord;
use crate::report::slow::SlowRecord;

#[test]
fn the_reference_records_are_read_and_name_where_they_come_from() {
    let evidence = Evidence::reference();
    assert_eq!(evidence.sources.len(), REFERENCE.len());
    for (index, source) in evidence.sources.iter().enumerate() {
        assert!(evidence.runs.iter().any(|run| run.source == index), "{source:?}");
        assert!(source.git_commit.is_some() && source.cores.is_some(), "{source:?}");
        assert_eq!(source.left_out, None, "{source:?}");
    }
}

#[test]
fn what_a_run_measured_is_what_its_record_says() {
    let at = REFERENCE.iter().position(|(path, _)| path.contains("/fanout-1k/")).unwrap();
    let record = Record::from_json(REFERENCE[at].1).unwrap();
    let evidence = Evidence::reference();
    let measured = evidence.runs.iter().find(|run| run.source == at).unwrap();
    let server = record.server.unwrap();
    let shape = measured.shape.unwrap();
    assert_eq!((shape.members, measured.shards), (1_000.0, 1));
    let bytes = server.delivery_bytes as f64 / server.deliveries as f64;
    assert_eq!(shape.frame_bytes, bytes);
    assert_eq!(measured.durable, Some(false));
    let busy = server.cpu_us as f64 / 1e6 / record.throughput.window_s;
    assert!((measured.busy().unwrap() / busy - 1.0).abs() < 0.01, "{:?}", measured.busy());
}

#[test]
fn a_run_that_many_came_back_to_says_nothing_about_the_cost_of_a_delivery() {
    let evidence = Evidence::reference();
    let of = |part: &str| {
        let runs = &mut evidence.runs.iter();
        runs.find(|run| evidence.sources[run.source].path.contains(part)).unwrap()
    };
    let (storm, few) = (of("/reconnect-storm/"), of("/incident-like/"));
    assert!(storm.mix.is_none() && storm.reconnects_per_s.is_some(), "{storm:?}");
    assert!(few.mix.is_some() && few.reconnects_per_s.is_some(), "{few:?}");
    let alike = |run: &Measured| run.shape.is_none() || run.reconnects_per_s.is_none();
    assert!(evidence.runs.iter().all(alike));
}

#[test]
fn a_run_with_slow_members_says_nothing_about_it_either() {
    let mut record = Record::from_json(REFERENCE[0].1).unwrap();
    let shape = |record: &Record| {
        let run = Measured::of_run(0, record);
        run.shape.or(run.mix)
    };
    assert!(shape(&record).is_some());
    record.classes[0].slow = Some(SlowRecord::default());
    assert!(shape(&record).is_none());
}

#[test]
fn a_record_that_proves_nothing_is_named_and_left_out() {
    let text = REFERENCE[0].1;
    let debug = text.replacen("\"build_profile\": \"release\"", "\"build_profile\": \"debug\"", 1);
    let invalid = text.replacen("\"status\": \"valid\"", "\"status\": \"invalid\"", 1);
    let mut evidence = Evidence::default();
    evidence.add("debug", &debug).unwrap();
    evidence.add("invalid", &invalid).unwrap();
    assert!(evidence.runs.is_empty());
    let why: Vec<_> = evidence.sources.iter().map(|of| of.left_out.clone().unwrap()).collect();
    assert_eq!(why, ["it is of a debug build", "its verdict is invalid"]);
    assert!(evidence.add("other", "{\"schema_version\": 9}").is_err());
    assert!(evidence.add("other", "no record").is_err());
}
#[test]
fn what_was_given_up_says_nothing_of_a_load() {
    let at = REFERENCE.iter().position(|(path, _)| path.contains("validated-commits")).unwrap();
    let mut record = CampaignRecord::from_json(REFERENCE[at].1).unwrap();
    let add = |record: &CampaignRecord| {
        let mut evidence = Evidence::default();
        evidence.add("campaign.json", &record.to_json()).unwrap();
        (evidence.runs, evidence.sources.remove(0).left_out)
    };
    let whole: Vec<f64> = trials(&record.outcome)
        .iter()
        .filter(|trial| trial.status == Status::Valid && !trial.aborted)
        .map(|trial| trial.deliveries_per_s)
        .collect();
    assert!(whole.len() < trials(&record.outcome).len(), "some of it was given up");
    let (runs, left_out) = add(&record);
    let rests: Vec<f64> = runs.iter().map(|run| run.deliveries_per_s).collect();
    assert_eq!((rests, left_out), (whole, None));
    let CampaignOutcome::FindMax(capacity) = &mut record.outcome else { panic!("a search") };
    capacity.trials.iter_mut().for_each(|trial| trial.aborted = true);
    let (runs, left_out) = add(&record);
    assert!(runs.is_empty(), "{runs:?}");
    assert_eq!(left_out.as_deref(), Some(TRIALS_GIVEN_UP));
    let mut run = Record::from_json(REFERENCE[0].1).unwrap();
    run.aborted = Some(AbortedRecord { threshold: String::new(), at_s: 1.0, cut_off: 0 });
    let mut evidence = Evidence::default();
    evidence.add("run.json", &run.to_json()).unwrap();
    assert!(evidence.runs.is_empty(), "{:?}", evidence.runs);
    assert_eq!(evidence.sources[0].left_out.as_deref(), Some(RUN_GIVEN_UP));
}
