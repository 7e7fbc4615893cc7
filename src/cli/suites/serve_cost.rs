//! `stentor suites serve-cost`: what each suite costs the service, by group size.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;

use super::tell;
use crate::campaign::Trials as _;
use crate::campaign::record::CampaignOutcome;
use crate::campaign::serving::record::ServingResult;
use crate::campaign::serving::{Contender, Question, Traffic, csv, joins_csv, measure};
use crate::cli::campaign::{Runs, begin, conclude};
use crate::cli::scenario_file::ScenarioFile;
use crate::cli::target::At;
use crate::cli::trial::Options;
use crate::limits::SWEEP_ROUNDS_MAX;
use crate::load::scenario;
use crate::mls::size::pattern::{Deployment, KINDS};
use crate::mls::stack::StackKind;
use crate::mls::{Suite, TreeState};
use crate::process::Machine;
use crate::report::verdict::Status;
use crate::suites::registry::Offers;
use crate::units;

/// The name of the table for other tools.
const CSV: &str = "serve-cost.csv";
/// The same of joins, where they were loaded.
const JOINS_CSV: &str = "serve-cost-joins.csv";

/// Arguments of `stentor suites serve-cost`.
#[derive(Args, Debug)]
pub(crate) struct ServeCost {
    /// Suites, by the names that `suites list` has.
    #[arg(
        value_name = "SUITE",
        default_values = [
            "x25519-aes128-ed25519",
            "xwing-aes128-ed25519",
            "mlkem768-aes256-mldsa65",
            "mlkem1024-aes256-mldsa87",
        ]
    )]
    suites: Vec<String>,
    /// Members of the group.
    #[arg(long, value_name = "N,N...", value_delimiter = ',', default_value = "100,1000")]
    sizes: Vec<u32>,
    /// What every commit finds in the tree: fresh, right after a bulk add, or merged.
    #[arg(long, value_name = "fresh|merged", default_value = "fresh", value_parser = tree)]
    tree: TreeState,
    /// Patterns of two suites that are loaded beside the suites, such as combiner:10 or
    /// combiner:50:mlkem768-aes256-mldsa65. Each window of a combiner holds a full commit and all partial
    /// ones up to it, which at 1,000 members take minutes. A welcome is loaded in joins alone, beside its
    /// classical suite. Without it welcome and combiner:10 are modelled, and none is loaded.
    #[arg(long, value_name = "PATTERN,PATTERN...", value_delimiter = ',')]
    patterns: Vec<String>,
    /// The TLS key exchange of every connection, the same for all suites.
    #[arg(
        long,
        value_name = "x25519|x25519mlkem768",
        default_value = "x25519",
        value_parser = ["x25519", "x25519mlkem768"]
    )]
    key_exchange: String,
    /// Commits of every suite at every size, such as 6/min. By default as many of each suite at each
    /// size as its bytes leave room for, so that none waits for another.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    commits: Option<f64>,
    /// How often each point is measured.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(SWEEP_ROUNDS_MAX))
    )]
    rounds: u32,
    /// How long each run is measured at least; one with commits until the last of them has reached
    /// everybody, with as many as this time has, and three at least.
    #[arg(long = "for", value_name = "TIME", default_value = "3s", value_parser = time)]
    measure: Duration,
    /// How long a trial of the search for saturation is at least; one has three commits at least, and of
    /// a combiner two full ones.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    trial: Duration,
    /// After how long the search of one suite at one size ends with what it has, unless it has had fewer
    /// than six trials.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    budget: Duration,
    /// Search no rate at which the service is saturated.
    #[arg(long)]
    no_saturation: bool,
    /// What the order, and everything in a run, is drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    at: At,
    /// Where to make the folder of the result.
    #[arg(long, alias = "out", default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

fn tree(name: &str) -> Result<TreeState, String> {
    match name {
        "fresh" => Ok(TreeState::Fresh),
        "merged" => Ok(TreeState::Merged),
        _ => Err("fresh or merged".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(3_600);
    let length = units::duration(text).filter(|length| range.contains(length));
    length.ok_or_else(|| "it takes a time from 100ms to 1h".to_owned())
}

/// Commits a minute.
fn rate(text: &str) -> Result<f64, String> {
    let per_s = units::per_second(text).filter(|rate| *rate > 0.0);
    per_s.map(|rate| rate * 60.0).ok_or_else(|| "it takes a rate such as 6/min or 2/s".to_owned())
}

/// Measures: 0 if every run was valid and its load steady and no search failed, 3 if the service broke
/// its contract in a run, else 2.
pub(super) fn run(arguments: &ServeCost) -> anyhow::Result<ExitCode> {
    let question = question(arguments)?;
    question.check()?;
    question.check_joins()?;
    // Nobody should wait for what is refused in the end.
    question.fits(Machine::here().memory().map(|memory| memory.available))?;
    let cells = question.cells();
    let (contender, members) = cells.first().context("nothing that is asked for is loaded")?;
    let first = question.scenario(contender, *members, Traffic::Both);
    let source = ScenarioFile {
        scenario: first.map_err(|mistake| anyhow!(mistake.one_line()))?,
        name: "suites".to_owned(),
        hash: scenario::hash(&format!("{question:?}")),
    };
    let target = arguments.at.target()?;
    let elsewhere = target.is_some();
    let options = Options {
        target,
        replace: arguments.at.replace,
        cache: false,
        floor: Err("not of a comparison of suites".to_owned()),
        tell: Some(|line| tell(&format!("stentor suites serve-cost: {line}"))),
    };
    let (folder, mut provenance) = begin(&arguments.results, "serve-cost", &source)?;
    provenance.shards = (!elsewhere).then_some(source.scenario.shards);
    provenance.suites = cells.iter().map(|(contender, _)| contender.name()).collect();
    provenance.suites.sort_unstable();
    provenance.suites.dedup();
    let mut runs = Runs::new(&source, options);
    runs.say(&format!(
        "{} at {}: about {:.0} s of load, and setting up",
        counted(provenance.suites.len(), "suite or pattern", "suites and patterns"),
        counted(question.members.len(), "size", "sizes"),
        (question.length() + question.joins_length()).as_secs_f64()
    ));
    let result = ServingResult { elsewhere, ..measure(&question, &mut runs) };
    let code = exit_code(&result);
    folder.keep(CSV, &csv(&result))?;
    if let Some(joins) = joins_csv(&result) {
        folder.keep(JOINS_CSV, &joins)?;
    }
    conclude(&folder, provenance, CampaignOutcome::ServeCost(result), None)?;
    Ok(ExitCode::from(code))
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn question(arguments: &ServeCost) -> anyhow::Result<Question> {
    let mut contenders: Vec<Contender> = Vec::new();
    let offers = Offers::ask()?;
    for name in &arguments.suites {
        contenders.push(Contender::Suite(named(name, &offers)?));
    }
    let asked = !arguments.patterns.is_empty();
    let patterns: Vec<&str> = match asked {
        true => arguments.patterns.iter().map(String::as_str).collect(),
        false => MODELLED.to_vec(),
    };
    let classical = Suite::named(Deployment::CLASSICAL).context("the mandatory suite is there")?;
    for pattern in patterns {
        let deployment = Deployment::parse(pattern, classical)?;
        contenders.push(if asked {
            Contender::Pattern(deployment)
        } else {
            Contender::Modelled(deployment)
        });
    }
    let mut once: Vec<Contender> = Vec::new();
    for contender in contenders {
        if !once.contains(&contender) {
            once.push(contender);
        }
    }
    let mut members = arguments.sizes.clone();
    members.sort_unstable();
    members.dedup();
    ensure!(!once.is_empty(), "no suite is asked for");
    Ok(Question {
        contenders: once,
        members,
        tree: arguments.tree,
        key_exchange: arguments.key_exchange.clone(),
        commits_per_min: arguments.commits,
        rounds: arguments.rounds,
        measure: arguments.measure,
        trial: (!arguments.no_saturation).then_some(arguments.trial),
        budget: arguments.budget,
        seed: arguments.seed,
    })
}

/// The patterns that are modelled where none is asked for.
const MODELLED: [&str; 2] = [KINDS[0].written, KINDS[1].written];

/// The suite of that name as scenarios know it, whose members are OpenMLS's.
fn named(name: &str, offers: &Offers) -> anyhow::Result<Suite> {
    if let Ok(suite) = Suite::named(name) {
        return Ok(suite);
    }
    let open = [StackKind::OpenMlsRustCrypto, StackKind::OpenMlsLibcrux];
    let chosen = offers.choose(&[name.to_owned()], &open)?;
    let (entry, _) = chosen.first().with_context(|| format!("nobody has {name}"))?;
    Ok(Suite::named(entry.name)?)
}

fn exit_code(result: &ServingResult) -> u8 {
    match result.verdict() {
        Status::Violated => 3,
        Status::Valid => 0,
        Status::Invalid => 2,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::campaign::record::TrialRecord;
    use crate::campaign::serving::record::{Saturation, ServingRow, ServingTrial};
    use crate::report::record::Record;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        serve_cost: ServeCost,
    }

    fn asked(line: &str) -> anyhow::Result<Question> {
        let words = std::iter::once("serve-cost").chain(line.split_whitespace());
        let question = question(&Line::try_parse_from(words)?.serve_cost)?;
        question.check()?;
        Ok(question)
    }

    #[test]
    fn the_default_is_four_suites_at_two_sizes_with_patterns_that_are_only_modelled() {
        let question = asked("").unwrap();
        assert_eq!((question.members.as_slice(), question.rounds), (&[100, 1_000][..], 3));
        let names: Vec<String> = question.contenders.iter().map(Contender::name).collect();
        assert_eq!(names.len(), 4 + MODELLED.len());
        assert_eq!(question.cells().len(), 4 * 2);
        let loaded = asked("--patterns welcome,combiner:5").unwrap();
        assert_eq!(loaded.cells().len(), 5 * 2, "a Welcome's commits are those of its suite");
        // Nine commits of each suite in a group of a thousand take as long, at ten seconds each.
        let minutes = question.length().as_secs_f64() / 60.0;
        assert!((10.0..15.0).contains(&minutes), "{minutes}: the help says a quarter of an hour");
    }

    #[test]
    fn what_is_asked_is_what_the_flags_say() {
        let line = "xwing-aes128-ed25519 --sizes 50,8,50 --tree merged --commits 2/s --rounds 1 \
                    --no-saturation --key-exchange x25519mlkem768 --seed 9";
        let question = asked(line).unwrap();
        assert_eq!((question.members.as_slice(), question.seed), (&[8, 50][..], 9));
        let (contender, members) = question.cells()[0];
        assert_eq!((question.commits_per_s(&contender, 8), question.trial), (2.0, None));
        let scenario = question.scenario(&contender, members, Traffic::Both).unwrap();
        assert_eq!(scenario.key_exchange.name(), "x25519mlkem768");
        assert_eq!(scenario.groups[0].tree, TreeState::Merged);
    }

    #[test]
    fn what_is_wrong_with_a_row_or_its_search_is_in_the_exit_code() {
        let code = |status: &str, conclusion: &str| {
            let conclusion = conclusion.to_owned();
            let saturation = Some(Saturation { conclusion, ..Saturation::default() });
            let row = ServingRow { status: status.to_owned(), saturation, ..ServingRow::default() };
            let sound = ServingRow { status: "valid".to_owned(), ..ServingRow::default() };
            exit_code(&ServingResult { rows: vec![sound, row], ..ServingResult::default() })
        };
        assert_eq!(code("valid", "generator_limited"), 0);
        assert_eq!(code("valid", "failed"), 2);
        assert_eq!(code("invalid", "bounded"), 2);
        assert_eq!(code("violated", "failed"), 3);
        // One run had no result, which is the worst that is said of a row; another was a violation.
        let mut row = ServingRow { status: "failed".to_owned(), ..ServingRow::default() };
        assert_eq!(
            exit_code(&ServingResult { rows: vec![row.clone()], ..ServingResult::default() }),
            2
        );
        let json = include_str!("../../../results/reference/fanout-1k/run.json");
        let of = TrialRecord::of(1, 1.0, &Record::from_json(json).unwrap());
        let run = Some(TrialRecord { status: Status::Violated, ..of });
        row.trials.push(ServingTrial { run, ..ServingTrial::default() });
        assert_eq!(exit_code(&ServingResult { rows: vec![row], ..ServingResult::default() }), 3);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_could_be() {
        for (line, says) in [
            ("xwing-aes128", "xwing-aes128-ed25519 (openmls/rust_crypto)"),
            ("p384-aes256-p384", "mls-rs/awslc"),
            ("--sizes 1", "choose 2 to 10000"),
            ("--sizes 20000", "choose 2 to 10000"),
            ("--sizes 2,3,4,5,6,7,8,9,10", "9 sizes"),
            ("--patterns hybrid", "combiner:10"),
            ("--patterns combiner:0", "combiner:10"),
            ("--patterns combiner:2:xwing-aes128-ed25519", "not post-quantum alone"),
            ("--commits often", "6/min"),
            ("--tree churned", "fresh or merged"),
            ("--key-exchange p256", "x25519mlkem768"),
            ("--rounds 0", "1..="),
            ("--trial 1ms", "100ms"),
        ] {
            let refusal = format!("{:#}", asked(line).unwrap_err());
            assert!(refusal.contains(says), "{line}: {refusal}");
        }
    }
}
