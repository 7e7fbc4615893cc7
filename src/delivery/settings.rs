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

/// How far the service looks into a group's handshakes; chosen when the group is created, for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Order only: PrivateMessage or PublicMessage, unread behind its header. The submitter
    /// declares the roster change. Costs nothing.
    #[default]
    Opaque,
    /// PublicMessage only: sender, kind, and the proposals of a commit as far as they lie open.
    /// Nothing is verified. Costs less than a microsecond and 40 bytes for each member.
    Header,
    /// PublicMessage only: the public state of the group is kept and all sixteen checks are made.
    /// Costs a signature check for a proposal; for a commit, time and memory that grow with the
    /// group.
    Public,
}

impl Level {
    /// All of them, by [`Self::number`].
    pub const ALL: [Self; 3] = [Self::Opaque, Self::Header, Self::Public];

    /// Its number in frames and logs: 0, 1, 2.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Opaque => 0,
            Self::Header => 1,
            Self::Public => 2,
        }
    }

    /// The level of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name in configuration and text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Header => "header",
            Self::Public => "public",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// A group's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// What its accepted messages survive.
    pub durability: Durability,
    /// How closely its handshakes are looked at.
    pub level: Level,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_by_its_number_and_by_its_name() {
        for (level, number) in Level::ALL.into_iter().zip(0..) {
            assert_eq!((level.number(), Level::from_number(number)), (number, Some(level)));
            assert_eq!(Level::of_name(level.name()), Some(level));
        }
        assert_eq!((Level::from_number(3), Level::of_name("deep")), (None, None));
    }
}
