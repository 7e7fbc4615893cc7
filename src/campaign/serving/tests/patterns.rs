//! Patterns of two suites, of which no stack here runs any.

use super::rates::{commits_due, is_searched};
use super::*;
use crate::limits::SERVING_TRIAL_FULL_COMMITS_MIN;

#[test]
fn a_combiner_loads_two_groups_at_the_rates_of_its_ratio() {
    let question = Question {
        contenders: vec![pattern("combiner:4"), pattern("welcome")],
        members: vec![50],
        trial: None,
        ..question()
    };
    let (result, service) = measured(&question, MadeUp::new(1e9));
    assert_eq!(result.rows.len(), 1, "a Welcome's commits are those of its suite");
    assert_eq!(result.modelled.len(), 2);
    let both = service.ran.iter().find(|scenario| scenario.groups.len() == 2).unwrap();
    let commits = |group: u32| commits_due(both, group);
    assert_eq!(commits(0), 4 * commits(1), "{:?}", both.groups);
    assert!(commits(1) >= 1);
    assert!(both.groups[1].commits.as_fraction() == 1.0, "messages are the classical group's");
    assert_eq!(both.groups[0].members, both.groups[1].members);
    let row = &result.rows[0];
    assert!(row.pattern && row.trials.iter().all(|trial| trial.error.is_none()));
    // What the service spent is of both groups, for each commit of the room.
    let expected = row.commit_bytes * 50.0 * NS_PER_BYTE / 1e3 + 50.0 * 1.25 * US_PER_DELIVERY;
    let found = row.cpu_us_per_commit.unwrap().median;
    assert!((found / expected - 1.0).abs() < 0.03, "{found} {expected}");
}

#[test]
fn full_and_partial_commits_of_a_combiner_are_told_apart() {
    let contenders = [&question().contenders[..1], &[pattern("combiner:4")]].concat();
    let question = Question { contenders, members: vec![1_000], trial: None, ..question() };
    let (result, _) = measured(&question, MadeUp::new(1e9));
    let plain = row(&result, "x25519", 1_000);
    assert_eq!((plain.classical_last, plain.post_quantum_last), (None, None));
    assert_eq!(plain.commits(), plain.commit_last.count);
    let combined = row(&result, "combiner:4", 1_000);
    let (classical, second) =
        (combined.classical_last.unwrap(), combined.post_quantum_last.unwrap());
    assert_eq!((combined.commits(), classical.count), (classical.count, 4 * second.count));
    assert_eq!(combined.commit_last.count, classical.count + second.count);
    assert_eq!(classical.p50, plain.commit_last.p50, "the classical part is a classical commit");
    assert!(second.p50 > 3 * classical.max && second.max == combined.commit_last.max);
    let text = render(result, 100);
    let told = format!(
        "combiner:4 (modelled): of its {} commits {} are full",
        classical.count, second.count
    );
    assert!(text.contains(&told), "{told}: {text}");
}

#[test]
fn a_trial_of_a_combiners_search_has_full_commits_in_it() {
    let question =
        Question { contenders: vec![pattern("combiner:4")], members: vec![1_000], ..question() };
    let (result, service) = measured(&question, MadeUp::new(1e9));
    let trials: Vec<&Scenario> = service.ran.iter().filter(is_searched).collect();
    assert!(!trials.is_empty());
    for trial in trials {
        assert!(commits_due(trial, 1) >= SERVING_TRIAL_FULL_COMMITS_MIN, "{:?}", trial.window());
        assert!(commits_due(trial, 0) >= 4 * SERVING_TRIAL_FULL_COMMITS_MIN);
    }
    // A full one may take two intervals of full ones: the partial ones between them are small.
    let row = &result.rows[0];
    let (found, full) = (row.saturation.as_ref().unwrap(), row.post_quantum_last.unwrap());
    let edge = 4.0 * 2.0 / (full.p50 as f64 / 1e6);
    let (low, high) = (found.sustained_per_s.unwrap(), found.not_sustained_per_s.unwrap());
    assert!(low <= edge * 1.02 && edge * 0.98 <= high, "{low} {edge} {high}");
}
