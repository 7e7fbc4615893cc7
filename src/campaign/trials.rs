//! The seam between what decides which runs to make and what makes them.

use std::time::Duration;

use crate::load::scenario::Scenario;
use crate::report::record::Record;

/// Makes runs, one after another: `cli` with servers and sockets, a test without.
pub trait Trials {
    /// Runs a scenario once and judges it.
    ///
    /// # Errors
    /// When there is nothing to judge. A server that is lost or a generator that is late is a
    /// result.
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError>;

    /// Tells whoever waits how far it is: one line.
    fn say(&mut self, line: &str);

    /// How long it has all taken so far: what an estimate of the rest and a budget rest on.
    fn elapsed(&self) -> Duration;
}

/// Why there is no result of a run, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrialError(pub String);
