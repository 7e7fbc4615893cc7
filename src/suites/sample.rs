//! A small record of made-up figures, for tests of what is made of one.

use super::cell::{Cell, Object, Operation, Outcome, Sized, Timed};
use super::group::State;
use super::interval::Timing;
use super::plan::Settings;
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
        program: "a program".to_owned(),
    };
    let provenance = Provenance { scenario: "suites".to_owned(), ..Provenance::of_program() };
    SuitesRecord { schema_version: SCHEMA_VERSION, provenance, settings, cells }
}
