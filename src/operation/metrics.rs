//! Counters as a page in Prometheus's text format, version 0.0.4.
//!
//! Pure: the caller brings every number. A count is a counter, its name ends with `_total`; a level
//! is a gauge. What a shard counts has the label `shard`, what the process counts has none. Times
//! are in seconds, as Prometheus wants them. Called by `http`.

use std::fmt::Write as _;

use super::health::Health;
use crate::server::{Timing, Timings};
use crate::wire::{Counter, Counters};

/// The media type of [`page`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Which program this is.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// The commit it was made from; empty when that is not known.
    pub commit: &'static str,
}

/// The page. `total` is absent while the server recovers; `shards` are by index.
#[must_use]
pub fn page(
    build: Build,
    health: Health,
    total: Option<&Counters>,
    shards: &[(Counters, Timings)],
) -> String {
    let mut page = Exposition::default();
    page.family("stentor_build_info", "gauge", "Which program this is; always 1.");
    let Build { version, commit } = build;
    let labels = [("version", version.to_owned()), ("commit", commit.to_owned())];
    page.sample("stentor_build_info", &labels, "1");
    page.family("stentor_health", "gauge", "1 for where the server is in its life, else 0.");
    for one in Health::ALL {
        let value = if one == health { "1" } else { "0" };
        page.sample("stentor_health", &[("state", one.word().to_owned())], value);
    }
    if let Some(total) = total {
        for &counter in Counter::ALL {
            page.counter(counter, total, shards);
        }
        for &timing in Timing::ALL {
            page.timing(timing, shards);
        }
    }
    page.into_text()
}

/// A page of metrics under way: each family, then its samples.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// The page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Starts a family: a `counter`, whose name ends with `_total`, a `gauge` or a `histogram`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A value of the family under way.
    pub fn sample(&mut self, name: &str, labels: &[(&str, String)], value: &str) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn counter(&mut self, counter: Counter, total: &Counters, shards: &[(Counters, Timings)]) {
        let (base, is_time) = match counter.name().strip_suffix("_us") {
            Some(base) => (format!("stentor_{base}_seconds"), true),
            None => (format!("stentor_{}", counter.name()), false),
        };
        let (name, kind) =
            if counter.is_level() { (base, "gauge") } else { (format!("{base}_total"), "counter") };
        let written = |value: u64| if is_time { seconds(value) } else { value.to_string() };
        let help = counter.help().replace("microseconds", "seconds").replace(" A level.", "");
        self.family(&name, kind, &help);
        if counter.is_of_process() {
            return self.sample(&name, &[], &written(total.get(counter)));
        }
        for (shard, (counters, _)) in shards.iter().enumerate() {
            self.sample(&name, &[("shard", shard.to_string())], &written(counters.get(counter)));
        }
    }

    fn timing(&mut self, timing: Timing, shards: &[(Counters, Timings)]) {
        let name = format!("stentor_{}_seconds", timing.name());
        self.family(&name, "histogram", timing.help());
        for (shard, (_, timings)) in shards.iter().enumerate() {
            let (label, histogram) = ([("shard", shard.to_string())], timings.get(timing));
            self.buckets(&name, &label, histogram.cumulative(), histogram.sum_us());
        }
    }

    /// The samples of a histogram of microseconds, shown in seconds: `cumulative` has an edge and
    /// how many values do not exceed it, in order; the last has no edge and all of them.
    pub fn buckets(
        &mut self,
        name: &str,
        labels: &[(&str, String)],
        cumulative: impl Iterator<Item = (Option<u64>, u64)>,
        sum_us: u64,
    ) {
        let (bucket, mut all) = (format!("{name}_bucket"), 0);
        for (edge, count) in cumulative {
            let edge = edge.map_or_else(|| "+Inf".to_owned(), seconds);
            let labels: Vec<_> = labels.iter().cloned().chain([("le", edge)]).collect();
            self.sample(&bucket, &labels, &count.to_string());
            all = count;
        }
        self.sample(&format!("{name}_sum"), labels, &seconds(sum_us));
        self.sample(&format!("{name}_count"), labels, &all.to_string());
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("text takes what is written");
    }
}

/// Microseconds as seconds, exactly.
#[must_use]
pub fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}
