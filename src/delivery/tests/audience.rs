//! Cursors under arbitrary pushes, partial sweeps, blocking and departures.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::device;
use crate::delivery::{Audience, Due, RingLimits, Seq, Start, Taken};
use crate::limits::{RESYNCS_MAX, STALL_MAX};

const ROOMY: RingLimits = RingLimits { entries_max: 1_000, bytes_max: 1 << 20 };

fn start(number: u8, next: u64) -> Start {
    Start { device: device(number), next: Seq(next), last: None }
}

/// What each recipient was handed; a recipient in `full` takes nothing.
#[derive(Default)]
struct Inboxes {
    taken: BTreeMap<u8, Vec<u64>>,
    full: Vec<u8>,
    resyncs: Vec<u8>,
    closed: Vec<u8>,
}

impl Inboxes {
    fn take(&mut self, key: u8, due: Due<'_, u64>) -> Taken {
        match due {
            Due::TooSlow => self.closed.push(key),
            _ if self.full.contains(&key) => return Taken::Full,
            Due::Items { items, .. } => self.taken.entry(key).or_default().extend(items),
            Due::Resync { .. } => self.resyncs.push(key),
        }
        Taken::Yes
    }

    fn sweep(&mut self, audience: &mut Audience<u8, u64>, budget: usize) -> usize {
        audience.sweep(Duration::ZERO, budget, &mut |key, due| self.take(key, due))
    }
}

#[test]
fn every_recipient_gets_every_message_in_order_across_partial_sweeps() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes::default();
    for number in 0..10 {
        audience.join(number, start(number, 1));
    }
    for item in 1..=20 {
        audience.push(item, 1);
        inboxes.sweep(&mut audience, 3);
    }
    while audience.is_sweeping() {
        inboxes.sweep(&mut audience, 3);
    }
    for number in 0..10 {
        assert_eq!(inboxes.taken[&number], (1..=20).collect::<Vec<_>>());
    }
    assert_eq!(audience.first(), audience.next(), "what everybody has is dropped");
}

#[test]
fn who_sweeps_when_pressed_costs_nobody_a_message_however_long_the_burst() {
    for limits in [
        RingLimits { entries_max: 4, bytes_max: 1_000 },
        RingLimits { entries_max: 1_000, bytes_max: 40 },
    ] {
        let mut audience = Audience::new(Seq(1), limits);
        let mut inboxes = Inboxes::default();
        for number in 0..3 {
            audience.join(number, start(number, 1));
        }
        // The last one takes nothing: the ring is full for its sake all the time.
        inboxes.full.push(2);
        let mut sweeps = 0;
        for item in 1..=20 {
            if audience.is_pressed() {
                inboxes.sweep(&mut audience, 3);
                sweeps += 1;
            }
            audience.push(item, 10);
        }
        assert_eq!(sweeps, 9, "as seldom as half the ring allows");
        inboxes.sweep(&mut audience, 3);
        for number in 0..2 {
            assert_eq!(inboxes.taken[&number], (1..=20).collect::<Vec<_>>());
        }
        assert!(inboxes.resyncs.is_empty() && inboxes.closed.is_empty());
    }
}

#[test]
fn a_message_pushed_during_a_sweep_leaves_with_it() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes::default();
    for number in 0..4 {
        audience.join(number, start(number, 1));
    }
    audience.push(1, 1);
    inboxes.sweep(&mut audience, 2);
    audience.push(2, 1);
    let visits = inboxes.sweep(&mut audience, 100);
    assert_eq!(visits, 4);
    assert_eq!(inboxes.taken[&3], [1, 2], "one visit hands over both");
}

#[test]
fn nobody_is_always_the_last_to_be_visited() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    for number in 0..10 {
        audience.join(number, start(number, 1));
    }
    let mut last = BTreeMap::new();
    for item in 1..=80 {
        audience.push(item, 1);
        let mut latest = None;
        audience.sweep(Duration::ZERO, 10, &mut |key, _| {
            latest = Some(key);
            Taken::Yes
        });
        *last.entry(latest.unwrap()).or_insert(0) += 1;
    }
    assert!(last.len() == 10 && last.values().all(|times| *times == 8), "{last:?}");
}

#[test]
fn a_removed_device_gets_the_removing_commit_and_nothing_after_it() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes::default();
    audience.join(1, start(1, 1));
    audience.join(2, start(2, 1));
    audience.push(1, 1);
    audience.push(2, 1);
    audience.end(device(1), Seq(2));
    audience.push(3, 1);
    inboxes.sweep(&mut audience, 100);
    assert_eq!(inboxes.taken[&1], [1, 2]);
    assert_eq!(inboxes.taken[&2], [1, 2, 3]);
    assert_eq!(audience.len(), 1);
}

#[test]
fn a_blocked_recipient_holds_nobody_up_and_catches_up_when_it_resumes() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes { full: vec![1], ..Inboxes::default() };
    audience.join(1, start(1, 1));
    audience.join(2, start(2, 1));
    for item in 1..=5 {
        audience.push(item, 1);
        inboxes.sweep(&mut audience, 100);
    }
    assert_eq!(inboxes.taken[&2].len(), 5);
    assert!(!inboxes.taken.contains_key(&1));
    inboxes.full.clear();
    audience.resume(Duration::ZERO, 1, &mut |key, due| inboxes.take(key, due));
    assert_eq!(inboxes.taken[&1], [1, 2, 3, 4, 5]);
    assert_eq!(audience.first(), audience.next());
}

#[test]
fn a_recipient_too_far_behind_is_resynchronised_then_closed() {
    let mut audience = Audience::new(Seq(1), RingLimits { entries_max: 2, bytes_max: 100 });
    let mut inboxes = Inboxes::default();
    audience.join(1, start(1, 1));
    let mut item = 0;
    for round in 0..=RESYNCS_MAX {
        inboxes.full = vec![1];
        for _ in 0..4 {
            item += 1;
            audience.push(item, 1);
            inboxes.sweep(&mut audience, 100);
        }
        inboxes.full.clear();
        audience.resume(Duration::ZERO, 1, &mut |key, due| inboxes.take(key, due));
        let closed = round == RESYNCS_MAX;
        assert_eq!(inboxes.closed.len(), usize::from(closed));
        assert_eq!(audience.is_empty(), closed);
    }
    assert_eq!(inboxes.resyncs.len(), usize::from(RESYNCS_MAX));
}

#[test]
fn a_recipient_that_joins_again_is_not_resynchronised_more_often() {
    let mut audience = Audience::new(Seq(1), RingLimits { entries_max: 2, bytes_max: 100 });
    let mut inboxes = Inboxes::default();
    for round in 0..=u64::from(RESYNCS_MAX) {
        audience.join(1, start(1, 4 * round + 1));
        inboxes.full = vec![1];
        for item in 1..=4 {
            audience.push(4 * round + item, 1);
            inboxes.sweep(&mut audience, 100);
        }
        inboxes.full.clear();
        audience.resume(Duration::ZERO, 1, &mut |key, due| inboxes.take(key, due));
    }
    assert_eq!(inboxes.closed, [1]);
}

#[test]
fn a_recipient_that_takes_nothing_for_too_long_is_closed() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes { full: vec![1], ..Inboxes::default() };
    audience.join(1, start(1, 1));
    audience.join(2, start(2, 1));
    audience.push(1, 1);
    inboxes.sweep(&mut audience, 100);
    let almost = STALL_MAX.checked_sub(Duration::from_nanos(1)).unwrap();
    audience.close_stalled(almost, &mut |key, due| inboxes.take(key, due));
    assert!(inboxes.closed.is_empty());
    audience.close_stalled(STALL_MAX, &mut |key, due| inboxes.take(key, due));
    assert_eq!(inboxes.closed, [1]);
    assert_eq!(audience.len(), 1);
}

#[test]
fn a_recipient_that_takes_slowly_is_not_closed_as_stalled() {
    let mut audience = Audience::new(Seq(1), ROOMY);
    let mut inboxes = Inboxes { full: vec![1], ..Inboxes::default() };
    audience.join(1, start(1, 1));
    audience.push(1, 1);
    inboxes.sweep(&mut audience, 100);
    audience.still_taking(STALL_MAX / 2, 1);
    audience.close_stalled(STALL_MAX, &mut |key, due| inboxes.take(key, due));
    assert!(inboxes.closed.is_empty());
    audience.close_stalled(STALL_MAX * 3 / 2, &mut |key, due| inboxes.take(key, due));
    assert_eq!(inboxes.closed, [1]);
}

#[test]
fn a_late_joiner_is_handed_what_it_missed_first() {
    let mut audience = Audience::new(Seq(4), ROOMY);
    let mut inboxes = Inboxes::default();
    audience.join(1, start(1, 4));
    for item in [3, 2] {
        audience.push_older(item, 1);
    }
    audience.join(2, start(2, 2));
    audience.push(4, 1);
    inboxes.sweep(&mut audience, 100);
    assert_eq!(inboxes.taken[&1], [4]);
    assert_eq!(inboxes.taken[&2], [2, 3, 4]);
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Sweep(usize),
    Join(u8),
    Leave(u8),
    Block(u8),
    Unblock(u8),
    End(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        4 => (1_usize..5).prop_map(Step::Sweep),
        1 => (0_u8..6).prop_map(Step::Join),
        1 => (0_u8..6).prop_map(Step::Leave),
        1 => (0_u8..6).prop_map(Step::Block),
        2 => (0_u8..6).prop_map(Step::Unblock),
        1 => (0_u8..6).prop_map(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_recipient_gets_exactly_the_messages_of_its_span(steps in prop::collection::vec(step(), 1..200)) {
        let mut audience = Audience::new(Seq(1), ROOMY);
        let mut inboxes = Inboxes::default();
        let mut head = 0_u64;
        // Per present recipient, its first and last message.
        let mut spans: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Push => {
                    head += 1;
                    audience.push(head, 1);
                }
                Step::Sweep(budget) => {
                    inboxes.sweep(&mut audience, budget);
                }
                Step::Join(number) => {
                    inboxes.taken.insert(number, Vec::new());
                    audience.join(number, start(number, head + 1));
                    spans.insert(number, (head + 1, u64::MAX));
                }
                Step::Leave(number) => {
                    audience.leave(number);
                    spans.remove(&number);
                }
                Step::Block(number) => inboxes.full.push(number),
                Step::Unblock(number) => {
                    inboxes.full.retain(|full| *full != number);
                    audience.resume(Duration::ZERO, number, &mut |key, due| inboxes.take(key, due));
                }
                Step::End(number) => {
                    head += 1;
                    audience.end(device(number), Seq(head));
                    audience.push(head, 1);
                    if let Some(span) = spans.get_mut(&number) {
                        span.1 = span.1.min(head);
                    }
                }
            }
        }
        for number in std::mem::take(&mut inboxes.full) {
            audience.resume(Duration::ZERO, number, &mut |key, due| inboxes.take(key, due));
        }
        inboxes.sweep(&mut audience, 1_000);
        prop_assert!(!audience.is_sweeping());
        for (number, (first, last)) in spans {
            let span: Vec<u64> = (first..=last.min(head)).collect();
            prop_assert_eq!(inboxes.taken.get(&number), Some(&span), "recipient {}", number);
        }
        prop_assert_eq!(audience.first(), audience.next());
    }
}
