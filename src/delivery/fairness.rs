//! Whose turn it is when commits race: a member that always loses comes before one that floods.
//!
//! The first commit for an epoch wins, so a member that is always a little faster could win every
//! epoch. Here a group remembers who has lost commits since it last won. Whoever has lost in
//! [`LOSSES_MIN`] epochs has the epoch reserved, for a short while at most: meanwhile nobody
//! commits who has lost in fewer epochs than the one that has lost in most, and is told when to
//! come back. Who lets a reservation lapse has to lose twice as often for the next, so pretending
//! to want a commit delays others little and ever more seldom. A loss counts once for each epoch,
//! and only in the one that was closed last.
//!
//! Without losers nobody waits and nothing is remembered. Pure, and no part of the order: a refusal
//! changes nothing that is logged. Called by [`super::group`].

use std::time::Duration;

use super::ids::{DeviceId, Epoch};
use super::reject::Reject;
use crate::limits::{CONTENDERS_MAX, LOSSES_MIN};

/// Somebody who has lost and not won since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contender {
    device: DeviceId,
    /// Epochs that it has lost since it won, or let a reservation lapse.
    losses: u32,
    /// The latest of them.
    lost: Epoch,
    /// Losses that it takes for a reservation.
    needed: u32,
}

impl Contender {
    fn is_starved(&self) -> bool {
        self.losses >= self.needed
    }
}

/// The losers of one group. 40 bytes each, [`CONTENDERS_MAX`] at most.
#[derive(Debug)]
pub struct Fairness {
    reservation_max: Duration,
    contenders: Vec<Contender>,
    reserved_until: Option<Duration>,
}

impl Fairness {
    /// Nobody has lost. A reservation of zero is none.
    #[must_use]
    pub fn new(reservation_max: Duration) -> Self {
        Self { reservation_max, contenders: Vec::new(), reserved_until: None }
    }

    /// Whether a device may commit in the epoch that is open. O(1) while nothing is reserved.
    ///
    /// # Errors
    /// [`Reject::SlowDown`] while the epoch is reserved for others.
    pub fn may_commit(&mut self, now: Duration, device: DeviceId) -> Result<(), Reject> {
        if self.reserved_until.is_some_and(|until| now >= until) {
            self.lapse();
        }
        self.check_turn(now, device)
    }

    /// As [`Self::may_commit`], for a look before; changes nothing.
    ///
    /// # Errors
    /// As [`Self::may_commit`].
    pub fn check_turn(&self, now: Duration, device: DeviceId) -> Result<(), Reject> {
        let Some(until) = self.reserved_until.filter(|until| now < *until) else { return Ok(()) };
        let first = self.starved().map(|contender| contender.losses).max().unwrap_or(0);
        let own = self.starved().find(|contender| contender.device == device);
        if own.is_some_and(|own| own.losses == first) {
            return Ok(());
        }
        let left = (until - now).as_millis().max(1);
        Err(Reject::SlowDown { retry_ms: u32::try_from(left).unwrap_or(u32::MAX) })
    }

    /// A device's commit came too late for `epoch`, which was closed last. O(contenders).
    pub fn lost(&mut self, now: Duration, device: DeviceId, epoch: Epoch) {
        let new = Contender { device, losses: 0, lost: epoch, needed: LOSSES_MIN };
        let known = self.contenders.iter().position(|contender| contender.device == device);
        let place = match known {
            Some(place) if self.contenders[place].lost == epoch => return,
            Some(place) => place,
            None if self.contenders.len() < CONTENDERS_MAX => {
                self.contenders.push(new);
                self.contenders.len() - 1
            }
            // Who has lost least, and longest ago, is forgotten for whoever has just lost.
            None => {
                let least = |place: &usize| {
                    let contender = &self.contenders[*place];
                    (contender.losses, contender.lost)
                };
                let place = (0..CONTENDERS_MAX).min_by_key(least).expect("it is full");
                self.contenders[place] = new;
                place
            }
        };
        let contender = &mut self.contenders[place];
        contender.losses = contender.losses.saturating_add(1);
        contender.lost = epoch;
        if contender.is_starved() && self.reserved_until.is_none() {
            self.reserved_until = Some(now + self.reservation_max);
        }
    }

    /// A device's commit has opened the next epoch.
    pub fn won(&mut self, now: Duration, device: DeviceId) {
        self.contenders.retain(|contender| contender.device != device);
        let more = self.starved().next().is_some();
        self.reserved_until = more.then(|| now + self.reservation_max);
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contenders.is_empty()
    }

    fn starved(&self) -> impl Iterator<Item = &Contender> {
        self.contenders.iter().filter(|contender| contender.is_starved())
    }

    /// Those it was reserved for have not come.
    fn lapse(&mut self) {
        self.reserved_until = None;
        for contender in self.contenders.iter_mut().filter(|contender| contender.is_starved()) {
            contender.losses = 0;
            contender.needed = contender.needed.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::limits::RESERVATION_MAX;

    fn device(number: u8) -> DeviceId {
        DeviceId([number; 16])
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_reservation_ends_when_a_loser_has_won_or_has_not_come() {
        let mut fairness = Fairness::new(RESERVATION_MAX);
        for epoch in 0..LOSSES_MIN {
            assert_eq!(fairness.may_commit(ms(0), device(9)), Ok(()));
            fairness.lost(ms(0), device(1), Epoch(u64::from(epoch)));
        }
        let wait = Err(Reject::SlowDown { retry_ms: 150 });
        assert_eq!(fairness.may_commit(ms(100), device(9)), wait);
        assert_eq!(fairness.may_commit(ms(100), device(1)), Ok(()));
        assert_eq!(fairness.may_commit(ms(250), device(9)), Ok(()), "it has not come");
        assert_eq!(fairness.may_commit(ms(250), device(8)), Ok(()), "and waits no more");
        fairness.won(ms(250), device(1));
        assert!(fairness.is_empty());
    }

    #[test]
    fn losing_the_same_epoch_again_and_again_counts_once() {
        let mut fairness = Fairness::new(RESERVATION_MAX);
        for _ in 0..100 {
            fairness.lost(ms(0), device(1), Epoch(0));
        }
        assert_eq!(fairness.may_commit(ms(0), device(9)), Ok(()));
    }

    #[test]
    fn who_only_pretends_to_want_a_commit_delays_others_ever_more_seldom() {
        let mut fairness = Fairness::new(RESERVATION_MAX);
        let (mut now, mut delays) = (Duration::ZERO, 0);
        for epoch in 0..1_000 {
            if let Err(Reject::SlowDown { retry_ms }) = fairness.may_commit(now, device(9)) {
                delays += 1;
                now += ms(u64::from(retry_ms));
                assert_eq!(fairness.may_commit(now, device(9)), Ok(()));
            }
            fairness.won(now, device(9));
            fairness.lost(now, device(1), Epoch(epoch));
        }
        // After 3 losses, 6 more, 12 more and so on.
        assert_eq!(delays, 8);
    }

    #[test]
    fn losers_are_bounded_and_who_has_lost_most_is_remembered() {
        let mut fairness = Fairness::new(RESERVATION_MAX);
        for epoch in 0..2 {
            fairness.lost(ms(0), device(255), Epoch(epoch));
        }
        for number in 0..200 {
            fairness.lost(ms(0), device(number), Epoch(2));
            assert!(fairness.contenders.len() <= CONTENDERS_MAX);
        }
        fairness.lost(ms(0), device(255), Epoch(2));
        assert!(fairness.may_commit(ms(0), device(9)).is_err());
    }

    /// Members that all want to commit all the time; each takes its own while to make a commit for
    /// an epoch that opens, and comes back when told to. The epochs between the wins of each, and
    /// before its first.
    fn race(delays: &[u64], epochs: u64) -> Vec<u64> {
        let mut fairness = Fairness::new(RESERVATION_MAX);
        let mut now = Duration::ZERO;
        let (mut last, mut longest) = (vec![0; delays.len()], vec![0; delays.len()]);
        for epoch in 0..epochs {
            // When each comes with its commit next.
            let mut comes: Vec<Duration> = delays.iter().map(|delay| now + ms(*delay)).collect();
            let (winner, at) = loop {
                let next = (0..comes.len()).min_by_key(|member| comes[*member]).unwrap();
                let at = comes[next];
                let number = u8::try_from(next).unwrap();
                match fairness.may_commit(at, device(number)) {
                    Ok(()) => break (next, at),
                    Err(Reject::SlowDown { retry_ms }) => comes[next] += ms(u64::from(retry_ms)),
                    Err(other) => panic!("{other:?}"),
                }
            };
            now = at;
            fairness.won(now, device(u8::try_from(winner).unwrap()));
            longest[winner] = longest[winner].max(epoch - last[winner]);
            last[winner] = epoch;
            for loser in (0..delays.len()).filter(|loser| *loser != winner) {
                fairness.lost(now, device(u8::try_from(loser).unwrap()), Epoch(epoch));
            }
        }
        let waiting = last.iter().map(|last| epochs - last);
        longest.iter().zip(waiting).map(|(longest, waiting)| waiting.max(*longest)).collect()
    }

    #[test]
    fn a_member_that_is_always_slower_wins_all_the_same() {
        assert!(race(&[0, 50], 100)[1] <= 5);
        assert!(race(&[0, 1, 2, 200], 100)[3] <= 10);
    }

    proptest! {
        #[test]
        fn however_fast_others_are_everybody_wins_within_a_bounded_number_of_epochs(
            delays in prop::collection::vec(0_u64..240, 2..20)
        ) {
            let bound = 2 * (delays.len() as u64 + u64::from(LOSSES_MIN));
            for longest in race(&delays, 400) {
                prop_assert!(longest <= bound, "{longest} epochs without winning: {delays:?}");
            }
        }

        #[test]
        fn without_losers_nobody_ever_waits(
            commits in prop::collection::vec((any::<u8>(), 0_u64..100), 1..100)
        ) {
            let mut fairness = Fairness::new(RESERVATION_MAX);
            let mut now = Duration::ZERO;
            for (member, wait) in commits {
                now += ms(wait);
                prop_assert_eq!(fairness.may_commit(now, device(member)), Ok(()));
                fairness.won(now, device(member));
            }
        }
    }
}
