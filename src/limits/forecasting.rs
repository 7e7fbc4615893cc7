//! The bounds of what is said before anything runs: of explanations and plans.
//!
//! None of them binds a service or a run.

/// How many times as far as what was measured a plan looks without being told to: what is true at
/// twice the load mostly is what was measured, and beyond it something else becomes the limit.
pub const EXTRAPOLATION_MAX: f64 = 2.0;

/// How many times as far along an axis a place may lie and still be the same: 1%. Lengths differ by
/// the digits of a sequence number, and groups by a member that came late. More would take two
/// shapes for one.
pub const SAME_PLACE: f64 = 1.01;

/// By how many times a cost may be wrong either way, at the least, however well records agree: two
/// runs of `phases` on one machine in one day were 1.35 times apart. Less would promise what
/// repeating a run does not keep.
pub const COST_ERROR_MIN: f64 = 1.35;

/// By how many times either way when too few records allow to leave one out and see: twice as
/// far as the worst foretold of the reference records lies from what it measured. Less would make
/// fewer records look surer.
pub const COST_ERROR_OF_FEW: f64 = 4.0;

/// Records without which no error can be told by leaving one out: the line that is left has two
/// parameters, and at least one record more to show how well it fits.
pub const COST_RECORDS_MIN: usize = 4;

/// Handshakes for each delivery with which a run still says what a delivery costs: one costs the
/// service about a hundred deliveries, so they are a tenth of the processor time at the most.
pub const HANDSHAKES_PER_DELIVERY_MAX: f64 = 1e-3;

/// Bytes of a delivery that a packet has room for, headers aside: what tells long deliveries, which
/// are many packets, from short ones. Only the load of a shard is counted with it.
pub const PACKET_ROOM_BYTES: f64 = 1_300.0;
const _: () = assert!(PACKET_ROOM_BYTES < super::MTU_BYTES as f64);
const _: () = assert!(COST_ERROR_OF_FEW > COST_ERROR_MIN && COST_ERROR_MIN > 1.0);

/// Users of one plan, at most: more than there are people.
pub const PLAN_USERS_MAX: f64 = 1e10;

/// Sizes of groups of one plan: each is a line of its table.
pub const PLAN_GROUPS_MAX: usize = 32;

/// Where a law of sizes is cut into slices, in standard deviations of its logarithm from the median:
/// each is a line of a plan's table. What a delivery costs bends little within a deviation, and the
/// largest groups, one in 740, are a slice of their own.
pub const LAW_SLICES: [f64; 5] = [-1.0, 0.0, 1.0, 2.0, 3.0];
const _: () = assert!(LAW_SLICES.len() < PLAN_GROUPS_MAX);
