//! Which submissions were accepted lately, so that a retry gets the first answer.
//!
//! Only acceptances are remembered: a refusal changes nothing, so it is decided again. Answers
//! are records in the order given, and `fingerprints` finds them by message id: a new
//! message costs a cache line to look up, one to remember, and one to forget the oldest. Asked
//! and told by [`super::shard`].

use std::time::Duration;

use ahash::RandomState;

use super::fingerprints::{Fingerprints, POSITIONS};
use super::ids::{DeviceId, Epoch, MessageId, Seq};
use crate::limits::RETRIES_REMEMBERED_MAX;

/// The answer to an accepted submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who submitted it; the same id from anybody else is another message.
    pub sender: DeviceId,
    /// Its place.
    pub seq: Seq,
    /// The group's epoch right after it.
    pub epoch: Epoch,
}

/// A message of a group, hashed.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    group: u32,
    id: MessageId,
    hash: u32,
}

/// Remembered answers by (group, message id), the oldest forgotten first.
#[derive(Debug)]
pub struct Retries {
    records: Records,
    fingerprints: Fingerprints,
    hasher: RandomState,
    entries_max: usize,
    age_max: Duration,
}

impl Retries {
    /// Remembers at most `entries_max` answers, each for `age_max`. Costs 4 to 8 bytes for each
    /// of `entries_max` once they are used at all, and 64 for each answer while it is remembered.
    #[must_use]
    pub fn new(entries_max: usize, age_max: Duration) -> Self {
        Self {
            records: Records::new(entries_max),
            fingerprints: Fingerprints::new(entries_max),
            hasher: RandomState::new(),
            entries_max,
            age_max,
        }
    }

    /// What a message is remembered under; `group` is a number that no other group ever has.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of a hash are a hash")]
    pub fn key(&self, group: u32, id: MessageId) -> Key {
        let hash = self.hasher.hash_one((u128::from_ne_bytes(id.0), group)) as u32;
        Key { group, id, hash }
    }

    /// The answer given before, if it is still remembered.
    #[must_use]
    pub fn answer(&self, key: Key) -> Option<Answer> {
        let is_it = |position| {
            let record = self.records.at(position);
            record.id == key.id && record.group == key.group
        };
        let position = self.fingerprints.find(key.hash, is_it)?;
        let Record { sender, seq, epoch, .. } = *self.records.at(position);
        Some(Answer { sender, seq, epoch })
    }

    /// Remembers an answer given at `now`, no earlier than any before it. The message must not be
    /// remembered already.
    pub fn remember(&mut self, now: Duration, key: Key, answer: Answer) {
        if self.records.count >= self.entries_max {
            self.forget_oldest();
        }
        let Key { group, id, hash } = key;
        let Answer { sender, seq, epoch } = answer;
        let deadline_ns = nanoseconds(now + self.age_max);
        let record = Record { id, sender, seq, epoch, deadline_ns, group, hash };
        self.fingerprints.insert(hash, self.records.push(record));
    }

    /// Forgets what is older than the age limit at `now`.
    pub fn expire(&mut self, now: Duration) {
        let now_ns = nanoseconds(now);
        while self.records.oldest().is_some_and(|record| record.deadline_ns <= now_ns) {
            self.forget_oldest();
        }
    }

    /// When the oldest answer is due to be forgotten.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.records.oldest().map(|record| Duration::from_nanos(record.deadline_ns))
    }

    fn forget_oldest(&mut self) {
        if let Some((position, hash)) = self.records.pop() {
            self.fingerprints.remove(hash, position);
        }
    }
}

/// Time since the shard started, in one word: enough for five centuries.
fn nanoseconds(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

/// An answer with its message, and when to forget it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))] // one cache line
struct Record {
    id: MessageId,
    sender: DeviceId,
    seq: Seq,
    epoch: Epoch,
    deadline_ns: u64,
    group: u32,
    hash: u32,
}

const _: () = assert!(size_of::<Record>() == 64);

/// Records of one allocation: 64 KiB.
const CHUNK_RECORDS: usize = 1 << 10;

const _: () = assert!(RETRIES_REMEMBERED_MAX <= POSITIONS);

/// Records in the order they came, at consecutive positions, in chunks that come and go with
/// them: none is ever moved. When full, the newest is written where the oldest was.
#[derive(Debug)]
struct Records {
    /// As many as hold the bound, rounded up to a power of two.
    chunks: Vec<Vec<Record>>,
    /// The oldest one's position.
    first: usize,
    count: usize,
}

impl Records {
    /// Room for `entries_max`.
    fn new(entries_max: usize) -> Self {
        assert!(entries_max <= POSITIONS, "each of them has a position");
        let chunks = entries_max.div_ceil(CHUNK_RECORDS).next_power_of_two();
        Self { chunks: vec![Vec::new(); chunks], first: 0, count: 0 }
    }

    /// The record at the position of one.
    fn at(&self, position: u32) -> &Record {
        let (chunk, offset) = place(position as usize);
        &self.chunks[chunk][offset]
    }

    fn oldest(&self) -> Option<&Record> {
        let (chunk, offset) = place(self.first);
        (self.count > 0).then(|| &self.chunks[chunk][offset])
    }

    /// Adds the newest and returns its position. There must be room.
    fn push(&mut self, record: Record) -> u32 {
        let position = self.after(self.count);
        let (chunk, offset) = place(position);
        let chunk = &mut self.chunks[chunk];
        if let Some(old) = chunk.get_mut(offset) {
            *old = record;
        } else {
            if chunk.capacity() == 0 {
                chunk.reserve_exact(CHUNK_RECORDS);
            }
            chunk.push(record);
        }
        self.count += 1;
        u32::try_from(position).expect("there are fewer positions")
    }

    /// Drops the oldest, with its chunk if nothing else is there, and returns its position and
    /// hash.
    fn pop(&mut self) -> Option<(u32, u32)> {
        let hash = self.oldest()?.hash;
        let position = u32::try_from(self.first).expect("there are fewer positions");
        let (left, _) = place(self.first);
        self.first = self.after(1);
        self.count -= 1;
        if left != place(self.first).0 && left != place(self.after(self.count)).0 {
            self.chunks[left] = Vec::new();
        }
        Some((position, hash))
    }

    /// The position `steps` after the oldest one's.
    fn after(&self, steps: usize) -> usize {
        (self.first + steps) & (self.chunks.len() * CHUNK_RECORDS - 1)
    }
}

/// The chunk of a position, and where in it.
fn place(position: usize) -> (usize, usize) {
    (position / CHUNK_RECORDS, position % CHUNK_RECORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: Answer = Answer { sender: DeviceId([1; 16]), seq: Seq(1), epoch: Epoch(0) };

    fn id(number: u16) -> MessageId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        MessageId(id)
    }

    fn answer(retries: &Retries, number: u16) -> Option<Answer> {
        retries.answer(retries.key(0, id(number)))
    }

    fn remember(retries: &mut Retries, now: Duration, number: u16) {
        retries.remember(now, retries.key(0, id(number)), ANSWER);
    }

    #[test]
    fn an_answer_is_forgotten_when_its_age_is_reached_and_not_before() {
        let mut retries = Retries::new(10, Duration::from_secs(5));
        remember(&mut retries, Duration::from_secs(1), 1);
        retries.expire(Duration::from_millis(5_999));
        assert_eq!(answer(&retries, 1), Some(ANSWER));
        retries.expire(Duration::from_secs(6));
        assert_eq!(answer(&retries, 1), None);
        assert_eq!(retries.deadline(), None);
    }

    #[test]
    fn the_oldest_answer_makes_room_when_the_memory_is_full() {
        let mut retries = Retries::new(2, Duration::from_secs(5));
        for number in 1..=3 {
            remember(&mut retries, Duration::ZERO, number);
        }
        assert_eq!(answer(&retries, 1), None);
        assert!(answer(&retries, 2).is_some());
        assert!(answer(&retries, 3).is_some());
    }

    #[test]
    fn the_same_id_in_another_group_is_another_message() {
        let mut retries = Retries::new(2, Duration::from_secs(5));
        remember(&mut retries, Duration::ZERO, 1);
        assert_eq!(retries.answer(retries.key(1, id(1))), None);
    }

    #[test]
    fn a_full_memory_remembers_its_newest_answers_however_many_there_were() {
        const ENTRIES: u16 = 2 * 1_024;
        let mut retries = Retries::new(ENTRIES.into(), Duration::from_secs(5));
        for newest in 0..3 * ENTRIES {
            remember(&mut retries, Duration::ZERO, newest);
            if newest % 100 == 0 || newest % 1_024 > 1_020 {
                for number in 0..=newest {
                    assert_eq!(answer(&retries, number).is_some(), newest - number < ENTRIES);
                }
            }
        }
    }

    #[test]
    fn memory_goes_with_the_answers_that_took_it() {
        let mut retries = Retries::new(8 * CHUNK_RECORDS, Duration::from_secs(5));
        let allocated = |retries: &Retries| {
            retries.records.chunks.iter().filter(|chunk| chunk.capacity() > 0).count()
        };
        for number in 0..5 * 1_024 + 1 {
            remember(&mut retries, Duration::from_secs(u64::from(number / 1_024)), number);
        }
        assert_eq!(allocated(&retries), 6);
        retries.expire(Duration::from_secs(8));
        assert_eq!((allocated(&retries), answer(&retries, 4 * 1_024)), (2, Some(ANSWER)));
        retries.expire(Duration::from_secs(10));
        assert_eq!((allocated(&retries), retries.deadline()), (1, None));
    }

    impl Records {
        /// Begins at another position, as after that many records.
        fn turn_to(&mut self, position: usize) {
            self.first = position;
            self.chunks[0] = vec![FORGOTTEN; position];
        }
    }

    const FORGOTTEN: Record = Record {
        id: MessageId([0xff; 16]),
        sender: DeviceId([0xff; 16]),
        seq: Seq(0),
        epoch: Epoch(0),
        deadline_ns: 0,
        group: u32::MAX,
        hash: 0,
    };

    #[derive(Clone, Debug)]
    enum Step {
        Remember { group: u32, number: u16, hash: u32 },
        Pass { seconds: u64 },
    }

    /// Few hashes, far apart in their tags, next to each other in their buckets: everything
    /// collides with everything.
    fn step() -> impl Strategy<Value = Step> {
        let hash = (0_u32..3, 0_u32..2).prop_map(|(tag, bucket)| tag << 20 | bucket);
        let remember = (0_u32..2, 0_u16..200, hash)
            .prop_map(|(group, number, hash)| Step::Remember { group, number, hash });
        prop_oneof![60 => remember, 1 => (0_u64..4).prop_map(|seconds| Step::Pass { seconds })]
    }

    proptest! {
        /// Beginning at the first position and shortly before the last.
        #[test]
        fn remembers_what_a_list_of_all_answers_does(
            entries_max in 1_usize..80,
            turned in any::<bool>(),
            steps in prop::collection::vec(step(), 0..400),
        ) {
            let age_max = Duration::from_secs(10);
            let mut retries = Retries::new(entries_max, age_max);
            if turned {
                retries.records.turn_to(CHUNK_RECORDS - 20);
            }
            let mut now = Duration::ZERO;
            let mut model: Vec<(Duration, Key, Answer)> = Vec::new();
            for (place, step) in (1..).zip(steps) {
                match step {
                    Step::Remember { group, number, hash } => {
                        let key = Key { group, id: id(number), hash };
                        let is_it = |(_, known, _): &&(_, Key, _)| {
                            (known.group, known.id) == (key.group, key.id)
                        };
                        if let Some((_, known, answer)) = model.iter().find(is_it) {
                            prop_assert_eq!(retries.answer(*known), Some(*answer));
                            continue;
                        }
                        prop_assert_eq!(retries.answer(key), None);
                        let answer = Answer { seq: Seq(place), ..ANSWER };
                        retries.remember(now, key, answer);
                        model.push((now + age_max, key, answer));
                        model.drain(..model.len().saturating_sub(entries_max));
                    }
                    Step::Pass { seconds } => {
                        now += Duration::from_secs(seconds);
                        retries.expire(now);
                        model.retain(|(deadline, ..)| *deadline > now);
                    }
                }
                prop_assert_eq!(retries.deadline(), model.first().map(|(deadline, ..)| *deadline));
            }
            for (_, key, answer) in model {
                prop_assert_eq!(retries.answer(key), Some(answer));
            }
            retries.expire(now + age_max);
            prop_assert!(retries.fingerprints.is_as_new());
        }
    }
}
