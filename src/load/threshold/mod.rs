//! Thresholds: what a result has to be, in one line each, and when that is out of reach.
//!
//! `fanout_last{group=large}.p99 < 250ms`, `violations == 0`, `not_issued < 0.1%`. Pure: a line is
//! parsed once, judged when the run is over, and asked now and then while it runs whether anything
//! that may still come could save it. That is arithmetic, counts against what the schedule still
//! holds, and never a guess. Latencies are compared as histograms hold them: two values of one
//! bucket are the same. Called by `scenario` and `cli`, which parse, by the worker and by `report`.

mod facts;
mod hopeless;
mod metric;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use facts::{Facts, Most, MostOfClass, OF_RACES, ServerFacts, Tally, refused};
pub use metric::{Counted, Metric, Scope, Stat, Timed, Unit};

use super::scenario::Scenario;

/// One line of what has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As it was written, without spaces around it.
    pub text: String,
    /// What is compared.
    pub metric: Metric,
    /// How.
    pub comparison: Comparison,
    /// With what, in the metric's [`Unit`].
    pub bound: f64,
    /// Whether a run ends early once it can no longer hold.
    pub abort: bool,
}

/// How a value is compared with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

/// What came of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// There is no value to compare: nothing was recorded, or the server was not observed.
    NotMeasured,
}

/// A threshold and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// In the metric's unit; `None` when nothing was measured.
    pub value: Option<f64>,
    /// What came of it.
    pub standing: Standing,
}

/// A run that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Index of the threshold that could not hold any more.
    pub threshold: usize,
    /// When that was seen, since the start of the run.
    pub at: Duration,
    /// Submissions that had no answer when the run ended, and count as timed out.
    pub in_flight: u64,
    /// Operations that waited for their sender's epoch then, and count as not issued.
    pub waiting: u64,
}

/// A line that is no threshold: where in it, and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Bytes of the line.
    pub span: Range<usize>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Threshold {
    /// Reads a line. It aborts a run unless told otherwise.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(line: &str) -> Result<Self, Fault> {
        parse::threshold(line)
    }

    /// Whether it speaks of something that the scenario has.
    ///
    /// # Errors
    /// When a class or a phase that it names is not there, with the names that are.
    pub fn fits(&self, scenario: &Scenario) -> Result<(), String> {
        if let Metric::Latency { timed, .. } = self.metric
            && timed.is_of_joins()
            && !scenario.groups.iter().any(|class| class.mix.lets_in())
        {
            return Err("nobody joins in the run: no class has `adds` or `external_joins`".into());
        }
        let (what, name, known): (_, _, Vec<&str>) = match self.metric.scope() {
            None | Some(Scope::Run) => return Ok(()),
            Some(Scope::Group(name)) => {
                let known = scenario.groups.iter().map(|class| class.name.as_str());
                ("class of groups", name, known.collect())
            }
            Some(Scope::Phase(name)) => {
                let known = scenario.phases.iter().map(|phase| phase.name.as_str());
                ("phase", name, known.collect())
            }
        };
        if known.contains(&name.as_str()) {
            return Ok(());
        }
        Err(format!("no {what} is called {name:?}; there are {}", known.join(", ")))
    }

    /// What came of it.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>) -> Judged {
        let value = facts.value(&self.metric);
        let standing = match value {
            None => Standing::NotMeasured,
            Some(value) if self.holds(value) => Standing::Pass,
            Some(_) => Standing::Fail,
        };
        Judged { value, standing }
    }

    /// Whether nothing that may still come lets it hold at the end.
    #[must_use]
    pub fn is_hopeless(&self, facts: &Facts<'_>, most: &Most) -> bool {
        hopeless::is_hopeless(self, facts, most)
    }

    fn holds(&self, value: f64) -> bool {
        // A bound and a value of one bucket are equal.
        let bound =
            if self.metric.is_bucketed() { metric::bucketed(self.bound) } else { self.bound };
        self.comparison.holds(value, bound)
    }
}

impl Comparison {
    /// Every comparison, the longer spelling before the shorter one that it starts with.
    pub const ALL: [Self; 5] = [Self::AtMost, Self::AtLeast, Self::Equal, Self::Below, Self::Above];

    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
        }
    }

    /// Whether `value` compares so with `bound`.
    #[must_use]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            #[expect(clippy::float_cmp, reason = "it is asked for exactly")]
            Self::Equal => value == bound,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
