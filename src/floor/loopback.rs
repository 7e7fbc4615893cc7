//! What handing a UDP packet to the kernel costs, one by one, in batches, in trains.
//!
//! One socket sends to many, over loopback: the kernel delivers within the sender's call, so the
//! sender is charged for half of receiving too. A thread on another core empties the receivers. One
//! sweep over the receivers is on its way at a time, so nothing overflows; what is lost all the
//! same is counted.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, sendmsg, setsockopt, sockopt,
};

use super::error::Error;
use super::spread::Spread;
use crate::clock;
use crate::limits::{
    BATCH_DATAGRAMS_MAX, DESCRIPTORS_SPARED, FLOOR_RECEIVERS_MAX, FLOOR_ROUNDS, FLOOR_SILENCE_MAX,
    FLOOR_SWEEP_MAX, MTU_BYTES, TRAIN_BYTES_MAX, TRAIN_PACKETS_MAX,
};
use crate::process;

/// Bytes of a packet that is not part of a train.
const PACKET_BYTES: usize = 400;

/// How packets are handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Each by a `sendmsg` of its own.
    OneByOne,
    /// [`BATCH_DATAGRAMS_MAX`] by one `sendmmsg`, each to another receiver.
    Batched,
    /// Trains of [`TRAIN_PACKETS_MAX`] full packets (GSO), one `sendmsg` for each.
    Trains,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OneByOne, Self::Batched, Self::Trains];

    /// Bytes of one packet.
    #[must_use]
    pub fn packet_bytes(self) -> usize {
        if self == Self::Trains { MTU_BYTES as usize } else { PACKET_BYTES }
    }

    /// Packets for each receiver in a sweep.
    fn packets(self) -> usize {
        if self == Self::Trains { TRAIN_PACKETS_MAX } else { 1 }
    }
}

/// Sending in one manner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sending {
    /// How.
    pub manner: Manner,
    /// To how many sockets in turn. Fewer than asked for if the process may not open that many.
    pub receivers: u32,
    /// Processor time of the sending thread for one packet, in microseconds.
    pub cpu_us_per_packet: Spread,
    /// Packets sent.
    pub packets: u64,
    /// Packets of those that never arrived. With any, the figure is of something else.
    pub lost: u64,
}

/// Sends in every manner for `budget` in all, to `receivers` sockets: 1 to
/// [`FLOOR_RECEIVERS_MAX`], or as many as this process may open. Raises the limit on them as far
/// as it is allowed to. Each socket costs the kernel a few KiB.
///
/// # Errors
/// When the number is out of range, or sockets or a thread cannot be had.
pub fn send(receivers: u32, budget: Duration) -> Result<Vec<Sending>, Error> {
    check_receivers(receivers)?;
    let sockets = open(receivers)?;
    let mut addresses = Vec::with_capacity(sockets.len());
    for socket in &sockets {
        addresses.push(address_of(socket).map_err(Error::Socket)?);
    }
    let sender = bind().map_err(Error::Socket)?;
    let (received, stop) = (&AtomicU64::new(0), &AtomicBool::new(false));
    let two_cores = process::cores() > 1;
    std::thread::scope(|scope| {
        let receiving = std::thread::Builder::new().name("floor-receivers".into());
        let receiving = receiving.spawn_scoped(scope, move || {
            let apart = two_cores && process::pin_to_core(1);
            drain(&sockets, received, stop, apart);
        });
        receiving.map_err(Error::Thread)?;
        let sending = std::thread::Builder::new().name("floor-sender".into());
        let sending = sending.spawn_scoped(scope, move || {
            let _stop = StopAtEnd(stop);
            if two_cores {
                process::pin_to_core(0);
            }
            let mut sender = Sender::new(sender, addresses, received);
            let part = budget / u32::try_from(Manner::ALL.len()).unwrap_or(1);
            let each = Manner::ALL.into_iter().map(|manner| sender.measure(manner, part));
            each.collect::<Result<Vec<_>, _>>()
        });
        let sending = sending.map_err(|error| {
            stop.store(true, Ordering::Release);
            Error::Thread(error)
        })?;
        sending.join().expect("a sender that fails says why")
    })
}

/// Whether sending to so many sockets can be measured at all.
///
/// # Errors
/// When the number is out of range.
pub fn check_receivers(receivers: u32) -> Result<(), Error> {
    let possible = (1..=FLOOR_RECEIVERS_MAX).contains(&receivers);
    if possible { Ok(()) } else { Err(Error::Receivers(receivers)) }
}

/// However sending ends, the receivers do not wait for it.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// So many receivers as asked for, or as may be opened.
fn open(receivers: u32) -> Result<Vec<UdpSocket>, Error> {
    let allowed = process::raise_descriptor_limit().saturating_sub(DESCRIPTORS_SPARED);
    let wanted = usize::try_from(allowed).unwrap_or(usize::MAX).min(receivers as usize);
    let mut sockets = Vec::with_capacity(wanted);
    while sockets.len() < wanted {
        match bind() {
            Ok(socket) => sockets.push(socket),
            Err(error) if sockets.is_empty() => return Err(Error::Socket(error)),
            Err(_) => break,
        }
    }
    if sockets.is_empty() { Err(Error::Descriptors) } else { Ok(sockets) }
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    // Without GRO the sender's kernel would cut every train up.
    setsockopt(&socket, sockopt::UdpGroSegment, &true).ok();
    Ok(socket)
}

fn address_of(socket: &UdpSocket) -> io::Result<SockaddrIn> {
    let address = socket.local_addr()?;
    Ok(SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port())))
}

/// Empties the sockets, one after another, without sleeping: waking it would be charged to the
/// sender.
fn drain(sockets: &[UdpSocket], received: &AtomicU64, stop: &AtomicBool, apart: bool) {
    let mut buffer = vec![0; TRAIN_BYTES_MAX];
    while !stop.load(Ordering::Acquire) {
        let mut packets = 0;
        for socket in sockets {
            while let Ok(bytes) = socket.recv(&mut buffer) {
                let each = if bytes > PACKET_BYTES { MTU_BYTES as usize } else { PACKET_BYTES };
                packets += bytes.div_ceil(each) as u64;
            }
        }
        if packets > 0 {
            received.fetch_add(packets, Ordering::Release);
        } else if !apart {
            std::thread::yield_now();
        }
    }
}

struct Sender<'a> {
    socket: UdpSocket,
    receivers: Vec<SockaddrIn>,
    /// The same, as the batch call wants them.
    destinations: Vec<Option<SockaddrIn>>,
    bytes: Vec<u8>,
    headers: MultiHeaders<SockaddrIn>,
    received: &'a AtomicU64,
    sent: u64,
    lost: u64,
}

impl<'a> Sender<'a> {
    fn new(socket: UdpSocket, receivers: Vec<SockaddrIn>, received: &'a AtomicU64) -> Self {
        let destinations = receivers.iter().copied().map(Some).collect();
        Self {
            socket,
            receivers,
            destinations,
            bytes: vec![0; TRAIN_BYTES_MAX],
            headers: MultiHeaders::preallocate(BATCH_DATAGRAMS_MAX, None),
            received,
            sent: 0,
            lost: 0,
        }
    }

    fn measure(&mut self, manner: Manner, budget: Duration) -> Result<Sending, Error> {
        let (sent, lost) = (self.sent, self.lost);
        self.sweep(manner)?;
        let mut rounds = Vec::new();
        for _ in 0..FLOOR_ROUNDS {
            let (before, until) = (self.sent, clock::now() + budget / FLOOR_ROUNDS);
            let mut cpu = Duration::ZERO;
            loop {
                cpu += self.sweep(manner)?;
                if clock::now() >= until {
                    break;
                }
            }
            rounds.push(cpu.as_secs_f64() * 1e6 / (self.sent - before) as f64);
        }
        Ok(Sending {
            manner,
            receivers: u32::try_from(self.receivers.len()).unwrap_or(u32::MAX),
            cpu_us_per_packet: Spread::of(rounds).unwrap_or_default(),
            packets: self.sent - sent,
            lost: self.lost - lost,
        })
    }

    /// To every receiver once; the processor time of sending alone.
    fn sweep(&mut self, manner: Manner) -> Result<Duration, Error> {
        let mut cpu = Duration::ZERO;
        for start in (0..self.receivers.len()).step_by(FLOOR_SWEEP_MAX) {
            let end = self.receivers.len().min(start + FLOOR_SWEEP_MAX);
            let before = process::thread_cpu();
            match manner {
                Manner::OneByOne | Manner::Trains => self.one_by_one(manner, start, end)?,
                Manner::Batched => self.batched(start, end)?,
            }
            cpu += process::thread_cpu().saturating_sub(before);
            self.sent += ((end - start) * manner.packets()) as u64;
            self.settle();
        }
        Ok(cpu)
    }

    fn one_by_one(&self, manner: Manner, start: usize, end: usize) -> Result<(), Error> {
        let payload = [IoSlice::new(&self.bytes[..manner.packets() * manner.packet_bytes()])];
        let segments = [ControlMessage::UdpGsoSegments(&MTU_BYTES)];
        let control = if manner == Manner::Trains { &segments[..] } else { &[] };
        let fd = self.socket.as_raw_fd();
        for receiver in &self.receivers[start..end] {
            again(|| sendmsg(fd, &payload, control, MsgFlags::empty(), Some(receiver)))?;
        }
        Ok(())
    }

    fn batched(&mut self, start: usize, end: usize) -> Result<(), Error> {
        let payload = [[IoSlice::new(&self.bytes[..PACKET_BYTES])]; BATCH_DATAGRAMS_MAX];
        let fd = self.socket.as_raw_fd();
        let mut next = start;
        while next < end {
            let batch = &self.destinations[next..end.min(next + BATCH_DATAGRAMS_MAX)];
            let (headers, slices) = (&mut self.headers, &payload[..batch.len()]);
            let flags = MsgFlags::empty();
            next += again(|| Ok(sendmmsg(fd, headers, slices, batch, [], flags)?.count()))?;
        }
        Ok(())
    }

    /// Waits until the sweep has arrived, or nothing more of it comes.
    fn settle(&mut self) {
        let mut last = self.received.load(Ordering::Acquire);
        let mut until = clock::now() + FLOOR_SILENCE_MAX;
        while last + self.lost < self.sent {
            std::thread::yield_now();
            let received = self.received.load(Ordering::Acquire);
            let now = clock::now();
            if received > last {
                (last, until) = (received, now + FLOOR_SILENCE_MAX);
            } else if now >= until {
                self.lost = self.sent - received;
            }
        }
    }
}

/// Until the kernel takes it: the sender's own buffer may be full for a moment.
fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> Result<T, Error> {
    loop {
        match call() {
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => std::thread::yield_now(),
            other => return other.map_err(|errno| Error::Socket(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manner_reaches_every_receiver_without_a_loss() {
        let found = send(70, Duration::ZERO).unwrap();
        let sweeps = u64::from(FLOOR_ROUNDS) + 1;
        for (one, packets) in found.iter().zip([70, 70, 70 * TRAIN_PACKETS_MAX as u64]) {
            assert_eq!(
                (one.receivers, one.packets, one.lost),
                (70, sweeps * packets, 0),
                "{one:?}"
            );
        }
        assert_eq!(found.len(), Manner::ALL.len());
    }

    #[test]
    fn packets_that_nobody_takes_are_counted_as_lost() {
        let received = AtomicU64::new(0);
        let nobody = bind().unwrap();
        let receivers = vec![address_of(&nobody).unwrap(); 3];
        let mut sender = Sender::new(bind().unwrap(), receivers, &received);
        sender.sweep(Manner::Batched).unwrap();
        assert_eq!((sender.sent, sender.lost), (3, 3));
    }

    #[test]
    fn a_number_of_receivers_out_of_range_is_refused_in_one_line() {
        for receivers in [0, FLOOR_RECEIVERS_MAX + 1] {
            let line = send(receivers, Duration::ZERO).unwrap_err().to_string();
            assert!(line.starts_with(&format!("{receivers} receiving sockets ")), "{line}");
        }
    }
}
