//! From what the log holds to an engine that goes on where the last one ended.
//!
//! Takes the log's entries one by one, oldest first, then becomes the [`Engine`]. What was
//! appended and never acknowledged may be among them: it is accepted then, and a retry is told so.
//! Never changes the log. Called by `server` when it starts, before anybody can connect.

use std::collections::HashSet;
use std::time::Duration;

use super::bases::Bases;
use super::levels::Levels;
use super::record::{Encoder, Record, What};
use super::{Engine, Journal};
use crate::delivery::{GroupId, Level, Policy, Shard};
use crate::log::{Log, Position};
use crate::validation::State;

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
        let group = record.group;
        match record.what {
            What::Created(founding) => {
                self.shard.replay_created(&founding).map_err(|error| error.to_string())?;
                let state = Levels::found(&founding);
                let state =
                    state.map_err(|reject| format!("a group that cannot be: {reject:?}"))?;
                if let Some(state) = state {
                    self.levels.keep(group, state);
                }
                self.bases.set(group, position);
            }
            What::Deleted => {
                self.shard.replay_deleted(&group);
                self.bases.remove(&group);
                self.levels.forget(&group);
                self.unexplained.remove(&group);
            }
            What::Appended(entry, enclosed, level) => {
                self.recovered.messages += 1;
                let seconds = self.latest.as_secs();
                if let Some(level) = level {
                    let state = State::restore(&level).map_err(|error| error.to_string())?;
                    self.levels.keep(group, state);
                } else {
                    let followed = self.levels.replay(seconds, &group, &entry, &enclosed);
                    followed.map_err(|error| error.to_string())?;
                }
                let known = self.shard.replay_appended(self.latest, &group, *entry, &enclosed);
                if !known.map_err(|error| error.to_string())? {
                    self.unexplained.insert(group);
                }
            }
            What::Acknowledged(device, seq) => {
                self.shard.replay_acknowledged(&group, device, seq);
            }
            What::Checkpoint(saved, level) => {
                if saved.settings.level != Level::Opaque {
                    let state = State::restore(&level).map_err(|error| error.to_string())?;
                    self.levels.keep(group, state);
                }
                let restored = self.shard.replay_checkpoint(self.latest, group, *saved);
                restored.map_err(|error| error.to_string())?;
                self.bases.set(group, position);
                self.unexplained.remove(&group);
            }
        }
        Ok(())
    }

    /// Goes on over the log that was replayed, whose last entry is durable; groups are written
    /// again as checkpoints when it is larger than `bytes_target`.
    ///
    /// # Errors
    /// When entries are about a group of which nothing says what it is.
    pub fn finish(
        mut self,
        log: Box<dyn Log>,
        bytes_target: u64,
    ) -> Result<(Engine, Recovered), String> {
        if let Some(group) = self.unexplained.iter().next() {
            return Err(format!("the log has messages of {group:?} and nothing of its creation"));
        }
        self.recovered.groups = self.shard.groups() as u64;
        let appended = log.durable();
        let (bases, encoder) = (self.bases, Encoder::default());
        let journal = Journal { log, appended, bases, encoder, bytes_target };
        self.shard.forward_again();
        let mut engine = Engine::over(self.shard, self.levels, Some(journal));
        engine.ready.extend(std::iter::from_fn(|| engine.shard.poll()));
        engine.now = self.latest;
        Ok((engine, self.recovered))
    }
}
