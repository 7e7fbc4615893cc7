//! The command line: one file per sub-command.
//!
//! The only module that prints. Called by `main`.

/// Runs the command that the arguments name; the exit codes are those of the crate documentation.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
