//! How hard this side had it in the measured window: what makes a generator the limit.
//!
//! A generator that is busy throughout answers late and reads late, and its own queue is then part of
//! what it measures, though it may send every operation on time. Pure. Called by the worker at both
//! ends of the window; read by the report.

use std::time::Duration;

use crate::process::CpuTimes;

/// What this side, and its machine, had come to at one end of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// When, since the start of the run.
    pub at: Duration,
    /// Processor time of the worker's thread.
    pub worker_cpu: Duration,
    /// Receives that the kernel dropped because this side's buffers were full.
    pub receive_drops: u64,
    /// The same of every socket of the machine.
    pub machine_receive_drops: Option<u64>,
    /// Processor time of the machine.
    pub machine_cpu: Option<CpuTimes>,
}

/// What lies between both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strain {
    /// Share of the window in which the worker's thread was on a core: all that it sends, receives
    /// and counts, and what the kernel does in its name. Over loopback that is half of the server's
    /// receiving too, as half of the worker's own is done in the server's.
    pub busy_share: f64,
    /// Receives that the kernel dropped because this side's buffers were full.
    pub receive_drops: u64,
    /// The same of every socket of the machine, this side's included.
    pub machine_receive_drops: Option<u64>,
    /// Share of the machine's time that went to other guests of its host.
    pub steal_share: Option<f64>,
}

impl Strain {
    /// From one end of a window to the other.
    #[must_use]
    pub fn between(first: &Edge, last: &Edge) -> Self {
        let wall = last.at.saturating_sub(first.at);
        let busy = last.worker_cpu.saturating_sub(first.worker_cpu);
        let drops = first.machine_receive_drops.zip(last.machine_receive_drops);
        let times = first.machine_cpu.zip(last.machine_cpu);
        Self {
            busy_share: if wall.is_zero() { 0.0 } else { busy.div_duration_f64(wall) },
            receive_drops: last.receive_drops.saturating_sub(first.receive_drops),
            machine_receive_drops: drops.map(|(first, last)| last.saturating_sub(first)),
            steal_share: times.and_then(|(first, last)| last.steal_share_since(&first)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strain_is_the_difference_of_both_ends() {
        let secs = Duration::from_secs;
        let first = Edge {
            at: secs(2),
            worker_cpu: secs(1),
            receive_drops: 3,
            machine_receive_drops: Some(10),
            machine_cpu: Some(CpuTimes { total: 1_000, steal: 10 }),
        };
        let last = Edge {
            at: secs(12),
            worker_cpu: secs(10),
            receive_drops: 5,
            machine_receive_drops: Some(17),
            machine_cpu: Some(CpuTimes { total: 3_000, steal: 110 }),
        };
        let strain = Strain::between(&first, &last);
        let expected = Strain {
            busy_share: 0.9,
            receive_drops: 2,
            machine_receive_drops: Some(7),
            steal_share: Some(0.05),
        };
        assert_eq!(strain, expected);
        let blind = Strain::between(&Edge { machine_cpu: None, ..first }, &last);
        assert_eq!(blind.steal_share, None);
        assert_eq!(Strain::between(&first, &first).busy_share, 0.0);
    }
}
