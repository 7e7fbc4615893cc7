//! Which submissions were accepted lately, so that a retry gets the first answer.
//!
//! Only acceptances are remembered: a refusal changes nothing, so it is decided again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::ids::{DeviceId, Epoch, MessageId, Seq};

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

/// Remembered answers by (group slot, message id), the oldest forgotten first.
#[derive(Debug)]
pub struct Retries {
    answers: HashMap<(u32, MessageId), Answer>,
    by_age: VecDeque<(Duration, u32, MessageId)>,
    entries_max: usize,
    age_max: Duration,
}

impl Retries {
    /// Remembers at most `entries_max` answers, each for `age_max`.
    #[must_use]
    pub fn new(entries_max: usize, age_max: Duration) -> Self {
        Self { answers: HashMap::new(), by_age: VecDeque::new(), entries_max, age_max }
    }

    /// The answer given before, if it is still remembered.
    #[must_use]
    pub fn answer(&self, slot: u32, id: MessageId) -> Option<Answer> {
        self.answers.get(&(slot, id)).copied()
    }

    /// Remembers an answer given at `now`.
    pub fn remember(&mut self, now: Duration, slot: u32, id: MessageId, answer: Answer) {
        if self.by_age.len() >= self.entries_max {
            self.forget_oldest();
        }
        self.answers.insert((slot, id), answer);
        self.by_age.push_back((now + self.age_max, slot, id));
    }

    /// Forgets what is older than the age limit at `now`.
    pub fn expire(&mut self, now: Duration) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest answer is due to be forgotten.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.by_age.front().map(|(deadline, _, _)| *deadline)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, slot, id)) = self.by_age.pop_front() {
            self.answers.remove(&(slot, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Answer = Answer { sender: DeviceId([1; 16]), seq: Seq(1), epoch: Epoch(0) };

    #[test]
    fn an_answer_is_forgotten_when_its_age_is_reached_and_not_before() {
        let mut retries = Retries::new(10, Duration::from_secs(5));
        retries.remember(Duration::from_secs(1), 0, MessageId([1; 16]), ANSWER);
        retries.expire(Duration::from_millis(5_999));
        assert_eq!(retries.answer(0, MessageId([1; 16])), Some(ANSWER));
        retries.expire(Duration::from_secs(6));
        assert_eq!(retries.answer(0, MessageId([1; 16])), None);
        assert_eq!(retries.deadline(), None);
    }

    #[test]
    fn the_oldest_answer_makes_room_when_the_memory_is_full() {
        let mut retries = Retries::new(2, Duration::from_secs(5));
        for id in 1..=3 {
            retries.remember(Duration::ZERO, 0, MessageId([id; 16]), ANSWER);
        }
        assert_eq!(retries.answer(0, MessageId([1; 16])), None);
        assert!(retries.answer(0, MessageId([2; 16])).is_some());
        assert!(retries.answer(0, MessageId([3; 16])).is_some());
    }

    #[test]
    fn the_same_id_in_another_group_is_another_message() {
        let mut retries = Retries::new(2, Duration::from_secs(5));
        retries.remember(Duration::ZERO, 0, MessageId([1; 16]), ANSWER);
        assert_eq!(retries.answer(1, MessageId([1; 16])), None);
    }
}
