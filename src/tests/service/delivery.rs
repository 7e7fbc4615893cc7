//! Order, epochs, rosters and cursors, end to end, with 1, 2 and 4 shards.

use super::*;
use crate::delivery::Reject;
use crate::wire::{Counter, OPERATOR, Reason};

fn app(group: &GroupId, epoch: u64) -> Bytes {
    message(group, epoch, Kind::Application, 0)
}

fn commit(group: &GroupId, epoch: u64) -> Bytes {
    message(group, epoch, Kind::Commit, 0)
}

fn place(reply: &Reply) -> (u64, u64) {
    match reply {
        Reply::Accepted { seq, epoch, .. } => (seq.0, epoch.0),
        other => panic!("not accepted: {other:?}"),
    }
}

fn reason(reply: &Reply) -> Reason {
    match reply {
        Reply::Rejected { reason, .. } => *reason,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn every_member_gets_every_message_in_order_whatever_shard_it_sits_on() {
    for shards in [1, 2, 4] {
        let mut service = Service::start(shards);
        let members: Vec<u8> = (1..=8).collect();
        let sessions: Vec<_> = members.iter().map(|number| service.join(*number)).collect();
        for number in 1..=4 {
            let group = group(number);
            service.create(sessions[0], group, &members);
            for session in &sessions {
                service.attach(*session, group, 0);
            }
            let sent: Vec<Bytes> =
                (0..5).map(|n| message(&group, 0, Kind::Application, n)).collect();
            for (index, body) in sent.iter().enumerate() {
                let id = u64::from(number) << 8 | index as u64;
                let reply = service.submit(sessions[index], id, body.clone());
                assert_eq!(place(&reply), (index as u64 + 1, 0));
            }
            for session in &sessions {
                let got = service.deliveries(*session, 5);
                let order: Vec<u64> = got.iter().map(|(seq, ..)| *seq).collect();
                assert_eq!(order, [1, 2, 3, 4, 5], "{shards} shards");
                assert!(got.iter().zip(&sent).all(|((.., body), sent)| body == sent));
            }
        }
    }
}

#[test]
fn racers_on_different_shards_have_one_winner_and_every_loser_is_told() {
    let mut service = Service::start(4);
    let members: Vec<u8> = (1..=4).collect();
    let sessions: Vec<_> = members.iter().map(|number| service.join(*number)).collect();
    let group = group(1);
    service.create(sessions[0], group, &members);
    for round in 0..50 {
        for (racer, session) in sessions.iter().enumerate() {
            let id = message_id(round << 8 | racer as u64);
            service.client.submit(*session, id, &RosterChange::default(), commit(&group, round));
        }
        let mut winners = 0;
        for session in &sessions {
            let answer = service.reply(*session, |reply| {
                matches!(reply, Reply::Accepted { .. } | Reply::Rejected { .. })
            });
            if let Reply::Accepted { seq, epoch, .. } = answer {
                assert_eq!((seq.0, epoch.0), (round + 1, round + 1));
                winners += 1;
            } else {
                let told = Reject::WrongEpoch { current: Epoch(round + 1), winner: Seq(round + 1) };
                // Once others have lost more often, it may also be told to come back later.
                let refused = reason(&answer);
                let put_off = matches!(refused, Reason::Rejected(Reject::SlowDown { .. }));
                assert!(put_off || refused == Reason::Rejected(told), "{refused:?}");
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
}

#[test]
fn two_racers_have_exactly_one_winner_in_each_of_ten_thousand_epochs() {
    let mut service = Service::start(2);
    let sessions = [1, 2].map(|number| service.join(number));
    let group = group(9);
    service.create(sessions[0], group, &[1, 2]);
    let small = |epoch| {
        let mut body = commit(&group, epoch).to_vec();
        let ciphertext = body.len() - 16_384 - 4;
        body.truncate(ciphertext);
        body.extend([4, 1, 2, 3, 4]);
        Bytes::from(body)
    };
    let mut won = [0; 2];
    for epoch in 0..10_000 {
        let order = if epoch % 2 == 0 { [0, 1] } else { [1, 0] };
        for racer in order {
            let id = message_id(epoch << 8 | racer as u64);
            let change = RosterChange::default();
            service.client.submit(sessions[racer], id, &change, small(epoch));
        }
        let accepted: Vec<usize> = order
            .into_iter()
            .filter(|racer| {
                let answer = service.reply(sessions[*racer], |_| true);
                matches!(answer, Reply::Accepted { seq, .. } if seq.0 == epoch + 1)
            })
            .collect();
        assert_eq!(accepted.len(), 1, "epoch {epoch}");
        won[accepted[0]] += 1;
    }
    assert!(won.iter().all(|won| *won > 0), "both sit on another shard: {won:?}");
}

#[test]
fn a_removed_member_gets_the_commit_and_nothing_more_and_an_added_one_starts_there() {
    for shards in [1, 2] {
        let mut service = Service::start(shards);
        let [a, b, c] = [1, 2, 3].map(|number| service.join(number));
        let group = group(1);
        service.create(a, group, &[1, 2]);
        service.attach(a, group, 0);
        service.attach(b, group, 0);
        let refused = service.attach(c, group, 0);
        let not_member = Reason::Rejected(Reject::NotMember);
        assert_eq!(refused, Reply::AttachRefused { group, reason: not_member });
        service.submit(a, 1, app(&group, 0));
        let change = RosterChange { added: vec![device(3)], removed: vec![device(2)] };
        let reply = service.submit_changing(a, 2, commit(&group, 0), &change);
        assert_eq!(place(&reply), (2, 1));
        let joined = service.attach(c, group, 0);
        assert!(matches!(joined, Reply::Attached { next: Seq(2), .. }), "{joined:?}");
        service.submit(c, 3, app(&group, 1));
        let seqs = |got: Vec<(u64, MessageId, Bytes)>| got.iter().map(|d| d.0).collect::<Vec<_>>();
        assert_eq!(seqs(service.deliveries(b, 2)), [1, 2]);
        assert_eq!(seqs(service.deliveries(c, 2)), [2, 3]);
        assert_eq!(seqs(service.deliveries(a, 3)), [1, 2, 3]);
        assert_eq!(service.idle(b), []);
        assert_eq!(reason(&service.submit(b, 4, app(&group, 0))), not_member);
    }
}

#[test]
fn a_member_that_was_away_catches_up_on_another_connection() {
    let mut service = Service::start(2);
    let [a, b] = [1, 2].map(|number| service.join(number));
    let group = group(5);
    service.create(a, group, &[1, 2]);
    service.attach(b, group, 0);
    service.submit(a, 1, app(&group, 0));
    service.deliveries(b, 1);
    service.client.close(clock::now(), b);
    for id in 2..=6 {
        service.submit(a, id, app(&group, 0));
    }
    let back = service.join(2);
    let attached = service.attach(back, group, 1);
    assert!(matches!(attached, Reply::Attached { next: Seq(2), resync: false, .. }));
    let got: Vec<u64> = service.deliveries(back, 5).iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(got, [2, 3, 4, 5, 6]);
}

#[test]
fn a_retry_is_answered_once_more_and_delivered_once() {
    let mut service = Service::start(2);
    let a = service.join(1);
    let group = group(1);
    service.create(a, group, &[1]);
    service.attach(a, group, 0);
    let first = service.submit(a, 7, commit(&group, 0));
    let again = service.submit(a, 7, commit(&group, 0));
    assert_eq!(first, again);
    assert_eq!(service.deliveries(a, 1).len(), 1);
    assert_eq!(service.idle(a), []);
}

#[test]
fn a_detached_session_hears_no_more_and_may_attach_again() {
    let mut service = Service::start(2);
    let [a, b] = [1, 2].map(|number| service.join(number));
    let group = group(2);
    service.create(a, group, &[1, 2]);
    service.attach(b, group, 0);
    service.submit(a, 1, app(&group, 0));
    service.deliveries(b, 1);
    service.client.request(b, &Request::Detach { group });
    service.idle(b);
    service.submit(a, 2, app(&group, 0));
    assert_eq!(service.idle(b), []);
    service.attach(b, group, 1);
    assert_eq!(service.deliveries(b, 1)[0].0, 2);
}

#[test]
fn who_detaches_before_it_is_attached_hears_nothing_and_may_attach_again() {
    let mut service = Service::start(2);
    let sessions = [1, 2].map(|number| service.join(number));
    let group = group(2);
    service.create(sessions[0], group, &[1, 2]);
    service.submit(sessions[0], 1, app(&group, 0));
    // One of the two sits on another shard than the group.
    for session in sessions {
        let attach = |after| Request::Attach { group, after: Seq(after) };
        for request in [attach(0), Request::Detach { group }] {
            service.client.request(session, &request);
        }
        service.reply(session, |reply| matches!(reply, Reply::Attached { .. }));
        assert_eq!(service.idle(session), []);
        for request in [attach(0), Request::Detach { group }, attach(1)] {
            service.client.request(session, &request);
        }
        for _ in 0..2 {
            service.reply(session, |reply| matches!(reply, Reply::Attached { .. }));
        }
    }
    service.submit(sessions[0], 2, app(&group, 0));
    for session in sessions {
        assert_eq!(service.deliveries(session, 1)[0].0, 2);
    }
}

#[test]
fn who_detaches_and_attaches_in_one_breath_misses_nothing() {
    for shards in [1, 2, 4] {
        let mut service = Service::start(shards);
        let [a, b] = [1, 2].map(|number| service.join(number));
        let group = group(2);
        service.create(a, group, &[1, 2]);
        service.attach(b, group, 0);
        for round in 0..20 {
            service.client.request(b, &Request::Detach { group });
            service.client.request(b, &Request::Attach { group, after: Seq(round) });
            service.reply(b, |reply| matches!(reply, Reply::Attached { .. }));
            service.submit(a, round, app(&group, 0));
            assert_eq!(service.deliveries(b, 1)[0].0, round + 1, "{shards} shards");
        }
    }
}

#[test]
fn who_attaches_as_the_last_other_member_leaves_misses_nothing() {
    for shards in [1, 2] {
        let mut service = Service::start(shards);
        let a = service.join(1);
        let group = group(3);
        service.create(a, group, &[1, 2, 3]);
        let mut last = service.join(2);
        service.attach(last, group, 0);
        for round in 0..20 {
            let next = service.join(2);
            service.client.request(next, &Request::Attach { group, after: Seq(round) });
            service.client.close(clock::now(), last);
            service.reply(next, |reply| matches!(reply, Reply::Attached { .. }));
            service.submit(a, round, app(&group, 0));
            assert_eq!(service.deliveries(next, 1)[0].0, round + 1, "{shards} shards");
            last = next;
        }
    }
}

#[test]
fn sessions_that_share_a_connection_each_get_their_own_deliveries() {
    let mut service = Service::start(2);
    let connection = service.client.connect(clock::now(), service.addresses[1]).unwrap();
    let members: Vec<u8> = (1..=40).collect();
    let sessions: Vec<_> = members
        .iter()
        .map(|number| {
            let token = service.key.token(device(*number));
            service.client.open(connection, device(*number), token)
        })
        .collect();
    for session in &sessions {
        service.reply(*session, |reply| matches!(reply, Reply::Ready { shard: 1, .. }));
    }
    let group = group(3);
    service.create(sessions[0], group, &members);
    for session in &sessions {
        service.attach(*session, group, 0);
    }
    service.submit(sessions[7], 1, app(&group, 0));
    for session in &sessions {
        assert_eq!(service.deliveries(*session, 1)[0].0, 1);
    }
}

#[test]
fn a_commit_larger_than_every_window_reaches_every_member() {
    let mut service = Service::start(2);
    let members: Vec<u8> = (1..=6).collect();
    let sessions: Vec<_> = members.iter().map(|number| service.join(*number)).collect();
    let group = group(4);
    service.create(sessions[0], group, &members);
    for session in &sessions {
        service.attach(*session, group, 0);
    }
    let body = message(&group, 0, Kind::Commit, 3 << 20);
    service.client.submit(sessions[0], message_id(1), &RosterChange::default(), body.clone());
    service.client.submit(sessions[1], message_id(2), &RosterChange::default(), app(&group, 0));
    for session in &sessions {
        let got = service.deliveries(*session, 2);
        assert!(got.iter().any(|(.., delivered)| *delivered == body));
    }
}

#[test]
fn the_operator_reads_counters_and_deletes_groups_and_nobody_else_may() {
    let mut service = Service::start(2);
    let a = service.join(1);
    let group = group(1);
    service.create(a, group, &[1]);
    service.attach(a, group, 0);
    service.submit(a, 1, app(&group, 0));
    service.deliveries(a, 1);
    let connection = service.client.connect(clock::now(), service.addresses[0]).unwrap();
    let operator = service.client.open(connection, OPERATOR, service.key.token(OPERATOR));
    service.idle(operator);
    service.client.request(operator, &Request::Stats { request: message_id(5) });
    let stats = service.reply(operator, |reply| matches!(reply, Reply::Stats { .. }));
    let Reply::Stats { counters, .. } = stats else { unreachable!("asked for stats") };
    assert_eq!(counters.get(Counter::Deliveries), 1);
    assert_eq!(counters.get(Counter::AcceptedApplication), 1);
    assert_eq!(counters.get(Counter::Groups), 1);
    assert_eq!(counters.get(Counter::Sessions), 2);
    assert!(counters.get(Counter::CpuUserUs) > 0 && counters.get(Counter::RssBytes) > 0);
    service.client.request(operator, &Request::Delete { request: message_id(6), group });
    service.reply(operator, |reply| matches!(reply, Reply::Done { .. }));
    let gone = service.submit(a, 2, app(&group, 0));
    assert_eq!(reason(&gone), Reason::Rejected(Reject::UnknownGroup));
    service.client.request(a, &Request::Delete { request: message_id(6), group });
    let over = service.until(a, |heard| matches!(heard, Heard::Over(_)));
    assert!(matches!(over, Heard::Over(crate::net::Lost::Closed { code: 10, .. })), "{over:?}");
}

#[test]
fn a_stopping_server_says_goodbye_after_what_it_accepted_has_arrived() {
    let mut service = Service::start(2);
    let [a, b] = [1, 2].map(|number| service.join(number));
    let group = group(2);
    service.create(a, group, &[1, 2]);
    service.attach(b, group, 0);
    service.submit(a, 1, app(&group, 0));
    let server = service.server.take().unwrap();
    let stopping = std::thread::spawn(move || server.stop());
    assert_eq!(service.deliveries(b, 1)[0].0, 1);
    let over = service.until(b, |heard| matches!(heard, Heard::Over(_)));
    assert!(matches!(over, Heard::Over(crate::net::Lost::Closed { code: 7, .. })), "{over:?}");
    stopping.join().unwrap().unwrap();
}
