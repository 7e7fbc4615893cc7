//! Reading a segment front to back: every whole record in order, then why there are no more.
//!
//! Reads in large pieces into one buffer and hands out slices of it, so its memory is bounded by
//! the largest record and nothing is copied but what two pieces share. Writes nothing and decides
//! nothing: whether a bad record is a torn tail or damage is for `recovery` and `walk` to say.

use std::collections::VecDeque;
use std::io;

use super::record::{ALIGNMENT, HEAD_BYTES, Head, Seal};
use super::segment::{HEADER_BYTES, Header};
use super::{Error, Position, Segments};
use crate::limits::{LOG_READ_BYTES, LOG_RECORD_BYTES_MAX};

/// What reading one segment found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Entries that are whole.
    pub(super) records: u64,
    /// Position of the last of them; the base if there is none.
    pub(super) last: Position,
    /// Offset behind the last of them, or behind the seal.
    pub(super) end: u64,
    pub(super) stop: Stop,
    /// Offset before which every record is one that a later record says was durable.
    pub(super) durable_end: u64,
}

/// Why no record follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The segment says that it is whole, and is.
    Sealed(Seal),
    /// Nothing but zeros follows, up to the segment's end.
    Blank,
    /// Something follows that is no record.
    Bad {
        what: &'static str,
        /// Offset behind the last byte that is not zero.
        bytes_end: u64,
        /// Whether a later record says that the one that should be here was durable.
        was_durable: bool,
    },
}

/// A piece of one segment, and how to get the next.
#[derive(Debug)]
pub(super) struct Window<'a, S> {
    source: &'a mut S,
    number: u64,
    /// Length of the segment.
    length: u64,
    buffer: &'a mut Vec<u8>,
    /// Offset in the segment of the buffer's first byte.
    start: u64,
    filled: usize,
}

impl<'a, S: Segments> Window<'a, S> {
    /// A window on a segment, with a buffer that may be used again for the next.
    pub(super) fn new(
        source: &'a mut S,
        number: u64,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Self, Error> {
        let length = source.bytes(number).map_err(|error| unreadable(source, number, &error))?;
        Ok(Self { source, number, length, buffer, start: 0, filled: 0 })
    }

    /// Length of the segment in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The segment's header, or what is wrong with it.
    pub(super) fn header(&mut self) -> Result<Result<Header, &'static str>, Error> {
        let number = self.number;
        let parsed = Header::parse(self.at(0, HEADER_BYTES)?);
        Ok(parsed.and_then(|header| match header.number == number {
            true => Ok(header),
            false => Err("its header is that of another segment"),
        }))
    }

    /// Hands every whole record to `entry`, in order, and says why there are no more.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it cannot be read; [`Error::Corrupt`] when `entry` refuses a record.
    pub(super) fn scan(
        &mut self,
        header: &Header,
        mut entry: impl FnMut(Position, &[u8]) -> Result<(), String>,
    ) -> Result<Scan, Error> {
        let seed = header.seed();
        let (mut records, mut last, mut end) = (0, header.base, HEADER_BYTES as u64);
        let mut marks = Marks::new(Position(header.base.0 + 1), end, self.length);
        let what = loop {
            let record = match self.record(seed, end)? {
                Ok(record) => record,
                Err(what) => break what,
            };
            let (head, payload) = record;
            let next = end + head.record_bytes() as u64;
            marks.pass(head.durable);
            if head.is_seal {
                let seal = Seal::parse(payload);
                if (head.position, seal.records, seal.offset) != (last, records, end) {
                    break "the seal counts other entries than there are";
                }
                let (stop, durable_end) = (Stop::Sealed(seal), marks.passed());
                return Ok(Scan { records, last, end: next, stop, durable_end });
            }
            if head.position.0 != last.0 + 1 {
                break "the entry is not the next in order";
            }
            if let Err(what) = entry(head.position, payload) {
                return Err(self.corrupt(end, &what));
            }
            (records, last, end) = (records + 1, head.position, next);
            marks.add(Position(last.0 + 1), end);
        };
        let stop = self.stop(seed, end, last, what)?;
        Ok(Scan { records, last, end, stop, durable_end: marks.passed() })
    }

    /// Damage at an offset of this segment.
    pub(super) fn corrupt(&self, offset: u64, what: &str) -> Error {
        Error::Corrupt { file: self.source.name(self.number), offset, what: what.to_owned() }
    }

    /// Offset behind the last byte from `offset` on that is not zero; `offset` if there is none.
    pub(super) fn bytes_end(&mut self, offset: u64) -> Result<u64, Error> {
        let (mut at, mut end) = (offset, offset);
        loop {
            let piece = self.at(at, LOG_READ_BYTES)?;
            if piece.is_empty() {
                return Ok(end);
            }
            if let Some(last) = last_byte(piece) {
                end = at + last as u64 + 1;
            }
            at += piece.len() as u64;
        }
    }

    /// The record at an offset, or why there is none.
    fn record(
        &mut self,
        seed: u32,
        offset: u64,
    ) -> Result<Result<(Head, &[u8]), &'static str>, Error> {
        let room = self.length.saturating_sub(offset);
        let bytes = self.at(offset, HEAD_BYTES)?;
        if bytes.len() < HEAD_BYTES {
            return Ok(Err("the segment ends inside a record"));
        }
        let Some(head) = Head::parse(bytes) else {
            return Ok(Err("no record starts like this"));
        };
        if head.record_bytes() as u64 > room {
            return Ok(Err("the record is longer than the rest of the segment"));
        }
        let whole = HEAD_BYTES + head.length;
        let bytes = self.at(offset, whole)?;
        if bytes.len() < whole || !head.matches(seed, bytes) {
            return Ok(Err("the record does not match its checksum"));
        }
        Ok(Ok((head, &bytes[HEAD_BYTES..])))
    }

    fn stop(
        &mut self,
        seed: u32,
        offset: u64,
        last: Position,
        what: &'static str,
    ) -> Result<Stop, Error> {
        let bytes_end = self.bytes_end(offset)?;
        if bytes_end == offset {
            return Ok(Stop::Blank);
        }
        let was_durable = self.is_said_durable(seed, offset, bytes_end, Position(last.0 + 1))?;
        Ok(Stop::Bad { what, bytes_end, was_durable })
    }

    /// Whether some record behind `offset` was written when the entry `missing` was durable.
    ///
    /// What lies there may be a torn record that holds anything, so the bytes checked are bounded by
    /// twice those there are; beyond that nothing is found.
    fn is_said_durable(
        &mut self,
        seed: u32,
        offset: u64,
        bytes_end: u64,
        missing: Position,
    ) -> Result<bool, Error> {
        let mut credit = 2 * (bytes_end - offset) + 2 * HEAD_BYTES as u64;
        let mut at = offset;
        while at < bytes_end {
            let piece = self.at(at, LOG_READ_BYTES)?;
            // The first that could be one; what is cut off at the end is looked at with the next.
            let steps = (0..piece.len().saturating_sub(HEAD_BYTES - 1)).step_by(ALIGNMENT);
            let found = steps.into_iter().find_map(|step| {
                let head = Head::parse(&piece[step..step + HEAD_BYTES])?;
                (head.durable >= missing && head.position.0 - missing.0 < bytes_end)
                    .then_some((step as u64, head.record_bytes() as u64))
            });
            let Some((step, bytes)) = found else {
                if piece.len() < LOG_READ_BYTES {
                    return Ok(false);
                }
                at += (piece.len() - HEAD_BYTES).next_multiple_of(ALIGNMENT) as u64;
                continue;
            };
            at += step;
            if at + bytes <= self.length {
                if credit < bytes {
                    return Ok(false);
                }
                credit -= bytes;
                if self.record(seed, at)?.is_ok() {
                    return Ok(true);
                }
            }
            at += ALIGNMENT as u64;
        }
        Ok(false)
    }

    /// `bytes` bytes at an offset, fewer only where the segment ends. Costs a copy of those the
    /// buffer holds already, and room for at most one record.
    fn at(&mut self, offset: u64, bytes: usize) -> Result<&[u8], Error> {
        debug_assert!(bytes <= HEAD_BYTES + LOG_RECORD_BYTES_MAX.max(LOG_READ_BYTES));
        let left = self.length.saturating_sub(offset);
        let bytes = usize::try_from(left).map_or(bytes, |left| left.min(bytes));
        let held = offset >= self.start && offset + bytes as u64 <= self.start + self.filled as u64;
        if !held {
            self.fill(offset, bytes)
                .map_err(|error| unreadable(self.source, self.number, &error))?;
        }
        let from = usize::try_from(offset - self.start).expect("it is held");
        Ok(&self.buffer[from..(from + bytes).min(self.filled)])
    }

    fn fill(&mut self, offset: u64, bytes: usize) -> io::Result<()> {
        let end = self.start + self.filled as u64;
        if (self.start..end).contains(&offset) {
            let from = usize::try_from(offset - self.start).expect("it is held");
            self.buffer.copy_within(from..self.filled, 0);
            self.filled -= from;
        } else {
            self.filled = 0;
        }
        self.start = offset;
        let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
        let room = bytes.max(LOG_READ_BYTES).min(left);
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        while self.filled < room {
            let at = offset + self.filled as u64;
            match self.source.read_at(self.number, at, &mut self.buffer[self.filled..room])? {
                // Cut off while it is read: whoever reads it does not own it.
                0 => break,
                read => self.filled += read,
            }
        }
        Ok(())
    }
}

/// Where some of a segment's records start, from the last of those that lie before everything that
/// may not be durable. Bounded by [`MARKS_MAX`].
#[derive(Debug)]
struct Marks {
    offsets: VecDeque<(Position, u64)>,
    /// Bytes between two of them at least.
    spacing: u64,
}

/// Marks of one segment, 16 bytes each. With fewer, more is written again when a log is opened.
const MARKS_MAX: u64 = 1_024;

impl Marks {
    fn new(first: Position, offset: u64, length: u64) -> Self {
        Self { offsets: VecDeque::from([(first, offset)]), spacing: length / MARKS_MAX }
    }

    /// The record at `position` starts at `offset`.
    fn add(&mut self, position: Position, offset: u64) {
        if self.offsets.back().is_none_or(|(_, latest)| offset >= latest + self.spacing) {
            self.offsets.push_back((position, offset));
        }
    }

    /// Everything up to `durable` is.
    fn pass(&mut self, durable: Position) {
        while self.offsets.get(1).is_some_and(|(position, _)| position.0 <= durable.0 + 1) {
            self.offsets.pop_front();
        }
    }

    /// Offset before which everything is durable.
    fn passed(&self) -> u64 {
        self.offsets.front().expect("the last one stays").1
    }
}

/// The system does not let a segment be read.
pub(super) fn unreadable(source: &impl Segments, number: u64, error: &io::Error) -> Error {
    Error::Unusable(format!("cannot read {}: {error}", source.name(number)))
}

fn last_byte(piece: &[u8]) -> Option<usize> {
    // Whole blocks first: preallocated room is tens of megabytes of zeros.
    let blocks = piece.chunks(4_096).enumerate().rev();
    let (block, bytes) =
        blocks.into_iter().find(|(_, block)| block.iter().any(|byte| *byte != 0))?;
    Some(block * 4_096 + bytes.iter().rposition(|byte| *byte != 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_later_records_say_was_durable_is_passed_mark_by_mark() {
        let mut marks = Marks::new(Position(1), 48, 100 * MARKS_MAX);
        let passed = |marks: &mut Marks, durable| {
            marks.pass(Position(durable));
            marks.passed()
        };
        assert_eq!(passed(&mut marks, 9), 48);
        marks.add(Position(10), 147);
        marks.add(Position(20), 148);
        marks.add(Position(30), 248);
        assert_eq!(passed(&mut marks, 18), 48, "entry 19 lies before the second mark");
        assert_eq!(passed(&mut marks, 19), 148);
        assert_eq!(passed(&mut marks, 99), 248);
    }
}
