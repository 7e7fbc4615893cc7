//! Races by themselves, and a whole group of racers against a service that only orders.

mod unanswered;

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::delivery::Seq;
use crate::load::contention::Backoff;

const DUE: Due = Due { class: 0, intended: Duration::ZERO, measured: true };
const MS: fn(u64) -> Duration = Duration::from_millis;

fn race(policy: Policy, racers: u32) -> Race {
    Race::new(Contention { policy, think: None }, racers, Epoch(1), (7, 0))
}

fn built(what: What, epoch: u64) -> Built {
    Built { what, epoch: Epoch(epoch), body: Bytes::from_static(b"body"), cpu: MS(1) }
}

fn build_and_send(race: &mut Race, racer: u32, what: What, epoch: u64, now: Duration) -> Want {
    match race.next(racer, now) {
        Some(Step::Build(asked)) => assert_eq!(asked, what),
        other => panic!("{other:?}"),
    }
    assert!(race.next(racer, now).is_none(), "one thing at a time");
    race.built(racer, built(what, epoch));
    match race.next(racer, now) {
        Some(Step::Send(sent, want)) => {
            assert_eq!((sent.what, sent.epoch), (what, Epoch(epoch)));
            want.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn wrong_epoch(current: u64) -> Reject {
    Reject::WrongEpoch { current: Epoch(current), winner: Seq(1) }
}

#[test]
fn a_racer_builds_once_it_wants_and_submits_once_it_has_built() {
    let mut race = race(Policy::Retry, 2);
    assert!(race.next(0, MS(0)).is_none(), "it wants nothing");
    race.want(0, DUE);
    race.want(0, DUE);
    assert_eq!(build_and_send(&mut race, 0, What::Commit, 1, MS(5)).tries, 0);
    assert!(race.next(0, MS(5)).is_none(), "one at a time");
    let answered = race.accepted(0, Epoch(2));
    assert_eq!(answered.served.map(|want| (want.tries, want.sent)), Some((1, MS(5))));
    assert!(race.next(0, MS(6)).is_none(), "it has not been delivered its own commit yet");
    race.delivered(0, 0, What::Commit, Epoch(1), MS(7));
    build_and_send(&mut race, 0, What::Commit, 2, MS(7));
    assert!(race.next(1, MS(7)).is_none(), "the other wants nothing");
}

#[test]
fn a_loser_keeps_what_it_wants_and_waits_until_it_has_seen_who_won() {
    let mut race = race(Policy::Retry, 1);
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 1, MS(0));
    let answered = race.refused(0, wrong_epoch(2), MS(4));
    assert!(answered.gave_up.is_none() && answered.served.is_none());
    assert!(race.next(0, MS(4)).is_none(), "it has not been delivered the commit that won");
    race.delivered(0, 9, What::Commit, Epoch(1), MS(5));
    let want = build_and_send(&mut race, 0, What::Commit, 2, MS(5));
    assert_eq!((want.due, want.since, want.tries), (DUE, MS(4), 1));
}

#[test]
fn what_is_built_for_an_epoch_that_ends_meanwhile_is_never_sent() {
    let mut race = race(Policy::Retry, 1);
    race.want(0, DUE);
    assert!(matches!(race.next(0, MS(0)), Some(Step::Build(What::Commit))));
    race.delivered(0, 9, What::Commit, Epoch(1), MS(1));
    race.built(0, built(What::Commit, 1));
    assert!(matches!(race.next(0, MS(1)), Some(Step::Overtaken(_))));
    build_and_send(&mut race, 0, What::Commit, 2, MS(1));
}

#[test]
fn a_racer_that_is_put_off_brings_the_same_commit_later_unless_its_epoch_is_over() {
    let mut race = race(Policy::Retry, 1);
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 1, MS(0));
    race.refused(0, Reject::SlowDown { retry_ms: 250 }, MS(0));
    assert!(race.next(0, MS(249)).is_none(), "it waits");
    assert_eq!(race.deadline(0, MS(0)), Some(MS(250)));
    assert!(matches!(race.next(0, MS(250)), Some(Step::Send(sent, _)) if sent.epoch == Epoch(1)));
    race.refused(0, Reject::SlowDown { retry_ms: 250 }, MS(250));
    race.delivered(0, 9, What::Commit, Epoch(1), MS(300));
    assert!(matches!(race.next(0, MS(300)), Some(Step::Overtaken(_))));
}

#[test]
fn a_racer_that_always_loses_gives_up_at_the_bound() {
    let mut race = race(Policy::Retry, 1);
    race.want(0, DUE);
    for try_number in 1..=u64::from(RACE_ATTEMPTS_MAX) {
        build_and_send(&mut race, 0, What::Commit, try_number, MS(0));
        let answered = race.refused(0, wrong_epoch(try_number + 1), MS(0));
        assert_eq!(answered.gave_up.is_some(), try_number == u64::from(RACE_ATTEMPTS_MAX));
        race.delivered(0, 9, What::Commit, Epoch(try_number), MS(0));
    }
    assert!(!race.wants_anything());
}

#[test]
fn a_loser_that_backs_off_waits_for_less_than_its_bound_and_asks_to_be_woken() {
    let backoff = Backoff { base: MS(20), max: MS(50) };
    let mut race = race(Policy::Backoff(backoff), 1);
    race.want(0, DUE);
    for losses in 0..8 {
        let (now, epoch) = (MS(1_000 * u64::from(losses)), u64::from(losses) + 1);
        build_and_send(&mut race, 0, What::Commit, epoch, now);
        race.refused(0, wrong_epoch(epoch + 1), now);
        race.delivered(0, 9, What::Commit, Epoch(epoch), now);
        if let Some(wakes) = race.deadline(0, now) {
            assert!(race.next(0, now).is_none(), "it waits");
            assert!(wakes < now + backoff.bound(losses), "{losses}: {wakes:?}");
        }
    }
}

#[test]
fn the_committer_of_an_epoch_commits_after_the_window_and_others_take_over_in_turn() {
    let policy = Policy::Proposals { window: MS(100), takeover: MS(1_000) };
    let mut race = race(policy, 3);
    // Epoch 1 is the turn of racer 1, then of 2, then of 0.
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Proposal, 1, MS(0));
    assert!(race.accepted(0, Epoch(1)).served.is_none(), "nobody has committed it yet");
    for racer in 0..3 {
        race.delivered(racer, 0, What::Proposal, Epoch(1), MS(10));
        race.delivered(racer, 2, What::Proposal, Epoch(1), MS(60));
        assert!(race.next(racer, MS(109)).is_none(), "{racer}");
    }
    let deadlines = [0, 1, 2].map(|racer| race.deadline(racer, MS(20)).unwrap());
    assert_eq!(deadlines, [MS(2_110), MS(110), MS(1_110)]);
    assert!(matches!(race.next(1, MS(110)), Some(Step::Build(What::Commit))));
    // It never says a word again: its member has broken.
    assert!(race.next(2, MS(1_109)).is_none() && race.next(0, MS(1_109)).is_none());
    assert!(matches!(race.next(2, MS(1_110)), Some(Step::Build(What::Commit))));
    race.built(2, built(What::Commit, 1));
    assert!(matches!(race.next(2, MS(1_111)), Some(Step::Send(_, None))), "for others alone");
    race.accepted(2, Epoch(2));
    race.delivered(0, 2, What::Commit, Epoch(1), MS(1_112));
    assert!(race.next(0, MS(9_999)).is_none(), "it does not know yet what became of its proposal");
    assert_eq!(race.fate(0, Epoch(2), true, MS(1_113)).map(|want| want.tries), Some(1));
    assert!(!race.wants_anything());
}

#[test]
fn a_proposal_that_no_commit_took_up_is_made_again_in_the_next_epoch() {
    let policy = Policy::Proposals { window: MS(100), takeover: MS(1_000) };
    let mut race = race(policy, 3);
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Proposal, 1, MS(0));
    race.accepted(0, Epoch(1));
    race.delivered(0, 1, What::Commit, Epoch(1), MS(50));
    assert_eq!(race.fate(0, Epoch(2), false, MS(51)), None);
    let want = build_and_send(&mut race, 0, What::Proposal, 2, MS(51));
    assert_eq!((want.tries, want.since), (1, MS(51)));
    // And if it is refused because the epoch was over before it came.
    assert!(race.refused(0, wrong_epoch(3), MS(60)).gave_up.is_none());
    race.delivered(0, 1, What::Commit, Epoch(2), MS(61));
    assert_eq!(race.fate(0, Epoch(3), false, MS(62)), None);
    // Epoch 3 is its own turn: its commit is its change.
    assert!(race.next(0, MS(62)).is_none(), "the window is open");
    assert_eq!(race.deadline(0, MS(62)), Some(MS(162)));
    build_and_send(&mut race, 0, What::Commit, 3, MS(162));
    assert_eq!(race.accepted(0, Epoch(4)).served.map(|want| want.tries), Some(3));
}

#[test]
fn a_fate_that_is_heard_of_before_the_answer_serves_once() {
    let policy = Policy::Proposals { window: MS(100), takeover: MS(1_000) };
    let mut race = race(policy, 3);
    race.want(0, DUE);
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Proposal, 1, MS(0));
    race.delivered(0, 1, What::Commit, Epoch(1), MS(50));
    assert!(race.fate(0, Epoch(2), true, MS(51)).is_some());
    assert!(race.accepted(0, Epoch(1)).served.is_none());
    build_and_send(&mut race, 0, What::Proposal, 2, MS(52));
}

#[test]
fn only_who_holds_the_lease_builds_a_commit_and_an_expired_one_is_claimed_anew() {
    let mut race = race(Policy::Lease { length: MS(500) }, 2);
    let claim = |generation| What::Claim { generation };
    for racer in 0..2 {
        race.want(racer, DUE);
        assert!(matches!(
            race.next(racer, MS(0)),
            Some(Step::Build(What::Claim { generation: 0 }))
        ));
        race.built(racer, built(claim(0), 1));
        assert!(matches!(race.next(racer, MS(0)), Some(Step::Send(_, None))));
        assert!(race.accepted(racer, Epoch(1)).served.is_none());
        assert!(race.next(racer, MS(1)).is_none(), "its claim has not come back yet");
    }
    for racer in 0..2 {
        race.delivered(racer, 1, claim(0), Epoch(1), MS(2));
        race.delivered(racer, 0, claim(0), Epoch(1), MS(3));
    }
    assert!(race.next(0, MS(3)).is_none(), "the other's claim came first");
    assert!(matches!(race.next(1, MS(3)), Some(Step::Build(What::Commit))));
    assert_eq!(race.deadline(0, MS(3)), Some(MS(502)));
    // Its member takes too long.
    assert!(matches!(race.next(0, MS(502)), Some(Step::Build(What::Claim { generation: 1 }))));
    race.built(0, built(claim(1), 1));
    assert!(matches!(race.next(0, MS(502)), Some(Step::Send(_, None))));
    race.accepted(0, Epoch(1));
    for racer in 0..2 {
        race.delivered(racer, 0, claim(1), Epoch(1), MS(504));
    }
    race.built(1, built(What::Commit, 1));
    assert!(matches!(race.next(1, MS(505)), Some(Step::Overtaken(_))), "its lease is over");
    assert!(race.next(1, MS(505)).is_none());
    build_and_send(&mut race, 0, What::Commit, 1, MS(505));
    assert!(race.accepted(0, Epoch(2)).served.is_some());
}

#[test]
fn what_is_left_at_the_end_says_whether_it_is_on_its_way() {
    let mut race = race(Policy::Retry, 1);
    race.want(0, DUE);
    race.want(0, DUE);
    build_and_send(&mut race, 0, What::Commit, 1, MS(0));
    let left: Vec<bool> = race.left().into_iter().map(|(_, _, pending)| pending).collect();
    assert_eq!(left, [true, false]);
}

/// A message on its way to the service, and from there to everybody.
#[derive(Clone, Debug)]
enum Wire {
    Submitted(u32, Built),
    Built(u32, Built),
    Accepted(u32, Epoch),
    Refused(u32, Reject),
    Delivered(u32, u32, What, Epoch),
    Fate(u32, Epoch, bool),
}

/// A service that only orders, and members that build in no time and know what a commit names.
struct World {
    race: Race,
    now: Duration,
    epoch: Epoch,
    proposals: Vec<u32>,
    /// By recipient, in order: what is sent to one arrives in the order in which it was sent.
    wires: Vec<VecDeque<Wire>>,
    to_service: VecDeque<Wire>,
    served: Vec<u32>,
    winners: Vec<(Epoch, u32)>,
    lost: u32,
    /// What each racer's commit names: the proposals it had been delivered when it was built.
    seen: Vec<Vec<u32>>,
    named: Vec<Vec<u32>>,
}

impl World {
    fn new(policy: Policy, racers: u32) -> Self {
        let count = racers as usize;
        Self {
            race: race(policy, racers),
            now: Duration::ZERO,
            epoch: Epoch(1),
            proposals: Vec::new(),
            wires: vec![VecDeque::new(); count],
            to_service: VecDeque::new(),
            served: vec![0; count],
            winners: Vec::new(),
            lost: 0,
            seen: vec![Vec::new(); count],
            named: vec![Vec::new(); count],
        }
    }

    fn act(&mut self, racer: u32) {
        while let Some(step) = self.race.next(racer, self.now) {
            match step {
                Step::Build(what) => {
                    let epoch = self.race.racers[racer as usize].epoch.0;
                    if what == What::Commit {
                        self.named[racer as usize] = self.seen[racer as usize].clone();
                    }
                    self.wires[racer as usize].push_back(Wire::Built(racer, built(what, epoch)));
                }
                Step::Send(built, _) => self.to_service.push_back(Wire::Submitted(racer, built)),
                Step::Overtaken(_) => {}
            }
        }
    }

    /// The service takes one submission in.
    fn order(&mut self) {
        let Some(Wire::Submitted(by, built)) = self.to_service.pop_front() else { return };
        let to_sender = &mut self.wires[by as usize];
        if built.what != What::Commit && !matches!(built.what, What::Proposal) {
            to_sender.push_back(Wire::Accepted(by, self.epoch));
            return self.tell_all(by, built.what, built.epoch);
        }
        if built.epoch != self.epoch {
            self.lost += u32::from(built.what == What::Commit);
            return to_sender.push_back(Wire::Refused(by, wrong_epoch(self.epoch.0)));
        }
        if built.what == What::Proposal {
            to_sender.push_back(Wire::Accepted(by, self.epoch));
            self.proposals.push(by);
            return self.tell_all(by, What::Proposal, built.epoch);
        }
        self.winners.push((self.epoch, by));
        self.epoch = self.epoch.next();
        to_sender.push_back(Wire::Accepted(by, self.epoch));
        self.tell_all(by, What::Commit, built.epoch);
        let named = std::mem::take(&mut self.named[by as usize]);
        for proposer in std::mem::take(&mut self.proposals) {
            if proposer != by {
                let taken_up = named.contains(&proposer);
                let fate = Wire::Fate(proposer, self.epoch, taken_up);
                self.wires[proposer as usize].push_back(fate);
            }
        }
    }

    fn tell_all(&mut self, by: u32, what: What, epoch: Epoch) {
        for (to, wire) in (0_u32..).zip(&mut self.wires) {
            wire.push_back(Wire::Delivered(to, by, what, epoch));
        }
    }

    /// One racer hears the next thing.
    fn hear(&mut self, racer: u32) {
        let now = self.now;
        let served = match self.wires[racer as usize].pop_front() {
            Some(Wire::Built(racer, built)) => {
                self.race.built(racer, built);
                None
            }
            Some(Wire::Accepted(racer, epoch)) => self.race.accepted(racer, epoch).served,
            Some(Wire::Refused(racer, reject)) => {
                assert!(self.race.refused(racer, reject, now).gave_up.is_none());
                None
            }
            Some(Wire::Delivered(to, by, what, epoch)) => {
                match what {
                    What::Commit => self.seen[to as usize].clear(),
                    What::Proposal => self.seen[to as usize].push(by),
                    What::Claim { .. } => {}
                }
                self.race.delivered(to, by, what, epoch, now);
                None
            }
            Some(Wire::Fate(racer, epoch, taken_up)) => self.race.fate(racer, epoch, taken_up, now),
            Some(Wire::Submitted(..)) | None => None,
        };
        self.served[racer as usize] += u32::from(served.is_some());
        self.act(racer);
    }

    /// Everything that is on its way arrives; nothing more follows without time passing.
    fn quiesce(&mut self) {
        while !self.to_service.is_empty() || self.wires.iter().any(|wire| !wire.is_empty()) {
            while !self.to_service.is_empty() {
                self.order();
            }
            for racer in 0..self.race.racers() {
                self.hear(racer);
            }
        }
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::Retry),
        Just(Policy::Backoff(Backoff { base: MS(20), max: MS(200) })),
        Just(Policy::Proposals { window: MS(30), takeover: MS(100) }),
        Just(Policy::Lease { length: MS(50) }),
    ]
}

proptest! {
    /// Whatever the policy and however messages overtake each other between racers: every change
    /// comes through exactly once, and each epoch has one winner.
    #[test]
    fn every_change_comes_through_exactly_once_under_every_policy(
        policy in policies(),
        racers in 1..6_u32,
        script in prop::collection::vec((0..6_u32, 0..4_u32, 0..40_u64), 0..200),
    ) {
        let mut world = World::new(policy, racers);
        let mut wanted = vec![0_u32; racers as usize];
        for (who, does, gap) in script {
            let racer = who % racers;
            world.now += MS(gap);
            match does {
                0 if wanted[racer as usize] < 5 => {
                    world.race.want(racer, Due { intended: world.now, ..DUE });
                    wanted[racer as usize] += 1;
                    world.act(racer);
                }
                0 | 1 => world.order(),
                2 => world.hear(racer),
                _ => world.act(racer),
            }
        }
        // Then the script is over, and it goes on in peace.
        for _ in 0..20_000 {
            for racer in 0..racers {
                world.act(racer);
            }
            world.quiesce();
            if !world.race.wants_anything() {
                break;
            }
            let wakes = (0..racers).filter_map(|racer| world.race.deadline(racer, world.now)).min();
            match wakes {
                Some(at) => world.now = at,
                None => prop_assert!(false, "{policy:?} waits for nothing: {:?}", world.race),
            }
        }
        prop_assert_eq!(&world.served, &wanted, "{:?}", policy);
        let epochs: Vec<u64> = world.winners.iter().map(|(epoch, _)| epoch.0).collect();
        prop_assert!(epochs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        if let Policy::Lease { .. } = policy
            && racers == 1
        {
            prop_assert_eq!(world.lost, 0);
        }
    }
}
