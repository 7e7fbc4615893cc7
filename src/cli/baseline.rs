//! `stentor peers-baseline`, hidden: the process in which the baseline of a comparison runs.
//!
//! Started by `peers` alone. Says where it listens, in the one line that `serve` says it in, and
//! ends with its parent.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::with_causes;
use crate::peers::baseline::Baseline;
use crate::process;

/// Arguments of the hidden command.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The process that started this one.
    #[arg(long, value_name = "PID")]
    exit_with_parent: u32,
}

/// Serves until told to stop, or until its parent is gone.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    serve(arguments).map_or_else(
        |error| {
            // Who closed it does not want to know.
            writeln!(std::io::stderr(), "stentor peers-baseline: {}", with_causes(&error)).ok();
            ExitCode::from(1)
        },
        |()| ExitCode::SUCCESS,
    )
}

fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    if !process::end_with_parent(arguments.exit_with_parent) {
        bail!("the process that started this one is gone");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let baseline = Baseline::bind()?;
        let mut out = std::io::stdout();
        writeln!(out, "listening on {}, fingerprint {}", baseline.address, baseline.fingerprint)?;
        out.flush()?;
        let over = async {
            terminate.recv().await;
        };
        Ok(baseline.serve(over).await?)
    })
}
