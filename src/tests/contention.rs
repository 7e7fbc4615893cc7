//! Live members that race by each policy, against a real server in one process.
//!
//! Whatever the policy: one winner in each epoch, everybody told, all members in agreement; and what
//! is counted adds up.

use std::time::Duration;

use crate::load::Outcome;
use crate::load::contention::tally::Share;
use crate::load::contention::{Policy, Tally};
use crate::load::scenario::Scenario;
use crate::report::contention::rows;
use crate::tests::scenarios::run_on;
use crate::tests::service::{Service, default_settings};

fn scenario(contention: &str, racers: u32, reservation: &str) -> Scenario {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 5\n\
         durations = {{ warm_up = \"100ms\", measure = \"1200ms\", drain = \"60s\" }}\n\
         server = {{ {reservation} }}\n\
         [[groups]]\nname = \"racing\"\ncount = 2\nmembers = 6\nsource = \"live\"\n\
         rate = \"6/s\"\narrivals = \"even\"\nracers = {racers}\ncontention = {contention}\n"
    );
    Scenario::parse(&text, "t").unwrap()
}

/// Runs it, and sees to it that nothing is wrong with what came of it.
fn race(contention: &str, racers: u32) -> (Outcome, Tally) {
    let scenario = scenario(contention, racers, "reservation = \"0s\"");
    let mut settings = default_settings(1);
    settings.defence.reservation = Duration::ZERO;
    let service = Service::with_settings(settings);
    let outcome = run_on(&service, &scenario, false).0.unwrap();
    let violations = &outcome.judgement.violations;
    assert_eq!(violations.total(), 0, "{contention}: {:?}", violations.examples());
    assert_eq!(outcome.verified.faults, Vec::<String>::new(), "{contention}");
    let counts = outcome.judgement.counts;
    assert_eq!(counts.deliveries, counts.deliveries_expected, "{contention}");
    let accounted = counts.accepted + counts.rejected + counts.timed_out + counts.not_issued;
    assert_eq!(accounted, outcome.called_for, "{contention}: {counts:?}");
    assert_eq!((counts.timed_out, counts.not_issued), (0, 0), "{contention}");
    let known = |reason: &&str| ["wrong_epoch", "put_off"].contains(reason);
    assert!(outcome.refusals.keys().all(known), "{:?}", outcome.refusals);
    let tally = outcome.tallies[0].clone().unwrap();
    assert_eq!((tally.gave_up, tally.unserved), (0, 0), "{contention}");
    assert!(tally.successes() > 0 && tally.won.count > 0, "{contention}: {tally:?}");
    // A change is an operation, and has one outcome.
    let served = outcome.recorder.response.count();
    assert_eq!(tally.time_to_commit.count(), served, "{contention}");
    assert_eq!(tally.tries.iter().sum::<u64>(), served, "{contention}");
    (outcome, tally)
}

#[test]
fn who_retries_at_once_or_backs_off_loses_and_comes_through() {
    for contention in ["{}", "{ policy = \"backoff\", base = \"5ms\", max = \"100ms\" }"] {
        let (outcome, tally) = race(contention, 4);
        assert!(tally.lost.count > 0 && tally.wasted_bytes() > 0, "{contention}: {tally:?}");
        assert!(tally.wasted_cpu > Duration::ZERO && tally.wasted_cpu < tally.built_cpu);
        assert_eq!(tally.overhead_bytes(), 0, "{contention}");
        assert!(tally.tries_mean().unwrap() > 1.0, "{contention}: {:?}", tally.tries);
        // Each change had a commit of its own: eight rounds in 1.3 s, of four racers.
        assert_eq!(outcome.judgement.counts.accepted, 8 * 4, "{contention}");
    }
}

#[test]
fn one_commit_serves_many_whose_proposals_it_names() {
    let (outcome, tally) =
        race("{ policy = \"proposals\", window = \"200ms\", takeover = \"20s\" }", 4);
    assert!(tally.proposals.count > 0 && tally.proposals.bytes > 0, "{tally:?}");
    assert!(tally.won.count < tally.successes(), "{tally:?}");
    assert_eq!(tally.lost.count, 0, "one commits, and the next in line had no cause to: {tally:?}");
    assert!(outcome.recorder.response.count() > 0);
    // Fan-out is of commits, and has every member in it.
    assert_eq!(outcome.recorder.fanout_member.count() % 6, 0);
}

#[test]
fn who_holds_the_lease_commits_and_nobody_loses() {
    let (_, tally) = race("{ policy = \"lease\", for = \"20s\" }", 4);
    assert_eq!(tally.lost.count, 0, "{tally:?}");
    assert_eq!(tally.wasted_bytes(), 0);
    assert!(tally.claims.count >= tally.won.count, "{tally:?}");
    assert!(tally.overhead_cpu > Duration::ZERO && tally.overhead_bytes() > 0);
    assert_eq!(tally.tries, [tally.tries[0]], "each change at its first try");
}

#[test]
fn racers_that_always_want_a_change_open_epoch_after_epoch_until_the_window_ends() {
    for policy in ["retry", "backoff", "proposals", "lease"] {
        let settings = match policy {
            "proposals" => "window = \"5ms\", takeover = \"20s\", ",
            "backoff" => "base = \"1ms\", max = \"20ms\", ",
            _ => "",
        };
        let contention = format!("{{ policy = \"{policy}\", {settings}think = \"0s\" }}");
        let (outcome, tally) = race(&contention, 3);
        // Nothing was scheduled but the first round of each group.
        assert!(outcome.called_for > 2 * 3, "{policy}: {}", outcome.called_for);
        let sums: Vec<u64> =
            tally.groups.iter().map(|racers| racers.iter().map(|of| of.successes).sum()).collect();
        assert!(sums.iter().all(|successes| *successes > 0), "{policy}: {sums:?}");
        // Which place a racer has in its group is no reason to lose. Who has backed off for long may
        // not come through again while others hardly wait: that is the policy's doing.
        if policy != "backoff" && sums.iter().all(|successes| *successes >= 30) {
            let starved = |racers: &Vec<Share>| racers.iter().any(|of| of.successes == 0);
            assert!(!tally.groups.iter().any(starved), "{policy}: {:?}", tally.groups);
        }
        let scenario = scenario(&contention, 3, "");
        let row = &rows(&scenario, &outcome.tallies, 1.2)[0];
        assert_eq!((row.policy.as_str(), row.think_s), (policy, Some(0.0)));
        assert_eq!(Policy::named(policy).unwrap().name(), policy);
        assert!((row.epochs_per_s - tally.won.count as f64 / 2.4).abs() < 1e-9);
    }
}

#[test]
fn racers_whose_handshakes_are_private_race_as_well() {
    for policy in ["proposals", "lease"] {
        let mut scenario = scenario(&format!("{{ policy = \"{policy}\" }}"), 4, "");
        scenario.groups[0].handshake = crate::mls::Handshake::Private;
        let outcome = run_on(&Service::start(1), &scenario, false).0.unwrap();
        assert_eq!(outcome.judgement.violations.total(), 0, "{policy}");
        assert_eq!(outcome.verified.faults, Vec::<String>::new(), "{policy}");
        assert!(outcome.tallies[0].as_ref().unwrap().successes() > 0, "{policy}");
    }
}
