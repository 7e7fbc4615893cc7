//! The spacing of every arrival process against its law.

use super::*;
use crate::load::phases::{Phase, PhaseKind};
use crate::load::scenario::Scenario;
use crate::units::Factor;

fn class(arrivals: &str, rest: &str) -> Class {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 1\n\
         durations = {{ warm_up = \"0s\", measure = \"10s\", drain = \"1s\" }}\n\
         [[groups]]\nname = \"a\"\nmembers = 4\nrate = \"200/s\"\narrivals = {arrivals}\n{rest}\n"
    );
    Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}")).groups.remove(0)
}

fn flat(seconds: u64) -> Course {
    Course::of(&Phase::classic(Duration::ZERO, Duration::from_secs(seconds)))
}

fn seconds(class: &Class, course: &Course) -> Vec<f64> {
    of_class(11, 0, class, course).map(|arrival| arrival.at.as_secs_f64()).collect()
}

/// Kolmogorov-Smirnov against 1 - e^-x; 1.95 / sqrt(n) is passed by 99.9 % of seeds.
fn assert_exponential(mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distance = (0..)
        .zip(&values)
        .map(|(rank, value)| ((1.0 - (-value).exp()) - f64::from(rank) / count).abs())
        .fold(0.0, f64::max);
    assert!(distance < 1.95 / count.sqrt(), "{distance} of {count}");
}

const FIXED: &str = "{ on = \"1s\", off = \"4s\", lengths = \"fixed\", of = \"class\" }";
const DRAWN: &str = "{ on = \"1s\", off = \"4s\", of = \"class\" }";

#[test]
fn bursts_of_fixed_length_come_every_cycle_and_are_poisson_within() {
    let class = class(FIXED, "count = 1");
    let due = seconds(&class, &flat(5_000));
    // 200/s on average are 1,000/s within a burst.
    let first = due.windows(2).find(|pair| pair[1] - pair[0] > 3.0).unwrap()[1];
    let phase = |at: f64| (at - first + 0.1).rem_euclid(5.0) - 0.1;
    assert!(due.iter().all(|at| phase(*at) < 1.0 + 1e-9), "within a second of every five");
    let mean = due.len() as f64 / 5_000.0;
    assert!((mean - 200.0).abs() < 4.0 * (200.0_f64 / 5_000.0).sqrt() + 0.2, "{mean}");
    let gaps = due.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap < 1.0);
    // A burst's last gap is cut off: one in a thousand.
    assert_exponential(gaps.map(|gap| gap * 1_000.0).take(50_000).collect());
}

#[test]
fn bursts_and_silences_of_drawn_length_are_exponential_and_keep_the_mean_rate() {
    let class = class(DRAWN, "count = 1");
    let due = seconds(&class, &flat(20_000));
    let bursts = bursts_of(&due);
    let silences: Vec<f64> = bursts.windows(2).map(|pair| pair[1].0 - pair[0].1).collect();
    // A silence that is shorter than 20 gaps is taken for none: 1 in 200.
    assert_exponential(silences.iter().map(|silence| (silence - 0.02) / 4.0).collect());
    let lengths: Vec<f64> = bursts.iter().map(|(from, to)| to - from).collect();
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!((0.93..1.07).contains(&mean), "{mean}");
    // The standard deviation of the mean rate, by the formula that bounds it.
    let deviation = class.operations_bound(&flat(20_000)) as f64 - 4e6;
    let off = (due.len() as f64 - 4e6).abs();
    assert!(off < deviation && off > deviation / 1e3, "{off} of {deviation}");
}

/// Where bursts begin and end, told apart by silences of 20 mean gaps.
fn bursts_of(due: &[f64]) -> Vec<(f64, f64)> {
    let mut bursts = vec![(due[0], due[0])];
    for at in due {
        let last = bursts.last_mut().unwrap();
        if at - last.1 > 0.02 { bursts.push((*at, *at)) } else { last.1 = *at }
    }
    bursts
}

#[test]
fn groups_burst_by_themselves_and_together_keep_the_rate() {
    let one = class("{ on = \"1s\", off = \"4s\" }", "count = 50\nhot = { zipf = 1.0 }");
    let course = flat(500);
    let due: Vec<Arrival> = of_class(11, 0, &one, &course).collect();
    assert!(due.is_sorted_by_key(|arrival| arrival.at));
    let weights = one.hot_groups();
    for group in [0, 1, 10] {
        let own: Vec<f64> = due
            .iter()
            .filter(|arrival| arrival.group == Some(group))
            .map(|arrival| arrival.at.as_secs_f64())
            .collect();
        let expected = 200.0 * 500.0 * weights.share(group, 50);
        assert!((own.len() as f64 / expected - 1.0).abs() < 0.35, "{group}: {}", own.len());
        // Squared variation of the gaps: 1 if they were independent of each other.
        let gaps: Vec<f64> = own.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!(square / mean.powi(2) > 3.0, "{group}: {}", square / mean.powi(2));
    }
    // Many groups at once are nearly as even as they would be without bursts.
    assert!((due.len() as f64 / 1e5 - 1.0).abs() < 0.15, "{}", due.len());
}

#[test]
fn no_process_exceeds_its_bound_and_those_that_are_exact_meet_it() {
    let phases = |factor: u64| {
        let factor = Factor::of_percent(factor).unwrap();
        let mut phases = Phase::classic(Duration::from_secs(5), Duration::from_secs(20));
        phases[0].kind = PhaseKind::Ramp;
        phases[0].start = Factor::NONE;
        phases[1].start = factor;
        Course::of(&phases)
    };
    for rest in ["count = 1", "count = 7", "count = 7\nhot = { zipf = 2, senders = 1 }"] {
        for arrivals in ["\"even\"", "\"poisson\"", FIXED, DRAWN, "{ on = \"9s\", off = \"1ms\" }"]
        {
            let class = class(arrivals, rest);
            for course in [phases(50), phases(250), flat(1), flat(60)] {
                for seed in 0..20 {
                    let count = of_class(seed, 0, &class, &course).count() as u64;
                    let bound = class.operations_bound(&course);
                    assert!(count <= bound, "{arrivals} {rest}: {count} of {bound}");
                    assert!(arrivals != "\"even\"" || count == bound, "{count} of {bound}");
                }
            }
        }
    }
}

#[test]
fn a_trace_is_replayed_along_the_course_and_its_groups_are_kept() {
    let mut class = class("\"even\"", "count = 3");
    let trace = Trace::parse("at_s,group\n0.5,0\n1,4\n1.5,2\n2,\n8,1\n", "t").unwrap();
    class.rate = trace.rate().unwrap();
    class.arrivals = Arrivals::Trace(trace);
    let mut phases = Phase::classic(Duration::from_secs(1), Duration::from_secs(3));
    phases[1].start = Factor::of_percent(200).unwrap();
    phases[1].end = phases[1].start;
    let course = Course::of(&phases);
    let due: Vec<_> = of_class(1, 0, &class, &course)
        .map(|arrival| (arrival.at.as_millis(), arrival.group))
        .collect();
    // Twice as fast after a second; the last one is beyond the end.
    assert_eq!(due, [(500, Some(0)), (1_000, Some(1)), (1_250, Some(2)), (1_500, None)]);
    assert_eq!(class.operations_bound(&course), 4);
}
