//! Each shard's counters, published for the shard that answers a request for them.
//!
//! A shard counts in its own memory and stores the values here now and then; nobody else writes
//! them, so no counter is shared on the hot path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::timings::Timings;
use crate::process::Usage;
use crate::wire::{Counter, Counters};

/// One shard's latest values.
#[derive(Debug)]
struct Published {
    counters: [AtomicU64; Counter::COUNT],
    timings: [AtomicU64; Timings::CELLS],
}

/// All shards' latest values.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<[Published]>);

impl Board {
    /// All zero.
    pub(super) fn new(shards: u16) -> Self {
        let zero = || Published {
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            timings: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self((0..shards).map(|_| zero()).collect())
    }

    /// Stores a shard's values.
    pub(super) fn publish(&self, shard: u16, counters: &Counters, timings: &Timings) {
        let published = &self.0[usize::from(shard)];
        for (counter, value) in counters.iter() {
            published.counters[counter.index()].store(value, Ordering::Relaxed);
        }
        for (cell, value) in published.timings.iter().zip(timings.cells()) {
            cell.store(*value, Ordering::Relaxed);
        }
    }

    /// Each shard's latest values, by index. A value may be newer than the one before it.
    pub(super) fn shards(&self) -> impl Iterator<Item = (Counters, Timings)> {
        self.0.iter().map(|published| {
            let mut counters = Counters::default();
            for &counter in Counter::ALL {
                let value = &published.counters[counter.index()];
                counters.set(counter, value.load(Ordering::Relaxed));
            }
            let cells = std::array::from_fn(|at| published.timings[at].load(Ordering::Relaxed));
            (counters, Timings::from_cells(cells))
        })
    }

    /// The sums over all shards, with what only the process as a whole knows.
    pub(super) fn total(&self, uptime_us: u64) -> Counters {
        let mut total = Counters::default();
        for &counter in Counter::ALL {
            let values =
                self.0.iter().map(|shard| shard.counters[counter.index()].load(Ordering::Relaxed));
            let value = match counter {
                Counter::SocketBufferBytes => values.min().unwrap_or(0),
                _ => values.sum(),
            };
            total.set(counter, value);
        }
        let usage = Usage::own();
        total.set(Counter::UptimeUs, uptime_us);
        total.set(Counter::CpuUserUs, usage.cpu_user_us);
        total.set(Counter::CpuSystemUs, usage.cpu_system_us);
        total.set(Counter::RssBytes, usage.rss_bytes);
        total.set(Counter::RssPeakBytes, usage.rss_peak_bytes);
        total.set(Counter::Pid, u64::from(std::process::id()));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_over_shards_and_a_buffer_is_the_smallest() {
        let board = Board::new(2);
        for (shard, buffer) in [(0, 7), (1, 5)] {
            let mut counters = Counters::default();
            counters.set(Counter::Deliveries, 10);
            counters.set(Counter::SocketBufferBytes, buffer);
            board.publish(shard, &counters, &Timings::default());
        }
        let total = board.total(1);
        assert_eq!(total.get(Counter::Deliveries), 20);
        assert_eq!(total.get(Counter::SocketBufferBytes), 5);
        assert_eq!(total.get(Counter::Pid), u64::from(std::process::id()));
    }
}
