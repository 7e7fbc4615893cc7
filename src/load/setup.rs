//! Before and after the measured part: connect, create, attach; delete.
//!
//! Nothing here is measured. Each step keeps a bounded number of requests in flight, so that a
//! handshake burst never meets a full socket buffer, and gives up with what it waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::client::{Client, Heard, SessionNumber};
use super::target::Target;
use super::traffic::Plan;
use crate::clock;
use crate::delivery::{DeviceId, Level, MessageId, Reject, Seq};
use crate::limits::{CONNECTING_MAX, SETUP_SILENCE_MAX};
use crate::net;
use crate::wire::{OPERATOR, Reason, Reply, Request};

/// What a run is busy with, for whoever shows progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connecting and authenticating members.
    Connecting,
    /// Making groups at the service.
    Creating,
    /// Leaving KeyPackages for those who will be added.
    Publishing,
    /// Attaching members to their groups.
    Attaching,
}

/// Why a run could not start at the service.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The network refused.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// A session ended before the run began.
    #[error("the server ended a session while {stage}: {reason}")]
    Over {
        /// Doing what.
        stage: &'static str,
        /// How.
        reason: net::Lost,
    },
    /// Nothing came for [`SETUP_SILENCE_MAX`].
    #[error("the server at {address} does not answer while {stage} ({done} of {total} done)")]
    Silence {
        /// Where.
        address: std::net::SocketAddr,
        /// Doing what.
        stage: &'static str,
        /// Steps done.
        done: u32,
        /// Steps in all.
        total: u32,
    },
    /// The service refused something that a run needs.
    #[error("the server refused {what}: {reason:?}")]
    Refused {
        /// What.
        what: String,
        /// Why.
        reason: Reason,
    },
    /// Groups are to be durable, and the service keeps no log.
    #[error(
        "groups of class {class:?} are to be durable, and the server keeps no log: start it with \
         --log FOLDER, or run with --durability none"
    )]
    NotDurable {
        /// The class.
        class: String,
    },
    /// KeyPackages are for one use, and the tape's have been published before.
    #[error(
        "the server refused the KeyPackages of this run's joiners: it has seen them before, in an \
         earlier run of the same tape. Each is good for one group: run with --no-cache, which mints \
         others, or start the server anew"
    )]
    KeyPackagesKnown,
    /// Groups of an earlier run are still there.
    #[error(
        "the server already has group {group} of this run: another run of this scenario uses the \
         server, or one has crashed; pass --replace to delete its groups first"
    )]
    GroupExists {
        /// Index of the group.
        group: u32,
    },
}

/// Sessions of a run: member `n` of the population is session `n`; the operator's comes after.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    pub(super) client: Client,
    pub(super) operator: SessionNumber,
    plan: &'a Plan,
    target: &'a Target,
    replace: bool,
    requests: u64,
}

impl<'a> Setup<'a> {
    /// Connects and authenticates every member and the operator.
    pub(super) fn connect(
        plan: &'a Plan,
        target: &'a Target,
        client: Client,
        replace: bool,
        progress: &mut dyn FnMut(Stage, u32, u32),
    ) -> Result<Self, SetupError> {
        let operator = plan.population.sessions();
        let mut setup = Self { client, operator, plan, target, replace, requests: 0 };
        let devices = devices(plan);
        let total = operator + 1;
        let mut wait = Wait::new("connecting", target, total);
        let (mut opened, mut ready) = (0, 0);
        let mut connection = None;
        while ready < total {
            while opened < total && opened - ready < CONNECTING_MAX {
                let (device, number, window) =
                    devices.get(opened as usize).copied().unwrap_or((OPERATOR, u32::MAX, None));
                let id = match connection {
                    Some((id, same)) if same == number => id,
                    _ => {
                        let address = target.addresses[number as usize % target.addresses.len()];
                        match window {
                            Some(window) => {
                                setup.client.connect_within(clock::now(), address, window)?
                            }
                            None => setup.client.connect(clock::now(), address)?,
                        }
                    }
                };
                connection = Some((id, number));
                let session = setup.client.open(id, device, target.token(device));
                assert_eq!(session, opened, "sessions are numbered as they are opened");
                opened += 1;
            }
            ready += setup.turn(&mut wait, |reply| matches!(reply, Reply::Ready { .. }))?;
            wait.done = ready;
            progress(Stage::Connecting, ready, total);
        }
        Ok(setup)
    }

    /// Creates every group and attaches every member to it.
    pub(super) fn populate(
        &mut self,
        progress: &mut dyn FnMut(Stage, u32, u32),
    ) -> Result<(), SetupError> {
        if self.replace {
            self.delete_existing_groups()?;
        }
        let groups = u32::try_from(self.plan.population.groups().len()).unwrap_or(u32::MAX);
        let mut wait = Wait::new("creating groups", self.target, groups);
        for group in 0..groups {
            self.create(group);
            let mut done = 0;
            while done == 0 {
                done = self.turn(&mut wait, |reply| matches!(reply, Reply::Done { .. }))?;
            }
            wait.done = group + 1;
            progress(Stage::Creating, group + 1, groups);
        }
        self.publish_all(progress)?;
        self.attach_all(progress)
    }

    /// The client, the operator's session, and how many requests were made so far.
    pub(super) fn into_parts(self) -> (Client, SessionNumber, u64) {
        (self.client, self.operator, self.requests)
    }

    /// Takes the client back when the load is over.
    pub(super) fn resume(
        plan: &'a Plan,
        target: &'a Target,
        client: Client,
        operator: SessionNumber,
        requests: u64,
    ) -> Self {
        Self { client, operator, plan, target, replace: false, requests }
    }

    /// Deletes every group of the run that the service has.
    pub(super) fn delete_groups(mut self) -> Result<Client, SetupError> {
        self.delete_existing_groups()?;
        Ok(self.client)
    }

    fn delete_existing_groups(&mut self) -> Result<(), SetupError> {
        let groups = self.plan.population.groups();
        let total = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        let mut wait = Wait::new("deleting groups", self.target, total);
        for group in groups {
            let request = self.next_request();
            let delete = Request::Delete { request, group: group.id };
            self.client.request(self.operator, &delete);
            let mut answered = 0;
            while answered == 0 {
                answered = self.turn(&mut wait, |reply| match reply {
                    Reply::Done { .. } => true,
                    Reply::Rejected { reason, .. } => {
                        *reason == Reason::Rejected(Reject::UnknownGroup)
                    }
                    _ => false,
                })?;
            }
            wait.done += 1;
        }
        Ok(())
    }

    fn create(&mut self, index: u32) {
        let population = &self.plan.population;
        let group = &population.groups()[index as usize];
        let class = self.plan.class(index as usize);
        let traffic = &self.plan.traffic[index as usize];
        let (epoch, first, level) = (traffic.epoch(), group.first_member, class.validation);
        let founding = (level != Level::Opaque).then(|| traffic.founding());
        let by_leaf = founding.as_ref().map(|founding| founding.by_leaf.clone());
        let members = by_leaf.unwrap_or_else(|| (0..group.members).collect());
        let roster = members.iter().map(|member| population.device(group, *member)).collect();
        let (group_info, tree) = founding
            .filter(|_| level == Level::Public)
            .map(|founding| (founding.group_info, founding.tree))
            .unzip();
        let (durability, group) = (Some(class.durability), group.id);
        let request = self.next_request();
        let create =
            Request::Create { request, epoch, group, durability, level, roster, group_info, tree };
        self.client.request(first, &create);
    }

    /// Leaves the KeyPackages of those who will be added, in the order in which they are used, and asks
    /// for their Welcomes. What an earlier run has left there is claimed away.
    fn publish_all(&mut self, progress: &mut dyn FnMut(Stage, u32, u32)) -> Result<(), SetupError> {
        let to_publish = publications(self.plan);
        let total = u32::try_from(to_publish.len()).unwrap_or(u32::MAX);
        let mut wait = Wait::new("publishing KeyPackages", self.target, total);
        for (session, suite, packages) in to_publish {
            let (request, count) = (self.next_request(), packages.len());
            let publish = Request::Publish { request, last_resort: false, packages };
            self.client.request(session, &publish);
            let mut waiting = None;
            while waiting.is_none() {
                self.turn(&mut wait, |reply| match reply {
                    Reply::Published { left, .. } => {
                        waiting = Some(*left as usize);
                        true
                    }
                    _ => false,
                })?;
            }
            for _ in count..waiting.unwrap_or(count) {
                let (request, device) = (self.next_request(), self.client.device(session));
                self.client.request(session, &Request::Claim { request, device, suite });
                let mut answered = 0;
                while answered == 0 {
                    answered =
                        self.turn(&mut wait, |reply| matches!(reply, Reply::KeyPackage { .. }))?;
                }
            }
            self.client.request(session, &Request::Collect);
            wait.done += 1;
            progress(Stage::Publishing, wait.done, total);
        }
        Ok(())
    }

    fn attach_all(&mut self, progress: &mut dyn FnMut(Stage, u32, u32)) -> Result<(), SetupError> {
        let total = self.plan.population.members();
        let mut wait = Wait::new("attaching members", self.target, total);
        let (mut asked, mut attached) = (0, 0);
        let mut members = self
            .plan
            .population
            .groups()
            .iter()
            .flat_map(|group| (0..group.members).map(move |member| (group, member)));
        while attached < total {
            while asked - attached < CONNECTING_MAX {
                let Some((group, member)) = members.next() else { break };
                let attach = Request::Attach { group: group.id, after: Seq(0) };
                self.client.request(group.first_member + member, &attach);
                asked += 1;
            }
            attached += self.turn(&mut wait, |reply| matches!(reply, Reply::Attached { .. }))?;
            wait.done = attached;
            progress(Stage::Attaching, attached, total);
        }
        Ok(())
    }

    /// One turn of the client; how many wanted answers came. Anything else that a run cannot
    /// start with is an error.
    fn turn(
        &mut self,
        wait: &mut Wait,
        mut wanted: impl FnMut(&Reply) -> bool,
    ) -> Result<u32, SetupError> {
        let now = clock::now();
        self.client.turn(now)?;
        let mut came = 0;
        while let Some((session, heard)) = self.client.poll() {
            wait.heard = now;
            match heard {
                Heard::Reply(reply) if wanted(&reply) => came += 1,
                Heard::Reply(Reply::Rejected {
                    reason: Reason::Rejected(Reject::GroupExists),
                    ..
                }) => {
                    // Groups are created one at a time, in order.
                    return Err(SetupError::GroupExists { group: wait.done });
                }
                Heard::Reply(Reply::Rejected {
                    reason: Reason::Rejected(Reject::NotDurable),
                    ..
                }) => {
                    let class = self.plan.class(wait.done as usize).name.clone();
                    return Err(SetupError::NotDurable { class });
                }
                Heard::Reply(Reply::Rejected {
                    reason: Reason::Rejected(Reject::BadKeyPackage),
                    ..
                }) => return Err(SetupError::KeyPackagesKnown),
                Heard::Reply(reply) => refusal(reply, session)?,
                Heard::Over(reason) => return Err(SetupError::Over { stage: wait.stage, reason }),
                Heard::Delivery(_) => {}
            }
        }
        wait.check(now)?;
        if came == 0 {
            self.client.wait(now, Some(now + Duration::from_millis(20)), None);
        }
        Ok(came)
    }

    fn next_request(&mut self) -> MessageId {
        self.requests += 1;
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        MessageId(id)
    }
}

/// One session as operator, only to hear on which port each shard is.
pub(super) fn ask_for_ports(target: &Target, mut client: Client) -> Result<Vec<u16>, SetupError> {
    let stage = "connecting";
    let connection = client.connect(clock::now(), target.addresses[0])?;
    client.open(connection, OPERATOR, target.token(OPERATOR));
    let wait = Wait::new(stage, target, 1);
    loop {
        let now = clock::now();
        client.turn(now)?;
        while let Some((session, heard)) = client.poll() {
            match heard {
                Heard::Reply(Reply::Ready { ports, .. }) => {
                    client.close(now, session);
                    client.transmit(now)?;
                    return Ok(ports);
                }
                Heard::Reply(reply) => refusal(reply, session)?,
                Heard::Over(reason) => return Err(SetupError::Over { stage, reason }),
                Heard::Delivery(_) => {}
            }
        }
        wait.check(now)?;
        client.wait(now, Some(now + Duration::from_millis(20)), None);
    }
}

/// Patience with a server that says nothing.
struct Wait {
    stage: &'static str,
    address: std::net::SocketAddr,
    heard: Instant,
    done: u32,
    total: u32,
}

impl Wait {
    fn new(stage: &'static str, target: &Target, total: u32) -> Self {
        let address = target.addresses[0];
        Self { stage, address, heard: clock::now(), done: 0, total }
    }

    fn check(&self, now: Instant) -> Result<(), SetupError> {
        if now.saturating_duration_since(self.heard) < SETUP_SILENCE_MAX {
            return Ok(());
        }
        let Self { stage, address, done, total, .. } = *self;
        Err(SetupError::Silence { address, stage, done, total })
    }
}

/// Every membership's device and connection, in order of its number, and how much a slow one lets the
/// service send before it has read it.
fn devices(plan: &Plan) -> Vec<(DeviceId, u32, Option<u32>)> {
    let population = &plan.population;
    let mut devices = Vec::with_capacity(population.sessions() as usize);
    for (index, group) in population.groups().iter().enumerate() {
        let class = plan.class(index);
        let who = class.slow_members();
        for member in 0..group.devices() {
            let slow = class.slow.filter(|_| who.contains(&member));
            let window = slow.map(|slow| slow.window);
            devices.push((population.device(group, member), group.connection(member), window));
        }
    }
    devices
}

/// By session, the KeyPackages that it publishes, in the order in which they are used.
fn publications(plan: &Plan) -> Vec<(SessionNumber, u16, Vec<Bytes>)> {
    let mut by_session: BTreeMap<SessionNumber, (u16, Vec<Bytes>)> = BTreeMap::new();
    for (index, group) in plan.population.groups().iter().enumerate() {
        let suite = plan.class(index).suite.facts().code_point;
        let joins = plan.traffic[index].joins().iter();
        for join in joins.filter(|join| !join.key_package.is_empty()) {
            let of = by_session.entry(group.first_member + join.member);
            of.or_insert_with(|| (suite, Vec::new())).1.push(join.key_package.clone());
        }
    }
    by_session.into_iter().map(|(session, (suite, packages))| (session, suite, packages)).collect()
}

fn refusal(reply: Reply, session: SessionNumber) -> Result<(), SetupError> {
    let (what, reason) = match reply {
        Reply::Rejected { reason, .. } => ("a group of this run".to_owned(), reason),
        Reply::AttachRefused { reason, .. } => (format!("to attach member {session}"), reason),
        Reply::Refused { .. } => (format!("a session to member {session}"), Reason::Busy),
        _ => return Ok(()),
    };
    Err(SetupError::Refused { what, reason })
}
