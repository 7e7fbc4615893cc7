//! A side that reads slowly: how much it may take when, and who is to be looked at again.
//!
//! What is not read stays in the transport, whose window is then closed: the service has to wait, as it
//! does for a phone on a bad line. Takes `now` and reads no clock. Called by the client.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::limits::SLOW_GRAIN;

/// So many bytes a second, a grain at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    bytes_per_second: u32,
    /// When the last grain is paid for, and the next may be taken.
    pub(super) next: Instant,
}

impl Throttle {
    pub(super) fn new(bytes_per_second: u32, now: Instant) -> Self {
        Self { bytes_per_second, next: now }
    }

    /// How many bytes may be taken now.
    pub(super) fn room(&self, now: Instant) -> usize {
        if now < self.next {
            return 0;
        }
        let grain = u128::from(self.bytes_per_second) * SLOW_GRAIN.as_nanos() / 1_000_000_000;
        usize::try_from(grain).unwrap_or(usize::MAX).max(1)
    }

    /// So many were taken. Who comes late catches up by a grain, so that the rate is kept, and by no
    /// more: what was not there to be read is not read faster later.
    pub(super) fn took(&mut self, now: Instant, bytes: usize) {
        let earliest = now.checked_sub(SLOW_GRAIN).unwrap_or(now);
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next = self.next.max(earliest) + cost;
    }
}

/// Connections on which something is left unread, by when they may read on. At most one entry for each,
/// and none after that instant.
#[derive(Debug, Default)]
pub(super) struct Held {
    waiting: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Held {
    pub(super) fn add(&mut self, until: Instant, connection: u32) {
        self.waiting.push(Reverse((until, connection)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((until, _))| *until)
    }

    /// One that may read on by now.
    pub(super) fn due(&mut self, now: Instant) -> Option<u32> {
        self.next().filter(|until| *until <= now)?;
        self.waiting.pop().map(|Reverse((_, connection))| connection)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    proptest! {
        #[test]
        fn whoever_looks_in_time_reads_at_its_rate_and_nobody_ever_reads_faster(
            rate in 1_024_u32..100_000, waits in prop::collection::vec(0_u64..250, 1..100),
        ) {
            let start = clock::now();
            let mut throttle = Throttle::new(rate, start);
            let grain = throttle.room(start);
            let (mut now, mut taken, mut missed) = (start, 0_usize, Duration::ZERO);
            for wait in waits {
                let wait = Duration::from_millis(wait);
                // Looked at twice at one instant, it gives nothing more than its grain.
                let late = now.saturating_duration_since(throttle.next);
                missed += late.saturating_sub(SLOW_GRAIN);
                let room = throttle.room(now);
                prop_assert!(room == 0 || room == grain);
                throttle.took(now, room);
                taken += room;
                now += wait;
            }
            let allowed = f64::from(rate) * (now - start).as_secs_f64();
            prop_assert!(taken as f64 <= allowed + 2.0 * grain as f64, "{taken} of {allowed}");
            let owed = f64::from(rate) * (now - start).saturating_sub(missed).as_secs_f64();
            let late = f64::from(rate) * 0.25 + grain as f64;
            prop_assert!(taken as f64 + late >= owed * 0.99 - 1.0, "{taken} of {owed}");
        }
    }

    #[test]
    fn nothing_is_held_longer_than_it_has_to_be() {
        let start = clock::now();
        let mut held = Held::default();
        for (millis, connection) in [(30, 3), (10, 1), (20, 2)] {
            held.add(start + Duration::from_millis(millis), connection);
        }
        assert_eq!(held.next(), Some(start + Duration::from_millis(10)));
        assert_eq!(held.due(start), None);
        let later = start + Duration::from_millis(20);
        let due: Vec<u32> = std::iter::from_fn(|| held.due(later)).collect();
        assert_eq!(due, [1, 2]);
        assert_eq!(held.next(), Some(start + Duration::from_millis(30)));
    }
}
