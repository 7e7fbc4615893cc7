//! What each level of validation costs, against the size of the group.
//!
//! One member's handshakes, checked again and again at levels `opaque`, `header` and `public`: an
//! application message, a proposal, a commit. Commits come in two trees: `fresh`, right after
//! everybody was added at once, when a path is encrypted to nearly everybody; and `merged`, when
//! every subtree beside the committer's path has one node to encrypt to. `accept`, `save`, `restore`
//! and `tree` are of level `public`. Each bench checks its answer, so the smoke run of `cargo test`
//! is a test; it leaves out the group of 10,000, which takes a minute to make.
//!
//! `cargo bench --bench validation -- --quick`

use std::cell::OnceCell;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey, KeyPackage,
    LeafNodeIndex, LeafNodeParameters, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn,
    MlsMessageIn, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent,
    RatchetTreeIn, StagedWelcome,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider as _;
use stentor::delivery::{DeviceId, Epoch, GroupId, Kind, Level, RosterChange};
use stentor::limits::BULK_ADD_MAX;
use stentor::validation::{Everybody, Founding, State, Submitted};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
const GROUP: [u8; 16] = [7; 16];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let whole = std::env::args().any(|argument| argument == "--bench");
    let sizes: &[u32] = if whole { &[2, 100, 1_000, 10_000] } else { &[2, 100, 1_000] };
    for members in sizes {
        let fresh = OnceCell::new();
        let merged = OnceCell::new();
        for level in Level::ALL {
            let fresh = || fresh.get_or_init(|| Bed::fresh(*members));
            let merged = || merged.get_or_init(|| Bed::fresh(*members).merged());
            check(&mut criterion, level, *members, ("fresh", &fresh), Kind::Commit);
            check(&mut criterion, level, *members, ("merged", &merged), Kind::Commit);
            check(&mut criterion, level, *members, ("merged", &merged), Kind::Proposal);
            check(&mut criterion, level, *members, ("merged", &merged), Kind::Application);
        }
        let merged = || merged.get_or_init(|| Bed::fresh(*members).merged());
        keep(&mut criterion, *members, &merged);
    }
    criterion.final_summary();
}

/// One check, of a message that passes.
fn check<'a>(
    criterion: &mut Criterion,
    level: Level,
    members: u32,
    (tree, bed): (&str, &dyn Fn() -> &'a Bed),
    kind: Kind,
) {
    let what = match kind {
        Kind::Application => "application".to_owned(),
        Kind::Proposal => "proposal".to_owned(),
        Kind::Commit => format!("commit_{tree}"),
    };
    let mut bench = criterion.benchmark_group(format!("validation/{}", level.name()));
    bench.throughput(Throughput::Elements(1)).sample_size(20);
    bench.bench_function(BenchmarkId::new(what, members), |bencher| {
        let bed = bed();
        let state = bed.state(level);
        bencher.iter(|| {
            let checked = state.check(bed.submitted(black_box(kind)), &Everybody, bed.now);
            assert!(checked.expect("it is what a member sent").change.is_empty());
        });
    });
    bench.finish();
}

/// What the state of level `public` costs beside the checks.
fn keep<'a>(criterion: &mut Criterion, members: u32, bed: &dyn Fn() -> &'a Bed) {
    let mut bench = criterion.benchmark_group("validation/state");
    bench.sample_size(10);
    let name = |what| BenchmarkId::new(what, members);
    bench.bench_function(name("accept_commit"), |bencher| {
        let bed = bed();
        let saved = bed.state(Level::Public).save();
        let prepared = || {
            let state = State::restore(&saved).expect("it was saved");
            let checked = state.check(bed.submitted(Kind::Commit), &Everybody, bed.now);
            (state, checked.expect("it is what a member sent"))
        };
        let accept = |(mut state, checked): (State, _)| {
            state.accept(checked);
            state
        };
        bencher.iter_batched(prepared, accept, BatchSize::PerIteration);
    });
    bench.bench_function(name("save"), |bencher| {
        let state = bed().state(Level::Public);
        bencher.iter(|| state.save().len());
    });
    bench.bench_function(name("restore"), |bencher| {
        let saved = bed().state(Level::Public).save();
        bencher.iter(|| State::restore(black_box(&saved)).expect("it was saved"));
    });
    bench.bench_function(name("tree"), |bencher| {
        let state = bed().state(Level::Public);
        bencher.iter(|| state.tree().expect("level public has it").len());
    });
    bench.finish();
}

/// A client with its own keys.
struct Client {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Client {
    fn new(number: u32) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).expect("keys");
        signer.store(provider.storage()).expect("memory");
        let credential = CredentialWithKey {
            credential: BasicCredential::new(device(number).0.to_vec()).into(),
            signature_key: signer.to_public_vec().into(),
        };
        Self { provider, signer, credential }
    }

    fn package(&self) -> KeyPackage {
        KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .build(SUITE, &self.provider, &self.signer, self.credential.clone())
            .expect("a KeyPackage")
            .into_key_package()
    }
}

/// A group as its creator, at leaf 0, sees it, and what the creator sends next.
struct Bed {
    creator: Client,
    group: MlsGroup,
    members: u32,
    commit: Vec<u8>,
    proposal: Vec<u8>,
    now: u64,
    info: Vec<u8>,
    tree: Vec<u8>,
}

impl Bed {
    /// Right after everybody was added.
    fn fresh(members: u32) -> Self {
        let creator = Client::new(0);
        let group = MlsGroup::builder()
            .ciphersuite(SUITE)
            .with_group_id(openmls::prelude::GroupId::from_slice(&GROUP))
            .with_capabilities(capabilities())
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build(&creator.provider, &creator.signer, creator.credential.clone())
            .expect("a group");
        let now = creator.package().life_time().not_before() + 3_601;
        let nothing = Vec::new;
        let (commit, proposal, info, tree) = (nothing(), nothing(), nothing(), nothing());
        let mut bed = Self { creator, group, members, commit, proposal, now, info, tree };
        let numbers: Vec<u32> = (1..members).collect();
        for chunk in numbers.chunks(BULK_ADD_MAX) {
            let packages = chunk.iter().map(|number| Client::new(*number).package()).collect();
            bed.replace(&[], packages);
        }
        bed.prepared()
    }

    /// One member of each subtree beside the creator's path commits: then each of the subtrees has
    /// a node that everybody in it knows.
    fn merged(mut self) -> Self {
        self.group.clear_pending_commit(self.creator.provider.storage()).expect("memory");
        self.group.clear_pending_proposals(self.creator.provider.storage()).expect("memory");
        let members = self.members;
        for leaf in (0..u32::BITS).map(|bit| 1 << bit).take_while(|leaf| *leaf < members) {
            let joiner = Client::new(leaf);
            let welcome = self.replace(&[leaf], vec![joiner.package()]);
            let mut joined = self.joined(&joiner, &welcome);
            let bundle = joined
                .self_update(&joiner.provider, &joiner.signer, LeafNodeParameters::default())
                .expect("a commit");
            self.hears(bundle.commit());
        }
        self.replace(&[], Vec::new());
        self.prepared()
    }

    /// Commits, with a path; the Welcome if there is one.
    fn replace(&mut self, leaves: &[u32], packages: Vec<KeyPackage>) -> Vec<u8> {
        let (provider, signer) = (&self.creator.provider, &self.creator.signer);
        let welcome = self
            .group
            .commit_builder()
            .propose_removals(leaves.iter().map(|leaf| LeafNodeIndex::new(*leaf)))
            .propose_adds(packages)
            .force_self_update(true)
            .load_psks(provider.storage())
            .expect("none")
            .build(provider.rand(), provider.crypto(), signer, |_| true)
            .expect("a commit")
            .stage_commit(provider)
            .expect("a commit")
            .into_welcome_msg();
        self.group.merge_pending_commit(provider).expect("its own");
        welcome.map(|welcome| bytes(&welcome)).unwrap_or_default()
    }

    fn joined(&self, joiner: &Client, welcome: &[u8]) -> MlsGroup {
        let MlsMessageBodyIn::Welcome(welcome) =
            MlsMessageIn::tls_deserialize_exact_bytes(welcome).expect("a Welcome").extract()
        else {
            unreachable!("it is a Welcome");
        };
        let tree = self.group.export_ratchet_tree().tls_serialize_detached().expect("a tree");
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&tree).expect("a tree");
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        StagedWelcome::new_from_welcome(&joiner.provider, &config, welcome, Some(tree))
            .and_then(|welcome| welcome.into_group(&joiner.provider))
            .expect("it was added")
    }

    fn hears(&mut self, message: &MlsMessageOut) {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&bytes(message)).expect("whole");
        let message = message.try_into_protocol_message().expect("a handshake");
        let provider = &self.creator.provider;
        let processed = self.group.process_message(provider, message).expect("valid");
        let ProcessedMessageContent::StagedCommitMessage(commit) = processed.into_content() else {
            unreachable!("it is a commit");
        };
        self.group.merge_staged_commit(provider, *commit).expect("valid");
    }

    /// With what the service is told, and what the creator sends next.
    fn prepared(mut self) -> Self {
        let (provider, signer) = (&self.creator.provider, &self.creator.signer);
        let info = self.group.export_group_info(provider.crypto(), signer, false);
        self.info = bytes(&info.expect("the epoch's"));
        let tree = self.group.export_ratchet_tree();
        self.tree = tree.tls_serialize_detached().expect("a tree");
        let parameters = LeafNodeParameters::default;
        let proposal = self.group.propose_self_update(provider, signer, parameters());
        self.proposal = bytes(&proposal.expect("an update").0);
        self.group.clear_pending_proposals(provider.storage()).expect("memory");
        let commit = self.group.self_update(provider, signer, parameters());
        self.commit = bytes(commit.expect("a commit").commit());
        self
    }

    fn state(&self, level: Level) -> State {
        let roster: Vec<_> = (0..self.members).map(device).collect();
        let founding = Founding {
            group: GroupId::new(&GROUP).expect("short"),
            epoch: Epoch(self.group.epoch().as_u64()),
            roster: &roster,
            group_info: Some(&self.info),
            tree: Some(&self.tree),
        };
        State::found(level, &founding).expect("a real group")
    }

    fn submitted(&self, kind: Kind) -> Submitted<'_> {
        let body = if kind == Kind::Proposal { &self.proposal } else { &self.commit };
        let declared = RosterChange::default();
        Submitted { sender: device(0), kind, body, declared, welcome: None, group_info: None }
    }
}

fn device(number: u32) -> DeviceId {
    DeviceId(u128::from(number).to_be_bytes())
}

fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.to_bytes().expect("a message")
}

fn capabilities() -> Capabilities {
    Capabilities::new(None, Some(&[SUITE]), Some(&[]), Some(&[]), Some(&[CredentialType::Basic]))
}
