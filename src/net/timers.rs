//! When which connection wants to be woken: one heap, about one entry a connection.
//!
//! A connection's deadline mostly moves later, with every packet. So its entry stays where it is
//! and, when it comes up early, is put back at the present deadline; only a deadline that moves
//! *earlier* adds an entry. Pure but for the type of its instants.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// The pending deadlines of numbered connections.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Per connection, the earliest entry in the heap that stands for it.
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// Connection `index` wants to be woken at `deadline`, or not at all.
    pub(super) fn set(&mut self, index: u32, deadline: Option<Instant>) {
        let slot = self.slot(index);
        let Some(deadline) = deadline else { return };
        if slot.is_none_or(|armed| deadline < armed) {
            *slot = Some(deadline);
            self.heap.push(Reverse((deadline, index)));
        }
    }

    /// Forgets connection `index`; its number may be used again.
    pub(super) fn clear(&mut self, index: u32) {
        *self.slot(index) = None;
    }

    /// A connection whose entry is due. The caller asks it for its real deadline and either fires
    /// it or [`Self::set`]s it anew.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        while let Some(Reverse((deadline, index))) = self.heap.peek().copied() {
            if deadline > now {
                return None;
            }
            self.heap.pop();
            let slot = self.slot(index);
            if *slot == Some(deadline) {
                *slot = None;
                return Some(index);
            }
        }
        None
    }

    /// No connection is due before this instant.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    fn slot(&mut self, index: u32) -> &mut Option<Instant> {
        let index = index as usize;
        if self.armed.len() <= index {
            self.armed.resize(index + 1, None);
        }
        &mut self.armed[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    use crate::clock;

    #[test]
    fn a_deadline_that_moves_later_adds_no_entry() {
        let start = clock::now();
        let mut timers = Timers::default();
        for later in 0..1_000 {
            timers.set(7, Some(start + Duration::from_millis(later)));
        }
        assert_eq!(timers.heap.len(), 1);
    }

    proptest! {
        #[test]
        fn a_connection_is_never_woken_later_than_its_earliest_deadline(
            sets in prop::collection::vec((0_u32..8, 0_u64..100), 1..100)
        ) {
            let start = clock::now();
            let at = |ms| start + Duration::from_millis(ms);
            let mut timers = Timers::default();
            let mut real: Vec<Option<u64>> = vec![None; 8];
            for (index, deadline) in sets {
                timers.set(index, Some(at(deadline)));
                real[index as usize] = Some(deadline);
            }
            for instant in 0..=100 {
                while let Some(index) = timers.pop_due(at(instant)) {
                    match real[index as usize] {
                        Some(deadline) if deadline > instant => timers.set(index, Some(at(deadline))),
                        _ => real[index as usize] = None,
                    }
                }
                prop_assert!(real.iter().flatten().all(|deadline| *deadline > instant));
            }
        }
    }
}
