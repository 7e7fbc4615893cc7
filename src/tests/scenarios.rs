//! Every scenario of the repository, scaled down and run: the whole path in one process.
//!
//! A run on a noisy machine may be late, which is no fault of the code; nothing else may be wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::delivery::GroupId;
use crate::load::contention::{Policy, Tally};
use crate::load::forecast::Forecast;
use crate::load::intervals::{Interval, Metric};
use crate::load::population::Population;
use crate::load::run::{Options, Watch};
use crate::load::scenario::{Class, Scenario, Source};
use crate::load::setup::{SetupError, Stage};
use crate::load::timetable::Timetable;
use crate::load::traffic::{Draft, Plan};
use crate::load::{Observer, Outcome, Progress, RunError, Target, run};
use crate::report::build::{EngineTotals, Finished, evidence, record};
use crate::report::provenance::Provenance;
use crate::report::record::Record;
use crate::report::verdict::{Evidence, Status};
use crate::tests::forecast;
use crate::tests::service::{Service, default_settings};

#[test]
fn every_scenario_of_the_repository_runs_without_a_fault_and_does_what_was_said_of_it() {
    let files = scenario_files();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let scenario = small(&file);
        let log = scenario.is_durable().then(|| TempDir::new().unwrap());
        let service = service_with(&scenario, log.as_ref());
        let draft = Draft::of(scenario.clone());
        let forecast = Forecast::of(&draft);
        let plan = draft.prepare(None, &|_| {}).unwrap();
        let connections = plan.population.connections();
        let (outcome, seen) = run_plan(&service, plan, false);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = outcome.unwrap();
        check(&name, &scenario, &outcome);
        forecast::hold(&name, &scenario, &forecast, &outcome);
        assert_eq!(forecast.connections, u64::from(connections), "{name}");
        let mut stages = vec![Stage::Connecting, Stage::Creating, Stage::Attaching];
        if scenario.groups.iter().any(|class| !class.mix.adds.is_zero()) {
            stages.insert(2, Stage::Publishing);
        }
        assert_eq!(seen.stages, stages, "{name}");
        let judges = |class: &Class| class.source == Source::Tape && class.real > 0;
        let judged = scenario.groups.iter().any(judges);
        assert_eq!(seen.verifying.is_some(), judged, "{name}: {seen:?}");
        assert!(seen.progress > 0, "{name}: {seen:?}");
    }
}

#[test]
fn a_scenario_runs_twice_in_a_row_on_a_server_of_any_number_of_shards() {
    let scenario = smoke();
    for shards in [1, 2, 4] {
        let service = Service::start(shards);
        for turn in ["first", "second"] {
            let outcome = run_on(&service, &scenario, false).0.unwrap();
            check(&format!("{turn} run on {shards} shards"), &scenario, &outcome);
        }
    }
}

#[test]
fn groups_that_a_crashed_run_left_are_named_and_deleted_on_demand() {
    let scenario = smoke();
    let mut service = Service::start(2);
    let left: GroupId =
        Draft::of(scenario.clone()).prepare(None, &|_| {}).unwrap().population.groups()[1].id;
    let member = service.join(1);
    service.create(member, left, &[1, 2]);
    match run_on(&service, &scenario, false).0 {
        Err(RunError::Setup(SetupError::GroupExists { group })) => assert_eq!(group, 1),
        other => panic!("{other:?}"),
    }
    let outcome = run_on(&service, &scenario, true).0.unwrap();
    check("after replacing", &scenario, &outcome);
}

/// Whether and when the service is found steady is the machine's to say; what follows is not.
#[test]
fn a_warm_up_until_steady_is_followed_by_a_window_as_long_as_was_asked_for() {
    let text = "why = \"\"\nexpect = \"\"\nseed = 1\ndrain = \"5s\"\n\
                [[phases]]\nkind = \"warm_up\"\nfor = \"14s\"\nuntil = \"steady\"\n\
                [[phases]]\nkind = \"measure\"\nfor = \"1s\"\n\
                [[groups]]\nname = \"even\"\ncount = 1\nmembers = 3\nrate = \"40/s\"\n\
                arrivals = \"even\"\nsource = \"synthetic\"\n";
    let scenario = Scenario::parse(text, "steady.toml").unwrap();
    let outcome = run_on(&Service::start(1), &scenario, false).0.unwrap();
    check_intervals("steady", &outcome);
    let measured = outcome.measured.clone();
    assert_eq!(measured.end - measured.start, Duration::from_secs(1));
    assert!(measured.start > Duration::from_secs(9) && measured.end <= scenario.offered());
    // Nothing is due after it, and what is due in it is measured.
    let due = Duration::as_secs_f64(&measured.end) * 40.0;
    assert!((outcome.called_for as f64 - due).abs() <= 1.0, "{} {due}", outcome.called_for);
    assert_eq!(outcome.recorder.response.count(), 40);
    let record = record_of(&scenario, &outcome);
    assert_eq!(record.phases[1].from_s, measured.start.as_secs_f64());
    assert_eq!(record.phases[1].response.count, 40);
    let at_its_longest = measured.start == scenario.window().start;
    let told = record.warnings.iter().any(|warning| warning.contains("its longest"));
    assert_eq!(told, at_its_longest, "{:?}", record.warnings);
}

/// A server as a run would start it.
pub(super) fn service_with(scenario: &Scenario, log: Option<&TempDir>) -> Service {
    let mut settings = default_settings(u16::try_from(scenario.shards).unwrap());
    if let Some(reservation) = scenario.reservation {
        settings.defence.reservation = reservation;
    }
    settings.log.folder = log.map(|folder| folder.path().join("log"));
    Service::with_settings(settings)
}

/// What a run said of itself.
#[derive(Debug, Default)]
pub(super) struct Seen {
    stages: Vec<Stage>,
    progress: usize,
    verifying: Option<()>,
}

impl Observer for Seen {
    fn progress(&mut self, _: Progress) {
        self.progress += 1;
    }

    fn server_ended(&mut self) -> Option<String> {
        None
    }
}

impl Watch for Seen {
    fn stage(&mut self, stage: Stage, done: u32, total: u32) {
        assert!(done <= total, "{stage:?}: {done} of {total}");
        if self.stages.last() != Some(&stage) {
            self.stages.push(stage);
        }
    }

    fn verifying(&mut self, _: u64) {
        self.verifying = Some(());
    }
}

pub(super) fn run_on(
    service: &Service,
    scenario: &Scenario,
    replace: bool,
) -> (Result<Outcome, RunError>, Seen) {
    let plan = Draft::of(scenario.clone()).prepare(None, &|_| {}).unwrap();
    run_plan(service, plan, replace)
}

pub(super) fn run_plan(
    service: &Service,
    plan: Plan,
    replace: bool,
) -> (Result<Outcome, RunError>, Seen) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let target = Target {
        addresses: service.addresses.clone(),
        fingerprint: service.trust.fingerprint,
        token_key: service.key.clone(),
    };
    let nonce = RUNS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut seen = Seen::default();
    let outcome = run(plan, &target, &Options { replace, cores: None, nonce }, &mut seen);
    (outcome, seen)
}

/// Nothing is wrong with a run, but for what a noisy machine does to its timing.
pub(super) fn check(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let counts = outcome.judgement.counts;
    let violations = &outcome.judgement.violations;
    assert_eq!(violations.total(), 0, "{name}: {:?}", violations.examples());
    assert!(counts.deliveries_expected > 0, "{name}: {counts:?}");
    assert_eq!(counts.deliveries, counts.deliveries_expected, "{name}");
    let accounted = counts.accepted + counts.rejected + counts.timed_out + counts.not_issued;
    assert_eq!(accounted, outcome.called_for, "{name}: {counts:?}");
    for (class, series) in scenario.groups.iter().zip(&outcome.recorder.classes) {
        let class_name = &class.name;
        assert!(series.response.count() > 0, "{name}: nothing of {class_name} was accepted");
        assert!(series.fanout_member.count() > 0, "{name}: nothing of {class_name} came");
        if class.spread.is_some() || !class.mix.is_empty() {
            // Their messages have as many recipients as their group has members then: see the counts.
            continue;
        }
        let ordered = series.response.count() * u64::from(class.members);
        let policy = class.contention.map(|contention| contention.policy);
        if matches!(policy, Some(Policy::Proposals { .. })) {
            // A commit serves several changes, and goes to every member once.
            let members = series.fanout_member.count();
            assert!(members < ordered && members % u64::from(class.members) == 0, "{name}");
            continue;
        }
        let gone = (class.away_members() + class.slow_members().len()) as u64;
        let of_those_present = ordered - series.response.count() * gone..=ordered;
        let members = series.fanout_member.count();
        assert!(of_those_present.contains(&members), "{name}: {class_name}: {members}");
        assert!(gone > 0 || members == ordered, "{name}: {class_name}: {members} of {ordered}");
    }
    check_achieved(name, scenario, outcome);
    check_returns(name, scenario, outcome);
    check_lags(name, scenario, outcome);
    check_intervals(name, outcome);
    check_joins(name, scenario, outcome);
    if scenario.groups.iter().any(|class| class.source == Source::Live) {
        assert!(counts.rejected_wrong_epoch > 0, "{name}: a race without a loser is none");
    }
    check_real_members(name, scenario, outcome);
    let verdict = record_of(scenario, outcome).verdict;
    let of_the_machine =
        |reason: &String| reason.starts_with("the generator was late") || reason.contains("Little");
    assert!(verdict.reasons.iter().all(of_the_machine), "{name}: {verdict:?}");
    assert_ne!(verdict.status, Status::Violated, "{name}");
}

/// What racers achieve is their changes, as their tally has them, and nothing beside those.
fn check_achieved(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let achieved = outcome.recorder.achieved;
    if scenario.groups.iter().all(|class| class.contention.is_some()) {
        let changes: u64 = outcome.tallies.iter().flatten().map(Tally::successes).sum();
        assert_eq!(achieved.accepted, changes, "{name}");
    }
    let races = scenario.groups.iter().any(|class| class.contention.is_some());
    assert!(races || achieved.accepted == achieved.ordered, "{name}: {achieved:?}");
}

/// Whoever went away is back, has everything, and paid what its scenario says.
fn check_returns(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let timetable = Timetable::of(scenario, &Population::of(scenario));
    let turns = timetable.moves().len() as u64 / 2;
    let Some(returns) = &outcome.returns else { return assert_eq!(turns, 0, "{name}") };
    // Only where somebody goes twice can a turn be skipped.
    let gone = turns - returns.skipped;
    let once =
        |class: &Class| class.away.len() < 2 && class.away.iter().all(|it| it.every.is_none());
    assert!(returns.skipped == 0 || !scenario.groups.iter().all(once), "{name}");
    assert_eq!((returns.away, returns.back, returns.caught_up), (gone, gone, gone), "{name}");
    assert_eq!((returns.resyncs, outcome.judgement.counts.excused), (0, 0), "{name}");
    let timed = [&returns.lateness, &returns.reconnect, &returns.catch_up];
    assert!(timed.iter().all(|series| series.count() == gone), "{name}: {timed:?}");
    let resumed = timetable.moves().iter().filter(|step| step.back && step.resumption).count();
    assert!(returns.skipped > 0 || returns.resumed == resumed as u64, "{name}: {returns:?}");
    for series in &outcome.recorder.classes {
        let of_periods: u64 = series.periods.iter().map(|of| of.response.count()).sum();
        assert_eq!(of_periods, series.response.count(), "{name}");
    }
}

/// Whoever is slow got everything too.
fn check_lags(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let all = scenario.groups.iter().zip(&outcome.lags).zip(&outcome.recorder.classes);
    for ((class, lag), series) in all {
        let Some(lag) = lag else {
            assert!(class.slow.is_none(), "{name}");
            continue;
        };
        assert_eq!((lag.resyncs, lag.closed), (0, 0), "{name}");
        let members = u64::from(class.count) * class.slow_members().len() as u64;
        assert!(class.spread.is_some() || lag.members == members, "{name}: {lag:?}");
        let each = series.response.count() * class.slow_members().len() as u64;
        assert!(class.spread.is_some() || lag.delay.count() == each, "{name}: {lag:?}");
    }
}

/// The slices of a run add up to it, and both sides are heard of in them.
fn check_intervals(name: &str, outcome: &Outcome) {
    let (intervals, counts) = (&outcome.intervals, outcome.judgement.counts);
    let sum = |of: fn(&Interval) -> u64| intervals.iter().map(of).sum::<u64>();
    let beside = outcome.tallies.iter().flatten().any(|of| of.overhead_bytes() > 0);
    // A change is one operation; what its racer submits beside commits is ordered too.
    let accepted = sum(|one| one.accepted);
    assert!(accepted == counts.accepted || beside && accepted < counts.accepted, "{name}");
    assert_eq!(sum(|one| one.deliveries), counts.deliveries, "{name}");
    assert_eq!(sum(|one| one.timed_out), counts.timed_out, "{name}");
    assert_eq!(sum(|one| one.not_issued), counts.not_issued, "{name}");
    let ended = sum(|one| one.accepted + one.rejected + one.timed_out + one.not_issued);
    assert_eq!(sum(|one| one.due), ended, "{name}");
    assert_eq!(intervals.last().unwrap().in_flight, 0, "{name}");
    let responses = sum(|one| one.of(Metric::Response).count);
    assert!(responses >= outcome.recorder.response.count(), "{name}");
    assert!(sum(|one| one.engine_cpu_us) > 0, "{name}");
    let heard = intervals.iter().filter(|one| one.server_cpu_us.is_some()).count();
    assert!(heard > 0, "{name}: {intervals:?}");
    assert!(intervals.windows(2).all(|pair| pair[0].to == pair[1].from), "{name}");
}

/// Whoever was let in is in, and somebody was where anybody should be.
fn check_joins(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let changes = scenario.groups.iter().any(|class| !class.mix.is_empty());
    let Some(joins) = &outcome.joins else { return assert!(!changes, "{name}: nobody came") };
    assert_eq!(joins.failed.examples, Vec::<String>::new(), "{name}");
    assert_eq!(joins.joined, joins.let_in, "{name}: {joins:?}");
    let lets_in = scenario.groups.iter().any(|class| class.mix.lets_in());
    assert_eq!(joins.let_in > 0, lets_in, "{name}");
}

fn check_real_members(name: &str, scenario: &Scenario, outcome: &Outcome) {
    let verified = &outcome.verified;
    assert_eq!(verified.faults, Vec::<String>::new(), "{name}");
    assert!(!verified.overflowed, "{name}");
    let population = Population::of(scenario);
    let real = |group: usize| u64::from(population.class(group).real);
    let joiners = |group: usize| population.class(group).real_joiners().len() as u64;
    let at_start: u64 = (0..population.groups().len()).map(real).sum();
    let at_most = at_start + (0..population.groups().len()).map(joiners).sum::<u64>();
    assert!((at_start..=at_most).contains(&verified.members), "{name}: {verified:?}");
    let with_openmls = scenario.groups.iter().any(|class| class.real > 0);
    assert_eq!(verified.messages > 0, with_openmls, "{name}");
}

pub(super) fn record_of(scenario: &Scenario, outcome: &Outcome) -> Record {
    record(finished(scenario, outcome))
}

pub(super) fn evidence_of(scenario: &Scenario, outcome: &Outcome) -> Evidence {
    evidence(&finished(scenario, outcome))
}

fn finished<'a>(scenario: &'a Scenario, outcome: &'a Outcome) -> Finished<'a> {
    let provenance = Provenance::of_scenario(scenario, "test", "");
    let floor = Err("not asked for".to_owned());
    Finished::of(scenario, outcome, (None, EngineTotals::default()), floor, provenance)
}

fn smoke() -> Scenario {
    small(&folder().join("smoke.toml"))
}

pub(super) fn small(file: &Path) -> Scenario {
    let text = fs::read_to_string(file).unwrap();
    let mut trace =
        |name: &str| fs::read_to_string(folder().join(name)).map_err(|error| error.to_string());
    let scenario = Scenario::parse_with(&text, &file.display().to_string(), &mut trace);
    let mut small = scenario.unwrap().scaled_down();
    // It ends as soon as nothing is owed; live members on a busy machine owe for longer.
    small.drain = Duration::from_secs(60);
    // And are too slow for its thresholds, of which none may cut it short here.
    small.thresholds.iter_mut().for_each(|threshold| threshold.abort = false);
    small
}

pub(super) fn scenario_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "toml")).collect();
    files.sort();
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}
