//! What is asked, decided and logged about joining, and the nouns it is said with.

use std::fmt;

use bytes::Bytes;

use crate::delivery::ids::{DeviceId, Epoch, GroupId, MessageId, Seq};
use crate::delivery::shard::Link;

/// A hash reference (RFC 9420 §5.2): as many bytes as the suite's hash has, at most 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    length: u8,
    bytes: [u8; 64],
}

impl Reference {
    /// Takes a copy of `bytes`; `None` when they are none or more than 64.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok().filter(|length| (1..=64).contains(length))?;
        let mut reference = Self { length, bytes: [0; 64] };
        reference.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(reference)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A KeyPackage (RFC 9420 §10), as far as the directory cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackage {
    /// The cipher suite it is good for (§17.1).
    pub suite: u16,
    /// Its KeyPackageRef (§5.2).
    pub reference: Reference,
    /// When its lifetime begins, Unix time in seconds (§7.2).
    pub not_before: u64,
    /// When its lifetime ends, Unix time in seconds.
    pub not_after: u64,
    /// Whether it is marked as of last resort: its private keys outlive a use.
    pub last_resort: bool,
    /// Whose it says it is, if its credential is a basic one of a device id's length. Other
    /// credentials are the application's to understand.
    pub identity: Option<DeviceId>,
    /// The KeyPackage itself, an MLSMessage.
    pub body: Bytes,
}

/// A Welcome (RFC 9420 §12.4.3.1), taken apart by joiner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The group's cipher suite.
    pub suite: u16,
    /// Whom it is for.
    pub joiners: Vec<JoinerSecrets>,
    /// `encrypted_group_info`: the same for everybody.
    pub group_info: Bytes,
}

/// One joiner's part of a Welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerSecrets {
    /// The KeyPackage it is for.
    pub reference: Reference,
    /// The whole `EncryptedGroupSecrets`, reference and all.
    pub secrets: Bytes,
}

/// The Welcomes of one commit for devices of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// The group.
    pub group: GroupId,
    /// The commit that adds.
    pub seq: Seq,
    /// When it came, Unix time in seconds.
    pub unix_s: u64,
    /// The group's cipher suite.
    pub suite: u16,
    /// `encrypted_group_info`, shared by all.
    pub group_info: Bytes,
    /// The number of the first joiner's Welcome; the others' follow.
    pub first: u64,
    /// For whom.
    pub joiners: Vec<Joiner>,
}

/// One device's part of a deposit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joiner {
    /// The device.
    pub device: DeviceId,
    /// Which of its KeyPackages was used.
    pub reference: Reference,
    /// Its `EncryptedGroupSecrets`.
    pub secrets: Bytes,
}

/// What a shard is asked about joining.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Keep KeyPackages of a device, all of them or none. For the device's shard.
    Publish {
        /// Who asks.
        from: Link,
        /// Whose they are.
        device: DeviceId,
        /// Named in the answer.
        request: MessageId,
        /// Whether they are the ones of last resort, one for each suite.
        last_resort: bool,
        /// The KeyPackages.
        packages: Vec<KeyPackage>,
    },
    /// Hand out a KeyPackage. For the shard of the device that is to be added.
    Claim {
        /// Who asks.
        from: Link,
        /// As which device.
        claimer: DeviceId,
        /// Named in the answer.
        request: MessageId,
        /// Whose KeyPackage.
        device: DeviceId,
        /// Of which suite.
        suite: u16,
    },
    /// Tell a session its device's Welcomes, those that wait and those to come, and when its
    /// KeyPackages run low. For the device's shard.
    Collect {
        /// The session.
        from: Link,
        /// Its device.
        device: DeviceId,
    },
    /// A device has a Welcome, for good. For the device's shard.
    Collected {
        /// The device.
        device: DeviceId,
        /// The Welcome's number.
        number: u64,
    },
    /// A session that asked for Welcomes is over. For its device's shard.
    Leave {
        /// The session.
        from: Link,
        /// Its device.
        device: DeviceId,
    },
    /// Keep the Welcome of a commit for devices that it adds. For the devices' shard.
    Deposit {
        /// The group.
        group: GroupId,
        /// The commit.
        seq: Seq,
        /// Those of the added devices that the shard owns.
        devices: Vec<DeviceId>,
        /// The Welcome.
        welcome: Welcome,
    },
    /// Devices' shards have the Welcome of a commit. For the group's shard.
    Release {
        /// The group.
        group: GroupId,
        /// The commit.
        seq: Seq,
        /// The devices.
        devices: Vec<DeviceId>,
    },
    /// Hand out what an external join needs. For the group's shard.
    Fetch {
        /// Who asks.
        from: Link,
        /// As which device.
        device: DeviceId,
        /// Named in the answer.
        request: MessageId,
        /// The group.
        group: GroupId,
    },
}

impl Ask {
    /// The group whose state it is about; `None` if it is about a device's.
    #[must_use]
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Release { group, .. } | Self::Fetch { group, .. } => Some(group),
            Self::Publish { .. }
            | Self::Claim { .. }
            | Self::Collect { .. }
            | Self::Collected { .. }
            | Self::Leave { .. }
            | Self::Deposit { .. } => None,
        }
    }
}

/// A change of state. To be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A device has more KeyPackages.
    Published {
        /// The device.
        device: DeviceId,
        /// When, Unix time in seconds.
        unix_s: u64,
        /// Whether they are of last resort.
        last_resort: bool,
        /// The KeyPackages.
        packages: Vec<KeyPackage>,
    },
    /// A KeyPackage is handed out.
    Claimed {
        /// Whose.
        device: DeviceId,
        /// Of which suite.
        suite: u16,
        /// Which.
        reference: Reference,
        /// When, Unix time in seconds.
        unix_s: u64,
    },
    /// Welcomes wait for devices.
    Deposited(Box<Deposit>),
    /// A device has a Welcome.
    Collected {
        /// The device.
        device: DeviceId,
        /// The Welcome's number.
        number: u64,
    },
    /// A Welcome has reached devices' shards: the group need not keep it for them.
    Released {
        /// The group.
        group: GroupId,
        /// The commit.
        seq: Seq,
        /// The devices.
        devices: Vec<DeviceId>,
    },
}

/// What a shard decided about joining. A refusal is an
/// [`Output::Rejected`](crate::delivery::Output).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// State has changed. To be logged.
    Record(Record),
    /// The answer to a publication.
    Published {
        /// Who asked.
        to: Link,
        /// What was asked.
        request: MessageId,
        /// KeyPackages of the suite of the first one that wait now; those of last resort are not
        /// counted.
        left: u32,
    },
    /// The answer to a claim.
    KeyPackage {
        /// Who asked.
        to: Link,
        /// What was asked.
        request: MessageId,
        /// The KeyPackage.
        package: Box<KeyPackage>,
    },
    /// A Welcome for a session's device.
    Welcome {
        /// The session.
        to: Link,
        /// Its number, by which it is collected.
        number: u64,
        /// Which KeyPackage was used.
        reference: Reference,
        /// The group's cipher suite.
        suite: u16,
        /// The joiner's `EncryptedGroupSecrets`.
        secrets: Bytes,
        /// `encrypted_group_info`.
        group_info: Bytes,
    },
    /// A session's device is running out of KeyPackages: few are left, handed out or expired, or
    /// a claim took the one of last resort or found nothing. What has expired is noticed when
    /// somebody claims, publishes or collects.
    LowKeyPackages {
        /// The session.
        to: Link,
        /// Of which suite.
        suite: u16,
        /// How many are left, the one of last resort not counted.
        left: u32,
    },
    /// The answer to a fetch.
    GroupInfo {
        /// Who asked.
        to: Link,
        /// What was asked.
        request: MessageId,
        /// The epoch that it describes: the current one.
        epoch: Epoch,
        /// The GroupInfo, an MLSMessage.
        group_info: Bytes,
        /// The ratchet tree, if the service has it by itself.
        tree: Option<Bytes>,
    },
    /// The Welcome of a commit has to go to the shards of the devices that it adds, as
    /// [`Ask::Deposit`].
    Forward {
        /// The group.
        group: GroupId,
        /// The commit.
        seq: Seq,
        /// The devices.
        devices: Vec<DeviceId>,
        /// The Welcome, an MLSMessage.
        welcome: Bytes,
    },
    /// A Welcome is where its devices find it, as far as it is for them; the group's shard is told
    /// as [`Ask::Release`].
    Taken {
        /// The group.
        group: GroupId,
        /// The commit.
        seq: Seq,
        /// The devices.
        devices: Vec<DeviceId>,
        /// Welcomes that were dropped because a mailbox is full.
        dropped: usize,
    },
}
