//! What a delivery costs either side, by how many get each message and how long it is.
//!
//! Processor time that was measured, interpolated: between measured group sizes on a line in the
//! logarithms of size and cost, between measured lengths on a line, since every packet costs alike.
//! Sizes and lengths were not measured in every combination, so two models bound each other: a
//! longer message costs so much *more*, or so many *times* as much, in a group of any size. Never
//! further away from what was measured than `EXTRAPOLATION_MAX` times unless told to, and then it
//! says so. Pure. Used by the plan and by what is said before a run.

use super::estimate::Estimate;
use super::evidence::{Evidence, Measured, Shape};
use crate::limits::EXTRAPOLATION_MAX;

/// Measured costs that a cost is interpolated between.
#[derive(Clone, Debug)]
pub struct Surface {
    /// By members, at messages about as long as each other.
    over_members: Vec<Knot>,
    /// By the bytes of a frame, in groups of one size.
    over_bytes: Vec<Knot>,
    /// Where the two cross.
    crossing: Shape,
}

/// What was measured at one place of an axis.
#[derive(Clone, Debug, PartialEq)]
struct Knot {
    at: f64,
    cost: Estimate,
    from: Vec<usize>,
}

/// What one delivery costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Microseconds of processor time.
    pub cpu_us: Estimate,
    /// The records between which it was interpolated.
    pub from: Vec<usize>,
    /// Whether it lies outside of what was measured.
    pub extrapolated: bool,
}

/// What nothing measured says anything about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmeasured {
    /// No record has what a delivery costs.
    #[error("no record says what a delivery costs")]
    Nothing,
    /// Groups are too small or too large.
    #[error("groups of {asked} members were not measured, those of {least} to {most} were")]
    Members {
        /// What was asked.
        asked: f64,
        /// The smallest measured.
        least: f64,
        /// The largest measured.
        most: f64,
    },
    /// Messages are too long.
    #[error("deliveries of {asked:.0} bytes were not measured, those of up to {most:.0} were")]
    Bytes {
        /// What was asked.
        asked: f64,
        /// The longest measured.
        most: f64,
    },
}

impl Surface {
    /// What the records say of one side's cost in groups whose messages are logged, or not; records
    /// of both kinds at once count for either. `None` when they say nothing.
    #[must_use]
    pub fn of(
        evidence: &Evidence,
        durable: bool,
        cost: fn(&Measured) -> Option<f64>,
    ) -> Option<Self> {
        let counts = |run: &&Measured| run.durable.is_none_or(|logged| logged == durable);
        let mut points: Vec<(Shape, f64, usize)> = evidence
            .runs
            .iter()
            .filter(counts)
            .filter_map(|run| Some((run.shape?, cost(run)?, run.source)))
            .collect();
        points.sort_by(|(a, ..), (b, ..)| a.frame_bytes.total_cmp(&b.frame_bytes));
        // Of the lengths that are about alike, those that most group sizes were measured with.
        let alike = points
            .chunk_by(|(a, ..), (b, ..)| b.frame_bytes <= a.frame_bytes * EXTRAPOLATION_MAX)
            .max_by_key(|chunk| knots(chunk, |shape| shape.members).len())?;
        let over_members = knots(alike, |shape| shape.members);
        // Of those group sizes, the one that most lengths were measured with.
        let (members, over_bytes) = over_members
            .iter()
            .map(|knot| {
                let same = |(shape, ..): &&(Shape, f64, usize)| shape.members == knot.at;
                let of_size: Vec<_> = points.iter().filter(same).copied().collect();
                (knot.at, knots(&of_size, |shape| shape.frame_bytes))
            })
            .max_by_key(|(_, knots)| knots.len())?;
        let frame_bytes = alike.iter().find(|(shape, ..)| shape.members == members)?.0.frame_bytes;
        Some(Self { over_members, over_bytes, crossing: Shape { members, frame_bytes } })
    }

    /// The cost of a delivery of so many bytes, frame and all, in a group of so many members.
    ///
    /// # Errors
    /// When it is too far away from what was measured, unless that is asked for.
    pub fn at(&self, shape: Shape, extrapolate: bool) -> Result<Cost, Unmeasured> {
        let Shape { members, frame_bytes } = shape;
        let (least, most) = ends(&self.over_members);
        let too_far = members < least / EXTRAPOLATION_MAX || members > most * EXTRAPOLATION_MAX;
        if too_far && !extrapolate {
            return Err(Unmeasured::Members { asked: members, least, most });
        }
        let (shortest, longest) = ends(&self.over_bytes);
        if frame_bytes > longest * EXTRAPOLATION_MAX && !extrapolate {
            return Err(Unmeasured::Bytes { asked: frame_bytes, most: longest });
        }
        let (by_members, mut from) = along_logarithms(&self.over_members, members);
        // A packet is a packet: one shorter than any that was measured is taken to cost as much.
        let (by_bytes, further) = along(&self.over_bytes, frame_bytes.max(shortest));
        let (crossing, _) = along(&self.over_bytes, self.crossing.frame_bytes);
        from.extend(further);
        let model = |of: fn(Estimate) -> f64| {
            let (members, bytes, both) = (of(by_members), of(by_bytes), of(crossing));
            Estimate::between((members + bytes - both).max(0.0), members * bytes / both)
        };
        let cpu_us = Estimate {
            low: model(|of| of.low).low,
            expected: model(|of| of.expected).expected,
            high: model(|of| of.high).high,
        };
        let outside = members < least || members > most || frame_bytes > longest;
        Ok(Cost { cpu_us: ordered(cpu_us), from, extrapolated: outside })
    }
}

/// Subtraction may have turned an interval around.
fn ordered(of: Estimate) -> Estimate {
    Estimate { low: of.low.min(of.expected), high: of.high.max(of.expected), ..of }
}

/// What was measured at each place, by place.
fn knots(points: &[(Shape, f64, usize)], axis: impl Fn(&Shape) -> f64) -> Vec<Knot> {
    let mut points: Vec<(f64, f64, usize)> =
        points.iter().map(|(shape, cost, source)| (axis(shape), *cost, *source)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let knot = |same: &[(f64, f64, usize)]| {
        let (first, last) = (same[0], same[same.len() - 1]);
        let middle = f64::midpoint(same[(same.len() - 1) / 2].1, same[same.len() / 2].1);
        let cost = Estimate { low: first.1, expected: middle, high: last.1 };
        Knot { at: first.0, cost, from: same.iter().map(|point| point.2).collect() }
    };
    // Lengths differ by the digits of a sequence number, and runs by a member that came late.
    points.chunk_by(|a, b| b.0 <= a.0 * 1.01).map(knot).collect()
}

fn ends(knots: &[Knot]) -> (f64, f64) {
    (knots.first().map_or(0.0, |knot| knot.at), knots.last().map_or(0.0, |knot| knot.at))
}

/// On the line between the two knots around a place, or next to it.
fn along(knots: &[Knot], at: f64) -> (Estimate, Vec<usize>) {
    on_lines(knots, at, |value| value, |value| value)
}

fn along_logarithms(knots: &[Knot], at: f64) -> (Estimate, Vec<usize>) {
    on_lines(knots, at, f64::ln, f64::exp)
}

fn on_lines(
    knots: &[Knot],
    at: f64,
    to: fn(f64) -> f64,
    back: fn(f64) -> f64,
) -> (Estimate, Vec<usize>) {
    let [only] = knots else {
        let after = knots.partition_point(|knot| knot.at < at).clamp(1, knots.len() - 1);
        let (a, b) = (&knots[after - 1], &knots[after]);
        let share = (to(at) - to(a.at)) / (to(b.at) - to(a.at));
        let of = |a: f64, b: f64| back(to(a) + (to(b) - to(a)) * share).max(0.0);
        let value = Estimate {
            low: of(a.cost.low, b.cost.low),
            expected: of(a.cost.expected, b.cost.expected),
            high: of(a.cost.high, b.cost.high),
        };
        // At a knot its neighbour says nothing.
        let near = [(a, share < 1.0), (b, share > 0.0)];
        let from = near.into_iter().filter(|(_, says)| *says).flat_map(|(knot, _)| &knot.from);
        return (ordered(value), from.copied().collect());
    };
    (only.cost, only.from.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: usize, members: f64, frame_bytes: f64, cpu_us: f64) -> Measured {
        Measured {
            source,
            shards: 1,
            shape: Some(Shape { members, frame_bytes }),
            durable: Some(false),
            operations_per_s: 10.0,
            deliveries_per_s: 10.0 * members,
            in_flight: None,
            cpu_us_per_delivery: Some(cpu_us),
            engine_us_per_delivery: None,
            packets_per_delivery: None,
            last_member_p99_us: 0,
            memory: None,
            reconnects_per_s: None,
        }
    }

    fn surface(runs: Vec<Measured>) -> Surface {
        Surface::of(&Evidence { sources: Vec::new(), runs }, false, server).unwrap()
    }

    fn server(run: &Measured) -> Option<f64> {
        run.cpu_us_per_delivery
    }

    fn five() -> Surface {
        surface(vec![
            run(0, 10.0, 400.0, 10.0),
            run(1, 1_000.0, 400.0, 2.0),
            run(2, 1_000.0, 400.0, 3.0),
            run(3, 1_000.0, 100_400.0, 52.5),
            run(4, 100_000.0, 400.0, 8.0),
        ])
    }

    fn at(members: f64, frame_bytes: f64) -> Shape {
        Shape { members, frame_bytes }
    }

    #[test]
    fn what_was_measured_is_what_it_costs() {
        let surface = five();
        let check = |shape, low, expected, high, from: &[usize]| {
            let cost = surface.at(shape, false).unwrap();
            let Estimate { low: l, expected: e, high: h } = cost.cpu_us;
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b;
            assert!(near(l, low) && near(e, expected) && near(h, high), "{shape:?}: {cost:?}");
            let mut used = cost.from.clone();
            used.sort_unstable();
            used.dedup();
            assert_eq!((used.as_slice(), cost.extrapolated), (from, false), "{shape:?}");
        };
        check(at(10.0, 400.0), 10.0, 10.0, 10.0, &[0, 1, 2]);
        check(at(1_000.0, 400.0), 2.0, 2.5, 3.0, &[1, 2]);
        check(at(1_000.0, 100_400.0), 52.5, 52.5, 52.5, &[1, 2, 3]);
    }

    #[test]
    fn between_sizes_it_lies_on_the_line_of_the_logarithms_and_between_lengths_on_the_line() {
        let surface = five();
        let half = surface.at(at(100.0, 400.0), false).unwrap();
        assert!((half.cpu_us.expected - 5.0).abs() < 1e-9, "sqrt(10 x 2.5): {half:?}");
        let longer = surface.at(at(1_000.0, 50_400.0), false).unwrap();
        assert!((longer.cpu_us.expected - 27.5).abs() < 1e-9, "{longer:?}");
    }

    #[test]
    fn a_long_message_to_another_size_lies_between_more_and_times_as_much() {
        let surface = five();
        let cost = surface.at(at(100_000.0, 100_400.0), false).unwrap();
        assert!((cost.cpu_us.low - (8.0 + 52.5 - 2.0)).abs() < 1.0, "{cost:?}");
        let times = 8.0 * 52.5 / 3.0;
        assert!((cost.cpu_us.high - times).abs() < 1e-9 * times, "{cost:?}");
        assert!(cost.cpu_us.low < cost.cpu_us.expected && cost.cpu_us.expected < cost.cpu_us.high);
    }

    #[test]
    fn beyond_twice_what_was_measured_nothing_is_said_unless_asked() {
        let surface = five();
        let refused = |shape| surface.at(shape, false).unwrap_err();
        let extrapolated = |shape| surface.at(shape, true).unwrap().extrapolated;
        for (shape, fine) in [
            (at(4.9, 400.0), false),
            (at(5.0, 400.0), true),
            (at(200_000.0, 400.0), true),
            (at(200_001.0, 400.0), false),
            (at(1_000.0, 200_800.0), true),
            (at(1_000.0, 200_801.0), false),
        ] {
            assert_eq!(surface.at(shape, false).is_ok(), fine, "{shape:?}");
            assert!(extrapolated(shape), "{shape:?}");
        }
        let line = refused(at(2.0, 400.0)).to_string();
        assert_eq!(line, "groups of 2 members were not measured, those of 10 to 100000 were");
        assert!(matches!(refused(at(1_000.0, 1e6)), Unmeasured::Bytes { .. }));
    }

    #[test]
    fn a_shorter_message_than_any_measured_costs_what_the_shortest_does() {
        let surface = five();
        let costs = [1.0, 400.0].map(|bytes| surface.at(at(1_000.0, bytes), false).unwrap().cpu_us);
        assert_eq!(costs[0], costs[1]);
    }

    #[test]
    fn records_of_logged_groups_and_of_others_are_kept_apart() {
        let logged = Measured { durable: Some(true), ..run(0, 10.0, 400.0, 9.0) };
        let both = Measured { durable: None, ..run(1, 10.0, 400.0, 7.0) };
        let runs = vec![logged, both, run(2, 10.0, 400.0, 5.0)];
        let evidence = Evidence { sources: Vec::new(), runs };
        let cost = |durable| {
            Surface::of(&evidence, durable, server)
                .unwrap()
                .at(at(10.0, 400.0), false)
                .unwrap()
                .cpu_us
        };
        assert_eq!((cost(true).low, cost(true).high), (7.0, 9.0));
        assert_eq!((cost(false).low, cost(false).high), (5.0, 7.0));
    }

    #[test]
    fn the_reference_records_give_back_their_own_costs() {
        let evidence = Evidence::reference();
        let surface = Surface::of(&evidence, false, server).unwrap();
        for run in evidence.runs.iter().filter(|run| run.durable == Some(false)) {
            let Some((shape, cost)) = run.shape.zip(run.cpu_us_per_delivery) else { continue };
            let said = surface.at(shape, false).unwrap().cpu_us;
            let slack = 1.02; // knots that are 1 % apart are one
            assert!(said.low <= cost * slack && cost <= said.high * slack, "{run:?}: {said:?}");
        }
    }
}
