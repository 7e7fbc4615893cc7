//! What a group's members may do to its roster: the seam for an application's own rules.
//!
//! It decides nothing by itself; the default lets everybody do everything MLS lets them do. Asked
//! by `public` for every handshake that passed all other checks.

use crate::delivery::{DeviceId, RosterChange};

/// An application's rules about a group, which RFC 9750 §6.4 leaves to it.
pub trait Policy {
    /// Whether `actor` may propose or commit this change. For an external commit the actor is among
    /// the added.
    fn may(&self, actor: DeviceId, change: &RosterChange) -> bool {
        let _ = (actor, change);
        true
    }

    /// Whether a commit must include every pending SelfRemove but its committer's own
    /// (draft-ietf-mls-extensions §6.3: the leave flow of MIMI).
    fn departures_first(&self) -> bool {
        false
    }
}

/// Everybody may do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everybody;

impl Policy for Everybody {}
