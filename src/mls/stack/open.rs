//! OpenMLS as a stack: the members that mint tapes, asked for one thing at a time.
//!
//! It adds nothing to them but the parsing of what others have sent. Called through the trait.

use bytes::Bytes;
use openmls::prelude::KeyPackage;
use openmls::prelude::KeyPackageIn;
use openmls::prelude::MlsMessageBodyIn;
use openmls::prelude::MlsMessageIn;
use openmls::prelude::ProcessedMessageContent;
use openmls::prelude::ProtocolVersion;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use tls_codec::DeserializeBytes;

use super::{Candidate, Commit, Member, Stack};
use crate::delivery::GroupId;
use crate::mls::leaf::{Leaf, MemberError, refused};
use crate::mls::newcomer::Newcomer;
use crate::mls::provider::Provider;
use crate::mls::storage::Pair;
use crate::mls::suite::{Implementation, Suite};
use crate::mls::tape::Handshake;

/// OpenMLS on one provider.
pub(super) struct OpenMls {
    implementation: Implementation,
    provider: Provider,
}

impl OpenMls {
    pub(super) fn new(implementation: Implementation) -> Result<Self, MemberError> {
        let provider = Provider::new(implementation).map_err(refused("open the provider"))?;
        Ok(Self { implementation, provider })
    }
}

impl Stack for OpenMls {
    fn offers(&self) -> Vec<u16> {
        let crypto = self.provider.crypto();
        let suites = crypto.supported_ciphersuites().into_iter();
        let supported = suites.filter(|suite| crypto.supports(*suite).is_ok());
        let mut offers: Vec<u16> = supported.map(|suite| suite as u16).collect();
        offers.sort_unstable();
        offers
    }

    fn candidate(&self, suite: u16, identity: &[u8]) -> Result<Box<dyn Candidate>, MemberError> {
        let runs = |of: &Suite| {
            let facts = of.facts();
            facts.code_point == suite && facts.implementation == self.implementation
        };
        let suite = Suite::all().find(runs);
        let suite = suite.ok_or_else(|| refused("make a KeyPackage")("unsupported suite"))?;
        let newcomer = Newcomer::new(suite, identity.to_vec())?;
        let (pairs, key_package) = (newcomer.pairs(), newcomer.published()?);
        Ok(Box::new(Published { suite, newcomer, pairs, key_package }))
    }
}

struct Published {
    suite: Suite,
    newcomer: Newcomer,
    pairs: Vec<Pair>,
    key_package: Bytes,
}

impl Candidate for Published {
    fn key_package(&self) -> Bytes {
        self.key_package.clone()
    }

    fn create(self: Box<Self>, group: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let group = GroupId::new(group).ok_or_else(|| refused("create the group")("a long id"))?;
        Ok(Box::new(self.newcomer.create(self.suite, &group, Handshake::Public)?))
    }

    fn join(&self, welcome: &[u8], tree: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let leaf = Leaf::join(self.suite, &self.pairs, welcome, tree, Handshake::Public)?;
        Ok(Box::new(leaf))
    }

    fn join_externally(
        self: Box<Self>,
        group_info: &[u8],
        tree: &[u8],
    ) -> Result<(Box<dyn Member>, Bytes), MemberError> {
        let with = (group_info, tree);
        let (leaf, commit) = self.newcomer.join_externally(self.suite, with, Handshake::Public)?;
        Ok((Box::new(leaf), commit))
    }
}

impl Member for Leaf {
    fn commit(&mut self, remove: &[u32], add: &[Bytes]) -> Result<Commit, MemberError> {
        let packages = add.iter().map(|package| verified(&self.provider, package));
        let packages: Vec<KeyPackage> = packages.collect::<Result<_, _>>()?;
        let made = self.prepare(remove, packages)?;
        Ok(Commit { message: made.body, welcome: made.welcome.unwrap_or_default() })
    }

    fn merge(&mut self) -> Result<(), MemberError> {
        self.merge_pending()
    }

    fn forget(&mut self) -> Result<(), MemberError> {
        let storage = self.provider.storage();
        self.group.clear_pending_commit(storage).map_err(refused("forget the commit"))
    }

    fn process(&mut self, commit: &[u8]) -> Result<(), MemberError> {
        Self::process(self, commit).map(|_| ())
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Bytes, MemberError> {
        Self::encrypt(self, plaintext)
    }

    fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>, MemberError> {
        let doing = "decrypt";
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
            .map_err(refused(doing))?
            .try_into_protocol_message()
            .map_err(refused(doing))?;
        let processed =
            self.group.process_message(&self.provider, message).map_err(refused(doing))?;
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => Ok(message.into_bytes()),
            _ => Err(refused(doing)("not an application message")),
        }
    }

    fn tree(&self) -> Result<Bytes, MemberError> {
        Self::tree(self)
    }

    fn group_info(&self) -> Result<Bytes, MemberError> {
        Self::group_info(self)
    }

    fn authenticator(&self) -> Result<Vec<u8>, MemberError> {
        Ok(Self::authenticator(self))
    }
}

/// A KeyPackage of another, parsed and with its signatures checked (RFC 9420 §10.1).
fn verified(provider: &Provider, package: &[u8]) -> Result<KeyPackage, MemberError> {
    let doing = "check a KeyPackage";
    let message = MlsMessageIn::tls_deserialize_exact_bytes(package).map_err(refused(doing))?;
    let MlsMessageBodyIn::KeyPackage(package) = message.extract() else {
        return Err(refused(doing)("not a KeyPackage"));
    };
    let package: KeyPackageIn = package;
    package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(refused(doing))
}
