//! One distribution of durations.
//!
//! Never drops a value, and merges only whole histograms. Called by everything that records times.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use crate::limits::LATENCY_US_MAX;

/// One distribution of durations in microseconds, each rounded up, so that nothing that took
/// time is 0; exact to 3 significant digits. Starts at 16 KiB and grows with its longest value.
#[derive(Clone, Debug)]
pub struct Series {
    histogram: Histogram<u64>,
    negatives: u64,
    saturated: u64,
}

impl Series {
    /// Records the time from `from` to `to`.
    pub fn record(&mut self, from: Duration, to: Duration) {
        self.negatives += u64::from(to < from);
        let micros = to.saturating_sub(from).as_nanos().div_ceil(1000);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.saturated += u64::from(micros > LATENCY_US_MAX);
        // Unlike `saturating_record`, this one grows.
        self.histogram.record(micros.min(LATENCY_US_MAX)).expect("an auto histogram grows");
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The smallest value that `quantile` (0 to 1) of the values do not exceed; 0 when empty.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max_us())
    }

    /// The longest value, to 3 significant digits; 0 when empty.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.histogram.max()
    }

    /// The mean; 0 when empty.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        self.histogram.mean()
    }

    /// How many values would have been negative, and are 0 instead.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// How many values were longer than [`LATENCY_US_MAX`], and are that instead.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("a histogram that resizes takes any other");
        self.negatives += other.negatives;
        self.saturated += other.saturated;
    }

    /// Takes the values of `part` away, which must be among these; `None` if they are not.
    #[must_use]
    pub fn without(mut self, part: &Self) -> Option<Self> {
        self.histogram.subtract(&part.histogram).ok()?;
        self.negatives = self.negatives.checked_sub(part.negatives)?;
        self.saturated = self.saturated.checked_sub(part.saturated)?;
        Some(self)
    }

    /// The distribution itself.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
        (self.negatives, self.saturated) = (0, 0);
    }

    /// The whole histogram in HdrHistogram's V2 encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.histogram, &mut bytes)
            .expect("writing to memory does not fail");
        bytes
    }

    /// What [`Self::to_bytes`] gave, and what it leaves out; `None` for anything else.
    #[must_use]
    pub fn of_bytes(mut bytes: &[u8], negatives: u64, saturated: u64) -> Option<Self> {
        let mut histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes).ok()?;
        histogram.auto(true);
        Some(Self { histogram, negatives, saturated })
    }
}

impl Default for Series {
    fn default() -> Self {
        let mut histogram =
            Histogram::new_with_bounds(1, 2, 3).expect("3 digits from 1 up are in range");
        histogram.auto(true);
        Self { histogram, negatives: 0, saturated: 0 }
    }
}
