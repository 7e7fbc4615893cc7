//! What a packet of its own to each member costs at least, by members and by bytes.
//!
//! Floors that were measured, interpolated: between numbers of members on a line in the logarithms
//! of number and cost, between lengths on a line, since every packet costs alike. They were not
//! measured in every combination, so two models bound each other: a longer message costs so much
//! *more*, or so many *times* as much, whatever the members. Pure. Used by `cost`.

use super::estimate::Estimate;
use super::evidence::Shape;
use crate::limits::{EXTRAPOLATION_MAX, SAME_PLACE};

/// Measured values that others are interpolated between.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    /// By members, at messages about as long as each other.
    over_members: Vec<Knot>,
    /// By the bytes of a message, with one number of members.
    over_bytes: Vec<Knot>,
    /// Where the two cross.
    crossing: Shape,
}

/// One value that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Of what.
    pub(super) shape: Shape,
    /// How much.
    pub(super) value: f64,
    /// The record that has it; `None` of this machine's own.
    pub(super) source: Option<usize>,
}

/// What was measured at one place of an axis.
#[derive(Clone, Debug, PartialEq)]
struct Knot {
    at: f64,
    value: Estimate,
    from: Vec<usize>,
}

/// A message longer than anything measured says something about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooLong {
    /// The longest that was measured.
    pub(super) most: f64,
}

impl Surface {
    /// Through what was measured; `None` of nothing.
    pub(super) fn of(mut points: Vec<Point>) -> Option<Self> {
        points.sort_by(|a, b| a.shape.frame_bytes.total_cmp(&b.shape.frame_bytes));
        // Of the lengths that are about alike, those that most numbers of members were measured with,
        // and of several such the shortest.
        let apart =
            |a: &Point, b: &Point| b.shape.frame_bytes <= a.shape.frame_bytes * EXTRAPOLATION_MAX;
        let alike =
            points.chunk_by(apart).rev().max_by_key(|chunk| knots(chunk, |of| of.members).len())?;
        let over_members = knots(alike, |of| of.members);
        // Of those numbers, the one that most lengths were measured with.
        let (members, over_bytes) = over_members
            .iter()
            .map(|knot| {
                let with: Vec<Point> = points
                    .iter()
                    .filter(|point| is_same(point.shape.members, knot.at))
                    .copied()
                    .collect();
                (knot.at, knots(&with, |of| of.frame_bytes))
            })
            .max_by_key(|(_, knots)| knots.len())?;
        let crossing = alike.iter().find(|point| is_same(point.shape.members, members))?;
        let crossing = Shape { members, frame_bytes: crossing.shape.frame_bytes };
        Some(Self { over_members, over_bytes, crossing })
    }

    /// The value for so many members and bytes, and the records that it lies between. Fewer members
    /// than any measured cost what the fewest do, more what the most do.
    ///
    /// # Errors
    /// When the message is too long, unless that is asked for.
    pub(super) fn at(
        &self,
        Shape { members, frame_bytes }: Shape,
        extrapolate: bool,
    ) -> Result<(Estimate, Vec<usize>), TooLong> {
        let (least, most) = ends(&self.over_members);
        let (shortest, longest) = ends(&self.over_bytes);
        if frame_bytes > longest * EXTRAPOLATION_MAX && !extrapolate {
            return Err(TooLong { most: longest });
        }
        let (by_members, mut from) =
            along_logarithms(&self.over_members, members.clamp(least, most));
        // A packet is a packet: one shorter than any that was measured is taken to cost as much.
        let (by_bytes, further) = along(&self.over_bytes, frame_bytes.max(shortest));
        let (crossing, _) = along(&self.over_bytes, self.crossing.frame_bytes);
        from.extend(further);
        let model = |of: fn(Estimate) -> f64| {
            let (members, bytes, both) = (of(by_members), of(by_bytes), of(crossing));
            Estimate::between((members + bytes - both).max(0.0), members * bytes / both)
        };
        let value = Estimate {
            low: model(|of| of.low).low,
            expected: model(|of| of.expected).expected,
            high: model(|of| of.high).high,
        };
        // Far below the shortest that was measured the length may matter after all: at the least it
        // costs in proportion.
        let shorter = (frame_bytes * EXTRAPOLATION_MAX / shortest).min(1.0);
        let value = ordered(value);
        Ok((Estimate { low: value.low * shorter, ..value }, from))
    }
}

/// Subtraction may have turned an interval around.
fn ordered(of: Estimate) -> Estimate {
    Estimate { low: of.low.min(of.expected), high: of.high.max(of.expected), ..of }
}

/// Whether two places are one: lengths differ by the digits of a sequence number, and runs by a
/// member that came late.
fn is_same(one: f64, other: f64) -> bool {
    one.max(other) <= one.min(other) * SAME_PLACE
}

/// What was measured at each place, by place.
fn knots(points: &[Point], axis: impl Fn(&Shape) -> f64) -> Vec<Knot> {
    let mut points: Vec<(f64, Point)> =
        points.iter().map(|point| (axis(&point.shape), *point)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let knot = |same: &[(f64, Point)]| {
        let mut values: Vec<f64> = same.iter().map(|(_, point)| point.value).collect();
        values.sort_by(f64::total_cmp);
        let middle = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        let value = Estimate { low: values[0], expected: middle, high: values[values.len() - 1] };
        let at = same[(same.len() - 1) / 2].0;
        Knot { at, value, from: same.iter().filter_map(|(_, point)| point.source).collect() }
    };
    points.chunk_by(|a, b| is_same(a.0, b.0)).map(knot).collect()
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
            low: of(a.value.low, b.value.low),
            expected: of(a.value.expected, b.value.expected),
            high: of(a.value.high, b.value.high),
        };
        // At a knot its neighbour says nothing.
        let near = [(a, share < 1.0), (b, share > 0.0)];
        let from = near.into_iter().filter(|(_, says)| *says).flat_map(|(knot, _)| &knot.from);
        return (ordered(value), from.copied().collect());
    };
    (only.value, only.from.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(members: f64, frame_bytes: f64) -> Shape {
        Shape { members, frame_bytes }
    }

    fn point(source: usize, members: f64, frame_bytes: f64, value: f64) -> Point {
        Point { shape: at(members, frame_bytes), value, source: Some(source) }
    }

    fn five() -> Vec<Point> {
        vec![
            point(0, 10.0, 400.0, 10.0),
            point(1, 1_000.0, 400.0, 2.0),
            point(2, 1_000.0, 400.0, 3.0),
            point(3, 1_000.0, 100_400.0, 52.5),
            point(4, 100_000.0, 400.0, 8.0),
        ]
    }

    fn value(points: Vec<Point>, shape: Shape) -> Estimate {
        Surface::of(points).unwrap().at(shape, false).unwrap().0
    }

    #[test]
    fn what_was_measured_is_what_it_costs() {
        let surface = Surface::of(five()).unwrap();
        let check = |shape, low, expected, high, from: &[usize]| {
            let (value, mut used) = surface.at(shape, false).unwrap();
            let Estimate { low: l, expected: e, high: h } = value;
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b;
            assert!(near(l, low) && near(e, expected) && near(h, high), "{shape:?}: {value:?}");
            used.sort_unstable();
            used.dedup();
            assert_eq!(used, from, "{shape:?}");
        };
        check(at(10.0, 400.0), 10.0, 10.0, 10.0, &[0, 1, 2]);
        check(at(1_000.0, 400.0), 2.0, 2.5, 3.0, &[1, 2]);
        check(at(1_000.0, 100_400.0), 52.5, 52.5, 52.5, &[1, 2, 3]);
    }

    #[test]
    fn between_sizes_it_lies_on_the_line_of_the_logarithms_and_between_lengths_on_the_line() {
        let half = value(five(), at(100.0, 400.0));
        assert!((half.expected - 5.0).abs() < 1e-9, "sqrt(10 x 2.5): {half:?}");
        let longer = value(five(), at(1_000.0, 50_400.0));
        assert!((longer.expected - 27.5).abs() < 1e-9, "{longer:?}");
    }

    #[test]
    fn a_long_message_to_another_size_lies_between_more_and_times_as_much() {
        let of = value(five(), at(100_000.0, 100_400.0));
        assert!((of.low - (8.0 + 52.5 - 2.0)).abs() < 1.0, "{of:?}");
        let times = 8.0 * 52.5 / 3.0;
        assert!((of.high - times).abs() < 1e-9 * times, "{of:?}");
        assert!(of.low < of.expected && of.expected < of.high);
    }

    #[test]
    fn a_long_message_that_was_measured_with_a_member_more_or_less_counts() {
        let nearly: Vec<Point> = five()
            .into_iter()
            .map(|mut point| {
                if point.source == Some(3) {
                    point.shape.members = 1_000.114_7;
                }
                point
            })
            .collect();
        assert_eq!(value(nearly, at(1_000.0, 100_400.0)).expected, 52.5);
    }

    #[test]
    fn more_members_than_any_measured_cost_what_the_most_do_and_a_message_too_long_is_refused() {
        let surface = Surface::of(five()).unwrap();
        let of = |shape| surface.at(shape, false);
        assert_eq!(of(at(1e6, 400.0)), of(at(1e5, 400.0)));
        assert_eq!(of(at(2.0, 400.0)), of(at(10.0, 400.0)));
        assert!(of(at(1_000.0, 200_800.0)).is_ok());
        assert_eq!(of(at(1_000.0, 200_801.0)), Err(TooLong { most: 100_400.0 }));
        assert!(surface.at(at(1_000.0, 200_801.0), true).is_ok());
    }

    #[test]
    fn a_message_far_shorter_than_any_measured_costs_at_most_as_much_and_at_least_its_share() {
        let of = |bytes| value(five(), at(1_000.0, bytes));
        assert_eq!(of(200.0), of(400.0), "half as long was measured, as far as it goes");
        let short = of(20.0);
        assert_eq!((short.expected, short.high), (of(400.0).expected, of(400.0).high));
        assert!((short.low - 2.0 / 10.0).abs() < 1e-9, "{short:?}");
    }
}
