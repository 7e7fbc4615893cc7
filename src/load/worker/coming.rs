//! How devices come into a group inside a run, and how members go.
//!
//! Who adds a device first claims its KeyPackage; who joins by itself first fetches the GroupInfo.
//! Only then is the commit sent, and only once every device that it lets in has got all that it was
//! owed when it was a member before. A device that is added collects its Welcome, then attaches; to
//! the oracle it is a member from its commit on, and away until it is attached. A member that is
//! removed gets the commit and nothing after, and says then that it wants no more.

use std::time::Duration;

use super::comers::Asked;
use super::{Seat, Worker};
use crate::delivery::{Epoch, MessageId, Reject, Seq};
use crate::load::client::SessionNumber;
use crate::load::schedule::OperationKind;
use crate::wire::{Reason, Reply, Request};

/// Marks the questions of this module, whose other half is the number of the operation.
const QUESTION: [u8; 8] = *b"question";

impl Worker<'_> {
    /// Whether whoever is to do an operation has everything for it but the epoch. Asks for what is
    /// missing.
    pub(super) fn is_prepared(&mut self, index: usize) -> bool {
        let Some(join) = self.comers.asks(index) else { return true };
        if self.comers.has(index) {
            return true;
        }
        let operation = self.plan.schedule.operations()[index];
        let group = &self.plan.population.groups()[operation.group as usize];
        let member = self.plan.traffic[operation.group as usize].joins()[join].member;
        // Who was a member before comes back when it has its last message of that time.
        let back = !self.comers.gone.contains_key(&(group.first_member + member));
        if back && self.comers.begin(index) {
            self.ask(index);
        }
        false
    }

    fn ask(&mut self, index: usize) {
        let operation = self.plan.schedule.operations()[index];
        let group = &self.plan.population.groups()[operation.group as usize];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&QUESTION);
        id[8..].copy_from_slice(&(index as u64).to_be_bytes());
        let request = MessageId(id);
        let question = match operation.kind {
            OperationKind::Add { member } | OperationKind::ProposeAdd { member } => {
                let suite = self.plan.class(operation.group as usize).suite.facts().code_point;
                let device = self.plan.population.device(group, member);
                Request::Claim { request, device, suite }
            }
            _ => Request::Fetch { request, group: group.id },
        };
        let sent = self.since_origin();
        self.comers.asked.insert(index as u64, Asked { operation: index, sent });
        self.client.request(group.first_member + operation.sender, &question);
    }

    /// Asks again what the service wanted to be asked later.
    pub(super) fn ask_again(&mut self, now: Duration) {
        while let Some(index) = self.comers.take_again(now) {
            self.ask(index);
        }
    }

    fn answered_question(&mut self, request: MessageId) -> Option<Asked> {
        let number: [u8; 8] = request.0[8..].try_into().ok()?;
        let own = request.0[..8] == QUESTION;
        own.then(|| self.comers.asked.remove(&u64::from_be_bytes(number))).flatten()
    }

    /// A KeyPackage or a GroupInfo has come.
    pub(super) fn on_answer(&mut self, reply: Reply) {
        let at = self.since_origin();
        match reply {
            Reply::KeyPackage { request, body, .. } => {
                let Some(asked) = self.answered_question(request) else { return };
                let class = self.class_of(asked.operation);
                self.comers.joins.claimed(class, body.len(), asked.sent, at);
                let expected = self.join_of(asked.operation).map(|join| &join.key_package);
                let right = expected.is_some_and(|expected| *expected == body);
                self.go_on(asked.operation, right, "the KeyPackage is not the one published");
            }
            Reply::GroupInfo { request, epoch, group_info, tree } => {
                let Some(asked) = self.answered_question(request) else { return };
                self.comers.joins.fetch.record(asked.sent, at);
                let right = tree.is_some() && self.describes(asked.operation, epoch, &group_info);
                self.go_on(asked.operation, right, "the GroupInfo is not that of the epoch");
            }
            _ => {}
        }
    }

    /// The class of an operation's group.
    fn class_of(&self, index: usize) -> u32 {
        let group = self.plan.schedule.operations()[index].group;
        self.plan.population.groups()[group as usize].class
    }

    fn join_of(&self, index: usize) -> Option<&crate::mls::TapeJoin> {
        let group = self.plan.schedule.operations()[index].group;
        self.plan.traffic[group as usize].joins().get(self.comers.asks(index)?)
    }

    /// Whether a GroupInfo is the one that came with the commit, or the founding, which opened the
    /// epoch of an external join.
    fn describes(&self, index: usize, epoch: Epoch, group_info: &[u8]) -> bool {
        let operation = self.plan.schedule.operations()[index];
        let crate::load::traffic::Traffic::Tape(tape) =
            &self.plan.traffic[operation.group as usize]
        else {
            return false;
        };
        let place = operation.index_in_group as usize;
        let before = tape.messages[..place].iter().rev();
        let opened = before.map(|message| message.effect.as_deref()).find_map(|effect| {
            effect.map(|effect| &effect.group_info).filter(|info| !info.is_empty())
        });
        tape.messages[place].epoch == epoch && group_info == &opened.unwrap_or(&tape.group_info)[..]
    }

    fn go_on(&mut self, index: usize, right: bool, wrong: &str) {
        if !right {
            let group = self.plan.schedule.operations()[index].group;
            return self.comers.joins.failed.note(|| format!("group {group}: {wrong}"));
        }
        self.comers.got(index);
        let operation = self.plan.schedule.operations()[index];
        self.send_held(operation.group, operation.sender);
    }

    /// The service refuses a question; false if it was none.
    pub(super) fn on_question_refused(&mut self, request: MessageId, reason: Reason) -> bool {
        let Some(asked) = self.answered_question(request) else { return false };
        if let Reason::Rejected(Reject::SlowDown { retry_ms }) = reason {
            let at = self.since_origin() + Duration::from_millis(u64::from(retry_ms));
            self.comers.put_off(asked.operation, at);
            return true;
        }
        let operation = self.plan.schedule.operations()[asked.operation];
        let what = match operation.kind {
            OperationKind::ExternalJoin => "a GroupInfo",
            _ => "a KeyPackage",
        };
        let reason = super::hear::name(reason);
        let group = operation.group;
        self.comers.joins.failed.note(|| format!("group {group}: {what} was refused: {reason}"));
        true
    }

    /// A commit has its place: whom it lets in and whom it removes is true from there on.
    pub(super) fn change_roster(&mut self, attempt: u64, seq: Seq) {
        let index = usize::try_from(attempt).unwrap_or(usize::MAX);
        let Some(operation) = self.plan.schedule.operations().get(index).copied() else { return };
        let traffic = &self.plan.traffic[operation.group as usize];
        let message = traffic.message(operation.index_in_group);
        let Some(effect) = message.and_then(|message| message.effect.as_deref()) else { return };
        if effect.added.is_empty() && effect.removed.is_empty() || !self.comers.tell(attempt) {
            return;
        }
        let first = self.groups[operation.group as usize].first_session;
        for member in &effect.removed {
            self.oracle.left(operation.group, *member, seq);
            self.comers.joins.gone += 1;
            self.comers.gone.insert(first + member, seq);
            self.see_out(first + member, (operation.group, *member));
        }
        for member in &effect.added {
            self.oracle.joined(operation.group, *member, seq);
            self.oracle.departed(operation.group, *member);
            self.comers.let_in(first + member, seq);
            self.attach_when_let_in(first + member, operation.group);
        }
    }

    /// Attaches a device that has its Welcome and whose commit has its place.
    fn attach_when_let_in(&mut self, session: SessionNumber, group: u32) {
        let Some(entry) = self.comers.entry(session) else { return };
        if entry.attaching || entry.ordered.is_none() || !entry.welcomed {
            return;
        }
        entry.attaching = true;
        let group = self.plan.population.groups()[group as usize].id;
        self.client.request(session, &Request::Attach { group, after: Seq(0) });
    }

    /// A device's own external commit is accepted: it is in, and needs no Welcome.
    pub(super) fn let_itself_in(&mut self, (group, member): Seat) {
        let session = self.groups[group as usize].first_session + member;
        if let Some(entry) = self.comers.entry(session) {
            entry.welcomed = true;
        }
        self.attach_when_let_in(session, group);
    }

    /// A Welcome has come.
    pub(super) fn on_welcome(&mut self, session: SessionNumber, number: u64, body: &[u8]) {
        let at = self.since_origin();
        let Some((group, _)) = self.seats.get(session as usize).copied() else { return };
        self.client.request(session, &Request::Collected { number });
        let traffic = &self.plan.traffic[group as usize];
        let Some(entry) = self.comers.entry(session) else {
            let failed = &mut self.comers.joins.failed;
            return failed.note(|| format!("session {session}: a Welcome that nobody sent"));
        };
        let operation = self.plan.schedule.operations()[entry.commit];
        let message = traffic.message(operation.index_in_group);
        let effect = message.and_then(|message| message.effect.as_deref());
        if entry.welcomed || effect.is_none_or(|effect| effect.welcome != body) {
            let failed = &mut self.comers.joins.failed;
            return failed.note(|| format!("session {session}: not the Welcome that was sent"));
        }
        entry.welcomed = true;
        let due = self.due(&operation);
        let measured = due.measured.then_some(due.intended);
        let class = self.plan.population.groups()[group as usize].class;
        self.comers.joins.welcomed(class, body.len(), measured, at);
        self.attach_when_let_in(session, group);
    }

    /// The service has attached a device that comes in; false if it does not.
    pub(super) fn comer_attached(&mut self, session: SessionNumber, head: Seq) -> bool {
        let Some((group, member)) = self.seats.get(session as usize).copied() else { return false };
        let Some(entry) = self.comers.entry(session).filter(|entry| entry.attaching) else {
            return false;
        };
        entry.attached = true;
        self.oracle.returned(group, member, head);
        self.complete_join(session);
        true
    }

    /// A device has got a message; it may be the one that it comes in with, or goes with.
    pub(super) fn comer_heard(&mut self, session: SessionNumber, seat: Seat, seq: Seq) {
        if let Some(entry) = self.comers.entry(session)
            && entry.ordered == Some(seq)
        {
            entry.heard = true;
            self.complete_join(session);
        }
        self.see_out(session, seat);
    }

    fn complete_join(&mut self, session: SessionNumber) {
        let Some(entry) = self.comers.complete(session) else { return };
        let at = self.since_origin();
        let due = self.due(&self.plan.schedule.operations()[entry.commit]);
        let measured = due.measured.then_some(due.intended);
        let class = self.class_of(entry.commit);
        self.comers.joins.joined(class, measured, entry.by_itself, at);
    }

    /// A member that was removed and has its last message is gone, and may be asked in again.
    fn see_out(&mut self, session: SessionNumber, (group, member): Seat) {
        let Some(last) = self.comers.gone.get(&session).copied() else { return };
        if self.oracle.seen(group, member) < last {
            return;
        }
        self.comers.gone.remove(&session);
        let id = self.plan.population.groups()[group as usize].id;
        self.client.request(session, &Request::Detach { group: id });
        self.send_all_held(group);
    }
}
