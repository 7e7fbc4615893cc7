//! The KeyPackages that devices have published, and those that were handed out.
//!
//! Never decides who may ask; [`super::devices`] does. A KeyPackage is known by its reference from
//! its publication until it has been handed out and forgotten, so that none is handed out twice.

use std::collections::{HashMap, HashSet, VecDeque};

use ahash::RandomState;

use super::nouns::{KeyPackage, Reference};
use crate::delivery::ids::DeviceId;
use crate::delivery::reject::Reject;
use crate::limits::{
    DIRECTORY_BYTES_MAX, KEY_PACKAGE_EARLY_MAX, KEY_PACKAGE_HANDED_AGE_MAX, KEY_PACKAGE_SUITES_MAX,
    KEY_PACKAGES_HANDED_MAX, KEY_PACKAGES_LOW, KEY_PACKAGES_PER_SUITE_MAX, SHELF_BYTES_MAX,
};

/// What a KeyPackage costs besides its body, and what one costs that was handed out.
const PACKAGE_OVERHEAD_BYTES: usize = 200;

/// How often a directory that is filling up is looked through for what has expired, in seconds.
const SWEEP_EVERY_S: u64 = 60;

/// What became of a KeyPackage that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedState {
    /// It waits to be handed out.
    Waiting,
    /// It was handed out: one Welcome may use it.
    Handed,
    /// A Welcome has used it.
    Used,
    /// It is, or was, of last resort: any number of Welcomes may use it.
    LastResort,
}

/// A KeyPackage that was handed out, as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Which.
    pub reference: Reference,
    /// When, Unix time in seconds.
    pub unix_s: u64,
    /// What became of it; never [`HandedState::Waiting`].
    pub state: HandedState,
}

/// Everything of one device, as it is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedShelf {
    /// The device.
    pub device: DeviceId,
    /// The suites that it has published of, whether or not anything is left of them.
    pub suites: Vec<u16>,
    /// KeyPackages that wait, by suite: the one of last resort, then in the order of publication.
    pub packages: Vec<KeyPackage>,
    /// Those handed out, oldest first.
    pub handed: Vec<Handed>,
}

impl SavedShelf {
    /// Of a device that has published nothing.
    #[must_use]
    pub fn empty(device: DeviceId) -> Self {
        let (suites, packages, handed) = (Vec::new(), Vec::new(), Vec::new());
        Self { device, suites, packages, handed }
    }
}

/// The KeyPackages of a shard's devices.
#[derive(Debug, Default)]
pub struct Directory {
    shelves: HashMap<DeviceId, Shelf, RandomState>,
    /// Everything that waits or was handed out lately.
    known: HashMap<Reference, (DeviceId, HandedState), RandomState>,
    /// Whose was handed out when, oldest first: one for each.
    order: VecDeque<(u64, DeviceId)>,
    bytes: usize,
    sweep_next: u64,
}

/// The KeyPackages of one device.
#[derive(Debug, Default)]
struct Shelf {
    /// By suite. A handful.
    stacks: Vec<(u16, Stack)>,
    /// Handed out, oldest first.
    handed: VecDeque<(u64, Reference)>,
}

/// The KeyPackages of one device and suite.
#[derive(Debug, Default)]
struct Stack {
    waiting: VecDeque<KeyPackage>,
    last_resort: Option<KeyPackage>,
}

impl Directory {
    /// Whether all these KeyPackages may be published. O(packages).
    ///
    /// # Errors
    /// [`Reject::BadKeyPackage`], [`Reject::TooManyKeyPackages`].
    pub fn check(
        &self,
        device: DeviceId,
        unix_s: u64,
        last_resort: bool,
        packages: &[KeyPackage],
    ) -> Result<(), Reject> {
        let mut seen: HashSet<&Reference, RandomState> = HashSet::default();
        let mut more: HashMap<u16, usize, RandomState> = HashMap::default();
        for package in packages {
            let early = package.not_before > unix_s + KEY_PACKAGE_EARLY_MAX.as_secs();
            let late = package.not_after <= unix_s;
            let foreign = package.identity.is_some_and(|identity| identity != device);
            let twice =
                self.known.contains_key(&package.reference) || !seen.insert(&package.reference);
            if early || late || foreign || twice || package.last_resort != last_resort {
                return Err(Reject::BadKeyPackage);
            }
            *more.entry(package.suite).or_default() += 1;
        }
        let shelf = self.shelves.get(&device);
        for (suite, more) in &more {
            let stack = shelf.and_then(|shelf| shelf.stack(*suite));
            let waiting = stack.map_or(0, |stack| stack.fresh(unix_s));
            let most =
                if last_resort { 1 } else { KEY_PACKAGES_PER_SUITE_MAX.saturating_sub(waiting) };
            if *more > most {
                return Err(Reject::TooManyKeyPackages);
            }
        }
        let suites = shelf.map_or(0, |shelf| shelf.stacks.len());
        let new = |suite: &&u16| shelf.is_none_or(|shelf| shelf.stack(**suite).is_none());
        let suites = suites + more.keys().filter(new).count();
        let bytes: usize = packages.iter().map(cost).sum();
        if packages.is_empty() {
            return Err(Reject::BadKeyPackage);
        }
        // Those of last resort take the place of the ones before.
        let stays = |it: &KeyPackage| {
            it.not_after > unix_s
                && !(last_resort && it.last_resort && more.contains_key(&it.suite))
        };
        let staying = shelf.into_iter().flat_map(Shelf::packages).filter(|it| stays(it));
        let shelved = staying.map(cost).sum::<usize>() + bytes;
        if suites > KEY_PACKAGE_SUITES_MAX
            || shelved > SHELF_BYTES_MAX
            || self.bytes + bytes > DIRECTORY_BYTES_MAX
        {
            return Err(Reject::TooManyKeyPackages);
        }
        Ok(())
    }

    /// Keeps checked KeyPackages, once what has expired of the device is dropped. One of last resort
    /// takes the place of the one before.
    pub fn publish(&mut self, device: DeviceId, unix_s: u64, packages: Vec<KeyPackage>) {
        self.drop_expired(device, unix_s);
        for package in packages {
            let shelf = self.shelves.entry(device).or_default();
            let stack = shelf.stack_mut(package.suite);
            let state =
                if package.last_resort { HandedState::LastResort } else { HandedState::Waiting };
            self.bytes += cost(&package);
            self.known.insert(package.reference, (device, state));
            if package.last_resort {
                if let Some(before) = stack.last_resort.replace(package) {
                    self.bytes -= cost(&before);
                    // Those who were given it may still use it.
                    self.remember(device, unix_s, before.reference, HandedState::LastResort);
                }
            } else {
                stack.waiting.push_back(package);
            }
        }
    }

    /// Drops what has expired of a device; of which suites few are left by that, and how many.
    pub fn drop_expired(&mut self, device: DeviceId, unix_s: u64) -> Vec<(u16, u32)> {
        let Some(shelf) = self.shelves.get_mut(&device) else { return Vec::new() };
        let (mut expired, mut low) = (Vec::new(), Vec::new());
        for (suite, stack) in &mut shelf.stacks {
            let before = stack.len();
            expired.extend(stack.drop_expired(unix_s));
            if before > KEY_PACKAGES_LOW && stack.len() <= KEY_PACKAGES_LOW {
                low.push((*suite, stack.len()));
            }
        }
        self.forget(&expired);
        low
    }

    /// Hands out the next KeyPackage of a device and suite; how many are left besides the one of
    /// last resort.
    ///
    /// # Errors
    /// [`Reject::NoKeyPackage`]. Those that have expired are dropped even then.
    pub fn claim(
        &mut self,
        device: DeviceId,
        suite: u16,
        unix_s: u64,
    ) -> Result<(KeyPackage, u32), Reject> {
        let Some(stack) = self.shelves.get_mut(&device).and_then(|shelf| shelf.find(suite)) else {
            return Err(Reject::NoKeyPackage);
        };
        let expired = stack.drop_expired(unix_s);
        let next = stack.waiting.pop_front();
        let left = stack.len();
        let package = next.or_else(|| stack.last_resort.clone());
        self.forget(&expired);
        if let Some(package) = &package
            && !package.last_resort
        {
            self.bytes -= cost(package);
            self.remember(device, unix_s, package.reference, HandedState::Handed);
        }
        package.map(|package| (package, left)).ok_or(Reject::NoKeyPackage)
    }

    /// Hands out what has been handed out before: for replay. One that is not known here was
    /// published in a part of the log that is gone; it is not handed out again.
    pub fn claim_again(&mut self, device: DeviceId, suite: u16, unix_s: u64, which: Reference) {
        if self.known.get(&which).is_some_and(|(_, state)| *state == HandedState::LastResort) {
            return;
        }
        let stack = self.shelves.get_mut(&device).and_then(|shelf| shelf.find(suite));
        if let Some(stack) = stack
            && let Some(place) = stack.waiting.iter().position(|it| it.reference == which)
            && let Some(package) = stack.waiting.remove(place)
        {
            self.bytes -= cost(&package);
        }
        self.remember(device, unix_s, which, HandedState::Handed);
    }

    /// Whose a KeyPackage is that a Welcome is for, if it was handed out and not used.
    #[must_use]
    pub fn awaits_welcome(&self, reference: &Reference) -> Option<DeviceId> {
        let (device, state) = self.known.get(reference)?;
        let awaits = matches!(state, HandedState::Handed | HandedState::LastResort);
        awaits.then_some(*device)
    }

    /// A Welcome has used a KeyPackage.
    pub fn used(&mut self, reference: &Reference) {
        if let Some((_, state @ HandedState::Handed)) = self.known.get_mut(reference) {
            *state = HandedState::Used;
        }
    }

    /// KeyPackages of a suite that a device has waiting, besides the one of last resort.
    #[must_use]
    pub fn left(&self, device: DeviceId, suite: u16) -> u32 {
        let shelf = self.shelves.get(&device);
        shelf.and_then(|shelf| shelf.stack(suite)).map_or(0, Stack::len)
    }

    /// Whether a device may have published of a suite: nothing is known of it, or this is.
    #[must_use]
    pub fn may_know(&self, device: DeviceId, suite: u16) -> bool {
        self.shelves.get(&device).is_none_or(|shelf| shelf.stack(suite).is_some())
    }

    /// The suites that a device has published KeyPackages of.
    pub fn suites(&self, device: DeviceId) -> impl Iterator<Item = u16> {
        let shelf = self.shelves.get(&device);
        shelf.into_iter().flat_map(|shelf| shelf.stacks.iter().map(|(suite, _)| *suite))
    }

    /// Bytes that wait, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The devices that have anything.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.shelves.keys().copied()
    }

    /// Everything of a device, to be kept elsewhere. Bodies are shared.
    #[must_use]
    pub fn save(&self, device: DeviceId) -> Option<SavedShelf> {
        let shelf = self.shelves.get(&device)?;
        let mut stacks: Vec<&(u16, Stack)> = shelf.stacks.iter().collect();
        stacks.sort_unstable_by_key(|(suite, _)| *suite);
        let suites = stacks.iter().map(|(suite, _)| *suite).collect();
        let packages = stacks.iter().map(|(_, stack)| stack);
        let packages = packages.flat_map(|it| it.last_resort.iter().chain(&it.waiting)).cloned();
        let packages = packages.collect();
        let handed = shelf.handed.iter().map(|(unix_s, reference)| {
            let state = self.known.get(reference).map_or(HandedState::Used, |(_, it)| *it);
            Handed { reference: *reference, unix_s: *unix_s, state }
        });
        Some(SavedShelf { device, suites, packages, handed: handed.collect() })
    }

    /// Puts a device's shelf back, as it was saved, in place of what it has.
    pub fn restore(&mut self, saved: SavedShelf) {
        let SavedShelf { device, suites, packages, handed } = saved;
        self.remove(device);
        for suite in suites {
            self.shelves.entry(device).or_default().stack_mut(suite);
        }
        self.publish(device, 0, packages);
        for Handed { reference, unix_s, state } in handed {
            self.remember(device, unix_s, reference, state);
        }
    }

    /// Drops everything that has expired, if the directory is filling up; now and then. Of which
    /// devices and suites few are left by that, and how many.
    pub fn make_room(&mut self, unix_s: u64) -> Vec<(DeviceId, u16, u32)> {
        let mut low = Vec::new();
        if self.bytes < DIRECTORY_BYTES_MAX / 4 * 3 || unix_s < self.sweep_next {
            return low;
        }
        self.sweep_next = unix_s + SWEEP_EVERY_S;
        let devices: Vec<DeviceId> = self.devices().collect();
        for device in devices {
            let suites = self.drop_expired(device, unix_s).into_iter();
            low.extend(suites.map(|(suite, left)| (device, suite, left)));
        }
        self.shelves.retain(|_, shelf| !shelf.is_empty());
        low
    }

    fn remember(&mut self, device: DeviceId, unix_s: u64, which: Reference, state: HandedState) {
        self.known.insert(which, (device, state));
        let handed = &mut self.shelves.entry(device).or_default().handed;
        handed.push_back((unix_s, which));
        self.order.push_back((unix_s, device));
        self.bytes += PACKAGE_OVERHEAD_BYTES;
        let bound = usize::from(handed.len() > KEY_PACKAGES_HANDED_MAX);
        self.forget_handed(device, bound, unix_s);
        let is_old = |(since, _): &mut (u64, DeviceId)| is_old(*since, unix_s);
        while let Some((_, device)) = self.order.pop_front_if(is_old) {
            self.forget_handed(device, 0, unix_s);
        }
    }

    /// Forgets the first `least` that a device's were handed out, and those that are too old.
    fn forget_handed(&mut self, device: DeviceId, least: usize, unix_s: u64) {
        let Some(shelf) = self.shelves.get_mut(&device) else { return };
        let mut forgotten = 0;
        while let Some((_, oldest)) =
            shelf.handed.pop_front_if(|(since, _)| forgotten < least || is_old(*since, unix_s))
        {
            forgotten += 1;
            self.known.remove(&oldest);
            self.bytes -= PACKAGE_OVERHEAD_BYTES;
        }
        if shelf.is_empty() {
            self.shelves.remove(&device);
        }
    }

    fn remove(&mut self, device: DeviceId) {
        let Some(shelf) = self.shelves.remove(&device) else { return };
        for (_, reference) in shelf.handed {
            self.known.remove(&reference);
            self.bytes -= PACKAGE_OVERHEAD_BYTES;
        }
        for (_, stack) in shelf.stacks {
            let packages: Vec<KeyPackage> =
                stack.waiting.into_iter().chain(stack.last_resort).collect();
            self.forget(&packages);
        }
    }

    fn forget(&mut self, expired: &[KeyPackage]) {
        for package in expired {
            self.bytes -= cost(package);
            self.known.remove(&package.reference);
        }
    }
}

impl Shelf {
    /// Whether there is nothing. A suite of which nothing is left is kept as long as anything is,
    /// so that its owner can be told.
    fn is_empty(&self) -> bool {
        let is_empty = |stack: &Stack| stack.waiting.is_empty() && stack.last_resort.is_none();
        self.handed.is_empty() && self.stacks.iter().all(|(_, stack)| is_empty(stack))
    }

    /// All that wait.
    fn packages(&self) -> impl Iterator<Item = &KeyPackage> {
        self.stacks.iter().flat_map(|(_, stack)| stack.waiting.iter().chain(&stack.last_resort))
    }

    fn stack(&self, suite: u16) -> Option<&Stack> {
        self.stacks.iter().find(|(other, _)| *other == suite).map(|(_, stack)| stack)
    }

    fn find(&mut self, suite: u16) -> Option<&mut Stack> {
        self.stacks.iter_mut().find(|(other, _)| *other == suite).map(|(_, stack)| stack)
    }

    fn stack_mut(&mut self, suite: u16) -> &mut Stack {
        let found = self.stacks.iter().position(|(other, _)| *other == suite);
        let index = found.unwrap_or_else(|| {
            self.stacks.push((suite, Stack::default()));
            self.stacks.len() - 1
        });
        &mut self.stacks[index].1
    }
}

impl Stack {
    /// How many wait, the one of last resort not counted.
    fn len(&self) -> u32 {
        u32::try_from(self.waiting.len()).expect("they are bounded")
    }

    /// How many wait that have not expired.
    fn fresh(&self, unix_s: u64) -> usize {
        self.waiting.iter().filter(|package| package.not_after > unix_s).count()
    }

    /// Takes out what has expired, the one of last resort too.
    fn drop_expired(&mut self, unix_s: u64) -> Vec<KeyPackage> {
        let is_late = |package: &KeyPackage| package.not_after <= unix_s;
        let last_resort = self.last_resort.take_if(|package| is_late(package));
        if last_resort.is_none() && !self.waiting.iter().any(is_late) {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (late, fresh): (VecDeque<_>, VecDeque<_>) = waiting.into_iter().partition(is_late);
        self.waiting = fresh;
        late.into_iter().chain(last_resort).collect()
    }
}

fn cost(package: &KeyPackage) -> usize {
    package.body.len() + PACKAGE_OVERHEAD_BYTES
}

fn is_old(since: u64, unix_s: u64) -> bool {
    since + KEY_PACKAGE_HANDED_AGE_MAX.as_secs() < unix_s
}
