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

/// Bytes a second that a suite's commits may make a service send where suites are compared, so that a
/// commit has its last member long before the next is due. Two cores with all the members beside the
/// service sent 1.18 GB to a thousand in 3 to 5 s, and 1.66 GB in 9 to 12 s: the intervals at this rate
/// are 12 and, since whole numbers of commits are made a minute, 20 s.
pub const SERVING_BYTES_PER_SECOND: f64 = 100e6;

/// Commits a second at which suites are compared, at most: more, and those of small groups would be
/// what the machine does, and nothing else.
pub const SERVING_COMMITS_PER_SECOND_MAX: f64 = 4.0;

/// Commits in the measured window of a comparison of suites at a service, at least: nine over three
/// rounds. Each of the largest suite's takes ten seconds in a group of a thousand, and as many of waiting.
pub const SERVING_COMMITS_MIN: u32 = 3;

/// Joins in the measured window of a run of joins, at least: what the window's ends cut off of one is then
/// an eighth at the most. Each is a commit to the whole group.
pub const SERVING_JOINS_MIN: u32 = 8;

/// Messages in the measured window of a run without commits, at least.
pub const SERVING_MESSAGES_MIN: u32 = 4;

/// Deliveries of messages a second beside the commits of such a comparison: enough to time them, and
/// a hundredth of what a service does.
pub const SERVING_MESSAGE_DELIVERIES_PER_SECOND: f64 = 2_000.0;

/// Share of an interval of commits within which the last member has to have one for a load to be
/// steady: the window ends no sooner after its last commit, and what came later would be missing from it.
/// No commit waits for another then, so that the rate of commits, which differs, shapes no figure of one.
pub const STEADY_INTERVALS: f64 = 0.75;

/// How often a run of a comparison is made again when the generator was late or the limit: once was not
/// enough for one run of six on a machine of two cores with everything on it. Costs its time, a minute
/// at the most by default.
pub const SERVING_RETRIES_MAX: u32 = 2;

/// Commits of one trial of a search at least, at the rate that is tried: of two, one is always the first.
pub const SERVING_TRIAL_COMMITS_MIN: u32 = 3;

/// Full commits of a combiner in one trial of a search at least: after the first the second shows
/// whether what it left behind has gone.
pub const SERVING_TRIAL_FULL_COMMITS_MIN: u32 = 2;

/// Trials that a search may make however long they take: so many find both bounds, if the first is within
/// a factor of four of them.
pub const SERVING_TRIALS_MIN: usize = 6;

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

/// How many times the rate of other runs a search tries at most.
pub const SERVING_RATE_FACTOR_MAX: f64 = 10_000.0;

/// Time between two commits, in intervals, that the last member may need at a rate that is called
/// sustained: the next but one is due then. What takes longer at each commit would pass it soon.
pub const SUSTAINED_INTERVALS: f64 = 2.0;

/// Less than this is not held against a rate, however short its intervals are: a pause of the machine.
pub const SUSTAINED_LAST_MIN: Duration = Duration::from_millis(250);
