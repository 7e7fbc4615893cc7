//! The devices that a shard owns: their KeyPackages and their mail.
//!
//! Decides everything that is asked about a device rather than a group. Called by the shard.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use ahash::RandomState;
use bytes::Bytes;

use super::allowance::Allowances;
use super::directory::{Directory, SavedShelf};
use super::mailbox::{Letter, Mailboxes};
use super::nouns::{Deposit, Joiner, KeyPackage, Record, Told, Welcome};
use crate::delivery::ids::{DeviceId, GroupId, MessageId, Seq};
use crate::delivery::reject::Reject;
use crate::delivery::shard::Link;
use crate::limits::{ALLOWANCES_MAX, CLAIMS_BURST, CLAIMS_PER_SECOND, KEY_PACKAGES_LOW};

/// The devices of one shard.
#[derive(Debug)]
pub struct Devices {
    directory: Directory,
    mailboxes: Mailboxes,
    claims: Allowances,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            directory: Directory::default(),
            mailboxes: Mailboxes::default(),
            claims: Allowances::new(CLAIMS_BURST, CLAIMS_PER_SECOND, ALLOWANCES_MAX),
        }
    }
}

impl Devices {
    /// Their KeyPackages.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Their mail.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    pub(super) fn publish(
        &mut self,
        (to, request): (Link, MessageId),
        (device, unix_s): (DeviceId, u64),
        last_resort: bool,
        packages: Vec<KeyPackage>,
        out: &mut VecDeque<Told>,
    ) -> Result<(), Reject> {
        for (device, suite, left) in self.directory.make_room(unix_s) {
            self.tell_low(device, suite, left, out);
        }
        self.directory.check(device, unix_s, last_resort, &packages)?;
        for (suite, left) in self.directory.drop_expired(device, unix_s) {
            self.tell_low(device, suite, left, out);
        }
        let suite = packages.first().map(|package| package.suite);
        self.directory.publish(device, unix_s, packages.clone());
        let left = suite.map_or(0, |suite| self.directory.left(device, suite));
        out.push_back(Told::Record(Record::Published { device, unix_s, last_resort, packages }));
        out.push_back(Told::Published { to, request, left });
        Ok(())
    }

    pub(super) fn claim(
        &mut self,
        now: Duration,
        (to, request): (Link, MessageId),
        claimer: DeviceId,
        (device, suite, unix_s): (DeviceId, u16, u64),
        out: &mut VecDeque<Told>,
    ) -> Result<(), Reject> {
        self.claims.take(now, claimer)?;
        let before = self.directory.left(device, suite);
        let claimed = self.directory.claim(device, suite, unix_s);
        let left = self.directory.left(device, suite);
        // What has expired is found by a claim, so many may be gone at once.
        let crossed = before > KEY_PACKAGES_LOW && left <= KEY_PACKAGES_LOW;
        let low = crossed || (left == 0 && self.directory.may_know(device, suite));
        let outcome = claimed.map(|(package, _)| {
            let reference = package.reference;
            out.push_back(Told::Record(Record::Claimed { device, suite, reference, unix_s }));
            out.push_back(Told::KeyPackage { to, request, package: Box::new(package) });
        });
        if low {
            self.tell_low(device, suite, left, out);
        }
        outcome
    }

    fn tell_low(&self, device: DeviceId, suite: u16, left: u32, out: &mut VecDeque<Told>) {
        let low = |to| Told::LowKeyPackages { to, suite, left };
        out.extend(self.mailboxes.listeners(device).map(low));
    }

    pub(super) fn collect(
        &mut self,
        to: Link,
        (device, unix_s): (DeviceId, u64),
        out: &mut VecDeque<Told>,
    ) {
        for (suite, left) in self.directory.drop_expired(device, unix_s) {
            self.tell_low(device, suite, left, out);
        }
        for suite in self.directory.suites(device) {
            let left = self.directory.left(device, suite);
            if left <= KEY_PACKAGES_LOW {
                out.push_back(Told::LowKeyPackages { to, suite, left });
            }
        }
        self.mailboxes.listen(device, to);
        self.mailboxes.tell(device, |told| out.push_back(told));
    }

    pub(super) fn collected(&mut self, device: DeviceId, number: u64, out: &mut VecDeque<Told>) {
        if self.mailboxes.collect(device, number) {
            out.push_back(Told::Record(Record::Collected { device, number }));
            self.mailboxes.tell(device, |told| out.push_back(told));
        }
    }

    pub(super) fn leave(&mut self, link: Link, device: DeviceId) {
        self.mailboxes.leave(device, link);
    }

    /// Keeps the Welcome for those of `devices` of whom it uses a KeyPackage that was handed out.
    /// O(joiners of the Welcome).
    pub(super) fn deposit(
        &mut self,
        (group, seq): (GroupId, Seq),
        unix_s: u64,
        devices: Vec<DeviceId>,
        welcome: Welcome,
        out: &mut VecDeque<Told>,
    ) {
        let mut awaited: HashSet<DeviceId, RandomState> = devices.iter().copied().collect();
        let Welcome { suite, joiners, group_info } = welcome;
        let mut found = Vec::new();
        for joiner in joiners {
            let Some(device) = self.directory.awaits_welcome(&joiner.reference) else { continue };
            if !awaited.contains(&device) || self.mailboxes.holds(device, &group, seq) {
                continue;
            }
            awaited.remove(&device);
            // Copied: one joiner's part must not hold everybody's.
            let secrets = Bytes::copy_from_slice(&joiner.secrets);
            found.push(Joiner { device, reference: joiner.reference, secrets });
        }
        let mut dropped = 0;
        let told: Vec<DeviceId> = found.iter().map(|joiner| joiner.device).collect();
        if !found.is_empty() {
            let (first, group_info) =
                (self.mailboxes.next(unix_s), Bytes::copy_from_slice(&group_info));
            let joiners = found;
            let deposit = Deposit { group, seq, unix_s, suite, group_info, first, joiners };
            dropped = self.keep(&deposit);
            out.push_back(Told::Record(Record::Deposited(Box::new(deposit))));
        }
        out.push_back(Told::Taken { group, seq, devices, dropped });
        for device in told {
            self.mailboxes.tell(device, |told| out.push_back(told));
        }
    }

    fn keep(&mut self, deposit: &Deposit) -> usize {
        for joiner in &deposit.joiners {
            self.directory.used(&joiner.reference);
        }
        self.mailboxes.deposit(deposit)
    }

    /// Makes a recorded change of a device again.
    pub(super) fn replay(&mut self, record: Record) {
        match record {
            Record::Published { device, unix_s, packages, .. } => {
                self.directory.publish(device, unix_s, packages);
            }
            Record::Claimed { device, suite, reference, unix_s } => {
                self.directory.claim_again(device, suite, unix_s, reference);
            }
            Record::Deposited(deposit) => {
                self.keep(&deposit);
            }
            Record::Collected { device, number } => {
                self.mailboxes.collect(device, number);
            }
            Record::Released { .. } => unreachable!("a group's"),
        }
    }

    /// The devices of which there is anything to save.
    pub fn ids(&self) -> impl Iterator<Item = DeviceId> {
        let all = self.directory.devices().chain(self.mailboxes.devices());
        let mut all: Vec<DeviceId> = all.collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// Everything of a device, to be kept elsewhere. Bytes are shared.
    #[must_use]
    pub fn save(&self, device: DeviceId) -> SavedDevice {
        let empty = || SavedShelf::empty(device);
        let shelf = self.directory.save(device).unwrap_or_else(empty);
        SavedDevice { shelf, letters: self.mailboxes.save(device) }
    }

    /// Puts a device back as it was saved, in place of what there is of it.
    pub fn restore(&mut self, saved: SavedDevice) {
        let SavedDevice { shelf, letters } = saved;
        self.mailboxes.empty(shelf.device);
        for (number, letter) in letters {
            self.mailboxes.restore(number, letter);
        }
        self.directory.restore(shelf);
    }
}

impl SavedDevice {
    /// Whether there is nothing of the device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let SavedShelf { suites, packages, handed, .. } = &self.shelf;
        suites.is_empty() && packages.is_empty() && handed.is_empty() && self.letters.is_empty()
    }
}

/// Everything of one device, as plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedDevice {
    /// What it has published, and whose it is.
    pub shelf: SavedShelf,
    /// The Welcomes that wait for it with their numbers, oldest first.
    pub letters: Vec<(u64, Letter)>,
}
