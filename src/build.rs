//! Bakes into the build which commit it was made from, for the records of runs.
//!
//! Asked while building, for only then is the tree the one that is built: later the program may be
//! elsewhere and the tree changed. Outside of a repository both answers are empty. Run by Cargo, in
//! the folder of the package.

use std::path::Path;
use std::process::Command;

/// Whatever a build is made of: a change of it is a change of the tree.
const BUILT_FROM: [&str; 4] = ["src", "benches", "Cargo.toml", "Cargo.lock"];

fn main() {
    // A copy inside of another repository is not that repository's.
    let ours = git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_some();
    let ask = |arguments| git(arguments).filter(|_| ours);
    let commit = ask(&["rev-parse", "HEAD"]).unwrap_or_default();
    let changes = ask(&["status", "--porcelain", "--untracked-files=normal"]);
    let dirty = changes.map(|changes| (!changes.is_empty()).to_string()).unwrap_or_default();
    tell(&format!("rustc-env=STENTOR_GIT_COMMIT={commit}"));
    tell(&format!("rustc-env=STENTOR_GIT_DIRTY={dirty}"));
    // Grows with every commit and every checkout.
    let moves = ask(&["rev-parse", "--git-path", "logs/HEAD"]);
    for path in BUILT_FROM.into_iter().chain(moves.as_deref()) {
        // Cargo would build anew each time for one that is absent.
        if Path::new(path).exists() {
            tell(&format!("rerun-if-changed={path}"));
        }
    }
}

/// What git says of the repository that this is built in; `None` without git or outside of one.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn tell(what: &str) {
    println!("cargo::{what}");
}
