//! A server that others attack keeps its promises: its load stays valid, its memory bounded.
//!
//! The attackers are in this process, the server and its load in others, so that what the server
//! holds is its own.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stentor::clock;
use stentor::delivery::{DeviceId, Epoch, GroupId, MessageId, Seq};
use stentor::limits::{DEVICE_BYTES_MAX, INBOX_BYTES_MAX, STRANGER_BYTES_MAX};
use stentor::net::{ConnectionId, Dir, Driver, Event, Fingerprint, KeyExchange, Trust};
use stentor::process::Usage;
use stentor::wire::{PROTOCOL_VERSION, Request, Token, TokenKeys};

use super::child::{Desk, RUN_PATIENCE};

/// What the hostile connections of one kind do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Begin a handshake and never go on.
    HalfOpen,
    /// Connect and never say hello.
    Silent,
    /// Say hello with a token that is another's, again and again.
    Impostor,
    /// Begin a frame of 16 MiB, send a little of it.
    SlowWriter,
    /// Ask thousands of questions and read no answer.
    SlowReader,
    /// Make a group and send what is refused.
    Nonsense,
}

/// Bytes that a hostile connection may cost on average, whatever it does: about twice what one has
/// been seen to cost, and a fraction of the frame that it would like kept.
const CONNECTION_BYTES: u64 = 64 << 10;

/// Connections that a crowd begins anew in one turn, of at least 5 ms, once all have been there. Whoever
/// comes again as fast as it is thrown out gets all of a slow core for its handshakes; that is no
/// question of memory, nor of what those inside are owed.
const AGAIN_PER_TURN: usize = 2;

const KINDS: [Kind; 6] = [
    Kind::HalfOpen,
    Kind::Silent,
    Kind::Impostor,
    Kind::SlowWriter,
    Kind::SlowReader,
    Kind::Nonsense,
];

/// What a server's state folder tells its neighbours.
struct Place {
    address: SocketAddr,
    trust: Trust,
    keys: TokenKeys,
}

impl Place {
    fn read(state: &Path) -> Self {
        let read = |name| std::fs::read_to_string(state.join(name)).expect("the server wrote it");
        let fingerprint = Fingerprint::parse(&read("fingerprint")).expect("a fingerprint");
        Self {
            address: read("address").trim().parse().expect("an address"),
            trust: Trust { fingerprint, key_exchange: KeyExchange::X25519, resumption: false },
            keys: TokenKeys::parse(&read("token.key")).expect("keys"),
        }
    }

    fn token(&self, device: DeviceId) -> Token {
        self.keys.signing().issue(device, u64::MAX)
    }
}

/// Hostile connections of one kind, of as many devices.
struct Crowd {
    kind: Kind,
    driver: Driver,
    numbers: HashMap<ConnectionId, u32>,
    connected: HashSet<ConnectionId>,
    /// Those who were thrown out and will come again, first out first.
    out: VecDeque<u32>,
    lost: usize,
}

impl Crowd {
    fn new(place: &Place, kind: Kind, count: u32) -> Self {
        let driver = Driver::client(Ipv4Addr::LOCALHOST.into(), 4, place.trust);
        let driver = driver.expect("there are sockets");
        let (numbers, connected, out) = (HashMap::new(), HashSet::new(), VecDeque::new());
        let mut crowd = Self { kind, driver, numbers, connected, out, lost: 0 };
        for number in 0..count {
            crowd.connect(place, number);
            // A burst longer than a socket's buffer would never arrive.
            if number % 16 == 15 {
                crowd.turn(place, false);
            }
        }
        crowd
    }

    fn connect(&mut self, place: &Place, number: u32) {
        let connection = self.driver.connect(clock::now(), place.address);
        self.numbers.insert(connection.expect("there are ports"), number);
    }

    /// `calm` if those who were thrown out are to come again one after the other.
    fn turn(&mut self, place: &Place, calm: bool) {
        self.driver.transmit(clock::now()).expect("the socket works");
        if self.kind == Kind::HalfOpen {
            return;
        }
        self.driver.receive(clock::now()).expect("the socket works");
        while let Some((connection, event)) = self.driver.poll() {
            match event {
                Event::Connected => {
                    self.connected.insert(connection);
                    let said = say(place, self.kind, self.numbers[&connection]);
                    let stream = self.driver.open(connection, Dir::Bi);
                    let stream = stream.expect("a stream is granted");
                    self.driver.write(connection, stream, &mut [said]);
                }
                Event::Lost(_) => {
                    self.lost += 1;
                    self.connected.remove(&connection);
                    self.out.extend(self.numbers.remove(&connection));
                }
                _ => {}
            }
        }
        let most = if calm { AGAIN_PER_TURN } else { usize::MAX };
        for number in self.out.drain(..most.min(self.out.len())).collect::<Vec<_>>() {
            self.connect(place, number);
        }
        self.driver.transmit(clock::now()).expect("the socket works");
    }
}

/// What a hostile device says first, and nothing after it.
fn say(place: &Place, kind: Kind, number: u32) -> Bytes {
    let mut id = [kind as u8 + 1; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let device = DeviceId(id);
    let mut said = BytesMut::new();
    let hello = |token| Request::Hello { version: PROTOCOL_VERSION, device, token };
    let group = GroupId::new(&id).expect("it is short");
    match kind {
        Kind::HalfOpen | Kind::Silent => {}
        Kind::Impostor => hello(place.token(DeviceId([0xff; 16]))).encode(&mut said),
        Kind::SlowWriter => {
            hello(place.token(device)).encode(&mut said);
            said.extend_from_slice(&(16_u32 << 20).to_be_bytes());
            said.extend_from_slice(&[3; 200_000]);
        }
        Kind::SlowReader => {
            hello(place.token(device)).encode(&mut said);
            for _ in 0..5_000 {
                Request::Attach { group, after: Seq(0) }.encode(&mut said);
            }
        }
        Kind::Nonsense => {
            hello(place.token(device)).encode(&mut said);
            Request::plain_group(MessageId(id), group, Epoch(0), vec![device]).encode(&mut said);
            said.extend_from_slice(&[0, 0, 0, 9, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
    said.freeze()
}

/// What the attackers and their test share.
#[derive(Debug, Default)]
struct Shared {
    /// Connections there are now.
    there: AtomicUsize,
    /// All have been there.
    calm: AtomicBool,
    stop: AtomicBool,
}

/// Attacks until told to stop; how many connections were lost.
fn attack(state: PathBuf, each: u32, shared: Arc<Shared>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let place = Place::read(&state);
        let mut crowds: Vec<Crowd> =
            KINDS.iter().map(|kind| Crowd::new(&place, *kind, each)).collect();
        let noise = UdpSocket::bind("127.0.0.1:0").expect("there are ports");
        while !shared.stop.load(Ordering::Relaxed) {
            for crowd in &mut crowds {
                crowd.turn(&place, shared.calm.load(Ordering::Relaxed));
            }
            let there = crowds.iter().map(|crowd| crowd.connected.len()).sum();
            shared.there.store(there, Ordering::Relaxed);
            for first in [0xc0, 0x40, 0x00_u8] {
                // A full buffer is the kernel's way of saying that noise is cheap.
                noise.send_to(&[first; 1_200], place.address).ok();
            }
            clock::wait_until(clock::now() + Duration::from_millis(5));
        }
        crowds.iter().map(|crowd| crowd.lost).sum()
    })
}

/// A server under so many hostile connections of each kind, and a smoke load meanwhile.
fn besiege(each: u32) {
    let desk = Desk::new();
    let (served, address) = desk.served(1);
    let memory = || Usage::of(served.id()).expect("it runs").rss_bytes;
    let before = memory();
    let shared = Arc::new(Shared::default());
    let attackers = attack(desk.path("state"), each, Arc::clone(&shared));
    // Those who are let in and not thrown out again; others come and go.
    let deadline = clock::now() + 4 * RUN_PATIENCE;
    while shared.there.load(Ordering::Relaxed) < 3 * each as usize {
        assert!(clock::now() < deadline, "the attackers are there: {shared:?}");
        clock::wait_until(clock::now() + Duration::from_millis(10));
    }
    shared.calm.store(true, Ordering::Relaxed);
    let mut most = memory();
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/smoke.toml");
    let ended = loop {
        let mut running = desk.run_at(&address, &smoke, &["--replace"]);
        while !running.is_over() {
            assert!(clock::now() < deadline + RUN_PATIENCE, "the load ends");
            most = most.max(memory());
            clock::wait_until(clock::now() + Duration::from_millis(20));
        }
        let ended = running.end();
        // Whoever finds no gap in a flood of handshakes says so after its patience, and comes again.
        if !ended.err.contains("does not answer") {
            break ended;
        }
    };
    shared.stop.store(true, Ordering::Relaxed);
    let lost = attackers.join().expect("attackers do not fail");
    super::run::believable(&desk, &ended);
    assert!(lost > each as usize, "only {lost} hostile connections were ended");
    // Half of the kinds are strangers, half have a token.
    let hostile = 3 * u64::from(each) * (STRANGER_BYTES_MAX + DEVICE_BYTES_MAX);
    let bound = before + hostile + 2 * INBOX_BYTES_MAX as u64;
    assert!(most < bound, "{before} bytes became {most}, bound {bound}");
    // Far below what all of them together may take: a connection costs some tens of KiB, and what
    // they have begun to send comes from one budget.
    let usual = before + 6 * u64::from(each) * CONNECTION_BYTES + INBOX_BYTES_MAX as u64;
    assert!(most < usual, "{before} bytes became {most}, usual {usual}");
}

#[test]
fn a_load_stays_valid_while_hundreds_attack_its_server() {
    besiege(50);
}

#[test]
fn memory_stays_bounded_under_ten_thousand_hostile_connections_at_once() {
    besiege(3_400);
}
