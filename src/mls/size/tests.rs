//! What is foretold of sizes, beside what OpenMLS makes.

use super::*;
use crate::delivery::GroupId;
use crate::mls::leaf;
use crate::mls::mint::mint;
use crate::mls::newcomer::Newcomer;
use crate::mls::suite::Suite;
use crate::mls::tape::Handshake;
use crate::mls::tape::Tape;
use crate::mls::tape::TapeOperation;
use crate::mls::tape::TapeSpec;

const EXACT: [&str; 4] = [
    "x25519-aes128-ed25519",
    "xwing-aes128-ed25519",
    "xwing-chacha-ed25519",
    "mlkem768-aes256-mldsa65",
];

#[test]
fn a_key_package_is_as_long_as_foretold() {
    for suite in EXACT.map(|name| Suite::named(name).unwrap()) {
        for (identity, bytes) in [(leaf::identity(7), IDENTITY_BYTES), (vec![7; 16], DEVICE_BYTES)]
        {
            let newcomer = Newcomer::new(suite, identity).unwrap();
            let real = newcomer.published().unwrap().len();
            assert_eq!(real, key_package(&suite.lengths(), bytes), "{suite}");
        }
    }
}

#[test]
fn an_application_message_is_as_long_as_foretold() {
    let operations =
        [0, 1, 62, 200, 5_000, 20_000].map(|bytes| TapeOperation::Application { sender: 1, bytes });
    for name in EXACT {
        let tape = tape(name, 3, 2, Handshake::Public, &operations);
        for (message, operation) in tape.messages.iter().zip(operations) {
            let TapeOperation::Application { bytes, .. } = operation else { unreachable!() };
            let plaintext = usize::try_from(bytes).unwrap();
            let foretold = application_message(&tape.spec.suite.lengths(), 16, plaintext);
            assert_eq!(message.body.len(), foretold, "{name} {bytes}");
        }
    }
}

#[test]
fn the_first_commit_after_the_bulk_add_is_as_long_as_foretold() {
    for (name, members) in [(EXACT[0], 3), (EXACT[0], 33), (EXACT[0], 70), (EXACT[1], 13)] {
        for handshake in [Handshake::Public, Handshake::Private] {
            let tape = tape(name, members, 2, handshake, &[TapeOperation::Commit { sender: 1 }]);
            let foretold = fresh(&tape).update_commit(members / 2);
            assert_eq!(tape.messages[0].body.len(), foretold, "{name} {members}");
        }
    }
}

#[test]
fn a_commit_after_everybody_has_committed_is_as_long_as_foretold() {
    for (name, members) in [(EXACT[0], 11), (EXACT[1], 8)] {
        for handshake in [Handshake::Public, Handshake::Private] {
            let operations = merging(members, TapeOperation::Commit { sender: 4 });
            let tape = tape(name, members, members, handshake, &operations);
            let foretold = merged(&tape).update_commit(4);
            assert_eq!(last(&tape), foretold, "{name} {members}");
        }
    }
}

#[test]
fn a_commit_that_adds_is_as_long_as_foretold_and_so_is_its_welcome() {
    for (name, members) in [(EXACT[0], 3), (EXACT[0], 32), (EXACT[0], 33), (EXACT[1], 13)] {
        for handshake in [Handshake::Public, Handshake::Private] {
            let add = TapeOperation::Add { sender: 1, member: members };
            let first = tape(name, members, 2, handshake, &[add]);
            assert_eq!(last(&first), fresh(&first).add_commit(members / 2), "{name} {members}");
            let effect = first.messages[0].effect.as_deref().unwrap();
            assert_eq!(effect.welcome.len(), fresh(&first).welcome(1), "{name} {members}");
            let later = merging(members, add);
            let later = tape(name, members, members, handshake, &later);
            assert_eq!(last(&later), merged(&later).add_commit(1), "{name} {members}");
        }
    }
}

#[test]
fn a_commit_that_removes_is_as_long_as_foretold_wherever_the_removed_sits() {
    for (name, members) in [(EXACT[0], 9), (EXACT[1], 6)] {
        for removed in 1..members {
            let remove = TapeOperation::Remove { sender: 0, member: removed };
            let first = tape(name, members, 1, Handshake::Public, &[remove]);
            let leaf = by_number(&first, removed);
            assert_eq!(last(&first), fresh(&first).remove_commit(0, leaf), "{name} {removed}");
        }
    }
    // Only who does not send is ever removed, so the last two never committed: a tree in which all
    // others have is merged but there, and nothing is removed elsewhere.
    let operations: Vec<TapeOperation> = (0..7)
        .map(|sender| TapeOperation::Commit { sender })
        .chain([TapeOperation::Remove { sender: 0, member: 7 }])
        .collect();
    let tape = tape(EXACT[0], 8, 7, Handshake::Public, &operations);
    let leaf = by_number(&tape, 7);
    assert_eq!(last(&tape), merged(&tape).remove_commit(0, leaf));
}

#[test]
fn proposals_and_the_commit_that_takes_them_in_are_as_long_as_foretold() {
    for name in EXACT {
        for handshake in [Handshake::Public, Handshake::Private] {
            let operations = [
                TapeOperation::ProposeUpdate { sender: 1 },
                TapeOperation::ProposeRemove { sender: 2, member: 6 },
                TapeOperation::Leave { member: 5 },
                TapeOperation::ProposeAdd { sender: 1, member: 8 },
                TapeOperation::Commit { sender: 0 },
            ];
            let tape = tape(name, 8, 3, handshake, &operations);
            let sizes: Vec<usize> = tape.messages.iter().map(|it| it.body.len()).collect();
            let foretold = fresh(&tape);
            let kinds = [
                ProposalKind::Update,
                ProposalKind::Remove,
                ProposalKind::Remove,
                ProposalKind::Add,
            ];
            assert_eq!(sizes[..4], kinds.map(|kind| foretold.proposal(kind)), "{name}");
            let leaf = |member| by_number(&tape, member);
            let change = Change {
                added: 1,
                removed: &[leaf(6), leaf(5)],
                updated: &[leaf(1)],
                referred: true,
            };
            assert_eq!(sizes[4], foretold.commit(0, &change), "{name} {handshake:?}");
        }
    }
}

#[test]
fn an_external_commit_is_as_long_as_foretold_and_so_is_the_group_info() {
    for (name, members) in [(EXACT[0], 3), (EXACT[0], 16), (EXACT[0], 21), (EXACT[1], 13)] {
        let join = TapeOperation::ExternalJoin { member: members };
        let first = tape(name, members, 2, Handshake::Public, &[join]);
        assert_eq!(last(&first), fresh(&first).external_commit(), "{name} {members}");
        let effect = first.messages[0].effect.as_deref().unwrap();
        assert_eq!(effect.group_info.len(), fresh(&first).group_info(), "{name} {members}");
        let later = tape(name, members, members, Handshake::Public, &merging(members, join));
        assert_eq!(last(&later), merged(&later).external_commit(), "{name} {members}");
    }
}

#[test]
fn an_ecdsa_message_is_at_most_as_long_as_foretold() {
    let operations = [TapeOperation::Commit { sender: 0 }];
    let tape = tape("p256-aes128-p256", 5, 1, Handshake::Public, &operations);
    let (real, bound) = (last(&tape), fresh(&tape).update_commit(0));
    assert!(real <= bound && real + 8 >= bound, "{real} {bound}");
}

/// Everybody commits, then `last` happens.
fn merging(members: u32, last: TapeOperation) -> Vec<TapeOperation> {
    (0..members).map(|sender| TapeOperation::Commit { sender }).chain([last]).collect()
}

fn last(tape: &Tape) -> usize {
    tape.messages.last().unwrap().body.len()
}

fn by_number(tape: &Tape, member: u32) -> u32 {
    let by_leaf = tape.spec.by_leaf();
    u32::try_from(by_leaf.iter().position(|it| *it == member).unwrap()).unwrap()
}

fn fresh(tape: &Tape) -> Dimensions {
    tape.spec.dimensions(tape.spec.members, TreeState::Fresh)
}

fn merged(tape: &Tape) -> Dimensions {
    tape.spec.dimensions(tape.spec.members, TreeState::Merged)
}

fn tape(
    suite: &str,
    members: u32,
    senders: u32,
    handshake: Handshake,
    operations: &[TapeOperation],
) -> Tape {
    let spec = TapeSpec {
        suite: Suite::named(suite).unwrap(),
        init_suite: None,
        group: GroupId::new(&[9; 16]).unwrap(),
        members,
        senders,
        real: 0,
        joiners: 1,
        real_joiners: 0,
        group_infos: handshake == Handshake::Public,
        handshake,
        devices: Vec::new(),
        operations: operations.to_vec(),
    };
    mint(&spec, &|_| ()).unwrap()
}
