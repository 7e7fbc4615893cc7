//! Where a log keeps its segments: numbered files of one directory.
//!
//! Two small traits, for who only reads and for who writes. Neither knows what a segment holds.
//! Implemented by [`Directory`](super::Directory) for real files and by [`Disk`](super::Disk) for
//! one in memory that fails as it is told; used by `wal`, `recovery` and `walk`.

use std::fmt;
use std::io;
use std::task::Poll;

/// Segments as a reader sees them.
pub trait Segments {
    /// The numbers of all segments, in any order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&mut self) -> io::Result<Vec<u64>>;

    /// The length of a segment in bytes, with the room taken in advance.
    ///
    /// # Errors
    /// When there is no such segment, or the system does not say.
    fn bytes(&mut self, number: u64) -> io::Result<u64>;

    /// Reads at an offset; fewer bytes than asked for only at the segment's end.
    ///
    /// # Errors
    /// When the system cannot read.
    fn read_at(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// What to call a segment in front of a person.
    fn name(&self, number: u64) -> String;
}

/// Segments as the log's one writer has them. Nothing is durable before a sync of it has ended.
///
/// A sync runs beside the writer and at most one at a time: the queue between the two is one deep,
/// and it is the writer that waits with the next until the one before has ended.
pub trait Storage: Segments + fmt::Debug + Send {
    /// Makes a segment of `bytes` zeros and takes the room for them.
    ///
    /// # Errors
    /// When it is there already, the disk is full, or the system refuses.
    fn create(&mut self, number: u64, bytes: u64) -> io::Result<()>;

    /// Writes all of `bytes` at an offset.
    ///
    /// # Errors
    /// When the system writes less; how much of it is then there is unknown.
    fn write_at(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a segment off at a length and gives the room behind it back.
    ///
    /// # Errors
    /// When the system refuses.
    fn truncate(&mut self, number: u64, bytes: u64) -> io::Result<()>;

    /// Removes a segment.
    ///
    /// # Errors
    /// When the system refuses.
    fn remove(&mut self, number: u64) -> io::Result<()>;

    /// Starts to make durable all that was done so far to these segments and, if asked, to the
    /// list of segments.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start_sync(&mut self, numbers: &[u64], list: bool) -> io::Result<()>;

    /// Whether the sync that runs has ended, and how. Pending also when none runs.
    fn poll_sync(&mut self) -> Poll<io::Result<()>>;

    /// Blocks until the sync that runs has ended.
    ///
    /// # Errors
    /// When the sync failed: what it was to make durable may never be, whatever a later one says.
    fn wait_sync(&mut self) -> io::Result<()>;
}

/// So that whoever lends a storage to a log has it back when the log is gone.
impl<S: Segments> Segments for &mut S {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        (**self).list()
    }

    fn bytes(&mut self, number: u64) -> io::Result<u64> {
        (**self).bytes(number)
    }

    fn read_at(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(number, offset, into)
    }

    fn name(&self, number: u64) -> String {
        (**self).name(number)
    }
}

impl<S: Storage> Storage for &mut S {
    fn create(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        (**self).create(number, bytes)
    }

    fn write_at(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(number, offset, bytes)
    }

    fn truncate(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        (**self).truncate(number, bytes)
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        (**self).remove(number)
    }

    fn start_sync(&mut self, numbers: &[u64], list: bool) -> io::Result<()> {
        (**self).start_sync(numbers, list)
    }

    fn poll_sync(&mut self) -> Poll<io::Result<()>> {
        (**self).poll_sync()
    }

    fn wait_sync(&mut self) -> io::Result<()> {
        (**self).wait_sync()
    }
}
