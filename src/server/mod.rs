//! The service: shard threads, the rings between them, sessions, authentication, shutdown.
//!
//! Composes what is below and decides nothing about groups. A shard is one pinned thread with one
//! UDP socket: it owns the groups that hash to it and the sessions that connected to its port. A
//! member may sit on another shard than its group; then the two meet through `mesh`, one ring
//! entry per batch. Called by `cli`.

mod audiences;
mod config;
mod counters;
mod dispatch;
mod fanout;
mod mesh;
mod requests;
mod room;
mod service;
mod session;
mod worker;

pub use config::{Config, Defence};
pub use service::{Error, Server};
