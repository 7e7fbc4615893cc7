//! `stentor run`: one trial of a scenario, written down and printed.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::metrics::expose;
use super::progress::Screen;
use super::scenario_file::{self, ScenarioFile};
use super::state;
use super::trial::{self, Asked, Options};
use super::{durability, with_causes};
use crate::clock;
use crate::delivery::Durability;
use crate::load::{Outcome, Target};
use crate::net::Fingerprint;
use crate::report::folder::RunFolder;
use crate::report::record::Record;
use crate::report::summary::{Look, render};
use crate::wire::TokenKey;

/// Load a delivery service with a scenario and write what was found.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The scenario, a TOML file; scenarios/README.md explains the format.
    scenario: PathBuf,
    /// Where to make the folder of this run's result.
    #[arg(long, default_value = "results", value_name = "DIR")]
    out: PathBuf,
    /// Load a server that is up, at this UDP address, instead of starting one. Of the addresses
    /// of a name the first counts, an IPv4 one before any other.
    #[arg(long, value_name = "HOST:PORT")]
    target: Option<String>,
    /// The state folder of that server, for its fingerprint and token key.
    #[arg(long, value_name = "DIR", requires = "target")]
    state: Option<PathBuf>,
    /// The SHA-256 of that server's certificate, in hexadecimal, instead of the state folder's.
    #[arg(long, value_name = "HEX", requires = "target")]
    fingerprint: Option<String>,
    /// The file with that server's token key, instead of the state folder's.
    #[arg(long, value_name = "FILE", requires = "target")]
    token_key: Option<PathBuf>,
    /// First delete this scenario's groups from that server, if a run that crashed left them.
    #[arg(long, requires = "target")]
    replace: bool,
    /// What the messages of every class survive, whatever the scenario says: none, or wal. The log
    /// of a server that the run starts is in the system's temporary folder, $TMPDIR.
    #[arg(long, value_name = "none|wal", value_parser = durability)]
    durability: Option<Durability>,
    /// Mint anew, and keep nothing for the next run.
    #[arg(long)]
    no_cache: bool,
    /// Do not measure, after the load, what its deliveries cost at least on this machine.
    #[arg(long)]
    no_floor: bool,
    /// Print nothing but the result.
    #[arg(long)]
    quiet: bool,
    /// The TCP address of a page of metrics of the run, /metrics, while it runs.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
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
    let started = clock::unix();
    let target = arguments.target.as_ref().map(|at| find_target(arguments, at)).transpose()?;
    let mut screen = screen_of(arguments)?;
    let folder = RunFolder::create(&arguments.out, &name, &hash, started)?;
    let options = Options {
        target,
        replace: arguments.replace,
        cache: !arguments.no_cache,
        floor: if arguments.no_floor { Err("--no-floor".to_owned()) } else { Ok(()) },
        tell: if arguments.quiet { |_| {} } else { tell },
    };
    let asked = Asked { scenario, name, hash, started };
    let result = trial::run(asked, &options, &mut screen)?;
    conclude(&folder, &result)
}

/// What shows how it is going. It is there before anything is made that a mistake would leave behind.
fn screen_of(arguments: &Run) -> anyhow::Result<Screen> {
    let mut screen = if arguments.quiet { Screen::quiet() } else { Screen::new() };
    if let Some(address) = arguments.metrics {
        let (at, sender) = expose(address)?;
        screen.say(&format!("metrics on {at}"));
        screen.publish_to(sender);
    }
    Ok(screen)
}

/// The address of a server, or the one that its name stands for.
fn resolve(at: &str) -> anyhow::Result<SocketAddr> {
    let found = at.to_socket_addrs().with_context(|| format!("cannot find the server {at}"))?;
    // Many systems name ::1 first for localhost, where no `serve` listens unless told to.
    found
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| anyhow!("cannot find the server {at}: it has no address"))
}

/// Where a server that is up is, and how it is recognised.
fn find_target(arguments: &Run, at: &str) -> anyhow::Result<Target> {
    let at = resolve(at)?;
    let flags = (&arguments.fingerprint, &arguments.token_key);
    let (fingerprint, token_key) = match flags {
        (Some(fingerprint), Some(key)) => (parse_fingerprint(fingerprint)?, read_key(key)?),
        (fingerprint, key) => {
            let folder = arguments.state.clone().map_or_else(state::default_folder, Ok)?;
            let beside = state::read_target(&folder)?;
            let fingerprint = fingerprint.as_deref().map(parse_fingerprint).transpose()?;
            let key = key.as_deref().map(read_key).transpose()?;
            (fingerprint.unwrap_or(beside.fingerprint), key.unwrap_or(beside.token_key))
        }
    };
    Ok(Target { addresses: vec![at], fingerprint, token_key })
}

fn parse_fingerprint(text: &str) -> anyhow::Result<Fingerprint> {
    Fingerprint::parse(text)
        .ok_or_else(|| anyhow!("--fingerprint takes 64 hexadecimal digits, not {text:?}"))
}

fn read_key(path: &Path) -> anyhow::Result<TokenKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token key {}", path.display()))?;
    Ok(state::parse_token_keys(path, &text)?.signing().clone())
}

/// Writes the result, then prints it.
#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn conclude(folder: &RunFolder, (record, outcome): &(Record, Outcome)) -> anyhow::Result<ExitCode> {
    folder.keep_intervals(&outcome.intervals, outcome.started)?;
    let plain = render(record, folder.path(), Look::default());
    folder.complete(record, &plain)?;
    print!("{}", render(record, folder.path(), look_of_terminal()));
    Ok(ExitCode::from(record.verdict.status.exit_code()))
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

    #[test]
    fn a_server_is_found_by_address_or_name_or_refused_in_one_line() {
        assert_eq!(resolve("[::1]:9").unwrap(), "[::1]:9".parse().unwrap());
        let named = resolve("localhost:4433").unwrap();
        assert!(named.ip().is_loopback() && named.port() == 4433, "{named}");
        for wrong in ["", "localhost", "127.0.0.1", "127.0.0.1:70000"] {
            let line = with_causes(&resolve(wrong).unwrap_err());
            assert!(line.starts_with(&format!("cannot find the server {wrong}: ")), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
