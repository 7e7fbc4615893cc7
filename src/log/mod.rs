//! Durability: append, sync, the durable watermark.
//!
//! Knows bytes, never groups. Called by `engine` alone, which lets nothing out before the entry
//! it rests on is below the watermark. The one log here keeps what it is given in memory, so its
//! watermark follows every append at once: durability `none`.

use std::fmt;
use std::time::Duration;

mod memory;

pub use memory::Memory;

/// A place in the log: the number of entries up to and including one. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// Why the log takes nothing more. The environment is at fault; nothing acknowledged is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A write or a sync failed; every append is refused until the log is reopened.
    #[error("the log failed and takes no more entries: {0}")]
    Failed(String),
}

/// An append-only sequence of entries with a durable watermark.
pub trait Log: fmt::Debug + Send {
    /// Appends one entry, given in parts so that a body is not copied to join its header.
    ///
    /// # Errors
    /// [`Error::Failed`]; the entry is then not in the log.
    fn append(&mut self, parts: &[&[u8]]) -> Result<Position, Error>;

    /// Makes durable what was appended before, or starts to; the watermark tells when it is.
    ///
    /// # Errors
    /// [`Error::Failed`]; the watermark then never passes what was durable before.
    fn sync(&mut self) -> Result<(), Error>;

    /// Says what time it is, since the Unix epoch, for what is appended from now on.
    fn set_time(&mut self, unix: Duration);

    /// Bytes that the log takes, over all.
    fn bytes(&self) -> u64;

    /// Lets go of the entries before `position`, some time. What replaces them has to be durable.
    fn release_below(&mut self, position: Position);

    /// The watermark: every entry up to it survives what the log promises to survive.
    fn durable(&self) -> Position;
}
