//! Intervals against a plain list of what was told.

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn intervals(end: Duration) -> Intervals {
    Intervals::new(vec![MS(1_500), MS(4_000)], end)
}

#[test]
fn an_outcome_is_in_the_interval_in_which_it_came_whenever_it_was_due() {
    let mut intervals = intervals(MS(5_000));
    intervals.reached(MS(900), MS(901));
    intervals.reached(MS(950), MS(951));
    intervals.accepted(MS(900), MS(901), MS(2_100));
    intervals.delivered(300, MS(2_100));
    intervals.fanned_out(Metric::FanoutLast, MS(900), MS(2_100));
    intervals.timed_out(MS(3_000));
    let all = intervals.finish(MS(3_200), EngineReading::default());
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.from, one.due, one.accepted, one.timed_out, one.in_flight, one.phase))
        .collect();
    let expected = [
        (MS(0), 2, 0, 0, 2, 0),
        (MS(1_000), 0, 0, 0, 2, 0),
        (MS(2_000), 0, 1, 0, 1, 1),
        (MS(3_000), 0, 0, 1, 0, 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(all[3].to, MS(3_200), "the last one is as long as the run was");
    assert_eq!((all[2].deliveries, all[2].bytes), (1, 300));
    assert_eq!(all[2].of(Metric::Response).count, 1);
    assert_eq!(all[2].of(Metric::Response).max_us / 1_000, 1_200);
    assert_eq!(all[2].of(Metric::FanoutLast).count, 1);
    assert_eq!(all[0].of(Metric::Lateness).count, 2);
}

#[test]
fn a_long_run_has_no_more_intervals_than_a_bound_and_they_are_as_long_as_that_takes() {
    let check = |end: u64, length: u64| {
        assert_eq!(intervals(Duration::from_secs(end)).length(), Duration::from_secs(length));
    };
    check(1, 1);
    check(3_600, 1);
    check(3_601, 2);
    check(7_201, 4);
    check(86_400, 32);
    let mut over = intervals(MS(1_000));
    over.delivered(1, Duration::from_secs(10_000));
    over.delivered(1, Duration::from_secs(10_001));
    let all = over.finish(Duration::from_secs(10_001), EngineReading::default());
    assert_eq!(all.len(), INTERVALS_MAX + 1, "whatever comes after the last bound is in one");
    assert_eq!(all.last().unwrap().deliveries, 2);
}

#[test]
fn only_whole_intervals_are_shown_while_a_run_goes_on() {
    let mut intervals = intervals(MS(5_000));
    intervals.accepted(MS(0), MS(0), MS(10));
    intervals.accepted(MS(900), MS(900), MS(1_100));
    assert_eq!(intervals.finished().len(), 0, "nothing of it is packed");
    for _ in 0..Metric::COUNT {
        intervals.look(MS(1_200), EngineReading::default());
    }
    assert_eq!(intervals.finished().len(), 1);
    assert_eq!(intervals.finished()[0].of(Metric::Response).count, 1);
    assert_eq!(intervals.next_turn(), MS(2_000));
}

#[test]
fn what_the_server_used_belongs_to_the_interval_that_was_over_when_it_was_asked() {
    let reading = |cpu_us, deliveries| ServerReading { cpu_us, rss_bytes: cpu_us * 10, deliveries };
    let mut intervals = intervals(MS(5_000));
    intervals.server(Duration::ZERO, reading(100, 7));
    intervals.delivered(1, MS(1_001));
    intervals.server(MS(1_000), reading(150, 17));
    intervals.delivered(1, MS(3_500));
    // An answer was lost: the next one is of both.
    intervals.server(MS(3_000), reading(250, 37));
    let all = intervals.finish(MS(3_500), EngineReading::default());
    let cpu: Vec<_> = all.iter().map(|one| one.server_cpu_us).collect();
    assert_eq!(cpu, [Some(50), None, Some(100), None]);
    assert_eq!(all[0].server_rss_bytes, Some(1_500));
    assert_eq!(all[0].server_cpu_us_per_delivery(), Some(5.0));
    assert_eq!(all[1].server_cpu_us_per_delivery(), None);
}

#[test]
fn what_this_side_used_is_charged_to_the_interval_that_ended() {
    let reading = |cpu_us, violations| EngineReading {
        cpu_us,
        worker_cpu_us: cpu_us / 2,
        receive_drops: violations,
        violations,
    };
    let mut intervals = intervals(MS(5_000));
    intervals.start(reading(1_000, 0));
    // Nothing has ended, so nothing is charged; then it has been.
    intervals.look(MS(500), reading(1_200, 1));
    intervals.look(MS(1_000), reading(1_400, 2));
    intervals.look(MS(1_100), reading(1_450, 2));
    let all = intervals.finish(MS(1_700), reading(1_500, 5));
    let charged: Vec<_> =
        all.iter().map(|one| (one.engine_cpu_us, one.worker_cpu_us, one.violations)).collect();
    assert_eq!(charged, [(400, 200, 2), (100, 50, 3)]);
}

#[test]
fn what_was_never_reached_is_due_and_not_issued_when_the_run_ends() {
    let mut intervals = intervals(MS(5_000));
    intervals.reached(MS(1), MS(1));
    intervals.not_issued(true, MS(700));
    intervals.not_issued(false, MS(700));
    let all = intervals.finish(MS(700), EngineReading::default());
    assert_eq!((all.len(), all[0].due, all[0].not_issued, all[0].in_flight), (1, 2, 2, 0));
}

#[test]
fn an_end_on_a_boundary_leaves_no_interval_without_a_length() {
    let mut intervals = intervals(MS(5_000));
    intervals.delivered(1, MS(1_999));
    let all = intervals.finish(MS(2_000), EngineReading::default());
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.seconds() == 1.0));
}

proptest! {
    /// Whenever the worker looks around, the intervals add up to what one histogram of everything
    /// holds.
    #[test]
    fn the_sum_of_the_intervals_is_the_run(
        told in prop::collection::vec((0_u64..400, 0_u64..4_000, any::<bool>()), 1..200),
    ) {
        let (mut intervals, mut whole) = (intervals(MS(90_000)), Series::default());
        let mut at = Duration::ZERO;
        for (later, took, look) in told.iter().copied() {
            at += MS(later);
            let intended = at.saturating_sub(MS(took));
            whole.record(intended, at);
            intervals.accepted(intended, intended, at);
            if look {
                intervals.look(at, EngineReading::default());
            }
        }
        let all = intervals.finish(at, EngineReading::default());
        let mut sum = Series::default().histogram().clone();
        for interval in &all {
            sum.add(interval.of(Metric::Response).histogram()).unwrap();
            prop_assert_eq!(interval.of(Metric::Response).count, interval.accepted);
        }
        prop_assert!(&sum == whole.histogram());
        prop_assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}
