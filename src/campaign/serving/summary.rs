//! Suites at a service as tables for a terminal.
//!
//! Returns strings and never prints. Called by `text`.

use super::joined;
use super::question::Traffic;
use super::record::{LastMember, ModelledRow, Saturation, ServingResult, ServingRow};
use crate::campaign::record::Spread;
use crate::limits::STATED_OFF_MAX;
use crate::report::chart::Unit;
use crate::report::summary::{Look, decimal, duration, grouped, table};

/// The whole comparison.
#[must_use]
pub fn render(of: &ServingResult, look: Look) -> String {
    let mut parts = Vec::new();
    for members in sizes(of) {
        let rows: Vec<&ServingRow> = of.rows.iter().filter(|row| row.members == members).collect();
        if let Some(first) = rows.first() {
            parts.push(format!("{}\n\n{}", title(of, first), table(commits(&rows), look)));
            parts.extend(parts_of_combiners(&rows));
            parts.push(table(rates(&rows), look));
            parts.push(table(messages(&rows), look));
        }
        let modelled: Vec<&ModelledRow> =
            of.modelled.iter().filter(|row| row.members == members).collect();
        if modelled.iter().any(|row| row.pattern) {
            let title = format!(
                "bytes at {} members by the model; of a pattern, which no stack here runs, too",
                grouped(members.into())
            );
            parts.push(format!("{title}\n\n{}", table(bytes(&modelled), look)));
        }
    }
    for rows in joined::by_size(&of.joins) {
        let title = joined::title(rows[0], of.rounds);
        let [costs, times] = joined::cells(&rows);
        parts.push(format!("{title}\n\n{}", table(costs, look)));
        parts.push(table(times, look));
    }
    parts.extend(joined::reading(&of.joins));
    parts.extend(patterns(of));
    parts.extend(spoiled(of));
    parts.extend(unsustained(of));
    parts.push(reading(of));
    parts.join("\n\n")
}

fn sizes(of: &ServingResult) -> Vec<u32> {
    let mut sizes: Vec<u32> = of.modelled.iter().map(|row| row.members).collect();
    sizes.dedup();
    sizes
}

fn title(of: &ServingResult, row: &ServingRow) -> String {
    format!(
        "{} members, {} tree, over {}: {} messages a minute beside commits; {}",
        grouped(row.members.into()),
        of.tree,
        of.key_exchange,
        decimal(row.offered_messages_per_s * 60.0),
        if of.rounds == 1 {
            "1 round".to_owned()
        } else {
            format!("medians of {} rounds", of.rounds)
        },
    )
}

fn commits(rows: &[&ServingRow]) -> Vec<Vec<String>> {
    // Of few the p99 is the longest, and is called so.
    let few = rows.iter().any(|row| row.commit_last.is_few());
    let head = [
        "commits of",
        "n",
        "a minute",
        "bytes",
        "fan-out",
        "CPU of one",
        "least..most",
        "last p50",
        if few { "longest" } else { "p99" },
    ];
    let mut all = vec![head.map(str::to_owned).to_vec()];
    all.extend(rows.iter().map(|row| {
        let [both, either] = invalid(row);
        vec![
            marked(row),
            grouped(row.commits()),
            decimal(row.offered_commits_per_s * 60.0),
            kilo(row.commit_bytes),
            kilo(row.fanout_bytes_per_commit),
            micros(row.cpu_us_per_commit) + either,
            row.cpu_us_per_commit.map_or_else(|| "-".to_owned(), ends),
            time(row.commit_last, |of| of.p50) + both,
            longest(row.commit_last, few) + both,
        ]
    }));
    all
}

/// What a combiner's commits are made of, which the table has together.
fn parts_of_combiners(rows: &[&ServingRow]) -> Option<String> {
    let line = |row: &&ServingRow| {
        let (classical, second) = row.classical_last.zip(row.post_quantum_last)?;
        let times =
            |of| format!("p50 {}, longest {}", time(of, |of| of.p50), time(of, |of| of.max));
        Some(format!(
            "{}: of its {} commits {} full, in both groups\n  \
             to the last member of the classical group: {}\n  \
             to that of the post-quantum group:         {}",
            marked(row),
            grouped(classical.count),
            if second.count == 1 {
                "1 is".to_owned()
            } else {
                format!("{} are", grouped(second.count))
            },
            times(classical),
            times(second),
        ))
    };
    let lines: Vec<String> = rows.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Between which rates the service is saturated, beside what its processor time alone leaves room for.
fn rates(rows: &[&ServingRow]) -> Vec<Vec<String>> {
    let head = [
        "commits/s of",
        "sustained",
        "not",
        "engine's limit",
        "1/CPU of one",
        "least..most",
        "1/CPU sustained",
    ];
    let mut all = vec![head.map(str::to_owned).to_vec()];
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), per_s);
    all.extend(rows.iter().map(|row| {
        let (found, cpu) = (row.saturation.as_ref(), row.one_core_per_s());
        let [_, either] = invalid(row);
        vec![
            marked(row),
            found.map_or_else(|| "-".to_owned(), sustained),
            known(found.and_then(Saturation::upper_per_s)),
            known(found.and_then(|found| found.engine_limited_per_s)),
            known(cpu.map(|of| of.median)) + either,
            cpu.map_or_else(
                || "-".to_owned(),
                |of| format!("{}..{}", per_s(of.min), per_s(of.max)),
            ),
            known(found.and_then(Saturation::one_core_per_s)),
        ]
    }));
    all
}

/// The highest rate that was sustained, or why there is none.
fn sustained(of: &Saturation) -> String {
    match of.sustained_per_s {
        Some(low) => per_s(low),
        None if of.conclusion == "failed" => "failed".to_owned(),
        None => "none".to_owned(),
    }
}

fn messages(rows: &[&ServingRow]) -> Vec<Vec<String>> {
    let few = |of: fn(&ServingRow) -> LastMember| rows.iter().any(|row| of(row).is_few());
    let (alone, beside) = (few(|row| row.message_last_alone), few(|row| row.message_last_beside));
    let name = |few: bool| if few { "longest" } else { "p99" };
    let head = [
        "messages of".to_owned(),
        "bytes".to_owned(),
        "of a delivery".to_owned(),
        format!("last {} alone", name(alone)),
        format!("{} beside commits", name(beside)),
        "egress/s of both".to_owned(),
    ];
    let mut all = vec![head.to_vec()];
    all.extend(rows.iter().map(|row| {
        let [both, _] = invalid(row);
        let messages = if row.none_is_valid(Traffic::Messages.name()) { INVALID } else { "" };
        vec![
            marked(row),
            kilo(row.message_bytes as f64),
            micros(row.cpu_us_per_message_delivery) + messages,
            longest(row.message_last_alone, alone) + messages,
            longest(row.message_last_beside, beside) + both,
            row.egress_bytes_per_s.map_or_else(|| "-".to_owned(), |of| kilo(of.median)) + both,
        ]
    }));
    all
}

/// What follows a figure of runs with commits if none of them is valid, and one that takes runs
/// without commits too.
fn invalid(row: &ServingRow) -> [&'static str; 2] {
    let both = row.none_is_valid(Traffic::Both.name());
    let either = both || row.none_is_valid(Traffic::Messages.name());
    [both, either].map(|none| if none { INVALID } else { "" })
}

fn bytes(rows: &[&ModelledRow]) -> Vec<Vec<String>> {
    let head = ["modelled", "KeyPackage", "commit mean", "commit most", "add one", "Welcome"];
    let mut all = vec![head.map(str::to_owned).to_vec()];
    all.extend(rows.iter().map(|row| {
        let whole = |bytes: usize| grouped(bytes as u64);
        vec![
            short(&row.name).to_owned(),
            whole(row.key_package_bytes),
            grouped(rounded(row.commit_mean_bytes)),
            whole(row.commit_max_bytes),
            whole(row.add_commit_bytes),
            whole(row.welcome_bytes),
        ]
    }));
    all
}

/// Never one number without its bounds: what is sustained, and what is not or the engine could not offer.
#[must_use]
pub(in crate::campaign) fn in_words(of: &Saturation) -> String {
    let low = of.sustained_per_s.map_or_else(|| "none".to_owned(), per_s);
    match (of.upper_per_s(), of.engine_limited_per_s) {
        (Some(high), _) => format!("{low} to {}", per_s(high)),
        (None, Some(limit)) => format!("{low}, engine-limited at {}", per_s(limit)),
        (None, None) => format!("{low}, no more tried"),
    }
}

/// Rows whose figures are not those of valid runs of a steady load, with all that speaks against them,
/// and what was made again.
fn spoiled(of: &ServingResult) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for row in of.rows.iter().filter(|row| !row.is_sound()) {
        let spoiled = if row.spoiled.is_empty() { "" } else { ", not steady or not as stated" };
        lines.push(format!(
            "! {} at {}: {}{spoiled}, {} of {} runs valid",
            short(&row.name),
            grouped(row.members.into()),
            row.status.to_uppercase(),
            row.valid,
            row.counted().count(),
        ));
        lines.extend(row.against().take(REASONS).map(|reason| format!("  {reason}")));
        if row.against().next().is_none() {
            lines.push("  no reason is known".to_owned());
        }
    }
    let marks = |row: &ServingRow| invalid(row).contains(&INVALID);
    if of.rows.iter().any(marks) {
        lines.push(format!(
            "{INVALID} after a figure: of all its runs, since none of them is valid"
        ));
    }
    let again: usize = of.rows.iter().map(|row| row.trials.len() - row.counted().count()).sum();
    if again > 0 {
        lines.push(format!(
            "{} made again, since it said nothing of the service: the generator was late or the limit",
            if again == 1 { "1 run was".to_owned() } else { format!("{again} runs were each") }
        ));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What is to be known of a search beside its rates: what was missed, or why it ended without a bound.
fn unsustained(of: &ServingResult) -> Option<String> {
    let line = |row: &ServingRow| {
        let found = row.saturation.as_ref()?;
        let name = format!("{} at {}", short(&row.name), grouped(row.members.into()));
        let missed = found.because.first();
        let missed = missed.map_or_else(String::new, |why| format!("\n  {why}"));
        match (found.conclusion.as_str(), found.upper_per_s()) {
            // What is achieved, and what was offered, is of both groups of a combiner.
            ("bounded", Some(high)) if row.classical_last.is_some() => {
                Some(format!("{name}, {}/s, of both groups together:{missed}", per_s(high)))
            }
            ("bounded", Some(high)) => Some(format!("{name}, {}/s:{missed}", per_s(high))),
            // The table has the rate, and the engine has no more to tell.
            ("generator_limited", _) => None,
            (other, _) => Some(format!("{name}: {}{missed}", ending(other))),
        }
    };
    let lines: Vec<String> = of.rows.iter().filter_map(line).collect();
    let head = "rates of commits that were not sustained, and searches without a bound";
    (!lines.is_empty()).then(|| format!("{head}\n{}", lines.join("\n")))
}

/// Why a search ended without both bounds, in words.
fn ending(conclusion: &str) -> &str {
    match conclusion {
        "out_of_time" => "the search ended with what it had, since its time was over",
        "above_range" => "the highest rate that a run can have is sustained",
        "below_range" => "the lowest rate that is tried is not sustained",
        "contradictory" => "trials contradict each other at the end of the range",
        "failed" => "the search failed",
        other => other,
    }
}

fn reading(of: &ServingResult) -> String {
    let searched = !of.sustained_means.is_empty();
    let mut lines = [
        "CPU is the service's; of a commit it is all that messages alone do not take, over the rounds.",
        "Last is the last member. In a fresh tree one member has added all others, and is the one that",
        "commits: no commit is larger. Suites differ in their bytes, and in how often they commit: as",
        "often as their bytes leave room for, so that no commit waits for another. Bytes are those of",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push(format!(
        "the byte model, to which what was delivered is held, within {}%.",
        STATED_OFF_MAX * 100.0
    ));
    if of.elsewhere {
        lines.push(
            "The server was one that was up: its CPU is that of all it did, whoever it was for."
                .to_owned(),
        );
    }
    lines.extend(
        [
            "1/CPU of one: commits a second that one core of the service has time for, if each takes the CPU",
            "of one above, least..most over the rounds. It is computed, and no saturation was measured",
            "there; a commit with idle time around it often costs more than one of many, and several cores",
            "have time for more. CPU is - where messages alone cost as much as everything.",
        ]
        .map(str::to_owned),
    );
    if searched {
        lines.extend(
            [
                "1/CPU sustained: the same with the CPU that a commit took at the sustained rate; - where the",
                "trial had few. Engine's limit: the lowest rate that this side, which is all members, could not",
                "offer or keep up with. It bounds nothing of the service.",
                "A rate is sustained if, in one trial of commits alone:",
            ]
            .map(str::to_owned),
        );
        lines.extend(of.sustained_means.iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn marked(row: &ServingRow) -> String {
    let name = short(&row.name);
    let name = if row.pattern { format!("{name} (modelled)") } else { name.to_owned() };
    if row.is_sound() { name } else { format!("! {name}") }
}

/// A pattern without its post-quantum suite, which [`patterns`] says.
fn short(name: &str) -> &str {
    if name.contains(':') { name.rsplit_once(':').map_or(name, |(short, _)| short) } else { name }
}

/// What each pattern is made of.
fn patterns(of: &ServingResult) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for row in of.modelled.iter().filter(|row| row.pattern) {
        let suite = row.name.rsplit_once(':').map_or("", |(_, suite)| suite);
        let what = if row.name.starts_with("welcome") {
            format!("who joins does so by {suite}; commits are classical")
        } else {
            format!("a second group with {suite} for one commit in N")
        };
        let line = format!("pattern, modelled: {}: {what}", short(&row.name));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

pub(super) fn time(of: LastMember, read: fn(&LastMember) -> u64) -> String {
    if of.count == 0 { "-".to_owned() } else { duration(read(&of)) }
}

/// The p99, or of few the longest.
fn longest(of: LastMember, few: bool) -> String {
    time(of, if few { |of| of.max } else { |of| of.p99 })
}

pub(super) fn micros(of: Option<Spread>) -> String {
    of.map_or_else(|| "-".to_owned(), |of| Unit::Micros.value(of.median).replace('µ', "u"))
}

/// The least and the most over the rounds, the unit once if they share it.
pub(super) fn ends(of: Spread) -> String {
    let [min, max] = [of.min, of.max].map(|end| Unit::Micros.value(end).replace('µ', "u"));
    match (min.split_once(' '), max.split_once(' ')) {
        (Some((least, one)), Some((_, other))) if one == other => format!("{least}..{max}"),
        _ => format!("{min}..{max}"),
    }
}

/// A rate; of a slow one two digits.
fn per_s(value: f64) -> String {
    match value {
        fast if fast >= 0.1 => decimal(fast),
        slow if slow >= 0.01 => format!("{slow:.3}"),
        slow => format!("{slow:.4}"),
    }
}

/// Bytes in three digits and thousands.
pub(super) fn kilo(bytes: f64) -> String {
    match bytes {
        below if below < 1e3 => format!("{below:.0} B"),
        below if below < 1e6 => format!("{} kB", decimal(below / 1e3)),
        below if below < 1e9 => format!("{} MB", decimal(below / 1e6)),
        _ => format!("{} GB", decimal(bytes / 1e9)),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes are positive")]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

/// After a figure: none of its runs is valid.
const INVALID: &str = "*";
/// Of what speaks against a row, as many are told.
const REASONS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sustained_is_never_one_number() {
        let words = |low, high, engine_limited_per_s| {
            in_words(&Saturation {
                sustained_per_s: low,
                not_sustained_per_s: high,
                engine_limited_per_s,
                ..Saturation::default()
            })
        };
        assert_eq!(words(Some(0.61), Some(2.0), Some(0.9)), "0.61, engine-limited at 0.90");
        assert_eq!(words(Some(0.61), Some(0.86), Some(0.9)), "0.61 to 0.86");
        assert_eq!(words(None, None, None), "none, no more tried");
        assert_eq!(words(Some(0.0636), Some(0.0909), None), "0.064 to 0.091");
        assert_eq!(words(Some(0.004_24), None, None), "0.0042, no more tried");
    }

    #[test]
    fn the_ends_of_a_spread_share_a_unit_where_they_can() {
        let check = |min, max, expected| {
            assert_eq!(ends(Spread { median: min, min, max }), expected);
        };
        check(2.41e6, 2.58e6, "2.41..2.58 s");
        check(950.0, 2_580.0, "950 us..2.58 ms");
    }

    #[test]
    fn bytes_are_told_in_three_digits() {
        assert_eq!(
            [186.0, 8_220.0, 1.66e6, 1.66e9].map(kilo),
            ["186 B", "8.22 kB", "1.66 MB", "1.66 GB"]
        );
    }
}
