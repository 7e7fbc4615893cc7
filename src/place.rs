//! Where in a TOML file a mistake stands: line, column, field, and the line itself.
//!
//! Never judges what is written; it only finds things in the text, and the name that was nearly
//! written. Called by whoever reads a file
//! that people write: `load` for scenarios, `server` for settings.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// A mistake in a file, as its author can act on it: prints as [`Mistake::one_line`], then the line
/// it stands on and a caret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The file's name as the caller gave it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Such as `groups[0].rate`; empty when the text is not TOML at all.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The line it stands on.
    pub source_line: String,
    /// How many characters to underline, at least 1.
    pub width: usize,
}

impl Mistake {
    /// The mistake that `error` found in `text`.
    #[must_use]
    pub fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let field = field_at(text, &span).unwrap_or_default();
        Self::at(file, text, span, field, error.message().trim().replace('\n', ", "))
    }

    /// A mistake in `field`; placed at what encloses the field where the text leaves it out.
    #[must_use]
    pub fn in_field(file: &str, text: &str, field: &str, message: String) -> Self {
        let span = span_of(text, field).unwrap_or(0..0);
        Self::at(file, text, span, field.to_owned(), message)
    }

    /// A mistake at a range of bytes of `text`, in `field`.
    #[must_use]
    pub fn at(file: &str, text: &str, span: Range<usize>, field: String, message: String) -> Self {
        let start = floor_to_char(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let source_line = text[line_start..].lines().next().unwrap_or_default().to_owned();
        let column = text[line_start..start].chars().count() + 1;
        let end = floor_to_char(text, span.end.max(start));
        let underlined = text[start..end].lines().next().unwrap_or_default().chars().count();
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column,
            field,
            message,
            source_line,
            width: underlined.max(1),
        }
    }

    /// `file:line:column: field: message`.
    #[must_use]
    pub fn one_line(&self) -> String {
        let Self { file, line, column, field, message, .. } = self;
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        format!("{file}:{line}:{column}: {field}{message}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.one_line())?;
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{gutter} |\n{number} | {}", self.source_line)?;
        let indent = " ".repeat(self.column.saturating_sub(1));
        write!(f, "{gutter} | {indent}{}", "^".repeat(self.width))
    }
}

fn floor_to_char(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The path of the innermost field that holds `span`.
fn field_at(text: &str, span: &Range<usize>) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let mut path = String::new();
    in_table(table.get_ref(), span, &mut path).then_some(path)
}

fn in_table(table: &DeTable<'_>, span: &Range<usize>, path: &mut String) -> bool {
    table.iter().any(|(key, value)| {
        let before = path.len();
        if before > 0 {
            path.push('.');
        }
        path.push_str(key.get_ref());
        let found = in_value(value.get_ref(), span, path)
            || holds(&key.span(), span)
            || holds(&value.span(), span);
        if !found {
            path.truncate(before);
        }
        found
    })
}

fn in_value(value: &DeValue<'_>, span: &Range<usize>, path: &mut String) -> bool {
    match value {
        DeValue::Table(table) => in_table(table, span, path),
        DeValue::Array(items) => items.iter().enumerate().any(|(index, item)| {
            let before = path.len();
            path.push_str(&format!("[{index}]"));
            let found = in_value(item.get_ref(), span, path) || holds(&item.span(), span);
            if !found {
                path.truncate(before);
            }
            found
        }),
        _ => false,
    }
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Where the value of `field` stands, or the innermost thing around it that the text has.
fn span_of(text: &str, field: &str) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut span = None;
    for step in field.split('.') {
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(mut value) = table.iter().find_map(|(k, v)| (k.get_ref() == name).then_some(v))
        else {
            break;
        };
        if let (Some(index), Some(items)) = (index, value.get_ref().as_array()) {
            value = items.get(index)?;
        }
        span = Some(value.span());
        let Some(inner) = value.get_ref().as_table() else { break };
        table = inner;
    }
    span
}

/// Fewest insertions, deletions and replacements that turn one name into the other.
#[must_use]
pub fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, wanted) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, &found) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(wanted != found);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[[groups]]\nname = \"é\"\nrate = 7\n[[groups]]\nrate = 9\n";

    #[test]
    fn a_field_is_found_at_its_value() {
        let error = Mistake::in_field("f.toml", TEXT, "groups[1].rate", "too fast".into());
        assert_eq!((error.line, error.column), (6, 8));
        assert_eq!(
            error.to_string(),
            "f.toml:6:8: groups[1].rate: too fast\n  |\n6 | rate = 9\n  |        ^"
        );
    }

    #[test]
    fn a_field_left_out_is_placed_at_the_table_that_lacks_it() {
        let error = Mistake::in_field("f.toml", TEXT, "groups[0].racers", "none".into());
        assert_eq!(error.line, 2);
    }

    #[test]
    fn a_span_is_named_by_its_innermost_field() {
        let at = TEXT.find('9').unwrap();
        assert_eq!(field_at(TEXT, &(at..at + 1)).unwrap(), "groups[1].rate");
    }

    #[test]
    fn a_span_beyond_the_text_or_inside_a_character_does_not_panic() {
        let inside = TEXT.find('é').unwrap() + 1;
        for span in [inside..inside, inside..inside + 1, 9_999..10_000] {
            let _ = Mistake::at("f", TEXT, span, String::new(), String::new()).to_string();
        }
    }
}
