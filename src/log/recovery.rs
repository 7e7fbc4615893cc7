//! What is found of a log when it is opened, and what is put right before it is used.
//!
//! Replays every whole record in order, ends the log before a torn tail, and refuses to guess about
//! anything else. It rests on the order in which `wal` does things:
//!
//! - A segment takes records only once the one before it, sealed, its own header and the list of
//!   segments are durable. So an unsealed segment is the last, or is followed by one without records.
//! - Segments are removed oldest first, each durably before the next. So there is never a hole.
//! - A segment that was open when the log was lost is never written to behind its tail again, but
//!   for its seal. So nothing of a former tail can pass for an entry.
//!
//! What it returns is durable: the system may have forgotten writes that failed before, yet still
//! show them, so whatever no later record says was durable is written again and synced: as much as
//! was under way when the log was left. Called by `wal` when it opens, and by `walk`, which only has
//! it say what it finds.

use std::io;
use std::ops::Range;

use super::scan::{Scan, Stop, Window};
use super::segment::{HEADER_BYTES, Header};
use super::wal::Segment;
use super::{Error, Position, Segments, Storage};
use crate::limits::LOG_READ_BYTES;

/// What opening a log found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries replayed.
    pub records: u64,
    /// Bytes of the segments, up to where each ends.
    pub bytes: u64,
    /// Bytes of a torn tail, which opening cuts off: never whole, so never acknowledged.
    pub torn_bytes: u64,
    /// Segments read.
    pub segments: usize,
    /// Position of the first entry replayed, or of the next to be appended.
    pub first: Position,
    /// Position of the last entry replayed; before `first` if there is none.
    pub last: Position,
}

/// The segments to go on from, oldest first, and how the last was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    pub(super) state: Last,
    pub(super) recovered: Recovered,
    /// Segments that were being made and never took an entry.
    unused: Vec<u64>,
    /// Of each segment, what no later record says is durable.
    unsure: Vec<Range<u64>>,
}

/// How the last segment was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// There is none.
    Absent,
    /// It has its header and no records.
    Blank,
    /// It ends where its last whole record does.
    Unsealed,
    /// It is whole.
    Sealed,
}

/// Reads a log, hands every entry to `replay`, and makes durable what it read. A torn tail is left for
/// the seal to be written over and cut off.
///
/// # Errors
/// [`Error::Corrupt`], naming file and offset, when an entry that should be there is not, or
/// `replay` refuses one; [`Error::Unusable`] when the storage fails or holds another log.
pub(super) fn recover<S: Storage>(
    storage: &mut S,
    identity: u64,
    replay: impl FnMut(Position, &[u8]) -> Result<(), String>,
) -> Result<Found, Error> {
    let mut found = diagnose(storage, Some(identity), replay)?;
    for number in found.unused.drain(..) {
        remove(storage, number)?;
    }
    put_right(storage, &found)?;
    Ok(found)
}

/// Reads a log and hands every entry to `replay`; changes nothing. With no identity given, the log
/// is whichever its first segment belongs to.
///
/// # Errors
/// As [`recover`].
pub(super) fn diagnose<S: Segments>(
    source: &mut S,
    identity: Option<u64>,
    mut replay: impl FnMut(Position, &[u8]) -> Result<(), String>,
) -> Result<Found, Error> {
    let mut buffer = Vec::new();
    let (mut unused, mut torn_bytes) = (Vec::new(), 0);
    let headers = read_headers(source, identity, &mut buffer, &mut unused, &mut torn_bytes)?;
    let mut segments: Vec<Segment> = Vec::with_capacity(headers.len());
    let mut unsure = Vec::with_capacity(headers.len());
    let mut state = Last::Absent;
    let mut cut = None;
    for (index, header) in headers.iter().enumerate() {
        let is_last = index + 1 == headers.len();
        let mut window = Window::new(source, header.number, &mut buffer)?;
        if let Some(damage) = cut.take() {
            // Without records it was being made when the log was lost, and is made again.
            if !is_last || window.bytes_end(HEADER_BYTES as u64)? > HEADER_BYTES as u64 {
                return Err(damage);
            }
            unused.push(header.number);
            break;
        }
        if let Some(before) = segments.last() {
            follows(&window, before, header)?;
        }
        let length = window.length();
        let scan = window.scan(header, &mut replay)?;
        state = judge(&window, is_last, &scan)?;
        if state == Last::Unsealed {
            cut = Some(unsealed(&window, &scan));
        }
        if let Stop::Bad { bytes_end, .. } = scan.stop {
            torn_bytes += bytes_end - scan.end;
        }
        // A segment takes entries only when its header is durable.
        unsure.push(if scan.records == 0 { 0 } else { scan.durable_end }..scan.end);
        segments.push(segment(header, &scan, length));
    }
    let recovered = recovered(&segments, torn_bytes);
    Ok(Found { segments, state, recovered, unused, unsure })
}

fn recovered(segments: &[Segment], torn_bytes: u64) -> Recovered {
    let first = segments.first().map_or(Position(1), |segment| segment.first);
    let last = segments.last().map_or(Position(0), |segment| segment.last);
    Recovered {
        records: last.0 + 1 - first.0,
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        torn_bytes,
        segments: segments.len(),
        first,
        last,
    }
}

/// The headers of all segments in order. A last one without a header was being made.
fn read_headers<S: Segments>(
    source: &mut S,
    mut identity: Option<u64>,
    buffer: &mut Vec<u8>,
    unused: &mut Vec<u64>,
    torn_bytes: &mut u64,
) -> Result<Vec<Header>, Error> {
    let mut numbers = source
        .list()
        .map_err(|error| Error::Unusable(format!("cannot list the log's segments: {error}")))?;
    numbers.sort_unstable();
    let mut headers = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().copied().enumerate() {
        let mut window = Window::new(source, number, buffer)?;
        match window.header()? {
            Ok(header) if header.identity != *identity.get_or_insert(header.identity) => {
                let name = source.name(number);
                return Err(Error::Unusable(format!("{name} belongs to another log")));
            }
            Ok(header) => headers.push(header),
            Err(what) => {
                let bytes_end = window.bytes_end(0)?;
                let newest = index + 1 == numbers.len() && (index > 0 || number == 1);
                if !newest || bytes_end > HEADER_BYTES as u64 {
                    return Err(window.corrupt(0, what));
                }
                *torn_bytes += bytes_end;
                unused.push(number);
            }
        }
    }
    Ok(headers)
}

fn follows<S: Segments>(
    window: &Window<'_, S>,
    before: &Segment,
    header: &Header,
) -> Result<(), Error> {
    let what = if header.number != before.number + 1 {
        format!("the segment before it is {:#x}; those between are missing", before.number)
    } else if header.base != before.last {
        format!("it follows entry {}, the one before ends at {}", header.base.0, before.last.0)
    } else {
        return Ok(());
    };
    Err(window.corrupt(0, &what))
}

fn judge<S: Segments>(window: &Window<'_, S>, is_last: bool, scan: &Scan) -> Result<Last, Error> {
    match &scan.stop {
        Stop::Sealed(_) => Ok(Last::Sealed),
        Stop::Blank if is_last && scan.records == 0 => Ok(Last::Blank),
        Stop::Blank => Ok(Last::Unsealed),
        Stop::Bad { what, was_durable: true, .. } => {
            Err(window
                .corrupt(scan.end, &format!("{what}, and a later one says that it was durable")))
        }
        Stop::Bad { .. } => Ok(Last::Unsealed),
    }
}

fn unsealed<S: Segments>(window: &Window<'_, S>, scan: &Scan) -> Error {
    let what = match scan.stop {
        Stop::Bad { what, .. } => what,
        Stop::Blank | Stop::Sealed(_) => "it ends without a seal",
    };
    window.corrupt(scan.end, &format!("{what}, and a segment with entries follows"))
}

fn segment(header: &Header, scan: &Scan, length: u64) -> Segment {
    let unix_seconds = match scan.stop {
        Stop::Sealed(seal) => seal.unix_seconds,
        Stop::Blank | Stop::Bad { .. } => header.unix_seconds,
    };
    Segment {
        number: header.number,
        bytes: scan.end,
        capacity: length,
        records: scan.records,
        first: Position(header.base.0 + 1),
        last: scan.last,
        unix_seconds,
        seed: header.seed(),
    }
}

/// Makes durable what was read.
fn put_right<S: Storage>(storage: &mut S, found: &Found) -> Result<(), Error> {
    let Some((last, before)) = found.segments.split_last() else { return Ok(()) };
    // A segment with entries proves that those before it are durable.
    let tails = if last.records == 0 && !before.is_empty() { 2 } else { 1 };
    let name = storage.name(last.number);
    let failed = |error| Error::Unusable(format!("cannot restore {name}: {error}"));
    let mut numbers = Vec::with_capacity(tails);
    for (segment, unsure) in found.segments.iter().zip(&found.unsure).rev().take(tails) {
        write_again(storage, segment.number, unsure).map_err(failed)?;
        numbers.push(segment.number);
    }
    sync(storage, &numbers).map_err(failed)
}

fn write_again<S: Storage>(storage: &mut S, number: u64, range: &Range<u64>) -> io::Result<()> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut piece = vec![0; LOG_READ_BYTES.min(length)];
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let wanted = piece.len().min(left);
        let read = storage.read_at(number, offset, &mut piece[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        storage.write_at(number, offset, &piece[..read])?;
        offset += read as u64;
    }
    Ok(())
}

fn remove<S: Storage>(storage: &mut S, number: u64) -> Result<(), Error> {
    let name = storage.name(number);
    storage
        .remove(number)
        .and_then(|()| sync(storage, &[]))
        .map_err(|error| Error::Unusable(format!("cannot remove the unused {name}: {error}")))
}

/// Syncs segments and the list of them, and waits for it.
fn sync<S: Storage>(storage: &mut S, numbers: &[u64]) -> io::Result<()> {
    storage.start_sync(numbers, true)?;
    storage.wait_sync()
}
