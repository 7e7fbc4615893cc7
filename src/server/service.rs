//! Starting and stopping: sockets first, then one thread a shard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rtrb::{Consumer, Producer, RingBuffer};

use super::config::Config;
use super::counters::Board;
use super::mesh::{Mesh, Waker};
use super::worker::{Shared, Worker};
use crate::clock;
use crate::engine::Engine;
use crate::limits::{FRAME_BYTES_MAX, SHARDS_MAX, TOKEN_KEYS_PENDING_MAX};
use crate::log::{self, Memory};
use crate::net::{self, Bound, Driver, Fingerprint};
use crate::process;
use crate::wire::TokenKeys;

/// Why a server does not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network refused.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The system gave no thread or descriptor.
    #[error("cannot start a shard: {0}")]
    Start(#[from] std::io::Error),
    /// The settings contradict each other or a bound.
    #[error("{0}")]
    Config(String),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    fingerprint: Fingerprint,
    socket_buffer_bytes: usize,
    stop: Arc<AtomicBool>,
    wakers: Vec<Arc<Waker>>,
    token_keys: Vec<Producer<TokenKeys>>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
}

impl Server {
    /// Binds every shard's socket, then starts their threads. When this returns, it serves.
    ///
    /// # Errors
    /// [`Error::Net`] when a port is taken or the certificate unusable, [`Error::Config`] for a
    /// number of shards that cannot be, [`Error::Start`] when the system gives no thread.
    pub fn start(config: &Config) -> Result<Self, Error> {
        if config.shards == 0 || usize::from(config.shards) > SHARDS_MAX {
            return Err(Error::Config(format!("shards must be 1 to {SHARDS_MAX}")));
        }
        if config.defence.inbox_bytes_max < FRAME_BYTES_MAX {
            let least = format!("bytes of unfinished frames must be {FRAME_BYTES_MAX} at least");
            return Err(Error::Config(least));
        }
        config.identity.check()?;
        let bounds = (0..config.shards)
            .map(|shard| Ok(Bound::bind(shard_address(config.listen, shard)?)?))
            .collect::<Result<Vec<_>, Error>>()?;
        let addresses = bounds.iter().map(Bound::address).collect::<Result<Vec<_>, _>>()?;
        let socket_buffer_bytes = bounds.iter().map(Bound::buffer_bytes).min().unwrap_or(0);
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            board: Board::new(config.shards),
            ports: addresses.iter().map(SocketAddr::port).collect(),
            stop: Arc::clone(&stop),
            started: clock::now(),
        };
        let mut wakers = Vec::new();
        let (mut token_keys, mut threads) = (Vec::new(), Vec::new());
        for (bound, mesh) in bounds.into_iter().zip(Mesh::build(config.shards)?) {
            let (newer, keys) = RingBuffer::new(TOKEN_KEYS_PENDING_MAX);
            wakers.push(mesh.waker());
            token_keys.push(newer);
            threads.push(spawn(config, bound, mesh, shared.clone(), keys)?);
        }
        let fingerprint = config.identity.fingerprint();
        Ok(Self { addresses, fingerprint, socket_buffer_bytes, stop, wakers, token_keys, threads })
    }

    /// The UDP address of each shard, by index.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What clients pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Bytes of kernel buffer that each socket was granted, at least.
    #[must_use]
    pub fn socket_buffer_bytes(&self) -> usize {
        self.socket_buffer_bytes
    }

    /// Whether every shard still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Verifies the tokens of later hellos with these keys; sessions that are there stay.
    ///
    /// # Errors
    /// [`Error::Config`] when a shard has not yet looked at so many earlier ones; nothing changed
    /// there then.
    pub fn set_token_keys(&mut self, keys: &TokenKeys) -> Result<(), Error> {
        let mut taken = true;
        for (shard, waker) in self.token_keys.iter_mut().zip(&self.wakers) {
            taken &= shard.push(keys.clone()).is_ok();
            waker.wake();
        }
        let busy = || Error::Config("a shard is too busy to take new token keys; ask again".into());
        if taken { Ok(()) } else { Err(busy()) }
    }

    /// Tells every shard to finish: no new sessions or messages, what was accepted is delivered,
    /// then everybody is told goodbye. Returns when it has.
    ///
    /// # Errors
    /// What a shard failed of.
    pub fn stop(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        for waker in &self.wakers {
            waker.wake();
        }
        for thread in self.threads {
            thread
                .join()
                .expect("a shard that fails says why, and a failed assertion ends the process")?;
        }
        Ok(())
    }
}

/// Starts one shard's thread. Sockets and rings come ready; the rest is made where it is used.
fn spawn(
    config: &Config,
    bound: Bound,
    mesh: Mesh,
    shared: Shared,
    token_keys_next: Consumer<TokenKeys>,
) -> std::io::Result<JoinHandle<Result<(), Error>>> {
    let shard = usize::from(mesh.own());
    let core = config.first_core.map(|first| first + shard);
    let (identity, policy) = (Arc::clone(&config.identity), config.policy);
    let defence = config.defence;
    let token_keys = (config.token_keys.clone(), token_keys_next);
    std::thread::Builder::new().name(format!("shard-{shard}")).spawn(move || {
        if let Some(core) = core {
            // A machine with fewer cores leaves the thread where it is.
            process::pin_to_core(core);
        }
        let driver = Driver::server(bound, &identity, defence.admission)?;
        let engine = Engine::new(policy, Memory::default());
        Worker::new(driver, engine, mesh, shared, token_keys, &defence).run()
    })
}

fn shard_address(listen: SocketAddr, shard: u16) -> Result<SocketAddr, Error> {
    let mut address = listen;
    if listen.port() != 0 {
        let port = listen.port().checked_add(shard);
        let beyond = || Error::Config(format!("{listen} leaves no port for shard {shard}"));
        address.set_port(port.ok_or_else(beyond)?);
    }
    Ok(address)
}
