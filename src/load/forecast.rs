//! What a run will do, said before it: operations and deliveries to the one, bytes within bounds.
//!
//! Counts what the schedule holds and follows each group's members through it. Only live groups make
//! things up as they go: theirs are bounds. Rests on no measurement, so it has no time and no memory
//! in it; `campaign` adds those. Pure. Called by `explain`.

mod absent;

use std::time::Duration;

pub use absent::Absent;

use super::bytes::{self, Bounds};
use super::contention::Policy;
use super::phases::PhaseKind;
use super::population::Group;
use super::scenario::{Class, Source};
use super::schedule::Operation;
use super::traffic::Draft;
use crate::delivery::{Durability, Kind};
use crate::limits::{
    KEPT_MESSAGE_BYTES, LOGGED_MESSAGE_BYTES, RACE_ATTEMPTS_MAX, RING_BYTES_MAX, RING_ENTRIES_MAX,
};
use crate::mls::size::{Change, Dimensions, IDENTITY_BYTES};
use crate::mls::{Foretold, TapeSpec, TreeState, foretell};

/// What a run will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// For each class, in the scenario's order.
    pub classes: Vec<OfClass>,
    /// For each phase, in order.
    pub phases: Vec<OfPhase>,
    /// Groups.
    pub groups: u64,
    /// Members of all groups at the start.
    pub members: u64,
    /// Sessions: those members, and everybody who may join.
    pub sessions: u64,
    /// Connections at the start.
    pub connections: u64,
    /// Bytes that durable groups leave in the log, checkpoints aside.
    pub log_bytes: Bounds,
    /// Bytes that messages kept for members that catch up take in the service's memory: those that
    /// are there at the end, unless members acknowledge them.
    pub kept_bytes: Bounds,
    /// Bytes of all tapes in the engine's memory.
    pub tape_bytes: Bounds,
    /// Bytes of the longest message.
    pub longest: f64,
    /// Bytes of messages that may be on their way to members at once: every member of the largest
    /// fan-out assembles its own.
    pub assembled_bytes: f64,
}

/// What the groups of one class will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfClass {
    /// The class's name.
    pub name: String,
    /// How many groups.
    pub groups: u64,
    /// Members of all of them at the start.
    pub members: u64,
    /// Application messages.
    pub applications: u64,
    /// Proposals.
    pub proposals: u64,
    /// Commits, joins from outside among them.
    pub commits: u64,
    /// Of the commits, joins from outside.
    pub joins: u64,
    /// Rounds that live members race in.
    pub rounds: u64,
    /// Members that come in, by whatever way.
    pub added: u64,
    /// Members that go.
    pub removed: u64,
    /// Members that come in by a Welcome.
    pub welcomed: u64,
    /// Bytes of the KeyPackages by which they are asked in: the most where signatures vary.
    pub key_package_bytes: f64,
    /// Bytes of the Welcomes that they get, likewise.
    pub welcome_bytes: f64,
    /// Messages that will be ordered.
    pub accepted: Bounds,
    /// Members that get them, added up.
    pub deliveries: Bounds,
    /// Bytes of MLS messages that are submitted.
    pub submitted: Bounds,
    /// Bytes of MLS messages that members get.
    pub delivered: Bounds,
    /// The same with frames, and every header on the network.
    pub egress: Bounds,
    /// Submissions and what acknowledges deliveries, with every header on the network. Welcomes,
    /// KeyPackages and the GroupInfo that lets others in are on top.
    pub ingress: Bounds,
    /// Bytes of a message, on average: the likeliest.
    pub mean_frame: f64,
    /// Members of it that go away, and that read slowly.
    pub absent: Absent,
}

/// What will happen in one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct OfPhase {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: PhaseKind,
    /// How long it is.
    pub length: Duration,
    /// Operations that are due in it; a round of a race is one.
    pub operations: u64,
    /// Operations in its busiest second.
    pub busiest: u64,
    /// Deliveries of what is due in it: the most.
    pub deliveries: f64,
    /// Deliveries of what is due in its busiest second: the most.
    pub busiest_deliveries: f64,
}

impl Forecast {
    /// Of a run that is drafted. Costs a pass over its operations, and for each commit log N.
    #[must_use]
    pub fn of(draft: &Draft) -> Self {
        let (scenario, population, schedule, specs) = draft.parts();
        let mut forecast = Self {
            classes: scenario.groups.iter().map(OfClass::named).collect(),
            groups: population.groups().len() as u64,
            members: population.members().into(),
            sessions: population.sessions().into(),
            connections: population.connections().into(),
            ..Self::default()
        };
        let mut reach: Vec<Vec<f64>> = Vec::with_capacity(specs.len());
        for (index, (group, spec)) in population.groups().iter().zip(specs).enumerate() {
            let class = population.class(index);
            let of_class = &mut forecast.classes[group.class as usize];
            of_class.groups += 1;
            of_class.members += u64::from(group.members);
            let counted = match spec {
                Some(spec) => Counted::of_tape(class, group, spec),
                None => Counted::default(),
            };
            reach.push(counted.reach.clone());
            forecast.add(group, class, &counted);
        }
        for operation in schedule.operations() {
            let group = &population.groups()[operation.group as usize];
            let class = population.class(operation.group as usize);
            if class.source == Source::Live {
                let counted = Counted::of_round(class, group);
                reach[operation.group as usize].push(counted.deliveries.most);
                forecast.classes[group.class as usize].rounds += 1;
                forecast.add(group, class, &counted);
            }
        }
        forecast.classes.iter_mut().for_each(OfClass::finish);
        absent::fill_in(&mut forecast.classes, scenario, population, schedule.operations());
        forecast.phases = phases(&scenario.phases, schedule.operations(), &reach);
        forecast
    }

    /// Operations of the schedule; a round of a race is one.
    #[must_use]
    pub fn operations(&self) -> u64 {
        let of =
            |class: &OfClass| class.applications + class.proposals + class.commits + class.rounds;
        self.classes.iter().map(of).sum()
    }

    /// A figure of every class, added up.
    #[must_use]
    pub fn total(&self, of: impl Fn(&OfClass) -> Bounds) -> Bounds {
        self.classes.iter().map(of).fold(Bounds::default(), Bounds::plus)
    }

    fn add(&mut self, group: &Group, class: &Class, counted: &Counted) {
        let of = &mut self.classes[group.class as usize];
        of.applications += counted.kinds[0];
        of.proposals += counted.kinds[1];
        of.commits += counted.kinds[2];
        of.joins += counted.joins;
        of.added += counted.added;
        of.removed += counted.removed;
        of.welcomed += counted.welcomed;
        of.key_package_bytes += counted.key_package_bytes;
        of.welcome_bytes += counted.welcome_bytes;
        of.accepted = of.accepted.plus(counted.accepted);
        of.deliveries = of.deliveries.plus(counted.deliveries);
        of.submitted = of.submitted.plus(counted.submitted);
        of.delivered = of.delivered.plus(counted.delivered);
        of.egress = of.egress.plus(counted.egress);
        of.ingress = of.ingress.plus(counted.ingress);
        self.longest = self.longest.max(counted.longest);
        self.assembled_bytes =
            self.assembled_bytes.max(counted.longest * f64::from(group.devices()));
        if class.source != Source::Live {
            self.tape_bytes = self.tape_bytes.plus(counted.submitted);
        }
        if class.durability == Durability::Wal {
            let overhead = counted.accepted.times(LOGGED_MESSAGE_BYTES as f64);
            self.log_bytes = self.log_bytes.plus(counted.submitted).plus(overhead);
        }
        self.kept_bytes = self.kept_bytes.plus(counted.kept(class));
    }
}

/// What one group, or one round of it, comes to.
#[derive(Clone, Debug, Default)]
struct Counted {
    /// Applications, proposals, commits.
    kinds: [u64; 3],
    joins: u64,
    added: u64,
    removed: u64,
    welcomed: u64,
    key_package_bytes: f64,
    welcome_bytes: f64,
    accepted: Bounds,
    deliveries: Bounds,
    submitted: Bounds,
    delivered: Bounds,
    egress: Bounds,
    ingress: Bounds,
    longest: f64,
    /// Who gets each operation, in order.
    reach: Vec<f64>,
}

impl Counted {
    /// A tape as it will be: a synthetic one to the byte, a minted one between the two states that
    /// its tree may be in.
    fn of_tape(class: &Class, group: &Group, spec: &TapeSpec) -> Self {
        let trees = match class.source {
            Source::Synthetic => [class.tree, class.tree],
            Source::Tape | Source::Live => [TreeState::Merged, TreeState::Fresh],
        };
        let [Some(least), Some(most)] = trees.map(|tree| foretell(spec, tree)) else {
            return Self::default();
        };
        let mut counted = Self::default();
        let mut members = u64::from(group.members);
        for (least, most) in least.iter().zip(&most) {
            let smaller = least.bytes.min(most.bytes) as f64;
            let body = Bounds { least: smaller, most: least.bytes.max(most.bytes) as f64 };
            let reached = reached(members, *least);
            members = members + u64::from(least.added) - u64::from(least.removed);
            counted.message(*least, body, reached as f64);
        }
        counted
    }

    /// A round of a race: at least one commit of somebody; at most every racer brings a commit through
    /// that takes in everybody's proposal, after all that its policy has it say before.
    fn of_round(class: &Class, group: &Group) -> Self {
        let racing: Vec<u32> = (0..class.racers).collect();
        let body = |tree, updated: &[u32]| {
            let dimensions = Dimensions {
                lengths: class.suite.lengths(),
                group_id: group.id.as_bytes().len(),
                identity: IDENTITY_BYTES,
                members: group.members,
                tree,
                handshake: class.handshake,
            };
            let referred = !updated.is_empty();
            let change = Change { updated, referred, ..Change::default() };
            dimensions.commit(group.members / 2, &change) as f64
        };
        let (merged, fresh) = (body(TreeState::Merged, &[]), body(TreeState::Fresh, &racing));
        let (racers, members) = (f64::from(class.racers), f64::from(group.members));
        // Whoever claims or proposes first has that ordered too, anew for each attempt.
        let each = match class.contention.map(|contention| contention.policy) {
            None | Some(Policy::Retry | Policy::Backoff(_)) => 1.0,
            Some(Policy::Proposals { .. } | Policy::Lease { .. }) => {
                1.0 + f64::from(RACE_ATTEMPTS_MAX)
            }
        };
        let accepted = Bounds { least: 1.0, most: each * racers };
        let frame = |body: f64| body + bytes::delivery_frame(0) as f64;
        let delivered = Bounds { least: merged * members, most: fresh * members * accepted.most };
        let attempts = racers * f64::from(RACE_ATTEMPTS_MAX);
        Self {
            accepted,
            deliveries: accepted.times(members),
            submitted: Bounds { least: merged, most: fresh * attempts },
            delivered,
            egress: Bounds {
                least: bytes::on_the_network(frame(merged)).least * members,
                most: bytes::on_the_network(frame(fresh)).most * members * accepted.most,
            },
            ingress: Bounds {
                least: bytes::on_the_network(merged).least,
                most: bytes::on_the_network(fresh).most * attempts
                    + bytes::acknowledgements(frame(fresh)).most * members * accepted.most,
            },
            longest: fresh,
            ..Self::default()
        }
    }

    fn message(&mut self, of: Foretold, body: Bounds, reached: f64) {
        let place = match of.kind {
            Kind::Application => 0,
            Kind::Proposal => 1,
            Kind::Commit => 2,
        };
        self.kinds[place] += 1;
        self.joins += u64::from(of.joins);
        self.added += u64::from(of.added);
        self.removed += u64::from(of.removed);
        if of.welcome > 0 {
            self.welcomed += u64::from(of.added);
            self.key_package_bytes += f64::from(of.added) * of.key_package as f64;
            self.welcome_bytes += f64::from(of.added) * of.welcome as f64;
        }
        self.reach.push(reached);
        self.accepted = self.accepted.plus(Bounds::exactly(1.0));
        self.deliveries = self.deliveries.plus(Bounds::exactly(reached));
        self.submitted = self.submitted.plus(body);
        self.delivered = self.delivered.plus(body.times(reached));
        let frame = body.plus(Bounds::exactly(bytes::delivery_frame(0) as f64));
        let up = body.plus(Bounds::exactly(bytes::submission_frame(0) as f64));
        let down = bounds(frame, bytes::on_the_network).times(reached);
        let answers = bounds(frame, bytes::acknowledgements).times(reached);
        self.egress = self.egress.plus(down);
        self.ingress = self.ingress.plus(bounds(up, bytes::on_the_network)).plus(answers);
        self.longest = self.longest.max(body.most);
    }

    /// What is kept at the end, within the bounds of a group's ring; nothing at least, where members
    /// acknowledge.
    fn kept(&self, class: &Class) -> Bounds {
        let messages = self.accepted.most.max(1.0);
        let kept = messages.min(RING_ENTRIES_MAX as f64);
        let of = |bytes: f64| {
            let bodies = (bytes * kept / messages).min(RING_BYTES_MAX as f64);
            bodies + kept * KEPT_MESSAGE_BYTES as f64
        };
        let acknowledged = class.acknowledge.is_some();
        let least = if acknowledged { 0.0 } else { of(self.submitted.least) };
        Bounds { least, most: of(self.submitted.most) }
    }
}

impl OfClass {
    fn named(class: &Class) -> Self {
        Self { name: class.name.clone(), ..Self::default() }
    }

    fn finish(&mut self) {
        let frame = bytes::delivery_frame(0) as f64;
        let messages = self.deliveries.least.max(1.0);
        self.mean_frame = self.delivered.least / messages + frame;
    }
}

/// Who gets a message: everybody who is a member when it is ordered, and whom a commit brings in: its
/// first message is that commit. Who is removed learns of it by it.
fn reached(members: u64, of: Foretold) -> u64 {
    members + u64::from(of.added)
}

fn bounds(frame: Bounds, of: fn(f64) -> Bounds) -> Bounds {
    Bounds { least: of(frame.least).least, most: of(frame.most).most }
}

fn phases(
    phases: &[super::phases::Phase],
    operations: &[Operation],
    reach: &[Vec<f64>],
) -> Vec<OfPhase> {
    let reached = |operation: &Operation| {
        let of = |number: u32| usize::try_from(number).ok();
        let group = of(operation.group).and_then(|group| reach.get(group));
        group.zip(of(operation.index_in_group)).and_then(|(group, place)| group.get(place))
    };
    let of_phase = |phase: &super::phases::Phase| {
        let from = operations.partition_point(|operation| operation.intended < phase.from);
        let to = operations.partition_point(|operation| operation.intended < phase.to());
        let within = &operations[from..to];
        let mut seconds: Vec<(u64, f64)> = Vec::new();
        let mut current = None;
        for operation in within {
            let second = (operation.intended - phase.from).as_secs();
            if current != Some(second) {
                current = Some(second);
                seconds.push((0, 0.0));
            }
            let (count, deliveries) = seconds.last_mut().expect("it was just pushed");
            *count += 1;
            *deliveries += reached(operation).copied().unwrap_or_default();
        }
        OfPhase {
            name: phase.name.clone(),
            kind: phase.kind,
            length: phase.length,
            operations: within.len() as u64,
            busiest: seconds.iter().map(|second| second.0).max().unwrap_or_default(),
            // A sum of nothing is -0.
            deliveries: seconds.iter().map(|second| second.1).fold(0.0, |sum, of| sum + of),
            busiest_deliveries: seconds.iter().map(|second| second.1).fold(0.0, f64::max),
        }
    };
    phases.iter().map(of_phase).collect()
}

#[cfg(test)]
mod tests;
