//! Joining against a model that keeps everything in one list and scans it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        whose: u8,
        suite: u16,
        lives: Vec<u64>,
    },
    PublishLastResort {
        whose: u8,
        suite: u16,
    },
    Claim {
        whose: u8,
        suite: u16,
    },
    /// Of the KeyPackages published so far, those at these places.
    Deposit {
        seq: u64,
        devices: Vec<u8>,
        places: Vec<prop::sample::Index>,
    },
    Collect {
        whose: u8,
        place: prop::sample::Index,
    },
    Wait {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let whose = 1..4_u8;
    let suite = 1..3_u16;
    prop_oneof![
        2 => (whose.clone(), suite.clone(), vec(1..60_u64, 1..5))
            .prop_map(|(whose, suite, lives)| Step::Publish { whose, suite, lives }),
        1 => (whose.clone(), suite.clone())
            .prop_map(|(whose, suite)| Step::PublishLastResort { whose, suite }),
        4 => (whose.clone(), suite).prop_map(|(whose, suite)| Step::Claim { whose, suite }),
        4 => (1..20_u64, vec(whose.clone(), 0..4), vec(any::<prop::sample::Index>(), 0..6))
            .prop_map(|(seq, devices, places)| Step::Deposit { seq, devices, places }),
        2 => (whose, any::<prop::sample::Index>())
            .prop_map(|(whose, place)| Step::Collect { whose, place }),
        1 => (0..30_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting,
    Handed,
    Used,
}

/// A KeyPackage as the model sees it; its number is its place.
#[derive(Clone, Debug)]
struct Published {
    whose: u8,
    suite: u16,
    not_after: u64,
    last_resort: bool,
    state: State,
}

#[derive(Default)]
struct Model {
    packages: Vec<Published>,
    /// Whose, of which commit, by which KeyPackage.
    letters: Vec<(u8, u64, u64)>,
}

impl Model {
    fn publish(&mut self, whose: u8, suite: u16, not_after: u64, last_resort: bool) -> u64 {
        let state = State::Waiting;
        self.packages.push(Published { whose, suite, not_after, last_resort, state });
        self.packages.len() as u64 - 1
    }

    fn claim(&mut self, whose: u8, suite: u16, unix_s: u64) -> Option<u64> {
        let fits = |it: &Published| it.whose == whose && it.suite == suite && it.not_after > unix_s;
        let next = |it: &Published| fits(it) && !it.last_resort && it.state == State::Waiting;
        if let Some(place) = self.packages.iter().position(next) {
            self.packages[place].state = State::Handed;
            return Some(place as u64);
        }
        self.packages.iter().rposition(|it| fits(it) && it.last_resort).map(|it| it as u64)
    }

    fn deposit(&mut self, seq: u64, devices: &[u8], numbers: &[u64]) {
        let mut done: Vec<u8> = Vec::new();
        for number in numbers {
            let Some(package) = self.packages.get_mut(usize::try_from(*number).unwrap()) else {
                continue;
            };
            let whose = package.whose;
            let awaits = package.last_resort || package.state == State::Handed;
            let twice = done.contains(&whose)
                || self.letters.iter().any(|(to, of, _)| (*to, *of) == (whose, seq));
            if awaits && devices.contains(&whose) && !twice {
                if !package.last_resort {
                    package.state = State::Used;
                }
                done.push(whose);
                self.letters.push((whose, seq, *number));
            }
        }
    }
}

fn apply(asked: &mut Asked, model: &mut Model, step: Step) {
    match step {
        Step::Publish { whose, suite, lives } => {
            let packages = lives
                .into_iter()
                .map(|life| {
                    let not_after = asked.now.as_secs() + life;
                    let number = model.publish(whose, suite, not_after, false);
                    KeyPackage { not_after, ..package(number, suite) }
                })
                .collect();
            let left = asked.publish(whose, packages).unwrap();
            let waits = |it: &&Published| {
                (it.whose, it.suite, it.state, it.last_resort)
                    == (whose, suite, State::Waiting, false)
                    && it.not_after > asked.now.as_secs()
            };
            let expected = model.packages.iter().filter(waits).count();
            assert_eq!(usize::try_from(left).unwrap(), expected);
        }
        Step::PublishLastResort { whose, suite } => {
            let number = model.publish(whose, suite, u64::MAX, true);
            asked.publish(whose, vec![last_resort(number, suite)]).unwrap();
        }
        Step::Claim { whose, suite } => {
            asked.now += Duration::from_secs(1);
            let expected = model.claim(whose, suite, asked.now.as_secs());
            assert_eq!(asked.claim(9, whose, suite).ok(), expected);
        }
        Step::Deposit { seq, devices, places } => {
            let count = model.packages.len() + 1;
            let numbers: Vec<u64> = places.iter().map(|it| it.index(count) as u64).collect();
            asked.deposit(seq, &devices, &numbers);
            model.deposit(seq, &devices, &numbers);
        }
        Step::Collect { whose, place } => {
            let mailboxes = asked.shard.devices().mailboxes();
            let letters = mailboxes.save(device(whose));
            if letters.is_empty() {
                return;
            }
            let (number, letter) = letters[place.index(letters.len())].clone();
            let seq = letter.seq.0;
            model.letters.retain(|(to, of, _)| (*to, *of) != (whose, seq));
            asked.ask(Ask::Collected { device: device(whose), number }).unwrap();
        }
        Step::Wait { seconds } => asked.wait(seconds),
    }
    for whose in 1..4 {
        let own = model.letters.iter().filter(|(to, ..)| *to == whose);
        let expected: Vec<Reference> = own.map(|(.., number)| reference(*number)).collect();
        assert_eq!(asked.waiting(whose), expected);
    }
}

impl Asked {
    /// Everything of everybody, but what has expired: it is dropped when somebody meets it, which
    /// is not logged.
    fn lasting(&self) -> Vec<SavedDevice> {
        let mut devices = self.saved();
        for SavedDevice { shelf, .. } in &mut devices {
            shelf.packages.retain(|package| package.not_after > self.now.as_secs());
        }
        devices.retain(|it| {
            let SavedShelf { packages, handed, .. } = &it.shelf;
            !(packages.is_empty() && handed.is_empty() && it.letters.is_empty())
        });
        devices
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn decides_as_the_naive_model_does_and_again_when_replayed(
        steps in vec(step(), 1..80), cut in any::<prop::sample::Index>(),
    ) {
        let (mut asked, mut model) = (Asked::new(), Model::default());
        let mut saved = (0, Vec::new());
        let cut = cut.index(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            apply(&mut asked, &mut model, step);
            if index == cut {
                saved = (asked.records.len(), asked.saved());
            }
        }
        // What can be handed out, and what a Welcome finds, from the records alone.
        let mut replayed = Asked::new();
        for record in asked.records.clone() {
            replayed.shard.replay_joining(record);
        }
        // And from what was saved on the way and the records since.
        let mut restored = Asked::new();
        for device in saved.1 {
            restored.shard.restore_device(device);
        }
        for record in asked.records[saved.0..].iter().cloned() {
            restored.shard.replay_joining(record);
        }
        for (whose, suite) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)] {
            for again in [&mut replayed, &mut restored] {
                again.now = asked.now;
                prop_assert_eq!(again.waiting(whose), asked.waiting(whose));
            }
            loop {
                for it in [&mut asked, &mut replayed, &mut restored] {
                    it.now += Duration::from_secs(1);
                }
                let next = asked.claim(9, whose, suite);
                prop_assert_eq!(replayed.claim(9, whose, suite), next);
                prop_assert_eq!(restored.claim(9, whose, suite), next);
                if next.is_err() || asked.shard.devices().directory().left(device(whose), suite) == 0 {
                    break;
                }
            }
        }
        prop_assert_eq!(replayed.lasting(), asked.lasting());
        prop_assert_eq!(restored.lasting(), asked.lasting());
        let numbers: Vec<u64> = (0..model.packages.len() as u64).collect();
        asked.deposit(99, &[1, 2, 3], &numbers);
        replayed.deposit(99, &[1, 2, 3], &numbers);
        for whose in 1..4 {
            prop_assert_eq!(replayed.waiting(whose), asked.waiting(whose));
        }
    }
}
