//! From what a group can be followed, in which suites, and from what it cannot.

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey,
    LeafNodeParameters, MlsGroup, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_libcrux_crypto::Provider as Libcrux;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use proptest::prelude::*;

use super::bed::{Bed, device};
use super::following::now;
use crate::delivery::{Check, Epoch, GroupId, Kind, Level, RosterChange};
use crate::limits::FOUNDED_MEMBERS_MAX;
use crate::validation::{Everybody, Failed, Founding, FoundingError, State, Submitted};

/// What a service is told of a group, to be changed.
#[derive(Clone)]
struct Told {
    group: GroupId,
    epoch: Epoch,
    roster: Vec<crate::delivery::DeviceId>,
    info: Vec<u8>,
    tree: Vec<u8>,
}

impl Told {
    fn of(bed: &mut Bed) -> Self {
        let (info, tree) = (bed.group_info(0), bed.tree(0));
        let group = bed.clients[0].group.as_ref().unwrap();
        let epoch = Epoch(group.epoch().as_u64());
        let group = GroupId::new(group.group_id().as_slice()).unwrap();
        Self { group, epoch, roster: bed.roster(), info, tree }
    }

    fn found(&self) -> Result<State, FoundingError> {
        let founding = Founding {
            group: self.group,
            epoch: self.epoch,
            roster: &self.roster,
            group_info: Some(&self.info),
            tree: Some(&self.tree),
        };
        State::found(Level::Public, &founding)
    }

    fn refused(&self, change: impl FnOnce(&mut Self)) -> Option<FoundingError> {
        let mut changed = self.clone();
        change(&mut changed);
        changed.found().err()
    }
}

#[test]
fn a_group_is_founded_only_on_what_is_true_of_it() {
    let told = Told::of(&mut Bed::new(3));
    assert_eq!(told.refused(|_| ()), None);
    let failed = |check| Some(FoundingError::Check(Failed(check)));
    assert_eq!(told.refused(|told| told.roster.swap(1, 2)), Some(FoundingError::Roster));
    assert_eq!(told.refused(|told| told.roster.truncate(2)), Some(FoundingError::Roster));
    assert_eq!(told.refused(|told| told.epoch.0 += 1), failed(Check::GroupInfo));
    let other = GroupId::new(&[7]).unwrap();
    assert_eq!(told.refused(|told| told.group = other), failed(Check::GroupInfo));
    assert_eq!(told.refused(|told| told.tree.clear()), failed(Check::Tree));
    assert_eq!(told.refused(|told| told.info.clear()), failed(Check::GroupInfo));
    // Another group's tree: its leaves are signed for that group.
    let tree = Bed::new(3).tree(0);
    assert_eq!(told.refused(|told| told.tree = tree), failed(Check::Tree));
    let end = told.info.len() - 1;
    assert_eq!(told.refused(|told| told.info[end] ^= 1), failed(Check::GroupInfo));
    // A suite that no provider has: X448, ChaCha20Poly1305, SHA-512, Ed448.
    assert_eq!(told.refused(|told| told.info[7] = 6), Some(FoundingError::Suite(6)));
    let Told { group, epoch, roster, .. } = &told;
    let founding =
        Founding { group: *group, epoch: *epoch, roster, group_info: Some(&told.info), tree: None };
    let missing = State::found(Level::Public, &founding).err();
    assert_eq!(missing, Some(FoundingError::Missing));
}

#[test]
fn a_roster_that_is_not_the_trees_is_refused_before_any_signature_is_checked() {
    let told = Told::of(&mut Bed::new(3));
    let end = told.info.len() - 1;
    // Nothing of these is signed as it should be, and the roster is refused all the same.
    let tree = Bed::new(3).tree(0);
    for roster in [&[1, 0, 2][..], &[0, 1], &[0, 1, 2, 7], &[]] {
        let refused = told.refused(|told| {
            told.info[end] ^= 1;
            told.tree.clone_from(&tree);
            told.roster = roster.iter().copied().map(device).collect();
        });
        assert_eq!(refused, Some(FoundingError::Roster));
    }
}

#[test]
fn a_group_is_not_founded_with_more_members_than_can_be_checked_at_once() {
    let told = Told::of(&mut Bed::new(2));
    let sized = |members: usize| told.refused(|told| told.roster.resize(members, device(9)));
    assert_eq!(sized(FOUNDED_MEMBERS_MAX), Some(FoundingError::Roster));
    assert_eq!(sized(FOUNDED_MEMBERS_MAX + 1), Some(FoundingError::TooLarge));
}

/// A group of one in this suite, and its first commit.
fn follows<P: OpenMlsProvider>(provider: &P, suite: u16) {
    let suite = Ciphersuite::try_from(suite).unwrap();
    let signer = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
    signer.store(provider.storage()).unwrap();
    let credential = CredentialWithKey {
        credential: BasicCredential::new(device(0).0.to_vec()).into(),
        signature_key: signer.to_public_vec().into(),
    };
    let basic = [CredentialType::Basic];
    let mut group = MlsGroup::builder()
        .ciphersuite(suite)
        .with_capabilities(Capabilities::new(None, Some(&[suite]), None, None, Some(&basic)))
        .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .build(provider, &signer, credential)
        .unwrap();
    let info = group.export_group_info(provider.crypto(), &signer, false).unwrap();
    let told = Told {
        group: GroupId::new(group.group_id().as_slice()).unwrap(),
        epoch: Epoch(0),
        roster: vec![device(0)],
        info: info.to_bytes().unwrap(),
        tree: group.export_ratchet_tree().tls_serialize_detached().unwrap(),
    };
    let mut state = told.found().unwrap();
    let bundle = group.self_update(provider, &signer, LeafNodeParameters::default()).unwrap();
    let body = bundle.commit().to_bytes().unwrap();
    let submitted = Submitted {
        sender: device(0),
        kind: Kind::Commit,
        body: &body,
        declared: RosterChange::default(),
        welcome: None,
        group_info: None,
    };
    let checked = state.check(submitted, &Everybody, now()).unwrap();
    state.accept(checked);
    group.merge_pending_commit(provider).unwrap();
    let tree = group.export_ratchet_tree().tls_serialize_detached().unwrap();
    assert_eq!(State::restore(&state.save()).unwrap().tree().unwrap(), tree);
}

#[test]
fn a_group_of_either_provider_is_followed() {
    for suite in [0x0001, 0x0002, 0x0003, 0x004f, 0x0050] {
        follows(&OpenMlsRustCrypto::default(), suite);
    }
    for suite in [0x0001, 0x0003, 0x004d] {
        follows(&Libcrux::default(), suite);
    }
}

#[test]
fn a_saved_state_is_little_more_than_the_tree() {
    let mut bed = Bed::new(32);
    let state = bed.observed();
    let (saved, tree) = (state.save().len(), state.tree().unwrap().len());
    assert!(saved < tree * 5 / 4 + 512, "{saved} bytes for a tree of {tree}");
    let header = Level::Header;
    let told = Told::of(&mut bed);
    let Told { group, epoch, roster, .. } = &told;
    let founding = Founding { group: *group, epoch: *epoch, roster, group_info: None, tree: None };
    let state = State::found(header, &founding).unwrap();
    assert_eq!(state.save().len(), 1 + 17 * 32);
    assert_eq!(State::restore(&state.save()).unwrap().save(), state.save());
}

proptest! {
    #[test]
    fn mutated_groups_are_refused_without_a_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        part in 0_u8..3,
    ) {
        thread_local! {
            static TOLD: Told = Told::of(&mut Bed::new(5));
            static SAVED: Vec<u8> = Bed::new(5).observed().save();
        }
        let edit = |bytes: &mut Vec<u8>| {
            for (place, byte) in &edits {
                let place = place.index(bytes.len());
                bytes[place] ^= byte | 1;
            }
        };
        match part {
            0 => TOLD.with(|told| assert!(told.refused(|told| edit(&mut told.info)).is_some())),
            1 => TOLD.with(|told| assert!(told.refused(|told| edit(&mut told.tree)).is_some())),
            _ => {
                let mut saved = SAVED.with(Clone::clone);
                edit(&mut saved);
                let _restored = State::restore(&saved).ok();
            }
        }
    }
}
