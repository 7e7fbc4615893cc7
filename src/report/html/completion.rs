//! How fast a message reaches the members of its group: what share of them has it, against time.

use hdrhistogram::Histogram;

use super::curve::{completion, histogram, reached, value_at};
use super::page::Section;
use crate::report::chart::plot::STYLES;
use crate::report::chart::{Axis, Line, Plot, Row, Rule, Scale, Table, Unit};
use crate::report::record::Record;
use crate::report::summary::grouped;

type Named = (String, Histogram<u64>);

pub(super) fn section(record: &Record) -> Option<Section> {
    let mut series: Vec<Named> = Vec::new();
    if record.classes.len() != 1 {
        series
            .extend(Some("all groups".to_owned()).zip(histogram(&record.latency_us.fanout_member)));
    }
    // More than these cannot be told apart; the table of classes has every one.
    let room = usize::from(STYLES) - series.len();
    series.extend(record.classes.iter().take(room).filter_map(|class| {
        let name = format!("{} ({} members)", class.name, grouped(class.members.into()));
        Some((name, histogram(&class.fanout_member)?))
    }));
    let plot = plot(record, &series)?;
    Section::of("completion", "Fan-out completion", plot.draw())
}

fn plot(record: &Record, series: &[Named]) -> Option<Plot> {
    let lines: Vec<Line> = (1..)
        .zip(series)
        .map(|(style, (name, of))| Line {
            name: name.clone(),
            style,
            fine: false,
            pieces: vec![completion(of)],
        })
        .collect();
    lines.first()?;
    let reached = lines.iter().flat_map(|line| &line.pieces[0]).map(|(micros, _)| *micros);
    let rules = rules(record);
    let ends = reached.chain(rules.iter().map(|rule| rule.at)).map(|micros| micros.max(1.0));
    let x = Scale::log(Unit::Micros, ends);
    Some(Plot {
        id: "completion-curve".to_owned(),
        title: "What share of the members has a message".to_owned(),
        caption: "Of all messages together, from the instant that each was due. The upright lines \
                  are medians over messages: half of them had reached that many members by then."
            .to_owned(),
        says: spoken(series),
        table: table(series, &x),
        x: Axis { name: "time since the message was due".to_owned(), scale: x },
        y: Axis {
            name: "members that have it".to_owned(),
            scale: Scale::exact(Unit::Share, 0.0, 1.0),
        },
        bands: Vec::new(),
        lines,
        rules,
        marks: Vec::new(),
    })
}

fn rules(record: &Record) -> Vec<Rule> {
    let of = &record.latency_us;
    let medians = [
        ("first member", &of.fanout_first),
        ("99% of members", &of.fanout_p99),
        ("last member", &of.fanout_last),
    ];
    let known = medians.into_iter().filter(|(_, of)| of.count > 0);
    known
        .map(|(name, of)| {
            let at = of.p50 as f64;
            Rule { at, name: format!("{name} {}", Unit::Micros.value(at)) }
        })
        .collect()
}

fn spoken(series: &[Named]) -> String {
    let each = series.iter().map(|(name, of)| {
        let at = |share| Unit::Micros.value(value_at(of, share));
        format!("{name}: half after {}, 99% after {}, all after {}", at(0.5), at(0.99), at(1.0))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// What share had it by when: a row for each tick of the axis, and for the first and the last.
fn table(series: &[Named], x: &Scale) -> Table {
    let mut table = Table::headed(["time since due"]);
    table.head.extend(series.iter().map(|(name, _)| name.clone()));
    for tick in x.ticks() {
        let cells = series.iter().map(|(_, of)| Unit::Share.value(reached(of, tick.value)));
        let cells = std::iter::once(tick.text.clone()).chain(cells).collect();
        table.rows.push(Row { place: Some(tick.place), cells });
    }
    let all = series.iter().map(|(_, of)| Unit::Micros.value(value_at(of, 1.0)));
    table.push(std::iter::once("everybody has it after".to_owned()).chain(all));
    table
}
