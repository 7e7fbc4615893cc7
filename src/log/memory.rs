//! A log in memory: survives nothing, so it is durable at once.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Error, Log, Position};
use crate::limits::MEMORY_LOG_BYTES_MAX;

/// The latest entries, bounded by [`MEMORY_LOG_BYTES_MAX`]; older ones are dropped, for nothing
/// is ever replayed from here.
#[derive(Debug, Default)]
pub struct Memory {
    entries: VecDeque<Box<[u8]>>,
    bytes: usize,
    appended: Position,
}

impl Memory {
    /// The entries still held, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(AsRef::as_ref)
    }
}

impl Log for Memory {
    fn append(&mut self, parts: &[&[u8]]) -> Result<Position, Error> {
        let entry = parts.concat().into_boxed_slice();
        self.bytes += entry.len();
        self.entries.push_back(entry);
        while self.bytes > MEMORY_LOG_BYTES_MAX && self.entries.len() > 1 {
            let oldest = self.entries.pop_front().expect("more than one entry");
            self.bytes -= oldest.len();
        }
        self.appended = Position(self.appended.0 + 1);
        Ok(self.appended)
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn set_time(&mut self, _: Duration) {}

    fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    fn release_below(&mut self, _: Position) {}

    fn durable(&self) -> Position {
        self.appended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_sum_of_its_parts_and_durable_at_once() {
        let mut log = Memory::default();
        assert_eq!(log.durable(), Position(0));
        let position = log.append(&[b"head", b"", b"body"]).unwrap();
        assert_eq!((position, log.durable()), (Position(1), Position(1)));
        assert_eq!(log.entries().collect::<Vec<_>>(), [b"headbody"]);
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut log = Memory::default();
        let big = vec![0; MEMORY_LOG_BYTES_MAX / 2];
        for _ in 0..5 {
            log.append(&[&big]).unwrap();
        }
        assert_eq!(log.entries().count(), 2);
        assert_eq!(log.durable(), Position(5));
    }
}
