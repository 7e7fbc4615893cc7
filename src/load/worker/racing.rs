//! Playing the racers of live groups: what they want, build, submit, and are answered.
//!
//! `races` decides what each racer does next; here it happens, and is counted. A change that is
//! wanted is one operation: due when it is wanted, with one outcome, when it has come through or
//! is given up, however often it is submitted. What is submitted beside commits, proposals and
//! claims, is ordered and delivered as everything is, and watched by the oracle, but no part of
//! response and fan-out.

use std::time::Duration;

use super::Worker;
use super::flights::Flight;
use super::issue::Ready;
use super::races::{Answered, Race, Step, Want};
use crate::delivery::{Epoch, Kind, Reject};
use crate::limits::ATTEMPTS_MAX;
use crate::load::contention::{Event, Tally, What};
use crate::load::racers::{Built, Said, Seat, Told};
use crate::load::recorder::Due;
use crate::load::scenario::Scenario;
use crate::wire::peek_group;

/// An attempt beyond the schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raced {
    racer: u32,
    what: What,
}

/// What racing costs the members of each class that races.
pub(super) fn tallies(scenario: &Scenario) -> Vec<Option<Tally>> {
    let classes = scenario.groups.iter();
    classes
        .map(|class| {
            let (groups, racers) = (class.count as usize, class.racers as usize);
            class.contention.map(|_| Tally::new(groups, racers))
        })
        .collect()
}

impl Worker<'_> {
    /// A round of the schedule: every racer of a group wants one change more. What they have to
    /// build for it they are told in one turn, so in which order is of no meaning.
    pub(super) fn call_race(&mut self, group: u32, due: Due) {
        let racers = self.race(group).map_or(0, |race| race.racers());
        for racer in 0..racers {
            self.want((group, racer), due);
        }
        for racer in 0..racers {
            self.race_on((group, racer));
        }
    }

    fn race(&mut self, group: u32) -> Option<&mut Race> {
        self.groups.get_mut(group as usize)?.race.as_mut()
    }

    fn want(&mut self, (group, racer): Seat, due: Due) {
        let reached = self.since_origin();
        let Some(race) = self.race(group) else { return };
        race.want(racer, due);
        self.recorder.reached(due, reached);
        if due.measured {
            self.occupancy.enter(due.intended);
        }
    }

    /// A racer does whatever it can do now.
    pub(super) fn race_on(&mut self, seat: Seat) {
        let (group, racer) = seat;
        loop {
            let now = self.since_origin();
            let Some(race) = self.race(group) else { return };
            if let Some(intended) = race.comes_to_want(racer, now) {
                let due = self.due_at(group, intended);
                self.want(seat, due);
                continue;
            }
            match race.next(racer, now) {
                Some(Step::Build(what)) => {
                    if let Some(racers) = &mut self.racers {
                        racers.tell(seat, Told::Build(what));
                    }
                }
                Some(Step::Send(built, want)) => self.send_raced(seat, built, want, now),
                Some(Step::Overtaken(built)) if built.what == What::Commit => {
                    self.note(group, now, Event::Overtaken(built.cpu));
                }
                Some(Step::Overtaken(_)) => {}
                None => break,
            }
        }
        let now = self.since_origin();
        let at = self.race(group).and_then(|race| race.deadline(racer, now));
        self.alarms.set(seat, at);
    }

    /// Every racer whose time has come does what it can.
    pub(super) fn race_in_time(&mut self, now: Duration) {
        while let Some(seat) = self.alarms.due(now) {
            self.race_on(seat);
        }
    }

    fn send_raced(&mut self, seat: Seat, built: Built, want: Option<Want>, now: Duration) {
        let (group, racer) = seat;
        let attempt = (self.plan.schedule.operations().len() + self.raced.len()) as u64;
        self.raced.push(Raced { racer, what: built.what });
        self.called_for += 1;
        let due = want.map_or_else(|| self.due_at(group, now), |want| want.due);
        if let Some(want) = want {
            self.recorder.prepared(want.due, want.since, now);
        }
        self.note(group, now, Event::Sent(built.what, built.body.len() as u64));
        let (kind, measured) = match built.what {
            What::Commit => (Kind::Commit, due.measured),
            What::Proposal => (Kind::Proposal, false),
            What::Claim { .. } => (Kind::Application, false),
        };
        let due = Due { measured, ..due };
        let Built { epoch, body, .. } = built;
        let (sender, brings) = (racer, None);
        self.send(Ready { attempt, due, group, sender, kind, epoch, body, brings });
    }

    /// What a racer submitted was ordered.
    pub(super) fn race_accepted(&mut self, flight: &Flight, epoch: Epoch, at: Duration) {
        let seat = (flight.group, flight.sender);
        self.recorder.ordered(at);
        let Some(race) = self.race(flight.group) else { return };
        let answered = race.accepted(flight.sender, epoch);
        if let Some(built) = &answered.built
            && built.what == What::Commit
        {
            self.note(flight.group, at, Event::Won(built.body.len() as u64));
        }
        self.conclude(seat, &answered, at);
        self.race_on(seat);
    }

    /// What a racer submitted was refused. A change that is given up for it counts as refused.
    pub(super) fn race_refused(&mut self, flight: &Flight, reject: Reject, at: Duration) {
        let seat = (flight.group, flight.sender);
        let Some(race) = self.race(flight.group) else { return };
        let answered = race.refused(flight.sender, reject, at);
        if let Some(built) = &answered.built
            && built.what == What::Commit
        {
            let bytes = built.body.len() as u64;
            let event = match reject {
                Reject::WrongEpoch { .. } => Event::Lost(bytes, built.cpu),
                Reject::SlowDown { .. } => Event::PutOff(bytes),
                _ => Event::Refused(bytes, built.cpu),
            };
            self.note(flight.group, at, event);
        }
        if let Some(want) = answered.gave_up {
            self.recorder.rejected(want.due, at);
        }
        self.conclude(seat, &answered, at);
        self.race_on(seat);
    }

    /// What a racer submitted was not answered in time.
    pub(super) fn race_timed_out(&mut self, flight: &Flight, now: Duration) {
        let seat = (flight.group, flight.sender);
        let Some(race) = self.race(flight.group) else { return };
        let answered = race.timed_out(flight.sender);
        if let Some(want) = answered.gave_up {
            self.recorder.timed_out(want.due, now);
        }
        self.conclude(seat, &answered, now);
        self.race_on(seat);
    }

    /// Whatever has come of a racer's change.
    fn conclude(&mut self, seat: Seat, answered: &Answered, at: Duration) {
        if let Some(want) = answered.served {
            self.served(seat, want, at);
        }
        if let Some(want) = answered.gave_up {
            self.note(seat.0, at, Event::GaveUp);
            self.outcome(seat, want, at);
        }
    }

    fn served(&mut self, seat: Seat, want: Want, at: Duration) {
        self.recorder.served(want.due, want.sent, at);
        let group = &self.groups[seat.0 as usize];
        let place = (group.index_in_class, seat.1 as usize);
        if let Some(Some(tally)) = self.tallies.get_mut(group.class as usize) {
            tally.served(&self.window, place, (want.due.intended, at), want.tries);
        }
        self.outcome(seat, want, at);
    }

    /// A change is an operation no more, and its racer may come to want the next.
    fn outcome(&mut self, (group, racer): Seat, want: Want, at: Duration) {
        if want.due.measured {
            self.occupancy.leave(at);
        }
        let offered = self.offered;
        // As many as the racers have on their way at once may follow.
        let room = self.called_for + (self.seats.len() as u64) < ATTEMPTS_MAX;
        let Some(race) = self.race(group) else { return };
        if let Some(next) = race.think().map(|think| at + think).filter(|next| *next < offered)
            && room
        {
            race.want_at(racer, next);
        }
    }

    /// Live members go about what they were told in this turn.
    pub(super) fn hand_over(&mut self) {
        if let Some(racers) = &mut self.racers {
            racers.hand_over();
        }
    }

    /// Takes in what live members have built, and what they found.
    pub(super) fn hear_racers(&mut self) {
        let Some(racers) = &mut self.racers else { return };
        for said in racers.hear() {
            let now = self.since_origin();
            match said {
                Said::Built { seat, built } => {
                    self.note(seat.0, now, Event::Built(built.what, built.cpu));
                    if let Some(race) = self.race(seat.0) {
                        race.built(seat.1, built);
                    }
                    self.race_on(seat);
                }
                Said::Fate { seat, epoch, taken_up } => {
                    let Some(race) = self.race(seat.0) else { continue };
                    if let Some(want) = race.fate(seat.1, epoch, taken_up, now) {
                        self.served(seat, want, now);
                    }
                    self.race_on(seat);
                }
                Said::Failed { seat: (group, member), error } => {
                    self.live_faults
                        .note(|| format!("live member {member} of group {group}: {error}"));
                }
            }
        }
    }

    /// A good delivery in a live group.
    pub(super) fn pass_to_live(&mut self, seat: Seat, attempt: u64, body: bytes::Bytes) {
        let (group, member) = seat;
        let (raced, header) = (self.raced_as(attempt), peek_group(&body).ok());
        let is_real = self.groups[group as usize].real.contains(&member);
        if is_real && let Some(racers) = &mut self.racers {
            self.live_messages += 1;
            let own = raced.filter(|raced| raced.racer == member);
            let told = own.map_or(Told::Delivered(body), |own| Told::Own(own.what));
            racers.tell(seat, told);
        }
        let now = self.since_origin();
        if let (Some(raced), Some(header), Some(race)) = (raced, header, self.race(group))
            && member < race.racers()
        {
            race.delivered(member, raced.racer, raced.what, header.epoch, now);
            self.race_on(seat);
        }
    }

    /// Whether an attempt is one beside the changes that are wanted: its fan-out is nobody's.
    pub(super) fn is_beside(&self, attempt: u64) -> bool {
        self.raced_as(attempt).is_some_and(|raced| raced.what != What::Commit)
    }

    pub(super) fn raced_as(&self, attempt: u64) -> Option<Raced> {
        let beyond = usize::try_from(attempt).ok()?;
        let beyond = beyond.checked_sub(self.plan.schedule.operations().len())?;
        self.raced.get(beyond).copied()
    }

    /// What racers still want when the run is over.
    pub(super) fn races_are_over(&mut self) {
        let now = self.since_origin();
        for group in 0..self.groups.len() {
            let Some(race) = self.groups[group].race.as_mut() else { continue };
            for (racer, want, pending) in race.left() {
                let class = self.groups[group].class as usize;
                if let Some(Some(tally)) = self.tallies.get_mut(class) {
                    tally.unserved += 1;
                }
                if pending {
                    self.recorder.timed_out(want.due, now);
                    if want.due.measured {
                        self.occupancy.leave(now);
                    }
                    continue;
                }
                if want.due.measured {
                    self.occupancy.forget(want.due.intended, now);
                }
                let attempt = self.plan.schedule.operations().len() + self.raced.len();
                self.raced.push(Raced { racer, what: What::Commit });
                self.called_for += 1;
                self.oracle.not_issued(attempt as u64);
                self.recorder.not_issued(want.due);
                self.recorder.intervals.not_issued(true, now);
            }
        }
    }

    fn note(&mut self, group: u32, at: Duration, event: Event) {
        let class = self.groups[group as usize].class as usize;
        if let Some(Some(tally)) = self.tallies.get_mut(class) {
            tally.note(&self.window, at, event);
        }
    }

    fn due_at(&self, group: u32, intended: Duration) -> Due {
        let measured = self.window.contains(&intended);
        Due { class: self.groups[group as usize].class, intended, measured }
    }
}
