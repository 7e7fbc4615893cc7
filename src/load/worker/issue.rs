//! Sending what is due.
//!
//! An operation is sent at its intended instant or, if its sender has not reached the epoch of
//! its message yet, as soon as it has: a client cannot speak in an epoch it has not seen. Either
//! way its response is counted from the intended instant.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::flights::Flight;
use super::{Actor, GroupState, ISSUED_PER_TURN, Worker};
use crate::delivery::{Enclosed, Epoch, Kind, RosterChange};
use crate::load::attempt::message_id;
use crate::load::oracle::Submitted;
use crate::load::recorder::Due;
use crate::load::schedule::{Operation, OperationKind};
use crate::mls::{Effect, TapeMessage};
use crate::wire::Request;

/// A message ready to be sent.
pub(super) struct Ready {
    pub(super) attempt: u64,
    pub(super) due: Due,
    pub(super) group: u32,
    pub(super) sender: u32,
    pub(super) kind: Kind,
    pub(super) epoch: Epoch,
    pub(super) body: Bytes,
    /// What a commit does and brings with it, if anything.
    pub(super) brings: Option<(RosterChange, Enclosed)>,
}

impl GroupState {
    /// Before the run: whoever does an operation as a member is followed through the epochs.
    pub(super) fn will_hear_from(&mut self, operation: &Operation) {
        if operation.kind != OperationKind::ExternalJoin {
            let actor = || Actor { epoch: self.reached, ..Actor::default() };
            self.actors.entry(operation.sender).or_insert_with(actor);
        }
    }
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
        let (group, sender) = (operation.group, operation.sender);
        let waiting = self.waiting(index);
        waiting.push_back(index);
        let (first, before) = (waiting.len() == 1, self.sent);
        if first {
            self.send_held(group, sender);
        }
        let waits = self.sent == before && self.comers.asks(index).is_none();
        self.held += u64::from(waits);
    }

    /// The queue that an operation waits in.
    fn waiting(&mut self, index: usize) -> &mut VecDeque<usize> {
        let operation = &self.plan.schedule.operations()[index];
        let group = &mut self.groups[operation.group as usize];
        if operation.kind == OperationKind::ExternalJoin {
            return &mut group.outside;
        }
        &mut group.actors.get_mut(&operation.sender).expect("who does something acts").held
    }

    pub(super) fn due(&self, operation: &Operation) -> Due {
        let class = self.groups[operation.group as usize].class;
        let measured = self.window.contains(&operation.intended);
        Due { class, intended: operation.intended, measured }
    }

    fn can_send(&mut self, index: usize) -> bool {
        let operation = &self.plan.schedule.operations()[index];
        let message = self.message_of(operation);
        let group = &self.groups[operation.group as usize];
        let reached = match group.actors.get(&operation.sender) {
            _ if operation.kind == OperationKind::ExternalJoin => group.reached >= message.epoch.0,
            Some(actor) => {
                let refers_to = message.effect.as_ref().map_or(0, |effect| effect.refers_to);
                let seen = actor.epoch > message.epoch.0 || actor.proposals >= refers_to;
                actor.epoch >= message.epoch.0 && seen
            }
            None => false,
        };
        reached && self.is_prepared(index)
    }

    fn message_of(&self, operation: &Operation) -> &TapeMessage {
        let traffic = &self.plan.traffic[operation.group as usize];
        let message = traffic.message(operation.index_in_group);
        message.expect("a tape has a message for every operation")
    }

    fn send_scheduled(&mut self, index: usize) {
        let operation = self.plan.schedule.operations()[index];
        let message = self.message_of(&operation);
        let (body, epoch, kind) = (message.body.clone(), message.epoch, message.kind);
        let brings = message.effect.as_deref().map(|effect| self.brings(operation.group, effect));
        let (group, sender, due) = (operation.group, operation.sender, self.due(&operation));
        let attempt = index as u64;
        self.sent += 1;
        self.send(Ready { attempt, due, group, sender, kind, epoch, body, brings });
    }

    /// What a commit is submitted with.
    fn brings(&self, group: u32, effect: &Effect) -> (RosterChange, Enclosed) {
        let group = &self.plan.population.groups()[group as usize];
        let devices = |members: &[u32]| {
            members.iter().map(|member| self.plan.population.device(group, *member)).collect()
        };
        let change =
            RosterChange { added: devices(&effect.added), removed: devices(&effect.removed) };
        let some = |bytes: &Bytes| Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
        let (welcome, group_info) = (some(&effect.welcome), some(&effect.group_info));
        (change, Enclosed { welcome, group_info })
    }

    pub(super) fn send(&mut self, ready: Ready) {
        let Ready { attempt, due, group, sender, kind, epoch, body, brings } = ready;
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
        match brings {
            Some((change, enclosed)) if !enclosed.is_empty() => {
                self.client.request(session, &Request::Submit { id, change, enclosed, body });
            }
            Some((change, _)) => self.client.submit(session, id, &change, body),
            None => self.client.submit(session, id, &RosterChange::default(), body),
        }
        let sent = self.since_origin();
        self.flights.leave(attempt, Flight { due, sent, group, sender });
    }

    /// A member has reached an epoch: what waited for it can go.
    pub(super) fn reach_epoch(&mut self, group: u32, member: u32, epoch: Epoch) {
        let state = &mut self.groups[group as usize];
        let new = epoch.0 > state.reached;
        state.reached = state.reached.max(epoch.0);
        if let Some(actor) = state.actors.get_mut(&member)
            && actor.epoch < epoch.0
        {
            (actor.epoch, actor.proposals) = (epoch.0, 0);
            self.send_held_of(group, Some(member));
        }
        if new {
            self.send_held_of(group, None);
        }
    }

    /// A member has seen a proposal of an epoch: who waited for it can commit.
    pub(super) fn see_proposal(&mut self, group: u32, member: u32, epoch: Epoch) {
        let actor = self.groups[group as usize].actors.get_mut(&member);
        if let Some(actor) = actor.filter(|actor| actor.epoch == epoch.0) {
            actor.proposals += 1;
            self.send_held_of(group, Some(member));
        }
    }

    /// Sends what a member, or somebody outside, can send now of what waited.
    pub(super) fn send_held(&mut self, group: u32, member: u32) {
        self.send_held_of(group, Some(member));
        self.send_held_of(group, None);
    }

    /// The same for everybody.
    pub(super) fn send_all_held(&mut self, group: u32) {
        let actors = self.groups[group as usize].actors.iter();
        let waiting = actors.filter(|(_, actor)| !actor.held.is_empty()).map(|(member, _)| *member);
        let mut waiting: Vec<u32> = waiting.collect();
        waiting.sort_unstable();
        for member in waiting {
            self.send_held_of(group, Some(member));
        }
        self.send_held_of(group, None);
    }

    /// Sends what a member, or for `None` whoever is outside, can send now, in order.
    fn send_held_of(&mut self, group: u32, member: Option<u32>) {
        let front = |groups: &[GroupState]| {
            let state = &groups[group as usize];
            let held = match member {
                Some(member) => &state.actors.get(&member)?.held,
                None => &state.outside,
            };
            held.front().copied()
        };
        while let Some(index) = front(&self.groups) {
            if !self.can_send(index) {
                return;
            }
            self.waiting(index).pop_front();
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
        let operations = self.plan.schedule.operations();
        for group in &mut self.groups {
            let held = group.actors.values_mut().map(|actor| &mut actor.held);
            for index in held.chain([&mut group.outside]).flat_map(std::mem::take) {
                self.oracle.not_issued(index as u64);
                intervals.not_issued(true, at);
                let intended = operations[index].intended;
                if self.window.contains(&intended) {
                    self.occupancy.forget(intended, at);
                }
            }
        }
        self.races_are_over();
    }
}
