//! The host record: what `host.json` holds, version 1: this machine's floor, and what it was.
//!
//! Only data. Every field is explained in `results/README.md`, which a test holds to this format.

use serde::{Deserialize, Serialize};

use super::record::RecordError;
use crate::floor::Spread;
use crate::floor::{F3, Manner, Sealing, Sending};

/// The version that [`HostRecord::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// What this machine can do at best, as far as a delivery service is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The machine.
    pub machine: Machine,
    /// When it was measured, in UTC.
    pub measured_utc: String,
    /// The commit that was built; `None` outside a repository.
    pub git_commit: Option<String>,
    /// Whether the tree had changes beyond it.
    pub git_dirty: Option<bool>,
    /// The version of this program.
    pub stentor_version: String,
    /// `release` or `debug`; the figures of a debug build mean nothing.
    pub build_profile: String,
    /// Sealing one packet.
    pub seal: Vec<SealRecord>,
    /// Handing one packet to the kernel.
    pub udp_send: Vec<SendRecord>,
    /// All that a delivery cannot avoid.
    pub f3: Vec<F3Record>,
}

/// The machine, without its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu_model: Option<String>,
    /// Cores this process may run on.
    pub cores: Option<u32>,
    /// The kernel's name and release.
    pub kernel: Option<String>,
}

/// Sealing with one cipher at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealRecord {
    /// The cipher.
    pub cipher: String,
    /// Bytes of each packet.
    pub bytes: u64,
    /// Nanoseconds for one.
    pub ns_per_packet: Spread,
}

/// Handing packets to the kernel in one manner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendRecord {
    /// `sendmsg`, `sendmmsg` or `gso`.
    pub manner: String,
    /// Receiving sockets.
    pub receivers: u32,
    /// How many were asked for.
    pub receivers_asked: u32,
    /// Bytes of each packet.
    pub packet_bytes: u64,
    /// Microseconds of the sending thread for one.
    pub cpu_us_per_packet: Spread,
    /// Packets sent.
    pub packets: u64,
    /// Of those, lost.
    pub lost: u64,
}

/// All that a delivery cannot avoid, for one work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct F3Record {
    /// Members that got each message.
    pub members: u32,
    /// Bytes of the message.
    pub bytes: u64,
    /// Data packets that one acknowledgement answered.
    pub packets_per_ack: u32,
    /// Microseconds of the serving thread for one message to one member.
    pub cpu_us_per_delivery: Spread,
    /// Microseconds from the first packet of a message to its last arrival, by members.
    pub wall_us_per_delivery: Spread,
    /// Deliveries in the rounds that count.
    pub deliveries: u64,
    /// Data packets of those.
    pub packets: u64,
    /// Acknowledgements taken in.
    pub acks: u64,
    /// Rounds that count.
    pub rounds: u32,
    /// Rounds that lost packets.
    pub losses: u32,
    /// Bytes of state that the serving side touches for one message to all.
    pub state_bytes: u64,
    /// Whether each side had a core of its own.
    pub apart: bool,
}

impl HostRecord {
    /// The record as indented JSON, ended by a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a record is plain data");
        json.push('\n');
        json
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        RecordError::unless_version(json, SCHEMA_VERSION)?;
        Ok(serde_json::from_str(json)?)
    }
}

impl From<&Sealing> for SealRecord {
    fn from(of: &Sealing) -> Self {
        Self {
            cipher: of.cipher.to_owned(),
            bytes: of.bytes as u64,
            ns_per_packet: of.ns_per_packet,
        }
    }
}

impl SendRecord {
    /// What was found, and to how many sockets it was to be.
    #[must_use]
    pub fn of(sending: &Sending, receivers_asked: u32) -> Self {
        let manner = match sending.manner {
            Manner::OneByOne => "sendmsg",
            Manner::Batched => "sendmmsg",
            Manner::Trains => "gso",
        };
        Self {
            manner: manner.to_owned(),
            receivers: sending.receivers,
            receivers_asked,
            packet_bytes: sending.manner.packet_bytes() as u64,
            cpu_us_per_packet: sending.cpu_us_per_packet,
            packets: sending.packets,
            lost: sending.lost,
        }
    }
}

impl From<&F3> for F3Record {
    fn from(of: &F3) -> Self {
        Self {
            members: of.work.members,
            bytes: of.work.bytes.into(),
            packets_per_ack: of.work.packets_per_ack,
            cpu_us_per_delivery: of.cpu_us_per_delivery,
            wall_us_per_delivery: of.wall_us_per_delivery,
            deliveries: of.deliveries,
            packets: of.packets,
            acks: of.acks,
            rounds: of.rounds,
            losses: of.losses,
            state_bytes: of.state_bytes,
            apart: of.apart,
        }
    }
}
