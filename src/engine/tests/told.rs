//! A log that does what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::log::{Error, Log, Position};

/// Its watermark moves, and it fails, only when told to.
#[derive(Debug)]
pub(super) struct Told {
    orders: Arc<Orders>,
    entries: SyncSender<Vec<u8>>,
    appended: u64,
    bytes: u64,
}

/// What the log is told, and tells.
#[derive(Debug, Default)]
struct Orders {
    durable: AtomicU64,
    released_below: AtomicU64,
    failing: AtomicBool,
}

/// The test's end of it.
#[derive(Debug)]
pub(super) struct Teller {
    orders: Arc<Orders>,
    entries: Receiver<Vec<u8>>,
}

pub(super) fn told() -> (Box<Told>, Teller) {
    let orders = Arc::new(Orders::default());
    let (sender, entries) = sync_channel(100_000);
    let log = Told { orders: Arc::clone(&orders), entries: sender, appended: 0, bytes: 0 };
    (Box::new(log), Teller { orders, entries })
}

impl Teller {
    pub(super) fn set_durable(&self, durable: u64) {
        self.orders.durable.store(durable, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.orders.failing.store(true, Ordering::Relaxed);
    }

    pub(super) fn released_below(&self) -> u64 {
        self.orders.released_below.load(Ordering::Relaxed)
    }

    /// What was appended since this was last asked.
    pub(super) fn entries(&self) -> Vec<Vec<u8>> {
        self.entries.try_iter().collect()
    }
}

impl Log for Told {
    fn append(&mut self, parts: &[&[u8]]) -> Result<Position, Error> {
        if self.orders.failing.load(Ordering::Relaxed) {
            return Err(Error::Failed("told to".into()));
        }
        let entry = parts.concat();
        self.bytes += entry.len() as u64;
        self.entries.try_send(entry).expect("a test appends little");
        self.appended += 1;
        Ok(Position(self.appended))
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn set_time(&mut self, _: Duration) {}

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn release_below(&mut self, position: Position) {
        let before = self.orders.released_below.swap(position.0, Ordering::Relaxed);
        assert!(before <= position.0, "what was released does not come back");
    }

    fn durable(&self) -> Position {
        Position(self.orders.durable.load(Ordering::Relaxed))
    }
}
