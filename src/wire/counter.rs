//! What the service counts about itself, in the order in which a Stats reply lists it.
//!
//! The list only grows, at its end: an older reader ignores what it does not know, a newer one
//! reads zero for what an older service does not count. Called by `server`, which counts, by
//! `operation`, which shows them, and by `load`, which charges the difference of two readings to a
//! run.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// One number that the service keeps. Unless its documentation ends with "A level." it
        /// counts since the service started and never falls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(usize)]
        pub enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Counter {
            /// Every counter, in the order of the Stats reply.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in records and metrics; the unit is its last word where it is not a
            /// plain count.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it counts, as this enum's documentation says it.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

counters! {
    /// Time since the service started, microseconds.
    UptimeUs = "uptime_us",
    /// Processor time in user mode of the whole process, microseconds.
    CpuUserUs = "cpu_user_us",
    /// Processor time in the kernel of the whole process, microseconds.
    CpuSystemUs = "cpu_system_us",
    /// Resident memory now, bytes. A level.
    RssBytes = "rss_bytes",
    /// Most resident memory so far, bytes. A level.
    RssPeakBytes = "rss_peak_bytes",
    /// Process id: two readings of different processes do not make a difference. A level.
    Pid = "pid",
    /// QUIC connections open now. A level.
    Connections = "connections",
    /// Authenticated sessions now. A level.
    Sessions = "sessions",
    /// Groups held now. A level.
    Groups = "groups",
    /// Application messages accepted.
    AcceptedApplication = "accepted_application",
    /// Proposals accepted.
    AcceptedProposal = "accepted_proposal",
    /// Commits accepted.
    AcceptedCommit = "accepted_commit",
    /// Submissions refused, for whatever reason.
    Rejected = "rejected",
    /// Sessions refused, for whatever reason.
    RefusedSessions = "refused_sessions",
    /// Frames that did not parse.
    MalformedFrames = "malformed_frames",
    /// Messages handed to a recipient's stream: one per message and recipient.
    Deliveries = "deliveries",
    /// Bytes of these, with their frames.
    DeliveryBytes = "delivery_bytes",
    /// Recipients told to resync because they were too far behind.
    Resyncs = "resyncs",
    /// Sessions closed because their device did not take its deliveries.
    SlowClosed = "slow_closed",
    /// UDP packets sent; a segmented send counts each of its packets.
    PacketsSent = "packets_sent",
    /// UDP packets received; a coalesced receive counts each of its packets.
    PacketsReceived = "packets_received",
    /// System calls that sent.
    SendCalls = "send_calls",
    /// System calls that received.
    ReceiveCalls = "receive_calls",
    /// Returns from waiting for readiness.
    Wakeups = "wakeups",
    /// TLS handshakes completed.
    Handshakes = "handshakes",
    /// Sends that found the socket's buffer full.
    SendWouldBlock = "send_would_block",
    /// Kernel buffer of one socket as the kernel granted it, bytes. A level.
    SocketBufferBytes = "socket_buffer_bytes",
    /// TLS handshakes that a session ticket made cheaper.
    HandshakesResumed = "handshakes_resumed",
    /// KeyPackages published, those of last resort too.
    KeyPackagesPublished = "key_packages_published",
    /// KeyPackages handed out.
    KeyPackagesClaimed = "key_packages_claimed",
    /// Welcomes that came to wait for a device.
    WelcomesDeposited = "welcomes_deposited",
    /// Welcomes that a device has collected.
    WelcomesCollected = "welcomes_collected",
    /// Welcomes dropped before, because there was no room or they were too old.
    WelcomesDropped = "welcomes_dropped",
    /// Notices that a device is running out of KeyPackages.
    LowKeyPackages = "low_key_packages",
    /// First packets answered by asking for a proof of address.
    AddressProofs = "address_proofs",
    /// Connections turned away because a bound on them was reached.
    RefusedConnections = "refused_connections",
    /// Handshakes given up because they took too long.
    HandshakesExpired = "handshakes_expired",
    /// Receives that the kernel dropped because the socket's buffer was full; a train counts once.
    ReceiveDrops = "receive_drops",
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether it can fall, and says nothing by its difference.
    #[must_use]
    pub fn is_level(self) -> bool {
        self.help().ends_with("A level.")
    }

    /// Whether it is of the process as a whole and not of a shard.
    #[must_use]
    pub fn is_of_process(self) -> bool {
        matches!(
            self,
            Self::UptimeUs
                | Self::CpuUserUs
                | Self::CpuSystemUs
                | Self::RssBytes
                | Self::RssPeakBytes
                | Self::Pid
        )
    }

    /// Its place in the Stats reply, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One reading of every counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Counters {
    /// The value of `counter`.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    /// Replaces the value of `counter`.
    pub fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter.index()] = value;
    }

    /// Adds to the value of `counter`; at 2^64 − 1 it stays there.
    pub fn add(&mut self, counter: Counter, more: u64) {
        let value = &mut self.0[counter.index()];
        *value = value.saturating_add(more);
    }

    /// Every counter with its value, in the order of the Stats reply.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> {
        Counter::ALL.iter().map(|&counter| (counter, self.get(counter)))
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::COUNT])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_says_what_it_counts_in_one_line() {
        for counter in Counter::ALL {
            let help = counter.help();
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{help}");
        }
        assert_eq!(Counter::Wakeups.help(), "Returns from waiting for readiness.");
    }

    #[test]
    fn what_can_fall_is_a_level_and_nothing_else_is() {
        let levels: Vec<&str> =
            Counter::ALL.iter().filter(|one| one.is_level()).map(|one| one.name()).collect();
        for level in ["rss_bytes", "rss_peak_bytes", "pid", "connections", "sessions", "groups"] {
            assert!(levels.contains(&level), "{level}");
        }
        for counter in [Counter::Deliveries, Counter::UptimeUs, Counter::DeliveryBytes] {
            assert!(!counter.is_level(), "{}", counter.name());
        }
    }
}
