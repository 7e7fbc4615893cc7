//! The sixteen checks that a service can make on a handshake it can read.
//!
//! Only names and numbers: `validation` makes the checks. The numbers are part of the protocol and
//! never change their meaning.

use std::fmt;

/// Why a handshake was not taken: the check that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// 1: the group is frozen by a ReInit, or is not the one the message names (RFC 9420 §12.4.2).
    Frozen,
    /// 2: the message is of another epoch than the group (RFC 9420 §12.4.2).
    Epoch,
    /// 3: not a well-formed PublicMessage with a handshake in it (RFC 9420 §6).
    WireFormat,
    /// 4: this kind of sender may not send this content (RFC 9420 §6.1, §12.1.8).
    SenderContent,
    /// 5: the sender's leaf is blank or not the submitter's (RFC 9420 §6.1).
    SenderLeaf,
    /// 6: the signature over the message is wrong (RFC 9420 §6.1).
    Signature,
    /// 7: a proposal it refers to is not known in this epoch (RFC 9420 §12.4).
    UnknownProposal,
    /// 8: the proposals cannot be committed together, or not by a member; or the declared roster
    /// change is not what they make (RFC 9420 §12.2).
    ProposalList,
    /// 9: the proposals, or the path, of an external commit are not what one may have (RFC 9420
    /// §12.2, §12.4.3.2).
    ExternalCommit,
    /// 10: a path is needed and not there (RFC 9420 §12.4).
    PathMissing,
    /// 11: the path has the wrong number of nodes, or a node of ciphertexts (RFC 9420 §7.6).
    PathShape,
    /// 12: a leaf node or KeyPackage is not valid, or not a device's (RFC 9420 §7.3, §10.1).
    LeafNode,
    /// 13: the new tree: parent hashes, or a path key that is in the tree (RFC 9420 §7.9, §12.4.2).
    Tree,
    /// 14: the policy says no, or wants a pending proposal committed (RFC 9750 §6.4).
    Policy,
    /// 15: the GroupInfo does not describe the group after the commit (RFC 9420 §12.4.3;
    /// draft-ietf-mls-ratchet-tree-options §4).
    GroupInfo,
    /// 16: the Welcome is not for exactly the devices that the commit adds (RFC 9420 §12.4.3.1).
    Welcome,
}

impl Check {
    /// All of them, by [`Self::number`].
    pub const ALL: [Self; 16] = [
        Self::Frozen,
        Self::Epoch,
        Self::WireFormat,
        Self::SenderContent,
        Self::SenderLeaf,
        Self::Signature,
        Self::UnknownProposal,
        Self::ProposalList,
        Self::ExternalCommit,
        Self::PathMissing,
        Self::PathShape,
        Self::LeafNode,
        Self::Tree,
        Self::Policy,
        Self::GroupInfo,
        Self::Welcome,
    ];

    /// Its number in frames, logs and counters: 1 to 16.
    #[must_use]
    pub fn number(self) -> u8 {
        let index = Self::ALL.iter().position(|check| *check == self);
        index.and_then(|index| u8::try_from(index + 1).ok()).expect("ALL has every check")
    }

    /// The check of that number; `None` unless 1 to 16.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number.checked_sub(1)?)).copied()
    }

    /// What is wrong, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Frozen => "the group takes no more handshakes",
            Self::Epoch => "wrong epoch",
            Self::WireFormat => "not a PublicMessage with a handshake",
            Self::SenderContent => "this sender may not send this content",
            Self::SenderLeaf => "the sender's leaf is not the submitter's",
            Self::Signature => "wrong signature",
            Self::UnknownProposal => "refers to an unknown proposal",
            Self::ProposalList => "proposals that cannot be committed",
            Self::ExternalCommit => "not a valid external commit",
            Self::PathMissing => "no path where one is needed",
            Self::PathShape => "path of the wrong shape",
            Self::LeafNode => "invalid leaf node or KeyPackage",
            Self::Tree => "parent hash or path key contradicts the tree",
            Self::Policy => "against the group's policy",
            Self::GroupInfo => "GroupInfo does not match the commit",
            Self::Welcome => "Welcome does not match the adds",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {}: {}", self.number(), self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_and_level_is_found_by_its_number() {
        for (check, number) in Check::ALL.into_iter().zip(1..) {
            assert_eq!((check.number(), Check::from_number(number)), (number, Some(check)));
        }
        assert_eq!((Check::from_number(0), Check::from_number(17)), (None, None));
    }
}
