//! Segments as files of a directory, synced beside whoever writes them.
//!
//! One log to a directory and one process to a log: the directory is locked while it is open. Files
//! are for their owner alone. One thread does nothing but sync: it takes one request at a time, so
//! the queues to and from it are one deep and never full, and it wakes the writer when it is done.
//! The writer's calls go to the page cache, so they seldom wait for the disk. Called by `wal`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::Poll;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::segment::{file_name, parse_file_name};
use super::{Error, Segments, Storage};
use crate::limits::LOG_FILES_OPEN_MAX;

/// Called by the sync thread whenever a sync has ended, so that the writer looks.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;

/// A directory of segments.
#[derive(Debug)]
pub struct Directory {
    /// `None` for one that is only read. First, so that its end is waited for before the lock goes.
    syncer: Option<Syncer>,
    path: PathBuf,
    /// Locked for as long as this is, if it is for writing; synced when the list changes.
    directory: Arc<File>,
    /// Those used last, at most [`LOG_FILES_OPEN_MAX`].
    files: BTreeMap<u64, Arc<File>>,
}

impl Directory {
    /// Makes the directory if it is not there, takes its lock, and starts the thread that syncs.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it cannot be made or opened, or another process has it.
    pub fn open(path: &Path, waker: Waker) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::Unusable(format!("cannot keep a log in {}: {error}", path.display()))
        };
        make(path).map_err(failed)?;
        let directory = File::open(path).map_err(failed)?;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Unusable(format!(
                    "another process has the log in {}",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let syncer = Syncer::start(waker).map_err(failed)?;
        let (path, directory) = (path.to_owned(), Arc::new(directory));
        Ok(Self { syncer: Some(syncer), path, directory, files: BTreeMap::new() })
    }

    /// Makes an empty one, and those above it that are missing, so that they are there after a
    /// crash; one that is there stays as it is.
    ///
    /// # Errors
    /// [`Error::Unusable`] when the system refuses.
    pub fn make(path: &Path) -> Result<(), Error> {
        let failed = |error| Error::Unusable(format!("cannot make {}: {error}", path.display()));
        make(path).map_err(failed)
    }

    /// Opens the directory to look at it, whoever has it: takes no lock and changes nothing.
    ///
    /// # Errors
    /// [`Error::Unusable`] when there is none.
    pub fn read_only(path: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::Unusable(format!("cannot read a log in {}: {error}", path.display()))
        };
        let directory = Arc::new(File::open(path).map_err(failed)?);
        Ok(Self { syncer: None, path: path.to_owned(), directory, files: BTreeMap::new() })
    }

    fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(file_name(number))
    }

    fn file(&mut self, number: u64) -> io::Result<&Arc<File>> {
        if !self.files.contains_key(&number) {
            let write = self.syncer.is_some();
            let file = OpenOptions::new().read(true).write(write).open(self.path_of(number))?;
            self.keep(number, file);
        }
        Ok(&self.files[&number])
    }

    fn keep(&mut self, number: u64, file: File) {
        while self.files.len() >= LOG_FILES_OPEN_MAX {
            self.files.pop_first();
        }
        self.files.insert(number, Arc::new(file));
    }
}

impl Segments for Directory {
    fn list(&mut self) -> io::Result<Vec<u64>> {
        let entries = std::fs::read_dir(&self.path)?;
        let numbers =
            entries.map(|entry| Ok(entry?.file_name().to_str().and_then(parse_file_name)));
        numbers.filter_map(io::Result::transpose).collect()
    }

    fn bytes(&mut self, number: u64) -> io::Result<u64> {
        Ok(self.file(number)?.metadata()?.len())
    }

    fn read_at(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.file(number)?;
        let mut read = 0;
        while read < into.len() {
            match file.read_at(&mut into[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn name(&self, number: u64) -> String {
        self.path_of(number).display().to_string()
    }
}

impl Storage for Directory {
    fn create(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE)
            .open(self.path_of(number))?;
        let length = i64::try_from(bytes).map_err(io::Error::other)?;
        match fallocate(&file, FallocateFlags::empty(), 0, length) {
            // Not every file system takes room in advance.
            Err(Errno::EOPNOTSUPP) => file.set_len(bytes)?,
            allocated => allocated?,
        }
        self.keep(number, file);
        Ok(())
    }

    fn write_at(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(number)?.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, number: u64, bytes: u64) -> io::Result<()> {
        self.file(number)?.set_len(bytes)
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.files.remove(&number);
        std::fs::remove_file(self.path_of(number))
    }

    fn start_sync(&mut self, numbers: &[u64], list: bool) -> io::Result<()> {
        let mut files = Vec::with_capacity(numbers.len());
        for number in numbers {
            files.push(Arc::clone(self.file(*number)?));
        }
        let directory = list.then(|| Arc::clone(&self.directory));
        self.syncer
            .as_mut()
            .ok_or(io::ErrorKind::PermissionDenied)?
            .request(Request { files, directory })
    }

    fn poll_sync(&mut self) -> Poll<io::Result<()>> {
        self.syncer.as_ref().map_or(Poll::Pending, Syncer::poll)
    }

    fn wait_sync(&mut self) -> io::Result<()> {
        self.syncer.as_ref().ok_or(io::ErrorKind::PermissionDenied)?.wait()
    }
}

/// Makes a directory and those above it that are missing, so that they are there after a crash.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|one| !one.exists()).collect();
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    for made in missing {
        // The relative path of one name has an empty parent.
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[derive(Debug)]
struct Request {
    files: Vec<Arc<File>>,
    directory: Option<Arc<File>>,
}

/// The thread that syncs, and the two queues to it.
#[derive(Debug)]
struct Syncer {
    /// `None` once it is to end.
    requests: Option<SyncSender<Request>>,
    ended: Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    fn start(waker: Waker) -> io::Result<Self> {
        let (requests, requested) = sync_channel::<Request>(1);
        let (end, ended) = sync_channel(1);
        let work = move || {
            for request in requested {
                if end.send(sync(&request)).is_err() {
                    return;
                }
                waker();
            }
        };
        let thread = std::thread::Builder::new().name("log-sync".into()).spawn(work)?;
        Ok(Self { requests: Some(requests), ended, thread: Some(thread) })
    }

    fn request(&self, request: Request) -> io::Result<()> {
        let requests = self.requests.as_ref().expect("it ends only when it is dropped");
        requests.try_send(request).map_err(|_full| io::Error::other("a sync runs already"))
    }

    fn poll(&self) -> Poll<io::Result<()>> {
        match self.ended.try_recv() {
            Ok(ended) => Poll::Ready(ended),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(Err(gone())),
        }
    }

    fn wait(&self) -> io::Result<()> {
        self.ended.recv().map_err(|_gone| gone())?
    }
}

impl Drop for Syncer {
    /// Waits for the sync that runs: the lock is not given away while this process still writes.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // It can only have panicked in the waker, and has said so.
            drop(thread.join());
        }
    }
}

fn sync(request: &Request) -> io::Result<()> {
    for file in &request.files {
        file.sync_data()?;
    }
    request.directory.as_ref().map_or(Ok(()), |directory| directory.sync_all())
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs has ended")
}
