//! Measures a cell: every operation, repeated, and every object that came of it.
//!
//! On one thread, whatever the stacks would do with more: only what is not timed, the making of the
//! group, takes them all. Prepared commits are forgotten, so every
//! repetition finds the same tree; update commits are merged on both sides, which leaves a tree of
//! the same shape. It reads the clock and nothing else. Called by `cli`, by way of a plan.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;

use super::cell::{Cell, Object, Operation, Outcome, Sized, Timed};
use super::dormant::Dormant;
use super::group::{GROUP, Group, Maker, State, Step};
use super::interval::Timing;
use super::model::Model;
use crate::clock;
use crate::limits::{
    SUITE_MEMORY_MEMBERS_MIN, SUITE_REPETITIONS_MAX, SUITE_REPETITIONS_MIN, SUITE_SIGNATURES_MIN,
};
use crate::mls::MemberError;
use crate::mls::stack::{Candidate, Member};
use crate::process::Usage;

/// Plaintext of every application message, in bytes.
pub const PLAINTEXT_BYTES: usize = 200;

/// How much is done for a figure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Time for the repetitions of one operation.
    pub budget: Duration,
    /// Repetitions at least, whatever they take; of one alone there is no warm-up either.
    pub repetitions: usize,
    /// Most members that one commit adds: an operation that adds more is left out.
    pub adds_max: usize,
}

impl Effort {
    /// Repetitions for about `budget` an operation, and never fewer than an interval needs.
    #[must_use]
    pub fn of(budget: Duration) -> Self {
        Self { budget, repetitions: SUITE_REPETITIONS_MIN, adds_max: 100 }
    }

    /// Each thing once, but for the hundred adds: for who is after bytes.
    #[must_use]
    pub fn once() -> Self {
        Self { budget: Duration::ZERO, repetitions: 1, adds_max: 10 }
    }

    /// Repetitions of an operation at least.
    fn least(&self, operation: Operation) -> usize {
        match operation {
            Operation::KeyPackage | Operation::Encrypt if self.repetitions > 1 => {
                SUITE_SIGNATURES_MIN.max(self.repetitions)
            }
            _ => self.repetitions,
        }
    }

    fn warm_ups(&self) -> usize {
        usize::from(self.repetitions > 1)
    }
}

/// Measures a cell; `progress` hears what is under way, and `dormant` is what fills its group. A
/// stack's refusal is an outcome.
#[must_use]
pub fn measure(
    cell: &Cell,
    effort: Effort,
    dormant: &mut Dormant,
    progress: &(dyn Fn(Step) + Sync),
) -> Outcome {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let done = match pool {
        Ok(pool) => prepared(cell, effort, dormant, progress)
            .and_then(|(bench, maker, group)| pool.install(|| bench.run(maker, group))),
        Err(error) => return Outcome::failed(cell, error.to_string()),
    };
    done.unwrap_or_else(|error| Outcome::failed(cell, error.to_string()))
}

/// What is measured on one core, made on every core.
fn prepared<'a>(
    cell: &'a Cell,
    effort: Effort,
    dormant: &'a mut Dormant,
    progress: &'a (dyn Fn(Step) + Sync),
) -> Result<(Bench<'a>, Maker<'a>, Group), MemberError> {
    let mut maker = Maker::new(cell.stack, cell.entry.code_point, dormant)?;
    let group = maker.group(cell.members, cell.state, progress)?;
    let model = Model::of(cell);
    assert_eq!(model.committer(), group.leaf, "both have the same history");
    let bench = Bench { cell, effort, model, outcome: Outcome::of(cell), progress };
    Ok((bench, maker, group))
}

struct Bench<'a> {
    cell: &'a Cell,
    effort: Effort,
    model: Model,
    outcome: Outcome,
    progress: &'a (dyn Fn(Step) + Sync),
}

impl Bench<'_> {
    fn run(mut self, mut maker: Maker<'_>, mut group: Group) -> Result<Outcome, MemberError> {
        self.alone(&mut maker)?;
        self.messages(&mut group)?;
        self.commits(&mut maker, &mut group)?;
        self.joins(&mut maker, &mut group)?;
        Ok(self.outcome)
    }

    /// What needs no group.
    fn alone(&mut self, maker: &mut Maker<'_>) -> Result<(), MemberError> {
        let mut package = Bytes::new();
        self.time(
            Operation::KeyPackage,
            &mut (),
            |()| Ok(()),
            |(), ()| {
                package = maker.candidate()?.key_package();
                Ok(())
            },
        )?;
        self.size(Object::KeyPackage, package.len());
        self.time(
            Operation::CreateGroup,
            maker,
            |maker| maker.candidate(),
            |_, candidate| candidate.create(GROUP).map(|_| ()),
        )
    }

    fn messages(&mut self, group: &mut Group) -> Result<(), MemberError> {
        let mut sent = Vec::new();
        let mut number = 0_u64;
        self.time(
            Operation::Encrypt,
            &mut group.committer,
            |_| {
                // ML-DSA draws anew until a signature will do (FIPS 204, Algorithm 7), by what is
                // signed: the same text would need as many draws every time.
                let mut plaintext = [7; PLAINTEXT_BYTES];
                number += 1;
                plaintext[..8].copy_from_slice(&number.to_be_bytes());
                Ok(plaintext)
            },
            |committer, plaintext| {
                sent.push(committer.encrypt(&plaintext)?);
                Ok(())
            },
        )?;
        self.size(Object::Application, sent[0].len());
        // Each message can be decrypted once.
        let count = sent.len();
        let mut sent = sent.into_iter();
        self.time_at_most(count, Operation::Decrypt, &mut group.watcher, |_| Ok(sent.next()), {
            |watcher, message: Option<Bytes>| {
                let message = message.expect("as many as are asked for");
                black_box(watcher.decrypt(&message)?);
                Ok(())
            }
        })
    }

    fn commits(&mut self, maker: &mut Maker<'_>, group: &mut Group) -> Result<(), MemberError> {
        let adds = [
            (1, Operation::AddOne, Object::CommitAddOne, Object::WelcomeOne),
            (10, Operation::AddTen, Object::CommitAddTen, Object::WelcomeTen),
            (100, Operation::AddHundred, Object::CommitAddHundred, Object::WelcomeHundred),
        ];
        let most = self.effort.adds_max;
        for (count, operation, commit, welcome) in adds.into_iter().filter(|add| add.0 <= most) {
            let packages = maker.packages(count)?;
            let sizes = self.prepare(operation, &mut group.committer, &[], &packages)?;
            self.size(commit, sizes.0);
            self.size(welcome, sizes.1);
        }
        let removed = [self.model.removed()];
        let sizes = self.prepare(Operation::Remove, &mut group.committer, &removed, &[])?;
        self.size(Object::CommitRemove, sizes.0);
        let sizes = self.prepare(Operation::Update, &mut group.committer, &[], &[])?;
        self.size(Object::CommitUpdate, sizes.0);
        self.time(
            Operation::Process,
            group,
            |group| {
                let made = group.committer.commit(&[], &[])?;
                group.committer.merge()?;
                Ok(made.message)
            },
            |group, message| group.watcher.process(&message),
        )
    }

    /// Times a commit that is forgotten: bytes of the commit, and of its Welcome.
    fn prepare(
        &mut self,
        operation: Operation,
        committer: &mut Box<dyn Member>,
        remove: &[u32],
        add: &[Bytes],
    ) -> Result<(usize, usize), MemberError> {
        let mut sizes = (0, 0);
        self.time(
            operation,
            committer,
            |committer| committer.forget(),
            |committer, ()| {
                let made = committer.commit(remove, add)?;
                sizes = (made.message.len(), made.welcome.len());
                Ok(())
            },
        )?;
        committer.forget()?;
        Ok(sizes)
    }

    fn joins(&mut self, maker: &mut Maker<'_>, group: &mut Group) -> Result<(), MemberError> {
        let (info, tree) = (group.committer.group_info()?, group.committer.tree()?);
        self.model.has_committed();
        self.size(Object::GroupInfo, info.len());
        self.size(Object::Tree, tree.len());
        if self.cell.state == State::Settled {
            // Who joins reads the whole tree, of which most parent nodes are blank here.
            let (_, commit) = maker.candidate()?.join_externally(&info, &tree)?;
            self.size(Object::CommitExternal, commit.len());
            return Ok(());
        }
        let mut commit = 0;
        self.time(
            Operation::ExternalJoin,
            maker,
            |maker| maker.candidate(),
            |_, candidate| {
                commit = candidate.join_externally(&info, &tree)?.1.len();
                Ok(())
            },
        )?;
        self.size(Object::CommitExternal, commit);
        let newcomer = maker.candidate()?;
        let made = group.committer.commit(&[], &[newcomer.key_package()])?;
        group.committer.merge()?;
        self.join(&*newcomer, &made.welcome, &group.committer.tree()?)
    }

    /// Joins again and again, and keeps the first of those who have: by them, memory is told.
    fn join(
        &mut self,
        newcomer: &dyn Candidate,
        welcome: &[u8],
        tree: &[u8],
    ) -> Result<(), MemberError> {
        let mut joined: Vec<Box<dyn Member>> = Vec::new();
        let mut resident = Vec::new();
        self.time(
            Operation::Join,
            &mut joined,
            |joined| {
                resident.push(Usage::own().rss_bytes);
                joined.truncate(SUITE_REPETITIONS_MIN);
                Ok(())
            },
            |joined, ()| {
                joined.push(newcomer.join(welcome, tree)?);
                Ok(())
            },
        )?;
        resident.push(Usage::own().rss_bytes);
        resident.truncate(SUITE_REPETITIONS_MIN + 1);
        let told = self.cell.members >= SUITE_MEMORY_MEMBERS_MIN;
        let each = grown(&resident).filter(|_| told);
        // Who has less than the tree took from what others had left.
        let least = u64::try_from(tree.len()).expect("a length fits");
        self.outcome.member_bytes = each.filter(|each| *each >= least);
        Ok(())
    }

    fn time<C, P>(
        &mut self,
        operation: Operation,
        context: &mut C,
        prepare: impl FnMut(&mut C) -> Result<P, MemberError>,
        act: impl FnMut(&mut C, P) -> Result<(), MemberError>,
    ) -> Result<(), MemberError> {
        self.time_at_most(SUITE_REPETITIONS_MAX + 1, operation, context, prepare, act)
    }

    /// Times `act`, and not `prepare`, until the budget is spent: once to warm up, unless that alone
    /// takes longer, then as often as an interval needs at least, and never more than `most` times in
    /// all.
    fn time_at_most<C, P>(
        &mut self,
        most: usize,
        operation: Operation,
        context: &mut C,
        mut prepare: impl FnMut(&mut C) -> Result<P, MemberError>,
        mut act: impl FnMut(&mut C, P) -> Result<(), MemberError>,
    ) -> Result<(), MemberError> {
        let done = self.outcome.times.len();
        let [done, of] = [done, Operation::ALL.len()]
            .map(|count| u32::try_from(count).expect("there are a dozen"));
        (self.progress)(Step { what: operation.name(), done, of });
        let mut times = Vec::new();
        let mut spent = Duration::ZERO;
        for repetition in 0..most {
            if times.len() >= self.effort.least(operation) && spent >= self.effort.budget {
                break;
            }
            let prepared = prepare(context)?;
            let started = clock::now();
            act(context, prepared)?;
            let took = clock::now().duration_since(started);
            if repetition >= self.effort.warm_ups() || took > self.effort.budget {
                spent += took;
                times.push(took.as_secs_f64() * 1e6);
            }
        }
        self.outcome.times.push(Timed { operation, timing: Timing::of(times) });
        Ok(())
    }

    fn size(&mut self, object: Object, bytes: usize) {
        let model_bytes = Some(self.model.bytes(object));
        self.outcome.sizes.push(Sized { object, bytes, model_bytes });
    }
}

/// What one more takes, by what was resident with none, one, two and so on: the first two fill what
/// was free before, and what is between them and the last is shared by those after.
fn grown(resident: &[u64]) -> Option<u64> {
    let after = resident.get(SETTLING..)?;
    let (first, last) = (after.first()?, after.last()?);
    let more = u64::try_from(after.len() - 1).expect("a count fits");
    last.saturating_sub(*first).checked_div(more)
}

/// Members whose memory says nothing of the next one's.
const SETTLING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_takes_what_the_process_grows_by_once_free_memory_is_used_up() {
        assert_eq!(grown(&[100, 100, 103, 113, 122, 133, 143]), Some(10));
        assert_eq!(grown(&[100, 120, 110, 105]), Some(0), "it cannot take less than nothing");
        assert_eq!(grown(&[100, 120, 140]), None, "nobody came after");
        assert_eq!(grown(&[]), None);
    }
}
