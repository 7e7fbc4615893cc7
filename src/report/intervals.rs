//! A run in slices of time, as records and files have it.
//!
//! The record has the quantiles of each interval; `run.hlog` has its whole histograms, and
//! `intervals.ndjson` and `intervals.csv` have the record's rows for other tools. Returns text and
//! writes no file. Called by `build` and by `cli`.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::{Deserialize, Serialize};

use crate::load::intervals::{Interval, Metric, Packed};

/// A slice of a run: what came about in it, whenever it was due. Warm-up and drain have theirs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntervalRecord {
    /// Where it starts: seconds since the start of the load.
    pub from_s: f64,
    /// Where it ends.
    pub to_s: f64,
    /// Index of the phase that it starts in, from 0; in the drain as many as there are phases.
    pub phase: u32,
    /// Operations that the generator reached.
    pub due: u64,
    /// Operations that were accepted.
    pub accepted: u64,
    /// Operations that were refused for good.
    pub rejected: u64,
    /// Operations that were given up.
    pub timed_out: u64,
    /// Operations that will never be sent.
    pub not_issued: u64,
    /// Deliveries that came.
    pub deliveries: u64,
    /// Their bytes of MLS messages.
    pub bytes: u64,
    /// Operations without an outcome at its end.
    pub in_flight: u64,
    /// Violations that were seen first.
    pub violations: u64,
    /// From the intended instant to the acceptance.
    pub response: Brief,
    /// From the actual send to the acceptance.
    pub service: Brief,
    /// From the intended instant to when the generator reached it.
    pub lateness: Brief,
    /// From the intended instant to the first member.
    pub fanout_first: Brief,
    /// From the intended instant to each member.
    pub fanout_member: Brief,
    /// From the intended instant to the last member.
    pub fanout_last: Brief,
    /// Processor time of the server; `None` where it was not heard of.
    pub server_cpu_us: Option<u64>,
    /// Resident memory of the server at the end.
    pub server_rss_bytes: Option<u64>,
    /// Deliveries that the server counted while it used that processor time.
    pub server_deliveries: Option<u64>,
    /// Processor time of the engine.
    pub engine_cpu_us: u64,
    /// Of it, that of the thread that sends and receives.
    pub worker_cpu_us: u64,
    /// Receives that the kernel dropped because the engine's buffers were full.
    pub receive_drops: u64,
}

/// What is kept in a record of a distribution that is one of very many: microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// How many values.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// 99 % of the values do not exceed it.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl From<&Packed> for Brief {
    fn from(of: &Packed) -> Self {
        Self { count: of.count, p50: of.p50_us, p99: of.p99_us, max: of.max_us }
    }
}

impl From<&Interval> for IntervalRecord {
    fn from(of: &Interval) -> Self {
        let brief = |metric| Brief::from(of.of(metric));
        Self {
            from_s: of.from.as_secs_f64(),
            to_s: of.to.as_secs_f64(),
            phase: of.phase,
            due: of.due,
            accepted: of.accepted,
            rejected: of.rejected,
            timed_out: of.timed_out,
            not_issued: of.not_issued,
            deliveries: of.deliveries,
            bytes: of.bytes,
            in_flight: of.in_flight,
            violations: of.violations,
            response: brief(Metric::Response),
            service: brief(Metric::Service),
            lateness: brief(Metric::Lateness),
            fanout_first: brief(Metric::FanoutFirst),
            fanout_member: brief(Metric::FanoutMember),
            fanout_last: brief(Metric::FanoutLast),
            server_cpu_us: of.server_cpu_us,
            server_rss_bytes: of.server_rss_bytes,
            server_deliveries: of.server_deliveries,
            engine_cpu_us: of.engine_cpu_us,
            worker_cpu_us: of.worker_cpu_us,
            receive_drops: of.receive_drops,
        }
    }
}

/// The rows as JSON, one to a line.
#[must_use]
pub fn ndjson(intervals: &[IntervalRecord]) -> String {
    let line = |one| serde_json::to_string(one).expect("a record is plain data") + "\n";
    intervals.iter().map(line).collect()
}

/// The rows as comma-separated values (RFC 4180) under a header. What a distribution has is a
/// column each, `response_p99_us`; what is not known is empty.
///
/// # Panics
/// Never: memory takes what is written.
#[must_use]
pub fn csv(intervals: &[IntervalRecord]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = columns(&IntervalRecord::default()).into_iter().map(|(name, _)| name);
    writer.write_record(header).expect("memory takes what is written");
    for one in intervals {
        let row = columns(one).into_iter().map(|(_, value)| value);
        writer.write_record(row).expect("memory takes what is written");
    }
    let bytes = writer.into_inner().expect("memory takes what is written");
    String::from_utf8(bytes).expect("names and numbers are text")
}

/// A row's names and values, in the order of its fields.
fn columns(of: &IntervalRecord) -> Vec<(String, String)> {
    let known = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let what = [
        ("from_s", of.from_s.to_string()),
        ("to_s", of.to_s.to_string()),
        ("phase", of.phase.to_string()),
        ("due", of.due.to_string()),
        ("accepted", of.accepted.to_string()),
        ("rejected", of.rejected.to_string()),
        ("timed_out", of.timed_out.to_string()),
        ("not_issued", of.not_issued.to_string()),
        ("deliveries", of.deliveries.to_string()),
        ("bytes", of.bytes.to_string()),
        ("in_flight", of.in_flight.to_string()),
        ("violations", of.violations.to_string()),
    ];
    let timed = [
        ("response", of.response),
        ("service", of.service),
        ("lateness", of.lateness),
        ("fanout_first", of.fanout_first),
        ("fanout_member", of.fanout_member),
        ("fanout_last", of.fanout_last),
    ];
    let used = [
        ("server_cpu_us", known(of.server_cpu_us)),
        ("server_rss_bytes", known(of.server_rss_bytes)),
        ("server_deliveries", known(of.server_deliveries)),
        ("engine_cpu_us", of.engine_cpu_us.to_string()),
        ("worker_cpu_us", of.worker_cpu_us.to_string()),
        ("receive_drops", of.receive_drops.to_string()),
    ];
    let figures = |(name, Brief { count, p50, p99, max }): (&str, Brief)| {
        let of = [("count", count), ("p50_us", p50), ("p99_us", p99), ("max_us", max)];
        of.map(|(figure, value)| (format!("{name}_{figure}"), value.to_string()))
    };
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    let timed = timed.into_iter().flat_map(figures);
    what.into_iter().map(named).chain(timed).chain(used.into_iter().map(named)).collect()
}

/// Every interval's histograms as an HdrHistogram interval log, one tag for each metric: V2,
/// compressed, as the log's readers want it. `started` is the start of the load since the Unix
/// epoch; values are microseconds. What has no values in an interval has no line for it.
///
/// # Panics
/// Never: memory takes what is written.
#[must_use]
pub fn hlog(intervals: &[Interval], started: Duration) -> String {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let at = UNIX_EPOCH + started;
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("stentor: values are microseconds; intervals count from BaseTime")
        .with_start_time(at)
        .with_base_time(at)
        .begin_log_with(&mut log, &mut serializer)
        .expect("memory takes what is written");
    for interval in intervals {
        let length = interval.to.saturating_sub(interval.from);
        for metric in Metric::ALL {
            let of = interval.of(metric);
            if of.count > 0 {
                writer
                    .write_histogram(
                        &of.histogram(),
                        interval.from,
                        length,
                        Tag::new(metric.name()),
                    )
                    .expect("memory takes what is written");
            }
        }
    }
    String::from_utf8(log).expect("a log is text")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::load::intervals::EngineReading;
    use crate::load::oracle::Delivered;
    use crate::load::recorder::{Due, Recorder};

    /// Three seconds of operations that take longer and longer, all of them measured.
    fn run() -> (Recorder, Vec<Interval>) {
        let ms = Duration::from_millis;
        let mut recorder = Recorder::new(1, Duration::ZERO..ms(3_000));
        for operation in 0..300_u64 {
            let intended = ms(operation * 10);
            let due = Due { class: 0, intended, measured: true };
            let at = intended + Duration::from_micros(500 + operation * 7);
            recorder.reached(due, intended);
            recorder.accepted(due, intended, at);
            let delivered = Delivered {
                attempt: operation,
                intended,
                measured: true,
                first: true,
                reached_p99: true,
                last: true,
                missed: false,
            };
            recorder.delivered(0, &delivered, 250, at);
        }
        let intervals = recorder.intervals.clone().finish(ms(3_000), EngineReading::default());
        (recorder, intervals)
    }

    #[test]
    fn the_interval_log_is_read_back_and_its_sums_are_the_runs_own_histograms() {
        let (recorder, intervals) = run();
        let log = hlog(&intervals, Duration::from_millis(1_769_903_999_250));
        let mut sums: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        let mut lines = 0;
        for entry in IntervalLogIterator::new(log.as_bytes()) {
            match entry.unwrap() {
                LogEntry::Interval(line) => {
                    assert_eq!(line.start_timestamp().as_secs_f64().fract(), 0.0);
                    assert_eq!(line.duration(), Duration::from_secs(1));
                    let bytes = STANDARD.decode(line.encoded_histogram()).unwrap();
                    let read: Histogram<u64> =
                        Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                    let tag = line.tag().unwrap().as_str().to_owned();
                    sums.entry(tag)
                        .or_insert_with(|| Histogram::new(3).unwrap())
                        .add(read)
                        .unwrap();
                    lines += 1;
                }
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => {
                    assert_eq!(at.as_millis(), 1_769_903_999_250);
                }
            }
        }
        assert_eq!(lines, 3 * Metric::COUNT);
        let whole = [
            ("response", &recorder.response),
            ("service", &recorder.service),
            ("lateness", &recorder.lateness),
            ("fanout_first", &recorder.fanout_first),
            ("fanout_member", &recorder.fanout_member),
            ("fanout_last", &recorder.fanout_last),
        ];
        assert_eq!(sums.len(), whole.len());
        for (name, series) in whole {
            assert!(&sums[name] == series.histogram(), "{name}");
        }
    }

    #[test]
    fn rows_are_one_to_a_line_and_read_back_as_they_were() {
        let (_, intervals) = run();
        let rows: Vec<IntervalRecord> = intervals.iter().map(IntervalRecord::from).collect();
        let read: Vec<IntervalRecord> =
            ndjson(&rows).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, rows);
        assert_eq!(rows[1].response.count, 100);
    }

    #[test]
    fn the_table_has_a_column_for_every_figure_and_nothing_where_nothing_is_known() {
        let (_, intervals) = run();
        let rows: Vec<IntervalRecord> = intervals.iter().map(IntervalRecord::from).collect();
        let text = csv(&rows);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let column = |name: &str| header.iter().position(|each| each == name).expect(name);
        let (from, p99) = (column("from_s"), column("response_p99_us"));
        let (count, cpu) = (column("fanout_member_count"), column("server_cpu_us"));
        let table: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(table.len(), 3);
        let json = serde_json::to_value(&rows[0]).unwrap();
        let figures = |value: &serde_json::Value| value.as_object().map_or(1, serde_json::Map::len);
        assert_eq!(header.len(), json.as_object().unwrap().values().map(figures).sum::<usize>());
        for (row, read) in rows.iter().zip(&table) {
            assert_eq!(read[from].parse::<f64>().unwrap(), row.from_s);
            assert_eq!(read[p99].parse::<u64>().unwrap(), row.response.p99);
            assert_eq!(read[count].parse::<u64>().unwrap(), row.fanout_member.count);
            assert_eq!(&read[cpu], "");
        }
    }
}
