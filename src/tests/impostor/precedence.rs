//! Several things wrong at once: the worst decides, and all of them are told, the worst first.

use std::time::Duration;

use super::manner::{Fault, Manner, What};
use super::trial::{LISTENER, interrupted, plan, scenario, trial};
use crate::clock;

fn lost() -> Option<Fault> {
    let (group, seq, member) = LISTENER;
    Some(Fault { group, seq, member, what: What::Lose })
}

#[test]
fn a_violation_outweighs_a_late_generator_which_is_told_after_it() {
    let late = |_| clock::wait_until(clock::now() + Duration::from_millis(80));
    let manner = Manner { fault: lost(), ..Manner::default() };
    let trial = interrupted(manner, plan(&scenario(&[])), late);
    trial.blames(&[("gap", 1), ("missing", 1)]);
    let verdict = &trial.record.verdict;
    assert!(verdict.reasons[2].starts_with("the generator was late: p99 "), "{verdict:?}");
}

#[test]
fn a_violation_outweighs_refusals_which_are_told_after_it() {
    let manner = Manner { fault: lost(), sheds_one_of: Some(10), ..Manner::default() };
    let trial = trial(manner, plan(&scenario(&[("commits = \"20%\"", "commits = \"0%\"")])));
    trial.blames(&[("gap", 1), ("missing", 1)]);
    let verdict = &trial.record.verdict;
    assert!(verdict.reasons[2].contains("refused, and not for their epoch"), "{verdict:?}");
}
