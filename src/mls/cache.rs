//! Minted tapes on disk, so that a scenario is minted once on a machine.
//!
//! One file for each specification, named by its key. A file is written under a name of its own
//! and then renamed, so two processes at once both succeed and a reader never sees half of one.
//! A file that is damaged, foreign or expired is minted anew, never trusted; a folder that cannot be
//! written costs the minting again, never the run. It never deletes: the folder is the user's.
//! Tapes hold private keys, of members who exist nowhere else. Called by `load`.

use std::env;
use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rayon::prelude::IndexedParallelIterator;
use rayon::prelude::IntoParallelRefIterator;
use rayon::prelude::ParallelIterator;
use thiserror::Error;

use super::mint::MintError;
use super::mint::mint_on;
use super::mint::units;
use super::tape::Tape;
use super::tape::TapeSpec;
use super::tape_file;
use crate::clock;

/// A folder of tapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

/// Where a tape came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the cache.
    Cached,
    /// Minted, and in the cache from now on.
    Minted,
    /// Minted, but the cache could not take it, for this reason.
    Uncached(String),
}

/// There is no place for a user's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("neither XDG_CACHE_HOME nor HOME names an absolute path; name a cache folder")]
pub struct NoCacheFolder;

impl Cache {
    /// The cache in `folder`, which is created when something is first stored.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The user's cache: `$XDG_CACHE_HOME/stentor` or `$HOME/.cache/stentor`.
    pub fn user() -> Result<Self, NoCacheFolder> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|caches| Self::at(caches.join("stentor")))
            .ok_or(NoCacheFolder)
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a file for `spec`; what is in it shows when it is loaded.
    #[must_use]
    pub fn may_have(&self, spec: &TapeSpec) -> bool {
        self.path(spec).exists()
    }

    fn path(&self, spec: &TapeSpec) -> PathBuf {
        self.folder.join(format!("{:032x}.tape", tape_file::key(spec)))
    }

    /// The tape of `spec`, from the cache or minted on every core. `progress` hears of work just
    /// done, adding up to [`units`], which a cached tape reports at once. Cost of a cached tape:
    /// reading and hashing it.
    pub fn load_or_mint(
        &self,
        spec: &TapeSpec,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Tape, Origin), MintError> {
        self.load_or_mint_on(spec, true, progress)
    }

    /// The tapes of many groups, in the order of `specs`, side by side like
    /// [`mint_all`](super::mint::mint_all).
    pub fn load_or_mint_all(
        &self,
        specs: &[TapeSpec],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<(Tape, Origin)>, MintError> {
        let inside = specs.len() < rayon::current_num_threads();
        specs
            .par_iter()
            .with_max_len(1)
            .map(|spec| self.load_or_mint_on(spec, inside, progress))
            .collect()
    }

    fn load_or_mint_on(
        &self,
        spec: &TapeSpec,
        parallel: bool,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Tape, Origin), MintError> {
        let path = self.path(spec);
        let cached = fs::read(&path).ok().map(Bytes::from);
        let cached = cached.and_then(|content| tape_file::decode(content, spec));
        if let Some(tape) = cached.filter(|tape| tape.is_fresh(now())) {
            progress(units(spec));
            return Ok((tape, Origin::Cached));
        }
        let tape = mint_on(spec, parallel, progress)?;
        let origin = match self.store(&tape, &path) {
            Ok(()) => Origin::Minted,
            Err(error) => Origin::Uncached(format!("{}: {error}", path.display())),
        };
        Ok((tape, origin))
    }

    /// Writes the whole file under a name that nobody else uses, then gives it its own.
    fn store(&self, tape: &Tape, path: &Path) -> io::Result<()> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", process::id()));
        let (header, payload) = tape_file::encode(tape);
        let mut file = fs::File::create(&temporary)?;
        let stored = file
            .write_all(&header)
            .and_then(|()| file.write_all(&payload))
            .and_then(|()| fs::rename(&temporary, path));
        if stored.is_err() {
            // The first error is the one to report; a left-over harms nobody.
            drop(fs::remove_file(&temporary));
        }
        stored
    }
}

/// In Unix seconds.
fn now() -> u64 {
    clock::unix().as_secs()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::delivery::DeviceId;
    use crate::delivery::GroupId;
    use crate::limits::TAPE_AGE_MAX;
    use crate::mls::member::RealMember;
    use crate::mls::suite::Suite;
    use crate::mls::tape::Handshake;
    use crate::mls::tape::TapeOperation;

    fn spec() -> TapeSpec {
        TapeSpec {
            suite: Suite::named("x25519-aes128-ed25519").unwrap(),
            init_suite: None,
            group: GroupId::new(b"cached").unwrap(),
            members: 4,
            senders: 2,
            real: 1,
            joiners: 0,
            real_joiners: 0,
            group_infos: false,
            handshake: Handshake::Private,
            devices: Vec::new(),
            operations: vec![
                TapeOperation::Application { sender: 0, bytes: 300 },
                TapeOperation::Commit { sender: 1 },
                TapeOperation::Application { sender: 1, bytes: 3 },
            ],
        }
    }

    fn cache() -> (TempDir, Cache) {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path().join("tapes"));
        (folder, cache)
    }

    /// The only file of the cache.
    fn file(cache: &Cache) -> PathBuf {
        let mut files = fs::read_dir(cache.folder()).unwrap().map(|entry| entry.unwrap().path());
        let file = files.next().unwrap();
        assert_eq!(files.next(), None);
        file
    }

    #[test]
    fn a_cached_tape_equals_the_minted_one_and_still_plays() {
        let (_folder, cache) = cache();
        let (minted, origin) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        assert_eq!(origin, Origin::Minted);
        let (cached, origin) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        assert_eq!(origin, Origin::Cached);
        assert_eq!(cached, minted);
        let mut member = RealMember::join(&cached, 0).unwrap();
        for message in &cached.messages {
            member.process(&message.body).unwrap();
        }
        assert_eq!(member.authenticator(), cached.authenticator);
    }

    #[test]
    fn a_damaged_file_is_minted_anew_wherever_the_damage_is() {
        let (_folder, cache) = cache();
        let (first, _) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        let file = file(&cache);
        let intact = fs::read(&file).unwrap();
        for position in (0..intact.len()).step_by(97).chain([8, 12, 28, 36, 44]) {
            let mut damaged = intact.clone();
            damaged[position] ^= 0x80;
            assert_eq!(tape_file::decode(damaged.into(), &spec()), None, "{position}");
            let truncated = Bytes::copy_from_slice(&intact[..position]);
            assert_eq!(tape_file::decode(truncated, &spec()), None, "{position}");
        }
        fs::write(&file, &intact[..intact.len() / 2]).unwrap();
        let (second, origin) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        assert_eq!(origin, Origin::Minted);
        assert_ne!(second.authenticator, first.authenticator);
        assert_eq!(cache.load_or_mint(&spec(), &|_| ()).unwrap().1, Origin::Cached);
    }

    #[test]
    fn a_tape_that_founds_a_group_is_minted_anew_when_its_leaves_may_have_expired() {
        let (_folder, cache) = cache();
        let devices = (0..4).map(|member| DeviceId([member; 16])).collect();
        let spec = TapeSpec { devices, ..spec() };
        let (minted, _) = cache.load_or_mint(&spec, &|_| ()).unwrap();
        let file = file(&cache);
        let age = |at| {
            cache.store(&Tape { minted: at, ..minted.clone() }, &file).unwrap();
            cache.load_or_mint(&spec, &|_| ()).unwrap().1
        };
        let (today, most) = (now(), TAPE_AGE_MAX.as_secs());
        assert_eq!(age(today - most / 2), Origin::Cached);
        assert_eq!(age(today - most - 1), Origin::Minted);
        assert_eq!(age(today + 3_600), Origin::Minted, "not valid yet");
    }

    #[test]
    fn a_tape_that_founds_nothing_never_expires() {
        let (_folder, cache) = cache();
        let (minted, _) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        cache.store(&Tape { minted: 1, ..minted }, &file(&cache)).unwrap();
        assert_eq!(cache.load_or_mint(&spec(), &|_| ()).unwrap().1, Origin::Cached);
    }

    #[test]
    fn lengths_that_promise_more_than_there_is_are_refused_under_a_valid_checksum() {
        let (_folder, cache) = cache();
        let (tape, _) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        let (mut header, payload) = tape_file::encode(&tape);
        for position in 8..payload.len().min(4_000) {
            let mut hostile = payload.clone();
            hostile[position] = 0xff;
            let checksum = xxhash_rust::xxh3::xxh3_64(&hostile);
            header[36..].copy_from_slice(&checksum.to_le_bytes());
            // Whatever it gives, it neither panics nor allocates what is not there.
            drop(tape_file::decode([header.clone(), hostile].concat().into(), &spec()));
        }
    }

    #[test]
    fn another_specification_is_another_tape() {
        let (_folder, cache) = cache();
        cache.load_or_mint(&spec(), &|_| ()).unwrap();
        let changes: [fn(&mut TapeSpec); 7] = [
            |spec| spec.suite = Suite::named("x25519-chacha-ed25519").unwrap(),
            |spec| spec.group = GroupId::new(b"other").unwrap(),
            |spec| spec.members += 1,
            |spec| spec.real = 0,
            |spec| spec.handshake = Handshake::Public,
            |spec| spec.devices = (0..4).map(|member| DeviceId([member; 16])).collect(),
            |spec| spec.operations.truncate(2),
        ];
        for change in changes {
            let mut other = spec();
            change(&mut other);
            assert_ne!(tape_file::key(&other), tape_file::key(&spec()));
            assert_eq!(cache.load_or_mint(&other, &|_| ()).unwrap().1, Origin::Minted);
        }
        let specs = [spec(), spec()];
        let tapes = cache.load_or_mint_all(&specs, &|_| ()).unwrap();
        assert!(tapes.iter().all(|(_, origin)| *origin == Origin::Cached));
    }

    #[test]
    fn a_specification_with_other_init_keys_is_never_mistaken_for_the_one_without() {
        let (_folder, cache) = cache();
        let (tape, _) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        let file = Bytes::from(fs::read(file(&cache)).unwrap());
        assert_eq!(tape_file::decode(file.clone(), &spec()), Some(tape));
        let init = |name| TapeSpec { init_suite: Some(Suite::named(name).unwrap()), ..spec() };
        let (one, other) = (init("xwing-aes128-ed25519"), init("mlkem768-aes256-mldsa65"));
        for other in [&one, &other] {
            assert!(!cache.may_have(other));
            assert_eq!(tape_file::decode(file.clone(), other), None);
        }
        assert_ne!(tape_file::key(&one), tape_file::key(&other));
    }

    #[test]
    fn two_that_mint_the_same_tape_at_once_leave_one_intact_file() {
        let (_folder, cache) = cache();
        let mint = || cache.load_or_mint(&spec(), &|_| ()).unwrap();
        let ((one, _), (other, _)) = rayon::join(mint, mint);
        file(&cache);
        let (cached, origin) = mint();
        assert_eq!(origin, Origin::Cached);
        assert!(cached == one || cached == other);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_only_the_caching() {
        let (folder, cache) = cache();
        fs::write(folder.path().join("tapes"), "a file where the folder should be").unwrap();
        let (tape, origin) = cache.load_or_mint(&spec(), &|_| ()).unwrap();
        assert!(matches!(origin, Origin::Uncached(_)), "{origin:?}");
        assert_eq!(tape.messages.len(), 3);
    }
}
