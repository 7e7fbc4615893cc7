//! Hostile and unlucky clients: each is refused by name and counted, and nobody else notices.
//!
//! Every test runs while [`Bystanders`] use the same server; they must get every message, in
//! order, without a gap.

mod bystanders;
mod certificates;
mod collectors;
mod floods;
mod foreign;
mod frames;
mod handshakes;
mod noise;
mod readers;
mod requests;
mod strangers;
mod writers;

use bytes::BytesMut;

use super::*;
use crate::net::Lost;
use crate::wire::{Counter, Counters, Refusal};
use bystanders::Bystanders;

/// A server under a well-behaved load, and a client that is about to misbehave.
struct Siege {
    service: Service,
    bystanders: Bystanders,
    operator: SessionNumber,
}

/// Runs a test on a server of two shards that others use, and sees that they were not harmed.
fn under_load(test: impl FnOnce(&mut Siege)) {
    within(Defence::default(), test);
}

/// As [`under_load`], with bounds of the test's own.
fn within(defence: Defence, test: impl FnOnce(&mut Siege)) {
    let mut service = Service::with_settings(Settings { defence, ..default_settings(2) });
    let bystanders = Bystanders::start(&service);
    let operator = service.join(0);
    let mut siege = Siege { service, bystanders, operator };
    test(&mut siege);
    siege.bystanders.assert_unharmed();
}

impl Siege {
    /// What the operator reads now.
    fn counters(&mut self) -> Counters {
        self.service.client.request(self.operator, &Request::Stats { request: message_id(1) });
        match self.service.reply(self.operator, |reply| matches!(reply, Reply::Stats { .. })) {
            Reply::Stats { counters, .. } => *counters,
            _ => unreachable!("asked for stats"),
        }
    }

    /// Waits until a counter has reached `expected`, which it must not pass.
    fn counted(&mut self, counter: Counter, expected: u64) {
        let deadline = clock::now() + Duration::from_secs(20);
        let mut value = self.counters().get(counter);
        while value < expected {
            assert!(clock::now() < deadline, "{} stays at {value}", counter.name());
            value = self.counters().get(counter);
        }
        assert_eq!(value, expected, "{}", counter.name());
    }

    /// The session loses its connection for this reason.
    fn refused(&mut self, session: SessionNumber, why: Refusal) {
        assert_eq!(self.close_code(session), u64::from(why.code()), "{why}");
    }

    /// The code with which the service closes the session's connection.
    fn close_code(&mut self, session: SessionNumber) -> u64 {
        match self.service.until(session, |heard| matches!(heard, Heard::Over(_))) {
            Heard::Over(Lost::Closed { code, .. }) => code,
            Heard::Over(lost) => panic!("not closed by the service: {lost}"),
            _ => unreachable!("asked for the end"),
        }
    }
}

/// A request as it crosses the wire, length field and all.
fn encoded(request: &Request) -> Bytes {
    let mut frame = BytesMut::new();
    request.encode(&mut frame);
    frame.freeze()
}

/// A frame of any type with any fields.
fn frame(code: u8, fields: &[u8]) -> Bytes {
    let length = u32::try_from(fields.len() + 1).unwrap();
    Bytes::from([&length.to_be_bytes()[..], &[code], fields].concat())
}

/// A PrivateMessage of about a hundred bytes.
fn small(group: &GroupId, epoch: u64) -> Bytes {
    let mut bytes = vec![0, 1, 0, 2, 32];
    bytes.extend(group.as_bytes());
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([1, 0, 4, 1, 2, 3, 4, 32]);
    bytes.extend([0x5a; 32]);
    Bytes::from(bytes)
}
