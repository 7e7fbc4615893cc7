//! What a handshake must be before it is ordered, at each of three levels.
//!
//! A group has one [`Level`](crate::delivery::Level) for life. `opaque` reads nothing and declares
//! nothing wrong. `header` reads what a PublicMessage says of itself. `public` keeps the group's
//! public state and makes all sixteen checks of [`Check`](crate::delivery::Check). Server side: it
//! never names the members' side, has no clock, file or thread, and never panics on what a member
//! sent. Called by `engine`, on the shard that owns the group, before each decision.
//!
//! # What no level can check
//!
//! Even a PublicMessage keeps from the service: whether its membership tag and its confirmation tag
//! are right, whether the ciphertexts of its path decrypt and to what, whether its pre-shared keys
//! exist, whether a GroupInfo's `external_pub` is the group's, and what is in a Welcome. A member
//! can still fork the group; the others notice (RFC 9420 §16.12).

mod header;
mod leaves;
mod policy;
mod public;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use leaves::Leaves;
pub use policy::{Everybody, Policy};
pub use public::{NotSaved, Observer, Stage};
pub use state::{Checked, Failed, Founding, FoundingError, State, Submitted};
