//! How a group is kept and how closely its handshakes are looked at: fixed when it is created.
//!
//! Decides nothing. Chosen by whoever creates a group, within what the service offers; obeyed by
//! `engine` (durability) and `validation` (level).

/// What an accepted message of the group survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Nothing: the group lives in memory and ends with the process.
    #[default]
    None,
    /// A crash of the process and of the machine: nothing is acknowledged or fanned out before it
    /// is in the log and synced.
    Wal,
}

impl Durability {
    /// Its name in settings, scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Wal => "wal",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::None, Self::Wal].into_iter().find(|durability| durability.name() == name)
    }
}

impl Level {
    /// Its name in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Header => "header",
            Self::Public => "public",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Opaque, Self::Header, Self::Public].into_iter().find(|level| level.name() == name)
    }
}

/// How closely the service looks at the group's handshake messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Group, epoch and kind alone; the submitter of a commit declares the roster change.
    #[default]
    Opaque,
    /// Handshakes are PublicMessages whose sender has to be the submitter's leaf.
    Header,
    /// As a member would, as far as that is possible without the group's secrets.
    Public,
}

/// A group's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// What its accepted messages survive.
    pub durability: Durability,
    /// How closely its handshakes are looked at.
    pub level: Level,
}
