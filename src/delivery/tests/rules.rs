//! One test per rule of the delivery core.

use super::*;
use crate::delivery::{Attachment, Level, Reject, RingLimits};

/// The reason in the only decision, which must be a refusal.
fn refusal(outputs: &[Output]) -> Reject {
    match outputs {
        [Output::Rejected { reason, .. }] => *reason,
        other => panic!("not a refusal: {other:?}"),
    }
}

/// The place and the following epoch in an acceptance.
fn acceptance(outputs: &[Output]) -> (u64, u64) {
    match outputs {
        [Output::Appended { entry, .. }, Output::Accepted { seq, epoch, .. }] => {
            assert_eq!(entry.seq, *seq);
            (seq.0, epoch.0)
        }
        other => panic!("not an acceptance: {other:?}"),
    }
}

fn commit_changing(id: u64, epoch: u64, added: &[u8], removed: &[u8]) -> Submission {
    let added = added.iter().copied().map(device).collect();
    let removed = removed.iter().copied().map(device).collect();
    Submission { change: RosterChange { added, removed }, ..submission(id, Kind::Commit, epoch) }
}

#[test]
fn a_commit_of_the_current_epoch_is_accepted_and_opens_the_next() {
    let mut shard = shard_with(3, Policy::default());
    assert_eq!(acceptance(&submit(&mut shard, 1, submission(1, Kind::Commit, 0))), (1, 1));
    assert_eq!(acceptance(&submit(&mut shard, 2, submission(2, Kind::Commit, 1))), (2, 2));
}

#[test]
fn a_second_commit_for_an_epoch_is_rejected_and_learns_epoch_and_winner() {
    let mut shard = shard_with(3, Policy::default());
    submit(&mut shard, 3, submission(1, Kind::Application, 0));
    submit(&mut shard, 1, submission(2, Kind::Commit, 0));
    let outputs = submit(&mut shard, 2, submission(3, Kind::Commit, 0));
    assert_eq!(refusal(&outputs), Reject::WrongEpoch { current: Epoch(1), winner: Seq(2) });
}

#[test]
fn a_loser_of_an_older_epoch_learns_the_winner_of_that_epoch() {
    let mut shard = shard_with(2, Policy::default());
    for epoch in 0..5 {
        submit(&mut shard, 1, submission(epoch, Kind::Commit, epoch));
    }
    let outputs = submit(&mut shard, 2, submission(9, Kind::Commit, 2));
    assert_eq!(refusal(&outputs), Reject::WrongEpoch { current: Epoch(5), winner: Seq(3) });
}

#[test]
fn a_commit_for_a_future_epoch_is_rejected() {
    let mut shard = shard_with(2, Policy::default());
    let outputs = submit(&mut shard, 1, submission(1, Kind::Commit, 1));
    assert_eq!(refusal(&outputs), Reject::WrongEpoch { current: Epoch(0), winner: Seq(0) });
}

#[test]
fn two_racers_of_one_epoch_have_exactly_one_winner_ten_thousand_times() {
    let mut shard = shard_with(2, Policy::default());
    for round in 0..10_000 {
        let (first, second) = if round % 3 == 0 { (2, 1) } else { (1, 2) };
        let won = submit(&mut shard, first, submission(2 * round, Kind::Commit, round));
        let lost = submit(&mut shard, second, submission(2 * round + 1, Kind::Commit, round));
        assert_eq!(acceptance(&won), (round + 1, round + 1));
        let told = Reject::WrongEpoch { current: Epoch(round + 1), winner: Seq(round + 1) };
        assert_eq!(refusal(&lost), told);
    }
}

#[test]
fn a_proposal_is_accepted_in_the_current_epoch_only() {
    let mut shard = shard_with(2, Policy::default());
    assert_eq!(acceptance(&submit(&mut shard, 1, submission(1, Kind::Proposal, 0))), (1, 0));
    submit(&mut shard, 1, submission(2, Kind::Commit, 0));
    let outputs = submit(&mut shard, 2, submission(3, Kind::Proposal, 0));
    assert_eq!(refusal(&outputs), Reject::WrongEpoch { current: Epoch(1), winner: Seq(2) });
}

#[test]
fn proposals_of_an_epoch_are_bounded_and_a_commit_clears_them() {
    let mut shard = shard_with(2, Policy::default());
    let bound = crate::limits::PROPOSALS_PENDING_MAX as u64;
    for id in 0..bound {
        acceptance(&submit(&mut shard, 1, submission(id, Kind::Proposal, 0)));
    }
    let over = submit(&mut shard, 1, submission(bound, Kind::Proposal, 0));
    assert_eq!(refusal(&over), Reject::TooManyProposals);
    acceptance(&submit(&mut shard, 1, submission(bound + 1, Kind::Commit, 0)));
    acceptance(&submit(&mut shard, 1, submission(bound + 2, Kind::Proposal, 1)));
}

#[test]
fn an_application_message_is_accepted_in_a_bounded_number_of_past_epochs() {
    let mut shard = shard_with(2, Policy { past_epochs: 2, ..Policy::default() });
    for epoch in 0..3 {
        submit(&mut shard, 1, submission(epoch, Kind::Commit, epoch));
    }
    for (id, epoch) in [(10, 3), (11, 2), (12, 1)] {
        acceptance(&submit(&mut shard, 2, submission(id, Kind::Application, epoch)));
    }
    let too_old = submit(&mut shard, 2, submission(13, Kind::Application, 0));
    assert_eq!(refusal(&too_old), Reject::WrongEpoch { current: Epoch(3), winner: Seq(1) });
    let future = submit(&mut shard, 2, submission(14, Kind::Application, 4));
    assert_eq!(refusal(&future), Reject::WrongEpoch { current: Epoch(3), winner: Seq(0) });
}

#[test]
fn only_a_member_submits() {
    let mut shard = shard_with(2, Policy::default());
    for kind in [Kind::Application, Kind::Proposal, Kind::Commit] {
        assert_eq!(refusal(&submit(&mut shard, 9, submission(1, kind, 0))), Reject::NotMember);
    }
}

#[test]
fn a_group_that_does_not_exist_is_unknown() {
    let mut shard = Shard::new(Policy::default());
    let outputs = submit(&mut shard, 1, submission(1, Kind::Commit, 0));
    assert_eq!(refusal(&outputs), Reject::UnknownGroup);
    let refused = attach(&mut shard, 1, 0);
    assert!(matches!(refused, Output::AttachRefused { reason: Reject::UnknownGroup, .. }));
}

#[test]
fn a_retry_is_answered_with_the_first_acceptance_and_changes_nothing() {
    let mut shard = shard_with(2, Policy::default());
    acceptance(&submit(&mut shard, 1, submission(1, Kind::Commit, 0)));
    acceptance(&submit(&mut shard, 2, submission(2, Kind::Application, 1)));
    let again = submit(&mut shard, 1, submission(1, Kind::Commit, 0));
    let first = Output::Accepted {
        to: link(1),
        id: submission(1, Kind::Commit, 0).id,
        seq: Seq(1),
        epoch: Epoch(1),
    };
    assert_eq!(again, [first]);
    assert_eq!(acceptance(&submit(&mut shard, 1, submission(3, Kind::Application, 1))), (3, 1));
}

#[test]
fn a_message_id_of_another_device_is_taken() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    let outputs = submit(&mut shard, 2, submission(1, Kind::Application, 0));
    assert_eq!(refusal(&outputs), Reject::IdTaken);
}

#[test]
fn who_is_no_member_does_not_learn_which_message_ids_are_taken() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    let outputs = submit(&mut shard, 9, submission(1, Kind::Application, 0));
    assert_eq!(refusal(&outputs), Reject::NotMember);
}

#[test]
fn a_retry_is_forgotten_with_its_age_and_the_deadline_says_when() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    let deadline = shard.deadline().unwrap();
    assert_eq!(deadline, crate::limits::RETRY_AGE_MAX);
    shard.tick(deadline);
    assert_eq!(shard.deadline(), None);
}

#[test]
fn a_removed_member_gets_the_removing_commit_and_nothing_after_it() {
    let mut shard = shard_with(3, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    submit(&mut shard, 1, commit_changing(2, 0, &[], &[3]));
    submit(&mut shard, 1, submission(3, Kind::Application, 1));
    let refused = submit(&mut shard, 3, submission(4, Kind::Application, 0));
    assert_eq!(refusal(&refused), Reject::NotMember);
    let Output::Attached(late) = attach(&mut shard, 3, 1) else { panic!("may catch up") };
    assert_eq!((late.next, late.last), (Seq(2), Some(Seq(2))));
    let refused = attach(&mut shard, 3, 2);
    assert!(matches!(refused, Output::AttachRefused { reason: Reject::NotMember, .. }));
}

#[test]
fn an_added_member_starts_at_the_adding_commit() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    submit(&mut shard, 1, commit_changing(2, 0, &[7], &[]));
    let Output::Attached(joined) = attach(&mut shard, 7, 0) else { panic!("is a member") };
    assert_eq!((joined.next, joined.last, joined.epoch), (Seq(2), None, Epoch(1)));
    assert_eq!(joined.backlog.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [Seq(2)]);
    acceptance(&submit(&mut shard, 7, submission(3, Kind::Application, 1)));
}

#[test]
fn a_member_removed_and_added_again_starts_at_the_commit_that_added_it_again() {
    let mut shard = shard_with(3, Policy::default());
    submit(&mut shard, 1, commit_changing(1, 0, &[], &[3]));
    submit(&mut shard, 1, commit_changing(2, 1, &[3], &[]));
    submit(&mut shard, 1, commit_changing(3, 2, &[3], &[3]));
    let Output::Attached(back) = attach(&mut shard, 3, 0) else { panic!("is a member") };
    assert_eq!((back.next, back.last), (Seq(3), None));
}

#[test]
fn a_roster_change_that_contradicts_the_roster_is_rejected() {
    let mut shard = shard_with(3, Policy::default());
    let changes: [(&[u8], &[u8]); 5] =
        [(&[2], &[]), (&[], &[9]), (&[], &[1]), (&[7, 7], &[]), (&[], &[2, 2])];
    for (added, removed) in changes {
        let outputs = submit(&mut shard, 1, commit_changing(1, 0, added, removed));
        assert_eq!(refusal(&outputs), Reject::BadRosterChange, "{added:?} {removed:?}");
    }
    let change = RosterChange { added: vec![device(8)], removed: vec![] };
    let not_a_commit = Submission { change, ..submission(1, Kind::Application, 0) };
    assert_eq!(refusal(&submit(&mut shard, 1, not_a_commit)), Reject::BadRosterChange);
    assert_eq!(shard.group(&group(1)).unwrap().epoch(), Epoch(0));
}

#[test]
fn a_member_that_was_away_catches_up_from_its_cursor() {
    let mut shard = shard_with(2, Policy::default());
    for id in 1..=5 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
    }
    let Output::Attached(back) = attach(&mut shard, 2, 2) else { panic!("is a member") };
    assert_eq!((back.next, back.head, back.resync), (Seq(3), Seq(5), false));
    assert_eq!(back.backlog.len(), 3);
}

#[test]
fn a_cursor_older_than_what_is_kept_gets_a_resync() {
    let ring = RingLimits { entries_max: 3, bytes_max: 1 << 20 };
    let mut shard = shard_with(2, Policy { ring, ..Policy::default() });
    for id in 1..=5 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
    }
    let Output::Attached(lost) = attach(&mut shard, 2, 1) else { panic!("is a member") };
    assert_eq!((lost.next, lost.resync, lost.backlog.len()), (Seq(6), true, 0));
    let Output::Attached(fine) = attach(&mut shard, 2, 2) else { panic!("is a member") };
    assert_eq!((fine.next, fine.resync, fine.backlog.len()), (Seq(3), false, 3));
}

#[test]
fn a_cursor_from_the_future_starts_at_the_next_message() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    let Output::Attached(odd) = attach(&mut shard, 2, u64::MAX - 1) else { panic!("is a member") };
    assert_eq!((odd.next, odd.resync), (Seq(2), false));
}

#[test]
fn all_groups_of_a_shard_together_keep_no_more_than_the_shard_may() {
    let mut shard = shard_with(2, Policy { kept_bytes_max: 100, ..Policy::default() });
    for id in 1..=50 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
        let recent = shard.group(&group(1)).unwrap().recent();
        assert!(recent.bytes() <= 100);
        assert_eq!(recent.next(), Seq(id + 1));
    }
}

#[test]
fn a_shard_keeps_no_more_messages_than_it_may_even_if_a_quiet_group_holds_the_oldest() {
    let mut shard = shard_with(2, Policy { kept_entries_max: 5, ..Policy::default() });
    let (from, device) = (link(1), device(1));
    shard.handle(
        Duration::ZERO,
        Input::Create {
            from,
            device,
            request: MessageId([1; 16]),
            founding: Box::new(Founding::plain(group(2), vec![device])),
        },
    );
    drain(&mut shard);
    submit(&mut shard, 1, Submission { group: group(2), ..submission(99, Kind::Application, 0) });
    for id in 1..=20 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
    }
    let kept =
        |number| shard.group(&group(number)).unwrap().recent().range(Seq(1), Seq(99)).count();
    assert_eq!((kept(1), kept(2)), (5, 0));
}

fn acknowledge(shard: &mut Shard, number: u8, seq: u64) -> Vec<Output> {
    let (device, group, seq) = (device(number), group(1), Seq(seq));
    shard.handle(Duration::ZERO, Input::Acknowledge { device, group, seq });
    drain(shard)
}

fn attach_after(shard: &mut Shard, number: u8, after: Seq) -> Attachment {
    let (from, device) = (link(number), device(number));
    shard.handle(Duration::ZERO, Input::Attach { from, device, group: group(1), after });
    match drain(shard).pop() {
        Some(Output::Attached(attachment)) => *attachment,
        other => panic!("not attached: {other:?}"),
    }
}

#[test]
fn what_every_member_has_acknowledged_is_forgotten_and_nothing_else() {
    let mut shard = shard_with(3, Policy::default());
    for id in 1..=10 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
    }
    for (member, seq) in [(1, 10), (2, 7), (3, 4)] {
        let told = acknowledge(&mut shard, member, seq);
        assert!(matches!(told[..], [Output::Acknowledged { seq: up_to, .. }] if up_to == Seq(seq)));
    }
    assert_eq!(shard.group(&group(1)).unwrap().recent().first(), Seq(5));
    let attachment = attach_after(&mut shard, 3, Seq(4));
    assert_eq!((attachment.next, attachment.resync), (Seq(5), false));
}

#[test]
fn a_cursor_moves_forward_up_to_the_head_and_only_a_members() {
    let mut shard = shard_with(2, Policy::default());
    for id in 1..=5 {
        submit(&mut shard, 1, submission(id, Kind::Application, 0));
    }
    assert_eq!(acknowledge(&mut shard, 9, 3), [], "a stranger has no cursor");
    acknowledge(&mut shard, 1, 99);
    assert_eq!(attach_after(&mut shard, 1, Seq::CURSOR).next, Seq(6));
    acknowledge(&mut shard, 2, 3);
    assert_eq!(acknowledge(&mut shard, 2, 2), [], "it never moves back");
    assert_eq!(attach_after(&mut shard, 2, Seq::CURSOR).next, Seq(4));
}

#[test]
fn messages_older_than_the_retention_are_forgotten_though_nobody_acknowledged_them() {
    let kept_age_max = Duration::from_secs(60);
    let mut shard = shard_with(2, Policy { kept_age_max, ..Policy::default() });
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    shard.tick(kept_age_max);
    assert_eq!(shard.group(&group(1)).unwrap().recent().first(), Seq(1));
    shard.tick(kept_age_max + Duration::from_secs(1));
    assert_eq!(shard.group(&group(1)).unwrap().recent().first(), Seq(2));
    assert!(attach_after(&mut shard, 2, Seq(0)).resync);
}

#[test]
fn a_stranger_joins_by_an_external_commit_where_messages_are_verified_and_nowhere_else() {
    for level in [Level::Opaque, Level::Header, Level::Public] {
        let mut shard = Shard::new(Policy::default());
        let mut founding = Founding::plain(group(1), vec![device(1)]);
        founding.settings.level = level;
        let (from, device_1, request) = (link(1), device(1), MessageId([0; 16]));
        let founding = Box::new(founding);
        shard.handle(Duration::ZERO, Input::Create { from, device: device_1, request, founding });
        drain(&mut shard);
        let join =
            |id, added: &[u8]| Submission { joins: true, ..commit_changing(id, 0, added, &[]) };
        if level != Level::Public {
            assert_eq!(refusal(&submit(&mut shard, 2, join(1, &[2]))), Reject::NotMember);
            continue;
        }
        for added in [&[][..], &[3], &[2, 3]] {
            let refused = refusal(&submit(&mut shard, 2, join(1, added)));
            assert_eq!(refused, Reject::BadRosterChange);
        }
        assert_eq!(acceptance(&submit(&mut shard, 2, join(1, &[2]))), (1, 1));
        assert!(shard.group(&group(1)).unwrap().roster().contains(device(2)));
    }
}

#[test]
fn a_group_is_made_once_by_one_of_its_members() {
    let mut shard = shard_with(2, Policy::default());
    let mut create = |number: u8, as_device: u8, epoch: u64, roster: &[u8]| {
        shard.handle(
            Duration::ZERO,
            Input::Create {
                from: link(1),
                device: device(as_device),
                request: MessageId([0; 16]),
                founding: Box::new(Founding {
                    epoch: Epoch(epoch),
                    ..Founding::plain(group(number), roster.iter().copied().map(device).collect())
                }),
            },
        );
        drain(&mut shard)
    };
    assert_eq!(refusal(&create(1, 1, 0, &[1])), Reject::GroupExists);
    assert_eq!(refusal(&create(2, 1, 0, &[2])), Reject::NotMember);
    assert_eq!(refusal(&create(2, 1, 0, &[])), Reject::BadRosterChange);
    assert_eq!(refusal(&create(2, 1, 0, &[1, 1])), Reject::BadRosterChange);
    let far = Reject::WrongEpoch { current: Epoch(crate::limits::EPOCH_MAX), winner: Seq(0) };
    assert_eq!(refusal(&create(2, 1, u64::MAX, &[1])), far);
    assert_eq!(create(2, 1, 77, &[1]).len(), 2);
}

#[test]
fn a_deleted_group_is_unknown_and_its_id_can_be_used_again() {
    let mut shard = shard_with(2, Policy::default());
    submit(&mut shard, 1, submission(1, Kind::Application, 0));
    attach(&mut shard, 1, 0);
    let delete = Input::Delete { from: link(1), request: MessageId([9; 16]), group: group(1) };
    shard.handle(Duration::ZERO, delete.clone());
    let outputs = drain(&mut shard);
    assert!(matches!(outputs[..], [Output::Deleted { watchers, .. }, Output::Done { .. }]
        if watchers.contains(0)));
    assert_eq!(
        refusal(&submit(&mut shard, 1, submission(2, Kind::Application, 0))),
        Reject::UnknownGroup
    );
    shard.handle(Duration::ZERO, delete);
    assert_eq!(refusal(&drain(&mut shard)), Reject::UnknownGroup);
}

/// The shard's notes about a group outlive it; they must not be taken for the next one's.
#[test]
fn a_group_made_again_under_an_old_id_has_nothing_of_the_old_one() {
    let mut shard = shard_with(2, Policy { kept_entries_max: 3, ..Policy::default() });
    for id in 1..=3 {
        acceptance(&submit(&mut shard, 1, submission(id, Kind::Application, 0)));
    }
    let request = MessageId([9; 16]);
    shard.handle(Duration::ZERO, Input::Delete { from: link(1), request, group: group(1) });
    let (from, device) = (link(1), device(1));
    let founding = Box::new(Founding::plain(group(1), vec![device]));
    let again = Input::Create { from, device, request, founding };
    shard.handle(Duration::ZERO, again);
    drain(&mut shard);
    // The ids are new here, and the old messages make room first.
    for id in 1..=3 {
        let outputs = submit(&mut shard, 1, submission(id, Kind::Application, 0));
        assert_eq!(acceptance(&outputs), (id, 0));
    }
    let recent = shard.group(&group(1)).unwrap().recent();
    assert_eq!((recent.first(), recent.next()), (Seq(1), Seq(4)));
}

#[test]
fn a_group_is_appended_to_the_shards_that_watch_it() {
    let mut shard = shard_with(2, Policy::default());
    let from = Link { shard: 3, session: 0, generation: 0 };
    shard.handle(
        Duration::ZERO,
        Input::Attach { from, device: device(1), group: group(1), after: Seq(0) },
    );
    drain(&mut shard);
    let watchers = |outputs: &[Output]| match outputs {
        [Output::Appended { watchers, .. }, ..] => watchers.0,
        other => panic!("not an acceptance: {other:?}"),
    };
    assert_eq!(watchers(&submit(&mut shard, 1, submission(1, Kind::Application, 0))), 0b1000);
    shard.handle(Duration::ZERO, Input::Unwatch { shard: 3, group: group(1) });
    assert_eq!(watchers(&submit(&mut shard, 1, submission(2, Kind::Application, 0))), 0);
}

#[test]
fn what_a_commit_says_of_the_roster_counts_among_the_bytes_that_are_kept() {
    let ring = RingLimits { entries_max: 100, bytes_max: 1_000 };
    let mut shard = shard_with(2, Policy { ring, ..Policy::default() });
    let others: Vec<u8> = (10..50).collect();
    for (epoch, added, removed) in [(0, &others[..], &[][..]), (1, &[], &others[..])] {
        acceptance(&submit(&mut shard, 1, commit_changing(epoch + 1, epoch, added, removed)));
    }
    // 40 devices are 640 bytes, and those that leave are remembered.
    let recent = shard.group(&group(1)).unwrap().recent();
    assert_eq!((recent.first(), recent.next()), (Seq(2), Seq(3)));
}
