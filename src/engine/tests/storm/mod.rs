//! An engine's lives over a failing disk, from one seed, against a model that only remembers.
//!
//! In each life an engine is opened over its log, fed with whatever members do, synced, released and
//! left, with an operation that fails, a disk that is full, syncs that take their time; then the
//! process is killed or the machine loses power. Segments and the log's target are small, so that
//! segments roll, checkpoints are written and what they replace is removed. What the next life finds
//! is what was promised:
//!
//! - Everything that left the engine is true: the same message at the same number, byte for byte, one
//!   winner for each epoch, and a retry is answered alike.
//! - Every group is as it was after some decision, whole, and the groups agree on which.
//! - After an error nothing is decided, and nothing leaves that is not durable.
//!
//! `STENTOR_SIM_SEEDS` says how many seeds the test runs, `STENTOR_SIM_SEED` runs that one alone.

mod inputs;
mod lent;
mod model;

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{AT, group};
use crate::delivery::{GroupId, Input, Output, Policy, RingLimits};
use crate::engine::{Engine, Recovery};
use crate::log::sim::over_seeds;
use crate::log::{Config, Disk, Error, Faults, Wal};
use inputs::Inputs;
use lent::Lent;
use model::{Model, Moment};

const SEEDS: u64 = 3_000;

/// How many groups are durable; the one after them lives in memory.
const DURABLE: u8 = 3;

/// What happened in a run: a simulation in which nothing does proves nothing.
#[derive(Debug, Default)]
struct Seen {
    lives: u64,
    crashed: u64,
    unopened: u64,
    failed: u64,
    torn: u64,
    accepted: u64,
    epochs: u64,
    retried: u64,
    checkpoints: u64,
    segments_removed: u64,
    undecided: u64,
}

/// What stays the same over all lives of a run.
struct Run {
    chance: ChaCha8Rng,
    config: Config,
    policy: Policy,
    bytes_target: u64,
    now: Duration,
    model: Model,
    inputs: Inputs,
}

fn durable_groups() -> Vec<GroupId> {
    (1..=DURABLE).map(group).collect()
}

fn run(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let segment_bytes = [512, 1_024, 4_096][chance.random_range(0..3)];
    let entries_max = [6, 1_024][chance.random_range(0..2)];
    let ring = RingLimits { entries_max, bytes_max: 1 << 20 };
    let mut run = Run {
        config: Config { identity: seed, segment_bytes, unix: AT, salt: seed },
        policy: Policy { ring, ..Policy::default() },
        bytes_target: [0, 2_000, 6_000, u64::MAX][chance.random_range(0..4)],
        chance,
        now: AT,
        model: Model::default(),
        inputs: Inputs::default(),
    };
    let mut disk = Disk::new(seed, Faults::default());
    for _ in 0..run.chance.random_range(2..6) {
        disk.set_faults(faults(&mut run.chance, &disk));
        let steps = run.chance.random_range(0..60);
        disk = run.live(disk, steps, seen)?;
        disk.set_faults(Faults::default());
        if run.chance.random_bool(0.7) {
            seen.crashed += 1;
            disk = disk.crashed(run.chance.random());
        } else {
            disk = disk.killed();
        }
    }
    // Whatever went wrong, a disk that works again gives back all that was promised.
    let before = seen.unopened;
    run.live(disk, 0, seen)?;
    if seen.unopened == before { Ok(()) } else { Err("a sound disk is refused".into()) }
}

fn faults(chance: &mut ChaCha8Rng, disk: &Disk) -> Faults {
    let failing_operation = chance.random_bool(0.5).then(|| chance.random_range(0..200));
    let spare = chance.random_range(0..8_192);
    let bytes_max = chance.random_bool(0.2).then(|| disk.bytes_used() + spare);
    Faults { failing_operation, bytes_max, sync_polls: chance.random_range(0..4) }
}

impl Run {
    /// One life: from opening to whatever ends it; the disk as it is left.
    fn live(&mut self, disk: Disk, steps: u32, seen: &mut Seen) -> Result<Disk, String> {
        let (lent, back) = Lent::new(disk);
        let opened = self.open(lent, seen);
        if let Some(mut engine) = opened? {
            seen.lives += 1;
            self.retries_are_answered_alike(&mut engine, seen)?;
            let failed = self.steps(&mut engine, steps, seen)?;
            if let Some(error) = failed {
                seen.failed += 1;
                self.refuses_everything(&mut engine, &error)?;
            }
        }
        Ok(back.try_recv().expect("the log is gone"))
    }

    fn open(&mut self, lent: Lent, seen: &mut Seen) -> Result<Option<Engine>, String> {
        let mut recovery = Recovery::new(self.policy);
        let replay = |position, bytes: &[u8]| recovery.replay(position, bytes);
        let (log, found) = match Wal::open(lent, self.config, replay) {
            Ok(opened) => opened,
            Err(Error::Unusable(_)) => {
                seen.unopened += 1;
                return Ok(None);
            }
            Err(error) => return Err(error.to_string()),
        };
        seen.torn += u64::from(found.torn_bytes > 0);
        let (mut engine, _) = recovery.finish(Box::new(log), self.bytes_target)?;
        let undecided = self.model.moments.last().is_some_and(|last| last.position > found.last.0);
        seen.undecided += u64::from(undecided);
        let save = |group: &GroupId| engine.shard.save(group);
        self.model.recovered(found.last.0, save, &durable_groups())?;
        if engine.shard.contains(&group(DURABLE + 1)) {
            return Err("a group in memory is still there".into());
        }
        Ok(Some(engine))
    }

    /// Feeds the engine until it fails, if it does: with which error.
    fn steps(
        &mut self,
        engine: &mut Engine,
        steps: u32,
        seen: &mut Seen,
    ) -> Result<Option<Error>, String> {
        for _ in 0..steps {
            self.now += Duration::from_millis(self.chance.random_range(0..50));
            let input = self.inputs.next(engine, &self.model, &mut self.chance);
            if let Err(error) = self.handle(engine, input) {
                return Ok(Some(error));
            }
            if self.chance.random_bool(0.5) {
                let (appended, bytes) = (appended(engine), engine.log_bytes());
                let synced = engine.sync();
                seen.checkpoints += appended_since(engine, appended);
                seen.segments_removed += u64::from(engine.log_bytes() < bytes);
                if let Err(error) = synced {
                    return Ok(Some(error));
                }
            }
            if self.chance.random_bool(0.7) {
                self.release(engine, seen)?;
            }
        }
        Ok(None)
    }

    /// One input; what was decided about it is noted even if the log refuses it, for then the disk
    /// may have it, or not.
    fn handle(&mut self, engine: &mut Engine, input: Input) -> Result<(), Error> {
        let before = appended(engine);
        let about = inputs::durable_group(&input, engine);
        let handled = engine.handle(self.now, input);
        let Some(group) = about else { return handled };
        let logged = appended_since(engine, before);
        let position = before + 1;
        if logged == 1 || handled.is_err() {
            let saved = engine.shard.save(&group);
            let life = saved.as_ref().map(|_| self.model.life(&group).unwrap_or(position));
            self.model.logged(Moment { position, group, life, saved });
        }
        handled
    }

    fn release(&mut self, engine: &mut Engine, seen: &mut Seen) -> Result<(), String> {
        while let Some(output) = engine.release() {
            if inputs::is_in_memory(&output) {
                continue;
            }
            seen.accepted += u64::from(matches!(output, Output::Accepted { .. }));
            seen.epochs += u64::from(matches!(
                &output,
                Output::Appended { entry, .. } if entry.kind == crate::delivery::Kind::Commit
            ));
            self.model.released(&output)?;
        }
        Ok(())
    }

    /// Of what the group still keeps; a member asks for nothing else again.
    fn retries_are_answered_alike(
        &mut self,
        engine: &mut Engine,
        seen: &mut Seen,
    ) -> Result<(), String> {
        for (group, sender, id, seq) in self.model.answered() {
            let Some(found) = engine.shard.group(&group) else { continue };
            if seq < found.recent().first() {
                continue;
            }
            let again = inputs::again(group, sender, id, found.epoch());
            engine.handle(self.now, again).map_err(|error| error.to_string())?;
            // Welcomes that are still on their way are sent again first.
            let mut outputs = std::iter::from_fn(|| engine.release());
            let output = outputs.find(|output| !matches!(output, Output::Joining(_)));
            let Some(answer @ Output::Accepted { .. }) = &output else {
                return Err(format!("a retry of {id:?}, {seq:?}, is answered {output:?}"));
            };
            self.model.released(answer)?;
            seen.retried += 1;
        }
        Ok(())
    }

    /// After an error: nothing more is decided, and what still leaves was durable before.
    fn refuses_everything(&mut self, engine: &mut Engine, error: &Error) -> Result<(), String> {
        let before = appended(engine);
        for _ in 0..6 {
            let input = self.inputs.next(engine, &self.model, &mut self.chance);
            let handled = engine.handle(self.now, input);
            if handled.as_ref() != Err(error) || engine.sync().as_ref() != Err(error) {
                return Err(format!("after {error} it answers {handled:?}"));
            }
            self.release(engine, &mut Seen::default())?;
        }
        if appended(engine) == before { Ok(()) } else { Err(format!("{error} was forgotten")) }
    }
}

fn appended(engine: &Engine) -> u64 {
    engine.journal.as_ref().expect("it has a log").appended.0
}

fn appended_since(engine: &Engine, before: u64) -> u64 {
    appended(engine) - before
}

#[test]
fn no_fault_and_no_crash_makes_untrue_what_has_left_the_engine() {
    let (count, seen) = over_seeds::<Seen>("engine::tests::storm", SEEDS, run);
    let happened = [
        seen.lives,
        seen.crashed,
        seen.unopened,
        seen.failed,
        seen.torn,
        seen.accepted,
        seen.epochs,
        seen.retried,
        seen.checkpoints,
        seen.segments_removed,
        seen.undecided,
    ];
    assert!(count < 1_000 || happened.iter().all(|times| *times > count / 100), "{seen:?}");
}
