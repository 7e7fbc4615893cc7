//! Thresholds as a scenario writes them: a line, or a table that says more.
//!
//! A mistake is placed at its character, inside the line. Called by `Scenario::parse`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use crate::load::threshold::Threshold;
use crate::place::Mistake;

/// `"violations == 0"`, or `{ that = "violations == 0", abort = false }`.
pub(super) struct WrittenThreshold {
    that: String,
    abort: bool,
}

/// Reads all of them.
///
/// # Errors
/// The first mistake, at its character.
pub(super) fn read(
    written: Vec<Spanned<WrittenThreshold>>,
    file: &str,
    text: &str,
) -> Result<Vec<Threshold>, Mistake> {
    let read = |(index, written): (usize, Spanned<WrittenThreshold>)| {
        let span = written.span();
        let WrittenThreshold { that, abort } = written.into_inner();
        let threshold = Threshold::parse(&that).map_err(|fault| {
            // A line with escapes is not in the text as it is; the whole of it is then to blame.
            let line = text.get(span.clone()).and_then(|whole| whole.find(&that));
            let place = line.map_or_else(
                || span.clone(),
                |line| {
                    let start = span.start + line;
                    start + fault.span.start..start + fault.span.end
                },
            );
            Mistake::at(file, text, place, format!("thresholds[{index}]"), fault.message)
        })?;
        Ok(Threshold { abort, ..threshold })
    };
    written.into_iter().enumerate().map(read).collect()
}

impl<'de> Deserialize<'de> for WrittenThreshold {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = WrittenThreshold;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a threshold such as \"violations == 0\", or a table with `that` and `abort`")
    }

    fn visit_str<E: de::Error>(self, that: &str) -> Result<WrittenThreshold, E> {
        Ok(WrittenThreshold { that: that.to_owned(), abort: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenThreshold, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            that: String,
            #[serde(default = "yes")]
            abort: bool,
        }
        let Table { that, abort } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(WrittenThreshold { that, abort })
    }
}

fn yes() -> bool {
    true
}
