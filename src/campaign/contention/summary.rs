//! Contention curves as text: what was asked, a table, and what not to read into it.

use super::record::{ContentionPoint, ContentionResult};
use crate::campaign::record::Spread;
use crate::report::contention::p99;
use crate::report::paragraph::paragraph;
use crate::report::summary::{Look, decimal, duration, grouped, table as table_of};

/// Where what a paragraph says begins, after its name.
const HANGING: usize = 12;

/// Renders all curves.
#[must_use]
pub fn render(result: &ContentionResult, look: Look) -> String {
    let asks = match result.wants.as_str() {
        "rounds" => format!(
            "all racers of a group want a change {} in it: how long changes take at a load that \
             does not give way",
            result.pace
        ),
        _ if result.pace.starts_with('0') => {
            "every racer always wants a change: what a group can do \
                                              at most, and who gets it"
                .to_owned()
        }
        _ => format!("every racer wants its next change {} after the last", result.pace),
    };
    let reservation = match result.reservation_ms {
        0 => "the service reserves no epochs".to_owned(),
        ms => format!("the service reserves epochs for up to {ms} ms"),
    };
    let settings = format!(
        "            {} {} of {}, {} s each, {} rounds from seed {}; {reservation}",
        result.groups,
        if result.groups == 1 { "group" } else { "groups" },
        result.suite,
        result.window_s,
        result.rounds,
        result.seed,
    );
    let asks = paragraph(&format!("contention  {asks}"), HANGING, look);
    let settings = paragraph(&settings, HANGING, look);
    let table = table_of(rows(result), look);
    let notes: String = notes(result).iter().map(|note| paragraph(note, 2, look)).collect();
    let shares = table_of(shares(result), look);
    let reading = paragraph(
        "fairness    Jain's index over the successes of a group's racers, the median of the rounds, and \
         from the lowest round to the highest as the figures before it; beside it what it comes to if \
         each success is drawn by lot, with equal chances: no service is unfair that is near that",
        HANGING,
        look,
    );
    format!("{asks}{settings}\n{table}\n{reading}\n{shares}\n{notes}")
}

fn rows(result: &ContentionResult) -> Vec<Vec<String>> {
    let header = [
        "policy",
        "racers",
        "changes/s",
        "epochs/s",
        "tries",
        "wasted B",
        "beside B",
        "CPU us",
        "p50",
        "p99",
        "engine",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for curve in &result.curves {
        for point in &curve.points {
            let mut row = vec![curve.policy.clone()];
            row.extend(cells(point, curve.members));
            rows.push(row);
        }
    }
    rows
}

/// Of bytes and processor time, what went into commits in vain, and bytes beside commits: all for
/// each change.
fn cells(point: &ContentionPoint, members: u32) -> Vec<String> {
    let known = |of: Option<Spread>| of.map_or_else(|| "-".to_owned(), |of| decimal(of.median));
    let time = |at| if point.time_to_commit.count == 0 { "-".to_owned() } else { duration(at) };
    let mark = if point.status == "valid" { "" } else { " !" };
    let busy = point.engine_busy.map_or_else(
        || "-".to_owned(),
        |share| format!("{:.0}%{}", share * 100.0, if point.engine_limited { " *" } else { "" }),
    );
    vec![
        format!("{}/{members}{mark}", point.racers),
        known(point.successes_per_s),
        known(point.epochs_per_s),
        known(point.attempts_per_success),
        known(point.wasted_bytes_per_success),
        known(point.overhead_bytes_per_success),
        known(point.wasted_cpu_us_per_success),
        time(point.time_to_commit.p50),
        p99(point.time_to_commit.count, point.time_to_commit.p99),
        busy,
    ]
}

/// Who got the changes, and how far the rounds lie apart.
fn shares(result: &ContentionResult) -> Vec<Vec<String>> {
    let header = ["policy", "racers", "changes/s", "tries", "Jain", "rounds", "by lot"];
    let known = |of: Option<Spread>| of.map_or_else(|| "-".to_owned(), |of| decimal(of.median));
    let range = |of: Option<Spread>| match of {
        Some(of) if of.min < of.max => format!("{}..{}", decimal(of.min), decimal(of.max)),
        of => known(of),
    };
    let row = |policy: &str, members: u32, point: &ContentionPoint| {
        vec![
            policy.to_owned(),
            format!("{}/{members}", point.racers),
            range(point.successes_per_s),
            range(point.attempts_per_success),
            known(point.jain),
            range(point.jain),
            known(point.jain_by_lot),
        ]
    };
    let points = result.curves.iter().flat_map(|curve| {
        curve.points.iter().map(move |point| row(&curve.policy, curve.members, point))
    });
    std::iter::once(header.map(str::to_owned).to_vec()).chain(points).collect()
}

/// What is wrong with which points, and how far the others carry.
fn notes(result: &ContentionResult) -> Vec<String> {
    let mut notes = Vec::new();
    for curve in &result.curves {
        for point in curve.points.iter().filter(|point| point.give_ups > 0) {
            notes.push(format!(
                "{}, {} racers of {}: {} changes given up or still wanted at the end",
                curve.policy,
                point.racers,
                curve.members,
                grouped(point.give_ups)
            ));
        }
        for point in curve.points.iter().filter(|point| point.status != "valid") {
            notes.push(format!(
                "! {}, {} racers of {}: {}: {}",
                curve.policy,
                point.racers,
                curve.members,
                point.status,
                point.reasons.join("; ")
            ));
        }
    }
    let limited = |point: &ContentionPoint| point.engine_limited;
    if result.curves.iter().flat_map(|curve| &curve.points).any(limited) {
        notes.push(
            "* the engine's cores, which all racers share, were busy: a second has as many changes as \
             they can build, and the service might take more"
                .to_owned(),
        );
    }
    notes
}
