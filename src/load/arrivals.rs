//! When a class's operations are due: the processes by which they arrive.
//!
//! All of them follow the course of the scenario's phases: what would have been due after so much
//! work at the full rate is due when the course has offered as much. Pure: a process is a function
//! of the scenario and its seed. Called by the schedule, and by `check`, which bounds it.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::draws::{Zipf, exponential, stream, uniform};
use super::phases::Course;
use super::scenario::Class;
use super::trace::Trace;
use crate::units::Rate;

/// How operations are spaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other, as many users are: bursts happen.
    #[default]
    Poisson,
    /// One every period, exactly.
    Even,
    /// Conversations: bursts between silences.
    Bursts(Bursts),
    /// As they once were.
    Trace(Trace),
}

/// Conversations: within a burst operations are independent of each other, between two there is
/// none. Group chats are like this, and not like a Poisson process (Seufert et al., "Analysis of
/// Group-Based Communication in WhatsApp", LNICST 158).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// How long a burst is, on average.
    pub on: Duration,
    /// How long there is silence, on average.
    pub off: Duration,
    /// How these lengths are distributed.
    pub lengths: Lengths,
    /// Who bursts at once.
    pub of: Together,
}

/// How the lengths of bursts and silences are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lengths {
    /// Exponentially.
    #[default]
    Exponential,
    /// All alike; the first burst begins anywhere.
    Fixed,
}

/// Whose bursts are at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Together {
    /// Each group's, by itself.
    #[default]
    Group,
    /// All groups' of the class.
    Class,
}

/// One operation that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Since the start of the run.
    pub(super) at: Duration,
    /// Its group's place in the class, if the process says.
    pub(super) group: Option<u32>,
    /// Its plaintext's size, if the process says.
    pub(super) bytes: Option<u32>,
}

impl Bursts {
    /// The same in a window of a second: cycles of at most a third of it.
    pub(super) fn scale_down(&mut self) {
        let cycle = (self.on + self.off).as_secs_f64();
        if cycle > 0.3 {
            self.on = self.on.mul_f64(0.3 / cycle).max(Duration::from_millis(1));
            self.off = self.off.mul_f64(0.3 / cycle).max(Duration::from_millis(1));
        }
    }

    /// How much more than on average is due within a burst.
    #[must_use]
    pub fn peak(&self) -> f64 {
        (self.on + self.off).as_secs_f64() / self.on.as_secs_f64()
    }
}

/// What arrives in a class, by instant.
pub(super) fn of_class<'a>(
    seed: u64,
    index: u32,
    class: &'a Class,
    course: &'a Course,
) -> Box<dyn Iterator<Item = Arrival> + 'a> {
    let plain = |at| Arrival { at, group: None, bytes: None };
    if class.is_closed() {
        // Racers that want the next change when the one before has come through are called once,
        // at the start, in every group.
        let first = move |group| Arrival { group: Some(group), ..plain(Duration::ZERO) };
        return Box::new((0..class.count).map(first));
    }
    let mut from = stream(seed, index, b"arrivals");
    match &class.arrivals {
        Arrivals::Even => Box::new((0..).map_while(|k| course.instant(class.rate, k)).map(plain)),
        Arrivals::Poisson => {
            let period = class.rate.period_seconds();
            let mut worked = Duration::ZERO;
            // At a rate that changes, a Poisson process is one of rate 1 in another time.
            let next = move || {
                worked += Duration::from_secs_f64(exponential(&mut from) * period);
                course.after(worked)
            };
            Box::new(std::iter::from_fn(next).map(plain))
        }
        Arrivals::Bursts(bursts) if bursts.of == Together::Class => {
            let mut due = Vec::new();
            bursts.play(&mut from, class.rate.period_seconds(), course, &mut |at| due.push(at));
            Box::new(due.into_iter().map(plain))
        }
        Arrivals::Bursts(bursts) => {
            let mut due = Vec::new();
            let weights = class.hot_groups();
            for group in 0..class.count {
                from.set_stream(u64::from(group) + 1);
                let share = weights.share(group, class.count);
                bursts.play(&mut from, class.rate.period_seconds() / share, course, &mut |at| {
                    due.push(Arrival { at, group: Some(group), bytes: None });
                });
            }
            due.sort_by_key(|arrival: &Arrival| arrival.at);
            Box::new(due.into_iter())
        }
        Arrivals::Trace(trace) => Box::new(trace.events().iter().map_while(move |event| {
            let at = course.after(trace.instant(event, class.rate))?;
            // A class with fewer groups than the trace has plays them with those it has.
            let group = event.group.map(|group| group % class.count.max(1));
            Some(Arrival { at, group, bytes: event.bytes })
        })),
    }
}

impl Bursts {
    /// One process of bursts and silences: `due` is told each instant.
    fn play(
        &self,
        from: &mut ChaCha8Rng,
        period: f64,
        course: &Course,
        due: &mut dyn FnMut(Duration),
    ) {
        let gap = period / self.peak();
        let cycle = (self.on + self.off).as_secs_f64();
        let mut at = Duration::ZERO;
        let (mut bursting, mut left) = self.begin(from, cycle);
        while at < course.length() {
            let end = at.saturating_add(left);
            if bursting {
                let (mut worked, until) = (course.work(at), course.work(end));
                loop {
                    // Nothing is remembered of the last burst: the process within one has no memory.
                    worked += Duration::from_secs_f64(exponential(from) * gap);
                    match course.after(worked).filter(|_| worked < until) {
                        Some(at) => due(at),
                        None => break,
                    }
                }
            }
            at = end;
            bursting = !bursting;
            left = self.length(from, bursting);
        }
    }

    /// Whether a burst is on at the start, and how long that lasts: as at any other moment.
    fn begin(&self, from: &mut ChaCha8Rng, cycle: f64) -> (bool, Duration) {
        let at = uniform(from) * cycle;
        let on = self.on.as_secs_f64();
        let bursting = at < on;
        let left = match self.lengths {
            Lengths::Exponential => self.length(from, bursting),
            Lengths::Fixed if bursting => Duration::from_secs_f64(on - at),
            Lengths::Fixed => Duration::from_secs_f64(cycle - at),
        };
        (bursting, left)
    }

    fn length(&self, from: &mut ChaCha8Rng, bursting: bool) -> Duration {
        let mean = if bursting { self.on } else { self.off };
        match self.lengths {
            Lengths::Exponential => mean.mul_f64(exponential(from)),
            Lengths::Fixed => mean,
        }
    }
}

/// Most operations that `class` can be expected to offer on `course`: exact for even arrivals and
/// traces, and what the others exceed once in a million runs.
pub(super) fn bound(class: &Class, course: &Course) -> u64 {
    if class.is_closed() {
        return class.count.into();
    }
    let mean = course.count(class.rate);
    let spread = |variance: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let five = (5.0 * variance.sqrt()).ceil() as u64;
        mean.saturating_add(five + 10)
    };
    match &class.arrivals {
        Arrivals::Even => mean,
        Arrivals::Poisson => mean.saturating_add(mean.isqrt().saturating_mul(5) + 10),
        Arrivals::Bursts(bursts) => {
            let always = course.count(class.rate.scaled(bursts.peak()).unwrap_or(class.rate));
            let always = always.saturating_add(always.isqrt().saturating_mul(5) + 10);
            spread(mean as f64 + bursts.variance(class, course)).min(always)
        }
        Arrivals::Trace(trace) => {
            let work = course.work(course.length());
            let due = |event: &&_| trace.instant(event, class.rate) < work;
            trace.events().iter().take_while(due).count() as u64
        }
    }
}

impl Bursts {
    /// The variance of the number of operations that bursts add to that of Poisson arrivals, over a
    /// time that is long beside them: that of two states which last exponentially, which is more
    /// than that of fixed lengths.
    fn variance(&self, class: &Class, course: &Course) -> f64 {
        let (on, off) = (self.on.as_secs_f64(), self.off.as_secs_f64());
        let squares: f64 = match self.of {
            Together::Class => 1.0,
            Together::Group => {
                let weights: Zipf = class.hot_groups();
                (0..class.count).map(|group| weights.share(group, class.count).powi(2)).sum()
            }
        };
        let worked = course.work(course.length()).as_secs_f64();
        let rate: Rate = class.rate;
        2.0 * rate.as_per_second().powi(2) * squares * course.peak() * worked * off.powi(2)
            / (on + off)
    }
}

#[cfg(test)]
mod tests;
