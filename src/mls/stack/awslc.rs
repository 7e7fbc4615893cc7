//! mls-rs with its AWS-LC provider as a stack.
//!
//! As its makers ship it, set to send what the other stack sends: no padding, the tree apart, one
//! suite in its capabilities. Group state stays in memory: nothing is ever asked to be written.
//! Called through the trait.

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::group::{ExportedTree, ReceivedMessage};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::{
    CipherSuite, CipherSuiteProvider, Client, CryptoProvider, ExtensionList, Group, MlsMessage,
};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;

use super::{Candidate, Commit, Member, Stack};
use crate::mls::leaf::{MemberError, refused};

/// mls-rs on AWS-LC, which has no state of its own.
pub(super) struct MlsRs;

impl Stack for MlsRs {
    fn offers(&self) -> Vec<u16> {
        let provider = AwsLcCryptoProvider::new();
        let suites = provider.supported_cipher_suites().into_iter();
        let supported = suites.filter(|suite| provider.cipher_suite_provider(*suite).is_some());
        let mut offers: Vec<u16> = supported.map(|suite| suite.raw_value()).collect();
        offers.sort_unstable();
        offers
    }

    fn candidate(&self, suite: u16, identity: &[u8]) -> Result<Box<dyn Candidate>, MemberError> {
        let doing = "make a KeyPackage";
        let client = client(CipherSuite::new(suite), identity)?;
        let (package, leaf) = (ExtensionList::default(), ExtensionList::default());
        let package =
            client.generate_key_package_message(package, leaf, None).map_err(refused(doing))?;
        let key_package = bytes(&package, doing)?;
        Ok(Box::new(Published { client, key_package }))
    }
}

fn client(
    suite: CipherSuite,
    identity: &[u8],
) -> Result<Client<impl MlsConfig + use<>>, MemberError> {
    let doing = "make a KeyPackage";
    let provider = AwsLcCryptoProvider::with_enabled_cipher_suites(vec![suite]);
    let cryptography = provider.cipher_suite_provider(suite);
    let cryptography = cryptography.ok_or_else(|| refused(doing)("unsupported suite"))?;
    let (secret, public) = cryptography.signature_key_generate().map_err(refused(doing))?;
    let credential = BasicCredential::new(identity.to_vec()).into_credential();
    let commits = CommitOptions::new().with_path_required(true).with_ratchet_tree_extension(false);
    let encryption = EncryptionOptions::new(false, mls_rs::client_builder::PaddingMode::None);
    let rules =
        DefaultMlsRules::new().with_commit_options(commits).with_encryption_options(encryption);
    Ok(Client::builder()
        .identity_provider(BasicIdentityProvider::new())
        .crypto_provider(provider)
        .mls_rules(rules)
        .signing_identity(SigningIdentity::new(credential, public), secret, suite)
        .build())
}

struct Published<C: MlsConfig> {
    client: Client<C>,
    key_package: Bytes,
}

impl<C: MlsConfig + 'static> Candidate for Published<C> {
    fn key_package(&self) -> Bytes {
        self.key_package.clone()
    }

    fn create(self: Box<Self>, group: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let (context, leaf) = (ExtensionList::default(), ExtensionList::default());
        let group = self
            .client
            .create_group_with_id(group.to_vec(), context, leaf, None)
            .map_err(refused("create the group"))?;
        Ok(Box::new(Joined { group }))
    }

    fn join(&self, welcome: &[u8], tree: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let doing = "join by the Welcome";
        let tree = ExportedTree::from_bytes(tree).map_err(refused(doing))?;
        let (group, _) = self
            .client
            .join_group(Some(tree), &message(welcome, doing)?, None)
            .map_err(refused(doing))?;
        Ok(Box::new(Joined { group }))
    }

    fn join_externally(
        self: Box<Self>,
        group_info: &[u8],
        tree: &[u8],
    ) -> Result<(Box<dyn Member>, Bytes), MemberError> {
        let doing = "join by an external commit";
        let tree = ExportedTree::from_bytes(tree).map_err(refused(doing))?;
        let (group, commit) = self
            .client
            .external_commit_builder()
            .map_err(refused(doing))?
            .with_tree_data(tree)
            .build(message(group_info, doing)?)
            .map_err(refused(doing))?;
        Ok((Box::new(Joined { group }), bytes(&commit, doing)?))
    }
}

struct Joined<C: MlsConfig> {
    group: Group<C>,
}

impl<C: MlsConfig> Member for Joined<C> {
    fn commit(&mut self, remove: &[u32], add: &[Bytes]) -> Result<Commit, MemberError> {
        let doing = "commit";
        let mut builder = self.group.commit_builder();
        for leaf in remove {
            builder = builder.remove_member(*leaf).map_err(refused(doing))?;
        }
        for package in add {
            builder = builder.add_member(message(package, doing)?).map_err(refused(doing))?;
        }
        let made = builder.build().map_err(refused(doing))?;
        let welcome = made.welcome_messages.first();
        let welcome = welcome.map(|welcome| bytes(welcome, doing)).transpose()?;
        let message = bytes(&made.commit_message, doing)?;
        Ok(Commit { message, welcome: welcome.unwrap_or_default() })
    }

    fn merge(&mut self) -> Result<(), MemberError> {
        self.group.apply_pending_commit().map(|_| ()).map_err(refused("merge the commit"))
    }

    fn forget(&mut self) -> Result<(), MemberError> {
        self.group.clear_pending_commit();
        Ok(())
    }

    fn process(&mut self, commit: &[u8]) -> Result<(), MemberError> {
        let doing = "process the message";
        let received = self.group.process_incoming_message(message(commit, doing)?);
        match received.map_err(refused(doing))? {
            ReceivedMessage::Commit(_) => Ok(()),
            _ => Err(refused(doing)("not a commit")),
        }
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Bytes, MemberError> {
        let doing = "encrypt";
        let made = self.group.encrypt_application_message(plaintext, Vec::new());
        bytes(&made.map_err(refused(doing))?, doing)
    }

    fn decrypt(&mut self, encrypted: &[u8]) -> Result<Vec<u8>, MemberError> {
        let doing = "decrypt";
        let received = self.group.process_incoming_message(message(encrypted, doing)?);
        match received.map_err(refused(doing))? {
            ReceivedMessage::ApplicationMessage(message) => Ok(message.data().to_vec()),
            _ => Err(refused(doing)("not an application message")),
        }
    }

    fn tree(&self) -> Result<Bytes, MemberError> {
        let tree = self.group.export_tree().to_bytes();
        tree.map(Bytes::from).map_err(refused("export the tree"))
    }

    fn group_info(&self) -> Result<Bytes, MemberError> {
        let doing = "export the GroupInfo";
        let info = self.group.group_info_message_allowing_ext_commit(false);
        bytes(&info.map_err(refused(doing))?, doing)
    }

    fn authenticator(&self) -> Result<Vec<u8>, MemberError> {
        let secret = self.group.epoch_authenticator();
        secret.map(|secret| secret.to_vec()).map_err(refused("export the authenticator"))
    }
}

fn message(bytes: &[u8], doing: &'static str) -> Result<MlsMessage, MemberError> {
    MlsMessage::from_bytes(bytes).map_err(refused(doing))
}

fn bytes(message: &MlsMessage, doing: &'static str) -> Result<Bytes, MemberError> {
    message.to_bytes().map(Bytes::from).map_err(refused(doing))
}
