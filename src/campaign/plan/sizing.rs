//! What has to serve a demand: shards, nodes, cores and memory, from measured records alone.
//!
//! A shard is loaded as far as a record shows that it kept the objective, less the headroom. What
//! no record says is a gap with the commands that would fill it; numbers that would rest on it are
//! left out. Called by the plan.

use super::demand::{Class, Demand};
use super::question::Question;
use super::record::{Gap, Scaling};
use crate::campaign::cost::{Cost, Surface, Unmeasured};
use crate::campaign::estimate::Estimate;
use crate::campaign::evidence::{Evidence, Measured, Shape};
use crate::campaign::figure::{Figure, Unit, rounded};
use crate::campaign::memory::Footprints;
use crate::campaign::usl::{Fit, Point};
use crate::limits::{CONNECTIONS_MAX, EXTRAPOLATION_MAX};

/// What has to serve it, as far as records go.
#[derive(Clone, Debug, Default)]
pub(super) struct Sized {
    pub(super) figures: Vec<Figure>,
    pub(super) scaling: Vec<Scaling>,
    pub(super) gaps: Vec<Gap>,
    pub(super) notes: Vec<String>,
}

/// Works it out.
pub(super) fn size(question: &Question, demand: &Demand, evidence: &Evidence) -> Sized {
    let mut sizing = Sizing { question, demand, evidence, sized: Sized::default() };
    sizing.note_machines();
    sizing.note_objective();
    sizing.fit_loads();
    if let Some(nodes) = sizing.nodes() {
        sizing.memory(nodes);
    }
    sizing.sized
}

struct Sizing<'a> {
    question: &'a Question,
    demand: &'a Demand,
    evidence: &'a Evidence,
    sized: Sized,
}

/// How much of a shard is used, and what a node of several comes to.
struct Node {
    /// Cores' worth of work.
    capacity: Estimate,
    /// Its shards.
    shards: u32,
    /// How many shards it is worth.
    worth: Estimate,
    from: Vec<usize>,
}

impl Sizing<'_> {
    fn put(&mut self, name: &str, unit: Unit, value: Estimate, how: String, from: &[usize]) {
        self.sized.figures.push(Figure::of(name, unit, value, how).resting_on(from));
    }

    fn gap(&mut self, what: String, measure: &[&str]) {
        let measure = measure.iter().map(|line| (*line).to_owned()).collect();
        self.sized.gaps.push(Gap { what, measure });
    }

    fn note_machines(&mut self) {
        let machines = self.evidence.machines();
        if machines.len() > 1 {
            let list = machines.join("; ");
            self.sized.notes.push(format!(
                "the records are of {} machines, so the numbers are of none of them: {list}",
                machines.len()
            ));
        }
        for source in self.evidence.sources.iter() {
            if let Some(why) = &source.left_out {
                let note = format!("nothing rests on {}: {why}", source.path);
                self.sized.notes.push(note);
            }
        }
    }

    /// Whether records of groups and messages like these kept the objective.
    fn note_objective(&mut self) {
        let Some(objective) = self.question.slo else {
            let note = "no objective is asked for, so a shard is loaded as far as any record did";
            self.sized.notes.push(note.to_owned());
            return;
        };
        let notes: Vec<String> = self
            .demand
            .classes
            .iter()
            .filter_map(|class| {
                let near: Vec<&Measured> =
                    self.evidence.runs.iter().filter(|run| is_near(run, class)).collect();
                let members = class.groups.members;
                if near.is_empty() {
                    return Some(format!(
                        "no record is of groups of about {members} members with messages as long, \
                         so nothing says that they keep {objective:?}"
                    ));
                }
                let best = near.iter().map(|run| run.last_member_p99_us).min()?;
                let kept = u128::from(best) <= objective.as_micros();
                (!kept).then(|| {
                    format!(
                        "no record of groups of about {members} members kept {objective:?}: the \
                         best had a p99 of {best} us to the last member"
                    )
                })
            })
            .collect();
        self.sized.notes.extend(notes);
    }

    /// The law over operations in flight, where one campaign measured enough loads.
    fn fit_loads(&mut self) {
        for source in 0..self.evidence.sources.len() {
            let of_source = self.evidence.runs.iter().filter(|run| run.source == source);
            let points: Vec<Point> = of_source
                .filter_map(|run| {
                    Some(Point { n: run.in_flight?, throughput: run.operations_per_s })
                })
                .collect();
            if let Ok(fit) = Fit::of(&points) {
                let peak = fit.law.peak();
                let over = "operations in flight".to_owned();
                self.sized.scaling.push(Scaling { over, fit, peak, from: vec![source] });
            }
        }
    }

    /// Nodes that serve the demand, without those that may fail. `None` with a gap.
    fn nodes(&mut self) -> Option<f64> {
        let work = self.work()?;
        let node = self.node()?;
        let by_work = work.over(node.capacity);
        let how = format!(
            "{} cores of work / {} of a node",
            rounded(work.expected),
            rounded(node.capacity.expected)
        );
        self.put("nodes for the work", Unit::Count, by_work.map(f64::ceil), how, &node.from);
        let by_connections = self.by_connections(&node);
        let by_storm = self.by_storm(&node);
        let needed = by_work.max(by_connections).max(by_storm).map(|nodes| nodes.ceil().max(1.0));
        let spare = f64::from(self.question.spare);
        let nodes = needed + Estimate::exactly(spare);
        let how = format!("the largest of these, whole, + {spare} that may fail");
        self.put("nodes", Unit::Count, nodes, how, &node.from);
        let cores = nodes * f64::from(node.shards);
        let how = format!("nodes x {} shards, a core each", node.shards);
        self.put("cores", Unit::Count, cores, how, &node.from);
        self.note_largest_group(&node);
        Some(needed.expected)
    }

    /// Cores that the deliveries keep busy at the peak.
    fn work(&mut self) -> Option<Estimate> {
        let Some(surface) = Surface::of(self.evidence, self.question.durable, server) else {
            let what = Unmeasured::Nothing.to_string();
            self.gap(what, &["stentor run scenarios/fanout-1k.toml"]);
            return None;
        };
        let mut work = Some(Estimate::default());
        for class in &self.demand.classes.clone() {
            let busy = self.work_of(&surface, class);
            work = work.zip(busy).map(|(sum, busy)| sum + busy);
        }
        let work = work?;
        let how = "each size: peak deliveries x processor time of one".to_owned();
        self.put("work at the peak", Unit::Cores, work, how, &[]);
        Some(work)
    }

    fn work_of(&mut self, surface: &Surface, class: &Class) -> Option<Estimate> {
        let members = class.groups.members;
        let at =
            |frame_bytes| surface.at(Shape { members, frame_bytes }, self.question.extrapolate);
        let bounds = [class.frame.low, class.frame.expected, class.frame.high].map(at);
        let [Ok(low), Ok(expected), Ok(high)] = bounds else {
            let wrong = bounds.into_iter().find_map(Result::err)?;
            self.gap(wrong.to_string(), &measure(&wrong, class).each_ref().map(String::as_str));
            return None;
        };
        let cost = Estimate {
            low: low.cpu_us.low,
            expected: expected.cpu_us.expected,
            high: high.cpu_us.high,
        };
        if [&low, &expected, &high].iter().any(|cost: &&Cost| cost.extrapolated) {
            let note = format!(
                "the cost of a delivery in groups of {members} lies outside of what was measured"
            );
            self.sized.notes.push(note);
        }
        let from: Vec<usize> = [low.from, expected.from, high.from].concat();
        let how = format!(
            "interpolated at {members} members and {} bytes of a frame",
            rounded(class.frame.expected)
        );
        let name = format!("a delivery to {members} members");
        self.put(&name, Unit::Microseconds, cost, how, &from);
        let deliveries = class.peak_deliveries_per_s;
        let busy = cost * (deliveries / 1e6);
        let how = format!("{} deliveries/s x that", rounded(deliveries));
        self.put(&format!("work for groups of {members}"), Unit::Cores, busy, how, &from);
        Some(busy)
    }

    /// What one node is good for.
    fn node(&mut self) -> Option<Node> {
        let Some((busy, at)) = self.busiest() else {
            let what =
                "no record kept the objective, so nothing says how far a shard may be loaded";
            self.gap(
                what.to_owned(),
                &["stentor find-max scenarios/fanout-1k.toml", "or another --slo"],
            );
            return None;
        };
        let headroom = self.question.headroom;
        let usable = busy * (1.0 - headroom);
        let how = format!(
            "the busiest shard that kept the objective was busy {} of its core; less headroom {headroom}",
            Unit::Share.written(busy)
        );
        self.put("used of a shard", Unit::Share, Estimate::exactly(usable), how, &[at]);
        let (shards, worth, from) = self.worth()?;
        let from = [from, vec![at]].concat();
        let capacity = worth * usable;
        let how =
            format!("{} shards' worth x {} of each", rounded(worth.expected), rounded(usable));
        self.put("work of a node", Unit::Cores, capacity, how, &from);
        Some(Node { capacity, shards, worth, from })
    }

    /// The busiest shard among runs that kept the objective, and its record.
    fn busiest(&self) -> Option<(f64, usize)> {
        let objective = self.question.slo.map_or(u128::MAX, |slo| slo.as_micros());
        let kept = |run: &&Measured| u128::from(run.last_member_p99_us) <= objective;
        let runs = self.evidence.runs.iter().filter(kept);
        runs.filter_map(|run| Some((run.busy()?.min(1.0), run.source)))
            .max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// How many shards' worth a node of as many as asked for is: X(N) / X(1) of the fitted law.
    fn worth(&mut self) -> Option<(u32, Estimate, Vec<usize>)> {
        let measured: Vec<&Measured> = best_by_shards(self.evidence);
        let most = measured.last().map_or(1, |run| run.shards);
        let shards = self.question.shards.unwrap_or(most);
        let from: Vec<usize> = measured.iter().map(|run| run.source).collect();
        let points: Vec<Point> = measured
            .iter()
            .map(|run| Point { n: f64::from(run.shards), throughput: run.deliveries_per_s })
            .collect();
        match Fit::of(&points) {
            Ok(fit) => {
                let at = fit.at(f64::from(shards), self.question.extrapolate);
                let one = fit.law.at(1.0);
                let peak = fit.law.peak();
                let over = "shards".to_owned();
                self.sized.scaling.push(Scaling { over, fit, peak, from: from.clone() });
                match at {
                    Ok(throughput) => {
                        let worth = throughput * (1.0 / one);
                        let how = format!("X({shards}) / X(1) of the law that was fitted");
                        self.put("shards' worth of a node", Unit::Cores, worth, how, &from);
                        Some((shards, worth, from))
                    }
                    Err(beyond) => {
                        let what = format!("nodes of {shards} shards: {beyond}");
                        self.gap(what, &sweep_over_shards(shards).each_ref().map(String::as_str));
                        None
                    }
                }
            }
            Err(why) if shards > 1 => {
                let what = format!("how {shards} shards on one machine scale: {why}");
                self.gap(what, &sweep_over_shards(shards).each_ref().map(String::as_str));
                None
            }
            Err(_) => {
                let note = "nodes are of one shard, since no records say how several scale; groups \
                            are spread over nodes, which share nothing";
                self.sized.notes.push(note.to_owned());
                Some((1, Estimate::exactly(1.0), Vec::new()))
            }
        }
    }

    fn by_connections(&mut self, node: &Node) -> Estimate {
        let most = CONNECTIONS_MAX as f64 * f64::from(node.shards);
        let nodes = Estimate::exactly((self.demand.connections / most).ceil());
        let how = format!("{} connections / {most} of a node, its bound", self.demand.connections);
        self.put("nodes for the connections", Unit::Count, nodes, how, &[]);
        nodes
    }

    /// The fastest that members came back in any record is the least a shard can do.
    fn by_storm(&mut self, node: &Node) -> Estimate {
        let returns = self.evidence.runs.iter();
        let fastest = returns
            .filter_map(|run| Some((run.reconnects_per_s?, run.source)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((per_s, source)) = fastest else {
            let what = "no record says how fast members come back".to_owned();
            self.gap(what, &["stentor run scenarios/reconnect-storm.toml"]);
            return Estimate::default();
        };
        let nodes = Estimate::exactly(self.demand.storm_per_s).over(node.worth * per_s);
        let nodes = nodes.map(f64::ceil);
        let how = format!(
            "{} handshakes/s / {} of a shard, resumed ones and this side's bound / {} shards' worth",
            rounded(self.demand.storm_per_s),
            rounded(per_s),
            rounded(node.worth.expected)
        );
        self.put("nodes for a storm", Unit::Count, nodes, how, &[source]);
        nodes
    }

    /// A group lives on one shard, however many there are.
    fn note_largest_group(&mut self, node: &Node) {
        let usable = node.capacity.expected / node.worth.expected;
        for class in &self.demand.classes {
            let Some(count) = class.groups.count.filter(|count| *count > 0) else { continue };
            let name = format!("work for groups of {}", class.groups.members);
            let work = self.sized.figures.iter().find(|figure| figure.name == name);
            let each = work.map_or(0.0, |work| work.value.expected) / count as f64;
            if each > usable {
                self.sized.notes.push(format!(
                    "one group of {} members alone is {} cores of work, more than a shard has; a \
                     group cannot be split",
                    class.groups.members,
                    rounded(each)
                ));
            }
        }
    }

    fn memory(&mut self, nodes: f64) {
        let Some(footprints) = Footprints::of(self.evidence) else {
            let what = "no record says what connections take in memory".to_owned();
            self.gap(what, &["stentor run scenarios/fanout-10k.toml"]);
            return;
        };
        let each = self.demand.connections / nodes;
        match footprints.idle(each, self.question.extrapolate) {
            Err(error) => {
                let runs = ["stentor run scenarios/broadcast-100k.toml", "or more, smaller nodes"];
                self.gap(error.to_string(), &runs);
            }
            Ok(idle) => {
                if idle.extrapolated {
                    let note = "the memory of a node lies outside of what was measured";
                    self.sized.notes.push(note.to_owned());
                }
                let growth = footprints.growth();
                let packages = self.demand.key_package_bytes / nodes;
                let bytes = idle.bytes + growth.bytes * each + Estimate::exactly(packages);
                let from = [idle.from, growth.from].concat();
                let how = format!(
                    "{} connections of a node, idle, interpolated; what records grew by under load, \
                     for each; its share of the KeyPackages; messages that wait come on top, up to \
                     the bounds of the settings",
                    rounded(each)
                );
                self.put("memory of a node", Unit::Bytes, bytes, how, &from);
            }
        }
    }
}

fn server(run: &Measured) -> Option<f64> {
    run.cpu_us_per_delivery
}

/// Whether groups and messages are within twice of those asked for, either way.
fn is_near(run: &Measured, class: &Class) -> bool {
    let near = |a: f64, b: f64| a <= b * EXTRAPOLATION_MAX && b <= a * EXTRAPOLATION_MAX;
    run.shape.is_some_and(|shape| {
        near(shape.members, class.groups.members) && near(shape.frame_bytes, class.frame.expected)
    })
}

/// The most that each number of shards delivered, by shards.
fn best_by_shards(evidence: &Evidence) -> Vec<&Measured> {
    let mut runs: Vec<&Measured> = evidence.runs.iter().collect();
    runs.sort_by(|a, b| {
        a.shards.cmp(&b.shards).then(b.deliveries_per_s.total_cmp(&a.deliveries_per_s))
    });
    runs.dedup_by_key(|run| run.shards);
    runs
}

fn sweep_over_shards(shards: u32) -> [String; 2] {
    let counts = [1, 2, 4, 8, 16, 32, 64].iter().take_while(|count| **count <= shards.max(8));
    let counts: Vec<String> = counts.map(ToString::to_string).collect();
    [
        format!(
            "for N in {}: set shards = N under [server] in a scenario, then \
             stentor find-max SCENARIO",
            counts.join(" ")
        ),
        "then stentor plan --records with those folders".to_owned(),
    ]
}

fn measure(wrong: &Unmeasured, class: &Class) -> [String; 2] {
    let members = class.groups.members;
    let run = match wrong {
        Unmeasured::Bytes { .. } => format!(
            "a scenario of groups of {members} with the suite and payload asked for, then \
             stentor run SCENARIO"
        ),
        _ => format!("a scenario with members = {members}, then stentor run SCENARIO"),
    };
    [run, "then stentor plan --records with its folder; or --extrapolate".to_owned()]
}
