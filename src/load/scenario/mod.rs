//! The scenario: which groups, how fast, for how long, as a TOML file says it.
//!
//! Parsed into types once, here; a `Scenario` that exists is in range and agrees with itself.
//! Reads no file: the caller brings text and the name to put into messages. Called by `cli`, and
//! read by `population`, `schedule` and the worker. Every field is explained in
//! `scenarios/README.md`, which a test holds to this format.

mod class;
mod written;

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

pub use class::{Arrivals, Class, Connections, Source};
use written::Written;

use super::check;
use crate::delivery::Durability;
use crate::limits::SCENARIO_BYTES_MAX;
use crate::net::KeyExchange;
use crate::place::Mistake;

/// A whole run, fixed before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Why the scenario exists, for whoever reads its result.
    pub why: String,
    /// What must hold afterwards, for whoever judges its result.
    pub expect: String,
    /// All randomness of the run comes from it.
    pub seed: u64,
    /// Load that is offered but not measured, first.
    pub warm_up: Duration,
    /// Load that is measured.
    pub measure: Duration,
    /// Longest wait for outstanding deliveries after the last operation.
    pub drain: Duration,
    /// The key exchange of every connection.
    pub key_exchange: KeyExchange,
    /// Shards of the server that the run starts, 1 to [`SHARDS_MAX`](crate::limits::SHARDS_MAX).
    pub shards: u32,
    /// The group classes, at least one.
    pub groups: Vec<Class>,
}

impl Scenario {
    /// Reads a scenario. `file` only names it in messages.
    ///
    /// # Errors
    /// The first mistake, with its line, its field and what is allowed there.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        if text.len() > SCENARIO_BYTES_MAX {
            let message = format!("{} bytes; at most {SCENARIO_BYTES_MAX}", text.len());
            return Err(Mistake::in_field(file, "", "", message));
        }
        let written: Written =
            toml::from_str(text).map_err(|error| Mistake::from_toml(file, text, &error))?;
        let scenario = written.resolve();
        match check::first_fault(&scenario) {
            Some(fault) => Err(Mistake::in_field(file, text, &fault.field, fault.message)),
            None => Ok(scenario),
        }
    }

    /// Whether the service needs a log.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.groups.iter().any(|class| class.durability == Durability::Wal)
    }

    /// How long operations are offered: warm-up and measured.
    #[must_use]
    pub fn offered(&self) -> Duration {
        self.warm_up + self.measure
    }

    /// A small version of the same shape, for tests: at most 4 groups of 20 members and 5 to 50
    /// operations a second in each class, 200 ms of warm-up, 1 s measured, at most 5 s of drain.
    #[must_use]
    pub fn scaled_down(&self) -> Self {
        let mut small = self.clone();
        small.warm_up = Duration::from_millis(200);
        small.measure = Duration::from_secs(1);
        small.drain = self.drain.min(Duration::from_secs(5));
        for class in &mut small.groups {
            class.scale_down();
            if let Some(away) = &mut class.away {
                away.scale(self.measure, small.measure);
            }
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
    format!("{:032x}", xxh3_128(canonical.as_bytes()))
}

#[cfg(test)]
mod tests;
