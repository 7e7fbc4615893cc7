//! `stentor validate`: scenario files, looked at without running anything.
//!
//! One line for each file that is in order, the mistake for one that is not. Starts nothing and
//! writes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::scenario_file::{self, ScenarioFile};
use super::with_causes;
use crate::load::scenario::schema;

/// Check scenario files, and the traces that they replay, without running them.
#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// The scenarios; scenarios/README.md explains the format.
    #[arg(required_unless_present = "print_schema")]
    files: Vec<PathBuf>,
    /// Print the format's JSON schema, for editors that complete and check as you type.
    #[arg(long)]
    print_schema: bool,
}

/// Runs the command: 0 when every file is in order, else 1.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the answer is what it is for")]
pub(crate) fn run(arguments: &Validate) -> ExitCode {
    if arguments.print_schema {
        match schema::printed() {
            Ok(schema) => print!("{schema}"),
            Err(why) => {
                eprintln!("stentor validate: {why}");
                return ExitCode::from(1);
            }
        }
    }
    let mut code = ExitCode::SUCCESS;
    for file in &arguments.files {
        match scenario_file::read(file) {
            Ok(found) => println!("{}: {}", file.display(), told(&found)),
            Err(error) => {
                eprintln!("{}", with_causes(&error));
                code = ExitCode::from(1);
            }
        }
    }
    code
}

/// What a scenario that is in order amounts to.
fn told(file: &ScenarioFile) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "es" });
    let scenario = &file.scenario;
    format!(
        "in order: {} of groups, {:?} in {}, hash {}",
        count(scenario.groups.len(), "class"),
        scenario.offered(),
        if scenario.phases.len() == 1 {
            "1 phase".to_owned()
        } else {
            format!("{} phases", scenario.phases.len())
        },
        file.hash
    )
}
