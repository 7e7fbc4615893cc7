//! The worker: walks the schedule, speaks for every member, tells the oracle.
//!
//! One thread, one loop. It sends what is due, late or not, and never waits for an answer before
//! the next send; when nothing is due it sleeps until something is. It knows what is true only
//! through the oracle and what was fast only through the recorder. Called by [`mod@super::run`].

mod come_and_go;
mod comers;
mod coming;
mod flights;
mod hear;
mod issue;
mod look;
mod races;
mod racing;
mod slow;
mod vigil;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use come_and_go::Walk;
use comers::Comers;
use flights::Flights;
use look::{Asked, IDLE};
use races::Race;
use races::alarms::Alarms;
use racing::{Raced, tallies};
use vigil::Vigil;

use super::client::{Client, Heard, SessionNumber};
use super::contention::Tally;
use super::intervals::{Interval, Intervals};
use super::joins::Joins;
use super::noted::Noted;
use super::occupancy::Occupancy;
use super::oracle::{Judgement, Oracle};
use super::racers::{Authenticators, Racers, Seat};
use super::recorder::Recorder;
use super::returns::Returns;
use super::scenario::Scenario;
use super::slow::Lag;
use super::steady::Detector;
use super::strain::Edge;
use super::target::Target;
use super::threshold::Aborted;
use super::timetable::Timetable;
use super::traffic::Plan;
use super::verify::Inboxes;
use crate::clock;
use crate::delivery::Seq;
use crate::limits::OPERATION_TIMEOUT;
use crate::net;
use crate::process::Usage;
use crate::wire::{Counters, Delivery, Request};

/// Operations issued in one turn before the socket is looked at again.
const ISSUED_PER_TURN: usize = 256;

/// How a run is going, now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// Until the last operation is due.
    pub offered: Duration,
    /// Operations that were due so far.
    pub due: u64,
    /// Submissions without an answer.
    pub in_flight: u64,
    /// Deliveries so far.
    pub deliveries: u64,
    /// Violations so far.
    pub violations: u64,
}

/// Who a run talks to about itself while it runs.
pub trait Observer {
    /// Shows how it is going.
    fn progress(&mut self, progress: Progress);
    /// Shows what came of an interval that is over. On the worker's own thread: it has to be brief.
    fn interval(&mut self, _: &Interval) {}
    /// How the server has ended, if it is seen to have.
    fn server_ended(&mut self) -> Option<String>;
}

/// What both sides had used at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The server's counters.
    pub server: Counters,
    /// This process's own use, when they arrived.
    pub engine: Usage,
}

/// What the worker brings home.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) recorder: Recorder,
    pub(super) measured: Range<Duration>,
    pub(super) aborted: Option<Aborted>,
    pub(super) intervals: Vec<Interval>,
    pub(super) tallies: Vec<Option<Tally>>,
    pub(super) edges: Option<(Edge, Edge)>,
    pub(super) judgement: Judgement,
    pub(super) called_for: u64,
    pub(super) in_flight_mean: f64,
    pub(super) in_flight_stayed: f64,
    pub(super) live_messages: u64,
    pub(super) refusals: BTreeMap<&'static str, u64>,
    pub(super) held: u64,
    pub(super) returns: Option<Returns>,
    pub(super) joins: Joins,
    pub(super) lags: Vec<Option<Lag>>,
    pub(super) idle: Option<Counters>,
    pub(super) first: Option<Sample>,
    pub(super) last: Option<Sample>,
    pub(super) server_lost: Option<String>,
    pub(super) sessions_lost: Noted,
    pub(super) live_faults: Noted,
    pub(super) authenticators: Authenticators,
    pub(super) inboxes: Inboxes,
}

/// What a group's senders know and wait for.
#[derive(Debug)]
struct GroupState {
    class: u32,
    /// How many groups of its class come before it.
    index_in_class: usize,
    first_session: SessionNumber,
    /// The highest epoch that anybody is known to have reached.
    reached: u64,
    /// Everybody who says something, by number.
    actors: HashMap<u32, Actor>,
    /// External joins that wait for their epoch, in order.
    outside: VecDeque<usize>,
    race: Option<Race>,
    real: Range<u32>,
    real_joiners: Range<u32>,
}

/// A member that says something: it cannot speak in an epoch that it has not seen, nor commit to
/// proposals that it has not.
#[derive(Debug, Default)]
struct Actor {
    epoch: u64,
    /// Proposals of that epoch that it has seen.
    proposals: u32,
    /// Its operations that wait, in order.
    held: VecDeque<usize>,
}

/// Everything the worker's thread owns.
pub(super) struct Worker<'a> {
    plan: &'a Plan,
    target: &'a Target,
    client: Client,
    operator: SessionNumber,
    seats: Vec<Seat>,
    groups: Vec<GroupState>,
    oracle: Oracle,
    recorder: Recorder,
    occupancy: Occupancy,
    flights: Flights,
    racers: Option<Racers>,
    inboxes: Inboxes,
    nonce: [u8; 8],
    origin: Instant,
    /// What headlines are about: what is due in it is measured.
    window: Range<Duration>,
    /// When the last phase ends: what would be due later is not called for.
    offered: Duration,
    vigil: Vigil,
    next: usize,
    /// Operations of the schedule that have been sent.
    sent: u64,
    held: u64,
    /// What each attempt beyond the schedule is.
    raced: Vec<Raced>,
    /// When racers have to be looked at, if nothing else happens to them.
    alarms: Alarms,
    /// By class: what racing costs, for live ones.
    tallies: Vec<Option<Tally>>,
    called_for: u64,
    walk: Walk,
    returns: Returns,
    /// By class: what comes of its slow members, if it has any.
    lags: Vec<Option<Lag>>,
    /// Whether nobody is slow any more.
    hurried: bool,
    comers: Comers,
    /// Deliveries that overtook the answer that their member is attached: at most what its group
    /// keeps and says until then, and the service prefers answers.
    early: HashMap<SessionNumber, Vec<(Duration, Delivery)>>,
    live_messages: u64,
    /// Refusals by reason.
    refusals: BTreeMap<&'static str, u64>,
    idle: Option<Counters>,
    first: Option<Sample>,
    last: Option<Sample>,
    /// When the last delivery came.
    heard: Duration,
    asked: Asked,
    look_next: Duration,
    /// How many intervals the observer has been shown.
    shown: usize,
    /// Watches a warm-up that ends as soon as the service is steady, until then.
    warming: Option<Detector>,
    quiet: bool,
    server_lost: Option<String>,
    sessions_lost: Noted,
    live_faults: Noted,
}

impl<'a> Worker<'a> {
    /// A worker whose run begins at `origin`, with so many threads for live members.
    ///
    /// # Errors
    /// When the system gives no thread for live members.
    pub(super) fn new(
        (plan, target): (&'a Plan, &'a Target),
        (live, threads): (BTreeMap<Seat, crate::mls::LiveMember>, usize),
        (client, operator): (Client, SessionNumber),
        nonce: [u8; 8],
        origin: Instant,
    ) -> std::io::Result<Self> {
        let mut oracle = Oracle::new();
        let mut seats = Vec::new();
        let mut groups: Vec<GroupState> = Vec::new();
        let mut in_class = vec![0; plan.scenario.groups.len()];
        for (index, group) in (0_u32..).zip(plan.population.groups()) {
            oracle.group_created(index, group.members, Seq(1));
            seats.extend((0..group.devices()).map(|member| (index, member)));
            let place = &mut in_class[group.class as usize];
            groups.push(GroupState::new(plan, index, *place));
            *place += 1;
        }
        for operation in plan.schedule.operations() {
            groups[operation.group as usize].will_hear_from(operation);
        }
        let scenario = &plan.scenario;
        let racers =
            if live.is_empty() { None } else { Some(Racers::start(live, threads, scenario.seed)?) };
        let window = scenario.window();
        let recorder = Recorder::over(scenario);
        Ok(Self {
            plan,
            target,
            client,
            operator,
            seats,
            groups,
            oracle,
            recorder,
            occupancy: Occupancy::over(window.start, window.end),
            flights: Flights::new(OPERATION_TIMEOUT),
            racers,
            inboxes: Inboxes::default(),
            nonce,
            origin,
            window,
            offered: scenario.offered(),
            vigil: Vigil::over(plan),
            next: 0,
            sent: 0,
            held: 0,
            raced: Vec::new(),
            alarms: Alarms::default(),
            tallies: tallies(scenario),
            called_for: 0,
            walk: Walk::through(Timetable::of(scenario, &plan.population)),
            returns: Returns::default(),
            lags: slow::lags(plan),
            hurried: false,
            comers: Comers::of(plan),
            early: HashMap::new(),
            live_messages: 0,
            refusals: BTreeMap::new(),
            idle: None,
            first: None,
            last: None,
            heard: Duration::ZERO,
            asked: Asked::default(),
            look_next: Duration::ZERO,
            shown: 0,
            warming: warms_until_steady(scenario).then(Detector::default),
            quiet: false,
            server_lost: None,
            sessions_lost: Noted::default(),
            live_faults: Noted::default(),
        })
    }

    /// Serves the connections until the run begins, so that its first operation finds silence.
    ///
    /// # Errors
    /// When this side's own socket fails.
    pub(super) fn settle(&mut self) -> Result<(), net::Error> {
        self.slow_down();
        self.client.request(self.operator, &Request::Stats { request: IDLE });
        let reading = self.reading();
        self.recorder.intervals.start(reading);
        loop {
            let now = clock::now();
            if now >= self.origin {
                return Ok(());
            }
            self.client.turn(now)?;
            self.hear_all();
            self.hear_racers();
            self.hand_over();
            self.client.wait(now, Some(self.origin), None);
        }
    }

    /// Runs until everything due has been answered and delivered, the drain is over, or the
    /// server is lost.
    ///
    /// # Errors
    /// When this side's own socket fails.
    pub(super) fn run(
        mut self,
        observer: &mut dyn Observer,
    ) -> Result<(Client, Brought), net::Error> {
        loop {
            let now = clock::now();
            let elapsed = now.saturating_duration_since(self.origin);
            let issued = self.issue_due(elapsed) + self.come_and_go(elapsed)?;
            if issued > 0 {
                // What is due leaves before what has come is looked at.
                self.client.transmit(clock::now())?;
            }
            let taken = self.client.turn(clock::now())?;
            let heard = self.hear_all();
            self.hear_racers();
            self.race_in_time(elapsed);
            self.ask_again(elapsed);
            self.hurry_at_the_end(elapsed);
            self.give_up_on_the_late();
            self.look_around(elapsed, observer);
            self.hand_over();
            self.client.transmit(clock::now())?;
            if self.server_lost.is_some() || self.is_over(elapsed) {
                return Ok(self.go_home());
            }
            if issued + taken + heard == 0 {
                self.sleep();
            }
        }
    }

    fn since_origin(&self) -> Duration {
        clock::now().saturating_duration_since(self.origin)
    }

    fn hear_all(&mut self) -> usize {
        let mut heard = 0;
        while let Some((session, what)) = self.client.poll() {
            heard += 1;
            match what {
                Heard::Reply(reply) => self.on_reply(session, reply),
                Heard::Delivery(delivery) => self.on_delivery(session, delivery),
                Heard::Over(lost) => self.on_over(session, &lost),
            }
        }
        heard
    }

    fn on_over(&mut self, session: SessionNumber, lost: &net::Lost) {
        if session == self.operator {
            self.server_lost = Some(lost.to_string());
        } else {
            self.give_up_return(session);
            if matches!(lost, net::Lost::Closed { .. }) {
                self.cut_off(session);
            }
            if self.slow_closed(session, lost) {
                return;
            }
            self.sessions_lost.note(|| format!("session {session}: {lost}"));
        }
    }

    /// Whether anything is due, wanted or on its way: all of it may still come to be delivered,
    /// so only without it can the oracle know that everything was.
    fn owes(&self) -> bool {
        self.next_operation().is_some()
            || self.flights.len() > 0
            || !self.walk.is_over()
            || !self.returns.is_still()
            || !self.comers.is_still()
            || self.groups.iter().any(GroupState::waits)
            || self.racers.as_ref().is_some_and(|racers| !racers.is_caught_up())
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        if elapsed >= self.offered + self.drain() {
            return true;
        }
        self.quiet && self.last.is_some()
    }

    fn sleep(&mut self) {
        let due = self.next_operation().map(|operation| operation.intended);
        let step = self.next_move();
        let again = self.comers.next_again();
        let until = [due, step, again, self.alarms.next()].into_iter().flatten();
        let until = until.fold(self.look_next, Ord::min);
        let wake = self.racers.as_ref().map(Racers::descriptor);
        self.client.wait(clock::now(), Some(self.origin + until), wake);
        if let Some(racers) = &self.racers {
            racers.awake();
        }
    }

    fn go_home(mut self) -> (Client, Brought) {
        self.look_whether_cut_short();
        let before = self.oracle.counts().not_issued;
        self.not_issued_any_more();
        let aborted = self.vigil.aborted.map(|aborted| Aborted {
            in_flight: self.flights.len() as u64,
            waiting: self.oracle.counts().not_issued - before,
            ..aborted
        });
        self.give_up_on_the_rest();
        let at = self.since_origin();
        let reading = self.reading();
        let none = Intervals::new(Vec::new(), Duration::ZERO);
        let intervals = std::mem::replace(&mut self.recorder.intervals, none);
        let returns = self.returned();
        let authenticators = self.racers.map_or_else(Authenticators::new, Racers::finish);
        let brought = Brought {
            recorder: self.recorder,
            measured: self.window,
            aborted,
            intervals: intervals.finish(at, reading),
            tallies: self.tallies,
            edges: self.asked.edges(),
            in_flight_mean: self.occupancy.mean(),
            in_flight_stayed: self.occupancy.stayed(),
            judgement: self.oracle.finish(self.called_for),
            called_for: self.called_for,
            live_messages: self.live_messages,
            refusals: self.refusals,
            held: self.held,
            returns,
            joins: self.comers.finish(),
            lags: self.lags,
            idle: self.idle,
            first: self.first,
            last: self.last,
            server_lost: self.server_lost,
            sessions_lost: self.sessions_lost,
            live_faults: self.live_faults,
            authenticators,
            inboxes: self.inboxes,
        };
        (self.client, brought)
    }
}

fn warms_until_steady(scenario: &Scenario) -> bool {
    scenario.phases.iter().any(|phase| phase.until_steady)
}

impl GroupState {
    fn new(plan: &Plan, index: u32, index_in_class: usize) -> Self {
        let group = &plan.population.groups()[index as usize];
        let class = plan.class(index as usize);
        let traffic = &plan.traffic[index as usize];
        Self {
            class: group.class,
            index_in_class,
            first_session: group.first_member,
            reached: traffic.epoch().0,
            actors: HashMap::new(),
            outside: VecDeque::new(),
            race: class.contention.map(|contention| {
                Race::new(contention, class.racers, traffic.epoch(), (plan.scenario.seed, index))
            }),
            real: class.real_members(),
            real_joiners: class.real_joiners(),
        }
    }

    fn waits(&self) -> bool {
        self.actors.values().any(|actor| !actor.held.is_empty())
            || !self.outside.is_empty()
            || self.race.as_ref().is_some_and(Race::wants_anything)
    }
}
