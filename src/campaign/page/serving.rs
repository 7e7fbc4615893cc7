//! Suites at a service: bytes, processor time and times of each, over the size of the group.

use maud::{Markup, html};

use super::load::written;
use super::{Section, banner};
use crate::campaign::record::{Spread, TrialRecord};
use crate::campaign::serving::record::{
    LastMember, ModelledRow, Saturation, ServingResult, ServingRow,
};
use crate::campaign::serving::{in_words, joined};
use crate::report::chart::plot::STYLES;
use crate::report::chart::{Axis, Line, Mark, Plot, Row, Scale, Table, Unit};
use crate::report::summary::{decimal, grouped};

/// A figure of a row: its value, with the ends of what it may be.
type Read = fn(&ServingRow) -> Option<Spread>;

/// What a chart over sizes is of.
struct Subject {
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    axis: &'static str,
    unit: Unit,
    read: Read,
}

/// The one whose figures are bounds.
const SUSTAINED: &str = "commits-sustained";

const SUBJECTS: [Subject; 8] = [
    Subject {
        id: "commit-fan-out",
        title: "Bytes that one commit takes",
        caption: "To all members together, by the byte model; what was delivered is held to it.",
        axis: "fan-out of a commit",
        unit: Unit::Bytes,
        read: |row| Some(one(row.fanout_bytes_per_commit)),
    },
    Subject {
        id: "commit-cpu",
        title: "Processor time of one commit",
        caption: "Of the service, beside what messages take. Bars reach from the lowest round to the \
                  highest.",
        axis: "CPU",
        unit: Unit::Micros,
        read: |row| row.cpu_us_per_commit,
    },
    Subject {
        id: "commit-delivery-cpu",
        title: "Processor time of one delivery of a commit",
        caption: "Of the service.",
        axis: "CPU",
        unit: Unit::Micros,
        read: |row| row.cpu_us_per_commit_delivery,
    },
    Subject {
        id: "commit-last",
        title: "From a commit to its last member",
        caption: "The mark is the median, its bar reaches to the p99; of few commits that is the longest.",
        axis: "time",
        unit: Unit::Micros,
        read: |row| reach(row.commit_last),
    },
    Subject {
        id: SUSTAINED,
        title: "Commits a second to saturation",
        caption: "The mark is the highest rate that was sustained, its bar reaches to the lowest that \
                  was not. A hollow mark has none: the engine could not offer the next rate, or no more \
                  was tried, and the service takes as much at least.",
        axis: "commits per second",
        unit: Unit::Count,
        read: |row| {
            let found = row.saturation.as_ref()?;
            let low = found.sustained_per_s?;
            let high = found.upper_per_s().unwrap_or(low);
            Some(Spread { median: low, min: low, max: high.max(low) })
        },
    },
    Subject {
        id: "commits-one-core",
        title: "Commits a second by processor time alone",
        caption: "As many as the processor time of one leaves room for on one core of the service, from \
                  the lowest round to the highest. It is computed: no saturation was measured there, and \
                  several cores have room for more. At higher rates a commit may cost less than one alone.",
        axis: "commits per second",
        unit: Unit::Count,
        read: ServingRow::one_core_per_s,
    },
    Subject {
        id: "message-bytes",
        title: "Bytes of one application message",
        caption: "Of mean size. Only the signature makes them differ.",
        axis: "bytes",
        unit: Unit::Bytes,
        read: |row| Some(one(row.message_bytes as f64)),
    },
    Subject {
        id: "message-last",
        title: "From a message to its last member, beside commits",
        caption: "The mark is the median, its bar reaches to the p99: a message waits behind what is \
                  before it.",
        axis: "time",
        unit: Unit::Micros,
        read: |row| reach(row.message_last_beside),
    },
];

fn one(value: f64) -> Spread {
    Spread { median: value, min: value, max: value }
}

fn reach(of: LastMember) -> Option<Spread> {
    let (p50, p99) = (of.p50 as f64, of.p99 as f64);
    (of.count > 0).then_some(Spread { median: p50, min: p50, max: p99 })
}

/// Which rows count, before anything else.
pub(super) fn head(of: &ServingResult) -> Markup {
    let (sound, all) = of.sound();
    let meaning = how_many(sound, all);
    let at = |name: &str, members: u32| format!("{name} at {} members", grouped(members.into()));
    let rows = of.rows.iter().flat_map(|row| {
        let who = at(&row.name, row.members);
        row.against().map(move |reason| format!("{who}: {reason}"))
    });
    let joins = of.joins.iter().flat_map(|row| {
        let who = at(&row.name, row.members);
        row.against().map(move |reason| format!("joins of {who}: {reason}"))
    });
    let searches = of.rows.iter().filter(|row| row.search_failed()).map(|row| {
        let why = row.saturation.as_ref().and_then(|found| found.because.first());
        let why = why.map_or("no result", String::as_str);
        format!("the search of {}: {why}", at(&row.name, row.members))
    });
    let reasons: Vec<String> = rows.chain(joins).chain(searches).collect();
    html! {
        (banner(of.verdict(), &meaning, &reasons, &[]))
        p {
            "Cipher suites at the service: the same group, with each suite's bytes. One group with a "
            (of.tree) " tree, over " (of.key_exchange) "; messages at a rate that all suites of one size \
            share, and commits so far apart that none waits for another."
        }
    }
}

/// At how many points figures count.
fn how_many(sound: usize, all: usize) -> String {
    if sound == all {
        return format!("At all {all} points every run was valid and its load steady.");
    }
    format!(
        "At {sound} of {all} points every run was valid and its load steady. The figures of the others \
         do not describe the service; they are crossed out."
    )
}

/// The curves over sizes, every figure, what was searched, and what is modelled.
pub(super) fn sections(of: &ServingResult) -> Vec<Option<Section>> {
    let names = names(of);
    let charts = html! {
        @for subject in &SUBJECTS {
            @for (part, some) in names.chunks(usize::from(STYLES)).enumerate() {
                (chart(of, subject, some, part))
            }
        }
    };
    vec![
        Section::of("suites", "Suites by the size of the group", charts),
        Section::of("points", "Every point", points(of).draw("Medians over the rounds")),
        Section::of("searched", "Every rate that was tried", searched(of)),
        Section::of("joins", "What a join costs", joins(of)),
        Section::of("modelled", "What the model says", modelled(of)),
    ]
}

/// Each once, in the order of the record.
fn names(of: &ServingResult) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &of.rows {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
}

fn rows<'a>(of: &'a ServingResult, name: &'a str) -> impl Iterator<Item = &'a ServingRow> {
    of.rows.iter().filter(move |row| row.name == name)
}

/// Nothing if no row has a value.
fn chart(of: &ServingResult, subject: &Subject, names: &[&str], part: usize) -> Markup {
    let styled = || (1_u8..).zip(names);
    let at = |row: &ServingRow| f64::from(row.members);
    let lines: Vec<Line> = styled()
        .map(|(style, name)| {
            let points = rows(of, name).map(|row| Some((at(row), (subject.read)(row)?.median)));
            Line::with_gaps(name, style, points)
        })
        .collect();
    let marks: Vec<Mark> = styled()
        .flat_map(|(style, name)| {
            rows(of, name).filter_map(move |row| {
                let figure = (subject.read)(row)?;
                Some(Mark {
                    at: (at(row), figure.median),
                    range: Some((figure.min, figure.max)),
                    style,
                    hollow: subject.id == SUSTAINED && is_open(row),
                    void: !row.is_sound(),
                })
            })
        })
        .collect();
    let ends: Vec<f64> =
        marks.iter().filter_map(|mark| mark.range).flat_map(<[f64; 2]>::from).collect();
    if ends.is_empty() {
        return Markup::default();
    }
    let x = Scale::log(Unit::Count, of.rows.iter().map(|row| f64::from(row.members)));
    let y = Scale::log(subject.unit, ends.into_iter().filter(|end| *end > 0.0));
    let plot = Plot {
        id: format!("{}-{part}", subject.id),
        title: subject.title.to_owned(),
        caption: subject.caption.to_owned(),
        says: spoken(of, subject, names),
        table: table(of, subject, names, &x),
        x: Axis { name: "members of the group".to_owned(), scale: x },
        y: Axis { name: subject.axis.to_owned(), scale: y },
        bands: Vec::new(),
        rules: Vec::new(),
        lines,
        marks,
    };
    plot.draw()
}

fn spoken(of: &ServingResult, subject: &Subject, names: &[&str]) -> String {
    let each = names.iter().map(|name| {
        let figures = rows(of, name).filter_map(|row| {
            let value = match subject.id {
                SUSTAINED => row.saturation.as_ref().map(in_words)?,
                _ => subject.unit.value((subject.read)(row)?.median),
            };
            Some(format!("{value} at {}", grouped(row.members.into())))
        });
        format!("{name}: {}", figures.collect::<Vec<_>>().join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Whether no rate is known that the service does not take.
fn is_open(row: &ServingRow) -> bool {
    row.saturation.as_ref().is_some_and(|found| found.upper_per_s().is_none())
}

/// A figure as tables write it: bounds are never one number.
fn cell(subject: &Subject, row: &ServingRow) -> String {
    if subject.id != SUSTAINED {
        return written(subject.unit, (subject.read)(row));
    }
    row.saturation.as_ref().map_or_else(|| "-".to_owned(), in_words)
}

/// A row for each size, a column for each suite.
fn table(of: &ServingResult, subject: &Subject, names: &[&str], x: &Scale) -> Table {
    let mut table = Table::headed(["members"]);
    table.head.extend(names.iter().map(|name| (*name).to_owned()));
    let mut sizes: Vec<u32> = of.rows.iter().map(|row| row.members).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for members in sizes {
        let cells = names.iter().map(|name| {
            let row = rows(of, name).find(|row| row.members == members);
            row.map_or_else(|| "-".to_owned(), |row| cell(subject, row))
        });
        let cells = std::iter::once(grouped(members.into())).chain(cells).collect();
        table.rows.push(Row { place: Some(x.place(f64::from(members))), cells });
    }
    table
}

fn points(of: &ServingResult) -> Table {
    let mut table = Table::headed([
        "suite or pattern",
        "members",
        "verdict",
        "commits",
        "commits a minute",
        "messages alone p99",
        "commits a second by processor time at the sustained rate",
    ]);
    let parts = of.rows.iter().any(|row| row.classical_last.is_some());
    if parts {
        table.head.extend(PARTS.map(str::to_owned));
    }
    table.head.extend(SUBJECTS.iter().map(|subject| subject.title.to_owned()));
    for row in &of.rows {
        let mut cells = vec![
            labelled(&row.name, row.pattern),
            grouped(row.members.into()),
            if row.is_sound() || row.spoiled.is_empty() {
                row.status.clone()
            } else {
                format!("{}, spoiled", row.status)
            },
            grouped(row.commits()),
            decimal(row.offered_commits_per_s * 60.0),
            Unit::Micros.value(row.message_last_alone.p99 as f64),
            row.saturation
                .as_ref()
                .and_then(Saturation::one_core_per_s)
                .map_or_else(|| "-".to_owned(), decimal),
        ];
        if parts {
            cells.extend([row.classical_last, row.post_quantum_last].map(both_ends));
        }
        cells.extend(SUBJECTS.iter().map(|subject| cell(subject, row)));
        table.push(cells);
    }
    table
}

/// Of a combiner's commits, from when they were due until their last member had them.
const PARTS: [&str; 2] = [
    "in the classical group: count, p50, longest",
    "in the post-quantum group: count, p50, longest",
];

fn both_ends(of: Option<LastMember>) -> String {
    let time = |us: u64| Unit::Micros.value(us as f64);
    let told =
        |of: LastMember| format!("{}, {}, {}", grouped(of.count), time(of.p50), time(of.max));
    of.map_or_else(|| "-".to_owned(), told)
}

fn labelled(name: &str, pattern: bool) -> String {
    if pattern { format!("{name} (pattern, modelled)") } else { name.to_owned() }
}

fn searched(of: &ServingResult) -> Markup {
    let mut table =
        Table::headed(["suite or pattern", "members", "commits/s", "said", "what it missed"]);
    table.told = true;
    for row in &of.rows {
        let trials = row.saturation.iter().flat_map(|found| &found.searched);
        for trial in trials {
            let said = trial.said.clone().unwrap_or_else(|| "-".to_owned()).replace('_', " ");
            table.push([
                row.name.clone(),
                grouped(row.members.into()),
                Unit::Count.value(trial.factor * row.offered_commits_per_s),
                said,
                missed(trial),
            ]);
        }
    }
    html! {
        @if !of.sustained_means.is_empty() {
            p { "A rate is sustained if:" }
            ul.reasons { @for line in &of.sustained_means { li { (line) } } }
        }
        (table.draw("Every rate, in the order in which they were tried"))
    }
}

fn missed(trial: &TrialRecord) -> String {
    match (trial.missed.as_slice(), trial.reasons.as_slice()) {
        ([], []) => "-".to_owned(),
        // A trial that says nothing of the service has missed nothing; why is told all the same.
        ([], reasons) => reasons.join("; "),
        (missed, _) => missed.join("; "),
    }
}

fn joins(of: &ServingResult) -> Markup {
    html! {
        @for rows in joined::by_size(&of.joins) {
            @let [costs, times] = joined::drawn(&rows);
            (costs.draw(&joined::title(rows[0], of.rounds)))
            (times.draw(&format!("Times of {}", joined::title(rows[0], of.rounds))))
        }
        @if let Some(reading) = joined::reading(&of.joins) {
            // What speaks against a row is a paragraph of its own.
            @for (place, part) in reading.split("\n! ").enumerate() {
                p { @if place > 0 { "! " } (part) }
            }
        }
    }
}

fn modelled(of: &ServingResult) -> Markup {
    let mut table = Table::headed([
        "suite or pattern",
        "members",
        "KeyPackage",
        "commit, mean",
        "commit, most",
        "add one",
        "Welcome of one",
        "message",
    ]);
    for row in &of.modelled {
        let ModelledRow { key_package_bytes, commit_max_bytes, add_commit_bytes, .. } = row;
        let bytes = |bytes: usize| grouped(bytes as u64);
        table.push([
            labelled(&row.name, row.pattern),
            grouped(row.members.into()),
            bytes(*key_package_bytes),
            format!("{:.0}", row.commit_mean_bytes),
            bytes(*commit_max_bytes),
            bytes(*add_commit_bytes),
            bytes(row.welcome_bytes),
            bytes(row.message_bytes),
        ]);
    }
    html! {
        p {
            "In bytes. A pattern is a deployment of two suites that no stack here runs: welcome lets "
            "members in by a post-quantum key and is classical from then on, so its commits are those of "
            "its classical suite; combiner keeps a second, post-quantum group of the same members, in "
            "which one in so many commits is committed too."
        }
        (table.draw("By the byte model"))
    }
}
