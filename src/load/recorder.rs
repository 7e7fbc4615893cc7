//! Latency, recorded by one thread and merged off the hot path.
//!
//! Three questions, three histograms, never one: `response` runs from the intended instant,
//! `service` from the actual send, `lateness` is the generator's own. Fan-out runs from the
//! intended instant too, and is of members that are there: who is away has no part in it. Never drops a value: what would be negative counts as 0 and as negative,
//! what is too long counts as the longest and as saturated. Takes instants as arguments and reads
//! no clock. Called by the worker; read by the report.

use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};

use super::oracle::Delivered;
use super::periods::{Period, PeriodSeries, Periods};
use crate::limits::LATENCY_US_MAX;

/// One distribution of durations in microseconds, each rounded up, so that nothing that took
/// time is 0; exact to 3 significant digits. Starts at 16 KiB and grows with its longest value.
#[derive(Clone, Debug)]
pub struct Series {
    histogram: Histogram<u64>,
    negatives: u64,
    saturated: u64,
}

/// The series of one group class.
#[derive(Clone, Debug, Default)]
pub struct ClassSeries {
    /// See [`Recorder::response`].
    pub response: Series,
    /// Of the response, that of the commits which the schedule calls for.
    pub commit_response: Series,
    /// See [`Recorder::fanout_member`].
    pub fanout_member: Series,
    /// See [`Recorder::fanout_last`].
    pub fanout_last: Series,
    /// By [`Period`], in the order of [`Period::ALL`]; empty when nobody goes away.
    pub periods: Vec<PeriodSeries>,
}

/// An operation, as far as latency is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Index of its group's class.
    pub class: u32,
    /// When it was due, since the start of the run.
    pub intended: Duration,
    /// Whether it is recorded at all.
    pub measured: bool,
}

/// What came about inside the measured window, whenever it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Achieved {
    /// Submissions that were accepted.
    pub accepted: u64,
    /// Deliveries that came.
    pub deliveries: u64,
    /// Their bytes of MLS messages.
    pub bytes: u64,
}

/// Everything that one worker records. Only what is measured enters; warm-up passes through.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// From the intended instant to the acceptance.
    pub response: Series,
    /// From the actual send to the acceptance.
    pub service: Series,
    /// From the intended instant to when the generator reached it.
    pub lateness: Series,
    /// Live racers: from when a commit was due, or had lost, to its submission. The members of a
    /// run share the engine's cores, so part of it is the generator's.
    pub preparation: Series,
    /// From the intended instant to the first member that has the message.
    pub fanout_first: Series,
    /// From the intended instant to each member that has it: one value for every delivery.
    pub fanout_member: Series,
    /// From the intended instant to when 99 % of the members have it.
    pub fanout_p99: Series,
    /// From the intended instant to the last member that has it.
    pub fanout_last: Series,
    /// From the intended instant to a refusal.
    pub rejected: Series,
    /// From the intended instant to when it was given up.
    pub timed_out: Series,
    /// By class index.
    pub classes: Vec<ClassSeries>,
    /// What came about inside the measured window.
    pub achieved: Achieved,
    periods: Option<Periods>,
    window: Range<Duration>,
}

impl Series {
    /// Records the time from `from` to `to`.
    pub fn record(&mut self, from: Duration, to: Duration) {
        self.negatives += u64::from(to < from);
        let micros = to.saturating_sub(from).as_nanos().div_ceil(1000);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.saturated += u64::from(micros > LATENCY_US_MAX);
        // Unlike `saturating_record`, this one grows.
        self.histogram.record(micros.min(LATENCY_US_MAX)).expect("an auto histogram grows");
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The smallest value that `quantile` (0 to 1) of the values do not exceed; 0 when empty.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max_us())
    }

    /// The longest value, to 3 significant digits; 0 when empty.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.histogram.max()
    }

    /// The mean; 0 when empty.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        self.histogram.mean()
    }

    /// How many values would have been negative, and are 0 instead.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// How many values were longer than [`LATENCY_US_MAX`], and are that instead.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("a histogram that resizes takes any other");
        self.negatives += other.negatives;
        self.saturated += other.saturated;
    }

    /// The whole histogram in HdrHistogram's V2 encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.histogram, &mut bytes)
            .expect("writing to memory does not fail");
        bytes
    }
}

impl Default for Series {
    fn default() -> Self {
        let mut histogram =
            Histogram::new_with_bounds(1, 2, 3).expect("3 digits from 1 up are in range");
        histogram.auto(true);
        Self { histogram, negatives: 0, saturated: 0 }
    }
}

impl Recorder {
    /// An empty recorder for a scenario of `classes` classes that is measured during `window`.
    #[must_use]
    pub fn new(classes: usize, window: Range<Duration>) -> Self {
        Self {
            response: Series::default(),
            service: Series::default(),
            lateness: Series::default(),
            preparation: Series::default(),
            fanout_first: Series::default(),
            fanout_member: Series::default(),
            fanout_p99: Series::default(),
            fanout_last: Series::default(),
            rejected: Series::default(),
            timed_out: Series::default(),
            classes: vec![ClassSeries::default(); classes],
            achieved: Achieved::default(),
            periods: None,
            window,
        }
    }

    /// Keeps each class's periods apart from now on. Costs 16 KiB and more for each of their series.
    pub fn keep_periods(&mut self, periods: Periods) {
        self.periods = Some(periods);
        for class in &mut self.classes {
            class.periods.resize_with(Period::ALL.len(), PeriodSeries::default);
        }
    }

    /// Everybody who was away is back and has everything, as of `at`.
    pub fn everybody_is_back(&mut self, at: Duration) {
        if let Some(periods) = &mut self.periods {
            periods.completed(at);
        }
    }

    /// The generator reached `due` at `reached`.
    pub fn reached(&mut self, due: Due, reached: Duration) {
        if due.measured {
            self.lateness.record(due.intended, reached);
        }
    }

    /// What was due, and sent at `sent`, was accepted at `at`.
    pub fn accepted(&mut self, due: Due, sent: Duration, at: Duration) {
        self.achieved.accepted += u64::from(self.window.contains(&at));
        if due.measured {
            self.response.record(due.intended, at);
            self.service.record(sent, at);
            let period = self.periods.map(|periods| periods.at(due.intended));
            if let Some(class) = class_mut(&mut self.classes, due.class) {
                class.response.record(due.intended, at);
                if let Some(series) = of_period(class, period) {
                    series.response.record(due.intended, at);
                }
            }
        }
    }

    /// What was accepted at `at` is a commit that the schedule called for.
    pub fn committed(&mut self, due: Due, at: Duration) {
        let class = class_mut(&mut self.classes, due.class).filter(|_| due.measured);
        if let Some(class) = class {
            class.commit_response.record(due.intended, at);
        }
    }

    /// What was due or had lost at `since` was ready, and sent, at `sent`.
    pub fn prepared(&mut self, due: Due, since: Duration, sent: Duration) {
        if due.measured {
            self.preparation.record(since, sent);
        }
    }

    /// What was due was refused at `at`.
    pub fn rejected(&mut self, due: Due, at: Duration) {
        if due.measured {
            self.rejected.record(due.intended, at);
        }
    }

    /// What was due was given up at `at`.
    pub fn timed_out(&mut self, due: Due, at: Duration) {
        if due.measured {
            self.timed_out.record(due.intended, at);
        }
    }

    /// The oracle let a delivery of `bytes` pass that came at `at`, in a group of class `class`.
    pub fn delivered(&mut self, class: u32, delivered: &Delivered, bytes: usize, at: Duration) {
        if self.window.contains(&at) {
            self.achieved.deliveries += 1;
            self.achieved.bytes += bytes as u64;
        }
        if !delivered.measured || delivered.missed {
            return;
        }
        let from = delivered.intended;
        self.fanout_member.record(from, at);
        if delivered.first {
            self.fanout_first.record(from, at);
        }
        if delivered.reached_p99 {
            self.fanout_p99.record(from, at);
        }
        if delivered.last {
            self.fanout_last.record(from, at);
        }
        if let Some(class) = class_mut(&mut self.classes, class) {
            class.fanout_member.record(from, at);
            if delivered.last {
                class.fanout_last.record(from, at);
                let period = self.periods.map(|periods| periods.at(from));
                if let Some(series) = of_period(class, period) {
                    series.fanout_last.record(from, at);
                }
            }
        }
    }

    /// How many operations had an outcome, and how long they were in flight on average, in
    /// microseconds: the right side of Little's law.
    #[must_use]
    pub fn outcomes(&self) -> (u64, f64) {
        let all = [&self.response, &self.rejected, &self.timed_out];
        let count: u64 = all.iter().map(|series| series.count()).sum();
        let total: f64 = all.iter().map(|series| series.mean_us() * series.count() as f64).sum();
        (count, if count == 0 { 0.0 } else { total / count as f64 })
    }

    /// Adds what another worker recorded of the same scenario.
    pub fn merge(&mut self, other: &Self) {
        let Self { response, service, lateness, .. } = other;
        self.response.merge(response);
        self.service.merge(service);
        self.lateness.merge(lateness);
        self.preparation.merge(&other.preparation);
        self.achieved.accepted += other.achieved.accepted;
        self.achieved.deliveries += other.achieved.deliveries;
        self.achieved.bytes += other.achieved.bytes;
        self.fanout_first.merge(&other.fanout_first);
        self.fanout_member.merge(&other.fanout_member);
        self.fanout_p99.merge(&other.fanout_p99);
        self.fanout_last.merge(&other.fanout_last);
        self.rejected.merge(&other.rejected);
        self.timed_out.merge(&other.timed_out);
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.response.merge(&theirs.response);
            mine.commit_response.merge(&theirs.commit_response);
            mine.fanout_member.merge(&theirs.fanout_member);
            mine.fanout_last.merge(&theirs.fanout_last);
            for (mine, theirs) in mine.periods.iter_mut().zip(&theirs.periods) {
                mine.response.merge(&theirs.response);
                mine.fanout_last.merge(&theirs.fanout_last);
            }
        }
    }
}

fn of_period(class: &mut ClassSeries, period: Option<Period>) -> Option<&mut PeriodSeries> {
    class.periods.get_mut(period? as usize)
}

fn class_mut(classes: &mut [ClassSeries], class: u32) -> Option<&mut ClassSeries> {
    classes.get_mut(usize::try_from(class).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(nanos: &[u64]) -> Series {
        let mut series = Series::default();
        for nanos in nanos {
            series.record(Duration::ZERO, Duration::from_nanos(*nanos));
        }
        series
    }

    #[test]
    fn what_took_time_is_never_zero() {
        let series = series(&[1, 999, 1000, 1001]);
        assert_eq!((series.quantile_us(0.5), series.max_us()), (1, 2));
    }

    #[test]
    fn a_negative_time_is_counted_and_recorded_as_none() {
        let mut series = Series::default();
        series.record(Duration::from_micros(5), Duration::from_micros(4));
        assert_eq!((series.count(), series.negatives(), series.max_us()), (1, 1, 0));
    }

    #[test]
    fn a_time_beyond_the_bound_is_counted_and_recorded_as_the_bound() {
        let mut series = Series::default();
        series.record(Duration::ZERO, Duration::from_micros(LATENCY_US_MAX + 1));
        series.record(Duration::ZERO, Duration::MAX);
        series.record(Duration::ZERO, Duration::from_micros(LATENCY_US_MAX));
        assert_eq!((series.count(), series.saturated()), (3, 2));
        assert!(series.max_us() as f64 / LATENCY_US_MAX as f64 > 0.999);
    }

    #[test]
    fn warm_up_leaves_no_trace() {
        let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
        let due = Due { class: 0, intended: Duration::ZERO, measured: false };
        let at = Duration::from_millis(3);
        recorder.reached(due, at);
        recorder.accepted(due, at, at);
        recorder.committed(due, at);
        recorder.rejected(due, at);
        recorder.timed_out(due, at);
        assert_eq!(
            (recorder.outcomes(), recorder.classes[0].commit_response.count()),
            ((0, 0.0), 0)
        );
        assert_eq!(recorder.lateness.count() + recorder.service.count(), 0);
    }

    #[test]
    fn response_runs_from_the_intended_instant_and_service_from_the_send() {
        let mut recorder = Recorder::new(2, Duration::ZERO..Duration::from_secs(1));
        let ms = Duration::from_millis;
        let due = Due { class: 1, intended: ms(100), measured: true };
        recorder.reached(due, ms(103));
        recorder.accepted(due, ms(104), ms(106));
        assert_eq!(recorder.lateness.max_us() / 10, 300);
        assert_eq!(recorder.response.max_us() / 10, 600);
        assert_eq!(recorder.service.max_us() / 10, 200);
        assert_eq!(recorder.classes[1].response.count(), 1);
        assert_eq!(recorder.classes[0].response.count(), 0);
    }

    #[test]
    fn outcomes_are_kept_apart_and_averaged_together() {
        let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
        let due = Due { class: 0, intended: Duration::ZERO, measured: true };
        recorder.accepted(due, Duration::ZERO, Duration::from_micros(100));
        recorder.rejected(due, Duration::from_micros(200));
        recorder.timed_out(due, Duration::from_micros(600));
        let (count, mean) = recorder.outcomes();
        assert_eq!(count, 3);
        assert!((mean - 300.0).abs() < 1.0, "{mean}");
        assert_eq!(recorder.response.count(), 1);
    }

    #[test]
    fn a_delivery_is_recorded_by_what_it_completes() {
        let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
        let each = Delivered {
            attempt: 0,
            intended: Duration::ZERO,
            measured: true,
            first: true,
            reached_p99: false,
            last: false,
            missed: false,
        };
        recorder.delivered(0, &each, 100, Duration::from_micros(10));
        let last = Delivered { first: false, reached_p99: true, last: true, ..each };
        recorder.delivered(0, &last, 100, Duration::from_micros(20));
        let counts = [&recorder.fanout_first, &recorder.fanout_p99, &recorder.fanout_last];
        assert_eq!(counts.map(Series::count), [1, 1, 1]);
        assert_eq!(counts.map(Series::max_us), [10, 20, 20]);
        assert_eq!(recorder.fanout_member.count(), 2);
        assert_eq!(recorder.classes[0].fanout_member.count(), 2);
        assert_eq!(recorder.classes[0].fanout_last.count(), 1);
    }

    #[test]
    fn what_was_missed_has_no_part_in_fan_out_and_comes_all_the_same() {
        let mut recorder = Recorder::new(1, Duration::ZERO..Duration::from_secs(1));
        let missed = Delivered {
            attempt: 0,
            intended: Duration::ZERO,
            measured: true,
            first: false,
            reached_p99: false,
            last: false,
            missed: true,
        };
        recorder.delivered(0, &missed, 100, Duration::from_millis(900));
        assert_eq!(recorder.fanout_member.count() + recorder.classes[0].fanout_member.count(), 0);
        assert_eq!((recorder.achieved.deliveries, recorder.achieved.bytes), (1, 100));
    }

    proptest! {
        #[test]
        fn quantiles_up_to_p9999_are_those_of_the_sorted_values_to_three_digits(
            mut nanos in prop::collection::vec(
                prop_oneof![0_u64..50_000, 0_u64..10_000_000, 0_u64..100_000_000_000], 1..3000),
        ) {
            let series = series(&nanos);
            nanos.sort_unstable();
            for parts in [0, 2_500, 5_000, 9_000, 9_900, 9_990, 9_999, 10_000_u32] {
                let quantile = f64::from(parts) / 10_000.0;
                let rank = (parts as usize * nanos.len()).div_ceil(10_000).max(1);
                let exact = nanos[rank - 1].div_ceil(1000) as f64;
                let found = series.quantile_us(quantile) as f64;
                prop_assert!((found - exact).abs() <= exact * 0.001 + 1e-9, "{quantile}: {found} {exact}");
            }
        }

        #[test]
        fn merging_is_recording_into_one(
            left in prop::collection::vec(0_u64..10_000_000_000, 0..200),
            right in prop::collection::vec(0_u64..10_000_000_000, 0..200),
        ) {
            let mut merged = series(&left);
            merged.merge(&series(&right));
            let both = series(&[left, right].concat());
            prop_assert!(merged.histogram == both.histogram);
            prop_assert_eq!(merged.count(), both.count());
        }
    }

    #[test]
    fn what_comes_about_after_the_window_is_not_achieved_in_it() {
        let ms = Duration::from_millis;
        let mut recorder = Recorder::new(1, ms(100)..ms(200));
        let due = Due { class: 0, intended: ms(150), measured: true };
        for at in [99, 100, 199, 200, 5_000] {
            recorder.accepted(due, ms(150), ms(at));
        }
        assert_eq!(recorder.achieved.accepted, 2);
        assert_eq!(recorder.response.count(), 5);
    }
}
