//! Decide, append, sync, release: nothing leaves before what it rests on is durable.
//!
//! Feeds a batch of inputs to [`Shard`], appends what was decided about durable groups to the
//! [`Log`], has it synced behind its back, and hands out each output only when every entry appended
//! before it is below the log's durable watermark. What concerns groups in memory waits for
//! nothing. Opened over a log, it first replays it ([`Recovery`]). Never looks into a message.
//! Called by a `server` shard.

mod bases;
mod levels;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod record;
mod recovery;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::delivery::group::Group;
use crate::delivery::joining::{Ask, Told};
use crate::delivery::{
    DeviceId, Durability, Entry, GroupId, Input, Level, Link, MessageId, Output, Policy, Reject,
    Shard,
};
use crate::limits::LEVEL_BYTES_MAX;
use crate::log::{Error, Log, Position};
use crate::validation::{Checked, State};
use bases::{Bases, Subject};
use levels::Levels;
use record::Encoder;

pub use record::{NotARecord, Record, What};
pub use recovery::{Recovered, Recovery};

/// One shard's decisions, with the log of those that are to survive.
#[derive(Debug)]
pub struct Engine {
    shard: Shard,
    levels: Levels,
    /// None where every group lives in memory.
    journal: Option<Journal>,
    /// Decided outputs that rest on nothing that is logged, oldest first.
    ready: VecDeque<Output>,
    /// The others, oldest first, with the entry each rests on. As many as were decided since the
    /// watermark last moved: bounded by what sessions may have unanswered.
    held: VecDeque<(Position, Output)>,
    /// Deletions among both.
    going: usize,
    /// The latest time that was told.
    now: Duration,
    /// Why nothing is decided any more, if so: the shard is ahead of the log for good.
    failed: Option<Error>,
}

/// Whether a message that passed its checks may fail them when the log is replayed: a KeyPackage that
/// it adds has expired by then (RFC 9420 §7.3). The state after it is then logged with it.
fn is_perishable(level: &State, entry: &Entry) -> bool {
    is_public(level) && !entry.change.added.is_empty()
}

fn is_public(level: &State) -> bool {
    matches!(level, State::Public(_))
}

/// After how long a group of an id that is just being deleted may be created again: a sync.
const GOING_RETRY_MS: u32 = 20;

/// What was looked at before the shard decides.
#[derive(Debug)]
enum Looked {
    /// Nothing.
    Away,
    /// What a group is founded on.
    AtFounding(GroupId, Box<State>),
    /// A message that passes every check of its group's level.
    AtMessage(GroupId, Box<Checked>),
}

/// What was looked at, and is refused.
#[derive(Debug)]
struct Refused {
    to: Link,
    device: DeviceId,
    id: MessageId,
    reason: Reject,
    /// What finding out counts against the device's rate, if it was work.
    cost: Option<u32>,
}

/// What a look counts against a device's rate: one, and at level `public` one more for every 16
/// members, up to what 64 ordinary messages count.
fn cost_of_looking(level: Level, members: usize) -> u32 {
    let members = if level == Level::Public { members / 16 } else { 0 };
    1 + u32::try_from(members.min(63)).expect("it is small")
}

/// A log and what is known of it.
#[derive(Debug)]
struct Journal {
    log: Box<dyn Log>,
    appended: Position,
    bases: Bases,
    encoder: Encoder,
    /// Bytes of the log from which on groups are written again.
    bytes_target: u64,
}

impl Engine {
    /// An engine without groups and without a log: a group that is to be durable is refused.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::over(Shard::new(policy), Levels::default(), None)
    }

    fn over(shard: Shard, levels: Levels, journal: Option<Journal>) -> Self {
        let (ready, held, now) = (VecDeque::new(), VecDeque::new(), Duration::ZERO);
        Self { shard, levels, journal, ready, held, going: 0, now, failed: None }
    }

    /// Decides one input of a batch; `now` is the time since the Unix epoch, and never goes back.
    ///
    /// # Errors
    /// When the log refuses an entry: nothing that rests on it will ever be released, and nothing
    /// is decided any more.
    pub fn handle(&mut self, now: Duration, input: Input) -> Result<(), Error> {
        self.check()?;
        let decided = self.decide(now, input);
        self.noted(decided)
    }

    fn decide(&mut self, now: Duration, input: Input) -> Result<(), Error> {
        self.now = self.now.max(now);
        let logged = self.rests_on_log(&input);
        self.serve_tree(&input);
        match self.look_at(input) {
            Ok((input, looked)) => {
                self.shard.handle(self.now, input);
                self.follow(looked);
                while let Some(output) = self.shard.poll() {
                    self.hold(logged, output)?;
                }
            }
            Err(Refused { to, device, id, reason, cost }) => {
                if let Some(units) = cost {
                    self.shard.charge(self.now, device, units);
                }
                self.hold(logged, Output::Rejected { to, id, reason })?;
            }
        }
        Ok(())
    }

    /// A joiner gets the tree from whoever follows it, made once for each epoch that is asked for.
    fn serve_tree(&mut self, input: &Input) {
        let Input::Joining(Ask::Fetch { group, .. }) = input else { return };
        let served = |group: &Group| group.enclosures().tree().is_some();
        if self.shard.group(group).is_none_or(served) {
            return;
        }
        let tree = self.levels.of(group).and_then(State::tree).map(Bytes::from);
        if tree.is_some() {
            self.shard.set_tree(group, tree.as_ref());
        }
    }

    /// Keeps an output until what it rests on is durable.
    fn hold(&mut self, logged: bool, output: Output) -> Result<(), Error> {
        self.going += usize::from(matches!(output, Output::Deleted { .. }));
        match &mut self.journal {
            Some(journal) if logged => {
                journal.append(self.now, &output, &self.levels)?;
                self.held.push_back((journal.appended, output));
            }
            _ => self.ready.push_back(output),
        }
        Ok(())
    }

    /// Looks at what an input brings, as closely as its group wants: before the shard decides, and
    /// only at what it might accept.
    fn look_at(&self, mut input: Input) -> Result<(Input, Looked), Refused> {
        match &mut input {
            Input::Create { from, device, request, founding }
                if !self.shard.contains(&founding.group) =>
            {
                let (to, device, id) = (*from, *device, *request);
                let refused = |reason| Refused { to, device, id, reason, cost: None };
                // What is still said about the group that is gone must not meet the new one.
                if self.is_going(&founding.group) {
                    return Err(refused(Reject::SlowDown { retry_ms: GOING_RETRY_MS }));
                }
                let durable = founding.settings.durability == Durability::Wal;
                if durable && self.journal.is_none() {
                    return Err(refused(Reject::NotDurable));
                }
                if founding.settings.level == Level::Public {
                    self.shard.may_ask(self.now, device).map_err(refused)?;
                }
                let cost = cost_of_looking(founding.settings.level, founding.roster.len());
                let looked = Levels::found(founding);
                let state =
                    looked.map_err(|reason| Refused { cost: Some(cost), ..refused(reason) })?;
                if state
                    .as_ref()
                    .is_some_and(|state| is_public(state) && state.save().len() > LEVEL_BYTES_MAX)
                {
                    return Err(refused(Reject::LevelUnavailable));
                }
                let looked = state.map_or(Looked::Away, |state| {
                    Looked::AtFounding(founding.group, Box::new(state))
                });
                Ok((input, looked))
            }
            Input::Submit { from, device, submission }
                if self.levels.of(&submission.group).is_some()
                    && self.shard.might_accept(self.now, *device, submission) =>
            {
                let checked = self.levels.check(self.now.as_secs(), *device, submission);
                let (to, device, id) = (*from, *device, submission.id);
                let group = self.shard.group(&submission.group);
                let (level, members) = group.map_or((Level::Opaque, 0), |group| {
                    (group.settings().level, group.roster().len())
                });
                let cost = Some(cost_of_looking(level, members));
                let checked = checked.map_err(|reason| Refused { to, device, id, reason, cost })?;
                let grows =
                    checked.as_ref().is_some_and(|checked| !checked.change.added.is_empty());
                if grows && self.levels.is_full(&submission.group) {
                    let reason = Reject::RosterFull;
                    return Err(Refused { to, device, id, reason, cost });
                }
                let looked = checked.map_or(Looked::Away, |checked| {
                    submission.change = checked.change.clone();
                    Looked::AtMessage(submission.group, Box::new(checked))
                });
                Ok((input, looked))
            }
            _ => Ok((input, Looked::Away)),
        }
    }

    /// Whether a group is deleted, and who drains it has not been told. O(outputs that wait), where a
    /// deletion is among them.
    fn is_going(&self, group: &GroupId) -> bool {
        let going = |output: &Output| matches!(output, Output::Deleted { group: gone, .. } if gone == group);
        self.going > 0
            && (self.held.iter().any(|(_, output)| going(output)) || self.ready.iter().any(going))
    }

    /// Follows what was looked at, if the shard has accepted it.
    fn follow(&mut self, looked: Looked) {
        match (looked, self.shard.peek()) {
            (Looked::AtFounding(group, state), Some(Output::Created(_))) => {
                self.levels.keep(group, *state);
            }
            (Looked::AtMessage(group, checked), Some(Output::Appended { .. })) => {
                self.levels.accept(&group, *checked);
            }
            (_, Some(Output::Deleted { group, .. })) => self.levels.forget(group),
            _ => {}
        }
    }

    /// Ends a batch: what it appended is on its way to be durable. Never waits.
    ///
    /// # Errors
    /// When the log failed.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check()?;
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let renewed = journal.renew(self.now, &mut self.shard, &self.levels);
        let synced = renewed.and_then(|()| journal.log.sync());
        self.noted(synced)
    }

    /// The next output that may leave: those about one group in the order decided.
    pub fn release(&mut self) -> Option<Output> {
        let output = match self.ready.pop_front() {
            Some(output) => output,
            None => {
                let durable = self.journal.as_ref()?.log.durable();
                self.held.pop_front_if(|(rests_on, _)| *rests_on <= durable)?.1
            }
        };
        self.going -= usize::from(matches!(output, Output::Deleted { .. }));
        Some(output)
    }

    /// Outputs that have not left.
    #[must_use]
    pub fn held(&self) -> usize {
        self.ready.len() + self.held.len()
    }

    /// Whether [`Self::release`] has something.
    #[must_use]
    pub fn may_release(&self) -> bool {
        let durable = self.journal.as_ref().map(|journal| journal.log.durable());
        let first = self.held.front();
        !self.ready.is_empty()
            || first.is_some_and(|(rests_on, _)| durable.is_some_and(|to| *rests_on <= to))
    }

    /// Whether nothing waits to leave, and everything logged is durable.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let settled = |journal: &Journal| journal.log.durable() >= journal.appended;
        self.ready.is_empty() && self.held.is_empty() && self.journal.as_ref().is_none_or(settled)
    }

    /// Does what time alone calls for.
    pub fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.shard.tick(self.now);
    }

    /// The latest time that it was told, or found in its log: no decision is of an earlier one.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Bytes of the log, 0 without one.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.log.bytes())
    }

    /// The decisions behind.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// After an error there is no going on: what was decided would be taken for logged.
    fn noted(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        outcome
    }

    /// Whether what is decided about the input may be lost with what the log has not made durable.
    /// That a group is unknown rests on its deletion.
    fn rests_on_log(&self, input: &Input) -> bool {
        let group = match input {
            _ if self.journal.is_none() => return false,
            Input::Create { founding, .. } if !self.shard.contains(&founding.group) => {
                return founding.settings.durability == Durability::Wal;
            }
            Input::Create { founding, .. } => &founding.group,
            Input::Submit { submission, .. } => &submission.group,
            // Of devices everything is logged.
            Input::Joining(ask) => match ask.group() {
                Some(group) => group,
                None => return true,
            },
            Input::Delete { group, .. }
            | Input::Attach { group, .. }
            | Input::Acknowledge { group, .. }
            | Input::Unwatch { group, .. } => group,
        };
        let group = self.shard.group(group);
        group.is_none_or(|group| group.settings().durability == Durability::Wal)
    }
}

impl Journal {
    fn append(&mut self, now: Duration, output: &Output, levels: &Levels) -> Result<(), Error> {
        let mut body: &[u8] = &[];
        match output {
            Output::Created(founding) => {
                // Its leaves expire: what they are founded on is not looked at again.
                let level = levels.of(&founding.group).filter(|level| is_public(level));
                let level = level.map(State::save).unwrap_or_default();
                self.encoder.created(now, founding, &level);
            }
            Output::Deleted { group, .. } => self.encoder.deleted(now, group),
            Output::Appended { group, entry, enclosed, .. } => {
                let level = levels.of(group).filter(|level| is_perishable(level, entry));
                let level = level.map(State::save).unwrap_or_default();
                self.encoder.appended(now, group, entry, enclosed, &level);
                body = &entry.body;
            }
            Output::Acknowledged { group, device, seq } => {
                self.encoder.acknowledged(now, group, *device, *seq);
            }
            Output::Joining(Told::Record(record)) => self.encoder.joining(now, record),
            _ => return Ok(()),
        }
        self.log.set_time(now);
        self.appended = self.log.append(&[self.encoder.bytes(), body])?;
        self.bases.earn(self.encoder.bytes().len() + body.len());
        match output {
            Output::Created(founding) => {
                self.bases.set(Subject::Group(founding.group), self.appended);
            }
            Output::Deleted { group, .. } => self.bases.remove(&Subject::Group(*group)),
            Output::Joining(Told::Record(record)) => self.bases.begin_of(record, self.appended),
            _ => {}
        }
        Ok(())
    }

    /// Keeps the log near its target: groups that begin early begin anew, and what nobody needs
    /// any more is released.
    fn renew(&mut self, now: Duration, shard: &mut Shard, levels: &Levels) -> Result<(), Error> {
        if let Some(below) = self.bases.releasable(self.log.durable()) {
            self.log.release_below(below);
        }
        if self.log.bytes() <= self.bytes_target {
            self.bases.forfeit();
            return Ok(());
        }
        let mut renewed = false;
        while let Some(subject) = self.bases.next() {
            match subject {
                Subject::Group(group) => {
                    let saved = shard.save(&group).expect("a group that begins somewhere exists");
                    let level = levels.of(&group).map(State::save).unwrap_or_default();
                    self.encoder.checkpoint(now, &group, &saved, &level);
                }
                Subject::Device(device) => {
                    let saved = shard.devices().save(device);
                    if saved.is_empty() {
                        self.bases.remove(&subject);
                        renewed = true;
                        continue;
                    }
                    self.encoder.device(now, &saved);
                }
            }
            self.appended = self.log.append(&[self.encoder.bytes()])?;
            self.bases.spend(self.encoder.bytes().len());
            self.bases.set(subject, self.appended);
            renewed = true;
        }
        if renewed {
            self.bases.note(self.appended);
        }
        Ok(())
    }
}
