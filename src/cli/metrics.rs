//! What the load engine shows of a run over HTTP, while it runs: `/metrics`, for Prometheus.
//!
//! The worker stores a snapshot now and then; who asks is answered from the last one, on a thread of
//! its own. Called by `run`.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;

use anyhow::Context as _;
use tokio::sync::watch;

use super::serve::BUILD;
use crate::load::Progress;
use crate::load::intervals::{Interval, Metric, Packed};
use crate::operation::{Endpoint, Exposition, MEDIA_TYPE, Page, seconds};

/// Upper edges of the buckets of a time, in microseconds.
const EDGES_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// What is shown of each metric.
const METRICS: [Metric; 4] =
    [Metric::Response, Metric::Lateness, Metric::FanoutMember, Metric::FanoutLast];

/// A run as it stands: what is counted is of the intervals that are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    progress: Progress,
    due: u64,
    accepted: u64,
    rejected: u64,
    timed_out: u64,
    not_issued: u64,
    deliveries: u64,
    bytes: u64,
    receive_drops: u64,
    engine_cpu_us: u64,
    worker_cpu_us: u64,
    timed: [Times; METRICS.len()],
}

/// A time so far.
#[derive(Clone, Debug, Default)]
struct Times {
    /// Values up to each edge that exceed the one before it; beyond the last come the rest.
    counts: [u64; EDGES_US.len() + 1],
    sum_us: u64,
}

impl Snapshot {
    /// How the run is going.
    pub(super) fn show(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Adds what came of one more interval.
    pub(super) fn add(&mut self, interval: &Interval) {
        self.due += interval.due;
        self.accepted += interval.accepted;
        self.rejected += interval.rejected;
        self.timed_out += interval.timed_out;
        self.not_issued += interval.not_issued;
        self.deliveries += interval.deliveries;
        self.bytes += interval.bytes;
        self.receive_drops += interval.receive_drops;
        self.engine_cpu_us += interval.engine_cpu_us;
        self.worker_cpu_us += interval.worker_cpu_us;
        for (times, metric) in self.timed.iter_mut().zip(METRICS) {
            times.add(interval.of(metric));
        }
    }

    fn page(&self) -> String {
        let mut page = Exposition::default();
        page.family("stentor_build_info", "gauge", "Which program this is; always 1.");
        let labels = [("version", BUILD.version.to_owned()), ("commit", BUILD.commit.to_owned())];
        page.sample("stentor_build_info", &labels, "1");
        let counts = [
            ("operations_due", self.due, "Operations that the engine reached."),
            ("operations_accepted", self.accepted, "Operations that the service accepted."),
            ("operations_rejected", self.rejected, "Operations that it refused for good."),
            ("operations_timed_out", self.timed_out, "Operations that were given up."),
            ("operations_not_issued", self.not_issued, "Operations that will never be sent."),
            ("deliveries", self.deliveries, "Deliveries that members got."),
            ("delivered_bytes", self.bytes, "Bytes of MLS messages in those."),
            ("violations", self.progress.violations, "Breaches of the service's contract."),
            ("receive_drops", self.receive_drops, "Receives that found the engine's buffers full."),
        ];
        for (name, value, help) in counts {
            let name = format!("stentor_run_{name}_total");
            page.family(&name, "counter", help);
            page.sample(&name, &[], &value.to_string());
        }
        let cpu = [
            ("cpu", self.engine_cpu_us, "Processor time of the engine."),
            (
                "worker_cpu",
                self.worker_cpu_us,
                "Of it, that of the thread that sends and receives.",
            ),
        ];
        for (name, value, help) in cpu {
            let name = format!("stentor_run_{name}_seconds_total");
            page.family(&name, "counter", help);
            page.sample(&name, &[], &seconds(value));
        }
        self.levels(&mut page);
        for (times, metric) in self.timed.iter().zip(METRICS) {
            let name = format!("stentor_run_{}_seconds", metric.name());
            page.family(&name, "histogram", help_of(metric));
            page.buckets(&name, &[], times.cumulative(), times.sum_us);
        }
        page.into_text()
    }

    fn levels(&self, page: &mut Exposition) {
        let micros = |of: std::time::Duration| u64::try_from(of.as_micros()).unwrap_or(u64::MAX);
        let Progress { elapsed, offered, in_flight, .. } = self.progress;
        let levels = [
            ("in_flight", in_flight.to_string(), "Submissions without an answer."),
            ("elapsed_seconds", seconds(micros(elapsed)), "Time since the start of the load."),
            ("offered_seconds", seconds(micros(offered)), "When the last operation is due."),
        ];
        for (name, value, help) in levels {
            let name = format!("stentor_run_{name}");
            page.family(&name, "gauge", help);
            page.sample(&name, &[], &value);
        }
    }
}

fn help_of(metric: Metric) -> &'static str {
    match metric {
        Metric::Response => "From the intended instant to the acceptance.",
        Metric::Service => "From the actual send to the acceptance.",
        Metric::Lateness => "From the intended instant to when the engine reached it.",
        Metric::FanoutFirst => "From the intended instant to the first member.",
        Metric::FanoutMember => "From the intended instant to each member.",
        Metric::FanoutLast => "From the intended instant to the last member.",
    }
}

impl Times {
    fn add(&mut self, packed: &Packed) {
        if packed.count == 0 {
            return;
        }
        let histogram = packed.histogram();
        for step in histogram.iter_recorded() {
            let (value, count) = (step.value_iterated_to(), step.count_since_last_iteration());
            let bucket = EDGES_US.partition_point(|edge| *edge < value);
            self.counts[bucket] += count;
            self.sum_us += value * count;
        }
    }

    /// As [`Exposition::buckets`] wants them.
    fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let edges = EDGES_US.iter().copied().map(Some).chain([None]);
        edges.zip(&self.counts).scan(0, |sum, (edge, count)| {
            *sum += count;
            Some((edge, *sum))
        })
    }
}

/// Shows what is sent from now on, until the process ends: where, and to whom to send it.
///
/// # Errors
/// When the address is not free or not this machine's.
pub(super) fn expose(address: SocketAddr) -> anyhow::Result<(SocketAddr, watch::Sender<Snapshot>)> {
    let (sender, seen) = watch::channel(Snapshot::default());
    let (bound, binding) = sync_channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot show metrics")?;
    let show = move || {
        runtime.block_on(async move {
            let endpoint = Endpoint::bind(address).await;
            let at = endpoint.as_ref().map(Endpoint::address).map_err(ToString::to_string);
            // Who asked waits for it.
            drop(bound.send(at));
            if let Ok(endpoint) = endpoint {
                endpoint.serve(move |path: &str| page_at(path, &seen.borrow())).await;
            }
        });
    };
    std::thread::Builder::new()
        .name("metrics".into())
        .spawn(show)
        .context("cannot show metrics")?;
    let at = binding.recv().context("cannot show metrics")?.map_err(anyhow::Error::msg)?;
    Ok((at, sender))
}

fn page_at(path: &str, snapshot: &Snapshot) -> Option<Page> {
    (path == "/metrics").then(|| Page {
        available: true,
        media_type: MEDIA_TYPE,
        body: snapshot.page(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::load::intervals::{EngineReading, Intervals};

    fn interval() -> Interval {
        let ms = Duration::from_millis;
        let mut intervals = Intervals::new(Vec::new(), ms(1_000));
        intervals.reached(ms(0), ms(0));
        for took in [1, 2, 20_000] {
            intervals.accepted(ms(0), ms(0), ms(took).min(ms(900)));
        }
        intervals.delivered(300, ms(900));
        let reading = EngineReading { receive_drops: 4, cpu_us: 1_500_000, ..Default::default() };
        intervals.finish(ms(950), reading).remove(0)
    }

    #[test]
    fn a_page_adds_up_the_intervals_that_are_over() {
        let mut snapshot = Snapshot::default();
        snapshot.show(Progress { in_flight: 7, violations: 2, ..Progress::default() });
        for _ in 0..2 {
            snapshot.add(&interval());
        }
        let page = snapshot.page();
        for line in [
            "stentor_run_operations_accepted_total 6\n",
            "stentor_run_deliveries_total 2\n",
            "stentor_run_delivered_bytes_total 600\n",
            "stentor_run_violations_total 2\n",
            "stentor_run_receive_drops_total 8\n",
            "stentor_run_cpu_seconds_total 3.000000\n",
            "stentor_run_in_flight 7\n",
            "stentor_run_response_seconds_bucket{le=\"0.001000\"} 2\n",
            "stentor_run_response_seconds_bucket{le=\"0.002500\"} 4\n",
            "stentor_run_response_seconds_bucket{le=\"+Inf\"} 6\n",
            "stentor_run_response_seconds_count 6\n",
            "# TYPE stentor_run_fanout_last_seconds histogram\n",
        ] {
            assert!(page.contains(line), "{line}:\n{page}");
        }
    }

    #[test]
    fn the_page_is_served_while_a_run_goes_on_and_nothing_else_is() {
        let (at, sender) = expose("127.0.0.1:0".parse().unwrap()).unwrap();
        sender.send_modify(|snapshot| snapshot.add(&interval()));
        let get = |path: &str| {
            let mut stream = TcpStream::connect(at).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: stentor\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let page = get("/metrics");
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        assert!(page.contains("stentor_run_deliveries_total 1\n"), "{page}");
        assert!(get("/healthz").starts_with("HTTP/1.1 404 "));
        let taken = expose(at).unwrap_err().to_string();
        assert!(taken.contains(&format!("cannot listen on TCP {at}")), "{taken}");
    }
}
