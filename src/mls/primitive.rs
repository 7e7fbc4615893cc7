//! The primitives that cipher suites are made of: names, lengths, what they hold against.
//!
//! It computes nothing. Lengths are those of RFC 9180 §7.1, FIPS 186, FIPS 203 and FIPS 204. Called
//! by the suites that members run, by the sums of sizes and by the registry of suites.

use serde::{Deserialize, Serialize};

/// Lengths of what a suite puts on the wire, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// `Npk` of RFC 9180 §4: an HPKE public key, so every node of the tree.
    pub kem_public_key: usize,
    /// `Nenc` of RFC 9180 §4: an encapsulated key, so every ciphertext of a commit.
    pub kem_output: usize,
    /// The public key in a KeyPackage by which its device joins: `kem_public_key` in every suite, and
    /// another's where [`Self::joined_by`] says so.
    pub init_public_key: usize,
    /// What is encapsulated to that key in a Welcome, likewise.
    pub init_kem_output: usize,
    /// `KDF.Nh`: hashes, secrets and MACs.
    pub hash: usize,
    /// A signature public key.
    pub signature_public_key: usize,
    /// The longest signature. ECDSA's are DER, so some are up to a few bytes shorter.
    pub signature_max: usize,
}

impl Lengths {
    /// Those of a suite of these primitives.
    #[must_use]
    pub const fn of(kem: Kem, hash: Hash, signature: Signature) -> Self {
        let (kem_public_key, kem_output) = kem.lengths();
        let (signature_public_key, signature_max) = signature.lengths();
        Self {
            kem_public_key,
            kem_output,
            init_public_key: kem_public_key,
            init_kem_output: kem_output,
            hash: hash.length(),
            signature_public_key,
            signature_max,
        }
    }

    /// The same but for how devices join: by init keys of the suite that `init` are the lengths of.
    #[must_use]
    pub const fn joined_by(self, init: &Self) -> Self {
        let Self { init_public_key, init_kem_output, .. } = *init;
        Self { init_public_key, init_kem_output, ..self }
    }
}

/// How much of a suite holds against a quantum computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantum {
    /// Nothing.
    No,
    /// As long as either of a classical and a post-quantum part holds.
    Hybrid,
    /// By a post-quantum primitive alone.
    Pure,
}

impl Quantum {
    /// As tables write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Hybrid => "hybrid",
            Self::Pure => "pure",
        }
    }
}

/// A key encapsulation of HPKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
    /// DHKEM(P-256, HKDF-SHA256).
    P256,
    /// DHKEM(P-384, HKDF-SHA384).
    P384,
    /// DHKEM(P-521, HKDF-SHA512).
    P521,
    /// DHKEM(X448, HKDF-SHA512).
    X448,
    /// ML-KEM-512.
    MlKem512,
    /// ML-KEM-768.
    MlKem768,
    /// ML-KEM-1024.
    MlKem1024,
    /// ML-KEM-768 with X25519.
    XWing,
}

impl Kem {
    /// As tables write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::X448 => "X448",
            Self::MlKem512 => "ML-KEM-512",
            Self::MlKem768 => "ML-KEM-768",
            Self::MlKem1024 => "ML-KEM-1024",
            Self::XWing => "X-Wing",
        }
    }

    /// Of a public key, and of an encapsulated key.
    #[must_use]
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::X25519 => (32, 32),
            Self::P256 => (65, 65),
            Self::P384 => (97, 97),
            Self::P521 => (133, 133),
            Self::X448 => (56, 56),
            Self::MlKem512 => (800, 768),
            Self::MlKem768 => (1_184, 1_088),
            Self::MlKem1024 => (1_568, 1_568),
            Self::XWing => (1_216, 1_120),
        }
    }

    /// Whether what it hides stays hidden.
    #[must_use]
    pub const fn quantum(self) -> Quantum {
        match self {
            Self::X25519 | Self::P256 | Self::P384 | Self::P521 | Self::X448 => Quantum::No,
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => Quantum::Pure,
            Self::XWing => Quantum::Hybrid,
        }
    }
}

/// An authenticated cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aead {
    /// AES-128-GCM.
    Aes128,
    /// AES-256-GCM.
    Aes256,
    /// ChaCha20-Poly1305.
    ChaCha,
}

impl Aead {
    /// As tables write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128",
            Self::Aes256 => "AES-256",
            Self::ChaCha => "ChaCha20",
        }
    }
}

/// A hash function, of the key schedule and of all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// As tables write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signature {
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// ECDSA with P-256, in DER.
    P256,
    /// ECDSA with P-384, in DER.
    P384,
    /// ECDSA with P-521, in DER.
    P521,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl Signature {
    /// As tables write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Of a public key, and of the longest signature.
    #[must_use]
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Ed25519 => (32, 64),
            Self::Ed448 => (57, 114),
            Self::P256 => (65, 72),
            Self::P384 => (97, 104),
            Self::P521 => (133, 139),
            Self::MlDsa44 => (1_312, 2_420),
            Self::MlDsa65 => (1_952, 3_309),
            Self::MlDsa87 => (2_592, 4_627),
        }
    }

    /// Whether every signature has the same length: those of ECDSA vary by a few bytes.
    #[must_use]
    pub const fn has_one_length(self) -> bool {
        !matches!(self, Self::P256 | Self::P384 | Self::P521)
    }

    /// Whether it cannot be forged.
    #[must_use]
    pub const fn quantum(self) -> Quantum {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => Quantum::Pure,
            _ => Quantum::No,
        }
    }
}
