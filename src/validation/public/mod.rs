//! Level `public`: the service follows the group's public state and makes all sixteen checks.
//!
//! What can be told from the bytes and from who holds which leaf is checked first, without
//! cryptography; then OpenMLS verifies signatures, capabilities and the new tree; last comes the
//! GroupInfo, which needs the new tree hash. It reads no clock for what it checks itself, but
//! OpenMLS reads the system's for lifetimes (a KeyPackage must be valid by both). Called by
//! [`super::State`] for every handshake of such a group.
//!
//! # Whose check is whose
//!
//! | Check | Here | OpenMLS |
//! |---|---|---|
//! | 1 to 5, 7, 9, 10, 14, 15, 16 | all of it | again, where it has the check |
//! | 6 | | signatures of members, joiners, external senders |
//! | 8 | lists, leaves, devices, pre-shared keys, ReInit | support of proposal types, required capabilities, nonces of pre-shared keys |
//! | 11 | number of nodes, ciphertexts of each node | number of nodes |
//! | 12 | devices, lifetimes, sources, keys of paths | signatures, capabilities, credentials, keys of adds and updates |
//! | 13 | keys of paths | parent hash, tree hash |
//!
//! # What is not checked, beside what no level can
//!
//! OpenMLS takes no proposal of a pre-shared key or a ReInit from an external sender, so these are
//! refused by check 4; and it is built without AppDataUpdate and AppEphemeral
//! (draft-ietf-mls-extensions §4.7, §4.8), so what lists one is refused by check 3 or 8. It does not compare an Update's encryption key with those of parent nodes.
//! That every member supports the extensions a GroupContextExtensions proposal brings is checked
//! only as far as the proposal requires them. A leaf's lifetime is checked when it is added or
//! founded, never again: members that stay long outlive theirs (RFC 9420 §7.3).
//!
//! # Cost
//!
//! A commit costs O(members): OpenMLS compares its keys with every member's, and clones what it
//! changes. A proposal costs two or three signatures. What is kept is the tree as OpenMLS has it,
//! about 1 KiB for each member with 32-byte keys, and 16 bytes more.

mod attachments;
mod crypto;
mod list;
mod observer;
mod refusal;
mod saved;
mod shape;
mod storage;

pub use observer::{Observer, Stage};
pub use storage::NotSaved;
