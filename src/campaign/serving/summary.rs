//! Suites at a service as tables for a terminal.
//!
//! Returns strings and never prints. Called by `text`.

use super::record::{LastMember, ModelledRow, Saturation, ServingResult, ServingRow};
use crate::campaign::record::Spread;
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
        "{} members, {} tree, over {}: {} commits, {} messages a minute; medians of {} rounds",
        grouped(row.members.into()),
        of.tree,
        of.key_exchange,
        decimal(row.offered_commits_per_s * 60.0),
        decimal(row.offered_messages_per_s * 60.0),
        of.rounds,
    )
}

fn commits(rows: &[&ServingRow]) -> Vec<Vec<String>> {
    let head = [
        "commits of",
        "bytes",
        "fan-out",
        "CPU of one",
        "of a delivery",
        "last p50",
        "p99",
        "sustained/s",
    ];
    let mut all = vec![head.map(str::to_owned).to_vec()];
    all.extend(rows.iter().map(|row| {
        vec![
            marked(row),
            kilo(row.commit_bytes),
            kilo(row.fanout_bytes_per_commit),
            micros(row.cpu_us_per_commit),
            micros(row.cpu_us_per_commit_delivery),
            time(row.commit_last, |of| of.p50),
            time(row.commit_last, |of| of.p99),
            row.saturation.as_ref().map_or_else(|| "-".to_owned(), bracket),
        ]
    }));
    all
}

fn messages(rows: &[&ServingRow]) -> Vec<Vec<String>> {
    let head = [
        "messages of",
        "bytes",
        "of a delivery",
        "last p99 alone",
        "beside commits",
        "egress/s of both",
    ];
    let mut all = vec![head.map(str::to_owned).to_vec()];
    all.extend(rows.iter().map(|row| {
        vec![
            marked(row),
            kilo(row.message_bytes as f64),
            micros(row.cpu_us_per_message_delivery),
            time(row.message_last_alone, |of| of.p99),
            time(row.message_last_beside, |of| of.p99),
            row.egress_bytes_per_s.map_or_else(|| "-".to_owned(), |of| kilo(of.median)),
        ]
    }));
    all
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

/// Never one number without its bounds.
pub(in crate::campaign) fn bracket(of: &Saturation) -> String {
    let per_s = |value: f64| decimal(value);
    match (of.sustained_per_s, of.not_sustained_per_s, of.engine_limited_per_s) {
        (Some(low), Some(high), None) => format!("{}..{}", per_s(low), per_s(high)),
        // Whichever is lower ends what is known of the service.
        (Some(low), Some(high), Some(engine)) if high <= engine => {
            format!("{}..{}", per_s(low), per_s(high))
        }
        (Some(low), _, Some(_)) => format!("{}.. engine", per_s(low)),
        (Some(low), None, None) => format!("{}.. ?", per_s(low)),
        (None, Some(high), _) => format!("? ..{}", per_s(high)),
        (None, None, Some(_)) => "engine".to_owned(),
        (None, None, None) => "?".to_owned(),
    }
}

/// Rows whose runs are not all valid, with the worst of the reasons.
fn spoiled(of: &ServingResult) -> Option<String> {
    let lines: Vec<String> = of
        .rows
        .iter()
        .filter(|row| row.status != "valid")
        .map(|row| {
            format!(
                "! {} at {}: {}, {} of {} runs valid\n  {}",
                short(&row.name),
                grouped(row.members.into()),
                row.status.to_uppercase(),
                row.valid,
                row.trials.len(),
                row.reasons.first().map_or("no reason is known", String::as_str),
            )
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Why the rates above the sustained ones were not.
fn unsustained(of: &ServingResult) -> Option<String> {
    let lines: Vec<String> = of
        .rows
        .iter()
        .filter_map(|row| {
            let found = row.saturation.as_ref()?;
            let why = found.because.first();
            let why = why.map_or_else(String::new, |why| format!("\n  {why}"));
            let end = found.conclusion.replace('_', " ");
            let name = format!("{} at {}", short(&row.name), grouped(row.members.into()));
            Some(format!("{name}: {}, {end}{why}", bracket(found)))
        })
        .collect();
    let head =
        "commits a second between the highest rate that is sustained and the lowest that is not";
    (!lines.is_empty()).then(|| format!("{head}\n{}", lines.join("\n")))
}

fn reading(of: &ServingResult) -> String {
    let mut lines = vec![
        "CPU is the service's; of a commit it is all that messages alone do not take. Last is the last"
            .to_owned(),
        "member; a p99 of few commits is their longest. In a fresh tree one member has added all others:"
            .to_owned(),
        "the largest commits there are. Suites differ in their bytes alone, which are exact.".to_owned(),
    ];
    if !of.sustained_means.is_empty() {
        lines.push("A rate is sustained if:".to_owned());
        lines.extend(of.sustained_means.iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn marked(row: &ServingRow) -> String {
    let name = short(&row.name);
    if row.status == "valid" { name.to_owned() } else { format!("! {name}") }
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

fn time(of: LastMember, read: fn(&LastMember) -> u64) -> String {
    if of.count == 0 { "-".to_owned() } else { duration(read(&of)) }
}

fn micros(of: Option<Spread>) -> String {
    of.map_or_else(|| "-".to_owned(), |of| Unit::Micros.value(of.median).replace('µ', "u"))
}

/// Bytes in three digits and thousands.
fn kilo(bytes: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sustained_is_never_one_number() {
        let check = |low, high, engine, expected| {
            let of = Saturation {
                sustained_per_s: low,
                not_sustained_per_s: high,
                engine_limited_per_s: engine,
                ..Saturation::default()
            };
            assert_eq!(bracket(&of), expected);
        };
        check(Some(0.61), Some(0.86), None, "0.61..0.86");
        check(Some(0.61), Some(0.86), Some(0.9), "0.61..0.86");
        check(Some(0.61), Some(2.0), Some(0.9), "0.61.. engine");
        check(Some(0.61), None, Some(0.9), "0.61.. engine");
        check(Some(0.61), None, None, "0.61.. ?");
        check(None, Some(0.86), None, "? ..0.86");
        check(None, None, Some(0.86), "engine");
        check(None, None, None, "?");
    }

    #[test]
    fn bytes_are_told_in_three_digits() {
        assert_eq!(
            [186.0, 8_220.0, 1.66e6, 1.66e9].map(kilo),
            ["186 B", "8.22 kB", "1.66 MB", "1.66 GB"]
        );
    }
}
