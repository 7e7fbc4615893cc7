//! The command line: one file per sub-command.
//!
//! The only module that prints. Called by `main`.

mod baseline;
mod campaign;
mod contend;
mod doctor;
mod embedded;
mod explain;
mod find_max;
mod floor;
mod inspect;
mod log;
mod metrics;
mod peers;
mod plan;
mod progress;
mod provenance;
mod report;
mod run;
mod scenario_file;
mod serve;
mod shown;
mod state;
mod suites;
mod survive;
mod sweep;
mod target;
mod token;
mod trial;
mod validate;
mod victim;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand};

use crate::delivery::Durability;
use crate::limits::SOCKET_BUFFER_BYTES;

/// A delivery service for Messaging Layer Security, and a load engine that tells the truth about it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a delivery service with a scenario and write what was found.
    Run(run::Run),
    /// Load it at several rates, in rounds: the curve of latency at load.
    Sweep(sweep::Arguments),
    /// Search the highest rate that keeps a scenario's thresholds, between its bounds.
    FindMax(find_max::Arguments),
    /// Run the delivery service until SIGINT or SIGTERM, which drain it; SIGHUP reads token keys.
    Serve(serve::Serve),
    /// Say what this machine can do for a measurement, and what to change.
    Doctor(doctor::Doctor),
    /// Check scenario files without running them, or print the schema of their format.
    Validate(validate::Validate),
    /// Measure what a delivery costs at least on this machine: the floor of every result.
    Floor(floor::Floor),
    /// Make the page of a result anew: of a run's folder, or of its record.
    Report(report::Report),
    /// Race live members for epochs by each policy, and see what that costs.
    Contend(contend::Contend),
    /// Kill a service of one's own under load, again and again, and check what it promised.
    Survive(survive::Survive),
    /// Compare the service with the systems a user would pick instead, on the same work.
    Peers(peers::Peers),
    /// The baseline of a comparison.
    #[command(hide = true)]
    PeersBaseline(baseline::Arguments),
    /// Say what a scenario will do and take, before it is run.
    Explain(explain::Explain),
    /// Size a deployment: from users and messages a day to nodes and memory, from measured records.
    Plan(plan::Plan),
    /// Compare cipher suites, classical and post-quantum: which there are, what each costs.
    #[command(subcommand)]
    Suites(suites::Suites),
    /// Issue a device's token, or make a new key for the tokens of tomorrow.
    Token(token::Arguments),
    /// Print what the service sees of an MLSMessage: the header, nothing else.
    Inspect(inspect::Inspect),
    /// Look at a log without changing it, whether or not a server has it.
    #[command(subcommand)]
    Log(log::Log),
}

/// Runs the command that the arguments name; the exit codes are those of the crate documentation.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command: Command::Run(arguments) }) => run::run(&arguments),
        Ok(Cli { command: Command::Sweep(arguments) }) => sweep::run(&arguments),
        Ok(Cli { command: Command::FindMax(arguments) }) => find_max::run(&arguments),
        Ok(Cli { command: Command::Validate(arguments) }) => validate::run(&arguments),
        Ok(Cli { command: Command::Serve(arguments) }) => serve::run(&arguments),
        Ok(Cli { command: Command::Doctor(arguments) }) => doctor::run(&arguments),
        Ok(Cli { command: Command::Floor(arguments) }) => floor::run(&arguments),
        Ok(Cli { command: Command::Report(arguments) }) => report::run(&arguments),
        Ok(Cli { command: Command::Contend(arguments) }) => contend::run(&arguments),
        Ok(Cli { command: Command::Survive(arguments) }) => survive::run(&arguments),
        Ok(Cli { command: Command::Peers(arguments) }) => peers::run(&arguments),
        Ok(Cli { command: Command::PeersBaseline(arguments) }) => baseline::run(&arguments),
        Ok(Cli { command: Command::Explain(arguments) }) => explain::run(&arguments),
        Ok(Cli { command: Command::Plan(arguments) }) => plan::run(&arguments),
        Ok(Cli { command: Command::Suites(arguments) }) => suites::run(&arguments),
        Ok(Cli { command: Command::Token(arguments) }) => token::run(&arguments),
        Ok(Cli { command: Command::Inspect(arguments) }) => inspect::run(&arguments),
        Ok(Cli { command: Command::Log(arguments) }) => log::run(&arguments),
        Err(error) => usage(&error),
    }
}

/// An error with its causes, none of them twice: some messages quote theirs.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.is_empty() {
            cause
        } else if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

/// A text file of at most `bytes_max` bytes, and never more of it.
fn read_text(path: &Path, bytes_max: usize) -> anyhow::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut text)?;
    ensure!(text.len() <= bytes_max, "longer than {bytes_max} bytes");
    Ok(String::from_utf8(text)?)
}

fn durability(name: &str) -> Result<Durability, String> {
    Durability::of_name(name).ok_or_else(|| "none or wal".to_owned())
}

/// What there is to say of sockets that were `granted` so many bytes, if that is too few.
fn warning_of_small_buffers(granted: usize) -> Option<String> {
    (granted < SOCKET_BUFFER_BYTES).then(|| {
        format!(
            "the kernel granted socket buffers of {granted} bytes, bursts beyond them are lost; \
             `sysctl -w net.core.rmem_max={SOCKET_BUFFER_BYTES} \
             net.core.wmem_max={SOCKET_BUFFER_BYTES}` allows {SOCKET_BUFFER_BYTES}"
        )
    })
}

/// Help and the version are answers; anything else is a usage error, which is 1 here, not clap's 2.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_are_one_line_that_says_how_to_get_larger_ones() {
        let warning = warning_of_small_buffers(SOCKET_BUFFER_BYTES - 1).unwrap();
        assert!(warning.contains(&format!("rmem_max={SOCKET_BUFFER_BYTES} net.core.wmem_max=")));
        assert_eq!(warning.lines().count(), 1, "{warning}");
        assert_eq!(warning_of_small_buffers(SOCKET_BUFFER_BYTES), None);
    }
}
