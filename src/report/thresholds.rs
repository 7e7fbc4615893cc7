//! What a scenario asks of its result: judged, written and printed.
//!
//! Pure. Called by `build`, by `summary` and by whoever ends a command with an exit code.

use super::build::Finished;
use super::record::{AbortedRecord, Record, ThresholdRecord};
use super::summary::{decimal, duration, grouped};
use super::verdict::Status;
use crate::load::threshold::{Facts, ServerFacts, Standing, Tally, refused};

/// The exit code of a valid run of which a threshold does not hold.
pub const EXIT_CODE: u8 = 99;

/// Judges every threshold of the scenario by what the run came to.
#[must_use]
pub fn thresholds(finished: &Finished<'_>, server: Option<ServerFacts>) -> Vec<ThresholdRecord> {
    let counts = finished.judgement.counts;
    let tally = Tally {
        called_for: finished.called_for,
        accepted: counts.accepted,
        deliveries: counts.deliveries,
        violations: finished.judgement.violations.total(),
        member_faults: finished.verified.faults.len() as u64,
        not_issued: counts.not_issued,
        timed_out: counts.timed_out,
        rejected: counts.rejected,
        refused: refused(finished.refusals),
    };
    let facts = Facts {
        scenario: finished.scenario,
        recorder: finished.recorder,
        joins: finished.joins,
        tally,
        window: finished.measured.end.saturating_sub(finished.measured.start),
        server,
    };
    let given_up = finished.aborted.map(|aborted| aborted.threshold);
    let judge = |(index, threshold): (usize, &crate::load::threshold::Threshold)| {
        let judged = threshold.judge(&facts);
        ThresholdRecord {
            text: threshold.text.clone(),
            value: judged.value,
            unit: threshold.metric.unit().name().to_owned(),
            status: judged.standing,
            aborted: given_up == Some(index),
        }
    };
    finished.scenario.thresholds.iter().enumerate().map(judge).collect()
}

/// Why and when the run was given up, if it was.
#[must_use]
pub fn aborted(finished: &Finished<'_>) -> Option<AbortedRecord> {
    let aborted = finished.aborted?;
    Some(AbortedRecord {
        threshold: finished.scenario.thresholds.get(aborted.threshold)?.text.clone(),
        at_s: aborted.at.as_secs_f64(),
        cut_off: aborted.in_flight + aborted.waiting,
    })
}

/// What `stentor run` ends with: the verdict's, or [`EXIT_CODE`] if that is 0 and a threshold does
/// not hold. One that nothing was measured for does not.
#[must_use]
pub fn exit_code(record: &Record) -> u8 {
    let hold = record.thresholds.iter().all(|of| of.status == Standing::Pass);
    match record.verdict.status {
        Status::Valid if !hold => EXIT_CODE,
        status => status.exit_code(),
    }
}

/// A line for each threshold, and one if the run was given up; nothing if there is none.
#[must_use]
pub fn lines(record: &Record) -> String {
    let widest = record.thresholds.iter().map(|of| of.text.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = record
        .thresholds
        .iter()
        .map(|of| format!("{}  {:widest$}  {}", word(of.status), of.text, value(of)))
        .collect();
    if let Some(of) = &record.aborted {
        lines.push(format!(
            "given up after {:.1} s: {} could not hold any more",
            of.at_s, of.threshold
        ));
    }
    if lines.is_empty() {
        return String::new();
    }
    if record.verdict.status == Status::Invalid && !record.thresholds.is_empty() {
        lines.push("the run is invalid, so none of it says anything of the service".to_owned());
    }
    format!("thresholds  {}", lines.join("\n            "))
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Pass => "pass",
        Standing::Fail | Standing::NotMeasured => "FAIL",
    }
}

/// A threshold's value, to be read.
#[must_use]
pub fn value(of: &ThresholdRecord) -> String {
    let Some(value) = of.value else { return "nothing was measured".to_owned() };
    match of.unit.as_str() {
        // Latencies are whole; the processor time of a delivery is not.
        "us" if value < 1_000.0 => format!("{} us", trimmed(value)),
        "us" => duration(rounded(value)),
        "share" => format!("{}%", trimmed(value * 100.0)),
        "per_s" => format!("{}/s", decimal(value)),
        "bytes" => format!("{} MiB", decimal(value / f64::from(1 << 20))),
        _ => grouped(rounded(value)),
    }
}

/// Whole, or with at most three decimals.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and times")]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}
