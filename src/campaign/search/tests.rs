//! The search, on synthetic services whose capacity is known.

use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;

const GOAL: Goal = Goal {
    start: 1.0,
    first_step: 0.5,
    range: (1.0 / 1024.0, 1024.0),
    width: 0.05,
    short: Duration::from_secs(5),
    long: Duration::from_secs(15),
    trials: 3,
    exceed_ratio: 0.5,
    budget: Duration::from_secs(3_600),
};

/// Searches a service that is asked what it says at a load for so many seconds.
fn search(goal: Goal, mut service: impl FnMut(f64, f64) -> Said) -> (Found, Vec<(f64, Length)>) {
    let mut search = Search::new(goal);
    let (mut elapsed, mut tried) = (Duration::ZERO, Vec::new());
    loop {
        match search.next(elapsed) {
            Step::Done(found) => return (found, tried),
            Step::Try(factor, length) => {
                let took = search.length(length);
                elapsed += took;
                tried.push((factor, length));
                search.tell(factor, length, service(factor, took.as_secs_f64()));
                assert!(tried.len() < 500, "it does not end: {tried:?}");
            }
        }
    }
}

fn met(is: bool) -> Said {
    if is { Said::Met } else { Said::Missed }
}

/// Normally distributed, of mean 0 and deviation 1.
fn normal(from: &mut ChaCha8Rng) -> f64 {
    let mut uniform = || ((from.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
}

/// What 200 seeded searches come to, of a capacity that differs from trial to trial by `noise` of itself
/// when they take 5 s, and by less when they take longer.
struct Searches {
    /// How many have bounds that hold the capacity.
    hold: usize,
    /// Of their widths, and of how many trials they took, the median.
    width: f64,
    trials: usize,
    /// The most trials that one took.
    trials_max: usize,
}

fn searches(noise: f64) -> Searches {
    let of = |seed: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // From a hundredth of the first load to a hundred times as much.
        let capacity = 10_f64.powf(normal(&mut random).clamp(-2.0, 2.0));
        let (found, tried) = search(GOAL, |load, seconds| {
            let noise = noise * (5.0 / seconds).sqrt();
            met(load <= capacity * (1.0 + noise * normal(&mut random)))
        });
        assert_eq!(found.end, End::Bounded, "{seed}: {found:?}");
        let holds = found.lower.unwrap() <= capacity && capacity < found.upper.unwrap();
        (holds, found.width().unwrap(), tried.len())
    };
    let all: Vec<(bool, f64, usize)> = (0..200).map(of).collect();
    let mut widths: Vec<f64> = all.iter().map(|(_, width, _)| *width).collect();
    widths.sort_by(f64::total_cmp);
    let mut trials: Vec<usize> = all.iter().map(|(_, _, trials)| *trials).collect();
    trials.sort_unstable();
    Searches {
        hold: all.iter().filter(|(holds, ..)| *holds).count(),
        width: widths[100],
        trials: trials[100],
        trials_max: trials[199],
    }
}

#[test]
fn nineteen_of_twenty_searches_of_a_noisy_service_end_with_bounds_that_hold_its_capacity() {
    let still = searches(0.0);
    assert_eq!(still.hold, 200, "a service without noise is never missed");
    assert!(still.width <= GOAL.width * 1.0001, "{}", still.width);
    // Bounds are as wide as the service is noisy, and no wider; trials are few.
    for (noise, width) in [(0.005, 0.05), (0.02, 0.1), (0.05, 0.15), (0.1, 0.25)] {
        let Searches { hold, width: found, trials, trials_max } = searches(noise);
        assert!(hold >= 190, "{noise}: {hold} of 200");
        assert!(found <= width, "{noise}: a median width of {found}");
        assert!(trials <= still.trials + 12 && trials_max <= 60, "{noise}: {trials}, {trials_max}");
    }
}

#[test]
fn a_bound_is_stated_only_where_every_long_trial_agrees() {
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut long: Vec<(f64, bool)> = Vec::new();
        let (found, _) = search(GOAL, |load, seconds| {
            let is = load <= 3.0 * (1.0 + 0.05 * (5.0 / seconds).sqrt() * normal(&mut random));
            if seconds > 10.0 {
                long.push((load, is));
            }
            met(is)
        });
        let (lower, upper) = (found.lower.unwrap(), found.upper.unwrap());
        assert!(long.iter().all(|(load, is)| *load > lower || *is), "{seed}: {found:?} {long:?}");
        assert!(long.iter().all(|(load, is)| *load < upper || !*is), "{seed}: {found:?} {long:?}");
        for bound in [lower, upper] {
            let trials = long.iter().filter(|(load, _)| same(*load, bound)).count();
            assert!(trials >= 3, "{seed}: {trials} at {bound}");
        }
        assert!(lower > 3.0 * 0.7 && upper < 3.0 * 1.4, "{seed}: {found:?}");
    }
}

#[test]
fn bounds_that_contradict_each_other_at_the_end_of_the_range_are_none() {
    // Whatever its load, every second trial is met.
    let mut turn = 0;
    let goal = Goal { range: (0.5, 2.0), ..GOAL };
    let (found, tried) = search(goal, |_, _| {
        turn += 1;
        met(turn % 2 == 0)
    });
    assert_eq!((found.lower, found.upper, found.end), (None, None, End::Contradictory));
    assert!(tried.len() < 60, "{tried:?}");
}

/// One good long trial of the lower bound is there when time is up, and none of the upper.
#[test]
fn what_long_trials_have_no_time_to_say_is_taken_from_the_short_ones_bound_by_bound() {
    let service = |load: f64, seconds: f64| met(load < if seconds > 10.0 { 10.0 } else { 4.0 });
    let short = search(GOAL, |load, _| met(load < 4.0)).1;
    let of_short = short.iter().filter(|(_, length)| *length == Length::Short);
    let took: Duration = of_short.map(|_| GOAL.short).sum();
    let (found, tried) = search(Goal { budget: took + GOAL.long, ..GOAL }, service);
    assert_eq!(found.end, End::OutOfTime);
    let long = tried.iter().filter(|(_, length)| *length == Length::Long).count();
    assert_eq!((long, found.lower), (1, tried.last().map(|(load, _)| *load)));
    assert!(found.upper.is_some_and(|upper| (4.0..4.3).contains(&upper)), "{found:?}");
    // And the other way round: only an upper bound is known of long ones.
    let service = |load: f64, seconds: f64| met(load < if seconds > 10.0 { 3.0 } else { 4.0 });
    let (found, _) = search(Goal { budget: took + GOAL.long, ..GOAL }, service);
    assert!(found.upper.is_some_and(|upper| upper < 4.0), "{found:?}");
    let of_short = short.iter().filter(|(load, length)| *length == Length::Short && *load < 4.0);
    let below = of_short.map(|(load, _)| *load).filter(|load| Some(*load) < found.upper);
    assert_eq!(found.lower, below.reduce(f64::max), "the highest that short trials met below it");
}

#[test]
fn a_service_that_passes_above_a_failure_is_bounded_by_the_lowest_failure() {
    let (found, tried) = search(GOAL, |load, _| met(load < 1.5 || (3.0..5.0).contains(&load)));
    let (lower, upper) = (found.lower.unwrap(), found.upper.unwrap());
    assert!(lower < 1.5 && (1.5..3.0).contains(&upper), "{found:?}: {tried:?}");
}

#[test]
fn a_service_that_always_or_never_passes_has_one_bound() {
    let (found, _) = search(GOAL, |_, _| Said::Met);
    assert_eq!((found.end, found.lower, found.upper), (End::AboveRange, Some(1024.0), None));
    let (found, _) = search(GOAL, |_, _| Said::Missed);
    let least = GOAL.range.0;
    assert_eq!((found.end, found.lower, found.upper), (End::BelowRange, None, Some(least)));
    assert_eq!(found.width(), None);
}

#[test]
fn a_generator_that_is_the_limit_is_never_an_upper_bound() {
    let service = |load: f64, _: f64| if load > 7.0 { Said::Nothing } else { Said::Met };
    let (found, _) = search(GOAL, service);
    assert_eq!((found.end, found.upper), (End::GeneratorLimited, None));
    let (lower, limited) = (found.lower.unwrap(), found.limited.unwrap());
    assert!(lower <= 7.0 && limited > 7.0 && limited - lower <= GOAL.width * limited * 1.001);
    let (found, _) = search(GOAL, |_, _| Said::Nothing);
    assert_eq!((found.end, found.lower, found.upper), (End::GeneratorLimited, None, None));
    // A service that fails before the generator does has an upper bound of its own.
    let service = |load: f64, _: f64| if load > 7.0 { Said::Nothing } else { met(load < 5.0) };
    let (found, _) = search(GOAL, service);
    assert_eq!(found.end, End::Bounded);
    assert!(found.upper.unwrap() <= 7.0, "{found:?}");
}

#[test]
fn a_trial_in_which_the_generator_was_the_limit_counts_for_nothing() {
    let mut search = Search::new(GOAL);
    search.tell(1.0, Length::Short, Said::Nothing);
    search.tell(1.0, Length::Short, Said::Nothing);
    search.tell(1.0, Length::Short, Said::Met);
    assert_eq!(search.class_of(1.0, Length::Short), Class::Undecided);
    search.tell(1.0, Length::Short, Said::Met);
    assert_eq!(search.class_of(1.0, Length::Short), Class::Lower);
}

#[test]
fn a_load_is_decided_as_soon_as_no_further_trial_could_change_it() {
    let check = |said: &[Said], class| {
        let mut search = Search::new(GOAL);
        said.iter().for_each(|said| search.tell(2.0, Length::Short, *said));
        assert_eq!(search.class_of(2.0, Length::Short), class, "{said:?}");
    };
    use Said::{Met, Missed};
    check(&[], Class::Undecided);
    check(&[Met], Class::Undecided);
    check(&[Met, Met], Class::Lower);
    check(&[Met, Missed], Class::Undecided);
    check(&[Met, Missed, Missed], Class::Upper);
    check(&[Missed, Missed], Class::Upper);
}

#[test]
fn long_trials_that_disagree_with_short_ones_have_the_last_word() {
    // What only shows after ten seconds, as a queue that fills: the short trials are too kind.
    let service = |load: f64, seconds: f64| met(load < if seconds > 10.0 { 4.0 } else { 6.0 });
    let (found, tried) = search(GOAL, service);
    assert_eq!(found.end, End::Bounded);
    let (lower, upper) = (found.lower.unwrap(), found.upper.unwrap());
    assert!(lower < 4.0 && (4.0..4.3).contains(&upper), "{found:?}: {tried:?}");
    // And a service that has to warm up: they are too harsh.
    let service = |load: f64, seconds: f64| met(load < if seconds > 10.0 { 6.0 } else { 4.0 });
    let (found, _) = search(GOAL, service);
    assert!(found.lower.unwrap() < 6.0 && found.upper.unwrap() >= 6.0, "{found:?}");
}

#[test]
fn a_search_out_of_time_says_so_with_what_it_has() {
    let budget = Duration::from_secs(42);
    let (found, tried) = search(Goal { budget, ..GOAL }, |load, _| met(load < 100.0));
    assert_eq!((found.end, found.upper), (End::OutOfTime, None));
    assert_eq!((found.lower, tried.len()), (Some(8.0), 9), "{tried:?}");
}

proptest! {
    #[test]
    fn bounds_of_a_service_without_noise_always_hold_its_capacity(
        exponent in -2.0_f64..2.0, width in 0.01_f64..0.3, trials in 1_u32..6,
        start in 0.1_f64..10.0,
    ) {
        let capacity = 10_f64.powf(exponent);
        let goal = Goal { width, trials, start, ..GOAL };
        let (found, tried) = search(goal, |load, _| met(load <= capacity));
        prop_assert_eq!(found.end, End::Bounded);
        prop_assert!(found.lower.unwrap() <= capacity && capacity < found.upper.unwrap());
        prop_assert!(found.width().unwrap() <= width * 1.0001);
        prop_assert!(tried.iter().any(|(_, length)| *length == Length::Long));
    }
}

#[test]
fn a_small_first_step_closes_a_bracket_that_is_near_at_once_and_is_doubled_elsewhere() {
    let near = Goal { first_step: 0.7, width: 0.3, trials: 1, short: GOAL.long, ..GOAL };
    let tried = |capacity: f64| {
        let (found, tried) = search(near, |load, _| met(load <= capacity));
        assert_eq!(found.end, End::Bounded);
        let short = tried.iter().filter(|(_, length)| *length == Length::Short);
        short.map(|(load, _)| (load * 100.0).round() / 100.0).collect::<Vec<_>>()
    };
    assert_eq!(tried(1.2), [1.0, 1.43]);
    assert_eq!(tried(0.8), [1.0, 0.7]);
    assert_eq!(tried(3.0), [1.0, 1.43, 2.86, 5.71, 4.04]);
    let wide = Goal { first_step: 0.5, ..near };
    let (_, made) = search(wide, |load, _| met(load <= 1.2));
    assert_eq!(made[1], (2.0, Length::Short));
}
