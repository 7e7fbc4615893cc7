//! Bytes that are no frame, or a frame that is too large, on a session that has authenticated.

use super::*;
use crate::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};

/// An authenticated session that sends `bytes` loses its connection for `why`, and is counted.
fn check(siege: &mut Siege, bytes: &[u8], why: Refusal) {
    let before = siege.counters().get(Counter::MalformedFrames);
    let session = siege.service.join(7);
    siege.service.client.send_raw(session, Bytes::copy_from_slice(bytes));
    siege.refused(session, why);
    siege.counted(Counter::MalformedFrames, before + 1);
}

#[test]
fn a_frame_that_does_not_parse_ends_its_connection_and_is_counted() {
    under_load(|siege| {
        let stats = encoded(&Request::Stats { request: message_id(1) });
        let attach = encoded(&Request::Attach { group: group(1), after: Seq(0) });
        let trailing = frame(6, &[&stats[5..], &[0]].concat());
        let truncated = frame(4, &attach[5..attach.len() - 1]);
        let unnamed_group = frame(5, &[0]);
        let long_group = frame(5, &[65; 66]);
        let more_devices_than_bytes = frame(2, &[&[1; 24][..], &[1, 9], &[0, 1, 0, 0]].concat());
        let more_devices_than_a_roster = frame(3, &[&[1; 16][..], &[0xff; 4], &[0; 40]].concat());
        let reply = frame(68, &[0; 32]);
        for bytes in [
            &frame(99, b"?"),
            &frame(0, b""),
            &trailing,
            &truncated,
            &unnamed_group,
            &long_group,
            &more_devices_than_bytes,
            &more_devices_than_a_roster,
            &reply,
            &Bytes::from_static(&[0, 0, 0, 0]),
        ] {
            check(siege, bytes, Refusal::MalformedFrame);
        }
    });
}

#[test]
fn what_follows_a_malformed_frame_is_never_acted_on() {
    under_load(|siege| {
        let session = siege.service.join(7);
        let create = Request::plain_group(message_id(1), group(9), Epoch(0), vec![device(7)]);
        siege.service.client.send_raw(session, [frame(99, b"?"), encoded(&create)].concat().into());
        siege.refused(session, Refusal::MalformedFrame);
        siege.counted(Counter::Groups, 1);
    });
}

#[test]
fn a_length_over_the_bound_ends_the_connection_before_its_bytes_come() {
    under_load(|siege| {
        for length in [u32::try_from(FRAME_BYTES_MAX).unwrap() + 1, u32::MAX] {
            check(siege, &length.to_be_bytes(), Refusal::FrameTooLarge);
        }
    });
}

#[test]
fn a_claimed_length_costs_no_memory_until_its_bytes_come() {
    under_load(|siege| {
        let before = siege.counters().get(Counter::RssBytes);
        let length = u32::try_from(FRAME_BYTES_MAX).unwrap().to_be_bytes();
        let connection = siege.service.client.connect(clock::now(), siege.service.addresses[1]);
        let connection = connection.unwrap();
        for number in 100..164 {
            let token = siege.service.key.token(device(number));
            let session = siege.service.client.open(connection, device(number), token);
            siege.service.reply(session, |reply| matches!(reply, Reply::Ready { .. }));
            siege.service.client.send_raw(session, Bytes::copy_from_slice(&length));
            siege.service.client.send_raw(session, Bytes::from_static(&[3; 100]));
        }
        let probe =
            siege.service.client.open(connection, device(7), siege.service.key.token(device(7)));
        siege.service.reply(probe, |reply| matches!(reply, Reply::Ready { .. }));
        let after = siege.counters().get(Counter::RssBytes);
        let claimed = 64 * FRAME_BYTES_MAX as u64;
        assert!(after < before + claimed / 2, "{before} bytes became {after}");
    });
}

#[test]
fn a_message_over_its_bound_ends_its_connection() {
    under_load(|siege| {
        let fields = [&[1; 16][..], &[0; 8], &vec![0x5a; MESSAGE_BYTES_MAX + 1]].concat();
        check(siege, &frame(3, &fields), Refusal::MalformedFrame);
    });
}

#[test]
fn a_second_hello_ends_its_connection() {
    under_load(|siege| {
        let session = siege.service.join(7);
        let token = siege.service.key.token(device(7));
        let hello = Request::Hello { version: 1, device: device(7), token };
        siege.service.client.request(session, &hello);
        siege.refused(session, Refusal::AlreadyAuthenticated);
        siege.counted(Counter::RefusedSessions, 1);
    });
}

#[test]
fn a_connection_that_dies_within_a_frame_leaves_nothing_behind() {
    under_load(|siege| {
        let sessions = siege.counters().get(Counter::Sessions);
        let group = group(1);
        for _ in 0..20 {
            let session = siege.service.join(7);
            let frame = encoded(&Request::Attach { group, after: Seq(0) });
            siege.service.client.send_raw(session, frame.slice(..frame.len() / 2));
            siege.service.turn();
            siege.service.client.close(clock::now(), session);
        }
        let deadline = clock::now() + Duration::from_secs(20);
        while siege.counters().get(Counter::Sessions) != sessions {
            assert!(clock::now() < deadline, "sessions outlive their connections");
        }
        siege.counted(Counter::MalformedFrames, 0);
    });
}

#[test]
fn a_writer_that_trickles_its_frames_byte_by_byte_is_served_like_any_other() {
    under_load(|siege| {
        let session = siege.service.join(7);
        let group = group(1);
        siege.service.create(session, group, &[7]);
        siege.service.attach(session, group, 0);
        let body = small(&group, 0);
        let (id, change) = (message_id(5), RosterChange::default());
        let submit = encoded(&Request::Submit {
            id,
            change,
            enclosed: Enclosed::default(),
            body: body.clone(),
        });
        for byte in 0..submit.len() {
            siege.service.client.send_raw(session, submit.slice(byte..=byte));
            siege.service.turn();
        }
        siege.service.reply(session, |reply| matches!(reply, Reply::Accepted { seq: Seq(1), .. }));
        assert!(siege.service.deliveries(session, 1) == [(1, id, body)]);
    });
}
