//! The members of live groups: OpenMLS on threads of its own, beside the worker.
//!
//! The worker forwards what each live member was delivered; the members process it, and those
//! that race prepare their next commit (RFC 9420 §14: a commit changes nothing until it has won).
//! Both queues are bounded; the worker never waits for either: when the inward one is full it
//! keeps its own backlog until there is room, and what is delivered meanwhile waits there too.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use nix::sys::eventfd::{EfdFlags, EventFd};
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::delivery::Epoch;
use crate::limits::RACERS_QUEUE_MAX;
use crate::mls::{LiveMember, MemberError};
use crate::process;

/// A live member of a run: the group's index and the member's.
pub(super) type Seat = (u32, u32);

/// Something that a live member was delivered.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) seat: Seat,
    /// Its own commit, that has won.
    pub(super) own: bool,
    pub(super) body: Bytes,
}

/// What the members say.
#[derive(Debug)]
pub(super) enum Said {
    /// A racer's next commit.
    Prepared { seat: Seat, epoch: Epoch, body: Bytes },
    /// OpenMLS refused what was delivered: the group has broken.
    Failed { seat: Seat, error: MemberError },
}

/// The live members at the end: each group's epoch authenticators, by member.
pub(super) type Authenticators = BTreeMap<u32, Vec<(u32, Epoch, Vec<u8>)>>;

/// The worker's end.
#[derive(Debug)]
pub(super) struct Racers {
    inward: Option<SyncSender<Delivered>>,
    backlog: VecDeque<Delivered>,
    outward: Receiver<Said>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<Vec<(Seat, LiveMember)>>>,
}

impl Racers {
    /// Starts the members' threads, `threads` of them, on the cores of the calling thread and
    /// behind it in line; racers prepare their first commit at once.
    ///
    /// # Errors
    /// When the system gives no thread or descriptor.
    pub(super) fn start(
        members: BTreeMap<Seat, LiveMember>,
        threads: usize,
        racing: impl Fn(Seat) -> bool + Send + Sync + 'static,
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
        let stage = Stage { members, racing, to_worker, wake: Arc::clone(&wake) };
        let thread = std::thread::Builder::new()
            .name("racers".into())
            .spawn(move || pool.install(move || stage.run(&from_worker)))?;
        let backlog = VecDeque::new();
        Ok(Self { inward: Some(inward), backlog, outward, wake, thread: Some(thread) })
    }

    /// Forwards what a member was delivered.
    pub(super) fn deliver(&mut self, delivered: Delivered) {
        self.backlog.push_back(delivered);
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
        for mut delivered in std::mem::take(&mut self.backlog) {
            // The members may themselves wait for room to speak: listen while waiting.
            while let Err(TrySendError::Full(back)) = inward.try_send(delivered) {
                delivered = back;
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
        while let Some(delivered) = self.backlog.pop_front() {
            match inward.try_send(delivered) {
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
struct Stage<F> {
    members: BTreeMap<Seat, LiveMember>,
    racing: F,
    to_worker: SyncSender<Said>,
    wake: Arc<EventFd>,
}

impl<F: Fn(Seat) -> bool + Send + Sync> Stage<F> {
    fn run(mut self, from_worker: &Receiver<Delivered>) -> Vec<(Seat, LiveMember)> {
        let everybody: BTreeMap<Seat, Vec<Delivered>> =
            self.members.keys().map(|seat| (*seat, Vec::new())).collect();
        self.process(everybody);
        while let Ok(first) = from_worker.recv() {
            let mut batch: BTreeMap<Seat, Vec<Delivered>> = BTreeMap::new();
            batch.entry(first.seat).or_default().push(first);
            while let Ok(more) = from_worker.try_recv() {
                batch.entry(more.seat).or_default().push(more);
            }
            self.process(batch);
        }
        self.members.into_iter().collect()
    }

    /// Every member named processes what it was delivered, in order, all members at once.
    fn process(&mut self, batch: BTreeMap<Seat, Vec<Delivered>>) {
        let work: Vec<(Seat, LiveMember, Vec<Delivered>)> = batch
            .into_iter()
            .filter_map(|(seat, delivered)| Some((seat, self.members.remove(&seat)?, delivered)))
            .collect();
        let racing = &self.racing;
        let done: Vec<(Seat, LiveMember, Option<Said>)> = work
            .into_par_iter()
            .map(|(seat, mut member, delivered)| {
                let said = live(seat, &mut member, &delivered, racing(seat));
                (seat, member, said)
            })
            .collect();
        for (seat, member, said) in done {
            self.members.insert(seat, member);
            if let Some(said) = said {
                // The worker only stops listening when the run is over.
                self.to_worker.send(said).ok();
            }
        }
        // It can only fail when the worker has been woken very often already.
        self.wake.write(1).ok();
    }
}

fn live(
    seat: Seat,
    member: &mut LiveMember,
    delivered: &[Delivered],
    racing: bool,
) -> Option<Said> {
    let before = member.epoch();
    for one in delivered {
        let outcome = if one.own {
            member.own_commit_won().map(drop)
        } else {
            member.process(&one.body).map(drop)
        };
        if let Err(error) = outcome {
            return Some(Said::Failed { seat, error });
        }
    }
    if !racing || (member.epoch() == before && !delivered.is_empty()) {
        return None;
    }
    Some(match member.prepare_commit() {
        Ok(body) => Said::Prepared { seat, epoch: member.epoch(), body },
        Err(error) => Said::Failed { seat, error },
    })
}
