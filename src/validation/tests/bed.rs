//! A real group, all of whose members are at hand.
//!
//! Members are named by number; who is at which leaf is for the group to say.

use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::delivery::{DeviceId, Epoch, GroupId, Kind, Level, RosterChange};
use crate::validation::{Founding, State, Submitted};

pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

pub(crate) fn device(number: u8) -> DeviceId {
    DeviceId([number; 16])
}

/// A client that is, or could be, a member.
pub(crate) struct Client {
    pub(crate) provider: OpenMlsRustCrypto,
    pub(crate) signer: SignatureKeyPair,
    pub(crate) credential: CredentialWithKey,
    pub(crate) group: Option<MlsGroup>,
}

impl Client {
    pub(crate) fn new(number: u8) -> Self {
        Self::named(&device(number).0)
    }

    pub(crate) fn named(identity: &[u8]) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(identity.to_vec()).into(),
            signature_key: signer.to_public_vec().into(),
        };
        Self { provider, signer, credential, group: None }
    }

    pub(crate) fn package(&self) -> KeyPackage {
        self.package_with(|builder| builder)
    }

    pub(crate) fn package_with(
        &self,
        with: impl FnOnce(KeyPackageBuilder) -> KeyPackageBuilder,
    ) -> KeyPackage {
        with(KeyPackage::builder().leaf_node_capabilities(capabilities()))
            .build(SUITE, &self.provider, &self.signer, self.credential.clone())
            .unwrap()
            .into_key_package()
    }

    pub(crate) fn group(&mut self) -> (&mut MlsGroup, &OpenMlsRustCrypto, &SignatureKeyPair) {
        (self.group.as_mut().expect("a member"), &self.provider, &self.signer)
    }

    pub(crate) fn hears(&mut self, message: &[u8]) {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message).unwrap();
        let (group, provider, _) = self.group();
        let processed =
            group.process_message(provider, message.try_into_protocol_message().unwrap()).unwrap();
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                group.merge_staged_commit(provider, *commit).unwrap();
            }
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                group.store_pending_proposal(provider.storage(), *proposal).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn capabilities() -> Capabilities {
    let proposals = [ProposalType::SelfRemove];
    Capabilities::new(None, Some(&[SUITE]), None, Some(&proposals), Some(&[CredentialType::Basic]))
}

/// A commit with what belongs to it, all as MLSMessages.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) sender: DeviceId,
    pub(crate) body: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
    pub(crate) group_info: Option<Vec<u8>>,
    pub(crate) change: RosterChange,
}

impl Made {
    pub(crate) fn submitted(&self) -> Submitted<'_> {
        Submitted {
            sender: self.sender,
            kind: Kind::Commit,
            body: &self.body,
            declared: self.change.clone(),
            welcome: self.welcome.as_deref(),
            group_info: self.group_info.as_deref(),
        }
    }
}

/// What a commit is to do.
#[derive(Default)]
pub(crate) struct Commit {
    pub(crate) adds: Vec<KeyPackage>,
    pub(crate) removes: Vec<u32>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) without_pending: bool,
}

pub(crate) struct Bed {
    pub(crate) clients: Vec<Client>,
}

impl Bed {
    /// Clients 0 to `members - 1` are in the group, at the leaves of their numbers.
    pub(crate) fn new(members: u8) -> Self {
        Self::with(members, PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
    }

    pub(crate) fn with(members: u8, policy: WireFormatPolicy) -> Self {
        let mut clients: Vec<Client> = (0..members).map(Client::new).collect();
        let watcher = ExternalSender::new(
            clients[0].signer.to_public_vec().into(),
            BasicCredential::new(b"watcher".to_vec()).into(),
        );
        let extensions = Extensions::single(Extension::ExternalSenders(vec![watcher])).unwrap();
        let creator = &mut clients[0];
        let group = MlsGroup::builder()
            .ciphersuite(SUITE)
            .with_capabilities(capabilities())
            .with_wire_format_policy(policy)
            .with_group_context_extensions(extensions)
            .build(&creator.provider, &creator.signer, creator.credential.clone())
            .unwrap();
        creator.group = Some(group);
        let packages: Vec<_> = clients[1..].iter().map(Client::package).collect();
        let mut bed = Self { clients };
        if members > 1 {
            let commit = bed.commit(0, Commit { adds: packages, ..Commit::default() });
            let (group, provider, _) = bed.clients[0].group();
            group.merge_pending_commit(provider).unwrap();
            for client in 1..usize::from(members) {
                bed.join(client, commit.welcome.as_ref().unwrap(), policy);
            }
        }
        bed
    }

    pub(crate) fn roster(&self) -> Vec<DeviceId> {
        (0..u8::try_from(self.clients.len()).unwrap()).map(device).collect()
    }

    pub(crate) fn join(&mut self, client: usize, welcome: &[u8], policy: WireFormatPolicy) {
        let tree = self.tree(0);
        let MlsMessageBodyIn::Welcome(welcome) =
            MlsMessageIn::tls_deserialize_exact_bytes(welcome).unwrap().extract()
        else {
            panic!("a Welcome");
        };
        let config = MlsGroupJoinConfig::builder().wire_format_policy(policy).build();
        let joiner = &mut self.clients[client];
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&tree).unwrap();
        let group = StagedWelcome::new_from_welcome(&joiner.provider, &config, welcome, Some(tree))
            .unwrap()
            .into_group(&joiner.provider)
            .unwrap();
        joiner.group = Some(group);
    }

    pub(crate) fn tree(&self, client: usize) -> Vec<u8> {
        let group = self.clients[client].group.as_ref().unwrap();
        group.export_ratchet_tree().tls_serialize_detached().unwrap()
    }

    /// The encryption key of a member.
    pub(crate) fn key(&self, leaf: u32) -> Vec<u8> {
        let group = self.clients[0].group.as_ref().unwrap();
        group.member_at(LeafNodeIndex::new(leaf)).unwrap().encryption_key
    }

    pub(crate) fn group_info(&mut self, client: usize) -> Vec<u8> {
        let (group, provider, signer) = self.clients[client].group();
        group.export_group_info(provider.crypto(), signer, false).unwrap().to_bytes().unwrap()
    }

    /// The group as a service hears of it now.
    pub(crate) fn observed(&mut self) -> State {
        let (info, tree) = (self.group_info(0), self.tree(0));
        let group = self.clients[0].group.as_ref().unwrap();
        let roster: Vec<_> = group.members().map(|member| named(&member.credential)).collect();
        let founding = Founding {
            group: GroupId::new(group.group_id().as_slice()).unwrap(),
            epoch: Epoch(group.epoch().as_u64()),
            roster: &roster,
            group_info: Some(&info),
            tree: Some(&tree),
        };
        State::found(Level::Public, &founding).unwrap()
    }

    /// Lets `client` propose, and everybody else in the group hear of it.
    pub(crate) fn propose(
        &mut self,
        client: usize,
        make: impl FnOnce(&mut MlsGroup, &OpenMlsRustCrypto, &SignatureKeyPair) -> MlsMessageOut,
    ) -> Vec<u8> {
        let (group, provider, signer) = self.clients[client].group();
        group.clear_pending_commit(provider.storage()).unwrap();
        let body = make(group, provider, signer).to_bytes().unwrap();
        for (number, other) in self.clients.iter_mut().enumerate() {
            if number != client && other.group.is_some() {
                other.hears(&body);
            }
        }
        body
    }

    /// Client `number` commits itself into the group.
    pub(crate) fn external(&mut self, number: u8) -> Made {
        let info = self.group_info(0);
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&self.tree(0)).unwrap();
        let MlsMessageBodyIn::GroupInfo(info) =
            MlsMessageIn::tls_deserialize_exact_bytes(&info).unwrap().extract()
        else {
            panic!("a GroupInfo");
        };
        let mut joiner = Client::new(number);
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        let parameters = LeafNodeParameters::builder().with_capabilities(capabilities()).build();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_config(config)
            .build_group(&joiner.provider, info, joiner.credential.clone())
            .unwrap()
            .leaf_node_parameters(parameters)
            .load_psks(joiner.provider.storage())
            .unwrap()
            .build(joiner.provider.rand(), joiner.provider.crypto(), &joiner.signer, |_| true)
            .unwrap()
            .finalize(&joiner.provider)
            .unwrap();
        joiner.group = Some(group);
        let (body, _, info) = bundle.into_messages();
        let at = usize::from(number);
        while self.clients.len() <= at {
            self.clients.push(Client::new(u8::try_from(self.clients.len()).unwrap()));
        }
        self.clients[at] = joiner;
        Made {
            sender: device(number),
            body: body.to_bytes().unwrap(),
            welcome: None,
            group_info: info.map(|info| info.to_bytes().unwrap()),
            change: RosterChange { added: vec![device(number)], removed: Vec::new() },
        }
    }

    /// Makes a commit that waits for its fate. One made before by the same member is forgotten.
    pub(crate) fn commit(&mut self, client: usize, what: Commit) -> Made {
        let (group, provider, signer) = self.clients[client].group();
        group.clear_pending_commit(provider.storage()).unwrap();
        let bundle = group
            .commit_builder()
            .consume_proposal_store(!what.without_pending)
            .propose_adds(what.adds)
            .propose_removals(what.removes.into_iter().map(LeafNodeIndex::new))
            .add_proposals(what.proposals)
            .force_self_update(true)
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), signer, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        let staged = group.pending_commit().unwrap();
        let change = change(staged, group);
        let (commit, welcome, info) = bundle.into_messages();
        Made {
            sender: device(u8::try_from(client).unwrap()),
            body: commit.to_bytes().unwrap(),
            welcome: welcome.map(|welcome| welcome.to_bytes().unwrap()),
            group_info: info.map(|info| info.to_bytes().unwrap()),
            change,
        }
    }

    /// Lets everybody in the group enter the epoch that the commit of `client` opens.
    pub(crate) fn settle(&mut self, client: usize, made: &Made) {
        for (number, other) in self.clients.iter_mut().enumerate() {
            let gone = made.change.removed.contains(&device(u8::try_from(number).unwrap()));
            if gone {
                other.group = None;
            } else if number == client {
                let (group, provider, _) = other.group();
                group.merge_pending_commit(provider).unwrap();
            } else if other.group.is_some() {
                other.hears(&made.body);
            }
        }
    }
}

fn named(credential: &Credential) -> DeviceId {
    DeviceId(credential.serialized_content().try_into().unwrap_or([0xff; 16]))
}

fn change(staged: &StagedCommit, group: &MlsGroup) -> RosterChange {
    let added = staged
        .add_proposals()
        .map(|add| named(add.add_proposal().key_package().leaf_node().credential()));
    let removed = staged
        .remove_proposals()
        .filter_map(|remove| group.member(remove.remove_proposal().removed()).map(named));
    RosterChange { added: added.collect(), removed: removed.collect() }
}
