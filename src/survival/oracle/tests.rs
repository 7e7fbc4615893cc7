//! Each rule of the judge, broken once.

use super::*;

const ID: MessageId = MessageId([1; 16]);
const OTHER: MessageId = MessageId([2; 16]);

/// One group of two members; two messages are on their way.
fn oracle(kind: Kind) -> Oracle {
    let mut oracle = Oracle::new(1, 2);
    oracle.submitted(0, ID, Epoch(0), kind, 11);
    oracle.submitted(0, OTHER, Epoch(0), kind, 22);
    for member in 0..2 {
        oracle.attaching(0, member, Some(Seq(0)));
        oracle.attached(0, member, Seq(1), Seq(0), false);
    }
    oracle
}

fn check(kind: Kind, events: impl FnOnce(&mut Oracle), expected: &[Violation]) {
    let mut oracle = oracle(kind);
    events(&mut oracle);
    let found: Vec<Violation> = oracle.violations().counts.keys().copied().collect();
    assert_eq!(found, expected, "{:?}", oracle.violations());
}

fn to_both(oracle: &mut Oracle, seq: u64, id: MessageId, body: u128) {
    oracle.delivered(0, 0, Seq(seq), id, body);
    oracle.delivered(0, 1, Seq(seq), id, body);
}

#[test]
fn a_crash_between_submission_and_answer_breaks_nothing() {
    check(
        Kind::Application,
        |oracle| {
            to_both(oracle, 1, ID, 11);
            oracle.attaching(0, 0, Some(Seq(1)));
            oracle.attached(0, 0, Seq(2), Seq(1), false);
            oracle.accepted(0, ID, Seq(1), Epoch(0));
            oracle.accepted(0, ID, Seq(1), Epoch(0));
            oracle.finish();
            assert!(oracle.is_complete());
            assert_eq!((oracle.counts().accepted, oracle.counts().answered_again), (1, 1));
        },
        &[],
    );
}

#[test]
fn a_message_that_was_acknowledged_and_is_gone_is_lost() {
    let accept = |oracle: &mut Oracle| oracle.accepted(0, ID, Seq(1), Epoch(0));
    check(
        Kind::Application,
        |oracle| {
            accept(oracle);
            oracle.attaching(0, 0, Some(Seq(0)));
            oracle.attached(0, 0, Seq(1), Seq(0), false);
        },
        &[Violation::Lost],
    );
    check(
        Kind::Application,
        |oracle| {
            accept(oracle);
            oracle.delivered(0, 0, Seq(1), ID, 11);
            assert!(!oracle.is_complete());
            oracle.finish();
        },
        &[Violation::Lost],
    );
}

#[test]
fn another_message_at_a_place_that_was_told_is_a_fork() {
    check(
        Kind::Application,
        |oracle| {
            oracle.accepted(0, ID, Seq(1), Epoch(0));
            oracle.delivered(0, 0, Seq(1), OTHER, 22);
        },
        &[Violation::Fork],
    );
}

#[test]
fn a_message_that_comes_at_another_place_is_there_twice() {
    check(
        Kind::Application,
        |oracle| {
            to_both(oracle, 1, ID, 11);
            to_both(oracle, 2, ID, 11);
        },
        &[Violation::Twice],
    );
    check(
        Kind::Application,
        |oracle| {
            oracle.accepted(0, ID, Seq(1), Epoch(0));
            oracle.accepted(0, ID, Seq(2), Epoch(0));
        },
        &[Violation::Twice],
    );
}

#[test]
fn other_bytes_than_were_submitted_are_altered() {
    let altered = &[Violation::Altered];
    check(Kind::Application, |oracle| oracle.delivered(0, 0, Seq(1), ID, 12), altered);
    let strange = MessageId([9; 16]);
    check(Kind::Application, |oracle| oracle.delivered(0, 0, Seq(1), strange, 11), altered);
}

#[test]
fn a_member_that_misses_one_or_gets_one_again_sees_a_gap() {
    check(Kind::Application, |oracle| oracle.delivered(0, 0, Seq(2), ID, 11), &[Violation::Gap]);
    check(
        Kind::Application,
        |oracle| {
            oracle.delivered(0, 0, Seq(1), ID, 11);
            oracle.delivered(0, 0, Seq(1), ID, 11);
        },
        &[Violation::Gap],
    );
}

#[test]
fn a_member_that_is_attached_elsewhere_than_it_asked_sees_a_gap() {
    check(
        Kind::Application,
        |oracle| {
            to_both(oracle, 1, ID, 11);
            oracle.attaching(0, 0, Some(Seq(1)));
            oracle.attached(0, 0, Seq(1), Seq(1), false);
        },
        &[Violation::Gap],
    );
}

#[test]
fn a_cursor_may_lag_what_was_acknowledged_and_never_lead_it() {
    let to_cursor = |oracle: &mut Oracle, acknowledged| {
        to_both(oracle, 1, ID, 11);
        to_both(oracle, 2, OTHER, 22);
        oracle.acknowledged(0, 0, Seq(acknowledged));
        oracle.attaching(0, 0, None);
    };
    check(
        Kind::Application,
        |oracle| {
            to_cursor(oracle, 1);
            oracle.delivered(0, 0, Seq(2), OTHER, 22);
            oracle.attached(0, 0, Seq(2), Seq(2), false);
            assert_eq!(oracle.counts().redeliveries, 1);
            to_cursor_again(oracle);
        },
        &[],
    );
    check(
        Kind::Application,
        |oracle| {
            to_cursor(oracle, 1);
            oracle.attached(0, 0, Seq(3), Seq(2), false);
        },
        &[Violation::Gap],
    );
}

fn to_cursor_again(oracle: &mut Oracle) {
    oracle.attaching(0, 0, None);
    oracle.attached(0, 0, Seq(1), Seq(2), false);
    oracle.delivered(0, 0, Seq(1), ID, 11);
}

#[test]
fn a_retry_that_is_answered_otherwise_is_a_violation() {
    check(
        Kind::Application,
        |oracle| {
            oracle.accepted(0, ID, Seq(1), Epoch(0));
            oracle.accepted(0, ID, Seq(1), Epoch(1));
        },
        &[Violation::Answer],
    );
    check(
        Kind::Commit,
        |oracle| {
            oracle.delivered(0, 0, Seq(1), ID, 11);
            oracle.lost_race(0, ID);
        },
        &[Violation::Answer],
    );
}

#[test]
fn two_commits_for_one_epoch_are_two_winners() {
    check(
        Kind::Commit,
        |oracle| {
            oracle.accepted(0, ID, Seq(1), Epoch(1));
            oracle.accepted(0, OTHER, Seq(2), Epoch(1));
        },
        &[Violation::Winners],
    );
    check(Kind::Commit, |oracle| oracle.accepted(0, ID, Seq(1), Epoch(2)), &[Violation::Winners]);
    check(
        Kind::Application,
        |oracle| {
            let late = MessageId([3; 16]);
            oracle.submitted(0, late, Epoch(3), Kind::Application, 33);
            oracle.accepted(0, late, Seq(1), Epoch(2));
        },
        &[Violation::Winners],
    );
}

#[test]
fn a_message_out_of_its_epoch_is_found_at_the_end() {
    check(
        Kind::Proposal,
        |oracle| {
            let commit = MessageId([3; 16]);
            oracle.submitted(0, commit, Epoch(0), Kind::Commit, 33);
            to_both(oracle, 1, ID, 11);
            to_both(oracle, 2, commit, 33);
            to_both(oracle, 3, OTHER, 22);
            oracle.finish();
        },
        &[Violation::Winners],
    );
}

#[test]
fn a_resync_within_the_retention_is_refused_service() {
    check(
        Kind::Application,
        |oracle| {
            oracle.attaching(0, 0, Some(Seq(0)));
            oracle.attached(0, 0, Seq(1), Seq(0), true);
        },
        &[Violation::Refused],
    );
}

#[test]
fn what_everybody_needs_no_more_is_not_asked_for_again() {
    let mut oracle = oracle(Kind::Application);
    assert!(oracle.may_retry(0, ID));
    to_both(&mut oracle, 1, ID, 11);
    oracle.acknowledged(0, 0, Seq(1));
    assert!(oracle.may_retry(0, ID));
    oracle.acknowledged(0, 1, Seq(1));
    assert!(!oracle.may_retry(0, ID));
    assert!(oracle.may_retry(0, OTHER));
}
