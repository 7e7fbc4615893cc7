//! The peek against OpenMLS: it sees what a full parse sees, and survives what nobody should send.

use bytes::Bytes;
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tls_codec::Deserialize as _;
use tls_codec::Serialize as _;

use crate::delivery::Enclosed;
use crate::delivery::Kind;
use crate::delivery::MessageId;
use crate::delivery::RosterChange;
use crate::limits::GROUP_ID_BYTES_MAX;
use crate::wire;
use crate::wire::Peek;

pub(super) const SUITES: [Ciphersuite; 2] = [
    Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
    Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
];

/// A client that can be a member.
struct Client {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Client {
    fn new(name: &str, suite: Ciphersuite) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
            signature_key: signer.to_public_vec().into(),
        };
        Self { provider, signer, credential }
    }

    fn key_package(&self, suite: Ciphersuite) -> KeyPackage {
        KeyPackage::builder()
            .build(suite, &self.provider, &self.signer, self.credential.clone())
            .unwrap()
            .key_package()
            .clone()
    }
}

/// A member of a group of three.
struct Group {
    alice: Client,
    group: MlsGroup,
    suite: Ciphersuite,
    messages: Vec<Vec<u8>>,
}

impl Group {
    fn new(suite: Ciphersuite, policy: WireFormatPolicy) -> Self {
        let alice = Client::new("alice", suite);
        let watcher = ExternalSender::new(
            alice.signer.to_public_vec().into(),
            BasicCredential::new(b"watcher".to_vec()).into(),
        );
        let extensions = Extensions::single(Extension::ExternalSenders(vec![watcher])).unwrap();
        let group = MlsGroup::builder()
            .ciphersuite(suite)
            .with_wire_format_policy(policy)
            .use_ratchet_tree_extension(true)
            .with_group_context_extensions(extensions)
            .build(&alice.provider, &alice.signer, alice.credential.clone())
            .unwrap();
        Self { alice, group, suite, messages: Vec::new() }
    }

    fn keep(&mut self, message: &MlsMessageOut) {
        self.messages.push(message.to_bytes().unwrap());
    }

    /// A commit that adds two, with its welcome; then proposals and the commit to them.
    fn handshakes(&mut self) {
        let joiners = ["bob", "carol"].map(|name| Client::new(name, self.suite));
        let packages = joiners.each_ref().map(|joiner| joiner.key_package(self.suite));
        let (provider, signer) = (&self.alice.provider, &self.alice.signer);
        let (commit, welcome, _) = self.group.add_members(provider, signer, &packages).unwrap();
        self.group.merge_pending_commit(provider).unwrap();
        self.group.set_aad(b"authenticated".to_vec());
        let (proposal, _) = self
            .group
            .propose_self_update(provider, signer, LeafNodeParameters::default())
            .unwrap();
        let removal =
            self.group.propose_remove_member(provider, signer, LeafNodeIndex::new(1)).unwrap().0;
        let (closing, _, _) = self.group.commit_to_pending_proposals(provider, signer).unwrap();
        self.group.merge_pending_commit(provider).unwrap();
        let package = MlsMessageOut::from(packages[0].clone());
        for message in [&commit, &welcome, &proposal, &removal, &closing, &package] {
            self.keep(message);
        }
    }

    /// What those send who are not members.
    fn strangers(&mut self) {
        let (id, epoch) = (self.group.group_id().clone(), self.group.epoch());
        let dave = Client::new("dave", self.suite);
        let join = JoinProposal::new::<openmls_memory_storage::MemoryStorage>(
            dave.key_package(self.suite),
            id.clone(),
            epoch,
            &dave.signer,
        )
        .unwrap();
        let expel = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(2),
            id,
            epoch,
            &self.alice.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap();
        let info = self
            .group
            .export_group_info(self.alice.provider.crypto(), &self.alice.signer, true)
            .unwrap();
        let MlsMessageBodyIn::GroupInfo(verifiable) = parsed(&info.to_bytes().unwrap()).unwrap()
        else {
            panic!("a group info");
        };
        let (_, bundle) = MlsGroup::external_commit_builder()
            .build_group(&dave.provider, verifiable, dave.credential.clone())
            .unwrap()
            .load_psks(dave.provider.storage())
            .unwrap()
            .build(dave.provider.rand(), dave.provider.crypto(), &dave.signer, |_| true)
            .unwrap()
            .finalize(&dave.provider)
            .unwrap();
        for message in [&join, &expel, &info, &bundle.into_commit()] {
            self.keep(message);
        }
    }
}

/// Messages of all five wire formats, every content type and every kind of sender.
pub(super) fn messages(suite: Ciphersuite) -> Vec<Vec<u8>> {
    let mut public = Group::new(suite, PURE_PLAINTEXT_WIRE_FORMAT_POLICY);
    public.handshakes();
    public.strangers();
    let mut private = Group::new(suite, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
    private.handshakes();
    for length in [0, 100, 20_000] {
        let (provider, signer) = (&private.alice.provider, &private.alice.signer);
        let message = private.group.create_message(provider, signer, &vec![7; length]).unwrap();
        private.keep(&message);
    }
    [public.messages, private.messages].concat()
}

fn parsed(bytes: &[u8]) -> Option<MlsMessageBodyIn> {
    MlsMessageIn::tls_deserialize_exact(bytes).ok().map(MlsMessageIn::extract)
}

fn kind(content_type: ContentType) -> Kind {
    match content_type {
        ContentType::Application => Kind::Application,
        ContentType::Proposal => Kind::Proposal,
        ContentType::Commit => Kind::Commit,
    }
}

fn same_sender(peeked: wire::Sender, sender: &Sender) -> bool {
    match (peeked, sender) {
        (wire::Sender::Member { leaf }, Sender::Member(index)) => leaf == index.u32(),
        (wire::Sender::External { index }, Sender::External(listed)) => {
            SenderExtensionIndex::new(index) == *listed
        }
        (wire::Sender::NewMemberProposal, Sender::NewMemberProposal)
        | (wire::Sender::NewMemberCommit, Sender::NewMemberCommit) => true,
        _ => false,
    }
}

/// Asserts that the peek saw what OpenMLS parsed; its name of the wire format.
fn compare(bytes: &[u8], peeked: Peek, body: &MlsMessageBodyIn) -> &'static str {
    match (peeked, body) {
        (Peek::Public { group, epoch, kind: seen, sender }, MlsMessageBodyIn::PublicMessage(m)) => {
            assert_eq!((epoch.0, seen), (m.epoch().as_u64(), kind(m.content_type())));
            assert_eq!(group.as_bytes(), m.group_id().as_slice());
            assert!(same_sender(sender, m.sender()), "{sender:?} is not {:?}", m.sender());
            assert_eq!(wire::group_bytes(bytes), Some(m.group_id().as_slice()));
            "public"
        }
        (Peek::Private { group, epoch, kind: seen }, MlsMessageBodyIn::PrivateMessage(m)) => {
            assert_eq!((epoch.0, seen), (m.epoch().as_u64(), kind(m.content_type())));
            assert_eq!(group.as_bytes(), m.group_id().as_slice());
            assert_eq!(wire::group_bytes(bytes), Some(m.group_id().as_slice()));
            "private"
        }
        (Peek::Welcome { cipher_suite, recipients }, MlsMessageBodyIn::Welcome(welcome)) => {
            assert_eq!(cipher_suite, u16::from(welcome.ciphersuite()));
            assert_eq!(usize::try_from(recipients).unwrap(), welcome.secrets().len());
            "welcome"
        }
        (Peek::GroupInfo { cipher_suite, group, epoch }, MlsMessageBodyIn::GroupInfo(info)) => {
            assert_eq!(cipher_suite, u16::from(info.ciphersuite()));
            assert_eq!(epoch.0, info.epoch().as_u64());
            assert_eq!(group.as_bytes(), info.group_id().as_slice());
            "group_info"
        }
        (Peek::KeyPackage { cipher_suite }, MlsMessageBodyIn::KeyPackage(package)) => {
            let bytes = package.tls_serialize_detached().unwrap();
            assert_eq!(cipher_suite.to_be_bytes(), bytes[2..4]);
            "key_package"
        }
        (peeked, body) => panic!("{peeked:?} is not {body:?}"),
    }
}

/// Whether the peek may refuse what OpenMLS takes apart: the RFC forbids it, but OpenMLS looks
/// only when it processes the message; or it is over our own bound.
fn only_the_peek_refuses(what: &str, body: &MlsMessageBodyIn) -> bool {
    let id = match body {
        MlsMessageBodyIn::PublicMessage(m) => m.group_id(),
        MlsMessageBodyIn::PrivateMessage(m) => m.group_id(),
        MlsMessageBodyIn::GroupInfo(info) => info.group_id(),
        _ => return false,
    };
    match what {
        "group id is empty or too long" => {
            id.as_slice().is_empty() || id.as_slice().len() > GROUP_ID_BYTES_MAX
        }
        "application content in a PublicMessage" | "content type that this sender may not send" => {
            matches!(body, MlsMessageBodyIn::PublicMessage(_))
        }
        "protocol version is not mls10" => matches!(body, MlsMessageBodyIn::GroupInfo(_)),
        _ => false,
    }
}

/// Neither panics nor refuses more than it should. The message may be nonsense.
fn check_damaged(bytes: &[u8], origin: &dyn Fn() -> String) {
    let peeked = wire::peek(bytes);
    let header = wire::peek_group(bytes);
    assert!(header.is_err() || peeked.is_ok(), "{}", origin());
    let id = MessageId([0; 16]);
    let submitted = wire::submission(
        id,
        RosterChange::default(),
        Enclosed::default(),
        Bytes::copy_from_slice(bytes),
    );
    assert!(submitted.is_err() || header.is_ok(), "{}", origin());
    let Some(body) = parsed(bytes) else { return };
    match peeked {
        Ok(peeked) => {
            compare(bytes, peeked, &body);
        }
        Err(error) => {
            assert!(only_the_peek_refuses(error.what, &body), "{error} in {}", origin());
        }
    }
}

#[test]
fn the_peek_sees_what_openmls_parses() {
    for suite in SUITES {
        let mut formats: Vec<&str> = Vec::new();
        let mut senders = Vec::new();
        for message in messages(suite) {
            let body = parsed(&message).expect("OpenMLS parses its own message");
            let peeked = wire::peek(&message).unwrap();
            if let Peek::Public { sender, .. } = peeked {
                senders.push(std::mem::discriminant(&sender));
            }
            formats.push(compare(&message, peeked, &body));
            let group_message = matches!(peeked, Peek::Public { .. } | Peek::Private { .. });
            assert_eq!(wire::peek_group(&message).is_ok(), group_message);
        }
        formats.sort_unstable();
        formats.dedup();
        assert_eq!(formats, ["group_info", "key_package", "private", "public", "welcome"]);
        senders.dedup();
        assert!(senders.len() >= 4, "every kind of sender");
    }
}

#[test]
fn no_truncation_panics_or_is_taken_for_a_whole_private_message() {
    for suite in SUITES {
        for message in messages(suite) {
            for length in 0..message.len() {
                let cut = &message[..length];
                let seen = wire::peek(cut);
                let cut_ends = matches!(seen, Ok(Peek::Private { .. } | Peek::Welcome { .. }));
                assert!(!cut_ends, "{length} of {} bytes", message.len());
                assert!(wire::peek_group(cut).is_err() || seen.is_ok());
                let group = wire::group_bytes(cut);
                assert!(group.is_none() || group == wire::group_bytes(&message));
            }
        }
    }
}

#[test]
fn mutated_messages_never_panic_and_what_openmls_takes_the_peek_takes() {
    for (suite, seed) in SUITES.into_iter().zip(1..) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (position, original) in messages(suite).into_iter().enumerate() {
            for round in 0..400 {
                let mut message = original.clone();
                // The header is where a mutation matters; the rest is opaque to the peek.
                let span = if round % 4 == 0 { message.len() } else { message.len().min(48) };
                for _ in 0..1 + round % 3 {
                    let place = below(&mut random, span);
                    match round % 5 {
                        0 => message[place] ^= 1 << below(&mut random, 8),
                        1 => message.insert(place, byte(&mut random)),
                        2 if message.len() > span => drop(message.remove(place)),
                        3 => message[place] = message[place].wrapping_add(1),
                        _ => message[place] = byte(&mut random),
                    }
                }
                let origin = || format!("{suite:?}, message {position}, round {round}");
                check_damaged(&message, &origin);
            }
        }
    }
}

#[test]
fn random_bytes_after_a_true_start_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for round in 0..20_000 {
        let mut message = vec![0; 4 + below(&mut random, 120)];
        random.fill_bytes(&mut message[4..]);
        let format = byte(&mut random) % 7;
        message[..4].copy_from_slice(&[0, 1, 0, format]);
        // Random lengths rarely fit: half of the rounds get a group id that does.
        if round % 2 == 0 && message.len() > 6 {
            message[4] = 1;
        }
        check_damaged(&message, &|| format!("random round {round}"));
    }
}

fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    usize::try_from(random.next_u32()).unwrap() % bound
}

fn byte(random: &mut ChaCha8Rng) -> u8 {
    random.next_u32().to_le_bytes()[0]
}
