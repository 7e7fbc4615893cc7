//! A plan as people read it: the numbers in a table, then how each came about and from what.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::record::PlanRecord;
use crate::campaign::evidence::Source;
use crate::campaign::figure::{Figure, rounded};
use crate::report::paragraph::paragraph;
use crate::report::summary::Look;

/// As wide as any terminal is made, whatever this one is: the text is kept in a file, too.
const LOOK: Look = Look { width: 100, colour: false };

const UNDERLINED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The whole plan, ended by a line feed.
#[must_use]
pub fn render(plan: &PlanRecord) -> String {
    let mut text = String::new();
    section(&mut text, "What is asked comes to", &plan.demand);
    section(&mut text, "What has to serve it", &plan.sizing);
    scaling(&mut text, plan);
    list(
        &mut text,
        "Not known",
        plan.gaps.iter().map(|gap| {
            format!("{}\n      measure: {}", gap.what, gap.measure.join("\n               "))
        }),
    );
    list(&mut text, "Before believing it", plan.notes.iter().cloned());
    let figures = plan.demand.iter().chain(&plan.sizing);
    list(&mut text, "How each number came about", figures.map(explained));
    list(&mut text, "Records", plan.records.iter().enumerate().map(|(n, of)| record(n, of)));
    text
}

/// A table of figures under a heading; nothing of none.
pub(in crate::campaign) fn section(text: &mut String, heading: &str, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(UNDERLINED);
    table.set_header(["", "low", "expected", "high"]);
    for Figure { name, unit, value, .. } in figures {
        let written = |number: f64| unit.written(number);
        let (low, high) = if value.is_exact() {
            (String::new(), String::new())
        } else {
            (written(value.low), written(value.high))
        };
        table.add_row([name.clone(), low, written(value.expected), high]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    text.push_str(&format!("{heading}\n{}\n\n", table.trim_fmt()));
}

/// Lines under a heading; nothing of none.
pub(in crate::campaign) fn list(
    text: &mut String,
    heading: &str,
    lines: impl Iterator<Item = String>,
) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    text.push_str(&format!("{heading}\n"));
    for line in lines {
        for part in line.split('\n') {
            text.push_str(&paragraph(&format!("  {part}"), 6, LOOK));
        }
    }
    text.push('\n');
}

/// A figure's formula and records.
pub(in crate::campaign) fn explained(figure: &Figure) -> String {
    let from: Vec<String> = figure.from.iter().map(|index| format!("[{index}]")).collect();
    let from = if from.is_empty() { String::new() } else { format!("  {}", from.join(" ")) };
    format!("{}: {}{from}", figure.name, figure.how)
}

/// A record, with everything that says where it comes from.
pub(in crate::campaign) fn record(index: usize, of: &Source) -> String {
    let commit =
        of.git_commit.as_deref().map_or("unknown", |commit| &commit[..commit.len().min(12)]);
    let dirty = if of.git_dirty == Some(true) { " and changes" } else { "" };
    let left_out =
        of.left_out.as_ref().map_or_else(String::new, |why| format!("; left out: {why}"));
    format!("[{index}] {}, commit {commit}{dirty}, {}{left_out}", of.path, of.machine())
}

fn scaling(text: &mut String, plan: &PlanRecord) {
    let lines = plan.scaling.iter().map(|of| {
        let fit = &of.fit;
        let between = |value: &crate::campaign::estimate::Estimate| {
            format!("{:.4} ({:.4}..{:.4})", value.expected, value.low, value.high)
        };
        let peak = of.peak.map_or_else(
            || "no peak".to_owned(),
            |peak| format!("a peak at {}", rounded(peak)),
        );
        format!(
            "over {}: lambda {} ({}..{})/s, sigma {}, kappa {}, {peak}; {} points, {:.1} % around it",
            of.over,
            rounded(fit.lambda.expected),
            rounded(fit.lambda.low),
            rounded(fit.lambda.high),
            between(&fit.sigma),
            between(&fit.kappa),
            fit.points.len(),
            fit.residual * 100.0
        )
    });
    list(text, "Universal Scalability Law, with 95 % intervals", lines);
}
