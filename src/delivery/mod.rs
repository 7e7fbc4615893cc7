//! What a delivery service decides: epoch rule, sequence, roster, cursors.
//!
//! Pure: no time, thread, socket or file; `now` and bytes are arguments, and nothing here
//! serialises. [`Shard`] orders messages and is called by `engine`; [`Audience`] keeps the
//! cursors of those who drain a group and is called by `server`.
//!
//! What is found by an id that clients choose is found by a keyed hash, with keys that the process
//! draws when it starts: nobody can make ids collide on purpose, and no decision depends on them.
//!
//! The rules, each with a test of its name in `tests`:
//! - a commit or proposal is accepted iff its epoch is the group's current one and its sender is
//!   a member; a commit opens the next epoch, so exactly one wins; the loser learns the current
//!   epoch and the winner's number (RFC 9420 §14, RFC 9750 §5.2);
//! - an application message is accepted in the current and a bounded number of past epochs;
//! - accepted messages of a group are numbered from 1 without a gap;
//! - a commit's roster change takes effect at its own number: a device it removes gets the commit
//!   and nothing after it, a device it adds gets the commit first;
//! - a submission repeated under its message id is answered with the first acceptance;
//! - a member that has lost in three epochs commits before one that has not, for a while;
//! - a device, or a group, beyond its rate is told when to come back;
//! - a recipient that falls behind is caught up, then told to resynchronise, then closed.

pub mod audience;
pub mod check;
pub mod fairness;
mod fingerprints;
pub mod group;
pub mod ids;
pub mod joining;
pub mod message;
pub mod policy;
pub mod rates;
pub mod reject;
pub mod replay;
pub mod retries;
pub mod ring;
pub mod roster;
pub mod settings;
pub mod shard;
mod slots;
#[cfg(test)]
mod tests;

pub use audience::{Audience, Due, Start, Taken};
pub use check::Check;
pub use ids::{DeviceId, Epoch, GroupId, MessageId, Seq};
pub use message::{Change, Enclosed, Entry, Founding, Kind, RosterChange, Submission};
pub use policy::Policy;
pub use rates::{Rate, Rates};
pub use reject::Reject;
pub use replay::Inconsistent;
pub use ring::{Range, RingLimits};
pub use settings::{Durability, Level, Settings};
pub use shard::{Attachment, Input, Link, Output, Shard, Watchers};
