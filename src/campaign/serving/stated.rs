//! What is stated of commits, held to the tapes that runs play. Tests alone.

use std::time::Duration;

use super::{Contender, Question, Traffic};
use crate::load::schedule::{OperationKind, Schedule};
use crate::load::traffic::Draft;
use crate::mls::size::pattern::Deployment;
use crate::mls::{Suite, TreeState};

fn question(tree: TreeState) -> Question {
    let suite = |name: &str| Suite::named(name).unwrap();
    let classical = suite("x25519-aes128-ed25519");
    Question {
        contenders: vec![
            Contender::Suite(classical),
            Contender::Suite(suite("xwing-aes128-ed25519")),
            Contender::Suite(suite("mlkem768-aes256-mldsa65")),
            Contender::Suite(suite("mlkem1024-aes256-mldsa87")),
            Contender::Pattern(Deployment::parse("combiner:4", classical).unwrap()),
        ],
        members: vec![7, 100, 1_000],
        tree,
        key_exchange: "x25519".to_owned(),
        commits_per_min: None,
        rounds: 1,
        measure: Duration::from_secs(1),
        trial: None,
        budget: Duration::ZERO,
        seed: 7,
    }
}

/// Bytes of the commits that are due in a run's window, for each of its first group, and how many.
fn synthesized(question: &Question, contender: &Contender, members: u32) -> (f64, u32) {
    let scenario = question.scenario(contender, members, Traffic::Both).unwrap();
    let (window, schedule) = (scenario.window(), Schedule::plan(&scenario));
    let plan = Draft::of(scenario).prepare(None, &|_| ()).unwrap();
    let (mut bytes, mut commits) = (0, 0);
    for operation in schedule.operations() {
        if operation.kind == OperationKind::Commit && window.contains(&operation.intended) {
            let tape = &plan.traffic[operation.group as usize];
            bytes += tape.message(operation.index_in_group).unwrap().body.len();
            commits += u32::from(operation.group == 0);
        }
    }
    (bytes as f64 / f64::from(commits), commits)
}

#[test]
fn every_commit_of_a_run_has_the_bytes_that_are_stated() {
    for tree in [TreeState::Fresh, TreeState::Merged] {
        let question = question(tree);
        for (contender, members) in question.cells() {
            let stated = question.objects(&contender, members).commit_mean;
            let (sent, commits) = synthesized(&question, &contender, members);
            assert!(commits >= 3);
            assert_eq!(sent, stated, "{} at {members}, {tree:?}", contender.name());
        }
    }
}
