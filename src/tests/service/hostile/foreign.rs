//! A client that is not ours: stock quinn, stock TLS, and frames read off its streams.

use std::future::Future;

use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::runtime::Runtime;

use super::*;
use crate::wire::Inbox;

/// A stock QUIC endpoint, and the runtime that drives it while it is asked something.
pub(super) struct Foreign {
    runtime: Runtime,
    endpoint: quinn::Endpoint,
}

/// The receiving half of a stream, cut into frames.
pub(super) struct Frames {
    stream: quinn::RecvStream,
    inbox: Inbox,
}

impl Foreign {
    /// Trusts one certificate, names one protocol, and sets its transport as `tune` likes.
    pub(super) fn new(
        certificate: &CertificateDer<'static>,
        alpn: &[u8],
        tune: impl FnOnce(&mut quinn::TransportConfig),
    ) -> Self {
        Self::showing(None, certificate, alpn, tune)
    }

    /// As [`Self::new`], with a certificate of its own and its key, if any.
    pub(super) fn showing(
        own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
        certificate: &CertificateDer<'static>,
        alpn: &[u8],
        tune: impl FnOnce(&mut quinn::TransportConfig),
    ) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = match own {
            None => tls.with_no_client_auth(),
            Some((own, key)) => tls.with_client_auth_cert(vec![own], key).unwrap(),
        };
        tls.alpn_protocols = vec![alpn.to_vec()];
        let mut config =
            quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = quinn::TransportConfig::default();
        tune(&mut transport);
        config.transport_config(Arc::new(transport));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = runtime.block_on(async {
            let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
            endpoint.set_default_client_config(config);
            endpoint
        });
        Self { runtime, endpoint }
    }

    /// As the service wants it.
    pub(super) fn polite(service: &Service) -> Self {
        Self::new(&service.certificate, b"stentor/1", |_| {})
    }

    /// Lets a future run, for a generous while.
    pub(super) fn within<T>(&self, future: impl Future<Output = T>) -> T {
        let limit = Duration::from_secs(20);
        self.runtime.block_on(async { tokio::time::timeout(limit, future).await }).unwrap()
    }

    /// A connection, or why there is none.
    pub(super) fn connect(
        &self,
        to: SocketAddr,
    ) -> Result<quinn::Connection, quinn::ConnectionError> {
        self.within(async { self.endpoint.connect(to, "stentor").unwrap().await })
    }

    /// A bidirectional stream that begins with `first`.
    pub(super) fn open(
        &self,
        connection: &quinn::Connection,
        first: &[u8],
    ) -> (quinn::SendStream, Frames) {
        self.within(async {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            send.write_all(first).await.unwrap();
            (send, Frames::new(receive))
        })
    }

    /// The next delivery stream, after the frame that says whose it is.
    pub(super) fn deliveries(&self, connection: &quinn::Connection, device: DeviceId) -> Frames {
        let mut frames = Frames::new(self.within(connection.accept_uni()).unwrap());
        assert_eq!(self.delivery(&mut frames), Delivery::For { device });
        frames
    }

    /// The next frame of a delivery stream.
    pub(super) fn delivery(&self, frames: &mut Frames) -> Delivery {
        Delivery::decode(self.within(frames.next()).unwrap()).unwrap()
    }

    /// The next frame of a control stream.
    pub(super) fn reply(&self, frames: &mut Frames) -> Reply {
        Reply::decode(self.within(frames.next()).unwrap()).unwrap()
    }

    /// The application code with which the service closes the connection.
    pub(super) fn close_code(&self, connection: &quinn::Connection) -> u64 {
        match self.within(connection.closed()) {
            quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("not closed by the service: {other}"),
        }
    }
}

impl Frames {
    fn new(stream: quinn::RecvStream) -> Self {
        Self { stream, inbox: Inbox::new(crate::limits::FRAME_BYTES_MAX) }
    }

    /// Tells the service that nothing more will be read.
    pub(super) fn stop(&mut self) {
        self.stream.stop(0_u32.into()).unwrap();
    }

    /// The next frame; `None` when the stream or its connection is over.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.inbox.next_frame().unwrap() {
                return Some(frame);
            }
            let chunk = self.stream.read_chunk(usize::MAX, true).await.ok()??;
            self.inbox.push(chunk.bytes);
        }
    }
}

/// A hello as a device's owner says it.
pub(super) fn hello(service: &Service, number: u8) -> Bytes {
    let token = service.key.token(device(number));
    encoded(&Request::Hello { version: 1, device: device(number), token })
}

#[test]
fn a_stock_quic_client_authenticates_creates_attaches_submits_and_receives() {
    under_load(|siege| {
        let foreign = Foreign::polite(&siege.service);
        let connection = foreign.connect(siege.service.addresses[1]).unwrap();
        let (mut send, mut replies) = foreign.open(&connection, &hello(&siege.service, 7));
        let mut deliveries = foreign.deliveries(&connection, device(7));
        let ready = foreign.reply(&mut replies);
        assert!(matches!(ready, Reply::Ready { version: 1, shard: 1, .. }), "{ready:?}");
        let (group, request, id) = (group(1), message_id(1), message_id(2));
        let roster = vec![device(7)];
        let body = small(&group, 0);
        let submit = Request::Submit {
            id,
            change: RosterChange::default(),
            enclosed: Enclosed::default(),
            body: body.clone(),
        };
        for (asked, answer) in [
            (Request::plain_group(request, group, Epoch(0), roster), Reply::Done { request }),
            (
                Request::Attach { group, after: Seq(0) },
                Reply::Attached {
                    group,
                    next: Seq(1),
                    head: Seq(0),
                    epoch: Epoch(0),
                    resync: false,
                },
            ),
            (submit, Reply::Accepted { id, seq: Seq(1), epoch: Epoch(0) }),
        ] {
            foreign.within(send.write_all(&encoded(&asked))).unwrap();
            assert_eq!(foreign.reply(&mut replies), answer);
        }
        let delivered = foreign.delivery(&mut deliveries);
        assert_eq!(delivered, Delivery::Deliver { seq: Seq(1), id, body });
    });
}

#[test]
fn a_client_of_another_protocol_gets_no_connection() {
    under_load(|siege| {
        let foreign = Foreign::new(&siege.service.certificate, b"h3", |_| {});
        let handshakes = siege.counters().get(Counter::Handshakes);
        let error = foreign.connect(siege.service.addresses[0]).unwrap_err();
        // RFC 9001 §8.1: the alert no_application_protocol (120) as a crypto error.
        let quinn::ConnectionError::ConnectionClosed(close) = error else { panic!("{error}") };
        assert_eq!(u64::from(close.error_code), 0x100 + 120);
        siege.counted(Counter::Handshakes, handshakes);
    });
}

#[test]
fn a_client_that_pins_another_certificate_gives_up_in_the_handshake() {
    under_load(|siege| {
        let made = rcgen::generate_simple_self_signed(["stentor".to_owned()]).unwrap();
        let foreign = Foreign::new(made.cert.der(), b"stentor/1", |_| {});
        let error = foreign.connect(siege.service.addresses[0]).unwrap_err();
        assert!(matches!(error, quinn::ConnectionError::TransportError(_)), "{error}");
        let fingerprint = crate::net::Fingerprint::of(made.cert.der());
        let mut ours = new_client(Trust { fingerprint, ..siege.service.trust });
        let connection = ours.connect(clock::now(), siege.service.addresses[0]).unwrap();
        let token = siege.service.key.token(device(7));
        let session = ours.open(connection, device(7), token);
        let deadline = clock::now() + Duration::from_secs(20);
        let heard = loop {
            assert!(clock::now() < deadline, "the handshake neither fails nor succeeds");
            let now = clock::now();
            ours.turn(now).unwrap();
            if let Some(heard) = ours.poll() {
                break heard;
            }
            ours.wait(now, Some(now + Duration::from_millis(2)), None);
        };
        assert_eq!(heard, (session, Heard::Over(Lost::WrongCertificate)));
        siege.counted(Counter::RefusedSessions, 0);
    });
}
