//! A group in one of four states of its tree, with two members that really act.
//!
//! All others are leaves whose private keys are dropped at once: what a member does costs the same
//! whoever else is awake. It measures nothing, and so takes every core that there is. Called by
//! `measure`.

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::dormant::{Dormant, name};
use crate::limits::BULK_ADD_MAX;
use crate::mls::MemberError;
use crate::mls::stack::{Candidate, Member, Stack, StackKind};

/// The id of every group here: as long as those of the load engine.
pub(super) const GROUP: &[u8; 16] = b"stentor-suites--";

/// Members that join at the same time to settle a tree. With more, each would have to process more
/// commits of the others than a join takes.
pub(super) const SEATED_AT_ONCE: usize = 2;

/// What an operation finds in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// One member has added everybody, and nobody else has committed: a commit has a ciphertext for
    /// every other member.
    Fresh,
    /// As few others have committed since as it takes for a commit to find one key for each level,
    /// as in a merged tree. Its other parent nodes are blank, so the tree itself is shorter.
    Settled,
    /// Every parent node has a key and no unmerged leaf: a commit has one for each level.
    Merged,
    /// Merged, and then a quarter of the members replaced, one by each commit: between the two.
    Churned,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Settled, Self::Merged, Self::Churned];

    /// As the command line and records have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Settled => "settled",
            Self::Merged => "merged",
            Self::Churned => "churned",
        }
    }
}

/// A group with two members awake.
pub(super) struct Group {
    /// Who commits.
    pub(super) committer: Box<dyn Member>,
    /// Its leaf.
    pub(super) leaf: u32,
    /// Who processes.
    pub(super) watcher: Box<dyn Member>,
}

/// How far a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being done.
    pub what: &'static str,
    /// So much of it is done.
    pub done: u32,
    /// Of so much.
    pub of: u32,
}

/// Makes members of one suite: those who act, each with a name of its own, and those who do not.
pub(super) struct Maker<'a> {
    kind: StackKind,
    stack: Box<dyn Stack>,
    suite: u16,
    awake: usize,
    dormant: &'a mut Dormant,
    /// So many of them are in the group.
    placed: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        kind: StackKind,
        suite: u16,
        dormant: &'a mut Dormant,
    ) -> Result<Self, MemberError> {
        Ok(Self { kind, stack: kind.open()?, suite, awake: 0, dormant, placed: 0 })
    }

    pub(super) fn candidate(&mut self) -> Result<Box<dyn Candidate>, MemberError> {
        self.awake += 1;
        self.stack.candidate(self.suite, &name("awake", self.awake))
    }

    /// KeyPackages of devices that will never act, and that no group of this maker's has seen.
    pub(super) fn packages(&mut self, count: usize) -> Result<Vec<Bytes>, MemberError> {
        let until = self.placed + count;
        let packages = self.dormant.first((self.kind, self.suite), until)?;
        let packages = packages[self.placed..].to_vec();
        self.placed = until;
        Ok(packages)
    }

    /// A group of at least two members in that state; `progress` hears of what is done.
    pub(super) fn group(
        &mut self,
        members: u32,
        state: State,
        progress: &dyn Fn(Step),
    ) -> Result<Group, MemberError> {
        match state {
            State::Fresh => self.fresh(members, progress),
            State::Settled => self.settled(members, progress),
            State::Merged => self.merged(members, progress),
            State::Churned => {
                let mut group = self.merged(members, progress)?;
                self.churn(&mut group, members, progress)?;
                Ok(group)
            }
        }
    }

    fn fresh(&mut self, members: u32, progress: &dyn Fn(Step)) -> Result<Group, MemberError> {
        let mut committer = self.candidate()?.create(GROUP)?;
        let last = self.candidate()?;
        let (members, mut inside) = (index(members), 1);
        loop {
            let more = BULK_ADD_MAX.min(members - inside);
            let ends = inside + more == members;
            let mut packages = self.packages(more - usize::from(ends))?;
            packages.extend(ends.then(|| last.key_package()));
            let made = committer.commit(&[], &packages)?;
            committer.merge()?;
            inside += more;
            progress(Step { what: "adding members", done: count(inside), of: count(members) });
            if ends {
                let watcher = last.join(&made.welcome, &committer.tree()?)?;
                return Ok(Group { committer, leaf: 0, watcher });
            }
        }
    }

    /// Fresh, and then whoever sits at each of [`seats`] is replaced by a member that commits once
    /// and is heard of no more. Cost: a join for each seat, of which there are two or three for each
    /// doubling of the group: 18 at 1,000 members, where a merged tree takes 500.
    fn settled(&mut self, members: u32, progress: &dyn Fn(Step)) -> Result<Group, MemberError> {
        let mut group = self.fresh(members, progress)?;
        let made = group.watcher.commit(&[], &[])?;
        group.watcher.merge()?;
        group.committer.process(&made.message)?;
        let seats = seats(members);
        let mut done = 0;
        for some in seats.chunks(SEATED_AT_ONCE) {
            let mut seated = self.seated(&mut group, some)?;
            while let Some(mut next) = seated.pop() {
                let made = next.commit(&[], &[])?;
                for other in seated.iter_mut().chain([&mut group.committer, &mut group.watcher]) {
                    other.process(&made.message)?;
                }
                done += 1;
                progress(Step { what: "settling the tree", done, of: count(seats.len()) });
            }
        }
        Ok(group)
    }

    /// Members that are awake, at leaves whose members are removed for them. Each joins on a core of
    /// its own.
    fn seated(
        &mut self,
        group: &mut Group,
        leaves: &[u32],
    ) -> Result<Vec<Box<dyn Member>>, MemberError> {
        let candidates: Vec<_> =
            leaves.iter().map(|_| self.candidate()).collect::<Result<_, _>>()?;
        let packages: Vec<Bytes> = candidates.iter().map(|one| one.key_package()).collect();
        // The places that are free are those that have just been freed (RFC 9420 §12.1.1).
        let made = group.committer.commit(leaves, &packages)?;
        group.committer.merge()?;
        group.watcher.process(&made.message)?;
        let tree = group.committer.tree()?;
        candidates.into_par_iter().map(|one| one.join(&made.welcome, &tree)).collect()
    }

    /// Each pair of leaves has one that came in by an external commit, whose path gives keys to all
    /// above it, and added the other, with a path again. Cost: half as many external joins as there
    /// are members, each of which verifies the tree so far.
    fn merged(&mut self, members: u32, progress: &dyn Fn(Step)) -> Result<Group, MemberError> {
        let mut group = self.fresh(2, progress)?;
        for leaf in (2..members).step_by(2) {
            let (info, tree) = (group.committer.group_info()?, group.committer.tree()?);
            let (mut next, commit) = self.candidate()?.join_externally(&info, &tree)?;
            group.committer.process(&commit)?;
            if leaf + 1 < members {
                let made = next.commit(&[], &self.packages(1)?)?;
                next.merge()?;
                group.committer.process(&made.message)?;
            }
            group = Group { committer: next, leaf, watcher: group.committer };
            progress(Step { what: "adding members", done: leaf + 1, of: members });
        }
        Ok(group)
    }

    /// Replaces members at random leaves, but not those awake, each of them by a commit of one of
    /// the two.
    fn churn(
        &mut self,
        group: &mut Group,
        members: u32,
        progress: &dyn Fn(Step),
    ) -> Result<(), MemberError> {
        let replaced = replaced(members, group.leaf);
        for (done, (by, leaf)) in (1..).zip(&replaced) {
            let package = self.packages(1)?;
            let (by, other) = match *by == group.leaf {
                true => (&mut group.committer, &mut group.watcher),
                false => (&mut group.watcher, &mut group.committer),
            };
            let made = by.commit(&[*leaf], &package)?;
            by.merge()?;
            other.process(&made.message)?;
            progress(Step { what: "replacing members", done, of: count(replaced.len()) });
        }
        Ok(())
    }
}

/// A quarter of a merged group's members, at random leaves but not those of the two who are awake,
/// each with which of the two replaces it.
pub(super) fn replaced(members: u32, committer: u32) -> Vec<(u32, u32)> {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(members));
    let awake = [committer, committer.saturating_sub(2)];
    let steps = 0..index(members.div_ceil(4));
    steps
        .map(|step| {
            let leaf = loop {
                let leaf = random.random_range(0..members);
                if !awake.contains(&leaf) {
                    break leaf;
                }
            };
            (awake[step % 2], leaf)
        })
        .collect()
}

/// The fewest leaves, and neither the first nor the last, whose commits leave one key in every
/// subtree that branches off the paths which are measured: of leaf 0, which commits, of the leaf
/// that it removes, and of the leaf where the next one comes in. The first and the last commit
/// anyway. Those of the largest subtrees come first: every commit after theirs is the shorter for it.
pub(super) fn seats(members: u32) -> Vec<u32> {
    let width = (members + 1).next_power_of_two();
    let mut subtrees = Vec::new();
    for leaf in [0, removed(0, members), members] {
        let mut size = 2;
        while size < width {
            let first = ((leaf / size) ^ 1) * size;
            // Of one leaf alone there is one key in any case.
            subtrees.extend((first + 1 < members).then(|| first..members.min(first + size)));
            size *= 2;
        }
    }
    subtrees.sort_unstable_by_key(|subtree| (subtree.len(), subtree.start));
    let mut committed = vec![0, members - 1];
    for subtree in subtrees {
        if !committed.iter().any(|leaf| subtree.contains(leaf)) {
            committed.push(subtree.start);
        }
    }
    let mut seats = committed.split_off(2);
    seats.reverse();
    seats
}

/// The leaf that a commit of `committer` removes: on the other side of the tree.
pub(super) fn removed(committer: u32, members: u32) -> u32 {
    (committer + members / 2) % members
}

fn count(of: usize) -> u32 {
    u32::try_from(of).expect("members are counted in 32 bits")
}

fn index(of: u32) -> usize {
    usize::try_from(of).expect("a count fits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether everybody at `committed` leaves every subtree beside `leaf`'s path with one key.
    fn is_settled(committed: &[u32], leaf: u32, members: u32) -> bool {
        let mut size = 1;
        while size < (members + 1).next_power_of_two() {
            let first = ((leaf / size) ^ 1) * size;
            let within = (first..first + size).filter(|leaf| *leaf < members);
            let (mut leaves, mut set) = (0, false);
            for leaf in within {
                leaves += 1;
                set |= committed.contains(&leaf);
            }
            if leaves > 1 && !set {
                return false;
            }
            size *= 2;
        }
        true
    }

    #[test]
    fn few_seats_settle_every_path_that_is_measured() {
        for members in (2..300).chain([1_000, 1_024, 4_095, 10_000]) {
            let seats = seats(members);
            let mut committed = vec![0, members - 1];
            committed.extend(&seats);
            for leaf in [0, removed(0, members), members] {
                assert!(is_settled(&committed, leaf, members), "{members}: {leaf} {seats:?}");
            }
            assert!(seats.iter().all(|leaf| (1..members - 1).contains(leaf)), "{members}");
            assert!(count(seats.len()) <= 3 * members.ilog2(), "{members}: {seats:?}");
        }
    }
}
