//! What an operator's tools ask of a running server: its counters and whether it is ready.
//!
//! Two pages over HTTP, on a thread that no shard runs on: `/metrics` in the text format of
//! Prometheus, `/healthz` for whoever decides where clients go. Shows what `server` publishes and
//! decides nothing; it is there before the server, so that one that still recovers says so. Called
//! by `cli`.

mod health;
mod http;
mod metrics;
#[cfg(test)]
mod tests;

pub use health::{Health, Status};
pub use http::{Endpoint, Error};
pub use metrics::{Build, page};
