//! One short script for each way a service can be wrong.

use std::time::Duration;

use super::{Oracle, Submitted, ViolationKind, Violations};
use crate::delivery::{Epoch, Kind, Reject, Seq};

/// Submits attempts 0.. of group 0 in epoch 5: `commits` of them commits, then applications.
fn submitted(members: u32, commits: u64, applications: u64) -> Oracle {
    let mut oracle = Oracle::new();
    oracle.group_created(0, members, Seq(1));
    for attempt in 0..commits + applications {
        oracle.submitted(Submitted {
            attempt,
            group: 0,
            kind: if attempt < commits { Kind::Commit } else { Kind::Application },
            epoch: Epoch(5),
            digest: 100 + attempt,
            intended: Duration::from_secs(attempt),
            measured: true,
        });
    }
    oracle
}

fn deliver(oracle: &mut Oracle, member: u32, seq: u64, attempt: u64) -> bool {
    oracle.delivered(0, member, Seq(seq), Some(attempt), 100 + attempt).is_some()
}

fn stale(current: u64, winner: u64) -> Reject {
    Reject::WrongEpoch { current: Epoch(current), winner: Seq(winner) }
}

/// Asserts that exactly these were found.
fn check(oracle: Oracle, called_for: u64, expected: &[(ViolationKind, u64)]) -> Violations {
    let found = oracle.finish(called_for).violations;
    let kinds: Vec<(ViolationKind, u64)> = ViolationKind::ALL
        .into_iter()
        .map(|kind| (kind, found.count(kind)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(kinds, expected, "{:?}", found.examples());
    found
}

#[test]
fn deliveries_before_their_reply_are_good() {
    let mut oracle = submitted(2, 0, 2);
    for member in 0..2 {
        assert!(deliver(&mut oracle, member, 1, 0));
        assert!(deliver(&mut oracle, member, 2, 1));
    }
    assert_eq!((oracle.pending(), oracle.is_quiet()), (2, true));
    oracle.accepted(1, Seq(2), Epoch(5));
    oracle.accepted(0, Seq(1), Epoch(5));
    assert_eq!(oracle.pending(), 0);
    check(oracle, 2, &[]);
}

#[test]
fn two_commits_accepted_in_one_epoch_are_a_double_winner() {
    let mut oracle = submitted(1, 2, 0);
    oracle.accepted(0, Seq(1), Epoch(6));
    oracle.accepted(1, Seq(2), Epoch(6));
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 0, 2, 1);
    check(oracle, 2, &[(ViolationKind::DoubleWinner, 1)]);
}

#[test]
fn two_commits_accepted_at_one_place_are_a_double_winner_too() {
    let mut oracle = submitted(2, 2, 0);
    for attempt in 0..2 {
        oracle.accepted(attempt, Seq(1), Epoch(6));
        deliver(&mut oracle, u32::try_from(attempt).unwrap(), 1, attempt);
    }
    check(oracle, 2, &[(ViolationKind::DoubleWinner, 1), (ViolationKind::Disagreement, 2)]);
    let mut oracle = submitted(1, 0, 2);
    oracle.accepted(0, Seq(1), Epoch(5));
    oracle.accepted(1, Seq(1), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    check(oracle, 2, &[(ViolationKind::Disagreement, 1)]);
}

#[test]
fn an_acceptance_beyond_all_that_was_submitted_is_a_gap_and_nobodys_fault_else() {
    let mut oracle = submitted(1, 0, 2);
    oracle.accepted(0, Seq(3), Epoch(5));
    oracle.accepted(1, Seq(2), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 0, 2, 1);
    check(oracle, 2, &[(ViolationKind::Gap, 1)]);
}

#[test]
fn a_loser_must_be_told_the_winner_and_the_epoch_it_opened() {
    for (lie, wrong) in
        [(stale(6, 1), 0), (stale(6, 2), 1), (stale(6, 0), 1), (stale(5, 0), 1), (stale(9, 1), 1)]
    {
        for winner_first in [true, false] {
            let mut oracle = submitted(1, 2, 0);
            if winner_first {
                oracle.accepted(0, Seq(1), Epoch(6));
            }
            oracle.rejected(1, lie);
            if !winner_first {
                oracle.accepted(0, Seq(1), Epoch(6));
            }
            deliver(&mut oracle, 0, 1, 0);
            let found = oracle.finish(2).violations;
            assert_eq!(found.count(ViolationKind::WinnerNotTold), wrong, "{lie:?}");
            assert_eq!(found.total(), wrong, "{lie:?}");
        }
    }
}

#[test]
fn a_winner_that_never_turns_up_was_no_winner() {
    let mut oracle = submitted(1, 2, 0);
    oracle.rejected(0, stale(6, 1));
    oracle.rejected(1, stale(6, 2));
    let found = oracle.finish(2).violations;
    // Two names, neither of them seen, and an epoch nobody opened.
    assert_eq!(found.count(ViolationKind::WinnerNotTold), 3);
}

#[test]
fn a_skipped_message_is_a_gap_and_missing() {
    let mut oracle = submitted(1, 0, 3);
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 0, 3, 2);
    for attempt in 0..3 {
        oracle.accepted(attempt, Seq(attempt + 1), Epoch(5));
    }
    let found = check(oracle, 3, &[(ViolationKind::Gap, 1), (ViolationKind::Missing, 1)]);
    let missing = found.examples().iter().find(|example| example.kind == ViolationKind::Missing);
    let missing = missing.unwrap();
    assert_eq!((missing.group, missing.member), (Some(0), Some(0)));
    assert_eq!((missing.seq, missing.attempt), (Some(2), Some(1)));
}

#[test]
fn a_message_after_a_later_one_is_reordered_and_not_missing() {
    let mut oracle = submitted(2, 0, 2);
    for attempt in 0..2 {
        oracle.accepted(attempt, Seq(attempt + 1), Epoch(5));
        deliver(&mut oracle, 0, attempt + 1, attempt);
    }
    deliver(&mut oracle, 1, 2, 1);
    deliver(&mut oracle, 1, 1, 0);
    check(oracle, 2, &[(ViolationKind::Gap, 1), (ViolationKind::Reordered, 1)]);
}

#[test]
fn a_message_again_is_a_duplicate() {
    let mut oracle = submitted(2, 0, 1);
    oracle.accepted(0, Seq(1), Epoch(5));
    assert!(deliver(&mut oracle, 0, 1, 0));
    assert!(!deliver(&mut oracle, 0, 1, 0));
    assert!(deliver(&mut oracle, 1, 1, 0));
    assert!(!deliver(&mut oracle, 1, 1, 0), "also when everybody had it");
    check(oracle, 1, &[(ViolationKind::Duplicate, 2)]);
}

#[test]
fn two_members_with_different_messages_at_one_place_disagree() {
    let mut oracle = submitted(2, 0, 2);
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 1, 1, 1);
    oracle.timed_out(0);
    oracle.timed_out(1);
    check(oracle, 2, &[(ViolationKind::Disagreement, 1)]);
}

#[test]
fn a_reply_that_contradicts_the_deliveries_disagrees() {
    let mut oracle = submitted(2, 0, 2);
    for member in 0..2 {
        deliver(&mut oracle, member, 1, 0);
        deliver(&mut oracle, member, 2, 1);
    }
    oracle.accepted(0, Seq(2), Epoch(5));
    oracle.rejected(1, Reject::NotMember);
    check(oracle, 2, &[(ViolationKind::Disagreement, 2)]);
}

#[test]
fn a_commit_that_opens_no_next_epoch_disagrees() {
    let mut oracle = submitted(1, 1, 0);
    oracle.accepted(0, Seq(1), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    check(oracle, 1, &[(ViolationKind::Disagreement, 1)]);
}

#[test]
fn one_message_at_two_places_disagrees_even_when_it_was_forgotten() {
    let mut oracle = submitted(1, 0, 2);
    oracle.accepted(0, Seq(1), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 0, 2, 0);
    oracle.timed_out(1);
    check(oracle, 2, &[(ViolationKind::Disagreement, 1)]);
}

#[test]
fn what_was_accepted_and_never_came_is_missing_for_each_member() {
    let mut oracle = submitted(3, 0, 2);
    oracle.accepted(0, Seq(1), Epoch(5));
    oracle.accepted(1, Seq(2), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    assert!(!oracle.is_quiet());
    let judgement = oracle.clone().finish(2);
    assert_eq!((judgement.counts.deliveries, judgement.counts.deliveries_expected), (1, 6));
    check(oracle, 2, &[(ViolationKind::Missing, 5)]);
}

#[test]
fn what_is_ahead_when_a_run_is_cut_short_may_be_late_and_what_was_overtaken_is_lost() {
    let mut oracle = submitted(3, 0, 3);
    for attempt in 0..3 {
        oracle.accepted(attempt, Seq(attempt + 1), Epoch(5));
    }
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 1, 1, 0);
    // The second member is shown the third message without the second.
    deliver(&mut oracle, 1, 3, 2);
    oracle.cut_short();
    let counts = oracle.clone().finish(3).counts;
    assert_eq!((counts.deliveries, counts.undelivered, counts.deliveries_expected), (3, 5, 9));
    check(oracle, 3, &[(ViolationKind::Gap, 1), (ViolationKind::Missing, 1)]);
}

#[test]
fn a_winner_that_is_still_on_its_way_when_a_run_is_cut_short_is_no_lie() {
    let mut oracle = Oracle::new();
    oracle.group_created(0, 2, Seq(1));
    oracle.submitted(Submitted {
        attempt: 0,
        group: 0,
        kind: Kind::Commit,
        epoch: Epoch(5),
        digest: 0,
        intended: Duration::ZERO,
        measured: true,
    });
    oracle.rejected(0, Reject::WrongEpoch { current: Epoch(6), winner: Seq(1) });
    let untold = |oracle: Oracle| oracle.finish(1).violations.count(ViolationKind::WinnerNotTold);
    assert!(untold(oracle.clone()) > 0);
    oracle.cut_short();
    assert_eq!(untold(oracle), 0);
}

#[test]
fn other_bytes_than_submitted_are_corrupted() {
    let mut oracle = submitted(2, 0, 1);
    oracle.accepted(0, Seq(1), Epoch(5));
    assert!(oracle.delivered(0, 0, Seq(1), Some(0), 999).is_none());
    assert!(deliver(&mut oracle, 1, 1, 0));
    check(oracle, 1, &[(ViolationKind::Corrupted, 1)]);
}

#[test]
fn what_nobody_submitted_is_foreign() {
    let mut oracle = submitted(2, 0, 1);
    oracle.timed_out(0);
    oracle.delivered(0, 0, Seq(1), None, 100);
    oracle.delivered(0, 1, Seq(1), Some(77), 100);
    oracle.delivered(0, 2, Seq(1), Some(0), 100);
    oracle.delivered(9, 0, Seq(1), Some(0), 100);
    check(oracle, 1, &[(ViolationKind::Foreign, 4)]);
}

#[test]
fn a_message_of_another_group_is_foreign() {
    let mut oracle = submitted(1, 0, 1);
    oracle.group_created(1, 1, Seq(1));
    oracle.submitted(Submitted {
        attempt: 1,
        group: 1,
        kind: Kind::Application,
        epoch: Epoch(5),
        digest: 101,
        intended: Duration::ZERO,
        measured: true,
    });
    assert!(!deliver(&mut oracle, 0, 1, 1));
    oracle.timed_out(0);
    oracle.timed_out(1);
    check(oracle, 2, &[(ViolationKind::Foreign, 1)]);
}

#[test]
fn a_removed_member_gets_nothing_and_a_new_one_nothing_from_before() {
    let mut oracle = submitted(2, 1, 2);
    oracle.accepted(0, Seq(1), Epoch(6));
    oracle.left(0, 0, Seq(1));
    oracle.joined(0, 2, Seq(2));
    for member in 0..2 {
        assert!(deliver(&mut oracle, member, 1, 0));
    }
    assert!(!deliver(&mut oracle, 0, 2, 1), "removed");
    assert!(!deliver(&mut oracle, 2, 1, 0), "before its time");
    for member in 1..3 {
        assert!(deliver(&mut oracle, member, 2, 1));
        assert!(deliver(&mut oracle, member, 3, 2));
    }
    oracle.accepted(1, Seq(2), Epoch(6));
    oracle.accepted(2, Seq(3), Epoch(6));
    check(oracle, 3, &[(ViolationKind::Foreign, 2)]);
}

#[test]
fn what_a_member_got_before_its_removal_was_known_is_foreign_too() {
    let mut oracle = submitted(1, 1, 2);
    for seq in 1..4 {
        oracle.accepted(seq - 1, Seq(seq), Epoch(6));
        deliver(&mut oracle, 0, seq, seq - 1);
    }
    oracle.left(0, 0, Seq(1));
    check(oracle, 3, &[(ViolationKind::Foreign, 2)]);
}

#[test]
fn an_operation_without_an_outcome_breaks_conservation() {
    let mut oracle = submitted(1, 0, 1);
    oracle.not_issued(7);
    check(oracle.clone(), 2, &[(ViolationKind::Conservation, 1)]);
    oracle.timed_out(0);
    check(oracle.clone(), 2, &[]);
    check(oracle, 5, &[(ViolationKind::Conservation, 3)]);
}

#[test]
fn two_outcomes_of_one_operation_break_conservation_unless_they_are_one() {
    let mut oracle = submitted(1, 0, 1);
    oracle.accepted(0, Seq(1), Epoch(5));
    oracle.accepted(0, Seq(1), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    check(oracle.clone(), 1, &[]);
    oracle.rejected(0, Reject::NotMember);
    oracle.timed_out(0);
    check(oracle, 1, &[(ViolationKind::Conservation, 2)]);
}

#[test]
fn a_reply_after_the_time_out_is_counted_as_late() {
    let mut oracle = submitted(1, 0, 1);
    oracle.timed_out(0);
    oracle.accepted(0, Seq(1), Epoch(5));
    deliver(&mut oracle, 0, 1, 0);
    let counts = oracle.clone().finish(1).counts;
    assert_eq!((counts.accepted, counts.timed_out, counts.late_replies), (0, 1, 1));
    check(oracle, 1, &[]);
}

#[test]
fn a_member_told_to_go_on_elsewhere_has_a_gap_and_lacks_messages() {
    let mut oracle = submitted(2, 0, 3);
    for attempt in 0..3 {
        oracle.accepted(attempt, Seq(attempt + 1), Epoch(5));
        deliver(&mut oracle, 0, attempt + 1, attempt);
    }
    oracle.resynced(0, 1, Seq(3));
    deliver(&mut oracle, 1, 3, 2);
    check(oracle, 3, &[(ViolationKind::Gap, 1), (ViolationKind::Missing, 2)]);
}

#[test]
fn a_history_that_is_not_the_groups_disagrees_even_at_an_agreed_place() {
    let mut oracle = submitted(2, 0, 1);
    oracle.groups[0].as_mut().unwrap().members[1].chain = Some(12345);
    deliver(&mut oracle, 0, 1, 0);
    deliver(&mut oracle, 1, 1, 0);
    oracle.accepted(0, Seq(1), Epoch(5));
    check(oracle, 1, &[(ViolationKind::Disagreement, 1)]);
}

#[test]
fn what_everybody_has_is_forgotten() {
    let mut oracle = submitted(2, 0, 1000);
    for attempt in 0..1000 {
        oracle.accepted(attempt, Seq(attempt + 1), Epoch(5));
        for member in 0..2 {
            deliver(&mut oracle, member, attempt + 1, attempt);
        }
        assert!(oracle.groups[0].as_ref().unwrap().entries.is_empty());
    }
    assert!(oracle.open.is_empty());
}

#[test]
fn the_99th_member_of_a_hundred_is_the_p99() {
    let mut oracle = submitted(200, 0, 1);
    let seen: Vec<(bool, bool, bool)> = (0..200)
        .map(|member| oracle.delivered(0, member, Seq(1), Some(0), 100).unwrap())
        .map(|delivered| (delivered.first, delivered.reached_p99, delivered.last))
        .collect();
    let only = |flag: fn(&(bool, bool, bool)) -> bool| {
        seen.iter()
            .enumerate()
            .filter(|(_, flags)| flag(flags))
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    assert_eq!((only(|f| f.0), only(|f| f.1), only(|f| f.2)), (vec![0], vec![197], vec![199]));
}
