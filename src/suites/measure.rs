//! Measures a cell: every operation, repeated, and every object that came of it.
//!
//! On one thread, whatever the stacks would do with more: only what is not timed, the making of the
//! group, takes all cores that the process has. Prepared commits are forgotten, so every repetition
//! finds the same tree; update commits are merged on both sides, which leaves a tree of the same shape.
//! It reads the clock and the size of its own process, and nothing else. Called by `cli`, in a process
//! for each job.

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
    SUITE_JOINED_BYTES_MAX, SUITE_JOINED_MAX, SUITE_JOINING_MAX, SUITE_MEMORY_MEMBERS_MIN,
    SUITE_REPETITIONS_MAX, SUITE_REPETITIONS_MIN, SUITE_SIGNATURES_MIN,
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
        self.updates(group)
    }

    /// Times update commits, and then what another does with them.
    fn updates(&mut self, group: &mut Group) -> Result<(), MemberError> {
        let mut made: Vec<Bytes> = Vec::new();
        let mut context = (&mut group.committer, &mut made);
        self.time(
            Operation::Update,
            &mut context,
            |(committer, made)| if made.is_empty() { Ok(()) } else { committer.merge() },
            |(committer, made), ()| {
                made.push(committer.commit(&[], &[])?.message);
                Ok(())
            },
        )?;
        group.committer.merge()?;
        self.size(Object::CommitUpdate, made[0].len());
        // Who processes them is warmed up even where a commit took too long for that.
        while made.len() < self.effort.least(Operation::Process) + self.effort.warm_ups() {
            made.push(group.committer.commit(&[], &[])?.message);
            group.committer.merge()?;
        }
        let (count, mut made) = (made.len(), made.into_iter());
        self.time_at_most(
            count,
            Operation::Process,
            &mut group.watcher,
            |_| Ok(made.next().expect("as many as are asked for")),
            |watcher, message| watcher.process(&message),
        )?;
        made.try_for_each(|message| group.watcher.process(&message))
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

    /// Joins again and again, and keeps those who have: by them, memory is told.
    fn join(
        &mut self,
        newcomer: &dyn Candidate,
        welcome: &[u8],
        tree: &[u8],
    ) -> Result<(), MemberError> {
        let told = self.cell.members >= SUITE_MEMORY_MEMBERS_MIN && self.effort.repetitions > 1;
        let mut joined: Vec<Box<dyn Member>> = Vec::new();
        let mut resident = vec![Usage::own().rss_bytes];
        self.time(
            Operation::Join,
            &mut joined,
            |joined| {
                if !told {
                    joined.clear();
                } else if !joined.is_empty() {
                    resident.push(Usage::own().rss_bytes);
                }
                Ok(())
            },
            |joined, ()| {
                joined.push(newcomer.join(welcome, tree)?);
                Ok(())
            },
        )?;
        if !told {
            return Ok(());
        }
        resident.push(Usage::own().rss_bytes);
        let least = u64::try_from(tree.len()).expect("a length fits");
        let more = SUITE_JOINED_MAX.min(SUITE_JOINED_BYTES_MAX / tree.len().max(1));
        let (begun, most) = (clock::now(), joined.len() + more);
        loop {
            self.outcome.member_bytes = grown(&resident, least);
            let late = clock::now().duration_since(begun) >= SUITE_JOINING_MAX;
            if self.outcome.member_bytes.is_some() || joined.len() >= most || late {
                return Ok(());
            }
            joined.push(newcomer.join(welcome, tree)?);
            resident.push(Usage::own().rss_bytes);
        }
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

/// What one more takes, by what was resident with none, one, two and so on; `None` until the last few
/// together have taken as much as the few before them, and each of them `least` at least: who takes less
/// found memory that others had left.
fn grown(resident: &[u64], least: u64) -> Option<u64> {
    let grew = |pair: &[u64]| pair[1] as f64 - pair[0] as f64;
    let growth: Vec<f64> = resident.windows(2).map(grew).collect();
    let last = &growth[growth.len().checked_sub(2 * FEW)?..];
    let (before, after) = last.split_at(FEW);
    let [before, after] = [before, after].map(|few| few.iter().sum::<f64>() / FEW as f64);
    let alike = (before - after).abs() <= ALIKE * before.max(after);
    let told = alike && last.iter().all(|each| *each >= least as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes")]
    told.then(|| f64::midpoint(before, after).round() as u64)
}

/// So many members together: what one takes comes in steps of the allocator's.
const FEW: usize = 3;
/// By how much as many others may differ from them.
const ALIKE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_takes_what_the_process_grows_by_once_free_memory_is_used_up() {
        assert_eq!(grown(&[100, 100, 103, 113, 122, 133, 143, 153, 163], 5), Some(10));
        assert_eq!(grown(&[100, 100, 103, 113, 122, 133, 143], 5), None, "not used up yet");
        assert_eq!(grown(&[100; 9], 5), None, "all of it was free");
        assert_eq!(grown(&[100, 110, 120, 130, 140, 150, 160], 11), None, "less than its tree");
        assert_eq!(
            grown(&[100, 120, 110, 105, 90, 80, 70], 1),
            None,
            "it cannot take less than none"
        );
        assert_eq!(grown(&[100, 120, 140], 5), None, "too few came");
        assert_eq!(grown(&[], 5), None);
    }

    proptest! {
        #[test]
        fn what_was_free_before_is_never_taken_for_what_a_member_takes(
            each in 100_u64..1_000_000, free in 0_u64..8_000_000, members in 1_usize..60,
        ) {
            let taken = |count: usize| (count as u64 * each).saturating_sub(free);
            let resident: Vec<u64> = (0..=members).map(taken).collect();
            // A member holds its tree and as much again at least.
            match grown(&resident, each / 2) {
                Some(told) => prop_assert!(told.abs_diff(each) <= each / 10, "{told} of {each}"),
                None => prop_assert!(free > 0 || members < 2 * FEW),
            }
        }
    }
}
