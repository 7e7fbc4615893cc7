//! What one process measures, and what it says while it does.
//!
//! A job is a suite in a stack at a size, in one tree after another: they share the KeyPackages of the
//! silent members. Jobs run in processes of their own, so that a stack that panics ends its cell alone,
//! and memory that one has freed is not found by the next. Data alone. Called by `cli`, on both sides.

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Outcome};
use super::group::{State, Step};
use super::registry::Entry;
use crate::mls::stack::StackKind;

/// Cells that differ in nothing but their trees.
#[derive(Clone, Debug)]
pub struct Job {
    /// The suite.
    pub entry: &'static Entry,
    /// Who runs it.
    pub stack: StackKind,
    /// Members of the groups.
    pub members: u32,
    /// The trees, in the order in which they are measured: at least one.
    pub states: Vec<State>,
}

impl Job {
    /// The jobs that `cells` come to, in their order.
    #[must_use]
    pub fn of(cells: &[Cell]) -> Vec<Self> {
        let mut jobs: Vec<Self> = Vec::new();
        for &Cell { entry, stack, members, state } in cells {
            match jobs.last_mut() {
                Some(last)
                    if (last.entry.name, last.stack) == (entry.name, stack)
                        && last.members == members =>
                {
                    last.states.push(state);
                }
                _ => jobs.push(Self { entry, stack, members, states: vec![state] }),
            }
        }
        jobs
    }

    /// Its cells, in their order.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let &Self { entry, stack, members, .. } = self;
        self.states.iter().map(move |&state| Cell { entry, stack, members, state })
    }
}

/// A line that a process says of its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// How far the cell is that is under way.
    Step {
        /// What is being done.
        what: String,
        /// So much of it is done.
        done: u32,
        /// Of so much.
        of: u32,
    },
    /// What came of it; the next one is under way.
    Outcome(Box<Outcome>),
}

impl Said {
    /// One line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("it is plain data")
    }

    /// Reads [`Self::line`]; `None` if it is something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

impl From<Step> for Said {
    fn from(Step { what, done, of }: Step) -> Self {
        Self::Step { what: what.to_owned(), done, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::registry::ENTRIES;

    #[test]
    fn cells_that_differ_in_their_trees_alone_are_one_job() {
        let cell = |suite: usize, members, state| Cell {
            entry: &ENTRIES[suite],
            stack: StackKind::OpenMlsRustCrypto,
            members,
            state,
        };
        let cells = [
            cell(0, 10, State::Fresh),
            cell(0, 10, State::Merged),
            cell(7, 10, State::Fresh),
            cell(7, 100, State::Fresh),
            Cell { stack: StackKind::OpenMlsLibcrux, ..cell(7, 100, State::Fresh) },
        ];
        let jobs = Job::of(&cells);
        assert_eq!(jobs.len(), 4);
        assert_eq!(jobs[0].states, [State::Fresh, State::Merged]);
        let keys = |cells: &mut dyn Iterator<Item = Cell>| -> Vec<String> {
            cells.map(|cell| cell.key()).collect()
        };
        let again = keys(&mut jobs.iter().flat_map(Job::cells));
        assert_eq!(again, keys(&mut cells.iter().copied()));
    }

    #[test]
    fn a_line_is_read_as_it_was_said() {
        let step = Said::from(Step { what: "join by Welcome", done: 1, of: 12 });
        let outcome = Said::Outcome(Box::new(crate::suites::sample::record().cells[0].clone()));
        for said in [step, outcome] {
            let line = said.line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Said::read(&line), Some(said));
        }
        assert_eq!(Said::read("thread 'main' panicked"), None);
    }
}
