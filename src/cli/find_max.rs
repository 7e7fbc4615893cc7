//! `stentor find-max`: the highest load that keeps the SLO, between its bounds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::campaign::{Runs, begin, conclude};
use super::run::threshold;
use super::scenario_file;
use super::shown::Shown;
use super::sweep::factor;
use super::target::At;
use super::trial::Options;
use super::with_causes;
use crate::campaign::capacity::Subject;
use crate::campaign::record::CampaignOutcome;
use crate::campaign::search::Goal;
use crate::load::threshold::Threshold;
use crate::units::{self, Share};

/// Search the highest multiple of a scenario's rates that keeps its thresholds: the SLO.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The scenario, a TOML file. Its thresholds are the SLO.
    scenario: PathBuf,
    /// One more line of the SLO, such as "fanout_last.p99 < 250ms"; several are allowed.
    #[arg(long, value_name = "LINE", value_parser = threshold)]
    slo: Vec<Threshold>,
    /// The first load, as a multiple of the scenario's rates.
    #[arg(long, value_name = "N", default_value = "1", value_parser = factor)]
    start: f64,
    /// How far apart the bounds may be, as a share of the upper one. They are further apart where
    /// trials contradict each other.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = width)]
    width: f64,
    /// Length of a short trial.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    trial: Duration,
    /// Length of a long trial, which has the last word.
    #[arg(long = "final", value_name = "TIME", default_value = "15s", value_parser = time)]
    long: Duration,
    /// Trials whose length together a load is judged by. So many long ones, or one more, have to agree
    /// about each bound.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=99)
    )]
    trials: u32,
    /// Of that time, the share that may miss the SLO at a load above which the search goes on.
    #[arg(long, value_name = "SHARE", default_value = "50%", value_parser = exceed_ratio)]
    exceed_ratio: f64,
    /// The lowest load that is tried, as a multiple of the scenario's rates.
    #[arg(long, value_name = "N", default_value = "0.001", value_parser = factor)]
    min_factor: f64,
    /// The highest.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = factor)]
    max_factor: f64,
    /// After how long the search ends with what it has.
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = time)]
    budget: Duration,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    shown: Shown,
    /// Mint anew, and keep nothing for the next run.
    #[arg(long)]
    no_cache: bool,
    /// Where to make the folder of the result.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

fn width(text: &str) -> Result<f64, String> {
    let share = Share::parse(text).map(Share::as_fraction);
    share
        .filter(|share| (0.001..=0.5).contains(share))
        .ok_or_else(|| "it takes a share from 0.1% to 50%".to_owned())
}

fn exceed_ratio(text: &str) -> Result<f64, String> {
    let share = Share::parse(text).map(Share::as_fraction);
    share.filter(|share| *share < 1.0).ok_or_else(|| "it takes a share below 100%".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let length = units::duration(text);
    let range = Duration::from_millis(100)..=Duration::from_secs(86_400);
    length
        .filter(|length| range.contains(length))
        .ok_or_else(|| "it takes a time from 100ms to 24h".to_owned())
}

/// Runs the command: 0 if there is a lower bound, 99 if no load kept the SLO, 2 if nothing can be
/// said of the service, 1 if the search could not be made.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    measure(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor find-max: {line}");
}

fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut source = scenario_file::read(&arguments.scenario)?;
    for threshold in &arguments.slo {
        threshold.fits(&source.scenario).map_err(anyhow::Error::msg)?;
        source.scenario.thresholds.push(threshold.clone());
    }
    ensure!(
        arguments.min_factor < arguments.max_factor,
        "--min-factor {} is not below --max-factor {}",
        arguments.min_factor,
        arguments.max_factor
    );
    let subject =
        Subject::of(&source.scenario).with_context(|| arguments.scenario.display().to_string())?;
    let longest = arguments.trial.max(arguments.long);
    let most = subject.most(arguments.max_factor, longest);
    // Where not even the lowest load can be, its fault is the message.
    subject.at(arguments.min_factor, longest)?;
    let goal = Goal {
        start: arguments.start,
        first_step: 0.5,
        range: (arguments.min_factor, most.max(arguments.min_factor)),
        width: arguments.width,
        short: arguments.trial,
        long: arguments.long,
        trials: arguments.trials,
        exceed_ratio: arguments.exceed_ratio,
        budget: arguments.budget,
    };
    let options = Options {
        target: arguments.at.target()?,
        replace: arguments.at.replace,
        cache: !arguments.no_cache,
        floor: Err("a search measures no floor".to_owned()),
        tell: arguments.shown.teller(tell),
    };
    let screen = arguments.shown.screen()?;
    let (folder, provenance) = begin(&arguments.results, "find-max", &source)?;
    let capacity = subject.search(goal, &mut Runs::shown_on(screen, &source, options))?;
    let code = match (&capacity.lower, &capacity.upper) {
        (Some(_), _) => 0,
        (None, Some(_)) => 99,
        (None, None) => 2,
    };
    conclude(&folder, provenance, CampaignOutcome::FindMax(capacity), None)?;
    Ok(ExitCode::from(code))
}
