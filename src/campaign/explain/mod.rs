//! What a run will take, said before it: the forecast, and what records say that it costs.
//!
//! Counts are the forecast's own and exact; processor time and memory are interpolated between
//! measured records and stand with their interval and their records. Where no record says something,
//! a warning does. Pure: the machine is an argument. Called by `cli`.

mod record;

pub use record::{AbsencesRow, ClassRow, Explanation, PhaseRow, SCHEMA_VERSION};

use super::cost::{Asked, Cost, Costs, Here, Unmeasured, handled};
use super::estimate::Estimate;
use super::evidence::{Evidence, Measured, Shape};
use super::figure::{Figure, Unit, rounded};
use super::memory::Footprints;
use crate::limits::{CLIENT_SOCKETS, DESCRIPTORS_SPARED, RING_ENTRIES_MAX, SOCKET_BUFFER_BYTES};
use crate::load::bytes::Bounds;
use crate::load::forecast::{Absent, Forecast, OfClass};
use crate::load::scenario::{Class, Scenario};
use crate::report::provenance::Provenance;

/// The machine that the run would be made on, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes that programs could have without anything being swapped.
    pub memory_available: Option<u64>,
    /// Descriptors that a process may open.
    pub descriptors: u64,
    /// Bytes of socket buffer that the kernel grants.
    pub socket_buffer: usize,
}

/// Minting that is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minting {
    /// Tapes that are not in the cache.
    pub tapes: u64,
    /// Tapes that are.
    pub cached: u64,
    /// Units of work of those that are not.
    pub units: u64,
    /// Microseconds that this machine, all of its cores together, took for a unit in small tapes just
    /// now; `None` when there is nothing to mint.
    pub us_per_unit: Option<Estimate>,
}

/// What a run of `scenario` will take.
#[must_use]
pub fn explain(
    scenario: &Scenario,
    forecast: &Forecast,
    (evidence, here): (&Evidence, &Here),
    (machine, minting): (&Machine, &Minting),
    provenance: Provenance,
) -> Explanation {
    let mut explaining = Explaining {
        scenario,
        forecast,
        evidence,
        here,
        figures: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
    };
    explaining.closed_loops();
    explaining.count();
    explaining.absences();
    explaining.mint(minting);
    explaining.processors(machine);
    explaining.memory(machine);
    explaining.sockets(machine);
    let Explaining { figures, warnings, notes, .. } = explaining;
    Explanation {
        schema_version: SCHEMA_VERSION,
        provenance,
        classes: scenario.groups.iter().zip(&forecast.classes).map(ClassRow::of).collect(),
        phases: forecast.phases.iter().map(|phase| PhaseRow::of(scenario, phase)).collect(),
        figures,
        warnings,
        notes,
        records: evidence.sources.clone(),
    }
}

struct Explaining<'a> {
    scenario: &'a Scenario,
    forecast: &'a Forecast,
    evidence: &'a Evidence,
    here: &'a Here,
    figures: Vec<Figure>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

impl Explaining<'_> {
    fn put(&mut self, name: &str, unit: Unit, value: Estimate, how: &str, from: &[usize]) {
        self.figures.push(Figure::of(name, unit, value, how).resting_on(from));
    }

    /// Whether racers of some class want the next change after the one before.
    fn is_closed(&self) -> bool {
        self.scenario.groups.iter().any(Class::is_closed)
    }

    fn closed_loops(&mut self) {
        if self.is_closed() {
            let note = "closed loops have as many operations as the service answers: they are in no \
                        count of operations, deliveries or bytes, and in no figure of cores";
            self.notes.push(note.to_owned());
        }
    }

    fn count(&mut self) {
        let forecast = self.forecast;
        if forecast.operations() > 0 || !self.is_closed() {
            self.count_traffic();
        }
        let exactly = |count: u64| Estimate::exactly(count as f64);
        let how = "one for each member and each device that may join; one more is the operator's";
        self.put("sessions", Unit::Count, exactly(forecast.sessions), how, &[]);
        let how = "members that share one by the scenario; at the start";
        self.put("connections", Unit::Count, exactly(forecast.connections), how, &[]);
        if self.scenario.is_durable() {
            let how = "messages of durable groups with their log entries; checkpoints on top";
            self.put("log", Unit::Bytes, estimate(forecast.log_bytes), how, &[]);
        }
    }

    fn count_traffic(&mut self) {
        let forecast = self.forecast;
        let exactly = |count: u64| Estimate::exactly(count as f64);
        let schedule = "counted in the schedule; a round of a race is one";
        self.put("operations", Unit::Count, exactly(forecast.operations()), schedule, &[]);
        let deliveries = forecast.total(|class| class.deliveries);
        let how = "each message x the members of its group when it is ordered";
        self.put("deliveries", Unit::Count, estimate(deliveries), how, &[]);
        let submitted = forecast.total(|class| class.submitted);
        let how = "lengths of the MLS messages; of a minted commit, between a tree in which \
                   everybody has committed and one right after a bulk add";
        self.put("submitted", Unit::Bytes, estimate(submitted), how, &[]);
        let delivered = forecast.total(|class| class.delivered);
        self.put("delivered", Unit::Bytes, estimate(delivered), "the same, at each member", &[]);
        let egress = forecast.total(|class| class.egress);
        let how = "with frames and every header: full packets over IPv4, to a packet for each \
                   message over IPv6";
        self.put("egress", Unit::Bytes, estimate(egress), how, &[]);
        let ingress = forecast.total(|class| class.ingress);
        let how = "submissions and what acknowledges the deliveries, with every header; what \
                   lets members in, such as Welcomes, on top";
        self.put("ingress", Unit::Bytes, estimate(ingress), how, &[]);
        let sum = |of: fn(&OfClass) -> f64| forecast.classes.iter().map(of).sum::<f64>();
        if sum(|of| of.welcome_bytes) > 0.0 {
            let how =
                "lengths of the MLS messages by which members are asked in, each claimed once";
            let asked = Estimate::exactly(sum(|of| of.key_package_bytes));
            self.put("KeyPackages", Unit::Bytes, asked, how, &[]);
            let how =
                "lengths of the MLS messages that let them in, each for one, without the tree";
            let let_in = Estimate::exactly(sum(|of| of.welcome_bytes));
            self.put("Welcomes", Unit::Bytes, let_in, how, &[]);
        }
        let busiest = forecast.phases.iter().map(|phase| phase.busiest_deliveries);
        let share = busiest.fold(0.0, f64::max) / deliveries.most.max(1.0);
        let how = "that of the busiest second, as its share of the deliveries";
        let peak = estimate(egress.times(share));
        self.put("egress, busiest second", Unit::BytesPerSecond, peak, how, &[]);
    }

    /// What comes of members that go away, and of slow ones.
    fn absences(&mut self) {
        let classes = &self.forecast.classes;
        let sum =
            |of: fn(&Absent) -> u64| -> u64 { classes.iter().map(|class| of(&class.absent)).sum() };
        let (departures, missed) = (sum(|of| of.departures), sum(|of| of.missed));
        let bytes: f64 = classes.iter().map(|of| of.absent.missed as f64 * of.mean_frame).sum();
        let slow = sum(|of| of.slow);
        let behind = classes.iter().map(|of| of.absent.behind_bytes).fold(0.0, f64::max);
        let exactly = |count: u64| Estimate::exactly(count as f64);
        if departures > 0 {
            let how = "times that a member goes away and comes back, each with a handshake";
            self.put("returns", Unit::Count, exactly(departures), how, &[]);
            let how = "messages that are due while a member is away, over all of them: among the \
                       deliveries";
            self.put("caught up with", Unit::Count, exactly(missed), how, &[]);
            let how = "the same, x the mean message of its class with its frame";
            self.put("caught up with, bytes", Unit::Bytes, Estimate::exactly(bytes), how, &[]);
        }
        if slow > 0 {
            let how = "members that read slowly, of all groups";
            self.put("slow members", Unit::Count, exactly(slow), how, &[]);
            let how = "what is due to one that it cannot have read by then, at the most: at its \
                       rate, with messages of its class's mean length";
            self.put("slow, behind", Unit::Bytes, Estimate::exactly(behind), how, &[]);
        }
        self.warn_of_the_forgotten();
    }

    /// Who needs what a group does not keep for so long.
    fn warn_of_the_forgotten(&mut self) {
        for class in &self.forecast.classes {
            let (name, absent) = (&class.name, &class.absent);
            let mut warn = |what: &str, count: f64| {
                self.warnings.push(format!(
                    "{name}: a member {what} {} messages, and a group keeps {RING_ENTRIES_MAX}: to \
                     be told to go on without them is a violation, unless `may_resync` grants it",
                    Unit::Count.written(count)
                ));
            };
            let (missed, waiting) = absent.are_kept();
            if !missed {
                warn("that is away misses", absent.missed_most as f64);
            }
            if !waiting {
                warn("that is slow is behind by", absent.waiting);
            }
        }
    }

    fn mint(&mut self, minting: &Minting) {
        let tapes = minting.tapes + minting.cached;
        if tapes == 0 {
            return;
        }
        let how = format!("of {tapes}; {} are in the cache", minting.cached);
        let count = Estimate::exactly(minting.tapes as f64);
        self.put("tapes to mint", Unit::Count, count, &how, &[]);
        let Some(each) = minting.us_per_unit.filter(|_| minting.tapes > 0) else { return };
        let how = format!(
            "{} units of work x {} to {} us, what small tapes of its suites took on this machine \
             just now",
            minting.units,
            rounded(each.low),
            rounded(each.high)
        );
        let time = each * (minting.units as f64 / 1e6);
        self.put("minting", Unit::Seconds, time, &how, &[]);
    }

    /// Cores that both sides keep busy in the busiest second.
    fn processors(&mut self, machine: &Machine) {
        let shards = f64::from(self.scenario.shards);
        let server = self.busy("server", |run| run.cpu_us_per_delivery);
        if let Some(busy) = server {
            self.limit("the server", busy, shards, "its shards have");
        }
        let engine = self.busy("engine", |run| run.engine_us_per_delivery);
        if engine.is_some() && self.forecast.classes.iter().any(|class| class.rounds > 0) {
            let note = "the generator's cores are those of messages: what live members compute comes \
                        on top";
            self.notes.push(note.to_owned());
        }
        if let Some(busy) = engine {
            // One thread plays all members.
            self.limit("the generator", busy, 1.0, "its one thread has");
        }
        if (machine.cores as f64) < shards + 1.0 {
            self.warnings.push(format!(
                "{} cores for {} shards and the generator: they share, and both wait",
                machine.cores, self.scenario.shards
            ));
        }
    }

    fn limit(&mut self, who: &str, busy: Estimate, cores: f64, have: &str) {
        let how = match busy {
            busy if busy.low >= cores => "will be",
            busy if busy.expected >= cores => "is likely",
            busy if busy.high >= cores => "may be",
            _ => return,
        };
        self.warnings.push(format!(
            "{who} {how} the limit: {} to {} cores busy in the busiest second, {have} {cores}",
            rounded(busy.low),
            rounded(busy.high)
        ));
    }

    fn busy(&mut self, side: &str, of: fn(&Measured) -> Option<f64>) -> Option<Estimate> {
        let costs = Costs::of(self.evidence, self.here, of)?;
        let busiest = self.forecast.phases.iter().map(|phase| phase.busiest_deliveries);
        let busiest = busiest.fold(0.0, f64::max);
        if busiest <= 0.0 {
            return None;
        }
        let (each, from) = match self.mean_cost(&costs, busiest) {
            Ok(mean) => mean,
            Err((name, why)) => {
                self.warnings.push(format!("no estimate of the {side}'s cores: {name}: {why}"));
                return None;
            }
        };
        let [basis, error] = costs.basis();
        if !self.notes.contains(&basis) {
            self.notes.push(basis);
        }
        self.notes.push(format!("of the {side}, {error}"));
        let busy = each * (busiest / 1e6);
        let how = format!(
            "{} deliveries in the busiest second x {} to {} us each: floors of a packet, as many as \
             records had at such a load",
            rounded(busiest),
            rounded(each.low),
            rounded(each.high)
        );
        self.put(&format!("{side}, cores at the busiest"), Unit::Cores, busy, &how, &from);
        Some(busy)
    }

    /// Of a delivery of any class, in a second with so many; the class that there is none for.
    fn mean_cost(
        &self,
        costs: &Costs,
        busiest: f64,
    ) -> Result<(Estimate, Vec<usize>), (String, Unmeasured)> {
        let total = self.forecast.total(|class| class.deliveries).most;
        let classes = self.forecast.classes.iter();
        let shapes: Vec<_> = classes
            .filter(|class| class.deliveries.most > 0.0)
            .map(|class| {
                let members = class.deliveries.most / class.accepted.most;
                let share = class.deliveries.most / total;
                (class, Shape { members, frame_bytes: class.mean_frame }, share)
            })
            .collect();
        let load = shapes.iter().map(|(_, shape, share)| handled(*shape, busiest * share));
        let handled_per_s = load.sum::<f64>() / f64::from(self.scenario.shards);
        let (mut all, mut from) = (Estimate::default(), Vec::new());
        for (class, shape, share) in shapes {
            let members = self.forecast.members as f64;
            let logged = self.scenario.is_durable();
            let asked = Asked { shape, handled_per_s, members, logged };
            let Cost { cpu_us, from: records, .. } =
                costs.at(&asked, false).map_err(|why| (class.name.clone(), why))?;
            // Of what racers bring through only bounds are known.
            let fewest = class.deliveries.least / class.deliveries.most;
            let cpu_us = Estimate { low: cpu_us.low * fewest, ..cpu_us };
            all = all + cpu_us * share;
            from.extend(records);
        }
        Ok((all, from))
    }

    fn memory(&mut self, machine: &Machine) {
        let Some(footprints) = Footprints::of(self.evidence) else { return };
        let (connections, sessions) =
            (self.forecast.connections as f64, self.forecast.sessions as f64);
        // A session costs less than a connection: at least nothing, at most as much.
        let idle = footprints.idle(connections, false).and_then(|shared| {
            let own = footprints.idle(sessions, false)?;
            Ok((shared, own))
        });
        let engine = footprints.engine(sessions, false);
        let ((shared, own), engine) = match (idle, engine) {
            (Ok(idle), Ok(engine)) => (idle, engine),
            (Err(why), _) | (_, Err(why)) => {
                self.warnings.push(format!("no estimate of the memory: {why}"));
                return;
            }
        };
        let idle = Estimate { high: own.bytes.high.max(shared.bytes.high), ..shared.bytes };
        let from = [shared.from, own.from].concat();
        let how = "its connections, each with one member, interpolated; at most as if each member \
                   had one";
        self.put("server, memory idle", Unit::Bytes, idle, how, &from);
        let growth = footprints.growth();
        let kept = estimate(self.forecast.kept_bytes);
        let grown = growth.bytes * connections;
        let server = idle + kept + Estimate { low: 0.0, ..grown };
        let how = "idle, what records grew by under load for each connection, and messages that are \
                   kept";
        self.put("server, memory", Unit::Bytes, server, how, &[from, growth.from].concat());
        let tapes = estimate(self.forecast.tape_bytes);
        let assembled = self.forecast.assembled_bytes;
        let engine_bytes = engine.bytes
            + tapes
            + Estimate { low: 0.0, expected: assembled / 2.0, high: assembled };
        let how = "its members, interpolated; its tapes; the longest message at all of its \
                   receivers, half assembled on average";
        self.put("engine, memory", Unit::Bytes, engine_bytes, how, &engine.from);
        let both = server + engine_bytes;
        let Some(available) = machine.memory_available.map(|bytes| bytes as f64) else { return };
        if both.high > available {
            let how = if both.low > available { "does not fit" } else { "may not fit" };
            self.warnings.push(format!(
                "the run {how} into memory: {} to {} for both sides, {} are available",
                Unit::Bytes.written(both.low),
                Unit::Bytes.written(both.high),
                Unit::Bytes.written(available)
            ));
        }
    }

    fn sockets(&mut self, machine: &Machine) {
        let needed = CLIENT_SOCKETS as u64 + u64::from(self.scenario.shards) + DESCRIPTORS_SPARED;
        if machine.descriptors < needed {
            self.warnings.push(format!(
                "{needed} descriptors are needed, {} are allowed (ulimit -n)",
                machine.descriptors
            ));
        }
        if machine.socket_buffer < SOCKET_BUFFER_BYTES {
            self.warnings.push(format!(
                "the kernel grants socket buffers of {} bytes, bursts beyond them are lost; \
                 `sysctl -w net.core.rmem_max={SOCKET_BUFFER_BYTES} \
                 net.core.wmem_max={SOCKET_BUFFER_BYTES}` allows {SOCKET_BUFFER_BYTES}",
                machine.socket_buffer
            ));
        }
    }
}

fn estimate(of: Bounds) -> Estimate {
    Estimate::between(of.least, of.most)
}

#[cfg(test)]
mod tests;
