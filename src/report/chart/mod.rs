//! Charts as inline SVG: scales, ticks, units, lines, and the table beside each chart.
//!
//! Pure: data in, markup out. Knows no record and what no figure means. The plotting area has the
//! width that its page gives it, so places are shares of it, and text keeps its size at any width.
//! Called by `html`, and by `campaign` for the curves of several runs.

pub mod bars;
pub mod draw;
pub mod plot;
pub mod scale;
pub mod table;
pub mod thin;
pub mod unit;

pub use bars::{Bar, Bars, Part};
pub use plot::{Axis, Band, Line, Mark, Plot, Point, Rule};
pub use scale::Scale;
pub use table::{Row, Table};
pub use unit::Unit;
