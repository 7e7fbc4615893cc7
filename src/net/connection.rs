//! One connection's slot in the driver.

use std::collections::VecDeque;

use quinn_proto::{Dir, StreamEvent};

use super::admission::Guest;
use super::event::{Event, Lost};
use super::meter::Meter;
use crate::limits::{MTU_BYTES, SEND_WINDOW_BYTES};

/// Names a connection of a driver; never names a later one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Its slot: small numbers, used again.
    pub index: u32,
    pub(super) generation: u32,
}

pub(super) struct Connection {
    pub(super) proto: Box<quinn_proto::Connection>,
    pub(super) generation: u32,
    /// The socket it sends from.
    pub(super) socket: usize,
    /// In the driver's list of connections to send for at once.
    pub(super) queued: bool,
    /// Bytes written to its streams and not yet sent, never too many: a packet's overhead is taken
    /// for less than it is.
    pub(super) unsent: usize,
    /// Its place among those with something long to send.
    pub(super) bulk: Bulk,
    /// It may hold more than [`SEND_WINDOW_BYTES`] for its peer.
    window_open: bool,
    /// What it has on its way.
    meter: Meter,
    /// As much of that as the driver reckons with.
    pub(super) due: usize,
    /// The driver will look whether it is overdue.
    pub(super) watched: bool,
    /// What its peer had acknowledged when the driver looked last.
    acknowledged: u64,
    /// Its bytes on the way take so long that the driver reckons with them no more, until they are
    /// few.
    pub(super) overdue: bool,
    /// In the line, among those that can send.
    pub(super) ready: bool,
    /// How the bounds on connections count it, if its peer began it.
    pub(super) guest: Option<Guest>,
    /// The owner has been told that it is gone, or has closed it.
    pub(super) lost: bool,
}

/// Bytes on the way that are what any short message may leave there.
const FEW_BYTES: usize = 2 * MTU_BYTES as usize;

/// Whether a connection has something long to send, and whether it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    /// Nothing long.
    No,
    /// Until others have sent theirs.
    Waiting,
    /// It sends.
    Active,
}

impl Connection {
    pub(super) fn new(
        proto: quinn_proto::Connection,
        meter: Meter,
        generation: u32,
        socket: usize,
    ) -> Self {
        let proto = Box::new(proto);
        Self {
            proto,
            generation,
            socket,
            queued: false,
            unsent: 0,
            bulk: Bulk::No,
            window_open: false,
            meter,
            due: 0,
            watched: false,
            acknowledged: 0,
            overdue: false,
            ready: false,
            guest: None,
            lost: false,
        }
    }

    /// Moves what happened into `events`; true if the handshake completed.
    pub(super) fn collect(
        &mut self,
        id: ConnectionId,
        events: &mut VecDeque<(ConnectionId, Event)>,
    ) -> bool {
        let mut connected = false;
        while let Some(event) = self.proto.poll() {
            if self.lost {
                continue;
            }
            match event {
                quinn_proto::Event::Connected => {
                    connected = true;
                    events.push_back((id, Event::Connected));
                }
                quinn_proto::Event::ConnectionLost { reason } => {
                    self.lost = true;
                    events.push_back((id, Event::Lost(Lost::from(reason))));
                }
                quinn_proto::Event::Stream(StreamEvent::Opened { dir }) => {
                    self.accept_streams(id, dir, events);
                }
                quinn_proto::Event::Stream(StreamEvent::Readable { id: stream }) => {
                    events.push_back((id, Event::Readable(stream)));
                }
                quinn_proto::Event::Stream(StreamEvent::Writable { id: stream }) => {
                    events.push_back((id, Event::Writable(stream)));
                }
                quinn_proto::Event::Stream(StreamEvent::Available { dir }) => {
                    events.push_back((id, Event::Available(dir)));
                }
                _ => {}
            }
        }
        connected
    }

    /// Bytes on its way, none when there are so few that they need not be reckoned with.
    pub(super) fn on_its_way(&self) -> usize {
        Some(self.meter.bytes()).filter(|bytes| *bytes >= FEW_BYTES).unwrap_or(0)
    }

    /// Whether its peer has acknowledged as much as is on the way since this was asked last.
    pub(super) fn has_progressed(&mut self) -> bool {
        let acknowledged = self.meter.acknowledged();
        let since = acknowledged - std::mem::replace(&mut self.acknowledged, acknowledged);
        since >= self.due as u64
    }

    /// Makes room for a write of so many bytes, if it is longer than what a connection may hold:
    /// for as long as it is being sent.
    pub(super) fn open_window(&mut self, bytes: usize) {
        if bytes as u64 > SEND_WINDOW_BYTES {
            self.proto.set_send_window(bytes as u64);
            self.window_open = true;
        }
    }

    /// What was long has been sent.
    pub(super) fn close_window(&mut self) {
        if std::mem::take(&mut self.window_open) {
            self.proto.set_send_window(SEND_WINDOW_BYTES);
        }
    }

    fn accept_streams(
        &mut self,
        id: ConnectionId,
        dir: Dir,
        events: &mut VecDeque<(ConnectionId, Event)>,
    ) {
        while let Some(stream) = self.proto.streams().accept(dir) {
            events.push_back((id, Event::Opened(stream)));
            events.push_back((id, Event::Readable(stream)));
        }
    }
}
