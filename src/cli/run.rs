//! `stentor run`: one trial of a scenario, written down and printed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;

use super::scenario_file::{self, ScenarioFile};
use super::shown::Shown;
use super::target::At;
use super::trial::{self, Asked, Options};
use super::{durability, with_causes};
use crate::clock;
use crate::delivery::Durability;
use crate::limits::THRESHOLDS_MAX;
use crate::load::Outcome;
use crate::load::scenario::Scenario;
use crate::load::threshold::Threshold;
use crate::report::folder::RunFolder;
use crate::report::junit;
use crate::report::record::Record;
use crate::report::summary::{Look, render};
use crate::report::thresholds;

/// Load a delivery service with a scenario and write what was found.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The scenario, a TOML file; scenarios/README.md explains the format.
    scenario: PathBuf,
    /// Where to make the folder of this run's result.
    #[arg(long, alias = "results", default_value = "results", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    at: At,
    /// What the messages of every class survive, whatever the scenario says: none, or wal. The log
    /// of a server that the run starts is in the system's temporary folder, $TMPDIR.
    #[arg(long, value_name = "none|wal", value_parser = durability)]
    durability: Option<Durability>,
    /// Mint anew, and keep nothing for the next run.
    #[arg(long)]
    no_cache: bool,
    /// One more of what the result has to be, such as "response.p99 < 50ms", beside the
    /// scenario's; several are allowed.
    #[arg(long, value_name = "LINE", value_parser = threshold)]
    threshold: Vec<Threshold>,
    /// See the run through, even if a threshold cannot hold any more.
    #[arg(long)]
    no_abort: bool,
    /// Do not measure, after the load, what its deliveries cost at least on this machine.
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    shown: Shown,
}

/// Runs the command; the exit code says how it went.
pub(crate) fn run(arguments: &Run) -> ExitCode {
    measure(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor run: {line}");
}

fn measure(arguments: &Run) -> anyhow::Result<ExitCode> {
    let ScenarioFile { mut scenario, name, hash } = scenario_file::read(&arguments.scenario)?;
    if let Some(durability) = arguments.durability {
        scenario.groups.iter_mut().for_each(|class| class.durability = durability);
    }
    ask_more(&mut scenario, arguments)?;
    let started = clock::unix();
    let target = arguments.at.target()?;
    let mut screen = arguments.shown.screen()?;
    let folder = RunFolder::create(&arguments.out, &name, &hash, started)?;
    let options = Options {
        target,
        replace: arguments.at.replace,
        cache: !arguments.no_cache,
        floor: if arguments.no_floor { Err("--no-floor".to_owned()) } else { Ok(()) },
        tell: arguments.shown.teller(tell),
    };
    let asked = Asked { scenario, name, hash, started };
    let result = trial::run(asked, &options, &mut screen)?;
    conclude(&folder, &result)
}

/// Adds the thresholds of the command line.
fn ask_more(scenario: &mut Scenario, arguments: &Run) -> anyhow::Result<()> {
    for threshold in &arguments.threshold {
        let fits = threshold.fits(scenario).map_err(anyhow::Error::msg);
        fits.with_context(|| format!("--threshold {:?}", threshold.text))?;
        scenario.thresholds.push(threshold.clone());
    }
    let count = scenario.thresholds.len();
    ensure!(count <= THRESHOLDS_MAX, "{count} thresholds; at most {THRESHOLDS_MAX} are allowed");
    if arguments.no_abort {
        scenario.thresholds.iter_mut().for_each(|threshold| threshold.abort = false);
    }
    Ok(())
}

/// A threshold of the command line; its mistake is placed under its character.
pub(super) fn threshold(line: &str) -> Result<Threshold, String> {
    Threshold::parse(line).map_err(|fault| {
        let before = line[..fault.span.start].chars().count();
        let wide = line[fault.span].chars().count().max(1);
        format!("{}\n  {line}\n  {}{}", fault.message, " ".repeat(before), "^".repeat(wide))
    })
}

/// Writes the result, then prints it.
#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn conclude(folder: &RunFolder, (record, outcome): &(Record, Outcome)) -> anyhow::Result<ExitCode> {
    folder.keep_intervals(&outcome.intervals, outcome.started)?;
    let plain = render(record, folder.path(), Look::default());
    folder.keep(junit::FILE, &junit::render(record))?;
    folder.complete(record, &plain)?;
    print!("{}", render(record, folder.path(), look_of_terminal()));
    Ok(ExitCode::from(thresholds::exit_code(record)))
}

/// Colour, and a width of their own, for people alone: a file or a pipe gets what anybody gets.
pub(super) fn look_of_terminal() -> Look {
    if !std::io::stdout().is_terminal() {
        return Look::default();
    }
    let set = |name| std::env::var(name).ok();
    look_of(set("COLUMNS").as_deref(), set("NO_COLOR").is_none())
}

/// Narrower than 80 columns no table can be read, wider than 200 no line can.
fn look_of(columns: Option<&str>, colour: bool) -> Look {
    let columns: Option<u16> = columns.and_then(|columns| columns.parse().ok());
    let width = columns.map_or_else(|| Look::default().width, |columns| columns.clamp(80, 200));
    Look { width, colour }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_as_wide_as_a_terminal_within_reason() {
        let check = |columns, width| assert_eq!(look_of(columns, true).width, width, "{columns:?}");
        let default = Look::default().width;
        check(None, default);
        check(Some(""), default);
        check(Some("wide"), default);
        check(Some("20"), 80);
        check(Some("132"), 132);
        check(Some("9999"), 200);
    }
}
