//! The members' side of MLS: suites, minted tapes, the members that check them, a size model.
//!
//! A *tape* is a group's whole traffic, minted with OpenMLS before the measured window and
//! replayed by light members; *real* members process what is delivered; *live* members make their
//! messages while the clock runs; *synthetic* tapes have real headers and sizes and nothing else.
//! It never opens a socket, never learns how a message travels and never prints. Called by `load`.

pub mod primitive;
pub mod suite;
pub mod size;
mod storage;
mod provider;
mod leaf;
mod newcomer;
mod form;
mod membership;
pub mod tape;
mod press;
pub mod mint;
mod tape_file;
mod foretold;
pub mod cache;
pub mod member;
pub mod live;
pub mod stack;
pub mod synthetic;
pub use cache::Cache;
pub use cache::Origin;
pub use foretold::Foretold;
pub use foretold::foretell;
pub use leaf::MemberError;
pub use leaf::Processed;
pub use live::LiveGroup;
pub use live::LiveMember;
pub use member::RealMember;
pub use mint::MintError;
pub use mint::mint;
pub use mint::mint_all;
pub use mint::units;
pub use size::Dimensions;
pub use size::ProposalKind;
pub use size::TreeState;
pub use suite::Suite;
pub use synthetic::synthesize;
pub use tape::Effect;
pub use tape::Handshake;
pub use tape::Reentry;
pub use tape::Tape;
pub use tape::TapeJoin;
pub use tape::TapeMessage;
pub use tape::TapeOperation;
pub use tape::TapeSpec;
