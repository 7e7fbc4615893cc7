//! Bounds on what strangers and devices may take of the service.
//!
//! Each with its reason and its cost, as all of `limits`, of which this is a part.

use std::time::Duration;

use super::{CONNECTIONS_MAX, FRAME_BYTES_MAX, HELLO_MAX, PHASE_SECONDS_MAX};

/// Connections of one driver from which on a client has to prove its address before it gets a
/// place: half of all. A proof costs it a round trip.
pub const CONNECTIONS_UNVALIDATED_MAX: usize = CONNECTIONS_MAX / 2;

/// Handshakes under way at one driver. One costs about 30 KiB, and 300 us of signing before it is
/// one.
pub const HANDSHAKES_MAX: usize = 4_096;

/// Handshakes under way at one driver from which on a client has to prove its address before it
/// gets a place. More than honest clients begin within a round trip, but when all return at once.
pub const HANDSHAKES_UNVALIDATED_MAX: usize = 1_024;

/// Connections of one network, which is an IPv4 address or an IPv6 /64: a large office behind one
/// address.
pub const CONNECTIONS_PER_NETWORK_MAX: usize = 4_096;

/// Handshakes under way of one network: as many as a load or an office begins at once.
pub const HANDSHAKES_PER_NETWORK_MAX: usize = 256;

/// How long a handshake may take: far beyond three round trips on a bad line. A half-open one holds
/// its place for so long.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Bytes that a client may have sent the service on one connection before they are read, once a
/// device on it has authenticated; out of order they stay unread. Lets a client 50 ms away upload
/// 5 MB/s. Raising it raises what a hostile device makes the service hold.
pub const SERVICE_WINDOW_BYTES: u32 = 256 << 10;

/// As [`SERVICE_WINDOW_BYTES`], before any device has authenticated: some hundred hellos.
pub const STRANGER_WINDOW_BYTES: u32 = 16 << 10;

/// Sessions of one shard. Each costs about 1 KiB, and up to [`INBOX_BYTES_FREE`] and
/// [`super::REPLIES_PENDING_BYTES_MAX`] if its device is hostile.
pub const SESSIONS_MAX: usize = 500_000;

/// Bytes of unfinished long frames of all of a shard's sessions together: a dozen of the longest.
/// When that is taken, a session with a long frame is left unread until there is room for all of
/// it, in turn.
pub const INBOX_BYTES_MAX: usize = 256 << 20;

/// Share of [`INBOX_BYTES_MAX`] that the sessions of one connection may take, but for a single
/// frame.
pub const INBOX_CONNECTION_SHARE: usize = 8;

/// Longest frame that may be unfinished without room being taken for it.
pub const INBOX_BYTES_FREE: usize = 8 << 10;

/// Bytes read of a session at once, before what they hold is looked at.
pub const READ_BYTES_MAX: usize = 64 << 10;

/// How long a long frame may take from when there is room for it until it is whole: 300 KB/s for
/// the longest. Whoever takes longer is closed as too slow, for others may wait.
pub const FRAME_MAX: Duration = Duration::from_secs(60);

/// Longest time for a long frame that can be set: 5 KB/s for the longest.
pub const FRAME_SETTING_MAX: Duration = Duration::from_hours(1);

/// Bytes of a token: key id, last second, tag.
pub const TOKEN_BYTES: usize = 1 + 8 + 32;

/// Token keys that are good at once: the one that signs and those before it. A rotation a month
/// leaves tokens of half a year good.
pub const TOKEN_KEYS_MAX: usize = 8;

/// Changes of the token keys that a shard may not have looked at yet. When full, the next is
/// refused with that.
pub const TOKEN_KEYS_PENDING_MAX: usize = 4;

/// How long a token is good that a load or a comparison issues to the devices it plays: longer
/// than any run.
pub const TOKEN_LIFETIME: Duration = Duration::from_hours(48);

/// Epochs that a member has to lose before one is reserved for those who lost most. With two
/// contenders the second wins by itself before.
pub const LOSSES_MIN: u32 = 3;

/// For how long an epoch is reserved at most: for a member 50 ms away to hear of it, rebase and
/// commit. What others may wait who did not lose.
pub const RESERVATION_MAX: Duration = Duration::from_millis(250);

/// Longest reservation that can be set: what a member that has lost, and is gone, delays others.
pub const RESERVATION_SETTING_MAX: Duration = Duration::from_secs(60);

/// Losers that a group remembers, 40 bytes each, while there are any.
pub const CONTENDERS_MAX: usize = 64;

/// Largest rate a second, and largest burst, that can be set: beyond what a shard decides.
pub const RATE_SETTING_MAX: u32 = 1_000_000;

/// Submissions a second of one device that a shard takes, of all its groups there. No member of a
/// conversation comes near it; it leaves room for a load that publishes as one.
pub const DEVICE_RATE_MAX: u32 = 20_000;

/// Submissions of one device that may come at once.
pub const DEVICE_BURST: u32 = 20_000;

/// Messages a second that a group takes: beyond it its members could not keep up.
pub const GROUP_RATE_MAX: u32 = 50_000;

/// Messages that a group may take at once.
pub const GROUP_BURST: u32 = 50_000;

/// Devices whose submissions a shard meters at a time, 16 bytes each. With more that submit at
/// once, those that have been quiet for longest are met as if new.
pub const DEVICES_METERED_MAX: usize = 1 << 16;

/// What a connection without an authenticated session makes the service hold, at most: the state
/// of QUIC and TLS (some 40 KiB measured), [`STRANGER_WINDOW_BYTES`] out of order, and what that
/// costs to keep.
pub const STRANGER_BYTES_MAX: u64 = 96 << 10;

/// What a connection with one session makes the service hold, at most, beside what it takes of
/// [`INBOX_BYTES_MAX`] and of groups: a stranger's, [`SERVICE_WINDOW_BYTES`] out of order with half
/// as much to keep it, what it does not acknowledge, and answers it does not read.
pub const DEVICE_BYTES_MAX: u64 = STRANGER_BYTES_MAX
    + SERVICE_WINDOW_BYTES as u64 * 3 / 2
    + super::SEND_WINDOW_BYTES
    + READ_BYTES_MAX as u64
    + 2 * super::REPLIES_PENDING_BYTES_MAX as u64;

const _: () = assert!(DEVICES_METERED_MAX.is_power_of_two());
const _: () = assert!(HANDSHAKES_UNVALIDATED_MAX < HANDSHAKES_MAX);
const _: () = assert!(HANDSHAKES_PER_NETWORK_MAX < HANDSHAKES_UNVALIDATED_MAX);
const _: () = assert!(DEVICE_RATE_MAX <= RATE_SETTING_MAX && GROUP_RATE_MAX <= RATE_SETTING_MAX);
const _: () = assert!(HANDSHAKE_MAX.as_secs() < HELLO_MAX.as_secs());
const _: () = assert!(STRANGER_WINDOW_BYTES <= SERVICE_WINDOW_BYTES);
const _: () = assert!(FRAME_BYTES_MAX <= INBOX_BYTES_MAX);
const _: () = assert!(INBOX_BYTES_FREE <= READ_BYTES_MAX);
// A run lasts a day at most, in each of its phases.
const _: () = assert!(TOKEN_LIFETIME.as_secs() > PHASE_SECONDS_MAX as u64);
