//! Suites on a service that is made up: its records follow from what it is given to send.

use std::path::Path;
use std::time::Duration;

use super::record::{ServingResult, ServingRow};
use super::{Contender, Question, Traffic, csv, measure};
use crate::campaign::record::{CampaignOutcome, CampaignRecord, SCHEMA_VERSION};
use crate::campaign::{TrialError, Trials, page, text};
use crate::load::recorder::Series;
use crate::load::scenario::{Class, Scenario};
use crate::load::schedule::{Operation, OperationKind, Schedule};
use crate::mls::size::pattern::Deployment;
use crate::mls::{Suite, TreeState, size};
use crate::report::html::sound;
use crate::report::provenance::Provenance;
use crate::report::record::{ClassRecord, Distribution, Record, ServerUse};
use crate::report::summary::Look;
use crate::report::tests::collect;
use crate::report::verdict::{Status, Verdict};

mod patterns;
mod rates;

/// A record as a run wrote it, which the made-up ones change.
const RECORD: &str = include_str!("../../../results/reference/fanout-1k/run.json");

fn suite(name: &str) -> Suite {
    Suite::named(name).unwrap()
}

fn pattern(text: &str) -> Contender {
    Contender::Pattern(Deployment::parse(text, suite("x25519-aes128-ed25519")).unwrap())
}

fn question() -> Question {
    let suites = ["x25519-aes128-ed25519", "xwing-aes128-ed25519", "mlkem1024-aes256-mldsa87"];
    Question {
        contenders: suites.map(|name| Contender::Suite(suite(name))).to_vec(),
        members: vec![10, 1_000],
        tree: TreeState::Fresh,
        key_exchange: "x25519".to_owned(),
        commits_per_min: None,
        rounds: 2,
        measure: Duration::from_secs(3),
        trial: Some(Duration::from_secs(3)),
        budget: Duration::from_secs(600),
        seed: 7,
    }
}

/// A service that sends so many bytes a second, at so many nanoseconds of processor time for each byte
/// and so many microseconds for each delivery.
struct MadeUp {
    bytes_per_s: f64,
    engine_bytes_per_s: f64,
    /// Runs, from 0, at which the generator is late.
    late: Vec<usize>,
    /// Of a commit's bytes, what is delivered.
    delivered: f64,
    /// Of what is delivered, and of its cost, what is in the window.
    within: f64,
    /// Of what is offered, what is achieved.
    achieved: f64,
    fails_for: Option<&'static str>,
    /// The run, from 0, that has no result.
    fails_at: Option<usize>,
    elapsed: Duration,
    said: Vec<String>,
    ran: Vec<Scenario>,
}

const NS_PER_BYTE: f64 = 0.5;
const US_PER_DELIVERY: f64 = 3.0;

impl MadeUp {
    fn new(bytes_per_s: f64) -> Self {
        Self {
            bytes_per_s,
            engine_bytes_per_s: f64::INFINITY,
            late: Vec::new(),
            delivered: 1.0,
            within: 1.0,
            achieved: 1.0,
            fails_for: None,
            fails_at: None,
            elapsed: Duration::ZERO,
            said: Vec::new(),
            ran: Vec::new(),
        }
    }

    fn record(&self, scenario: &Scenario) -> Record {
        let mut record = Record::from_json(RECORD).unwrap();
        let window = scenario.window();
        let window_s = (window.end - window.start).as_secs_f64();
        let schedule = Schedule::plan(scenario);
        let (mut deliveries, mut bytes, mut offered_bytes) = (0_u64, 0_u64, 0_u64);
        let mut classes = Vec::new();
        for (index, class) in (0_u32..).zip(&scenario.groups) {
            let (mut messages, mut commits) = (Series::default(), Series::default());
            let (mut all, mut commit_bytes) = (Series::default(), 0.0);
            let due = schedule.of_group(index).filter(|op| window.contains(&op.intended));
            for operation in due {
                let length = length(class, operation) as u64;
                let fanned_out = length * u64::from(class.members);
                deliveries += u64::from(class.members);
                bytes += fanned_out;
                offered_bytes += fanned_out;
                let took = Duration::from_secs_f64(fanned_out as f64 / self.bytes_per_s);
                all.record(Duration::ZERO, took);
                let of = if operation.kind == OperationKind::Commit {
                    commit_bytes += fanned_out as f64 * self.delivered;
                    &mut commits
                } else {
                    &mut messages
                };
                of.record(Duration::ZERO, took);
            }
            classes.push(ClassRecord {
                name: class.name.clone(),
                suite: class.suite.name().to_owned(),
                welcome_suite: None,
                members: class.members,
                commit_response: distribution(&commits),
                commit_fanout_last: distribution(&commits),
                fanout_last: distribution(&all),
                commit_deliveries: commits.count() * u64::from(class.members),
                commit_delivered_bytes: Duration::from_secs_f64(commit_bytes).as_secs(),
                ..record.classes[0].clone()
            });
        }
        let too_much = offered_bytes as f64 > self.engine_bytes_per_s * window_s;
        let limited = too_much || self.late.contains(&(self.ran.len() - 1));
        record.verdict = Verdict {
            status: if limited { Status::Invalid } else { Status::Valid },
            reasons: if limited {
                vec!["the generator was the limit".to_owned()]
            } else {
                Vec::new()
            },
            generator_limited: limited,
        };
        record.classes = classes;
        record.thresholds = Vec::new();
        record.phases = Vec::new();
        let cpu = bytes as f64 * NS_PER_BYTE / 1e3 + deliveries as f64 * US_PER_DELIVERY;
        let cpu = cpu * self.within;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
        let deliveries = (deliveries as f64 * self.within) as u64;
        record.server = Some(ServerUse {
            cpu_us: Duration::from_secs_f64(cpu / 1e6).as_micros().try_into().unwrap(),
            deliveries,
            cpu_us_per_delivery: Some(cpu / deliveries as f64),
            ..record.server.unwrap()
        });
        let offered = scenario.offered_per_second();
        record.throughput.offered_per_s = offered;
        record.throughput.operations_per_s = offered * self.achieved;
        record.throughput.window_s = window_s;
        record.throughput.delivered_bytes_per_s = bytes as f64 / window_s;
        record
    }
}

fn length(class: &Class, operation: &Operation) -> usize {
    let lengths = class.suite.lengths();
    match operation.kind {
        OperationKind::Application { bytes } => {
            size::application_message(&lengths, 32, bytes as usize)
        }
        _ => crate::mls::Dimensions {
            lengths,
            group_id: 32,
            identity: size::IDENTITY_BYTES,
            members: class.members,
            tree: class.tree,
            handshake: class.handshake,
        }
        // Nobody comes or goes: a member sits at the leaf of its number.
        .update_commit(operation.sender),
    }
}

fn distribution(of: &Series) -> Distribution {
    use base64::Engine as _;
    Distribution {
        count: of.count(),
        p50: of.quantile_us(0.5),
        p99: of.quantile_us(0.99),
        max: of.max_us(),
        histogram: base64::engine::general_purpose::STANDARD.encode(of.to_bytes()),
        ..Distribution::default()
    }
}

impl Trials for MadeUp {
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
        self.elapsed += scenario.offered();
        self.ran.push(scenario.clone());
        if self.fails_at == Some(self.ran.len() - 1) {
            return Err(TrialError("no socket was left".to_owned()));
        }
        match self.fails_for {
            Some(name) if scenario.groups[0].suite.name() == name => {
                Err(TrialError("no socket was left".to_owned()))
            }
            _ => Ok(self.record(&scenario)),
        }
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

fn measured(question: &Question, mut service: MadeUp) -> (ServingResult, MadeUp) {
    let result = measure(question, &mut service);
    (result, service)
}

fn row<'a>(of: &'a ServingResult, name: &str, members: u32) -> &'a ServingRow {
    of.rows.iter().find(|row| row.name.starts_with(name) && row.members == members).unwrap()
}

#[test]
fn a_row_gives_back_what_the_service_was_made_to_cost() {
    let (result, _) = measured(&Question { trial: None, ..question() }, MadeUp::new(1e9));
    for row in &result.rows {
        let bytes = row.commit_bytes;
        let each = bytes * NS_PER_BYTE / 1e3 + US_PER_DELIVERY;
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.02;
        let cpu = row.cpu_us_per_commit_delivery.unwrap().median;
        assert!(near(cpu, each), "{} {}: {cpu} {each}", row.name, row.members);
        let whole = row.cpu_us_per_commit.unwrap().median;
        assert!(near(whole, each * f64::from(row.members)), "{whole}");
        let took = row.fanout_bytes_per_commit / 1e9 * 1e6;
        assert!(near(row.commit_last.p50 as f64, took.max(1.0)) || took < 100.0, "{took} {row:?}");
        assert!(row.commit_last.count >= 6, "three a window, two rounds");
        assert_eq!(
            row.delivered_bytes_per_commit.map(f64::round),
            Some(row.fanout_bytes_per_commit)
        );
        assert!(row.is_sound(), "{:?}", row.spoiled);
        assert!(row.message_last_alone.count > 0 && row.message_last_beside.count > 0);
        assert!(row.message_last_beside.max < row.commit_last.p50, "commits are no messages");
        assert_eq!((row.status.as_str(), row.valid, row.trials.len()), ("valid", 4, 4));
    }
    let text = csv(&result);
    let columns = |line: &str| line.split(',').count();
    assert_eq!(text.lines().count(), 1 + result.rows.len());
    assert!(
        text.lines().all(|line| columns(line) == columns(text.lines().next().unwrap())),
        "{text}"
    );
}

#[test]
fn a_suite_whose_runs_fail_is_said_and_the_others_go_on() {
    let service = MadeUp { fails_for: Some("xwing-aes128-ed25519"), ..MadeUp::new(1e9) };
    let (result, _) = measured(&question(), service);
    let failed = row(&result, "xwing", 1_000);
    assert_eq!((failed.status.as_str(), failed.valid), ("failed", 0));
    assert_eq!(failed.reasons, ["no socket was left"]);
    assert_eq!(failed.cpu_us_per_commit, None);
    assert_eq!(failed.saturation.as_ref().unwrap().conclusion, "failed");
    assert_eq!(row(&result, "mlkem1024", 1_000).status, "valid");
    let text = render(result, 100);
    assert!(
        text.contains("! xwing-aes128-ed25519 at 1,000: FAILED, 0 of 4 runs valid\n  no socket"),
        "{text}"
    );
}

/// Every row of a service is spoiled, for a reason that says so.
fn spoils(service: MadeUp, why: &str) {
    let alone = Question { members: vec![1_000], trial: None, ..question() };
    let (result, _) = measured(&alone, service);
    let row = row(&result, "mlkem1024", 1_000);
    assert_eq!((row.status.as_str(), row.valid, row.is_sound()), ("valid", 4, false));
    assert!(row.spoiled.iter().any(|reason| reason.contains(why)), "{:?}", row.spoiled);
    let text = render(result, 100);
    let told = "! mlkem1024-aes256-mldsa87 at 1,000: VALID, not steady or not as stated";
    assert!(text.contains(told) && text.contains(why), "{text}");
    assert!(text.contains("\n! mlkem1024-aes256-mldsa87"), "{text}");
}

#[test]
fn a_load_that_is_not_steady_spoils_its_row() {
    spoils(MadeUp { achieved: 0.98, ..MadeUp::new(1e9) }, "not steady: ");
    // 1.66 GB take 16.6 s, of intervals of 30 s.
    spoils(
        MadeUp::new(1e8),
        "not steady: a commit had its last member after 16.6 s, 15.0 s allowed",
    );
}

#[test]
fn commits_that_are_not_as_large_as_stated_spoil_their_row() {
    let service = MadeUp { delivered: 0.72, ..MadeUp::new(1e9) };
    spoils(service, "1,197,918,000 bytes of a commit were delivered, 1,663,775,000 are stated");
    let close = MadeUp { delivered: 0.995, ..MadeUp::new(1e9) };
    let (result, _) = measured(&Question { trial: None, ..question() }, close);
    assert!(result.rows.iter().all(ServingRow::is_sound));
}

/// One suite in a small group, without a search.
fn alone() -> Question {
    let contenders = question().contenders[..1].to_vec();
    Question { contenders, members: vec![10], trial: None, ..question() }
}

#[test]
fn a_run_that_the_generator_was_late_for_is_made_again_twice_at_most() {
    let asked = alone();
    let (result, service) = measured(&asked, MadeUp { late: vec![1], ..MadeUp::new(1e9) });
    let one = &result.rows[0];
    assert_eq!((service.ran.len(), one.trials.len(), one.counted().count()), (5, 5, 4));
    assert_eq!(service.ran[1], service.ran[2]);
    assert_eq!((one.status.as_str(), one.valid, one.reasons.len()), ("valid", 4, 0));
    let marks: Vec<_> =
        one.trials.iter().map(|trial| (trial.place, trial.replaced, trial.again)).collect();
    assert_eq!(marks[1..3], [(2, true, false), (3, false, true)]);
    assert!(render(result, 100).contains("1 run was made again, since"));
    let (result, service) = measured(&asked, MadeUp { late: vec![1, 2], ..MadeUp::new(1e9) });
    let one = &result.rows[0];
    assert_eq!((service.ran.len(), one.status.as_str(), one.valid), (6, "valid", 4));
    let marks: Vec<_> =
        one.trials.iter().map(|trial| (trial.place, trial.replaced, trial.again)).collect();
    assert_eq!(marks[1..4], [(2, true, false), (3, true, true), (4, false, true)]);
    // And no more than that: what is late again is late.
    let (result, service) = measured(&asked, MadeUp { late: vec![1, 2, 3], ..MadeUp::new(1e9) });
    let one = &result.rows[0];
    assert_eq!((service.ran.len(), one.status.as_str(), one.valid), (6, "invalid", 3));
    assert_eq!(one.reasons, ["the generator was the limit"]);
}

#[test]
fn figures_of_runs_of_which_none_is_valid_are_marked() {
    let asked = Question { rounds: 1, ..alone() };
    let (result, service) = measured(&asked, MadeUp { late: vec![0, 1, 2], ..MadeUp::new(1e9) });
    let late =
        if service.ran[0].groups[0].commits.is_zero() { Traffic::Messages } else { Traffic::Both };
    let one = &result.rows[0];
    assert!(one.none_is_valid(late.name()));
    assert!(![Traffic::Messages, Traffic::Both].iter().all(|of| one.none_is_valid(of.name())));
    assert!(one.cpu_us_per_commit.is_some(), "of what there is");
    let text = render(result, 100);
    assert!(text.contains("* after a figure: of all its runs"), "{text}");
    // What a commit costs takes runs of both kinds.
    let cpu = text.lines().find(|line| line.starts_with("! x25519")).unwrap();
    assert!(cpu.contains("us* ") || cpu.contains("ms* "), "{cpu}");
}

fn campaign(result: ServingResult) -> CampaignRecord {
    CampaignRecord {
        schema_version: SCHEMA_VERSION,
        provenance: Provenance::default(),
        outcome: CampaignOutcome::ServeCost(result),
    }
}

fn render(result: ServingResult, width: u16) -> String {
    text::render(&campaign(result), Path::new("folder"), Look { width, colour: false })
}

#[test]
fn a_comparison_reads_back_and_is_shown_within_a_hundred_columns() {
    let contenders = [&question().contenders[..], &[pattern("combiner:4"), pattern("welcome")]];
    let question = Question { contenders: contenders.concat(), ..question() };
    let (result, _) = measured(&question, MadeUp::new(1e9));
    let record = campaign(result.clone());
    assert!(record.to_json().contains("\"kind\": \"serve_cost\""));
    assert_eq!(CampaignRecord::from_json(&record.to_json()).unwrap(), record);
    let text = render(result, 100);
    let told = text.lines().filter(|line| !line.starts_with("from "));
    let widest = told.map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest}: {text}");
    for told in
        ["1,000 members, fresh tree, over x25519", "pattern, modelled", "A rate is sustained if"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    let page = page::render(&record);
    assert_eq!(sound::faults(&page), Vec::<String>::new());
    for told in [
        "(pattern, modelled)",
        "Commits a second to saturation",
        "Commits a second by processor time alone",
        "in the post-quantum group: count, p50, longest",
        "log scale",
    ] {
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn a_server_that_was_up_is_told() {
    let (own, _) = measured(&alone(), MadeUp::new(1e9));
    let other = ServingResult { elsewhere: true, ..own.clone() };
    let told = |of| render(of, 100).contains("The server was one that was up");
    assert_eq!((told(own), told(other)), (false, true));
}

#[test]
fn every_field_is_explained() {
    let (result, _) = measured(&question(), MadeUp::new(1e9));
    let readme = include_str!("../../../results/README.md");
    let (_, part) = readme
        .split_once("## campaign.json of `stentor suites serve-cost`")
        .expect("it has a part of its own");
    let json = serde_json::to_value(&result).unwrap();
    let mut fields = Vec::new();
    // Those of a run in short the record of every campaign has.
    collect(&json, &["run", "searched"], &mut fields);
    let missing = fields.iter().filter(|field| !part.contains(&format!("`{field}`")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}
