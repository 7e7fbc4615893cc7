//! From a KeyPackage to a member, end to end, with OpenMLS on both ends.

use openmls::prelude::GroupId;
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use tls_codec::Deserialize as _;
use tls_codec::Serialize as _;

use super::*;
use crate::delivery::Reject;
use crate::wire::{Counter, OPERATOR, Reason};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// A device's MLS.
pub(super) struct Mls {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Mls {
    pub(super) fn new(number: u8) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(vec![number; 16]).into(),
            signature_key: signer.to_public_vec().into(),
        };
        Self { provider, signer, credential }
    }

    pub(super) fn key_package(&self, last_resort: bool) -> Bytes {
        let builder = KeyPackage::builder();
        let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
        let bundle =
            builder.build(SUITE, &self.provider, &self.signer, self.credential.clone()).unwrap();
        MlsMessageOut::from(bundle.key_package().clone()).to_bytes().unwrap().into()
    }

    fn found(&self, id: &crate::delivery::GroupId) -> MlsGroup {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        let id = GroupId::from_slice(id.as_bytes());
        let credential = self.credential.clone();
        MlsGroup::new_with_group_id(&self.provider, &self.signer, &config, id, credential).unwrap()
    }

    fn join(&self, welcome: &Bytes, tree: &Bytes) -> MlsGroup {
        let message = MlsMessageIn::tls_deserialize_exact(&welcome[..]).unwrap();
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { panic!("a Welcome") };
        let tree = RatchetTreeIn::tls_deserialize_exact(&tree[..]).unwrap();
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        StagedWelcome::new_from_welcome(&self.provider, &config, welcome, Some(tree))
            .unwrap()
            .into_group(&self.provider)
            .unwrap()
    }

    fn group_info(&self, group: &MlsGroup) -> Bytes {
        let info = group.export_group_info(self.provider.crypto(), &self.signer, false).unwrap();
        info.to_bytes().unwrap().into()
    }
}

fn tree(group: &MlsGroup) -> Bytes {
    group.export_ratchet_tree().tls_serialize_detached().unwrap().into()
}

fn parsed(key_package: &Bytes, mls: &Mls) -> KeyPackage {
    let message = MlsMessageIn::tls_deserialize_exact(&key_package[..]).unwrap();
    let MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a KeyPackage") };
    package.validate(mls.provider.crypto(), ProtocolVersion::Mls10).unwrap()
}

impl Service {
    fn publish(&mut self, session: SessionNumber, last_resort: bool, packages: &[Bytes]) -> Reply {
        let request = message_id(0xf00);
        let packages = packages.to_vec();
        self.client.request(session, &Request::Publish { request, last_resort, packages });
        self.answer_to(session, request)
    }

    fn claim(&mut self, session: SessionNumber, number: u8, id: u64) -> Reply {
        let (request, suite) = (message_id(id), 1);
        let claim = Request::Claim { request, device: device(number), suite };
        self.client.request(session, &claim);
        self.answer_to(session, request)
    }

    fn fetch(&mut self, session: SessionNumber, group: crate::delivery::GroupId) -> Reply {
        let request = message_id(0xfe7c);
        self.client.request(session, &Request::Fetch { request, group });
        self.answer_to(session, request)
    }

    fn answer_to(&mut self, session: SessionNumber, wanted: MessageId) -> Reply {
        self.reply(session, |reply| match reply {
            Reply::Published { request, .. }
            | Reply::KeyPackage { request, .. }
            | Reply::GroupInfo { request, .. } => *request == wanted,
            Reply::Rejected { id, .. } => *id == wanted,
            _ => false,
        })
    }

    /// The next Welcome of a session: its number and itself.
    fn welcome(&mut self, session: SessionNumber) -> (u64, Bytes) {
        let welcome = |heard: &Heard| matches!(heard, Heard::Delivery(Delivery::Welcome { .. }));
        match self.until(session, welcome) {
            Heard::Delivery(Delivery::Welcome { number, body, .. }) => (number, body),
            _ => unreachable!("asked for a Welcome"),
        }
    }
}

fn body(reply: Reply) -> Bytes {
    match reply {
        Reply::KeyPackage { body, .. } => body,
        other => panic!("no KeyPackage: {other:?}"),
    }
}

fn refused(request: u64, reason: Reject) -> Reply {
    Reply::Rejected { id: message_id(request), reason: Reason::Rejected(reason) }
}

#[test]
fn a_device_is_added_while_away_collects_its_welcome_joins_and_reads() {
    for shards in [1, 2, 4] {
        let mut service = Service::start(shards);
        let group = group(1);
        let [alice_mls, bob_mls] = [1, 2].map(Mls::new);
        let bob = service.join(2);
        let packages = [bob_mls.key_package(false), bob_mls.key_package(false)];
        let published = service.publish(bob, false, &packages);
        assert!(matches!(published, Reply::Published { left: 2, .. }), "{published:?}");
        service.client.close(clock::now(), bob);

        let alice = service.join(1);
        let mut alice_group = alice_mls.found(&group);
        service.create(alice, group, &[1]);
        service.attach(alice, group, 0);
        let package = parsed(&body(service.claim(alice, 2, 1)), &alice_mls);
        let (provider, signer) = (&alice_mls.provider, &alice_mls.signer);
        let (commit, welcome, _) = alice_group.add_members(provider, signer, &[package]).unwrap();
        let change = RosterChange { added: vec![device(2)], removed: vec![] };
        let welcome = Bytes::from(welcome.to_bytes().unwrap());
        let enclosed = Enclosed { welcome: Some(welcome), group_info: None };
        let body = commit.to_bytes().unwrap().into();
        let id = message_id(7);
        service.client.request(alice, &Request::Submit { id, change, enclosed, body });
        service.reply(alice, |reply| matches!(reply, Reply::Accepted { seq: Seq(1), .. }));
        alice_group.merge_pending_commit(provider).unwrap();
        let text = alice_group.create_message(provider, signer, b"welcome, bob").unwrap();
        service.submit(alice, 8, text.to_bytes().unwrap().into());

        let bob = service.join(2);
        service.client.request(bob, &Request::Collect);
        let (number, welcome) = service.welcome(bob);
        let mut bob_group = bob_mls.join(&welcome, &tree(&alice_group));
        service.client.request(bob, &Request::Collected { number });
        service.attach(bob, group, 1);
        let message = |heard: &Heard| matches!(heard, Heard::Delivery(Delivery::Deliver { .. }));
        let Heard::Delivery(Delivery::Deliver { seq: Seq(2), body: message, .. }) =
            service.until(bob, message)
        else {
            panic!("the message after the commit");
        };
        let message = MlsMessageIn::tls_deserialize_exact(&message[..]).unwrap();
        let message = message.try_into_protocol_message().unwrap();
        let processed = bob_group.process_message(&bob_mls.provider, message).unwrap();
        let ProcessedMessageContent::ApplicationMessage(read) = processed.into_content() else {
            panic!("an application message");
        };
        assert_eq!(read.into_bytes(), b"welcome, bob");

        let again = service.join(2);
        service.client.request(again, &Request::Collect);
        let left: Vec<Heard> = service.idle(again);
        assert!(
            !left.iter().any(|it| matches!(it, Heard::Delivery(Delivery::Welcome { .. }))),
            "collected for good: {left:?}"
        );
    }
}

#[test]
fn a_losing_commits_welcome_reaches_nobody_and_the_winners_reaches_who_is_listening() {
    let mut service = Service::start(2);
    let group = group(1);
    let [alice_mls, carol_mls, bob_mls] = [1, 3, 2].map(Mls::new);
    let [alice, bob, carol] = [1, 2, 3].map(|number| service.join(number));
    service.publish(bob, false, &[bob_mls.key_package(false), bob_mls.key_package(false)]);
    service.client.request(bob, &Request::Collect);
    service.create(alice, group, &[1, 3]);
    let mut welcomes = Vec::new();
    for (mls, session, id) in [(&alice_mls, alice, 1), (&carol_mls, carol, 2)] {
        let package = parsed(&body(service.claim(session, 2, id)), mls);
        let mut own = mls.found(&group);
        let (commit, welcome, _) = own.add_members(&mls.provider, &mls.signer, &[package]).unwrap();
        let welcome = Bytes::from(welcome.to_bytes().unwrap());
        welcomes.push(welcome.clone());
        let enclosed = Enclosed { welcome: Some(welcome), group_info: None };
        let change = RosterChange { added: vec![device(2)], removed: vec![] };
        let (id, body) = (message_id(id), commit.to_bytes().unwrap().into());
        service.client.request(session, &Request::Submit { id, change, enclosed, body });
        service.reply(session, |reply| {
            matches!(reply, Reply::Accepted { .. } | Reply::Rejected { .. })
        });
    }
    let (_, welcome) = service.welcome(bob);
    assert_eq!(welcome, welcomes[0], "of one joiner, so whole");
    let more = service.idle(bob);
    assert!(!more.iter().any(|it| matches!(it, Heard::Delivery(Delivery::Welcome { .. }))));
}

#[test]
fn claimers_on_different_shards_never_share_a_key_package_but_that_of_last_resort() {
    let mut service = Service::start(2);
    let bob_mls = Mls::new(2);
    let [alice, bob, carol] = [1, 2, 3].map(|number| service.join(number));
    assert_eq!(service.claim(alice, 2, 9), refused(9, Reject::NoKeyPackage));
    let packages: Vec<Bytes> = (0..20).map(|_| bob_mls.key_package(false)).collect();
    service.publish(bob, false, &packages);
    for round in 0..15 {
        for session in [alice, carol] {
            let (device, request) = (device(2), message_id(round));
            service.client.request(session, &Request::Claim { request, device, suite: 1 });
        }
    }
    let mut claimed = Vec::new();
    let mut refusals = 0;
    for round in 0..15 {
        for session in [alice, carol] {
            match service.answer_to(session, message_id(round)) {
                Reply::KeyPackage { body, last_resort: false, .. } => claimed.push(body),
                other => {
                    assert_eq!(other, refused(round, Reject::NoKeyPackage));
                    refusals += 1;
                }
            }
        }
    }
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!((claimed.len(), refusals), (20, 10), "each once");
    let last = bob_mls.key_package(true);
    assert!(matches!(
        service.publish(bob, true, std::slice::from_ref(&last)),
        Reply::Published { left: 0, .. }
    ));
    for (session, id) in [(alice, 50), (carol, 51), (alice, 52)] {
        assert_eq!(body(service.claim(session, 2, id)), last);
    }
}

#[test]
fn an_owner_that_listens_is_told_when_its_key_packages_run_low() {
    let mut service = Service::start(2);
    let bob_mls = Mls::new(2);
    let [alice, bob] = [1, 2].map(|number| service.join(number));
    service.publish(bob, false, &[bob_mls.key_package(false), bob_mls.key_package(false)]);
    service.client.request(bob, &Request::Collect);
    let low = |heard: &Heard| match heard {
        Heard::Delivery(Delivery::LowKeyPackages { suite: 1, left }) => Some(*left),
        _ => None,
    };
    let at_once = service.until(bob, |heard| low(heard).is_some());
    assert_eq!(low(&at_once), Some(2));
    for id in 1..=2 {
        service.claim(alice, 2, id);
    }
    let later = service.until(bob, |heard| low(heard).is_some());
    assert_eq!(low(&later), Some(0));
}

#[test]
fn a_key_package_that_is_not_the_devices_own_or_none_at_all_is_refused() {
    let mut service = Service::start(2);
    let bob = service.join(2);
    let foreign = Mls::new(3).key_package(false);
    let refusal = refused(0xf00, Reject::BadKeyPackage);
    assert_eq!(service.publish(bob, false, &[foreign]), refusal);
    let own = Mls::new(2).key_package(false);
    assert_eq!(
        service.publish(bob, true, std::slice::from_ref(&own)),
        refusal,
        "it is not marked so"
    );
    let cut = own.slice(..own.len() - 1);
    assert_eq!(service.publish(bob, false, &[own.clone(), cut]), refusal);
    assert!(matches!(service.publish(bob, false, &[own]), Reply::Published { left: 1, .. }));
}

#[test]
fn what_an_external_join_needs_is_there_for_the_current_epoch_alone() {
    let mut service = Service::start(2);
    let group = group(1);
    let mls = Mls::new(1);
    let [alice, bob] = [1, 2].map(|number| service.join(number));
    let mut own = mls.found(&group);
    let (info, at_first) = (mls.group_info(&own), tree(&own));
    let Request::Create { request, epoch, group: id, durability, level, roster, .. } =
        Request::plain_group(MessageId([0xcc; 16]), group, Epoch(0), vec![device(1)])
    else {
        unreachable!("a creation");
    };
    let (group_info, tree) = (Some(info.clone()), Some(at_first.clone()));
    let create =
        Request::Create { request, epoch, group: id, durability, level, roster, group_info, tree };
    service.client.request(alice, &create);
    service.reply(alice, |reply| matches!(reply, Reply::Done { .. }));
    let request = message_id(0xfe7c);
    let (epoch, tree) = (Epoch(0), Some(at_first));
    let founding = Reply::GroupInfo { request, epoch, group_info: info, tree };
    assert_eq!(service.fetch(bob, group), founding);

    let update = |own: &mut MlsGroup| {
        let bundle =
            own.self_update(&mls.provider, &mls.signer, LeafNodeParameters::default()).unwrap();
        own.merge_pending_commit(&mls.provider).unwrap();
        Bytes::from(bundle.into_commit().to_bytes().unwrap())
    };
    let body = update(&mut own);
    let group_info = mls.group_info(&own);
    let enclosed = Enclosed { welcome: None, group_info: Some(group_info.clone()) };
    let (id, change) = (message_id(1), RosterChange::default());
    service.client.request(alice, &Request::Submit { id, change, enclosed, body });
    service.reply(alice, |reply| matches!(reply, Reply::Accepted { .. }));
    let (epoch, tree) = (Epoch(1), None);
    let latest = Reply::GroupInfo { request, epoch, group_info, tree };
    assert_eq!(service.fetch(bob, group), latest);

    service.submit(alice, 2, update(&mut own));
    assert_eq!(service.fetch(bob, group), refused(0xfe7c, Reject::NoGroupInfo));
}

#[test]
fn a_welcome_for_many_comes_to_each_without_the_others_secrets() {
    let mut service = Service::start(2);
    let group = group(1);
    let mls = Mls::new(1);
    let alice = service.join(1);
    let numbers: Vec<u8> = (2..=21).collect();
    let others: Vec<(Mls, SessionNumber)> =
        numbers.iter().map(|number| (Mls::new(*number), service.join(*number))).collect();
    for (other, session) in &others {
        service.publish(*session, false, &[other.key_package(false)]);
        service.client.request(*session, &Request::Collect);
    }
    service.create(alice, group, &[1]);
    let packages: Vec<KeyPackage> = numbers
        .iter()
        .map(|number| parsed(&body(service.claim(alice, *number, u64::from(*number))), &mls))
        .collect();
    let mut own = mls.found(&group);
    let (commit, welcome, _) = own.add_members(&mls.provider, &mls.signer, &packages).unwrap();
    own.merge_pending_commit(&mls.provider).unwrap();
    let whole = Bytes::from(welcome.to_bytes().unwrap());
    let added = numbers.iter().copied().map(device).collect();
    let change = RosterChange { added, removed: vec![] };
    let enclosed = Enclosed { welcome: Some(whole.clone()), group_info: None };
    let (id, body) = (message_id(99), commit.to_bytes().unwrap().into());
    service.client.request(alice, &Request::Submit { id, change, enclosed, body });
    service.reply(alice, |reply| matches!(reply, Reply::Accepted { .. }));
    let mut bytes = 0;
    for (other, session) in &others {
        let (number, welcome) = service.welcome(*session);
        service.client.request(*session, &Request::Collected { number });
        bytes += welcome.len();
        let joined = other.join(&welcome, &tree(&own));
        assert_eq!(joined.epoch_authenticator().as_slice(), own.epoch_authenticator().as_slice());
    }
    let each = bytes / others.len();
    assert!(each * 5 < whole.len(), "{each} bytes each instead of {}", whole.len());
    let address = service.addresses[0];
    let connection = service.client.connect(clock::now(), address).unwrap();
    let operator = service.client.open(connection, OPERATOR, service.key.token(OPERATOR));
    service.client.request(operator, &Request::Stats { request: message_id(5) });
    let Reply::Stats { counters, .. } =
        service.reply(operator, |reply| matches!(reply, Reply::Stats { .. }))
    else {
        unreachable!("asked for counters");
    };
    assert_eq!(counters.get(Counter::WelcomesDropped), 0);
    assert!(counters.get(Counter::WelcomesDeposited) <= 20);
}
