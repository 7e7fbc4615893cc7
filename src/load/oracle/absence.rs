//! Members that go away and come back: what they miss, and from where on they are present again.
//!
//! What was ordered while a member was away it still has to get, once and in order; but how long
//! that takes says nothing of fan-out. So a message waits, as far as fan-out is concerned, for the
//! members alone that were present when it was first heard of and have not gone since. Called by
//! the oracle only, like `group`.

use super::group::Group;
use super::judge::{Oracle, group_mut};
use super::violations::{Example, ViolationKind};
use crate::delivery::Seq;

/// The place from which a member is present that is away.
const AWAY: u64 = u64::MAX;

impl Oracle {
    /// `member` is away from now on: what it has not got yet it gets later, if at all. Costs a
    /// step for each message that it has not got.
    pub fn departed(&mut self, group: u32, member: u32) {
        if let Some(found) = group_mut(&mut self.groups, group) {
            found.depart(member);
        }
    }

    /// The service has ended the session of `member`: nothing more can come to it. The run is no
    /// measurement any more; but what the member lacks is no loss, since nobody asks for it again.
    pub fn cut_off(&mut self, group: u32, member: u32) {
        self.departed(group, member);
        if let Some(found) = group_mut(&mut self.groups, group) {
            found.cut_off.insert(member);
        }
    }

    /// `member` is back, and the service says that the group's last message is `head`: what comes
    /// after it the member gets like everybody else.
    pub fn returned(&mut self, group: u32, member: u32, head: Seq) {
        if let Some(found) = group_mut(&mut self.groups, group) {
            found.come_back(member, head.0);
            found.cut_off.remove(&member);
        }
    }

    /// The last message that `member` has got, or was made to skip: where it goes on.
    #[must_use]
    pub fn seen(&self, group: u32, member: u32) -> Seq {
        let found = self.groups.get(group as usize).and_then(Option::as_ref);
        let member = found.and_then(|found| found.members.get(member as usize));
        member.map_or(Seq(0), |member| Seq(member.next.saturating_sub(1)))
    }

    /// The last message of a group that anybody has got, or whose sender knows that it is ordered.
    #[must_use]
    pub fn head(&self, group: u32) -> Seq {
        let found = self.groups.get(group as usize).and_then(Option::as_ref);
        found.map_or(Seq(0), |found| Seq(found.head))
    }

    /// `member` was told to go on at `next`, and was away for so long that it had to be: what lies
    /// between is expected of nobody. Costs a step for each message that it will not get.
    pub fn excused(&mut self, group: u32, member: u32, next: Seq) {
        let Some(found) = group_mut(&mut self.groups, group) else { return };
        if next.0 > found.reachable.saturating_add(1) {
            let example = Example::new(ViolationKind::Gap, "sent on beyond all that was submitted");
            self.violations.add(example.group(group).member(member).seq(next.0));
        }
        let next = next.0.min(found.reachable.saturating_add(1));
        self.counts.excused += found.excuse(member, next);
        self.forget(group);
    }
}

impl Group {
    fn depart(&mut self, member: u32) {
        let Some(found) = self.members.get_mut(member as usize) else { return };
        if found.present_from == AWAY || found.last != u64::MAX {
            return;
        }
        let lacks = found.next.max(found.present_from);
        found.present_from = AWAY;
        self.absent += 1;
        let before = usize::try_from(lacks.saturating_sub(self.base)).unwrap_or(usize::MAX);
        for slot in self.entries.iter_mut().skip(before) {
            slot.awaited = slot.awaited.saturating_sub(1);
        }
    }

    fn come_back(&mut self, member: u32, head: u64) {
        let index = member as usize;
        if self.members.get(index).is_none_or(|found| found.present_from != AWAY) {
            return;
        }
        // Whatever has been heard of by now was first heard of without it.
        let head = head.min(self.reachable);
        self.slot(head);
        let unheard = self.base + self.entries.len() as u64;
        self.members[index].present_from = unheard.max(head + 1);
        self.absent -= 1;
    }

    /// Lets `member` off everything before `next`; how many messages that is.
    fn excuse(&mut self, member: u32, next: u64) -> u64 {
        let Some(found) = self.members.get_mut(member as usize) else { return 0 };
        let (first, present_from) = (found.next, found.present_from);
        if next <= first {
            return 0;
        }
        found.next = next;
        found.chain = None;
        for seq in first..next {
            if let Some(slot) = self.slot(seq) {
                slot.expected = slot.expected.saturating_sub(1);
                if seq >= present_from {
                    slot.awaited = slot.awaited.saturating_sub(1);
                }
            }
        }
        next - first
    }
}
