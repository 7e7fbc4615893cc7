//! The schedule of deaths: when the service is killed, how often in a row, and what comes of it.
//!
//! Kills at random moments under load, soon after a start, and before a start has ended; a seed
//! decides all of it as far as a process can be repeated. Called by `cli`, which owns the process.

use std::fmt::Display;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::crowd::Crowd;
use super::oracle::{Counts, Violation, Violations};
use crate::clock;
use crate::load::Target;

/// How long a service lives, in milliseconds, when nothing else is decided.
const LIFE_MS: std::ops::Range<u64> = 20..400;

/// How long one lives that dies young, in milliseconds.
const YOUNG_MS: std::ops::Range<u64> = 0..20;

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Kills, at least 1.
    pub kills: u32,
    /// Durable groups, 1 to 200.
    pub groups: usize,
    /// Members of each, from 2; of twice as many devices.
    pub members: usize,
    /// Decides the schedule and what members do.
    pub seed: u64,
}

/// A process that serves, and is killed.
pub trait Service {
    /// Starts it, over whatever it left behind; returns when it serves.
    ///
    /// # Errors
    /// [`Failure::Fallen`] when it refuses to.
    fn start(&mut self) -> Result<Started, Failure>;

    /// Starts it and kills it so long after it has begun to recover; whether that was before it
    /// served.
    ///
    /// # Errors
    /// [`Failure::Fallen`] when it ended by itself.
    fn start_and_kill(&mut self, after: Duration) -> Result<bool, Failure>;

    /// Kills it; returns when it is dead.
    ///
    /// # Errors
    /// [`Failure::Fallen`] when it was dead already.
    fn kill(&mut self) -> Result<(), Failure>;
}

/// A service that serves.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where.
    pub target: Target,
    /// How long its recovery took, until it served.
    pub recovery: Duration,
    /// Log entries that it read back.
    pub records: u64,
    /// Bytes that it cut off.
    pub torn_bytes: u64,
}

/// Why it cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody's fault here.
    #[error("{0}")]
    Environment(String),
    /// The service ended or refused to start, by itself: a violation.
    #[error("{0}")]
    Fallen(String),
}

impl Failure {
    /// The environment is at fault.
    pub fn environment(error: impl Display) -> Self {
        Self::Environment(error.to_string())
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Kills.
    pub kills: u32,
    /// Those before the service served.
    pub kills_in_recovery: u32,
    /// Starts that served.
    pub starts: u32,
    /// Log entries read back, over all starts.
    pub records: u64,
    /// Bytes cut off, over all starts.
    pub torn_bytes: u64,
    /// The longest recovery.
    pub recovery_max: Duration,
    /// What was looked at.
    pub counts: Counts,
    /// What was found.
    pub violations: Violations,
}

/// Kills the service as often as asked, with members at work throughout, and judges. `said` hears
/// how it stands after each kill.
///
/// # Errors
/// What of the environment failed. A service that fails is a violation, and ends it.
pub fn endure(
    service: &mut impl Service,
    options: &Options,
    said: &mut dyn FnMut(&Outcome),
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let gathered = begin(service, options, &mut outcome);
    let ended = gathered.and_then(|mut crowd| {
        let ended = kill_and_kill(service, options, &mut crowd, &mut outcome, said);
        let ended = ended.and_then(|()| crowd.settle());
        if ended.is_ok() {
            crowd.oracle.finish();
        }
        note(&crowd, &mut outcome);
        ended
    });
    match ended {
        Ok(()) => Ok(outcome),
        Err(Failure::Fallen(what)) => {
            outcome.violations.note(Violation::Fallen, what);
            Ok(outcome)
        }
        Err(Failure::Environment(what)) => Err(what),
    }
}

fn begin(
    service: &mut impl Service,
    options: &Options,
    outcome: &mut Outcome,
) -> Result<Crowd, Failure> {
    // Nothing was promised yet: what hinders the first start is not its fault.
    let started = service.start().map_err(Failure::environment)?;
    outcome.starts += 1;
    Crowd::gather(options, started.target)
}

fn kill_and_kill(
    service: &mut impl Service,
    options: &Options,
    crowd: &mut Crowd,
    outcome: &mut Outcome,
    said: &mut dyn FnMut(&Outcome),
) -> Result<(), Failure> {
    // Apart from what members do, so that neither depends on how far the other came.
    let mut chance = ChaCha8Rng::seed_from_u64(!options.seed);
    let mut recovery = Duration::from_millis(50);
    while outcome.kills < options.kills {
        let life = if chance.random_bool(0.2) { YOUNG_MS } else { LIFE_MS };
        let life = Duration::from_millis(chance.random_range(life));
        crowd.play(clock::now() + life)?;
        service.kill()?;
        outcome.kills += 1;
        crowd.cut()?;
        while outcome.kills < options.kills && chance.random_bool(0.25) {
            let after = recovery.mul_f64(chance.random_range(0.0..1.2));
            outcome.kills_in_recovery += u32::from(service.start_and_kill(after)?);
            outcome.kills += 1;
        }
        let started = service.start()?;
        recovery = started.recovery;
        outcome.starts += 1;
        outcome.records += started.records;
        outcome.torn_bytes += started.torn_bytes;
        outcome.recovery_max = outcome.recovery_max.max(recovery);
        crowd.come_back(started.target)?;
        note(crowd, outcome);
        said(outcome);
    }
    Ok(())
}

fn note(crowd: &Crowd, outcome: &mut Outcome) {
    outcome.counts = crowd.oracle.counts();
    outcome.violations = crowd.oracle.violations().clone();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It never starts.
    struct Refusing;

    impl Service for Refusing {
        fn start(&mut self) -> Result<Started, Failure> {
            Err(Failure::Fallen("its port is taken".to_owned()))
        }

        fn start_and_kill(&mut self, _: Duration) -> Result<bool, Failure> {
            unreachable!("it is not there to be killed")
        }

        fn kill(&mut self) -> Result<(), Failure> {
            unreachable!("it is not there to be killed")
        }
    }

    #[test]
    fn a_service_that_does_not_start_at_all_has_broken_no_promise() {
        let options = Options { kills: 1, groups: 1, members: 2, seed: 1 };
        let outcome = endure(&mut Refusing, &options, &mut |_| ());
        assert_eq!(outcome.unwrap_err(), "its port is taken");
    }
}
