//! A comparison end to end, with eight members: ours, the baseline, and the brokers that are here.
//!
//! No time is asserted: a debug build on a busy machine is as good as any.

use std::time::Duration;

use crate::load::Target;
use crate::load::scenario::Scenario;
use crate::load::traffic::Draft;
use crate::net::KeyExchange;
use crate::peers::baseline::Baseline;
use crate::peers::{
    Entrant, FloorRound, FloorWork, Found, Name, NoWork, Options, Server, Service, Status, Work,
    contest,
};
use crate::tests::service::Service as Running;
use crate::wire::TokenKey;

/// Eight members on connections of three, a commit in every fourth message, some of them large.
const MIXED: &str = r#"why = "to test"
expect = "everybody completes"
seed = 5
durations = { warm_up = "0s", measure = "1s", drain = "1s" }

[[groups]]
name = "few"
count = 2
members = 8
source = "synthetic"
rate = "12/s"
arrivals = "even"
commits = "25%"
payload = "70KiB"
connections = "shared:3"

[[groups]]
name = "another"
count = 1
members = 5
source = "live"
rate = "1/s"
"#;

/// Servers that run in this process.
struct Own;

impl Server for Own {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn ended(&mut self) -> Option<String> {
        None
    }
}

fn work() -> Work {
    let scenario = Work::narrow(Scenario::parse(MIXED, "mixed.toml").unwrap()).unwrap();
    let plan = Draft::of(scenario).prepare(None, &|_| {}).unwrap();
    Work::of(&plan).unwrap()
}

fn options() -> Options {
    Options {
        in_flight: vec![1, 3],
        rounds: 2,
        messages: Some(30),
        server_cpu: Duration::from_secs(1),
        apart: false,
        key_exchange: KeyExchange::X25519,
    }
}

fn ours(service: &Running) -> Entrant<'static> {
    Entrant::Service(Box::new(Service {
        name: Name::Stentor,
        server: Box::new(Own),
        target: Target {
            addresses: service.addresses.clone(),
            fingerprint: service.trust.fingerprint,
            token_key: service.key.clone(),
        },
        version: "0".into(),
        cipher_suite: None,
    }))
}

/// The baseline on a thread of its own; it ends with what is returned.
fn baseline() -> (Entrant<'static>, tokio::sync::oneshot::Sender<()>) {
    let baseline = Baseline::bind().unwrap();
    let target = Target {
        addresses: vec![baseline.address],
        fingerprint: baseline.fingerprint,
        token_key: TokenKey::new(&[0; 32]),
    };
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(baseline.serve(async { drop(ended.await) })).unwrap();
    });
    let (version, server) = (String::new(), Box::new(Own));
    let name = Name::Quinn;
    let service = Service { name, server, target, version, cipher_suite: None };
    (Entrant::Service(Box::new(service)), end)
}

fn run(entrants: Vec<Entrant<'_>>) -> Found {
    let work = work();
    assert!(work.commits && work.bodies.iter().any(|body| body.len() > 70_000));
    assert_eq!((work.members.len(), work.connections()), (8, 3));
    contest(&work, entrants, &options(), &mut |_| {}).unwrap()
}

fn check_completed(found: &Found, name: Name) {
    let presence = found.contestants.iter().find(|one| one.name == name).unwrap();
    assert_eq!(presence.status, Status::Completed, "{presence:?}");
    for set in &found.sets {
        let own: Vec<_> = set.rounds.iter().filter(|(whose, _)| *whose == name).collect();
        assert_eq!(own.len(), 2, "{name:?}");
        for (_, round) in own {
            assert_eq!((round.deliveries, round.last.count()), (30 * 8, 30), "{name:?}");
            assert!(round.body_bytes > 30 * 8 * 50_000, "{name:?}");
        }
    }
}

#[test]
fn our_service_and_the_baseline_do_the_same_work() {
    let service = Running::start(1);
    let (quinn, end) = baseline();
    let absent = Entrant::Absent(Name::Floor, "it is not measured here".into());
    let found = run(vec![ours(&service), quinn, absent]);
    check_completed(&found, Name::Stentor);
    check_completed(&found, Name::Quinn);
    let floor = &found.contestants[2];
    assert_eq!(
        (floor.status, floor.why.as_deref()),
        (Status::Skipped, Some("it is not measured here"))
    );
    drop(end);
}

#[test]
fn brokers_do_the_same_work_where_they_are_installed_and_are_skipped_by_name_elsewhere() {
    let found = run(vec![Entrant::Broker(Name::Nats), Entrant::Broker(Name::Redis)]);
    for presence in &found.contestants {
        if presence.status == Status::Skipped {
            let why = presence.why.as_deref().unwrap();
            let server = format!("{}-server is not installed: ", presence.name.name());
            assert!(why.starts_with(&server) && why.ends_with("scripts/peers.sh install"), "{why}");
            eprintln!("{} is not installed, and so not tested", presence.name.name());
            continue;
        }
        check_completed(&found, presence.name);
        assert_eq!(presence.cipher_suite.as_deref(), Some("TLS13_AES_128_GCM_SHA256"));
        assert_eq!(presence.key_exchange.as_deref(), Some("X25519"));
        assert!(presence.version.as_deref().is_some_and(|version| version.contains("v")));
    }
}

#[test]
fn the_floor_is_asked_for_the_work_of_a_round() {
    let asked = std::cell::RefCell::new(Vec::new());
    let measure = |work: &FloorWork| {
        asked.borrow_mut().push(*work);
        let (cpu, wall) = (Duration::from_millis(2), Duration::from_millis(3));
        Ok(FloorRound { cpu, wall, deliveries: 240 })
    };
    let found = run(vec![Entrant::Floor(Box::new(measure))]);
    assert_eq!(found.sets[0].rounds.len(), 2);
    assert!(asked.borrow().iter().all(|work| work.members == 8 && work.body_bytes > 50_000));
    let failing = |_: &FloorWork| Err("no socket".to_owned());
    let found = run(vec![Entrant::Floor(Box::new(failing))]);
    assert_eq!(found.contestants[0].why.as_deref(), Some("no socket"));
}

#[test]
fn a_live_class_is_no_work() {
    let live = MIXED.split_once("[[groups]]").unwrap().0.to_owned()
        + &MIXED[MIXED.rfind("[[groups]]").unwrap()..];
    let scenario = Scenario::parse(&live, "live.toml").unwrap();
    assert_eq!(Work::narrow(scenario).unwrap_err(), NoWork::Live);
}

/// Of the others nobody is asked for either.
#[test]
fn a_comparison_is_in_memory_and_looks_at_no_handshake() {
    let text = MIXED.replacen("[[groups]]", "[[groups]]\nvalidation = \"header\"", 1);
    let text = text.replacen("[[groups]]", "[[groups]]\ndurability = \"wal\"", 1);
    let scenario = Scenario::parse(&text, "mixed.toml").unwrap();
    assert!(scenario.is_durable());
    let narrowed = Work::narrow(scenario).unwrap();
    let plain = Work::narrow(Scenario::parse(MIXED, "mixed.toml").unwrap()).unwrap();
    assert_eq!(narrowed, plain);
}
