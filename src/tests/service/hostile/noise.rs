//! Bytes from a seeded generator: at the socket, and on a session's stream.

use std::net::UdpSocket;

use rand::Rng;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

#[test]
fn garbage_datagrams_reach_no_connection() {
    under_load(|siege| {
        let before = siege.counters();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for round in 0..3_000 {
            let mut noise = vec![0; random.random_range(0..1_452)];
            random.fill_bytes(&mut noise);
            if let [first, version @ .., _] = noise.as_mut_slice() {
                // A third look like a first packet, a third like one of a connection.
                match round % 3 {
                    0 if version.len() > 20 => {
                        *first = 0xc0 | *first & 0x0f;
                        version[..5].copy_from_slice(&[0, 0, 0, 1, 8]);
                    }
                    1 => *first = 0x40 | *first & 0x3f,
                    _ => {}
                }
            }
            let to = siege.service.addresses[round % 2];
            // A full buffer is the kernel's way of saying that noise is cheap.
            socket.send_to(&noise, to).ok();
        }
        let after = siege.counters();
        assert!(after.get(Counter::PacketsReceived) > before.get(Counter::PacketsReceived));
        for level in [Counter::Connections, Counter::Handshakes, Counter::Sessions] {
            siege.counted(level, before.get(level));
        }
    });
}

#[test]
fn random_frames_on_a_valid_session_end_it_for_a_reason_that_has_a_name() {
    under_load(|siege| {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (mut malformed, mut refused) = (0, 0);
        for round in 0..80 {
            let session = siege.service.join(7);
            for _ in 0..20 {
                let bytes = if round % 2 == 0 { noise(&mut random) } else { mutant(&mut random) };
                siege.service.client.send_raw(session, bytes);
            }
            // Whatever those were, the last one parses as nothing.
            siege.service.client.send_raw(session, Bytes::from_static(&[0, 0, 0, 0]));
            let code = siege.close_code(session);
            match Refusal::from_code(code) {
                Some(Refusal::MalformedFrame | Refusal::FrameTooLarge) => malformed += 1,
                Some(Refusal::AlreadyAuthenticated | Refusal::NotOperator) => refused += 1,
                _ => panic!("round {round}: closed with {code}"),
            }
        }
        assert!(malformed > 0 && refused > 0, "{malformed} and {refused}");
        siege.counted(Counter::MalformedFrames, malformed);
        siege.counted(Counter::RefusedSessions, refused);
    });
}

/// A frame of a random type, or of none, with random fields; now and then with a huge length.
fn noise(random: &mut ChaCha8Rng) -> Bytes {
    let mut fields = vec![0; random.random_range(0..400)];
    random.fill_bytes(&mut fields);
    match random.random_range(0..4) {
        0 => frame(random.random(), &fields),
        1 => Bytes::from([&[0xff], &fields[..]].concat()),
        _ => frame(random.random_range(1..8), &fields),
    }
}

/// A valid frame with up to three of its bytes changed, its length as it was.
fn mutant(random: &mut ChaCha8Rng) -> Bytes {
    let (group, request) = (group(random.random_range(1..4)), message_id(random.random()));
    let (id, change) = (request, RosterChange::default());
    let requests = [
        Request::plain_group(request, group, Epoch(0), vec![device(7)]),
        Request::Submit { id, change, enclosed: Enclosed::default(), body: small(&group, 0) },
        Request::Attach { group, after: Seq(random.random()) },
        Request::Detach { group },
        Request::Stats { request },
        Request::Delete { request, group },
    ];
    let weights = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5];
    let mut bytes = encoded(&requests[weights[random.random_range(0..weights.len())]]).to_vec();
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(4..bytes.len());
        bytes[at] = random.random();
    }
    Bytes::from(bytes)
}
