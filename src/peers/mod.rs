//! The systems a user would pick instead, on the same work, in one run.
//!
//! - The *work* comes from a scenario: one group, its members, its MLS messages in their order.
//! - A *contestant* is a server process and a link: all members, each subscribed over a connection
//!   of its own, and one publisher. Stentor and a naive baseline on stock quinn are heard by the
//!   load engine's own client; NATS and Redis over TLS by one thread with one epoll.
//! - A *ledger* checks every delivery of every contestant the same way and notes when it came.
//! - A *round* runs each contestant once, in turn, in a closed loop with so many messages in
//!   flight. Rounds interleave the contestants, so that each is compared with the others in the
//!   same minutes; ratios are taken within a round, and only then over rounds.
//! - All encrypt with TLS 1.3, AES-128-GCM and X25519; every server is on one core, every client on
//!   another; processor time is the kernel's, read alike for each.
//!
//! A contestant that loses, repeats, reorders or alters a delivery, or dies, is out by name, with
//! why; the others go on. One that is not installed is skipped by name. Never prints, and judges no
//! schedule: latency here is that of a closed loop. Called by `cli`.

pub mod baseline;
mod broker;
pub mod contest;
pub mod entrant;
pub mod fault;
mod fleet;
mod ledger;
mod link;
mod nats;
mod quic;
pub mod record;
mod redis;
mod round;
mod spread;
pub mod summary;
mod text;
mod tls;
pub mod work;

#[cfg(test)]
mod tests;

pub use contest::{Found, Impossible, Options, Presence, Set, contest};
pub use entrant::{Entrant, FloorRound, FloorWork, MeasureFloor, Name, Server, Service, Status};
pub use fault::Fault;
pub use round::Round;
pub use work::{NoWork, Work};
