//! Reading a scenario's file, with the traces beside it.
//!
//! The only place where the format meets files. Called by every command that takes a scenario.

use std::path::Path;

use anyhow::Context;

use super::{read_text, with_causes};
use crate::limits::{SCENARIO_BYTES_MAX, TRACE_BYTES_MAX};
use crate::load::scenario::Scenario;

/// A scenario as its file has it.
#[derive(Clone, Debug)]
pub(super) struct ScenarioFile {
    pub(super) scenario: Scenario,
    /// The file's name without folder and extension.
    pub(super) name: String,
    /// Of its text and its traces.
    pub(super) hash: String,
}

/// Reads a scenario and whatever it replays: never more of a file than may be in it.
///
/// # Errors
/// When it cannot be read, or the first mistake in it, with its place.
pub(super) fn read(path: &Path) -> anyhow::Result<ScenarioFile> {
    let text = read_text(path, SCENARIO_BYTES_MAX)
        .with_context(|| format!("cannot read the scenario {}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut trace = |file: &str| {
        read_text(&folder.join(file), TRACE_BYTES_MAX).map_err(|error| with_causes(&error))
    };
    let scenario = Scenario::parse_with(&text, &path.display().to_string(), &mut trace)?;
    let name = path.file_stem().map_or_else(|| "scenario".into(), |name| name.to_string_lossy());
    let hash = scenario.hash(&text);
    Ok(ScenarioFile { scenario, name: name.into_owned(), hash })
}
