//! KeyPackages of OpenMLS, in every suite that its providers have, as the service reads them.

use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_traits::types::HashType;

use crate::delivery::DeviceId;
use crate::wire;

/// As OpenMLS makes it, and its KeyPackageRef by OpenMLS.
fn made(
    provider: &impl OpenMlsProvider,
    suite: Ciphersuite,
    identity: &[u8],
    last_resort: bool,
) -> (Vec<u8>, Vec<u8>, Lifetime) {
    let signer = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
    let credential = CredentialWithKey {
        credential: BasicCredential::new(identity.to_vec()).into(),
        signature_key: signer.to_public_vec().into(),
    };
    let builder = KeyPackage::builder();
    let builder = if last_resort { builder.mark_as_last_resort() } else { builder };
    let bundle = builder.build(suite, provider, &signer, credential).unwrap();
    let package = bundle.key_package();
    let reference = package.hash_ref(provider.crypto()).unwrap().as_slice().to_vec();
    let lifetime = *package.life_time();
    (MlsMessageOut::from(package.clone()).to_bytes().unwrap(), reference, lifetime)
}

fn check(provider: &impl OpenMlsProvider) -> Vec<HashType> {
    let suites = provider.crypto().supported_ciphersuites();
    for suite in &suites {
        for (identity, last_resort) in [(&[7; 16][..], false), (b"somebody", true)] {
            let (message, reference, lifetime) = made(provider, *suite, identity, last_resort);
            let package = wire::key_package(&message).unwrap();
            assert_eq!(package.reference.as_bytes(), reference, "{suite:?}");
            assert_eq!(package.suite, u16::from(*suite));
            let lives = (package.not_before, package.not_after);
            assert_eq!(lives, (lifetime.not_before(), lifetime.not_after()));
            assert_eq!(package.last_resort, last_resort, "{suite:?}");
            let own = (!last_resort).then_some(DeviceId([7; 16]));
            assert_eq!(package.identity, own);
            assert_eq!(package.body, message);
        }
    }
    suites.iter().map(Ciphersuite::hash_algorithm).collect()
}

#[test]
fn a_key_package_has_the_reference_that_openmls_computes_in_every_suite() {
    let mut hashes = check(&openmls_rust_crypto::OpenMlsRustCrypto::default());
    hashes.extend(check(&openmls_libcrux_crypto::Provider::new().unwrap()));
    for hash in [HashType::Sha2_256, HashType::Sha2_384, HashType::Sha2_512] {
        assert!(hashes.contains(&hash), "{hash:?}");
    }
}

#[test]
fn no_truncation_of_a_key_package_is_taken_for_one() {
    let suite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
    let provider = openmls_rust_crypto::OpenMlsRustCrypto::default();
    let (message, ..) = made(&provider, suite, &[7; 16], true);
    for length in 0..message.len() {
        assert!(wire::key_package(&message[..length]).is_err(), "{length}");
    }
}
