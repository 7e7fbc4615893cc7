//! A comparison as tables for a terminal.
//!
//! Every time with its interval. Returns strings and never prints. Called by `cli`.

use super::beside::{Beside, DIFFERENCES, Ratio, beside};
use super::cell::{Object, Operation, Outcome};
use super::group::State;
use super::interval::Timing;
use super::published::PUBLISHED;
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
    for operation in TOLD {
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
    let members = record.settings.sizes.iter().copied().max().unwrap_or_default();
    let title = format!("bytes at {members} members, fresh tree");
    parts.push(format!("{title}\n\n{}", table(sizes(record, members), look)));
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
    }
    parts.extend(unmeasured(record));
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
    in_state(record, State::Fresh)
}

fn in_state(record: &SuitesRecord, state: State) -> impl Iterator<Item = (String, Vec<&Outcome>)> {
    record.settings.suites.iter().map(move |(suite, stack)| {
        let letter = StackKind::named(stack).map_or('?', StackKind::letter);
        let same = |cell: &&Outcome| cell.suite == *suite && cell.stack == *stack;
        let cells = record.cells.iter().filter(same).filter(|cell| cell.state == state);
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

/// What commits take in the largest group whose tree is in that state, by suite and stack.
fn commits(record: &SuitesRecord, state: State) -> Option<(u32, Vec<Vec<String>>)> {
    let of_state = |cell: &&Outcome| cell.state == state && cell.error.is_none();
    let members = record.cells.iter().filter(of_state).map(|cell| cell.members).max()?;
    let mut rows =
        vec![["suite", "update commit", "process", "add one", "bytes"].map(str::to_owned).to_vec()];
    let none = || "-".to_owned();
    for (name, cells) in in_state(record, state) {
        let Some(cell) = cells.into_iter().find(|cell| cell.members == members) else {
            continue;
        };
        let time = |operation| cell.time(operation).map_or_else(none, spread);
        let bytes = cell.size(Object::CommitUpdate).and_then(|bytes| u64::try_from(bytes).ok());
        let times = [Operation::Update, Operation::Process, Operation::AddOne].map(time);
        rows.push([vec![name], times.to_vec(), vec![bytes.map_or_else(none, grouped)]].concat());
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
            let letter = StackKind::named(&cell.stack).map_or('?', StackKind::letter);
            rows.push(vec![
                published.source.to_owned(),
                published.name().to_owned(),
                grouped(u64::from(published.members)),
                published.theirs(),
                ours,
                letter.to_string(),
            ]);
        }
    }
    rows
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
             second member; ask with --states merged,churned. A commit is as long in a settled \
             tree as in a merged one.",
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
    fn a_suite_of_two_stacks_is_told_beside_each_other_and_why() {
        let mut record = sample::record();
        assert!(!render(&record, Look::default()).contains("why stacks differ"));
        let mut other = record.cells[0].clone();
        other.stack = "mls-rs/awslc".to_owned();
        record.cells.push(other);
        let text = render(&record, Look::default());
        for told in ["at 2 members in several stacks", "mls-rs/awslc x", "Cryptography: RustCrypto"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        for line in text.lines().filter(|line| !line.starts_with("from")) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn trees_that_were_left_out_are_named_with_how_to_ask_for_them() {
        let mut record = sample::record();
        record.settings.sizes = vec![2, 1_000];
        assert_eq!(unmeasured(&record), None, "these states were asked for");
        record.settings.states.clear();
        let said = unmeasured(&record).unwrap();
        assert!(said.contains("1,000") && said.contains("--states merged,churned"), "{said}");
        record.settings.sizes = vec![2, 100];
        assert_eq!(unmeasured(&record), None);
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
