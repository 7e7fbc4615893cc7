//! Tapes, processed by members that joined at the start or on the way.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::*;
use crate::delivery::GroupId;
use crate::delivery::Kind;
use crate::mls::mint::MintError;
use crate::mls::mint::mint;
use crate::mls::mint::mint_all;
use crate::mls::mint::units;
use crate::mls::suite::Suite;
use crate::mls::tape::Handshake;
use crate::mls::tape::TapeOperation;
use crate::mls::tape::TapeSpec;

fn spec(suite: &str, handshake: Handshake) -> TapeSpec {
    let application = |sender, bytes| TapeOperation::Application { sender, bytes };
    let commit = |sender| TapeOperation::Commit { sender };
    TapeSpec {
        suite: Suite::named(suite).unwrap(),
        init_suite: None,
        group: GroupId::new(suite.as_bytes()).unwrap(),
        members: 9,
        senders: 3,
        real: 2,
        joiners: 0,
        real_joiners: 0,
        group_infos: false,
        handshake,
        devices: Vec::new(),
        operations: vec![
            application(2, 100),
            application(0, 0),
            application(2, 200),
            commit(1),
            application(1, 20_000),
            commit(1),
            commit(0),
            commit(2),
            application(0, 7),
        ],
    }
}

#[test]
fn real_members_process_a_whole_tape_and_reach_its_authenticator() {
    for suite in ["x25519-aes128-ed25519", "xwing-chacha-ed25519"] {
        for handshake in [Handshake::Public, Handshake::Private] {
            let tape = mint(&spec(suite, handshake), &|_| ()).unwrap();
            for index in 0..tape.real.len() {
                check(&tape, &mut RealMember::join(&tape, index).unwrap());
            }
        }
    }
}

fn check(tape: &Tape, member: &mut RealMember) {
    assert_eq!(member.epoch(), tape.epoch);
    for (message, operation) in tape.messages.iter().zip(&tape.spec.operations) {
        assert_eq!(message.epoch, member.epoch());
        assert_eq!(message.sender, operation.sender());
        let processed = member.process(&message.body).unwrap();
        let expected = match *operation {
            TapeOperation::Application { bytes, .. } => {
                Processed::Application { bytes: usize::try_from(bytes).unwrap() }
            }
            _ if operation.kind() == Kind::Proposal => Processed::Proposal,
            _ => Processed::Commit { epoch: message.epoch.next() },
        };
        assert_eq!(processed, expected);
    }
    assert_eq!(member.authenticator(), tape.authenticator);
    assert!(RealMember::join(tape, tape.real.len()).is_err());
}

/// Joins by Welcome and by external commit, by value and by proposal, and those who go.
fn churning(suite: &str, external: bool) -> TapeSpec {
    let application = |sender, bytes| TapeOperation::Application { sender, bytes };
    let mut operations = vec![
        application(2, 10),
        TapeOperation::Add { sender: 1, member: 9 },
        application(0, 20),
        TapeOperation::ProposeUpdate { sender: 2 },
        TapeOperation::Leave { member: 7 },
        TapeOperation::ProposeAdd { sender: 0, member: 11 },
        TapeOperation::Commit { sender: 1 },
        application(1, 30),
        TapeOperation::Remove { sender: 2, member: 11 },
        TapeOperation::Remove { sender: 0, member: 8 },
        TapeOperation::Add { sender: 0, member: 11 },
        TapeOperation::Leave { member: 11 },
        TapeOperation::ProposeRemove { sender: 1, member: 6 },
        TapeOperation::Commit { sender: 2 },
    ];
    if external {
        operations.extend([
            TapeOperation::ExternalJoin { member: 10 },
            application(2, 40),
            TapeOperation::ExternalJoin { member: 7 },
            TapeOperation::Commit { sender: 0 },
        ]);
    }
    operations.extend([TapeOperation::Add { sender: 1, member: 8 }, application(0, 50)]);
    TapeSpec {
        joiners: 3,
        real_joiners: 2,
        group_infos: external,
        operations,
        ..spec(suite, Handshake::Public)
    }
}

#[test]
fn who_joins_by_welcome_or_by_itself_reads_what_follows_and_agrees_with_all() {
    let suites = ["x25519-aes128-ed25519", "x25519-chacha-ed25519-libcrux", "p256-aes128-p256"];
    for suite in suites.into_iter().chain(["xwing-chacha-ed25519"]) {
        for (external, handshake) in
            [(true, Handshake::Public), (false, Handshake::Public), (false, Handshake::Private)]
        {
            let spec = TapeSpec { handshake, ..churning(suite, external) };
            let tape = mint(&spec, &|_| ()).unwrap();
            check(&tape, &mut RealMember::join(&tape, 1).unwrap());
            let joined: Vec<u32> = tape.joins.iter().map(|join| join.member).collect();
            let expected: &[u32] = if external { &[9, 11, 11, 10, 7, 8] } else { &[9, 11, 11, 8] };
            assert_eq!(joined, expected);
            for (index, join) in tape.joins.iter().enumerate() {
                assert_eq!(join.real.is_some(), spec.is_real_joiner(join.member));
                if join.real.is_none() {
                    assert!(RealMember::join_later(&tape, index).is_err());
                    continue;
                }
                for _ in 0..2 {
                    check_joiner(&tape, index);
                }
            }
        }
    }
}

fn check_joiner(tape: &Tape, index: usize) {
    let place = usize::try_from(tape.joins[index].commit).unwrap();
    let mut joiner = RealMember::join_later(tape, index).unwrap();
    assert_eq!(joiner.epoch(), tape.messages[place].epoch.next());
    for message in &tape.messages[place + 1..] {
        joiner.process(&message.body).unwrap();
    }
    assert_eq!(joiner.authenticator(), tape.authenticator);
}

#[test]
fn what_a_commit_does_is_said_beside_it() {
    let tape = mint(&churning("x25519-aes128-ed25519", true), &|_| ()).unwrap();
    let effects: Vec<(Vec<u32>, Vec<u32>, u32)> = tape
        .messages
        .iter()
        .filter(|message| message.kind == Kind::Commit)
        .map(|message| message.effect.as_deref().unwrap())
        .map(|effect| (effect.added.clone(), effect.removed.clone(), effect.refers_to))
        .collect();
    let nobody = Vec::new;
    let expected = [
        (vec![9], nobody(), 0),
        (vec![11], vec![7], 3),
        (nobody(), vec![11], 0),
        (nobody(), vec![8], 0),
        (vec![11], nobody(), 0),
        (nobody(), vec![11, 6], 2),
        (vec![10], nobody(), 0),
        (vec![7], nobody(), 0),
        (nobody(), nobody(), 0),
        (vec![8], nobody(), 0),
    ];
    assert_eq!(effects, expected);
    for message in &tape.messages {
        let Some(effect) = message.effect.as_deref() else { continue };
        assert!(!effect.group_info.is_empty(), "external joins need one of every epoch");
        let by_welcome = !effect.added.is_empty() && message.sender != effect.added[0];
        assert_eq!(!effect.welcome.is_empty(), by_welcome);
    }
    let joins = tape.joins.iter().map(|join| (join.member, join.asked, join.commit));
    let expected = [(9, 1, 1), (11, 5, 6), (11, 10, 10), (10, 14, 14), (7, 16, 16), (8, 18, 18)];
    assert_eq!(joins.collect::<Vec<_>>(), expected);
}

#[test]
fn every_suite_of_the_registry_carries_a_real_group() {
    for suite in Suite::all() {
        let tape = mint(&spec(suite.name(), Handshake::Public), &|_| ()).unwrap();
        check(&tape, &mut RealMember::join(&tape, 0).unwrap());
        // MLSMessage: version, wire format; Welcome: cipher suite (RFC 9420 §12.4.3).
        assert_eq!(tape.welcome[4..6], suite.facts().code_point.to_be_bytes(), "{suite}");
    }
}

#[test]
fn a_message_changed_on_its_way_is_refused_and_the_true_one_still_accepted() {
    let tape = mint(&spec("x25519-aes128-ed25519", Handshake::Public), &|_| ()).unwrap();
    let mut member = RealMember::join(&tape, 1).unwrap();
    for message in &tape.messages {
        let mut changed = message.body.to_vec();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(matches!(member.process(&changed), Err(MemberError::Refused { .. })));
        assert!(member.process(&changed[..last]).is_err());
        member.process(&message.body).unwrap();
    }
    assert!(member.process(&tape.messages[3].body).is_err(), "a commit of a closed epoch");
    assert_eq!(member.authenticator(), tape.authenticator);
}

#[test]
fn an_application_message_may_arrive_as_many_epochs_late_as_the_service_allows() {
    let tape = mint(&spec("x25519-aes128-ed25519", Handshake::Public), &|_| ()).unwrap();
    let mut member = RealMember::join(&tape, 0).unwrap();
    let commits = tape.messages.iter().filter(|message| message.kind == Kind::Commit);
    for commit in commits.clone().take(3) {
        member.process(&commit.body).unwrap();
    }
    assert_eq!(member.process(&tape.messages[0].body), Ok(Processed::Application { bytes: 100 }));
    member.process(&commits.last().unwrap().body).unwrap();
    assert!(member.process(&tape.messages[2].body).is_err());
}

#[test]
fn many_tapes_are_minted_in_order_and_progress_adds_up_to_the_units() {
    let specs: Vec<TapeSpec> = [Handshake::Public, Handshake::Private]
        .into_iter()
        .cycle()
        .take(5)
        .map(|handshake| spec("x25519-chacha-ed25519", handshake))
        .collect();
    let done = AtomicU64::new(0);
    let count = |units| {
        done.fetch_add(units, Ordering::Relaxed);
    };
    let tapes = mint_all(&specs, &count).unwrap();
    assert_eq!(tapes.iter().map(|tape| tape.spec.clone()).collect::<Vec<_>>(), specs);
    assert_eq!(done.into_inner(), specs.iter().map(units).sum::<u64>());
}

#[test]
fn a_specification_out_of_bounds_is_refused() {
    let check = |change: fn(&mut TapeSpec)| {
        let mut spec = spec("x25519-aes128-ed25519", Handshake::Public);
        change(&mut spec);
        let error = mint(&spec, &|_| ()).unwrap_err();
        assert!(matches!(error, MintError::Spec(_)), "{error}");
    };
    check(|spec| spec.members = 1);
    check(|spec| spec.members = u32::MAX);
    check(|spec| spec.senders = 0);
    check(|spec| spec.senders = 10);
    check(|spec| spec.real = 7);
    check(|spec| {
        spec.operations.push(TapeOperation::Application { sender: 0, bytes: u32::MAX });
    });
    check(|spec| spec.operations.push(TapeOperation::Commit { sender: 3 }));
    check(|spec| spec.real_joiners = 1);
    check(|spec| spec.init_suite = Suite::named("xwing-aes128-ed25519").ok());
    check(|spec| spec.joiners = u32::try_from(crate::limits::ROSTER_MAX).unwrap());
    let check = check_with;
    check(&[TapeOperation::Add { sender: 0, member: 8 }]);
    check(&[TapeOperation::Add { sender: 0, member: 12 }]);
    check(&[TapeOperation::Remove { sender: 0, member: 11 }]);
    check(&[TapeOperation::Remove { sender: 0, member: 2 }]);
    check(&[TapeOperation::Leave { member: 10 }]);
    check(&[TapeOperation::ExternalJoin { member: 10 }]);
    let update = TapeOperation::ProposeUpdate { sender: 1 };
    check(&[update, update]);
    check(&[update, TapeOperation::Commit { sender: 1 }]);
    check(&[update, TapeOperation::Application { sender: 0, bytes: 1 }]);
    let remove = TapeOperation::ProposeRemove { sender: 1, member: 7 };
    check(&[remove, TapeOperation::Leave { member: 7 }]);
}

/// MLS allows none of this.
fn check_with(operations: &[TapeOperation]) {
    let spec = TapeSpec {
        joiners: 3,
        operations: operations.to_vec(),
        ..spec("x25519-aes128-ed25519", Handshake::Public)
    };
    let error = mint(&spec, &|_| ()).unwrap_err();
    assert!(matches!(error, MintError::Spec(_)), "{operations:?}: {error}");
}
