//! The few figures that a reader takes away.

use maud::{Markup, html};

use super::page::Section;
use crate::report::chart::Unit;
use crate::report::record::Record;
use crate::report::summary::grouped;

/// A figure with its name and what it is of.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is, in a few words.
    pub name: String,
    /// With its unit.
    pub value: String,
    /// What else is to be known of it.
    pub note: String,
}

impl Figure {
    /// A figure.
    #[must_use]
    pub fn new(name: &str, value: String, note: String) -> Self {
        Self { name: name.to_owned(), value, note }
    }
}

/// Figures as a row of cards.
#[must_use]
pub fn figures(figures: &[Figure]) -> Markup {
    html! {
        dl.figures {
            @for figure in figures {
                div {
                    dt { (figure.name) }
                    dd {
                        strong { (figure.value) }
                        span.faint { (figure.note) }
                    }
                }
            }
        }
    }
}

pub(super) fn section(record: &Record) -> Option<Section> {
    let cards = latency(record).into_iter().chain(work(record)).collect::<Vec<_>>();
    Section::of("figures", "Headline figures", html! { (figures(&cards)) (balance(record)) })
}

fn latency(record: &Record) -> Vec<Figure> {
    let series = [
        ("Response", "half are accepted by then", &record.latency_us.response),
        ("Fan-out, last member", "half have reached everybody", &record.latency_us.fanout_last),
    ];
    let known = series.into_iter().filter(|(_, _, of)| of.count > 0);
    let each = known.flat_map(|(name, what, of)| {
        let micros = |value: u64| Unit::Micros.value(value as f64);
        [
            Figure::new(&format!("{name}, p50"), micros(of.p50), what.to_owned()),
            Figure::new(
                &format!("{name}, p99"),
                micros(of.p99),
                format!("longest {}, of {}", micros(of.max), grouped(of.count)),
            ),
        ]
    });
    each.collect()
}

fn work(record: &Record) -> Vec<Figure> {
    let (speed, seconds) = (&record.throughput, Unit::Seconds.value(record.throughput.window_s));
    let mut figures = vec![
        Figure::new(
            "Deliveries",
            format!("{}/s", Unit::Count.value(speed.deliveries_per_s)),
            format!("{}/s over {seconds}", Unit::Bytes.value(speed.delivered_bytes_per_s)),
        ),
        Figure::new(
            "Operations",
            format!("{}/s", Unit::Count.value(speed.operations_per_s)),
            format!("accepted over {seconds}"),
        ),
    ];
    if let Some(server) = &record.server
        && let Some(cpu) = server.cpu_us_per_delivery
    {
        let floor = server.floor.map_or_else(
            || "of the server's processor".to_owned(),
            |floor| format!("floor {}", Unit::Micros.value(floor.cpu_us_per_delivery)),
        );
        figures.push(Figure::new("CPU per delivery", Unit::Micros.value(cpu), floor));
    }
    let violations: u64 = record.violations.values().sum();
    figures.push(Figure::new(
        "Violations",
        grouped(violations),
        format!("in {} deliveries", grouped(record.counts.deliveries)),
    ));
    figures
}

/// Where every operation went: the parts add up, or the run would be violated.
fn balance(record: &Record) -> Markup {
    let of = &record.counts;
    html! {
        p {
            (grouped(of.issued)) " operations were called for, warm-up included: "
            (grouped(of.accepted)) " accepted, " (grouped(of.rejected)) " rejected, "
            (grouped(of.timed_out)) " timed out, " (grouped(of.not_issued)) " not issued. Members got "
            (grouped(of.deliveries)) " of " (grouped(of.deliveries_expected)) " deliveries that were expected."
            @if record.real_members.members > 0 {
                " " (grouped(record.real_members.members)) " real members processed "
                (grouped(record.real_members.messages)) " of them with OpenMLS"
                @if record.real_members.faults.is_empty() { ", and all agree" }
                "."
            }
        }
        @if !record.refusals.is_empty() {
            p {
                "Refusals by reason: "
                @for (index, (reason, count)) in record.refusals.iter().enumerate() {
                    @if index > 0 { ", " }
                    code { (reason) } " " (grouped(*count))
                }
                ". Losing a race for an epoch (" code { "wrong_epoch" } ") is what a good service answers to all but one."
            }
        }
    }
}
