//! Several runs as one result: load curves, capacity, contention, and what they mean for a plan.
//!
//! What to run next is decided here, purely; how a run is made is the caller's, who implements
//! [`Trials`]. Never opens a socket, never starts a process and never prints. Called by `cli`.

pub mod capacity;
pub mod contention;
pub mod cost;
pub mod estimate;
pub mod evidence;
pub mod explain;
pub mod figure;
pub mod memory;
pub mod page;
pub mod plan;
pub mod record;
pub mod search;
pub mod serving;
mod surface;
pub mod sweep;
pub mod text;
mod trials;
pub mod usl;

pub use trials::{TrialError, Trials};

#[cfg(test)]
mod tests;
