//! What a delivery allocates, and the check of a handshake, counted.
//!
//! A test target of its own, since the counter is its allocator. The path of a delivery is the
//! service's: a sweep hands frames to the streams of real connections over loopback, they are sent
//! together, and acknowledgements come back. Only the serving side's calls are counted.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use stentor::clock;
use stentor::delivery::{
    Audience, DeviceId, Due, Epoch, GroupId, Kind, Level, RingLimits, RosterChange, Seq, Start,
    Taken,
};
use stentor::net::{
    Admission, Bound, ConnectionId, Dir, Driver, Event, Identity, KeyExchange, StreamId, Trust,
};
use stentor::validation::{Everybody, Founding, State, Submitted};

const MEMBERS: u64 = 64;
const MESSAGES: u64 = 200;
const LIMITS: RingLimits = RingLimits { entries_max: 64, bytes_max: 1 << 20 };

/// Members connected to a serving driver, each with the stream of its deliveries.
struct Hall {
    server: Driver,
    client: Driver,
    streams: Vec<(ConnectionId, StreamId)>,
    audience: Audience<usize, Bytes>,
}

impl Hall {
    fn open() -> Self {
        let identity = Identity::self_signed().expect("a certificate can be made");
        let bound = Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
        let server = Driver::server(bound, &identity, Admission::default())
            .expect("the certificate can be served");
        let trust = Trust {
            fingerprint: identity.fingerprint(),
            key_exchange: KeyExchange::X25519,
            resumption: false,
        };
        let client = Driver::client(Ipv4Addr::LOCALHOST.into(), 1, trust).expect("a port is free");
        let audience = Audience::new(Seq(1), LIMITS);
        let mut hall = Self { server, client, streams: Vec::new(), audience };
        let to = hall.server.local_address().expect("the socket is bound");
        for _ in 0..MEMBERS {
            hall.client.connect(clock::now(), to).expect("loopback is there");
        }
        let deadline = clock::now() + Duration::from_secs(30);
        while hall.streams.len() < usize::try_from(MEMBERS).expect("a few") {
            assert!(clock::now() < deadline, "{} members are connected", hall.streams.len());
            hall.listen();
            hall.serve();
        }
        for (key, number) in (0..hall.streams.len()).zip(0_u8..) {
            let start = Start { device: DeviceId([number; 16]), next: Seq(1), last: None };
            hall.audience.join(key, start);
        }
        hall
    }

    /// The serving side takes in what has come and opens a stream for who is new.
    fn serve(&mut self) {
        let now = clock::now();
        self.server.receive(now).expect("the socket is there");
        while let Some((id, event)) = self.server.poll() {
            if event == Event::Connected {
                let stream = self.server.open(id, Dir::Uni).expect("a member grants a stream");
                self.streams.push((id, stream));
            }
        }
        self.server.transmit(now).expect("the socket is there");
    }

    /// The members read everything and acknowledge it.
    fn listen(&mut self) {
        let now = clock::now();
        self.client.receive(now).expect("the socket is there");
        while let Some((id, event)) = self.client.poll() {
            if let Event::Readable(stream) = event {
                self.client.read(id, stream, drop);
            }
        }
        self.client.transmit(now).expect("the socket is there");
    }

    /// Hands a message to everybody, as a shard does.
    fn fan_out(&mut self, now: Instant, frame: Bytes) {
        let bytes = frame.len();
        self.audience.push(frame, bytes);
        let (server, streams) = (&mut self.server, &self.streams);
        self.audience.sweep(Duration::ZERO, usize::MAX, &mut |key, due| {
            let Due::Items { mut items, .. } = due else { panic!("nobody is behind") };
            let (id, stream) = streams[key];
            let mut chunk = [items.next().cloned().expect("something is due")];
            server.write(id, stream, &mut chunk).expect("the stream is open");
            assert!(chunk[0].is_empty(), "members keep up");
            Taken::First(1)
        });
        self.server.transmit(now).expect("the socket is there");
    }
}

#[test]
fn handing_a_message_to_an_audience_allocates_nothing() {
    let mut audience = Audience::new(Seq(1), LIMITS);
    for (key, number) in (0..200_usize).zip(0_u8..) {
        audience.join(key, Start { device: DeviceId([number; 16]), next: Seq(1), last: None });
    }
    let frame = Bytes::from(vec![7; 379]);
    let mut taken = 0;
    let mut round = || {
        audience.push(frame.clone(), frame.len());
        audience.sweep(Duration::ZERO, usize::MAX, &mut |_, due| {
            let Due::Items { items, .. } = due else { panic!("nobody is behind") };
            taken += items.len();
            Taken::Yes
        });
    };
    round();
    let counted = measure(|| (0..100).for_each(|_| round()));
    assert_eq!(taken, 101 * 200);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_handshake_that_changes_no_roster_is_checked_at_its_header_without_allocating() {
    let roster: Vec<_> = (0..200).map(|number| DeviceId([number; 16])).collect();
    let group = GroupId::new(&[7]).expect("short");
    let founding =
        Founding { group, epoch: Epoch(5), roster: &roster, group_info: None, tree: None };
    let mut state = State::found(Level::Header, &founding).expect("a roster");
    // A commit of leaf 3 that lists a proposal by reference, and has no path.
    let commit =
        [&[0, 1, 0, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 3, 0, 3][..], &[3, 2, 1, 9, 0]]
            .concat();
    let counted = measure(|| {
        for _ in 0..100 {
            let submitted = Submitted {
                sender: DeviceId([3; 16]),
                kind: Kind::Commit,
                body: &commit,
                declared: RosterChange::default(),
                welcome: None,
                group_info: None,
            };
            let checked = state.check(submitted, &Everybody, 0).expect("its own leaf");
            state.accept(checked);
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// What is left is quinn-proto's: a node of its tree of unacknowledged packets now and then, and a
/// queue of unacknowledged data that shrinks whenever it is nearly empty. Both come once for some
/// packets, so one allocation for each delivery would be a new one.
#[test]
fn a_delivery_over_quic_allocates_less_than_once() {
    let mut hall = Hall::open();
    let frame = Bytes::from(vec![7; 379]);
    let mut counted = AllocationInfo::default();
    for message in 0..2 * MESSAGES {
        let now = clock::now();
        let sent = measure(|| {
            hall.fan_out(now, frame.clone());
        });
        hall.listen();
        let heard = measure(|| hall.serve());
        // What the first ones allocate is for good.
        if message >= MESSAGES {
            counted.count_total += sent.count_total + heard.count_total;
        }
    }
    let deliveries = MESSAGES * MEMBERS;
    let share = counted.count_total as f64 / deliveries as f64;
    println!("{share:.3} allocations for a delivery");
    assert!(share < 0.8, "{share} allocations for each of {deliveries} deliveries");
}
