//! When racers have to be looked at again, the earliest first.
//!
//! One instant for each racer at most. Pure. Owned by the worker.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::load::racers::Seat;

/// All of them.
#[derive(Debug, Default)]
pub(in crate::load::worker) struct Alarms {
    by_time: BTreeSet<(Duration, Seat)>,
    of: HashMap<Seat, Duration>,
}

impl Alarms {
    /// A racer is to be looked at then, or not at all; whatever was said before no longer counts.
    pub(in crate::load::worker) fn set(&mut self, seat: Seat, at: Option<Duration>) {
        let before = match at {
            Some(at) => self.of.insert(seat, at),
            None => self.of.remove(&seat),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, seat));
        }
        self.by_time.extend(at.map(|at| (at, seat)));
    }

    /// A racer whose time has come, which has none after that.
    pub(in crate::load::worker) fn due(&mut self, now: Duration) -> Option<Seat> {
        let (at, seat) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(seat, None);
        Some(seat)
    }

    /// The earliest of all.
    pub(in crate::load::worker) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_racer_rings_once_at_the_instant_said_last(
            said in prop::collection::vec(
                (0..3_u32, 0..4_u32, prop::option::of(0..50_u64)), 0..60),
        ) {
            let mut alarms = Alarms::default();
            let mut naive: HashMap<Seat, Duration> = HashMap::new();
            for (group, racer, at) in said {
                let at = at.map(Duration::from_millis);
                alarms.set((group, racer), at);
                naive.remove(&(group, racer));
                naive.extend(at.map(|at| ((group, racer), at)));
                prop_assert_eq!(alarms.next(), naive.values().min().copied());
            }
            let now = Duration::from_millis(25);
            let mut rung = Vec::new();
            while let Some(seat) = alarms.due(now) {
                rung.push(seat);
            }
            let mut expected: Vec<(Duration, Seat)> =
                naive.into_iter().map(|(seat, at)| (at, seat)).filter(|(at, _)| *at <= now).collect();
            expected.sort_unstable();
            let expected: Vec<Seat> = expected.into_iter().map(|(_, seat)| seat).collect();
            prop_assert_eq!(rung, expected);
        }
    }
}
