//! Level `public` takes everything that real members make, and follows it.

use openmls::prelude::{KeyPackage, LeafNodeIndex, LeafNodeParameters};
use proptest::prelude::*;

use super::bed::{Bed, Client, Commit, Made, device};
use super::forge::context;
use crate::delivery::{Check, Kind, RosterChange};
use crate::validation::{Everybody, State, Submitted};

/// OpenMLS reads the system's clock for lifetimes, so these are as new as the tests.
pub(super) fn now() -> u64 {
    let package = Client::new(0).package();
    package.life_time().not_before() + 3_601
}

pub(super) fn proposed(sender: u8, body: &[u8]) -> Submitted<'_> {
    Submitted {
        sender: device(sender),
        kind: Kind::Proposal,
        body,
        declared: RosterChange::default(),
        welcome: None,
        group_info: None,
    }
}

fn take(state: &mut State, submitted: Submitted<'_>) -> RosterChange {
    let checked = state.check(submitted, &Everybody, now()).unwrap();
    let change = checked.change.clone();
    state.accept(checked);
    change
}

/// What the service has is what the members have, also after it was saved and restored.
fn agree(state: &mut State, bed: &Bed, client: usize) {
    assert_eq!(state.tree().unwrap(), bed.tree(client));
    assert!(matches!(state, State::Public(observer) if observer.is_in_shape()));
    let saved = state.save();
    *state = State::restore(&saved).unwrap();
    assert_eq!(state.save(), saved);
    let State::Public(observer) = state else { unreachable!() };
    let group = bed.clients[client].group.as_ref().unwrap();
    assert_eq!(observer.context(), context(&bed.clients[client]));
    for member in group.members() {
        let name: [u8; 16] = member.credential.serialized_content().try_into().unwrap();
        let leaf = observer.leaf_of(crate::delivery::DeviceId(name));
        assert_eq!(leaf, Some(member.index.u32()));
    }
}

#[test]
fn commits_of_every_member_are_followed() {
    let mut bed = Bed::new(5);
    let mut state = bed.observed();
    for client in [0, 3, 1, 4, 2, 2] {
        let made = bed.commit(client, Commit::default());
        assert_eq!(take(&mut state, made.submitted()), RosterChange::default());
        bed.settle(client, &made);
        agree(&mut state, &bed, client);
    }
}

#[test]
fn proposals_by_reference_become_the_change_of_the_commit_to_them() {
    let mut bed = Bed::new(4);
    let mut state = bed.observed();
    let package = Client::new(9).package();
    let add = bed.propose(1, |group, provider, signer| {
        group.propose_add_member(provider, signer, &package).unwrap().0
    });
    let update = bed.propose(2, |group, provider, signer| {
        group.propose_self_update(provider, signer, LeafNodeParameters::default()).unwrap().0
    });
    let leave = bed.propose(3, |group, provider, signer| {
        group.leave_group_via_self_remove(provider, signer).unwrap()
    });
    for (sender, body) in [(1, &add), (2, &update), (3, &leave)] {
        assert!(take(&mut state, proposed(sender, body)).is_empty());
        state = State::restore(&state.save()).unwrap();
    }
    let mut made = bed.commit(0, Commit::default());
    made.change = RosterChange { added: vec![device(9)], removed: vec![device(3)] };
    let submitted = Submitted { declared: RosterChange::default(), ..made.submitted() };
    assert_eq!(take(&mut state, submitted), made.change);
    bed.settle(0, &made);
    agree(&mut state, &bed, 0);
}

#[test]
fn a_tree_grows_and_shrinks_by_halves() {
    let mut bed = Bed::new(4);
    let mut state = bed.observed();
    for adds in [vec![Client::new(9).package()], Vec::new()] {
        let removes = if adds.is_empty() { vec![4] } else { Vec::new() };
        let made = bed.commit(0, Commit { adds, removes, ..Commit::default() });
        take(&mut state, made.submitted());
        bed.settle(0, &made);
        agree(&mut state, &bed, 0);
    }
}

#[test]
fn an_external_commit_is_followed_and_a_member_may_come_back_by_one() {
    let mut bed = Bed::new(3);
    let mut state = bed.observed();
    let made = bed.external(3);
    assert_eq!(take(&mut state, made.submitted()), made.change);
    for client in 0..3 {
        bed.clients[client].hears(&made.body);
    }
    agree(&mut state, &bed, 0);
    agree(&mut state, &bed, 3);
    let made = bed.commit(3, Commit::default());
    take(&mut state, made.submitted());
    bed.settle(3, &made);
    agree(&mut state, &bed, 1);
}

/// Who of four commits, whom of the others it removes, how many it adds.
fn operations() -> impl Strategy<Value = Vec<(usize, Vec<u32>, u8)>> {
    let removes = prop::sample::subsequence(vec![1, 3, 4, 6, 8, 9, 10, 11], 0..4);
    prop::collection::vec((0_usize..4, removes, 0_u8..4), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_real_group_is_followed_wherever_it_goes(operations in operations()) {
        let mut bed = Bed::new(8);
        let mut state = bed.observed();
        let mut next = 20;
        for (committer, removes, adds) in operations {
            let client = [0, 2, 5, 7][committer];
            let group = bed.clients[client].group.as_ref().unwrap();
            let removes = removes.into_iter()
                .filter(|leaf| group.member_at(LeafNodeIndex::new(*leaf)).is_some())
                .collect();
            let adds: Vec<KeyPackage> = (0..adds).map(|_| {
                next += 1;
                Client::new(next).package()
            }).collect();
            let made = bed.commit(client, Commit { adds, removes, ..Commit::default() });
            prop_assert_eq!(take(&mut state, made.submitted()), made.change.clone());
            bed.settle(client, &made);
            agree(&mut state, &bed, client);
        }
    }

    #[test]
    fn mutated_handshakes_and_attachments_are_refused_without_a_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        part in 0_u8..4,
    ) {
        let (state, made) = mutable();
        let Made { mut body, mut welcome, mut group_info, .. } = made.clone();
        let damaged = match part {
            0 => welcome.as_mut().unwrap(),
            1 => group_info.as_mut().unwrap(),
            _ => &mut body,
        };
        for (place, byte) in &edits {
            let place = place.index(damaged.len());
            damaged[place] ^= byte | 1;
        }
        let made = Made { body, welcome, group_info, ..made.clone() };
        let refused = state.check(made.submitted(), &Everybody, now()).err();
        // What follows the confirmation tag, and what is encrypted in a Welcome, nobody can check.
        prop_assert!(refused.is_some() || part != 1, "{:?}", edits);
        let truncated = Made { body: made.body[..made.body.len() / 2].to_vec(), ..made };
        let refused = state.check(truncated.submitted(), &Everybody, now()).err();
        prop_assert!(refused.is_some_and(|check| check <= Check::Frozen || check.number() > 1));
    }

    #[test]
    fn arbitrary_bytes_are_no_saved_state(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _state = State::restore(&bytes).ok();
    }
}

/// A group and a commit with everything, made once for each thread.
fn mutable() -> &'static (State, Made) {
    thread_local! {
        static MADE: &'static (State, Made) = Box::leak(Box::new({
            let mut bed = Bed::new(4);
            let state = bed.observed();
            let adds = vec![Client::new(9).package()];
            let made = bed.commit(0, Commit { adds, removes: vec![2], ..Commit::default() });
            (state, made)
        }));
    }
    MADE.with(|made| *made)
}
