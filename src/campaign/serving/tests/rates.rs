//! At which rates runs are, and which are searched for.

use super::*;
use crate::campaign::record::Spread;
use crate::campaign::serving::record::Saturation;
use crate::limits::{
    SERVING_BYTES_PER_SECOND, SERVING_COMMITS_MIN, SERVING_COMMITS_PER_SECOND_MAX,
    SERVING_TRIAL_COMMITS_MIN, SERVING_TRIALS_MIN,
};

/// Commits of a group that are due in the window of a run.
pub(super) fn commits_due(scenario: &Scenario, group: u32) -> u32 {
    let (window, schedule) = (scenario.window(), Schedule::plan(scenario));
    let due = schedule.of_group(group).filter(|op| window.contains(&op.intended));
    due.map(|op| u32::from(op.kind == OperationKind::Commit)).sum()
}

/// Whether a run is one of a search.
pub(super) fn is_searched(scenario: &&Scenario) -> bool {
    scenario.groups[0].commits.as_fraction() == 1.0
}

#[test]
fn every_suite_has_the_same_messages_and_commits_that_do_not_wait_for_each_other() {
    let (result, service) = measured(&Question { trial: None, ..question() }, MadeUp::new(1e9));
    assert_eq!((result.rows.len(), service.ran.len()), (3 * 2, 3 * 2 * 2 * 2));
    for members in [10, 1_000] {
        let here = |scenario: &&Scenario| scenario.groups[0].members == members;
        let messages_alone = |scenario: &&Scenario| scenario.groups[0].commits.is_zero();
        let mut alone = service.ran.iter().filter(here).filter(messages_alone).cloned();
        let first = alone.next().unwrap();
        for mut other in alone {
            other.groups[0].suite = first.groups[0].suite;
            other.why.clone_from(&first.why);
            assert_eq!(other, first);
        }
        for both in service.ran.iter().filter(here).filter(|one| !messages_alone(one)) {
            let (class, like) = (&both.groups[0], &first.groups[0]);
            let share = 1.0 - class.commits.as_fraction();
            let messages = both.offered_per_second() * share;
            assert!((messages / first.offered_per_second() - 1.0).abs() < 1e-4, "{messages}");
            assert_eq!(
                (class.tree, class.senders, both.seed),
                (like.tree, like.senders, first.seed)
            );
            assert!(commits_due(both, 0) >= SERVING_COMMITS_MIN, "{}", both.why);
        }
        let rows: Vec<_> = result.rows.iter().filter(|row| row.members == members).collect();
        for two in rows.windows(2) {
            assert_eq!(two[0].offered_messages_per_s, two[1].offered_messages_per_s);
            assert!(two[0].offered_commits_per_s >= two[1].offered_commits_per_s);
            assert!(two[0].commit_bytes < two[1].commit_bytes);
        }
    }
    let orders: Vec<Vec<&str>> = service
        .ran
        .chunks(3 * 2 * 2)
        .map(|round| round.iter().map(|one| one.why.as_str()).collect())
        .collect();
    assert_ne!(orders[0], orders[1], "each round has an order of its own");
    assert!(service.said.iter().any(|line| line.ends_with("s to go")), "{:?}", service.said);
}

#[test]
fn commits_come_as_often_as_each_suites_bytes_leave_room_for() {
    let question = question();
    for contender in &question.contenders {
        let per_s = question.commits_per_s(contender, 1_000);
        let fanned_out = question.objects(contender, 1_000).commit_max as f64 * 1_000.0;
        assert!(per_s * fanned_out <= SERVING_BYTES_PER_SECOND, "{}: {per_s}", contender.name());
        // With a message less between two of them, and one more a minute, they would be too many.
        let messages = f64::from(question.messages_per_commit(contender, 1_000));
        let more = per_s * messages / (messages - 1.0) + 1.0 / 60.0;
        assert!(more * fanned_out > SERVING_BYTES_PER_SECOND, "{}: {per_s}", contender.name());
        assert_eq!(question.commits_per_s(contender, 10), SERVING_COMMITS_PER_SECOND_MAX);
        let asked = Question { commits_per_min: Some(6.0), ..question.clone() };
        assert_eq!(asked.commits_per_s(contender, 1_000), 0.1);
    }
}

#[test]
fn a_search_has_time_for_its_trials_however_long_they_are() {
    let hurried = Question { budget: Duration::from_millis(100), ..question() };
    let (result, service) = measured(&hurried, MadeUp::new(1e9));
    for name in ["xwing", "mlkem1024"] {
        let found = row(&result, name, 1_000).saturation.as_ref().unwrap();
        assert_eq!(found.conclusion, "bounded", "{found:?}");
        assert!(found.searched.len() <= SERVING_TRIALS_MIN, "{}", found.searched.len());
    }
    let trials: Vec<&Scenario> = service.ran.iter().filter(is_searched).collect();
    assert!(trials.len() >= 2 * 3 * 2);
    for trial in trials {
        let due = commits_due(trial, 0);
        assert!(due >= SERVING_TRIAL_COMMITS_MIN, "{due}: {:?}", trial.window());
    }
    // Such as have no end are ended all the same.
    let found = row(&result, "x25519", 1_000).saturation.as_ref().unwrap();
    assert_eq!((found.conclusion.as_str(), found.searched.len()), ("out_of_time", 6));
    assert!(render(result, 100).contains("its time was over"));
}

#[test]
fn a_search_with_a_run_that_has_no_result_keeps_what_it_found_before() {
    // All runs at their rates, and the first trial of a search.
    let before = question().cells().len() * 2 * 2 + 1;
    let service = MadeUp { fails_at: Some(before), ..MadeUp::new(1e9) };
    let (result, _) = measured(&question(), service);
    let failed: Vec<&ServingRow> = result.rows.iter().filter(|row| row.search_failed()).collect();
    assert_eq!(failed.len(), 1);
    let found = failed[0].saturation.as_ref().unwrap();
    assert_eq!((found.searched.len(), found.because[0].as_str()), (1, "no socket was left"));
    assert!(found.sustained_per_s.is_some() && failed[0].is_sound(), "{found:?}");
}

#[test]
fn a_search_that_starts_at_what_a_commit_took_is_closed_by_two_trials() {
    // The engine keeps up until commits follow each other without a gap.
    let service = MadeUp { engine_bytes_per_s: 0.9e9, ..MadeUp::new(1e9) };
    let (result, _) = measured(&question(), service);
    for name in ["x25519", "xwing", "mlkem1024"] {
        let found = row(&result, name, 1_000).saturation.as_ref().unwrap();
        assert_eq!((found.conclusion.as_str(), found.searched.len()), ("generator_limited", 2));
    }
}

#[test]
fn what_a_commit_costs_at_a_sustained_rate_does_not_hang_on_what_the_window_cuts_off() {
    // Of every commit a tenth of the deliveries is not in the window.
    let (result, _) = measured(&question(), MadeUp { within: 0.9, ..MadeUp::new(1e9) });
    let many = row(&result, "mlkem1024", 10);
    let found = many.saturation.as_ref().unwrap();
    let each = many.commit_bytes * NS_PER_BYTE / 1e3 + US_PER_DELIVERY;
    let cpu = found.cpu_us_per_commit.unwrap();
    assert!((cpu / (10.0 * each) - 1.0).abs() < 0.03, "{cpu} {each}");
}

#[test]
fn what_one_core_has_time_for_is_the_other_side_of_what_a_commit_takes() {
    let (result, _) = measured(&question(), MadeUp::new(1e9));
    for row in &result.rows {
        let (cpu, per_s) = (row.cpu_us_per_commit.unwrap(), row.one_core_per_s().unwrap());
        assert!((per_s.median * cpu.median / 1e6 - 1.0).abs() < 1e-9);
    }
    let cpu_us_per_commit = Some(Spread { median: 4e3, min: 2e3, max: 8e3 });
    let spread = ServingRow { cpu_us_per_commit, ..ServingRow::default() };
    let most_of_the_least = Spread { median: 250.0, min: 125.0, max: 500.0 };
    assert_eq!(spread.one_core_per_s(), Some(most_of_the_least));
    assert_eq!(ServingRow::default().one_core_per_s(), None);
    assert_eq!(Saturation::default().one_core_per_s(), None);
    let of = Saturation { cpu_us_per_commit: Some(4_000.0), ..Saturation::default() };
    assert_eq!(of.one_core_per_s(), Some(250.0));
}

#[test]
fn saturation_is_a_bracket_around_what_the_service_can_send() {
    let (result, service) = measured(&question(), MadeUp::new(1e9));
    for row in result.rows.iter().filter(|row| row.members == 1_000) {
        let found = row.saturation.as_ref().unwrap();
        // A commit may take two intervals, or a quarter of a second, to its last member: what never
        // takes as long is sustained at any rate by a service whose commits do not wait.
        if row.fanout_bytes_per_commit / 1e9 < 0.25 {
            assert_eq!(
                (found.conclusion.as_str(), found.not_sustained_per_s),
                ("above_range", None)
            );
            continue;
        }
        let (low, high) = (found.sustained_per_s.unwrap(), found.not_sustained_per_s.unwrap());
        let took = row.fanout_bytes_per_commit / 1e9;
        let edge = 2.0 / took;
        assert!(low <= edge * 1.02 && edge * 0.98 <= high, "{low} {edge} {high}: {}", row.name);
        assert!(found.width.unwrap() <= 0.31 && found.conclusion == "bounded", "{found:?}");
        assert!(found.because[0].contains("a commit had its last member after"), "{found:?}");
        assert!(found.searched.len() >= 2);
        assert_eq!(found.cpu_us_per_commit, None, "the window's ends would weigh too much");
    }
    let many = row(&result, "mlkem1024", 10);
    let cpu = many.saturation.as_ref().unwrap().cpu_us_per_commit.unwrap();
    assert!((cpu / many.cpu_us_per_commit.unwrap().median - 1.0).abs() < 0.02, "{cpu}");
    assert!(service.ran.iter().any(|scenario| scenario.groups[0].commits.as_fraction() == 1.0));
}

#[test]
fn a_generator_that_is_the_limit_bounds_no_service() {
    let service = MadeUp { engine_bytes_per_s: 3e8, ..MadeUp::new(1e12) };
    let (result, _) = measured(&question(), service);
    let found = row(&result, "mlkem1024", 1_000).saturation.clone().unwrap();
    assert_eq!((found.conclusion.as_str(), found.not_sustained_per_s), ("generator_limited", None));
    assert!(found.sustained_per_s.unwrap() < found.engine_limited_per_s.unwrap());
    let limit = format!("{:.2}", found.engine_limited_per_s.unwrap());
    let text = render(result, 100);
    let of_rates: Vec<&str> = text
        .lines()
        .skip_while(|line| !(line.starts_with("commits/s of") && text.contains("1,000 members")))
        .filter(|line| line.starts_with("mlkem1024") && line.contains(&limit))
        .collect();
    assert_eq!(of_rates.len(), 1, "{limit}: {text}");
}
