//! A PublicMessage taken apart, changed, put together and signed again by its sender.
//!
//! Suite of `bed`: signatures of 64 bytes, hashes and tags of 32.

use openmls_traits::OpenMlsProvider as _;
use openmls_traits::signatures::Signer as _;

use super::bed::Client;
use crate::wire::attachment::{group_info, write_vector};

const SIGNATURE_BYTES: usize = 2 + 64;
const TAG_BYTES: usize = 1 + 32;

/// A commit in pieces.
#[derive(Clone)]
pub(super) struct Forge {
    /// Up to the content.
    pub(super) head: Vec<u8>,
    /// The list, as ProposalOrRefs.
    pub(super) list: Vec<Vec<u8>>,
    /// The committer's leaf, and each node with its key and its ciphertexts.
    pub(super) path: Option<(Vec<u8>, Vec<Node>)>,
    /// From the confirmation tag on.
    pub(super) tail: Vec<u8>,
    list_bytes: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) key: Vec<u8>,
    /// A kem_output and a ciphertext each.
    pub(super) ciphertexts: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(super) fn vector(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_vector(&mut out, content);
    out
}

/// Content of the next vector.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, header) = match bytes[0] >> 6 {
        0 => (usize::from(bytes[0]), 1),
        1 => (usize::from(u16::from_be_bytes([bytes[0] & 0x3f, bytes[1]])), 2),
        _ => {
            let length = u32::from_be_bytes([bytes[0] & 0x3f, bytes[1], bytes[2], bytes[3]]);
            (usize::try_from(length).unwrap(), 4)
        }
    };
    let content = &bytes[header..header + length];
    *bytes = &bytes[header + length..];
    content
}

fn leaf<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let start = *bytes;
    let skip = |bytes: &mut &[u8], count: usize| *bytes = &bytes[count..];
    take(bytes); // encryption key
    take(bytes); // signature key
    skip(bytes, 2);
    for _identity_and_capabilities in 0..6 {
        take(bytes);
    }
    let source = bytes[0];
    skip(bytes, 1);
    match source {
        1 => skip(bytes, 16),
        2 => {}
        _ => drop(take(bytes)),
    }
    take(bytes); // extensions
    take(bytes); // signature
    &start[..start.len() - bytes.len()]
}

impl Forge {
    /// Takes a commit apart; its list is kept whole, until it is replaced.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut rest = &body[4..];
        take(&mut rest); // group id
        rest = &rest[8..];
        let member = rest[0] == 1;
        rest = if member { &rest[5..] } else { &rest[1..] };
        take(&mut rest); // authenticated data
        rest = &rest[1..];
        let head = body[..body.len() - rest.len()].to_vec();
        let list_bytes = take(&mut rest).to_vec();
        let present = rest[0] == 1;
        rest = &rest[1..];
        let path = present.then(|| {
            let leaf = leaf(&mut rest).to_vec();
            let mut nodes = take(&mut rest);
            let mut path = Vec::new();
            while !nodes.is_empty() {
                let key = take(&mut nodes).to_vec();
                let mut list = take(&mut nodes);
                let mut ciphertexts = Vec::new();
                while !list.is_empty() {
                    ciphertexts.push((take(&mut list).to_vec(), take(&mut list).to_vec()));
                }
                path.push(Node { key, ciphertexts });
            }
            (leaf, path)
        });
        assert_eq!(rest.len(), SIGNATURE_BYTES + TAG_BYTES * if member { 2 } else { 1 });
        let tail = rest[SIGNATURE_BYTES..].to_vec();
        Self { head, list: Vec::new(), path, tail, list_bytes }
    }

    /// With this list instead.
    pub(super) fn listing(mut self, list: &[&[u8]]) -> Self {
        self.list_bytes.clear();
        self.list = list.iter().map(|item| item.to_vec()).collect();
        self
    }

    pub(super) fn nodes(&mut self) -> &mut Vec<Node> {
        &mut self.path.as_mut().unwrap().1
    }

    /// Puts it together, signed by `client` in the epoch of `group`.
    pub(super) fn sealed(&self, client: &Client, context: &[u8]) -> Vec<u8> {
        let list = [&self.list_bytes[..], &self.list.concat()].concat();
        let mut body = [&self.head[..], &vector(&list)].concat();
        body.push(u8::from(self.path.is_some()));
        if let Some((leaf, nodes)) = &self.path {
            let mut path = Vec::new();
            for node in nodes {
                path.extend(vector(&node.key));
                let each = |(kem, text): &(Vec<u8>, Vec<u8>)| [vector(kem), vector(text)].concat();
                path.extend(vector(&node.ciphertexts.iter().flat_map(each).collect::<Vec<_>>()));
            }
            body.extend(leaf);
            body.extend(vector(&path));
        }
        let signature = signed("FramedContentTBS", &[&body, context].concat(), client);
        body.extend(vector(&signature));
        body.extend(&self.tail);
        body
    }
}

/// Another content, in the message of a member.
pub(super) fn proposal(head: &[u8], content: &[u8], client: &Client, context: &[u8]) -> Vec<u8> {
    let mut body = [head, content].concat();
    let signature = signed("FramedContentTBS", &[&body, context].concat(), client);
    body.extend(vector(&signature));
    if head[4 + 17 + 8] == 1 {
        body.extend(vector(&[7; 32]));
    }
    body
}

/// `SignWithLabel` (RFC 9420 §5.1.2).
pub(super) fn signed(label: &str, content: &[u8], client: &Client) -> Vec<u8> {
    let label = ["MLS 1.0 ", label].concat();
    client.signer.sign(&[vector(label.as_bytes()), vector(content)].concat()).unwrap()
}

/// The GroupContext of the epoch that `client` is in.
pub(super) fn context(client: &Client) -> Vec<u8> {
    let group = client.group.as_ref().unwrap();
    let info = group.export_group_info(client.provider.crypto(), &client.signer, false).unwrap();
    group_info(&info.to_bytes().unwrap()).unwrap().context.to_vec()
}
