//! `stentor suites run`: what each suite costs a client, by group size.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::crew::{News, work};
use super::{tell, worker};
use crate::cli::progress::{LINE_EVERY, Screen};
use crate::cli::provenance;
use crate::cli::run::look_of_terminal;
use crate::clock;
use crate::limits::SUITE_JOBS_AT_ONCE;
use crate::mls::stack::StackKind;
use crate::process::{self, Machine};
use crate::report::folder::digits_of;
use crate::report::provenance::Provenance;
use crate::report::summary::Look;
use crate::suites::cell::{Cell, Outcome};
use crate::suites::folder::SuitesFolder;
use crate::suites::group::State;
use crate::suites::job::Job;
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
    /// How many cells are measured at the same time, each on cores of its own: two unless there is one
    /// core. With one alone nothing else is at work.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
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
/// A record has whole milliseconds.
const BUDGET_MIN: Duration = Duration::from_millis(1);

pub(super) fn stack(name: &str) -> Result<StackKind, String> {
    StackKind::named(name).ok_or_else(|| StackKind::ALL.map(StackKind::name).join(", "))
}

pub(super) fn state(name: &str) -> Result<State, String> {
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
    let free = Machine::here().memory().map(|memory| memory.available);
    plan::check(&cells, usize::try_from(settings.at_once)?, free)?;
    let folder = SuitesFolder::open(&arguments.results, &settings)?;
    let cells = measured(&cells, &folder, &settings, arguments.quiet)?;
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
    let cores = u32::try_from(process::cores())?;
    let at_once = arguments.at_once.unwrap_or_else(|| SUITE_JOBS_AT_ONCE.min(cores));
    ensure!(at_once <= cores, "--at-once {at_once}: this process has {cores} cores");
    let budget = units::duration(&arguments.budget).filter(|time| *time >= BUDGET_MIN);
    let budget = budget.context("--budget takes a time of 1ms or more, such as 25ms")?;
    let (mut sizes, mut states) = (arguments.sizes.clone(), arguments.states.clone());
    sizes.sort_unstable();
    sizes.dedup();
    states.sort_unstable();
    states.dedup();
    let commit = provenance.git_commit.as_deref().unwrap_or("unknown");
    // Without its repository nobody knows whether it was changed.
    let as_committed = provenance.git_dirty == Some(false);
    let changed = if as_committed { String::new() } else { changed()? };
    let (version, profile) = (&provenance.stentor_version, &provenance.build_profile);
    Ok(Settings {
        suites,
        sizes,
        states,
        budget_ms: u64::try_from(budget.as_millis()).context("--budget is too long")?,
        at_once,
        program: format!("stentor {version}, {profile}, {commit}{changed}"),
        machine: format!("{cores} x {}, {}", process::cpu_model(), process::kernel()),
    })
}

/// What tells two programs apart that are of one commit and were changed since: their own bytes.
fn changed() -> anyhow::Result<String> {
    let of = std::env::current_exe().and_then(std::fs::read);
    Ok(format!(", changed: {}", digits_of(&of.context("cannot read the program itself")?)))
}

/// Every cell's outcome, in their order: those that were kept, and those that are measured now.
fn measured(
    cells: &[Cell],
    folder: &SuitesFolder,
    settings: &Settings,
    quiet: bool,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes: HashMap<String, Outcome> = HashMap::new();
    for cell in cells {
        outcomes.extend(folder.found(cell).map(|found| (cell.key(), found)));
    }
    let missing = |cell: &&Cell| !outcomes.contains_key(&cell.key());
    let missing: Vec<Cell> = cells.iter().filter(missing).copied().collect();
    let kept = outcomes.len();
    let mut told = Told {
        screen: if quiet { Screen::quiet() } else { Screen::new() },
        of: cells.len(),
        done: kept,
        lines: HashMap::new(),
    };
    if !missing.is_empty() {
        let (count, at_once) = (missing.len(), settings.at_once);
        let what = format!("measuring {count} of {} cells, {at_once} at once", cells.len());
        told.screen.step(&what, u64::try_from(cells.len())?);
    }
    let jobs = Job::of(&missing);
    // What nobody else needs helps to make the groups.
    let at_once = usize::try_from(settings.at_once)?.min(jobs.len().max(1));
    let share = process::cores() / at_once;
    let start = |job: &Job, place: usize| {
        worker::command(job, settings.budget(), place * share..(place + 1) * share)
    };
    work(&jobs, at_once, &start, |news| {
        match news {
            News::Step { cell, what, done, of, since } => {
                told.step(&cell, &format!("{what}, {done} of {of}"), since);
            }
            News::Outcome { cell, outcome, took } => {
                folder.keep(&cell, &outcome)?;
                told.outcome(&cell, &outcome, took);
                outcomes.insert(cell.key(), outcome);
            }
        }
        Ok(())
    })?;
    told.screen.clear();
    if kept > 0 && !quiet {
        tell(&format!("{kept} of {} cells were there already", cells.len()));
    }
    let outcome = |cell: &Cell| outcomes.remove(&cell.key()).expect("every cell has come to one");
    Ok(cells.iter().map(outcome).collect())
}

/// What is told while it measures.
struct Told {
    screen: Screen,
    of: usize,
    done: usize,
    /// How many lines each cell under way could have had by now.
    lines: HashMap<String, u64>,
}

impl Told {
    fn step(&mut self, cell: &Cell, what: &str, since: Duration) {
        let lines = since.as_secs() / LINE_EVERY.as_secs();
        let before = self.lines.insert(cell.key(), lines).unwrap_or(0);
        let done = u64::try_from(self.done).expect("a count fits");
        self.screen.at(done, &format!("{}: {what}", cell.key()), lines > before);
    }

    fn outcome(&mut self, cell: &Cell, outcome: &Outcome, took: Duration) {
        self.done += 1;
        let how = outcome.error.as_ref().map_or_else(
            || format!("{:.1} s", took.as_secs_f64()),
            |error| format!("FAILED: {error}"),
        );
        self.screen.say(&format!("{}/{} {}: {how}", self.done, self.of, cell.key()));
    }
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
        assert!(matches!(of("").unwrap().at_once, 1 | 2), "as many as there are cores, up to two");
        assert_eq!(of("--at-once 1").unwrap().at_once, 1);
        assert!(of("--at-once 100000").unwrap_err().to_string().contains("this process has"));
        for budget in ["soon", "10us"] {
            let refused = of(&format!("--budget {budget}")).unwrap_err().to_string();
            assert!(refused.contains("1ms or more, such as 25ms"), "{refused}");
        }
    }

    #[test]
    fn a_stack_or_a_state_that_is_none_is_answered_with_those_there_are() {
        assert!(parse("--stacks openmls").unwrap_err().contains("openmls/libcrux"));
        assert!(parse("--states blank").unwrap_err().contains("churned"));
    }
}
