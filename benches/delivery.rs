//! What one shard spends on a message, step by step, without a socket.
//!
//! Header peek, epoch decision, frame encode, audience sweep, ring hand-off on the service's side;
//! inbox and decode on a member's. Each bench checks its answer, so the smoke run of `cargo test`
//! is a test. Throughput is of messages, or of recipients where many get one. The allocator is the
//! product's; caches are warm but for what a shard remembers of a million messages, which it does
//! before a decision is measured. Unlike the product, benches unwind when they panic.
//!
//! `cargo bench --bench delivery -- --quick`

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use stentor::delivery::{
    Audience, DeviceId, Due, Enclosed, Epoch, Founding, GroupId, Input, Kind, Link, MessageId,
    Output, Policy, Rate, Rates, Reject, RingLimits, RosterChange, Seq, Shard, Start, Submission,
    Taken,
};
use stentor::limits::{
    AUDIENCE_BYTES_MAX, AUDIENCE_ENTRIES_MAX, FRAME_BYTES_MAX, MESH_BATCHES_MAX,
    RETRIES_REMEMBERED_MAX,
};
use stentor::wire::{self, Delivery, Inbox};
use stentor::{clock, process};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An application message of a sentence under an AEAD with 16-byte tags, padded as clients do.
const BODY_BYTES: usize = 350;
const GROUP: [u8; 16] = [7; 16];
const NOW: Duration = Duration::ZERO;
const FROM: Link = Link { shard: 0, session: 0, generation: 0 };

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    peek(&mut criterion);
    decide(&mut criterion);
    encode(&mut criterion);
    sweep(&mut criterion);
    decode(&mut criterion);
    hand_off(&mut criterion);
    criterion.final_summary();
}

fn peek(criterion: &mut Criterion) {
    let message = private_message(Epoch(5), 1);
    let mut bench = criterion.benchmark_group("peek");
    bench.throughput(Throughput::Elements(1));
    bench.bench_function("private_message", |bencher| {
        bencher.iter(|| {
            let header = wire::peek_group(black_box(&message)).expect("it is well-formed");
            assert_eq!(header.epoch, Epoch(5));
            header
        });
    });
    bench.finish();
}

/// One decision each: a message accepted in the current epoch, a commit accepted, a commit that
/// lost. Members take turns. The shard remembers all it may, as it does in service.
fn decide(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("decide");
    bench.throughput(Throughput::Elements(1));
    for members in [1, 1_000, 10_000] {
        let name = |what| BenchmarkId::new(what, members);
        let mut bed = None;
        bench.bench_function(name("application"), |bencher| {
            let bed = bed.get_or_insert_with(|| Bed::new(1, members).in_service());
            bencher.iter(|| assert!(bed.submit(Kind::Application, Epoch(0))));
        });
        let mut bed = None;
        let mut epoch = Epoch(0);
        bench.bench_function(name("commit"), |bencher| {
            let bed = bed.get_or_insert_with(|| Bed::new(1, members).in_service());
            bencher.iter(|| {
                assert!(bed.submit(Kind::Commit, epoch));
                epoch = epoch.next();
            });
        });
        let mut bed = None;
        bench.bench_function(name("stale_commit"), |bencher| {
            let bed = bed.get_or_insert_with(|| {
                let mut bed = Bed::new(1, members);
                assert!(bed.submit(Kind::Commit, Epoch(0)));
                bed.in_service()
            });
            bencher.iter(|| assert!(!bed.submit(Kind::Commit, Epoch(0))));
        });
    }
    // The same where no group is in a cache when its turn comes.
    const GROUPS: u32 = 10_000;
    let mut bed = None;
    bench.bench_function(BenchmarkId::new("application_of_groups", GROUPS), |bencher| {
        let bed = bed.get_or_insert_with(|| Bed::new(GROUPS, 2).in_service());
        bencher.iter(|| assert!(bed.submit(Kind::Application, Epoch(0))));
    });
    bench.finish();
}

fn encode(criterion: &mut Criterion) {
    let body = Bytes::from(private_message(Epoch(5), 1));
    let mut bench = criterion.benchmark_group("encode");
    bench.throughput(Throughput::Elements(1));
    bench.bench_function("deliver", |bencher| {
        bencher.iter(|| {
            let frame = wire::deliver(Seq(9), MessageId([9; 16]), black_box(&body));
            assert_eq!(frame.len(), 29 + BODY_BYTES);
            frame
        });
    });
    bench.finish();
}

fn sweep(criterion: &mut Criterion) {
    const RECIPIENTS: u32 = 1_000;
    let limits = RingLimits { entries_max: AUDIENCE_ENTRIES_MAX, bytes_max: AUDIENCE_BYTES_MAX };
    let mut audience = Audience::new(Seq(1), limits);
    for key in 0..RECIPIENTS {
        audience.join(key, Start { device: device(key), next: Seq(1), last: None });
    }
    let frame = Bytes::from(private_message(Epoch(5), 1));
    let mut bench = criterion.benchmark_group("sweep");
    bench.throughput(Throughput::Elements(u64::from(RECIPIENTS)));
    bench.bench_function("1000_recipients", |bencher| {
        bencher.iter(|| {
            audience.push(frame.clone(), frame.len());
            let mut taken = 0;
            audience.sweep(NOW, usize::MAX, &mut |_, due| {
                let Due::Items { mut items, .. } = due else { panic!("nobody is behind") };
                black_box(items.next().cloned());
                taken += 1;
                Taken::Yes
            });
            assert_eq!(taken, RECIPIENTS);
        });
    });
    bench.finish();
}

/// A datagram's worth of stream on the member's side: three frames in one chunk.
fn decode(criterion: &mut Criterion) {
    const FRAMES: u64 = 3;
    let body = Bytes::from(private_message(Epoch(5), 1));
    let frames = (1..=FRAMES).map(|seq| wire::deliver(Seq(seq), MessageId([9; 16]), &body));
    let chunk = Bytes::from(frames.collect::<Vec<_>>().concat());
    let mut inbox = Inbox::new(FRAME_BYTES_MAX);
    let mut bench = criterion.benchmark_group("decode");
    bench.throughput(Throughput::Elements(FRAMES));
    bench.bench_function("inbox_and_delivery", |bencher| {
        bencher.iter(|| {
            inbox.push(chunk.clone());
            let mut seqs = 0;
            while let Some(frame) = inbox.next_frame().expect("it is well-formed") {
                match Delivery::decode(frame).expect("it is well-formed") {
                    Delivery::Deliver { seq, .. } => seqs += seq.0,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(seqs, 6);
        });
    });
    bench.finish();
}

/// What one shard hands another, without the wake-up: batches through the ring that the mesh is
/// made of, from one pinned thread to another. The mesh itself is not to be seen from here. On a
/// machine with one core it is the scheduler that is measured.
fn hand_off(criterion: &mut Criterion) {
    let frame = Bytes::from(private_message(Epoch(5), 1));
    let mut bench = criterion.benchmark_group("hand_off");
    for posts in [1, 64] {
        bench.throughput(Throughput::Elements(posts));
        bench.bench_function(BenchmarkId::new("batch", posts), |bencher| {
            bencher.iter_custom(|batches| hand_over(batches, posts, &frame));
        });
    }
    bench.finish();
}

/// The time from the first batch pushed to the last one taken.
fn hand_over(batches: u64, posts: u64, frame: &Bytes) -> Duration {
    type Post = (GroupId, Epoch, Seq, Bytes);
    let group = GroupId::new(&GROUP).expect("it is short");
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Vec<Post>>::new(MESH_BATCHES_MAX);
    let last_core = process::cores().saturating_sub(1);
    std::thread::scope(|scope| {
        let taker = scope.spawn(move || {
            process::pin_to_core(last_core);
            for seq in 1..=batches {
                let batch = wait_for(|| consumer.pop().ok());
                assert_eq!(batch.last().map(|post| post.2), Some(Seq(seq * posts)));
            }
            clock::now()
        });
        let pusher = scope.spawn(move || {
            process::pin_to_core(0);
            let start = clock::now();
            for batch in 0..batches {
                let numbers = batch * posts + 1..=(batch + 1) * posts;
                let mut full = Vec::new();
                full.extend(numbers.map(|seq| (group, Epoch(5), Seq(seq), frame.clone())));
                let mut pending = Some(full);
                wait_for(|| {
                    let batch = pending.take()?;
                    let refused = producer.push(batch).err();
                    pending = refused.map(|rtrb::PushError::Full(batch)| batch);
                    pending.is_none().then_some(())
                });
            }
            start
        });
        let start = pusher.join().expect("it pushed them all");
        taker.join().expect("it took them all").saturating_duration_since(start)
    })
}

/// Spins as a busy shard does, but lets another thread have the core if there is only one.
fn wait_for<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    const SPINS: u32 = 10_000;
    loop {
        for _ in 0..SPINS {
            if let Some(found) = attempt() {
                return found;
            }
            std::hint::spin_loop();
        }
        std::thread::yield_now();
    }
}

/// A shard with groups alike, and members who take turns to submit to them.
struct Bed {
    shard: Shard,
    groups: Vec<GroupId>,
    members: u32,
    body: Bytes,
    submitted: u128,
    /// Whose turn it is.
    group: usize,
    member: u32,
}

impl Bed {
    fn new(groups: u32, members: u32) -> Self {
        // The clock stands still here: rates are asked as in service, and allow everything.
        let rates = Rates { device: Rate::UNBOUNDED, group: Rate::UNBOUNDED };
        let mut shard = Shard::new(Policy { rates, ..Policy::default() });
        let groups: Vec<GroupId> = (0..groups).map(group).collect();
        for group in &groups {
            let founding = Founding::plain(*group, (0..members).map(device).collect());
            let (device, request) = (device(0), MessageId([0; 16]));
            let founding = Box::new(founding);
            shard.handle(NOW, Input::Create { from: FROM, device, request, founding });
            assert!(matches!(shard.poll(), Some(Output::Created(_))));
            assert!(matches!(shard.poll(), Some(Output::Done { .. })));
        }
        let body = Bytes::from(private_message(Epoch(0), 1));
        Self { shard, groups, members, body, submitted: 0, group: 0, member: 0 }
    }

    /// After as many messages as the shard remembers. A smoke run does without.
    fn in_service(mut self) -> Self {
        let measured = std::env::args().any(|argument| argument == "--bench");
        let epoch = self.shard.group(&self.groups[0]).expect("it was created").epoch();
        for _ in 0..if measured { RETRIES_REMEMBERED_MAX } else { 0 } {
            assert!(self.submit(Kind::Application, epoch));
        }
        self
    }

    /// Submits under a fresh id and drains what was decided; true if it was accepted.
    fn submit(&mut self, kind: Kind, epoch: Epoch) -> bool {
        self.submitted += 1;
        let submission = Submission {
            id: MessageId(self.submitted.to_le_bytes()),
            group: self.groups[self.group],
            epoch,
            kind,
            joins: false,
            change: RosterChange::default(),
            enclosed: Enclosed::default(),
            body: self.body.clone(),
        };
        let device = device(self.member);
        self.group += 1;
        if self.group == self.groups.len() {
            self.group = 0;
            self.member = if self.member + 1 == self.members { 0 } else { self.member + 1 };
        }
        self.shard.handle(NOW, Input::Submit { from: FROM, device, submission });
        let (mut appended, mut accepted) = (false, None);
        while let Some(output) = self.shard.poll() {
            match output {
                Output::Appended { entry, .. } => {
                    drop(black_box(entry));
                    appended = true;
                }
                Output::Accepted { .. } => accepted = Some(true),
                Output::Rejected { reason: Reject::WrongEpoch { winner: Seq(1), .. }, .. } => {
                    accepted = Some(false);
                }
                other => panic!("{other:?}"),
            }
        }
        let accepted = accepted.expect("every submission is answered");
        assert_eq!(appended, accepted, "what is accepted is appended, and nothing else is");
        accepted
    }
}

fn group(number: u32) -> GroupId {
    let mut id = GROUP;
    id[..4].copy_from_slice(&number.to_be_bytes());
    GroupId::new(&id).expect("it is short")
}

fn device(number: u32) -> DeviceId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    DeviceId(id)
}

/// A PrivateMessage (RFC 9420 §6.3) of [`BODY_BYTES`] bytes with nothing in its ciphertext.
fn private_message(epoch: Epoch, content_type: u8) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend(GROUP);
    message.extend(epoch.0.to_be_bytes());
    message.extend([content_type, 0, 28]);
    message.extend([0; 28]);
    // A vector of 64 bytes and more has a length of two, the first marked (RFC 9420 §2.1.2).
    let left = u16::try_from(BODY_BYTES - message.len() - 2).expect("it is short");
    message.extend((left | 0x4000).to_be_bytes());
    message.resize(BODY_BYTES, 0);
    message
}
