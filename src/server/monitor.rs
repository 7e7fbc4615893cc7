//! What a server counts, for whoever watches it from another thread.
//!
//! Reads what the shards publish some hundred times a second; asks nothing of them. Called by
//! `operation`.

use std::time::Instant;

use super::counters::Board;
use super::timings::Timings;
use crate::clock;
use crate::wire::Counters;

/// A view of a server's counters; as cheap to clone as a pointer.
#[derive(Clone, Debug)]
pub struct Monitor {
    board: Board,
    started: Instant,
}

impl Monitor {
    /// A view of a board.
    pub(super) fn new(board: Board, started: Instant) -> Self {
        Self { board, started }
    }

    /// The sums over all shards, with what only the process as a whole knows. Reads two files of
    /// /proc.
    #[must_use]
    pub fn total(&self) -> Counters {
        let uptime = clock::now().saturating_duration_since(self.started).as_micros();
        self.board.total(u64::try_from(uptime).unwrap_or(u64::MAX))
    }

    /// What each shard has published last, by index.
    pub fn shards(&self) -> impl Iterator<Item = (Counters, Timings)> {
        self.board.shards()
    }
}
