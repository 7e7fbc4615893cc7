//! Welcomes that wait for their devices, and the sessions that are told them.
//!
//! Never decides for whom a Welcome is; [`super::devices`] does. A Welcome has a number, higher
//! than that of any before it on the shard, and waits until its device has collected it, or until
//! it is the oldest and there is no room, or until it is too old. A session is told so many as may
//! be in flight, and the next when one is collected: what it does not take costs nothing but the
//! room here.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ahash::RandomState;
use bytes::Bytes;

use super::nouns::{Deposit, Reference, Told};
use crate::delivery::ids::{DeviceId, GroupId, Seq};
use crate::delivery::shard::Link;
use crate::limits::{
    LISTENERS_MAX, MAILBOX_BYTES_MAX, MAILBOX_WELCOMES_MAX, MAILBOXES_BYTES_MAX, WELCOME_AGE_MAX,
    WELCOMES_IN_FLIGHT_BYTES_MAX, WELCOMES_IN_FLIGHT_MAX,
};

/// What a Welcome costs besides its bytes.
const LETTER_OVERHEAD_BYTES: usize = 256;

/// A Welcome that waits for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The device.
    pub device: DeviceId,
    /// The group.
    pub group: GroupId,
    /// The commit that adds it.
    pub seq: Seq,
    /// Which of its KeyPackages was used.
    pub reference: Reference,
    /// When it came, Unix time in seconds.
    pub unix_s: u64,
    /// The group's cipher suite.
    pub suite: u16,
    /// The device's `EncryptedGroupSecrets`.
    pub secrets: Bytes,
    /// `encrypted_group_info`, shared by all that joined by the same commit.
    pub group_info: Bytes,
}

impl Letter {
    /// Bytes it is counted as; what it shares with others is counted for each.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.secrets.len() + self.group_info.len() + LETTER_OVERHEAD_BYTES
    }
}

/// The mailboxes of a shard's devices.
#[derive(Debug, Default)]
pub struct Mailboxes {
    /// By number: oldest first.
    letters: BTreeMap<u64, Letter>,
    boxes: HashMap<DeviceId, Mailbox, RandomState>,
    next: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Mailbox {
    /// Of the letters that wait, rising.
    numbers: VecDeque<u64>,
    bytes: usize,
    listeners: Vec<Listener>,
}

/// A session that is told.
#[derive(Debug)]
struct Listener {
    link: Link,
    /// Every letter below this number has been told.
    next: u64,
}

impl Mailboxes {
    /// The number that the next Welcome gets: above every one before it, also those of which
    /// nothing is known any more, as long as the clock does not fall behind a million Welcomes a
    /// second.
    #[must_use]
    pub fn next(&self, unix_s: u64) -> u64 {
        self.next.max(unix_s << 20)
    }

    /// Whether the Welcome of a commit waits for the device.
    #[must_use]
    pub fn holds(&self, device: DeviceId, group: &GroupId, seq: Seq) -> bool {
        let Some(mailbox) = self.boxes.get(&device) else { return false };
        mailbox.numbers.iter().any(|number| {
            self.letters.get(number).is_some_and(|it| it.group == *group && it.seq == seq)
        })
    }

    /// Keeps Welcomes, dropping the oldest ones where there is no room; how many were dropped.
    pub fn deposit(&mut self, deposit: &Deposit) -> usize {
        let Deposit { group, seq, unix_s, suite, group_info, first, joiners } = deposit;
        for (joiner, number) in joiners.iter().zip(*first..) {
            let letter = Letter {
                device: joiner.device,
                group: *group,
                seq: *seq,
                reference: joiner.reference,
                unix_s: *unix_s,
                suite: *suite,
                secrets: joiner.secrets.clone(),
                group_info: group_info.clone(),
            };
            self.restore(number, letter);
        }
        let devices = joiners.iter().map(|joiner| joiner.device);
        let full: usize = devices.map(|device| self.trim(device)).sum();
        full + self.trim_all(*unix_s)
    }

    /// Puts a Welcome where it was, under the number it had; nothing if it is there.
    pub fn restore(&mut self, number: u64, letter: Letter) {
        if self.letters.contains_key(&number) {
            return;
        }
        self.next = self.next.max(number + 1);
        let mailbox = self.boxes.entry(letter.device).or_default();
        let place = mailbox.numbers.partition_point(|other| *other < number);
        mailbox.numbers.insert(place, number);
        mailbox.bytes += letter.cost();
        self.bytes += letter.cost();
        self.letters.insert(number, letter);
    }

    /// Takes a Welcome out for good, if it waits for the device; false otherwise.
    pub fn collect(&mut self, device: DeviceId, number: u64) -> bool {
        let own = self.letters.get(&number).is_some_and(|letter| letter.device == device);
        if own {
            self.remove(number);
        }
        own
    }

    /// A session wants to be told, from the oldest on, even if it was before. Among too many the
    /// one that asked first is forgotten.
    pub fn listen(&mut self, device: DeviceId, link: Link) {
        let listeners = &mut self.boxes.entry(device).or_default().listeners;
        listeners.retain(|listener| listener.link != link);
        if listeners.len() == LISTENERS_MAX {
            listeners.remove(0);
        }
        listeners.push(Listener { link, next: 0 });
    }

    /// A session is over.
    pub fn leave(&mut self, device: DeviceId, link: Link) {
        let Some(mailbox) = self.boxes.get_mut(&device) else { return };
        mailbox.listeners.retain(|listener| listener.link != link);
        self.tidy(device);
    }

    /// The sessions that are told about a device.
    pub fn listeners(&self, device: DeviceId) -> impl Iterator<Item = Link> {
        let mailbox = self.boxes.get(&device);
        mailbox.into_iter().flat_map(|mailbox| mailbox.listeners.iter().map(|it| it.link))
    }

    /// What a device's sessions are to be told now: as much as may be in flight. O(told).
    pub fn tell(&mut self, device: DeviceId, mut told: impl FnMut(Told)) {
        let Some(mailbox) = self.boxes.get_mut(&device) else { return };
        let Mailbox { numbers, listeners, .. } = mailbox;
        for Listener { link, next } in listeners {
            let mut in_flight = numbers.partition_point(|number| number < next);
            let costs = numbers.range(..in_flight).filter_map(|number| self.letters.get(number));
            let mut bytes: usize = costs.map(Letter::cost).sum();
            while in_flight < numbers.len().min(WELCOMES_IN_FLIGHT_MAX) {
                let number = numbers[in_flight];
                let letter = self.letters.get(&number).expect("a number names a letter");
                bytes += letter.cost();
                if in_flight > 0 && bytes > WELCOMES_IN_FLIGHT_BYTES_MAX {
                    break;
                }
                told(Told::Welcome {
                    to: *link,
                    number,
                    reference: letter.reference,
                    suite: letter.suite,
                    secrets: letter.secrets.clone(),
                    group_info: letter.group_info.clone(),
                });
                *next = number + 1;
                in_flight += 1;
            }
        }
    }

    /// Welcomes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// The devices for which anything waits, or who listen.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.boxes.keys().copied()
    }

    /// The Welcomes that wait for a device with their numbers, oldest first. Bytes are shared.
    #[must_use]
    pub fn save(&self, device: DeviceId) -> Vec<(u64, Letter)> {
        let numbers = self.boxes.get(&device).into_iter().flat_map(|mailbox| &mailbox.numbers);
        let letter = |number: &u64| Some((*number, self.letters.get(number)?.clone()));
        numbers.filter_map(letter).collect()
    }

    /// Forgets every Welcome that waits for a device: what was saved takes their place.
    pub fn empty(&mut self, device: DeviceId) {
        let numbers = self.boxes.get(&device).map(|mailbox| mailbox.numbers.clone());
        for number in numbers.into_iter().flatten() {
            self.remove(number);
        }
    }

    fn trim(&mut self, device: DeviceId) -> usize {
        let mut dropped = 0;
        while let Some(mailbox) = self.boxes.get(&device)
            && (mailbox.numbers.len() > MAILBOX_WELCOMES_MAX || mailbox.bytes > MAILBOX_BYTES_MAX)
            && let Some(oldest) = mailbox.numbers.front().copied()
        {
            self.remove(oldest);
            dropped += 1;
        }
        dropped
    }

    fn trim_all(&mut self, unix_s: u64) -> usize {
        let mut dropped = 0;
        let age_max_s = WELCOME_AGE_MAX.as_secs();
        while let Some((number, oldest)) = self.letters.first_key_value()
            && (self.bytes > MAILBOXES_BYTES_MAX || oldest.unix_s + age_max_s < unix_s)
        {
            let number = *number;
            self.remove(number);
            dropped += 1;
        }
        dropped
    }

    fn remove(&mut self, number: u64) {
        let letter = self.letters.remove(&number).expect("it was found");
        let mailbox = self.boxes.get_mut(&letter.device).expect("a letter is in a mailbox");
        let place = mailbox.numbers.binary_search(&number).expect("a letter has a number");
        mailbox.numbers.remove(place);
        mailbox.bytes -= letter.cost();
        self.bytes -= letter.cost();
        self.tidy(letter.device);
    }

    fn tidy(&mut self, device: DeviceId) {
        let mailbox = self.boxes.get(&device);
        if mailbox.is_some_and(|it| it.numbers.is_empty() && it.listeners.is_empty()) {
            self.boxes.remove(&device);
        }
    }
}
