//! Cipher suites side by side: what there is, what each costs a client, by group size.
//!
//! It asks the stacks, runs their members and writes down what it saw: times, bytes, memory. It
//! never opens a socket and never prints. Called by `cli`.

pub mod registry;
pub mod text;
