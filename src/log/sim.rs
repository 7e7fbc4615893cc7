//! A log's lives on a failing disk, from one seed, against a model that only remembers.
//!
//! In each life a log is opened, appended to, synced, released and left, with an operation that
//! fails, a disk that is full, syncs that take their time; then the process is killed or the machine
//! loses power. What the next life finds is what was promised:
//!
//! - Everything below a watermark that was seen is there, in order, byte for byte, without a hole.
//! - Nothing is there that was never appended.
//! - After an error nothing is accepted, and the watermark stands still.
//!
//! `STENTOR_SIM_SEEDS` says how many seeds the test runs, `STENTOR_SIM_SEED` runs that one alone.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Config, Disk, Error, Faults, Log as _, Position, Recovered, Wal};

const SEEDS: u64 = 10_000;

/// What a log was told and what it promised.
#[derive(Debug, Default)]
struct Model {
    /// By position; the last may have been refused, and be there or not.
    entries: BTreeMap<u64, Vec<u8>>,
    appended: u64,
    /// The highest watermark seen.
    durable: u64,
    /// Entries before it were released.
    needed: u64,
}

impl Model {
    /// Whether a log that was opened is what was promised; then the model goes on from it.
    fn check(&mut self, found: &[(u64, Vec<u8>)], recovered: &Recovered) -> Result<(), String> {
        let (first, last) = (recovered.first.0, recovered.last.0);
        let positions: Vec<u64> = found.iter().map(|(position, _)| *position).collect();
        if positions != (first..=last).collect::<Vec<_>>() {
            return Err(format!("a hole: {positions:?} of {first} to {last}"));
        }
        if last < self.durable {
            return Err(format!("lost: durable up to {}, found up to {last}", self.durable));
        }
        if first > self.needed.max(1) {
            return Err(format!("lost: needed from {}, found from {first}", self.needed));
        }
        for (position, bytes) in found {
            match self.entries.get(position) {
                Some(entry) if entry == bytes => {}
                Some(_) => return Err(format!("entry {position} is another")),
                None => return Err(format!("entry {position} was never appended")),
            }
        }
        self.entries.retain(|position, _| *position <= last);
        (self.appended, self.durable) = (last, last);
        Ok(())
    }
}

/// What happened in a run: a simulation in which nothing does proves nothing.
#[derive(Debug, Default)]
struct Seen {
    appended: u64,
    failed: u64,
    unopened: u64,
    torn: u64,
    rolled: u64,
    removed: u64,
    crashed: u64,
}

fn run(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let segment_bytes = [256, 512, 1_024, 4_096][chance.random_range(0..4)];
    let config = Config { identity: seed, segment_bytes, unix: Duration::from_secs(1), salt: seed };
    let mut disk = Disk::new(seed, Faults::default());
    let mut model = Model::default();
    for _ in 0..chance.random_range(2..6) {
        disk.set_faults(faults(&mut chance, &disk));
        live(&mut disk, &config, &mut model, &mut chance, seen)?;
        disk.set_faults(Faults::default());
        if chance.random_bool(0.7) {
            seen.crashed += 1;
            disk = disk.crashed(chance.random());
        } else {
            disk = disk.killed();
        }
    }
    // Whatever went wrong, a disk that works again gives back all that was promised.
    let mut found = Vec::new();
    let (_, recovered) = open(&mut disk, &config, &mut found).map_err(|error| error.to_string())?;
    model.check(&found, &recovered)
}

fn faults(chance: &mut ChaCha8Rng, disk: &Disk) -> Faults {
    let failing_operation = chance.random_bool(0.5).then(|| chance.random_range(0..120));
    let spare = chance.random_range(0..8_192);
    let bytes_max = chance.random_bool(0.2).then(|| disk.bytes_used() + spare);
    Faults { failing_operation, bytes_max, sync_polls: chance.random_range(0..4) }
}

fn open<'d>(
    disk: &'d mut Disk,
    config: &Config,
    found: &mut Vec<(u64, Vec<u8>)>,
) -> Result<(Wal<&'d mut Disk>, Recovered), Error> {
    Wal::open(disk, *config, |position, entry| {
        found.push((position.0, entry.to_vec()));
        Ok(())
    })
}

/// One life: from opening to whatever ends it.
fn live(
    disk: &mut Disk,
    config: &Config,
    model: &mut Model,
    chance: &mut ChaCha8Rng,
    seen: &mut Seen,
) -> Result<(), String> {
    let mut found = Vec::new();
    let (mut log, recovered) = match open(disk, config, &mut found) {
        Ok(opened) => opened,
        Err(Error::Unusable(_)) => {
            seen.unopened += 1;
            return Ok(());
        }
        Err(error) => return Err(error.to_string()),
    };
    seen.torn += u64::from(recovered.torn_bytes > 0);
    model.check(&found, &recovered)?;
    for _ in 0..chance.random_range(0..80) {
        let segments = log.segments().len();
        let outcome = step(&mut log, model, chance)?;
        seen.rolled += u64::from(log.segments().len() > segments);
        seen.removed += u64::from(log.segments().len() < segments);
        if let Err(error) = outcome {
            seen.failed += 1;
            return refuses_everything(&mut log, &error);
        }
        let durable = log.durable().0;
        if durable < model.durable || durable > model.appended {
            return Err(format!("watermark {durable} after {}", model.durable));
        }
        model.durable = durable;
    }
    seen.appended += model.appended - recovered.last.0;
    Ok(())
}

/// One call; the outer error is a promise broken.
fn step(
    log: &mut Wal<&mut Disk>,
    model: &mut Model,
    chance: &mut ChaCha8Rng,
) -> Result<Result<(), Error>, String> {
    match chance.random_range(0..100) {
        0..3 => Ok(log.flush()),
        3..8 => {
            model.needed = model.needed.max(chance.random_range(0..=model.durable + 1));
            log.release_below(Position(model.needed));
            Ok(Ok(()))
        }
        8..35 => Ok(log.sync()),
        _ => {
            let entry = entry(chance);
            model.entries.insert(model.appended + 1, entry.clone());
            let (head, body) = entry.split_at(chance.random_range(0..=entry.len()));
            match log.append(&[head, body]) {
                Ok(position) if position.0 == model.appended + 1 => {
                    model.appended += 1;
                    Ok(Ok(()))
                }
                Ok(position) => Err(format!("{position:?} after {}", model.appended)),
                Err(error) => Ok(Err(error)),
            }
        }
    }
}

fn entry(chance: &mut ChaCha8Rng) -> Vec<u8> {
    let length = match chance.random_range(0..20) {
        0 => 0,
        1 => chance.random_range(0..6_000),
        2..5 => chance.random_range(0..600),
        _ => chance.random_range(0..60),
    };
    // Zeros look like room that was taken in advance.
    let mut bytes = vec![0; length];
    if chance.random_bool(0.8) {
        chance.fill(&mut bytes[..]);
    }
    bytes
}

fn refuses_everything(log: &mut Wal<&mut Disk>, error: &Error) -> Result<(), String> {
    let durable = log.durable();
    for _ in 0..3 {
        let outcomes = [log.append(&[b"more"]).map(drop), log.sync(), log.flush()];
        if outcomes.iter().any(|outcome| outcome.as_ref() != Err(error)) {
            return Err(format!("after {error}: {outcomes:?}"));
        }
    }
    if log.failed() != Some(error) || log.durable() != durable {
        return Err(format!("after {error}: the watermark went from {durable:?} on"));
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Runs a simulation over `seeds` seeds, or as many as STENTOR_SIM_SEEDS says, or over the one of
/// STENTOR_SIM_SEED; how many, and what was seen in all of them.
///
/// # Panics
/// With the violation, and the command that runs its seed again.
pub(crate) fn over_seeds<S: Default + std::fmt::Debug>(
    name: &str,
    seeds: u64,
    run: impl Fn(u64, &mut S) -> Result<(), String>,
) -> (u64, S) {
    let seeds = match number("STENTOR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STENTOR_SIM_SEEDS").unwrap_or(seeds),
    };
    let count = seeds.end - seeds.start;
    let mut seen = S::default();
    for seed in seeds {
        if let Err(violation) = run(seed, &mut seen) {
            panic!("{violation}\nSTENTOR_SIM_SEED={seed} cargo test --lib {name}");
        }
    }
    println!("{count} seeds: {seen:?}");
    (count, seen)
}

#[test]
fn no_fault_and_no_crash_takes_what_was_durable_or_adds_what_was_not_appended() {
    let (count, seen) = over_seeds("log::sim", SEEDS, run);
    let Seen { appended, failed, unopened, torn, rolled, removed, crashed } = seen;
    let happened = [appended, failed, unopened, torn, rolled, removed, crashed];
    assert!(count < 1_000 || happened.iter().all(|times| *times > count / 100), "{happened:?}");
}
