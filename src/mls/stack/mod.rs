//! Two MLS stacks behind one trait: what a member does, whoever implements it.
//!
//! Everything passes as the bytes of MLSMessages (RFC 9420 §6), so that a figure has in it what a
//! client has to do: parsing and serialising. No stack is patched or reached into. A stack is one
//! worker's own: providers keep their random generator behind a lock. Called by `suites`.

mod awslc;
mod open;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::leaf::MemberError;

/// An implementation of MLS with the cryptography that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackKind {
    /// OpenMLS on RustCrypto.
    OpenMlsRustCrypto,
    /// OpenMLS on libcrux.
    OpenMlsLibcrux,
    /// mls-rs on AWS-LC.
    MlsRsAwsLc,
}

impl StackKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenMlsRustCrypto, Self::OpenMlsLibcrux, Self::MlsRsAwsLc];

    /// The stack of that name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name and its provider's, as figures and the command line have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenMlsRustCrypto => "openmls/rust_crypto",
            Self::OpenMlsLibcrux => "openmls/libcrux",
            Self::MlsRsAwsLc => "mls-rs/awslc",
        }
    }

    /// What stands for it where there is no room for its name.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::OpenMlsRustCrypto => 'r',
            Self::OpenMlsLibcrux => 'l',
            Self::MlsRsAwsLc => 'm',
        }
    }

    /// One of it, for one worker.
    pub fn open(self) -> Result<Box<dyn Stack>, MemberError> {
        use super::suite::Implementation;
        Ok(match self {
            Self::OpenMlsRustCrypto => Box::new(open::OpenMls::new(Implementation::RustCrypto)?),
            Self::OpenMlsLibcrux => Box::new(open::OpenMls::new(Implementation::Libcrux)?),
            Self::MlsRsAwsLc => Box::new(awslc::MlsRs),
        })
    }
}

/// A stack at hand.
pub trait Stack: Send {
    /// The code points of the suites that it says it runs, ascending.
    fn offers(&self) -> Vec<u16>;

    /// A device with fresh keys and a KeyPackage of that suite, in no group.
    fn candidate(&self, suite: u16, identity: &[u8]) -> Result<Box<dyn Candidate>, MemberError>;
}

/// A device that has published a KeyPackage and joined nothing yet.
pub trait Candidate: Send {
    /// Its KeyPackage.
    fn key_package(&self) -> Bytes;

    /// Creates a group with itself as leaf 0.
    fn create(self: Box<Self>, group: &[u8]) -> Result<Box<dyn Member>, MemberError>;

    /// Joins by a Welcome and the ratchet tree that goes with it; may be done again.
    fn join(&self, welcome: &[u8], tree: &[u8]) -> Result<Box<dyn Member>, MemberError>;

    /// Joins by itself, with a GroupInfo and the tree of its epoch: its place, and its commit.
    fn join_externally(
        self: Box<Self>,
        group_info: &[u8],
        tree: &[u8],
    ) -> Result<(Box<dyn Member>, Bytes), MemberError>;
}

/// A member of a group. Its handshakes are PublicMessages, every commit of its has a path, and
/// nothing is padded.
pub trait Member: Send {
    /// Prepares a commit that removes leaves, adds who published KeyPackages, and renews its path.
    /// The group is unchanged until [`Self::merge`].
    fn commit(&mut self, remove: &[u32], add: &[Bytes]) -> Result<Commit, MemberError>;

    /// The prepared commit has won: enters its epoch.
    fn merge(&mut self) -> Result<(), MemberError>;

    /// The prepared commit has lost: forgets it.
    fn forget(&mut self) -> Result<(), MemberError>;

    /// Verifies and applies a commit of another.
    fn process(&mut self, commit: &[u8]) -> Result<(), MemberError>;

    /// Encrypts an application message.
    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Bytes, MemberError>;

    /// Decrypts an application message of another. Its plaintext.
    fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>, MemberError>;

    /// The ratchet tree (RFC 9420 §12.4.3.3).
    fn tree(&self) -> Result<Bytes, MemberError>;

    /// The GroupInfo with which others may join by themselves, without the tree.
    fn group_info(&self) -> Result<Bytes, MemberError>;

    /// The epoch authenticator (RFC 9420 §8.7): equal for members that agree on everything.
    fn authenticator(&self) -> Result<Vec<u8>, MemberError>;
}

/// A prepared commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// For those who are members.
    pub message: Bytes,
    /// For those whom it adds, without the tree; empty if it adds nobody.
    pub welcome: Bytes,
}
