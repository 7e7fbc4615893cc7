//! No threshold is given up that can still hold, by what is read from a scenario itself.
//!
//! Naive runs of real scenarios: everything that a schedule holds comes through, and whatever no
//! schedule holds, of closed loops, leases and proposals, comes on top of it.

use std::time::Duration;

use proptest::prelude::*;

use super::parse;
use crate::load::contention::Policy;
use crate::load::oracle::Delivered;
use crate::load::population::Population;
use crate::load::recorder::{Due, Recorder};
use crate::load::scenario::{Class, Scenario};
use crate::load::schedule::{OperationKind, Schedule};
use crate::load::threshold::{Facts, Most, Standing, Tally, Threshold};

/// Two classes, of which the second does this; half a second of warm-up and four of measurement.
fn scenario(does: &str, until: &str) -> Scenario {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 3\ndrain = \"1s\"\n\
         [[phases]]\nkind = \"warm_up\"\nname = \"early\"\nfor = \"10500ms\"{until}\n\
         [[phases]]\nkind = \"measure\"\nname = \"main\"\nfor = \"4s\"\n\
         [[groups]]\nname = \"plain\"\ncount = 1\nmembers = 3\nrate = \"2/s\"\narrivals = \"even\"\n\
         source = \"synthetic\"\n\
         [[groups]]\nname = \"other\"\ncount = 1\nmembers = 6\njoiners = 4\nrate = \"3/s\"\narrivals = \"even\"\n{does}\n"
    );
    let text = if !does.contains("mix") { text.replace("joiners = 4\n", "") } else { text };
    Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{does}: {error}"))
}

/// What a class may do.
const DOES: [&str; 7] = [
    "source = \"synthetic\"\ncommits = \"30%\"",
    "source = \"tape\"\nvalidation = \"public\"\nmix = { adds = \"40%\", removes = \"30%\", external_joins = \"20%\" }",
    "source = \"live\"\nracers = 3",
    "source = \"live\"\nracers = 3\ncontention = { policy = \"backoff\", think = \"100ms\" }",
    "source = \"live\"\nracers = 3\ncontention = { policy = \"lease\", for = \"1s\" }",
    "source = \"live\"\nracers = 3\ncontention = { policy = \"proposals\", window = \"100ms\" }",
    "source = \"live\"\nracers = 3\ncontention = { policy = \"lease\", for = \"1s\", think = \"50ms\" }",
];

const UNTIL: [&str; 2] = ["", "\nuntil = \"steady\""];

/// A message that is ordered at once.
#[derive(Clone, Copy, Debug)]
struct Message {
    class: u32,
    at: Duration,
    /// Whether it is a change or message that was due, and not something beside it.
    due: bool,
    commit: bool,
}

/// Everything that comes about, by time.
fn messages(scenario: &Scenario, schedule: &Schedule) -> Vec<Message> {
    let population = Population::of(scenario);
    let mut all = Vec::new();
    for operation in schedule.operations() {
        let class = population.groups()[operation.group as usize].class;
        let of: &Class = &scenario.groups[class as usize];
        let racing = operation.kind == OperationKind::Race;
        let message = Message {
            class,
            at: operation.intended,
            due: true,
            commit: !racing && operation.kind.message() == crate::delivery::Kind::Commit,
        };
        let Some(contention) = of.contention.filter(|_| racing) else {
            all.push(message);
            continue;
        };
        let mut at = operation.intended;
        loop {
            for _ in 0..of.racers {
                let beside =
                    matches!(contention.policy, Policy::Lease { .. } | Policy::Proposals { .. });
                if beside {
                    all.push(Message { at, due: false, ..message });
                }
                all.push(Message { at, ..message });
            }
            let Some(think) = contention.think else { break };
            at += think.max(Duration::from_millis(20));
            if at >= scenario.offered() {
                break;
            }
        }
    }
    all.sort_by_key(|message| message.at);
    all
}

struct Run<'a> {
    scenario: &'a Scenario,
    window: std::ops::Range<Duration>,
    recorder: Recorder,
    tally: Tally,
}

impl<'a> Run<'a> {
    /// A run that is found to be steady so much earlier than it would have to be.
    fn of(scenario: &'a Scenario, early: Duration) -> Self {
        let mut recorder = Recorder::over(scenario);
        let mut window = scenario.window();
        if !early.is_zero() {
            window = window.start - early..window.end - early;
            recorder.bring_forward(window.clone(), early);
        }
        Self { scenario, window, recorder, tally: Tally::default() }
    }

    fn take(&mut self, message: &Message) {
        let Message { class, at, due, commit } = *message;
        let measured = self.window.contains(&at);
        let of = Due { class, intended: at, measured };
        self.tally.called_for += 1;
        self.tally.accepted += 1;
        if due {
            self.recorder.reached(of, at);
            self.recorder.accepted(of, at, at);
        }
        if commit {
            self.recorder.committed(of, at);
        }
        let members = self.scenario.groups[class as usize].members;
        for member in 0..members {
            let delivered = Delivered {
                attempt: self.tally.called_for,
                intended: at,
                measured: measured && due,
                first: member == 0,
                reached_p99: member + 1 == members,
                last: member + 1 == members,
                missed: !due,
            };
            self.tally.deliveries += 1;
            self.recorder.delivered(class, &delivered, 10, at);
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            scenario: self.scenario,
            recorder: &self.recorder,
            joins: None,
            tally: self.tally,
            window: self.window.end - self.window.start,
            server: None,
        }
    }
}

/// Runs it and gives up whatever is hopeless at any point; that, and what it comes to.
fn check(does: &str, until: &str, early: Duration, lines: &[String]) -> Result<(), TestCaseError> {
    let scenario = scenario(does, until);
    let schedule = Schedule::plan(&scenario);
    let most = Most::of(&scenario, &Population::of(&scenario), &schedule);
    let thresholds: Vec<Threshold> = lines.iter().map(|line| parse(line)).collect();
    let mut run = Run::of(&scenario, early);
    let end = run.window.end;
    let mut given_up = vec![None; thresholds.len()];
    for message in messages(&scenario, &schedule).iter().filter(|message| message.at < end) {
        for (threshold, given_up) in thresholds.iter().zip(&mut given_up) {
            if given_up.is_none() && threshold.is_hopeless(&run.facts(), &most) {
                *given_up = Some(message.at);
            }
        }
        run.take(message);
    }
    for (threshold, given_up) in thresholds.iter().zip(given_up) {
        let judged = threshold.judge(&run.facts());
        prop_assert!(
            given_up.is_none() || judged.standing != Standing::Pass,
            "{does}: {threshold} was given up at {given_up:?} and came to {judged:?}"
        );
    }
    Ok(())
}

fn line() -> impl Strategy<Value = String> {
    let op = || prop::sample::select(vec!["<", "==", ">=", ">"]);
    let counted = prop::sample::select(vec![
        "response",
        "lateness",
        "fanout_last",
        "fanout_member",
        "response{group=other}",
        "commit_response{group=other}",
        "fanout_last{group=other}",
        "response{phase=main}",
        "lateness{phase=main}",
        "fanout_last{phase=main}",
        "response{phase=early}",
    ]);
    prop_oneof![
        3 => (counted, op(), 0_u64..150).prop_map(|(of, op, count)| format!("{of}.count {op} {count}")),
        1 => (op(), 0_u64..80).prop_map(|(op, rate)| format!("operations_per_s {op} {rate}/s")),
        1 => (op(), 0_u64..400).prop_map(|(op, rate)| format!("deliveries_per_s {op} {rate}/s")),
        1 => (op(), 0_u64..=100).prop_map(|(op, share)| format!("achieved {op} {share}%")),
    ]
}

/// What each of these comes to is more than what its schedule holds, or than what it says at first.
#[test]
fn what_no_schedule_holds_is_not_out_of_reach() {
    let closed = "operations_per_s > 25/s response{group=other}.count > 100 lateness.count > 100 \
                  response{phase=main}.count > 100";
    let cases = [
        (DOES[1], "commit_response{group=other}.count >= 8"),
        (DOES[3], closed),
        (DOES[4], "operations_per_s > 9/s deliveries_per_s > 100/s achieved >= 99%"),
        (DOES[5], "operations_per_s > 9/s deliveries_per_s > 100/s achieved >= 99%"),
        (DOES[6], closed),
    ];
    for (does, lines) in cases {
        let words: Vec<&str> = lines.split_whitespace().collect();
        let lines: Vec<String> = words.chunks(3).map(|words| words.join(" ")).collect();
        check(does, "", Duration::ZERO, &lines).unwrap();
        // They hold in the end: else nothing is shown by their not being given up.
        let scenario = scenario(does, "");
        let mut run = Run::of(&scenario, Duration::ZERO);
        messages(&scenario, &Schedule::plan(&scenario)).iter().for_each(|one| run.take(one));
        for line in lines {
            let judged = parse(&line).judge(&run.facts());
            assert_eq!(judged.standing, Standing::Pass, "{does}: {line}: {judged:?}");
        }
    }
}

/// What is bounded is bounded: not everything is called possible.
#[test]
fn what_a_schedule_holds_is_the_most_of_classes_that_follow_it() {
    let most = |does| {
        let scenario = scenario(does, "");
        let schedule = Schedule::plan(&scenario);
        let due = |early: bool| {
            let all = schedule.operations().iter();
            all.filter(|one| (one.intended < scenario.window().start) == early).count() as u64
        };
        (Most::of(&scenario, &Population::of(&scenario), &schedule), due(true), due(false))
    };
    let (plain, early, late) = most(DOES[0]);
    assert_eq!((plain.accepted, plain.called_for), (Some(early + late), plain.accepted));
    assert_eq!(plain.phases, [Some(early), Some(late)]);
    assert_eq!((plain.classes[0].operations, plain.classes[1].operations), (Some(8), Some(12)));
    assert!(plain.classes[1].commits.is_some_and(|commits| (1..12).contains(&commits)));
    let (open, early, late) = most(DOES[2]);
    // Of three racers each, but 29 that are of the other class.
    assert_eq!((open.called_for, open.accepted), (None, Some((early + late - 29) * 3 + 29)));
    assert_eq!(open.classes[1].operations, Some(12 * 3));
    assert_eq!(most(DOES[4]).0.classes[1].operations, Some(12 * 3), "each lease is for a change");
    let closed = most(DOES[3]).0;
    assert_eq!(closed.classes[0].operations, Some(8), "the others are as they were");
    assert_eq!((closed.classes[1].operations, closed.phases[1]), (None, None));
}

proptest! {
    #[test]
    fn nothing_is_given_up_in_a_run_of_any_kind_of_class_that_holds_in_the_end(
        does in prop::sample::select(DOES.to_vec()),
        until in prop::sample::select(UNTIL.to_vec()),
        early in 0_u64..10_000,
        lines in prop::collection::vec(line(), 12),
    ) {
        let early = if until.is_empty() { 0 } else { early };
        check(does, until, Duration::from_millis(early), &lines)?;
    }
}
