//! The nouns a delivery service decides about: groups, devices, messages, epochs, sequence numbers.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::limits::GROUP_ID_BYTES_MAX;

/// An MLS group id (RFC 9420 §8.1): 1 to [`GROUP_ID_BYTES_MAX`] opaque bytes, held inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId {
    length: u8,
    bytes: [u8; GROUP_ID_BYTES_MAX],
}

impl GroupId {
    /// Takes a copy of `bytes`; `None` when empty or longer than [`GROUP_ID_BYTES_MAX`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > GROUP_ID_BYTES_MAX {
            return None;
        }
        let length = u8::try_from(bytes.len()).ok()?;
        let mut id = Self { length, bytes: [0; GROUP_ID_BYTES_MAX] };
        id.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(id)
    }

    /// The id's bytes, as they stand in an MLSMessage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Hash for GroupId {
    /// Of the id's own bytes: most ids are a quarter of the room for them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupId(")?;
        write_hex(f, self.as_bytes())?;
        f.write_str(")")
    }
}

/// A device: what holds one leaf of a group, authenticates, and owns one cursor per group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId(pub [u8; 16]);

impl Hash for DeviceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceId(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

/// A message id, chosen by the submitting client: what makes a retry recognisable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub [u8; 16]);

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

/// An MLS epoch: one commit opens the next (RFC 9420 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch that a commit made in this one opens.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A group's sequence number: 1 for the first accepted message, no gap after it, 0 for none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// No message's number: the last one that a device has acknowledged, whichever that is.
    pub const CURSOR: Self = Self(u64::MAX);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_id_is_neither_empty_nor_over_the_bound() {
        assert_eq!(GroupId::new(&[]), None);
        assert_eq!(GroupId::new(&[7; GROUP_ID_BYTES_MAX + 1]), None);
        assert_eq!(
            GroupId::new(&[7; GROUP_ID_BYTES_MAX]).unwrap().as_bytes().len(),
            GROUP_ID_BYTES_MAX
        );
    }

    #[test]
    fn group_ids_that_differ_only_in_trailing_zeros_are_different() {
        assert_ne!(GroupId::new(&[1]), GroupId::new(&[1, 0]));
    }
}
