//! Runs in which members go away and come back, against a real server.

use std::time::Duration;

use super::scenarios::run_on;
use super::service::Service;
use crate::load::Outcome;
use crate::load::oracle::ViolationKind;
use crate::load::scenario::Scenario;
use crate::server::Settings;
use crate::server::settings::{Defence, Delivery};

/// A run of one second of one class, of which half of 16 members are away for a while.
fn outcome(policy: Delivery, shards: u16, class: &str, away: &str) -> Outcome {
    drained("60s", policy, shards, class, away)
}

/// The same, with so long a drain: a run that lacks messages waits for all of it.
fn drained(drain: &str, policy: Delivery, shards: u16, class: &str, away: &str) -> Outcome {
    let away = format!("away = {{ members = \"50%\", from = \"200ms\", for = \"500ms\"{away} }}");
    of(drain, policy, shards, &format!("rate = \"80/s\"\n{class}\n{away}"))
}

/// A run of one second of two groups of 16 with these lines.
fn of(drain: &str, policy: Delivery, shards: u16, lines: &str) -> Outcome {
    let mut settings = Settings { delivery: policy, ..Settings::default() };
    settings.service.shards = shards;
    run(("1s", drain), settings, lines)
}

/// The same of so long a time, with so long a drain, on a server with these settings.
fn run((measure, drain): (&str, &str), mut settings: Settings, lines: &str) -> Outcome {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 3\n\
         durations = {{ warm_up = \"100ms\", measure = \"{measure}\", drain = \"{drain}\" }}\n\
         [[groups]]\nname = \"class\"\ncount = 2\nmembers = 16\n{lines}\n"
    );
    let scenario = Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}"));
    settings.service.listen.set_port(0);
    let service = Service::with_settings(settings);
    run_on(&service, &scenario, false).0.unwrap()
}

/// A group keeps 8 messages, a fraction of what 500 ms bring.
fn forgetful() -> Delivery {
    Delivery { group_messages: 8, ..Delivery::default() }
}

const SYNTHETIC: &str = "source = \"synthetic\"\ncommits = \"10%\"";

#[test]
fn members_that_were_away_can_read_everything_they_missed() {
    for shards in [1, 2] {
        let real = "senders = 2\nreal = 14\ncommits = \"20%\"";
        let outcome = outcome(Delivery::default(), shards, real, ", over = \"100ms\"");
        let judgement = &outcome.judgement;
        assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
        assert_eq!(judgement.counts.deliveries, judgement.counts.deliveries_expected);
        assert_eq!(outcome.verified.faults, Vec::<String>::new());
        assert_eq!(outcome.verified.members, 28);
        let returns = outcome.returns.unwrap();
        assert_eq!((returns.away, returns.back, returns.caught_up), (16, 16, 16));
        assert_eq!(returns.resumed, 16);
        assert_eq!(outcome.sessions_lost.count, 0, "{:?}", outcome.sessions_lost);
    }
}

#[test]
fn a_handshake_is_resumed_only_if_the_scenario_lets_it() {
    let other = ", resumption = false }\n\
                 [[groups]]\nname = \"other\"\ncount = 1\nmembers = 6\nrate = \"10/s\"\n\
                 source = \"live\"\nracers = 2\n\
                 away = { members = \"50%\", from = \"200ms\", for = \"500ms\"";
    let outcome = outcome(Delivery::default(), 1, SYNTHETIC, other);
    let returns = outcome.returns.unwrap();
    assert_eq!((returns.back, returns.resumed), (16 + 3, 3));
    assert_eq!(outcome.judgement.violations.total(), 0);
    assert_eq!((outcome.verified.members, outcome.verified.faults.len()), (6, 0), "all live");
}

#[test]
fn nobody_waits_for_a_member_that_is_away() {
    let outcome = outcome(Delivery::default(), 1, SYNTHETIC, "");
    let [before, away, ..] = &outcome.recorder.classes[0].periods[..] else {
        panic!("a run with absences has four periods");
    };
    assert!(before.response.count() > 0 && away.response.count() > 0);
    assert!(away.fanout_last.count() > 0);
    let measured = outcome.recorder.response.count() * 16;
    let of_those_present = outcome.recorder.fanout_member.count();
    assert!(of_those_present < measured, "{of_those_present} of {measured}");
    let counts = &outcome.judgement.counts;
    assert_eq!(counts.deliveries, counts.deliveries_expected, "and yet all of it came");
}

#[test]
fn who_was_away_for_too_long_is_let_off_only_if_the_scenario_says_so() {
    let granted = outcome(forgetful(), 1, SYNTHETIC, ", may_resync = true");
    let judgement = &granted.judgement;
    assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
    let returns = granted.returns.unwrap();
    assert_eq!((returns.resyncs, returns.caught_up), (16, 16));
    // 40 messages a second in each of two groups, for half a second, to eight members of each.
    let excused = judgement.counts.excused;
    assert!(excused > 100, "{excused}");
    assert_eq!(judgement.counts.deliveries, judgement.counts.deliveries_expected);
    let refused = drained("2s", forgetful(), 1, SYNTHETIC, "");
    let violations = &refused.judgement.violations;
    assert!(violations.count(ViolationKind::Gap) > 0);
    assert!(violations.count(ViolationKind::Missing) > 100);
    assert_eq!(refused.judgement.counts.excused, 0);
}

/// Everything came to whom it was owed, and nobody was lost.
fn is_clean(outcome: &Outcome) {
    let judgement = &outcome.judgement;
    assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
    assert_eq!(judgement.counts.deliveries, judgement.counts.deliveries_expected);
    assert_eq!(outcome.sessions_lost.count, 0, "{:?}", outcome.sessions_lost);
    assert_eq!(outcome.verified.faults, Vec::<String>::new());
}

#[test]
fn sleepers_get_everything_each_time_that_they_wake_and_no_turn_is_lost() {
    for shards in [1, 2] {
        let sleepers = "rate = \"80/s\"\nsenders = 2\nreal = 14\ncommits = \"20%\"\n\
                        away = { members = \"50%\", every = \"300ms\", for = \"100ms\" }";
        let outcome = of("60s", Delivery::default(), shards, sleepers);
        is_clean(&outcome);
        assert_eq!(outcome.verified.members, 28);
        let returns = outcome.returns.unwrap();
        // The first goes at 0, 300, 600 and 900 ms, and is back at 1 s; the others go three times.
        assert_eq!(returns.away + returns.skipped, 4 + 15 * 3, "{returns:?}");
        assert!(returns.away > 16, "somebody goes again: {returns:?}");
        assert_eq!((returns.back, returns.caught_up), (returns.away, returns.away));
    }
}

#[test]
fn several_absences_of_a_class_are_all_gone_through() {
    let list = "rate = \"80/s\"\nsource = \"synthetic\"\ncommits = \"10%\"\nsenders = 2\n\
                away = [{ members = \"25%\", from = \"0s\", for = \"200ms\" },\n\
                { members = \"25%\", before = \"25%\", from = \"100ms\", for = \"400ms\" },\n\
                { members = \"50%\", from = \"800ms\", for = \"100ms\", resumption = false }]";
    let outcome = of("60s", Delivery::default(), 1, list);
    is_clean(&outcome);
    let returns = outcome.returns.unwrap();
    assert_eq!(returns.away + returns.skipped, 2 * (4 + 4 + 8), "{returns:?}");
    assert_eq!((returns.back, returns.caught_up), (returns.away, returns.away));
    assert_eq!(returns.resumed, 2 * (4 + 4), "{returns:?}");
}

#[test]
fn slow_members_fall_behind_and_get_everything_and_nobody_waits_for_them() {
    for shards in [1, 2] {
        let slow = "rate = \"80/s\"\nsenders = 2\nreal = 14\ncommits = \"10%\"\n\
                    payload = \"2KiB\"\n\
                    slow = { members = \"25%\", rate = \"8KiB/s\", window = \"4KiB\" }";
        let outcome = of("60s", Delivery::default(), shards, slow);
        is_clean(&outcome);
        assert_eq!(outcome.verified.members, 28, "the slow ones decrypt everything too");
        let lag = outcome.lags[0].as_ref().unwrap();
        let measured = outcome.recorder.response.count();
        assert_eq!((lag.members, lag.delay.count()), (8, measured * 4));
        assert_eq!((lag.resyncs, lag.closed), (0, 0));
        // 44 messages of 2 KiB are due to each in 1.1 s, in which it reads 9 KiB.
        assert!(lag.behind_max > 20, "{lag:?}");
        assert!(lag.delay.max_us() > 500_000, "what is read at 8 KiB a second takes its time");
        assert_eq!(outcome.recorder.fanout_member.count(), measured * 12);
        assert_eq!(outcome.recorder.fanout_last.count(), measured);
        assert!(outcome.returns.is_none());
    }
}

/// More messages than an audience keeps, to members that read next to nothing.
fn hopeless(drain: &str, granted: &str) -> Outcome {
    let slow = format!(
        "rate = \"6000/s\"\nsource = \"synthetic\"\nsenders = 2\npayload = \"1B\"\n\
         slow = {{ members = \"7%\", rate = \"4KiB/s\", window = \"4KiB\"{granted} }}"
    );
    of(drain, Delivery::default(), 1, &slow)
}

#[test]
fn who_is_too_slow_is_let_off_or_closed_only_if_the_scenario_says_so() {
    let granted = hopeless("60s", ", may_resync = true");
    let (judgement, lag) = (&granted.judgement, granted.lags[0].as_ref().unwrap());
    assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
    assert_eq!(granted.sessions_lost.count, 0, "{:?}", granted.sessions_lost);
    assert_eq!(judgement.counts.deliveries, judgement.counts.deliveries_expected);
    assert!(lag.resyncs > 0 && lag.behind_max > 1_024, "{lag:?}");
    assert!(judgement.counts.excused > 1_024, "{:?}", judgement.counts);
    let refused = hopeless("1s", "");
    let violations = &refused.judgement.violations;
    assert!(violations.count(ViolationKind::Gap) > 0);
    assert_eq!(refused.judgement.counts.excused, 0);
}

#[test]
fn what_slow_members_are_owed_comes_at_once_when_the_load_has_ended() {
    // 44 messages of 4 KiB are due to each: at 1 KiB a second, three times as long as the drain.
    let slow = "rate = \"80/s\"\nsource = \"synthetic\"\nsenders = 2\npayload = \"4KiB\"\n\
                slow = { members = \"25%\", rate = \"1KiB/s\", window = \"4KiB\" }";
    let outcome = of("60s", Delivery::default(), 2, slow);
    is_clean(&outcome);
    let lag = outcome.lags[0].as_ref().unwrap();
    assert_eq!(lag.delay.count(), outcome.recorder.response.count() * 4);
    assert!(lag.behind_max > 20, "{lag:?}");
}

/// Members that read so slowly that a service without patience takes them for stalled.
fn impatient(granted: &str) -> Outcome {
    let slow = format!(
        "rate = \"80/s\"\nsource = \"synthetic\"\nsenders = 2\npayload = \"4KiB\"\n\
         slow = {{ members = \"25%\", rate = \"1KiB/s\", window = \"4KiB\"{granted} }}"
    );
    // The server looks once a second, and slow members read ten times in one, at the same moments of
    // each: hardly any patience, or it might look right after they have read, every time.
    let stall = Duration::from_millis(1);
    let defence = Defence { stall, ..Defence::default() };
    run(("4s", "10s"), Settings { defence, ..Settings::default() }, &slow)
}

#[test]
fn who_is_closed_as_too_slow_is_let_off_only_if_the_scenario_says_so() {
    let granted = impatient(", may_resync = true");
    let (judgement, lag) = (&granted.judgement, granted.lags[0].as_ref().unwrap());
    assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
    assert_eq!(granted.sessions_lost.count, 0, "{:?}", granted.sessions_lost);
    assert!((1..=8).contains(&lag.closed), "{lag:?}");
    assert!(judgement.counts.cut_off > 0, "what they were owed is told: {:?}", judgement.counts);

    let refused = impatient("");
    let (judgement, lag) = (&refused.judgement, refused.lags[0].as_ref().unwrap());
    // A service may close whom it takes for stalled: no breach of contract, and no valid run.
    assert_eq!(judgement.violations.total(), 0, "{:?}", judgement.violations.examples());
    assert_eq!(lag.closed, 0, "{lag:?}");
    assert!((1..=8).contains(&refused.sessions_lost.count), "{:?}", refused.sessions_lost);
    assert!(judgement.counts.cut_off > 0, "{:?}", judgement.counts);
}
