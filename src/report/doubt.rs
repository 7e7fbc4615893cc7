//! What a result says against itself short of being invalid: warnings, drift, the pacer, the host.
//!
//! Pure; the rules that make a run invalid are those of `verdict`. Called by `build`.

use serde::{Deserialize, Serialize};

use super::build::Finished;
use super::intervals::Brief;
use crate::limits::{LATENESS_P99_US_MAX, STEAL_SHARE_WARN};
use crate::load::drift::Drift;
use crate::load::intervals::{Interval, Metric, Packed};
use crate::load::pacer::{Pace, worst_p99_us};
use crate::load::phases::PhaseKind;
use crate::load::steady::{throughput_of, unsteady_head};
use crate::load::strain::Strain;

/// How a figure moved over the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftRecord {
    /// Which figure of an interval.
    pub metric: String,
    /// Its median.
    pub level: f64,
    /// Its slope by Theil and Sen, for an hour.
    pub per_hour: f64,
    /// The lower end of the slope's interval of 95 %.
    pub per_hour_low: f64,
    /// The upper end.
    pub per_hour_high: f64,
    /// What the slope makes of it over the window, as a share of its median.
    pub change_share: f64,
    /// Whether the interval excludes no slope, and the change is larger than a twentieth.
    pub drifts: bool,
}

/// How late the engine woke before the load, at one rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacerRecord {
    /// Instants in a second.
    pub per_second: u32,
    /// From each of them to when it was reached.
    pub lateness: Brief,
}

/// What else the machine did in the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostUse {
    /// Share of its time that went to other guests of its host.
    pub steal_share: Option<f64>,
    /// Receives of UDP that the kernel dropped because a buffer was full, of every socket there is.
    pub receive_drops: Option<u64>,
}

impl From<&Pace> for PacerRecord {
    fn from(of: &Pace) -> Self {
        Self { per_second: of.per_second, lateness: Brief::from(&Packed::of(&of.lateness)) }
    }
}

impl From<&Strain> for HostUse {
    fn from(of: &Strain) -> Self {
        Self { steal_share: of.steal_share, receive_drops: of.machine_receive_drops }
    }
}

/// The intervals that lie in the measured window as a whole.
fn measured<'a>(finished: &Finished<'a>) -> Vec<&'a Interval> {
    let window = &finished.measured;
    let within = |one: &&Interval| one.from >= window.start && one.to <= window.end;
    finished.intervals.iter().filter(within).collect()
}

/// What drifts, or does not; nothing for a window of too few intervals.
pub(super) fn drifts(finished: &Finished<'_>) -> Vec<DriftRecord> {
    let intervals = measured(finished);
    let timed = |metric, figure: fn(&Packed) -> u64| {
        move |one: &Interval| {
            let of = one.of(metric);
            (of.count > 0).then(|| figure(of) as f64)
        }
    };
    let (p50, p99) = (|of: &Packed| of.p50_us, |of: &Packed| of.p99_us);
    type Figure<'a> = Box<dyn Fn(&Interval) -> Option<f64> + 'a>;
    let figures: [(&str, Figure<'_>); 5] = [
        ("response_p50_us", Box::new(timed(Metric::Response, p50))),
        ("response_p99_us", Box::new(timed(Metric::Response, p99))),
        ("fanout_last_p99_us", Box::new(timed(Metric::FanoutLast, p99))),
        (
            "server_rss_bytes",
            Box::new(|one: &Interval| one.server_rss_bytes.map(|bytes| bytes as f64)),
        ),
        ("server_cpu_us_per_delivery", Box::new(Interval::server_cpu_us_per_delivery)),
    ];
    let drift = |(name, figure): &(&str, Figure<'_>)| {
        let points: Vec<(f64, f64)> = intervals
            .iter()
            .filter_map(|one| Some((one.from.as_secs_f64(), figure(one)?)))
            .collect();
        Drift::of(&points).map(|drift| record(name, &drift))
    };
    figures.iter().filter_map(drift).collect()
}

fn record(metric: &str, drift: &Drift) -> DriftRecord {
    DriftRecord {
        metric: metric.to_owned(),
        level: drift.level,
        per_hour: drift.slope * 3600.0,
        per_hour_low: drift.low * 3600.0,
        per_hour_high: drift.high * 3600.0,
        change_share: drift.share(),
        drifts: drift.is_real(),
    }
}

/// What whoever reads the numbers should know.
pub(super) fn warnings(finished: &Finished<'_>) -> Vec<String> {
    let mut warnings: Vec<String> =
        never_steady(finished).into_iter().chain(unsteady_beginning(finished)).collect();
    if let Some(strain) = &finished.strain {
        let steal = strain.steal_share.filter(|share| *share > STEAL_SHARE_WARN);
        warnings.extend(steal.map(|share| {
            let percent = share * 100.0;
            format!("other guests of this host took {percent:.1}% of the machine's time (steal)")
        }));
        let drops = strain.receive_drops;
        warnings.extend((drops > 0).then(|| {
            format!("the kernel dropped {drops} receives of the engine: its buffers were full")
        }));
    }
    let drops = finished.server.map_or(0, |server| server.receive_drops);
    warnings.extend((drops > 0).then(|| {
        format!("the kernel dropped {drops} receives of the server: its buffers were full")
    }));
    let pacer = worst_p99_us(finished.pacer);
    warnings.extend((pacer > LATENESS_P99_US_MAX).then(|| {
        format!("the engine woke {pacer} us late (p99) before there was any load; see `doctor`")
    }));
    warnings
}

/// A warm-up that was to last until the service was steady, and ended by its bound.
fn never_steady(finished: &Finished<'_>) -> Option<String> {
    let warm = finished.scenario.phases.iter().find(|phase| phase.until_steady)?;
    (finished.measured.start >= warm.to()).then(|| {
        let seconds = warm.length.as_secs_f64();
        format!("the service was not steady after {seconds} s of warm-up, its longest")
    })
}

/// A window that was measured before the service was steady: its warm-up was too short. Not of a
/// scenario whose rate changes, or whose members go away, within it: there a change is the point.
fn unsteady_beginning(finished: &Finished<'_>) -> Vec<String> {
    let in_window = finished.scenario.phases.iter().filter(|phase| phase.kind.is_measured());
    let mut levels: Vec<_> = in_window.flat_map(|phase| [phase.start, phase.end]).collect();
    levels.dedup();
    let between = finished.scenario.phases.iter().skip_while(|phase| !phase.kind.is_measured());
    let others = between
        .clone()
        .any(|phase| !phase.kind.is_measured() && phase.from < finished.measured.end);
    if levels.len() > 1 || others || finished.returns.is_some() {
        return Vec::new();
    }
    let warm_up = finished.scenario.phases.iter().any(|phase| phase.kind == PhaseKind::WarmUp);
    let advice = if warm_up { "a longer warm-up" } else { "a warm-up" };
    let intervals = measured(finished);
    let medians = |metric| {
        let of = intervals.iter().map(|one| one.of(metric)).filter(|of| of.count > 0);
        of.map(|of| of.p50_us as f64).collect()
    };
    let figures: [(&str, Vec<f64>); 3] = [
        ("deliveries for each second", intervals.iter().map(|one| throughput_of(one)).collect()),
        ("the median response", medians(Metric::Response)),
        ("the median time to the last member", medians(Metric::FanoutLast)),
    ];
    let told = figures.iter().filter_map(|(name, series)| {
        let (start, share) = unsteady_head(series)?;
        let seconds = intervals.get(start)?.from.saturating_sub(finished.measured.start);
        Some(format!(
            "the first {:.0} s of the measured window were not like the rest: {name} was {:.0}% off; \
             {advice} would leave them out",
            seconds.as_secs_f64(),
            share * 100.0
        ))
    });
    told.collect()
}
