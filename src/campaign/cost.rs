//! What a delivery costs either side: how many times its floor, by how much a shard has to do.
//!
//! The floor is what a packet of its own to each member costs on a machine at least (F3). Counted in
//! floors, what records of different machines measured is alike, and falls with load along a power
//! law: the more a shard has to do, the more it does at once. The line is fitted to all records, each
//! with the same weight, with one slope and a level for each machine, and brought back to time with
//! the floor of the machine that is asked about. How wrong it may be is told by leaving each record
//! out. Pure. Used by the plan and by what is said before a run.

mod floors;
mod line;

use std::collections::BTreeSet;

pub use floors::Here;
pub(super) use floors::machine;
use line::{Line, Point};

use super::estimate::Estimate;
use super::evidence::{Evidence, Measured, Shape};
use super::figure::rounded;
use super::surface::Surface;
use super::usl::student_quantile;
use crate::limits::{
    COST_ERROR_MIN, COST_ERROR_OF_FEW, COST_RECORDS_MIN, EXTRAPOLATION_MAX, PACKET_ROOM_BYTES,
};

/// What records say of one side's cost.
#[derive(Clone, Debug)]
pub struct Costs {
    line: Line,
    /// Of the natural logarithm, either way.
    error: f64,
    /// How many records could be left out to tell it; `None` when they are too few.
    left_out: Option<usize>,
    floors: Surface,
    /// How many times as much they may be.
    spread: Estimate,
    /// Where the machine's level stands on the line.
    level: Estimate,
    /// The smallest and the largest groups that were measured.
    members: (f64, f64),
    /// The same of what a shard had to do, per second.
    handled: (f64, f64),
    /// How many times as much logged groups cost; `None` when no record is of any.
    logged: Option<Estimate>,
    from: Vec<usize>,
    basis: String,
}

/// What a cost is asked of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// Groups and messages.
    pub shape: Shape,
    /// What a shard has to do per second, of these and all others: see [`handled`].
    pub handled_per_s: f64,
    /// Members in all, each with a state of its own.
    pub members: f64,
    /// Whether messages are logged.
    pub logged: bool,
}

/// What one delivery costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Microseconds of processor time.
    pub cpu_us: Estimate,
    /// The records that it rests on.
    pub from: Vec<usize>,
    /// Whether it lies outside of what was measured.
    pub extrapolated: bool,
}

/// What nothing measured says anything about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unmeasured {
    /// No record has what a delivery costs.
    #[error("no record says what a delivery costs beside its floor")]
    Nothing,
    /// No record is of groups whose messages are logged.
    #[error("no record says what a delivery costs in groups whose messages are logged")]
    Logged,
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
    #[error("the floor of {asked:.0} bytes was not measured, that of up to {most:.0} was")]
    Bytes {
        /// What was asked.
        asked: f64,
        /// The longest measured.
        most: f64,
    },
}

/// What deliveries come to in packets that a service handles: those that hold them, and, for each
/// operation, the one that brings it and the one that answers it.
#[must_use]
pub fn handled(shape: Shape, deliveries: f64) -> f64 {
    deliveries * (shape.frame_bytes / PACKET_ROOM_BYTES).max(1.0) * with_operations(shape)
}

/// Deliveries and their operations, for each delivery.
fn with_operations(shape: Shape) -> f64 {
    1.0 + 2.0 / shape.members
}

impl Costs {
    /// What the records say of one side, for the machine `here`. `None` when they say nothing.
    #[must_use]
    pub fn of(
        evidence: &Evidence,
        here: &Here,
        side: fn(&Measured) -> Option<f64>,
    ) -> Option<Self> {
        let used: Vec<(&Measured, Shape, Point)> = evidence
            .runs
            .iter()
            .filter_map(|run| {
                let (shape, machine) = (run.mix?, evidence.machine_of(run));
                let floor = run.floor.map(|floor| floor.cpu_us);
                let floor = floor.or_else(|| floors::of_machine(evidence, &machine, shape))?;
                let times = side(run)? / floor / with_operations(shape);
                let load = handled(shape, run.deliveries_per_s) / f64::from(run.shards);
                let source = run.source;
                let point = Point { source, machine, x: load.ln(), y: times.ln() };
                (point.x.is_finite() && point.y.is_finite()).then_some((run, shape, point))
            })
            .collect();
        let points: Vec<Point> = used.iter().map(|(.., point)| point.clone()).collect();
        let line = Line::through(&points)?;
        let (error, left_out) = error(&points);
        let found = here.floors(evidence)?;
        let level = line.level(&here.machine);
        let range = |of: &dyn Fn(&(&Measured, Shape, Point)) -> f64| {
            used.iter().map(of).fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), value| {
                (least.min(value), most.max(value))
            })
        };
        let from: BTreeSet<usize> = points.iter().map(|point| point.source).collect();
        Some(Self {
            error,
            left_out,
            level,
            members: range(&|(_, shape, _)| shape.members),
            handled: range(&|(.., point)| point.x.exp()),
            logged: logged(&used),
            from: from.into_iter().collect(),
            basis: found.basis,
            floors: found.surface,
            spread: found.spread,
            line,
        })
    }

    /// The cost of a delivery.
    ///
    /// # Errors
    /// When it is too far away from what was measured, unless that is asked for.
    pub fn at(&self, asked: &Asked, extrapolate: bool) -> Result<Cost, Unmeasured> {
        let Asked { shape, handled_per_s, members, logged } = *asked;
        let (least, most) = self.members;
        let outside = |value: f64, (least, most): (f64, f64)| {
            value < least / EXTRAPOLATION_MAX || value > most * EXTRAPOLATION_MAX
        };
        if outside(shape.members, self.members) && !extrapolate {
            return Err(Unmeasured::Members { asked: shape.members, least, most });
        }
        let logged = match logged {
            true => self.logged.ok_or(Unmeasured::Logged)?,
            false => Estimate::exactly(1.0),
        };
        let of = Shape { members, ..shape };
        let (floor, further) = self
            .floors
            .at(of, extrapolate)
            .map_err(|long| Unmeasured::Bytes { asked: shape.frame_bytes, most: long.most })?;
        let times = self.times(handled_per_s) * with_operations(shape);
        let mut from = self.from.clone();
        from.extend(further);
        from.sort_unstable();
        from.dedup();
        let extrapolated =
            shape.members < least || shape.members > most || outside(handled_per_s, self.handled);
        let cpu_us = floor * self.spread * times * logged;
        Ok(Cost { cpu_us, from, extrapolated })
    }

    /// Floors of a delivery at a load. Beyond twice what was measured either way it is taken to stay
    /// as it is there, or to go on along the line: the interval holds both.
    fn times(&self, handled_per_s: f64) -> Estimate {
        let (least, most) = self.handled;
        let near = handled_per_s.clamp(least / EXTRAPOLATION_MAX, most * EXTRAPOLATION_MAX);
        let along = |load: f64| self.line.slope * load.max(f64::MIN_POSITIVE).ln();
        let (stays, goes_on) = (along(near), along(handled_per_s.max(1.0)));
        Estimate {
            low: (self.level.low + stays.min(goes_on) - self.error).exp(),
            expected: (self.level.expected + stays).exp(),
            high: (self.level.high + stays.max(goes_on) + self.error).exp(),
        }
    }

    /// By how many times either way the model may be wrong.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.error.exp()
    }

    /// What the costs rest on, in one line each: whose floor, and how wrong they may be.
    #[must_use]
    pub fn basis(&self) -> [String; 2] {
        let error = rounded(self.error());
        let told = match self.left_out {
            Some(records) => format!(
                "processor times may be {error} times less or more (95 %): that is how well the \
                 other records foretell each of {records}"
            ),
            None => format!(
                "processor times may be {error} times less or more: fewer than {COST_RECORDS_MIN} \
                 records say what a delivery costs, too few to hold one against the others"
            ),
        };
        [self.basis.clone(), told]
    }
}

/// Of the logarithm, and how many records were left out to tell it.
fn error(points: &[Point]) -> (f64, Option<usize>) {
    let sources: BTreeSet<usize> = points.iter().map(|point| point.source).collect();
    let machines: BTreeSet<&String> = points.iter().map(|point| &point.machine).collect();
    if sources.len() < COST_RECORDS_MIN {
        return (COST_ERROR_OF_FEW.ln(), None);
    }
    let squares: Vec<f64> = sources
        .iter()
        .filter_map(|source| {
            let (out, others): (Vec<Point>, Vec<Point>) =
                points.iter().cloned().partition(|point| point.source == *source);
            let line = Line::through(&others)?;
            let squares = out.iter().map(|point| (point.y - line.at(point)).powi(2));
            Some(squares.sum::<f64>() / out.len() as f64)
        })
        .collect();
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    let freedom = sources.len().saturating_sub(machines.len() + 1).max(1);
    let error = student_quantile(freedom) * mean.sqrt();
    (error.max(COST_ERROR_MIN.ln()), Some(sources.len()))
}

/// How many times as much a delivery costs where messages are logged, from runs that are alike but
/// for that, on one machine; as much or more or less, where there are no such runs but others.
fn logged(used: &[(&Measured, Shape, Point)]) -> Option<Estimate> {
    let of = |durable: bool| used.iter().filter(move |(run, ..)| run.durable == Some(durable));
    let any = of(true).next().is_some();
    let near = |a: f64, b: f64| a.max(b) <= a.min(b) * EXTRAPOLATION_MAX.sqrt();
    let mut times: Vec<f64> = Vec::new();
    for (_, shape, point) in of(true) {
        for (_, other, plain) in of(false) {
            let alike = near(shape.members, other.members)
                && near(shape.frame_bytes, other.frame_bytes)
                && near(point.x.exp(), plain.x.exp())
                && point.machine == plain.machine;
            times.extend(alike.then(|| (point.y - plain.y).exp()));
        }
    }
    times.sort_by(f64::total_cmp);
    let Some((least, most)) = times.first().zip(times.last()) else {
        return any.then(|| Estimate::exactly(1.0));
    };
    Some(Estimate { low: least.min(1.0), expected: times[times.len() / 2], high: most.max(1.0) })
}

#[cfg(test)]
mod tests;
