//! What is offered is the schedule, whatever the service does.

use std::time::Duration;

use super::manner::{Fault, Manner, What};
use super::trial::{Trial, plan, scenario, together, trial};
use crate::load::schedule::Operation;

const STALL: Duration = Duration::from_millis(300);

/// Nobody waits for anybody: commits would make their senders wait, as clients do.
const FREE: (&str, &str) = ("commits = \"20%\"", "commits = \"0%\"");

fn run(fault: Option<What>, arrivals: &str) -> Trial {
    let arrivals = ("arrivals = \"even\"", arrivals);
    let fault = fault.map(|what| Fault { group: 0, seq: 4, member: None, what });
    let manner = Manner { fault, ..Manner::default() };
    trial(manner, plan(&scenario(&[FREE, arrivals])))
}

fn attempts(trial: &Trial) -> Vec<u64> {
    let mut attempts: Vec<u64> = trial.seen.submitted.iter().map(|(attempt, _)| *attempt).collect();
    attempts.sort_unstable();
    attempts
}

#[test]
fn every_operation_of_the_schedule_is_offered_once_whatever_the_service_does() {
    let stalls = [None, Some(What::Mute(STALL)), Some(What::Freeze(STALL))];
    let bursts = "arrivals = { on = \"30ms\", off = \"30ms\", of = \"class\" }";
    let processes = ["arrivals = \"even\"", "arrivals = \"poisson\"", bursts];
    let runs = processes.iter().flat_map(|process| stalls.map(|stall| (stall, *process)));
    for trial in together(runs.collect(), |(stall, process)| run(stall, process)) {
        let all: Vec<u64> = (0..trial.scheduled).collect();
        assert_eq!(attempts(&trial), all);
        let latency = &trial.record.latency_us;
        assert_eq!(latency.lateness.count, trial.scheduled);
        assert_eq!(latency.lateness.negatives, 0, "nothing leaves before it is due");
        assert_eq!(latency.response.count, trial.scheduled);
    }
}

#[test]
fn a_silent_service_is_sent_what_is_due_all_the_same_and_not_before() {
    let trial = run(Some(What::Mute(STALL)), "arrivals = \"even\"");
    let plan = plan(&trial.scenario);
    let operations = plan.schedule.operations();
    let struck = trial.seen.struck.unwrap();
    let until = trial.seen.silent_until.unwrap();
    let came = |(_, at): &&(u64, std::time::Instant)| *at > struck && *at < until;
    let meanwhile = trial.seen.submitted.iter().filter(came).count();
    // A generator that waits for answers before it goes on sends at most one for each sender.
    let senders = 2 * 3;
    let first = operations.iter().filter(|of| of.group == 0).nth(3).unwrap().intended;
    let due = |of: &&Operation| of.intended > first && of.intended < first + STALL;
    let due = operations.iter().filter(due).count();
    assert!(meanwhile > senders && meanwhile > due / 2, "{meanwhile} of {due}");
    // However late some of it was: the spacing of any two is at least as far as the schedule lets
    // the earlier one leave and the later one not yet.
    let (attempt, start) = trial.seen.submitted[0];
    let offset = |attempt: u64| operations[usize::try_from(attempt).unwrap()].intended;
    let fastest = |(of, at): &(u64, std::time::Instant)| {
        at.saturating_duration_since(start) + offset(attempt) + Duration::from_millis(150)
            >= offset(*of)
    };
    assert!(trial.seen.submitted.iter().all(fastest), "nothing is sent ahead of its time");
}
