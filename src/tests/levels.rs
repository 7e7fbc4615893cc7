//! Runs that ask for durable groups, and for groups whose handshakes are looked at.

use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::scenarios::{check, run_on, run_plan, service_with};
use crate::delivery::{DeviceId, Durability, Kind, Level};
use crate::limits::BULK_ADD_MAX;
use crate::load::scenario::Scenario;
use crate::load::setup::SetupError;
use crate::load::traffic::{Draft, Plan, Traffic};
use crate::load::{Outcome, RunError};
use crate::tests::service::{Service, default_settings};
use crate::validation::{self, State};

const SMALL: &str = r#"
why = "to test"
expect = "verdict valid"
seed = 5
durations = { warm_up = "100ms", measure = "1s", drain = "60s" }

[[groups]]
name = "few"
count = 2
members = 6
rate = "20/s"
commits = "30%"
"#;

/// Bytes of the header before the sender's leaf: version, wire format, a group id of 32 bytes,
/// the epoch, the type of sender (RFC 9420 §6).
const LEAF_AT: usize = 4 + 33 + 8 + 1;

fn small(line: &str) -> Scenario {
    Scenario::parse(&format!("{SMALL}{line}\n"), "small.toml").unwrap()
}

#[test]
fn a_durable_class_runs_on_a_server_with_a_log_and_is_refused_in_words_by_one_without() {
    let scenario = small("durability = \"wal\"");
    let folder = TempDir::new().unwrap();
    let logging = service_with(&scenario, Some(&folder));
    check("durable", &scenario, &run_on(&logging, &scenario, false).0.unwrap());
    let forgetful = service_with(&scenario, None);
    let refused = run_on(&forgetful, &scenario, false).0.unwrap_err();
    assert!(
        matches!(&refused, RunError::Setup(SetupError::NotDurable { class }) if class == "few"),
        "{refused:?}"
    );
    let told = refused.to_string();
    assert!(told.contains("--log FOLDER") && told.contains("--durability none"), "{told}");
    let mut plain = scenario;
    plain.groups[0].durability = Durability::None;
    check("plain", &plain, &run_on(&forgetful, &plain, false).0.unwrap());
}

#[test]
fn what_a_class_says_of_durability_holds_on_a_server_that_is_set_otherwise() {
    for (line, logged) in [("durability = \"none\"", false), ("durability = \"wal\"", true)] {
        let (scenario, folder) = (small(line), TempDir::new().unwrap());
        let start = || {
            let mut settings = default_settings(1);
            settings.log.folder = Some(folder.path().join("log"));
            settings.log.durability = if logged { Durability::None } else { Durability::Wal };
            Service::with_settings(settings)
        };
        run_on(&start(), &scenario, false).0.unwrap();
        let again = start();
        let recovered = again.server.as_ref().unwrap().recovered();
        assert_eq!(recovered.records > 0, logged, "{line}: {recovered:?}");
    }
}

#[test]
fn members_that_acknowledge_leave_a_trace_in_the_log_and_none_in_what_is_delivered() {
    let [silent, telling] = ["", "acknowledge = 2"].map(|line| {
        let scenario = small(&format!("durability = \"wal\"\narrivals = \"even\"\n{line}"));
        let folder = TempDir::new().unwrap();
        let outcome = run_on(&service_with(&scenario, Some(&folder)), &scenario, false).0.unwrap();
        check(line, &scenario, &outcome);
        let again = service_with(&scenario, Some(&folder));
        (again.server.as_ref().unwrap().recovered().records, outcome.judgement.counts.accepted)
    });
    assert_eq!(silent.1, telling.1);
    // Six members each, every second message; the last may come when the groups are gone.
    let acknowledged = telling.0 - silent.0;
    let most = telling.1 * 6 / 2;
    assert!((most / 2..=most).contains(&acknowledged), "{silent:?} {telling:?}");
}

#[test]
fn groups_of_every_level_race_and_talk_without_a_fault() {
    for level in Level::ALL.map(Level::name) {
        for source in ["tape", "live"] {
            let commits = if source == "live" { "" } else { "commits = \"50%\"\n" };
            let lines = format!("source = \"{source}\"\nvalidation = \"{level}\"");
            let text = SMALL.replace("commits = \"30%\"\n", commits);
            let scenario = Scenario::parse(&format!("{text}{lines}\n"), "small.toml").unwrap();
            let service = service_with(&scenario, None);
            let outcome = run_on(&service, &scenario, false).0.unwrap();
            check(&format!("{source} at {level}"), &scenario, &outcome);
        }
    }
}

/// It is filled in parts, and its joiners take the seats of others.
#[test]
fn a_group_too_large_for_one_commit_is_founded_by_the_leaves_that_its_tape_names() {
    let text = SMALL.replace("count = 2", "count = 1\nsenders = 2\nreal = 2");
    let members = format!("members = {}", BULK_ADD_MAX + 2);
    let text = text.replace("members = 6", &members) + "validation = \"public\"\n";
    let text = text.replace("\"20/s\"", "\"2/s\"");
    let scenario = Scenario::parse(&text, "large.toml").unwrap();
    let plan = Draft::of(scenario).prepare(None, &|_| {}).unwrap();
    let (group, founding) = (&plan.population.groups()[0], plan.traffic[0].founding());
    let device = |member: &u32| plan.population.device(group, *member);
    let roster: Vec<DeviceId> = founding.by_leaf.iter().map(device).collect();
    let told = validation::Founding {
        group: group.id,
        epoch: plan.traffic[0].epoch(),
        roster: &roster,
        group_info: Some(&founding.group_info),
        tree: Some(&founding.tree),
    };
    assert_eq!(State::found(Level::Public, &told).unwrap().level(), Level::Public);
}

#[test]
fn a_commit_from_another_leaf_is_refused_by_name_wherever_anybody_looks() {
    for level in Level::ALL {
        let mut scenario = small(&format!("real = 0\nvalidation = \"{}\"", level.name()));
        scenario.drain = Duration::from_secs(1);
        let mut plan = Draft::of(scenario.clone()).prepare(None, &|_| {}).unwrap();
        forge(&mut plan);
        let service = service_with(&scenario, None);
        let outcome: Outcome = run_plan(&service, plan, false).0.unwrap();
        let refused = outcome.refusals.get("invalid_check_5").copied().unwrap_or_default();
        assert_eq!(refused, u64::from(level != Level::Opaque), "{level:?}: {:?}", outcome.refusals);
    }
}

/// Makes the last commit of the first group say that another leaf has sent it.
fn forge(plan: &mut Plan) {
    let Traffic::Tape(tape) = &mut plan.traffic[0] else { panic!("not a tape") };
    let commits = tape.messages.iter_mut().filter(|message| message.kind == Kind::Commit);
    let last = commits.last().expect("a tape with commits");
    let mut body = last.body.to_vec();
    body[LEAF_AT + 3] ^= 1;
    last.body = Bytes::from(body);
}
