//! Whether a result may be believed: violated beats invalid, and invalid beats valid.
//!
//! A pure function of what was counted, so that every rule is a test. Never looks at how good
//! the numbers are; thresholds are another matter. Called by `build`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{
    LATENESS_P99_US_MAX, LATENESS_RESPONSE_SHARE_MAX, LITTLE_ERROR_MAX, LITTLE_OPERATIONS_MIN,
    NOT_ISSUED_SHARE_MAX, REASONS_MAX, RECEIVE_DROPS_SHARE_MAX, REFUSED_SHARE_MAX,
    TIMED_OUT_SHARE_MAX, WORKER_BUSY_SHARE_MAX,
};
use crate::load::noted::Noted;

/// The verdict's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The numbers describe the service.
    Valid,
    /// They describe something else: the generator, a lost server, nothing at all.
    Invalid,
    /// The service broke its contract; how fast it did so does not matter.
    Violated,
}

/// The verdict, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word.
    pub status: Status,
    /// What spoke against it, the worst first; empty when valid. At most [`REASONS_MAX`].
    pub reasons: Vec<String>,
    /// Whether the generator was the limit: it was late or busy, did not hear everything, or its books
    /// do not balance. What such a run says is not of the service. `false` in older records.
    #[serde(default)]
    pub generator_limited: bool,
}

/// What the verdict rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Each kind of violation that was seen, by name, with its count.
    pub violations: Vec<(String, u64)>,
    /// Real members that could not process a delivery, or whose authenticators differ.
    pub member_faults: u64,
    /// More was delivered to real members than is kept for them.
    pub members_overflowed: bool,
    /// Sessions that ended inside the run.
    pub sessions_lost: Noted,
    /// Members that went away and were not attached again by the end.
    pub not_back: u64,
    /// What was refused or went wrong with those who were to join.
    pub joins_failed: Noted,
    /// Devices that a commit had let in and that were not attached by the end.
    pub not_in: u64,
    /// Refusals for another reason than their epoch, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Everything that the schedule and the retry rule asked for.
    pub called_for: u64,
    /// Of it, what was never sent.
    pub not_issued: u64,
    /// Of it, what got no reply in time.
    pub timed_out: u64,
    /// Deliveries that had not come when the drain was over, of a service that was still at work.
    pub undelivered: u64,
    /// Measured operations that were accepted.
    pub accepted_measured: u64,
    /// p99 of the generator's lateness.
    pub lateness_p99_us: u64,
    /// p99 of the response.
    pub response_p99_us: u64,
    /// Measured operations that had any outcome.
    pub outcomes: u64,
    /// Share of the window in which the thread that sends and receives was busy.
    pub busy_share: f64,
    /// Receives that the kernel dropped because the engine's buffers were full.
    pub receive_drops: u64,
    /// Mean number in flight of the measured operations, each followed until it left, as counted.
    pub in_flight_counted: f64,
    /// The same, as rate of outcomes x mean time to them has it.
    pub in_flight_implied: f64,
    /// How the server was lost, if it was.
    pub server_lost: Option<String>,
}

impl Status {
    /// The exit code of a command that ends with this: 0, 2 or 3.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 2,
            Self::Violated => 3,
        }
    }

    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Violated => "violated",
        }
    }
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let violated: Vec<String> = evidence
        .violations
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} x {name}"))
        .chain((evidence.member_faults > 0).then(|| disagreeing(evidence.member_faults)))
        .collect();
    let invalid = faults_of_the_measurement(evidence);
    let status = match (violated.is_empty(), invalid.is_empty()) {
        (false, _) => Status::Violated,
        (true, false) => Status::Invalid,
        (true, true) => Status::Valid,
    };
    let reasons = violated.into_iter().chain(invalid).take(REASONS_MAX).collect();
    Verdict { status, reasons, generator_limited: of_generator(evidence).next().is_some() }
}

fn disagreeing(faults: u64) -> String {
    format!("{faults} x real members that cannot process a delivery or do not agree")
}

fn faults_of_the_measurement(evidence: &Evidence) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(how) = &evidence.server_lost {
        faults.push(format!("the server was lost: {how}"));
    }
    if evidence.sessions_lost.count > 0 && evidence.server_lost.is_none() {
        let first = evidence.sessions_lost.examples.first().map_or("", String::as_str);
        let count = evidence.sessions_lost.count;
        faults.push(format!("{count} sessions ended inside the run; the first: {first}"));
    }
    if evidence.joins_failed.count > 0 && evidence.server_lost.is_none() {
        let first = evidence.joins_failed.examples.first().map_or("", String::as_str);
        let count = evidence.joins_failed.count;
        faults.push(format!("{count} things went wrong with who was to join; the first: {first}"));
    }
    if evidence.not_in > 0 && evidence.server_lost.is_none() {
        faults.push(format!(
            "{} devices that were let in were not there by the end",
            evidence.not_in
        ));
    }
    if evidence.not_back > 0 && evidence.server_lost.is_none() {
        faults
            .push(format!("{} members that went away were not back by the end", evidence.not_back));
    }
    let refused: u64 = evidence.refused.values().sum();
    if refused as f64 > evidence.called_for as f64 * REFUSED_SHARE_MAX {
        let reasons: Vec<&str> = evidence.refused.keys().map(String::as_str).collect();
        let (asked, reasons) = (evidence.called_for, reasons.join(", "));
        faults.push(format!("{refused} of {asked} refused, and not for their epoch: {reasons}"));
    }
    if evidence.members_overflowed {
        faults.push("more was delivered to real members than is kept for them".to_owned());
    }
    if evidence.accepted_measured == 0 {
        faults.push("nothing was measured: no operation was accepted after warm-up".to_owned());
    }
    faults.extend(of_generator(evidence));
    let shares = [
        ("not issued", evidence.not_issued, NOT_ISSUED_SHARE_MAX),
        ("timed out", evidence.timed_out, TIMED_OUT_SHARE_MAX),
    ];
    for (what, count, most) in shares {
        if count as f64 > evidence.called_for as f64 * most {
            faults.push(format!(
                "{count} of {} {what}; at most {}% allowed",
                evidence.called_for,
                most * 100.0
            ));
        }
    }
    if evidence.undelivered > 0 {
        faults.push(format!(
            "{} deliveries had not come when the drain was over, and the service was still at work: \
             late or lost, only a longer drain or less load can tell",
            evidence.undelivered
        ));
    }
    faults
}

/// What says that the generator was the limit.
fn of_generator(evidence: &Evidence) -> impl Iterator<Item = String> {
    [late(evidence), busy(evidence), deaf(evidence), unbalanced(evidence)].into_iter().flatten()
}

fn late(evidence: &Evidence) -> Option<String> {
    let late = evidence.lateness_p99_us;
    let tolerated = evidence.response_p99_us as f64 * LATENESS_RESPONSE_SHARE_MAX;
    let allowed = tolerated.max(LATENESS_P99_US_MAX as f64);
    (late as f64 > allowed)
        .then(|| format!("the generator was late: p99 {late} us, {allowed:.0} us allowed"))
}

/// A generator may send on time and still be the limit of what it hears.
fn busy(evidence: &Evidence) -> Option<String> {
    (evidence.busy_share > WORKER_BUSY_SHARE_MAX).then(|| {
        format!(
            "the generator was the limit: its thread was busy {:.0}% of the window, {:.0}% allowed",
            evidence.busy_share * 100.0,
            WORKER_BUSY_SHARE_MAX * 100.0
        )
    })
}

fn deaf(evidence: &Evidence) -> Option<String> {
    let drops = evidence.receive_drops;
    let most = evidence.outcomes as f64 * RECEIVE_DROPS_SHARE_MAX;
    (drops as f64 > most).then(|| {
        format!("the generator was the limit: the kernel dropped {drops} of its receives, {most:.0} allowed")
    })
}

/// Little's law ties three figures of the generator's own, all of the operations that are due in the
/// window: whatever the service does, and however far behind it falls, it holds.
fn unbalanced(evidence: &Evidence) -> Option<String> {
    let (counted, implied) = (evidence.in_flight_counted, evidence.in_flight_implied);
    let error = (counted - implied).abs() / counted.max(implied).max(f64::MIN_POSITIVE);
    (evidence.outcomes >= LITTLE_OPERATIONS_MIN && error > LITTLE_ERROR_MAX).then(|| {
        format!(
            "Little's law is off by {:.0}%: {counted:.2} in flight, {implied:.2} implied",
            error * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            called_for: 10_000,
            accepted_measured: 9_000,
            lateness_p99_us: 50,
            response_p99_us: 2_000,
            outcomes: 9_000,
            in_flight_counted: 4.0,
            in_flight_implied: 4.1,
            ..Evidence::default()
        }
    }

    fn check(change: impl FnOnce(&mut Evidence), status: Status, reason: &str) {
        let mut evidence = good();
        change(&mut evidence);
        let verdict = judge(&evidence);
        assert_eq!(verdict.status, status, "{verdict:?}");
        assert!(verdict.reasons.join("; ").contains(reason), "{verdict:?}");
        assert_eq!(verdict.reasons.is_empty(), status == Status::Valid);
    }

    #[test]
    fn a_run_without_fault_is_valid() {
        check(|_| {}, Status::Valid, "");
    }

    #[test]
    fn a_single_violation_makes_a_run_violated_however_late_it_was() {
        check(|e| e.violations = vec![("gap".to_owned(), 0)], Status::Valid, "");
        let worst = |e: &mut Evidence| {
            e.violations = vec![("gap".to_owned(), 1)];
            e.lateness_p99_us = 1 << 40;
        };
        check(worst, Status::Violated, "1 x gap; the generator was late");
    }

    #[test]
    fn a_late_generator_makes_a_run_invalid() {
        check(|e| e.lateness_p99_us = 10_000, Status::Valid, "");
        check(|e| e.lateness_p99_us = 10_001, Status::Invalid, "10001 us, 10000 us allowed");
    }

    #[test]
    fn lateness_may_be_a_tenth_of_a_slow_response() {
        let slow = |late: u64| {
            move |e: &mut Evidence| (e.response_p99_us, e.lateness_p99_us) = (500_000, late)
        };
        check(slow(50_000), Status::Valid, "");
        check(slow(50_001), Status::Invalid, "late");
    }

    #[test]
    fn what_was_not_sent_or_not_answered_makes_a_run_invalid_by_its_share() {
        check(|e| e.not_issued = 10, Status::Valid, "");
        check(|e| e.not_issued = 11, Status::Invalid, "not issued");
        check(|e| e.timed_out = 100, Status::Valid, "");
        check(|e| e.timed_out = 101, Status::Invalid, "timed out");
    }

    /// Both are no result; only a loss is a breach of the contract.
    #[test]
    fn what_was_still_on_its_way_at_the_end_makes_a_run_invalid_and_what_was_lost_violates_it() {
        check(|e| e.undelivered = 3, Status::Invalid, "3 deliveries had not come");
        let lost = |e: &mut Evidence| {
            e.undelivered = 3;
            e.violations = vec![("missing".to_owned(), 1)];
        };
        check(lost, Status::Violated, "1 x missing; 3 deliveries had not come");
    }

    #[test]
    fn books_that_do_not_balance_make_a_run_invalid_when_there_is_enough_of_it() {
        check(|e| e.in_flight_implied = 4.2, Status::Valid, "");
        check(|e| e.in_flight_implied = 4.3, Status::Invalid, "Little");
        check(|e| e.in_flight_implied = 3.7, Status::Invalid, "Little");
        check(|e| (e.in_flight_implied, e.outcomes) = (4.3, 999), Status::Valid, "");
    }

    #[test]
    fn a_generator_that_is_busy_throughout_makes_a_run_invalid_however_punctual_it_was() {
        check(|e| e.busy_share = WORKER_BUSY_SHARE_MAX, Status::Valid, "");
        check(|e| e.busy_share = 0.967, Status::Invalid, "its thread was busy 97% of the window");
    }

    #[test]
    fn receives_of_the_generator_that_the_kernel_dropped_make_a_run_invalid_when_they_are_many() {
        check(|e| e.receive_drops = 9, Status::Valid, "");
        check(
            |e| e.receive_drops = 10,
            Status::Invalid,
            "the kernel dropped 10 of its receives, 9",
        );
    }

    #[test]
    fn whether_the_generator_was_the_limit_is_a_flag_of_its_own() {
        let limited = |change: fn(&mut Evidence)| {
            let mut evidence = good();
            change(&mut evidence);
            judge(&evidence).generator_limited
        };
        assert!(!limited(|_| {}));
        assert!(limited(|e| e.lateness_p99_us = 10_001));
        assert!(limited(|e| e.busy_share = 0.97));
        assert!(limited(|e| e.receive_drops = 10));
        assert!(limited(|e| e.in_flight_implied = 4.3));
        // Faults of the service, or of whatever lies between.
        assert!(!limited(|e| e.timed_out = 101));
        assert!(!limited(|e| e.undelivered = 1));
        assert!(!limited(|e| e.server_lost = Some("the generator said so".into())));
    }

    #[test]
    fn a_lost_server_or_an_empty_measurement_makes_a_run_invalid() {
        check(|e| e.server_lost = Some("exit 101".into()), Status::Invalid, "exit 101");
        check(|e| e.accepted_measured = 0, Status::Invalid, "nothing was measured");
        assert_eq!(judge(&Evidence::default()).status, Status::Invalid);
    }

    #[test]
    fn every_status_has_its_exit_code() {
        let codes = [Status::Valid, Status::Invalid, Status::Violated].map(Status::exit_code);
        assert_eq!(codes, [0, 2, 3]);
    }

    #[test]
    fn refusals_of_good_submissions_make_a_run_invalid_and_lost_races_do_not() {
        let refused = BTreeMap::from([("busy".to_owned(), 500), ("not_member".to_owned(), 1)]);
        let verdict = judge(&Evidence { refused, ..good() });
        assert_eq!(verdict.status, Status::Invalid);
        assert!(verdict.reasons[0].contains("501 of 10000 refused"), "{verdict:?}");
        assert!(verdict.reasons[0].contains("busy, not_member"), "{verdict:?}");
    }

    #[test]
    fn a_member_that_never_came_back_makes_a_run_invalid() {
        check(|e| e.not_in = 2, Status::Invalid, "2 devices that were let in were not there");
        check(
            |e| e.joins_failed.note(|| "no KeyPackage".to_owned()),
            Status::Invalid,
            "no KeyPackage",
        );
        check(|e| e.not_back = 3, Status::Invalid, "3 members that went away were not back");
    }

    #[test]
    fn every_lost_session_is_counted_and_the_first_is_named() {
        let mut sessions_lost = Noted::default();
        for session in 0..400 {
            sessions_lost.note(|| format!("session {session}: too slow"));
        }
        let verdict = judge(&Evidence { sessions_lost, ..good() });
        assert_eq!(verdict.status, Status::Invalid);
        assert!(verdict.reasons[0].starts_with("400 sessions"), "{verdict:?}");
        assert!(verdict.reasons[0].ends_with("session 0: too slow"), "{verdict:?}");
    }
}
