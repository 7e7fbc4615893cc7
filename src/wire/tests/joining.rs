//! The frames about joining.

use super::*;
use crate::delivery::joining::Reference;

fn some_body() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 1..200).prop_map(Bytes::from)
}

fn reference() -> impl Strategy<Value = Reference> {
    vec(any::<u8>(), 1..=64).prop_map(|bytes| Reference::new(&bytes).unwrap())
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (id(), any::<bool>(), vec(some_body(), 0..5)).prop_map(
            |(request, last_resort, packages)| Request::Publish { request, last_resort, packages }
        ),
        (id(), device(), any::<u16>()).prop_map(|(request, device, suite)| Request::Claim {
            request,
            device,
            suite
        }),
        (id(), group()).prop_map(|(request, group)| Request::Fetch { request, group }),
        Just(Request::Collect),
        any::<u64>().prop_map(|number| Request::Collected { number }),
    ]
}

pub(super) fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (id(), any::<u32>()).prop_map(|(request, left)| Reply::Published { request, left }),
        (id(), any::<bool>(), some_body()).prop_map(|(request, last_resort, body)| {
            Reply::KeyPackage { request, last_resort, body }
        }),
        (id(), epoch(), some_body(), blob()).prop_map(|(request, epoch, group_info, tree)| {
            Reply::GroupInfo { request, epoch, group_info, tree }
        }),
    ]
}

pub(super) fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        (any::<u64>(), reference(), some_body()).prop_map(|(number, reference, body)| {
            Delivery::Welcome { number, reference, body }
        }),
        (any::<u16>(), any::<u32>())
            .prop_map(|(suite, left)| Delivery::LowKeyPackages { suite, left }),
    ]
}

#[test]
fn a_publication_is_refused_before_anything_is_allocated_for_it() {
    let publish = |count: u16, packages: usize| {
        let package = [0, 0, 0, 1, 7];
        let head = [&[10][..], &[0; 16], &[0], &count.to_be_bytes()].concat();
        let frame = Bytes::from([head, package.repeat(packages)].concat());
        Request::decode(frame).map(|_| ()).map_err(|error| error.what)
    };
    assert_eq!(publish(2, 2), Ok(()));
    assert_eq!(publish(513, 513), Err("more KeyPackages than one publication takes"));
    assert_eq!(publish(512, 3), Err("count is more than the frame holds"));
    let empty = Bytes::from([&[10][..], &[0; 17], &[0, 1], &[0; 4]].concat());
    let error = Request::decode(empty).unwrap_err();
    assert_eq!((error.offset, error.what), (20, "nothing where something has to be"));
}

#[test]
fn what_comes_with_a_message_is_a_commits_own_and_what_it_is_said_to_be() {
    let header = |kind: u8| {
        let rest = [0, 0, 0, 0, 0, 0, 0, 5, kind, 0, 0, 0];
        Bytes::from([&[0, 1, 0, 2, 1, 0xaa][..], &rest].concat())
    };
    let info = |group: u8, epoch: u8| {
        let bytes = [0, 1, 0, 4, 0, 1, 0, 1, 1, group, 0, 0, 0, 0, 0, 0, 0, epoch];
        Some(Bytes::copy_from_slice(&bytes))
    };
    let check = |kind, welcome: Option<&'static [u8]>, group_info, expected: Result<(), Reject>| {
        let enclosed = Enclosed { welcome: welcome.map(Bytes::from_static), group_info };
        let made = submission(MessageId([0; 16]), RosterChange::default(), enclosed, header(kind));
        assert_eq!(made.map(|_| ()), expected.map_err(Reason::Rejected));
    };
    let welcome: &[u8] = &[0, 1, 0, 3, 0, 1, 0, 0];
    check(3, Some(welcome), info(0xaa, 6), Ok(()));
    check(1, Some(welcome), None, Err(Reject::NotSubmittable));
    check(2, None, info(0xaa, 6), Err(Reject::NotSubmittable));
    check(3, None, info(0xaa, 5), Err(Reject::Invalid { check: 15 }));
    check(3, None, info(0xbb, 6), Err(Reject::Invalid { check: 15 }));
    check(3, None, Some(Bytes::from_static(welcome)), Err(Reject::Invalid { check: 15 }));
    check(3, Some(b"\0\x01\0\x03"), None, Err(Reject::Invalid { check: 16 }));
}
