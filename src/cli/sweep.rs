//! `stentor sweep`: latency at load, one scenario at several rates.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::campaign::{Runs, begin, conclude};
use super::scenario_file;
use super::shown::Shown;
use super::target::At;
use super::trial::Options;
use super::with_causes;
use crate::campaign::record::CampaignOutcome;
use crate::campaign::sweep::{Order, Sweep};
use crate::limits::{SWEEP_LOADS_MAX, SWEEP_ROUNDS_MAX};
use crate::report::verdict::Status;
use crate::units;

/// Run a scenario at several rates, in rounds, and write the curve of latency at load.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The scenario, a TOML file.
    scenario: PathBuf,
    /// Multiples of its rates.
    #[arg(
        long,
        value_name = "N,N...",
        value_delimiter = ',',
        default_value = "0.25,0.5,1,2",
        value_parser = factor
    )]
    factors: Vec<f64>,
    /// Rates instead, of all its classes together: such as 500/s,1000/s.
    #[arg(long, value_name = "N/s,N/s...", value_delimiter = ',', conflicts_with = "factors")]
    rates: Vec<String>,
    /// How often each load is offered.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(SWEEP_ROUNDS_MAX))
    )]
    rounds: u32,
    /// The order of a round: shuffled by chance, or mirrored, up in one and down in the next.
    #[arg(long, value_name = "shuffled|mirrored", default_value = "shuffled", value_parser = order)]
    order: Order,
    /// What a shuffled order is drawn from; by default the scenario's seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
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

pub(super) fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| (1e-6..=1e6).contains(factor));
    factor.ok_or_else(|| "it takes a number from 0.000001 to 1000000".to_owned())
}

fn order(name: &str) -> Result<Order, String> {
    Order::of_name(name).ok_or_else(|| "shuffled or mirrored".to_owned())
}

/// Runs the command: 0 if every run was valid, 3 if one was violated, else 2; 1 if there is no
/// curve.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    measure(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor sweep: {line}");
}

fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let source = scenario_file::read(&arguments.scenario)?;
    let sweep = Sweep {
        factors: factors(arguments, source.scenario.offered_per_second())?,
        rounds: arguments.rounds,
        order: arguments.order,
        seed: arguments.seed.unwrap_or(source.scenario.seed),
    };
    let options = Options {
        target: arguments.at.target()?,
        replace: arguments.at.replace,
        cache: !arguments.no_cache,
        floor: Err("a sweep measures no floor".to_owned()),
        tell: arguments.shown.teller(tell),
    };
    let screen = arguments.shown.screen()?;
    let (folder, provenance) = begin(&arguments.results, "sweep", &source)?;
    let curve = sweep.run(&source.scenario, &mut Runs::shown_on(screen, &source, options))?;
    let worst = |status| curve.points.iter().any(|point| point.status == status);
    let code = [Status::Violated, Status::Invalid].into_iter().find(|status| worst(*status));
    conclude(&folder, provenance, CampaignOutcome::Sweep(curve.clone()), Some(&curve))?;
    Ok(ExitCode::from(code.unwrap_or(Status::Valid).exit_code()))
}

/// The loads as multiples, each once.
fn factors(arguments: &Arguments, offered_per_s: f64) -> anyhow::Result<Vec<f64>> {
    let of_rate = |rate: &String| {
        let rate = units::per_second(rate).filter(|rate| *rate > 0.0);
        let rate = rate.context("--rates takes rates such as 500/s,1000/s");
        rate.map(|rate| rate / offered_per_s)
    };
    let mut factors = if arguments.rates.is_empty() {
        arguments.factors.clone()
    } else {
        arguments.rates.iter().map(of_rate).collect::<anyhow::Result<_>>()?
    };
    factors.sort_by(f64::total_cmp);
    factors.dedup();
    let count = factors.len();
    ensure!(count <= SWEEP_LOADS_MAX, "{count} loads; at most {SWEEP_LOADS_MAX}");
    Ok(factors)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        sweep: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("sweep").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.sweep).map_err(|error| error.to_string())
    }

    #[test]
    fn loads_are_multiples_or_rates_each_once_the_lowest_first() {
        let of =
            |line: &str| factors(&parse(line).unwrap(), 200.0).map_err(|error| error.to_string());
        assert_eq!(of("s.toml").unwrap(), [0.25, 0.5, 1.0, 2.0]);
        assert_eq!(of("s.toml --factors 2,0.5,2").unwrap(), [0.5, 2.0]);
        assert_eq!(of("s.toml --rates 400/s,60/min").unwrap(), [0.005, 2.0]);
        assert!(of("s.toml --rates 400").unwrap_err().contains("such as 500/s"));
        for (line, hint) in [
            ("s.toml --factors 0", "0.000001"),
            ("s.toml --rounds 0", "1..=100"),
            ("s.toml --order sorted", "shuffled or mirrored"),
            ("s.toml --factors 2 --rates 3/s", "cannot be used with"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(hint), "{refusal}");
        }
    }
}
