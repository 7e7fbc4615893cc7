//! Frames as a whole: what is encoded is decoded, what is damaged is refused.

mod joining;

use bytes::{Buf, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::delivery::DeviceId;
use crate::delivery::Durability;
use crate::delivery::Enclosed;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Kind;
use crate::delivery::Level;
use crate::delivery::MessageId;
use crate::delivery::Reject;
use crate::delivery::RosterChange;
use crate::delivery::Seq;
use crate::limits::FRAME_BYTES_MAX;
use crate::limits::FRAME_BYTES_UNAUTHENTICATED_MAX;
use crate::limits::GROUP_ID_BYTES_MAX;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::limits::ROSTER_MAX;

fn group() -> impl Strategy<Value = GroupId> {
    vec(any::<u8>(), 1..=GROUP_ID_BYTES_MAX).prop_map(|bytes| GroupId::new(&bytes).unwrap())
}

fn device() -> impl Strategy<Value = DeviceId> {
    any::<[u8; 16]>().prop_map(DeviceId)
}

fn id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId)
}

fn seq() -> impl Strategy<Value = Seq> {
    any::<u64>().prop_map(Seq)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u64>().prop_map(Epoch)
}

fn body() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn change() -> impl Strategy<Value = RosterChange> {
    (vec(device(), 0..5), vec(device(), 0..5))
        .prop_map(|(added, removed)| RosterChange { added, removed })
}

fn blob() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(vec(any::<u8>(), 1..200).prop_map(Bytes::from))
}

fn enclosed() -> impl Strategy<Value = Enclosed> {
    (blob(), blob()).prop_map(|(welcome, group_info)| Enclosed { welcome, group_info })
}

fn creation() -> impl Strategy<Value = Request> {
    let durability =
        prop::sample::select(vec![None, Some(Durability::None), Some(Durability::Wal)]);
    let level = prop::sample::select(vec![Level::Opaque, Level::Header, Level::Public]);
    let settings = (durability, level);
    (id(), epoch(), group(), settings, vec(device(), 0..9), blob(), blob()).prop_map(
        |(request, epoch, group, (durability, level), roster, group_info, tree)| Request::Create {
            request,
            epoch,
            group,
            durability,
            level,
            roster,
            group_info,
            tree,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (any::<u8>(), device(), any::<[u8; Token::BYTES]>()).prop_map(
            |(version, device, token)| {
                Request::Hello { version, device, token: Token::from_bytes(token) }
            }
        ),
        creation(),
        (id(), change(), enclosed(), body()).prop_map(|(id, change, enclosed, body)| {
            Request::Submit { id, change, enclosed, body }
        }),
        (group(), seq()).prop_map(|(group, seq)| Request::Acknowledge { group, seq }),
        (group(), seq()).prop_map(|(group, after)| Request::Attach { group, after }),
        group().prop_map(|group| Request::Detach { group }),
        id().prop_map(|request| Request::Stats { request }),
        (id(), group()).prop_map(|(request, group)| Request::Delete { request, group }),
        joining::request(),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    let simple = [
        Reject::UnknownGroup,
        Reject::GroupExists,
        Reject::NotMember,
        Reject::NotDurable,
        Reject::LevelUnavailable,
        Reject::NoKeyPackage,
        Reject::BadKeyPackage,
        Reject::TooManyKeyPackages,
        Reject::NoGroupInfo,
        Reject::Invalid { check: 16 },
        Reject::SlowDown { retry_ms: u32::MAX },
        Reject::IdTaken,
        Reject::BadRosterChange,
        Reject::RosterFull,
        Reject::TooManyProposals,
        Reject::TooManyGroups,
        Reject::NotSubmittable,
    ];
    prop_oneof![
        (epoch(), seq()).prop_map(|(current, winner)| {
            Reason::Rejected(Reject::WrongEpoch { current, winner })
        }),
        prop::sample::select(simple.to_vec()).prop_map(Reason::Rejected),
        any::<u32>().prop_map(|offset| Reason::Malformed { offset }),
        Just(Reason::Busy),
    ]
}

fn counters() -> impl Strategy<Value = Counters> {
    vec(any::<u64>(), Counter::COUNT).prop_map(|values| {
        let mut counters = Counters::default();
        Counter::ALL.iter().zip(values).for_each(|(counter, value)| counters.set(*counter, value));
        counters
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (any::<u8>(), any::<u16>(), vec(any::<u16>(), 0..9))
            .prop_map(|(version, shard, ports)| Reply::Ready { version, shard, ports }),
        prop::sample::select(Refusal::ALL).prop_map(|code| Reply::Refused { code }),
        id().prop_map(|request| Reply::Done { request }),
        (id(), seq(), epoch()).prop_map(|(id, seq, epoch)| Reply::Accepted { id, seq, epoch }),
        (id(), reason()).prop_map(|(id, reason)| Reply::Rejected { id, reason }),
        (group(), seq(), seq(), epoch(), any::<bool>()).prop_map(
            |(group, next, head, epoch, resync)| Reply::Attached {
                group,
                next,
                head,
                epoch,
                resync
            }
        ),
        (id(), counters())
            .prop_map(|(request, counters)| Reply::Stats { request, counters: Box::new(counters) }),
        (group(), reason()).prop_map(|(group, reason)| Reply::AttachRefused { group, reason }),
        joining::reply(),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        device().prop_map(|device| Delivery::For { device }),
        (seq(), id(), body()).prop_map(|(seq, id, body)| Delivery::Deliver { seq, id, body }),
        (group(), seq(), epoch()).prop_map(|(group, next, epoch)| Delivery::Resync {
            group,
            next,
            epoch
        }),
        joining::delivery(),
    ]
}

/// The one frame in `bytes`, as an inbox yields it.
fn unframed(bytes: BytesMut) -> Bytes {
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(bytes.freeze());
    let frame = inbox.next_frame().unwrap().expect("a whole frame");
    assert_eq!(inbox.buffered_bytes(), 0);
    frame
}

fn request_frame(request: &Request) -> Bytes {
    let mut out = BytesMut::new();
    request.encode(&mut out);
    unframed(out)
}

fn reply_frame(reply: &Reply) -> Bytes {
    let mut out = BytesMut::new();
    reply.encode(&mut out);
    unframed(out)
}

fn delivery_frame(delivery: &Delivery) -> Bytes {
    let mut out = BytesMut::new();
    delivery.encode(&mut out);
    unframed(out)
}

/// Cuts `frame` everywhere before its last `body` bytes and asks `refused` about each piece.
fn every_truncation(frame: &Bytes, body: usize, refused: impl Fn(Bytes) -> bool) {
    for length in 0..frame.len() - body {
        assert!(refused(frame.slice(..length)), "{length} of {frame:02x?}");
    }
}

proptest! {
    // A failure prints its case; it leaves no file in the repository.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_survives_the_wire(request in request()) {
        prop_assert_eq!(Request::decode(request_frame(&request)), Ok(request));
    }

    #[test]
    fn every_reply_survives_the_wire(reply in reply()) {
        prop_assert_eq!(Reply::decode(reply_frame(&reply)), Ok(reply));
    }

    #[test]
    fn every_delivery_survives_the_wire(delivery in delivery()) {
        prop_assert_eq!(Delivery::decode(delivery_frame(&delivery)), Ok(delivery));
    }

    #[test]
    fn a_truncated_frame_is_malformed(
        request in request(), reply in reply(), delivery in delivery(),
    ) {
        let body = if let Request::Submit { body, .. } = &request { body.len() } else { 0 };
        every_truncation(&request_frame(&request), body, |cut| Request::decode(cut).is_err());
        every_truncation(&reply_frame(&reply), 0, |cut| Reply::decode(cut).is_err());
        let body = if let Delivery::Deliver { body, .. } = &delivery { body.len() } else { 0 };
        every_truncation(&delivery_frame(&delivery), body, |cut| Delivery::decode(cut).is_err());
    }

    #[test]
    fn a_frame_with_more_than_its_fields_is_malformed(request in request(), reply in reply()) {
        let longer = |frame: Bytes| Bytes::from([&frame[..], &[0]].concat());
        if !matches!(request, Request::Submit { .. }) {
            prop_assert!(Request::decode(longer(request_frame(&request))).is_err());
        }
        prop_assert!(Reply::decode(longer(reply_frame(&reply))).is_err());
    }

    #[test]
    fn random_bytes_never_panic(code in any::<u8>(), rest in vec(any::<u8>(), 0..400)) {
        let frame = Bytes::from([&[code][..], &rest].concat());
        for code in (1..=14).chain(65..=75).chain(128..=132) {
            let frame = Bytes::from([&[code][..], &rest].concat());
            drop((Request::decode(frame.clone()), Reply::decode(frame.clone())));
            drop(Delivery::decode(frame));
        }
        prop_assert!(Request::decode(frame.clone()).is_err() || (1..=14).contains(&code));
        prop_assert!(peek(&frame).is_ok() || peek_group(&frame).is_err());
    }

    #[test]
    fn random_headers_never_panic_the_peek(format in 0..7_u8, rest in vec(any::<u8>(), 0..200)) {
        let message = [&[0, 1, 0, format][..], &rest].concat();
        let seen = peek(&message);
        prop_assert_eq!(peek_group(&message).is_ok(), seen.is_ok() && format <= 2);
        let submitted = submission(
            MessageId([0; 16]),
            RosterChange::default(),
            Enclosed::default(),
            Bytes::from(message.clone()),
        );
        prop_assert!(submitted.is_err() || seen.is_ok());
        if let Ok(header) = peek_group(&message) {
            prop_assert_eq!(group_bytes(&message), Some(header.group.as_bytes()));
        }
    }

    #[test]
    fn an_inbox_yields_the_same_frames_however_the_stream_is_cut(
        frames in vec(vec(any::<u8>(), 1..90), 0..12),
        cuts in vec(1..70_usize, 1..60),
        drains in vec(any::<bool>(), 60),
    ) {
        let mut stream = BytesMut::new();
        for frame in &frames {
            stream.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
            stream.extend_from_slice(frame);
        }
        let mut stream = stream.freeze();
        let mut inbox = Inbox::new(90);
        let mut seen = Vec::new();
        for (cut, drain) in cuts.iter().cycle().zip(drains.iter().cycle()) {
            if stream.is_empty() {
                break;
            }
            inbox.push(stream.split_to((*cut).min(stream.len())));
            while *drain && let Some(frame) = inbox.next_frame().unwrap() {
                seen.push(frame.to_vec());
            }
        }
        while let Some(frame) = inbox.next_frame().unwrap() {
            seen.push(frame.to_vec());
        }
        prop_assert_eq!(seen, frames);
        prop_assert_eq!(inbox.buffered_bytes(), 0);
    }
}

#[test]
fn the_layout_of_a_frame_is_the_documented_one() {
    let mut out = BytesMut::new();
    let change = RosterChange { added: vec![DeviceId([0xaa; 16])], removed: vec![] };
    let (enclosed, body) = (Enclosed::default(), Bytes::from_static(b"mls"));
    Request::Submit { id: MessageId([0xbb; 16]), change, enclosed, body }.encode(&mut out);
    let id = [0xbb; 16];
    let added = [0xaa; 16];
    let expected = [&[0, 0, 0, 44, 3][..], &id, &[0, 0, 0, 1], &added, &[0, 0, 0, 0], b"mls"];
    assert_eq!(out, expected.concat());

    let mut out = BytesMut::new();
    let reject = Reject::WrongEpoch { current: Epoch(258), winner: Seq(3) };
    Reply::Rejected { id: MessageId([0xbb; 16]), reason: Reason::Rejected(reject) }
        .encode(&mut out);
    let numbers = [1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3];
    assert_eq!(out, [&[0, 0, 0, 34, 69][..], &id, &numbers].concat());
}

#[test]
fn a_submission_in_two_chunks_is_the_submission_in_one() {
    let change = RosterChange { added: vec![DeviceId([1; 16])], removed: vec![DeviceId([2; 16])] };
    let (id, body) = (MessageId([3; 16]), Bytes::from(vec![4; 1000]));
    let mut whole = BytesMut::new();
    let enclosed = Enclosed::default();
    let submit = Request::Submit { id, change: change.clone(), enclosed, body: body.clone() };
    submit.encode(&mut whole);
    assert_eq!(whole, [&submit_header(id, &change, body.len())[..], &body].concat());
}

#[test]
fn a_delivery_encoded_for_many_is_the_delivery_encoded_for_one() {
    let (seq, id, body) = (Seq(9), MessageId([3; 16]), Bytes::from(vec![4; 1000]));
    let mut one = BytesMut::new();
    Delivery::Deliver { seq, id, body: body.clone() }.encode(&mut one);
    assert_eq!(deliver(seq, id, &body), one);
}

#[test]
fn a_body_is_a_slice_of_its_frame() {
    let whole = deliver(Seq(1), MessageId([0; 16]), &Bytes::from(vec![4; 1000]));
    let range = whole.as_ptr_range();
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    inbox.push(whole);
    let frame = inbox.next_frame().unwrap().unwrap();
    let Ok(Delivery::Deliver { body, .. }) = Delivery::decode(frame) else {
        panic!("a delivery");
    };
    assert!(range.contains(&body.as_ptr()), "copied");
}

#[test]
fn the_largest_hello_fits_the_bound_of_a_stranger() {
    let (device, token) = (DeviceId([255; 16]), Token::from_bytes([255; Token::BYTES]));
    let frame = request_frame(&Request::Hello { version: 255, device, token });
    assert_eq!(frame.len(), 1 + 1 + 16 + 41);
    assert!(frame.len() < FRAME_BYTES_UNAUTHENTICATED_MAX);
}

#[test]
fn the_largest_submission_fits_a_frame() {
    let added = vec![DeviceId([1; 16]); ROSTER_MAX];
    let change = RosterChange { added, removed: vec![] };
    let mut header = submit_header(MessageId([0; 16]), &change, MESSAGE_BYTES_MAX);
    let length = usize::try_from(header.get_u32()).unwrap();
    assert!(length <= FRAME_BYTES_MAX);
    assert_eq!(length, header.len() + MESSAGE_BYTES_MAX);
}

#[test]
fn a_count_is_refused_before_anything_is_allocated_for_it() {
    let submit = |added: u32, removed: u32, devices: usize| {
        let bytes = [
            &[3][..],
            &[0; 16],
            &added.to_be_bytes(),
            &vec![0; 16 * devices],
            &removed.to_be_bytes(),
            b"body",
        ];
        Request::decode(Bytes::from(bytes.concat())).map_err(|error| error.what)
    };
    let many = u32::try_from(ROSTER_MAX).unwrap();
    assert_eq!(submit(u32::MAX, 0, 0), Err("more devices than a roster takes"));
    assert_eq!(submit(many, 0, 3), Err("count is more than the frame holds"));
    assert_eq!(submit(1, many, 1), Err("more devices than a roster takes"));
    assert_eq!(submit(1, many - 1, 1), Err("count is more than the frame holds"));
    assert!(submit(1, 0, 1).is_ok());
}

#[test]
fn a_message_over_its_bound_is_refused_even_if_its_frame_fits() {
    let frame = |body: usize| Bytes::from([&[129][..], &vec![0; 24 + body]].concat());
    assert!(Delivery::decode(frame(MESSAGE_BYTES_MAX)).is_ok());
    let over = Malformed { offset: 25, what: "message is over its bound" };
    assert_eq!(Delivery::decode(frame(MESSAGE_BYTES_MAX + 1)), Err(over));
}

#[test]
fn a_stats_reply_of_another_version_is_still_read() {
    let stats = |values: &[u64]| {
        let count = u16::try_from(values.len()).unwrap().to_be_bytes();
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        match Reply::decode(Bytes::from([&[71][..], &[7; 16], &count, &values].concat())) {
            Ok(Reply::Stats { counters, .. }) => counters,
            other => panic!("{other:?}"),
        }
    };
    let shorter = stats(&[5, 6]);
    assert_eq!(shorter.get(Counter::CpuUserUs), 6);
    assert_eq!(shorter.get(Counter::SocketBufferBytes), 0);
    let longer = stats(&[8; Counter::COUNT + 3]);
    assert!(longer.iter().all(|(_, value)| value == 8));
}

#[test]
fn counters_stand_in_the_order_of_the_stats_reply() {
    for (index, counter) in Counter::ALL.iter().enumerate() {
        assert_eq!(counter.index(), index, "{}", counter.name());
    }
    assert_eq!(Counter::ALL.len(), Counter::COUNT);
    assert_eq!(Counter::UptimeUs.index(), 0);
    // The list only grows, at its end.
    assert_eq!(Counter::SocketBufferBytes.index(), 26);
    assert_eq!(Counter::LowKeyPackages.index(), 33);
    assert_eq!(Counter::HandshakesExpired.index(), 36);
    assert_eq!(Counter::ReceiveDrops.index(), 37);
}

#[test]
fn refusal_codes_are_those_documented() {
    let codes: Vec<u8> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes, (1..=11).collect::<Vec<u8>>());
    assert_eq!(Refusal::from_code(8), Some(Refusal::TooSlow));
    assert_eq!(Refusal::from_code(0), None);
    assert_eq!(Refusal::from_code(256 + 8), None);
}

#[test]
fn a_reason_with_an_unused_number_is_malformed() {
    let rejected = |code: u8, first: u64, second: u64| {
        let fields = [&[69][..], &[0; 16], &[code], &first.to_be_bytes(), &second.to_be_bytes()];
        Reply::decode(Bytes::from(fields.concat())).is_ok()
    };
    assert!(rejected(1, 1, 1) && rejected(2, 0, 0) && rejected(64, 1, 0) && rejected(65, 0, 0));
    assert!(!rejected(2, 1, 0) && !rejected(10, 0, 1) && !rejected(65, 1, 0));
    assert!(!rejected(64, 1 << 32, 0) && !rejected(64, 0, 1));
    assert!(!rejected(0, 0, 0) && !rejected(19, 0, 0));
}

#[test]
fn a_token_is_compared_whole_and_never_printed() {
    let token = Token::from_bytes([7; Token::BYTES]);
    assert_eq!(format!("{token:?}"), "Token(..)");
    assert_eq!(token, Token::from_bytes(token.to_bytes()));
    for place in 0..Token::BYTES {
        let mut other = token.to_bytes();
        other[place] ^= 1;
        assert_ne!(token, Token::from_bytes(other));
    }
}

#[test]
fn only_what_a_member_or_a_joiner_may_send_to_a_group_is_submittable() {
    let submit = |body: &[u8]| {
        let body = Bytes::copy_from_slice(body);
        submission(MessageId([1; 16]), RosterChange::default(), Enclosed::default(), body)
            .map(|made| (made.kind, made.joins))
    };
    let start = [1, 0xaa, 0, 0, 0, 0, 0, 0, 0, 5];
    let of = |format: u8, rest: &[u8]| [&[0, 1, 0, format][..], &start, rest].concat();
    assert_eq!(submit(&of(1, &[1, 0, 0, 0, 2, 0, 3, 9])), Ok((Kind::Commit, false)));
    assert_eq!(submit(&of(2, &[1, 0, 0, 0])), Ok((Kind::Application, false)));
    let not_submittable = Err(Reason::Rejected(Reject::NotSubmittable));
    assert_eq!(submit(&of(1, &[2, 0, 0, 0, 0, 0, 2, 9])), not_submittable);
    assert_eq!(submit(&of(1, &[3, 0, 2, 9])), not_submittable);
    assert_eq!(submit(&of(1, &[4, 0, 3, 9])), Ok((Kind::Commit, true)));
    assert_eq!(submit(&[0, 1, 0, 3]), not_submittable);
    assert_eq!(submit(&[0, 1, 0xf0, 0]), not_submittable);
    assert_eq!(submit(&[]), Err(Reason::Malformed { offset: 0 }));
    assert_eq!(submit(&[0, 2, 0, 1]), Err(Reason::Malformed { offset: 0 }));
    assert_eq!(submit(&of(2, &[1, 0, 0, 0, 9])), Err(Reason::Malformed { offset: 18 }));
}
