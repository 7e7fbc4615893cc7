//! Every bound of the system, with its reason and its cost.
//!
//! A bound lives here or nowhere. Const assertions tie together those that must agree.

/// Longest group id in bytes. MLS allows more (RFC 9420 §8.1); OpenMLS makes 16, MIMI room
/// identifiers hash to 32. Held inline in every group and in every submission.
pub const GROUP_ID_BYTES_MAX: usize = 64;

/// Largest MLSMessage in bytes. The first X-Wing commit after adding 10,000 members at once is
/// 11.7 MB. Raising it raises what one hostile member can make the service hold.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Most members of one group. Costs about 48 bytes each in the roster.
pub const ROSTER_MAX: usize = 100_000;

/// Largest scenario file in bytes. A hand-written one is a few kilobytes; the bound keeps a
/// mistyped path from reading a tape into memory.
pub const SCENARIO_BYTES_MAX: usize = 256 << 10;

/// Most group classes of one scenario. Each costs three histograms per worker.
pub const CLASSES_MAX: usize = 64;

/// Most groups of one scenario. Each costs the engine about 200 bytes before its members.
pub const GROUPS_MAX: u32 = 200_000;

/// Most memberships of one scenario. Each costs the oracle 40 bytes and the engine a session.
pub const MEMBERS_MAX: u32 = 2_000_000;

/// Most connections of one scenario. Each costs about 20 KiB of QUIC state on either side.
pub const CONNECTIONS_MAX: u32 = 200_000;

/// Most members that share one connection. Each costs the connection one stream.
pub const CONNECTION_MEMBERS_MAX: u32 = 10_000;

/// Most members that run OpenMLS inside a run. Each costs about 1 KiB for every member of its
/// group, and the time of one decryption per delivery.
pub const REAL_MEMBERS_MAX: u32 = 20_000;

/// Most operations of one schedule. Each costs 48 bytes before the run, and up to 200 in
/// the oracle while it is outstanding.
pub const OPERATIONS_MAX: u64 = 5_000_000;

/// Most submission attempts of one run, first tries and retries together. The oracle keeps one
/// byte for each.
pub const ATTEMPTS_MAX: u64 = 4 * OPERATIONS_MAX;

/// Highest operation rate of one class, in operations per second. Beyond it the pacer of one
/// core is the limit, and [`OPERATIONS_MAX`] is reached within seconds.
pub const RATE_PER_SECOND_MAX: u64 = 1_000_000;

/// Largest plaintext of an application message in bytes. Its ciphertext must stay below
/// [`MESSAGE_BYTES_MAX`].
pub const PAYLOAD_BYTES_MAX: u64 = 4 << 20;

/// Longest phase of a run in seconds: a day.
pub const PHASE_SECONDS_MAX: u32 = 86_400;

/// Most server shards a scenario may ask for.
pub const SHARDS_MAX: u32 = 256;

/// Most examples kept of each kind of violation. The counts are exact beyond it.
pub const VIOLATION_EXAMPLES_MAX: usize = 5;

/// Most skipped deliveries remembered, so that a late one is told from a repeated one. Beyond it
/// a late delivery counts as a duplicate; it is a violation either way. Costs 24 bytes each, and
/// nothing while the service is correct.
pub const SKIPS_REMEMBERED_MAX: usize = 65_536;

/// Longest latency a histogram holds, in microseconds: a day. What is longer is recorded as this
/// and counted as saturated. A histogram that sees it costs about 220 KiB.
pub const LATENCY_US_MAX: u64 = 86_400_000_000;

/// A run is invalid when the p99 of the generator's lateness exceeds this many microseconds and
/// [`LATENESS_RESPONSE_SHARE_MAX`] of the response's p99, whichever is larger.
pub const LATENESS_P99_US_MAX: u64 = 10_000;

/// See [`LATENESS_P99_US_MAX`]: lateness this small beside the response does not shape it.
pub const LATENESS_RESPONSE_SHARE_MAX: f64 = 0.10;

/// A run is invalid when more than this share of what was called for was never sent.
pub const NOT_ISSUED_SHARE_MAX: f64 = 0.001;

/// A run is invalid when more than this share of what was called for never got a reply: the
/// quantiles would describe only the lucky ones.
pub const TIMED_OUT_SHARE_MAX: f64 = 0.01;

/// A run is invalid when mean in flight and throughput x mean response differ by more than this
/// share of the larger (Little's law): the generator's own books would not balance.
pub const LITTLE_ERROR_MAX: f64 = 0.05;

const _: () = assert!(PAYLOAD_BYTES_MAX < MESSAGE_BYTES_MAX as u64);
const _: () = assert!(CONNECTIONS_MAX <= MEMBERS_MAX);
const _: () = assert!(CONNECTION_MEMBERS_MAX <= MEMBERS_MAX);
const _: () = assert!(ROSTER_MAX as u64 <= MEMBERS_MAX as u64);

/// Fewest operations with an outcome for Little's law to be checked: with fewer, what overlaps
/// the edges of the window weighs more than [`LITTLE_ERROR_MAX`].
pub const LITTLE_OPERATIONS_MIN: u64 = 1_000;

/// Most reasons given with a verdict; the counts say the rest.
pub const REASONS_MAX: usize = 20;
