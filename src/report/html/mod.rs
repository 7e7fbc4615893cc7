//! A result as one page to read and to share: `report.html`.
//!
//! One file that loads nothing: its style and its few lines of script are in it, and it tells its
//! reader's browser to refuse anything else. Whoever turns scripts off misses nothing but values
//! under the pointer. All text that comes from a record is escaped. Pure: a record in, a string out. Called by
//! `folder` for every run, by `cli` for older records, and by `campaign` for the frame of its own
//! pages.

mod away;
mod classes;
mod completion;
mod contention;
mod cost;
mod curve;
mod doubt;
mod figures;
mod oracle;
mod origin;
mod page;
mod quantiles;
mod reading;
mod slow;
mod thresholds;
mod time;
mod verdict;

#[cfg(test)]
pub(crate) mod sound;
#[cfg(test)]
mod tests;

pub use figures::{Figure, figures};
pub use origin::origin;
pub use page::{Section, page};
pub use verdict::banner;

use maud::html;

use super::record::Record;

/// The name of its file.
pub const FILE: &str = "report.html";

/// The page of a run.
#[must_use]
pub fn render(record: &Record) -> String {
    let sections = [
        figures::section(record),
        time::section(record),
        quantiles::section(record),
        completion::section(record),
        cost::section(record),
        classes::section(record),
        contention::section(record),
        away::section(record),
        slow::section(record),
        oracle::section(record),
        doubt::section(record),
        origin::section(&record.provenance),
        Some(reading::section()),
    ];
    let sections: Vec<Section> = sections.into_iter().flatten().collect();
    let of = &record.provenance;
    let title = format!("{}: {}", of.scenario, record.verdict.status.name());
    let head = html! { (verdict::head(record)) };
    page(&title, &of.scenario, &head, &sections)
}
