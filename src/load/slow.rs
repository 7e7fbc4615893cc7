//! Members that read slowly: which, how slowly, and what came of them.
//!
//! A phone on a bad line takes so many bytes a second and no more; its stack grants the service a small
//! window, and the service has to wait for room in it. Nobody else should feel any of that. Takes
//! instants as arguments and reads no clock. Called by `scenario`, which parses it, by the worker,
//! and by the report.

use std::time::Duration;

use serde::Deserialize;

use super::part::Part;
use super::recorder::Series;
use crate::delivery::Seq;
use crate::limits::{LATE_DELIVERY, SLOW_SPEED_MIN, SLOW_WINDOW_BYTES};
use crate::units::{Payload, Share, Speed};

/// Members of a class that read slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Slow {
    /// Which of each group.
    pub part: Part,
    /// Bytes of deliveries that each reads in a second, with their frames, until the load ends.
    pub bytes_per_second: u32,
    /// Bytes of deliveries that each lets the service send before they are read.
    pub window: u32,
    /// Whether they may be told to go on without what they are behind with, and be closed for it.
    pub may_resync: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    members: Share,
    before: Option<Share>,
    rate: Speed<SLOW_SPEED_MIN>,
    window: Option<Payload>,
    may_resync: Option<bool>,
}

impl From<Written> for Slow {
    fn from(written: Written) -> Self {
        Self {
            part: Part { members: written.members, before: written.before.unwrap_or_default() },
            bytes_per_second: written.rate.per_second(),
            window: written.window.map_or(SLOW_WINDOW_BYTES, Payload::bytes),
            may_resync: written.may_resync.unwrap_or(false),
        }
    }
}

/// What came of the slow members of one class.
#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// How many they are.
    pub members: u64,
    /// From the intended instant to each of them that has the message, of what was measured.
    pub delay: Series,
    /// Of those deliveries, the ones that took longer than [`LATE_DELIVERY`].
    pub late: u64,
    /// Most messages that one was behind its group.
    pub behind_max: u64,
    /// Times that one was told to go on without what it was behind with.
    pub resyncs: u64,
    /// Of them, those that the service closed because they were too slow.
    pub closed: u64,
}

impl Lag {
    /// One of them, which had got as far as `seen`, hears something, while the last message of its
    /// group that anybody knows of is `head`.
    pub fn heard(&mut self, seen: Seq, head: Seq) {
        self.behind_max = self.behind_max.max(head.0.saturating_sub(seen.0));
    }

    /// What was due at `intended` and is measured has reached one of them at `at`.
    pub fn delivered(&mut self, intended: Duration, at: Duration) {
        self.delay.record(intended, at);
        self.late += u64::from(at.saturating_sub(intended) > LATE_DELIVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_knows_the_most_messages_that_one_was_behind_and_what_came_late() {
        let ms = Duration::from_millis;
        let mut lag = Lag::default();
        for (seen, head) in [(3, 3), (4, 9), (8, 9), (12, 9)] {
            lag.heard(Seq(seen), Seq(head));
        }
        assert_eq!(lag.behind_max, 5);
        lag.delivered(ms(100), ms(100) + LATE_DELIVERY);
        lag.delivered(ms(100), ms(101) + LATE_DELIVERY);
        lag.delivered(ms(100), ms(50));
        assert_eq!((lag.delay.count(), lag.late), (3, 1));
    }
}
