//! A contest with fakes: faults are found and named, the others go on; the record and its text.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::contest::{Contest, Found, Options, presence};
use super::entrant::{Contestant, Name, Part, Served, Server, Status};
use super::fault::Fault;
use super::ledger::Ledger;
use super::link::{Link, Sealing};
use super::record::{PeersRecord, SCHEMA_VERSION};
use super::summary::render;
use super::work::Work;
use crate::clock;
use crate::delivery::{DeviceId, Epoch, GroupId};
use crate::net::KeyExchange;
use crate::report::provenance::Provenance;
use crate::report::record::RecordError;
use crate::report::summary::Look;
use crate::report::tests::collect;

const MEMBERS: usize = 3;

/// What a fake does with the `n`-th delivery that it makes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trick {
    None,
    Lose(usize),
    Repeat(usize),
    Swap(usize),
    Alter(usize),
    Die(usize),
}

/// Members that get what is published, but for one trick.
struct Fake {
    trick: Trick,
    made: usize,
    waiting: VecDeque<(usize, Bytes)>,
    rewound: usize,
}

/// No process at all: its time is zero, so that every warm-up is as long as another.
struct Nobody {
    dead: bool,
}

impl Server for Nobody {
    fn pid(&self) -> u32 {
        u32::MAX
    }

    fn ended(&mut self) -> Option<String> {
        self.dead.then(|| "signal 9".to_owned())
    }
}

impl Link for Fake {
    fn connect(&mut self, _: &mut Ledger<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn disconnect(&mut self) {}

    fn rewind(&mut self, _: &mut Ledger<'_>) -> Result<(), Fault> {
        assert!(self.waiting.is_empty(), "nothing is in flight when the group is made anew");
        self.rewound += 1;
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), Fault> {
        Ok(())
    }

    fn publish(&mut self, body: &Bytes) -> Result<(), Fault> {
        for member in 0..MEMBERS {
            let number = self.made;
            self.made += 1;
            match self.trick {
                Trick::Lose(lost) if lost == number => {}
                Trick::Alter(altered) if altered == number => {
                    let mut other = body.to_vec();
                    *other.last_mut().unwrap() ^= 1;
                    self.waiting.push_back((member, other.into()));
                }
                Trick::Repeat(again) if again == number => {
                    self.waiting.extend([(member, body.clone()), (member, body.clone())]);
                }
                Trick::Swap(first) if first + MEMBERS == number => {
                    let earlier = self.waiting.iter().position(|(other, _)| *other == member);
                    let place = earlier.expect("two messages are in flight");
                    self.waiting.insert(place, (member, body.clone()));
                }
                _ => self.waiting.push_back((member, body.clone())),
            }
        }
        Ok(())
    }

    fn turn(&mut self, ledger: &mut Ledger<'_>) -> Result<bool, Fault> {
        if matches!(self.trick, Trick::Die(after) if self.made > after) {
            return Err(Fault::Closed { member: 1, why: "reset".into() });
        }
        let Some((member, body)) = self.waiting.pop_front() else { return Ok(false) };
        ledger.whole(clock::now(), member, &body)?;
        Ok(true)
    }

    fn sealing(&self) -> Sealing {
        Sealing { cipher_suite: Some("none".into()), key_exchange: None }
    }
}

fn work(commits: bool) -> Work {
    let body = |number: u8| Bytes::from([vec![7; 40], vec![number; 20]].concat());
    Work {
        group: GroupId::new(&[1]).unwrap(),
        epoch: Epoch(0),
        members: (0..3).map(|member| (DeviceId([member; 16]), u32::from(member))).collect(),
        bodies: (0..10).map(body).collect(),
        commits,
    }
}

fn options() -> Options {
    Options {
        in_flight: vec![1, 2],
        rounds: 3,
        messages: Some(25),
        server_cpu: Duration::from_secs(1),
        apart: false,
        key_exchange: KeyExchange::X25519,
    }
}

fn fake(name: Name, trick: Trick) -> Contestant<'static> {
    let dead = matches!(trick, Trick::Die(_));
    let link = Box::new(Fake { trick, made: 0, waiting: VecDeque::new(), rewound: 0 });
    let server = Box::new(Nobody { dead });
    Contestant {
        name,
        version: Some("0.0.1".into()),
        sealing: Sealing::default(),
        status: Status::Completed,
        why: None,
        part: Some(Part::Served(Served { link, server, descriptors: 0, connected: false })),
    }
}

/// A contest of two fakes, the second with a trick, and one that is not there.
fn contest_with(work: &Work, trick: Trick) -> (Found, Vec<String>) {
    let absent = Contestant {
        status: Status::Skipped,
        why: Some("redis-server is not installed".into()),
        part: None,
        ..fake(Name::Redis, Trick::None)
    };
    let contestants = vec![fake(Name::Stentor, Trick::None), fake(Name::Nats, trick), absent];
    let mut said = Vec::new();
    let mut say = |line: &str| said.push(line.to_owned());
    let options = options();
    let mut contest = Contest::new(work, contestants, false, &options, &mut say);
    let sets = contest.run();
    let contestants = contest.contestants.into_iter().map(presence).collect();
    (Found { contestants, sets, reconnected: false }, said)
}

/// The second contestant fails with `why`, the first completes every round.
fn check(trick: Trick, why: &str) {
    let work = work(false);
    let (found, said) = contest_with(&work, trick);
    let [first, second, absent] = &found.contestants[..] else { panic!("{found:?}") };
    assert_eq!(first.status, Status::Completed, "{trick:?}");
    assert_eq!((second.status, second.why.as_deref()), (Status::Failed, Some(why)), "{trick:?}");
    assert_eq!(absent.status, Status::Skipped, "{trick:?}");
    assert!(said.iter().any(|line| *line == format!("nats is out: {why}")), "{said:?}");
    for set in &found.sets {
        let own = set.rounds.iter().filter(|(name, _)| *name == Name::Stentor);
        assert_eq!(own.clone().count(), 3, "{trick:?}");
        assert!(own.clone().all(|(_, round)| round.deliveries == 75), "{trick:?}");
    }
}

#[test]
fn a_fault_takes_one_contestant_out_by_name_and_the_others_go_on() {
    // With two in flight, the message after a lost one shows it. Before, with one in flight, 132
    // messages go to three members each; then two more do.
    let lost = "member 0 got message 2 where message 1 was next: lost or out of order";
    check(Trick::Lose(132 * 3 + 2 * 3 + 3), lost);
    check(Trick::Swap(132 * 3 + 2 * 3 + 3), lost);
    check(Trick::Repeat(2), "member 2 got 60 bytes when it had everything already");
    check(Trick::Repeat(1), "member 1 got message 0 again where message 1 was next");
    check(Trick::Alter(5), "member 2 got 60 bytes that are not message 0, which was next");
    check(Trick::Die(4), "the server is gone: signal 9");
}

#[test]
fn a_contest_without_faults_measures_everybody_in_every_round() {
    let work = work(false);
    let (found, _) = contest_with(&work, Trick::None);
    assert_eq!(found.sets.iter().map(|set| set.in_flight).collect::<Vec<_>>(), [1, 2]);
    for set in &found.sets {
        let order: Vec<_> = set.rounds.iter().map(|(name, round)| (*name, round.number)).collect();
        let (us, them) = (Name::Stentor, Name::Nats);
        assert_eq!(order.len(), 6);
        for round in 0..3 {
            assert!(order.contains(&(us, round)) && order.contains(&(them, round)), "{order:?}");
        }
        assert_ne!(order[0].0, order[2].0, "who goes first changes: {order:?}");
        assert!(set.rounds.iter().all(|(_, round)| round.last.count() == 25));
        assert!(set.rounds.iter().all(|(_, round)| round.member.count() == 75));
        assert!(set.rounds.iter().all(|(_, round)| round.body_bytes == 75 * 60));
    }
}

#[test]
fn commits_are_repeated_only_in_a_group_made_anew() {
    // The fake asserts that nothing is in flight then; 25 messages of 10 bodies begin three times.
    let work = work(true);
    let (found, _) = contest_with(&work, Trick::None);
    assert!(found.contestants[..2].iter().all(|one| one.status == Status::Completed));
}

fn record(trick: Trick) -> PeersRecord {
    let work = work(false);
    let (found, _) = contest_with(&work, trick);
    PeersRecord::of(&work, &options(), &found, Provenance::default())
}

#[test]
fn a_record_survives_being_written_and_read() {
    let record = record(Trick::None);
    assert!(record.all_completed());
    assert_eq!(record.sets.len(), 2);
    let names: Vec<Name> = record.sets[0].results.iter().map(|result| result.name).collect();
    assert_eq!(names, [Name::Stentor, Name::Nats]);
    let own = record.sets[0].results[0].over_stentor.as_ref().unwrap();
    assert_eq!(own.deliveries_per_s.map(|of| (of.min, of.max)), Some((1.0, 1.0)));
    assert_eq!(PeersRecord::from_json(&record.to_json()).unwrap(), record);
}

#[test]
fn a_record_of_another_version_or_of_nothing_is_refused() {
    let json = record(Trick::None).to_json();
    let newer = json.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    let found = SCHEMA_VERSION + 1;
    assert!(matches!(
        PeersRecord::from_json(&newer),
        Err(RecordError::Version { found: other, known: SCHEMA_VERSION }) if other == found
    ));
    assert!(matches!(PeersRecord::from_json("{}"), Err(RecordError::Malformed(_))));
}

#[test]
fn every_field_of_a_record_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("results/README.md")).unwrap();
    let (_, own) = readme.split_once("## peers.json").unwrap();
    let json = serde_json::to_value(record(Trick::None)).unwrap();
    let mut fields = Vec::new();
    // What is in these is explained with the record of a run.
    collect(&json, &["member", "last_member", "provenance"], &mut fields);
    let missing: Vec<_> =
        fields.into_iter().filter(|field| !own.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "not in results/README.md: {missing:?}");
}

#[test]
fn a_summary_names_who_was_measured_who_failed_and_who_is_not_there() {
    let look = Look { width: 100, colour: false };
    let text = render(&record(Trick::Repeat(130)), Path::new("results/x"), look);
    let lines = |start: &str| text.lines().filter(|line| line.trim().starts_with(start)).count();
    assert_eq!(lines("redis     SKIPPED: redis-server is not installed"), 1, "{text}");
    assert_eq!(lines("nats      FAILED: member "), 1, "{text}");
    assert_eq!(lines("stentor "), 3, "two tables and a line: {text}");
    assert!(text.ends_with("result: results/x\n"), "{text}");
    for row in text.lines().filter(|line| line.contains('─')) {
        assert!(row.chars().count() <= 100, "{row}");
    }
}
