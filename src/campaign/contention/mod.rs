//! Contention curves: what racing for epochs costs, by policy, racers and size of the group.
//!
//! Each point is a few short live runs of one policy at one number of racers in groups of one
//! size. Pure but for the trait that runs them. Called by `cli`; `report` draws what comes of it.

pub mod record;

pub use record::{ContentionCurve, ContentionPoint, TimeToCommit};
