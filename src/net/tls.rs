//! TLS 1.3 under QUIC: the server's identity, the client's pin, the key exchange by name.
//!
//! A client trusts exactly one certificate, by its SHA-256 fingerprint: no names, no roots.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::error::Error;
use super::tickets::{Counted, Resumed, resumptions};

/// What both sides name in the handshake, so that nothing else talks to us by mistake.
const ALPN: &[u8] = b"stentor/1";

/// The cipher suite that two of ours agree on: the first of both.
pub const CIPHER_SUITE: &str = "TLS13_AES_128_GCM_SHA256";

/// The TLS key exchange, pinned and recorded so that it does not confound MLS suites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyExchange {
    /// Classical.
    #[default]
    X25519,
    /// Hybrid post-quantum (draft-ietf-tls-ecdhe-mlkem).
    X25519MlKem768,
}

impl KeyExchange {
    /// Its name as written in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::X25519MlKem768 => "x25519mlkem768",
        }
    }
}

/// SHA-256 over a certificate's DER bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest::digest(&digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// From 64 hexadecimal digits, colons and blanks allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A server's certificate chain and key, and whose clients it talks to.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// One key for every driver of the server: a ticket is good on each of its ports.
    tickets: Arc<dyn ProducesTickets>,
    /// Who signs the certificates that clients have to show; `None` asks for none.
    client_roots: Option<Arc<RootCertStore>>,
}

impl Identity {
    /// A fresh key under a certificate that signs itself.
    ///
    /// # Errors
    /// [`Error::Tls`] when no key can be made.
    pub fn self_signed() -> Result<Self, Error> {
        let made = IdentityPem::self_signed()?;
        Self::from_pem(made.certificate.as_bytes(), made.key.as_bytes())
    }

    /// From PEM text: the certificate first, then its chain; and its private key.
    ///
    /// # Errors
    /// [`Error::Tls`] when either holds none.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::Tls(format!("cannot read the certificate: {error}")))?;
        if chain.is_empty() {
            return Err(Error::Tls("the certificate file holds no certificate".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| Error::Tls(format!("cannot read the private key: {error}")))?;
        let tickets = provider::Ticketer::new()
            .map_err(|error| Error::Tls(format!("cannot make a key for tickets: {error}")))?;
        Ok(Self { chain, key, tickets, client_roots: None })
    }

    /// As it is, but talking only to clients with a certificate that one of these authorities, in
    /// PEM, has signed for client authentication. Which device it is of stays the token's business.
    ///
    /// # Errors
    /// [`Error::Tls`] when there is none, or one is unusable.
    pub fn with_client_authorities(mut self, pem: &[u8]) -> Result<Self, Error> {
        let unusable =
            |why: String| Error::Tls(format!("cannot trust the client authority: {why}"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("the file holds no certificate".into()));
        }
        self.client_roots = Some(Arc::new(roots));
        Ok(self)
    }

    /// What clients pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.chain[0])
    }

    /// Whether a server can present this chain with this key.
    ///
    /// # Errors
    /// [`Error::Tls`] when they do not belong together or are of a kind that TLS 1.3 has not.
    pub fn check(&self) -> Result<(), Error> {
        self.crypto().map(drop)
    }

    /// A server's side of the handshake, and how it tells which were resumed.
    pub(super) fn crypto(&self) -> Result<(Arc<QuicServerConfig>, Resumed), Error> {
        let both = [KeyExchange::X25519, KeyExchange::X25519MlKem768];
        let provider = crypto_provider(&both);
        let clients = match &self.client_roots {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(
                    Arc::clone(roots),
                    Arc::clone(&provider),
                );
                verifier.build().map_err(|error| {
                    Error::Tls(format!("cannot trust the client authority: {error}"))
                })?
            }
        };
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|tls| {
                tls.with_client_cert_verifier(clients)
                    .with_single_cert(self.chain.clone(), self.key.clone_key())
            })
            .map_err(|error| Error::Tls(format!("cannot serve this certificate: {error}")))?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let taken = Arc::new(AtomicU64::new(0));
        let tickets = Arc::clone(&self.tickets);
        tls.ticketer = Arc::new(Counted { tickets, taken: Arc::clone(&taken) });
        // Who comes back uses one ticket and is given the next.
        tls.send_tls13_tickets = 1;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        let crypto = QuicServerConfig::try_from(tls)
            .map_err(|error| Error::Tls(format!("no cipher suite for QUIC: {error}")))?;
        Ok((Arc::new(crypto), Resumed::TicketsTaken(taken)))
    }
}

/// An identity as text, for who keeps it in files.
pub struct IdentityPem {
    /// The certificate.
    pub certificate: String,
    /// Its private key, a secret.
    pub key: String,
}

impl std::fmt::Debug for IdentityPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityPem(..)")
    }
}

impl IdentityPem {
    /// A fresh key under a certificate that signs itself.
    ///
    /// # Errors
    /// [`Error::Tls`] when no key can be made.
    pub fn self_signed() -> Result<Self, Error> {
        let made = rcgen::generate_simple_self_signed(["stentor".to_owned()])
            .map_err(|error| Error::Tls(format!("cannot sign a certificate: {error}")))?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }
}

/// Whom a client trusts and how it agrees on keys.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    /// The one certificate it accepts.
    pub fingerprint: Fingerprint,
    /// The one key exchange it offers.
    pub key_exchange: KeyExchange,
    /// Whether tickets are kept for connections that come back. A first connection pays the full
    /// price in any case. Costs some 1 KiB for each connection, up to
    /// [`TICKETS_KEPT_MAX`](crate::limits::TICKETS_KEPT_MAX).
    pub resumption: bool,
}

/// A client's side of the handshake.
pub(super) struct ClientCrypto {
    /// Of a first connection.
    pub(super) first: Arc<QuicClientConfig>,
    /// Of one that comes back; the same where no tickets are kept.
    pub(super) again: Arc<QuicClientConfig>,
    /// How it tells which were resumed.
    pub(super) resumed: Resumed,
}

impl Trust {
    pub(super) fn crypto(self) -> Result<ClientCrypto, Error> {
        let provider = crypto_provider(&[self.key_exchange]);
        let algorithms = provider.signature_verification_algorithms;
        let seen = Arc::new(AtomicU64::new(0));
        let fingerprint = self.fingerprint;
        let pinned = Arc::new(Pinned { fingerprint, algorithms, seen: Arc::clone(&seen) });
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Error::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(pinned)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let none = rustls::client::Resumption::disabled;
        let (first, again) = if self.resumption { resumptions() } else { (none(), none()) };
        let with = |resumption| {
            let mut tls = tls.clone();
            tls.resumption = resumption;
            let crypto = QuicClientConfig::try_from(tls);
            crypto
                .map(Arc::new)
                .map_err(|error| Error::Tls(format!("no cipher suite for QUIC: {error}")))
        };
        let resumed = Resumed::CertificatesSeen(seen);
        Ok(ClientCrypto { first: with(first)?, again: with(again)?, resumed })
    }
}

/// AES-128-GCM first: a quarter of ChaCha20's time where the processor has AES.
fn crypto_provider(exchanges: &[KeyExchange]) -> Arc<CryptoProvider> {
    let groups = exchanges.iter().map(|exchange| match exchange {
        KeyExchange::X25519 => provider::kx_group::X25519,
        KeyExchange::X25519MlKem768 => provider::kx_group::X25519MLKEM768,
    });
    Arc::new(CryptoProvider {
        kx_groups: groups.collect(),
        cipher_suites: vec![
            provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
            provider::cipher_suite::TLS13_AES_256_GCM_SHA384,
            provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..provider::default_provider()
    })
}

/// Accepts one certificate, by fingerprint, whatever it says of itself; its key still has to sign
/// the handshake.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
    /// Certificates that were accepted: one in every handshake that is not resumed.
    seen: Arc<AtomicU64>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Fingerprint::of(end_entity) == self.fingerprint {
            self.seen.fetch_add(1, Ordering::Relaxed);
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC uses TLS 1.3 alone".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_with_or_without_colons() {
        let fingerprint = Identity::self_signed().unwrap().fingerprint();
        let plain = fingerprint.to_string();
        assert_eq!(Fingerprint::parse(&plain), Some(fingerprint));
        let pairs: Vec<&str> = (0..32).map(|i| &plain[2 * i..2 * i + 2]).collect();
        assert_eq!(Fingerprint::parse(&pairs.join(":")), Some(fingerprint));
        assert_eq!(Fingerprint::parse(&plain[2..]), None);
    }

    #[test]
    fn the_suite_that_both_sides_name_first_is_the_one_that_is_said() {
        let provider = crypto_provider(&[KeyExchange::X25519]);
        let first = provider.cipher_suites[0].suite();
        assert_eq!(first.as_str(), Some(CIPHER_SUITE));
    }

    #[test]
    fn an_identity_kept_as_text_is_the_same_identity() {
        let kept = IdentityPem::self_signed().unwrap();
        let read = || Identity::from_pem(kept.certificate.as_bytes(), kept.key.as_bytes()).unwrap();
        read().check().unwrap();
        assert_eq!(read().fingerprint(), read().fingerprint());
        assert!(!format!("{kept:?}").contains("PRIVATE"));
    }

    #[test]
    fn pem_without_a_certificate_or_a_key_is_refused_with_the_reason() {
        let error = Identity::from_pem(b"nothing", b"").unwrap_err().to_string();
        assert!(error.contains("no certificate"), "{error}");
        for pem in
            [&b"nothing"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let identity = Identity::self_signed().unwrap();
            let error = identity.with_client_authorities(pem).unwrap_err().to_string();
            assert!(error.contains("cannot trust the client authority"), "{error}");
        }
    }
}
