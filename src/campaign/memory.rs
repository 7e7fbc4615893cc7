//! What connections cost in memory, from what runs with so many of them took.
//!
//! Resident memory grows with connections on a line that does not go through zero: the process
//! itself is there. So it is interpolated between records, never divided. What a server grows by
//! under load depends on the load; the least and the most of the records are its interval. Pure.
//! Used by the plan and by what is said before a run.

use super::estimate::Estimate;
use super::evidence::{Evidence, Memory};
use crate::limits::EXTRAPOLATION_MAX;

/// Memory that was measured.
#[derive(Clone, Debug)]
pub struct Footprints {
    of: Vec<(Memory, usize)>,
}

/// Bytes, and the records that they were interpolated between.
#[derive(Clone, Debug, PartialEq)]
pub struct Footprint {
    /// Bytes of a whole process.
    pub bytes: Estimate,
    /// The records.
    pub from: Vec<usize>,
    /// Whether it lies outside of what was measured.
    pub extrapolated: bool,
}

/// More connections than anything measured says something about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the memory of {asked:.0} connections was not measured, that of up to {most:.0} was")]
pub struct TooMany {
    /// What was asked.
    pub asked: f64,
    /// The most that were measured.
    pub most: f64,
}

impl Footprints {
    /// What the records say; `None` when they say nothing.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let mut of: Vec<(Memory, usize)> =
            evidence.runs.iter().filter_map(|run| Some((run.memory?, run.source))).collect();
        of.sort_by(|(a, _), (b, _)| a.connections.total_cmp(&b.connections));
        (!of.is_empty()).then_some(Self { of })
    }

    /// A server that `connections` are open at and nothing is sent to.
    ///
    /// # Errors
    /// When they are too many, unless that is asked for.
    pub fn idle(&self, connections: f64, extrapolate: bool) -> Result<Footprint, TooMany> {
        self.along(connections, extrapolate, |memory| (memory.connections, memory.idle))
    }

    /// What a server grows by under load, for each connection: the least and the most of the
    /// records, and their median.
    #[must_use]
    pub fn growth(&self) -> Footprint {
        let mut each: Vec<f64> = self
            .of
            .iter()
            .map(|(memory, _)| (memory.peak - memory.idle).max(0.0) / memory.connections)
            .collect();
        each.sort_by(f64::total_cmp);
        let expected = f64::midpoint(each[(each.len() - 1) / 2], each[each.len() / 2]);
        let bytes = Estimate { low: each[0], expected, high: each[each.len() - 1] };
        let from = self.of.iter().map(|(_, source)| *source).collect();
        Footprint { bytes, from, extrapolated: false }
    }

    /// An engine that plays so many members.
    ///
    /// # Errors
    /// When they are too many, unless that is asked for.
    pub fn engine(&self, members: f64, extrapolate: bool) -> Result<Footprint, TooMany> {
        self.along(members, extrapolate, |memory| (memory.members, memory.engine))
    }

    /// On the line through the records around a place; through those furthest apart where there are
    /// several at one place, so that noise between two close ones never tilts it.
    fn along(
        &self,
        at: f64,
        extrapolate: bool,
        axes: impl Fn(&Memory) -> (f64, f64),
    ) -> Result<Footprint, TooMany> {
        let mut points: Vec<(f64, f64, usize)> = Vec::new();
        for (memory, source) in &self.of {
            let (x, y) = axes(memory);
            points.push((x, y, *source));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let most = points.last().map_or(0.0, |point| point.0);
        if at > most * EXTRAPOLATION_MAX && !extrapolate {
            return Err(TooMany { asked: at, most });
        }
        let knots: Vec<(f64, Estimate, Vec<usize>)> =
            points.chunk_by(|a, b| b.0 <= a.0 * EXTRAPOLATION_MAX).map(level).collect();
        let extrapolated = at > most;
        let [(only_at, only, from)] = knots.as_slice() else {
            let after = knots.partition_point(|knot| knot.0 < at).clamp(1, knots.len() - 1);
            let (a, b) = (&knots[after - 1], &knots[after]);
            let share = (at - a.0) / (b.0 - a.0);
            let of = |a: f64, b: f64| (a + (b - a) * share).max(0.0);
            let ends =
                [of(a.1.low, b.1.low), of(a.1.expected, b.1.expected), of(a.1.high, b.1.high)];
            let bytes = Estimate {
                low: ends.into_iter().fold(f64::INFINITY, f64::min),
                expected: ends[1],
                high: ends.into_iter().fold(0.0, f64::max),
            };
            let from = a.2.iter().chain(&b.2).copied().collect();
            return Ok(Footprint { bytes, from, extrapolated });
        };
        // One place says what its process takes; more connections take more, fewer not more.
        let grown = (at / only_at).max(1.0);
        let bytes = Estimate { high: only.high * grown, ..*only };
        Ok(Footprint { bytes, from: from.clone(), extrapolated })
    }
}

/// Points that are near each other as one: at their mean, between their least and most.
fn level(near: &[(f64, f64, usize)]) -> (f64, Estimate, Vec<usize>) {
    let count = near.len() as f64;
    let at = near.iter().map(|point| point.0).sum::<f64>() / count;
    let bytes = near.iter().map(|point| point.1);
    let value = Estimate {
        low: bytes.clone().fold(f64::INFINITY, f64::min),
        expected: bytes.clone().sum::<f64>() / count,
        high: bytes.fold(0.0, f64::max),
    };
    (at, value, near.iter().map(|point| point.2).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::evidence::Measured;

    fn evidence(of: &[(f64, f64, f64)]) -> Evidence {
        let run = |(source, (connections, idle, peak)): (usize, &(f64, f64, f64))| Measured {
            source,
            shards: 1,
            shape: None,
            mix: None,
            floor: None,
            durable: None,
            operations_per_s: 1.0,
            deliveries_per_s: 1.0,
            in_flight: None,
            cpu_us_per_delivery: None,
            engine_us_per_delivery: None,
            packets_per_delivery: None,
            last_member_p99_us: 0,
            memory: Some(Memory {
                connections: *connections,
                members: *connections,
                idle: *idle,
                peak: *peak,
                engine: idle * 2.0,
            }),
            reconnects_per_s: None,
        };
        Evidence { sources: Vec::new(), runs: of.iter().enumerate().map(run).collect() }
    }

    #[test]
    fn memory_lies_on_the_line_between_the_records_around_it() {
        let of = evidence(&[(100.0, 40e6, 41e6), (1_100.0, 60e6, 70e6), (10_100.0, 240e6, 440e6)]);
        let footprints = Footprints::of(&of).unwrap();
        let idle = |connections| footprints.idle(connections, false).unwrap();
        assert_eq!(idle(600.0).bytes, Estimate::exactly(50e6));
        assert_eq!(idle(5_600.0).bytes, Estimate::exactly(150e6));
        assert_eq!(idle(0.0).bytes, Estimate::exactly(38e6), "the process itself");
        assert_eq!(idle(5_600.0).from, [1, 2]);
        assert_eq!(footprints.engine(600.0, false).unwrap().bytes, Estimate::exactly(100e6));
        let growth = footprints.growth().bytes;
        assert_eq!(
            (growth.low, growth.expected, growth.high),
            (1e7 / 1_100.0, 1e4, 2e8 / 10_100.0)
        );
    }

    #[test]
    fn records_near_each_other_give_the_width_of_the_interval() {
        let of =
            evidence(&[(1_000.0, 50e6, 51e6), (1_200.0, 60e6, 61e6), (10_000.0, 200e6, 201e6)]);
        let footprints = Footprints::of(&of).unwrap();
        let at = footprints.idle(1_100.0, false).unwrap();
        assert_eq!((at.bytes.low, at.bytes.expected, at.bytes.high), (50e6, 55e6, 60e6));
    }

    #[test]
    fn more_than_twice_the_most_measured_is_refused_unless_asked_for() {
        let footprints = Footprints::of(&evidence(&[(10.0, 1e6, 2e6), (100.0, 2e6, 3e6)])).unwrap();
        assert!(footprints.idle(200.0, false).unwrap().extrapolated);
        let refused = footprints.idle(201.0, false).unwrap_err();
        let line = "the memory of 201 connections was not measured, that of up to 100 was";
        assert_eq!(refused.to_string(), line);
        assert!(footprints.idle(201.0, true).is_ok());
        assert!(Footprints::of(&Evidence::default()).is_none());
    }

    #[test]
    fn one_record_alone_bounds_more_connections_by_its_share_for_each() {
        let footprints = Footprints::of(&evidence(&[(100.0, 2e6, 3e6)])).unwrap();
        let at = footprints.idle(200.0, false).unwrap().bytes;
        assert_eq!((at.low, at.high), (2e6, 4e6));
    }

    #[test]
    fn the_reference_records_lie_within_what_is_said_of_them() {
        let evidence = Evidence::reference();
        let footprints = Footprints::of(&evidence).unwrap();
        for memory in evidence.runs.iter().filter_map(|run| run.memory) {
            let said = footprints.idle(memory.connections, false).unwrap().bytes;
            // The interval is of records up to twice as large, so it is wider than each.
            assert!(said.low * 0.7 < memory.idle && memory.idle < said.high * 1.3, "{memory:?}");
        }
    }
}
