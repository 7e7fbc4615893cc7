//! What came of members that read slowly.

use maud::html;

use super::classes::{latency_row, latency_table};
use super::page::Section;
use crate::report::record::Record;
use crate::report::slow::of_classes;

pub(super) fn section(record: &Record) -> Option<Section> {
    of_classes(record).next()?;
    let mut table = latency_table("class");
    for (name, of) in of_classes(record) {
        table.push(latency_row(name.to_owned(), &of.delay));
    }
    let body = html! {
        @for (name, of) in of_classes(record) { p { (name) ": " (of.line()) "." } }
        (table.draw("From when a message was due to when a slow member had it"))
        p.faint { "No message waits for them, and fan-out is of the others: whether those felt anything is in their own figures." }
    };
    Section::of("slow", "Members that read slowly", body)
}
