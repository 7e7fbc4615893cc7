//! `stentor suites run`: what each suite costs a client, by group size.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::last_words::LastWords;
use super::tell;
use crate::cli::progress::Screen;
use crate::cli::provenance;
use crate::cli::run::look_of_terminal;
use crate::clock;
use crate::mls::stack::StackKind;
use crate::process::Machine;
use crate::report::folder::digits_of;
use crate::report::provenance::Provenance;
use crate::report::summary::Look;
use crate::suites::cell::Cell;
use crate::suites::dormant::Dormant;
use crate::suites::folder::SuitesFolder;
use crate::suites::group::State;
use crate::suites::measure::{Effort, measure};
use crate::suites::plan::{self, Settings};
use crate::suites::record::{SCHEMA_VERSION, SuitesRecord};
use crate::suites::registry::Offers;
use crate::suites::table::render;
use crate::units;

/// Arguments of `stentor suites run`.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Suites, by the names that `suites list` has; every one that a stack here runs unless some
    /// are asked for.
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Stacks: openmls/rust_crypto, openmls/libcrux, mls-rs/awslc.
    #[arg(long, value_name = "STACK,STACK...", value_delimiter = ',', value_parser = stack)]
    stacks: Vec<StackKind>,
    /// Members of the groups. In large ones two members are real, and all others leaves.
    #[arg(long, value_name = "N,N...", value_delimiter = ',', default_value = "2,10,100,1000")]
    sizes: Vec<u32>,
    /// States of the tree: fresh, settled, merged, churned. By default fresh, merged and churned up
    /// to 100 members, fresh and settled beyond: half of the members of merged and churned groups
    /// come in one by one, and each verifies all before it.
    #[arg(long, value_name = "STATE,STATE...", value_delimiter = ',', value_parser = state)]
    states: Vec<State>,
    /// Time for the repetitions of one operation; an interval takes six, whatever that takes.
    #[arg(long, value_name = "TIME", default_value = "25ms")]
    budget: String,
    /// Say nothing while it measures.
    #[arg(long)]
    quiet: bool,
    /// Where the folder of the result is. The same comparison goes on where it was stopped.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

/// Columns of `summary.txt`: the longest name of a suite and four sizes with their intervals, a row each
/// in one line. A terminal's own are kept to instead.
const SUMMARY_COLUMNS: u16 = 136;

fn stack(name: &str) -> Result<StackKind, String> {
    StackKind::named(name).ok_or_else(|| StackKind::ALL.map(StackKind::name).join(", "))
}

fn state(name: &str) -> Result<State, String> {
    let named = State::ALL.into_iter().find(|state| state.name() == name);
    named.ok_or_else(|| State::ALL.map(State::name).join(", "))
}

/// Measures: 0 if every cell has figures, 2 if one failed.
#[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
pub(super) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let started = clock::unix();
    let chosen = Offers::ask()?.choose(&arguments.suites, &arguments.stacks)?;
    let mut provenance = Provenance::of_program();
    provenance::fill_in(&mut provenance, started);
    let suites = chosen.iter().map(|(entry, stack)| (entry.name, stack.name()));
    let suites: Vec<_> = suites.map(|(one, two)| (one.to_owned(), two.to_owned())).collect();
    let settings = settings(arguments, suites, &provenance)?;
    provenance.scenario = "suites".to_owned();
    provenance.scenario_hash = settings.hash();
    let cells = settings.cells(&chosen);
    // Nobody should wait for what is refused in the end.
    plan::check(&cells, Machine::here().memory().map(|memory| memory.available))?;
    let folder = SuitesFolder::open(&arguments.results, &settings)?;
    let cells = measured(&cells, &folder, Effort::of(settings.budget()), arguments.quiet)?;
    let record = SuitesRecord { schema_version: SCHEMA_VERSION, provenance, settings, cells };
    let wide = Look { width: SUMMARY_COLUMNS, ..Look::default() };
    let path = folder.complete(&record, &render(&record, wide))?;
    print!("{}\nresult: {}\n", render(&record, look_of_terminal()), path.display());
    let failed = record.failures().count();
    Ok(ExitCode::from(if failed == 0 { 0 } else { 2 }))
}

fn settings(
    arguments: &Run,
    suites: Vec<(String, String)>,
    provenance: &Provenance,
) -> anyhow::Result<Settings> {
    let budget =
        units::duration(&arguments.budget).context("--budget takes a time such as 25ms")?;
    let (mut sizes, mut states) = (arguments.sizes.clone(), arguments.states.clone());
    sizes.sort_unstable();
    sizes.dedup();
    states.sort_unstable();
    states.dedup();
    let commit = provenance.git_commit.as_deref().unwrap_or("unknown");
    let changed = if provenance.git_dirty == Some(true) { changed()? } else { String::new() };
    let (version, profile) = (&provenance.stentor_version, &provenance.build_profile);
    Ok(Settings {
        suites,
        sizes,
        states,
        budget_ms: u64::try_from(budget.as_millis()).context("--budget is too long")?,
        program: format!("stentor {version}, {profile}, {commit}{changed}"),
    })
}

/// What tells two programs apart that are of one commit and were changed since: their own bytes.
fn changed() -> anyhow::Result<String> {
    let of = std::env::current_exe().and_then(std::fs::read);
    Ok(format!(", changed: {}", digits_of(&of.context("cannot read the program itself")?)))
}

/// Every cell's outcome: those that were kept, and those that are measured now.
fn measured(
    cells: &[Cell],
    folder: &SuitesFolder,
    effort: Effort,
    quiet: bool,
) -> anyhow::Result<Vec<crate::suites::cell::Outcome>> {
    let watched = !quiet && std::io::stderr().is_terminal();
    let mut screen = if quiet { Screen::quiet() } else { Screen::new() };
    let words = LastWords::listen();
    let mut outcomes = Vec::with_capacity(cells.len());
    let (mut kept, mut dormant) = (0, Dormant::default());
    for (number, cell) in (1..).zip(cells) {
        if let Some(found) = folder.found(cell) {
            kept += 1;
            outcomes.push(found);
            continue;
        }
        let name = format!("{number}/{} {}", cells.len(), cell.key());
        let begun = clock::now();
        if watched {
            screen.step(&name, 1);
        }
        words.of(folder.last_words(cell));
        let tell_step = screen.teller(&name);
        let outcome = measure(cell, effort, &mut dormant, &|step| {
            tell_step(step.what, u64::from(step.done), u64::from(step.of));
        });
        folder.keep(cell, &outcome)?;
        screen.clear();
        if !quiet {
            let took = clock::now().duration_since(begun);
            let how = outcome.error.as_ref().map_or_else(
                || format!("{:.1} s", took.as_secs_f64()),
                |error| format!("FAILED: {error}"),
            );
            tell(&format!("{name}: {how}"));
        }
        outcomes.push(outcome);
    }
    if kept > 0 && !quiet {
        tell(&format!("{kept} of {} cells were there already", cells.len()));
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        run: Run,
    }

    fn parse(line: &str) -> Result<Run, String> {
        let words = std::iter::once("run").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.run).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_and_states_are_each_measured_once_the_smallest_first() {
        let of = |line: &str| settings(&parse(line).unwrap(), Vec::new(), &Provenance::default());
        let settings = of("--sizes 100,2,100 --states merged,fresh,merged").unwrap();
        assert_eq!(settings.sizes, [2, 100]);
        assert_eq!(settings.states, [State::Fresh, State::Merged]);
        assert_eq!(settings.budget_ms, 25);
        assert_eq!(of("").unwrap().sizes, [2, 10, 100, 1_000]);
        assert!(of("--budget soon").unwrap_err().to_string().contains("25ms"));
    }

    #[test]
    fn a_stack_or_a_state_that_is_none_is_answered_with_those_there_are() {
        assert!(parse("--stacks openmls").unwrap_err().contains("openmls/libcrux"));
        assert!(parse("--states blank").unwrap_err().contains("churned"));
    }
}
