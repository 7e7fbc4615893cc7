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
