//! Handshakes are looked at before they are ordered, and alike after a restart.

use std::time::Duration;

use bytes::Bytes;
use openmls::prelude::Lifetime;

use super::told::{Teller, told};
use super::{FROM, device, released};
use crate::delivery::{
    Check, Durability, Enclosed, Epoch, Founding, GroupId, Input, Kind, Level, MessageId, Output,
    Policy, Reject, RosterChange, Seq, Settings, Submission,
};
use crate::engine::{Engine, Recovery};
use crate::log::Position;
use crate::validation::tests::bed::{Bed, Client, Commit, Made, device as client_device};

/// An engine, with what its log holds.
struct Service {
    engine: Engine,
    told: Teller,
    entries: Vec<Vec<u8>>,
    id: u8,
}

impl Service {
    fn new(bytes_target: u64) -> Self {
        Self::over(Vec::new(), 0, bytes_target)
    }

    fn over(entries: Vec<Vec<u8>>, skipped: usize, bytes_target: u64) -> Self {
        let (log, told) = told();
        told.set_durable(u64::MAX);
        let mut recovery = Recovery::new(Policy::default());
        for (index, entry) in entries.iter().enumerate().skip(skipped) {
            recovery.replay(Position(index as u64 + 1), entry).unwrap();
        }
        let engine = recovery.finish(log, bytes_target).unwrap().0;
        Self { engine, told, entries, id: 0 }
    }

    /// As a new process finds it.
    fn restarted(mut self) -> Self {
        self.engine.sync().unwrap();
        self.entries.extend(self.told.entries());
        let released = usize::try_from(self.told.released_below()).unwrap();
        let mut again = Self::over(self.entries, released.saturating_sub(1), u64::MAX);
        again.id = self.id;
        again
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.engine.handle(now(), input).unwrap();
        self.engine.sync().unwrap();
        released(&mut self.engine)
    }

    fn create(&mut self, bed: &mut Bed, level: Level) -> Vec<Output> {
        let roster = bed.roster();
        let (device, request) = (roster[0], MessageId([0xff; 16]));
        let (group_info, tree) = (Some(bed.group_info(0).into()), Some(bed.tree(0).into()));
        let founding = Box::new(Founding {
            group: group_of(bed),
            epoch: Epoch(bed.clients[0].group.as_ref().unwrap().epoch().as_u64()),
            settings: Settings { durability: Durability::Wal, level },
            roster,
            group_info,
            tree,
        });
        self.handle(Input::Create { from: FROM, device, request, founding })
    }

    fn submit(&mut self, bed: &Bed, epoch: u64, made: &Made, joins: bool) -> Vec<Output> {
        self.id += 1;
        let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes::from);
        let submission = Submission {
            id: MessageId([self.id; 16]),
            group: group_of(bed),
            epoch: Epoch(epoch),
            kind: Kind::Commit,
            joins,
            change: made.change.clone(),
            enclosed: Enclosed {
                welcome: bytes(&made.welcome),
                group_info: bytes(&made.group_info),
            },
            body: made.body.clone().into(),
        };
        self.handle(Input::Submit { from: FROM, device: made.sender, submission })
    }
}

/// When a KeyPackage that is made now is good.
fn now() -> Duration {
    Duration::from_secs(Client::new(0).package().life_time().not_before() + 3_601)
}

fn group_of(bed: &Bed) -> GroupId {
    let group = bed.clients[0].group.as_ref().unwrap();
    GroupId::new(group.group_id().as_slice()).unwrap()
}

fn epoch_of(bed: &Bed) -> u64 {
    bed.clients[0].group.as_ref().unwrap().epoch().as_u64()
}

fn seq_of(outputs: &[Output]) -> Seq {
    let accepted = outputs.iter().find_map(|output| match output {
        Output::Accepted { seq, .. } => Some(*seq),
        _ => None,
    });
    accepted.unwrap_or_else(|| panic!("not accepted: {outputs:?}"))
}

fn refused(outputs: &[Output]) -> Reject {
    match outputs {
        [Output::Rejected { reason, .. }] => *reason,
        _ => panic!("not refused: {outputs:?}"),
    }
}

fn invalid(check: Check) -> Reject {
    Reject::Invalid { check: check.number() }
}

#[test]
fn a_commit_from_anothers_leaf_is_refused_also_after_a_restart() {
    for level in [Level::Header, Level::Public] {
        let mut bed = Bed::new(3);
        let mut service = Service::new(u64::MAX);
        service.create(&mut bed, level);
        let mut forged = bed.commit(1, Commit::default());
        forged.sender = client_device(2);
        let epoch = epoch_of(&bed);
        let answer = service.submit(&bed, epoch, &forged, false);
        assert_eq!(refused(&answer), invalid(Check::SenderLeaf));
        let mut service = service.restarted();
        let answer = service.submit(&bed, epoch, &forged, false);
        assert_eq!(refused(&answer), invalid(Check::SenderLeaf));
        forged.sender = client_device(1);
        assert_eq!(seq_of(&service.submit(&bed, epoch, &forged, false)), Seq(1));
    }
}

/// A leaf of the founding tree and a KeyPackage of a proposal have expired when the log is replayed:
/// what was good when it was accepted is not looked at again.
#[test]
fn a_restart_does_not_mind_what_has_expired_since() {
    let short = |client: &Client| {
        client.package_with(|package| package.key_package_lifetime(Lifetime::new(2)))
    };
    let mut bed = Bed::new(2);
    let joiner = Client::new(2);
    let adds = vec![short(&joiner)];
    bed.clients.push(joiner);
    let made = bed.commit(0, Commit { adds, ..Commit::default() });
    bed.settle(0, &made);
    let mut service = Service::new(u64::MAX);
    let founded = service.create(&mut bed, Level::Public);
    assert!(matches!(founded[..], [Output::Created(_), Output::Done { .. }]), "{founded:?}");
    let package = short(&Client::new(3));
    let body = bed.propose(1, |group, provider, signer| {
        group.propose_add_member(provider, signer, &package).unwrap().0
    });
    let submission = Submission {
        id: MessageId([200; 16]),
        group: group_of(&bed),
        epoch: Epoch(epoch_of(&bed)),
        kind: Kind::Proposal,
        joins: false,
        change: RosterChange::default(),
        enclosed: Enclosed::default(),
        body: body.into(),
    };
    let device = client_device(1);
    assert_eq!(seq_of(&service.handle(Input::Submit { from: FROM, device, submission })), Seq(1));
    // OpenMLS asks the system, so time has to pass.
    while now().as_secs() <= package.life_time().not_after() + 1 {
        std::thread::yield_now();
    }
    let mut service = service.restarted();
    let next = bed.commit(0, Commit { without_pending: true, ..Commit::default() });
    assert_eq!(seq_of(&service.submit(&bed, epoch_of(&bed), &next, false)), Seq(2));
}

/// What a commit adds expires: its validation is not made again when the log is replayed.
#[test]
fn a_group_that_has_grown_is_followed_across_a_restart_from_entries_and_from_a_checkpoint() {
    for target in [u64::MAX, 0] {
        let mut bed = Bed::new(2);
        let mut service = Service::new(target);
        service.create(&mut bed, Level::Public);
        let joiner = Client::new(2);
        let adds = vec![joiner.package()];
        bed.clients.push(joiner);
        let mut made = bed.commit(0, Commit { adds, ..Commit::default() });
        // At this level the commit itself says whom it adds.
        made.change = RosterChange::default();
        let outputs = service.submit(&bed, epoch_of(&bed), &made, false);
        assert_eq!(seq_of(&outputs), Seq(1));
        let added = outputs.iter().any(|output| {
            matches!(output, Output::Appended { entry, .. }
                if entry.change.added == [client_device(2)])
        });
        assert!(added, "{outputs:?}");
        bed.settle(0, &made);
        let mut service = service.restarted();
        let next = bed.commit(1, Commit::default());
        let outputs = service.submit(&bed, epoch_of(&bed), &next, false);
        assert_eq!(seq_of(&outputs), Seq(2));
        let roster = service.engine.shard().group(&group_of(&bed)).unwrap().roster();
        assert!(roster.contains(client_device(2)));
    }
}

#[test]
fn a_stranger_that_commits_itself_in_is_a_member_afterwards() {
    let mut bed = Bed::new(2);
    let mut service = Service::new(u64::MAX);
    service.create(&mut bed, Level::Public);
    let epoch = epoch_of(&bed);
    let made = bed.external(2);
    assert_eq!(seq_of(&service.submit(&bed, epoch, &made, true)), Seq(1));
    let service = service.restarted();
    assert!(
        service.engine.shard().group(&group_of(&bed)).unwrap().roster().contains(client_device(2))
    );
}

#[test]
fn a_group_whose_level_lacks_what_it_needs_is_not_created() {
    let mut service = Service::new(u64::MAX);
    let mut founding = Founding::plain(super::group(1), vec![device(1)]);
    founding.settings.level = Level::Public;
    let (device, request, founding) = (device(1), MessageId([1; 16]), Box::new(founding));
    let outputs = service.handle(Input::Create { from: FROM, device, request, founding });
    assert_eq!(refused(&outputs), Reject::LevelUnavailable);
    assert_eq!(service.engine.shard().groups(), 0);
}
