//! What devices hold open at several nodes: connections, storms of them, and memory.
//!
//! Nodes share nothing, so a device needs a connection to each that has one of its groups: all of them
//! to one if its groups lie together, at most one for each group. Between the two lies what comes of
//! groups that are put anywhere. Part of `sizing`.

use super::{Node, Sizing};
use crate::campaign::estimate::Estimate;
use crate::campaign::figure::{Unit, rounded};
use crate::campaign::memory::Footprints;
use crate::limits::CONNECTIONS_MAX;

/// Devices that are online, and the groups of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Devices {
    /// How many.
    pub(super) devices: f64,
    /// Groups of each, at least 1.
    pub(super) groups: f64,
    /// How many of them the largest group has.
    pub(super) largest: f64,
}

impl Devices {
    /// Connections of each of so many nodes.
    pub(super) fn at_one_of(self, nodes: f64) -> Estimate {
        let Self { devices, groups, largest } = self;
        // Groups put anywhere: a node misses a device if each of its groups lies elsewhere.
        let anywhere = devices * (1.0 - (1.0 - 1.0 / nodes).powf(groups));
        let high = devices.min(devices * groups / nodes);
        let least = |value: f64| value.max(largest.min(devices));
        Estimate {
            low: least(devices / nodes),
            expected: least(anywhere.clamp(devices / nodes, high)),
            high: least(high),
        }
    }

    /// Nodes without which one of them would have more than `most`, the largest group aside.
    pub(super) fn nodes_for(self, most: Estimate) -> Estimate {
        let Self { devices, groups, .. } = self;
        let alone = Self { largest: 0.0, ..self };
        let (low, high) = ((devices / most.high).ceil().max(1.0), devices * groups / most.low);
        let high = if devices <= most.low { 1.0 } else { high.ceil() };
        // It falls with every node, so the first that is few enough is found by halving.
        let (mut few, mut enough) = (low - 1.0, high.max(low));
        while enough - few > 1.0 {
            let nodes = f64::midpoint(few, enough).floor();
            match alone.at_one_of(nodes).expected <= most.expected {
                true => enough = nodes,
                false => few = nodes,
            }
        }
        Estimate { low, expected: enough.max(low), high: high.max(enough) }
    }
}

impl Sizing<'_> {
    pub(super) fn devices(&self) -> Devices {
        let online = self.question.online;
        let members = self.demand.classes.iter().map(|class| class.groups.members);
        Devices {
            devices: self.demand.connections,
            groups: self.question.groups_per_device.max(1.0),
            largest: members.fold(0.0, f64::max) * online,
        }
    }

    pub(super) fn note_connections(&mut self) {
        let groups = self.question.groups_per_device;
        self.sized.notes.push(format!(
            "nodes share nothing: a device needs a connection to each node that has one of its \
             {groups} groups (groups_per_device), so several nodes have more connections than there \
             are devices, at most {groups} times as many"
        ));
    }

    pub(super) fn by_connections(&mut self, node: &Node) -> Estimate {
        let most = CONNECTIONS_MAX as f64 * f64::from(node.shards);
        let devices = self.devices();
        let nodes = devices.nodes_for(Estimate::exactly(most));
        let how = format!(
            "{} devices, each at 1 to {} nodes / {most} connections of a node, its bound",
            devices.devices, devices.groups
        );
        self.put("nodes for the connections", Unit::Count, nodes, how, &[]);
        if devices.largest > most {
            self.sized.notes.push(format!(
                "the largest group alone has {} devices online, more than the {most} connections of a \
                 node; a group cannot be split",
                rounded(devices.largest)
            ));
        }
        nodes
    }

    /// The fastest that members came back in any record is the least a shard can do.
    pub(super) fn by_storm(&mut self, node: &Node) -> Estimate {
        let returns = self.evidence.runs.iter();
        let fastest = returns
            .filter_map(|run| Some((run.reconnects_per_s?, run.source)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((per_s, source)) = fastest else {
            let what = "no record says how fast members come back".to_owned();
            self.gap(what, &["stentor run scenarios/reconnect-storm.toml"]);
            return Estimate::default();
        };
        let devices = self.devices();
        let within = node.worth * (per_s * self.question.storm.as_secs_f64());
        let nodes = devices.nodes_for(within);
        let how = format!(
            "{} handshakes/s, each device at 1 to {} nodes / {} of a shard, resumed ones and this \
             side's bound / {} shards' worth",
            rounded(self.demand.storm_per_s),
            devices.groups,
            rounded(per_s),
            rounded(node.worth.expected)
        );
        self.put("nodes for a storm", Unit::Count, nodes, how, &[source]);
        nodes
    }

    /// Of each of the nodes that serve everything when those that may fail have.
    pub(super) fn memory(&mut self, nodes: Estimate) {
        let devices = self.devices();
        let each = devices.at_one_of(nodes.expected);
        let how = format!(
            "{} devices over {} nodes: each at one of them, or at one for each of its {} groups; at \
             least the {} of the largest group",
            devices.devices,
            nodes.expected,
            devices.groups,
            rounded(devices.largest)
        );
        self.put("connections of a node", Unit::Count, each, how, &[]);
        let Some(footprints) = Footprints::of(self.evidence) else {
            let what = "no record says what connections take in memory".to_owned();
            self.gap(what, &["stentor run scenarios/fanout-10k.toml"]);
            return;
        };
        let at = |connections| footprints.idle(connections, self.question.extrapolate);
        let idle = at(each.low).and_then(|low| Ok((low, at(each.expected)?, at(each.high)?)));
        let (low, expected, high) = match idle {
            Ok(idle) => idle,
            Err(error) => {
                let runs = ["stentor run scenarios/broadcast-100k.toml", "or more, smaller nodes"];
                self.gap(error.to_string(), &runs);
                return;
            }
        };
        if [&low, &expected, &high].iter().any(|idle| idle.extrapolated) {
            let note = "the memory of a node lies outside of what was measured";
            self.sized.notes.push(note.to_owned());
        }
        let idle = Estimate {
            low: low.bytes.low,
            expected: expected.bytes.expected,
            high: high.bytes.high,
        };
        let growth = footprints.growth();
        let packages = self.demand.key_package_bytes / nodes.expected;
        let bytes = idle + growth.bytes * each + Estimate::exactly(packages);
        let from = [low.from, expected.from, high.from, growth.from].concat();
        let how = format!(
            "{} to {} connections of a node, idle, interpolated; what records grew by under load, for \
             each; its share of the KeyPackages; messages that wait come on top, up to the bounds of \
             the settings",
            rounded(each.low),
            rounded(each.high)
        );
        self.put("memory of a node", Unit::Bytes, bytes, how, &from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn devices(devices: f64, groups: f64, largest: f64) -> Devices {
        Devices { devices, groups, largest }
    }

    #[test]
    fn a_node_has_a_connection_of_every_device_that_has_a_group_there() {
        let check = |of: Devices, nodes, low, high| {
            let at = of.at_one_of(nodes);
            assert_eq!((at.low, at.high), (low, high), "{of:?}");
        };
        check(devices(1_000.0, 5.0, 10.0), 1.0, 1_000.0, 1_000.0);
        check(devices(1_000.0, 5.0, 10.0), 10.0, 100.0, 500.0);
        check(devices(1_000.0, 5.0, 10.0), 4.0, 250.0, 1_000.0);
        check(devices(1_000.0, 1.0, 10.0), 10.0, 100.0, 100.0);
        check(devices(1_000.0, 2.0, 600.0), 10.0, 600.0, 600.0);
        let halves = devices(1_000.0, 2.0, 0.0).at_one_of(2.0);
        assert_eq!(halves.expected, 750.0, "two groups lie on one of two nodes half of the time");
    }

    #[test]
    fn nodes_are_as_many_as_keep_each_within_what_it_can_do() {
        let nodes = devices(1_000.0, 2.0, 0.0).nodes_for(Estimate::exactly(500.0));
        assert_eq!((nodes.low, nodes.expected, nodes.high), (2.0, 4.0, 4.0));
        let one = devices(1_000.0, 9.0, 0.0).nodes_for(Estimate::exactly(1_000.0));
        assert_eq!(one, Estimate::exactly(1.0));
    }

    proptest! {
        #[test]
        fn the_first_node_count_that_is_enough_is_what_trying_them_all_finds(
            count in 1.0_f64..20_000.0, groups in 1.0_f64..20.0, most in 50.0_f64..5_000.0,
        ) {
            let of = devices(count.round(), groups, 0.0);
            let found = of.nodes_for(Estimate::exactly(most));
            prop_assert!(found.low <= found.expected && found.expected <= found.high, "{found:?}");
            let first = (1..).map(f64::from).find(|nodes| of.at_one_of(*nodes).expected <= most);
            prop_assert_eq!(found.expected, first.unwrap());
            prop_assert!(of.at_one_of(found.high).high <= most * 1.000_001, "{:?}", found);
        }
    }
}
