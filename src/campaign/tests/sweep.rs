//! The curve of latency at load.

use std::path::Path;

use super::{MadeUp, closed, scenario};
use crate::campaign::record::{CampaignOutcome, CampaignRecord, LoadCurve, SCHEMA_VERSION};
use crate::campaign::sweep::{Order, Sweep};
use crate::campaign::text;
use crate::report::provenance::Provenance;
use crate::report::summary::Look;
use crate::report::tests::collect;
use crate::report::verdict::Status;

fn swept(factors: &[f64]) -> (LoadCurve, MadeUp) {
    let mut service = MadeUp::new(150.0, 300.0);
    let sweep = Sweep { factors: factors.to_vec(), rounds: 2, order: Order::Mirrored, seed: 1 };
    let curve = sweep.run(&scenario(), &mut service).unwrap();
    (curve, service)
}

#[test]
fn every_load_is_run_in_every_round_and_an_invalid_point_is_shown_as_such() {
    let (curve, service) = swept(&[4.0, 0.5, 1.0, 2.0]);
    let offered = service.ran.iter().map(|scenario| scenario.offered_per_second());
    assert_eq!(offered.collect::<Vec<_>>(), [50.0, 100.0, 200.0, 400.0, 400.0, 200.0, 100.0, 50.0]);
    let found = curve.points.iter().map(|point| (point.factor, point.status, point.trials.len()));
    let valid = Status::Valid;
    assert_eq!(
        found.collect::<Vec<_>>(),
        [(0.5, valid, 2), (1.0, valid, 2), (2.0, valid, 2), (4.0, Status::Invalid, 2)]
    );
    assert_eq!(curve.points[2].achieved_per_s.median, 150.0);
    assert_eq!(curve.points[1].trials[1].number, 7);
    assert!(service.said.iter().any(|line| line.ends_with("s to go")), "{:?}", service.said);
    let csv = text::csv(&curve);
    assert_eq!(csv.lines().count(), 1 + 8);
    let columns = |line: &str| line.split(',').count();
    assert!(csv.lines().all(|line| columns(line) == columns(csv.lines().next().unwrap())), "{csv}");
    let record = CampaignRecord {
        schema_version: SCHEMA_VERSION,
        provenance: Provenance::default(),
        outcome: CampaignOutcome::Sweep(curve),
    };
    let text = text::render(&record, Path::new("folder"), Look { width: 160, colour: false });
    assert!(text.contains("INVALID: 0 of 2 valid"), "{text}");
    assert!(text.contains("mirrored, seed 1") && text.ends_with("result: folder\n"), "{text}");
}

#[test]
fn no_threshold_cuts_a_run_of_a_curve_short_and_a_run_that_was_is_shown_as_such() {
    assert!(scenario().thresholds.iter().any(|threshold| threshold.abort), "it would otherwise");
    let (mut curve, service) = swept(&[1.0]);
    let aborts = service.ran.iter().flat_map(|ran| &ran.thresholds).any(|one| one.abort);
    assert!(!aborts, "{:?}", service.ran[0].thresholds);
    assert!(!curve.points[0].trials[0].aborted);
    curve.points[0].trials[0].aborted = true;
    let csv = text::csv(&curve);
    let ends: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(ends, ["aborted", "true", "false"]);
    assert!(text::trial(&curve.points[0].trials[0]).starts_with("  valid, given up; "));
}

#[test]
fn a_load_that_cannot_be_offered_is_refused_before_anything_runs() {
    let mut service = MadeUp::new(150.0, 300.0);
    let sweep = Sweep { factors: vec![1.0, 1e6], rounds: 1, order: Order::Shuffled, seed: 1 };
    let refusal = sweep.run(&scenario(), &mut service).unwrap_err().to_string();
    assert!(refusal.starts_with("at 1000000 times the rates: groups[0].rate"), "{refusal}");
    assert!(service.ran.is_empty());
}

#[test]
fn a_closed_loop_has_no_rate_to_sweep() {
    let mut service = MadeUp::new(150.0, 300.0);
    let sweep = Sweep { factors: vec![1.0], rounds: 1, order: Order::Shuffled, seed: 1 };
    let refusal = sweep.run(&closed(), &mut service).unwrap_err().to_string();
    assert!(refusal.starts_with("class \"loop\" is a closed loop"), "{refusal}");
    assert!(refusal.contains("`stentor contend`"), "{refusal}");
    assert!(service.ran.is_empty());
}

#[test]
fn every_field_of_a_campaign_is_explained() {
    let (curve, _) = swept(&[1.0]);
    let subject = crate::campaign::capacity::Subject::of(&scenario()).unwrap();
    let goal = crate::campaign::search::Goal {
        start: 1.0,
        first_step: 0.5,
        range: (0.1, 10.0),
        width: 0.2,
        short: std::time::Duration::from_secs(1),
        long: std::time::Duration::from_secs(2),
        trials: 1,
        exceed_ratio: 0.5,
        budget: std::time::Duration::from_secs(600),
    };
    let capacity = subject.search(goal, &mut MadeUp::new(150.0, 1e9)).unwrap();
    let readme = include_str!("../../../results/README.md");
    let (_, part) =
        readme.split_once("## campaign.json, version 1").expect("it has a part of its own");
    for outcome in [CampaignOutcome::Sweep(curve), CampaignOutcome::FindMax(capacity)] {
        let provenance = Provenance::default();
        let record = CampaignRecord { schema_version: SCHEMA_VERSION, provenance, outcome };
        let mut value: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
        value["provenance"] = serde_json::Value::Null;
        let mut fields = Vec::new();
        collect(&value, &[], &mut fields);
        let missing = fields.iter().filter(|field| !part.contains(&format!("`{field}`")));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
