//! Two drivers on a real socket: streams, bulk, refusals, close.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::clock;
use crate::limits::{
    BULK_BYTES_DUE_MAX, BULK_BYTES_PER_TURN, HANDSHAKE_MAX, MTU_BYTES, SERVICE_WINDOW_BYTES,
    STRANGER_WINDOW_BYTES,
};

struct Pair {
    server: Driver,
    client: Driver,
    events: Vec<(char, ConnectionId, Event)>,
    /// How far both sides are ahead of the clock.
    ahead: Duration,
}

impl Pair {
    fn new(key_exchange: KeyExchange) -> Self {
        Self::of(&Identity::self_signed().unwrap(), key_exchange, false, Admission::default())
    }

    /// With bounds on connections.
    fn within(key_exchange: KeyExchange, admission: Admission) -> Self {
        Self::of(&Identity::self_signed().unwrap(), key_exchange, false, admission)
    }

    fn of(
        identity: &Identity,
        key_exchange: KeyExchange,
        resumption: bool,
        admission: Admission,
    ) -> Self {
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = Driver::server(bound, identity, admission).unwrap();
        let trust = Trust { fingerprint: identity.fingerprint(), key_exchange, resumption };
        let client = Driver::client(Ipv4Addr::LOCALHOST.into(), 2, trust).unwrap();
        Self { server, client, events: Vec::new(), ahead: Duration::ZERO }
    }

    /// One turn of both sides.
    fn turn(&mut self) {
        for (side, driver) in [('s', &mut self.server), ('c', &mut self.client)] {
            let now = clock::now() + self.ahead;
            driver.receive(now).unwrap();
            while let Some((id, event)) = driver.poll() {
                self.events.push((side, id, event));
            }
            driver.transmit(now).unwrap();
        }
    }

    /// Turns until an event of `side` satisfies `wanted`; takes it out.
    fn until(&mut self, side: char, wanted: impl Fn(&Event) -> bool) -> (ConnectionId, Event) {
        let deadline = clock::now() + Duration::from_secs(20);
        loop {
            let found = self.events.iter().position(|(s, _, event)| *s == side && wanted(event));
            if let Some(index) = found {
                let (_, id, event) = self.events.remove(index);
                return (id, event);
            }
            assert!(clock::now() < deadline, "nothing of the kind: {:?}", self.events);
            self.turn();
        }
    }

    fn connect(&mut self) -> (ConnectionId, ConnectionId) {
        let to = self.server.local_address().unwrap();
        let client = self.client.connect(clock::now(), to).unwrap();
        self.connected(client)
    }

    fn reconnect(&mut self) -> (ConnectionId, ConnectionId) {
        let to = self.server.local_address().unwrap();
        let client = self.client.reconnect(clock::now(), to).unwrap();
        self.connected(client)
    }

    fn connected(&mut self, client: ConnectionId) -> (ConnectionId, ConnectionId) {
        let (connected, _) = self.until('c', |event| *event == Event::Connected);
        assert_eq!(connected, client);
        let (server, _) = self.until('s', |event| *event == Event::Connected);
        (server, client)
    }
}

/// Reads a stream of `side` until `total` bytes have come.
fn read_all(
    pair: &mut Pair,
    at_client: bool,
    id: ConnectionId,
    stream: StreamId,
    total: usize,
) -> Vec<u8> {
    let deadline: Instant = clock::now() + Duration::from_secs(60);
    let mut got = Vec::new();
    while got.len() < total {
        let driver = if at_client { &mut pair.client } else { &mut pair.server };
        driver.read(id, stream, |bytes| got.extend_from_slice(&bytes));
        assert!(clock::now() < deadline, "only {} of {total} bytes", got.len());
        pair.turn();
    }
    got
}

#[test]
fn a_request_and_its_reply_cross_one_stream() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, client) = pair.connect();
    let stream = pair.client.open(client, Dir::Bi).unwrap();
    pair.client.write(client, stream, &mut [Bytes::from_static(b"question")]).unwrap();
    let (_, opened) = pair.until('s', |event| matches!(event, Event::Opened(_)));
    assert_eq!(opened, Event::Opened(stream));
    assert_eq!(read_all(&mut pair, false, server, stream, 8), b"question");
    pair.server.write(server, stream, &mut [Bytes::from_static(b"answer")]).unwrap();
    assert_eq!(read_all(&mut pair, true, client, stream, 6), b"answer");
}

#[test]
fn a_message_larger_than_every_window_arrives_whole_and_in_order() {
    let mut pair = Pair::new(KeyExchange::X25519MlKem768);
    let (server, client) = pair.connect();
    let stream = pair.server.open(server, Dir::Uni).unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 253) as u8).collect();
    let mut rest = [Bytes::from(sent.clone())];
    let mut got = Vec::new();
    let deadline = clock::now() + Duration::from_secs(60);
    while got.len() < sent.len() {
        pair.server.write(server, stream, &mut rest).unwrap();
        pair.turn();
        pair.client.read(client, stream, |bytes| got.extend_from_slice(&bytes));
        assert!(clock::now() < deadline, "only {} bytes", got.len());
    }
    assert!(got == sent);
    let counters = pair.server.counters().socket;
    assert!(counters.packets_sent > 4 * counters.send_calls, "bulk leaves in trains");
}

/// So many connections with a stream to each member, and nothing of the handshakes on the way.
fn audience(members: usize) -> (Pair, Vec<(ConnectionId, StreamId)>) {
    let mut pair = Pair::new(KeyExchange::X25519);
    let mut streams = Vec::new();
    for _ in 0..members {
        let (server, _) = pair.connect();
        streams.push((server, pair.server.open(server, Dir::Uni).unwrap()));
    }
    for _ in 0..20 {
        pair.turn();
        pair.ahead += Duration::from_millis(20);
    }
    (pair, streams)
}

fn bytes_sent(pair: &Pair) -> usize {
    usize::try_from(pair.server.counters().socket.packets_sent).unwrap() * usize::from(MTU_BYTES)
}

#[test]
fn a_short_message_leaves_in_the_turn_in_which_long_ones_only_begin() {
    let (mut pair, mut streams) = audience(121);
    let (short, to_short) = streams.pop().unwrap();
    let long = Bytes::from(vec![7; 200_000]);
    for (id, stream) in &streams {
        pair.server.write(*id, *stream, &mut [long.clone()]).unwrap();
    }
    pair.server.write(short, to_short, &mut [Bytes::from_static(b"short")]).unwrap();
    let before = bytes_sent(&pair);
    pair.server.transmit(clock::now() + pair.ahead).unwrap();
    let sent = bytes_sent(&pair) - before;
    assert!(sent < BULK_BYTES_PER_TURN + 100_000, "{sent} bytes in one turn");
    assert!(pair.server.is_busy(), "the others are still to come");
    // Whatever the members read now left in that turn.
    let now = clock::now() + pair.ahead;
    let mut heard = Vec::new();
    while pair.client.receive(now).unwrap() > 0 {
        while let Some((id, event)) = pair.client.poll() {
            if let Event::Readable(stream) = event {
                pair.client.read(id, stream, |bytes| heard.push(bytes));
            }
        }
    }
    assert!(heard.iter().any(|bytes| bytes == "short".as_bytes()));
}

#[test]
fn what_is_on_the_way_is_bounded_and_who_never_acknowledges_does_not_count_for_long() {
    let (mut pair, streams) = audience(500);
    let long = Bytes::from(vec![7; 200_000]);
    for (id, stream) in &streams {
        pair.server.write(*id, *stream, &mut [long.clone()]).unwrap();
    }
    let before = bytes_sent(&pair);
    // Nobody reads, so nobody acknowledges.
    let now = clock::now() + pair.ahead;
    (0..50).for_each(|_| pair.server.transmit(now).unwrap());
    let first = bytes_sent(&pair) - before;
    assert!(first >= BULK_BYTES_DUE_MAX / 2, "only {first} bytes");
    assert!(first < BULK_BYTES_DUE_MAX + 100_000, "{first} bytes are on the way");
    (0..50).for_each(|_| pair.server.transmit(now + Duration::from_secs(1)).unwrap());
    let second = bytes_sent(&pair) - before - first;
    assert!(second > 500_000, "only {second} bytes more: the overdue hold up the others");
}

#[test]
fn a_certificate_other_than_the_pinned_one_is_refused() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let other = Identity::self_signed().unwrap().fingerprint();
    let trust = Trust { fingerprint: other, key_exchange: KeyExchange::X25519, resumption: false };
    pair.client = Driver::client(Ipv4Addr::LOCALHOST.into(), 1, trust).unwrap();
    let to = pair.server.local_address().unwrap();
    pair.client.connect(clock::now(), to).unwrap();
    let (_, lost) = pair.until('c', |event| matches!(event, Event::Lost(_)));
    assert_eq!(lost, Event::Lost(Lost::WrongCertificate));
}

#[test]
fn a_close_reaches_the_peer_with_code_and_reason_and_frees_the_slot() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, _) = pair.connect();
    pair.server.close(clock::now(), server, 7, "enough");
    let (_, lost) = pair.until('c', |event| matches!(event, Event::Lost(_)));
    assert_eq!(lost, Event::Lost(Lost::Closed { code: 7, reason: "enough".into() }));
    let deadline = clock::now() + Duration::from_secs(20);
    while pair.server.open_connections() + pair.client.open_connections() > 0 {
        assert!(clock::now() < deadline, "a drained connection stays");
        pair.turn();
        pair.server.wait(clock::now(), Some(clock::now() + Duration::from_millis(5)), None);
    }
    assert_eq!(
        pair.server.write(server, StreamId::from(quinn_proto::VarInt::from_u32(3)), &mut []),
        None
    );
}

#[test]
fn a_peer_cannot_open_more_streams_than_it_is_granted() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, client) = pair.connect();
    let opened = std::iter::from_fn(|| pair.client.open(client, Dir::Bi)).count();
    assert_eq!(opened, crate::limits::STREAMS_INITIAL as usize);
    pair.server.grant_streams(server, 5);
    pair.until('c', |event| *event == Event::Available(Dir::Bi));
    assert_eq!(std::iter::from_fn(|| pair.client.open(client, Dir::Bi)).count(), 3);
}

#[test]
fn a_connection_on_which_nothing_happens_for_minutes_stays() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, client) = pair.connect();
    for _ in 0..30 {
        pair.ahead += Duration::from_secs(10);
        for _ in 0..20 {
            pair.turn();
        }
    }
    assert!(pair.server.is_open(server) && pair.client.is_open(client), "{:?}", pair.events);
}

#[test]
fn garbage_datagrams_change_nothing_for_a_connection() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, client) = pair.connect();
    let to = pair.server.local_address().unwrap();
    let hostile = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..1_400_usize {
        let noise: Vec<u8> = (0..length).map(|n| (n * 31 % 256).to_le_bytes()[0]).collect();
        hostile.send_to(&noise, to).unwrap();
        pair.turn();
    }
    let stream = pair.client.open(client, Dir::Bi).unwrap();
    pair.client.write(client, stream, &mut [Bytes::from_static(b"still here")]).unwrap();
    assert_eq!(read_all(&mut pair, false, server, stream, 10), b"still here");
}

/// Handshakes that either side counts as resumed, which must be as many.
fn resumed(pair: &Pair) -> u64 {
    let both = [&pair.server, &pair.client].map(|driver| driver.counters().resumed);
    assert_eq!(both[0], both[1]);
    both[0]
}

/// Exchanges something, so that what the server sends after the handshake has come.
fn talk(pair: &mut Pair, (server, client): (ConnectionId, ConnectionId)) {
    let stream = pair.client.open(client, Dir::Bi).unwrap();
    for side in ['s', 'c'] {
        pair.events.retain(|(of, ..)| *of != side);
    }
    pair.client.write(client, stream, &mut [Bytes::from_static(b"?")]).unwrap();
    assert_eq!(read_all(pair, false, server, stream, 1), b"?");
    pair.server.write(server, stream, &mut [Bytes::from_static(b"!")]).unwrap();
    assert_eq!(read_all(pair, true, client, stream, 1), b"!");
}

#[test]
fn who_comes_back_resumes_with_a_ticket_and_gets_the_next() {
    for key_exchange in [KeyExchange::X25519, KeyExchange::X25519MlKem768] {
        let identity = Identity::self_signed().unwrap();
        let mut pair = Pair::of(&identity, key_exchange, true, Admission::default());
        for _ in 0..2 {
            let both = pair.connect();
            talk(&mut pair, both);
            assert_eq!(resumed(&pair), 0, "a first connection pays the full price");
        }
        // Two tickets were given out; each that is used brings the next.
        for expected in 1..=3 {
            let both = pair.reconnect();
            assert_eq!(resumed(&pair), expected);
            talk(&mut pair, both);
        }
        assert_eq!(pair.client.counters().handshakes, 5);
    }
}

#[test]
fn who_keeps_no_tickets_comes_back_at_the_full_price() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let both = pair.connect();
    talk(&mut pair, both);
    pair.reconnect();
    assert_eq!((resumed(&pair), pair.client.counters().handshakes), (0, 2));
}

#[test]
fn a_ticket_of_a_server_that_started_anew_costs_a_full_handshake_and_nothing_else() {
    let text = IdentityPem::self_signed().unwrap();
    let identity = || Identity::from_pem(text.certificate.as_bytes(), text.key.as_bytes()).unwrap();
    let mut pair = Pair::of(&identity(), KeyExchange::X25519, true, Admission::default());
    let both = pair.connect();
    talk(&mut pair, both);
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    pair.server = Driver::server(bound, &identity(), Admission::default()).unwrap();
    let both = pair.reconnect();
    talk(&mut pair, both);
    assert_eq!((resumed(&pair), pair.client.counters().handshakes), (0, 2));
}

/// So many handshakes that are begun and never gone on with, each from a port of its own.
fn half_open(pair: &mut Pair, count: usize) -> Driver {
    let (fingerprint, key_exchange) = (Fingerprint([0; 32]), KeyExchange::X25519);
    let trust = Trust { fingerprint, key_exchange, resumption: false };
    let mut silent = Driver::client(Ipv4Addr::LOCALHOST.into(), count, trust).unwrap();
    let to = pair.server.local_address().unwrap();
    for _ in 0..count {
        silent.connect(clock::now(), to).unwrap();
    }
    silent.transmit(clock::now()).unwrap();
    let arrived = |pair: &Pair| {
        let counters = pair.server.counters();
        pair.server.open_connections() as u64 + counters.refused + counters.address_proofs
    };
    let (before, deadline) = (arrived(pair), clock::now() + Duration::from_secs(20));
    while arrived(pair) < before + count as u64 {
        assert!(clock::now() < deadline, "first packets arrive");
        pair.turn();
    }
    silent
}

#[test]
fn a_handshake_that_does_not_end_in_time_leaves_nothing_behind() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let _silent = half_open(&mut pair, 40);
    let (server, client) = pair.connect();
    assert_eq!(pair.server.open_connections(), 41);
    pair.ahead += HANDSHAKE_MAX + Duration::from_secs(1);
    pair.turn();
    assert_eq!(pair.server.counters().handshakes_expired, 40);
    assert_eq!(pair.server.open_connections(), 1);
    assert!(pair.server.is_open(server) && pair.client.is_open(client));
}

#[test]
fn under_pressure_a_client_proves_its_address_and_who_does_not_takes_no_place() {
    let admission = Admission { handshakes_unvalidated_max: 4, ..Admission::default() };
    let mut pair = Pair::within(KeyExchange::X25519, admission);
    let _silent = half_open(&mut pair, 20);
    assert_eq!(pair.server.open_connections(), 4);
    assert_eq!(pair.server.counters().address_proofs, 16);
    let (server, client) = pair.connect();
    assert!(pair.server.is_open(server) && pair.client.is_open(client));
    assert_eq!(pair.server.counters().address_proofs, 17);
}

#[test]
fn a_network_that_has_all_its_places_is_refused_until_one_is_free() {
    let admission = Admission {
        connections_per_network_max: 2,
        loopback_is_a_network: true,
        ..Admission::default()
    };
    let mut pair = Pair::within(KeyExchange::X25519, admission);
    let (_, first) = pair.connect();
    pair.connect();
    let to = pair.server.local_address().unwrap();
    pair.client.connect(clock::now(), to).unwrap();
    let (_, lost) = pair.until('c', |event| matches!(event, Event::Lost(_)));
    assert!(matches!(lost, Event::Lost(Lost::Failed(_))), "{lost:?}");
    assert_eq!(pair.server.counters().refused, 1);
    pair.client.close(clock::now(), first, 0, "");
    pair.until('s', |event| matches!(event, Event::Lost(_)));
    while pair.server.open_connections() > 1 {
        pair.ahead += Duration::from_secs(1);
        pair.turn();
    }
    pair.connect();
}

#[test]
fn a_stranger_can_fill_little_before_it_is_trusted() {
    let mut pair = Pair::new(KeyExchange::X25519);
    let (server, client) = pair.connect();
    let stream = pair.client.open(client, Dir::Bi).unwrap();
    let mut rest = [Bytes::from(vec![7; 2 * SERVICE_WINDOW_BYTES as usize])];
    let mut taken = |pair: &mut Pair| {
        for _ in 0..300 {
            pair.client.write(client, stream, &mut rest);
            pair.turn();
            pair.server.wait(clock::now(), Some(clock::now() + Duration::from_millis(1)), None);
        }
        2 * SERVICE_WINDOW_BYTES as usize - rest[0].len()
    };
    assert_eq!(taken(&mut pair), STRANGER_WINDOW_BYTES as usize);
    pair.server.trust(server);
    assert_eq!(taken(&mut pair), SERVICE_WINDOW_BYTES as usize);
    let mut read = 0;
    let readable = pair.server.read_up_to(server, stream, 1_000, |bytes| read += bytes.len());
    assert_eq!((readable, read), (Readable::More, 1_000));
}

#[test]
fn what_finds_no_room_in_a_sockets_buffer_is_counted() {
    let bound = Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let (address, buffer) = (bound.address().unwrap(), bound.buffer_bytes());
    let mut socket = Socket::new(bound);
    let sender = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sent = 2 * buffer / 1_000 + 1;
    let mut received = 0;
    let mut take_all = |socket: &mut Socket| {
        while socket.receive(|_, _| received += 1).unwrap().0 > 0 {}
    };
    for _ in 0..sent {
        sender.send_to(&[0; 1_000], address).unwrap();
    }
    take_all(&mut socket);
    // It is told with a datagram that came after it.
    sender.send_to(&[0; 1_000], address).unwrap();
    take_all(&mut socket);
    let drops = usize::try_from(socket.counters.receive_drops).unwrap();
    assert!(drops > 0);
    assert_eq!(received + drops, sent + 1);
}
