//! A service that takes its time with members that come back: they may not be there for their next turn.

use std::time::Duration;

use super::manner::Manner;
use super::trial::{Trial, plan, scenario, trial};

#[test]
fn a_sleeper_that_is_still_on_its_way_skips_its_turn_and_is_let_go_when_it_is_there() {
    // Two of each group for 20 ms of every 60; it takes three times as long until one is attached.
    let away = "commits = \"20%\"\naway = { members = \"34%\", every = \"60ms\", for = \"20ms\" }";
    let sleepers = scenario(&[("commits = \"20%\"", away), ("300ms", "900ms")]);
    let manner = Manner { delay: Duration::from_millis(180), ..Manner::default() };
    let trial = trial(manner, plan(&sleepers));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    let returns = trial.record.returns.as_ref().unwrap();
    // Offsets of 0, 15, 30 and 45 ms; all are back by 900 ms.
    assert_eq!(returns.away + returns.skipped, 4 * 15 - 1, "{returns:?}");
    assert!(returns.skipped > returns.away, "{returns:?}");
    assert!(returns.away > 4, "each goes again once it is there: {returns:?}");
    assert_eq!((returns.back, returns.caught_up), (returns.away, returns.away));
    let counts = &trial.record.counts;
    assert_eq!(counts.deliveries, counts.deliveries_expected);
}

/// Two of each group go once, and the one who comes last is not let in: those who are there are back.
#[test]
fn the_time_after_a_return_begins_although_the_last_of_those_on_their_way_is_lost() {
    let away = "commits = \"0%\"\naway = { members = \"34%\", from = \"50ms\", for = \"50ms\" }";
    let once = scenario(&[("commits = \"20%\"", away), ("300ms", "900ms")]);
    let comes_back = |turns_away: Option<u64>| {
        // Twelve are attached before the run.
        trial(Manner { turns_away, ..Manner::default() }, plan(&once))
    };
    let after = |trial: &Trial| {
        let periods = &trial.record.classes[0].periods;
        periods.iter().find(|of| of.period == "after").unwrap().response.count
    };
    let (whole, short) = (comes_back(None), comes_back(Some(16)));
    assert_eq!(whole.record.returns.as_ref().unwrap().back, 4);
    assert_eq!(short.record.returns.as_ref().unwrap().back, 3);
    assert!(after(&whole) > 0, "{:?}", whole.record.classes[0].periods);
    assert!(after(&short) > 0, "{:?}", short.record.classes[0].periods);
}
