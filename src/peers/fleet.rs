//! All members of a peer that speaks TCP: one thread, one epoll, one read buffer.
//!
//! As lean as our own client has to be: no task, no lock, no buffer for each connection, no copy of
//! a body. A member has a connection of its own, and so has the publisher. Called by `contest`
//! through [`Link`].

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{setsockopt, sockopt};
use rustls::ClientConfig;

use super::fault::Fault;
use super::ledger::Ledger;
use super::link::{Link, Patience, Sealing};
use super::text::{Grammar, Text, Told};
use super::tls::Session;
use crate::clock;
use crate::limits::{CONNECTING_MAX, PEER_LINE_BYTES_MAX, PEER_READ_BYTES, SETUP_SILENCE_MAX};

/// Connections that are looked at between two sleeps.
const EVENTS: usize = 64;

/// How long a turn sleeps when nothing comes.
const NAP_MS: u8 = 20;

/// Members and the publisher of one peer.
pub(super) struct Fleet<G> {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    members: usize,
    /// Member by member, then the publisher.
    peers: Vec<Peer<G>>,
    ready: usize,
    /// Whether the publisher's socket has to say when it takes more.
    blocked: bool,
    command: Vec<u8>,
}

#[derive(Debug)]
struct Peer<G> {
    stream: TcpStream,
    tls: Session,
    text: Text<G>,
    greeted: bool,
}

impl<G> std::fmt::Debug for Fleet<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<G: Grammar> Fleet<G> {
    /// Members that are not connected yet.
    pub(super) fn new(
        address: SocketAddr,
        config: ClientConfig,
        members: usize,
    ) -> Result<Self, Fault> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(refused("epoll"))?;
        Ok(Self {
            address,
            config: Arc::new(config),
            epoll,
            events: vec![EpollEvent::empty(); EVENTS],
            buffer: vec![0; PEER_READ_BYTES],
            members,
            peers: Vec::new(),
            ready: 0,
            blocked: false,
            command: Vec::new(),
        })
    }

    fn open(&mut self) -> Result<(), Fault> {
        let index = self.peers.len();
        let failed = |error: std::io::Error| {
            Fault::Environment(format!(
                "cannot connect member {index} to {}: {error}; `ulimit -n` bounds how many can be",
                self.address
            ))
        };
        let mut stream = TcpStream::connect(self.address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if G::GREETS_IN_THE_CLEAR {
            hear_greeting(&stream).map_err(failed)?;
        }
        stream.set_nonblocking(true).map_err(failed)?;
        let mut tls = Session::start(self.config.clone())?;
        // A handshake's first message is far smaller than an empty socket's buffer.
        tls.flush(&mut stream)?;
        let interest = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        self.epoll.add(&stream, interest).map_err(refused("epoll"))?;
        self.peers.push(Peer { stream, tls, text: Text::default(), greeted: false });
        Ok(())
    }

    /// One connection that has something, or takes more.
    fn look_at(
        &mut self,
        index: usize,
        flags: EpollFlags,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), Fault> {
        if flags.contains(EpollFlags::EPOLLOUT) {
            self.flush_publisher()?;
        }
        // Whatever else it is, the end of the connection too, is found out by reading.
        if flags == EpollFlags::EPOLLOUT { Ok(()) } else { self.read(index, ledger) }
    }

    /// Reads once from one connection.
    fn read(&mut self, index: usize, ledger: &mut Ledger<'_>) -> Result<(), Fault> {
        let Self { peers, buffer, ready, members, .. } = self;
        let Peer { stream, tls, text, greeted } = &mut peers[index];
        let now = clock::now();
        let mut pings = 0;
        tls.receive(stream, buffer, |plain| {
            text.take(plain, |told| {
                match told {
                    Told::Ready => *ready += 1,
                    Told::Ping => pings += 1,
                    // The publisher is subscribed to nothing.
                    _ if index >= *members => {
                        return Err(Fault::Malformed("a message for the publisher".into()));
                    }
                    Told::Body(length) => ledger.begin(index, length),
                    Told::Part(bytes) => ledger.part(index, bytes),
                    Told::End => return ledger.end(now, index),
                }
                Ok(())
            })
        })?;
        for _ in 0..pings {
            tls.send(G::pong())?;
        }
        if !*greeted && tls.is_up() {
            *greeted = true;
            tls.send(if index < *members { G::subscribe() } else { G::introduce() })?;
        }
        tls.flush(stream).map(drop)
    }

    /// Writes what the publisher has to say, and has its socket tell when it takes the rest.
    fn flush_publisher(&mut self) -> Result<(), Fault> {
        let Peer { stream, tls, .. } = &mut self.peers[self.members];
        let blocked = !tls.flush(stream)?;
        if blocked != self.blocked {
            let mut interest = EpollFlags::EPOLLIN;
            interest.set(EpollFlags::EPOLLOUT, blocked);
            let mut event = EpollEvent::new(interest, self.members as u64);
            self.epoll.modify(&*stream, &mut event).map_err(refused("epoll"))?;
            self.blocked = blocked;
        }
        Ok(())
    }
}

impl<G: Grammar> Link for Fleet<G> {
    fn connect(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Fault> {
        let total = self.members + 1;
        let mut patience = Patience::new("connecting", total, SETUP_SILENCE_MAX);
        while self.ready < total {
            while self.peers.len() < total
                && self.peers.len() - self.ready < CONNECTING_MAX as usize
            {
                self.open()?;
            }
            self.turn(ledger)?;
            patience.check(clock::now(), self.ready)?;
        }
        Ok(())
    }

    fn disconnect(&mut self) {
        for peer in self.peers.drain(..) {
            // Reset: thousands of connections would linger and hold their ports. What cannot be
            // set is closed in the ordinary way.
            setsockopt(
                &peer.stream,
                sockopt::Linger,
                &nix::libc::linger { l_onoff: 1, l_linger: 0 },
            )
            .ok();
        }
        self.ready = 0;
        self.blocked = false;
    }

    fn rewind(&mut self, _: &mut Ledger<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn publish(&mut self, body: &Bytes) -> Result<(), Fault> {
        self.command.extend_from_slice(G::publish(body.len()).as_bytes());
        self.command.extend_from_slice(body);
        self.command.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), Fault> {
        self.peers[self.members].tls.send(&self.command)?;
        self.command.clear();
        self.flush_publisher()
    }

    fn turn(&mut self, ledger: &mut Ledger<'_>) -> Result<bool, Fault> {
        let mut events = std::mem::take(&mut self.events);
        let woken = match self.epoll.wait(&mut events, EpollTimeout::from(NAP_MS)) {
            Ok(woken) => woken,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(refused("epoll")(errno)),
        };
        let outcome = events[..woken].iter().try_for_each(|event| {
            let index = usize::try_from(event.data()).expect("an index of ours");
            self.look_at(index, event.events(), ledger).map_err(|fault| of_member(index, fault))
        });
        self.events = events;
        outcome.map(|()| woken > 0)
    }

    fn sealing(&self) -> Sealing {
        let negotiated = self.peers.first().and_then(|peer| peer.tls.negotiated());
        let (cipher_suite, key_exchange) = negotiated.unzip();
        Sealing { cipher_suite, key_exchange }
    }
}

/// The line that a server sends before TLS begins; it sends nothing more until it has an answer.
fn hear_greeting(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = Vec::new();
    let bounded = stream.take(PEER_LINE_BYTES_MAX as u64);
    BufReader::new(bounded).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

fn refused(what: &'static str) -> impl Fn(nix::errno::Errno) -> Fault {
    move |errno| Fault::Environment(format!("{what}: {}", std::io::Error::from(errno)))
}

/// A connection's fault, with whose connection it is.
fn of_member(member: usize, fault: Fault) -> Fault {
    match fault {
        Fault::Closed { why, .. } => Fault::Closed { member, why },
        other => other,
    }
}
