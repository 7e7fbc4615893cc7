//! What an operator's tools ask of a running server: its counters and whether it is ready.
//!
//! Two pages over HTTP, on a thread that no shard runs on: `/metrics` in the text format of
//! Prometheus, `/healthz` for whoever decides where clients go. Shows what `server` publishes and
//! decides nothing; it is there before the server, so that one that still recovers says so. The same
//! HTTP and the same format show other pages to who brings them. Called by `cli`.

mod health;
mod http;
mod metrics;
mod pages;
#[cfg(test)]
mod tests;

pub use health::{Health, Status};
pub use http::{Endpoint, Error, Page};
pub use metrics::{Build, Exposition, MEDIA_TYPE, page, seconds};
pub use pages::of_server;
