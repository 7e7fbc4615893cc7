//! What members do, by chance: most of it sensible, some of it late, again, or not theirs to do.

use bytes::Bytes;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::super::{FROM, device, group};
use super::DURABLE;
use super::model::Model;
use crate::delivery::{
    DeviceId, Durability, Enclosed, Epoch, Founding, GroupId, Input, Kind, MessageId, Output,
    RosterChange, Seq, Submission,
};
use crate::engine::Engine;

const DEVICES: u8 = 5;

/// The first byte of the ids in the group that is not logged: an answer names nothing else.
const IN_MEMORY: u8 = 1;

/// Where the next input comes from.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    ids: u64,
    /// Submissions made, whatever became of them: group, its life, sender and id.
    submitted: Vec<(GroupId, Option<u64>, DeviceId, MessageId)>,
}

impl Inputs {
    pub(super) fn next(
        &mut self,
        engine: &Engine,
        model: &Model,
        chance: &mut ChaCha8Rng,
    ) -> Input {
        let about = group(chance.random_range(1..=DURABLE + 1));
        let from = device(chance.random_range(1..=DEVICES));
        let request = MessageId([0xff; 16]);
        let found = engine.shard().group(&about);
        let head = found.map_or(Seq(0), crate::delivery::group::Group::head);
        match chance.random_range(0..100) {
            _ if found.is_none() => create(about),
            0..2 => create(about),
            2..4 => Input::Delete { from: FROM, request, group: about },
            4..18 => {
                let seq = Seq(head.0.saturating_sub(chance.random_range(0..4)));
                Input::Acknowledge { device: from, group: about, seq }
            }
            18..26 => {
                let after = [Seq(0), Seq::CURSOR, head][chance.random_range(0..3)];
                Input::Attach { from: FROM, device: from, group: about, after }
            }
            26..36 => self.retry(engine, model, chance).unwrap_or_else(|| create(about)),
            _ => self.submit(about, from, engine, model, chance),
        }
    }

    fn submit(
        &mut self,
        about: GroupId,
        from: DeviceId,
        engine: &Engine,
        model: &Model,
        chance: &mut ChaCha8Rng,
    ) -> Input {
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        id[0] = if about == group(DURABLE + 1) { IN_MEMORY } else { 0 };
        let id = MessageId(id);
        self.submitted.push((about, model.life(&about), from, id));
        let epoch = engine.shard().group(&about).map_or(Epoch(0), |found| found.epoch());
        // Whoever has not heard of the latest commit races it.
        let late = u64::from(chance.random_bool(0.15));
        let kind = [Kind::Application, Kind::Application, Kind::Proposal, Kind::Commit]
            [chance.random_range(0..4)];
        let mut change = RosterChange::default();
        let mut enclosed = Enclosed::default();
        if kind == Kind::Commit && chance.random_bool(0.4) {
            let adds = chance.random_bool(0.5);
            let devices = if adds { &mut change.added } else { &mut change.removed };
            devices.push(device(chance.random_range(1..=DEVICES)));
            enclosed.welcome = adds.then(|| body(chance));
            enclosed.group_info = chance.random_bool(0.5).then(|| body(chance));
        }
        let submission = Submission {
            id,
            group: about,
            epoch: Epoch(epoch.0.saturating_sub(late)),
            kind,
            joins: false,
            change,
            enclosed,
            body: body(chance),
        };
        Input::Submit { from: FROM, device: from, submission }
    }

    /// A submission made before, in the same life of its group, unless it is told and forgotten.
    fn retry(&self, engine: &Engine, model: &Model, chance: &mut ChaCha8Rng) -> Option<Input> {
        let number = chance.random_range(0..self.submitted.len().max(1));
        let (about, life, from, id) = *self.submitted.get(number)?;
        let found = engine.shard().group(&about)?;
        let forgotten =
            model.told.get(&id).is_some_and(|told| told.entry.seq < found.recent().first());
        let same = model.life(&about) == life && life.is_some();
        (same && !forgotten).then(|| again(about, from, id, found.epoch()))
    }
}

/// A message that was submitted before; what it says does not matter if it was accepted.
pub(super) fn again(group: GroupId, sender: DeviceId, id: MessageId, epoch: Epoch) -> Input {
    let submission = Submission {
        id,
        group,
        epoch,
        kind: Kind::Application,
        joins: false,
        change: RosterChange::default(),
        enclosed: Enclosed::default(),
        body: Bytes::from_static(b"again"),
    };
    Input::Submit { from: FROM, device: sender, submission }
}

/// The group of an input, if the log has it or is to have it.
pub(super) fn durable_group(input: &Input, engine: &Engine) -> Option<GroupId> {
    let about = match input {
        Input::Create { founding, .. } => founding.group,
        Input::Submit { submission, .. } => submission.group,
        Input::Delete { group, .. }
        | Input::Attach { group, .. }
        | Input::Acknowledge { group, .. }
        | Input::Unwatch { group, .. } => *group,
        Input::Joining(_) => unreachable!("nobody joins in this storm"),
    };
    let changes = !matches!(input, Input::Attach { .. } | Input::Unwatch { .. });
    let exists = engine.shard().contains(&about);
    let makes = matches!(input, Input::Create { .. }) != exists;
    (changes && makes && about != group(DURABLE + 1)).then_some(about)
}

/// Whether an output is about the group in memory, as far as it says.
pub(super) fn is_in_memory(output: &Output) -> bool {
    let about = match output {
        Output::Created(founding) => founding.group,
        Output::Deleted { group, .. }
        | Output::Appended { group, .. }
        | Output::Acknowledged { group, .. }
        | Output::AttachRefused { group, .. } => *group,
        Output::Attached(attachment) => attachment.group,
        Output::Accepted { id, .. } => return id.0[0] == IN_MEMORY,
        Output::Done { .. } | Output::Rejected { .. } | Output::Joining(_) => return false,
    };
    about == group(DURABLE + 1)
}

fn create(about: GroupId) -> Input {
    let mut founding = Founding::plain(about, (1..=3).map(device).collect());
    if about != group(DURABLE + 1) {
        founding.settings.durability = Durability::Wal;
    }
    let (request, founding) = (MessageId([0xff; 16]), Box::new(founding));
    Input::Create { from: FROM, device: device(1), request, founding }
}

fn body(chance: &mut ChaCha8Rng) -> Bytes {
    let length = [4, 40, 400][chance.random_range(0..3)];
    let mut bytes = vec![0; length];
    chance.fill(&mut bytes[..]);
    Bytes::from(bytes)
}
