//! F3: a message to every member, until the last has it, again and again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::error::Error;
use super::packet::{Key, Secret};
use super::recipients::{Recipient, Recipients, Shared};
use super::service::{MEMBER_BYTES, Member, Service};
use super::spread::Spread;
use super::work::Work;
use crate::clock;
use crate::limits::{CLIENT_SOCKETS, FLOOR_LOSSES_MAX, FLOOR_ROUNDS, FLOOR_ROUNDS_MIN};
use crate::net::{Bound, Socket};
use crate::process;

/// The floor of a delivery: what it costs at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F3 {
    /// What was done.
    pub work: Work,
    /// Processor time of the serving thread for one message to one member, in microseconds. Over
    /// loopback the kernel's half of receiving is in it.
    pub cpu_us_per_delivery: Spread,
    /// Wall time for one message to all members, divided by their number, in microseconds.
    pub wall_us_per_delivery: Spread,
    /// Messages x members in the rounds that count.
    pub deliveries: u64,
    /// Data packets of those.
    pub packets: u64,
    /// Acknowledgements that were taken in and opened for them.
    pub acks: u64,
    /// Rounds that count, each of some whole messages.
    pub rounds: u32,
    /// Rounds that lost packets and do not count.
    pub losses: u32,
    /// Bytes of state that the serving side touches for one message to all members.
    pub state_bytes: u64,
    /// Whether each side had a core of its own. If not, wall time is that of both together.
    pub apart: bool,
}

/// Measures the floor of `work` on this machine.
///
/// Takes two threads for about `budget`, or for the shortest number of rounds if one message to
/// all takes longer, and some 30 MiB beside 1.5 KiB a member. The serving thread is pinned to core
/// 0 and the members' to core 1 where there are two.
///
/// # Errors
/// When the work is out of range, a socket or thread cannot be had, or no round was without loss.
pub fn measure(work: &Work, budget: Duration) -> Result<F3, Error> {
    work.check()?;
    Arrangement::of(*work)?.measure(budget)
}

/// Both sides before they have threads: a socket that is driven cannot move to another thread.
#[derive(Debug)]
pub(super) struct Arrangement {
    work: Work,
    service: Bound,
    pub(super) members: Vec<Member>,
    sockets: Vec<Bound>,
    recipients: Vec<Recipient>,
    buffer_bytes: usize,
}

impl Arrangement {
    pub(super) fn of(work: Work) -> Result<Self, Error> {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let service = Bound::bind(any)?;
        let sockets =
            (0..CLIENT_SOCKETS).map(|_| Bound::bind(any)).collect::<Result<Vec<_>, _>>()?;
        let addresses = sockets.iter().map(Bound::address).collect::<Result<Vec<_>, _>>()?;
        let (mut members, mut recipients) = (Vec::new(), Vec::new());
        for (_, &address) in (0..work.members).zip(addresses.iter().cycle()) {
            let mut secret = Secret::default();
            aws_lc_rs::rand::fill(&mut secret).map_err(|_unspecified| Error::Random)?;
            members.push(Member::new(Key::new(&secret), address));
            recipients.push(Recipient::new(Key::new(&secret)));
        }
        let all = sockets.iter().chain([&service]);
        let buffer_bytes = all.map(Bound::buffer_bytes).min().unwrap_or(0);
        Ok(Self { work, service, members, sockets, recipients, buffer_bytes })
    }

    pub(super) fn measure(self, budget: Duration) -> Result<F3, Error> {
        let Self { work, service, members, sockets, recipients, buffer_bytes } = self;
        let address = service.address()?;
        let shared = &Shared::new();
        let two_cores = process::cores() > 1;
        std::thread::scope(|scope| {
            let serving = std::thread::Builder::new().name("floor-service".into());
            let serving = serving.spawn_scoped(scope, move || {
                let apart = two_cores && process::pin_to_core(0);
                let _stop = StopAtEnd(shared);
                let socket = Socket::new(service);
                let service = Service::new(socket, members, work, shared, buffer_bytes);
                rounds(service, budget).map(|(rounds, losses)| (rounds, losses, apart))
            });
            let serving = serving.map_err(Error::Thread)?;
            let wake = serving.thread().clone();
            let receiving = std::thread::Builder::new().name("floor-members".into());
            let receiving = receiving.spawn_scoped(scope, move || {
                let apart = two_cores && process::pin_to_core(1);
                let sockets = sockets.into_iter().map(Socket::new).collect();
                let all = Recipients::new(sockets, recipients, address, work.packets_per_ack);
                all.run(shared, &wake, apart).map(|()| apart)
            });
            // Without members the service finds that nothing arrives, and ends.
            let receiving = receiving.map_err(Error::Thread)?;
            let served = serving.join().expect("a service that fails says why");
            let members_apart = receiving.join().expect("members that fail say why")?;
            let (rounds, losses, service_apart) = served?;
            Ok(conclude(work, &rounds, losses, service_apart && members_apart))
        })
    }
}

/// However the service ends, the members do not wait for it.
struct StopAtEnd<'a>(&'a Shared);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

/// What one round took.
#[derive(Clone, Copy, Debug)]
struct Round {
    messages: u32,
    cpu: Duration,
    wall: Duration,
    packets: u64,
    acks: u64,
}

/// The rounds that count, and how many do not.
fn rounds(mut service: Service<'_>, budget: Duration) -> Result<(Vec<Round>, u32), Error> {
    let mut losses = 0;
    let mut rounds: Vec<Round> = Vec::new();
    if let Err(error) = service.warm_up() {
        losses += 1;
        service.resume_after(error)?;
    }
    let end = clock::now() + budget;
    let part = budget / FLOOR_ROUNDS;
    while rounds.len() < FLOOR_ROUNDS_MIN as usize || clock::now() < end {
        match round(&mut service, clock::now() + part) {
            Ok(round) => rounds.push(round),
            Err(error) if losses + 1 >= FLOOR_LOSSES_MAX => return Err(error),
            Err(error) => {
                losses += 1;
                service.resume_after(error)?;
            }
        }
    }
    Ok((rounds, losses))
}

/// Whole cycles of messages until `until`, with the acknowledgements that they are answered by.
fn round(service: &mut Service<'_>, until: Instant) -> Result<Round, Error> {
    let (packets, acks) = (service.packets_sent(), service.acks);
    let (started, cpu) = (clock::now(), process::thread_cpu());
    let mut messages = 0;
    loop {
        for _ in 0..service.messages_per_cycle() {
            service.deliver()?;
            messages += 1;
        }
        if clock::now() >= until {
            break;
        }
    }
    service.take_acks(0)?;
    Ok(Round {
        messages,
        cpu: process::thread_cpu().saturating_sub(cpu),
        wall: clock::now().saturating_duration_since(started),
        packets: service.packets_sent() - packets,
        acks: service.acks - acks,
    })
}

fn conclude(work: Work, rounds: &[Round], losses: u32, apart: bool) -> F3 {
    let deliveries = |round: &Round| u64::from(round.messages) * u64::from(work.members);
    let each = |of: fn(&Round) -> Duration| {
        let per = |round| of(round).as_secs_f64() * 1e6 / deliveries(round) as f64;
        Spread::of(rounds.iter().map(per)).unwrap_or_default()
    };
    F3 {
        work,
        cpu_us_per_delivery: each(|round| round.cpu),
        wall_us_per_delivery: each(|round| round.wall),
        deliveries: rounds.iter().map(deliveries).sum(),
        packets: rounds.iter().map(|round| round.packets).sum(),
        acks: rounds.iter().map(|round| round.acks).sum(),
        rounds: u32::try_from(rounds.len()).unwrap_or(u32::MAX),
        losses,
        state_bytes: u64::from(work.members) * MEMBER_BYTES as u64,
        apart,
    }
}
