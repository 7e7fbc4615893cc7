//! A delivery service that misbehaves on purpose: whether the load engine notices.
//!
//! It speaks `wire` over real QUIC on a thread of its own, and orders by rules of its own: it
//! shares no line with `delivery`, `engine` or `server`, so that an engine and a service which are
//! wrong in the same way do not agree here. With no fault chosen it is a good service, which the
//! tests of `honest` hold it to; otherwise those with a fault would prove nothing. Each of them
//! asserts that the fault has struck, what the oracle says, and what the record's verdict makes of
//! it.

mod blamed;
mod faults;
mod generator;
mod honest;
mod intended;
mod intervals;
mod manner;
mod order;
mod overload;
mod precedence;
mod service;
mod sleepers;
mod trial;
mod waiting;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use manner::Manner;
use service::Service;

use crate::load::Target;
use crate::net::{Admission, Bound, Driver, Fingerprint, Identity};
use crate::wire::TokenKey;

/// The impostor, up and serving.
struct Impostor {
    address: SocketAddr,
    fingerprint: Fingerprint,
    key: TokenKey,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What it saw of a run.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The attempts that were submitted, as they came, and when.
    submitted: Vec<(u64, Instant)>,
    /// When its fault struck; `None` if it never came to that.
    struck: Option<Instant>,
    /// Until when it then said nothing.
    silent_until: Option<Instant>,
}

impl Impostor {
    fn start(manner: Manner) -> Self {
        let identity = Identity::self_signed().unwrap();
        let fingerprint = identity.fingerprint();
        let bound = Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = bound.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let serve = move || {
            let driver = Driver::server(bound, &identity, Admission::default()).unwrap();
            Service::new(driver, address.port(), manner).serve(&told)
        };
        let thread = std::thread::Builder::new().name("impostor".into()).spawn(serve).unwrap();
        Self { address, fingerprint, key: TokenKey::new(&[7; 32]), stop, thread: Some(thread) }
    }

    fn target(&self) -> Target {
        Target {
            addresses: vec![self.address],
            fingerprint: self.fingerprint,
            token_key: self.key.clone(),
        }
    }

    /// Ends it; what it saw.
    fn end(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
