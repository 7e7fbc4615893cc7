//! What durability costs: appends behind the disk, beside the disk alone, and replay.
//!
//! On a real directory, which has to be on the disk that is meant: `TMPDIR` says where. `fdatasync` is
//! the floor, a write of the same bytes into room that was taken in advance and its sync, in the same
//! run; a durable append is to stay near it, however many entries share a sync. `replay` is the log's
//! own part of a restart, `recovery` all of it: groups, retries and what members have not fetched
//! yet. Each bench checks its answer, so the smoke run of `cargo test` is a test; it replays a small
//! log.
//!
//! `cargo bench --bench log -- --quick`

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use stentor::delivery::{
    DeviceId, Durability, Enclosed, Epoch, Founding, GroupId, Input, Kind, Link, MessageId, Policy,
    Rate, Rates, RosterChange, Submission,
};
use stentor::engine::{self, Engine, Recovery};
use stentor::log::{self, Config, Directory, Log as _, Position, Wal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An application message of a sentence with its fields.
const ENTRY_BYTES: usize = 400;

/// Bytes of the log that is replayed.
const REPLAYED_BYTES: usize = 256 << 20;
const REPLAYED_BYTES_SMOKE: usize = 4 << 20;

const SEGMENT_BYTES: u64 = 64 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // As Criterion itself tells the two apart.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let place = tempfile::tempdir().expect("there is a directory for temporary files");
    for entries in [1, 64] {
        fdatasync(&mut criterion, place.path(), entries);
        durable_append(&mut criterion, place.path(), entries);
    }
    let bytes = if measured { REPLAYED_BYTES } else { REPLAYED_BYTES_SMOKE };
    replay(&mut criterion, place.path(), bytes);
    recovery(&mut criterion, place.path(), bytes);
    criterion.final_summary();
}

/// The floor: what the disk takes for as many bytes.
fn fdatasync(criterion: &mut Criterion, place: &Path, entries: usize) {
    let path = place.join("floor");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
    let file = file.expect("a file can be made");
    let room = i64::try_from(SEGMENT_BYTES).expect("it is short");
    nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, room)
        .expect("the disk has room");
    file.sync_all().expect("the disk syncs");
    let bytes = vec![0xa5; entries * ENTRY_BYTES];
    let mut offset = 0;
    let mut bench = criterion.benchmark_group("fdatasync");
    bench.throughput(Throughput::Elements(entries as u64));
    bench.bench_function(BenchmarkId::from_parameter(entries), |bencher| {
        bencher.iter(|| {
            file.write_all_at(&bytes, offset).expect("the disk has room");
            file.sync_data().expect("the disk syncs");
            offset = (offset + bytes.len() as u64) % (SEGMENT_BYTES - bytes.len() as u64);
        });
    });
    bench.finish();
}

/// Entries appended together, until all are durable.
fn durable_append(criterion: &mut Criterion, place: &Path, entries: usize) {
    let path = place.join(format!("append-{entries}"));
    let mut log = open(&path, 0);
    let entry = vec![0xa5; ENTRY_BYTES - 24];
    let mut appended = 0;
    let mut bench = criterion.benchmark_group("durable_append");
    bench.throughput(Throughput::Elements(entries as u64));
    bench.bench_function(BenchmarkId::from_parameter(entries), |bencher| {
        bencher.iter(|| {
            for _ in 0..entries {
                appended = log.append(&[&entry]).expect("the disk has room").0;
            }
            log.flush().expect("the disk syncs");
            assert_eq!(log.durable(), Position(appended));
            log.release_below(Position(appended));
        });
    });
    bench.finish();
    drop(log);
    std::fs::remove_dir_all(path).expect("it was made here");
}

/// A log read back, from the page cache: what the disk adds is the disk's.
fn replay(criterion: &mut Criterion, place: &Path, bytes: usize) {
    let path = place.join("replay");
    let entries = bytes / ENTRY_BYTES;
    let mut written = open(&path, 0);
    let entry = vec![0xa5; ENTRY_BYTES - 24];
    for _ in 0..entries {
        written.append(&[&entry]).expect("the disk has room");
    }
    written.flush().expect("the disk syncs");
    drop(written);
    let mut bench = criterion.benchmark_group("replay");
    bench.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
    bench.measurement_time(Duration::from_secs(5));
    bench.bench_function("open", |bencher| bencher.iter(|| open(&path, entries as u64)));
    bench.bench_function("verify", |bencher| {
        bencher.iter(|| {
            let found = log::verify(&path, |_, _| Ok(())).expect("the log is whole");
            assert_eq!(found.records, entries as u64);
        });
    });
    bench.finish();
}

/// A shard's groups read back from its log, application messages above all.
fn recovery(criterion: &mut Criterion, place: &Path, bytes: usize) {
    let path = place.join("recovery");
    let (mut engine, _) = recovered(&path);
    for number in 0..GROUPS {
        let mut founding = Founding::plain(group(number), (0..MEMBERS).map(device).collect());
        founding.settings.durability = Durability::Wal;
        let (founding, request) = (Box::new(founding), MessageId([0; 16]));
        let create = Input::Create { from: FROM, device: device(0), request, founding };
        engine.handle(Duration::from_secs(1), create).expect("the disk has room");
    }
    let messages = bytes / ENTRY_BYTES;
    let body = Bytes::from(vec![0xa5; ENTRY_BYTES - 150]);
    for number in 0..messages {
        let submission = Submission {
            id: MessageId((number as u128).to_be_bytes()),
            group: group(number % GROUPS),
            epoch: Epoch(0),
            kind: Kind::Application,
            joins: false,
            change: RosterChange::default(),
            enclosed: Enclosed::default(),
            body: body.clone(),
        };
        let sender = device(number % MEMBERS);
        let submit = Input::Submit { from: FROM, device: sender, submission };
        engine.handle(Duration::from_secs(1), submit).expect("the disk has room");
        if number % 1_000 == 0 {
            engine.sync().expect("the disk syncs");
            while engine.release().is_some() {}
        }
    }
    while !engine.is_settled() {
        engine.sync().expect("the disk syncs");
        while engine.release().is_some() {}
    }
    let logged = engine.log_bytes();
    drop(engine);
    let mut bench = criterion.benchmark_group("recovery");
    bench.throughput(Throughput::Bytes(logged)).sample_size(10);
    bench.measurement_time(Duration::from_secs(5));
    bench.bench_function("groups", |bencher| {
        bencher.iter(|| {
            let (engine, found) = recovered(&path);
            assert_eq!((found.groups, found.messages), (GROUPS as u64, messages as u64));
            engine
        });
    });
    bench.finish();
}

const GROUPS: usize = 64;
const MEMBERS: usize = 20;
const FROM: Link = Link { shard: 0, session: 0, generation: 0 };

fn group(number: usize) -> GroupId {
    GroupId::new(&[u8::try_from(number).expect("they are few"); 32]).expect("it is short")
}

fn device(number: usize) -> DeviceId {
    DeviceId((number as u128).to_be_bytes())
}

/// The engine that goes on where the log in `path` ends.
fn recovered(path: &Path) -> (Engine, engine::Recovered) {
    let directory = Directory::open(path, Arc::new(|| {})).expect("a directory can be made");
    let config = Config { segment_bytes: SEGMENT_BYTES, ..Config::new(1, Duration::ZERO) };
    // The clock stands still here: rates allow everything.
    let rates = Rates { device: Rate::UNBOUNDED, group: Rate::UNBOUNDED };
    let mut recovery = Recovery::new(Policy { rates, ..Policy::default() });
    let replay = |position, entry: &[u8]| recovery.replay(position, entry);
    let (wal, _) = Wal::open(directory, config, replay).expect("the log is whole");
    recovery.finish(Box::new(wal), u64::MAX).expect("the log is an engine's")
}

/// Opens a log and checks how much is replayed.
fn open(path: &Path, entries: u64) -> Wal<Directory> {
    let directory = Directory::open(path, Arc::new(|| {})).expect("a directory can be made");
    let config = Config { segment_bytes: SEGMENT_BYTES, ..Config::new(1, Duration::ZERO) };
    let mut bytes = 0;
    let replay = |_: Position, entry: &[u8]| {
        bytes += entry.len();
        Ok(())
    };
    let (log, recovered) = Wal::open(directory, config, replay).expect("the log is whole");
    assert_eq!(recovered.records, entries);
    assert_eq!(bytes as u64, entries * (ENTRY_BYTES as u64 - 24));
    log
}
