//! Cipher suites side by side: what there is, what each costs a client, by group size.
//!
//! It asks the stacks, runs their members and writes down what it saw: times, bytes, memory. It
//! never opens a socket and never prints. Called by `cli`.

pub mod beside;
pub mod cell;
pub mod dormant;
pub mod folder;
pub mod group;
pub mod interval;
pub mod job;
pub mod measure;
pub mod model;
pub mod page;
pub mod plan;
pub mod published;
pub mod record;
pub mod registry;
pub mod table;
pub mod text;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
