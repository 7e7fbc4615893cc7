//! What a delivery costs the server, and how much of it no service could have saved.

use maud::{Markup, html};

use super::page::Section;
use crate::report::chart::{Bar, Bars, Part, Table, Unit};
use crate::report::record::{Record, ServerUse};
use crate::report::summary::{decimal, grouped};

pub(super) fn section(record: &Record) -> Option<Section> {
    let body = html! {
        @match &record.server {
            Some(server) => {
                (of_server(server))
                (table(record).draw("What both sides spent on the measured window"))
            },
            None => p { "The server was not observed over the whole measured window, and so neither was the engine." },
        }
    };
    Section::of("cost", "Cost of a delivery", body)
}

fn of_server(server: &ServerUse) -> Markup {
    html! {
        @if let Some(cpu) = server.cpu_us_per_delivery { (bars(server, cpu).draw()) }
        @match (&server.floor, &server.floor_missing) {
            (Some(floor), _) => p {
                "The floor (F3) was measured on the same machine right after the load: one lookup, one sealed packet and one send of "
                (grouped(floor.bytes)) " bytes to each of " (grouped(floor.members.into()))
                " members, with nothing around it. "
                @if floor.share <= 1.0 { "What lies above it is the service's to explain or to remove." }
                @else { "It came out above what a delivery cost, so something else had the machine meanwhile, or the build is not optimised." }
            },
            (None, Some(why)) => p { "The floor was not measured: " (why) "." },
            (None, None) => {},
        }
    }
}

fn bars(server: &ServerUse, cpu: f64) -> Bars {
    let part = |name: &str, value: f64, hatched| Part { name: name.to_owned(), value, hatched };
    let bar = |name: &str, parts| Bar { name: name.to_owned(), parts };
    let least = server.floor.map(|floor| floor.cpu_us_per_delivery);
    let no_less = "floor, which no service can save";
    let bars = match least {
        Some(least) if least <= cpu => {
            let rest = part("above the floor", cpu - least, true);
            vec![bar("each delivery", vec![part(no_less, least, false), rest])]
        }
        // Then the two were not measured in equal circumstances, and each has its own bar.
        Some(least) => vec![
            bar("each delivery", vec![part("server", cpu, true)]),
            bar("the floor", vec![part(no_less, least, false)]),
        ],
        None => vec![bar("each delivery", vec![part("server", cpu, false)])],
    };
    Bars {
        id: "cpu-per-delivery".to_owned(),
        title: "Processor time of one message to one member".to_owned(),
        caption: "Of the server, user and system, over the measured window, divided by its \
                  deliveries."
            .to_owned(),
        unit: Unit::Micros,
        bars,
    }
}

fn table(record: &Record) -> Table {
    let mut table = Table::headed(["", "server", "load engine"]);
    let Some(server) = &record.server else { return table };
    let engine = &record.engine;
    let seconds = |micros: u64| format!("{:.2} s", micros as f64 / 1e6);
    let bytes = |bytes: u64| Unit::Bytes.value(bytes as f64);
    let each = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), decimal);
    let none = || "-".to_owned();
    let mut row = |name: &str, server: String, engine: String| {
        table.push([name.to_owned(), server, engine]);
    };
    row("processor time", seconds(server.cpu_us), seconds(engine.cpu_us));
    row("memory at the end", bytes(server.rss_bytes), bytes(engine.rss_bytes));
    row("memory at most", bytes(server.rss_peak_bytes), bytes(engine.rss_peak_bytes));
    row("packets per delivery", each(server.packets_per_delivery), none());
    row("system calls per delivery", each(server.syscalls_per_delivery), none());
    if let Some(idle) = server.idle {
        row("memory per member that is only there", bytes(idle.bytes_per_member), none());
    }
    row("TLS handshakes", grouped(server.handshakes), none());
    row("of them resumed", grouped(server.handshakes_resumed), none());
    row("operations in flight, mean", none(), decimal(engine.in_flight_mean));
    table
}
