//! Checks 15 and 16: the GroupInfo and the Welcome that come with a commit.
//!
//! Called by `observer`, the Welcome before OpenMLS looks at the commit, the GroupInfo after.

use openmls_traits::types::Ciphersuite;

use super::crypto::Crypto;
use crate::delivery::Check;
use crate::wire::attachment::{group_info, welcome};

/// What the GroupInfo of the epoch that a commit opens must say.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// The GroupContext of that epoch.
    pub(super) context: &'a [u8],
    /// The commit's own.
    pub(super) confirmation_tag: &'a [u8],
    /// The committer's leaf and signature key in that epoch.
    pub(super) signer: (u32, &'a [u8]),
}

/// Check 15: it describes the group after the commit, is signed by the committer, and lets others
/// join. The committer is who has it first, so nobody else may have signed it.
pub(super) fn check_group_info(
    bytes: &[u8],
    expected: &Expected<'_>,
    suite: Ciphersuite,
    crypto: &Crypto,
) -> Result<(), Check> {
    let info = group_info(bytes).ok().ok_or(Check::GroupInfo)?;
    let (signer, key) = expected.signer;
    let consistent = info.context == expected.context
        && info.confirmation_tag == expected.confirmation_tag
        && info.external_pub
        && info.signer == signer;
    if consistent && crypto.verifies(suite, key, ("GroupInfoTBS", info.signed), info.signature) {
        return Ok(());
    }
    Err(Check::GroupInfo)
}

/// Check 16: one secret for each KeyPackage that is added, and none for anybody else.
/// `references` are the KeyPackageRefs of the adds.
pub(super) fn check_welcome(
    bytes: Option<&[u8]>,
    mut references: Vec<Vec<u8>>,
    suite: Ciphersuite,
) -> Result<(), Check> {
    let Some(bytes) = bytes else {
        return if references.is_empty() { Ok(()) } else { Err(Check::Welcome) };
    };
    let welcome = welcome(bytes).ok().ok_or(Check::Welcome)?;
    references.sort_unstable();
    let mut left = references.len();
    let mut recipients = Vec::with_capacity(left);
    for recipient in welcome.recipients() {
        left = left.checked_sub(1).ok_or(Check::Welcome)?;
        recipients.push(recipient.ok().ok_or(Check::Welcome)?);
    }
    recipients.sort_unstable();
    if welcome.cipher_suite == u16::from(suite)
        && !references.is_empty()
        && recipients == references
    {
        return Ok(());
    }
    Err(Check::Welcome)
}
