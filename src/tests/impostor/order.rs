//! The impostor's own ordering: groups, epochs, rosters, and what each message became.
//!
//! As simple as the contract, and without a bound or a policy. Pure.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::delivery::{DeviceId, Epoch, GroupId, Kind, MessageId, Reject, RosterChange, Seq};
use crate::wire::{GroupHeader, Reason, peek_group};

/// A message in a group's order.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) id: MessageId,
    pub(super) body: Bytes,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) epoch: u64,
    /// Who belongs to it, by place; `None` where somebody left.
    pub(super) roster: Vec<Option<DeviceId>>,
    pub(super) log: Vec<Entry>,
    pub(super) next: u64,
    /// The place of the commit that closed each epoch.
    winners: BTreeMap<u64, u64>,
}

/// What came of a submission.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It is ordered.
    Ordered { entry: Entry, epoch: Epoch },
    /// It lost to the commit at `winner`.
    Lost { current: Epoch, winner: Seq },
    /// It is refused for another reason.
    Refused(Reason),
}

/// Every group.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) groups: Vec<Group>,
    by_id: HashMap<GroupId, usize>,
}

impl Order {
    pub(super) fn create(
        &mut self,
        id: GroupId,
        epoch: Epoch,
        roster: Vec<DeviceId>,
    ) -> Result<(), Reject> {
        if self.by_id.contains_key(&id) {
            return Err(Reject::GroupExists);
        }
        self.by_id.insert(id, self.groups.len());
        let roster = roster.into_iter().map(Some).collect();
        let (log, winners) = (Vec::new(), BTreeMap::new());
        self.groups.push(Group { id, epoch: epoch.0, roster, log, next: 1, winners });
        Ok(())
    }

    pub(super) fn delete(&mut self, id: GroupId) -> Result<(), Reject> {
        self.by_id.remove(&id).map(drop).ok_or(Reject::UnknownGroup)
    }

    /// The group's number: how many were created before it.
    pub(super) fn find(&self, id: &GroupId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The group that a message is for, and what its header says.
    pub(super) fn group_of(&self, body: &Bytes) -> Result<(usize, GroupHeader), Reason> {
        let malformed = |_| Reason::Malformed { offset: 0 };
        let header = peek_group(body).map_err(malformed)?;
        let group = self.find(&header.group).ok_or(Reason::Rejected(Reject::UnknownGroup))?;
        Ok((group, header))
    }
}

impl Group {
    pub(super) fn place_of(&self, device: DeviceId) -> Option<usize> {
        self.roster.iter().position(|member| *member == Some(device))
    }

    /// Decides about a submission, and orders it if it may be.
    pub(super) fn submit(
        &mut self,
        by: DeviceId,
        header: GroupHeader,
        id: MessageId,
        change: &RosterChange,
        body: Bytes,
    ) -> Verdict {
        let joins = change.added.contains(&by) && header.kind == Kind::Commit;
        if self.place_of(by).is_none() && !joins {
            return Verdict::Refused(Reason::Rejected(Reject::NotMember));
        }
        let (epoch, current) = (header.epoch.0, Epoch(self.epoch));
        let fits = match header.kind {
            Kind::Application => epoch <= self.epoch,
            Kind::Proposal | Kind::Commit => epoch == self.epoch,
        };
        if !fits {
            let winner = Seq(self.winners.get(&epoch).copied().unwrap_or(0));
            return Verdict::Lost { current, winner };
        }
        if header.kind == Kind::Commit {
            self.winners.insert(epoch, self.next);
            self.epoch += 1;
        }
        self.append(id, body)
    }

    /// Orders a message, whatever speaks against it.
    pub(super) fn append(&mut self, id: MessageId, body: Bytes) -> Verdict {
        let entry = Entry { seq: self.next, id, body };
        self.next += 1;
        self.log.push(entry.clone());
        Verdict::Ordered { entry, epoch: Epoch(self.epoch) }
    }

    /// The roster after a commit. Whoever it removes is told of it as the last thing.
    pub(super) fn change_roster(&mut self, change: &RosterChange) {
        for member in &mut self.roster {
            if member.is_some_and(|device| change.removed.contains(&device)) {
                *member = None;
            }
        }
        self.roster.extend(change.added.iter().copied().map(Some));
    }

    pub(super) fn head(&self) -> u64 {
        self.next - 1
    }
}
