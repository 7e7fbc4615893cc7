//! `stentor survive`: kill a server of one's own under load, and check what it promised.
//!
//! Prints how it stands while it goes on, then a table of what was done, looked at and found. The
//! kernel outlives every kill, and so does what was written and not yet synced: what a loss of power
//! takes is for the simulations of `log` and `engine`.
//! Called by `cli::main`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::progress::Screen;
use super::victim::Victim;
use super::with_causes;
use crate::clock;
use crate::limits::SHARDS_MAX;
use crate::survival::{Options, Outcome, endure};

/// Kills between two lines of progress.
const KILLS_PER_LINE: u32 = 20;

/// Arguments of `stentor survive`.
#[derive(Args, Debug)]
pub(crate) struct Survive {
    /// How often the server is killed, with SIGKILL.
    #[arg(long, default_value_t = 200, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    kills: u32,
    /// Durable groups.
    #[arg(long, default_value_t = 8, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=200))]
    groups: u16,
    /// Members of each group; of twice as many devices.
    #[arg(long, default_value_t = 6, value_name = "N",
        value_parser = clap::value_parser!(u16).range(2..=200))]
    members: u16,
    /// The shards of the server.
    #[arg(long, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::try_from(SHARDS_MAX).expect("shards are few")))]
    shards: u16,
    /// Decides when it is killed and what members do, as far as a process can be repeated; drawn
    /// from the clock and told if absent.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Runs the command. Exit code 0 when every promise was kept, 3 when one was broken, 1 and one line
/// on standard error when the environment is at fault.
pub(crate) fn run(arguments: &Survive) -> ExitCode {
    let mut screen = Screen::new();
    let survived = survive(arguments, &mut screen);
    screen.clear();
    survived.unwrap_or_else(|error| {
        screen.say(&format!("stentor survive: {}", with_causes(&error)));
        ExitCode::from(1)
    })
}

#[expect(clippy::print_stdout, reason = "the result goes where it can be piped")]
fn survive(arguments: &Survive, screen: &mut Screen) -> anyhow::Result<ExitCode> {
    let drawn = u64::from(clock::unix().subsec_nanos());
    let options = Options {
        kills: arguments.kills,
        groups: arguments.groups.into(),
        members: arguments.members.into(),
        seed: arguments.seed.unwrap_or(drawn),
    };
    let mut victim = Victim::new(arguments.shards).context("cannot prepare a server")?;
    let what = format!("killing a server {} times, seed {}", options.kills, options.seed);
    screen.step(&what, options.kills.into());
    let mut line_next = KILLS_PER_LINE;
    let position = screen.counter();
    let mut done = 0;
    let outcome = endure(&mut victim, &options, &mut |outcome| {
        position(u64::from(outcome.kills - done));
        done = outcome.kills;
        if outcome.kills >= line_next {
            line_next = outcome.kills + KILLS_PER_LINE;
            screen.say(&line(outcome));
        }
    });
    let outcome = outcome.map_err(|what| anyhow!(what))?;
    screen.clear();
    print!("{}", table(&outcome, options.seed));
    if outcome.violations.total() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    screen.say(&format!("what the server left is in {}", victim.keep().display()));
    Ok(ExitCode::from(3))
}

fn line(outcome: &Outcome) -> String {
    format!(
        "{} kills: {} accepted, {} deliveries, {} violations",
        outcome.kills,
        outcome.counts.accepted,
        outcome.counts.deliveries,
        outcome.violations.total()
    )
}

/// What was done, looked at and found, a figure a line.
fn table(outcome: &Outcome, seed: u64) -> String {
    let counts = &outcome.counts;
    let recovery_ms = u64::try_from(outcome.recovery_max.as_millis()).unwrap_or(u64::MAX);
    let rows = [
        ("seed", seed),
        ("kills", outcome.kills.into()),
        ("  during recovery", outcome.kills_in_recovery.into()),
        ("starts that served", outcome.starts.into()),
        ("log entries recovered", outcome.records),
        ("torn bytes cut off", outcome.torn_bytes),
        ("longest recovery, ms", recovery_ms),
        ("messages submitted", counts.submitted),
        ("messages accepted", counts.accepted),
        ("  commits", counts.commits),
        ("races lost", counts.races_lost),
        ("answers given again, alike", counts.answered_again),
        ("attachments", counts.attachments),
        ("deliveries checked", counts.deliveries),
        ("  again, from a cursor", counts.redeliveries),
        ("violations", outcome.violations.total()),
    ];
    let mut text = String::new();
    for (what, figure) in rows {
        writeln!(text, "{what:<28}{figure:>12}").expect("a string takes everything");
    }
    for (violation, count) in &outcome.violations.counts {
        writeln!(text, "  {:<26}{count:>12}", format!("{violation:?}"))
            .expect("a string takes everything");
    }
    for example in &outcome.violations.examples {
        writeln!(text, "{example}").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survival::Violation;

    #[test]
    fn the_table_says_every_figure_and_what_was_violated() {
        let mut outcome = Outcome { kills: 7, ..Outcome::default() };
        assert!(table(&outcome, 5).contains("\nkills                                  7\n"));
        assert!(table(&outcome, 5).ends_with("violations                             0\n"));
        outcome.violations.note(Violation::Fork, "group 1".to_owned());
        let text = table(&outcome, 5);
        assert!(text.contains("  Fork                                 1\n"), "{text}");
        assert!(text.ends_with("Fork: group 1\n"), "{text}");
    }
}
