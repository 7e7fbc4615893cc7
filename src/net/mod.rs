//! QUIC: one thread, a few UDP sockets, quinn-proto driven directly.
//!
//! The same [`Driver`] carries the service and the members of the load engine. It moves bytes of
//! streams and never looks into them; it has no task, lock or channel. Who owns a driver owns its
//! thread: `server`'s shards and `load`'s workers. `floor` uses the bare socket.

mod admission;
mod connection;
mod driver;
mod error;
mod event;
mod meter;
mod probe;
mod socket;
mod tickets;
mod timers;
mod tls;
mod transport;
#[cfg(test)]
mod tests;

pub use admission::Admission;
pub use connection::ConnectionId;
pub use driver::{Counters, Driver, Readable};
pub use error::Error;
pub use event::{Event, Lost};
pub use probe::{Probe, probe};
pub use quinn_proto::{Dir, StreamId};
pub(crate) use socket::Socket;
pub use socket::{Bound, SocketCounters};
pub use tls::{CIPHER_SUITE, Fingerprint, Identity, IdentityPem, KeyExchange, Trust};
