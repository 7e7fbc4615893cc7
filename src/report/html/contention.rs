//! What racing for epochs cost the members that raced in this run.

use maud::html;

use super::page::Section;
use crate::report::chart::{Table, Unit};
use crate::report::contention::{ALL, ContentionRecord};
use crate::report::record::Record;
use crate::report::summary::grouped;

pub(super) fn section(record: &Record) -> Option<Section> {
    if record.contention.is_empty() {
        return None;
    }
    let body = html! {
        p {
            "Members that race all want to change their group in the same epoch; one commit opens the next, and the others try again as their policy says. "
            "An attempt that lost is wasted work, of the members and of the network."
        }
        (table(record).draw("What racing cost"))
    };
    Section::of("contention", "Contention", body)
}

fn table(record: &Record) -> Table {
    let mut table = Table::headed([
        "class",
        "policy",
        "racers",
        "changes",
        "epochs/s",
        "attempts each",
        "time to commit p50",
        "p99",
        "wasted bytes each",
        "wasted CPU each",
        "Jain",
        "given up",
    ]);
    for of in &record.contention {
        table.push(row(of));
    }
    table
}

fn row(of: &ContentionRecord) -> Vec<String> {
    let named = |name: &str| if name == ALL { "all" } else { name }.to_owned();
    let each = |unit: Unit, value: Option<f64>| {
        value.map_or_else(|| "-".to_owned(), |value| unit.value(value))
    };
    let commit = &of.time_to_commit;
    let micros = |value: u64| each(Unit::Micros, (commit.count > 0).then_some(value as f64));
    vec![
        named(&of.class),
        named(&of.policy),
        if of.racers == 0 { "-".to_owned() } else { grouped(of.racers.into()) },
        grouped(of.successes),
        Unit::Count.value(of.epochs_per_s),
        each(Unit::Count, of.attempts_per_success),
        micros(commit.p50),
        micros(commit.p99),
        each(Unit::Bytes, of.wasted_bytes_per_success),
        each(Unit::Micros, of.wasted_cpu_us_per_success),
        each(Unit::Share, of.jain),
        grouped(of.gave_up + of.unserved),
    ]
}
