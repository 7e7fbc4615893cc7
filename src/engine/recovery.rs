//! From what the log holds to an engine that goes on where the last one ended.
//!
//! Takes the log's entries one by one, oldest first, then becomes the [`Engine`]. What was
//! appended and never acknowledged may be among them: it is accepted then, and a retry is told so.
//! Never changes the log. Called by `server` when it starts, before anybody can connect.

use std::collections::HashSet;
use std::time::Duration;

use super::bases::{Bases, Subject};
use super::levels::Levels;
use super::record::{Encoder, Record, What};
use super::{Engine, Journal};
use crate::delivery::{Check, Enclosed, Entry, Founding, GroupId, Kind, Level, Policy, Shard};
use crate::log::{Log, Position};
use crate::validation::{Failed, State};

/// An engine while it replays its log.
#[derive(Debug)]
pub struct Recovery {
    shard: Shard,
    levels: Levels,
    bases: Bases,
    /// Groups that had entries before anything that says what they are: a checkpoint has to follow.
    unexplained: HashSet<GroupId>,
    recovered: Recovered,
    latest: Duration,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries.
    pub records: u64,
    /// Messages that were accepted, among them those of groups that are gone.
    pub messages: u64,
    /// Groups that exist.
    pub groups: u64,
}

impl Recovery {
    /// Before the first entry.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            shard: Shard::new(policy),
            levels: Levels::default(),
            bases: Bases::default(),
            unexplained: HashSet::new(),
            recovered: Recovered::default(),
            latest: Duration::ZERO,
        }
    }

    /// The next entry, and where it stands.
    ///
    /// # Errors
    /// What is wrong with it: then the log is damaged in a way that its checksums do not show, or
    /// another program's.
    pub fn replay(&mut self, position: Position, bytes: &[u8]) -> Result<(), String> {
        let record = Record::decode(bytes).map_err(|error| error.to_string())?;
        // Its clock may have been set back; ours never goes.
        self.latest = self.latest.max(record.at);
        self.recovered.records += 1;
        match record.what {
            What::Created(founding, level) => {
                self.created(position, &founding, level.as_deref())?;
            }
            What::Deleted(group) => {
                self.shard.replay_deleted(&group);
                self.bases.remove(&Subject::Group(group));
                self.levels.forget(&group);
                self.unexplained.remove(&group);
            }
            What::Appended(group, entry, enclosed, level) => {
                self.recovered.messages += 1;
                self.follow(&group, &entry, &enclosed, level.as_deref())?;
                let known = self.shard.replay_appended(self.latest, &group, *entry, &enclosed);
                if !known.map_err(|error| error.to_string())? {
                    self.unexplained.insert(group);
                }
            }
            What::Acknowledged(group, device, seq) => {
                self.shard.replay_acknowledged(&group, device, seq);
            }
            What::Checkpoint(group, saved, level) => {
                if saved.settings.level != Level::Opaque {
                    let state = State::restore(&level).map_err(|error| error.to_string())?;
                    self.levels.keep(group, state);
                }
                let restored = self.shard.replay_checkpoint(self.latest, group, *saved);
                restored.map_err(|error| error.to_string())?;
                self.bases.set(Subject::Group(group), position);
                self.unexplained.remove(&group);
            }
            What::Joining(record) => {
                self.bases.begin_of(&record, position);
                self.shard.replay_joining(*record);
            }
            What::Device(saved) => {
                self.bases.set(Subject::Device(saved.shelf.device), position);
                self.shard.restore_device(*saved);
            }
        }
        Ok(())
    }

    fn created(
        &mut self,
        position: Position,
        founding: &Founding,
        level: Option<&[u8]>,
    ) -> Result<(), String> {
        self.shard.replay_created(founding).map_err(|error| error.to_string())?;
        let state = match level {
            Some(level) => Some(State::restore(level).map_err(|error| error.to_string())?),
            None => Levels::found(founding)
                .map_err(|reject| format!("a group that cannot be: {reject:?}"))?,
        };
        if let Some(state) = state {
            self.levels.keep(founding.group, state);
        }
        self.bases.set(Subject::Group(founding.group), position);
        Ok(())
    }

    /// Takes the validation of a group past a message.
    fn follow(
        &mut self,
        group: &GroupId,
        entry: &Entry,
        enclosed: &Enclosed,
        level: Option<&[u8]>,
    ) -> Result<(), String> {
        if let Some(level) = level {
            let state = State::restore(level).map_err(|error| error.to_string())?;
            self.levels.keep(*group, state);
            return Ok(());
        }
        match self.levels.replay(self.latest.as_secs(), group, entry, enclosed) {
            // A KeyPackage that it proposes to add has expired since (RFC 9420 §7.3): no commit may
            // take the proposal any more, and one that did is logged with the state after it.
            Err(Failed(Check::LeafNode)) if entry.kind == Kind::Proposal => Ok(()),
            followed => followed.map_err(|error| error.to_string()),
        }
    }

    /// What was found, if all of it makes sense.
    ///
    /// # Errors
    /// When entries are about a group of which nothing says what it is.
    pub fn check(&self) -> Result<Recovered, String> {
        if let Some(group) = self.unexplained.iter().next() {
            return Err(format!("the log has messages of {group:?} and nothing of its creation"));
        }
        Ok(Recovered { groups: self.shard.groups() as u64, ..self.recovered })
    }

    /// Goes on over the log that was replayed, whose last entry is durable; groups are written
    /// again as checkpoints when it is larger than `bytes_target`.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn finish(
        mut self,
        log: Box<dyn Log>,
        bytes_target: u64,
    ) -> Result<(Engine, Recovered), String> {
        let recovered = self.check()?;
        let appended = log.durable();
        let (bases, encoder) = (self.bases, Encoder::default());
        let journal = Journal { log, appended, bases, encoder, bytes_target };
        self.shard.forward_again();
        let mut engine = Engine::over(self.shard, self.levels, Some(journal));
        engine.ready.extend(std::iter::from_fn(|| engine.shard.poll()));
        engine.now = self.latest;
        Ok((engine, recovered))
    }
}
