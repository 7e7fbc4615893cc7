//! Suites at a service for other tools: a row for each suite at each size, and for its joins.
//!
//! Returns strings. Called by `cli`.

use super::joined::JoinRow;
use super::record::{LastMember, Saturation, ServingResult, ServingRow};
use crate::campaign::record::Spread;

/// The columns whose figures are of several rounds, each followed by its least and most.
type Read = fn(&ServingRow) -> Option<Spread>;
const SPREADS: [(&str, Read); 6] = [
    ("cpu_us_per_commit", |row| row.cpu_us_per_commit),
    ("cpu_us_per_commit_delivery", |row| row.cpu_us_per_commit_delivery),
    ("cpu_us_per_message_delivery", |row| row.cpu_us_per_message_delivery),
    ("cpu_us_per_delivery", |row| row.cpu_us_per_delivery),
    ("egress_bytes_per_s", |row| row.egress_bytes_per_s),
    ("one_core_commits_per_s", ServingRow::one_core_per_s),
];

/// The rows under a header.
#[must_use]
pub fn csv(of: &ServingResult) -> String {
    let mut head: Vec<String> = [
        "name",
        "pattern",
        "members",
        "tree",
        "key_exchange",
        "status",
        "valid",
        "sound",
        "offered_commits_per_s",
        "offered_messages_per_s",
        "commit_bytes",
        "fanout_bytes_per_commit",
        "delivered_bytes_per_commit",
        "message_bytes",
        "commits",
        "commit_last_p50_us",
        "commit_last_p99_us",
        "commit_last_max_us",
        "classical_last_p50_us",
        "classical_last_max_us",
        "full_commits",
        "post_quantum_last_p50_us",
        "post_quantum_last_max_us",
        "message_last_alone_p99_us",
        "message_last_beside_p99_us",
        "sustained_per_s",
        "not_sustained_per_s",
        "engine_limited_per_s",
        "saturation",
        "one_core_commits_per_s_at_sustained",
    ]
    .map(str::to_owned)
    .to_vec();
    for (name, _) in SPREADS {
        head.extend([name.to_owned(), format!("{name}_min"), format!("{name}_max")]);
    }
    let rows = of.rows.iter().map(|one| row(of, one).join(","));
    let lines: Vec<String> = std::iter::once(head.join(",")).chain(rows).collect();
    lines.join("\n") + "\n"
}

/// The rows of joins under a header of their own; nothing where none were loaded.
#[must_use]
pub fn joins_csv(of: &ServingResult) -> Option<String> {
    let head = "name,pattern,members,tree,key_exchange,status,valid,sound,offered_joins_per_s,joins,\
                key_package_bytes,add_commit_bytes,welcome_bytes,cpu_us_per_join,cpu_us_per_join_min,\
                cpu_us_per_join_max,commit_last_p50_us,commit_last_max_us,welcome_p50_us,welcome_max_us,\
                join_p50_us,join_max_us";
    let row = |row: &JoinRow| {
        let which = (row.name.as_str(), row.pattern, row.members);
        let mut cells = first(of, which, (&row.status, row.valid, row.is_sound()));
        cells.extend([row.offered_joins_per_s.to_string(), row.joins.to_string()]);
        cells.extend([row.key_package_bytes, row.add_commit_bytes, row.welcome_bytes].map(known));
        cells.extend(ends(row.cpu_us_per_join));
        for of in [row.commit_last, row.welcome, row.join] {
            cells.extend([of.p50.to_string(), of.max.to_string()]);
        }
        cells.join(",")
    };
    let lines = std::iter::once(head.to_owned()).chain(of.joins.iter().map(row));
    (!of.joins.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n") + "\n")
}

fn known(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A median, its least and its most.
fn ends(of: Option<Spread>) -> [String; 3] {
    [of.map(|of| of.median), of.map(|of| of.min), of.map(|of| of.max)].map(known)
}

/// The first columns of every row: which it is, and what it is worth.
fn first(
    of: &ServingResult,
    (name, pattern, members): (&str, bool, u32),
    (status, valid, sound): (&str, u32, bool),
) -> Vec<String> {
    let (pattern, members) = (pattern.to_string(), members.to_string());
    let under = [of.tree.clone(), of.key_exchange.clone()];
    let worth = [status.to_owned(), valid.to_string(), sound.to_string()];
    [name.to_owned(), pattern, members].into_iter().chain(under).chain(worth).collect()
}

fn row(of: &ServingResult, row: &ServingRow) -> Vec<String> {
    let found = row.saturation.as_ref();
    let part = |of: Option<LastMember>, read: fn(&LastMember) -> u64| {
        of.map_or_else(String::new, |of| read(&of).to_string())
    };
    let which = (row.name.as_str(), row.pattern, row.members);
    let mut cells = first(of, which, (&row.status, row.valid, row.is_sound()));
    cells.extend([
        row.offered_commits_per_s.to_string(),
        row.offered_messages_per_s.to_string(),
        row.commit_bytes.to_string(),
        row.fanout_bytes_per_commit.to_string(),
        known(row.delivered_bytes_per_commit),
        row.message_bytes.to_string(),
        row.commits().to_string(),
        row.commit_last.p50.to_string(),
        row.commit_last.p99.to_string(),
        row.commit_last.max.to_string(),
        part(row.classical_last, |of| of.p50),
        part(row.classical_last, |of| of.max),
        part(row.post_quantum_last, |of| of.count),
        part(row.post_quantum_last, |of| of.p50),
        part(row.post_quantum_last, |of| of.max),
        row.message_last_alone.p99.to_string(),
        row.message_last_beside.p99.to_string(),
        known(found.and_then(|found| found.sustained_per_s)),
        known(found.and_then(|found| found.not_sustained_per_s)),
        known(found.and_then(|found| found.engine_limited_per_s)),
        found.map_or_else(String::new, |found| found.conclusion.clone()),
        known(found.and_then(Saturation::one_core_per_s)),
    ]);
    for (_, read) in SPREADS {
        cells.extend(ends(read(row)));
    }
    cells
}
