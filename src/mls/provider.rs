//! The two cryptography providers of OpenMLS behind one type, one instance per member.
//!
//! It dispatches and nothing else; it is never shared, because a provider's random generator is
//! behind a lock. Called by OpenMLS on behalf of whoever holds the member.

use std::fmt;

use openmls_libcrux_crypto::CryptoProvider as Libcrux;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::types::AeadType;
use openmls_traits::types::Ciphersuite;
use openmls_traits::types::CryptoError;
use openmls_traits::types::ExporterSecret;
use openmls_traits::types::HashType;
use openmls_traits::types::HpkeCiphertext;
use openmls_traits::types::HpkeConfig;
use openmls_traits::types::HpkeKeyPair;
use openmls_traits::types::KemOutput;
use openmls_traits::types::SignatureScheme;
use tls_codec::SecretVLBytes;

use super::storage::KeyStorage;
use super::storage::Pair;
use super::suite::Implementation;

/// What OpenMLS needs of a member: cryptography, randomness, a place for keys.
#[derive(Debug)]
pub(super) struct Provider {
    crypto: Crypto,
    storage: KeyStorage,
}

impl Provider {
    /// A provider with nothing stored. Seeds a random generator: some microseconds.
    pub(super) fn new(implementation: Implementation) -> Result<Self, CryptoError> {
        Self::holding(implementation, &[])
    }

    /// A provider that holds `pairs` already.
    pub(super) fn holding(
        implementation: Implementation,
        pairs: &[Pair],
    ) -> Result<Self, CryptoError> {
        let crypto = match implementation {
            Implementation::RustCrypto => Crypto::RustCrypto(Box::default()),
            Implementation::Libcrux => Crypto::Libcrux(Box::new(Libcrux::new()?)),
        };
        Ok(Self { crypto, storage: KeyStorage::of(pairs) })
    }

    /// Everything stored so far.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        self.storage.pairs()
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = KeyStorage;

    fn storage(&self) -> &KeyStorage {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

/// One of the two cryptography providers.
pub(super) enum Crypto {
    RustCrypto(Box<RustCrypto>),
    Libcrux(Box<Libcrux>),
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RustCrypto(_) => "RustCrypto",
            Self::Libcrux(_) => "Libcrux",
        })
    }
}

impl OpenMlsRand for Crypto {
    type Error = CryptoError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.random_array().ok(),
            Self::Libcrux(inner) => inner.random_array().ok(),
        }
        .ok_or(CryptoError::InsufficientRandomness)
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.random_vec(length).ok(),
            Self::Libcrux(inner) => inner.random_vec(length).ok(),
        }
        .ok_or(CryptoError::InsufficientRandomness)
    }
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.supports(ciphersuite),
            Self::Libcrux(inner) => inner.supports(ciphersuite),
        }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        match self {
            Self::RustCrypto(inner) => inner.supported_ciphersuites(),
            Self::Libcrux(inner) => inner.supported_ciphersuites(),
        }
    }

    fn hkdf_extract(
        &self,
        hash: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hkdf_extract(hash, salt, ikm),
            Self::Libcrux(inner) => inner.hkdf_extract(hash, salt, ikm),
        }
    }

    fn hmac(
        &self,
        hash: HashType,
        key: &[u8],
        message: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hmac(hash, key, message),
            Self::Libcrux(inner) => inner.hmac(hash, key, message),
        }
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hkdf_expand(hash, prk, info, length),
            Self::Libcrux(inner) => inner.hkdf_expand(hash, prk, info, length),
        }
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hash(hash, data),
            Self::Libcrux(inner) => inner.hash(hash, data),
        }
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.aead_encrypt(alg, key, data, nonce, aad),
            Self::Libcrux(inner) => inner.aead_encrypt(alg, key, data, nonce, aad),
        }
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.aead_decrypt(alg, key, data, nonce, aad),
            Self::Libcrux(inner) => inner.aead_decrypt(alg, key, data, nonce, aad),
        }
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.signature_key_gen(alg),
            Self::Libcrux(inner) => inner.signature_key_gen(alg),
        }
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.verify_signature(alg, data, key, signature),
            Self::Libcrux(inner) => inner.verify_signature(alg, data, key, signature),
        }
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.sign(alg, data, key),
            Self::Libcrux(inner) => inner.sign(alg, data, key),
        }
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
        plain: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hpke_seal(config, key, info, aad, plain),
            Self::Libcrux(inner) => inner.hpke_seal(config, key, info, aad, plain),
        }
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.hpke_open(config, input, key, info, aad),
            Self::Libcrux(inner) => inner.hpke_open(config, input, key, info, aad),
        }
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        match self {
            Self::RustCrypto(inner) => {
                inner.hpke_setup_sender_and_export(config, key, info, context, length)
            }
            Self::Libcrux(inner) => {
                inner.hpke_setup_sender_and_export(config, key, info, context, length)
            }
        }
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        match self {
            Self::RustCrypto(inner) => {
                inner.hpke_setup_receiver_and_export(config, enc, key, info, context, length)
            }
            Self::Libcrux(inner) => {
                inner.hpke_setup_receiver_and_export(config, enc, key, info, context, length)
            }
        }
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        match self {
            Self::RustCrypto(inner) => inner.derive_hpke_keypair(config, ikm),
            Self::Libcrux(inner) => inner.derive_hpke_keypair(config, ikm),
        }
    }
}
