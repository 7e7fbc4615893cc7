//! A racer that gets no answer in time goes on.

use super::*;

/// The answer to a claim or a proposal is lost, and nobody else does anything.
#[test]
fn a_racer_without_an_answer_to_what_ends_no_epoch_goes_on_in_the_same() {
    let mut race = race(Policy::Lease { length: MS(1_000) }, 2);
    race.want(0, DUE);
    race.want(0, DUE);
    let claim = What::Claim { generation: 0 };
    build_claim(&mut race, claim, MS(0));
    let answered = race.timed_out(0);
    assert!(answered.gave_up.is_some() && answered.served.is_none());
    build_claim(&mut race, claim, MS(10_000));
    race.delivered(0, 0, claim, Epoch(1), MS(10_001));
    race.accepted(0, Epoch(1));
    build_and_send(&mut race, 0, What::Commit, 1, MS(10_001));

    let policy = Policy::Proposals { window: MS(100), takeover: MS(1_000) };
    let mut race = Race::new(Contention { policy, think: None }, 2, Epoch(2), (7, 0));
    race.want(1, DUE);
    race.want(1, DUE);
    build_and_send(&mut race, 1, What::Proposal, 2, MS(0));
    assert!(race.timed_out(1).gave_up.is_some());
    build_and_send(&mut race, 1, What::Proposal, 2, MS(10_000));
}

fn build_claim(race: &mut Race, claim: What, now: Duration) {
    match race.next(0, now) {
        Some(Step::Build(asked)) => assert_eq!(asked, claim),
        other => panic!("{other:?}"),
    }
    race.built(0, built(claim, 1));
    match race.next(0, now) {
        Some(Step::Send(sent, None)) => assert_eq!(sent.what, claim),
        other => panic!("{other:?}"),
    }
}

/// Its member can merge no other commit of the epoch, so it submits the same, for its next change.
#[test]
fn a_racer_without_an_answer_to_its_commit_submits_the_same_once_it_wants_the_next_change() {
    let lost = || {
        let mut race = race(Policy::Retry, 2);
        race.want(0, DUE);
        build_and_send(&mut race, 0, What::Commit, 1, MS(0));
        assert!(race.timed_out(0).gave_up.is_some());
        assert!(race.next(0, MS(10_000)).is_none(), "there is nothing to submit it for");
        race
    };
    let sends_again = |race: &mut Race| {
        race.want(0, DUE);
        match race.next(0, MS(10_001)) {
            Some(Step::Send(sent, Some(want))) => {
                assert_eq!((sent.what, sent.epoch, want.tries), (What::Commit, Epoch(1), 0));
            }
            other => panic!("{other:?}"),
        }
    };
    // It had never come.
    let mut race = lost();
    sends_again(&mut race);
    assert!(race.accepted(0, Epoch(2)).served.is_some());
    race.delivered(0, 0, What::Commit, Epoch(1), MS(10_002));
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 2, MS(10_003));
    // It had been ordered: the second is refused, and the change takes the next epoch.
    let mut race = lost();
    sends_again(&mut race);
    race.delivered(0, 0, What::Commit, Epoch(1), MS(10_002));
    assert!(race.refused(0, wrong_epoch(2), MS(10_003)).gave_up.is_none());
    build_and_send(&mut race, 0, What::Commit, 2, MS(10_003));
    // Its delivery comes before there is anything to submit it for: nothing is thrown away.
    let mut race = lost();
    race.delivered(0, 0, What::Commit, Epoch(1), MS(10_001));
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 2, MS(10_002));
    // Another wins the epoch: it is overtaken.
    let mut race = lost();
    race.delivered(0, 1, What::Commit, Epoch(1), MS(10_001));
    assert!(matches!(race.next(0, MS(10_001)), Some(Step::Overtaken(_))));
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 2, MS(10_002));
}
