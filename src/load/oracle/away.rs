//! Runs in which members go away and come back, against a naive model: sets of who has what.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use super::model::{Event, Run, correct};
use super::{Delivered, Oracle, Submitted, ViolationKind};
use crate::delivery::{Epoch, Kind, Seq};

/// Sends members of a correct run away, each for some of its events; `excused` of them for so long
/// that what they missed is gone.
fn with_absences(run: &Run, absences: &[(usize, usize, usize, bool)]) -> Run {
    let mut run = run.clone();
    let mut seen = HashSet::new();
    for (who, from, until, excused) in absences {
        let group = u32::try_from(who % run.members.len()).unwrap();
        // The first member stays: somebody has to see who won an epoch.
        let others = run.members[group as usize] - 1;
        let member = 1 + u32::try_from(who / 7).unwrap() % others;
        if !seen.insert((group, member)) {
            continue;
        }
        let (from, until) = (from % (run.events.len() + 1), until % (run.events.len() + 1));
        let (from, until) = (from.min(until), from.max(until));
        // The service names its last message some time before that is heard.
        let asked = from + who % (until - from + 1);
        let head = head(&run, group, asked);
        absent(&mut run, (group, member), from..until, head, *excused);
    }
    run
}

fn absent(run: &mut Run, who: (u32, u32), window: Range<usize>, head: u64, excused: bool) {
    let (group, member) = who;
    let after = run.events.split_off(window.end);
    let during = run.events.split_off(window.start);
    let own = |event: &Event| matches!(event, Event::Deliver { group, member, .. } if (*group, *member) == who);
    let (missed, others): (Vec<Event>, Vec<Event>) = during.into_iter().partition(own);
    run.events.push(Event::Depart { group, member });
    run.events.extend(others);
    let gone = |event: &Event| {
        own(event) && matches!(event, Event::Deliver { seq, .. } if excused && *seq <= head)
    };
    let rest: Vec<Event> = missed.into_iter().chain(after).collect();
    let lost = rest.iter().filter(|event| gone(event)).count() as u64;
    if excused {
        run.events.push(Event::Excuse { group, member, next: head + 1 });
        run.expected.deliveries -= lost;
        run.expected.deliveries_expected -= lost;
        run.expected.excused += lost;
    }
    run.events.push(Event::Return { group, member, head });
    run.events.extend(rest.into_iter().filter(|event| !gone(event)));
}

/// The last message that the service has ordered when the events before `at` have happened.
fn head(run: &Run, group: u32, at: usize) -> u64 {
    let submitted: HashSet<u64> = run.events[..at]
        .iter()
        .filter_map(|event| match event {
            Event::Submit(of) if of.group == group => Some(of.attempt),
            _ => None,
        })
        .collect();
    let ordered = run.events.iter().filter_map(|event| match event {
        Event::Deliver { group: of, seq, attempt: Some(attempt), .. } if *of == group => {
            submitted.contains(attempt).then_some(*seq)
        }
        _ => None,
    });
    ordered.max().unwrap_or(0)
}

/// Who has what, and who is waited for.
#[derive(Default)]
struct Naive {
    present: HashSet<u32>,
    heard: u64,
    awaited: HashMap<u64, HashSet<u32>>,
    has: HashMap<u64, HashSet<u32>>,
    told: HashSet<(u64, bool)>,
}

impl Naive {
    fn hear(&mut self, seq: u64) {
        for seq in self.heard + 1..=seq {
            self.awaited.insert(seq, self.present.clone());
        }
        self.heard = self.heard.max(seq);
    }

    fn depart(&mut self, member: u32) {
        self.present.remove(&member);
        for (seq, awaited) in &mut self.awaited {
            if !self.has.get(seq).is_some_and(|has| has.contains(&member)) {
                awaited.remove(&member);
            }
        }
    }

    fn deliver(&mut self, member: u32, seq: u64) -> (bool, bool, bool, bool) {
        self.hear(seq);
        let has = self.has.entry(seq).or_default();
        has.insert(member);
        let awaited = &self.awaited[&seq];
        let came = awaited.intersection(has).count();
        let present = awaited.contains(&member);
        let p99 = present && came * 100 >= awaited.len() * 99 && self.told.insert((seq, false));
        let last = present && came == awaited.len() && self.told.insert((seq, true));
        (present && came == 1, p99, last, !present)
    }
}

fn naive(run: &Run) -> Vec<(u64, (bool, bool, bool, bool))> {
    let mut groups: Vec<Naive> = run
        .members
        .iter()
        .map(|members| Naive { present: (0..*members).collect(), ..Naive::default() })
        .collect();
    let mut group_of = HashMap::new();
    let mut said = Vec::new();
    for event in &run.events {
        match *event {
            Event::Submit(of) => {
                group_of.insert(of.attempt, of.group);
            }
            Event::Accept { attempt, seq, .. } => groups[group_of[&attempt] as usize].hear(seq),
            Event::Deliver { group, member, seq, attempt, .. } => {
                said.push((attempt.unwrap(), groups[group as usize].deliver(member, seq)));
            }
            Event::Depart { group, member } => groups[group as usize].depart(member),
            Event::Excuse { group, next, .. } => groups[group as usize].hear(next - 1),
            Event::Return { group, member, head } => {
                groups[group as usize].hear(head);
                groups[group as usize].present.insert(member);
            }
            _ => {}
        }
    }
    said
}

fn says(delivered: &Delivered) -> (u64, (bool, bool, bool, bool)) {
    let Delivered { attempt, first, reached_p99, last, missed, .. } = *delivered;
    (attempt, (first, reached_p99, last, missed))
}

fn absences() -> impl Strategy<Value = Vec<(usize, usize, usize, bool)>> {
    prop::collection::vec((0_usize..200, any::<usize>(), any::<usize>(), any::<bool>()), 0..8)
}

proptest! {
    #[test]
    fn members_may_go_and_come_back_without_a_fault_and_without_a_share_in_fan_out(
        seed: u64, operations in 0_usize..60, absences in absences(),
    ) {
        let run = with_absences(&correct(seed, operations), &absences);
        let (judgement, delivered) = run.judge();
        prop_assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations);
        prop_assert_eq!(judgement.counts, run.expected);
        prop_assert_eq!(delivered.iter().map(says).collect::<Vec<_>>(), naive(&run));
    }

    #[test]
    fn what_is_lost_or_sent_again_across_an_absence_is_found(
        seed: u64, operations in 5_usize..60, mut absences in absences(), at: usize, again: bool,
    ) {
        for absence in &mut absences {
            absence.3 = false;
        }
        let mut run = with_absences(&correct(seed, operations), &absences);
        let back = |event: &Event| matches!(event, Event::Return { .. });
        let Some(from) = run.events.iter().position(back) else { return Ok(()) };
        let places: Vec<usize> = (from..run.events.len())
            .filter(|place| matches!(run.events[*place], Event::Deliver { .. }))
            .collect();
        if places.is_empty() {
            return Ok(());
        }
        let place = places[at % places.len()];
        let kind = if again {
            run.events.push(run.events[place].clone());
            ViolationKind::Duplicate
        } else {
            run.events.remove(place);
            ViolationKind::Missing
        };
        let (judgement, _) = run.judge();
        prop_assert!(judgement.violations.count(kind) > 0, "{:?}", judgement.violations);
    }

    #[test]
    fn nothing_that_is_said_of_absences_makes_the_oracle_panic(
        seed: u64, says in prop::collection::vec(
            (0_u8..3, 0_u32..4, 0_u32..9, prop_oneof![0_u64..40, any::<u64>()], any::<usize>()), 0..40),
    ) {
        let mut run = correct(seed, 20);
        for (what, group, member, number, at) in says {
            let event = match what {
                0 => Event::Depart { group, member },
                1 => Event::Return { group, member, head: number },
                _ => Event::Excuse { group, member, next: number },
            };
            let at = at % (run.events.len() + 1);
            run.events.insert(at, event);
        }
        let _ = run.judge();
    }
}

#[test]
fn a_member_goes_on_after_the_last_message_that_it_has() {
    let mut oracle = Oracle::new();
    oracle.group_created(0, 2, Seq(5));
    assert_eq!(oracle.seen(0, 1), Seq(4));
    assert_eq!((oracle.seen(0, 9), oracle.seen(3, 0)), (Seq(0), Seq(0)));
}

#[test]
fn nobody_waits_for_what_a_member_is_excused_from_and_not_for_what_it_has_still_to_get() {
    for excused in [false, true] {
        let mut oracle = Oracle::new();
        oracle.group_created(0, 2, Seq(1));
        oracle.departed(0, 1);
        oracle.submitted(Submitted {
            attempt: 0,
            group: 0,
            kind: Kind::Application,
            epoch: Epoch(0),
            digest: 7,
            intended: Duration::ZERO,
            measured: true,
        });
        oracle.accepted(0, Seq(1), Epoch(0));
        let delivered = oracle.delivered(0, 0, Seq(1), Some(0), 7).unwrap();
        assert!(delivered.last, "the other is away");
        assert!(!oracle.is_quiet());
        if excused {
            oracle.excused(0, 1, Seq(2));
        }
        oracle.returned(0, 1, Seq(1));
        assert_eq!((oracle.is_quiet(), oracle.seen(0, 1)), (excused, Seq(excused.into())));
        let judgement = oracle.finish(1);
        assert_eq!(judgement.violations.count(ViolationKind::Missing), u64::from(!excused));
        assert_eq!(judgement.counts.excused, u64::from(excused));
    }
}

#[test]
fn a_member_sent_on_beyond_all_that_was_submitted_is_not_excused_from_that() {
    let mut oracle = Oracle::new();
    oracle.group_created(0, 2, Seq(1));
    oracle.departed(0, 1);
    oracle.excused(0, 1, Seq(9));
    assert_eq!(oracle.finish(0).violations.count(ViolationKind::Gap), 1);
}

#[test]
fn what_a_member_lacks_whose_session_has_ended_is_no_loss_until_it_is_back() {
    for back in [false, true] {
        let mut oracle = Oracle::new();
        oracle.group_created(0, 3, Seq(1));
        for attempt in 0..3 {
            oracle.submitted(Submitted {
                attempt,
                group: 0,
                kind: Kind::Application,
                epoch: Epoch(0),
                digest: 7,
                intended: Duration::ZERO,
                measured: true,
            });
            oracle.accepted(attempt, Seq(attempt + 1), Epoch(0));
        }
        // A hole that it had before is held against the service all the same.
        oracle.delivered(0, 1, Seq(2), Some(1), 7);
        oracle.cut_off(0, 1);
        let last = [0, 2].map(|member| {
            oracle.delivered(0, member, Seq(1), Some(0), 7);
            oracle.delivered(0, member, Seq(2), Some(1), 7);
            oracle.delivered(0, member, Seq(3), Some(2), 7).unwrap().last
        });
        assert_eq!(last, [false, true], "nobody waits for it");
        if back {
            oracle.returned(0, 1, Seq(3));
        }
        let judgement = oracle.finish(3);
        let missing = judgement.violations.count(ViolationKind::Missing);
        assert_eq!((judgement.counts.cut_off, missing), if back { (0, 2) } else { (1, 1) });
        assert_eq!(judgement.counts.deliveries_expected, 7 + missing);
    }
}
