//! How devices come into groups: KeyPackages, Welcomes, GroupInfos.
//!
//! Decides as part of a [`Shard`](super::Shard), which is asked by [`Ask`] and answers by [`Told`].
//! A device's KeyPackages and Welcomes are with the shard that owns the device, what a group keeps
//! for joiners with the shard that owns the group; between the two goes a Welcome by way of the
//! caller. Never opens a KeyPackage, a Welcome or a GroupInfo: `wire` has taken them apart.
//!
//! The rules, each with a test of its name:
//! - a KeyPackage is handed out once; the one of last resort only when no other is left, and kept
//!   (RFC 9420 §16.8, RFC 9750 §5.1);
//! - a Welcome leaves its group's outbox only when its commit has won, reaches only devices that
//!   the commit adds, and of these only those of whom a KeyPackage was handed out that it is for
//!   (RFC 9420 §14, §12.4.3.1);
//! - a Welcome stays in the outbox until the device's shard has it, so that a crash between the two
//!   loses none, and posted twice it arrives once;
//! - a Welcome waits for its device until the device has said that it has it;
//! - a GroupInfo describes the current epoch or is not there.
//!
//! Every change of state is one [`Record`], and [`Shard::replay_joining`](super::Shard) makes it
//! again. What a commit encloses is part of the commit's own record.

mod allowance;
mod asked;
mod devices;
mod directory;
mod enclosures;
mod mailbox;
mod nouns;
#[cfg(test)]
mod tests;

pub use allowance::Allowances;
pub use devices::{Devices, SavedDevice};
pub use directory::{Directory, Handed, HandedState, SavedShelf};
pub use enclosures::{Enclosures, Parcel, SavedEnclosures};
pub use mailbox::{Letter, Mailboxes};
pub use nouns::{
    Ask, Deposit, Joiner, JoinerSecrets, KeyPackage, Record, Reference, Told, Welcome,
};
