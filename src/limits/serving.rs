//! The bounds of a comparison of cipher suites at a service.
//!
//! None of them binds a service.

use std::time::Duration;

/// Commits of a combiner of which one is full, at most: its draft advises one in 50 to 100.
pub const COMBINER_RATIO_MAX: u32 = 1_000;

/// Members of the largest group whose suites are compared at a service: one commit of the largest
/// suite is then 164 GB of fan-out, minutes of a machine.
pub const SERVING_MEMBERS_MAX: u32 = 10_000;

/// Numbers of members of one comparison of suites at a service, at most.
pub const SERVING_SIZES_MAX: usize = 8;

/// Bytes a second that the largest suite's commits may make a service send where suites are compared at
/// one rate: a fifth of what it sends at most on two cores with all its members beside it, so that
/// commits do not wait for each other.
pub const SERVING_BYTES_PER_SECOND: f64 = 250e6;

/// Commits a second at which suites are compared, at most: more, and those of small groups would be
/// what the machine does, and nothing else.
pub const SERVING_COMMITS_PER_SECOND_MAX: f64 = 4.0;

/// Commits in the measured window of a comparison of suites at a service, at least. Each of the largest
/// costs seconds.
pub const SERVING_COMMITS_MIN: u32 = 2;

/// Deliveries of messages a second beside the commits of such a comparison: enough to time them, and
/// a hundredth of what a service does.
pub const SERVING_MESSAGE_DELIVERIES_PER_SECOND: f64 = 2_000.0;

/// Time between two commits, in intervals, that the last member may need at a rate that is called
/// sustained: the next but one is due then. What takes longer at each commit would pass it soon.
pub const SUSTAINED_INTERVALS: f64 = 2.0;

/// Less than this is not held against a rate, however short its intervals are: a pause of the machine.
pub const SUSTAINED_LAST_MIN: Duration = Duration::from_millis(250);
