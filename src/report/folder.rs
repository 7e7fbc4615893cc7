//! The folder of one run: made before anything starts, completed by its record last.
//!
//! A folder without a record belongs to a run that did not finish. Never overwrites. Called by
//! `cli`. The host record lies beside the folders and is the one thing that is written anew.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::host::HostRecord;
use super::html;
use super::intervals::{IntervalRecord, csv, hlog, ndjson};
use super::record::Record;
use super::utc::Utc;
use crate::load::intervals::Interval;

/// Runs of one scenario that may start within one second.
const SECOND_MAX: u32 = 99;

/// The name of a run's record.
pub const RECORD: &str = "run.json";
const SUMMARY: &str = "summary.txt";
const HOST: &str = "host.json";
/// Longest host record that is read: a hundred times what one has.
const HOST_BYTES_MAX: u64 = 1 << 20;
const HLOG: &str = "run.hlog";
const NDJSON: &str = "intervals.ndjson";
const CSV: &str = "intervals.csv";

/// A folder that exists, can be written to, and has no result yet.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// A result that cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot write results to {path}: {source}")]
pub struct FolderError {
    /// What could not be written.
    pub path: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Digits of a hash that tell folders apart: of a hundred, two are alike by chance once in a million
/// times.
const DIGITS: usize = 8;

/// What tells contents apart in a folder's name: the first eight hexadecimal digits of their hash.
#[must_use]
pub fn digits_of(content: &[u8]) -> String {
    let mut digits = format!("{:016x}", xxh3_64(content));
    digits.truncate(DIGITS);
    digits
}

impl RunFolder {
    /// Makes `results/<utc>-<scenario>-<hash8>`, and `results` if need be. Runs that start within
    /// one second get `-2` and so on.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(
        results: &Path,
        scenario: &str,
        hash: &str,
        started_unix: Duration,
    ) -> Result<Self, FolderError> {
        let moment = Utc::from_unix(started_unix).compact();
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let scenario: String = scenario.chars().take(40).map(plain).collect();
        let hash: String = hash.chars().take(DIGITS).map(plain).collect();
        let name = format!("{moment}-{scenario}-{hash}");
        let failed = |path: &Path, source| FolderError { path: path.display().to_string(), source };
        make_results(results)?;
        let mut path = results.join(&name);
        let mut within_the_second = 1;
        while let Err(source) = fs::create_dir(&path) {
            within_the_second += 1;
            if source.kind() != io::ErrorKind::AlreadyExists || within_the_second > SECOND_MAX {
                return Err(failed(&path, source));
            }
            path = results.join(format!("{name}-{within_the_second}"));
        }
        let folder = Self { path };
        folder.put(SUMMARY, "The run has not finished.\n")?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the run in slices of time, whose whole histograms are those of a load that `started`
    /// then since the Unix epoch: the interval log, and the record's rows for other tools.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep_intervals(
        &self,
        intervals: &[Interval],
        started: Duration,
    ) -> Result<(), FolderError> {
        let rows: Vec<IntervalRecord> = intervals.iter().map(IntervalRecord::from).collect();
        self.put(HLOG, &hlog(intervals, started))?;
        self.put(NDJSON, &ndjson(&rows))?;
        self.put(CSV, &csv(&rows))?;
        Ok(())
    }

    /// Writes the page and the summary, then the record, each whole or not at all. Returns the
    /// record's path.
    ///
    /// # Errors
    /// When a file cannot be written, or the folder has a record already.
    pub fn complete(&self, record: &Record, summary: &str) -> Result<PathBuf, FolderError> {
        keep_page(&self.path, &html::render(record))?;
        self.complete_as(RECORD, &record.to_json(), summary)
    }

    /// The same for a record of another kind, which goes into the file `name`.
    ///
    /// # Errors
    /// When a file cannot be written, or the folder has that record already.
    pub fn complete_as(
        &self,
        name: &str,
        record: &str,
        summary: &str,
    ) -> Result<PathBuf, FolderError> {
        let path = self.path.join(name);
        if path.exists() {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(FolderError { path: path.display().to_string(), source });
        }
        self.put(SUMMARY, summary)?;
        self.put(name, record)
    }

    /// Writes a file that goes beside the record, whole or not at all. Returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str, text: &str) -> Result<PathBuf, FolderError> {
        self.put(name, text)
    }

    fn put(&self, name: &str, text: &str) -> Result<PathBuf, FolderError> {
        keep_in(&self.path, name, text)
    }
}

/// Makes the folder of all results, if need be: before anything is measured that it cannot hold.
///
/// # Errors
/// When it cannot be made.
pub fn make_results(results: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError { path: results.display().to_string(), source };
    fs::create_dir_all(results).map_err(failed)
}

/// Writes `host.json` in `results`, whole or not at all; an earlier one is replaced. Returns its
/// path.
///
/// # Errors
/// When it cannot be written.
pub fn keep_host(results: &Path, record: &HostRecord) -> Result<PathBuf, FolderError> {
    make_results(results)?;
    keep_in(results, HOST, &record.to_json())
}

/// Writes `report.html` in `folder`, whole or not at all; an earlier one is replaced, for it can
/// always be made again. Returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn keep_page(folder: &Path, page: &str) -> Result<PathBuf, FolderError> {
    keep_in(folder, html::FILE, page)
}

/// The host record in `results`, if there is one that this program reads.
#[must_use]
pub fn read_host(results: &Path) -> Option<HostRecord> {
    let mut json = String::new();
    let file = File::open(results.join(HOST)).ok()?;
    file.take(HOST_BYTES_MAX).read_to_string(&mut json).ok()?;
    HostRecord::from_json(&json).ok()
}

/// Writes a file in `folder`, whole or not at all; an earlier one is replaced. Returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn keep_in(folder: &Path, name: &str, text: &str) -> Result<PathBuf, FolderError> {
    let path = folder.join(name);
    let failed = |source| FolderError { path: path.display().to_string(), source };
    let unfinished = folder.join(format!(".{name}.unfinished"));
    let mut file = File::create(&unfinished).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&unfinished, &path).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_content_are_the_first_of_its_xxh3() {
        // Of nothing, as the specification of XXH3 has it: 2d06800538d394c2.
        assert_eq!(digits_of(b""), "2d068005");
        assert_ne!(digits_of(b"one"), digits_of(b"other"));
    }
}
