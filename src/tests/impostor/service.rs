//! The impostor's thread: sessions, requests, and what is said when.
//!
//! Everything that it says goes through one queue, in which it can be held back without changing
//! its order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::Seen;
use super::faults::{Due, plain};
use super::manner::{Fault, Manner, What};
use super::order::{Entry, Order, Verdict};
use crate::clock;
use crate::delivery::{DeviceId, Epoch, GroupId, Kind, MessageId, Reject, RosterChange, Seq};
use crate::limits::{FRAME_BYTES_MAX, SESSIONS_PER_CONNECTION_MAX};
use crate::net::{ConnectionId, Dir, Driver, Event, StreamId};
use crate::wire::{Counters, Delivery, Inbox, PROTOCOL_VERSION, Reason, Reply, Request};

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// One device on one control stream.
struct Session {
    connection: ConnectionId,
    control: StreamId,
    inbox: Inbox,
    /// Once it has said hello.
    device: Option<(DeviceId, StreamId)>,
    /// The groups it is attached to.
    attached: Vec<usize>,
    /// What its two streams have not taken yet: answers, deliveries.
    waiting: [VecDeque<Bytes>; 2],
    over: bool,
}

/// Which of a session's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Answers,
    Deliveries,
}

/// Something that is to be said, not before its time.
struct Saying {
    at: Instant,
    session: usize,
    stream: Stream,
    frame: Bytes,
}

/// Everything the thread owns.
pub(super) struct Service {
    driver: Driver,
    port: u16,
    manner: Manner,
    sessions: Vec<Session>,
    order: Order,
    sayings: VecDeque<Saying>,
    /// Deliveries are held back until then, and answers.
    silent_until: [Option<Instant>; 2],
    kept: Vec<(usize, Entry)>,
    /// The commit that half of a group is not to have, and what that half waits for since.
    fork: Option<(Entry, Vec<Entry>)>,
    submissions: u64,
    attachments: u64,
    /// When it is done with what has been submitted so far.
    done_at: Instant,
    seen: Seen,
}

impl Service {
    pub(super) fn new(driver: Driver, port: u16, manner: Manner) -> Self {
        Self {
            driver,
            port,
            manner,
            sessions: Vec::new(),
            order: Order::default(),
            sayings: VecDeque::new(),
            silent_until: [None; 2],
            kept: Vec::new(),
            fork: None,
            submissions: 0,
            attachments: 0,
            done_at: clock::now(),
            seen: Seen::default(),
        }
    }

    /// Serves until told to stop.
    pub(super) fn serve(mut self, stop: &AtomicBool) -> Seen {
        while !stop.load(Ordering::Relaxed) {
            let now = clock::now();
            self.driver.receive(now).unwrap();
            while let Some((connection, event)) = self.driver.poll() {
                self.on_event(connection, event);
            }
            self.say_what_is_due();
            self.driver.transmit(clock::now()).unwrap();
            if !self.driver.is_busy() {
                let now = clock::now();
                let tick = now + Duration::from_millis(20);
                let until = self.sayings.iter().map(|saying| saying.at).min();
                self.driver.wait(now, Some(until.map_or(tick, |at| at.min(tick))), None);
            }
        }
        self.seen
    }

    fn on_event(&mut self, connection: ConnectionId, event: Event) {
        match event {
            Event::Opened(control) => self.sessions.push(Session {
                connection,
                control,
                inbox: Inbox::new(FRAME_BYTES_MAX),
                device: None,
                attached: Vec::new(),
                waiting: [VecDeque::new(), VecDeque::new()],
                over: false,
            }),
            Event::Readable(stream) => {
                if let Some(session) = self.session_of(connection, stream) {
                    self.read(session);
                }
            }
            Event::Writable(stream) => {
                if let Some(session) = self.session_of(connection, stream) {
                    self.flush(session);
                }
            }
            Event::Lost(_) => {
                for session in &mut self.sessions {
                    session.over |= session.connection == connection;
                }
            }
            Event::Connected | Event::Available(_) => {}
        }
    }

    fn session_of(&self, connection: ConnectionId, stream: StreamId) -> Option<usize> {
        self.sessions.iter().position(|session| {
            let deliveries = session.device.map(|(_, deliveries)| deliveries);
            session.connection == connection
                && (session.control == stream || deliveries == Some(stream))
        })
    }

    fn read(&mut self, number: usize) {
        let session = &mut self.sessions[number];
        let inbox = &mut session.inbox;
        self.driver.read(session.connection, session.control, |bytes| inbox.push(bytes));
        while let Ok(Some(frame)) = self.sessions[number].inbox.next_frame() {
            let request = Request::decode(frame).expect("the engine speaks the protocol");
            self.on_request(number, request);
        }
    }

    fn on_request(&mut self, number: usize, request: Request) {
        match request {
            Request::Hello { device, .. } => self.greet(number, device),
            Request::Create { request, epoch, group, roster, .. } => {
                let answer = self.order.create(group, epoch, roster);
                self.answer(number, &done(request, answer));
            }
            Request::Delete { request, group } => {
                let answer = self.order.delete(group);
                self.answer(number, &done(request, answer));
            }
            Request::Attach { group, after } => self.attach(number, group, after.0),
            Request::Detach { group } => {
                let found = self.order.find(&group);
                self.sessions[number].attached.retain(|attached| Some(*attached) != found);
            }
            Request::Stats { request } => {
                let counters = Box::new(Counters::default());
                self.answer(number, &Reply::Stats { request, counters });
            }
            Request::Submit { id, change, body, .. } => self.submit(number, id, &change, body),
            // It keeps everything for ever, and has nothing else to offer.
            Request::Acknowledge { .. } | Request::Collected { .. } | Request::Collect => {}
            Request::Publish { request, packages, .. } => {
                let left = u32::try_from(packages.len()).unwrap();
                self.answer(number, &Reply::Published { request, left });
            }
            Request::Claim { request, .. } => {
                self.answer(number, &done(request, Err(Reject::NoKeyPackage)));
            }
            Request::Fetch { request, .. } => {
                self.answer(number, &done(request, Err(Reject::NoGroupInfo)));
            }
        }
    }

    fn greet(&mut self, number: usize, device: DeviceId) {
        let session = &mut self.sessions[number];
        let connection = session.connection;
        self.driver.trust(connection);
        self.driver.grant_streams(connection, SESSIONS_PER_CONNECTION_MAX);
        let stream = self.driver.open(connection, Dir::Uni).expect("a client grants a stream");
        session.device = Some((device, stream));
        self.say(number, Stream::Deliveries, &Delivery::For { device });
        let (version, ports) = (PROTOCOL_VERSION, vec![self.port]);
        self.answer(number, &Reply::Ready { version, shard: 0, ports });
    }

    fn attach(&mut self, number: usize, id: GroupId, after: u64) {
        let found = self.order.find(&id);
        let group = found.map(|group| &self.order.groups[group]);
        let device = self.sessions[number].device.map(|(device, _)| device);
        let member = group.zip(device).and_then(|(group, device)| group.place_of(device));
        self.attachments += 1;
        let welcome = self.manner.turns_away != Some(self.attachments);
        let (Some(found), Some(group), Some(_), true) = (found, group, member, welcome) else {
            let reason = Reason::Rejected(Reject::NotMember);
            return self.answer(number, &Reply::AttachRefused { group: id, reason });
        };
        let (head, epoch) = (Seq(group.head()), Epoch(group.epoch));
        let missed = group.log.iter().filter(|entry| entry.seq > after);
        let missed: Vec<Delivery> = missed.map(plain).collect();
        let next = Seq(after + 1);
        self.sessions[number].attached.push(found);
        self.answer(number, &Reply::Attached { group: id, next, head, epoch, resync: false });
        missed.iter().for_each(|frame| self.say(number, Stream::Deliveries, frame));
    }

    fn submit(&mut self, number: usize, id: MessageId, change: &RosterChange, body: Bytes) {
        let attempt = u64::from_be_bytes(id.0[8..].try_into().unwrap());
        self.seen.submitted.push((attempt, clock::now()));
        self.submissions += 1;
        self.done_at = self.done_at.max(clock::now()) + self.manner.work;
        let sheds = self.manner.sheds_one_of;
        if sheds.is_some_and(|of| self.submissions.is_multiple_of(of)) {
            return self.answer(number, &Reply::Rejected { id, reason: Reason::Busy });
        }
        let (device, _) = self.sessions[number].device.expect("it has said hello");
        let (group, header) = match self.order.group_of(&body) {
            Ok(found) => found,
            Err(reason) => return self.answer(number, &Reply::Rejected { id, reason }),
        };
        let what = self.fault_in(group).filter(|fault| !fault.what.is_about_losers());
        let what = what.filter(|fault| fault.seq == self.order.groups[group].next);
        let what = what.map(|fault| fault.what);
        match what {
            Some(What::Swallow) => return self.strike(),
            Some(What::SkipNumber) => {
                self.order.groups[group].next += 1;
                self.strike();
            }
            _ => {}
        }
        let verdict = self.order.groups[group].submit(device, header, id, change, body.clone());
        match verdict {
            Verdict::Ordered { entry, epoch } => {
                self.tell_order(number, group, &entry, epoch, what);
                let forks = |fault: &Fault| fault.what == What::Fork && fault.seq <= entry.seq;
                let commit = header.kind == Kind::Commit && self.fork.is_none();
                if commit && self.fault_in(group).is_some_and(|fault| forks(&fault)) {
                    self.fork = Some((entry.clone(), Vec::new()));
                }
                self.fan_out(group, &entry);
                if header.kind == Kind::Commit {
                    self.order.groups[group].change_roster(change);
                }
            }
            Verdict::Lost { current, winner } => {
                let commit = header.kind == Kind::Commit;
                self.lose(number, group, (id, body), (current, winner), commit);
            }
            Verdict::Refused(reason) => self.answer(number, &Reply::Rejected { id, reason }),
        }
    }

    /// The fault, if it is about this group and has not struck.
    fn fault_in(&self, group: usize) -> Option<Fault> {
        let due = |fault: &Fault| fault.group == group && self.seen.struck.is_none();
        self.manner.fault.filter(due)
    }

    fn strike(&mut self) {
        self.seen.struck = Some(clock::now());
    }

    /// Tells a sender that its message is ordered, or whatever the fault makes of that.
    fn tell_order(
        &mut self,
        number: usize,
        group: usize,
        entry: &Entry,
        epoch: Epoch,
        what: Option<What>,
    ) {
        let (id, seq) = (entry.id, entry.seq);
        let told = |seq, epoch| Reply::Accepted { id, seq: Seq(seq), epoch: Epoch(epoch) };
        let refused = Reply::Rejected { id, reason: Reason::Rejected(Reject::NotMember) };
        let good = told(seq, epoch.0);
        let answers = match what {
            Some(What::NoAnswer) => vec![],
            Some(What::AnswerTwice) => vec![good.clone(), good],
            Some(What::Contradict) => vec![good, refused],
            Some(What::WrongPlace) => vec![told(1, epoch.0)],
            Some(What::WrongEpochAfter) => vec![told(seq, epoch.0 + 7)],
            Some(What::RefuseAndOrder) => vec![refused],
            Some(What::CloseSession) => {
                self.close_member(group);
                vec![good]
            }
            Some(What::Mute(long)) => return self.hold(&[0, 1], long, number, &good),
            Some(What::HoldDeliveries(long)) => return self.hold(&[1], long, number, &good),
            Some(What::AcceptAndFallSilent) => {
                self.answer(number, &good);
                self.silent_until = [Some(clock::now() + FOR_EVER); 2];
                vec![]
            }
            Some(What::Freeze(long)) => {
                self.strike();
                self.seen.silent_until = Some(clock::now() + long);
                clock::wait_until(clock::now() + long);
                return self.answer(number, &good);
            }
            _ => return self.answer(number, &good),
        };
        self.strike();
        answers.iter().for_each(|answer| self.answer(number, answer));
    }

    /// Holds back what is said on some streams, this answer included.
    fn hold(&mut self, streams: &[usize], long: Duration, number: usize, answer: &Reply) {
        self.strike();
        let until = clock::now() + long;
        self.seen.silent_until = Some(until);
        streams.iter().for_each(|stream| self.silent_until[*stream] = Some(until));
        self.answer(number, answer);
    }

    fn close_member(&mut self, group: usize) {
        let member = self.manner.fault.and_then(|fault| fault.member).expect("whose it is");
        let device = self.order.groups[group].roster[member];
        let whose = |session: &&mut Session| session.device.map(|(device, _)| device) == device;
        if let Some(session) = self.sessions.iter_mut().find(whose) {
            session.over = true;
            self.driver.close(clock::now(), session.connection, 99, "not liked");
        }
    }

    /// A message lost: it is refused, or the fault makes more of it.
    fn lose(
        &mut self,
        number: usize,
        group: usize,
        (id, body): (MessageId, Bytes),
        (current, winner): (Epoch, Seq),
        commit: bool,
    ) {
        let fault = self.fault_in(group).filter(|fault| fault.what.is_about_losers() && commit);
        let fault = fault.filter(|fault| fault.seq <= winner.0);
        let told = |current: u64, winner: u64| Reply::Rejected {
            id,
            reason: Reason::Rejected(Reject::WrongEpoch {
                current: Epoch(current),
                winner: Seq(winner),
            }),
        };
        let good = told(current.0, winner.0);
        let Some(fault) = fault else { return self.answer(number, &good) };
        self.strike();
        let answer = match fault.what {
            What::WrongWinner => told(current.0, winner.0 + 1),
            What::NoWinner => told(current.0, 0),
            What::StaleEpoch => told(current.0 - 1, winner.0),
            What::EpochAhead => told(current.0 + 50, winner.0),
            What::Fork => {
                let (forked, later) = self.fork.take().expect("it began with the winner");
                assert_eq!(forked.seq, winner.0, "the two are of one epoch");
                let half = self.order.groups[group].roster.len() / 2;
                let own = Entry { seq: winner.0, id, body };
                for entry in std::iter::once(&own).chain(&later) {
                    self.deliver_to(group, entry, |member| member >= half);
                }
                Reply::Accepted { id, seq: winner, epoch: current }
            }
            _ => {
                let Verdict::Ordered { entry, epoch } = self.order.groups[group].append(id, body)
                else {
                    unreachable!("what is appended is ordered")
                };
                self.fan_out(group, &entry);
                Reply::Accepted { id, seq: Seq(entry.seq), epoch }
            }
        };
        self.answer(number, &answer);
    }

    fn fan_out(&mut self, group: usize, entry: &Entry) {
        let fault = self.manner.fault.filter(|fault| fault.group == group);
        let Some((forked, later)) = self.fork.as_mut().filter(|_| fault.is_some()) else {
            return self.deliver_to(group, entry, |_| true);
        };
        if entry.seq > forked.seq {
            later.push(entry.clone());
        }
        let half = self.order.groups[group].roster.len() / 2;
        self.deliver_to(group, entry, |member| member < half);
    }

    fn deliver_to(&mut self, group: usize, entry: &Entry, to: impl Fn(usize) -> bool) {
        let roster = self.order.groups[group].roster.clone();
        for (member, device) in roster.iter().enumerate().filter(|(member, _)| to(*member)) {
            let Some(device) = device else { continue };
            let session = self.sessions.iter().position(|session| {
                let own = session.device.is_some_and(|(own, _)| own == *device);
                own && !session.over && session.attached.contains(&group)
            });
            let Some(session) = session else { continue };
            let others = self.order.groups.iter().enumerate().filter(|(other, _)| *other != group);
            let foreign = others.filter_map(|(_, other)| other.log.last()).next();
            let due = Due { group, id: self.order.groups[group].id, member, entry, foreign };
            let (frames, struck) = match &self.manner.fault {
                Some(fault) => fault.deliver(&due, &mut self.kept),
                None => (vec![plain(entry)], false),
            };
            if struck {
                self.strike();
            }
            frames.iter().for_each(|frame| self.say(session, Stream::Deliveries, frame));
            let what = self.manner.fault.filter(|_| struck).map(|fault| fault.what);
            if what == Some(What::DuplicateAndFallSilent) {
                self.silent_until = [Some(clock::now() + FOR_EVER); 2];
            }
        }
    }

    fn answer(&mut self, number: usize, reply: &Reply) {
        let mut frame = BytesMut::new();
        reply.encode(&mut frame);
        self.enqueue(number, Stream::Answers, frame.freeze());
    }

    fn say(&mut self, number: usize, stream: Stream, delivery: &Delivery) {
        let mut frame = BytesMut::new();
        delivery.encode(&mut frame);
        self.enqueue(number, stream, frame.freeze());
    }

    fn enqueue(&mut self, session: usize, stream: Stream, frame: Bytes) {
        let longer = match stream {
            Stream::Answers => Duration::ZERO,
            Stream::Deliveries => self.manner.delivery_delay,
        };
        let at = clock::now().max(self.done_at) + self.manner.delay + longer;
        let at = self.silent_until[stream as usize].map_or(at, |until| until.max(at));
        self.sayings.push_back(Saying { at, session, stream, frame });
    }

    /// Says what is due, each stream's in its order.
    fn say_what_is_due(&mut self) {
        let now = clock::now();
        let (due, later) = self.sayings.drain(..).partition(|saying| saying.at <= now);
        self.sayings = later;
        let due: VecDeque<Saying> = due;
        for Saying { session, stream, frame, .. } in due {
            self.sessions[session].waiting[stream as usize].push_back(frame);
            self.flush(session);
        }
    }

    fn flush(&mut self, number: usize) {
        let session = &mut self.sessions[number];
        let deliveries = session.device.map(|(_, deliveries)| deliveries);
        let streams = [Some(session.control), deliveries];
        for (stream, waiting) in streams.into_iter().zip(&mut session.waiting) {
            let Some(stream) = stream else { continue };
            while let Some(front) = waiting.pop_front() {
                let before = front.len();
                let mut chunk = [front];
                let written = self.driver.write(session.connection, stream, &mut chunk);
                let [rest] = chunk;
                match written {
                    None => waiting.clear(),
                    Some(written) if written < before => {
                        waiting.push_front(rest);
                        break;
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

fn done(request: MessageId, answer: Result<(), Reject>) -> Reply {
    match answer {
        Ok(()) => Reply::Done { request },
        Err(reject) => Reply::Rejected { id: request, reason: Reason::Rejected(reject) },
    }
}
