//! Sessions that end and come back: under their number, with what they missed, at less cost.

use super::*;
use crate::wire::{Counter, OPERATOR};

/// A service whose client keeps tickets.
fn with_tickets(shards: u16) -> Service {
    let mut service = Service::start(shards);
    service.client = new_client(Trust { resumption: true, ..service.trust });
    service
}

fn reconnect(service: &mut Service, sessions: &[(SessionNumber, u8)]) {
    let address = service.addresses[usize::from(sessions[0].1) % service.addresses.len()];
    let connection = service.client.reconnect(clock::now(), address).unwrap();
    for (session, number) in sessions {
        let token = service.key.token(device(*number));
        service.client.reopen(connection, *session, token);
    }
    for (session, _) in sessions {
        service.reply(*session, |reply| matches!(reply, Reply::Ready { .. }));
    }
}

fn seqs(service: &mut Service, session: SessionNumber, count: usize) -> Vec<u64> {
    service.deliveries(session, count).iter().map(|(seq, ..)| *seq).collect()
}

fn resumed(service: &mut Service) -> u64 {
    let address = service.addresses[0];
    let connection = service.client.connect(clock::now(), address).unwrap();
    let operator = service.client.open(connection, OPERATOR, service.key.token(OPERATOR));
    let request = MessageId([7; 16]);
    service.client.request(operator, &Request::Stats { request });
    let wanted = |reply: &Reply| matches!(reply, Reply::Stats { .. });
    let Reply::Stats { counters, .. } = service.reply(operator, wanted) else { unreachable!() };
    counters.get(Counter::HandshakesResumed)
}

#[test]
fn a_session_comes_back_under_its_number_and_gets_what_it_missed_whoever_ended_it() {
    for shards in [1, 2] {
        let mut service = with_tickets(shards);
        let [a, b] = [1, 2].map(|number| service.join(number));
        let group = group(3);
        service.create(a, group, &[1, 2]);
        service.attach(b, group, 0);
        let app = || message(&group, 0, Kind::Application, 0);
        service.submit(a, 1, app());
        assert_eq!(seqs(&mut service, b, 1), [1]);
        service.client.close(clock::now(), b);
        for id in 2..=4 {
            service.submit(a, id, app());
        }
        reconnect(&mut service, &[(b, 2)]);
        let attached = service.attach(b, group, 1);
        assert!(matches!(attached, Reply::Attached { next: Seq(2), head: Seq(4), .. }));
        assert_eq!(seqs(&mut service, b, 3), [2, 3, 4]);
        // The service ends whoever speaks nonsense.
        service.client.send_raw(b, Bytes::from_static(&[0, 0, 0, 1, 0xff]));
        service.until(b, |heard| matches!(heard, Heard::Over(_)));
        service.submit(a, 5, app());
        reconnect(&mut service, &[(b, 2)]);
        service.attach(b, group, 4);
        service.submit(a, 6, app());
        assert_eq!(seqs(&mut service, b, 2), [5, 6], "{shards} shards");
        assert_eq!(service.idle(b), []);
        assert_eq!(resumed(&mut service), 2, "{shards} shards");
    }
}

#[test]
fn sessions_that_shared_a_connection_come_back_on_one() {
    let mut service = with_tickets(1);
    let address = service.addresses[0];
    let connection = service.client.connect(clock::now(), address).unwrap();
    let members = [1, 2, 3, 4, 5];
    let sessions = members.map(|number| {
        let token = service.key.token(device(number));
        (service.client.open(connection, device(number), token), number)
    });
    let group = group(3);
    service.create(sessions[0].0, group, &members);
    for (session, _) in sessions {
        service.attach(session, group, 0);
    }
    service.client.close(clock::now(), sessions[2].0);
    let [first, rest @ ..] = sessions;
    let back = [rest[3], rest[1], rest[0], rest[2], first];
    reconnect(&mut service, &back);
    for (session, _) in back {
        service.attach(session, group, 0);
    }
    service.submit(first.0, 1, message(&group, 0, Kind::Application, 0));
    for (session, number) in back {
        assert_eq!(seqs(&mut service, session, 1), [1], "member {number}");
        assert_eq!(service.client.device(session), device(number));
    }
}

#[test]
fn to_close_a_session_that_is_over_leaves_whoever_has_its_place_now_alone() {
    let mut service = Service::start(1);
    let [_, b] = [1, 2].map(|number| service.join(number));
    service.client.close(clock::now(), b);
    while service.client.driver().open_connections() > 1 {
        service.turn();
    }
    // It sits where the closed one sat.
    let c = service.join(3);
    service.client.close(clock::now(), b);
    service.client.send_raw(c, Bytes::from_static(&[0, 0, 0, 1, 0xff]));
    service.until(c, |heard| matches!(heard, Heard::Over(_)));
}
