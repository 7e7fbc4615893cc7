//! Level `header` takes what a true member sends and refuses what contradicts its header.

use openmls::prelude::{KeyPackage, LeafNodeIndex, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY};
use proptest::prelude::*;

use super::bed::{Bed, Client, Commit, Made, device};
use crate::delivery::{Check, DeviceId, Epoch, GroupId, Kind, Level, RosterChange};
use crate::validation::{Everybody, Founding, Leaves, State, Submitted};

fn state(roster: &[DeviceId]) -> State {
    State::found(Level::Header, &founding(roster)).unwrap()
}

fn founding(roster: &[DeviceId]) -> Founding<'_> {
    let group = GroupId::new(&[7]).unwrap();
    Founding { group, epoch: Epoch(5), roster, group_info: None, tree: None }
}

fn check(state: &State, submitted: Submitted<'_>) -> Result<(), Check> {
    state.check(submitted, &Everybody, 0).map(|_| ())
}

fn change(added: &[u8], removed: &[u8]) -> RosterChange {
    let devices = |numbers: &[u8]| numbers.iter().copied().map(device).collect();
    RosterChange { added: devices(added), removed: devices(removed) }
}

fn handshake(kind: Kind, body: &[u8]) -> Submitted<'_> {
    let declared = RosterChange::default();
    Submitted { sender: device(0), kind, body, declared, welcome: None, group_info: None }
}

/// A PublicMessage with this sender and content, up to where nobody reads at this level.
fn public(sender: &[u8], content: &[u8]) -> Vec<u8> {
    [&[0, 1, 0, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0, 5][..], sender, &[0], content].concat()
}

const MEMBER_0: [u8; 5] = [1, 0, 0, 0, 0];
const EXTERNAL: [u8; 5] = [2, 0, 0, 0, 0];
const REMOVE_1: [u8; 7] = [2, 0, 3, 0, 0, 0, 1];
const SELF_REMOVE: [u8; 3] = [2, 0, 10];

#[test]
fn a_member_commits_for_its_own_leaf_only() {
    let mut bed = Bed::new(3);
    let made = bed.commit(1, Commit::default());
    let state = state(&bed.roster());
    assert_eq!(check(&state, made.submitted()), Ok(()));
    for sender in [0, 2, 9] {
        let forged = Made { sender: device(sender), ..made.clone() };
        assert_eq!(check(&state, forged.submitted()), Err(Check::SenderLeaf));
    }
}

#[test]
fn a_private_handshake_is_refused_and_a_private_application_message_is_not() {
    let mut bed = Bed::with(2, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
    let roster = bed.roster();
    let made = bed.commit(0, Commit::default());
    assert_eq!(check(&state(&roster), made.submitted()), Err(Check::WireFormat));
    let application = Submitted { kind: Kind::Application, ..made.submitted() };
    assert_eq!(check(&state(&roster), application), Ok(()));
    let opaque = State::found(Level::Opaque, &founding(&roster)).unwrap();
    assert_eq!(check(&opaque, made.submitted()), Ok(()));
}

#[test]
fn senders_that_are_no_members_send_only_what_they_may() {
    let state = state(&[device(0), device(1)]);
    let of = |kind, sender: &[u8], content: &[u8], expected| {
        let body = public(sender, content);
        assert_eq!(check(&state, handshake(kind, &body)), expected, "{body:?}");
    };
    of(Kind::Proposal, &EXTERNAL, &REMOVE_1, Ok(()));
    of(Kind::Proposal, &EXTERNAL, &SELF_REMOVE, Err(Check::SenderContent));
    of(Kind::Proposal, &[3], &REMOVE_1, Err(Check::SenderContent));
    of(Kind::Commit, &[3], &[3, 0, 0], Err(Check::SenderContent));
    of(Kind::Commit, &EXTERNAL, &[3, 0, 0], Err(Check::SenderContent));
    of(Kind::Proposal, &[4], &REMOVE_1, Err(Check::SenderContent));
    of(Kind::Proposal, &MEMBER_0, &SELF_REMOVE, Ok(()));
    of(Kind::Proposal, &MEMBER_0, &[2, 0, 1, 0], Err(Check::WireFormat));
    of(Kind::Commit, &MEMBER_0, &[3, 2, 9, 9, 0], Err(Check::WireFormat));
    of(Kind::Application, &MEMBER_0, &[1, 0], Ok(()));
}

#[test]
fn a_declared_change_is_what_lies_open_in_the_commit() {
    let mut bed = Bed::new(4);
    let adds = [5, 6].map(|number| Client::new(number).package()).to_vec();
    let made = bed.commit(0, Commit { adds, removes: vec![1, 3], ..Commit::default() });
    let state = state(&bed.roster());
    assert_eq!(check(&state, made.submitted()), Ok(()));
    let in_any_order = Made { change: change(&[5, 6], &[3, 1]), ..made.clone() };
    assert_eq!(check(&state, in_any_order.submitted()), Ok(()));
    let of = |change: RosterChange| {
        let lied = Made { change, ..made.clone() };
        assert_eq!(check(&state, lied.submitted()), Err(Check::ProposalList), "{lied:?}");
    };
    of(change(&[], &[]));
    of(change(&[5, 6], &[]));
    of(change(&[5, 6], &[1]));
    of(change(&[5, 6], &[1, 2]));
    of(change(&[5, 6], &[1, 2, 3]));
    of(change(&[5], &[1, 3]));
    of(change(&[5, 5], &[1, 3]));
    of(change(&[5, 2], &[1, 3]));
}

#[test]
fn only_a_commit_declares_a_change() {
    let state = state(&[device(0), device(1)]);
    let body = public(&MEMBER_0, &REMOVE_1);
    for kind in [Kind::Proposal, Kind::Application] {
        let submitted = Submitted { declared: change(&[], &[1]), ..handshake(kind, &body) };
        assert_eq!(check(&state, submitted), Err(Check::ProposalList));
    }
}

#[test]
fn what_is_referred_to_may_be_declared_beside_what_lies_open() {
    let state = state(&[device(0), device(1)]);
    let by_reference = public(&MEMBER_0, &[3, 3, 2, 1, 9, 0]);
    for (declared, expected) in [
        (change(&[5], &[1]), Ok(())),
        (change(&[], &[]), Ok(())),
        (change(&[1], &[]), Err(Check::ProposalList)),
        (change(&[], &[0]), Err(Check::ProposalList)),
    ] {
        let submitted = Submitted { declared, ..handshake(Kind::Commit, &by_reference) };
        assert_eq!(check(&state, submitted), expected);
    }
}

#[test]
fn an_external_commit_adds_its_submitter_and_removes_nobody_else() {
    let external_init = [1, 0, 6, 1, 9];
    let remove_1 = [1, 0, 3, 0, 0, 0, 1];
    let state = state(&[device(0), device(1), device(2)]);
    let of = |sender: u8, list: &[&[u8]], declared: RosterChange, expected| {
        let list = list.concat();
        let length = [3, u8::try_from(list.len()).unwrap()];
        let body = public(&[4], &[&length, &list[..], &[0]].concat());
        let submitted = handshake(Kind::Commit, &body);
        let submitted = Submitted { sender: device(sender), declared, ..submitted };
        assert_eq!(check(&state, submitted), expected, "{list:?}");
    };
    let refused = Err(Check::ExternalCommit);
    of(7, &[&external_init], change(&[7], &[]), Ok(()));
    of(1, &[&external_init, &remove_1], change(&[1], &[1]), Ok(()));
    of(7, &[&external_init], change(&[], &[]), refused);
    of(7, &[&external_init], change(&[8], &[]), refused);
    of(7, &[], change(&[7], &[]), refused);
    of(1, &[&external_init], change(&[1], &[]), refused);
    of(1, &[&external_init], change(&[1], &[1]), refused);
    of(7, &[&external_init, &remove_1], change(&[7], &[1]), refused);
    of(1, &[&external_init, &remove_1, &remove_1], change(&[1], &[1]), refused);
}

/// Removes and adds of a real group, one commit after the other.
fn operations() -> impl Strategy<Value = Vec<(Vec<u8>, u8)>> {
    let removes = prop::collection::vec(1_u8..12, 0..3);
    prop::collection::vec((removes, 0_u8..3), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn leaves_follow_a_real_group(operations in operations()) {
        let mut bed = Bed::new(4);
        let mut state = state(&bed.roster());
        let mut next = 20;
        for (removes, adds) in operations {
            let group = bed.clients[0].group.as_ref().unwrap();
            let mut removes: Vec<u32> = removes.into_iter().map(u32::from).collect();
            removes.sort_unstable();
            removes.dedup();
            removes.retain(|leaf| group.member(LeafNodeIndex::new(*leaf)).is_some());
            let adds: Vec<KeyPackage> = (0..adds).map(|_| {
                next += 1;
                Client::new(next).package()
            }).collect();
            let made = bed.commit(0, Commit { adds, removes, ..Commit::default() });
            let checked = state.check(made.submitted(), &Everybody, 0).unwrap();
            state.accept(checked);
            let (group, provider, _) = bed.clients[0].group();
            group.merge_pending_commit(provider).unwrap();
            let State::Header(leaves) = &state else { unreachable!() };
            prop_assert_eq!(leaves.len(), group.members().count());
            for member in group.members() {
                let name: [u8; 16] = member.credential.serialized_content().try_into().unwrap();
                prop_assert_eq!(leaves.of(DeviceId(name)), Some(member.index.u32()));
            }
        }
    }

    #[test]
    fn arbitrary_content_never_panics(
        sender in 0_u8..6,
        kind in 0_u8..5,
        content in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let state = state(&[device(0), device(1)]);
        let sender = [&[sender][..], &[0, 0, 0, 1][..if sender < 3 { 4 } else { 0 }]].concat();
        let body = public(&sender, &[&[kind], &content[..]].concat());
        for kind in [Kind::Commit, Kind::Proposal] {
            let declared = change(&[5], &[1]);
            let refused = check(&state, Submitted { declared, ..handshake(kind, &body) });
            prop_assert!(refused.is_ok() || refused.is_err_and(|check| check.number() <= 9));
        }
    }
}

#[test]
fn what_is_kept_grows_with_the_group_alone() {
    let devices: Vec<_> = (0..1_000_u128).map(|n| DeviceId(n.to_be_bytes())).collect();
    let leaves = Leaves::founded_by(&devices).unwrap();
    assert!(leaves.bytes() < 1_000 * 48 + 256, "{}", leaves.bytes());
}
