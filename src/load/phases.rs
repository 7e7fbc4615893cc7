//! What share of its rate a scenario offers when: phases, one after another.
//!
//! The rate over time is piecewise linear, and is integrated exactly: when the k-th operation is
//! due is a pure function of integers, so nothing drifts and no phase is a whole operation off.
//! Never reads a clock. Called by `scenario`, which parses the phases, by `schedule`, and by
//! whoever tells them apart in a result.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;

use crate::units::{Factor, Rate};

/// Twice a nanosecond at a millionth of the rate: the unit of area in which a ramp that begins or
/// ends anywhere has a whole area.
const PER_NANO: u128 = 2_000_000;

/// What a phase is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Load that is offered first, so that what is measured is of a service that is warm.
    WarmUp,
    /// Load that headlines are about.
    Measure,
    /// One level of several.
    Step,
    /// From one level to another, evenly.
    Ramp,
    /// A level that the service is not meant to see for long.
    Spike,
    /// Load that headlines are about, for so long that a drift would show.
    Soak,
}

/// A part of a run with a rate of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What it is for.
    pub kind: PhaseKind,
    /// Its name in reports, unique in the scenario.
    pub name: String,
    /// When it begins, since the start of the run: where the one before it ends.
    pub from: Duration,
    /// How long it is.
    pub length: Duration,
    /// Of each class's rate, at its beginning.
    pub start: Factor,
    /// The same at its end; between the two it is linear.
    pub end: Factor,
    /// Whether it ends as soon as the engine calls the service steady, and at its end at the
    /// latest. Of a warm-up alone.
    pub until_steady: bool,
}

impl PhaseKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::WarmUp, Self::Measure, Self::Step, Self::Ramp, Self::Spike, Self::Soak];

    /// As scenarios and records write it: `warm_up`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::Measure => "measure",
            Self::Step => "step",
            Self::Ramp => "ramp",
            Self::Spike => "spike",
            Self::Soak => "soak",
        }
    }

    /// The kind that a scenario or a record names.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether headlines are about it.
    #[must_use]
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Measure | Self::Soak)
    }
}

impl Phase {
    /// The two phases of a scenario that says no more than how long to warm up and to measure; a
    /// warm-up of no length is none.
    #[must_use]
    pub fn classic(warm_up: Duration, measure: Duration) -> Vec<Self> {
        let flat = |kind: PhaseKind, from, length| Self {
            kind,
            name: kind.name().to_owned(),
            from,
            length,
            start: Factor::ONE,
            end: Factor::ONE,
            until_steady: false,
        };
        let first = flat(PhaseKind::WarmUp, Duration::ZERO, warm_up);
        let second = flat(PhaseKind::Measure, warm_up, measure);
        [first, second].into_iter().filter(|phase| !phase.length.is_zero()).collect()
    }

    /// When it ends, since the start of the run.
    #[must_use]
    pub fn to(&self) -> Duration {
        self.from.saturating_add(self.length)
    }

    /// Whether its rate is the same throughout.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.start == self.end
    }
}

/// The window that headlines are about: the measured phases, from the first to the last. Empty
/// without one.
#[must_use]
pub fn window(phases: &[Phase]) -> Range<Duration> {
    let mut measured = phases.iter().filter(|phase| phase.kind.is_measured());
    let Some(first) = measured.next() else { return Duration::ZERO..Duration::ZERO };
    first.from..measured.next_back().unwrap_or(first).to()
}

/// The index of the phase that `at` is in; the last one's for what comes after all of them.
#[must_use]
pub fn at(phases: &[Phase], at: Duration) -> usize {
    let begun = phases.partition_point(|phase| phase.from <= at);
    begun.saturating_sub(1)
}

/// The same phases in little: 1 s for all that are measured, in proportion, and 200 ms for each
/// other, or less if there are more than four. A warm-up is added where there is none.
#[must_use]
pub(super) fn scaled_down(phases: &[Phase]) -> Vec<Phase> {
    let window = window(phases);
    let others = phases.iter().filter(|phase| !phase.kind.is_measured()).count();
    let other = Duration::from_millis(200).min(Duration::from_millis(900) / count(others.max(1)));
    let measured = (window.end - window.start).as_secs_f64();
    let mut small = Phase::classic(other, Duration::ZERO);
    if phases.first().is_some_and(|first| !first.kind.is_measured()) {
        small.clear();
    }
    for phase in phases {
        let length = if phase.kind.is_measured() {
            Duration::from_secs_f64(phase.length.as_secs_f64() / measured)
        } else {
            other
        };
        let from = small.last().map_or(Duration::ZERO, Phase::to);
        small.push(Phase { from, length, ..phase.clone() });
    }
    small
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// The rate over time of a whole run, integrated.
#[derive(Clone, Debug)]
pub struct Course {
    legs: Vec<Leg>,
    /// Twice the area below all of them.
    area: u128,
    length: u64,
}

/// A phase as far as its rate goes: all in nanoseconds and millionths of the rate.
#[derive(Clone, Copy, Debug)]
struct Leg {
    from: u64,
    length: u64,
    start: u64,
    end: u64,
    /// Twice the area before it.
    before: u128,
}

/// A point on the course: a whole area, and a rest of which only the ratio matters.
#[derive(Clone, Copy, Debug)]
struct Area {
    whole: u128,
    rest: u128,
    of: u128,
}

impl Course {
    /// Of phases in order and without a gap.
    #[must_use]
    pub fn of(phases: &[Phase]) -> Self {
        let (mut area, mut from) = (0, 0_u64);
        let mut legs = Vec::with_capacity(phases.len());
        for phase in phases {
            let length = nanos(phase.length);
            let (start, end) = (phase.start.millionths(), phase.end.millionths());
            legs.push(Leg { from, length, start, end, before: area });
            area += u128::from(start + end) * u128::from(length);
            from = from.saturating_add(length);
        }
        Self { legs, area, length: from }
    }

    /// When the `k`-th operation is due at `rate`, counted from the first; `None` when that is not
    /// within the course. Exact to the nanosecond for every `k`, since nothing is added up: the
    /// last nanosecond before which no more than `k` operations are offered.
    #[must_use]
    pub fn instant(&self, rate: Rate, k: u64) -> Option<Duration> {
        let (millionths, seconds) = rate.parts();
        let each = 2 * 1_000_000_000 * u128::from(seconds) * 1_000_000 * 1_000_000;
        let wanted = u128::from(k).checked_mul(each)?;
        let of = u128::from(millionths);
        self.reach(Area { whole: wanted / of, rest: wanted % of, of })
    }

    /// How many evenly spaced operations are due at `rate`.
    #[must_use]
    pub fn count(&self, rate: Rate) -> u64 {
        let (millionths, seconds) = rate.parts();
        let each = 2 * 1_000_000_000 * u128::from(seconds) * 1_000_000 * 1_000_000;
        let due = self.area.saturating_mul(millionths.into()).div_ceil(each);
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// By when as much has been offered as within `work` at the full rate; `None` when that is not
    /// within the course. The identity where the rate is the full one from the start.
    #[must_use]
    pub fn after(&self, work: Duration) -> Option<Duration> {
        self.reach(Area { whole: work.as_nanos().checked_mul(PER_NANO)?, rest: 0, of: 1 })
    }

    /// What [`Self::after`] is the inverse of: in how long the full rate would have offered what
    /// the course has by `at`. Cut to the nanosecond.
    #[must_use]
    pub fn work(&self, at: Duration) -> Duration {
        let at = nanos(at).min(self.length);
        let leg = self.legs.partition_point(|leg| leg.from <= at).checked_sub(1);
        let Some(leg) = leg.map(|leg| self.legs[leg]) else { return Duration::ZERO };
        let (whole, _) = leg.area((at - leg.from).min(leg.length));
        let work = (leg.before + whole) / PER_NANO;
        Duration::from_nanos(u64::try_from(work).unwrap_or(u64::MAX))
    }

    /// How long the whole course is.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.length)
    }

    /// The highest share of the rate that it ever offers.
    #[must_use]
    pub fn peak(&self) -> f64 {
        let most = self.legs.iter().map(|leg| leg.start.max(leg.end)).max().unwrap_or(0);
        most as f64 / 1e6
    }

    /// The last nanosecond at which the area is not above `wanted`; `None` at the end or beyond.
    fn reach(&self, wanted: Area) -> Option<Duration> {
        if wanted.whole >= self.area {
            return None;
        }
        // Where the rate is 0 the last of such legs counts: what is due there is due after it.
        let leg = self.legs.partition_point(|leg| leg.before <= wanted.whole).checked_sub(1)?;
        let leg = self.legs[leg];
        let within = leg.reach(Area { whole: wanted.whole - leg.before, ..wanted });
        Some(Duration::from_nanos(leg.from + within))
    }
}

impl Leg {
    /// Twice the area of its first `nanos`: whole, and so many parts of [`Self::length`].
    fn area(&self, nanos: u64) -> (u128, u128) {
        let (at, length) = (u128::from(nanos), u128::from(self.length.max(1)));
        let flat = 2 * u128::from(self.start) * at;
        if self.end >= self.start {
            let more = u128::from(self.end - self.start) * at * at;
            return (flat + more / length, more % length);
        }
        let less = u128::from(self.start - self.end) * at * at;
        let whole = less.div_ceil(length);
        (flat - whole, whole * length - less)
    }

    /// The last nanosecond at which the area is not above `wanted`.
    fn reach(&self, wanted: Area) -> u64 {
        if self.start == self.end {
            let at = wanted.whole / (2 * u128::from(self.start)).max(1);
            return u64::try_from(at).unwrap_or(u64::MAX).min(self.length);
        }
        let (mut reached, mut beyond) = (0, self.length.saturating_add(1));
        while beyond - reached > 1 {
            let middle = reached + (beyond - reached) / 2;
            if self.is_within(middle, wanted) { reached = middle } else { beyond = middle }
        }
        reached
    }

    fn is_within(&self, nanos: u64, wanted: Area) -> bool {
        let (whole, rest) = self.area(nanos);
        let length = u128::from(self.length.max(1));
        whole < wanted.whole || whole == wanted.whole && rest * wanted.of <= wanted.rest * length
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Phases of lengths in milliseconds, from and to a share of the rate in percent.
    fn phases(of: &[(u64, u64, u64)]) -> Vec<Phase> {
        let mut from = Duration::ZERO;
        let phase = |(length, start, end): &(u64, u64, u64)| {
            let length = Duration::from_millis(*length);
            let phase = Phase {
                kind: PhaseKind::Ramp,
                name: String::new(),
                from,
                length,
                start: Factor::of_percent(*start).unwrap(),
                end: Factor::of_percent(*end).unwrap(),
                until_steady: false,
            };
            from += length;
            phase
        };
        of.iter().map(phase).collect()
    }

    fn course(of: &[(u64, u64, u64)]) -> Course {
        Course::of(&phases(of))
    }

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    #[test]
    fn at_the_full_rate_operations_are_due_as_without_phases() {
        let course = course(&[(1_000, 100, 100), (3_000, 100, 100)]);
        for rate in ["3/s", "700/min", "0.3/s", "100000/s"].map(rate) {
            assert_eq!(course.count(rate), rate.count_in(Duration::from_secs(4)));
            for k in 0..course.count(rate) {
                assert_eq!(course.instant(rate, k), Some(rate.instant(k)), "{k}");
            }
            assert_eq!(course.instant(rate, course.count(rate)), None);
        }
    }

    #[test]
    fn a_ramp_from_nothing_is_quadratic() {
        let course = course(&[(10_000, 0, 100)]);
        // 10/s at the end of 10 s: 50 operations, the k-th at sqrt(2k) seconds.
        assert_eq!(course.count(rate("10/s")), 50);
        for k in [0, 2, 8, 18, 32] {
            let second = (0..).find(|second| second * second == 2 * k).unwrap();
            assert_eq!(course.instant(rate("10/s"), k), Some(Duration::from_secs(second)));
        }
    }

    #[test]
    fn a_day_of_ramps_drifts_by_nothing() {
        let hour = 3_600_000;
        let day: Vec<_> = (0..12).flat_map(|_| [(hour, 50, 150), (hour, 150, 50)]).collect();
        let course = course(&day);
        // Each hour offers what it would at the full rate.
        for hour in 0..24 {
            let start = Duration::from_secs(hour * 3600);
            assert_eq!(course.instant(rate("7/s"), hour * 3600 * 7), Some(start));
            assert_eq!((course.work(start), course.after(start)), (start, Some(start)));
        }
        assert_eq!(course.count(rate("7/s")), 24 * 3600 * 7);
    }

    #[test]
    fn while_nothing_is_offered_nothing_is_due() {
        let course = course(&[(1_000, 0, 0), (1_000, 100, 100), (5_000, 0, 0), (1_000, 100, 100)]);
        let due: Vec<_> = (0..5).map(|k| course.instant(rate("2/s"), k)).collect();
        let ms = |millis| Some(Duration::from_millis(millis));
        assert_eq!(due, [ms(1_000), ms(1_500), ms(7_000), ms(7_500), None]);
        assert_eq!(course.count(rate("2/s")), 4);
    }

    #[test]
    fn the_longest_and_highest_that_can_be_written_is_exact() {
        let day = 86_400_000;
        let course = course(&[(day, 0, 10_000); 64]);
        let most = rate("1000000/s");
        assert_eq!(course.count(most), 64 * 86_400 * 1_000_000 * 50);
        let middle = course.instant(most, 32 * 86_400 * 1_000_000 * 50);
        assert_eq!(middle, Some(Duration::from_secs(32 * 86_400)));
        assert_eq!(course.instant(most, u64::MAX), None);
    }

    #[test]
    fn the_window_is_of_what_is_measured_and_every_instant_has_its_phase() {
        let secs = Duration::from_secs;
        let mut phases = phases(&[(1_000, 100, 100), (2_000, 100, 100), (3_000, 0, 100)]);
        phases[1].kind = PhaseKind::Measure;
        assert_eq!(window(&phases), secs(1)..secs(3));
        phases[2].kind = PhaseKind::Soak;
        assert_eq!(window(&phases), secs(1)..secs(6));
        let ats = [0, 999, 1_000, 2_999, 3_000, 60_000].map(Duration::from_millis);
        assert_eq!(ats.map(|instant| at(&phases, instant)), [0, 0, 1, 1, 2, 2]);
        let classic = Phase::classic(secs(0), secs(2));
        assert_eq!((classic.len(), window(&classic)), (1, secs(0)..secs(2)));
    }

    fn any_course() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
        let flat = (1_u64..500, 0_u64..400).prop_map(|(length, at)| (length, at, at));
        let ramp = (1_u64..500, 0_u64..400, 0_u64..400);
        prop::collection::vec(prop_oneof![flat, ramp], 1..8)
    }

    /// The area by a rule that adds up: exact for what is linear, but for rounding.
    fn naive(of: &[(u64, u64, u64)], at: f64) -> f64 {
        let (mut area, mut from) = (0.0, 0.0);
        for (length, start, end) in of {
            let (length, start, end) =
                (*length as f64 / 1e3, *start as f64 / 100.0, *end as f64 / 100.0);
            let within = (at - from).clamp(0.0, length);
            let level = start + (end - start) * within / length;
            area += (start + level) / 2.0 * within;
            from += length;
        }
        area
    }

    proptest! {
        #[test]
        fn the_k_th_instant_is_where_a_naive_integration_reaches_k(
            of in any_course(), millionths in 1_000_000_u64..5_000_000_000, at: prop::sample::Index,
        ) {
            let course = course(&of);
            let rate = Rate::parse(&format!("{}/s", millionths as f64 / 1e6)).unwrap();
            let count = course.count(rate);
            let total = naive(&of, f64::INFINITY) * rate.as_per_second();
            prop_assert!((count as f64 - total).abs() < 1.0 + total * 1e-9, "{count} {total}");
            if count > 0 {
                let k = at.index(usize::try_from(count).unwrap()) as u64;
                let instant = course.instant(rate, k).unwrap().as_secs_f64();
                let offered = naive(&of, instant) * rate.as_per_second();
                // Not one nanosecond at the highest rate off.
                prop_assert!((offered - k as f64).abs() < 4e-5, "{k}: {offered} at {instant}");
            }
            prop_assert_eq!(course.instant(rate, count), None);
        }

        #[test]
        fn instants_are_in_order_and_work_is_the_inverse_of_after(
            of in any_course(), micros in 0_u64..4_000_000,
        ) {
            let course = course(&of);
            let rate = rate("1234.5/s");
            let due: Vec<_> =
                (0..course.count(rate)).map(|k| course.instant(rate, k).unwrap()).collect();
            prop_assert!(due.is_sorted());
            prop_assert!(due.last().is_none_or(|last| *last < course.length()));
            let work = Duration::from_micros(micros);
            if let Some(at) = course.after(work) {
                let back = course.work(at);
                prop_assert!(back <= work && work - back <= Duration::from_nanos(5), "{back:?}");
            } else {
                prop_assert!(work >= course.work(course.length()));
            }
        }
    }
}
