//! Figures that others have published, beside ours for the same operation at the same size.
//!
//! Their machines are not this one, so neither is a verdict: they say whether both mean the same.
//! Called by `page` and `table`.

use super::cell::{Object, Operation, Outcome};
use super::group::State;
use super::record::SuitesRecord;
use super::table::spread;
use crate::report::chart::Unit;
use crate::report::summary::grouped;

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A time in microseconds.
    Time(Operation, f64),
    /// A length in bytes.
    Bytes(Object, usize),
    /// A time in microseconds of something that is not measured here.
    Other(&'static str, f64),
}

/// A figure of somebody else's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Where it was published.
    pub source: &'static str,
    /// The suite here that is nearest to what they ran; empty for any.
    pub suite: &'static str,
    /// Members of the group.
    pub members: u32,
    /// The figure.
    pub what: What,
    /// What is not the same there.
    pub but: &'static str,
}

const LARGE: &str = "OpenMLS large-groups, May 2024";
const ISSUE: &str = "OpenMLS issue 2224";
const CRYSPEN: &str = "Cryspen, X-Wing in OpenMLS";
const CHACHA: &str = "x25519-chacha-ed25519";
const XWING: &str = "xwing-chacha-ed25519";

const PULL: &str = "mls-rs pull request 9";
const THOUSAND: &str = "add a thousand";

/// All that are known to us of what a client does.
pub const PUBLISHED: &[Published] = &[
    of(LARGE, CHACHA, 100, What::Time(Operation::Process, 9_610.0), "machine and tree not said"),
    of(LARGE, CHACHA, 200, What::Time(Operation::Process, 35_270.0), "machine and tree not said"),
    of(LARGE, CHACHA, 500, What::Time(Operation::Process, 249_960.0), "machine and tree not said"),
    of(LARGE, CHACHA, 500, What::Time(Operation::AddOne, 260_000.0), "machine and tree not said"),
    of(ISSUE, CHACHA, 5_000, What::Time(Operation::Join, 1.3e6), "suite and machine not said"),
    of(ISSUE, CHACHA, 10_000, What::Time(Operation::Join, 1.8e6), "suite and machine not said"),
    of(ISSUE, CHACHA, 30_000, What::Time(Operation::Join, 15.4e6), "suite and machine not said"),
    of(CRYSPEN, CHACHA, 2, What::Bytes(Object::KeyPackage, 299), "other identities"),
    of(CRYSPEN, XWING, 2, What::Bytes(Object::KeyPackage, 2_669), "other identities"),
    of(CRYSPEN, CHACHA, 2, What::Bytes(Object::WelcomeOne, 716), "the tree is in the Welcome"),
    of(CRYSPEN, XWING, 2, What::Bytes(Object::WelcomeOne, 5_457), "the tree is in the Welcome"),
    of(CRYSPEN, CHACHA, 2, What::Bytes(Object::Tree, 408), "other identities"),
    of(CRYSPEN, XWING, 2, What::Bytes(Object::Tree, 4_007), "other identities"),
    of(CRYSPEN, CHACHA, 2, What::Time(Operation::Join, 313.0), "machine not said"),
    of(CRYSPEN, XWING, 2, What::Time(Operation::Join, 733.0), "machine not said"),
    of(PULL, "", 1_000, What::Other(THOUSAND, 419_840.0), "a commit here adds a hundred at most"),
    of(PULL, "", 1_000, What::Other(THOUSAND, 155_880.0), "the same on several threads"),
    of(
        "libxmtp issue 812",
        "",
        800,
        What::Bytes(Object::Tree, 436_092),
        "their credentials and extensions",
    ),
];

const fn of(
    source: &'static str,
    suite: &'static str,
    members: u32,
    what: What,
    but: &'static str,
) -> Published {
    let suite = if suite.is_empty() { "x25519-aes128-ed25519" } else { suite };
    Published { source, suite, members, what, but }
}

/// The command that measures what is published, but for the groups of 30,000.
pub const COMMAND: &str = "stentor suites run x25519-chacha-ed25519 x25519-aes128-ed25519 \
                           xwing-chacha-ed25519 --states fresh --sizes 2,100,200,500,800,5000,10000";

fn in_bytes(bytes: usize) -> String {
    format!("{} B", grouped(u64::try_from(bytes).unwrap_or(u64::MAX)))
}

impl Published {
    /// What was done, or made.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Time(operation, _) => operation.name(),
            What::Bytes(object, _) => object.name(),
            What::Other(what, _) => what,
        }
    }

    /// Their figure with its unit.
    #[must_use]
    pub fn theirs(&self) -> String {
        match self.what {
            What::Time(_, us) | What::Other(_, us) => Unit::Micros.value(us),
            What::Bytes(_, bytes) => in_bytes(bytes),
        }
    }

    /// Our figure of the same, with its interval; `None` where there is none.
    #[must_use]
    pub fn of(&self, cell: &Outcome) -> Option<String> {
        match self.what {
            What::Time(operation, _) => cell.time(operation).map(spread),
            What::Bytes(object, _) => cell.size(object).map(in_bytes),
            What::Other(..) => None,
        }
    }

    /// Ours of the same, in each stack that has the suite: only at the same size, for growth is
    /// what is to be seen.
    pub fn ours<'a>(&'a self, record: &'a SuitesRecord) -> impl Iterator<Item = &'a Outcome> {
        record.cells.iter().filter(|cell| {
            let same = cell.suite == self.suite && cell.members == self.members;
            same && cell.state == State::Fresh && cell.error.is_none()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::registry::ENTRIES;

    #[test]
    fn every_published_figure_names_a_suite_that_there_is() {
        for published in PUBLISHED {
            let there_is = ENTRIES.iter().any(|entry| entry.name == published.suite);
            assert!(there_is, "{published:?}");
        }
    }

    #[test]
    fn ours_is_of_the_same_size_or_none() {
        let record = crate::suites::sample::record();
        let ours = |members| {
            let published = of("somebody", "", members, What::Bytes(Object::Tree, 1), "");
            published.ours(&record).count()
        };
        assert_eq!((ours(2), ours(100), ours(99)), (1, 1, 0));
    }

    #[test]
    fn a_figure_is_told_in_the_unit_that_it_was_published_in() {
        let check = |what, expected: &str| {
            assert_eq!(of("somebody", "", 2, what, "").theirs(), expected);
        };
        check(What::Time(Operation::Process, 9_610.0), "9.61 ms");
        check(What::Time(Operation::Join, 313.0), "313 µs");
        check(What::Time(Operation::Join, 15.4e6), "15.4 s");
        check(What::Bytes(Object::Tree, 436_092), "436,092 B");
        check(What::Other(THOUSAND, 419_840.0), "420 ms");
    }

    #[test]
    fn ours_is_of_the_same_suite_in_every_stack_in_a_fresh_tree_and_of_nothing_that_failed() {
        let record = crate::suites::sample::distinct();
        let ours = |suite, members| {
            let published = of("somebody", suite, members, What::Bytes(Object::Tree, 1), "");
            let ours =
                published.ours(&record).map(|cell| (cell.state, published.of(cell).unwrap()));
            ours.collect::<Vec<_>>()
        };
        let tree = |members, row| {
            let bytes = crate::suites::sample::bytes(members, row, State::Fresh, Object::Tree);
            (State::Fresh, in_bytes(bytes))
        };
        assert_eq!(ours("", 100), [tree(100, 0), tree(100, 1)]);
        assert_eq!(ours("", 1_000), [tree(1_000, 0)], "the other stack failed");
        assert_eq!(ours("xwing-aes128-ed25519", 100), [tree(100, 2)]);
        assert_eq!(ours("xwing-aes128-ed25519", 4), [], "it was not measured");
    }
}
