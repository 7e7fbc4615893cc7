//! How many bytes a message takes on its way: the frame around it, and the packets around that.
//!
//! Frames are exact, since their encoder is asked. Packets are a model of two sides: at best every
//! packet is full and has the shortest header over IPv4, at worst each message begins a packet of
//! its own and has the longest header over IPv6. Acknowledgements are told apart. Pure. Called by
//! `forecast`, and by `campaign` for plans.

use bytes::{Bytes, BytesMut};

use crate::delivery::{Enclosed, MessageId, RosterChange, Seq};
use crate::limits::{MTU_BYTES, PACKETS_PER_ACK};
use crate::wire::{Request, deliver};

/// UDP over IPv4 (RFC 768, RFC 791) and over IPv6 (RFC 8200).
const UDP_IP_BYTES: [usize; 2] = [8 + 20, 8 + 40];

/// A short header with a connection id of 8 bytes and a packet number of 1 to 4 (RFC 9000 §17.3.1),
/// the tag of the cipher (RFC 9001 §5.3), and a STREAM frame's type, stream, offset and length
/// (RFC 9000 §19.8).
const QUIC_BYTES: [usize; 2] = [1 + 8 + 1 + 16 + (1 + 1), 1 + 8 + 4 + 16 + (1 + 2 + 8 + 2)];

/// A packet that only acknowledges: header and tag as above, and an ACK frame of one range with the
/// shortest and the longest numbers (RFC 9000 §19.3).
const ACK_BYTES: [usize; 2] = [1 + 8 + 1 + 16 + 5, 1 + 8 + 4 + 16 + 25];

/// A number at best and at worst.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// At best.
    pub least: f64,
    /// At worst.
    pub most: f64,
}

impl Bounds {
    /// A number that is known.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self { least: value, most: value }
    }

    /// Both added up.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { least: self.least * factor, most: self.most * factor }
    }

    /// Whether a number lies within.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

/// Bytes of a delivery's frame around a message of `body` bytes.
#[must_use]
pub fn delivery_frame(body: usize) -> usize {
    deliver(Seq(1), MessageId([0; 16]), &Bytes::new()).len() + body
}

/// Bytes of a submission's frame around a message of `body` bytes that changes no roster.
#[must_use]
pub fn submission_frame(body: usize) -> usize {
    let mut empty = BytesMut::new();
    let (change, enclosed) = (RosterChange::default(), Enclosed::default());
    Request::Submit { id: MessageId([0; 16]), change, enclosed, body: Bytes::new() }
        .encode(&mut empty);
    empty.len() + body
}

/// Packets that carry a frame of so many bytes. At best it shares them with others.
#[must_use]
pub fn packets(frame: f64) -> Bounds {
    let room = QUIC_BYTES.map(|header| usize::from(MTU_BYTES).saturating_sub(header) as f64);
    Bounds { least: frame / room[0], most: (frame / room[1]).ceil().max(1.0) }
}

/// Bytes on the network of such a frame, with every header.
#[must_use]
pub fn on_the_network(frame: f64) -> Bounds {
    let packets = packets(frame);
    let header = |worst: usize| (UDP_IP_BYTES[worst] + QUIC_BYTES[worst]) as f64;
    Bounds { least: frame + packets.least * header(0), most: frame + packets.most * header(1) }
}

/// Bytes on the network that acknowledge such a frame: one packet for as many as may share an
/// acknowledgement, at best; one for each of its packets, at worst.
#[must_use]
pub fn acknowledgements(frame: f64) -> Bounds {
    let packets = packets(frame);
    let of = |worst: usize| (UDP_IP_BYTES[worst] + ACK_BYTES[worst]) as f64;
    Bounds { least: packets.least / f64::from(PACKETS_PER_ACK) * of(0), most: packets.most * of(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_it_is_encoded() {
        for body in [0, 1, 362, 82_679] {
            let message = Bytes::from(vec![7; body]);
            let id = MessageId([9; 16]);
            assert_eq!(deliver(Seq(u64::MAX), id, &message).len(), delivery_frame(body));
            let mut submitted = BytesMut::new();
            let (change, enclosed) = (RosterChange::default(), Enclosed::default());
            Request::Submit { id, change, enclosed, body: message }.encode(&mut submitted);
            assert_eq!(submitted.len(), submission_frame(body));
        }
    }

    #[test]
    fn a_long_frame_takes_as_many_packets_as_runs_with_it_sent() {
        // The packets that the server sent for each delivery in the reference records of the bulk
        // commits, which are the ones that more than the message hardly counts in.
        for (frame, sent) in [(82_708.0, 59.62), (1_183_662.0, 837.2)] {
            let Bounds { least, most } = packets(frame);
            assert!(least < sent && sent < most * 1.03, "{frame}: {least} {most}");
        }
    }

    #[test]
    fn a_short_frame_has_a_packet_of_its_own_at_worst_and_a_part_of_one_at_best() {
        let bounds = packets(391.0);
        assert_eq!(bounds.most, 1.0);
        assert!((0.27..0.28).contains(&bounds.least), "{bounds:?}");
        let bytes = on_the_network(391.0);
        assert!(bytes.least > 391.0 && bytes.most < 391.0 + 100.0, "{bytes:?}");
        let answers = acknowledgements(391.0);
        assert!(answers.least < 3.0 && answers.most < 110.0, "{answers:?}");
    }
}
