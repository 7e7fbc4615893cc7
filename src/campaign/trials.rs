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

/// What is asked at several rates needs a rate.
///
/// # Errors
/// When a class of the scenario is a closed loop: its racers want the next change when the last has
/// come through, so that no rate changes what they do, and as many are due as come through.
pub(super) fn unless_closed(scenario: &Scenario) -> Result<(), TrialError> {
    let Some(closed) = scenario.groups.iter().find(|class| class.is_closed()) else {
        return Ok(());
    };
    Err(TrialError(format!(
        "class {:?} is a closed loop: with `think` its racers decide when they want a change, and a \
         rate has no meaning. Leave `think` out, or ask `stentor contend` what its groups can bear",
        closed.name
    )))
}

/// Why there is no result of a run, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrialError(pub String);
