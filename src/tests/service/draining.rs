//! A server that is told to stop while it is busy: what it has accepted arrives, nothing new does.

use super::*;
use crate::net::Lost;
use crate::server;
use crate::wire::{Reason, Refusal};

/// Tells the server to stop, on a thread of its own.
fn stop(service: &mut Service) -> std::thread::JoinHandle<Result<(), server::Error>> {
    let server = service.server.take().unwrap();
    std::thread::spawn(move || server.stop())
}

fn is_draining(over: &Heard) -> bool {
    let code = u64::from(Refusal::Draining.code());
    matches!(over, Heard::Over(Lost::Closed { code: closed, .. }) if *closed == code)
}

/// What the sessions hear until all of them are over, while each goes on submitting.
fn hear_out(service: &mut Service, sessions: &[SessionNumber], body: &Bytes) -> Vec<Heard> {
    let (mut heard, mut over, mut id) = (Vec::new(), 0, 1_000);
    let deadline = clock::now() + Duration::from_secs(20);
    while over < sessions.len() {
        assert!(clock::now() < deadline, "{over} sessions are over");
        service.turn();
        for (session, one) in std::mem::take(&mut service.heard) {
            match &one {
                Heard::Over(_) => {
                    assert!(is_draining(&one), "{one:?}");
                    over += 1;
                }
                Heard::Reply(Reply::Accepted { .. }) => {
                    id += 1;
                    service.client.submit(
                        session,
                        message_id(id),
                        &RosterChange::default(),
                        body.clone(),
                    );
                }
                _ => {}
            }
            heard.push(one);
        }
    }
    heard
}

#[test]
fn what_is_accepted_under_load_reaches_every_member_of_every_shard_before_goodbye() {
    for round in 0..6 {
        let mut service = Service::start(3);
        let members: Vec<u8> = (1..=6).collect();
        let sessions: Vec<_> = members.iter().map(|number| service.join(*number)).collect();
        let group = group(round);
        service.create(sessions[0], group, &members);
        for session in &sessions {
            service.attach(*session, group, 0);
        }
        let body = message(&group, 0, Kind::Application, 0);
        // Only the members of one shard talk: the others have nothing to do but to listen.
        for (id, session) in (1..).zip([sessions[0], sessions[3]]) {
            for k in 0..8 {
                let id = message_id(10 * id + k);
                service.client.submit(session, id, &RosterChange::default(), body.clone());
            }
        }
        service.deliveries(sessions[1], 5 + usize::from(round));
        let before = 5 + usize::from(round);
        let stopping = stop(&mut service);
        let heard = hear_out(&mut service, &sessions, &body);
        stopping.join().unwrap().unwrap();
        let accepted = heard
            .iter()
            .filter_map(|one| match one {
                Heard::Reply(Reply::Accepted { seq, .. }) => Some(seq.0),
                _ => None,
            })
            .max()
            .expect("some were accepted before it stopped");
        let delivered =
            heard.iter().filter(|one| matches!(one, Heard::Delivery(_))).count() + before;
        let expected = usize::try_from(accepted).unwrap() * sessions.len();
        assert!(delivered >= expected, "round {round}: {delivered} of {expected} deliveries");
    }
}

/// A member on a client of its own that hears nothing while it is not asked to.
struct Away {
    service: Service,
    session: SessionNumber,
}

impl Away {
    /// Device `number`, attached to the group.
    fn attached(service: &Service, number: u8, group: GroupId) -> Self {
        let mut service = service.another()();
        let session = service.join(number);
        service.attach(session, group, 0);
        Self { service, session }
    }
}

/// A group of which one member is 10 MiB behind, and that member.
fn one_behind(service: &mut Service) -> Away {
    let writer = service.join(2);
    let group = group(1);
    service.create(writer, group, &[1, 2]);
    let away = Away::attached(service, 1, group);
    for id in 0..40 {
        let large = message(&group, 0, Kind::Application, 256 << 10);
        let answer = service.submit(writer, id, large);
        assert!(matches!(answer, Reply::Accepted { .. }), "{answer:?}");
    }
    away
}

#[test]
fn a_draining_server_waits_for_who_is_behind_and_takes_nobody_new() {
    let mut settings = default_settings(2);
    settings.service.drain = Duration::from_secs(600);
    let mut service = Service::with_settings(settings);
    let mut away = one_behind(&mut service);
    let talker = service.join(3);
    let stopping = stop(&mut service);
    // Refused once the talker's shard has heard of it.
    let body = message(&group(1), 0, Kind::Application, 0);
    let busy = |reply: &Reply| matches!(reply, Reply::Rejected { reason: Reason::Busy, .. });
    while !busy(&service.submit(talker, 99, body.clone())) {}
    let shard = service.addresses[1];
    let connection = service.client.connect(clock::now(), shard).unwrap();
    let newcomer = service.client.open(connection, device(4), service.key.token(device(4)));
    let over = service.until(newcomer, |heard| matches!(heard, Heard::Over(_)));
    assert!(is_draining(&over), "{over:?}");
    assert!(!stopping.is_finished(), "somebody is behind");
    let got = away.service.deliveries(away.session, 40);
    assert!(got.iter().map(|(seq, ..)| *seq).eq(1..=40));
    let over = away.service.until(away.session, |heard| matches!(heard, Heard::Over(_)));
    assert!(is_draining(&over), "{over:?}");
    stopping.join().unwrap().unwrap();
}

#[test]
fn a_drain_ends_when_its_time_is_up_whoever_is_behind() {
    let mut settings = default_settings(2);
    settings.service.drain = Duration::ZERO;
    let mut service = Service::with_settings(settings);
    let _away = one_behind(&mut service);
    stop(&mut service).join().unwrap().unwrap();
}
