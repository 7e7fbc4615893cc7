//! A disk that comes back when the log over it is gone.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Poll;

use crate::log::{Disk, Segments, Storage};

/// What a log is opened over: an engine keeps its log for good, so it cannot borrow a disk.
#[derive(Debug)]
pub(super) struct Lent {
    disk: Option<Disk>,
    back: SyncSender<Disk>,
}

impl Lent {
    /// The disk to lend, and where it comes back.
    pub(super) fn new(disk: Disk) -> (Self, Receiver<Disk>) {
        let (back, returned) = sync_channel(1);
        (Self { disk: Some(disk), back }, returned)
    }

    fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().expect("it is here until this is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nobody may want it back.
        self.disk.take().map(|disk| self.back.try_send(disk).ok());
    }
}

impl Segments for Lent {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        self.disk().list()
    }

    fn bytes(&mut self, number: u64) -> io::Result<u64> {
        self.disk().bytes(number)
    }

    fn read_at(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk().read_at(number, offset, into)
    }

    fn name(&self, number: u64) -> String {
        self.disk.as_ref().expect("it is here until this is dropped").name(number)
    }
}

impl Storage for Lent {
    fn create(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        self.disk().create(number, bytes)
    }

    fn write_at(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk().write_at(number, offset, bytes)
    }

    fn truncate(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        self.disk().truncate(number, bytes)
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.disk().remove(number)
    }

    fn start_sync(&mut self, numbers: &[u64], list: bool) -> io::Result<()> {
        self.disk().start_sync(numbers, list)
    }

    fn poll_sync(&mut self) -> Poll<io::Result<()>> {
        self.disk().poll_sync()
    }

    fn wait_sync(&mut self) -> io::Result<()> {
        self.disk().wait_sync()
    }
}
