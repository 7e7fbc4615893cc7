//! What a record says of the build and the machine, gathered without failing.

use std::time::Duration;

use crate::process;
use crate::report::provenance::{Provenance, redact};
use crate::report::utc::Utc;

/// Fills in what neither the scenario nor its author knows.
pub(super) fn fill_in(provenance: &mut Provenance, started: Duration) {
    provenance.git_commit = known(env!("STENTOR_GIT_COMMIT"));
    provenance.git_dirty = known(env!("STENTOR_GIT_DIRTY")).map(|dirty| dirty == "true");
    provenance.cpu_model = Some(process::cpu_model());
    provenance.cores = u32::try_from(process::cores()).ok();
    provenance.kernel = Some(format!("Linux {}", process::kernel()));
    provenance.started_utc = Utc::from_unix(started).rfc3339();
    provenance.command = redact(std::env::args());
}

/// What `build.rs` found out; it leaves empty what it could not.
fn known(baked: &str) -> Option<String> {
    (!baked.is_empty()).then(|| baked.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_knows_its_commit_and_whether_that_is_all_of_it_or_neither() {
        let mut provenance = Provenance::default();
        fill_in(&mut provenance, Duration::ZERO);
        let Provenance { git_commit, git_dirty, .. } = provenance;
        assert_eq!(git_commit.is_some(), git_dirty.is_some());
        let digits = |commit: &str| commit.chars().all(|digit| digit.is_ascii_hexdigit());
        assert!(git_commit.is_none_or(|commit| commit.len() >= 40 && digits(&commit)));
    }
}
