//! Whether what a service acknowledged survives its being killed, again and again, under load.
//!
//! Plays members of durable groups over QUIC while [`endure`] kills the service at random moments
//! and starts it again over the same log, and holds everything that the members hear against
//! everything they heard before ([`Oracle`]). Never looks into the service: it knows what a client
//! can know. Starting and killing a process is its caller's, behind [`Service`]. Called by `cli`.

mod crowd;
mod oracle;
mod ordeal;

pub use oracle::{Counts, Oracle, Violation, Violations};
pub use ordeal::{Failure, Options, Outcome, Service, Started, endure};
