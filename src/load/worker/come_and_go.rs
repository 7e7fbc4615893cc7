//! Members that go away, and how they come back.
//!
//! A member goes by closing its connection, without a word to its group; it comes back on a new
//! one, says hello and asks for everything after the last message it has, all in one breath. What
//! it gets then is judged as any delivery is, and is no part of fan-out.

use std::time::Duration;

use super::Worker;
use crate::clock;
use crate::delivery::{GroupId, Seq};
use crate::load::away::Move;
use crate::load::client::SessionNumber;
use crate::load::returns::Returns;
use crate::net;
use crate::wire::Request;

/// Members that go or come back in one turn before the socket is looked at again: each handshake
/// costs this side about as much as a hundred sends.
const MOVES_PER_TURN: usize = 4;

/// What the service says to a member that asks to be attached.
pub(super) struct Attached {
    pub(super) group: GroupId,
    pub(super) next: Seq,
    pub(super) head: Seq,
    pub(super) resync: bool,
}

impl Worker<'_> {
    /// Makes the moves that are due by `elapsed`; how many.
    ///
    /// # Errors
    /// When this side cannot even start a connection.
    pub(super) fn come_and_go(&mut self, elapsed: Duration) -> Result<usize, net::Error> {
        let mut made = 0;
        while made < MOVES_PER_TURN
            && let Some(step) = self.next_move()
            && step.at <= elapsed
            && (!step.back || self.returns.has_room())
        {
            self.moved += 1;
            made += 1;
            if step.back { self.come_back(step)? } else { self.go_away(step) }
        }
        Ok(made)
    }

    pub(super) fn next_move(&self) -> Option<Move> {
        self.timetable.moves().get(self.moved).copied()
    }

    fn go_away(&mut self, Move { group, member, .. }: Move) {
        let session = self.groups[group as usize].first_session + member;
        self.client.close(clock::now(), session);
        self.oracle.departed(group, member);
        self.returns.left();
    }

    fn come_back(&mut self, Move { at, group, member, .. }: Move) -> Result<(), net::Error> {
        let place = &self.plan.population.groups()[group as usize];
        let session = place.first_member + member;
        let addresses = &self.target.addresses;
        let address = addresses[place.connection(member) as usize % addresses.len()];
        let away = self.plan.class(group as usize).away;
        self.returns.started(session, at, self.since_origin());
        let now = clock::now();
        let connection = if away.is_some_and(|away| away.resumption) {
            self.client.reconnect(now, address)?
        } else {
            self.client.connect(now, address)?
        };
        let token = self.target.token(self.client.device(session));
        self.client.reopen(connection, session, token);
        let attach = Request::Attach { group: place.id, after: self.oracle.seen(group, member) };
        self.client.request(session, &attach);
        Ok(())
    }

    /// The service has attached a member.
    pub(super) fn on_attached(&mut self, session: SessionNumber, attached: &Attached) {
        let Some((group, member)) = self.seats.get(session as usize).copied() else { return };
        let own = self.plan.population.groups()[group as usize].id == attached.group;
        let at = self.since_origin();
        if own && self.comer_attached(session, attached.head) {
            if attached.resync {
                self.oracle.resynced(group, member, attached.next);
            }
            return;
        }
        if !own || !self.returns.attached(session, attached.head, at) {
            return;
        }
        if attached.resync {
            self.on_resync((group, member), attached.next);
        }
        self.oracle.returned(group, member, attached.head);
        self.on_progress(session, (group, member));
        self.take_in_early(session);
    }

    /// A member that was on its way will not be attached.
    pub(super) fn give_up_return(&mut self, session: SessionNumber) {
        self.returns.lost(session);
        self.take_in_early(session);
    }

    /// The service has ended a member's session, or gives it none.
    pub(super) fn cut_off(&mut self, session: SessionNumber) {
        if let Some((group, member)) = self.seats.get(session as usize).copied() {
            self.oracle.cut_off(group, member);
        }
    }

    /// Takes in what came before it was known where the member goes on: answers and deliveries are
    /// on different streams.
    fn take_in_early(&mut self, session: SessionNumber) {
        for (at, delivery) in self.early.remove(&session).unwrap_or_default() {
            self.take_in(session, delivery, at);
        }
    }

    /// A member was told to go on without what it missed.
    pub(super) fn on_resync(&mut self, (group, member): super::Seat, next: Seq) {
        let class = self.plan.class(group as usize);
        let granted = class.away.is_some_and(|away| away.may_resync);
        if granted && class.away_members().contains(&member) {
            self.returns.resyncs += 1;
            self.oracle.excused(group, member, next);
        } else {
            self.oracle.resynced(group, member, next);
        }
    }

    /// A member has got something that it may have been waiting for.
    pub(super) fn on_progress(&mut self, session: SessionNumber, (group, member): super::Seat) {
        if self.returns.is_still() {
            return;
        }
        let at = self.since_origin();
        self.returns.seen(session, self.oracle.seen(group, member), at);
        if self.returns.is_still() && self.next_move().is_none() {
            self.recorder.everybody_is_back(at);
        }
    }

    /// What came of those that went away; `None` when nobody did.
    pub(super) fn returned(&mut self) -> Option<Returns> {
        let mut returns = std::mem::take(&mut self.returns);
        returns.resumed = self.client.driver().counters().resumed;
        (returns.away > 0).then_some(returns)
    }
}
