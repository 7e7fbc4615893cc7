//! The settings of a server, as one table: the types, the file and its explanation come from it.
//!
//! To add a setting is to add a line for what it is and one for what it is called, holds and costs;
//! a section likewise. What the program does not act on has no place here. Reads no file: the
//! caller brings the text. Called by `cli`, which lets arguments override it.

mod file;
mod kind;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use kind::{Held, Kind, Value};

use crate::delivery::{Durability, Policy, Rate, Rates, RingLimits};
use crate::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX, CONNECTIONS_UNVALIDATED_MAX, CORE_MAX,
    DEVICE_BURST, DEVICE_RATE_MAX, DRAIN_MAX, DRAIN_SETTING_MAX, EPOCHS_REMEMBERED_MAX,
    FRAME_BYTES_MAX, FRAME_MAX, FRAME_SETTING_MAX, GROUP_BURST, GROUP_RATE_MAX,
    GROUPS_PER_SESSION_MAX, GROUPS_PER_SHARD_MAX, HANDSHAKE_MAX, HANDSHAKES_MAX,
    HANDSHAKES_PER_NETWORK_MAX, HANDSHAKES_UNVALIDATED_MAX, HELLO_MAX, HELLO_SETTING_MAX,
    INBOX_BYTES_MAX, LOG_BYTES_TARGET, LOG_BYTES_TARGET_MAX, LOG_SEGMENT_BYTES, PAST_EPOCHS_MAX,
    RATE_SETTING_MAX, RESERVATION_MAX, RESERVATION_SETTING_MAX, RETENTION_AGE_MAX,
    RETENTION_AGE_SETTING_MAX, RING_BYTES_MAX, RING_ENTRIES_MAX, SESSIONS_MAX,
    SHARD_RING_BYTES_MAX, SHARD_RING_BYTES_SETTING_MAX, SHARD_RING_ENTRIES_MAX,
    SHARD_RING_ENTRIES_SETTING_MAX, SHARDS_MAX, STALL_MAX,
};
use crate::net::Admission;

/// One table of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name there.
    pub name: &'static str,
    /// What it is about, in lines.
    pub about: &'static [&'static str],
    /// What is set in it.
    pub fields: &'static [Field],
}

/// One setting.
#[derive(Debug)]
pub struct Field {
    /// Its name in its section.
    pub name: &'static str,
    /// What it is, in lines.
    pub about: &'static [&'static str],
    /// What raising it, or setting it at all, costs.
    pub cost: &'static str,
    /// What may be written for it.
    pub kind: Kind,
    /// What it holds.
    pub get: fn(&Settings) -> Value,
    /// Makes it hold something of its kind.
    pub set: fn(&mut Settings, Value),
}

macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Type:ty = $default:expr, $kind:expr, costs $cost:literal;
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])+
                    #[doc = concat!("\n\nCost: ", $cost)]
                    pub $field: $Type,
                )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        /// Everything that is set; its default is that of every setting.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Settings {
            $(
                $(#[doc = $about])+
                pub $section: $Section,
            )+
        }

        /// Every setting, in the order of the file.
        pub const TABLE: &[Section] = &[$(
            Section {
                name: stringify!($section),
                about: &[$($about),+],
                fields: &[$(
                    Field {
                        name: stringify!($field),
                        about: &[$($doc),+],
                        cost: $cost,
                        kind: $kind,
                        get: |settings| Held::value(&settings.$section.$field),
                        set: |settings, value| settings.$section.$field = Held::of(value),
                    },
                )+],
            },
        )+];
    };
}

settings! {
    /// Where it serves, on what, and what it keeps.
    service: Service {
        /// The UDP address of the first shard; each further one listens one port higher. Port 0
        /// takes any free ports.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 4_433)), Kind::Address,
            costs "an address that others reach is one that others may attack.";
        /// Shards, each a thread with a socket of its own.
        shards: u16 = 1, Kind::Count(1..=SHARDS_MAX as u64),
            costs "a core each while busy; more than cores gain nothing.";
        /// The core, counted from 0, that the first shard is pinned to; each further one gets the
        /// next. Without it the kernel places them.
        first_core: Option<usize> = None, Kind::Optional(&Kind::Count(0..=CORE_MAX as u64)),
            costs "a pinned thread waits for its core while others are idle.";
        /// The folder of keys and of what clients beside the server need to find it, for one server
        /// at a time. Without it $XDG_STATE_HOME/stentor, else ~/.local/state/stentor.
        state: Option<PathBuf> = None, Kind::Optional(&Kind::Path), costs "a few kilobytes.";
        /// The certificate to serve and its chain, in PEM, together with its key. Without them a
        /// self-signed one that the state folder keeps.
        certificate: Option<PathBuf> = None, Kind::Optional(&Kind::Path),
            costs "each certificate of the chain is sent in every handshake.";
        /// The private key of the certificate, in PEM.
        certificate_key: Option<PathBuf> = None, Kind::Optional(&Kind::Path), costs "nothing.";
        /// The file of the keys under which devices hold tokens: 64 hexadecimal digits, or a line
        /// for each key, oldest first, its id before the digits. Without it the state folder's own.
        /// Read again on SIGHUP.
        token_key: Option<PathBuf> = None, Kind::Optional(&Kind::Path), costs "nothing.";
        /// The authorities, in PEM, of which one must have signed a client's certificate for client
        /// authentication. Its device's token it needs all the same. Without it no client is asked
        /// for a certificate.
        client_authorities: Option<PathBuf> = None, Kind::Optional(&Kind::Path),
            costs "a signature to verify, and some KiB more, in every full handshake.";
        /// How long a server that was told to stop may take to deliver what it has accepted.
        drain: Duration = DRAIN_MAX, Kind::Time(Duration::ZERO..=DRAIN_SETTING_MAX),
            costs "a restart takes so long if one member does not keep up.";
    }
    /// What is accepted, and what is kept for members that catch up. All bounds are of one shard.
    delivery: Delivery {
        /// Past epochs in which an application message is still accepted.
        past_epochs: u64 = PAST_EPOCHS_MAX, Kind::Count(0..=EPOCHS_REMEMBERED_MAX as u64 - 1),
            costs "nothing here; members must keep the keys of as many epochs.";
        /// Groups. Who creates one more is refused.
        groups: usize = GROUPS_PER_SHARD_MAX, Kind::Count(1..=GROUPS_PER_SHARD_MAX as u64),
            costs "about 1 KiB for an idle group of two, 48 bytes for each further member.";
        /// Messages that one group keeps; the oldest is forgotten first.
        group_messages: usize = RING_ENTRIES_MAX, Kind::Count(1..=RING_ENTRIES_MAX as u64),
            costs "about 150 bytes each besides the body.";
        /// Bytes of bodies and roster changes that one group keeps; its latest message is kept whatever its size.
        group_bytes: usize = RING_BYTES_MAX, Kind::Bytes(1..=RING_BYTES_MAX as u64),
            costs "that much memory for a group that is busy, up to shard_bytes together.";
        /// Messages that all groups keep together; the shard's oldest is forgotten first.
        shard_messages: usize = SHARD_RING_ENTRIES_MAX,
            Kind::Count(1..=SHARD_RING_ENTRIES_SETTING_MAX as u64),
            costs "about 150 bytes each besides the body.";
        /// Bytes of bodies and roster changes that all groups keep together; the shard's oldest is forgotten first.
        shard_bytes: usize = SHARD_RING_BYTES_MAX,
            Kind::Bytes(1..=SHARD_RING_BYTES_SETTING_MAX as u64),
            costs "that much memory.";
        /// How long a message is kept for members that have not acknowledged it. A member that
        /// stays away longer has to join again.
        retention: Duration = RETENTION_AGE_MAX,
            Kind::Time(Duration::from_secs(1)..=RETENTION_AGE_SETTING_MAX),
            costs "memory and log for as long as one member of a group stays away.";
    }
    /// What survives a crash, and where.
    log: Log {
        /// The folder of the shards' logs, for one server at a time and always as many shards.
        /// Without it every group lives in memory and ends with the process.
        folder: Option<PathBuf> = None, Kind::Optional(&Kind::Path),
            costs "nothing by itself; what is durable waits for its disk.";
        /// What a group's messages survive if whoever creates it does not say: "none" or "wal".
        durability: Durability = Durability::None, Kind::OneOf(&["none", "wal"]),
            costs "with wal, an acknowledgement and a delivery wait for an fdatasync.";
        /// Bytes that one shard's log should take. Beyond it, groups are written again as
        /// checkpoints, so that what came before them can go.
        target: u64 = LOG_BYTES_TARGET, Kind::Bytes(LOG_SEGMENT_BYTES..=LOG_BYTES_TARGET_MAX),
            costs "as much disk, and two seconds or so for each GiB when the server starts.";
        /// Bytes of one segment of a log.
        segment: u64 = LOG_SEGMENT_BYTES, Kind::Bytes(1 << 20..=LOG_SEGMENT_BYTES),
            costs "room that is taken before it is used; a small one is synced twice as often.";
    }
    /// What a client may take for itself.
    sessions: Sessions {
        /// How long a connection may stay without an authenticated session.
        hello: Duration = HELLO_MAX, Kind::Time(Duration::from_millis(100)..=HELLO_SETTING_MAX),
            costs "some tens of KiB for so long for every stranger's connection.";
        /// Groups that one session may drain at once. Who attaches to one more is refused.
        groups: usize = GROUPS_PER_SESSION_MAX, Kind::Count(1..=GROUPS_PER_SESSION_MAX as u64),
            costs "8 bytes each, and what waits for a session that is slow.";
    }
    /// What strangers and devices may take before they are refused or have to wait. All bounds are
    /// of one shard.
    defence: Defence {
        /// Connections. Whoever begins one more is refused.
        connections: usize = CONNECTIONS_MAX, Kind::Count(1..=CONNECTIONS_MAX as u64),
            costs "some tens of KiB each, some hundreds if a device is hostile.";
        /// Connections from which on a client has to prove its address before it gets a place.
        connections_unproven: usize = CONNECTIONS_UNVALIDATED_MAX,
            Kind::Count(0..=CONNECTIONS_MAX as u64),
            costs "places that who only pretends to have an address can take; a proof costs a client a round trip.";
        /// Handshakes under way. Whoever begins one more is refused.
        handshakes: usize = HANDSHAKES_MAX, Kind::Count(1..=CONNECTIONS_MAX as u64),
            costs "about 30 KiB each.";
        /// Handshakes under way from which on a client has to prove its address before it gets a
        /// place.
        handshakes_unproven: usize = HANDSHAKES_UNVALIDATED_MAX,
            Kind::Count(0..=CONNECTIONS_MAX as u64),
            costs "300 us of a core each for who only pretends to have an address.";
        /// Connections of one network: an IPv4 address, or an IPv6 /64.
        network_connections: usize = CONNECTIONS_PER_NETWORK_MAX,
            Kind::Count(1..=CONNECTIONS_MAX as u64),
            costs "a larger share of all places for one attacker.";
        /// Handshakes under way of one network.
        network_handshakes: usize = HANDSHAKES_PER_NETWORK_MAX,
            Kind::Count(1..=CONNECTIONS_MAX as u64),
            costs "a larger share of all places for one attacker.";
        /// Whether the loopback addresses are bounded as a network. Who is on this machine is
        /// the operator, unless something forwards strangers to it.
        loopback_bounded: bool = false, Kind::Flag,
            costs "a load from this machine gets no more connections than a network.";
        /// How long a handshake may take.
        handshake: Duration = HANDSHAKE_MAX,
            Kind::Time(Duration::from_millis(100)..=HELLO_SETTING_MAX),
            costs "a place for so long for every half-open one.";
        /// Sessions. Whoever says hello for one more is refused.
        sessions: usize = SESSIONS_MAX, Kind::Count(1..=SESSIONS_MAX as u64),
            costs "about 1 KiB each.";
        /// Bytes of unfinished long frames of all sessions together; who needs more than is left is
        /// not read until there is.
        frame_bytes: usize = INBOX_BYTES_MAX,
            Kind::Bytes(FRAME_BYTES_MAX as u64..=SHARD_RING_BYTES_SETTING_MAX as u64),
            costs "up to twice that much memory: a buffer grows by doubling.";
        /// How long a long frame may take from when there is room for it until it is whole.
        frame_time: Duration = FRAME_MAX,
            Kind::Time(Duration::from_millis(100)..=FRAME_SETTING_MAX),
            costs "a place for a long frame for so long for who does not end one.";
        /// How long a session may take nothing of what is due to it, whatever it attaches to
        /// meanwhile.
        stall: Duration = STALL_MAX, Kind::Time(Duration::from_millis(100)..=STALL_MAX),
            costs "what waits for a session that takes nothing.";
        /// Submissions and attachments that a device is granted, of all its groups.
        device_rate: u32 = DEVICE_RATE_MAX, Kind::PerSecond(1..=RATE_SETTING_MAX as u64),
            costs "others wait behind a device that sends as fast.";
        /// How many of them may come at once after a pause.
        device_burst: u32 = DEVICE_BURST, Kind::Count(1..=RATE_SETTING_MAX as u64),
            costs "others wait behind as many.";
        /// Messages that a group takes.
        group_rate: u32 = GROUP_RATE_MAX, Kind::PerSecond(1..=RATE_SETTING_MAX as u64),
            costs "its members have to keep up.";
        /// How many of them may come at once after a pause.
        group_burst: u32 = GROUP_BURST, Kind::Count(1..=RATE_SETTING_MAX as u64),
            costs "as many messages that its members have not taken yet.";
        /// For how long an epoch is reserved at most for members that have lost commits; with "0s",
        /// none is.
        reservation: Duration = RESERVATION_MAX,
            Kind::Time(Duration::ZERO..=RESERVATION_SETTING_MAX),
            costs "others wait so long for a member that has lost, and does not come.";
    }
    /// What the operator's tools read over HTTP: /metrics and /healthz.
    metrics: Metrics {
        /// The TCP address of both. Whoever reaches it may read them.
        listen: Option<SocketAddr> = None, Kind::Optional(&Kind::Address),
            costs "a reading takes well below a millisecond of a thread that no shard runs on.";
    }
}

impl Settings {
    /// What each shard accepts and keeps.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let set = &self.delivery;
        Policy {
            past_epochs: set.past_epochs,
            groups_max: set.groups,
            ring: RingLimits { entries_max: set.group_messages, bytes_max: set.group_bytes },
            kept_bytes_max: set.shard_bytes,
            kept_entries_max: set.shard_messages,
            kept_age_max: set.retention,
            rates: Rates {
                device: Rate::new(self.defence.device_rate, self.defence.device_burst),
                group: Rate::new(self.defence.group_rate, self.defence.group_burst),
            },
            reservation_max: self.defence.reservation,
        }
    }

    /// Whom each shard lets begin a connection.
    #[must_use]
    pub fn admission(&self) -> Admission {
        let set = &self.defence;
        Admission {
            connections_max: set.connections,
            connections_unvalidated_max: set.connections_unproven,
            handshakes_max: set.handshakes,
            handshakes_unvalidated_max: set.handshakes_unproven,
            connections_per_network_max: set.network_connections,
            handshakes_per_network_max: set.network_handshakes,
            loopback_is_a_network: set.loopback_bounded,
            handshake_max: set.handshake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_policy() {
        let (set, policy) = (Settings::default().policy(), Policy::default());
        assert_eq!(format!("{set:?}"), format!("{policy:?}"));
        assert_eq!(Settings::default().admission(), Admission::default());
    }

    #[test]
    fn every_setting_says_what_it_is_and_costs_in_sentences() {
        for field in TABLE.iter().flat_map(|section| section.fields) {
            let about = field.about.join("");
            for text in [about.trim(), field.cost] {
                assert!(text.ends_with('.') && text.len() > 5, "{}: {text:?}", field.name);
            }
        }
    }

    #[test]
    fn every_section_and_every_setting_of_one_has_a_name_of_its_own() {
        let unique = |names: Vec<&str>| {
            let mut sorted = names.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), names.len(), "{names:?}");
        };
        unique(TABLE.iter().map(|section| section.name).collect());
        for section in TABLE {
            unique(section.fields.iter().map(|field| field.name).collect());
        }
    }
}
