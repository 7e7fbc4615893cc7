//! Bounds on how devices come into groups: KeyPackages, Welcomes, GroupInfos.

use std::time::Duration;

use super::{FRAME_BYTES_MAX, LOG_RECORD_BYTES_MAX, MESSAGE_BYTES_MAX, RETENTION_AGE_MAX};

/// Largest KeyPackage in bytes. ML-KEM-1024 with ML-DSA-87 makes 15 KB; X.509 adds its chain.
pub const KEY_PACKAGE_BYTES_MAX: usize = 32 << 10;

/// KeyPackages of one publication. Each costs the shard a parse and a hash: about a microsecond
/// for 300 bytes, 20 for 15 KB.
pub const KEY_PACKAGES_PER_PUBLICATION_MAX: usize = 512;

/// KeyPackages that a device has waiting for each suite. When full a publication is refused.
pub const KEY_PACKAGES_PER_SUITE_MAX: usize = 512;

/// Suites that a device has KeyPackages of. When full a publication is refused.
pub const KEY_PACKAGE_SUITES_MAX: usize = 16;

/// Bytes of KeyPackages that one device has waiting, of all suites together, about 200 bytes more
/// for each: 512 of the largest, of one suite. A checkpoint of the device is one log entry and holds
/// them all. When full a publication is refused.
pub const SHELF_BYTES_MAX: usize = 20 << 20;

/// Bytes of KeyPackages that the devices of a shard have waiting together, about 200 bytes more
/// for each. When full a publication is refused.
pub const DIRECTORY_BYTES_MAX: usize = 1 << 30;

/// KeyPackages that a device is told it is down to, and told once more when none is left.
pub const KEY_PACKAGES_LOW: u32 = 16;

/// KeyPackages of one device that were handed out and are remembered: Welcomes find the device by
/// them, and none is handed out twice. 100 bytes each. When full the oldest is forgotten, and a
/// Welcome for it finds nobody.
pub const KEY_PACKAGES_HANDED_MAX: usize = 1_024;

/// How long a KeyPackage that was handed out is remembered: as long as a Welcome waits.
pub const KEY_PACKAGE_HANDED_AGE_MAX: Duration = RETENTION_AGE_MAX;

/// How far in the future the lifetime of a KeyPackage may begin: clocks differ.
pub const KEY_PACKAGE_EARLY_MAX: Duration = Duration::from_hours(1);

/// KeyPackages that one device may claim at once from the devices of one shard. Raising it lets one
/// member drain more (RFC 9420 §16.8).
pub const CLAIMS_BURST: u32 = 256;

/// KeyPackages per second that one device may claim of one shard's devices beyond the burst.
pub const CLAIMS_PER_SECOND: u32 = 16;

/// GroupInfos that one device may fetch at once from one shard. An answer holds up to
/// [`MESSAGE_BYTES_MAX`] until it has left.
pub const FETCHES_BURST: u32 = 4;

/// GroupInfos per second that one device may fetch from one shard beyond the burst.
pub const FETCHES_PER_SECOND: u32 = 1;

/// Devices whose claims, or fetches, a shard has lately counted, 48 bytes each. Those that have
/// their whole allowance again are forgotten first; while none has, a further device is told to
/// slow down.
pub const ALLOWANCES_MAX: usize = 1 << 16;

/// Welcomes that wait for one device. When full the oldest is dropped for good, and its device has
/// to be added again or join from outside.
pub const MAILBOX_WELCOMES_MAX: usize = 1_024;

/// Bytes of Welcomes that wait for one device, what they share counted for each. A checkpoint of
/// the device holds them all. When full the oldest is dropped for good.
pub const MAILBOX_BYTES_MAX: usize = 32 << 20;

/// Bytes of Welcomes that wait for all devices of a shard. When full the oldest is dropped for
/// good, whichever device it is for.
pub const MAILBOXES_BYTES_MAX: usize = 1 << 30;

/// How long a Welcome waits for its device.
pub const WELCOME_AGE_MAX: Duration = RETENTION_AGE_MAX;

/// Sessions of one device that its Welcomes are told to. When full the one that asked first is
/// forgotten.
pub const LISTENERS_MAX: usize = 8;

/// Welcomes that a session is told and its device has not collected: the next follows when one is.
pub const WELCOMES_IN_FLIGHT_MAX: usize = 16;

/// Bytes of Welcomes that a session is told and its device has not collected, but for one that is
/// longer alone.
pub const WELCOMES_IN_FLIGHT_BYTES_MAX: usize = 1 << 20;

/// Welcomes and notices that wait for one session's delivery stream. When full, a further notice is
/// dropped; Welcomes never fill it alone.
pub const NOTICES_PENDING_MAX: usize = 64;

const _: () = assert!(2 * WELCOMES_IN_FLIGHT_MAX <= NOTICES_PENDING_MAX);

/// Commits of one group whose Welcomes have not reached their devices' shards. When full a further
/// one that brings a Welcome is told to slow down.
pub const OUTBOX_WELCOMES_MAX: usize = 64;

/// Bytes that the groups of a shard keep for joiners: GroupInfos, trees, Welcomes on their way. When
/// full, what would bring more is told to slow down.
pub const JOINING_BYTES_MAX: usize = 1 << 30;

/// Bytes that one group keeps for those who join it: GroupInfo, ratchet tree, Welcomes on their way.
/// Beyond it a commit that brings more is refused until they have arrived.
pub const ENCLOSURES_BYTES_MAX: usize = 64 << 20;

/// What is told to slow down because a shard is full, not because it asked too often, is told to
/// come back after this.
pub const FULL_RETRY: Duration = Duration::from_secs(1);

const _: () =
    assert!(KEY_PACKAGES_PER_PUBLICATION_MAX * (KEY_PACKAGE_BYTES_MAX + 4) + 64 <= FRAME_BYTES_MAX);
const _: () = assert!(KEY_PACKAGES_PER_PUBLICATION_MAX <= KEY_PACKAGES_PER_SUITE_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX <= MAILBOX_BYTES_MAX);
const _: () = assert!(MAILBOX_BYTES_MAX <= MAILBOXES_BYTES_MAX);
const _: () =
    assert!(KEY_PACKAGES_PER_PUBLICATION_MAX * (KEY_PACKAGE_BYTES_MAX + 200) <= SHELF_BYTES_MAX);
const _: () = assert!(SHELF_BYTES_MAX <= DIRECTORY_BYTES_MAX);
// A checkpoint of a device: what waits, 100 bytes for each KeyPackage that was handed out, and the
// rest. It takes half of the largest log entry at most.
const _: () = assert!(
    SHELF_BYTES_MAX + MAILBOX_BYTES_MAX + 100 * KEY_PACKAGES_HANDED_MAX + (64 << 10)
        <= LOG_RECORD_BYTES_MAX / 2
);
const _: () = assert!(2 * MESSAGE_BYTES_MAX <= JOINING_BYTES_MAX);
