//! The recipients of one group on one shard, each a cursor into the same short ring.
//!
//! Generic over what is delivered (`T`: an encoded frame) and to whom (`K`: a session), so a
//! recipient may be a device or another provider. Nothing here sends: [`Audience::sweep`] hands
//! each recipient's due items to a sink, which says when that recipient can take no more.
//! A recipient that takes nothing never holds up the others: the ring drops what it missed, it is
//! told to resynchronise, and after [`RESYNCS_MAX`] of those, or [`STALL_MAX`] without taking
//! anything, it is closed.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::ids::{DeviceId, Seq};
use super::ring::{Range, Ring, RingLimits};
use crate::limits::{RESYNCS_MAX, STALL_MAX};

/// What is due to a recipient.
#[derive(Debug)]
pub enum Due<'a, T> {
    /// The next messages of the order, at least one, all that there are for it.
    Items {
        /// The number of the first.
        first: Seq,
        /// They, oldest first.
        items: Range<'a, T>,
    },
    /// Messages up to before `next` were missed and are no longer kept.
    Resync {
        /// The first message that will follow.
        next: Seq,
    },
    /// It does not keep up; nothing follows.
    TooSlow,
}

/// What the sink did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the recipient's now, all of it.
    Yes,
    /// So many of the items are the recipient's now, the first ones; it can take more.
    First(usize),
    /// The recipient can take nothing now; [`Audience::resume`] when it can.
    Full,
}

/// Where a joining recipient starts, and how it ends.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Its device, by which a commit removes it.
    pub device: DeviceId,
    /// The first message it gets.
    pub next: Seq,
    /// The last message it gets.
    pub last: Option<Seq>,
}

#[derive(Debug)]
struct Recipient<K> {
    key: K,
    next: Seq,
    last: Seq,
    blocked_since: Option<Duration>,
    resyncs: u8,
    device: DeviceId,
}

/// Everybody on one shard who drains one group.
#[derive(Debug)]
pub struct Audience<K, T> {
    ring: Ring<T>,
    limits: RingLimits,
    recipients: Vec<Recipient<K>>,
    positions: HashMap<K, usize>,
    /// Where the sweep goes on, and how many recipients it has left to visit.
    sweep_position: usize,
    sweep_left: usize,
    /// Messages, and their bytes, pushed since a sweep has last visited everybody.
    unswept: usize,
    unswept_bytes: usize,
    blocked: usize,
}

enum Visit {
    Current,
    Blocked,
    Gone,
}

impl<K: Copy + Eq + Hash, T> Audience<K, T> {
    /// Nobody yet; the next message will be number `next`.
    #[must_use]
    pub fn new(next: Seq, limits: RingLimits) -> Self {
        Self {
            ring: Ring::starting_at(next),
            limits,
            recipients: Vec::new(),
            positions: HashMap::new(),
            sweep_position: 0,
            sweep_left: 0,
            unswept: 0,
            unswept_bytes: 0,
            blocked: 0,
        }
    }

    /// Recipients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recipients.len()
    }

    /// Whether nobody is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recipients.is_empty()
    }

    /// Every recipient.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.recipients.iter().map(|recipient| recipient.key)
    }

    /// The number of the next message to be pushed.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.ring.next()
    }

    /// Whether a sweep has recipients left to visit.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweep_left > 0
    }

    /// Whether half of what the ring holds has not been offered to everybody: sweep before the
    /// next push, or recipients that do keep up miss messages. Never when a sweep is over.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.is_sweeping()
            && (self.unswept >= self.limits.entries_max.div_ceil(2)
                || self.unswept_bytes >= self.limits.bytes_max.div_ceil(2))
    }

    /// Appends a message; the running sweep, or a new one, covers everybody again.
    pub fn push(&mut self, item: T, bytes: usize) {
        self.ring.push(item, bytes, self.limits);
        self.unswept += 1;
        self.unswept_bytes += bytes;
        if self.sweep_left == 0 {
            self.rotate();
        }
        self.sweep_left = self.recipients.len();
    }

    /// Moves the place where the next sweep starts: nobody is the last of every message. Steps
    /// of the golden section spread the starts evenly over any number of sweeps.
    fn rotate(&mut self) {
        let step = self.recipients.len() * 618 / 1_000 + 1;
        self.sweep_position = (self.sweep_position + step) % self.recipients.len().max(1);
    }

    /// Puts back a message older than all present, for a recipient that joins late.
    pub fn push_older(&mut self, item: T, bytes: usize) {
        self.ring.push_older(item, bytes);
    }

    /// The oldest message present.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.ring.first()
    }

    /// Adds a recipient, or moves the cursor of one that is here already: what it has been told
    /// to catch up with is held against it as before. For how long it has taken nothing is not
    /// known any more; who may join at will is watched by the caller.
    pub fn join(&mut self, key: K, start: Start) {
        let before = self.positions.get(&key).map(|position| self.recipients[*position].resyncs);
        self.leave(key);
        self.positions.insert(key, self.recipients.len());
        self.recipients.push(Recipient {
            key,
            next: start.next,
            last: start.last.unwrap_or(Seq(u64::MAX)),
            blocked_since: None,
            resyncs: before.unwrap_or(0),
            device: start.device,
        });
        self.sweep_left = self.recipients.len();
    }

    /// Removes a recipient; true if it was here.
    pub fn leave(&mut self, key: K) -> bool {
        let Some(position) = self.positions.get(&key).copied() else { return false };
        self.remove(position);
        true
    }

    /// A commit at `seq` has removed `device`: that commit is the last thing it gets.
    pub fn end(&mut self, device: DeviceId, seq: Seq) {
        for recipient in &mut self.recipients {
            if recipient.device == device {
                recipient.last = recipient.last.min(seq);
            }
        }
    }

    /// Visits up to `budget` recipients from where the last sweep stopped, handing each all that
    /// is due to it at once. Cost: a visit each, and a sink call for each that is behind.
    pub fn sweep(
        &mut self,
        now: Duration,
        budget: usize,
        sink: &mut impl FnMut(K, Due<'_, T>) -> Taken,
    ) -> usize {
        let mut visited = 0;
        while self.sweep_left > 0 && visited < budget {
            visited += 1;
            self.sweep_left -= 1;
            if self.sweep_position >= self.recipients.len() {
                self.sweep_position = 0;
            }
            let position = self.sweep_position;
            self.sweep_position += 1;
            if self.recipients[position].blocked_since.is_none()
                && matches!(self.visit(now, position, sink), Visit::Gone)
            {
                self.remove(position);
            }
        }
        if self.sweep_left == 0 {
            self.unswept = 0;
            self.unswept_bytes = 0;
            self.drop_drained();
        }
        visited
    }

    /// A blocked recipient can take again: hands it all that is due.
    pub fn resume(&mut self, now: Duration, key: K, sink: &mut impl FnMut(K, Due<'_, T>) -> Taken) {
        let Some(position) = self.positions.get(&key).copied() else { return };
        if self.recipients[position].blocked_since.take().is_none() {
            return;
        }
        self.blocked -= 1;
        if matches!(self.visit(now, position, sink), Visit::Gone) {
            self.remove(position);
        }
        if self.blocked == 0 && self.sweep_left == 0 {
            self.drop_drained();
        }
    }

    /// A blocked recipient is taking part of what it was handed: it is slow, not stalled.
    pub fn still_taking(&mut self, now: Duration, key: K) {
        let Some(position) = self.positions.get(&key).copied() else { return };
        let blocked_since = &mut self.recipients[position].blocked_since;
        *blocked_since = blocked_since.map(|_| now);
    }

    /// Closes recipients that have taken nothing for [`STALL_MAX`]. O(recipients) when any is
    /// blocked, nothing otherwise; to be called about once a second.
    pub fn close_stalled(&mut self, now: Duration, sink: &mut impl FnMut(K, Due<'_, T>) -> Taken) {
        if self.blocked == 0 {
            return;
        }
        for position in (0..self.recipients.len()).rev() {
            let recipient = &self.recipients[position];
            if recipient.blocked_since.is_some_and(|since| now >= since + STALL_MAX) {
                sink(recipient.key, Due::TooSlow);
                self.remove(position);
            }
        }
    }

    fn visit(
        &mut self,
        now: Duration,
        position: usize,
        sink: &mut impl FnMut(K, Due<'_, T>) -> Taken,
    ) -> Visit {
        let recipient = &mut self.recipients[position];
        if recipient.next < self.ring.first() {
            if recipient.resyncs == RESYNCS_MAX || recipient.last < self.ring.first() {
                sink(recipient.key, Due::TooSlow);
                return Visit::Gone;
            }
            let next = self.ring.next();
            if sink(recipient.key, Due::Resync { next }) == Taken::Full {
                recipient.blocked_since = Some(now);
                self.blocked += 1;
                return Visit::Blocked;
            }
            recipient.resyncs += 1;
            recipient.next = next;
        }
        while recipient.next < self.ring.next() && recipient.next <= recipient.last {
            let items = self.ring.range(recipient.next, recipient.last);
            let due = items.len();
            let taken = match sink(recipient.key, Due::Items { first: recipient.next, items }) {
                Taken::Yes => due,
                Taken::First(taken) => taken,
                Taken::Full => {
                    recipient.blocked_since = Some(now);
                    self.blocked += 1;
                    return Visit::Blocked;
                }
            };
            assert!((1..=due).contains(&taken), "a sink takes of what is due, or is full");
            recipient.next = Seq(recipient.next.0 + taken as u64);
        }
        if recipient.next > recipient.last { Visit::Gone } else { Visit::Current }
    }

    fn remove(&mut self, position: usize) {
        let gone = self.recipients.swap_remove(position);
        self.positions.remove(&gone.key);
        if gone.blocked_since.is_some() {
            self.blocked -= 1;
        }
        if let Some(moved) = self.recipients.get(position) {
            self.positions.insert(moved.key, position);
        }
        // The swap may have moved an unvisited recipient behind the sweep: go round once more.
        if self.sweep_left > 0 {
            self.sweep_left = self.recipients.len();
        }
    }

    /// Drops what every recipient has. O(1) when nobody is blocked.
    fn drop_drained(&mut self) {
        let needed = if self.blocked == 0 {
            self.ring.next()
        } else {
            let next = self.ring.next();
            self.recipients.iter().map(|recipient| recipient.next).min().unwrap_or(next)
        };
        self.ring.drop_below(needed);
    }
}
