//! Members that go away, and how they come back.
//!
//! A member goes by closing its connection, without a word to its group; it comes back on a new
//! one, says hello and asks for everything after the last message it has, all in one breath. What
//! it gets then is judged as any delivery is, and is no part of fan-out. A member that is not here yet
//! when it is to go again stays on its way, and the turn is counted as skipped.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::Worker;
use crate::clock;
use crate::delivery::{GroupId, Seq};
use crate::load::client::SessionNumber;
use crate::load::returns::Returns;
use crate::load::timetable::{Move, Timetable};
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

/// A walk through the timetable. Who is to come back may have to wait for room; who is to go never
/// waits for those.
#[derive(Debug, Default)]
pub(super) struct Walk {
    timetable: Timetable,
    /// How many moves of the timetable have been reached.
    reached: usize,
    /// Of them, returns that there was no room for yet, in order: at most one for each move.
    waiting: VecDeque<Move>,
    /// Who has gone, and whose way back has not begun.
    gone: HashSet<SessionNumber>,
}

impl Walk {
    pub(super) fn through(timetable: Timetable) -> Self {
        Self { timetable, ..Self::default() }
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.ahead().is_none()
    }

    /// When there is something to do next.
    fn next(&self, has_room: bool) -> Option<Duration> {
        let waiting = self.waiting.front().filter(|_| has_room);
        waiting.copied().or_else(|| self.ahead()).map(|step| step.at)
    }

    /// A move that can be made by `elapsed`.
    fn due(&mut self, elapsed: Duration, has_room: bool) -> Option<Move> {
        if has_room && let Some(step) = self.waiting.pop_front() {
            return Some(step);
        }
        while let Some(step) = self.ahead().filter(|step| step.at <= elapsed) {
            self.reached += 1;
            if !step.back || has_room {
                return Some(step);
            }
            self.waiting.push_back(step);
        }
        None
    }

    fn ahead(&self) -> Option<Move> {
        self.timetable.moves().get(self.reached).copied()
    }
}

impl Worker<'_> {
    /// Makes the moves that are due by `elapsed`; how many.
    ///
    /// # Errors
    /// When this side cannot even start a connection.
    pub(super) fn come_and_go(&mut self, elapsed: Duration) -> Result<usize, net::Error> {
        let mut made = 0;
        while made < MOVES_PER_TURN
            && let Some(step) = self.walk.due(elapsed, self.returns.has_room())
        {
            made += 1;
            if step.back { self.come_back(step)? } else { self.go_away(step) }
        }
        Ok(made)
    }

    /// When somebody goes or can come back next.
    pub(super) fn next_move(&self) -> Option<Duration> {
        self.walk.next(self.returns.has_room())
    }

    fn go_away(&mut self, Move { group, member, .. }: Move) {
        let session = self.groups[group as usize].first_session + member;
        if self.returns.is_under_way(session) || !self.walk.gone.insert(session) {
            return self.returns.skipped();
        }
        self.client.close(clock::now(), session);
        self.oracle.departed(group, member);
        self.returns.left();
    }

    fn come_back(&mut self, step: Move) -> Result<(), net::Error> {
        let Move { at, group, member, resumption, .. } = step;
        let place = &self.plan.population.groups()[group as usize];
        let session = place.first_member + member;
        if !self.walk.gone.remove(&session) {
            // The end of a turn that it has skipped.
            return Ok(());
        }
        let addresses = &self.target.addresses;
        let address = addresses[place.connection(member) as usize % addresses.len()];
        self.returns.started(session, at, self.since_origin());
        let now = clock::now();
        let connection = if resumption {
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
        let was_expected = self.returns.is_under_way(session);
        self.returns.lost(session);
        self.take_in_early(session);
        if was_expected {
            self.look_whether_all_are_back();
        }
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
        if !class.slow_members().contains(&member) && class.is_let_off(member) {
            self.returns.resyncs += 1;
            self.oracle.excused(group, member, next);
        } else if !self.slow_resync((group, member), next) {
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
        self.look_whether_all_are_back();
    }

    /// Nobody is on the way and nobody goes any more: whoever was lost on it will not be back either.
    fn look_whether_all_are_back(&mut self) {
        if self.returns.is_still() && self.walk.is_over() {
            self.recorder.everybody_is_back(self.since_origin());
        }
    }

    /// What came of those that went away; `None` when nobody did.
    pub(super) fn returned(&mut self) -> Option<Returns> {
        let mut returns = std::mem::take(&mut self.returns);
        returns.resumed = self.client.driver().counters().resumed;
        (returns.away > 0).then_some(returns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timetable(moves: &[(u64, u32, bool)]) -> Timetable {
        let step = |(at, member, back): (u64, u32, bool)| {
            let at = Duration::from_millis(at);
            Move { at, group: 0, member, back, resumption: false }
        };
        Timetable::with(moves.iter().copied().map(step).collect())
    }

    /// The moves that can be made at each instant, with room or without.
    fn walk(moves: &[(u64, u32, bool)], looks: &[(u64, bool)]) -> (Vec<Vec<(u32, bool)>>, Walk) {
        let mut walk = Walk::through(timetable(moves));
        let made = looks.iter().map(|(at, has_room)| {
            let due = || walk.due(Duration::from_millis(*at), *has_room);
            std::iter::from_fn(due).map(|step| (step.member, step.back)).collect()
        });
        (made.collect(), walk)
    }

    #[test]
    fn who_goes_never_waits_for_those_for_whom_there_is_no_room() {
        let moves = [(1, 1, false), (2, 1, true), (3, 2, false), (4, 2, true)];
        let (made, over) = walk(&moves, &[(0, true), (3, false), (9, false), (9, true)]);
        let expected = [vec![], vec![(1, false), (2, false)], vec![], vec![(1, true), (2, true)]];
        assert_eq!(made, expected);
        assert!(over.is_over());
        let (_, waiting) = walk(&moves, &[(9, false)]);
        assert!(!waiting.is_over() && waiting.next(false).is_none());
        assert_eq!(waiting.next(true), Some(Duration::from_millis(2)), "at once");
        let (_, fresh) = walk(&moves, &[]);
        assert_eq!(fresh.next(true), Some(Duration::from_millis(1)));
    }

    proptest! {
        #[test]
        fn every_move_is_made_once_in_its_order_and_none_before_its_time(
            moves in prop::collection::vec((0_u64..100, 0_u32..5, any::<bool>()), 0..40),
            looks in prop::collection::vec((0_u64..120, any::<bool>()), 0..20),
        ) {
            let (mut moves, mut looks) = (moves, looks);
            moves.sort_by_key(|step| step.0);
            looks.sort_by_key(|look| look.0);
            let (made, left) = walk(&moves, &looks);
            let mut so_far: Vec<(u32, bool)> = Vec::new();
            for ((at, has_room), made) in looks.iter().zip(&made) {
                so_far.extend(made);
                for back in [false, true] {
                    let due = moves.iter().filter(|step| step.0 <= *at && step.2 == back);
                    let due: Vec<u32> = due.map(|step| step.1).collect();
                    let done = so_far.iter().filter(|step| step.1 == back);
                    let done: Vec<u32> = done.map(|step| step.0).collect();
                    // In order; and all of them, unless they have to wait for room.
                    prop_assert!(due.starts_with(&done));
                    prop_assert!(done.len() == due.len() || back && !has_room);
                }
            }
            prop_assert_eq!(left.is_over(), so_far.len() == moves.len());
        }
    }
}
