//! Every suite of every stack, and groups with members of both.

use super::*;

const GROUP: &[u8] = b"a group of tests";

/// A creator of `one` and a joiner of `other`, who has processed nothing yet.
fn pair(one: StackKind, other: StackKind, suite: u16) -> [Box<dyn Member>; 2] {
    let creator = one.open().unwrap().candidate(suite, b"creator").unwrap();
    let joiner = other.open().unwrap().candidate(suite, b"joiner").unwrap();
    let mut creator = creator.create(GROUP).unwrap();
    let made = creator.commit(&[], &[joiner.key_package()]).unwrap();
    creator.merge().unwrap();
    let joiner = joiner.join(&made.welcome, &creator.tree().unwrap()).unwrap();
    [creator, joiner]
}

fn agree(members: &[&dyn Member]) {
    let first = members[0].authenticator().unwrap();
    assert!(members.iter().all(|member| member.authenticator().unwrap() == first));
}

/// What a group does in its life, by members of two stacks.
fn check(one: StackKind, other: StackKind, suite: u16) {
    let [mut creator, mut joiner] = pair(one, other, suite);
    agree(&[&*creator, &*joiner]);
    let message = creator.encrypt(b"to the joiner").unwrap();
    assert_eq!(joiner.decrypt(&message).unwrap(), b"to the joiner");
    let message = joiner.encrypt(b"to the creator").unwrap();
    assert_eq!(creator.decrypt(&message).unwrap(), b"to the creator");
    let lost = creator.commit(&[], &[]).unwrap();
    creator.forget().unwrap();
    let commit = joiner.commit(&[], &[]).unwrap();
    joiner.merge().unwrap();
    creator.process(&commit.message).unwrap();
    agree(&[&*creator, &*joiner]);
    joiner.process(&lost.message).unwrap_err();
    let (info, tree) = (joiner.group_info().unwrap(), joiner.tree().unwrap());
    let third = one.open().unwrap().candidate(suite, b"third").unwrap();
    let (third, commit) = third.join_externally(&info, &tree).unwrap();
    creator.process(&commit).unwrap();
    joiner.process(&commit).unwrap();
    agree(&[&*creator, &*joiner, &*third]);
    let commit = joiner.commit(&[2], &[]).unwrap();
    assert!(commit.welcome.is_empty());
    joiner.merge().unwrap();
    creator.process(&commit.message).unwrap();
    agree(&[&*creator, &*joiner]);
    assert_ne!(third.authenticator().unwrap(), creator.authenticator().unwrap());
}

#[test]
fn every_suite_that_a_stack_offers_makes_a_group_in_it() {
    for kind in StackKind::ALL {
        let offers = kind.open().unwrap().offers();
        assert!(!offers.is_empty());
        for suite in offers {
            check(kind, kind, suite);
        }
    }
}

#[test]
fn members_of_different_stacks_make_one_group_in_every_suite_that_both_offer() {
    let mut shared = 0;
    for one in StackKind::ALL {
        for other in StackKind::ALL.into_iter().filter(|other| *other != one) {
            let offers = other.open().unwrap().offers();
            let both = one.open().unwrap().offers().into_iter().filter(|it| offers.contains(it));
            for suite in both {
                check(one, other, suite);
                shared += 1;
            }
        }
    }
    // Suites 1 and 3 of RFC 9420 in all three, suite 2 in two; each pair in both orders.
    assert_eq!(shared, 2 * (2 + 3 + 2));
}

#[test]
fn a_suite_that_a_stack_does_not_offer_is_refused() {
    for kind in StackKind::ALL {
        // X448 with Ed448: nobody's.
        assert!(kind.open().unwrap().candidate(4, b"nobody").is_err(), "{}", kind.name());
        assert_eq!(StackKind::named(kind.name()), Some(kind));
    }
    assert_eq!(StackKind::named("openmls"), None);
}
