//! `stentor suites list`: the registry, and who offers what.

use std::process::ExitCode;

use clap::Args;

use crate::cli::run::look_of_terminal;
use crate::suites::registry::Offers;
use crate::suites::text;

/// Arguments of `stentor suites list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// One suite, or several; an unknown name is answered with the nearest ones.
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// As JSON, with the lengths of everything in bytes, and the patterns that each suite can be part of.
    #[arg(long)]
    json: bool,
}

#[expect(clippy::print_stdout, reason = "the list is what the command is for")]
pub(super) fn run(arguments: &List) -> anyhow::Result<ExitCode> {
    let offers = Offers::ask()?;
    let mut entries = Vec::new();
    for name in &arguments.suites {
        entries.push(offers.named(name)?);
    }
    if entries.is_empty() {
        entries = crate::suites::registry::ENTRIES.iter().collect();
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&text::listed(&entries, &offers))?);
    } else {
        print!("{}", text::list(&entries, &offers, look_of_terminal()));
    }
    Ok(ExitCode::SUCCESS)
}
