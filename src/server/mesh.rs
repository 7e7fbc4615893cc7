//! The rings between shards.
//!
//! Every ordered pair of shards has one bounded single-producer ring of batches, and every shard
//! one descriptor by which the others wake it. What a shard posts during a turn leaves as one
//! ring entry per receiving shard. When a ring is full the batch stays in the outbox, grows with
//! the next turn's posts, and the shard takes no new requests until it has left; posts that
//! others send it are still handled, so two full rings cannot wait for each other. With three or
//! more shards those posts may add to the outbox, as much as the others' sessions ask meanwhile.

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

/// One shard's ends of all rings.
#[derive(Debug)]
pub(super) struct Mesh {
    own: u16,
    outgoing: Vec<Option<Producer<Vec<Post>>>>,
    incoming: Vec<Consumer<Vec<Post>>>,
    outbox: Vec<Vec<Post>>,
    wakers: Vec<Arc<Waker>>,
}

impl Mesh {
    /// The meshes of `shards` shards, by index.
    ///
    /// # Errors
    /// When the kernel gives no descriptors.
    pub(super) fn build(shards: u16) -> std::io::Result<Vec<Self>> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wakers = (0..shards)
            .map(|_| {
                let event = EventFd::from_flags(flags)?;
                Ok(Arc::new(Waker { event, sleeping: AtomicBool::new(false) }))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let mut meshes: Vec<Self> = (0..shards)
            .map(|own| Self {
                own,
                outgoing: (0..shards).map(|_| None).collect(),
                incoming: Vec::new(),
                outbox: (0..shards).map(|_| Vec::new()).collect(),
                wakers: wakers.clone(),
            })
            .collect();
        for from in 0..usize::from(shards) {
            for to in (0..usize::from(shards)).filter(|to| *to != from) {
                let (producer, consumer) = RingBuffer::new(MESH_BATCHES_MAX);
                meshes[from].outgoing[to] = Some(producer);
                meshes[to].incoming.push(consumer);
            }
        }
        Ok(meshes)
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
        self.outbox[usize::from(shard)].push(post);
    }

    /// Sends what was posted; false while a full ring holds something back.
    pub(super) fn flush(&mut self) -> bool {
        let mut all = true;
        for (shard, outbox) in self.outbox.iter_mut().enumerate() {
            if outbox.is_empty() {
                continue;
            }
            let ring = self.outgoing[shard].as_mut().expect("posts go to other shards");
            match ring.push(std::mem::take(outbox)) {
                Ok(()) => self.wakers[shard].wake(),
                Err(rtrb::PushError::Full(batch)) => {
                    *outbox = batch;
                    self.wakers[shard].wake();
                    all = false;
                }
            }
        }
        all
    }

    /// Whether everything posted has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.outbox.iter().all(Vec::is_empty)
    }

    /// The next batch that another shard has sent here.
    pub(super) fn take(&mut self) -> Option<Vec<Post>> {
        self.incoming.iter_mut().find_map(|ring| ring.pop().ok())
    }

    /// Announces that this shard is about to sleep; false if something has come meanwhile.
    pub(super) fn may_sleep(&self) -> bool {
        let waker = &self.wakers[usize::from(self.own)];
        waker.sleeping.store(true, Ordering::SeqCst);
        let idle =
            self.incoming.iter().all(Consumer::is_empty) && self.outbox.iter().all(Vec::is_empty);
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

    #[test]
    fn a_turns_posts_arrive_as_one_batch_in_order() {
        let mut meshes = Mesh::build(2).unwrap();
        for number in 1..=3 {
            meshes[0].post(1, gone(number));
        }
        assert!(meshes[0].flush());
        let batch = meshes[1].take().unwrap();
        let order: Vec<u8> = batch
            .iter()
            .map(|post| match post {
                Post::Deleted { group } => group.as_bytes()[0],
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(meshes[1].take().is_none());
    }

    #[test]
    fn a_full_ring_holds_posts_back_and_loses_none() {
        let mut meshes = Mesh::build(2).unwrap();
        for _ in 0..MESH_BATCHES_MAX {
            meshes[0].post(1, gone(1));
            assert!(meshes[0].flush());
        }
        meshes[0].post(1, gone(2));
        assert!(!meshes[0].flush());
        meshes[0].post(1, gone(3));
        assert!(!meshes[0].flush());
        assert!(!meshes[0].may_sleep());
        let mut posts = meshes[1].take().unwrap().len();
        assert!(meshes[0].flush());
        posts += std::iter::from_fn(|| meshes[1].take()).map(|batch| batch.len()).sum::<usize>();
        assert_eq!(posts, MESH_BATCHES_MAX + 2);
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
