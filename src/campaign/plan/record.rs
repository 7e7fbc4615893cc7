//! The record of a plan: what `plan.json` holds, version 1.
//!
//! Only data. Every field is explained in `results/README.md`, which a test holds to this format.

use serde::{Deserialize, Serialize};

use super::question::Written;
use crate::campaign::evidence::Source;
use crate::campaign::figure::Figure;
use crate::campaign::usl::Fit;
use crate::report::provenance::Provenance;

/// The version that [`PlanRecord::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// The name of its file.
pub const FILE: &str = "plan.json";

/// A plan, and everything that is needed to check it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program that worked it out, and where.
    pub provenance: Provenance,
    /// What was asked, with the defaults that were filled in.
    pub question: Written,
    /// What it comes to, whatever serves it.
    pub demand: Vec<Figure>,
    /// What has to serve it, as far as records go.
    pub sizing: Vec<Figure>,
    /// How throughput grows with what.
    pub scaling: Vec<Scaling>,
    /// What no record says, and what to measure.
    pub gaps: Vec<Gap>,
    /// What to know before believing it.
    pub notes: Vec<String>,
    /// The records, in the order that figures name them by.
    pub records: Vec<Source>,
}

/// A law that was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// `shards`, or `operations in flight`.
    pub over: String,
    /// What was fitted.
    pub fit: Fit,
    /// Beyond which more achieve less.
    pub peak: Option<f64>,
    /// The records that it was fitted to.
    pub from: Vec<usize>,
}

/// Something that no record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is not known.
    pub what: String,
    /// What to do about it: commands.
    pub measure: Vec<String>,
}

impl PlanRecord {
    /// Whether everything that was asked is answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The record as indented JSON, ended by a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a plan is plain data");
        json.push('\n');
        json
    }
}
