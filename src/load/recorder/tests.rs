//! What is recorded, and what a series keeps of it.

use super::*;
use crate::limits::LATENCY_US_MAX;
use crate::load::intervals::EngineReading;
use proptest::prelude::*;

fn series(nanos: &[u64]) -> Series {
    let mut series = Series::default();
    for nanos in nanos {
        series.record(Duration::ZERO, Duration::from_nanos(*nanos));
    }
    series
}

#[test]
fn what_took_time_is_never_zero() {
    let series = series(&[1, 999, 1000, 1001]);
    assert_eq!((series.quantile_us(0.5), series.max_us()), (1, 2));
}

#[test]
fn a_negative_time_is_counted_and_recorded_as_none() {
    let mut series = Series::default();
    series.record(Duration::from_micros(5), Duration::from_micros(4));
    assert_eq!((series.count(), series.negatives(), series.max_us()), (1, 1, 0));
}

#[test]
fn a_time_beyond_the_bound_is_counted_and_recorded_as_the_bound() {
    let mut series = Series::default();
    series.record(Duration::ZERO, Duration::from_micros(LATENCY_US_MAX + 1));
    series.record(Duration::ZERO, Duration::MAX);
    series.record(Duration::ZERO, Duration::from_micros(LATENCY_US_MAX));
    assert_eq!((series.count(), series.saturated()), (3, 2));
    assert!(series.max_us() as f64 / LATENCY_US_MAX as f64 > 0.999);
}

#[test]
fn warm_up_leaves_no_trace() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let due = Due { class: 0, intended: Duration::ZERO, measured: false };
    let at = Duration::from_millis(3);
    recorder.reached(due, at);
    recorder.accepted(due, at, at);
    recorder.committed(due, at);
    recorder.rejected(due, at);
    recorder.timed_out(due, at);
    assert_eq!((recorder.outcomes(), recorder.classes[0].commit_response.count()), ((0, 0.0), 0));
    assert_eq!(recorder.lateness.count() + recorder.service.count(), 0);
}

#[test]
fn response_runs_from_the_intended_instant_and_service_from_the_send() {
    let mut recorder = Recorder::new(2, Duration::ZERO..Duration::from_secs(1));
    let ms = Duration::from_millis;
    let due = Due { class: 1, intended: ms(100), measured: true };
    recorder.reached(due, ms(103));
    recorder.accepted(due, ms(104), ms(106));
    assert_eq!(recorder.lateness.max_us() / 10, 300);
    assert_eq!(recorder.response.max_us() / 10, 600);
    assert_eq!(recorder.service.max_us() / 10, 200);
    assert_eq!(recorder.classes[1].response.count(), 1);
    assert_eq!(recorder.classes[0].response.count(), 0);
}

#[test]
fn outcomes_are_kept_apart_and_averaged_together() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let due = Due { class: 0, intended: Duration::ZERO, measured: true };
    recorder.accepted(due, Duration::ZERO, Duration::from_micros(100));
    recorder.rejected(due, Duration::from_micros(200));
    recorder.timed_out(due, Duration::from_micros(600));
    let (count, mean) = recorder.outcomes();
    assert_eq!(count, 3);
    assert!((mean - 300.0).abs() < 1.0, "{mean}");
    assert_eq!(recorder.response.count(), 1);
}

#[test]
fn a_delivery_is_recorded_by_what_it_completes() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let each = Delivered {
        attempt: 0,
        intended: Duration::ZERO,
        measured: true,
        first: true,
        reached_p99: false,
        last: false,
        missed: false,
    };
    recorder.delivered(0, &each, 100, Duration::from_micros(10));
    let last = Delivered { first: false, reached_p99: true, last: true, ..each };
    recorder.delivered(0, &last, 100, Duration::from_micros(20));
    let counts = [&recorder.fanout_first, &recorder.fanout_p99, &recorder.fanout_last];
    assert_eq!(counts.map(Series::count), [1, 1, 1]);
    assert_eq!(counts.map(Series::max_us), [10, 20, 20]);
    assert_eq!(recorder.fanout_member.count(), 2);
    assert_eq!(recorder.classes[0].fanout_member.count(), 2);
    assert_eq!(recorder.classes[0].fanout_last.count(), 1);
}

#[test]
fn the_last_member_of_a_commit_is_told_apart_from_that_of_everything() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let last = Delivered {
        attempt: 0,
        intended: Duration::ZERO,
        measured: true,
        first: true,
        reached_p99: true,
        last: true,
        missed: false,
    };
    let [soon, late] = [10, 900].map(Duration::from_micros);
    recorder.delivered(0, &last, 100, soon);
    recorder.delivered(0, &last, 100_000, late);
    recorder.commit_delivered(0, &last, 100_000, late);
    for not_the_last in [
        Delivered { last: false, ..last },
        Delivered { missed: true, ..last },
        Delivered { measured: false, ..last },
    ] {
        recorder.commit_delivered(0, &not_the_last, 1_000, late);
    }
    let class = &recorder.classes[0];
    assert_eq!((class.commit_fanout_last.count(), class.commit_fanout_last.max_us()), (1, 900));
    assert_eq!(class.commit_deliveries, (3, 102_000), "all but what is not measured");
    let rest = class.fanout_last.clone().without(&class.commit_fanout_last).unwrap();
    assert_eq!((rest.count(), rest.max_us()), (1, 10));
    assert!(rest.without(&class.commit_fanout_last).is_none(), "what is not in it stays");
    let mut both = recorder.clone();
    both.merge(&recorder);
    assert_eq!(both.classes[0].commit_fanout_last.count(), 2);
    assert_eq!(both.classes[0].commit_deliveries, (6, 204_000));
}

#[test]
fn what_was_missed_has_no_part_in_fan_out_and_comes_all_the_same() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let missed = Delivered {
        attempt: 0,
        intended: Duration::ZERO,
        measured: true,
        first: false,
        reached_p99: false,
        last: false,
        missed: true,
    };
    recorder.delivered(0, &missed, 100, Duration::from_millis(900));
    assert_eq!(recorder.fanout_member.count() + recorder.classes[0].fanout_member.count(), 0);
    assert_eq!((recorder.achieved.deliveries, recorder.achieved.bytes), (1, 100));
}

proptest! {
    #[test]
    fn quantiles_up_to_p9999_are_those_of_the_sorted_values_to_three_digits(
        mut nanos in prop::collection::vec(
            prop_oneof![0_u64..50_000, 0_u64..10_000_000, 0_u64..100_000_000_000], 1..3000),
    ) {
        let series = series(&nanos);
        nanos.sort_unstable();
        for parts in [0, 2_500, 5_000, 9_000, 9_900, 9_990, 9_999, 10_000_u32] {
            let quantile = f64::from(parts) / 10_000.0;
            let rank = (parts as usize * nanos.len()).div_ceil(10_000).max(1);
            let exact = nanos[rank - 1].div_ceil(1000) as f64;
            let found = series.quantile_us(quantile) as f64;
            prop_assert!((found - exact).abs() <= exact * 0.001 + 1e-9, "{quantile}: {found} {exact}");
        }
    }

    #[test]
    fn merging_is_recording_into_one(
        left in prop::collection::vec(0_u64..10_000_000_000, 0..200),
        right in prop::collection::vec(0_u64..10_000_000_000, 0..200),
    ) {
        let mut merged = series(&left);
        merged.merge(&series(&right));
        let both = series(&[left, right].concat());
        prop_assert!(merged.histogram() == both.histogram());
        prop_assert_eq!(merged.count(), both.count());
    }
}

/// A racer's claim is ordered and is no operation; a change may come through with the commit of another.
#[test]
fn what_is_ordered_beside_operations_is_none_of_those_that_came_through() {
    let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
    let (due, at) = (Duration::from_millis(1), Duration::from_millis(2));
    let due = Due { class: 0, intended: due, measured: true };
    recorder.ordered(at);
    assert_eq!((recorder.achieved.accepted, recorder.achieved.ordered), (0, 1));
    recorder.ordered(at);
    recorder.served(due, at, at);
    recorder.served(due, at, at);
    recorder.accepted(due, at, at);
    assert_eq!((recorder.achieved.accepted, recorder.achieved.ordered), (3, 3));
    let late = Duration::from_secs(1);
    recorder.ordered(late);
    recorder.served(due, at, late);
    assert_eq!((recorder.achieved.accepted, recorder.achieved.ordered), (3, 3));
}

#[test]
fn what_comes_about_after_the_window_is_not_achieved_in_it() {
    let ms = Duration::from_millis;
    let mut recorder = Recorder::new(1, ms(100)..ms(200));
    let due = Due { class: 0, intended: ms(150), measured: true };
    for at in [99, 100, 199, 200, 5_000] {
        recorder.accepted(due, ms(150), ms(at));
    }
    assert_eq!(recorder.achieved.accepted, 2);
    assert_eq!(recorder.response.count(), 5);
}

#[test]
fn what_is_not_measured_is_in_the_intervals_all_the_same() {
    let mut recorder = Recorder::new(1, Duration::from_secs(1)..Duration::from_secs(2));
    let (due, at) =
        (Due { class: 0, intended: Duration::ZERO, measured: false }, Duration::from_millis(3));
    recorder.reached(due, at);
    recorder.accepted(due, at, at);
    let delivered = Delivered {
        attempt: 0,
        intended: Duration::ZERO,
        measured: false,
        first: false,
        reached_p99: true,
        last: true,
        missed: false,
    };
    recorder.delivered(0, &delivered, 100, at);
    recorder.delivered(0, &Delivered { missed: true, ..delivered }, 100, at);
    let all = recorder.intervals.finish(at, EngineReading::default());
    let counts = Metric::ALL.map(|metric| all[0].of(metric).count);
    assert_eq!(counts, [1, 1, 1, 0, 1, 1]);
    assert_eq!((all[0].due, all[0].accepted, all[0].deliveries, all[0].bytes), (1, 1, 2, 200));
}
