//! One interval of a run: what came about in it, and what both sides used meanwhile.

use std::time::Duration;

use super::{EngineReading, Packed};

/// What is timed in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From the intended instant to the acceptance.
    Response,
    /// From the actual send to the acceptance.
    Service,
    /// From the intended instant to when the generator reached it.
    Lateness,
    /// From the intended instant to the first member.
    FanoutFirst,
    /// From the intended instant to each member.
    FanoutMember,
    /// From the intended instant to the last member.
    FanoutLast,
}

impl Metric {
    /// Every metric, in the order of records.
    pub const ALL: [Self; 6] = [
        Self::Response,
        Self::Service,
        Self::Lateness,
        Self::FanoutFirst,
        Self::FanoutMember,
        Self::FanoutLast,
    ];
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its name in records and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Lateness => "lateness",
            Self::FanoutFirst => "fanout_first",
            Self::FanoutMember => "fanout_member",
            Self::FanoutLast => "fanout_last",
        }
    }
}

/// A slice of a run. Operations are counted once each: a racer's tries that lost are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Where it starts, since the start of the run.
    pub from: Duration,
    /// Where it ends. The last one of a run is shorter.
    pub to: Duration,
    /// Index of the phase that it starts in; as many as there are phases in the drain.
    pub phase: u32,
    /// Operations that the generator reached.
    pub due: u64,
    /// Operations that were accepted.
    pub accepted: u64,
    /// Operations that were refused for good.
    pub rejected: u64,
    /// Operations that were given up.
    pub timed_out: u64,
    /// Operations that will never be sent.
    pub not_issued: u64,
    /// Deliveries that came.
    pub deliveries: u64,
    /// Their bytes of MLS messages.
    pub bytes: u64,
    /// Operations without an outcome at its end, those that wait for their sender's epoch included.
    pub in_flight: u64,
    /// Violations that were seen first.
    pub violations: u64,
    /// Processor time of the server in microseconds; `None` where it was not heard of.
    pub server_cpu_us: Option<u64>,
    /// Resident bytes of the server at the end.
    pub server_rss_bytes: Option<u64>,
    /// Deliveries that the server counted while it used `server_cpu_us`.
    pub server_deliveries: Option<u64>,
    /// Processor time of this process in microseconds.
    pub engine_cpu_us: u64,
    /// Processor time of the worker's thread in microseconds.
    pub worker_cpu_us: u64,
    /// Receives that the kernel dropped because this side's buffers were full.
    pub receive_drops: u64,
    /// By [`Metric`].
    pub(super) series: [Packed; Metric::COUNT],
    /// Whether what this side used has been charged to it.
    pub(super) read: bool,
}

impl Interval {
    /// What was timed in it.
    #[must_use]
    pub fn of(&self, metric: Metric) -> &Packed {
        &self.series[metric as usize]
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.to.saturating_sub(self.from).as_secs_f64()
    }

    /// Processor time of the server for each delivery that it counted, in microseconds; `None`
    /// without a delivery.
    #[must_use]
    pub fn server_cpu_us_per_delivery(&self) -> Option<f64> {
        let deliveries = self.server_deliveries.filter(|deliveries| *deliveries > 0)?;
        Some(self.server_cpu_us? as f64 / deliveries as f64)
    }

    pub(super) fn charge(&mut self, reading: EngineReading, before: EngineReading) {
        self.read = true;
        self.engine_cpu_us = reading.cpu_us.saturating_sub(before.cpu_us);
        self.worker_cpu_us = reading.worker_cpu_us.saturating_sub(before.worker_cpu_us);
        self.receive_drops = reading.receive_drops.saturating_sub(before.receive_drops);
        self.violations = reading.violations.saturating_sub(before.violations);
    }

    /// Whether nothing at all was told in it.
    pub(super) fn is_empty(&self) -> bool {
        let told = self.due
            + self.accepted
            + self.rejected
            + self.timed_out
            + self.not_issued
            + self.deliveries
            + self.violations;
        told == 0
    }
}
