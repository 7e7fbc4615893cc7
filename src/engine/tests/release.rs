//! What leaves the engine, and when; and what is there again after a restart.

use bytes::Bytes;

use super::told::told;
use super::{AT, FROM, engine, group, released};
use crate::delivery::{
    DeviceId, Durability, Enclosed, Epoch, Founding, Input, Kind, MessageId, Output, Policy,
    Reject, RosterChange, Seq, Submission,
};
use crate::engine::{Engine, Record, What};

const DEVICE: DeviceId = DeviceId([1; 16]);

fn create(durability: Durability) -> Input {
    let mut founding = Founding::plain(group(7), vec![DEVICE]);
    founding.settings.durability = durability;
    let request = MessageId([0; 16]);
    Input::Create { from: FROM, device: DEVICE, request, founding: Box::new(founding) }
}

fn submit(id: u8, epoch: u64) -> Input {
    let submission = Submission {
        id: MessageId([id; 16]),
        group: group(7),
        epoch: Epoch(epoch),
        kind: Kind::Commit,
        joins: false,
        change: RosterChange::default(),
        enclosed: Enclosed::default(),
        body: Bytes::from_static(b"commit"),
    };
    Input::Submit { from: FROM, device: DEVICE, submission }
}

fn attach() -> Input {
    Input::Attach { from: FROM, device: DEVICE, group: group(7), after: Seq(0) }
}

#[test]
fn nothing_leaves_before_the_entry_it_rests_on_is_durable() {
    let (log, told) = told();
    let mut engine = engine(log);
    for input in [create(Durability::Wal), submit(1, 0), attach()] {
        engine.handle(AT, input).unwrap();
    }
    engine.sync().unwrap();
    assert_eq!(released(&mut engine), [], "neither answers nor fan-out nor backlog");
    told.set_durable(1);
    let first = released(&mut engine);
    assert!(matches!(first[..], [Output::Created(_), Output::Done { .. }]), "{first:?}");
    told.set_durable(2);
    let rest = released(&mut engine);
    assert!(
        matches!(rest[..], [Output::Appended { .. }, Output::Accepted { .. }, Output::Attached(_)]),
        "{rest:?}"
    );
    assert!(engine.is_settled() && !engine.may_release());
}

#[test]
fn a_group_in_memory_waits_for_nothing_and_is_not_logged() {
    let (log, _told) = told();
    let mut engine = engine(log);
    for input in [create(Durability::None), submit(1, 0), attach()] {
        engine.handle(AT, input).unwrap();
    }
    assert_eq!(released(&mut engine).len(), 5);
    assert_eq!(engine.log_bytes(), 0);
}

#[test]
fn a_durable_group_is_refused_where_there_is_no_log() {
    let mut engine = Engine::new(Policy::default());
    engine.handle(AT, create(Durability::Wal)).unwrap();
    let refused = released(&mut engine);
    assert!(
        matches!(refused[..], [Output::Rejected { reason: Reject::NotDurable, .. }]),
        "{refused:?}"
    );
    assert_eq!(engine.shard().groups(), 0);
}

#[test]
fn a_refusal_that_rests_on_an_undurable_winner_waits_for_it() {
    let (log, told) = told();
    let mut engine = engine(log);
    told.set_durable(1);
    engine.handle(AT, create(Durability::Wal)).unwrap();
    released(&mut engine);
    engine.handle(AT, submit(1, 0)).unwrap();
    engine.handle(AT, submit(2, 0)).unwrap();
    assert_eq!(released(&mut engine), []);
    told.set_durable(2);
    assert!(matches!(released(&mut engine).last(), Some(Output::Rejected { .. })));
}

#[test]
fn a_failed_append_releases_nothing_that_rests_on_it() {
    let (log, told) = told();
    let mut engine = engine(log);
    told.set_durable(1);
    engine.handle(AT, create(Durability::Wal)).unwrap();
    released(&mut engine);
    told.fail();
    engine.handle(AT, submit(1, 0)).unwrap_err();
    told.set_durable(99);
    assert_eq!(released(&mut engine), []);
}

#[test]
fn after_a_failed_append_nothing_is_decided_any_more() {
    let (log, told) = told();
    let mut engine = engine(log);
    told.set_durable(99);
    engine.handle(AT, create(Durability::Wal)).unwrap();
    released(&mut engine);
    told.fail();
    let error = engine.handle(AT, submit(1, 0)).unwrap_err();
    // Neither needs the log, and both would tell of the message that it has not taken.
    for input in [attach(), submit(1, 0)] {
        assert_eq!(engine.handle(AT, input), Err(error.clone()));
    }
    assert_eq!(engine.sync(), Err(error));
    assert_eq!(released(&mut engine), []);
}

#[test]
fn every_change_of_state_is_one_log_entry_and_nothing_else_is() {
    let (log, told) = told();
    let mut engine = engine(log);
    let delete = Input::Delete { from: FROM, request: MessageId([0; 16]), group: group(7) };
    let (device, seq) = (DEVICE, Seq(1));
    let acknowledge = Input::Acknowledge { device, group: group(7), seq };
    let (first, again, late) = (submit(1, 0), submit(1, 0), submit(2, 0));
    for input in [create(Durability::Wal), first, again, late, attach(), acknowledge, delete] {
        engine.handle(AT, input).unwrap();
    }
    let entries = told.entries();
    let said: Vec<Record> = entries.iter().map(|entry| Record::decode(entry).unwrap()).collect();
    assert!(said.iter().all(|record| record.at == AT));
    let what: Vec<&What> = said.iter().map(|record| &record.what).collect();
    assert!(
        matches!(
            what[..],
            [
                What::Created(..),
                What::Appended(..),
                What::Acknowledged(_, DEVICE, Seq(1)),
                What::Deleted(_)
            ]
        ),
        "{what:?}"
    );
}

/// What is still to be said about the group that is gone must not meet another of its id.
#[test]
fn an_id_is_free_again_when_everybody_has_been_told_of_its_deletion() {
    let (log, told) = told();
    let mut engine = engine(log);
    engine.handle(AT, create(Durability::Wal)).unwrap();
    told.set_durable(1);
    released(&mut engine);
    let delete = Input::Delete { from: FROM, request: MessageId([0; 16]), group: group(7) };
    engine.handle(AT, delete).unwrap();
    engine.handle(AT, create(Durability::None)).unwrap();
    let early = released(&mut engine);
    let later = Reject::SlowDown { retry_ms: 20 };
    assert!(matches!(early[..], [Output::Rejected { reason, .. }] if reason == later), "{early:?}");
    told.set_durable(2);
    let late = released(&mut engine);
    assert!(matches!(late[..], [Output::Deleted { .. }, Output::Done { .. }]), "{late:?}");
    engine.handle(AT, create(Durability::None)).unwrap();
    assert!(matches!(released(&mut engine)[..], [Output::Created(_), Output::Done { .. }]));
}
