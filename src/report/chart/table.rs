//! The table beside a chart: the same figures for who reads or listens.
//!
//! Its rows also say where on the chart they belong, so that a page's script can show them there.
//! Called by `draw` and by every section with a table of its own.

use maud::{Markup, html};

/// Rows under a head; the first column names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// As many cells as the head.
    pub rows: Vec<Row>,
    /// Whether its last column is sentences, which are broken into lines.
    pub told: bool,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Where on the chart's axis it belongs, from 0 to 1.
    pub place: Option<f64>,
    /// Its cells, as text.
    pub cells: Vec<String>,
}

impl Row {
    /// A row that belongs nowhere on a chart.
    #[must_use]
    pub fn of(cells: impl IntoIterator<Item = String>) -> Self {
        Self { place: None, cells: cells.into_iter().collect() }
    }
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn headed<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), rows: Vec::new(), told: false }
    }

    /// A row more.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(Row::of(cells));
    }

    /// As markup; nothing if there is no row. Wider than its page it scrolls by itself.
    #[must_use]
    pub fn draw(&self, caption: &str) -> Markup {
        html! {
            @if !self.rows.is_empty() {
                div.scroll tabindex="0" role="region" aria-label=(caption) {
                    table.told[self.told] {
                        caption { (caption) }
                        thead { tr { @for name in &self.head { th scope="col" { (name) } } } }
                        tbody {
                            @for row in &self.rows {
                                tr data-x=[row.place.map(|place| format!("{place:.4}"))] {
                                    @for (index, cell) in row.cells.iter().enumerate() {
                                        @if index == 0 { th scope="row" { (cell) } }
                                        @else { td { (cell) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
