//! load
pub mod client;
pub use client::{Client, Heard, SessionNumber};
