//! The QUIC driver: sockets, connections and timers of one thread.
//!
//! A loop around quinn-proto without tasks, locks or channels. Its owner calls, again and again:
//! [`Driver::receive`], [`Driver::poll`] until `None`, whatever reads and writes that calls for,
//! [`Driver::transmit`], and [`Driver::wait`] when nothing happened. The same driver serves
//! members in the load engine. It never looks into a stream's bytes.

mod line;
mod receive;
mod transmit;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use quinn_proto::{
    ClientConfig, ConnectionHandle, Dir, Endpoint, EndpointConfig, ServerConfig, StreamId, VarInt,
};

use super::admission::{Admission, Gate};
use super::connection::{Bulk, Connection, ConnectionId};
use super::error::Error;
use super::event::Event;
use super::meter::Meters;
use super::socket::{Bound, Socket, SocketCounters};
use super::tickets::Resumed;
use super::timers::Timers;
use super::tls::{ClientCrypto, Identity, Trust};
use super::transport;
use crate::limits::SERVICE_WINDOW_BYTES;
use line::Line;

/// What the driver did, beside what its sockets did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Sums over the sockets.
    pub socket: SocketCounters,
    /// Handshakes completed.
    pub handshakes: u64,
    /// Of them, those that a session ticket made cheaper.
    pub resumed: u64,
    /// First packets answered by asking for a proof of address.
    pub address_proofs: u64,
    /// Connection attempts turned away because a bound of [`Admission`] was reached.
    pub refused: u64,
    /// Handshakes given up after [`Admission::handshake_max`].
    pub handshakes_expired: u64,
    /// Times the owner slept and was woken.
    pub wakeups: u64,
}

/// What is left on a stream after reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// More at once.
    More,
    /// Nothing until [`Event::Readable`].
    Later,
    /// Nothing ever again.
    Ended,
}

/// How a client's connections begin.
struct Dial {
    first: ClientConfig,
    again: ClientConfig,
}

/// Sockets, connections and timers of one thread.
pub struct Driver {
    sockets: Vec<Socket>,
    endpoint: Endpoint,
    dial: Option<Dial>,
    resumed: Resumed,
    meters: Arc<Meters>,
    gate: Gate,
    connections: Vec<Option<Connection>>,
    open: usize,
    generation: u32,
    timers: Timers,
    /// Connections that may have something short to send; each once.
    dirty: Vec<u32>,
    /// Connections in the middle of something long.
    bulk: Line,
    /// What the socket failed of while nobody could be told.
    failed: Option<Error>,
    events: VecDeque<(ConnectionId, Event)>,
    scratch: Vec<u8>,
    counters: Counters,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("sockets", &self.sockets)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// A driver that accepts connections on a socket, within bounds.
    ///
    /// # Errors
    /// [`Error::Tls`] when the identity is unusable.
    pub fn server(bound: Bound, identity: &Identity, admission: Admission) -> Result<Self, Error> {
        let (crypto, resumed) = identity.crypto()?;
        let mut config = ServerConfig::with_crypto(crypto);
        let meters = Arc::new(Meters::default());
        config.transport_config(transport::server(Arc::clone(&meters)));
        config.migration(false);
        let sockets = vec![Socket::new(bound)];
        let mut driver = Self::new(sockets, Some(Arc::new(config)), None, resumed, meters);
        driver.gate = Gate::new(admission);
        Ok(driver)
    }

    /// A driver that connects from `sockets` sockets on `local`, one after another in turn.
    ///
    /// # Errors
    /// [`Error::Bind`] when there are no ports, [`Error::Tls`].
    pub fn client(local: IpAddr, sockets: usize, trust: Trust) -> Result<Self, Error> {
        let ClientCrypto { first, again, resumed } = trust.crypto()?;
        let meters = Arc::new(Meters::default());
        let [first, again] = [first, again].map(|crypto| {
            let mut config = ClientConfig::new(crypto);
            config.transport_config(transport::client(Arc::clone(&meters)));
            config
        });
        let sockets = (0..sockets.max(1))
            .map(|_| Bound::bind(SocketAddr::new(local, 0)).map(Socket::new))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(sockets, None, Some(Dial { first, again }), resumed, meters))
    }

    fn new(
        sockets: Vec<Socket>,
        server: Option<Arc<ServerConfig>>,
        dial: Option<Dial>,
        resumed: Resumed,
        meters: Arc<Meters>,
    ) -> Self {
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), server, false, None);
        Self {
            sockets,
            endpoint,
            dial,
            resumed,
            meters,
            gate: Gate::new(Admission::default()),
            connections: Vec::new(),
            open: 0,
            generation: 0,
            timers: Timers::default(),
            dirty: Vec::new(),
            bulk: Line::default(),
            failed: None,
            events: VecDeque::new(),
            scratch: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// The address of the first socket.
    ///
    /// # Errors
    /// [`Error::Socket`] if the kernel does not say.
    pub fn local_address(&self) -> Result<SocketAddr, Error> {
        self.sockets[0].local_address()
    }

    /// Bytes of kernel buffer each socket was granted: the least of all, in and out.
    #[must_use]
    pub fn socket_buffer_bytes(&self) -> usize {
        self.sockets.iter().map(Socket::buffer_bytes).min().unwrap_or(0)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.resumed = self.resumed.of(counters.handshakes);
        for socket in &self.sockets {
            counters.socket.add(&socket.counters);
        }
        counters
    }

    /// Connections that exist, those in handshake or closing included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.open
    }

    /// Every connection that is not gone.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        (0..).zip(&self.connections).filter_map(|(index, slot)| {
            slot.as_ref().map(|slot| ConnectionId { index, generation: slot.generation })
        })
    }

    /// Starts a connection; [`Event::Connected`] or [`Event::Lost`] follows.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn connect(&mut self, now: Instant, remote: SocketAddr) -> Result<ConnectionId, Error> {
        self.dial(now, remote, |dial| dial.first.clone())
    }

    /// As [`Self::connect`], but the peer may have sent no more than `window` bytes on a stream before
    /// they are read. Costs some hundred bytes more than that.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn connect_within(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        window: u32,
    ) -> Result<ConnectionId, Error> {
        let transport = transport::client_within(Arc::clone(&self.meters), window);
        self.dial(now, remote, |dial| {
            let mut config = dial.first.clone();
            config.transport_config(transport);
            config
        })
    }

    /// As [`Self::connect`], for a peer that was connected before: with a session ticket, if
    /// [`Trust::resumption`] has kept one. Whether the server takes it changes nothing but the cost.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn reconnect(&mut self, now: Instant, remote: SocketAddr) -> Result<ConnectionId, Error> {
        self.dial(now, remote, |dial| dial.again.clone())
    }

    fn dial(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        how: impl FnOnce(&Dial) -> ClientConfig,
    ) -> Result<ConnectionId, Error> {
        let failed = |reason: String| Error::Connect { remote, reason };
        let config = self.dial.as_ref().map(how);
        let config = config.ok_or_else(|| failed("this driver serves".into()))?;
        let (handle, connection) = self
            .endpoint
            .connect(now, config, remote, "stentor")
            .map_err(|error| failed(error.to_string()))?;
        let socket = self.generation as usize % self.sockets.len();
        Ok(self.adopt(handle, connection, socket))
    }

    /// The next thing that happened on a connection.
    pub fn poll(&mut self) -> Option<(ConnectionId, Event)> {
        self.events.pop_front()
    }

    /// Whether [`Self::transmit`] or [`Self::poll`] would find something to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.dirty.is_empty() || self.bulk.is_ready() || !self.events.is_empty()
    }

    /// Sleeps until a datagram, a timer, `until`, or something readable on `wake`.
    pub fn wait(&mut self, now: Instant, until: Option<Instant>, wake: Option<BorrowedFd<'_>>) {
        let deadline =
            [until, self.timers.next(), self.bulk.deadline()].into_iter().flatten().min();
        let timeout = deadline.map(|at| TimeSpec::from_duration(at.saturating_duration_since(now)));
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<PollFd<'_>> =
            self.sockets.iter().map(|socket| readable(socket.as_fd())).collect();
        fds.extend(wake.map(readable));
        // Interrupted or not, the owner looks at everything again.
        nix::poll::ppoll(&mut fds, timeout, None).ok();
        self.counters.wakeups += 1;
    }

    /// Whether any connection has something long of which not everything has been sent. O(connections).
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.connections.iter().flatten().any(|slot| slot.bulk != Bulk::No)
    }

    /// Opens a stream, if the peer grants one.
    pub fn open(&mut self, id: ConnectionId, dir: Dir) -> Option<StreamId> {
        self.connection(id)?.proto.streams().open(dir)
    }

    /// Lets a stream's data leave before that of the connection's other streams.
    pub fn prefer(&mut self, id: ConnectionId, stream: StreamId) {
        if let Some(connection) = self.connection(id) {
            // A stream that is gone already prefers nothing.
            connection.proto.send_stream(stream).set_priority(1).ok();
        }
    }

    /// Ends a stream of which neither side has more to say: its slot is free for another.
    pub fn finish(&mut self, id: ConnectionId, stream: StreamId) {
        let Some(connection) = self.connection(id) else { return };
        // Ended already by either side is what is wanted.
        connection.proto.send_stream(stream).finish().ok();
        if stream.dir() == Dir::Bi {
            connection.proto.recv_stream(stream).stop(VarInt::from_u32(0)).ok();
        }
        self.mark_dirty(id.index);
    }

    /// Writes as much as the connection takes now; [`Event::Writable`] follows when it took less.
    /// Chunks are consumed from the front of `chunks`: whole ones become empty, a partly written
    /// one keeps its rest. `None` when the connection or stream is gone.
    pub fn write(
        &mut self,
        id: ConnectionId,
        stream: StreamId,
        chunks: &mut [Bytes],
    ) -> Option<usize> {
        let mut written = 0;
        let connection = self.connection(id)?;
        connection.open_window(chunks.iter().map(Bytes::len).sum());
        loop {
            match connection.proto.send_stream(stream).write_chunks(chunks) {
                Ok(more) => written += more.bytes,
                // Only a write that finds no room makes the connection announce room later.
                Err(quinn_proto::WriteError::Blocked) => break,
                Err(_) => {
                    self.wrote(id.index, written);
                    return None;
                }
            }
            if chunks.iter().all(Bytes::is_empty) {
                break;
            }
        }
        if written > 0 {
            self.wrote(id.index, written);
        }
        Some(written)
    }

    /// Hands everything readable on a stream to `sink`, in order; false when the stream has ended.
    pub fn read(&mut self, id: ConnectionId, stream: StreamId, sink: impl FnMut(Bytes)) -> bool {
        self.read_up_to(id, stream, usize::MAX, sink) != Readable::Ended
    }

    /// As [`Self::read`], but no more than `bytes_max`; what is left keeps the peer's window
    /// closed, and is announced by no event.
    pub fn read_up_to(
        &mut self,
        id: ConnectionId,
        stream: StreamId,
        bytes_max: usize,
        mut sink: impl FnMut(Bytes),
    ) -> Readable {
        let Some(connection) = self.connection(id) else { return Readable::Ended };
        let mut receive = connection.proto.recv_stream(stream);
        let Ok(mut chunks) = receive.read(true) else { return Readable::Ended };
        let mut left = bytes_max;
        let readable = loop {
            if left == 0 {
                break Readable::More;
            }
            match chunks.next(left) {
                Ok(Some(chunk)) => {
                    left -= chunk.bytes.len();
                    sink(chunk.bytes);
                }
                Err(quinn_proto::ReadError::Blocked) => break Readable::Later,
                Ok(None) | Err(quinn_proto::ReadError::Reset(_)) => break Readable::Ended,
            }
        };
        if chunks.finalize().should_transmit() {
            self.mark_dirty(id.index);
        }
        readable
    }

    /// Lets the peer send more before it is read: a device of its has authenticated.
    pub fn trust(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        connection.proto.set_receive_window(VarInt::from_u32(SERVICE_WINDOW_BYTES));
        self.mark_dirty(id.index);
    }

    /// Lets the peer have `count` streams of each direction open at once.
    pub fn grant_streams(&mut self, id: ConnectionId, count: u32) {
        let Some(connection) = self.connection(id) else { return };
        connection.proto.set_max_concurrent_streams(Dir::Bi, VarInt::from_u32(count));
        self.mark_dirty(id.index);
    }

    /// Whether the connection's handshake is over and it is not closing.
    #[must_use]
    pub fn is_open(&self, id: ConnectionId) -> bool {
        let slot = self.connections.get(id.index as usize).and_then(Option::as_ref);
        slot.is_some_and(|slot| slot.generation == id.generation && !slot.proto.is_closed())
    }

    /// Closes a connection with an application's code and reason; nothing more is heard of it.
    pub fn close(&mut self, now: Instant, id: ConnectionId, code: u8, reason: &'static str) {
        let Some(connection) = self.connection(id) else { return };
        connection.lost = true;
        let code = VarInt::from_u32(u32::from(code));
        connection.proto.close(now, code, Bytes::from_static(reason.as_bytes()));
        self.mark_dirty(id.index);
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.connections.get_mut(id.index as usize)?.as_mut()?;
        (slot.generation == id.generation).then_some(slot)
    }

    fn adopt(
        &mut self,
        handle: ConnectionHandle,
        proto: quinn_proto::Connection,
        socket: usize,
    ) -> ConnectionId {
        let index = u32::try_from(handle.0).expect("connections are bounded");
        if self.connections.len() <= handle.0 {
            self.connections.resize_with(handle.0 + 1, || None);
        }
        let generation = self.generation;
        self.generation = self.generation.wrapping_add(1);
        self.connections[handle.0] =
            Some(Connection::new(proto, self.meters.take(), generation, socket));
        self.open += 1;
        self.collect(handle.0);
        self.mark_dirty(index);
        ConnectionId { index, generation }
    }

    fn collect(&mut self, index: usize) {
        let Some(slot) = self.connections.get_mut(index).and_then(Option::as_mut) else { return };
        let index = u32::try_from(index).expect("connections are bounded");
        let id = ConnectionId { index, generation: slot.generation };
        if slot.collect(id, &mut self.events) {
            self.counters.handshakes += 1;
            if let Some(guest) = &mut slot.guest {
                self.gate.connected(guest);
            }
        }
    }
}
