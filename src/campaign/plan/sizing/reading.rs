//! What it costs a service to read the handshakes that it orders.
//!
//! Rests on the committed benchmark of validation, which has a commit of each level in groups of four
//! sizes, in a tree in which everybody has committed and in one right after a bulk add. It is
//! cryptography on one thread, without a network. Part of `sizing`.

use serde::Deserialize;

use super::Sizing;
use crate::campaign::estimate::Estimate;
use crate::campaign::evidence::Shape;
use crate::campaign::figure::{Unit, rounded};
use crate::campaign::plan::demand::Class;
use crate::campaign::surface::{Point, Surface};
use crate::delivery::Level;
use crate::limits::{COST_ERROR_MIN, EXTRAPOLATION_MAX};

const NAME: &str = "results/reference/validation.json";
const RECORD: &str = include_str!("../../../../results/reference/validation.json");

#[derive(Deserialize)]
struct Record {
    provenance: Provenance,
    benchmarks: Vec<Benchmark>,
}

#[derive(Deserialize)]
struct Provenance {
    cpu_model: Option<String>,
    kernel: Option<String>,
}

#[derive(Deserialize)]
struct Benchmark {
    id: String,
    median_ns: f64,
}

/// Microseconds for one commit.
#[derive(Debug, PartialEq)]
struct Reading {
    us: Estimate,
    /// The largest groups that were measured.
    most: f64,
    machine: String,
}

fn of_commit(level: Level, members: f64) -> Option<Reading> {
    let record: Record = serde_json::from_str(RECORD).expect("a test reads the benchmark's record");
    let points: Vec<Point> = record
        .benchmarks
        .iter()
        .filter_map(|of| {
            let of_level = of.id.strip_prefix("validation/")?.strip_prefix(level.name())?;
            let (tree, members) = of_level.strip_prefix("/commit_")?.split_once('/')?;
            let members = members.parse().ok().filter(|_| ["fresh", "merged"].contains(&tree))?;
            let shape = Shape { members, frame_bytes: 1.0 };
            Some(Point { shape, value: of.median_ns / 1e3, source: None })
        })
        .collect();
    let most = points.iter().map(|point| point.shape.members).fold(0.0, f64::max);
    let (us, _) = Surface::of(points)?.at(Shape { members, frame_bytes: 1.0 }, true).ok()?;
    let Provenance { cpu_model, kernel } = record.provenance;
    let machine = crate::campaign::cost::machine(cpu_model.as_deref(), kernel.as_deref());
    let wrong = Estimate { low: 1.0 / COST_ERROR_MIN, expected: 1.0, high: COST_ERROR_MIN };
    Some(Reading { us: us * wrong, most, machine })
}

impl Sizing<'_> {
    /// Cores that reading the commits of these groups keeps busy at the peak; `None` with a gap.
    pub(super) fn reading(&mut self, class: &Class) -> Option<Estimate> {
        let level = self.question.validation;
        if level == Level::Opaque {
            return Some(Estimate::default());
        }
        let members = class.groups.members;
        let read = of_commit(level, members)
            .filter(|read| members <= read.most * EXTRAPOLATION_MAX || self.question.extrapolate);
        let Some(read) = read else {
            let what = format!("what reading a {} commit of {members} members costs", level.name());
            self.gap(
                what,
                &["a size more in benches/validation.rs, then cargo bench --bench validation"],
            );
            return None;
        };
        let commits = class.operations_per_s * self.question.peak_factor * self.question.commits;
        let busy = read.us * (commits / 1e6);
        let how = format!(
            "{} commits/s x {} to {} us each ({NAME}, of {}): by tree, with an error of {} either way",
            rounded(commits),
            rounded(read.us.low),
            rounded(read.us.high),
            read.machine,
            rounded(COST_ERROR_MIN)
        );
        self.put(&format!("reading commits of {members}"), Unit::Cores, busy, how, &[]);
        Some(busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_commit_costs_what_the_benchmark_has_and_more_in_larger_groups() {
        let us = |level, members| of_commit(level, members).unwrap().us;
        let of = us(Level::Public, 1_000.0);
        let record: Record = serde_json::from_str(RECORD).unwrap();
        let median =
            |id: &str| record.benchmarks.iter().find(|of| of.id == id).unwrap().median_ns / 1e3;
        let fresh = median("validation/public/commit_fresh/1000");
        let merged = median("validation/public/commit_merged/1000");
        assert!(of.holds(fresh) && of.holds(merged), "{of:?} {fresh} {merged}");
        assert!(of.low < merged && fresh < of.high, "it is never without width: {of:?}");
        assert!(us(Level::Public, 5_000.0).expected > of.expected);
        assert!(us(Level::Header, 1_000.0).expected < of.expected / 100.0);
        assert_eq!(of_commit(Level::Public, 8.0).unwrap().most, 10_000.0);
    }
}
