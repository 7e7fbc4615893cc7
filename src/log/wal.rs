//! The write-ahead log: durability `wal`.
//!
//! Appends go to a buffer, a sync writes the buffer with one call and makes it durable beside the
//! caller. One sync runs at a time, and everything that is appended meanwhile shares the next: no
//! timer decides. Reads no clock: whoever appends says what time it is. Called by `engine`.
//!
//! Rolling to the next segment seals the one before. The new one takes records only when both are
//! durable; until then they wait in the buffer, and beyond [`LOG_BUFFER_BYTES_MAX`] the caller does.
//!
//! After one error nothing is accepted and the watermark stands still until the log is opened
//! again. A failed sync is never tried again: the system may have dropped what it could not write.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;
use std::time::Duration;

use super::record::{self, SEAL_BYTES, Seal, record_bytes};
use super::recovery::{Last, Recovered, recover};
use super::segment::{HEADER_BYTES, Header};
use super::{Error, Log, Position, Storage};
use crate::limits::{
    LOG_BUFFER_BYTES_MAX, LOG_RECORD_BYTES_MAX, LOG_SEGMENT_BYTES, LOG_WRITE_BYTES,
};

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which log this is, for example the shard; one with another identity is not opened.
    pub identity: u64,
    /// Length of a segment in bytes. Default [`LOG_SEGMENT_BYTES`], from 256. A larger one costs
    /// room that is taken before it is used, and is given back later; a smaller one rolls, which is
    /// two syncs in a row, more often. An entry that does not fit gets a segment of its own length.
    pub segment_bytes: u64,
    /// The time since the Unix epoch.
    pub unix: Duration,
    /// Random bytes that enter the checksums of the segments begun from now on. Nobody whose
    /// messages are logged may know them. Default 0, which anybody does.
    pub salt: u64,
}

impl Config {
    /// The defaults for a log of this identity.
    #[must_use]
    pub fn new(identity: u64, unix: Duration) -> Self {
        Self { identity, segment_bytes: LOG_SEGMENT_BYTES, unix, salt: 0 }
    }
}

/// A segment of an open log.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number, from 1.
    pub number: u64,
    /// Bytes in use; what is appended and not yet written is not counted.
    pub bytes: u64,
    /// Entries in it, with those not yet written.
    pub records: u64,
    /// Position of its first entry, or of the next one if it has none.
    pub first: Position,
    /// Position of its last entry; before `first` if it has none.
    pub last: Position,
    /// When the last entry was appended, in seconds since the Unix epoch. For the segment that was
    /// open when the log was lost: when it began.
    pub unix_seconds: u64,
    /// Where it is full.
    pub(super) capacity: u64,
    /// What the checksums of its records start from.
    pub(super) seed: u32,
}

/// Whether the open segment may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// It is new: it, the one before and their list wait for a sync.
    Due,
    /// That sync runs.
    Syncing,
}

/// A log over a [`Storage`].
#[derive(Debug)]
pub struct Wal<S> {
    storage: S,
    config: Config,
    /// Oldest first and never empty; the last one is open.
    segments: VecDeque<Segment>,
    gate: Gate,
    /// Records of the open segment that are not yet written.
    buffer: Vec<u8>,
    appended: Position,
    durable: Position,
    /// What the sync that runs makes durable.
    syncing: Option<Position>,
    /// Entries before it are no longer needed.
    needed: Position,
    unix: Duration,
    failed: Option<Error>,
}

impl<S: Storage> Wal<S> {
    /// Opens the log in `storage`: hands every entry to `replay`, in order, and cuts off a torn
    /// tail. What was replayed is durable. Blocks until all is read and the tail synced; memory is
    /// bounded by one entry. A new log begins at position 1.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an entry that should be there is damaged, or `replay` refuses one;
    /// [`Error::Unusable`] when the storage fails or holds another log.
    pub fn open(
        mut storage: S,
        config: Config,
        replay: impl FnMut(Position, &[u8]) -> Result<(), String>,
    ) -> Result<(Self, Recovered), Error> {
        assert!(config.segment_bytes >= 256, "room for a header, a record and a seal");
        let found = recover(&mut storage, config.identity, replay)?;
        let last = found.recovered.last;
        let mut log = Self {
            storage,
            config,
            segments: found.segments.into(),
            gate: Gate::Open,
            buffer: Vec::new(),
            appended: last,
            durable: last,
            syncing: None,
            needed: Position(0),
            unix: config.unix,
            failed: None,
        };
        let begun = match found.state {
            Last::Blank => Ok(()),
            Last::Unsealed => log.seal().and_then(|()| log.begin(0)),
            Last::Absent | Last::Sealed => log.begin(0),
        };
        begun
            .and_then(|()| log.pass_gate())
            .map_err(|error| Error::Unusable(format!("cannot begin a segment: {error}")))?;
        Ok((log, found.recovered))
    }

    /// Why nothing is accepted any more, if so.
    #[must_use]
    pub fn failed(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// Position of the last entry appended.
    #[must_use]
    pub fn appended(&self) -> Position {
        self.appended
    }

    /// The segments, oldest first; the last one takes what is appended.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Makes everything appended durable and removes everything released, and blocks until it is.
    /// For a shutdown; a shard in service calls [`Log::sync`].
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn flush(&mut self) -> Result<(), Error> {
        loop {
            self.sync()?;
            if self.syncing.is_none() {
                return Ok(());
            }
            let waited = self.wait();
            self.noted(waited)?;
        }
    }

    fn try_append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        assert!(length <= LOG_RECORD_BYTES_MAX, "an entry of {length} bytes");
        let bytes = record_bytes(length) as u64;
        if !self.fits(bytes) {
            // One roll at a time: the segment to seal has to be in use.
            self.pass_gate()?;
            self.seal()?;
            self.begin(bytes)?;
        }
        let unix_seconds = self.unix.as_secs();
        let position = Position(self.appended.0 + 1);
        let open = self.segments.back_mut().expect("one is open");
        (open.records, open.last, open.unix_seconds) = (open.records + 1, position, unix_seconds);
        record::encode(&mut self.buffer, open.seed, position, self.durable, parts);
        self.appended = position;
        if self.buffer.len() >= LOG_BUFFER_BYTES_MAX {
            self.pass_gate()?;
        }
        if self.buffer.len() >= LOG_WRITE_BYTES && self.gate == Gate::Open {
            self.write()?;
        }
        Ok(())
    }

    /// Whether a record of so many bytes fits into the open segment, with a seal behind.
    fn fits(&self, bytes: u64) -> bool {
        let open = self.current();
        open.bytes + self.buffer.len() as u64 + bytes + SEAL_BYTES <= open.capacity
    }

    fn current(&self) -> &Segment {
        self.segments.back().expect("one is open")
    }

    /// Writes the buffer to the open segment.
    fn write(&mut self) -> io::Result<()> {
        assert_eq!(self.gate, Gate::Open, "a segment takes records only when it is durable itself");
        if self.buffer.is_empty() {
            return Ok(());
        }
        let open = self.segments.back_mut().expect("one is open");
        self.storage.write_at(open.number, open.bytes, &self.buffer)?;
        open.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * LOG_WRITE_BYTES);
        Ok(())
    }

    /// Ends the open segment.
    fn seal(&mut self) -> io::Result<()> {
        let open = self.current();
        let seal = Seal {
            records: open.records,
            offset: open.bytes + self.buffer.len() as u64,
            unix_seconds: open.unix_seconds,
        };
        let (number, seed, last) = (open.number, open.seed, open.last);
        record::encode_seal(&mut self.buffer, seed, last, self.durable, &seal);
        self.write()?;
        self.storage.truncate(number, self.current().bytes)
    }

    /// Makes the next segment, with room for a record of so many bytes, and closes the gate.
    fn begin(&mut self, bytes: u64) -> io::Result<()> {
        let header = Header {
            identity: self.config.identity,
            number: self.segments.back().map_or(1, |before| before.number + 1),
            base: self.appended,
            unix_seconds: self.unix.as_secs(),
            salt: self.config.salt,
        };
        let capacity = self.config.segment_bytes.max(HEADER_BYTES as u64 + bytes + SEAL_BYTES);
        self.storage.create(header.number, capacity)?;
        self.storage.write_at(header.number, 0, &header.encode())?;
        self.segments.push_back(Segment {
            number: header.number,
            bytes: HEADER_BYTES as u64,
            records: 0,
            first: Position(header.base.0 + 1),
            last: header.base,
            unix_seconds: header.unix_seconds,
            capacity,
            seed: header.seed(),
        });
        self.gate = Gate::Due;
        self.start()
    }

    /// Blocks until the open segment may be written to.
    fn pass_gate(&mut self) -> io::Result<()> {
        while self.gate != Gate::Open {
            self.start()?;
            self.wait()?;
        }
        Ok(())
    }

    /// Starts what is due, if no sync runs.
    fn start(&mut self) -> io::Result<()> {
        if self.syncing.is_some() {
            return Ok(());
        }
        let open = self.current().number;
        if self.gate == Gate::Due {
            let before = self.segments.iter().rev().nth(1);
            let numbers: Vec<u64> =
                before.map(|segment| segment.number).into_iter().chain([open]).collect();
            let covered = self.current().first.0 - 1;
            self.storage.start_sync(&numbers, true)?;
            self.gate = Gate::Syncing;
            self.syncing = Some(Position(covered));
            return Ok(());
        }
        let removed = self.remove_oldest()?;
        if self.durable < self.appended {
            self.write()?;
            self.storage.start_sync(&[open], removed)?;
            self.syncing = Some(self.appended);
        } else if removed {
            self.storage.start_sync(&[], true)?;
            self.syncing = Some(self.durable);
        }
        Ok(())
    }

    /// Removes the oldest segment if nothing in it is needed. The last stays: it knows the position.
    fn remove_oldest(&mut self) -> io::Result<bool> {
        let released = self.segments.len() > 1 && self.segments[0].last < self.needed;
        if released {
            self.storage.remove(self.segments[0].number)?;
            self.segments.pop_front();
        }
        Ok(released)
    }

    fn wait(&mut self) -> io::Result<()> {
        if self.syncing.is_some() {
            self.storage.wait_sync()?;
            self.ended();
        }
        Ok(())
    }

    fn poll(&mut self) -> io::Result<()> {
        if self.syncing.is_some()
            && let Poll::Ready(ended) = self.storage.poll_sync()
        {
            ended?;
            self.ended();
        }
        Ok(())
    }

    fn ended(&mut self) {
        self.durable = self.syncing.take().expect("a sync ran");
        if self.gate == Gate::Syncing {
            self.gate = Gate::Open;
        }
    }

    /// After an error there is no going on.
    fn noted<T>(&mut self, outcome: io::Result<T>) -> Result<T, Error> {
        outcome.map_err(|error| {
            let name = self.storage.name(self.current().number);
            let failed = Error::Failed(format!("{name}: {error}"));
            self.failed = Some(failed.clone());
            failed
        })
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

impl<S: Storage> Log for Wal<S> {
    fn append(&mut self, parts: &[&[u8]]) -> Result<Position, Error> {
        self.check()?;
        let appended = self.try_append(parts);
        self.noted(appended)?;
        Ok(self.appended)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.check()?;
        let synced = self.poll().and_then(|()| self.start());
        self.noted(synced)
    }

    fn set_time(&mut self, unix: Duration) {
        self.unix = unix;
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn release_below(&mut self, position: Position) {
        assert!(
            position.0 <= self.durable.0 + 1,
            "what replaces an entry is durable before it goes"
        );
        self.needed = self.needed.max(position);
    }

    fn durable(&self) -> Position {
        self.durable
    }
}

#[cfg(test)]
impl Wal<&mut super::Disk> {
    /// The disk below, to be told what goes wrong.
    pub(super) fn disk(&mut self) -> &mut super::Disk {
        self.storage
    }
}
