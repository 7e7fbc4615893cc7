//! The shards' logs: opening them, and an engine that goes on where each ends.
//!
//! One folder for a server, one directory of it for each shard. A group's shard is a hash over the
//! number of shards, so a folder is good for as many shards as wrote it. Called by `service` when
//! it starts; never while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::mesh::Waker;
use super::service::Error;
use super::settings;
use crate::delivery::Policy;
use crate::engine::{Engine, Recovery};
use crate::log::{Config, Directory, Wal};

/// What a shard found in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes after the last whole entry, cut off: appended and never acknowledged.
    pub torn_bytes: u64,
    /// Groups that exist again.
    pub groups: u64,
}

/// Makes the directories of `shards` shards, all of them before any holds an entry: a folder with
/// fewer and no entry is a first start that was cut short, and starts again.
///
/// # Errors
/// [`Error::Config`] when another number of shards wrote it, or it cannot be read; [`Error::Log`]
/// when a directory cannot be made.
pub(super) fn prepare(folder: &Path, shards: u16) -> Result<(), Error> {
    let unreadable = |error| Error::Config(format!("cannot read {}: {error}", folder.display()));
    let folders = match shard_folders(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        folders => folders.map_err(unreadable)?,
    };
    let (present, wanted) = (folders.len(), usize::from(shards));
    let is_unused =
        |path: &PathBuf| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let begun = present < wanted && folders.iter().all(is_unused);
    if present != wanted && !begun {
        return Err(Error::Config(format!(
            "the log in {} is of {present} shards: serve with as many, or name another folder",
            folder.display()
        )));
    }
    for shard in 0..shards {
        Directory::make(&path_of(folder, shard))?;
    }
    Ok(())
}

/// Opens a shard's log and replays it. Blocks for as long as that takes.
///
/// # Errors
/// [`Error::Log`] when it is damaged, another's, or in use.
pub(super) fn open(
    set: &settings::Log,
    policy: Policy,
    (shard, shards): (u16, u16),
    waker: Arc<Waker>,
    unix: Duration,
) -> Result<(Engine, Recovered), Error> {
    let Some(folder) = &set.folder else {
        return Ok((Engine::new(policy), Recovered::default()));
    };
    let directory = Directory::open(&path_of(folder, shard), Arc::new(move || waker.wake()))?;
    let identity = u64::from(shards) << 16 | u64::from(shard);
    let mut salt = [0; 8];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_unspecified| {
        crate::log::Error::Unusable("the system gives no random bytes".to_owned())
    })?;
    let salt = u64::from_be_bytes(salt);
    let config = Config { segment_bytes: set.segment, salt, ..Config::new(identity, unix) };
    let mut recovery = Recovery::new(policy);
    let replay = |position, bytes: &[u8]| recovery.replay(position, bytes);
    let (wal, found) = Wal::open(directory, config, replay)?;
    let (engine, recovered) = recovery
        .finish(Box::new(wal), set.target)
        .map_err(|what| crate::log::Error::Unusable(format!("{}: {what}", folder.display())))?;
    let (records, bytes, torn_bytes) = (found.records, found.bytes, found.torn_bytes);
    Ok((engine, Recovered { records, bytes, torn_bytes, groups: recovered.groups }))
}

/// The directories of a folder that are shards' logs, by shard.
///
/// # Errors
/// When the folder cannot be read.
pub fn shard_folders(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

const PREFIX: &str = "shard-";

fn path_of(folder: &Path, shard: u16) -> PathBuf {
    folder.join(format!("{PREFIX}{shard:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_that_was_cut_short_starts_again_and_a_log_of_fewer_shards_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for shard in 0..2 {
            std::fs::create_dir_all(path_of(&path, shard)).unwrap();
        }
        prepare(&path, 4).unwrap();
        assert_eq!(shard_folders(&path).unwrap().len(), 4);
        prepare(&path, 4).unwrap();
        std::fs::write(path_of(&path, 3).join("0000000000000001.log"), "entries").unwrap();
        for other in [2, 3, 5] {
            let refused = prepare(&path, other).unwrap_err().to_string();
            assert!(refused.contains("is of 4 shards"), "{refused}");
        }
    }
}
