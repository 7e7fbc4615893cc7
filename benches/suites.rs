//! What a client does, timed: so that an upgrade of a stack that makes it slower is seen.
//!
//! One classical suite and one hybrid, in groups of 2, 64 and 1,000, whose tree is fresh. Every
//! answer is checked. `cargo test` runs each once, and leaves out the group of 1,000.
//!
//! `cargo bench --bench suites -- --quick`

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use stentor::mls::stack::{Candidate, Member, Stack, StackKind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUITES: [(&str, u16); 2] = [("x25519-aes128-ed25519", 1), ("xwing-aes128-ed25519", 0x004F)];
const SIZES: [usize; 3] = [2, 64, 1_000];

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
    let candidate = |name: usize| {
        let candidate = stack.candidate(suite, format!("member {name:>29}").as_bytes());
        candidate.expect("a device has keys")
    };
    let mut committer = candidate(0).create(b"bench").expect("a group of one");
    let newcomer = candidate(1);
    let others = (2..members).map(|name| candidate(name).key_package());
    let packages: Vec<bytes::Bytes> = others.chain([newcomer.key_package()]).collect();
    let made = committer.commit(&[], &packages).expect("a bulk add");
    committer.merge().expect("it has won");
    let tree = committer.tree().expect("a member has the tree");
    let welcome = made.welcome;
    let watcher = newcomer.join(&welcome, &tree).expect("it was added");
    assert_eq!(watcher.authenticator().ok(), committer.authenticator().ok());
    Group { committer, watcher, newcomer, welcome, tree }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let stack = StackKind::OpenMlsRustCrypto.open().expect("the stack opens");
    let whole = std::env::args().any(|argument| argument == "--bench");
    let sizes = if whole { &SIZES[..] } else { &SIZES[..2] };
    for (name, suite) in SUITES {
        for &members in sizes {
            let mut bench = criterion.benchmark_group(format!("{name}/{members}"));
            bench.sample_size(10);
            one(&mut bench, &*stack, suite, members);
        }
    }
    criterion.final_summary();
}

type Bench<'a> = BenchmarkGroup<'a, WallTime>;

fn one(bench: &mut Bench<'_>, stack: &dyn Stack, suite: u16, members: usize) {
    let mut group = group(stack, suite, members);
    bench.bench_function("make a KeyPackage", |bencher| {
        bencher.iter(|| stack.candidate(suite, b"a device").expect("a device has keys"));
    });
    bench.bench_function("update commit", |bencher| {
        bencher.iter(|| {
            let made = group.committer.commit(&[], &[]).expect("a member may commit");
            group.committer.forget().expect("it has lost");
            made
        });
    });
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
    messages(bench, &mut group);
}

fn messages(bench: &mut Bench<'_>, group: &mut Group) {
    let plaintext = [7; 200];
    let Group { committer, watcher, .. } = group;
    bench.bench_function("encrypt", |bencher| {
        bencher.iter(|| committer.encrypt(&plaintext).expect("a member may speak"));
    });
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
