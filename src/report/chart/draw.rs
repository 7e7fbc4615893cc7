//! A plot as markup: a figure with its caption, its legend, its SVG and its table.
//!
//! The SVG has no view box: places are percentages of the room that the page gives it, so text,
//! strokes and marks keep their size from a telephone's width to a desk's. Only the paths of lines
//! are stretched, and their strokes are not. Called by `html` and `campaign`.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::plot::{Band, Line, Mark, Plot, Rule, STYLES};
use super::scale::Tick;
use super::thin::thin;
use crate::limits::CHART_POINTS_MAX;

/// Width and height of the box that paths are drawn in before they are stretched.
const BOX: f64 = 1_000.0;

/// Narrowest band with its name at its top, as a share of the axis; and where there is little room.
const NAMED_BAND: (f64, f64) = (0.08, 0.22);

/// Pixels between the names of two rules that stand one below the other.
const RULE_NAME_STEP: usize = 16;

impl Plot {
    /// The whole figure.
    #[must_use]
    pub fn draw(&self) -> Markup {
        let (title, says) = (format!("{}-title", self.id), format!("{}-says", self.id));
        html! {
            figure.chart id=(self.id) {
                figcaption {
                    h3 { (self.title) }
                    p { (self.caption) }
                }
                (self.legend())
                div.plot data-plot {
                    p.y-name { (self.y.name) @if self.y.scale.is_log() { span.faint { " (log scale)" } } }
                    svg role="img" aria-labelledby=(format!("{title} {says}")) {
                        title id=(title) { (self.title) }
                        desc id=(says) { (self.says) }
                        @for band in &self.bands { (self.band(band)) }
                        @for tick in self.y.scale.ticks() { (y_tick(&tick)) }
                        @for tick in self.x.scale.ticks() { (x_tick(&tick)) }
                        rect.frame x="0" y="0" width="100%" height="100%" {}
                        (self.paths())
                        @for (index, rule) in self.rules.iter().enumerate() { (self.rule(index, rule)) }
                        @for mark in &self.marks { (self.mark(mark)) }
                    }
                    p.x-name { (self.x.name) @if self.x.scale.is_log() { span.faint { " (log scale)" } } }
                }
                @if !self.table.rows.is_empty() {
                    details { summary { "These figures as a table" } (self.table.draw(&self.title)) }
                }
            }
        }
    }

    /// Nothing where there is one line without a mark: the title names it.
    fn legend(&self) -> Markup {
        let void = self.marks.iter().any(|mark| mark.void);
        let hollow = self.marks.iter().any(|mark| mark.hollow && !mark.void);
        html! {
            @if self.lines.len() > 1 || void || hollow {
                ul.legend {
                    @for line in &self.lines {
                        @let marked = self.marks.iter().any(|mark| mark.style == line.style);
                        li {
                            svg.swatch aria-hidden="true" {
                                line class=(line_class(line)) x1="0" x2="30" y1="7" y2="7" {}
                                @if marked { (shape("15", "7", line.style, Fill::Full)) }
                            }
                            (line.name)
                        }
                    }
                    @if hollow {
                        li { svg.swatch aria-hidden="true" { (shape("15", "7", 1, Fill::Hollow)) } "at least: no upper bound is known" }
                    }
                    @if void {
                        li { svg.swatch aria-hidden="true" { (shape("15", "7", 1, Fill::Void)) } "does not count: not valid" }
                    }
                }
            }
        }
    }

    fn band(&self, band: &Band) -> Markup {
        let (from, to) = (self.x.scale.place(band.span.0), self.x.scale.place(band.span.1));
        let width = to - from;
        let class = if band.shaded { "band shaded" } else { "band" };
        html! {
            rect class=(class) x=(share(from)) y="0" width=(share(width)) height="100%" {}
            @if width >= NAMED_BAND.0 {
                text class=(if width < NAMED_BAND.1 { "band-name spare" } else { "band-name" })
                    x=(share(f64::midpoint(from, to))) y="-6" { (band.name) }
            }
            @if from > 0.0 { line.edge x1=(share(from)) x2=(share(from)) y1="0" y2="100%" {} }
        }
    }

    fn paths(&self) -> Markup {
        html! {
            svg width="100%" height="100%" viewBox={ "0 0 " (BOX) " " (BOX) } preserveAspectRatio="none" {
                @for line in &self.lines {
                    path class=(line_class(line)) d=(self.path(line)) {}
                }
            }
        }
    }

    /// A piece of one point is drawn as a dot: the caps of its stroke are round.
    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        for piece in &line.pieces {
            let points = thin(piece, CHART_POINTS_MAX);
            for (index, (x, y)) in points.iter().enumerate() {
                let letter = if index == 0 { 'M' } else { 'L' };
                let x = self.x.scale.place(*x) * BOX;
                let y = (1.0 - self.y.scale.place(*y)) * BOX;
                write!(path, "{letter}{x:.1} {y:.1}").expect("a string takes all");
            }
            if points.len() == 1 {
                path.push_str("h0");
            }
        }
        path
    }

    fn rule(&self, index: usize, rule: &Rule) -> Markup {
        let place = self.x.scale.place(rule.at);
        let (anchor, beside) = if place > 0.5 { ("end", -6) } else { ("start", 6) };
        html! {
            line.rule x1=(share(place)) x2=(share(place)) y1="0" y2="100%" {}
            text.rule-name x=(share(place)) dx=(beside) y=(18 + index * RULE_NAME_STEP)
                text-anchor=(anchor) { (rule.name) }
        }
    }

    fn mark(&self, mark: &Mark) -> Markup {
        let x = share(self.x.scale.place(mark.at.0));
        let y = |value| share(1.0 - self.y.scale.place(value));
        html! {
            @if let Some((low, high)) = mark.range {
                line class=(format!("range s{}", style(mark.style))) x1=(x) x2=(x) y1=(y(low)) y2=(y(high)) {}
            }
            (shape(&x, &y(mark.at.1), mark.style, Fill::of(mark)))
        }
    }
}

fn y_tick(tick: &Tick) -> Markup {
    let place = share(1.0 - tick.place);
    html! {
        line class=(grid_class(tick)) x1="0" x2="100%" y1=(place) y2=(place) {}
        text.y-tick x="-8" y=(place) dy="0.32em" { (tick.text) }
    }
}

fn x_tick(tick: &Tick) -> Markup {
    let place = share(tick.place);
    let anchor = if tick.place > 0.97 { "end" } else { "middle" };
    html! {
        line class=(grid_class(tick)) x1=(place) x2=(place) y1="0" y2="100%" {}
        text class=(if tick.spare { "x-tick spare" } else { "x-tick" })
            x=(place) y="100%" dy="18" text-anchor=(anchor) { (tick.text) }
    }
}

fn grid_class(tick: &Tick) -> &'static str {
    if tick.spare { "grid spare" } else { "grid" }
}

fn line_class(line: &Line) -> String {
    format!("line s{}{}", style(line.style), if line.fine { " fine" } else { "" })
}

fn style(of: u8) -> u8 {
    of.clamp(1, STYLES)
}

/// How the shape of a mark is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    Full,
    Hollow,
    /// Not, and crossed out.
    Void,
}

impl Fill {
    fn of(mark: &Mark) -> Self {
        match (mark.void, mark.hollow) {
            (true, _) => Self::Void,
            (false, true) => Self::Hollow,
            (false, false) => Self::Full,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Hollow => " hollow",
            Self::Void => " void",
        }
    }
}

/// A mark of a style's shape around a place.
fn shape(x: &str, y: &str, of: u8, fill: Fill) -> Markup {
    let outline = match style(of) {
        1 => "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
        2 => "M-4 -4H4V4H-4Z",
        3 => "M0 -5.5L5 4H-5Z",
        4 => "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
        5 => "M0 5.5L5 -4H-5Z",
        _ => "M-5 -1.5H-1.5V-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5Z",
    };
    html! {
        svg.mark x=(x) y=(y) {
            path class=(format!("shape s{}{}", style(of), fill.class())) d=(outline) {}
            @if fill == Fill::Void { path.cross d="M-7 -7L7 7M-7 7L7 -7" {} }
        }
    }
}

/// As SVG writes a share of its room.
#[must_use]
pub fn share(of: f64) -> String {
    format!("{:.2}%", of * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::{Axis, Scale, Table, Unit};

    fn plot() -> Plot {
        let axis = |name: &str, to| Axis {
            name: name.to_owned(),
            scale: Scale::linear(Unit::Count, 0.0, [to]),
        };
        let points = (0..5_000_u32).map(|x| Some((f64::from(x), f64::from(x % 7))));
        let mark = |void| {
            let hollow = false;
            Mark { at: (2_500.0, 3.0), range: Some((1.0, 6.0)), style: 2, hollow, void }
        };
        Plot {
            id: "a".to_owned(),
            title: "<b>".to_owned(),
            caption: String::new(),
            says: "\"&".to_owned(),
            x: axis("x", 5_000.0),
            y: axis("y", 10.0),
            bands: vec![Band { span: (0.0, 1_000.0), name: "warm-up".to_owned(), shaded: true }],
            lines: vec![Line::with_gaps("one", 1, points), Line::with_gaps("two", 2, [None])],
            rules: vec![Rule { at: 4_000.0, name: "last".to_owned() }],
            marks: vec![mark(false), mark(true)],
            table: Table::default(),
        }
    }

    #[test]
    fn everything_lies_inside_of_the_drawing_and_text_is_escaped() {
        let text = plot().draw().into_string();
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
        let shares = text.split('"').filter_map(|word| word.strip_suffix('%'));
        let shares: Vec<f64> = shares.filter_map(|share| share.parse().ok()).collect();
        assert!(shares.len() > 20 && shares.iter().all(|share| (0.0..=100.0).contains(share)));
        let path = text.split(" d=\"M0.0 ").nth(1).unwrap();
        let path = path.split_once('"').unwrap().0;
        assert!(path.matches('L').count() < CHART_POINTS_MAX, "{}", path.len());
    }

    #[test]
    fn a_mark_that_does_not_count_is_crossed_out_and_the_legend_says_so() {
        let mut plot = plot();
        assert!(plot.draw().into_string().contains("does not count: not valid"));
        plot.marks.retain(|mark| !mark.void);
        assert!(!plot.draw().into_string().contains("does not count"));
    }

    #[test]
    fn a_bound_is_hollow_and_the_legend_says_so() {
        let mut plot = plot();
        assert!(!plot.draw().into_string().contains("at least"));
        plot.marks[0].hollow = true;
        let text = plot.draw().into_string();
        assert!(text.contains("at least: no upper bound is known"), "{text}");
        assert_eq!(text.matches("shape s2 hollow").count(), 1);
    }

    #[test]
    fn a_point_alone_is_drawn_and_what_no_scale_holds_is_not_outside() {
        let mut plot = plot();
        plot.lines = vec![Line::with_gaps("one", 1, [Some((f64::NAN, 1e99))])];
        assert!(plot.draw().into_string().contains("d=\"M0.0 0.0h0\""));
    }
}
