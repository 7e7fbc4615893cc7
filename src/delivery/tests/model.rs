//! Random operation sequences against a model too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::delivery::Reject;

const PAST_EPOCHS: u64 = 2;
const DEVICES: u8 = 5;

/// Keeps everything for ever and looks it up by walking.
#[derive(Default)]
struct Model {
    epoch: u64,
    accepted: Vec<(MessageId, u8, Kind, u64)>,
    members: BTreeSet<u8>,
    /// Per device, the span of sequence numbers of its latest membership.
    windows: BTreeMap<u8, (u64, Option<u64>)>,
}

impl Model {
    fn submit(&mut self, sender: u8, submission: &Submission) -> Result<(u64, u64), Reject> {
        let known = self.accepted.iter().position(|(id, ..)| *id == submission.id);
        if let Some(index) = known {
            let (_, first, _, epoch_after) = self.accepted[index];
            let seq = index as u64 + 1;
            return match (first == sender, self.members.contains(&sender)) {
                (true, _) => Ok((seq, epoch_after)),
                (false, true) => Err(Reject::IdTaken),
                (false, false) => Err(Reject::NotMember),
            };
        }
        if !self.members.contains(&sender) {
            return Err(Reject::NotMember);
        }
        let epoch = submission.epoch.0;
        let fits = match submission.kind {
            Kind::Application => epoch <= self.epoch && self.epoch - epoch <= PAST_EPOCHS,
            Kind::Proposal | Kind::Commit => epoch == self.epoch,
        };
        if !fits {
            let closed = |(_, _, kind, after): &&(MessageId, u8, Kind, u64)| {
                *kind == Kind::Commit && *after == epoch + 1
            };
            let winner = self.accepted.iter().find(closed).map(|(id, ..)| {
                self.accepted.iter().position(|(other, ..)| other == id).unwrap() as u64 + 1
            });
            let (current, winner) = (Epoch(self.epoch), Seq(winner.unwrap_or(0)));
            return Err(Reject::WrongEpoch { current, winner });
        }
        self.change(sender, submission)?;
        if submission.kind == Kind::Commit {
            self.epoch += 1;
        }
        self.accepted.push((submission.id, sender, submission.kind, self.epoch));
        Ok((self.accepted.len() as u64, self.epoch))
    }

    fn change(&mut self, sender: u8, submission: &Submission) -> Result<(), Reject> {
        let numbers = |devices: &[DeviceId]| devices.iter().map(|d| d.0[0]).collect::<Vec<_>>();
        let (added, removed) =
            (numbers(&submission.change.added), numbers(&submission.change.removed));
        let mut members = self.members.clone();
        for device in &removed {
            if *device == sender || !members.remove(device) {
                return Err(Reject::BadRosterChange);
            }
        }
        for device in &added {
            if !members.insert(*device) {
                return Err(Reject::BadRosterChange);
            }
        }
        let seq = self.accepted.len() as u64 + 1;
        for device in removed {
            self.windows.get_mut(&device).unwrap().1 = Some(seq);
        }
        for device in added {
            self.windows.insert(device, (seq, None));
        }
        self.members = members;
        Ok(())
    }

    fn attach(&self, device: u8, after: u64) -> Option<(u64, Option<u64>)> {
        let (first, last) = *self.windows.get(&device)?;
        let head = self.accepted.len() as u64;
        let next = first.max(after.min(head) + 1);
        if last.is_some_and(|last| last < next) { None } else { Some((next, last)) }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit { sender: u8, id: u64, kind: Kind, age: i64, added: Vec<u8>, removed: Vec<u8> },
    Attach { device: u8, after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(Kind::Application), Just(Kind::Proposal), Just(Kind::Commit)];
    let some = || prop::collection::vec(1..=DEVICES, 0..2);
    let changes = prop_oneof![3 => Just((vec![], vec![])), 1 => (some(), some())];
    let submit = (1..=DEVICES, 0_u64..200, kind, -1_i64..4, changes).prop_map(
        |(sender, id, kind, age, (added, removed))| {
            let (added, removed) =
                if kind == Kind::Commit { (added, removed) } else { (vec![], vec![]) };
            Step::Submit { sender, id, kind, age, added, removed }
        },
    );
    let attach =
        (1..=DEVICES, 0_u64..40).prop_map(|(device, after)| Step::Attach { device, after });
    prop_oneof![6 => submit, 1 => attach]
}

fn check_submit(shard: &mut Shard, model: &mut Model, sender: u8, what: Submission) {
    let fresh = !model.accepted.iter().any(|(id, ..)| *id == what.id);
    let expected = model.submit(sender, &what);
    let outputs = submit(shard, sender, what);
    match (outputs.as_slice(), expected) {
        ([Output::Accepted { seq, epoch, .. }], Ok(place)) if !fresh => {
            assert_eq!((seq.0, epoch.0), place);
        }
        ([Output::Appended { entry, .. }, Output::Accepted { seq, epoch, .. }], Ok(place)) => {
            assert!(fresh, "an accepted id is appended once");
            assert_eq!((seq.0, epoch.0), place);
            assert_eq!(entry.seq, *seq);
        }
        ([Output::Rejected { reason, .. }], Err(expected)) => assert_eq!(*reason, expected),
        (outputs, expected) => panic!("{outputs:?} instead of {expected:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn decides_as_the_naive_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut shard = shard_with(3, Policy {
            past_epochs: PAST_EPOCHS,
            reservation_max: Duration::ZERO,
            ..Policy::default()
        });
        let founders = 1..=3;
        let mut model = Model {
            members: founders.clone().collect(),
            windows: founders.map(|device| (device, (1, None))).collect(),
            ..Model::default()
        };
        for step in steps {
            match step {
                Step::Submit { sender, id, kind, age, added, removed } => {
                    let epoch = model.epoch.saturating_add_signed(-age);
                    let added = added.into_iter().map(device).collect();
                    let removed = removed.into_iter().map(device).collect();
                    let change = RosterChange { added, removed };
                    let what = Submission { change, ..submission(id, kind, epoch) };
                    check_submit(&mut shard, &mut model, sender, what);
                }
                Step::Attach { device, after } => match attach(&mut shard, device, after) {
                    Output::Attached(found) => {
                        let span = Some((found.next.0, found.last.map(|last| last.0)));
                        prop_assert_eq!(span, model.attach(device, after));
                        let missed = model.accepted.len() as u64 + 1 - found.next.0;
                        prop_assert_eq!(found.backlog.len() as u64, missed);
                    }
                    _ => prop_assert_eq!(model.attach(device, after), None),
                },
            }
        }
        let state = shard.group(&group(1)).unwrap();
        prop_assert_eq!(state.epoch().0, model.epoch);
        prop_assert_eq!(state.roster().len(), model.members.len());
        let places: Vec<u64> = state.recent().range(Seq(1), Seq(u64::MAX - 1)).map(|e| e.seq.0).collect();
        let gap_free: Vec<u64> = (1..=model.accepted.len() as u64).collect();
        prop_assert_eq!(places, gap_free);
    }
}
