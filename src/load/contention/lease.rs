//! Leases of epochs: who may commit, by the one order that every member sees.
//!
//! A claim is an application message; the service orders it as any other and knows nothing of
//! leases. The first claim of an epoch that is ordered holds it. When it has expired for a member,
//! that member may claim again, by the next generation; the first of those that is ordered takes
//! over. So who holds a lease is a function of the order alone, the same for all that have come as
//! far in it; only *when* a member looks upon it as expired is its own clock's. A lease keeps
//! honest members from working in vain; that two commits cannot win is the service's. It costs one
//! fan-out of a small message before each commit. Pure. Called by the worker, for each racer.

use std::time::Duration;

use crate::delivery::Epoch;

/// A claim, as it was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The epoch it is for.
    pub epoch: Epoch,
    /// How many leases of that epoch it takes for expired.
    pub generation: u32,
    /// Which racer claims.
    pub racer: u32,
}

/// What one racer knows of the lease of its epoch.
#[derive(Clone, Debug)]
pub struct Lease {
    length: Duration,
    epoch: Epoch,
    /// Leases of this epoch so far: the generation that the next claim has to have.
    granted: u32,
    holder: Option<(u32, Duration)>,
}

/// What that means for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It commits, and nobody else does, until then.
    Mine {
        /// When it expires.
        until: Duration,
    },
    /// Another commits.
    Theirs {
        /// When that expires.
        until: Duration,
    },
    /// Nobody does: it may claim by this generation.
    Free {
        /// What the claim has to say.
        generation: u32,
    },
}

impl Lease {
    /// Nobody has claimed `epoch`; leases last for `length`.
    #[must_use]
    pub fn new(length: Duration, epoch: Epoch) -> Self {
        Self { length, epoch, granted: 0, holder: None }
    }

    /// A commit was ordered that opened `epoch`: what was leased is over.
    pub fn entered(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            *self = Self::new(self.length, epoch);
        }
    }

    /// A claim was ordered, and came at `now`. True if it took the lease.
    pub fn claimed(&mut self, claim: Claim, now: Duration) -> bool {
        let takes = claim.epoch == self.epoch && claim.generation == self.granted;
        if takes {
            self.granted += 1;
            self.holder = Some((claim.racer, now));
        }
        takes
    }

    /// What `racer` may do at `now`.
    #[must_use]
    pub fn standing(&self, racer: u32, now: Duration) -> Standing {
        match self.holder {
            Some((holder, since)) if now < since + self.length => {
                let until = since + self.length;
                if holder == racer { Standing::Mine { until } } else { Standing::Theirs { until } }
            }
            _ => Standing::Free { generation: self.granted },
        }
    }

    /// Whose claim took the latest lease of the epoch, expired or not.
    #[must_use]
    pub fn holder(&self) -> Option<u32> {
        self.holder.map(|(racer, _)| racer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: Duration = Duration::from_millis(100);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn claim(epoch: u64, generation: u32, racer: u32) -> Claim {
        Claim { epoch: Epoch(epoch), generation, racer }
    }

    #[test]
    fn the_first_claim_that_is_ordered_holds_the_epoch_until_it_expires_or_the_epoch_ends() {
        let mut lease = Lease::new(LENGTH, Epoch(4));
        assert_eq!(lease.standing(0, MS(0)), Standing::Free { generation: 0 });
        assert!(lease.claimed(claim(4, 0, 7), MS(10)));
        assert!(!lease.claimed(claim(4, 0, 8), MS(11)), "the second comes too late");
        assert_eq!(lease.standing(7, MS(50)), Standing::Mine { until: MS(110) });
        assert_eq!(lease.standing(8, MS(50)), Standing::Theirs { until: MS(110) });
        assert_eq!(lease.standing(8, MS(110)), Standing::Free { generation: 1 });
        assert_eq!(lease.standing(7, MS(110)), Standing::Free { generation: 1 });
        assert!(lease.claimed(claim(4, 1, 8), MS(120)));
        assert_eq!(lease.standing(7, MS(121)), Standing::Theirs { until: MS(220) });
        lease.entered(Epoch(5));
        assert_eq!(lease.standing(7, MS(122)), Standing::Free { generation: 0 });
        assert!(!lease.claimed(claim(4, 2, 7), MS(123)), "a claim for an epoch that is over");
        assert_eq!(lease.holder(), None);
    }

    #[derive(Clone, Copy, Debug)]
    enum Ordered {
        Claim(Claim),
        Commit(Epoch),
    }

    /// Who holds the last epoch of `order`, by its definition: the claims of that epoch, of which
    /// the n-th to take it says that n were before.
    fn naive(order: &[Ordered]) -> Option<u32> {
        let opened = |one: &Ordered| matches!(one, Ordered::Commit(_));
        let from = order.iter().rposition(opened).map_or(0, |place| place + 1);
        let commits = order.iter().filter(|one| opened(one)).count() as u64;
        let mut taken = Vec::new();
        for one in &order[from..] {
            if let Ordered::Claim(claim) = one
                && claim.epoch == Epoch(commits)
                && claim.generation as usize == taken.len()
            {
                taken.push(claim.racer);
            }
        }
        taken.last().copied()
    }

    /// A moment of one racer: it takes in some of what it has not seen yet, then acts.
    fn moments() -> impl Strategy<Value = Vec<(usize, usize, u64)>> {
        prop::collection::vec((0..3_usize, 0..4_usize, 0..60_u64), 1..120)
    }

    proptest! {
        /// Racers that are behind by different amounts, each acting on what it has seen and by its
        /// own clock: whoever has come equally far in the order names the same holder, and of those
        /// one at most takes itself for it.
        #[test]
        fn at_each_place_in_the_order_one_racer_at_most_holds_the_epoch(script in moments()) {
            let mut order: Vec<Ordered> = Vec::new();
            let mut views: Vec<Lease> = (0..3).map(|_| Lease::new(LENGTH, Epoch(0))).collect();
            let mut seen = [0_usize; 3];
            let mut epoch = Epoch(0);
            let mut now = Duration::ZERO;
            for (who, takes, gap) in script {
                now += MS(gap);
                let racer = u32::try_from(who).unwrap();
                for _ in 0..takes.min(order.len() - seen[who]) {
                    match order[seen[who]] {
                        Ordered::Claim(claim) => {
                            views[who].claimed(claim, now);
                        }
                        Ordered::Commit(opened) => views[who].entered(opened),
                    }
                    seen[who] += 1;
                    prop_assert_eq!(views[who].holder(), naive(&order[..seen[who]]));
                }
                let mine = |other: &usize| {
                    let me = u32::try_from(*other).unwrap();
                    let standing = views[*other].standing(me, now);
                    seen[*other] == seen[who] && matches!(standing, Standing::Mine { .. })
                };
                prop_assert!((0..3).filter(mine).count() <= 1);
                match views[who].standing(racer, now) {
                    Standing::Free { generation } => {
                        let epoch = views[who].epoch;
                        order.push(Ordered::Claim(Claim { epoch, generation, racer }));
                    }
                    // The service takes one commit for each epoch, whoever leased it.
                    Standing::Mine { .. } if views[who].epoch == epoch => {
                        epoch = epoch.next();
                        order.push(Ordered::Commit(epoch));
                    }
                    Standing::Mine { .. } | Standing::Theirs { .. } => {}
                }
            }
        }
    }
}
