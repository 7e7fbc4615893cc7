//! Checks 11 to 13, each violated alone: refused under its own number.

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, CredentialWithKey, KeyPackage, LeafNodeParameters,
    Lifetime, ProposalType,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::crypto::OpenMlsCrypto as _;

use super::bed::{Client, Commit, Made, SUITE};
use super::following::{now, proposed};
use super::forge::{Forge, context, take, vector};
use super::stage::{Stage, refused};
use crate::delivery::Check;
use crate::validation::Everybody;

#[test]
fn eleven_a_path_has_the_nodes_and_ciphertexts_of_the_tree() {
    let stage = Stage::new(Commit::default());
    let of = |change: fn(&mut Forge)| assert_eq!(stage.forged(change), Some(Check::PathShape));
    assert_eq!(stage.forged(|_| ()), None);
    of(|forge| drop(forge.nodes().pop()));
    of(|forge| forge.nodes().clear());
    of(|forge| {
        let node = forge.nodes()[0].clone();
        forge.nodes().push(node);
    });
    of(|forge| drop(forge.nodes()[1].ciphertexts.pop()));
    of(|forge| {
        let more = forge.nodes()[0].ciphertexts[0].clone();
        forge.nodes()[0].ciphertexts.push(more);
    });
}

#[test]
fn eleven_nobody_new_is_encrypted_to() {
    let adds = vec![Client::new(9).package()];
    let stage = Stage::new(Commit { adds, removes: vec![2], ..Commit::default() });
    let more = |forge: &mut Forge| {
        let last = forge.nodes().last_mut().unwrap();
        let ciphertext = last.ciphertexts[0].clone();
        last.ciphertexts.push(ciphertext);
    };
    assert_eq!(stage.forged(more), Some(Check::PathShape));
}

#[test]
fn twelve_a_key_package_is_a_devices_and_valid_now() {
    assert_eq!(adding(&[bytes(&Client::new(9).package())]), None);
    assert_eq!(adding(&[bytes(&Client::named(b"dave").package())]), Some(Check::LeafNode));
    let old = Lifetime::init(1_000, 2_000);
    let old = Client::new(9).package_with(|builder| builder.key_package_lifetime(old));
    assert_eq!(adding(&[bytes(&old)]), Some(Check::LeafNode));
    let adds = vec![Client::new(9).package()];
    let Stage { state, made, .. } = Stage::new(Commit { adds, ..Commit::default() });
    let at = |now| state.check(made.submitted(), &Everybody, now).err();
    // A month after the end of every lifetime that OpenMLS gives, and before its beginning.
    assert_eq!(at(now() + 120 * 86_400), Some(Check::LeafNode));
    assert_eq!(at(now() - 7_200), Some(Check::LeafNode));
}

#[test]
fn twelve_a_leaf_is_signed() {
    let package = bytes(&Client::new(9).package());
    let mut tail = package.clone();
    *tail.last_mut().unwrap() ^= 1;
    assert_eq!(adding(&[tail]), Some(Check::LeafNode));
    let mut capability = package.clone();
    let identity = package.windows(16).position(|bytes| *bytes == [9; 16]).unwrap();
    capability[identity + 16 + 2] ^= 1;
    assert_eq!(adding(&[capability]), Some(Check::LeafNode));
    let stage = Stage::new(Commit::default());
    let path = stage.forged(|forge| *forge.path.as_mut().unwrap().0.last_mut().unwrap() ^= 1);
    assert_eq!(path, Some(Check::LeafNode));
}

#[test]
fn twelve_keys_are_nobody_elses() {
    let first = Client::new(8);
    let package = bytes(&first.package());
    let mut twin = Client::new(9);
    twin.signer = first.signer;
    twin.credential.signature_key = first.credential.signature_key;
    let twin = bytes(&twin.package());
    assert_eq!(adding(&[package.clone(), twin]), Some(Check::LeafNode));
    let other = bytes(&Client::new(9).package());
    assert_eq!(adding(&[package, other]), None);
    // The path's leaf with the key that its member had before.
    let stage = Stage::new(Commit::default());
    let old = stage.bed.key(0);
    let path = stage.forged(|forge| {
        forge.path.as_mut().unwrap().0[1..33].copy_from_slice(&old);
    });
    assert_eq!(path, Some(Check::LeafNode));
}

#[test]
fn twelve_capabilities_fit_the_group() {
    let with = |suite, credential| {
        let proposals = [ProposalType::SelfRemove];
        let credentials = [credential];
        let some =
            Capabilities::new(None, Some(&[suite]), None, Some(&proposals), Some(&credentials));
        let package = Client::new(9).package_with(|builder| builder.leaf_node_capabilities(some));
        adding(&[bytes(&package)])
    };
    let other = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
    assert_eq!(with(SUITE, CredentialType::Basic), None);
    assert_eq!(with(other, CredentialType::Basic), Some(Check::LeafNode));
    assert_eq!(with(SUITE, CredentialType::X509), Some(Check::LeafNode));
}

#[test]
fn twelve_a_leaf_stays_its_devices() {
    let stage = Stage::new(Commit::default());
    let stranger = Client::new(9).credential.credential;
    let mut bed = stage.bed;
    let (group, provider, signer) = bed.clients[0].group();
    let credential =
        CredentialWithKey { credential: stranger, signature_key: signer.to_public_vec().into() };
    let parameters = LeafNodeParameters::builder().with_credential_with_key(credential).build();
    group.clear_pending_commit(provider.storage()).unwrap();
    let update = group.propose_self_update(provider, signer, parameters.clone()).unwrap().0;
    let update = update.to_bytes().unwrap();
    let refused_update = stage.state.check(proposed(0, &update), &Everybody, now()).err();
    assert_eq!(refused_update, Some(Check::LeafNode));
    group.clear_pending_proposals(provider.storage()).unwrap();
    group.clear_pending_commit(provider.storage()).unwrap();
    let bundle = group.self_update(provider, signer, parameters).unwrap();
    let body = bundle.into_commit().to_bytes().unwrap();
    let commit = Made { body, group_info: None, ..stage.made };
    assert_eq!(refused(&stage.state, &commit), Some(Check::LeafNode));
}

fn bytes(package: &KeyPackage) -> Vec<u8> {
    package.tls_serialize_detached().unwrap()
}

/// What becomes of a commit that adds these KeyPackages, with a Welcome for them.
fn adding(packages: &[Vec<u8>]) -> Option<Check> {
    let (first, last) = (20_u8, 20 + u8::try_from(packages.len()).unwrap());
    let adds = (first..last).map(|number| Client::new(number).package()).collect();
    let stage = Stage::new(Commit { adds, ..Commit::default() });
    let items: Vec<_> = packages.iter().map(|package| [&[1, 0, 1][..], package].concat()).collect();
    let list: Vec<_> = items.iter().map(Vec::as_slice).collect();
    let own = &stage.bed.clients[0];
    // Adds need no path, and this one was made for other leaves.
    let mut forge = Forge::of(&stage.made.body).listing(&list);
    forge.path = None;
    let body = forge.sealed(own, &context(own));
    let welcome = Some(readdressed(stage.made.welcome.as_ref().unwrap(), packages));
    refused(&stage.state, &Made { body, welcome, group_info: None, ..stage.made.clone() })
}

/// The Welcome with the references of other KeyPackages in its secrets.
fn readdressed(welcome: &[u8], packages: &[Vec<u8>]) -> Vec<u8> {
    let mut rest = &welcome[6..];
    let mut secrets = take(&mut rest);
    let mut list = Vec::new();
    for package in packages {
        let input = [vector(b"MLS 1.0 KeyPackage Reference"), vector(package)].concat();
        let hash = RustCrypto::default().hash(SUITE.hash_algorithm(), &input).unwrap();
        take(&mut secrets);
        list.extend(vector(&hash));
        list.extend(vector(take(&mut secrets)));
        list.extend(vector(take(&mut secrets)));
    }
    [&welcome[..6], &vector(&list), rest].concat()
}

#[test]
fn thirteen_a_path_fits_the_tree_it_makes() {
    let stage = Stage::new(Commit::default());
    let member = stage.bed.key(2);
    assert_eq!(stage.forged(|forge| forge.nodes()[0].key = member), Some(Check::Tree));
    // Of the node above leaves 2 and 3.
    let parent = Forge::of(&stage.last.body).nodes()[0].key.clone();
    assert_eq!(stage.forged(|forge| forge.nodes()[0].key = parent), Some(Check::Tree));
    let own =
        |forge: &mut Forge| forge.nodes()[1].key = forge.path.as_ref().unwrap().0[1..33].to_vec();
    assert_eq!(stage.forged(own), Some(Check::Tree));
    let twice = |forge: &mut Forge| forge.nodes()[1].key = forge.nodes()[0].key.clone();
    assert_eq!(stage.forged(twice), Some(Check::Tree));
    // Another key than the parent hash in the leaf was made for.
    let other = |forge: &mut Forge| forge.nodes()[1].key[5] ^= 1;
    assert_eq!(stage.forged(other), Some(Check::Tree));
}
