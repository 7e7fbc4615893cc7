//! The members of live groups: OpenMLS on threads of its own, beside the worker.
//!
//! The worker forwards what each live member was delivered and asks racers for what they are to
//! send; the members process the one and build the other, each in the order in which it was told
//! (RFC 9420 §14: a commit changes nothing until it has won). What is asked in one turn of the
//! worker is handed over whole and answered together: racers that want a commit at one instant
//! would each have a processor to build it on, so none of their commits leaves before the last of
//! them is built. In which order they then leave would here be up to their seats alone, and the
//! same one would win every epoch, so it is drawn, from the scenario's seed: among those that were
//! asked together no seat comes before another. How much processor time each took is measured on
//! the thread that built it.
//!
//! What decides a race apart from that draw is not evened out: which racers were told of the last
//! commit in one turn and which only in a later one, as the service told them and the network
//! brought it, and how long the members of the turns before keep the threads. That a winner has no
//! commit of another to process, and would build its next one sooner on a device of its own, is
//! lost where it is answered together with the losers. Nor does the draw reach beyond this thread:
//! in which order the service takes what left together is up to the transport and to it.
//!
//! Both queues are bounded; the worker never waits for either: when the inward one is full it
//! keeps its own backlog until there is room, and what is delivered meanwhile waits there too.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::eventfd::{EfdFlags, EventFd};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::delivery::Epoch;
use crate::limits::RACERS_QUEUE_MAX;
use crate::load::contention::What;
use crate::load::draws::{shuffle, stream};
use crate::mls::{LiveMember, MemberError};
use crate::process;

#[cfg(test)]
mod tests;

/// A live member of a run: the group's index and the member's.
pub(super) type Seat = (u32, u32);

/// What a live member is told, in order.
#[derive(Debug)]
pub(super) enum Told {
    /// A message of another.
    Delivered(Bytes),
    /// What it sent itself has been ordered.
    Own(What),
    /// It is to build something to send.
    Build(What),
}

/// What goes to the members' side.
#[derive(Debug)]
enum Handed {
    /// A member is told something.
    Told(Seat, Told),
    /// That was all of one turn.
    Turn,
}

/// Something that a racer has built.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub(super) what: What,
    pub(super) epoch: Epoch,
    pub(super) body: Bytes,
    /// Processor time of the thread that built it.
    pub(super) cpu: Duration,
}

/// What the members say.
#[derive(Debug)]
pub(super) enum Said {
    /// What a racer was asked for.
    Built { seat: Seat, built: Built },
    /// A commit of another has ended the epoch of a racer's proposal, and opened this one.
    Fate { seat: Seat, epoch: Epoch, taken_up: bool },
    /// OpenMLS refused what was delivered: the group has broken.
    Failed { seat: Seat, error: MemberError },
}

/// The live members at the end: each group's epoch authenticators, by member.
pub(super) type Authenticators = BTreeMap<u32, Vec<(u32, Epoch, Vec<u8>)>>;

/// The worker's end.
#[derive(Debug)]
pub(super) struct Racers {
    inward: Option<SyncSender<Handed>>,
    backlog: VecDeque<Handed>,
    /// Whether members have been told something since the turn was last over.
    telling: bool,
    outward: Receiver<Said>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<Vec<(Seat, LiveMember)>>>,
}

impl Racers {
    /// Starts the members' threads, `threads` of them, on the cores of the calling thread and
    /// behind it in line; the order of what they answer together is drawn from `seed`.
    ///
    /// # Errors
    /// When the system gives no thread or descriptor.
    pub(super) fn start(
        members: BTreeMap<Seat, LiveMember>,
        threads: usize,
        seed: u64,
    ) -> std::io::Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .start_handler(|_| {
                process::step_back();
            })
            .build()
            .map_err(std::io::Error::other)?;
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        let (inward, from_worker) = sync_channel(RACERS_QUEUE_MAX);
        let (to_worker, outward) = sync_channel(RACERS_QUEUE_MAX);
        let order = stream(seed, 0, b"racers  ");
        let stage = Stage { members, to_worker, wake: Arc::clone(&wake), order };
        let thread = std::thread::Builder::new()
            .name("racers".into())
            .spawn(move || pool.install(move || stage.run(&from_worker)))?;
        let (inward, backlog) = (Some(inward), VecDeque::new());
        Ok(Self { inward, backlog, telling: false, outward, wake, thread: Some(thread) })
    }

    /// Tells a member something, once the turn is over.
    pub(super) fn tell(&mut self, seat: Seat, told: Told) {
        self.backlog.push_back(Handed::Told(seat, told));
        self.telling = true;
    }

    /// The turn is over: whoever was told something in it goes about it together.
    pub(super) fn hand_over(&mut self) {
        if std::mem::take(&mut self.telling) {
            self.backlog.push_back(Handed::Turn);
        }
        self.forward();
    }

    /// What the members have said since the last time.
    pub(super) fn hear(&mut self) -> Vec<Said> {
        self.forward();
        let mut said = Vec::new();
        loop {
            match self.outward.try_recv() {
                Ok(one) => said.push(one),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return said,
            }
        }
    }

    /// Whether everything forwarded so far has at least been taken in.
    pub(super) fn is_caught_up(&self) -> bool {
        self.backlog.is_empty()
    }

    /// The worker has slept on [`Self::descriptor`] and is awake.
    pub(super) fn awake(&self) {
        // Not readable is an error here and nothing to worry about.
        self.wake.read().ok();
    }

    /// Readable when members have said something since [`Self::awake`].
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Ends the thread after it has processed everything; each group's authenticators.
    pub(super) fn finish(mut self) -> Authenticators {
        let Some(inward) = self.inward.take() else { return Authenticators::new() };
        let mut outward_open = true;
        for mut told in std::mem::take(&mut self.backlog) {
            // The members may themselves wait for room to speak: listen while waiting.
            while let Err(TrySendError::Full(back)) = inward.try_send(told) {
                told = back;
                outward_open = outward_open && self.outward.recv().is_ok();
            }
        }
        drop(inward);
        while self.outward.recv().is_ok() {}
        let joined = self.thread.take().map(JoinHandle::join);
        let members = match joined {
            Some(Ok(members)) => members,
            Some(Err(_)) | None => Vec::new(),
        };
        let mut authenticators = Authenticators::new();
        for ((group, number), member) in members {
            let theirs = (number, member.epoch(), member.authenticator());
            authenticators.entry(group).or_default().push(theirs);
        }
        authenticators
    }

    fn forward(&mut self) {
        let Some(inward) = &self.inward else { return };
        while let Some(told) = self.backlog.pop_front() {
            match inward.try_send(told) {
                Ok(()) => {}
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => {
                    self.backlog.push_front(back);
                    return;
                }
            }
        }
    }
}

/// The members' side of the two queues.
struct Stage {
    members: BTreeMap<Seat, LiveMember>,
    to_worker: SyncSender<Said>,
    wake: Arc<EventFd>,
    /// What the order of what is answered together is drawn from.
    order: ChaCha8Rng,
}

/// What members go about together: what each was told, in order.
type Batch = BTreeMap<Seat, Vec<Told>>;

/// Every turn that has come whole, at least one of them; the rest when there will be no more, and
/// `None` after it.
fn next_batch(from_worker: &Receiver<Handed>) -> Option<Batch> {
    let mut batch = Batch::new();
    let mut whole = false;
    loop {
        let handed = if whole { from_worker.try_recv().ok() } else { from_worker.recv().ok() };
        match handed {
            Some(Handed::Told(seat, told)) => {
                batch.entry(seat).or_default().push(told);
                whole = false;
            }
            Some(Handed::Turn) => whole = true,
            // A turn with nothing in it.
            None if whole && batch.is_empty() => whole = false,
            None => return (!batch.is_empty()).then_some(batch),
        }
    }
}

impl Stage {
    fn run(mut self, from_worker: &Receiver<Handed>) -> Vec<(Seat, LiveMember)> {
        while let Some(batch) = next_batch(from_worker) {
            self.process(batch);
        }
        self.members.into_iter().collect()
    }

    /// Every member named goes through what it was told, in order, all members at once; what they
    /// say leaves in an order of members that is drawn.
    fn process(&mut self, batch: Batch) {
        let work: Vec<(Seat, LiveMember, Vec<Told>)> = batch
            .into_iter()
            .filter_map(|(seat, told)| Some((seat, self.members.remove(&seat)?, told)))
            .collect();
        let mut done: Vec<(Seat, LiveMember, Vec<Said>)> = work
            .into_par_iter()
            .map(|(seat, mut member, told)| {
                let said = live(seat, &mut member, &told);
                (seat, member, said)
            })
            .collect();
        shuffle(&mut done, &mut self.order);
        for (seat, member, said) in done {
            self.members.insert(seat, member);
            for one in said {
                // The worker only stops listening when the run is over.
                self.to_worker.send(one).ok();
            }
        }
        // It can only fail when the worker has been woken very often already.
        self.wake.write(1).ok();
    }
}

/// A member goes through what it was told; nothing after the first that OpenMLS refuses.
fn live(seat: Seat, member: &mut LiveMember, told: &[Told]) -> Vec<Said> {
    let mut said = Vec::new();
    for one in told {
        let outcome = match one {
            Told::Delivered(body) => member.process(body).map(drop),
            Told::Own(What::Commit) => member.own_commit_won().map(drop),
            Told::Own(What::Proposal | What::Claim { .. }) => Ok(()),
            Told::Build(what) => {
                build(member, *what).map(|built| said.push(Said::Built { seat, built }))
            }
        };
        if let Err(error) = outcome {
            said.push(Said::Failed { seat, error });
            return said;
        }
        if let Some(taken_up) = member.take_fate() {
            said.push(Said::Fate { seat, epoch: member.epoch(), taken_up });
        }
    }
    said
}

fn build(member: &mut LiveMember, what: What) -> Result<Built, MemberError> {
    let before = process::thread_cpu();
    let body = match what {
        What::Commit => member.prepare_commit()?,
        What::Proposal => member.propose()?,
        What::Claim { generation } => member.encrypt(&claim(generation))?,
    };
    let cpu = process::thread_cpu().saturating_sub(before);
    Ok(Built { what, epoch: member.epoch(), body, cpu })
}

/// What a claim says to the others: that it is one, and which lease it wants.
fn claim(generation: u32) -> Vec<u8> {
    [b"stentor claims the epoch".as_slice(), &generation.to_be_bytes()].concat()
}
