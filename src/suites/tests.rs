//! Every suite in every stack, really measured, beside what is foretold.

use std::time::Duration;

use super::cell::{Cell, Object, Operation, Outcome};
use super::dormant::Dormant;
use super::group::{GROUP, State, removed};
use super::measure::{self, Effort};
use super::model::Model;
use super::registry::{ENTRIES, Entry, Offers};
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::stack::StackKind;
use crate::mls::tape::Handshake;
use crate::mls::{Dimensions, TreeState};

fn measured(cell: &Cell, effort: Effort) -> Outcome {
    measure::measure(cell, effort, &mut Dormant::default(), &|_| ())
}

/// Signatures in an object at most; those of ECDSA are shorter than foretold now and then.
fn signatures(object: Object, members: usize) -> usize {
    match object {
        Object::KeyPackage
        | Object::CommitUpdate
        | Object::CommitRemove
        | Object::CommitExternal => 2,
        Object::CommitAddOne => 4,
        Object::CommitAddTen => 22,
        Object::CommitAddHundred => 202,
        Object::Tree => members,
        _ => 1,
    }
}

/// Holds every object of a cell to the model: exact where a signature has one length.
fn check(entry: &'static Entry, outcome: &Outcome) {
    assert_eq!(outcome.error, None, "{} {}", outcome.suite, outcome.stack);
    let members = usize::try_from(outcome.members).unwrap();
    for sized in &outcome.sizes {
        let model = sized.model_bytes.expect("the model knows every object");
        let told = format!("{} {} {sized:?} {:?}", outcome.suite, outcome.stack, outcome.state);
        assert!(sized.bytes <= model, "{told}");
        if entry.signature.has_one_length() {
            assert_eq!(sized.bytes, model, "{told}");
        } else {
            // Eight bytes less have one signature in 2^64.
            let least = model - 8 * signatures(sized.object, members) - 2;
            assert!(sized.bytes >= least, "{told}");
        }
    }
}

fn every(members: u32, state: State) {
    let offers = Offers::ask().unwrap();
    for (entry, stack) in offers.choose(&[], &[]).unwrap() {
        let cell = Cell { entry, stack, members, state };
        check(entry, &measured(&cell, Effort::once()));
    }
}

#[test]
fn in_a_fresh_tree_every_object_of_every_suite_is_as_long_as_the_model_says() {
    every(5, State::Fresh);
}

#[test]
fn of_two_members_one_is_left_alone_by_a_commit_that_is_as_long_as_the_model_says() {
    every(2, State::Fresh);
}

/// The record that figures are quoted from: real bytes of sizes no test has the time for.
#[test]
fn every_object_of_the_reference_record_is_as_long_as_the_model_says() {
    let record = include_str!("../../results/reference/suites/suites.json");
    let record: super::record::SuitesRecord = serde_json::from_str(record).unwrap();
    for outcome in &record.cells {
        let entry = ENTRIES.iter().find(|entry| entry.name == outcome.suite).unwrap();
        let stack = StackKind::named(&outcome.stack).unwrap();
        let (members, state) = (outcome.members, outcome.state);
        let before = Model::of(&Cell { entry, stack, members, state });
        let mut after = before.clone();
        after.has_committed();
        let mut again = outcome.clone();
        for sized in &mut again.sizes {
            let joined = [Object::GroupInfo, Object::Tree, Object::CommitExternal];
            let model = if joined.contains(&sized.object) { &after } else { &before };
            sized.model_bytes = Some(model.bytes(sized.object));
        }
        check(entry, &again);
        assert_eq!(again.sizes, outcome.sizes, "it was measured by this model");
    }
}

#[test]
fn in_a_merged_tree_every_object_of_every_suite_is_as_long_as_the_model_says() {
    every(4, State::Merged);
}

#[test]
fn in_a_churned_tree_every_object_of_every_suite_is_as_long_as_the_model_says() {
    every(7, State::Churned);
}

#[test]
fn a_cell_has_every_operation_with_enough_repetitions_for_its_interval() {
    let offers = Offers::ask().unwrap();
    let suite = ["x25519-aes128-ed25519".to_owned()];
    for (entry, stack) in offers.choose(&suite, &[]).unwrap() {
        let cell = Cell { entry, stack, members: 9, state: State::Churned };
        let outcome = measured(&cell, Effort::of(Duration::ZERO));
        check(entry, &outcome);
        for operation in Operation::ALL {
            let timing = outcome.time(operation).unwrap();
            assert!(timing.median_us > 0.0 && timing.coverage >= 0.95, "{timing:?}");
        }
        assert_eq!(outcome.sizes.len(), 13);
        assert_eq!(outcome.member_bytes, None, "too small to be told");
    }
}

#[test]
fn what_a_tree_has_been_through_decides_how_long_a_commit_is() {
    let offers = Offers::ask().unwrap();
    let (entry, stack) = offers.choose(&["xwing-aes128-ed25519".to_owned()], &[]).unwrap()[0];
    let commit = |state| {
        let cell = Cell { entry, stack, members: 16, state };
        measured(&cell, Effort::once()).size(Object::CommitUpdate).unwrap()
    };
    let [fresh, settled, merged, churned] = State::ALL.map(commit);
    assert!(merged < churned && churned < fresh, "{merged} {churned} {fresh}");
    assert_eq!(settled, merged, "a commit sees no difference");
}

#[test]
fn what_a_few_commits_have_settled_is_for_every_commit_as_short_as_in_a_merged_tree() {
    let offers = Offers::ask().unwrap();
    let suite = ["x25519-aes128-ed25519".to_owned()];
    for (entry, stack) in offers.choose(&suite, &[]).unwrap() {
        for members in [4, 7, 16, 21] {
            let cell = Cell { entry, stack, members, state: State::Settled };
            let outcome = measured(&cell, Effort::once());
            check(entry, &outcome);
            let merged = Dimensions {
                lengths: entry.lengths(),
                group_id: GROUP.len(),
                identity: IDENTITY_BYTES,
                members,
                tree: TreeState::Merged,
                handshake: Handshake::Public,
            };
            for (object, bytes) in [
                (Object::CommitUpdate, merged.update_commit(0)),
                (Object::CommitAddOne, merged.add_commit(0)),
                (Object::CommitRemove, merged.remove_commit(0, removed(0, members))),
                (Object::CommitExternal, merged.external_commit()),
            ] {
                assert_eq!(outcome.size(object), Some(bytes), "{object:?} of {members}");
            }
            assert_eq!(outcome.time(Operation::Join), None, "the tree is not whole");
        }
    }
}

#[test]
fn a_suite_that_fails_in_a_stack_is_an_outcome_with_its_error() {
    let offers = Offers::ask().unwrap();
    let entry = offers.named("x448-aes256-ed448").unwrap();
    let stack = StackKind::MlsRsAwsLc;
    let cell = Cell { entry, stack, members: 2, state: State::Fresh };
    let outcome = measured(&cell, Effort::once());
    assert!(outcome.error.unwrap().contains("unsupported suite"));
}
