//! One shard's thread: what it owns, and the order of one turn.
//!
//! A turn takes datagrams and posts, decides the whole batch, syncs once, releases, sweeps a
//! bounded number of recipients, sends. Nothing here waits but [`Worker::sleep`], and an append to
//! the log: for the disk, when a segment is full before the one before it is durable, or more is
//! unwritten than the log may hold back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtrb::Consumer;

use super::audiences::Audiences;
use super::counters::Board;
use super::drain::{Drain, Stage};
use super::mesh::{Mesh, Post};
use super::room::Room;
use super::service::Error;
use super::session::{SessionKey, Sessions};
use super::settings;
use super::timings::{Timing, Timings};
use crate::clock;
use crate::delivery::joining::Ask;
use crate::delivery::{Durability, GroupId, Input};
use crate::engine::Engine;
use crate::net::{ConnectionId, Driver};
use crate::wire::{Counter, Counters, Refusal, Reply, TokenKeys};

/// How often recipients that take nothing are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How often counters are published while the shard is busy.
const PUBLISHING: Duration = Duration::from_millis(5);

/// What every shard of a server has alike.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) board: Board,
    pub(super) ports: Arc<[u16]>,
    pub(super) stop: Arc<AtomicBool>,
    /// How far stopping has come.
    pub(super) drain: Drain,
    /// How long stopping may take.
    pub(super) drain_max: Duration,
    /// What a client may take for itself.
    pub(super) limits: settings::Sessions,
    /// What a group's messages survive if its creator does not say.
    pub(super) durability: Durability,
    pub(super) started: Instant,
    /// When that was, since the Unix epoch: what is kept across starts counts from there.
    pub(super) started_unix: Duration,
}

/// Everything one shard owns.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) driver: Driver,
    pub(super) engine: Engine,
    pub(super) mesh: Mesh,
    pub(super) sessions: Sessions,
    pub(super) audiences: Audiences,
    pub(super) counters: Counters,
    pub(super) timings: Timings,
    pub(super) shared: Shared,
    pub(super) started: Instant,
    /// What time it was then, since the Unix epoch, as far as decisions are concerned: the clock's,
    /// or the latest in the log if the clock is behind it. A time that waited for the clock to catch
    /// up would stand still: nothing would be refilled or expire.
    epoch: Duration,
    /// The keys that tokens are verified with.
    pub(super) token_keys: TokenKeys,
    /// Later ones, when the operator has changed them.
    token_keys_next: Consumer<TokenKeys>,
    /// What unfinished long frames may hold.
    pub(super) room: Room,
    pub(super) sessions_max: usize,
    pub(super) stall_max: Duration,
    /// Sessions with answers to send; each once.
    pub(super) replying: Vec<SessionKey>,
    /// Sessions whose requests were left unread and may be read again; each once.
    pub(super) reading_on: Vec<SessionKey>,
    /// Connections to close at the end of the turn, with the reason they are told.
    pub(super) condemned: Vec<(ConnectionId, Refusal)>,
    /// Connections of recipients that do not keep up, found during a sweep.
    pub(super) too_slow: Vec<ConnectionId>,
    /// Groups that no session here drains any more; their owners are told.
    pub(super) abandoned: Vec<GroupId>,
    /// What is to be asked of devices and groups at the end of the turn, by shard.
    pub(super) asks: Vec<(u16, Ask)>,
    /// Connections without an authenticated session, oldest first, with their deadline.
    pub(super) unauthenticated: VecDeque<(Instant, ConnectionId)>,
    /// How far it has come with stopping.
    pub(super) stage: Stage,
    housekeeping_next: Instant,
    /// When the first token of a session expires, Unix time in seconds.
    pub(super) token_expiry_next: u64,
    publishing_next: Instant,
}

impl Worker {
    /// A shard ready to run.
    pub(super) fn new(
        driver: Driver,
        engine: Engine,
        mesh: Mesh,
        shared: Shared,
        (token_keys, token_keys_next): (TokenKeys, Consumer<TokenKeys>),
        defence: &settings::Defence,
    ) -> Self {
        let started = shared.started;
        let epoch = shared.started_unix.max(engine.now());
        Self {
            driver,
            engine,
            mesh,
            sessions: Sessions::default(),
            audiences: Audiences::default(),
            counters: Counters::default(),
            timings: Timings::default(),
            shared,
            started,
            epoch,
            token_keys,
            token_keys_next,
            room: Room::new(defence.frame_bytes, defence.frame_time),
            sessions_max: defence.sessions,
            stall_max: defence.stall,
            replying: Vec::new(),
            reading_on: Vec::new(),
            condemned: Vec::new(),
            too_slow: Vec::new(),
            abandoned: Vec::new(),
            asks: Vec::new(),
            unauthenticated: VecDeque::new(),
            stage: Stage::default(),
            housekeeping_next: started,
            token_expiry_next: u64::MAX,
            publishing_next: started,
        }
    }

    /// Runs until told to stop and what was accepted has been taken, or for as long as
    /// stopping may take.
    ///
    /// # Errors
    /// When the socket or the log fails: this shard can serve nobody any more.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let mut deadline = None;
        let mut working_since = None;
        loop {
            let now = clock::now();
            if let Some(since) = working_since {
                self.timings.record(Timing::Turn, now.saturating_duration_since(since));
            }
            let busy = self.turn(now)?;
            working_since = busy.then_some(now);
            if self.shared.stop.load(Ordering::Relaxed) {
                let deadline = *deadline.get_or_insert(now + self.shared.drain_max);
                if self.drain() || now >= deadline {
                    return self.linger();
                }
            }
            if !busy {
                self.sleep(now)?;
            }
        }
    }

    /// One turn; false if there was nothing to do.
    pub(super) fn turn(&mut self, now: Instant) -> Result<bool, Error> {
        let mut work = 0;
        while let Ok(keys) = self.token_keys_next.pop() {
            self.token_keys = keys;
        }
        // A full ring holds something back: what is already inside goes first.
        let flow = self.mesh.flush();
        if flow.requests {
            self.grant_room(now);
            work += self.read_on(now)?;
            work += self.driver.receive(now)?;
            while let Some((connection, event)) = self.driver.poll() {
                self.on_event(now, connection, event)?;
                work += 1;
            }
        }
        while let Some(batch) = self.mesh.take_decisions() {
            work += batch.len();
            for post in batch {
                self.on_post(now, post)?;
            }
        }
        for other in (1..self.mesh.shards()).filter(|_| flow.inputs) {
            let batch = self.mesh.take_inputs(other - 1).unwrap_or_default();
            work += batch.len();
            for post in batch {
                self.on_post(now, post)?;
            }
        }
        self.engine.sync()?;
        while let Some(output) = self.engine.release() {
            self.on_output(output);
            work += 1;
        }
        work += self.sweep(now);
        self.unwatch_abandoned(now)?;
        self.pass_asks(now)?;
        self.flush_replies();
        self.close_condemned(now);
        self.driver.transmit(clock::now())?;
        self.mesh.flush();
        self.keep_house(now);
        let more =
            self.audiences.is_sweeping() || !self.reading_on.is_empty() || !self.asks.is_empty();
        Ok(work > 0 || self.driver.is_busy() || more)
    }

    /// Time since the Unix epoch, by the clock as it stood when the server started; never before
    /// what the log says, and never still.
    fn unix(&self, now: Instant) -> Duration {
        self.epoch + now.saturating_duration_since(self.started)
    }

    /// Hands an input to the shard that owns its group.
    pub(super) fn submit_input(
        &mut self,
        now: Instant,
        shard: u16,
        input: Input,
    ) -> Result<(), Error> {
        if shard == self.mesh.own() {
            self.engine.handle(self.unix(now), input)?;
        } else {
            self.mesh.post(shard, Post::Input(input));
        }
        Ok(())
    }

    fn unwatch_abandoned(&mut self, now: Instant) -> Result<(), Error> {
        for group in std::mem::take(&mut self.abandoned) {
            // Somebody else may have asked to attach since, and the owner has heard that first.
            if self.audiences.slot(&group).is_none() {
                self.unwatch(now, group)?;
            }
        }
        Ok(())
    }

    fn sleep(&mut self, now: Instant) -> Result<(), Error> {
        self.publish();
        if !self.mesh.may_sleep() {
            return Ok(());
        }
        // A sync that ended before sleep was announced has woken nobody.
        self.engine.sync()?;
        if self.engine.may_release() {
            self.mesh.awake();
            return Ok(());
        }
        // Looked at once more after announcing sleep: stopping wakes only who sleeps.
        let stopping = self.shared.stop.load(Ordering::Relaxed);
        let tick = if stopping { now + Duration::from_millis(5) } else { self.housekeeping_next };
        // What time alone calls for is done at the next tick and not before: to wake for it earlier
        // would be to find nothing done and wake again.
        self.driver.wait(now, Some(tick), Some(self.mesh.descriptor()));
        self.mesh.awake();
        Ok(())
    }

    fn keep_house(&mut self, now: Instant) {
        if now >= self.publishing_next {
            self.publish();
            self.publishing_next = now + PUBLISHING;
        }
        if now < self.housekeeping_next {
            return;
        }
        self.housekeeping_next = now + HOUSEKEEPING;
        self.engine.tick(self.unix(now));
        self.close_stalled(now);
        self.close_slow_writers(now);
        self.close_expired();
        while let Some((deadline, connection)) = self.unauthenticated.front().copied() {
            if deadline > now {
                break;
            }
            self.unauthenticated.pop_front();
            let mut keys = self.sessions.keys_of(connection).into_iter();
            let greeted =
                keys.any(|key| self.sessions.get(key).is_some_and(|one| one.peer.is_some()));
            if !greeted && self.driver.is_open(connection) {
                self.condemn(connection, Refusal::NotAuthenticated);
            }
        }
    }

    /// Ends sessions whose token has expired, and a connection with the last of its own. Looks at
    /// sessions only when the first of them is due.
    fn close_expired(&mut self) {
        let unix_s = clock::unix().as_secs();
        if unix_s <= self.token_expiry_next {
            return;
        }
        let mut next = u64::MAX;
        let mut expired = Vec::new();
        for session in self.sessions.iter() {
            let Some(peer) = &session.peer else { continue };
            if peer.not_after < unix_s {
                expired.extend(self.sessions.find(session.connection, session.control));
            } else {
                next = next.min(peer.not_after);
            }
        }
        self.token_expiry_next = next;
        for key in expired {
            self.end_expired(key);
        }
    }

    /// Ends a session and counts it. Others of its connection go on: then it is told why on its own
    /// stream, else by the close.
    fn end_expired(&mut self, key: SessionKey) {
        let code = Refusal::ExpiredToken;
        let Some(connection) = self.sessions.get(key).map(|session| session.connection) else {
            return;
        };
        let keys = self.sessions.keys_of(connection);
        let is_another = |other: SessionKey, sessions: &mut Sessions| {
            other != key && sessions.get(other).is_some_and(|one| one.peer.is_some())
        };
        if !keys.into_iter().any(|other| is_another(other, &mut self.sessions)) {
            return self.condemn(connection, code);
        }
        if let Some(session) = self.sessions.get(key) {
            session.reply(&Reply::Refused { code });
            session.flush_replies(&mut self.driver);
        }
        self.end_session(key);
        self.counters.add(Counter::RefusedSessions, 1);
    }

    /// A connection has to authenticate a session from now on.
    pub(super) fn expect_hello(&mut self, now: Instant, connection: ConnectionId) {
        self.unauthenticated.push_back((now + self.shared.limits.hello, connection));
    }

    /// Closes a connection at the end of the turn and counts why.
    pub(super) fn condemn(&mut self, connection: ConnectionId, why: Refusal) {
        let counter = match why {
            Refusal::MalformedFrame | Refusal::FrameTooLarge => Counter::MalformedFrames,
            Refusal::TooSlow => Counter::SlowClosed,
            _ => Counter::RefusedSessions,
        };
        self.counters.add(counter, 1);
        self.condemned.push((connection, why));
    }

    fn close_condemned(&mut self, now: Instant) {
        for (connection, why) in std::mem::take(&mut self.condemned) {
            for key in self.sessions.keys_of(connection) {
                self.end_session(key);
            }
            self.driver.close(now, connection, why.code(), refusal_text(why));
        }
    }

    /// Stores this shard's counters where any shard can read them.
    pub(super) fn publish(&mut self) {
        let driver = self.driver.counters();
        let buffer = self.driver.socket_buffer_bytes() as u64;
        for (counter, value) in [
            (Counter::Connections, self.driver.open_connections() as u64),
            (Counter::Sessions, self.sessions.authenticated() as u64),
            (Counter::Groups, self.engine.shard().groups() as u64),
            (Counter::PacketsSent, driver.socket.packets_sent),
            (Counter::PacketsReceived, driver.socket.packets_received),
            (Counter::SendCalls, driver.socket.send_calls),
            (Counter::ReceiveCalls, driver.socket.receive_calls),
            (Counter::ReceiveDrops, driver.socket.receive_drops),
            (Counter::SendWouldBlock, driver.socket.send_would_block),
            (Counter::Wakeups, driver.wakeups),
            (Counter::Handshakes, driver.handshakes),
            (Counter::HandshakesResumed, driver.resumed),
            (Counter::SocketBufferBytes, buffer),
            (Counter::AddressProofs, driver.address_proofs),
            (Counter::RefusedConnections, driver.refused),
            (Counter::HandshakesExpired, driver.handshakes_expired),
        ] {
            self.counters.set(counter, value);
        }
        self.shared.board.publish(self.mesh.own(), &self.counters, &self.timings);
    }
}

/// The reason that goes with a close, as a peer's log shows it.
pub(super) fn refusal_text(why: Refusal) -> &'static str {
    match why {
        Refusal::BadVersion => "protocol version is not spoken here",
        Refusal::BadToken => "token is not this device's",
        Refusal::NotAuthenticated => "not authenticated",
        Refusal::MalformedFrame => "malformed frame",
        Refusal::FrameTooLarge => "frame too large",
        Refusal::TooManySessions => "too many sessions",
        Refusal::Draining => "draining",
        Refusal::TooSlow => "too slow",
        Refusal::AlreadyAuthenticated => "already authenticated",
        Refusal::NotOperator => "not the operator",
        Refusal::ExpiredToken => "token has expired",
    }
}
