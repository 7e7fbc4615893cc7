//! The way out: which connection sends when, and how much of it in one turn.
//!
//! A connection that says little says it at once and whole. One in the middle of something long
//! stands in a line of such connections, sends one train when its time comes, and goes to the end
//! of the line; a turn serves the line up to [`BULK_BYTES_PER_TURN`]. So a message of megabytes to
//! thousands never holds up a short one for longer than a turn. Called by [`Driver`]'s owner.

use std::time::Instant;

use quinn_proto::ConnectionHandle;

use super::{ConnectionId, Driver, Error};
use crate::limits::{BULK_BYTES_PER_TURN, BULK_PACKETS_MIN};

impl Driver {
    /// Sends what connections have to send, short things first and long things up to a bound.
    /// While [`Self::is_busy`] says so, there is more.
    ///
    /// # Errors
    /// [`Error::Socket`]: the socket is gone.
    pub fn transmit(&mut self, now: Instant) -> Result<(), Error> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            self.send(now, index);
        }
        // Closing may have marked more; they wait for the next turn.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        let mut left = BULK_BYTES_PER_TURN;
        while left > 0
            && let Some(index) = self.bulk.pop_front()
        {
            left = left.saturating_sub(self.send(now, index).max(1));
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.sockets.iter_mut().try_for_each(super::Socket::flush)
    }

    /// Lets a connection send what it has without waiting for [`Self::transmit`], which still has
    /// to be called: datagrams leave in batches.
    pub fn send_now(&mut self, now: Instant, id: ConnectionId) {
        if self.connection(id).is_some() {
            self.send_now_or_queue(now, id.index);
        }
    }

    pub(super) fn send_now_or_queue(&mut self, now: Instant, index: u32) {
        match self.connections[index as usize].as_mut() {
            Some(slot) if slot.queued || slot.is_long => self.mark_dirty(index),
            Some(_) => {
                self.send(now, index);
            }
            None => {}
        }
    }

    /// Lets [`Self::transmit`] look at a connection.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        if std::mem::replace(&mut slot.queued, true) {
            return;
        }
        if slot.is_long {
            self.bulk.push_back(index);
        } else {
            self.dirty.push(index);
        }
    }

    /// Sends a connection's packets until it has no more or has sent a whole train; the bytes.
    fn send(&mut self, now: Instant, index: u32) -> usize {
        let Some(slot) = self.connections[index as usize].as_mut() else { return 0 };
        slot.queued = false;
        let (mut bytes, mut packets) = (0, 0);
        let socket = &mut self.sockets[slot.socket];
        let train = socket.train_max();
        let more = loop {
            self.scratch.clear();
            let Some(transmit) = slot.proto.poll_transmit(now, train, &mut self.scratch) else {
                break false;
            };
            self.scratch.truncate(transmit.size);
            bytes += transmit.size;
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            let sent = transmit.size.div_ceil(segment.max(1));
            packets += sent;
            if let Err(error) =
                socket.send(transmit.destination, &mut self.scratch, transmit.segment_size)
            {
                self.failed = Some(error);
                break false;
            }
            if sent >= train && train > 1 {
                break true;
            }
        };
        if packets > 0 {
            slot.is_long = packets >= BULK_PACKETS_MIN;
        }
        if more {
            slot.queued = true;
            self.bulk.push_back(index);
        }
        self.settle(index);
        bytes
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
            self.connections[index as usize] = None;
            self.timers.clear(index);
            self.open -= 1;
        } else {
            self.timers.set(index, deadline);
        }
    }
}
