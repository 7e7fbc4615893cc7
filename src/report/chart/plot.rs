//! A chart of values over an axis, as data: what there is to see, and the table that says it too.
//!
//! Styles are numbers from 1 to 6; each has a colour, a dash and a shape of its own, so that no
//! chart needs colour to be read. Drawn by `draw`.

use super::scale::Scale;
use super::table::Table;

/// A place on both axes, in their units.
pub type Point = (f64, f64);

/// Styles that lines and marks can be told apart by.
pub const STYLES: u8 = 6;

/// A chart with its words.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What refers to it; once in a page, letters and dashes alone.
    pub id: String,
    /// What it shows, in a few words.
    pub title: String,
    /// How to look at it: a sentence or two under the title.
    pub caption: String,
    /// What is to be seen, in words, for who does not see it.
    pub says: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Behind everything.
    pub bands: Vec<Band>,
    /// Over them, the first undermost.
    pub lines: Vec<Line>,
    /// Vertical lines with a name.
    pub rules: Vec<Rule>,
    /// Above all.
    pub marks: Vec<Mark>,
    /// Its figures.
    pub table: Table,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it counts.
    pub name: String,
    /// Where a value lies.
    pub scale: Scale,
}

/// A stretch of the axis from left to right.
#[derive(Clone, Debug)]
pub struct Band {
    /// Where it starts and ends.
    pub span: (f64, f64),
    /// What is written at its top, if it is wide enough.
    pub name: String,
    /// Whether it is shaded: what does not count for the headline is.
    pub shaded: bool,
}

/// A line through points.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// From 1 to [`STYLES`].
    pub style: u8,
    /// Drawn thinner than others.
    pub fine: bool,
    /// Pieces without a gap, each from left to right.
    pub pieces: Vec<Vec<Point>>,
}

/// A vertical line at a value of the axis.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where.
    pub at: f64,
    /// What is written at its top.
    pub name: String,
}

/// A point of its own.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Where.
    pub at: Point,
    /// From the lowest to the highest that it was, over it.
    pub range: Option<(f64, f64)>,
    /// From 1 to [`STYLES`].
    pub style: u8,
    /// Not filled in: its figure is a bound, and what is beyond is not known.
    pub hollow: bool,
    /// Crossed out: its figures do not count.
    pub void: bool,
}

impl Line {
    /// One through `points`, with a gap wherever there is none.
    #[must_use]
    pub fn with_gaps(
        name: &str,
        style: u8,
        points: impl IntoIterator<Item = Option<Point>>,
    ) -> Self {
        let mut pieces = vec![Vec::new()];
        for point in points {
            match (point, pieces.last_mut()) {
                (Some(point), Some(piece)) => piece.push(point),
                (None, Some(piece)) if !piece.is_empty() => pieces.push(Vec::new()),
                _ => {}
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        Self { name: name.to_owned(), style, fine: false, pieces }
    }

    /// The same, drawn thinner.
    #[must_use]
    pub fn fine(self) -> Self {
        Self { fine: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_there_is_no_point_and_goes_on_after() {
        let points = [None, Some((1.0, 1.0)), Some((2.0, 1.0)), None, None, Some((5.0, 1.0)), None];
        let pieces = Line::with_gaps("line", 1, points).pieces;
        assert_eq!(pieces, [vec![(1.0, 1.0), (2.0, 1.0)], vec![(5.0, 1.0)]]);
        assert!(Line::with_gaps("line", 1, [None, None]).pieces.is_empty());
    }
}
