//! The tables of latency: of the whole run, of each class of groups, of who came in, of each period.

use maud::html;

use super::page::Section;
use crate::report::chart::{Table, Unit};
use crate::report::joins;
use crate::report::record::{ClassRecord, Distribution, Record};
use crate::report::summary::grouped;

pub(super) fn section(record: &Record) -> Option<Section> {
    let body = html! {
        (all(record).draw("Latency of the whole run"))
        (phases(record).draw("The phases of the run"))
        (groups(record).draw("The classes of groups"))
        (classes(record).draw("Latency of each class"))
        (welcomed(record).draw("Who came in by a Welcome"))
        (those_who_came(record).draw("Latency of those who came in"))
        (periods(record).draw("Latency while members were away, came back, or neither"))
    };
    Section::of("latency", "Latency in figures", body)
}

fn all(record: &Record) -> Table {
    let of = &record.latency_us;
    let series = [
        ("response (from intended)", &of.response),
        ("service (from send)", &of.service),
        ("lateness (generator)", &of.lateness),
        ("preparation (racers)", &of.preparation),
        ("fan-out, first member", &of.fanout_first),
        ("fan-out, each member", &of.fanout_member),
        ("fan-out, 99% of members", &of.fanout_p99),
        ("fan-out, last member", &of.fanout_last),
        ("rejected", &of.rejected),
        ("timed out", &of.timed_out),
    ];
    let mut table = latency_table("latency");
    for (name, of) in series.into_iter().filter(|(_, of)| of.count > 0) {
        table.push(latency_row(name.to_owned(), of));
    }
    table
}

fn phases(record: &Record) -> Table {
    let mut table = Table::headed([
        "phase",
        "kind",
        "from",
        "to",
        "offered/s",
        "accepted/s",
        "deliveries/s",
        "not issued",
        "response p50",
        "response p99",
        "last member p50",
        "last member p99",
        "lateness p99",
    ]);
    for phase in &record.phases {
        let micros = |of: &Distribution, value: u64| match of.count {
            0 => "-".to_owned(),
            _ => Unit::Micros.value(value as f64),
        };
        let (response, last) = (&phase.response, &phase.fanout_last);
        table.push([
            phase.name.clone(),
            phase.kind.replace('_', "-"),
            Unit::Seconds.value(phase.from_s),
            Unit::Seconds.value(phase.to_s),
            Unit::Count.value(phase.offered_per_s),
            Unit::Count.value(phase.accepted_per_s),
            Unit::Count.value(phase.deliveries_per_s),
            grouped(phase.not_issued),
            micros(response, response.p50),
            micros(response, response.p99),
            micros(last, last.p50),
            micros(last, last.p99),
            micros(&phase.lateness, phase.lateness.p99),
        ]);
    }
    table
}

fn groups(record: &Record) -> Table {
    let mut table = Table::headed([
        "class",
        "groups",
        "members of each",
        "suite",
        "traffic",
        "durability",
        "validation",
        "acknowledge every",
    ]);
    for class in &record.classes {
        let ClassRecord { name, source, durability, validation, .. } = class;
        table.push([
            name.clone(),
            grouped(class.groups.into()),
            grouped(class.members.into()),
            joins::suite(class),
            source.clone(),
            durability.clone(),
            validation.clone(),
            class.acknowledge.map_or_else(|| "never".to_owned(), |every| grouped(every.into())),
        ]);
    }
    table
}

/// With one class the run's own table says it all.
fn classes(record: &Record) -> Table {
    let mut table = latency_table("class");
    if record.classes.len() < 2 {
        return table;
    }
    for class in &record.classes {
        let series = [
            ("response", &class.response),
            ("response of commits", &class.commit_response),
            ("fan-out, each member", &class.fanout_member),
            ("fan-out, last member", &class.fanout_last),
        ];
        for (name, of) in series.into_iter().filter(|(_, of)| of.count > 0) {
            table.push(latency_row(format!("{}: {name}", class.name), of));
        }
    }
    table
}

fn welcomed(record: &Record) -> Table {
    let mut table =
        Table::headed(["class", "KeyPackages", "bytes of each", "Welcomes", "bytes of each"]);
    for of in record.joins.iter().flat_map(|joins| &joins.welcomed) {
        table.push([
            of.class.clone(),
            grouped(of.key_packages),
            joins::mean(of.key_package_bytes, of.key_packages),
            grouped(of.welcomes),
            joins::mean(of.welcome_bytes, of.welcomes),
        ]);
    }
    table
}

fn those_who_came(record: &Record) -> Table {
    let mut table = latency_table("those who came in");
    joins::timed(record).into_iter().for_each(|(name, of)| table.push(latency_row(name, of)));
    table
}

fn periods(record: &Record) -> Table {
    let mut table = latency_table("class and period");
    for class in &record.classes {
        for period in &class.periods {
            let who = format!("{}, {}", class.name, period.period);
            table.push(latency_row(format!("{who}: response"), &period.response));
            table.push(latency_row(format!("{who}: last member"), &period.fanout_last));
        }
    }
    table
}

/// An empty table of latencies.
pub(super) fn latency_table(first: &str) -> Table {
    Table::headed([first, "p50", "p90", "p99", "p99.9", "longest", "values"])
}

/// A row of one.
pub(super) fn latency_row(name: String, of: &Distribution) -> Vec<String> {
    let known = |micros: u64| match of.count {
        0 => "-".to_owned(),
        _ => Unit::Micros.value(micros as f64),
    };
    let mut cells = vec![name];
    cells.extend([of.p50, of.p90, of.p99, of.p999, of.max].map(known));
    cells.push(grouped(of.count));
    cells
}
