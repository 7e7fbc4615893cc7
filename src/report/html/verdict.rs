//! Whether the rest may be believed, and what speaks against it: the first thing on the page.

use maud::{Markup, html};

use crate::limits::REASONS_MAX;
use crate::report::record::Record;
use crate::report::verdict::Status;

/// The verdict with its meaning, its reasons and its examples, and what else is to be known.
pub(super) fn head(record: &Record) -> Markup {
    let status = record.verdict.status;
    let examples = record.violation_examples.iter().chain(&record.real_members.faults);
    let examples: Vec<&String> = examples.collect();
    html! {
        (banner(status, meaning(status), &record.verdict.reasons, &examples))
        (super::thresholds::table(record))
        @if !record.warnings.is_empty() {
            div.note {
                h2.small { "What to know of these figures" }
                ul { @for warning in &record.warnings { li { (warning) } } }
            }
        }
        @if record.provenance.build_profile == "debug" {
            p.note { strong { "A debug build." } " Its figures show the form of a report, not the speed of the service." }
        }
    }
}

/// A verdict's word with what it means, what speaks against it, and examples of that.
#[must_use]
pub fn banner(status: Status, meaning: &str, reasons: &[String], examples: &[&String]) -> Markup {
    html! {
        div class=(format!("verdict {}", status.name())) {
            p.word { span.sign aria-hidden="true" { (sign(status)) } " " (status.name().to_uppercase()) }
            p.meaning { (meaning) }
            @if !reasons.is_empty() {
                h2.small { "What speaks against it" }
                ul.reasons { @for reason in reasons.iter().take(REASONS_MAX) { li { (reason) } } }
                @if reasons.len() > REASONS_MAX { p.meaning { "and " (reasons.len() - REASONS_MAX) " more" } }
            }
            @if !examples.is_empty() {
                details open {
                    summary { "The first violations of each kind, as they were seen" }
                    ul.examples { @for example in examples { li { code { (example) } } } }
                }
            }
        }
    }
}

/// What a verdict means, in a sentence.
fn meaning(status: Status) -> &'static str {
    match status {
        Status::Valid => {
            "The figures below describe the service: it kept its contract to every member, and the \
             load generator was not the limit."
        }
        Status::Invalid => {
            "The figures below do not describe the service: they describe the load generator, a \
             server that was lost, or nothing at all. They are not to be quoted."
        }
        Status::Violated => {
            "The service broke its contract to its members. How fast it did so does not matter."
        }
    }
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Valid => "✓",
        Status::Invalid => "?",
        Status::Violated => "✗",
    }
}
