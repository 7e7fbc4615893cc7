//! The line of connections with something long to send.
//!
//! The first ones are active and send a train each, in turn; the others wait. One more becomes
//! active whenever none of the active can send and less than [`BULK_BYTES_DUE_MAX`] is on the way.
//! So the line is as busy as the paths allow, and those in front are done first. Holds numbers
//! only; one whose connection has left the line or ended may stay until its turn and then means
//! nothing. Called by the driver alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::BULK_BYTES_DUE_MAX;

/// How long a connection may take to have as much acknowledged as it has on the way, to be reckoned
/// with any longer. Who takes longer has a slow path, or a peer that is gone or means ill, and must
/// not hold up the others.
const PATIENCE: Duration = Duration::from_millis(500);

/// Numbers of connections, in the order of their turns.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<u32>,
    /// Active ones that can send.
    ready: VecDeque<u32>,
    /// Those with bytes on the way, with when to look whether they are overdue.
    watched: VecDeque<(Instant, u32)>,
    due: usize,
}

impl Line {
    /// A connection has something long to send.
    pub(super) fn join(&mut self, index: u32) {
        self.waiting.push_back(index);
    }

    /// An active connection can send.
    pub(super) fn queue(&mut self, index: u32) {
        self.ready.push_back(index);
    }

    /// The connection whose turn it is, and whether it has been waiting so far.
    pub(super) fn next(&mut self) -> Option<(u32, bool)> {
        if !self.has_room() {
            return None;
        }
        let ready = self.ready.pop_front().map(|index| (index, false));
        ready.or_else(|| self.waiting.pop_front().map(|index| (index, true)))
    }

    /// What a connection has on the way was `before` and is `after`.
    pub(super) fn reckon(&mut self, before: usize, after: usize) {
        self.due = self.due - before + after;
    }

    /// A connection has bytes on the way at `now`, which never goes back.
    pub(super) fn watch(&mut self, now: Instant, index: u32) {
        self.watched.push_back((now + PATIENCE, index));
    }

    /// A connection that was watched for long enough: it may be overdue.
    pub(super) fn doubtful(&mut self, now: Instant) -> Option<u32> {
        let (_, index) = self.watched.pop_front_if(|(at, _)| *at <= now)?;
        Some(index)
    }

    /// Whether anybody can send.
    pub(super) fn is_ready(&self) -> bool {
        self.has_room() && !(self.ready.is_empty() && self.waiting.is_empty())
    }

    /// When to look at the line again although nothing comes: somebody may be overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waited_for = !(self.has_room() || self.ready.is_empty() && self.waiting.is_empty());
        self.watched.front().filter(|_| waited_for).map(|(at, _)| *at)
    }

    /// Whether less is on the way than may be.
    pub(super) fn has_room(&self) -> bool {
        self.due < BULK_BYTES_DUE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn those_in_front_are_done_before_others_begin() {
        let mut line = Line::default();
        (0..3).for_each(|index| line.join(index));
        assert_eq!(line.next(), Some((0, true)));
        line.queue(0);
        assert_eq!(line.next(), Some((0, false)), "it goes on before the next one begins");
        assert_eq!(line.next(), Some((1, true)), "it cannot go on: the next one begins");
        line.queue(0);
        line.queue(1);
        assert_eq!(line.next(), Some((0, false)));
        assert_eq!(line.next(), Some((1, false)));
    }

    #[test]
    fn nobody_sends_while_as_much_is_on_the_way_as_may_be() {
        let mut line = Line::default();
        line.join(0);
        line.join(1);
        line.next();
        line.queue(0);
        line.reckon(0, BULK_BYTES_DUE_MAX);
        assert!(!line.is_ready());
        assert_eq!(line.next(), None);
        line.reckon(BULK_BYTES_DUE_MAX, BULK_BYTES_DUE_MAX - 1);
        assert!(line.is_ready());
        assert_eq!(line.next(), Some((0, false)));
    }

    #[test]
    fn who_has_had_bytes_on_the_way_for_long_is_looked_at_and_not_before() {
        let start = clock::now();
        let mut line = Line::default();
        line.join(0);
        line.watch(start, 7);
        assert_eq!(line.deadline(), None, "nobody waits for it");
        line.reckon(0, BULK_BYTES_DUE_MAX);
        assert_eq!(line.deadline(), Some(start + PATIENCE));
        let almost = start + PATIENCE - Duration::from_nanos(1);
        assert_eq!(line.doubtful(almost), None);
        assert_eq!(line.doubtful(start + PATIENCE), Some(7));
    }
}
