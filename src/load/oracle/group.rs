//! What the oracle holds of one group: its members' cursors and the messages still under way.
//!
//! The table starts at the first message that somebody still lacks; what everybody has is
//! forgotten. Never grows past what was submitted, whatever sequence numbers a service names.
//! Called by the oracle only.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::violations::{Example, ViolationKind};
use crate::limits::SKIPS_REMEMBERED_MAX;

/// One group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) members: Vec<Member>,
    pub(super) entries: VecDeque<Slot>,
    /// Sequence number of the first of `entries`.
    pub(super) base: u64,
    /// The highest sequence number that was accepted or delivered.
    pub(super) head: u64,
    /// The highest sequence number that a correct service can have reached.
    pub(super) reachable: u64,
    pub(super) epochs: HashMap<u64, EpochFact>,
    /// The highest epoch that a loser was told.
    pub(super) told_current: Option<u64>,
    /// Deliveries that members were made to skip and may still get late.
    pub(super) skipped: HashSet<(u32, u64)>,
    /// Skips beyond what is remembered.
    pub(super) skips_forgotten: u64,
    roster: u32,
    /// Members of the roster that are away.
    pub(super) absent: u32,
    /// Members whose sessions the service has ended.
    pub(super) cut_off: HashSet<u32>,
    /// Where the roster grew (true) or shrank, from that sequence number on.
    changes: Vec<(u64, bool)>,
}

/// One member: where it is, and from where to where it belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) next: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Folded from everything it got; `None` after a violation, until it is given a new start.
    pub(super) chain: Option<u64>,
    /// Messages from here on count it as present; `u64::MAX` while it is away.
    pub(super) present_from: u64,
}

/// One place in the group's order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// The attempt that has this place, once a reply or a delivery said so.
    pub(super) attempt: Option<u64>,
    pub(super) digest: u64,
    pub(super) intended: Duration,
    pub(super) measured: bool,
    pub(super) expected: u32,
    pub(super) delivered: u32,
    /// Of the expected, those by members that were present when the message was first heard of and
    /// have not gone since without it.
    pub(super) awaited: u32,
    /// Of the awaited, those that have come.
    pub(super) came: u32,
    /// It has been said that 99 % of the awaited have come, and that all have.
    pub(super) told: (bool, bool),
    /// The chain of whoever got this far first.
    pub(super) chain: Option<u64>,
}

/// What is known of one epoch of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EpochFact {
    /// The place of the commit that closed it.
    pub(super) winner: Option<u64>,
    /// The place that its first loser was told.
    pub(super) told: Option<u64>,
    /// How many losers were told that place.
    pub(super) losers: u64,
}

/// What a sequence number means to the member that it was delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is a delivery; `late` when it fills a hole.
    Taken,
    /// It is none.
    Refused,
}

impl Group {
    pub(super) fn new(members: u32, first: u64) -> Self {
        let first = first.max(1);
        let start =
            Member { next: first, first, last: u64::MAX, chain: Some(0), present_from: first };
        Self {
            members: vec![start; usize::try_from(members).unwrap_or_default()],
            base: first,
            head: first - 1,
            reachable: first - 1,
            roster: members,
            ..Self::default()
        }
    }

    /// Moves the cursor of `member` over `seq`, and says what is wrong with that.
    pub(super) fn arrive(&mut self, member: u32, seq: u64) -> (Arrival, Option<Example>) {
        let Some(found) = self.member_mut(member) else {
            let example = Example::new(ViolationKind::Foreign, "delivered to a stranger");
            return (Arrival::Refused, Some(example));
        };
        if seq < found.first || seq > found.last {
            let example = Example::new(ViolationKind::Foreign, "delivered outside membership");
            return (Arrival::Refused, Some(example));
        }
        let next = found.next;
        if seq > self.reachable {
            let example = Example::new(ViolationKind::Gap, "beyond all that was submitted");
            return (Arrival::Refused, Some(example));
        }
        if seq < next {
            let late = self.skipped.remove(&(member, seq));
            return if late {
                let example = Example::new(ViolationKind::Reordered, "came after a later one");
                (Arrival::Taken, Some(example))
            } else {
                let example = Example::new(ViolationKind::Duplicate, "delivered again");
                (Arrival::Refused, Some(example))
            };
        }
        self.head = self.head.max(seq);
        let gap = self.skip_to(member, seq);
        if let Some(found) = self.member_mut(member) {
            found.next = seq + 1;
        }
        (Arrival::Taken, gap)
    }

    /// Whether `member` was present when the message at `seq` was first heard of.
    pub(super) fn is_present(&self, member: u32, seq: u64) -> bool {
        let found = self.members.get(member as usize);
        found.is_some_and(|found| seq >= found.present_from)
    }

    /// Makes `member` skip everything before `seq`.
    pub(super) fn skip_to(&mut self, member: u32, seq: u64) -> Option<Example> {
        let found = self.member_mut(member)?;
        let next = found.next;
        if seq <= next {
            return None;
        }
        found.next = seq;
        found.chain = None;
        for hole in next..seq {
            if self.skipped.len() < SKIPS_REMEMBERED_MAX {
                self.skipped.insert((member, hole));
            } else {
                self.skips_forgotten += 1;
            }
        }
        Some(Example::new(ViolationKind::Gap, "skipped ahead"))
    }

    /// The slot of `seq`; `None` when everybody has it, or nobody can.
    pub(super) fn slot(&mut self, seq: u64) -> Option<&mut Slot> {
        if seq < self.base || seq > self.reachable {
            return None;
        }
        let index = usize::try_from(seq - self.base).ok()?;
        while self.entries.len() <= index {
            let grown = self.base + u64::try_from(self.entries.len()).ok()?;
            let expected = self.roster_at(grown);
            let awaited = expected.saturating_sub(self.absent);
            self.entries.push_back(Slot { expected, awaited, ..Slot::default() });
        }
        self.entries.get_mut(index)
    }

    /// Forgets the messages that everybody has, and names their attempts to `forgotten`.
    pub(super) fn forget_complete(&mut self, mut forgotten: impl FnMut(u64)) {
        while let Some(front) = self.entries.front() {
            let known = front.attempt.is_some() || front.delivered > 0;
            if !known || front.delivered < front.expected {
                break;
            }
            if let Some(attempt) = front.attempt {
                forgotten(attempt);
            }
            self.entries.pop_front();
            self.base += 1;
        }
    }

    /// `member` belongs from `first` on.
    pub(super) fn join(&mut self, member: u32, first: u64) {
        let index = usize::try_from(member).unwrap_or_default();
        let start = Member { next: first, first, last: u64::MAX, chain: None, present_from: first };
        let nobody = Member { next: 1, first: 1, last: 0, chain: None, present_from: 1 };
        if self.members.len() <= index {
            self.members.resize(index + 1, nobody);
        }
        self.members[index] = start;
        self.change(first, true, true);
    }

    /// `member` belongs up to `last`. Returns how many deliveries it got beyond that.
    pub(super) fn leave(&mut self, member: u32, last: u64) -> u64 {
        let Some(found) = self.member_mut(member) else { return 0 };
        let beyond = found.next.saturating_sub(last.saturating_add(1));
        found.last = last;
        let was_present = found.present_from != u64::MAX;
        found.present_from = found.present_from.min(last);
        self.absent -= u32::from(!was_present);
        self.change(last.saturating_add(1), false, was_present);
        beyond
    }

    fn member_mut(&mut self, member: u32) -> Option<&mut Member> {
        self.members.get_mut(usize::try_from(member).ok()?)
    }

    /// The roster changes by one from `from` on, whose deliveries are awaited or not.
    fn change(&mut self, from: u64, grows: bool, awaited: bool) {
        let step = |count: u32| {
            if grows { count.saturating_add(1) } else { count.saturating_sub(1) }
        };
        self.roster = step(self.roster);
        self.changes.push((from, grows));
        for (seq, slot) in (self.base..).zip(&mut self.entries) {
            if seq >= from {
                slot.expected = step(slot.expected);
                if awaited {
                    slot.awaited = step(slot.awaited);
                }
            }
        }
    }

    /// How many members a message at `seq` goes to: today's roster, less what changed after it.
    fn roster_at(&self, seq: u64) -> u32 {
        let later = self.changes.iter().rev().filter(|(from, _)| *from > seq);
        later.fold(self.roster, |roster, (_, grew)| {
            if *grew { roster.saturating_sub(1) } else { roster.saturating_add(1) }
        })
    }
}

/// The next link of a chain: depends on all links before it, in order.
pub(super) fn link(chain: u64, attempt: u64, digest: u64) -> u64 {
    let mixed = (chain ^ attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    (mixed ^ digest).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_never_grows_past_what_was_submitted() {
        let mut group = Group::new(2, 1);
        group.reachable = 3;
        assert!(group.slot(u64::MAX).is_none());
        assert!(group.slot(4).is_none());
        let (arrival, example) = group.arrive(0, u64::MAX);
        assert_eq!((arrival, example.unwrap().kind), (Arrival::Refused, ViolationKind::Gap));
        assert!(group.slot(3).is_some());
        assert_eq!(group.entries.len(), 3);
    }

    #[test]
    fn a_message_goes_to_the_roster_of_its_place() {
        let mut group = Group::new(3, 1);
        group.reachable = 20;
        assert_eq!(group.slot(8).unwrap().expected, 3);
        group.join(3, 6);
        group.leave(0, 7);
        let expected: Vec<u32> = (1..=10).map(|seq| group.slot(seq).unwrap().expected).collect();
        assert_eq!(expected, [3, 3, 3, 3, 3, 4, 4, 3, 3, 3]);
    }

    #[test]
    fn a_chain_depends_on_the_order_of_its_links() {
        let forward = link(link(0, 1, 7), 2, 7);
        let backward = link(link(0, 2, 7), 1, 7);
        assert_ne!(forward, backward);
        assert_ne!(link(0, 1, 7), link(0, 1, 8));
    }
}
