//! Each fault is found as what it is, as often as it happened, and nothing else is blamed.

use super::manner::What;
use super::trial::{LISTENER, contested, faulty, plan, scenario};
use crate::load::schedule::Operation;
use crate::report::verdict::Status;

/// Everybody of the second group.
const EVERYBODY: (usize, u64, Option<usize>) = (1, 9, None);

/// Puts a fault into a run without losers.
fn check(what: What, at: (usize, u64, Option<usize>), blamed: &[(&str, u64)]) {
    faulty(what, at, plan(&scenario(&[]))).blames(blamed);
}

#[test]
fn a_lost_delivery_is_a_gap_and_is_missing_at_the_end() {
    check(What::Lose, LISTENER, &[("gap", 1), ("missing", 1)]);
}

#[test]
fn the_last_delivery_of_all_is_missed_though_no_gap_shows_it() {
    let plan = plan(&scenario(&[]));
    let in_group = |operation: &&Operation| operation.group == 1;
    let last = plan.schedule.operations().iter().filter(in_group).count() as u64;
    faulty(What::Lose, (1, last, Some(4)), plan).blames(&[("missing", 1)]);
}

#[test]
fn what_was_accepted_and_came_to_nobody_is_missing_for_each() {
    check(What::Lose, EVERYBODY, &[("gap", 6), ("missing", 6)]);
}

#[test]
fn a_delivery_that_comes_twice_is_a_duplicate() {
    check(What::Duplicate, LISTENER, &[("duplicate", 1)]);
}

#[test]
fn two_deliveries_that_change_places_on_the_way_are_a_gap_and_then_reordered() {
    check(What::Reorder, LISTENER, &[("gap", 1), ("reordered", 1)]);
}

#[test]
fn two_members_that_get_different_orders_disagree() {
    check(What::Exchange, LISTENER, &[("disagreement", 2)]);
}

#[test]
fn a_single_bit_that_changes_on_the_way_is_found() {
    check(What::Corrupt, LISTENER, &[("corrupted", 1)]);
    check(What::Corrupt, EVERYBODY, &[("corrupted", 6)]);
}

#[test]
fn a_message_of_another_group_is_foreign() {
    check(What::OfAnotherGroup, LISTENER, &[("foreign", 1)]);
}

#[test]
fn a_message_that_nobody_submitted_is_foreign() {
    check(What::UnknownId, LISTENER, &[("foreign", 1)]);
}

#[test]
fn a_delivery_far_ahead_of_all_that_was_submitted_is_a_gap() {
    check(What::Beyond, LISTENER, &[("gap", 1)]);
}

#[test]
fn a_member_that_is_sent_on_without_need_has_a_gap_and_lacks_what_lies_between() {
    check(What::Resync, LISTENER, &[("gap", 1), ("missing", 1)]);
}

#[test]
fn a_number_that_is_left_out_is_a_gap_for_everybody() {
    let trial = faulty(What::SkipNumber, EVERYBODY, plan(&scenario(&[])));
    let found = trial.violations();
    // Whether the number might still be filled depends on what is on its way just then.
    assert!(found.keys().all(|kind| ["gap", "missing"].contains(kind)), "{found:?}");
    assert!(found["gap"] >= 6, "{found:?}");
    trial.violated(&[("gap", found["gap"])]);
}

#[test]
fn a_reply_that_names_another_place_than_the_members_do_disagrees_with_them() {
    check(What::WrongPlace, EVERYBODY, &[("disagreement", 1)]);
}

#[test]
fn an_acceptance_into_an_epoch_that_cannot_be_disagrees_with_the_commits() {
    // A commit opens the one epoch after its own; only that can be wrong by being too high.
    let plan = plan(&scenario(&[("commits = \"20%\"", "commits = \"100%\"")]));
    faulty(What::WrongEpochAfter, (1, 3, None), plan).blames(&[("disagreement", 1)]);
}

#[test]
fn a_message_that_is_refused_and_delivered_all_the_same_disagrees() {
    let trial = faulty(What::RefuseAndOrder, EVERYBODY, plan(&scenario(&[])));
    let found = trial.violations();
    // Once for the answer, or once for each member that got it after the answer.
    let times = found["disagreement"];
    assert!(found.len() == 1 && (1..=6).contains(&times), "{found:?}");
    trial.violated(&[("disagreement", times)]);
    assert_eq!(trial.record.counts.rejected, 1);
}

#[test]
fn a_second_answer_that_says_the_opposite_is_no_outcome() {
    check(What::Contradict, EVERYBODY, &[("conservation", 1)]);
}

#[test]
fn the_same_answer_twice_counts_once_and_harms_nobody() {
    let trial = faulty(What::AnswerTwice, EVERYBODY, plan(&scenario(&[])));
    assert_eq!(trial.violations().len(), 0, "{:?}", trial.record.violation_examples);
    trial.is(Status::Valid, &[]);
    let counts = &trial.record.counts;
    assert_eq!((counts.accepted, counts.late_replies), (trial.scheduled, 0));
    assert_eq!(trial.record.latency_us.response.count, trial.scheduled);
}

#[test]
fn two_winners_of_an_epoch_are_found_though_all_members_agree() {
    let trial = faulty(What::AcceptLoser, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("double_winner", 1)]);
}

#[test]
fn two_winners_of_an_epoch_are_found_though_each_half_of_the_group_knows_one() {
    let trial = faulty(What::Fork, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("double_winner", 1), ("disagreement", 4)]);
}

#[test]
fn real_members_of_a_group_with_two_winners_cannot_go_on_and_say_so() {
    let live = [
        ("\"synthetic\"\ncommits = \"20%\"", "\"live\"\nracers = 4"),
        ("count = 2\nmembers = 6\nsenders = 3\n", "count = 1\nmembers = 4\n"),
        // However slowly members get ready, some two of so many races meet.
        ("160/s", "20/s"),
        ("300ms", "1s"),
    ];
    let trial = faulty(What::AcceptLoser, (0, 1, None), plan(&scenario(&live)));
    assert_eq!(trial.violations().get("double_winner"), Some(&1), "{:?}", trial.violations());
    assert_eq!(trial.record.verdict.status, Status::Violated);
    let faults = &trial.record.real_members.faults;
    assert!(faults.iter().any(|fault| fault.starts_with("live member")), "{faults:?}");
}

#[test]
fn a_loser_that_is_told_another_winner_is_lied_to() {
    let trial = faulty(What::WrongWinner, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("winner_not_told", 1)]);
}

#[test]
fn a_loser_that_is_told_no_winner_is_not_told() {
    let trial = faulty(What::NoWinner, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("winner_not_told", 1)]);
}

#[test]
fn a_loser_cannot_have_lost_in_the_epoch_that_is_the_current_one() {
    let trial = faulty(What::StaleEpoch, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("winner_not_told", 1)]);
}

#[test]
fn a_loser_that_is_told_an_epoch_which_no_commit_opens_is_lied_to() {
    let trial = faulty(What::EpochAhead, (1, 3, None), contested(&scenario(&[])));
    trial.blames(&[("winner_not_told", 1)]);
}
