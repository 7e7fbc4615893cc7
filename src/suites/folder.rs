//! The folder of a comparison: each finished cell, and at the end the whole.
//!
//! Its name follows from the settings, so that the same comparison goes on where it was stopped. A
//! cell that failed is not kept: it is tried again. Called by `cli`.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::cell::{Cell, Outcome};
use super::page;
use super::plan::Settings;
use super::record::SuitesRecord;
use crate::report::folder::{FolderError, keep_in, keep_page};

/// The record's name in its folder.
pub const RECORD: &str = "suites.json";
const CSV: &str = "suites.csv";
const SUMMARY: &str = "summary.txt";
const CELLS: &str = "cells";

/// A folder that can be written to.
#[derive(Debug)]
pub struct SuitesFolder {
    path: PathBuf,
}

/// Why a result could not be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// A file or folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The CSV.
    #[error("the CSV cannot be written")]
    Csv(#[from] csv::Error),
}

impl SuitesFolder {
    /// The folder of that comparison in `results`, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(results: &Path, settings: &Settings) -> Result<Self, FolderError> {
        let path = results.join(format!("suites-{}", settings.hash()));
        let cells = path.join(CELLS);
        let failed = |source| FolderError { path: cells.display().to_string(), source };
        fs::create_dir_all(&cells).map_err(failed)?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier try found of a cell.
    #[must_use]
    pub fn found(&self, cell: &Cell) -> Option<Outcome> {
        let text = fs::read_to_string(self.path.join(CELLS).join(file(cell))).ok()?;
        let outcome: Outcome = serde_json::from_str(&text).ok()?;
        outcome.is_of(cell).then_some(outcome)
    }

    /// Keeps what was found of a cell; nothing of one that failed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, cell: &Cell, outcome: &Outcome) -> Result<(), FolderError> {
        if outcome.error.is_some() {
            return Ok(());
        }
        let json = serde_json::to_string(outcome).expect("an outcome is plain data");
        keep_in(&self.path.join(CELLS), &file(cell), &json).map(|_| ())
    }

    /// Writes the whole: table, CSV, page, and the record last. Returns the record's path.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn complete(&self, record: &SuitesRecord, summary: &str) -> Result<PathBuf, KeepError> {
        keep_in(&self.path, SUMMARY, summary)?;
        keep_in(&self.path, CSV, &record.to_csv()?)?;
        keep_page(&self.path, &page::render(record))?;
        Ok(keep_in(&self.path, RECORD, &record.to_json())?)
    }
}

fn file(cell: &Cell) -> String {
    format!("{}.json", cell.key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mls::stack::StackKind;
    use crate::suites::group::State;
    use crate::suites::registry::ENTRIES;
    use crate::suites::sample;

    fn cell(members: u32) -> Cell {
        let (entry, stack) = (&ENTRIES[0], StackKind::OpenMlsRustCrypto);
        Cell { entry, stack, members, state: State::Fresh }
    }

    #[test]
    fn a_finished_cell_is_found_by_the_same_comparison_and_no_other() {
        let results = tempfile::tempdir().unwrap();
        let record = sample::record();
        let folder = SuitesFolder::open(results.path(), &record.settings).unwrap();
        assert_eq!(folder.found(&cell(2)), None);
        folder.keep(&cell(2), &record.cells[0]).unwrap();
        let again = SuitesFolder::open(results.path(), &record.settings).unwrap();
        assert_eq!(again.found(&cell(2)).as_ref(), Some(&record.cells[0]));
        assert_eq!(again.found(&cell(100)), None);
        let settings = Settings { budget_ms: 7, ..record.settings };
        let other = SuitesFolder::open(results.path(), &settings).unwrap();
        assert_eq!(other.found(&cell(2)), None);
    }

    #[test]
    fn a_failed_cell_is_tried_again() {
        let results = tempfile::tempdir().unwrap();
        let record = sample::record();
        let folder = SuitesFolder::open(results.path(), &record.settings).unwrap();
        folder.keep(&cell(2), &Outcome::failed(&cell(2), "no".to_owned())).unwrap();
        assert_eq!(folder.found(&cell(2)), None);
    }

    #[test]
    fn a_whole_comparison_is_a_record_with_its_table_its_csv_and_its_page() {
        let results = tempfile::tempdir().unwrap();
        let record = sample::record();
        let folder = SuitesFolder::open(results.path(), &record.settings).unwrap();
        let path = folder.complete(&record, "a table").unwrap();
        let read: SuitesRecord = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(read, record);
        for name in [SUMMARY, CSV, "report.html"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
    }
}
