//! The members: what they send, hear, ask for again, and where they go on.
//!
//! A device is a member of several groups and has one session; several sessions share a connection.
//! Each member has at most one message unanswered and sends the next a little after the answer, so
//! that the crowd never outruns the service. Knows nothing of processes; told of each death by
//! [`Crowd::cut`] and of each return by [`Crowd::come_back`]. Called by `ordeal`.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use xxhash_rust::xxh3::xxh3_128;

use super::oracle::Oracle;
use super::ordeal::{Failure, Options};
use crate::clock;
use crate::delivery::{
    DeviceId, Durability, Epoch, GroupId, Kind, Level, MessageId, Reject, RosterChange, Seq,
};
use crate::limits::{SURVIVAL_BODY_BYTES_MAX, SURVIVAL_PATIENCE};
use crate::load::{Client, Heard, SessionNumber, Target};
use crate::mls::synthetic;
use crate::net::{Driver, KeyExchange, Trust};
use crate::wire::{Delivery, Reason, Reply, Request, group_bytes};

/// Sessions of one connection.
const SESSIONS_PER_CONNECTION: usize = 4;

/// Acknowledged messages of a member that it may ask for again.
const ANSWERED_KEPT: usize = 2;

/// How long the crowd sleeps at most when nothing comes.
const TURN: Duration = Duration::from_millis(2);

/// A message as it is sent, and sent again.
#[derive(Clone, Debug)]
struct Message {
    id: MessageId,
    body: Bytes,
}

#[derive(Debug)]
struct Member {
    device: usize,
    attached: bool,
    /// Sent and not answered.
    waiting: Option<Message>,
    answered: VecDeque<Message>,
    /// When it sends the next one.
    due: Instant,
    /// Whether it may go on from its cursor.
    has_cursor: bool,
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    /// The latest that anybody knows of.
    epoch: Epoch,
    created: bool,
    members: Vec<Member>,
}

/// All devices, and what they were told.
#[derive(Debug)]
pub(super) struct Crowd {
    client: Client,
    target: Target,
    chance: ChaCha8Rng,
    /// One for each device.
    sessions: Vec<SessionNumber>,
    groups: Vec<Group>,
    ids: u64,
    pub(super) oracle: Oracle,
}

impl Crowd {
    /// Everybody connected, every group made, every member attached.
    ///
    /// # Errors
    /// [`Failure`] when no socket can be had, or the service does not answer.
    pub(super) fn gather(options: &Options, target: Target) -> Result<Self, Failure> {
        let (fingerprint, key_exchange) = (target.fingerprint, KeyExchange::X25519);
        let trust = Trust { fingerprint, key_exchange, resumption: true };
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let driver = Driver::client(local, 2, trust).map_err(Failure::environment)?;
        let devices = 2 * options.members;
        let now = clock::now();
        let groups = (0..options.groups).map(|number| {
            let mut id = *b"survival group .";
            id[15] = u8::try_from(number).expect("groups are few");
            let members = (0..options.members).map(|member| Member {
                device: (number + member) % devices,
                attached: false,
                waiting: None,
                answered: VecDeque::new(),
                due: now,
                has_cursor: false,
            });
            let id = GroupId::new(&id).expect("it has 16 bytes");
            Group { id, epoch: Epoch(0), created: false, members: members.collect() }
        });
        let mut crowd = Self {
            client: Client::new(driver),
            target,
            chance: ChaCha8Rng::seed_from_u64(options.seed),
            sessions: Vec::new(),
            groups: groups.collect(),
            ids: 0,
            oracle: Oracle::new(options.groups, options.members),
        };
        crowd.connect(now, devices)?;
        crowd.create_groups();
        crowd
            .until("to make its groups", |crowd| crowd.groups.iter().all(|group| group.created))?;
        crowd.attach_all();
        Ok(crowd)
    }

    /// Members send, and hear, until `deadline`.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the socket is gone.
    pub(super) fn play(&mut self, deadline: Instant) -> Result<(), Failure> {
        while clock::now() < deadline {
            self.send_what_is_due();
            self.turn(deadline)?;
        }
        Ok(())
    }

    /// The service is dead: what it still had sent is heard, then every connection is given up.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the socket is gone.
    pub(super) fn cut(&mut self) -> Result<(), Failure> {
        while self.client.turn(clock::now()).map_err(Failure::environment)? > 0 {
            self.hear();
        }
        self.hear();
        self.client.close_all(clock::now());
        self.client.transmit(clock::now()).map_err(Failure::environment)?;
        self.hear();
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            member.attached = false;
        }
        Ok(())
    }

    /// The service is back: everybody connects again, goes on where it was, and asks again for what
    /// has no answer; and for some of what has.
    ///
    /// # Errors
    /// [`Failure::Environment`] when no connection can be started.
    pub(super) fn come_back(&mut self, target: Target) -> Result<(), Failure> {
        self.target = target;
        let now = clock::now();
        let sessions = self.sessions.clone();
        for (number, together) in sessions.chunks(SESSIONS_PER_CONNECTION).enumerate() {
            let address = self.target.addresses[number % self.target.addresses.len()];
            let connection = self.client.reconnect(now, address).map_err(Failure::environment)?;
            for session in together {
                let token = self.target.token(self.client.device(*session));
                self.client.reopen(connection, *session, token);
            }
        }
        self.attach_all();
        self.ask_again();
        Ok(())
    }

    /// Sends nothing new until everything is answered and everybody has everything, or patience
    /// ends.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the socket is gone.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let deadline = clock::now() + SURVIVAL_PATIENCE;
        while clock::now() < deadline && !self.is_settled() {
            self.turn(deadline)?;
        }
        for (number, group) in self.groups.iter().enumerate() {
            for (index, member) in group.members.iter().enumerate() {
                if !member.attached || member.waiting.is_some() {
                    let what = format!("group {number}, member {index} has no answer at the end");
                    self.oracle.refused(what);
                }
            }
        }
        self.client.close_all(clock::now());
        self.client.transmit(clock::now()).map_err(Failure::environment)
    }

    fn is_settled(&self) -> bool {
        let mut members = self.groups.iter().flat_map(|group| &group.members);
        members.all(|member| member.attached && member.waiting.is_none())
            && self.oracle.is_complete()
    }

    fn connect(&mut self, now: Instant, devices: usize) -> Result<(), Failure> {
        let all: Vec<usize> = (0..devices).collect();
        for (number, together) in all.chunks(SESSIONS_PER_CONNECTION).enumerate() {
            let address = self.target.addresses[number % self.target.addresses.len()];
            let connection = self.client.connect(now, address).map_err(Failure::environment)?;
            for number in together {
                let device = device(*number);
                let token = self.target.token(device);
                self.sessions.push(self.client.open(connection, device, token));
            }
        }
        Ok(())
    }

    fn create_groups(&mut self) {
        for (number, group) in self.groups.iter().enumerate() {
            let roster = group.members.iter().map(|member| device(member.device)).collect();
            let create = Request::Create {
                request: message_id(number, 0, 0),
                epoch: group.epoch,
                group: group.id,
                durability: Some(Durability::Wal),
                level: Level::Opaque,
                roster,
                group_info: None,
                tree: None,
            };
            self.client.request(self.sessions[group.members[0].device], &create);
        }
    }

    fn attach_all(&mut self) {
        for (number, group) in self.groups.iter().enumerate() {
            for (index, member) in group.members.iter().enumerate() {
                let by_cursor = member.has_cursor && self.chance.random_bool(0.2);
                let got = self.oracle.got(number, index);
                let after = if by_cursor { Seq::CURSOR } else { got };
                self.oracle.attaching(number, index, (!by_cursor).then_some(got));
                let attach = Request::Attach { group: group.id, after };
                self.client.request(self.sessions[member.device], &attach);
            }
        }
    }

    fn ask_again(&mut self) {
        for (number, group) in self.groups.iter_mut().enumerate() {
            for member in &mut group.members {
                let session = self.sessions[member.device];
                // What was delivered to everybody and is needed by nobody is as good as answered.
                member.waiting.take_if(|message| !self.oracle.may_retry(number, message.id));
                for message in member.waiting.iter().chain(&member.answered) {
                    if self.oracle.may_retry(number, message.id) {
                        let (id, body) = (message.id, message.body.clone());
                        self.client.submit(session, id, &RosterChange::default(), body);
                    }
                }
            }
        }
    }

    fn send_what_is_due(&mut self) {
        let now = clock::now();
        for number in 0..self.groups.len() {
            for index in 0..self.groups[number].members.len() {
                if self.is_free(number, index) && self.groups[number].members[index].due <= now {
                    let kind = match self.chance.random_range(0..20) {
                        0..3 => Kind::Commit,
                        3..5 => Kind::Proposal,
                        _ => Kind::Application,
                    };
                    self.send(number, index, kind);
                    // A commit alone wins; only a race shows that one does.
                    let other = (index + 1) % self.groups[number].members.len();
                    if kind == Kind::Commit && self.is_free(number, other) {
                        self.send(number, other, kind);
                    }
                }
            }
        }
    }

    fn is_free(&self, number: usize, index: usize) -> bool {
        let member = &self.groups[number].members[index];
        member.attached && member.waiting.is_none()
    }

    fn send(&mut self, number: usize, index: usize, kind: Kind) {
        let group = &mut self.groups[number];
        let bytes = self.chance.random_range(0..SURVIVAL_BODY_BYTES_MAX);
        let body = synthetic::message(&group.id, group.epoch, kind, bytes, &mut self.chance);
        self.ids += 1;
        let id = message_id(number, index, self.ids);
        self.oracle.submitted(number, id, group.epoch, kind, xxh3_128(&body));
        let member = &mut group.members[index];
        let session = self.sessions[member.device];
        self.client.submit(session, id, &RosterChange::default(), body.clone());
        member.waiting = Some(Message { id, body });
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let deadline = clock::now() + SURVIVAL_PATIENCE;
        while !done(self) {
            if clock::now() >= deadline {
                return Err(Failure::Fallen(format!(
                    "it does not answer a crowd that wants {what}"
                )));
            }
            self.turn(deadline)?;
        }
        Ok(())
    }

    fn turn(&mut self, deadline: Instant) -> Result<(), Failure> {
        let now = clock::now();
        self.client.turn(now).map_err(Failure::environment)?;
        self.hear();
        self.client.transmit(now).map_err(Failure::environment)?;
        self.client.wait(now, Some(deadline.min(now + TURN)), None);
        Ok(())
    }

    fn hear(&mut self) {
        while let Some((session, heard)) = self.client.poll() {
            let device = session as usize;
            match heard {
                Heard::Reply(reply) => self.on_reply(device, reply),
                Heard::Delivery(Delivery::Deliver { seq, id, body }) => {
                    self.on_delivery(device, seq, id, &body);
                }
                Heard::Delivery(other) => self.oracle.refused(format!("{other:?}")),
                // Whoever is not killed keeps its connections.
                Heard::Over(lost) => self.oracle.fallen(format!("a connection ended: {lost:?}")),
            }
        }
    }

    fn on_reply(&mut self, device: usize, reply: Reply) {
        match reply {
            Reply::Ready { .. } => {}
            Reply::Done { request } => self.created(request),
            Reply::Accepted { id, seq, epoch } => {
                let Some((number, index)) = self.sender_of(device, id) else {
                    return self.oracle.refused(format!("{id:?} is answered and nobody asks"));
                };
                self.oracle.accepted(number, id, seq, epoch);
                self.groups[number].epoch = self.groups[number].epoch.max(epoch);
                self.answered(number, index, id);
            }
            Reply::Rejected { id, reason } => self.on_rejection(device, id, reason),
            Reply::Attached { group, next, head, epoch, resync } => {
                let Some((number, index)) = self.member(&group, device) else {
                    return self.oracle.refused(format!("attached to {group:?}, unasked"));
                };
                self.oracle.attached(number, index, next, head, resync);
                let group = &mut self.groups[number];
                group.epoch = group.epoch.max(epoch);
                group.members[index].attached = true;
            }
            other => self.oracle.refused(format!("{other:?}")),
        }
    }

    fn on_rejection(&mut self, device: usize, id: MessageId, reason: Reason) {
        match (self.sender_of(device, id), reason) {
            (Some((number, index)), Reason::Rejected(Reject::WrongEpoch { current, .. })) => {
                self.oracle.lost_race(number, id);
                self.groups[number].epoch = self.groups[number].epoch.max(current);
                self.groups[number].members[index].waiting.take_if(|message| message.id == id);
                self.rest(number, index);
            }
            // The epoch is reserved for others: its message is given up, as one that lost.
            (Some((number, index)), Reason::Rejected(Reject::SlowDown { .. })) => {
                self.oracle.lost_race(number, id);
                self.groups[number].members[index].waiting.take_if(|message| message.id == id);
                self.rest(number, index);
            }
            (_, reason) => self.oracle.refused(format!("{id:?}: {reason:?}")),
        }
    }

    fn on_delivery(&mut self, device: usize, seq: Seq, id: MessageId, body: &Bytes) {
        let group = group_bytes(body).and_then(GroupId::new);
        let Some((number, index)) = group.and_then(|group| self.member(&group, device)) else {
            return self
                .oracle
                .refused(format!("device {device} is delivered a stranger's message"));
        };
        self.oracle.delivered(number, index, seq, id, xxh3_128(body));
        if self.chance.random_bool(0.05) {
            let seq = Seq(seq.0.saturating_sub(self.chance.random_range(0..4)));
            let group = &mut self.groups[number];
            group.members[index].has_cursor = true;
            self.oracle.acknowledged(number, index, seq);
            let request = Request::Acknowledge { group: group.id, seq };
            self.client.request(self.sessions[device], &request);
        }
    }

    fn created(&mut self, request: MessageId) {
        if let Some(group) = self.groups.get_mut(sender(request).0) {
            group.created = true;
        }
    }

    fn answered(&mut self, number: usize, index: usize, id: MessageId) {
        let member = &mut self.groups[number].members[index];
        let Some(message) = member.waiting.take_if(|message| message.id == id) else { return };
        member.answered.push_back(message);
        if member.answered.len() > ANSWERED_KEPT {
            member.answered.pop_front();
        }
        self.rest(number, index);
    }

    fn rest(&mut self, number: usize, index: usize) {
        let pause = Duration::from_micros(self.chance.random_range(0..8_000));
        self.groups[number].members[index].due = clock::now() + pause;
    }

    fn member(&self, group: &GroupId, device: usize) -> Option<(usize, usize)> {
        let number = self.groups.iter().position(|other| other.id == *group)?;
        let members = &self.groups[number].members;
        Some((number, members.iter().position(|member| member.device == device)?))
    }

    /// The member whose message this is, if it is the device's.
    fn sender_of(&self, device: usize, id: MessageId) -> Option<(usize, usize)> {
        let (number, index) = sender(id);
        let member = self.groups.get(number)?.members.get(index)?;
        (member.device == device).then_some((number, index))
    }
}

fn device(number: usize) -> DeviceId {
    DeviceId((number as u128 + 1).to_be_bytes())
}

/// The id of a member's message, or of a group's creation: it says whose it is.
fn message_id(group: usize, member: usize, count: u64) -> MessageId {
    MessageId(((group as u128) << 96 | (member as u128) << 64 | u128::from(count)).to_be_bytes())
}

/// The group and the member of a message id.
fn sender(id: MessageId) -> (usize, usize) {
    let [group, member] = [0, 4].map(|from| {
        let part = id.0[from..from + 4].try_into().expect("four bytes are four bytes");
        u32::from_be_bytes(part) as usize
    });
    (group, member)
}
