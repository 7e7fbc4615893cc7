//! Who has to wait: beyond its rate, or for a member that has lost more often.

use std::time::Duration;

use super::*;
use crate::delivery::{Level, Rate, Rates, Reject, Settings};
use crate::limits::{LOSSES_MIN, RESERVATION_MAX};

fn submit_at(shard: &mut Shard, now: Duration, sender: u8, submission: Submission) -> Vec<Output> {
    let (from, device) = (link(sender), device(sender));
    shard.handle(now, Input::Submit { from, device, submission });
    drain(shard)
}

/// The reason of the only decision.
fn reason(outputs: &[Output]) -> Option<Reject> {
    match outputs {
        [Output::Rejected { reason, .. }] => Some(*reason),
        _ => None,
    }
}

#[test]
fn a_member_that_always_loses_commits_before_one_that_floods() {
    let mut shard = shard_with(3, Policy::default());
    let mut id = 0;
    let mut commit = |shard: &mut Shard, sender, epoch| {
        id += 1;
        reason(&submit(shard, sender, submission(id, Kind::Commit, epoch)))
    };
    let losses = u64::from(LOSSES_MIN);
    for epoch in 0..losses {
        assert_eq!(commit(&mut shard, 1, epoch), None);
        assert!(matches!(commit(&mut shard, 2, epoch), Some(Reject::WrongEpoch { .. })));
    }
    let retry_ms = u32::try_from(RESERVATION_MAX.as_millis()).unwrap();
    assert_eq!(commit(&mut shard, 1, losses), Some(Reject::SlowDown { retry_ms }));
    assert_eq!(commit(&mut shard, 3, losses), Some(Reject::SlowDown { retry_ms }));
    assert_eq!(commit(&mut shard, 2, losses), None);
    assert_eq!(commit(&mut shard, 1, losses + 1), None);
}

#[test]
fn a_stranger_that_loses_epochs_makes_nobody_wait() {
    let mut shard = shard_with(1, Policy::default());
    for epoch in 0..20 {
        assert!(reason(&submit(&mut shard, 1, submission(epoch, Kind::Commit, epoch))).is_none());
        for stale in [epoch, epoch + 1] {
            let refused = submit(&mut shard, 9, submission(100 + epoch, Kind::Commit, stale));
            assert_eq!(reason(&refused), Some(Reject::NotMember));
        }
    }
}

#[test]
fn only_commits_wait_while_an_epoch_is_reserved() {
    let mut shard = shard_with(2, Policy::default());
    for epoch in 0..u64::from(LOSSES_MIN) {
        submit(&mut shard, 1, submission(2 * epoch, Kind::Commit, epoch));
        submit(&mut shard, 2, submission(2 * epoch + 1, Kind::Commit, epoch));
    }
    for (id, kind) in [(100, Kind::Application), (101, Kind::Proposal)] {
        assert_eq!(reason(&submit(&mut shard, 1, submission(id, kind, 3))), None);
    }
}

#[test]
fn a_device_beyond_its_rate_is_told_when_to_come_back_and_others_are_not() {
    let rates = Rates { device: Rate::new(10, 2), group: Rate::UNBOUNDED };
    let mut shard = shard_with(2, Policy { rates, ..Policy::default() });
    let refused = Some(Reject::SlowDown { retry_ms: 100 });
    for (id, expected) in [(1, None), (2, None), (3, refused), (4, refused)] {
        let outputs = submit(&mut shard, 1, submission(id, Kind::Application, 0));
        assert_eq!(reason(&outputs), expected);
    }
    assert_eq!(reason(&submit(&mut shard, 2, submission(5, Kind::Application, 0))), None);
    let later = Duration::from_millis(100);
    let again = submit_at(&mut shard, later, 1, submission(3, Kind::Application, 0));
    assert!(matches!(again[..], [Output::Appended { .. }, Output::Accepted { .. }]), "{again:?}");
}

#[test]
fn a_group_beyond_its_rate_takes_no_more_and_a_stranger_neither_counts_nor_learns_of_it() {
    let rates = Rates { device: Rate::UNBOUNDED, group: Rate::new(10, 2) };
    let mut shard = shard_with(2, Policy { rates, ..Policy::default() });
    for id in 0..50 {
        let refused = submit(&mut shard, 9, submission(100 + id, Kind::Application, 0));
        assert_eq!(reason(&refused), Some(Reject::NotMember));
    }
    for (id, expected) in [(1, None), (2, None), (3, Some(Reject::SlowDown { retry_ms: 100 }))] {
        let sender = u8::try_from(id % 2 + 1).unwrap();
        let outputs = submit(&mut shard, sender, submission(id, Kind::Application, 0));
        assert_eq!(reason(&outputs), expected);
    }
    let refused = submit(&mut shard, 9, submission(200, Kind::Application, 0));
    assert_eq!(reason(&refused), Some(Reject::NotMember));
    let again = submit(&mut shard, 2, submission(1, Kind::Application, 0));
    assert!(matches!(again[..], [Output::Accepted { .. }]), "an answer is given again: {again:?}");
}

#[test]
fn attaching_again_and_again_counts_against_a_devices_rate() {
    let rates = Rates { device: Rate::new(10, 2), group: Rate::UNBOUNDED };
    let mut shard = shard_with(2, Policy { rates, ..Policy::default() });
    for _ in 0..2 {
        assert!(matches!(attach(&mut shard, 1, 0), Output::Attached(_)));
    }
    let reason = Reject::SlowDown { retry_ms: 100 };
    let refused = Output::AttachRefused { to: link(1), group: group(1), reason };
    assert_eq!(attach(&mut shard, 1, 0), refused);
    assert!(matches!(attach(&mut shard, 2, 0), Output::Attached(_)));
}

#[test]
fn a_stranger_late_to_join_by_a_commit_makes_no_member_wait() {
    let mut shard = Shard::new(Policy::default());
    let settings = Settings { level: Level::Public, ..Settings::default() };
    let founding = Founding { settings, ..Founding::plain(group(1), vec![device(1)]) };
    let (from, request) = (link(1), MessageId([0; 16]));
    let founding = Box::new(founding);
    shard.handle(Duration::ZERO, Input::Create { from, device: device(1), request, founding });
    drain(&mut shard);
    for epoch in 0..20 {
        let own = submission(epoch, Kind::Commit, epoch);
        assert_eq!(reason(&submit(&mut shard, 1, own)), None);
        let late = Submission { joins: true, ..submission(100 + epoch, Kind::Commit, epoch) };
        let refused = reason(&submit(&mut shard, 9, late));
        assert!(matches!(refused, Some(Reject::WrongEpoch { .. })), "{refused:?}");
    }
}

#[test]
fn a_late_commit_counts_as_lost_whatever_it_encloses() {
    let mut shard = shard_with(2, Policy::default());
    for epoch in 0..u64::from(LOSSES_MIN) {
        submit(&mut shard, 1, submission(2 * epoch, Kind::Commit, epoch));
        let enclosed = Enclosed {
            group_info: Some(Bytes::from_static(b"a GroupInfo")),
            ..Enclosed::default()
        };
        let late = Submission { enclosed, ..submission(2 * epoch + 1, Kind::Commit, epoch) };
        submit(&mut shard, 2, late);
    }
    let refused = reason(&submit(&mut shard, 1, submission(100, Kind::Commit, 3)));
    assert!(matches!(refused, Some(Reject::SlowDown { .. })), "{refused:?}");
}

#[test]
fn what_is_refused_and_what_is_answered_again_costs_no_rate() {
    let rates = Rates { device: Rate::new(10, 2), group: Rate::new(10, 2) };
    let mut shard = shard_with(2, Policy { rates, ..Policy::default() });
    let first = submission(1, Kind::Application, 0);
    for _ in 0..10 {
        let wrong = reason(&submit(&mut shard, 1, submission(9, Kind::Application, 7)));
        assert!(matches!(wrong, Some(Reject::WrongEpoch { .. })), "{wrong:?}");
        assert_eq!(reason(&submit(&mut shard, 1, first.clone())), None);
    }
    assert_eq!(reason(&submit(&mut shard, 1, submission(2, Kind::Application, 0))), None);
    assert_eq!(reason(&submit(&mut shard, 1, first)), None);
}

#[test]
fn who_has_to_wait_is_known_before_its_message_is_looked_at() {
    let of_devices = Rates { device: Rate::new(10, 2), group: Rate::UNBOUNDED };
    let of_groups = Rates { device: Rate::UNBOUNDED, group: Rate::new(10, 2) };
    for rates in [of_devices, of_groups] {
        let mut shard = shard_with(2, Policy { rates, ..Policy::default() });
        let next = submission(9, Kind::Application, 0);
        for id in 1..=2 {
            for _ in 0..10 {
                assert!(shard.might_accept(Duration::ZERO, device(1), &next), "looking is free");
            }
            submit(&mut shard, 1, submission(id, Kind::Application, 0));
        }
        assert!(!shard.might_accept(Duration::ZERO, device(1), &next));
        assert!(shard.might_accept(Duration::from_millis(100), device(1), &next));
    }
    let mut shard = shard_with(2, Policy::default());
    for epoch in 0..u64::from(LOSSES_MIN) {
        submit(&mut shard, 1, submission(2 * epoch, Kind::Commit, epoch));
        submit(&mut shard, 2, submission(2 * epoch + 1, Kind::Commit, epoch));
    }
    let next = submission(9, Kind::Commit, 3);
    assert!(!shard.might_accept(Duration::ZERO, device(1), &next));
    assert!(shard.might_accept(Duration::ZERO, device(2), &next));
    assert!(shard.might_accept(RESERVATION_MAX, device(1), &next));
}
