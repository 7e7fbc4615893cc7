//! The highest load that keeps the goal: trials of a scenario, searched and written down.
//!
//! The goal is what the scenario's thresholds say, and always: no violation, what is offered is
//! achieved, and the backlog does not grow. Pure but for the trait that makes the runs. Called by
//! `cli`.

use std::ops::Range;
use std::time::Duration;

use super::record::{Bound, Capacity, CapacityGoal, Spread, TrialRecord};
use super::search::{Found, Goal, Length, Said, Search, Step};
use super::trials::unless_closed;
use super::{TrialError, Trials, text};
use crate::limits::{ACHIEVED_SHARE_MIN, BACKLOG_SHARE_MAX};
use crate::load::phases::{Phase, PhaseKind};
use crate::load::scenario::Scenario;
use crate::load::threshold::Standing;
use crate::report::record::Record;
use crate::report::verdict::Status;

/// A scenario that is tried at many loads.
#[derive(Clone, Debug)]
pub struct Subject {
    scenario: Scenario,
}

impl Subject {
    /// Of a scenario that offers one load: a warm-up and what is measured, both at the full rate.
    ///
    /// # Errors
    /// When its load changes by itself, and so has no one capacity, or a class has no rate.
    pub fn of(scenario: &Scenario) -> Result<Self, TrialError> {
        unless_closed(scenario)?;
        let one_load = |phase: &Phase| {
            let kind = phase.kind == PhaseKind::WarmUp || phase.kind.is_measured();
            let full = |factor: crate::units::Factor| factor == crate::units::Factor::ONE;
            kind && !phase.until_steady && full(phase.start) && full(phase.end)
        };
        if let Some(other) = scenario.phases.iter().find(|phase| !one_load(phase)) {
            return Err(TrialError(format!(
                "phase {:?} changes the load or its own length; a search needs a scenario of one \
                 load, with a warm-up and a measured phase at the full rate",
                other.name
            )));
        }
        let mut scenario = scenario.clone();
        // A trial that is lost early is lost; the search has better things to do.
        scenario.thresholds.iter_mut().for_each(|threshold| threshold.abort = true);
        Ok(Self { scenario })
    }

    /// Every trial has so much load before what is measured.
    pub(super) fn warm_up(&mut self, length: Duration) {
        self.scenario.phases = Phase::classic(length, self.scenario.offered());
    }

    /// The scenario at a multiple of its rates, measured for so long.
    ///
    /// # Errors
    /// When it cannot be offered; the message says why.
    pub fn at(&self, factor: f64, length: Duration) -> Result<Scenario, TrialError> {
        let mut scenario = self.scenario.clone();
        scenario.phases = Phase::classic(self.scenario.window().start, length);
        scenario.with_rate_factor(factor).map_err(|fault| {
            TrialError(format!("at {factor} times the rates: {}: {}", fault.field, fault.message))
        })
    }

    /// The highest multiple up to `most` that a scenario can have at all.
    #[must_use]
    pub fn most(&self, most: f64, length: Duration) -> f64 {
        let mut factor = most;
        while factor > f64::MIN_POSITIVE && self.at(factor, length).is_err() {
            factor /= 1.25;
        }
        factor
    }

    /// What is asked of each trial, in words.
    #[must_use]
    pub fn slo(&self) -> Vec<String> {
        let own = self.scenario.thresholds.iter().map(|threshold| threshold.text.clone());
        let always = [
            "verdict valid, no violation".to_owned(),
            format!("achieved >= {}%", ACHIEVED_SHARE_MIN * 100.0),
            "bounded backlog".to_owned(),
        ];
        own.chain(always).collect()
    }

    /// Makes trials until the goal's bounds are found.
    ///
    /// # Errors
    /// When a run has no result, or a load cannot be offered.
    pub fn search(&self, goal: Goal, trials: &mut dyn Trials) -> Result<Capacity, TrialError> {
        let mut search = Search::new(goal);
        let mut made: Vec<TrialRecord> = Vec::new();
        loop {
            let (factor, length) = match search.next(trials.elapsed()) {
                Step::Try(factor, length) => (factor, length),
                Step::Done(found) => return Ok(self.written(&goal, &search, found, made)),
            };
            let (window, name) = match length {
                Length::Short => (goal.short, "short"),
                Length::Long => (goal.long, "long"),
            };
            let number = u32::try_from(made.len()).unwrap_or(u32::MAX).saturating_add(1);
            trials.say(&format!("trial {number}, {name}: {factor:.4} times the rates"));
            let record = trials.run(self.at(factor, window)?)?;
            let (said, missed) = judge(&record);
            search.tell(factor, length, said);
            let trial = TrialRecord {
                length: Some(name.to_owned()),
                said: Some(name_of(said).to_owned()),
                missed,
                ..TrialRecord::of(number, factor, &record)
            };
            trials.say(&text::trial(&trial));
            made.push(trial);
        }
    }

    fn written(
        &self,
        goal: &Goal,
        search: &Search,
        found: Found,
        trials: Vec<TrialRecord>,
    ) -> Capacity {
        let bound = |factor: f64| bound(factor, search, &trials);
        Capacity {
            slo: self.slo(),
            goal: CapacityGoal {
                width: goal.width,
                exceed_ratio: goal.exceed_ratio,
                trials: goal.trials,
                short_s: goal.short.as_secs_f64(),
                long_s: goal.long.as_secs_f64(),
                budget_s: goal.budget.as_secs_f64(),
            },
            conclusion: found.end.name().to_owned(),
            lower: found.lower.and_then(bound),
            upper: found.upper.and_then(bound),
            limited: found.limited.and_then(bound),
            width: found.width(),
            trials,
        }
    }
}

pub(super) fn name_of(said: Said) -> &'static str {
    match said {
        Said::Met => "met",
        Said::Missed => "missed",
        Said::Nothing => "generator_limited",
    }
}

/// What the trials at a bound come to: the longest that there are.
fn bound(factor: f64, search: &Search, trials: &[TrialRecord]) -> Option<Bound> {
    #[expect(clippy::float_cmp, reason = "it is the same load, not one that is near")]
    let here = |length: &str| {
        let is = move |trial: &&TrialRecord| {
            trial.factor == factor && trial.length.as_deref() == Some(length)
        };
        trials.iter().filter(is).collect::<Vec<_>>()
    };
    let counted =
        Some(here("long")).filter(|long| !long.is_empty()).unwrap_or_else(|| here("short"));
    let spread = |of: fn(&TrialRecord) -> f64| Spread::of(counted.iter().map(|trial| of(trial)));
    let times = |said| counted.iter().filter(|trial| trial.said.as_deref() == Some(said)).count();
    let count = |said| u32::try_from(times(said)).unwrap_or(u32::MAX);
    let length = if here("long").is_empty() { Length::Short } else { Length::Long };
    Some(Bound {
        factor,
        decided: search.class_of(factor, length) != super::search::Class::Undecided,
        offered_per_s: spread(|trial| trial.offered_per_s)?,
        achieved_per_s: spread(|trial| trial.achieved_per_s)?,
        deliveries_per_s: spread(|trial| trial.deliveries_per_s)?,
        met: count("met"),
        missed: count("missed"),
        generator_limited: count("generator_limited"),
    })
}

/// What a run says of its load, and what it missed.
#[must_use]
pub fn judge(record: &Record) -> (Said, Vec<String>) {
    let status = record.verdict.status;
    if status == Status::Invalid && record.verdict.generator_limited {
        return (Said::Nothing, Vec::new());
    }
    let mut missed: Vec<String> =
        if status == Status::Valid { Vec::new() } else { record.verdict.reasons.clone() };
    let thresholds = record.thresholds.iter().filter(|of| of.status != Standing::Pass);
    missed.extend(
        thresholds.map(|of| format!("{}: {}", of.text, crate::report::thresholds::value(of))),
    );
    let (offered, achieved) = (record.throughput.offered_per_s, record.throughput.achieved_per_s());
    if achieved < ACHIEVED_SHARE_MIN * offered {
        missed.push(format!("achieved {achieved:.1}/s of {offered:.1}/s"));
    }
    if let Some((before, after)) = backlog(record) {
        missed.push(format!("the backlog grew from {before} to {after} in the window"));
    }
    (if missed.is_empty() { Said::Met } else { Said::Missed }, missed)
}

/// Operations in flight at two instants of the window, the last its end, if they grew by more than the
/// share of what was offered between: in its second half, or from as late in its first as there is
/// an interval that ends in time. Every phase begins with an interval of its own, so even a trial that
/// is shorter than an interval is asked.
fn backlog(record: &Record) -> Option<(u64, u64)> {
    let window: Range<f64> = {
        let measured = record
            .phases
            .iter()
            .filter(|phase| PhaseKind::of_name(&phase.kind).is_some_and(PhaseKind::is_measured));
        let from = measured.clone().map(|phase| phase.from_s).reduce(f64::min)?;
        from..measured.map(|phase| phase.to_s).reduce(f64::max)?
    };
    let middle = f64::midpoint(window.start, window.end);
    let last = record.intervals.iter().rfind(|of| of.to_s <= window.end)?;
    let first = record
        .intervals
        .iter()
        .find(|of| of.from_s >= middle && of.to_s < last.to_s)
        .or_else(|| record.intervals.iter().rfind(|of| of.to_s <= middle))
        .filter(|of| of.to_s >= window.start)?;
    let offered = record.throughput.offered_per_s * (last.to_s - first.to_s);
    let grew = last.in_flight.saturating_sub(first.in_flight);
    // What is in flight comes and goes by about the root of itself.
    let noise = 4.0 * (first.in_flight as f64).sqrt() + 4.0;
    (grew as f64 > (BACKLOG_SHARE_MAX * offered).max(noise))
        .then_some((first.in_flight, last.in_flight))
}
