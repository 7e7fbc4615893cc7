//! Carries out a tape's operations: every message, by a member that has its keys.
//!
//! It never sends. Each handshake is made by its sender and processed by every other member that
//! will still say something; all others are only a leaf. Called by `mint`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use bytes::Bytes;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::form::Plan;
use super::form::each;
use super::leaf::Committed;
use super::leaf::Leaf;
use super::leaf::MemberError;
use super::membership::Done;
use super::membership::Membership;
use super::mint::cost;
use super::newcomer::Newcomer;
use super::tape::Effect;
use super::tape::Reentry;
use super::tape::TapeJoin;
use super::tape::TapeMessage;
use super::tape::TapeOperation;
use super::tape::TapeSpec;
use crate::delivery::Epoch;
use crate::delivery::Kind;

/// The members at work.
pub(super) struct Press<'a> {
    plan: &'a Plan<'a>,
    spec: &'a TapeSpec,
    parallel: bool,
    progress: &'a (dyn Fn(u64) + Sync),
    /// Those who will say something, in the current epoch; the senders always, 0 among them.
    actors: BTreeMap<u32, Leaf>,
    /// Of those who come in later, the ones who will say something then.
    speakers: BTreeSet<u32>,
    membership: Membership,
    /// Who has been asked in and is not in yet, with the operation that asked.
    asked: BTreeMap<u32, (u32, Newcomer)>,
    /// The GroupInfo of the current epoch, where every commit brings one.
    group_info: Bytes,
    made: Pressed,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Pressed {
    pub(super) messages: Vec<TapeMessage>,
    pub(super) joins: Vec<TapeJoin>,
    /// Of everybody who had something to say, after the last commit; member 0's first.
    pub(super) authenticators: Vec<Vec<u8>>,
}

impl<'a> Press<'a> {
    /// `actors` are in the first epoch, which `group_info` describes if there is one.
    pub(super) fn new(
        plan: &'a Plan<'a>,
        spec: &'a TapeSpec,
        (parallel, progress): (bool, &'a (dyn Fn(u64) + Sync)),
        actors: BTreeMap<u32, Leaf>,
        group_info: &Bytes,
    ) -> Self {
        let leaving = spec.operations.iter().filter_map(|operation| match *operation {
            TapeOperation::Leave { member } => Some(member),
            _ => None,
        });
        Self {
            plan,
            spec,
            parallel,
            progress,
            actors,
            speakers: leaving.collect(),
            membership: Membership::of(spec),
            asked: BTreeMap::new(),
            group_info: group_info.clone(),
            made: Pressed::default(),
        }
    }

    /// Carries out every operation, application messages in a row side by side.
    pub(super) fn run(mut self) -> Result<Pressed, MemberError> {
        if self.group_info.is_empty() && self.spec.group_infos {
            self.group_info = self.actor(0).group_info()?;
        }
        let is_text = |operation: &TapeOperation| operation.kind() == Kind::Application;
        let rows = self.spec.operations.chunk_by(|one, next| is_text(one) && is_text(next));
        for row in rows {
            match row {
                [operation] if !is_text(operation) => self.handshake(*operation)?,
                _ => self.encrypt(row)?,
            }
        }
        self.made.authenticators = self.actors.values().map(Leaf::authenticator).collect();
        Ok(self.made)
    }

    /// Encrypts application messages, each by its sender in its order.
    fn encrypt(&mut self, operations: &[TapeOperation]) -> Result<(), MemberError> {
        let first = self.made.messages.len();
        let mut orders: BTreeMap<u32, Vec<(usize, u32)>> = BTreeMap::new();
        for (offset, operation) in operations.iter().enumerate() {
            if let TapeOperation::Application { sender, bytes } = *operation {
                orders.entry(sender).or_default().push((first + offset, bytes));
            }
        }
        let work = self
            .actors
            .iter_mut()
            .filter_map(|(member, leaf)| orders.remove(member).map(|orders| (leaf, orders)));
        let progress = self.progress;
        let written = each(self.parallel, work.collect(), |(leaf, orders)| {
            let mut written = Vec::with_capacity(orders.len());
            for (position, bytes) in orders {
                written.push((position, leaf.encrypt(&plaintext(position, bytes))?));
            }
            progress(u64::try_from(written.len()).expect("a count fits"));
            Ok(written)
        })?;
        let epoch = self.epoch();
        let mut written: Vec<_> = written.into_iter().flatten().collect();
        written.sort_unstable_by_key(|(position, _)| *position);
        for ((_, body), operation) in written.into_iter().zip(operations) {
            let (kind, sender, effect) = (Kind::Application, operation.sender(), None);
            self.made.messages.push(TapeMessage { kind, epoch, sender, body, effect });
        }
        Ok(())
    }

    /// Lets a proposal or a commit be made, and everybody else process it.
    fn handshake(&mut self, operation: TapeOperation) -> Result<(), MemberError> {
        let epoch = self.epoch();
        let asked = place(self.made.messages.len());
        let asks = match operation {
            TapeOperation::Add { member, .. }
            | TapeOperation::ProposeAdd { member, .. }
            | TapeOperation::ExternalJoin { member } => Some(member),
            _ => None,
        };
        if let Some(member) = asks {
            let newcomer = Newcomer::new(self.spec.suite, self.plan.identity(member))?;
            self.asked.insert(member, (asked, newcomer));
        }
        let before = self.membership.clone();
        let done = self.membership.apply(operation).expect("a specification is checked");
        let (body, effect) = match (operation, done) {
            (TapeOperation::ExternalJoin { member }, Some(_)) => self.join(member, asked)?,
            (_, Some(done)) => self.commit(operation, done, asked)?,
            (_, None) => (self.propose(operation, &before)?, None),
        };
        (self.progress)(cost(self.spec, operation));
        let (kind, sender) = (operation.kind(), operation.sender());
        self.made.messages.push(TapeMessage { kind, epoch, sender, body, effect });
        Ok(())
    }

    fn propose(
        &mut self,
        operation: TapeOperation,
        before: &Membership,
    ) -> Result<Bytes, MemberError> {
        let leaf = |member| before.leaf(member).expect("a member is checked to be one");
        let proposer = self.actors.get_mut(&operation.sender()).expect("who speaks is awake");
        let body = match operation {
            TapeOperation::ProposeAdd { member, .. } => {
                proposer.propose_add(self.asked[&member].1.key_package())?
            }
            TapeOperation::ProposeRemove { member, .. } | TapeOperation::Leave { member } => {
                proposer.propose_remove(leaf(member))?
            }
            _ => proposer.propose_update()?,
        };
        self.process(operation.sender(), &body)?;
        Ok(body)
    }

    fn commit(
        &mut self,
        operation: TapeOperation,
        done: Done,
        place: u32,
    ) -> Result<(Bytes, Option<Box<Effect>>), MemberError> {
        let sender = operation.sender();
        let (leaves, packages) = match operation {
            TapeOperation::Add { member, .. } => {
                (Vec::new(), vec![self.asked[&member].1.key_package().clone()])
            }
            // What was proposed comes first, what the commit itself says last.
            TapeOperation::Remove { .. } => {
                (done.removed.last().map(|(_, leaf)| *leaf).into_iter().collect(), Vec::new())
            }
            _ => (Vec::new(), Vec::new()),
        };
        let committer = self.actors.get_mut(&sender).expect("who speaks is awake");
        let Committed { body, welcome } = committer.commit(&leaves, packages)?;
        self.actors.retain(|member, _| done.removed.iter().all(|(gone, _)| gone != member));
        self.process(sender, &body)?;
        let welcome = welcome.unwrap_or_default();
        for member in &done.added {
            let (asked, newcomer) = self.asked.remove(member).expect("who comes in was asked");
            self.welcome(*member, (asked, place), &newcomer, &welcome)?;
        }
        let group_info = self.describe(sender)?;
        let (added, refers_to) = (done.added, done.referred);
        let removed = done.removed.into_iter().map(|(member, _)| member).collect();
        let effect = Effect { added, removed, refers_to, welcome, group_info };
        Ok((body, (effect != Effect::default()).then(|| Box::new(effect))))
    }

    /// Somebody is in by a Welcome.
    fn welcome(
        &mut self,
        member: u32,
        (asked, commit): (u32, u32),
        newcomer: &Newcomer,
        welcome: &Bytes,
    ) -> Result<(), MemberError> {
        let spec = self.spec;
        let (is_real, speaks) = (spec.is_real_joiner(member), self.speakers.contains(&member));
        let tree = if is_real || speaks { self.actor(0).tree()? } else { Bytes::new() };
        let pairs = newcomer.pairs();
        if speaks {
            let leaf = Leaf::join(spec.suite, &pairs, welcome, &tree, spec.handshake)?;
            self.actors.insert(member, leaf);
        }
        let key_package = newcomer.published()?;
        let real = is_real.then(|| Box::new(Reentry { pairs, tree }));
        self.made.joins.push(TapeJoin { member, asked, commit, key_package, real });
        Ok(())
    }

    /// Somebody comes in by itself.
    fn join(
        &mut self,
        member: u32,
        commit: u32,
    ) -> Result<(Bytes, Option<Box<Effect>>), MemberError> {
        let spec = self.spec;
        let (asked, newcomer) = self.asked.remove(&member).expect("who comes in was asked");
        let tree = self.actor(0).tree()?;
        let with = (&self.group_info[..], &tree[..]);
        let (real, leaf, body) = if spec.is_real_joiner(member) {
            let (pairs, body) =
                newcomer.join_externally_for_good(spec.suite, with, spec.handshake)?;
            let leaf = Leaf::take_up(spec.suite, &spec.group, &pairs)?;
            let reentry = Reentry { pairs, tree: Bytes::new() };
            (Some(Box::new(reentry)), leaf, body)
        } else {
            let (leaf, body) = newcomer.join_externally(spec.suite, with, spec.handshake)?;
            (None, leaf, body)
        };
        self.process(member, &body)?;
        // Whoever has made the epoch describes it: nobody else may have.
        let group_info = leaf.group_info()?;
        self.group_info = group_info.clone();
        if self.speakers.contains(&member) {
            self.actors.insert(member, leaf);
        }
        let key_package = Bytes::new();
        self.made.joins.push(TapeJoin { member, asked, commit, key_package, real });
        let effect = Effect { added: vec![member], group_info, ..Effect::default() };
        Ok((body, Some(Box::new(effect))))
    }

    /// Lets everybody but its sender process a handshake.
    fn process(&mut self, sender: u32, body: &Bytes) -> Result<(), MemberError> {
        let others = self.actors.iter_mut().filter(|(member, _)| **member != sender);
        each(self.parallel, others.collect(), |(_, leaf)| leaf.process(body))?;
        Ok(())
    }

    /// The GroupInfo of the epoch that `committer` has just opened, if there is to be one.
    fn describe(&mut self, committer: u32) -> Result<Bytes, MemberError> {
        if !self.spec.group_infos {
            return Ok(Bytes::new());
        }
        self.group_info = self.actor(committer).group_info()?;
        Ok(self.group_info.clone())
    }

    fn epoch(&self) -> Epoch {
        self.actor(0).epoch()
    }

    fn actor(&self, member: u32) -> &Leaf {
        self.actors.get(&member).expect("senders stay")
    }
}

/// The same bytes for the same place in a tape, on every machine.
fn plaintext(position: usize, bytes: u32) -> Vec<u8> {
    let seed = u64::try_from(position).expect("a position fits");
    let mut plaintext = vec![0; usize::try_from(bytes).expect("a length fits an address")];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut plaintext);
    plaintext
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("operations are bounded")
}
