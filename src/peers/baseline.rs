//! Naive baseline: stock quinn, a task for each member.
//!
//! What one writes first: the same client protocol on quinn's ordinary interface, its settings as
//! they come, one thread of Tokio. One task hands each message to every member's task over a
//! channel, and each writes it to its own stream. No rule of delivery is kept: no epochs, no
//! rosters, no tokens. For comparison only, on the loopback address. Called by `cli` in a process
//! of its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nix::sys::socket::{setsockopt, sockopt};
use quinn::{Endpoint, EndpointConfig, RecvStream, SendStream, ServerConfig, TokioRuntime};
use quinn_proto::crypto::rustls::QuicServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::tls::crypto_provider;
use crate::delivery::{DeviceId, Epoch, Seq};
use crate::limits::{
    BASELINE_QUEUE_MAX, FRAME_BYTES_MAX, IDLE_MAX, SESSIONS_PER_CONNECTION_MAX, SOCKET_BUFFER_BYTES,
};
use crate::net::{Error, Fingerprint, IdentityPem};
use crate::wire::{Delivery, Inbox, Reply, Request, deliver};

/// The protocol's name in the handshake, as `net` gives it.
const ALPN: &[u8] = b"stentor/1";

/// The cipher suite of every connection: it offers no other.
pub const CIPHER_SUITE: &str = "TLS13_AES_128_GCM_SHA256";

/// A baseline that has its port.
#[derive(Debug)]
pub struct Baseline {
    config: ServerConfig,
    socket: UdpSocket,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate.
    pub fingerprint: Fingerprint,
}

/// What sessions tell the one task that hands messages out.
enum Said {
    Attached(Sender<Bytes>),
    Published(Request),
    Deleted,
}

/// quinn's name and version, as this program was built with it.
#[must_use]
pub fn version() -> String {
    const LOCKED: &str = include_str!("../../Cargo.lock");
    let own = LOCKED.split("[[package]]").find(|package| package.contains("\nname = \"quinn\"\n"));
    let version = own.and_then(|own| own.split("version = \"").nth(1)?.split('"').next());
    format!("quinn {}", version.unwrap_or("of unknown version"))
}

impl Baseline {
    /// Binds any free port of the loopback address.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Tls`].
    pub fn bind() -> Result<Self, Error> {
        let asked = SocketAddr::from(([127, 0, 0, 1], 0));
        let failed = |source| Error::Bind { address: asked, source };
        let socket = UdpSocket::bind(asked).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        // What the kernel does not grant is its affair, as it is for our own sockets.
        setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER_BYTES).ok();
        setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER_BYTES).ok();
        let identity = IdentityPem::self_signed()?;
        let (config, fingerprint) = server_config(&identity)?;
        Ok(Self { config, socket, address, fingerprint })
    }

    /// Serves until `over` is.
    ///
    /// # Errors
    /// [`Error::Socket`] when it cannot even begin.
    pub async fn serve(self, over: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { config, socket, .. } = self;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
                .map_err(Error::Socket)?;
        let (hub, said) = channel(BASELINE_QUEUE_MAX);
        tokio::spawn(hand_out(said));
        tokio::pin!(over);
        loop {
            tokio::select! {
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => drop(tokio::spawn(connection(incoming, hub.clone()))),
                    None => return Ok(()),
                },
                () = &mut over => return Ok(()),
            }
        }
    }
}

fn server_config(identity: &IdentityPem) -> Result<(ServerConfig, Fingerprint), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())
        .map_err(|error| failed(&error))?;
    let key =
        PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| failed(&error))?;
    let fingerprint = Fingerprint::of(&certificate);
    let mut tls = rustls::ServerConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|tls| tls.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|error| failed(&error))?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| failed(&error))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    // Idle members stay, and several of them may share a connection; the rest is quinn's own.
    let idle = quinn::IdleTimeout::try_from(IDLE_MAX).expect("a minute fits");
    transport.max_idle_timeout(Some(idle));
    transport.max_concurrent_bidi_streams(SESSIONS_PER_CONNECTION_MAX.into());
    config.transport_config(Arc::new(transport));
    Ok((config, fingerprint))
}

/// The task that hands every message to every member's task.
async fn hand_out(mut said: Receiver<Said>) {
    let mut members: Vec<Sender<Bytes>> = Vec::new();
    let mut seq = Seq(0);
    while let Some(said) = said.recv().await {
        match said {
            Said::Attached(member) => members.push(member),
            Said::Deleted => members.clear(),
            Said::Published(Request::Submit { id, body, .. }) => {
                seq = seq.next();
                let frame = deliver(seq, id, &body);
                for member in &members {
                    // Whoever is gone misses it.
                    member.send(frame.clone()).await.ok();
                }
            }
            Said::Published(_) => {}
        }
    }
}

async fn connection(incoming: quinn::Incoming, hub: Sender<Said>) {
    let Ok(connection) = incoming.await else { return };
    while let Ok((replies, requests)) = connection.accept_bi().await {
        let session = Session { connection: connection.clone(), replies, hub: hub.clone() };
        tokio::spawn(session.run(requests));
    }
}

/// One device's session.
struct Session {
    connection: quinn::Connection,
    replies: SendStream,
    hub: Sender<Said>,
}

impl Session {
    /// Ends with the client, or at what it cannot mean.
    async fn run(mut self, mut requests: RecvStream) {
        let mut inbox = Inbox::new(FRAME_BYTES_MAX);
        let mut deliveries = None;
        while let Ok(Some(chunk)) = requests.read_chunk(usize::MAX, true).await {
            inbox.push(chunk.bytes);
            while let Ok(Some(frame)) = inbox.next_frame() {
                let Ok(request) = Request::decode(frame) else { return };
                if self.answer(request, &mut deliveries).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn answer(
        &mut self,
        request: Request,
        deliveries: &mut Option<Sender<Bytes>>,
    ) -> Option<()> {
        let reply = match request {
            Request::Hello { version, device, .. } => {
                *deliveries = Some(self.start_deliveries(device).await?);
                Reply::Ready { version, shard: 0, ports: Vec::new() }
            }
            Request::Create { request, .. } => Reply::Done { request },
            Request::Delete { request, .. } => {
                self.hub.send(Said::Deleted).await.ok()?;
                Reply::Done { request }
            }
            Request::Attach { group, .. } => {
                self.hub.send(Said::Attached(deliveries.clone()?)).await.ok()?;
                let (next, head) = (Seq(1), Seq(0));
                Reply::Attached { group, next, head, epoch: Epoch(0), resync: false }
            }
            Request::Submit { id, .. } => {
                self.hub.send(Said::Published(request)).await.ok()?;
                Reply::Accepted { id, seq: Seq(0), epoch: Epoch(0) }
            }
            Request::Acknowledge { .. }
            | Request::Detach { .. }
            | Request::Stats { .. }
            | Request::Publish { .. }
            | Request::Claim { .. }
            | Request::Fetch { .. }
            | Request::Collect
            | Request::Collected { .. } => return None,
        };
        let mut frame = BytesMut::new();
        reply.encode(&mut frame);
        self.replies.write_chunk(frame.freeze()).await.ok()
    }

    /// The task that writes a member's deliveries to its own stream.
    async fn start_deliveries(&self, device: DeviceId) -> Option<Sender<Bytes>> {
        let mut stream = self.connection.open_uni().await.ok()?;
        let mut first = BytesMut::new();
        Delivery::For { device }.encode(&mut first);
        stream.write_chunk(first.freeze()).await.ok()?;
        let (sender, mut frames): (_, Receiver<Bytes>) = channel(BASELINE_QUEUE_MAX);
        tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if stream.write_chunk(frame).await.is_err() {
                    return;
                }
            }
        });
        Some(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_names_the_quinn_that_it_was_built_with() {
        let version = version();
        let number = version.strip_prefix("quinn ").unwrap();
        assert_eq!(number.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
    }
}
