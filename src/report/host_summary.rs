//! A host record as text: one table for each thing that was measured, then what to know of them.
//!
//! Returns a string and never prints. Called by `cli`.

use super::host::{F3Record, HostRecord, SendRecord};
use super::summary::{Look, decimal, grouped, table};
use crate::floor::Spread;

/// Renders `record`.
#[must_use]
pub fn render(record: &HostRecord, look: Look) -> String {
    let parts = [
        table(seal_rows(record), look),
        table(send_rows(record), look),
        table(f3_rows(record), look),
        notes(record).join("\n"),
        machine(record),
    ];
    let filled = parts.iter().filter(|part| !part.is_empty());
    let mut text = filled.fold(String::new(), |all, part| all + part.trim_end() + "\n\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn seal_rows(record: &HostRecord) -> Vec<Vec<String>> {
    let header = words(["seal a packet", "bytes", "ns each", "min..max"]);
    let rows = record.seal.iter().map(|of| {
        let [median, range] = cells(of.ns_per_packet);
        vec![of.cipher.clone(), grouped(of.bytes), median, range]
    });
    std::iter::once(header).chain(rows).collect()
}

fn send_rows(record: &HostRecord) -> Vec<Vec<String>> {
    let header =
        words(["send over loopback", "bytes", "to sockets", "us CPU each", "min..max", "lost"]);
    let rows = record.udp_send.iter().map(|of| {
        let how = match of.manner.as_str() {
            "sendmsg" => "one by one (sendmsg)",
            "sendmmsg" => "in batches (sendmmsg)",
            _ => "in trains (GSO)",
        };
        let [median, range] = cells(of.cpu_us_per_packet);
        let (bytes, sockets) = (grouped(of.packet_bytes), grouped(of.receivers.into()));
        vec![how.to_owned(), bytes, sockets, median, range, grouped(of.lost)]
    });
    std::iter::once(header).chain(rows).collect()
}

fn f3_rows(record: &HostRecord) -> Vec<Vec<String>> {
    let header = words([
        "a delivery (F3)",
        "us CPU",
        "min..max",
        "us wall",
        "min..max",
        "packets",
        "acks",
        "state KiB",
    ]);
    let rows = record.f3.iter().map(|of| {
        let each = |count: u64| decimal(count as f64 / of.deliveries.max(1) as f64);
        let ([cpu, cpu_range], [wall, wall_range]) =
            (cells(of.cpu_us_per_delivery), cells(of.wall_us_per_delivery));
        let (packets, acks) = (each(of.packets), each(of.acks));
        vec![
            work(of),
            cpu,
            cpu_range,
            wall,
            wall_range,
            packets,
            acks,
            grouped(of.state_bytes >> 10),
        ]
    });
    std::iter::once(header).chain(rows).collect()
}

/// What makes a figure another one than it seems to be.
fn notes(record: &HostRecord) -> Vec<String> {
    let mut notes = Vec::new();
    if record.build_profile != "release" {
        notes.push(format!("a {} build: these figures mean nothing", record.build_profile));
    }
    if record.f3.iter().any(|of| !of.apart) {
        notes.push("both sides shared a core: wall time is that of both together".to_owned());
    }
    let few = |of: &&SendRecord| of.receivers < of.receivers_asked;
    if let Some(of) = record.udp_send.iter().find(few) {
        notes.push(format!(
            "sent to {} sockets instead of {}: this process may open no more; raise `ulimit -n`",
            grouped(of.receivers.into()),
            grouped(of.receivers_asked.into())
        ));
    }
    for of in record.udp_send.iter().filter(|of| of.lost > 0) {
        let (lost, sent) = (grouped(of.lost), grouped(of.packets));
        notes.push(format!("{lost} of {sent} packets were lost by {}", of.manner));
    }
    for of in record.f3.iter().filter(|of| of.losses > 0) {
        notes.push(format!(
            "{}: rounds that lost packets and do not count: {}",
            work(of),
            of.losses
        ));
    }
    notes
}

fn machine(record: &HostRecord) -> String {
    let of = &record.machine;
    let unknown = "unknown";
    format!(
        "on          {} x {}, {}, {}",
        of.cores.map_or_else(|| unknown.to_owned(), |cores| cores.to_string()),
        of.cpu_model.as_deref().unwrap_or(unknown),
        of.kernel.as_deref().unwrap_or(unknown),
        record.measured_utc,
    )
}

fn work(of: &F3Record) -> String {
    format!("{} B x {}", grouped(of.bytes), grouped(of.members.into()))
}

fn cells(of: Spread) -> [String; 2] {
    [decimal(of.median), format!("{}..{}", decimal(of.min), decimal(of.max))]
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
