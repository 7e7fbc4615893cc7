//! What comes of those who join in the run, and of those who go: counts and times.
//!
//! Takes instants as arguments and reads no clock. Called by the worker; read by the report.

use std::time::Duration;

use super::noted::Noted;
use super::recorder::Series;

/// What came of those who came in.
#[derive(Clone, Debug, Default)]
pub struct Joins {
    /// Devices that a commit has let in.
    pub let_in: u64,
    /// Of them, those that have what lets them in, are attached and have their first message.
    pub joined: u64,
    /// Of those, the ones that came in by an external commit.
    pub by_themselves: u64,
    /// Members that a commit has removed, those that left among them.
    pub gone: u64,
    /// From the claim of a KeyPackage to the answer.
    pub claim: Series,
    /// From the fetch of a GroupInfo to the answer.
    pub fetch: Series,
    /// From when the commit was due to when the Welcome is with the device; measured ones.
    pub welcome: Series,
    /// From when the commit was due to when the device is attached and has its first message; measured
    /// ones.
    pub join: Series,
    /// What the service refused or got wrong on the way in.
    pub failed: Noted,
}

impl Joins {
    /// Whether nobody came or went, or tried to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.let_in + self.gone + self.failed.count + self.claim.count() + self.fetch.count() == 0
    }

    /// A device is in; `due` is when its commit was due, if that is measured.
    pub fn joined(&mut self, due: Option<Duration>, by_itself: bool, at: Duration) {
        self.joined += 1;
        self.by_themselves += u64::from(by_itself);
        if let Some(due) = due {
            self.join.record(due, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_measured_is_timed_and_everything_is_counted() {
        let mut joins = Joins::default();
        assert!(joins.is_empty());
        let ms = Duration::from_millis;
        joins.let_in = 2;
        joins.joined(None, true, ms(5));
        joins.joined(Some(ms(10)), false, ms(30));
        assert_eq!((joins.joined, joins.by_themselves, joins.join.count()), (2, 1, 1));
        assert_eq!(joins.join.max_us() / 100, 200);
        assert!(!joins.is_empty());
    }
}
