//! How long a shard's steps take, as histograms of a few buckets.
//!
//! For watching a service that runs: the engine measures latency where members see it. A shard
//! records into its own memory and publishes with its counters. The list only grows.

use std::time::Duration;

/// Upper edges of the buckets in microseconds, inclusive; the last bucket has none. Powers of four
/// from what one message costs to what nobody should ever wait.
const EDGES_US: [u64; 10] =
    [16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/// Cells of one histogram: a count for each bucket, then the sum.
const CELLS: usize = EDGES_US.len() + 2;

/// A step whose length is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Timing {
    /// A turn of a shard's loop that had something to do. Nobody on the shard is heard meanwhile.
    Turn,
}

impl Timing {
    /// Every timing.
    pub const ALL: &[Self] = &[Self::Turn];

    /// Its name in metrics, without a unit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
        }
    }

    /// What is timed.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Turn => "Turns of a shard's loop that had something to do.",
        }
    }
}

/// A histogram of each timing.
#[derive(Clone, Debug)]
pub struct Timings([u64; Self::CELLS]);

impl Timings {
    /// Cells of all histograms, as they are published.
    pub(super) const CELLS: usize = Timing::ALL.len() * CELLS;

    /// Counts one step.
    pub(crate) fn record(&mut self, timing: Timing, length: Duration) {
        let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let bucket = EDGES_US.iter().position(|edge| us <= *edge).unwrap_or(EDGES_US.len());
        let cells = &mut self.0[timing as usize * CELLS..][..CELLS];
        cells[bucket] += 1;
        cells[CELLS - 1] = cells[CELLS - 1].saturating_add(us);
    }

    /// The histogram of a timing.
    #[must_use]
    pub fn get(&self, timing: Timing) -> Histogram {
        let cells = &self.0[timing as usize * CELLS..][..CELLS];
        let counts = std::array::from_fn(|bucket| cells[bucket]);
        Histogram { counts, sum_us: cells[CELLS - 1] }
    }

    pub(super) fn cells(&self) -> &[u64; Self::CELLS] {
        &self.0
    }

    pub(super) fn from_cells(cells: [u64; Self::CELLS]) -> Self {
        Self(cells)
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self([0; Self::CELLS])
    }
}

/// How often a step took how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; EDGES_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    /// Each bucket's upper edge in microseconds, `None` for the last, with how many steps were in
    /// it or in one before.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let edges = EDGES_US.into_iter().map(Some).chain([None]);
        edges.zip(self.counts).scan(0, |sum, (edge, count)| {
            *sum += count;
            Some((edge, *sum))
        })
    }

    /// How many steps.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together, in microseconds.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_in_the_first_bucket_whose_edge_it_does_not_pass() {
        let mut timings = Timings::default();
        for us in [0, 16, 17, 4_194_304, 4_194_305, u64::MAX] {
            timings.record(Timing::Turn, Duration::from_micros(us));
        }
        let histogram = timings.get(Timing::Turn);
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative[..2], [(Some(16), 2), (Some(64), 3)]);
        assert_eq!(cumulative[9..], [(Some(4_194_304), 4), (None, 6)]);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.sum_us(), u64::MAX);
        assert_eq!(Timings::from_cells(*timings.cells()).get(Timing::Turn), histogram);
    }
}
