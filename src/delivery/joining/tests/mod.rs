//! Joining as a whole: rules, then a naive model.

mod model;
mod rules;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::delivery::{
    DeviceId, Enclosed, Epoch, Founding, GroupId, Input, Kind, Link, MessageId, Output, Policy,
    Reject, RosterChange, Seq, Shard, Submission,
};

const FROM: Link = Link { shard: 0, session: 1, generation: 1 };
const NOW: u64 = 1_800_000_000;

fn device(number: u8) -> DeviceId {
    DeviceId([number; 16])
}

fn group() -> GroupId {
    GroupId::new(&[7; 16]).unwrap()
}

fn reference(number: u64) -> Reference {
    Reference::new(&number.to_be_bytes()).unwrap()
}

fn package(number: u64, suite: u16) -> KeyPackage {
    KeyPackage {
        suite,
        reference: reference(number),
        not_before: NOW - 3_600,
        not_after: NOW + 1_000,
        last_resort: false,
        identity: None,
        body: Bytes::copy_from_slice(&number.to_be_bytes()),
    }
}

fn last_resort(number: u64, suite: u16) -> KeyPackage {
    KeyPackage { last_resort: true, not_after: u64::MAX, ..package(number, suite) }
}

/// A Welcome for KeyPackages of these numbers.
fn welcome(numbers: &[u64]) -> Welcome {
    let joiner = |number: &u64| JoinerSecrets {
        reference: reference(*number),
        secrets: Bytes::from(format!("secrets {number}")),
    };
    let joiners = numbers.iter().map(joiner).collect();
    Welcome { suite: 1, joiners, group_info: Bytes::from_static(b"group info") }
}

/// A shard, asked one thing at a time.
struct Asked {
    shard: Shard,
    now: Duration,
    records: Vec<Record>,
    ids: u8,
}

impl Asked {
    fn new() -> Self {
        let (shard, now) = (Shard::new(Policy::default()), Duration::from_secs(NOW));
        Self { shard, now, records: Vec::new(), ids: 0 }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn next_id(&mut self) -> MessageId {
        self.ids += 1;
        MessageId([self.ids; 16])
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.shard.handle(self.now, input);
        std::iter::from_fn(|| self.shard.poll()).collect()
    }

    /// What is told, without the records, which are kept.
    fn ask(&mut self, ask: Ask) -> Result<Vec<Told>, Reject> {
        let mut told = Vec::new();
        for output in self.handle(Input::Joining(ask)) {
            match output {
                Output::Joining(Told::Record(record)) => self.records.push(record),
                Output::Joining(other) => told.push(other),
                Output::Rejected { reason, .. } => return Err(reason),
                other => panic!("about joining: {other:?}"),
            }
        }
        Ok(told)
    }

    fn publish(&mut self, whose: u8, packages: Vec<KeyPackage>) -> Result<u32, Reject> {
        let last_resort = packages.first().is_some_and(|package| package.last_resort);
        self.publish_as(whose, last_resort, packages)
    }

    fn publish_as(
        &mut self,
        whose: u8,
        last_resort: bool,
        packages: Vec<KeyPackage>,
    ) -> Result<u32, Reject> {
        let (from, device, request) = (FROM, device(whose), MessageId([1; 16]));
        let ask = Ask::Publish { from, device, request, last_resort, packages };
        match self.ask(ask)?[..] {
            [Told::Published { left, .. }] => Ok(left),
            ref other => panic!("{other:?}"),
        }
    }

    /// The number of the KeyPackage that is handed out.
    fn claim(&mut self, claimer: u8, whose: u8, suite: u16) -> Result<u64, Reject> {
        let (from, request) = (FROM, MessageId([2; 16]));
        let (claimer, device) = (device(claimer), device(whose));
        let told = self.ask(Ask::Claim { from, claimer, request, device, suite })?;
        match &told[0] {
            Told::KeyPackage { package, .. } => {
                Ok(u64::from_be_bytes(package.body[..].try_into().unwrap()))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Deposits a Welcome for KeyPackages of these numbers; what is told.
    fn deposit(&mut self, seq: u64, devices: &[u8], numbers: &[u64]) -> Vec<Told> {
        let devices = devices.iter().copied().map(device).collect();
        let (group, seq) = (group(), Seq(seq));
        let welcome = welcome(numbers);
        self.ask(Ask::Deposit { group, seq, devices, welcome }).unwrap()
    }

    /// The numbers of the KeyPackages whose Welcomes wait for a device.
    fn waiting(&self, whose: u8) -> Vec<Reference> {
        let letters = self.shard.devices().mailboxes().save(device(whose));
        letters.iter().map(|(_, letter)| letter.reference).collect()
    }

    /// Everything of everybody.
    fn saved(&self) -> Vec<SavedDevice> {
        let devices = self.shard.devices();
        devices.ids().map(|id| devices.save(id)).collect()
    }
}

/// What a listener was told: the Welcomes by number.
fn welcomes(told: &[Told]) -> Vec<u64> {
    let number = |told: &Told| match told {
        Told::Welcome { number, .. } => Some(*number),
        _ => None,
    };
    told.iter().filter_map(number).collect()
}
