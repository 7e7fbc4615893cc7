//! Which cells a comparison has, and whether they fit this machine.
//!
//! Pure: what is asked for, in; cells, out. Called by `cli`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cell::Cell;
use super::group::{GROUP, State};
use super::job::Job;
use super::registry::Entry;
use crate::limits::{
    SUITE_LEAF_BYTES, SUITE_MEMBERS_MAX, SUITE_MERGED_MEMBERS_MAX, SUITE_PROCESS_BYTES,
    SUITE_TREES_IN_MEMORY,
};
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::stack::StackKind;
use crate::mls::tape::Handshake;
use crate::mls::{Dimensions, TreeState};
use crate::report::folder::digits_of;

/// What a comparison measures. Two with the same settings are the same comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The suites, each with the stack that runs it.
    pub suites: Vec<(String, String)>,
    /// Group sizes.
    pub sizes: Vec<u32>,
    /// States of the tree; empty for each where it does not take long.
    pub states: Vec<State>,
    /// Milliseconds for the repetitions of one operation; more where an interval needs it.
    pub budget_ms: u64,
    /// How many cells were measured at the same time, each on cores of its own.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub at_once: u32,
    /// The program that measured: its commit, its version, its profile.
    pub program: String,
    /// The machine that it ran on: processor, cores, kernel; empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
}

/// As before several were: a record that does not say has the settings that it was made with.
fn one() -> u32 {
    1
}

fn is_one(at_once: &u32) -> bool {
    *at_once == one()
}

impl Settings {
    /// What is measured, in an order that is the same every time: the small groups first.
    #[must_use]
    pub fn cells(&self, suites: &[(&'static Entry, StackKind)]) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &members in &self.sizes {
            for &(entry, stack) in suites {
                let states = self.states_at(members).into_iter();
                cells.extend(states.map(|state| Cell { entry, stack, members, state }));
            }
        }
        cells
    }

    /// A group of three has no tree that could be anything but fresh and worth a look.
    fn states_at(&self, members: u32) -> Vec<State> {
        let unasked = self.states.is_empty();
        let every = State::ALL.into_iter().filter(|state| unasked || self.states.contains(state));
        let sensible = every.filter(|state| match state {
            State::Fresh => true,
            // Where a merged tree is cheap it says the same of commits, and more.
            State::Settled => members >= 4 && (!unasked || members > SUITE_MERGED_MEMBERS_MAX),
            State::Merged | State::Churned => {
                members >= 4 && (!unasked || members <= SUITE_MERGED_MEMBERS_MAX)
            }
        });
        sensible.collect()
    }

    /// Time for the repetitions of one operation.
    #[must_use]
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }

    /// Eight digits that no two different settings share but by chance.
    #[must_use]
    pub fn hash(&self) -> String {
        let json = serde_json::to_string(self).expect("settings are plain data");
        digits_of(json.as_bytes())
    }
}

/// What cannot be measured here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// A size that is none.
    #[error("a group of {0} cannot be measured; choose 2 to {SUITE_MEMBERS_MAX}")]
    Members(u32),
    /// Sizes and states of which none go together.
    #[error(
        "nothing to measure: a group of two or three has a fresh tree and no other; choose 4 members or \
         more, or the state fresh"
    )]
    Nothing,
    /// A size that would not fit.
    #[error(
        "{suite} at {members} members takes about {needed_mib} MiB{}, and {available_mib} MiB are \
         free; choose a smaller size{} or other suites",
        if *.at_once > 1 { " with what is measured beside it" } else { "" },
        if *.at_once > 1 { ", --at-once 1" } else { "" },
    )]
    Memory {
        /// The suite that takes most.
        suite: &'static str,
        /// At that size.
        members: u32,
        /// What it takes, with those at work at the same time, in MiB.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
        /// How many are at work at the same time.
        at_once: usize,
    },
}

/// Refuses what cannot be measured, with `at_once` jobs at any time, on a machine with so much memory
/// to spare; `None` if that is not known.
///
/// # Errors
/// What cannot be, and what it would take.
pub fn check(cells: &[Cell], at_once: usize, available_bytes: Option<u64>) -> Result<(), Unfit> {
    for cell in cells {
        if !(2..=SUITE_MEMBERS_MAX).contains(&cell.members) {
            return Err(Unfit::Members(cell.members));
        }
    }
    if cells.is_empty() {
        return Err(Unfit::Nothing);
    }
    let most = |job: &Job| {
        let takes = job.cells().map(|cell| memory_bytes(&cell));
        (takes.max().unwrap_or_default(), job.entry.name, job.members)
    };
    let mut jobs: Vec<_> = Job::of(cells).iter().map(most).collect();
    jobs.sort_unstable_by(|one, other| other.cmp(one));
    // Whatever is at work, it is no more than the largest of all together.
    let needed = jobs.iter().take(at_once).fold(0_u64, |sum, job| sum.saturating_add(job.0));
    match (jobs.first(), available_bytes) {
        (Some(&(_, suite, members)), Some(available)) if needed > available => Err(Unfit::Memory {
            suite,
            members,
            needed_mib: needed >> 20,
            available_mib: available >> 20,
            at_once: at_once.min(jobs.len()),
        }),
        _ => Ok(()),
    }
}

/// What a cell takes at most, in bytes: more than any that was seen.
#[must_use]
pub fn memory_bytes(cell: &Cell) -> u64 {
    let merged = Dimensions {
        lengths: cell.entry.lengths(),
        group_id: GROUP.len(),
        identity: IDENTITY_BYTES,
        members: cell.members,
        tree: TreeState::Merged,
        handshake: Handshake::Public,
    };
    let tree = merged.ratchet_tree();
    let leaves = usize::try_from(cell.members).unwrap_or(usize::MAX);
    let needed = tree
        .saturating_mul(SUITE_TREES_IN_MEMORY)
        .saturating_add(leaves.saturating_mul(SUITE_LEAF_BYTES))
        .saturating_add(SUITE_PROCESS_BYTES);
    u64::try_from(needed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::registry::ENTRIES;

    fn settings(sizes: &[u32], states: &[State]) -> Settings {
        let (sizes, states) = (sizes.to_vec(), states.to_vec());
        Settings {
            suites: Vec::new(),
            sizes,
            states,
            budget_ms: 1,
            at_once: 1,
            program: String::new(),
            machine: String::new(),
        }
    }

    fn cells(sizes: &[u32], states: &[State]) -> Vec<(u32, State)> {
        let suites = [(&ENTRIES[0], StackKind::MlsRsAwsLc)];
        let cells = settings(sizes, states).cells(&suites);
        cells.iter().map(|cell| (cell.members, cell.state)).collect()
    }

    #[test]
    fn large_groups_are_merged_only_where_that_is_asked_for() {
        use State::{Churned, Fresh, Merged, Settled};
        let small = [(2, Fresh), (100, Fresh), (100, Merged), (100, Churned)];
        assert_eq!(cells(&[2, 100], &[]), small);
        assert_eq!(cells(&[1_000], &[]), [(1_000, Fresh), (1_000, Settled)]);
        assert_eq!(cells(&[2, 100], &[Settled]), [(100, Settled)]);
        assert_eq!(cells(&[1_000], &[Merged]), [(1_000, Merged)]);
    }

    #[test]
    fn a_size_that_would_not_fit_is_refused_with_what_it_would_take() {
        let suites = [(&ENTRIES[0], StackKind::MlsRsAwsLc), (&ENTRIES[15], StackKind::MlsRsAwsLc)];
        let cells = settings(&[10_000], &[]).cells(&suites);
        let unfit = check(&cells, 1, Some(1 << 30)).unwrap_err().to_string();
        assert!(unfit.contains("mldsa87 at 10000 members takes about"), "{unfit}");
        assert!(!unfit.contains("--at-once"), "{unfit}");
        assert_eq!(check(&cells, 1, Some(1 << 40)), Ok(()));
        assert_eq!(check(&cells, 1, None), Ok(()));
        let nothing = settings(&[2, 3], &[State::Merged, State::Churned]).cells(&suites);
        assert_eq!(check(&nothing, 1, None), Err(Unfit::Nothing));
        for members in [0, 1, SUITE_MEMBERS_MAX + 1] {
            let cells = settings(&[members], &[State::Fresh]).cells(&suites);
            assert_eq!(check(&cells, 1, None), Err(Unfit::Members(members)));
        }
    }

    #[test]
    fn what_is_at_work_at_the_same_time_has_to_fit_together() {
        let suites = [(&ENTRIES[0], StackKind::MlsRsAwsLc), (&ENTRIES[15], StackKind::MlsRsAwsLc)];
        let of =
            |suites: &[(&'static Entry, StackKind)]| settings(&[100, 1_000], &[]).cells(suites);
        let least = |cells: &[Cell], at_once| {
            let mut bytes: Vec<u64> = Job::of(cells)
                .iter()
                .map(|job| job.cells().map(|cell| memory_bytes(&cell)).max().unwrap())
                .collect();
            bytes.sort_unstable();
            bytes.iter().rev().take(at_once).sum::<u64>()
        };
        let cells = of(&suites);
        for at_once in [1, 2, 3] {
            let fits = least(&cells, at_once);
            assert_eq!(check(&cells, at_once, Some(fits)), Ok(()));
            let unfit = check(&cells, at_once, Some(fits - 1)).unwrap_err().to_string();
            assert_eq!(unfit.contains("smaller size, --at-once 1 or"), at_once > 1, "{unfit}");
        }
        // States of one job follow each other.
        let one = settings(&[1_000], &[]).cells(&suites[..1]);
        assert_eq!(check(&one, 9, Some(least(&one, 1))), Ok(()));
    }

    #[test]
    fn what_was_seen_to_be_taken_is_not_estimated_as_less_nor_as_more_than_three_times_as_much() {
        // Peak resident memory of one cell in a process of its own, in KiB.
        for (suite, stack, members, seen) in SEEN {
            let entry = ENTRIES.iter().find(|entry| entry.name == suite).unwrap();
            let cell = Cell { entry, stack, members, state: State::Fresh };
            let (needed, seen) = (memory_bytes(&cell), seen << 10);
            assert!((seen..3 * seen).contains(&needed), "{suite} at {members}: {needed} {seen}");
        }
    }

    const SEEN: [(&str, StackKind, u32, u64); 7] = [
        ("x25519-aes128-ed25519", StackKind::OpenMlsRustCrypto, 1_000, 38_720),
        ("x25519-aes128-ed25519", StackKind::MlsRsAwsLc, 1_000, 53_036),
        ("p384-aes256-p384", StackKind::MlsRsAwsLc, 1_000, 49_888),
        ("mlkem768-aes256-mldsa65", StackKind::OpenMlsRustCrypto, 1_000, 144_916),
        ("mlkem1024-aes256-mldsa87", StackKind::OpenMlsRustCrypto, 1_000, 194_440),
        ("x25519-aes128-ed25519", StackKind::MlsRsAwsLc, 10_000, 203_596),
        ("xwing-aes128-ed25519", StackKind::OpenMlsRustCrypto, 10_000, 421_556),
    ];

    #[test]
    fn other_settings_have_another_hash() {
        let one = settings(&[2], &[]);
        assert_eq!(one.hash(), settings(&[2], &[]).hash());
        assert_ne!(one.hash(), settings(&[3], &[]).hash());
        assert_eq!(one.hash().len(), 8);
    }

    #[test]
    fn a_comparison_that_was_kept_is_found_by_its_settings() {
        for json in [
            include_str!("../../results/reference/suites/suites.json"),
            include_str!("../../results/reference/suites-states/suites.json"),
        ] {
            let record = crate::suites::record::SuitesRecord::from_json(json).unwrap();
            assert_eq!(record.settings.hash(), record.provenance.scenario_hash);
        }
    }
}
