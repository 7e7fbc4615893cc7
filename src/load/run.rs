//! A run: connect, populate, load, drain, verify, delete.
//!
//! Everything that touches the network happens on one thread of its own, so that it can be pinned;
//! what real members verify happens afterwards, on all cores. Called by `cli`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use super::client::Client;
use super::contention::Tally;
use super::intervals::Interval;
use super::joins::Joins;
use super::noted::Noted;
use super::oracle::Judgement;
use super::pacer::{self, Pace};
use super::racers::{Authenticators, Seat};
use super::recorder::Recorder;
use super::returns::Returns;
use super::scenario::Source;
use super::setup::{self, Setup, SetupError, Stage};
use super::slow::Lag;
use super::strain::Strain;
use super::target::Target;
use super::threshold::Aborted;
use super::traffic::{Plan, Traffic};
use super::verify::{Inboxes, Verified};
use super::worker::{Brought, Observer, Progress, Sample, Worker};
use crate::clock;
use crate::limits::CLIENT_SOCKETS;
use crate::net::{self, Driver, KeyExchange, Trust};
use crate::process;

/// How a run goes about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Delete groups that an earlier run left at the service.
    pub replace: bool,
    /// The cores of this side; `None` leaves threads to the kernel.
    pub cores: Option<Range<usize>>,
    /// Marks the run's message ids: another for every run.
    pub nonce: [u8; 8],
}

/// Whoever shows what a run is doing.
pub trait Watch: Observer + Send {
    /// A step before the load starts.
    fn stage(&mut self, stage: Stage, done: u32, total: u32);
    /// The load is over; real members process so many messages.
    fn verifying(&mut self, messages: u64);
}

/// Why a run has no outcome at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start at the service.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// This side's own network failed.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Everything that a run found out.
#[derive(Debug)]
pub struct Outcome {
    /// Latencies.
    pub recorder: Recorder,
    /// The window that was measured, since the start of the run.
    pub measured: Range<Duration>,
    /// Why and when it was given up, if it was.
    pub aborted: Option<Aborted>,
    /// The same in slices of time, and what both sides used in each.
    pub intervals: Vec<Interval>,
    /// When the load started, since the Unix epoch.
    pub started: Duration,
    /// By class: what racing cost its members, for live ones.
    pub tallies: Vec<Option<Tally>>,
    /// How hard this side had it in the measured window, if that ended.
    pub strain: Option<Strain>,
    /// How late it woke before there was any load.
    pub pacer: Vec<Pace>,
    /// What the oracle says.
    pub judgement: Judgement,
    /// Everything that the schedule and the retry rule called for.
    pub called_for: u64,
    /// Measured operations in flight, on average.
    pub in_flight_mean: f64,
    /// The same if each had stayed within the window for all of its time.
    pub in_flight_stayed: f64,
    /// Refusals by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Operations that waited for their sender to reach their epoch.
    pub held: u64,
    /// What came of members that went away, if any did.
    pub returns: Option<Returns>,
    /// By class: what came of its slow members, if it has any.
    pub lags: Vec<Option<Lag>>,
    /// What came of those who joined in the run, and of those who went, if any did.
    pub joins: Option<Joins>,
    /// The server's counters when everybody was attached and nothing had been sent yet.
    pub idle: Option<crate::wire::Counters>,
    /// Use of both sides at the start and the end of the measured window.
    pub window: Option<(Sample, Sample)>,
    /// How the server was lost, if it was.
    pub server_lost: Option<String>,
    /// Sessions of members that ended inside the run.
    pub sessions_lost: Noted,
    /// What real members found.
    pub verified: Verified,
    /// Bytes of kernel buffer that this side's sockets were granted, at least.
    pub socket_buffer_bytes: usize,
}

/// Runs a plan against a target.
///
/// # Errors
/// [`RunError`], when there is nothing to report: the run never started, or this side failed.
pub fn run(
    mut plan: Plan,
    target: &Target,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Outcome, RunError> {
    let live = take_live(&mut plan);
    let plan = &plan;
    let (brought, before) = std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("worker".into())
            .spawn_scoped(scope, || on_the_network(plan, live, target, options, watch))?;
        worker.join().expect("a worker that fails says why")
    })?;
    Ok(conclude(plan, brought, before, watch))
}

/// Asks a service that is known by one address where its other shards are.
///
/// # Errors
/// When it does not answer, is not the one that is trusted, or refuses the operator's token.
pub fn discover(target: &Target, key_exchange: KeyExchange) -> Result<Target, RunError> {
    let trust = Trust { fingerprint: target.fingerprint, key_exchange, resumption: false };
    let client = Client::new(Driver::client(local_address(target), 1, trust)?);
    let ports = setup::ask_for_ports(target, client)?;
    let at = |port| SocketAddr::new(target.addresses[0].ip(), port);
    Ok(Target { addresses: ports.into_iter().map(at).collect(), ..target.clone() })
}

/// What is known of this side before the load.
#[derive(Debug)]
struct Before {
    started: Duration,
    pacer: Vec<Pace>,
    socket_buffer_bytes: usize,
}

/// How late this thread wakes, where the worker will run and as the worker waits.
fn pace(options: &Options, client: &mut Client) -> Vec<Pace> {
    if let Some(cores) = &options.cores {
        process::pin_to_core(cores.start);
    }
    process::wake_precisely();
    let paces = test_pacer(client);
    if let Some(cores) = &options.cores {
        process::pin_to_cores(cores.clone());
    }
    paces
}

/// How late a thread wakes that waits as a worker does; `client` has nothing to hear.
pub fn test_pacer(client: &mut Client) -> Vec<Pace> {
    let origin = clock::now();
    let since = || clock::now().saturating_duration_since(origin);
    pacer::test(since, |until| client.wait(clock::now(), Some(origin + until), None))
}

/// Everything between the first handshake and the last close.
fn on_the_network(
    plan: &Plan,
    live: BTreeMap<Seat, crate::mls::LiveMember>,
    target: &Target,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<(Brought, Before), RunError> {
    if let Some(cores) = &options.cores {
        // Threads of live members inherit these cores; the worker then takes the first.
        process::pin_to_cores(cores.clone());
    }
    let mut away = plan.scenario.groups.iter().flat_map(|class| &class.away);
    let trust = Trust {
        fingerprint: target.fingerprint,
        key_exchange: plan.scenario.key_exchange,
        resumption: away.any(|away| away.resumption),
    };
    let threads = options.cores.as_ref().map_or_else(process::cores, |cores| cores.len().max(1));
    let local = local_address(target);
    let mut client = Client::new(Driver::client(local, CLIENT_SOCKETS, trust)?);
    let pacer = pace(options, &mut client);
    let buffer = client.driver().socket_buffer_bytes();
    let mut stage = |stage, done, total| watch.stage(stage, done, total);
    let mut setup = Setup::connect(plan, target, client, options.replace, &mut stage)?;
    setup.populate(&mut stage)?;
    let (client, operator, requests) = setup.into_parts();
    // A moment for the last acknowledgements, so that the first operation finds silence.
    let silence = Duration::from_millis(200);
    let (origin, started) = (clock::now() + silence, clock::unix() + silence);
    let mut worker =
        Worker::new((plan, target), (live, threads), (client, operator), options.nonce, origin)?;
    if let Some(cores) = &options.cores {
        process::pin_to_core(cores.start);
    }
    process::wake_precisely();
    worker.settle()?;
    let (client, brought) = worker.run(watch)?;
    if brought.server_lost.is_none() {
        let client = Setup::resume(plan, target, client, operator, requests).delete_groups();
        // The result stands whether or not the groups could be deleted.
        if let Ok(mut client) = client {
            client.close_all(clock::now());
            client.transmit(clock::now())?;
        }
    }
    Ok((brought, Before { started, pacer, socket_buffer_bytes: buffer }))
}

/// What can be said when nothing more will come.
fn conclude(plan: &Plan, brought: Brought, before: Before, watch: &mut dyn Watch) -> Outcome {
    if brought.inboxes.messages() > 0 {
        watch.verifying(brought.inboxes.messages());
    }
    let lost = brought.server_lost.is_some();
    let seats = if lost { Vec::new() } else { tape_seats(plan) };
    let mut verified = Inboxes::verify(brought.inboxes, &seats, &plan.traffic);
    verified.faults.extend(brought.live_faults.examples);
    verified.messages += brought.live_messages;
    if !lost {
        agree(brought.authenticators, &mut verified);
    }
    Outcome {
        recorder: brought.recorder,
        measured: brought.measured,
        aborted: brought.aborted,
        intervals: brought.intervals,
        tallies: brought.tallies,
        started: before.started,
        strain: brought.edges.map(|(first, last)| Strain::between(&first, &last)),
        pacer: before.pacer,
        judgement: brought.judgement,
        called_for: brought.called_for,
        in_flight_mean: brought.in_flight_mean,
        in_flight_stayed: brought.in_flight_stayed,
        refusals: brought.refusals,
        held: brought.held,
        returns: brought.returns,
        lags: brought.lags,
        joins: Some(brought.joins).filter(|joins| !joins.is_empty()),
        idle: brought.idle,
        window: brought.first.zip(brought.last),
        server_lost: brought.server_lost,
        sessions_lost: brought.sessions_lost,
        verified,
        socket_buffer_bytes: before.socket_buffer_bytes,
    }
}

/// The members of live groups have to be in one epoch with one authenticator.
fn agree(authenticators: Authenticators, verified: &mut Verified) {
    for (group, members) in authenticators {
        let mut members = members.into_iter();
        let Some((_, epoch, authenticator)) = members.next() else { continue };
        verified.members += 1;
        for (number, their_epoch, theirs) in members {
            verified.members += 1;
            if (their_epoch, &theirs) != (epoch, &authenticator) {
                let fault = format!(
                    "live member {number} of group {group} ends in epoch {} and not with the \
                     others in epoch {}",
                    their_epoch.0, epoch.0
                );
                verified.faults.push(fault);
            }
        }
    }
}

/// Moves the live members out of the plan, each to its seat.
fn take_live(plan: &mut Plan) -> BTreeMap<Seat, crate::mls::LiveMember> {
    let mut live = BTreeMap::new();
    for (group, traffic) in (0_u32..).zip(&mut plan.traffic) {
        if let Traffic::Live { members, .. } = traffic {
            for (number, member) in (0_u32..).zip(members.drain(..)) {
                live.insert((group, number), member);
            }
        }
    }
    live
}

/// The real members of tapes, and the real joiners that come in.
fn tape_seats(plan: &Plan) -> Vec<Seat> {
    let groups = (0_u32..).zip(plan.population.groups());
    let real = groups.flat_map(|(index, _)| {
        let class = plan.class(index as usize);
        let members = if class.source == Source::Tape { class.real_members() } else { 0..0 };
        let joins = plan.traffic[index as usize].joins().iter();
        let joiners = joins.map(|join| join.member).filter(|it| class.real_joiners().contains(it));
        members.chain(joiners).map(move |member| (index, member))
    });
    real.collect()
}

/// The local address from which a target is reached: any, of the same family.
fn local_address(target: &Target) -> IpAddr {
    match target.addresses.first().map(SocketAddr::ip) {
        Some(IpAddr::V6(_)) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => std::net::Ipv4Addr::UNSPECIFIED.into(),
    }
}

impl Observer for &mut dyn Watch {
    fn progress(&mut self, progress: Progress) {
        (**self).progress(progress);
    }

    fn interval(&mut self, interval: &Interval) {
        (**self).interval(interval);
    }

    fn server_ended(&mut self) -> Option<String> {
        (**self).server_ended()
    }
}
