//! Who takes part: groups, members, devices, connections, expanded from a scenario.
//!
//! Everything is a pure function of the scenario and its seed, so the minting side, the worker
//! and a later rerun agree without talking. Holds a few numbers per group and nothing per
//! member; never checks bounds again, since a `Scenario` in hand has kept them.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

use super::scenario::{Class, Connections, Scenario};
use crate::delivery::{DeviceId, GroupId};

/// The groups of a scenario, class after class.
#[derive(Clone, Debug)]
pub struct Population {
    seed: u64,
    groups: Vec<Group>,
    /// Each class at each size that its groups have.
    shapes: Vec<Class>,
    members: u32,
    sessions: u32,
    connections: u32,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Index of its class in the scenario.
    pub class: u32,
    /// Its place within its class, from 0.
    pub index_in_class: u32,
    /// Its id: 32 bytes.
    pub id: GroupId,
    /// How many members it has at the start.
    pub members: u32,
    /// How many devices may join it later, numbered after the members.
    pub joiners: u32,
    /// The run-wide number of its first member's session; those of the others and of the joiners
    /// follow it.
    pub first_member: u32,
    shape: u32,
    first_connection: u32,
    first_in_class: u32,
    per_connection: u32,
}

impl Population {
    /// Expands `scenario`. Costs about 120 bytes for each group, and 400 for each size that the
    /// groups of one class have.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let seed = scenario.seed;
        let (groups, shapes) = (Vec::new(), Vec::new());
        let mut population = Self { seed, groups, shapes, members: 0, sessions: 0, connections: 0 };
        for (class, of) in (0_u32..).zip(&scenario.groups) {
            let per_connection = match of.connections {
                Connections::Own => 1,
                Connections::Shared(members) => members.max(1),
            };
            let mut shapes = BTreeMap::new();
            let (mut joined, mut devices) = (0, 0);
            for (index_in_class, members) in (0..).zip(of.group_sizes(seed, class)) {
                let shape = *shapes.entry(members).or_insert_with(|| {
                    population.shapes.push(of.of_size(members));
                    count(population.shapes.len()) - 1
                });
                population.groups.push(Group {
                    class,
                    index_in_class,
                    id: group_id(seed, class, index_in_class),
                    members,
                    joiners: of.joiners,
                    first_member: population.sessions + devices,
                    shape,
                    first_connection: population.connections,
                    first_in_class: devices,
                    per_connection,
                });
                joined += members;
                devices += members + of.joiners;
            }
            population.members += joined;
            population.sessions += devices;
            population.connections += devices.div_ceil(per_connection);
        }
        population
    }

    /// Every group, in order: what `Operation::group` indexes.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The class of group `index`, as a group of its size plays it.
    ///
    /// # Panics
    /// When there is no such group.
    #[must_use]
    pub fn class(&self, index: usize) -> &Class {
        &self.shapes[self.groups[index].shape as usize]
    }

    /// Memberships of the whole run, at its start.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members
    }

    /// Sessions of the whole run: one for each membership, and one for each that may come about.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.sessions
    }

    /// Connections of the whole run.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// The device that is member or joiner `member` of `group`, and nothing else.
    #[must_use]
    pub fn device(&self, group: &Group, member: u32) -> DeviceId {
        let mut hash = Xxh3::with_seed(self.seed);
        hash.update(b"stentor device");
        hash.update(group.id.as_bytes());
        hash.update(&member.to_be_bytes());
        DeviceId(hash.digest128().to_be_bytes())
    }
}

impl Group {
    /// Its members at the start and those who may join.
    #[must_use]
    pub fn devices(&self) -> u32 {
        self.members + self.joiners
    }

    /// The run-wide number of the connection that carries `member`. Connections never span two
    /// classes; a shared one may carry members of several groups of its class.
    #[must_use]
    pub fn connection(&self, member: u32) -> u32 {
        self.first_connection + (self.first_in_class + member) / self.per_connection
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).expect("a scenario's groups are bounded")
}

fn group_id(seed: u64, class: u32, index: u32) -> GroupId {
    let mut named = *b"stentor group 0 ........";
    named[16..20].copy_from_slice(&class.to_be_bytes());
    named[20..24].copy_from_slice(&index.to_be_bytes());
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&xxh3_128_with_seed(&named, seed).to_be_bytes());
    named[14] = b'1';
    bytes[16..].copy_from_slice(&xxh3_128_with_seed(&named, seed).to_be_bytes());
    GroupId::new(&bytes).expect("32 bytes are a group id")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn scenario(seed: u64) -> Scenario {
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = {seed}\n\
             durations = {{ warm_up = \"0s\", measure = \"1s\", drain = \"1s\" }}\n\
             [[groups]]\nname = \"own\"\ncount = 3\nmembers = 4\nrate = \"1/s\"\n\
             [[groups]]\nname = \"shared\"\ncount = 5\nmembers = 7\nrate = \"1/s\"\n\
             connections = \"shared:10\"\n"
        );
        Scenario::parse(&text, "t").unwrap()
    }

    #[test]
    fn every_membership_has_a_device_and_every_group_an_id_of_its_own() {
        let population = Population::of(&scenario(1));
        let mut groups = HashSet::new();
        let mut devices = HashSet::new();
        for group in population.groups() {
            assert_eq!(group.id.as_bytes().len(), 32);
            assert!(groups.insert(group.id));
            for member in 0..group.members {
                assert!(devices.insert(population.device(group, member)));
            }
        }
        assert_eq!((groups.len(), devices.len()), (8, 3 * 4 + 5 * 7));
        assert_eq!(population.members(), 47);
    }

    #[test]
    fn one_seed_gives_one_population_and_another_seed_another() {
        let (one, same, other) = (scenario(1), scenario(1), scenario(2));
        let (one, same) = (Population::of(&one), Population::of(&same));
        assert_eq!(one.groups(), same.groups());
        let other = Population::of(&other);
        assert_ne!(one.groups()[0].id, other.groups()[0].id);
        assert_ne!(one.device(&one.groups()[0], 0), other.device(&other.groups()[0], 0));
    }

    #[test]
    fn ids_stay_what_they_were_in_earlier_versions() {
        let population = Population::of(&scenario(1));
        let group = &population.groups()[0];
        assert_eq!(hex::encode(&group.id.as_bytes()[..8]), "c1dde508cd9837cb");
        assert_eq!(hex::encode(population.device(group, 0).0), "055879a64f41e5919c9bcc358501fc9f");
    }

    #[test]
    fn connections_are_filled_in_order_and_never_span_classes() {
        let population = Population::of(&scenario(1));
        let mut members_of = vec![0_u32; usize::try_from(population.connections()).unwrap()];
        let mut last = 0;
        for group in population.groups() {
            for member in 0..group.members {
                let connection = group.connection(member);
                assert!(connection == last || connection == last + 1);
                last = connection;
                members_of[usize::try_from(connection).unwrap()] += 1;
            }
        }
        assert_eq!(members_of, [vec![1; 12], vec![10, 10, 10, 5]].concat());
    }

    #[test]
    fn groups_that_vary_have_the_members_of_their_size_and_what_they_do_fits_in() {
        let text = "why = \"\"\nexpect = \"\"\nseed = 5\n\
             durations = { warm_up = \"0s\", measure = \"1s\", drain = \"1s\" }\n\
             [[groups]]\nname = \"a\"\ncount = 500\nrate = \"1/s\"\nsenders = 9\nreal = 3\n\
             members = { lognormal = { median = 8, p99 = 100, max = 120 } }\n";
        let scenario = Scenario::parse(text, "t").unwrap();
        let population = Population::of(&scenario);
        let mut next = 0;
        for (index, group) in population.groups().iter().enumerate() {
            let class = population.class(index);
            assert_eq!((class.members, group.first_member), (group.members, next));
            assert_eq!(group.connection(0), next, "each member has its own");
            next += group.members;
            assert!((2..=120).contains(&group.members));
            assert!((1..=9).contains(&class.senders) && class.real <= 3);
            assert!(class.senders + class.real <= class.members, "{class:?}");
            assert!(group.members < 12 || (class.senders, class.real) == (9, 3), "{class:?}");
        }
        assert_eq!((next, next), (population.members(), population.connections()));
        let mut sizes: Vec<u32> = population.groups().iter().map(|group| group.members).collect();
        sizes.sort_unstable();
        assert!((7..=9).contains(&sizes[250]) && sizes[499] > 50, "{sizes:?}");
        assert_eq!(Population::of(&scenario).groups(), population.groups());
    }

    #[test]
    fn the_members_of_the_run_are_numbered_without_a_gap() {
        let population = Population::of(&scenario(1));
        let mut next = 0;
        for group in population.groups() {
            assert_eq!(group.first_member, next);
            next += group.members;
        }
        assert_eq!(next, population.members());
    }
}
