//! What came of members that went away.

use maud::html;

use super::classes::{latency_row, latency_table};
use super::page::Section;
use crate::report::chart::Unit;
use crate::report::record::Record;
use crate::report::summary::grouped;

pub(super) fn section(record: &Record) -> Option<Section> {
    let of = record.returns.as_ref()?;
    let mut table = latency_table("members that came back");
    table.push(latency_row(
        "attached again (from the start of the handshake)".to_owned(),
        &of.reconnect,
    ));
    table.push(latency_row("caught up (from the same)".to_owned(), &of.catch_up));
    table.push(latency_row(
        "start of the handshake (from when it was due)".to_owned(),
        &of.lateness,
    ));
    let body = html! {
        p {
            (grouped(of.away)) " members went away, " (grouped(of.back)) " came back, "
            (grouped(of.caught_up)) " of them got everything they had missed. They came back at "
            (Unit::Count.value(of.reconnects_per_s)) "/s; " (grouped(of.resumed))
            " of their handshakes were resumed."
            @if of.resyncs > 0 || record.counts.excused > 0 {
                " " (grouped(of.resyncs)) " times a member was told to go on without what it had missed, which lets it off "
                (grouped(record.counts.excused)) " deliveries."
            }
        }
        (table.draw("How members came back"))
        p.faint { "What they missed and got later is no part of fan-out, which is of the members that were there." }
    };
    Section::of("away", "Members that were away", body)
}
