//! What members hear: answers and deliveries, on their way to oracle and recorder.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::Worker;
use super::come_and_go::Attached;
use crate::delivery::{Check, Epoch, Kind, MessageId, Reject, Seq};
use crate::load::attempt::index_of;
use crate::load::client::SessionNumber;
use crate::load::oracle::Delivered;
use crate::load::racers;
use crate::load::schedule::OperationKind;
use crate::wire::{Delivery, Reason, Reply, Request, group_bytes, peek_group};

impl Worker<'_> {
    /// An answer to a session.
    pub(super) fn on_reply(&mut self, session: SessionNumber, reply: Reply) {
        match reply {
            Reply::Accepted { id, seq, epoch } => self.on_accepted(id, seq, epoch),
            Reply::Rejected { id, reason } => self.on_rejected(id, reason),
            Reply::Stats { request, counters } => self.on_counters(request, *counters),
            Reply::KeyPackage { .. } | Reply::GroupInfo { .. } => self.on_answer(reply),
            Reply::Attached { group, next, head, resync, .. } => {
                self.on_attached(session, &Attached { group, next, head, resync });
            }
            Reply::AttachRefused { reason, .. } => {
                let reason = name(reason);
                self.sessions_lost.note(|| format!("session {session}: not attached: {reason}"));
                self.give_up_return(session);
            }
            Reply::Refused { code } => {
                self.sessions_lost.note(|| format!("session {session}: refused: {code}"));
                self.give_up_return(session);
                self.cut_off(session);
            }
            _ => {}
        }
    }

    fn on_accepted(&mut self, id: MessageId, seq: Seq, epoch: Epoch) {
        let Some(attempt) = index_of(self.nonce, id) else { return };
        let at = self.since_origin();
        self.oracle.accepted(attempt, seq, epoch);
        self.change_roster(attempt, seq);
        let Some(flight) = self.flights.land(attempt) else { return };
        if self.groups[flight.group as usize].race.is_some() {
            return self.race_accepted(&flight, epoch, at);
        }
        self.recorder.accepted(flight.due, flight.sent, at);
        if self.is_commit(attempt) {
            self.recorder.committed(flight.due, at);
        }
        if flight.due.measured {
            self.occupancy.leave(at);
        }
        if self.is_commit(attempt) {
            // The sender of a commit that has won is in the epoch it opened.
            if self.kind_of(attempt) == Some(OperationKind::ExternalJoin) {
                self.let_itself_in((flight.group, flight.sender));
            }
            self.reach_epoch(flight.group, flight.sender, epoch);
        }
    }

    fn on_rejected(&mut self, id: MessageId, reason: Reason) {
        if self.on_question_refused(id, reason) {
            return;
        }
        let Some(attempt) = index_of(self.nonce, id) else { return };
        let at = self.since_origin();
        let reject = match reason {
            Reason::Rejected(reject) => reject,
            // To the oracle a refusal is a refusal; only those for an epoch say more.
            Reason::Malformed { .. } | Reason::Busy => Reject::NotSubmittable,
        };
        self.oracle.rejected(attempt, reject);
        let flight = self.flights.land(attempt);
        let races = flight.as_ref().is_some_and(|flight| {
            let group = &self.groups[flight.group as usize];
            group.race.is_some()
        });
        // Others have lost more often: it may come again then.
        let put_off = races && matches!(reject, Reject::SlowDown { .. });
        let name = if put_off { PUT_OFF } else { name(reason) };
        *self.refusals.entry(name).or_default() += 1;
        let Some(flight) = flight else { return };
        if races {
            return self.race_refused(&flight, reject, at);
        }
        self.recorder.rejected(flight.due, at);
        if flight.due.measured {
            self.occupancy.leave(at);
        }
    }

    /// Something on a member's ordered stream.
    pub(super) fn on_delivery(&mut self, session: SessionNumber, delivery: Delivery) {
        let at = self.since_origin();
        if self.returns.is_connecting(session) {
            self.early.entry(session).or_default().push((at, delivery));
        } else {
            self.take_in(session, delivery, at);
        }
    }

    /// A delivery that came at `at`.
    pub(super) fn take_in(&mut self, session: SessionNumber, delivery: Delivery, at: Duration) {
        let Some((group, member)) = self.seats.get(session as usize).copied() else { return };
        self.heard = self.heard.max(at);
        match delivery {
            Delivery::Deliver { seq, id, body } => {
                let expected = self.plan.population.groups()[group as usize].id;
                let attempt = index_of(self.nonce, id);
                // The bytes say which group they are of; a member is in one group alone.
                let own_group = group_bytes(&body) == Some(expected.as_bytes());
                let known = attempt.filter(|_| own_group);
                let digest = xxh3_64(&body);
                self.slow_hears((group, member));
                let found = self.oracle.delivered(group, member, seq, known, digest);
                self.on_progress(session, (group, member));
                if let Some(attempt) = known.filter(|_| found.is_some()) {
                    self.change_roster(attempt, seq);
                }
                self.comer_heard(session, (group, member), seq);
                let Some(found) = found else { return };
                let class = self.groups[group as usize].class;
                let missed = found.missed || self.is_beside(found.attempt);
                let recorded = Delivered { missed, ..found };
                self.recorder.delivered(class, &recorded, body.len(), at);
                if self.is_commit(recorded.attempt) {
                    self.recorder.commit_delivered(class, &recorded, body.len(), at);
                }
                self.slow_delivered((group, member), &recorded, at);
                self.acknowledge(session, (group, member), seq);
                self.pass_on((group, member), found.attempt, body);
            }
            Delivery::Resync { next, .. } => {
                self.slow_hears((group, member));
                self.on_resync((group, member), next);
                self.on_progress(session, (group, member));
            }
            Delivery::Welcome { number, body, .. } => self.on_welcome(session, number, &body),
            Delivery::For { .. } | Delivery::LowKeyPackages { .. } => {}
        }
    }

    /// Says how far a member has come, if it is its turn: not all of a group at once.
    fn acknowledge(&mut self, session: SessionNumber, (group, member): racers::Seat, seq: Seq) {
        let Some(every) = self.plan.class(group as usize).acknowledge else { return };
        if (seq.0 + u64::from(member)).is_multiple_of(every.into()) {
            let group = self.plan.population.groups()[group as usize].id;
            self.client.request(session, &Request::Acknowledge { group, seq });
        }
    }

    /// A good delivery, to whoever runs OpenMLS, and to a sender that waits for its epoch.
    fn pass_on(&mut self, seat: racers::Seat, attempt: u64, body: bytes::Bytes) {
        let (group, member) = seat;
        let state = &self.groups[group as usize];
        let is_real = state.real.contains(&member) || state.real_joiners.contains(&member);
        if state.race.is_some() {
            return self.pass_to_live(seat, attempt, body);
        }
        if is_real {
            self.inboxes.keep(seat, &body);
        }
        let is_handshake =
            self.kind_of(attempt).is_some_and(|kind| kind.message() != Kind::Application);
        if is_handshake && let Ok(header) = peek_group(&body) {
            match header.kind {
                Kind::Commit => self.reach_epoch(group, member, header.epoch.next()),
                Kind::Proposal => self.see_proposal(group, member, header.epoch),
                Kind::Application => {}
            }
        }
    }

    fn is_commit(&self, attempt: u64) -> bool {
        self.kind_of(attempt).is_some_and(|kind| kind.message() == Kind::Commit)
    }

    /// What the schedule says that an attempt is; `None` for one beyond it.
    fn kind_of(&self, attempt: u64) -> Option<OperationKind> {
        let operations = self.plan.schedule.operations();
        let index = usize::try_from(attempt).unwrap_or(usize::MAX);
        operations.get(index).map(|operation| operation.kind)
    }
}

/// A racer's commit that comes after those of others, as a record names it: not in vain.
const PUT_OFF: &str = "put_off";
/// By the number of the check that failed.
const INVALID: [&str; Check::ALL.len()] = [
    "invalid_check_1",
    "invalid_check_2",
    "invalid_check_3",
    "invalid_check_4",
    "invalid_check_5",
    "invalid_check_6",
    "invalid_check_7",
    "invalid_check_8",
    "invalid_check_9",
    "invalid_check_10",
    "invalid_check_11",
    "invalid_check_12",
    "invalid_check_13",
    "invalid_check_14",
    "invalid_check_15",
    "invalid_check_16",
];

/// A refusal's reason, as a record names it.
pub(super) fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Rejected(reject) => match reject {
            Reject::WrongEpoch { .. } => "wrong_epoch",
            Reject::UnknownGroup => "unknown_group",
            Reject::GroupExists => "group_exists",
            Reject::NotMember => "not_member",
            Reject::IdTaken => "id_taken",
            Reject::BadRosterChange => "bad_roster_change",
            Reject::RosterFull => "roster_full",
            Reject::TooManyProposals => "too_many_proposals",
            Reject::TooManyGroups => "too_many_groups",
            Reject::NotSubmittable => "not_submittable",
            Reject::Invalid { check } => {
                let index = usize::from(check).checked_sub(1);
                index.and_then(|index| INVALID.get(index)).copied().unwrap_or("invalid")
            }
            Reject::SlowDown { .. } => "slow_down",
            Reject::NotDurable => "not_durable",
            Reject::LevelUnavailable => "level_unavailable",
            Reject::NoKeyPackage => "no_key_package",
            Reject::BadKeyPackage => "bad_key_package",
            Reject::TooManyKeyPackages => "too_many_key_packages",
            Reject::NoGroupInfo => "no_group_info",
        },
        Reason::Malformed { .. } => "malformed",
        Reason::Busy => "busy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_failed_a_check_is_told_with_its_number() {
        for check in Check::ALL {
            let invalid = Reject::Invalid { check: check.number() };
            let named = name(Reason::Rejected(invalid));
            assert_eq!(named, format!("invalid_check_{}", check.number()));
        }
        assert_eq!(name(Reason::Rejected(Reject::Invalid { check: 17 })), "invalid");
    }
}
