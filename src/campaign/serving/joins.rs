//! Joins at the service, of a post-quantum Welcome beside its classical suite: what is run, and when.
//!
//! Where the pattern differs from its suite is a commit that adds: in these runs every commit adds one
//! device, and nothing else is sent. Both contenders join at one rate and take turns in an order drawn
//! from the seed. Pure but for the trait that makes the runs. Called by `measure` and by `cli`.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::joined::{JoinRow, Joined, row};
use super::question::{Contender, Question, Unservable, tree_name};
use crate::campaign::record::TrialRecord;
use crate::campaign::sweep::shuffle;
use crate::campaign::{TrialError, Trials, text};
use crate::limits::{
    SERVING_BYTES_PER_SECOND, SERVING_COMMITS_PER_SECOND_MAX, SERVING_JOINS_MIN,
    SERVING_RETRIES_MAX,
};
use crate::load::scenario::Scenario;
use crate::mls::size::pattern::Pattern;
use crate::place::Mistake;
use crate::report::record::Record;
use crate::report::summary::grouped;
use crate::report::verdict::Status;

impl Question {
    /// Whose joins are loaded, at each size: every post-quantum Welcome that is asked for to be loaded,
    /// and its classical suite before it.
    #[must_use]
    pub fn joining(&self) -> Vec<(Contender, u32)> {
        let mut joining: Vec<Contender> = Vec::new();
        for contender in &self.contenders {
            let Contender::Pattern(deployment) = contender else { continue };
            if deployment.pattern != Pattern::Welcome {
                continue;
            }
            for one in [Contender::Suite(deployment.classical), *contender] {
                if !joining.contains(&one) {
                    joining.push(one);
                }
            }
        }
        let at = |members: &u32| joining.iter().map(|one| (*one, *members)).collect();
        self.members.iter().flat_map::<Vec<_>, _>(at).collect()
    }

    /// Devices that join in a second, the same for all at one size: as many as their commits' bytes
    /// leave room for, unless a rate of commits is asked for.
    #[must_use]
    pub fn joins_per_s(&self, members: u32) -> f64 {
        if let Some(per_min) = self.commits_per_min {
            return per_min / 60.0;
        }
        let of_size = self.joining().into_iter().filter(|(_, of)| *of == members);
        let largest = of_size.map(|(one, _)| self.objects(&one, members).add_commit).max();
        let fanned_out = largest.unwrap_or(1) as f64 * f64::from(members);
        let most = (SERVING_BYTES_PER_SECOND / fanned_out).min(SERVING_COMMITS_PER_SECOND_MAX);
        // A whole number of them a minute can be told, and repeated by hand.
        let per_min = most * 60.0;
        (if per_min >= 1.0 { per_min.floor() } else { per_min }) / 60.0
    }

    /// A run in which devices join, as a scenario says it.
    #[must_use]
    pub fn joins_text(&self, contender: &Contender, members: u32) -> String {
        let per_s = self.joins_per_s(members);
        let welcome = contender.deployment().map_or_else(String::new, |deployment| {
            format!("welcome = \"{}\"\n", deployment.post_quantum)
        });
        let window = self.joins_window(members);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let joiners = ((WARM_UP + window).as_secs_f64() * per_s).ceil() as u32 + 1;
        format!(
            "why = \"What a join of {name} costs at the service.\"\n\
             expect = \"Everybody gets everything, and who was let in is in.\"\n\
             seed = {seed}\n\
             key_exchange = \"{key_exchange}\"\n\
             durations = {{ warm_up = \"{warm_up}ms\", measure = \"{window}ms\", drain = \
             \"{DRAIN}\" }}\n\n\
             [[groups]]\nname = \"{GROUP}\"\ncount = 1\nmembers = {members}\njoiners = {joiners}\n\
             suite = \"{suite}\"\n{welcome}source = \"synthetic\"\ntree = \"{tree}\"\n\
             rate = \"{rate}/min\"\narrivals = \"even\"\nmix = {{ adds = \"100%\" }}\nsenders = 1\n",
            name = contender.name(),
            seed = self.seed,
            key_exchange = self.key_exchange,
            warm_up = WARM_UP.as_millis(),
            window = window.as_millis(),
            suite = contender.suite(),
            tree = tree_name(self.tree),
            rate = (per_s * 60.0 * 1e6).round() / 1e6,
        )
    }

    /// The same, read.
    ///
    /// # Errors
    /// When it asks for what no scenario may: the mistake names the line of [`Self::joins_text`].
    pub fn joins_scenario(&self, contender: &Contender, members: u32) -> Result<Scenario, Mistake> {
        Scenario::parse(&self.joins_text(contender, members), "serve-cost")
    }

    /// Refuses joins that cannot be run, before anything runs.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check_joins(&self) -> Result<(), Unservable> {
        for (contender, members) in self.joining() {
            let scenario = self.joins_scenario(&contender, members);
            scenario.map_err(|mistake| Unservable::of(&contender, members, &mistake))?;
        }
        Ok(())
    }

    /// About how long joins take, setting up left out.
    #[must_use]
    pub fn joins_length(&self) -> Duration {
        let each = |(_, members): (Contender, u32)| WARM_UP + self.joins_window(members);
        self.joining().into_iter().map(each).sum::<Duration>().saturating_mul(self.rounds)
    }

    /// As long as is asked for, or as enough joins take.
    fn joins_window(&self, members: u32) -> Duration {
        let enough = f64::from(SERVING_JOINS_MIN) / self.joins_per_s(members);
        // In whole milliseconds, as scenarios write it, and one more for what that leaves out.
        self.measure.max(Duration::from_secs_f64((enough * 1e3).ceil() / 1e3))
    }
}

/// Makes every run of joins that `question` takes: one row for each contender at each size, none where no
/// Welcome is loaded. A run that has no result is part of the row.
pub(super) fn measure(question: &Question, trials: &mut dyn Trials) -> Vec<JoinRow> {
    let cells = question.joining();
    let mut random = ChaCha8Rng::seed_from_u64(question.seed);
    let mut joined: Vec<Vec<Joined>> = cells.iter().map(|_| Vec::new()).collect();
    let all = cells.len() * usize::try_from(question.rounds).unwrap_or(usize::MAX);
    let mut made = 0;
    for _ in 0..question.rounds {
        let mut order: Vec<usize> = (0..cells.len()).collect();
        shuffle(&mut order, &mut random);
        for cell in order {
            made += 1;
            let (contender, members) = &cells[cell];
            trials.say(&format!(
                "joins {made} of {all}: {} at {} members",
                contender.name(),
                grouped((*members).into())
            ));
            joined[cell].push(attempt(question, (contender, *members), trials));
        }
    }
    let rows = cells.iter().zip(&joined);
    rows.map(|((contender, members), joined)| row(question, contender, *members, joined)).collect()
}

/// Makes one run, and another as long as it says nothing of the service, a few times.
fn attempt(
    question: &Question,
    (contender, members): (&Contender, u32),
    trials: &mut dyn Trials,
) -> Joined {
    let mut run = || -> Result<Record, TrialError> {
        let scenario = question.joins_scenario(contender, members);
        let record = trials.run(scenario.map_err(|mistake| TrialError(mistake.one_line()))?)?;
        trials.say(&text::trial(&TrialRecord::of(1, 1.0, &record)));
        Ok(record)
    };
    let of_the_generator = |result: &Result<Record, TrialError>| {
        let verdict = result.as_ref().map(|record| &record.verdict);
        verdict.is_ok_and(|of| of.status == Status::Invalid && of.generator_limited)
    };
    let (mut result, mut again) = (run(), 0);
    while again < SERVING_RETRIES_MAX && of_the_generator(&result) {
        again += 1;
        result = run();
    }
    Joined { again, result }
}

/// The only class.
const GROUP: &str = "group";
/// Load before the window.
const WARM_UP: Duration = Duration::from_secs(1);
/// Longest wait for what is outstanding.
const DRAIN: &str = "30s";

#[cfg(test)]
mod tests;
