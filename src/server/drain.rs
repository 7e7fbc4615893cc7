//! Stopping: what was accepted is delivered, on whichever shard, then everybody is told goodbye.
//!
//! A message may be accepted on one shard and due on another, so no shard leaves by its own books
//! alone. Told to stop, each refuses what is new; when all do, each decides what is already inside
//! and hands out the outcome; when all have, each delivers what is due to its own sessions. Every
//! step waits for all shards, and all of them together for no longer than is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::service::Error;
use super::worker::{Worker, refusal_text};
use crate::clock;
use crate::wire::Refusal;

/// How long a stopping shard lets its last packets be acknowledged, and its close be sent again.
const LINGER: Duration = Duration::from_millis(250);

/// How many shards have come how far.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain(Arc<Reached>);

#[derive(Debug, Default)]
struct Reached {
    /// Shards that accept nothing more and have handed all requests to their groups' owners.
    closed: AtomicU16,
    /// Of these, shards that have decided all of them and handed the outcome to everybody's shard.
    settled: AtomicU16,
}

impl Drain {
    /// A shard has failed and will come no further: nobody waits for it. If it had come some way it
    /// is counted twice, and another one may not be waited for either.
    pub(super) fn give_up(&self) {
        for count in [&self.0.closed, &self.0.settled] {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn is_closed(&self, shards: u16) -> bool {
        self.0.closed.load(Ordering::Acquire) >= shards
    }

    fn is_settled(&self, shards: u16) -> bool {
        self.0.settled.load(Ordering::Acquire) >= shards
    }
}

/// How far one shard has come. Each step ends at the end of a turn, which has taken everything
/// that others decided before the step began; what they ask it may leave for another turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was not told to stop.
    #[default]
    Serving,
    /// It refuses what is new, and hands on the requests from before.
    Closing,
    /// It waits until every shard refuses what is new.
    Closed,
    /// It decides what is left.
    Settling,
    /// It waits until every shard has decided.
    Settled,
    /// It hands its recipients what is due to them.
    Delivering,
}

impl Stage {
    /// Whether anything new is refused.
    pub(super) fn is_stopping(self) -> bool {
        self != Self::Serving
    }
}

impl Worker {
    /// Takes the shard further at the end of a turn, now that it was told to stop; true when nothing
    /// is owed to anybody here.
    pub(super) fn drain(&mut self) -> bool {
        let (all, shards) = (&self.shared.drain, self.mesh.shards());
        let handed_over = self.mesh.is_flushed();
        self.stage = match self.stage {
            Stage::Serving => Stage::Closing,
            Stage::Closing if handed_over => {
                all.0.closed.fetch_add(1, Ordering::AcqRel);
                Stage::Closed
            }
            Stage::Closed if all.is_closed(shards) => Stage::Settling,
            Stage::Settling if self.mesh.is_idle() && self.engine.held() == 0 => {
                all.0.settled.fetch_add(1, Ordering::AcqRel);
                Stage::Settled
            }
            Stage::Settled if all.is_settled(shards) => Stage::Delivering,
            Stage::Delivering => return !self.owes_anything(),
            waiting => waiting,
        };
        false
    }

    /// Whether anything accepted has not been handed to a recipient or its sender yet.
    fn owes_anything(&self) -> bool {
        !self.engine.is_settled()
            || self.audiences.is_sweeping()
            || self.driver.is_behind()
            || self.sessions.iter().any(|session| {
                let peer = session.peer.as_ref();
                let behind =
                    peer.is_some_and(|peer| !peer.rest.is_empty() || !peer.waiting.is_empty());
                behind || session.has_replies()
            })
    }

    /// Lets the last packets be acknowledged, refusing what still comes, then says goodbye to
    /// everybody.
    pub(super) fn linger(mut self) -> Result<(), Error> {
        let goodbye = clock::now() + LINGER;
        loop {
            let now = clock::now();
            if now >= goodbye {
                break;
            }
            if !self.turn(now)? {
                self.driver.wait(now, Some(goodbye), None);
            }
        }
        let now = clock::now();
        let why = Refusal::Draining;
        for connection in self.driver.connections().collect::<Vec<_>>() {
            self.driver.close(now, connection, why.code(), refusal_text(why));
        }
        self.driver.transmit(now)?;
        let gone = now + LINGER;
        while self.driver.open_connections() > 0 && clock::now() < gone {
            self.idle_until(gone)?;
        }
        Ok(())
    }

    /// Serves acknowledgements and timers, and nothing else.
    fn idle_until(&mut self, until: Instant) -> Result<(), Error> {
        let now = clock::now();
        self.driver.receive(now)?;
        while self.driver.poll().is_some() {}
        self.driver.transmit(now)?;
        if !self.driver.is_busy() {
            self.driver.wait(now, Some(until), None);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_failed_is_not_waited_for() {
        let drain = Drain::default();
        drain.0.closed.fetch_add(1, Ordering::AcqRel);
        assert!(!drain.is_closed(2) && !drain.is_settled(1));
        drain.give_up();
        assert!(drain.is_closed(2) && drain.is_settled(1) && !drain.is_settled(2));
    }
}
