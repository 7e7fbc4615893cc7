//! The same suite in several stacks: how many times as long each takes, and why.
//!
//! What differs was read in the stacks' sources and seen in profiles of them; none of it is
//! measured here. Pure: a record in, data out. Called by `table` and `page`.

use super::cell::{Operation, Outcome};
use super::group::State;
use super::interval::Timing;
use super::record::SuitesRecord;
use super::registry::{ENTRIES, Entry};

/// One suite in one group size, in each stack that ran it.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    /// At least two, of the largest size that all have; the first is what the others are held to.
    pub cells: Vec<&'a Outcome>,
}

/// How many times as long as another's an operation takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of the medians.
    pub median: f64,
    /// The least that both intervals allow.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Ratio {
    /// Of two timings. Both intervals hold their medians at once with at least 0.9 if each does
    /// with 0.95.
    #[must_use]
    pub fn of(one: &Timing, to: &Timing) -> Self {
        Self {
            median: one.median_us / to.median_us,
            low: one.low_us / to.high_us,
            high: one.high_us / to.low_us,
        }
    }

    /// `1.50 (1.40..1.62)`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:.2} ({:.2}..{:.2})", self.median, self.low, self.high)
    }
}

impl Beside<'_> {
    /// The operations that the first stack was timed at, with its time, and the ratio of each other
    /// one to it; `None` where that was not timed.
    #[must_use]
    pub fn rows(&self) -> Vec<(Operation, Timing, Vec<Option<Ratio>>)> {
        let row = |operation: Operation| {
            let first = *self.cells[0].time(operation)?;
            let ratio = |cell: &&Outcome| cell.time(operation).map(|it| Ratio::of(it, &first));
            Some((operation, first, self.cells[1..].iter().map(ratio).collect()))
        };
        Operation::ALL.into_iter().filter_map(row).collect()
    }
}

/// Every suite that several stacks have run, in the order of the settings. Suites that are made of
/// the same primitives are the same here, whatever numbers stand for them.
#[must_use]
pub fn beside(record: &SuitesRecord) -> Vec<Beside<'_>> {
    let mut found = Vec::new();
    for entry in ENTRIES {
        let same: Vec<&Outcome> =
            record.cells.iter().filter(|cell| is_of(cell, entry) && has_figures(cell)).collect();
        let sizes = record.settings.sizes.iter().rev();
        let at = |members: &u32| {
            let cells = same.iter().copied().filter(|cell| cell.members == *members).collect();
            Beside { cells }
        };
        let largest = sizes.map(at).find(|beside| beside.cells.len() > 1);
        found.extend(largest.filter(|beside| beside.cells[0].suite == entry.name));
    }
    found
}

fn has_figures(cell: &Outcome) -> bool {
    cell.state == State::Fresh && cell.error.is_none()
}

fn is_of(cell: &Outcome, entry: &Entry) -> bool {
    let made_of = |entry: &Entry| (entry.kem, entry.aead, entry.hash, entry.signature);
    let other = ENTRIES.iter().find(|entry| entry.name == cell.suite);
    other.is_some_and(|other| made_of(other) == made_of(entry))
}

/// Why one stack takes longer than another: what it is about, and what is so.
pub const DIFFERENCES: [(&str, &str); 6] = [
    (
        "Cryptography",
        "RustCrypto and dalek are Rust; libcrux is verified code, its X25519, Ed25519 and SHA-2 \
         portable and without the processor's instructions for hashes; AWS-LC has its curves in \
         assembly. A commit in a fresh tree encrypts to every other member: most of its time, so \
         the provider decides how long such a commit takes, and not the stack.",
    ),
    (
        "A commit is prepared",
        "Both check both signatures of each KeyPackage that is added. OpenMLS keeps what changes \
         beside the group. mls-rs copies the group for what it returns and encodes the whole next \
         group, so its time has a part that grows with the group in any tree.",
    ),
    (
        "A commit is processed",
        "OpenMLS stages what changes, merges it, and keeps a list of the members of the epoch \
         before for messages that come late. mls-rs copies the group twice: what it \
         becomes, and what it was, which the caller is told.",
    ),
    (
        "A member joins",
        "Both check every leaf's signature, the hash of the tree and its parent hashes, and neither \
         the lifetimes of leaves here. mls-rs then indexes identities and keys of all leaves.",
    ),
    (
        "Storage",
        "OpenMLS writes the private keys of its path into a storage and reads them back at every \
         commit, as JSON in memory here; the group itself it hands to a storage that drops it. mls-rs \
         keeps all in the member and writes when it is told to, which it never is here.",
    ),
    (
        "Threads",
        "Both spread the encryptions of a commit over threads, and mls-rs the checks of leaves too. \
         Here each has one.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::sample;

    #[test]
    fn a_ratio_is_as_uncertain_as_both_of_its_times() {
        let timing = |median_us, low_us, high_us| Timing {
            n: 9,
            median_us,
            low_us,
            high_us,
            coverage: 0.96,
        };
        let ratio = Ratio::of(&timing(30.0, 20.0, 40.0), &timing(10.0, 8.0, 20.0));
        assert_eq!(ratio, Ratio { median: 3.0, low: 1.0, high: 5.0 });
        assert_eq!(ratio.text(), "3.00 (1.00..5.00)");
    }

    #[test]
    fn a_suite_of_several_stacks_is_compared_at_the_largest_size_that_they_share() {
        let mut record = sample::record();
        assert!(beside(&record).is_empty(), "one stack alone");
        let mut other = record.cells[0].clone();
        other.stack = "mls-rs/awslc".to_owned();
        record.cells.push(other);
        let found = beside(&record);
        assert_eq!(found.len(), 1);
        let stacks: Vec<&str> = found[0].cells.iter().map(|cell| cell.stack.as_str()).collect();
        assert_eq!(stacks, ["openmls/rust_crypto", "mls-rs/awslc"]);
        assert_eq!(found[0].cells[0].members, 2);
        for (_, _, ratios) in found[0].rows() {
            assert_eq!(ratios[0].unwrap().median, 1.0);
        }
        assert_eq!(found[0].rows().len(), Operation::ALL.len());
    }

    #[test]
    fn the_same_primitives_under_another_number_are_the_same_suite() {
        let mut record = sample::record();
        let mut other = record.cells[2].clone();
        assert_eq!(other.suite, "xwing-aes128-ed25519");
        other.suite = "xwing-aes128-ed25519-mlsrs".to_owned();
        other.stack = "mls-rs/awslc".to_owned();
        record.cells.push(other);
        assert_eq!(beside(&record).len(), 1, "once, not under either name");
        record.cells.last_mut().unwrap().suite = "xwing-chacha-ed25519".to_owned();
        assert!(beside(&record).is_empty());
    }
}
