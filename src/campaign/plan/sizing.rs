//! What has to serve a demand: shards, nodes, cores and memory, from measured records alone.
//!
//! A shard is loaded as far as a record shows that it kept the objective, less the headroom. What
//! no record says is a gap with the commands that would fill it; numbers that would rest on it are
//! left out. What devices hold open at several nodes is in `spread`, what reading handshakes costs in
//! `reading`. Called by the plan.

mod reading;
mod spread;

use super::demand::{Class, Demand};
use super::question::Question;
use super::record::{Gap, Scaling};
use crate::campaign::cost::{Asked, Costs, Here, Unmeasured, handled};
use crate::campaign::estimate::Estimate;
use crate::campaign::evidence::{Evidence, Measured, Shape};
use crate::campaign::figure::{Figure, Unit, rounded};
use crate::campaign::usl::{Fit, Point};
use crate::limits::{EXTRAPOLATION_MAX, SAME_PLACE};

/// What has to serve it, as far as records go.
#[derive(Clone, Debug, Default)]
pub(super) struct Sized {
    pub(super) figures: Vec<Figure>,
    pub(super) scaling: Vec<Scaling>,
    pub(super) gaps: Vec<Gap>,
    pub(super) notes: Vec<String>,
}

/// Works it out.
pub(super) fn size(
    question: &Question,
    demand: &Demand,
    (evidence, here): (&Evidence, &Here),
) -> Sized {
    let mut sizing = Sizing { question, demand, evidence, here, sized: Sized::default() };
    sizing.note_machines();
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
    here: &'a Here,
    sized: Sized,
}

/// What a node of several shards is.
struct Node {
    /// Its shards.
    shards: u32,
    /// How many shards it is worth.
    worth: Estimate,
    from: Vec<usize>,
}

/// How far a shard may be loaded with groups of one size.
#[derive(Clone, Copy)]
struct Loaded {
    /// Share of its core that was busy, less the headroom.
    usable: f64,
    /// What it had to do per second then.
    handled_per_s: f64,
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
                "the records are of {} machines; their costs are counted in floors and brought to one, \
                 their latencies and memory are not: {list}",
                machines.len()
            ));
        }
        if self.question.slo.is_none() {
            let note = "no objective is asked for, so a shard is loaded as far as any record of groups \
                        of that size did";
            self.sized.notes.push(note.to_owned());
        }
        for source in self.evidence.sources.iter() {
            if let Some(why) = &source.left_out {
                let note = format!("nothing rests on {}: {why}", source.path);
                self.sized.notes.push(note);
            }
        }
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
    fn nodes(&mut self) -> Option<Estimate> {
        let shards = self.shards()?;
        let node = self.worth()?;
        let by_work = shards.over(node.worth);
        let how = format!(
            "{} shards / {} of a node's worth",
            rounded(shards.expected),
            rounded(node.worth.expected)
        );
        self.put("nodes for the work", Unit::Count, by_work.map(f64::ceil), how, &node.from);
        self.note_connections();
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
        Some(needed)
    }

    /// Shards that the deliveries load as far as records show that they may be.
    fn shards(&mut self) -> Option<Estimate> {
        let Some(costs) = Costs::of(self.evidence, self.here, |run| run.cpu_us_per_delivery) else {
            let what = Unmeasured::Nothing.to_string();
            self.gap(what, &["stentor run scenarios/fanout-1k.toml"]);
            return None;
        };
        self.sized.notes.extend(costs.basis());
        let (mut work, mut shards) = (Some(Estimate::default()), Some(Estimate::default()));
        for class in &self.demand.classes.clone() {
            let loaded = self.loaded(class);
            let busy = self.work_of(&costs, class, loaded);
            let reading = self.reading(class);
            let busy = busy.zip(reading).map(|(busy, reading)| busy + reading);
            work = work.zip(busy).map(|(sum, busy)| sum + busy);
            let of_class = busy.zip(loaded).map(|(busy, loaded)| busy * (1.0 / loaded.usable));
            shards = shards.zip(of_class).map(|(sum, shards)| sum + shards);
            if let Some((busy, loaded)) = busy.zip(loaded) {
                self.note_largest_group(class, busy, loaded);
            }
        }
        if let Some(work) = work {
            let how = "each size: its deliveries, and reading its commits".to_owned();
            self.put("work at the peak", Unit::Cores, work, how, &[]);
        }
        let shards = shards?;
        let how = "each size: its work / what is used of a shard".to_owned();
        self.put("shards for the work", Unit::Cores, shards, how, &[]);
        Some(shards)
    }

    fn work_of(
        &mut self,
        costs: &Costs,
        class: &Class,
        loaded: Option<Loaded>,
    ) -> Option<Estimate> {
        let members = class.groups.members;
        // A shard is to be as busy as the record's was; a small service never gets there.
        let all = self.demand.classes.iter().map(|of| {
            let frame_bytes = of.frame.expected;
            handled(Shape { members: of.groups.members, frame_bytes }, of.peak_deliveries_per_s)
        });
        let all = all.sum::<f64>();
        let handled_per_s = loaded.map_or(all, |loaded| loaded.handled_per_s.min(all));
        let at = |frame_bytes| {
            let shape = Shape { members, frame_bytes };
            let logged = self.question.durable;
            let asked = Asked { shape, handled_per_s, members: self.demand.connections, logged };
            costs.at(&asked, self.question.extrapolate)
        };
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
        if low.extrapolated || expected.extrapolated || high.extrapolated {
            self.sized.notes.push(format!(
                "the cost of a delivery in groups of {members} lies outside of what was measured"
            ));
        }
        let from: Vec<usize> = [low.from, expected.from, high.from].concat();
        let how = format!(
            "floors of {} bytes, as many as records had where a shard handled {} packets a second",
            rounded(class.frame.expected),
            rounded(handled_per_s)
        );
        let name = format!("a delivery to {members} members");
        self.put(&name, Unit::Microseconds, cost, how, &from);
        let deliveries = class.peak_deliveries_per_s;
        let busy = cost * (deliveries / 1e6);
        let how = format!("{} deliveries/s x that", rounded(deliveries));
        self.put(&format!("work for groups of {members}"), Unit::Cores, busy, how, &from);
        Some(busy)
    }

    /// How far a shard may be loaded with groups like these: as far as the busiest of the records of
    /// their like was that kept the objective. `None` with a gap.
    fn loaded(&mut self, class: &Class) -> Option<Loaded> {
        let members = class.groups.members;
        let durable = self.question.durable;
        let same = |run: &&Measured| run.durable.is_none_or(|logged| logged == durable);
        let runs: Vec<&Measured> = self.evidence.runs.iter().filter(same).collect();
        let near: Vec<&Measured> = runs.iter().copied().filter(|run| is_near(run, class)).collect();
        let Some(objective) = self.question.slo else {
            let near = if near.is_empty() { nearest(&runs, members) } else { near };
            return self.busiest(&near, class);
        };
        let logged = if durable { ", logged" } else { "" };
        let run = format!("a scenario with members = {members}, then stentor find-max SCENARIO");
        let then = "then stentor plan --records with its folder";
        if near.is_empty() {
            let what = format!(
                "no record is of groups of about {members} members with messages as long{logged}, \
                 so nothing says that they keep {objective:?}"
            );
            self.gap(what, &[&run, then]);
            return None;
        }
        let kept = |run: &&Measured| u128::from(run.last_member_p99_us) <= objective.as_micros();
        let kept: Vec<&Measured> = near.iter().copied().filter(kept).collect();
        if kept.is_empty() {
            let best = near.iter().map(|run| run.last_member_p99_us).min().unwrap_or_default();
            let what = format!(
                "no record of groups of about {members} members kept {objective:?}: the best had a \
                 p99 of {} to the last member",
                Unit::Seconds.written(best as f64 / 1e6)
            );
            self.gap(what, &[&run, then, "or another --slo"]);
            return None;
        }
        self.busiest(&kept, class)
    }

    fn busiest(&mut self, of: &[&Measured], class: &Class) -> Option<Loaded> {
        let members = class.groups.members;
        let busy = of.iter().filter_map(|run| Some((run.busy()?.min(1.0), *run)));
        let Some((busy, run)) = busy.max_by(|a, b| a.0.total_cmp(&b.0)) else {
            let what = format!("no record says how busy a shard was with groups of {members}");
            self.gap(what, &["stentor run scenarios/fanout-1k.toml"]);
            return None;
        };
        let headroom = self.question.headroom;
        let usable = busy * (1.0 - headroom);
        let kept = if self.question.slo.is_some() { " that kept the objective" } else { "" };
        let how = format!(
            "the busiest shard{kept}, of groups of {}, was busy {} of its core; less headroom \
             {headroom}",
            rounded(run.shape.map_or(members, |shape| shape.members)),
            Unit::Share.written(busy)
        );
        let name = format!("used of a shard, groups of {members}");
        self.put(&name, Unit::Share, Estimate::exactly(usable), how, &[run.source]);
        let shape = run.shape.or(run.mix)?;
        let handled_per_s = handled(shape, run.deliveries_per_s) / f64::from(run.shards);
        Some(Loaded { usable, handled_per_s })
    }

    /// How many shards' worth a node of as many as asked for is: X(N) / X(1) of the fitted law.
    fn worth(&mut self) -> Option<Node> {
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
                        Some(Node { shards, worth, from })
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
                Some(Node { shards: 1, worth: Estimate::exactly(1.0), from: Vec::new() })
            }
        }
    }

    /// A group lives on one shard, however many there are.
    fn note_largest_group(&mut self, class: &Class, busy: Estimate, loaded: Loaded) {
        let Some(count) = class.groups.count.filter(|count| *count > 0) else { return };
        let each = busy.expected / count as f64;
        if each > loaded.usable {
            self.sized.notes.push(format!(
                "one group of {} members alone is {} cores of work, more than a shard has; a group \
                 cannot be split",
                class.groups.members,
                rounded(each)
            ));
        }
    }
}

/// The runs whose groups are nearest in size.
fn nearest<'a>(runs: &[&'a Measured], members: f64) -> Vec<&'a Measured> {
    let far = |run: &Measured| run.shape.map(|shape| (shape.members / members).ln().abs());
    let least = runs.iter().filter_map(|run| far(run)).fold(f64::INFINITY, f64::min);
    let is_nearest = |run: &&Measured| far(run).is_some_and(|far| far <= least + SAME_PLACE.ln());
    runs.iter().copied().filter(is_nearest).collect()
}

/// Whether groups and messages are within twice of those asked for, either way.
fn is_near(run: &Measured, class: &Class) -> bool {
    let near = |a: f64, b: f64| a <= b * EXTRAPOLATION_MAX && b <= a * EXTRAPOLATION_MAX;
    run.shape.is_some_and(|shape| {
        near(shape.members, class.groups.members) && near(shape.frame_bytes, class.frame.expected)
    })
}

/// The most that each number of shards delivered, by shards: of groups and messages that are alike, and
/// equally durable, those that were measured at most numbers of shards.
fn best_by_shards(evidence: &Evidence) -> Vec<&Measured> {
    let mut kinds: Vec<Vec<&Measured>> = Vec::new();
    for run in &evidence.runs {
        match kinds.iter_mut().find(|kind| is_alike(kind[0], run)) {
            Some(kind) => kind.push(run),
            None => kinds.push(vec![run]),
        }
    }
    for kind in &mut kinds {
        kind.sort_by(|a, b| {
            a.shards.cmp(&b.shards).then(b.deliveries_per_s.total_cmp(&a.deliveries_per_s))
        });
        kind.dedup_by_key(|run| run.shards);
    }
    // Of several the first, in the order of the records.
    kinds.into_iter().rev().max_by_key(Vec::len).unwrap_or_default()
}

fn is_alike(one: &Measured, other: &Measured) -> bool {
    let same = |a: f64, b: f64| a <= b * SAME_PLACE && b <= a * SAME_PLACE;
    let shapes = one.shape.zip(other.shape);
    one.durable == other.durable
        && shapes.is_some_and(|(one, other)| {
            same(one.members, other.members) && same(one.frame_bytes, other.frame_bytes)
        })
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
