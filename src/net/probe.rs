//! What sockets of this machine can do, tried on two real ones over loopback.
//!
//! Called by `doctor`. Nothing that runs asks it: sockets find out for themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::error::Error;
use super::socket::{Bound, Socket};
use crate::clock;

/// How long a packet over loopback may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Packets of the train that is tried, and the bytes of each.
const TRAIN: (usize, usize) = (3, 1_000);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Bytes of buffer that the kernel granted a socket, in or out: the less of both.
    pub buffer_bytes: usize,
    /// Whether a train of packets leaves in one call (GSO).
    pub sends_trains: bool,
    /// Whether one that arrives is taken in one piece (GRO).
    pub receives_trains: bool,
}

/// Sends a train from one socket to another.
///
/// # Errors
/// When no socket can be had on the loopback address, or nothing arrives.
pub fn probe() -> Result<Probe, Error> {
    let bound = Bound::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let (to, buffer_bytes) = (bound.address()?, bound.buffer_bytes());
    let mut receiver = Socket::new(bound);
    let mut sender = Socket::new(Bound::bind((Ipv4Addr::LOCALHOST, 0).into())?);
    let (packets, bytes) = TRAIN;
    sender.send(to, &mut vec![0; packets * bytes], Some(bytes))?;
    sender.flush()?;
    let sends_trains = sender.counters.send_errors == 0;
    if !sends_trains {
        sender.send(to, &mut vec![0; bytes], None)?;
        sender.flush()?;
    }
    let expected = if sends_trains { packets } else { 1 };
    let whole = take(&mut receiver, to, expected)?;
    Ok(Probe { buffer_bytes, sends_trains, receives_trains: sends_trains && whole })
}

/// Takes so many packets; whether a train was among them in one piece.
fn take(receiver: &mut Socket, address: SocketAddr, packets: usize) -> Result<bool, Error> {
    let (mut taken, mut whole) = (0, false);
    let deadline = clock::now() + PATIENCE;
    while taken < packets {
        if clock::now() > deadline {
            let reason = "nothing arrives over loopback".to_owned();
            return Err(Error::Connect { remote: address, reason });
        }
        taken += receiver.receive(|_, _| {})?.0;
        whole |= receiver.took_a_train();
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_probed_is_what_the_sockets_do() {
        let probe = probe().unwrap();
        assert!(probe.buffer_bytes > 0);
        // A kernel that makes trains of what is sent as one takes them in one piece, too.
        assert!(probe.sends_trains || !probe.receives_trains, "{probe:?}");
    }
}
