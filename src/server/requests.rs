//! From a connection's events to inputs: the only place where the service parses.
//!
//! A peer that breaks the protocol loses its connection with the reason as the close code; a
//! request that cannot be granted is answered with a typed refusal and changes nothing.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::joining::describes;
use super::mesh::owner;
use super::service::Error;
use super::session::{Peer, SessionKey};
use super::worker::Worker;
use crate::clock;
use crate::delivery::{
    Check, DeviceId, Founding, GroupId, Input, Link, MessageId, Reject, Seq, Settings, Submission,
};
use crate::limits::{
    INBOX_BYTES_FREE, READ_BYTES_MAX, SESSIONS_PER_CONNECTION_MAX, STREAMS_INITIAL,
};
use crate::net::{ConnectionId, Dir, Event, Readable, StreamId};
use crate::wire::{
    Counter, Delivery, InboxError, OPERATOR, PROTOCOL_VERSION, Reason, Refusal, Reply, Request,
    Token, TokenError, submission,
};

impl Worker {
    /// Something happened on a connection.
    pub(super) fn on_event(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        event: Event,
    ) -> Result<(), Error> {
        match event {
            Event::Connected => self.expect_hello(now, connection),
            Event::Opened(stream) => {
                self.sessions.open(connection, stream);
                // An answer does not queue behind what is being delivered.
                self.driver.prefer(connection, stream);
            }
            Event::Readable(stream) => {
                if let Some(key) = self.sessions.find(connection, stream) {
                    self.read(now, key)?;
                }
            }
            Event::Writable(stream) => self.on_writable(now, connection, stream),
            Event::Available(_) => {}
            Event::Lost(_) => {
                for key in self.sessions.keys_of(connection) {
                    self.end_session(key);
                }
            }
        }
        Ok(())
    }

    fn on_writable(&mut self, now: Instant, connection: ConnectionId, stream: StreamId) {
        let Some(key) = self.sessions.find(connection, stream) else { return };
        let Some(session) = self.sessions.get(key) else { return };
        if session.control != stream {
            return self.resume(now, key);
        }
        session.flush_replies(&mut self.driver);
        self.read_on_if_possible(key);
    }

    /// Notes a session whose requests were left unread, if that has a reason no longer.
    pub(super) fn read_on_if_possible(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        if session.paused && !session.is_full() && !session.reading_on {
            session.reading_on = true;
            self.reading_on.push(key);
        }
    }

    /// Reads the requests that were left unread; how many sessions had some.
    pub(super) fn read_on(&mut self, now: Instant) -> Result<usize, Error> {
        let keys = std::mem::take(&mut self.reading_on);
        for key in &keys {
            if let Some(session) = self.sessions.get(*key) {
                session.reading_on = false;
                session.paused = false;
                self.read(now, *key)?;
            }
        }
        Ok(keys.len())
    }

    /// Reads what a session has sent and handles every whole frame.
    fn read(&mut self, now: Instant, key: SessionKey) -> Result<(), Error> {
        loop {
            let Some(session) = self.sessions.get(key) else { return Ok(()) };
            if session.paused {
                return Ok(());
            }
            let bytes_max = if self.room.is_short() && !session.has_room {
                INBOX_BYTES_FREE
            } else {
                READ_BYTES_MAX
            };
            let (connection, control) = (session.connection, session.control);
            let inbox = &mut session.inbox;
            let sink = |bytes| inbox.push(bytes);
            let readable = self.driver.read_up_to(connection, control, bytes_max, sink);
            self.handle_frames(now, key)?;
            match readable {
                Readable::More => {}
                Readable::Later => return Ok(()),
                Readable::Ended => {
                    // What it said last is read first, when there is room for its answers.
                    if self.sessions.get(key).is_some_and(|session| !session.paused) {
                        self.end_session(key);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Handles a session's whole frames, until it is to be left unread, and takes room for what
    /// is left.
    fn handle_frames(&mut self, now: Instant, key: SessionKey) -> Result<(), Error> {
        loop {
            let Some(session) = self.sessions.get(key) else { return Ok(()) };
            if session.is_full() {
                session.paused = true;
                return Ok(());
            }
            match session.inbox.next_frame() {
                Ok(Some(frame)) => {
                    if std::mem::take(&mut session.has_room) {
                        self.room.give_back(key);
                    }
                    self.on_frame(now, key, frame)?;
                }
                Ok(None) => break,
                Err(error) => {
                    let why = match error {
                        InboxError::TooLarge { .. } => Refusal::FrameTooLarge,
                        InboxError::Empty => Refusal::MalformedFrame,
                    };
                    self.end_connection_of(key, why);
                    return Ok(());
                }
            }
        }
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let bytes = session.inbox.partial_bytes();
        if bytes > INBOX_BYTES_FREE && !session.has_room {
            session.has_room = self.room.take(now, key, session.connection.index, bytes);
            session.waits_for_room = !session.has_room;
            session.paused = session.waits_for_room;
        }
        Ok(())
    }

    /// Lets sessions be read on for whose long frames there is room now.
    pub(super) fn grant_room(&mut self, now: Instant) {
        while let Some(key) = self.room.granted(now) {
            let Some(session) = self.sessions.get(key) else {
                self.room.give_back(key);
                continue;
            };
            session.waits_for_room = false;
            session.has_room = true;
            self.read_on_if_possible(key);
        }
    }

    /// Closes who has begun a long frame and does not end it: others may wait for the room.
    pub(super) fn close_slow_writers(&mut self, now: Instant) {
        while let Some(key) = self.room.overdue(now) {
            self.room.give_back(key);
            self.end_connection_of(key, Refusal::TooSlow);
        }
    }

    fn on_frame(&mut self, now: Instant, key: SessionKey, frame: Bytes) -> Result<(), Error> {
        let Ok(request) = Request::decode(frame) else {
            self.end_connection_of(key, Refusal::MalformedFrame);
            return Ok(());
        };
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let device = session.peer.as_ref().map(|peer| peer.device);
        match (device, request) {
            (None, Request::Hello { version, device, token }) => {
                self.on_hello(key, version, device, &token);
                Ok(())
            }
            (Some(_), Request::Hello { .. }) => {
                self.end_connection_of(key, Refusal::AlreadyAuthenticated);
                Ok(())
            }
            (None, _) => {
                self.end_connection_of(key, Refusal::NotAuthenticated);
                Ok(())
            }
            (Some(device), request) => self.on_request(now, key, device, request),
        }
    }

    fn on_hello(&mut self, key: SessionKey, version: u8, device: DeviceId, token: &Token) {
        let refusal = if version == PROTOCOL_VERSION {
            match self.token_keys.verify(device, token, clock::unix().as_secs()) {
                Err(TokenError::Bad) => Some(Refusal::BadToken),
                Err(TokenError::Expired) => Some(Refusal::ExpiredToken),
                Ok(()) => self.stage.is_stopping().then_some(Refusal::Draining),
            }
        } else {
            Some(Refusal::BadVersion)
        };
        if let Some(refusal) = refusal {
            return self.end_connection_of(key, refusal);
        }
        let Some(session) = self.sessions.get(key) else { return };
        let connection = session.connection;
        let has_place = self.sessions.authenticated() < self.sessions_max;
        let deliveries = has_place.then(|| self.driver.open(connection, Dir::Uni)).flatten();
        let Some(deliveries) = deliveries else {
            self.counters.add(Counter::RefusedSessions, 1);
            return self.reply(key, &Reply::Refused { code: Refusal::TooManySessions });
        };
        let mut whose = BytesMut::new();
        Delivery::For { device }.encode(&mut whose);
        let mut chunk = [whose.freeze()];
        self.driver.write(connection, deliveries, &mut chunk);
        let [rest] = chunk;
        let peer = Peer::new((device, token.not_after), deliveries, rest);
        self.token_expiry_next = self.token_expiry_next.min(token.not_after);
        self.sessions.authenticate(key, peer);
        self.driver.trust(connection);
        self.grant_more_sessions(connection);
        let (shard, ports) = (self.mesh.own(), self.shared.ports.to_vec());
        self.reply(key, &Reply::Ready { version: PROTOCOL_VERSION, shard, ports });
    }

    /// One more session than there are may always be opened, up to the bound: a stream slot costs
    /// memory, so only who uses sessions is granted them. Doubled each time, because QUIC's layer
    /// does not announce less than an eighth more.
    fn grant_more_sessions(&mut self, connection: ConnectionId) {
        let sessions = u32::try_from(self.sessions.of(connection).len()).unwrap_or(u32::MAX);
        if sessions >= STREAMS_INITIAL {
            let granted = sessions.saturating_add(1).checked_next_power_of_two();
            let granted = granted.unwrap_or(u32::MAX).min(SESSIONS_PER_CONNECTION_MAX);
            self.driver.grant_streams(connection, granted);
        }
    }

    fn on_request(
        &mut self,
        now: Instant,
        key: SessionKey,
        device: DeviceId,
        request: Request,
    ) -> Result<(), Error> {
        let from = self.link(key);
        match request {
            Request::Hello { .. } => unreachable!("a second hello has been refused"),
            Request::Submit { id, change, enclosed, body } => {
                self.on_submit(now, from, device, id, submission(id, change, enclosed, body))
            }
            Request::Create {
                request,
                epoch,
                group,
                durability,
                level,
                roster,
                group_info,
                tree,
            } => {
                if group_info.as_ref().is_some_and(|info| !describes(info, &group, epoch)) {
                    self.refuse(key, request, Reject::Invalid { check: Check::GroupInfo.number() });
                    return Ok(());
                }
                let durability = durability.unwrap_or(self.shared.durability);
                let settings = Settings { durability, level };
                let founding =
                    Box::new(Founding { group, epoch, settings, roster, group_info, tree });
                self.route(now, &group, Input::Create { from, device, request, founding })
            }
            Request::Acknowledge { group, seq } => {
                self.route(now, &group, Input::Acknowledge { device, group, seq })
            }
            Request::Attach { group, after } => self.on_attach(now, key, device, group, after),
            Request::Detach { group } => {
                self.on_detach(key, &group);
                Ok(())
            }
            Request::Publish { .. }
            | Request::Claim { .. }
            | Request::Fetch { .. }
            | Request::Collect
            | Request::Collected { .. } => self.on_joining(now, key, device, request),
            Request::Stats { .. } | Request::Delete { .. } if device != OPERATOR => {
                self.end_connection_of(key, Refusal::NotOperator);
                Ok(())
            }
            Request::Stats { request } => {
                self.publish();
                let uptime = now.saturating_duration_since(self.started).as_micros();
                let counters = self.shared.board.total(u64::try_from(uptime).unwrap_or(u64::MAX));
                self.reply(key, &Reply::Stats { request, counters: Box::new(counters) });
                Ok(())
            }
            Request::Delete { request, group } => {
                self.route(now, &group, Input::Delete { from, request, group })
            }
        }
    }

    fn on_submit(
        &mut self,
        now: Instant,
        from: Link,
        device: DeviceId,
        id: MessageId,
        submission: Result<Submission, Reason>,
    ) -> Result<(), Error> {
        let refused = match submission {
            Ok(_) if self.stage.is_stopping() => Reason::Busy,
            Ok(submission) => {
                let group = submission.group;
                let input = Input::Submit { from, device, submission };
                return self.route(now, &group, input);
            }
            Err(reason) => reason,
        };
        self.counters.add(Counter::Rejected, 1);
        let key = SessionKey { index: from.session, generation: from.generation };
        self.reply(key, &Reply::Rejected { id, reason: refused });
        Ok(())
    }

    fn on_attach(
        &mut self,
        now: Instant,
        key: SessionKey,
        device: DeviceId,
        group: GroupId,
        after: Seq,
    ) -> Result<(), Error> {
        let Some(peer) = self.sessions.get(key).and_then(|session| session.peer.as_ref()) else {
            return Ok(());
        };
        if peer.audiences.len() >= self.shared.limits.groups {
            self.counters.add(Counter::Rejected, 1);
            self.reply(key, &Reply::AttachRefused { group, reason: Reason::Busy });
            return Ok(());
        }
        if let Some(session) = self.sessions.get(key) {
            session.attach_asked(group);
        }
        self.audiences.attaching(group);
        let from = self.link(key);
        self.route(now, &group, Input::Attach { from, device, group, after })
    }

    fn on_detach(&mut self, key: SessionKey, group: &GroupId) {
        let Some(slot) = self.audiences.slot(group) else { return };
        if let Some(session) = self.sessions.get(key) {
            session.attach_unwanted(group);
        }
        if let Some(peer) = self.sessions.get(key).and_then(|session| session.peer.as_mut()) {
            peer.audiences.retain(|other| *other != slot);
            peer.waiting.retain(|other| *other != slot);
        }
        self.abandoned.extend(self.audiences.leave(slot, key));
    }

    /// Tells a group's owner that no session here drains it any more.
    pub(super) fn unwatch(&mut self, now: Instant, group: GroupId) -> Result<(), Error> {
        let shard = self.mesh.own();
        self.route(now, &group, Input::Unwatch { shard, group })
    }

    fn route(&mut self, now: Instant, group: &GroupId, input: Input) -> Result<(), Error> {
        self.submit_input(now, owner(group, self.mesh.shards()), input)
    }

    /// Forgets a session and everything that was due to it.
    pub(super) fn end_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.close(key) else { return };
        if session.has_room || session.waits_for_room {
            self.room.give_back(key);
        }
        self.driver.finish(session.connection, session.control);
        let Some(peer) = session.peer else { return };
        self.driver.finish(session.connection, peer.deliveries);
        if peer.collecting {
            self.stop_collecting(self.link(key), peer.device);
        }
        for slot in peer.audiences {
            self.abandoned.extend(self.audiences.leave(slot, key));
        }
    }

    fn end_connection_of(&mut self, key: SessionKey, why: Refusal) {
        if let Some(session) = self.sessions.get(key) {
            let connection = session.connection;
            self.end_session(key);
            self.condemn(connection, why);
        }
    }

    pub(super) fn link(&self, key: SessionKey) -> Link {
        Link { shard: self.mesh.own(), session: key.index, generation: key.generation }
    }
}
