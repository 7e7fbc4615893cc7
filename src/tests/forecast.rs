//! What is said of a run before it, held against the run.

use super::scenarios::{check, run_plan, scenario_files, service_with, small};
use crate::load::forecast::{Forecast, OfClass};
use crate::load::scenario::Source;
use crate::load::traffic::Draft;

/// Operations and deliveries to the one, bytes within the bounds that were said; a synthetic class's
/// bytes to the byte.
#[test]
fn every_scenario_of_the_repository_does_what_was_said_of_it() {
    for file in scenario_files() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let scenario = small(&file);
        let draft = Draft::of(scenario.clone());
        let forecast = Forecast::of(&draft);
        let log = scenario.is_durable().then(|| tempfile::TempDir::new().unwrap());
        let service = service_with(&scenario, log.as_ref());
        let plan = draft.prepare(None, &|_| {}).unwrap();
        let connections = plan.population.connections();
        let outcome = run_plan(&service, plan, false).0.unwrap();
        check(&name, &scenario, &outcome);

        let counts = outcome.judgement.counts;
        let said = |of: fn(&OfClass) -> _| forecast.total(of);
        let is_live = scenario.groups.iter().any(|class| class.source == Source::Live);
        if !is_live {
            assert_eq!(forecast.operations(), outcome.called_for, "{name}");
            assert_eq!(said(|of| of.accepted).most, counts.accepted as f64, "{name}");
            assert_eq!(said(|of| of.deliveries).most, counts.deliveries_expected as f64, "{name}");
        }
        let accepted = counts.accepted as f64;
        assert!(said(|of| of.accepted).holds(accepted), "{name}: {accepted} {forecast:?}");
        let deliveries = counts.deliveries_expected as f64;
        assert!(said(|of| of.deliveries).holds(deliveries), "{name}: {deliveries} {forecast:?}");
        let bytes: u64 = outcome.intervals.iter().map(|interval| interval.bytes).sum();
        let delivered = said(|of| of.delivered);
        assert!(delivered.holds(bytes as f64), "{name}: {bytes} {delivered:?}");
        assert_eq!(forecast.connections, u64::from(connections), "{name}");
        for (class, of) in scenario.groups.iter().zip(&forecast.classes) {
            if class.source == Source::Synthetic {
                assert_eq!(of.delivered.least, of.delivered.most, "{name}: {}", class.name);
            }
        }
    }
}
