//! When a threshold is lost: whatever comes, it does not hold at the end.
//!
//! For each metric the best that may still come is known: values that are as short, or as long, as
//! can be, and as many as the schedule still holds. If even they do not help, nothing does.

use super::metric::{Counted, Metric, Scope, Stat, Timed, whole};
use super::{Comparison, Facts, Most, Threshold};
use crate::load::recorder::Series;

/// Means are sums of fractions: what is lost by less than this share is not called lost.
const ROUNDING: f64 = 1e-9;

/// From which side a bound is approached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Values are to be below it, or at it.
    Under { at: bool },
    /// Values are to be above it, or at it.
    Over { at: bool },
}

/// See [`Threshold::is_hopeless`].
pub(super) fn is_hopeless(threshold: &Threshold, facts: &Facts<'_>, most: &Most) -> bool {
    let lost = |side| is_lost(threshold, side, facts, most);
    match threshold.comparison {
        Comparison::Below => lost(Side::Under { at: false }),
        Comparison::AtMost => lost(Side::Under { at: true }),
        Comparison::Above => lost(Side::Over { at: false }),
        Comparison::AtLeast => lost(Side::Over { at: true }),
        Comparison::Equal => lost(Side::Under { at: true }) || lost(Side::Over { at: true }),
    }
}

fn is_lost(threshold: &Threshold, side: Side, facts: &Facts<'_>, most: &Most) -> bool {
    let bound = threshold.bound;
    match &threshold.metric {
        Metric::Latency { timed, scope, stat } => {
            latency_is_lost((*timed, scope, *stat), side, bound, facts, most)
        }
        Metric::Count(counted) => grows_past(facts.count(*counted) as f64, side, bound),
        Metric::Share(counted) => share_is_lost(*counted, side, bound, facts, most),
        Metric::Operations => {
            let achieved = facts.recorder.achieved.accepted;
            let left = left(most.accepted, facts.tally.accepted);
            rate_is_lost(achieved, left, side, bound, facts)
        }
        Metric::Deliveries => {
            let achieved = facts.recorder.achieved.deliveries;
            let left = left(most.deliveries, facts.tally.deliveries);
            rate_is_lost(achieved, left, side, bound, facts)
        }
        Metric::Achieved => achieved_is_lost(side, bound, facts, most),
        Metric::CpuPerDelivery => false,
        Metric::RssPeak => {
            facts.server.is_some_and(|server| grows_past(server.rss_peak_bytes as f64, side, bound))
        }
    }
}

/// Whether what only ever grows has left the right side of a bound.
fn grows_past(value: f64, side: Side, bound: f64) -> bool {
    match side {
        Side::Under { at: false } => value >= bound,
        Side::Under { at: true } => value > bound,
        Side::Over { .. } => false,
    }
}

/// Whether not even `value`, the most that may be reached, is on the right side of a bound.
fn falls_short(value: f64, side: Side, bound: f64) -> bool {
    match side {
        Side::Over { at: false } => value <= bound,
        Side::Over { at: true } => value < bound,
        Side::Under { .. } => false,
    }
}

/// The share can only be diluted, by everything that may still be called for.
fn share_is_lost(counted: Counted, side: Side, bound: f64, facts: &Facts<'_>, most: &Most) -> bool {
    let all = most.called_for.map(|all| all.max(facts.tally.called_for)).filter(|all| *all > 0);
    all.is_some_and(|all| grows_past(facts.count(counted) as f64 / all as f64, side, bound))
}

/// What is left of the most that may come about, of which so much has; `None` when there is no bound.
fn left(most: Option<u64>, so_far: u64) -> Option<u64> {
    most.map(|most| most.saturating_sub(so_far))
}

fn rate_is_lost(
    achieved: u64,
    left: Option<u64>,
    side: Side,
    bound: f64,
    facts: &Facts<'_>,
) -> bool {
    let seconds = facts.window.as_secs_f64();
    if seconds == 0.0 {
        return false;
    }
    grows_past(achieved as f64 / seconds, side, bound)
        || left.is_some_and(|left| {
            falls_short(achieved.saturating_add(left) as f64 / seconds, side, bound)
        })
}

/// Everything that may still be accepted is, and nothing more is offered.
fn achieved_is_lost(side: Side, bound: f64, facts: &Facts<'_>, most: &Most) -> bool {
    let offered = facts.offered();
    let Some(left) = left(most.accepted, facts.tally.accepted) else { return false };
    let best = facts.recorder.achieved.accepted.saturating_add(left) as f64 / offered as f64;
    offered > 0 && falls_short(best, side, bound)
}

fn latency_is_lost(
    (timed, scope, stat): (Timed, &Scope, Stat),
    side: Side,
    bound: f64,
    facts: &Facts<'_>,
    most: &Most,
) -> bool {
    let Some(series) = facts.series(timed, scope) else { return false };
    let so_far = series.count();
    let all = facts.most_values(timed, scope, most).map(|all| all.max(so_far));
    match stat {
        Stat::Count => {
            grows_past(so_far as f64, side, bound)
                || all.is_some_and(|all| falls_short(all as f64, side, bound))
        }
        // What is still to come takes no time at all.
        Stat::Mean => all.filter(|all| *all > 0 && so_far > 0).is_some_and(|all| {
            let least = series.mean_us() * so_far as f64 / all as f64;
            grows_past(least * (1.0 - ROUNDING), side, bound)
        }),
        Stat::Max if side_is_under(side) => wrong(series, side, bound) > 0,
        Stat::Max | Stat::Quantile(_) => all.zip(stat.quantile()).is_some_and(|(all, quantile)| {
            let (wrong, needed) = (wrong(series, side, bound), rank(quantile, all));
            // The quantile is the value of this rank. All others being right, it is right if there
            // are so many right ones, or if there are not so many wrong ones below it.
            match side {
                Side::Under { .. } => all - wrong < needed,
                Side::Over { .. } => all > 0 && wrong >= needed,
            }
        }),
    }
}

fn side_is_under(side: Side) -> bool {
    matches!(side, Side::Under { .. })
}

/// Which of so many sorted values is the quantile, from 1: as the histogram has it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a u64")]
fn rank(quantile: f64, values: u64) -> u64 {
    if values == 0 { 0 } else { ((quantile * values as f64).ceil() as u64).clamp(1, values) }
}

/// How many values are on the wrong side of a bound, by the buckets of the histogram.
fn wrong(series: &Series, side: Side, bound: f64) -> u64 {
    let histogram = series.histogram();
    let bound = whole(bound);
    let (first, next) = (histogram.lowest_equivalent(bound), histogram.next_non_equivalent(bound));
    let below = |end: u64| match end.checked_sub(1) {
        // Beyond its longest value a histogram has no buckets to look at.
        Some(last) if last < histogram.max() => histogram.count_between(0, last),
        Some(_) => series.count(),
        None => 0,
    };
    match side {
        Side::Under { at: false } => series.count() - below(first),
        Side::Under { at: true } => series.count() - below(next),
        Side::Over { at: false } => below(next),
        Side::Over { at: true } => below(first),
    }
}
