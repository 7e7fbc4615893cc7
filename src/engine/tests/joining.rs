//! KeyPackages are handed out once and Welcomes arrive, whatever restarts come between.

use bytes::Bytes;

use super::told::{Teller, told};
use super::{AT, FROM, device, group, released};
use crate::delivery::joining::{Ask, Joiner, JoinerSecrets, KeyPackage, Reference, Told, Welcome};
use crate::delivery::{
    Durability, Enclosed, Epoch, Founding, Input, Kind, MessageId, Output, Policy, Reject,
    RosterChange, Seq, Submission,
};
use crate::engine::{Engine, Recovery};
use crate::log::Position;

const SUITE: u16 = 1;
const REQUEST: MessageId = MessageId([9; 16]);

/// An engine, and what its log holds.
struct Kept {
    engine: Engine,
    told: Teller,
    entries: Vec<Vec<u8>>,
}

impl Kept {
    fn over(entries: Vec<Vec<u8>>, skipped: usize, target: u64) -> Self {
        let (log, told) = told();
        told.set_durable(u64::MAX);
        let mut recovery = Recovery::new(Policy::default());
        for (index, entry) in entries.iter().enumerate().skip(skipped) {
            recovery.replay(Position(index as u64 + 1), entry).unwrap();
        }
        Self { engine: recovery.finish(log, target).unwrap().0, told, entries }
    }

    fn restarted(mut self) -> Self {
        self.engine.sync().unwrap();
        self.engine.sync().unwrap();
        self.entries.extend(self.told.entries());
        let released = usize::try_from(self.told.released_below()).unwrap();
        Self::over(self.entries, released.saturating_sub(1), u64::MAX)
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.engine.handle(AT, input).unwrap();
        self.engine.sync().unwrap();
        released(&mut self.engine)
    }

    fn claim(&mut self) -> Result<Reference, Reject> {
        let (from, claimer, device) = (FROM, device(1), device(5));
        let ask = Ask::Claim { from, claimer, request: REQUEST, device, suite: SUITE };
        let outputs = self.handle(Input::Joining(ask));
        let answer = outputs.into_iter().find_map(|output| match output {
            Output::Joining(Told::KeyPackage { package, .. }) => Some(Ok(package.reference)),
            Output::Rejected { reason, .. } => Some(Err(reason)),
            _ => None,
        });
        answer.expect("a claim is answered")
    }
}

fn reference(number: u8) -> Reference {
    Reference::new(&[number; 32]).unwrap()
}

fn publish(numbers: &[u8]) -> Input {
    let package = |number: &u8| KeyPackage {
        suite: SUITE,
        reference: reference(*number),
        not_before: 0,
        not_after: u64::MAX / 2,
        last_resort: false,
        identity: None,
        body: Bytes::from(vec![*number; 50]),
    };
    let packages = numbers.iter().map(package).collect();
    let (from, device, request) = (FROM, device(5), REQUEST);
    Input::Joining(Ask::Publish { from, device, request, last_resort: false, packages })
}

#[test]
fn a_key_package_is_handed_out_once_across_restarts_from_entries_and_from_checkpoints() {
    for target in [u64::MAX, 0] {
        let mut kept = Kept::over(Vec::new(), 0, target);
        kept.handle(publish(&[1, 2, 3]));
        let mut given = vec![kept.claim().unwrap()];
        let mut kept = kept.restarted();
        given.push(kept.claim().unwrap());
        given.push(kept.claim().unwrap());
        let mut kept = kept.restarted();
        assert_eq!(kept.claim(), Err(Reject::NoKeyPackage));
        given.sort_unstable();
        assert_eq!(given, [reference(1), reference(2), reference(3)]);
        assert!(target > 0 || kept.entries.len() > 4, "there were checkpoints");
    }
}

fn forwards(outputs: &[Output]) -> usize {
    let forward = |output: &&Output| matches!(output, Output::Joining(Told::Forward { .. }));
    outputs.iter().filter(forward).count()
}

#[test]
fn a_welcome_is_sent_on_after_every_restart_until_its_device_has_it() {
    let mut kept = Kept::over(Vec::new(), 0, u64::MAX);
    kept.handle(publish(&[1]));
    kept.claim().unwrap();
    let mut founding = Founding::plain(group(7), vec![device(1)]);
    founding.settings.durability = Durability::Wal;
    let (founding, request) = (Box::new(founding), REQUEST);
    kept.handle(Input::Create { from: FROM, device: device(1), request, founding });
    let submission = Submission {
        id: MessageId([1; 16]),
        group: group(7),
        epoch: Epoch(0),
        kind: Kind::Commit,
        joins: false,
        change: RosterChange { added: vec![device(5)], removed: vec![] },
        enclosed: Enclosed { welcome: Some(Bytes::from_static(b"welcome")), group_info: None },
        body: Bytes::from_static(b"commit"),
    };
    let outputs = kept.handle(Input::Submit { from: FROM, device: device(1), submission });
    assert_eq!(forwards(&outputs), 1);
    let mut kept = kept.restarted();
    assert_eq!(forwards(&released(&mut kept.engine)), 1, "nobody had it");
    let secrets = Bytes::from_static(b"secrets");
    let joiners = vec![JoinerSecrets { reference: reference(1), secrets: secrets.clone() }];
    let welcome = Welcome { suite: SUITE, joiners, group_info: Bytes::from_static(b"info") };
    let (seq, devices) = (Seq(1), vec![device(5)]);
    let deposit = Ask::Deposit { group: group(7), seq, devices: devices.clone(), welcome };
    kept.handle(Input::Joining(deposit));
    kept.handle(Input::Joining(Ask::Release { group: group(7), seq, devices }));
    let mut kept = kept.restarted();
    assert_eq!(forwards(&released(&mut kept.engine)), 0, "its device's shard has it");
    let outputs = kept.handle(Input::Joining(Ask::Collect { from: FROM, device: device(5) }));
    let expected = Joiner { device: device(5), reference: reference(1), secrets };
    let told = outputs.iter().find_map(|output| match output {
        Output::Joining(Told::Welcome { reference, secrets, .. }) => {
            let (device, secrets) = (device(5), secrets.clone());
            Some(Joiner { device, reference: *reference, secrets })
        }
        _ => None,
    });
    assert_eq!(told, Some(expected));
}
