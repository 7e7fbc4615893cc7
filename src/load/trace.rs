//! A replayed trace: when operations were due, and perhaps in which group and how large.
//!
//! One operation a line, in CSV: `at_s[,group[,bytes]]`, seconds since the start of the trace. Never
//! reads a file: the caller brings the text. Called by `scenario`, whose classes name traces.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use crate::limits::{OPERATIONS_MAX, PAYLOAD_BYTES_MAX, TRACE_BYTES_MAX};
use crate::place::Mistake;
use crate::units::Rate;

/// What a class replays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The file, as the scenario names it.
    pub file: String,
    events: Arc<[Event]>,
    hash: u128,
}

/// One operation of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the start of the trace.
    at: u64,
    /// The group's place within its class, if the trace says.
    pub group: Option<u32>,
    /// Plaintext bytes, if the trace says.
    pub bytes: Option<u32>,
}

/// The columns of a trace, in the order in which they stand if there is no header.
const COLUMNS: [&str; 3] = ["at_s", "group", "bytes"];

impl Trace {
    /// A trace that has not been read yet.
    #[must_use]
    pub fn named(file: String) -> Self {
        Self { file, events: Arc::default(), hash: 0 }
    }

    /// Reads a trace; `file` also names it in messages.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        let wrong = |line: usize, message: String| mistake(text, file, line, message);
        if text.len() > TRACE_BYTES_MAX {
            return Err(wrong(0, format!("{} bytes; at most {TRACE_BYTES_MAX}", text.len())));
        }
        let mut columns: Option<Vec<usize>> = None;
        let mut events: Vec<Event> = Vec::new();
        for (line, row) in text.lines().enumerate() {
            let row = row.trim();
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let cells: Vec<&str> = row.split(',').map(str::trim).collect();
            if columns.is_none() {
                let named = header(&cells).map_err(|message| wrong(line, message))?;
                let is_header = named.is_some();
                columns = Some(named.unwrap_or_else(|| (0..COLUMNS.len()).collect()));
                if is_header {
                    continue;
                }
            }
            let columns = columns.as_deref().unwrap_or_default();
            let event = event(&cells, columns).map_err(|message| wrong(line, message))?;
            if events.last().is_some_and(|before| before.at > event.at) {
                return Err(wrong(line, "earlier than the line before it".to_owned()));
            }
            if events.len() as u64 >= OPERATIONS_MAX {
                return Err(wrong(line, format!("more than {OPERATIONS_MAX} operations")));
            }
            events.push(event);
        }
        if events.last().is_none_or(|last| last.at == 0) {
            return Err(wrong(0, "no operation after the start: nothing to replay".to_owned()));
        }
        let hash = xxh3_128(text.as_bytes());
        Ok(Self { file: file.to_owned(), events: events.into(), hash })
    }

    /// Its operations, by instant.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The mean rate that it has by itself; `None` when no class could have it.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        let last = Duration::from_nanos(self.events.last()?.at).as_secs_f64();
        Rate::per_second(1)?.scaled(self.events.len() as f64 / last)
    }

    /// When an event is due that is replayed so that the mean rate is `rate`: exact, and as the
    /// trace says at the trace's own.
    #[must_use]
    pub fn instant(&self, event: &Event, rate: Rate) -> Duration {
        let Some(own) = self.rate() else { return Duration::from_nanos(event.at) };
        let ((mine, my_seconds), (theirs, their_seconds)) = (own.parts(), rate.parts());
        let faster = u128::from(theirs) * u128::from(my_seconds);
        let nanos = u128::from(event.at) * u128::from(mine) * u128::from(their_seconds) / faster;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The highest place of a group that it names.
    #[must_use]
    pub fn last_group(&self) -> Option<u32> {
        self.events.iter().filter_map(|event| event.group).max()
    }

    /// A hash of its text, for provenance.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.hash
    }
}

/// Where each column stands, by its name; `None` when the first row is an operation already.
fn header(cells: &[&str]) -> Result<Option<Vec<usize>>, String> {
    if cells.first().is_some_and(|cell| cell.starts_with(|first: char| first.is_ascii_digit())) {
        return Ok(None);
    }
    let unknown = cells.iter().find(|cell| !COLUMNS.contains(cell));
    if let Some(unknown) = unknown {
        return Err(format!("{unknown:?} is no column; they are {}", COLUMNS.join(", ")));
    }
    let place = |name: &&str| cells.iter().position(|cell| cell == name).unwrap_or(usize::MAX);
    let places: Vec<usize> = COLUMNS.iter().map(place).collect();
    if places[0] == usize::MAX {
        return Err("no column at_s".to_owned());
    }
    Ok(Some(places))
}

fn event(cells: &[&str], columns: &[usize]) -> Result<Event, String> {
    let known = columns.iter().filter(|place| **place != usize::MAX).count();
    if cells.len() > known {
        return Err(format!("{} cells; there are {known} columns", cells.len()));
    }
    let cell = |column: usize| {
        columns.get(column).and_then(|place| cells.get(*place)).filter(|cell| !cell.is_empty())
    };
    let at = cell(0).and_then(|cell| seconds(cell));
    let at =
        at.ok_or_else(|| "at_s is a number of seconds up to 86400, such as 12.5".to_owned())?;
    let whole = |column: usize, most: u64| match cell(column) {
        None => Ok(None),
        Some(text) => match text.parse::<u32>() {
            Ok(number) if u64::from(number) <= most => Ok(Some(number)),
            _ => Err(format!("{} is a whole number up to {most}, not {text:?}", COLUMNS[column])),
        },
    };
    let group = whole(1, u64::from(crate::limits::GROUPS_MAX) - 1)?;
    Ok(Event { at, group, bytes: whole(2, PAYLOAD_BYTES_MAX)? })
}

/// Seconds with at most nine decimals, as nanoseconds.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= 86_400)?;
    Some(whole * 1_000_000_000 + fraction)
}

/// A mistake at a line of the trace, from 0.
fn mistake(text: &str, file: &str, line: usize, message: String) -> Mistake {
    let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let length = text[start..].lines().next().unwrap_or_default().len();
    Mistake::at(file, text, start..start + length, String::new(), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(text: &str, line: usize, reason: &str) {
        let error = Trace::parse(text, "t.csv").unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("t.csv", line), "{error}");
        assert!(error.message.contains(reason), "{error}");
    }

    #[test]
    fn a_trace_has_instants_and_perhaps_groups_and_sizes() {
        let bare = Trace::parse("0\n0.5\n1.25\n", "t").unwrap();
        let at: Vec<u64> = bare.events().iter().map(|event| event.at).collect();
        assert_eq!(at, [0, 500_000_000, 1_250_000_000]);
        assert!(bare.events().iter().all(|event| event.group.is_none() && event.bytes.is_none()));
        let full =
            Trace::parse("# a comment\nat_s,bytes,group\n1,200,3\n\n2,,4\n3\n", "t").unwrap();
        let said: Vec<_> = full.events().iter().map(|event| (event.group, event.bytes)).collect();
        assert_eq!(said, [(Some(3), Some(200)), (Some(4), None), (None, None)]);
        assert_eq!(full.last_group(), Some(4));
    }

    #[test]
    fn a_mistake_names_its_line() {
        wrong("1\n2\n1.5\n", 3, "earlier than the line before");
        wrong("at_s,colour\n", 1, "\"colour\" is no column; they are at_s, group, bytes");
        wrong("group,bytes\n", 1, "no column at_s");
        wrong("1,2,3,4\n", 1, "4 cells; there are 3 columns");
        wrong("at_s\n1\n2,3\n", 3, "2 cells; there are 1");
        wrong("1\n-2\n", 2, "at_s is a number of seconds");
        wrong("1\n2,x\n", 2, "group is a whole number up to 199999, not \"x\"");
        wrong("1\n2,0,9999999\n", 2, "bytes is a whole number up to");
        wrong("1\n99999\n", 2, "up to 86400");
        wrong("", 1, "nothing to replay");
        wrong("0\n0\n", 1, "nothing to replay");
    }

    #[test]
    fn a_trace_is_replayed_as_it_is_or_at_another_mean_rate() {
        let trace = Trace::parse("0.1\n0.7\n1.5\n", "t").unwrap();
        let own = trace.rate().unwrap();
        assert_eq!(own.as_per_second(), 2.0);
        let at = |rate: Rate| -> Vec<u128> {
            let due = trace.events().iter().map(|event| trace.instant(event, rate));
            due.map(|due| due.as_millis()).collect()
        };
        assert_eq!(at(own), [100, 700, 1500]);
        assert_eq!(at(Rate::parse("4/s").unwrap()), [50, 350, 750]);
        assert_eq!(at(Rate::parse("60/min").unwrap()), [200, 1400, 3000]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z0-9_,.# \u{e9}\n-]{0,80}") {
            drop(Trace::parse(&text, "t").map_err(|error| error.to_string()));
        }
    }
}
