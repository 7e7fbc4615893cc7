//! A result as JUnit XML: what build servers read.
//!
//! A test for the verdict and one for each threshold. In an invalid run the verdict is an error and
//! the thresholds are skipped: they say nothing of the service. Called by `cli`.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::record::{Record, ThresholdRecord};
use super::thresholds::value;
use super::verdict::Status;
use crate::load::threshold::Standing;

/// The name of its file.
pub const FILE: &str = "junit.xml";

/// A suite named after the scenario.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut suite = TestSuite::new(record.provenance.scenario.as_str());
    suite.set_time(Duration::try_from_secs_f64(record.throughput.window_s).unwrap_or_default());
    let thresholds = record.thresholds.iter().map(|of| (of.text.as_str(), threshold(record, of)));
    for (name, status) in std::iter::once(("verdict", verdict(record))).chain(thresholds) {
        let mut case = TestCase::new(name, status);
        case.set_classname(record.provenance.scenario.as_str());
        suite.add_test_case(case);
    }
    let mut report = Report::new("stentor");
    report.add_test_suite(suite);
    report.to_string().expect("writing to memory does not fail")
}

fn verdict(record: &Record) -> TestCaseStatus {
    let kind = match record.verdict.status {
        Status::Valid => return TestCaseStatus::success(),
        Status::Invalid => NonSuccessKind::Error,
        Status::Violated => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let lines = record.verdict.reasons.iter().chain(&record.violation_examples);
    status
        .set_type(record.verdict.status.name())
        .set_message(record.verdict.reasons.join("; "))
        .set_description(lines.cloned().collect::<Vec<_>>().join("\n"));
    status
}

fn threshold(record: &Record, of: &ThresholdRecord) -> TestCaseStatus {
    if record.verdict.status == Status::Invalid {
        let mut status = TestCaseStatus::skipped();
        status.set_message("the run is invalid");
        return status;
    }
    let (kind, message) = match of.status {
        Standing::Pass => return TestCaseStatus::success(),
        Standing::Fail => ("threshold", format!("{}: it is {}", of.text, value(of))),
        Standing::NotMeasured => ("not_measured", format!("{}: nothing was measured", of.text)),
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(message);
    if let Some(aborted) = record.aborted.as_ref().filter(|_| of.aborted) {
        status.set_description(format!("the run was given up after {:.1} s", aborted.at_s));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::oracle::Judgement;
    use crate::report::record::AbortedRecord;
    use crate::report::tests::finished;
    use crate::report::thresholds::{exit_code, lines};

    fn threshold(text: &str, value: Option<f64>, unit: &str, status: Standing) -> ThresholdRecord {
        let (text, unit) = (text.to_owned(), unit.to_owned());
        ThresholdRecord { text, value, unit, status, aborted: status == Standing::Fail }
    }

    /// A valid run of which one threshold holds, one does not, and one was not measured.
    fn record() -> Record {
        let mut record = finished(&Judgement::default(), false);
        record.thresholds = vec![
            threshold("response.p99 < 50ms", Some(12_345.0), "us", Standing::Pass),
            threshold("not_issued < 0.1%", Some(0.002), "share", Standing::Fail),
            threshold("fanout_last.max < 1s", None, "us", Standing::NotMeasured),
        ];
        record.aborted = Some(AbortedRecord {
            threshold: "not_issued < 0.1%".to_owned(),
            at_s: 3.25,
            cut_off: 4,
        });
        record
    }

    #[test]
    fn a_build_server_reads_what_passed_and_what_did_not() {
        let xml = render(&record());
        assert!(xml.contains("tests=\"4\"") && xml.contains("failures=\"2\""), "{xml}");
        assert!(xml.contains("errors=\"0\""), "{xml}");
        assert!(xml.contains("name=\"response.p99 &lt; 50ms\""), "{xml}");
        assert!(xml.contains("not_issued &lt; 0.1%: it is 0.2%"), "{xml}");
        assert!(xml.contains("given up after 3.2 s"), "{xml}");
        assert!(xml.contains("type=\"not_measured\""), "{xml}");
    }

    #[test]
    fn an_invalid_run_is_an_error_and_its_thresholds_are_skipped() {
        let mut invalid = record();
        invalid.verdict.status = Status::Invalid;
        invalid.verdict.reasons = vec!["the generator was late".to_owned()];
        let xml = render(&invalid);
        assert!(xml.contains("errors=\"1\"") && xml.contains("failures=\"0\""), "{xml}");
        assert_eq!(xml.matches("<skipped").count(), 3, "{xml}");
        assert!(xml.contains("message=\"the generator was late\""), "{xml}");
    }

    #[test]
    fn a_violated_run_fails_whatever_its_thresholds_are() {
        let mut violated = record();
        violated.verdict.status = Status::Violated;
        violated.thresholds.truncate(1);
        let xml = render(&violated);
        assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
    }

    #[test]
    fn only_a_valid_run_has_the_exit_code_of_its_thresholds() {
        let mut record = record();
        assert_eq!(exit_code(&record), 99);
        record.verdict.status = Status::Invalid;
        assert_eq!(exit_code(&record), 2);
        record.verdict.status = Status::Violated;
        assert_eq!(exit_code(&record), 3);
        record.verdict.status = Status::Valid;
        record.thresholds.remove(1);
        assert_eq!(exit_code(&record), 99, "what was not measured does not hold");
        record.thresholds.truncate(1);
        assert_eq!(exit_code(&record), 0);
    }

    #[test]
    fn a_summary_has_a_line_for_each_threshold_and_says_when_a_run_was_given_up() {
        let text = lines(&record());
        let found: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(found[0], "thresholds  pass  response.p99 < 50ms   12.3 ms");
        assert_eq!(found[1], "FAIL  not_issued < 0.1%     0.2%");
        assert_eq!(found[2], "FAIL  fanout_last.max < 1s  nothing was measured");
        assert!(found[3].starts_with("given up after 3.2 s: not_issued < 0.1%"), "{text}");
    }
}
