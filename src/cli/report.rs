//! `stentor report`: the page of a result, of a run or of several, made anew from its record.
//!
//! Measures nothing: an older record gets the page that this program makes, with what it has.
//! Called by `cli::main`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{read_text, with_causes};
use crate::campaign::page;
use crate::campaign::record::{CampaignRecord, FILE as CAMPAIGN};
use crate::limits::RECORD_BYTES_MAX;
use crate::report::folder::{RECORD, keep_page};
use crate::report::html;
use crate::report::record::Record;
use crate::suites;
use crate::suites::folder::RECORD as SUITES;
use crate::suites::record::SuitesRecord;

/// Make report.html anew from a record.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The folder of a run, a campaign or a comparison of suites, or its record.
    #[arg(value_name = "FOLDER|FILE")]
    of: PathBuf,
    /// The folder to write report.html in, instead of the record's own. An earlier one is replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command: 0 if the page is written, whatever the verdict of its run.
pub(crate) fn run(arguments: &Report) -> ExitCode {
    match make(arguments) {
        Ok(path) => {
            say(&path);
            ExitCode::SUCCESS
        }
        Err(error) => {
            tell(&with_causes(&error));
            ExitCode::from(1)
        }
    }
}

#[expect(clippy::print_stdout, reason = "where the page is, is what the command says")]
fn say(path: &Path) {
    println!("{}", path.display());
}

#[expect(clippy::print_stderr, reason = "the command line talks to people here")]
fn tell(line: &str) {
    eprintln!("stentor report: {line}");
}

fn make(arguments: &Report) -> anyhow::Result<PathBuf> {
    let path = record_of(&arguments.of)?;
    let shown = path.display();
    let text =
        read_text(&path, RECORD_BYTES_MAX).with_context(|| format!("cannot read {shown}"))?;
    let page = page_of(&text).with_context(|| format!("cannot report on {shown}"))?;
    let beside = path.parent().unwrap_or_else(|| Path::new(""));
    Ok(keep_page(arguments.out.as_deref().unwrap_or(beside), &page)?)
}

/// The record itself, or the one in its folder.
fn record_of(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let names = [RECORD, CAMPAIGN, SUITES];
    let found = names.map(|name| path.join(name)).into_iter().find(|it| it.is_file());
    found.with_context(|| {
        let shown = path.display();
        format!("{shown} has no {}: what was to be in it did not finish", names.join(", no "))
    })
}

/// A campaign says of which kind it is, a comparison of suites has cells, and a run has neither.
fn page_of(text: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Kinded {
        kind: Option<IgnoredAny>,
        cells: Option<IgnoredAny>,
    }
    Ok(match serde_json::from_str::<Kinded>(text) {
        Ok(Kinded { kind: Some(_), .. }) => page::render(&CampaignRecord::from_json(text)?),
        Ok(Kinded { cells: Some(_), .. }) => suites::page::render(&SuitesRecord::from_json(text)?),
        _ => html::render(&Record::from_json(text)?),
    })
}
