//! Contention curves: what racing for epochs costs, by policy, racers and size of the group.
//!
//! Each point is a few short live runs of one policy at one number of racers in groups of one
//! size, on a fresh server each. Runs are made in an order that is drawn from a seed, and in every
//! second round in the reverse of it, so that a machine that gets slower does not bend a curve. A
//! point whose runs are not all valid says so and stays. Pure but for the trait that makes the
//! runs. Called by `cli`; `report` draws what comes of it.

mod csv;
mod curves;
mod point;
pub mod question;
pub mod record;
mod summary;

pub use csv::csv;
pub use curves::curves;
pub use question::{Cell, Question, Wants};
pub use record::{
    ContentionCurve, ContentionPoint, ContentionResult, ContentionTrial, TimeToCommit,
};
pub use summary::render;
