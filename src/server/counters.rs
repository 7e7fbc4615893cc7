//! Each shard's counters, published for the shard that answers a request for them.
//!
//! A shard counts in its own memory and stores the values here now and then; nobody else writes
//! them, so no counter is shared on the hot path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::Usage;
use crate::wire::{Counter, Counters};

/// One shard's latest values.
#[derive(Debug)]
struct Published([AtomicU64; Counter::COUNT]);

/// All shards' latest values.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<[Published]>);

impl Board {
    /// All zero.
    pub(super) fn new(shards: u16) -> Self {
        let zero = || Published(std::array::from_fn(|_| AtomicU64::new(0)));
        Self((0..shards).map(|_| zero()).collect())
    }

    /// Stores a shard's values.
    pub(super) fn publish(&self, shard: u16, counters: &Counters) {
        let published = &self.0[usize::from(shard)];
        for (counter, value) in counters.iter() {
            published.0[counter.index()].store(value, Ordering::Relaxed);
        }
    }

    /// The sums over all shards, with what only the process as a whole knows.
    pub(super) fn total(&self, uptime_us: u64) -> Counters {
        let mut total = Counters::default();
        for &counter in Counter::ALL {
            let values =
                self.0.iter().map(|shard| shard.0[counter.index()].load(Ordering::Relaxed));
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
            board.publish(shard, &counters);
        }
        let total = board.total(1);
        assert_eq!(total.get(Counter::Deliveries), 20);
        assert_eq!(total.get(Counter::SocketBufferBytes), 5);
        assert_eq!(total.get(Counter::Pid), u64::from(std::process::id()));
    }
}
