//! A good service that is asked for more than it can do: that is its limit, and not the generator's.

use std::time::Duration;

use super::manner::Manner;
use super::trial::{Trial, plan, scenario, together, trial};
use crate::limits::{LITTLE_ERROR_MAX, LITTLE_OPERATIONS_MIN};

/// One thousand submissions a second, of two thousand that are offered.
const WORK: Duration = Duration::from_millis(1);

fn overloaded(commits: &str, drain: &str) -> Trial {
    let scenario = scenario(&[
        ("measure = \"300ms\", drain = \"2s\"", &format!("measure = \"600ms\", drain = {drain}")),
        (
            "members = 6\nsenders = 3\nrate = \"160/s\"",
            "members = 2\nsenders = 2\nrate = \"2000/s\"",
        ),
        ("commits = \"20%\"", &format!("commits = {commits}")),
    ]);
    trial(Manner { work: WORK, ..Manner::default() }, plan(&scenario))
}

#[test]
fn a_service_that_falls_behind_is_no_limit_of_the_generator() {
    let trial = overloaded("\"0%\"", "\"20s\"");
    let latency = &trial.record.latency_us;
    assert!(latency.response.count >= LITTLE_OPERATIONS_MIN, "{latency:?}");
    // It was at work for as long again as the window: half of it landed after its end.
    assert!(latency.response.max >= 500_000, "{latency:?}");
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    let verdict = &trial.record.verdict;
    assert!(!verdict.reasons.iter().any(|reason| reason.contains("Little")), "{verdict:?}");
    let (counted, implied) = trial.in_flight();
    assert!(trial.record.engine.in_flight_mean < counted * (1.0 - LITTLE_ERROR_MAX), "{counted}");
    assert!((counted - implied).abs() < 0.01 * implied, "{counted}, {implied}");
}

/// Of some the answer does not come, and some are not even sent.
#[test]
fn little_s_law_holds_of_a_service_that_is_given_up_in_the_middle_of_its_work() {
    let runs = vec![("\"0%\"", "\"100ms\""), ("\"20%\"", "\"50ms\"")];
    for trial in together(runs, |(commits, drain)| overloaded(commits, drain)) {
        let counts = &trial.record.counts;
        assert!(counts.timed_out + counts.not_issued > 0, "{counts:?}");
        let (counted, implied) = trial.in_flight();
        assert!((counted - implied).abs() < 0.01 * implied, "{counted}, {implied}: {counts:?}");
    }
}
