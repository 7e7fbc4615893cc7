//! The serving side: finds each member's state, seals, sends, takes in acknowledgements.
//!
//! The one thread that is measured. It decides nothing and keeps nothing: a message is plaintext
//! that all members share.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::error::Error;
use super::packet::{KEY_HEAP_BYTES, Key, OVERHEAD_BYTES, PAYLOAD_BYTES_MAX, member_of};
use super::recipients::Shared;
use super::work::Work;
use crate::clock;
use crate::limits::{BATCH_DATAGRAMS_MAX, FLOOR_SILENCE_MAX, MTU_BYTES};
use crate::net::Socket;

/// A member's state: what has to be at hand to send to it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: Key,
    pub(super) address: SocketAddr,
    /// Packets sent to it; the next one's number.
    pub(super) sent: u64,
    /// The highest number that it acknowledged.
    pub(super) acknowledged: u64,
}

impl Member {
    pub(super) fn new(key: Key, address: SocketAddr) -> Self {
        Self { key, address, sent: 0, acknowledged: 0 }
    }
}

/// Bytes of state that a delivery to a member touches.
pub(super) const MEMBER_BYTES: usize = size_of::<Member>() + KEY_HEAP_BYTES;

/// The serving side with everything it needs.
#[derive(Debug)]
pub(super) struct Service<'a> {
    socket: Socket,
    members: Vec<Member>,
    work: Work,
    message: Vec<u8>,
    train: Vec<u8>,
    shared: &'a Shared,
    /// Packets that may be on their way.
    window: u64,
    buffer_bytes: usize,
    /// Packets sent that arrived or may still arrive.
    sent: u64,
    /// What of them had arrived when last looked.
    received: u64,
    /// Acknowledgements taken in.
    pub(super) acks: u64,
}

impl<'a> Service<'a> {
    /// `buffer_bytes` is the smallest buffer of the sockets of both sides.
    pub(super) fn new(
        socket: Socket,
        members: Vec<Member>,
        work: Work,
        shared: &'a Shared,
        buffer_bytes: usize,
    ) -> Self {
        Self {
            socket,
            members,
            work,
            message: vec![0x5a; work.bytes as usize],
            train: Vec::new(),
            shared,
            window: work.window(buffer_bytes),
            buffer_bytes,
            sent: 0,
            received: 0,
            acks: 0,
        }
    }

    /// Packets sent so far.
    pub(super) fn packets_sent(&self) -> u64 {
        self.socket.counters.packets_sent
    }

    /// Messages after which every member has acknowledged what it was sent, or nearly.
    pub(super) fn messages_per_cycle(&self) -> u32 {
        self.work.messages_per_cycle()
    }

    /// One packet to each member, for as many as one acknowledgement answers: every state has been
    /// touched once, and nobody owes an acknowledgement.
    pub(super) fn warm_up(&mut self) -> Result<(), Error> {
        for _ in 0..self.work.packets_per_ack {
            for index in 0..self.members.len() {
                let part = 0..self.message.len().min(PAYLOAD_BYTES_MAX);
                self.send(index, part)?;
            }
            self.settle()?;
        }
        self.take_acks(0)
    }

    /// The message to every member, until the last has it.
    pub(super) fn deliver(&mut self) -> Result<(), Error> {
        for index in 0..self.members.len() {
            for part in self.work.trains() {
                self.send(index, part)?;
            }
        }
        self.settle()
    }

    /// Takes in acknowledgements until at most `left` are on their way.
    pub(super) fn take_acks(&mut self, left: u64) -> Result<(), Error> {
        while self.shared.acks.load(Ordering::SeqCst).saturating_sub(self.acks) > left {
            let (members, acks) = (&mut self.members, &mut self.acks);
            let (taken, _) = self.socket.receive(|_, packet| {
                let index = member_of(&packet).map(|index| index as usize);
                let Some(member) = index.and_then(|index| members.get_mut(index)) else { return };
                if let Some(acknowledged) = member.key.open_ack(&packet) {
                    member.acknowledged = member.acknowledged.max(acknowledged);
                    *acks += 1;
                }
            })?;
            // What was sent over loopback is there, or lost.
            if taken == 0 {
                return Err(self.incomplete());
            }
        }
        Ok(())
    }

    /// After a round that lost packets: forgets what is missing. Any other `error` is final.
    pub(super) fn resume_after(&mut self, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::Incomplete { .. }) {
            return Err(error);
        }
        self.received = self.shared.received.load(Ordering::SeqCst);
        self.sent = self.received;
        self.acks = self.shared.acks.load(Ordering::SeqCst);
        Ok(())
    }

    /// A part of the message to one member, as one train.
    fn send(&mut self, index: usize, part: std::ops::Range<usize>) -> Result<(), Error> {
        let packets = part.len().div_ceil(PAYLOAD_BYTES_MAX) as u64;
        if self.sent + packets > self.received + self.window {
            self.make_room(packets)?;
        }
        let named = u32::try_from(index).expect("members were counted by a u32");
        let member = &mut self.members[index];
        // The socket may have taken the buffer of the last train for another one.
        self.train.resize(part.len() + part.len().div_ceil(PAYLOAD_BYTES_MAX) * OVERHEAD_BYTES, 0);
        let mut length = 0;
        for start in part.clone().step_by(PAYLOAD_BYTES_MAX) {
            let payload = &self.message[start..part.end.min(start + PAYLOAD_BYTES_MAX)];
            let out = &mut self.train[length..];
            length += member.key.seal_data(named, member.sent, start, payload, out);
            member.sent += 1;
        }
        let segment = (packets > 1).then_some(usize::from(MTU_BYTES));
        let calls = self.socket.counters.send_calls;
        self.socket.send(member.address, &mut self.train, segment)?;
        self.sent += packets;
        if self.socket.counters.send_calls != calls {
            self.take_acks(BATCH_DATAGRAMS_MAX as u64)?;
        }
        Ok(())
    }

    /// Waits until `packets` more may be on their way, then until half of the window is free: one
    /// wait for many trains.
    fn make_room(&mut self, packets: u64) -> Result<(), Error> {
        self.received = self.shared.received.load(Ordering::SeqCst);
        if self.sent + packets > self.received + self.window {
            self.socket.flush()?;
            self.take_acks(0)?;
            let half = (self.window / 2).min(self.window - packets);
            self.wait_until_received(self.sent.saturating_sub(half))?;
        }
        Ok(())
    }

    /// Waits until everything sent has arrived.
    fn settle(&mut self) -> Result<(), Error> {
        self.socket.flush()?;
        self.take_acks(BATCH_DATAGRAMS_MAX as u64)?;
        self.wait_until_received(self.sent)
    }

    fn wait_until_received(&mut self, target: u64) -> Result<(), Error> {
        let mut deadline: Option<Instant> = None;
        loop {
            self.shared.wake_at.store(target, Ordering::SeqCst);
            let received = self.shared.received.load(Ordering::SeqCst);
            let progress = received > self.received;
            self.received = received;
            if received >= target {
                self.shared.wake_at.store(u64::MAX, Ordering::SeqCst);
                return Ok(());
            }
            let now = clock::now();
            let until = match deadline {
                Some(until) if !progress => until,
                _ => now + FLOOR_SILENCE_MAX,
            };
            if now >= until {
                return Err(self.incomplete());
            }
            deadline = Some(until);
            std::thread::park_timeout(FLOOR_SILENCE_MAX / 10);
        }
    }

    fn incomplete(&self) -> Error {
        let received = self.shared.received.load(Ordering::SeqCst);
        Error::Incomplete { sent: self.sent, received, buffer_bytes: self.buffer_bytes }
    }
}
