//! What several runs come to, as text and as CSV.
//!
//! Returns strings and never prints. Called by `sweep` and `capacity` for progress, by `cli` for
//! the rest.

use super::record::{
    Bound, CampaignOutcome, CampaignRecord, Capacity, LoadCurve, LoadPoint, Spread, TrialRecord,
};
use super::serving;
use crate::report::summary::{Look, decimal, duration, origin, table};
use crate::report::verdict::Status;

/// One run in a line.
#[must_use]
pub fn trial(of: &TrialRecord) -> String {
    let said = of.said.as_ref().map_or_else(String::new, |said| format!(", {said}"));
    let why = of.missed.first().or_else(|| of.reasons.first());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let given_up = if of.aborted { ", given up" } else { "" };
    format!(
        "  {}{given_up}{said}{why}; {} of {} operations/s, {} deliveries/s, response p99 {}, last member p99 {}",
        of.status.name(),
        decimal(of.achieved_per_s),
        decimal(of.offered_per_s),
        decimal(of.deliveries_per_s),
        duration(of.response_p99_us),
        duration(of.fanout_last_p99_us),
    )
}

/// The summary of a campaign that lies in `folder`; nothing of a kind that has its own.
#[must_use]
pub fn render(record: &CampaignRecord, folder: &std::path::Path, look: Look) -> String {
    let body = match &record.outcome {
        CampaignOutcome::Sweep(curve) => sweep(curve, look),
        CampaignOutcome::FindMax(capacity) => find_max(capacity),
        CampaignOutcome::ServeCost(result) => serving::render(result, look),
        // It has a text of its own.
        CampaignOutcome::Contend(_) => String::new(),
    };
    format!("{body}\n\n{}\n\nresult: {}\n", origin(&record.provenance), folder.display())
}

fn sweep(curve: &LoadCurve, look: Look) -> String {
    let header = [
        "load",
        "offered",
        "achieved",
        "deliveries",
        "response p50",
        "p99",
        "last member p50",
        "p99",
        "us each",
        "verdict",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(curve.points.iter().map(row));
    let rounds = curve.rounds;
    format!(
        "latency at load, medians of {rounds} rounds ({}, seed {}); in brackets the smallest and \
         the largest; operations and deliveries a second\n\n{}",
        curve.order,
        curve.seed,
        table(rows, look)
    )
}

fn row(point: &LoadPoint) -> Vec<String> {
    let time = |of: Spread| {
        let [median, min, max] = [of.median, of.min, of.max].map(|value| duration(rounded(value)));
        if min == max { median } else { format!("{median} ({min}..{max})") }
    };
    let trials = point.trials.len();
    let verdict = if point.status == Status::Valid {
        "valid".to_owned()
    } else {
        format!("{}: {} of {trials} valid", point.status.name().to_uppercase(), point.valid)
    };
    vec![
        format!("{}", point.factor),
        decimal(point.offered_per_s.median),
        decimal(point.achieved_per_s.median),
        decimal(point.deliveries_per_s.median),
        time(point.response_p50_us),
        time(point.response_p99_us),
        time(point.fanout_last_p50_us),
        time(point.fanout_last_p99_us),
        point.cpu_us_per_delivery.map_or_else(|| "-".to_owned(), |of| decimal(of.median)),
        verdict,
    ]
}

/// Never one number without its bounds.
fn find_max(of: &Capacity) -> String {
    let width =
        of.width.map_or_else(|| "none".to_owned(), |width| format!("{:.1}%", width * 100.0));
    let asked = format!("{:.1}%", of.goal.width * 100.0);
    let none = |why: &str| format!("none: {why}");
    let lower = of.lower.as_ref().map_or_else(|| none("no load that was tried met it"), bound);
    let upper = match (&of.upper, &of.limited) {
        (Some(upper), _) => bound(upper),
        (None, Some(_)) => none("the generator was the limit before the service was"),
        (None, None) => none("every load that was tried met it"),
    };
    let mut lines = vec![
        format!("conclusion            {}", conclusion(of)),
        format!("relevant lower bound  {lower}"),
        format!("relevant upper bound  {upper}"),
    ];
    if let Some(limited) = &of.limited {
        lines.push(format!("generator-limited at  {}", bound(limited)));
    }
    lines.push(format!("width                 {width} (asked for: {asked})"));
    lines.push(format!(
        "trials                {}: a load is judged by {} s, then by {} s; a bound takes {} long ones of \
         one mind",
        of.trials.len(),
        decimal(of.goal.short_s * f64::from(of.goal.trials)),
        decimal(of.goal.long_s * f64::from(of.goal.trials)),
        needed(of),
    ));
    let rests = |bound: &Bound, said, otherwise: &dyn Fn(&TrialRecord) -> bool| {
        rests_on(of, (bound.factor, said), otherwise)
    };
    if let Some(lower) = &of.lower {
        let missed = |trial: &TrialRecord| says(trial, "missed") && trial.factor <= lower.factor;
        lines.push(format!("lower bound rests on  {}", rests(lower, "met", &missed)));
    }
    if let Some(upper) = &of.upper {
        let met = |trial: &TrialRecord| says(trial, "met") && trial.factor >= upper.factor;
        lines.push(format!("upper bound rests on  {}", rests(upper, "missed", &met)));
    }
    lines.push(format!("SLO                   {}", of.slo.join("\n                      ")));
    lines.join("\n")
}

fn says(trial: &TrialRecord, what: &str) -> bool {
    trial.said.as_deref() == Some(what)
}

fn is_long(trial: &&TrialRecord) -> bool {
    trial.length.as_deref() == Some("long")
}

/// Long trials that have to agree about a bound: one more where trials of one length have contradicted
/// each other, as the search has it.
fn needed(of: &Capacity) -> u32 {
    let contradict = |long: bool| {
        let told = |what: &'static str| {
            let trials = of.trials.iter().filter(move |trial| is_long(trial) == long);
            trials.filter(move |trial| says(trial, what)).map(|trial| trial.factor)
        };
        let (highest, lowest) = (told("met").reduce(f64::max), told("missed").reduce(f64::min));
        highest.zip(lowest).is_some_and(|(met, missed)| missed <= met)
    };
    of.goal.trials + u32::from(contradict(true) || contradict(false))
}

/// What a bound came to: the trials at that load which said so, and whether as many as it takes, and
/// those on its own side that said otherwise.
fn rests_on(
    of: &Capacity,
    (factor, said): (f64, &str),
    otherwise: &dyn Fn(&TrialRecord) -> bool,
) -> String {
    let by_length = |which: &dyn Fn(&TrialRecord) -> bool| {
        let (long, short): (Vec<_>, Vec<_>) =
            of.trials.iter().filter(|trial| which(trial)).partition(is_long);
        (long.len(), short.len())
    };
    let trials = |count: usize, kind: &str| {
        format!("{count} {kind} trial{}", if count == 1 { "" } else { "s" })
    };
    let here = |trial: &TrialRecord| trial.factor.total_cmp(&factor).is_eq() && says(trial, said);
    let needed = needed(of);
    let rests = match by_length(&here) {
        (0, short) => format!("{} and no long one", trials(short, "short")),
        (long, _) if u32::try_from(long).is_ok_and(|long| long < needed) => {
            format!("{} of the {needed} that it takes", trials(long, "long"))
        }
        (long, _) => trials(long, "long"),
    };
    let against = match by_length(&otherwise) {
        (0, 0) => return format!("{rests}, of one mind"),
        (0, short) => trials(short, "short"),
        (long, 0) => trials(long, "long"),
        (long, short) => format!("{} and {}", trials(long, "long"), trials(short, "short")),
    };
    format!("{rests}; {against} said otherwise")
}

fn conclusion(of: &Capacity) -> String {
    let lower = of.lower.as_ref().map_or(0.0, |lower| lower.offered_per_s.median);
    match of.conclusion.as_str() {
        "bounded" if of.width.is_some_and(|width| width > of.goal.width * (1.0 + 1e-9)) => {
            "capacity is between the two bounds, between which trials contradict each other"
                .to_owned()
        }
        "bounded" => "capacity is between the two bounds".to_owned(),
        "above_range" => "capacity is above the highest load that was tried".to_owned(),
        "below_range" => "the lowest load that was tried missed the SLO".to_owned(),
        "contradictory" => {
            "trials contradict each other at an end of the range: there is no bound".to_owned()
        }
        "generator_limited" => format!("generator-limited above {} operations/s", decimal(lower)),
        _ => "out of time: the bounds are as far apart as they are".to_owned(),
    }
}

fn bound(of: &Bound) -> String {
    format!(
        "{} operations/s offered, {} achieved, {} deliveries/s ({:.4} times the rates; {} trials met it, {} missed it{})",
        decimal(of.offered_per_s.median),
        decimal(of.achieved_per_s.median),
        decimal(of.deliveries_per_s.median),
        of.factor,
        of.met,
        of.missed,
        match of.generator_limited {
            0 => String::new(),
            none => format!(", {none} say nothing"),
        },
    )
}

/// The points of a curve for other tools: one row for each run.
#[must_use]
pub fn csv(curve: &LoadCurve) -> String {
    let mut text = String::from(
        "factor,number,status,window_s,offered_per_s,achieved_per_s,deliveries_per_s,\
         response_p50_us,response_p99_us,fanout_last_p50_us,fanout_last_p99_us,lateness_p99_us,\
         cpu_us_per_delivery,aborted\n",
    );
    for trial in curve.points.iter().flat_map(|point| &point.trials) {
        let cpu = trial.cpu_us_per_delivery.map_or_else(String::new, |cpu| cpu.to_string());
        let cells = [
            trial.factor.to_string(),
            trial.number.to_string(),
            trial.status.name().to_owned(),
            trial.window_s.to_string(),
            trial.offered_per_s.to_string(),
            trial.achieved_per_s.to_string(),
            trial.deliveries_per_s.to_string(),
            trial.response_p50_us.to_string(),
            trial.response_p99_us.to_string(),
            trial.fanout_last_p50_us.to_string(),
            trial.fanout_last_p99_us.to_string(),
            trial.lateness_p99_us.to_string(),
            cpu,
            trial.aborted.to_string(),
        ];
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive")]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}
