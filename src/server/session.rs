//! A session: one device on one control stream of a connection.
//!
//! Requests and answers cross the control stream; deliveries leave on a stream of their own,
//! opened when the device has authenticated. Several sessions may share a connection.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::delivery::{DeviceId, GroupId};
use crate::limits::{
    ATTACHMENTS_PENDING_MAX, FRAME_BYTES_MAX, FRAME_BYTES_UNAUTHENTICATED_MAX,
    REPLIES_PENDING_BYTES_MAX,
};
use crate::net::{ConnectionId, Driver, StreamId};
use crate::wire::{Inbox, Reply};

/// Names a session of a shard; never names a later one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// One device on one control stream.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) generation: u32,
    pub(super) connection: ConnectionId,
    pub(super) control: StreamId,
    /// `None` until the device has authenticated.
    pub(super) peer: Option<Peer>,
    pub(super) inbox: Inbox,
    /// Answers not yet taken by the control stream. When they exceed
    /// [`REPLIES_PENDING_BYTES_MAX`], requests are left unread until they have left.
    replies: BytesMut,
    replies_rest: Bytes,
    /// Already in the shard's list of sessions with answers to send.
    pub(super) replying: bool,
    /// Attachments asked of the groups' owners and not answered, in order; false if the session
    /// has detached since. At [`ATTACHMENTS_PENDING_MAX`], requests are left unread.
    attaching: Vec<(GroupId, bool)>,
    /// Requests are left unread.
    pub(super) paused: bool,
    /// Waits for room for a long frame: not read before it has it.
    pub(super) waits_for_room: bool,
    /// Has room for the frame in the making.
    pub(super) has_room: bool,
    /// Already in the shard's list of sessions to read on.
    pub(super) reading_on: bool,
}

/// What an authenticated session has.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) device: DeviceId,
    /// The last second, Unix time, at which its token is good.
    pub(super) not_after: u64,
    pub(super) deliveries: StreamId,
    /// The part of a frame that the delivery stream has not taken yet.
    pub(super) rest: Bytes,
    /// Audiences it is in, by slot.
    pub(super) audiences: Vec<u32>,
    /// Audiences that wait for its delivery stream to take more.
    pub(super) waiting: Vec<u32>,
    /// Since when that stream has taken nothing of what is due; whatever it attaches to meanwhile.
    pub(super) stalled_since: Option<Duration>,
    /// Whether it asked for its device's Welcomes.
    pub(super) collecting: bool,
    /// Frames of no group that wait for its delivery stream, at most
    /// [`NOTICES_PENDING_MAX`](crate::limits::NOTICES_PENDING_MAX). None while `rest` is empty.
    pub(super) notices: VecDeque<Bytes>,
}

impl Peer {
    /// A device that has just authenticated; `rest` has not been written yet.
    pub(super) fn new(
        (device, not_after): (DeviceId, u64),
        deliveries: StreamId,
        rest: Bytes,
    ) -> Self {
        Self {
            device,
            not_after,
            deliveries,
            rest,
            audiences: Vec::new(),
            waiting: Vec::new(),
            stalled_since: None,
            collecting: false,
            notices: VecDeque::new(),
        }
    }

    /// What its delivery stream has to take before anything of a group.
    pub(super) fn next_rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { self.notices.pop_front() } else { Some(rest) }
    }

    /// Its delivery stream has been offered something, at `now`, and has taken so many bytes.
    pub(super) fn took(&mut self, now: Duration, bytes: usize) {
        self.stalled_since = (bytes == 0).then(|| self.stalled_since.unwrap_or(now));
    }
}

impl Session {
    fn new(generation: u32, connection: ConnectionId, control: StreamId) -> Self {
        Self {
            generation,
            connection,
            control,
            peer: None,
            inbox: Inbox::new(FRAME_BYTES_UNAUTHENTICATED_MAX),
            replies: BytesMut::new(),
            replies_rest: Bytes::new(),
            replying: false,
            attaching: Vec::new(),
            paused: false,
            waits_for_room: false,
            has_room: false,
            reading_on: false,
        }
    }

    /// Adds an answer to what the control stream will take.
    pub(super) fn reply(&mut self, reply: &Reply) {
        reply.encode(&mut self.replies);
    }

    /// Whether answers wait.
    pub(super) fn has_replies(&self) -> bool {
        !self.replies.is_empty() || !self.replies_rest.is_empty()
    }

    /// Whether so many answers wait, or are waited for, that requests should not be read.
    pub(super) fn is_full(&self) -> bool {
        self.waits_for_room
            || self.attaching.len() >= ATTACHMENTS_PENDING_MAX
            || self.replies.len() + self.replies_rest.len() > REPLIES_PENDING_BYTES_MAX
    }

    /// An attachment is asked of the group's owner.
    pub(super) fn attach_asked(&mut self, group: GroupId) {
        self.attaching.push((group, true));
    }

    /// The session wants nothing of the group, whatever its owner is about to answer.
    pub(super) fn attach_unwanted(&mut self, group: &GroupId) {
        for (_, wanted) in self.attaching.iter_mut().filter(|(other, _)| other == group) {
            *wanted = false;
        }
    }

    /// The group's owner has answered the oldest attachment; whether it is still wanted.
    pub(super) fn attach_answered(&mut self, group: &GroupId) -> bool {
        let asked = self.attaching.iter().position(|(other, _)| other == group);
        asked.is_some_and(|index| self.attaching.remove(index).1)
    }

    /// Gives waiting answers to the control stream, as many as it takes.
    pub(super) fn flush_replies(&mut self, driver: &mut Driver) {
        loop {
            if self.replies_rest.is_empty() {
                if self.replies.is_empty() {
                    return;
                }
                self.replies_rest = self.replies.split().freeze();
            }
            let before = self.replies_rest.len();
            let mut chunk = [std::mem::take(&mut self.replies_rest)];
            let written = driver.write(self.connection, self.control, &mut chunk);
            let [rest] = chunk;
            match written {
                // The stream is gone: so is whoever waited for the answers.
                None => return self.replies.clear(),
                Some(written) => {
                    self.replies_rest = rest;
                    if written < before {
                        return;
                    }
                }
            }
        }
    }
}

/// The sessions of a shard, and which of them share a connection.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Session>>,
    free: Vec<u32>,
    generation: u32,
    by_connection: Vec<Vec<u32>>,
    authenticated: usize,
}

impl Sessions {
    /// Sessions whose device has authenticated.
    pub(super) fn authenticated(&self) -> usize {
        self.authenticated
    }

    /// Lets a session speak as a device from now on.
    pub(super) fn authenticate(&mut self, key: SessionKey, peer: Peer) {
        let Some(session) = self.get(key) else { return };
        session.inbox.set_frame_bytes_max(FRAME_BYTES_MAX);
        if session.peer.replace(peer).is_none() {
            self.authenticated += 1;
        }
    }

    /// Sessions that share a connection.
    pub(super) fn of(&self, connection: ConnectionId) -> &[u32] {
        self.by_connection.get(connection.index as usize).map_or(&[], Vec::as_slice)
    }

    /// A new session on a control stream.
    pub(super) fn open(&mut self, connection: ConnectionId, control: StreamId) -> SessionKey {
        let generation = self.generation;
        self.generation = self.generation.wrapping_add(1);
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("sessions are bounded by connections")
        });
        self.slots[index as usize] = Some(Session::new(generation, connection, control));
        let slot = connection.index as usize;
        if self.by_connection.len() <= slot {
            self.by_connection.resize_with(slot + 1, Vec::new);
        }
        self.by_connection[slot].push(index);
        SessionKey { index, generation }
    }

    /// Forgets a session.
    pub(super) fn close(&mut self, key: SessionKey) -> Option<Session> {
        self.get(key)?;
        let session = self.slots[key.index as usize].take()?;
        self.by_connection[session.connection.index as usize].retain(|index| *index != key.index);
        self.free.push(key.index);
        self.authenticated -= usize::from(session.peer.is_some());
        Some(session)
    }

    /// The session, if it still exists.
    pub(super) fn get(&mut self, key: SessionKey) -> Option<&mut Session> {
        let session = self.slots.get_mut(key.index as usize)?.as_mut()?;
        (session.generation == key.generation).then_some(session)
    }

    /// The session of a connection that has this stream as its control or delivery stream.
    pub(super) fn find(&self, connection: ConnectionId, stream: StreamId) -> Option<SessionKey> {
        self.of(connection).iter().find_map(|index| {
            let session = self.slots[*index as usize].as_ref()?;
            let deliveries = session.peer.as_ref().map(|peer| peer.deliveries);
            let found = session.connection == connection
                && (session.control == stream || deliveries == Some(stream));
            found.then_some(SessionKey { index: *index, generation: session.generation })
        })
    }

    /// Every session of a connection.
    pub(super) fn keys_of(&self, connection: ConnectionId) -> Vec<SessionKey> {
        let key = |index: &u32| {
            let session = self.slots[*index as usize].as_ref()?;
            let generation = session.generation;
            (session.connection == connection).then_some(SessionKey { index: *index, generation })
        };
        self.of(connection).iter().filter_map(key).collect()
    }

    /// Connections of those whose delivery streams have taken nothing for so long.
    pub(super) fn stalled(&self, now: Duration, long: Duration) -> Vec<ConnectionId> {
        let stalled = |session: &&Session| {
            let since = session.peer.as_ref().and_then(|peer| peer.stalled_since);
            since.is_some_and(|since| now >= since + long)
        };
        self.iter().filter(stalled).map(|session| session.connection).collect()
    }

    /// Every session.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten()
    }
}
