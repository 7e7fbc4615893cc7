//! What a delivery service decides: epoch rule, sequence, roster, cursors.
pub mod ids;
pub mod message;
pub mod reject;
pub use ids::{DeviceId, Epoch, GroupId, MessageId, Seq};
pub use message::{Entry, Kind, RosterChange, Submission};
pub use reject::Reject;
