//! What a delivery costs at least on this machine: its physical floor.
//!
//! A delivery service that sends each member a packet of its own cannot avoid finding the member's
//! state, sealing with the member's key, handing the packet to the kernel, and taking in what comes
//! back. [`measure`] does that and nothing else, over the sockets that the service itself uses: no
//! QUIC, no decision, no log. [`seal()`] and [`send()`] say what two parts of it cost alone. It is
//! never a model of a protocol and never part of a service. Called by `cli`, and by whoever states
//! a result's distance to the floor.

mod delivery;
mod error;
mod loopback;
mod packet;
mod recipients;
mod seal;
mod service;
mod spread;
mod work;
#[cfg(test)]
mod tests;

pub use delivery::{F3, measure};
pub use error::Error;
pub use loopback::{Manner, Sending, check_receivers, send};
pub use seal::{Sealing, seal};
pub use spread::Spread;
pub use work::Work;
