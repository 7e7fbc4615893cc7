//! Thresholds: how they are read, what they come to, and that none is given up that could hold.

mod most;

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Comparison, Counted, Facts, Metric, Most, MostOfClass, Scope, ServerFacts, Standing, Stat,
    Tally, Threshold, Timed,
};
use crate::load::joins::Joins;
use crate::load::oracle::Delivered;
use crate::load::population::Population;
use crate::load::recorder::{Due, Recorder};
use crate::load::scenario::Scenario;
use crate::load::schedule::Schedule;

fn scenario() -> Scenario {
    let text = include_str!("../../../scenarios/smoke.toml");
    Scenario::parse(text, "smoke.toml").unwrap()
}

fn parse(line: &str) -> Threshold {
    Threshold::parse(line).unwrap_or_else(|fault| panic!("{line}: {fault:?}"))
}

#[test]
fn a_line_is_read_with_or_without_spaces() {
    let check = |line: &str, metric: Metric, comparison, bound: f64| {
        let threshold = parse(line);
        assert_eq!((&threshold.metric, threshold.comparison), (&metric, comparison), "{line}");
        assert_eq!(threshold.bound, bound, "{line}");
        assert_eq!(threshold.text, line.trim(), "{line}");
    };
    let latency = |timed, scope, stat| Metric::Latency { timed, scope, stat };
    let large = || Scope::Group("large".to_owned());
    check(
        " fanout_last{group=large}.p99 < 250ms ",
        latency(Timed::FanoutLast, large(), Stat::Quantile(9_900)),
        Comparison::Below,
        250_000.0,
    );
    check(
        "response.max<=1.5s",
        latency(Timed::Response, Scope::Run, Stat::Max),
        Comparison::AtMost,
        1.5e6,
    );
    let commits = latency(Timed::CommitResponse, large(), Stat::Count);
    check("commit_response{ group = large } .count >= 7", commits, Comparison::AtLeast, 7.0);
    check("violations == 0", Metric::Count(Counted::Violations), Comparison::Equal, 0.0);
    check("not_issued < 0.1%", Metric::Share(Counted::NotIssued), Comparison::Below, 0.001);
    check("timed_out <= 3", Metric::Count(Counted::TimedOut), Comparison::AtMost, 3.0);
    let given_up = latency(Timed::TimedOut, Scope::Run, Stat::Count);
    check("timed_out.count == 0", given_up, Comparison::Equal, 0.0);
    check("operations_per_s > 120/min", Metric::Operations, Comparison::Above, 2.0);
    check("achieved >= 99%", Metric::Achieved, Comparison::AtLeast, 0.99);
    check("cpu_us_per_delivery < 2.5us", Metric::CpuPerDelivery, Comparison::Below, 2.5);
    check("rss_peak < 1MiB", Metric::RssPeak, Comparison::Below, 1_048_576.0);
}

#[test]
fn a_mistake_is_placed_and_told_what_is_allowed() {
    let check = |line: &str, at: &str, hint: &str| {
        let fault = Threshold::parse(line).unwrap_err();
        assert_eq!(&line[fault.span.clone()], at, "{line}: {fault:?}");
        assert!(fault.message.contains(hint), "{line}: {}", fault.message);
    };
    check("fanot_last.p99 < 1ms", "fanot_last", "did you mean fanout_last, ");
    check("", "", "begins with a metric: response, ");
    check("response < 1ms", "", "say which statistic: .p50, .p90");
    check("response.p98 < 1ms", "p98", "there are p50, p90");
    check("response{group=a.p99 < 1ms", "{", "not closed");
    check("response{class=a}.p99 < 1ms", "class=a", "neither group=NAME nor phase=NAME");
    check("response{group=}.p99 < 1ms", "group=", "group=NAME");
    check(
        "lateness{group=a}.p99 < 1ms",
        "{group=a}",
        "not kept by group; there are response, fanout_member",
    );
    check("service{phase=a}.p99 < 1ms", "{phase=a}", "by phase; there are response, lateness");
    check("commit_response.p99 < 1ms", "", "say {group=NAME}");
    check("violations{group=a} == 0", "{group=a}", "of the whole run");
    check("violations.p99 == 0", "p99", "only latencies have statistics");
    check("violations = 0", "=", "expected here: <= >= == < >");
    check("violations", "", "expected here");
    check("violations ==", "", "a whole number");
    check("violations == 1%", "1%", "a whole number");
    check("response.p99 < 250", "250", "a duration");
    check("response.p99 < 1.0005ms 2", "1.0005ms 2", "a duration");
    check("response.p99 < 0.0005ms", "0.0005ms", "whole microseconds");
    check("not_issued < 101%", "101%", "a share such as 0.1%, or a whole number");
    check("achieved > 3", "3", "a share such as 99%");
    check("deliveries_per_s > 3", "3", "a rate");
    check("rss_peak < 3", "3", "a size");
    check("réponse.p99 < 1ms", "réponse", "did you mean response");
}

#[test]
fn a_class_that_is_not_there_is_named_with_those_that_are() {
    assert_eq!(parse("response{group=tape}.p99 < 1ms").fits(&scenario()), Ok(()));
    assert_eq!(parse("response.p99 < 1ms").fits(&scenario()), Ok(()));
    let refusal = parse("response{group=tap}.p99 < 1ms").fits(&scenario()).unwrap_err();
    assert!(refusal.ends_with("\"tap\"; there are tape, live, synthetic"), "{refusal}");
    assert_eq!(parse("response{phase=warm_up}.p99 < 1ms").fits(&scenario()), Ok(()));
    let refusal = parse("response{phase=soak}.p99 < 1ms").fits(&scenario()).unwrap_err();
    assert!(refusal.ends_with("phase is called \"soak\"; there are warm_up, measure"), "{refusal}");
}

#[test]
fn what_joins_take_is_bounded_only_where_somebody_joins() {
    let churn = include_str!("../../../scenarios/churn.toml");
    let churn = Scenario::parse(churn, "churn.toml").unwrap();
    let (window, tally) = (Duration::from_secs(1), Tally::default());
    let mut joins = Joins::default();
    joins.joined(0, Some(Duration::ZERO), true, Duration::from_millis(30));
    let recorder = recorder();
    let facts =
        |joins| Facts { scenario: &churn, recorder: &recorder, joins, tally, window, server: None };
    for line in ["join.p99 < 50ms", "welcome.p99 < 1ms", "claim.max < 1ms", "fetch.p50 < 1ms"] {
        let threshold = parse(line);
        assert_eq!(threshold.fits(&churn), Ok(()));
        assert!(threshold.fits(&scenario()).unwrap_err().starts_with("nobody joins"), "{line}");
    }
    let standing = |line: &str, joins| parse(line).judge(&facts(joins)).standing;
    assert_eq!(standing("join.p99 < 50ms", Some(&joins)), Standing::Pass);
    assert_eq!(standing("join.p99 < 20ms", Some(&joins)), Standing::Fail);
    assert_eq!(standing("welcome.p99 < 20ms", Some(&joins)), Standing::NotMeasured);
    assert_eq!(standing("join.p99 < 50ms", None), Standing::NotMeasured);
    let most = Most::of(&churn, &Population::of(&churn), &Schedule::plan(&churn));
    let lost = |line: &str| parse(line).is_hopeless(&facts(Some(&joins)), &most);
    assert!(lost("join.max < 20ms") && !lost("join.p50 < 20ms") && !lost("join.count > 1000"));
}

/// A delivery to each of the most members that a group may come to have may still come.
#[test]
fn who_may_yet_come_in_is_among_the_most_that_may_be_delivered_to() {
    let churn = include_str!("../../../scenarios/churn.toml");
    let churn = Scenario::parse(churn, "churn.toml").unwrap();
    let schedule = Schedule::plan(&churn);
    let most = Most::of(&churn, &Population::of(&churn), &schedule);
    let members: Vec<u64> = most.classes.iter().map(|class| class.members).collect();
    assert_eq!(members, [30, 40, 60]);
    let deliveries: u64 = schedule
        .operations()
        .iter()
        .map(|operation| [30, 30, 30, 30, 40, 40, 60, 60][operation.group as usize])
        .sum();
    assert_eq!(most.deliveries, Some(deliveries));
}

/// Ninety-nine responses of a millisecond and one of a second, all in the first class.
fn recorder() -> Recorder {
    let second = Duration::from_secs(1);
    let mut recorder = Recorder::new(3, Duration::ZERO..second * 10);
    for number in 0..100 {
        let due = Due { class: 0, intended: Duration::from_millis(number), measured: true };
        recorder.reached(due, due.intended);
        let took = if number == 50 { second } else { Duration::from_millis(1) };
        recorder.accepted(due, due.intended, due.intended + took);
    }
    recorder
}

#[test]
fn a_threshold_is_judged_by_what_a_run_came_to() {
    let (scenario, recorder) = (scenario(), recorder());
    let tally = Tally {
        called_for: 200,
        accepted: 100,
        violations: 0,
        member_faults: 1,
        not_issued: 2,
        ..Tally::default()
    };
    let server = ServerFacts { cpu_us_per_delivery: None, rss_peak_bytes: 5 << 20 };
    let window = Duration::from_secs(10);
    let facts = Facts {
        scenario: &scenario,
        recorder: &recorder,
        joins: None,
        tally,
        window,
        server: Some(server),
    };
    let check = |line: &str, standing| {
        let judged = parse(line).judge(&facts);
        assert_eq!(judged.standing, standing, "{line}: {judged:?}");
    };
    check("response.p99 < 2ms", Standing::Pass);
    check("response.p999 < 2ms", Standing::Fail);
    check("response{group=tape}.max < 2ms", Standing::Fail);
    check("response{group=live}.max < 2ms", Standing::NotMeasured);
    check("response{group=live}.count == 0", Standing::Pass);
    check("response.mean < 12ms", Standing::Pass);
    check("fanout_last.p99 < 1h", Standing::NotMeasured);
    check("violations == 0", Standing::Pass);
    check("oracle == 0", Standing::Fail);
    check("not_issued <= 1%", Standing::Pass);
    check("not_issued < 1%", Standing::Fail);
    check("operations_per_s >= 10/s", Standing::Pass);
    check("deliveries_per_s > 0/s", Standing::Fail);
    check("achieved == 100%", Standing::Pass);
    check("cpu_per_delivery < 1s", Standing::NotMeasured);
    check("rss_peak <= 5MiB", Standing::Pass);
}

#[test]
fn values_of_one_bucket_are_equal_whatever_their_last_digits() {
    let scenario = scenario();
    let mut recorder = Recorder::new(3, Duration::ZERO..Duration::from_secs(1));
    let due = Due { class: 0, intended: Duration::ZERO, measured: true };
    // Buckets there are 128 us wide: from 249,984 to 250,111.
    recorder.accepted(due, Duration::ZERO, Duration::from_micros(249_990));
    let (tally, window, server) = (Tally::default(), Duration::from_secs(1), None);
    let facts =
        Facts { scenario: &scenario, recorder: &recorder, joins: None, tally, window, server };
    let most = Most {
        classes: vec![MostOfClass { operations: Some(1), commits: Some(0), members: 1 }; 3],
        ..Most::default()
    };
    for (comparison, standing) in [
        ("<", Standing::Fail),
        ("<=", Standing::Pass),
        ("==", Standing::Pass),
        (">=", Standing::Pass),
        (">", Standing::Fail),
    ] {
        let threshold = parse(&format!("response.p99 {comparison} 250ms"));
        assert_eq!(threshold.judge(&facts).standing, standing, "{comparison}");
        // Three may come in all; whatever they are, a maximum only grows.
        let hopeless =
            parse(&format!("response.max {comparison} 250ms")).is_hopeless(&facts, &most);
        assert_eq!(hopeless, comparison == "<", "{comparison}");
    }
}

/// A run of one class in small: what came of each operation.
#[derive(Clone, Copy, Debug)]
enum Came {
    Accepted(u64),
    Rejected(u64),
    TimedOut,
    NotIssued,
}

fn came() -> impl Strategy<Value = Came> {
    let micros = || prop_oneof![0_u64..5, 0_u64..3_000, 0_u64..2_000_000];
    prop_oneof![
        8 => micros().prop_map(Came::Accepted),
        1 => micros().prop_map(Came::Rejected),
        1 => Just(Came::TimedOut),
        1 => Just(Came::NotIssued),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let op = || prop::sample::select(vec!["<", "<=", "==", ">=", ">"]);
    let time = || prop_oneof![0_u64..5, 0_u64..3_000, 0_u64..2_000_000];
    let timed = prop::sample::select(vec![
        "response",
        "service",
        "lateness",
        "rejected",
        "timed_out",
        "fanout_last",
        "fanout_member",
        "response{group=tape}",
        "fanout_last{group=tape}",
        "response{group=live}",
        "response{phase=measure}",
        "lateness{phase=measure}",
        "fanout_last{phase=measure}",
    ]);
    let stat = prop::sample::select(vec!["p50", "p90", "p99", "p999", "p9999", "max", "mean"]);
    let counted = prop::sample::select(vec!["rejected", "timed_out", "not_issued", "refused"]);
    prop_oneof![
        6 => (timed.clone(), stat, op(), time())
            .prop_map(|(timed, stat, op, micros)| format!("{timed}.{stat} {op} {micros}us")),
        1 => (timed, op(), 0_u64..80).prop_map(|(timed, op, count)| format!("{timed}.count {op} {count}")),
        2 => (counted.clone(), op(), 0_u64..20).prop_map(|(what, op, count)| format!("{what} {op} {count}")),
        2 => (counted, op(), 0_u64..1_000).prop_map(|(what, op, tenths)| format!("{what} {op} {}.{}%", tenths / 10, tenths % 10)),
        1 => (op(), 0_u64..60).prop_map(|(op, rate)| format!("operations_per_s {op} {rate}/s")),
        1 => (op(), 0_u64..120).prop_map(|(op, rate)| format!("deliveries_per_s {op} {rate}/s")),
        1 => (op(), 0_u64..=100).prop_map(|(op, share)| format!("achieved {op} {share}%")),
    ]
}

struct Stream {
    scenario: Scenario,
    recorder: Recorder,
    tally: Tally,
    most: Most,
}

impl Stream {
    fn of(operations: usize) -> Self {
        let mut classes =
            vec![MostOfClass { operations: Some(0), commits: Some(0), members: 0 }; 3];
        let operations = operations as u64;
        classes[0] = MostOfClass { operations: Some(operations), commits: Some(0), members: 2 };
        let most = Most {
            classes,
            phases: vec![Some(0), Some(operations)],
            called_for: Some(operations),
            accepted: Some(operations),
            deliveries: Some(operations * 2),
        };
        let mut scenario = scenario();
        // All of the stream is in the second phase.
        scenario.phases[0].length = Duration::ZERO;
        scenario.phases[1].from = Duration::ZERO;
        let mut recorder = Recorder::new(3, Duration::ZERO..Duration::from_secs(1));
        recorder.keep_phases(&scenario.phases);
        Self { scenario, recorder, tally: Tally::default(), most }
    }

    fn take(&mut self, index: usize, came: Came) {
        let intended = Duration::from_millis(index as u64);
        let due = Due { class: 0, intended, measured: true };
        self.tally.called_for += 1;
        self.recorder.reached(due, intended + Duration::from_micros(index as u64 % 7));
        let after = |micros| intended + Duration::from_micros(micros);
        match came {
            Came::Accepted(micros) => {
                self.tally.accepted += 1;
                self.recorder.accepted(due, intended, after(micros));
                for last in [false, true] {
                    let delivered = Delivered {
                        attempt: index as u64,
                        intended,
                        measured: true,
                        first: !last,
                        reached_p99: last,
                        last,
                        missed: false,
                    };
                    self.tally.deliveries += 1;
                    self.recorder.delivered(0, &delivered, 10, after(micros + u64::from(last)));
                }
            }
            Came::Rejected(micros) => {
                (self.tally.rejected, self.tally.refused) =
                    (self.tally.rejected + 1, self.tally.refused + 1);
                self.recorder.rejected(due, after(micros));
            }
            Came::TimedOut => {
                self.tally.timed_out += 1;
                self.recorder.timed_out(due, after(10_000_000));
            }
            Came::NotIssued => self.tally.not_issued += 1,
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            scenario: &self.scenario,
            recorder: &self.recorder,
            joins: None,
            tally: self.tally,
            window: Duration::from_secs(1),
            server: None,
        }
    }
}

proptest! {
    #[test]
    fn what_is_given_up_at_any_point_fails_at_the_end(
        stream in prop::collection::vec(came(), 0..60), lines in prop::collection::vec(line(), 8),
    ) {
        let thresholds: Vec<Threshold> = lines.iter().map(|line| parse(line)).collect();
        let mut run = Stream::of(stream.len());
        let mut given_up = vec![None; thresholds.len()];
        for (index, came) in stream.iter().enumerate() {
            for (threshold, given_up) in thresholds.iter().zip(&mut given_up) {
                if given_up.is_none() && threshold.is_hopeless(&run.facts(), &run.most) {
                    *given_up = Some(index);
                }
            }
            run.take(index, *came);
        }
        for (threshold, given_up) in thresholds.iter().zip(given_up) {
            let judged = threshold.judge(&run.facts());
            prop_assert!(
                given_up.is_none() || judged.standing != Standing::Pass,
                "{threshold} was given up before {given_up:?} and came to {judged:?}"
            );
        }
    }

    #[test]
    fn a_latency_is_given_up_exactly_when_no_end_of_the_run_could_save_it(
        stream in prop::collection::vec(0_u64..40, 1..30), left in 0_usize..30,
        stat in prop::sample::select(vec!["p50", "p90", "p99", "max", "count"]),
        op in prop::sample::select(vec!["<", "<=", ">=", ">"]), bound in 1_u64..40,
    ) {
        let unit = if stat == "count" { "" } else { "us" };
        let threshold = parse(&format!("response.{stat} {op} {bound}{unit}"));
        let mut run = Stream::of(stream.len() + left);
        for (index, micros) in stream.iter().enumerate() {
            run.take(index, Came::Accepted(*micros));
        }
        let hopeless = threshold.is_hopeless(&run.facts(), &run.most);
        let best = if op.starts_with('<') { 0 } else { 1_000 };
        let mut saved = threshold.judge(&run.facts()).standing == Standing::Pass;
        for more in 0..left {
            run.take(stream.len() + more, Came::Accepted(best));
            saved |= threshold.judge(&run.facts()).standing == Standing::Pass;
        }
        prop_assert_eq!(hopeless, !saved);
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in "[a-z_0-9{}=.<>%/ é]{0,40}") {
        if let Err(fault) = Threshold::parse(&line) {
            prop_assert!(line.get(fault.span).is_some());
        }
    }
}

#[test]
fn a_single_violation_loses_a_run_that_may_have_none() {
    let mut run = Stream::of(10);
    let threshold = parse("violations == 0");
    assert!(!threshold.is_hopeless(&run.facts(), &run.most));
    run.tally.violations = 1;
    assert!(threshold.is_hopeless(&run.facts(), &run.most));
    assert!(!parse("violations <= 1").is_hopeless(&run.facts(), &run.most));
}

#[test]
fn a_share_is_lost_once_all_that_is_still_called_for_cannot_dilute_it() {
    let mut run = Stream::of(1_000);
    let lost = |run: &Stream, line: &str| parse(line).is_hopeless(&run.facts(), &run.most);
    run.tally = Tally { called_for: 5, not_issued: 4, ..Tally::default() };
    assert!(!lost(&run, "not_issued < 0.5%"));
    run.tally.not_issued = 5;
    assert!(lost(&run, "not_issued < 0.5%"));
    run.most.called_for = None;
    assert!(!lost(&run, "not_issued < 0.5%"), "nobody knows how much more there will be");
}
