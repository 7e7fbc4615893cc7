//! Members that read slowly: what they are behind with, and when they hurry.
//!
//! They are owed everything, and no message waits for them: to the oracle they are away, as far as
//! fan-out is concerned, from before the first message on. When the load ends they read as everybody
//! does, so that a drain is not as long as their backlog.

use std::time::Duration;

use super::{Seat, Worker};
use crate::clock;
use crate::delivery::Seq;
use crate::load::client::SessionNumber;
use crate::load::oracle::Delivered;
use crate::load::slow::Lag;
use crate::load::traffic::Plan;
use crate::net;
use crate::wire::Refusal;

/// By class, what comes of its slow members.
pub(super) fn lags(plan: &Plan) -> Vec<Option<Lag>> {
    let classes = plan.scenario.groups.iter();
    let mut lags: Vec<Option<Lag>> =
        classes.map(|class| class.slow.map(|_| Lag::default())).collect();
    for (index, group) in plan.population.groups().iter().enumerate() {
        if let Some(lag) = &mut lags[group.class as usize] {
            lag.members += plan.class(index).slow_members().len() as u64;
        }
    }
    lags
}

impl Worker<'_> {
    /// Before the run: who is slow reads slowly from now on, and nobody waits for it.
    pub(super) fn slow_down(&mut self) {
        let now = clock::now();
        for (index, group) in (0_u32..).zip(self.plan.population.groups()) {
            let class = self.plan.class(index as usize);
            let Some(slow) = class.slow else { continue };
            for member in class.slow_members() {
                let session = group.first_member + member;
                self.client.slow_down(now, session, slow.bytes_per_second);
                self.oracle.departed(index, member);
            }
        }
    }

    /// Once nothing more is called for, nobody is slow any more.
    pub(super) fn hurry_at_the_end(&mut self, elapsed: Duration) {
        if elapsed >= self.offered && !self.hurried {
            self.hurried = true;
            self.client.hurry(clock::now());
        }
    }

    /// A slow member is about to be told of something.
    pub(super) fn slow_hears(&mut self, seat: Seat) {
        if self.lag_of(seat).is_none() {
            return;
        }
        let (seen, head) = (self.oracle.seen(seat.0, seat.1), self.oracle.head(seat.0));
        if let Some(lag) = self.lag_of(seat) {
            lag.heard(seen, head);
        }
    }

    /// A delivery has come to a member that may be a slow one.
    pub(super) fn slow_delivered(&mut self, seat: Seat, delivered: &Delivered, at: Duration) {
        if delivered.measured
            && let Some(lag) = self.lag_of(seat)
        {
            lag.delivered(delivered.intended, at);
        }
    }

    /// A member was told to go on at `next`; false unless it is a slow one that is let off.
    pub(super) fn slow_resync(&mut self, seat: Seat, next: Seq) -> bool {
        let granted = self.is_let_off(seat);
        if granted && let Some(lag) = self.lag_of(seat) {
            lag.resyncs += 1;
            self.oracle.excused(seat.0, seat.1, next);
        }
        granted
    }

    /// The service has closed a member; true if it is a slow one that was to be closed for that.
    pub(super) fn slow_closed(&mut self, session: SessionNumber, lost: &net::Lost) -> bool {
        let too_slow = u64::from(Refusal::TooSlow.code());
        let closed = matches!(lost, net::Lost::Closed { code, .. } if *code == too_slow);
        let Some(seat) = self.seats.get(session as usize).copied() else { return false };
        let granted = closed && self.is_let_off(seat);
        if granted && let Some(lag) = self.lag_of(seat) {
            lag.closed += 1;
        }
        granted
    }

    fn is_let_off(&self, (group, member): Seat) -> bool {
        let class = self.plan.class(group as usize);
        class.slow_members().contains(&member) && class.is_let_off(member)
    }

    /// That of a member's class, if it is a slow one.
    fn lag_of(&mut self, (group, member): Seat) -> Option<&mut Lag> {
        let lag = self.lags[self.groups[group as usize].class as usize].as_mut()?;
        let members = self.plan.class(group as usize).slow_members();
        members.contains(&member).then_some(lag)
    }
}
