//! A real server on real sockets, driven by our client: what members can rely on.

mod delivery;
mod draining;
mod durable;
mod hostile;
mod joining;
mod settings;
mod returning;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::pki_types::CertificateDer;

use crate::clock;
use crate::delivery::{DeviceId, Enclosed, Epoch, GroupId, Kind, MessageId, RosterChange, Seq};
use crate::load::{Client, Heard, SessionNumber};
use crate::net::{Driver, Identity, KeyExchange, Trust};
use crate::server::settings::Defence;
use crate::server::{Config, Server, Settings};
use crate::wire::{Delivery, Reply, Request, TokenKey};

/// A server and one client, in this process.
pub(super) struct Service {
    pub(super) server: Option<Server>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) trust: Trust,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: TokenKey,
    pub(super) client: Client,
    heard: Vec<(SessionNumber, Heard)>,
}

impl Service {
    pub(super) fn start(shards: u16) -> Self {
        Self::with_settings(default_settings(shards))
    }

    pub(super) fn with_settings(settings: Settings) -> Self {
        Self::with_identity(settings, |identity| identity)
    }

    pub(super) fn with_identity(
        settings: Settings,
        change: impl FnOnce(Identity) -> Identity,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(["stentor".to_owned()]).unwrap();
        let (pem, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = Identity::from_pem(pem.as_bytes(), secret.as_bytes()).map(change).unwrap();
        let key = TokenKey::new(&[9; 32]);
        let server = Server::start(&Config {
            settings,
            identity: Arc::new(identity),
            token_keys: key.clone().into(),
        })
        .unwrap();
        let trust = Trust {
            fingerprint: server.fingerprint(),
            key_exchange: KeyExchange::X25519,
            resumption: false,
        };
        let addresses = server.addresses().to_vec();
        let (client, certificate) = (new_client(trust), made.cert.der().clone());
        let (server, heard) = (Some(server), Vec::new());
        Self { server, addresses, trust, certificate, key, client, heard }
    }

    /// Makes another client of the same server, in the thread that will drive it.
    pub(super) fn another(&self) -> impl FnOnce() -> Self + Send + 'static {
        let (addresses, certificate) = (self.addresses.clone(), self.certificate.clone());
        let (trust, key) = (self.trust, self.key.clone());
        move || {
            let (client, heard) = (new_client(trust), Vec::new());
            Self { server: None, addresses, trust, certificate, key, client, heard }
        }
    }

    /// A session for device `number` on shard `number % shards`, on a connection of its own.
    pub(super) fn join(&mut self, number: u8) -> SessionNumber {
        let address = self.addresses[usize::from(number) % self.addresses.len()];
        let connection = self.client.connect(clock::now(), address).unwrap();
        let session = self.client.open(connection, device(number), self.key.token(device(number)));
        self.reply(session, |reply| matches!(reply, Reply::Ready { .. }));
        session
    }

    pub(super) fn create(&mut self, by: SessionNumber, group: GroupId, members: &[u8]) {
        let roster = members.iter().copied().map(device).collect();
        let request = MessageId([0xcc; 16]);
        self.client.request(by, &Request::plain_group(request, group, Epoch(0), roster));
        self.reply(by, |reply| matches!(reply, Reply::Done { .. }));
    }

    pub(super) fn attach(&mut self, session: SessionNumber, group: GroupId, after: u64) -> Reply {
        self.client.request(session, &Request::Attach { group, after: Seq(after) });
        self.reply(session, |reply| {
            matches!(reply, Reply::Attached { .. } | Reply::AttachRefused { .. })
        })
    }

    pub(super) fn submit(&mut self, session: SessionNumber, id: u64, body: Bytes) -> Reply {
        self.submit_changing(session, id, body, &RosterChange::default())
    }

    pub(super) fn submit_changing(
        &mut self,
        session: SessionNumber,
        id: u64,
        body: Bytes,
        change: &RosterChange,
    ) -> Reply {
        self.client.submit(session, message_id(id), change, body);
        self.reply(session, |reply| match reply {
            Reply::Accepted { id: answered, .. } | Reply::Rejected { id: answered, .. } => {
                *answered == message_id(id)
            }
            _ => false,
        })
    }

    pub(super) fn reply(
        &mut self,
        session: SessionNumber,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Reply {
        match self.until(session, |heard| matches!(heard, Heard::Reply(reply) if wanted(reply))) {
            Heard::Reply(reply) => reply,
            _ => unreachable!("asked for a reply"),
        }
    }

    /// The next `count` messages delivered to a session: sequence number, id, body.
    pub(super) fn deliveries(
        &mut self,
        session: SessionNumber,
        count: usize,
    ) -> Vec<(u64, MessageId, Bytes)> {
        (0..count)
            .map(|_| match self.until(session, |heard| matches!(heard, Heard::Delivery(_))) {
                Heard::Delivery(Delivery::Deliver { seq, id, body }) => (seq.0, id, body),
                other => panic!("not a message: {other:?}"),
            })
            .collect()
    }

    pub(super) fn until(
        &mut self,
        session: SessionNumber,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Heard {
        let deadline = clock::now() + Duration::from_secs(20);
        loop {
            let found =
                self.heard.iter().position(|(number, heard)| *number == session && wanted(heard));
            if let Some(index) = found {
                return self.heard.remove(index).1;
            }
            let waiting = self.heard.len();
            assert!(clock::now() < deadline, "session {session} hears none; {waiting} others wait");
            self.turn();
        }
    }

    /// Whatever else a session hears within a short while.
    pub(super) fn idle(&mut self, session: SessionNumber) -> Vec<Heard> {
        let until: Instant = clock::now() + Duration::from_millis(150);
        while clock::now() < until {
            self.turn();
        }
        let mine = |heard: &(SessionNumber, Heard)| heard.0 == session;
        self.heard.extract_if(.., |heard| mine(heard)).map(|(_, heard)| heard).collect()
    }

    pub(super) fn turn(&mut self) {
        let now = clock::now();
        self.client.turn(now).unwrap();
        while let Some(heard) = self.client.poll() {
            self.heard.push(heard);
        }
        self.client.wait(now, Some(now + Duration::from_millis(2)), None);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.client.close_all(clock::now());
        self.client.transmit(clock::now()).unwrap();
        if let Some(server) = self.server.take() {
            server.stop().unwrap();
        }
    }
}

/// The defaults on any free ports.
pub(super) fn default_settings(shards: u16) -> Settings {
    let mut settings = Settings::default();
    settings.service.listen.set_port(0);
    settings.service.shards = shards;
    settings
}

pub(super) fn new_client(trust: Trust) -> Client {
    Client::new(Driver::client(Ipv4Addr::LOCALHOST.into(), 2, trust).unwrap())
}

pub(super) fn device(number: u8) -> DeviceId {
    DeviceId([number; 16])
}

pub(super) fn group(number: u8) -> GroupId {
    GroupId::new(&[number; 32]).unwrap()
}

pub(super) fn message_id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    MessageId(bytes)
}

/// A PublicMessage or PrivateMessage by its header: version, wire format, group, epoch, kind.
pub(super) fn message(group: &GroupId, epoch: u64, kind: Kind, payload: usize) -> Bytes {
    let mut bytes = vec![0, 1, 0, 2, 32];
    bytes.extend(group.as_bytes());
    bytes.extend(epoch.to_be_bytes());
    bytes.push(match kind {
        Kind::Application => 1,
        Kind::Proposal => 2,
        Kind::Commit => 3,
    });
    bytes.extend([0, 28]);
    bytes.extend([0xab; 28]);
    let length = u32::try_from(payload.max(16_384)).unwrap() | 0x8000_0000;
    bytes.extend(length.to_be_bytes());
    bytes.resize(bytes.len() + payload.max(16_384), 0x5a);
    Bytes::from(bytes)
}
