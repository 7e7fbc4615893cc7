//! The service: shard threads, the rings between them, sessions, authentication, shutdown.
//!
//! Composes what is below and decides nothing about groups. A shard is one pinned thread with one
//! UDP socket: it owns the groups that hash to it and the sessions that connected to its port. A
//! member may sit on another shard than its group; then the two meet through `mesh`, one ring
//! entry per batch. Called by `cli`, and read by `operation`.

mod audiences;
mod config;
mod counters;
mod dispatch;
mod drain;
mod fanout;
mod joining;
mod logs;
mod mesh;
mod monitor;
mod requests;
mod room;
mod service;
mod session;
pub mod settings;
mod timings;
mod worker;

pub use config::Config;
pub use logs::{Recovered, shard_folders};
pub use monitor::Monitor;
pub use service::{Error, Server};
pub use settings::Settings;
pub use timings::{Histogram, Timing, Timings};
