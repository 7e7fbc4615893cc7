//! The members' side: takes in every packet, opens it, acknowledges.
//!
//! Members share a few sockets as they do in the load engine, and no acknowledgements of different
//! members leave as one train. It runs on a thread of its own and is never what is measured; it
//! looks at its sockets without sleeping where it has a core of its own, so that waking it is not
//! charged to the service.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use super::error::Error;
use super::packet::{Key, PAYLOAD_BYTES_MAX, member_of};
use crate::net::Socket;

/// What both sides see of the other's progress. It stands for no packet: a service would know the
/// same from acknowledgements, later.
#[derive(Debug)]
pub(super) struct Shared {
    /// Data packets that arrived and were authentic.
    pub(super) received: AtomicU64,
    /// Acknowledgements that were sent; those of `received` packets are among them.
    pub(super) acks: AtomicU64,
    /// The count of `received` at which the service wants to be woken.
    pub(super) wake_at: AtomicU64,
    /// The members' side has nothing more to wait for.
    pub(super) stop: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            received: AtomicU64::new(0),
            acks: AtomicU64::new(0),
            wake_at: AtomicU64::new(u64::MAX),
            stop: AtomicBool::new(false),
        }
    }
}

/// One member.
#[derive(Debug)]
pub(super) struct Recipient {
    key: Key,
    /// Packets since its last acknowledgement.
    unanswered: u32,
    /// The highest packet number it has.
    highest: u64,
    /// Acknowledgements it sent.
    acks: u64,
}

impl Recipient {
    pub(super) fn new(key: Key) -> Self {
        Self { key, unanswered: 0, highest: 0, acks: 0 }
    }
}

/// All members.
#[derive(Debug)]
pub(super) struct Recipients {
    sockets: Vec<Socket>,
    members: Vec<Recipient>,
    service: SocketAddr,
    packets_per_ack: u32,
}

impl Recipients {
    pub(super) fn new(
        sockets: Vec<Socket>,
        members: Vec<Recipient>,
        service: SocketAddr,
        packets_per_ack: u32,
    ) -> Self {
        Self { sockets, members, service, packets_per_ack }
    }

    /// Takes in and answers until told to stop. `service` is woken when it asked to be; `apart`
    /// says that there is a core to look on without sleeping.
    pub(super) fn run(
        mut self,
        shared: &Shared,
        service: &Thread,
        apart: bool,
    ) -> Result<(), Error> {
        let mut opened = vec![0; PAYLOAD_BYTES_MAX];
        let mut due: Vec<u32> = Vec::new();
        let (mut received, mut acks) = (0_u64, 0_u64);
        while !shared.stop.load(Ordering::Acquire) {
            let before = received;
            for index in 0..self.sockets.len() {
                let had = received;
                received += self.take(index, &mut opened, &mut due)?;
                if received == had {
                    continue;
                }
                acks += due.len() as u64;
                self.answer(index, &mut due)?;
                // Acknowledgements first: whoever sees the packets sees their answers.
                shared.acks.store(acks, Ordering::SeqCst);
                shared.received.store(received, Ordering::SeqCst);
                if received >= shared.wake_at.load(Ordering::SeqCst) {
                    shared.wake_at.store(u64::MAX, Ordering::SeqCst);
                    service.unpark();
                }
            }
            if received == before {
                if apart { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
        Ok(())
    }

    /// One batch of one socket: the packets that were authentic.
    fn take(&mut self, socket: usize, opened: &mut [u8], due: &mut Vec<u32>) -> Result<u64, Error> {
        let (members, packets_per_ack) = (&mut self.members, self.packets_per_ack);
        let mut received = 0;
        self.sockets[socket].receive(|_, packet| {
            let named = member_of(&packet);
            let found = named.and_then(|index| Some((index, members.get_mut(index as usize)?)));
            let Some((index, member)) = found else { return };
            let Some(data) = member.key.open_data(&packet, opened) else { return };
            received += 1;
            member.highest = member.highest.max(data.number);
            member.unanswered += 1;
            if member.unanswered == packets_per_ack {
                member.unanswered = 0;
                due.push(index);
            }
        })?;
        Ok(received)
    }

    fn answer(&mut self, socket: usize, due: &mut Vec<u32>) -> Result<(), Error> {
        for index in due.drain(..) {
            let member = &mut self.members[index as usize];
            member.acks += 1;
            let ack = member.key.seal_ack(index, member.acks, member.highest);
            self.sockets[socket].send(self.service, &mut ack.to_vec(), None)?;
        }
        Ok(self.sockets[socket].flush()?)
    }
}
