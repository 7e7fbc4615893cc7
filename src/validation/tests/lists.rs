//! Checks 8 to 10, each violated alone: refused under its own number.

use openmls::prelude::LeafNodeParameters;

use super::bed::{Bed, Client, Commit, Made, device};
use super::following::{now, proposed};
use super::forge::{Forge, context, vector};
use super::stage::{EXTENSIONS, EXTERNAL_INIT, REINIT, Stage, add, refused, remove};
use crate::delivery::Check;
use crate::validation::{Everybody, State};

#[test]
fn eight_proposals_can_be_committed_together() {
    let stage = Stage::new(Commit::default());
    let of =
        |list: &[&[u8]]| assert_eq!(stage.listing(list), Some(Check::ProposalList), "{list:?}");
    of(&[&remove(0)]);
    of(&[&remove(7)]);
    of(&[&[1, 0, 3, 0xff, 0xff, 0xff, 0xff]]);
    of(&[&remove(2), &remove(2)]);
    of(&[&EXTENSIONS, &EXTENSIONS]);
    of(&[&REINIT, &remove(2)]);
    of(&[&EXTERNAL_INIT]);
    of(&[&[1, 0, 10]]);
    let nonce = vector(&[1; 32]);
    let psk = [&[1, 0, 4, 1, 2, 5, 5][..], &nonce].concat();
    of(&[&psk, &psk]);
    of(&[&[1, 0, 4, 1, 2, 5, 5, 1, 9]]);
    // A type that no member has among its capabilities.
    of(&[&[1, 0xf0, 0x0d, 2, 1, 1]]);
    let joiner = Client::new(9);
    of(&[&add(&joiner.package()), &add(&joiner.package())]);
    of(&[&add(&Client::new(2).package())]);
    let mut own = Forge::of(&stage.made.body).path.unwrap().0;
    own.splice(0..0, [1, 0, 2]);
    of(&[&own]);
}

#[test]
fn eight_a_leaf_is_updated_or_removed_once_and_never_by_its_own_commit() {
    let mut stage = Stage::new(Commit::default());
    let mut references = Vec::new();
    for (client, leaves) in [(0, false), (1, false), (2, true)] {
        let body = stage.bed.propose(client, |group, provider, signer| {
            if leaves {
                return group.leave_group_via_self_remove(provider, signer).unwrap();
            }
            let parameters = LeafNodeParameters::default();
            group.propose_self_update(provider, signer, parameters).unwrap().0
        });
        let sender = u8::try_from(client).unwrap();
        let checked = stage.state.check(proposed(sender, &body), &Everybody, now()).unwrap();
        stage.state.accept(checked);
        let State::Public(observer) = &stage.state else { unreachable!() };
        let reference = observer.pending_references().last().unwrap().to_vec();
        references.push([vec![2], vector(&reference)].concat());
        let again = stage.state.check(proposed(sender, &body), &Everybody, now()).err();
        assert_eq!(again, leaves.then_some(Check::ProposalList), "one SelfRemove each");
    }
    let of =
        |list: &[&[u8]]| assert_eq!(stage.listing(list), Some(Check::ProposalList), "{list:?}");
    of(&[&references[0]]);
    of(&[&references[1], &references[1]]);
    of(&[&references[1], &remove(1)]);
    of(&[&references[2], &remove(2)]);
    let by_two = stage.proposing(1, &[0, 3, 0, 0, 0, 9]);
    assert_eq!(by_two, Some(Check::ProposalList));
}

#[test]
fn nine_an_external_commit_has_one_init_and_a_path_and_removes_only_its_joiner() {
    let mut stage = Stage::new(Commit::default());
    stage.made = stage.bed.external(9);
    assert_eq!(refused(&stage.state, &stage.made), None);
    let group = context(&stage.bed.clients[0]);
    let of = |forge: &Forge, sender: u8| {
        let body = forge.sealed(&stage.bed.clients[9], &group);
        let made = Made { body, sender: device(sender), group_info: None, ..stage.made.clone() };
        refused(&stage.state, &made)
    };
    let true_one = Forge::of(&stage.made.body);
    assert_eq!(of(&true_one, 9), None);
    let listing = |list: &[&[u8]]| {
        assert_eq!(of(&true_one.clone().listing(list), 9), Some(Check::ExternalCommit), "{list:?}");
    };
    listing(&[]);
    listing(&[&EXTERNAL_INIT, &EXTERNAL_INIT]);
    listing(&[&EXTERNAL_INIT, &remove(2)]);
    listing(&[&EXTERNAL_INIT, &EXTENSIONS]);
    listing(&[&EXTERNAL_INIT, &[1, 0, 10]]);
    listing(&[&EXTERNAL_INIT, &add(&Client::new(8).package())]);
    assert_eq!(of(&true_one, 8), Some(Check::ExternalCommit));
    let mut pathless = true_one.clone();
    pathless.path = None;
    assert_eq!(of(&pathless, 9), Some(Check::ExternalCommit));
    let twin = Stage::new(Commit::default());
    let Stage { mut bed, state, .. } = twin;
    let made = bed.external(2);
    assert_eq!(refused(&state, &made), Some(Check::ExternalCommit), "still a member");
}

#[test]
fn nine_an_external_commit_refers_to_nothing_but_departures() {
    let mut stage = Stage::new(Commit::default());
    let body = stage.bed.propose(1, |group, provider, signer| {
        let parameters = LeafNodeParameters::default();
        group.propose_self_update(provider, signer, parameters).unwrap().0
    });
    let checked = stage.state.check(proposed(1, &body), &Everybody, now()).unwrap();
    stage.state.accept(checked);
    let State::Public(observer) = &stage.state else { unreachable!() };
    let reference = observer.pending_references().next().unwrap().to_vec();
    let reference = [vec![2], vector(&reference)].concat();
    let made = stage.bed.external(9);
    let forge = Forge::of(&made.body).listing(&[&EXTERNAL_INIT, &reference]);
    let body = forge.sealed(&stage.bed.clients[9], &context(&stage.bed.clients[0]));
    let forged = Made { body, group_info: None, ..made };
    assert_eq!(refused(&stage.state, &forged), Some(Check::ExternalCommit));
}

#[test]
fn nine_a_joiner_that_has_announced_its_departure_is_not_removed_twice() {
    let mut bed = Bed::new(3);
    let mut state = bed.observed();
    let body = bed.propose(2, |group, provider, signer| {
        group.leave_group_via_self_remove(provider, signer).unwrap()
    });
    let checked = state.check(proposed(2, &body), &Everybody, now()).unwrap();
    state.accept(checked);
    let State::Public(observer) = &state else { unreachable!() };
    let departure = [vec![2], vector(observer.departures().next().unwrap())].concat();
    let made = bed.external(2);
    let of = |list: &[&[u8]]| {
        let group = context(&bed.clients[0]);
        let body = Forge::of(&made.body).listing(list).sealed(&bed.clients[2], &group);
        refused(&state, &Made { body, group_info: None, ..made.clone() })
    };
    let listed = of(&[&EXTERNAL_INIT, &remove(2), &departure]);
    assert_eq!(listed, Some(Check::ExternalCommit));
    assert_eq!(of(&[&departure, &remove(2), &EXTERNAL_INIT]), Some(Check::ExternalCommit));
}

#[test]
fn ten_a_path_is_there_where_it_is_needed() {
    let stage = Stage::new(Commit::default());
    let pathless = |list: &[&[u8]]| {
        stage.forged(|forge| {
            *forge = forge.clone().listing(list);
            forge.path = None;
        })
    };
    assert_eq!(pathless(&[]), Some(Check::PathMissing));
    assert_eq!(pathless(&[&remove(2)]), Some(Check::PathMissing));
    assert_eq!(pathless(&[&EXTENSIONS]), Some(Check::PathMissing));
    assert_eq!(pathless(&[&REINIT]), None);
}
