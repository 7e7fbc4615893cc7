//! What a shard accepts and keeps: a choice of whoever runs it, within `limits`.
//!
//! Decides nothing by itself. Given to [`super::Shard`] when it begins.

use std::time::Duration;

use super::rates::Rates;
use super::ring::RingLimits;
use crate::limits::{
    GROUPS_PER_SHARD_MAX, PAST_EPOCHS_MAX, RESERVATION_MAX, RETENTION_AGE_MAX, RING_BYTES_MAX,
    RING_ENTRIES_MAX, SHARD_RING_BYTES_MAX, SHARD_RING_ENTRIES_MAX,
};

/// The policy of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Past epochs in which application messages are accepted. Default [`PAST_EPOCHS_MAX`].
    pub past_epochs: u64,
    /// Most groups. Default [`GROUPS_PER_SHARD_MAX`].
    pub groups_max: usize,
    /// What a group keeps for catching up.
    pub ring: RingLimits,
    /// Bytes that all groups keep together. Default [`SHARD_RING_BYTES_MAX`].
    pub kept_bytes_max: usize,
    /// Messages that all groups keep together. Default [`SHARD_RING_ENTRIES_MAX`].
    pub kept_entries_max: usize,
    /// How long a message is kept for those that have not acknowledged it. Default
    /// [`RETENTION_AGE_MAX`].
    pub kept_age_max: Duration,
    /// How often devices submit and groups take messages.
    pub rates: Rates,
    /// For how long an epoch is reserved at most for members that have lost commits; none when
    /// zero. Default [`RESERVATION_MAX`].
    pub reservation_max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            past_epochs: PAST_EPOCHS_MAX,
            groups_max: GROUPS_PER_SHARD_MAX,
            ring: RingLimits { entries_max: RING_ENTRIES_MAX, bytes_max: RING_BYTES_MAX },
            kept_bytes_max: SHARD_RING_BYTES_MAX,
            kept_entries_max: SHARD_RING_ENTRIES_MAX,
            kept_age_max: RETENTION_AGE_MAX,
            rates: Rates::default(),
            reservation_max: RESERVATION_MAX,
        }
    }
}
