//! Checks 1 to 7, each violated alone: refused under its own number.

use openmls::prelude::{LeafNodeParameters, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY};

use super::bed::{Bed, Client, Commit, Made, device};
use super::following::{now, proposed};
use super::forge::{Forge, context, proposal, take, vector};
use super::stage::{EXTERNAL_INIT, REINIT, Stage, add, refused, remove};
use crate::delivery::{Check, Kind};
use crate::validation::{Everybody, State, Submitted};

#[test]
fn one_a_group_is_frozen_by_a_reinit() {
    let Stage { mut bed, mut state, made, .. } = Stage::new(Commit::default());
    let mut forge = Forge::of(&made.body).listing(&[&REINIT]);
    forge.path = None;
    let body = forge.sealed(&bed.clients[0], &context(&bed.clients[0]));
    let reinit = Made { body, group_info: None, ..made.clone() };
    state.accept(state.check(reinit.submitted(), &Everybody, now()).unwrap());
    assert_eq!(refused(&state, &made), Some(Check::Frozen));
    let application = Submitted { kind: Kind::Application, ..made.submitted() };
    assert_eq!(state.check(application, &Everybody, now()).err(), Some(Check::Frozen));
    let restored = State::restore(&state.save()).unwrap();
    assert_eq!(refused(&restored, &bed.commit(1, Commit::default())), Some(Check::Frozen));
}

#[test]
fn one_a_message_is_for_the_group_it_names() {
    let stage = Stage::new(Commit::default());
    let other = Bed::new(4).commit(0, Commit::default());
    assert_eq!(refused(&stage.state, &other), Some(Check::Frozen));
}

#[test]
fn two_a_commit_is_of_the_current_epoch() {
    let Stage { mut bed, mut state, made, .. } = Stage::new(Commit::default());
    let late = bed.commit(1, Commit::default());
    state.accept(state.check(made.submitted(), &Everybody, now()).unwrap());
    assert_eq!(refused(&state, &late), Some(Check::Epoch));
    assert_eq!(refused(&state, &made), Some(Check::Epoch));
}

#[test]
fn three_a_handshake_lies_open() {
    let mut bed = Bed::with(2, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
    let state = bed.observed();
    let made = bed.commit(0, Commit::default());
    assert_eq!(refused(&state, &made), Some(Check::WireFormat));
    let stage = Stage::new(Commit::default());
    let body = [&stage.made.body[..], &[0]].concat();
    let trailing = Made { body, ..stage.made.clone() };
    assert_eq!(refused(&stage.state, &trailing), Some(Check::WireFormat));
}

#[test]
fn four_a_sender_sends_only_what_its_kind_may() {
    let stage = Stage::new(Commit::default());
    let mut head = Forge::of(&stage.made.body).head;
    let sender = 4 + 17 + 8;
    let kind = head.len() - 1;
    let by = |head: &[u8], content: &[u8]| {
        let body = proposal(head, content, &stage.bed.clients[0], &[]);
        stage.state.check(proposed(0, &body), &Everybody, now()).err()
    };
    head[sender] = 2;
    assert_eq!(by(&head, &[0, 0]), Some(Check::SenderContent));
    head[kind] = 2;
    assert_eq!(by(&head, &remove(2)[1..]), None);
    for unsupported in [&[0, 10][..], &EXTERNAL_INIT[1..], &REINIT[1..]] {
        assert_eq!(by(&head, unsupported), Some(Check::SenderContent), "{unsupported:?}");
    }
    head.splice(sender..sender + 5, [3]);
    assert_eq!(by(&head, &remove(2)[1..]), Some(Check::SenderContent));
}

#[test]
fn five_a_leaf_is_its_submitters() {
    let stage = Stage::new(Commit::default());
    for sender in [1, 9] {
        let forged = Made { sender: device(sender), ..stage.made.clone() };
        assert_eq!(refused(&stage.state, &forged), Some(Check::SenderLeaf));
    }
    let leaf = 4 + 17 + 8 + 4;
    for blank in [4, 200] {
        let mut body = stage.made.body.clone();
        body[leaf] = blank;
        let forged = Made { body, ..stage.made.clone() };
        assert_eq!(refused(&stage.state, &forged), Some(Check::SenderLeaf));
    }
    let joiner = Client::new(9);
    let mut head = Forge::of(&stage.made.body).head;
    head.splice(leaf - 4..=leaf, [3]);
    *head.last_mut().unwrap() = 2;
    let content = &add(&joiner.package())[1..];
    let body = proposal(&head, content, &joiner, &[]);
    let by = |sender| stage.state.check(proposed(sender, &body), &Everybody, now()).err();
    assert_eq!((by(9), by(1)), (None, Some(Check::SenderLeaf)));
}

#[test]
fn six_a_signature_is_over_the_message_in_its_epoch() {
    let stage = Stage::new(Commit::default());
    let forge = Forge::of(&stage.made.body);
    let (own, other) = (&stage.bed.clients[0], &stage.bed.clients[1]);
    let of = |client: &Client, context: &[u8]| {
        let body = forge.sealed(client, context);
        refused(&stage.state, &Made { body, group_info: None, ..stage.made.clone() })
    };
    assert_eq!(of(own, &context(own)), None);
    assert_eq!(of(other, &context(own)), Some(Check::Signature));
    assert_eq!(of(own, &[]), Some(Check::Signature));
    assert_eq!(stage.proposing(1, &remove(2)[1..]), None);
    let mut made = Bed::new(2);
    let state = made.observed();
    let mut body = made.propose(0, |group, provider, signer| {
        let parameters = LeafNodeParameters::default();
        group.propose_self_update(provider, signer, parameters).unwrap().0
    });
    let signature = body.len() - 33 - 10;
    body[signature] ^= 1;
    let forged = state.check(proposed(0, &body), &Everybody, now()).err();
    assert_eq!(forged, Some(Check::Signature));
}

#[test]
fn seven_a_reference_is_to_a_proposal_of_the_epoch() {
    let mut stage = Stage::new(Commit::default());
    let unknown = [&[2][..], &vector(&[7; 32])].concat();
    assert_eq!(stage.listing(&[&unknown]), Some(Check::UnknownProposal));
    // Known to the members, but never submitted; then cleared by the commit that closes its epoch.
    let body = stage.bed.propose(1, |group, provider, signer| {
        let parameters = LeafNodeParameters::default();
        group.propose_self_update(provider, signer, parameters).unwrap().0
    });
    let made = stage.bed.commit(0, Commit::default());
    assert_eq!(refused(&stage.state, &made), Some(Check::UnknownProposal));
    let checked = stage.state.check(proposed(1, &body), &Everybody, now()).unwrap();
    stage.state.accept(checked);
    assert_eq!(refused(&stage.state, &made), None);
    let checked = stage.state.check(made.submitted(), &Everybody, now()).unwrap();
    stage.state.accept(checked);
    stage.bed.settle(0, &made);
    let mut list = &made.body[4 + 17 + 8 + 5 + 1 + 1..];
    let reference = take(&mut list).to_vec();
    stage.made = stage.bed.commit(0, Commit::default());
    assert_eq!(refused(&stage.state, &stage.made), None);
    assert_eq!(stage.listing(&[&reference]), Some(Check::UnknownProposal));
}
