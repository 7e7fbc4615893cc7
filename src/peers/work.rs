//! The work that every contestant gets: who receives, and the same messages in the same order.
//!
//! Made from a scenario's own plan, once, before anything is started. Called by `cli`, and by
//! whatever carries the work out.

use bytes::Bytes;

use crate::delivery::{DeviceId, Durability, Epoch, GroupId, Kind, Level};
use crate::load::scenario::{Scenario, Source};
use crate::load::traffic::{Plan, Traffic};
use crate::net::KeyExchange;

/// What is published to whom. Messages are numbered from 0 and repeat the bodies in their order.
#[derive(Clone, Debug)]
pub struct Work {
    /// The group.
    pub group: GroupId,
    /// The epoch of the first body.
    pub epoch: Epoch,
    /// Each member's device, and the number of the connection that carries it.
    pub members: Vec<(DeviceId, u32)>,
    /// At least one, each one MLSMessage.
    pub bodies: Vec<Bytes>,
    /// Whether a body is a commit: then the bodies begin again only in a group made anew.
    pub commits: bool,
}

/// Why there is no work in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWork {
    /// Its messages do not exist before they are sent.
    #[error("its first class is live; the comparison needs messages made before, as tapes are")]
    Live,
    /// It is too short, or too slow.
    #[error("its first class has no operation within its duration")]
    Empty,
}

impl Work {
    /// What of a scenario is compared: one group of its first class, on one shard, over the key
    /// exchange that every contestant has, in memory, its handshakes unread.
    ///
    /// # Errors
    /// [`NoWork::Live`].
    pub fn narrow(mut scenario: Scenario) -> Result<Scenario, NoWork> {
        scenario.groups.truncate(1);
        for class in &mut scenario.groups {
            class.count = 1;
            (class.durability, class.validation) = (Durability::None, Level::Opaque);
            if class.source == Source::Live {
                return Err(NoWork::Live);
            }
        }
        scenario.shards = 1;
        scenario.key_exchange = KeyExchange::X25519;
        Ok(scenario)
    }

    /// The work in the plan of such a scenario.
    ///
    /// # Errors
    /// [`NoWork`].
    pub fn of(plan: &Plan) -> Result<Self, NoWork> {
        let (Some(group), Some(traffic)) = (plan.population.groups().first(), plan.traffic.first())
        else {
            return Err(NoWork::Empty);
        };
        let Traffic::Tape(tape) = traffic else { return Err(NoWork::Live) };
        let member = |member| (plan.population.device(group, member), group.connection(member));
        let commits = tape.messages.iter().any(|message| message.kind == Kind::Commit);
        let bodies: Vec<Bytes> = tape.messages.iter().map(|message| message.body.clone()).collect();
        if bodies.is_empty() {
            return Err(NoWork::Empty);
        }
        let members = (0..group.members).map(member).collect();
        Ok(Self { group: group.id, epoch: tape.epoch, members, bodies, commits })
    }

    /// The body of message `number`.
    #[must_use]
    pub fn body(&self, number: u32) -> &Bytes {
        &self.bodies[number as usize % self.bodies.len()]
    }

    /// Whether the group has to be made anew before message `number`.
    #[must_use]
    pub fn begins_anew(&self, number: u32) -> bool {
        self.commits && (number as usize).is_multiple_of(self.bodies.len())
    }

    /// Mean length of the bodies in bytes.
    #[must_use]
    pub fn mean_bytes(&self) -> usize {
        let total: usize = self.bodies.iter().map(Bytes::len).sum();
        total.div_ceil(self.bodies.len().max(1))
    }

    /// Connections of the members, where several may share one.
    #[must_use]
    pub fn connections(&self) -> usize {
        let numbers: std::collections::BTreeSet<u32> =
            self.members.iter().map(|(_, number)| *number).collect();
        numbers.len()
    }
}
