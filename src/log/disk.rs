//! Segments in memory, on a disk that fails as it is told to.
//!
//! Keeps apart what a reader sees and what is durable, as a system with a page cache does, so a
//! power loss can take, tear and reorder whatever no sync has ended for. A failed sync drops what it
//! could not write of a segment and yet goes on showing it, as Linux does. Everything follows from
//! one seed.
//! For tests, simulations and fuzzing; a run in service never uses it.

use std::collections::BTreeMap;
use std::io;
use std::task::Poll;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::segment::file_name;
use super::{Segments, Storage};

/// Bytes that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What goes wrong, and when. The default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// This operation fails, counted from 0; a write that fails has written a part.
    pub failing_operation: Option<u64>,
    /// Bytes on the disk beyond which it is full.
    pub bytes_max: Option<u64>,
    /// A sync has ended only when it was asked for so many times.
    pub sync_polls: u32,
}

/// A disk in memory.
#[derive(Debug)]
pub struct Disk {
    faults: Faults,
    /// Operations so far.
    operations: u64,
    chance: ChaCha8Rng,
    contents: Vec<Content>,
    /// The list of segments as it is seen, each with its content's index.
    list: BTreeMap<u64, usize>,
    durable_list: BTreeMap<u64, usize>,
    list_changes: Vec<ListChange>,
    syncing: Option<Syncing>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since it was durable, oldest first.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Written { offset: usize, bytes: Vec<u8> },
    Resized(usize),
}

#[derive(Clone, Copy, Debug)]
enum ListChange {
    Added(u64, usize),
    Removed(u64),
}

#[derive(Debug)]
struct Syncing {
    /// Of each content, how many of its changes.
    changes: Vec<(usize, usize)>,
    list_changes: usize,
    polls: u32,
}

/// What a power loss leaves of what was not durable.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Everything,
    Nothing,
    /// What came after some moment, which may be in the middle of a write.
    Latest,
    /// Any whole writes.
    Writes,
    /// Any sectors.
    Sectors,
    /// Any writes, and of each any number of its last bytes.
    Tails,
}

impl Disk {
    /// An empty disk; `seed` decides whatever its faults leave open.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            operations: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            contents: Vec::new(),
            list: BTreeMap::new(),
            durable_list: BTreeMap::new(),
            list_changes: Vec::new(),
            syncing: None,
        }
    }

    /// Operations so far, those that failed among them.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.list.values().map(|index| self.contents[*index].seen.len() as u64).sum()
    }

    /// What goes wrong from now on; operations are counted from 0 again.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.operations = 0;
    }

    /// The disk as the next process finds it when this one is killed: nothing is lost but the sync
    /// that ran, of which nobody hears.
    #[must_use]
    pub fn killed(mut self) -> Self {
        self.syncing = None;
        self
    }

    /// The disk as a machine that lost power finds it. What was not durable is there, or not, or
    /// in part; `seed` decides.
    #[must_use]
    pub fn crashed(mut self, seed: u64) -> Self {
        self.chance = ChaCha8Rng::seed_from_u64(seed);
        self.syncing = None;
        let losses = [
            Loss::Everything,
            Loss::Nothing,
            Loss::Latest,
            Loss::Writes,
            Loss::Sectors,
            Loss::Tails,
        ];
        let loss = losses[self.chance.random_range(0..losses.len())];
        let changes = std::mem::take(&mut self.list_changes);
        let kept = self.moment(loss, changes.len());
        for change in &changes[..kept] {
            if self.survives(loss) {
                apply_to_list(&mut self.durable_list, *change);
            }
        }
        self.list = self.durable_list.clone();
        for index in 0..self.contents.len() {
            let changes = std::mem::take(&mut self.contents[index].changes);
            self.write_through(index, &changes, loss);
            let content = &mut self.contents[index];
            content.seen.clone_from(&content.durable);
        }
        self
    }

    /// The same disk once more, so that damage can be tried on it.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            syncing: None,
            contents: self.contents.clone(),
            list: self.list.clone(),
            durable_list: self.durable_list.clone(),
            list_changes: self.list_changes.clone(),
            chance: self.chance.clone(),
            ..*self
        }
    }

    /// Flips one bit of what is seen and of what is durable, as decay does.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&mut self, number: u64, offset: usize, bit: u8) {
        let content = &mut self.contents[self.list[&number]];
        for bytes in [&mut content.seen, &mut content.durable] {
            bytes[offset] ^= 1 << (bit % 8);
        }
    }

    /// Puts a segment there, durable, whatever its bytes.
    pub fn put(&mut self, number: u64, bytes: &[u8]) {
        let content = Content { seen: bytes.into(), durable: bytes.into(), changes: Vec::new() };
        self.contents.push(content);
        self.list.insert(number, self.contents.len() - 1);
        self.durable_list.insert(number, self.contents.len() - 1);
    }

    /// Fails if this is the operation to fail.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.faults.failing_operation == Some(self.operations - 1) {
            return Err(io::Error::other("told to fail"));
        }
        Ok(())
    }

    fn index(&self, number: u64) -> io::Result<usize> {
        self.list.get(&number).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn room(&self) -> u64 {
        self.faults.bytes_max.unwrap_or(u64::MAX).saturating_sub(self.bytes_used())
    }

    fn change(&mut self, index: usize, change: Change) {
        apply(&mut self.contents[index].seen, &change);
        self.contents[index].changes.push(change);
    }

    /// How many of so many changes came before the loss.
    fn moment(&mut self, loss: Loss, changes: usize) -> usize {
        match loss {
            Loss::Everything => 0,
            Loss::Latest => self.chance.random_range(0..=changes),
            Loss::Nothing | Loss::Writes | Loss::Sectors | Loss::Tails => changes,
        }
    }

    fn survives(&mut self, loss: Loss) -> bool {
        match loss {
            Loss::Everything => false,
            Loss::Nothing | Loss::Latest => true,
            Loss::Writes | Loss::Sectors | Loss::Tails => self.chance.random(),
        }
    }

    fn write_through(&mut self, index: usize, changes: &[Change], loss: Loss) {
        let kept = self.moment(loss, changes.len());
        for (place, change) in changes[..kept].iter().enumerate() {
            let Change::Written { offset, bytes } = change else {
                if self.survives(loss) {
                    apply(&mut self.contents[index].durable, change);
                }
                continue;
            };
            let pieces: Vec<(usize, usize)> = match loss {
                Loss::Sectors => {
                    sectors(*offset, bytes.len()).filter(|_| self.chance.random()).collect()
                }
                Loss::Latest if place + 1 == kept => {
                    vec![(0, self.chance.random_range(0..=bytes.len()))]
                }
                Loss::Tails => vec![(0, self.chance.random_range(0..=bytes.len()))],
                _ if self.survives(loss) => vec![(0, bytes.len())],
                _ => Vec::new(),
            };
            for (from, to) in pieces {
                let piece =
                    Change::Written { offset: offset + from, bytes: bytes[from..to].to_vec() };
                apply(&mut self.contents[index].durable, &piece);
            }
        }
    }

    fn end_sync(&mut self) -> io::Result<()> {
        let Syncing { changes, list_changes, .. } =
            self.syncing.take().ok_or_else(|| io::Error::other("no sync runs"))?;
        let outcome = self.operate();
        // What a failed sync does not write is written by no later one either.
        let loss = if outcome.is_ok() { Loss::Nothing } else { Loss::Sectors };
        for (index, count) in changes {
            let changes: Vec<Change> = self.contents[index].changes.drain(..count).collect();
            self.write_through(index, &changes, loss);
        }
        // A list is kept by the file system's journal, which forgets nothing that it still shows.
        if outcome.is_ok() {
            for change in self.list_changes.drain(..list_changes) {
                apply_to_list(&mut self.durable_list, change);
            }
        }
        outcome
    }
}

impl Segments for Disk {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        self.operate()?;
        Ok(self.list.keys().copied().collect())
    }

    fn bytes(&mut self, number: u64) -> io::Result<u64> {
        self.operate()?;
        Ok(self.contents[self.index(number)?].seen.len() as u64)
    }

    fn read_at(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.operate()?;
        let seen = &self.contents[self.index(number)?].seen;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(seen.len());
        let read = into.len().min(seen.len() - from);
        into[..read].copy_from_slice(&seen[from..from + read]);
        Ok(read)
    }

    fn name(&self, number: u64) -> String {
        file_name(number)
    }
}

impl Storage for Disk {
    fn create(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        let outcome = self.operate();
        if self.list.contains_key(&number) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let room = self.room();
        self.contents.push(Content::default());
        let index = self.contents.len() - 1;
        self.list.insert(number, index);
        self.list_changes.push(ListChange::Added(number, index));
        outcome?;
        if bytes > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(index, Change::Resized(usize::try_from(bytes).map_err(io::Error::other)?));
        Ok(())
    }

    fn write_at(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let index = self.index(number)?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let outcome = self.operate();
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let most = self.contents[index].seen.len().saturating_add(room);
        let written = match outcome {
            Ok(()) => bytes.len().min(most.saturating_sub(offset)),
            Err(_) => self.chance.random_range(0..=bytes.len()),
        };
        self.change(index, Change::Written { offset, bytes: bytes[..written].to_vec() });
        outcome?;
        if written < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        self.operate()?;
        let index = self.index(number)?;
        self.change(index, Change::Resized(usize::try_from(bytes).map_err(io::Error::other)?));
        Ok(())
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.operate()?;
        self.index(number)?;
        self.list.remove(&number);
        self.list_changes.push(ListChange::Removed(number));
        Ok(())
    }

    fn start_sync(&mut self, numbers: &[u64], list: bool) -> io::Result<()> {
        self.operate()?;
        assert!(self.syncing.is_none(), "one sync at a time");
        let mut changes = Vec::with_capacity(numbers.len());
        for number in numbers {
            let index = self.index(*number)?;
            changes.push((index, self.contents[index].changes.len()));
        }
        let list_changes = if list { self.list_changes.len() } else { 0 };
        self.syncing = Some(Syncing { changes, list_changes, polls: self.faults.sync_polls });
        Ok(())
    }

    fn poll_sync(&mut self) -> Poll<io::Result<()>> {
        match &mut self.syncing {
            None => Poll::Pending,
            Some(Syncing { polls, .. }) if *polls > 0 => {
                *polls -= 1;
                Poll::Pending
            }
            Some(_) => Poll::Ready(self.end_sync()),
        }
    }

    fn wait_sync(&mut self) -> io::Result<()> {
        self.end_sync()
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Resized(length) => bytes.resize(*length, 0),
        Change::Written { offset, bytes: written } if !written.is_empty() => {
            let end = offset + written.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset..end].copy_from_slice(written);
        }
        Change::Written { .. } => {}
    }
}

fn apply_to_list(list: &mut BTreeMap<u64, usize>, change: ListChange) {
    match change {
        ListChange::Added(number, index) => {
            list.insert(number, index);
        }
        ListChange::Removed(number) => {
            list.remove(&number);
        }
    }
}

/// The parts of a write that fall into one sector each.
fn sectors(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let to = (from + SECTOR_BYTES - (offset + from) % SECTOR_BYTES).min(length);
        let piece = (from < length).then_some((from, to));
        from = to;
        piece
    })
}
