//! A comparison as tables for a terminal.
//!
//! Every time with its interval. Returns strings and never prints. Called by `cli`.

use super::cell::{Object, Operation, Outcome};
use super::group::State;
use super::interval::Timing;
use super::record::SuitesRecord;
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

/// Sizes that a table has columns for; the largest ones.
const SIZES: usize = 4;

/// The whole comparison.
#[must_use]
pub fn render(record: &SuitesRecord, look: Look) -> String {
    let mut parts = Vec::new();
    for operation in TOLD {
        let rows = times(record, operation);
        let title = format!("{}, fresh tree, by members: median (interval)", operation.name());
        parts.push(format!("{title}\n\n{}", table(rows, look)));
    }
    let members = record.settings.sizes.iter().copied().max().unwrap_or_default();
    let title = format!("bytes at {members} members, fresh tree");
    parts.push(format!("{title}\n\n{}", table(sizes(record, members), look)));
    if record.failures().next().is_some() {
        parts.push(failures(record));
    }
    parts.push(
        "r openmls/rust_crypto, l openmls/libcrux, m mls-rs/awslc; one thread; an interval holds \
         the median\nwith at least 95%, whatever the distribution of the times"
            .to_owned(),
    );
    parts.push(origin(&record.provenance));
    parts.join("\n\n") + "\n"
}

/// The cells of a fresh tree, by suite and stack.
fn fresh(record: &SuitesRecord) -> impl Iterator<Item = (String, Vec<&Outcome>)> {
    record.settings.suites.iter().map(|(suite, stack)| {
        let letter = StackKind::named(stack).map_or('?', StackKind::letter);
        let same = |cell: &&Outcome| cell.suite == *suite && cell.stack == *stack;
        let cells = record.cells.iter().filter(same).filter(|cell| cell.state == State::Fresh);
        (format!("{suite} {letter}"), cells.collect())
    })
}

fn times(record: &SuitesRecord, operation: Operation) -> Vec<Vec<String>> {
    let first = record.settings.sizes.len().saturating_sub(SIZES);
    let sizes = &record.settings.sizes[first..];
    let mut head = vec!["suite".to_owned()];
    head.extend(sizes.iter().map(|size| grouped(u64::from(*size))));
    let mut rows = vec![head];
    for (name, cells) in fresh(record) {
        let mut row = vec![name];
        row.extend(sizes.iter().map(
            |size| match cells.iter().find(|cell| cell.members == *size) {
                Some(cell) if cell.error.is_some() => "FAILED".to_owned(),
                Some(cell) => cell.time(operation).map_or_else(|| "-".to_owned(), spread),
                None => "-".to_owned(),
            },
        ));
        rows.push(row);
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
    let none = || "-".to_owned();
    for (name, cells) in fresh(record) {
        let Some(cell) = cells.iter().find(|cell| cell.members == members) else { continue };
        let bytes = |object| {
            let bytes = cell.size(object).and_then(|bytes| u64::try_from(bytes).ok());
            bytes.map_or_else(none, grouped)
        };
        let memory = cell.member_bytes.map_or_else(none, |bytes| Unit::Bytes.value(bytes as f64));
        let mut row = vec![name];
        row.extend(TOLD.map(bytes));
        row.push(memory);
        rows.push(row);
    }
    rows
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
mod tests {
    use super::*;
    use crate::suites::sample;

    #[test]
    fn a_time_is_told_with_its_interval_in_one_unit() {
        let check = |median_us, low_us, high_us, expected: &str| {
            let timing = Timing { n: 9, median_us, low_us, high_us, coverage: 0.96 };
            assert_eq!(spread(&timing), expected);
        };
        check(45_100.0, 44_900.0, 46_040.0, "45.1 (44.9..46.0) ms");
        check(7.0, 6.5, 100.0, "7.00 (6.50..100) us");
        check(1.5e6, 999_000.0, 2e6, "1.50 (1.00..2.00) s");
    }

    #[test]
    fn a_failure_is_told_where_its_figures_would_be_and_in_words() {
        let text = render(&sample::record(), Look::default());
        assert!(text.contains("FAILED"), "{text}");
        let said = "xwing-aes128-ed25519 in openmls/rust_crypto at 100, fresh: cannot commit: <no>";
        assert!(text.contains(said), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
