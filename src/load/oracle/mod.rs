//! The oracle: proves while measuring that nothing was lost, forked or reordered.
//!
//! Online and O(1) for each delivery, without an allocation while the service is correct. It
//! counts what is wrong and never panics over what a service says; it knows no clock, no socket
//! and no thread. A worker owns one for the groups it drives and feeds it everything it submits
//! and hears; deliveries may come before the reply to what they deliver. Everyone on the roster
//! gets every message, its sender too. What it finds is merged over workers.

mod absence;
mod account;
mod finish;
mod group;
mod judge;
mod violations;

#[cfg(test)]
mod away;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod model;

pub use account::{Counts, Delivered, Judgement, Submitted};
pub use judge::Oracle;
pub use violations::{Example, ViolationKind, Violations};
