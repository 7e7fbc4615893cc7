//! Reading a threshold: `metric[{group=NAME}|{phase=NAME}][.stat] op quantity`.

use std::ops::Range;

use super::metric::{Counted, Metric, NAMES, Named, STATS, Scope, Stat, Timed};
use super::{Comparison, Fault, Threshold};
use crate::place::edits;
use crate::units;

/// What is left to read.
struct Reader<'a> {
    line: &'a str,
    at: usize,
}

/// A word and where it stands.
struct Word<'a> {
    text: &'a str,
    span: Range<usize>,
}

/// Reads a whole line.
pub(super) fn threshold(line: &str) -> Result<Threshold, Fault> {
    let mut reader = Reader { line, at: 0 };
    reader.skip_spaces();
    let name = reader.word();
    let named = metric_of(&name)?;
    let scope = reader.scope()?;
    let stat = reader.stat()?;
    reader.skip_spaces();
    let comparison = reader.comparison()?;
    reader.skip_spaces();
    let quantity = reader.rest();
    let metric = complete(&name, named, scope, stat, &quantity)?;
    let bound = bound(&metric, &quantity)?;
    Ok(Threshold { text: line.trim().to_owned(), metric, comparison, bound, abort: true })
}

fn metric_of(name: &Word<'_>) -> Result<Named, Fault> {
    if let Some((_, named)) = NAMES.iter().find(|(known, _)| *known == name.text) {
        return Ok(*named);
    }
    let known = NAMES.map(|(known, _)| known);
    let message = if name.text.is_empty() {
        format!("a threshold begins with a metric: {}", known.join(", "))
    } else {
        format!("there is no metric {:?}; {}", name.text, nearest(name.text, &known))
    };
    Err(name.fault(message))
}

/// The names that come next to what was written, nearest first.
fn nearest(written: &str, known: &[&str]) -> String {
    let mut known = known.to_vec();
    known.sort_by_key(|name| edits(written, name));
    format!("did you mean {}?", known[..known.len().min(3)].join(", "))
}

/// A metric with all that its name asks for.
fn complete(
    name: &Word<'_>,
    named: Named,
    scope: Option<(Scope, Range<usize>)>,
    stat: Option<(Stat, Range<usize>)>,
    quantity: &Word<'_>,
) -> Result<Metric, Fault> {
    let timed = match (named, &stat) {
        (Named::Timed(timed), _) => Some(timed),
        (Named::Counted(Counted::Rejected), Some(_)) => Some(Timed::Rejected),
        (Named::Counted(Counted::TimedOut), Some(_)) => Some(Timed::TimedOut),
        _ => None,
    };
    if let Some(timed) = timed {
        let Some((stat, _)) = stat else {
            let end = scope.map_or(name.span.end, |(_, span)| span.end);
            let stats = STATS.map(|(stat, _)| stat).join(", .");
            let message = format!("{} is a latency; say which statistic: .{stats}", name.text);
            return Err(Fault { span: end..end, message });
        };
        return latency(name, timed, scope, stat);
    }
    if let Some((_, span)) = scope {
        let message = format!("{} is of the whole run; only latencies are of a part", name.text);
        return Err(Fault { span, message });
    }
    if let Some((_, span)) = stat {
        let message = format!("{} is one value; only latencies have statistics", name.text);
        return Err(Fault { span, message });
    }
    Ok(match named {
        Named::Counted(counted) if quantity.text.ends_with('%') && counted.has_share() => {
            Metric::Share(counted)
        }
        Named::Counted(counted) => Metric::Count(counted),
        Named::Operations => Metric::Operations,
        Named::Deliveries => Metric::Deliveries,
        Named::Achieved => Metric::Achieved,
        Named::CpuPerDelivery => Metric::CpuPerDelivery,
        Named::RssPeak | Named::Timed(_) => Metric::RssPeak,
    })
}

fn latency(
    name: &Word<'_>,
    timed: Timed,
    scope: Option<(Scope, Range<usize>)>,
    stat: Stat,
) -> Result<Metric, Fault> {
    let end = name.span.end;
    let (scope, span) = scope.unwrap_or((Scope::Run, end..end));
    if timed.is_kept_by(&scope) {
        return Ok(Metric::Latency { timed, scope, stat });
    }
    let kept = NAMES.iter().filter(|(_, named)| match named {
        Named::Timed(timed) => timed.is_kept_by(&scope),
        _ => false,
    });
    let known = kept.map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let message = match scope {
        Scope::Run => format!("{} is of one class: say {{group=NAME}}", name.text),
        Scope::Group(_) => format!("{} is not kept by group; there are {known}", name.text),
        Scope::Phase(_) => format!("{} is not kept by phase; there are {known}", name.text),
    };
    Err(Fault { span, message })
}

/// The quantity, in the metric's unit.
fn bound(metric: &Metric, quantity: &Word<'_>) -> Result<f64, Fault> {
    let text = quantity.text;
    let (read, allowed) = match metric {
        Metric::Latency { stat: Stat::Count, .. }
        | Metric::Count(Counted::Violations | Counted::Oracle) => {
            (number(text), "a whole number, such as 0")
        }
        Metric::Latency { .. } => (micros(text), "a duration in whole microseconds, such as 250ms"),
        Metric::CpuPerDelivery => (
            units::duration(text).map(|length| length.as_nanos() as f64 / 1e3),
            "a duration, such as 2.5us",
        ),
        Metric::Count(_) | Metric::Share(_) => {
            (share(text).or_else(|| number(text)), "a share such as 0.1%, or a whole number")
        }
        Metric::Achieved => (share(text), "a share such as 99%"),
        Metric::Operations | Metric::Deliveries => {
            (units::per_second(text), "a rate, such as 2000/s")
        }
        Metric::RssPeak => (units::bytes(text).map(|bytes| bytes as f64), "a size, such as 512MiB"),
    };
    read.ok_or_else(|| {
        let message = if text.is_empty() {
            format!("it is compared with nothing; {allowed} is expected")
        } else {
            format!("{text:?} is not {allowed}")
        };
        quantity.fault(message)
    })
}

fn number(text: &str) -> Option<f64> {
    // Beyond 2^53 not every number is one.
    text.parse::<u64>().ok().filter(|number| *number <= 1 << 53).map(|number| number as f64)
}

fn share(text: &str) -> Option<f64> {
    units::Share::parse(text).map(units::Share::as_fraction)
}

fn micros(text: &str) -> Option<f64> {
    let nanos = units::duration(text)?.as_nanos();
    let micros = u64::try_from(nanos / 1_000).ok().filter(|micros| *micros <= 1 << 53)?;
    nanos.is_multiple_of(1_000).then_some(micros as f64)
}

impl<'a> Reader<'a> {
    fn left(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.left().len() - self.left().trim_start().len();
    }

    fn take(&mut self, length: usize) -> Word<'a> {
        let span = self.at..self.at + length;
        self.at = span.end;
        Word { text: &self.line[span.clone()], span }
    }

    /// Letters, digits and underscores; perhaps none.
    fn word(&mut self) -> Word<'a> {
        let left = self.left();
        let end = left.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(left.len());
        self.take(end)
    }

    /// What is left, without spaces at its end.
    fn rest(&mut self) -> Word<'a> {
        self.take(self.left().trim_end().len())
    }

    fn scope(&mut self) -> Result<Option<(Scope, Range<usize>)>, Fault> {
        if !self.left().starts_with('{') {
            return Ok(None);
        }
        let Some(end) = self.left().find('}') else {
            return Err(self.take(1).fault("this brace is not closed".to_owned()));
        };
        let whole = self.at..self.at + end + 1;
        self.at += 1;
        let inner = self.take(end - 1);
        self.at = whole.end;
        let (key, name) = inner.text.split_once('=').unwrap_or((inner.text, ""));
        let name = name.trim().to_owned();
        let scope = match key.trim() {
            "group" if !name.is_empty() => Scope::Group(name),
            "phase" if !name.is_empty() => Scope::Phase(name),
            _ => {
                let message = format!("{:?} is neither group=NAME nor phase=NAME", inner.text);
                return Err(inner.fault(message));
            }
        };
        Ok(Some((scope, whole)))
    }

    fn stat(&mut self) -> Result<Option<(Stat, Range<usize>)>, Fault> {
        if !self.left().trim_start().starts_with('.') {
            return Ok(None);
        }
        self.skip_spaces();
        self.at += 1;
        let name = self.word();
        let found = STATS.iter().find(|(known, _)| *known == name.text);
        let (_, stat) = found.ok_or_else(|| {
            let known = STATS.map(|(known, _)| known);
            let message =
                format!("there is no statistic {:?}; there are {}", name.text, known.join(", "));
            name.fault(message)
        })?;
        Ok(Some((*stat, name.span)))
    }

    fn comparison(&mut self) -> Result<Comparison, Fault> {
        let found = Comparison::ALL.into_iter().find(|of| self.left().starts_with(of.symbol()));
        if let Some(comparison) = found {
            self.at += comparison.symbol().len();
            return Ok(comparison);
        }
        let length = self.left().chars().next().map_or(0, char::len_utf8);
        let symbols = Comparison::ALL.map(Comparison::symbol).join(" ");
        Err(self.take(length).fault(format!("a comparison is expected here: {symbols}")))
    }
}

impl Word<'_> {
    fn fault(&self, message: String) -> Fault {
        Fault { span: self.span.clone(), message }
    }
}
