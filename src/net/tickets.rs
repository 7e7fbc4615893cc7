//! TLS session tickets: what a server gives out, and a client keeps until it comes back.
//!
//! A resumed handshake (RFC 8446 §2.2) agrees on fresh keys as any other; what it leaves out is the
//! certificate and its signature, the dearest part of a handshake to the server. The ticket itself
//! is the server's memory, sealed, so a client that never comes back costs it nothing. Early data
//! stays off on both sides: it can be replayed by whoever recorded it (RFC 9001 §9.2), and saves a
//! round trip only to those who ask for it. Called by `tls`, which puts this into both sides'
//! settings.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::server::ProducesTickets;

use crate::limits::TICKETS_KEPT_MAX;

/// How a driver tells which of its handshakes were resumed.
#[derive(Debug)]
pub(super) enum Resumed {
    /// A server: a ticket of its own was good.
    TicketsTaken(Arc<AtomicU64>),
    /// A client: the others are those in which it had to look at a certificate.
    CertificatesSeen(Arc<AtomicU64>),
}

impl Resumed {
    /// Of so many completed handshakes. While some are on their way it may be off by those.
    pub(super) fn of(&self, handshakes: u64) -> u64 {
        match self {
            Self::TicketsTaken(taken) => taken.load(Ordering::Relaxed).min(handshakes),
            Self::CertificatesSeen(seen) => handshakes.saturating_sub(seen.load(Ordering::Relaxed)),
        }
    }
}

/// A server's tickets, and how many of them came back.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) tickets: Arc<dyn ProducesTickets>,
    pub(super) taken: Arc<AtomicU64>,
}

impl ProducesTickets for Counted {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.tickets.decrypt(cipher)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(plain)
    }
}

/// The tickets of one driver's connections, all of one server. Each is used once (RFC 8446 §C.4),
/// the oldest first, by whichever connection comes back next: to the server they are alike. When
/// [`TICKETS_KEPT_MAX`] are kept, a further one is dropped.
#[derive(Debug, Default)]
pub(super) struct Kept {
    #[expect(clippy::disallowed_types, reason = "rustls asks for Sync; one thread uses it")]
    tickets: std::sync::Mutex<VecDeque<Tls13ClientSessionValue>>,
}

/// Keeps tickets and hands none out: for connections that are to pay the full price.
#[derive(Debug)]
struct KeepOnly(Arc<Kept>);

/// The settings of a first connection, and of one that comes back, over one store of tickets.
pub(super) fn resumptions() -> (Resumption, Resumption) {
    let kept = Arc::new(Kept::default());
    (Resumption::store(Arc::new(KeepOnly(Arc::clone(&kept)))), Resumption::store(kept))
}

impl Kept {
    fn keep(&self, ticket: Tls13ClientSessionValue) {
        if let Ok(mut tickets) = self.tickets.lock()
            && tickets.len() < TICKETS_KEPT_MAX
        {
            tickets.push_back(ticket);
        }
    }

    fn take(&self) -> Option<Tls13ClientSessionValue> {
        self.tickets.lock().ok()?.pop_front()
    }
}

/// TLS 1.2 is never spoken, and a client offers one key exchange only: there is nothing else to
/// remember.
macro_rules! store {
    ($store:ty, $keep:expr, $take:expr) => {
        impl ClientSessionStore for $store {
            fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

            fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
                None
            }

            fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

            fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
                None
            }

            fn remove_tls12_session(&self, _: &ServerName<'static>) {}

            fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
                $keep(self, ticket);
            }

            fn take_tls13_ticket(
                &self,
                _: &ServerName<'static>,
            ) -> Option<Tls13ClientSessionValue> {
                $take(self)
            }
        }
    };
}

store!(Kept, Self::keep, Self::take);
store!(KeepOnly, |store: &Self, ticket| store.0.keep(ticket), |_: &Self| None);
