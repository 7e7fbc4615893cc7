//! One contestant's round, and what the system's books say of it.
//!
//! Reads what the kernel counts, before and after what is measured; judges nothing. Called by
//! `contest`.

use std::time::{Duration, Instant};

use super::entrant::Served;
use super::link::Datagrams;
use crate::clock;
use crate::load::recorder::Series;
use crate::process::{self, Usage};

/// One contestant's round. What the floor has not is empty or zero.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// From 0; the same for all that were measured together.
    pub number: u32,
    /// Deliveries, each checked.
    pub deliveries: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// How long it took.
    pub wall: Duration,
    /// What the server spent.
    pub server_cpu: Duration,
    /// What this process spent.
    pub client_cpu: Duration,
    /// What went over the loopback interface, headers and both directions.
    pub loopback_bytes: u64,
    /// The server's resident memory at the end.
    pub server_rss_bytes: u64,
    /// Data packets that one acknowledgement of a member answered; `None` over TCP.
    pub packets_per_ack: Option<f64>,
    /// From the publication to each member.
    pub member: Series,
    /// From the publication to the last member.
    pub last: Series,
}

/// What the system's books say at one moment.
pub(super) struct Reading {
    at: Instant,
    server: Usage,
    client_us: u64,
    loopback_bytes: u64,
    datagrams: Datagrams,
}

impl Reading {
    pub(super) fn take(served: &Served<'_>) -> Self {
        let server = Usage::of(served.server.pid()).unwrap_or_default();
        let client_us = Usage::own().cpu_us();
        let (loopback_bytes, datagrams) = (process::loopback_bytes(), served.link.datagrams());
        Self { server, client_us, loopback_bytes, datagrams, at: clock::now() }
    }
}

impl Round {
    pub(super) fn spend(&mut self, before: &Reading, after: &Reading) {
        let micros = |before: u64, after: u64| Duration::from_micros(after.saturating_sub(before));
        self.wall += after.at.saturating_duration_since(before.at);
        self.server_cpu += micros(before.server.cpu_us(), after.server.cpu_us());
        self.client_cpu += micros(before.client_us, after.client_us);
        self.loopback_bytes += after.loopback_bytes.saturating_sub(before.loopback_bytes);
        self.server_rss_bytes = after.server.rss_bytes;
        let sent = after.datagrams.sent.saturating_sub(before.datagrams.sent);
        let taken = after.datagrams.taken.saturating_sub(before.datagrams.taken);
        #[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^52")]
        let ratio = (sent > 0).then(|| taken as f64 / sent as f64);
        self.packets_per_ack = ratio;
    }
}
