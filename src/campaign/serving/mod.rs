//! Cipher suites at the service: the same group on the real server, once with each suite's bytes.
//!
//! Its update commits and messages have the exact sizes of the byte model. Messages come at one rate that
//! all suites have in common, commits as often as each suite's bytes leave room for, so that none waits
//! for another; then the rate of commits is searched that each can be sustained at.
//! Runs of all suites and sizes take turns in an order drawn from a seed, so that a machine that gets
//! slower slows all alike. A run that is not valid, or has no result, is said and the rest goes on.
//! Patterns of two suites are modelled beside them, and loaded where they differ: a combiner in its
//! commits, a post-quantum Welcome in joins. Pure but for the trait that makes the runs. Called by `cli`.

mod csv;
pub mod joined;
mod joins;
mod measure;
mod memory;
mod pace;
mod question;
pub mod record;
mod rows;
mod saturation;
mod summary;

#[cfg(test)]
mod stated;
#[cfg(test)]
mod tests;

pub use csv::{csv, joins_csv};
pub use measure::measure;
pub use question::{Contender, Question, Traffic, Unservable};
pub(super) use summary::in_words;
pub use summary::render;
