//! Latency at load: what was offered, what was achieved, and what it felt like.

use maud::{Markup, html};

use super::{LoadCurve, LoadPoint, Section, Status, banner, how_many_count};
use crate::campaign::record::{Spread, TrialRecord};
use crate::report::chart::{Axis, Band, Line, Mark, Plot, Row, Scale, Table, Unit};
use crate::report::summary::decimal;

/// A figure of a point.
type Read = fn(&LoadPoint) -> Option<Spread>;

/// What a chart over the offered load is of.
struct Subject {
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    axis: &'static str,
    unit: Unit,
    log: bool,
    lines: Vec<(&'static str, Read)>,
}

/// Which loads count, before anything else.
pub(super) fn head(curve: &LoadCurve) -> Markup {
    let worst = [Status::Violated, Status::Invalid]
        .into_iter()
        .find(|bad| curve.points.iter().any(|point| point.status == *bad))
        .unwrap_or(Status::Valid);
    let valid = curve.points.iter().filter(|point| point.status == Status::Valid).count();
    let meaning = how_many_count(valid, curve.points.len(), "loads");
    let reasons = curve.points.iter().flat_map(|point| &point.trials).flat_map(|trial| {
        let at = decimal(trial.offered_per_s);
        trial.reasons.iter().map(move |reason| format!("at {at} operations/s: {reason}"))
    });
    banner(worst, &meaning, &reasons.collect::<Vec<_>>(), &[])
}

/// The curves, and every run. Between `bounds` is where the highest load lies.
pub(super) fn sections(curve: &LoadCurve, bounds: Option<(f64, f64)>) -> Vec<Option<Section>> {
    let charts = html! {
        @for subject in subjects() {
            @if let Some(plot) = plot(curve, &subject, bounds) { (plot.draw()) }
        }
    };
    vec![
        Section::of("load", "Latency at load", charts),
        Section::of("runs", "Every run", runs(curve).draw("In the order in which they were made")),
    ]
}

fn subjects() -> [Subject; 3] {
    [
        Subject {
            id: "latency-at-load",
            title: "Latency at load",
            caption: "Medians over the rounds; an upright bar goes from the lowest to the highest \
                      of them.",
            axis: "latency",
            unit: Unit::Micros,
            log: true,
            lines: vec![
                ("response p50", |point| Some(point.response_p50_us)),
                ("response p99", |point| Some(point.response_p99_us)),
                ("last member p50", |point| Some(point.fanout_last_p50_us)),
                ("last member p99", |point| Some(point.fanout_last_p99_us)),
            ],
        },
        Subject {
            id: "achieved-at-load",
            title: "What was achieved of what was offered",
            caption: "Where the two part, the service takes no more.",
            axis: "operations per second",
            unit: Unit::Count,
            log: false,
            lines: vec![
                ("accepted", |point| Some(point.achieved_per_s)),
                ("offered", |point| Some(point.offered_per_s)),
            ],
        },
        Subject {
            id: "cost-at-load",
            title: "Processor time of one delivery",
            caption: "Of the server. Batches make it fall with load; what is saturated makes it rise.",
            axis: "CPU per delivery",
            unit: Unit::Micros,
            log: false,
            lines: vec![("server", |point| point.cpu_us_per_delivery)],
        },
    ]
}

/// `None` if no point has a value.
fn plot(curve: &LoadCurve, of: &Subject, bounds: Option<(f64, f64)>) -> Option<Plot> {
    let mut points: Vec<&LoadPoint> = curve.points.iter().collect();
    points.sort_by(|one, next| one.offered_per_s.median.total_cmp(&next.offered_per_s.median));
    let at = |point: &LoadPoint| point.offered_per_s.median;
    let styled = || (1_u8..).zip(&of.lines);
    let lines: Vec<Line> = styled()
        .map(|(style, (name, read))| {
            let line = points.iter().map(|point| Some((at(point), read(point)?.median)));
            Line::with_gaps(name, style, line)
        })
        .collect();
    let marks: Vec<Mark> = styled()
        .flat_map(|(style, (_, read))| {
            points.iter().filter_map(move |point| {
                let of = read(point)?;
                let void = point.status != Status::Valid;
                Some(Mark {
                    at: (at(point), of.median),
                    range: Some((of.min, of.max)),
                    style,
                    hollow: false,
                    void,
                })
            })
        })
        .collect();
    let heights: Vec<f64> =
        marks.iter().flat_map(|mark| mark.range).flat_map(|(low, high)| [low, high]).collect();
    heights.first()?;
    let x = Scale::linear(Unit::Count, 0.0, points.iter().map(|point| at(point)));
    let y = match of.log {
        true => Scale::log(of.unit, heights.iter().map(|height| height.max(1.0))),
        false => Scale::linear(of.unit, 0.0, heights),
    };
    let band = |span| Band { span, name: "the highest rate is here".to_owned(), shaded: true };
    Some(Plot {
        id: of.id.to_owned(),
        title: of.title.to_owned(),
        caption: of.caption.to_owned(),
        says: spoken(of, &points),
        table: table(of, &points, &x),
        bands: bounds.map(band).into_iter().collect(),
        rules: Vec::new(),
        lines,
        marks,
        x: Axis { name: "offered operations per second".to_owned(), scale: x },
        y: Axis { name: of.axis.to_owned(), scale: y },
    })
}

fn spoken(of: &Subject, points: &[&LoadPoint]) -> String {
    let each = points.iter().map(|point| {
        let figures = of.lines.iter().filter_map(|(name, read)| {
            Some(format!("{name} {}", of.unit.value(read(point)?.median)))
        });
        let figures = figures.collect::<Vec<_>>().join(", ");
        format!("At {} per second: {figures}", Unit::Count.value(point.offered_per_s.median))
    });
    each.collect::<Vec<_>>().join(". ")
}

fn table(of: &Subject, points: &[&LoadPoint], x: &Scale) -> Table {
    let mut table = Table::headed(["offered/s"]);
    table.head.extend(of.lines.iter().map(|(name, _)| (*name).to_owned()));
    table.head.push("verdict".to_owned());
    for point in points {
        let offered = point.offered_per_s.median;
        let mut cells = vec![Unit::Count.value(offered)];
        cells.extend(of.lines.iter().map(|(_, read)| written(of.unit, read(point))));
        cells.push(point.status.name().to_owned());
        table.rows.push(Row { place: Some(x.place(offered)), cells });
    }
    table
}

/// The median, and the ends if they are others.
pub(super) fn written(unit: Unit, of: Option<Spread>) -> String {
    let Some(of) = of else { return "-".to_owned() };
    let [median, low, high] = [of.median, of.min, of.max].map(|value| unit.value(value));
    if low == high { median } else { format!("{median} ({low} to {high})") }
}

fn runs(curve: &LoadCurve) -> Table {
    let mut table = Table::headed([
        "run",
        "verdict",
        "offered/s",
        "accepted/s",
        "deliveries/s",
        "response p50",
        "response p99",
        "last member p99",
        "lateness p99",
        "CPU per delivery",
    ]);
    let mut runs: Vec<&TrialRecord> = curve.points.iter().flat_map(|one| &one.trials).collect();
    runs.sort_by_key(|run| run.number);
    let micros = |value: u64| Unit::Micros.value(value as f64);
    for run in runs {
        let cpu = run.cpu_us_per_delivery.map(|micros| Unit::Micros.value(micros));
        table.push([
            run.number.to_string(),
            ended(run),
            Unit::Count.value(run.offered_per_s),
            Unit::Count.value(run.achieved_per_s),
            Unit::Count.value(run.deliveries_per_s),
            micros(run.response_p50_us),
            micros(run.response_p99_us),
            micros(run.fanout_last_p99_us),
            micros(run.lateness_p99_us),
            cpu.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

/// A run's verdict, and whether it was cut short.
fn ended(run: &TrialRecord) -> String {
    let given_up = if run.aborted { ", given up" } else { "" };
    format!("{}{given_up}", run.status.name())
}

/// What is to be known of curves; a run's own page tells the rest.
pub(super) fn reading() -> Markup {
    html! {
        dl.reading {
            dt { "Points" }
            dd {
                "Each point is one load, offered as many times as there were rounds, and in an order that keeps what drifts on the machine from looking like a trend. "
                "A mark is the median of its valid runs, its bar reaches from the lowest to the highest. Quantiles are never averaged: each belongs to one run."
            }
            dt { "Offered and achieved" }
            dd {
                "Offered is what the schedule called for, fixed before each run; the generator does not slow down with the service. "
                "Latency runs from when an operation was due, so a service that falls behind is charged for all of its backlog."
            }
            dt { "What does not count" }
            dd {
                "A point with a run that is not valid is crossed out: that run describes the load generator, or a service that broke its contract, and no speed at which it did so. "
                "A run that was given up, because its goal was out of reach, has a window that was cut short: no point counts it that has a whole one."
            }
        }
    }
}
