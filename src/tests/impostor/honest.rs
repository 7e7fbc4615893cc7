//! An impostor without a fault is a good service: what the tests of faults rest on.

use std::path::Path;
use std::time::Duration;

use super::manner::Manner;
use super::trial::{contested, plan, scenario, together, trial};
use crate::load::scenario::Scenario;
use crate::report::verdict::Status;
use crate::tests::scenarios::check;

#[test]
fn a_whole_scenario_on_a_good_impostor_is_without_a_fault() {
    let names = ["smoke", "contention", "reconnect-storm"];
    let run = |name| trial(Manner::default(), plan(&of_the_repository(name)));
    for (name, trial) in names.iter().zip(together(names.to_vec(), run)) {
        check(name, &trial.scenario, &trial.outcome);
        assert!(trial.seen.struck.is_none());
    }
}

#[test]
fn the_runs_that_faults_are_put_into_are_without_one_by_themselves() {
    let scenario = scenario(&[]);
    for (plan, races) in [(plan(&scenario), false), (contested(&scenario), true)] {
        let trial = trial(Manner::default(), plan);
        assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
        trial.is(Status::Valid, &[]);
        let counts = &trial.record.counts;
        assert_eq!(counts.issued, trial.scheduled);
        assert_eq!(counts.deliveries, counts.accepted * 6);
        assert_eq!(counts.deliveries, counts.deliveries_expected);
        assert_eq!(counts.rejected_wrong_epoch, counts.rejected);
        assert_eq!(counts.rejected > 0, races, "{counts:?}");
    }
}

/// One of the repository's scenarios, scaled down.
fn of_the_repository(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    let mut small = Scenario::parse(&text, name).unwrap().scaled_down();
    small.drain = Duration::from_secs(60);
    small
}
