//! Bars of parts that add up: what something costs, and what of it could not have been saved.
//!
//! Each part is written out beside its bar; hatching tells parts apart where colour does not.
//! Called by `html`.

use maud::{Markup, html};

use super::draw::share;
use super::table::Table;
use super::unit::Unit;

/// A chart of bars with its words.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What refers to it; once in a page, letters and dashes alone.
    pub id: String,
    /// What it shows, in a few words.
    pub title: String,
    /// How to look at it.
    pub caption: String,
    /// What the lengths are.
    pub unit: Unit,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// From left to right.
    pub parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// Whether it is drawn hatched.
    pub hatched: bool,
}

impl Bar {
    fn length(&self) -> f64 {
        self.parts.iter().map(|part| part.value.max(0.0)).sum()
    }
}

impl Bars {
    /// The whole figure.
    #[must_use]
    pub fn draw(&self) -> Markup {
        let longest = self.bars.iter().map(Bar::length).fold(f64::MIN_POSITIVE, f64::max);
        let (title, says) = (format!("{}-title", self.id), format!("{}-says", self.id));
        html! {
            figure.chart id=(self.id) {
                figcaption { h3 { (self.title) } p { (self.caption) } }
                @for (index, bar) in self.bars.iter().enumerate() {
                    div.bar {
                        p.bar-name { (bar.name) " " strong { (self.unit.value(bar.length())) } }
                        svg role="img" aria-labelledby=(format!("{title}-{index} {says}-{index}")) {
                            title id=(format!("{title}-{index}")) { (self.title) ": " (bar.name) }
                            desc id=(format!("{says}-{index}")) { (self.spoken(bar)) }
                            (segments(bar, longest, &format!("{}-{index}", self.id)))
                        }
                        ul.legend {
                            @for part in &bar.parts {
                                li {
                                    span class=(if part.hatched { "chip hatched" } else { "chip" }) aria-hidden="true" {}
                                    (part.name) " " (self.unit.value(part.value))
                                }
                            }
                        }
                    }
                }
                details { summary { "These figures as a table" } (self.table().draw(&self.title)) }
            }
        }
    }

    fn spoken(&self, bar: &Bar) -> String {
        let parts = bar.parts.iter().map(|part| {
            let value = self.unit.value(part.value);
            format!("{}: {value}", part.name)
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    fn table(&self) -> Table {
        let mut table = Table::headed(["of", "part", "value", "share"]);
        for bar in &self.bars {
            let length = bar.length().max(f64::MIN_POSITIVE);
            for part in &bar.parts {
                table.push([
                    bar.name.clone(),
                    part.name.clone(),
                    self.unit.value(part.value),
                    Unit::Share.value(part.value.max(0.0) / length),
                ]);
            }
        }
        table
    }
}

fn segments(bar: &Bar, longest: f64, id: &str) -> Markup {
    let mut from = 0.0;
    let placed = bar.parts.iter().map(|part| {
        let start = from;
        from += part.value.max(0.0) / longest;
        (part, start, from - start)
    });
    let placed: Vec<_> = placed.collect();
    html! {
        pattern id=(format!("{id}-hatch")) width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
            line.hatch x1="0" x2="0" y1="0" y2="7" {}
        }
        @for (part, start, width) in placed {
            rect class=(if part.hatched { "part rest" } else { "part least" })
                fill=[part.hatched.then(|| format!("url(#{id}-hatch)"))]
                x=(share(start)) width=(share(width)) y="0" height="100%" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_parts_and_the_longest_takes_all_the_room() {
        let part = |value| Part { name: "part".to_owned(), value, hatched: false };
        let bars = Bars {
            id: "cost".to_owned(),
            title: "Cost".to_owned(),
            caption: String::new(),
            unit: Unit::Micros,
            bars: vec![
                Bar { name: "one".to_owned(), parts: vec![part(3.0), part(5.0)] },
                Bar { name: "two".to_owned(), parts: vec![part(2.0), part(-1.0)] },
            ],
        };
        let text = bars.draw().into_string();
        for says in [
            r#"x="0.00%" width="37.50%""#,
            r#"x="37.50%" width="62.50%""#,
            r#"x="0.00%" width="25.00%""#,
            r#"x="25.00%" width="0.00%""#,
            "<td>3.00 µs</td><td>37.5%</td>",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}
