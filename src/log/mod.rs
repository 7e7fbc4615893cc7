//! Durability: append, sync, the durable watermark, replay.
//!
//! Knows bytes, never groups, and reads no clock. Called by `engine`, which lets nothing out before
//! the entry it rests on is below the watermark, and by `cli`, which walks a log without touching it.
//!
//! [`Wal`] is the one log there is, over a [`Storage`]: files, or a [`Disk`] that fails on purpose.
//!
//! A directory holds one log: segments of one length, each a header ([`Header`]), records and a
//! seal ([`Seal`]). Their layouts are drawn in `segment.rs` and `record.rs`; what survives a crash
//! and why is said in `recovery.rs`.

use std::fmt;
use std::time::Duration;

mod directory;
mod disk;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod record;
mod recovery;
mod scan;
mod segment;
mod storage;
mod wal;
mod walk;

#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;

pub use directory::{Directory, Waker};
pub use disk::{Disk, Faults};
pub use record::Seal;
pub use recovery::Recovered;
pub use segment::Header;
pub use storage::{Segments, Storage};
pub use wal::{Config, Segment, Wal};
pub use walk::{State, Walked, verify, walk};

/// A place in the log: the number of entries up to and including one. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// Why the log takes nothing more, or cannot be opened. The environment is at fault; nothing
/// acknowledged is lost that the disk still has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A write or a sync failed; every append is refused until the log is reopened.
    #[error("the log failed and takes no more entries: {0}")]
    Failed(String),
    /// The log cannot be opened: it is another's, in use, or the system refuses.
    #[error("{0}")]
    Unusable(String),
    /// An entry that should be there is damaged. Nothing was changed: restore the file from a copy,
    /// or give up the directory with all that it holds.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Corrupt {
        /// The segment's file.
        file: String,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

/// An append-only sequence of entries with a durable watermark.
pub trait Log: fmt::Debug + Send {
    /// Appends one entry, given in parts so that a body is not copied to join its header.
    ///
    /// # Errors
    /// [`Error::Failed`]; the entry was not accepted, and whether the disk has it shows only when
    /// the log is opened again.
    fn append(&mut self, parts: &[&[u8]]) -> Result<Position, Error>;

    /// Takes note of a sync that has ended, and starts to make durable what was appended before,
    /// unless a sync runs; the watermark tells when it is. Never waits. Whoever is woken because a
    /// sync has ended calls this again: what was appended meanwhile shares the next.
    ///
    /// # Errors
    /// [`Error::Failed`]; the watermark then never passes what was durable before.
    fn sync(&mut self) -> Result<(), Error>;

    /// Says what time it is, since the Unix epoch, for what is appended from now on.
    fn set_time(&mut self, unix: Duration);

    /// Bytes that the log takes, over all.
    fn bytes(&self) -> u64;

    /// Lets go of the entries before `position`: what holds no others is removed, oldest first, a
    /// piece for each sync that starts from now on, so that no crash leaves a hole. What replaces
    /// those entries has to be durable already.
    fn release_below(&mut self, position: Position);

    /// The watermark: every entry up to it survives what the log promises to survive.
    fn durable(&self) -> Position;
}
