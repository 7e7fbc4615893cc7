//! A comparison as text: a table for each number in flight, then what has to be known to read it.
//!
//! Returns a string and never prints. Called by `cli` for the terminal and for `summary.txt`.

use std::path::Path;

use super::entrant::{Name, Status};
use super::record::{ContestantRecord, PeersRecord, ResultRecord, SetRecord};
use crate::floor::Spread;
use crate::report::summary::{Look, decimal, duration, grouped, origin, table};

/// Client time beyond Stentor's by which a client counts as the dearer one: less is noise.
const DEARER: f64 = 1.05;

/// Renders `record`, which lies in `folder`.
#[must_use]
pub fn render(record: &PeersRecord, folder: &Path, look: Look) -> String {
    let mut parts = vec![work(record)];
    for set in &record.sets {
        let messages = grouped(u64::from(set.messages));
        parts.push(format!(
            "{} in flight, {messages} messages a round\n\n{}",
            set.in_flight,
            table(rows(set), look)
        ));
    }
    parts.push(legend(record));
    parts.push(contestants(record));
    parts.push(origin(&record.provenance));
    parts.push(format!("result: {}", folder.display()));
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.fold(String::new(), |all, part| {
        let between = if all.is_empty() { "" } else { "\n\n" };
        all + between + part.trim_end()
    }) + "\n"
}

fn work(record: &PeersRecord) -> String {
    let work = &record.work;
    let cores = if work.pinned {
        "every server on core 0, every client on core 1"
    } else {
        "servers and clients not pinned: this machine has no two cores for them"
    };
    let reconnected =
        if work.reconnected { "\nmembers over TCP connected for each round anew" } else { "" };
    format!(
        "{}: each message to {} members, {} bytes on average ({} to {}); {} rounds\n\
         TLS 1.3 everywhere, as negotiated below; {cores}{reconnected}",
        record.provenance.scenario,
        grouped(work.members),
        grouped(whole(work.body_bytes_mean)),
        grouped(work.body_bytes_min),
        grouped(work.body_bytes_max),
        work.rounds,
    )
}

fn rows(set: &SetRecord) -> Vec<Vec<String>> {
    let header = [
        "",
        "server us",
        "x stentor",
        "deliveries/s",
        "last p50",
        "last p99",
        "p99/p50",
        "bytes",
        "client us",
    ];
    let client =
        |result: &ResultRecord| result.over_rounds.client_cpu_us_per_delivery.map(|of| of.median);
    let stentor = set.results.iter().find(|result| result.name == Name::Stentor).and_then(client);
    let row = |result: &ResultRecord| {
        let of = &result.over_rounds;
        let ratio = result.over_stentor.as_ref().and_then(|of| of.server_cpu_us_per_delivery);
        let median = |spread: Option<Spread>, write: &dyn Fn(f64) -> String| {
            spread.map_or_else(|| "-".to_owned(), |spread| write(spread.median))
        };
        let dearer = client(result).zip(stentor).is_some_and(|(own, ours)| own > ours * DEARER);
        let mark = if dearer { "*" } else { "" };
        vec![
            result.name.name().to_owned(),
            spread(of.server_cpu_us_per_delivery),
            if result.name == Name::Stentor { "1".to_owned() } else { spread(ratio) },
            median(of.deliveries_per_s, &|value| grouped(whole(value))),
            median(of.last_member_p50_us, &|value| duration(whole(value))),
            median(of.last_member_p99_us, &|value| duration(whole(value))),
            median(of.member_p99_over_p50, &decimal),
            median(of.loopback_bytes_per_delivery, &|value| grouped(whole(value))),
            median(of.client_cpu_us_per_delivery, &decimal) + mark,
        ]
    };
    let header = header.map(str::to_owned).to_vec();
    std::iter::once(header).chain(set.results.iter().map(row)).collect()
}

/// The median, and below it between what the rounds lay.
fn spread(of: Option<Spread>) -> String {
    of.map_or_else(
        || "-".to_owned(),
        |of| format!("{}\n{}-{}", decimal(of.median), decimal(of.min), decimal(of.max)),
    )
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are small")]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

fn legend(record: &PeersRecord) -> String {
    if record.sets.iter().all(|set| set.results.is_empty()) {
        return String::new();
    }
    let mut text =
        "medians over rounds, least-greatest below; `x stentor` is taken within each round \
                    first\nserver us, client us: processor time for each delivery; bytes: on \
                    loopback for each delivery\nlast: from the publication to the last member; \
                    p99/p50: of the time to each member"
            .to_owned();
    let marked = record.sets.iter().any(|set| rows(set).iter().any(|row| row[8].ends_with('*')));
    if marked {
        text.push_str(
            "\n* its client costs more than Stentor's, so less of its rate is its server's doing",
        );
    }
    text
}

fn contestants(record: &PeersRecord) -> String {
    let line = |contestant: &ContestantRecord| {
        let name = contestant.name.name();
        let why = contestant.why.as_deref().unwrap_or_default();
        let version = contestant.version.as_deref().map(|version| {
            // The rest is how it was built.
            version.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
        });
        let ways = [version, contestant.cipher_suite.clone(), contestant.key_exchange.clone()];
        let memory = memory(record, contestant.name);
        let known: Vec<String> = ways.into_iter().chain([memory]).flatten().collect();
        match contestant.status {
            Status::Completed => {
                format!("{name:8}  {}\n          {}", contestant.label, known.join(", "))
            }
            Status::Skipped => format!("{name:8}  SKIPPED: {why}"),
            Status::Failed => format!("{name:8}  FAILED: {why}"),
        }
    };
    let lines: Vec<String> = record.contestants.iter().map(line).collect();
    lines.join("\n")
}

/// The most that a server's memory was in the median of a set.
fn memory(record: &PeersRecord, name: Name) -> Option<String> {
    let results = record.sets.iter().flat_map(|set| &set.results);
    let own = results.filter(|result| result.name == name);
    let most = own.filter_map(|result| result.over_rounds.server_rss_bytes);
    let most = most.map(|spread| spread.median).reduce(f64::max)?;
    Some(format!("{} MiB", decimal(most / f64::from(1 << 20))))
}
