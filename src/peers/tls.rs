//! TLS 1.3 over TCP for one member of thousands, without a buffer of its own while nothing is cut.
//!
//! rustls's unbuffered interface: records are decrypted out of one read buffer that all
//! connections of a contestant share; only the start of a record whose rest has not come is kept.
//! Offers one cipher suite and one key exchange, so that every contestant seals alike. Called by
//! `fleet`.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, RootCertStore};

use super::fault::Fault;

/// The name in the certificates that a comparison makes.
pub(super) const SERVER_NAME: &str = "stentor";

/// Bytes of a record beside its content: header, content type, tag (RFC 8446 §5.2).
const RECORD_EXTRA_BYTES: usize = 5 + 1 + 16;
const RECORD_CONTENT_BYTES: usize = 1 << 14;

/// The one way of sealing that is offered to every peer.
#[must_use]
pub(super) fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![provider::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![provider::kx_group::X25519],
        ..provider::default_provider()
    })
}

/// A client that trusts one certificate.
pub(super) fn client_config(certificate: CertificateDer<'static>) -> Result<ClientConfig, Fault> {
    let failed = |error: rustls::Error| Fault::Environment(format!("TLS: {error}"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(failed)?;
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A resumed handshake would be a cheaper one: every connection pays the full price.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// One connection's TLS.
pub(super) struct Session {
    tls: UnbufferedClientConnection,
    /// The start of a record whose rest has not come.
    partial: Vec<u8>,
    /// Sealed and not yet taken by the socket, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// A session whose first message waits to be flushed.
    pub(super) fn start(config: Arc<ClientConfig>) -> Result<Self, Fault> {
        let name = ServerName::try_from(SERVER_NAME).expect("it is a DNS name");
        let tls = UnbufferedClientConnection::new(config, name)
            .map_err(|error| Fault::Environment(format!("TLS: {error}")))?;
        let (partial, outgoing) = (Vec::new(), Vec::new());
        let mut session = Self { tls, partial, outgoing, sent: 0 };
        session.open(&mut [], &mut |_| Ok(()))?;
        Ok(session)
    }

    /// Whether the handshake is over.
    pub(super) fn is_up(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// Cipher suite and key exchange, as negotiated.
    pub(super) fn negotiated(&self) -> Option<(String, String)> {
        let suite = self.tls.negotiated_cipher_suite()?.suite();
        let exchange = self.tls.negotiated_key_exchange_group()?.name();
        Some((format!("{suite:?}"), format!("{exchange:?}")))
    }

    /// Reads once and hands on what it decrypts; false when there was nothing.
    pub(super) fn receive(
        &mut self,
        stream: &mut TcpStream,
        buffer: &mut [u8],
        mut hear: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let filled = match stream.read(&mut buffer[kept..]) {
            Ok(0) => return Err(lost("the server closed it")),
            Ok(count) => kept + count,
            Err(error) if is_transient(&error) => return Ok(false),
            Err(error) => return Err(lost(error)),
        };
        let opened = self.open(&mut buffer[..filled], &mut hear)?;
        self.partial.clear();
        self.partial.extend_from_slice(&buffer[opened..filled]);
        Ok(true)
    }

    /// Seals `plain`, to be flushed.
    pub(super) fn send(&mut self, plain: &[u8]) -> Result<(), Fault> {
        let from = self.outgoing.len();
        let records = plain.len() / RECORD_CONTENT_BYTES + 1;
        self.outgoing.resize(from + plain.len() + records * RECORD_EXTRA_BYTES, 0);
        let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
        let sealed = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic
                .encrypt(plain, &mut self.outgoing[from..])
                .map_err(|error: EncryptError| lost(error)),
            Ok(other) => Err(lost(format!("it cannot send now ({other:?})"))),
            Err(error) => Err(lost(error)),
        };
        self.outgoing.truncate(from + *sealed.as_ref().unwrap_or(&0));
        sealed.map(drop)
    }

    /// Writes what waits; false when the socket does not take all of it.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> Result<bool, Fault> {
        while self.sent < self.outgoing.len() {
            match stream.write(&self.outgoing[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if is_transient(&error) => return Ok(false),
                Err(error) => return Err(lost(error)),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Works through whole records; the bytes of `records` that are done with.
    fn open(
        &mut self,
        records: &mut [u8],
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        let mut done = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.tls.process_tls_records(&mut records[done..]);
            let mut more = true;
            match state.map_err(lost)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(lost)?;
                        discard += record.discard;
                        hear(record.payload)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut handshake) => {
                    let from = self.outgoing.len();
                    if let Err(EncodeError::InsufficientSize(size)) = handshake.encode(&mut []) {
                        self.outgoing.resize(from + size.required_size, 0);
                        handshake.encode(&mut self.outgoing[from..]).map_err(lost)?;
                    }
                }
                // It goes out with the next flush, before anything else does.
                ConnectionState::TransmitTlsData(handshake) => handshake.done(),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Err(lost("the server closed it"));
                }
                _ => more = false,
            }
            done += discard;
            if !more {
                return Ok(done);
            }
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// A connection that is gone; `fleet` knows whose it was.
fn lost(why: impl ToString) -> Fault {
    Fault::Closed { member: 0, why: why.to_string() }
}
