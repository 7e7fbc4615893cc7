//! What came of those who joined in a run and of those who went, as a record holds it.
//!
//! Counts and distributions alone; what was timed is `load::joins`'s to say. Called by `build`.

use serde::{Deserialize, Serialize};

use super::build::distribution;
use super::record::Distribution;
use crate::load::joins::Joins;

/// What came of those who joined in the run, and of those who went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinsRecord {
    /// Devices that a commit has let in.
    pub let_in: u64,
    /// Of them, those that were attached and had their first message by the end.
    pub joined: u64,
    /// Of those, the ones that came in by an external commit.
    pub by_themselves: u64,
    /// Members that a commit has removed, those that left among them.
    pub gone: u64,
    /// What the service refused or got wrong on the way in.
    pub failed: u64,
    /// From the claim of a KeyPackage to the answer.
    pub claim: Distribution,
    /// From the fetch of a GroupInfo to the answer.
    pub fetch: Distribution,
    /// From when the commit was due to when the Welcome is with the device.
    pub welcome: Distribution,
    /// From when the commit was due to when the device is attached and has its first message.
    pub join: Distribution,
}

impl From<&Joins> for JoinsRecord {
    fn from(of: &Joins) -> Self {
        Self {
            let_in: of.let_in,
            joined: of.joined,
            by_themselves: of.by_themselves,
            gone: of.gone,
            failed: of.failed.count,
            claim: distribution(&of.claim),
            fetch: distribution(&of.fetch),
            welcome: distribution(&of.welcome),
            join: distribution(&of.join),
        }
    }
}
