//! Looking at a log without touching it: what each segment holds, and whether the log opens.
//!
//! Never writes, never cuts off, takes no lock. A log in service can be walked too; the last entries
//! may then look torn, because they are being written. Called by `cli`.

use std::path::Path;

use super::recovery::diagnose;
use super::scan::{Stop, Window};
use super::{Directory, Error, Header, Position, Recovered, Segments as _};

/// What a segment's file holds.
#[derive(Clone, Debug)]
pub struct Walked {
    /// Its file.
    pub name: String,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// What it says of itself; `None` when that cannot be read.
    pub header: Option<Header>,
    /// Whole entries, up to the first that is not.
    pub records: u64,
    /// Position of the last of them; of the entry before the segment if there is none.
    pub last: Position,
    /// Bytes up to where the last of them ends, or the seal.
    pub bytes: u64,
    /// How it ends.
    pub state: State,
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// With a seal that counts what is there.
    Sealed,
    /// With zeros: it is taking entries, or was when the log was left.
    Open,
    /// With something that is no entry: a torn tail at the end of the log, damage anywhere else.
    Bad {
        /// Where it starts, in bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads all segments of the log in a directory, oldest first, and hands every whole entry to
/// `entry`. One that `entry` refuses ends its segment as damage does.
///
/// # Errors
/// [`Error::Unusable`] when the directory or a file cannot be read.
pub fn walk(
    path: &Path,
    mut entry: impl FnMut(Position, &[u8]) -> Result<(), String>,
) -> Result<Vec<Walked>, Error> {
    let mut directory = Directory::read_only(path)?;
    let mut numbers = listed(&mut directory, path)?;
    numbers.sort_unstable();
    let mut buffer = Vec::new();
    numbers.into_iter().map(|number| one(&mut directory, number, &mut buffer, &mut entry)).collect()
}

/// Reads the log in a directory as opening it would, hands every entry to `entry`, and says what
/// opening it would find.
///
/// # Errors
/// [`Error::Corrupt`] when it would not be opened because an entry is damaged or refused by `entry`;
/// [`Error::Unusable`] when it cannot be read, holds no log, or segments of more than one.
pub fn verify(
    path: &Path,
    entry: impl FnMut(Position, &[u8]) -> Result<(), String>,
) -> Result<Recovered, Error> {
    let mut directory = Directory::read_only(path)?;
    listed(&mut directory, path)?;
    Ok(diagnose(&mut directory, None, entry)?.recovered)
}

/// A directory without segments is a mistyped path, not an empty log.
fn listed(directory: &mut Directory, path: &Path) -> Result<Vec<u64>, Error> {
    match directory.list() {
        Ok(numbers) if numbers.is_empty() => {
            Err(Error::Unusable(format!("{} holds no log", path.display())))
        }
        Ok(numbers) => Ok(numbers),
        Err(error) => Err(Error::Unusable(format!("cannot list {}: {error}", path.display()))),
    }
}

fn one(
    directory: &mut Directory,
    number: u64,
    buffer: &mut Vec<u8>,
    entry: &mut impl FnMut(Position, &[u8]) -> Result<(), String>,
) -> Result<Walked, Error> {
    let name = directory.name(number);
    let mut window = Window::new(directory, number, buffer)?;
    let file_bytes = window.length();
    let header = match window.header()? {
        Ok(header) => header,
        Err(what) => {
            let state = State::Bad { offset: 0, what: what.to_owned() };
            let (header, records, last, bytes) = (None, 0, Position(0), 0);
            return Ok(Walked { name, file_bytes, header, records, last, bytes, state });
        }
    };
    let (mut records, mut last) = (0, header.base);
    let scanned = window.scan(&header, |position, bytes| {
        entry(position, bytes)?;
        (records, last) = (records + 1, position);
        Ok(())
    });
    let (bytes, state) = match scanned {
        Ok(scan) => (
            scan.end,
            match scan.stop {
                Stop::Sealed(_) => State::Sealed,
                Stop::Blank => State::Open,
                Stop::Bad { what, .. } => State::Bad { offset: scan.end, what: what.to_owned() },
            },
        ),
        Err(Error::Corrupt { offset, what, .. }) => (offset, State::Bad { offset, what }),
        Err(error) => return Err(error),
    };
    Ok(Walked { name, file_bytes, header: Some(header), records, last, bytes, state })
}
