//! One test per rule.

use super::*;
use crate::limits::{
    KEY_PACKAGE_BYTES_MAX, KEY_PACKAGE_HANDED_AGE_MAX, KEY_PACKAGE_SUITES_MAX,
    KEY_PACKAGES_HANDED_MAX, KEY_PACKAGES_LOW, KEY_PACKAGES_PER_PUBLICATION_MAX,
    KEY_PACKAGES_PER_SUITE_MAX, MAILBOX_WELCOMES_MAX, OUTBOX_WELCOMES_MAX, SHELF_BYTES_MAX,
    WELCOME_AGE_MAX, WELCOMES_IN_FLIGHT_MAX,
};

#[test]
fn a_key_package_is_handed_out_once_in_the_order_of_publication() {
    let mut asked = Asked::new();
    assert_eq!(asked.publish(1, vec![package(1, 1), package(2, 1), package(3, 2)]), Ok(2));
    assert_eq!(asked.claim(9, 1, 1), Ok(1));
    assert_eq!(asked.claim(9, 1, 1), Ok(2));
    assert_eq!(asked.claim(9, 1, 1), Err(Reject::NoKeyPackage));
    assert_eq!(asked.claim(9, 1, 2), Ok(3));
    assert_eq!(asked.claim(9, 2, 1), Err(Reject::NoKeyPackage), "nobody else's");
    let again = asked.publish(1, vec![package(1, 1)]);
    assert_eq!(again, Err(Reject::BadKeyPackage), "not even when it is published again");
}

#[test]
fn the_last_resort_is_handed_out_when_nothing_else_is_left_and_kept() {
    let mut asked = Asked::new();
    asked.publish(1, vec![last_resort(7, 1)]).unwrap();
    asked.publish(1, vec![package(1, 1)]).unwrap();
    assert_eq!(asked.claim(9, 1, 1), Ok(1));
    assert_eq!([asked.claim(8, 1, 1), asked.claim(9, 1, 1)], [Ok(7), Ok(7)]);
    asked.publish(1, vec![last_resort(8, 1)]).unwrap();
    assert_eq!(asked.claim(9, 1, 1), Ok(8), "the newer one took its place");
    asked.deposit(1, &[1], &[7]);
    assert_eq!(asked.waiting(1), [reference(7)], "who was given the older one may still use it");
}

#[test]
fn what_has_expired_is_neither_taken_nor_handed_out() {
    let mut asked = Asked::new();
    let until = |number, not_after| KeyPackage { not_after, ..package(number, 1) };
    assert_eq!(asked.publish(1, vec![until(1, NOW)]), Err(Reject::BadKeyPackage));
    asked.publish(1, vec![until(1, NOW + 5), until(2, NOW + 50), until(3, NOW + 5)]).unwrap();
    asked.wait(5);
    assert_eq!(asked.claim(9, 1, 1), Ok(2));
    assert_eq!(asked.claim(9, 1, 1), Err(Reject::NoKeyPackage));
    assert_eq!(asked.shard.devices().directory().left(device(1), 1), 0);
    let resort = KeyPackage { not_after: NOW + 6, ..last_resort(4, 1) };
    asked.publish(1, vec![resort]).unwrap();
    asked.wait(1);
    assert_eq!(asked.claim(9, 1, 1), Err(Reject::NoKeyPackage));
}

#[test]
fn a_lifetime_may_begin_an_hour_from_now_for_clocks_differ() {
    let mut asked = Asked::new();
    let from = |number, not_before| KeyPackage { not_before, ..package(number, 1) };
    assert_eq!(asked.publish(1, vec![from(1, NOW + 3_601)]), Err(Reject::BadKeyPackage));
    assert_eq!(asked.publish(1, vec![from(1, NOW + 3_600)]), Ok(1));
}

#[test]
fn a_publication_is_taken_whole_or_not_at_all() {
    let mut asked = Asked::new();
    let foreign = KeyPackage { identity: Some(device(2)), ..package(2, 1) };
    for bad in [foreign, package(1, 1), last_resort(3, 1)] {
        let outcome = asked.publish_as(1, false, vec![package(1, 1), bad]);
        assert_eq!(outcome, Err(Reject::BadKeyPackage));
    }
    assert_eq!(asked.publish_as(1, true, vec![package(1, 1)]), Err(Reject::BadKeyPackage));
    assert_eq!(asked.publish(1, vec![]), Err(Reject::BadKeyPackage));
    assert_eq!(asked.claim(9, 1, 1), Err(Reject::NoKeyPackage));
    let own = KeyPackage { identity: Some(device(1)), ..package(2, 1) };
    assert_eq!(asked.publish(1, vec![package(1, 1), own]), Ok(2));
    assert_eq!(asked.publish(3, vec![package(1, 1)]), Err(Reject::BadKeyPackage), "another's");
}

#[test]
fn a_device_has_a_bounded_number_of_key_packages_and_suites() {
    let mut asked = Asked::new();
    let most = KEY_PACKAGES_PER_SUITE_MAX as u64;
    asked.publish(1, (0..most).map(|number| package(number, 1)).collect()).unwrap();
    assert_eq!(asked.publish(1, vec![package(most, 1)]), Err(Reject::TooManyKeyPackages));
    assert_eq!(asked.publish(2, vec![package(most, 1)]), Ok(1));
    asked.wait(1_000);
    let fresh = KeyPackage { not_after: u64::MAX, ..package(most + 1, 1) };
    assert_eq!(asked.publish(1, vec![fresh]), Ok(1), "those that have expired do not count");
    let suites = u16::try_from(KEY_PACKAGE_SUITES_MAX).unwrap();
    let resort = |suite: u16| vec![last_resort(u64::from(suite) << 32, suite)];
    for suite in 1..=suites {
        asked.publish(3, resort(suite)).unwrap();
    }
    assert_eq!(asked.publish(3, resort(suites + 1)), Err(Reject::TooManyKeyPackages));
    let two = vec![last_resort(1 << 40, 1), last_resort(2 << 40, 1)];
    assert_eq!(asked.publish(4, two), Err(Reject::TooManyKeyPackages));
}

#[test]
fn what_waits_for_a_device_fits_one_log_entry_whatever_it_publishes() {
    let mut asked = Asked::new();
    let body = Bytes::from(vec![0; KEY_PACKAGE_BYTES_MAX]);
    let large = |number: u64, suite| KeyPackage { body: body.clone(), ..package(number, suite) };
    let most = KEY_PACKAGES_PER_PUBLICATION_MAX as u64;
    asked.publish(1, (0..most).map(|number| large(number, 1)).collect()).unwrap();
    let resort = |number: u64| KeyPackage { body: body.clone(), ..last_resort(number, 1) };
    asked.publish(1, vec![resort(1 << 20)]).unwrap();
    let shelf = |asked: &Asked| asked.shard.devices().directory().bytes();
    let mut number = most;
    while asked.publish(1, vec![large(number, 2)]).is_ok() {
        number += 1;
    }
    assert!(shelf(&asked) <= SHELF_BYTES_MAX, "{}", shelf(&asked));
    assert!(shelf(&asked) + 2 * KEY_PACKAGE_BYTES_MAX > SHELF_BYTES_MAX, "{}", shelf(&asked));
    let further = asked.publish(1, vec![large(number, 2)]);
    assert_eq!(further, Err(Reject::TooManyKeyPackages));
    assert!(asked.publish(1, vec![resort(2 << 20)]).is_ok(), "it takes the place of another");
    assert_eq!(asked.publish(2, vec![large(number, 2)]), Ok(1), "each has a shelf of its own");
    asked.wait(1_000);
    let fresh = KeyPackage { not_after: u64::MAX, ..large(number + 1, 3) };
    assert_eq!(asked.publish(1, vec![fresh]), Ok(1), "those that have expired do not count");
    assert!(shelf(&asked) <= 5 * KEY_PACKAGE_BYTES_MAX, "and are dropped, of every suite");
}

#[test]
fn a_claimer_that_asks_too_often_is_told_to_slow_down_and_takes_nothing() {
    let mut asked = Asked::new();
    asked.publish(1, (0..300).map(|number| package(number, 1)).collect()).unwrap();
    let burst = u64::from(crate::limits::CLAIMS_BURST);
    for number in 0..burst {
        assert_eq!(asked.claim(9, 1, 1), Ok(number));
    }
    let told = asked.claim(9, 1, 1);
    assert!(matches!(told, Err(Reject::SlowDown { retry_ms: 63 })), "{told:?}");
    assert_eq!(asked.claim(8, 1, 1), Ok(burst), "another one is not held back");
    asked.now += Duration::from_millis(63);
    assert_eq!(asked.claim(9, 1, 1), Ok(burst + 1));
}

#[test]
fn an_owner_is_told_when_few_key_packages_are_left_and_when_none_is() {
    let mut asked = Asked::new();
    let collect = |asked: &mut Asked| {
        let told = asked.ask(Ask::Collect { from: FROM, device: device(1) }).unwrap();
        let low = |it: &Told| match it {
            Told::LowKeyPackages { to: FROM, suite, left } => Some((*suite, *left)),
            _ => None,
        };
        told.iter().filter_map(low).collect::<Vec<_>>()
    };
    let low = u64::from(KEY_PACKAGES_LOW);
    asked.publish(1, (0..=low).map(|number| package(number, 1)).collect()).unwrap();
    assert_eq!(collect(&mut asked), []);
    let mut told = Vec::new();
    for _ in 0..=low {
        let (from, request) = (FROM, MessageId([2; 16]));
        let (claimer, device, suite) = (device(9), device(1), 1);
        let ask = Ask::Claim { from, claimer, request, device, suite };
        for it in asked.ask(ask).unwrap() {
            if let Told::LowKeyPackages { left, .. } = it {
                told.push(left);
            }
        }
    }
    assert_eq!(told, [KEY_PACKAGES_LOW, 0]);
    assert_eq!(collect(&mut asked), [(1, 0)], "who was away is told when it is back");
}

#[test]
fn an_owner_is_told_when_its_key_packages_have_expired() {
    let mut asked = Asked::new();
    let most = u64::from(KEY_PACKAGES_LOW) + 1;
    let publish = |asked: &mut Asked, suite: u16| {
        let number = |number: u64| package((u64::from(suite) << 32) + number, suite);
        asked.publish(1, (0..most).map(number).collect()).unwrap();
    };
    (1..=3).for_each(|suite| publish(&mut asked, suite));
    let lasting = |number: u64| KeyPackage { not_after: u64::MAX, ..package(number, 1) };
    asked.publish(1, (0..3).map(lasting).collect()).unwrap();
    let from = FROM;
    let collect = Ask::Collect { from, device: device(1) };
    assert_eq!(asked.ask(collect.clone()), Ok(vec![]));
    asked.wait(1_000);
    let low = |told: Vec<Output>| {
        let low = |it: &Output| match it {
            Output::Joining(Told::LowKeyPackages { to: FROM, suite, left }) => {
                Some((*suite, *left))
            }
            _ => None,
        };
        told.iter().filter_map(low).collect::<Vec<_>>()
    };
    let claim = |asked: &mut Asked, suite: u16| {
        let (claimer, request) = (device(9), MessageId([2; 16]));
        let device = device(1);
        low(asked.handle(Input::Joining(Ask::Claim { from, claimer, request, device, suite })))
    };
    assert_eq!(claim(&mut asked, 1), [(1, 2)], "two of the three that last");
    assert_eq!(claim(&mut asked, 2), [(2, 0)], "a claim finds nothing");
    assert_eq!(claim(&mut asked, 2), [(2, 0)]);
    assert_eq!(claim(&mut asked, 7), [], "it never published of this suite");
    let (request, packages) = (MessageId([1; 16]), vec![lasting(9)]);
    let (device, last_resort) = (device(1), false);
    let publish = Ask::Publish { from, device, request, last_resort, packages };
    assert_eq!(low(asked.handle(Input::Joining(publish))), [(3, 0)], "a publication finds it");
    let told = low(asked.handle(Input::Joining(collect)));
    assert_eq!(told, [(1, 3), (2, 0), (3, 0)]);
}

#[test]
fn a_welcome_reaches_only_whom_its_commit_adds_by_a_key_package_that_was_handed_out() {
    let mut asked = Asked::new();
    for (whose, number) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
        asked.publish(whose, vec![package(number, 1)]).unwrap();
    }
    for whose in 1..=3 {
        asked.claim(9, whose, 1).unwrap();
    }
    // 3 is not added, 4 was not claimed, 99 nobody has published.
    let told = asked.deposit(5, &[1, 2, 4], &[1, 2, 3, 4, 99]);
    let (group, seq, devices) = (group(), Seq(5), [1, 2, 4].map(device).to_vec());
    assert_eq!(told, [Told::Taken { group, seq, devices, dropped: 0 }], "all are dealt with");
    let waiting: Vec<usize> = (1..=4).map(|whose| asked.waiting(whose).len()).collect();
    assert_eq!(waiting, [1, 1, 0, 0]);
    let letters = asked.shard.devices().mailboxes().save(device(2));
    assert_eq!(letters[0].1.secrets, "secrets 2");
    assert_eq!(letters[0].1.group_info, "group info");
}

#[test]
fn a_welcome_that_is_posted_twice_arrives_once_even_after_it_was_collected() {
    let mut asked = Asked::new();
    asked.publish(1, vec![package(1, 1)]).unwrap();
    asked.publish(2, vec![last_resort(2, 1)]).unwrap();
    asked.claim(9, 1, 1).unwrap();
    asked.claim(9, 2, 1).unwrap();
    for _ in 0..2 {
        let told = asked.deposit(5, &[1, 2], &[1, 2]);
        assert!(matches!(told[..], [Told::Taken { .. }]), "answered every time");
        assert_eq!(asked.waiting(1).len() + asked.waiting(2).len(), 2);
    }
    asked.deposit(6, &[2], &[2]);
    assert_eq!(asked.waiting(2).len(), 2, "a last resort is good for another commit");
    let (number, _) = asked.shard.devices().mailboxes().save(device(1)).remove(0);
    asked.ask(Ask::Collected { device: device(2), number }).unwrap();
    assert_eq!(asked.waiting(1).len(), 1, "another device cannot collect it");
    asked.ask(Ask::Collected { device: device(1), number }).unwrap();
    asked.deposit(5, &[1], &[1]);
    assert_eq!(asked.waiting(1), []);
}

#[test]
fn a_session_is_told_so_many_welcomes_as_may_be_in_flight_and_the_next_for_each_collected() {
    let mut asked = Asked::new();
    let most = WELCOMES_IN_FLIGHT_MAX;
    asked.publish(1, vec![last_resort(1, 1)]).unwrap();
    for seq in 1..=most as u64 + 2 {
        asked.deposit(seq, &[1], &[1]);
    }
    let collect = |session| Ask::Collect { from: Link { session, ..FROM }, device: device(1) };
    let told = welcomes(&asked.ask(collect(1)).unwrap());
    assert_eq!(told.len(), most);
    assert!(told.is_sorted());
    assert_eq!(welcomes(&asked.ask(collect(2)).unwrap()), told, "every session from the oldest on");
    let collected = |number| Ask::Collected { device: device(1), number };
    let next = welcomes(&asked.ask(collected(told[3])).unwrap());
    assert_eq!(next, [told[most - 1] + 1; 2], "both sessions");
    asked.ask(Ask::Leave { from: Link { session: 2, ..FROM }, device: device(1) }).unwrap();
    assert_eq!(welcomes(&asked.ask(collected(told[0])).unwrap()).len(), 1);
    assert_eq!(asked.ask(collected(told[0])), Ok(vec![]), "collected once");
    for (number, _) in asked.shard.devices().mailboxes().save(device(1)) {
        asked.ask(collected(number)).unwrap();
    }
    assert_eq!(welcomes(&asked.deposit(99, &[1], &[1])).len(), 1, "who listens is told at once");
}

#[test]
fn a_full_mailbox_drops_its_oldest_welcome_and_one_that_is_too_old_is_dropped() {
    let mut asked = Asked::new();
    asked.publish(1, vec![last_resort(1, 1)]).unwrap();
    let dropped = |told: Vec<Told>| match told[..] {
        [Told::Taken { dropped, .. }] => dropped,
        ref other => panic!("{other:?}"),
    };
    for seq in 1..=MAILBOX_WELCOMES_MAX as u64 {
        assert_eq!(dropped(asked.deposit(seq, &[1], &[1])), 0);
    }
    assert_eq!(dropped(asked.deposit(5_000, &[1], &[1])), 1);
    let letters = asked.shard.devices().mailboxes().save(device(1));
    assert_eq!(letters.len(), MAILBOX_WELCOMES_MAX);
    assert_eq!((letters[0].1.seq, letters.last().unwrap().1.seq), (Seq(2), Seq(5_000)));
    asked.wait(WELCOME_AGE_MAX.as_secs() + 1);
    assert_eq!(dropped(asked.deposit(5_001, &[1], &[1])), MAILBOX_WELCOMES_MAX);
    assert_eq!(asked.waiting(1).len(), 1);
}

#[test]
fn what_was_handed_out_is_remembered_for_a_bounded_number_and_time() {
    let mut asked = Asked::new();
    let most = KEY_PACKAGES_HANDED_MAX as u64;
    let claim = |asked: &mut Asked, number: u64| {
        asked.now += Duration::from_secs(1);
        asked.publish(1, vec![KeyPackage { not_after: u64::MAX, ..package(number, 1) }]).unwrap();
        assert_eq!(asked.claim(9, 1, 1), Ok(number));
    };
    for number in 0..=most {
        claim(&mut asked, number);
    }
    asked.deposit(1, &[1], &[0]);
    assert_eq!(asked.waiting(1), [], "the oldest is forgotten");
    asked.deposit(2, &[1], &[1]);
    assert_eq!(asked.waiting(1), [reference(1)]);
    asked.wait(KEY_PACKAGE_HANDED_AGE_MAX.as_secs() + 1);
    claim(&mut asked, most + 1);
    asked.deposit(3, &[1], &[2]);
    assert_eq!(asked.waiting(1), [reference(1)], "all are, but the last");
    let saved = asked.shard.devices().directory().save(device(1)).unwrap();
    assert_eq!(saved.handed.len(), 1);
    asked.wait(2 * KEY_PACKAGE_HANDED_AGE_MAX.as_secs());
    let late = KeyPackage { not_after: u64::MAX, ..package(u64::MAX - 1, 2) };
    asked.publish(2, vec![late]).unwrap();
    asked.claim(9, 2, 2).unwrap();
    assert!(asked.shard.devices().directory().save(device(1)).is_none(), "nothing of it is left");
}

/// A group of devices 1 and 2 with a GroupInfo and a tree.
fn founded(asked: &mut Asked) {
    let blob = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let founding = Founding {
        group_info: blob("info 0"),
        tree: blob("tree 0"),
        ..Founding::plain(group(), vec![device(1), device(2)])
    };
    let (from, device, request) = (FROM, device(1), MessageId([3; 16]));
    let create = Input::Create { from, device, request, founding: Box::new(founding) };
    assert!(matches!(asked.handle(create)[..], [Output::Created(_), Output::Done { .. }]));
}

fn commit(asked: &mut Asked, epoch: u64, added: &[u8], enclosed: Enclosed) -> Vec<Output> {
    let change =
        RosterChange { added: added.iter().copied().map(device).collect(), removed: Vec::new() };
    let submission = Submission {
        id: asked.next_id(),
        group: group(),
        epoch: Epoch(epoch),
        kind: Kind::Commit,
        joins: false,
        change,
        enclosed,
        body: Bytes::from(format!("commit {epoch}")),
    };
    asked.handle(Input::Submit { from: FROM, device: device(1), submission })
}

fn enclosed(welcome: Option<&'static str>, group_info: Option<&'static str>) -> Enclosed {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    Enclosed { welcome: welcome.map(bytes), group_info: group_info.map(bytes) }
}

#[test]
fn a_welcome_leaves_when_its_commit_has_won_and_is_kept_until_its_devices_shards_have_it() {
    let mut asked = Asked::new();
    founded(&mut asked);
    let won = commit(&mut asked, 0, &[3, 4], enclosed(Some("welcome"), None));
    let forward = Told::Forward {
        group: group(),
        seq: Seq(1),
        devices: vec![device(3), device(4)],
        welcome: Bytes::from_static(b"welcome"),
    };
    let [Output::Appended { .. }, Output::Accepted { .. }, Output::Joining(told)] = &won[..] else {
        panic!("{won:?}");
    };
    assert_eq!(told, &forward);
    let lost = commit(&mut asked, 0, &[5], enclosed(Some("loser's"), None));
    assert!(matches!(lost[..], [Output::Rejected { .. }]), "dropped with its commit: {lost:?}");
    let nobody = commit(&mut asked, 1, &[], enclosed(Some("for nobody"), None));
    assert!(matches!(nobody[..], [Output::Appended { .. }, Output::Accepted { .. }]));

    let outbox = |asked: &Asked| asked.shard.group(&group()).unwrap().enclosures().outbox().len();
    let release = |numbers: &[u8]| {
        let devices = numbers.iter().copied().map(device).collect();
        Ask::Release { group: group(), seq: Seq(1), devices }
    };
    asked.ask(release(&[3])).unwrap();
    asked.shard.forward_again();
    let again: Vec<Output> = std::iter::from_fn(|| asked.shard.poll()).collect();
    let Told::Forward { group, seq, welcome, .. } = forward else { unreachable!() };
    let rest = Told::Forward { group, seq, welcome, devices: vec![device(4)] };
    assert_eq!(again, [Output::Joining(rest)], "after a restart, to who has not got it");
    let before = asked.records.len();
    asked.ask(release(&[3])).unwrap();
    assert_eq!(asked.records.len(), before, "nothing changed, nothing to log");
    assert_eq!(outbox(&asked), 1);
    asked.ask(release(&[4])).unwrap();
    assert_eq!(asked.records.len(), before + 1);
    assert_eq!(outbox(&asked), 0);
}

#[test]
fn a_full_outbox_slows_down_commits_that_bring_a_welcome_and_no_others() {
    let mut asked = Asked::new();
    founded(&mut asked);
    for epoch in 0..OUTBOX_WELCOMES_MAX as u64 {
        let added = u8::try_from(epoch).unwrap() + 100;
        let outputs = commit(&mut asked, epoch, &[added], enclosed(Some("welcome"), None));
        assert!(matches!(outputs[..], [Output::Appended { .. }, ..]), "{outputs:?}");
    }
    let epoch = OUTBOX_WELCOMES_MAX as u64;
    let over = commit(&mut asked, epoch, &[99], enclosed(Some("welcome"), None));
    let slow = Reject::SlowDown { retry_ms: 1_000 };
    assert!(matches!(over[..], [Output::Rejected { reason, .. }] if reason == slow), "{over:?}");
    let plain = commit(&mut asked, epoch, &[98], enclosed(None, None));
    assert!(matches!(plain[..], [Output::Appended { .. }, Output::Accepted { .. }]));
}

#[test]
fn a_group_info_describes_the_current_epoch_or_is_not_there() {
    let mut asked = Asked::new();
    founded(&mut asked);
    let fetch = |asked: &mut Asked| {
        asked.now += Duration::from_secs(10);
        let (from, device, request) = (FROM, device(9), MessageId([4; 16]));
        let told = asked.ask(Ask::Fetch { from, device, request, group: group() })?;
        match told.into_iter().next() {
            Some(Told::GroupInfo { epoch, group_info, tree, .. }) => {
                let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                Ok((epoch.0, text(group_info), tree.map(text)))
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fetch(&mut asked), Ok((0, "info 0".into(), Some("tree 0".into()))));
    commit(&mut asked, 0, &[], enclosed(None, Some("info 1")));
    assert_eq!(fetch(&mut asked), Ok((1, "info 1".into(), None)));
    commit(&mut asked, 0, &[], enclosed(None, Some("loser's")));
    assert_eq!(fetch(&mut asked), Ok((1, "info 1".into(), None)));
    asked.shard.set_tree(&group(), Some(&Bytes::from_static(b"tree 1")));
    assert_eq!(fetch(&mut asked), Ok((1, "info 1".into(), Some("tree 1".into()))));
    let too_long = Bytes::from(vec![0; crate::limits::MESSAGE_BYTES_MAX]);
    asked.shard.set_tree(&group(), Some(&too_long));
    assert_eq!(fetch(&mut asked), Ok((1, "info 1".into(), None)), "the two fit no frame");
    commit(&mut asked, 1, &[], enclosed(None, None));
    assert_eq!(fetch(&mut asked), Err(Reject::NoGroupInfo));
    let (from, request) = (FROM, MessageId([5; 16]));
    asked.handle(Input::Delete { from, request, group: group() });
    assert_eq!(asked.shard.joining_bytes, 0, "nothing is counted that is not there");
    assert_eq!(fetch(&mut asked), Err(Reject::UnknownGroup));
}

#[test]
fn who_fetches_too_often_is_told_to_slow_down() {
    let mut asked = Asked::new();
    founded(&mut asked);
    let (from, device, request) = (FROM, device(9), MessageId([4; 16]));
    let fetch = Ask::Fetch { from, device, request, group: group() };
    for _ in 0..crate::limits::FETCHES_BURST {
        assert!(asked.ask(fetch.clone()).is_ok());
    }
    let slow = Reject::SlowDown { retry_ms: 1_000 };
    assert_eq!(asked.ask(fetch), Err(slow));
}
