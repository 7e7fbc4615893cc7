//! The rules of delivery, one by one and against a naive model.

mod audience;
mod model;
mod rules;
mod turns;

use std::time::Duration;

use bytes::Bytes;

use super::{
    DeviceId, Enclosed, Epoch, Founding, GroupId, Input, Kind, Link, MessageId, Output, Policy,
    RosterChange,
};
use super::{Seq, Shard, Submission};

fn device(number: u8) -> DeviceId {
    DeviceId([number; 16])
}

fn group(number: u8) -> GroupId {
    GroupId::new(&[number; 16]).unwrap()
}

fn link(number: u8) -> Link {
    Link { shard: 0, session: u32::from(number), generation: 0 }
}

fn submission(id: u64, kind: Kind, epoch: u64) -> Submission {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    Submission {
        id: MessageId(bytes),
        group: group(1),
        epoch: Epoch(epoch),
        kind,
        joins: false,
        change: RosterChange::default(),
        enclosed: Enclosed::default(),
        body: Bytes::from_static(b"an MLSMessage"),
    }
}

/// A shard with one group of devices 1 to `members` at epoch 0.
fn shard_with(members: u8, policy: Policy) -> Shard {
    let mut shard = Shard::new(policy);
    let roster = (1..=members).map(device).collect();
    shard.handle(
        Duration::ZERO,
        Input::Create {
            from: link(1),
            device: device(1),
            request: MessageId([0; 16]),
            founding: Box::new(Founding::plain(group(1), roster)),
        },
    );
    let made = drain(&mut shard);
    assert!(matches!(made[..], [Output::Created(_), Output::Done { .. }]), "{made:?}");
    shard
}

fn drain(shard: &mut Shard) -> Vec<Output> {
    std::iter::from_fn(|| shard.poll()).collect()
}

/// Submits as a device and returns every decision.
fn submit(shard: &mut Shard, sender: u8, submission: Submission) -> Vec<Output> {
    let (from, device) = (link(sender), device(sender));
    shard.handle(Duration::ZERO, Input::Submit { from, device, submission });
    drain(shard)
}

fn attach(shard: &mut Shard, number: u8, after: u64) -> Output {
    let (from, device) = (link(number), device(number));
    shard
        .handle(Duration::ZERO, Input::Attach { from, device, group: group(1), after: Seq(after) });
    let mut outputs = drain(shard);
    assert_eq!(outputs.len(), 1);
    outputs.remove(0)
}
