//! Real members: they process every message of a tape as it is delivered, and so prove it.
//!
//! They never send. Called by the load engine, which keeps a few of them beside many light ones.

use super::leaf::Leaf;
use super::leaf::MemberError;
use super::leaf::Processed;
use super::leaf::refused;
use super::tape::Tape;
use crate::delivery::Epoch;

/// A member with an MLS stack. Holds the whole ratchet tree in memory.
#[derive(Debug)]
pub struct RealMember {
    leaf: Leaf,
}

impl RealMember {
    /// The `index`-th real member of `tape`, joined by its Welcome, in the tape's first epoch.
    /// Can be done any number of times. Cost grows with the group: every leaf is verified.
    pub fn join(tape: &Tape, index: usize) -> Result<Self, MemberError> {
        let seed = tape
            .real
            .get(index)
            .ok_or_else(|| refused("join")("the tape has no such real member"))?;
        let spec = &tape.spec;
        let leaf = Leaf::join(spec.suite, &seed.pairs, &tape.welcome, &tape.tree, spec.handshake)?;
        Ok(Self { leaf })
    }

    /// Who comes in by the `index`-th of a tape's joins, in the epoch that its commit opens. Can be
    /// done any number of times. Cost grows with the group: every leaf is verified.
    ///
    /// # Errors
    /// When the tape has no such join, or it is no real member's.
    pub fn join_later(tape: &Tape, index: usize) -> Result<Self, MemberError> {
        let doing = "join";
        let join = tape.joins.get(index).ok_or_else(|| refused(doing)("no such join"))?;
        let real = join.real.as_deref().ok_or_else(|| refused(doing)("not a real member's"))?;
        let spec = &tape.spec;
        if join.key_package.is_empty() {
            let leaf = Leaf::take_up(spec.suite, &spec.group, &real.pairs)?;
            return Ok(Self { leaf });
        }
        let commit = usize::try_from(join.commit).ok().and_then(|place| tape.messages.get(place));
        let effect = commit.and_then(|commit| commit.effect.as_deref());
        let welcome = &effect.ok_or_else(|| refused(doing)("no Welcome"))?.welcome;
        let leaf = Leaf::join(spec.suite, &real.pairs, welcome, &real.tree, spec.handshake)?;
        Ok(Self { leaf })
    }

    /// Verifies, decrypts and applies one delivered MLSMessage. Messages are to come in the
    /// service's order. A refused one changes nothing. A commit costs the whole tree's hash, an
    /// application message a few symmetric operations.
    pub fn process(&mut self, message: &[u8]) -> Result<Processed, MemberError> {
        self.leaf.process(message)
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.leaf.epoch()
    }

    /// The epoch authenticator (RFC 9420 §8.7); after a whole tape, [`Tape::authenticator`].
    #[must_use]
    pub fn authenticator(&self) -> Vec<u8> {
        self.leaf.authenticator()
    }
}

#[cfg(test)]
mod tests;
