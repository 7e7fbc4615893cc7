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
/// one rate, so that a commit has its last member long before the next is due. Two cores with all the
/// members beside the service sent 1.18 GB to a thousand in 1.2 s when nothing else ran there, and in
/// 3.6 s when something did, and 1.66 GB in up to 12 s: half an interval is 15 s at this rate.
pub const SERVING_BYTES_PER_SECOND: f64 = 60e6;

/// Commits a second at which suites are compared, at most: more, and those of small groups would be
/// what the machine does, and nothing else.
pub const SERVING_COMMITS_PER_SECOND_MAX: f64 = 4.0;

/// Commits in the measured window of a comparison of suites at a service, at least. Each of the largest
/// costs seconds, and half a minute of waiting.
pub const SERVING_COMMITS_MIN: u32 = 1;

/// Messages in the measured window of a run without commits, at least.
pub const SERVING_MESSAGES_MIN: u32 = 4;

/// Deliveries of messages a second beside the commits of such a comparison: enough to time them, and
/// a hundredth of what a service does.
pub const SERVING_MESSAGE_DELIVERIES_PER_SECOND: f64 = 2_000.0;

/// Share of an interval of commits within which the last member has to have one for a load to be
/// steady: the window ends as long after its last commit, and what came later would be missing from it.
pub const STEADY_INTERVALS: f64 = 0.5;

/// How far what was delivered of a commit may be from what the model states, as a share of that.
pub const STATED_OFF_MAX: f64 = 0.01;

/// Commits in the window of a search's trial from which on the processor time of one is told: of fewer,
/// what the window's ends cut off would weigh more than a tenth.
pub const SATURATED_COMMITS_MIN: u64 = 10;

/// What the processes of engine and service take in memory together, whoever is there. 125 MiB were seen.
pub const SERVING_PROCESSES_BYTES: u64 = 160 << 20;

/// What a session takes in both of them together. 54 KiB were seen with 100,000.
pub const SERVING_SESSION_BYTES: u64 = 64 << 10;

/// Bytes in the engine's memory for each byte of a commit and each member: all of them have nearly got
/// it at one time. 1.09 were seen of commits of 1.18 MB.
pub const SERVING_FRAMES_IN_MEMORY: f64 = 1.25;

/// Bytes a second that no service on one core sends, for what a search makes before it knows.
pub const SERVING_EGRESS_MAX: f64 = 1.5e9;

/// How many times the common rate a search tries at most.
pub const SERVING_RATE_FACTOR_MAX: f64 = 10_000.0;

/// Time between two commits, in intervals, that the last member may need at a rate that is called
/// sustained: the next but one is due then. What takes longer at each commit would pass it soon.
pub const SUSTAINED_INTERVALS: f64 = 2.0;

/// Less than this is not held against a rate, however short its intervals are: a pause of the machine.
pub const SUSTAINED_LAST_MIN: Duration = Duration::from_millis(250);
