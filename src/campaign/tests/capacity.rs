//! The search with records: what a trial says, and what is written of it.

use std::path::Path;
use std::time::Duration;

use super::{MadeUp, closed, scenario};
use crate::campaign::capacity::{Subject, judge};
use crate::campaign::record::{
    CampaignOutcome, CampaignRecord, Capacity, SCHEMA_VERSION, TrialRecord,
};
use crate::campaign::search::{Goal, Said};
use crate::campaign::text;
use crate::load::scenario::Scenario;
use crate::report::intervals::IntervalRecord;
use crate::report::provenance::Provenance;
use crate::report::record::{PhaseRecord, Record};
use crate::report::summary::Look;
use crate::report::verdict::Status;

const GOAL: Goal = Goal {
    start: 1.0,
    first_step: 0.5,
    range: (0.01, 100.0),
    width: 0.05,
    short: Duration::from_secs(5),
    long: Duration::from_secs(15),
    trials: 3,
    exceed_ratio: 0.5,
    budget: Duration::from_secs(3_600),
};

fn search(mut service: MadeUp) -> (Capacity, MadeUp) {
    let capacity = Subject::of(&scenario()).unwrap().search(GOAL, &mut service).unwrap();
    (capacity, service)
}

fn render(capacity: Capacity) -> String {
    let record = CampaignRecord {
        schema_version: SCHEMA_VERSION,
        provenance: Provenance::default(),
        outcome: CampaignOutcome::FindMax(capacity),
    };
    assert_eq!(CampaignRecord::from_json(&record.to_json()).unwrap(), record);
    text::render(&record, Path::new("folder"), Look::default())
}

#[test]
fn a_capacity_is_written_with_both_bounds_their_width_and_every_trial() {
    let (capacity, service) = search(MadeUp::new(640.0, 1e9));
    let (lower, upper) = (capacity.lower.unwrap(), capacity.upper.unwrap());
    assert!(lower.offered_per_s.median <= 640.0 && 640.0 < upper.offered_per_s.median);
    assert!(capacity.width.unwrap() <= 0.0501 && capacity.conclusion == "bounded");
    assert_eq!(capacity.trials.len(), service.ran.len());
    assert_eq!((lower.missed, upper.met), (0, 0));
    assert!(lower.decided && upper.decided && lower.met >= 2 && upper.missed >= 2);
    for (trial, ran) in capacity.trials.iter().zip(&service.ran) {
        let seconds = if trial.length.as_deref() == Some("long") { 15.0 } else { 5.0 };
        assert_eq!(trial.window_s, seconds, "{trial:?}");
        assert_eq!(ran.window().start, scenario().window().start, "the warm-up stays");
        assert_eq!(trial.said.as_deref() == Some("missed"), !trial.missed.is_empty());
    }
    assert!(service.said.iter().any(|line| line.contains("fanout_last.p99 < 250ms: 900 ms")));
    let text = render(capacity);
    for part in
        ["relevant lower bound  6", "relevant upper bound  6", "width  ", "trials  ", "SLO  "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        text.contains("fanout_last.p99 < 250ms\n") && text.contains("bounded backlog"),
        "{text}"
    );
}

/// The lines that say what the two bounds came to.
fn rests(capacity: &Capacity) -> [String; 2] {
    let text = render(capacity.clone());
    ["lower", "upper"].map(|bound| {
        let starts = format!("{bound} bound rests on  ");
        let line = text.lines().find_map(|line| line.strip_prefix(&starts));
        line.unwrap_or("no such line").to_owned()
    })
}

#[test]
fn what_each_bound_rests_on_is_told_with_what_contradicts_it() {
    let (capacity, _) = search(MadeUp::new(640.0, 1e9));
    assert_eq!(rests(&capacity), ["3 long trials, of one mind"; 2].map(str::to_owned));
    let text = render(capacity.clone());
    assert!(text.contains("a bound takes 3 long ones of one mind"), "{text}");
    let (lower, upper) = (capacity.lower.unwrap().factor, capacity.upper.unwrap().factor);
    let with = |length: &str, factor: f64, said: &str| {
        let mut capacity = capacity.clone();
        capacity.trials.push(TrialRecord {
            factor,
            length: Some(length.to_owned()),
            said: Some(said.to_owned()),
            ..capacity.trials[0].clone()
        });
        capacity
    };
    let check = |capacity: &Capacity, expected: [&str; 2]| {
        assert_eq!(rests(capacity), expected.map(str::to_owned));
    };
    let few = "3 long trials of the 4 that it takes";
    let alone = format!("{few}, of one mind");
    let contradicted = with("short", lower * 0.9, "missed");
    check(&contradicted, [&format!("{few}; 1 short trial said otherwise"), &alone]);
    assert!(render(contradicted).contains("a bound takes 4 long ones"), "one more");
    let contradicted = with("long", upper, "met");
    check(&contradicted, [&alone, &format!("{few}; 1 long trial said otherwise")]);
    check(&with("short", lower, "generator_limited"), ["3 long trials, of one mind"; 2]);
    check(&with("short", lower * 0.9, "met"), ["3 long trials, of one mind"; 2]);
}

#[test]
fn a_search_that_ran_out_of_time_does_not_say_that_anything_agreed() {
    let budget = Duration::from_secs(60);
    let mut service = MadeUp::new(640.0, 1e9);
    let subject = Subject::of(&scenario()).unwrap();
    let mut capacity = subject.search(Goal { budget, ..GOAL }, &mut service).unwrap();
    assert_eq!(capacity.conclusion, "out_of_time");
    let [lower, upper] = rests(&capacity);
    for said in [&lower, &upper] {
        assert!(said.ends_with("short trials and no long one, of one mind"), "{said}");
    }
    // As if one of those at the upper bound had met it.
    let at = capacity.upper.unwrap().factor;
    let trial = capacity.trials.iter_mut().find(|trial| trial.factor.total_cmp(&at).is_eq());
    trial.unwrap().said = Some("met".to_owned());
    let [lower_now, upper_now] = rests(&capacity);
    assert_eq!(lower_now, lower);
    assert_eq!(upper_now, "1 short trial and no long one; 1 short trial said otherwise");
}

#[test]
fn a_generator_that_is_the_limit_is_said_to_be_and_gives_no_upper_bound() {
    let (capacity, _) = search(MadeUp::new(1e9, 900.0));
    assert_eq!((capacity.conclusion.as_str(), capacity.upper), ("generator_limited", None));
    assert!(capacity.limited.unwrap().generator_limited >= 3);
    let lower = capacity.lower.unwrap().offered_per_s.median;
    let text = render(capacity);
    assert!(text.contains("generator-limited above "), "{text}");
    assert!(text.contains("none: the generator was the limit"), "{text}");
    assert!(text.contains("0 trials met it, 0 missed it, 3 say nothing"), "{text}");
    assert!((850.0..=900.0).contains(&lower), "{lower}");
}

#[test]
fn a_service_that_bears_nothing_or_everything_has_one_bound() {
    let (none, _) = search(MadeUp::new(0.0, 1e9));
    assert_eq!((none.conclusion.as_str(), none.lower), ("below_range", None));
    assert!(render(none).contains("none: no load that was tried met it"));
    let (all, _) = search(MadeUp::new(1e9, 1e9));
    assert_eq!((all.conclusion.as_str(), all.upper), ("above_range", None));
    assert!(render(all).contains("none: every load that was tried met it"));
}

fn check(change: impl FnOnce(&mut Record), said: Said, hint: &str) {
    let mut record = MadeUp::new(1e9, 1e9).record(&scenario());
    change(&mut record);
    let (found, missed) = judge(&record);
    assert_eq!(found, said, "{missed:?}");
    assert!(missed.join("; ").contains(hint), "{missed:?}");
}

fn verdict(status: Status, reason: &str) -> impl FnOnce(&mut Record) {
    let reason = reason.to_owned();
    move |record| (record.verdict.status, record.verdict.reasons) = (status, vec![reason])
}

#[test]
fn a_trial_meets_the_goal_only_if_it_is_correct_achieved_and_drained() {
    check(|_| {}, Said::Met, "");
    check(verdict(Status::Violated, "1 x gap"), Said::Missed, "1 x gap");
    check(
        verdict(Status::Invalid, "the server was lost: exit 1"),
        Said::Missed,
        "the server was lost",
    );
    let limited = |status| {
        move |record: &mut Record| {
            verdict(status, "late")(record);
            record.verdict.generator_limited = true;
        }
    };
    check(limited(Status::Invalid), Said::Nothing, "");
    // What a reason says is for people: the flag decides.
    check(verdict(Status::Invalid, "the generator was lost: exit 1"), Said::Missed, "exit 1");
    // A broken contract is that of the service, however late the generator was.
    check(limited(Status::Violated), Said::Missed, "late");
    check(
        |record| record.throughput.came_through_per_s = Some(0.989 * 100.0),
        Said::Missed,
        "achieved 98.9/s of 100.0/s",
    );
    check(|record| record.throughput.came_through_per_s = Some(0.991 * 100.0), Said::Met, "");
    // An older record has submissions alone, which is the same unless members race.
    check(|record| record.throughput.operations_per_s *= 0.989, Said::Missed, "achieved 98.9/s");
}

#[test]
fn a_backlog_that_grows_misses_the_goal_and_one_that_comes_and_goes_does_not() {
    let with = |in_flight: [u64; 4]| {
        move |record: &mut Record| {
            record.phases = vec![PhaseRecord {
                kind: "measure".to_owned(),
                to_s: 4.0,
                ..PhaseRecord::default()
            }];
            record.intervals = (0_u32..)
                .zip(in_flight)
                .map(|(second, in_flight)| IntervalRecord {
                    from_s: f64::from(second),
                    to_s: f64::from(second) + 1.0,
                    in_flight,
                    ..IntervalRecord::default()
                })
                .collect();
        }
    };
    check(with([0, 10, 100, 160]), Said::Missed, "the backlog grew from 100 to 160");
    check(with([0, 10, 100, 130]), Said::Met, "");
    check(with([500, 400, 300, 200]), Said::Met, "");
}

/// Trials of which only one interval, or none, lies in the second half of the window.
#[test]
fn the_backlog_of_a_short_trial_is_asked_too() {
    let with = |measured: std::ops::Range<f64>, in_flight: &'static [(f64, u64)]| {
        move |record: &mut Record| {
            let phase = |kind: &str, from_s, to_s| PhaseRecord {
                kind: kind.to_owned(),
                from_s,
                to_s,
                ..PhaseRecord::default()
            };
            record.phases = vec![
                phase("warm_up", 0.0, measured.start),
                phase("measure", measured.start, measured.end),
            ];
            let from = std::iter::once(0.0).chain(in_flight.iter().map(|(to, _)| *to));
            record.intervals = from
                .zip(in_flight)
                .map(|(from_s, (to_s, in_flight))| IntervalRecord {
                    from_s,
                    to_s: *to_s,
                    in_flight: *in_flight,
                    ..IntervalRecord::default()
                })
                .collect();
        }
    };
    let three = &[(1.0, 0), (2.0, 10), (3.0, 20), (4.0, 70), (5.0, 120), (6.0, 0)];
    check(with(2.0..5.0, three), Said::Missed, "the backlog grew from 20 to 120");
    let steady = &[(1.0, 0), (2.0, 10), (3.0, 20), (4.0, 25), (5.0, 30), (6.0, 0)];
    check(with(2.0..5.0, steady), Said::Met, "");
    let one = &[(1.0, 0), (2.0, 10), (3.0, 60), (4.0, 0)];
    check(with(2.0..3.0, one), Said::Missed, "the backlog grew from 10 to 60");
    let shorter = &[(1.0, 0), (2.0, 10), (2.2, 60), (3.2, 0)];
    check(with(2.0..2.2, shorter), Said::Missed, "the backlog grew from 10 to 60");
    // What was in flight before the window, or is after it, is none of its.
    let before = &[(1.0, 0), (2.0, 60), (2.2, 60), (3.2, 900)];
    check(with(2.0..2.2, before), Said::Met, "");
}

#[test]
fn a_scenario_whose_load_changes_by_itself_has_no_one_capacity() {
    let text = super::SCENARIO.replace(
        "durations = { warm_up = \"1s\", measure = \"2s\", drain = \"1s\" }",
        "drain = \"1s\"",
    ) + "\n[[phases]]\nkind = \"measure\"\nfor = \"2s\"\n[[phases]]\nkind = \"spike\"\nname = \"rush\"\nfor = \"1s\"\nrate = \"300%\"\n";
    let spiking = Scenario::parse(&text, "t").unwrap_or_else(|mistake| panic!("{mistake}"));
    let refusal = Subject::of(&spiking).unwrap_err();
    assert!(refusal.to_string().starts_with("phase \"rush\" changes the load"), "{refusal}");
}

#[test]
fn a_closed_loop_has_no_rate_to_search() {
    let refusal = Subject::of(&closed()).unwrap_err().to_string();
    assert!(refusal.starts_with("class \"loop\" is a closed loop"), "{refusal}");
    assert!(refusal.contains("`stentor contend`"), "{refusal}");
}

#[test]
fn a_load_beyond_what_a_scenario_may_have_is_never_tried() {
    let subject = Subject::of(&scenario()).unwrap();
    let most = subject.most(1e6, Duration::from_secs(15));
    assert!(subject.at(most, Duration::from_secs(15)).is_ok());
    assert!(subject.at(most * 1.25, Duration::from_secs(15)).is_err());
    assert_eq!(subject.most(3.0, Duration::from_secs(15)), 3.0);
}
