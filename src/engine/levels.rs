//! The validation states of those groups whose handshakes are looked at.
//!
//! Asked before the shard decides, told what it accepted. A group at level `opaque` has no state and
//! costs nothing here. Called by [`super::Engine`] and, with what was accepted once, by `recovery`.

use std::collections::HashMap;

use ahash::RandomState;

use crate::delivery::{
    DeviceId, Enclosed, Entry, Founding, GroupId, Kind, Level, Reject, RosterChange, Submission,
};
use crate::limits::LEVEL_STATE_BYTES_MAX;
use crate::validation::{self, Checked, Everybody, FoundingError, State, Submitted};

/// A state for each group above level `opaque`.
#[derive(Debug, Default)]
pub(super) struct Levels(HashMap<GroupId, State, RandomState>);

impl Levels {
    /// The state that a group begins with; none at level `opaque`.
    ///
    /// # Errors
    /// What is wrong with what the group is founded on.
    pub(super) fn found(founding: &Founding) -> Result<Option<State>, Reject> {
        if founding.settings.level == Level::Opaque {
            return Ok(None);
        }
        let from = validation::Founding {
            group: founding.group,
            epoch: founding.epoch,
            roster: &founding.roster,
            group_info: founding.group_info.as_deref(),
            tree: founding.tree.as_deref(),
        };
        let state = State::found(founding.settings.level, &from);
        state.map(Some).map_err(|error| match error {
            FoundingError::Roster => Reject::BadRosterChange,
            FoundingError::Missing | FoundingError::Suite(_) | FoundingError::TooLarge => {
                Reject::LevelUnavailable
            }
            FoundingError::Check(failed) => Reject::Invalid { check: failed.0.number() },
        })
    }

    /// Keeps a group's state from now on.
    pub(super) fn keep(&mut self, group: GroupId, state: State) {
        self.0.insert(group, state);
    }

    /// Forgets a group's state.
    pub(super) fn forget(&mut self, group: &GroupId) {
        if !self.0.is_empty() {
            self.0.remove(group);
        }
    }

    /// The state of a group.
    pub(super) fn of(&self, group: &GroupId) -> Option<&State> {
        if self.0.is_empty() { None } else { self.0.get(group) }
    }

    /// Whether a group is as large as one may be that is followed; its saved state is smaller than
    /// its state.
    pub(super) fn is_full(&self, group: &GroupId) -> bool {
        self.of(group).is_some_and(|state| state.bytes() > LEVEL_STATE_BYTES_MAX)
    }

    /// Makes the checks of the group's level; `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The check that failed.
    pub(super) fn check(
        &self,
        now: u64,
        sender: DeviceId,
        submission: &Submission,
    ) -> Result<Option<Checked>, Reject> {
        let Some(state) = self.of(&submission.group) else { return Ok(None) };
        let declared = submission.change.clone();
        let Submission { kind, body, enclosed, .. } = submission;
        let submitted = submitted(sender, *kind, body, declared, enclosed);
        let checked = state.check(submitted, &Everybody, now);
        checked.map(Some).map_err(|check| Reject::Invalid { check: check.number() })
    }

    /// Follows what was checked and then accepted.
    pub(super) fn accept(&mut self, group: &GroupId, checked: Checked) {
        self.0.get_mut(group).expect("what was checked has a state").accept(checked);
    }

    /// Follows what was accepted once.
    ///
    /// # Errors
    /// The check that it fails now, so that it cannot have been accepted.
    pub(super) fn replay(
        &mut self,
        now: u64,
        group: &GroupId,
        entry: &Entry,
        enclosed: &Enclosed,
    ) -> Result<(), validation::Failed> {
        let Some(state) = self.0.get_mut(group) else { return Ok(()) };
        let declared = RosterChange::clone(&entry.change);
        let submitted = submitted(entry.sender, entry.kind, &entry.body, declared, enclosed);
        let checked = state.check(submitted, &Everybody, now).map_err(validation::Failed)?;
        state.accept(checked);
        Ok(())
    }
}

fn submitted<'a>(
    sender: DeviceId,
    kind: Kind,
    body: &'a [u8],
    declared: RosterChange,
    enclosed: &'a Enclosed,
) -> Submitted<'a> {
    let Enclosed { welcome, group_info } = enclosed;
    let (welcome, group_info) = (welcome.as_deref(), group_info.as_deref());
    Submitted { sender, kind, body, declared, welcome, group_info }
}
