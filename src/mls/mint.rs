//! Mints tapes: real groups, real keys, real commits and ciphertexts, before the clock runs.
//!
//! It never sends and never measures. Each commit is made by its sender and processed by every
//! other sender; members that do not send are only a leaf. Called through the cache by `load`.

use std::mem;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::IndexedParallelIterator;
use rayon::prelude::IntoParallelRefIterator;
use rayon::prelude::ParallelIterator;
use thiserror::Error;

use super::form;
use super::form::Formed;
use super::form::Plan;
use super::form::each;
use super::leaf::Leaf;
use super::leaf::MemberError;
use super::leaf::Processed;
use super::tape::MemberSeed;
use super::tape::Tape;
use super::tape::TapeMessage;
use super::tape::TapeOperation;
use super::tape::TapeSpec;
use crate::clock;
use crate::delivery::Kind;

/// Why no tape could be minted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    /// The specification contradicts itself or a bound.
    #[error("bad tape: {0}")]
    Spec(&'static str),
    /// A member could not do its part. Never expected: it would be a fault of ours or of OpenMLS.
    #[error("minting failed")]
    Member(#[from] MemberError),
    /// The senders do not agree on the last epoch. Never expected either.
    #[error("the senders disagree on the group's state after the last commit")]
    Disagreement,
}

/// Mints one tape on every core. `progress` hears of work just done; what it hears adds up to
/// [`units`]. Cost: a KeyPackage for each member, a bulk add that is quadratic in its adds, and
/// for every commit one process by each other sender, which grows with the group: seconds for
/// 1,000 members.
pub fn mint(spec: &TapeSpec, progress: &(dyn Fn(u64) + Sync)) -> Result<Tape, MintError> {
    mint_on(spec, true, progress)
}

/// Mints many tapes, in the order of `specs`. Groups are minted side by side, one core each, and
/// finished before another begins, so that a core holds one group's members at a time; only when
/// there are fewer groups than cores does a group use several.
pub fn mint_all(
    specs: &[TapeSpec],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Tape>, MintError> {
    let inside = specs.len() < rayon::current_num_threads();
    specs.par_iter().with_max_len(1).map(|spec| mint_on(spec, inside, progress)).collect()
}

/// Roughly how much work a tape is, in application messages encrypted; for a progress bar.
#[must_use]
pub fn units(spec: &TapeSpec) -> u64 {
    let members = u64::from(spec.members);
    let joins = u64::from(spec.senders) - 1;
    let operations = spec.operations.iter().map(|operation| cost(spec, *operation)).sum::<u64>();
    members * (form::UNITS_PER_MEMBER + joins) + operations
}

fn cost(spec: &TapeSpec, operation: TapeOperation) -> u64 {
    match operation {
        TapeOperation::Application { .. } => 1,
        TapeOperation::Commit { .. } => u64::from(spec.members),
    }
}

/// Mints one tape, on one core or all.
pub(super) fn mint_on(
    spec: &TapeSpec,
    parallel: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Tape, MintError> {
    spec.check().map_err(MintError::Spec)?;
    let plan = Plan {
        suite: spec.suite,
        group: spec.group,
        members: spec.members,
        senders: spec.senders,
        joiners: spec.senders + spec.real,
        handshake: spec.handshake,
        devices: &spec.devices,
    };
    let minted = clock::unix().as_secs();
    let Formed { creator, mut joiners, welcome, tree, group_info } =
        form::form(&plan, parallel, progress)?;
    let epoch = creator.epoch();
    let senders_joining = usize::try_from(spec.senders - 1).expect("a count fits an address");
    let listeners = joiners.split_off(senders_joining);
    let real = (spec.senders..)
        .zip(&listeners)
        .map(|(member, newcomer)| MemberSeed { member, pairs: newcomer.pairs() })
        .collect();
    let joined = each(parallel, joiners, |newcomer| {
        let pairs = newcomer.pairs();
        let leaf = Leaf::join(spec.suite, &pairs, &welcome, &tree, spec.handshake)?;
        progress(u64::from(spec.members));
        Ok(leaf)
    })?;
    let mut senders = vec![creator];
    senders.extend(joined);
    let mut press = Press { spec, parallel, progress, senders, messages: Vec::new() };
    press.run()?;
    let authenticator = press.authenticator()?;
    let (spec, messages) = (spec.clone(), press.messages);
    Ok(Tape { spec, epoch, messages, welcome, tree, group_info, minted, real, authenticator })
}

/// The senders at work.
struct Press<'a> {
    spec: &'a TapeSpec,
    parallel: bool,
    progress: &'a (dyn Fn(u64) + Sync),
    senders: Vec<Leaf>,
    messages: Vec<TapeMessage>,
}

impl Press<'_> {
    /// Carries out every operation, an epoch's application messages side by side.
    fn run(&mut self) -> Result<(), MemberError> {
        let ends_epoch =
            |operation: &TapeOperation| matches!(operation, TapeOperation::Commit { .. });
        for epoch in self.spec.operations.split_inclusive(ends_epoch) {
            self.encrypt(epoch)?;
            if let Some(TapeOperation::Commit { sender }) = epoch.last() {
                self.commit(*sender)?;
            }
        }
        Ok(())
    }

    /// Encrypts the application messages among `operations`, each by its sender in its order.
    fn encrypt(&mut self, operations: &[TapeOperation]) -> Result<(), MemberError> {
        let first = self.messages.len();
        let mut orders: Vec<Vec<(usize, u32)>> = vec![Vec::new(); self.senders.len()];
        for (offset, operation) in operations.iter().enumerate() {
            if let TapeOperation::Application { sender, bytes } = *operation {
                orders[index(sender)].push((first + offset, bytes));
            }
        }
        let work = self.senders.iter_mut().zip(orders).filter(|(_, orders)| !orders.is_empty());
        let progress = self.progress;
        let written = each(self.parallel, (0..).zip(work).collect(), |(_, (leaf, orders))| {
            let mut written = Vec::with_capacity(orders.len());
            for (position, bytes) in orders {
                written.push((position, leaf.encrypt(&plaintext(position, bytes))?));
            }
            progress(u64::try_from(written.len()).expect("a count fits"));
            Ok(written)
        })?;
        let epoch = self.senders[0].epoch();
        let mut written: Vec<_> = written.into_iter().flatten().collect();
        written.sort_unstable_by_key(|(position, _)| *position);
        for ((_, body), operation) in written.into_iter().zip(operations) {
            let (kind, sender) = (Kind::Application, operation.sender());
            self.messages.push(TapeMessage { kind, epoch, sender, body });
        }
        Ok(())
    }

    /// Lets `sender` commit and everybody else process it.
    fn commit(&mut self, sender: u32) -> Result<(), MemberError> {
        let committer = &mut self.senders[index(sender)];
        let epoch = committer.epoch();
        let body = committer.prepare_commit()?;
        committer.merge_pending()?;
        let others = self.senders.iter_mut().enumerate().filter(|(i, _)| *i != index(sender));
        each(self.parallel, others.collect(), |(_, leaf)| {
            let processed = leaf.process(&body)?;
            debug_assert_eq!(processed, Processed::Commit { epoch: epoch.next() });
            Ok(())
        })?;
        (self.progress)(u64::from(self.spec.members));
        self.messages.push(TapeMessage { kind: Kind::Commit, epoch, sender, body });
        Ok(())
    }

    /// The epoch authenticator that all senders share.
    fn authenticator(&mut self) -> Result<Vec<u8>, MintError> {
        let mut authenticators =
            mem::take(&mut self.senders).into_iter().map(|s| s.authenticator());
        let first = authenticators.next().expect("a group has its creator");
        if authenticators.all(|other| other == first) {
            Ok(first)
        } else {
            Err(MintError::Disagreement)
        }
    }
}

/// The same bytes for the same place in a tape, on every machine.
fn plaintext(position: usize, bytes: u32) -> Vec<u8> {
    let seed = u64::try_from(position).expect("a position fits");
    let mut plaintext = vec![0; usize::try_from(bytes).expect("a length fits an address")];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut plaintext);
    plaintext
}

fn index(sender: u32) -> usize {
    usize::try_from(sender).expect("a member number fits an address")
}
