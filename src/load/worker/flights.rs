//! Submissions on their way: sent, and not answered yet.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::load::recorder::Due;

/// A submission on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) due: Due,
    pub(super) sent: Duration,
    pub(super) group: u32,
    /// The member that submitted it.
    pub(super) sender: u32,
}

/// All of them, the oldest first in line to be given up.
#[derive(Debug)]
pub(super) struct Flights {
    open: HashMap<u64, Flight>,
    by_age: VecDeque<(Duration, u64)>,
    patience: Duration,
}

impl Flights {
    pub(super) fn new(patience: Duration) -> Self {
        Self { open: HashMap::new(), by_age: VecDeque::new(), patience }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn leave(&mut self, attempt: u64, flight: Flight) {
        self.by_age.push_back((flight.sent + self.patience, attempt));
        self.open.insert(attempt, flight);
    }

    /// The answer has come.
    pub(super) fn land(&mut self, attempt: u64) -> Option<Flight> {
        self.open.remove(&attempt)
    }

    /// One that has been on its way for too long.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<(u64, Flight)> {
        while let Some((deadline, attempt)) = self.by_age.front().copied() {
            if deadline > now {
                return None;
            }
            self.by_age.pop_front();
            if let Some(flight) = self.open.remove(&attempt) {
                return Some((attempt, flight));
            }
        }
        None
    }

    /// Those still on their way, which are so no longer.
    pub(super) fn all(&mut self) -> Vec<(u64, Flight)> {
        self.open.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(sent: u64) -> Flight {
        let due = Due { class: 0, intended: Duration::ZERO, measured: true };
        Flight { due, sent: Duration::from_secs(sent), group: 0, sender: 0 }
    }

    #[test]
    fn a_flight_is_overdue_after_its_patience_unless_it_has_landed() {
        let mut flights = Flights::new(Duration::from_secs(10));
        for attempt in 0..3 {
            flights.leave(attempt, flight(attempt));
        }
        assert!(flights.land(1).is_some());
        assert!(flights.overdue(Duration::from_millis(9_999)).is_none());
        assert_eq!(flights.overdue(Duration::from_secs(30)).unwrap().0, 0);
        assert_eq!(flights.overdue(Duration::from_secs(30)).unwrap().0, 2);
        assert!(flights.overdue(Duration::from_secs(30)).is_none());
        assert_eq!(flights.len(), 0);
    }
}
