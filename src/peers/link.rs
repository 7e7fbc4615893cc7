//! All members of one contestant, whatever they speak: the seam between the rounds and the wires.
//!
//! Called by `contest`; each contestant's client implements it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fault::Fault;
use super::ledger::Ledger;
use crate::clock;

/// Members that hear, and one publisher, on the calling thread.
pub(super) trait Link {
    /// Connects and subscribes everybody, with a bounded number on the way.
    fn connect(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Fault>;

    /// Gives every connection back.
    fn disconnect(&mut self);

    /// Makes the group anew, at the epoch of the first body. Nothing may be in flight.
    fn rewind(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Fault>;

    /// Takes a message to everybody; it leaves with [`Self::flush`], at the latest.
    fn publish(&mut self, body: &Bytes) -> Result<(), Fault>;

    /// Sends what has been published, together.
    fn flush(&mut self, now: Instant) -> Result<(), Fault>;

    /// Takes what has come, at most some milliseconds' worth, and enters each delivery in the
    /// ledger. Sleeps for up to 20 ms while nothing comes; true when something did.
    fn turn(&mut self, ledger: &mut Ledger<'_>) -> Result<bool, Fault>;

    /// Datagrams taken and sent so far; none over TCP.
    fn datagrams(&self) -> Datagrams {
        Datagrams::default()
    }

    /// How it is encrypted, as far as this side can tell once it is connected.
    fn sealing(&self) -> Sealing;
}

/// Datagrams of all members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Datagrams {
    pub(super) taken: u64,
    pub(super) sent: u64,
}

/// What a handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sealing {
    pub(super) cipher_suite: Option<String>,
    pub(super) key_exchange: Option<String>,
}

/// Patience with a server before anything is published: counts from its last step forward.
#[derive(Debug)]
pub(super) struct Patience {
    stage: &'static str,
    total: usize,
    done: usize,
    since: Instant,
    silence_max: Duration,
}

impl Patience {
    pub(super) fn new(stage: &'static str, total: usize, silence_max: Duration) -> Self {
        Self { stage, total, done: 0, since: clock::now(), silence_max }
    }

    pub(super) fn check(&mut self, now: Instant, done: usize) -> Result<(), Fault> {
        if done > self.done {
            (self.done, self.since) = (done, now);
        }
        if now.saturating_duration_since(self.since) <= self.silence_max {
            return Ok(());
        }
        Err(Fault::Unanswered { stage: self.stage, done, total: self.total })
    }
}
