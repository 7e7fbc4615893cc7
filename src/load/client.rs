//! The members' side of the client protocol: connections, sessions, frames.
//!
//! Speaks what `wire` defines over a [`Driver`] of its own; knows nothing of schedules, groups'
//! contents or measurements. Called by the load engine's worker, and by tests as the one client
//! that is ours.
//!
//! A session ends with its connection and keeps its number: [`Client::reconnect`] and
//! [`Client::reopen`] bring it back, whoever ended it.

mod throttle;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use throttle::{Held, Throttle};

use crate::delivery::{DeviceId, MessageId, RosterChange};
use crate::limits::FRAME_BYTES_MAX;
use crate::net::{ConnectionId, Dir, Driver, Error, Event, Lost, Readable, StreamId};
use crate::wire::{Delivery, Inbox, PROTOCOL_VERSION, Reply, Request, Token, submit_header};

/// A session of a client, by number: 0 for the first one opened, never used again.
pub type SessionNumber = u32;

/// What a session has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer.
    Reply(Reply),
    /// Something on the ordered stream.
    Delivery(Delivery),
    /// The session is over: its connection is gone, or the service spoke nonsense.
    Over(Lost),
}

#[derive(Debug)]
struct Session {
    connection: ConnectionId,
    device: DeviceId,
    /// `None` until the connection is up and grants a stream.
    control: Option<StreamId>,
    inbox: Inbox,
    /// Requests that the control stream has not taken yet, oldest first.
    outgoing: VecDeque<Bytes>,
    over: bool,
}

/// A stream of deliveries, and whose it is once its first frame has said so.
#[derive(Debug)]
struct Ordered {
    stream: StreamId,
    session: Option<SessionNumber>,
    inbox: Inbox,
}

#[derive(Debug, Default)]
struct Peer {
    connection: Option<ConnectionId>,
    connected: bool,
    /// In the order in which they were opened, which is that of their control streams.
    sessions: Vec<SessionNumber>,
    /// How many of them have their control stream.
    started: usize,
    /// In the order of their streams.
    ordered: Vec<Ordered>,
    /// How fast deliveries are read, if it matters.
    throttle: Option<Throttle>,
    /// Whether some are left unread until the throttle lets more through.
    held: bool,
}

impl Session {
    fn new(connection: ConnectionId, device: DeviceId) -> Self {
        Self {
            connection,
            device,
            control: None,
            inbox: Inbox::new(FRAME_BYTES_MAX),
            outgoing: VecDeque::new(),
            over: false,
        }
    }
}

impl Peer {
    fn next_to_start(&self) -> Option<SessionNumber> {
        self.sessions.get(self.started).copied()
    }

    /// The session that a stream is the control stream of.
    fn controlled_by(&self, stream: StreamId) -> Option<SessionNumber> {
        self.sessions.get(place(stream)?).copied()
    }
}

/// A stream's place among those of its kind on its connection: streams are numbered as they are
/// opened, and only one side opens each kind (RFC 9000 §2.1).
fn place(stream: StreamId) -> Option<usize> {
    usize::try_from(stream.index()).ok()
}

/// Many sessions over many connections, on one thread.
#[derive(Debug)]
pub struct Client {
    driver: Driver,
    sessions: Vec<Session>,
    peers: Vec<Peer>,
    heard: VecDeque<(SessionNumber, Heard)>,
    held: Held,
}

impl Client {
    /// A client without sessions.
    #[must_use]
    pub fn new(driver: Driver) -> Self {
        let (sessions, peers) = (Vec::new(), Vec::new());
        Self { driver, sessions, peers, heard: VecDeque::new(), held: Held::default() }
    }

    /// Starts a connection; sessions can be opened on it at once.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn connect(&mut self, now: Instant, remote: SocketAddr) -> Result<ConnectionId, Error> {
        let connection = self.driver.connect(now, remote)?;
        Ok(self.adopt(connection))
    }

    /// As [`Self::connect`], to a service that was connected before: the handshake may be a cheaper
    /// one, if the driver keeps tickets.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn reconnect(&mut self, now: Instant, remote: SocketAddr) -> Result<ConnectionId, Error> {
        let connection = self.driver.reconnect(now, remote)?;
        Ok(self.adopt(connection))
    }

    /// As [`Self::connect`], but the service may have sent no more than `window` bytes of deliveries
    /// before they are read.
    ///
    /// # Errors
    /// [`Error::Connect`] when it cannot even start.
    pub fn connect_within(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        window: u32,
    ) -> Result<ConnectionId, Error> {
        let connection = self.driver.connect_within(now, remote, window)?;
        Ok(self.adopt(connection))
    }

    /// Reads no more than so many bytes of deliveries a second from now on, of a session and every
    /// other on its connection. Answers are read at once.
    pub fn slow_down(&mut self, now: Instant, number: SessionNumber, bytes_per_second: u32) {
        let connection = self.sessions[number as usize].connection;
        let peer = &mut self.peers[connection.index as usize];
        if peer.connection == Some(connection) {
            peer.throttle = Some(Throttle::new(bytes_per_second, now));
        }
    }

    /// Reads everything at once again, of everybody.
    pub fn hurry(&mut self, now: Instant) {
        for slot in 0..self.peers.len() {
            if self.peers[slot].throttle.take().is_some() {
                self.read_on(now, u32::try_from(slot).expect("connections are bounded"));
            }
        }
    }

    /// Opens a session for a device as soon as the connection grants a stream, and says hello.
    pub fn open(
        &mut self,
        connection: ConnectionId,
        device: DeviceId,
        token: Token,
    ) -> SessionNumber {
        let number = SessionNumber::try_from(self.sessions.len()).expect("sessions are bounded");
        self.sessions.push(Session::new(connection, device));
        self.greet(number, token);
        number
    }

    /// Opens a session again that is over, for its device and under its number, and says hello.
    /// Requests may follow at once; where the device had got to is its caller's to say.
    ///
    /// # Panics
    /// When the session is not over.
    pub fn reopen(&mut self, connection: ConnectionId, number: SessionNumber, token: Token) {
        let session = &mut self.sessions[number as usize];
        assert!(session.over, "a session is over before it is opened again");
        *session = Session::new(connection, session.device);
        self.greet(number, token);
    }

    /// Sends a request, or keeps it until the stream takes it.
    pub fn request(&mut self, number: SessionNumber, request: &Request) {
        let mut frame = BytesMut::new();
        request.encode(&mut frame);
        self.sessions[number as usize].outgoing.push_back(frame.freeze());
        self.flush(number);
    }

    /// Sends a submission without copying its body.
    pub fn submit(
        &mut self,
        number: SessionNumber,
        id: MessageId,
        change: &RosterChange,
        body: Bytes,
    ) {
        let session = &mut self.sessions[number as usize];
        session.outgoing.push_back(submit_header(id, change, body.len()));
        session.outgoing.push_back(body);
        self.flush(number);
    }

    /// Sends bytes that need not be a frame: for clients that misbehave on purpose.
    pub fn send_raw(&mut self, number: SessionNumber, bytes: Bytes) {
        self.sessions[number as usize].outgoing.push_back(bytes);
        self.flush(number);
    }

    /// Closes a session's connection, with every other session on it; nothing more is heard of
    /// them.
    pub fn close(&mut self, now: Instant, number: SessionNumber) {
        let connection = self.sessions[number as usize].connection;
        let peer = &self.peers[connection.index as usize];
        if peer.connection != Some(connection) {
            return;
        }
        for other in &peer.sessions {
            self.sessions[*other as usize].over = true;
        }
        self.driver.close(now, connection, 0, "done");
    }

    /// Closes every connection.
    pub fn close_all(&mut self, now: Instant) {
        for number in 0..self.sessions.len() {
            if !self.sessions[number].over {
                self.close(now, SessionNumber::try_from(number).expect("sessions are bounded"));
            }
        }
    }

    /// The device of a session.
    #[must_use]
    pub fn device(&self, number: SessionNumber) -> DeviceId {
        self.sessions[number as usize].device
    }

    /// The driver below, for its counters.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Takes what has come, and sends what waits; the datagrams taken. What was heard is then in
    /// [`Self::poll`].
    ///
    /// # Errors
    /// [`Error::Socket`]: the socket is gone.
    pub fn turn(&mut self, now: Instant) -> Result<usize, Error> {
        let taken = self.driver.receive(now)?;
        while let Some((connection, event)) = self.driver.poll() {
            self.on_event(now, connection, event);
        }
        while let Some(connection) = self.held.due(now) {
            self.read_on(now, connection);
        }
        self.driver.transmit(now)?;
        Ok(taken)
    }

    /// The next thing heard.
    pub fn poll(&mut self) -> Option<(SessionNumber, Heard)> {
        self.heard.pop_front()
    }

    /// Sends what was written since the last turn.
    ///
    /// # Errors
    /// [`Error::Socket`]: the socket is gone.
    pub fn transmit(&mut self, now: Instant) -> Result<(), Error> {
        self.driver.transmit(now)
    }

    /// Sleeps until something comes, a timer is due, `until`, or something is readable on `wake`.
    pub fn wait(&mut self, now: Instant, until: Option<Instant>, wake: Option<BorrowedFd<'_>>) {
        if self.heard.is_empty() && !self.driver.is_busy() {
            let until = until.into_iter().chain(self.held.next()).min();
            self.driver.wait(now, until, wake);
        }
    }

    fn adopt(&mut self, connection: ConnectionId) -> ConnectionId {
        let slot = connection.index as usize;
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, Peer::default);
        }
        self.peers[slot] = Peer { connection: Some(connection), ..Peer::default() };
        connection
    }

    fn greet(&mut self, number: SessionNumber, token: Token) {
        let Session { connection, device, .. } = self.sessions[number as usize];
        self.peers[connection.index as usize].sessions.push(number);
        self.request(number, &Request::Hello { version: PROTOCOL_VERSION, device, token });
        self.start_sessions(connection);
    }

    fn on_event(&mut self, now: Instant, connection: ConnectionId, event: Event) {
        let Some(peer) = self.peers.get_mut(connection.index as usize) else { return };
        if peer.connection != Some(connection) {
            return;
        }
        match event {
            Event::Connected => {
                peer.connected = true;
                self.start_sessions(connection);
            }
            Event::Available(_) => self.start_sessions(connection),
            Event::Opened(stream) => {
                assert_eq!(place(stream), Some(peer.ordered.len()), "streams come in order");
                let inbox = Inbox::new(FRAME_BYTES_MAX);
                peer.ordered.push(Ordered { stream, session: None, inbox });
            }
            Event::Readable(stream) => self.read(now, connection, stream),
            Event::Writable(stream) => {
                if let Some(number) = peer.controlled_by(stream) {
                    self.flush(number);
                }
            }
            Event::Lost(lost) => self.end(connection, &lost),
        }
    }

    /// Gives every waiting session a stream, as far as the service grants them.
    fn start_sessions(&mut self, connection: ConnectionId) {
        let slot = connection.index as usize;
        if !self.peers[slot].connected {
            return;
        }
        while let Some(number) = self.peers[slot].next_to_start() {
            let Some(stream) = self.driver.open(connection, Dir::Bi) else { return };
            self.peers[slot].started += 1;
            self.sessions[number as usize].control = Some(stream);
            self.flush(number);
        }
    }

    fn flush(&mut self, number: SessionNumber) {
        let session = &mut self.sessions[number as usize];
        let Some(control) = session.control else { return };
        while let Some(front) = session.outgoing.pop_front() {
            let before = front.len();
            let mut chunk = [front];
            let written = self.driver.write(session.connection, control, &mut chunk);
            let [rest] = chunk;
            match written {
                None => return session.outgoing.clear(),
                Some(written) if written < before => return session.outgoing.push_front(rest),
                Some(_) => {}
            }
        }
    }

    fn read(&mut self, now: Instant, connection: ConnectionId, stream: StreamId) {
        let nonsense = match stream.dir() {
            Dir::Uni => self.read_ordered(now, connection, stream),
            Dir::Bi => self.read_replies(connection, stream),
        };
        if nonsense {
            self.end(connection, &Lost::Failed("the service sent a malformed frame".into()));
        }
    }

    /// Reads what was left unread, as far as the throttle lets it through by now.
    fn read_on(&mut self, now: Instant, slot: u32) {
        let peer = &mut self.peers[slot as usize];
        peer.held = false;
        let Some(connection) = peer.connection else { return };
        for place in 0..peer.ordered.len() {
            let stream = self.peers[slot as usize].ordered[place].stream;
            self.read(now, connection, stream);
        }
    }

    fn read_ordered(&mut self, now: Instant, connection: ConnectionId, stream: StreamId) -> bool {
        let peer = &mut self.peers[connection.index as usize];
        let Some(Ordered { session, inbox, .. }) =
            place(stream).and_then(|place| peer.ordered.get_mut(place))
        else {
            return false;
        };
        if let Some(throttle) = &mut peer.throttle {
            let (room, mut taken) = (throttle.room(now), 0);
            let readable = self.driver.read_up_to(connection, stream, room, |bytes| {
                taken += bytes.len();
                inbox.push(bytes);
            });
            throttle.took(now, taken);
            if readable == Readable::More && !std::mem::replace(&mut peer.held, true) {
                self.held.add(throttle.next, connection.index);
            }
        } else {
            self.driver.read(connection, stream, |bytes| inbox.push(bytes));
        }
        loop {
            let frame = match inbox.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return false,
                Err(_) => return true,
            };
            match (Delivery::decode(frame), *session) {
                (Ok(Delivery::For { device }), None) => {
                    let own = |number: &&u32| self.sessions[**number as usize].device == device;
                    *session = peer.sessions.iter().find(own).copied();
                    if session.is_none() {
                        return true;
                    }
                }
                (Ok(delivery), Some(number)) => {
                    self.heard.push_back((number, Heard::Delivery(delivery)));
                }
                _ => return true,
            }
        }
    }

    fn read_replies(&mut self, connection: ConnectionId, stream: StreamId) -> bool {
        let peer = &self.peers[connection.index as usize];
        let Some(number) = peer.controlled_by(stream) else { return false };
        let inbox = &mut self.sessions[number as usize].inbox;
        self.driver.read(connection, stream, |bytes| inbox.push(bytes));
        loop {
            let frame = match inbox.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return false,
                Err(_) => return true,
            };
            match Reply::decode(frame) {
                Ok(reply) => self.heard.push_back((number, Heard::Reply(reply))),
                Err(_) => return true,
            }
        }
    }

    fn end(&mut self, connection: ConnectionId, lost: &Lost) {
        let peer = &mut self.peers[connection.index as usize];
        for number in std::mem::take(&mut peer.sessions) {
            let session = &mut self.sessions[number as usize];
            if !std::mem::replace(&mut session.over, true) {
                self.heard.push_back((number, Heard::Over(lost.clone())));
            }
        }
    }
}
