//! The engine: what leaves it and when, what it logs, what is there again after a restart.

mod joining;
mod levels;
mod records;
mod release;
mod restart;
mod storm;
mod told;

use std::time::Duration;

use super::{Engine, Recovery};
use crate::delivery::{DeviceId, GroupId, Link, Output, Policy};
use crate::log::Log;

/// Entries of a log, of every kind.
pub(crate) fn entries() -> Vec<Vec<u8>> {
    records::entries()
}

const FROM: Link = Link { shard: 0, session: 0, generation: 0 };
const AT: Duration = Duration::from_secs(1_700_000_000);

fn device(number: u8) -> DeviceId {
    DeviceId([number; 16])
}

fn group(number: u8) -> GroupId {
    GroupId::new(&[number; 16]).unwrap()
}

/// An engine over a log with nothing in it.
fn engine(log: Box<dyn Log>) -> Engine {
    Recovery::new(Policy::default()).finish(log, u64::MAX).unwrap().0
}

fn released(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| engine.release()).collect()
}
