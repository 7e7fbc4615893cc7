//! Message ids that carry their own meaning: the run, and the number of the attempt.
//!
//! A delivery names its submission without a table, and what another run left behind is told
//! apart. Never touches state. Called by the worker, which numbers the attempts: operations of
//! the schedule first, retries after them.

use crate::delivery::MessageId;

/// The id of attempt `index` of the run `nonce`: the nonce, then the index in big-endian.
#[must_use]
pub fn message_id(nonce: [u8; 8], index: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce);
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    MessageId(bytes)
}

/// The attempt that `id` names; `None` when it is of another run.
#[must_use]
pub fn index_of(nonce: [u8; 8], id: MessageId) -> Option<u64> {
    let (run, index) = id.0.split_at(8);
    (run == nonce).then(|| u64::from_be_bytes(index.try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_attempt_within_its_run_only() {
        for index in [0, 1, 255, 256, u64::MAX] {
            let id = message_id(*b"run-one!", index);
            assert_eq!(index_of(*b"run-one!", id), Some(index));
            assert_eq!(index_of(*b"run-two!", id), None);
        }
    }

    #[test]
    fn an_id_is_the_nonce_and_then_the_index_in_network_order() {
        let id = message_id([1, 2, 3, 4, 5, 6, 7, 8], 0x0a0b);
        assert_eq!(id.0, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 10, 11]);
    }
}
