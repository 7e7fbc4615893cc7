//! All members of a service that speaks our client protocol: Stentor, and the baseline.
//!
//! The load engine's own [`Client`], on one thread. Member 0 publishes, as a member of a group
//! does. Called by `contest` through [`Link`].

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fault::Fault;
use super::ledger::Ledger;
use super::link::{Datagrams, Link, Patience, Sealing};
use super::work::Work;
use crate::clock;
use crate::delivery::{MessageId, Reject, RosterChange, Seq};
use crate::limits::{CLIENT_SOCKETS, CONNECTING_MAX, SETUP_SILENCE_MAX};
use crate::load::{Client, Heard, SessionNumber, Target};
use crate::net::{Driver, Error, KeyExchange, Trust};
use crate::wire::{Delivery, OPERATOR, Reason, Reply, Request};

/// How long a turn sleeps when nothing comes.
const NAP: Duration = Duration::from_millis(20);

/// Members of a service over QUIC: member `n` is session `n`, the operator's comes after.
#[derive(Debug)]
pub(super) struct Sessions<'w> {
    work: &'w Work,
    target: Target,
    key_exchange: KeyExchange,
    sealing: Sealing,
    client: Client,
    answered: usize,
    requests: u64,
}

impl<'w> Sessions<'w> {
    /// Members that are not connected yet. `cipher_suite` is what both sides are pinned to, where
    /// they are: nothing of a connection tells it.
    pub(super) fn new(
        work: &'w Work,
        target: Target,
        key_exchange: KeyExchange,
        cipher_suite: Option<String>,
    ) -> Result<Self, Fault> {
        let client = new_client(&target, key_exchange)?;
        let sealing = Sealing { cipher_suite, key_exchange: Some(key_exchange.name().to_owned()) };
        Ok(Self { work, target, key_exchange, sealing, client, answered: 0, requests: 0 })
    }

    fn operator(&self) -> SessionNumber {
        SessionNumber::try_from(self.work.members.len()).expect("members are bounded")
    }

    fn next_id(&mut self) -> MessageId {
        self.requests += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        MessageId(id)
    }

    /// Turns until `total` requests have been answered, `next` making them a few at a time.
    fn answers(
        &mut self,
        ledger: &mut Ledger<'_>,
        stage: &'static str,
        total: usize,
        mut next: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut patience = Patience::new(stage, total, SETUP_SILENCE_MAX);
        let mut asked = 0;
        self.answered = 0;
        while self.answered < total {
            while asked < total && asked - self.answered < CONNECTING_MAX as usize {
                next(self, asked)?;
                asked += 1;
            }
            self.turn(ledger)?;
            patience.check(clock::now(), self.answered)?;
        }
        Ok(())
    }

    fn hear_reply(&mut self, reply: &Reply) -> Result<(), Fault> {
        match reply {
            Reply::Ready { .. } | Reply::Done { .. } | Reply::Attached { .. } => self.answered += 1,
            // Nothing to delete is what was wanted of a deletion.
            Reply::Rejected { reason: Reason::Rejected(Reject::UnknownGroup), .. }
                if self.answered == 0 =>
            {
                self.answered += 1;
            }
            Reply::Accepted { .. }
            | Reply::Stats { .. }
            | Reply::Published { .. }
            | Reply::KeyPackage { .. }
            | Reply::GroupInfo { .. } => {}
            Reply::Rejected { reason, .. } | Reply::AttachRefused { reason, .. } => {
                return Err(Fault::Refused(format!("{reason:?}")));
            }
            Reply::Refused { code } => return Err(Fault::Refused(code.to_string())),
        }
        Ok(())
    }
}

impl Link for Sessions<'_> {
    fn connect(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Fault> {
        let mut connection = None;
        let total = self.work.members.len() + 1;
        self.answers(ledger, "connecting", total, |sessions, index| {
            let (device, number) =
                sessions.work.members.get(index).copied().unwrap_or((OPERATOR, u32::MAX));
            let id = match connection {
                Some((id, same)) if same == number => id,
                _ => {
                    let address = sessions.target.addresses[0];
                    sessions.client.connect(clock::now(), address).map_err(environment)?
                }
            };
            connection = Some((id, number));
            let session = sessions.client.open(id, device, sessions.target.token(device));
            assert_eq!(session as usize, index, "sessions are numbered as they are opened");
            Ok(())
        })?;
        self.rewind(ledger)
    }

    fn disconnect(&mut self) {
        let now = clock::now();
        self.client.close_all(now);
        // A server that does not hear it finds out by itself.
        self.client.transmit(now).ok();
        if let Ok(client) = new_client(&self.target, self.key_exchange) {
            self.client = client;
        }
    }

    fn rewind(&mut self, ledger: &mut Ledger<'_>) -> Result<(), Fault> {
        let Work { group, epoch, members, .. } = self.work;
        let (group, epoch) = (*group, *epoch);
        self.answers(ledger, "deleting the group", 1, |sessions, _| {
            let request = sessions.next_id();
            let delete = Request::Delete { request, group };
            sessions.client.request(sessions.operator(), &delete);
            Ok(())
        })?;
        self.answers(ledger, "creating the group", 1, |sessions, _| {
            let request = sessions.next_id();
            let roster = members.iter().map(|(device, _)| *device).collect();
            sessions.client.request(0, &Request::plain_group(request, group, epoch, roster));
            Ok(())
        })?;
        self.answers(ledger, "attaching members", members.len(), |sessions, index| {
            let member = SessionNumber::try_from(index).expect("members are bounded");
            sessions.client.request(member, &Request::Attach { group, after: Seq(0) });
            Ok(())
        })
    }

    fn publish(&mut self, body: &Bytes) -> Result<(), Fault> {
        let id = self.next_id();
        self.client.submit(0, id, &RosterChange::default(), body.clone());
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> Result<(), Fault> {
        self.client.transmit(now).map_err(environment)
    }

    fn turn(&mut self, ledger: &mut Ledger<'_>) -> Result<bool, Fault> {
        let now = clock::now();
        let taken = self.client.turn(now).map_err(environment)?;
        let at = clock::now();
        while let Some((session, heard)) = self.client.poll() {
            let member = session as usize;
            match heard {
                Heard::Delivery(Delivery::Deliver { body, .. }) => {
                    ledger.whole(at, member, &body)?;
                }
                Heard::Delivery(other) => {
                    return Err(Fault::Refused(format!("member {member} hears {other:?}")));
                }
                Heard::Reply(reply) => self.hear_reply(&reply)?,
                Heard::Over(lost) => return Err(Fault::Closed { member, why: lost.to_string() }),
            }
        }
        if taken == 0 {
            self.client.wait(now, Some(now + NAP), None);
        }
        Ok(taken > 0)
    }

    fn datagrams(&self) -> Datagrams {
        let socket = self.client.driver().counters().socket;
        Datagrams { taken: socket.packets_received, sent: socket.packets_sent }
    }

    fn sealing(&self) -> Sealing {
        self.sealing.clone()
    }
}

fn new_client(target: &Target, key_exchange: KeyExchange) -> Result<Client, Fault> {
    let local: IpAddr = match target.addresses[0].ip() {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let trust = Trust { fingerprint: target.fingerprint, key_exchange, resumption: false };
    Ok(Client::new(Driver::client(local, CLIENT_SOCKETS, trust).map_err(environment)?))
}

fn environment(error: Error) -> Fault {
    Fault::Environment(error.to_string())
}
