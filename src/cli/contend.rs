//! `stentor contend`: contention curves, over policies, racers and sizes of groups.
//!
//! Says what is asked, has `campaign` make the runs, each on a fresh server of our own or all on one that
//! is up, writes and prints what was found. Called by `cli::main`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;

use super::progress::Screen;
use super::run::look_of_terminal;
use super::shown::Shown;
use super::target::At;
use super::trial::{self, Asked, Options};
use super::{provenance, with_causes};
use crate::campaign::contention::{ContentionResult, Question, Wants, csv, curves, render};
use crate::campaign::page;
use crate::campaign::record::{CampaignOutcome, CampaignRecord, FILE, SCHEMA_VERSION};
use crate::campaign::{TrialError, Trials};
use crate::clock;
use crate::limits::{CONTENTION_STEPS_MAX, ROUNDS_MAX};
use crate::load::Target;
use crate::load::contention::{Backoff, Policy};
use crate::load::scenario::{self, Scenario};
use crate::mls::Suite;
use crate::report::folder::{RunFolder, keep_page};
use crate::report::provenance::Provenance;
use crate::report::record::Record;
use crate::report::summary::Look;
use crate::units;

/// The name of the table for other tools.
const CSV: &str = "contention.csv";

/// Race live members for epochs by each policy, and draw what that costs over racers and members.
///
/// Each point is a few short runs, each on a fresh server unless one that is up is named, in an order that is shuffled and mirrored. All
/// racers share the cores that the server leaves.
#[derive(Args, Debug)]
pub(crate) struct Contend {
    /// How racers go about it: retry, backoff, proposals, lease.
    #[arg(
        long,
        value_name = "NAME,NAME...",
        value_delimiter = ',',
        default_value = "retry,backoff,proposals,lease",
        value_parser = policy
    )]
    policies: Vec<Policy>,
    /// Members of each group that race. A point with more racers than members is left out.
    #[arg(long, value_name = "N,N...", value_delimiter = ',', default_value = "2,4,8,16")]
    racers: Vec<u32>,
    /// Members of each group.
    #[arg(long, value_name = "N,N...", value_delimiter = ',', default_value = "8,32,128")]
    members: Vec<u32>,
    /// Each racer wants its next change so long after the one before has come through. 0s asks for
    /// the most that a group can do, and who gets it.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration, conflicts_with = "rate")]
    think: Duration,
    /// All racers of a group want a change at the same instants, so often, whatever became of those
    /// before: asks how long changes take at that load. Such as 2/s.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// How long each run is measured.
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration)]
    measure: Duration,
    /// Load before that, which is not measured.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    warm_up: Duration,
    /// How often each point is measured.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX))
    )]
    rounds: u32,
    /// Groups that race side by side in each run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    groups: u32,
    /// The MLS suite of all groups.
    #[arg(long, value_name = "NAME", default_value = "x25519-aes128-ed25519", value_parser = suite)]
    suite: Suite,
    /// For how long the server reserves an epoch for members that have lost three: 0s lets each
    /// policy do alone. Default: the service's own, 250ms. A server that is up has a setting of its own.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "target")]
    reservation: Option<Duration>,
    /// backoff: the longest wait after a first loss.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration)]
    base: Duration,
    /// backoff: the longest wait after any.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    max: Duration,
    /// proposals: how long the committer collects them.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration)]
    window: Duration,
    /// proposals: how much later the next in line commits instead.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    takeover: Duration,
    /// lease: how long it lasts.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    lease: Duration,
    /// What the order, and everything in a run, is drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    shown: Shown,
    /// Where to make the folder of the result.
    #[arg(long, alias = "results", default_value = "results", value_name = "DIR")]
    out: PathBuf,
}

fn policy(name: &str) -> Result<Policy, String> {
    Policy::named(name).ok_or_else(|| "there are retry, backoff, proposals and lease".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| "it takes a time such as 200ms or 5s".to_owned())
}

fn suite(name: &str) -> Result<Suite, String> {
    Suite::named(name).map_err(|error| error.to_string())
}

/// Runs the command: 0 if every point is valid, 3 if the service broke its contract in one, 2 if
/// one is not valid for another reason, 1 if there are no curves.
pub(crate) fn run(arguments: &Contend) -> ExitCode {
    contend(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor contend: {line}");
}

#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn contend(arguments: &Contend) -> anyhow::Result<ExitCode> {
    let question = question(arguments)?;
    let target = arguments.at.target()?;
    let cells = question.cells();
    let first = cells.first().context("no point has as many members as racers")?;
    for cell in &cells {
        question.scenario(cell, 0).map_err(|mistake| anyhow!(mistake.one_line()))?;
    }
    let screen = arguments.shown.screen()?;
    let started = clock::unix();
    let hash = scenario::hash(&format!("{question:?}"));
    let folder = RunFolder::create(&arguments.out, "contend", &hash, started)?;
    let scenario = question.scenario(first, 0).map_err(|mistake| anyhow!(mistake.one_line()))?;
    let mut origin = Provenance::of_scenario(&scenario, "contend", &hash);
    provenance::fill_in(&mut origin, started);
    let mut runs = Runs {
        screen,
        tell: arguments.shown.teller(tell),
        hash,
        began: clock::now(),
        target,
        replace: arguments.at.replace,
    };
    runs.say(&format!(
        "{} points, {} runs: {:.0} s of load, and setting up",
        cells.len(),
        question.order().len(),
        question.length().as_secs_f64()
    ));
    let result = curves(&question, &mut runs);
    runs.screen.clear();
    let code = exit_code(&result);
    let shown =
        |look: Look| format!("{}\nresult: {}\n", render(&result, look), folder.path().display());
    let (plain, coloured) =
        (shown(Look { width: 160, ..Look::default() }), shown(look_of_terminal()));
    folder.keep(CSV, &csv(&result))?;
    let record = CampaignRecord {
        schema_version: SCHEMA_VERSION,
        provenance: origin,
        outcome: CampaignOutcome::Contend(result),
    };
    keep_page(folder.path(), &page::render(&record))?;
    folder.complete_as(FILE, &record.to_json(), &plain)?;
    print!("{coloured}");
    Ok(code)
}

fn question(arguments: &Contend) -> anyhow::Result<Question> {
    let policies = arguments.policies.iter().map(|policy| match policy {
        Policy::Retry => Policy::Retry,
        Policy::Backoff(_) => Policy::Backoff(Backoff { base: arguments.base, max: arguments.max }),
        Policy::Proposals { .. } => {
            Policy::Proposals { window: arguments.window, takeover: arguments.takeover }
        }
        Policy::Lease { .. } => Policy::Lease { length: arguments.lease },
    });
    let wants = match &arguments.rate {
        Some(rate) => {
            // The class's rate is of all its groups together.
            let each = units::Rate::parse(rate)
                .with_context(|| format!("--rate takes a rate such as 2/s, not {rate:?}"))?;
            let all = each.as_per_second() * f64::from(arguments.groups);
            ensure!(all > 0.0, "--rate is nothing");
            Wants::Rounds(format!("{}/s", (all * 1e6).round() / 1e6))
        }
        None => Wants::Thinking(arguments.think),
    };
    Ok(Question {
        policies: once(policies),
        racers: steps("--racers", &arguments.racers)?,
        members: steps("--members", &arguments.members)?,
        wants,
        groups: arguments.groups,
        suite: arguments.suite,
        warm_up: arguments.warm_up,
        measure: arguments.measure,
        reservation: arguments.reservation,
        rounds: arguments.rounds,
        seed: arguments.seed,
    })
}

fn once(policies: impl Iterator<Item = Policy>) -> Vec<Policy> {
    policies.fold(Vec::new(), |mut all, policy| {
        if !all.contains(&policy) {
            all.push(policy);
        }
        all
    })
}

/// Ascending, each once.
fn steps(flag: &str, asked: &[u32]) -> anyhow::Result<Vec<u32>> {
    let mut steps = asked.to_vec();
    steps.sort_unstable();
    steps.dedup();
    ensure!(steps.len() <= CONTENTION_STEPS_MAX, "{flag} takes up to {CONTENTION_STEPS_MAX}");
    ensure!(steps.first().is_some_and(|least| *least >= 2), "{flag} takes numbers from 2 up");
    Ok(steps)
}

fn exit_code(result: &ContentionResult) -> ExitCode {
    let points = || result.curves.iter().flat_map(|curve| &curve.points);
    if points().any(|point| point.status == "violated") {
        ExitCode::from(3)
    } else if points().any(|point| point.status != "valid") {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs one after another, each on a server of its own or all on one that is up.
struct Runs {
    target: Option<Target>,
    replace: bool,
    screen: Screen,
    tell: Option<fn(&str)>,
    hash: String,
    began: Instant,
}

impl Trials for Runs {
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
        let asked = Asked {
            scenario,
            name: "contend".to_owned(),
            hash: self.hash.clone(),
            started: clock::unix(),
        };
        let options = Options {
            target: self.target.clone(),
            replace: self.replace,
            cache: false,
            floor: Err("not of a run of contention curves".to_owned()),
            tell: self.tell,
        };
        let made = trial::run(asked, &options, &mut self.screen);
        self.screen.clear();
        made.map(|(record, _)| record).map_err(|error| TrialError(with_causes(&error)))
    }

    fn say(&mut self, line: &str) {
        self.screen.say(line);
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.began)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::net::Fingerprint;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        contend: Contend,
    }

    fn asked(line: &str) -> anyhow::Result<Question> {
        let words = std::iter::once("contend").chain(line.split_whitespace());
        question(&Line::try_parse_from(words)?.contend)
    }

    #[test]
    fn what_is_asked_is_what_the_flags_say() {
        let question = asked("").unwrap();
        assert_eq!((question.cells().len(), question.rounds), (4 * (3 + 4 + 4), 2));
        assert_eq!(question.wants, Wants::Thinking(Duration::ZERO));
        let line = "--policies lease,retry,lease --racers 8,2,8 --members 8 --rate 30/min --groups 3 \
                    --reservation 0s --lease 2s --rounds 1";
        let question = asked(line).unwrap();
        let lease = Policy::Lease { length: Duration::from_secs(2) };
        assert_eq!(question.policies, [lease, Policy::Retry]);
        assert_eq!(question.racers, [2, 8]);
        assert_eq!(question.wants, Wants::Rounds("1.5/s".to_owned()), "in three groups");
        assert_eq!(question.reservation, Some(Duration::ZERO));
        assert!(question.scenario(&question.cells()[0], 0).is_ok());
    }

    #[test]
    fn a_server_that_is_up_is_named_as_other_campaigns_name_it() {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "5a".repeat(32)).unwrap();
        let key = key.path().to_str().unwrap();
        let hex = "ab".repeat(32);
        let words = ["contend", "--target", "127.0.0.1:7700", "--fingerprint", &hex];
        let line = Line::try_parse_from(words.into_iter().chain(["--token-key", key])).unwrap();
        let target = line.contend.at.target().unwrap().unwrap();
        assert_eq!(target.addresses, ["127.0.0.1:7700".parse().unwrap()]);
        assert_eq!(target.fingerprint, Fingerprint::parse(&hex).unwrap());
        let own = Line::try_parse_from(["contend"]).unwrap();
        assert!(own.contend.at.target().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for line in [
            "--racers 1",
            "--members 0",
            "--racers",
            "--policies hope",
            "--think 0s --rate 1/s",
            "--rate often",
            "--for soon",
            "--suite none",
            "--rounds 0",
            "--state folder",
            "--reservation 0s --target 127.0.0.1:7700",
        ] {
            assert!(asked(line).is_err(), "{line}");
        }
    }
}
