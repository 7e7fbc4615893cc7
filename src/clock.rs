//! The only reader of system time.
//!
//! Everything else takes `now` as an argument, so it can be tested and, later, simulated.
//! Called by whatever owns a loop: a shard, a load worker, a command.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The present instant of the monotonic clock.
#[must_use]
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    Instant::now()
}

/// Time since the Unix epoch by the wall clock, for names and provenance, never for latency.
#[must_use]
pub fn unix() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Blocks the calling thread until `deadline`. For loops with nothing to wait on but time.
pub fn wait_until(deadline: Instant) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits for time")]
    std::thread::sleep(deadline.saturating_duration_since(now()));
}
