//! A comparison as one page: time and bytes against group size, on logarithmic axes.
//!
//! First the suites that most will choose between, then every suite of each kind, six lines to a
//! picture. It loads nothing. Pure: a record in, a string out. Called by `folder`.

use maud::{Markup, html};

use super::beside::{DIFFERENCES, Ratio, beside};
use super::cell::{Object, Operation, Outcome};
use super::group::State;
use super::published::{COMMAND, PUBLISHED};
use super::record::SuitesRecord;
use super::registry::ENTRIES;
use super::table::{figure_of, spread};
use crate::mls::primitive::Quantum;
use crate::mls::stack::StackKind;
use crate::report::chart::plot::STYLES;
use crate::report::chart::{Axis, Line, Mark, Plot, Point, Row, Scale, Table, Unit};
use crate::report::html::{Section, banner, origin, page};
use crate::report::summary::grouped;
use crate::report::verdict::Status;

/// The suites of the first pictures, in the first stack that has each.
const CHOSEN: [(&str, StackKind); 6] = [
    ("x25519-aes128-ed25519", StackKind::OpenMlsRustCrypto),
    ("x25519-aes128-ed25519", StackKind::MlsRsAwsLc),
    ("xwing-aes128-ed25519", StackKind::OpenMlsRustCrypto),
    ("mlkem768-aes256-ed25519", StackKind::OpenMlsRustCrypto),
    ("mlkem768-aes256-mldsa65", StackKind::OpenMlsRustCrypto),
    ("mlkem1024-aes256-mldsa87", StackKind::OpenMlsRustCrypto),
];

/// Operations that no group has a part in.
const ALONE: [Operation; 2] = [Operation::KeyPackage, Operation::CreateGroup];

/// What there is to draw of a cell.
#[derive(Clone, Copy)]
enum Figure {
    Time(Operation),
    Bytes(Object),
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::Time(operation) => operation.name(),
            Self::Bytes(object) => object.name(),
        }
    }

    /// Which of the two it is of, for there are pictures of both.
    fn title(self) -> String {
        let of = match self {
            Self::Time(_) => "time",
            Self::Bytes(_) => "bytes",
        };
        format!("{}, {of}", self.name())
    }

    fn unit(self) -> Unit {
        match self {
            Self::Time(_) => Unit::Micros,
            Self::Bytes(_) => Unit::Bytes,
        }
    }

    /// Its value, and between what it lies.
    fn of(self, cell: &Outcome) -> Option<(f64, Option<(f64, f64)>)> {
        match self {
            Self::Time(operation) => {
                let timing = cell.time(operation)?;
                Some((timing.median_us, Some((timing.low_us, timing.high_us))))
            }
            Self::Bytes(object) => Some((cell.size(object)? as f64, None)),
        }
    }

    fn text(self, cell: &Outcome) -> Option<String> {
        match self {
            Self::Time(operation) => cell.time(operation).map(spread),
            Self::Bytes(object) => {
                let bytes = u64::try_from(cell.size(object)?).ok()?;
                Some(format!("{} B", grouped(bytes)))
            }
        }
    }
}

/// A suite with the stack that runs it.
type Runner<'a> = (&'a str, &'a str);

/// The page.
#[must_use]
pub fn render(record: &SuitesRecord) -> String {
    let chosen: Vec<Runner<'_>> =
        CHOSEN.iter().map(|(suite, stack)| (*suite, stack.name())).collect();
    let chosen: Vec<Runner<'_>> = runners(record).filter(|it| chosen.contains(it)).collect();
    let grows = |operation: &Operation| !ALONE.contains(operation);
    let times: Vec<Figure> = Operation::ALL.into_iter().filter(grows).map(Figure::Time).collect();
    let bytes = [Object::CommitUpdate, Object::CommitAddOne, Object::WelcomeOne, Object::Tree]
        .map(Figure::Bytes);
    let sections = [
        Section::of("failures", "What failed", failures(record)),
        Section::of("time", "Time against group size", plots(record, "chosen", &chosen, &times)),
        Section::of("bytes", "Bytes against group size", plots(record, "chosen", &chosen, &bytes)),
        Section::of("alone", "What takes the same in any group", alone(record)),
        Section::of("beside", "The same suite in several stacks", side_by_side(record)),
        Section::of("states", "What the tree has been through", states(record)),
        Section::of("every", "Every suite", every(record)),
        Section::of("published", "Published figures", published(record)),
        Section::of("provenance", "Where this comes from", origin(&record.provenance)),
    ];
    let sections: Vec<Section> = sections.into_iter().flatten().collect();
    let head = html! {
        (verdict(record))
        p {
            "What a client pays for a cipher suite, by the size of its group: medians of repetitions on one "
            "thread, each with an interval that holds the median with at least 95% whatever the "
            "distribution. In a fresh tree one member has just added all others; that is the worst "
            "that a commit can find."
        }
    };
    page("suites", "Cipher suites by group size", &head, &sections)
}

/// Whether every cell has figures; those that have none are named right below.
fn verdict(record: &SuitesRecord) -> Markup {
    let (all, failed) = (record.cells.len(), record.failures().count());
    let (status, meaning) = match failed {
        0 => (Status::Valid, format!("All {all} cells have figures.")),
        _ => (Status::Invalid, format!("{failed} of {all} cells failed in their stack.")),
    };
    banner(status, &meaning, &[], &[])
}

fn runners(record: &SuitesRecord) -> impl Iterator<Item = Runner<'_>> {
    record.settings.suites.iter().map(|(suite, stack)| (suite.as_str(), stack.as_str()))
}

fn cells<'a>(
    record: &'a SuitesRecord,
    runner: Runner<'a>,
    state: State,
) -> impl Iterator<Item = &'a Outcome> {
    record.cells.iter().filter(move |cell| {
        (cell.suite.as_str(), cell.stack.as_str()) == runner
            && cell.state == state
            && cell.error.is_none()
    })
}

fn plots(record: &SuitesRecord, id: &str, runners: &[Runner<'_>], figures: &[Figure]) -> Markup {
    html! {
        @for (number, figure) in figures.iter().enumerate() {
            @let kind = match figure { Figure::Time(_) => "time", Figure::Bytes(_) => "bytes" };
            @let lines: Vec<_> = runners.iter().map(|it| (name(*it), *it, State::Fresh)).collect();
            (plot(record, &format!("{id}-{kind}-{number}"), figure.name(), *figure, &lines))
        }
    }
}

fn name((suite, stack): Runner<'_>) -> String {
    format!("{suite}, {stack}")
}

/// One picture; nothing where there is nothing to see.
fn plot(
    record: &SuitesRecord,
    id: &str,
    title: &str,
    figure: Figure,
    lines: &[(String, Runner<'_>, State)],
) -> Markup {
    let mut drawn = Vec::new();
    let mut marks = Vec::new();
    let mut table = Table::headed(["members"]);
    table.head.extend(lines.iter().map(|(name, ..)| name.clone()));
    for (style, (name, runner, state)) in (1..=STYLES).cycle().zip(lines) {
        let points = cells(record, *runner, *state).filter_map(|cell| {
            let (value, range) = figure.of(cell)?;
            Some(((f64::from(cell.members), value), range))
        });
        let points: Vec<(Point, Option<(f64, f64)>)> = points.collect();
        marks.extend(points.iter().map(|(at, range)| Mark {
            at: *at,
            range: *range,
            style,
            hollow: false,
            void: false,
        }));
        drawn.push(Line::with_gaps(name, style, points.into_iter().map(|(at, _)| Some(at))));
    }
    if marks.is_empty() {
        return html! {};
    }
    let x = Scale::log(Unit::Count, record.settings.sizes.iter().map(|size| f64::from(*size)));
    for size in &record.settings.sizes {
        let mut row = vec![grouped(u64::from(*size))];
        row.extend(lines.iter().map(|(_, runner, state)| {
            let cell = cells(record, *runner, *state).find(|cell| cell.members == *size);
            cell.and_then(|cell| figure.text(cell)).unwrap_or_else(|| "-".to_owned())
        }));
        table.rows.push(Row { place: Some(x.place(f64::from(*size))), cells: row });
    }
    let plot = Plot {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: String::new(),
        says: format!(
            "{title} against members of the group, a line for each of {} suites",
            lines.len()
        ),
        x: Axis { name: "members".to_owned(), scale: x },
        y: Axis {
            name: title.to_owned(),
            scale: Scale::log(figure.unit(), marks.iter().map(|mark| mark.at.1)),
        },
        bands: Vec::new(),
        lines: drawn,
        rules: Vec::new(),
        marks,
        table,
    };
    plot.draw()
}

/// What no group has a part in, of every suite, as the smallest group's cell has it.
fn alone(record: &SuitesRecord) -> Markup {
    let head = ["suite", "stack", "make a KeyPackage", "create a group", "KeyPackage", "message"];
    let mut table = Table::headed(head);
    for runner in runners(record) {
        let Some(cell) = cells(record, runner, State::Fresh).next() else { continue };
        let figures = ALONE.map(Figure::Time).into_iter();
        let figures = figures.chain([Object::KeyPackage, Object::Application].map(Figure::Bytes));
        let text = |figure: Figure| figure.text(cell).unwrap_or_else(|| "-".to_owned());
        let row = [runner.0.to_owned(), runner.1.to_owned()].into_iter().chain(figures.map(text));
        table.push(row);
    }
    table.draw("Times, and bytes of a KeyPackage and of an application message of 200 bytes")
}

/// What each stack takes for the same suite, and why.
fn side_by_side(record: &SuitesRecord) -> Markup {
    let shared = beside(record);
    html! {
        @if !shared.is_empty() {
            p {
                "How many times as long as in the first stack. A ratio lies between the ends that the "
                "intervals of both times allow, with at least 90%."
            }
            @for of in &shared {
                @let (first, others) = of.cells.split_first().expect("several are compared");
                @let mut table = Table::headed(["operation"]);
                ({
                    table.head.push(name((&first.suite, &first.stack)));
                    table.head.extend(others.iter().map(|it| name((&it.suite, &it.stack))));
                    for (operation, timing, ratios) in of.rows() {
                        let text = |ratio: &Option<Ratio>| {
                            ratio.map_or_else(|| "-".to_owned(), |it| format!("x {}", it.text()))
                        };
                        let row = [operation.name().to_owned(), spread(&timing)].into_iter();
                        table.push(row.chain(ratios.iter().map(text)));
                    }
                    table.draw(&format!("{} at {} members", first.suite, grouped(u64::from(first.members))))
                })
            }
            h3.size { "What differs" }
            dl.origin {
                @for (what, so) in DIFFERENCES { div { dt { (what) } dd { (so) } } }
            }
        }
    }
}

/// How much of a commit the state of the tree is: one suite in all of them, then every suite.
fn states(record: &SuitesRecord) -> Markup {
    let hybrid = |entry: &(&str, &str)| entry.0.starts_with("xwing");
    let Some(runner) = runners(record).find(hybrid).or_else(|| runners(record).next()) else {
        return html! {};
    };
    let seen =
        State::ALL.into_iter().filter(|state| cells(record, runner, *state).next().is_some());
    let lines: Vec<_> = seen.map(|state| (state.name().to_owned(), runner, state)).collect();
    let figures = [Figure::Bytes(Object::CommitUpdate), Figure::Time(Operation::Update)];
    html! {
        @for (number, figure) in figures.into_iter().enumerate() {
            @let title = format!("{}, {}", figure.title(), name(runner));
            (plot(record, &format!("states-{number}"), &title, figure, &lines))
        }
        (commits(record))
    }
}

/// What a commit takes in the largest group of each state but a fresh one, of every suite.
fn commits(record: &SuitesRecord) -> Markup {
    const FIGURES: [Figure; 5] = [
        Figure::Time(Operation::Update),
        Figure::Time(Operation::Process),
        Figure::Time(Operation::AddOne),
        Figure::Bytes(Object::CommitUpdate),
        Figure::Bytes(Object::Tree),
    ];
    let mut table = Table::headed(["suite", "stack", "members", "tree"]);
    table.head.extend(FIGURES.map(|figure| figure.name().to_owned()));
    for state in State::ALL.into_iter().filter(|state| *state != State::Fresh) {
        let Some(members) = record.largest(state) else { continue };
        for runner in runners(record) {
            let cell = record.cell(runner, members, state);
            let who = [runner.0, runner.1].map(str::to_owned).into_iter();
            let which = [grouped(u64::from(members)), state.name().to_owned()];
            let figures = FIGURES.map(|figure| figure_of(cell, |cell| figure.text(cell)));
            table.push(who.chain(which).chain(figures));
        }
    }
    table.draw("A commit where others have committed before it")
}

/// Suites of one kind beside each other, as many as can be told apart.
fn every(record: &SuitesRecord) -> Markup {
    let kind = |suite: &str| {
        let entry = ENTRIES.iter().find(|entry| entry.name == suite);
        entry.map(|entry| (entry.confidentiality(), entry.authenticity()))
    };
    let kinds = [
        ("classical", (Quantum::No, Quantum::No)),
        ("hybrid, classical signatures", (Quantum::Hybrid, Quantum::No)),
        ("post-quantum, classical signatures", (Quantum::Pure, Quantum::No)),
        ("hybrid, post-quantum signatures", (Quantum::Hybrid, Quantum::Pure)),
        ("post-quantum throughout", (Quantum::Pure, Quantum::Pure)),
    ];
    let figures = [
        Figure::Time(Operation::Update),
        Figure::Time(Operation::Process),
        Figure::Time(Operation::Join),
        Figure::Bytes(Object::CommitUpdate),
        Figure::Bytes(Object::WelcomeOne),
    ];
    html! {
        @for (number, (title, of)) in kinds.into_iter().enumerate() {
            @let of: Vec<Runner<'_>> = runners(record).filter(|(suite, _)| kind(suite) == Some(of)).collect();
            @for (part, some) in of.chunks(usize::from(STYLES)).enumerate() {
                @for (place, figure) in figures.into_iter().enumerate() {
                    @let lines: Vec<_> = some.iter().map(|it| (name(*it), *it, State::Fresh)).collect();
                    (plot(record, &format!("every-{number}-{part}-{place}"),
                        &format!("{}, {title}", figure.title()), figure, &lines))
                }
            }
        }
    }
}

fn failures(record: &SuitesRecord) -> Markup {
    let mut table = Table::headed(["suite", "stack", "members", "tree", "error"]);
    table.told = true;
    for cell in record.failures() {
        let error = cell.error.clone().unwrap_or_default();
        let (members, state) = (cell.members.to_string(), cell.state.name().to_owned());
        table.push([cell.suite.clone(), cell.stack.clone(), members, state, error]);
    }
    table.draw("Cells without figures")
}

fn published(record: &SuitesRecord) -> Markup {
    let mut table =
        Table::headed(["source", "what", "suite", "members", "theirs", "ours", "but there"]);
    table.told = true;
    for published in PUBLISHED {
        let told = |cell: &Outcome| Some(format!("{} {}", published.of(cell)?, cell.stack));
        let ours: Vec<String> = published.ours(record).filter_map(told).collect();
        let ours = if ours.is_empty() { "not measured".to_owned() } else { ours.join("; ") };
        table.push([
            published.source.to_owned(),
            published.name().to_owned(),
            published.suite.to_owned(),
            grouped(u64::from(published.members)),
            published.theirs(),
            ours,
            published.but.to_owned(),
        ]);
    }
    let machine = record.provenance.cpu_model.as_deref().unwrap_or("a machine that is not known");
    html! {
        p { "Ours were measured on " (machine) ", in a fresh tree; theirs elsewhere, so only the growth and the bytes can be compared. What was not measured, this measures: " code { (COMMAND) } }
        (table.draw("Published figures beside ours"))
    }
}

#[cfg(test)]
mod tests;
