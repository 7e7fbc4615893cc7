//! Made-up messages beside minted ones.

use openmls::prelude::MlsMessageIn;
use openmls::prelude::ProtocolMessage;
use tls_codec::DeserializeBytes;

use super::*;
use crate::mls::mint::mint;
use crate::mls::suite::Suite;

fn spec(suite: &str, handshake: Handshake) -> TapeSpec {
    let operations = vec![
        TapeOperation::Application { sender: 0, bytes: 10 },
        TapeOperation::Application { sender: 1, bytes: 20_000 },
        TapeOperation::Commit { sender: 2 },
    ];
    of(suite, handshake, operations)
}

fn of(suite: &str, handshake: Handshake, operations: Vec<TapeOperation>) -> TapeSpec {
    TapeSpec {
        suite: Suite::named(suite).unwrap(),
        init_suite: None,
        group: GroupId::new(b"synthetic").unwrap(),
        members: 20,
        senders: 3,
        real: 0,
        joiners: 2,
        real_joiners: 0,
        group_infos: false,
        handshake,
        devices: Vec::new(),
        operations,
    }
}

/// Each ends with the first commit that finds the tree as the bulk add has left it.
fn first_commits() -> [Vec<TapeOperation>; 4] {
    [
        spec("x25519-aes128-ed25519", Handshake::Public).operations,
        vec![TapeOperation::Add { sender: 0, member: 20 }],
        vec![TapeOperation::Remove { sender: 1, member: 18 }],
        vec![
            TapeOperation::ProposeUpdate { sender: 1 },
            TapeOperation::Leave { member: 19 },
            TapeOperation::ProposeAdd { sender: 1, member: 21 },
            TapeOperation::ProposeRemove { sender: 0, member: 17 },
            TapeOperation::Commit { sender: 2 },
        ],
    ]
}

#[test]
fn synthetic_messages_have_the_header_and_the_size_of_real_ones_and_do_the_same() {
    for suite in ["x25519-aes128-ed25519", "xwing-aes128-ed25519"] {
        for handshake in [Handshake::Public, Handshake::Private] {
            for operations in first_commits() {
                let spec = of(suite, handshake, operations);
                let minted = mint(&spec, &|_| ()).unwrap();
                let synthetic = synthesize(&spec, TreeState::Fresh, 1);
                assert_eq!(synthetic.epoch, minted.epoch);
                for (fake, real) in synthetic.messages.iter().zip(&minted.messages) {
                    compare(fake, real, handshake);
                }
                for (fake, real) in synthetic.joins.iter().zip(&minted.joins) {
                    assert_eq!(fake.key_package.len(), real.key_package.len());
                    let key = |join: &TapeJoin| (join.member, join.asked, join.commit);
                    assert_eq!(key(fake), key(real));
                }
                assert_eq!(synthetic.joins.len(), minted.joins.len());
            }
        }
    }
}

fn compare(fake: &TapeMessage, real: &TapeMessage, handshake: Handshake) {
    assert_eq!(fake.body.len(), real.body.len(), "{:?}", real.kind);
    assert_eq!((fake.kind, fake.epoch, fake.sender), (real.kind, real.epoch, real.sender));
    let is_public = real.kind != Kind::Application && handshake == Handshake::Public;
    let header = 4 + 10 + 8 + if is_public { 7 } else { 3 };
    assert_eq!(fake.body[..header], real.body[..header]);
    let sizes = |message: &TapeMessage| {
        let effect = message.effect.as_deref()?;
        let changes = (effect.added.clone(), effect.removed.clone(), effect.refers_to);
        Some((changes, effect.welcome.len(), effect.group_info.len()))
    };
    assert_eq!(sizes(fake), sizes(real));
}

#[test]
fn a_synthetic_welcome_is_for_the_key_package_that_was_published() {
    for operations in first_commits() {
        let tape = synthesize(
            &of("p256-aes128-p256", Handshake::Private, operations),
            TreeState::Merged,
            1,
        );
        for join in &tape.joins {
            let package = crate::wire::key_package(&join.key_package).unwrap();
            let commit = &tape.messages[usize::try_from(join.commit).unwrap()];
            let welcome = crate::wire::welcome(&commit.effect.as_ref().unwrap().welcome).unwrap();
            assert_eq!(welcome.suite, package.suite);
            assert_eq!(welcome.joiners.len(), 1);
            assert_eq!(welcome.joiners[0].reference, package.reference);
        }
    }
}

#[test]
fn a_post_quantum_welcome_differs_in_the_init_key_and_in_what_is_sealed_to_it_alone() {
    use crate::wire::handshake::{Handshake as Open, Listed, Proposal, handshake};
    let init = Suite::named("xwing-aes128-ed25519").unwrap();
    for operations in first_commits().into_iter().filter(|all| all.len() != 3) {
        let plain = of("x25519-aes128-ed25519", Handshake::Public, operations);
        let spec = TapeSpec { init_suite: Some(init), ..plain.clone() };
        let tapes = [plain, spec].map(|spec| synthesize(&spec, TreeState::Merged, 1));
        let [plain, opened] = &tapes;
        assert_eq!(plain.joins.len(), opened.joins.len());
        for (one, other) in plain.joins.iter().zip(&opened.joins) {
            assert_eq!(other.key_package.len(), one.key_package.len() + 1_216 + 2 - 32 - 1);
            let package = crate::wire::key_package(&other.key_package).unwrap();
            assert_eq!(package.suite, plain.spec.suite.facts().code_point);
            // To the last byte, as MLS reads it; nothing after it and nothing missing.
            MlsMessageIn::tls_deserialize_exact_bytes(&other.key_package).unwrap();
            let effect = |tape: &Tape| {
                let commit = &tape.messages[usize::try_from(other.commit).unwrap()];
                commit.effect.clone().unwrap()
            };
            let [one, other] = tapes.each_ref().map(effect);
            assert_eq!(other.welcome.len(), one.welcome.len() + 1_120 + 2 - 32 - 1);
            let welcome = crate::wire::welcome(&other.welcome).unwrap();
            assert_eq!(welcome.joiners[0].reference, package.reference);
            assert_eq!(welcome.suite, package.suite);
            MlsMessageIn::tls_deserialize_exact_bytes(&other.welcome).unwrap();
        }
        for (one, other) in plain.messages.iter().zip(&opened.messages) {
            let package = |message: &TapeMessage| match handshake(&message.body).unwrap() {
                Open::Proposal(Proposal::Add { package, .. }) => package.len(),
                Open::Commit(commit) => match commit.proposals().next() {
                    Some(Ok(Listed::Value(Proposal::Add { package, .. }))) => package.len(),
                    _ => 0,
                },
                Open::Proposal(_) => 0,
            };
            // A message is longer by what the KeyPackage in it is longer by.
            let longer = package(other) - package(one);
            assert_eq!(other.body.len(), one.body.len() + longer);
            assert_eq!(longer > 0, package(one) > 0);
        }
    }
}

#[test]
fn the_proposals_of_a_synthetic_commit_lie_open_as_those_of_a_real_one() {
    use crate::wire::handshake::{Handshake as Open, Listed, Proposal, handshake};
    for operations in first_commits() {
        let spec = of("x25519-aes128-ed25519", Handshake::Public, operations);
        let (minted, fake) =
            (mint(&spec, &|_| ()).unwrap(), synthesize(&spec, TreeState::Fresh, 1));
        let listed = |tape: &Tape| {
            let commit = tape.messages.last().unwrap().body.clone();
            let Open::Commit(commit) = handshake(&commit).unwrap() else { panic!("a commit") };
            let kind = |listed| match listed {
                Listed::Reference(reference) => (reference.len(), None),
                Listed::Value(Proposal::Remove { leaf }) => (0, Some(leaf)),
                Listed::Value(Proposal::Add { package, .. }) => (package.len(), None),
                other => panic!("{other:?}"),
            };
            commit.proposals().map(|listed| kind(listed.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(listed(&fake), listed(&minted));
    }
}

#[test]
fn a_synthetic_proposal_lies_open_as_a_real_one() {
    use crate::wire::handshake::{Handshake as Open, LeafSource, Proposal, handshake};
    for suite in ["x25519-aes128-ed25519", "xwing-aes128-ed25519"] {
        let [.., operations] = first_commits();
        let spec = of(suite, Handshake::Public, operations);
        let (minted, fake) =
            (mint(&spec, &|_| ()).unwrap(), synthesize(&spec, TreeState::Fresh, 1));
        let said = |tape: &Tape| -> Vec<(&str, usize, Option<LeafSource>)> {
            let proposals = tape.messages.iter().filter(|it| it.kind == Kind::Proposal);
            let one = |body: &[u8]| match handshake(body).unwrap() {
                Open::Proposal(Proposal::Update { leaf }) => {
                    ("update", leaf.encryption_key.len(), Some(leaf.source))
                }
                Open::Proposal(Proposal::Add { package, .. }) => ("add", package.len(), None),
                Open::Proposal(Proposal::Remove { leaf }) => {
                    ("remove", usize::try_from(leaf).unwrap(), None)
                }
                other => panic!("{other:?}"),
            };
            proposals.map(|proposal| one(&proposal.body)).collect()
        };
        assert_eq!(said(&fake), said(&minted));
        assert_eq!(said(&fake)[0].2, Some(LeafSource::Update));
    }
}

#[test]
fn a_synthetic_private_message_is_well_formed_to_its_last_byte() {
    for message in
        synthesize(&spec("p256-aes128-p256", Handshake::Private), TreeState::Merged, 1).messages
    {
        let parsed = MlsMessageIn::tls_deserialize_exact_bytes(&message.body).unwrap();
        let protocol: ProtocolMessage = parsed.try_into_protocol_message().unwrap();
        assert_eq!(protocol.epoch().as_u64(), message.epoch.0);
        assert_eq!(protocol.group_id().as_slice(), b"synthetic");
    }
}

#[test]
fn a_message_of_any_kind_says_what_it_is_and_is_well_formed_to_its_last_byte() {
    let group = GroupId::new(&[9; 64]).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for kind in [Kind::Application, Kind::Proposal, Kind::Commit] {
        for ciphertext in (0..70).chain([16_383, 16_384, 20_000]) {
            let body = message(&group, Epoch(7), kind, ciphertext, &mut random);
            let header = crate::wire::peek_group(&body).unwrap();
            assert_eq!((header.group, header.epoch, header.kind), (group, Epoch(7), kind));
            assert!(body.len() > ciphertext);
            MlsMessageIn::tls_deserialize_exact_bytes(&body).unwrap();
        }
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let spec = spec("x25519-aes128-ed25519", Handshake::Public);
    let tape = |seed| synthesize(&spec, TreeState::Merged, seed);
    assert_eq!(tape(1), tape(1));
    assert_ne!(tape(1).messages, tape(2).messages);
}
