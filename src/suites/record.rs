//! The result of a comparison of suites: `suites.json`, and the same as CSV.
//!
//! Version 1: a field keeps its name and its meaning. Returns strings. Called by `folder`.

use serde::{Deserialize, Serialize};

use super::cell::Outcome;
use super::group::State;
use super::plan::Settings;
use crate::report::provenance::Provenance;
use crate::report::record::RecordError;

/// The version of the format.
pub const SCHEMA_VERSION: u32 = 1;

/// A comparison of suites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuitesRecord {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What measured, on what.
    pub provenance: Provenance,
    /// What was asked for.
    pub settings: Settings,
    /// What was found, in the order in which it was measured.
    pub cells: Vec<Outcome>,
}

impl SuitesRecord {
    /// As JSON, for people too.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record is plain data")
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        RecordError::unless_version(json, SCHEMA_VERSION)?;
        Ok(serde_json::from_str(json)?)
    }

    /// Those without figures.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.cells.iter().filter(|cell| cell.error.is_some())
    }

    /// What came of a cell: a suite and its stack, members, and a state of the tree; `None` if it is
    /// not here.
    #[must_use]
    pub fn cell(
        &self,
        (suite, stack): (&str, &str),
        members: u32,
        state: State,
    ) -> Option<&Outcome> {
        self.cells.iter().find(|cell| {
            let same = cell.suite == suite && cell.stack == stack;
            same && cell.members == members && cell.state == state
        })
    }

    /// Members of the largest group that has figures in a state of the tree; `None` if none has.
    #[must_use]
    pub fn largest(&self, state: State) -> Option<u32> {
        let has_figures = |cell: &&Outcome| cell.state == state && cell.error.is_none();
        self.cells.iter().filter(has_figures).map(|cell| cell.members).max()
    }

    /// A row for every time and every size, and one for every cell without.
    ///
    /// # Errors
    /// None that memory does not give.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        rows.write_record([
            "suite",
            "stack",
            "members",
            "state",
            "kind",
            "name",
            "n",
            "median_us",
            "low_us",
            "high_us",
            "coverage",
            "bytes",
            "model_bytes",
            "error",
        ])?;
        for cell in &self.cells {
            let head = [&cell.suite, &cell.stack, &cell.members.to_string()].map(String::from);
            let mut write = |kind: &str, rest: [String; 9]| {
                let state = [cell.state.name().to_owned(), kind.to_owned()];
                rows.write_record(head.iter().chain(&state).chain(&rest))
            };
            let none = String::new;
            if let Some(error) = &cell.error {
                let rest = [none(), none(), none(), none(), none(), none(), none(), none()];
                let [a, b, c, d, e, f, g, h] = rest;
                write("failure", [a, b, c, d, e, f, g, h, error.clone()])?;
            }
            for timed in &cell.times {
                let of = &timed.timing;
                let name = timed.operation.name().to_owned();
                let figures = [of.median_us, of.low_us, of.high_us, of.coverage];
                let [median, low, high, coverage] = figures.map(|figure| figure.to_string());
                let n = of.n.to_string();
                write("time", [name, n, median, low, high, coverage, none(), none(), none()])?;
            }
            for sized in &cell.sizes {
                let model = sized.model_bytes.map_or_else(none, |bytes| bytes.to_string());
                let (name, bytes) = (sized.object.name().to_owned(), sized.bytes.to_string());
                let rest = [name, none(), none(), none(), none(), none(), bytes, model, none()];
                write("size", rest)?;
            }
            if let Some(bytes) = cell.member_bytes {
                let (name, bytes) = ("memory of a member".to_owned(), bytes.to_string());
                let rest = [name, none(), none(), none(), none(), none(), bytes, none(), none()];
                write("memory", rest)?;
            }
        }
        let bytes = rows.into_inner().map_err(|error| error.into_error())?;
        Ok(String::from_utf8(bytes).expect("every cell is text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::sample;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = sample::record();
        assert_eq!(SuitesRecord::from_json(&record.to_json()).unwrap(), record);
        let newer = record.to_json().replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
        let refused = SuitesRecord::from_json(&newer);
        assert!(matches!(refused, Err(RecordError::Version { found: 2, known: 1 })));
    }

    #[test]
    fn the_csv_has_a_row_for_every_figure_and_every_failure() {
        let record = sample::record();
        let csv = record.to_csv().unwrap();
        let figures: usize = record.cells.iter().map(|it| it.times.len() + it.sizes.len()).sum();
        assert_eq!(csv.lines().count(), 1 + figures + record.failures().count());
        assert!(csv.contains("failure,,,,,,,,,cannot commit"), "{csv}");
    }

    #[test]
    fn every_field_of_a_record_has_a_row_in_the_readme() {
        let readme = include_str!("../../results/README.md");
        let (_, section) = readme.split_once("## suites.json").unwrap();
        let json = serde_json::to_value(sample::record()).unwrap();
        let cell = &json["cells"][0];
        let objects = [&json, &json["settings"], cell, &cell["times"][0], &cell["sizes"][0]];
        for object in objects {
            for field in object.as_object().unwrap().keys() {
                assert!(section.contains(&format!("`{field}`")), "{field}");
            }
        }
    }
}
