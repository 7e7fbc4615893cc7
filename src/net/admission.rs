//! Who may begin a connection, and who has to prove its address first.
//!
//! Counts connections and handshakes, in all and by network: the address of IPv4, the /64 of IPv6
//! (RFC 4291 §2.5.4: what one site has at least). Pure but for the type of its instants: it sends
//! nothing. Asked by the driver for every first packet, so its answer costs one look into a table.
//!
//! Under pressure a first packet is answered with a Retry (RFC 9000 §8.1.2), which costs no memory:
//! who only pretends to have its address never takes a place. Whoever has one and does nothing with
//! it takes places of its own network alone, and each for [`Admission::handshake_max`].

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::connection::ConnectionId;
use crate::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX, CONNECTIONS_UNVALIDATED_MAX, HANDSHAKE_MAX,
    HANDSHAKES_MAX, HANDSHAKES_PER_NETWORK_MAX, HANDSHAKES_UNVALIDATED_MAX,
};

/// The bounds on connections of one driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Connections. From 1. Default [`CONNECTIONS_MAX`]; each costs some tens of KiB.
    pub connections_max: usize,
    /// Connections from which on an address has to be proved. Default
    /// [`CONNECTIONS_UNVALIDATED_MAX`]; a proof costs the client a round trip.
    pub connections_unvalidated_max: usize,
    /// Handshakes under way. From 1. Default [`HANDSHAKES_MAX`].
    pub handshakes_max: usize,
    /// Handshakes from which on an address has to be proved. Default
    /// [`HANDSHAKES_UNVALIDATED_MAX`].
    pub handshakes_unvalidated_max: usize,
    /// Connections of one network. Default [`CONNECTIONS_PER_NETWORK_MAX`]: as many devices as may
    /// share an address.
    pub connections_per_network_max: usize,
    /// Handshakes of one network. Default [`HANDSHAKES_PER_NETWORK_MAX`].
    pub handshakes_per_network_max: usize,
    /// Whether the loopback addresses are bounded as a network. Default no: who is on this machine
    /// is the operator, and a load generator has one address.
    pub loopback_is_a_network: bool,
    /// How long a handshake may take. Default [`HANDSHAKE_MAX`].
    pub handshake_max: Duration,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            connections_unvalidated_max: CONNECTIONS_UNVALIDATED_MAX,
            handshakes_max: HANDSHAKES_MAX,
            handshakes_unvalidated_max: HANDSHAKES_UNVALIDATED_MAX,
            connections_per_network_max: CONNECTIONS_PER_NETWORK_MAX,
            handshakes_per_network_max: HANDSHAKES_PER_NETWORK_MAX,
            loopback_is_a_network: false,
            handshake_max: HANDSHAKE_MAX,
        }
    }
}

/// What a first packet is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    /// Prove that you get what is sent to your address.
    Retry,
    Refuse,
}

/// Addresses that are one to the bounds: four bytes of IPv4, or the first eight of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
}

/// A connection that somebody began, as its bounds count it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    /// `None` if its network is not bounded.
    network: Option<Network>,
    handshaking: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    connections: usize,
    handshakes: usize,
}

/// What is counted. A network costs about 40 bytes while it has a connection.
#[derive(Debug)]
pub(super) struct Gate {
    admission: Admission,
    total: Tally,
    networks: HashMap<Network, Tally>,
    /// Handshakes with their deadline, oldest first; some are over by now.
    deadlines: VecDeque<(Instant, ConnectionId)>,
}

impl Gate {
    pub(super) fn new(admission: Admission) -> Self {
        let (networks, deadlines) = (HashMap::new(), VecDeque::new());
        Self { admission, total: Tally::default(), networks, deadlines }
    }

    /// What to say to a first packet from `address`; `validated` if it carries a proof.
    pub(super) fn answer(&self, address: IpAddr, validated: bool) -> Answer {
        let limits = &self.admission;
        let pressed = self.total.handshakes >= limits.handshakes_unvalidated_max
            || self.total.connections >= limits.connections_unvalidated_max;
        if pressed && !validated {
            return Answer::Retry;
        }
        let own = self.network(address).and_then(|network| self.networks.get(&network));
        let own = own.copied().unwrap_or_default();
        let full = self.total.connections >= limits.connections_max
            || self.total.handshakes >= limits.handshakes_max
            || own.connections >= limits.connections_per_network_max
            || own.handshakes >= limits.handshakes_per_network_max;
        if full { Answer::Refuse } else { Answer::Accept }
    }

    /// A connection begins.
    pub(super) fn enter(&mut self, now: Instant, address: IpAddr, id: ConnectionId) -> Guest {
        let network = self.network(address);
        for tally in self.tallies(network) {
            tally.connections += 1;
            tally.handshakes += 1;
        }
        // Those whose handshake is over in time keep their place in the queue until then: no more
        // than may begin within that time.
        self.deadlines.push_back((now + self.admission.handshake_max, id));
        Guest { network, handshaking: true }
    }

    /// Its handshake is over.
    pub(super) fn connected(&mut self, guest: &mut Guest) {
        if std::mem::replace(&mut guest.handshaking, false) {
            self.tallies(guest.network).for_each(|tally| tally.handshakes -= 1);
        }
    }

    /// It is gone.
    pub(super) fn leave(&mut self, mut guest: Guest) {
        self.connected(&mut guest);
        self.tallies(guest.network).for_each(|tally| tally.connections -= 1);
        if let Some(network) = guest.network
            && self.networks.get(&network).is_some_and(|tally| tally.connections == 0)
        {
            self.networks.remove(&network);
        }
    }

    /// The next connection that has had its time for a handshake, whatever has become of it.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<ConnectionId> {
        self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now).map(|(_, id)| id)
    }

    fn network(&self, address: IpAddr) -> Option<Network> {
        let address = address.to_canonical();
        if address.is_loopback() && !self.admission.loopback_is_a_network {
            return None;
        }
        Some(match address {
            IpAddr::V4(address) => Network::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut first = [0; 8];
                first.copy_from_slice(&address.octets()[..8]);
                Network::V6(first)
            }
        })
    }

    fn tallies(&mut self, network: Option<Network>) -> impl Iterator<Item = &mut Tally> {
        let own = network.map(|network| self.networks.entry(network).or_default());
        std::iter::once(&mut self.total).chain(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::clock;

    const SMALL: Admission = Admission {
        connections_max: 9,
        connections_unvalidated_max: 7,
        handshakes_max: 6,
        handshakes_unvalidated_max: 4,
        connections_per_network_max: 5,
        handshakes_per_network_max: 3,
        loopback_is_a_network: false,
        handshake_max: Duration::from_secs(5),
    };

    fn id(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 0 }
    }

    fn address(network: u8, host: u8) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, 0, u16::from(network), 0, 0, 0, u16::from(host)])
    }

    #[test]
    fn the_hosts_of_one_network_share_its_places_and_leave_those_of_others() {
        let mut gate = Gate::new(SMALL);
        let now = clock::now();
        for host in 0..3 {
            assert_eq!(gate.answer(address(1, host), false), Answer::Accept);
            gate.enter(now, address(1, host), id(u32::from(host)));
        }
        assert_eq!(gate.answer(address(1, 9), false), Answer::Refuse);
        assert_eq!(gate.answer(address(2, 9), false), Answer::Accept);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(gate.network(mapped), gate.network("192.0.2.1".parse().unwrap()));
        assert_eq!(gate.network("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn under_pressure_an_address_is_proved_before_it_gets_a_place() {
        let mut gate = Gate::new(SMALL);
        for network in 0..4 {
            assert_eq!(gate.answer(address(network, 0), false), Answer::Accept);
            gate.enter(clock::now(), address(network, 0), id(u32::from(network)));
        }
        assert_eq!(gate.answer(address(9, 0), false), Answer::Retry);
        assert_eq!(gate.answer(address(9, 0), true), Answer::Accept);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Knock { network: u8, validated: bool },
        Connect(usize),
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u8..4, any::<bool>())
                .prop_map(|(network, validated)| Step::Knock { network, validated }),
            1 => any::<usize>().prop_map(Step::Connect),
            1 => any::<usize>().prop_map(Step::Leave),
        ]
    }

    proptest! {
        #[test]
        fn the_counts_are_those_of_who_is_there_and_no_bound_is_passed(
            steps in prop::collection::vec(step(), 1..200)
        ) {
            let mut gate = Gate::new(SMALL);
            let now = clock::now();
            // Network, handshaking, and what the gate made of it.
            let mut here: Vec<(u8, bool, Guest)> = Vec::new();
            for step in steps {
                match step {
                    Step::Knock { network, validated } => {
                        let address = address(network, 0);
                        let own = here.iter().filter(|(other, ..)| *other == network);
                        let (own, own_handshakes) =
                            (own.clone().count(), own.filter(|(_, handshaking, _)| *handshaking).count());
                        let handshakes = here.iter().filter(|(_, handshaking, _)| *handshaking).count();
                        let expected = if !validated && (handshakes >= 4 || here.len() >= 7) {
                            Answer::Retry
                        } else if here.len() >= 9 || handshakes >= 6 || own >= 5 || own_handshakes >= 3 {
                            Answer::Refuse
                        } else {
                            Answer::Accept
                        };
                        prop_assert_eq!(gate.answer(address, validated), expected);
                        if expected == Answer::Accept {
                            here.push((network, true, gate.enter(now, address, id(0))));
                        }
                    }
                    Step::Connect(place) if !here.is_empty() => {
                        let place = place % here.len();
                        let (_, handshaking, guest) = &mut here[place];
                        *handshaking = false;
                        gate.connected(guest);
                    }
                    Step::Leave(place) if !here.is_empty() => {
                        let place = place % here.len();
                        gate.leave(here.swap_remove(place).2);
                    }
                    Step::Connect(_) | Step::Leave(_) => {}
                }
            }
            let networks: std::collections::HashSet<u8> = here.iter().map(|one| one.0).collect();
            prop_assert_eq!(gate.networks.len(), networks.len(), "none is remembered for nothing");
        }
    }
}
