//! A result as text: the verdict first, then what it rests on.
//!
//! Returns a string and never prints; colour and width are the caller's to know. Called by `cli`
//! for the terminal, and for `summary.txt` without colour.

use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::contention;
use super::doubt::DriftRecord;
use super::joins;
use super::provenance::Provenance;
use super::record::{ClassRecord, Distribution, EngineUse, Record, ServerUse};
use super::slow;
use super::thresholds;
use super::verdict::Status;

/// Nothing but a line under the header.
const UNDERLINED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns to stay within.
    pub width: u16,
    /// Whether the verdict is coloured.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// Renders `record`, which lies in `folder`.
#[must_use]
pub fn render(record: &Record, folder: &Path, look: Look) -> String {
    let parts = [
        verdict(record, look),
        thresholds::lines(record),
        counts(record),
        settings(record),
        table(latency_rows(record), look),
        table(phase_rows(record), look),
        table(class_rows(record), look),
        table(contention::table_rows(&record.contention), look),
        returns(record),
        table(return_rows(record), look),
        slow::lines(record),
        table(slow::rows(record), look),
        joins::lines(record),
        table(joins::rows(record), look),
        table(period_rows(record), look),
        cost(record),
        drift(record),
        origin(&record.provenance),
        format!("result: {}", folder.display()),
    ];
    let mut text = parts
        .iter()
        .filter(|part| !part.is_empty())
        .fold(String::new(), |all, part| all + part.trim_end() + "\n\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn verdict(record: &Record, look: Look) -> String {
    let status = record.verdict.status;
    let word = status.name().to_uppercase();
    let mut text = match (look.colour, status) {
        (false, _) => word,
        (true, Status::Valid) => format!("\u{1b}[1;32m{word}\u{1b}[0m"),
        (true, Status::Invalid) => format!("\u{1b}[1;33m{word}\u{1b}[0m"),
        (true, Status::Violated) => format!("\u{1b}[1;31m{word}\u{1b}[0m"),
    };
    text.push_str("  ");
    text.push_str(&record.provenance.scenario);
    for reason in &record.verdict.reasons {
        text.push_str("\n  - ");
        text.push_str(reason);
    }
    for warning in &record.warnings {
        text.push_str("\n  ! ");
        text.push_str(warning);
    }
    for example in record.violation_examples.iter().chain(&record.real_members.faults) {
        text.push_str("\n    ");
        text.push_str(example);
    }
    text
}

fn counts(record: &Record) -> String {
    let (counts, speed) = (&record.counts, &record.throughput);
    format!(
        "operations  {} issued = {} accepted + {} rejected + {} timed out + {} not issued\n\
         deliveries  {} of {} expected{}\n\
         measured    {} operations/s, {} deliveries/s over {:.1} s",
        grouped(counts.issued),
        grouped(counts.accepted),
        grouped(counts.rejected),
        grouped(counts.timed_out),
        grouped(counts.not_issued),
        grouped(counts.deliveries),
        grouped(counts.deliveries_expected),
        verified(record),
        decimal(speed.achieved_per_s()),
        decimal(speed.deliveries_per_s),
        speed.window_s,
    )
}

fn verified(record: &Record) -> String {
    let real = &record.real_members;
    if real.members == 0 {
        return String::new();
    }
    let agree = if real.faults.is_empty() { ", all agree" } else { "" };
    format!(
        "; {} real members processed {} with OpenMLS{agree}",
        grouped(real.members),
        grouped(real.messages)
    )
}

fn latency_rows(record: &Record) -> Vec<Vec<String>> {
    let of = &record.latency_us;
    let series = [
        ("response (from intended)", &of.response),
        ("service (from send)", &of.service),
        ("lateness (generator)", &of.lateness),
        ("preparation (racers)", &of.preparation),
        ("fan-out, first member", &of.fanout_first),
        ("fan-out, each member", &of.fanout_member),
        ("fan-out, 99% of members", &of.fanout_p99),
        ("fan-out, last member", &of.fanout_last),
        ("rejected", &of.rejected),
        ("timed out", &of.timed_out),
    ];
    let rows = series.iter().filter(|(_, of)| of.count > 0).map(|(name, of)| row(name, of));
    std::iter::once(header("latency")).chain(rows).collect()
}

/// The phases of a run that does more than warm up and measure.
fn phase_rows(record: &Record) -> Vec<Vec<String>> {
    if record.phases.len() < 3 {
        return Vec::new();
    }
    let first = ["phase", "from", "to", "offered/s", "accepted/s", "deliveries/s"];
    let last = ["response p99", "lateness p99", "last member p99"];
    let mut rows = vec![first.into_iter().chain(last).map(str::to_owned).collect()];
    for phase in &record.phases {
        let name = if phase.name.starts_with(&phase.kind) {
            phase.name.clone()
        } else {
            format!("{} ({})", phase.name, phase.kind)
        };
        let p99 = |of: &Distribution| match of.count {
            0 => "-".to_owned(),
            _ => duration(of.p99),
        };
        let mut row = vec![name, format!("{:.1} s", phase.from_s), format!("{:.1} s", phase.to_s)];
        row.extend(
            [phase.offered_per_s, phase.accepted_per_s, phase.deliveries_per_s].map(decimal),
        );
        row.extend([&phase.response, &phase.lateness, &phase.fanout_last].map(p99));
        rows.push(row);
    }
    rows
}

/// The classes whose groups are durable or looked at; nothing when there is none.
fn settings(record: &Record) -> String {
    let plain = |class: &&ClassRecord| class.durability == "none" && class.validation == "opaque";
    let told = record.classes.iter().filter(|class| !plain(class)).map(|class| {
        let ClassRecord { name, durability, validation, .. } = class;
        format!("{name}: durability {durability}, validation {validation}")
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        String::new()
    } else {
        format!("groups      {}", told.join("\n            "))
    }
}

fn class_rows(record: &Record) -> Vec<Vec<String>> {
    if record.classes.len() < 2 {
        return Vec::new();
    }
    let mut rows = vec![header("class")];
    for class in &record.classes {
        let all = u64::from(class.groups) * u64::from(class.members);
        // An older record does not say, and knew no groups that vary.
        let vary = if class.memberships == 0 || class.memberships == all { "" } else { "up to " };
        let groups = grouped(class.groups.into());
        let who = format!("{} ({groups} x {vary}{})", class.name, class.members);
        for (what, of) in [
            ("response", &class.response),
            ("commits", &class.commit_response),
            ("last member", &class.fanout_last),
        ] {
            // Few classes have both, and then they are two figures.
            if what != "commits" || (1..class.response.count).contains(&of.count) {
                rows.push(row(&format!("{who} {what}"), of));
            }
        }
    }
    rows
}

/// Nothing when nobody went away.
fn returns(record: &Record) -> String {
    record.returns.as_ref().map_or_else(String::new, |of| {
        let skipped = match of.skipped {
            0 => String::new(),
            skipped => format!("; {} turns skipped on the way", grouped(skipped)),
        };
        let resyncs = if of.resyncs == 0 && record.counts.excused == 0 {
            String::new()
        } else {
            let (times, excused) = (grouped(of.resyncs), grouped(record.counts.excused));
            format!("; {times} resyncs, which let members off {excused} deliveries")
        };
        format!(
            "away        {} members went, {} came back, {} got what they missed{skipped}{resyncs}\n\
             returns     {} reconnects/s, {} of the handshakes resumed",
            grouped(of.away),
            grouped(of.back),
            grouped(of.caught_up),
            decimal(of.reconnects_per_s),
            grouped(of.resumed),
        )
    })
}

fn return_rows(record: &Record) -> Vec<Vec<String>> {
    let Some(of) = &record.returns else { return Vec::new() };
    let rows = [
        ("reconnect (from start)", &of.reconnect),
        ("caught up (from start)", &of.catch_up),
        ("start (from intended)", &of.lateness),
    ];
    let rows = rows.iter().map(|(name, of)| row(name, of));
    std::iter::once(header("members that came back")).chain(rows).collect()
}

/// What each class felt in each period.
fn period_rows(record: &Record) -> Vec<Vec<String>> {
    let mut rows = vec![header("period")];
    for class in &record.classes {
        for of in &class.periods {
            let who = format!("{} {}", class.name, of.period);
            rows.push(row(&format!("{who} response"), &of.response));
            rows.push(row(&format!("{who} last member"), &of.fanout_last));
        }
    }
    rows
}

pub(super) fn header(first: &str) -> Vec<String> {
    [first, "p50", "p90", "p99", "p99.9", "max", "count"].map(str::to_owned).to_vec()
}

pub(super) fn row(name: &str, of: &Distribution) -> Vec<String> {
    let mut cells = vec![name.to_owned()];
    let known = |micros| if of.count == 0 { "-".to_owned() } else { duration(micros) };
    cells.extend([of.p50, of.p90, of.p99, of.p999, of.max].map(known));
    cells.push(grouped(of.count));
    cells
}

/// Rows under a header, the first column to the left; nothing when there is only a header.
#[must_use]
pub fn table(mut rows: Vec<Vec<String>>, look: Look) -> String {
    if rows.len() < 2 {
        return String::new();
    }
    let narrow = natural_width(&rows) > usize::from(look.width);
    let mut table = Table::new();
    table.load_style(UNDERLINED);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(look.width);
    table.set_header(rows.remove(0));
    table.add_rows(rows);
    for (number, column) in table.column_iter_mut().enumerate() {
        if number > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if narrow {
            column.set_padding((0, 0));
        }
    }
    table.trim_fmt()
}

/// How wide a table is that nothing is wrapped in, with a space at either side of each cell and one
/// between cells.
fn natural_width(rows: &[Vec<String>]) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
    };
    (0..columns).filter_map(width).map(|width| width + 3).sum()
}

fn cost(record: &Record) -> String {
    let mebibytes = |bytes: u64| decimal(bytes as f64 / f64::from(1 << 20));
    let seconds = |micros: u64| micros as f64 / 1e6;
    let engine = &record.engine;
    let engine = format!(
        "engine      {:.2} s CPU, {} MiB at most{}",
        seconds(engine.cpu_us),
        mebibytes(engine.rss_peak_bytes),
        busy(engine),
    );
    let Some(server) = &record.server else {
        // Both are sampled at the ends of the measured window, from one reply of the server.
        return "server      not observed over the whole measured window, and so neither is the engine".to_owned();
    };
    let each = |what: Option<f64>| what.map_or_else(|| "-".to_owned(), decimal);
    format!(
        "server      {:.2} s CPU, {} MiB at most; each delivery: {} us CPU, {} packets, \
         {} system calls\n{}{engine}",
        seconds(server.cpu_us),
        mebibytes(server.rss_peak_bytes),
        each(server.cpu_us_per_delivery),
        each(server.packets_per_delivery),
        each(server.syscalls_per_delivery),
        idle(server) + &floor(server),
    )
}

/// Nothing for a record that is older than it.
fn busy(engine: &EngineUse) -> String {
    engine.worker_busy_share.map_or_else(String::new, |share| {
        format!("; its thread was busy {:.0}% of the window", share * 100.0)
    })
}

/// What drifted over the window; nothing if that was too short to tell.
fn drift(record: &Record) -> String {
    let Some(first) = record.drift.first() else { return String::new() };
    let told = |of: &DriftRecord| {
        format!(
            "{} {:+.1}% over the window ({:+.3} an hour; 95% interval {:+.3} to {:+.3})",
            of.metric,
            of.change_share * 100.0,
            of.per_hour,
            of.per_hour_low,
            of.per_hour_high
        )
    };
    let drifting: Vec<String> = record.drift.iter().filter(|of| of.drifts).map(told).collect();
    if drifting.is_empty() {
        let others = record.drift.len() - 1;
        return format!("drift       none of {} and {others} others", first.metric);
    }
    format!("drift       {}", drifting.join("\n            "))
}

/// Nothing for a record that is older than it.
fn idle(server: &ServerUse) -> String {
    server.idle.map_or_else(String::new, |idle| {
        format!(
            "idle        {} members attached: {} KiB of server memory each\n",
            grouped(idle.members),
            decimal(idle.bytes_per_member as f64 / 1024.0),
        )
    })
}

/// Nothing for a record that is older than the floor.
fn floor(server: &ServerUse) -> String {
    match (&server.floor, &server.floor_missing) {
        (Some(of), _) => format!(
            "distance to the floor (F3)  {:.2} of it (F3 {} us CPU: {} B to {} members)\n",
            of.share,
            decimal(of.cpu_us_per_delivery),
            grouped(of.bytes),
            grouped(of.members.into()),
        ),
        (None, Some(why)) => format!("distance to the floor (F3)  not measured: {why}\n"),
        (None, None) => String::new(),
    }
}

/// The line that says where a result comes from.
#[must_use]
pub fn origin(of: &Provenance) -> String {
    let commit = of.git_commit.as_deref().map_or("no commit", |commit| {
        commit.char_indices().nth(12).map_or(commit, |(end, _)| &commit[..end])
    });
    let dirty = if of.git_dirty == Some(true) { " with changes" } else { "" };
    let hash = of.scenario_hash.char_indices().nth(8);
    let hash = hash.map_or(of.scenario_hash.as_str(), |(end, _)| &of.scenario_hash[..end]);
    let machine = match (&of.cpu_model, of.cores) {
        (Some(model), Some(cores)) => format!(", {cores} x {model}"),
        (Some(model), None) => format!(", {model}"),
        _ => String::new(),
    };
    // What had no traffic had no seed of it and no key exchange.
    let traffic = if of.key_exchange.is_empty() {
        String::new()
    } else {
        format!(" seed {}, {} over {}", of.seed, of.suites.join(" + "), of.key_exchange)
    };
    format!(
        "from        stentor {} {} ({commit}{dirty}), {} {hash}{traffic}, {}{machine}",
        of.stentor_version, of.build_profile, of.scenario, of.started_utc,
    )
}

/// A duration with three digits and its unit.
#[must_use]
pub fn duration(micros: u64) -> String {
    let value = micros as f64;
    match micros {
        0..=999 => format!("{micros} us"),
        1_000..=999_999 => format!("{} ms", decimal(value / 1e3)),
        _ => format!("{} s", decimal(value / 1e6)),
    }
}

/// Three digits where there are that few before the point.
#[must_use]
pub fn decimal(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// With a comma between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number in the same form. What is beyond 2^64 is shown as that, and what is no
/// number as what it is.
#[must_use]
pub fn whole(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a magnitude; it saturates"
    )]
    let whole = value.abs().round() as u64;
    format!("{}{}", if value < 0.0 && whole > 0 { "-" } else { "" }, grouped(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_be_read() {
        let numbers = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        let nearest = [0.4, 999.5, -1_000.4, -0.4, 1e30].map(whole);
        let most = "18,446,744,073,709,551,615";
        assert_eq!(nearest, ["0", "1,000", "-1,000", "0", most]);
        assert_eq!([f64::INFINITY, f64::NAN].map(whole), ["inf", "NaN"]);
        let durations = [0, 999, 1000, 12_340, 999_900, 2_500_000].map(duration);
        assert_eq!(durations, ["0 us", "999 us", "1.00 ms", "12.3 ms", "1000 ms", "2.50 s"]);
    }
}
