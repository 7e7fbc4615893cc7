//! A live group's race: which racers want a commit, and what each has prepared.
//!
//! Every race operation makes each racer want one commit. A racer submits as soon as it wants one
//! and has one prepared for the epoch it is in; when it loses, it rebases and retries at once. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::delivery::Epoch;
use crate::limits::RACE_ATTEMPTS_MAX;
use crate::load::recorder::Due;

/// A commit that a racer has to bring through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) due: Due,
    /// The attempt it will be, or is.
    pub(super) attempt: u64,
    /// When it was due, or last lost.
    pub(super) since: Duration,
    tries: u32,
}

#[derive(Debug, Default)]
struct Racer {
    wants: VecDeque<Want>,
    prepared: Option<(Epoch, Bytes)>,
    /// What is in flight: as good as before if it is put off, unless the epoch is over.
    sent: Option<(Epoch, Bytes)>,
    in_flight: bool,
    /// It has been told to wait until then.
    not_before: Duration,
}

/// The racers of one group.
#[derive(Debug)]
pub(super) struct Race {
    racers: Vec<Racer>,
}

impl Race {
    pub(super) fn new(racers: u32) -> Self {
        Self { racers: (0..racers).map(|_| Racer::default()).collect() }
    }

    pub(super) fn racers(&self) -> u32 {
        u32::try_from(self.racers.len()).unwrap_or(u32::MAX)
    }

    /// A racer wants one more commit.
    pub(super) fn want(&mut self, racer: u32, due: Due, attempt: u64) {
        self.racers[racer as usize].wants.push_back(Want {
            due,
            attempt,
            since: due.intended,
            tries: 1,
        });
    }

    /// A racer has prepared a commit; an earlier one is of an epoch that is over.
    pub(super) fn prepared(&mut self, racer: u32, epoch: Epoch, body: Bytes) {
        if let Some(racer) = self.racers.get_mut(racer as usize) {
            racer.prepared = Some((epoch, body));
        }
    }

    /// What a racer can submit at `now`, if it wants to and has something; it is then in flight.
    pub(super) fn start(&mut self, racer: u32, now: Duration) -> Option<(Want, Epoch, Bytes)> {
        let racer = &mut self.racers[racer as usize];
        if racer.in_flight || now < racer.not_before {
            return None;
        }
        let want = *racer.wants.front()?;
        let (epoch, body) = racer.prepared.take()?;
        racer.sent = Some((epoch, body.clone()));
        racer.in_flight = true;
        Some((want, epoch, body))
    }

    /// A racer's commit has won, or is given up.
    pub(super) fn settle(&mut self, racer: u32) {
        let racer = &mut self.racers[racer as usize];
        racer.in_flight = false;
        racer.wants.pop_front();
    }

    /// A racer's commit has lost at `at`; it will try again as `attempt`, or has tried often enough.
    pub(super) fn retry(&mut self, racer: u32, attempt: u64, at: Duration) -> bool {
        let racer = &mut self.racers[racer as usize];
        racer.in_flight = false;
        let Some(want) = racer.wants.front_mut() else { return false };
        if want.tries >= RACE_ATTEMPTS_MAX {
            racer.wants.pop_front();
            return false;
        }
        want.tries += 1;
        want.attempt = attempt;
        want.since = at;
        true
    }

    /// A racer's commit was not taken, because others come first: it is as good `until` then,
    /// unless another is prepared meanwhile.
    pub(super) fn put_off(&mut self, racer: u32, until: Duration) {
        let racer = &mut self.racers[racer as usize];
        racer.not_before = until;
        if racer.prepared.is_none() {
            racer.prepared = racer.sent.take();
        }
    }

    /// When a racer that has been put off may come again, and has something to bring.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waits = |racer: &&Racer| {
            !racer.in_flight && racer.prepared.is_some() && !racer.wants.is_empty()
        };
        self.racers.iter().filter(waits).map(|racer| racer.not_before).min()
    }

    pub(super) fn wants_anything(&self) -> bool {
        self.racers.iter().any(|racer| !racer.wants.is_empty())
    }

    /// Everything wanted that is not on its way.
    pub(super) fn not_started(&mut self) -> Vec<Want> {
        let mut left = Vec::new();
        for racer in &mut self.racers {
            let on_its_way = usize::from(racer.in_flight);
            left.extend(racer.wants.drain(on_its_way.min(racer.wants.len())..));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Due = Due { class: 0, intended: Duration::ZERO, measured: true };

    fn commit() -> Bytes {
        Bytes::from_static(b"commit")
    }

    #[test]
    fn a_racer_starts_once_it_wants_and_has_prepared_and_not_twice() {
        let mut race = Race::new(2);
        race.want(0, DUE, 7);
        assert!(race.start(0, Duration::ZERO).is_none(), "nothing prepared");
        race.prepared(0, Epoch(1), commit());
        assert_eq!(race.start(0, Duration::ZERO).unwrap().0.attempt, 7);
        race.want(0, DUE, 8);
        race.prepared(0, Epoch(2), commit());
        assert!(race.start(0, Duration::ZERO).is_none(), "one at a time");
        race.settle(0);
        assert_eq!(race.start(0, Duration::ZERO).unwrap().0.attempt, 8);
        assert!(race.start(1, Duration::ZERO).is_none(), "the other wants nothing");
    }

    #[test]
    fn a_loser_keeps_its_want_and_its_due_instant_under_a_new_attempt() {
        let mut race = Race::new(1);
        race.want(0, DUE, 7);
        race.prepared(0, Epoch(1), commit());
        race.start(0, Duration::ZERO).unwrap();
        assert!(race.retry(0, 9, Duration::from_secs(4)));
        race.prepared(0, Epoch(2), commit());
        let (want, epoch, _) = race.start(0, Duration::ZERO).unwrap();
        assert_eq!((want.attempt, want.due, epoch), (9, DUE, Epoch(2)));
        assert_eq!(want.since, Duration::from_secs(4));
    }

    #[test]
    fn a_racer_that_is_put_off_brings_the_same_commit_later_or_a_newer_one() {
        let mut race = Race::new(1);
        race.want(0, DUE, 7);
        race.prepared(0, Epoch(1), commit());
        let later = Duration::from_millis(250);
        for _ in 0..2 {
            race.start(0, later).unwrap();
            assert!(race.retry(0, 8, Duration::ZERO));
            race.put_off(0, later);
            assert!(race.start(0, Duration::ZERO).is_none(), "it waits");
            assert_eq!(race.deadline(), Some(later));
        }
        let (want, epoch, body) = race.start(0, later).unwrap();
        assert_eq!((want.attempt, epoch, body), (8, Epoch(1), commit()));
        assert!(race.retry(0, 9, Duration::ZERO));
        race.prepared(0, Epoch(2), commit());
        race.put_off(0, later);
        assert_eq!(race.start(0, later).unwrap().1, Epoch(2));
    }

    #[test]
    fn a_racer_that_always_loses_gives_up_at_the_bound() {
        let mut race = Race::new(1);
        race.want(0, DUE, 0);
        for attempt in 1..u64::from(RACE_ATTEMPTS_MAX) {
            assert!(race.retry(0, attempt, Duration::ZERO));
        }
        assert!(!race.retry(0, 99, Duration::ZERO));
        assert!(!race.wants_anything());
    }

    #[test]
    fn what_is_on_its_way_is_not_among_the_not_started() {
        let mut race = Race::new(1);
        race.want(0, DUE, 1);
        race.want(0, DUE, 2);
        race.prepared(0, Epoch(1), commit());
        race.start(0, Duration::ZERO).unwrap();
        let left: Vec<u64> = race.not_started().iter().map(|want| want.attempt).collect();
        assert_eq!(left, [2]);
    }
}
