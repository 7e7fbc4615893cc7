//! Starting and stopping: sockets first, then one thread a shard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rtrb::{Consumer, Producer, RingBuffer};

use super::config::Config;
use super::counters::Board;
use super::drain::Drain;
use super::logs::{self, Recovered};
use super::mesh::{Mesh, Waker};
use super::monitor::Monitor;
use super::worker::{Shared, Worker};
use crate::clock;
use crate::limits::{FRAME_BYTES_MAX, SHARDS_MAX, TOKEN_KEYS_PENDING_MAX};
use crate::log::Error as LogError;
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
    Log(#[from] LogError),
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
    recovered: Recovered,
    monitor: Monitor,
    stop: Arc<AtomicBool>,
    wakers: Vec<Arc<Waker>>,
    token_keys: Vec<Producer<TokenKeys>>,
    threads: Vec<JoinHandle<Result<(), Error>>>,
}

impl Server {
    /// Binds every shard's socket, then starts their threads, each of which reads back its log. When
    /// this returns, all of them have, and it serves.
    ///
    /// # Errors
    /// [`Error::Net`] when a port is taken or the certificate unusable, [`Error::Config`] for a
    /// number of shards that cannot be, [`Error::Start`] when the system gives no thread, [`Error::Log`] when a log cannot be read.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let set = &config.settings.service;
        if set.shards == 0 || usize::from(set.shards) > SHARDS_MAX {
            return Err(Error::Config(format!("shards must be 1 to {SHARDS_MAX}")));
        }
        if config.settings.defence.frame_bytes < FRAME_BYTES_MAX {
            let least = format!("bytes of unfinished frames must be {FRAME_BYTES_MAX} at least");
            return Err(Error::Config(least));
        }
        config.identity.check()?;
        let bounds = (0..set.shards)
            .map(|shard| Ok(Bound::bind(shard_address(set.listen, shard)?)?))
            .collect::<Result<Vec<_>, Error>>()?;
        if let Some(folder) = &config.settings.log.folder {
            logs::prepare(folder, set.shards)?;
        }
        let addresses = bounds.iter().map(Bound::address).collect::<Result<Vec<_>, _>>()?;
        let socket_buffer_bytes = bounds.iter().map(Bound::buffer_bytes).min().unwrap_or(0);
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            board: Board::new(set.shards),
            ports: addresses.iter().map(SocketAddr::port).collect(),
            stop: Arc::clone(&stop),
            drain: Drain::default(),
            drain_max: set.drain,
            limits: config.settings.sessions.clone(),
            durability: config.settings.log.durability,
            started: clock::now(),
            started_unix: clock::unix(),
        };
        let monitor = Monitor::new(shared.board.clone(), shared.started);
        let (ready, recoveries) = sync_channel(bounds.len());
        let (mut wakers, mut gates) = (Vec::new(), Vec::new());
        let (mut token_keys, mut threads) = (Vec::new(), Vec::new());
        for (bound, mesh) in bounds.into_iter().zip(Mesh::build(set.shards)?) {
            let (newer, keys) = RingBuffer::new(TOKEN_KEYS_PENDING_MAX);
            let (gate, serve) = sync_channel(1);
            wakers.push(mesh.waker());
            token_keys.push(newer);
            gates.push(gate);
            let opening = Opening { ready: ready.clone(), serve };
            threads.push(spawn(config, bound, mesh, shared.clone(), keys, opening)?);
        }
        drop(ready);
        // Each tells once, unless it fails: then the others serve nobody, and it says why.
        let recovered: Vec<Recovered> = recoveries.iter().collect();
        let (fingerprint, failed) =
            (config.identity.fingerprint(), recovered.len() < threads.len());
        let recovered = sum(&recovered);
        open_all(gates, failed);
        let server = Self {
            addresses,
            fingerprint,
            socket_buffer_bytes,
            recovered,
            monitor,
            stop,
            wakers,
            token_keys,
            threads,
        };
        if failed {
            server.stop()?;
            unreachable!("a shard that does not start fails");
        }
        Ok(server)
    }

    /// What was found in the logs of all shards.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
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

    /// What reads the shards' counters while they run, and afterwards their last.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
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

/// What a shard waits for between its log and its first client: that all shards have theirs, since
/// a client of one may speak of groups of any.
#[derive(Debug)]
struct Opening {
    /// Tells that its log is read back.
    ready: SyncSender<Recovered>,
    /// Hears that all are; ends unheard when one is not, however that came.
    serve: Receiver<()>,
}

impl Opening {
    /// Blocks until every shard has called it; whether all have.
    fn pass(self, recovered: Recovered) -> bool {
        // Whoever waits for it has given up only if the process is about to end.
        self.ready.send(recovered).ok();
        drop(self.ready);
        self.serve.recv().is_ok()
    }
}

/// Lets all shards serve, or none.
fn open_all(gates: Vec<SyncSender<()>>, failed: bool) {
    for gate in gates.into_iter().filter(|_| !failed) {
        // It has room for the one that is ever sent, and a shard that is ready waits for it.
        gate.send(()).ok();
    }
}

/// Starts one shard's thread. Sockets and rings come ready; the rest is made where it is used.
fn spawn(
    config: &Config,
    bound: Bound,
    mesh: Mesh,
    shared: Shared,
    token_keys_next: Consumer<TokenKeys>,
    opening: Opening,
) -> std::io::Result<JoinHandle<Result<(), Error>>> {
    let shard = usize::from(mesh.own());
    let core = config.settings.service.first_core.map(|first| first + shard);
    let (identity, policy) = (Arc::clone(&config.identity), config.settings.policy());
    let admission = config.settings.admission();
    let defence = config.settings.defence.clone();
    let token_keys = (config.token_keys.clone(), token_keys_next);
    let log = config.settings.log.clone();
    std::thread::Builder::new().name(format!("shard-{shard}")).spawn(move || {
        if let Some(core) = core {
            // A machine with fewer cores leaves the thread where it is.
            process::pin_to_core(core);
        }
        let drain = shared.drain.clone();
        let outcome =
            Driver::server(bound, &identity, admission).map_err(Error::from).and_then(|driver| {
                let place = (mesh.own(), mesh.shards());
                let (engine, recovered) =
                    logs::open(&log, policy, place, mesh.waker(), shared.started_unix)?;
                if !opening.pass(recovered) {
                    return Ok(());
                }
                Worker::new(driver, engine, mesh, shared, token_keys, &defence).run()
            });
        if outcome.is_err() {
            drain.give_up();
        }
        outcome
    })
}

fn sum(recovered: &[Recovered]) -> Recovered {
    recovered.iter().fold(Recovered::default(), |sum, one| Recovered {
        records: sum.records + one.records,
        bytes: sum.bytes + one.bytes,
        torn_bytes: sum.torn_bytes + one.torn_bytes,
        groups: sum.groups + one.groups,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two shards that come to the gate, of which the second may fail; what each was told.
    fn two_shards(second_fails: bool) -> Vec<Option<bool>> {
        let (ready, recoveries) = sync_channel(2);
        let (mut gates, mut threads) = (Vec::new(), Vec::new());
        let board = Arc::new(AtomicBool::new(false));
        for shard in 0..2 {
            let (gate, serve) = sync_channel(1);
            gates.push(gate);
            let (opening, all_ready) =
                (Opening { ready: ready.clone(), serve }, Arc::clone(&board));
            threads.push(std::thread::spawn(move || {
                if shard == 1 && second_fails {
                    return None;
                }
                let passed = opening.pass(Recovered::default());
                assert!(all_ready.load(Ordering::SeqCst), "it passed before all were ready");
                Some(passed)
            }));
        }
        drop(ready);
        let failed = recoveries.iter().count() < 2;
        board.store(true, Ordering::SeqCst);
        open_all(gates, failed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }

    #[test]
    fn no_shard_serves_before_all_have_read_their_logs_or_if_one_cannot() {
        assert_eq!(two_shards(false), [Some(true), Some(true)]);
        assert_eq!(two_shards(true), [Some(false), None]);
    }
}
