//! `stentor suites`: which cipher suites there are, what each costs a client and the service.
//!
//! One file per way to ask. Called by `cli::main`.

mod crew;
mod list;
mod run;
mod serve_cost;
mod worker;

use std::process::ExitCode;

use clap::Subcommand;

use super::with_causes;

/// The ways to ask.
#[derive(Debug, Subcommand)]
pub(crate) enum Suites {
    /// Print every suite, what it is made of and which stacks here have it.
    List(list::List),
    /// Measure what each suite costs a client, by group size and state of the tree.
    ///
    /// Deployment patterns of two suites (welcome, combiner:N) are not measured: no stack here runs one,
    /// so there are no members to time. `suites list` names them, and `suites serve-cost --patterns` has
    /// their bytes by the byte model and their load at the service.
    Run(run::Run),
    /// Measure a job of that.
    #[command(hide = true)]
    Measure(worker::Worker),
    /// Load the service with each suite's traffic: what its bytes cost there, by group size. Takes about
    /// a quarter of an hour by default.
    ServeCost(serve_cost::ServeCost),
}

/// Runs one of them.
pub(crate) fn run(arguments: &Suites) -> ExitCode {
    let (name, done) = match arguments {
        Suites::List(arguments) => ("list", list::run(arguments)),
        Suites::Run(arguments) => ("run", run::run(arguments)),
        Suites::Measure(arguments) => ("measure", worker::run(arguments)),
        Suites::ServeCost(arguments) => ("serve-cost", serve_cost::run(arguments)),
    };
    done.unwrap_or_else(|error| {
        tell(&format!("stentor suites {name}: {}", with_causes(&error)));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("{line}");
}
