//! How live members that want to commit in the same epoch go about it, and what that costs.
//!
//! A policy is the members' own: the service takes the first commit of an epoch whatever they do,
//! so a bad one costs waste and waiting, never agreement. Pure: instants and the order come as
//! arguments. Read by the worker, which plays it, and by the report.

pub mod jain;
pub mod lease;
pub mod policy;
pub mod tally;

pub use policy::{Backoff, Contention, Policy};
pub use tally::{Event, Tally, What};
