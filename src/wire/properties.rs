//! What holds of any bytes at all: each function fails an assertion if it does not.
//!
//! Built only for tests and for fuzzing, which call the same functions: `tests/corpus.rs` with the
//! committed corpus and with arbitrary bytes, `tests/fuzz` with what a fuzzer comes upon.

use bytes::{Bytes, BytesMut};

use super::{
    Delivery, Inbox, Peek, Reply, Request, TokenKey, TokenKeys, group_bytes, key_package, peek,
    peek_group, submission, welcome, welcome_of_one,
};
use crate::delivery::joining::Welcome;
use crate::limits::{FRAME_BYTES_UNAUTHENTICATED_MAX, MESSAGE_BYTES_MAX, ROSTER_MAX};

/// Bytes of a frame's length field.
const LENGTH_BYTES: usize = 4;

/// A request that is read is written as the same bytes, and is within its bounds; a submission in
/// it is refused or is of the group that its message names.
pub fn request(frame: &[u8]) {
    let Ok(request) = Request::decode(Bytes::copy_from_slice(frame)) else { return };
    let mut again = BytesMut::new();
    request.encode(&mut again);
    assert_eq!(&again[LENGTH_BYTES..], frame, "{request:?}");
    match request {
        Request::Create { roster, .. } => assert!(roster.len() <= ROSTER_MAX),
        Request::Submit { id, change, enclosed, body } => {
            assert!(change.added.len() + change.removed.len() <= ROSTER_MAX);
            let header = peek_group(&body);
            if let Ok(submission) = submission(id, change, enclosed, body) {
                assert!(submission.body.len() <= MESSAGE_BYTES_MAX);
                let header = header.expect("what is submitted has a header");
                assert_eq!((header.group, header.epoch), (submission.group, submission.epoch));
            }
        }
        _ => {}
    }
}

/// A reply that is read and written reads the same again. An older service's counters are fewer, so
/// the bytes may differ.
pub fn reply(frame: &[u8]) {
    let Ok(reply) = Reply::decode(Bytes::copy_from_slice(frame)) else { return };
    let mut again = BytesMut::new();
    reply.encode(&mut again);
    assert_eq!(Reply::decode(again.freeze().slice(LENGTH_BYTES..)), Ok(reply));
}

/// A delivery that is read is written as the same bytes.
pub fn delivery(frame: &[u8]) {
    let Ok(delivery) = Delivery::decode(Bytes::copy_from_slice(frame)) else { return };
    let mut again = BytesMut::new();
    delivery.encode(&mut again);
    assert_eq!(&again[LENGTH_BYTES..], frame, "{delivery:?}");
}

/// Every reader of an MLSMessage agrees with the others, and a message that is changed behind its
/// header is of the same group.
pub fn message(bytes: &[u8]) {
    joining(bytes);
    let (peeked, routed) = (peek(bytes), group_bytes(bytes));
    let Ok(header) = peek_group(bytes) else {
        assert!(!matches!(peeked, Ok(Peek::Public { .. } | Peek::Private { .. })), "{peeked:?}");
        return;
    };
    assert_eq!(routed, Some(header.group.as_bytes()));
    match peeked {
        Ok(Peek::Public { group, epoch, kind, .. } | Peek::Private { group, epoch, kind }) => {
            assert_eq!((group, epoch, kind), (header.group, header.epoch, header.kind));
        }
        other => panic!("{header:?}, but {other:?}"),
    }
}

/// A KeyPackage that is read is one. A Welcome that is taken apart is one, has all of it, and is one
/// still for each of its joiners.
fn joining(bytes: &[u8]) {
    if let Ok(package) = key_package(bytes) {
        assert_eq!(peek(bytes), Ok(Peek::KeyPackage { cipher_suite: package.suite }));
        assert_eq!(package.body, bytes);
    }
    let Ok(Welcome { suite, joiners, group_info }) = welcome(&Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let one = |secrets: &[u8]| welcome_of_one(suite, secrets, &group_info);
    let peeked = |recipients| Ok(Peek::Welcome { cipher_suite: suite, recipients });
    assert_eq!(peek(bytes), peeked(u32::try_from(joiners.len()).expect("they are bounded")));
    for joiner in &joiners {
        assert_eq!(peek(&one(&joiner.secrets)), peeked(1));
    }
    let all: Vec<u8> = joiners.iter().flat_map(|joiner| &joiner.secrets).copied().collect();
    assert_eq!(one(&all), bytes);
}

/// A stranger's stream yields the same frames however it is cut, holds no more than it was given,
/// and a hello in it is good only with the token of its device. The first byte says how to cut.
pub fn stream(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let chunk = usize::from(*cut) + 1;
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(frames(bytes, chunk), whole);
    let key = TokenKey::new(&[7; 32]);
    let keys = TokenKeys::from(key.clone());
    for frame in whole.0 {
        assert!(frame.len() <= FRAME_BYTES_UNAUTHENTICATED_MAX);
        if let Ok(Request::Hello { device, token, .. }) = Request::decode(frame) {
            let issued = key.issue(device, token.not_after) == token;
            assert_eq!(keys.verify(device, &token, 0).is_ok(), issued);
        }
    }
}

/// The whole frames of a stream that arrives in chunks, and whether it is broken after them.
fn frames(bytes: &[u8], chunk: usize) -> (Vec<Bytes>, bool) {
    let mut inbox = Inbox::new(FRAME_BYTES_UNAUTHENTICATED_MAX);
    let mut frames = Vec::new();
    for chunk in bytes.chunks(chunk) {
        inbox.push(Bytes::copy_from_slice(chunk));
        assert!(inbox.buffered_bytes() <= FRAME_BYTES_UNAUTHENTICATED_MAX + 4 + chunk.len());
        loop {
            match inbox.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// Frames of a request, a reply and a delivery of every kind, without their length fields.
#[cfg(test)]
pub(crate) fn examples(body: &Bytes) -> [(&'static str, Vec<Vec<u8>>); 3] {
    use super::{Reason, Refusal, Token};
    use crate::delivery::{
        DeviceId, Durability, Enclosed, Epoch, GroupId, Level, MessageId, Reject, RosterChange, Seq,
    };

    let (id, epoch, seq) = (MessageId([3; 16]), Epoch(4), Seq(5));
    let group = GroupId::new(&[6; 32]).expect("it is short");
    let device = DeviceId([8; 16]);
    let token = TokenKey::new(&[7; 32]).issue(device, 2_000_000_000);
    let change = RosterChange { added: vec![device; 2], removed: vec![DeviceId([9; 16])] };
    let (welcome, group_info) = (Some(body.clone()), Some(Bytes::from_static(b"info")));
    let found = Request::Create {
        request: id,
        epoch,
        group,
        durability: Some(Durability::Wal),
        level: Level::Public,
        roster: vec![device],
        group_info: group_info.clone(),
        tree: Some(Bytes::from_static(b"tree")),
    };
    let enclosed = Enclosed { welcome, group_info };
    let (joining_requests, joining_replies, joining_deliveries) = joining_examples(body);
    let mut requests = vec![
        Request::Hello { version: 1, device, token },
        Request::Hello { version: 2, device, token: Token::from_bytes([0; Token::BYTES]) },
        Request::plain_group(id, group, epoch, vec![device; 3]),
        found,
        Request::Submit { id, change, enclosed: Enclosed::default(), body: body.clone() },
        Request::Submit { id, change: RosterChange::default(), enclosed, body: body.clone() },
        Request::Acknowledge { group, seq },
        Request::Attach { group, after: seq },
        Request::Detach { group },
        Request::Stats { request: id },
        Request::Delete { request: id, group },
    ];
    let wrong_epoch = Reason::Rejected(Reject::WrongEpoch { current: epoch, winner: seq });
    let mut replies = vec![
        Reply::Ready { version: 1, shard: 1, ports: vec![4_433, 4_434] },
        Reply::Refused { code: Refusal::BadToken },
        Reply::Done { request: id },
        Reply::Accepted { id, seq, epoch },
        Reply::Rejected { id, reason: wrong_epoch },
        Reply::Rejected { id, reason: Reason::Malformed { offset: 7 } },
        Reply::Attached { group, next: seq, head: seq, epoch, resync: true },
        Reply::Stats { request: id, counters: Box::default() },
        Reply::AttachRefused { group, reason: Reason::Busy },
    ];
    let mut deliveries = vec![
        Delivery::For { device },
        Delivery::Deliver { seq, id, body: body.clone() },
        Delivery::Resync { group, next: seq, epoch },
    ];
    requests.extend(joining_requests);
    replies.extend(joining_replies);
    deliveries.extend(joining_deliveries);
    let frames = |encode: &dyn Fn(usize, &mut BytesMut), count: usize| {
        let frame = |at| {
            let mut out = BytesMut::new();
            encode(at, &mut out);
            out[LENGTH_BYTES..].to_vec()
        };
        (0..count).map(frame).collect()
    };
    [
        ("wire_request", frames(&|at, out| requests[at].encode(out), requests.len())),
        ("wire_reply", frames(&|at, out| replies[at].encode(out), replies.len())),
        ("wire_delivery", frames(&|at, out| deliveries[at].encode(out), deliveries.len())),
    ]
}

/// Those about joining.
#[cfg(test)]
fn joining_examples(body: &Bytes) -> ([Request; 5], [Reply; 3], [Delivery; 2]) {
    use crate::delivery::joining::Reference;
    use crate::delivery::{DeviceId, Epoch, GroupId, MessageId};

    let (request, epoch, suite) = (MessageId([3; 16]), Epoch(4), 1);
    let group = GroupId::new(&[6; 32]).expect("it is short");
    let (last_resort, packages) = (true, vec![body.clone(); 2]);
    let requests = [
        Request::Publish { request, last_resort, packages },
        Request::Claim { request, device: DeviceId([8; 16]), suite },
        Request::Fetch { request, group },
        Request::Collect,
        Request::Collected { number: 1 << 40 },
    ];
    let (group_info, tree) = (body.clone(), Some(body.clone()));
    let replies = [
        Reply::Published { request, left: 7 },
        Reply::KeyPackage { request, last_resort: false, body: body.clone() },
        Reply::GroupInfo { request, epoch, group_info, tree },
    ];
    let reference = Reference::new(&[10; 32]).expect("it is short");
    let deliveries = [
        Delivery::Welcome { number: 1 << 40, reference, body: body.clone() },
        Delivery::LowKeyPackages { suite, left: 0 },
    ];
    (requests, replies, deliveries)
}
