//! The cryptography that a group's suite needs, of the two implementations there are.
//!
//! Only hashes and signatures are ever asked of it: the service has no secret. Called by
//! `observer` and `attachments`.

use std::fmt;

use openmls_libcrux_crypto::CryptoProvider as Libcrux;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::Ciphersuite;

use crate::wire::attachment::write_vector;

/// One of the two providers of OpenMLS; some hundred bytes.
pub(super) enum Crypto {
    RustCrypto(Box<RustCrypto>),
    /// Has what the other lacks: X-Wing under its first code point.
    Libcrux(Box<Libcrux>),
}

/// Calls what is generic over the provider with the one there is.
macro_rules! with {
    ($crypto:expr, |$provider:ident| $call:expr) => {
        match $crypto {
            $crate::validation::public::crypto::Crypto::RustCrypto($provider) => {
                let $provider = &**$provider;
                $call
            }
            $crate::validation::public::crypto::Crypto::Libcrux($provider) => {
                let $provider = &**$provider;
                $call
            }
        }
    };
}
pub(super) use with;

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RustCrypto(_) => "RustCrypto",
            Self::Libcrux(_) => "Libcrux",
        })
    }
}

impl Crypto {
    /// The first implementation that has the suite; `None` when none has. Seeds a random generator:
    /// some microseconds.
    pub(super) fn of(suite: u16) -> Option<Self> {
        let suite = Ciphersuite::try_from(suite).ok()?;
        let first = RustCrypto::default();
        if first.supports(suite).is_ok() {
            return Some(Self::RustCrypto(Box::new(first)));
        }
        let second = Libcrux::new().ok()?;
        second.supports(suite).is_ok().then(|| Self::Libcrux(Box::new(second)))
    }

    /// The suite's hash of `data`.
    pub(super) fn hash(&self, suite: Ciphersuite, data: &[u8]) -> Option<Vec<u8>> {
        with!(self, |crypto| crypto.hash(suite.hash_algorithm(), data)).ok()
    }

    /// `RefHash(label, value)` (RFC 9420 §5.2).
    pub(super) fn reference(
        &self,
        suite: Ciphersuite,
        label: &str,
        value: &[u8],
    ) -> Option<Vec<u8>> {
        let mut input = Vec::with_capacity(value.len() + label.len() + 8);
        write_vector(&mut input, label.as_bytes());
        write_vector(&mut input, value);
        self.hash(suite, &input)
    }

    /// `VerifyWithLabel(key, label, content, signature)` (RFC 9420 §5.1.2).
    pub(super) fn verifies(
        &self,
        suite: Ciphersuite,
        key: &[u8],
        (label, content): (&str, &[u8]),
        signature: &[u8],
    ) -> bool {
        let mut input = Vec::with_capacity(content.len() + label.len() + 16);
        write_vector(&mut input, ["MLS 1.0 ", label].concat().as_bytes());
        write_vector(&mut input, content);
        let algorithm = suite.signature_algorithm();
        with!(self, |crypto| crypto.verify_signature(algorithm, &input, key, signature)).is_ok()
    }
}
