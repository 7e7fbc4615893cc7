//! The way out: which connection sends when, and how much of it in one turn.
//!
//! A connection that says little says it at once and whole. One with something long to send waits
//! until those before it have sent theirs, then sends a train whenever its turn comes, up to
//! [`BULK_BYTES_PER_TURN`] of all such connections in a turn of the driver. So a message of
//! megabytes to thousands neither holds up a short one for longer than a turn nor fills the queues
//! on the way. Called by the driver's owner.

use std::time::Instant;

use quinn_proto::ConnectionHandle;

use super::{Bulk, Driver, Error};
use crate::limits::{BULK_BYTES_MIN, BULK_BYTES_PER_TURN};

/// Bytes of a packet that are surely not a stream's: header and tag. Its frames have headers too.
const OVERHEAD_MIN: usize = 26;

impl Driver {
    /// Sends what connections have to send, short things first and long things up to a bound.
    /// While [`Self::is_busy`] says so, there is more.
    ///
    /// # Errors
    /// [`Error::Socket`]: the socket is gone.
    pub fn transmit(&mut self, now: Instant) -> Result<(), Error> {
        let mut dirty = std::mem::take(&mut self.dirty);
        // Sockets are flushed from that of the connection first in line: were it always the same
        // socket, whoever is on it would win every race of what leaves in one turn.
        let first = dirty.first().and_then(|index| self.connections[*index as usize].as_ref());
        let first = first.map_or(0, |slot| slot.socket);
        for index in dirty.drain(..) {
            self.send(now, index);
        }
        // Closing may have marked more; they wait for the next turn.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        self.transmit_bulk(now);
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (later, sooner) = self.sockets.split_at_mut(first);
        sooner.iter_mut().chain(later).try_for_each(super::Socket::flush)
    }

    /// Lets [`Self::transmit`] look at a connection: as one in line, if it can send as such.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        if slot.bulk == Bulk::Active && !std::mem::replace(&mut slot.ready, true) {
            self.bulk.queue(index);
        }
        let in_line = slot.bulk == Bulk::Active && self.bulk.has_room();
        if !in_line && !std::mem::replace(&mut slot.queued, true) {
            self.dirty.push(index);
        }
    }

    /// Streams of a connection have taken so many bytes more.
    pub(super) fn wrote(&mut self, index: u32, bytes: usize) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        slot.unsent += bytes;
        if slot.bulk == Bulk::No && slot.unsent >= BULK_BYTES_MIN {
            slot.bulk = Bulk::Waiting;
            self.bulk.join(index);
        } else {
            self.mark_dirty(index);
        }
    }

    fn transmit_bulk(&mut self, now: Instant) {
        while let Some(index) = self.bulk.doubtful(now) {
            let Some(slot) = self.connections[index as usize].as_mut() else { continue };
            slot.watched = slot.due > 0 && slot.has_progressed();
            if slot.watched {
                self.bulk.watch(now, index);
            } else if slot.due > 0 {
                slot.overdue = true;
                let before = std::mem::take(&mut slot.due);
                self.bulk.reckon(before, 0);
            }
        }
        let mut left = BULK_BYTES_PER_TURN;
        while left > 0
            && let Some((index, waited)) = self.bulk.next()
        {
            let Some(slot) = self.connections[index as usize].as_mut() else { continue };
            slot.ready = false;
            if waited {
                if slot.bulk != Bulk::Waiting {
                    continue;
                }
                slot.bulk = Bulk::Active;
            }
            left = left.saturating_sub(self.send(now, index).max(1));
        }
    }

    /// Sends a connection's packets until it has no more or has sent a whole train; the bytes.
    /// One in line that is not to send now only says what cannot wait, in a packet.
    pub(super) fn send(&mut self, now: Instant, index: u32) -> usize {
        let Some(slot) = self.connections[index as usize].as_mut() else { return 0 };
        slot.queued = false;
        let socket = &mut self.sockets[slot.socket];
        let held = match slot.bulk {
            Bulk::No => false,
            Bulk::Waiting => true,
            Bulk::Active => !self.bulk.has_room(),
        };
        let train = if held { 1 } else { socket.train_max() };
        let mut bytes = 0;
        let more = loop {
            self.scratch.clear();
            let Some(transmit) = slot.proto.poll_transmit(now, train, &mut self.scratch) else {
                break false;
            };
            self.scratch.truncate(transmit.size);
            bytes += transmit.size;
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            let packets = transmit.size.div_ceil(segment.max(1));
            slot.unsent =
                slot.unsent.saturating_sub(transmit.size.saturating_sub(packets * OVERHEAD_MIN));
            let (to, segment) = (transmit.destination, transmit.segment_size);
            if let Err(error) = socket.send(to, &mut self.scratch, segment) {
                self.failed = Some(error);
                break false;
            }
            if packets >= train {
                break true;
            }
        };
        self.reckon(now, index);
        self.take_leave(index);
        self.settle(index);
        // Who is held will be heard, or has its turn.
        if more && !held {
            self.mark_dirty(index);
        }
        bytes
    }

    /// An active connection that has nothing unsent leaves the line.
    fn take_leave(&mut self, index: u32) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        if slot.bulk == Bulk::Active && (slot.unsent == 0 || slot.proto.is_closed()) {
            slot.bulk = Bulk::No;
            slot.close_window();
        }
    }

    /// Takes a connection's bytes on the way into account, if it has or had many.
    pub(super) fn reckon(&mut self, now: Instant, index: u32) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        if slot.bulk == Bulk::No && slot.due == 0 && !slot.overdue {
            return;
        }
        let before = slot.due;
        let bytes = slot.on_its_way();
        slot.overdue &= bytes > 0;
        slot.due = if slot.overdue { 0 } else { bytes };
        self.bulk.reckon(before, slot.due);
        if slot.due > 0 && !std::mem::replace(&mut slot.watched, true) {
            slot.has_progressed();
            self.bulk.watch(now, index);
        }
    }

    /// What a connection wants of the endpoint and of the clock after it has sent.
    fn settle(&mut self, index: u32) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        let handle = ConnectionHandle(index as usize);
        while let Some(event) = slot.proto.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                slot.proto.handle_event(event);
            }
        }
        let deadline = slot.proto.poll_timeout();
        if slot.proto.is_drained() {
            self.collect(index as usize);
            self.forget(index);
        } else {
            self.timers.set(index, deadline);
        }
    }

    pub(super) fn forget(&mut self, index: u32) {
        if let Some(slot) = self.connections[index as usize].take() {
            self.bulk.reckon(slot.due, 0);
            if let Some(guest) = slot.guest {
                self.gate.leave(guest);
            }
        }
        self.timers.clear(index);
        self.open -= 1;
    }
}
