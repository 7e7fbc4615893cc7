//! The cipher suites that the members' side can really run, by name.
//!
//! It states each suite's code point, provider and primitives once; it computes nothing. Every entry
//! is proven by a group formed in a test. Called by scenarios, which name suites, and by whatever
//! mints, joins or sizes.

use std::fmt;

use openmls_traits::types::Ciphersuite;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use thiserror::Error;

use super::primitive::{Hash, Kem, Lengths, Quantum, Signature};
use crate::place::edits;

/// A cipher suite with the implementation that runs it. Serialised as its name.
#[derive(Clone, Copy)]
pub struct Suite(&'static Facts);

/// What is known of a suite without running it. Lengths are in bytes.
#[derive(Debug)]
pub struct Facts {
    /// The name that scenarios use: KEM, AEAD, signature, in lower case.
    pub name: &'static str,
    /// The code point OpenMLS puts on the wire. Those of post-quantum suites are provisional:
    /// draft-ietf-mls-pq-ciphersuites assigns none yet.
    pub code_point: u16,
    /// Whose cryptography runs it here.
    pub implementation: Implementation,
    /// Lengths of what it puts on the wire.
    pub lengths: Lengths,
    /// Whether its key encapsulation resists a quantum computer.
    pub post_quantum: bool,
    /// How its key encapsulation does.
    pub confidentiality: Quantum,
    ciphersuite: Ciphersuite,
}

/// Who implements a suite's cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Implementation {
    /// `openmls_rust_crypto`: three suites of RFC 9420 §17.1 and nine post-quantum ones.
    RustCrypto,
    /// `openmls_libcrux_crypto`: formally verified, with X-Wing's first code point.
    Libcrux,
}

/// A name that no suite has, with the names most like it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown cipher suite {name:?}; did you mean {}?", nearest.join(", "))]
pub struct UnknownSuite {
    /// What was asked for.
    pub name: String,
    /// The three nearest names, nearest first.
    pub nearest: Vec<&'static str>,
}

impl Suite {
    /// The suite of that name, or the nearest names.
    pub fn named(name: &str) -> Result<Self, UnknownSuite> {
        FACTS.iter().find(|facts| facts.name == name).map(Self).ok_or_else(|| {
            let mut nearest: Vec<&'static str> = FACTS.iter().map(|facts| facts.name).collect();
            nearest.sort_by_key(|candidate| edits(name, candidate));
            nearest.truncate(3);
            UnknownSuite { name: name.to_owned(), nearest }
        })
    }

    /// Every suite, RFC 9420's first.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(Self)
    }

    /// What is known of it.
    #[must_use]
    pub fn facts(self) -> &'static Facts {
        self.0
    }

    /// Its name, as scenarios write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Lengths of what it puts on the wire.
    #[must_use]
    pub fn lengths(self) -> Lengths {
        self.0.lengths
    }

    /// Lengths in a group of it that devices join by init keys of `init`, if that is another suite.
    #[must_use]
    pub fn lengths_joined_by(self, init: Option<Self>) -> Lengths {
        let own = self.lengths();
        init.map_or(own, |init| own.joined_by(&init.lengths()))
    }

    /// Its name in OpenMLS.
    pub(super) fn ciphersuite(self) -> Ciphersuite {
        self.0.ciphersuite
    }
}

impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Suite {}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({})", self.0.name)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Suite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).map_err(D::Error::custom)
    }
}

const fn facts(
    name: &'static str,
    ciphersuite: Ciphersuite,
    implementation: Implementation,
    (kem, hash, signature): (Kem, Hash, Signature),
) -> Facts {
    Facts {
        name,
        code_point: ciphersuite as u16,
        implementation,
        lengths: Lengths::of(kem, hash, signature),
        post_quantum: !matches!(kem.quantum(), Quantum::No),
        confidentiality: kem.quantum(),
        ciphersuite,
    }
}

use Ciphersuite as C;
use Implementation::Libcrux;
use Implementation::RustCrypto;

static FACTS: &[Facts] = &[
    facts(
        "x25519-aes128-ed25519",
        C::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
        RustCrypto,
        (Kem::X25519, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "x25519-chacha-ed25519",
        C::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
        RustCrypto,
        (Kem::X25519, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "p256-aes128-p256",
        C::MLS_128_DHKEMP256_AES128GCM_SHA256_P256,
        RustCrypto,
        (Kem::P256, Hash::Sha256, Signature::P256),
    ),
    facts(
        "x25519-aes128-ed25519-libcrux",
        C::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
        Libcrux,
        (Kem::X25519, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "x25519-chacha-ed25519-libcrux",
        C::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
        Libcrux,
        (Kem::X25519, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "xwing-aes128-ed25519",
        C::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
        RustCrypto,
        (Kem::XWing, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "xwing-aes256-ed25519",
        C::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519,
        RustCrypto,
        (Kem::XWing, Hash::Sha384, Signature::Ed25519),
    ),
    facts(
        "xwing-chacha-ed25519",
        C::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519,
        Libcrux,
        (Kem::XWing, Hash::Sha256, Signature::Ed25519),
    ),
    facts(
        "mlkem768-aes256-ed25519",
        C::MLS_128_MLKEM768_AES256GCM_SHA384_Ed25519,
        RustCrypto,
        (Kem::MlKem768, Hash::Sha384, Signature::Ed25519),
    ),
    facts(
        "mlkem768-aes256-p256",
        C::MLS_128_MLKEM768_AES256GCM_SHA384_P256,
        RustCrypto,
        (Kem::MlKem768, Hash::Sha384, Signature::P256),
    ),
    facts(
        "mlkem1024-aes256-p384",
        C::MLS_192_MLKEM1024_AES256GCM_SHA384_P384,
        RustCrypto,
        (Kem::MlKem1024, Hash::Sha384, Signature::P384),
    ),
    facts(
        "xwing-chacha-mldsa44",
        C::MLS_128_MLKEM768X25519_CHACHA20POLY1305_SHA384_MLDSA44,
        RustCrypto,
        (Kem::XWing, Hash::Sha384, Signature::MlDsa44),
    ),
    facts(
        "mlkem768-aes256-mldsa65",
        C::MLS_192_MLKEM768_AES256GCM_SHA384_MLDSA65,
        RustCrypto,
        (Kem::MlKem768, Hash::Sha384, Signature::MlDsa65),
    ),
    facts(
        "mlkem1024-aes256-mldsa87",
        C::MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87,
        RustCrypto,
        (Kem::MlKem1024, Hash::Sha384, Signature::MlDsa87),
    ),
    facts(
        "mlkem1024-aes256-sha512-mldsa87",
        C::MLS_256_MLKEM1024_AES256GCM_SHA512_MLDSA87,
        RustCrypto,
        (Kem::MlKem1024, Hash::Sha512, Signature::MlDsa87),
    ),
];

#[cfg(test)]
mod tests {
    use openmls_traits::OpenMlsProvider;
    use openmls_traits::crypto::OpenMlsCrypto;

    use super::*;
    use crate::mls::provider::Provider;

    #[test]
    fn a_misspelt_suite_is_answered_with_the_nearest_names() {
        let unknown = Suite::named("xwing-aes128-ed2551").unwrap_err();
        assert_eq!(unknown.nearest[0], "xwing-aes128-ed25519");
        assert!(unknown.to_string().contains("xwing-aes128-ed25519"), "{unknown}");
    }

    #[test]
    fn a_suite_is_written_and_read_as_its_name() {
        for suite in Suite::all() {
            let text = serde_json::to_string(&suite).unwrap();
            assert_eq!(text, format!("{:?}", suite.name()));
            assert_eq!(serde_json::from_str::<Suite>(&text).unwrap(), suite);
        }
        serde_json::from_str::<Suite>("\"rot13\"").unwrap_err();
    }

    #[test]
    fn no_suite_that_a_provider_advertises_is_missing() {
        for implementation in [RustCrypto, Libcrux] {
            let provider = Provider::new(implementation).unwrap();
            let mut advertised = provider.crypto().supported_ciphersuites();
            let mut registered: Vec<C> = Suite::all()
                .filter(|suite| suite.facts().implementation == implementation)
                .map(Suite::ciphersuite)
                .collect();
            advertised.sort_by_key(|suite| *suite as u16);
            registered.sort_by_key(|suite| *suite as u16);
            assert_eq!(advertised, registered);
        }
    }
}
