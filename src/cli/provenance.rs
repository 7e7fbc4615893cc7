//! What a record says of the build and the machine, gathered without failing.

use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::report::provenance::{Provenance, redact};
use crate::report::utc::Utc;

/// Fills in what only the running process can find out.
pub(super) fn fill_in(provenance: &mut Provenance, started: Duration) {
    provenance.git_commit = git(&["rev-parse", "HEAD"]);
    provenance.git_dirty =
        git(&["status", "--porcelain", "--untracked-files=no"]).map(|changes| !changes.is_empty());
    provenance.cpu_model = Some(process::cpu_model());
    provenance.cores = u32::try_from(process::cores()).ok();
    provenance.kernel = Some(format!("Linux {}", process::kernel()));
    provenance.started_utc = Utc::from_unix(started).rfc3339();
    provenance.command = redact(std::env::args());
}

/// What git says of the repository that this program was built in; `None` outside of one.
fn git(arguments: &[&str]) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let output =
        Command::new("git").arg("-C").arg(program.parent()?).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
