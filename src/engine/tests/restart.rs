//! A restart finds what was logged: the same groups, and the same answers.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::told::told;
use super::{AT, FROM, device, group, released};
use crate::delivery::group::Saved;
use crate::delivery::{
    Durability, Enclosed, Epoch, Founding, Input, Kind, MessageId, Output, Policy, RingLimits,
    RosterChange, Seq, Submission,
};
use crate::engine::{Engine, Record, Recovery};
use crate::log::Position;

const GROUPS: u8 = 3;
const DEVICES: u8 = 5;

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Delete(u8),
    Submit { group: u8, device: u8, id: u16, kind: Kind, change: Option<(bool, u8)> },
    Acknowledge { group: u8, device: u8, seq: u64 },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(vec![Kind::Application, Kind::Proposal, Kind::Commit]);
    let change = proptest::option::of((any::<bool>(), 1..=DEVICES));
    prop_oneof![
        2 => (1..=GROUPS).prop_map(Step::Create),
        1 => (1..=GROUPS).prop_map(Step::Delete),
        12 => (1..=GROUPS, 1..=DEVICES, 0..60_u16, kinds, change).prop_map(
            |(group, device, id, kind, change)| Step::Submit { group, device, id, kind, change }
        ),
        3 => (1..=GROUPS, 1..=DEVICES, 0..40_u64)
            .prop_map(|(group, device, seq)| Step::Acknowledge { group, device, seq }),
        1 => (0..100_u64).prop_map(Step::Pass),
    ]
}

fn policy() -> Policy {
    let ring = RingLimits { entries_max: 8, bytes_max: 200 };
    Policy { ring, ..Policy::default() }
}

fn input(engine: &Engine, step: &Step) -> Option<Input> {
    let request = MessageId([0xff; 16]);
    Some(match *step {
        Step::Create(number) => {
            let mut founding = Founding::plain(group(number), (1..=3).map(device).collect());
            founding.settings.durability = Durability::Wal;
            let (device, founding) = (device(1), Box::new(founding));
            Input::Create { from: FROM, device, request, founding }
        }
        Step::Delete(number) => Input::Delete { from: FROM, request, group: group(number) },
        Step::Submit { group: number, device: sender, id, kind, change } => {
            let epoch = engine.shard().group(&group(number)).map_or(Epoch(0), |one| one.epoch());
            let mut roster = RosterChange::default();
            if let (Kind::Commit, Some((adds, other))) = (kind, change) {
                let devices = if adds { &mut roster.added } else { &mut roster.removed };
                devices.push(device(other));
            }
            let mut bytes = [0; 16];
            bytes[..2].copy_from_slice(&id.to_be_bytes());
            let submission = Submission {
                id: MessageId(bytes),
                group: group(number),
                epoch,
                kind,
                joins: false,
                change: roster,
                enclosed: enclosed(id, kind),
                body: Bytes::from(vec![7; usize::from(id)]),
            };
            Input::Submit { from: FROM, device: device(sender), submission }
        }
        Step::Acknowledge { group: number, device: member, seq } => {
            let (device, group, seq) = (device(member), group(number), Seq(seq));
            Input::Acknowledge { device, group, seq }
        }
        Step::Pass(_) => return None,
    })
}

/// Every other commit brings a Welcome, every third a GroupInfo.
fn enclosed(id: u16, kind: Kind) -> Enclosed {
    let brought = |every: u16| {
        (kind == Kind::Commit && id.is_multiple_of(every))
            .then(|| Bytes::from(id.to_be_bytes().to_vec()))
    };
    Enclosed { welcome: brought(2), group_info: brought(3) }
}

fn saved(engine: &mut Engine) -> Vec<Option<Saved>> {
    (1..=GROUPS).map(|number| engine.shard.save(&group(number))).collect()
}

/// Which message each submission became, as the engine answers it again.
fn answers(engine: &mut Engine, steps: &[Step]) -> Vec<(Seq, Epoch)> {
    let mut answers = Vec::new();
    for step in steps.iter().filter(|step| matches!(step, Step::Submit { .. })) {
        let input = input(engine, step).expect("a submission is one");
        engine.handle(AT, input).unwrap();
        for output in released(engine) {
            if let Output::Accepted { seq, epoch, .. } = output {
                answers.push((seq, epoch));
            }
        }
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_restart_finds_every_group_as_it_was_and_answers_retries_alike(
        steps in vec(step(), 1..120), target in prop::sample::select(vec![0, 2_000, u64::MAX]),
    ) {
        let (log, told) = told();
        let (mut engine, _) = Recovery::new(policy()).finish(log, target).unwrap();
        let mut entries = Vec::new();
        let mut now = AT;
        for step in &steps {
            match (step, input(&engine, step)) {
                (Step::Pass(seconds), _) => now += Duration::from_secs(*seconds),
                (_, input) => engine.handle(now, input.expect("all others are inputs")).unwrap(),
            }
            engine.sync().unwrap();
            entries.extend(told.entries());
            told.set_durable(entries.len() as u64);
            released(&mut engine);
        }
        engine.sync().unwrap();
        entries.extend(told.entries());
        // What was released is gone.
        let first = usize::try_from(told.released_below()).unwrap().saturating_sub(1);
        let mut recovery = Recovery::new(policy());
        for (index, entry) in entries.iter().enumerate().skip(first) {
            recovery.replay(Position(index as u64 + 1), entry).map_err(TestCaseError::fail)?;
        }
        told.set_durable(u64::MAX);
        let (log, told) = super::told::told();
        told.set_durable(u64::MAX);
        let (mut again, recovered) = recovery.finish(log, u64::MAX).map_err(TestCaseError::fail)?;
        prop_assert_eq!(recovered.groups, engine.shard().groups() as u64);
        prop_assert_eq!(saved(&mut again), saved(&mut engine));
        let latest = entries[first..].iter().map(|entry| Record::decode(entry).unwrap().at).max();
        prop_assert_eq!(again.now(), latest.unwrap_or_default(), "its time goes on from there");
        if first == 0 {
            prop_assert_eq!(answers(&mut again, &steps), answers(&mut engine, &steps));
        }
    }
}
