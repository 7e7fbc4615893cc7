//! All runs: which comes when, and what becomes of one that has no result.
//!
//! A run that says nothing of the service, because the generator was late or the limit, is made again at
//! once, [`SERVING_RETRIES_MAX`] times at most, and all of them are kept.
//!
//! Pure but for the trait that makes the runs. Called by `cli`.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::joins;
use super::question::{Contender, Question, Traffic, tree_name};
use super::record::{FAILED, ModelledRow, Saturation, ServingResult};
use super::rows::{Ran, row};
use super::saturation::{search, sustained_means};
use crate::campaign::sweep::shuffle;
use crate::campaign::{TrialError, Trials, text};
use crate::limits::SERVING_RETRIES_MAX;
use crate::report::summary::grouped;

/// Makes every run that `question` takes. One that has no result is part of the result.
#[must_use]
pub fn measure(question: &Question, trials: &mut dyn Trials) -> ServingResult {
    let cells = question.cells();
    let mut random = ChaCha8Rng::seed_from_u64(question.seed);
    let mut ran: Vec<Vec<Ran>> = cells.iter().map(|_| Vec::new()).collect();
    let order = order(question, cells.len(), &mut random);
    let lengths: Vec<Duration> =
        order.iter().map(|(_, cell, traffic)| length(question, &cells[*cell], *traffic)).collect();
    let mut made = 0;
    for (place, (round, cell, traffic)) in order.iter().enumerate() {
        let (contender, members) = &cells[*cell];
        let done: Duration = lengths[..place].iter().sum();
        let rest: Duration = lengths[place..].iter().sum();
        trials.say(&format!(
            "run {} of {}: {}{}",
            place + 1,
            order.len(),
            told(contender, *members, *traffic),
            to_go(trials.elapsed(), done, rest)
        ));
        let asked = (contender, *members, *traffic);
        let mut one = attempt(question, asked, *round, &mut made, trials);
        for _ in 0..SERVING_RETRIES_MAX {
            if !one.is_of_the_generator() {
                break;
            }
            trials.say("  once more: it says nothing of the service");
            ran[*cell].push(Ran { replaced: true, ..one });
            let next = attempt(question, asked, *round, &mut made, trials);
            one = Ran { again: true, ..next };
        }
        ran[*cell].push(one);
    }
    let mut rows: Vec<_> = cells
        .iter()
        .zip(ran)
        .map(|((contender, members), ran)| row(question, contender, *members, ran))
        .collect();
    if question.trial.is_some() {
        let mut order: Vec<usize> = (0..cells.len()).collect();
        shuffle(&mut order, &mut random);
        for (place, cell) in order.into_iter().enumerate() {
            let (contender, members) = &cells[cell];
            trials.say(&format!(
                "search {} of {}: {}",
                place + 1,
                cells.len(),
                told(contender, *members, Traffic::Commits)
            ));
            let took = rows[cell].typical_last_us(contender.full_every().map(|(every, _)| every));
            let found = search(question, (contender, *members), took, trials);
            rows[cell].saturation = Some(found.unwrap_or_else(|error| Saturation {
                conclusion: FAILED.to_owned(),
                because: vec![error.0],
                ..Saturation::default()
            }));
        }
    }
    ServingResult {
        tree: tree_name(question.tree).to_owned(),
        key_exchange: question.key_exchange.clone(),
        // Whoever makes the runs knows.
        elsewhere: false,
        rounds: question.rounds,
        seed: question.seed,
        sustained_means: if question.trial.is_some() { sustained_means() } else { Vec::new() },
        rows,
        modelled: modelled(question),
        joins: joins::measure(question, trials),
    }
}

/// Makes one run, which is the next after `made` others, and says what it comes to.
fn attempt(
    question: &Question,
    (contender, members, traffic): (&Contender, u32, Traffic),
    round: u32,
    made: &mut u32,
    trials: &mut dyn Trials,
) -> Ran {
    let result = match question.scenario(contender, members, traffic) {
        Ok(scenario) => trials.run(scenario),
        Err(mistake) => Err(TrialError(mistake.one_line())),
    };
    *made += 1;
    let one = Ran { place: *made, round, traffic, again: false, replaced: false, result };
    match &one.trial().run {
        Some(run) => trials.say(&text::trial(run)),
        None => trials.say(&format!("  no result: {}", one.trial().error.unwrap_or_default())),
    }
    one
}

/// Each round has every cell with both kinds of traffic once, in an order of its own: its round, the
/// cell and the traffic.
fn order(question: &Question, cells: usize, random: &mut ChaCha8Rng) -> Vec<(u32, usize, Traffic)> {
    let kinds = [Traffic::Messages, Traffic::Both];
    let mut round = |number: u32| {
        let mut order: Vec<usize> = (0..cells * kinds.len()).collect();
        shuffle(&mut order, random);
        order
            .into_iter()
            .map(move |place| (number, place / kinds.len(), kinds[place % kinds.len()]))
    };
    (0..question.rounds).flat_map(|number| round(number).collect::<Vec<_>>()).collect()
}

fn length(question: &Question, (contender, members): &(Contender, u32), of: Traffic) -> Duration {
    question.pace(contender, *members, of).length()
}

fn told(contender: &Contender, members: u32, traffic: Traffic) -> String {
    let what = match traffic {
        Traffic::Messages => "messages",
        Traffic::Both => "commits and messages",
        Traffic::Commits => "commits at more and more",
    };
    format!("{} at {} members, {what}", contender.name(), grouped(members.into()))
}

/// How long the rest of the runs takes if it goes on like this; nothing before the first.
fn to_go(elapsed: Duration, done: Duration, rest: Duration) -> String {
    if done.is_zero() {
        return String::new();
    }
    let seconds = elapsed.as_secs_f64() / done.as_secs_f64() * rest.as_secs_f64();
    format!(", {seconds:.0} s to go")
}

/// What the model says of every contender, loaded or not.
fn modelled(question: &Question) -> Vec<ModelledRow> {
    let row = |contender: &Contender, members: u32| {
        let objects = question.objects(contender, members);
        ModelledRow {
            name: contender.name(),
            pattern: contender.deployment().is_some(),
            members,
            key_package_bytes: objects.key_package,
            commit_mean_bytes: objects.commit_mean,
            commit_max_bytes: objects.commit_max,
            add_commit_bytes: objects.add_commit,
            welcome_bytes: objects.welcome,
            message_bytes: objects.application,
        }
    };
    let sizes = question.members.iter();
    sizes.flat_map(|members| question.contenders.iter().map(|one| row(one, *members))).collect()
}
