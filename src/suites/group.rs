//! A group in one of three states of its tree, with two members that really act.
//!
//! All others are leaves whose private keys are dropped at once: what a member does costs the same
//! whoever else is awake. It measures nothing. Called by `measure`.

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::limits::BULK_ADD_MAX;
use crate::mls::MemberError;
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::stack::{Candidate, Member, Stack};

/// The id of every group here: as long as those of the load engine.
pub(super) const GROUP: &[u8; 16] = b"stentor-suites--";

/// What an operation finds in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// One member has added everybody, and nobody else has committed: a commit has a ciphertext for
    /// every other member.
    Fresh,
    /// Every parent node has a key and no unmerged leaf: a commit has one for each level.
    Merged,
    /// Merged, and then a quarter of the members replaced, one by each commit: between the two.
    Churned,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fresh, Self::Merged, Self::Churned];

    /// As the command line and records have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
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

/// Makes candidates of one suite, each with a name of its own.
pub(super) struct Maker<'a> {
    stack: &'a dyn Stack,
    suite: u16,
    made: u32,
}

impl<'a> Maker<'a> {
    pub(super) fn new(stack: &'a dyn Stack, suite: u16) -> Self {
        Self { stack, suite, made: 0 }
    }

    pub(super) fn candidate(&mut self) -> Result<Box<dyn Candidate>, MemberError> {
        let identity = format!("stentor-member-{:0width$}", self.made, width = IDENTITY_BYTES - 15);
        self.made += 1;
        self.stack.candidate(self.suite, identity.as_bytes())
    }

    /// KeyPackages of devices that will never act.
    pub(super) fn packages(&mut self, count: u32) -> Result<Vec<Bytes>, MemberError> {
        (0..count).map(|_| Ok(self.candidate()?.key_package())).collect()
    }

    /// A group of at least two members in that state; `progress` hears of members as they are in.
    pub(super) fn group(
        &mut self,
        members: u32,
        state: State,
        progress: &dyn Fn(u32),
    ) -> Result<Group, MemberError> {
        match state {
            State::Fresh => self.fresh(members, progress),
            State::Merged => self.merged(members, progress),
            State::Churned => {
                let mut group = self.merged(members, progress)?;
                self.churn(&mut group, members)?;
                Ok(group)
            }
        }
    }

    fn fresh(&mut self, members: u32, progress: &dyn Fn(u32)) -> Result<Group, MemberError> {
        let mut committer = self.candidate()?.create(GROUP)?;
        let last = self.candidate()?;
        let step = u32::try_from(BULK_ADD_MAX).expect("the bound is small");
        let mut inside = 1;
        loop {
            let more = step.min(members - inside);
            let ends = inside + more == members;
            let mut packages = self.packages(more - u32::from(ends))?;
            packages.extend(ends.then(|| last.key_package()));
            let made = committer.commit(&[], &packages)?;
            committer.merge()?;
            inside += more;
            progress(inside);
            if ends {
                let watcher = last.join(&made.welcome, &committer.tree()?)?;
                return Ok(Group { committer, leaf: 0, watcher });
            }
        }
    }

    /// Each pair of leaves has one that came in by an external commit, whose path gives keys to all
    /// above it, and added the other, with a path again. Cost: half as many external joins as there
    /// are members, each of which verifies the tree so far.
    fn merged(&mut self, members: u32, progress: &dyn Fn(u32)) -> Result<Group, MemberError> {
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
            progress(leaf + 1);
        }
        Ok(group)
    }

    /// Replaces members at random leaves, but not those awake, each of them by a commit of one of
    /// the two.
    fn churn(&mut self, group: &mut Group, members: u32) -> Result<(), MemberError> {
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(members));
        let awake = [group.leaf, group.leaf.saturating_sub(2)];
        for step in 0..members.div_ceil(4) {
            let leaf = loop {
                let leaf = random.random_range(0..members);
                if !awake.contains(&leaf) {
                    break leaf;
                }
            };
            let package = self.packages(1)?;
            let (by, other) = match step % 2 {
                0 => (&mut group.committer, &mut group.watcher),
                _ => (&mut group.watcher, &mut group.committer),
            };
            let made = by.commit(&[leaf], &package)?;
            by.merge()?;
            other.process(&made.message)?;
        }
        Ok(())
    }
}
