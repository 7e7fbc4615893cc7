//! What each group of a run will send: a tape, or members that make it up as they go.

use bytes::Bytes;

use super::population::{Group, Population};
use super::scenario::{Class, Scenario, Source};
use super::schedule::{Operation, OperationKind, Schedule};
use crate::delivery::{DeviceId, Epoch, Level};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::mls::cache::Cache;
use crate::mls::{
    LiveGroup, LiveMember, MemberError, MintError, Origin, Tape, TapeJoin, TapeMessage,
    TapeOperation, TapeSpec, mint_all, synthesize, units,
};

/// One group's messages.
#[derive(Debug)]
pub enum Traffic {
    /// Minted or synthesised before the run, in the order of the group's operations.
    Tape(Box<Tape>),
    /// Made inside the run.
    Live {
        /// The epoch that they start in.
        epoch: Epoch,
        /// On what a service that validates founds the group.
        founding: Founding,
        /// The members, until the run takes them.
        members: Vec<LiveMember>,
    },
}

/// What a service that validates is told of a new group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The number of the member at each leaf.
    pub by_leaf: Vec<u32>,
    /// The GroupInfo, an MLSMessage without the tree.
    pub group_info: Bytes,
    /// The ratchet tree (RFC 9420 §12.4.3.3).
    pub tree: Bytes,
}

/// Everything a run needs before it touches the network.
#[derive(Debug)]
pub struct Plan {
    /// What was asked.
    pub scenario: Scenario,
    /// Who takes part.
    pub population: Population,
    /// What is submitted when.
    pub schedule: Schedule,
    /// What each group submits, by index in the population.
    pub traffic: Vec<Traffic>,
    /// Why tapes could not be kept for the next run, if any could not.
    pub uncached: Option<String>,
}

/// Why traffic cannot be made. Nothing has been started.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// A tape cannot be minted.
    #[error("cannot mint MLS traffic: {0}")]
    Mint(MintError),
    /// A message is larger than the service takes.
    #[error(
        "group class {class:?} makes a message of {bytes} bytes; the service takes \
         {MESSAGE_BYTES_MAX}: fewer members, another suite or a smaller payload"
    )]
    TooLarge {
        /// Of which class.
        class: String,
        /// How large.
        bytes: usize,
    },
    /// Live members cannot form their group.
    #[error("cannot form a live group of class {class:?}: {source}")]
    Live {
        /// Of which class.
        class: String,
        /// Why.
        source: MemberError,
    },
}

/// A run whose schedule is fixed and whose messages are still to be made.
#[derive(Debug)]
pub struct Draft {
    scenario: Scenario,
    population: Population,
    schedule: Schedule,
    /// The tape of each group, by index; `None` for a live group.
    specs: Vec<Option<TapeSpec>>,
}

impl Draft {
    /// Plans a scenario.
    #[must_use]
    pub fn of(scenario: Scenario) -> Self {
        let population = Population::of(&scenario);
        let schedule = Schedule::plan(&scenario);
        let specs = specs(&population, &schedule);
        Self { scenario, population, schedule, specs }
    }

    /// What it was made of: the tape of each group comes last, none for a live group.
    pub(super) fn parts(&self) -> (&Scenario, &Population, &Schedule, &[Option<TapeSpec>]) {
        (&self.scenario, &self.population, &self.schedule, &self.specs)
    }

    /// The tapes that are to be minted, cached ones among them.
    pub fn minted(&self) -> impl Iterator<Item = &TapeSpec> {
        let groups = self.population.groups().iter().zip(&self.specs);
        groups
            .filter(|(group, _)| self.scenario.groups[group.class as usize].source == Source::Tape)
            .filter_map(|(_, spec)| spec.as_ref())
    }

    /// Units of work that [`Self::prepare`] will report.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.specs.iter().flatten().map(units).sum()
    }

    /// Mints, loads or makes up every group's traffic. `progress` gets units as they are done.
    ///
    /// # Errors
    /// When OpenMLS refuses what a class asks for, or a message is larger than the service takes.
    pub fn prepare(
        self,
        cache: Option<&Cache>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Plan, TrafficError> {
        let Self { scenario, population, schedule, mut specs } = self;
        let traffic = Vec::new();
        let mut plan = Plan { scenario, population, schedule, traffic, uncached: None };
        let groups = 0..specs.len();
        let minted = groups.filter(|group| plan.class(*group).source == Source::Tape);
        let wanted: Vec<TapeSpec> = minted.filter_map(|group| specs[group].take()).collect();
        let made = match cache {
            Some(cache) => cache.load_or_mint_all(&wanted, progress),
            None => mint_all(&wanted, progress)
                .map(|tapes| tapes.into_iter().map(|tape| (tape, Origin::Minted)).collect()),
        };
        let mut tapes = made.map_err(TrafficError::Mint)?.into_iter();
        for (index, spec) in specs.into_iter().enumerate() {
            let traffic = match spec {
                Some(spec) => {
                    let seed = plan.scenario.seed.wrapping_add(index as u64);
                    let tree = plan.class(index).tree;
                    progress(units(&spec));
                    Traffic::Tape(Box::new(synthesize(&spec, tree, seed)))
                }
                None if plan.class(index).source == Source::Live => plan.form(index)?,
                None => {
                    let (tape, origin) = tapes.next().expect("every tape asked for is made");
                    if let Origin::Uncached(why) = origin {
                        plan.uncached = Some(why);
                    }
                    Traffic::Tape(Box::new(tape))
                }
            };
            plan.check_sizes(index, &traffic)?;
            plan.traffic.push(traffic);
        }
        Ok(plan)
    }
}

impl Plan {
    /// A group's class, as a group of its size plays it.
    #[must_use]
    pub fn class(&self, group: usize) -> &Class {
        self.population.class(group)
    }

    /// A live group's members.
    fn form(&self, index: usize) -> Result<Traffic, TrafficError> {
        let group = &self.population.groups()[index];
        let class = self.class(index);
        let devices = devices(class, &self.population, group);
        let formed =
            LiveGroup::form(class.suite, group.id, class.members, class.handshake, &devices);
        let name = class.name.clone();
        let LiveGroup { members, tree, group_info } =
            formed.map_err(|source| TrafficError::Live { class: name, source })?;
        let epoch = members.first().map_or(Epoch(0), LiveMember::epoch);
        let by_leaf = (0..class.members).collect();
        let founding = Founding { by_leaf, group_info, tree };
        Ok(Traffic::Live { epoch, founding, members })
    }

    /// A message that the service would not take is found before anything is started.
    fn check_sizes(&self, index: usize, traffic: &Traffic) -> Result<(), TrafficError> {
        let Traffic::Tape(tape) = traffic else { return Ok(()) };
        let with_all = |message: &TapeMessage| {
            let effect = message.effect.as_deref();
            let brought = effect.map_or(0, |effect| effect.welcome.len() + effect.group_info.len());
            message.body.len() + brought
        };
        let largest = tape.messages.iter().map(with_all).max().unwrap_or(0);
        if largest > MESSAGE_BYTES_MAX {
            let class = self.class(index).name.clone();
            return Err(TrafficError::TooLarge { class, bytes: largest });
        }
        Ok(())
    }
}

impl Traffic {
    /// The epoch that the group is created at.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Tape(tape) => tape.epoch,
            Self::Live { epoch, .. } => *epoch,
        }
    }

    /// On what a service that validates founds the group; a synthetic group has only leaves.
    #[must_use]
    pub fn founding(&self) -> Founding {
        match self {
            Self::Tape(tape) => Founding {
                by_leaf: tape.spec.by_leaf(),
                group_info: tape.group_info.clone(),
                tree: tape.tree.clone(),
            },
            Self::Live { founding, .. } => founding.clone(),
        }
    }

    /// Message `index` of a tape.
    #[must_use]
    pub fn message(&self, index: u32) -> Option<&TapeMessage> {
        let Self::Tape(tape) = self else { return None };
        tape.messages.get(index as usize)
    }

    /// Everybody who comes in, in the order in which they do; nobody in a live group.
    #[must_use]
    pub fn joins(&self) -> &[TapeJoin] {
        if let Self::Tape(tape) = self { &tape.joins } else { &[] }
    }
}

/// The tape of each group, by index; `None` for a live group.
fn specs(population: &Population, schedule: &Schedule) -> Vec<Option<TapeSpec>> {
    let mut operations: Vec<Vec<TapeOperation>> = vec![Vec::new(); population.groups().len()];
    for operation in schedule.operations() {
        operations[operation.group as usize].extend(tape_operation(operation));
    }
    let groups = population.groups().iter().zip(operations).enumerate();
    let spec = |(index, (group, operations)): (usize, (&Group, Vec<TapeOperation>))| {
        let class = population.class(index);
        (class.source != Source::Live).then(|| TapeSpec {
            suite: class.suite,
            init_suite: class.welcome,
            group: group.id,
            members: class.members,
            senders: class.senders,
            real: if class.source == Source::Tape { class.real } else { 0 },
            joiners: class.joiners,
            real_joiners: u32::try_from(class.real_joiners().len()).unwrap_or(0),
            group_infos: !class.mix.external_joins.is_zero(),
            handshake: class.handshake,
            devices: devices(class, population, group),
            operations,
        })
    };
    groups.map(spec).collect()
}

/// By what a group's members are named in it: nothing of meaning where nobody looks.
fn devices(class: &Class, population: &Population, group: &Group) -> Vec<DeviceId> {
    let named = class.validation != Level::Opaque && class.source != Source::Synthetic;
    let members = if named { 0..group.devices() } else { 0..0 };
    members.map(|member| population.device(group, member)).collect()
}

fn tape_operation(operation: &Operation) -> Option<TapeOperation> {
    let sender = operation.sender;
    match operation.kind {
        OperationKind::Application { bytes } => Some(TapeOperation::Application { sender, bytes }),
        OperationKind::Commit => Some(TapeOperation::Commit { sender }),
        OperationKind::Add { member } => Some(TapeOperation::Add { sender, member }),
        OperationKind::Remove { member } => Some(TapeOperation::Remove { sender, member }),
        OperationKind::ProposeUpdate => Some(TapeOperation::ProposeUpdate { sender }),
        OperationKind::ProposeAdd { member } => Some(TapeOperation::ProposeAdd { sender, member }),
        OperationKind::ProposeRemove { member } => {
            Some(TapeOperation::ProposeRemove { sender, member })
        }
        OperationKind::Leave => Some(TapeOperation::Leave { member: sender }),
        OperationKind::ExternalJoin => Some(TapeOperation::ExternalJoin { member: sender }),
        OperationKind::Race => None,
    }
}
