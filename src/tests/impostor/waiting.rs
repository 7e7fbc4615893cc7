//! A service that is slow, silent or gone: what that does to the latencies and to the verdict.
//!
//! Lower bounds only: what a stall must show, it shows on every machine. That it takes no longer
//! is the machine's business.

use std::time::Duration;

use super::manner::{Fault, Manner, What};
use super::trial::{
    LISTENER, Trial, at_least, faulty, interrupted, plan, scenario, together, trial,
};
use crate::load::schedule::Operation;
use crate::report::verdict::Status;

const STALL: Duration = Duration::from_millis(400);

/// One group and one sender that commits and does nothing else: it cannot speak before its last
/// commit is answered, so that a stall keeps back all that follow.
fn chained() -> super::trial::At {
    (0, 10, None)
}

const CHAINED: [(&str, &str); 2] = [
    ("count = 2\nmembers = 6\nsenders = 3", "count = 1\nmembers = 6\nsenders = 1"),
    ("commits = \"20%\"", "commits = \"100%\""),
];

/// Operations due within so long after the one that a stall struck at, itself among them.
fn due_within(trial: &Trial, first: usize, long: Duration) -> u64 {
    let plan = plan(&trial.scenario);
    let operations = plan.schedule.operations();
    let start = operations[first].intended;
    let due = |operation: &&Operation| operation.intended <= start + long;
    operations[first..].iter().take_while(due).count() as u64
}

#[test]
fn a_stall_is_charged_to_everything_that_was_due_meanwhile_and_not_only_to_what_was_sent() {
    let stalls = vec![What::Mute(STALL), What::Freeze(STALL)];
    let run = |what| faulty(what, chained(), plan(&scenario(&CHAINED)));
    for trial in together(stalls, run) {
        assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
        trial.is(Status::Valid, &[]);
        let latency = &trial.record.latency_us;
        let half = STALL / 2;
        let due = due_within(&trial, 9, half);
        assert!(due > 15, "{due} are due in half a stall");
        assert!(at_least(&latency.response, half) >= due, "{latency:?}");
        assert!(at_least(&latency.response, STALL) >= 1, "its full length shows");
        // One was on its way. The others were sent when it was over, and served at once.
        let served = at_least(&latency.service, half);
        assert!((1..due).contains(&served), "{served} of {due}");
        assert!(at_least(&latency.fanout_last, half) >= due, "{latency:?}");
    }
}

#[test]
fn the_responses_of_a_stall_fall_off_from_its_length_as_the_schedule_goes_on() {
    let trial = faulty(What::Mute(STALL), chained(), plan(&scenario(&CHAINED)));
    let plan = plan(&trial.scenario);
    let operations = plan.schedule.operations();
    let start = operations[9].intended;
    let waits = operations[9..].iter().map(|due| STALL.saturating_sub(due.intended - start));
    let waits: Vec<Duration> = waits.take_while(|wait| !wait.is_zero()).collect();
    // The least that each waited is known from the schedule alone: an engine that measures from the
    // send, or leaves out what it could not send in time, has fewer so long.
    for (place, wait) in (1..).zip(&waits) {
        let so_long = at_least(&trial.record.latency_us.response, *wait);
        assert!(so_long >= place, "{so_long} of {place} waited for {wait:?}");
    }
    assert_eq!(trial.record.latency_us.response.count, trial.scheduled);
}

#[test]
fn deliveries_that_stall_show_in_fan_out_and_not_in_the_response() {
    // Nobody commits, so that nobody waits for a delivery before it speaks.
    let free = scenario(&[("commits = \"20%\"", "commits = \"0%\"")]);
    let trial = faulty(What::HoldDeliveries(STALL), (0, 5, None), plan(&free));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    let latency = &trial.record.latency_us;
    let operations = plan(&free).schedule;
    let mut of_group = (0..).zip(operations.operations()).filter(|(_, one)| one.group == 0);
    let (first, _) = of_group.nth(4).expect("the one that it strikes at");
    let due = due_within(&trial, first, STALL / 2);
    assert!(due > 15, "{due} are due in half a stall");
    assert!(at_least(&latency.fanout_last, STALL) >= 1, "{latency:?}");
    assert!(at_least(&latency.fanout_first, STALL / 2) >= due, "nobody had them before");
    assert!(at_least(&latency.response, STALL / 2) < due, "{due} of {latency:?}");
}

#[test]
fn slowness_alone_is_no_violation() {
    let slow = Duration::from_millis(60);
    let manner = Manner { delay: slow, ..Manner::default() };
    let trial = trial(manner, plan(&scenario(&[])));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    trial.is(Status::Valid, &[]);
    let latency = &trial.record.latency_us;
    assert_eq!(at_least(&latency.response, slow), trial.scheduled);
    assert_eq!(at_least(&latency.service, slow), trial.scheduled);
    assert_eq!(at_least(&latency.fanout_first, slow), trial.scheduled);
}

#[test]
fn what_is_never_answered_is_timed_out_and_makes_the_run_invalid_by_its_share() {
    let free = scenario(&[("commits = \"20%\"", "commits = \"0%\"")]);
    let run = |what| faulty(what, (1, 9, None), plan(&free));
    let trials = together(vec![What::NoAnswer, What::Swallow], run);
    for (trial, delivered) in trials.iter().zip([48, 47]) {
        assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
        trial.is(Status::Invalid, &["1 of 48 timed out"]);
        let counts = &trial.record.counts;
        assert_eq!((counts.timed_out, counts.accepted), (1, 47));
        assert_eq!(counts.deliveries, delivered * 6);
        let given_up = &trial.record.latency_us.timed_out;
        assert_eq!(given_up.count, 1, "it has a place among those that were given up");
        assert_eq!(at_least(given_up, trial.scenario.drain), 1, "{given_up:?}");
    }
}

#[test]
fn a_service_that_falls_silent_is_lost_and_is_blamed_for_what_it_did_and_not_for_what_it_owed() {
    let patient = scenario(&[("drain = \"2s\"", "drain = \"20s\"")]);
    let run = |what| faulty(what, LISTENER, plan(&patient));
    let trials = together(vec![What::AcceptAndFallSilent, What::DuplicateAndFallSilent], run);
    let lost = "the server was lost: no answer from it for 5 s";
    for trial in &trials {
        assert_eq!(trial.outcome.server_lost.as_deref(), Some("no answer from it for 5 s"));
        assert!(trial.record.counts.deliveries > 0);
    }
    let [owing, wrong] = &trials[..] else { panic!("two runs") };
    assert_eq!(owing.violations(), [("missing", 6)].into(), "counted, and not held against it");
    let counts = &owing.record.counts;
    let shares = [("timed out", counts.timed_out), ("not issued", counts.not_issued)];
    let shares = shares.iter().filter(|(_, count)| *count > 0).map(|(what, _)| *what);
    owing.is(Status::Invalid, &std::iter::once(lost).chain(shares).collect::<Vec<&str>>());
    assert_eq!(owing.record.verdict.reasons[0], lost, "the worst first");
    let verdict = &wrong.record.verdict;
    assert_eq!(verdict.status, Status::Violated, "{verdict:?}");
    assert_eq!(verdict.reasons[..2], ["1 x duplicate", lost], "{verdict:?}");
}

/// Deliveries come two seconds and a half after what is sent for three: half of them after the drain.
fn backlogged(fault: Option<Fault>) -> Trial {
    let changes = [
        ("measure = \"300ms\", drain = \"2s\"", "measure = \"3s\", drain = \"1s\""),
        ("commits = \"20%\"", "commits = \"0%\""),
    ];
    let manner =
        Manner { delivery_delay: Duration::from_millis(2_500), fault, ..Manner::default() };
    trial(manner, plan(&scenario(&changes)))
}

#[test]
fn what_is_still_being_delivered_when_the_drain_is_over_is_no_loss_and_no_result() {
    let trial = backlogged(None);
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    let verdict = &trial.record.verdict;
    assert_eq!(verdict.status, Status::Invalid, "{verdict:?}");
    assert!(verdict.reasons.iter().any(|reason| reason.contains("had not come")), "{verdict:?}");
    let counts = &trial.record.counts;
    assert!(counts.undelivered > 0 && counts.deliveries > 0, "{counts:?}");
    assert_eq!(counts.deliveries + counts.undelivered, counts.accepted * 6, "{counts:?}");
    assert_eq!(counts.deliveries_expected, counts.accepted * 6, "{counts:?}");
}

#[test]
fn what_is_lost_is_a_loss_however_much_is_still_being_delivered() {
    let trial = backlogged(Some(Fault { group: 1, seq: 9, member: Some(4), what: What::Lose }));
    trial.blames(&[("gap", 1), ("missing", 1)]);
    assert!(trial.record.counts.undelivered > 0, "{:?}", trial.record.counts);
}

#[test]
fn a_session_that_the_service_ends_makes_the_run_invalid_and_what_it_lacks_is_no_loss() {
    let trial = faulty(What::CloseSession, (1, 9, Some(4)), plan(&scenario(&[])));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    trial.is(Status::Invalid, &["1 sessions ended inside the run; the first: session 10: closed"]);
    let counts = &trial.record.counts;
    assert!(counts.cut_off > 0, "{counts:?}");
    assert_eq!(counts.deliveries + counts.cut_off, counts.accepted * 6, "{counts:?}");
    assert_eq!(counts.deliveries, counts.deliveries_expected, "{counts:?}");
}

#[test]
fn a_service_that_turns_load_away_is_not_blamed_for_it_and_its_figures_do_not_count() {
    let manner = Manner { sheds_one_of: Some(5), ..Manner::default() };
    let trial = trial(manner, plan(&scenario(&[("commits = \"20%\"", "commits = \"0%\"")])));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    trial.is(Status::Invalid, &["9 of 48 refused, and not for their epoch: busy"]);
    let counts = &trial.record.counts;
    assert_eq!((counts.accepted, counts.rejected, counts.rejected_wrong_epoch), (39, 9, 0));
    assert_eq!(trial.record.latency_us.rejected.count, 9);
    assert_eq!(trial.record.latency_us.response.count, 39, "no refusal is among the responses");
}

#[test]
fn a_stall_that_the_generator_shares_is_still_charged_to_what_was_due() {
    let fault = Fault { group: 0, seq: 10, member: None, what: What::Mute(STALL) };
    let manner = Manner { fault: Some(fault), ..Manner::default() };
    let late = |_| crate::clock::wait_until(crate::clock::now() + Duration::from_millis(40));
    let trial = interrupted(manner, plan(&scenario(&CHAINED)), late);
    let due = due_within(&trial, 9, STALL / 2);
    assert!(at_least(&trial.record.latency_us.response, STALL / 2) >= due);
    assert_eq!(trial.record.latency_us.lateness.count, trial.scheduled);
}
