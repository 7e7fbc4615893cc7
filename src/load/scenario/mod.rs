//! The scenario: which groups, how fast, for how long, as a TOML file says it.
//!
//! Parsed into types once, here; a `Scenario` that exists is in range and agrees with itself.
//! Reads no file: the caller brings text and the name to put into messages. Called by `cli`, and
//! read by `population`, `schedule` and the worker. Every field is explained in
//! `scenarios/README.md`, which a test holds to this format.

mod class;
mod forms;
pub mod schema;
mod thresholds;
mod timing;
mod written;

use std::ops::Range;
use std::time::Duration;

use serde::Deserializer;
use xxhash_rust::xxh3::xxh3_128;

pub use class::{Class, Connections, Hot, Source};
use written::Written;

pub use super::arrivals::Arrivals;
use super::check::{self, Fault};
use super::phases::{self, Course, Phase};
use super::sizes::LogNormal;
use super::threshold::Threshold;
use super::trace::Trace;
use crate::delivery::Durability;
use crate::limits::SCENARIO_BYTES_MAX;
use crate::net::KeyExchange;
use crate::place::Mistake;

/// The law of a class's members, for other formats that have such a law: what it is allowed to be is
/// said once.
///
/// # Errors
/// When it is no law, or its figures are out of range or order.
pub fn law_of_members<'de, D: Deserializer<'de>>(from: D) -> Result<LogNormal, D::Error> {
    forms::law_of_members(from)
}

/// A whole run, fixed before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Why the scenario exists, for whoever reads its result.
    pub why: String,
    /// What must hold afterwards, for whoever judges its result.
    pub expect: String,
    /// All randomness of the run comes from it.
    pub seed: u64,
    /// What share of its rate each class offers when, in order and without a gap.
    pub phases: Vec<Phase>,
    /// Longest wait for outstanding deliveries after the last phase.
    pub drain: Duration,
    /// The key exchange of every connection.
    pub key_exchange: KeyExchange,
    /// Shards of the server that the run starts, 1 to [`SHARDS_MAX`](crate::limits::SHARDS_MAX).
    pub shards: u32,
    /// For how long that server reserves an epoch at most for members that have lost; `None`: for
    /// as long as it does by itself.
    pub reservation: Option<Duration>,
    /// The group classes, at least one.
    pub groups: Vec<Class>,
    /// What the result has to be, at most [`THRESHOLDS_MAX`](crate::limits::THRESHOLDS_MAX).
    pub thresholds: Vec<Threshold>,
}

impl Scenario {
    /// Reads a scenario that replays no trace. `file` only names it in messages.
    ///
    /// # Errors
    /// The first mistake, with its line, its field and what is allowed there.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        Self::parse_with(text, file, &mut |_| Err("nobody reads a trace here".to_owned()))
    }

    /// Reads a scenario. `file` only names it in messages; `read` is given the name of a trace as
    /// the scenario has it, and says what the file holds or why it cannot be read.
    ///
    /// # Errors
    /// The first mistake, of the scenario or of a trace, with its line and what is allowed there.
    pub fn parse_with(
        text: &str,
        file: &str,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, Mistake> {
        if text.len() > SCENARIO_BYTES_MAX {
            let message = format!("{} bytes; at most {SCENARIO_BYTES_MAX}", text.len());
            return Err(Mistake::in_field(file, "", "", message));
        }
        let mut written: Written =
            toml::from_str(text).map_err(|error| Mistake::from_toml(file, text, &error))?;
        let wrong = |fault: Fault| Mistake::in_field(file, text, &fault.field, fault.message);
        let mut rates = written.rates();
        let thresholds = thresholds::read(written.take_thresholds(), file, text)?;
        let mut scenario =
            written.resolve().map(|scenario| Self { thresholds, ..scenario }).map_err(wrong)?;
        for (index, class) in scenario.groups.iter_mut().enumerate() {
            let field = |name: &str| format!("groups[{index}].{name}");
            if let Arrivals::Trace(trace) = &class.arrivals {
                let read = read(&trace.file).map_err(|why| {
                    let message = format!("cannot read the trace {:?}: {why}", trace.file);
                    wrong(Fault { field: field("arrivals.trace"), message })
                })?;
                let trace = Trace::parse(&read, &trace.file)?;
                rates[index] = rates[index].or_else(|| trace.rate());
                class.arrivals = Arrivals::Trace(trace);
            }
            class.rate = rates[index].ok_or_else(|| {
                let message = "missing field `rate`".to_owned();
                wrong(Fault { field: format!("groups[{index}]"), message })
            })?;
        }
        match check::first_fault(&scenario) {
            None => Ok(scenario),
            Some(fault) => Err(wrong(fault)),
        }
    }

    /// The hash of a scenario whose text is `text`, in hexadecimal: that of the text, and of every
    /// trace that it replays.
    #[must_use]
    pub fn hash(&self, text: &str) -> String {
        let traces = self.groups.iter().filter_map(|class| match &class.arrivals {
            Arrivals::Trace(trace) => Some(trace.hash()),
            _ => None,
        });
        let hashes: Vec<u8> = traces.flat_map(u128::to_be_bytes).collect();
        if hashes.is_empty() {
            return hash(text);
        }
        digits_of(&[hash(text).as_bytes(), &hashes].concat())
    }

    /// Whether the service needs a log.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.groups.iter().any(|class| class.durability == Durability::Wal)
    }

    /// How long operations are offered: to the end of the last phase.
    #[must_use]
    pub fn offered(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, Phase::to)
    }

    /// The window that headlines are about, since the start of the run; a warm-up that ends as soon
    /// as the service is steady may bring it forward, never the phases.
    #[must_use]
    pub fn window(&self) -> Range<Duration> {
        phases::window(&self.phases)
    }

    /// The rate over time, as shares of each class's rate.
    #[must_use]
    pub fn course(&self) -> Course {
        Course::of(&self.phases)
    }

    /// A small version of the same shape, for tests: at most 4 groups of 20 members and 5 to 50
    /// operations a second in each class, phases of 200 ms or less around a window of 1 s, at most
    /// 5 s of drain.
    #[must_use]
    pub fn scaled_down(&self) -> Self {
        let mut small = self.clone();
        small.phases = phases::scaled_down(&self.phases);
        small.drain = self.drain.min(Duration::from_secs(5));
        let length = |window: Range<Duration>| window.end - window.start;
        let (from, to) = (length(self.window()), length(small.window()));
        for class in &mut small.groups {
            class.scale_down();
            class.away.iter_mut().for_each(|away| away.scale(from, to));
        }
        small
    }
}

/// The hash of a scenario's text, in hexadecimal: line ends and trailing spaces do not count,
/// everything else does, comments included.
#[must_use]
pub fn hash(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    for line in text.trim_end().lines() {
        canonical.push_str(line.trim_end());
        canonical.push('\n');
    }
    digits_of(canonical.as_bytes())
}

fn digits_of(content: &[u8]) -> String {
    format!("{:032x}", xxh3_128(content))
}

#[cfg(test)]
mod tests;
