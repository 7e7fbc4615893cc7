//! How many commits a second a service sustains with one suite: a bracket, never one number.
//!
//! The search is that of `find-max`, with one trial at each rate and no long ones: a rate is sustained,
//! or it is not, and the middle of the logarithm between the two comes next. It starts at what a commit
//! took when it was alone, and a trial is as long as its commits need, so that a slow suite has as many
//! trials as a quick one. Pure but for the trait that
//! makes the runs. Called by `measure`.

use std::time::Duration;

use super::question::{Contender, Question, Traffic};
use super::record::{FAILED, Saturation};
use super::rows::{commits, cpu_per_commit_alone};
use crate::campaign::capacity::{Subject, judge, name_of};
use crate::campaign::record::TrialRecord;
use crate::campaign::search::{Found, Goal, Length, Said, Search, Step};
use crate::campaign::{TrialError, Trials, text};
use crate::limits::{
    ACHIEVED_SHARE_MIN, SATURATED_COMMITS_MIN, SERVING_RATE_FACTOR_MAX, SERVING_TRIALS_MIN,
    SUSTAINED_INTERVALS, SUSTAINED_LAST_MIN,
};
use crate::report::record::Record;
use crate::report::summary::duration;

/// What is asked of a rate, in words.
pub(super) fn sustained_means() -> Vec<String> {
    vec![
        "the run is valid: nothing is violated, lost or late".to_owned(),
        format!("achieved >= {}% of what was offered", ACHIEVED_SHARE_MIN * 100.0),
        "the backlog of commits does not grow".to_owned(),
        format!(
            "each commit's last member within {SUSTAINED_INTERVALS} intervals (a combiner's: of full \
             ones), or {} if longer",
            duration(micros(SUSTAINED_LAST_MIN))
        ),
    ]
}

/// Searches the highest rate that is sustained. A commit that was alone `took` so many microseconds to
/// its last member, of a combiner on average over its parts; 0 if that is not known.
///
/// # Errors
/// When no run can be made at all. A run without a result ends the search with what it has, as one that
/// failed.
pub(super) fn search(
    question: &Question,
    (contender, members): (&Contender, u32),
    took: u64,
    trials: &mut dyn Trials,
) -> Result<Saturation, TrialError> {
    let scenario = question
        .scenario(contender, members, Traffic::Commits)
        .map_err(|mistake| TrialError(mistake.one_line()))?;
    let mut subject = Subject::of(&scenario)?;
    subject.warm_up(WARM_UP);
    let rate = question.commits_per_s(contender, members);
    let least = question.trial.unwrap_or_default();
    let commits_of_one = Question::commits_of_a_trial(contender);
    let every = contender.full_every().map_or(1, |(every, _)| every);
    let goal = goal(&subject, (rate, took), least, question.budget);
    let mut search = Search::new(goal);
    let (mut made, mut missed_at) = (Vec::new(), Vec::new());
    let mut cpu_at: Vec<(f64, Option<f64>)> = Vec::new();
    let began = trials.elapsed();
    let found = loop {
        let elapsed = trials.elapsed().saturating_sub(began);
        let elapsed = if made.len() < SERVING_TRIALS_MIN { Duration::ZERO } else { elapsed };
        let factor = match search.next(elapsed) {
            Step::Try(factor, _) => factor,
            // The last trial may have used up the time and closed the bracket all the same.
            Step::Done(found) => match search.next(Duration::ZERO) {
                Step::Done(closed) => break closed,
                Step::Try(..) => break found,
            },
        };
        let per_s = rate * factor;
        let length = trial_length(least, commits_of_one, per_s);
        let record = match subject.at(factor, length).and_then(|scenario| trials.run(scenario)) {
            Ok(record) => record,
            // What was found before it is kept.
            Err(error) => {
                let Step::Done(found) = search.next(Duration::MAX) else { return Err(error) };
                let mut kept = written(found, rate, (missed_at, cpu_at), made);
                kept.conclusion = FAILED.to_owned();
                kept.because.insert(0, error.0);
                return Ok(kept);
            }
        };
        let (said, missed) = sustained(&record, per_s / f64::from(every));
        // One trial has the last word: that of a short one is that of a long one too.
        search.tell(factor, Length::Short, said);
        search.tell(factor, Length::Long, said);
        let number = u32::try_from(made.len() + 1).unwrap_or(u32::MAX);
        let trial = TrialRecord {
            said: Some(name_of(said).to_owned()),
            missed: missed.clone(),
            ..TrialRecord::of(number, factor, &record)
        };
        trials.say(&text::trial(&trial));
        let told = commits(&record) >= SATURATED_COMMITS_MIN;
        let cpu = told.then(|| cpu_per_commit_alone(&record, members)).flatten();
        cpu_at.push((factor, cpu));
        missed_at.push((factor, missed));
        made.push(trial);
    };
    Ok(written(found, rate, (missed_at, cpu_at), made))
}

/// By factor: what was missed, and what a commit cost.
type Noted = (Vec<(f64, Vec<String>)>, Vec<(f64, Option<f64>)>);

fn written(found: Found, rate: f64, (missed, cpu): Noted, made: Vec<TrialRecord>) -> Saturation {
    let per_s = |factor: Option<f64>| factor.map(|factor| factor * rate);
    let at = |wanted: Option<f64>| move |factor: f64| Some(factor) == wanted;
    let (is_lower, is_upper) = (at(found.lower), at(found.upper));
    let because = missed.into_iter().find(|(factor, _)| is_upper(*factor));
    let cpu = cpu.into_iter().find(|(factor, _)| is_lower(*factor));
    Saturation {
        conclusion: found.end.name().to_owned(),
        sustained_per_s: per_s(found.lower),
        not_sustained_per_s: per_s(found.upper),
        because: because.map(|(_, missed)| missed).unwrap_or_default(),
        engine_limited_per_s: per_s(found.limited),
        width: found.width(),
        cpu_us_per_commit: cpu.and_then(|(_, cpu)| cpu),
        searched: made,
    }
}

/// What a run says of a rate of `per_s` commits a second, of a combiner of full ones, and what it missed.
fn sustained(record: &Record, per_s: f64) -> (Said, Vec<String>) {
    let (said, mut missed) = judge(record);
    if said == Said::Nothing {
        return (said, missed);
    }
    let most = Duration::from_secs_f64(SUSTAINED_INTERVALS / per_s).max(SUSTAINED_LAST_MIN);
    let last = record.classes.iter().map(|class| class.commit_fanout_last.max).max().unwrap_or(0);
    if last > micros(most) {
        missed.push(format!(
            "a commit had its last member after {}, {} allowed",
            duration(last),
            duration(micros(most))
        ));
    }
    (if missed.is_empty() { Said::Met } else { Said::Missed }, missed)
}

/// As long as so many commits have to be due in, however slow that is: fewer say nothing.
fn trial_length(least: Duration, commits: u32, per_s: f64) -> Duration {
    // A millisecond more than they need, so that rounding leaves none of them out.
    let needed = Duration::from_secs_f64(f64::from(commits) / per_s) + Duration::from_millis(1);
    let whole = u64::try_from(needed.as_millis()).unwrap_or(u64::MAX);
    least.max(Duration::from_millis(whole))
}

/// Starts where one commit would just be done before the next; at the rate of other runs if that is not
/// known.
fn goal(subject: &Subject, (rate, took): (f64, u64), length: Duration, budget: Duration) -> Goal {
    let most = subject.most(SERVING_RATE_FACTOR_MAX, length).max(FACTOR_MIN);
    let back_to_back = 1e6 / (took.max(1) as f64 * rate);
    let start = if took == 0 { 1.0 } else { back_to_back * START_SHARE };
    Goal {
        start: start.clamp(FACTOR_MIN, most),
        first_step: START_SHARE,
        range: (FACTOR_MIN, most),
        width: WIDTH,
        short: length,
        long: length,
        trials: 1,
        exceed_ratio: 0.5,
        budget,
    }
}

fn micros(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}

/// Of the rate at which commits follow each other without a gap, where a search starts. The first trial
/// is to be the lower bound, and one without a gap the upper one: the two are then as close as asked.
const START_SHARE: f64 = 0.7;
/// How far apart the bounds are to be, as a share of the upper one: half a doubling.
const WIDTH: f64 = 0.3;
/// The lowest rate that is tried, of that of other runs.
const FACTOR_MIN: f64 = 0.05;
/// Load before a trial's window.
const WARM_UP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_as_long_as_its_commits_need() {
        let s = Duration::from_secs;
        let ms = Duration::from_millis;
        assert_eq!(trial_length(s(3), 3, 100.0), s(3));
        assert_eq!(trial_length(s(3), 3, 0.5), ms(6_001));
        assert_eq!(trial_length(s(3), 20, 0.5), ms(40_001));
        assert_eq!(trial_length(s(90), 20, 0.5), s(90), "who asks for more gets more");
    }

    #[test]
    fn what_sustained_means_is_told_with_its_bounds() {
        let told = sustained_means().join("; ");
        assert!(told.contains("99%") && told.contains("2 intervals") && told.contains("250 ms"));
    }
}
