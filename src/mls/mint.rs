//! Mints tapes: real groups, real keys, real commits and ciphertexts, before the clock runs.
//!
//! It never sends and never measures. It forms the group and lets `press` carry out what the tape is
//! to hold; members that say nothing are only a leaf. Called through the cache by `load`.

use std::collections::BTreeSet;

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
use super::press::Press;
use super::press::Pressed;
use super::tape::MemberSeed;
use super::tape::Tape;
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
    let joins = u64::from(spec.senders) - 1 + awake(spec).len() as u64;
    let operations = spec.operations.iter().map(|operation| cost(spec, *operation)).sum::<u64>();
    members * (form::UNITS_PER_MEMBER + joins) + operations
}

pub(super) fn cost(spec: &TapeSpec, operation: TapeOperation) -> u64 {
    match operation.kind() {
        Kind::Application | Kind::Proposal => 1,
        Kind::Commit => u64::from(spec.members),
    }
}

/// Members that neither send nor check anything and yet speak once, to leave; ascending.
fn awake(spec: &TapeSpec) -> Vec<u32> {
    let plain = spec.senders + spec.real..spec.members;
    let leaves = spec.operations.iter().filter_map(|operation| match *operation {
        TapeOperation::Leave { member } if plain.contains(&member) => Some(member),
        _ => None,
    });
    let members: BTreeSet<u32> = leaves.collect();
    members.into_iter().collect()
}

/// Mints one tape, on one core or all.
pub(super) fn mint_on(
    spec: &TapeSpec,
    parallel: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Tape, MintError> {
    spec.check().map_err(MintError::Spec)?;
    let awake = awake(spec);
    let plan = Plan {
        suite: spec.suite,
        group: spec.group,
        members: spec.members,
        senders: spec.senders,
        joiners: spec.senders + spec.real,
        awake: &awake,
        handshake: spec.handshake,
        devices: &spec.devices,
    };
    let minted = clock::unix().as_secs();
    let Formed { creator, mut joiners, welcome, tree, group_info } =
        form::form(&plan, parallel, progress)?;
    let epoch = creator.epoch();
    let senders_joining = usize::try_from(spec.senders - 1).expect("a count fits an address");
    let listening = usize::try_from(spec.real).expect("a count fits an address");
    let others = joiners.split_off(senders_joining + listening);
    let listeners = joiners.split_off(senders_joining);
    let real = (spec.senders..)
        .zip(&listeners)
        .map(|(member, newcomer)| MemberSeed { member, pairs: newcomer.pairs() })
        .collect();
    let acting: Vec<_> = (1..).zip(joiners).chain(awake.iter().copied().zip(others)).collect();
    let joined = each(parallel, acting, |(member, newcomer)| {
        let pairs = newcomer.pairs();
        let leaf = Leaf::join(spec.suite, &pairs, &welcome, &tree, spec.handshake)?;
        progress(u64::from(spec.members));
        Ok((member, leaf))
    })?;
    let actors = [(0, creator)].into_iter().chain(joined).collect();
    let pressed = Press::new(&plan, spec, (parallel, progress), actors, &group_info).run()?;
    let Pressed { messages, joins, authenticators } = pressed;
    let mut authenticators = authenticators.into_iter();
    let authenticator = authenticators.next().expect("a group has its creator");
    if authenticators.any(|other| other != authenticator) {
        return Err(MintError::Disagreement);
    }
    let spec = spec.clone();
    Ok(Tape {
        spec,
        epoch,
        messages,
        welcome,
        tree,
        group_info,
        minted,
        real,
        joins,
        authenticator,
    })
}
