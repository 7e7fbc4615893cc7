//! What racing for epochs costs, by policy: over the number of racers, and over the group's size.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::load::written;
use super::{Section, Status, banner, how_many_count};
use crate::campaign::contention::record::{ContentionCurve, ContentionPoint};
use crate::campaign::record::Spread;
use crate::limits::P99_VALUES_MIN;
use crate::report::chart::{Axis, Line, Mark, Plot, Row, Scale, Table, Unit};

/// A figure of a point.
type Read = fn(&ContentionPoint) -> Option<Spread>;

/// What a chart of contention is of.
struct Subject {
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    axis: &'static str,
    unit: Unit,
    log: bool,
    read: Read,
}

/// A policy with its figures along some axis.
struct Series<'a> {
    policy: &'a str,
    points: Vec<(f64, &'a ContentionPoint)>,
}

/// Which points count, before anything else.
#[must_use]
pub fn head(curves: &[ContentionCurve]) -> Markup {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let is = |word: &str| points().filter(|point| point.status == word).count();
    let valid = is(Status::Valid.name());
    let worst = match (is(Status::Violated.name()), valid == points().count()) {
        (1.., _) => Status::Violated,
        (0, true) => Status::Valid,
        (0, false) => Status::Invalid,
    };
    let meaning = how_many_count(valid, points().count(), "points");
    let reasons = curves.iter().flat_map(|curve| {
        curve.points.iter().flat_map(move |point| {
            let (policy, members, racers) = (&curve.policy, curve.members, point.racers);
            let who = format!("{policy}, {racers} racers of {members} members");
            point.reasons.iter().map(move |reason| format!("{who}: {reason}"))
        })
    });
    banner(worst, &meaning, &reasons.collect::<Vec<_>>(), &[])
}

/// For each size of group the curves over racers, then those over sizes, then every figure.
#[must_use]
pub fn sections(curves: &[ContentionCurve]) -> Vec<Option<Section>> {
    let mut sizes: Vec<u32> = curves.iter().map(|curve| curve.members).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let over_racers = html! {
        @for members in &sizes {
            h3.size { "Groups of " (members) " members" }
            div.pair { @for subject in &SUBJECTS { (chart(subject, &over_racers(curves, *members), &format!("-{members}"), "racers in each group")) } }
        }
    };
    let over_sizes = match most_racers_of_most_sizes(curves) {
        Some(racers) => html! {
            p { "With " (racers) " racers in each group, the most that were tried in most sizes." }
            div.pair { @for subject in &SUBJECTS { (chart(subject, &over_sizes(curves, racers), "-by-size", "members of each group")) } }
        },
        _ => Markup::default(),
    };
    vec![
        Section::of("racers", "Contention over racers", over_racers),
        Section::of("sizes", "Contention over the size of groups", over_sizes),
        Section::of(
            "points",
            "Every point",
            all(curves).draw("Medians over the rounds, with the lowest and the highest"),
        ),
    ]
}

/// Of the numbers of racers that most sizes of groups were tried with, the largest: a small group has
/// no room for the most racers of all. `None` if that is of one size.
fn most_racers_of_most_sizes(curves: &[ContentionCurve]) -> Option<u32> {
    let mut sizes: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for curve in curves {
        for point in &curve.points {
            sizes.entry(point.racers).or_default().insert(curve.members);
        }
    }
    let (racers, sizes) = sizes.iter().max_by_key(|(racers, sizes)| (sizes.len(), **racers))?;
    (sizes.len() > 1).then_some(*racers)
}

/// What is drawn over racers and over sizes. The range of the time to commit reaches from its median
/// to its p99; of all others from the lowest round to the highest.
const SUBJECTS: [Subject; 7] = [
    Subject {
        id: "attempts",
        title: "Attempts for each change",
        caption: "1 is no contention.",
        axis: "attempts",
        unit: Unit::Count,
        log: false,
        read: |point| point.attempts_per_success,
    },
    Subject {
        id: "commit-time",
        title: "Time to commit",
        caption: "From wanting a change until it has come through: the mark is the median, its bar \
                  reaches to the p99, if there are enough changes for one.",
        axis: "time",
        unit: Unit::Micros,
        log: true,
        read: |point| {
            let of = point.time_to_commit;
            let (p50, p99) = (of.p50 as f64, of.p99 as f64);
            let max = if of.count < P99_VALUES_MIN { p50 } else { p99 };
            (of.count > 0).then_some(Spread { median: p50, min: p50, max })
        },
    },
    Subject {
        id: "epochs",
        title: "Epochs opened",
        caption: "In each group.",
        axis: "epochs per second",
        unit: Unit::Count,
        log: false,
        read: |point| point.epochs_per_s,
    },
    Subject {
        id: "wasted-bytes",
        title: "Bytes wasted for each change",
        caption: "Of commits that were submitted and refused.",
        axis: "bytes",
        unit: Unit::Bytes,
        log: false,
        read: |point| point.wasted_bytes_per_success,
    },
    Subject {
        id: "wasted-cpu",
        title: "Processor time wasted for each change",
        caption: "Of members, on commits that lost or were never sent.",
        axis: "CPU",
        unit: Unit::Micros,
        log: false,
        read: |point| point.wasted_cpu_us_per_success,
    },
    Subject {
        id: "jain",
        title: "Fairness among racers",
        caption: "Jain's index: 100% if all had as many successes as each other.",
        axis: "Jain's index",
        unit: Unit::Share,
        log: false,
        read: |point| point.jain,
    },
    Subject {
        id: "by-lot",
        title: "Fairness of lots",
        caption: "Jain's index of as many successes, each drawn by lot with equal chances: what fairness \
                  among racers is to be held against.",
        axis: "Jain's index",
        unit: Unit::Share,
        log: false,
        read: |point| point.jain_by_lot,
    },
];

fn over_racers(curves: &[ContentionCurve], members: u32) -> Vec<Series<'_>> {
    let same = curves.iter().filter(|curve| curve.members == members);
    same.map(|curve| Series {
        policy: &curve.policy,
        points: curve.points.iter().map(|point| (f64::from(point.racers), point)).collect(),
    })
    .collect()
}

fn over_sizes(curves: &[ContentionCurve], racers: u32) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    for curve in curves {
        let points = curve.points.iter().filter(|point| point.racers == racers);
        let points = points.map(|point| (f64::from(curve.members), point));
        match all.iter_mut().find(|series| series.policy == curve.policy) {
            Some(series) => series.points.extend(points),
            None => all.push(Series { policy: &curve.policy, points: points.collect() }),
        }
    }
    for series in &mut all {
        series.points.sort_by(|one, next| one.0.total_cmp(&next.0));
    }
    all
}

/// Nothing if no point has a value.
fn chart(of: &Subject, series: &[Series<'_>], suffix: &str, axis: &str) -> Markup {
    let styled = || (1_u8..).zip(series);
    let lines: Vec<Line> = styled()
        .map(|(style, series)| {
            let points = series.points.iter();
            let points = points.map(|(at, point)| Some((*at, (of.read)(point)?.median)));
            Line::with_gaps(series.policy, style, points)
        })
        .collect();
    let marks: Vec<Mark> = styled()
        .flat_map(|(style, series)| {
            series.points.iter().filter_map(move |(at, point)| {
                let figure = (of.read)(point)?;
                let void = point.status != Status::Valid.name();
                Some(Mark {
                    at: (*at, figure.median),
                    range: Some((figure.min, figure.max)),
                    style,
                    hollow: false,
                    void,
                })
            })
        })
        .collect();
    let ends = || marks.iter().filter_map(|mark| mark.range);
    if ends().next().is_none() {
        return Markup::default();
    }
    let places = series.iter().flat_map(|series| &series.points).map(|(at, _)| *at);
    let x = Scale::doubling(Unit::Count, places);
    let heights = ends().flat_map(|(low, high)| [low, high]);
    let y = match (of.log, of.unit) {
        (true, unit) => Scale::log(unit, heights.map(|height| height.max(1.0))),
        (false, Unit::Share) => Scale::exact(Unit::Share, 0.0, 1.0),
        (false, unit) => Scale::linear(unit, 0.0, heights),
    };
    let plot = Plot {
        id: format!("{}{suffix}", of.id),
        title: of.title.to_owned(),
        caption: of.caption.to_owned(),
        says: spoken(of, series),
        table: table(of, series, &x, axis),
        x: Axis { name: axis.to_owned(), scale: x },
        y: Axis { name: of.axis.to_owned(), scale: y },
        bands: Vec::new(),
        rules: Vec::new(),
        lines,
        marks,
    };
    plot.draw()
}

fn spoken(of: &Subject, series: &[Series<'_>]) -> String {
    let each = series.iter().map(|series| {
        let figures = series.points.iter().filter_map(|(at, point)| {
            let value = of.unit.value((of.read)(point)?.median);
            Some(format!("{value} at {}", Unit::Count.value(*at)))
        });
        format!("{}: {}", series.policy, figures.collect::<Vec<_>>().join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A row for each place on the axis, a column for each policy.
fn table(of: &Subject, series: &[Series<'_>], x: &Scale, axis: &str) -> Table {
    let mut table = Table::headed([axis]);
    table.head.extend(series.iter().map(|series| series.policy.to_owned()));
    let mut places: Vec<f64> =
        series.iter().flat_map(|series| &series.points).map(|(at, _)| *at).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    for place in places {
        let cells = series.iter().map(|series| {
            let point = series.points.iter().find(|(at, _)| at.total_cmp(&place).is_eq());
            written(of.unit, point.and_then(|(_, point)| (of.read)(point)))
        });
        let cells = std::iter::once(Unit::Count.value(place)).chain(cells).collect();
        table.rows.push(Row { place: Some(x.place(place)), cells });
    }
    table
}

fn all(curves: &[ContentionCurve]) -> Table {
    let mut table = Table::headed(["policy", "members", "racers", "verdict"]);
    table.head.extend(SUBJECTS.iter().map(|of| of.title.to_owned()));
    table.head.push("given up".to_owned());
    for curve in curves {
        for point in &curve.points {
            let mut cells = vec![
                curve.policy.clone(),
                curve.members.to_string(),
                point.racers.to_string(),
                point.status.clone(),
            ];
            cells.extend(SUBJECTS.iter().map(|of| written(of.unit, (of.read)(point))));
            cells.push(point.give_ups.to_string());
            table.push(cells);
        }
    }
    table
}
