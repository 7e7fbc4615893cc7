//! What came of members that went away, as a record holds it.
//!
//! Counts and distributions alone; what was timed is `load::returns`'s to say. Called by `build`.

use serde::{Deserialize, Serialize};

use super::build::distribution;
use super::record::Distribution;
use crate::load::returns::Returns;

/// What came of members that went away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReturnsRecord {
    /// Times that a member went.
    pub away: u64,
    /// Times that one was to go again and was not here yet; none in older records.
    #[serde(default)]
    pub skipped: u64,
    /// Of those that went, the times that it was attached again.
    pub back: u64,
    /// Of those, the ones that got everything they had missed.
    pub caught_up: u64,
    /// Times that one was told to go on without it.
    pub resyncs: u64,
    /// Of their handshakes, the resumed ones.
    pub resumed: u64,
    /// Members attached for each second from the first handshake to the last answer.
    pub reconnects_per_s: f64,
    /// From the start of the handshake to the answer that the member is attached.
    pub reconnect: Distribution,
    /// From the start of the handshake to the last message that had been ordered by then.
    pub catch_up: Distribution,
    /// From when a member was to come back to the start of its handshake.
    pub lateness: Distribution,
}

impl From<&Returns> for ReturnsRecord {
    fn from(of: &Returns) -> Self {
        Self {
            away: of.away,
            skipped: of.skipped,
            back: of.back,
            caught_up: of.caught_up,
            resyncs: of.resyncs,
            resumed: of.resumed,
            reconnects_per_s: of.per_second(),
            reconnect: distribution(&of.reconnect),
            catch_up: distribution(&of.catch_up),
            lateness: distribution(&of.lateness),
        }
    }
}
