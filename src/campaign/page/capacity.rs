//! The highest rate that keeps the goal, between its bounds, and every load that was tried for it.

use maud::{Markup, html};

use super::load;
use super::{LoadCurve, LoadPoint, Section, Status, banner};
use crate::campaign::record::{Bound, Capacity, TrialRecord};
use crate::report::chart::{Table, Unit};
use crate::report::html::{Figure, figures};

/// The bounds before anything else: never one number without them.
pub(super) fn head(of: &Capacity) -> Markup {
    let status = if of.conclusion == "bounded" { Status::Valid } else { Status::Invalid };
    html! {
        (banner(status, &meaning(of), &[], &[]))
        (figures(&bounds(of)))
        p { "What was asked of every trial:" }
        ul.reasons { @for line in &of.slo { li { code { (line) } } } }
    }
}

/// The curve over all loads, with the bounds shaded, and every trial.
pub(super) fn sections(of: &Capacity) -> Vec<Option<Section>> {
    let curve = LoadCurve { points: points(&of.trials), ..LoadCurve::default() };
    let place = |bound: &Bound| bound.offered_per_s.median;
    let span = of.lower.as_ref().zip(of.upper.as_ref());
    let span = span.map(|(lower, upper)| (place(lower), place(upper)));
    let goal = Section::of("goal", "How closely it was searched", goal(of).draw("The search"));
    let said = Section::of("said", "What every trial said", said(&of.trials).draw("The trials"));
    load::sections(&curve, span).into_iter().chain([said, goal]).collect()
}

/// Every trial in the order of the search, with what it says of its load.
fn said(trials: &[TrialRecord]) -> Table {
    let mut table = Table::headed(["run", "offered/s", "length", "said", "what it missed"]);
    table.told = true;
    for trial in trials {
        let told = |text: &Option<String>| {
            text.as_deref().map_or_else(|| "-".to_owned(), |text| text.replace('_', " "))
        };
        let missed = match (trial.missed.as_slice(), trial.reasons.as_slice()) {
            ([], []) => "-".to_owned(),
            // A trial that says nothing of the service has missed nothing; why is told all the same.
            ([], reasons) => reasons.join("; "),
            (missed, _) => missed.join("; "),
        };
        table.push([
            trial.number.to_string(),
            Unit::Count.value(trial.offered_per_s),
            told(&trial.length),
            told(&trial.said),
            missed,
        ]);
    }
    table
}

fn meaning(of: &Capacity) -> String {
    match (of.conclusion.as_str(), of.width) {
        ("bounded", Some(width)) => format!(
            "The highest rate that keeps the goal lies between the bounds below, which are {} of \
             the upper one apart.",
            Unit::Share.value(width)
        ),
        ("above_range", _) => {
            "Even the highest load that was tried keeps the goal: there is no upper bound."
                .to_owned()
        }
        ("below_range", _) => {
            "Even the lowest load that was tried misses the goal: there is no lower bound."
                .to_owned()
        }
        ("contradictory", _) => {
            "Trials contradict each other at an end of the range that was tried: there is no bound."
                .to_owned()
        }
        ("generator_limited", _) => {
            "The load generator could not offer more: what is above the lower bound is not known."
                .to_owned()
        }
        (other, _) => {
            format!("The search ended before its bounds met: {}.", other.replace('_', " "))
        }
    }
}

fn bounds(of: &Capacity) -> Vec<Figure> {
    let ends = [
        ("Lower bound: keeps the goal", of.lower),
        ("Upper bound: misses it", of.upper),
        ("Generator limited from", of.limited),
    ];
    let known = ends.into_iter().filter_map(|(name, bound)| Some((name, bound?)));
    known
        .map(|(name, bound)| {
            let achieved = Unit::Count.value(bound.achieved_per_s.median);
            let trials = match bound.met {
                1 => "1 trial".to_owned(),
                met => format!("{met} trials"),
            };
            let nothing = match bound.generator_limited {
                0 => String::new(),
                none => format!(", {none} say nothing"),
            };
            let trials = format!("{trials} met the goal, {} missed it{nothing}", bound.missed);
            let decided = if bound.decided { "" } else { "; too few to judge" };
            let value = format!("{}/s", Unit::Count.value(bound.offered_per_s.median));
            Figure::new(name, value, format!("{achieved}/s accepted; {trials}{decided}"))
        })
        .collect()
}

/// The trials of one load are one point.
fn points(trials: &[TrialRecord]) -> Vec<LoadPoint> {
    let mut loads: Vec<(f64, Vec<TrialRecord>)> = Vec::new();
    for trial in trials {
        match loads.iter_mut().find(|(factor, _)| factor.total_cmp(&trial.factor).is_eq()) {
            Some((_, same)) => same.push(trial.clone()),
            None => loads.push((trial.factor, vec![trial.clone()])),
        }
    }
    loads.sort_by(|one, next| one.0.total_cmp(&next.0));
    loads.into_iter().filter_map(|(factor, trials)| LoadPoint::of(factor, trials)).collect()
}

fn goal(of: &Capacity) -> Table {
    let goal = of.goal;
    let mut table = Table::headed(["", "asked"]);
    let mut row = |name: &str, value: String| table.push([name.to_owned(), value]);
    row("bounds apart, as a share of the upper one", Unit::Share.value(goal.width));
    row("share of a load's time that may miss the goal", Unit::Share.value(goal.exceed_ratio));
    row("trials that a load is judged by", goal.trials.to_string());
    row("a short trial", Unit::Seconds.value(goal.short_s));
    row("a long trial", Unit::Seconds.value(goal.long_s));
    row("the whole search at most", Unit::Seconds.value(goal.budget_s));
    table
}
