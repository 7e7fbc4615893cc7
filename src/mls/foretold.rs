//! A tape as it will be, from its specification alone: who is there and how long each message is.
//!
//! It makes no key and no byte, so it costs what its operations cost to count. Exact where signatures
//! have one length and the tree is as `tree` says; of a minted tape the two states of a tree bound
//! each commit. Called by whoever predicts load.

use super::membership::Membership;
use super::size;
use super::size::{Change, ProposalKind, TreeState};
use super::tape::TapeOperation;
use super::tape::TapeSpec;
use crate::delivery::Kind;

/// One message of a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foretold {
    /// What the header will say.
    pub kind: Kind,
    /// Bytes of the MLSMessage.
    pub bytes: usize,
    /// Members that it brings in.
    pub added: u32,
    /// Bytes of the KeyPackage by which each of them is asked in; 0 where none is.
    pub key_package: usize,
    /// Bytes of the Welcome that each of them gets, without the tree; 0 where none does.
    pub welcome: usize,
    /// Members that go with it.
    pub removed: u32,
    /// Whether its sender is one of those that it brings in.
    pub joins: bool,
}

/// The messages of `spec`, every commit as large as `tree` makes it. `None` when MLS would refuse
/// one of the operations. Cost: log N for each.
#[must_use]
pub fn foretell(spec: &TapeSpec, tree: TreeState) -> Option<Vec<Foretold>> {
    let mut membership = Membership::of(spec);
    spec.operations.iter().map(|operation| one(spec, tree, &mut membership, *operation)).collect()
}

fn one(
    spec: &TapeSpec,
    tree: TreeState,
    membership: &mut Membership,
    operation: TapeOperation,
) -> Option<Foretold> {
    let dimensions = spec.dimensions(membership.width(), tree);
    let leaf = membership.leaf(operation.sender()).unwrap_or_default();
    let done = membership.apply(operation).ok()?;
    let joins = matches!(operation, TapeOperation::ExternalJoin { .. });
    let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
    let (kind, added, removed) = (operation.kind(), 0, 0);
    let message = Foretold { kind, bytes: 0, added, removed, key_package: 0, welcome: 0, joins };
    let Some(done) = done else {
        let bytes = match operation {
            TapeOperation::Application { bytes, .. } => {
                let plaintext = usize::try_from(bytes).expect("a length fits an address");
                size::application_message(&spec.suite.lengths(), dimensions.group_id, plaintext)
            }
            TapeOperation::ProposeAdd { .. } => dimensions.proposal(ProposalKind::Add),
            TapeOperation::ProposeUpdate { .. } => dimensions.proposal(ProposalKind::Update),
            _ => dimensions.proposal(ProposalKind::Remove),
        };
        return Some(Foretold { bytes, ..message });
    };
    let removed: Vec<u32> = done.removed.iter().map(|(_, leaf)| *leaf).collect();
    let change = Change {
        added: count(done.added.len()),
        removed: &removed,
        updated: &done.updated,
        referred: done.referred > 0,
    };
    let bytes = if joins { dimensions.external_commit() } else { dimensions.commit(leaf, &change) };
    let (added, removed) = (count(done.added.len()), count(done.removed.len()));
    let (key_package, welcome) = match added > 0 && !joins {
        true => {
            (size::key_package(&dimensions.lengths, dimensions.identity), dimensions.welcome(1))
        }
        false => (0, 0),
    };
    Some(Foretold { bytes, added, removed, key_package, welcome, ..message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::GroupId;
    use crate::mls::suite::Suite;
    use crate::mls::synthetic::synthesize;
    use crate::mls::tape::Handshake;

    #[test]
    fn a_synthetic_tape_is_foretold_to_the_byte() {
        let operations = vec![
            TapeOperation::Application { sender: 1, bytes: 200 },
            TapeOperation::Commit { sender: 2 },
            TapeOperation::Add { sender: 0, member: 40 },
            TapeOperation::ProposeUpdate { sender: 1 },
            TapeOperation::Remove { sender: 2, member: 9 },
            TapeOperation::Application { sender: 0, bytes: 5_000 },
        ];
        let post_quantum = Suite::named("xwing-aes128-ed25519").unwrap();
        let both = [None, Some(post_quantum)].map(|init| (TreeState::Merged, init));
        for (tree, init_suite) in [(TreeState::Fresh, None)].into_iter().chain(both) {
            let spec = TapeSpec {
                suite: Suite::named("x25519-aes128-ed25519").unwrap(),
                init_suite,
                group: GroupId::new(&[9; 32]).unwrap(),
                members: 40,
                senders: 3,
                real: 0,
                joiners: 1,
                real_joiners: 0,
                group_infos: false,
                handshake: Handshake::Public,
                devices: Vec::new(),
                operations: operations.clone(),
            };
            let tape = synthesize(&spec, tree, 1);
            let foretold = foretell(&spec, tree).unwrap();
            let real: Vec<_> = tape.messages.iter().map(|of| (of.kind, of.body.len())).collect();
            let said: Vec<_> = foretold.iter().map(|of| (of.kind, of.bytes)).collect();
            assert_eq!(said, real, "{tree:?}");
            assert_eq!((foretold[2].added, foretold[4].removed), (1, 1));
            let effect = tape.messages[2].effect.as_deref().unwrap();
            let joined = (tape.joins[0].key_package.len(), effect.welcome.len());
            assert_eq!((foretold[2].key_package, foretold[2].welcome), joined, "{init_suite:?}");
            assert_eq!((foretold[4].key_package, foretold[4].welcome), (0, 0));
        }
    }

    #[test]
    fn what_mls_would_refuse_is_not_foretold() {
        let spec = TapeSpec {
            suite: Suite::named("x25519-aes128-ed25519").unwrap(),
            init_suite: None,
            group: GroupId::new(&[9; 32]).unwrap(),
            members: 4,
            senders: 3,
            real: 0,
            joiners: 0,
            real_joiners: 0,
            group_infos: false,
            handshake: Handshake::Public,
            devices: Vec::new(),
            operations: vec![TapeOperation::Remove { sender: 0, member: 77 }],
        };
        assert_eq!(foretell(&spec, TreeState::Merged), None);
    }
}
