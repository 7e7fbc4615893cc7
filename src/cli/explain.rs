//! `stentor explain`: what a scenario will do and take, before anything is started.
//!
//! Drafts the run, looks at the machine, mints a few small tapes to see how long it takes, and has
//! `campaign` say what that comes to. Starts no server and writes nothing. Called by `cli::main`.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::plan::evidence;
use super::scenario_file::{self, ScenarioFile};
use super::{provenance, with_causes};
use crate::campaign::cost::Here;
use crate::campaign::estimate::Estimate;
use crate::campaign::explain::{Machine, Minting, explain};
use crate::clock;
use crate::delivery::GroupId;
use crate::limits::PROBE_MEMBERS;
use crate::load::forecast::Forecast;
use crate::load::traffic::Draft;
use crate::mls::{self, Cache, Handshake, Suite, TapeOperation, TapeSpec};
use crate::net::Bound;
use crate::process;
use crate::report::folder;
use crate::report::provenance::Provenance;

/// Say what a scenario will do and take, before it is run.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The scenario, a TOML file; scenarios/README.md explains the format.
    scenario: PathBuf,
    /// Records that costs are interpolated between: run.json or campaign.json, or folders, which are
    /// searched. The reference records if none are named.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    records: Vec<PathBuf>,
    /// The folder of results, whose host.json has what a packet costs here at least.
    #[arg(long, default_value = "results", value_name = "DIR")]
    results: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command; the exit code says how it went.
pub(crate) fn run(arguments: &Explain) -> ExitCode {
    say(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor explain: {line}");
}

#[expect(clippy::print_stdout, reason = "the explanation is what the command is for")]
fn say(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let ScenarioFile { scenario, name, hash } = scenario_file::read(&arguments.scenario)?;
    let evidence = evidence(&arguments.records)?;
    let mut provenance = Provenance::of_scenario(&scenario, &name, &hash);
    provenance::fill_in(&mut provenance, clock::unix());
    let draft = Draft::of(scenario.clone());
    let forecast = Forecast::of(&draft);
    let minting = minting(&draft)?;
    let machine = machine();
    let here = Here::of(&provenance, folder::read_host(&arguments.results).as_ref());
    let found = (&evidence, &here);
    let said = explain(&scenario, &forecast, found, (&machine, &minting), provenance);
    print!("{}", if arguments.json { said.to_json() } else { said.to_text() });
    Ok(ExitCode::SUCCESS)
}

fn machine() -> Machine {
    Machine {
        cores: process::cores(),
        memory_available: process::Machine::here().memory().map(|memory| memory.available),
        descriptors: process::raise_descriptor_limit(),
        socket_buffer: Bound::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_or(0, |bound| bound.buffer_bytes()),
    }
}

/// What is to be minted, and how fast this machine does it.
fn minting(draft: &Draft) -> anyhow::Result<Minting> {
    let cache = Cache::user().ok();
    let is_cached = |spec: &TapeSpec| cache.as_ref().is_some_and(|cache| cache.may_have(spec));
    let (mut minting, mut suites) = (Minting::default(), BTreeSet::new());
    for spec in draft.minted() {
        if is_cached(spec) {
            minting.cached += 1;
            continue;
        }
        minting.tapes += 1;
        minting.units += mls::units(spec);
        suites.insert(spec.suite.name());
    }
    for name in suites {
        let suite = Suite::named(name).context("a scenario's suite is in the registry")?;
        let speed = probe(suite)?;
        let widest = |one: Estimate| Estimate {
            low: one.low.min(speed.low),
            expected: one.expected.max(speed.expected),
            high: one.high.max(speed.high),
        };
        minting.us_per_unit = Some(minting.us_per_unit.map_or(speed, widest));
    }
    Ok(minting)
}

/// Microseconds for a unit of minting with all cores, in small groups and in larger ones.
fn probe(suite: Suite) -> anyhow::Result<Estimate> {
    let mut each = Vec::new();
    for members in PROBE_MEMBERS {
        let spec = |number: usize| -> anyhow::Result<TapeSpec> {
            let commits = [0, 1].map(|sender| TapeOperation::Commit { sender });
            let application = TapeOperation::Application { sender: 0, bytes: 200 };
            Ok(TapeSpec {
                suite,
                init_suite: None,
                group: GroupId::new(&number.to_be_bytes()).context("8 bytes are a group id")?,
                members,
                senders: 2,
                real: 0,
                joiners: 0,
                real_joiners: 0,
                group_infos: false,
                handshake: Handshake::Public,
                devices: Vec::new(),
                operations: [commits.as_slice(), &[application; 20]].concat(),
            })
        };
        let specs = (0..2 * process::cores()).map(spec).collect::<Result<Vec<_>, _>>()?;
        let units: u64 = specs.iter().map(mls::units).sum();
        let started = clock::now();
        mls::mint_all(&specs, &|_| ()).context("cannot mint MLS traffic")?;
        let took = clock::now().saturating_duration_since(started);
        each.push(took.as_secs_f64() * 1e6 / units as f64);
    }
    let (low, high) = (
        each.iter().copied().fold(f64::INFINITY, f64::min),
        each.iter().copied().fold(0.0, f64::max),
    );
    Ok(Estimate::between(low, high))
}
