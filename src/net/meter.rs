//! How many bytes of a connection are on their way.
//!
//! quinn-proto tells its congestion controller and nobody else. So the controller here is Cubic
//! (RFC 9438) with a meter beside it: it decides nothing that Cubic does not. Read by the driver.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};

use crate::limits::INITIAL_WINDOW_BYTES;

/// What one connection has on its way. Written and read by the thread of its driver alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Reading>);

#[derive(Debug, Default)]
struct Reading {
    in_flight: AtomicU64,
    acknowledged: AtomicU64,
}

impl Meter {
    /// Bytes sent, and neither acknowledged nor given up; between two acknowledgements also those
    /// of packets that ask for none.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.0.in_flight.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Bytes acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.0.acknowledged.load(Ordering::Relaxed)
    }

    fn set(&self, bytes: u64) {
        self.0.in_flight.store(bytes, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(u64) -> u64) {
        self.set(change(self.0.in_flight.load(Ordering::Relaxed)));
    }
}

/// Makes the controllers of one driver's connections, and keeps the meter of the last one until
/// the driver has taken it.
#[derive(Debug, Default)]
pub(super) struct Meters {
    #[expect(clippy::disallowed_types, reason = "quinn-proto asks for Sync; one thread uses it")]
    last: std::sync::Mutex<Meter>,
}

impl Meters {
    /// The meter of the connection that was just made.
    pub(super) fn take(&self) -> Meter {
        self.last.lock().map(|mut last| std::mem::take(&mut *last)).unwrap_or_default()
    }
}

impl ControllerFactory for Meters {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let meter = Meter::default();
        if let Ok(mut last) = self.last.lock() {
            *last = meter.clone();
        }
        let mut config = CubicConfig::default();
        config.initial_window(INITIAL_WINDOW_BYTES);
        let cubic = Arc::new(config).build(now, current_mtu);
        Box::new(Metered { cubic, meter })
    }
}

struct Metered {
    cubic: Box<dyn Controller>,
    meter: Meter,
}

impl Controller for Metered {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.meter.change(|before| before + bytes);
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let before = self.meter.0.acknowledged.load(Ordering::Relaxed);
        self.meter.0.acknowledged.store(before + bytes, Ordering::Relaxed);
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.meter.set(in_flight);
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.meter.change(|before| before.saturating_sub(lost_bytes));
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { cubic: self.cubic.clone_box(), meter: self.meter.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
