//! Devices on their way into a group, and members that a commit has removed.
//!
//! Holds what is known of each and decides nothing by itself; `coming` asks and tells. Everything is
//! looked up by session, one for each device of each group.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::delivery::Seq;
use crate::load::client::SessionNumber;
use crate::load::joins::Joins;
use crate::load::traffic::Plan;

/// One join of a device, as its tape has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The operation that lets the device in.
    pub(super) commit: usize,
    /// Whether it does that itself.
    pub(super) by_itself: bool,
    /// Where it stands.
    pub(super) ordered: Option<Seq>,
    pub(super) welcomed: bool,
    pub(super) attaching: bool,
    pub(super) attached: bool,
    pub(super) heard: bool,
}

/// A question on its way to the service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) operation: usize,
    pub(super) sent: Duration,
}

/// Everybody on the way.
#[derive(Debug, Default)]
pub(super) struct Comers {
    pub(super) joins: Joins,
    /// By device, its joins to come, the next one first.
    entries: HashMap<SessionNumber, VecDeque<Entry>>,
    /// The join that an operation asks for: an add, the proposal of one, or an external join.
    asks: HashMap<usize, usize>,
    /// Questions without an answer.
    pub(super) asked: HashMap<u64, Asked>,
    /// Operations that have been asked for, until they are sent.
    begun: HashSet<usize>,
    /// Of those, the ones that have got what they asked for.
    ready: HashSet<usize>,
    /// Questions to be asked again, and when: the next one on top.
    again: BinaryHeap<Reverse<(Duration, usize)>>,
    /// Commits whose roster change has been told to the oracle.
    told: HashSet<u64>,
    /// Members that are gone, until they have their last message.
    pub(super) gone: HashMap<SessionNumber, Seq>,
    under_way: usize,
}

impl Comers {
    /// Everybody who is to come in during the run of `plan`.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut comers = Self::default();
        let with_joins: HashSet<u32> = (0_u32..)
            .zip(&plan.traffic)
            .filter(|(_, traffic)| !traffic.joins().is_empty())
            .map(|(group, _)| group)
            .collect();
        if with_joins.is_empty() {
            return comers;
        }
        // Of each operation of such a group, its place in the schedule.
        let mut places: HashMap<(u32, u32), usize> = HashMap::new();
        for (place, operation) in plan.schedule.operations().iter().enumerate() {
            if with_joins.contains(&operation.group) {
                places.insert((operation.group, operation.index_in_group), place);
            }
        }
        for (index, group) in (0_u32..).zip(plan.population.groups()) {
            for (join, entry) in plan.traffic[index as usize].joins().iter().enumerate() {
                let commit = places[&(index, entry.commit)];
                let session = group.first_member + entry.member;
                comers.asks.insert(places[&(index, entry.asked)], join);
                comers.entries.entry(session).or_default().push_back(Entry {
                    commit,
                    by_itself: entry.key_package.is_empty(),
                    ordered: None,
                    welcomed: false,
                    attaching: false,
                    attached: false,
                    heard: false,
                });
            }
        }
        comers
    }

    /// The join that an operation asks for, by its place among those of its tape.
    pub(super) fn asks(&self, operation: usize) -> Option<usize> {
        self.asks.get(&operation).copied()
    }

    /// The next join of a device.
    pub(super) fn entry(&mut self, session: SessionNumber) -> Option<&mut Entry> {
        self.entries.get_mut(&session)?.front_mut()
    }

    /// Notes that an operation's question is asked; whether it had not been before.
    pub(super) fn begin(&mut self, operation: usize) -> bool {
        self.begun.insert(operation)
    }

    /// What an operation has asked for is there.
    pub(super) fn got(&mut self, operation: usize) {
        self.ready.insert(operation);
    }

    /// Whether an operation has what it asked for.
    pub(super) fn has(&self, operation: usize) -> bool {
        self.ready.contains(&operation)
    }

    /// A question is to be asked again at `at`.
    pub(super) fn put_off(&mut self, operation: usize, at: Duration) {
        self.again.push(Reverse((at, operation)));
    }

    /// When the next question is to be asked again. O(1): every turn of the worker asks.
    pub(super) fn next_again(&self) -> Option<Duration> {
        self.again.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the question that has waited longest of those that are to be asked again by `now`.
    pub(super) fn take_again(&mut self, now: Duration) -> Option<usize> {
        self.next_again().filter(|at| *at <= now)?;
        self.again.pop().map(|Reverse((_, operation))| operation)
    }

    /// Whether a commit's change is to be told; true once.
    pub(super) fn tell(&mut self, attempt: u64) -> bool {
        self.told.insert(attempt)
    }

    /// A device is let in at `seq`.
    pub(super) fn let_in(&mut self, session: SessionNumber, seq: Seq) {
        self.joins.let_in += 1;
        self.under_way += 1;
        if let Some(entry) = self.entry(session) {
            entry.ordered = Some(seq);
        }
    }

    /// The next join of a device, if it is now complete; it is then over.
    pub(super) fn complete(&mut self, session: SessionNumber) -> Option<Entry> {
        let entries = self.entries.get_mut(&session)?;
        let entry = *entries.front().filter(|entry| entry.attached && entry.heard)?;
        entries.pop_front();
        self.under_way -= 1;
        Some(entry)
    }

    /// Whether nobody is between the commit that lets it in and its first message.
    pub(super) fn is_still(&self) -> bool {
        self.under_way == 0
    }

    /// What came of it all; a question that nobody has answered has failed.
    pub(super) fn finish(mut self) -> Joins {
        let unanswered = self.asked.len();
        if unanswered > 0 {
            self.joins
                .failed
                .note(|| format!("{unanswered} KeyPackages and GroupInfos never came"));
        }
        self.joins
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_question_that_was_put_off_is_asked_once_when_it_is_due_the_earliest_first(
            turns in prop::collection::vec((prop::collection::vec(0_u64..50, 0..6), 0_u64..60), 1..20),
        ) {
            let (mut comers, mut waiting) = (Comers::default(), Vec::new());
            let mut operation = 0;
            for (put_off, now) in turns {
                for at in put_off.into_iter().map(Duration::from_millis) {
                    comers.put_off(operation, at);
                    waiting.push((at, operation));
                    operation += 1;
                }
                waiting.sort_unstable();
                prop_assert_eq!(comers.next_again(), waiting.first().map(|(at, _)| *at));
                let now = Duration::from_millis(now);
                let due = waiting.partition_point(|(at, _)| *at <= now);
                for (_, expected) in waiting.drain(..due) {
                    prop_assert_eq!(comers.take_again(now), Some(expected));
                }
                prop_assert_eq!(comers.take_again(now), None);
            }
        }
    }
}
