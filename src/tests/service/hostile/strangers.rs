//! Who has not authenticated, by a client that is not ours.

use super::foreign::{Foreign, hello};
use super::*;
use crate::limits::{FRAME_BYTES_UNAUTHENTICATED_MAX, HELLO_MAX, SESSIONS_PER_CONNECTION_MAX};
use crate::wire::{Token, TokenKeys};

/// A connection whose first stream begins with `first` is closed for `why`, and is counted.
fn check(siege: &mut Siege, first: &[u8], (why, counter): (Refusal, Counter)) {
    let before = siege.counters().get(counter);
    let foreign = Foreign::polite(&siege.service);
    let connection = foreign.connect(siege.service.addresses[1]).unwrap();
    let (_send, _replies) = foreign.open(&connection, first);
    assert_eq!(foreign.close_code(&connection), u64::from(why.code()), "{why}");
    siege.counted(counter, before + 1);
}

#[test]
fn a_hello_with_a_token_that_is_not_the_devices_own_is_refused() {
    under_load(|siege| {
        let (own, other) = (siege.service.key.token(device(7)), siege.service.key.token(device(8)));
        let mut forged = own;
        forged.tag[31] ^= 1;
        let unsigned = Token { tag: [0; 32], ..own };
        let of_no_key = Token { key_id: 1, ..own };
        for token in [unsigned, of_no_key, forged, other] {
            let hello = Request::Hello { version: 1, device: device(7), token };
            check(siege, &encoded(&hello), (Refusal::BadToken, Counter::RefusedSessions));
        }
    });
}

#[test]
fn a_hello_with_a_token_that_has_expired_is_refused_as_such() {
    under_load(|siege| {
        let now = clock::unix().as_secs();
        let expired = Counter::RefusedSessions;
        for not_after in [0, now - 1] {
            let token = siege.service.key.issue(device(7), not_after);
            let hello = Request::Hello { version: 1, device: device(7), token };
            check(siege, &encoded(&hello), (Refusal::ExpiredToken, expired));
        }
    });
}

#[test]
fn a_session_ends_when_its_token_does() {
    under_load(|siege| {
        let token = siege.service.key.issue(device(7), clock::unix().as_secs() + 1);
        let address = siege.service.addresses[0];
        let connection = siege.service.client.connect(clock::now(), address).unwrap();
        let session = siege.service.client.open(connection, device(7), token);
        siege.service.reply(session, |reply| matches!(reply, Reply::Ready { .. }));
        siege.refused(session, Refusal::ExpiredToken);
    });
}

#[test]
fn a_session_whose_token_expires_leaves_the_others_of_its_connection() {
    under_load(|siege| {
        let now = clock::unix().as_secs();
        let address = siege.service.addresses[0];
        let connection = siege.service.client.connect(clock::now(), address).unwrap();
        let [first, second] = [(7, now + 1), (8, u64::MAX)].map(|(number, not_after)| {
            let token = siege.service.key.issue(device(number), not_after);
            let session = siege.service.client.open(connection, device(number), token);
            siege.service.reply(session, |reply| matches!(reply, Reply::Ready { .. }));
            session
        });
        let expired = Reply::Refused { code: Refusal::ExpiredToken };
        siege.service.reply(first, |reply| *reply == expired);
        let answer = siege.service.attach(second, group(200), 0);
        assert!(matches!(answer, Reply::AttachRefused { .. }), "{answer:?}");
    });
}

#[test]
fn a_dropped_key_opens_no_more_sessions_and_leaves_those_that_are_there() {
    under_load(|siege| {
        let old = hello(&siege.service, 7);
        let mut keys = TokenKeys::from(siege.service.key.clone());
        keys.rotate(&[1; 32], 1);
        let new = keys.signing().issue(device(7), u64::MAX);
        let new = encoded(&Request::Hello { version: 1, device: device(7), token: new });
        let foreign = Foreign::polite(&siege.service);
        let greet = |siege: &Siege, hello: &[u8]| {
            let connection = foreign.connect(siege.service.addresses[0]).unwrap();
            let (_send, mut replies) = foreign.open(&connection, hello);
            assert!(matches!(foreign.reply(&mut replies), Reply::Ready { .. }));
        };
        let set = |siege: &mut Siege, keys: &TokenKeys| {
            siege.service.server.as_mut().unwrap().set_token_keys(keys).unwrap();
        };
        set(siege, &keys);
        greet(siege, &old);
        greet(siege, &new);
        keys.rotate(&[2; 32], 1);
        set(siege, &keys);
        greet(siege, &new);
        check(siege, &old, (Refusal::BadToken, Counter::RefusedSessions));
    });
}

#[test]
fn a_hello_of_another_version_is_refused() {
    under_load(|siege| {
        let token = siege.service.key.token(device(7));
        for version in [0, 2, 255] {
            let hello = Request::Hello { version, device: device(7), token };
            check(siege, &encoded(&hello), (Refusal::BadVersion, Counter::RefusedSessions));
        }
    });
}

#[test]
fn a_request_before_the_hello_is_refused_whatever_it_asks() {
    under_load(|siege| {
        let (group, request) = (group(200), message_id(1));
        let (id, change) = (request, RosterChange::default());
        for asked in [
            Request::Stats { request },
            Request::Delete { request, group },
            Request::Attach { group, after: Seq(0) },
            Request::Detach { group },
            Request::Submit { id, change, enclosed: Enclosed::default(), body: small(&group, 0) },
            Request::plain_group(request, group, Epoch(0), vec![device(7)]),
        ] {
            check(siege, &encoded(&asked), (Refusal::NotAuthenticated, Counter::RefusedSessions));
        }
        siege.counted(Counter::Groups, 1);
    });
}

#[test]
fn what_does_not_parse_before_the_hello_ends_the_connection() {
    under_load(|siege| {
        let malformed = (Refusal::MalformedFrame, Counter::MalformedFrames);
        let hello = hello(&siege.service, 7);
        for first in [
            Bytes::from_static(&[0, 0, 0, 0]),
            frame(99, b""),
            frame(1, &hello[5..hello.len() - 1]),
            frame(1, &[&hello[5..], &[0]].concat()),
            Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
        ] {
            let expected =
                if first[0] == 0 { malformed } else { (Refusal::FrameTooLarge, malformed.1) };
            check(siege, &first, expected);
        }
    });
}

#[test]
fn a_stranger_may_not_even_announce_a_large_frame() {
    under_load(|siege| {
        let over = u32::try_from(FRAME_BYTES_UNAUTHENTICATED_MAX + 1).unwrap();
        let too_large = (Refusal::FrameTooLarge, Counter::MalformedFrames);
        for length in [over, 16 << 20, u32::MAX] {
            check(siege, &length.to_be_bytes(), too_large);
        }
        let largest = frame(99, &[0; FRAME_BYTES_UNAUTHENTICATED_MAX - 1]);
        check(siege, &largest, (Refusal::MalformedFrame, Counter::MalformedFrames));
    });
}

#[test]
fn a_stream_that_says_nothing_is_not_counted_as_a_session() {
    under_load(|siege| {
        let before = siege.counters().get(Counter::Sessions);
        let foreign = Foreign::polite(&siege.service);
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let (_first, mut replies) = foreign.open(&connection, &hello(&siege.service, 7));
        let (_second, _) = foreign.open(&connection, &[0]);
        foreign.reply(&mut replies);
        siege.counted(Counter::Sessions, before + 1);
    });
}

#[test]
fn a_connection_that_never_says_hello_is_closed_in_time() {
    under_load(|siege| {
        let foreign = Foreign::polite(&siege.service);
        let started = clock::now();
        let silent = foreign.connect(siege.service.addresses[0]).unwrap();
        let muttering = foreign.connect(siege.service.addresses[1]).unwrap();
        let (_send, _replies) = foreign.open(&muttering, &hello(&siege.service, 7)[..20]);
        for connection in [&silent, &muttering] {
            let code = u64::from(Refusal::NotAuthenticated.code());
            assert_eq!(foreign.close_code(connection), code);
        }
        assert!(clock::now() >= started + HELLO_MAX, "closed early");
        siege.counted(Counter::RefusedSessions, 2);
    });
}

#[test]
fn a_connection_has_as_many_sessions_as_it_is_granted() {
    under_load(|siege| {
        let foreign = Foreign::new(&siege.service.certificate, b"stentor/1", |transport| {
            transport.max_concurrent_uni_streams(1_000_u32.into());
        });
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS_PER_CONNECTION_MAX {
            let (send, mut replies) = foreign.open(&connection, &hello(&siege.service, 7));
            assert!(matches!(foreign.reply(&mut replies), Reply::Ready { .. }));
            sessions.push((send, replies));
        }
        let short = Duration::from_millis(300);
        let more = async { tokio::time::timeout(short, connection.open_bi()).await.is_ok() };
        assert!(!foreign.within(more), "a session more than granted");
    });
}

#[test]
fn a_client_that_grants_too_few_streams_is_told_how_many_sessions_it_has() {
    under_load(|siege| {
        let foreign = Foreign::new(&siege.service.certificate, b"stentor/1", |transport| {
            transport.max_concurrent_uni_streams(1_u32.into());
        });
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let (_first, mut replies) = foreign.open(&connection, &hello(&siege.service, 7));
        assert!(matches!(foreign.reply(&mut replies), Reply::Ready { .. }));
        let (_second, mut refused) = foreign.open(&connection, &hello(&siege.service, 8));
        let code = Refusal::TooManySessions;
        assert_eq!(foreign.reply(&mut refused), Reply::Refused { code });
        siege.counted(Counter::RefusedSessions, 1);
    });
}

#[test]
fn a_session_that_ends_makes_room_for_another_on_its_connection() {
    under_load(|siege| {
        let foreign = Foreign::polite(&siege.service);
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let before = siege.counters().get(Counter::Sessions);
        for _ in 0..3 * SESSIONS_PER_CONNECTION_MAX {
            let (mut send, mut replies) = foreign.open(&connection, &hello(&siege.service, 7));
            assert!(matches!(foreign.reply(&mut replies), Reply::Ready { .. }));
            let mut frames = foreign.deliveries(&connection, device(7));
            send.finish().unwrap();
            assert_eq!(foreign.within(replies.next()), None, "the service ends its side too");
            assert_eq!(foreign.within(frames.next()), None);
        }
        siege.counted(Counter::Sessions, before);
    });
}

#[test]
fn half_open_handshakes_take_few_places_and_none_for_long() {
    let defence = Defence {
        handshakes_unproven: 16,
        handshake: Duration::from_millis(500),
        ..Defence::default()
    };
    within(defence, |siege| {
        let before = siege.counters().get(Counter::Connections);
        let local = Ipv4Addr::LOCALHOST.into();
        let mut silent = Driver::client(local, 8, siege.service.trust).unwrap();
        for _ in 0..200 {
            silent.connect(clock::now(), siege.service.addresses[0]).unwrap();
        }
        silent.transmit(clock::now()).unwrap();
        siege.counted(Counter::HandshakesExpired, 16);
        siege.counted(Counter::Connections, before);
        assert!(siege.counters().get(Counter::AddressProofs) >= 184);
        siege.service.join(7);
    });
}

#[test]
fn a_network_gets_its_share_of_connections_and_no_more() {
    let defence = Defence { network_connections: 8, loopback_bounded: true, ..Defence::default() };
    // Six are the bystanders' and the operator's, on two shards.
    within(defence, |siege| {
        let foreign = Foreign::polite(&siege.service);
        let connections: Vec<_> =
            (0..8).map_while(|_| foreign.connect(siege.service.addresses[0]).ok()).collect();
        assert!((1..8).contains(&connections.len()), "{}", connections.len());
        siege.counted(Counter::RefusedConnections, 1);
    });
}
