//! Sweeps: handing each recipient the frames that are due to it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::session::{SessionKey, Sessions};
use super::worker::Worker;
use crate::clock;
use crate::delivery::{Due, Epoch, GroupId, Range, Seq, Taken};
use crate::limits::{COALESCED_BYTES_MAX, SWEEP_BYTES_PER_TURN, SWEEP_VISITS_PER_TURN};
use crate::net::{ConnectionId, Driver};
use crate::wire::{Counter, Counters, Delivery, Refusal};

/// Visits between two looks at how many bytes the turn has handed out.
const VISITS_PER_CHUNK: usize = 32;

/// Frames that are handed to a recipient in one piece, and to every other that is due the same.
#[derive(Debug)]
struct Piece {
    first: Seq,
    due: usize,
    frames: usize,
    bytes: Bytes,
}

/// Where due frames go: the delivery streams of this shard's sessions.
struct Outlet<'a> {
    driver: &'a mut Driver,
    sessions: &'a mut Sessions,
    counters: &'a mut Counters,
    too_slow: &'a mut Vec<ConnectionId>,
    /// Since the shard started.
    now: Duration,
    slot: u32,
    group: GroupId,
    epoch: Epoch,
    /// What the last recipient was handed: mostly all are due the same.
    piece: Option<Piece>,
    bytes: usize,
}

impl Outlet<'_> {
    fn take(&mut self, key: SessionKey, due: Due<'_, Bytes>) -> Taken {
        let Some(session) = self.sessions.get(key) else { return Taken::Yes };
        let connection = session.connection;
        let Some(peer) = session.peer.as_mut() else { return Taken::Yes };
        let (frames, bytes) = match due {
            Due::TooSlow => {
                self.too_slow.push(connection);
                return Taken::Yes;
            }
            _ if !peer.rest.is_empty() => {
                peer.stalled_since.get_or_insert(self.now);
                peer.waiting.push(self.slot);
                return Taken::Full;
            }
            Due::Items { first, items } => piece(&mut self.piece, first, items),
            Due::Resync { next } => {
                self.counters.add(Counter::Resyncs, 1);
                let mut notice = BytesMut::new();
                Delivery::Resync { group: self.group, next, epoch: self.epoch }.encode(&mut notice);
                (1, notice.freeze())
            }
        };
        let length = bytes.len();
        let mut chunk = [bytes];
        match self.driver.write(connection, peer.deliveries, &mut chunk) {
            // The stream is gone; the session's end will follow.
            None => return Taken::Yes,
            Some(0) => {
                peer.took(self.now, 0);
                peer.waiting.push(self.slot);
                return Taken::Full;
            }
            Some(written) => {
                peer.took(self.now, written);
                [peer.rest] = chunk;
            }
        }
        self.bytes += length;
        self.counters.add(Counter::Deliveries, frames as u64);
        self.counters.add(Counter::DeliveryBytes, length as u64);
        Taken::First(frames)
    }
}

/// The first of the due frames as one piece of up to [`COALESCED_BYTES_MAX`] bytes, or a single
/// longer one; how many they are. Shared with whoever was due the same before.
fn piece(last: &mut Option<Piece>, first: Seq, items: Range<'_, Bytes>) -> (usize, Bytes) {
    let due = items.len();
    match last {
        Some(piece) if (piece.first, piece.due) == (first, due) => {}
        _ => *last = Some(Piece::of(first, items)),
    }
    let piece = last.as_ref().expect("it was just made");
    (piece.frames, piece.bytes.clone())
}

impl Piece {
    fn of(first: Seq, items: Range<'_, Bytes>) -> Self {
        let due = items.len();
        let mut bytes = 0;
        let fits = |frame: &&Bytes| {
            bytes += frame.len();
            bytes <= COALESCED_BYTES_MAX
        };
        let frames = items.clone().take_while(fits).count().max(1);
        let mut frames_due = items.take(frames);
        let bytes = match (frames, frames_due.next()) {
            (1, Some(frame)) => frame.clone(),
            (_, head) => {
                let mut joined = BytesMut::new();
                head.into_iter()
                    .chain(frames_due)
                    .for_each(|frame| joined.extend_from_slice(frame));
                joined.freeze()
            }
        };
        Self { first, due, frames, bytes }
    }
}

impl Worker {
    /// Visits recipients of the places with something new, place by place in turn, until the
    /// turn's bound of visits or bytes; the visits made.
    pub(super) fn sweep(&mut self, now: Instant) -> usize {
        let mut visits = 0;
        let mut bytes = 0;
        while visits < SWEEP_VISITS_PER_TURN && bytes < SWEEP_BYTES_PER_TURN {
            let Some(slot) = self.audiences.next_sweep() else { break };
            loop {
                let (visited, handed) = self.sweep_chunk(now, slot);
                visits += visited;
                bytes += handed;
                let over = visits >= SWEEP_VISITS_PER_TURN || bytes >= SWEEP_BYTES_PER_TURN;
                if visited < VISITS_PER_CHUNK || over {
                    break;
                }
            }
            self.audiences.queue(slot);
            self.release_if_drained(slot);
        }
        self.close_too_slow();
        visits
    }

    /// Offers recipients what a further message of the group might push out of the ring: a burst
    /// may be longer than the ring, and comes within one turn.
    pub(super) fn make_room(&mut self, group: &GroupId) {
        let Some(slot) = self.audiences.pressed(group) else { return };
        let now = clock::now();
        let mut visits = 0;
        while visits < SWEEP_VISITS_PER_TURN {
            let (visited, _) = self.sweep_chunk(now, slot);
            visits += visited;
            if visited < VISITS_PER_CHUNK {
                break;
            }
        }
        self.release_if_drained(slot);
    }

    fn sweep_chunk(&mut self, now: Instant, slot: u32) -> (usize, usize) {
        let since = now.saturating_duration_since(self.started);
        let Some((mut outlet, audience)) = self.outlet(since, slot) else { return (0, 0) };
        let mut sink = |key, due: Due<'_, Bytes>| outlet.take(key, due);
        let visited = audience.sweep(since, VISITS_PER_CHUNK, &mut sink);
        (visited, outlet.bytes)
    }

    /// A session's delivery stream can take more: first the rest of its frame, then what it missed.
    pub(super) fn resume(&mut self, now: Instant, key: SessionKey) {
        let since = now.saturating_duration_since(self.started);
        let Some(session) = self.sessions.get(key) else { return };
        let connection = session.connection;
        let Some(peer) = session.peer.as_mut() else { return };
        // That there is room is its peer's doing, whether anything is due or not.
        peer.stalled_since = None;
        while let Some(next) = peer.next_rest() {
            let mut chunk = [next];
            let written = self.driver.write(connection, peer.deliveries, &mut chunk);
            [peer.rest] = chunk;
            peer.took(since, written.unwrap_or(0));
            if !peer.rest.is_empty() {
                if written.is_some_and(|written| written > 0) {
                    for slot in &peer.waiting {
                        let place = self.audiences.place(*slot);
                        if let Some(audience) = place.and_then(|place| place.audience.as_mut()) {
                            audience.still_taking(since, key);
                        }
                    }
                }
                return;
            }
        }
        for slot in std::mem::take(&mut peer.waiting) {
            if let Some((mut outlet, audience)) = self.outlet(since, slot) {
                audience.resume(since, key, &mut |key, due: Due<'_, Bytes>| outlet.take(key, due));
            }
            self.release_if_drained(slot);
        }
        self.close_too_slow();
    }

    /// Closes recipients that have taken nothing for too long.
    pub(super) fn close_stalled(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.started);
        for slot in self.audiences.slots() {
            if let Some((mut outlet, audience)) = self.outlet(since, slot) {
                let mut sink = |key, due: Due<'_, Bytes>| outlet.take(key, due);
                audience.close_stalled(since, &mut sink);
            }
        }
        // Attaching anew makes a new place in an audience, but no more patience.
        self.too_slow.extend(self.sessions.stalled(since, self.stall_max));
        self.close_too_slow();
    }

    fn outlet(
        &mut self,
        now: Duration,
        slot: u32,
    ) -> Option<(Outlet<'_>, &mut crate::delivery::Audience<SessionKey, Bytes>)> {
        let place = self.audiences.place(slot)?;
        let (group, epoch) = (place.group, place.epoch);
        let audience = place.audience.as_mut()?;
        let outlet = Outlet {
            driver: &mut self.driver,
            sessions: &mut self.sessions,
            counters: &mut self.counters,
            too_slow: &mut self.too_slow,
            now,
            slot,
            group,
            epoch,
            piece: None,
            bytes: 0,
        };
        Some((outlet, audience))
    }

    /// Removed devices and closed sessions may have been the last that drained a place.
    fn release_if_drained(&mut self, slot: u32) {
        let Some(group) = self.audiences.place(slot).map(|place| place.group) else { return };
        self.abandoned.extend(self.audiences.release(&group));
    }

    fn close_too_slow(&mut self) {
        let mut too_slow = std::mem::take(&mut self.too_slow);
        // One may have been found in several ways, and is closed once.
        too_slow.sort_unstable_by_key(|connection| connection.index);
        too_slow.dedup();
        for connection in too_slow {
            self.condemn(connection, Refusal::TooSlow);
        }
    }
}
