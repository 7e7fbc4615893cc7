//! The run against time: what it felt, what was asked and done, and what it took, each second.
//!
//! A point is one interval of the record; nothing is averaged over several. Where there are more
//! than a table has rows, a row says from the lowest to the highest of what it covers.

use std::ops::RangeInclusive;

use maud::html;

use super::page::Section;
use crate::limits::CHART_ROWS_MAX;
use crate::report::chart::{Axis, Band, Line, Plot, Point, Row, Rule, Scale, Table, Unit};
use crate::report::intervals::{Brief, IntervalRecord};
use crate::report::record::Record;

/// Kinds of phases that the headline figures are of.
const COUNTED: [&str; 2] = ["measure", "soak"];

/// The shortest interval that a rate is of, in seconds.
const SHORTEST_S: f64 = 0.1;

/// A value of an interval, if there is one.
type Read = fn(&IntervalRecord) -> Option<f64>;

/// What a chart over time is of.
struct Subject {
    id: &'static str,
    title: &'static str,
    caption: String,
    axis: &'static str,
    unit: Unit,
    log: bool,
    lines: Vec<(&'static str, Read)>,
}

pub(super) fn section(record: &Record) -> Option<Section> {
    if record.intervals.len() < 2 {
        return None;
    }
    let draw = |of: &Subject| plot(record, of).map(|plot| plot.draw()).unwrap_or_default();
    let body = html! {
        @for subject in felt(record) { (draw(&subject)) }
        div.pair { @for subject in done() { (draw(&subject)) } }
    };
    Section::of("time", "The run against time", body)
}

fn felt(record: &Record) -> [Subject; 2] {
    let length = record.intervals.first().map_or(1.0, |first| first.to_s - first.from_s);
    let length = Unit::Seconds.value(length);
    let shaded = "Shaded phases are not in the headline figures.";
    [
        Subject {
            id: "response-over-time",
            title: "Response, from when an operation was due to its acceptance",
            caption: format!("Of what was accepted in each interval of {length}. {shaded}"),
            axis: "response",
            unit: Unit::Micros,
            log: true,
            lines: vec![
                ("p50", |of| brief(of.response, of.response.p50)),
                ("p99", |of| brief(of.response, of.response.p99)),
                ("longest", |of| brief(of.response, of.response.max)),
            ],
        },
        Subject {
            id: "fanout-over-time",
            title: "Fan-out, from when a message was due until the last member had it",
            caption: format!("Of what was complete in each interval of {length}. {shaded}"),
            axis: "time to the last member",
            unit: Unit::Micros,
            log: true,
            lines: vec![
                ("p50", |of| brief(of.fanout_last, of.fanout_last.p50)),
                ("p99", |of| brief(of.fanout_last, of.fanout_last.p99)),
                ("longest", |of| brief(of.fanout_last, of.fanout_last.max)),
            ],
        },
    ]
}

fn done() -> [Subject; 4] {
    let subject = |id, title, caption: &str, axis, unit, lines| Subject {
        id,
        title,
        caption: caption.to_owned(),
        axis,
        unit,
        log: false,
        lines,
    };
    let (of_due, of_accepted): (Read, Read) =
        (|of| per_second(of, of.due), |of| per_second(of, of.accepted));
    let (of_server, of_engine): (Read, Read) = (
        |of| of.server_cpu_us.and_then(|micros| per_second(of, micros)).map(|micros| micros / 1e6),
        |of| per_second(of, of.engine_cpu_us).map(|micros| micros / 1e6),
    );
    let in_flight: Read = |of| Some(of.in_flight as f64);
    let memory: Read = |of| of.server_rss_bytes.map(|bytes| bytes as f64);
    [
        subject(
            "rate-over-time",
            "Asked and achieved",
            "Accepted keeps up with due, or a backlog grows.",
            "operations per second",
            Unit::Count,
            vec![("due", of_due), ("accepted", of_accepted)],
        ),
        subject(
            "backlog-over-time",
            "In flight",
            "Operations without an outcome at the end of each interval.",
            "operations",
            Unit::Count,
            vec![("in flight", in_flight)],
        ),
        subject(
            "cores-over-time",
            "Processor",
            "Cores that each side kept busy, its own threads alone.",
            "cores busy",
            Unit::Count,
            vec![("server", of_server), ("load engine", of_engine)],
        ),
        subject(
            "memory-over-time",
            "Memory of the server",
            "Resident, at the end of each interval. What only grows is kept, or lost.",
            "resident memory",
            Unit::Bytes,
            vec![("server", memory)],
        ),
    ]
}

fn brief(of: Brief, value: u64) -> Option<f64> {
    (of.count > 0).then_some(value as f64)
}

/// Nothing of an interval that the end of a run or of a phase cut short: what was counted there, and
/// the processor time that is read in turn, may be of a second before.
fn per_second(of: &IntervalRecord, count: u64) -> Option<f64> {
    let length = of.to_s - of.from_s;
    (length >= SHORTEST_S).then(|| count as f64 / length)
}

/// `None` if no interval has a value.
fn plot(record: &Record, of: &Subject) -> Option<Plot> {
    let intervals = &record.intervals;
    let end = intervals.last()?.to_s;
    let points = |read: Read| intervals.iter().map(move |one| point(one, read));
    let lines: Vec<Line> = (1..)
        .zip(&of.lines)
        .map(|(style, (name, read))| Line {
            fine: style > 2,
            ..Line::with_gaps(name, style, points(*read))
        })
        .collect();
    let heights = lines.iter().flat_map(|line| line.pieces.iter().flatten()).map(|point| point.1);
    let heights: Vec<f64> = heights.collect();
    heights.first()?;
    let x = Scale::exact(Unit::Seconds, 0.0, end);
    let y = match of.log {
        true => Scale::log(of.unit, heights.iter().map(|height| height.max(1.0))),
        false => Scale::linear(of.unit, 0.0, heights),
    };
    Some(Plot {
        id: of.id.to_owned(),
        title: of.title.to_owned(),
        caption: of.caption.clone(),
        says: spoken(of, intervals),
        table: table(of, intervals, &x),
        bands: bands(record, end),
        rules: rules(intervals),
        marks: Vec::new(),
        lines,
        x: Axis { name: "time since the start of the load".to_owned(), scale: x },
        y: Axis { name: of.axis.to_owned(), scale: y },
    })
}

/// In the middle of its interval.
fn point(one: &IntervalRecord, read: Read) -> Option<Point> {
    Some((f64::midpoint(one.from_s, one.to_s), read(one)?))
}

/// The phases, and the drain after the last.
fn bands(record: &Record, end: f64) -> Vec<Band> {
    let phases = record.phases.iter().filter(|phase| phase.to_s > phase.from_s);
    let mut bands: Vec<Band> = phases
        .map(|phase| Band {
            span: (phase.from_s, phase.to_s.min(end)),
            name: phase.name.replace('_', "-"),
            shaded: !COUNTED.contains(&phase.kind.as_str()),
        })
        .collect();
    if let Some(last) = record.phases.last().filter(|last| last.to_s < end) {
        bands.push(Band { span: (last.to_s, end), name: "drain".to_owned(), shaded: true });
    }
    bands
}

fn rules(intervals: &[IntervalRecord]) -> Vec<Rule> {
    let first = intervals.iter().find(|one| one.violations > 0);
    first
        .map(|one| Rule { at: one.from_s, name: "first violation".to_owned() })
        .into_iter()
        .collect()
}

fn spoken(of: &Subject, intervals: &[IntervalRecord]) -> String {
    let each = of.lines.iter().filter_map(|(name, read)| {
        let range = range(intervals, *read)?;
        let highest = intervals.iter().find(|one| read(one) == Some(*range.end()))?;
        let when = Unit::Seconds.value(highest.from_s);
        Some(format!("{name} from {}; the highest at {when}", written(of.unit, &range)))
    });
    each.collect::<Vec<_>>().join(". ")
}

/// A row covers as many intervals as it takes for all to be covered.
fn table(of: &Subject, intervals: &[IntervalRecord], x: &Scale) -> Table {
    let mut table = Table::headed(["time"]);
    table.head.extend(of.lines.iter().map(|(name, _)| (*name).to_owned()));
    for covered in intervals.chunks(intervals.len().div_ceil(CHART_ROWS_MAX).max(1)) {
        let (first, last) = (&covered[0], &covered[covered.len() - 1]);
        let mut cells = vec![format!("{:.0} to {:.0} s", first.from_s, last.to_s)];
        cells.extend(of.lines.iter().map(|(_, read)| {
            range(covered, *read).map_or_else(|| "-".to_owned(), |range| written(of.unit, &range))
        }));
        let place = Some(x.place(f64::midpoint(first.from_s, last.to_s)));
        table.rows.push(Row { place, cells });
    }
    table
}

fn range(intervals: &[IntervalRecord], read: Read) -> Option<RangeInclusive<f64>> {
    let values = || intervals.iter().filter_map(read);
    let low = values().min_by(f64::total_cmp)?;
    Some(low..=values().max_by(f64::total_cmp)?)
}

fn written(unit: Unit, range: &RangeInclusive<f64>) -> String {
    let (low, high) = (unit.value(*range.start()), unit.value(*range.end()));
    if low == high { low } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::oracle::Judgement;
    use crate::report::tests::finished;

    /// A day of seconds, of which one paused.
    fn record(seconds: u32) -> Record {
        let mut record = finished(&Judgement::default(), false);
        record.intervals = (0..seconds)
            .map(|second| {
                let paused = second == seconds / 2;
                let p99 = if paused { 900_000 } else { 2_000 + u64::from(second % 50) };
                IntervalRecord {
                    from_s: second.into(),
                    to_s: f64::from(second) + 1.0,
                    accepted: 100,
                    response: Brief { count: u64::from(second != 3), p50: 800, p99, max: p99 },
                    violations: u64::from(paused),
                    ..IntervalRecord::default()
                }
            })
            .collect();
        record
    }

    fn response(record: &Record) -> Plot {
        plot(record, &felt(record)[0]).unwrap()
    }

    #[test]
    fn a_pause_of_a_second_is_seen_in_a_run_of_an_hour_in_line_and_table() {
        let record = record(3_600);
        let plot = response(&record);
        assert!(plot.table.rows.len() <= CHART_ROWS_MAX);
        let rows = plot.table.rows.iter().filter(|row| row.cells[2].ends_with("to 900 ms"));
        assert_eq!(rows.count(), 1, "{:?}", plot.table.rows[120]);
        assert!(plot.says.contains("the highest at 30 min"), "{}", plot.says);
        let top = plot.lines[1].pieces.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
        assert!((top - 900_000.0).abs() < 1e-9);
        assert_eq!(plot.rules.len(), 1);
        assert!((plot.rules[0].at - 1_800.0).abs() < 1e-9);
    }

    #[test]
    fn a_second_without_a_value_is_a_gap_and_a_run_without_intervals_has_no_section() {
        let mut record = record(10);
        let plot = response(&record);
        assert_eq!(plot.lines[0].pieces.iter().map(Vec::len).collect::<Vec<_>>(), [3, 6]);
        assert_eq!(plot.table.rows[3].cells, ["3 to 4 s", "-", "-", "-"]);
        assert!(plot_of_memory(&record).is_none(), "the server's memory is not known");
        record.intervals.clear();
        assert!(section(&record).is_none());
    }

    #[test]
    fn the_last_moment_of_a_run_has_no_rate() {
        let mut record = record(10);
        record.intervals.iter_mut().for_each(|one| one.server_cpu_us = Some(200_000));
        record.intervals.push(IntervalRecord {
            from_s: 10.0,
            to_s: 10.003,
            server_cpu_us: Some(200_000),
            ..IntervalRecord::default()
        });
        let plot = plot(&record, &done()[2]).unwrap();
        let cores = plot.lines[0].pieces.iter().flatten().map(|point| point.1);
        assert!((cores.fold(0.0, f64::max) - 0.2).abs() < 1e-9);
    }

    fn plot_of_memory(record: &Record) -> Option<Plot> {
        plot(record, &done()[3])
    }

    #[test]
    fn what_is_not_in_the_headline_figures_is_shaded_and_so_is_the_drain() {
        let mut record = record(30);
        let mut phase = record.phases[0].clone();
        (phase.from_s, phase.to_s) = (2.0, 24.0);
        (phase.name, phase.kind) = ("measure".to_owned(), "measure".to_owned());
        let mut before = phase.clone();
        (before.from_s, before.to_s) = (0.0, 2.0);
        (before.name, before.kind) = ("warm_up".to_owned(), "warm_up".to_owned());
        record.phases = vec![before, phase];
        let bands = bands(&record, 30.0);
        let told: Vec<(&str, bool)> =
            bands.iter().map(|band| (band.name.as_str(), band.shaded)).collect();
        assert_eq!(told, [("warm-up", true), ("measure", false), ("drain", true)]);
        assert!(bands.is_sorted_by(|one, next| one.span.1 <= next.span.0), "{bands:?}");
    }
}
