//! `stentor run`: mint, start or find a server, load it, judge, write, print.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::embedded::Embedded;
use super::progress::{Screen, Show};
use super::provenance;
use super::state;
use super::{durability, read_text, warning_of_small_buffers, with_causes};
use crate::clock;
use crate::delivery::Durability;
use crate::floor::{self, F3, Work};
use crate::limits::{FLOOR_BUDGET, PACKETS_PER_ACK_MAX, SCENARIO_BYTES_MAX};
use crate::load::run::Options;
use crate::load::scenario::{self, Scenario};
use crate::load::traffic::{Draft, Plan};
use crate::load::{Outcome, Sample, Target};
use crate::mls::cache::Cache;
use crate::net::Fingerprint;
use crate::process;
use crate::report::build::{EngineTotals, Finished, ServerTotals, record};
use crate::report::folder::RunFolder;
use crate::report::provenance::Provenance;
use crate::report::record::Record;
use crate::report::summary::{Look, render};
use crate::wire::{Counter, Counters, TokenKey};

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
    let path = &arguments.scenario;
    let text = read_scenario(path)?;
    let mut scenario = Scenario::parse(&text, &path.display().to_string())?;
    if let Some(durability) = arguments.durability {
        scenario.groups.iter_mut().for_each(|class| class.durability = durability);
    }
    let name = path.file_stem().map_or_else(|| "scenario".into(), |name| name.to_string_lossy());
    let started = clock::unix();
    let hash = scenario::hash(&text);
    let target = arguments.target.as_ref().map(|at| find_target(arguments, at)).transpose()?;
    let folder = RunFolder::create(&arguments.out, &name, &hash, started)?;
    let mut provenance = Provenance::of_scenario(&scenario, &name, &hash);
    provenance::fill_in(&mut provenance, started);
    if target.is_none() && scenario.is_durable() {
        provenance.log_file_system = place_of_log();
    }
    let mut screen = Screen::new();
    let plan = prepare(arguments.no_cache, scenario, &mut screen)?;
    let asked = plan.scenario.clone();
    let outcome = load(arguments, plan, target, &mut screen)?;
    if let Some(warning) = warning_of_small_buffers(outcome.socket_buffer_bytes) {
        tell(&warning);
    }
    let buffer = outcome.socket_buffer_bytes as u64;
    provenance.socket_buffer_bytes = Some(buffer);
    let floor = floor_of(arguments, &asked, &outcome, &mut screen);
    let record = record(finished(&asked, &outcome, floor, provenance));
    conclude(&folder, &record)
}

/// The file system that the log of a server of our own will be on. In memory it proves nothing.
fn place_of_log() -> Option<String> {
    let place = std::env::temp_dir();
    let kind = process::file_system(&place)?;
    if ["tmpfs", "ramfs"].contains(&kind.as_str()) {
        tell(&format!(
            "the log will be in memory, where a sync costs nothing: {} is {kind}; set TMPDIR to a \
             folder on a disk",
            place.display()
        ));
    }
    Some(kind)
}

/// Never more of a file than a scenario may be long.
pub(super) fn read_scenario(path: &Path) -> anyhow::Result<String> {
    read_text(path, SCENARIO_BYTES_MAX)
        .with_context(|| format!("cannot read the scenario {}", path.display()))
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

/// Every message of the run, before anything is started.
pub(super) fn prepare(
    no_cache: bool,
    scenario: Scenario,
    screen: &mut Screen,
) -> anyhow::Result<Plan> {
    let cache = match Cache::user() {
        Ok(cache) if !no_cache => Some(cache),
        Ok(_) => None,
        Err(error) => {
            screen.say(&format!("minting without a cache: {error}"));
            None
        }
    };
    let draft = Draft::of(scenario);
    screen.step("minting MLS traffic", draft.work());
    let plan = draft.prepare(cache.as_ref(), &screen.counter())?;
    if let Some(why) = &plan.uncached {
        screen.say(&format!("minted traffic is not kept for the next run: {why}"));
    }
    Ok(plan)
}

fn load(
    arguments: &Run,
    plan: Plan,
    target: Option<Target>,
    screen: &mut Screen,
) -> anyhow::Result<Outcome> {
    let shards = plan.scenario.shards;
    let cores = process::cores();
    // A core for each shard, the rest for this side: otherwise the kernel shares them out.
    let apart = target.is_none() && cores > shards as usize;
    let mut server = None;
    let target = match target {
        Some(target) => crate::load::run::discover(&target, plan.scenario.key_exchange)?,
        None => {
            let log = plan.scenario.is_durable();
            let (embedded, target) = Embedded::start(shards, apart.then_some(0), log)?;
            server = Some(embedded);
            target
        }
    };
    let mut nonce = [0; 8];
    aws_lc_rs::rand::fill(&mut nonce).context("the system gives no random bytes")?;
    let options = Options {
        replace: arguments.replace,
        cores: apart.then_some(shards as usize..cores),
        nonce,
    };
    let mut show = Show::new(screen, server.as_mut());
    let outcome = crate::load::run(plan, &target, &options, &mut show);
    screen.clear();
    Ok(outcome?)
}

/// The least that the run's deliveries could have cost, or why that is not known. The server has
/// ended by now, so nothing else runs.
fn floor_of(
    arguments: &Run,
    scenario: &Scenario,
    outcome: &Outcome,
    screen: &mut Screen,
) -> Result<F3, String> {
    if arguments.no_floor {
        return Err("--no-floor".to_owned());
    }
    if arguments.target.is_some() {
        return Err("the server is not this run's own".to_owned());
    }
    if outcome.server_lost.is_some() {
        return Err("the server was lost".to_owned());
    }
    let window = outcome.window.as_ref().map(|(first, last)| server_totals(first, last));
    let Some(totals) = window.filter(|totals| totals.deliveries > 0) else {
        return Err("the server delivered nothing that was measured".to_owned());
    };
    let mean = totals.delivery_bytes.div_ceil(totals.deliveries);
    let work = Work {
        members: scenario
            .groups
            .iter()
            .map(|class| class.count.saturating_mul(class.members))
            .sum(),
        bytes: u32::try_from(mean).unwrap_or(u32::MAX),
        packets_per_ack: packets_per_ack(outcome),
    };
    screen.step("measuring the floor", 1);
    let measured = floor::measure(&work, FLOOR_BUDGET);
    screen.clear();
    measured.map_err(|error| error.to_string())
}

/// How many packets a member acknowledged at once in the measured window: the price of its answers
/// is the floor's too.
fn packets_per_ack(outcome: &Outcome) -> u32 {
    let Some((first, last)) = outcome.window.as_ref() else { return 1 };
    let spent = |counter| last.server.get(counter).saturating_sub(first.server.get(counter));
    let received = spent(Counter::PacketsReceived).max(1);
    let ratio = (spent(Counter::PacketsSent) + received / 2) / received;
    u32::try_from(ratio).unwrap_or(u32::MAX).clamp(1, PACKETS_PER_ACK_MAX)
}

fn finished<'a>(
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    floor: Result<F3, String>,
    provenance: Provenance,
) -> Finished<'a> {
    let window = outcome.window.as_ref();
    let idle = outcome.idle.as_ref().map(idle_memory);
    let server = window.map(|(first, last)| ServerTotals { idle, ..server_totals(first, last) });
    let engine = window.map(|(first, last)| engine_totals(first, last));
    Finished::of(scenario, outcome, (server, engine.unwrap_or_default()), floor, provenance)
}

fn server_totals(first: &Sample, last: &Sample) -> ServerTotals {
    let spent = |counter| last.server.get(counter).saturating_sub(first.server.get(counter));
    ServerTotals {
        cpu: Duration::from_micros(spent(Counter::CpuUserUs) + spent(Counter::CpuSystemUs)),
        rss_bytes: last.server.get(Counter::RssBytes),
        rss_peak_bytes: last.server.get(Counter::RssPeakBytes),
        deliveries: spent(Counter::Deliveries),
        packets_sent: spent(Counter::PacketsSent),
        syscalls: spent(Counter::SendCalls)
            + spent(Counter::ReceiveCalls)
            + spent(Counter::Wakeups),
        handshakes: (spent(Counter::Handshakes), spent(Counter::HandshakesResumed)),
        delivery_bytes: spent(Counter::DeliveryBytes),
        socket_buffer_bytes: last.server.get(Counter::SocketBufferBytes),
        idle: None,
    }
}

/// Resident memory and members; the operator's session is not a member's.
fn idle_memory(counters: &Counters) -> (u64, u64) {
    let members = counters.get(Counter::Sessions).saturating_sub(1);
    (counters.get(Counter::RssBytes), members)
}

fn engine_totals(first: &Sample, last: &Sample) -> EngineTotals {
    EngineTotals {
        cpu: Duration::from_micros(last.engine.cpu_us().saturating_sub(first.engine.cpu_us())),
        rss_bytes: last.engine.rss_bytes,
        rss_peak_bytes: last.engine.rss_peak_bytes,
    }
}

/// Writes the result, then prints it.
#[expect(clippy::print_stdout, reason = "the summary is what the command is for")]
fn conclude(folder: &RunFolder, record: &Record) -> anyhow::Result<ExitCode> {
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
