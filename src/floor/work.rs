//! The work that the floor is measured for, and how its message is cut into packets.

use std::ops::Range;

use super::error::Error;
use super::packet::{OVERHEAD_BYTES, PAYLOAD_BYTES_MAX};
use crate::limits::{
    CONNECTIONS_MAX, DATAGRAM_OVERHEAD_BYTES, MESSAGE_BYTES_MAX, PACKETS_PER_ACK_MAX,
    TRAIN_PACKETS_MAX,
};

/// One message to each member, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Who gets it: 1 to [`CONNECTIONS_MAX`]. Each costs about 1.5 KiB while it is measured.
    pub members: u32,
    /// Bytes of the message: 1 to [`MESSAGE_BYTES_MAX`].
    pub bytes: u32,
    /// Data packets of a member that one acknowledgement answers: 1 to
    /// [`PACKETS_PER_ACK_MAX`].
    /// [`crate::limits::PACKETS_PER_ACK`] is what the service's own members do.
    pub packets_per_ack: u32,
}

impl Work {
    /// Packets that carry the message to one member.
    #[must_use]
    pub fn packets(&self) -> u32 {
        u32::try_from((self.bytes as usize).div_ceil(PAYLOAD_BYTES_MAX)).unwrap_or(u32::MAX)
    }

    /// Whether it can be measured at all.
    ///
    /// # Errors
    /// When one of its numbers is out of range.
    pub fn check(&self) -> Result<(), Error> {
        if self.members == 0 || self.members as usize > CONNECTIONS_MAX {
            return Err(Error::Members(self.members));
        }
        if self.bytes == 0 || self.bytes as usize > MESSAGE_BYTES_MAX {
            return Err(Error::Bytes(self.bytes));
        }
        if self.packets_per_ack == 0 || self.packets_per_ack > PACKETS_PER_ACK_MAX {
            return Err(Error::PacketsPerAck(self.packets_per_ack));
        }
        Ok(())
    }

    /// The parts of the message that leave as one UDP message each.
    pub(super) fn trains(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let bytes = self.bytes as usize;
        let train = TRAIN_PACKETS_MAX * PAYLOAD_BYTES_MAX;
        (0..bytes).step_by(train).map(move |start| start..bytes.min(start + train))
    }

    /// Messages after which every member has sent as many acknowledgements as it owes, or nearly.
    pub(super) fn messages_per_cycle(&self) -> u32 {
        self.packets_per_ack.div_ceil(self.packets())
    }

    /// Packets that may be on their way at once without overflowing a buffer, were they all on
    /// their way to one socket.
    pub(super) fn window(&self, buffer_bytes: usize) -> u64 {
        let packets = (self.packets() as usize).min(TRAIN_PACKETS_MAX);
        let train = self.trains().next().map_or(0, |part| part.len()) + packets * OVERHEAD_BYTES;
        let fit = buffer_bytes / (train + DATAGRAM_OVERHEAD_BYTES) * packets;
        fit.max(packets) as u64
    }
}
