//! The search for capacity, in the manner of MLRsearch (RFC 9971): which load to try next.
//!
//! Pure: trial results in, the next load or a conclusion out. A load is a *lower bound* if enough of
//! the time it was tried for met the goal, and an *upper bound* if enough did not, whatever the rest
//! might have said. From the first load a bracket is doubled or halved, after a smaller step if capacity
//! should be near, then cut in the middle of its logarithm, with short trials; the two bounds that are then left are tried anew with long
//! ones. So far a load near capacity may have had luck. A bound is *stated* only when so many long
//! trials as a load is judged by agree about it, one more if trials have contradicted each other, and
//! none on its own side speaks against it: no load up to the lower bound has missed the goal, and none
//! from the upper bound on has met it. Where trials contradict each other the bounds move apart, to the
//! nearest loads of which that is true, and are as wide as the service is noisy. A trial in which the
//! generator was the limit says nothing of the service: it is never counted for or against a load, and a
//! load that has only such trials is a ceiling of the search and no upper bound. Called by `capacity`.

mod settle;

use std::time::Duration;

/// What is searched for, and how closely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The first load, as a multiple of the scenario's rates.
    pub start: f64,
    /// By what it is multiplied on the way down from it, or divided on the way up, before loads are
    /// halved and doubled: a half when nothing is known of capacity, more when it should be near.
    pub first_step: f64,
    /// The lowest and the highest load that are tried.
    pub range: (f64, f64),
    /// How far apart the bounds may be, as a share of the upper one (goal width).
    pub width: f64,
    /// The length of a short trial.
    pub short: Duration,
    /// The length of a long one (goal final trial duration).
    pub long: Duration,
    /// Trials whose length together a load is judged by (goal duration sum), and that have to agree
    /// about a bound that is stated.
    pub trials: u32,
    /// Of that time, the share that may miss the goal at a load above which the search goes on (goal
    /// exceed ratio).
    pub exceed_ratio: f64,
    /// After how long the search ends with what it has.
    pub budget: Duration,
}

/// How long a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// [`Goal::short`].
    Short,
    /// [`Goal::long`].
    Long,
}

/// What a trial says of its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The goal was met.
    Met,
    /// It was missed.
    Missed,
    /// Nothing: the generator was the limit.
    Nothing,
}

/// What a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Enough of its time met the goal.
    Lower,
    /// Enough of its time missed it.
    Upper,
    /// Nothing that was tried at it said anything of the service.
    Limited,
    /// It takes more trials to know.
    Undecided,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Try this multiple of the scenario's rates for so long.
    Try(f64, Length),
    /// Nothing more.
    Done(Found),
}

/// What the search came to. Bounds are multiples of the scenario's rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The highest load that met the goal in every long trial, below any that did not (relevant lower
    /// bound).
    pub lower: Option<f64>,
    /// The lowest load that missed it in every long trial, above any that did not (relevant upper
    /// bound).
    pub upper: Option<f64>,
    /// The lowest load that the generator could not offer.
    pub limited: Option<f64>,
    /// Why it ended.
    pub end: End,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both bounds are there: as close as asked, or as close as trials do not contradict each other.
    Bounded,
    /// The highest load met the goal: capacity is above it.
    AboveRange,
    /// The lowest load missed it: capacity, if there is any, is below it.
    BelowRange,
    /// The generator cannot offer more than the lower bound, by more than the width.
    GeneratorLimited,
    /// At an end of the range trials contradict each other: it is no bound, and nothing is beyond it.
    Contradictory,
    /// There was no time left; the bounds are as far apart as they are.
    OutOfTime,
}

/// Times at one load, by what they said.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    met: Duration,
    missed: Duration,
    said_nothing: u32,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    factor: f64,
    short: Times,
    long: Times,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    goal: Goal,
    stage: Stage,
    loads: Vec<Load>,
    /// How often the lower and the upper bound have been sought further out.
    widened: [u32; 2],
}

/// What the search is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A bracket, by trials of this length.
    Bracket(Length),
    /// Its bounds, until they can be stated.
    Settle,
}

/// What is known in one stage.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    lower: Option<f64>,
    upper: Option<f64>,
    limited: Option<f64>,
}

impl Search {
    /// A search that has tried nothing.
    #[must_use]
    pub fn new(goal: Goal) -> Self {
        Self { goal, stage: Stage::Bracket(Length::Short), loads: Vec::new(), widened: [0; 2] }
    }

    /// What to do next, when the search has taken `elapsed` so far.
    pub fn next(&mut self, elapsed: Duration) -> Step {
        loop {
            if elapsed >= self.goal.budget {
                return Step::Done(self.found(Some(End::OutOfTime)));
            }
            let Stage::Bracket(length) = self.stage else {
                return match self.settle() {
                    Some(factor) => Step::Try(factor, Length::Long),
                    None => Step::Done(self.found(None)),
                };
            };
            let undecided = self.loads.iter().find(|load| {
                let tried = load.times(length);
                tried.is_some() && self.class(load, length) == Class::Undecided
            });
            if let Some(load) = undecided {
                return Step::Try(load.factor, length);
            }
            self.stage = match (self.pick(length), length) {
                (Some(factor), _) => return Step::Try(factor, length),
                (None, Length::Short) => Stage::Bracket(Length::Long),
                (None, Length::Long) => Stage::Settle,
            };
        }
    }

    /// A trial of a load has said something, or nothing.
    pub fn tell(&mut self, factor: f64, length: Length, said: Said) {
        let took = self.length(length);
        let known = self.loads.iter().position(|load| same(load.factor, factor));
        let index = known.unwrap_or_else(|| {
            self.loads.push(Load { factor, short: Times::default(), long: Times::default() });
            self.loads.len() - 1
        });
        let load = &mut self.loads[index];
        let times = match length {
            Length::Short => &mut load.short,
            Length::Long => &mut load.long,
        };
        match said {
            Said::Met => times.met += took,
            Said::Missed => times.missed += took,
            Said::Nothing => times.said_nothing += 1,
        }
    }

    /// What a load is by its trials of one length.
    #[must_use]
    pub fn class_of(&self, factor: f64, length: Length) -> Class {
        let load = self.loads.iter().find(|load| same(load.factor, factor));
        load.map_or(Class::Undecided, |load| self.class(load, length))
    }

    fn length(&self, length: Length) -> Duration {
        match length {
            Length::Short => self.goal.short,
            Length::Long => self.goal.long,
        }
    }

    /// Decided as soon as what is missing of the duration sum cannot change it.
    fn class(&self, load: &Load, length: Length) -> Class {
        let Some(times) = load.times(length) else { return Class::Undecided };
        let (met, missed) = (times.met.as_secs_f64(), times.missed.as_secs_f64());
        let sum = (self.length(length) * self.goal.trials).as_secs_f64().max(met + missed);
        if missed > self.goal.exceed_ratio * sum {
            Class::Upper
        } else if met >= (1.0 - self.goal.exceed_ratio) * sum {
            Class::Lower
        } else if times.said_nothing >= self.goal.trials {
            Class::Limited
        } else {
            Class::Undecided
        }
    }

    /// A service may pass at a load above one that it fails at: what counts is below the lowest
    /// failure.
    fn bounds(&self, stage: Length) -> Bounds {
        let of = |class| {
            let found = self.loads.iter().filter(move |load| self.class(load, stage) == class);
            found.map(|load| load.factor)
        };
        let upper = of(Class::Upper).reduce(f64::min);
        let ceiling = [upper, of(Class::Limited).reduce(f64::min)];
        let ceiling = ceiling.into_iter().flatten().reduce(f64::min).unwrap_or(f64::INFINITY);
        let lower = of(Class::Lower).filter(|factor| *factor < ceiling).reduce(f64::max);
        let limited = of(Class::Limited).filter(|factor| lower.is_none_or(|lower| *factor > lower));
        Bounds { lower, upper, limited: limited.reduce(f64::min) }
    }

    /// The next load of a bracket; `None` when its bounds are as close as they can be.
    fn pick(&self, length: Length) -> Option<f64> {
        let bounds = self.bounds(length);
        let (least, most) = self.goal.range;
        let before = self.bounds(Length::Short);
        let long = length == Length::Long;
        match (bounds.lower, bounds.ceiling()) {
            (Some(lower), Some(ceiling)) if self.is_close(lower, ceiling) => None,
            (Some(lower), Some(ceiling)) => Some((lower * ceiling).sqrt()),
            (Some(lower), None) if lower >= most => None,
            (Some(lower), None) => {
                let hint = before.ceiling().filter(|ceiling| long && *ceiling > lower);
                Some(hint.unwrap_or_else(|| lower / self.step(length)).min(most))
            }
            (None, Some(ceiling)) if ceiling <= least => None,
            (None, Some(ceiling)) => {
                let hint = before.lower.filter(|lower| long && *lower < ceiling);
                Some(hint.unwrap_or_else(|| ceiling * self.step(length)).max(least))
            }
            (None, None) if long => before.lower.or_else(|| before.ceiling()),
            (None, None) => Some(self.goal.start.clamp(least, most)),
        }
    }

    fn is_close(&self, lower: f64, upper: f64) -> bool {
        // A hair more than the width is the width: loads are products of roundings.
        upper - lower <= self.goal.width * upper * (1.0 + 1e-9)
    }

    /// By what to multiply on the way down: the first step, then a half, to find a bracket; a width,
    /// then two, four and eight of them, to find one again that long trials have moved.
    fn step(&self, length: Length) -> f64 {
        match length {
            Length::Short if self.loads.len() == 1 => self.goal.first_step,
            Length::Short => 0.5,
            Length::Long => {
                let tried = self.loads.iter().filter(|load| load.times(Length::Long).is_some());
                self.widths(tried.count().saturating_sub(1))
            }
        }
    }

    /// By what to multiply on the way down, the n-th time: 1, 2, 4 and then 8 widths.
    fn widths(&self, nth: usize) -> f64 {
        (1.0 - self.goal.width).powi(1_i32 << nth.min(3)).max(0.5)
    }

    fn found(&self, end: Option<End>) -> Found {
        let (lower, upper) = (self.stated_lower(), self.stated_upper());
        let limited = self.bounds(Length::Long).limited;
        if let Some(end) = end {
            return self.as_far_as_known(Found { lower, upper, limited, end });
        }
        let (least, most) = self.goal.range;
        let end = match (lower, upper, limited) {
            (Some(_), upper, Some(limited)) if upper.is_none_or(|upper| limited < upper) => {
                End::GeneratorLimited
            }
            (None, None, Some(_)) => End::GeneratorLimited,
            (Some(_), Some(_), _) => End::Bounded,
            (Some(lower), None, _) if lower >= most => End::AboveRange,
            (None, Some(upper), _) if upper <= least => End::BelowRange,
            _ => End::Contradictory,
        };
        Found { lower, upper, limited, end }
    }

    /// A search that was cut short: what long trials do not say, short ones may, bound by bound.
    fn as_far_as_known(&self, found: Found) -> Found {
        let short = |class| {
            let of = self.loads.iter().filter(move |load| self.class(load, Length::Short) == class);
            of.map(|load| load.factor)
        };
        let above = |factor: &f64| found.lower.is_none_or(|lower| *factor > lower);
        let lowest = |class| short(class).filter(above).reduce(f64::min);
        let upper = found.upper.or_else(|| lowest(Class::Upper));
        let limited = found.limited.or_else(|| lowest(Class::Limited));
        let ceiling = [upper, limited].into_iter().flatten().reduce(f64::min);
        let below = |factor: &f64| ceiling.is_none_or(|ceiling| *factor < ceiling);
        let lower = found.lower.or_else(|| short(Class::Lower).filter(below).reduce(f64::max));
        Found { lower, upper, limited, ..found }
    }
}

impl Bounds {
    /// What the search stays below.
    fn ceiling(&self) -> Option<f64> {
        [self.upper, self.limited].into_iter().flatten().reduce(f64::min)
    }
}

impl Load {
    /// `None` of a load that has not been tried so.
    fn times(&self, length: Length) -> Option<&Times> {
        let times = match length {
            Length::Short => &self.short,
            Length::Long => &self.long,
        };
        let tried = !times.met.is_zero() || !times.missed.is_zero() || times.said_nothing > 0;
        tried.then_some(times)
    }
}

impl Found {
    /// How far apart the bounds are, as a share of the upper one.
    #[must_use]
    pub fn width(&self) -> Option<f64> {
        let (lower, upper) = self.lower.zip(self.upper)?;
        Some((upper - lower) / upper)
    }
}

impl End {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bounded => "bounded",
            Self::AboveRange => "above_range",
            Self::BelowRange => "below_range",
            Self::GeneratorLimited => "generator_limited",
            Self::Contradictory => "contradictory",
            Self::OutOfTime => "out_of_time",
        }
    }
}

/// Loads are told apart by a millionth.
fn same(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-6 * left.max(right)
}

#[cfg(test)]
mod tests;
