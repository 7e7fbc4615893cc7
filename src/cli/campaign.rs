//! The runs of a campaign: each is a trial, shown in brief.
//!
//! Called by `sweep` and `find_max`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::progress::Screen;
use super::provenance;
use super::run::look_of_terminal;
use super::scenario_file::ScenarioFile;
use super::trial::{self, Asked, Options};
use crate::campaign::page;
use crate::campaign::record::{CampaignOutcome, CampaignRecord, FILE, LoadCurve, SCHEMA_VERSION};
use crate::campaign::{TrialError, Trials, text};
use crate::clock;
use crate::load::scenario::Scenario;
use crate::report::folder::{RunFolder, keep_page};
use crate::report::provenance::Provenance;
use crate::report::record::Record;
use crate::report::summary::Look;

/// Makes runs with servers and sockets.
pub(super) struct Runs<'a> {
    source: &'a ScenarioFile,
    options: Options,
    screen: Screen,
    started: Instant,
}

impl<'a> Runs<'a> {
    pub(super) fn new(source: &'a ScenarioFile, options: Options) -> Self {
        Self::shown_on(Screen::new(), source, options)
    }

    pub(super) fn shown_on(screen: Screen, source: &'a ScenarioFile, options: Options) -> Self {
        Self { source, options, screen, started: clock::now() }
    }
}

impl Trials for Runs<'_> {
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
        let ScenarioFile { name, hash, .. } = self.source;
        let asked =
            Asked { scenario, name: name.clone(), hash: hash.clone(), started: clock::unix() };
        trial::run(asked, &self.options, &mut self.screen)
            .map(|(record, _)| record)
            .map_err(|error| TrialError(super::with_causes(&error)))
    }

    fn say(&mut self, line: &str) {
        self.screen.say(line);
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }
}

/// The folder of a campaign, made before anything runs, and where it comes from.
pub(super) fn begin(
    results: &Path,
    kind: &str,
    source: &ScenarioFile,
) -> anyhow::Result<(RunFolder, Provenance)> {
    let started = clock::unix();
    let named = format!("{kind}-{}", source.name);
    let folder = RunFolder::create(results, &named, &source.hash, started)?;
    let mut provenance = Provenance::of_scenario(&source.scenario, &source.name, &source.hash);
    provenance::fill_in(&mut provenance, started);
    Ok((folder, provenance))
}

/// Writes a campaign's result, then prints it.
#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
pub(super) fn conclude(
    folder: &RunFolder,
    provenance: Provenance,
    outcome: CampaignOutcome,
    curve: Option<&LoadCurve>,
) -> anyhow::Result<()> {
    if let Some(curve) = curve {
        folder.keep("load.csv", &text::csv(curve))?;
    }
    let record = CampaignRecord { schema_version: SCHEMA_VERSION, provenance, outcome };
    let plain = text::render(&record, folder.path(), Look::default());
    keep_page(folder.path(), &page::render(&record))?;
    folder.complete_as(FILE, &record.to_json(), &plain)?;
    print!("{}", text::render(&record, folder.path(), look_of_terminal()));
    Ok(())
}
