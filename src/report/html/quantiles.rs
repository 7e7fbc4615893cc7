//! The whole distribution of each latency, its tail as large as its middle.

use hdrhistogram::Histogram;

use super::curve::{histogram, tail, value_at};
use super::page::Section;
use crate::report::chart::{Axis, Line, Plot, Row, Scale, Table, Unit};
use crate::report::record::{Distribution, Record};
use crate::report::summary::grouped;

/// The quantiles of the table, as 1 / (1 - quantile).
const TAILS: [f64; 8] = [2.0, 4.0, 10.0, 20.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

pub(super) fn section(record: &Record) -> Option<Section> {
    let of = &record.latency_us;
    let series: [(&str, &Distribution); 5] = [
        ("response", &of.response),
        ("service", &of.service),
        ("lateness of the generator", &of.lateness),
        ("fan-out, each member", &of.fanout_member),
        ("fan-out, last member", &of.fanout_last),
    ];
    let known: Vec<(&str, Histogram<u64>)> =
        series.iter().filter_map(|(name, of)| Some((*name, histogram(of)?))).collect();
    let plot = plot(&known)?;
    Section::of("quantiles", "Quantiles", plot.draw())
}

fn plot(series: &[(&str, Histogram<u64>)]) -> Option<Plot> {
    let lines: Vec<Line> = (1..)
        .zip(series)
        .map(|(style, (name, of))| Line {
            name: (*name).to_owned(),
            style,
            fine: false,
            pieces: vec![tail(of)],
        })
        .collect();
    let longest = series.iter().map(|(_, of)| of.len()).max()?;
    let heights = lines.iter().flat_map(|line| &line.pieces[0]).map(|(_, micros)| *micros);
    let x = Scale::tail(longest as f64);
    Some(Plot {
        id: "quantile-curve".to_owned(),
        title: "How long the slowest took".to_owned(),
        caption: "Each step to the right leaves out a tenth of what was left: at 99% one value in \
                  a hundred is above the line. A line ends at its last value, the longest."
            .to_owned(),
        says: spoken(series),
        table: table(series, &x),
        x: Axis { name: "share of all values that are not above the line".to_owned(), scale: x },
        y: Axis {
            name: "latency".to_owned(),
            scale: Scale::log(Unit::Micros, heights.map(|micros| micros.max(1.0))),
        },
        bands: Vec::new(),
        lines,
        rules: Vec::new(),
        marks: Vec::new(),
    })
}

fn spoken(series: &[(&str, Histogram<u64>)]) -> String {
    let each = series.iter().map(|(name, of)| {
        let at = |quantile| Unit::Micros.value(value_at(of, quantile));
        format!("{name}: median {}, 99% {}, longest {}", at(0.5), at(0.99), at(1.0))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// One row for each quantile that some series has enough values for, and one for the longest.
fn table(series: &[(&str, Histogram<u64>)], x: &Scale) -> Table {
    let mut table = Table::headed(["quantile"]);
    table.head.extend(series.iter().map(|(name, _)| (*name).to_owned()));
    let longest = series.iter().map(|(_, of)| of.len()).max().unwrap_or(0) as f64;
    for tail in TAILS.into_iter().filter(|tail| *tail <= longest) {
        let mut cells = vec![Unit::Tail.tick(tail)];
        cells.extend(series.iter().map(|(_, of)| {
            let enough = of.len() as f64 >= tail;
            if enough { Unit::Micros.value(value_at(of, 1.0 - 1.0 / tail)) } else { "-".to_owned() }
        }));
        table.rows.push(Row { place: Some(x.place(tail)), cells });
    }
    let each = |first: &str, cell: fn(&Histogram<u64>) -> String| {
        let cells = series.iter().map(|(_, of)| cell(of));
        Row::of(std::iter::once(first.to_owned()).chain(cells))
    };
    table.rows.push(each("longest", |of| Unit::Micros.value(of.max() as f64)));
    table.rows.push(each("values", |of| grouped(of.len())));
    table
}
