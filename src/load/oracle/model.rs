//! A correct delivery service, as a list of what a worker would see of it, in a random order.
//!
//! The naive model that the oracle is tested against: the properties here say that it finds
//! nothing in a correct run and something, by its name, in every tampered one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Counts, Delivered, Judgement, Oracle, Submitted, ViolationKind};
use crate::delivery::{Epoch, Kind, Reject, Seq};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Submit(Submitted),
    Accept { attempt: u64, seq: u64, epoch: u64 },
    Refuse { attempt: u64, current: u64, winner: u64 },
    TimeOut(u64),
    NotIssue(u64),
    Deliver { group: u32, member: u32, seq: u64, attempt: Option<u64>, digest: u64 },
    Depart { group: u32, member: u32 },
    Return { group: u32, member: u32, head: u64 },
    Excuse { group: u32, member: u32, next: u64 },
}

/// What a run was like: everything a worker saw, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub(super) members: Vec<u32>,
    pub(super) events: Vec<Event>,
    pub(super) called_for: u64,
    pub(super) expected: Counts,
}

impl Run {
    pub(super) fn judge(&self) -> (Judgement, Vec<Delivered>) {
        let mut oracle = Oracle::new();
        for (group, members) in (0..).zip(&self.members) {
            oracle.group_created(group, *members, Seq(1));
        }
        let mut delivered = Vec::new();
        for event in &self.events {
            match *event {
                Event::Submit(submitted) => oracle.submitted(submitted),
                Event::Accept { attempt, seq, epoch } => {
                    oracle.accepted(attempt, Seq(seq), Epoch(epoch));
                }
                Event::Refuse { attempt, current, winner } => oracle.rejected(
                    attempt,
                    Reject::WrongEpoch { current: Epoch(current), winner: Seq(winner) },
                ),
                Event::TimeOut(attempt) => oracle.timed_out(attempt),
                Event::NotIssue(attempt) => oracle.not_issued(attempt),
                Event::Deliver { group, member, seq, attempt, digest } => {
                    delivered.extend(oracle.delivered(group, member, Seq(seq), attempt, digest));
                }
                Event::Depart { group, member } => oracle.departed(group, member),
                Event::Return { group, member, head } => {
                    oracle.returned(group, member, Seq(head));
                }
                Event::Excuse { group, member, next } => {
                    oracle.excused(group, member, Seq(next));
                }
            }
        }
        (oracle.finish(self.called_for), delivered)
    }
}

/// The service: decides at once, answers and delivers whenever chance has it.
struct Service {
    chance: ChaCha8Rng,
    run: Run,
    seqs: Vec<u64>,
    epochs: Vec<u64>,
    replies: Vec<Event>,
    queues: HashMap<(u32, u32), VecDeque<Event>>,
    two_winners: bool,
}

impl Service {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.chance.next_u64() % bound as u64).unwrap()
    }

    fn submit(&mut self, group: u32, kind: Kind, epoch: u64) -> Submitted {
        let attempt = self.run.called_for;
        self.run.called_for += 1;
        let submitted = Submitted {
            attempt,
            group,
            kind,
            epoch: Epoch(epoch),
            digest: attempt * 31 + 7,
            intended: Duration::from_millis(attempt),
            measured: attempt.is_multiple_of(2),
        };
        self.run.events.push(Event::Submit(submitted));
        submitted
    }

    fn order(&mut self, of: Submitted) {
        let index = of.group as usize;
        self.seqs[index] += 1;
        if of.kind == Kind::Commit && of.epoch.0 == self.epochs[index] {
            self.epochs[index] += 1;
        }
        let (seq, members) = (self.seqs[index], self.run.members[index]);
        let reply = Event::Accept { attempt: of.attempt, seq, epoch: of.epoch.next().0 };
        if self.below(20) == 0 {
            self.replies.push(Event::TimeOut(of.attempt));
            self.run.expected.timed_out += 1;
        } else {
            self.replies.push(reply);
            self.run.expected.accepted += 1;
        }
        self.run.expected.deliveries += u64::from(members);
        for member in 0..members {
            let event = Event::Deliver {
                group: of.group,
                member,
                seq,
                attempt: Some(of.attempt),
                digest: of.digest,
            };
            self.queues.entry((of.group, member)).or_default().push_back(event);
        }
    }

    fn race(&mut self, group: u32) {
        let epoch = self.epochs[group as usize];
        let winner = self.seqs[group as usize] + 1;
        for racer in 0..1 + self.below(4) {
            let of = self.submit(group, Kind::Commit, epoch);
            if racer == 0 || (racer == 1 && self.two_winners) {
                self.order(of);
            } else {
                let current = self.epochs[group as usize];
                self.replies.push(Event::Refuse { attempt: of.attempt, current, winner });
                self.run.expected.rejected += 1;
                self.run.expected.rejected_wrong_epoch += 1;
            }
        }
    }

    fn operate(&mut self) {
        let group = u32::try_from(self.below(self.seqs.len())).unwrap();
        match self.below(10) {
            0 => {
                self.run.events.push(Event::NotIssue(self.run.called_for));
                self.run.called_for += 1;
                self.run.expected.not_issued += 1;
            }
            1..=3 => self.race(group),
            _ => {
                let of = self.submit(group, Kind::Application, self.epochs[group as usize]);
                self.order(of);
            }
        }
    }

    /// Lets one reply or one delivery through; false when there is none.
    fn release(&mut self) -> bool {
        let waiting: Vec<(u32, u32)> = {
            let mut keys: Vec<_> = self.queues.keys().copied().collect();
            keys.sort_unstable();
            keys
        };
        let choices = self.replies.len() + waiting.len();
        if choices == 0 {
            return false;
        }
        let choice = self.below(choices);
        if choice < self.replies.len() {
            let reply = self.replies.swap_remove(choice);
            self.run.events.push(reply);
            return true;
        }
        let key = waiting[choice - self.replies.len()];
        let queue = self.queues.get_mut(&key).unwrap();
        self.run.events.push(queue.pop_front().unwrap());
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        true
    }
}

/// A correct run of `operations`, from a seed.
pub(super) fn correct(seed: u64, operations: usize) -> Run {
    simulate(seed, operations, false)
}

pub(super) fn simulate(seed: u64, operations: usize, two_winners: bool) -> Run {
    let mut service = Service {
        chance: ChaCha8Rng::seed_from_u64(seed),
        run: Run::default(),
        seqs: vec![0; 3],
        epochs: vec![1; 3],
        replies: Vec::new(),
        queues: HashMap::new(),
        two_winners,
    };
    service.run.members = (0..3).map(|_| u32::try_from(2 + service.below(6)).unwrap()).collect();
    for _ in 0..operations {
        service.operate();
        for _ in 0..service.below(12) {
            service.release();
        }
    }
    while service.release() {}
    service.run.expected.deliveries_expected = service.run.expected.deliveries;
    service.run
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Lost,
    Duplicated,
    Reordered,
    Corrupted,
    ForeignId,
    Stranger,
    OtherMessage,
    ReplyElsewhere,
    NoWinnerTold,
    WrongWinnerTold,
    ReplyLost,
}

/// Puts one fault into `run`, at a place that `at` chooses; `None` when there is no such place.
fn tamper(run: &mut Run, fault: Fault, at: usize) -> Option<ViolationKind> {
    let fits = |event: &Event| match fault {
        Fault::ReplyElsewhere | Fault::ReplyLost => matches!(event, Event::Accept { .. }),
        Fault::NoWinnerTold | Fault::WrongWinnerTold => matches!(event, Event::Refuse { .. }),
        _ => matches!(event, Event::Deliver { .. }),
    };
    let places: Vec<usize> =
        (0..run.events.len()).filter(|index| fits(&run.events[*index])).collect();
    let place = *places.get(at.checked_rem(places.len())?)?;
    match fault {
        Fault::Lost => {
            run.events.remove(place);
            Some(ViolationKind::Missing)
        }
        Fault::ReplyLost => {
            run.events.remove(place);
            Some(ViolationKind::Conservation)
        }
        Fault::Duplicated => {
            run.events.push(run.events[place].clone());
            Some(ViolationKind::Duplicate)
        }
        Fault::Reordered => reorder(run, place),
        _ => alter(run, place, fault, at),
    }
}

/// Exchanges the delivery at `place` with the next one of the same member.
fn reorder(run: &mut Run, place: usize) -> Option<ViolationKind> {
    let Event::Deliver { group: of, member: to, .. } = run.events[place] else { return None };
    let later = (place + 1..run.events.len()).find(|index| {
        matches!(run.events[*index], Event::Deliver { group, member, .. }
            if (group, member) == (of, to))
    })?;
    let Event::Deliver { attempt: Some(wanted), .. } = run.events[later] else { return None };
    let mut earlier = run.events[..place].iter();
    let submitted = earlier.any(|event| matches!(event, Event::Submit(of) if of.attempt == wanted));
    run.events.swap(place, later);
    submitted.then_some(ViolationKind::Reordered)
}

/// Changes one field of the event at `place`.
fn alter(run: &mut Run, place: usize, fault: Fault, at: usize) -> Option<ViolationKind> {
    let (earlier, rest) = run.events.split_at_mut(place);
    Some(match (&mut rest[0], fault) {
        (Event::Deliver { digest, .. }, Fault::Corrupted) => {
            *digest ^= 1;
            ViolationKind::Corrupted
        }
        (Event::Deliver { attempt, .. }, Fault::ForeignId) => {
            *attempt = if at.is_multiple_of(2) { None } else { Some(1 << 22) };
            ViolationKind::Foreign
        }
        (Event::Deliver { member, .. }, Fault::Stranger) => {
            *member += 100;
            ViolationKind::Foreign
        }
        (Event::Deliver { group, attempt, digest, .. }, Fault::OtherMessage) => {
            let other = earlier.iter().rev().find_map(|event| match event {
                Event::Submit(of) if of.group == *group && Some(of.attempt) != *attempt => {
                    Some(*of)
                }
                _ => None,
            })?;
            (*attempt, *digest) = (Some(other.attempt), other.digest);
            ViolationKind::Disagreement
        }
        (Event::Accept { seq, .. }, Fault::ReplyElsewhere) => {
            *seq += 1;
            ViolationKind::Disagreement
        }
        (Event::Refuse { winner, .. }, Fault::NoWinnerTold) => {
            *winner = 0;
            ViolationKind::WinnerNotTold
        }
        (Event::Refuse { winner, .. }, Fault::WrongWinnerTold) => {
            *winner += 1;
            ViolationKind::WinnerNotTold
        }
        _ => return None,
    })
}

proptest! {
    #[test]
    fn a_correct_service_is_found_without_fault(seed: u64, operations in 0_usize..120) {
        let run = correct(seed, operations);
        let (judgement, delivered) = run.judge();
        prop_assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations);
        prop_assert_eq!(judgement.counts, run.expected);
        let ordered = run.expected.accepted + run.expected.timed_out;
        let count = |of: fn(&Delivered) -> bool| delivered.iter().filter(|d| of(d)).count() as u64;
        prop_assert_eq!(delivered.len() as u64, run.expected.deliveries);
        prop_assert_eq!(count(|d| d.first), ordered);
        prop_assert_eq!(count(|d| d.last), ordered);
        prop_assert_eq!(count(|d| d.reached_p99), ordered);
        for of in &delivered {
            prop_assert_eq!(of.intended, Duration::from_millis(of.attempt));
            prop_assert_eq!(of.measured, of.attempt.is_multiple_of(2));
        }
    }

    #[test]
    fn every_single_fault_is_found_and_named(
        seed: u64, operations in 5_usize..80, at: usize,
        fault in prop::sample::select(vec![
            Fault::Lost, Fault::Duplicated, Fault::Reordered, Fault::Corrupted, Fault::ForeignId,
            Fault::Stranger, Fault::OtherMessage, Fault::ReplyElsewhere, Fault::NoWinnerTold,
            Fault::WrongWinnerTold, Fault::ReplyLost,
        ]),
    ) {
        let mut run = correct(seed, operations);
        if let Some(kind) = tamper(&mut run, fault, at) {
            let (judgement, _) = run.judge();
            let found = &judgement.violations;
            // A place after the last that can be is nobody's: a gap.
            let beyond = matches!(fault, Fault::ReplyElsewhere) && found.count(ViolationKind::Gap) > 0;
            prop_assert!(found.count(kind) > 0 || beyond, "{:?}", found);
        }
    }

    #[test]
    fn two_winners_of_one_epoch_are_found(seed: u64) {
        let run = simulate(seed, 60, true);
        let commits = |group, epoch| run.events.iter().filter(move |event| {
            matches!(event, Event::Submit(of)
                if of.kind == Kind::Commit && (of.group, of.epoch.0) == (group, epoch))
        });
        let contested = (0..3).any(|group| (1..60).any(|e| commits(group, e).count() > 1));
        let (judgement, _) = run.judge();
        prop_assert_eq!(judgement.violations.count(ViolationKind::DoubleWinner) > 0, contested);
    }

    #[test]
    fn nothing_a_service_says_makes_the_oracle_panic(
        seed: u64, says in prop::collection::vec(
            (0_u8..5, 0_u32..4, 0_u32..9, prop_oneof![0_u64..40, any::<u64>()], 0_u64..60), 0..60),
    ) {
        let mut run = correct(seed, 20);
        let known: u64 = run.called_for;
        for (index, (what, group, member, number, attempt)) in says.into_iter().enumerate() {
            let replied = attempt % known.max(1);
            let event = match what {
                0 => Event::Accept { attempt: replied, seq: number, epoch: attempt },
                1 => Event::Refuse { attempt: replied, current: number, winner: attempt },
                2 => Event::TimeOut(replied),
                3 => Event::Deliver {
                    group, member, seq: number, attempt: None, digest: attempt,
                },
                _ => Event::Deliver {
                    group, member, seq: number, attempt: Some(attempt), digest: attempt,
                },
            };
            let after_submissions = run.events.len() - index.min(run.events.len());
            run.events.insert(after_submissions, event);
        }
        let _ = run.judge();
    }
}
