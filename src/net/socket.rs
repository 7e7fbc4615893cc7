//! One UDP socket, read and written in batches.
//!
//! `recvmmsg` and `sendmmsg` move up to [`BATCH_DATAGRAMS_MAX`] messages a call; a train of equal
//! packets for one destination is one message (GSO), and one that arrives as a train is taken
//! apart here (GRO). Knows nothing of QUIC. Called by [`super::driver`], and by
//! `floor`, which measures what the same socket costs without QUIC.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use bytes::BytesMut;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, getsockopt,
    recvmmsg, sendmmsg, setsockopt, sockopt,
};

use super::error::Error;
use crate::limits::{
    BATCH_DATAGRAMS_MAX, SEND_BATCH_BYTES_MAX, SOCKET_BUFFER_BYTES, TRAIN_BYTES_MAX,
    TRAIN_PACKETS_MAX,
};

/// What the socket did, for packets and system calls per delivery.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketCounters {
    /// UDP datagrams sent, each segment of a train counted.
    pub packets_sent: u64,
    /// UDP datagrams received, each segment of a train counted.
    pub packets_received: u64,
    /// `sendmmsg` calls.
    pub send_calls: u64,
    /// `recvmmsg` calls, those that found nothing included.
    pub receive_calls: u64,
    /// Times the kernel's send buffer was full and the driver waited.
    pub send_would_block: u64,
    /// Datagrams the kernel refused; QUIC sees them as lost.
    pub send_errors: u64,
    /// Receives that the kernel dropped because the socket's buffer was full: a train counts once.
    /// Told with the next datagram that did fit.
    pub receive_drops: u64,
}

impl SocketCounters {
    pub(super) fn add(&mut self, other: &Self) {
        self.packets_sent += other.packets_sent;
        self.packets_received += other.packets_received;
        self.send_calls += other.send_calls;
        self.receive_calls += other.receive_calls;
        self.send_would_block += other.send_would_block;
        self.send_errors += other.send_errors;
        self.receive_drops += other.receive_drops;
    }
}

/// A datagram, or a train of them, waiting in the current batch.
#[derive(Debug)]
struct Pending {
    bytes: Held,
    packets: u64,
}

/// Where the bytes of a pending message are.
#[derive(Debug)]
enum Held {
    /// Copied behind each other: short ones stay together in the cache.
    Copied(Range<usize>),
    /// In a buffer of its own, which the caller gave for another one.
    Taken(Vec<u8>),
}

/// Longest message that is copied; a longer one keeps its buffer.
const COPIED_MAX: usize = 2_048;

/// A non-blocking UDP socket with its batches.
pub(crate) struct Socket {
    socket: UdpSocket,
    buffer_bytes: usize,
    received: Vec<u8>,
    /// Where datagrams are copied to: one allocation for many, reused when all are dropped.
    arena: BytesMut,
    /// Length, sender and segment size of each message of one receive, kept for its capacity.
    messages: Vec<(usize, Option<SocketAddr>, usize)>,
    /// Messages that the next receive takes at most.
    receive_batch: usize,
    /// The copied messages of the send batch.
    bytes: Vec<u8>,
    pending: Vec<Pending>,
    /// Bytes of `pending`.
    pending_bytes: usize,
    /// Empty buffers to give for full ones: as many as a batch has held.
    spare: Vec<Vec<u8>>,
    destinations: Vec<Option<SockaddrStorage>>,
    /// The segment size that every train of the batch has.
    segment: Option<u16>,
    size_max: usize,
    takes_trains: bool,
    /// Receives dropped, as the kernel counts them for this socket.
    drops: u32,
    plain: MultiHeaders<SockaddrStorage>,
    trains: MultiHeaders<SockaddrStorage>,
    pub(crate) counters: SocketCounters,
    /// The driver's datagrams of one receive batch, kept for their capacity.
    pub(super) batch: Vec<(SocketAddr, BytesMut)>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// A bound UDP socket, not yet driven: it can still move to the thread that will.
#[derive(Debug)]
pub struct Bound {
    socket: UdpSocket,
    buffer_bytes: usize,
}

impl Bound {
    /// Binds, makes the buffers large, turns GRO on.
    ///
    /// # Errors
    /// [`Error::Bind`] when the address is taken or not ours.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let bind = |source| Error::Bind { address, source };
        let socket = UdpSocket::bind(address).map_err(bind)?;
        socket.set_nonblocking(true).map_err(bind)?;
        let buffer_bytes = enlarge_buffers(&socket);
        // Without GRO every train is cut up by the kernel first: slower, not wrong.
        setsockopt(&socket, sockopt::UdpGroSegment, &true).ok();
        // Costs nothing before the first drop. A kernel that does not tell is believed to drop none.
        setsockopt(&socket, sockopt::RxqOvfl, &1).ok();
        Ok(Self { socket, buffer_bytes })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// [`Error::Socket`] if the kernel does not say.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        self.socket.local_addr().map_err(Error::Socket)
    }

    /// The smaller of the two buffers, as the kernel granted it.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }
}

impl Socket {
    /// With empty batches, in the thread that will drive it.
    pub(crate) fn new(bound: Bound) -> Self {
        let Bound { socket, buffer_bytes } = bound;
        Self {
            socket,
            buffer_bytes,
            received: vec![0; RECEIVE_STRIDE * BATCH_DATAGRAMS_MAX],
            arena: BytesMut::with_capacity(TRAIN_BYTES_MAX),
            messages: Vec::with_capacity(BATCH_DATAGRAMS_MAX),
            receive_batch: BATCH_DATAGRAMS_MAX,
            bytes: Vec::with_capacity(COPIED_MAX * BATCH_DATAGRAMS_MAX),
            pending: Vec::with_capacity(BATCH_DATAGRAMS_MAX),
            pending_bytes: 0,
            spare: Vec::new(),
            destinations: Vec::with_capacity(BATCH_DATAGRAMS_MAX),
            segment: None,
            size_max: 0,
            takes_trains: true,
            drops: 0,
            plain: MultiHeaders::preallocate(BATCH_DATAGRAMS_MAX, None),
            trains: MultiHeaders::preallocate(BATCH_DATAGRAMS_MAX, Some(nix::cmsg_space!(u16))),
            counters: SocketCounters::default(),
            batch: Vec::new(),
        }
    }

    /// Packets that one message to this socket may hold.
    pub(super) fn train_max(&self) -> usize {
        if self.takes_trains { TRAIN_PACKETS_MAX } else { 1 }
    }

    /// The address it is bound to.
    pub(crate) fn local_address(&self) -> Result<SocketAddr, Error> {
        self.socket.local_addr().map_err(Error::Socket)
    }

    /// The smaller of the two buffers, as the kernel granted it.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Whether the last batch had a train in it that the kernel had not taken apart.
    pub(super) fn took_a_train(&self) -> bool {
        self.messages.iter().any(|(bytes, _, segment)| segment < bytes)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes one batch from the kernel and hands on each datagram; how many there were, and
    /// whether there may be more. Batches get smaller as trains get longer, so that one batch is
    /// never much more than [`BATCH_DATAGRAMS_MAX`] datagrams.
    pub(crate) fn receive(
        &mut self,
        mut datagram: impl FnMut(SocketAddr, BytesMut),
    ) -> Result<(usize, bool), Error> {
        let batch = self.receive_batch;
        self.counters.receive_calls += 1;
        // The kernel shortens a header's control space to what it used: fresh headers each time.
        let space = nix::cmsg_space!(i32, u32);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(batch, Some(space));
        let mut chunks = self.received.chunks_exact_mut(RECEIVE_STRIDE);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH_DATAGRAMS_MAX] = std::array::from_fn(|_| {
            let chunk = chunks.next().expect("there is a buffer for each");
            [IoSliceMut::new(&mut chunk[..TRAIN_BYTES_MAX])]
        });
        let slices = slices[..batch].iter_mut();
        let fd = self.socket.as_raw_fd();
        let results = match recvmmsg(fd, &mut headers, slices, MsgFlags::MSG_DONTWAIT, None) {
            Ok(results) => results,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok((0, false)),
            Err(errno) => return Err(Error::Socket(errno.into())),
        };
        self.messages.clear();
        let mut drops = self.drops;
        self.messages.extend(results.map(|message| {
            let mut segment = None;
            for one in message.cmsgs().into_iter().flatten() {
                match one {
                    ControlMessageOwned::UdpGroSegments(size) => {
                        segment = usize::try_from(size).ok();
                    }
                    ControlMessageOwned::RxqOvfl(so_far) => drops = so_far,
                    _ => {}
                }
            }
            let address = message.address.as_ref().and_then(socket_address);
            (message.bytes, address, segment.unwrap_or(message.bytes).max(1))
        }));
        // The kernel's own count starts anew after 2^32.
        self.counters.receive_drops += u64::from(drops.wrapping_sub(self.drops));
        self.drops = drops;
        let mut datagrams = 0;
        for (index, (bytes, address, segment)) in self.messages.iter().enumerate() {
            datagrams += bytes.div_ceil(*segment);
            let Some(address) = address else { continue };
            let start = index * RECEIVE_STRIDE;
            self.arena.extend_from_slice(&self.received[start..start + bytes]);
            let mut train = self.arena.split();
            while !train.is_empty() {
                self.counters.packets_received += 1;
                let next = train.split_to(train.len().min(*segment));
                datagram(*address, next);
            }
        }
        let train = datagrams.div_ceil(self.messages.len().max(1)).max(1);
        self.receive_batch = (BATCH_DATAGRAMS_MAX / train).max(RECEIVE_BATCH_MIN);
        // An empty datagram is one that was taken, too.
        Ok((datagrams.max(self.messages.len()), self.messages.len() == batch))
    }

    /// Adds a datagram, or a train of `segment`-sized ones, to the batch; sends the batch when it
    /// is full or this one does not fit it. A long one is taken, and `bytes` is another buffer.
    pub(crate) fn send(
        &mut self,
        destination: SocketAddr,
        bytes: &mut Vec<u8>,
        segment: Option<usize>,
    ) -> Result<(), Error> {
        let segment = segment.and_then(|segment| u16::try_from(segment).ok());
        let fits = match (self.segment, segment) {
            (Some(batch), Some(train)) => batch == train,
            (Some(batch), None) => bytes.len() <= usize::from(batch),
            (None, Some(train)) => self.size_max <= usize::from(train),
            (None, None) => true,
        };
        let full = self.pending.len() == BATCH_DATAGRAMS_MAX
            || self.pending_bytes + bytes.len() > SEND_BATCH_BYTES_MAX;
        if full || !fits {
            self.flush()?;
        }
        self.segment = self.segment.or(segment);
        self.size_max = self.size_max.max(bytes.len());
        let packets = segment.map_or(1, |segment| bytes.len().div_ceil(usize::from(segment)));
        let packets = packets as u64;
        self.pending_bytes += bytes.len();
        let held = if bytes.len() <= COPIED_MAX {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            Held::Copied(start..self.bytes.len())
        } else {
            Held::Taken(std::mem::replace(bytes, self.spare.pop().unwrap_or_default()))
        };
        self.pending.push(Pending { bytes: held, packets });
        self.destinations.push(Some(destination.into()));
        Ok(())
    }

    /// Sends the batch. When the kernel takes no more, waits until it does: the batch is the only
    /// queue there is.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let mut done = 0;
        while done < self.pending.len() {
            match self.send_from(done) {
                Ok(sent) => done += sent,
                Err(Errno::EAGAIN) => {
                    self.counters.send_would_block += 1;
                    self.wait_writable();
                }
                Err(Errno::EINTR) => {}
                Err(errno) if is_fatal(errno) => return Err(Error::Socket(errno.into())),
                Err(errno) => {
                    // A path that cannot take trains refuses each of them: no more are made. What is
                    // wrong with one destination says nothing of the others.
                    let refuses_trains = matches!(errno, Errno::EIO | Errno::EINVAL);
                    self.takes_trains &= !(refuses_trains && self.pending[done].packets > 1);
                    self.counters.send_errors += 1;
                    done += 1;
                }
            }
        }
        for done in self.pending.drain(..) {
            if let Held::Taken(mut buffer) = done.bytes {
                buffer.clear();
                self.spare.push(buffer);
            }
        }
        self.destinations.clear();
        self.bytes.clear();
        self.pending_bytes = 0;
        self.segment = None;
        self.size_max = 0;
        Ok(())
    }

    fn send_from(&mut self, first: usize) -> Result<usize, Errno> {
        let pending = &self.pending[first..];
        let mut slices: [[IoSlice<'_>; 1]; BATCH_DATAGRAMS_MAX] =
            std::array::from_fn(|_| [IoSlice::new(&[])]);
        for (slice, one) in slices.iter_mut().zip(pending) {
            *slice = [IoSlice::new(match &one.bytes {
                Held::Copied(place) => &self.bytes[place.clone()],
                Held::Taken(buffer) => buffer,
            })];
        }
        let slices = &slices[..pending.len()];
        let destinations = &self.destinations[first..];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match &self.segment {
            None => sendmmsg(fd, &mut self.plain, slices, destinations, [], flags)?.count(),
            Some(segment) => {
                let train = [ControlMessage::UdpGsoSegments(segment)];
                sendmmsg(fd, &mut self.trains, slices, destinations, train, flags)?.count()
            }
        };
        self.counters.send_calls += 1;
        self.counters.packets_sent += pending[..sent].iter().map(|one| one.packets).sum::<u64>();
        Ok(sent)
    }

    fn wait_writable(&self) {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        let timeout = PollTimeout::try_from(Duration::from_millis(10)).unwrap_or(PollTimeout::ZERO);
        // Whatever it says, the caller tries again.
        nix::poll::poll(&mut fds, timeout).ok();
    }
}

/// Messages taken at once even if each is a long train.
const RECEIVE_BATCH_MIN: usize = 2;

/// Distance between two receive buffers: not a power of two, so that small datagrams of one batch
/// do not all fall into the same cache sets.
const RECEIVE_STRIDE: usize = TRAIN_BYTES_MAX + 320;

/// Asks for [`SOCKET_BUFFER_BYTES`] each way, by privilege where the limit is lower; what was got.
fn enlarge_buffers(socket: &UdpSocket) -> usize {
    setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER_BYTES).ok();
    setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER_BYTES).ok();
    // The kernel doubles what is asked for its own bookkeeping, and reports the double.
    let granted = |got: nix::Result<usize>| got.unwrap_or(0) / 2;
    if granted(getsockopt(socket, sockopt::RcvBuf)) < SOCKET_BUFFER_BYTES {
        setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER_BYTES).ok();
    }
    if granted(getsockopt(socket, sockopt::SndBuf)) < SOCKET_BUFFER_BYTES {
        setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER_BYTES).ok();
    }
    granted(getsockopt(socket, sockopt::RcvBuf)).min(granted(getsockopt(socket, sockopt::SndBuf)))
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = || address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    let v6 = || address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()));
    v4().or_else(v6)
}

/// Errors of the socket itself, not of one datagram.
fn is_fatal(errno: Errno) -> bool {
    matches!(errno, Errno::EBADF | Errno::ENOTSOCK | Errno::EFAULT | Errno::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Socket, Socket, SocketAddr) {
        let any = "127.0.0.1:0".parse().unwrap();
        let [a, b] = [(); 2].map(|()| Socket::new(Bound::bind(any).unwrap()));
        let to = b.local_address().unwrap();
        (a, b, to)
    }

    fn receive_all(socket: &mut Socket) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while socket.receive(|_, bytes| all.push(bytes.to_vec())).unwrap().0 > 0 {}
        all
    }

    #[test]
    fn a_batch_larger_than_one_call_arrives_whole_and_in_order() {
        let (mut a, mut b, to) = pair();
        let sent: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 40 + usize::from(n)]).collect();
        for bytes in &sent {
            a.send(to, &mut bytes.clone(), None).unwrap();
        }
        a.flush().unwrap();
        assert_eq!(receive_all(&mut b), sent);
        assert_eq!(a.counters.packets_sent, 200);
        assert!(a.counters.send_calls <= 5);
    }

    #[test]
    fn a_train_arrives_as_the_datagrams_it_was_made_of_again_and_again() {
        let (mut a, mut b, to) = pair();
        for round in 0..5 {
            let train: Vec<u8> = (0..4_500_u32).map(|n| (n % 251) as u8).collect();
            a.send(to, &mut b"alone".to_vec(), None).unwrap();
            a.send(to, &mut train.clone(), Some(1_200)).unwrap();
            a.send(to, &mut vec![9; 1_300], None).unwrap();
            a.flush().unwrap();
            let got = receive_all(&mut b);
            let sizes: Vec<usize> = got.iter().map(Vec::len).collect();
            assert_eq!(sizes, [5, 1_200, 1_200, 1_200, 900, 1_300], "round {round}");
            assert_eq!(got[1..5].concat(), train);
        }
        assert_eq!(b.counters.packets_received, 30);
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_that_names_it() {
        let (_, b, to) = pair();
        let error = Bound::bind(to).unwrap_err().to_string();
        assert!(error.contains(&to.to_string()), "{error}");
        drop(b);
    }
}
