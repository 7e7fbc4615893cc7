//! One connection's slot in the driver.

use std::collections::VecDeque;

use quinn_proto::{Dir, StreamEvent};

use super::event::{Event, Lost};

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
    /// Already in one of the driver's lists of connections to send for.
    pub(super) queued: bool,
    /// What it sent last was long: it sends in turn with others like it.
    pub(super) is_long: bool,
    /// The owner has been told that it is gone, or has closed it.
    pub(super) lost: bool,
}

impl Connection {
    pub(super) fn new(proto: quinn_proto::Connection, generation: u32, socket: usize) -> Self {
        let proto = Box::new(proto);
        Self { proto, generation, socket, queued: false, is_long: false, lost: false }
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
