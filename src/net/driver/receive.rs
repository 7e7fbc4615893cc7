//! The way in: from the kernel's datagrams and due timers to connections and their events.
//!
//! A connection is done with while its state is in the cache: its datagrams, its events and, if
//! the owner has nothing to say to them, what it sends in return. Called by [`Driver::receive`].

use std::time::Instant;

use quinn_proto::{ConnectionHandle, DatagramEvent, EndpointEvent, Incoming};

use super::{Bulk, Driver, Error};
use crate::limits::BATCH_DATAGRAMS_MAX;
use crate::net::ConnectionId;
use crate::net::admission::Answer;

/// Datagrams taken before anything is sent, a share from each socket: bounds the delay of what is
/// due.
const RECEIVED_PER_TURN: usize = 4 * BATCH_DATAGRAMS_MAX;

impl Driver {
    /// Takes what the kernel has, up to a bound, and fires due timers; the datagrams taken.
    /// Events are then waiting in [`Self::poll`].
    ///
    /// # Errors
    /// [`Error::Socket`]: the socket is gone.
    pub fn receive(&mut self, now: Instant) -> Result<usize, Error> {
        let mut taken = 0;
        let share = RECEIVED_PER_TURN / self.sockets.len();
        for index in 0..self.sockets.len() {
            let mut from_socket = 0;
            while from_socket < share {
                let (datagrams, more) = self.receive_batch(now, index)?;
                from_socket += datagrams;
                if !more {
                    break;
                }
            }
            taken += from_socket;
        }
        while let Some(index) = self.timers.pop_due(now) {
            self.fire(now, index);
        }
        while let Some(id) = self.gate.overdue(now) {
            self.expire(id);
        }
        Ok(taken)
    }

    fn receive_batch(&mut self, now: Instant, socket: usize) -> Result<(usize, bool), Error> {
        let mut batch = std::mem::take(&mut self.sockets[socket].batch);
        let taken = self.sockets[socket].receive(|remote, bytes| batch.push((remote, bytes)))?;
        // Datagrams of one connection come in rows: it answers to the last of a row.
        let mut current = None;
        for (remote, bytes) in batch.drain(..) {
            self.scratch.clear();
            match self.endpoint.handle(now, remote, None, None, bytes, &mut self.scratch) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    if current != Some(handle.0)
                        && let Some(done) = current.replace(handle.0)
                    {
                        self.heard(now, done);
                    }
                    if let Some(slot) = self.connections.get_mut(handle.0).and_then(Option::as_mut)
                    {
                        slot.proto.handle_event(event);
                    }
                }
                Some(DatagramEvent::NewConnection(incoming)) => {
                    self.accept(now, incoming, socket)?;
                }
                Some(DatagramEvent::Response(transmit)) => {
                    self.scratch.truncate(transmit.size);
                    self.sockets[socket].send(transmit.destination, &mut self.scratch, None)?;
                }
                None => {}
            }
        }
        if let Some(done) = current {
            self.heard(now, done);
        }
        self.sockets[socket].batch = batch;
        Ok(taken)
    }

    fn accept(&mut self, now: Instant, incoming: Incoming, socket: usize) -> Result<(), Error> {
        self.scratch.clear();
        let remote = incoming.remote_address().ip();
        let response = match self.gate.answer(remote, incoming.remote_address_validated()) {
            Answer::Refuse => {
                self.counters.refused += 1;
                Some(self.endpoint.refuse(incoming, &mut self.scratch))
            }
            Answer::Retry => {
                self.counters.address_proofs += 1;
                let response = self.endpoint.retry(incoming, &mut self.scratch);
                Some(response.expect("who has proved nothing may be asked to"))
            }
            Answer::Accept => match self.endpoint.accept(incoming, now, &mut self.scratch, None) {
                Ok((handle, connection)) => {
                    let id = self.adopt(handle, connection, socket);
                    let guest = self.gate.enter(now, remote, id);
                    if let Some(slot) = self.connection(id) {
                        slot.guest = Some(guest);
                    }
                    None
                }
                Err(error) => error.response,
            },
        };
        let Some(response) = response else { return Ok(()) };
        self.scratch.truncate(response.size);
        self.sockets[socket].send(response.destination, &mut self.scratch, None)
    }

    /// Forgets a connection that is still in its handshake. Its peer is not told: it may be nobody.
    fn expire(&mut self, id: ConnectionId) {
        let Some(slot) = self.connection(id) else { return };
        if slot.proto.is_handshaking() {
            let handle = ConnectionHandle(id.index as usize);
            self.endpoint.handle_event(handle, EndpointEvent::drained());
            self.forget(id.index);
            self.counters.handshakes_expired += 1;
        }
    }

    fn fire(&mut self, now: Instant, index: u32) {
        let Some(slot) = self.connections.get_mut(index as usize).and_then(Option::as_mut) else {
            return;
        };
        match slot.proto.poll_timeout() {
            Some(deadline) if deadline <= now => {
                slot.proto.handle_timeout(now);
                self.heard(now, index as usize);
            }
            later => self.timers.set(index, later),
        }
    }

    /// Turns what a connection has to say into events. If it has nothing to say, no more of it is
    /// to come this turn, and it answers at once; otherwise it waits for what its owner adds.
    fn heard(&mut self, now: Instant, index: usize) {
        let events = self.events.len();
        self.collect(index);
        let index = u32::try_from(index).expect("connections are bounded");
        let Some(slot) = self.connections[index as usize].as_mut() else { return };
        let at_once = slot.bulk == Bulk::No && !slot.queued;
        self.reckon(now, index);
        if at_once && self.events.len() == events {
            self.send(now, index);
        } else {
            self.mark_dirty(index);
        }
    }
}
