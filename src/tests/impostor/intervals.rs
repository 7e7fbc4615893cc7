//! The slices of a run add up to the run, and a stall lies in the slice in which it ended.

use std::time::Duration;

use super::manner::What;
use super::trial::{Trial, faulty, plan, scenario};
use crate::report::intervals::IntervalRecord;

const STALL: Duration = Duration::from_millis(1_100);

/// Two seconds of load, with a stall of more than one in it.
fn stalled(what: What) -> Trial {
    let long = scenario(&[("measure = \"300ms\"", "measure = \"2s\""), ("160/s", "80/s")]);
    faulty(what, (0, 10, None), plan(&long))
}

#[test]
fn the_slices_of_a_run_with_a_stall_add_up_to_the_run() {
    let trial = stalled(What::Mute(STALL));
    let intervals = &trial.record.intervals;
    let sum = |of: fn(&IntervalRecord) -> u64| intervals.iter().map(of).sum::<u64>();
    let (counts, latency) = (&trial.record.counts, &trial.record.latency_us);
    assert_eq!(sum(|one| one.due), trial.scheduled);
    assert_eq!(sum(|one| one.accepted), counts.accepted);
    assert_eq!(sum(|one| one.rejected + one.timed_out + one.not_issued), 0);
    assert_eq!(sum(|one| one.deliveries), counts.deliveries);
    // Everything is measured, so that both hold the same values.
    assert_eq!(sum(|one| one.response.count), latency.response.count);
    assert_eq!(sum(|one| one.service.count), latency.service.count);
    assert_eq!(sum(|one| one.lateness.count), latency.lateness.count);
    assert_eq!(sum(|one| one.fanout_last.count), latency.fanout_last.count);
    assert!(intervals.is_sorted_by(|one, next| one.to_s <= next.from_s), "{intervals:?}");
    assert_eq!(intervals.last().unwrap().in_flight, 0);
}

#[test]
fn a_stall_lies_in_the_slice_in_which_it_ended_and_its_load_in_those_before() {
    let trial = stalled(What::Mute(STALL));
    let intervals = &trial.record.intervals;
    // Its answers came in one slice, and until then what was due was on its way.
    let long =
        |one: &IntervalRecord| Duration::from_micros(one.response.max) >= STALL.mul_f64(0.999);
    let slice = intervals.iter().position(long).expect("it shows in a slice");
    let before = &intervals[..slice];
    assert!(before.last().is_some_and(|one| one.in_flight > 0), "{intervals:?}");
    assert!(before.iter().all(|one| !long(one)), "{intervals:?}");
    let longest = intervals.iter().map(|one| one.response.max).max();
    assert_eq!(longest, Some(trial.record.latency_us.response.max));
}

#[test]
fn a_violation_is_counted_in_the_slice_in_which_it_was_seen() {
    let trial = faulty(What::Duplicate, super::trial::LISTENER, plan(&scenario(&[])));
    let seen = trial.record.intervals.iter().map(|one| one.violations).sum::<u64>();
    assert_eq!(seen, 1, "{:?}", trial.record.intervals);
}
