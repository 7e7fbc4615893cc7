//! One trial: everything between a scenario and what came of it.
//!
//! Mints, starts or finds a server, loads it, measures the floor and judges. Never writes a result:
//! where it goes is the caller's. Called by every command that makes runs: one of them, or many.

use std::time::Duration;

use anyhow::Context as _;

use super::embedded::{Embedded, Wanted};
use super::progress::{Screen, Show};
use super::{provenance, warning_of_small_buffers};
use crate::floor::{self, F3, Work};
use crate::limits::{FLOOR_BUDGET, PACKETS_PER_ACK_MAX};
use crate::load::population::Population;
use crate::load::scenario::Scenario;
use crate::load::traffic::{Draft, Plan};
use crate::load::{self, Outcome, Sample, Target};
use crate::mls::cache::Cache;
use crate::process;
use crate::report::build::{EngineTotals, Finished, IdleTotals, ServerTotals, record};
use crate::report::provenance::Provenance;
use crate::report::record::Record;
use crate::wire::{Counter, Counters};

/// What is tried.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The scenario, as it is to run.
    pub(super) scenario: Scenario,
    /// Its name: that of its file.
    pub(super) name: String,
    /// The hash of its text.
    pub(super) hash: String,
    /// When it was asked for, since the Unix epoch.
    pub(super) started: Duration,
}

/// How it is tried.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The server to load; without one, a server of our own.
    pub(super) target: Option<Target>,
    /// First delete the scenario's groups from it.
    pub(super) replace: bool,
    /// Whether minted traffic is taken from the user's cache, and kept there.
    pub(super) cache: bool,
    /// Whether the floor is measured afterwards, or why not.
    pub(super) floor: Result<(), String>,
    /// Who is told of what spoils a result without ending it; nobody, not even by a server of our
    /// own, if it is to be quiet.
    pub(super) tell: Option<fn(&str)>,
}

/// Tries it: the result, judged, and what it was made of, which has the histograms that a record
/// has only figures of.
///
/// # Errors
/// When there is nothing to judge: no traffic, no server, or a fault of this side.
pub(super) fn run(
    asked: Asked,
    options: &Options,
    screen: &mut Screen,
) -> anyhow::Result<(Record, Outcome)> {
    let Asked { scenario, name, hash, started } = asked;
    let mut provenance = Provenance::of_scenario(&scenario, &name, &hash);
    provenance::fill_in(&mut provenance, started);
    provenance.shards = options.target.is_none().then_some(scenario.shards);
    if options.target.is_none() && scenario.is_durable() {
        provenance.log_file_system = place_of_log(options.tell);
    }
    let plan = prepare(options.cache, scenario, screen)?;
    let scenario = plan.scenario.clone();
    let outcome = load(plan, options, screen)?;
    let warning = warning_of_small_buffers(outcome.socket_buffer_bytes);
    if let Some((tell, warning)) = options.tell.zip(warning) {
        tell(&warning);
    }
    provenance.socket_buffer_bytes = Some(outcome.socket_buffer_bytes as u64);
    let floor = floor_of(options, &scenario, &outcome, screen);
    let record = record(finished(&scenario, &outcome, floor, provenance));
    Ok((record, outcome))
}

/// The file system that the log of a server of our own will be on. In memory it proves nothing.
fn place_of_log(tell: Option<fn(&str)>) -> Option<String> {
    let place = std::env::temp_dir();
    let kind = process::file_system(&place)?;
    if let Some(tell) = tell.filter(|_| ["tmpfs", "ramfs"].contains(&kind.as_str())) {
        tell(&format!(
            "the log will be in memory, where a sync costs nothing: {} is {kind}; set TMPDIR to a \
             folder on a disk",
            place.display()
        ));
    }
    Some(kind)
}

/// Every message of the run, before anything is started.
pub(super) fn prepare(
    cached: bool,
    scenario: Scenario,
    screen: &mut Screen,
) -> anyhow::Result<Plan> {
    let cache = match Cache::user() {
        Ok(cache) if cached => Some(cache),
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

/// Loads the server that is up, or one of our own, which is gone afterwards.
fn load(plan: Plan, options: &Options, screen: &mut Screen) -> anyhow::Result<Outcome> {
    let shards = plan.scenario.shards;
    let cores = process::cores();
    // A core for each shard, the rest for this side: otherwise the kernel shares them out.
    let apart = options.target.is_none() && cores > shards as usize;
    let mut server = None;
    let target = match &options.target {
        Some(target) => load::run::discover(target, plan.scenario.key_exchange)?,
        None => {
            let (embedded, target) = Embedded::start(&Wanted {
                shards,
                first_core: apart.then_some(0),
                log: plan.scenario.is_durable(),
                reservation: plan.scenario.reservation,
                quiet: options.tell.is_none(),
            })?;
            server = Some(embedded);
            target
        }
    };
    let mut nonce = [0; 8];
    aws_lc_rs::rand::fill(&mut nonce).context("the system gives no random bytes")?;
    let how = load::run::Options {
        replace: options.replace,
        cores: apart.then_some(shards as usize..cores),
        nonce,
    };
    let mut show = Show::new(screen, server.as_mut());
    let outcome = load::run(plan, &target, &how, &mut show);
    screen.clear();
    Ok(outcome?)
}

/// The least that the run's deliveries could have cost, or why that is not known. The server has
/// ended by now, so nothing else runs.
fn floor_of(
    options: &Options,
    scenario: &Scenario,
    outcome: &Outcome,
    screen: &mut Screen,
) -> Result<F3, String> {
    options.floor.clone()?;
    if options.target.is_some() {
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
        members: Population::of(scenario).members(),
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
    let idle = outcome.idle.as_ref().map(idle_totals);
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
        receive_drops: spent(Counter::ReceiveDrops),
        socket_buffer_bytes: last.server.get(Counter::SocketBufferBytes),
        idle: None,
    }
}

/// The operator's session is not a member's, and has a connection of its own.
fn idle_totals(counters: &Counters) -> IdleTotals {
    IdleTotals {
        rss_bytes: counters.get(Counter::RssBytes),
        members: counters.get(Counter::Sessions).saturating_sub(1),
        connections: counters.get(Counter::Connections).saturating_sub(1),
    }
}

fn engine_totals(first: &Sample, last: &Sample) -> EngineTotals {
    EngineTotals {
        cpu: Duration::from_micros(last.engine.cpu_us().saturating_sub(first.engine.cpu_us())),
        rss_bytes: last.engine.rss_bytes,
        rss_peak_bytes: last.engine.rss_peak_bytes,
    }
}
