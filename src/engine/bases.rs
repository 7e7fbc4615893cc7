//! Where in the log each group and device begins, and when to begin some of them anew.
//!
//! A group needs the log from its creation or its latest checkpoint on, a device likewise. When the
//! log has grown beyond its target, those that begin earliest are written again, at the end, as
//! checkpoints; what nobody needs then is released. Only so much is written for checkpoints as
//! has been appended since, so that the work is spread and its share of the disk's is bounded.
//! Called by [`super::Engine`]; knows neither a group's state nor the log's files.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use crate::delivery::joining::Record;
use crate::delivery::{DeviceId, GroupId};
use crate::limits::CHECKPOINT_SHARE;
use crate::log::Position;

/// What the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A group.
    Group(GroupId),
    /// A device's KeyPackages and Welcomes.
    Device(DeviceId),
}

/// Where each group and device begins.
#[derive(Debug, Default)]
pub(super) struct Bases {
    of: HashMap<Subject, Position, RandomState>,
    /// By position, for positions only grow; some are out of date.
    order: VecDeque<(Position, Subject)>,
    /// Bytes that checkpoints may still take.
    credit: u64,
    /// What may be released once the log is durable up to the first of the two.
    due: Option<(Position, Position)>,
}

impl Bases {
    /// The subject begins at `position` from now on.
    pub(super) fn set(&mut self, subject: Subject, position: Position) {
        self.of.insert(subject, position);
        self.order.push_back((position, subject));
    }

    /// The subject begins at `position`, if it has not begun.
    fn begin(&mut self, subject: Subject, position: Position) {
        if !self.of.contains_key(&subject) {
            self.set(subject, position);
        }
    }

    /// A change of devices' state is logged at `position`: they begin there if they have not begun.
    pub(super) fn begin_of(&mut self, record: &Record, position: Position) {
        match record {
            Record::Published { device, .. }
            | Record::Claimed { device, .. }
            | Record::Collected { device, .. } => self.begin(Subject::Device(*device), position),
            Record::Deposited(deposit) => {
                for joiner in &deposit.joiners {
                    self.begin(Subject::Device(joiner.device), position);
                }
            }
            // The group began before.
            Record::Released { .. } => {}
        }
    }

    /// The subject is gone.
    pub(super) fn remove(&mut self, subject: &Subject) {
        self.of.remove(subject);
    }

    /// So many bytes were appended, other than checkpoints.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_add(CHECKPOINT_SHARE * bytes as u64);
    }

    /// So many bytes were appended as a checkpoint.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes as u64);
    }

    /// Forgets what was earned while the log was small: nothing is saved up.
    pub(super) fn forfeit(&mut self) {
        self.credit = 0;
    }

    /// What begins earliest, if a checkpoint can be afforded.
    pub(super) fn next(&mut self) -> Option<Subject> {
        if self.credit == 0 {
            return None;
        }
        self.drop_outdated();
        self.order.front().map(|(_, subject)| *subject)
    }

    /// Nothing before the earliest begin is needed, once the log is durable up to `appended`,
    /// where the latest checkpoint is. Waits for what was noted before.
    pub(super) fn note(&mut self, appended: Position) {
        if self.due.is_none() {
            self.drop_outdated();
            let oldest = self.order.front().map_or(appended, |(position, _)| *position);
            self.due = Some((appended, oldest));
        }
    }

    /// What may be released now, told once.
    pub(super) fn releasable(&mut self, durable: Position) -> Option<Position> {
        let (after, below) = self.due?;
        (durable >= after).then(|| {
            self.due = None;
            below
        })
    }

    fn drop_outdated(&mut self) {
        while let Some((position, subject)) = self.order.front() {
            if self.of.get(subject) == Some(position) {
                break;
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u8) -> Subject {
        Subject::Group(GroupId::new(&[number]).unwrap())
    }

    #[test]
    fn the_group_that_begins_earliest_is_written_again_first_and_only_for_what_was_earned() {
        let mut bases = Bases::default();
        for number in 1..=3 {
            bases.set(group(number), Position(number.into()));
        }
        assert_eq!(bases.next(), None, "nothing was earned");
        bases.earn(10);
        assert_eq!(bases.next(), Some(group(1)));
        bases.set(group(1), Position(4));
        assert_eq!(bases.next(), Some(group(2)));
        bases.remove(&group(2));
        assert_eq!(bases.next(), Some(group(3)));
        bases.spend(1_000);
        assert_eq!(bases.next(), None);
    }

    #[test]
    fn nothing_is_released_before_what_replaces_it_is_durable() {
        let mut bases = Bases::default();
        bases.set(group(1), Position(1));
        bases.set(group(2), Position(7));
        bases.set(group(1), Position(9));
        bases.note(Position(9));
        assert_eq!(bases.releasable(Position(8)), None);
        assert_eq!(bases.releasable(Position(9)), Some(Position(7)));
        assert_eq!(bases.releasable(Position(99)), None, "it is told once");
    }
}
