//! Who takes part: by name, how each is entered, and what is known of each before it starts.
//!
//! Starts the brokers itself; services over QUIC are brought by the caller, who knows how they are
//! started. Called by `cli` to name entrants and by `contest` to enter them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::broker::{Broker, version};
use super::fault::Fault;
use super::fleet::Fleet;
use super::link::{Link, Sealing};
use super::nats::Nats;
use super::quic::Sessions;
use super::redis::Redis;
use super::tls::client_config;
use super::work::Work;
use crate::clock;
use crate::load::Target;
use crate::net::KeyExchange;

/// How often a server whose connections end is looked at before it counts as alive.
const ENDING_LOOKS: u32 = 10;
/// How long between two looks.
const ENDING_LOOK: Duration = Duration::from_millis(20);

/// The systems that are compared. Serialised in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// This service, as `serve` starts it.
    Stentor,
    /// NATS, core publish and subscribe.
    Nats,
    /// Redis, publish and subscribe.
    Redis,
    /// The baseline on stock quinn.
    Quinn,
    /// What the kernel and the cipher alone cost.
    Floor,
}

impl Name {
    /// All, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Stentor, Self::Nats, Self::Redis, Self::Quinn, Self::Floor];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stentor => "stentor",
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Quinn => "quinn",
            Self::Floor => "floor",
        }
    }

    /// What it is, for who reads a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Stentor => "Stentor, one shard",
            Self::Nats => "nats-server, TLS over TCP",
            Self::Redis => "redis-server pub/sub, TLS over TCP",
            Self::Quinn => "naive baseline: stock quinn, task per member",
            Self::Floor => "floor (F3): state, seal, send and acknowledgements, nothing else",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.name() == text)
    }
}

/// A server as a process: what its figures are read from, and whether it is still there.
pub trait Server {
    /// Its process.
    fn pid(&self) -> u32;
    /// How it has ended, if it has.
    fn ended(&mut self) -> Option<String>;
}

/// What the floor is measured for: the work of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloorWork {
    /// Members, each with an address of its own.
    pub members: u32,
    /// Mean length of a body.
    pub body_bytes: usize,
    /// Bodies that leave together, as those in flight can.
    pub in_flight: u32,
    /// Data packets that one acknowledgement answers: as many as it is with Stentor's members.
    pub packets_per_ack: u32,
}

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloorRound {
    /// Processor time of the sending side.
    pub cpu: Duration,
    /// How long it took.
    pub wall: Duration,
    /// Messages x members that it sent.
    pub deliveries: u64,
}

/// Measures the floor once; an error is one line.
pub type MeasureFloor<'a> = Box<dyn FnMut(&FloorWork) -> Result<FloorRound, String> + 'a>;

/// A service that is up and speaks our client protocol.
pub struct Service<'a> {
    /// Which.
    pub name: Name,
    /// Its process.
    pub server: Box<dyn Server + 'a>,
    /// Where and how it is reached.
    pub target: Target,
    /// The program's version.
    pub version: String,
    /// Its cipher suite where it accepts only one.
    pub cipher_suite: Option<String>,
}

impl std::fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A contestant as the caller brings it.
pub enum Entrant<'a> {
    /// A service that is up.
    Service(Box<Service<'a>>),
    /// NATS or Redis, to be started if it is installed.
    Broker(Name),
    /// The floor.
    Floor(MeasureFloor<'a>),
    /// One that was asked for and is not there, with a line that says why.
    Absent(Name, String),
}

impl std::fmt::Debug for Entrant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Entrant").field(&self.name()).finish()
    }
}

impl Entrant<'_> {
    /// Which it is.
    #[must_use]
    pub fn name(&self) -> Name {
        match self {
            Self::Service(service) => service.name,
            Self::Broker(name) | Self::Absent(name, _) => *name,
            Self::Floor(_) => Name::Floor,
        }
    }
}

/// Whether a contestant takes part. Serialised in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every round of it counts.
    Completed,
    /// It is not there.
    Skipped,
    /// A round of it does not count; what came before does.
    Failed,
}

/// A contestant while it takes part, and what is left of it afterwards.
pub(super) struct Contestant<'a> {
    pub(super) name: Name,
    pub(super) version: Option<String>,
    pub(super) sealing: Sealing,
    pub(super) status: Status,
    pub(super) why: Option<String>,
    /// `None` when it is out.
    pub(super) part: Option<Part<'a>>,
}

/// How a contestant takes part.
pub(super) enum Part<'a> {
    Served(Served<'a>),
    Floor(MeasureFloor<'a>),
}

/// Members first: they leave before their server does.
pub(super) struct Served<'a> {
    pub(super) link: Box<dyn Link + 'a>,
    pub(super) server: Box<dyn Server + 'a>,
    /// Descriptors that its members need.
    pub(super) descriptors: usize,
    pub(super) connected: bool,
}

impl Served<'_> {
    /// How the server has ended, if it has: a little later than its connections.
    pub(super) fn ended_soon(&mut self) -> Option<String> {
        (0..ENDING_LOOKS).find_map(|_| {
            let ended = self.server.ended();
            if ended.is_none() {
                clock::wait_until(clock::now() + ENDING_LOOK);
            }
            ended
        })
    }
}

impl<'a> Contestant<'a> {
    /// Starts what has to be started; nobody is connected yet.
    pub(super) fn enter(entrant: Entrant<'a>, work: &'a Work, key_exchange: KeyExchange) -> Self {
        let name = entrant.name();
        let mut contestant = Self {
            name,
            version: None,
            sealing: Sealing::default(),
            status: Status::Completed,
            why: None,
            part: None,
        };
        if let Err(fault) = contestant.start(entrant, work, key_exchange) {
            contestant.fail(&fault);
        }
        contestant
    }

    /// It is out from here on.
    pub(super) fn fail(&mut self, fault: &Fault) {
        self.status = Status::Failed;
        self.why = Some(fault.to_string());
        self.part = None;
    }

    /// Members and server, while it has them.
    pub(super) fn served(&mut self) -> Option<&mut Served<'a>> {
        match &mut self.part {
            Some(Part::Served(served)) => Some(served),
            _ => None,
        }
    }

    fn start(
        &mut self,
        entrant: Entrant<'a>,
        work: &'a Work,
        key_exchange: KeyExchange,
    ) -> Result<(), Fault> {
        let served = |link, server, descriptors| {
            Some(Part::Served(Served { link, server, descriptors, connected: false }))
        };
        match entrant {
            Entrant::Service(service) => {
                let Service { server, target, version, cipher_suite, .. } = *service;
                self.version = Some(version);
                let link = Sessions::new(work, target, key_exchange, cipher_suite)?;
                self.part = served(Box::new(link), server, 0);
            }
            Entrant::Broker(name) => match version(name.name())? {
                Err(how) => self.skip(how),
                Ok(version) => {
                    self.version = Some(version);
                    let broker = Broker::start(name.name())?;
                    let link = members_of(name, &broker, work)?;
                    self.part = served(link, Box::new(broker), work.members.len() + 1);
                }
            },
            Entrant::Floor(measure) => self.part = Some(Part::Floor(measure)),
            Entrant::Absent(_, why) => self.skip(why),
        }
        Ok(())
    }

    fn skip(&mut self, why: String) {
        self.status = Status::Skipped;
        self.why = Some(why);
    }
}

fn members_of<'a>(
    name: Name,
    broker: &Broker,
    work: &'a Work,
) -> Result<Box<dyn Link + 'a>, Fault> {
    let config = client_config(broker.certificate.clone())?;
    let (address, members) = (broker.address, work.members.len());
    Ok(match name {
        Name::Redis => Box::new(Fleet::<Redis>::new(address, config, members)?),
        _ => Box::new(Fleet::<Nats>::new(address, config, members)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contestant_is_named_as_it_is_written_in_records_and_on_the_command_line() {
        for name in Name::ALL {
            assert_eq!(Name::parse(name.name()), Some(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.name());
        }
        assert_eq!(Name::parse("kafka"), None);
    }
}
