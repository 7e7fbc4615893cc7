//! The books of one round: what was published, what each member got of it, and when.
//!
//! Every contestant's deliveries are checked here, the same cheap way: order, length, and the first
//! 32 and last 8 bytes of the body, which for an MLSMessage end in a tag. Bodies may come whole or
//! in parts; nothing is copied. Reads no clock: instants are arguments. Called by the contestants'
//! connections for each delivery and by `contest` for the rest.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::work::Work;
use crate::load::recorder::Series;

/// Bytes at the start of a body that are compared.
const HEAD_BYTES: usize = 32;
/// Bytes at its end.
const TAIL_BYTES: usize = 8;
/// How far from the message that was next another one is looked for, to name what went wrong.
const LOOKED_AROUND: u32 = 300;

/// One round's books.
#[derive(Debug)]
pub(super) struct Ledger<'w> {
    work: &'w Work,
    origin: Instant,
    readers: Vec<Reader>,
    /// What is published and not at every member: message `done` first.
    flights: VecDeque<Flight>,
    done: u32,
    deliveries: u64,
    body_bytes: u64,
    heard: Duration,
    /// From the publication to each member.
    pub(super) member: Series,
    /// From the publication to the last member.
    pub(super) last: Series,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    /// The message that it gets next.
    next: u32,
    length: usize,
    taken: usize,
    head_differs: bool,
    tail: [u8; TAIL_BYTES],
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    at: Duration,
    missing: u32,
}

impl<'w> Ledger<'w> {
    /// Empty books: any delivery is one that nobody asked for.
    pub(super) fn new(work: &'w Work, origin: Instant) -> Self {
        Self {
            work,
            origin,
            readers: vec![Reader::default(); work.members.len()],
            flights: VecDeque::new(),
            done: 0,
            deliveries: 0,
            body_bytes: 0,
            heard: Duration::ZERO,
            member: Series::default(),
            last: Series::default(),
        }
    }

    /// The next message goes out at `now`.
    pub(super) fn publish(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.origin);
        if self.flights.is_empty() {
            self.heard = at;
        }
        let missing = u32::try_from(self.readers.len()).expect("members are bounded");
        self.flights.push_back(Flight { at, missing });
    }

    /// Messages published.
    pub(super) fn published(&self) -> u32 {
        self.done + self.in_flight()
    }

    /// Messages published that are not at every member.
    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.flights.len()).expect("flights are bounded")
    }

    /// Deliveries, each checked.
    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Bytes of their bodies.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// A fault if nothing has come since longer than `silence_max` while something should.
    pub(super) fn check_silence(&self, now: Instant, silence_max: Duration) -> Result<(), Fault> {
        let silence = now.saturating_duration_since(self.origin).saturating_sub(self.heard);
        match self.flights.front() {
            Some(oldest) if silence > silence_max => {
                Err(Fault::Silent { silence, message: self.done, members: oldest.missing })
            }
            _ => Ok(()),
        }
    }

    /// A body came whole.
    pub(super) fn whole(&mut self, now: Instant, member: usize, body: &[u8]) -> Result<(), Fault> {
        self.begin(member, body.len());
        self.part(member, body);
        self.end(now, member)
    }

    /// A body of so many bytes begins.
    pub(super) fn begin(&mut self, member: usize, length: usize) {
        let reader = &mut self.readers[member];
        *reader = Reader { next: reader.next, length, ..Reader::default() };
    }

    /// Some more of it.
    pub(super) fn part(&mut self, member: usize, bytes: &[u8]) {
        let reader = &mut self.readers[member];
        let at = reader.taken;
        reader.taken += bytes.len();
        if at < HEAD_BYTES {
            let expected = self.work.body(reader.next);
            let end = reader.taken.min(HEAD_BYTES).min(expected.len());
            let expected = expected.get(at..end).unwrap_or_default();
            reader.head_differs |= !bytes.starts_with(expected);
        }
        match bytes.last_chunk::<TAIL_BYTES>() {
            Some(tail) => reader.tail = *tail,
            None => {
                reader.tail.rotate_left(bytes.len());
                reader.tail[TAIL_BYTES - bytes.len()..].copy_from_slice(bytes);
            }
        }
    }

    /// It is complete.
    pub(super) fn end(&mut self, now: Instant, member: usize) -> Result<(), Fault> {
        let reader = &mut self.readers[member];
        let index = (reader.next - self.done) as usize;
        let right = index < self.flights.len()
            && !reader.head_differs
            && reader.is_like(self.work.body(reader.next));
        if !right {
            return Err(self.explain(member));
        }
        reader.next += 1;
        self.deliveries += 1;
        self.body_bytes += reader.length as u64;
        let at = now.saturating_duration_since(self.origin);
        self.heard = at;
        let flight = &mut self.flights[index];
        flight.missing -= 1;
        self.member.record(flight.at, at);
        if flight.missing == 0 {
            // Every member has its messages in order, so whatever is older is everywhere too.
            assert_eq!(index, 0, "an older message is complete before a newer one");
            self.last.record(flight.at, at);
            self.flights.pop_front();
            self.done += 1;
        }
        Ok(())
    }

    /// Names what is wrong with what a member has just got.
    fn explain(&self, member: usize) -> Fault {
        let reader = &self.readers[member];
        let (expected, bytes) = (reader.next, reader.length);
        let published = self.published();
        let around = expected.saturating_sub(LOOKED_AROUND)
            ..published.min(expected.saturating_add(LOOKED_AROUND));
        let near = around.filter(|number| *number != expected);
        let same = near.filter(|number| reader.is_like(self.work.body(*number)));
        match same.min_by_key(|number| number.abs_diff(expected)) {
            Some(got) if got < expected => Fault::Repeated { member, expected, got },
            Some(got) => Fault::Skipped { member, expected, got },
            None if expected == published => Fault::Unasked { member, bytes },
            None => Fault::Altered { member, expected, bytes },
        }
    }
}

impl Reader {
    /// Whether length and end are those of `body`.
    fn is_like(&self, body: &[u8]) -> bool {
        let compared = body.len().min(TAIL_BYTES);
        self.taken == self.length
            && self.length == body.len()
            && body.ends_with(&self.tail[TAIL_BYTES - compared..])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock;
    use crate::delivery::{DeviceId, Epoch, GroupId};

    fn work(members: u8) -> Work {
        let body = |number: u8| Bytes::from([vec![7; 40], vec![number; 20]].concat());
        Work {
            group: GroupId::new(&[1]).unwrap(),
            epoch: Epoch(0),
            members: (0..members).map(|member| (DeviceId([member; 16]), 0)).collect(),
            bodies: (0..10).map(body).collect(),
            commits: false,
        }
    }

    /// Publishes three messages to three members and gives them out as `deliveries` says: who
    /// gets which body.
    fn check(deliveries: &[(usize, Bytes)], expected: Result<u32, Fault>) {
        let work = work(3);
        let now = clock::now();
        let mut ledger = Ledger::new(&work, now);
        (0..3).for_each(|_| ledger.publish(now));
        let mut given = deliveries.iter();
        let outcome = given.try_for_each(|(member, body)| ledger.whole(now, *member, body));
        assert_eq!(outcome.map(|()| ledger.done), expected, "{deliveries:?}");
        assert!(given.next().is_none(), "a fault comes with the delivery that shows it");
    }

    fn bodies(given: &[(usize, u32)]) -> Vec<(usize, Bytes)> {
        let work = work(3);
        given.iter().map(|(member, number)| (*member, work.body(*number).clone())).collect()
    }

    #[test]
    fn a_message_is_done_when_its_last_member_has_it() {
        check(&bodies(&[(0, 0), (0, 1), (1, 0)]), Ok(0));
        check(&bodies(&[(0, 0), (0, 1), (1, 0), (2, 0)]), Ok(1));
        let all: Vec<_> = (0..3).flat_map(|member| (0..3).map(move |n| (member, n))).collect();
        check(&bodies(&all), Ok(3));
    }

    #[test]
    fn a_lost_or_overtaken_message_is_seen_in_the_next() {
        let fault = Fault::Skipped { member: 1, expected: 1, got: 2 };
        check(&bodies(&[(1, 0), (0, 0), (1, 2)]), Err(fault));
    }

    #[test]
    fn a_message_that_comes_again_is_named() {
        let again = Fault::Repeated { member: 2, expected: 1, got: 0 };
        check(&bodies(&[(2, 0), (2, 0)]), Err(again));
        let after_all = Fault::Repeated { member: 0, expected: 3, got: 2 };
        check(&bodies(&[(0, 0), (0, 1), (0, 2), (0, 2)]), Err(after_all));
    }

    #[test]
    fn other_bytes_at_either_end_and_another_length_are_seen() {
        let altered = |bytes| Err(Fault::Altered { member: 0, expected: 0, bytes });
        let body = work(1).body(0).to_vec();
        for index in [0, HEAD_BYTES - 1, body.len() - TAIL_BYTES, body.len() - 1] {
            let mut wrong = body.clone();
            wrong[index] ^= 1;
            check(&[(0, Bytes::from(wrong))], altered(60));
        }
        check(&[(0, Bytes::from(body[..59].to_vec()))], altered(59));
        check(&[(0, Bytes::from([body, vec![0]].concat()))], altered(61));
        check(&[(0, Bytes::new())], altered(0));
    }

    #[test]
    fn what_nobody_published_is_not_a_delivery() {
        let work = work(1);
        let now = clock::now();
        let mut ledger = Ledger::new(&work, now);
        let fault = ledger.whole(now, 0, work.body(0)).unwrap_err();
        assert_eq!(fault, Fault::Unasked { member: 0, bytes: 60 });
    }

    #[test]
    fn a_body_in_parts_is_checked_like_a_whole_one() {
        let work = work(1);
        let now = clock::now();
        for cut in 0..=60 {
            for altered in [None, Some(0), Some(31), Some(52), Some(59)] {
                let mut ledger = Ledger::new(&work, now);
                ledger.publish(now);
                let mut body = work.body(0).to_vec();
                if let Some(index) = altered {
                    body[index] ^= 1;
                }
                ledger.begin(0, body.len());
                ledger.part(0, &body[..cut]);
                body[cut..].chunks(3).for_each(|bytes| ledger.part(0, bytes));
                assert_eq!(ledger.end(now, 0).is_err(), altered.is_some(), "{cut} {altered:?}");
            }
        }
    }

    #[test]
    fn silence_counts_only_while_something_is_on_its_way() {
        let work = work(2);
        let start = clock::now();
        let at = |millis| start + Duration::from_millis(millis);
        let patience = Duration::from_millis(100);
        let mut ledger = Ledger::new(&work, start);
        ledger.check_silence(at(1000), patience).unwrap();
        ledger.publish(at(1000));
        ledger.check_silence(at(1100), patience).unwrap();
        ledger.whole(at(1090), 0, work.body(0)).unwrap();
        ledger.check_silence(at(1190), patience).unwrap();
        let fault = ledger.check_silence(at(1191), patience).unwrap_err();
        let silence = Duration::from_millis(101);
        assert_eq!(fault, Fault::Silent { silence, message: 0, members: 1 });
        ledger.whole(at(1191), 1, work.body(0)).unwrap();
        ledger.check_silence(at(9000), patience).unwrap();
    }

    #[test]
    fn latency_runs_from_the_publication_to_each_member_and_to_the_last() {
        let work = work(2);
        let start = clock::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut ledger = Ledger::new(&work, start);
        ledger.publish(at(10));
        ledger.whole(at(12), 1, work.body(0)).unwrap();
        ledger.whole(at(15), 0, work.body(0)).unwrap();
        assert_eq!((ledger.member.count(), ledger.last.count()), (2, 1));
        assert_eq!((ledger.member.quantile_us(0.5), ledger.last.max_us()), (2_000, 5_003));
        assert_eq!((ledger.deliveries(), ledger.body_bytes(), ledger.in_flight()), (2, 120, 0));
    }
}
