//! Whether a server is ready, and why not.

use crate::server::Monitor;

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It reads back what it has promised, or has no sockets yet. Nobody can connect.
    #[default]
    Recovering,
    /// It serves.
    Ready,
    /// It was told to stop: it delivers what it has accepted and takes nothing new.
    Draining,
    /// A part of it has ended unasked; the rest is about to.
    Failed,
}

impl Health {
    /// Every one, in the order of a server's life.
    pub const ALL: [Self; 4] = [Self::Recovering, Self::Ready, Self::Draining, Self::Failed];

    /// The word for it, in `/healthz` and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recovering => "recovering",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a server now.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Where it is in its life.
    pub health: Health,
    /// Its counters; `None` until it has any.
    pub monitor: Option<Monitor>,
}
