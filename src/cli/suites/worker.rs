//! `stentor suites measure`, hidden: the process in which a job of `suites run` is measured.
//!
//! Started by `crew` alone. Says on standard output, a line each, how far it is and what came of a cell,
//! and ends with its parent.

use std::io::Write as _;
use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::run::{stack, state};
use crate::mls::stack::StackKind;
use crate::process;
use crate::suites::dormant::Dormant;
use crate::suites::group::State;
use crate::suites::job::{Job, Said};
use crate::suites::measure::{Effort, measure};
use crate::suites::registry::ENTRIES;

/// Arguments of the hidden command.
#[derive(Args, Debug)]
pub(crate) struct Worker {
    suite: String,
    #[arg(value_parser = stack)]
    stack: StackKind,
    members: u32,
    #[arg(value_delimiter = ',', value_parser = state)]
    states: Vec<State>,
    /// Milliseconds for the repetitions of one operation.
    #[arg(long)]
    budget_ms: u64,
    /// The first of the cores that it keeps to, where the system lets it.
    #[arg(long)]
    first_core: usize,
    /// How many they are.
    #[arg(long)]
    cores: usize,
    /// The process that started this one.
    #[arg(long, value_name = "PID")]
    exit_with_parent: u32,
}

/// What measures a job on cores of its own, as [`run`] reads it.
pub(super) fn command(job: &Job, budget: Duration, cores: Range<usize>) -> Command {
    let states: Vec<&str> = job.states.iter().map(|state| state.name()).collect();
    // This very program, even if another has been built in its place since.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["suites", "measure", job.entry.name, job.stack.name()])
        .args([&job.members.to_string(), &states.join(",")])
        .args(["--budget-ms", &budget.as_millis().to_string()])
        .args(["--exit-with-parent", &std::process::id().to_string()])
        .args(["--first-core", &cores.start.to_string(), "--cores", &cores.len().to_string()])
        .stdin(Stdio::null());
    command
}

/// Measures a job: 0 whatever came of its cells.
pub(super) fn run(arguments: &Worker) -> anyhow::Result<ExitCode> {
    if !process::end_with_parent(arguments.exit_with_parent) {
        bail!("the process that started this one is gone");
    }
    let (first, count) = (arguments.first_core, arguments.cores);
    // Where it is not let, the kernel finds an idle core: what it measures is busy all the time.
    process::pin_to_own_cores(first..first.saturating_add(count));
    // Pages of two megabytes would hide what a member takes.
    process::without_huge_pages();
    let entry = ENTRIES.iter().find(|entry| entry.name == arguments.suite);
    let job = Job {
        entry: entry.context("there is no such suite")?,
        stack: arguments.stack,
        members: arguments.members,
        states: arguments.states.clone(),
    };
    let effort = Effort::of(Duration::from_millis(arguments.budget_ms));
    let mut dormant = Dormant::default();
    for cell in job.cells() {
        // Who does not listen any more ends this process by and by.
        let outcome = measure(&cell, effort, &mut dormant, &|step| drop(say(&step.into())));
        say(&Said::Outcome(Box::new(outcome)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(said: &Said) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", said.line())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        worker: Worker,
    }

    #[test]
    fn a_process_is_told_its_job_as_it_reads_it() {
        let job = Job {
            entry: &ENTRIES[0],
            stack: StackKind::MlsRsAwsLc,
            members: 1_000,
            states: vec![State::Fresh, State::Settled],
        };
        for cores in [0..1, 3..7] {
            let command = command(&job, Duration::from_millis(25), cores.clone());
            // The first is the group of commands.
            let read = Line::try_parse_from(command.get_args().skip(1)).unwrap().worker;
            assert_eq!((read.suite.as_str(), read.stack), (job.entry.name, job.stack));
            assert_eq!((read.members, read.states), (1_000, job.states.clone()));
            assert_eq!(
                (read.budget_ms, read.first_core, read.cores),
                (25, cores.start, cores.len())
            );
            assert_eq!(read.exit_with_parent, std::process::id());
        }
    }
}
