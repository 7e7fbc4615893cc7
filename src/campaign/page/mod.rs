//! The page of several runs: their curves in the frame of a report.
//!
//! Pure: a record in, a string out. Called by `cli` when a campaign is over, and for older records.

mod capacity;
pub mod contention;
mod load;
mod serving;

#[cfg(test)]
mod tests;

use super::record::{CampaignOutcome, CampaignRecord, LoadCurve, LoadPoint};
use crate::report::html::{Section, banner, origin, page};
use crate::report::verdict::Status;

/// The page of a campaign.
#[must_use]
pub fn render(record: &CampaignRecord) -> String {
    let (kind, head, sections) = match &record.outcome {
        CampaignOutcome::Sweep(curve) => ("sweep", load::head(curve), load::sections(curve, None)),
        CampaignOutcome::Contend(result) => {
            let curves = &result.curves;
            ("contention", contention::head(curves), contention::sections(curves))
        }
        CampaignOutcome::FindMax(of) => ("capacity", capacity::head(of), capacity::sections(of)),
        CampaignOutcome::ServeCost(of) => {
            ("Suites at the service", serving::head(of), serving::sections(of))
        }
    };
    let last = [
        Section::of("provenance", "Where this comes from", origin(&record.provenance)),
        Section::of("reading", "How to read this", load::reading()),
    ];
    let sections: Vec<Section> = sections.into_iter().chain(last).flatten().collect();
    let subject = match record.outcome {
        // Its groups are made of what it was asked, not of a scenario.
        CampaignOutcome::Contend(_) | CampaignOutcome::ServeCost(_) => kind.to_owned(),
        _ => format!("{} of {}", kind, record.provenance.scenario),
    };
    page(&subject, &subject, &head, &sections)
}

/// Of how many points, or loads, the figures count.
fn how_many_count(valid: usize, all: usize, what: &str) -> String {
    if valid == all {
        return format!("At all {all} {what} every run was valid.");
    }
    format!(
        "At {valid} of {all} {what} every run was valid. The figures of the others do not describe \
         the service; they are crossed out."
    )
}
