//! Real members of tapes: what they were delivered, processed by OpenMLS after the run.
//!
//! Inside the measured window their deliveries are only kept, so that OpenMLS never competes with
//! the generator; what is kept is exactly the bytes that arrived, in the order they arrived.

use std::collections::BTreeMap;

use bytes::Bytes;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::racers::Seat;
use super::traffic::Traffic;
use crate::delivery::{Epoch, Kind};
use crate::limits::REAL_INBOX_BYTES_MAX;
use crate::mls::{RealMember, Tape};
use crate::wire::peek_group;

/// The deliveries of real members, bounded together by [`REAL_INBOX_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    kept: BTreeMap<Seat, Vec<Bytes>>,
    bytes: usize,
    overflowed: bool,
}

impl Inboxes {
    /// Keeps a delivery of a real member. Beyond the bound nothing more is kept and the run
    /// cannot be valid, since nobody can then say that its members agree.
    pub(super) fn keep(&mut self, seat: Seat, body: &Bytes) {
        self.bytes += body.len();
        if self.bytes > REAL_INBOX_BYTES_MAX {
            self.overflowed = true;
            return;
        }
        // A copy: the body is a slice of a receive buffer that would be held by it.
        self.kept.entry(seat).or_default().push(Bytes::copy_from_slice(body));
    }

    /// Every real member processes its deliveries. What was wrong, in words; and how many
    /// messages were processed.
    pub(super) fn verify(self, seats: &[Seat], traffic: &[Traffic]) -> Verified {
        let mut kept = self.kept;
        let came_in = |kept: &BTreeMap<Seat, Vec<Bytes>>, (group, number): Seat| {
            let Traffic::Tape(tape) = &traffic[group as usize] else { return true };
            number < tape.spec.members || kept.contains_key(&(group, number))
        };
        // Whoever was never let in has nothing to say of what follows.
        let seats = seats.iter().copied().filter(|seat| came_in(&kept, *seat));
        let seats: Vec<Seat> = seats.collect();
        let work: Vec<(Seat, Vec<Bytes>)> =
            seats.iter().map(|seat| (*seat, kept.remove(seat).unwrap_or_default())).collect();
        let outcomes: Vec<(Seat, Result<Reached, String>)> = work
            .into_par_iter()
            .map(|(seat, bodies)| (seat, member(seat, &bodies, &traffic[seat.0 as usize])))
            .collect();
        let mut verified = Verified { overflowed: self.overflowed, ..Verified::default() };
        let mut agreed: BTreeMap<u32, (Epoch, Vec<u8>)> = BTreeMap::new();
        for ((group, number), outcome) in outcomes {
            match outcome {
                Ok(reached) => {
                    verified.members += 1;
                    verified.messages += reached.messages;
                    let theirs = (reached.epoch, reached.authenticator);
                    if *agreed.entry(group).or_insert_with(|| theirs.clone()) != theirs {
                        verified.faults.push(disagreement(group, number));
                    }
                }
                Err(fault) => verified.faults.push(fault),
            }
        }
        verified
    }

    /// Messages kept so far.
    pub(super) fn messages(&self) -> u64 {
        self.kept.values().map(|bodies| bodies.len() as u64).sum()
    }
}

/// What real members found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Members that processed everything and agree.
    pub members: u64,
    /// Messages that they processed.
    pub messages: u64,
    /// Members that could not process something, or do not agree.
    pub faults: Vec<String>,
    /// More was delivered to them than is kept.
    pub overflowed: bool,
}

/// How far a real member came.
struct Reached {
    messages: u64,
    epoch: Epoch,
    authenticator: Vec<u8>,
}

fn member((group, number): Seat, bodies: &[Bytes], traffic: &Traffic) -> Result<Reached, String> {
    let Traffic::Tape(tape) = traffic else { return Err("a live member is no tape's".into()) };
    let name = |what: String| format!("member {number} of group {group} {what}");
    let joins_later = number >= tape.spec.members;
    let joined = if joins_later {
        let join = tape.joins.iter().position(|join| join.member == number);
        RealMember::join_later(tape, join.unwrap_or(usize::MAX))
    } else {
        RealMember::join(tape, number.saturating_sub(tape.spec.senders) as usize)
    };
    let mut real = joined.map_err(|error| name(format!("cannot join: {error}")))?;
    let first = real.epoch();
    let mut messages = 0;
    for (place, body) in bodies.iter().enumerate() {
        // Of the epochs before it came in it has no keys: the commit that let it in is of one, and
        // so are messages that were on their way then.
        let before = joins_later && peek_group(body).is_ok_and(|header| header.epoch < first);
        if before {
            continue;
        }
        messages += 1;
        real.process(body)
            .map_err(|error| name(format!("cannot process delivery {}: {error}", place + 1)))?;
    }
    let reached = Reached { messages, epoch: real.epoch(), authenticator: real.authenticator() };
    // The senders agreed on this one while the tape was minted.
    if reached.epoch == final_epoch(tape) && reached.authenticator != tape.authenticator {
        return Err(disagreement(group, number));
    }
    Ok(reached)
}

fn disagreement(group: u32, number: u32) -> String {
    format!("member {number} of group {group} has another epoch authenticator than the others")
}

/// The epoch after a tape's last commit.
fn final_epoch(tape: &Tape) -> Epoch {
    let last = tape.messages.iter().rev().find(|message| message.kind == Kind::Commit);
    last.map_or(tape.epoch, |commit| commit.epoch.next())
}
