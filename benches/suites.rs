//! What a client does, timed: so that an upgrade of a stack that makes it slower is seen.
//!
//! One classical suite in both stacks and one hybrid, in groups of 2, 64 and 1,000, whose tree is
//! fresh. What is made is held to the byte model, and what is read to what was written. `cargo test`
//! runs each once, and leaves out the group of 1,000.
//!
//! `cargo bench --bench suites -- --quick`

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use stentor::mls::size::{Dimensions, IDENTITY_BYTES, TreeState, key_package};
use stentor::mls::stack::{Candidate, Member, Stack, StackKind};
use stentor::mls::tape::Handshake;
use stentor::suites::registry::{ENTRIES, Entry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUITES: [(&str, StackKind); 3] = [
    ("x25519-aes128-ed25519", StackKind::OpenMlsRustCrypto),
    ("x25519-aes128-ed25519", StackKind::MlsRsAwsLc),
    ("xwing-aes128-ed25519", StackKind::OpenMlsRustCrypto),
];
const SIZES: [usize; 3] = [2, 64, 1_000];

/// As long as the load engine's.
const ID: &[u8; 16] = b"a group of bench";

/// A member's identity.
fn name(number: usize) -> Vec<u8> {
    format!("member {number:>29}").into_bytes()
}

/// Who commits, who processes, and what a newcomer joins by.
struct Group {
    committer: Box<dyn Member>,
    watcher: Box<dyn Member>,
    newcomer: Box<dyn Candidate>,
    welcome: bytes::Bytes,
    tree: bytes::Bytes,
}

/// A group whose first member has added all others; two of them are awake.
fn group(stack: &dyn Stack, suite: u16, members: usize) -> Group {
    let candidate = |number: usize| {
        let candidate = stack.candidate(suite, &name(number));
        candidate.expect("a device has keys")
    };
    let mut committer = candidate(0).create(ID).expect("a group of one");
    let newcomer = candidate(1);
    let others = (2..members).map(|number| candidate(number).key_package());
    let packages: Vec<bytes::Bytes> = others.chain([newcomer.key_package()]).collect();
    let made = committer.commit(&[], &packages).expect("a bulk add");
    committer.merge().expect("it has won");
    let tree = committer.tree().expect("a member has the tree");
    let welcome = made.welcome;
    let watcher = newcomer.join(&welcome, &tree).expect("it was added");
    let [seen, meant] = [&watcher, &committer].map(|member| member.authenticator());
    assert_eq!(seen.expect("it is in an epoch"), meant.expect("it is in an epoch"));
    Group { committer, watcher, newcomer, welcome, tree }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let whole = std::env::args().any(|argument| argument == "--bench");
    let sizes = if whole { &SIZES[..] } else { &SIZES[..2] };
    for (name, kind) in SUITES {
        let suite = ENTRIES.iter().find(|entry| entry.name == name).expect("it is a suite");
        let stack = kind.open().expect("the stack opens");
        for &members in sizes {
            let mut bench = criterion.benchmark_group(format!("{name}/{}/{members}", kind.name()));
            bench.sample_size(10);
            one(&mut bench, &*stack, suite, members);
        }
    }
    criterion.final_summary();
}

type Bench<'a> = BenchmarkGroup<'a, WallTime>;

fn one(bench: &mut Bench<'_>, stack: &dyn Stack, suite: &Entry, members: usize) {
    let code_point = suite.code_point;
    let candidate = || stack.candidate(code_point, &name(members)).expect("a device has keys");
    let mut group = group(stack, code_point, members);
    let model = model(suite, members);
    bench.bench_function("make a KeyPackage", |bencher| bencher.iter(&candidate));
    assert_eq!(candidate().key_package().len(), key_package(&suite.lengths(), IDENTITY_BYTES));
    bench.bench_function("create a group", |bencher| {
        bencher.iter_batched(
            &candidate,
            |candidate| candidate.create(ID).expect("a group of one"),
            BatchSize::PerIteration,
        );
    });
    let package = [candidate().key_package()];
    let gone = [u32::try_from(members / 2).expect("a few")];
    let (add, remove): (&[bytes::Bytes], &[u32]) = (&package, &gone);
    for (what, remove, add, bytes) in [
        ("update commit", &[][..], &[][..], model.update_commit(0)),
        ("add one", &[][..], add, model.add_commit(0)),
        ("remove one", remove, &[][..], model.remove_commit(0, gone[0])),
    ] {
        bench.bench_function(what, |bencher| {
            bencher.iter(|| {
                let made = group.committer.commit(remove, add).expect("a member may commit");
                group.committer.forget().expect("it has lost");
                assert_eq!(made.message.len(), bytes, "{what}");
                made
            });
        });
    }
    bench.bench_function("process a commit", |bencher| {
        let Group { committer, watcher, .. } = &mut group;
        bencher.iter_batched(
            || {
                let made = committer.commit(&[], &[]).expect("a member may commit");
                committer.merge().expect("it has won");
                made.message
            },
            |commit| watcher.process(&commit).expect("the commit is the group's"),
            BatchSize::PerIteration,
        );
    });
    bench.bench_function("join by Welcome", |bencher| {
        let Group { newcomer, welcome, tree, .. } = &group;
        bencher.iter(|| newcomer.join(welcome, tree).expect("it was added"));
    });
    let info = group.committer.group_info().expect("a member has one");
    let tree = group.committer.tree().expect("a member has the tree");
    bench.bench_function("external join", |bencher| {
        bencher.iter_batched(
            &candidate,
            |candidate| {
                let (_, commit) = candidate.join_externally(&info, &tree).expect("it is open");
                assert_eq!(commit.len(), model.external_commit());
                commit
            },
            BatchSize::PerIteration,
        );
    });
    messages(bench, &mut group);
}

/// What the byte model says of such a group.
fn model(suite: &Entry, members: usize) -> Dimensions {
    Dimensions {
        lengths: suite.lengths(),
        group_id: ID.len(),
        identity: IDENTITY_BYTES,
        members: u32::try_from(members).expect("a few"),
        tree: TreeState::Fresh,
        handshake: Handshake::Public,
    }
}

fn messages(bench: &mut Bench<'_>, group: &mut Group) {
    let plaintext = [7; 200];
    let Group { committer, watcher, .. } = group;
    bench.bench_function("encrypt", |bencher| {
        bencher.iter(|| committer.encrypt(&plaintext).expect("a member may speak"));
    });
    // Messages that nobody reads leave a reader behind, who skips only so many: in a new epoch none has.
    let renewed = committer.commit(&[], &[]).expect("a member may commit");
    committer.merge().expect("it has won");
    watcher.process(&renewed.message).expect("the commit is the group's");
    bench.bench_function("decrypt", |bencher| {
        bencher.iter_batched(
            || committer.encrypt(&plaintext).expect("a member may speak"),
            |message| {
                let read = watcher.decrypt(&message).expect("it is for all members");
                assert_eq!(black_box(read), plaintext);
            },
            BatchSize::PerIteration,
        );
    });
}
