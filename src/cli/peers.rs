//! `stentor peers`: other systems on the same work, one after another, in one run.
//!
//! Prepares the work, starts the services that are ours, has `peers` run the rounds, writes and
//! prints what was found. Called by `cli::main`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::embedded::{Embedded, Wanted};
use super::progress::Screen;
use super::run::look_of_terminal;
use super::scenario_file::{self, ScenarioFile};
use super::trial::prepare;
use super::{provenance, with_causes};
use crate::clock;
use crate::floor;
use crate::limits::{
    FLOOR_BUDGET, IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, ROUND_MESSAGES_MAX, ROUNDS_MAX,
};
use crate::load::Target;
use crate::net::{CIPHER_SUITE, Fingerprint};
use crate::peers::baseline;
use crate::peers::record::{FILE, PeersRecord};
use crate::peers::summary::render;
use crate::peers::{Entrant, FloorRound, FloorWork, Name, Options, Server, Service, Work, contest};
use crate::process;
use crate::report::folder::RunFolder;
use crate::report::provenance::Provenance;
use crate::report::summary::Look;
use crate::wire::TokenKey;

/// Run the systems a user would pick instead on a scenario's first group, and compare.
#[derive(Args, Debug)]
pub(crate) struct Peers {
    /// The scenario, a TOML file. Of it one group counts: its members and its messages.
    scenario: PathBuf,
    /// How many messages are in flight: a set of rounds for each.
    #[arg(
        long,
        value_name = "N,N...",
        value_delimiter = ',',
        default_value = "1,4,16",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX))
    )]
    in_flight: Vec<u32>,
    /// Rounds of each set; each runs every contestant once.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX))
    )]
    rounds: u32,
    /// Processor seconds that the cheapest server spends on a round: what it spends is read in
    /// steps of a hundredth, two of them a round.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    seconds_per_round: Duration,
    /// Messages of a round, instead.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "seconds_per_round",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUND_MESSAGES_MAX))
    )]
    messages: Option<u32>,
    /// The contestants: stentor, nats, redis, quinn, floor. All of them by default.
    #[arg(long, value_name = "NAME,NAME...", value_delimiter = ',', value_parser = contestant)]
    only: Vec<Name>,
    /// Where to make the folder of the result.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.05..=600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it takes 0.05 to 600 seconds".to_owned())
}

fn contestant(text: &str) -> Result<Name, String> {
    let names = Name::ALL.map(Name::name).join(", ");
    Name::parse(text).ok_or_else(|| format!("there are {names}"))
}

/// Runs the command: 0 if every contestant that is there completed, 2 if one failed, 1 if there is
/// no comparison.
pub(crate) fn run(arguments: &Peers) -> ExitCode {
    compare(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor peers: {line}");
}

#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn compare(arguments: &Peers) -> anyhow::Result<ExitCode> {
    let path = &arguments.scenario;
    let ScenarioFile { scenario: whole, name, hash } = scenario_file::read(path)?;
    let scenario = Work::narrow(whole).with_context(|| path.display().to_string())?;
    let started = clock::unix();
    let folder = RunFolder::create(&arguments.results, &format!("peers-{name}"), &hash, started)?;
    let mut provenance = Provenance::of_scenario(&scenario, &name, &hash);
    provenance::fill_in(&mut provenance, started);
    let mut screen = Screen::new();
    let plan = prepare(true, scenario, &mut screen)?;
    screen.clear();
    let work = Work::of(&plan).with_context(|| path.display().to_string())?;
    let options = options(arguments, plan.scenario.key_exchange);
    let mut say = |line: &str| screen.say(line);
    let found = contest(&work, entrants(arguments, options.apart)?, &options, &mut say)?;
    let record = PeersRecord::of(&work, &options, &found, provenance);
    ensure!(!record.sets.iter().all(|set| set.results.is_empty()), nothing(&record));
    folder.complete_as(
        FILE,
        &record.to_json(),
        &render(&record, folder.path(), Look::default()),
    )?;
    print!("{}", render(&record, folder.path(), look_of_terminal()));
    Ok(ExitCode::from(if record.all_completed() { 0 } else { 2 }))
}

/// Why there is no figure at all.
fn nothing(record: &PeersRecord) -> String {
    let why = record.contestants.iter().map(|contestant| {
        format!("{}: {}", contestant.name.name(), contestant.why.as_deref().unwrap_or("out"))
    });
    format!("nothing was measured: {}", why.collect::<Vec<_>>().join("; "))
}

fn options(arguments: &Peers, key_exchange: crate::net::KeyExchange) -> Options {
    Options {
        in_flight: arguments.in_flight.clone(),
        rounds: arguments.rounds,
        messages: arguments.messages,
        server_cpu: arguments.seconds_per_round,
        apart: process::cores() > 1,
        key_exchange,
    }
}

/// Everybody who is asked for, ours started.
fn entrants(arguments: &Peers, apart: bool) -> anyhow::Result<Vec<Entrant<'static>>> {
    if apart {
        // Servers inherit their core.
        process::pin_to_core(0);
    }
    let wanted = |name| arguments.only.is_empty() || arguments.only.contains(&name);
    let entrant = |name| match name {
        Name::Stentor => {
            let (server, target) = Embedded::start(&Wanted {
                shards: 1,
                first_core: apart.then_some(0),
                ..Wanted::default()
            })?;
            Ok(Entrant::Service(Box::new(Service {
                name,
                server: Box::new(server),
                target,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                cipher_suite: Some(CIPHER_SUITE.to_owned()),
            })))
        }
        Name::Quinn => {
            let (server, target) = Baseline::start()?;
            Ok(Entrant::Service(Box::new(Service {
                name,
                server: Box::new(server),
                target,
                version: baseline::version(),
                cipher_suite: Some(CIPHER_SUITE.to_owned()),
            })))
        }
        Name::Nats | Name::Redis => Ok(Entrant::Broker(name)),
        Name::Floor => Ok(Entrant::Floor(Box::new(measure_floor))),
    };
    Name::ALL.into_iter().filter(|name| wanted(*name)).map(entrant).collect()
}

/// What those in flight cost at least if they leave together: their bytes as one message.
fn measure_floor(asked: &FloorWork) -> Result<FloorRound, String> {
    // No message is longer than the service takes.
    let most = (MESSAGE_BYTES_MAX / asked.body_bytes.max(1)).max(1);
    let together = (asked.in_flight as usize).min(most);
    let work = floor::Work {
        members: asked.members,
        bytes: u32::try_from(asked.body_bytes * together).unwrap_or(u32::MAX),
        packets_per_ack: asked.packets_per_ack,
    };
    let found = floor::measure(&work, FLOOR_BUDGET).map_err(|error| error.to_string())?;
    #[expect(clippy::cast_precision_loss, reason = "deliveries are far below 2^52")]
    let spent = |spread: floor::Spread| {
        Duration::from_secs_f64(spread.median * found.deliveries as f64 / 1e6)
    };
    Ok(FloorRound {
        cpu: spent(found.cpu_us_per_delivery),
        wall: spent(found.wall_us_per_delivery),
        deliveries: found.deliveries * together as u64,
    })
}

impl Server for Embedded {
    fn pid(&self) -> u32 {
        self.child_id()
    }

    fn ended(&mut self) -> Option<String> {
        Self::ended(self)
    }
}

/// The baseline as a child process.
struct Baseline {
    child: Child,
}

impl Baseline {
    /// Starts it and waits until it says where it listens.
    fn start() -> anyhow::Result<(Self, Target)> {
        let program = std::env::current_exe().context("cannot find this program to start it")?;
        let mut child = Command::new(program)
            .args(["peers-baseline", "--exit-with-parent"])
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the baseline")?;
        let stdout = child.stdout.take().context("the baseline has no output")?;
        let baseline = Self { child };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("cannot hear the baseline")?;
        let Some((address, fingerprint)) = parse_ready(&line) else {
            bail!("the baseline did not start");
        };
        // It believes any token.
        let token_key = TokenKey::new(&[0; 32]);
        Ok((baseline, Target { addresses: vec![address], fingerprint, token_key }))
    }
}

fn parse_ready(line: &str) -> Option<(SocketAddr, Fingerprint)> {
    let (address, fingerprint) =
        line.trim().strip_prefix("listening on ")?.split_once(", fingerprint ")?;
    Some((address.parse().ok()?, Fingerprint::parse(fingerprint)?))
}

impl Server for Baseline {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("it ended with {status}")),
            Err(error) => Some(format!("it cannot be observed: {error}")),
        }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // It keeps nothing that an orderly end would save.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        peers: Peers,
    }

    fn parse(line: &str) -> Result<Peers, String> {
        let words = std::iter::once("peers").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.peers).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_read_or_refused_with_what_they_take() {
        let all =
            parse("s.toml --in-flight 1,8 --rounds 3 --only nats,floor --messages 9").unwrap();
        assert_eq!((all.in_flight, all.rounds, all.messages), (vec![1, 8], 3, Some(9)));
        assert_eq!(all.only, [Name::Nats, Name::Floor]);
        assert_eq!(parse("s.toml").unwrap().in_flight, [1, 4, 16]);
        for (line, hint) in [
            ("s.toml --in-flight 0", "1..=256"),
            ("s.toml --rounds 101", "1..=100"),
            ("s.toml --only kafka", "there are stentor, nats, redis, quinn, floor"),
            ("s.toml --seconds-per-round 0", "0.05 to 600"),
            ("s.toml --seconds-per-round 2 --messages 3", "cannot be used with"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(hint), "{refusal}");
        }
    }

    #[test]
    fn the_baselines_first_line_is_read_or_it_has_not_started() {
        let line = format!("listening on 127.0.0.1:7, fingerprint {}\n", "ab".repeat(32));
        let (address, fingerprint) = parse_ready(&line).unwrap();
        assert_eq!((address.port(), fingerprint), (7, Fingerprint([0xab; 32])));
        assert_eq!(parse_ready(""), None);
        assert_eq!(parse_ready("listening on 127.0.0.1:7, fingerprint ab\n"), None);
    }
}
