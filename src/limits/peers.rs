//! Bounds of a comparison with the systems that a user would pick instead.

use std::time::Duration;

use super::AUDIENCE_ENTRIES_MAX;

/// Broadcasts that a comparison with peers keeps in flight, at most. A member that has none of
/// them yet is so many frames behind.
pub const IN_FLIGHT_MAX: u32 = 256;

/// Rounds of a comparison with peers, at most. Each runs every contestant once.
pub const ROUNDS_MAX: u32 = 100;

/// Messages of one round, at most: more than an hour of any contestant's.
pub const ROUND_MESSAGES_MAX: u32 = 1_000_000;

/// How long a contestant may deliver nothing while something is in flight.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long one contestant publishes before the others, who are idle meanwhile, are looked after:
/// with what is then still in flight well below [`IDLE_MAX`].
pub const PEER_TURN_MAX: Duration = Duration::from_secs(5);

/// Longest line of a peer's text protocol in bytes. A NATS server's greeting is about 500.
pub const PEER_LINE_BYTES_MAX: usize = 16 << 10;

/// Bytes that are read at once from a TCP connection: one buffer for all of a contestant's.
pub const PEER_READ_BYTES: usize = 256 << 10;

/// Messages that wait for one member's task in the baseline. When full, the one task that hands
/// them out waits, and with it everybody.
pub const BASELINE_QUEUE_MAX: usize = 64;

const _: () = assert!((IN_FLIGHT_MAX as usize) < AUDIENCE_ENTRIES_MAX);
// A TLS record: 2^14 bytes and what surrounds them (RFC 8446 §5.2).
const _: () = assert!(PEER_READ_BYTES > (16 << 10) + 256 + 5);
