//! How fast the runs of a comparison go: their rates, and what of each run is measured.
//!
//! Messages come at one rate at one size. Commits come as often as each suite's bytes leave room for, in
//! whole numbers of those messages, so that none waits for another and the wait for them is no longer
//! than it has to be. A commit is due so early in the window, and so long before its end, that what it
//! costs is spent inside. Pure. Called by `question` for scenarios, and by `measure` for what is left to wait.

use std::time::Duration;

use super::question::{Contender, Question, Traffic};
use crate::limits::{
    SERVING_BYTES_PER_SECOND, SERVING_COMMITS_MIN, SERVING_COMMITS_PER_SECOND_MAX,
    SERVING_MESSAGE_DELIVERIES_PER_SECOND, SERVING_MESSAGES_MIN, SERVING_TRIAL_COMMITS_MIN,
    SERVING_TRIAL_FULL_COMMITS_MIN, STEADY_INTERVALS,
};

/// The times of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Load before the measured window.
    pub(super) warm_up: Duration,
    /// What is offered in the warm-up, as a share of the rate.
    pub(super) share: f64,
    /// The measured window.
    pub(super) window: Duration,
}

/// Where commits are due among messages, in seconds of load at the full rate.
struct Beat {
    /// From one commit to the next.
    interval: f64,
    /// From one operation to the next.
    gap: f64,
    /// Until the first commit, which comes after its messages.
    first: f64,
    /// From the last commit to the end of the window: [`STEADY_INTERVALS`] at least, in the middle
    /// between two messages, so that none is due at the very end.
    rest: f64,
}

impl Question {
    /// Commits a second of a contender in a group of so many members: whole numbers of messages apart.
    #[must_use]
    pub fn commits_per_s(&self, contender: &Contender, members: u32) -> f64 {
        let messages = self.messages_per_commit(contender, members);
        self.messages_per_s(members) / f64::from(messages)
    }

    /// Messages that are sent for each commit of a contender.
    #[must_use]
    pub fn messages_per_commit(&self, contender: &Contender, members: u32) -> u32 {
        let slowest = self.messages_per_slowest(members);
        if self.commits_per_min.is_some() {
            return slowest;
        }
        let room = self.room_for_commits_per_s(contender, members);
        let each = self.messages_per_s(members) / room;
        // A product of roundings is not above a whole number for it.
        whole((each * (1.0 - 1e-9)).ceil()).clamp(1, slowest)
    }

    /// Messages a second in a group of so many members, the same for all.
    #[must_use]
    pub fn messages_per_s(&self, members: u32) -> f64 {
        f64::from(self.messages_per_slowest(members)) * self.slowest_per_s(members)
    }

    /// Messages for each commit of whoever commits least often.
    fn messages_per_slowest(&self, members: u32) -> u32 {
        let wanted = SERVING_MESSAGE_DELIVERIES_PER_SECOND / f64::from(members);
        whole((wanted / self.slowest_per_s(members)).round()).clamp(1, MESSAGES_PER_COMMIT_MAX)
    }

    /// Commits a second of whoever commits least often.
    fn slowest_per_s(&self, members: u32) -> f64 {
        if let Some(per_min) = self.commits_per_min {
            return per_min / 60.0;
        }
        let loaded = self.contenders.iter().filter(|contender| contender.is_loaded());
        let room = loaded.map(|contender| self.room_for_commits_per_s(contender, members));
        room.fold(SERVING_COMMITS_PER_SECOND_MAX, f64::min)
    }

    /// Commits a second that a contender's bytes leave room for: a whole number a minute, which can be
    /// told and repeated by hand.
    fn room_for_commits_per_s(&self, contender: &Contender, members: u32) -> f64 {
        let commit = self.objects(contender, members).commit_max;
        let fanned_out = commit as f64 * f64::from(members);
        let most = SERVING_BYTES_PER_SECOND / fanned_out;
        let per_min = most.min(SERVING_COMMITS_PER_SECOND_MAX) * 60.0;
        (if per_min >= 1.0 { per_min.floor() } else { per_min }) / 60.0
    }

    /// The times of a run.
    pub(super) fn pace(&self, contender: &Contender, members: u32, traffic: Traffic) -> Pace {
        let per_s = self.commits_per_s(contender, members);
        let messages = f64::from(self.messages_per_commit(contender, members));
        match traffic {
            Traffic::Messages => {
                let least = f64::from(SERVING_MESSAGES_MIN) / self.messages_per_s(members);
                Pace::steady(WARM_UP_S, self.measure.as_secs_f64().max(least))
            }
            // A search sets its own.
            Traffic::Commits => {
                Pace::steady(WARM_UP_S, self.measure.as_secs_f64().max(1.0 / per_s))
            }
            Traffic::Both => self.with_commits(contender, &Beat::of(1.0 / per_s, messages)),
        }
    }

    fn with_commits(&self, contender: &Contender, beat: &Beat) -> Pace {
        // A combiner's window has a full commit too, in its share.
        let every = f64::from(contender.full_every().map_or(1, |(every, _)| every));
        let least = (self.measure.as_secs_f64() / beat.interval).ceil();
        let commits = (least.max(f64::from(SERVING_COMMITS_MIN)) / every).ceil() * every;
        let lead = beat.first + beat.rest - beat.interval;
        let whole = ((WARM_UP_S - lead) / beat.interval).ceil().max(0.0);
        let warm_up = lead + whole * beat.interval;
        // The two groups of a combiner would not keep step in a warm-up that is faster than the rest.
        if warm_up <= QUICK_WARM_UP_S || every > 1.0 {
            return Pace::steady(warm_up, commits * beat.interval);
        }
        beat.quick(commits)
    }

    /// Commits of a trial of a search at least, of which a combiner's are full ones too.
    pub(super) fn commits_of_a_trial(contender: &Contender) -> u32 {
        let full = |(every, _)| every * SERVING_TRIAL_FULL_COMMITS_MIN;
        contender.full_every().map_or(0, full).max(SERVING_TRIAL_COMMITS_MIN)
    }

    /// About how long all of it takes, setting up left out.
    #[must_use]
    pub fn length(&self) -> Duration {
        let cells = self.cells();
        let at_rate = |(contender, members): &(Contender, u32)| {
            [Traffic::Messages, Traffic::Both]
                .map(|traffic| self.pace(contender, *members, traffic).length())
                .iter()
                .sum::<Duration>()
        };
        let steady: Duration = cells.iter().map(at_rate).sum();
        let searched: Duration =
            cells.iter().map(|(contender, members)| self.search_length(contender, *members)).sum();
        steady.saturating_mul(self.rounds).saturating_add(searched)
    }

    /// About how long a search takes: some trials, each with commits that follow each other without a
    /// gap, which takes half of the time between those of other runs.
    fn search_length(&self, contender: &Contender, members: u32) -> Duration {
        let Some(trial) = self.trial else { return Duration::ZERO };
        let objects = self.objects(contender, members);
        let share = objects.commit_mean / objects.commit_max as f64 / 2.0;
        let commits = f64::from(Self::commits_of_a_trial(contender));
        let together = commits * share / self.commits_per_s(contender, members);
        trial.max(Duration::from_secs_f64(together)) * TRIALS_USUAL
    }
}

impl Beat {
    fn of(interval: f64, messages: f64) -> Self {
        let gap = interval / (messages + 1.0);
        let rest = (((messages + 1.0) * STEADY_INTERVALS - 0.5).ceil() + 0.5) * gap;
        Self { interval, gap, first: messages * gap, rest }
    }

    /// Long intervals are not waited for: the messages before the first commit come faster, and it is
    /// due soon after the window has begun.
    fn quick(&self, commits: f64) -> Pace {
        let soon = (self.gap / 2.0).min(SOON_S);
        let warm_up = QUICK_WARM_UP_S.max(self.first / QUICK_SHARE_MAX);
        // As precise as scenarios write it; what is left of the first interval is in the window.
        let share = ((self.first - soon) / warm_up * 1e4).floor() / 1e4;
        let soon = self.first - share * warm_up;
        let window = soon + (commits - 1.0) * self.interval + self.rest;
        Pace { share, ..Pace::steady(warm_up, window) }
    }
}

impl Pace {
    fn steady(warm_up: f64, window: f64) -> Self {
        let ms = |seconds: f64| Duration::from_secs_f64((seconds * 1e3).round() / 1e3);
        Self { warm_up: ms(warm_up), share: 1.0, window: ms(window) }
    }

    /// Of both.
    pub(super) fn length(&self) -> Duration {
        self.warm_up + self.window
    }

    /// As a scenario says it.
    pub(super) fn text(&self) -> String {
        let [warm_up, window] = [self.warm_up, self.window].map(|time| time.as_millis());
        if self.share == 1.0 {
            return format!(
                "durations = {{ warm_up = \"{warm_up}ms\", measure = \"{window}ms\", drain = \
                 \"{DRAIN}\" }}\n"
            );
        }
        format!(
            "drain = \"{DRAIN}\"\n\
             \n[[phases]]\nkind = \"warm_up\"\nfor = \"{warm_up}ms\"\nrate = \"{share:.2}%\"\n\
             \n[[phases]]\nkind = \"measure\"\nfor = \"{window}ms\"\n",
            share = self.share * 100.0,
        )
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(of: f64) -> u32 {
    of as u32
}

/// Trials of most searches: one on each side of what is looked for, and one between.
const TRIALS_USUAL: u32 = 3;
/// More, and what commits cost would be lost in what messages do.
const MESSAGES_PER_COMMIT_MAX: u32 = 20;
/// Load before the measured window at least, in seconds.
const WARM_UP_S: f64 = 1.0;
/// A longer warm-up is made so long, in seconds.
const QUICK_WARM_UP_S: f64 = 3.0;
/// How many times as fast as the rest it may go. A scenario takes 100.
const QUICK_SHARE_MAX: f64 = 50.0;
/// How soon in the window the first commit is then due at the latest, in seconds.
const SOON_S: f64 = 0.25;
/// What is on its way at the end may take so long: what it takes longer is no steady load.
const DRAIN: &str = "20s";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::{Operation, OperationKind, Schedule};
    use crate::mls::size::pattern::Deployment;
    use crate::mls::{Suite, TreeState};

    fn question(commits_per_min: Option<f64>) -> Question {
        let suite = |name: &str| Suite::named(name).unwrap();
        let combiner = Deployment::parse("combiner:4", suite("x25519-aes128-ed25519")).unwrap();
        Question {
            contenders: vec![
                Contender::Suite(suite("mlkem1024-aes256-mldsa87")),
                Contender::Pattern(combiner),
            ],
            members: vec![2, 20, 100, 1_000],
            tree: TreeState::Fresh,
            key_exchange: "x25519".to_owned(),
            commits_per_min,
            rounds: 1,
            measure: Duration::from_secs(3),
            trial: None,
            budget: Duration::ZERO,
            seed: 1,
        }
    }

    #[test]
    fn a_commit_is_due_inside_the_window_and_most_of_an_interval_before_its_end() {
        for asked in [None, Some(0.1), Some(3.0), Some(13.0), Some(240.0)] {
            let question = question(asked);
            question.check().unwrap();
            for (contender, members) in question.cells() {
                let scenario = question.scenario(&contender, members, Traffic::Both).unwrap();
                let pace = question.pace(&contender, members, Traffic::Both);
                let (window, schedule) = (scenario.window(), Schedule::plan(&scenario));
                let told = format!("{} at {members}, {asked:?}: {pace:?}", contender.name());
                let commits: Vec<Duration> = schedule
                    .of_group(0)
                    .filter(|of| of.kind == OperationKind::Commit)
                    .map(|of| of.intended)
                    .collect();
                let within = commits.iter().filter(|at| window.contains(*at)).count();
                let interval = 1.0 / question.commits_per_s(&contender, members);
                let wanted = (3.0 / interval).ceil().max(3.0);
                let wanted = contender.full_every().map_or(wanted, |_| (wanted / 4.0).ceil() * 4.0);
                assert_eq!(within as f64, wanted, "{told}");
                let rest = (window.end - *commits.last().unwrap()).as_secs_f64();
                assert!((STEADY_INTERVALS - 0.01..0.95).contains(&(rest / interval)), "{told}");
                // Nothing is due so close to either end that it could be counted on the other side.
                let messages = question.messages_per_commit(&contender, members);
                let gap = interval / f64::from(messages + 1);
                for end in [window.start, window.end] {
                    let far = |of: &Operation| of.intended.abs_diff(end).as_secs_f64();
                    let next = schedule.of_group(0).map(far).fold(f64::INFINITY, f64::min);
                    assert!(next > (0.3 * gap).min(0.1), "{next} {told}");
                }
            }
        }
    }

    #[test]
    fn nobody_waits_for_the_first_commit_of_a_long_interval() {
        let question = question(None);
        let suite = question.contenders[0];
        let interval = 1.0 / question.commits_per_s(&suite, 1_000);
        assert!((interval - 20.0).abs() < 1e-9, "{interval}");
        let pace = question.pace(&suite, 1_000, Traffic::Both);
        // Two intervals, three quarters of a third, and what is before the first commit.
        assert!(pace.share > 5.0 && pace.length() < Duration::from_secs(59), "{pace:?}");
        let short = question.pace(&suite, 100, Traffic::Both);
        assert!(short.share == 1.0 && short.warm_up >= Duration::from_secs(1), "{short:?}");
        assert!(pace.text().contains("[[phases]]") && short.text().starts_with("durations"));
    }

    #[test]
    fn messages_alone_are_enough_to_be_timed() {
        let question = question(None);
        for members in [2, 100, 1_000] {
            let scenario =
                question.scenario(&question.contenders[0], members, Traffic::Messages).unwrap();
            let window = scenario.window();
            let schedule = Schedule::plan(&scenario);
            let due = schedule.of_group(0).filter(|of| window.contains(&of.intended)).count();
            assert!(due >= 4, "{due} at {members}");
        }
    }
}
