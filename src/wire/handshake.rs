//! What lies open in the content of a PublicMessage: its proposals and its path.
//!
//! A walk over borrowed bytes, in the order in which they stand; never allocates, never verifies.
//! Called by `validation`, for messages whose header [`super::peek()`] has accepted.

use super::malformed::Malformed;
use super::peek::{HANDSHAKE, handshake_content};
use super::reader::Reader;
use crate::delivery::Kind;

/// Not a type of RFC 9420 §12.4 `ProposalOrRef`.
pub(super) const PROPOSAL_OR_REF: &str = "neither a proposal nor a reference to one";
/// Not a PSK type of RFC 9420 §8.4.
pub(super) const PSK_TYPE: &str = "unknown type of pre-shared key";
/// Not a leaf node source of RFC 9420 §7.2.
pub(super) const LEAF_SOURCE: &str = "unknown leaf node source";
/// Not 0 or 1 where RFC 9420 §2.1.1 has an optional value.
pub(super) const OPTIONAL: &str = "optional value neither present nor absent";
/// Not a node type of RFC 9420 §7.8.
pub(super) const NODE_TYPE: &str = "unknown node type";
/// Not an operation of draft-ietf-mls-extensions §4.7.
pub(super) const APP_DATA_OPERATION: &str = "unknown operation on application data";

const BASIC_CREDENTIAL: u16 = 1;

/// The content of a PublicMessage.
#[derive(Clone, Copy, Debug)]
pub enum Handshake<'a> {
    /// One proposal of its sender (RFC 9420 §12.1).
    Proposal(Proposal<'a>),
    /// A commit (RFC 9420 §12.4); its list is read as it is iterated.
    Commit(Commit<'a>),
}

/// A commit, its proposals not yet looked at.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    proposals: Reader<'a>,
    path: Reader<'a>,
}

/// A proposal, as far as ordering and rosters care (RFC 9420 §12.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal<'a> {
    /// Adds who published this KeyPackage.
    Add {
        /// The KeyPackage, whole.
        package: &'a [u8],
        /// Its init key.
        init_key: &'a [u8],
        /// Its leaf node.
        leaf: LeafNode<'a>,
    },
    /// Replaces the sender's leaf.
    Update {
        /// The new leaf node.
        leaf: LeafNode<'a>,
    },
    /// Removes a leaf.
    Remove {
        /// Its index.
        leaf: u32,
    },
    /// Mixes in a pre-shared key.
    PreSharedKey {
        /// The PreSharedKeyID without its nonce (RFC 9420 §8.4).
        id: &'a [u8],
    },
    /// Ends the group.
    ReInit,
    /// What an external commit starts from.
    ExternalInit,
    /// Replaces the extensions of the GroupContext.
    GroupContextExtensions,
    /// Removes its sender (draft-ietf-mls-extensions §6.3).
    SelfRemove,
    /// Any other type. Where it ends is for its definition to say, so one that is not known here
    /// (draft-ietf-mls-extensions) is taken for a single vector, as OpenMLS does.
    Other(u16),
}

/// One element of a commit's list (RFC 9420 §12.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<'a> {
    /// A proposal of the committer, in full.
    Value(Proposal<'a>),
    /// The ProposalRef of a proposal sent before (RFC 9420 §5.2).
    Reference(&'a [u8]),
}

/// A leaf node, as far as it says who it is (RFC 9420 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafNode<'a> {
    /// Its HPKE public key.
    pub encryption_key: &'a [u8],
    /// Its signature public key.
    pub signature_key: &'a [u8],
    /// The identity of its basic credential; `None` for any other credential.
    pub identity: Option<&'a [u8]>,
    /// Where it says that it comes from.
    pub source: LeafSource,
}

/// Where a leaf node comes from (RFC 9420 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafSource {
    /// A KeyPackage, with its lifetime in Unix seconds, both ends included.
    KeyPackage {
        /// First second.
        not_before: u64,
        /// Last second.
        not_after: u64,
    },
    /// An Update proposal.
    Update,
    /// The path of a commit.
    Commit,
}

/// The path of a commit, its nodes not yet looked at (RFC 9420 §7.6).
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The committer's new leaf.
    pub leaf: LeafNode<'a>,
    nodes: Reader<'a>,
}

/// One node of a path, from the leaf upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathNode<'a> {
    /// Its new HPKE public key.
    pub encryption_key: &'a [u8],
    /// For how many it is encrypted.
    pub ciphertexts: u32,
}

/// One node of a ratchet tree (RFC 9420 §7.8).
#[derive(Clone, Copy, Debug)]
pub enum TreeNode<'a> {
    /// Nobody, nothing.
    Blank,
    /// A member.
    Leaf(LeafNode<'a>),
    /// A node between the leaves and the root.
    Parent {
        /// Its HPKE public key.
        encryption_key: &'a [u8],
        /// The leaves below it that do not know its private key, four bytes each.
        unmerged: &'a [u8],
    },
}

/// Reads the content of a PublicMessage up to where its list, or its proposal, begins to matter.
///
/// # Errors
/// The first field that is not as RFC 9420 wants it; [`super::peek()`]'s for its header.
#[inline]
pub fn handshake(message: &[u8]) -> Result<Handshake<'_>, Malformed> {
    let (kind, mut content) = handshake_content(message)?;
    match kind {
        Kind::Proposal => Ok(Handshake::Proposal(proposal(&mut content)?)),
        Kind::Commit => {
            let proposals = content.nested()?;
            Ok(Handshake::Commit(Commit { proposals, path: content }))
        }
        Kind::Application => Err(content.malformed(HANDSHAKE)),
    }
}

/// The nodes of a ratchet tree from left to right, as the `ratchet_tree` extension holds them
/// (RFC 9420 §12.4.3.3). After a mistake there is nothing more.
///
/// # Errors
/// When `bytes` is not one vector.
pub fn tree_nodes(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<TreeNode<'_>, Malformed>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let nodes = reader.nested()?;
    reader.finish()?;
    Ok(Each { reader: nodes, read: tree_node })
}

impl<'a> Commit<'a> {
    /// The list, in its order. It ends after a mistake, or after a proposal of an unknown type.
    pub fn proposals(&self) -> impl Iterator<Item = Result<Listed<'a>, Malformed>> + use<'a> {
        Each { reader: self.proposals, read: listed }
    }

    /// The path, if there is one.
    ///
    /// # Errors
    /// When it is not an UpdatePath.
    pub fn path(&self) -> Result<Option<Path<'a>>, Malformed> {
        let mut reader = self.path;
        if !optional(&mut reader)? {
            return Ok(None);
        }
        let leaf = leaf_node(&mut reader)?;
        Ok(Some(Path { leaf, nodes: reader.nested()? }))
    }

    /// The confirmation tag (RFC 9420 §6.1).
    ///
    /// # Errors
    /// When the message ends before it does.
    pub fn confirmation_tag(&self) -> Result<&'a [u8], Malformed> {
        let mut reader = self.path;
        if optional(&mut reader)? {
            leaf_node(&mut reader)?;
            reader.nested()?;
        }
        reader.vector()?; // signature
        reader.vector()
    }
}

impl<'a> Path<'a> {
    /// Its nodes, the one next to the leaf first.
    pub fn nodes(&self) -> impl Iterator<Item = Result<PathNode<'a>, Malformed>> + use<'a> {
        Each { reader: self.nodes, read: path_node }
    }
}

/// Everything in a vector, until its end or a mistake.
struct Each<'a, T> {
    reader: Reader<'a>,
    read: fn(&mut Reader<'a>) -> Result<T, Malformed>,
}

impl<T> Iterator for Each<'_, T> {
    type Item = Result<T, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.left() == 0 {
            return None;
        }
        let item = (self.read)(&mut self.reader);
        if item.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(item)
    }
}

fn listed<'a>(reader: &mut Reader<'a>) -> Result<Listed<'a>, Malformed> {
    let start = *reader;
    match reader.u8()? {
        1 => proposal(reader).map(Listed::Value),
        2 => Ok(Listed::Reference(reader.vector()?)),
        _ => Err(start.malformed(PROPOSAL_OR_REF)),
    }
}

#[inline]
fn proposal<'a>(reader: &mut Reader<'a>) -> Result<Proposal<'a>, Malformed> {
    match reader.u16()? {
        1 => key_package(reader),
        2 => Ok(Proposal::Update { leaf: leaf_node(reader)? }),
        3 => Ok(Proposal::Remove { leaf: reader.u32()? }),
        4 => pre_shared_key(reader),
        5 => {
            reader.vector()?; // group id
            reader.slice(4)?; // version and cipher suite
            reader.vector()?; // extensions
            Ok(Proposal::ReInit)
        }
        6 => reader.vector().map(|_| Proposal::ExternalInit),
        7 => reader.vector().map(|_| Proposal::GroupContextExtensions),
        8 => app_data_update(reader),
        9 => {
            reader.u16()?; // component
            reader.vector().map(|_| Proposal::Other(9))
        }
        10 => Ok(Proposal::SelfRemove),
        other => reader.vector().map(|_| Proposal::Other(other)),
    }
}

fn app_data_update<'a>(reader: &mut Reader<'a>) -> Result<Proposal<'a>, Malformed> {
    reader.u16()?; // component
    let start = *reader;
    match reader.u8()? {
        1 => reader.vector().map(|_| Proposal::Other(8)),
        2 => Ok(Proposal::Other(8)),
        _ => Err(start.malformed(APP_DATA_OPERATION)),
    }
}

fn pre_shared_key<'a>(reader: &mut Reader<'a>) -> Result<Proposal<'a>, Malformed> {
    let start = *reader;
    match reader.u8()? {
        1 => reader.vector()?,
        2 => {
            reader.u8()?; // usage
            reader.vector()?; // group id
            reader.slice(8)? // epoch
        }
        _ => return Err(start.malformed(PSK_TYPE)),
    };
    let id = start.upto(reader);
    reader.vector()?; // nonce
    Ok(Proposal::PreSharedKey { id })
}

fn key_package<'a>(reader: &mut Reader<'a>) -> Result<Proposal<'a>, Malformed> {
    let start = *reader;
    reader.slice(4)?; // version and cipher suite
    let init_key = reader.vector()?;
    let leaf = leaf_node(reader)?;
    reader.vector()?; // extensions
    reader.vector()?; // signature
    Ok(Proposal::Add { package: start.upto(reader), init_key, leaf })
}

fn leaf_node<'a>(reader: &mut Reader<'a>) -> Result<LeafNode<'a>, Malformed> {
    let encryption_key = reader.vector()?;
    let signature_key = reader.vector()?;
    let identity = match reader.u16()? {
        BASIC_CREDENTIAL => Some(reader.vector()?),
        // Every other credential that is registered is one vector as well.
        _ => reader.vector().map(|_| None)?,
    };
    for _capability in ["versions", "cipher suites", "extensions", "proposals", "credentials"] {
        reader.vector()?;
    }
    let source = *reader;
    let source = match reader.u8()? {
        1 => LeafSource::KeyPackage { not_before: reader.u64()?, not_after: reader.u64()? },
        2 => LeafSource::Update,
        3 => reader.vector().map(|_| LeafSource::Commit)?,
        _ => return Err(source.malformed(LEAF_SOURCE)),
    };
    reader.vector()?; // extensions
    reader.vector()?; // signature
    Ok(LeafNode { encryption_key, signature_key, identity, source })
}

fn path_node<'a>(reader: &mut Reader<'a>) -> Result<PathNode<'a>, Malformed> {
    let encryption_key = reader.vector()?;
    let mut list = reader.nested()?;
    let mut ciphertexts: u32 = 0;
    while list.left() > 0 {
        list.vector()?; // kem_output
        list.vector()?; // ciphertext
        ciphertexts = ciphertexts.saturating_add(1);
    }
    Ok(PathNode { encryption_key, ciphertexts })
}

fn tree_node<'a>(reader: &mut Reader<'a>) -> Result<TreeNode<'a>, Malformed> {
    if !optional(reader)? {
        return Ok(TreeNode::Blank);
    }
    let start = *reader;
    match reader.u8()? {
        1 => leaf_node(reader).map(TreeNode::Leaf),
        2 => {
            let encryption_key = reader.vector()?;
            reader.vector()?; // parent hash
            Ok(TreeNode::Parent { encryption_key, unmerged: reader.vector()? })
        }
        _ => Err(start.malformed(NODE_TYPE)),
    }
}

fn optional(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let start = *reader;
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(start.malformed(OPTIONAL)),
    }
}
