//! One run of the engine on an impostor, down to its record.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::manner::{Fault, Manner, What};
use super::{Impostor, Seen};
use crate::delivery::{Epoch, Kind};
use crate::load::run::Options;
use crate::load::scenario::Scenario;
use crate::load::traffic::{Draft, Plan, Traffic};
use crate::load::{Outcome, Progress, Watch, run};
use crate::mls::synthetic;
use crate::report::record::Record;
use crate::report::verdict::Status;
use crate::tests::scenarios::{evidence_of, record_of};

/// A run that is over.
pub(super) struct Trial {
    pub(super) scenario: Scenario,
    pub(super) outcome: Outcome,
    pub(super) record: Record,
    pub(super) seen: Seen,
    /// How many operations the schedule held.
    pub(super) scheduled: u64,
}

/// What a test makes of the observer's calls, all on the worker's thread.
pub(super) type Interrupt = fn(Progress);

struct Quietly(Interrupt);

impl crate::load::Observer for Quietly {
    fn progress(&mut self, progress: Progress) {
        (self.0)(progress);
    }

    fn server_ended(&mut self) -> Option<String> {
        None
    }
}

impl Watch for Quietly {
    fn stage(&mut self, _: crate::load::setup::Stage, _: u32, _: u32) {}

    fn verifying(&mut self, _: u64) {}
}

/// Two groups of six members, three of which send: 48 messages in 300 ms, at even distances. What
/// is missing at the end is waited for, for as long as the drain is.
pub(super) fn scenario(changes: &[(&str, &str)]) -> Scenario {
    let mut text = "why = \"\"\nexpect = \"\"\nseed = 5\n\
                    durations = { warm_up = \"0s\", measure = \"300ms\", drain = \"2s\" }\n\
                    [[groups]]\nname = \"class\"\ncount = 2\nmembers = 6\nsenders = 3\n\
                    rate = \"160/s\"\narrivals = \"even\"\nsource = \"synthetic\"\n\
                    commits = \"20%\"\n"
        .to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is in the scenario");
        text = text.replacen(from, to, 1);
    }
    Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn plan(scenario: &Scenario) -> Plan {
    Draft::of(scenario.clone()).prepare(None, &|_| {}).unwrap()
}

/// The same, but that every two commits of a group which follow each other are of one epoch: one
/// of them loses.
pub(super) fn contested(scenario: &Scenario) -> Plan {
    let mut plan = plan(scenario);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for traffic in &mut plan.traffic {
        let Traffic::Tape(tape) = traffic else { panic!("live members race by themselves") };
        let mut commits = 0;
        for message in &mut tape.messages {
            message.epoch = Epoch(tape.epoch.0 + commits / 2);
            let group = &tape.spec.group;
            message.body = synthetic::message(group, message.epoch, message.kind, 90, &mut random);
            commits += u64::from(message.kind == Kind::Commit);
        }
    }
    plan
}

/// A run of a plan on an impostor of this manner.
pub(super) fn trial(manner: Manner, plan: Plan) -> Trial {
    interrupted(manner, plan, |_| {})
}

/// The same, with an observer that does something on the worker's thread.
pub(super) fn interrupted(manner: Manner, plan: Plan, interrupt: Interrupt) -> Trial {
    let impostor = Impostor::start(manner);
    let scenario = plan.scenario.clone();
    let scheduled = plan.schedule.operations().len() as u64;
    let options = Options { replace: false, cores: None, nonce: *b"impostor" };
    let outcome = run(plan, &impostor.target(), &options, &mut Quietly(interrupt)).unwrap();
    let seen = impostor.end();
    let record = record_of(&scenario, &outcome);
    let trial = Trial { scenario, outcome, record, seen, scheduled };
    trial.balances();
    trial
}

/// Several runs at once, each on an impostor of its own: they wait most of the time.
pub(super) fn together<T: Send>(runs: Vec<T>, run: impl Fn(T) -> Trial + Sync) -> Vec<Trial> {
    std::thread::scope(|scope| {
        let started: Vec<_> = runs.into_iter().map(|one| scope.spawn(|| run(one))).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A run with one fault, which has struck.
pub(super) fn faulty(what: What, (group, seq, member): At, plan: Plan) -> Trial {
    let fault = Some(Fault { group, seq, member, what });
    let trial = trial(Manner { fault, ..Manner::default() }, plan);
    assert!(trial.seen.struck.is_some(), "{what:?} has not struck: the test shows nothing");
    trial
}

/// Where a fault strikes: group, place in its order, member.
pub(super) type At = (usize, u64, Option<usize>);

/// In the middle of a run, at one member that only listens.
pub(super) const LISTENER: At = (1, 9, Some(4));

impl Trial {
    /// Whatever happened: everything called for has exactly one outcome.
    fn balances(&self) {
        let counts = &self.record.counts;
        let ends = [counts.accepted, counts.rejected, counts.timed_out, counts.not_issued];
        assert_eq!(ends.iter().sum::<u64>(), counts.issued, "{counts:?}");
        assert!(counts.issued >= self.scheduled, "{counts:?} of {}", self.scheduled);
    }

    /// Little's law, as the verdict asks it: counted, and implied.
    pub(super) fn in_flight(&self) -> (f64, f64) {
        let evidence = evidence_of(&self.scenario, &self.outcome);
        (evidence.in_flight_counted, evidence.in_flight_implied)
    }

    /// The violations of the record that there are any of.
    pub(super) fn violations(&self) -> BTreeMap<&str, u64> {
        let found = self.record.violations.iter().filter(|(_, count)| **count > 0);
        found.map(|(name, count)| (name.as_str(), *count)).collect()
    }

    /// The verdict is what it is for these reasons, each beginning with one of `reasons`, and for
    /// what a noisy machine does to a run's timing.
    pub(super) fn is(&self, status: Status, reasons: &[&str]) {
        let verdict = &self.record.verdict;
        let known = |reason: &&String| {
            !reasons.iter().any(|known| reason.starts_with(known) || reason.contains(known))
        };
        let strange: Vec<&String> = verdict.reasons.iter().filter(known).collect();
        let of_the_machine = |reason: &&String| {
            reason.starts_with("the generator was") || reason.starts_with("Little")
        };
        assert!(strange.iter().all(of_the_machine), "{verdict:?}");
        for reason in reasons {
            let given = verdict.reasons.iter().any(|given| given.contains(reason));
            assert!(given, "no word of {reason:?}: {verdict:?}");
        }
        let noisy = status == Status::Valid && !strange.is_empty();
        let expected = if noisy { Status::Invalid } else { status };
        assert_eq!(verdict.status, expected, "{verdict:?}");
    }

    /// The service broke its contract in just these ways, so often, and the verdict says so.
    pub(super) fn blames(&self, kinds: &[(&str, u64)]) {
        let expected: BTreeMap<&str, u64> = kinds.iter().copied().collect();
        assert_eq!(self.violations(), expected, "{:?}", self.record.violation_examples);
        self.violated(kinds);
    }

    /// The verdict is that these were found, and nothing else.
    pub(super) fn violated(&self, kinds: &[(&str, u64)]) {
        let verdict = &self.record.verdict;
        assert_eq!(verdict.status, Status::Violated, "{verdict:?}");
        assert_eq!(verdict.status.exit_code(), 3);
        for (place, (name, count)) in kinds.iter().enumerate() {
            let reason = format!("{count} x {name}");
            let given = verdict.reasons.iter().position(|given| *given == reason);
            assert!(given.is_some_and(|given| given < kinds.len()), "{place}: {verdict:?}");
        }
    }
}

/// How many of a record's values are at least so long.
pub(super) fn at_least(of: &crate::report::record::Distribution, long: Duration) -> u64 {
    let histogram = histogram(of);
    let micros = u64::try_from(long.as_micros()).unwrap();
    // A bucket is as wide as a thousandth of what is in it.
    histogram.count_between(micros - micros / 1000, u64::MAX)
}

/// The histogram that a record holds.
pub(super) fn histogram(of: &crate::report::record::Distribution) -> hdrhistogram::Histogram<u64> {
    use base64::Engine;
    use hdrhistogram::serialization::Deserializer;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&of.histogram).unwrap();
    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
}
