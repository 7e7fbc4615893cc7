//! What is said of a run before it, held against the run.

use crate::load::Outcome;
use crate::load::forecast::{Forecast, OfClass};
use crate::load::scenario::{Scenario, Source};

/// Operations and deliveries to the one, bytes within the bounds that were said; a synthetic class's
/// bytes to the byte, and those of KeyPackages and Welcomes of every class whose signatures have one
/// length.
pub(super) fn hold(name: &str, scenario: &Scenario, forecast: &Forecast, outcome: &Outcome) {
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
    let joined = outcome.joins.as_ref().map_or(&[][..], |joins| &joins.classes);
    for (index, (class, of)) in scenario.groups.iter().zip(&forecast.classes).enumerate() {
        if class.source == Source::Synthetic {
            assert_eq!(of.delivered.least, of.delivered.most, "{name}: {}", class.name);
        }
        let joined = joined.get(index).cloned().unwrap_or_default();
        let had = (joined.key_packages, joined.welcomes);
        assert_eq!(had, (of.welcomed, of.welcomed), "{name}: {}", class.name);
        let had = (joined.key_package_bytes as f64, joined.welcome_bytes as f64);
        assert_eq!(had, (of.key_package_bytes, of.welcome_bytes), "{name}: {}", class.name);
    }
}
