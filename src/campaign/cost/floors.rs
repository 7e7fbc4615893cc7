//! What a packet costs at least on the machine that is asked about, from the best that is known.
//!
//! Its own `host.json`; else what records of the same processor and kernel measured after their load;
//! else those of other machines, and then the interval spans them. Pure.

use crate::campaign::estimate::Estimate;
use crate::campaign::evidence::{Evidence, Floor, Shape};
use crate::campaign::figure::rounded;
use crate::campaign::surface::{Point, Surface};
use crate::limits::{EXTRAPOLATION_MAX, PACKET_ROOM_BYTES};
use crate::report::host::HostRecord;
use crate::report::provenance::Provenance;

/// The machine that is asked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Here {
    /// Its processor and kernel in words.
    pub machine: String,
    /// Its floors, from `host.json`; empty when they were not measured.
    pub floors: Vec<Floor>,
    /// Why a `host.json` that is there does not count.
    pub host_left_out: Option<String>,
}

/// The floors that count, and one line about them.
pub(super) struct Found {
    pub(super) surface: Surface,
    /// How many times as much the floor may be, by what records of the same machine measured.
    pub(super) spread: Estimate,
    pub(super) basis: String,
}

impl Here {
    /// The machine that `provenance` names, with what `host` says of it, if that is of this machine.
    #[must_use]
    pub fn of(provenance: &Provenance, host: Option<&HostRecord>) -> Self {
        let here = machine(provenance.cpu_model.as_deref(), provenance.kernel.as_deref());
        let Some(host) = host else { return Self { machine: here, ..Self::default() } };
        let of = machine(host.machine.cpu_model.as_deref(), host.machine.kernel.as_deref());
        let left_out = if of != here {
            Some(format!("host.json is of another machine or kernel ({of})"))
        } else if host.build_profile != "release" {
            Some(format!("host.json is of a {} build", host.build_profile))
        } else {
            None
        };
        let floor = |of: &crate::report::host::F3Record| Floor {
            members: f64::from(of.members),
            bytes: of.bytes as f64,
            cpu_us: of.cpu_us_per_delivery.median,
        };
        let floors = match left_out {
            None => host.f3.iter().map(floor).collect(),
            Some(_) => Vec::new(),
        };
        Self { machine: here, floors, host_left_out: left_out }
    }

    /// The floors to reckon with; `None` when neither this machine nor any record has one.
    pub(super) fn floors(&self, evidence: &Evidence) -> Option<Found> {
        let own: Vec<Point> = self.floors.iter().map(|floor| point(*floor, None)).collect();
        let of_records = |same: bool| -> Vec<Point> {
            let runs = evidence.runs.iter();
            let runs = runs.filter(|run| !same || evidence.machine_of(run) == self.machine);
            runs.filter_map(|run| Some(point(run.floor?, Some(run.source)))).collect()
        };
        let floor = "`stentor floor` measures what a packet costs at least here";
        let left_out =
            self.host_left_out.as_ref().map_or_else(String::new, |why| format!("{why}; "));
        let own = with_longer(own, &of_records(false));
        let (points, basis) = if !self.floors.is_empty() {
            let basis = self.compared(&own, &of_records(false), &of_records(true));
            (own, basis)
        } else if let points = of_records(true)
            && !points.is_empty()
        {
            let points = with_longer(points, &of_records(false));
            let basis = format!(
                "{left_out}packets cost what records of this processor and kernel measured, {}; \
                 {floor} today",
                told(&points)
            );
            (points, basis)
        } else {
            let points = of_records(false);
            let basis = format!(
                "{left_out}the records are of another processor or kernel than {}, where packets \
                 cost {}: {floor}",
                self.machine,
                told(&points)
            );
            (points, basis)
        };
        let again =
            small(&of_records(true)).zip(small(&points)).map(|(records, here)| records / here);
        let spread = again.map_or_else(
            || Estimate::exactly(1.0),
            |again| Estimate { low: again.min(1.0), expected: 1.0, high: again.max(1.0) },
        );
        Some(Found { surface: Surface::of(points)?, spread, basis })
    }

    fn compared(&self, own: &[Point], others: &[Point], same: &[Point]) -> String {
        let line = format!("packets cost what was measured here (host.json), {}", told(own));
        let (Some(here), Some(there)) = (small(own), small(others)) else { return line };
        let times = rounded(here / there);
        let of_same = match same.is_empty() {
            true => "none of this processor and kernel".to_owned(),
            false => format!("those of this processor and kernel {}", told(same)),
        };
        format!(
            "{line}; records had {}, {of_same}, and what they cost is scaled from theirs, {times} \
             times at the median",
            told(others)
        )
    }
}

/// Floors of one machine's records at a shape, when one has none of its own.
pub(super) fn of_machine(evidence: &Evidence, machine: &str, shape: Shape) -> Option<f64> {
    let runs = evidence.runs.iter().filter(|run| evidence.machine_of(run) == machine);
    let points = runs.filter_map(|run| Some(point(run.floor?, Some(run.source)))).collect();
    Surface::of(points)?.at(shape, false).ok().map(|(floor, _)| floor.expected)
}

/// A processor and a kernel in words.
pub(in crate::campaign) fn machine(cpu_model: Option<&str>, kernel: Option<&str>) -> String {
    let known = |of: Option<&str>| of.unwrap_or("unknown").to_owned();
    format!("{}, {}", known(cpu_model), known(kernel))
}

fn point(floor: Floor, source: Option<usize>) -> Point {
    let shape = Shape { members: floor.members, frame_bytes: floor.bytes };
    Point { shape, value: floor.cpu_us, source }
}

/// A machine's floors, and beyond the lengths that it has those of others, as many times as much as
/// packets cost it: a longer message is more packets there, too.
fn with_longer(own: Vec<Point>, others: &[Point]) -> Vec<Point> {
    let longest = own.iter().map(|point| point.shape.frame_bytes).fold(0.0, f64::max);
    let Some(times) = small(&own).zip(small(others)).map(|(own, others)| own / others) else {
        return own;
    };
    // Members matter to what fits a packet, hardly to what is many.
    let members = own.iter().map(|point| point.shape.members).fold(f64::INFINITY, f64::min);
    let longer = others.iter().filter(|of| of.shape.frame_bytes > longest * EXTRAPOLATION_MAX);
    let scaled = longer.map(|of| {
        let shape = Shape { members, ..of.shape };
        Point { shape, value: of.value * times, ..*of }
    });
    own.iter().copied().chain(scaled).collect()
}

/// The floors of what fits a packet.
fn of_a_packet(points: &[Point]) -> Vec<f64> {
    let short = points.iter().filter(|of| of.shape.frame_bytes <= PACKET_ROOM_BYTES);
    let mut values: Vec<f64> = short.map(|point| point.value).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Their median.
fn small(points: &[Point]) -> Option<f64> {
    let values = of_a_packet(points);
    values.get(values.len() / 2).copied()
}

fn told(points: &[Point]) -> String {
    let values = of_a_packet(points);
    match (values.first(), values.last()) {
        (Some(least), Some(most)) if *most > least * 1.01 => {
            format!("{} to {} us for a small one", rounded(*least), rounded(*most))
        }
        (Some(one), _) => format!("{} us for a small one", rounded(*one)),
        _ => format!("nothing known of small ones up to {EXTRAPOLATION_MAX} times as long"),
    }
}
