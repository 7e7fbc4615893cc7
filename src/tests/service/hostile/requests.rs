//! Well-formed requests that must not be granted.

use super::*;
use crate::delivery::Reject;
use crate::wire::Reason;

/// The answer to a submission, which must be a refusal.
fn refusal(siege: &mut Siege, by: SessionNumber, body: Bytes, change: &RosterChange) -> Reason {
    let before = siege.counters().get(Counter::Rejected);
    let answer = siege.service.submit_changing(by, 1, body, change);
    siege.counted(Counter::Rejected, before + 1);
    match answer {
        Reply::Rejected { reason, .. } => reason,
        _ => panic!("accepted"),
    }
}

fn check(siege: &mut Siege, by: SessionNumber, body: Bytes, expected: Reject) {
    let reason = refusal(siege, by, body, &RosterChange::default());
    assert_eq!(reason, Reason::Rejected(expected));
}

#[test]
fn who_is_no_member_can_neither_submit_nor_attach_nor_learn_more_than_that() {
    under_load(|siege| {
        let stranger = siege.service.join(7);
        for (group, expected) in
            [(group(200), Reject::NotMember), (group(55), Reject::UnknownGroup)]
        {
            check(siege, stranger, small(&group, 0), expected);
            let before = siege.counters().get(Counter::Rejected);
            let reply = siege.service.attach(stranger, group, 0);
            let reason = Reason::Rejected(expected);
            assert_eq!(reply, Reply::AttachRefused { group, reason });
            siege.counted(Counter::Rejected, before + 1);
        }
        assert_eq!(siege.service.idle(stranger), []);
    });
}

#[test]
fn a_body_that_is_not_a_message_of_a_group_is_refused_at_the_byte_that_says_so() {
    under_load(|siege| {
        let member = siege.service.join(7);
        let group = group(1);
        siege.service.create(member, group, &[7]);
        let good = small(&group, 0);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            Bytes::from(bytes)
        };
        let trailing = Bytes::from([&good[..], &[0]].concat());
        for (body, offset) in [
            (Bytes::new(), 0),
            (Bytes::from_static(b"hello"), 0),
            (with(1, 2), 0),
            (with(45, 4), 45),
            (trailing, u32::try_from(good.len()).unwrap()),
        ] {
            let reason = refusal(siege, member, body, &RosterChange::default());
            assert_eq!(reason, Reason::Malformed { offset });
        }
    });
}

#[test]
fn a_welcome_a_group_info_a_key_package_or_what_the_rfc_does_not_know_cannot_be_submitted() {
    under_load(|siege| {
        let member = siege.service.join(7);
        for wire_format in [0, 3, 4, 5, 9] {
            let body = Bytes::from([&[0, 1, 0, wire_format, 0, 1][..], &[0; 40]].concat());
            check(siege, member, body, Reject::NotSubmittable);
        }
    });
}

#[test]
fn application_content_in_the_clear_is_refused() {
    under_load(|siege| {
        let member = siege.service.join(7);
        let group = group(1);
        siege.service.create(member, group, &[7]);
        let header = [&[0, 1, 0, 1, 32][..], group.as_bytes(), &[0; 8]].concat();
        let body = [&header[..], &[1, 0, 0, 0, 0], &[0], &[1, 3, 1, 2, 3]].concat();
        let reason = refusal(siege, member, body.into(), &RosterChange::default());
        let offset = u32::try_from(header.len() + 6).unwrap();
        assert_eq!(reason, Reason::Malformed { offset });
    });
}

#[test]
fn a_roster_changes_by_a_commit_alone() {
    under_load(|siege| {
        let member = siege.service.join(7);
        let group = group(1);
        siege.service.create(member, group, &[7, 8]);
        for (added, removed) in [(vec![device(9)], vec![]), (vec![], vec![device(8)])] {
            let change = RosterChange { added, removed };
            let reason = refusal(siege, member, small(&group, 0), &change);
            assert_eq!(reason, Reason::Rejected(Reject::BadRosterChange));
        }
    });
}

#[test]
fn a_group_is_not_made_twice_nor_of_a_device_twice_nor_by_a_stranger_to_it() {
    under_load(|siege| {
        let session = siege.service.join(7);
        let devices = |numbers: &[u8]| numbers.iter().copied().map(device).collect::<Vec<_>>();
        for (group, roster, expected) in [
            (group(1), devices(&[7, 8, 7]), Reject::BadRosterChange),
            (group(1), devices(&[]), Reject::BadRosterChange),
            (group(1), devices(&[8, 9]), Reject::NotMember),
            (group(200), devices(&[7]), Reject::GroupExists),
        ] {
            let before = siege.counters().get(Counter::Rejected);
            let request = message_id(9);
            let create = Request::plain_group(request, group, Epoch(0), roster);
            siege.service.client.request(session, &create);
            let answer =
                siege.service.reply(session, |reply| matches!(reply, Reply::Rejected { .. }));
            let reason = Reason::Rejected(expected);
            assert_eq!(answer, Reply::Rejected { id: request, reason });
            siege.counted(Counter::Rejected, before + 1);
        }
        siege.counted(Counter::Groups, 1);
    });
}

#[test]
fn only_the_operator_reads_counters_and_deletes_groups() {
    under_load(|siege| {
        let request = message_id(1);
        for asked in [Request::Stats { request }, Request::Delete { request, group: group(200) }] {
            let before = siege.counters().get(Counter::RefusedSessions);
            let stranger = siege.service.join(7);
            siege.service.client.request(stranger, &asked);
            siege.refused(stranger, Refusal::NotOperator);
            siege.counted(Counter::RefusedSessions, before + 1);
        }
        siege.counted(Counter::Groups, 1);
    });
}

#[test]
fn a_session_that_asks_faster_than_it_is_answered_gets_every_answer() {
    under_load(|siege| {
        let session = siege.service.join(7);
        let count = 5_000;
        let submits: Vec<Bytes> = (0..count)
            .map(|number| {
                let (id, change) = (message_id(number), RosterChange::default());
                encoded(&Request::Submit {
                    id,
                    change,
                    enclosed: Enclosed::default(),
                    body: Bytes::from_static(b"?"),
                })
            })
            .collect();
        siege.service.client.send_raw(session, submits.concat().into());
        for number in 0..count {
            let expected = message_id(number);
            siege.service.reply(
                session,
                |reply| matches!(reply, Reply::Rejected { id, .. } if *id == expected),
            );
        }
        siege.counted(Counter::Rejected, count);
    });
}

#[test]
fn a_commit_that_is_replayed_wins_no_second_time_and_is_delivered_once() {
    under_load(|siege| {
        let [author, thief] = [7, 9].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(author, group, &[7, 9]);
        siege.service.attach(thief, group, 0);
        let commit = message(&group, 0, Kind::Commit, 0);
        let first = siege.service.submit(author, 1, commit.clone());
        assert!(matches!(first, Reply::Accepted { seq: Seq(1), epoch: Epoch(1), .. }), "{first:?}");
        // Its own retry gets the first answer; under another id it is a commit for a closed epoch.
        assert_eq!(siege.service.submit(author, 1, commit.clone()), first);
        check(siege, thief, commit.clone(), Reject::IdTaken);
        let stale = Reject::WrongEpoch { current: Epoch(1), winner: Seq(1) };
        for (by, id) in [(thief, 2), (author, 3)] {
            let answer = siege.service.submit(by, id, commit.clone());
            let id = message_id(id);
            assert_eq!(answer, Reply::Rejected { id, reason: Reason::Rejected(stale) });
        }
        assert_eq!(siege.service.deliveries(thief, 1), [(1, message_id(1), commit)]);
        assert_eq!(siege.service.idle(thief), []);
    });
}
