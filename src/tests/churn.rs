//! Groups that change inside a run, end to end, at every level that takes it.

use std::time::Duration;

use bytes::Bytes;

use super::forecast::hold;
use super::scenarios::{check, record_of, run_on, run_plan, service_with};
use crate::delivery::Kind;
use crate::load::forecast::Forecast;
use crate::load::scenario::Scenario;
use crate::load::setup::SetupError;
use crate::load::traffic::{Draft, Plan, Traffic};
use crate::load::{Outcome, RunError};
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::size::pattern::Deployment;
use crate::mls::{Dimensions, Handshake, Suite, TreeState};
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

/// What a joiner gets of the pattern is what the model says of it, and the rest is the classical group's.
#[test]
fn a_post_quantum_welcome_reaches_its_device_with_the_bytes_of_the_model() {
    let classical = Suite::named("x25519-aes128-ed25519").unwrap();
    let deployment = Deployment::parse("welcome", classical).unwrap();
    let group = Dimensions {
        lengths: classical.lengths(),
        group_id: 32,
        identity: IDENTITY_BYTES,
        members: 6,
        tree: TreeState::Merged,
        handshake: Handshake::Public,
    };
    let model = deployment.objects(&group, 0, 200);
    let said = |line: &str| {
        let lines = "source = \"synthetic\"\nmix = { adds = \"20%\", removes = \"10%\" }";
        let scenario = scenario(&format!("{lines}\n{line}"));
        let forecast = Forecast::of(&Draft::of(scenario.clone()));
        let outcome = run_on(&service_with(&scenario, None), &scenario, false).0.unwrap();
        check(line, &scenario, &outcome);
        hold(line, &scenario, &forecast, &outcome);
        let record = record_of(&scenario, &outcome);
        (record.classes[0].clone(), record.joins.unwrap().welcomed[0].clone())
    };
    let (plain, joined) = said("");
    let (pattern, opened) = said("welcome = \"xwing-aes128-ed25519\"");
    assert!(opened.welcomes > 6, "{opened:?}");
    assert_eq!(opened.welcome_bytes, opened.welcomes * model.welcome as u64);
    assert_eq!(opened.key_package_bytes, opened.key_packages * model.key_package as u64);
    assert_eq!((opened.welcomes, opened.key_packages), (joined.welcomes, joined.key_packages));
    assert_eq!(opened.welcome_bytes, joined.welcome_bytes + joined.welcomes * 1_089);
    assert_eq!(
        (opened.join.count, opened.welcome.count),
        (joined.join.count, joined.welcome.count)
    );
    // Of the commits those that add are longer, each by what its KeyPackage is longer by, and no other.
    assert_eq!(pattern.commit_deliveries, plain.commit_deliveries);
    let longer = pattern.commit_delivered_bytes - plain.commit_delivered_bytes;
    assert!(longer > 0 && longer % 1_185 == 0, "{longer}");
    assert!(longer / 1_185 < plain.commit_deliveries, "{longer} of {}", plain.commit_deliveries);
    assert_eq!(pattern.welcome_suite.as_deref(), Some("xwing-aes128-ed25519"));
    assert_eq!(plain.welcome_suite, None);
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
