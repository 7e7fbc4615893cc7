//! What a result says against itself short of being invalid: drift, the pacer, the machine.

use maud::html;

use super::page::Section;
use crate::report::chart::{Table, Unit};
use crate::report::record::Record;
use crate::report::summary::grouped;

pub(super) fn section(record: &Record) -> Option<Section> {
    let (drifts, pacer, strain) = (drifts(record), pacer(record), strain(record));
    if drifts.rows.is_empty() && pacer.rows.is_empty() && strain.rows.is_empty() {
        return None;
    }
    let body = html! {
        p {
            "What could have shaped the figures beside the service. What makes them worthless is in the verdict; what is only worth knowing is under it."
        }
        (drifts.draw("Drift over the measured window"))
        (pacer.draw("How late the load generator woke before the load, with nothing else to do"))
        (strain.draw("What the machine and the load generator had to spare"))
    };
    Section::of("doubt", "Reasons for doubt", body)
}

fn drifts(record: &Record) -> Table {
    let mut table =
        Table::headed(["figure", "median", "change an hour", "95% interval", "chance", "verdict"]);
    for of in &record.drift {
        let unit = unit_of(&of.metric);
        let signed = |value: f64| {
            format!("{}{}", if value < 0.0 { "-" } else { "+" }, unit.value(value.abs()))
        };
        let moves = if of.drifts { "drifts" } else { "steady" };
        table.push([
            of.metric.replace('_', " "),
            unit.value(of.level),
            signed(of.per_hour),
            format!("{} to {}", signed(of.per_hour_low), signed(of.per_hour_high)),
            of.chance.map_or_else(|| "-".to_owned(), chance),
            moves.to_owned(),
        ]);
    }
    table
}

/// Of what moves as consistently where nothing drifts, all figures together.
fn chance(of: f64) -> String {
    if of < 0.001 { "< 0.1%".to_owned() } else { Unit::Share.value(of) }
}

/// A metric's name ends in its unit.
fn unit_of(metric: &str) -> Unit {
    match metric {
        bytes if bytes.ends_with("_bytes") => Unit::Bytes,
        micros if micros.contains("_us") => Unit::Micros,
        _ => Unit::Count,
    }
}

fn pacer(record: &Record) -> Table {
    let mut table = Table::headed(["instants a second", "p50", "p99", "longest", "instants"]);
    for of in &record.engine.pacer {
        let late = of.lateness;
        let micros = |value: u64| Unit::Micros.value(value as f64);
        table.push([
            grouped(of.per_second.into()),
            micros(late.p50),
            micros(late.p99),
            micros(late.max),
            grouped(late.count),
        ]);
    }
    table
}

fn strain(record: &Record) -> Table {
    let mut table = Table::headed(["", "value"]);
    let host = record.host.unwrap_or_default();
    let shares = [
        ("the engine's sending and receiving thread was busy", record.engine.worker_busy_share),
        ("the machine's time went to other guests of its host", host.steal_share),
    ];
    for (name, share) in shares {
        if let Some(share) = share {
            table.push([name.to_owned(), Unit::Share.value(share)]);
        }
    }
    if let Some(drops) = host.receive_drops {
        table.push(["receives dropped by the kernel, of all sockets".to_owned(), grouped(drops)]);
        let own = grouped(record.engine.receive_drops);
        table.push(["of them the engine's".to_owned(), own]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::oracle::Judgement;
    use crate::report::doubt::{DriftRecord, HostUse};
    use crate::report::tests::finished;

    #[test]
    fn what_drifts_and_what_the_machine_did_meanwhile_is_told_in_units_of_its_own() {
        let mut record = finished(&Judgement::default(), false);
        let drift = |metric: &str, level, per_hour, drifts| DriftRecord {
            metric: metric.to_owned(),
            level,
            per_hour,
            per_hour_low: -1024.0,
            per_hour_high: 2048.0,
            drifts,
            chance: drifts.then_some(1e-5),
            ..DriftRecord::default()
        };
        record.drift = vec![
            drift("server_rss_bytes", 1_048_576.0, 1024.0, true),
            drift("response_p99_us", 900.0, -12_340.0, false),
        ];
        record.host = Some(HostUse { steal_share: Some(0.25), receive_drops: Some(7) });
        let page = section(&record).map(|section| section.body.into_string()).unwrap_or_default();
        for says in [
            "<th scope=\"row\">server rss bytes</th><td>1.00 MiB</td><td>+1.00 KiB</td>\
             <td>-1.00 KiB to +2.00 KiB</td><td>&lt; 0.1%</td><td>drifts</td>",
            "<td>900 µs</td><td>-12.3 ms</td><td>-1.02 ms to +2.05 ms</td><td>-</td><td>steady</td>",
            "other guests of its host</th><td>25.0%</td>",
            "of all sockets</th><td>7</td>",
        ] {
            assert!(page.contains(says), "{says}: {page}");
        }
    }
}
