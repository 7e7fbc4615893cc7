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

/// Past epochs whose application messages are still accepted and decrypted (RFC 9420 §15.3 lets a
/// member keep that many). Each costs a member one more secret tree in memory, and forward secrecy.
pub const PAST_EPOCHS_MAX: u64 = 3;

/// Most members that one minted commit adds. A bulk add is quadratic in its adds and every commit
/// costs the whole tree: 10,000 members take 24 s in one commit, 9 s by 1,000, 18 s by 200.
pub const BULK_ADD_MAX: usize = 1_000;

/// How many application messages of one sender may overtake another before a real member can no
/// longer decrypt it. Costs one key each, per sender, in every epoch that is kept.
pub const RATCHET_OVERTAKEN_MAX: u32 = 1_024;

/// How many messages of one sender a real member may never see without losing the next one.
/// Costs one key derivation each, once, when they are skipped.
pub const RATCHET_SKIPPED_MAX: u32 = 1 << 20;
