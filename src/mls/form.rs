//! Forms a group: KeyPackages for everybody, the bulk add, and where each member sits.
//!
//! It never sends. A bulk add is quadratic in its adds, so a large group is filled in chunks with
//! leaves that nobody will use, and one last commit puts the members that must join in the seats
//! kept for them: they join the final epoch at once, by one Welcome, and process no add at all.
//! Called by `mint` and `live`, and by `synthetic` for the seats.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use openmls::prelude::KeyPackage;
use rayon::prelude::IntoParallelIterator;
use rayon::prelude::ParallelIterator;

use super::leaf;
use super::leaf::Leaf;
use super::leaf::MemberError;
use super::newcomer::Newcomer;
use super::suite::Suite;
use super::tape::Handshake;
use crate::delivery::DeviceId;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::limits::BULK_ADD_MAX;

/// The group that is to be formed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) suite: Suite,
    pub(super) group: GroupId,
    pub(super) members: u32,
    /// Members 0 to `senders - 1` sit evenly spread over the leaves.
    pub(super) senders: u32,
    /// Members 0 to `joiners - 1` will exist: the senders and those that only listen.
    pub(super) joiners: u32,
    /// Of the others, those that will exist too, in the seats that they have anyway; ascending.
    pub(super) awake: &'a [u32],
    pub(super) handshake: Handshake,
    /// What the credentials name, by member number; empty for names of no meaning.
    pub(super) devices: &'a [DeviceId],
}

/// A group right after everybody was added.
#[derive(Debug)]
pub(super) struct Formed {
    /// Member 0, in the final epoch.
    pub(super) creator: Leaf,
    /// Members 1 to `joiners - 1`, then those awake; they have yet to join.
    pub(super) joiners: Vec<Newcomer>,
    /// By which they join.
    pub(super) welcome: Bytes,
    /// With which they join.
    pub(super) tree: Bytes,
    /// Its GroupInfo, without the tree; empty unless the members are named by device.
    pub(super) group_info: Bytes,
}

impl Plan<'_> {
    /// The leaves of those awake.
    fn awake_seats(&self) -> Vec<u32> {
        if self.awake.is_empty() {
            return Vec::new();
        }
        let by_leaf = by_leaf(self.members, self.senders, self.joiners);
        let leaves: BTreeMap<u32, u32> = by_leaf.into_iter().zip(0..).collect();
        self.awake.iter().map(|member| leaves[member]).collect()
    }

    /// What the credential of `member` says.
    pub(super) fn identity(&self, member: u32) -> Vec<u8> {
        let index = usize::try_from(member).expect("a member number fits an address");
        self.devices.get(index).map_or_else(|| leaf::identity(member), |device| device.0.to_vec())
    }
}

/// Forms the group; `progress` hears of [`UNITS_PER_MEMBER`] for each member.
pub(super) fn form(
    plan: &Plan<'_>,
    parallel: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Formed, MemberError> {
    let creator = Newcomer::new(plan.suite, plan.identity(0))?;
    let mut creator = creator.create(plan.suite, &plan.group, plan.handshake)?;
    let existing = (1..plan.joiners).chain(plan.awake.iter().copied()).collect();
    let joiners =
        each(parallel, existing, |member| Newcomer::new(plan.suite, plan.identity(member)))?;
    let mut seats = seats(plan.members, plan.senders, plan.joiners);
    seats.extend(plan.awake_seats());
    let seated: BTreeMap<u32, &Newcomer> = seats[1..].iter().copied().zip(&joiners).collect();
    progress(UNITS_PER_MEMBER);
    let welcome = if is_one_commit(plan.members) {
        let welcome = creator.reseat(&[], packages(plan, 1..plan.members, &seated, parallel)?)?;
        progress(UNITS_PER_MEMBER * u64::from(plan.members - 1));
        welcome
    } else {
        fill_then_seat(plan, &mut creator, &seated, parallel, progress)?
    };
    debug_assert_eq!(creator.epoch(), epoch(plan.members), "the epoch is a function of the size");
    let tree = creator.tree()?;
    let group_info = if plan.devices.is_empty() { Bytes::new() } else { creator.group_info()? };
    Ok(Formed { creator, joiners, welcome, tree, group_info })
}

/// What forming costs per member, in units of an application message encrypted.
pub(super) const UNITS_PER_MEMBER: u64 = 4;

/// The epoch of a group of `members` right after it was formed: one for each commit.
pub(super) fn epoch(members: u32) -> Epoch {
    if is_one_commit(members) {
        return Epoch(1);
    }
    let chunk = u64::try_from(BULK_ADD_MAX).expect("the bound is small");
    Epoch((u64::from(members) - 1).div_ceil(chunk) + 1)
}

/// The leaf of each member that exists, by member number: senders evenly spread, the others in
/// the last free leaves. Member 0 is leaf 0. Cost: linear in the joiners.
pub(super) fn seats(members: u32, senders: u32, joiners: u32) -> Vec<u32> {
    let spread = |sender: u32| {
        let leaf = u64::from(sender) * u64::from(members) / u64::from(senders);
        u32::try_from(leaf).expect("a leaf is less than the member count")
    };
    let mut seats: Vec<u32> = (0..senders).map(spread).collect();
    let taken: HashSet<u32> = seats.iter().copied().collect();
    let free = (0..members).rev().filter(|leaf| !taken.contains(leaf));
    seats.extend(free.take(usize::try_from(joiners - senders).expect("a count fits an address")));
    seats
}

/// The number of the member at each leaf: those that exist in their seats, the others, in order,
/// in what is left. Cost: linear in the members.
pub(super) fn by_leaf(members: u32, senders: u32, joiners: u32) -> Vec<u32> {
    let seated: BTreeMap<u32, u32> =
        seats(members, senders, joiners).into_iter().zip(0..).collect();
    let mut others = joiners..members;
    let sits = |leaf| seated.get(&leaf).copied().or_else(|| others.next());
    (0..members).map(sits).map(|member| member.expect("as many members as leaves")).collect()
}

/// Applies `work` to every item, on every core when `parallel`; results in order.
pub(super) fn each<T: Send, R: Send>(
    parallel: bool,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, MemberError> + Sync + Send,
) -> Result<Vec<R>, MemberError> {
    if parallel {
        items.into_par_iter().map(work).collect()
    } else {
        items.into_iter().map(work).collect()
    }
}

fn is_one_commit(members: u32) -> bool {
    usize::try_from(members).is_ok_and(|members| members <= BULK_ADD_MAX + 1)
}

/// Fills all leaves in chunks, then exchanges the seats of those who exist in one more commit:
/// adds take the blank leaves from the left (RFC 9420 §7.7), so in ascending order of seat.
fn fill_then_seat(
    plan: &Plan<'_>,
    creator: &mut Leaf,
    seated: &BTreeMap<u32, &Newcomer>,
    parallel: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Bytes, MemberError> {
    let step = u32::try_from(BULK_ADD_MAX).expect("the bound is small");
    let mut first = 1;
    while first < plan.members {
        let last = first.saturating_add(step).min(plan.members);
        creator.reseat(&[], packages(plan, first..last, &BTreeMap::new(), parallel)?)?;
        progress(UNITS_PER_MEMBER * u64::from(last - first));
        first = last;
    }
    if seated.is_empty() {
        // Nobody joins, but the epoch must not depend on that.
        creator.prepare_commit()?;
        creator.merge_pending()?;
        return Ok(Bytes::new());
    }
    let leaves: Vec<u32> = seated.keys().copied().collect();
    creator.reseat(&leaves, seated.values().map(|joiner| joiner.key_package().clone()).collect())
}

/// The KeyPackages for `leaves`: of those who are seated there, and else of members who will
/// never act, whose private keys are dropped at once.
fn packages(
    plan: &Plan<'_>,
    leaves: Range<u32>,
    seated: &BTreeMap<u32, &Newcomer>,
    parallel: bool,
) -> Result<Vec<KeyPackage>, MemberError> {
    let by_leaf = by_leaf(plan.members, plan.senders, plan.joiners);
    each(parallel, leaves.collect(), |leaf| match seated.get(&leaf) {
        Some(joiner) => Ok(joiner.key_package().clone()),
        None => {
            let member = by_leaf[usize::try_from(leaf).expect("a leaf fits an address")];
            Ok(Newcomer::new(plan.suite, plan.identity(member))?.key_package().clone())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_sit_evenly_and_listeners_in_the_last_free_leaves() {
        assert_eq!(seats(8, 2, 4), [0, 4, 7, 6]);
        assert_eq!(seats(4, 4, 4), [0, 1, 2, 3]);
        assert_eq!(seats(10, 3, 10), [0, 3, 6, 9, 8, 7, 5, 4, 2, 1]);
        assert_eq!(by_leaf(8, 2, 4), [0, 4, 5, 6, 1, 7, 3, 2]);
        assert_eq!(by_leaf(4, 4, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn a_group_larger_than_one_commit_is_formed_in_the_epoch_foretold() {
        let group = GroupId::new(b"large").unwrap();
        let suite = Suite::named("x25519-aes128-ed25519").unwrap();
        for joiners in [1, 3] {
            let members = u32::try_from(BULK_ADD_MAX).unwrap() + 2;
            let handshake = Handshake::Public;
            let devices = &[];
            let (senders, awake) = (1, &[][..]);
            let plan = Plan { suite, group, members, senders, joiners, awake, handshake, devices };
            let formed = form(&plan, true, &|_| ()).unwrap();
            assert_eq!(formed.creator.epoch(), Epoch(3));
            let seats = seats(members, 1, joiners);
            for (newcomer, seat) in formed.joiners.into_iter().zip(&seats[1..]) {
                let pairs = newcomer.pairs();
                let (welcome, tree) = (&formed.welcome, &formed.tree);
                let mut joined = Leaf::join(suite, &pairs, welcome, tree, handshake).unwrap();
                assert_eq!(joined.authenticator(), formed.creator.authenticator());
                // The header, a group id of 5, the epoch, the type of sender: then its leaf.
                let leaf_at = 4 + 6 + 8 + 1;
                let commit = joined.prepare_commit().unwrap();
                assert_eq!(commit[leaf_at..leaf_at + 4], seat.to_be_bytes());
            }
        }
    }
}
