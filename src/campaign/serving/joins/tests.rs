//! Joins on a service that is made up, and on the tapes that runs of them play.

use proptest::prelude::*;

use super::*;
use crate::campaign::serving::record::ServingResult;
use crate::load::schedule::{OperationKind, Schedule};
use crate::load::traffic::Draft;
use crate::mls::size::pattern::Deployment;
use crate::mls::{Suite, TreeState};
use crate::report::joins::{JoinsRecord, WelcomedRecord};
use crate::report::record::ServerUse;
use crate::report::summary::Look;
use crate::report::tests::collect;

const RECORD: &str = include_str!("../../../../results/reference/fanout-1k/run.json");

fn suite(name: &str) -> Suite {
    Suite::named(name).unwrap()
}

fn pattern(text: &str) -> Contender {
    Contender::Pattern(Deployment::parse(text, suite("x25519-aes128-ed25519")).unwrap())
}

fn question(contenders: &[Contender]) -> Question {
    Question {
        contenders: contenders.to_vec(),
        members: vec![10, 100],
        tree: TreeState::Fresh,
        key_exchange: "x25519".to_owned(),
        commits_per_min: None,
        rounds: 3,
        measure: Duration::from_secs(3),
        trial: None,
        budget: Duration::ZERO,
        seed: 7,
    }
}

/// A service whose joins take a millisecond of processor time, and twice that by the pattern; the run
/// with the number `late` says nothing of it, and that with `lost` has no result.
#[derive(Default)]
struct MadeUp {
    late: Option<usize>,
    lost: Option<usize>,
    /// How many bytes longer its Welcomes are than the model says.
    longer: u64,
    /// Whether it does half of what it is asked for.
    overloaded: bool,
    ran: Vec<Scenario>,
}

impl Trials for MadeUp {
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
        let number = self.ran.len();
        self.ran.push(scenario.clone());
        if self.lost == Some(number) {
            return Err(TrialError("the server did not start".to_owned()));
        }
        let (window, schedule) = (scenario.window(), Schedule::plan(&scenario));
        let due = schedule.of_group(0).filter(|of| window.contains(&of.intended)).count() as u64;
        let pattern = u64::from(scenario.groups[0].welcome.is_some());
        let mut record = Record::from_json(RECORD).unwrap();
        let late = self.late == Some(number);
        record.verdict.status = if late { Status::Invalid } else { Status::Valid };
        record.verdict.generator_limited = late;
        record.throughput.offered_per_s = 10.0;
        record.throughput.operations_per_s = if self.overloaded { 5.0 } else { 10.0 };
        record.classes[0].commit_response.count = due;
        (record.classes[0].commit_deliveries, record.classes[0].commit_delivered_bytes) =
            (due * 10, due * 10 * (1_700 + 1_185 * pattern));
        let welcomed = WelcomedRecord {
            class: GROUP.to_owned(),
            key_packages: due,
            key_package_bytes: due * (308 + 1_185 * pattern),
            welcomes: due,
            welcome_bytes: due * (394 + 1_089 * pattern + self.longer),
            ..WelcomedRecord::default()
        };
        record.joins = Some(JoinsRecord { welcomed: vec![welcomed], ..JoinsRecord::default() });
        let cpu_us = due * 1_000 * (1 + pattern);
        record.server = Some(ServerUse { cpu_us, ..record.server.unwrap() });
        Ok(record)
    }

    fn say(&mut self, _: &str) {}

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn welcome() -> Question {
    question(&[Contender::Suite(suite("xwing-aes128-ed25519")), pattern("welcome")])
}

#[test]
fn joins_are_loaded_of_a_welcome_that_is_asked_for_and_of_its_classical_suite() {
    let deployment = Deployment::parse("welcome", suite("x25519-aes128-ed25519")).unwrap();
    let modelled = question(&[Contender::Modelled(deployment)]);
    assert_eq!((modelled.joining(), modelled.joins_length()), (Vec::new(), Duration::ZERO));
    assert_eq!(question(&[pattern("combiner:4")]).joining(), Vec::new());
    let names: Vec<_> = welcome().joining().iter().map(|(one, of)| (one.name(), *of)).collect();
    let [plain, opened] = ["x25519-aes128-ed25519", "welcome:xwing-aes128-ed25519"];
    let expected = [(plain, 10), (opened, 10), (plain, 100), (opened, 100)];
    assert_eq!(names, expected.map(|(name, of)| (name.to_owned(), of)));
    assert!(measure(&modelled, &mut MadeUp::default()).is_empty());
}

#[test]
fn every_operation_of_such_a_run_lets_somebody_in_and_both_have_the_same_instants() {
    let question = welcome();
    question.check_joins().unwrap();
    let of = |(contender, members): (Contender, u32)| {
        let scenario = question.joins_scenario(&contender, members).unwrap();
        let schedule = Schedule::plan(&scenario);
        let adds = schedule.operations().iter();
        let due: Vec<_> =
            adds.map(|of| (of.intended, matches!(of.kind, OperationKind::Add { .. }))).collect();
        assert!(due.iter().all(|(_, adds)| *adds), "{members}");
        let window = scenario.window();
        let measured = due.iter().filter(|(at, _)| window.contains(at)).count();
        assert!(measured >= SERVING_JOINS_MIN as usize, "{measured} at {members}");
        assert_eq!(scenario.groups[0].welcome.is_some(), contender.deployment().is_some());
        // The first finds the group as it is stated, and its commit has the bytes that are modelled.
        let plan = Draft::of(scenario).prepare(None, &|_| ()).unwrap();
        let (first, objects) = (&plan.traffic[0], question.objects(&contender, members));
        let message = first.message(0).unwrap();
        assert_eq!(message.body.len(), objects.add_commit, "{}", contender.name());
        assert_eq!(message.effect.as_ref().unwrap().welcome.len(), objects.welcome);
        assert_eq!(first.joins()[0].key_package.len(), objects.key_package);
        due
    };
    for pair in question.joining().chunks(2) {
        assert_eq!(of(pair[0]), of(pair[1]));
    }
}

#[test]
fn a_row_has_what_came_and_what_the_service_spent_on_one_join() {
    let question = welcome();
    let mut service = MadeUp::default();
    let rows = measure(&question, &mut service);
    assert_eq!((rows.len(), service.ran.len()), (4, 12));
    let [plain, opened] = [&rows[2], &rows[3]];
    assert_eq!((plain.pattern, opened.pattern, opened.members), (false, true, 100));
    assert!(rows.iter().all(|row| row.is_sound() && row.valid == 3 && row.joins > 24));
    assert_eq!(plain.joins, opened.joins);
    assert_eq!((plain.welcome_bytes, opened.welcome_bytes), (Some(394.0), Some(1_483.0)));
    assert_eq!((plain.key_package_bytes, opened.key_package_bytes), (Some(308.0), Some(1_493.0)));
    assert_eq!((plain.add_commit_bytes, opened.add_commit_bytes), (Some(1_700.0), Some(2_885.0)));
    assert_eq!(plain.cpu_us_per_join.unwrap().median, 1_000.0);
    assert_eq!(opened.cpu_us_per_join.unwrap().max, 2_000.0);
    // Both take turns, not one after the other.
    let turns: Vec<bool> = service.ran.iter().map(|of| of.groups[0].welcome.is_some()).collect();
    assert!(turns.windows(2).filter(|pair| pair[0] != pair[1]).count() > 2, "{turns:?}");
    let result = ServingResult { rounds: 3, joins: rows, ..ServingResult::default() };
    let text = crate::campaign::serving::render(&result, Look::default());
    for says in ["joins at 100 members, 240 a minute; medians", "welcome (modelled)", "1.48 kB"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(text.lines().all(|line| !line.starts_with("8-ed25519")), "no name is broken: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn joins_that_were_not_steady_or_not_as_long_as_is_stated_do_not_count() {
    for (mut service, says) in [
        (MadeUp { longer: 16, ..MadeUp::default() }, "not as stated: Welcomes had 410 bytes, 394"),
        (MadeUp { overloaded: true, ..MadeUp::default() }, "not steady: 5.00 of 10.0 operations/s"),
    ] {
        let rows = measure(&welcome(), &mut service);
        assert!(rows.iter().all(|row| row.status == "valid" && !row.is_sound()), "{says}");
        assert!(rows[0].spoiled[0].starts_with(says), "{:?}", rows[0].spoiled);
        let told = crate::campaign::serving::joined::reading(&rows).unwrap();
        assert!(told.contains("NOT STEADY OR NOT AS STATED") && told.contains(says), "{told}");
        let result = ServingResult { joins: rows, ..ServingResult::default() };
        assert_eq!((result.verdict(), result.sound()), (Status::Invalid, (0, 4)));
    }
}

#[test]
fn every_field_of_a_join_is_explained() {
    let readme = include_str!("../../../../results/README.md");
    let part = readme.split_once("## campaign.json of `stentor suites serve-cost`").unwrap().1;
    let part = part.split_once("\n## ").unwrap().0;
    let result = ServingResult { joins: vec![JoinRow::default()], ..ServingResult::default() };
    let mut fields = Vec::new();
    collect(&serde_json::to_value(&result).unwrap(), &[], &mut fields);
    let missing = fields.iter().filter(|field| !part.contains(&format!("`{field}`")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_run_that_says_nothing_is_made_again_and_one_without_a_result_is_told() {
    let question = welcome();
    let mut service = MadeUp { late: Some(4), lost: Some(7), ..MadeUp::default() };
    let rows = measure(&question, &mut service);
    assert_eq!(service.ran.len(), 13);
    assert_eq!(rows.iter().map(|row| row.again).sum::<u32>(), 1);
    let failed: Vec<&JoinRow> = rows.iter().filter(|row| !row.is_sound()).collect();
    assert_eq!((failed.len(), failed[0].status.as_str(), failed[0].valid), (1, "failed", 2));
    let told = crate::campaign::serving::joined::reading(&rows).unwrap();
    assert!(told.contains("FAILED\n  the server did not start"), "{told}");
}

proptest! {
    #[test]
    fn joins_at_any_size_and_rate_are_a_scenario_whose_roster_has_room(
        members in 2_u32..=crate::limits::SERVING_MEMBERS_MAX,
        per_min in prop::option::of(0.5_f64..600.0),
        merged: bool,
    ) {
        let tree = if merged { TreeState::Merged } else { TreeState::Fresh };
        let asked = Question { members: vec![members], commits_per_min: per_min, tree, ..welcome() };
        prop_assert_eq!(asked.check_joins(), Ok(()));
        let scenario = asked.joins_scenario(&pattern("welcome"), members).unwrap();
        let due = scenario.offered().as_secs_f64() * scenario.groups[0].rate.as_per_second();
        prop_assert!(f64::from(scenario.groups[0].joiners) >= due, "{} {}", due, members);
    }
}
