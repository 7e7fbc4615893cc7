//! From users and messages a day to shards, nodes and memory, resting on measured records.
//!
//! `question` reads what is asked and `groups` of which sizes groups are, `demand` works out what it
//! comes to whatever serves it, `sizing` what has to serve it, `record` holds the answer and `text` writes it for people. Each number
//! carries its formula and its records; what no record says is a gap that says what to measure, not
//! a number. Pure. Called by `cli`.

pub mod demand;
pub mod groups;
pub mod question;
pub mod record;
mod sizing;
mod text;

pub use question::Question;
pub use record::{Gap, PlanRecord};
pub use text::render;
pub(super) use text::{explained, list, record, section};

use self::demand::Demand;
use self::record::{FILE, SCHEMA_VERSION};
use super::cost::Here;
use super::evidence::Evidence;
use crate::report::provenance::Provenance;

/// The name of a plan's file.
pub const PLAN_FILE: &str = FILE;

/// The plan that answers `question` with machines like `here`, as far as `evidence` goes.
#[must_use]
pub fn plan(
    question: &Question,
    (evidence, here): (&Evidence, &Here),
    provenance: Provenance,
) -> PlanRecord {
    let demand = Demand::of(question);
    let sized = sizing::size(question, &demand, (evidence, here));
    PlanRecord {
        schema_version: SCHEMA_VERSION,
        provenance,
        question: question.written(),
        demand: demand.figures,
        sizing: sized.figures,
        scaling: sized.scaling,
        gaps: sized.gaps,
        notes: sized.notes,
        records: evidence.sources.clone(),
    }
}

#[cfg(test)]
mod tests;
