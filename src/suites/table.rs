//! A comparison as tables for a terminal.
//!
//! Every time with its interval. Returns strings and never prints. Called by `cli`.

use super::beside::{Beside, DIFFERENCES, Ratio, beside};
use super::cell::{Object, Operation, Outcome};
use super::group::State;
use super::interval::Timing;
use super::published::{PUBLISHED, Published};
use super::record::SuitesRecord;
use crate::limits::SUITE_MERGED_MEMBERS_MAX;
use crate::mls::stack::StackKind;
use crate::report::chart::Unit;
use crate::report::summary::{Look, grouped, origin, table};

/// The operations that have a table; the page and the CSV have all.
const TOLD: [Operation; 5] = [
    Operation::Update,
    Operation::Process,
    Operation::Join,
    Operation::ExternalJoin,
    Operation::Encrypt,
];

/// Of a line.
const COLUMNS: usize = 98;

/// Sizes that a table has columns for; the largest ones.
const SIZES: usize = 4;

/// The whole comparison.
#[must_use]
pub fn render(record: &SuitesRecord, look: Look) -> String {
    let mut parts = Vec::new();
    let asked_of_fresh = record.cells.iter().any(|cell| cell.state == State::Fresh);
    for operation in TOLD.into_iter().filter(|_| asked_of_fresh) {
        let rows = times(record, operation);
        let title = format!("{}, fresh tree, by members: median (interval)", operation.name());
        parts.push(format!("{title}\n\n{}", table(rows, look)));
    }
    for state in [State::Settled, State::Merged, State::Churned] {
        if let Some((members, rows)) = commits(record, state) {
            let members = grouped(u64::from(members));
            let title = format!("commits in a {} tree of {members}", state.name());
            parts.push(format!("{title}\n\n{}", table(rows, look)));
        }
    }
    if let Some(members) = record.largest(State::Fresh) {
        let title = format!("bytes at {} members, fresh tree", grouped(u64::from(members)));
        parts.push(format!("{title}\n\n{}", table(sizes(record, members), look)));
    }
    let shared = beside(record);
    for beside in &shared {
        let of = beside.cells[0];
        let members = grouped(u64::from(of.members));
        let title = format!("{} at {members} members in several stacks", of.suite);
        parts.push(format!("{title}\n\n{}", table(side_by_side(beside), look)));
    }
    if !shared.is_empty() {
        parts.push(format!("why stacks differ\n\n{}", differences()));
    }
    let published = published(record);
    if published.len() > 1 {
        let title = "published figures of the same size, and ours: of another machine, so only growth \
                     and bytes compare";
        parts.push(format!("{title}\n\n{}", table(published, look)));
        parts.extend(unlike(record));
    }
    parts.extend(unmeasured(record));
    if record.failures().next().is_some() {
        parts.push(failures(record));
    }
    parts.push(format!(
        "r openmls/rust_crypto, l openmls/libcrux, m mls-rs/awslc; - not measured; one thread\n{}; an \
         interval holds the median with at least 95%,\nwhatever the distribution of the times",
        beside_others(record)
    ));
    parts.push(origin(&record.provenance));
    parts.join("\n\n") + "\n"
}

/// What else was at work.
fn beside_others(record: &SuitesRecord) -> String {
    match record.settings.at_once {
        0 | 1 => "nothing else at work".to_owned(),
        cells => format!("{cells} cells at once, each on cores of its own"),
    }
}

/// A suite with the stack that runs it, as rows are called.
fn name((suite, stack): (&str, &str)) -> String {
    format!("{suite} {}", letter(stack))
}

fn letter(stack: &str) -> char {
    StackKind::named(stack).map_or('?', StackKind::letter)
}

/// The suites with their stacks, in the order in which they were asked for.
fn runners(record: &SuitesRecord) -> impl Iterator<Item = (&str, &str)> {
    record.settings.suites.iter().map(|(suite, stack)| (suite.as_str(), stack.as_str()))
}

/// A figure of a cell, or why there is none.
pub(super) fn figure_of(
    cell: Option<&Outcome>,
    figure: impl Fn(&Outcome) -> Option<String>,
) -> String {
    match cell {
        Some(failed) if failed.error.is_some() => "FAILED".to_owned(),
        cell => cell.and_then(figure).unwrap_or_else(|| "-".to_owned()),
    }
}

fn bytes_of(cell: &Outcome, object: Object) -> Option<String> {
    cell.size(object).and_then(|bytes| u64::try_from(bytes).ok()).map(grouped)
}

fn times(record: &SuitesRecord, operation: Operation) -> Vec<Vec<String>> {
    let first = record.settings.sizes.len().saturating_sub(SIZES);
    let sizes = &record.settings.sizes[first..];
    let mut head = vec!["suite".to_owned()];
    head.extend(sizes.iter().map(|size| grouped(u64::from(*size))));
    let mut rows = vec![head];
    for runner in runners(record) {
        let time = |size: &u32| {
            let cell = record.cell(runner, *size, State::Fresh);
            figure_of(cell, |cell| cell.time(operation).map(spread))
        };
        rows.push([vec![name(runner)], sizes.iter().map(time).collect()].concat());
    }
    rows
}

/// A median with its interval, in one unit: `45.1 (44.9..46.0) ms`.
#[must_use]
pub fn spread(of: &Timing) -> String {
    let (scale, unit) = match of.median_us {
        below if below < 1e3 => (1.0, "us"),
        below if below < 1e6 => (1e3, "ms"),
        _ => (1e6, "s"),
    };
    let three = |value: f64| {
        let value = value / scale;
        let digits = if value < 9.995 {
            2
        } else if value < 99.95 {
            1
        } else {
            0
        };
        format!("{value:.digits$}")
    };
    format!("{} ({}..{}) {unit}", three(of.median_us), three(of.low_us), three(of.high_us))
}

fn sizes(record: &SuitesRecord, members: u32) -> Vec<Vec<String>> {
    const TOLD: [Object; 6] = [
        Object::KeyPackage,
        Object::CommitUpdate,
        Object::WelcomeOne,
        Object::GroupInfo,
        Object::Tree,
        Object::Application,
    ];
    let mut head = vec!["suite".to_owned()];
    let short = ["KeyPackage", "update", "Welcome", "GroupInfo", "tree", "message", "memory"];
    head.extend(short.map(str::to_owned));
    let mut rows = vec![head];
    for runner in runners(record) {
        let cell = record.cell(runner, members, State::Fresh);
        let mut row = vec![name(runner)];
        row.extend(TOLD.map(|object| figure_of(cell, |cell| bytes_of(cell, object))));
        row.push(figure_of(cell, |cell| {
            cell.member_bytes.map(|bytes| Unit::Bytes.value(bytes as f64))
        }));
        rows.push(row);
    }
    rows
}

/// What commits take in the largest group whose tree is in that state, by suite and stack.
fn commits(record: &SuitesRecord, state: State) -> Option<(u32, Vec<Vec<String>>)> {
    const TIMED: [Operation; 3] = [Operation::Update, Operation::Process, Operation::AddOne];
    let members = record.largest(state)?;
    let head = ["suite", "update commit", "process", "add one", "bytes"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for runner in runners(record) {
        let cell = record.cell(runner, members, state);
        let mut row = vec![name(runner)];
        row.extend(TIMED.map(|of| figure_of(cell, |cell| cell.time(of).map(spread))));
        row.push(figure_of(cell, |cell| bytes_of(cell, Object::CommitUpdate)));
        rows.push(row);
    }
    Some((members, rows))
}

fn side_by_side(of: &Beside<'_>) -> Vec<Vec<String>> {
    let (first, others) = of.cells.split_first().expect("several stacks are compared");
    let mut head = vec!["operation".to_owned(), first.stack.clone()];
    head.extend(others.iter().map(|cell| format!("{} x", cell.stack)));
    let mut rows = vec![head];
    for (operation, timing, ratios) in of.rows() {
        let mut row = vec![operation.name().to_owned(), spread(&timing)];
        let text = |ratio: Option<_>| ratio.map_or_else(|| "-".to_owned(), |it: Ratio| it.text());
        row.extend(ratios.into_iter().map(text));
        rows.push(row);
    }
    rows
}

fn differences() -> String {
    let lines = DIFFERENCES.iter().map(|(what, so)| filled(&format!("{what}: {so}")));
    lines.collect::<Vec<_>>().join("\n")
}

/// What others have published and was measured here too, in each stack that has the suite.
fn published(record: &SuitesRecord) -> Vec<Vec<String>> {
    let head = ["source", "what", "members", "theirs", "ours", "stack"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for published in PUBLISHED {
        for cell in published.ours(record) {
            let Some(ours) = published.of(cell) else { continue };
            rows.push(vec![
                published.source.to_owned(),
                published.name().to_owned(),
                grouped(u64::from(published.members)),
                published.theirs(),
                ours,
                letter(&cell.stack).to_string(),
            ]);
        }
    }
    rows
}

/// How many published figures are of nothing that was measured here, and where they are.
fn unlike(record: &SuitesRecord) -> Option<String> {
    let has_ours = |of: &&Published| of.ours(record).any(|cell| of.of(cell).is_some());
    let (all, ours) = (PUBLISHED.len(), PUBLISHED.iter().filter(has_ours).count());
    (ours < all).then(|| {
        filled(&format!(
            "{} more published figures are of what was not measured here: report.html has them, and \
             how to measure it",
            all - ours
        ))
    })
}

/// As lines of a terminal, all but the first a little further in.
fn filled(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("it begins with one");
        if line.chars().count() + word.chars().count() >= COLUMNS {
            lines.push(format!("  {word}"));
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Which trees were left out because they take long, and how to ask for them.
fn unmeasured(record: &SuitesRecord) -> Option<String> {
    let settings = &record.settings;
    let large = settings.sizes.iter().filter(|size| **size > SUITE_MERGED_MEMBERS_MAX);
    let sizes: Vec<String> = large.map(|size| grouped(u64::from(*size))).collect();
    (settings.states.is_empty() && !sizes.is_empty()).then(|| {
        filled(&format!(
            "not measured: merged and churned trees of {} members, which take a join for every \
             second member; ask with --states merged,churned. A commit in a settled \
             tree is as long as the same leaf's in a merged one.",
            sizes.join(" and ")
        ))
    })
}

fn failures(record: &SuitesRecord) -> String {
    let line = |cell: &Outcome| {
        let error = cell.error.as_deref().unwrap_or_default();
        let (suite, stack, members) = (&cell.suite, &cell.stack, cell.members);
        format!("  {suite} in {stack} at {members}, {}: {error}", cell.state.name())
    };
    let lines: Vec<String> = record.failures().map(line).collect();
    format!("FAILED\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests;
