//! Groups that change inside a run, end to end, at every level that takes it.

use std::time::Duration;

use bytes::Bytes;

use super::scenarios::{check, record_of, run_on, run_plan, service_with};
use crate::delivery::Kind;
use crate::load::scenario::Scenario;
use crate::load::setup::SetupError;
use crate::load::traffic::{Draft, Plan, Traffic};
use crate::load::{Outcome, RunError};
use crate::report::verdict::Status;

const CHURN: &str = r#"
why = "to test"
expect = "verdict valid"
seed = 5
durations = { warm_up = "100ms", measure = "2s", drain = "60s" }

[[groups]]
name = "changing"
count = 2
members = 6
senders = 2
joiners = 4
rate = "40/s"
commits = "5%"
"#;

fn scenario(lines: &str) -> Scenario {
    Scenario::parse(&format!("{CHURN}{lines}\n"), "churn.toml").unwrap()
}

const WELCOMES: &str =
    "mix = { adds = \"15%\", removes = \"10%\", proposals = \"10%\", leaves = \"5%\" }";
const EXTERNAL: &str = "mix = { adds = \"5%\", removes = \"10%\", proposals = \"5%\", \
                        leaves = \"5%\", external_joins = \"15%\" }";

#[test]
fn who_is_added_reads_on_and_who_is_removed_gets_nothing_more_at_every_level() {
    for level in ["opaque", "header", "public"] {
        let scenario = scenario(&format!("{WELCOMES}\nvalidation = \"{level}\""));
        let outcome = run_on(&service_with(&scenario, None), &scenario, false).0.unwrap();
        check(level, &scenario, &outcome);
        let joins = outcome.joins.as_ref().unwrap();
        assert!(joins.joined > 6 && joins.gone > 6, "{level}: {joins:?}");
        assert!(joins.welcome.count() > 0 && joins.join.count() >= joins.welcome.count());
        assert!(outcome.verified.members > 4, "a real joiner: {:?}", outcome.verified);
    }
}

#[test]
fn who_comes_in_by_itself_agrees_with_those_who_were_added() {
    for suite in ["x25519-aes128-ed25519", "xwing-chacha-ed25519"] {
        let lines = format!("{EXTERNAL}\nvalidation = \"public\"\nsuite = \"{suite}\"");
        let scenario = scenario(&lines);
        let outcome = run_on(&service_with(&scenario, None), &scenario, false).0.unwrap();
        check(suite, &scenario, &outcome);
        let joins = outcome.joins.as_ref().unwrap();
        assert!(joins.by_themselves > 3 && joins.by_themselves < joins.joined, "{joins:?}");
        assert_eq!(joins.fetch.count(), joins.by_themselves);
        assert!(outcome.verified.members > 4, "a real joiner: {:?}", outcome.verified);
    }
}

#[test]
fn a_group_grows_from_ten_to_more_than_a_hundred_by_external_joins() {
    let text = CHURN.replace("count = 2", "count = 1").replace("members = 6", "members = 10");
    let text = text.replace("joiners = 4", "joiners = 120").replace("\"40/s\"", "\"60/s\"");
    let lines = "validation = \"public\"\nmix = { external_joins = \"90%\" }\n";
    let scenario = Scenario::parse(&format!("{text}{lines}"), "grow.toml").unwrap();
    let outcome = run_on(&service_with(&scenario, None), &scenario, false).0.unwrap();
    check("growing", &scenario, &outcome);
    let joins = outcome.joins.unwrap();
    assert!(joins.by_themselves > 90 && joins.gone == 0, "{joins:?}");
}

#[test]
fn synthetic_groups_change_as_minted_ones_do() {
    for handshake in ["public", "private"] {
        for level in if handshake == "public" { &["opaque", "header"][..] } else { &["opaque"] } {
            let lines = "source = \"synthetic\"\nconnections = \"shared:5\"";
            let lines = format!(
                "{WELCOMES}\n{lines}\nhandshake = \"{handshake}\"\nvalidation = \"{level}\""
            );
            let scenario = scenario(&lines);
            let outcome = run_on(&service_with(&scenario, None), &scenario, false).0.unwrap();
            check(handshake, &scenario, &outcome);
            assert!(outcome.joins.unwrap().joined > 6);
        }
    }
}

#[test]
fn groups_change_the_same_way_twice_on_one_server_and_its_many_shards() {
    let scenario = scenario(WELCOMES);
    let service = crate::tests::service::Service::start(4);
    let mut counts = Vec::new();
    for _ in 0..2 {
        let outcome = run_on(&service, &scenario, false).0.unwrap();
        check("again", &scenario, &outcome);
        let joins = outcome.joins.unwrap();
        counts.push((joins.joined, joins.gone, outcome.judgement.counts.accepted));
    }
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn key_packages_that_the_server_has_seen_before_are_refused_in_words() {
    let scenario = scenario(WELCOMES);
    let service = service_with(&scenario, None);
    let once = plan(&scenario);
    let Traffic::Tape(tape) = &once.traffic[0] else { panic!("a tape") };
    let mut again = plan(&scenario);
    again.traffic[0] = Traffic::Tape(tape.clone());
    run_plan(&service, once, false).0.unwrap();
    let refused = run_plan(&service, again, false).0.unwrap_err();
    assert!(matches!(&refused, RunError::Setup(SetupError::KeyPackagesKnown)), "{refused:?}");
    assert!(refused.to_string().contains("--no-cache"), "{refused}");
}

/// The run is over when its drain is, and says why it is worth nothing.
#[test]
fn a_join_that_the_service_refuses_makes_a_run_invalid_and_does_not_hang_it() {
    let mut scenario = scenario(&format!("{EXTERNAL}\nvalidation = \"public\"\nreal = 0"));
    scenario.drain = Duration::from_secs(1);
    let refused = |spoil: fn(&mut Plan)| -> Outcome {
        let mut plan = plan(&scenario);
        spoil(&mut plan);
        let outcome = run_plan(&service_with(&scenario, None), plan, false).0.unwrap();
        let verdict = record_of(&scenario, &outcome).verdict;
        assert_eq!(verdict.status, Status::Invalid, "{verdict:?}");
        let failed = &outcome.joins.as_ref().unwrap().failed;
        assert!(failed.count > 0, "{failed:?}");
        let said = verdict.reasons.iter().any(|reason| reason.contains(&failed.examples[0]));
        assert!(said, "{verdict:?} {failed:?}");
        outcome
    };
    refused(|plan| {
        let Traffic::Tape(tape) = &mut plan.traffic[0] else { panic!("a tape") };
        let first = tape.joins.iter_mut().find(|join| !join.key_package.is_empty()).unwrap();
        // It is for another suite than the one that is claimed.
        first.key_package = foreign_package();
    });
    refused(|plan| {
        let Traffic::Tape(tape) = &mut plan.traffic[0] else { panic!("a tape") };
        let commits = tape.messages.iter_mut().filter(|message| message.kind == Kind::Commit);
        let mut effects = commits.filter_map(|commit| commit.effect.as_mut());
        effects.next().unwrap().group_info = Bytes::new();
    });
}

fn plan(scenario: &Scenario) -> Plan {
    Draft::of(scenario.clone()).prepare(None, &|_| {}).unwrap()
}

/// A KeyPackage of another suite than that of the group.
fn foreign_package() -> Bytes {
    let lines = format!("{WELCOMES}\nsource = \"synthetic\"\nsuite = \"xwing-aes128-ed25519\"");
    let plan = plan(&scenario(&lines));
    plan.traffic[0].joins()[0].key_package.clone()
}
