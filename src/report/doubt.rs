//! What a result says against itself short of being invalid: warnings, drift, the pacer, the host.
//!
//! Pure; the rules that make a run invalid are those of `verdict`. Called by `build`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::build::Finished;
use super::intervals::Brief;
use crate::limits::{LATENESS_P99_US_MAX, STEAL_SHARE_WARN};
use crate::load::drift::{Drift, adjusted};
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
    /// How likely any of the figures that are no likelier than this one is to move as consistently
    /// where none drifts: adjusted for how many figures were looked at (Holm), from 0 to 1. `None` in
    /// older records.
    #[serde(default)]
    pub chance: Option<f64>,
    /// Whether the interval excludes no slope, the change is larger than a twentieth, and its chance
    /// at most 5 %; in older records whatever its chance.
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
    let drift = |(name, figure): &(&'static str, Figure<'_>)| {
        let points: Vec<(f64, f64)> = intervals
            .iter()
            .filter_map(|one| Some((one.from.as_secs_f64(), figure(one)?)))
            .collect();
        Drift::of(&points).map(|drift| (*name, drift))
    };
    let told: Vec<(&str, Drift)> = figures.iter().filter_map(drift).collect();
    let chances: Vec<f64> = told.iter().map(|(_, drift)| drift.chance).collect();
    let together = told.iter().zip(adjusted(&chances));
    together.map(|((name, drift), chance)| record(name, drift, chance)).collect()
}

fn record(metric: &str, drift: &Drift, chance: f64) -> DriftRecord {
    DriftRecord {
        metric: metric.to_owned(),
        level: drift.level,
        per_hour: drift.slope * 3600.0,
        per_hour_low: drift.low * 3600.0,
        per_hour_high: drift.high * 3600.0,
        change_share: drift.share(),
        chance: Some(chance),
        drifts: drift.is_real(chance),
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
    // With when each value is from: seconds in which nothing was accepted have no median.
    type Dated = Vec<(Duration, f64)>;
    let medians = |metric| -> Dated {
        let of = intervals.iter().map(|one| (one.from, one.of(metric)));
        of.filter(|(_, of)| of.count > 0).map(|(from, of)| (from, of.p50_us as f64)).collect()
    };
    let throughput = intervals.iter().map(|one| (one.from, throughput_of(one))).collect();
    let figures: [(&str, Dated); 3] = [
        ("deliveries for each second", throughput),
        ("the median response", medians(Metric::Response)),
        ("the median time to the last member", medians(Metric::FanoutLast)),
    ];
    let told = figures.iter().filter_map(|(name, dated)| {
        let series: Vec<f64> = dated.iter().map(|(_, value)| *value).collect();
        let (start, share) = unsteady_head(&series)?;
        let seconds = dated.get(start)?.0.saturating_sub(finished.measured.start);
        Some(format!(
            "the first {:.0} s of the measured window were not like the rest: {name} was {:.0}% off; \
             {advice} would leave them out",
            seconds.as_secs_f64(),
            share * 100.0
        ))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Range;

    use super::*;
    use crate::load::Verified;
    use crate::load::intervals::{EngineReading, Intervals, ServerReading};
    use crate::load::noted::Noted;
    use crate::load::oracle::Judgement;
    use crate::load::recorder::{Recorder, Series};
    use crate::load::scenario::Scenario;
    use crate::report::build::{EngineTotals, ServerTotals};
    use crate::report::provenance::Provenance;

    const SCENARIO: &str = "why = \"\"\nexpect = \"\"\nseed = 1\n\
        durations = { warm_up = \"5s\", measure = \"60s\", drain = \"5s\" }\n[[groups]]\nname = \"a\"\n\
        count = 1\nmembers = 3\nrate = \"10/s\"\nsource = \"synthetic\"\n";
    const WINDOW: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(65);

    /// Ten operations a second, each as long as `took` says of its second, in milliseconds; and a
    /// server with so many MiB in each.
    fn intervals(took: impl Fn(u64) -> u64, mebibytes: impl Fn(u64) -> u64) -> Vec<Interval> {
        let ms = Duration::from_millis;
        let mut all = Intervals::new(vec![WINDOW.start, WINDOW.end], WINDOW.end);
        for second in 0..65 {
            for one in 0..10 {
                let at = ms(second * 1_000 + 500 + one);
                all.reached(at, at);
                all.accepted(at.saturating_sub(ms(took(second) + one % 3)), at, at);
                all.delivered(100, at);
            }
            let cpu_us = second * 100;
            let rss_bytes = mebibytes(second) << 20;
            let reading = ServerReading { cpu_us, rss_bytes, deliveries: second * 10 };
            all.server(Duration::from_secs(second + 1), reading);
        }
        all.finish(WINDOW.end, EngineReading::default())
    }

    /// Of a run with these intervals, changed as a test likes.
    fn with<T>(
        intervals: &[Interval],
        change: impl FnOnce(&mut Finished<'_>),
        look: impl FnOnce(&Finished<'_>) -> T,
    ) -> T {
        let scenario = Scenario::parse(SCENARIO, "t.toml").unwrap();
        let mut finished = Finished {
            aborted: None,
            scenario: &scenario,
            recorder: &Recorder::new(1, WINDOW),
            measured: WINDOW,
            intervals,
            tallies: &[],
            strain: Some(Strain::default()),
            pacer: &[],
            judgement: &Judgement::default(),
            called_for: 650,
            in_flight_mean: 0.0,
            in_flight_stayed: 0.0,
            refusals: &BTreeMap::new(),
            held: 0,
            returns: None,
            lags: &[],
            joins: None,
            verified: &Verified::default(),
            sessions_lost: &Noted::default(),
            server: Some(ServerTotals::default()),
            floor: Err("not asked for".to_owned()),
            server_lost: None,
            engine: EngineTotals::default(),
            provenance: Provenance::of_scenario(&scenario, "t", ""),
        };
        change(&mut finished);
        look(&finished)
    }

    fn warned(change: impl FnOnce(&mut Finished<'_>)) -> Vec<String> {
        with(&intervals(|_| 20, |_| 100), change, warnings)
    }

    #[test]
    fn a_run_that_nothing_speaks_against_has_no_warning() {
        assert_eq!(warned(|_| {}), Vec::<String>::new());
        assert_eq!(warned(|of| of.strain = None), Vec::<String>::new());
    }

    #[test]
    fn stolen_time_and_dropped_receives_are_told() {
        let said = |change: fn(&mut Finished<'_>), says: &str| {
            let warnings = warned(change);
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{says}: {warnings:?}");
        };
        fn strain(of: &mut Finished<'_>, strain: Strain) {
            of.strain = Some(strain);
        }
        let stolen = |of: &mut Finished<'_>| {
            strain(of, Strain { steal_share: Some(0.034), ..Strain::default() });
        };
        said(stolen, "took 3.4% of the machine's time (steal)");
        let dropped =
            |of: &mut Finished<'_>| strain(of, Strain { receive_drops: 7, ..Strain::default() });
        said(dropped, "dropped 7 receives of the engine");
        let of_server = |of: &mut Finished<'_>| {
            of.server = Some(ServerTotals { receive_drops: 9, ..ServerTotals::default() });
        };
        said(of_server, "dropped 9 receives of the server");
    }

    #[test]
    fn a_pacer_that_is_too_late_without_any_load_is_told() {
        let mut lateness = Series::default();
        lateness.record(Duration::ZERO, Duration::from_micros(LATENESS_P99_US_MAX + 50));
        let paces = [Pace { per_second: 1_000, lateness }];
        let intervals = intervals(|_| 20, |_| 100);
        let warnings =
            with(&intervals, |_| {}, |of| warnings(&Finished { pacer: &paces, ..of.clone() }));
        assert!(warnings[0].contains("late (p99) before there was any load"), "{warnings:?}");
    }

    #[test]
    fn a_warm_up_that_was_too_short_is_told_with_how_much_too_short_it_was() {
        let warming = intervals(|second| if second < 15 { 80 } else { 20 }, |_| 100);
        let warnings = with(&warming, |_| {}, warnings);
        let says =
            "the first 10 s of the measured window were not like the rest: the median response";
        assert!(warnings.len() == 1 && warnings[0].starts_with(says), "{warnings:?}");
        let warm = intervals(|second| if second < 4 { 80 } else { 20 }, |_| 100);
        assert_eq!(with(&warm, |_| {}, super::warnings), Vec::<String>::new());
    }

    /// A second without an operation has no median: what is told is when, not after how many values.
    #[test]
    fn how_long_a_beginning_was_is_told_in_seconds_even_when_some_of_them_were_empty() {
        let ms = Duration::from_millis;
        let mut all = Intervals::new(vec![WINDOW.start, WINDOW.end], WINDOW.end);
        // Deliveries in each second, answers in every other one of the first 40.
        for second in 0..65 {
            let at = ms(second * 1_000 + 500);
            all.reached(at, at);
            all.delivered(100, at);
            if second >= 40 || second % 2 == 0 {
                let took = if second < 25 { 80 } else { 20 };
                all.accepted(at.saturating_sub(ms(took + second % 3)), at, at);
            }
        }
        let gaps = all.finish(WINDOW.end, EngineReading::default());
        let warnings = with(&gaps, |_| {}, warnings);
        let says =
            "the first 21 s of the measured window were not like the rest: the median response";
        assert!(warnings.len() == 1 && warnings[0].starts_with(says), "{warnings:?}");
    }

    #[test]
    fn what_grows_over_the_window_drifts_and_what_does_not_does_not() {
        let growing = intervals(|_| 20, |second| 100 + second);
        let drifts = with(&growing, |_| {}, drifts);
        let found: Vec<_> = drifts.iter().map(|of| (of.metric.as_str(), of.drifts)).collect();
        let expected = [
            ("response_p50_us", false),
            ("response_p99_us", false),
            ("server_rss_bytes", true),
            ("server_cpu_us_per_delivery", false),
        ];
        assert_eq!(found, expected);
        let grows = &drifts[2];
        let exactly = f64::from(1 << 20) * 3_600.0;
        assert!((grows.per_hour / exactly - 1.0).abs() < 1e-6, "{grows:?}");
        assert!(grows.chance.is_some_and(|chance| chance < 1e-9), "{grows:?}");
        assert!(
            grows.per_hour_low > 0.0 && (grows.change_share - 59.0 / 134.5).abs() < 0.01,
            "{grows:?}"
        );
    }

    #[test]
    fn too_few_intervals_tell_no_drift() {
        let short = with(
            &intervals(|_| 20, |_| 100),
            |of| of.measured = Duration::from_secs(5)..Duration::from_secs(20),
            drifts,
        );
        assert_eq!(short, Vec::new());
    }
}
