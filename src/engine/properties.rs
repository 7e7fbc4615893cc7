//! What holds of any bytes as an entry of the log: it fails an assertion if it does not.
//!
//! Built only for tests and for fuzzing, as `log::properties` is.

use super::{Record, Recovery};
use crate::delivery::Policy;
use crate::log::Position;

/// Reading an entry never panics, nor does a recovery that is given it; what was read says something
/// of itself.
pub fn entry(bytes: &[u8]) {
    let mut recovery = Recovery::new(Policy::default());
    let replayed = recovery.replay(Position(1), bytes);
    match Record::decode(bytes) {
        Ok(record) => assert!(!record.to_string().is_empty()),
        Err(error) => assert_eq!(replayed, Err(error.to_string())),
    }
}
