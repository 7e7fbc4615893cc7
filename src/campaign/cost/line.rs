//! A line through what records measured: one slope for all of them, a level for each machine.
//!
//! Least squares in closed form; each record has the same weight, however many loads it holds. Pure.

use std::collections::BTreeMap;

use crate::campaign::estimate::Estimate;

/// What one record measured at one load, in natural logarithms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    /// Its record.
    pub(super) source: usize,
    /// Its machine.
    pub(super) machine: String,
    /// Of what a shard had to do.
    pub(super) x: f64,
    /// Of what it cost, in floors.
    pub(super) y: f64,
}

/// y = level of the machine + slope x.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// From -1 to 0: with more to do a delivery costs no more, and all of them together no less.
    pub(super) slope: f64,
    levels: BTreeMap<String, f64>,
}

/// Weighted sums of one machine's points.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    x: f64,
    y: f64,
}

impl Line {
    /// The line with the least squares; `None` through nothing.
    pub(super) fn through(points: &[Point]) -> Option<Self> {
        let mut loads: BTreeMap<usize, f64> = BTreeMap::new();
        points.iter().for_each(|point| *loads.entry(point.source).or_default() += 1.0);
        let weight = |point: &Point| 1.0 / loads[&point.source];
        let mut machines: BTreeMap<&String, Sums> = BTreeMap::new();
        for point in points {
            let sums = machines.entry(&point.machine).or_default();
            sums.weight += weight(point);
            sums.x += weight(point) * point.x;
            sums.y += weight(point) * point.y;
        }
        let (mut squares, mut products) = (0.0, 0.0);
        for point in points {
            let sums = machines[&point.machine];
            let x = point.x - sums.x / sums.weight;
            squares += weight(point) * x * x;
            products += weight(point) * x * (point.y - sums.y / sums.weight);
        }
        let slope = if squares > 1e-9 { (products / squares).clamp(-1.0, 0.0) } else { 0.0 };
        let level = |sums: &Sums| (sums.y - slope * sums.x) / sums.weight;
        let levels: BTreeMap<String, f64> =
            machines.iter().map(|(machine, sums)| ((*machine).clone(), level(sums))).collect();
        (!levels.is_empty()).then_some(Self { slope, levels })
    }

    /// The level of a machine; of one that no record is of, anything between theirs.
    pub(super) fn level(&self, machine: &str) -> Estimate {
        if let Some(level) = self.levels.get(machine) {
            return Estimate::exactly(*level);
        }
        let levels = self.levels.values().copied();
        Estimate {
            low: levels.clone().fold(f64::INFINITY, f64::min),
            expected: levels.clone().sum::<f64>() / self.levels.len() as f64,
            high: levels.fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// What the line has where a point lies.
    pub(super) fn at(&self, point: &Point) -> f64 {
        self.level(&point.machine).expected + self.slope * point.x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(source: usize, machine: &str, x: f64, y: f64) -> Point {
        Point { source, machine: machine.to_owned(), x, y }
    }

    #[test]
    fn machines_share_a_slope_and_have_a_level_each() {
        let y = |level: f64, x: f64| level - 0.4 * x;
        let mut points: Vec<Point> = [2.0, 5.0, 9.0].map(|x| point(0, "a", x, y(3.0, x))).to_vec();
        points.extend([1.0, 4.0].map(|x| point(1, "b", x, y(7.0, x))));
        let line = Line::through(&points).unwrap();
        assert!((line.slope + 0.4).abs() < 1e-12, "{line:?}");
        assert!((line.level("a").expected - 3.0).abs() < 1e-9, "{line:?}");
        assert!((line.level("b").expected - 7.0).abs() < 1e-9, "{line:?}");
        let other = line.level("c");
        assert!((other.low - 3.0).abs() < 1e-9 && (other.high - 7.0).abs() < 1e-9, "{other:?}");
        assert!((line.at(&point(9, "b", 2.0, 0.0)) - 6.2).abs() < 1e-9);
    }

    #[test]
    fn a_record_of_many_loads_weighs_as_much_as_one_of_a_single_load() {
        let once = [point(0, "a", 1.0, 2.0), point(1, "a", 1.0, 4.0)];
        let often = [vec![once[0].clone(); 9], vec![once[1].clone()]].concat();
        let level = |points: &[Point]| Line::through(points).unwrap().level("a").expected;
        assert!((level(&often) - level(&once)).abs() < 1e-12);
        assert_eq!(Line::through(&[]), None);
    }

    #[test]
    fn more_to_do_makes_a_delivery_no_dearer_and_all_of_them_no_cheaper() {
        let slope = |y: f64| {
            Line::through(&[point(0, "a", 1.0, 1.0), point(1, "a", 2.0, y)]).unwrap().slope
        };
        assert_eq!((slope(3.0), slope(-4.0)), (0.0, -1.0));
        assert!((slope(0.5) + 0.5).abs() < 1e-12);
    }
}
