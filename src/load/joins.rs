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
    /// Of those who came in by a Welcome, by the class's place in the scenario: none for classes after
    /// the last that has any.
    pub classes: Vec<OfClass>,
}

/// What came of those who came into the groups of one class by a Welcome.
#[derive(Clone, Debug, Default)]
pub struct OfClass {
    /// KeyPackages that were claimed for them.
    pub key_packages: u64,
    /// Bytes of those, each an MLSMessage.
    pub key_package_bytes: u64,
    /// Welcomes that they got.
    pub welcomes: u64,
    /// Bytes of those, each an MLSMessage without the tree.
    pub welcome_bytes: u64,
    /// As [`Joins::welcome`].
    pub welcome: Series,
    /// As [`Joins::join`].
    pub join: Series,
}

impl Joins {
    /// Whether nobody came or went, or tried to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.let_in + self.gone + self.failed.count + self.claim.count() + self.fetch.count() == 0
    }

    /// A KeyPackage of so many bytes, asked for at `sent`, has come for a group of `class`.
    pub fn claimed(&mut self, class: u32, bytes: usize, sent: Duration, at: Duration) {
        self.claim.record(sent, at);
        let of = self.of(class);
        of.key_packages += 1;
        of.key_package_bytes += bytes as u64;
    }

    /// A device has its Welcome of so many bytes into a group of `class`; `due` is when its commit was
    /// due, if that is measured.
    pub fn welcomed(&mut self, class: u32, bytes: usize, due: Option<Duration>, at: Duration) {
        let of = self.of(class);
        of.welcomes += 1;
        of.welcome_bytes += bytes as u64;
        if let Some(due) = due {
            of.welcome.record(due, at);
            self.welcome.record(due, at);
        }
    }

    /// A device is in a group of `class`; `due` is when its commit was due, if that is measured.
    pub fn joined(&mut self, class: u32, due: Option<Duration>, by_itself: bool, at: Duration) {
        self.joined += 1;
        self.by_themselves += u64::from(by_itself);
        let Some(due) = due else { return };
        self.join.record(due, at);
        if !by_itself {
            self.of(class).join.record(due, at);
        }
    }

    fn of(&mut self, class: u32) -> &mut OfClass {
        let place = class as usize;
        if self.classes.len() <= place {
            self.classes.resize_with(place + 1, OfClass::default);
        }
        &mut self.classes[place]
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
        joins.joined(0, None, true, ms(5));
        joins.joined(0, Some(ms(10)), false, ms(30));
        assert_eq!((joins.joined, joins.by_themselves, joins.join.count()), (2, 1, 1));
        assert_eq!(joins.join.max_us() / 100, 200);
        assert!(!joins.is_empty());
    }

    #[test]
    fn a_welcome_counts_for_its_class_and_who_needs_none_for_no_class() {
        let ms = Duration::from_millis;
        let mut joins = Joins::default();
        joins.claimed(2, 300, ms(1), ms(3));
        joins.welcomed(2, 700, None, ms(4));
        joins.welcomed(2, 700, Some(ms(2)), ms(4));
        joins.joined(2, Some(ms(2)), false, ms(5));
        joins.joined(1, Some(ms(2)), true, ms(5));
        let told: Vec<_> = joins
            .classes
            .iter()
            .map(|of| (of.key_package_bytes, of.welcomes, of.welcome_bytes, of.join.count()))
            .collect();
        assert_eq!(told, [(0, 0, 0, 0), (0, 0, 0, 0), (300, 2, 1_400, 1)]);
        assert_eq!((joins.welcome.count(), joins.join.count(), joins.claim.count()), (1, 2, 1));
        assert_eq!(joins.classes[2].welcome.count(), 1);
    }
}
