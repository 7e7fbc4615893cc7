//! The rounds: every contestant on the same work, one after another, again and again.
//!
//! A closed loop: the next message goes out when the oldest in flight has reached its last member.
//! All servers stay up, on one core; the members of all of them are on this thread, on another
//! core, and only those of the contestant whose turn it is are awake. Between turns the others are
//! looked after, so that no connection of theirs goes idle. Called by `cli`.

use std::time::Duration;

use super::entrant::{Contestant, Entrant, FloorWork, Name, Part, Served, Status};
use super::fault::Fault;
use super::ledger::Ledger;
use super::link::Sealing;
use super::round::{Reading, Round};
use super::work::Work;
use crate::clock;
use crate::limits::{
    PACKETS_PER_ACK, PACKETS_PER_ACK_MAX, PEER_SILENCE_MAX, PEER_TURN_MAX, ROUND_MESSAGES_MAX,
};
use crate::net::KeyExchange;
use crate::process;

/// Server time that a warm-up takes at least: enough to tell what a message costs.
const WARM_UP_CPU: Duration = Duration::from_millis(200);

/// Descriptors of this process beside those of members.
const DESCRIPTORS_ELSE: usize = 64;

/// How long a contestant is listened to after its round: twice as long as a member may hold back an
/// acknowledgement.
const SETTLED: Duration = Duration::from_millis(50);

/// Turns that an idle contestant gets at once, at most.
const IDLE_TURNS_MAX: usize = 1_000;

/// How the contest goes about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many messages are in flight, one set of rounds for each.
    pub in_flight: Vec<u32>,
    /// Rounds of each set.
    pub rounds: u32,
    /// Messages of each round; `None` for as many as `server_cpu` asks for.
    pub messages: Option<u32>,
    /// What the cheapest server shall spend on a round.
    pub server_cpu: Duration,
    /// Servers on core 0, this thread on core 1.
    pub apart: bool,
    /// Of connections over QUIC.
    pub key_exchange: KeyExchange,
}

/// Why there is no contest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Too few descriptors.
    #[error(
        "{members} members over TCP need {needed} descriptors and this process may open {allowed}: \
         raise `ulimit -Hn`, leave out nats and redis with --only, or take fewer members"
    )]
    Descriptors {
        /// Members.
        members: usize,
        /// Descriptors for them.
        needed: usize,
        /// Descriptors allowed.
        allowed: u64,
    },
}

/// Everything that a contest found out.
#[derive(Debug)]
pub struct Found {
    /// Who took part, in the order they entered.
    pub contestants: Vec<Presence>,
    /// One for each number in flight.
    pub sets: Vec<Set>,
    /// Whether members over TCP connected for each round anew, for want of descriptors.
    pub reconnected: bool,
}

/// A contestant when all is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Which.
    pub name: Name,
    /// What its program says of its version.
    pub version: Option<String>,
    /// The cipher suite that was negotiated, where that can be told.
    pub cipher_suite: Option<String>,
    /// The key exchange.
    pub key_exchange: Option<String>,
    /// Whether its rounds count.
    pub status: Status,
    /// Why not.
    pub why: Option<String>,
}

/// The rounds with one number in flight.
#[derive(Debug)]
pub struct Set {
    /// How many.
    pub in_flight: u32,
    /// Messages of each round.
    pub messages: u32,
    /// What each contestant did in each round, in the order it was measured.
    pub rounds: Vec<(Name, Round)>,
}

/// Runs everything. `say` gets a line for each step.
///
/// # Errors
/// [`Impossible`], before anything is connected.
pub fn contest(
    work: &Work,
    entrants: Vec<Entrant<'_>>,
    options: &Options,
    say: &mut dyn FnMut(&str),
) -> Result<Found, Impossible> {
    let allowed = process::raise_descriptor_limit();
    if options.apart {
        // Servers that are started here inherit their core.
        process::pin_to_core(0);
    }
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for entrant in entrants {
        contestants.push(Contestant::enter(entrant, work, options.key_exchange));
    }
    if options.apart {
        process::pin_to_core(1);
    }
    let reconnects = fit(work, &mut contestants, allowed)?;
    let mut contest = Contest::new(work, contestants, reconnects, options, say);
    let sets = contest.run();
    let contestants = contest.contestants.into_iter().map(presence).collect();
    Ok(Found { contestants, sets, reconnected: reconnects })
}

/// What is left of a contestant when all is over.
pub(super) fn presence(contestant: Contestant<'_>) -> Presence {
    let Contestant { name, version, sealing, status, why, .. } = contestant;
    let Sealing { cipher_suite, key_exchange } = sealing;
    Presence { name, version, cipher_suite, key_exchange, status, why }
}

/// Whether members over TCP have to give their descriptors back after each round.
fn fit(work: &Work, contestants: &mut [Contestant<'_>], allowed: u64) -> Result<bool, Impossible> {
    let needs: Vec<usize> = contestants
        .iter_mut()
        .filter_map(|contestant| Some(contestant.served()?.descriptors))
        .collect();
    let fits = |needed: usize| (needed + DESCRIPTORS_ELSE) as u64 <= allowed;
    let most = needs.iter().copied().max().unwrap_or(0);
    if !fits(most) {
        let needed = most + DESCRIPTORS_ELSE;
        return Err(Impossible::Descriptors { members: work.members.len(), needed, allowed });
    }
    Ok(!fits(needs.iter().sum()))
}

/// A contest under way.
pub(super) struct Contest<'c, 'a> {
    work: &'a Work,
    pub(super) contestants: Vec<Contestant<'a>>,
    /// The books of those whose turn it is not.
    idle: Ledger<'a>,
    reconnects: bool,
    /// How seldom Stentor's members acknowledged when they were measured last.
    packets_per_ack: u32,
    options: &'c Options,
    say: &'c mut dyn FnMut(&str),
}

impl<'c, 'a> Contest<'c, 'a> {
    pub(super) fn new(
        work: &'a Work,
        contestants: Vec<Contestant<'a>>,
        reconnects: bool,
        options: &'c Options,
        say: &'c mut dyn FnMut(&str),
    ) -> Self {
        let idle = Ledger::new(work, clock::now());
        Self { work, contestants, idle, reconnects, packets_per_ack: PACKETS_PER_ACK, options, say }
    }

    /// Every set of rounds.
    pub(super) fn run(&mut self) -> Vec<Set> {
        let mut sets = Vec::new();
        for in_flight in self.options.in_flight.clone() {
            let costs: Vec<f64> = (0..self.contestants.len())
                .filter_map(|index| self.warm_up(index, in_flight))
                .collect();
            let messages = messages_of_a_round(&costs, in_flight, self.options);
            let mut rounds = Vec::new();
            for number in 0..self.options.rounds {
                (self.say)(&format!(
                    "{in_flight} in flight: round {} of {}, {messages} messages to {} members",
                    number + 1,
                    self.options.rounds,
                    self.work.members.len()
                ));
                for index in order(self.contestants.len(), number) {
                    let name = self.contestants[index].name;
                    let measured = self.turn(index, in_flight, messages);
                    if let Some(Round { packets_per_ack: Some(ratio), .. }) = &measured
                        && name == Name::Stentor
                    {
                        self.packets_per_ack = whole(*ratio);
                    }
                    rounds.extend(measured.map(|round| (name, Round { number, ..round })));
                    self.release(index);
                }
            }
            sets.push(Set { in_flight, messages, rounds });
        }
        sets
    }

    /// Microseconds of server that a message costs a contestant. `None` if it is out.
    fn warm_up(&mut self, index: usize, in_flight: u32) -> Option<f64> {
        let cost = self.cost(index, in_flight);
        self.release(index);
        cost
    }

    fn cost(&mut self, index: usize, in_flight: u32) -> Option<f64> {
        let most = self.options.messages.unwrap_or(ROUND_MESSAGES_MAX);
        let mut messages = in_flight.min(most);
        loop {
            self.contestants[index].served()?;
            let round = self.turn(index, in_flight, messages)?;
            if round.server_cpu >= WARM_UP_CPU || messages == most {
                return Some(round.server_cpu.as_secs_f64() * 1e6 / f64::from(messages));
            }
            messages = messages.saturating_mul(2).min(most);
        }
    }

    /// Gives a contestant's descriptors to the next, where there are not enough for all.
    fn release(&mut self, index: usize) {
        let reconnects = self.reconnects;
        let served = self.contestants[index].served();
        if let Some(served) = served.filter(|served| reconnects && served.descriptors > 0) {
            served.link.disconnect();
            served.connected = false;
        }
    }

    /// One contestant's round, from connected to drained; `None` if it is out, or is so now.
    fn turn(&mut self, index: usize, in_flight: u32, messages: u32) -> Option<Round> {
        let attempt = self.attempt(index, in_flight, messages);
        match attempt.and_then(|round| self.settle(index).map(|()| round)) {
            Ok(round) => round,
            Err(fault) => {
                self.exclude(index, fault);
                None
            }
        }
    }

    /// Lets a contestant's members say what they have held back, acknowledgements above all: left
    /// until their next turn, it would look to a server like a round trip of seconds.
    fn settle(&mut self, index: usize) -> Result<(), Fault> {
        let until = clock::now() + SETTLED;
        while clock::now() < until {
            let Some(served) = self.contestants[index].served() else { break };
            served.link.turn(&mut self.idle)?;
        }
        Ok(())
    }

    /// A contestant is out: for the end of its server, if that is what is behind the fault.
    fn exclude(&mut self, index: usize, fault: Fault) {
        let contestant = &mut self.contestants[index];
        let ended = contestant.served().and_then(Served::ended_soon);
        let fault = ended.map_or(fault, Fault::Ended);
        (self.say)(&format!("{} is out: {fault}", contestant.name.name()));
        contestant.fail(&fault);
    }

    fn attempt(
        &mut self,
        index: usize,
        in_flight: u32,
        messages: u32,
    ) -> Result<Option<Round>, Fault> {
        let work = self.work;
        let mut ledger = Ledger::new(work, clock::now());
        let contestant = &mut self.contestants[index];
        match &mut contestant.part {
            None => return Ok(None),
            Some(Part::Floor(measure)) => {
                let packets_per_ack = self.packets_per_ack;
                return measure_floor(measure, work, in_flight, packets_per_ack).map(Some);
            }
            Some(Part::Served(served)) if !served.connected => {
                (self.say)(&format!("connecting {}", contestant.name.name()));
                served.link.connect(&mut ledger)?;
                served.connected = true;
                contestant.sealing = served.link.sealing();
                self.touch(index, in_flight)?;
            }
            Some(Part::Served(_)) => {}
        }
        let mut round = Round::default();
        while ledger.published() < messages {
            let Some(served) = self.contestants[index].served() else { return Ok(None) };
            if work.begins_anew(ledger.published()) {
                served.link.rewind(&mut ledger)?;
            }
            let before = Reading::take(served);
            exchange(served, &mut ledger, work, in_flight, messages)?;
            round.spend(&before, &Reading::take(served));
            self.look_after_others(index);
        }
        round.deliveries = ledger.deliveries();
        round.body_bytes = ledger.body_bytes();
        (round.member, round.last) = (ledger.member, ledger.last);
        Ok(Some(round))
    }

    /// The first messages over fresh connections, which no figure is to contain.
    fn touch(&mut self, index: usize, in_flight: u32) -> Result<(), Fault> {
        let mut ledger = Ledger::new(self.work, clock::now());
        let Some(served) = self.contestants[index].served() else { return Ok(()) };
        exchange(served, &mut ledger, self.work, in_flight, in_flight)
    }

    /// Keeps the connections of everybody else alive; whoever delivers now is out.
    fn look_after_others(&mut self, index: usize) {
        for other in (0..self.contestants.len()).filter(|other| *other != index) {
            let Some(served) = self.contestants[other].served().filter(|served| served.connected)
            else {
                continue;
            };
            let mut turns = (0..IDLE_TURNS_MAX).map(|_| served.link.turn(&mut self.idle));
            if let Some(Err(fault)) = turns.find(|heard| !matches!(heard, Ok(true))) {
                self.exclude(other, fault);
            }
        }
    }
}

/// Publishes and hears until everything published is everywhere: all messages, those before the
/// group has to be made anew, or those of [`PEER_TURN_MAX`].
fn exchange(
    served: &mut Served<'_>,
    ledger: &mut Ledger<'_>,
    work: &Work,
    in_flight: u32,
    messages: u32,
) -> Result<(), Fault> {
    let first = ledger.published();
    let started = clock::now();
    loop {
        let now = clock::now();
        let ends = |number: u32| {
            number == messages
                || number > first && (work.begins_anew(number) || now - started > PEER_TURN_MAX)
        };
        let published = ledger.published();
        while ledger.in_flight() < in_flight && !ends(ledger.published()) {
            let body = work.body(ledger.published());
            ledger.publish(clock::now());
            served.link.publish(body)?;
        }
        if ledger.published() > published {
            served.link.flush(clock::now())?;
        }
        if ledger.in_flight() == 0 {
            return Ok(());
        }
        if !served.link.turn(ledger)?
            && let Some(how) = served.server.ended()
        {
            return Err(Fault::Ended(how));
        }
        ledger.check_silence(now, PEER_SILENCE_MAX)?;
    }
}

fn measure_floor(
    measure: &mut super::entrant::MeasureFloor<'_>,
    work: &Work,
    in_flight: u32,
    packets_per_ack: u32,
) -> Result<Round, Fault> {
    let members = u32::try_from(work.members.len()).expect("members are bounded");
    let body_bytes = work.mean_bytes();
    let asked = FloorWork { members, body_bytes, in_flight, packets_per_ack };
    let found = measure(&asked).map_err(Fault::Environment)?;
    Ok(Round {
        deliveries: found.deliveries,
        body_bytes: found.deliveries * body_bytes as u64,
        wall: found.wall,
        server_cpu: found.cpu,
        ..Round::default()
    })
}

/// A ratio as the floor can have it.
fn whole(ratio: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let whole = ratio.round().clamp(1.0, f64::from(PACKETS_PER_ACK_MAX)) as u32;
    whole
}

/// As many that the cheapest server spends what it shall, and that more than one set of those in
/// flight goes by.
fn messages_of_a_round(costs: &[f64], in_flight: u32, options: &Options) -> u32 {
    if let Some(messages) = options.messages {
        return messages;
    }
    let cheapest = costs.iter().copied().fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
    let wanted = options.server_cpu.as_secs_f64() * 1e6 / cheapest;
    let within = wanted.ceil().clamp(f64::from(2 * in_flight), f64::from(ROUND_MESSAGES_MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let messages = within as u32;
    messages
}

/// Who goes when: each round starts with the next one, and every second runs the other way round.
fn order(contestants: usize, round: u32) -> Vec<usize> {
    let first = round as usize % contestants.max(1);
    let forward = round.is_multiple_of(2);
    let place = |step| if forward { first + step } else { first + contestants - step };
    (0..contestants).map(|step| place(step) % contestants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_begins_a_round_in_turn_and_has_others_before_it() {
        let orders: Vec<_> = (0..4).map(|round| order(4, round)).collect();
        assert_eq!(orders, [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]);
        assert_eq!(order(1, 7), [0]);
        assert_eq!(order(0, 7), [0; 0]);
    }

    #[test]
    fn a_round_is_as_long_as_the_cheapest_server_needs_it() {
        let mut options = Options {
            in_flight: vec![4],
            rounds: 1,
            messages: None,
            server_cpu: Duration::from_secs(1),
            apart: false,
            key_exchange: KeyExchange::X25519,
        };
        assert_eq!(messages_of_a_round(&[9_000.0, 4_000.0], 4, &options), 250);
        assert_eq!(messages_of_a_round(&[2e6], 4, &options), 8, "twice what is in flight");
        assert_eq!(messages_of_a_round(&[0.0], 4, &options), ROUND_MESSAGES_MAX);
        options.messages = Some(3);
        assert_eq!(messages_of_a_round(&[4_000.0], 4, &options), 3);
    }
}
