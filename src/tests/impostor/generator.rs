//! A generator that does not keep up: its run is never valid, and the reason names it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::manner::Manner;
use super::trial::{Trial, at_least, interrupted, plan, scenario};
use crate::clock;
use crate::limits::LATE_TOLERATED;
use crate::load::Progress;
use crate::load::scenario::Scenario;
use crate::load::schedule::{Operation, OperationKind, Schedule};
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

/// The attempts of a schedule that may never be left out.
fn handshakes(of: &Scenario) -> BTreeSet<u64> {
    let schedule = Schedule::plan(of);
    let all = (0_u64..).zip(schedule.operations());
    let is_one =
        |operation: &Operation| !matches!(operation.kind, OperationKind::Application { .. });
    all.filter(|(_, operation)| is_one(operation)).map(|(attempt, _)| attempt).collect()
}

/// A run with such a `late`, of a generator that is held up.
fn held_up(late: &str) -> Trial {
    let with = format!("commits = \"20%\"\nlate = {late}");
    interrupted(Manner::default(), plan(&scenario(&[("commits = \"20%\"", &with)])), hold_up)
}

#[test]
fn what_a_late_generator_is_to_shed_is_never_sent_and_counts_against_the_run() {
    for late in ["\"shed\"", "{ shed = \"30ms\" }", "{ catch_up = \"30ms\" }"] {
        let trial = held_up(late);
        assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
        let counts = &trial.record.counts;
        assert!(counts.not_issued > 0 && counts.accepted > 0, "{late}: {counts:?}");
        assert_eq!(counts.accepted + counts.not_issued, trial.scheduled, "{late}: {counts:?}");
        let sent: BTreeSet<u64> =
            trial.seen.submitted.iter().map(|(attempt, _)| *attempt).collect();
        assert_eq!(sent.len() as u64, counts.accepted, "{late}: nothing is sent that was shed");
        assert!(handshakes(&trial.scenario).is_subset(&sent), "{late}: commits are always sent");
        assert_eq!(trial.record.latency_us.lateness.count, trial.scheduled, "{late}: it was late");
        let reasons = &trial.record.verdict.reasons;
        assert!(reasons.iter().any(|reason| reason.contains("not issued")), "{late}: {reasons:?}");
    }
}

#[test]
fn what_a_generator_catches_up_with_is_all_sent_however_late() {
    for late in ["\"catch_up\"", "{ shed = \"10s\" }"] {
        let trial = held_up(late);
        assert_eq!(trial.record.counts.accepted, trial.scheduled, "{late}");
        assert!(at_least(&trial.record.latency_us.lateness, LATE_TOLERATED) > 0, "{late}");
    }
}
