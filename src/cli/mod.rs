//! The command line: one file per sub-command.
//!
//! The only module that prints. Called by `main`.

mod embedded;
mod inspect;
mod progress;
mod provenance;
mod run;
mod serve;
mod state;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Run the delivery service until SIGINT or SIGTERM, which drain it.
    Serve(serve::Serve),
    /// Print what the service sees of an MLSMessage: the header, nothing else.
    Inspect(inspect::Inspect),
}

/// Runs the command that the arguments name; the exit codes are those of the crate documentation.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command: Command::Run(arguments) }) => run::run(&arguments),
        Ok(Cli { command: Command::Serve(arguments) }) => serve::run(&arguments),
        Ok(Cli { command: Command::Inspect(arguments) }) => inspect::run(&arguments),
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

/// Help and the version are answers; anything else is a usage error, which is 1 here, not clap's 2.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}
