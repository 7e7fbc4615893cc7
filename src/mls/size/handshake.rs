//! The handshakes of one group, as sums: commits, proposals, Welcomes, GroupInfos.
//!
//! What a commit takes depends on the ratchet tree that it finds: one ciphertext for each node of
//! the resolution of each copath node (RFC 9420 §4.1.2, §7.6). The tree here has its leaves without
//! a gap and is in one of the two states of [`TreeState`]; what the commit itself blanks and adds is
//! counted exactly.

use std::ops::Range;

use super::AEAD_TAG;
use super::CONTENT_TYPE;
use super::EPOCH;
use super::MESSAGE_HEADER;
use super::NO_DATA;
use super::NO_EXTENSIONS;
use super::TreeState;
use super::bare_key_package;
use super::leaf_node;
use super::private_message;
use super::vector;
use crate::mls::primitive::Lengths;
use crate::mls::tape::Handshake;

/// A group, as far as the sizes of its handshakes go. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Those of its cipher suite, and of the init keys by which devices join it.
    pub lengths: Lengths,
    /// Length of its id, 1 to 64.
    pub group_id: usize,
    /// Length of each member's identity.
    pub identity: usize,
    /// Its members, at leaves 0 to `members - 1`.
    pub members: u32,
    /// What a commit finds in its ratchet tree.
    pub tree: TreeState,
    /// How its handshakes travel.
    pub handshake: Handshake,
}

/// What the proposals of a commit do. Leaves are those before the commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// How many it adds. They take the leaves that it blanks, from the left, then new ones.
    pub added: u32,
    /// The leaves that it removes.
    pub removed: &'a [u32],
    /// The leaves whose members have proposed an update: by reference, whatever the others are.
    pub updated: &'a [u32],
    /// Whether adds and removes are by reference too, sent as proposals before.
    pub referred: bool,
}

/// What a proposal proposes (RFC 9420 §12.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProposalKind {
    /// A new leaf node for its sender.
    Update,
    /// A KeyPackage to be added.
    Add,
    /// A leaf to be removed, its sender's own too.
    Remove,
}

impl Dimensions {
    /// Bytes of an update commit by `leaf`, one without proposals (RFC 9420 §12.4). Cost: log N.
    #[must_use]
    pub fn update_commit(&self, leaf: u32) -> usize {
        self.commit(leaf, &Change::default())
    }

    /// Bytes of a commit by `leaf` that adds one member by value, with a path.
    #[must_use]
    pub fn add_commit(&self, leaf: u32) -> usize {
        self.commit(leaf, &Change { added: 1, ..Change::default() })
    }

    /// Bytes of a commit by `leaf` that removes the member at `removed` by value.
    #[must_use]
    pub fn remove_commit(&self, leaf: u32, removed: u32) -> usize {
        self.commit(leaf, &Change { removed: &[removed], ..Change::default() })
    }

    /// Bytes of a commit with a path by `leaf`: an MLSMessage with a PublicMessage or a
    /// PrivateMessage. Cost: log N for each leaf that the change names.
    #[must_use]
    pub fn commit(&self, leaf: u32, change: &Change<'_>) -> usize {
        self.commit_along(&Tree::after(self, change).path(leaf), change)
    }

    /// Bytes of a commit whose UpdatePath has so many ciphertexts at each of its nodes.
    #[must_use]
    pub fn commit_along(&self, path: &[u32], change: &Change<'_>) -> usize {
        let lengths = &self.lengths;
        let reference = PROPOSAL_OR_REF + vector(lengths.hash);
        let (add, remove) = if change.referred {
            (reference, reference)
        } else {
            let of = |kind| PROPOSAL_OR_REF + self.bare_proposal(kind);
            (of(ProposalKind::Add), of(ProposalKind::Remove))
        };
        let proposals = count(change.added) * add
            + change.removed.len() * remove
            + change.updated.len() * reference;
        let commit = vector(proposals) + self.update_path(path);
        let authentication = vector(lengths.signature_max) + vector(lengths.hash);
        self.framed(commit + authentication)
    }

    /// Bytes of an external commit of a new member, which takes the next leaf: always an MLSMessage
    /// with a PublicMessage (RFC 9420 §12.4.3.2).
    #[must_use]
    pub fn external_commit(&self) -> usize {
        let tree = Tree::after(self, &Change { added: 1, ..Change::default() });
        self.external_commit_along(&tree.path(self.members))
    }

    /// Bytes of one whose UpdatePath has so many ciphertexts at each of its nodes.
    #[must_use]
    pub fn external_commit_along(&self, path: &[u32]) -> usize {
        let lengths = &self.lengths;
        let init = PROPOSAL_OR_REF + PROPOSAL_TYPE + vector(lengths.kem_output);
        let sender = 1;
        MESSAGE_HEADER
            + vector(self.group_id)
            + EPOCH
            + sender
            + NO_DATA
            + CONTENT_TYPE
            + vector(init)
            + self.update_path(path)
            + vector(lengths.signature_max)
            + vector(lengths.hash)
    }

    /// Bytes of a proposal as an MLSMessage.
    #[must_use]
    pub fn proposal(&self, kind: ProposalKind) -> usize {
        self.framed(self.bare_proposal(kind) + vector(self.lengths.signature_max))
    }

    /// Bytes of a Welcome for `joiners` whom a commit with a path adds, without the ratchet tree, as
    /// an MLSMessage (RFC 9420 §12.4.3.1). What each of them gets of it is one for 1 joiner.
    #[must_use]
    pub fn welcome(&self, joiners: u32) -> usize {
        let lengths = &self.lengths;
        let suite = 2;
        let secrets = vector(joiner_secrets(lengths));
        let joiner = vector(lengths.hash) + vector(lengths.init_kem_output) + secrets;
        let info = self.bare_group_info(0);
        MESSAGE_HEADER + suite + vector(count(joiners) * joiner) + vector(info + AEAD_TAG)
    }

    /// Bytes of a GroupInfo with which others can join by themselves, without the ratchet tree, as
    /// an MLSMessage (RFC 9420 §12.4.3).
    #[must_use]
    pub fn group_info(&self) -> usize {
        let extension_type = 2;
        let external_pub = extension_type + vector(vector(self.lengths.kem_public_key));
        MESSAGE_HEADER + self.bare_group_info(external_pub)
    }

    /// Bytes of the ratchet tree as joiners get it (RFC 9420 §12.4.3.3). Fresh: exactly that which
    /// leaf 0 has made, where only its own path has keys. Merged: at most, as if every member had
    /// committed and no parent had ever been the root but the one that is.
    #[must_use]
    pub fn ratchet_tree(&self) -> usize {
        let lengths = &self.lengths;
        let (present, node_type, nothing) = (1, 1, vector(0));
        let members = count(self.members);
        let leaf = |source| present + node_type + leaf_node(lengths, self.identity, source);
        let committed = leaf(vector(lengths.hash));
        let root = present + node_type + vector(lengths.kem_public_key) + nothing + nothing;
        let parent = root - nothing + vector(lengths.hash);
        let (parents, depth) = (members - 1, self.members.next_power_of_two().ilog2());
        let nodes = match self.tree {
            TreeState::Merged => members * committed + root + (parents - 1) * parent,
            TreeState::Fresh => {
                let lifetime = 16;
                let path = count(depth);
                let blank = parents - path;
                committed + parents * leaf(lifetime) + root + (path - 1) * parent + blank
            }
        };
        vector(nodes)
    }

    fn bare_group_info(&self, extensions: usize) -> usize {
        let lengths = &self.lengths;
        let (version, suite, signer) = (2, 2, 4);
        let context = version
            + suite
            + vector(self.group_id)
            + EPOCH
            + 2 * vector(lengths.hash)
            + NO_EXTENSIONS;
        context + vector(extensions) + vector(lengths.hash) + signer + vector(lengths.signature_max)
    }

    /// A Proposal (RFC 9420 §12.1).
    fn bare_proposal(&self, kind: ProposalKind) -> usize {
        let lengths = &self.lengths;
        PROPOSAL_TYPE
            + match kind {
                ProposalKind::Update => leaf_node(lengths, self.identity, 0),
                ProposalKind::Add => bare_key_package(lengths, self.identity),
                ProposalKind::Remove => 4,
            }
    }

    /// A member's handshake whose content, with its authentication data, has `content` bytes.
    fn framed(&self, content: usize) -> usize {
        match self.handshake {
            Handshake::Private => private_message(self.group_id, content),
            Handshake::Public => {
                let sender = 5;
                let membership_tag = vector(self.lengths.hash);
                let framing = vector(self.group_id) + EPOCH + sender + NO_DATA + CONTENT_TYPE;
                MESSAGE_HEADER + framing + content + membership_tag
            }
        }
    }

    /// An optional UpdatePath (RFC 9420 §7.6) that is there: a leaf, and a node for each that has so
    /// many ciphertexts. The leaf of who is left alone has no parent to hash (RFC 9420 §7.9).
    fn update_path(&self, path: &[u32]) -> usize {
        let lengths = &self.lengths;
        let ciphertext = vector(lengths.kem_output) + vector(lengths.hash + AEAD_TAG);
        let node = |ciphertexts: &u32| {
            vector(lengths.kem_public_key) + vector(count(*ciphertexts) * ciphertext)
        };
        let (is_present, nodes) = (1, path.iter().map(node).sum());
        let parent_hash = vector(if path.is_empty() { 0 } else { lengths.hash });
        is_present + leaf_node(lengths, self.identity, parent_hash) + vector(nodes)
    }
}

/// A ratchet tree to which a commit's proposals have been applied.
struct Tree<'a> {
    /// Leaves 0 to `members - 1` were taken before.
    members: u32,
    state: TreeState,
    change: Change<'a>,
    /// The leaves of those who join by it.
    new: Vec<u32>,
    /// One more than the last leaf that is or was taken.
    width: u32,
}

impl<'a> Tree<'a> {
    fn after(group: &Dimensions, change: &Change<'a>) -> Self {
        let mut blank = change.removed.to_vec();
        blank.sort_unstable();
        let added = usize::try_from(change.added).expect("a count fits an address");
        let new: Vec<u32> = blank.into_iter().chain(group.members..).take(added).collect();
        let width = new.iter().map(|leaf| leaf + 1).fold(group.members, u32::max);
        Self { members: group.members, state: group.tree, change: *change, new, width }
    }

    /// The ciphertexts of each node of a path from `leaf`: a node for each parent whose other child
    /// has members, a ciphertext for each node of that child's resolution but for those who join by
    /// this very commit.
    fn path(&self, leaf: u32) -> Vec<u32> {
        let levels = (0..).take_while(|level| self.width > 1 << level);
        let copath = levels.map(|level| (((leaf >> level) ^ 1) << level, level));
        copath
            .filter(|(first, level)| self.has_members(*first..first + (1 << level), leaf))
            .map(|(first, level)| self.resolution(first, level))
            .collect()
    }

    /// Whether anybody but the committer sits at one of these leaves.
    fn has_members(&self, leaves: Range<u32>, committer: u32) -> bool {
        let before = leaves.start..leaves.end.min(self.members);
        let gone = self.change.removed.iter().filter(|leaf| before.contains(leaf)).count();
        let stay = before.len() > gone;
        stay || self.new.iter().any(|leaf| *leaf != committer && leaves.contains(leaf))
    }

    /// How many nodes reach everybody who was below this one before and is still.
    fn resolution(&self, first: u32, level: u32) -> u32 {
        let leaves = first..(first + (1 << level)).min(self.members);
        let within = |named: &[u32]| named.iter().filter(|leaf| leaves.contains(leaf)).count();
        let removed = within(self.change.removed);
        let stay = leaves.len().saturating_sub(removed);
        let stay = u32::try_from(stay).expect("a member count fits");
        let blanked = removed + within(self.change.updated) > 0;
        if stay < 2 {
            stay
        } else if !blanked && (self.state == TreeState::Merged || first == 0) {
            // The creator's path was set by its bulk add, so a subtree with leaf 0 has a node.
            1
        } else if self.state == TreeState::Fresh && first != 0 {
            stay
        } else {
            let middle = first + (1 << (level - 1));
            self.resolution(first, level - 1) + self.resolution(middle, level - 1)
        }
    }
}

/// GroupSecrets with a path secret and no pre-shared key, encrypted (RFC 9420 §12.4.3.1).
pub(in crate::mls) fn joiner_secrets(lengths: &Lengths) -> usize {
    let (path_is_present, no_psks) = (1, 1);
    vector(lengths.hash) + path_is_present + vector(lengths.hash) + no_psks + AEAD_TAG
}

fn count(members: u32) -> usize {
    usize::try_from(members).expect("a member count fits an address")
}

/// By value or by reference (RFC 9420 §12.4).
const PROPOSAL_OR_REF: usize = 1;
const PROPOSAL_TYPE: usize = 2;
