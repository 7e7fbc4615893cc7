//! A small record of made-up figures, for tests of what is made of one.

use super::cell::{Cell, Object, Operation, Outcome, Sized, Timed};
use super::group::State;
use super::interval::Timing;
use super::plan::Settings;
use super::published::{PUBLISHED, What};
use super::record::{SCHEMA_VERSION, SuitesRecord};
use super::registry::ENTRIES;
use crate::mls::stack::StackKind;
use crate::report::provenance::Provenance;

/// Two suites at two sizes, one of them failed at the larger.
pub(crate) fn record() -> SuitesRecord {
    let stack = StackKind::OpenMlsRustCrypto;
    let mut cells = Vec::new();
    for (entry, scale) in [(&ENTRIES[0], 1.0), (&ENTRIES[7], 3.0)] {
        for members in [2, 100] {
            let cell = Cell { entry, stack, members, state: State::Fresh };
            if entry.provisional && members == 100 {
                cells.push(Outcome::failed(&cell, "cannot commit: <no>".to_owned()));
                continue;
            }
            let time = f64::from(members) * scale;
            let timed = |operation| Timed {
                operation,
                timing: Timing::of((1..=9).map(|step| time * f64::from(step)).collect()),
            };
            let bytes = usize::try_from(members).unwrap() * 1_000;
            let sized = |object| Sized { object, bytes, model_bytes: Some(bytes + 1) };
            cells.push(Outcome {
                times: Operation::ALL.map(timed).to_vec(),
                sizes: [Object::KeyPackage, Object::CommitUpdate, Object::Tree].map(sized).to_vec(),
                ..Outcome::of(&cell)
            });
        }
    }
    let suites = cells.iter().map(|cell| (cell.suite.clone(), cell.stack.clone())).collect();
    let settings = Settings {
        suites,
        sizes: vec![2, 100],
        states: vec![State::Fresh],
        budget_ms: 100,
        at_once: 2,
        program: "a program".to_owned(),
        machine: "a machine".to_owned(),
    };
    let provenance = Provenance { scenario: "suites".to_owned(), ..Provenance::of_program() };
    SuitesRecord { schema_version: SCHEMA_VERSION, provenance, settings, cells }
}

/// Suites and stacks of [`distinct`] and [`published`].
pub(crate) const ROWS: [(&str, &str); 3] = [
    ("x25519-aes128-ed25519", "openmls/rust_crypto"),
    ("x25519-aes128-ed25519", "mls-rs/awslc"),
    ("xwing-aes128-ed25519", "openmls/rust_crypto"),
];

const SIZES: [u32; 3] = [4, 100, 1_000];

/// The place of a cell in [`distinct`] if none was left out.
fn number(members: u32, row: usize, state: State) -> usize {
    let size = SIZES.iter().position(|size| *size == members).unwrap();
    let state = State::ALL.iter().position(|it| *it == state).unwrap();
    (size * ROWS.len() + row) * State::ALL.len() + state
}

/// The median of a time in [`distinct`]; its interval is from 100 less to 200 more.
pub(crate) fn time_us(members: u32, row: usize, state: State, operation: Operation) -> usize {
    let operation = Operation::ALL.iter().position(|it| *it == operation).unwrap();
    200 + number(members, row, state) * Operation::ALL.len() + operation
}

/// A length in [`distinct`].
pub(crate) fn bytes(members: u32, row: usize, state: State, object: Object) -> usize {
    10_000 + number(members, row, state) * 100 + object as usize
}

fn timing(median: usize, below: usize, above: usize) -> Timing {
    let [median_us, low_us, high_us] =
        [median, median - below, median + above].map(|us| u32::try_from(us).unwrap().into());
    Timing { n: 9, median_us, low_us, high_us, coverage: 0.96 }
}

/// Suites in stacks at sizes in every state, no two of whose figures are alike. Three cells failed and
/// four are not there, so that no settled tree of the largest size has figures.
pub(crate) fn distinct() -> SuitesRecord {
    use State::{Churned, Fresh, Merged, Settled};
    let mut record = record();
    record.settings.suites =
        ROWS.map(|(suite, stack)| (suite.to_owned(), stack.to_owned())).to_vec();
    record.settings.sizes = SIZES.to_vec();
    record.settings.states = State::ALL.to_vec();
    record.cells.clear();
    for members in SIZES {
        for (row, (suite, stack)) in ROWS.iter().enumerate() {
            for state in State::ALL {
                let entry = ENTRIES.iter().find(|entry| entry.name == *suite).unwrap();
                let stack = StackKind::named(stack).unwrap();
                let cell = Cell { entry, stack, members, state };
                match (members, row, state) {
                    (4, 2, Fresh) | (1_000, 2, Merged) | (1_000, 1.., Settled) => continue,
                    (1_000, 0, Settled) | (1_000, 1, Fresh | Churned) => {
                        record.cells.push(Outcome::failed(&cell, "no".to_owned()));
                        continue;
                    }
                    _ => {}
                }
                let timed = |operation| {
                    let us = time_us(members, row, state, operation);
                    Timed { operation, timing: timing(us, 100, 200) }
                };
                let sized = |object| {
                    let bytes = bytes(members, row, state, object);
                    Sized { object, bytes, model_bytes: Some(bytes) }
                };
                let mebibytes = u64::try_from(1 + number(members, row, state)).unwrap();
                record.cells.push(Outcome {
                    times: Operation::ALL.map(timed).to_vec(),
                    sizes: Object::ALL.map(sized).to_vec(),
                    member_bytes: Some(mebibytes << 20),
                    ..Outcome::of(&cell)
                });
            }
        }
    }
    record
}

/// The first of the figures of [`published`].
pub(crate) const PUBLISHED_US: usize = 200;

/// What others have published, measured here in two stacks: the n-th figure is the n-th number from
/// [`PUBLISHED_US`] on in the first of them, and 300 more in the other.
pub(crate) fn published() -> SuitesRecord {
    let mut record = record();
    record.cells.clear();
    for (number, of) in (PUBLISHED_US..).zip(PUBLISHED) {
        for (stack, more) in [(StackKind::OpenMlsRustCrypto, 0), (StackKind::MlsRsAwsLc, 300)] {
            let entry = ENTRIES.iter().find(|entry| entry.name == of.suite).unwrap();
            let cell = Cell { entry, stack, members: of.members, state: State::Fresh };
            let same = record.cells.iter().position(|it| {
                it.suite == entry.name && it.stack == stack.name() && it.members == of.members
            });
            let place = same.unwrap_or_else(|| {
                record.cells.push(Outcome::of(&cell));
                record.cells.len() - 1
            });
            let here = &mut record.cells[place];
            match of.what {
                What::Time(operation, _) => {
                    here.times.push(Timed { operation, timing: timing(number + more, 0, 0) });
                }
                What::Bytes(object, _) => {
                    here.sizes.push(Sized { object, bytes: number + more, model_bytes: None });
                }
                What::Other(..) => {}
            }
        }
    }
    record
}
