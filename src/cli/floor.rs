//! `stentor floor`: what a delivery costs at least on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::provenance;
use super::run::look_of_terminal;
use super::with_causes;
use crate::clock;
use crate::floor::{self, F3, Work};
use crate::limits::{FLOOR_BUDGET, FLOOR_RECEIVERS, PACKETS_PER_ACK};
use crate::report::folder;
use crate::report::host::{F3Record, HostRecord, Machine, SCHEMA_VERSION, SealRecord, SendRecord};
use crate::report::host_summary::render;
use crate::report::provenance::Provenance;

/// Members and bytes that are measured unless others are asked for: a small message to few and to
/// many, and the first commits after adding everybody (X25519, X-Wing).
const WORKS: [(u32, u32); 4] = [(1_000, 350), (10_000, 350), (1_000, 82_666), (1_000, 1_183_620)];

/// Measure what a delivery costs at least on this machine.
#[derive(Args, Debug)]
pub(crate) struct Floor {
    /// Members that each message goes to, one or several numbers; with --bytes each with each.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    members: Vec<u32>,
    /// Bytes of a message, one or several numbers.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    bytes: Vec<u32>,
    /// Data packets that one acknowledgement answers.
    #[arg(long, value_name = "N", default_value_t = PACKETS_PER_ACK)]
    packets_per_ack: u32,
    /// Sockets that plain packets are sent to.
    #[arg(long, value_name = "N", default_value_t = FLOOR_RECEIVERS)]
    sockets: u32,
    /// The folder of results; its host.json is written anew.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

/// Runs the command; the exit code says how it went.
pub(crate) fn run(arguments: &Floor) -> ExitCode {
    measure(arguments).unwrap_or_else(|error| {
        tell(&with_causes(&error));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor floor: {line}");
}

#[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
fn measure(arguments: &Floor) -> anyhow::Result<ExitCode> {
    let works = works(arguments);
    // Nobody should wait for what is refused in the end.
    works.iter().try_for_each(Work::check)?;
    floor::check_receivers(arguments.sockets)?;
    folder::make_results(&arguments.results)?;
    let started = clock::unix();
    let sending = floor::send(arguments.sockets, FLOOR_BUDGET)?;
    let sealing = floor::seal(FLOOR_BUDGET);
    let f3 = works.iter().map(|work| floor::measure(work, FLOOR_BUDGET));
    let f3: Vec<F3> = f3.collect::<Result<_, _>>()?;
    let mut provenance = Provenance::of_program();
    provenance::fill_in(&mut provenance, started);
    let asked = arguments.sockets;
    let record = HostRecord {
        schema_version: SCHEMA_VERSION,
        machine: Machine {
            cpu_model: provenance.cpu_model,
            cores: provenance.cores,
            kernel: provenance.kernel,
        },
        measured_utc: provenance.started_utc,
        git_commit: provenance.git_commit,
        git_dirty: provenance.git_dirty,
        stentor_version: provenance.stentor_version,
        build_profile: provenance.build_profile,
        seal: sealing.iter().map(SealRecord::from).collect(),
        udp_send: sending.iter().map(|one| SendRecord::of(one, asked)).collect(),
        f3: f3.iter().map(F3Record::from).collect(),
    };
    let path = folder::keep_host(&arguments.results, &record)?;
    print!("{}\nresult: {}\n", render(&record, look_of_terminal()), path.display());
    Ok(ExitCode::SUCCESS)
}

/// The usual works, or every combination of what was asked for.
fn works(arguments: &Floor) -> Vec<Work> {
    let packets_per_ack = arguments.packets_per_ack;
    let work = |(members, bytes)| Work { members, bytes, packets_per_ack };
    if arguments.members.is_empty() && arguments.bytes.is_empty() {
        return WORKS.map(work).to_vec();
    }
    let or = |asked: &[u32], usual| if asked.is_empty() { vec![usual] } else { asked.to_vec() };
    let (members, bytes) = (or(&arguments.members, WORKS[0].0), or(&arguments.bytes, WORKS[0].1));
    members
        .iter()
        .flat_map(|&members| bytes.iter().map(move |&bytes| (members, bytes)))
        .map(work)
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        floor: Floor,
    }

    #[test]
    fn works_are_the_usual_ones_or_every_combination_of_what_is_asked_for() {
        let check = |line: &str, expected: &[(u32, u32)]| {
            let words = std::iter::once("floor").chain(line.split_whitespace());
            let found = works(&Only::parse_from(words).floor);
            let found: Vec<_> = found.iter().map(|work| (work.members, work.bytes)).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("", &WORKS);
        check("--members 5", &[(5, 350)]);
        check("--bytes 9,10", &[(1_000, 9), (1_000, 10)]);
        check("--members 1,2 --bytes 3,4", &[(1, 3), (1, 4), (2, 3), (2, 4)]);
    }
}
