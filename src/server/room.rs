//! Room for long frames that are not whole yet: one budget of a shard, shared in turn.
//!
//! Pure. A session that begins a long frame takes room for all of it before it is read on, so what
//! unfinished frames hold is never more than the budget, whatever lengths are claimed. When there
//! is none the session waits, unread, and those who wait are served in order; only whose connection
//! has its share already is passed over until it gives some back. Who holds room too long is named
//! by [`Room::overdue`]. Used by the shard's `read`.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::session::SessionKey;
use crate::limits::INBOX_CONNECTION_SHARE;

/// Somebody who waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    key: SessionKey,
    connection: u32,
    bytes: usize,
}

/// Somebody who has room.
#[derive(Clone, Copy, Debug)]
struct Held {
    key: SessionKey,
    connection: u32,
    bytes: usize,
    until: Instant,
}

/// The budget of one shard. As many hold room as fit in it: a dozen of the longest, some ten
/// thousand of the shortest.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: usize,
    frame_max: Duration,
    taken: usize,
    /// By connection, of those that have any.
    taken_by: HashMap<u32, usize>,
    /// Oldest first.
    held: VecDeque<Held>,
    /// Oldest first; each session once.
    waiting: VecDeque<Waiting>,
}

impl Room {
    /// All of it free. A frame may take `frame_max` until it is whole.
    pub(super) fn new(bytes_max: usize, frame_max: Duration) -> Self {
        let (held, waiting) = (VecDeque::new(), VecDeque::new());
        Self { bytes_max, frame_max, taken: 0, taken_by: HashMap::new(), held, waiting }
    }

    /// Whether somebody waits: no session may then hold more unread than it has to.
    pub(super) fn is_short(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Room for a frame of so many bytes, which must fit the budget; false if the session has to
    /// wait until [`Self::granted`] names it.
    pub(super) fn take(
        &mut self,
        now: Instant,
        key: SessionKey,
        connection: u32,
        bytes: usize,
    ) -> bool {
        assert!(bytes <= self.bytes_max, "a frame fits the budget");
        let asked = Waiting { key, connection, bytes };
        let first = self.waiting.iter().all(|other| self.passed_over(other));
        if first && self.fits(&asked) {
            self.hold(now, asked);
            return true;
        }
        if self.waiting.iter().all(|other| other.key != key) {
            self.waiting.push_back(asked);
        }
        false
    }

    /// The session needs its room no longer, or is gone.
    pub(super) fn give_back(&mut self, key: SessionKey) {
        if let Some(place) = self.held.iter().position(|held| held.key == key)
            && let Some(held) = self.held.remove(place)
        {
            self.taken -= held.bytes;
            if let Some(own) = self.taken_by.get_mut(&held.connection) {
                *own -= held.bytes;
                if *own == 0 {
                    self.taken_by.remove(&held.connection);
                }
            }
        }
        self.waiting.retain(|other| other.key != key);
    }

    /// The next session that has waited and now has room.
    pub(super) fn granted(&mut self, now: Instant) -> Option<SessionKey> {
        let place = self.waiting.iter().position(|one| !self.passed_over(one))?;
        let asked = self.waiting[place];
        if !self.fits(&asked) {
            return None;
        }
        self.waiting.remove(place);
        self.hold(now, asked);
        Some(asked.key)
    }

    /// A session that has held room for longer than a frame may take; it keeps it until it gives
    /// it back.
    pub(super) fn overdue(&self, now: Instant) -> Option<SessionKey> {
        self.held.front().filter(|held| held.until <= now).map(|held| held.key)
    }

    fn hold(&mut self, now: Instant, Waiting { key, connection, bytes }: Waiting) {
        self.taken += bytes;
        *self.taken_by.entry(connection).or_default() += bytes;
        self.held.push_back(Held { key, connection, bytes, until: now + self.frame_max });
    }

    fn fits(&self, asked: &Waiting) -> bool {
        self.taken + asked.bytes <= self.bytes_max && !self.passed_over(asked)
    }

    /// Whether its connection has its share: something, and with this frame more than that.
    fn passed_over(&self, asked: &Waiting) -> bool {
        let own = self.taken_by.get(&asked.connection).copied().unwrap_or(0);
        own > 0 && own + asked.bytes > self.bytes_max / INBOX_CONNECTION_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::clock;

    const FRAME_MAX: Duration = Duration::from_secs(60);

    fn key(index: u32) -> SessionKey {
        SessionKey { index, generation: 0 }
    }

    #[test]
    fn who_waits_is_served_in_order_and_nobody_overtakes() {
        let now = clock::now();
        let mut room = Room::new(800, FRAME_MAX);
        assert!(room.take(now, key(0), 0, 500));
        assert!(!room.take(now, key(1), 1, 500));
        assert!(!room.take(now, key(2), 2, 100), "it would fit, and comes later");
        assert!(room.is_short());
        assert_eq!(room.granted(now), None);
        room.give_back(key(0));
        assert_eq!(room.granted(now), Some(key(1)));
        assert_eq!(room.granted(now), Some(key(2)));
        assert!(!room.is_short());
    }

    #[test]
    fn a_connection_with_its_share_is_passed_over_and_keeps_nobody_waiting() {
        let now = clock::now();
        let mut room = Room::new(800, FRAME_MAX);
        assert!(room.take(now, key(0), 7, 100));
        assert!(!room.take(now, key(1), 7, 100), "more than its eighth");
        assert!(room.take(now, key(2), 8, 100));
        assert_eq!(room.granted(now), None);
        room.give_back(key(0));
        assert_eq!(room.granted(now), Some(key(1)));
    }

    #[test]
    fn a_single_frame_may_be_longer_than_a_share() {
        let mut room = Room::new(800, FRAME_MAX);
        assert!(room.take(clock::now(), key(0), 0, 800));
    }

    #[test]
    fn who_holds_room_too_long_is_named_oldest_first() {
        let now = clock::now();
        let mut room = Room::new(800, FRAME_MAX);
        for index in 0..2 {
            room.take(now + Duration::from_secs(u64::from(index)), key(index), index, 100);
        }
        assert_eq!(room.overdue(now + FRAME_MAX - Duration::from_nanos(1)), None);
        assert_eq!(room.overdue(now + FRAME_MAX), Some(key(0)));
        room.give_back(key(0));
        assert_eq!(room.overdue(now + FRAME_MAX), None);
        assert_eq!(room.overdue(now + FRAME_MAX * 2), Some(key(1)));
    }

    proptest! {
        #[test]
        fn what_is_held_never_exceeds_the_budget_and_everybody_gets_room_in_the_end(
            asks in prop::collection::vec((0_u32..30, 1_usize..800, any::<bool>()), 1..200)
        ) {
            let now = clock::now();
            let mut room = Room::new(800, FRAME_MAX);
            let mut holders: Vec<SessionKey> = Vec::new();
            for (index, bytes, leaves) in asks {
                if leaves {
                    room.give_back(key(index));
                    holders.retain(|holder| *holder != key(index));
                } else if !holders.contains(&key(index))
                    && room.waiting.iter().all(|other| other.key != key(index))
                    && room.take(now, key(index), index / 3, bytes)
                {
                    holders.push(key(index));
                }
                holders.extend(std::iter::from_fn(|| room.granted(now)));
                let held: usize = room.held.iter().map(|held| held.bytes).sum();
                prop_assert!(held == room.taken && held <= 800);
                prop_assert_eq!(room.held.len(), holders.len());
            }
            while let Some(holder) = holders.pop() {
                room.give_back(holder);
                holders.extend(std::iter::from_fn(|| room.granted(now)));
            }
            prop_assert!(room.waiting.is_empty() && room.taken == 0 && room.taken_by.is_empty());
        }
    }
}
