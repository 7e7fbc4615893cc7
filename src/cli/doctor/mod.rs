//! `stentor doctor`: what this machine can do, and what to change before measuring on it.

mod facts;
mod findings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::process::Machine;
use facts::Facts;
use findings::{Finding, Grade};

/// The version of what `--json` prints: a field keeps its name and meaning within one.
const SCHEMA_VERSION: u32 = 1;

/// Say what this machine can do for a measurement, and what to change. Takes about a second, and
/// changes nothing. Exit code 1 if something makes honest runs impossible, such as timers that are
/// late beyond what any run may be; else 0.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// The folder of results, whose host.json has the floor.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
    /// Print one JSON object: `schema_version`, and `findings`, each with `name`, `fact`, `verdict`
    /// (ok, weak or bad) and `change`.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    schema_version: u32,
    findings: Vec<Finding>,
}

/// Runs the command; the exit code says whether honest runs are possible.
#[expect(clippy::print_stdout, reason = "the findings are what the command is for")]
pub(crate) fn run(arguments: &Doctor) -> ExitCode {
    let findings = findings::of(&Facts::gather(&Machine::here(), &arguments.results));
    let code = exit_code(&findings);
    if arguments.json {
        let report = Report { schema_version: SCHEMA_VERSION, findings };
        println!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data"));
    } else {
        print!("{}", text(&findings));
    }
    ExitCode::from(code)
}

fn exit_code(findings: &[Finding]) -> u8 {
    u8::from(findings.iter().any(|one| one.verdict == Grade::Bad))
}

/// A line for each finding, and under it what to change.
fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { name, fact, verdict, change } in findings {
        text.push_str(&format!("{:<6}{name:<14}{fact}\n", verdict.word()));
        if let Some(change) = change {
            text.push_str(&format!("{:20}change: {change}\n", ""));
        }
    }
    let count = |grade| findings.iter().filter(|one| one.verdict == grade).count();
    let (weak, bad) = (count(Grade::Weak), count(Grade::Bad));
    text.push_str(&match (weak, bad) {
        (0, 0) => "nothing to change\n".to_owned(),
        (_, 0) => format!("{weak} to change: results are honest, and noisier than they could be\n"),
        _ => format!("{bad} that make honest runs impossible, {weak} more to change\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Grade) -> Finding {
        let change = (verdict != Grade::Ok).then(|| "do this".to_owned());
        Finding { name: "timer", fact: "late".to_owned(), verdict, change }
    }

    #[test]
    fn a_finding_is_a_line_and_what_to_change_is_under_it() {
        let said = text(&[finding(Grade::Ok), finding(Grade::Weak)]);
        let expected = "ok    timer         late\nweak  timer         late\n                    \
                        change: do this\n1 to change: results are honest, and noisier than they could be\n";
        assert_eq!(said, expected);
        assert!(text(&[finding(Grade::Ok)]).ends_with("nothing to change\n"));
        let worst = text(&[finding(Grade::Weak), finding(Grade::Bad)]);
        assert!(
            worst.ends_with("1 that make honest runs impossible, 1 more to change\n"),
            "{worst}"
        );
    }

    #[test]
    fn only_what_makes_runs_impossible_is_a_failure() {
        assert_eq!(exit_code(&[finding(Grade::Ok), finding(Grade::Weak)]), 0);
        assert_eq!(exit_code(&[finding(Grade::Bad)]), 1);
    }
}
