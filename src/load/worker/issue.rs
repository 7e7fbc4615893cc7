//! Sending what is due.
//!
//! An operation is sent at its intended instant or, if its sender has not reached the epoch of
//! its message yet, as soon as it has: a client cannot speak in an epoch it has not seen. Either
//! way its response is counted from the intended instant.

use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::flights::Flight;
use super::{ISSUED_PER_TURN, Worker};
use crate::delivery::{Epoch, Kind, RosterChange};
use crate::load::attempt::message_id;
use crate::load::oracle::Submitted;
use crate::load::recorder::Due;
use crate::load::schedule::{Operation, OperationKind};

/// A message ready to be sent.
pub(super) struct Ready {
    pub(super) attempt: u64,
    pub(super) due: Due,
    pub(super) group: u32,
    pub(super) sender: u32,
    pub(super) kind: Kind,
    pub(super) epoch: Epoch,
    pub(super) body: Bytes,
}

impl Worker<'_> {
    /// Sends what is due by `elapsed`; how many operations that was.
    pub(super) fn issue_due(&mut self, elapsed: Duration) -> usize {
        let mut issued = 0;
        while issued < ISSUED_PER_TURN
            && let Some(operation) = self.next_operation()
            && operation.intended <= elapsed
        {
            let index = self.next;
            self.next += 1;
            issued += 1;
            self.reach(index, &operation);
        }
        issued
    }

    /// The next operation of the schedule; `None` when the run is over before it is due.
    pub(super) fn next_operation(&self) -> Option<Operation> {
        let next = self.plan.schedule.operations().get(self.next).copied();
        next.filter(|operation| operation.intended < self.offered)
    }

    fn reach(&mut self, index: usize, operation: &Operation) {
        let due = self.due(operation);
        let reached = self.since_origin();
        let group = &self.groups[operation.group as usize];
        if group.race.is_some() {
            return self.call_race(operation.group, due);
        }
        self.called_for += 1;
        self.recorder.reached(due, reached);
        let late = reached.saturating_sub(due.intended);
        if !self.plan.class(operation.group as usize).late.sends(operation.kind, late) {
            self.oracle.not_issued(index as u64);
            self.recorder.not_issued(due);
            return;
        }
        if due.measured {
            self.occupancy.enter(due.intended);
        }
        let sender = operation.sender as usize;
        if group.held[sender].is_empty() && self.can_send(index) {
            self.send_scheduled(index);
        } else {
            self.held += 1;
            self.groups[operation.group as usize].held[sender].push_back(index);
        }
    }

    fn due(&self, operation: &Operation) -> Due {
        let class = self.groups[operation.group as usize].class;
        let measured = self.window.contains(&operation.intended);
        Due { class, intended: operation.intended, measured }
    }

    fn can_send(&self, index: usize) -> bool {
        let operation = &self.plan.schedule.operations()[index];
        let traffic = &self.plan.traffic[operation.group as usize];
        let reached = self.groups[operation.group as usize].epochs[operation.sender as usize];
        traffic.message(operation.index_in_group).is_none_or(|(_, epoch)| epoch.0 <= reached)
    }

    fn send_scheduled(&mut self, index: usize) {
        let operation = self.plan.schedule.operations()[index];
        let traffic = &self.plan.traffic[operation.group as usize];
        let message = traffic.message(operation.index_in_group);
        let (body, epoch) = message.expect("a tape has a message for every operation");
        let kind = match operation.kind {
            OperationKind::Application { .. } => Kind::Application,
            OperationKind::Commit | OperationKind::Race => Kind::Commit,
        };
        let (group, sender, due) = (operation.group, operation.sender, self.due(&operation));
        self.send(Ready { attempt: index as u64, due, group, sender, kind, epoch, body });
    }

    pub(super) fn send(&mut self, ready: Ready) {
        let Ready { attempt, due, group, sender, kind, epoch, body } = ready;
        let digest = xxh3_64(&body);
        let Due { intended, measured, .. } = due;
        self.oracle.submitted(Submitted {
            attempt,
            group,
            kind,
            epoch,
            digest,
            intended,
            measured,
        });
        let session = self.groups[group as usize].first_session + sender;
        let id = message_id(self.nonce, attempt);
        self.client.submit(session, id, &RosterChange::default(), body);
        let sent = self.since_origin();
        self.flights.leave(attempt, Flight { due, sent, group, sender });
    }

    /// A sender has reached an epoch: what it held back for it can go.
    pub(super) fn reach_epoch(&mut self, group: u32, sender: u32, epoch: Epoch) {
        let state = &mut self.groups[group as usize];
        let Some(reached) = state.epochs.get_mut(sender as usize) else { return };
        *reached = (*reached).max(epoch.0);
        while let Some(index) = self.groups[group as usize].held[sender as usize].front().copied() {
            if !self.can_send(index) {
                return;
            }
            self.groups[group as usize].held[sender as usize].pop_front();
            self.send_scheduled(index);
        }
    }

    /// Gives up on what has been on its way for too long.
    pub(super) fn give_up_on_the_late(&mut self) {
        let now = self.since_origin();
        while let Some((attempt, flight)) = self.flights.overdue(now) {
            self.oracle.timed_out(attempt);
            if self.groups[flight.group as usize].race.is_some() {
                self.race_timed_out(&flight, now);
            } else {
                self.given_up(&flight, now);
            }
        }
    }

    /// The run is over: gives up on everything that is still on its way. A racer's change has been
    /// counted already, whatever of it is on its way.
    pub(super) fn give_up_on_the_rest(&mut self) {
        let now = self.since_origin();
        for (attempt, flight) in self.flights.all() {
            self.oracle.timed_out(attempt);
            if self.raced_as(attempt).is_none() {
                self.given_up(&flight, now);
            }
        }
    }

    fn given_up(&mut self, flight: &Flight, now: Duration) {
        self.recorder.timed_out(flight.due, now);
        if flight.due.measured {
            self.occupancy.leave(now);
        }
    }

    /// The run is over: what was called for and has not been sent never will be.
    pub(super) fn not_issued_any_more(&mut self) {
        let at = self.since_origin();
        while let Some(operation) = self.next_operation() {
            if operation.kind != OperationKind::Race {
                self.called_for += 1;
                self.oracle.not_issued(self.next as u64);
                self.recorder.not_issued(self.due(&operation));
                self.recorder.intervals.not_issued(false, at);
            }
            self.next += 1;
        }
        let intervals = &mut self.recorder.intervals;
        for group in &mut self.groups {
            for index in group.held.iter_mut().flat_map(std::mem::take) {
                self.oracle.not_issued(index as u64);
                intervals.not_issued(true, at);
            }
        }
        self.races_are_over();
    }
}
