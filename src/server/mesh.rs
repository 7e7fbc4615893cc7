//! The rings between shards.
//!
//! Every ordered pair of shards has two bounded single-producer rings of batches, one for what is
//! asked of a group's owner and one for what the owner has decided, and every shard one descriptor
//! by which the others wake it. What a shard posts during a turn leaves as one entry of each ring.
//!
//! When a ring is full its batch stays in the outbox, and the shard takes no more of what would add
//! to it: while questions wait, no requests of its own sessions; while decisions wait, neither
//! these nor the questions of others. Decisions are always taken, since dealing with one posts no
//! other: at most it lets the owner know that nobody is left of an audience, once for each. What a
//! decision about Welcomes asks of another shard is bounded by the Welcomes that groups hold. So the
//! rings of decisions always move, with them those of questions, and no number of full rings can
//! wait for each other; and an outbox never holds more than came of one turn's share of each ring
//! and socket.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use nix::sys::eventfd::{EfdFlags, EventFd};
use rtrb::{Consumer, Producer, RingBuffer};
use xxhash_rust::xxh3::xxh3_64;

use crate::delivery::{DeviceId, Entry, Epoch, GroupId, Input, Link, Seq};
use crate::limits::MESH_BATCHES_MAX;
use crate::wire::Reply;

/// What one shard tells another, or itself.
#[derive(Debug)]
pub(super) enum Post {
    /// For the group's owner.
    Input(Input),
    /// For a session.
    Reply { to: Link, reply: Reply },
    /// A session starts to drain a group.
    Attached(Box<Attached>),
    /// A message of a group that has an audience there.
    Entry { group: GroupId, epoch: Epoch, seq: Seq, frame: Bytes, removed: Arc<[DeviceId]> },
    /// A frame of no group, for a session's delivery stream.
    Notice { to: Link, frame: Bytes },
    /// A group is gone.
    Deleted { group: GroupId },
}

/// A session's start, with the messages it missed.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) to: Link,
    pub(super) device: DeviceId,
    pub(super) group: GroupId,
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
    pub(super) next: Seq,
    pub(super) last: Option<Seq>,
    pub(super) resync: bool,
    /// Messages `next..=head`, oldest first. Not yet encoded: the audience may have their frames.
    pub(super) backlog: Vec<Entry>,
}

/// The shard that owns a group, by hash.
pub(super) fn owner(group: &GroupId, shards: u16) -> u16 {
    let shard = xxh3_64(group.as_bytes()) % u64::from(shards);
    u16::try_from(shard).expect("less than the number of shards")
}

/// Wakes a sleeping shard.
#[derive(Debug)]
pub(super) struct Waker {
    event: EventFd,
    sleeping: AtomicBool,
}

impl Waker {
    /// Wakes the shard if it sleeps or is about to.
    pub(super) fn wake(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst) {
            // It can only fail when the counter is full, and then the shard is woken anyway.
            self.event.write(1).ok();
        }
    }
}

/// One shard's ends of the rings of one kind.
#[derive(Debug)]
struct Lane {
    outgoing: Vec<Option<Producer<Vec<Post>>>>,
    incoming: Vec<Consumer<Vec<Post>>>,
    outbox: Vec<Vec<Post>>,
}

impl Lane {
    fn build(shards: u16, batches_max: usize) -> Vec<Self> {
        let mut lanes: Vec<Self> = (0..shards)
            .map(|_| Self {
                outgoing: (0..shards).map(|_| None).collect(),
                incoming: Vec::new(),
                outbox: (0..shards).map(|_| Vec::new()).collect(),
            })
            .collect();
        for from in 0..usize::from(shards) {
            for to in (0..usize::from(shards)).filter(|to| *to != from) {
                let (producer, consumer) = RingBuffer::new(batches_max);
                lanes[from].outgoing[to] = Some(producer);
                lanes[to].incoming.push(consumer);
            }
        }
        lanes
    }

    /// Sends what was posted; false while a full ring holds something back.
    fn flush(&mut self, wakers: &[Arc<Waker>]) -> bool {
        let mut all = true;
        for (shard, outbox) in self.outbox.iter_mut().enumerate() {
            if outbox.is_empty() {
                continue;
            }
            let ring = self.outgoing[shard].as_mut().expect("posts go to other shards");
            if let Err(rtrb::PushError::Full(batch)) = ring.push(std::mem::take(outbox)) {
                *outbox = batch;
                all = false;
            }
            wakers[shard].wake();
        }
        all
    }

    fn is_idle(&self) -> bool {
        self.incoming.iter().all(Consumer::is_empty) && self.outbox.iter().all(Vec::is_empty)
    }
}

/// What a shard may take on, by what its full rings hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// Requests of its own sessions.
    pub(super) requests: bool,
    /// What other shards ask of the groups here.
    pub(super) inputs: bool,
}

/// One shard's ends of all rings.
#[derive(Debug)]
pub(super) struct Mesh {
    own: u16,
    inputs: Lane,
    decisions: Lane,
    wakers: Vec<Arc<Waker>>,
}

impl Mesh {
    /// The meshes of `shards` shards, by index.
    ///
    /// # Errors
    /// When the kernel gives no descriptors.
    pub(super) fn build(shards: u16) -> std::io::Result<Vec<Self>> {
        Self::with_rings(shards, MESH_BATCHES_MAX)
    }

    fn with_rings(shards: u16, batches_max: usize) -> std::io::Result<Vec<Self>> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wakers = (0..shards)
            .map(|_| {
                let event = EventFd::from_flags(flags)?;
                Ok(Arc::new(Waker { event, sleeping: AtomicBool::new(false) }))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let lanes = || Lane::build(shards, batches_max);
        let meshes = (0..shards).zip(lanes()).zip(lanes());
        Ok(meshes
            .map(|((own, inputs), decisions)| Self {
                own,
                inputs,
                decisions,
                wakers: wakers.clone(),
            })
            .collect())
    }

    /// This shard's index.
    pub(super) fn own(&self) -> u16 {
        self.own
    }

    /// Shards there are.
    pub(super) fn shards(&self) -> u16 {
        u16::try_from(self.wakers.len()).expect("shards are bounded")
    }

    /// What wakes this shard.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.wakers[usize::from(self.own)])
    }

    /// Adds to what leaves for another shard with the next [`Self::flush`].
    pub(super) fn post(&mut self, shard: u16, post: Post) {
        assert!(shard != self.own, "a shard does not post to itself");
        let lane = match post {
            Post::Input(_) => &mut self.inputs,
            _ => &mut self.decisions,
        };
        lane.outbox[usize::from(shard)].push(post);
    }

    /// Sends what was posted; what this shard may take on then.
    pub(super) fn flush(&mut self) -> Flow {
        let asked = self.inputs.flush(&self.wakers);
        let decided = self.decisions.flush(&self.wakers);
        Flow { requests: asked && decided, inputs: decided }
    }

    /// Whether everything posted has left.
    pub(super) fn is_flushed(&self) -> bool {
        [&self.inputs, &self.decisions].iter().all(|lane| lane.outbox.iter().all(Vec::is_empty))
    }

    /// Whether, beside, nothing that others have posted waits here.
    pub(super) fn is_idle(&self) -> bool {
        self.inputs.is_idle() && self.decisions.is_idle()
    }

    /// The next batch of what another shard has decided.
    pub(super) fn take_decisions(&mut self) -> Option<Vec<Post>> {
        self.decisions.incoming.iter_mut().find_map(|ring| ring.pop().ok())
    }

    /// The next batch of what one of the other shards asks, these counted from 0.
    pub(super) fn take_inputs(&mut self, other: u16) -> Option<Vec<Post>> {
        self.inputs.incoming.get_mut(usize::from(other))?.pop().ok()
    }

    /// Announces that this shard is about to sleep; false if something has come meanwhile.
    pub(super) fn may_sleep(&self) -> bool {
        let waker = &self.wakers[usize::from(self.own)];
        waker.sleeping.store(true, Ordering::SeqCst);
        let idle = self.is_idle();
        if !idle {
            waker.sleeping.store(false, Ordering::SeqCst);
        }
        idle
    }

    /// The descriptor to sleep on.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wakers[usize::from(self.own)].event.as_fd()
    }

    /// This shard is awake again.
    pub(super) fn awake(&self) {
        let waker = &self.wakers[usize::from(self.own)];
        waker.sleeping.store(false, Ordering::SeqCst);
        // Not armed is an error here and nothing to worry about.
        waker.event.read().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(number: u8) -> Post {
        Post::Deleted { group: GroupId::new(&[number]).unwrap() }
    }

    fn asked() -> Post {
        let group = GroupId::new(&[1]).unwrap();
        Post::Input(Input::Unwatch { shard: 0, group })
    }

    const FLOWING: Flow = Flow { requests: true, inputs: true };

    #[test]
    fn a_turns_posts_arrive_as_one_batch_in_order() {
        let mut meshes = Mesh::build(2).unwrap();
        for number in 1..=3 {
            meshes[0].post(1, gone(number));
        }
        assert_eq!(meshes[0].flush(), FLOWING);
        let batch = meshes[1].take_decisions().unwrap();
        let order: Vec<u8> = batch
            .iter()
            .map(|post| match post {
                Post::Deleted { group } => group.as_bytes()[0],
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(meshes[1].take_decisions().is_none());
    }

    #[test]
    fn a_full_ring_holds_posts_back_and_loses_none() {
        let mut meshes = Mesh::build(2).unwrap();
        for _ in 0..MESH_BATCHES_MAX {
            meshes[0].post(1, gone(1));
            assert_eq!(meshes[0].flush(), FLOWING);
        }
        meshes[0].post(1, gone(2));
        assert_eq!(meshes[0].flush(), Flow { requests: false, inputs: false });
        meshes[0].post(1, gone(3));
        assert_eq!(meshes[0].flush(), Flow { requests: false, inputs: false });
        assert!(!meshes[0].may_sleep());
        let mut posts = meshes[1].take_decisions().unwrap().len();
        assert_eq!(meshes[0].flush(), FLOWING);
        let rest = std::iter::from_fn(|| meshes[1].take_decisions());
        posts += rest.map(|batch| batch.len()).sum::<usize>();
        assert_eq!(posts, MESH_BATCHES_MAX + 2);
    }

    #[test]
    fn a_full_ring_of_questions_lets_those_of_others_be_answered() {
        let mut meshes = Mesh::with_rings(2, 1).unwrap();
        meshes[0].post(1, asked());
        assert_eq!(meshes[0].flush(), FLOWING);
        meshes[0].post(1, asked());
        assert_eq!(meshes[0].flush(), Flow { requests: false, inputs: true });
        assert!(meshes[1].take_inputs(0).is_some());
        assert_eq!(meshes[0].flush(), FLOWING);
    }

    /// One turn of a shard, as the worker has it: sessions ask every other shard something, and
    /// every question is answered at the shard after the one that asked.
    fn turn(mesh: &mut Mesh, asking: bool, answered: &mut usize) -> usize {
        let others = |own: u16| (0..3).filter(move |shard| *shard != own);
        let flow = mesh.flush();
        let own = mesh.own();
        if flow.requests && asking {
            for to in others(own) {
                mesh.post(to, asked());
            }
        }
        while let Some(batch) = mesh.take_decisions() {
            *answered += batch.len();
        }
        for other in 0..2 {
            let batch = if flow.inputs { mesh.take_inputs(other) } else { None };
            for _ in batch.into_iter().flatten() {
                others(own).for_each(|to| mesh.post(to, gone(1)));
            }
        }
        mesh.flush();
        let lanes = [&mesh.inputs, &mesh.decisions].into_iter();
        lanes.flat_map(|lane| lane.outbox.iter().map(Vec::len)).max().unwrap_or(0)
    }

    #[test]
    fn a_shard_that_takes_nothing_makes_no_outbox_grow() {
        let mut meshes = Mesh::with_rings(3, 2).unwrap();
        let mut answered = 0;
        for _ in 0..1_000 {
            for mesh in &mut meshes[..2] {
                let waiting = turn(mesh, true, &mut answered);
                assert!(waiting <= 8, "{waiting} posts wait");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_turns_shards_take_every_question_is_answered(
            order in proptest::collection::vec(0_usize..3, 1..300)
        ) {
            let mut meshes = Mesh::with_rings(3, 1).unwrap();
            let mut answered = 0;
            for shard in order {
                proptest::prop_assert!(turn(&mut meshes[shard], true, &mut answered) <= 8);
            }
            let mut idle_turns = 0;
            while !meshes.iter().all(|mesh| mesh.inputs.is_idle() && mesh.decisions.is_idle()) {
                for mesh in &mut meshes {
                    turn(mesh, false, &mut answered);
                }
                idle_turns += 1;
                proptest::prop_assert!(idle_turns < 1_000, "full rings wait for each other");
            }
        }
    }

    #[test]
    fn a_shard_about_to_sleep_is_woken_by_a_post() {
        let mut meshes = Mesh::build(2).unwrap();
        assert!(meshes[1].may_sleep());
        meshes[0].post(1, gone(1));
        meshes[0].flush();
        assert_eq!(meshes[1].wakers[1].event.read(), Ok(1), "the descriptor is readable");
        assert!(!meshes[1].may_sleep(), "something has come");
    }

    #[test]
    fn every_group_has_one_owner_and_the_shards_share_them() {
        let mut owned = [0; 4];
        for number in 0..4_000_u32 {
            let group = GroupId::new(&number.to_be_bytes()).unwrap();
            assert_eq!(owner(&group, 4), owner(&group, 4));
            owned[usize::from(owner(&group, 4))] += 1;
        }
        assert!(owned.iter().all(|groups| (900..1_100).contains(groups)), "{owned:?}");
    }
}
