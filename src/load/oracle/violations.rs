//! What can be wrong with a delivery service, counted by kind, with the first examples of each.
//!
//! Counts are exact; examples are bounded. Called by the oracle, and read by the report.

use std::fmt;

use crate::limits::VIOLATION_EXAMPLES_MAX;

/// A way to break the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViolationKind {
    /// Two commits were ordered in one epoch of one group.
    DoubleWinner,
    /// The loser of an epoch was told a wrong epoch, a wrong winner, or none.
    WinnerNotTold,
    /// A member's next delivery was not its next sequence number.
    Gap,
    /// A member got a sequence number again.
    Duplicate,
    /// A member got a sequence number that it had been made to skip.
    Reordered,
    /// Two answers to which message has which place: two members, or a member and the reply.
    Disagreement,
    /// An ordered message that a member had not got by the end.
    Missing,
    /// A member got other bytes than were submitted.
    Corrupted,
    /// A message nobody submitted, or one for somebody who is not a member at its place.
    Foreign,
    /// What was called for is not what was accepted, rejected, timed out and not issued.
    Conservation,
}

impl ViolationKind {
    /// Every kind, in the order reports list them.
    pub const ALL: [Self; 10] = [
        Self::DoubleWinner,
        Self::WinnerNotTold,
        Self::Gap,
        Self::Duplicate,
        Self::Reordered,
        Self::Disagreement,
        Self::Missing,
        Self::Corrupted,
        Self::Foreign,
        Self::Conservation,
    ];

    /// Its name in records: `double_winner`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DoubleWinner => "double_winner",
            Self::WinnerNotTold => "winner_not_told",
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
            Self::Reordered => "reordered",
            Self::Disagreement => "disagreement",
            Self::Missing => "missing",
            Self::Corrupted => "corrupted",
            Self::Foreign => "foreign",
            Self::Conservation => "conservation",
        }
    }
}

/// One violation, as far as it is known where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its kind.
    pub kind: ViolationKind,
    /// What happened, in a few words.
    pub what: &'static str,
    /// Index of the group in the population.
    pub group: Option<u32>,
    /// Index of the member in the group.
    pub member: Option<u32>,
    /// The sequence number.
    pub seq: Option<u64>,
    /// The submission attempt.
    pub attempt: Option<u64>,
}

impl Example {
    pub(super) fn new(kind: ViolationKind, what: &'static str) -> Self {
        Self { kind, what, group: None, member: None, seq: None, attempt: None }
    }

    pub(super) fn group(self, group: u32) -> Self {
        Self { group: Some(group), ..self }
    }

    pub(super) fn member(self, member: u32) -> Self {
        Self { member: Some(member), ..self }
    }

    pub(super) fn seq(self, seq: u64) -> Self {
        Self { seq: Some(seq), ..self }
    }

    pub(super) fn attempt(self, attempt: Option<u64>) -> Self {
        Self { attempt, ..self }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.what)?;
        let known = [
            ("group", self.group.map(u64::from)),
            ("member", self.member.map(u64::from)),
            ("seq", self.seq),
            ("attempt", self.attempt),
        ];
        let mut separator = " (";
        for (name, value) in known {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        if separator == ", " { write!(f, ")") } else { Ok(()) }
    }
}

/// Counts by kind, and the first few examples of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    counts: [u64; ViolationKind::ALL.len()],
    examples: Vec<Example>,
}

impl Violations {
    /// How many of one kind.
    #[must_use]
    pub fn count(&self, kind: ViolationKind) -> u64 {
        self.counts[kind as usize]
    }

    /// How many of every kind together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The first ones of each kind, at most [`VIOLATION_EXAMPLES_MAX`] of it.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Adds what another worker found.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        for example in &other.examples {
            self.keep(*example);
        }
    }

    pub(super) fn add(&mut self, example: Example) {
        self.add_many(1, example);
    }

    /// Counts `times`, with one example for all; nothing when `times` is 0.
    pub(super) fn add_many(&mut self, times: u64, example: Example) {
        if times > 0 {
            self.counts[example.kind as usize] += times;
            self.keep(example);
        }
    }

    fn keep(&mut self, example: Example) {
        let kept = self.examples.iter().filter(|kept| kept.kind == example.kind).count();
        if kept < VIOLATION_EXAMPLES_MAX {
            self.examples.push(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_examples_bounded_for_each_kind() {
        let mut found = Violations::default();
        for seq in 0..100 {
            found.add(Example::new(ViolationKind::Gap, "skipped").group(1).seq(seq));
        }
        found.add(Example::new(ViolationKind::DoubleWinner, "two"));
        let mut all = found.clone();
        all.merge(&found);
        assert_eq!((all.count(ViolationKind::Gap), all.total()), (200, 202));
        assert_eq!(all.examples().len(), VIOLATION_EXAMPLES_MAX + 2);
    }

    #[test]
    fn the_order_of_the_kinds_is_that_of_their_counts() {
        for (index, kind) in ViolationKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }

    #[test]
    fn an_example_says_what_is_known() {
        let example = Example::new(ViolationKind::Missing, "not delivered").group(3).seq(9);
        assert_eq!(example.to_string(), "missing: not delivered (group 3, seq 9)");
        let example = Example::new(ViolationKind::Conservation, "one too few");
        assert_eq!(example.to_string(), "conservation: one too few");
    }
}
