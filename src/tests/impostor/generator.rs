//! A generator that does not keep up: its run is never valid, and the reason names it.

use std::time::Duration;

use super::manner::Manner;
use super::trial::{at_least, interrupted, plan, scenario};
use crate::clock;
use crate::load::Progress;
use crate::report::verdict::Status;

/// Twice as long as lateness may be, and most of the time: the worker is asked for its progress ten
/// times a second.
const HELD_UP: Duration = Duration::from_millis(80);

fn hold_up(_: Progress) {
    clock::wait_until(clock::now() + HELD_UP);
}

#[test]
fn a_late_generator_makes_a_run_invalid_and_is_named() {
    let trial = interrupted(Manner::default(), plan(&scenario(&[])), hold_up);
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    let verdict = &trial.record.verdict;
    assert_eq!(verdict.status, Status::Invalid, "{verdict:?}");
    assert_eq!(verdict.status.exit_code(), 2);
    assert!(verdict.reasons[0].starts_with("the generator was late: p99 "), "{verdict:?}");
    assert!(trial.record.engine.lateness_p99_us > 10_000);
}

#[test]
fn what_a_late_generator_sends_late_is_sent_all_the_same_and_charged_from_when_it_was_due() {
    let trial = interrupted(Manner::default(), plan(&scenario(&[])), hold_up);
    let latency = &trial.record.latency_us;
    assert_eq!(trial.record.counts.accepted, trial.scheduled, "nothing is skipped");
    let late = at_least(&latency.lateness, HELD_UP / 4);
    assert!(late > 0, "{latency:?}");
    assert!(at_least(&latency.response, HELD_UP / 4) >= late, "{latency:?}");
}

#[test]
fn a_slow_service_does_not_excuse_a_generator_that_is_late_by_more_than_a_tenth_of_it() {
    let manner = Manner { delay: Duration::from_millis(150), ..Manner::default() };
    let free = scenario(&[("commits = \"20%\"", "commits = \"0%\"")]);
    let trial = interrupted(manner, plan(&free), hold_up);
    let verdict = &trial.record.verdict;
    assert_eq!(verdict.status, Status::Invalid, "{verdict:?}");
    assert!(verdict.reasons[0].starts_with("the generator was late: p99 "), "{verdict:?}");
}
